//! `anode medium lock` and `anode medium iso`: what goes into a medium, and what never does. The machines that boot it are tested elsewhere.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use anode_tests::{
    Distribution, Fetch, Program, Site, SmallDisk, apt_mirrors, downloads, in_days, programs_of_a_medium,
};

fn programs(site: &Site) -> PathBuf {
    programs_of_a_medium(&site.scratch("programs"))
}

fn lock(site: &Site, mirrors: [&str; 2]) -> Program {
    site.anode(&["medium", "lock", "--packages-from", mirrors[0], "--security-from", mirrors[1]])
        .env("XDG_CACHE_HOME", site.scratch("cache"))
}

fn iso(site: &Site, out: &Path) -> Program {
    let iso = site.anode(&["medium", "iso"]).arg("--out").arg(out).arg("--programs").arg(programs(site));
    let iso = iso.arg("--ca").arg(site.authority.certificate()).env("XDG_CACHE_HOME", site.scratch("cache"));
    iso.limit(Duration::from_secs(300))
}

/// A site with a lock of packages that are none: enough for everything that is refused before they are opened.
fn locked() -> (Site, Distribution) {
    let site = Site::published();
    let distribution = Distribution::new();
    distribution.sign("");
    distribution.trust(&site.repository());
    let _ = lock(&site, [&distribution.mirror.url(), &distribution.mirror.url()]).run().ok();
    (site, distribution)
}

/// Nothing lies where the image would be, and nothing beside it.
#[track_caller]
fn left_nothing(out: &Path) {
    let left: Vec<_> = fs::read_dir(out.parent().unwrap()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.is_empty(), "{left:?}");
}

fn place(site: &Site) -> PathBuf {
    let folder = site.scratch("images");
    fs::create_dir_all(&folder).unwrap();
    folder.join("medium.iso")
}

/// What is on an image, and what is in its initramfs.
fn unpack(image: &Path, folder: &Path) -> (PathBuf, PathBuf) {
    let (disc, system) = (folder.join("disc"), folder.join("system"));
    fs::create_dir_all(&system).unwrap();
    let extract = Program::new("xorriso").args(["-osirrox", "on", "-indev"]).arg(image).args(["-extract", "/"]);
    let _ = extract.arg(&disc).run().ok();
    let script = format!("chmod -R u+w '{}' && gzip -dc '{0}/boot/initrd.img' | cpio -id --quiet", disc.display());
    let _ = Program::new("sh").args(["-c", &script]).folder(&system).run().ok();
    (disc, system)
}

#[test]
fn an_image_of_real_packages_is_the_same_bytes_twice_and_knows_no_profile_no_code_and_no_secret() {
    let site = Site::published();
    let code = site.code(&[Site::SERVER], &[]);
    site.release();
    let mirrors = apt_mirrors("bookworm");
    let mirrors = [mirrors[0].as_str(), mirrors[1].as_str()];
    let lock = || lock(&site, mirrors).arg("--downloads").arg(downloads()).limit(Duration::from_secs(300)).run().ok();
    let pinned = lock();
    assert!(pinned.stdout.contains("+ shim-signed ") && pinned.stderr.contains("for amd64"), "{pinned}");
    let text = fs::read_to_string(site.repository().join("medium.lock")).unwrap();
    let again = lock();
    assert_eq!((again.stdout.as_str(), fs::read_to_string(site.repository().join("medium.lock")).unwrap()), ("", text));

    let first = place(&site);
    let second = first.with_file_name("again.iso");
    let image = |out: &Path| iso(&site, out).arg("--cache").arg("--downloads").arg(downloads()).run().ok();
    let made = image(&first);
    assert!(made.stderr.contains("id ") && made.stdout.contains("medium.iso"), "{made}");
    assert!(made.stderr.contains("; good without a network until 20"), "{made}");
    let _ = image(&second);
    let bytes = fs::read(&first).unwrap();
    assert!(bytes == fs::read(&second).unwrap(), "the two images differ");
    assert!(bytes.len() <= 40 << 20, "{} bytes", bytes.len());
    assert_eq!(fs::metadata(&first).unwrap().permissions().mode() & 0o777, 0o644);

    let (disc, system) = unpack(&first, &site.scratch("unpacked"));
    for path in [
        "boot/vmlinuz",
        "boot/grub/grub.cfg",
        "boot/grub/loopback.cfg",
        "boot/grub/x86_64-efi/grub.cfg",
        ".disk/info",
        "EFI/BOOT/BOOTX64.EFI",
        "EFI/BOOT/grubx64.efi",
        "anode/packages.json",
    ] {
        assert!(disc.join(path).is_file(), "{path}");
    }
    assert_eq!(fs::read(disc.join("anode/id")).unwrap(), fs::read(system.join("etc/anode/id")).unwrap());
    let described = anode_tests::read_json(&system.join("etc/anode/medium.json"));
    assert_eq!((&described["site"], &described["urls"][0]), (&site.id().into(), &format!("{}/", site.web.url).into()));
    assert_eq!(described["consoles"], serde_json::json!(["tty0", "ttyS0"]));
    // Every module that one of them needs is there, in the words of `modprobe`.
    let release = fs::read_dir(system.join("lib/modules")).unwrap().next().unwrap().unwrap().path();
    let dependencies = fs::read_to_string(release.join("modules.dep")).unwrap();
    let named: Vec<_> = dependencies.split_whitespace().map(|word| word.trim_end_matches(':')).collect();
    let packed = |path: &str| release.join(format!("{path}.xz"));
    assert!(named.len() > 300 && named.iter().all(|path| packed(path).is_file()));
    // Each lies packed, and is what the distribution signed.
    for path in named.iter().filter(|path| path.ends_with("/virtio_net.ko") || path.ends_with("/mlx5_core.ko")) {
        let signed = Program::new("sh").args(["-c", "busybox unxz <\"$1\" | tail -c 28", "sh"]).arg(packed(path)).run();
        assert_eq!(signed.ok().stdout, "~Module signature appended~\n", "{path}");
    }
    assert!(system.join("bin/modprobe").is_symlink() && system.join("lib/anode/modprobe").is_file());
    assert!(named.iter().any(|path| path.ends_with("/virtio_net.ko")) && !dependencies.contains("iwlwifi"));

    // The tree on the medium lets a machine choose its profile where no mirror answers.
    let offline = |root: &Path| {
        let fetch =
            Fetch::new(root).option("--site", "https://127.0.0.1:9/").option("--cache", disc.join("anode/tree"));
        fetch.option("--code", &code.text).answers(Site::SERVER_ANSWERS).run()
    };
    let files_of_the_profile = offline(&system.join("etc/anode/root.json")).files();
    assert!(files_of_the_profile.contains_key("preseed.cfg"), "{:?}", files_of_the_profile.keys());

    // Nothing of it is readable without the code, and nothing else knows of a profile.
    let plain = code.text.replace('-', "");
    for folder in [&disc, &system] {
        let _ = site.anode(&["scan"]).arg(folder).limit(Duration::from_secs(300)).run().ok();
        let naming = |words: &[&str]| {
            let words = words.iter().flat_map(|word| ["-e", *word]);
            Program::new("grep").args(["-rlF"]).args(words).arg(folder).run().stdout
        };
        assert_eq!(naming(&[&code.text, &plain, Site::ORGANISATION]), "");
        let profile = naming(&[Site::SERVER]);
        assert!(profile.lines().all(|file| file.contains("/anode/tree/")), "{profile}");
    }
}

#[test]
fn a_code_and_a_key_on_a_medium_are_said_loudly_and_a_mistyped_code_is_refused() {
    let (site, _distribution) = locked();
    let out = place(&site);
    let code = site.code(&[Site::SERVER], &[]);
    let file = site.scratch("code");
    fs::write(&file, code.text.replace(&code.text[..1], "?")).unwrap();
    let refused = iso(&site, &out).arg("--code-file").arg(&file).run().fails(&["code"]);
    assert_eq!(refused.exit, Some(10), "{refused}");
    // Well-formed, and the published site does not know it: it was not published yet.
    fs::write(&file, &code.text).unwrap();
    let unknown = iso(&site, &out).arg("--code-file").arg(&file).run().fails(&["looking up the code for the medium"]);
    assert_eq!(unknown.exit, Some(11), "{unknown}");
    site.release();
    let said = iso(&site, &out).arg("--code-file").arg(&file).run().fails(&["opening the package"]);
    for words in ["has questions that this code does not answer: `", "is not unattended: somebody has to confirm"] {
        assert!(said.stderr.contains(&format!("note: `{}` {words}", Site::SERVER)), "{said}");
    }
    let late = iso(&site, &out).arg("--code-file").arg(&file).args(["--now", &in_days(800)]).run();
    assert_ne!(late.exit, Some(0), "{late}");
    assert!(said.stderr.contains("WARNING: the activation code is on this medium; whoever has the medium"), "{said}");
    assert!(!said.stderr.contains(&code.text), "{said}");
    let _ = iso(&site, &out).arg("--client-cert").arg(&file).run().fails(&["--client-key"]);
    left_nothing(&out);
}

#[test]
fn nothing_is_overwritten_and_a_place_that_can_not_be_written_is_said_first() {
    let site = Site::new();
    let out = place(&site);
    fs::write(&out, "mine").unwrap();
    let _ = iso(&site, &out).run().fails(&["`", "medium.iso` exists: remove it, or name another file with `--out`"]);
    assert_eq!(fs::read(&out).unwrap(), b"mine");
    fs::remove_file(&out).unwrap();
    let _ = iso(&site, &out.join("gone/x.iso")).run().fails(&["name another place with `--out`"]);
    let disk = out.with_file_name("disk");
    if Program::new("mknod").arg(&disk).args(["b", "7", "200"]).run().exit == Some(0) {
        let _ =
            iso(&site, &disk).run().fails(&["is a disk, and nothing was written: `anode medium usb` writes a stick"]);
        fs::remove_file(&disk).unwrap();
    }
    left_nothing(&out);
}

#[test]
fn a_name_of_a_folder_and_a_folder_that_is_not_there_are_refused_before_anything_else() {
    let site = Site::new();
    let out = place(&site);
    let folder = out.parent().unwrap();
    for name in [format!("{}/", folder.display()), format!("{}/new/", folder.display())] {
        let words = ["is the name of a folder: name the image in it, such as `", "anode.iso`"];
        let _ = iso(&site, Path::new(&name)).run().fails(&words);
    }
    let _ =
        iso(&site, &folder.join("gone/x.iso")).run().fails(&["there is no folder `", "make it, or name another place"]);
    left_nothing(&out);
    let Some(disk) = SmallDisk::new(30) else { return };
    let _ =
        iso(&site, &disk.path().join("x.iso")).run().fails(&["has 30 MiB left", "make room, or name another place"]);
    left_nothing(&disk.path().join("x.iso"));
}

/// An address that takes connections and never answers.
fn silence(site: &Site) -> TcpListener {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    site.edit("anode.toml", &site.web.url, &format!("https://{}", silent.local_addr().unwrap()));
    silent
}

#[test]
fn a_run_that_is_ended_leaves_nothing_and_what_a_killed_one_leaves_the_next_one_removes() {
    let (site, _distribution) = locked();
    let out = place(&site);
    let silent = silence(&site);
    let drafts = || -> Vec<PathBuf> {
        fs::read_dir(out.parent().unwrap()).unwrap().map(|entry| entry.unwrap().path()).collect()
    };
    let begin = |out: &Path| {
        let mut command = iso(&site, out).into_command();
        let run = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        // It asks the site now, and its draft is there.
        let asked = silent.accept().unwrap();
        (run, asked)
    };
    let end = |mut run: Child, signal: &str| {
        let _ = Program::new("kill").args([signal, &run.id().to_string()]).run().ok();
        run.wait().unwrap().signal()
    };
    for (signal, number) in [("-INT", 2), ("-TERM", 15), ("-HUP", 1)] {
        let (run, _asked) = begin(&out);
        let made = drafts();
        assert_eq!(made.len(), 1, "{made:?}");
        assert_eq!(fs::metadata(&made[0]).unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(end(run, signal), Some(number));
        left_nothing(&out);
    }
    let (killed, _asked) = begin(&out);
    let left = drafts();
    fs::write(left[0].join("code"), "secret").unwrap();
    assert_eq!(end(killed, "-KILL"), Some(9));
    assert!(left[0].exists());
    // One that runs removes what was left, and nobody removes its own.
    let (running, _asked) = begin(&out);
    let its = drafts();
    assert!(!left[0].exists() && its.len() == 1);
    let (other, _asked) = begin(&out.with_file_name("other.iso"));
    assert!(its[0].exists() && drafts().len() == 2);
    assert_eq!((end(running, "-TERM"), end(other, "-TERM")), (Some(15), Some(15)));
    left_nothing(&out);
}

#[test]
fn what_a_machine_would_stay_dark_with_is_refused() {
    let (site, _distribution) = locked();
    let out = place(&site);
    for (name, words) in [
        ("nonsense", "`--console nonsense` is no console that a medium can speak to: give `tty0`"),
        ("ttyS9,abc", "`--console ttyS9,abc` has no rate that menu and kernel both know: give one of 1200, "),
    ] {
        let _ = iso(&site, &out).args(["--console", name]).run().fails(&[words]);
    }
    let _ = iso(&site, &out).args(["--console", "ttyS0", "--console", "ttyS0,9600"]).run().fails(&["is given twice"]);
    let picture = site.scratch("b.png");
    fs::write(&picture, b"\x89PNG\r\n\x1a\nrubbish").unwrap();
    let _ =
        iso(&site, &out).arg("--splash").arg(&picture).run().fails(&["can not be the picture of the menu", "damaged"]);
    left_nothing(&out);
}

#[test]
fn what_a_medium_could_not_install_is_said_while_it_is_made() {
    let (site, distribution) = locked();
    let out = place(&site);
    let _ = site.code(&[Site::SERVER], &[]);
    let said = iso(&site, &out).run().fails(&["opening the package"]);
    let line = format!("warning: `{}` can not be installed by a medium yet: `http", Site::SERVER);
    assert!(said.stderr.contains(&line) && said.stderr.contains("is not pinned; run `anode lock "), "{said}");
    assert!(said.stderr.contains("until then, a medium of this site installs nothing"), "{said}");
    let _ = distribution.mirror.requests();
    let _ = iso(&site, &out)
        .arg("--mirror")
        .run()
        .fails(&["nothing that profiles boot is pinned", "run `anode lock PROFILE`"]);
    left_nothing(&out);
}

#[test]
fn every_program_that_is_missing_is_named_with_its_package_at_once() {
    let site = Site::new();
    let empty = site.scratch("empty");
    fs::create_dir_all(&empty).unwrap();
    let refused = iso(&site, &place(&site)).env("PATH", &empty).run();
    let wanted = "`xorriso`, `mformat`, `mmd`, `mcopy`, `grub-mkimage` are missing: install `xorriso`, `mtools`, \
                  `grub-common` (Debian, Ubuntu: `apt-get install xorriso mtools grub-common`)";
    let _ = refused.fails(&[wanted]);
    left_nothing(&place(&site));
}

#[test]
fn a_site_that_machines_would_refuse_fails_here_and_not_in_front_of_a_customer() {
    let (site, _distribution) = locked();
    let out = place(&site);
    let late = iso(&site, &out).args(["--now", &in_days(800)]).run();
    assert_eq!(late.exit, Some(21), "{late}");
    let _ = late.fails(&["asking the site", "expired"]);
    // Another authority than the host's.
    let stranger = anode_tests::Authority::new();
    let iso_with = |certificate: PathBuf| {
        let iso = site.anode(&["medium", "iso"]).arg("--out").arg(&out).arg("--programs").arg(programs(&site));
        iso.arg("--ca").arg(certificate).run()
    };
    assert_eq!(iso_with(stranger.certificate()).exit, Some(31));
    fs::remove_file(site.current().join("timestamp.signed")).unwrap();
    let absent = iso(&site, &out).run();
    assert!(matches!(absent.exit, Some(30 | 33)), "{absent}");
    site.edit("anode.toml", &site.web.url, "https://127.0.0.1:9/");
    let unreachable = iso(&site, &out).run();
    assert_eq!(unreachable.exit, Some(30), "{unreachable}");
    // Good enough for a browser on this machine; a medium takes nothing but `https`.
    site.edit("anode.toml", "https://127.0.0.1:9/", "http://127.0.0.1:9/");
    let _ = iso(&site, &out).run().fails(&["a medium can not use what `urls`", "`http://127.0.0.1:9/` is not `https`"]);
    let toml = fs::read_to_string(site.repository().join("anode.toml")).unwrap();
    let without: String =
        toml.lines().filter(|line| !line.starts_with("urls")).map(|line| format!("{line}\n")).collect();
    site.write("anode.toml", &without);
    let _ = iso(&site, &out).run().fails(&["the site has no address", "set `urls` in `[site]` of `anode.toml`"]);
    left_nothing(&out);
}

#[test]
fn a_root_that_expires_soon_is_said_when_a_medium_is_made() {
    let (site, _distribution) = locked();
    let calm = iso(&site, &place(&site)).run().fails(&["opening the package"]);
    assert!(!calm.stderr.contains("expires on"), "{calm}");
    // Where this test's site is, nobody else's machine finds it.
    assert!(calm.stderr.contains("one that boots the medium would ask itself there"), "{calm}");
    let past = Program::new("date").args(["-u", "-d", "-300 days", "+%Y-%m-%dT%H:%M:%SZ"]).run().ok().stdout;
    site.hand_made_root(2, |root| {
        root["issued"] = past.trim().into();
        root["expires"] = in_days(40).into();
    });
    site.release();
    let said = iso(&site, &place(&site)).run().fails(&["opening the package"]);
    assert!(said.stderr.contains("warning: `keys/root/2.json`: root 2 expires on "), "{said}");
}

#[test]
fn a_package_that_is_missing_or_has_other_bytes_stops_everything_and_is_named() {
    let (site, distribution) = locked();
    let out = place(&site);
    let folder = site.scratch("debs");
    let pool = distribution.mirror.root().join("pool/main");
    anode_tests::copy_folder(&pool, &folder);
    let with = || iso(&site, &out).arg("--packages").arg(&folder).run();
    let _ = with().fails(&["opening the package", "it is no package"]);
    fs::write(folder.join("shim-signed_1.0-1_amd64.deb"), "the package shim-signed 1.0-2\n").unwrap();
    fs::remove_file(folder.join("grub-pc-bin_1.0-1_amd64.deb")).unwrap();
    let _ = with().fails(&[
        "shim-signed_1.0-1_amd64.deb` has the hash ",
        " is pinned for `shim-signed` 1.0-1: it is damaged, or somebody tampers with it",
        "`grub-pc-bin_1.0-1_amd64.deb` is missing in `",
    ]);
    // A mirror that has other bytes by now, or none.
    fs::write(pool.join("busybox-static_1.0-1_amd64.deb"), "the package busybox-statik 1.0-1\n").unwrap();
    fs::remove_file(pool.join("shim-signed_1.0-1_amd64.deb")).unwrap();
    let wanted =
        ["is pinned for `busybox-static` 1.0-1", "mirrors keep the newest versions only; run `anode medium lock`"];
    let _ = iso(&site, &out).run().fails(&wanted);
    left_nothing(&out);
}

#[test]
fn without_a_lock_or_programs_it_says_how_to_have_them() {
    let site = Site::new();
    let out = place(&site);
    let _ = iso(&site, &out).run().fails(&["there is no `medium.lock` in", "run `anode medium lock`"]);
    let (site, _distribution) = locked();
    let bare =
        |folder: &Path| site.anode(&["medium", "iso"]).arg("--out").arg(&out).arg("--programs").arg(folder).run();
    let empty = site.scratch("empty");
    fs::create_dir_all(&empty).unwrap();
    let _ = bare(&empty).fails(&["there is no `anode-fetch` for the medium in", "cargo build --profile fetcher"]);
    fs::copy(anode_tests::binary("anode-fetch"), empty.join("anode-fetch")).unwrap();
    let _ = bare(&empty).fails(&["is not static"]);
    left_nothing(&out);
}

#[test]
fn a_lock_is_written_only_of_what_the_distribution_signed() {
    let site = Site::new();
    let mut distribution = Distribution::new();
    distribution.sign("");
    let url = distribution.mirror.url();
    let run = |site: &Site| lock(site, [&url, &url]).run();
    let text = || fs::read_to_string(site.repository().join("medium.lock")).unwrap_or_default();
    // Signed by a key that this machine does not know.
    let _ = run(&site).fails(&["which the keyring `debian-archive-keyring` does not have"]);
    distribution.trust(&site.repository());
    let _ = run(&site).ok();
    let first = text();
    assert!(first.contains("name = \"linux-image-6.1.0-1-amd64\"") && first.contains("InRelease, key 0x"), "{first}");

    // A newer version is taken and said; nothing else changes.
    distribution.package("shim-signed", "1.0-2", "");
    distribution.sign("");
    let renewed = run(&site).ok();
    assert_eq!(renewed.stdout, "~ shim-signed 1.0-1 → 1.0-2, 30 B\n");
    let renewed = text();
    let changed = renewed.lines().filter(|line| !first.contains(*line)).count();
    assert_eq!(changed, 3, "{renewed}");

    // A list with other bytes than were signed, a text that ended, one about another suite, one with a letter changed.
    let inrelease = distribution.mirror.root().join("dists/bookworm/InRelease");
    let list = distribution.mirror.root().join("dists/bookworm/main/binary-amd64/Packages.xz");
    let whole = fs::read(&inrelease).unwrap();
    let site_again = |change: &dyn Fn(), words: &[&str]| {
        change();
        let _ = run(&site).fails(words);
        assert_eq!(text(), renewed);
    };
    distribution.package("shim-signed", "1.0-3", "");
    site_again(
        &|| distribution.sign("Valid-Until: Sat, 21 Nov 2020 10:00:00 UTC\n"),
        &["it ended on 2020-11-21T10:00:00Z"],
    );
    let security = distribution.mirror.root().join("dists/bookworm-security/InRelease");
    distribution.sign("");
    site_again(
        &|| {
            let _ = fs::copy(&security, &inrelease).unwrap();
        },
        &["it is about `bookworm-security`, and `bookworm` was asked for"],
    );
    let tampered = String::from_utf8(whole).unwrap().replace("Packages.xz", "Packages.xy");
    site_again(
        &|| fs::write(&inrelease, &tampered).unwrap(),
        &["the signature of `", "is wrong", "nothing was pinned"],
    );
    distribution.sign("");
    site_again(
        &|| fs::write(&list, b"other").unwrap(),
        &["Packages.xz` has the hash ", "is signed; nothing was pinned"],
    );

    // Everything that was signed once can be served again.
    distribution.package("shim-signed", "1.0-1", "");
    site_again(
        &|| distribution.sign(""),
        &["older versions than were pinned, and nothing was pinned: `shim-signed` 1.0-2 → 1.0-1"],
    );
    distribution.package("shim-signed", "1.0-2", "");

    // What a medium needs is not offered any more.
    distribution.without("shim-signed");
    site_again(&|| distribution.sign(""), &["`shim-signed` is not offered: look at suite and mirror"]);
}

#[test]
fn only_what_a_medium_needs_is_asked_for() {
    let (site, distribution) = locked();
    let _ = distribution.mirror.requests();
    let _ = iso(&site, &place(&site)).arg("--downloads").arg(site.scratch("own")).run().fails(&["opening the package"]);
    let asked = distribution.mirror.requests();
    assert_eq!(asked.len(), 7, "{asked:?}");
    assert!(asked.iter().all(|path| path.starts_with("pool/main/") && !path.contains("wpasupplicant")), "{asked:?}");
}
