//! Hostile answers to every type of prompt, spliced into every format: refused, or read back as they were given. Nothing is quoted any more when a
//! person answers, so all of it rests on the characters that a type takes.

use anode::render::{Renderer, sample_answer};
use anode_bundle::name::Id;
use anode_bundle::pack::{Answers, Contents};

use crate::corpus::values;
use crate::fixture::Fixture;
use crate::injection::shell;

const TYPES: [&str; 11] = [
    "hostname",
    "username",
    "full-name",
    "password",
    "passphrase",
    "disk",
    "language",
    "keyboard",
    "choice",
    "number",
    "text",
];

const FILES: [(&str, &str); 8] = [
    ("shell", "printf %s {{ prompt.x }}\n"),
    ("kickstart", "user --name=x --gecos={{ prompt.x }} --lock\n"),
    ("preseed", "d-i a/value string {{ prompt.x }}\n"),
    ("json", "{\"value\": {{ prompt.x }}}\n"),
    ("toml", "value = {{ prompt.x }}\n"),
    ("yaml", "value: {{ prompt.x }}\n"),
    ("xml", "<value>{{ prompt.x }}</value>\n"),
    ("ini", "[x]\nvalue={{ prompt.x }}\n"),
];

/// A definition with one file of each format, and for each type of prompt a profile that asks for nothing else.
fn fixture() -> Fixture {
    let fixture = Fixture::example();
    let mut manifest =
        "[installer]\ntitle = \"Asked\"\nfamily = \"asked\"\nversions = [\"1\"]\narchitectures = [\"any\"]\n\
                        hand_over = \"files\"\n[[second_stage]]\npinned = true\nhow = \"there is none\"\n"
            .to_owned();
    for (format, text) in FILES {
        fixture.write(&format!("installers/asked/{format}"), text);
        manifest += &format!("[[files]]\ntemplate = \"{format}\"\npath = \"{format}\"\nformat = \"{format}\"\n");
    }
    fixture.write("installers/asked/manifest.toml", &manifest);
    for kind in TYPES {
        let choices = if kind == "choice" { "choices = [{ value = \"a b\" }, { value = \"c/d@e\" }]\n" } else { "" };
        fixture.write(
            &format!("asked-{kind}/profile.toml"),
            &format!(
                "title = \"Asked\"\ninstaller = \"asked\"\nversion = \"1\"\narchitecture = \"any\"\n\
                 [[prompts]]\nname = \"x\"\ntype = \"{kind}\"\n{choices}"
            ),
        );
    }
    fixture
}

/// The files with an answer in them, in the order of [`FILES`]; `None` where the prompt refuses it.
fn filled(contents: &Contents, answer: &str) -> Option<Vec<String>> {
    let answers: Answers = [(Id::new("x").unwrap(), answer.to_owned().into())].into();
    let files = contents.fill(&answers).ok()?;
    let text = |(format, _): &(&str, &str)| {
        let file = files.iter().find(|file| file.path.as_str() == *format).unwrap();
        String::from_utf8(file.bytes.to_vec()).unwrap()
    };
    Some(FILES.iter().map(text).collect())
}

#[test]
fn every_hostile_answer_is_refused_or_read_back_as_it_was_given() {
    let fixture = fixture();
    let repository = fixture.load();
    let renderer = Renderer::new(&repository).unwrap();
    let (mut scripts, mut wanted) = (Vec::new(), Vec::new());
    for kind in TYPES {
        let profile = repository.profile(&Id::new(&format!("asked-{kind}")).unwrap(), None).unwrap();
        let rendered = renderer.render(profile, None).ok().unwrap();
        let prompt = &rendered.contents.manifest().prompts[0];
        let mut given = values();
        given.extend(
            ["/dev/disk/by-id/nvme-A_1:2", "de_DE.UTF-8", "Änne O. Müller-李", "a.b-c.d", "c/d@e", "a b"]
                .map(String::from),
        );
        given.push(sample_answer(prompt));
        let before = wanted.len();
        for answer in given {
            let Some(files) = filled(&rendered.contents, &answer) else { continue };
            let [script, kickstart, preseed, json, toml, yaml, xml, ini] = files.try_into().unwrap();
            let json: serde_json::Value = serde_json::from_str(&json).unwrap();
            assert_eq!(json, serde_json::json!({ "value": answer }), "{kind}");
            let toml: toml::Table = toml.parse().unwrap();
            assert_eq!((toml.len(), toml["value"].as_str()), (1, Some(&*answer)), "{kind}");
            // YAML 1.2 holds JSON.
            let yaml: serde_json::Value = serde_json::from_str(yaml.trim_start_matches("value: ")).unwrap();
            assert_eq!(yaml, serde_json::json!(answer), "{kind}");
            assert_eq!(preseed, format!("d-i a/value string {answer}\n"));
            assert_eq!(xml, format!("<value>{answer}</value>\n"));
            assert_eq!(ini, format!("[x]\nvalue={answer}\n"));
            assert!(
                !answer.contains(['<', '>', '&', '\\', '\n', '\0']) && answer.trim() == answer,
                "{kind}: {answer:?}"
            );
            scripts.extend([script, format!("printf '%s\\n' {kickstart}")]);
            wanted.push((kind, answer));
        }
        assert!(wanted.len() > before, "{kind} takes none of these answers");
    }
    let printed = shell(scripts.iter().map(String::as_str));
    assert_eq!(printed.len(), 2 * wanted.len());
    for ((kind, answer), printed) in wanted.iter().zip(printed.chunks(2)) {
        assert_eq!(printed[0], *answer, "{kind}");
        assert_eq!(printed[1], format!("user\n--name=x\n--gecos={answer}\n--lock\n"), "{kind}");
    }
}
