//! Where secrets come from, and where they never go.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anode_tests::{Program, Site, anode, files};

fn secret(site: &Site, name: &str) -> String {
    fs::read_to_string(site.keys().join(name)).expect("a secret").trim().to_owned()
}

/// `anode` with an empty key folder, so that every secret has to come from somewhere else.
fn without_keys(site: &Site, command: &[&str]) -> Program {
    anode(command).arg("-C").arg(site.repository()).env("ANODE_KEYS", site.scratch("none"))
}

#[test]
fn secrets_come_from_descriptors_files_and_variables() {
    let site = Site::new();
    let timestamp = site.scratch("timestamp");
    fs::write(&timestamp, secret(&site, "timestamp.key")).expect("writing");
    fs::set_permissions(&timestamp, fs::Permissions::from_mode(0o600)).expect("chmod");
    let build = format!(
        "exec anode build -C '{}' --secret release=fd:3 --secret seal=fd:0 --secret timestamp=file:'{}' 3<'{}' <'{}'",
        site.repository().display(),
        timestamp.display(),
        site.keys().join("release.key").display(),
        site.keys().join("seal.secret").display(),
    );
    let _ = Program::new("sh").args(["-c", &build]).env("ANODE_KEYS", site.scratch("none")).run().ok();
    let publish = without_keys(&site, &["publish", "--secret", "probe=env:MY_PROBE"])
        .env("MY_PROBE", secret(&site, "probe.code"));
    let publish = publish.arg("--to").arg(site.target()).arg("--ca").arg(site.authority.certificate());
    let published = publish.run().ok();
    assert!(published.stderr.contains("scanned     none of"), "{published}");
}

#[test]
fn a_secret_in_an_argument_is_refused_and_not_repeated() {
    let site = Site::new();
    let key = secret(&site, "seal.secret");
    for value in [format!("seal={key}"), key.clone(), format!("seal=fd:{key}"), format!("{key}=env:X")] {
        let refused = without_keys(&site, &["build", "--secret", &value]).run();
        assert!(!refused.stderr.contains(&key) && !refused.stdout.contains(&key), "repeated");
        let _ = refused.fails(&["--secret"]);
    }
    let refused = without_keys(&site, &["build", "--secret", "release=fd:9"]).run();
    let _ = refused.fails(&["descriptor 9", "not open"]);
    let _ = without_keys(&site, &["build"]).run().fails(&["--keys DIR", "ANODE_SEAL_SECRET", "--secret seal="]);
    let open = site.scratch("open");
    fs::write(&open, &key).expect("writing");
    fs::set_permissions(&open, fs::Permissions::from_mode(0o644)).expect("chmod");
    let refused = without_keys(&site, &["build", "--secret", &format!("seal=file:{}", open.display())]).run();
    let _ = refused.fails(&["can be read by others", "chmod 600"]);
}

#[test]
fn the_password_of_a_key_comes_from_where_secrets_come_from() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (repository, keys) = (folder.path().join("site"), folder.path().join("keys"));
    let password = folder.path().join("password");
    fs::write(&password, "correct horse battery\n").expect("writing");
    fs::set_permissions(&password, fs::Permissions::from_mode(0o600)).expect("chmod");
    let init = anode(["init", "--password-file"]).arg(&password).arg("--keys").arg(&keys).arg(&repository);
    let _ = init.run().ok();
    let build = |source: &str| {
        let build = anode(["build", "-C"]).arg(&repository).arg("--keys").arg(&keys);
        if source.is_empty() { build } else { build.args(["--secret", source]) }
    };
    let _ = build("").run().fails(&["encrypted", "--secret password="]);
    let _ = build("password=env:P").env("P", "wrong").run().fails(&["password is wrong"]);
    let built = build(&format!("password=file:{}", password.display())).run().ok();
    assert!(!built.stderr.contains("horse"), "{built}");
}

/// Writes every secret of a site in every form into files of a folder; the names of the files say which.
const PLANT: &str = r#"
import base64, gzip, hashlib, hmac, os, struct, sys, urllib.parse, zlib
keys, repository, out, profile, organisation = sys.argv[1:]
read = lambda name: open(os.path.join(keys, name)).read().strip()
lp = lambda x: struct.pack(">I", len(x)) + x
secrets = {}
for name in ["release", "timestamp", "root-1", "root-2"]:
    line = read(name + ".key").splitlines()[1]
    seed = base64.b64decode(line)[62:94]
    h = bytearray(hashlib.sha512(seed).digest()[:32])
    h[0] &= 248; h[31] &= 63; h[31] |= 64
    secrets[name + "-seed"] = seed
    secrets[name + "-scalar"] = bytes(h)
    secrets[name + "-file"] = line.encode()
seal = bytes.fromhex(read("seal.secret"))
salt = bytes.fromhex(open(os.path.join(repository, "keys/seal.salt")).read().strip())
K = hmac.new(salt, seal, hashlib.sha256).digest()
info = lp(b"anode/1 pack-key") + lp(profile.encode()) + lp(b"") + struct.pack(">I", int(sys.stdin.read()))
secrets.update({"seal": seal, "salt": salt, "k": K, "pack-key": hmac.new(K, info + b"\x01", hashlib.sha256).digest()})
secrets["inbox"] = bytes.fromhex(read("inbox.key"))
secrets["probe"] = read("probe.code").encode()
secrets["probe-plain"] = read("probe.code").replace("-", "").encode()
import tomllib
terms = os.path.join(repository, "codes", organisation)
for label in os.listdir(terms):
    secrets["claim"] = bytes.fromhex(tomllib.load(open(os.path.join(terms, label), "rb"))["claim_key"])
secrets["hash"] = tomllib.load(open(os.path.join(repository, profile, "profile.toml"), "rb"))["variables"]["password"].encode()
os.makedirs(out)
for name, s in secrets.items():
    forms = {"raw": s, "backwards": s[::-1], "hex": s.hex().encode(), "HEX": s.hex().upper().encode(),
             "percent": urllib.parse.quote_from_bytes(s, safe="").encode(),
             "percents": "".join("%%%02x" % b for b in s).encode()}
    for n in range(3):
        text = b"x" * n + s + b"y" * n
        forms["base64-%d" % n] = base64.b64encode(text)
        forms["base64url-%d" % n] = base64.urlsafe_b64encode(text)
        forms["mime-%d" % n] = base64.encodebytes(b"z" * 50 + text)
    for form, data in forms.items():
        for wrap, f in {"plain": bytes, "gzip": gzip.compress, "zlib": zlib.compress}.items():
            open(os.path.join(out, "%s.%s.%s" % (name, form, wrap)), "wb").write(b"line\n" + f(b"in front: " + data + b" behind") + b"\n")
"#;

/// A site with a code and a crypt hash.
fn site_with_everything() -> Site {
    let site = Site::new();
    let _ = site.code(&[Site::SERVER], &[]);
    let profile = site.repository().join(Site::SERVER).join("profile.toml");
    let text = fs::read_to_string(&profile).expect("the profile");
    let hash = "[variables]\npassword = \"$6$saltsaltsalt$abcdefghijklmnopqrstuvwxyz\"\n";
    fs::write(&profile, text.replacen("[variables]\n", hash, 1)).expect("writing");
    site
}

fn plant(site: &Site, out: &Path) {
    let plant = Program::new("python3").args(["-c", PLANT]).arg(site.keys()).arg(site.repository()).arg(out);
    let generation = "1";
    let _ = plant.args([Site::SERVER, Site::ORGANISATION]).input(generation).run().ok();
}

#[test]
fn a_tree_with_a_secret_in_any_form_is_not_published() {
    let site = site_with_everything();
    site.release();
    let before = files(&site.target());
    site.change_title("Changed");
    let _ = site.build().run().ok();
    plant(&site, &site.tree().join("public/planted"));
    let planted: BTreeSet<String> = files(&site.tree().join("public/planted")).into_keys().collect();
    assert!(planted.len() > 800, "{}", planted.len());
    let refused = site.publish().run().fails(&["the tree holds secrets; nothing was published"]);
    let missed: Vec<_> =
        planted.iter().filter(|name| !refused.stderr.contains(&format!("`public/planted/{name}`"))).collect();
    assert_eq!(missed, Vec::<&String>::new());
    let seal = secret(&site, "seal.secret");
    assert!(!refused.stderr.contains(&seal) && !refused.stdout.contains(&seal), "the value was repeated");
    assert_eq!(files(&site.target()), before);

    // In an object, and in a name.
    for path in [format!("objects/aa/{seal}"), "objects/aa/x".to_owned()] {
        let _ = fs::remove_dir_all(site.tree().join("public/planted"));
        let path = site.tree().join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        fs::write(&path, format!("{}\n", secret(&site, "probe.code").to_lowercase())).expect("writing");
        let _ = site.publish().run().fails(&["`objects/aa/", "nothing was published"]);
        fs::remove_file(path).expect("removing");
        assert_eq!(files(&site.target()), before);
    }
    let _ = site.publish().run().ok();
}

#[test]
fn a_tree_with_a_link_out_of_it_is_not_published() {
    let site = Site::published();
    let before = files(&site.target());
    site.change_title("Changed");
    for place in ["public/link", "objects/00/link"] {
        let _ = site.build().run().ok();
        let link = site.tree().join(place);
        fs::create_dir_all(link.parent().expect("a parent")).expect("a folder");
        std::os::unix::fs::symlink("/etc/hostname", &link).expect("a link");
        let _ = site.publish().run().fails(&["neither a file nor a folder"]);
        assert_eq!(
            files(&site.current()),
            before
                .iter()
                .filter_map(|(name, bytes)| { Some((name.strip_prefix("current/")?.to_owned(), bytes.clone())) })
                .collect()
        );
        fs::remove_file(link).expect("removing");
    }
}

#[test]
fn no_secret_leaves_a_whole_life_of_a_site() {
    let site = Site::new();
    let log = site.scratch("log");
    fs::create_dir(&log).expect("a folder");
    let mut step = 0;
    let mut run = |program: Program| {
        step += 1;
        let output = program.run().ok();
        fs::write(log.join(format!("{step}.out")), &output.stdout).expect("writing");
        fs::write(log.join(format!("{step}.err")), &output.stderr).expect("writing");
    };
    let second = site.scratch("second");
    run(anode(["init", "--keys"]).arg(site.scratch("second-keys")).arg(&second));
    run(site.anode(&["code", "new", "--org", Site::ORGANISATION, "--profile", Site::SERVER, "--label", "one"]));
    run(site.anode(&["check"]));
    run(site.build());
    run(site.publish());
    run(site.anode(&["refresh"]).arg("--to").arg(site.target()));
    for command in ["list", "show"] {
        let more: &[&str] = if command == "show" { &["one"] } else { &[] };
        run(site.anode(&["code", command]).args(more));
    }
    run(site.anode(&["code", "revoke", "one"]));
    run(site.build());
    run(site.publish());
    run(anode(["verify"]).arg(site.current()).arg("--root").arg(site.root()));
    let git = |arguments: &[&str]| Program::new("git").arg("-C").arg(site.repository()).args(arguments);
    run(git(&["-c", "init.defaultBranch=main", "init"]));
    run(git(&["add", "--all"]));
    run(git(&["commit", "--message", "Everything"]));
    run(git(&["show"]));
    // The commit's text is the repository's own: only what must not even be there is looked for.
    fs::remove_file(log.join(format!("{step}.out"))).expect("the text of the commit");

    let scan = |paths: &[&Path], more: &[&str]| site.anode(&["scan"]).args(more).args(paths).run().ok();
    let clean = scan(&[&log, &site.target(), &site.tree()], &["--json"]).json();
    assert_eq!(clean["findings"], serde_json::json!([]));
    assert!(clean["secrets"].as_u64() > Some(20) && clean["files"].as_u64() > Some(40), "{clean}");
    let _ = scan(&[&site.repository()], &["--in-repository"]);
    // The same search finds what is there.
    let _ = site.anode(&["scan"]).arg(site.repository()).run().fails(&["keys/seal.salt", "the seal salt"]);
    let _ = site.anode(&["scan"]).arg(site.keys()).run().fails(&["`release.key` holds the secret"]);
    let from_stdin = site.anode(&["scan", "-"]).input(&format!("key: {}\n", secret(&site, "seal.secret"))).run();
    let _ = from_stdin.fails(&["standard input", "the secret `seal`"]);
}
