//! Screens: what is shown at once fits 80 columns and 25 lines, in every language.

use super::*;
use crate::console::{EachKey, Terminal};

/// Types nothing: what it is asked is over at once.
#[derive(Default)]
struct Silent(Vec<String>);

impl Terminal for Silent {
    fn say(&mut self, line: &str) {
        self.0.push(line.to_owned());
    }

    fn overwrite(&mut self, line: &str) {
        self.say(line);
    }

    fn ask(&mut self, question: &str, _echo: Echo) -> io::Result<Option<Zeroizing<String>>> {
        // Room for an answer behind the question.
        assert!(question.chars().count() + 2 + 16 < 80, "{question}");
        self.say(question);
        Ok(None)
    }

    fn is_typed(&self) -> bool {
        true
    }
}

impl Screen for Silent {
    fn each_key(&mut self) -> io::Result<Option<EachKey>> {
        Ok(None)
    }

    /// Somebody comes at once.
    fn typed_within(&mut self, _time: Duration) -> io::Result<bool> {
        Ok(true)
    }

    fn forget_typed(&mut self) {}

    fn ask_within(&mut self, question: &str, _time: Duration) -> io::Result<Option<Zeroizing<String>>> {
        self.ask(question, Echo::Shown)
    }
}

/// Nobody is there, or somebody presses a key so often and goes again.
#[derive(Default)]
struct Passing {
    keys: usize,
    said: Vec<String>,
}

impl Terminal for Passing {
    fn say(&mut self, line: &str) {
        self.said.push(line.to_owned());
    }

    fn overwrite(&mut self, line: &str) {
        self.say(line);
    }

    fn ask(&mut self, question: &str, _echo: Echo) -> io::Result<Option<Zeroizing<String>>> {
        panic!("nobody answers `{question}`")
    }

    fn is_typed(&self) -> bool {
        true
    }
}

impl Screen for Passing {
    fn each_key(&mut self) -> io::Result<Option<EachKey>> {
        Ok(None)
    }

    fn typed_within(&mut self, time: Duration) -> io::Result<bool> {
        if self.keys == 0 {
            std::thread::sleep(time);
            return Ok(false);
        }
        self.keys -= 1;
        Ok(true)
    }

    fn forget_typed(&mut self) {}

    fn ask_within(&mut self, question: &str, time: Duration) -> io::Result<Option<Zeroizing<String>>> {
        assert_eq!(time, Duration::from_secs(600));
        self.say(question);
        Err(io::ErrorKind::TimedOut.into())
    }
}

#[test]
fn a_menu_that_nobody_answers_gives_way_to_the_next_try_on_a_medium_with_a_code() {
    for (keys, menus) in [(0, 0), (1, 1), (2, 2)] {
        let root = tempfile::tempdir().unwrap();
        for folder in ["etc/anode", "proc", "lib/anode", "run/anode"] {
            std::fs::create_dir_all(root.path().join(folder)).unwrap();
        }
        std::fs::write(root.path().join("proc/cmdline"), "anode.lang=en anode.retry=1").unwrap();
        std::fs::write(root.path().join("etc/anode/code"), "0123-4567-89AB-CDER").unwrap();
        std::fs::write(root.path().join("run/anode/network"), "none\neth0 no-link \n").unwrap();
        let mut passing = Passing { keys, ..Passing::default() };
        let mut session = Session::new(Machine { root: root.path().to_owned() }, &mut passing);
        let step = match keys {
            2 => session.failed(ExitCode::Unreachable),
            _ => session.network_menu(),
        };
        assert!(matches!(step, Ok(Step::WaitForNetwork)), "{keys}");
        let said = passing.said.join("\n");
        assert_eq!(said.matches("Number").count(), menus, "{said}");
        assert_eq!(said.matches("Trying again in 0:01. Any key: the menu.").count(), menus + 1, "{said}");
    }
}

#[test]
fn a_code_that_was_typed_is_forgotten_when_nobody_types_anything_for_five_minutes() {
    /// Comes back after an hour.
    struct Late(Silent);
    impl Terminal for Late {
        fn say(&mut self, line: &str) {
            self.0.say(line);
        }
        fn overwrite(&mut self, line: &str) {
            self.0.say(line);
        }
        fn ask(&mut self, question: &str, _echo: Echo) -> io::Result<Option<Zeroizing<String>>> {
            self.0.say(question);
            Ok(Some(Zeroizing::new("7".to_owned())))
        }
        fn is_typed(&self) -> bool {
            true
        }
    }
    impl Screen for Late {
        fn each_key(&mut self) -> io::Result<Option<EachKey>> {
            Ok(None)
        }
        fn typed_within(&mut self, _time: Duration) -> io::Result<bool> {
            Ok(true)
        }
        fn forget_typed(&mut self) {}
        fn ask_within(&mut self, question: &str, time: Duration) -> io::Result<Option<Zeroizing<String>>> {
            assert_eq!(time, Duration::from_secs(300));
            self.0.say(question);
            Err(io::ErrorKind::TimedOut.into())
        }
    }
    let root = tempfile::tempdir().unwrap();
    let mut late = Late(Silent::default());
    let mut session = Session::new(Machine { root: root.path().to_owned() }, &mut late);
    session.typed = TypedCode::of("0123-4567-89AB-CDER");
    assert_eq!(session.ask("Number", Echo::Shown).unwrap().as_str(), "7");
    assert!(!session.typed.is_known());
    // From then on there is nothing to hurry for.
    assert_eq!(session.ask("Number", Echo::Shown).unwrap().as_str(), "7");
    let forgotten = "Nobody typed anything for 5 minutes: the code is forgotten.";
    assert_eq!(late.0.0, ["Number", "", forgotten, "Number", "Number"]);
}

/// What `show` says in a language, on a medium that offers everything.
fn shown(language: Language, show: impl FnOnce(&mut Session<'_>)) -> Vec<String> {
    let root = tempfile::tempdir().unwrap();
    for folder in ["etc/anode", "proc", "lib/anode", "run/anode/medium/anode/tree"] {
        std::fs::create_dir_all(root.path().join(folder)).unwrap();
    }
    let title = "\\u001b[2JA site whose title is longer than what a person would want to read".repeat(3);
    std::fs::write(
        root.path().join("etc/anode/medium.json"),
        format!(r#"{{"title":"{title}","built":"2026-11-21T10:00:00Z","language":"{}"}}"#, language.tag()),
    )
    .unwrap();
    std::fs::write(root.path().join("proc/cmdline"), format!("anode.shell anode.lang={}", language.tag())).unwrap();
    let report = "up\neth0 no-link \nenp0s31f6 no-answer \neth1.4094 bad-gateway 2001:db8:ffff:ffff:ffff:ffff:ffff:ffff\n\
                  eth2 ready 2001:db8:ffff:ffff:ffff:ffff:ffff:ffff/128\n";
    std::fs::write(root.path().join("run/anode/network"), report).unwrap();
    let wifi = root.path().join("lib/anode/wifi");
    std::os::unix::fs::symlink("/bin/true", wifi).unwrap();
    let mut terminal = Silent::default();
    show(&mut Session::new(Machine { root: root.path().to_owned() }, &mut terminal));
    terminal.0
}

fn fits(rows: &[String]) {
    // The last row is the question, behind which the cursor stands.
    assert!(rows.len() <= 25, "{} rows:\n{}", rows.len(), rows.join("\n"));
    for row in rows {
        assert!(row.chars().count() < 80 && !row.contains('\u{1b}'), "{row}");
    }
}

#[test]
fn every_page_of_an_exit_code_fits_the_screen_with_all_its_ways() {
    for language in Language::ALL {
        for exit in ExitCode::ALL {
            let rows = shown(language, |session| {
                session.typed = TypedCode::of("0123-4567-89AB-CDER");
                drop(session.failed(exit));
            });
            fits(&rows);
            let text = rows.join(" ");
            assert!(text.contains(exit.name()) && text.contains(language.page(exit).title), "{text}");
            assert!(text.contains(language.medium().shell), "a shell is offered: {text}");
            assert!(text.contains(language.medium().other_code) && !text.contains("0123"), "{text}");
        }
    }
}

#[test]
fn the_menu_of_the_network_fits_below_what_the_network_says() {
    for language in Language::ALL {
        let rows = shown(language, |session| {
            assert!(matches!(session.wait_for_network(), Ok(Step::Activate)));
            drop(session.network_menu());
        });
        fits(&rows);
        let text = rows.join(" ");
        for way in [language.medium().wireless, language.medium().copy, language.medium().go_on] {
            assert!(text.contains(way), "{text}");
        }
    }
}

#[test]
fn greeting_rest_and_every_question_fit() {
    for language in Language::ALL {
        fits(&shown(language, |session| {
            session.choose_language().unwrap();
            drop(session.choose_keyboard());
            drop(session.rest());
        }));
        let words = language.medium();
        for question in [
            words.which_interface,
            words.ask_address,
            words.ask_gateway,
            words.ask_servers,
            words.ask_vlan,
            words.ask_proxy,
            words.ask_wireless,
            words.ask_passphrase,
            words.ask_passphrase_or_none,
            words.again_question,
            words.start_question,
            words.number,
            words.more,
        ] {
            fits(&shown(language, |session| drop(session.ask(question, Echo::Shown))));
        }
    }
}

#[test]
fn every_sentence_fits_when_it_is_told() {
    for language in Language::ALL {
        let texts = format!("{:?}", language.medium());
        for text in texts.split('"').skip(1).step_by(2) {
            fits(&shown(language, |session| session.say(text)));
        }
    }
}

#[test]
fn a_phrase_that_the_medium_brought_is_in_no_log_whoever_printed_it() {
    let root = tempfile::tempdir().unwrap();
    for folder in ["etc/anode", "proc", "run/anode"] {
        std::fs::create_dir_all(root.path().join(folder)).unwrap();
    }
    let write = |name: &str, text: &str| std::fs::write(root.path().join(name), text).unwrap();
    write("etc/anode/code", "correct horse battery staple\n");
    write("proc/cmdline", "quiet anode.code=another-horse-battery-staple\n");
    write("run/anode/log", "it is correct horse battery staple.\n");
    write("run/anode/scripts.log", "sh: another-horse-battery-staple: not found\neth0 ready\n");
    let mut terminal = Silent::default();
    let session = Session::new(Machine { root: root.path().to_owned() }, &mut terminal);
    let log = session.whole_log();
    assert_eq!(log, "== screen\nit is ****.\n== network\n== scripts\nsh: ****: not found\neth0 ready\n== kernel\n");
}
