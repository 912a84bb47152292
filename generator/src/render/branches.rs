//! Which parts of a template a rendering goes through, and which names stand there: a value that is only mentioned where nobody came by has no effect.
//!
//! A second copy of the templates has a mark at the beginning of each branch. Its output is read for marks and thrown away, so the real output does
//! not depend on any of this.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tera::{Context, Tera};

use super::escape::Rule;
use super::tags::tags;
use crate::diagnose::Source;

/// Stands around the number of a branch. No template writes it: it is of the private use area.
const MARK: char = '\u{E002}';

/// The branches of all templates of one rule.
pub struct Branches {
    tera: Option<Tera>,
    // By number.
    names: Vec<BTreeSet<String>>,
    // By template: the number of what stands outside of all conditions, the templates included there, and whether a branch follows.
    roots: BTreeMap<String, Root>,
}

struct Root {
    number: usize,
    includes: BTreeSet<String>,
}

#[derive(Default)]
struct Branch {
    names: BTreeSet<String>,
    includes: BTreeSet<String>,
    // Included where a mark would be caught together with the text: everything below counts.
    swallowed: BTreeSet<String>,
}

impl Branches {
    /// Marks templates that were parsed before.
    pub fn of(sources: &BTreeMap<String, Arc<Source>>, rule: Rule) -> Branches {
        let mut marked = BTreeMap::new();
        let mut all = Vec::new();
        let mut roots = BTreeMap::new();
        for (name, source) in sources {
            let number = all.len();
            let (text, branches) = mark(&source.text, number);
            let includes = branches.first().map(|root| root.includes.clone()).unwrap_or_default();
            roots.insert(name.clone(), Root { number, includes });
            marked.insert(name.as_str(), text);
            all.extend(branches);
        }
        let names = all.iter().map(|branch| with_swallowed(branch, sources)).collect();
        let mut tera = Tera::new();
        rule.install(&mut tera);
        let added = tera.add_raw_templates(&marked).is_ok();
        rule.install(&mut tera);
        Branches { tera: added.then_some(tera), names, roots }
    }

    /// The names that a template mentions outside of all conditions.
    pub fn always(&self, template: &str) -> BTreeSet<&str> {
        let mut names = BTreeSet::new();
        let mut seen = BTreeSet::new();
        let mut open = vec![template];
        while let Some(root) = open.pop().filter(|name| seen.insert(*name)).and_then(|name| self.roots.get(name)) {
            names.extend(self.names.get(root.number).into_iter().flatten().map(String::as_str));
            open.extend(root.includes.iter().map(String::as_str));
        }
        names
    }

    /// The names in all branches that a rendering goes through. `None`: it could not be found out.
    pub fn passed(&self, template: &str, context: &Context) -> Option<BTreeSet<&str>> {
        let text = self.tera.as_ref()?.render(template, context).ok()?;
        let numbers: BTreeSet<usize> = text.split(MARK).filter_map(|piece| piece.parse().ok()).collect();
        Some(numbers.into_iter().filter_map(|number| self.names.get(number)).flatten().map(String::as_str).collect())
    }
}

fn with_swallowed(branch: &Branch, sources: &BTreeMap<String, Arc<Source>>) -> BTreeSet<String> {
    let mut names = branch.names.clone();
    let mut seen = BTreeSet::new();
    let mut open: Vec<&str> = branch.swallowed.iter().map(String::as_str).collect();
    while let Some(name) = open.pop() {
        let Some(source) = sources.get(name).filter(|_| seen.insert(name)) else { continue };
        for tag in tags(&source.text) {
            names.extend(tag.names().into_iter().map(|(name, _)| name.to_owned()));
            open.extend(tag.include().filter(|_| !tag.writes).map(|(name, _)| name));
        }
    }
    names
}

/// The template with a mark at the beginning of each branch, and the branches; the first one is what stands outside of all conditions.
fn mark(text: &str, first: usize) -> (String, Vec<Branch>) {
    let mut marked = format!("{MARK}{first}{MARK}");
    let mut branches = vec![Branch::default()];
    // The branches around the current place, and whether each block that is open began one.
    let (mut around, mut blocks) = (vec![0], Vec::new());
    let mut caught = 0_usize;
    let mut done = 0;
    // A template that extends another one must begin with that.
    if tags(text).iter().any(|tag| tag.inside.starts_with("extends")) {
        (caught, marked) = (1, String::new());
    }
    for tag in tags(text) {
        let word = if tag.writes { "" } else { tag.inside.split_whitespace().next().unwrap_or_default() };
        let begins = match word {
            "if" | "for" => {
                blocks.push(caught == 0);
                true
            }
            "elif" | "else" if caught == 0 => {
                around.pop();
                true
            }
            "endif" | "endfor" => {
                if blocks.pop() == Some(true) {
                    around.pop();
                }
                false
            }
            "filter" | "block" => {
                caught += 1;
                false
            }
            "set" | "set_global" if !tag.inside.contains('=') => {
                caught += 1;
                false
            }
            "endfilter" | "endblock" | "endset" => {
                caught = caught.saturating_sub(1);
                false
            }
            _ => false,
        };
        // What a condition mentions is asked for by whoever comes to it.
        if let Some(branch) = around.last().and_then(|at| branches.get_mut(*at)) {
            branch.names.extend(tag.names().into_iter().map(|(name, _)| name.to_owned()));
            if let Some((name, _)) = tag.include().filter(|_| !tag.writes) {
                let place = if caught == 0 { &mut branch.includes } else { &mut branch.swallowed };
                place.insert(name.to_owned());
            }
        }
        if begins && caught == 0 {
            around.push(branches.len());
            marked.push_str(text.get(done..tag.end).unwrap_or_default());
            marked.push_str(&format!("{MARK}{}{MARK}", first + branches.len()));
            done = tag.end;
            branches.push(Branch::default());
        }
    }
    marked.push_str(text.get(done..).unwrap_or_default());
    (marked, branches)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed(templates: &[(&str, &str)], set: &[(&str, bool)]) -> Vec<String> {
        let source = |(name, text): &(&str, &str)| {
            ((*name).to_owned(), Arc::new(Source { path: (*name).to_owned(), text: (*text).to_owned() }))
        };
        let branches = Branches::of(&templates.iter().map(source).collect(), Rule::Text);
        let mut context = Context::new();
        for (name, value) in set {
            context.insert_value((*name).to_owned(), (*value).into());
        }
        // Words of the template language are names too: nobody asks for a variable of that name.
        let passed = branches.passed("main", &context).unwrap();
        set.iter().map(|(name, _)| (*name).to_owned()).filter(|name| passed.contains(&**name)).collect()
    }

    #[test]
    fn what_stands_in_a_branch_counts_only_where_somebody_came_by() {
        let text = "{{ always }}{% if a %}{{ x }}{% elif b %}{{ y }}{% else %}{{ z }}{% endif %}";
        let set =
            |a, b| passed(&[("main", text)], &[("always", true), ("a", a), ("b", b), ("x", a), ("y", b), ("z", a)]);
        assert_eq!(set(true, false), ["always", "a", "b", "x"]);
        assert_eq!(set(false, true), ["always", "a", "b", "y"]);
        assert_eq!(set(false, false), ["always", "a", "b", "z"]);
    }

    #[test]
    fn includes_loops_and_caught_texts_are_followed() {
        let part = ("part", "{% if a %}{{ x }}{% endif %}{{ y }}");
        let all = [("a", false), ("c", true), ("x", true), ("y", true)];
        assert_eq!(passed(&[("main", "{% if c %}{% include \"part\" %}{% endif %}"), part], &all), ["a", "c", "y"]);
        assert_eq!(passed(&[("main", "{% if a %}{% include \"part\" %}{% endif %}"), part], &all), ["a"]);
        // A mark inside would be altered by the filter.
        let caught = "{% filter upper %}{% if a %}{{ c }}{% endif %}{% include \"part\" %}{% endfilter %}";
        assert_eq!(passed(&[("main", caught), part], &all), ["a", "c", "x", "y"]);
        assert_eq!(passed(&[("main", "{% set t %}{% if a %}{{ x }}{% endif %}{% endset %}{{ t }}")], &all), ["a", "x"]);
    }
}
