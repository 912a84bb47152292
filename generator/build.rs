//! The definitions in `profiles/` and the boot medium's scripts in `site/medium/` are embedded: a file that was added there is part of the program too. What
//! the definitions are tried with is not.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let output = env::var_os("OUT_DIR").ok_or_else(|| io::Error::other("cargo sets OUT_DIR"))?;
    for (folder, name) in [("../profiles", "profiles"), ("../site/medium", "medium")] {
        println!("cargo::rerun-if-changed={folder}");
        let embedded = PathBuf::from(&output).join(name);
        if embedded.exists() {
            fs::remove_dir_all(&embedded)?;
        }
        copy(Path::new(folder), &embedded, 0)?;
    }
    Ok(())
}

fn copy(from: &Path, to: &Path, depth: usize) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        // `installers/<name>/tests`
        let tests =
            depth == 2 && entry.file_name() == "tests" && from.parent().is_some_and(|up| up.ends_with("installers"));
        if path.is_dir() && !tests {
            copy(&path, &target, depth + 1)?;
        } else if path.is_file() {
            fs::copy(&path, &target)?;
        }
    }
    Ok(())
}
