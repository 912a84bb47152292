//! What a person does in front of the medium, in the words that are on its screen.

use anode_tests::Site;

use crate::machine::Machine;

impl Machine {
    /// From the firmware to the question for the code, with what is proposed for language and keyboard.
    #[track_caller]
    pub fn to_the_code(&mut self) {
        self.to_the_network();
        self.expect("Activation code");
    }

    /// From the firmware to the network, with what is proposed for language and keyboard.
    #[track_caller]
    pub fn to_the_network(&mut self) {
        self.expect("Language / Sprache");
        self.type_line("");
        self.expect("Keyboard layout");
        self.type_line("");
        self.expect("Waiting for the network");
    }

    /// By DHCP, one that begins like this. On a busy host the emulated answer was seen to take longer than the twelve seconds that the medium asks for it; a person
    /// tries again.
    #[track_caller]
    pub fn gets_an_address(&mut self, interface: &str, beginning: &str) {
        self.expect("Waiting for the network.");
        let ready = format!("{interface}  ready, address {beginning}");
        if self.expect_one(&[&ready, "No network. Check the cable"]) == 1 {
            self.go("Network: try again");
            self.expect(&ready);
        }
    }

    /// From the list of profiles to the last confirmation: the server profile, and what its prompts ask.
    #[track_caller]
    pub fn to_the_confirmation(&mut self) {
        self.expect("Number or name");
        self.choose_the_server();
    }

    /// At the list of profiles: the same.
    #[track_caller]
    pub fn choose_the_server(&mut self) {
        self.type_line(Site::SERVER);
        for (question, answer) in Site::SERVER_DIALOGUE {
            self.expect(question);
            self.type_line(answer);
        }
        self.expect("Erase and install? (yes/no)");
    }

    /// Answers what day it is, which a machine asks whose clock has stopped; nothing stands for not knowing.
    #[track_caller]
    pub fn says_the_date(&mut self, date: &str) {
        self.expect("What day is it today?");
        self.expect(": ");
        self.type_line(date);
    }

    /// Goes one of the ways that a page offers.
    ///
    /// # Panics
    /// If the page has no such way.
    #[track_caller]
    pub fn go(&mut self, way: &str) {
        self.expect("\nNumber: ");
        let text = self.text();
        let number = text.lines().rev().find_map(|line| line.trim().strip_suffix(way)?.trim().parse::<u8>().ok());
        let number = number.unwrap_or_else(|| panic!("the page offers no `{way}`:\n{text}"));
        self.type_line(&number.to_string());
    }

    /// Waits for the page of an error, tries again, and is asked for the code once more; where it is still known, because that is wanted.
    #[track_caller]
    pub fn refuses(&mut self, exit: u8, name: &str) {
        self.expect(&format!("Error {exit}  {name}"));
        self.expect("What to do: ");
        let is_forgotten = matches!(exit, 3 | 10..=13);
        self.go(if is_forgotten { "Try again" } else { "Go on with another code" });
        self.expect("Activation code");
    }
}
