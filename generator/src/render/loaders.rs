//! `[boot.loaders]`: shim and GRUB as the distribution signed them for its own installer.
//!
//! They reach a pack together or not at all: half of a chain starts nothing. A definition whose shim and GRUB render to nothing has none for this profile.

use anode_bundle::name::SafePath;
use anode_bundle::pack::{KernelSignature, Loaders};

use super::escape::Rule;
use super::pass::{HOW_TO_PIN, Pass};
use crate::diagnose::Problem;
use crate::repository::{LoaderTemplates, Located, Lock};

/// What `[boot.loaders]` says for one profile.
pub(super) struct Named {
    /// shim's address.
    pub(super) shim: Located<String>,
    /// GRUB's address.
    pub(super) grub: Located<String>,
    grub_name: SafePath,
    menu: SafePath,
}

impl<'r> Pass<'_, 'r> {
    /// The boot loaders that the definition names, if it names any here.
    pub(super) fn loaders(&mut self) -> Option<Named> {
        let templates = self.layers.definition.boot.as_ref()?.loaders.as_ref()?;
        let (shim, grub) = (self.line(&templates.shim), self.line(&templates.grub));
        let (shim, grub) = (shim?, grub?);
        let lone = match (shim.value.is_empty(), grub.value.is_empty()) {
            (true, true) => return None,
            (true, false) => Some((&shim, "shim", "grub")),
            (false, true) => Some((&grub, "grub", "shim")),
            (false, false) => None,
        };
        if let Some((lone, nothing, other)) = lone {
            let message =
                format!("`{nothing}` renders to nothing, and `{other}` of the same `[boot.loaders]` does not");
            let help = "shim starts GRUB: name both, or let both render to nothing";
            self.problems.push(Problem::at(&lone.origin, message).help(help));
            return None;
        }
        let (grub_name, menu) = (self.grub_name(templates, &grub), self.menu(templates));
        Some(Named { shim, grub, grub_name: grub_name?, menu: menu? })
    }

    /// What is pinned of them for a pack, if both are; `signature` is the kernel's.
    pub(super) fn pinned_loaders(&mut self, named: Named, signature: Option<&KernelSignature>) -> Option<Loaders> {
        let Named { shim, grub, grub_name, menu } = named;
        let lock = &self.layers.repository.lock;
        if let (Some(shim), Some(grub)) = (lock.blob(&shim.value), lock.blob(&grub.value)) {
            return Some(Loaders { shim, grub, grub_name, menu });
        }
        // Nothing is lost where they could start nothing: shim refuses a kernel that nobody signed.
        if !signature.is_some_and(|signature| signature.keys.is_empty()) {
            let missing = [&shim, &grub].into_iter().filter(|loader| lock.pinned(&loader.value).is_none());
            let missing: Vec<_> = missing.map(|loader| format!("`{}`", loader.value)).collect();
            let verb = if missing.len() == 1 { "is" } else { "are" };
            let message = format!(
                "{} {verb} not pinned: a medium that may not load this kernel under Secure Boot has no other way to start it",
                missing.join(" and ")
            );
            self.problems.push(Problem::warning(Lock::PATH, message).help(HOW_TO_PIN));
        }
        None
    }

    fn grub_name(&mut self, templates: &'r LoaderTemplates, grub: &Located<String>) -> Option<SafePath> {
        let name = match &templates.grub_name {
            Some(template) => self.line(template)?,
            None => {
                let last = grub.value.rsplit('/').next().unwrap_or_default();
                Located { value: last.to_owned(), origin: grub.origin.clone() }
            }
        };
        let path = SafePath::new(&name.value).ok().filter(|path| !path.as_str().contains('/'));
        if path.is_none() {
            let message = format!("`{}` is not the name of a file that shim could look for", name.value);
            let help = "shim looks beside itself: set `grub_name` to a name without a folder, such as `grubx64.efi`";
            self.problems.push(Problem::at(&name.origin, message).help(help));
        }
        path
    }

    fn menu(&mut self, templates: &'r LoaderTemplates) -> Option<SafePath> {
        let menu = self.line(&templates.menu)?;
        let path = SafePath::new(&menu.value).ok();
        if path.is_none() {
            let message = format!("`{}` is not a path on the file system that GRUB comes from", menu.value);
            let help = "write it from the root, without a slash in front: `EFI/BOOT/grub.cfg`";
            self.problems.push(Problem::at(&menu.origin, message).help(help));
        }
        path
    }

    /// A template of one line, with its place.
    pub(super) fn line(&mut self, template: &'r Located<String>) -> Option<Located<String>> {
        let (value, _) = self.inline(template, template.value.clone(), Rule::Address)?;
        Some(Located { value, origin: template.origin.clone() })
    }
}
