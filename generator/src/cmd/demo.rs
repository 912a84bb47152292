//! `anode demo`: the whole way in a temporary folder, with nothing but this program.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anode_bundle::code::Secret;
use anode_bundle::hardware::Facts;
use anode_bundle::name::{Id, SiteId, tree};
use anode_bundle::pack::{Prompt, PromptType};
use anode_fetch::activate::Shipped;
use anode_fetch::hand_over::{Carry, Target};
use anode_fetch::transport::{Credentials, Https, Limits, PlainHttp, Settings};
use anyhow::{Context as _, Result, anyhow, bail, ensure};
use clap::Args;
use serde::Serialize;
use zeroize::Zeroizing;

use super::build::{Conditions, compile};
use super::{print, size};
use crate::codes::{Origin, Wanted, make, write_terms};
use crate::diagnose::Faulty;
use crate::documents::CodePolicy;
use crate::founding::{Wishes, found};
use crate::keys::KeyRing;
use crate::loopback::Loopback;
use crate::probe::{Attempt, Traffic, probe};
use crate::render::sample_answer;
use crate::repository::Profile;
use crate::trusted::TrustedSite;
use crate::{clock, repository};

#[derive(Args)]
pub(super) struct Options {
    /// Keep everything in this new folder: site/, root.json, ca.pem, codes.json
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// A code that the demonstration made.
#[derive(Serialize)]
struct DemoCode {
    code: String,
    organisation: Id,
    profiles: Vec<Id>,
}

/// Prints each step with the time since the last one.
struct Story {
    step: u32,
    last: Instant,
}

impl Story {
    fn tell(&mut self, text: &str) -> Result<()> {
        self.step += 1;
        let milliseconds = self.last.elapsed().as_millis();
        print(&format!("{:>2}. {text}  [{milliseconds} ms]", self.step))?;
        self.last = Instant::now();
        Ok(())
    }
}

pub(super) fn run(options: &Options) -> Result<ExitCode> {
    let temporary = tempfile::tempdir().context("making a temporary folder")?;
    let place = match &options.out {
        Some(dir) => {
            ensure!(
                !dir.exists() || fs::read_dir(dir)?.next().is_none(),
                "`{}` is there already and not empty; name a new folder",
                dir.display()
            );
            fs::create_dir_all(dir).with_context(|| format!("creating `{}`", dir.display()))?;
            dir.clone()
        }
        None => temporary.path().join("demo"),
    };
    let mut story = Story { step: 0, last: Instant::now() };
    let site_folder = place.join("site");
    let (workshop, keys) = (temporary.path().join("repository"), temporary.path().join("keys"));
    let server = Loopback::serve(&site_folder)?;
    let id = SiteId::from_bytes(*crate::keys::random()?);
    let ring = KeyRing::open(Some(&keys), &id)?;
    let wishes = Wishes {
        title: "Anode demonstration",
        urls: std::slice::from_ref(&server.url),
        password: None,
        codes: CodePolicy { length: 16, phrases: false, hardware: false },
    };
    found(&workshop, &id, &ring, &wishes, clock::now())?;
    story.tell("made a repository of profiles, two root keys, a release key, a timestamp key")?;

    let codes = make_codes(&workshop)?;
    story.tell(&format!(
        "made activation codes for {} organisations; the repository holds their terms, not the codes",
        codes.len()
    ))?;

    let (built, _) = compile(
        &workshop,
        |id| KeyRing::open(Some(&keys), id),
        &site_folder,
        &Conditions::at(clock::now()),
        |_| Ok((None, None)),
    )?;
    let (files, bytes) = measure(&site_folder)?;
    story.tell(&format!(
        "compiled, sealed and signed release {}: {} activations, {} packs, {files} files, {}",
        built.release,
        built.activations,
        built.packs,
        size(bytes)
    ))?;
    let shipped = keep(&place, &workshop, &server, &codes)?;
    story.tell(&format!("serving it at {} with a certificate authority that nobody else knows", server.url))?;

    let (repository, _) = repository::load(&workshop).map_err(Faulty)?;
    let code = codes.first().context("the demonstration has no code")?;
    // The one that asks most has most to show.
    let offered = code.profiles.iter().rev().filter_map(|id| repository.profile(id, Some(&code.organisation)));
    let profile = offered.max_by_key(|profile| profile.prompts.len()).context("the code offers nothing")?;
    let machine = Machine { server: &server, shipped: &shipped, code: &code.code, profile };
    let (files, traffic) = machine.activate(&temporary.path().join("machine"))?;
    story.tell(&format!(
        "a machine typed {}…, chose `{}`, fetched {} in {} requests, verified every byte, and got {} files",
        code.code.get(..4).unwrap_or_default(),
        profile.id,
        size(traffic.bytes),
        traffic.requests,
        files.len()
    ))?;
    for file in files {
        print(&format!("      {file}"))?;
    }

    let victim = site_folder.join(&traffic.last);
    let honest = fs::read(&victim)?;
    let mut tampered = honest.clone();
    let middle = tampered.len() / 2;
    *tampered.get_mut(middle).context("the pack is empty")? ^= 1;
    fs::write(&victim, &tampered)?;
    story.tell(&format!("flipped one bit of the {} bytes of a pack on the server", tampered.len()))?;
    let target = temporary.path().join("second-machine");
    let refusal = match machine.activate(&target) {
        Ok(_) => bail!("a tampered pack was accepted"),
        Err(error) => error,
    };
    let exit = refusal
        .downcast_ref::<anode_fetch::Failure>()
        .map(anode_fetch::Failure::exit)
        .context("an unexpected refusal")?;
    ensure!(!target.exists(), "a refused activation left files behind");
    story.tell(&format!("the machine refused and wrote nothing: exit {} `{}`", exit.number(), exit.name()))?;
    print(&format!("      {refusal:#}"))?;
    fs::write(&victim, &honest)?;
    machine.activate(&target)?;
    story.tell("with the bit put back, the same code works again")?;

    match &options.out {
        Some(_) => print(&format!(
            "\nEverything is in `{0}`: look at `{0}/site`, check it with `anode verify {0}/site --root {0}/root.json`.",
            place.display()
        ))?,
        None => print("\nThe folder is gone again; `anode demo --out DIR` keeps it.")?,
    }
    Ok(ExitCode::SUCCESS)
}

/// A code for each organisation, offering everything that it may use.
fn make_codes(workshop: &Path) -> Result<Vec<DemoCode>> {
    let (repository, _) = repository::load(workshop).map_err(Faulty)?;
    let site = TrustedSite::with_config(workshop, repository.site.clone())?;
    let now = clock::now();
    let mut codes = Vec::new();
    for organisation in &repository.organisations {
        let profiles: Vec<Id> = repository.visible_to(&organisation.id).map(|profile| profile.id.clone()).collect();
        let wanted = Wanted {
            organisation: organisation.id.clone(),
            profiles: profiles.clone(),
            label: Id::new("demo")?,
            not_before: now,
            not_after: now.plus(30 * 86_400),
            uses: None,
            online: false,
            machines: Vec::new(),
            answers: std::collections::BTreeMap::new(),
        };
        let (secret, terms) = make(&repository, site.root(), Origin::Generated, wanted)?;
        write_terms(workshop, &terms)?;
        let Secret::Code(code) = secret else { bail!("a generated code is a code") };
        codes.push(DemoCode { code: code.reveal().to_string(), organisation: organisation.id.clone(), profiles });
    }
    Ok(codes)
}

/// Puts beside the tree what somebody needs who wants to go on by hand.
fn keep(place: &Path, workshop: &Path, server: &Loopback, codes: &[DemoCode]) -> Result<Shipped> {
    let root = workshop.join("keys").join(tree::root(1));
    let shipped = Shipped::read(&root)?;
    let write = |name: &str, bytes: &[u8]| {
        fs::write(place.join(name), bytes).with_context(|| format!("writing `{}`", place.join(name).display()))
    };
    write("root.json", &shipped.root)?;
    for (key, signature) in &shipped.signatures {
        write(&format!("root.json.{key}.minisig"), signature)?;
    }
    write("ca.pem", server.authority.as_bytes())?;
    write("codes.json", &serde_json::to_vec_pretty(codes)?)?;
    Ok(shipped)
}

/// A machine that is being activated.
struct Machine<'a> {
    server: &'a Loopback,
    shipped: &'a Shipped,
    code: &'a str,
    profile: &'a Profile,
}

impl Machine<'_> {
    fn activate(&self, target: &Path) -> Result<(Vec<String>, Traffic)> {
        let settings = Settings {
            credentials: Credentials::new(&[self.server.authority.clone().into_bytes()], None)?,
            plain_http: PlainHttp::Refused,
            limits: Limits::default(),
            proxy: None,
        };
        let secret = Secret::parse(self.code).map_err(|bad| anyhow!(bad))?;
        let attempt = Attempt {
            shipped: self.shipped,
            base: &self.server.url,
            now: clock::now(),
            profile: Some(self.profile.id.as_str()),
            given: self.profile.prompts.iter().filter_map(|prompt| sample(&prompt.value)).collect(),
        };
        let (activated, traffic) = probe(&mut Https::new(settings), secret, attempt)?;
        let files =
            Target::Files(target.to_owned()).write(&activated.files()?, &activated.selection, Carry::Nothing)?;
        Ok((files, traffic))
    }
}

/// What a person might answer where a prompt has no default.
fn sample(prompt: &Prompt) -> Option<(String, Zeroizing<String>)> {
    let answer = match prompt.kind {
        _ if prompt.default_on(&Facts::default()).is_some() => return None,
        // In clear, so that the machine's own code makes the hash.
        PromptType::Password => "correct horse battery".to_owned(),
        _ => sample_answer(prompt),
    };
    Some((prompt.name.to_string(), Zeroizing::new(answer)))
}

fn measure(folder: &Path) -> Result<(u64, u64)> {
    let mut sum = (0, 0);
    for entry in walkdir::WalkDir::new(folder) {
        let entry = entry?;
        if entry.file_type().is_file() {
            sum = (sum.0 + 1, sum.1 + entry.metadata()?.len());
        }
    }
    Ok(sum)
}
