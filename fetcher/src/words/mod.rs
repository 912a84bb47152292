//! Everything that is said to a person at the medium. A language is one file; the compiler finds what it forgot.
//!
//! `{name}` in a text stands for a value. Titles and questions of profiles come from the profiles repository and are not translated here.

mod de;
mod en;
mod pages;

use anode_bundle::ExitCode;
use anode_bundle::pack::PromptType;

pub(crate) use pages::{MediumWords, Page};

/// The languages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Language {
    /// English, the default.
    #[default]
    English,
    /// German.
    German,
}

impl Language {
    /// From `--lang` or from the first letters of a locale's name.
    #[must_use]
    pub fn of(text: &str) -> Option<Language> {
        match text.get(..2)?.to_ascii_lowercase().as_str() {
            "en" => Some(Language::English),
            "de" => Some(Language::German),
            _ => None,
        }
    }

    pub(crate) fn words(self) -> &'static Words {
        match self {
            Self::English => &en::WORDS,
            Self::German => &de::WORDS,
        }
    }

    /// Every language, in the order in which they are offered.
    pub const ALL: [Language; 2] = [Language::English, Language::German];

    /// As `--lang` takes it.
    #[must_use]
    pub fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::German => "de",
        }
    }

    /// What its speakers call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::English => "English",
            Self::German => "Deutsch",
        }
    }

    /// What an answer to a prompt has to be; `None`: as the refusal says it, in English.
    #[must_use]
    pub(crate) fn rule(self, kind: PromptType) -> Option<&'static str> {
        match self {
            Self::English => None,
            Self::German => de::rule(kind),
        }
    }

    /// What introduces the details of a failure, which are in English; `None`: nothing need.
    #[must_use]
    pub(crate) fn details(self) -> Option<&'static str> {
        match self {
            Self::English => None,
            Self::German => Some(de::DETAILS),
        }
    }

    /// What the medium says around the fetcher.
    #[must_use]
    pub(crate) fn medium(self) -> &'static MediumWords {
        match self {
            Self::English => &en::MEDIUM,
            Self::German => &de::MEDIUM,
        }
    }

    /// The page of an exit code.
    #[must_use]
    pub(crate) fn page(self, exit: ExitCode) -> Page {
        match self {
            Self::English => en::page(exit),
            Self::German => de::page(exit),
        }
    }
}

/// A text with values in it.
pub(crate) fn fill(text: &str, values: &[(&str, &str)]) -> String {
    values.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value))
}

/// Every text of the console.
#[derive(Debug)]
pub(crate) struct Words {
    pub code: &'static str,
    pub code_wrong: &'static str,
    pub code_foreign: &'static str,
    pub code_length: &'static str,
    pub code_checksum: &'static str,
    pub today: &'static str,
    pub today_wrong: &'static str,
    pub code_for: &'static str,
    pub profiles: &'static str,
    pub choose: &'static str,
    pub choose_more: &'static str,
    pub choose_wrong: &'static str,
    pub required: &'static str,
    pub invalid: &'static str,
    pub again: &'static str,
    pub again_wrong: &'static str,
    pub removable: &'static str,
    pub summary: &'static str,
    pub site: &'static str,
    pub organisation: &'static str,
    pub profile: &'static str,
    pub installer: &'static str,
    pub release: &'static str,
    pub memory: &'static str,
    pub folder: &'static str,
    pub staged: &'static str,
    pub perhaps_staged: &'static str,
    pub unpinned: &'static str,
    pub left_address: &'static str,
    pub left_servers: &'static str,
    pub left_vlan: &'static str,
    pub left_interface: &'static str,
    pub left_proxy: &'static str,
    pub left_wireless: &'static str,
    pub own_network: &'static str,
    pub own_proxy: &'static str,
    pub hidden: &'static str,
    pub confirm: &'static str,
    pub yes: &'static str,
    pub no: &'static str,
    pub yes_or_no: &'static str,
    pub done: &'static str,
    pub new_root: &'static str,
    pub current: &'static str,
    pub from_mirror: &'static str,
    pub from_state: &'static str,
    pub from_copy: &'static str,
    pub offline: &'static str,
    pub deriving: &'static str,
    pub warning: &'static str,
    pub hostname: &'static str,
    pub username: &'static str,
    pub full_name: &'static str,
    pub password: &'static str,
    pub passphrase: &'static str,
    pub disk: &'static str,
    pub language: &'static str,
    pub code_right: &'static str,
    pub code_wrong_yet: &'static str,
    pub code_wrong_now: &'static str,
    pub disk_empty: &'static str,
    pub disk_unknown: &'static str,
    pub disk_unreadable: &'static str,
    pub erased: &'static str,
    pub erased_unnamed: &'static str,
    pub erased_unknown: &'static str,
    pub confirm_erase: &'static str,
    pub keyboard: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn placeholders(text: &str) -> Vec<String> {
        let mut found: Vec<String> =
            text.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name.to_owned()).collect();
        found.sort();
        found
    }

    #[test]
    fn every_language_uses_the_same_values() {
        // `Debug` lists the fields in their order, one a line.
        let (english, german) = (format!("{:#?}", en::WORDS), format!("{:#?}", de::WORDS));
        assert_eq!(english.lines().count(), german.lines().count());
        for (ours, theirs) in english.lines().zip(german.lines()).skip(1) {
            let field = ours.split(':').next();
            assert_eq!(field, theirs.split(':').next());
            assert_eq!(placeholders(ours), placeholders(theirs), "{field:?}");
        }
    }

    #[test]
    fn every_language_says_all_of_the_medium_with_the_same_values() {
        let texts = Language::ALL.map(|language| format!("{:#?}", language.medium()));
        for other in &texts[1..] {
            assert_eq!(texts[0].lines().count(), other.lines().count());
            for (ours, theirs) in texts[0].lines().zip(other.lines()).skip(1) {
                let field = ours.split(':').next();
                assert_eq!((field, placeholders(ours)), (theirs.split(':').next(), placeholders(theirs)));
            }
            assert!(!other.contains(": \"\","), "an empty text: {other}");
        }
    }

    #[test]
    fn every_exit_code_has_a_page_of_its_own_in_every_language() {
        for language in Language::ALL {
            let mut titles = std::collections::BTreeSet::new();
            for exit in ExitCode::ALL {
                let page = language.page(exit);
                assert!(!page.remedy.is_empty() && titles.insert(page.title), "{language:?} {exit:?}");
            }
        }
        for exit in ExitCode::ALL {
            assert_ne!(Language::English.page(exit).title, Language::German.page(exit).title);
        }
    }

    #[test]
    fn locales_choose_their_language() {
        assert_eq!(Language::of("de_DE.UTF-8"), Some(Language::German));
        assert_eq!(Language::of("EN"), Some(Language::English));
        assert_eq!(Language::of("C"), None);
        assert_eq!(Language::of("fr_FR"), None);
    }
}
