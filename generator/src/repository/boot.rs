//! What a definition boots, and what it says about the parts that the installer fetches by itself.
//!
//! A second stage that nothing inside the pinned initrd authenticates is an *image*: pinned in `anode.lock` like the kernel, and fetched by a hook of the
//! definition with the fetcher that the hand-over carries into the initrd. Whether it is pinned may depend on variables: the first case that applies counts.
//!
//! `[boot.loaders]` names the shim and the GRUB that the distribution signed for its own installer: a machine whose running kernel does not trust the signer of
//! the installer's kernel may be restarted into them.
//!
//! `[boot.network]` says by which words of the kernel command line the installer is given an address, a VLAN, name servers, a card and a proxy.

use anode_bundle::name::Id;

use super::fields::{Fields, Located};
use super::value::Value;
use crate::diagnose::Problem;

/// `[boot]`: templates of one line each.
#[derive(Debug, Clone)]
pub struct BootTemplates {
    /// The kernel's address.
    pub kernel: Located<String>,
    /// The initrds' addresses.
    pub initrd: Vec<Located<String>>,
    /// Second stages by name; templates see what is pinned of them as `image.<name>`. An address that renders to nothing is none.
    pub images: Vec<(Id, Located<String>)>,
    /// The distribution's own signed boot loaders.
    pub loaders: Option<LoaderTemplates>,
    /// The hand-over puts the fetcher's own program into the initrd, at `anode/anode-fetch`.
    pub carry_fetcher: bool,
    /// The kernel command line.
    pub command_line: Located<String>,
    /// How the installer is given the network that a person set at the medium.
    pub network: Option<NetworkTemplates>,
}

/// `[boot.network]`: templates of words for the kernel command line, with the placeholders of [`anode_bundle::pack::network`] in single braces. One that renders
/// to nothing says nothing.
#[derive(Debug, Clone)]
pub struct NetworkTemplates {
    /// For an address.
    pub address: Option<Located<String>>,
    /// For name servers.
    pub name_servers: Option<Located<String>>,
    /// For a tagged network.
    pub vlan: Option<Located<String>>,
    /// For an address inside one.
    pub vlan_address: Option<Located<String>>,
    /// For DHCP inside one.
    pub vlan_dhcp: Option<Located<String>>,
    /// For the card.
    pub interface: Option<Located<String>>,
    /// For a proxy.
    pub proxy: Option<Located<String>>,
    /// What the words of the command line begin with that make room.
    pub replaces: Option<Located<String>>,
    /// The profile sets the installer's network, if this expression is true.
    pub own_network: Option<Located<String>>,
    /// The profile sets the installer's proxy, if this expression is true.
    pub own_proxy: Option<Located<String>>,
}

impl NetworkTemplates {
    /// Those of words.
    pub fn texts(&self) -> impl Iterator<Item = &Located<String>> {
        let network = [&self.address, &self.name_servers, &self.vlan, &self.vlan_address, &self.vlan_dhcp];
        network.into_iter().chain([&self.interface, &self.proxy, &self.replaces]).flatten()
    }

    /// Those of expressions.
    pub fn conditions(&self) -> impl Iterator<Item = &Located<String>> {
        self.own_network.iter().chain(&self.own_proxy)
    }
}

/// `[boot.loaders]`: templates of one line each. They name nothing if shim and GRUB render to nothing.
#[derive(Debug, Clone)]
pub struct LoaderTemplates {
    /// shim's address.
    pub shim: Located<String>,
    /// GRUB's address.
    pub grub: Located<String>,
    /// The name by which shim looks for GRUB; `None`: the last part of GRUB's address.
    pub grub_name: Option<Located<String>>,
    /// Where GRUB looks for its menu, from the root of its file system.
    pub menu: Located<String>,
}

impl LoaderTemplates {
    /// All of them.
    pub fn texts(&self) -> impl Iterator<Item = &Located<String>> {
        [&self.shim, &self.grub, &self.menu].into_iter().chain(&self.grub_name)
    }
}

/// One case of `[[second_stage]]`.
#[derive(Debug, Clone)]
pub struct SecondStageCase {
    /// It applies if this expression of the template language is true; `None`: always.
    pub when: Option<Located<String>>,
    /// Every byte of it is authenticated, provided that [`SecondStageCase::images`] are in `anode.lock`.
    pub pinned: bool,
    /// By what, or why not.
    pub how: String,
    /// The images that have to be pinned for that.
    pub images: Vec<Located<Id>>,
}

/// Reads `[boot]`.
pub fn read_boot(table: &mut Fields<'_, '_, '_>) -> Option<BootTemplates> {
    let kernel = table.required("kernel", "kernel = \"{{ mirror }}/linux\"");
    let initrd = table.texts("initrd");
    if initrd.is_empty() {
        table.missing("initrd", "initrd = [\"{{ mirror }}/initrd.gz\"]");
    }
    let mut images = Vec::new();
    for (name, value) in table.values("images") {
        match (Id::new(&name), value.value) {
            (Ok(id), Value::Text(url)) if super::profile::is_word(&name) => {
                images.push((id, Located { value: url, origin: value.origin }));
            }
            _ => {
                let problem = Problem::at(&value.origin, format!("the image `{name}` is not a name with an address"));
                table.push(problem.help("write `images = { iso = \"{{ mirror }}/live.iso\" }`"));
            }
        }
    }
    let loaders = table.table("loaders", read_loaders).flatten();
    let carry_fetcher = table.switch("carry_fetcher").unwrap_or(false);
    let command_line = table.required("command_line", "command_line = \"quiet\"");
    let network = table.table("network", |network| NetworkTemplates {
        address: network.text("address"),
        name_servers: network.text("name_servers"),
        vlan: network.text("vlan"),
        vlan_address: network.text("vlan_address"),
        vlan_dhcp: network.text("vlan_dhcp"),
        interface: network.text("interface"),
        proxy: network.text("proxy"),
        replaces: network.text("replaces"),
        own_network: network.text("own_network"),
        own_proxy: network.text("own_proxy"),
    });
    let command_line = command_line?;
    Some(BootTemplates { kernel: kernel?, initrd, images, loaders, carry_fetcher, command_line, network })
}

fn read_loaders(table: &mut Fields<'_, '_, '_>) -> Option<LoaderTemplates> {
    let shim = table.required("shim", "shim = \"{{ mirror }}/EFI/BOOT/BOOTX64.EFI\"");
    let grub = table.required("grub", "grub = \"{{ mirror }}/EFI/BOOT/grubx64.efi\"");
    let grub_name = table.text("grub_name");
    let menu = table.required("menu", "menu = \"EFI/BOOT/grub.cfg\"");
    Some(LoaderTemplates { shim: shim?, grub: grub?, grub_name, menu: menu? })
}

/// Reads `[[second_stage]]`.
pub fn read_second_stage(top: &mut Fields<'_, '_, '_>) -> Vec<SecondStageCase> {
    top.tables("second_stage", read_case)
}

/// At least one case; the last one applies always, and every image that is named is one of `[boot]`.
pub fn check_second_stage(top: &mut Fields<'_, '_, '_>, cases: &[SecondStageCase], boot: Option<&BootTemplates>) {
    for image in cases.iter().flat_map(|case| &case.images) {
        let known: Vec<_> = boot.into_iter().flat_map(|boot| &boot.images).map(|(name, _)| name.as_str()).collect();
        if !known.contains(&image.value.as_str()) {
            let problem = Problem::at(&image.origin, format!("`[boot]` has no image `{}`", image.value));
            top.push(problem.nearest(image.value.as_str(), known));
        }
    }
    match cases.last() {
        None if !top.has("second_stage") => top.missing("second_stage", "[[second_stage]]"),
        Some(SecondStageCase { when: Some(when), .. }) => {
            let problem = Problem::at(&when.origin, "the last case of `[[second_stage]]` has a `when`");
            top.push(problem.help("add a case without `when`: it applies where no other does"));
        }
        _ => {}
    }
}

fn read_case(table: &mut Fields<'_, '_, '_>) -> SecondStageCase {
    let when = table.text("when");
    let pinned = table.switch("pinned").unwrap_or(false);
    let how = table.required_title("how", 240, "how = \"why nothing else has to be trusted, or what has\"");
    let images = table.names("images", Id::new);
    SecondStageCase { when, pinned, how: how.unwrap_or_default(), images }
}
