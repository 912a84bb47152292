//! The manifest of a pack: what is in it, what to boot, what to ask.

use serde::{Deserialize, Serialize};

use super::network::NetworkWords;
use super::prompt::Prompt;
use crate::name::{Id, SafePath, Sha256, SiteId};

/// The JSON document at the head of a pack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// 1.
    pub format: u64,
    /// The site it was rendered for.
    pub site: SiteId,
    /// The profile it was rendered from.
    pub profile: Id,
    /// The organisation whose layer is in it; absent where that layer changes nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organisation: Option<Id>,
    /// One line for people.
    pub title: String,
    /// A sentence for people.
    #[serde(default)]
    pub description: String,
    /// The installer that reads the files.
    pub installer: Installer,
    /// How the files reach it.
    pub hand_over: HandOver,
    /// Goes ahead without the last question.
    pub unattended: bool,
    /// Whether what the installer fetches by itself is pinned.
    pub second_stage: SecondStage,
    /// What to boot; absent while kernel and initrd are not pinned in `anode.lock`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot: Option<Boot>,
    /// The files, in the order of their bytes.
    pub files: Vec<File>,
    /// What to ask.
    #[serde(default)]
    pub prompts: Vec<Prompt>,
    /// What configures the machine after its first boot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ansible: Option<Ansible>,
    /// Names of features that a reader must know (format, section 1).
    #[serde(default)]
    pub critical: Vec<String>,
}

/// The installer that a pack is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Installer {
    /// The installer definition.
    pub id: Id,
    /// Its title.
    pub title: String,
    /// The distribution's version.
    pub version: String,
    /// The distribution's name of the processor architecture.
    pub architecture: String,
}

/// How the files reach the installer (design, section 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HandOver {
    /// Appended to the initrd, then `kexec_file_load`.
    Kexec,
    /// A disk image with a first-boot seed.
    Image,
    /// Written to a folder.
    Files,
}

/// What is known about the parts that the installer fetches by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecondStage {
    /// Every byte of it is authenticated by something inside the pinned kernel and initrd, or there is none.
    pub pinned: bool,
    /// By what, or why not.
    pub how: String,
}

/// What to boot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Boot {
    /// The kernel.
    pub kernel: Blob,
    /// Who signed it; absent where nobody looked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<KernelSignature>,
    /// The initrds, in their order.
    pub initrd: Vec<Blob>,
    /// The installer's own signed boot loaders, for machines whose running kernel does not trust the installer's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loaders: Option<Loaders>,
    /// Second stages that are fetched in the installer's initramfs, each with its name. The files of the pack say how.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<Blob>,
    /// The hand-over puts the fetcher's own program into the initrd, for the files of the pack to call.
    #[serde(default)]
    pub carry_fetcher: bool,
    /// The kernel command line, at most 2,000 characters with its inserts.
    pub command_line: String,
    /// Where answers belong in the command line.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inserts: Vec<Insert>,
    /// How the installer is given the network that was set at the medium; absent where the definition does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<NetworkWords>,
}

/// Who signed a kernel, for machines that load no other: known before it is fetched, and judged by the running kernel alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KernelSignature {
    /// The signer's name for people; empty where there is no signature.
    pub by: String,
    /// Key identifiers (RFC 5280, section 4.2.1.2) in hex, of which the running kernel has to trust one.
    pub keys: Vec<String>,
}

/// What a firmware with Secure Boot starts in front of the kernel: shim, and the GRUB that this starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loaders {
    /// shim, signed by an authority that firmwares know.
    pub shim: Blob,
    /// GRUB 2, signed by a key inside that shim.
    pub grub: Blob,
    /// By which name shim looks for GRUB beside itself: `grubx64.efi`. One part.
    pub grub_name: SafePath,
    /// Where that GRUB looks for its menu, from the root of the file system that it came from: `EFI/BOOT/grub.cfg`.
    pub menu: SafePath,
}

/// A pinned file outside the pack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blob {
    /// What the definition calls it; absent for kernels and initrds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Id>,
    /// Where it can be had, in order of preference.
    pub urls: Vec<String>,
    /// Its hash.
    pub sha256: Sha256,
    /// Its length in bytes.
    pub length: u64,
}

/// One file of the pack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    /// Where it lies for the installer.
    pub path: SafePath,
    /// Permission bits.
    pub mode: u32,
    /// Its length in bytes, without answers.
    pub length: u64,
    /// Where answers belong in it, ascending.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inserts: Vec<Insert>,
}

/// A place where the answer to a prompt belongs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Insert {
    /// The offset in bytes, counted in the text without answers.
    pub at: u64,
    /// Which prompt's answer.
    pub prompt: Id,
}

/// Where ansible-pull gets its playbook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ansible {
    /// The git repository.
    pub repository: String,
    /// The pinned commit (40 or 64 hex digits); without one the branch decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// The branch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// The playbook below the repository.
    pub playbook: String,
    /// The groups of the inventory that the machine is in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// The file below the repository that names roles and collections.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requirements: Option<String>,
    /// When it runs again, as systemd's `OnCalendar`; never without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<String>,
    /// The schedule plays a new commit only.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub only_if_changed: bool,
}
