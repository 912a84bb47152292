//! `anode status`: one screen, and an exit status for monitoring.

use std::fs;

use anode_tests::{Output, Program, Site, in_days};

fn status(site: &Site, more: &[&str]) -> Output {
    let status = site.anode(&["status"]).arg("--to").arg(site.target()).args(more).run();
    if more.contains(&"--json") {
        return status;
    }
    assert!(status.stdout.lines().count() <= 25, "{status}");
    for line in status.stdout.lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
    status
}

/// Looks, and compares exit status and words.
#[track_caller]
fn says(site: &Site, more: &[&str], exit: i32, words: &[&str]) {
    let status = status(site, more);
    assert_eq!(status.exit, Some(exit), "{status}");
    for word in words {
        assert!(status.stdout.contains(word), "`{word}`\n{status}");
    }
}

#[test]
fn a_site_in_order_has_nothing_to_do_and_exit_status_0() {
    let site = Site::new();
    let _ = site.code(&[Site::SERVER], &["--label", "front-desk"]);
    says(&site, &[], 1, &["nothing is published", "anode publish"]);
    site.release();
    says(&site, &[], 0, &["nothing to do", "is         release 1, what the repository says", "codes      1 active"]);
    // The same by its address.
    let by_address = site.anode(&["status", "--json"]).arg("--ca").arg(site.authority.certificate()).run().ok().json();
    assert_eq!((&by_address["level"], &by_address["repository"]), (&"fine".into(), &"equal".into()), "{by_address}");
    assert_eq!(by_address["documents"].as_array().map(Vec::len), Some(3));
    // Without the seal secret nobody can tell whether something changed; that is said, and is no alarm.
    let stranger =
        site.anode(&["status"]).arg("--to").arg(site.target()).env("ANODE_KEYS", site.scratch("none")).run().ok();
    assert!(stranger.stdout.contains("the seal secret is not here"), "{stranger}");
}

#[test]
fn what_ends_is_announced_and_a_missing_refresh_is_an_alarm() {
    let site = Site::new();
    let _ = site.code(&[Site::SERVER], &["--expires", "20d", "--label", "front-desk"]);
    site.release();
    says(&site, &["--now", &in_days(1)], 0, &["nothing to do"]);
    says(&site, &["--now", "1970-01-01T00:00:00Z"], 2, &["ALARM      the clock reads 1970-01-01", "set the clock"]);
    says(&site, &["--now", &in_days(3)], 2, &["ALARM      the timestamp was refreshed 3 days ago", "anode refresh"]);
    says(
        &site,
        &["--now", &in_days(8)],
        2,
        &["ALARM      timestamp 1 is over", "1 end within 14 days: example-school/front-desk"],
    );
    says(
        &site,
        &["--now", &in_days(70)],
        2,
        &["warning    release 1 ends in 49 days, by", "key `release`: build and publish"],
    );
    says(
        &site,
        &["--now", &in_days(320)],
        2,
        &["warning    root 1 ends in 44 days", "1 of `root-1`, `root-2`: begin the next root", "1 over"],
    );
    let json = status(&site, &["--json", "--now", &in_days(3)]).json();
    let task = &json["tasks"][0];
    assert_eq!((&json["level"], &task["level"]), (&"alarm".into(), &"alarm".into()), "{json}");
    assert!(
        task["by"].is_string() && task["remedy"].as_str().is_some_and(|text| text.contains("`timestamp`")),
        "{json}"
    );
}

#[test]
fn drift_between_repository_build_and_publication_is_a_warning() {
    let site = Site::new();
    let _ = site.code(&[Site::SERVER], &[]);
    site.release();
    site.change_title("Changed");
    says(&site, &[], 1, &["not what the repository says", "built      release 1"]);
    let _ = site.build().run().ok();
    says(&site, &[], 1, &["release 2 is built and not published"]);
    let _ = site.publish().run().ok();
    says(&site, &[], 0, &["is         release 2, what the repository says"]);
}

#[test]
fn what_waits_for_signatures_is_said_with_the_command() {
    let site = Site::published();
    let _ = site.anode(&["root", "new"]).run().ok();
    says(&site, &[], 1, &["root 2 waits for 1 more signature", "anode root sign"]);
    let git = |arguments: &[&str]| Program::new("git").arg("-C").arg(site.repository()).args(arguments).run().ok();
    let _ = git(&["init", "--quiet"]);
    let _ = git(&["add", "--all"]);
    let _ = git(&["commit", "--quiet", "--message", "All"]);
    let _ = site.code(&[Site::SERVER], &[]);
    let _ = git(&["add", "--all"]);
    let _ = git(&["commit", "--quiet", "--message", "A code"]);
    let _ = site.build().arg("--propose").arg("--previous").arg(site.target()).run().ok();
    says(&site, &[], 1, &["release 2 of", "waits for its signature", "anode release sign --proposal"]);
}

#[test]
fn what_can_not_be_reached_is_an_alarm_and_a_broken_repository_exit_status_3() {
    let site = Site::published();
    let nowhere =
        site.anode(&["status", "--to", "https://localhost:9"]).arg("--ca").arg(site.authority.certificate()).run();
    assert_eq!(nowhere.exit, Some(2), "{nowhere}");
    assert!(nowhere.stdout.contains("ALARM      nothing could be read"), "{nowhere}");
    fs::write(site.current().join("timestamp.signed"), "rubbish").expect("writing");
    says(&site, &[], 2, &["ALARM      nothing could be read"]);
    site.write("anode.toml", "rubbish");
    let broken = site.anode(&["status"]).run();
    assert_eq!(broken.exit, Some(3), "{broken}");
}

#[test]
fn a_screen_holds_what_a_screen_can_hold() {
    let site = Site::new();
    let long = "a-label-that-is-so-long-that-nobody-would-ever-want-to-type-it-1";
    let _ = site.code(&[Site::SERVER], &["--expires", "5d", "--label", long]);
    site.release();
    let _ = site.anode(&["root", "new"]).run().ok();
    site.change_title("Changed");
    let _ = site.build().run().ok();
    site.change_title("Changed again");
    let crowded = status(&site, &["--now", &in_days(400)]);
    assert_eq!(crowded.exit, Some(2), "{crowded}");
    let json = status_json(&site);
    assert!(json["tasks"].as_array().is_some_and(|tasks| tasks.len() >= 7), "{json}");
}

fn status_json(site: &Site) -> serde_json::Value {
    let json = site.anode(&["status", "--json", "--now", &in_days(400)]).arg("--to").arg(site.target());
    json.run().json()
}
