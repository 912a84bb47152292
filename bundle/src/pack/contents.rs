//! Framing a pack's files, reading them back, and splicing the answers in.

use std::collections::{BTreeMap, BTreeSet};

use zeroize::Zeroizing;

use super::manifest::{Insert, Manifest};
use crate::error::Refusal;
use crate::json;
use crate::name::{Id, SafePath, SiteId};

const MAGIC: &[u8; 4] = b"ANF1";
const MANIFEST_LIMIT: usize = 1 << 20;
/// The longest kernel command line, in characters.
pub const COMMAND_LINE_LIMIT: usize = 2000;

/// The value of each prompt, ready to be inserted. Holds crypt hashes: wiped when dropped.
pub type Answers = BTreeMap<Id, Zeroizing<String>>;

/// An open pack. The files may hold secrets: they are wiped when dropped.
#[derive(Clone)]
pub struct Contents {
    manifest: Manifest,
    files: Vec<Zeroizing<Vec<u8>>>,
}

/// A file with the answers in it.
pub struct FilledFile {
    /// Where it lies for the installer.
    pub path: SafePath,
    /// Permission bits.
    pub mode: u32,
    /// Its bytes.
    pub bytes: Zeroizing<Vec<u8>>,
}

impl Contents {
    /// Puts a manifest and its files together.
    ///
    /// # Errors
    /// What is inconsistent, as [`Contents::decode`] would say it.
    pub fn new(manifest: Manifest, files: Vec<Vec<u8>>) -> Result<Contents, Refusal> {
        let contents = Contents { manifest, files: files.into_iter().map(Zeroizing::new).collect() };
        contents.check()?;
        Ok(contents)
    }

    /// The manifest.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The files' bytes without answers, in the manifest's order.
    pub fn files(&self) -> impl Iterator<Item = (&super::manifest::File, &[u8])> {
        self.manifest.files.iter().zip(self.files.iter().map(|bytes| bytes.as_slice()))
    }

    /// The plaintext of the pack.
    ///
    /// # Errors
    /// [`Refusal::WrongDocument`] if the manifest is larger than 1 MiB.
    pub fn encode(&self) -> Result<Zeroizing<Vec<u8>>, Refusal> {
        let manifest = serde_json::to_vec(&self.manifest).map_err(|error| broken(&error.to_string()))?;
        if manifest.len() > MANIFEST_LIMIT {
            return Err(broken("the manifest is larger than 1 MiB"));
        }
        let length = u32::try_from(manifest.len()).map_err(|_| broken("the manifest is larger than 1 MiB"))?;
        let payload: usize = self.files.iter().map(|file| file.len()).sum();
        let mut plain = Zeroizing::new(Vec::with_capacity(8 + manifest.len() + payload));
        plain.extend_from_slice(MAGIC);
        plain.extend_from_slice(&length.to_be_bytes());
        plain.extend_from_slice(&manifest);
        for file in &self.files {
            plain.extend_from_slice(file);
        }
        Ok(plain)
    }

    /// Reads the plaintext of a pack that was asked for as (`site`, `profile`).
    ///
    /// # Errors
    /// [`Refusal::UnsealFailed`] for a broken frame or manifest (it was signed: a publisher's fault), [`Refusal::TooNew`] for an unknown format or
    /// critical feature.
    pub fn decode(plain: &[u8], site: &SiteId, profile: &Id) -> Result<Contents, Refusal> {
        let rest = plain.strip_prefix(MAGIC).ok_or_else(|| match plain.first_chunk::<3>() {
            Some(b"ANF") => Refusal::too_new("the pack", "an unknown framing"),
            _ => broken("it does not begin with `ANF1`"),
        })?;
        let (length, rest) = rest.split_first_chunk::<4>().ok_or_else(|| broken("it ends early"))?;
        let length = u32::from_be_bytes(*length) as usize;
        if length > MANIFEST_LIMIT {
            return Err(broken("the manifest is larger than 1 MiB"));
        }
        let (head, mut rest) = rest.split_at_checked(length).ok_or_else(|| broken("it ends early"))?;
        json::check_sealed_format(head, "the pack")?;
        let manifest: Manifest = json::read(head).map_err(|problem| broken(&problem))?;
        if manifest.site != *site || manifest.profile != *profile {
            return Err(broken("it was rendered for another site or profile"));
        }
        let mut files = Vec::with_capacity(manifest.files.len());
        for file in &manifest.files {
            let length = usize::try_from(file.length).map_err(|_| broken("it ends early"))?;
            let (bytes, tail) = rest.split_at_checked(length).ok_or_else(|| broken("it ends early"))?;
            files.push(Zeroizing::new(bytes.to_vec()));
            rest = tail;
        }
        if !rest.is_empty() {
            return Err(broken("there are bytes behind the last file"));
        }
        let contents = Contents { manifest, files };
        contents.check()?;
        Ok(contents)
    }

    /// The files with the answers in their places.
    ///
    /// # Errors
    /// [`Refusal::AnswerInvalid`] for a prompt without an answer, and for an answer that does not fit its prompt.
    pub fn fill(&self, answers: &Answers) -> Result<Vec<FilledFile>, Refusal> {
        self.check_answers(answers)?;
        self.files()
            .map(|(file, bytes)| {
                let bytes = splice(bytes, &file.inserts, answers)?;
                Ok(FilledFile { path: file.path.clone(), mode: file.mode, bytes })
            })
            .collect()
    }

    /// The kernel command line with the answers in their places; `None` if the pack boots nothing.
    ///
    /// # Errors
    /// As [`Contents::fill`], and [`Refusal::AnswerInvalid`] if an answer would split a word or make the line longer than 2,000 characters.
    pub fn command_line(&self, answers: &Answers) -> Result<Option<Zeroizing<String>>, Refusal> {
        let Some(boot) = &self.manifest.boot else { return Ok(None) };
        self.check_answers(answers)?;
        for insert in &boot.inserts {
            if answers.get(&insert.prompt).is_some_and(|answer| answer.contains(' ')) {
                return Err(answer_invalid(&insert.prompt, "has a blank, which the kernel command line can not hold"));
            }
        }
        let line = splice(boot.command_line.as_bytes(), &boot.inserts, answers)?;
        let line = String::from_utf8(line.to_vec()).map_err(|_| broken("the command line is not UTF-8"))?;
        match boot.inserts.last() {
            Some(insert) if line.len() > COMMAND_LINE_LIMIT => {
                Err(answer_invalid(&insert.prompt, "makes the kernel command line longer than 2,000 characters"))
            }
            _ => Ok(Some(Zeroizing::new(line))),
        }
    }

    fn check_answers(&self, answers: &Answers) -> Result<(), Refusal> {
        for prompt in &self.manifest.prompts {
            let answer = answers.get(&prompt.name).ok_or_else(|| answer_invalid(&prompt.name, "is missing"))?;
            prompt.check(answer)?;
        }
        match answers.keys().find(|name| !self.manifest.prompts.iter().any(|prompt| prompt.name == **name)) {
            Some(name) => Err(answer_invalid(name, "has no prompt in this profile")),
            None => Ok(()),
        }
    }

    fn check(&self) -> Result<(), Refusal> {
        let manifest = &self.manifest;
        let mut names = BTreeSet::new();
        for prompt in &manifest.prompts {
            prompt.check_definition().map_err(|problem| broken(&format!("the prompt `{}` {problem}", prompt.name)))?;
            if !names.insert(&prompt.name) {
                return Err(broken(&format!("the prompt `{}` occurs twice", prompt.name)));
            }
        }
        let mut paths = BTreeSet::new();
        if manifest.files.len() != self.files.len() {
            return Err(broken("the number of files differs from the manifest's"));
        }
        for (file, bytes) in self.files() {
            if !paths.insert(file.path.as_str()) {
                return Err(broken(&format!("the file `{}` occurs twice", file.path)));
            }
            if file.length != bytes.len() as u64 {
                return Err(broken(&format!("the file `{}` has another length than the manifest says", file.path)));
            }
            if file.mode & !0o777 != 0 {
                return Err(broken(&format!("the file `{}` has a mode with more than permission bits", file.path)));
            }
            check_inserts(&file.inserts, bytes, &names)
                .map_err(|problem| broken(&format!("`{}`: {problem}", file.path)))?;
        }
        // A path that is also another path's folder can not be written.
        let folder_twice = paths.iter().find(|path| {
            paths.iter().any(|other| other.strip_prefix(**path).is_some_and(|rest| rest.starts_with('/')))
        });
        if let Some(path) = folder_twice {
            return Err(broken(&format!("`{path}` is a file and a folder")));
        }
        if let Some(boot) = &manifest.boot {
            let line = &boot.command_line;
            if line.len() > COMMAND_LINE_LIMIT || !line.bytes().all(|b| b.is_ascii_graphic() || b == b' ') {
                return Err(broken("the command line has more than 2,000 characters, or one outside printable ASCII"));
            }
            check_inserts(&boot.inserts, line.as_bytes(), &names).map_err(|problem| broken(&problem))?;
            if boot.loaders.as_ref().is_some_and(|loaders| loaders.grub_name.as_str().contains('/')) {
                return Err(broken("shim looks for GRUB beside itself, and its name has a folder"));
            }
            if boot.loaders.as_ref().is_some_and(|loaders| !loaders.menu.as_str().ends_with("/grub.cfg")) {
                return Err(broken("GRUB's menu is no `grub.cfg` in a folder"));
            }
        }
        Ok(())
    }
}

fn check_inserts(inserts: &[Insert], text: &[u8], prompts: &BTreeSet<&Id>) -> Result<(), String> {
    let mut last = 0;
    for insert in inserts {
        if insert.at < last || insert.at > text.len() as u64 {
            return Err("an insert is out of order or outside the text".to_owned());
        }
        if !prompts.contains(&insert.prompt) {
            return Err(format!("an insert names the prompt `{}`, which does not exist", insert.prompt));
        }
        last = insert.at;
    }
    Ok(())
}

fn splice(text: &[u8], inserts: &[Insert], answers: &Answers) -> Result<Zeroizing<Vec<u8>>, Refusal> {
    let mut filled = Zeroizing::new(Vec::with_capacity(text.len() + 256 * inserts.len()));
    let mut rest = text;
    let mut done = 0;
    for insert in inserts {
        let step = usize::try_from(insert.at.saturating_sub(done)).unwrap_or(usize::MAX);
        let (before, after) = rest.split_at_checked(step).ok_or_else(|| broken("an insert lies outside the text"))?;
        let answer = answers.get(&insert.prompt).ok_or_else(|| answer_invalid(&insert.prompt, "is missing"))?;
        filled.extend_from_slice(before);
        filled.extend_from_slice(answer.as_bytes());
        rest = after;
        done = insert.at;
    }
    filled.extend_from_slice(rest);
    Ok(filled)
}

fn answer_invalid(prompt: &Id, problem: &str) -> Refusal {
    Refusal::AnswerInvalid { prompt: prompt.to_string(), problem: problem.to_owned() }
}

fn broken(problem: &str) -> Refusal {
    Refusal::unseal("the pack", problem)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::Sha256;
    use crate::pack::{Blob, Boot, File, HandOver, Installer, Loaders, Prompt, PromptType, SecondStage};

    fn id(text: &str) -> Id {
        Id::new(text).unwrap()
    }

    fn site() -> SiteId {
        SiteId::from_bytes([7; 16])
    }

    fn insert(at: u64) -> Insert {
        Insert { at, prompt: id("name") }
    }

    fn file(path: &str, length: u64, inserts: Vec<Insert>) -> File {
        File { path: SafePath::new(path).unwrap(), mode: 0o600, length, inserts }
    }

    fn blob() -> Blob {
        Blob { name: None, urls: Vec::new(), sha256: Sha256::of(b""), length: 0 }
    }

    /// Two files, a prompt that is asked for in both and on the command line.
    fn manifest() -> Manifest {
        let prompt = Prompt {
            name: id("name"),
            kind: PromptType::Text,
            title: String::new(),
            help: String::new(),
            default: None,
            choices: Vec::new(),
            min: None,
            max: None,
        };
        Manifest {
            format: 1,
            site: site(),
            profile: id("debian"),
            organisation: None,
            title: "Debian".to_owned(),
            description: String::new(),
            installer: Installer {
                id: id("debian"),
                title: String::new(),
                version: String::new(),
                architecture: String::new(),
            },
            hand_over: HandOver::Kexec,
            unattended: false,
            second_stage: SecondStage { pinned: true, how: String::new() },
            boot: Some(Boot {
                kernel: blob(),
                signature: None,
                initrd: Vec::new(),
                images: Vec::new(),
                loaders: None,
                carry_fetcher: false,
                command_line: "host= quiet".to_owned(),
                inserts: vec![insert(5)],
                network: None,
            }),
            files: vec![file("a", 4, vec![insert(0), insert(2), insert(2), insert(4)]), file("b/c", 0, Vec::new())],
            prompts: vec![prompt],
            ansible: None,
            critical: Vec::new(),
        }
    }

    fn pack_of(change: impl FnOnce(&mut Manifest)) -> Result<Contents, Refusal> {
        let mut manifest = manifest();
        change(&mut manifest);
        let files = manifest.files.iter().map(|file| b"abcd"[..file.length.min(4) as usize].to_vec()).collect();
        Contents::new(manifest, files)
    }

    fn answers(value: &str) -> Answers {
        [(id("name"), Zeroizing::new(value.to_owned()))].into()
    }

    fn exit<T>(result: Result<T, Refusal>) -> u8 {
        result.map_or_else(|refusal| refusal.exit().number(), |_| 0)
    }

    #[test]
    fn answers_are_spliced_in_at_their_offsets() {
        let pack = pack_of(|_| ()).unwrap();
        let files = pack.fill(&answers("x")).unwrap();
        assert_eq!(files[0].bytes.as_slice(), b"xabxxcdx");
        assert_eq!((files[1].path.as_str(), files[1].bytes.as_slice(), files[1].mode), ("b/c", &b""[..], 0o600));
        assert_eq!(pack.command_line(&answers("x")).unwrap().unwrap().as_str(), "host=x quiet");
    }

    #[test]
    fn an_answer_that_is_missing_unasked_or_does_not_fit_is_refused() {
        let pack = pack_of(|_| ()).unwrap();
        let mut unasked = answers("x");
        unasked.insert(id("other"), Zeroizing::new("x".to_owned()));
        for wrong in [Answers::new(), unasked, answers(""), answers("a\"b"), answers("a\nb")] {
            assert_eq!(exit(pack.fill(&wrong)), 15);
            assert_eq!(exit(pack.command_line(&wrong)), 15);
        }
        // A blank is fine in a file, and would be a new argument on the command line.
        assert_eq!(exit(pack.fill(&answers("a b"))), 0);
        assert_eq!(exit(pack.command_line(&answers("a b"))), 15);
    }

    #[test]
    fn a_pack_is_read_back_as_it_was_framed() {
        let plain = pack_of(|_| ()).unwrap().encode().unwrap();
        let pack = Contents::decode(&plain, &site(), &id("debian")).unwrap();
        assert_eq!(*pack.manifest(), manifest());
        assert_eq!(pack.files().map(|(_, bytes)| bytes).collect::<Vec<_>>(), [&b"abcd"[..], b""]);
        assert_eq!(exit(Contents::decode(&plain, &SiteId::from_bytes([8; 16]), &id("debian"))), 25);
        assert_eq!(exit(Contents::decode(&plain, &site(), &id("fedora"))), 25);
    }

    #[test]
    fn a_frame_that_is_cut_extended_or_of_another_format_is_refused() {
        let plain = pack_of(|_| ()).unwrap().encode().unwrap().to_vec();
        let read = |plain: &[u8]| exit(Contents::decode(plain, &site(), &id("debian")));
        for length in 0..plain.len() {
            assert_eq!(read(&plain[..length]), if length == 3 { 27 } else { 25 }, "cut to {length}");
        }
        assert_eq!(read(&[&plain[..], b"x"].concat()), 25);
        assert_eq!(read(&[b"ANF2", &plain[4..]].concat()), 27);
        assert_eq!(read(&[b"ANX1", &plain[4..]].concat()), 25);
        let with_manifest = |text: &str| [b"ANF1", &(text.len() as u32).to_be_bytes()[..], text.as_bytes()].concat();
        let json = serde_json::to_string(&pack_of(|manifest| manifest.files.clear()).unwrap().manifest).unwrap();
        assert_eq!(read(&with_manifest(&json)), 0);
        assert_eq!(read(&with_manifest(&json.replace("\"format\":1", "\"format\":2"))), 27);
        assert_eq!(read(&with_manifest(&json.replace("\"critical\":[]", "\"critical\":[\"colour\"]"))), 27);
        assert_eq!(read(&with_manifest(&json.replace("\"format\":1", "\"format\":1,\"format\":1"))), 25);
        assert_eq!(read(&with_manifest(&json.replace("\"title\"", "\"colour\""))), 25);
        assert_eq!(read(&with_manifest(&format!("{json} "))), 25);
    }

    #[test]
    fn a_manifest_that_contradicts_itself_is_no_pack() {
        type Change = fn(&mut Manifest);
        let wrong: [(&str, Change); 16] = [
            ("inserts out of order", |m| m.files[0].inserts = vec![insert(2), insert(1)]),
            ("an insert outside the file", |m| m.files[0].inserts = vec![insert(5)]),
            ("an insert of no prompt", |m| m.files[0].inserts[0].prompt = id("other")),
            ("an insert outside the command line", |m| m.boot.as_mut().unwrap().inserts = vec![insert(12)]),
            ("GRUB in a folder of its own", |m| {
                let path = |text: &str| SafePath::new(text).unwrap();
                let (grub_name, menu) = (path("EFI/grubx64.efi"), path("EFI/BOOT/grub.cfg"));
                m.boot.as_mut().unwrap().loaders = Some(Loaders { shim: blob(), grub: blob(), grub_name, menu });
            }),
            ("a menu beside whatever else lies at the root", |m| {
                let path = |text: &str| SafePath::new(text).unwrap();
                let (grub_name, menu) = (path("grubx64.efi"), path("grub.cfg"));
                m.boot.as_mut().unwrap().loaders = Some(Loaders { shim: blob(), grub: blob(), grub_name, menu });
            }),
            ("a prompt twice", |m| m.prompts.push(m.prompts[0].clone())),
            ("a prompt of no sense", |m| m.prompts[0].min = Some(1)),
            ("a path twice", |m| m.files[1].path = m.files[0].path.clone()),
            ("a file and a folder", |m| m.files[1].path = SafePath::new("a/c").unwrap()),
            ("a file and a folder with another between them", |m| {
                m.files.push(file("a-b", 0, Vec::new()));
                m.files[1].path = SafePath::new("a/c").unwrap();
            }),
            ("a mode with set-uid", |m| m.files[0].mode = 0o4755),
            ("another length", |m| m.files[0].length = 5),
            ("a line feed on the command line", |m| m.boot.as_mut().unwrap().command_line.push('\n')),
            ("an umlaut on the command line", |m| m.boot.as_mut().unwrap().command_line.push('ä')),
            ("a long command line", |m| m.boot.as_mut().unwrap().command_line = "x".repeat(2001)),
        ];
        for (name, change) in wrong {
            assert_eq!(exit(pack_of(change)), 25, "{name}");
        }
        assert_eq!(exit(Contents::new(manifest(), vec![b"abcd".to_vec()])), 25);
        assert_eq!(exit(pack_of(|m| m.boot.as_mut().unwrap().command_line = "x".repeat(2000))), 0);
        // What fits by itself may be too long with its answers.
        let long = pack_of(|m| m.boot.as_mut().unwrap().command_line = "x".repeat(2000)).unwrap();
        assert_eq!(exit(long.command_line(&answers("x"))), 15);
        let fits = pack_of(|m| m.boot.as_mut().unwrap().command_line = "x".repeat(1999)).unwrap();
        assert_eq!(exit(fits.command_line(&answers("x"))), 0);
    }

    #[test]
    fn a_manifest_of_1_mib_is_written_and_read_and_none_that_is_larger() {
        let described = |length| pack_of(|m| m.description = "x".repeat(length)).unwrap();
        let rest = serde_json::to_vec(described(1).manifest()).unwrap().len() - 1;
        let largest = described((1 << 20) - rest).encode().unwrap();
        let read = |plain: &[u8]| exit(Contents::decode(plain, &site(), &id("debian")));
        assert_eq!(read(&largest), 0);
        assert_eq!(exit(described((1 << 20) - rest + 1).encode()), 25);
        // What `encode` would have written.
        let longer = String::from_utf8(largest[8..].to_vec()).unwrap().replacen("xx", "xxx", 1);
        assert_eq!(read(&[b"ANF1", &((1 << 20) + 1_u32).to_be_bytes()[..], longer.as_bytes()].concat()), 25);
    }
}
