//! Archives made by the programs that distributions make theirs with: `cpio`, `gzip`, `xz`, `zstd`, `lz4`, `bzip2` (`ci/test` installs them).

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use super::*;
use crate::diagnose::{Origin, Source};
use crate::repository::{HookPoint, Versions};

fn pipe(program: &str, arguments: &[&str], folder: &Path, input: &[u8]) -> Vec<u8> {
    let mut child = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| panic!("{program}: {error}; install the package that has it"));
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success(), "{program} {arguments:?}");
    output.stdout
}

/// What `find | cpio -H newc -o` makes of these files.
fn archive(files: &[(&str, &str)]) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let mut names = Vec::new();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        match text.strip_prefix("-> ") {
            Some(target) => symlink(target, &path).unwrap(),
            None => fs::write(&path, text).unwrap(),
        }
        names.push((*name).to_owned());
    }
    pipe("cpio", &["-o", "-H", "newc", "--quiet"], folder.path(), format!("{}\n", names.join("\n")).as_bytes())
}

fn packed(program: &str, bytes: &[u8]) -> Vec<u8> {
    let arguments: &[&str] = match program {
        "gzip" => &["-9n"],
        "xz" => &["--check=crc32", "--lzma2=dict=1MiB"],
        "zstd" => &["-19", "-q"],
        "lz4" => &["-l", "-q"],
        _ => &[],
    };
    pipe(program, arguments, Path::new("/"), bytes)
}

const PROGRAMS: [&str; 6] = ["cat", "gzip", "xz", "zstd", "lz4", "bzip2"];

fn hook(path: &str, contains: Option<&str>) -> HookPoint {
    let source = Arc::new(Source { path: "manifest.toml".to_owned(), text: String::new() });
    let (versions, origin) = (Versions::default(), Origin { source, span: 0..0 });
    HookPoint { path: path.to_owned(), contains: contains.map(str::to_owned), versions, origin }
}

fn missing(initrds: &[Vec<u8>], hooks: &[HookPoint]) -> Vec<String> {
    let unpacked = Unpacked::read(initrds).unwrap_or_else(|(place, error)| panic!("initrd {place} {error}"));
    let missing = unpacked.missing_hooks(hooks);
    missing.into_iter().map(|missing| format!("{} {}", missing.hook.path, missing.found)).collect()
}

fn padded(mut bytes: Vec<u8>, to: usize) -> Vec<u8> {
    bytes.resize(bytes.len().next_multiple_of(to), 0);
    bytes
}

#[test]
fn every_pair_of_compressions_is_read_with_early_microcode_and_padding_in_front() {
    let microcode = padded(archive(&[("kernel/x86/microcode/GenuineIntel.bin", "microcode")]), 512);
    let (one, two) = (archive(&[("one", "first")]), archive(&[("etc/two", "second")]));
    let hooks = [
        hook("kernel/x86/microcode/GenuineIntel.bin", None),
        hook("one", Some("first")),
        hook("etc/two", Some("second")),
    ];
    for first in PROGRAMS {
        for second in PROGRAMS {
            // As the medium pads in front of its own archive, which every kernel takes.
            let initrd = [microcode.clone(), padded(packed(first, &one), 512), vec![0; 512], packed(second, &two)];
            assert_eq!(missing(&[initrd.concat()], &hooks), [""; 0], "{first} {second}");
        }
    }
}

#[test]
fn compressed_archives_need_no_padding_between_them_but_behind_lz4() {
    let (one, two) = (archive(&[("one", "first")]), archive(&[("two", "second")]));
    // The older lz4 format has no end: to a kernel, what follows is the length of another block.
    for program in PROGRAMS.into_iter().filter(|program| *program != "lz4") {
        let initrd = [packed(program, &one), packed("gzip", &two)].concat();
        assert_eq!(missing(&[initrd], &[hook("one", None), hook("two", Some("second"))]), [""; 0], "{program}");
    }
}

#[test]
fn a_file_larger_than_a_block_of_any_compression_is_read_to_its_end() {
    let noise: String = (0..9_000_000_u64).map(|n| char::from(b'a' + (n * n % 23) as u8)).collect();
    let archive = archive(&[("big", &format!("{noise}here")), ("behind", "too")]);
    for program in PROGRAMS {
        let initrd = packed(program, &archive);
        let hooks = [hook("big", Some("here")), hook("behind", Some("too"))];
        assert_eq!(missing(&[initrd], &hooks), [""; 0], "{program}");
    }
}

#[test]
fn links_are_followed_and_loops_lead_nowhere() {
    let initrd = archive(&[
        ("usr/lib/init", "run me"),
        ("lib", "-> usr/lib"),
        ("init", "-> /lib/init"),
        ("sbin/up", "-> ../lib/init"),
        ("a", "-> b"),
        ("b", "-> a"),
    ]);
    let hooks = [
        hook("lib/init", Some("run me")),
        hook("/init", Some("run me")),
        hook("./sbin/up", Some("run me")),
        hook("init", Some("walk")),
        hook("a", None),
        hook("lib", Some("x")),
    ];
    let wanted = ["a is not in it", "lib is not in it", "init is there (`usr/lib/init`) and does not hold `walk`"];
    assert_eq!(missing(&[initrd], &hooks), wanted);
}

#[test]
fn of_hard_links_only_the_last_holds_the_bytes() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("one"), "shared").unwrap();
    fs::hard_link(folder.path().join("one"), folder.path().join("two")).unwrap();
    let initrd = pipe("cpio", &["-o", "-H", "newc", "--quiet"], folder.path(), b"one\ntwo\n");
    assert_eq!(missing(&[initrd], &[hook("one", Some("shared")), hook("two", Some("shared"))]), [""; 0]);
}

#[test]
fn a_later_archive_replaces_and_the_next_initrd_too() {
    let old = archive(&[("init", "old"), ("only", "old")]);
    let new = archive(&[("init", "new")]);
    let hooks = [hook("init", Some("new")), hook("only", Some("old"))];
    assert_eq!(missing(&[[old.clone(), new.clone()].concat()], &hooks), [""; 0]);
    assert_eq!(missing(&[packed("xz", &old), packed("zstd", &new)], &hooks), [""; 0]);
    assert_eq!(missing(&[new, old], &hooks), ["init is there and does not hold `new`"]);
}

#[test]
fn what_is_no_initrd_is_refused_and_what_ends_early_is_said_with_the_hook_point() {
    for bytes in [&b"<html>not found</html>"[..], b"MZ\x90\0", b"\x1f\x8b nothing", b"070701 and no more"] {
        assert!(Unpacked::read(&[bytes.to_vec()]).is_err(), "{bytes:?}");
    }
    let cut = [archive(&[("init", "x")]), b"\x5d\0\0 something of tomorrow".to_vec()].concat();
    let found = missing(&[cut], &[hook("init", Some("x")), hook("hook", None)]);
    let wanted = "hook is not in it (the initrd could be read only in part, at byte 512: neither an archive nor anything that a \
                  kernel unpacks begins here)";
    assert_eq!(found, [wanted]);
}

#[test]
fn a_link_that_a_file_would_take_the_place_of_is_found() {
    let initrd =
        archive(&[("usr/lib/dracut/hooks", "-> ../../../var/lib/dracut/hooks"), ("var/lib/dracut/hooks/x", "x")]);
    let initrds = [initrd];
    let unpacked = Unpacked::read(&initrds).unwrap();
    let paths = ["var/lib/dracut/hooks/own", "usr/lib/dracut/hooks/pre-pivot/own", "ks.cfg", "usr/lib/dracut/hooks"];
    let lost: Vec<_> = unpacked.lost_links(paths).into_iter().map(|lost| (lost.path, lost.link)).collect();
    assert_eq!(lost, [("usr/lib/dracut/hooks/pre-pivot/own", "usr/lib/dracut/hooks".to_owned())]);
}

#[test]
fn an_archive_that_unpacks_to_more_than_any_initrd_is_refused_at_the_limit() {
    let mut endless = std::io::repeat(0);
    let mut left = 10_000;
    let refused = cpio::Archive::new(&mut endless, &mut left).next().unwrap_err();
    assert_eq!(refused, "it unpacks to more than any initrd");
}

#[test]
fn hostile_bytes_do_not_panic() {
    let whole = archive(&[("etc/one", "first"), ("two", "-> etc/one"), ("three", "third")]);
    let hooks = [hook("etc/one", Some("first")), hook("two", None)];
    let mut judged = 0;
    for program in PROGRAMS {
        let initrd = packed(program, &whole);
        for at in (0..initrd.len()).step_by(7) {
            let mut changed = initrd.clone();
            changed[at] ^= 1 << (at % 8);
            let cut = initrd[..at].to_vec();
            for bytes in [changed, cut] {
                // The judgement is free; that there is one is not.
                judged += usize::from(Unpacked::read(&[bytes]).is_ok_and(|read| read.missing_hooks(&hooks).is_empty()));
            }
        }
    }
    assert!(judged > 0);
}
