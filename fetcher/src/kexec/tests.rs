//! What a kernel would be given, and when it is given nothing.

use std::io::{Read, Seek, Write};
use std::time::Duration;

use anode_bundle::Moment;
use anode_bundle::name::{Id, Sha256, SiteId, tree};
use anode_bundle::pack::{KernelSignature, SecondStage};

use super::*;
use crate::blob::LIMITS;
use crate::folder::Folder;
use crate::hand_over::BLOCK;
use crate::transport::tests::server::Server;
use crate::transport::{Credentials, Https, Limits, Settings};

/// Keeps what it is given.
pub(super) struct Paper {
    /// In lockdown: the one key that it trusts; empty where it does not say.
    pub(super) trusted: Option<&'static str>,
    pub(super) free: Option<u64>,
    /// The number of the error with which it refuses.
    pub(super) answer: Option<i32>,
    pub(super) given: Option<(Vec<u8>, Vec<u8>, String)>,
}

impl Paper {
    pub(super) fn new() -> Paper {
        Paper { trusted: None, free: Some(1 << 30), answer: None, given: None }
    }
}

impl Kernel for Paper {
    fn check(&self) -> Result<(), Failure> {
        Ok(())
    }

    fn is_locked_down(&self) -> bool {
        self.trusted.is_some()
    }

    fn trusts(&self, key: &str) -> Option<bool> {
        self.trusted.filter(|trusted| !trusted.is_empty()).map(|trusted| trusted == key)
    }

    fn free_memory(&self) -> Option<u64> {
        self.free
    }

    fn load(&mut self, kernel: &File, initrd: &File, command_line: &str) -> io::Result<()> {
        if let Some(number) = self.answer {
            return Err(io::Error::from_raw_os_error(number));
        }
        let all = |mut file: &File| {
            let mut bytes = Vec::new();
            file.rewind()?;
            file.read_to_end(&mut bytes)?;
            // The real one refuses a file that somebody could still write.
            assert!(file.write(b"x").is_err());
            io::Result::Ok(bytes)
        };
        self.given = Some((all(kernel)?, all(initrd)?, command_line.to_owned()));
        Ok(())
    }
}

pub(super) const KERNEL: &[u8] = b"a kernel";
pub(super) const FIRST: &[u8] = &[7; 700];
pub(super) const SECOND: &[u8] = &[8; 512];

pub(super) fn blob(bytes: &[u8], urls: Vec<String>) -> Blob {
    Blob { name: None, urls, sha256: Sha256::of(bytes), length: bytes.len() as u64 }
}

pub(super) fn serve(bytes: &'static [u8]) -> Vec<String> {
    let server = Server::plain(move |_, out| {
        out.write_all(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", bytes.len()).as_bytes())?;
        out.write_all(bytes)
    });
    vec![server.base() + "/part"]
}

pub(super) fn boot() -> Boot {
    Boot {
        kernel: blob(KERNEL, serve(KERNEL)),
        signature: None,
        initrd: vec![blob(FIRST, serve(FIRST)), blob(SECOND, serve(SECOND))],
        images: Vec::new(),
        loaders: None,
        carry_fetcher: false,
        command_line: "quiet".to_owned(),
        inserts: Vec::new(),
        network: None,
    }
}

pub(super) fn archive() -> Vec<u8> {
    let mut archive = vec![0; BLOCK];
    archive.extend_from_slice(b"070701 and so on");
    archive
}

/// With whoever has the parts: their addresses, and a copy of the tree.
pub(super) fn with_origin<T>(cache: Option<&Folder>, work: impl FnOnce(&mut Origin<'_>) -> T) -> T {
    let limits = Limits { idle: Duration::from_secs(2), ..LIMITS };
    let credentials = Credentials::new(&[], None).unwrap();
    let mut https = Https::new(Settings { credentials, plain_http: PlainHttp::ForPinned, limits, proxy: None });
    work(&mut Origin { cache, https: &mut https, now: Moment::EPOCH })
}

fn load_with(boot: &Boot, cache: Option<&Folder>, kernel: &mut Paper) -> Result<Vec<(u64, u64)>, Failure> {
    let mut heard = Vec::new();
    let installer = Installer { boot, command_line: "quiet splash", archive: &archive() };
    let mut progress = |_: &str, length, total| heard.push((length, total));
    with_origin(cache, |origin| load(&installer, kernel, None, origin, &mut progress)).map(|_| heard)
}

#[test]
fn initrds_are_joined_at_whole_blocks_with_one_of_zeros_between() {
    let mut kernel = Paper::new();
    let heard = load_with(&boot(), None, &mut kernel).unwrap();
    let (image, initrd, line) = kernel.given.unwrap();
    assert_eq!((image.as_slice(), line.as_str()), (KERNEL, "quiet splash"));
    let zeros = |count: usize| vec![0; count];
    let wanted = [FIRST, &zeros(1024 - 700 + 512), SECOND, &zeros(512), &archive()].concat();
    assert_eq!(initrd, wanted);
    assert_eq!(heard.last(), Some(&(512, 512)));
}

#[test]
fn a_kernel_or_initrd_with_other_bytes_is_never_loaded() {
    for part in 0..3 {
        let mut boot = boot();
        let blob = [&mut boot.kernel].into_iter().chain(&mut boot.initrd).nth(part).unwrap();
        blob.sha256 = Sha256::of(b"other bytes");
        let mut kernel = Paper::new();
        let failure = load_with(&boot, None, &mut kernel).unwrap_err();
        assert_eq!(failure.exit().number(), 23, "{failure}");
        assert!(kernel.given.is_none());
    }
}

#[test]
fn the_copy_of_the_tree_is_used_first_and_a_damaged_one_is_not_believed() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Folder::new(folder.path());
    let gone = || vec!["http://127.0.0.1:1/gone".to_owned()];
    let mut boot = boot();
    for (blob, bytes) in [&mut boot.kernel].into_iter().chain(&mut boot.initrd).zip([KERNEL, FIRST, SECOND]) {
        let place = folder.path().join(tree::object(&blob.sha256));
        std::fs::create_dir_all(place.parent().unwrap()).unwrap();
        std::fs::write(place, bytes).unwrap();
        blob.urls = gone();
    }
    let mut kernel = Paper::new();
    load_with(&boot, Some(&cache), &mut kernel).unwrap();
    assert_eq!(kernel.given.as_ref().unwrap().0, KERNEL);

    std::fs::write(folder.path().join(tree::object(&boot.kernel.sha256)), b"b kernel").unwrap();
    let mut kernel = Paper::new();
    assert_eq!(load_with(&boot, Some(&cache), &mut kernel).unwrap_err().exit().number(), 23);
    assert!(kernel.given.is_none());
    boot.kernel.urls = serve(KERNEL);
    load_with(&boot, Some(&cache), &mut kernel).unwrap();
    assert_eq!(kernel.given.unwrap().0, KERNEL);
}

#[test]
fn too_little_memory_is_said_before_anything_is_fetched() {
    let mut boot = boot();
    boot.kernel.urls = vec!["http://127.0.0.1:1/gone".to_owned()];
    let mut kernel = Paper { free: Some(32 << 20), ..Paper::new() };
    let failure = load_with(&boot, None, &mut kernel).unwrap_err();
    assert_eq!(failure.exit().number(), 40);
    assert!(failure.to_string().contains("needs 33 MiB of free memory, and 32 MiB are free"), "{failure}");
    // A kernel that does not say how much is free is tried.
    boot.kernel.urls = serve(KERNEL);
    load_with(&boot, None, &mut Paper { free: None, ..Paper::new() }).unwrap();
}

#[test]
fn what_the_kernel_refuses_is_said_in_words_with_a_remedy() {
    for (number, words) in [(129, "does not trust"), (126, "does not trust"), (1, "not permit"), (12, "memory")] {
        let mut kernel = Paper { answer: Some(number), ..Paper::new() };
        let failure = load_with(&boot(), None, &mut kernel).unwrap_err();
        assert_eq!(failure.exit().number(), 40);
        assert!(failure.to_string().contains(words), "{failure}");
        assert!(!failure.remedy().is_empty());
    }
    // In lockdown, nobody is told to become root who is root already.
    let mut kernel = Paper { answer: Some(1), trusted: Some(""), ..Paper::new() };
    let failure = load_with(&boot(), None, &mut kernel).unwrap_err();
    assert!(failure.to_string().contains("does not trust") && failure.remedy().contains("Secure Boot"), "{failure}");
}

#[test]
fn memory_that_changed_is_found_when_it_is_read_back() {
    let blobs = [blob(FIRST, Vec::new())];
    let right = [FIRST, &vec![0; padding(700)], &archive()].concat();
    let check = |bytes: &[u8]| {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file.rewind().unwrap();
        Whole { file, place: None }.read_back(&blobs, &archive())
    };
    assert!(check(&right).is_ok());
    for at in [0, 699, 700, 1535, 1536, right.len() - 1] {
        let mut wrong = right.clone();
        wrong[at] ^= 1;
        assert!(check(&wrong).is_err(), "{at}");
    }
    assert!(check(&right[..right.len() - 1]).is_err());
    assert!(check(&[right.as_slice(), b"x"].concat()).is_err());
}

pub(super) fn manifest(signature: Option<KernelSignature>) -> Manifest {
    Manifest {
        format: 1,
        site: SiteId::from_bytes([1; 16]),
        profile: Id::new("server").unwrap(),
        organisation: None,
        title: String::new(),
        description: String::new(),
        installer: anode_bundle::pack::Installer {
            id: Id::new("debian").unwrap(),
            title: String::new(),
            version: String::new(),
            architecture: String::new(),
        },
        hand_over: HandOver::Kexec,
        unattended: false,
        second_stage: SecondStage { pinned: true, how: String::new() },
        boot: Some(Boot { signature, ..boot() }),
        files: Vec::new(),
        prompts: Vec::new(),
        ansible: None,
        critical: Vec::new(),
    }
}

pub(super) fn signed(key: &str) -> Manifest {
    manifest(Some(KernelSignature { by: "Example CA".into(), keys: vec![key.to_owned()] }))
}

#[test]
fn a_kernel_in_lockdown_is_not_given_what_it_would_not_trust() {
    let check = |manifest: &Manifest, kernel: &Paper| way(manifest, Some(kernel), None);
    let unsigned = manifest(Some(KernelSignature { by: String::new(), keys: Vec::new() }));
    let open = Paper::new();
    let locked = Paper { trusted: Some("aa11"), ..Paper::new() };
    assert!(check(&signed("bb22"), &open).is_ok() && check(&unsigned, &open).is_ok());
    assert!(check(&signed("aa11"), &locked).is_ok());
    let silent = Paper { trusted: Some(""), ..Paper::new() };
    assert!(check(&signed("bb22"), &silent).is_ok());
    assert!(check(&unsigned, &silent).is_err());
    // Nobody looked: the kernel itself will say.
    assert!(check(&manifest(None), &locked).is_ok());
    let failure = check(&signed("bb22"), &locked).unwrap_err();
    assert_eq!(failure.exit().number(), 40);
    assert!(failure.to_string().contains("`Example CA`, which it does not trust"), "{failure}");
    assert!(check(&unsigned, &locked).unwrap_err().to_string().contains("is not signed"));

    let files = Manifest { hand_over: HandOver::Files, ..manifest(None) };
    assert!(check(&files, &open).unwrap_err().to_string().contains("does not boot"));
    let unpinned = Manifest { boot: None, ..manifest(None) };
    assert!(check(&unpinned, &open).unwrap_err().remedy().contains("`anode lock`"));
}
