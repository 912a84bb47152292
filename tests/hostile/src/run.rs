//! Runs the real `anode-fetch` and judges it by what a person and the host can see: exit status, JSON, folders, requests.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anode_tests::{Output, Program, binary};
use serde_json::Value;

use crate::case::{Compared, Run};
use crate::host::Request;
use crate::kept::{self, Kept};
use crate::objects::CODE;
use crate::publisher::{HOUR, start};
use crate::words::moment;
use crate::world::{World, ship};

/// A mirror that does not exist.
const NOBODY: &str = "nobody";

/// What a run left behind.
struct Found {
    output: Output,
    json: Value,
    requests: Vec<Request>,
    seconds: f64,
    state_before: BTreeMap<String, Vec<u8>>,
    cache_before: BTreeMap<String, Vec<u8>>,
    state: Option<PathBuf>,
    cache: Option<PathBuf>,
    files: Option<PathBuf>,
}

/// Collects what is not as expected.
#[derive(Default)]
struct Verdict(Vec<String>);

impl Verdict {
    fn expect(&mut self, holds: bool, problem: impl FnOnce() -> String) {
        if !holds {
            self.0.push(problem());
        }
    }

    fn equal<T: PartialEq + std::fmt::Debug>(&mut self, what: &str, found: &T, wanted: &T) {
        self.expect(found == wanted, || format!("{what}: expected {wanted:?}, found {found:?}"));
    }
}

impl World {
    /// # Errors
    /// What is not as expected.
    pub(crate) fn update(&mut self, run: &Run) -> Result<(), String> {
        let program = Program::new(binary("anode-fetch")).arg("update");
        self.perform(run, program, None)
    }

    /// # Errors
    /// What is not as expected.
    pub(crate) fn activate(&mut self, run: &Run) -> Result<(), String> {
        let number = self.next_number();
        let files = self.path(&format!("files-{number}"));
        let code = run.code.as_deref().unwrap_or(CODE);
        let program = Program::new(binary("anode-fetch")).arg("activate").args(["--code", code]);
        let program = program.arg("--files").arg(&files);
        self.perform(run, program, Some(files))
    }

    fn perform(&mut self, run: &Run, program: Program, files: Option<PathBuf>) -> Result<(), String> {
        let mirrors = self.serve_newest(run);
        let root_of = run.root_of.clone().unwrap_or_else(|| "site".to_owned());
        let number = self.next_number();
        let medium = self.path(&format!("medium-{number}"));
        let root = ship(self.tree(&root_of), run.root.unwrap_or(1), &medium);
        if let Some(floor) = &run.floor {
            let floor = kept::pair(self.tree(floor));
            fs::write(root.with_extension("json.floor"), floor).expect("the medium's floor");
        }
        let now = self.publisher(None).now;
        let clock = run.clock.as_deref().map_or(now.plus(HOUR), |text| moment(text, start()));

        let mut program = program.args(["--json", "--allow-http", "--lang", "en"]).arg("--root").arg(&root);
        program = program.args(["--now", &clock.to_string()]).limit(Duration::from_secs(240));
        for url in &mirrors {
            program = program.args(["--site", url]);
        }
        if self.mirrors.values().any(|mirror| mirror.tls) {
            let file = self.path("ca.pem");
            fs::write(&file, self.authorities().pem()).expect("the authority's certificate");
            program = program.arg("--ca").arg(file);
        }
        let state = run.state_folder.clone().unwrap_or_else(|| "state".to_owned());
        let state = (state != "none").then(|| self.path(&state));
        let cache = run.cache.as_ref().map(|name| self.path(name));
        for (option, folder) in [("--state", &state), ("--cache", &cache)] {
            if let Some(folder) = folder {
                program = program.arg(option).arg(folder);
            }
        }
        let (state_before, cache_before) = (read(state.as_deref()), read(cache.as_deref()));
        self.log.lock().expect("the log").clear();
        let begun = Instant::now();
        let output = program.run();
        let seconds = begun.elapsed().as_secs_f64();
        let requests = std::mem::take(&mut *self.log.lock().expect("the log"));
        let json = serde_json::from_str(&output.stdout).unwrap_or_default();
        let found = Found { output, json, requests, seconds, state_before, cache_before, state, cache, files };
        self.judge(run, &found)
    }

    /// The mirrors of a run, each with the newest bytes of its tree.
    fn serve_newest(&mut self, run: &Run) -> Vec<String> {
        self.mirror("a");
        let names: Vec<String> = run.mirrors.clone().unwrap_or_else(|| self.mirrors.keys().cloned().collect());
        for name in names.iter().filter(|name| *name != NOBODY) {
            self.mirror(name);
        }
        let trees: Vec<_> = self.mirrors.iter().map(|(name, mirror)| (name.clone(), mirror.tree.clone())).collect();
        for (name, tree) in trees {
            let tree = self.tree(&tree).clone();
            self.mirrors[&name].host.serve(tree);
        }
        let url = |name: &String| match name.as_str() {
            // Nothing listens on the first port of any machine.
            NOBODY => "http://127.0.0.1:1".to_owned(),
            name => self.mirrors[name].host.url.clone(),
        };
        names.iter().map(url).collect()
    }

    fn judge(&mut self, run: &Run, found: &Found) -> Result<(), String> {
        let mut verdict = Verdict::default();
        self.judge_outcome(run, found, &mut verdict);
        self.judge_requests(run, found, &mut verdict);
        judge_folders(run, found, &mut verdict);
        if verdict.0.is_empty() {
            return Ok(());
        }
        let mut report = verdict.0.join("\n");
        let _ = write!(report, "\n{}", self.without_addresses(&found.output.to_string()));
        for request in &found.requests {
            let _ = write!(report, "\n{} {} ({} bytes)", request.mirror, request.path, sent(request));
        }
        Err(report)
    }

    fn judge_outcome(&mut self, run: &Run, found: &Found, verdict: &mut Verdict) {
        let words = self.words();
        let Found { output, json, .. } = found;
        verdict.equal("exit status", &output.exit, &Some(i32::from(run.exit)));
        verdict.expect(!output.stderr.contains("panicked"), || "it panicked".to_owned());
        verdict.equal("`exit` in the JSON", &json["exit"], &run.exit.into());
        verdict.equal("`ok` in the JSON", &json["ok"], &(run.exit == 0).into());
        let message = self.without_addresses(json["message"].as_str().unwrap_or_default());
        if run.exit != 0 {
            verdict.equal("`code` in the JSON", &json["code"].as_str(), &code_name(run.exit).as_deref());
            let remedy = json["remedy"].as_str().unwrap_or_default();
            verdict.expect(!message.is_empty() && !remedy.is_empty(), || "no message or no remedy".to_owned());
            let told = output.stderr.contains("error: ") && output.stderr.contains("help: ");
            verdict.expect(told, || "standard error lacks `error:` or `help:`".to_owned());
            let written = found.files.as_ref().is_some_and(|files| files.exists());
            verdict.expect(!written, || "files were written although it was refused".to_owned());
        }
        for part in run.message.iter().map(|part| words.fill(part)) {
            verdict.expect(message.contains(&part), || format!("`{part}` is not in the message"));
        }
        for text in &run.silent_about {
            let printed = output.stdout.contains(text) || output.stderr.contains(text);
            verdict.expect(!printed, || format!("it printed {text:?}"));
        }
        let warnings: Vec<_> = json["warnings"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        for part in &run.warning {
            let told = warnings.iter().any(|warning| self.without_addresses(warning).contains(part));
            verdict.expect(told, || format!("no warning says `{part}`"));
        }
        if let Some(trusted) = &run.trusted {
            let wanted = [("root", trusted.root), ("release", trusted.release), ("timestamp", trusted.timestamp)];
            for (role, wanted) in wanted {
                if let Some(wanted) = wanted {
                    verdict.equal(role, &json[role], &wanted.into());
                }
            }
            if let Some(wanted) = &trusted.source {
                let source = self.without_addresses(json["source"].as_str().unwrap_or_default());
                verdict.equal("source", &source, wanted);
            }
        }
        if let (Some(least), seconds) = (run.seconds_at_least, found.seconds) {
            verdict.expect(seconds >= least, || format!("it took {seconds:.1} s, at least {least} s were expected"));
        }
        if let (Some(most), seconds) = (run.seconds_at_most, found.seconds) {
            verdict.expect(seconds <= most, || format!("it took {seconds:.1} s, at most {most} s were expected"));
        }
    }

    fn judge_requests(&mut self, run: &Run, found: &Found, verdict: &mut Verdict) {
        let words = self.words();
        let asked: Vec<_> =
            found.requests.iter().map(|request| format!("{} {}", request.mirror, request.path)).collect();
        if let Some(requests) = &run.requests {
            let wanted: Vec<_> = requests.iter().map(|request| words.fill(request)).collect();
            verdict.equal("requests", &asked, &wanted);
        }
        for never in run.never_asked.iter().map(|request| words.fill(request)) {
            verdict.expect(!asked.contains(&never), || format!("it asked for `{never}`"));
        }
        if let Some(wanted) = run.request_count {
            verdict.equal("number of requests", &asked.len(), &wanted);
        }
        if let Some(most) = run.sent_at_most {
            let all: u64 = found.requests.iter().map(sent).sum();
            verdict.expect(all <= most, || format!("the hosts could send {all} bytes, more than {most}"));
        }
        // What every request may say, whatever the case is about: nothing about the code, the machine or the person.
        for request in &found.requests {
            let plain = request.line == format!("GET /{} HTTP/1.1", request.path) && !request.path.contains('?');
            verdict.expect(plain, || format!("a request that is not plain: {}", request.line));
            for header in &request.headers {
                let (name, value) = header.split_once(':').unwrap_or((header, ""));
                let known = match name.to_ascii_lowercase().as_str() {
                    "host" => true,
                    "accept" => value.trim() == "*/*",
                    "user-agent" => value.trim() == "anode-fetch/1",
                    _ => false,
                };
                verdict.expect(known, || format!("a request says `{header}`"));
            }
        }
    }

    /// Mirrors by their names, so that a text is the same in every run.
    fn without_addresses(&self, text: &str) -> String {
        self.mirrors.iter().fold(text.to_owned(), |text, (name, mirror)| text.replace(&mirror.host.url, name))
    }
}

fn judge_folders(run: &Run, found: &Found, verdict: &mut Verdict) {
    let state = read(found.state.as_deref());
    let expected = match (run.state, &run.kept) {
        (None, None) if run.exit != 0 => Some(Compared::Unchanged),
        (given, _) => given,
    };
    compare("state", expected, &found.state_before, &state, verdict);
    compare("cache", run.cache_is, &found.cache_before, &read(found.cache.as_deref()), verdict);
    let strange = state.keys().find(|name| !name.starts_with("root/") && !name.starts_with("current/"));
    let strange = strange.filter(|name| !found.state_before.contains_key(*name));
    verdict.expect(strange.is_none(), || format!("the state has a file `{}`", strange.cloned().unwrap_or_default()));
    if let Some(wanted) = &run.kept {
        let Kept { root, release, timestamp } = kept::versions(&state);
        for (role, wanted, found) in [
            ("root", wanted.root, root),
            ("release", wanted.release, release),
            ("timestamp", wanted.timestamp, timestamp),
        ] {
            if let Some(wanted) = wanted {
                verdict.equal(&format!("kept {role}"), &found, &wanted);
            }
        }
    }
    if let Some(wanted) = &run.files {
        let mut files = read(found.files.as_deref());
        let record = files.remove("provisioning-selection.json");
        verdict.expect(record.is_some(), || "there is no record of the choice".to_owned());
        let text: BTreeMap<_, _> =
            files.into_iter().map(|(name, bytes)| (name, String::from_utf8_lossy(&bytes).into_owned())).collect();
        verdict.equal("files", &text, wanted);
    }
}

fn compare(
    what: &str,
    expected: Option<Compared>,
    before: &BTreeMap<String, Vec<u8>>,
    after: &BTreeMap<String, Vec<u8>>,
    verdict: &mut Verdict,
) {
    let differing = || anode_tests::differing(before, after).join("`, `");
    match expected {
        None => {}
        Some(Compared::Unchanged) => {
            verdict.expect(before == after, || format!("the {what} changed: `{}`", differing()));
        }
        Some(Compared::Changed) => verdict.expect(before != after, || format!("the {what} did not change")),
        Some(Compared::Empty) => verdict.expect(after.is_empty(), || format!("the {what} has `{}`", differing())),
    }
}

fn read(folder: Option<&Path>) -> BTreeMap<String, Vec<u8>> {
    folder.filter(|folder| folder.is_dir()).map(anode_tests::files).unwrap_or_default()
}

fn sent(request: &Request) -> u64 {
    request.sent.load(Ordering::Relaxed)
}

/// The name of an exit status as the documentation has it.
///
/// # Panics
/// If the documentation can not be read.
#[must_use]
pub fn code_name(exit: u8) -> Option<String> {
    let page = fs::read_to_string(anode_tests::source().join("docs/exit-codes.md")).expect("docs/exit-codes.md");
    let row = page.lines().find_map(|line| line.strip_prefix(&format!("| {exit} | ")))?;
    Some(row.split(" | ").next()?.trim_matches('`').to_owned())
}
