//! `anode passwd`: the crypt hash of a password, for a variable of the type `crypt` or a secret. The password is never an argument.

use std::io::{self, IsTerminal as _, Read as _};
use std::process::ExitCode;

use anode_fetch::crypt::sha512;
use anyhow::{Context as _, Result, ensure};
use clap::Args;
use zeroize::Zeroizing;

use super::print;
use crate::keys::random;

/// Longer than anybody types, and more than `libcrypt` takes.
const LIMIT: usize = 511;

#[derive(Args)]
pub(super) struct Options {}

pub(super) fn run(_: &Options) -> Result<ExitCode> {
    let password = read()?;
    ensure!(
        !password.is_empty(),
        "the password is empty: everybody could log in; leave the variable out to lock the account"
    );
    ensure!(password.len() <= LIMIT, "the password is longer than {LIMIT} bytes, and no log-in takes it");
    ensure!(!password.contains('\0'), "the password holds a NUL, and no log-in takes it");
    let salt = random::<12>()?;
    print(&sha512(&password, &salt))?;
    Ok(ExitCode::SUCCESS)
}

/// Twice from the terminal, or one line of standard input.
fn read() -> Result<Zeroizing<String>> {
    if io::stdin().is_terminal() {
        let ask = |prompt: &str| rpassword::prompt_password(prompt).map(Zeroizing::new).context("reading the password");
        let password = ask("password: ")?;
        ensure!(*ask("once more: ")? == *password, "the two are not the same; nothing was hashed");
        return Ok(password);
    }
    // As large as it can get, so that no copy is left behind where it grew.
    let mut text = Zeroizing::new(String::with_capacity(2 * LIMIT));
    io::stdin()
        .lock()
        .take(2 * LIMIT as u64)
        .read_to_string(&mut text)
        .context("reading the password from standard input")?;
    let mut lines = text.lines();
    let password = Zeroizing::new(lines.next().unwrap_or_default().to_owned());
    ensure!(lines.next().is_none(), "standard input holds more than one line, and a password is one");
    Ok(password)
}
