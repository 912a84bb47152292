//! What a person at the medium sees: the real `anode-console` on real terminals, with scripts in place of the fetcher, the network and the stick.

use std::fs;

use anode_tests::{Medium, Terminal, wait_for};

/// A code that no site knows; its checksum is right.
const CODE: &str = "0123-4567-89AB-CDER";

fn greet(screen: &mut Terminal, language: &str, keyboard: &str) {
    screen.expect("Language / Sprache");
    screen.type_line(language);
    screen.expect("us) [");
    screen.type_line(keyboard);
}

#[test]
fn language_keyboard_network_fetcher_and_start() {
    let medium = Medium::new();
    let mut screen = medium.session();
    screen.expect("Example site");
    screen.expect("2026-11-21");
    greet(&mut screen, "de", "");
    screen.expect("bereit, Adresse 192.0.2.10/24");
    screen.expect("Die Installation startet.");
    assert_eq!(screen.exit(), Some(100));
    let arguments = medium.read("arguments");
    for wanted in ["activate --kexec --json --lang de", "--site https://a.example", "etc/anode/root.json"] {
        assert!(arguments.contains(wanted), "{arguments}");
    }
    for absent in ["--cache", "--code-file", "--proxy", "--ca", "--client-cert"] {
        assert!(!arguments.contains(absent), "{arguments}");
    }
    // A code that a person types needs no memory.
    assert!(!medium.path("run/anode/stick/anode-done.txt").exists());
}

#[test]
fn kernel_arguments_skip_the_questions_and_reach_the_fetcher() {
    let medium = Medium::new();
    medium.write(
        "proc/cmdline",
        "anode.lang=de anode.keyboard=ch anode.url=https://b.example anode.proxy=http://192.0.2.1:3128 anode.profile=server",
    );
    for name in ["ca.pem", "client.pem", "client.key"] {
        medium.write(&format!("etc/anode/{name}"), "");
    }
    fs::create_dir_all(medium.path("run/anode/medium/anode/tree")).expect("a folder");
    assert_eq!(medium.session().exit(), Some(100));
    let arguments = medium.read("arguments");
    assert!(arguments.contains("--site https://b.example --site https://a.example --proxy http://192.0.2.1:3128"));
    for option in ["--cache", "--ca", "--client-cert", "--client-key", "--profile server"] {
        assert!(arguments.contains(option), "{option}: {arguments}");
    }
}

#[test]
fn the_network_that_is_in_use_reaches_the_fetcher_for_the_installer() {
    let cases = [
        // Settings of the kernel's arguments, what the network is, and what comes of it.
        (
            "anode.ip=192.0.2.10/24,192.0.2.1,192.0.2.53",
            "up\neth0 ready 192.0.2.10/24\n",
            "--ip 192.0.2.10/24,192.0.2.1,192.0.2.53 --interface 52:54:00:12:34:56",
        ),
        ("anode.vlan=12", "up\neth0.12 ready 192.0.2.7/24\n", "--vlan 12 --interface 52:54:00:12:34:56"),
        ("anode.ip=192.0.2.10/24 anode.vlan=12", "up\nwlan0 ready 192.0.2.10/24\n", "--wireless"),
        ("anode.vlan=12 anode.interface=wlan0", "up\nwlan0 ready 192.0.2.7/24\neth0 ready 192.0.2.8/24\n", ""),
        ("", "up\neth0 ready 192.0.2.7/24\n", ""),
    ];
    for (settings, report, wanted) in cases {
        let medium = Medium::new();
        medium.write("proc/cmdline", &format!("anode.lang=en anode.keyboard=us {settings}"));
        for folder in ["eth0", "wlan0/phy80211"] {
            fs::create_dir_all(medium.path(&format!("sys/class/net/{folder}"))).expect("an interface");
        }
        medium.write("sys/class/net/eth0/address", "52:54:00:12:34:56\n");
        medium.write("run/anode/network", report);
        assert_eq!(medium.session().exit(), Some(100));
        let arguments = medium.read("arguments");
        let options = ["--ip", "--vlan", "--interface", "--wireless"];
        let first = options.iter().filter_map(|option| arguments.find(option)).min();
        let passed = first.map_or("", |at| &arguments[at..]);
        assert!(passed.trim_end().starts_with(wanted) && first.is_some() != wanted.is_empty(), "{arguments}");
    }
}

#[test]
fn every_exit_code_has_its_page_and_a_way_back() {
    let medium = Medium::new();
    medium.write("proc/cmdline", "anode.lang=en anode.keyboard=us");
    // 30 once, then 23, then a kernel is loaded.
    let state = medium.path("turn");
    medium.fetcher(&format!(
        "test -e '{0}.2' && exit 0; test -e '{0}.1' && : >'{0}.2' && exit 23; : >'{0}.1'; exit 30",
        state.display()
    ));
    let mut screen = medium.session();
    screen.expect("Error 30  unreachable");
    screen.expect("What to do: Check the cable");
    screen.expect("Number:");
    screen.type_line("9");
    screen.expect("one of the numbers above");
    screen.type_line("1");
    screen.expect("Error 23  integrity");
    screen.expect("Number:");
    screen.type_line("1");
    screen.expect("Starting the installer");
    assert_eq!(screen.exit(), Some(100));
}

#[test]
fn a_wrong_address_on_the_kernels_command_line_is_named_and_leads_to_no_dead_end() {
    let medium = Medium::new();
    medium
        .write("proc/cmdline", "anode.lang=en anode.keyboard=us anode.url=http://b.example anode.proxy=192.0.2.1:3128");
    medium.fetcher("exit 2");
    let mut screen = medium.session();
    screen.expect("`anode.url=http://b.example` is left out");
    screen.expect("`anode.proxy=192.0.2.1:3128` is left out");
    screen.expect("Error 2  usage");
    screen.expect("2  Network settings");
    let arguments = medium.read("arguments");
    assert!(!arguments.contains("b.example") && !arguments.contains("--proxy"), "{arguments}");
    screen.expect("Number:");
    screen.type_line("2");
    screen.expect("Network: set a proxy");
    screen.expect("Number:");
    screen.type_line("4");
    // The fetcher would not take these.
    for wrong in ["http://192.0.2.1:99999", "http://192.0.2.1?x", "http://a/../b"] {
        screen.expect("Proxy, as");
        screen.type_line(wrong);
        screen.expect("A proxy looks like");
    }
}

#[test]
fn what_ends_the_fetcher_decides_the_page() {
    for (signal, page) in
        [("INT", "Error 3  declined"), ("KILL", "Error 40  hand-over"), ("TERM", "Error 70  internal")]
    {
        let medium = Medium::new();
        medium.write("proc/cmdline", "anode.lang=en anode.keyboard=us");
        medium.fetcher(&format!("kill -{signal} $$"));
        let mut screen = medium.session();
        if signal == "KILL" {
            screen.expect("too little memory");
        }
        screen.expect(page);
    }
}

#[test]
fn a_refreshed_copy_that_is_of_no_use_gives_way_to_the_one_that_came_with_the_medium() {
    // How the fetcher ends with the refreshed copy and with the other one; how often it is called; the session's end or the page.
    let cases = [
        ("0", "0", 1, "Starting the installer"),
        ("23", "0", 2, "Starting the installer"),
        ("30", "0", 2, "Starting the installer"),
        ("30", "22", 2, "Error 30  unreachable"),
        ("23", "11", 2, "Error 11  code-unknown"),
        ("11", "0", 1, "Error 11  code-unknown"),
    ];
    for (refreshed, other, calls, end) in cases {
        let medium = Medium::new();
        medium.write("proc/cmdline", "anode.lang=en anode.keyboard=us");
        for tree in ["data", "medium"] {
            fs::create_dir_all(medium.path(&format!("run/anode/{tree}/anode/tree"))).expect("a tree");
            medium.write(&format!("run/anode/{tree}/anode/tree/timestamp.signed"), "x");
        }
        medium.fetcher(&format!("case $* in *run/anode/data/*) exit {refreshed} ;; *--cache*) exit {other} ;; esac"));
        medium.session().expect(end);
        let arguments = medium.read("arguments");
        assert_eq!(arguments.lines().count(), calls, "{refreshed} {other}: {arguments}");
    }
}

#[test]
fn a_refreshed_copy_that_can_not_be_read_is_not_asked() {
    let medium = Medium::new();
    medium.write("proc/cmdline", "anode.lang=en anode.keyboard=us");
    for tree in ["data", "medium"] {
        fs::create_dir_all(medium.path(&format!("run/anode/{tree}/anode/tree"))).expect("a tree");
    }
    // What a stick that was pulled out leaves.
    medium.write("run/anode/data/anode/tree/timestamp.signed", "");
    assert_eq!(medium.session().exit(), Some(100));
    assert!(medium.read("arguments").contains("--cache") && !medium.read("arguments").contains("run/anode/data"));
}

#[test]
fn a_machine_is_switched_off_or_started_anew_from_a_page() {
    for (choice, exit) in [("4", 102), ("5", 101)] {
        let medium = Medium::new();
        medium.write("proc/cmdline", "anode.lang=en anode.keyboard=us");
        medium.fetcher("exit 3");
        let mut screen = medium.session();
        screen.expect("Error 3  declined");
        screen.expect("Number:");
        screen.type_line(choice);
        assert_eq!(screen.exit(), Some(exit));
    }
}

#[test]
fn without_a_network_there_are_choices() {
    let medium = Medium::new();
    medium.write("proc/cmdline", "anode.lang=en anode.keyboard=us");
    medium.write("run/anode/network", "none\neth0 no-link \neth1 no-answer \n");
    fs::create_dir_all(medium.path("run/anode/medium/anode/tree")).expect("a folder");
    medium.script(
        "lib/anode/network",
        "cp \"$ANODE_ROOT/run/anode/settings/ip\" \"$ANODE_ROOT/asked\"; printf 'none\\neth0 no-link \\n' >\"$ANODE_ROOT/run/anode/network\"",
    );
    let mut screen = medium.session();
    screen.expect("eth0  no link");
    screen.expect("eth1  link, but no DHCP server answers");
    screen.expect("2  Network: set an address");
    screen.expect("5  Go on with the copy on the medium");
    screen.expect("Number:");
    screen.type_line("2");
    screen.expect("Interface");
    screen.type_line("eth1");
    screen.expect("Address with prefix");
    screen.type_line("192.0.2.7");
    screen.expect("An address looks like");
    screen.type_line("192.0.2.7/24");
    screen.expect("Gateway");
    screen.type_line("192.0.2.1");
    screen.expect("Name servers");
    screen.type_line("192.0.2.53, 192.0.2.54");
    screen.expect("5  Go on with the copy on the medium");
    screen.expect("Number:");
    assert_eq!(medium.read("asked"), "192.0.2.7/24,192.0.2.1,192.0.2.53;192.0.2.54");
    assert_eq!(medium.read("run/anode/settings/interface"), "eth1");
    screen.type_line("4");
    screen.expect("Proxy, as");
    screen.type_line("http://user:secret@192.0.2.1");
    screen.expect("A proxy looks like");
    screen.type_line("http://192.0.2.1:3128");
    screen.expect("5  Go on with the copy on the medium");
    screen.expect("Number:");
    screen.type_line("5");
    assert_eq!(screen.exit(), Some(100));
    let arguments = medium.read("arguments");
    assert!(arguments.contains("--cache") && !arguments.contains("--site"), "{arguments}");
}

#[test]
fn a_wireless_network_is_chosen_from_a_list_and_a_wrong_passphrase_is_asked_for_again() {
    let medium = Medium::new();
    medium.write("proc/cmdline", "anode.lang=en anode.keyboard=us");
    medium.write("run/anode/network", "none\neth0 no-firmware e100/d102e_ucode.bin\n0000:00:05.0 wireless-card \n");
    medium.script(
        "lib/anode/wifi",
        "case $1 in\n\
         list) printf 'head\\n02\\t2412\\t-60\\t[WPA2-PSK-CCMP][ESS]\\tCaf\\\\xc3\\\\xa9\\n03\\t2412\\t-50\\t[WPA2-EAP-CCMP][ESS]\\teduroam\\n' ;;\n\
         join) cat >>\"$ANODE_ROOT/joined\"; [ \"$(wc -l <\"$ANODE_ROOT/joined\")\" -gt 2 ] || exit 3 ;;\n\
         esac",
    );
    medium.script(
        "lib/anode/network",
        "cp \"$ANODE_ROOT/run/anode/settings/interface\" \"$ANODE_ROOT/asked\"; printf 'up\\nwlan0 ready 192.0.2.7/24\\n' >\"$ANODE_ROOT/run/anode/network\"",
    );
    let mut screen = medium.session();
    screen.expect("eth0  needs firmware e100/d102e_ucode.bin: use a medium made with --firmware");
    screen.expect("0000:00:05.0  a wireless card: use a medium made with --firmware");
    screen.expect("5  Network: join a wireless network");
    screen.expect("Number:");
    screen.type_line("5");
    screen.expect("1  100 %  eduroam  not possible with this medium");
    screen.expect("2   80 %  Café");
    screen.expect("(Enter: back):");
    screen.type_line("1");
    screen.expect("not possible with this medium");
    screen.type_line("2");
    screen.expect("Passphrase (not shown; Enter: back)");
    screen.type_line("short");
    screen.expect("A passphrase has 8 to 63 ASCII characters.");
    screen.type_line("wrong horse");
    screen.expect("Joining `Café`.");
    screen.expect("The wireless network refuses this passphrase.");
    screen.expect("Passphrase (not shown; Enter: back)");
    screen.type_line("correct horse");
    screen.expect("wlan0  ready, address 192.0.2.7/24");
    assert_eq!(screen.exit(), Some(100));
    assert_eq!(medium.read("joined"), "436166c3a9\nwrong horse\n436166c3a9\ncorrect horse\n");
    assert_eq!((medium.path("asked").exists(), medium.read("asked").as_str()), (true, ""));
    assert!(!screen.screen().contains("horse"), "{}", screen.screen());
}

#[test]
fn a_medium_with_a_code_remembers_what_it_installed_and_asks_the_next_time() {
    let medium = Medium::new();
    medium.write("proc/cmdline", "anode.lang=en anode.keyboard=us");
    medium.write("etc/anode/code", CODE);
    medium.fetcher("echo '{\"ok\":true,\"profile\":\"server\",\"unattended\":true}'");
    assert_eq!(medium.session().exit(), Some(100));
    let remembered = medium.read("run/anode/stick/anode-done.txt");
    assert!(remembered.lines().any(|line| line.ends_with(" server")), "{remembered}");
    assert!(!remembered.contains("0123"), "{remembered}");

    let mut screen = medium.session();
    screen.expect("has already installed this machine");
    screen.expect("[no]");
    screen.type_line("");
    screen.expect("Nothing was installed.");
    screen.expect("Number:");
    assert_eq!(medium.read("arguments").lines().count(), 1, "nothing was asked of the fetcher");
    // Another code is typed by a person: the medium's is not used again.
    screen.type_line("1");
    assert_eq!(screen.exit(), Some(100));
    let arguments = medium.read("arguments");
    assert!(!arguments.lines().nth(1).expect("a second call").contains("--code-file"), "{arguments}");

    let mut screen = medium.session();
    screen.expect("[no]");
    screen.type_line("yes");
    assert_eq!(screen.exit(), Some(100));
}

#[test]
fn a_medium_with_a_code_needs_nobody() {
    let medium = Medium::new();
    medium.write(
        "etc/anode/medium.json",
        r#"{"format":1,"title":"Beispiel","urls":["https://a.example"],"language":"de"}"#,
    );
    medium.write("etc/anode/code", CODE);
    medium.script("bin/busybox", "echo busybox \"$@\" >>\"$(dirname \"$0\")/../calls\"");
    medium.fetcher("echo '{\"ok\":true,\"profile\":\"server\",\"unattended\":true}'");
    let mut screen = medium.session();
    screen.expect("Die Installation startet.");
    assert_eq!(screen.exit(), Some(100));
    assert!(!screen.screen().contains("Sprache") && !screen.screen().contains("Tastatur"), "{}", screen.screen());
    assert!(medium.read("arguments").contains("--lang de"));
    assert!(medium.read("calls").contains("busybox dumpkmap"), "a layout is loaded: {}", medium.read("calls"));
}

#[test]
fn a_stick_that_appears_late_is_read_before_it_is_written() {
    for (report, answer, exit) in [("true", "", None), ("true", "yes", Some(100)), ("false", "", None)] {
        let medium = Medium::new();
        medium.write("etc/anode/code", CODE);
        let report = format!("echo '{{\"ok\":true,\"profile\":\"server\",\"unattended\":{report}}}'");
        medium.fetcher(&report);
        assert_eq!(medium.session().exit(), Some(100));
        let remembered = medium.read("run/anode/stick/anode-done.txt");

        // At the next start the stick can be opened only when the fetcher has run.
        medium.script("lib/anode/stick", "test -e \"$ANODE_ROOT/late\"");
        medium.fetcher(&format!(": >'{}'; {report}", medium.path("late").display()));
        let mut screen = medium.session();
        screen.expect("has already installed this machine");
        screen.expect("[no]");
        screen.type_line(answer);
        if exit.is_none() {
            screen.expect("Nothing was installed.");
            screen.expect("Number:");
            screen.type_line("5");
        }
        assert_eq!(screen.exit(), exit.or(Some(101)));
        assert_eq!(medium.read("run/anode/stick/anode-done.txt"), remembered);
    }
}

#[test]
fn a_search_of_which_nothing_is_said_yet_is_waited_for() {
    let medium = Medium::new();
    medium.write("etc/anode/code", CODE);
    fs::remove_file(medium.path("run/anode/medium.state")).expect("the state");
    let mut screen = medium.session();
    screen.expect("Looking for the medium.");
    assert!(!medium.path("arguments").exists());
    medium.write("run/anode/medium.state", "found sda1\n");
    assert_eq!(screen.exit(), Some(100));
}

#[test]
fn two_disks_with_the_same_medium_are_named_in_both_languages_and_an_unattended_installation_is_asked_for() {
    for (language, words, again, no) in [
        ("en", "Two disks of this machine hold this medium (sda, sdb1).", "can not remember", "[no]"),
        (
            "de",
            "Zwei Datenträger dieses Rechners tragen dieses Medium (sda, sdb1).",
            "kann sich nicht merken",
            "[nein]",
        ),
    ] {
        let medium = Medium::new();
        medium.write("proc/cmdline", &format!("anode.lang={language} anode.keyboard=us anode.code={CODE}"));
        medium.write("run/anode/twin", "sda sdb1\n");
        medium.script("lib/anode/stick", "exit 1");
        medium.fetcher("echo '{\"ok\":true,\"profile\":\"server\",\"unattended\":true}'");
        let mut screen = medium.session();
        screen.expect(words);
        screen.expect(again);
        screen.expect(no);
        screen.type_line("");
        screen.expect(if language == "en" { "Nothing was installed." } else { "Nichts wurde installiert." });
    }
}

#[test]
fn an_unattended_installation_that_can_not_be_remembered_is_asked_for() {
    for report in ["{\"ok\":true,\"profile\":\"server\",\"unattended\":true}", "{\"ok\":true}", "nonsense"] {
        let medium = Medium::new();
        medium.write("proc/cmdline", &format!("anode.lang=en anode.keyboard=us anode.code={CODE}"));
        medium.script("lib/anode/stick", "exit 1");
        medium.fetcher(&format!("cat \"$(echo \"$@\" | sed 's/.*--code-file //; s/ .*//')\" >&2; echo '{report}'"));
        let mut screen = medium.session();
        screen.expect("can not remember");
        screen.expect("[no]");
        screen.type_line("");
        screen.expect("Nothing was installed.");
        screen.expect("Number:");
        screen.type_line("5");
        assert_eq!(screen.exit(), Some(101));
        assert!(screen.screen().contains(CODE), "the fetcher reads the code from a file: {}", screen.screen());
        assert!(!medium.read("arguments").contains("0123"), "and not from its arguments");
        assert!(!medium.path("run/anode/code").exists());
    }
}

#[test]
fn a_memory_that_can_not_be_read_counts_as_one_of_this_machine() {
    let medium = Medium::new();
    medium.write("proc/cmdline", "anode.lang=en anode.keyboard=us");
    medium.write("etc/anode/code", CODE);
    fs::create_dir(medium.path("run/anode/stick/anode-done.txt")).expect("a folder in place of the file");
    let mut screen = medium.session();
    screen.expect("has already installed this machine");
    screen.expect("[no]");
}

#[test]
fn a_preset_code_that_does_not_work_is_asked_for() {
    let medium = Medium::new();
    medium.write("proc/cmdline", "anode.lang=en anode.keyboard=us anode.profile=gone");
    medium.write("etc/anode/code", CODE);
    medium.fetcher("case $* in *--code-file*) exit 11 ;; esac; echo '{\"ok\":true,\"unattended\":true}'");
    let mut screen = medium.session();
    screen.expect("Error 11  code-unknown");
    screen.expect("Number:");
    screen.type_line("1");
    assert_eq!(screen.exit(), Some(100));
    assert!(!medium.read("arguments").lines().nth(1).expect("a second call").contains("--profile"));
}

const GLOBAL: &str = "8be4df61-93ca-11d2-aa0d-00e098032b8c";
const STAGED: &str =
    "echo '{\"ok\":true,\"profile\":\"server\",\"unattended\":false,\"staged\":{\"loader\":\"EFI/anode/shim.efi\"}}'";

/// A machine with a UEFI, whose kernel is locked down, and a stick with a third partition.
fn locked_down() -> Medium {
    let medium = Medium::new();
    for folder in ["sys/kernel/security", "sys/firmware/efi/efivars", "sys/class/block", "sys/devices/sdb/sdb3"] {
        fs::create_dir_all(medium.path(folder)).expect("a folder");
    }
    medium.write("proc/cmdline", "anode.lang=en anode.keyboard=us");
    medium.write("sys/kernel/security/lockdown", "none [integrity] confidentiality\n");
    medium.write(&format!("sys/firmware/efi/efivars/BootOrder-{GLOBAL}"), "");
    for (file, text) in [("partition", "3\n"), ("start", "71680\n"), ("size", "262144\n")] {
        medium.write(&format!("sys/devices/sdb/sdb3/{file}"), text);
    }
    std::os::unix::fs::symlink("../../devices/sdb/sdb3", medium.path("sys/class/block/sdb3")).expect("a link");
    let mut sector = vec![0; 512];
    sector[440..444].copy_from_slice(&[1, 2, 3, 4]);
    sector[510..].copy_from_slice(&[0x55, 0xaa]);
    fs::write(medium.path("dev/sdb"), sector).expect("a disk");
    medium.script(
        "lib/anode/stick",
        "echo stick \"$@\" >>\"$ANODE_ROOT/calls\"\n\
         if [ \"$1\" = stage ]; then echo \"sdb3 $ANODE_ROOT/run/anode/data\" >\"$ANODE_ROOT/run/anode/stage\"; fi",
    );
    medium.fetcher(STAGED);
    medium
}

fn variable(medium: &Medium, name: &str) -> std::path::PathBuf {
    medium.path(&format!("sys/firmware/efi/efivars/{name}-{GLOBAL}"))
}

#[test]
fn what_lies_staged_is_started_by_the_firmware_at_its_next_start_and_never_again() {
    let medium = locked_down();
    let mut screen = medium.session();
    screen.expect("The machine starts anew, into the installer.");
    assert_eq!(screen.exit(), Some(102));
    let arguments = medium.read("arguments");
    assert!(arguments.contains("activate --kexec --json"), "{arguments}");
    assert!(arguments.contains(&format!("--stage {}", medium.path("run/anode/data").display())), "{arguments}");
    assert!(!medium.read("calls").contains("stick unstage"), "{}", medium.read("calls"));
    assert_eq!(fs::read(variable(&medium, "BootNext")).expect("the variable"), [7, 0, 0, 0, 0, 0]);
    assert!(variable(&medium, "Boot0000").exists());
    assert!(fs::read(variable(&medium, "BootOrder")).expect("the variable").is_empty(), "the order stays as it is");

    // The firmware has deleted its own word; the entry is ours to remove.
    fs::remove_file(variable(&medium, "BootNext")).expect("removing it");
    medium.write("run/anode/unstaged", "removed\n");
    // Otherwise this session would stage it anew.
    medium.fetcher("exit 3");
    let mut screen = medium.session();
    screen.expect("An installer that was staged on this stick is removed");
    drop(screen);
    assert!(!variable(&medium, "Boot0000").exists());
}

#[test]
fn what_is_not_started_does_not_stay_staged() {
    // The firmware could not tell this disk from others.
    let medium = locked_down();
    medium.write("dev/sdb", "no partition table");
    let mut screen = medium.session();
    screen.expect("The firmware could not be told to start the installer");
    screen.expect("Error 40");
    screen.expect("Number:");
    assert!(medium.read("calls").ends_with("stick unstage\n"), "{}", medium.read("calls"));
    assert!(!variable(&medium, "BootNext").exists());

    // A fetcher that failed, and one that loaded the kernel after all.
    let medium = locked_down();
    medium.fetcher("exit 40");
    let mut screen = medium.session();
    screen.expect("Error 40");
    assert!(medium.read("calls").contains("stick unstage"), "{}", medium.read("calls"));
    let medium = locked_down();
    medium.fetcher("echo '{\"ok\":true,\"profile\":\"server\",\"unattended\":false}'");
    assert_eq!(medium.session().exit(), Some(100));
    assert!(medium.read("calls").contains("stick unstage"), "{}", medium.read("calls"));
    assert!(!variable(&medium, "BootNext").exists());
}

#[test]
fn no_place_is_opened_where_the_kernel_loads_everything_unless_an_argument_wants_it() {
    let medium = locked_down();
    medium.write("sys/kernel/security/lockdown", "[none] integrity confidentiality\n");
    medium.fetcher("echo '{\"ok\":true,\"profile\":\"server\",\"unattended\":false}'");
    assert_eq!(medium.session().exit(), Some(100));
    assert!(!medium.read("calls").contains("stage") && !medium.read("arguments").contains("--stage"));

    medium.write("proc/cmdline", "anode.lang=en anode.keyboard=us anode.stage");
    medium.fetcher(STAGED);
    assert_eq!(medium.session().exit(), Some(102));
    let arguments = medium.read("arguments");
    let last = arguments.lines().last().expect("a call");
    assert!(last.contains("--stage") && !last.contains("--kexec"), "{last}");

    // Without a place it is tried in the other way.
    medium.script("lib/anode/stick", "exit 1");
    medium.fetcher("echo '{\"ok\":true,\"profile\":\"server\",\"unattended\":false}'");
    assert_eq!(medium.session().exit(), Some(100));
    let arguments = medium.read("arguments");
    let last = arguments.lines().last().expect("a call");
    assert!(last.contains("--kexec") && !last.contains("--stage"), "{last}");
}

#[test]
fn one_session_is_seen_and_typed_on_every_console_and_a_dead_one_blocks_none() {
    let medium = Medium::new();
    let (mut serial, serial_path) = medium.console("ttyS0");
    let (mut screen, screen_path) = medium.console("tty0");
    // A write on this one would wait for ever.
    let (dead, dead_path) = medium.dead_console("ttyS1");
    let stopped = medium.path("nobody");
    medium.fetcher("i=0; while [ $i -lt 3000 ]; do echo 'a line of a long talk that fills every buffer'; i=$((i + 1)); done >&2; exit 40");
    let mut mirror = medium.mirror(&[dead_path, stopped, serial_path, screen_path]);
    screen.expect("Language / Sprache");
    serial.expect("Language / Sprache");
    serial.type_line("en");
    screen.expect("Keyboard layout");
    screen.type_line("us");
    serial.expect("Error 40  hand-over");
    screen.expect("Number:");
    screen.type_line("5");
    serial.expect("Power off");
    assert_eq!(mirror.exit(), Some(0), "{}", mirror.screen());
    assert!(medium.read("calls").contains("end off"));
    drop(dead);
}

#[test]
fn the_log_has_what_was_said_and_nothing_that_was_typed() {
    let medium = Medium::new();
    let (mut screen, path) = medium.console("tty0");
    medium.write("proc/cmdline", "anode.lang=en anode.keyboard=us");
    medium.script("bin/dmesg", &format!("echo 'Kernel command line: anode.code={CODE}'; echo 'usb 1-1: new'"));
    medium.fetcher(&format!(
        "printf 'Name: ' >&2; read -r name; stty -echo; printf 'Password: ' >&2; read -r word; stty echo; \
         printf '\\nthe code %s is wrong\\n' {CODE} >&2; exit 10"
    ));
    let _mirror = medium.mirror(&[path]);
    screen.expect("Name:");
    screen.type_line("visible-name");
    screen.expect("Password:");
    screen.type_line("hidden-word");
    screen.expect("Error 10  code-malformed");
    screen.expect("Number:");
    screen.type_line("3");
    screen.expect("anode-log.txt");
    let log = medium.read("run/anode/stick/anode-log.txt");
    for wanted in ["== screen", "Error 10", "Password:", "usb 1-1: new", "eth0 ready", "the code **** is wrong"] {
        assert!(log.contains(wanted), "{wanted}: {log}");
    }
    for absent in ["hidden-word", "visible-name", "0123", "89AB"] {
        assert!(!log.contains(absent), "{absent}: {log}");
    }
    screen.expect("Number:");
    screen.type_line("2");
    for _ in 0..2 {
        screen.expect("Enter for more");
        screen.type_line("");
    }
    screen.expect("usb 1-1: new");
}

#[test]
fn ctrl_c_ends_the_fetcher_and_never_the_session() {
    let medium = Medium::new();
    let (mut screen, path) = medium.console("tty0");
    medium.write("proc/cmdline", "anode.lang=en anode.keyboard=us");
    medium.fetcher("echo downloading >&2; exec sleep 60");
    let _mirror = medium.mirror(&[path]);
    screen.expect("downloading");
    screen.type_line("\u{3}");
    screen.expect("Error 3  declined");
}

#[test]
fn a_session_that_breaks_is_followed_by_another() {
    let medium = Medium::new();
    let (mut screen, path) = medium.console("tty0");
    medium.script("lib/anode/end", "exit 1");
    let _mirror = medium.mirror(&[path]);
    greet(&mut screen, "en", "us");
    screen.expect("Starting the installer.");
    screen.expect("The machine did not do that.");
    screen.expect("Language / Sprache");
}

#[test]
fn nobody_is_asked_twice_by_a_terminal_that_is_gone() {
    let medium = Medium::new();
    let missing = medium.path("dev/ttyS9");
    let mut mirror = medium.mirror(&[missing]);
    assert_eq!(mirror.exit(), Some(1));
    wait_for("the reason", || mirror.screen().contains("none of the 1 consoles can be opened"));
}
