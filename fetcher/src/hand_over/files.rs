//! `--files DIR`: the filled files and the record of the choice, in a folder that appears complete or not at all.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anode_bundle::Refusal;
use anode_bundle::pack::FilledFile;

use super::selection::{SELECTION_FILE, Selection};
use crate::error::{Failure, reason};
use crate::folder::sync_folder;

/// Can `dir` become the folder? Asked before the network is used, and again by [`write()`].
///
/// # Errors
/// [`Failure::Io`] if it exists and is not an empty folder, or if its parent is not a folder.
pub fn check_target(dir: &Path) -> Result<(), Failure> {
    let (parent, _) = parts(dir)?;
    if !parent.is_dir() {
        return Err(Failure::io(format!(
            "`{}` can not be made: `{}` is not a folder",
            dir.display(),
            parent.display()
        )));
    }
    let Ok(status) = std::fs::symlink_metadata(dir) else { return Ok(()) };
    let is_empty = status.is_dir() && std::fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_none());
    if is_empty {
        return Ok(());
    }
    let remedy = "name another folder with `--files`; nothing is ever overwritten".to_owned();
    Err(Failure::Io { problem: format!("`{}` exists and is not an empty folder", dir.display()), remedy })
}

/// Writes the files and the record into a new folder beside `dir`, and renames it. Returns the paths in it, in order.
///
/// # Errors
/// [`Failure::Io`], and [`Failure::Refused`] for a pack that holds a file of the record's name. Nothing is left behind then.
pub fn write(dir: &Path, files: &[FilledFile], selection: &Selection) -> Result<Vec<String>, Failure> {
    check_target(dir)?;
    if files.iter().any(|file| file.path.as_str() == SELECTION_FILE) {
        let problem = format!("it has a file named `{SELECTION_FILE}`, which is reserved");
        return Err(Refusal::UnsealFailed { what: "the pack".to_owned(), problem }.into());
    }
    let (parent, name) = parts(dir)?;
    let mut record = serde_json::to_vec_pretty(selection).map_err(|error| Failure::Internal(error.to_string()))?;
    record.push(b'\n');
    let failed =
        |path: &Path, error: &io::Error| Failure::io(format!("writing `{}`: {}", path.display(), reason(error)));

    let draft = Draft(parent.join(format!(".{name}.new-{}", std::process::id())));
    // Left behind by a run of the same number that was cut off.
    let _ = std::fs::remove_dir_all(&draft.0);
    std::fs::DirBuilder::new().mode(0o700).create(&draft.0).map_err(|error| failed(dir, &error))?;
    let mut written = Vec::new();
    let plain = files.iter().map(|file| (file.path.as_str(), file.mode, file.bytes.as_slice()));
    for (path, mode, bytes) in plain.chain([(SELECTION_FILE, 0o644, record.as_slice())]) {
        let place = draft.0.join(path);
        write_file(&draft.0, &place, mode, bytes).map_err(|error| failed(&dir.join(path), &error))?;
        written.push(path.to_owned());
    }
    draft.become_folder(dir, &parent).map_err(|error| failed(dir, &error))?;
    Ok(written)
}

fn parts(dir: &Path) -> Result<(PathBuf, String), Failure> {
    let name = dir.file_name().and_then(|name| name.to_str()).ok_or_else(|| {
        Failure::usage(
            format!("`{}` is not a name for a new folder", dir.display()),
            "end the path of `--files` in the folder's name",
        )
    })?;
    let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Ok((parent.to_owned(), name.to_owned()))
}

fn write_file(draft: &Path, place: &Path, mode: u32, bytes: &[u8]) -> io::Result<()> {
    if let Some(folder) = place.parent().filter(|folder| *folder != draft) {
        std::fs::DirBuilder::new().recursive(true).mode(0o755).create(folder)?;
    }
    // 0600 until the bytes are in: the mode in the manifest may let others read, an unfinished file must not.
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(place)?;
    file.write_all(bytes)?;
    file.set_permissions(Permissions::from_mode(mode & 0o777))?;
    file.sync_all()
}

/// A folder that is not finished: it disappears unless it takes its place.
struct Draft(PathBuf);

impl Draft {
    fn become_folder(self, dir: &Path, parent: &Path) -> io::Result<()> {
        sync_tree(&self.0)?;
        // An empty folder of that name is replaced; one that was filled meanwhile is an error.
        std::fs::rename(&self.0, dir)?;
        sync_folder(&File::open(parent)?.into())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn sync_tree(folder: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_tree(&entry.path())?;
        }
    }
    sync_folder(&File::open(folder)?.into())
}

#[cfg(test)]
mod tests {
    use anode_bundle::Moment;
    use anode_bundle::name::{Id, SafePath, SiteId};
    use anode_bundle::pack::{Ansible, SecondStage};
    use zeroize::Zeroizing;

    use super::super::ClockState;
    use super::*;

    fn selection() -> Selection {
        Selection {
            format: 1,
            site: SiteId::from_bytes([1; 16]),
            site_title: "Example".into(),
            organisation: Id::new("acme").unwrap(),
            profile: Id::new("server").unwrap(),
            title: "Server".into(),
            release: 7,
            installer: Id::new("debian").unwrap(),
            version: "12".into(),
            architecture: "amd64".into(),
            second_stage: SecondStage { pinned: true, how: "signed".into() },
            ansible: Some(Ansible {
                repository: "https://example.org/a.git".into(),
                commit: None,
                branch: Some("main".into()),
                playbook: "site.yml".into(),
            }),
            activated_at: Moment::EPOCH,
            clock: ClockState::Dead,
            source: "cache".into(),
        }
    }

    fn file(path: &str, mode: u32, text: &str) -> FilledFile {
        FilledFile { path: SafePath::new(path).unwrap(), mode, bytes: Zeroizing::new(text.as_bytes().to_vec()) }
    }

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn files_have_their_modes_and_the_folder_is_private() {
        let base = tempfile::tempdir().unwrap();
        let dir = base.path().join("out");
        let written =
            write(&dir, &[file("preseed.cfg", 0o640, "a"), file("usr/bin/x", 0o755, "b")], &selection()).unwrap();
        assert_eq!(written, ["preseed.cfg", "usr/bin/x", SELECTION_FILE]);
        assert_eq!(mode(&dir), 0o700);
        assert_eq!(mode(&dir.join("preseed.cfg")), 0o640);
        assert_eq!(mode(&dir.join("usr/bin/x")), 0o755);
        assert_eq!(std::fs::read_to_string(dir.join("usr/bin/x")).unwrap(), "b");
        let record: serde_json::Value =
            serde_json::from_slice(&std::fs::read(dir.join(SELECTION_FILE)).unwrap()).unwrap();
        assert_eq!((&record["clock"], &record["release"]), (&"dead".into(), &7.into()));
        assert_eq!(record["ansible"]["branch"], "main");
        assert_eq!(std::fs::read_dir(base.path()).unwrap().count(), 1);
    }

    #[test]
    fn an_empty_folder_is_taken_and_a_filled_one_is_left_alone() {
        let base = tempfile::tempdir().unwrap();
        let dir = base.path().join("out");
        std::fs::create_dir(&dir).unwrap();
        write(&dir, &[file("a", 0o644, "first")], &selection()).unwrap();
        let failure = write(&dir, &[file("a", 0o644, "second")], &selection()).unwrap_err();
        assert!(failure.to_string().ends_with("exists and is not an empty folder"), "{failure}");
        assert!(failure.remedy().contains("name another"));
        assert_eq!(std::fs::read_to_string(dir.join("a")).unwrap(), "first");
        assert_eq!(std::fs::read_dir(base.path()).unwrap().count(), 1);
    }

    #[test]
    fn links_files_and_missing_parents_are_refused() {
        let base = tempfile::tempdir().unwrap();
        std::fs::write(base.path().join("file"), "x").unwrap();
        std::os::unix::fs::symlink(base.path(), base.path().join("link")).unwrap();
        for name in ["file", "link", "no/such", "file/below", ".."] {
            assert!(check_target(&base.path().join(name)).is_err(), "{name}");
        }
        assert!(check_target(Path::new("/")).is_err());
    }

    #[test]
    fn a_failure_leaves_nothing_behind() {
        let base = tempfile::tempdir().unwrap();
        // The second can not be written: its folder is a file.
        let files = [file("a", 0o644, "x"), file("a/b", 0o644, "x")];
        let failure = write(&base.path().join("out"), &files, &selection()).unwrap_err();
        assert!(failure.to_string().contains("out/a/b"), "{failure}");
        assert_eq!(std::fs::read_dir(base.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_pack_can_not_forge_the_record() {
        let base = tempfile::tempdir().unwrap();
        let failure = write(&base.path().join("out"), &[file(SELECTION_FILE, 0o644, "{}")], &selection()).unwrap_err();
        assert_eq!(failure.exit().number(), 25);
        assert_eq!(std::fs::read_dir(base.path()).unwrap().count(), 0);
    }
}
