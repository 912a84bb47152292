//! What a template says about names, before it is rendered: includes, prompts, variables. A template engine finds an undefined variable when it
//! writes it; a misspelt one in a condition would just be false.

use std::collections::BTreeSet;
use std::ops::Range;

/// A tag of a template: `{{ … }}` or `{% … %}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag<'t> {
    /// Is it `{{ … }}`?
    pub writes: bool,
    /// What is inside, without blanks and `-`.
    pub inside: &'t str,
    /// Where the inside lies in the template.
    pub start: usize,
    /// Where the template goes on.
    pub end: usize,
}

/// The tags of a template in order. Comments and raw parts are none.
pub fn tags(text: &str) -> Vec<Tag<'_>> {
    let mut tags = Vec::new();
    let mut at = 0;
    let mut raw = false;
    while let Some((open, kind)) = text.get(at..).and_then(|rest| next_open(rest, at)) {
        let close = match kind {
            '{' => "}}",
            '%' => "%}",
            _ => "#}",
        };
        let from = open + 2;
        let Some(length) = text.get(from..).and_then(|rest| rest.find(close)) else { break };
        let body = text.get(from..from + length).unwrap_or_default();
        let inside = body.trim_start_matches('-').trim_end_matches('-').trim();
        let start = from + body.find(inside).unwrap_or(0);
        at = from + length + 2;
        match (kind, inside) {
            ('%', "raw") => raw = true,
            ('%', "endraw") => raw = false,
            ('#', _) => {}
            _ if raw => at = from,
            _ => tags.push(Tag { writes: kind == '{', inside, start, end: at }),
        }
    }
    tags
}

fn next_open(rest: &str, at: usize) -> Option<(usize, char)> {
    let open = rest
        .char_indices()
        .find(|(index, c)| *c == '{' && rest.get(index + 1..).is_some_and(|next| next.starts_with(['{', '%', '#'])))?;
    let kind = rest.get(open.0 + 1..).and_then(|next| next.chars().next())?;
    Some((at + open.0, kind))
}

impl<'t> Tag<'t> {
    /// The name that the tag includes or extends, with its place.
    pub fn include(&self) -> Option<(&'t str, Range<usize>)> {
        let rest = ["include", "extends"].iter().find_map(|word| self.inside.strip_prefix(word))?;
        let name = rest.trim().trim_matches(['"', '\'']);
        let start = self.start + self.inside.find(name)?;
        Some((name, start..start + name.len()))
    }

    /// The names that the tag gives a value.
    pub fn sets(&self) -> Vec<&'t str> {
        let mut words = self.inside.split(|c: char| !is_name(c)).filter(|word| !word.is_empty());
        match words.next() {
            Some("set" | "set_global") => words.take(1).collect(),
            Some("for") => words.take_while(|word| *word != "in").collect(),
            _ => Vec::new(),
        }
    }

    /// The names in the tag that are not inside strings, not a member of something and not an argument's name, with their places.
    pub fn names(&self) -> Vec<(&'t str, Range<usize>)> {
        let mut names = Vec::new();
        let mut quote = None;
        let mut from = None;
        let mut before = ' ';
        for (index, c) in self.inside.char_indices().chain([(self.inside.len(), ' ')]) {
            if quote.is_none() && is_name(c) {
                from = from.or(Some(index));
                continue;
            }
            if let Some(start) = from.take() {
                let name = self.inside.get(start..index).unwrap_or_default();
                let rest = self.inside.get(index..).unwrap_or_default().trim_start();
                let argument = rest.starts_with('=') && !rest.starts_with("==");
                let filter = rest.starts_with('(') || before == '|';
                if before != '.' && !argument && !filter && !name.starts_with(|c: char| c.is_ascii_digit()) {
                    names.push((name, self.start + start..self.start + index));
                }
            }
            match (quote, c) {
                (None, '"' | '\'' | '`') => quote = Some(c),
                (Some(open), c) if open == c => quote = None,
                _ => {}
            }
            if !c.is_whitespace() {
                before = c;
            } else if before == '.' || before == '|' {
                continue;
            } else {
                before = ' ';
            }
        }
        names
    }

    /// Is it a prompt as it is, or joined by `~` with strings and variables as they are? A marker passes unharmed through that.
    fn is_joined(&self) -> bool {
        let mut rest = self.inside;
        loop {
            rest = rest.trim_start();
            let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\'' | '`'));
            let after = match quote {
                Some(quote) => rest.get(1..).and_then(|inside| inside.split_once(quote)).map(|(_, after)| after),
                None => {
                    let end = rest.find(|c| !is_name(c) && c != '.').unwrap_or(rest.len());
                    rest.get(end..).filter(|_| end > 0 && !matches!(rest.get(..end), Some("prompt" | "__tera_context")))
                }
            };
            let Some(after) = after.map(str::trim_start) else { return false };
            match after.strip_prefix('~') {
                Some(next) => rest = next,
                None => return after.is_empty(),
            }
        }
    }

    /// The first use of a prompt that would not leave its marker alone.
    pub fn misused_prompt(&self) -> Option<Range<usize>> {
        let place = |range: &Range<usize>| range.clone();
        let names = self.names();
        let (_, first) = names.iter().find(|(name, _)| *name == "prompt" || *name == "__tera_context")?;
        if self.writes {
            return if self.is_joined() { None } else { Some(place(first)) };
        }
        let misused = names.iter().filter(|(name, _)| *name == "prompt").find(|(_, range)| {
            let rest = self.inside.get(range.end - self.start..).unwrap_or_default();
            let mut words = rest.split_whitespace();
            let member = words.next().is_some_and(|word| word.len() > 1 && word.starts_with('.'));
            let is = words.next() == Some("is");
            let test = match words.next() {
                Some("not") => words.next(),
                other => other,
            };
            !(member && is && test.is_some_and(|word| word == "defined" || word == "undefined"))
        });
        match misused {
            Some((_, range)) => Some(place(range)),
            None => names.iter().find(|(name, _)| *name == "__tera_context").map(|(_, range)| place(range)),
        }
    }
}

/// A call of a function that gives a whole text.
#[derive(Debug, PartialEq, Eq)]
pub enum Call<'t> {
    /// `verbatim(name="…")`; `None`: the name is computed.
    Verbatim(Option<&'t str>),
    /// `rendered(path=…)`
    Rendered,
}

/// The calls in a template, with the places of what they name.
pub fn calls(text: &str) -> Vec<(Call<'_>, Range<usize>)> {
    let mut calls = Vec::new();
    for tag in tags(text) {
        for (word, of) in [("verbatim", Call::Verbatim as fn(_) -> _), ("rendered", |_| Call::Rendered)] {
            for (at, _) in tag.inside.match_indices(word) {
                let before = tag.inside.get(..at).unwrap_or_default();
                let rest = tag.inside.get(at + word.len()..).unwrap_or_default();
                let Some(arguments) = rest.trim_start().strip_prefix('(').filter(|_| !before.ends_with(is_name)) else {
                    continue;
                };
                let name = literal_argument(arguments);
                let inner = name.map_or(0, |name| name.as_ptr() as usize - tag.inside.as_ptr() as usize);
                let start = tag.start + if name.is_some() { inner } else { at };
                calls.push((of(name), start..start + name.map_or(word.len(), str::len)));
            }
        }
    }
    calls
}

/// The string of `name="…")`.
fn literal_argument(arguments: &str) -> Option<&str> {
    let value = arguments.trim_start().strip_prefix("name")?.trim_start().strip_prefix('=')?.trim_start();
    let quote = value.chars().next().filter(|c| matches!(c, '"' | '\'' | '`'))?;
    let (name, rest) = value.get(1..)?.split_once(quote)?;
    rest.trim_start().starts_with(')').then_some(name)
}

/// The templates that a template includes, with the places.
pub fn includes(text: &str) -> Vec<(&str, Range<usize>)> {
    tags(text).iter().filter(|tag| !tag.writes).filter_map(Tag::include).collect()
}

/// The names that a template gives a value.
pub fn assigned(text: &str) -> BTreeSet<&str> {
    tags(text).iter().flat_map(Tag::sets).collect()
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_tags_and_leaves_comments_and_raw_parts_out() {
        let text = "a {{ x }} {# {{ no }} #} {%- if y -%} {% raw %}{{ z }}{% endraw %} {{ w }}";
        let found: Vec<_> = tags(text).into_iter().map(|tag| tag.inside).collect();
        assert_eq!(found, ["x", "if y", "w"]);
        assert_eq!(&text[tags(text)[1].start..][..4], "if y");
    }

    #[test]
    fn finds_names_but_no_members_arguments_filters_or_strings() {
        let text = "{{ a.b | join(sep=c) ~ \"d\" }}";
        let names: Vec<_> = tags(text)[0].names().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["a", "c"]);
    }

    #[test]
    fn prompts_are_written_plainly_or_tested() {
        for good in [
            "{{ prompt.disk }}",
            "{{- prompt.disk -}}",
            "{{ \"data:,\" ~ prompt.disk ~ site.id }}",
            "{% if prompt.disk is defined %}",
            "{% elif prompt.a is not defined %}",
        ] {
            assert_eq!(tags(good)[0].misused_prompt(), None, "{good}");
        }
        for bad in [
            "{{ prompt.disk | upper }}",
            "{{ prompt.disk ~ x | upper }}",
            "{{ \"a\" ~ prompt }}",
            "{{ prompt.disk ~ }}",
            "{{ prompt[\"disk\"] }}",
            "{{ prompt }}",
            "{% set x = prompt.disk %}",
            "{% if prompt.disk == x %}",
            "{% for x in prompt %}",
            "{{ __tera_context }}",
        ] {
            assert!(tags(bad)[0].misused_prompt().is_some(), "{bad}");
        }
    }

    #[test]
    fn finds_includes_with_their_place() {
        let text = "x {% include \"disk.part\" %}";
        assert_eq!(includes(text), [("disk.part", 14..23)]);
    }

    #[test]
    fn finds_calls_with_the_name_where_it_stands_there() {
        let text = "{{ verbatim(name=\"a\") }}{{ verbatim( name = 'b' ) | base64 }}{{ verbatim(name=x) }}{{ rendered(path=\"c\") }}{{ x.unverbatim }}";
        let found: Vec<_> = calls(text).into_iter().map(|(call, place)| (call, &text[place])).collect();
        let some = |name| Call::Verbatim(Some(name));
        assert_eq!(
            found,
            [(some("a"), "a"), (some("b"), "b"), (Call::Verbatim(None), "verbatim"), (Call::Rendered, "rendered")]
        );
    }
}
