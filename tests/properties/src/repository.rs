//! What an operator writes: a profile, and the value of a variable on its way into an installer's file.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::LazyLock;

use anode::diagnose::{Colour, Problems};
use anode::render::{Nonce, Renderer};
use anode::repository::{Profile, Repository, load};
use anode_bundle::display::is_printable;
use anode_bundle::name::Id;

use crate::Verdict::{self, Accepted, Refused};
use crate::text;

/// The example repository with a definition that writes one value into one file of each format.
static REPOSITORY: LazyLock<Repository> = LazyLock::new(|| {
    let generator = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../generator"));
    let folder = tempfile::tempdir().unwrap();
    let installer = folder.path().join("installers/formats");
    std::fs::create_dir_all(&installer).unwrap();
    std::fs::copy(generator.join("../profiles/anode.toml"), folder.path().join("anode.toml")).unwrap();
    for file in std::fs::read_dir(generator.join("tests/fixtures/formats/installers/formats")).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), installer.join(file.file_name())).unwrap();
    }
    load(folder.path()).unwrap_or_else(|problems| panic!("{}", problems.render(Colour::Never))).0
});

fn read(text: &str) -> Result<(Profile, Problems), Problems> {
    REPOSITORY.read_profile(&Id::new("probe").unwrap(), text.to_owned())
}

/// Every problem has a place in the file and can be shown on a terminal; an accepted profile renders or says where it does not.
pub fn profile(data: &[u8]) -> Verdict {
    let Some(text) = text(data) else { return Refused };
    let (profile, warnings) = match read(text) {
        Ok(read) => read,
        Err(problems) => {
            assert!(problems.has_errors());
            check_problems(&problems, Some(text));
            return Refused;
        }
    };
    check_problems(&warnings, Some(text));
    assert!(!profile.title.trim().is_empty() && profile.title.chars().all(is_printable));
    assert!(profile.description.chars().all(is_printable));
    let names: std::collections::BTreeSet<_> = profile.prompts.iter().map(|prompt| &prompt.value.name).collect();
    assert_eq!(names.len(), profile.prompts.len());
    assert!(profile.prompts.iter().all(|prompt| prompt.value.check_definition().is_ok()));
    match Renderer::with_nonce(&REPOSITORY, Nonce::new([7; 16])).render(&profile, None) {
        Ok(rendered) => {
            check_problems(&rendered.warnings, None);
            rendered.contents.encode().unwrap_or_else(|refusal| panic!("{refusal}"));
        }
        Err(problems) => check_problems(&problems, None),
    }
    Accepted
}

fn check_problems(problems: &Problems, text: Option<&str>) {
    for problem in problems.sorted() {
        assert!(!problem.message.is_empty());
        if let (Some(text), Some(span)) = (text, &problem.span) {
            assert!(span.start <= span.end && span.end <= text.len(), "{problem:?}");
            let (line, column) = problem.position().unwrap();
            assert!(line <= text.lines().count() + 1 && column <= text.len() + 1, "{problem:?}");
        }
    }
    let shown = problems.render(Colour::Never);
    assert!(shown.chars().all(|c| c == '\n' || is_printable(c) || c == '\u{FFFD}'), "{shown:?}");
    let json: serde_json::Value = serde_json::from_str(&problems.to_json()).unwrap();
    assert_eq!(json.as_array().unwrap().len(), problems.sorted().len());
}

const FORMATS: [&str; 8] = ["preseed", "kickstart", "shell", "json", "yaml", "toml", "ini", "command"];

/// The format in the first byte, the value behind it: another parser gets the value back out of the file, and nothing else is in it.
pub fn value(data: &[u8]) -> Verdict {
    let Some((first, rest)) = data.split_first() else { return Refused };
    let Some(value) = text(rest) else { return Refused };
    let format = FORMATS[usize::from(*first) % FORMATS.len()];
    let mut profile =
        "title = \"P\"\ninstaller = \"formats\"\nversion = \"1\"\narchitecture = \"any\"\n[variables]\n".to_owned();
    write!(profile, "only = \"{format}\"\nvalue = {}\n", toml::Value::String(value.to_owned())).unwrap();
    let profile = match read(&profile) {
        Ok((profile, _)) => profile,
        Err(problems) => {
            check_problems(&problems, Some(&profile));
            return Refused;
        }
    };
    let rendered = match Renderer::with_nonce(&REPOSITORY, Nonce::new([7; 16])).render(&profile, None) {
        Ok(rendered) => rendered,
        Err(problems) => {
            assert!(!["shell", "json", "yaml", "toml"].contains(&format), "{format} {value:?}");
            check_problems(&problems, None);
            return Refused;
        }
    };
    let written: Vec<&[u8]> = rendered.contents.files().map(|(_, bytes)| bytes).collect();
    let [written] = written[..] else { panic!("{} files", written.len()) };
    let written = text(written).unwrap();
    match format {
        "json" | "yaml" => {
            let read: serde_json::Value = serde_json::from_str(written).unwrap();
            assert_eq!(read, serde_json::json!({ "value": value, "again": [value] }));
        }
        "toml" => {
            let read: toml::Table = written.parse().unwrap();
            assert_eq!((read.len(), read["value"].as_str()), (1, Some(value)));
        }
        "ini" => assert_eq!(written, format!("[x]\nvalue={value}\nafter=1\n")),
        "preseed" => {
            assert_eq!(written, format!("d-i a/before string x\nd-i a/value string {value}\nd-i a/after string y\n"));
        }
        "shell" => assert_eq!(words(written), ["printf", "%s", value]),
        "command" => {
            assert_eq!(written.lines().count(), 1);
            assert_eq!(
                words(written.strip_prefix("d-i preseed/late_command string ").unwrap()),
                ["printf", "%s", value]
            );
        }
        _ => {
            let lines: Vec<_> = written.lines().collect();
            assert_eq!((lines.len(), lines[1], lines[3]), (4, "%post", "%end"), "{written}");
            assert_eq!(words(lines[0]), ["user", "--name=x", &format!("--gecos={value}"), "--lock"]);
            assert_eq!(words(lines[2]), ["printf", "%s", value]);
        }
    }
    assert!(format != "ini" && format != "preseed" && format != "command" || !value.contains(['\n', '\r']));
    Accepted
}

/// The words of one simple command as POSIX, section 2.2 and 2.3, reads it. Everything with a meaning outside of quotes is a failure, but the sign of a
/// comment inside a word.
fn words(command: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = command.strip_suffix('\n').unwrap_or(command).chars();
    while let Some(c) = chars.next() {
        match c {
            ' ' => words.extend(word.take()),
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next().expect("an open quote") {
                        '\'' => break,
                        inner => word.push(inner),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next().expect("an open quote") {
                        '"' => break,
                        '$' | '`' | '\\' => panic!("an expansion in {command:?}"),
                        inner => word.push(inner),
                    }
                }
            }
            '\n' | '\t' | '\r' | '$' | '`' | '\\' | '|' | '&' | ';' | '<' | '>' | '(' | ')' | '*' | '?' | '[' | '#'
            | '~' | '{' | '}' | '!' => {
                panic!("{c:?} outside of quotes in {command:?}")
            }
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}
