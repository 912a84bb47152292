//! Writes the seeds of the corpora: real documents, vectors, golden files, and what is refused for a known reason. `docs/fuzzing.md` says when.
//!
//! `cargo run -p anode-properties --example seeds` adds files named by their content to `tests/fuzz/corpus/<target>/`; `cargo fuzz cmin` then keeps those
//! that reach something. The site in `fixtures/` is made once: minisign's signatures are never the same twice, and corpora hold them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anode_bundle::name::{Id, Sha256, SiteId};
use anode_bundle::pack::{
    Blob, Boot, Choice, Contents, File, HandOver, Insert, Installer, Manifest, Prompt, PromptType, SecondStage,
};
use anode_bundle::seal::SealRoot;
use anode_hostile::{DAY, Publisher, Signer, Tree, listed};
use anode_properties::{TARGETS, Verdict, run};
use data_encoding::{BASE64, HEXLOWER};
use serde_json::{Value, json};
use zeroize::Zeroizing;

struct Seeds {
    corpus: PathBuf,
    vectors: PathBuf,
    count: BTreeMap<&'static str, [usize; 2]>,
}

impl Seeds {
    fn add(&mut self, target: &'static str, seed: impl AsRef<[u8]>) {
        let seed = seed.as_ref();
        let folder = self.corpus.join(target);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(&Sha256::of(seed).to_string()[..40]), seed).unwrap();
        let place = usize::from(run(target, seed) == Verdict::Refused);
        self.count.entry(target).or_default()[place] += 1;
    }

    fn add_lines(&mut self, target: &'static str, seeds: &[&str]) {
        seeds.iter().for_each(|seed| self.add(target, seed));
    }

    fn vector(&self, name: &str) -> Value {
        serde_json::from_slice(&fs::read(self.vectors.join(name)).unwrap()).unwrap()
    }
}

fn main() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let fixture = here.join("fixtures/site.json");
    if !fixture.exists() {
        fs::create_dir_all(fixture.parent().unwrap()).unwrap();
        fs::write(&fixture, serde_json::to_string_pretty(&site()).unwrap() + "\n").unwrap();
    }
    let mut seeds = Seeds {
        corpus: here.join("../fuzz/corpus"),
        vectors: here.join("../../bundle/tests/vectors"),
        count: BTreeMap::new(),
    };
    signatures(&mut seeds);
    documents(&mut seeds);
    index(&mut seeds);
    sealed(&mut seeds);
    typed(&mut seeds);
    network(&mut seeds);
    state(&mut seeds, &fixture);
    repository(&mut seeds, &here.join("../.."));
    archives(&mut seeds);
    for &(target, _) in TARGETS {
        let [accepted, refused] = seeds.count.get(target).copied().unwrap_or_default();
        println!("{target}: {accepted} accepted, {refused} refused");
    }
}

fn bytes(value: &Value, decode: impl Fn(&[u8]) -> Option<Vec<u8>>) -> Vec<u8> {
    decode(value.as_str().unwrap().as_bytes()).unwrap()
}

fn hex(value: &Value) -> Vec<u8> {
    bytes(value, |text| HEXLOWER.decode(text).ok())
}

fn signatures(seeds: &mut Seeds) {
    let table = seeds.vector("signatures.json");
    for row in table["files"].as_array().unwrap() {
        seeds.add("signature", bytes(&row["file"], |text| BASE64.decode(text).ok()));
    }
    let key = table["key"]["key"].as_str().unwrap();
    seeds.add("public_key", key);
    seeds.add("public_key", hex(&table["key"]["key"]));
    seeds.add("public_key", key.to_uppercase());
    for low in ["00", "01", "ec", "ed", "ee"] {
        let mut point = [if low == "00" || low == "01" { 0 } else { 0xff }; 32];
        point[0] = u8::from_str_radix(low, 16).unwrap();
        point[31] &= 0x7f;
        seeds.add("public_key", point);
    }
    for low in [
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    ] {
        seeds.add("public_key", low);
    }
}

fn documents(seeds: &mut Seeds) {
    for target in ["root", "release", "timestamp", "activation"] {
        let mut files: Vec<_> = fs::read_dir(seeds.vectors.join("documents").join(target)).unwrap().collect();
        files.sort_by_key(|file| file.as_ref().unwrap().file_name());
        for file in files {
            let document = fs::read(file.unwrap().path()).unwrap();
            seeds.add(target, &document);
            if target == "timestamp" {
                seeds.add("json", &document);
            }
        }
    }
    seeds.add_lines(
        "json",
        &[
            r#"{"a":9007199254740991,"b":[true,false,null,"ä\u00e4\ud83d\ude00\"\\\/\b\f\n\r\t"],"c":{"a":0}}"#,
            r#"{"1":{"2":{"3":{"4":{"5":{"6":{"7":{}}}}}}}}"#,
            r#"{"1":[[[[[[[[]]]]]]]]}"#,
            r#"{"a":1,"\u0061":2}"#,
            r#"{"a":"\ud800"}"#,
            "{ \"a\" :\t[ 1 , 2 ] ,\r\n\"b\" : { } }\n",
            r#"{"a":-0,"b":1.0,"c":1e3,"d":01}"#,
        ],
    );
}

fn index(seeds: &mut Seeds) {
    for row in seeds.vector("index.json")["maps"].as_array().unwrap() {
        if let Some(root) = row["root"].as_str() {
            seeds.add("index_node", [&[0; 33][..], &HEXLOWER.decode(root.as_bytes()).unwrap()].concat());
        }
    }
    let entry = |number: u32| {
        let key = Sha256::of(&number.to_be_bytes());
        anode_bundle::index::Entry { key: key.0, sha256: key, length: number }
    };
    let map = anode_bundle::index::build((0..300).map(entry).collect());
    seeds.add("index_node", [&[0; 33][..], &map.root].concat());
    for (_, node) in map.nodes.iter().take(2) {
        let key = &node[8..40];
        seeds.add("index_node", [&[1], key, node].concat());
        seeds.add("index_node", [&[2], key, node].concat());
        seeds.add("index_node", [&[1], &[0xff; 32][..], node].concat());
    }
    let keys = |count: u32, step: u32| (0..count).flat_map(move |n| (n * step).to_be_bytes()).collect::<Vec<_>>();
    for (count, step) in [(0, 1), (1, 1), (128, 1), (129, 1), (129, 0x0100_0000), (700, 77_777)] {
        seeds.add("index_map", keys(count, step));
    }
    seeds.add("index_map", [0, 0, 0, 1, 0, 0, 0, 1, 9]);
}

fn manifest(site: &SiteId) -> (Manifest, Vec<Vec<u8>>) {
    let id = |text: &str| Id::new(text).unwrap();
    let text = |text: &str| text.to_owned();
    let path = |text: &str| anode_bundle::name::SafePath::new(text).unwrap();
    let prompt = |name: &str, kind: PromptType| Prompt {
        name: id(name),
        kind,
        title: text("A prompt"),
        help: String::new(),
        default: None,
        choices: if kind == PromptType::Choice {
            vec![Choice { value: text("a b"), title: text("A") }]
        } else {
            Vec::new()
        },
        min: (kind == PromptType::Number).then_some(1),
        max: (kind == PromptType::Number).then_some(9),
    };
    let files = vec![b"host=\npassword=\n".to_vec(), b"#!/bin/sh\n".to_vec()];
    let manifest = Manifest {
        format: 1,
        site: site.clone(),
        profile: id("debian"),
        organisation: Some(id("north")),
        title: text("Debian"),
        description: text("A server"),
        installer: Installer {
            id: id("debian"),
            title: text("Debian"),
            version: text("13"),
            architecture: text("amd64"),
        },
        hand_over: HandOver::Kexec,
        unattended: false,
        second_stage: SecondStage { pinned: true, how: text("nothing is fetched") },
        boot: Some(Boot {
            kernel: Blob {
                name: None,
                urls: vec![text("https://example.org/linux")],
                sha256: Sha256::of(b"k"),
                length: 7,
            },
            signature: None,
            initrd: vec![Blob {
                name: None,
                urls: vec![text("https://example.org/initrd")],
                sha256: Sha256::of(b"i"),
                length: 7,
            }],
            images: Vec::new(),
            loaders: None,
            carry_fetcher: false,
            command_line: text("quiet hostname="),
            inserts: vec![Insert { at: 15, prompt: id("hostname") }],
            network: None,
        }),
        files: vec![
            File {
                path: path("preseed.cfg"),
                mode: 0o644,
                length: 16,
                inserts: vec![Insert { at: 5, prompt: id("hostname") }, Insert { at: 15, prompt: id("password") }],
            },
            File { path: path("anode/late"), mode: 0o755, length: 10, inserts: Vec::new() },
        ],
        prompts: vec![
            prompt("hostname", PromptType::Hostname),
            prompt("password", PromptType::Password),
            prompt("where", PromptType::Choice),
            prompt("many", PromptType::Number),
        ],
        ansible: None,
        critical: Vec::new(),
    };
    (manifest, files)
}

fn sealed(seeds: &mut Seeds) {
    let table = seeds.vector("seal.json");
    for (list, target) in [("activations", "sealed_activation"), ("packs", "sealed_pack")] {
        for row in table[list].as_array().unwrap().iter().filter(|row| row["sealed"].is_string()) {
            seeds.add(target, hex(&row["sealed"]));
            seeds.add(target, hex(&row["plain"]));
        }
    }
    let key = |name: &str| <[u8; 32]>::try_from(hex(&table[name])).unwrap();
    let root = SealRoot::new(&key("seal_salt"), &Zeroizing::new(key("seal_secret")));
    let site = SiteId::new(table["site"].as_str().unwrap()).unwrap();
    let (manifest, files) = manifest(&site);
    let head = serde_json::to_vec(&manifest).unwrap();
    let plain = Contents::new(manifest.clone(), files.clone()).unwrap().encode().unwrap();
    for text in [&b""[..], b"x", &plain] {
        seeds.add("sealed_pack", root.seal_pack(&site, &Id::new("debian").unwrap(), None, 1, text).unwrap());
        seeds.add("sealed_pack", text);
    }
    seeds.add("pack", &plain);
    seeds.add("pack", [&head[..], b"\0", &files.concat()].concat());
    let changes: [fn(&mut Value); 6] = [
        |manifest| manifest["files"][0]["inserts"][1]["at"] = json!(2),
        |manifest| manifest["files"][0]["inserts"] = json!([]),
        |manifest| manifest["files"][1]["path"] = json!("preseed.cfg"),
        |manifest| manifest["prompts"] = json!([]),
        |manifest| manifest["critical"] = json!(["new"]),
        |manifest| manifest["boot"]["inserts"] = json!([{"at": 0, "prompt": "password"}]),
    ];
    for change in changes {
        let mut value = serde_json::to_value(&manifest).unwrap();
        change(&mut value);
        seeds.add("pack", [&serde_json::to_vec(&value).unwrap()[..], b"\0", &files.concat()].concat());
    }
}

fn typed(seeds: &mut Seeds) {
    let table = seeds.vector("codes.json");
    for list in ["valid", "normalised"] {
        for row in table[list].as_array().unwrap() {
            seeds.add("code", row["typed"].as_str().or(row.as_str()).unwrap());
        }
    }
    seeds.add_lines(
        "code",
        &[
            "ol23 4567 89ab cder",
            "0000-0000-0000-0000",
            "correct horse battery staple",
            "4c4c4544-0042-3510-8054-b4c04f4d4e32| 5TNMN32 ",
            "03000200-0400-0500-0006-000700080009|x",
        ],
    );
    seeds.add_lines(
        "name",
        &[
            "debian-server",
            "a..b",
            "usr/lib/finish-install.d/94zz",
            ".a/b+c@d_e-f.g",
            "a/../b",
            "/etc/passwd",
            "AAAQEAYEAUDAOCAJBIFQYDIOB4",
            "00EDCBA987654321",
            "66be7e332c7a453332bd9d0a7f7db055f5c5ef1a06ada66d98b39fb6810c473a",
            "2026-11-21T09:00:00Z",
            "2024-02-29T23:59:59Z",
            "2026-02-29T00:00:00Z",
        ],
    );
    seeds
        .add_lines("line", &["HOffice PC", "\u{5}Büro-PC für Prüfer", "H\u{1b}[2J a\u{202e}b \u{200b} c", " a\r\n\tb"]);
    let good = [
        ["pc-07.example.org", "-a"],
        ["anna", "root"],
        ["Änne Müller-Lüdenscheidt", "a\"b"],
        ["$6$saltsaltsalt$abcdefghijklmno", "secret"],
        ["/dev/disk/by-id/nvme-X_1:2", "/dev/../etc"],
        ["de_DE.UTF-8", "de;DE"],
        ["us-intl", "DE"],
        ["a b\na b", "a b\nc"],
        ["05", "99999999999999999999"],
        ["Raum 12/3", "$(x)"],
    ];
    for (kind, answers) in (0_u8..).zip(good) {
        for answer in answers {
            seeds.add("answer", [&[kind], answer.as_bytes()].concat());
        }
    }
}

fn network(seeds: &mut Seeds) {
    seeds.add_lines(
        "address",
        &[
            "https://example.org",
            "HTTPS://Example.ORG:8443/Tree//",
            "https://[2001:db8::1]/a",
            "http://127.0.0.1:8000",
            "http://localhost/tree",
            "http://[::1]:80/",
            "http://example.org",
            "https://user:secret@example.org/a",
            "https://example.org/a/../b",
            "https://example.org:+443",
            "https://example.org?a#b",
            "https://xn--exmple-cua.org/%41,=~+@:",
        ],
    );
    let answers = [
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel",
        "HTTP/1.1 200 OK\r\nContent-Length: 500000\r\n\r\nhello",
        "HTTP/1.0 200 OK\r\n\r\nuntil the end",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nhello\r\n0\r\nX: y\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 4\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: 5\r\n\r\n<html",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello",
        "HTTP/1.1 302 Found\r\nLocation: http://example.org/\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno",
        "HTTP/1.1 204 No Content\r\n\r\n",
        "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-4/9\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/2 200\r\n\r\n",
        "SSH-2.0-OpenSSH_9.2\r\n",
    ];
    for answer in answers {
        seeds.add("http", [&[0, 64], answer.as_bytes()].concat());
    }
    seeds.add("http", [&[0, 4], answers[0].as_bytes()].concat());
}

fn site() -> Value {
    let text = |tree: &Tree| -> BTreeMap<String, String> {
        tree.iter()
            .filter(|(path, _)| !path.starts_with("objects/"))
            .map(|(path, bytes)| (path.clone(), String::from_utf8(bytes.clone()).unwrap()))
            .collect()
    };
    let [root_key, release_key, timestamp_key, next] =
        ["root", "release", "timestamp", "next timestamp"].map(Signer::named);
    let mut publisher = Publisher::with_keys(7, 1, std::slice::from_ref(&root_key), release_key, timestamp_key);
    let medium: BTreeMap<String, String> =
        text(&publisher.tree).into_iter().map(|(path, text)| (path.replace("root/", ""), text)).collect();
    publisher.publish();
    publisher.now = publisher.now.plus(DAY);
    publisher.publish();
    let mirror = text(&publisher.tree);
    publisher.now = publisher.now.plus(DAY);
    publisher.timestamp_key = next.clone();
    publisher.add_root(&[root_key], |root| root["roles"]["timestamp"]["keys"] = listed(&[next]));
    publisher.publish();
    let mut later = text(&publisher.tree);
    later.retain(|path, text| mirror.get(path) != Some(text));
    json!({ "medium": medium, "mirror": mirror, "later": later })
}

fn state(seeds: &mut Seeds, fixture: &Path) {
    let site: Value = serde_json::from_slice(&fs::read(fixture).unwrap()).unwrap();
    let text = |part: &str, path: &str| site[part][path].as_str().unwrap().to_owned();
    let file = |path: &str, bytes: &[u8]| {
        let length = u16::try_from(bytes.len()).unwrap().to_be_bytes();
        [&[u8::try_from(path.len()).unwrap(), length[0], length[1]], path.as_bytes(), bytes].concat()
    };
    let pair = |part: &str, release: u64| {
        let timestamp = text(part, "timestamp.signed");
        let body = text(part, &format!("release/{release}.json"));
        let signature = text(part, &format!("release/{release}.json.minisig"));
        let length = u32::try_from(timestamp.len()).unwrap().to_be_bytes();
        [&length[..], timestamp.as_bytes(), signature.as_bytes(), body.as_bytes()].concat()
    };
    let (now, later) = (pair("mirror", 2), pair("later", 3));
    let mut roots = Vec::new();
    for (path, text) in site["later"].as_object().unwrap().iter().filter(|(path, _)| path.starts_with("root/")) {
        roots.extend(file(path, text.as_str().unwrap().as_bytes()));
    }
    let old = file("current/a-b", &now);
    let new = file("current/c-d", &later);
    for parts in [&[][..], &[&old], &[&new], &[&roots], &[&roots, &new], &[&roots, &old, &new], &[&old, &new]] {
        seeds.add("state", parts.iter().flat_map(|part| part.iter()).copied().collect::<Vec<_>>());
    }
    for (at, mask) in [(200, 1), (0, 1), (later.len() - 3, 4)] {
        let mut changed = later.clone();
        changed[at] ^= mask;
        seeds.add("state", [&roots[..], &file("current/c-d", &changed)].concat());
    }
}

fn repository(seeds: &mut Seeds, root: &Path) {
    for profile in ["profiles/debian-server", "profiles/fedora-workstation", "generator/tests/fixtures/formats/probe"] {
        seeds.add("profile", fs::read(root.join(profile).join("profile.toml")).unwrap());
    }
    let head = "title = \"P\"\ninstaller = \"formats\"\nversion = \"1\"\narchitecture = \"any\"\n";
    for rest in [
        "public = true\nunattended = true\nhardware_secrets = true\ndescription = \"d\"\n",
        "[variables]\nvalue = \"v\"\nonly = \"json\"\n",
        "[variables]\nvalue = 1\nvalu = [1, {a = 2026-11-21}]\n",
        "[[prompts]]\nname = \"hostname\"\ntype = \"hostname\"\ntitle = \"Name\"\n[[prompts]]\nname = \"n\"\ntype = \"number\"\nmin = 1\nmax = 9\n",
        "[[prompts]]\nname = \"c\"\ntype = \"choice\"\nchoices = [{ value = \"a\", title = \"A\" }]\ndefault = \"b\"\n",
        "[ansible]\nrepository = \"https://example.org/a.git\"\nbranch = \"main\"\nplaybook = \"site.yml\"\n",
        "instaler = \"x\"\n[variables\n",
    ] {
        seeds.add("profile", format!("{head}{rest}"));
    }
    let values = [
        "plain",
        "",
        "it's",
        "'\"'\"'",
        "a\nd-i preseed/late_command string reboot",
        "%end",
        "# comment",
        "a # b",
        "$(reboot)",
        "`x`",
        "a;b && c | d > e",
        "ends in \\",
        "*?[a]~",
        "{{ value }}{% raw %}",
        "key: value, [x] {y}",
        "Ünïcödé 李",
        "AnodeInsertQx00",
        "\u{1b}[2J",
    ];
    for (number, value) in values.iter().enumerate() {
        for format in [number % 8, (number + 3) % 8] {
            seeds.add("value", [&[u8::try_from(format).unwrap()], value.as_bytes()].concat());
        }
    }
}

fn archives(seeds: &mut Seeds) {
    let file = |path: &str, mode: u16, bytes: &[u8]| {
        let lengths = [u8::try_from(path.len()).unwrap(), u8::try_from(bytes.len()).unwrap()];
        [&mode.to_be_bytes()[..], &lengths, path.as_bytes(), bytes].concat()
    };
    let usual = [
        file("usr/lib/finish-install.d/94zz", 0o755, b"#!/bin/sh\n"),
        file("preseed.cfg", 0o640, b"d-i locale string de_DE\n"),
        file("anode/payload", 0o600, &[b'0'; 255]),
        file("empty", 0o644, b""),
    ];
    seeds.add("cpio", usual.concat());
    seeds.add("cpio", []);
    for (first, second) in [
        ("lib/x", "a"),
        ("usr/sbin/x", "a"),
        ("run/x", "a"),
        ("proc", "a"),
        ("a", "a/b"),
        ("a", "a"),
        ("TRAILER", "070701"),
    ] {
        seeds.add("cpio", [file(first, 0o644, b"x"), file(second, 0o644, b"y")].concat());
    }
}
