//! The command blocks of README and of the key ceremony do what they say: each is executed, in order, in one fresh folder.
//!
//! A block is fenced with ```sh or ```console. In a `console` block the lines that begin with `$ ` are commands and the others are what they
//! print, which is for readers and not compared. Every block runs in one bash of its own with `set -euo pipefail`; what a block exports or the
//! folder it changes to, the next one finds. Only the two commands that would run this test again are left out: `ci/test` and the
//! demonstration, which runs here from the binary that is already built.

use std::fs;
use std::time::Duration;

use anode_tests::{
    Mirror, Port, Program, apt_mirrors, binary, debian_installer, downloads, programs_of_a_medium, source,
};

struct Block {
    line: usize,
    script: String,
}

fn blocks(text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<(bool, Block)> = None;
    for (number, line) in text.lines().enumerate() {
        let fence = line.trim_start().strip_prefix("```");
        match (&mut open, fence) {
            (None, Some(kind @ ("sh" | "console"))) => {
                open = Some((kind == "console", Block { line: number + 1, script: String::new() }));
            }
            (None, _) => (),
            (Some(_), Some(_)) => blocks.extend(open.take().map(|(_, block)| block)),
            (Some((console, block)), None) => {
                let command =
                    if *console { line.strip_prefix("$ ").or_else(|| line.strip_prefix("> ")) } else { Some(line) };
                block.script.extend(command.map(|command| format!("{command}\n")));
            }
        }
    }
    assert!(open.is_none(), "a block of the page is not closed");
    blocks
}

/// Without what would run this test inside itself, and on a port that is free here; packages come from the mirror that this machine is set up with.
/// The installer comes from `mirror`.
fn ours(script: &str, port: u16, mirror: &str) -> String {
    let downloads = || downloads().display().to_string();
    let replace = |line: &str| match line.trim() {
        "ci/test" => ":".to_owned(),
        "cargo run --release -- demo" => "anode demo".to_owned(),
        "anode lock debian-server" if mirror.is_empty() => ":".to_owned(),
        lock @ "anode lock debian-server" => {
            let there = format!("[variables]\\nboot_mirror = \"{mirror}\"");
            format!(
                "sed -i 's|^\\[variables\\]|{there}|' debian-server/profile.toml\n{lock} --downloads '{}'",
                downloads()
            )
        }
        "anode medium lock" => {
            let [packages, security] = apt_mirrors("bookworm");
            format!(
                "anode medium lock --packages-from {packages} --security-from {security} --downloads '{}'",
                downloads()
            )
        }
        iso if iso.starts_with("anode medium iso ") => {
            format!("{iso} --downloads '{}' --programs \"$ANODE_MEDIUM_PROGRAMS\"", downloads())
        }
        _ => line.to_owned(),
    };
    script.replace("8443", &port.to_string()).lines().map(|line| replace(line) + "\n").collect()
}

#[test]
fn every_command_block_of_readme_works_as_written() {
    run_every_block("README.md");
}

#[test]
fn every_command_block_of_the_key_ceremony_works_as_written() {
    run_every_block("keys/README.md");
}

fn run_every_block(page: &str) {
    let text = fs::read_to_string(source().join(page)).expect("a page of the repository");
    let blocks = blocks(&text);
    assert!(blocks.len() >= 3, "{page} has {} command blocks", blocks.len());
    let folder = tempfile::tempdir().expect("a temporary folder");
    let state = folder.path().join("state");
    let home = folder.path().join("home");
    fs::create_dir_all(folder.path().join("work")).expect("a folder");
    fs::create_dir_all(&home).expect("a folder");
    fs::write(&state, format!("cd '{}'\n", folder.path().join("work").display())).expect("the state");
    let programs = programs_of_a_medium(&folder.path().join("programs"));
    let mut servers = Servers(Vec::new());
    let port = Port::new();
    let mirror = mirror_of_debian();
    let address = mirror.as_ref().map(Mirror::url).unwrap_or_default();
    for block in blocks {
        assert!(!block.script.trim_start().starts_with("# not run"), "line {}: a block that is not run", block.line);
        let script = format!(
            "set -euo pipefail\nsource '{state}'\n{}\n{{ export -p; printf 'cd %q\\n' \"$PWD\"; }} >'{state}'\n",
            ours(&block.script, port.number(), &address),
            state = state.display()
        );
        let program = Program::new("bash").args(["-c", &script]).env("HOME", &home).env("ANODE_SOURCE", source());
        // A server that a block leaves running must not hold our pipes open for ever.
        let program = program.env("ANODE_BIN", binary("anode")).env("ANODE_MEDIUM_PROGRAMS", &programs);
        let output = program.limit(Duration::from_secs(300)).run();
        servers.collect(folder.path());
        assert_eq!(output.exit, Some(0), "{page}, block at line {}:\n{}\n{output}", block.line, block.script);
    }
}

/// What the profile of README boots, as Debian's mirrors have it: the installer of the release before, under the name of this one.
fn mirror_of_debian() -> Option<Mirror> {
    let (images, mirror) = (debian_installer()?, Mirror::new());
    let place = "dists/trixie/main/installer-amd64/current/images/netboot/debian-installer/amd64";
    for name in ["linux", "initrd.gz", "bootnetx64.efi", "grubx64.efi"] {
        mirror.put(&format!("{place}/{name}"), fs::read(images.join(name)).expect("a file of the installer"));
    }
    Some(mirror)
}

/// Servers that README starts write their process ids into the fresh folder, as `*.pid`; they end with the test.
struct Servers(Vec<String>);

impl Servers {
    fn collect(&mut self, folder: &std::path::Path) {
        let found = Program::new("find").arg(folder).args(["-name", "*.pid", "-exec", "cat", "{}", "+"]).run().stdout;
        self.0 = found.split_whitespace().map(str::to_owned).collect();
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        for id in &self.0 {
            let _ = Program::new("kill").arg(id).run();
        }
    }
}

#[test]
fn commands_are_told_from_what_they_print() {
    let found = blocks("text\n```console\n$ a \\\n> b\nprinted\n$ c\n```\n```rust\nno\n```\n```sh\nd\n```\n");
    let scripts: Vec<_> = found.iter().map(|block| block.script.as_str()).collect();
    assert_eq!(scripts, ["a \\\nb\nc\n", "d\n"]);
    assert_eq!(
        ours("ci/test\ncargo run --release -- demo\nci/test --x :8443\n", 7, ""),
        ":\nanode demo\nci/test --x :7\n"
    );
}
