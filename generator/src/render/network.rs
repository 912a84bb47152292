//! `[boot.network]`: the words by which an installer is given the network that a person set at the medium.
//!
//! What is typed there is not known here: the placeholders stay, and are checked. A profile that sets its installer's network itself has no such words.

use anode_bundle::pack::NetworkWords;
use anode_bundle::pack::network::{PLACEHOLDERS, check_template};

use super::escape::Rule;
use super::pass::Pass;
use crate::diagnose::Problem;
use crate::repository::Located;

impl<'r> Pass<'_, 'r> {
    /// What the definition says, if it says anything.
    pub(super) fn network(&mut self) -> Option<NetworkWords> {
        let templates = self.layers.definition.boot.as_ref()?.network.as_ref()?;
        let own_network = templates.own_network.as_ref().is_some_and(|when| self.holds(when) == Some(true));
        let own_proxy = templates.own_proxy.as_ref().is_some_and(|when| self.holds(when) == Some(true));
        let words = NetworkWords {
            address: self.words(&templates.address),
            name_servers: self.words(&templates.name_servers),
            vlan: self.words(&templates.vlan),
            vlan_address: self.words(&templates.vlan_address),
            vlan_dhcp: self.words(&templates.vlan_dhcp),
            interface: self.words(&templates.interface),
            proxy: self.words(&templates.proxy),
            replaces: self.words(&templates.replaces),
            own_network,
            own_proxy,
        };
        // Checked in any case, and kept where they count.
        let words = if own_network {
            NetworkWords { proxy: words.proxy, own_network, own_proxy, ..NetworkWords::default() }
        } else {
            words
        };
        let words = if own_proxy { NetworkWords { proxy: None, ..words } } else { words };
        Some(words).filter(|words| *words != NetworkWords::default())
    }

    fn words(&mut self, template: &'r Option<Located<String>>) -> Option<String> {
        let template = template.as_ref()?;
        let (text, inserts) = self.inline(template, template.value.clone(), Rule::Address)?;
        if let Some(insert) = inserts.first() {
            let message = format!("the prompt `{}` has no place in `[boot.network]`", insert.prompt);
            let help = "these words are for what was typed at the medium before anything was asked";
            self.problems.push(Problem::at(&template.origin, message).help(help));
        }
        if let Err(unknown) = check_template(&text) {
            let message = format!("`{unknown}` is not a placeholder of `[boot.network]`");
            let problem = Problem::at(&template.origin, message).nearest(&unknown, PLACEHOLDERS);
            self.problems.push(match problem.help {
                Some(_) => problem,
                None => problem.help(format!("there are `{{{}}}`", PLACEHOLDERS.join("}`, `{"))),
            });
        }
        if let Some(c) = text.chars().find(|c| !c.is_ascii_graphic() && *c != ' ') {
            let message = format!("the kernel command line can not hold `{}`", c.escape_debug());
            self.problems
                .push(Problem::at(&template.origin, message).help("write words of ASCII, with one blank between"));
        }
        let text = text.trim().to_owned();
        Some(text).filter(|text| !text.is_empty())
    }
}
