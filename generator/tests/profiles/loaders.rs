//! `[boot.loaders]`: shim and GRUB reach a pack together, with the place of the menu, or they are not there and it is said once what that costs.

use anode::render::{Rendered, Renderer, render, unused_variables};
use anode::repository::Repository;
use anode_bundle::name::Id;

use crate::fixture::{Fixture, lines};

const MANIFEST: &str = r#"
[installer]
title = "Own"
family = "own"
versions = ["1"]
architectures = ["any"]
hand_over = "kexec"

[boot]
kernel = "https://example.org/{{ version }}/linux"
initrd = ["https://example.org/{{ version }}/initrd"]
command_line = "quiet"

[boot.loaders]
shim = '{% if signed %}https://example.org/{{ version }}/shim.efi{% endif %}'
grub = '{% if signed %}https://example.org/{{ version }}/grubx64.efi{% endif %}'
menu = 'EFI/{{ version }}/grub.cfg'

[[second_stage]]
pinned = true
how = "there is none"

[variables.signed]
type = "bool"
default = true

[[files]]
template = "answers"
path = "answers"
format = "text"
"#;

const BOOTED: [&str; 2] = ["linux", "initrd"];
const ALL: [&str; 4] = ["linux", "initrd", "shim.efi", "grubx64.efi"];

fn own() -> Fixture {
    let fixture = Fixture::example();
    fixture.write("installers/own/manifest.toml", MANIFEST).write("installers/own/answers", "{{ profile.id }}\n");
    let head = "title = \"Own\"\ninstaller = \"own\"\nversion = \"1\"\narchitecture = \"any\"\n";
    fixture.write("own/profile.toml", &format!("{head}[variables]\nsigned = true\n"));
    fixture
}

/// Pins these; `kernel` is what is said of the kernel's signature.
fn lock(fixture: &Fixture, names: &[&str], kernel: &str) {
    let entry = |name: &&str| {
        let signature = if *name == "linux" { kernel } else { "" };
        let hash = "ab".repeat(32);
        format!(
            "[[files]]\nurl = \"https://example.org/1/{name}\"\nsha256 = \"{hash}\"\nlength = {}\n{signature}",
            name.len()
        )
    };
    fixture.write("anode.lock", &names.iter().map(entry).collect::<String>());
}

fn render_own(repository: &Repository) -> Result<Rendered, Vec<String>> {
    let own = Id::new("own").unwrap();
    render(repository, repository.profile(&own, None).unwrap(), None).map_err(|problems| lines(&problems))
}

fn rendered(fixture: &Fixture) -> Rendered {
    render_own(&fixture.load()).unwrap_or_else(|problems| panic!("{}", problems.join("\n")))
}

/// What is wrong with the definition after one change, with its line and column.
fn refused(from: &str, to: &str) -> Vec<String> {
    let fixture = own();
    fixture.replace("installers/own/manifest.toml", from, to);
    // What is wrong is said before anything is pinned.
    match render_own(&fixture.load()) {
        Ok(rendered) => panic!("accepted, {}", lines(&rendered.warnings).join("\n")),
        Err(problems) => problems.into_iter().filter(|line| !line.contains("not pinned")).collect(),
    }
}

#[test]
fn shim_and_grub_that_are_pinned_are_in_the_pack_with_their_name_and_menu() {
    let fixture = own();
    lock(&fixture, &ALL, "");
    let rendered = rendered(&fixture);
    assert!(rendered.warnings.is_empty(), "{:?}", lines(&rendered.warnings));
    let loaders = rendered.contents.manifest().boot.as_ref().unwrap().loaders.as_ref().unwrap();
    assert_eq!(loaders.shim.urls, ["https://example.org/1/shim.efi"]);
    assert_eq!((loaders.shim.length, loaders.grub.length), (8, 11));
    assert_eq!(loaders.grub.urls, ["https://example.org/1/grubx64.efi"]);
    assert_eq!((loaders.grub_name.as_str(), loaders.menu.as_str()), ("grubx64.efi", "EFI/1/grub.cfg"));
}

#[test]
fn a_variable_that_only_the_loaders_mention_has_an_effect() {
    let repository = own().load();
    let profile = repository.profile(&Id::new("own").unwrap(), None).unwrap();
    assert!(unused_variables(repository.definition(profile).unwrap()).is_empty());
}

#[test]
fn the_name_that_shim_looks_for_may_be_another_one_than_the_address_has() {
    let fixture = own();
    lock(&fixture, &ALL, "");
    fixture.replace("installers/own/manifest.toml", "menu =", "grub_name = 'grub{{ version }}.efi'\nmenu =");
    let rendered = rendered(&fixture);
    let loaders = rendered.contents.manifest().boot.as_ref().unwrap().loaders.as_ref().unwrap();
    assert_eq!(loaders.grub_name.as_str(), "grub1.efi");
}

#[test]
fn a_pack_has_both_loaders_or_none_and_what_is_lost_is_one_warning() {
    let lost = "a medium that may not load this kernel under Secure Boot has no other way to start it \
         (run `anode lock`, or `anode lock PROFILE` for what one profile boots)";
    for (pinned, missing) in [
        (&BOOTED[..], "`https://example.org/1/shim.efi` and `https://example.org/1/grubx64.efi` are not pinned"),
        (&ALL[..3], "`https://example.org/1/grubx64.efi` is not pinned"),
        (&["linux", "initrd", "grubx64.efi"], "`https://example.org/1/shim.efi` is not pinned"),
    ] {
        let fixture = own();
        lock(&fixture, pinned, "");
        let rendered = rendered(&fixture);
        assert_eq!(lines(&rendered.warnings), [format!("anode.lock: {missing}: {lost}")]);
        assert!(rendered.contents.manifest().boot.as_ref().unwrap().loaders.is_none());
    }
}

#[test]
fn nobody_is_told_of_loaders_that_could_start_nothing() {
    // Nothing boots at all: that is said of kernel and initrd, and of nothing else.
    let fixture = own();
    let warnings = lines(&rendered(&fixture).warnings);
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(warnings.iter().all(|line| line.contains("linux") || line.contains("initrd")), "{warnings:?}");
    // Nobody signed the kernel, so that shim would refuse it.
    lock(&fixture, &BOOTED, "kernel_signed_by = \"\"\nkernel_keys = []\n");
    assert!(rendered(&fixture).warnings.is_empty());
    // Somebody did.
    lock(&fixture, &BOOTED, "kernel_signed_by = \"CA\"\nkernel_keys = [\"ab\"]\n");
    assert_eq!(rendered(&fixture).warnings.count(), "1 warning");
    // The definition names none for this profile.
    fixture.replace("own/profile.toml", "signed = true", "signed = false");
    let rendered = rendered(&fixture);
    assert!(rendered.warnings.is_empty() && rendered.contents.manifest().boot.as_ref().unwrap().loaders.is_none());
}

#[test]
fn a_key_that_is_missing_unknown_or_of_another_type_is_an_error_of_the_definition() {
    for (from, to, problem) in [
        ("shim = ", "# ", "14:1: `shim` is missing in [loaders] (add `shim = \"{{ mirror }}/EFI/BOOT/BOOTX64.EFI\"`)"),
        ("grub = ", "# ", "14:1: `grub` is missing in [loaders] (add `grub = \"{{ mirror }}/EFI/BOOT/grubx64.efi\"`)"),
        ("menu = ", "# ", "14:1: `menu` is missing in [loaders] (add `menu = \"EFI/BOOT/grub.cfg\"`)"),
        ("menu = ", "menus = ''\nmenu = ", "17:1: unknown key `menus` in [loaders] (did you mean `menu`?)"),
        (
            "menu = ",
            "grub-name = ''\nmenu = ",
            "17:1: unknown key `grub-name` in [loaders] (did you mean `grub_name`?)",
        ),
        ("menu = 'EFI/{{ version }}/grub.cfg'", "menu = ['grub.cfg']", "17:8: `menu` must be a string"),
    ] {
        let fixture = own();
        fixture.replace("installers/own/manifest.toml", from, to);
        assert_eq!(fixture.problems(), [format!("installers/own/manifest.toml:{problem}")]);
    }
    let fixture = own();
    fixture.replace("installers/own/manifest.toml", "[boot.loaders]", "[boot.loader]");
    let problems = fixture.problems();
    assert!(problems.iter().any(|line| line.contains("(did you mean `loaders`?)")), "{problems:?}");
}

#[test]
fn a_menu_or_a_name_that_is_no_plain_path_is_refused_at_its_place_with_the_remedy() {
    let menu = "menu = 'EFI/{{ version }}/grub.cfg'";
    for path in ["/EFI/BOOT/grub.cfg", "EFI/../grub.cfg", "EFI//grub.cfg", "(hd0)/grub.cfg", "EFI\\\\grub.cfg", ""] {
        let wanted = "is not a path on the file system that GRUB comes from (write it from the root, without a slash in front: `EFI/BOOT/grub.cfg`)";
        let problem = format!("installers/own/manifest.toml:17:8: `{path}` {wanted}");
        assert_eq!(refused(menu, &format!("menu = '{path}'")), [problem]);
    }
    for name in ["EFI/grubx64.efi", "/grubx64.efi", "..", "grub x64.efi"] {
        let wanted = "is not the name of a file that shim could look for (shim looks beside itself: set `grub_name` to a name without a folder, such as `grubx64.efi`)";
        let problem = format!("installers/own/manifest.toml:17:13: `{name}` {wanted}");
        assert_eq!(refused(menu, &format!("grub_name = '{name}'\n{menu}")), [problem]);
    }
    // By default, it is the last part of the address.
    let problems = refused("/grubx64.efi{%", "/?file=grub{%");
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].starts_with("installers/own/manifest.toml:16:8: `?file=grub` is not the name"), "{problems:?}");
}

#[test]
fn one_loader_without_the_other_and_a_variable_that_there_is_not_are_errors() {
    let problems = refused("shim = '{% if signed %}", "shim = '{% if not signed %}");
    assert_eq!(
        problems,
        [
            "installers/own/manifest.toml:15:8: `shim` renders to nothing, and `grub` of the same `[boot.loaders]` does not \
          (shim starts GRUB: name both, or let both render to nothing)"
        ]
    );
    let problems = refused("EFI/{{ version }}", "EFI/{{ verison }}");
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].contains("manifest.toml:17:8") && problems[0].contains("version"), "{problems:?}");
}

/// What a built-in definition names for one processor, with the folder of its kernel cut off: kernel, shim, GRUB.
fn named(installer: &str, version: &str, architecture: &str, variables: &str) -> [String; 3] {
    let fixture = Fixture::example();
    let head = format!("title = \"PC\"\ninstaller = \"{installer}\"\nversion = \"{version}\"\n");
    fixture.write("own/profile.toml", &format!("{head}architecture = \"{architecture}\"\n[variables]\n{variables}\n"));
    let repository = fixture.load();
    let renderer = Renderer::new(&repository).unwrap();
    let profile = repository.profile(&Id::new("own").unwrap(), None).unwrap();
    let addresses = renderer.addresses(profile, None).ok().unwrap().unwrap();
    let [shim, grub] = addresses.loaders.unwrap().map(|loader| loader.value);
    [addresses.kernel.value, shim, grub]
}

#[test]
fn the_loaders_of_a_distribution_come_from_the_tree_of_its_kernel_and_are_those_of_the_processor() {
    for (architecture, processor) in [("amd64", "x64"), ("arm64", "aa64")] {
        for (installer, version, shim) in [("debian", "13", "bootnet"), ("ubuntu-server", "24.04", "boot")] {
            let [kernel, found, grub] = named(installer, version, architecture, "");
            let folder = kernel.strip_suffix("/linux").unwrap();
            assert_eq!(found, format!("{folder}/{shim}{processor}.efi"));
            assert_eq!(grub, format!("{folder}/grub{processor}.efi"));
        }
    }
    for (architecture, upper, lower) in [("x86_64", "X64", "x64"), ("aarch64", "AA64", "aa64")] {
        for (installer, version) in [
            ("fedora", "43"),
            ("rhel", "10"),
            ("almalinux", "9"),
            ("rocky", "10"),
            ("centos-stream", "10"),
            ("oracle-linux", "9"),
        ] {
            let mirror = if ["rhel", "oracle-linux"].contains(&installer) {
                "boot_mirror = \"https://mirror.example.org/disc\"\nmirror = \"https://mirror.example.org/disc\""
            } else {
                ""
            };
            let [kernel, shim, grub] = named(installer, version, architecture, mirror);
            let tree = kernel.strip_suffix("/images/pxeboot/vmlinuz").unwrap();
            assert_eq!(shim, format!("{tree}/EFI/BOOT/BOOT{upper}.EFI"));
            assert_eq!(grub, format!("{tree}/EFI/BOOT/grub{lower}.efi"));
        }
    }
}
