//! Addresses, links, VLANs, and cards that do not start.

use std::fs;
use std::os::unix::fs::symlink;

use anode_tests::Program;

use super::machine::Machine;

#[test]
fn a_dhcp_answer_decides_address_router_and_name_servers_and_nothing_else() {
    let machine = Machine::new();
    machine.interface("eth0", true);
    let answer = machine
        .run("dhcp", &["bound"])
        .env("interface", "eth0")
        .env("ip", "192.0.2.10")
        .env("mask", "24")
        .env("router", "192.0.2.1 192.0.2.2")
        .env("dns", "192.0.2.53 $(reboot) ;reboot ../x 2001:db8::53")
        .env("boot_file", "http://evil.example/preseed.cfg")
        .env("siaddr", "192.0.2.66")
        .env("domain", "evil.example")
        .env("hostname", "evil")
        .env("staticroutes", "0.0.0.0/0 192.0.2.66")
        .env("wpad", "http://evil.example/wpad.dat");
    let _ = answer.run().ok();
    assert_eq!(
        machine.calls(),
        "ip address flush dev eth0\nip address add 192.0.2.10/24 dev eth0\n\
         ip route add default via 192.0.2.1 dev eth0 metric 102\n"
    );
    assert_eq!(machine.read("etc/resolv.conf"), "nameserver 192.0.2.53\nnameserver 2001:db8::53\n");
    assert_eq!(machine.read("run/anode/network"), "up\neth0 ready 192.0.2.10/24\n");
    // What came with the answer lies nowhere.
    let grep = Program::new("grep").args(["-r", "evil"]).arg(machine.path("run")).arg(machine.path("etc")).run();
    assert_eq!(grep.stdout, "");
}

#[test]
fn a_dhcp_answer_that_is_none_changes_nothing() {
    for (ip, mask) in [("", "24"), ("192.0.2.10; reboot", "24"), ("192.0.2.10", "24 dev lo"), ("192.0.2.10", "255")] {
        let machine = Machine::new();
        machine.interface("eth0", true);
        let answer = machine.run("dhcp", &["bound"]).env("interface", "eth0").env("ip", ip).env("mask", mask);
        assert_eq!(answer.run().exit, Some(1), "{ip} {mask}");
        assert_eq!(machine.calls(), "");
        assert_eq!(machine.read("run/anode/network"), "");
    }
}

#[test]
fn every_interface_with_a_link_asks_and_the_others_are_named() {
    let machine = Machine::new();
    machine.interface("eth0", true);
    machine.interface("eth1", false);
    machine.interface("eth2", true);
    machine.write("sys/class/net/lo/type", "772\n");
    machine.write("sys/class/net/wg0/type", "65534\n");
    // eth2's server is silent.
    machine.play(
        "udhcpc",
        "case \"$*\" in *eth2*) exit 1 ;; esac\n\
         interface=eth0 ip=192.0.2.10 mask=24 router= dns=\nexport interface ip mask router dns; exec /bin/dash \"$ANODE_ROOT/lib/anode/dhcp\" bound",
    );
    let _ = machine.run("network", &["up"]).run().ok();
    assert_eq!(machine.read("run/anode/network"), "up\neth0 ready 192.0.2.10/24\neth1 no-link \neth2 no-answer \n");
    let calls = machine.calls();
    assert!(calls.contains("udhcpc -i eth0 -b -t 4 -T 3 -A 5 -o -O subnet -O router -O dns "), "{calls}");
    assert!(!calls.contains("udhcpc -i eth1") && !calls.contains(" lo") && !calls.contains("wg0"), "{calls}");
}

#[test]
fn without_an_interface_or_a_link_it_is_over_and_said() {
    let machine = Machine::new();
    let _ = machine.run("network", &["up"]).run().ok();
    assert_eq!(machine.read("run/anode/network"), "none\n");

    let machine = Machine::new();
    machine.interface("eth0", false);
    machine.play("usleep", "");
    let _ = machine.run("network", &["up"]).run().ok();
    // Eight seconds at its real pace.
    assert_eq!(machine.calls().matches("usleep 500000").count(), 16, "{}", machine.calls());
    assert_eq!(machine.read("run/anode/network"), "none\neth0 no-link \n");
    assert!(!machine.calls().contains("udhcpc"));
}

#[test]
fn a_cable_that_is_put_in_later_and_a_server_that_answers_late_are_taken_without_a_word() {
    let machine = Machine::new();
    machine.interface("eth0", false);
    machine.interface("eth1", true);
    let sleeps = machine.path("sleeps");
    // The link comes long after the page that says that there is none.
    machine.play(
        "usleep",
        &format!(
            "echo x >>{0}; [ \"$(grep -c x {0})\" -lt 40 ] || echo 1 >\"$ANODE_ROOT/sys/class/net/eth0/carrier\"",
            sleeps.display()
        ),
    );
    // eth1's server is silent at first: udhcpc says so, goes on behind, and is answered.
    machine.play(
        "udhcpc",
        "ip=192.0.2.10 mask=24 router= dns=\n\
         case \"$*\" in *eth1*) interface=eth1 ip=192.0.2.11 ;; *) interface=eth0 ;; esac\n\
         export interface ip mask router dns\n\
         [ $interface = eth0 ] || /bin/dash \"$ANODE_ROOT/lib/anode/dhcp\" leasefail\n\
         exec /bin/dash \"$ANODE_ROOT/lib/anode/dhcp\" bound",
    );
    let _ = machine.run("network", &["up"]).run().ok();
    assert_eq!(machine.read("run/anode/network"), "up\neth0 ready 192.0.2.10/24\neth1 ready 192.0.2.11/24\n");
    assert!(machine.path("run/anode/udhcpc.later.pid").exists());
}

#[test]
fn a_static_address_and_a_vlan_come_from_the_kernel_or_from_a_person_who_wins() {
    let machine = Machine::new();
    machine.interface("eth0", true);
    machine.interface("eth1", true);
    machine.write(
        "proc/cmdline",
        "anode.ip=192.0.2.10/24,192.0.2.1,192.0.2.53;192.0.2.54 anode.interface=eth1 anode.vlan=12 quiet\n",
    );
    let _ = machine.run("network", &["up"]).run().ok();
    let calls = machine.calls();
    for wanted in [
        "ip link add link eth1 name eth1.12 type vlan id 12\n",
        "ip address add 192.0.2.10/24 dev eth1.12\n",
        "ip route add default via 192.0.2.1 dev eth1.12\n",
    ] {
        assert!(calls.contains(wanted), "{wanted}: {calls}");
    }
    assert!(!calls.contains("udhcpc") && !calls.contains("eth0"), "{calls}");
    assert_eq!(machine.read("etc/resolv.conf"), "nameserver 192.0.2.53\nnameserver 192.0.2.54\n");
    assert_eq!(machine.read("run/anode/network"), "up\neth1.12 ready 192.0.2.10/24\n");

    // A person wants DHCP, every interface, and no VLAN: the one that is there would keep its address.
    fs::remove_file(machine.path("calls")).expect("the calls");
    machine.write("sys/class/net/eth1.12/type", "1\n");
    for setting in ["ip", "interface", "vlan"] {
        machine.write(&format!("run/anode/settings/{setting}"), "");
    }
    let _ = machine.run("network", &["up"]).run().ok();
    let calls = machine.calls();
    assert!(calls.contains("udhcpc -i eth0") && calls.contains("udhcpc -i eth1 "), "{calls}");
    assert!(calls.starts_with("ip link delete eth1.12\n"), "{calls}");
    assert!(!calls.contains("vlan") && !calls.contains("address add"), "{calls}");
}

#[test]
fn what_is_no_address_or_no_vlan_is_said_and_reaches_no_command() {
    for (argument, state) in [
        ("anode.ip=192.0.2.10", "bad-address"),
        ("anode.ip=$(reboot)/24,192.0.2.1", "bad-address"),
        ("anode.ip=192.0.2.10/x,192.0.2.1", "bad-address"),
        ("anode.vlan=12;reboot", "bad-vlan"),
        ("anode.vlan=99999", "bad-vlan"),
    ] {
        let machine = Machine::new();
        machine.interface("eth0", true);
        machine.write("proc/cmdline", format!("{argument}\n"));
        let _ = machine.run("network", &["up"]).run().ok();
        assert!(machine.read("run/anode/network").contains(state), "{argument}");
        let calls = machine.calls();
        assert!(!calls.contains(" add ") && !calls.contains("reboot"), "{argument}: {calls}");
    }
}

#[test]
fn a_card_that_does_not_start_is_named_with_the_firmware_that_it_lacks() {
    let machine = Machine::new();
    machine.interface("eth0", true);
    let card = |place: &str, class: &str| machine.write(&format!("sys/bus/pci/devices/{place}/class"), class);
    for (name, place) in [("eth1", "0000:00:03.0"), ("eth2", "0000:00:04.0")] {
        card(place, "0x020000\n");
        machine.write(&format!("sys/class/net/{name}/type"), "1\n");
        fs::create_dir_all(machine.path(&format!("sys/bus/pci/devices/{place}/net/{name}"))).expect("a folder");
        symlink(
            machine.path(&format!("sys/bus/pci/devices/{place}")),
            machine.path(&format!("sys/class/net/{name}/device")),
        )
        .expect("a link");
    }
    // Without an interface: a driver that wants firmware first, a wireless card without a driver, and a disk controller.
    card("0000:00:05.0", "0x020000\n");
    card("0000:00:06.0", "0x028000\n");
    card("0000:00:07.0", "0x010601\n");
    machine.play("ip", "case \"$*\" in *'eth1 up' | *'eth2 up') exit 2 ;; esac");
    let words = "[    5.1] e100 0000:00:03.0: Direct firmware load for e100/d102e_ucode.bin failed with error -2\n\
                 [    5.2] bnx2 0000:00:05.0: Direct firmware load for bnx2/old.fw failed with error -2\n\
                 [    5.3] bnx2 0000:00:05.0: Direct firmware load for bnx2/new.fw failed with error -2\n\
                 [    5.4] ahci 0000:00:07.0: Direct firmware load for none.fw failed with error -2\n";
    machine.write("kernel", words);
    machine.play("dmesg", "exec cat \"$ANODE_ROOT/kernel\"");
    let up = |settings: &str| {
        machine.write("proc/cmdline", settings);
        let _ = machine.run("network", &["up"]).run().ok();
        machine.read("run/anode/network")
    };
    let all = up("quiet\n");
    assert_eq!(
        all,
        "none\n0000:00:05.0 no-firmware bnx2/new.fw\n0000:00:06.0 wireless-card \neth0 no-answer \n\
         eth1 no-firmware e100/d102e_ucode.bin\neth2 no-start \n"
    );
    // What is wrong with the other cards is still said beside an address that was given.
    let fixed = up("anode.ip=192.0.2.10/24\n");
    assert!(fixed.starts_with("up\n") && fixed.contains("eth1 no-firmware ") && !fixed.contains("waiting"), "{fixed}");
    assert_eq!(up("anode.interface=eth0\n"), "none\neth0 no-answer \n");
}
