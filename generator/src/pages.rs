//! The web pages and `api/v1`: for people, monitoring and scripts. No program may trust them; the medium does not read them.

use std::collections::BTreeMap;

use anode_bundle::document::Release;
use anode_bundle::signature::ListedKey;
use anyhow::Result;
use serde::Serialize;
use tera::{Context, Tera};

use crate::plan::PublicProfile;
use crate::tree::BootFile;
use crate::trusted::TrustedSite;

const INDEX: &str = include_str!("../../site/index.html");
const STYLE: &str = include_str!("../../site/style.css");

/// Every page, by its path in the tree. They change only when the release does, so that an unchanged input gives unchanged bytes.
///
/// # Errors
/// If the template is broken.
pub fn pages(
    site: &TrustedSite,
    release: &Release,
    profiles: &[PublicProfile],
    boot: &[BootFile],
) -> Result<BTreeMap<String, Vec<u8>>> {
    #[derive(Serialize)]
    struct Health<'a> {
        site: &'a str,
        name: &'a str,
        root: u64,
        release: u64,
        issued: String,
        expires: String,
    }
    let root = site.root();
    let health = Health {
        site: site.id().as_str(),
        name: &site.config.name,
        root: root.version,
        release: release.version,
        issued: release.issued.to_string(),
        expires: release.expires.to_string(),
    };
    let mut tera = Tera::default();
    tera.add_raw_template("index.html", INDEX)?;
    let mut context = Context::new();
    context.insert("language", site.config.language.code());
    context.insert("title", &site.config.title);
    context.insert("health", &health);
    context.insert("profiles", profiles);
    context.insert("boot", boot);
    context.insert("release_key", &key_files(site, &root.roles.release.keys));
    context.insert("timestamp_key", &key_files(site, &root.roles.timestamp.keys));
    let page = tera.render("index.html", &context)?;
    Ok(BTreeMap::from([
        ("index.html".to_owned(), page.into_bytes()),
        ("style.css".to_owned(), STYLE.as_bytes().to_vec()),
        ("api/v1/health.json".to_owned(), json(&health)?),
        ("api/v1/profiles.json".to_owned(), json(&profiles)?),
    ]))
}

/// Which files of the repository hold the public halves: whoever checks by hand takes them from there, and not from the page that they check.
fn key_files(site: &TrustedSite, keys: &[ListedKey]) -> String {
    let file = |key: &ListedKey| match site.keys.name_of(key) {
        Some(name) => format!("keys/{name}.pub"),
        None => format!("<{}>", key.id),
    };
    keys.iter().map(file).collect::<Vec<_>>().join(" (or) ")
}

fn json(value: &impl Serialize) -> Result<Vec<u8>> {
    let mut text = serde_json::to_vec_pretty(value)?;
    text.push(b'\n');
    Ok(text)
}
