//! Wireless networks: their names, their passphrases, and why one was not joined.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::machine::Machine;

/// A machine with a wireless card, and a program that speaks with it and says `talk` when it has a network.
fn wireless(talk: &str) -> Machine {
    let machine = Machine::new();
    machine.interface("wlan0", true);
    fs::create_dir_all(machine.path("sys/class/net/wlan0/phy80211")).expect("a folder");
    let run = machine.path("run/anode").display().to_string();
    machine.play("wpa_supplicant", &format!("echo 9999999 >'{run}/wifi.pid'; echo '{talk}' >>'{run}/wifi.log'"));
    machine.play("wpa_cli", "case \"$*\" in *ping) echo PONG ;; *scan) echo OK ;; *results) echo table ;; esac");
    machine
}

#[test]
fn a_wireless_networks_name_and_passphrase_stay_words_of_their_own() {
    let machine = wireless("wlan0: CTRL-EVENT-CONNECTED - Connection to 02:00 completed");
    let _ = machine.run("wifi", &["possible"]).run().ok();
    let input = "436166c3a922207d\npass\"word $(reboot) \\x\n";
    let _ = machine.run("wifi", &["join"]).input(input).run().ok();
    let written = machine.read("run/anode/wifi.conf");
    assert!(written.contains("ssid=436166c3a922207d\n"), "{written}");
    assert!(written.contains("psk=\"pass\"word $(reboot) \\x\"\n"), "{written}");
    let mode = fs::metadata(machine.path("run/anode/wifi.conf")).expect("the file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(!machine.calls().contains("pass"), "{}", machine.calls());
    // What is no name in hex writes nothing.
    fs::remove_file(machine.path("run/anode/wifi.conf")).expect("the configuration");
    for name in ["", "Café", "ab}\tx"] {
        let refused = machine.run("wifi", &["join"]).input(&format!("{name}\npassphrase\n")).run();
        assert_eq!((refused.exit, machine.read("run/anode/wifi.conf").as_str()), (Some(2), ""), "{name}");
    }
    // Without the program there is nothing to offer.
    fs::remove_file(machine.path("bin/wpa_supplicant")).expect("the program");
    assert_ne!(machine.run("wifi", &["possible"]).run().exit, Some(0));
}

#[test]
fn why_a_wireless_network_was_not_joined_is_told_apart_and_nothing_goes_on_trying() {
    for (talk, exit) in [
        ("wlan0: CTRL-EVENT-SSID-TEMP-DISABLED id=0 ssid=\"x\" auth_failures=1 duration=10 reason=WRONG_KEY", 3),
        ("wlan0: CTRL-EVENT-AUTH-REJECT 02:00 auth_type=3 auth_transaction=2 status_code=1", 3),
        ("wlan0: Trying to associate with 02:00", 1),
        ("wlan0: CTRL-EVENT-NETWORK-NOT-FOUND", 4),
    ] {
        let machine = wireless(talk);
        let ended = machine.run("wifi", &["join"]).input("78\npassphrase\n").run();
        assert_eq!(ended.exit, Some(exit), "{ended}");
        assert!(!machine.path("run/anode/wifi.pid").exists(), "{talk}");
        assert!(ended.stdout.contains(talk), "{ended}");
    }
}

#[test]
fn what_is_in_the_air_is_listed_and_a_vlan_is_for_cables_alone() {
    let machine = wireless("wlan0: CTRL-EVENT-SCAN-RESULTS");
    assert_eq!(machine.run("wifi", &["list"]).run().ok().stdout, "table\n");
    assert_eq!(machine.read("run/anode/wifi.conf").lines().count(), 1);
    machine.write("proc/cmdline", "anode.vlan=12\n");
    let _ = machine.run("network", &["up"]).run().ok();
    let calls = machine.calls();
    assert!(calls.contains("udhcpc -i wlan0 ") && !calls.contains("vlan"), "{calls}");
}
