//! The values of the secrets that a site names: read from where `[secrets]` or `--secret` says, held in memory as long as a build lasts, and wiped.
//!
//! They go into sealed packs and nowhere else. Nothing here prints one, and a type that holds one can not be printed. All that can not be had is
//! reported in one run.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use zeroize::Zeroizing;

use crate::diagnose::{Origin, Problem, Problems};
use crate::keys::KeyRing;
use crate::repository::{Repository, SecretDefinition, SecretPlace, SecretUse};

/// No passphrase and no key comes near this size.
const LIMIT: usize = 64 << 10;
/// How long a command may take: somebody may have to touch a token or type a number.
const PATIENCE: Duration = Duration::from_secs(30);
/// What of a command's complaint is shown.
const COMPLAINT: usize = 2 << 10;
/// What programs that keep secrets need of the environment. None of these is a secret.
const ENVIRONMENT: [&str; 15] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "LANG",
    "TERM",
    "TMPDIR",
    "XDG_RUNTIME_DIR",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "DBUS_SESSION_BUS_ADDRESS",
    "SSH_AUTH_SOCK",
    "GNUPGHOME",
    "GPG_TTY",
    "PASSWORD_STORE_DIR",
];

/// A secret's value. Not printable, wiped when dropped.
pub struct SecretValue(Zeroizing<String>);

impl SecretValue {
    /// As a template sees it.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0
    }
}

/// What stands for the secrets of a site while it is rendered.
pub enum SecretValues {
    /// Harmless values of the right types: nobody asked for the real ones.
    Samples,
    /// The real ones, by name.
    Real(BTreeMap<String, SecretValue>),
}

impl SecretValues {
    /// The text for a place. `None`: the secret is not known.
    #[must_use]
    pub fn text<'s>(&'s self, used: SecretUse<'s>) -> Option<&'s str> {
        match self {
            SecretValues::Samples => Some(used.sample()),
            SecretValues::Real(values) => values.get(used.name).map(SecretValue::text),
        }
    }

    /// Leaves out of what is said about rendered files whatever would repeat a secret.
    #[must_use]
    pub fn redact(&self, problems: Problems) -> Problems {
        let SecretValues::Real(values) = self else { return problems };
        let texts: Vec<&str> = values.values().map(SecretValue::text).collect();
        let mut redacted = Problems::new();
        redacted.extend(problems.into_iter().map(|problem| problem.without(&texts)));
        redacted
    }
}

/// What the secrets are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Packs are sealed. Whoever builds trusts the commit, so the commands that it names are run.
    Build,
    /// A commit is reviewed: a program that it names would run before anybody has looked at it.
    Review,
    /// Nothing is sealed: samples will do.
    Look,
}

/// Reads the secrets that the repository's packs need. The problems beside them are warnings.
///
/// # Errors
/// Every secret that can not be had, with the place where it is defined and one where it is used; every value that does not fit its place.
pub fn resolve<'r>(
    repository: &'r Repository,
    uses: impl IntoIterator<Item = (&'r Origin, &'r str, SecretUse<'r>)>,
    ring: &KeyRing,
    purpose: Purpose,
) -> Result<(SecretValues, Problems), Problems> {
    if purpose == Purpose::Look {
        return Ok((SecretValues::Samples, Problems::new()));
    }
    let mut wanted: BTreeMap<&str, Vec<_>> = BTreeMap::new();
    for (origin, variable, used) in uses {
        let places: &mut Vec<(&Origin, &str, SecretUse<'_>)> = wanted.entry(used.name).or_default();
        // Many profiles may have it from one place.
        if !places.iter().any(|(known, _, other)| is_twin(known, origin, *other, used)) {
            places.push((origin, variable, used));
        }
    }
    let mut values = BTreeMap::new();
    let mut problems = Problems::new();
    for (name, places) in wanted {
        let Some(definition) = repository.site.secrets.get(name) else {
            let unknown = |(origin, ..): &(&Origin, &str, SecretUse<'_>)| {
                Problem::at(origin, format!("there is no secret `{name}`"))
                    .help("add it to `[secrets]` in `anode.toml`")
            };
            problems.extend(places.iter().take(1).map(unknown));
            continue;
        };
        match value(name, definition, &repository.root, ring, purpose) {
            Ok((text, warning)) => {
                problems.extend(warning.map(|text| Problem::at(&definition.origin, text).as_warning()));
                for (origin, variable, used) in &places {
                    if let Err(problem) = used.check(&text) {
                        let message = format!("the secret `{name}` does not fit `{variable}`: its value {problem}");
                        problems.push(Problem::at(origin, message).help(whence(name, definition)));
                    }
                }
                values.insert(name.to_owned(), SecretValue(text));
            }
            Err(error) => {
                let message = format!("the secret `{name}` can not be had: {error:#}");
                let used = places.first().map_or(String::new(), |(origin, variable, _)| {
                    let more = if places.len() > 1 { format!(" and {} more", places.len() - 1) } else { String::new() };
                    format!("`{variable}` in {}:{}{more} needs it; ", origin.source.path, origin.position().0)
                });
                let help = format!(
                    "{used}give it with `--secret {name}=fd:N`, `file:PATH` or `env:VARIABLE`, or change where it comes from"
                );
                problems.push(Problem::at(&definition.origin, message).help(help));
            }
        }
    }
    problems.unless_errors(SecretValues::Real(values))
}

/// Every secret of the site that is within reach, by name, for whoever looks for them; and the names of the others, with the reason.
#[must_use]
pub fn within_reach(repository: &Repository, ring: &KeyRing) -> (BTreeMap<String, SecretValue>, Vec<(String, String)>) {
    let mut values = BTreeMap::new();
    let mut missing = Vec::new();
    for (name, definition) in &repository.site.secrets {
        match value(name, definition, &repository.root, ring, Purpose::Build) {
            Ok((text, _)) => _ = values.insert(name.clone(), SecretValue(text)),
            Err(error) => missing.push((name.clone(), format!("{error:#}"))),
        }
    }
    (values, missing)
}

fn is_twin(one: &Origin, other: &Origin, used: SecretUse<'_>, again: SecretUse<'_>) -> bool {
    one.source.path == other.source.path && one.span == other.span && used.kind == again.kind
}

fn whence(name: &str, definition: &SecretDefinition) -> String {
    let place = match &definition.place {
        SecretPlace::Variable(variable) => format!("the variable {variable}"),
        SecretPlace::File(file) => format!("the file `{file}`"),
        SecretPlace::Command(words, _) => format!("the command `{}`", words.join(" ")),
    };
    format!("its value comes from {place}, unless `--secret {name}=…` says otherwise; it is not shown")
}

/// The value, and what somebody should look at.
fn value(
    name: &str,
    definition: &SecretDefinition,
    repository: &Path,
    ring: &KeyRing,
    purpose: Purpose,
) -> Result<(Zeroizing<String>, Option<String>)> {
    let mut warning = None;
    let text = match (ring.by_name(name), &definition.place) {
        (Some(given), _) => given?,
        (None, SecretPlace::Variable(variable)) => {
            crate::keys::read_variable(variable).with_context(|| format!("the variable {variable} is not set"))?
        }
        (None, SecretPlace::File(file)) => {
            let path = outside(file, repository)?;
            let (text, open) = read_file(&path)?;
            warning = open.then(|| {
                format!("the file of the secret `{name}` can be read by others; run `chmod 600 {}`", path.display())
            });
            text
        }
        (None, SecretPlace::Command(words, _)) if purpose == Purpose::Review => {
            bail!("it comes from the command `{}`, and no program of a commit under review is run", words.join(" "))
        }
        (None, SecretPlace::Command(words, environment)) => run(words, environment, PATIENCE)?,
    };
    let text = match text.strip_suffix('\n') {
        Some(shorter) => Zeroizing::new(shorter.to_owned()),
        None => text,
    };
    ensure!(!text.is_empty(), "it is empty");
    Ok((text, warning))
}

/// A path with the home folder in the place of `~`, that does not lie in the repository.
fn outside(file: &str, repository: &Path) -> Result<PathBuf> {
    let path = match file.strip_prefix("~/") {
        Some(rest) => {
            let home = std::env::var_os("HOME").filter(|home| !home.is_empty());
            PathBuf::from(home.context("there is no home folder for `~`")?).join(rest)
        }
        None => PathBuf::from(file),
    };
    let there = path.canonicalize().with_context(|| format!("reading `{}`", path.display()))?;
    let repository = repository.canonicalize().with_context(|| format!("finding `{}`", repository.display()))?;
    ensure!(
        !there.starts_with(&repository),
        "`{}` lies in the repository, where secrets have no place",
        path.display()
    );
    Ok(path)
}

fn read_file(path: &Path) -> Result<(Zeroizing<String>, bool)> {
    let reading = || format!("reading `{}`", path.display());
    let file = File::open(path).with_context(reading)?;
    let metadata: fs::Metadata = file.metadata().with_context(reading)?;
    ensure!(metadata.is_file(), "`{}` is not a file", path.display());
    let open = metadata.permissions().mode() & 0o077 != 0;
    let bytes = read_limited(file, LIMIT).with_context(reading)?;
    Ok((text(bytes).with_context(reading)?, open))
}

/// The standard output of a program.
fn run(words: &[String], environment: &[String], patience: Duration) -> Result<Zeroizing<String>> {
    let (program, arguments) = words.split_first().context("there is no command")?;
    let kept = ENVIRONMENT.iter().copied().chain(environment.iter().map(String::as_str));
    let mut child = Command::new(program)
        .args(arguments)
        .env_clear()
        .envs(kept.filter_map(|name| Some((name, std::env::var_os(name)?))))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("running `{program}`"))?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let (stdout, stderr) = (listen(stdout, LIMIT), listen(stderr, COMPLAINT));
    let end = Instant::now() + patience;
    let output = stdout.recv_timeout(patience).unwrap_or_else(|_| Err(too_slow(program, patience)));
    let ended = output.and_then(|output| Ok((output, wait(&mut child, program, end, patience)?)));
    let (output, status) = match ended {
        Ok(ended) => ended,
        Err(error) => {
            let _ = child.kill();
            let _ = child.wait();
            return Err(error);
        }
    };
    if !status.success() {
        let said = stderr.recv_timeout(Duration::from_secs(1)).ok().and_then(Result::ok).unwrap_or_default();
        let said = String::from_utf8_lossy(&said).trim().lines().collect::<Vec<_>>().join("; ");
        bail!("`{program}` failed ({status}) and says: {}", if said.is_empty() { "nothing" } else { &said });
    }
    text(output).with_context(|| format!("reading what `{program}` says"))
}

fn too_slow(program: &str, patience: Duration) -> anyhow::Error {
    anyhow!("`{program}` took longer than {} seconds", patience.as_secs())
}

fn wait(child: &mut Child, program: &str, end: Instant, patience: Duration) -> Result<std::process::ExitStatus> {
    loop {
        if let Some(status) = child.try_wait().with_context(|| format!("waiting for `{program}`"))? {
            return Ok(status);
        }
        if Instant::now() > end {
            return Err(too_slow(program, patience));
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// Reads in a thread of its own: what a program leaves running may hold the pipe for ever.
fn listen(pipe: Option<impl Read + Send + 'static>, limit: usize) -> mpsc::Receiver<Result<Zeroizing<Vec<u8>>>> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let read = pipe.context("there is no pipe").and_then(|pipe| read_limited(pipe, limit));
        // Nobody listens any more where the program was too slow.
        let _ = sender.send(read);
    });
    receiver
}

fn read_limited(from: impl Read, limit: usize) -> Result<Zeroizing<Vec<u8>>> {
    // As large as it can get, so that no copy is left behind where it grew.
    let mut bytes = Zeroizing::new(Vec::with_capacity(limit + 1));
    from.take(limit as u64 + 1).read_to_end(&mut bytes)?;
    ensure!(bytes.len() <= limit, "it is longer than {limit} bytes, and no secret is");
    Ok(bytes)
}

fn text(bytes: Zeroizing<Vec<u8>>) -> Result<Zeroizing<String>> {
    let text = std::str::from_utf8(&bytes).map_err(|_| anyhow!("it is not UTF-8"))?;
    Ok(Zeroizing::new(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run_for(patience: Duration, script: &str) -> Result<Zeroizing<String>> {
        run(&["sh", "-c", script].map(str::to_owned), &["ALSO_THIS".to_owned()], patience)
    }

    fn shell(script: &str) -> Result<Zeroizing<String>> {
        run_for(Duration::from_secs(60), script)
    }

    fn refusal(script: &str) -> String {
        format!("{:#}", shell(script).err().unwrap())
    }

    #[test]
    fn a_command_gives_its_output_and_gets_no_secret_of_the_environment() {
        assert_eq!(shell("printf 'a b\\n'").unwrap().as_str(), "a b\n");
        assert_eq!(shell("test -n \"$PATH\"; echo ${CARGO_MANIFEST_DIR:-none}").unwrap().as_str(), "none\n");
        assert_eq!(shell("cat").unwrap().as_str(), "", "nobody types");
    }

    #[test]
    fn a_command_that_fails_hangs_or_says_too_much_is_refused() {
        assert_eq!(refusal("echo '*wrong* pin' >&2; exit 3"), "`sh` failed (exit status: 3) and says: *wrong* pin");
        for hanging in ["exec sleep 20", "exec >&-; exec sleep 20", "sleep 20 & echo x"] {
            let began = Instant::now();
            let error = run_for(Duration::from_millis(700), hanging).err().unwrap();
            assert_eq!(format!("{error:#}"), "`sh` took longer than 0 seconds", "{hanging}");
            assert!(began.elapsed() < Duration::from_secs(15), "{hanging}");
        }
        assert!(refusal("head -c 70000 /dev/zero").contains("longer than 65536 bytes"));
        assert!(refusal("printf '\\377'").contains("not UTF-8"));
        let missing = run(&["anode-no-such-program".to_owned()], &[], PATIENCE).err().unwrap();
        assert!(format!("{missing:#}").contains("running `anode-no-such-program`: No such file"), "{missing:#}");
    }
}
