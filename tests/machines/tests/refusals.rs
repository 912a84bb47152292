//! Everything that goes wrong in front of the medium: the right page comes, there is a way back, and no kernel is started.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anode_machines::{Hardware, Host, Link, Medium, Network};
use anode_tests::Site;

/// The medium's own last words before another kernel begins.
const STARTS: &str = "Starting the installer.";

#[test]
fn whatever_is_refused_has_its_page_and_a_way_back_on_a_small_machine_whose_clock_stands_in_1970() {
    let mut host = Host::new();
    let code = host.code();
    host.site.release();
    let image = host.medium("medium.iso", &[]);
    let foreign = Site::new().code(&[Site::SERVER], &[]);
    // Two cards, of which the first one never has a cable; the second one gets its own later.
    let hardware = Hardware::new("refusals").medium(Medium::Disc(&image)).memory(512).clock("1970-01-01T00:00:00");
    let hardware = hardware.networks(&[Network::without_link(), Network::without_link()]);
    let mut machine = hardware.limit(Duration::from_secs(480)).power_on();

    machine.to_the_network();
    machine.expect("eth0  no link: cable or switch?");
    machine.expect("eth1  no link: cable or switch?");
    machine.expect("No network. Check the cable");
    machine.show("network");
    machine.link(1, Link::Plugged);
    machine.go("Network: try again");
    machine.expect("ready, address 10.0.2.15/24");
    machine.expect("Activation code");

    // Nobody serves the site, and the medium has no copy.
    host.site.web.stop();
    machine.type_line(&code.text);
    machine.says_the_date("");
    machine.refuses(30, "unreachable");
    host.site.web.resume();

    // A slip of the finger: nothing is sent, and nothing is lost.
    let before = host.site.web.requests().len();
    machine.type_line(&mistyped(&code.text));
    machine.expect("That is not a code");
    machine.expect("Activation code");
    assert_eq!(host.site.web.requests().len(), before, "something was sent");

    machine.type_line(&foreign.text);
    machine.says_the_date("");
    machine.refuses(11, "code-unknown");
    machine.show("error");

    // The clock is dead, and a person says a date at which everything that the site signed has expired.
    machine.type_line(&code.text);
    machine.says_the_date("2035-01-01");
    machine.refuses(21, "metadata-expired");

    // The host turns one bit of every sealed pack.
    let packs = packs(&host.site);
    packs.iter().for_each(flip);
    machine.type_line(&code.text);
    machine.says_the_date("");
    machine.expect("Number or name");
    machine.type_line(Site::SERVER);
    machine.refuses(23, "integrity");
    packs.iter().for_each(flip);

    // The mirror serves another kernel of the same length.
    let kernel = host.kernel();
    let genuine = fs::read(&kernel).expect("the kernel");
    fs::remove_file(&kernel).expect("the link to the kernel");
    let mut other = genuine.clone();
    other[4_000_000] ^= 1;
    fs::write(&kernel, &other).expect("another kernel");
    machine.type_line(&code.text);
    machine.says_the_date("");
    machine.to_the_confirmation();
    machine.type_line("yes");
    machine.refuses(23, "integrity");

    // From now on the host serves nobody without a certificate, and this medium has none.
    host.site.web.demand_certificates(&host.site.authority);
    machine.type_line(&code.text);
    machine.says_the_date("");
    machine.expect("the server answers 400; it may want a client certificate");
    machine.expect("Error 33  not-a-site");
    machine.expect("whether the server wants a certificate");
    machine.go("Power off");
    machine.expect_end();
    assert!(!machine.text().contains(STARTS), "a kernel was started");
}

#[test]
fn a_medium_with_a_certificate_is_served_and_its_copy_is_used_when_the_host_is_down() {
    let mut host = Host::new();
    let code = host.code();
    host.site.release();
    host.site.web.demand_certificates(&host.site.authority);
    let [certificate, key] = host.site.authority.client().map(|path| path.display().to_string());
    let image = host.medium("medium.iso", &["--client-cert", &certificate, "--client-key", &key, "--cache"]);

    let hardware = Hardware::new("mutual_and_copy").medium(Medium::Disc(&image)).memory(512);
    let mut machine = hardware.limit(Duration::from_secs(300)).power_on();
    machine.to_the_code();
    machine.type_line(&code.text);
    machine.to_the_confirmation();
    machine.type_line("no");
    machine.refuses(3, "declined");

    host.site.web.stop();
    machine.type_line(&code.text);
    machine.expect("No mirror answers: using the copy of");
    machine.to_the_confirmation();
    machine.type_line("no");
    machine.refuses(3, "declined");
    assert!(!machine.text().contains(STARTS), "a kernel was started");
}

/// The code with one symbol changed: its checksum is wrong.
fn mistyped(code: &str) -> String {
    let other = if code.starts_with('A') { "B" } else { "A" };
    format!("{other}{}", &code[1..])
}

/// The objects that are larger than any activation or node of the index.
fn packs(site: &Site) -> Vec<PathBuf> {
    let objects = site.current().join("objects");
    let paths = anode_tests::files(&objects).into_iter().filter(|(_, bytes)| bytes.len() >= 8192);
    let packs: Vec<_> = paths.map(|(name, _)| objects.join(name)).collect();
    assert!(!packs.is_empty(), "no object is as large as a pack");
    packs
}

fn flip(path: &PathBuf) {
    let mut bytes = fs::read(path).expect("an object");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    // Not into the file itself: it is linked into the next tree.
    fs::remove_file(path).expect("removing an object");
    fs::write(path, bytes).expect("writing an object");
}
