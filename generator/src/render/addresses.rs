//! The addresses of a profile alone: what it boots, and where its distribution says what that hashes to. For `anode lock`, before anything is pinned.

use super::Renderer;
use super::loaders::Named;
use super::pass::Pass;
use crate::diagnose::{Origin, Problems};
use crate::repository::{Located, Organisation, Profile};

/// What a profile boots, by address.
#[derive(Debug, Clone)]
pub struct Addresses {
    /// The kernel.
    pub kernel: Located<String>,
    /// The initrds, in their order.
    pub initrd: Vec<Located<String>>,
    /// Second stages; those whose address renders to nothing are left out.
    pub images: Vec<Located<String>>,
    /// shim and GRUB of the distribution's own, if the definition names them here.
    pub loaders: Option<[Located<String>; 2]>,
    /// Who says what they hash to, the best first.
    pub checksums: Vec<Vouching>,
}

/// A rendered `[[checksums]]`.
#[derive(Debug, Clone)]
pub struct Vouching {
    /// What the addresses of the files begin with.
    pub covers: Option<String>,
    /// Lists of hashes, the signed one first.
    pub lists: Vec<String>,
    /// `inline`, the address of a signature, or one with `{file}` in it.
    pub signature: Option<String>,
    /// Whose signature counts.
    pub keyring: Option<String>,
    /// The package that has the keyring.
    pub package: Option<String>,
    /// Where it is declared.
    pub origin: Origin,
}

impl<'r> Renderer<'r> {
    /// The addresses of a profile as an organisation sees it; `None` if its definition boots nothing.
    ///
    /// # Errors
    /// Every problem of these few templates.
    pub fn addresses(
        &self,
        profile: &'r Profile,
        organisation: Option<&'r Organisation>,
    ) -> Result<Option<Addresses>, Problems> {
        let mut pass = Pass::begin(self, self.layers(profile, organisation)?);
        let addresses = pass.addresses();
        if pass.problems.has_errors() { Err(pass.problems) } else { Ok(addresses) }
    }
}

impl<'r> Pass<'_, 'r> {
    fn addresses(&mut self) -> Option<Addresses> {
        let definition = self.layers.definition;
        let boot = definition.boot.as_ref()?;
        let kernel = self.line(&boot.kernel);
        let initrd: Vec<_> = boot.initrd.iter().map(|initrd| self.line(initrd)).collect();
        let images: Vec<_> = boot.images.iter().map(|(_, image)| self.line(image)).collect();
        let version = &self.layers.profile.version.value;
        let mut checksums = Vec::new();
        for known in definition.checksums.iter().filter(|known| known.versions.cover(version)) {
            let mut text = |template: &'r Option<Located<String>>| {
                template.as_ref().and_then(|template| self.line(template)).map(|text| text.value)
            };
            let (covers, keyring) = (text(&known.covers), text(&known.keyring));
            let signature = text(&known.signature);
            let lists = known.lists.iter().filter_map(|list| self.line(list)).map(|list| list.value).collect();
            let (package, origin) = (known.package.clone(), known.origin.clone());
            checksums.push(Vouching { covers, lists, signature, keyring, package, origin });
        }
        let loaders = self.loaders().map(|Named { shim, grub, .. }| [shim, grub]);
        let images = images.into_iter().flatten().filter(|image| !image.value.is_empty()).collect();
        let initrd = initrd.into_iter().collect::<Option<_>>()?;
        Some(Addresses { kernel: kernel?, initrd, images, loaders, checksums })
    }
}

impl Vouching {
    /// Does another one ask the same questions?
    #[must_use]
    pub fn says_the_same(&self, other: &Vouching) -> bool {
        let words = |vouching: &Vouching| {
            (vouching.covers.clone(), vouching.lists.clone(), vouching.signature.clone(), vouching.keyring.clone())
        };
        words(self) == words(other)
    }
}
