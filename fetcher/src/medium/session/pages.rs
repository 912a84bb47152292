//! Pages: what an exit code means, and the log.

use std::io;
use std::process::Stdio;

use anode_bundle::ExitCode;
use anode_bundle::display::line;
use zeroize::Zeroizing;

use super::patience::{is_about_a_tree, may_mend_itself};
use super::{Session, Step, Way};
use crate::console::{Echo, WIDTH, fold};
use crate::medium::log::without_codes;
use crate::medium::site::Presets;
use crate::words::fill;

/// One screen with its question.
const PAGE: usize = 22;

impl Session<'_> {
    pub(super) fn failed(&mut self, exit: ExitCode) -> io::Result<Step> {
        let rows = self.page(exit);
        for row in rows {
            self.say(&row);
        }
        // Usage too: an address that the fetcher does not take is mended there.
        let network = matches!(
            exit,
            ExitCode::Unreachable
                | ExitCode::Tls
                | ExitCode::TooSlow
                | ExitCode::NotASite
                | ExitCode::Clock
                | ExitCode::Usage
        );
        let mut own = vec![Way::Again];
        if network {
            own.push(Way::Network);
        }
        if self.typed.is_known() {
            self.say(self.words.code_known);
            own.push(Way::OtherCode);
        }
        let goes_on = may_mend_itself(exit) || self.took_copy() && is_about_a_tree(exit);
        if self.took_copy() && goes_on {
            self.say(self.words.copy_useless);
        }
        let ways = self.with_common_ways(&own);
        let way = match goes_on {
            true => self.choose_or_go_on(&ways)?,
            false => Some(self.choose(&ways, None)?),
        };
        let Some(way) = way else { return Ok(self.try_again()) };
        match way {
            Way::Again => {
                self.is_left();
                // What the medium presets and did not work is asked for now.
                if (10..20).contains(&exit.number()) || exit == ExitCode::Usage {
                    self.forget_presets();
                }
                Ok(Step::Activate)
            }
            Way::OtherCode => {
                self.typed.forget();
                Ok(Step::Activate)
            }
            Way::Network => Ok(Step::NetworkMenu),
            way => Ok(self.go(way)?.unwrap_or(Step::Failed(exit))),
        }
    }

    /// Number, name, what happened and what to do.
    pub(super) fn page(&self, exit: ExitCode) -> Vec<String> {
        let page = self.language.page(exit);
        let head = fill(self.words.error, &[("number", &exit.number().to_string()), ("name", exit.name())]);
        let mut rows = vec![String::new(), "-".repeat(WIDTH), head];
        rows.extend(fold(&format!("{}.", page.title), WIDTH));
        rows.extend(fold(&fill(self.words.to_do, &[("remedy", page.remedy)]), WIDTH));
        rows
    }

    pub(super) fn show_log(&mut self) -> io::Result<()> {
        let text = self.whole_log();
        let rows: Vec<String> = text.lines().flat_map(|text| fold(&line(text, 1000), WIDTH)).collect();
        let mut pages = rows.chunks(PAGE).peekable();
        while let Some(page) = pages.next() {
            for row in page {
                self.terminal.say(row);
            }
            if pages.peek().is_some() && self.ask(self.words.more, Echo::Shown)?.trim().eq_ignore_ascii_case("q") {
                break;
            }
        }
        Ok(())
    }

    pub(super) fn write_log(&mut self) {
        let said = if self.keep_log() { self.words.log_written } else { self.words.log_not_written };
        self.say(said);
    }

    /// Everything that was said, the network's state, what the scripts and the kernel said. Without codes; and without the code or phrase that this
    /// medium or its start brought along, which looks like words.
    pub(super) fn whole_log(&self) -> String {
        let file = |name: &str| self.machine.text(name).unwrap_or_default();
        let kernel = std::process::Command::new(self.machine.path("bin/dmesg")).stdin(Stdio::null()).output();
        let kernel = kernel.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
        let parts = [
            ("screen", file("run/anode/log")),
            ("network", file("run/anode/network")),
            ("scripts", file("run/anode/scripts.log")),
            ("kernel", kernel),
        ];
        let brought = [Presets::read(&self.machine).code, self.machine.text("etc/anode/code").map(Zeroizing::new)];
        let mut text = String::new();
        for (name, part) in parts {
            text.push_str(&format!("== {name}\n"));
            for row in part.lines() {
                let mut row = without_codes(row);
                for secret in brought.iter().flatten().map(|secret| secret.trim()).filter(|secret| !secret.is_empty()) {
                    row = row.replace(secret, "****");
                }
                text.push_str(&row);
                text.push('\n');
            }
        }
        text
    }
}
