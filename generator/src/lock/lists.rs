//! Lists of hashes as distributions publish them, each told by its content.
//!
//! Only SHA-256 counts. A list is read line by line and loosely, because each distribution has its own; what it says of a file is one hash or none, and
//! two different ones for the same name are an error.

use anode_bundle::name::Sha256;
use serde_json::Value;

/// What a list says of the file `name`, which lies at `url`. Names are relative to the list's folder.
///
/// # Errors
/// If it says two things.
pub fn find(list: &str, name: Option<&str>, url: &str) -> Result<Option<Sha256>, String> {
    let mut found: Vec<Sha256> = Vec::new();
    let text = list.strip_prefix('\u{feff}').unwrap_or(list);
    if text.trim_start().starts_with('{') {
        let json: Value = serde_json::from_str(text).map_err(|error| format!("is not JSON: {error}"))?;
        let last = url.rsplit('/').next().unwrap_or(url);
        locations(&json, last, &mut found);
    } else if let Some(name) = name {
        let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
        let entries = if lines.contains(&"[checksums]") { treeinfo(&lines) } else { plain(&lines) };
        found.extend(entries.into_iter().filter(|(known, _)| clean(known) == name).map(|(_, hash)| hash));
    }
    found.sort_unstable();
    found.dedup();
    match found.as_slice() {
        [] => Ok(None),
        [hash] => Ok(Some(*hash)),
        _ => Err(format!("names {} different hashes for the same file", found.len())),
    }
}

/// `./a//b` → `a/b`
fn clean(name: &str) -> String {
    name.split('/').filter(|part| !part.is_empty() && *part != ".").collect::<Vec<_>>().join("/")
}

/// `{"location": "https://…/name", "sha256": "…"}`, at any depth.
fn locations(value: &Value, last: &str, found: &mut Vec<Sha256>) {
    match value {
        Value::Object(members) => {
            let text = |name: &str| members.get(name).and_then(Value::as_str);
            if let (Some(location), Some(hash)) = (text("location"), text("sha256"))
                && location.rsplit('/').next() == Some(last)
            {
                found.extend(Sha256::parse(hash).ok());
            }
            members.values().for_each(|value| locations(value, last, found));
        }
        Value::Array(items) => items.iter().for_each(|value| locations(value, last, found)),
        _ => {}
    }
}

/// The section `[checksums]` of a `.treeinfo`: `images/pxeboot/vmlinuz = sha256:…`
fn treeinfo<'l>(lines: &[&'l str]) -> Vec<(&'l str, Sha256)> {
    let section =
        lines.iter().skip_while(|line| **line != "[checksums]").skip(1).take_while(|line| !line.starts_with('['));
    let entry = |line: &&'l str| {
        let (name, value) = line.split_once('=')?;
        let hash = Sha256::parse(&value.trim().strip_prefix("sha256:")?.to_ascii_lowercase()).ok()?;
        Some((name.trim(), hash))
    };
    section.filter_map(entry).collect()
}

/// `sha256sum`'s own lines, those with `--tag`, and those of a Debian `Release`, which has a length in between. Only hashes of the right length count,
/// so that the other sections of a `Release` are passed over.
fn plain<'l>(lines: &[&'l str]) -> Vec<(&'l str, Sha256)> {
    let entry = |line: &&'l str| {
        if let Some(rest) = line.strip_prefix("SHA256 (") {
            let (name, hash) = rest.rsplit_once(") = ")?;
            return Some((name, Sha256::parse(&hash.to_ascii_lowercase()).ok()?));
        }
        let (hash, rest) = line.trim_start().split_once([' ', '\t'])?;
        let hash = Sha256::parse(&hash.to_ascii_lowercase()).ok()?;
        if line.starts_with(' ') {
            let (length, name) = rest.trim_start().split_once(' ')?;
            return length.bytes().all(|byte| byte.is_ascii_digit()).then_some((name.trim(), hash));
        }
        // One blank and one of ` ` and `*`, and some write more.
        let name = rest.trim_start();
        Some((name.strip_prefix('*').unwrap_or(name), hash))
    };
    lines.iter().filter_map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(text: &str) -> Sha256 {
        Sha256::of(text.as_bytes())
    }

    #[test]
    fn each_form_that_a_distribution_publishes_is_read() {
        let (h, other) = (hash("x"), hash("y"));
        let sha1 = "0123456789012345678901234567890123456789";
        for (form, list) in [
            ("Debian's SHA256SUMS", format!("{other}  ./cdrom/linux\n{h}  ./netboot/linux\n")),
            ("Ubuntu's SHA256SUMS", format!("{h} *netboot/linux\n")),
            ("openSUSE's .sha256", format!("{h}  netboot/linux\n")),
            ("Fedora's CHECKSUM", format!("# netboot/linux: 7 bytes\nSHA256 (netboot/linux) = {h}\n")),
            (
                "Debian's Release",
                format!(
                    "Origin: Debian\nMD5Sum:\n {sha1} 7 netboot/linux\nSHA256:\n {other}  7 cdrom/linux\n {h}    7 netboot/linux\n"
                ),
            ),
            (
                "Anaconda's .treeinfo",
                format!(
                    "[general]\nname = x\n[checksums]\nnetboot/linux = sha256:{h}\nb = md5:00\n\n[tree]\narch = y\n"
                ),
            ),
            ("upper case", format!("{}  netboot/linux\r\n", h.to_string().to_uppercase())),
        ] {
            let url = "https://example.org/netboot/linux";
            assert_eq!(find(&list, Some("netboot/linux"), url), Ok(Some(h)), "{form}");
            assert_eq!(find(&list, Some("netboot/initrd"), url), Ok(None), "{form}");
        }
        let stream = format!(
            r#"{{"architectures": {{"x86_64": [{{"kernel": {{"location": "https://cdn.example.org/a/linux", "sha256": "{h}"}}}}]}}}}"#
        );
        assert_eq!(find(&stream, None, "https://mirror.example.org/b/linux"), Ok(Some(h)));
        assert_eq!(find(&stream, None, "https://mirror.example.org/b/initrd"), Ok(None));
    }

    #[test]
    fn a_list_that_says_two_things_is_refused() {
        let twice = format!("{}  linux\n{}  ./linux\n", hash("x"), hash("y"));
        assert!(find(&twice, Some("linux"), "https://example.org/linux").is_err());
        let same = format!("{}  linux\n{}  ./linux\n", hash("x"), hash("x"));
        assert_eq!(find(&same, Some("linux"), "https://example.org/linux"), Ok(Some(hash("x"))));
    }

    #[test]
    fn what_is_not_a_list_says_nothing() {
        for text in ["", "<html>", "{}", "SHA256 (", "[checksums]", "zz  linux", " 12 linux", "\u{0}\u{ff}"] {
            assert_eq!(find(text, Some("linux"), "https://example.org/linux"), Ok(None), "{text:?}");
        }
        assert!(find("{", Some("linux"), "https://example.org/linux").is_err());
    }
}
