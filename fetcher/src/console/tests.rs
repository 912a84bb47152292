//! Conversations, written as what a person types.

use std::collections::VecDeque;
use std::io;

use anode_bundle::activation::PackKey;
use anode_bundle::client::Event;
use anode_bundle::hardware::Facts;
use anode_bundle::name::{Id, PackId};
use anode_bundle::pack::{Answers, Choice as PromptChoice, Prompt};

use super::*;
use crate::answers::Given;
use crate::answers::tests::prompt;

/// Types one line after the other and remembers what it saw.
#[derive(Default)]
struct Typist {
    lines: VecDeque<&'static str>,
    seen: String,
    echoes: Vec<Echo>,
}

impl Typist {
    fn typing(lines: &[&'static str]) -> Typist {
        Typist { lines: lines.iter().copied().collect(), ..Typist::default() }
    }
}

impl Terminal for Typist {
    fn say(&mut self, line: &str) {
        assert!(line.chars().count() <= 80 && !line.contains('\u{1b}'), "{line}");
        self.seen.push_str(line);
        self.seen.push('\n');
    }

    fn overwrite(&mut self, line: &str) {
        self.say(line);
    }

    fn ask(&mut self, question: &str, echo: Echo) -> io::Result<Option<Zeroizing<String>>> {
        self.say(question);
        self.echoes.push(echo);
        match self.lines.pop_front() {
            Some("^C") => Err(io::ErrorKind::Interrupted.into()),
            line => Ok(line.map(|line| Zeroizing::new(line.to_owned()))),
        }
    }

    fn is_typed(&self) -> bool {
        true
    }
}

const GOOD: &str = "0123-4567-89AB-CDER";

fn console(typist: &mut Typist) -> Console<'_> {
    let disk = |name: &str, size, removable| Disk {
        name: name.to_owned(),
        path: format!("/dev/{name}"),
        model: Some("Example\u{1b}[2J 500".to_owned()),
        size,
        removable,
        rotational: false,
    };
    let disks = vec![disk("sda", 500_107_862_016, false), disk("sdb", 16_000_000_000, true)];
    Console::new(typist, Language::English, None, disks, Some("/tmp/out".to_owned()))
}

fn answer(prompts: &[Prompt], lines: &[&'static str]) -> (Result<Answers, Failure>, Typist) {
    let mut typist = Typist::typing(lines);
    let sheet = Sheet::begin(prompts, &Answers::new(), &Given::new(), &Facts::default(), &mut || Some([1; 12]));
    let answers = console(&mut typist).answer_all(sheet);
    (answers, typist)
}

#[test]
fn a_mistyped_code_is_explained_and_asked_for_again() {
    let mut typist = Typist::typing(&["0123-4567-89AB-CDES", "0123", "0123-4567-89AB-CD!R", GOOD]);
    assert!(console(&mut typist).code().is_ok());
    for part in ["wrong or swapped symbol", "has 4 symbols", "the character `!` at position 18", "Nothing was sent"] {
        assert!(typist.seen.replace('\n', " ").contains(part), "{part}: {}", typist.seen);
    }
    assert_eq!(typist.echoes.len(), 4);
    assert!(typist.echoes.iter().all(|echo| matches!(echo, Echo::Code(_))));
}

#[test]
fn after_five_wrong_codes_it_is_over() {
    let mut typist = Typist::typing(&["0"; 9]);
    let failure = console(&mut typist).code().err().unwrap();
    assert_eq!(failure.exit().number(), 10);
    assert_eq!(typist.lines.len(), 4);
}

#[test]
fn a_pipe_with_a_wrong_code_fails_for_the_code_and_an_empty_one_for_its_end() {
    assert_eq!(console(&mut Typist::typing(&["nonsense"])).code().err().unwrap().exit().number(), 10);
    assert_eq!(console(&mut Typist::typing(&[])).code().err().unwrap().exit().number(), 3);
    assert_eq!(console(&mut Typist::typing(&["^C"])).code().err().unwrap().exit().number(), 3);
}

#[test]
fn wrong_answers_are_asked_for_again_and_defaults_taken() {
    let prompts = [prompt("host", PromptType::Hostname, None), prompt("user", PromptType::Username, Some("admin"))];
    let (answers, typist) = answer(&prompts, &["Not A Host", "", "pc-07", ""]);
    let values: Vec<String> = answers.unwrap().values().map(|value| value.to_string()).collect();
    assert_eq!(values, ["pc-07", "admin"]);
    assert!(
        typist.seen.contains("must be 1 to 63 characters") && typist.seen.contains("User name [admin]"),
        "{}",
        typist.seen
    );
}

#[test]
fn a_password_is_typed_twice_and_never_shown() {
    let prompts = [prompt("word", PromptType::Password, None)];
    let (answers, typist) = answer(&prompts, &["secret", "sceret", "secret", "secret"]);
    assert!(answers.unwrap().values().all(|value| value.starts_with("$6$")));
    assert!(typist.echoes.iter().all(|echo| *echo == Echo::Hidden) && !typist.seen.contains("secret"));
}

#[test]
fn a_disk_is_chosen_by_number_with_size_and_model_in_view() {
    let prompts = [prompt("disk", PromptType::Disk, None)];
    let (answers, typist) = answer(&prompts, &["1"]);
    assert!(answers.unwrap().values().all(|value| value.as_str() == "/dev/sda"));
    assert!(typist.seen.contains("/dev/sda 500 GB Example[2J 500"), "{}", typist.seen);
    assert!(typist.seen.contains("(removable)"));
    let (answers, _) = answer(&prompts, &["3", "/dev/sdb"]);
    assert!(answers.unwrap().values().all(|value| value.as_str() == "/dev/sdb"));
}

#[test]
fn a_disk_that_is_not_there_is_refused_where_it_is_typed_and_the_list_comes_again() {
    let prompts = [prompt("disk", PromptType::Disk, None)];
    let (answers, typist) = answer(&prompts, &["/dev/vda", "/dev/sda1", "2"]);
    assert!(answers.unwrap().values().all(|value| value.as_str() == "/dev/sdb"));
    assert!(
        typist.seen.contains("This disk was not found on this machine:\n/dev/vda\n  1  /dev/sda "),
        "{}",
        typist.seen
    );
    assert_eq!(typist.seen.matches("  2  /dev/sdb ").count(), 3, "{}", typist.seen);
    // udev makes such names, and the medium has none: the last question says that it was not found.
    let name = "/dev/disk/by-id/nvme-Example_1";
    let (answers, _) = answer(&prompts, &[name]);
    assert!(answers.unwrap().values().all(|value| value.as_str() == name));
}

#[test]
fn a_choice_takes_a_number_a_name_or_its_default() {
    let mut colour = prompt("colour", PromptType::Choice, Some("blue"));
    colour.choices =
        ["red", "blue"].map(|value| PromptChoice { value: value.to_owned(), title: value.to_uppercase() }).to_vec();
    for (typed, wanted) in [("1", "red"), ("blue", "blue"), ("", "blue")] {
        let (answers, _) = answer(std::slice::from_ref(&colour), &["7", typed]);
        assert!(answers.unwrap().values().all(|value| value.as_str() == wanted), "{typed}");
    }
}

#[test]
fn a_long_list_is_shown_page_by_page() {
    let names: Vec<String> = (1..=40).map(|number| format!("profile-{number}")).collect();
    let mut typist = Typist::typing(&["", "", "", "37"]);
    let chosen = console(&mut typist).choose(&names, &names, None).unwrap();
    assert_eq!(chosen, "profile-37");
    assert_eq!(typist.seen.matches("profile-1\n").count(), 2);
}

#[test]
fn a_stopped_clock_is_asked_about_and_nonsense_is_not_a_date() {
    let mut typist = Typist::typing(&["tomorrow", "2026-02-30", "2026-11-30"]);
    let today = console(&mut typist).today(Moment::EPOCH).unwrap();
    assert_eq!(today, Some(Moment::parse("2026-11-30T00:00:00Z").unwrap()));
    assert!(typist.seen.contains("1970-01-01"));
    assert_eq!(console(&mut Typist::typing(&[""])).today(Moment::EPOCH).unwrap(), None);
}

#[test]
fn with_a_code_given_nothing_is_asked() {
    let mut typist = Typist::default();
    let code = Secret::parse(GOOD).ok();
    let mut console = Console::new(&mut typist, Language::German, code, Vec::new(), None);
    assert!(console.code().is_ok());
    assert_eq!(console.today(Moment::EPOCH).unwrap(), None);
    console.tell(&Event::Warning("mirror\u{1b}[2J 1".to_owned()));
    assert_eq!(console.warnings, ["mirror[2J 1"]);
    assert!(typist.echoes.is_empty());
    assert!(typist.seen.contains("Warnung: mirror[2J 1"));
}

#[test]
fn a_code_that_was_typed_is_kept_for_the_next_run_which_does_not_ask_for_it() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("typed-code");
    let mut typist = Typist::typing(&["0123-4567-89AB-CDES", GOOD]);
    assert!(console(&mut typist).typed(None, file.clone()).code().is_ok());
    // The one that was right, and for nobody else.
    assert_eq!(std::fs::read_to_string(&file).unwrap(), GOOD);
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);

    let mut typist = Typist::typing(&["2026-11-30"]);
    let mut next = console(&mut typist).typed(Secret::parse(GOOD).ok(), file.clone());
    assert!(next.code().is_ok());
    // A person is there: whoever typed the code is asked for the date.
    assert!(next.today(Moment::EPOCH).unwrap().is_some());
    assert_eq!(typist.echoes, [Echo::Shown]);

    // Without a place for it nothing else changes.
    let mut typist = Typist::typing(&[GOOD]);
    assert!(console(&mut typist).typed(None, folder.path().join("none/typed-code")).code().is_ok());
}

#[test]
fn where_a_release_came_from_is_said_in_words() {
    let told = |language, source: &str| {
        let mut typist = Typist::default();
        let mut console = Console::new(&mut typist, language, None, Vec::new(), None);
        let (issued, source) = (Moment::EPOCH, source.to_owned());
        console.tell(&Event::Current { timestamp: 7, release: 3, issued, source });
        typist.seen
    };
    for (source, english, german) in [
        ("https://a.example/", "from https://a.example/.", "von https://a.example/."),
        ("state", "known from before.", "schon von vorher bekannt."),
        ("cache", "from the copy on the medium.", "aus der Kopie auf dem Medium."),
    ] {
        assert_eq!(told(Language::English, source), format!("Release 3 of 1970-01-01, {english}\n"));
        assert_eq!(told(Language::German, source), format!("Release 3 vom 1970-01-01, {german}\n"));
    }
}

#[test]
fn a_passphrase_is_typed_twice_never_shown_and_stays_what_it_is() {
    let prompts = [prompt("phrase", PromptType::Passphrase, None)];
    let (answers, typist) = answer(&prompts, &["short", "short", "correct horse", "correct horse"]);
    assert!(answers.unwrap().values().all(|value| value.as_str() == "correct horse"));
    assert!(typist.echoes.iter().all(|echo| *echo == Echo::Hidden) && !typist.seen.contains("correct"));
    assert!(typist.seen.contains("must be 8 to 128 letters"), "{}", typist.seen);
}

fn offer(name: &str) -> Offer {
    Offer {
        profile: Id::new(name).unwrap(),
        title: name.to_uppercase(),
        pack_id: PackId([0; 32]),
        generation: 1,
        pack_key: PackKey(Zeroizing::new([0; 32])),
        unattended: false,
    }
}

#[test]
fn a_code_for_one_profile_says_whose_it_is_and_what_it_offers_and_asks_nothing() {
    let lab = offer("lab");
    let mut typist = Typist::default();
    let menu = Menu { organisation: "Example\u{1b}[2J school", offers: vec![&lab], preselected: None };
    assert_eq!(console(&mut typist).profile(&menu).unwrap(), "lab");
    assert_eq!(typist.seen, "This code is for Example[2J school.\nThis code offers:\n     LAB (lab)\n");
}

#[test]
fn a_wrong_answer_is_explained_in_the_language_of_the_session() {
    let number = Prompt { min: Some(3), ..prompt("seats", PromptType::Number, None) };
    for (prompt, wrong, right, words) in [
        (prompt("name", PromptType::Hostname, None), "PC_1", "pc-1", "nötig sind 1 bis 63 Zeichen"),
        (number, "2", "3", "nötig ist eine ganze Zahl von 3 bis 9999999999999999"),
    ] {
        let mut typist = Typist::typing(&[wrong, right]);
        let mut console = Console::new(&mut typist, Language::German, None, Vec::new(), None);
        let sheet = Sheet::begin(&[prompt], &Answers::new(), &Given::new(), &Facts::default(), &mut || None);
        assert!(console.answer_all(sheet).is_ok());
        let seen = typist.seen.replace('\n', " ");
        assert!(seen.contains(words) && !seen.contains("must be"), "{seen}");
    }
}

#[test]
fn what_a_rule_preselects_is_marked_and_chosen_by_an_empty_answer() {
    let (lab, office) = (offer("lab"), offer("office"));
    let menu = |preselected| Menu { organisation: "Example school", offers: vec![&lab, &office], preselected };
    for (typed, wanted) in [("", "office"), ("1", "lab"), ("lab", "lab")] {
        let mut typist = Typist::typing(&[typed]);
        assert_eq!(console(&mut typist).profile(&menu(Some(&office))).unwrap(), wanted);
        assert!(typist.seen.contains("OFFICE (office) *") && typist.seen.contains("LAB (lab)\n"), "{}", typist.seen);
    }
    // Without a rule an empty answer is none.
    let mut typist = Typist::typing(&["", "2"]);
    assert_eq!(console(&mut typist).profile(&menu(None)).unwrap(), "office");
    // Nobody to ask: what is preselected is what is meant.
    assert_eq!(Unasked::only_profile(&menu(Some(&office))).unwrap(), "office");
    assert_eq!(Unasked::only_profile(&menu(None)).unwrap_err().exit().number(), 2);
}

#[test]
fn a_disk_is_shown_with_what_is_on_it_and_named_again_before_it_is_erased() {
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir(root.path().join("dev")).unwrap();
    let mut bytes = vec![0; 1 << 16];
    bytes[3..11].copy_from_slice(b"NTFS    ");
    std::fs::write(root.path().join("dev/sda"), bytes).unwrap();
    std::fs::write(root.path().join("dev/sdb"), [0; 512]).unwrap();
    let said = |chosen: &[&str]| {
        let mut typist = Typist::default();
        let mut console = console(&mut typist);
        console.root = root.path().to_owned();
        console.warn_of_erasing(&chosen.iter().map(|path| (*path).to_owned()).collect::<Vec<_>>());
        typist.seen
    };
    let one = said(&["/dev/sda"]);
    assert!(one.contains("ERASED:\n  /dev/sda 500 GB Example[2J 500\n    Windows: NTFS\n"), "{one}");
    assert!(!one.contains("sdb"), "{one}");
    let unnamed = said(&[]);
    assert!(unnamed.contains("The profile names the disk") && unnamed.contains("sda") && unnamed.contains("sdb"));
    assert!(unnamed.contains("(removable)\n    empty\n"), "{unnamed}");
    let unknown = said(&["/dev/sda", "/dev/nvme7n1"]);
    assert!(unknown.contains("not found on this machine:\n") && unknown.contains("/dev/nvme7n1"), "{unknown}");
}

#[test]
fn a_code_that_was_given_to_a_person_answers_no_other_question() {
    let mut typist = Typist::typing(&["2"]);
    let mut console = console(&mut typist).preset(Secret::parse(GOOD).ok());
    assert!(console.code().is_ok());
    assert_eq!(console.today(Moment::EPOCH).unwrap(), None);
    let (lab, office) = (offer("lab"), offer("office"));
    let chosen = console.profile(&Menu { organisation: "", offers: vec![&lab, &office], preselected: None });
    assert_eq!(chosen.unwrap(), "office");
    assert_eq!(typist.echoes, [Echo::Shown]);
}

#[test]
fn it_is_said_where_the_answers_will_lie_readable_and_where_they_may() {
    for (language, may) in [(Language::English, "If this machine does not take"), (Language::German, "Nimmt dieser")] {
        let told = |way: &Way| {
            let mut typist = Typist::default();
            Console::new(&mut typist, language, None, Vec::new(), None).tell_of_staging(way);
            typist.seen.replace('\n', " ")
        };
        assert_eq!(told(&Way::AtOnce), "");
        let said = told(&Way::Tried("/run/anode/stick".into()));
        assert!(said.contains(may) && said.contains("/run/anode/stick"), "{said}");
        assert!(!told(&Way::Staged("/run/anode/stick".into())).contains(may));
    }
}

#[test]
fn what_the_installer_can_not_be_given_of_the_network_is_said_in_every_language() {
    use anode_bundle::pack::network::{Mac, ProxyAddress, StaticAddress, Vlan};
    let all = NetworkSettings {
        address: StaticAddress::parse("192.0.2.10/24,192.0.2.1,192.0.2.53"),
        vlan: None,
        interface: Mac::parse("52:54:00:12:34:56"),
        proxy: ProxyAddress::new("http://192.0.2.1:3128"),
        wireless: false,
    };
    let tagged = NetworkSettings { vlan: Vlan::parse("12"), ..all.clone() };
    let wireless = NetworkSettings { wireless: true, proxy: None, ..all.clone() };
    let bare = NetworkWords { address: Some("ip={address}".to_owned()), ..NetworkWords::default() };
    let own = NetworkWords { own_network: true, own_proxy: true, ..NetworkWords::default() };
    for (words, settings, english, german) in [
        (None, &all, &["asks for an address by DHCP", "no proxy"][..], &["per DHCP", "keinen Proxy"][..]),
        (None, &tagged, &["without a VLAN", "no proxy"], &["ohne VLAN", "keinen Proxy"]),
        (None, &wireless, &["needs a cable"], &["braucht ein Kabel"]),
        (
            Some(&bare),
            &all,
            &["name servers", "network card", "no proxy"],
            &["Nameserver", "Netzwerkkarte", "keinen Proxy"],
        ),
        (Some(&own), &tagged, &["set by the profile", "set by the profile"], &["das Profil fest", "das Profil fest"]),
        (Some(&own), &NetworkSettings::default(), &[], &[]),
    ] {
        for (language, wanted) in [(Language::English, english), (Language::German, german)] {
            let mut typist = Typist::default();
            let mut console = Console::new(&mut typist, language, None, Vec::new(), None).network(settings.clone());
            console.tell_what_is_left(words);
            // One sentence each, folded.
            let seen = typist.seen.replace('\n', " ");
            let sentences: Vec<&str> = seen.split_inclusive(". ").filter(|text| !text.trim().is_empty()).collect();
            assert_eq!(sentences.len(), wanted.len(), "{seen}");
            assert!(sentences.iter().zip(wanted).all(|(said, wanted)| said.contains(wanted)), "{wanted:?}: {seen}");
        }
    }
}
