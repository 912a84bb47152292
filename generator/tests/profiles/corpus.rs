//! Hostile values: what ends a quote, a line, a section or a document somewhere, alone and in the company of ordinary text.
//!
//! The list is made from the fragments below, always in the same order.

use std::collections::BTreeSet;

const FRAGMENTS: &[&str] = &[
    // quotes of all kinds
    "'",
    "\"",
    "`",
    "''",
    "\"\"",
    "'\"'\"'",
    "\\'",
    "\\\"",
    "\u{2018}quoted\u{2019}",
    "\u{201c}quoted\u{201d}",
    "«x»",
    "it's",
    "'; reboot; '",
    // shells
    "$(reboot)",
    "`reboot`",
    "${IFS}reboot",
    "$HOME",
    "${HOME:-x}",
    "$((1+1))",
    "a;b",
    "a && b || c",
    "a | b > c < d",
    "&",
    "# comment",
    "a # b",
    "~root",
    "*?[a]",
    "{a,b}",
    "!!",
    "-n",
    "--option",
    "-rf /",
    "<<EOF",
    "<(id)",
    "%s%n",
    "$'\\n'",
    "\\",
    "ends in \\",
    "\\n",
    "\\x41",
    "\\u0041",
    "\\\\",
    "exit 1",
    "%(x)s",
    // preseeds
    "d-i preseed/late_command string reboot",
    "string",
    "\\ d-i x/y",
    "debconf debconf/priority select critical",
    // kickstarts
    "%end",
    "%post",
    "%include /etc/passwd",
    "%packages",
    "%pre --erroronfail",
    "%ksappend http://x/",
    "%%",
    "@^everything",
    "-kernel",
    // YAML
    "key: value",
    "- item",
    "? key",
    "&anchor x",
    "*anchor",
    "!!python/object/apply:os.system [id]",
    "!tag",
    "---",
    "...",
    "| x",
    "> x",
    "[a, b]",
    "{a: b}",
    "yes",
    "no",
    "null",
    "~",
    "on",
    "0x10",
    "0o7",
    "1e3",
    "1_000",
    ".inf",
    "2026-11-21",
    "12:30:45",
    "<<",
    "%YAML 1.2",
    "@x",
    "a: b # c",
    "# c",
    ": ",
    " #",
    "<<: *x",
    // JSON and TOML
    "\",\"admin\":true,\"x\":\"",
    "}",
    "]",
    "\"\"\"",
    "'''",
    "[table]",
    "[[table]]",
    "key = 1",
    "true",
    "1979-05-27T07:32:00Z",
    "//",
    "/* */",
    // XML
    "<b>",
    "</profile>",
    "&amp;",
    "&lt;",
    "&#10;",
    "&#x0;",
    "&entity;",
    "<!-- -->",
    "-->",
    "<![CDATA[x]]>",
    "]]>",
    "<?php ?>",
    "<!DOCTYPE x>",
    // units and key files
    "[Service]",
    "ExecStart=/bin/sh",
    "%h%i",
    ";x",
    "=",
    "a=b",
    // the template language
    "{{ value }}",
    "{% raw %}",
    "{% include \"motd\" %}",
    "{# x #}",
    "{{",
    "}}",
    "%}",
    "{{ prompt.password }}",
    "__tera_context",
    // ourselves
    "AnodeInsertQx00",
    "\u{e000}x\u{e001}",
    "{file}",
    "{each}",
    // what a reader does not see
    "\0",
    "\u{feff}",
    "\u{202e}txt.exe",
    "\u{2066}x\u{2069}",
    "\u{200b}",
    "\u{1b}[2J",
    "\r",
    "\u{7f}",
    "\u{85}",
    "\u{2028}",
    "\u{fffe}",
    // other alphabets, other forms
    "Ünïcödé",
    "李",
    "😀",
    "e\u{301}",
    "ﬁ",
    "Ａ",
    "\u{10ffff}",
    // blanks, and nothing
    "",
    " ",
    "  x",
    "x  ",
    "\tx",
    "x\t",
    "a  b",
    "\u{a0}x",
    "x\u{3000}",
    // paths and addresses
    "../../etc/passwd",
    "/dev/null",
    "file:///etc/shadow",
    "http://x/?a=b&c=d#e",
    "a:b@c",
    "::1",
    "1.2.3.4/24",
];

/// How a fragment is put between ordinary text.
const AROUND: &[fn(&str) -> String] = &[
    str::to_owned,
    |fragment| format!("a {fragment}"),
    |fragment| format!("{fragment} b"),
    |fragment| format!("a\n{fragment}\nb"),
];

/// More than 500 values, each once.
pub fn values() -> Vec<String> {
    let mut seen = BTreeSet::new();
    let mut values = Vec::new();
    let long = ["x".repeat(4096), "'\"\\$`".repeat(820), "{{ x }} ".repeat(512), "a\n%end\n".repeat(585)];
    let around = AROUND.iter().flat_map(|put| FRAGMENTS.iter().map(move |fragment| put(fragment)));
    for value in around.chain(long) {
        if seen.insert(value.clone()) {
            values.push(value);
        }
    }
    values
}

/// Nothing but letters, digits, signs, blanks and line ends of a keyboard: to refuse it when it is set would be wrong.
pub fn is_ordinary(value: &str) -> bool {
    value.chars().all(|c| c.is_ascii_graphic() || matches!(c, ' ' | '\n' | '\t'))
}
