//! The network: what a person sets, and what the fetcher is told of it.

use std::fs;

use anode_tests::Medium;

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
