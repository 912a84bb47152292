//! The record of what was chosen. It is copied into the installed system, so it holds no secret, no code and no answer.

use anode_bundle::Moment;
use anode_bundle::name::{Id, SiteId};
use anode_bundle::pack::{Ansible, Manifest, SecondStage};
use serde::Serialize;

/// The file's name, beside the files of the pack.
pub const SELECTION_FILE: &str = "provisioning-selection.json";

/// The content of [`SELECTION_FILE`], one JSON object:
///
/// ```json
/// {
///   "format": 1,
///   "site": "AAAAAAAAAAAAAAAAAAAAAAAAAA",
///   "site_title": "Example site",
///   "organisation": "acme",
///   "profile": "debian-server",
///   "title": "Debian server",
///   "release": 12,
///   "installer": "debian",
///   "version": "12",
///   "architecture": "amd64",
///   "second_stage": { "pinned": true, "how": "Release.gpg against the keyring in the pinned initrd" },
///   "ansible": { "repository": "https://…", "commit": "…", "branch": "main", "playbook": "site.yml", "groups": ["web"],
///                "requirements": "requirements.yml", "schedule": "hourly", "only_if_changed": true },
///   "activated_at": "2026-11-01T12:00:00Z",
///   "clock": "ok",
///   "source": "https://install.example.org"
/// }
/// ```
///
/// `ansible` is `null` where the profile has none, and what is not set in it is absent. `activated_at` is a lower bound of
/// the time; `clock` is `dead` where the machine's clock read a time before the medium was built. `source` is the mirror, `state` or `cache`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Selection {
    /// 1.
    pub format: u64,
    /// The site's id.
    pub site: SiteId,
    /// The site's name for people.
    pub site_title: String,
    /// The organisation of the code.
    pub organisation: Id,
    /// The profile.
    pub profile: Id,
    /// Its title.
    pub title: String,
    /// The version of the release it came from.
    pub release: u64,
    /// The installer definition.
    pub installer: Id,
    /// The distribution's version.
    pub version: String,
    /// The distribution's name of the processor architecture.
    pub architecture: String,
    /// What is known about the parts that the installer fetches by itself.
    pub second_stage: SecondStage,
    /// What configures the machine after its first boot.
    pub ansible: Option<Ansible>,
    /// A lower bound of the time.
    pub activated_at: Moment,
    /// Whether the machine's clock can be believed.
    pub clock: ClockState,
    /// Where the current release was learnt from.
    pub source: String,
}

/// Whether the machine's clock can be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ClockState {
    /// It reads a time after the medium was built.
    Ok,
    /// It reads a time before that.
    Dead,
}

impl Selection {
    /// What a manifest says, and what only the run knows.
    #[must_use]
    pub fn new(manifest: &Manifest, organisation: Id, run: &RunFacts) -> Selection {
        Selection {
            format: 1,
            site: manifest.site.clone(),
            site_title: run.site_title.clone(),
            organisation,
            profile: manifest.profile.clone(),
            title: manifest.title.clone(),
            release: run.release,
            installer: manifest.installer.id.clone(),
            version: manifest.installer.version.clone(),
            architecture: manifest.installer.architecture.clone(),
            second_stage: manifest.second_stage.clone(),
            ansible: manifest.ansible.clone(),
            activated_at: run.at,
            clock: run.clock,
            source: run.source.clone(),
        }
    }
}

/// What a run knows and no document says.
#[derive(Debug, Clone)]
pub struct RunFacts {
    /// The site's name for people.
    pub site_title: String,
    /// The version of the release.
    pub release: u64,
    /// A lower bound of the time.
    pub at: Moment,
    /// Whether the machine's clock can be believed.
    pub clock: ClockState,
    /// The mirror, `state` or `cache`.
    pub source: String,
}
