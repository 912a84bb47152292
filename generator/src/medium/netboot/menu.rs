//! What a person sees between the network card and the medium: a menu for GRUB and one for iPXE, with the site's public profiles.
//!
//! An entry of a profile boots the same medium as every other, and tells it which profile is meant: the code is asked, and the profile verified, as ever.
//! Titles come from a signed list, and are reduced to what both menus show without giving it a meaning.

use anode_bundle::name::Id;
use serde::Deserialize;

use crate::medium::loaders::{self, Menu};

/// The medium is not looked for where there is none.
const NETBOOT: &str = "anode.netboot";
/// More entries do not fit on a screen.
const ENTRIES: usize = 16;

/// A public profile.
#[derive(Debug, Clone, Deserialize)]
pub struct Chosen {
    /// Its id.
    pub id: Id,
    /// Its title.
    pub title: String,
}

/// Both menus.
pub struct Menus<'a> {
    /// Title, language and consoles of the medium.
    pub medium: &'a Menu<'a>,
    /// What can be chosen beforehand.
    pub profiles: &'a [Chosen],
}

/// One line of a menu.
struct Entry {
    name: String,
    title: String,
    more: String,
}

impl Menus<'_> {
    fn entries(&self) -> Vec<Entry> {
        let install = if self.medium.language == "de" { "Installieren" } else { "Install" };
        let every =
            Entry { name: "install".to_owned(), title: format!("{install}: {}", self.title()), more: String::new() };
        let one = |profile: &Chosen| Entry {
            name: format!("profile-{}", profile.id),
            title: format!("{install}: {}", plain(&profile.title)),
            more: format!(" anode.profile={}", profile.id),
        };
        std::iter::once(every).chain(self.profiles.iter().take(ENTRIES).map(one)).collect()
    }

    fn title(&self) -> String {
        plain(self.medium.title)
    }

    fn restart(&self) -> &'static str {
        if self.medium.language == "de" { "Neu starten" } else { "Restart" }
    }

    /// `grub/grub.cfg`
    #[must_use]
    pub fn grub(&self) -> String {
        let line = self.medium.command_line();
        let mut text = format!("set screen=console\n{}set default=0\nset timeout=5\n", self.medium.speak());
        for Entry { title, more, .. } in self.entries() {
            text.push_str(&format!(
                "menuentry '{title}' {{\n    linux /vmlinuz {line} {NETBOOT}{more}\n    initrd /initrd.img\n}}\n"
            ));
        }
        text.push_str(&format!("menuentry '{}' {{\n    reboot\n}}\n", self.restart()));
        text
    }

    /// `boot.ipxe`
    ///
    /// A setting of iPXE begins with `${`, which no title has any more.
    #[must_use]
    pub fn ipxe(&self) -> String {
        let line = self.medium.command_line();
        let entries = self.entries();
        let mut text = "\
#!ipxe
# Loads the boot medium from where this script came from.
# iPXE checks nothing here: it knows only the certificates that were compiled into it, and the kernel is signed for UEFI.
# Under Secure Boot, let the firmware load shim instead.
"
        .to_owned();
        text.push_str(&format!("menu {}\n", self.title()));
        for Entry { name, title, .. } in &entries {
            text.push_str(&format!("item {name} {title}\n"));
        }
        text.push_str(&format!("item restart {}\n", self.restart()));
        text.push_str("choose --default install --timeout 5000 target || goto install\ngoto ${target}\n");
        for Entry { name, more, .. } in &entries {
            text.push_str(&format!(":{name}\nset more{more}\ngoto start\n"));
        }
        text.push_str(&format!(
            "\
:start
kernel vmlinuz initrd=initrd.img {line} {NETBOOT} ${{more}} || goto failed
initrd initrd.img || goto failed
boot || goto failed
:failed
echo The boot medium could not be loaded.
prompt --timeout 30000 Press a key to start again. ||
:restart
reboot
"
        ));
        text
    }
}

/// What is left for GRUB, without what joins or ends commands of iPXE.
fn plain(title: &str) -> String {
    loaders::plain(title).chars().filter(|letter| !matches!(letter, '|' | '&' | '#')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::medium::console::Console;
    use crate::medium::loaders::Splash;

    fn chosen(id: &str, title: &str) -> Chosen {
        Chosen { id: Id::new(id).unwrap(), title: title.to_owned() }
    }

    fn both(language: &str, title: &str, profiles: &[Chosen]) -> [String; 2] {
        let consoles = [Console::Screen(0), Console::Serial(0, 115_200)];
        let medium = Menu { language, title, consoles: &consoles, marker: "", splash: Splash::Absent };
        let menus = Menus { medium: &medium, profiles };
        [menus.grub(), menus.ipxe()]
    }

    #[test]
    fn every_entry_boots_the_medium_and_a_profile_is_only_named() {
        let [grub, ipxe] = both("en", "School", &[chosen("web-server", "Web server")]);
        let linux = "linux /vmlinuz quiet console=ttyS0,115200 console=tty0 anode.netboot";
        assert!(grub.contains(&format!("menuentry 'Install: School' {{\n    {linux}\n")), "{grub}");
        assert!(grub.contains(&format!("menuentry 'Install: Web server' {{\n    {linux} anode.profile=web-server\n")));
        assert_eq!(grub.matches("initrd /initrd.img").count(), 2);
        assert!(ipxe.starts_with("#!ipxe\n"));
        assert!(ipxe.contains("item profile-web-server Install: Web server\n"), "{ipxe}");
        assert!(ipxe.contains(":profile-web-server\nset more anode.profile=web-server\ngoto start\n"), "{ipxe}");
        assert!(ipxe.contains(":install\nset more\ngoto start\n"), "{ipxe}");
        for text in [grub, ipxe] {
            assert!(!text.contains("anode.shell"), "{text}");
        }
    }

    #[test]
    fn a_hostile_title_means_nothing_in_either_menu() {
        let hostile = "x' }\nreboot\n${net0/mac} || shell && \u{1b}[2J";
        let [grub, ipxe] = both("de", hostile, &[chosen("a", hostile)]);
        assert_eq!(grub.lines().filter(|line| line.trim() == "reboot").count(), 1, "{grub}");
        assert_eq!(ipxe.lines().filter(|line| *line == "reboot").count(), 1, "{ipxe}");
        let settings: Vec<_> = ipxe.match_indices("${").map(|(at, _)| &ipxe[at..at + 6]).collect();
        assert_eq!(settings, ["${targ", "${more"]);
        for line in ipxe.lines().filter(|line| line.starts_with("item ") || line.starts_with("menu ")) {
            assert!(!line.contains("||") && !line.contains("&&"), "{line}");
        }
        for text in [grub, ipxe] {
            assert!(text.bytes().all(|byte| byte == b'\n' || (b' '..=b'~').contains(&byte)), "{text}");
        }
    }

    #[test]
    fn a_menu_ends_before_the_screen_does() {
        let many: Vec<_> = (0..100).map(|number| chosen(&format!("p{number}"), "x")).collect();
        let [grub, ipxe] = both("en", "x", &many);
        assert_eq!(grub.matches("menuentry").count(), ENTRIES + 2);
        assert_eq!(ipxe.matches("item ").count(), ENTRIES + 2);
    }
}
