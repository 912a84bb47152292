//! What lies in the folder when it is staged, and what is left when it is not.

use std::fs::{self, File, OpenOptions};
use std::io::Read as _;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::Path;

use anode_bundle::name::{SafePath, Sha256};
use anode_bundle::pack::Blob;
use tempfile::TempDir;

use super::super::draft::padding;
use super::super::tests::{
    FIRST, KERNEL as KERNEL_BYTES, Paper, SECOND, archive, blob, boot, manifest, serve, signed, with_origin,
};
use super::*;
use crate::hand_over::Way;
use crate::kexec::{load, way};
use crate::transport::tests::server::Server;

const SHIM: &[u8] = b"a shim";
const GRUB: &[u8] = b"a GRUB";
const MENU: &str = "debian-installer/amd64/grub/grub.cfg";

fn loaders() -> Loaders {
    let safe = |path: &str| SafePath::new(path).unwrap();
    Loaders {
        shim: blob(SHIM, serve(SHIM)),
        grub: blob(GRUB, serve(GRUB)),
        grub_name: safe("grubx64.efi"),
        menu: safe(MENU),
    }
}

fn staged(dir: &Path, boot: &Boot, command_line: &str) -> Result<(), Failure> {
    let installer = Installer { boot, command_line, archive: &archive() };
    with_origin(None, |origin| stage(&installer, dir, origin, &mut |_, _, _| {}))
}

fn whole() -> Boot {
    Boot { loaders: Some(loaders()), ..boot() }
}

/// Every path below, folders too.
fn found(dir: &Path) -> Vec<String> {
    let mut all = Vec::new();
    let mut open = vec![dir.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            all.push(path.strip_prefix(dir).unwrap().display().to_string());
            if path.is_dir() {
                open.push(path);
            }
        }
    }
    all.sort();
    all
}

#[test]
fn kernel_initrd_loaders_and_a_menu_of_one_entry_lie_where_the_firmware_and_grub_look() {
    let folder = TempDir::new().unwrap();
    staged(folder.path(), &whole(), "priority=critical  host=$(x);{ ---").unwrap();
    let bytes = |name: &str| fs::read(folder.path().join(name)).unwrap();
    assert_eq!((bytes(KERNEL), bytes(LOADER)), (KERNEL_BYTES.to_vec(), SHIM.to_vec()));
    assert_eq!(bytes("EFI/anode/grubx64.efi"), GRUB);
    let zeros = |length: usize| vec![0; padding(length as u64)];
    assert_eq!(bytes(INITRD), [FIRST, &zeros(FIRST.len()), SECOND, &zeros(SECOND.len()), &archive()].concat());
    assert_eq!(
        String::from_utf8(bytes(MENU)).unwrap(),
        "set timeout=0\n\
         if linux /anode-stage/linux 'priority=critical' 'host=$(x);{' '---'; then\n  \
         if initrd /anode-stage/initrd; then boot; fi\nfi\n\
         echo 'The installer could not be started.'\nsleep --interruptible 30\nreboot\n"
    );
    let list = String::from_utf8(bytes(LIST)).unwrap();
    let files: Vec<String> =
        found(folder.path()).into_iter().filter(|name| folder.path().join(name).is_file()).collect();
    let mut listed: Vec<&str> = list.lines().collect();
    listed.sort_unstable();
    assert_eq!(listed, files);
}

#[test]
fn nothing_is_left_of_a_stage_that_failed_and_what_was_there_stays() {
    let wrong = |blob: &mut Blob| blob.sha256 = Sha256::of(b"other bytes");
    let changes: [&dyn Fn(&mut Boot); 4] = [
        &|boot| wrong(&mut boot.kernel),
        &|boot| wrong(&mut boot.initrd[1]),
        &|boot| wrong(&mut boot.loaders.as_mut().unwrap().shim),
        &|boot| wrong(&mut boot.loaders.as_mut().unwrap().grub),
    ];
    for change in changes {
        let folder = TempDir::new().unwrap();
        fs::create_dir_all(folder.path().join("EFI/debian")).unwrap();
        fs::write(folder.path().join("EFI/debian/shimx64.efi"), "mine").unwrap();
        let before = found(folder.path());
        let mut boot = whole();
        change(&mut boot);
        let failure = staged(folder.path(), &boot, "quiet").unwrap_err();
        assert_eq!(failure.exit().number(), 23, "{failure}");
        assert_eq!(found(folder.path()), before);
    }
}

#[test]
fn a_run_that_is_killed_before_the_menu_leaves_nothing_that_starts_and_a_list_of_all_of_it() {
    let folder = TempDir::new().unwrap();
    let files = [MENU, KERNEL, INITRD, LOADER, "EFI/anode/grubx64.efi", LIST];
    let stage = Stage::begin(Beneath::open(folder.path()).unwrap(), folder.path(), files).unwrap();
    for name in [KERNEL, INITRD, LOADER, "EFI/anode/grubx64.efi", MENU] {
        stage.draft(name).unwrap().append(name.as_bytes()).unwrap();
        assert!(!folder.path().join(name).exists());
        assert!(fs::read_to_string(folder.path().join(LIST)).unwrap().lines().any(|line| line == name));
    }
    // The power goes: nothing is tidied up.
    std::mem::forget(stage);
    for name in [LOADER, "EFI/anode/grubx64.efi", MENU] {
        assert!(!folder.path().join(name).exists());
    }
    assert!(unstage(folder.path()).unwrap() && found(folder.path()).is_empty());
}

#[test]
fn a_link_that_appears_while_it_is_staged_leads_nowhere() {
    let outer = TempDir::new().unwrap();
    let (dir, victim) = (outer.path().join("mnt"), outer.path().join("victim"));
    fs::create_dir(&dir).unwrap();
    fs::create_dir_all(victim.join("anode")).unwrap();
    let files = [MENU, KERNEL, INITRD, LOADER, "EFI/anode/grubx64.efi", LIST];
    for (ours, theirs) in [("anode-stage", ""), ("EFI", ""), ("EFI/anode", "anode")] {
        let mut stage = Stage::begin(Beneath::open(&dir).unwrap(), &dir, files).unwrap();
        let before = files.map(|name| (name != LIST).then(|| stage.draft(name).unwrap()));
        fs::rename(dir.join(ours), outer.path().join("aside")).unwrap();
        symlink(victim.join(theirs), dir.join(ours)).unwrap();
        let behind = files.iter().filter(|name| name.starts_with(ours) && **name != LIST);
        for name in behind {
            assert!(stage.draft(name).is_err(), "{name}");
        }
        assert!(stage.settle().is_err());
        drop((before, stage));
        assert_eq!(found(&victim), ["anode"], "{ours}");
        fs::remove_dir_all(&dir).unwrap();
        fs::remove_dir_all(outer.path().join("aside")).unwrap();
        fs::create_dir(&dir).unwrap();
    }
}

#[test]
fn a_stage_is_overwritten_and_removed_with_nothing_else() {
    let folder = TempDir::new().unwrap();
    assert!(!unstage(folder.path()).unwrap());
    fs::create_dir_all(folder.path().join("EFI/debian")).unwrap();
    for mine in ["EFI/debian/shimx64.efi", "debian-installer.txt"] {
        fs::write(folder.path().join(mine), "mine").unwrap();
    }
    let before = found(folder.path());
    staged(folder.path(), &whole(), "quiet").unwrap();
    // Open files tell what the bytes became that the names no longer lead to.
    let open = [INITRD, MENU].map(|name| (name, File::open(folder.path().join(name)).unwrap()));
    // Whoever changes the list reaches nothing outside.
    let mut list = OpenOptions::new().append(true).open(folder.path().join(LIST)).unwrap();
    let other = TempDir::new().unwrap();
    fs::write(other.path().join("x"), "mine").unwrap();
    writeln!(list, "../{0}/x\n{1}/x", other.path().file_name().unwrap().display(), other.path().display()).unwrap();
    assert!(unstage(folder.path()).unwrap());
    assert_eq!(found(folder.path()), before);
    assert_eq!(fs::read_to_string(other.path().join("x")).unwrap(), "mine");
    for (name, mut file) in open {
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).unwrap();
        assert!(!bytes.is_empty() && bytes.iter().all(|byte| *byte == 0), "{name}");
    }
}

/// On a file system that knows of holes, a stick may hold a file that is larger than itself.
#[test]
fn a_file_that_is_all_hole_is_removed_without_writing_what_it_claims() {
    let folder = TempDir::new().unwrap();
    staged(folder.path(), &whole(), "quiet").unwrap();
    let path = folder.path().join("anode-stage/hole");
    let hole = File::create(&path).unwrap();
    hole.set_len(1 << 40).unwrap();
    assert!(unstage(folder.path()).unwrap());
    assert!(!path.exists());
    assert!(hole.metadata().unwrap().blocks() * 512 <= 1 << 20);
}

#[test]
fn nothing_that_is_there_is_overwritten() {
    for there in [MENU, "anode-stage/files", "EFI/anode/shim.efi"] {
        let folder = TempDir::new().unwrap();
        let place = folder.path().join(there);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::write(&place, "mine").unwrap();
        let before = found(folder.path());
        let failure = staged(folder.path(), &whole(), "quiet").unwrap_err();
        assert_eq!(failure.exit().number(), 40);
        assert!(
            failure.to_string().contains("exists") && failure.to_string().contains("nothing is overwritten"),
            "{failure}"
        );
        assert_eq!((found(folder.path()), fs::read_to_string(&place).unwrap().as_str()), (before, "mine"));
    }
}

#[test]
fn a_menu_that_grub_could_read_in_place_of_ours_is_found_before_anything_is_laid_down() {
    // What the memdisk of Debian 12's signed GRUB looks for before its own menu, and what lies in its way on another distribution's path.
    let cases = [
        (MENU, "debian-installer/amd64/grub/x86_64-efi/grub.cfg", Some("debian-installer/amd64/grub/x86_64-efi")),
        (MENU, "debian-installer/readme", Some("debian-installer/readme")),
        (MENU, "debian-installer", Some("debian-installer")),
        ("EFI/BOOT/grub.cfg", "EFI/BOOT/x86_64-efi/grub.cfg", Some("EFI/BOOT/x86_64-efi")),
        ("EFI/BOOT/grub.cfg", "EFI/BOOT/BOOTX64.EFI", Some("EFI/BOOT/BOOTX64.EFI")),
        ("EFI/BOOT/grub.cfg", "EFI/fedora/grub.cfg", None),
        ("grub/grub.cfg", "grub2/grub.cfg", None),
    ];
    for (menu, there, named) in cases {
        let folder = TempDir::new().unwrap();
        let place = folder.path().join(there);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::write(&place, "another menu").unwrap();
        let before = found(folder.path());
        let mut boot = whole();
        boot.loaders.as_mut().unwrap().menu = SafePath::new(menu).unwrap();
        let result = staged(folder.path(), &boot, "quiet");
        let Some(named) = named else {
            result.unwrap();
            continue;
        };
        let failure = result.unwrap_err();
        let named = format!("`{}` exists where", folder.path().join(named).display());
        assert!(failure.exit().number() == 40 && failure.to_string().contains(&named), "{failure}");
        assert!(failure.remedy().contains("another stick"));
        assert_eq!(found(folder.path()), before);
    }
    // Folders in which nothing lies are in nobody's way.
    let folder = TempDir::new().unwrap();
    fs::create_dir_all(folder.path().join("debian-installer/amd64")).unwrap();
    staged(folder.path(), &whole(), "quiet").unwrap();
}

#[test]
fn links_on_a_stick_lead_a_removal_nowhere() {
    let outer = TempDir::new().unwrap();
    let (folder, victim) = (outer.path().join("mnt"), outer.path().join("victim"));
    for place in [folder.join("anode-stage"), victim.join("grub")] {
        fs::create_dir_all(place).unwrap();
    }
    for name in ["shadow", "grub.cfg", "grub.cfg.new", "grub/grub.cfg", "initrd", "shim.efi"] {
        fs::write(victim.join(name), MENU_BEGINS).unwrap();
    }
    let intact = found(&victim);
    let stays = |what: &str| {
        assert_eq!(found(&victim), intact, "{what}");
        for name in intact.iter().filter(|name| victim.join(name).is_file()) {
            assert_eq!(fs::read_to_string(victim.join(name)).unwrap(), MENU_BEGINS, "{what}: {name}");
        }
    };
    symlink("../victim", folder.join("x")).unwrap();
    for list in ["x/shadow", "x/grub.cfg", "x/grub/grub.cfg", "../victim/grub.cfg"] {
        fs::create_dir_all(folder.join("anode-stage")).unwrap();
        fs::write(folder.join(LIST), list).unwrap();
        symlink("../../victim/initrd", folder.join(INITRD)).unwrap();
        fs::hard_link(victim.join("shadow"), folder.join("anode-stage/linux")).unwrap();
        assert!(unstage(&folder).unwrap());
        stays(list);
        assert_eq!(found(&folder).first().map(String::as_str), Some("x"), "{:?}", found(&folder));
    }
    for (to, name) in [("../victim", "EFI"), ("../victim", "anode-stage")] {
        symlink(to, folder.join(name)).unwrap();
        unstage(&folder).unwrap();
        stays(name);
    }
    assert!(fs::symlink_metadata(folder.join("anode-stage")).is_err(), "our name is free again");
    assert!(staged(&folder, &whole(), "quiet").unwrap_err().to_string().contains("EFI` exists where"));
    symlink("mnt", outer.path().join("link")).unwrap();
    assert!(unstage(&outer.path().join("link")).is_err(), "not by a link, either");
}

#[test]
fn a_file_that_is_no_menu_of_ours_stays_whatever_the_list_says() {
    let folder = TempDir::new().unwrap();
    for (name, text) in [("boot/grub/grub.cfg", "set timeout=5"), ("letter.txt", "mine")] {
        let place = folder.path().join(name);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::write(place, text).unwrap();
        fs::create_dir_all(folder.path().join(FOLDER)).unwrap();
        fs::write(folder.path().join(LIST), name).unwrap();
        let _ = unstage(folder.path()).unwrap();
        assert_eq!(fs::read_to_string(folder.path().join(name)).unwrap(), text);
    }
}

#[test]
fn what_a_desktop_left_in_our_folders_goes_with_them_and_a_list_of_no_use_keeps_no_answers() {
    type Change = fn(&Path);
    let changes: [(&str, Change); 6] = [
        ("files of a desktop", |folder| fs::write(folder.join("anode-stage/.DS_Store"), "junk").unwrap()),
        ("a folder of a desktop", |folder| {
            fs::create_dir_all(folder.join("anode-stage/.Trash/1")).unwrap();
            fs::write(folder.join("anode-stage/.Trash/1/x"), "junk").unwrap();
        }),
        ("a list that is too long", |folder| {
            let mut list = OpenOptions::new().append(true).open(folder.join(LIST)).unwrap();
            list.write_all(&vec![b'x'; 9 << 10]).unwrap();
        }),
        ("no list", |folder| {
            fs::remove_file(folder.join(MENU)).unwrap();
            fs::remove_file(folder.join(LIST)).unwrap();
            fs::remove_dir_all(folder.join("debian-installer")).unwrap();
        }),
        ("junk beside the loaders", |folder| fs::write(folder.join("EFI/anode/._shim.efi"), "junk").unwrap()),
        ("loaders without the rest", |folder| {
            fs::remove_dir_all(folder.join("anode-stage")).unwrap();
            fs::remove_dir_all(folder.join("debian-installer")).unwrap();
        }),
    ];
    for (what, change) in changes {
        let folder = TempDir::new().unwrap();
        staged(folder.path(), &whole(), "quiet").unwrap();
        change(folder.path());
        assert!(unstage(folder.path()).unwrap(), "{what}");
        assert_eq!(found(folder.path()), [""; 0], "{what}");
        assert!(!unstage(folder.path()).unwrap(), "{what}");
        staged(folder.path(), &whole(), "quiet").unwrap();
    }
}

#[test]
fn a_folder_in_the_place_of_the_list_keeps_no_answers() {
    let folder = TempDir::new().unwrap();
    fs::create_dir_all(folder.path().join("anode-stage")).unwrap();
    fs::write(folder.path().join(INITRD), "answers").unwrap();
    // No menu is named by it; the answers go all the same.
    fs::create_dir(folder.path().join(LIST)).unwrap();
    assert!(unstage(folder.path()).unwrap());
    assert_eq!(found(folder.path()), [""; 0]);
}

#[test]
fn what_grub_would_change_is_refused_and_so_is_a_place_without_room_or_without_a_folder() {
    let folder = TempDir::new().unwrap();
    for line in ["a=\"b c\"", "a='b'", r"a=\b", "a\nboot"] {
        let failure = staged(folder.path(), &whole(), line).unwrap_err();
        assert_eq!(failure.exit().number(), 40);
        assert!(failure.to_string().contains("GRUB would change"), "{failure}");
    }
    let mut large = whole();
    large.initrd[0].length = u64::MAX;
    let failure = staged(folder.path(), &large, "quiet").unwrap_err();
    assert!(failure.exit().number() == 40 && failure.to_string().contains("MiB are free"), "{failure}");
    let failure = staged(&folder.path().join("none"), &whole(), "quiet").unwrap_err();
    assert!(failure.exit().number() == 40 && failure.to_string().contains("no such file"), "{failure}");
    assert!(found(folder.path()).is_empty());
}

#[test]
fn what_is_lost_on_the_way_to_the_disk_is_found_when_it_is_read_back() {
    let folder = TempDir::new().unwrap();
    let place = folder.path().join("initrd");
    let open = Beneath::open(folder.path()).unwrap();
    let mut draft = Draft::on_disk(Place { folder: open, name: "initrd".to_owned(), path: place.clone() }).unwrap();
    draft.append(&archive()).unwrap();
    let whole = draft.finish().unwrap();
    fs::write(&place, vec![1; archive().len()]).unwrap();
    let failure = whole.read_back(&[], &archive()).unwrap_err();
    assert!(
        failure.exit().number() == 40 && failure.to_string().contains("does not hold what was written"),
        "{failure}"
    );
}

#[test]
fn an_installer_is_staged_only_where_it_can_not_be_loaded_and_brings_its_loaders() {
    let folder = TempDir::new().unwrap();
    let dir = Some(folder.path());
    let mut locked = Paper::new();
    locked.trusted = Some("aa11");
    let kernel = Some(&locked as &dyn super::super::Kernel);
    let mut manifest = signed("bb22");
    let both = way(&manifest, kernel, dir).unwrap_err();
    assert!(both.to_string().contains("does not trust") && !both.remedy().contains("stick"), "{}", both.remedy());
    assert!(way(&manifest, None, dir).unwrap_err().remedy().contains("[boot.loaders]"));

    manifest.boot.as_mut().unwrap().loaders = Some(loaders());
    let there = Way::Staged(folder.path().to_owned());
    assert_eq!(way(&manifest, kernel, dir).unwrap(), there);
    assert_eq!(way(&manifest, None, dir).unwrap(), there);
    let nowhere = way(&manifest, kernel, None).unwrap_err();
    assert!(nowhere.remedy().contains("`anode medium usb` wrote, with 2 MiB free"), "{}", nowhere.remedy());
    assert_eq!(way(&manifest, Some(&Paper::new()), dir).unwrap(), Way::AtOnce);
    // Before anything is asked or fetched.
    fs::create_dir(folder.path().join(FOLDER)).unwrap();
    assert!(way(&manifest, kernel, dir).unwrap_err().to_string().contains("nothing is overwritten"));
}

/// Whoever asks twice gets nothing.
fn serve_once(bytes: &'static [u8]) -> Vec<String> {
    let asked = std::sync::atomic::AtomicBool::new(false);
    let server = Server::plain(move |_, out| {
        if asked.swap(true, std::sync::atomic::Ordering::SeqCst) {
            return out.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
        }
        out.write_all(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", bytes.len()).as_bytes())?;
        out.write_all(bytes)
    });
    vec![server.base() + "/part"]
}

/// Loaded by a kernel in lockdown that answers so, or staged.
fn tried(answer: Option<i32>, trusted: Option<&'static str>, dir: &Path) -> (Result<Way, Failure>, Paper) {
    let mut boot = whole();
    boot.kernel.urls = serve_once(KERNEL_BYTES);
    (boot.initrd[0].urls, boot.initrd[1].urls) = (serve_once(FIRST), serve_once(SECOND));
    let installer = Installer { boot: &boot, command_line: "quiet", archive: &archive() };
    let mut kernel = Paper { answer, trusted, ..Paper::new() };
    let done = with_origin(None, |origin| load(&installer, &mut kernel, Some(dir), origin, &mut |_, _, _| {}));
    (done, kernel)
}

#[test]
fn what_the_kernel_does_not_trust_is_staged_from_memory_and_nothing_is_fetched_twice() {
    let by_itself = TempDir::new().unwrap();
    staged(by_itself.path(), &whole(), "quiet").unwrap();
    for number in [libc::EKEYREJECTED, libc::ENOKEY, libc::ENODATA, libc::EPERM] {
        let folder = TempDir::new().unwrap();
        let (done, kernel) = tried(Some(number), Some("aa11"), folder.path());
        assert_eq!(done.unwrap(), Way::Staged(folder.path().to_owned()));
        assert!(kernel.given.is_none());
        assert_eq!(found(folder.path()), found(by_itself.path()));
        for name in [MENU, KERNEL, INITRD, LOADER, "EFI/anode/grubx64.efi", LIST] {
            let bytes = |dir: &TempDir| fs::read(dir.path().join(name)).unwrap();
            assert_eq!(bytes(&folder), bytes(&by_itself), "{name}");
        }
    }
}

#[test]
fn nothing_is_staged_of_what_the_kernel_takes_or_refuses_for_another_reason() {
    let locked = Some("aa11");
    let folder = TempDir::new().unwrap();
    let (done, kernel) = tried(None, locked, folder.path());
    assert_eq!(done.unwrap(), Way::AtOnce);
    assert_eq!(kernel.given.unwrap().0, KERNEL_BYTES);
    for (number, trusted) in [
        (libc::ENOMEM, locked),
        (libc::ENOEXEC, locked),
        (libc::EBUSY, locked),
        (libc::EIO, locked),
        (libc::EPERM, None),
    ] {
        let (done, _) = tried(Some(number), trusted, folder.path());
        assert_eq!(done.unwrap_err().exit().number(), 40);
    }
    // There is something in the way.
    fs::create_dir_all(folder.path().join("EFI/anode")).unwrap();
    let before = found(folder.path());
    let (done, _) = tried(Some(libc::EKEYREJECTED), locked, folder.path());
    assert!(done.unwrap_err().to_string().contains("nothing is overwritten"));
    assert_eq!(found(folder.path()), before);
}

#[test]
fn a_kernel_is_tried_only_where_nobody_knows_whether_it_is_trusted() {
    let folder = TempDir::new().unwrap();
    let dir = Some(folder.path());
    let locked = Paper { trusted: Some("aa11"), ..Paper::new() };
    let silent = Paper { trusted: Some(""), ..Paper::new() };
    let mut unknown = manifest(None);
    let ask = |manifest: &_, kernel: &Paper, dir| way(manifest, Some(kernel), dir).unwrap();
    assert_eq!(ask(&unknown, &locked, dir), Way::AtOnce);
    unknown.boot.as_mut().unwrap().loaders = Some(loaders());
    assert_eq!(ask(&unknown, &locked, dir), Way::Tried(folder.path().to_owned()));
    assert_eq!(ask(&unknown, &locked, None), Way::AtOnce);
    assert_eq!(ask(&unknown, &Paper::new(), dir), Way::AtOnce);
    let mut known = signed("aa11");
    known.boot.as_mut().unwrap().loaders = Some(loaders());
    assert_eq!(ask(&known, &locked, dir), Way::AtOnce);
    assert_eq!(ask(&known, &silent, dir), Way::Tried(folder.path().to_owned()));
    // Without room for it there is still the direct way.
    unknown.boot.as_mut().unwrap().initrd[0].length = u64::MAX;
    assert_eq!(ask(&unknown, &locked, dir), Way::AtOnce);
}
