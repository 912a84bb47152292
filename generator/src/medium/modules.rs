//! Which of the kernel's modules a medium has, and the files by which `modprobe` finds them.
//!
//! `site/medium/modules` names folders and modules; what they need comes along. `depmod` is not asked: what it writes is computed from what each module says
//! of itself in its section `.modinfo`, so that nothing of the machine that makes a medium gets into it. Modules stay as they are: they are signed.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, bail, ensure};

use super::deb::Deb;
use super::elf::Elf;

/// The list, as it lies in the repository.
const LIST: &str = include_str!("../../../site/medium/modules");

/// With or without what needs firmware.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Equipment {
    /// Drivers that work by themselves.
    Plain,
    /// Also those that load firmware, wireless ones among them.
    Firmware,
}

/// A module's own words.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Module {
    /// Its file below `lib/modules/<release>/`.
    path: String,
    depends: Vec<String>,
    before: Vec<String>,
    aliases: Vec<String>,
    firmware: Vec<String>,
}

/// The modules of a kernel, and those that a medium takes.
#[derive(Debug)]
pub struct Modules {
    /// `6.1.0-56-amd64`
    pub release: String,
    folder: String,
    known: BTreeMap<String, Module>,
    chosen: BTreeSet<String>,
}

impl Modules {
    /// Reads what every module of a kernel's package says, and chooses.
    ///
    /// # Errors
    /// If it is no kernel's package, or a module is broken or needs one that is not there.
    pub fn choose(kernel: &mut Deb, equipment: Equipment) -> Result<Modules> {
        let (folder, release) = place(kernel)?;
        let modules: Vec<String> = kernel
            .paths()
            .filter(|path| path.starts_with(&folder) && path.ends_with(".ko"))
            .map(str::to_owned)
            .collect();
        ensure!(!modules.is_empty(), "the kernel's package has no modules that are not compressed");
        let mut known = BTreeMap::new();
        for path in modules {
            let bytes = kernel.read(&path)?;
            let path = path.strip_prefix(&folder).unwrap_or(&path).to_owned();
            let module = Module::read(&path, &bytes).with_context(|| format!("reading the module `{path}`"))?;
            known.insert(module.name(), module);
        }
        let builtin = String::from_utf8(kernel.read(&format!("{folder}modules.builtin"))?)?;
        let builtin: BTreeSet<String> = builtin.lines().map(name).collect();
        let mut chosen = BTreeSet::new();
        let mut wanted = selected(LIST, equipment, &known)?;
        while let Some(module) = wanted.pop() {
            if !chosen.insert(module.clone()) {
                continue;
            }
            let Some(found) = known.get(&module) else {
                bail!("the module `{module}` is needed and not in the package")
            };
            wanted.extend(found.depends.iter().cloned());
            wanted.extend(
                found.before.iter().filter(|name| known.contains_key(*name) && !builtin.contains(*name)).cloned(),
            );
        }
        Ok(Modules { release, folder, known, chosen })
    }

    fn chosen(&self) -> impl Iterator<Item = (&str, &Module)> {
        self.chosen.iter().filter_map(|name| Some((name.as_str(), self.known.get(name)?)))
    }

    /// The chosen modules' files below `lib/modules/<release>/`: as they lie in the package, and how they are called there.
    pub fn files(&self) -> impl Iterator<Item = (String, &str)> {
        self.chosen().map(|(_, module)| (format!("{}{}", self.folder, module.path), module.path.as_str()))
    }

    /// The file that names what is built into the kernel, in the package.
    #[must_use]
    pub fn builtin(&self) -> String {
        format!("{}modules.builtin", self.folder)
    }

    /// How many were chosen.
    #[must_use]
    pub fn count(&self) -> usize {
        self.chosen.len()
    }

    /// The firmware that the chosen modules may ask for, by its name.
    #[must_use]
    pub fn firmware(&self) -> BTreeSet<&str> {
        self.chosen().flat_map(|(_, module)| module.firmware.iter().map(String::as_str)).collect()
    }

    /// `modules.dep`: each module, and behind it what has to be loaded first, the last one first.
    ///
    /// # Errors
    /// If modules need each other in a circle.
    pub fn dependencies(&self) -> Result<String> {
        let mut text = String::new();
        for (name, module) in self.chosen() {
            let mut order = Vec::new();
            self.visit(name, &mut Vec::new(), &mut order)?;
            order.pop();
            let needed: Vec<_> =
                order.iter().rev().filter_map(|name| Some(format!(" {}", self.known.get(*name)?.path))).collect();
            text.push_str(&format!("{}:{}\n", module.path, needed.concat()));
        }
        Ok(text)
    }

    /// What a module needs, deepest first, and then itself.
    fn visit<'m>(&'m self, name: &'m str, above: &mut Vec<&'m str>, order: &mut Vec<&'m str>) -> Result<()> {
        ensure!(!above.contains(&name), "modules need each other in a circle: {}", above.join(", "));
        if order.contains(&name) {
            return Ok(());
        }
        above.push(name);
        for needed in self.known.get(name).into_iter().flat_map(|module| module.before.iter().chain(&module.depends)) {
            if self.chosen.contains(needed) {
                self.visit(needed, above, order)?;
            }
        }
        above.pop();
        order.push(name);
        Ok(())
    }

    /// `modules.alias`: which hardware, file system or protocol a module is for.
    #[must_use]
    pub fn aliases(&self) -> String {
        let lines = self
            .chosen()
            .flat_map(|(name, module)| module.aliases.iter().map(move |alias| format!("alias {alias} {name}\n")));
        lines.collect()
    }
}

impl Module {
    fn read(path: &str, bytes: &[u8]) -> Result<Module> {
        let information = Elf::read(bytes).and_then(|elf| elf.section(".modinfo"));
        let information = information.context("it says nothing of itself")?;
        let mut module = Module { path: path.to_owned(), ..Module::default() };
        for line in information.split(|byte| *byte == 0) {
            let Some((key, value)) = std::str::from_utf8(line).ok().and_then(|line| line.split_once('=')) else {
                continue;
            };
            match key {
                "depends" => module.depends.extend(value.split(',').filter(|name| !name.is_empty()).map(normal)),
                "softdep" => module.before.extend(before(value)),
                // A name with a space would be read as two words.
                "alias" if !value.contains(char::is_whitespace) => module.aliases.push(value.to_owned()),
                "firmware" => module.firmware.push(value.to_owned()),
                _ => {}
            }
        }
        Ok(module)
    }

    fn name(&self) -> String {
        name(&self.path)
    }
}

/// `pre: a b post: c`: what comes before.
fn before(text: &str) -> Vec<String> {
    let mut words = text.split_whitespace().skip_while(|word| *word != "pre:").skip(1);
    let names = words.by_ref().take_while(|word| !word.ends_with(':'));
    names.map(normal).collect()
}

/// `kernel/drivers/nvme/host/nvme-core.ko` is `nvme_core`.
fn name(path: &str) -> String {
    let file = path.rsplit('/').next().unwrap_or(path);
    normal(file.strip_suffix(".ko").unwrap_or(file))
}

fn normal(name: &str) -> String {
    name.replace('-', "_")
}

/// `lib/modules/<release>/` in the package; newer ones have it below `usr`.
fn place(kernel: &Deb) -> Result<(String, String)> {
    for path in kernel.paths() {
        let Some(start) = path.find("lib/modules/").map(|at| at + "lib/modules/".len()) else { continue };
        if let Some((release, "modules.builtin")) = path.get(start..).and_then(|rest| rest.split_once('/')) {
            return Ok((format!("{}{release}/", path.get(..start).unwrap_or_default()), release.to_owned()));
        }
    }
    bail!("there is no kernel with modules in the package")
}

/// The names of what the list selects. A line is a folder (`kernel/…/`), a module, or one of them behind `-`, which wins; `[firmware]` and `[always]` begin
/// parts.
fn selected(list: &str, equipment: Equipment, known: &BTreeMap<String, Module>) -> Result<Vec<String>> {
    let (mut wanted, mut unwanted) = (BTreeSet::new(), BTreeSet::new());
    let mut applies = true;
    for line in list.lines().map(|line| line.split('#').next().unwrap_or_default().trim()) {
        match line {
            "" => continue,
            "[always]" => applies = true,
            "[firmware]" => applies = equipment == Equipment::Firmware,
            "[plain]" => applies = equipment == Equipment::Plain,
            _ if !applies => {}
            _ => {
                let (set, what) = match line.strip_prefix('-') {
                    Some(what) => (&mut unwanted, what),
                    None => (&mut wanted, line),
                };
                ensure!(!what.starts_with('['), "`{what}` is no part of a list of modules");
                set.extend(
                    known
                        .iter()
                        .filter(|(name, module)| match what.ends_with('/') {
                            true => module.path.starts_with(what),
                            false => **name == normal(what),
                        })
                        .map(|(name, _)| name.clone()),
                );
            }
        }
    }
    Ok(wanted.difference(&unwanted).cloned().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn module(path: &str, depends: &[&str]) -> (String, Module) {
        let depends = depends.iter().map(|name| (*name).to_owned()).collect();
        (name(path), Module { path: path.to_owned(), depends, ..Module::default() })
    }

    fn modules(known: &[(&str, &[&str])]) -> Modules {
        let known: BTreeMap<_, _> = known.iter().map(|(path, depends)| module(path, depends)).collect();
        let chosen = known.keys().cloned().collect();
        Modules { release: "6.1".to_owned(), folder: "lib/modules/6.1/".to_owned(), known, chosen }
    }

    #[test]
    fn what_has_to_be_loaded_first_comes_last() {
        let modules = modules(&[
            ("k/virtio_net.ko", &["net_failover", "virtio"]),
            ("k/net_failover.ko", &["failover"]),
            ("k/failover.ko", &[]),
            ("k/virtio.ko", &["virtio_ring"]),
            ("k/virtio_ring.ko", &[]),
        ]);
        let text = modules.dependencies().unwrap();
        let line = text.lines().find(|line| line.starts_with("k/virtio_net.ko:")).unwrap();
        assert_eq!(line, "k/virtio_net.ko: k/virtio.ko k/virtio_ring.ko k/net_failover.ko k/failover.ko");
        assert!(text.contains("k/failover.ko:\n"));
    }

    #[test]
    fn modules_that_need_each_other_are_refused() {
        let error = modules(&[("k/a.ko", &["b"]), ("k/b.ko", &["a"])]).dependencies().unwrap_err().to_string();
        assert_eq!(error, "modules need each other in a circle: a, b");
    }

    #[test]
    fn a_list_selects_folders_and_modules_and_what_is_struck_out_wins() {
        let known = modules(&[("k/net/a.ko", &[]), ("k/net/b-c.ko", &[]), ("k/wifi/d.ko", &[]), ("k/e.ko", &[])]).known;
        let list = "# text\nk/net/  # all of them\n-a\ne\n[firmware]\nk/wifi/\n[plain]\n-e\n";
        assert_eq!(selected(list, Equipment::Plain, &known).unwrap(), ["b_c"]);
        assert_eq!(selected(list, Equipment::Firmware, &known).unwrap(), ["b_c", "d", "e"]);
        assert!(selected("[other]\n", Equipment::Plain, &known).is_err());
    }

    #[test]
    fn only_what_comes_before_is_taken_from_a_soft_dependency() {
        assert_eq!(before("pre: crc32c a-b post: c"), ["crc32c", "a_b"]);
        assert!(before("post: c").is_empty());
    }
}
