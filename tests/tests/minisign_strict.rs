//! Documents signed by the stock `minisign` program with keys that it made, and every way in which its signature files can be bent: what the medium
//! takes from it, and what it refuses although some verifier in use accepts it.

use std::fs;
use std::path::{Path, PathBuf};

use anode_tests::{Output, Program, Site, binary, copy_folder, read_json};
use data_encoding::{BASE64, HEXLOWER};
use serde_json::{Value, json};

/// How the secret key lies on disk.
#[derive(Clone, Copy, PartialEq)]
enum Kept {
    Plain,
    Encrypted,
}

const PASSWORD: &str = "correct horse";

/// A key pair of the stock program.
struct Key {
    secret: PathBuf,
    public: [u8; 42],
    kept: Kept,
}

impl Key {
    fn new(folder: &Path, name: &str, kept: Kept) -> Key {
        let (secret, public) = (folder.join(format!("{name}.key")), folder.join(format!("{name}.pub")));
        let make = Program::new("minisign").arg("-G").arg("-p").arg(&public).arg("-s").arg(&secret);
        let _ = match kept {
            Kept::Plain => make.arg("-W").run().ok(),
            Kept::Encrypted => make.input(&format!("{PASSWORD}\n{PASSWORD}\n")).run().ok(),
        };
        let text = fs::read_to_string(public).expect("the public key");
        let bytes = BASE64.decode(text.lines().nth(1).expect("a second line").as_bytes()).expect("base64");
        Key { secret, public: bytes.try_into().expect("42 bytes"), kept }
    }

    fn id(&self) -> String {
        let number = u64::from_le_bytes(self.public[2..10].try_into().expect("8 bytes"));
        format!("{number:016X}")
    }

    fn listed(&self) -> Value {
        json!({"id": self.id(), "key": HEXLOWER.encode(&self.public[10..])})
    }

    fn sign(&self, body: &Path, comment: &str, signature: &Path, more: &[&str]) {
        let sign = Program::new("minisign").arg("-S").args(more).arg("-m").arg(body).arg("-s").arg(&self.secret);
        let sign = sign.args(["-t", comment]).arg("-x").arg(signature);
        let _ = match self.kept {
            Kept::Plain => sign.run().ok(),
            Kept::Encrypted => sign.input(&format!("{PASSWORD}\n")).run().ok(),
        };
    }
}

/// A medium's root document, all keys and signatures of which the stock program made: one root key plain, one encrypted, both needed.
struct Medium {
    folder: PathBuf,
    body: PathBuf,
    site: String,
    keys: [Key; 2],
}

impl Medium {
    fn new(site: &Site, change: impl FnOnce(&mut Value)) -> Medium {
        let folder = site.scratch("medium");
        fs::create_dir(&folder).expect("a folder");
        let keys = [Key::new(&folder, "one", Kept::Plain), Key::new(&folder, "two", Kept::Encrypted)];
        let mut root = read_json(&site.root());
        root["roles"]["root"] = json!({"threshold": 2, "keys": keys.iter().map(Key::listed).collect::<Vec<_>>()});
        change(&mut root);
        let body = folder.join("1.json");
        fs::write(&body, format!("{root}\n")).expect("writing");
        let medium = Medium { folder, body, site: site.id(), keys };
        for key in &medium.keys {
            key.sign(&medium.body, &medium.comment("root"), &medium.signature(key), &[]);
        }
        medium
    }

    fn comment(&self, kind: &str) -> String {
        format!("anode/1 {kind} 1 {}", self.site)
    }

    fn signature(&self, key: &Key) -> PathBuf {
        self.folder.join(format!("1.json.{}.minisig", key.id()))
    }

    /// The medium begins with its root, and goes on to a mirror that does not exist: 30 says that the root was taken.
    fn begin(&self) -> Output {
        let update = Program::new(binary("anode-fetch")).args(["update", "--json", "--root"]).arg(&self.body);
        update.args(["--site", "https://127.0.0.1:1", "--state"]).arg(self.folder.join("state")).run()
    }
}

#[test]
fn the_medium_takes_every_document_that_the_stock_program_signed() {
    let site = Site::new();
    let code = site.code(&[Site::SERVER], &[]);
    site.release();
    let folder = site.scratch("stock");
    fs::create_dir(&folder).expect("a folder");
    let release_key = Key::new(&folder, "release", Kept::Encrypted);
    let timestamp_key = Key::new(&folder, "timestamp", Kept::Plain);
    let medium = Medium::new(&site, |root| {
        root["roles"]["release"]["keys"] = json!([release_key.listed()]);
        root["roles"]["timestamp"]["keys"] = json!([timestamp_key.listed()]);
    });
    assert_eq!(medium.begin().exit, Some(30), "{}", medium.begin());

    let tree = site.scratch("tree");
    copy_folder(&site.current(), &tree);
    let version = site.release_version();
    let release = tree.join(format!("release/{version}.json"));
    let comment = |kind: &str, version: u64| format!("anode/1 {kind} {version} {}", site.id());
    release_key.sign(&release, &comment("release", version), &release.with_extension("json.minisig"), &[]);
    let (timestamp, signature) = (tree.join("timestamp.json"), tree.join("timestamp.json.minisig"));
    timestamp_key.sign(&timestamp, &comment("timestamp", 1), &signature, &[]);
    let read = |path: &Path| fs::read(path).expect("a file");
    fs::write(tree.join("timestamp.signed"), [read(&signature), read(&timestamp)].concat()).expect("writing");
    let web = anode_tests::Nginx::tree(&tree, &site.authority);
    let fetch = anode_tests::Fetch::new(&medium.body).option("--ca", site.authority.certificate());
    let fetched = fetch.option("--site", &web.url).option("--code", &code.text).answers(Site::SERVER_ANSWERS).run();
    assert_eq!(fetched.selection()["source"], web.url);
}

/// Adds L to the scalar of a signature: the same equation holds.
fn malleate(signature: &mut [u8]) {
    const L: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut carry = 0;
    let scalar = signature.len() - 32;
    for (byte, add) in signature[scalar..].iter_mut().zip(L) {
        carry += u16::from(*byte) + u16::from(add);
        [*byte, _] = carry.to_le_bytes();
        carry >>= 8;
    }
}

/// Changes the decoded bytes of one line.
fn recode(file: &str, line: usize, change: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut lines: Vec<String> = file.lines().map(str::to_owned).collect();
    let mut bytes = BASE64.decode(lines[line].as_bytes()).expect("base64");
    change(&mut bytes);
    lines[line] = BASE64.encode(&bytes);
    lines.join("\n") + "\n"
}

#[test]
fn every_bent_signature_file_is_refused_before_anything_is_asked_of_a_mirror() {
    let site = Site::new();
    let medium = Medium::new(&site, |_| ());
    let key = &medium.keys[0];
    let path = medium.signature(key);
    let good = fs::read_to_string(&path).expect("the signature");
    let comment = medium.comment("root");
    let signed = |body: &Path, comment: &str, more: &[&str]| {
        let other = medium.folder.join("other.minisig");
        key.sign(body, comment, &other, more);
        fs::read_to_string(other).expect("a signature")
    };
    let other_body = medium.folder.join("other");
    fs::write(&other_body, "something else").expect("writing");

    let cases = [
        ("a legacy signature (`-l`)", signed(&medium.body, &comment, &["-l"])),
        ("`ED` made `Ed`", recode(&good, 1, |bytes| bytes[1] = b'd')),
        (
            "a legacy signature called `ED`",
            recode(&signed(&medium.body, &comment, &["-l"]), 1, |bytes| bytes[1] = b'D'),
        ),
        ("signature plus L", recode(&good, 1, |bytes| malleate(bytes))),
        ("global signature plus L", recode(&good, 3, |bytes| malleate(bytes))),
        ("the id of another key", recode(&good, 1, |bytes| bytes[2] ^= 1)),
        ("a signature of another file", signed(&other_body, &comment, &[])),
        ("the global signature of another file", {
            let other = signed(&other_body, &comment, &[]);
            let lines: Vec<&str> = good.lines().take(3).chain(other.lines().skip(3)).collect();
            lines.join("\n") + "\n"
        }),
        ("a trusted comment that says another version", signed(&medium.body, &comment.replace(" 1 ", " 2 "), &[])),
        ("a trusted comment that says another type", signed(&medium.body, &medium.comment("release"), &[])),
        ("a trusted comment that was changed", good.replace("root 1", "root 2")),
        ("text after a carriage return in the trusted comment", good.replace(&comment, &format!("{comment}\rmore"))),
        ("a carriage return behind the trusted comment", good.replace(&comment, &format!("{comment}\r"))),
        ("a blank behind the trusted comment", good.replace(&comment, &format!("{comment} "))),
        ("a blank before the trusted comment", good.replace(&comment, &format!(" {comment}"))),
        ("an empty trusted comment", signed(&medium.body, "", &[])),
        ("a first line without `untrusted comment:`", good.replacen("untrusted comment: ", "", 1)),
        ("another untrusted comment", good.replacen("signature from", "signed with", 1)),
        ("an escape in the untrusted comment", good.replacen("secret key", "secret key\x1b[2J", 1)),
        ("a zero byte in the untrusted comment", good.replacen("secret key", "secret\0key", 1)),
        ("lines behind the fourth", format!("{good}more\n")),
        ("an empty line behind the fourth", format!("{good}\n")),
        ("an empty line before the first", format!("\n{good}")),
        ("carriage returns", good.replace('\n', "\r\n")),
        ("no final line feed", good.trim_end().to_owned()),
        ("base64 without its padding", good.replacen("=\n", "\n", 1)),
        ("a blank within the base64", good.replacen("=\n", " =\n", 1)),
        ("an empty file", String::new()),
    ];
    for (name, file) in &cases {
        assert_ne!(*file, good, "{name} changes nothing");
        fs::write(&path, file).expect("writing");
        let output = medium.begin();
        assert_eq!((output.exit, &output.json()["code"]), (Some(20), &json!("signature-invalid")), "{name}: {output}");
    }
    fs::write(&path, &good).expect("writing");
    assert_eq!(medium.begin().exit, Some(30), "{}", medium.begin());
    fs::remove_file(&path).expect("removing");
    assert_eq!(medium.begin().exit, Some(20), "one of two signatures is enough");
}
