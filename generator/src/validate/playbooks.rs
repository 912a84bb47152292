//! Playbooks that lie in the profiles repository itself, read by `ansible-playbook --syntax-check`.
//!
//! What `[ansible]` names below another repository is nowhere to be read, and nothing is claimed of it. Roles, modules and vaults that only the
//! machine will have keep ansible from judging: that is a warning, because nobody here knows what the machine's packages bring.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

use rayon::prelude::*;

use super::{Judgement, Kind, programs};
use crate::diagnose::{Origin, Problem};
use crate::repository::Repository;

const PROGRAM: &str = "ansible-playbook";
const PACKAGE: &str = "ansible-core";

/// What ansible made of a playbook.
enum Verdict {
    Accepted,
    /// It needs what is not here.
    Unjudged(String),
    Refused(String),
    NotRun(String),
}

impl Judgement {
    /// Asks ansible about each playbook of the repository that a profile plays, once; it is wrong where a profile or the site names it.
    pub fn ask_playbooks(&mut self, repository: &Repository) {
        let mut playbooks: BTreeMap<String, Vec<Origin>> = BTreeMap::new();
        for profile in &repository.profiles {
            let settings = profile.ansible.over(&repository.site.ansible);
            let (Some(ansible), Some(place)) = (settings.public_part(), settings.place_of_playbook()) else { continue };
            if repository.root.join(&ansible.playbook).is_file() {
                let places = playbooks.entry(ansible.playbook).or_default();
                if !places.contains(place) {
                    places.push(place.clone());
                }
            }
        }
        let Some(first) = playbooks.values().next().and_then(|places| places.first()).cloned() else { return };
        let installed = programs::is_installed(PROGRAM);
        let not_run = (!installed).then(|| format!("install `{PACKAGE}`"));
        self.asked(PROGRAM, Kind::Program, playbooks.len(), not_run, &first.source.path);
        if !installed {
            return;
        }
        let judged = playbooks.par_iter().map(|(path, places)| (path, places, judge(&repository.root, path)));
        for (path, places, verdict) in judged.collect::<Vec<_>>() {
            let problem = |place: &Origin| match &verdict {
                Verdict::Accepted => None,
                Verdict::Refused(said) => {
                    let problem = Problem::at(place, format!("`{PROGRAM}` does not accept `{path}`"));
                    Some(problem.label(said.clone()).help(format!("mend `{path}`, which is in this repository")))
                }
                Verdict::Unjudged(said) => {
                    let problem = Problem::at(place, format!("`{PROGRAM}` could not judge `{path}`")).as_warning();
                    let help = "to have it judged, install here what the machine will have; the machine's own run is the one that counts";
                    Some(problem.label(said.clone()).help(help))
                }
                Verdict::NotRun(why) => {
                    let problem = Problem::at(place, format!("`{PROGRAM}` could not read `{path}`: {why}"));
                    Some(problem.help("check that the program works by hand"))
                }
            };
            self.problems.extend(places.iter().filter_map(problem));
        }
    }
}

/// In the repository's folder, as the machine runs it in its checkout; against no host, and without what a playbook might read of the caller's.
fn judge(root: &Path, playbook: &str) -> Verdict {
    let (folder, root) = match tempfile::tempdir().and_then(|folder| Ok((folder, root.canonicalize()?))) {
        Ok(both) => both,
        Err(error) => return Verdict::NotRun(error.to_string()),
    };
    let output = Command::new(PROGRAM)
        .args(["--syntax-check", "--inventory", "localhost,", "--", playbook])
        .current_dir(&root)
        .env_clear()
        .envs(["PATH", "HOME"].iter().filter_map(|name| Some((name, std::env::var_os(name)?))))
        .env("LC_ALL", "C.UTF-8")
        .env("TMPDIR", folder.path())
        .env("ANSIBLE_LOCAL_TEMP", folder.path())
        .env("ANSIBLE_NOCOLOR", "1")
        .stdin(Stdio::null())
        .output();
    match output {
        Err(error) => Verdict::NotRun(error.to_string()),
        Ok(output) if output.status.success() => Verdict::Accepted,
        Ok(output) => {
            let said =
                format!("{}\n{}", String::from_utf8_lossy(&output.stderr), String::from_utf8_lossy(&output.stdout));
            let words = summary(&said, &format!("{}/", root.display()));
            if is_missing_here(&said) { Verdict::Unjudged(words) } else { Verdict::Refused(words) }
        }
    }
}

/// Not what the playbook says, but what it stands on.
fn is_missing_here(said: &str) -> bool {
    let role = said.contains("the role '") && said.contains("' was not found in ");
    role || said.contains("couldn't resolve module/action '") || said.contains("no vault secrets found")
}

/// Ansible's first complaint and the place it names, without the folder that the repository lies in.
fn summary(said: &str, root: &str) -> String {
    let lines: Vec<_> = said.lines().map(str::trim).collect();
    let error = lines.iter().find_map(|line| line.strip_prefix("ERROR! ").or(line.strip_prefix("[ERROR]: ")));
    let error = error.or(lines.iter().copied().find(|line| !line.is_empty())).unwrap_or("it gives no reason");
    // A missing role is followed by every folder that was looked into, a missing module by advice.
    let error = [" in /", ". This often "].iter().fold(error, |error, end| error.split(end).next().unwrap_or(error));
    let place = lines.iter().find_map(|line| {
        let (file, rest) = line.strip_prefix("The error appears to be in '")?.split_once("': line ")?;
        let (line, _) = rest.split_once(',')?;
        Some(format!("{}:{line}: ", file.strip_prefix(root).unwrap_or(file)))
    });
    format!("{}{}", place.unwrap_or_default(), error.replace(root, ""))
}

#[cfg(test)]
mod tests {
    use super::{is_missing_here, summary};

    #[test]
    fn a_complaint_is_one_line_with_the_place_that_ansible_names() {
        let attribute = "ERROR! 'task' is not a valid attribute for a Play\n\nThe error appears to be in '/r/a/b.yml': line 3, column 3, but may\n";
        assert_eq!(summary(attribute, "/r/"), "a/b.yml:3: 'task' is not a valid attribute for a Play");
        let role = "[WARNING]: x\nERROR! the role 'web' was not found in /r/roles:/etc/ansible/roles\n";
        assert_eq!(summary(role, "/r/"), "the role 'web' was not found");
        assert!(is_missing_here(role) && !is_missing_here(attribute));
        assert_eq!(summary("", "/r/"), "it gives no reason");
    }
}
