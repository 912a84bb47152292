//! `[[refusals]]`, `[[validators]]` and `[[hook_points]]` of a manifest: what must not be asked for, and who judges what came of it.

use std::collections::BTreeMap;

use anode_bundle::name::SafePath;

use super::{Format, Versions};
use crate::diagnose::{Origin, Problem};
use crate::repository::fields::{Fields, Located};
use crate::repository::value::Variable;

/// `[[refusals]]`: a combination of values that makes no sense.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// An expression of the template language; it is refused where this is true.
    pub when: Located<String>,
    /// The variable that is blamed.
    pub variable: String,
    /// What is wrong, as a predicate of the variable.
    pub message: String,
    /// What to do.
    pub remedy: String,
    /// The versions that can not have it.
    pub versions: Versions,
}

/// `[[validators]]`
#[derive(Debug, Clone)]
pub struct Validator {
    /// The format of the files that it reads.
    pub format: Format,
    /// It reads only this file.
    pub path: Option<SafePath>,
    /// Who reads them.
    pub judge: Judge,
    /// The versions whose files it reads.
    pub versions: Versions,
}

/// Who says whether a file is right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judge {
    /// A program of other people's.
    Program {
        /// The program and its arguments; `{file}`, `{version}` and `{architecture}` are filled in.
        command: Vec<String>,
        /// The package that has the program.
        package: String,
        /// Some programs complain and exit 0.
        stderr_is_failure: bool,
        /// A configuration file of its own, and the environment variable that names it: some programs lock the system's.
        configuration: Option<(String, String)>,
    },
    /// A JSON schema, by its path below a folder of `ANODE_SCHEMAS`.
    Schema(SafePath),
}

/// `[[hook_points]]`: a file that must be in the pinned initrd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookPoint {
    /// Where it lies.
    pub path: String,
    /// What it must contain.
    pub contains: Option<String>,
    /// The versions whose initrd has it.
    pub versions: Versions,
    /// Where it is declared.
    pub origin: Origin,
}

pub(super) fn read_refusal(
    table: &mut Fields<'_, '_, '_>,
    variables: &BTreeMap<String, Variable>,
    known: Option<&[String]>,
) -> Option<Refusal> {
    let when = table.required("when", "when = 'network == \"static\" and not address'");
    let variable = table.required("variable", "variable = \"network\"");
    let message = table.required_title("message", 160, "message = \"needs `address`\"");
    let remedy = table.required_title("remedy", 240, "remedy = \"set `address`\"");
    let versions = Versions::read(table, known);
    if let Some(variable) = variable.as_ref().filter(|variable| !variables.contains_key(&variable.value)) {
        let problem = Problem::at(&variable.origin, format!("there is no variable `{}`", variable.value));
        table.push(problem.nearest(&variable.value, variables.keys().map(String::as_str)));
    }
    Some(Refusal { when: when?, variable: variable?.value, message: message?, remedy: remedy?, versions })
}

pub(super) fn read(table: &mut Fields<'_, '_, '_>, known: Option<&[String]>) -> Option<Validator> {
    let format = Format::read(table);
    let path = if table.has("path") { table.required_name("path", "", SafePath::new) } else { None };
    let versions = Versions::read(table, known);
    let judge = if table.has("schema") { read_schema(table) } else { read_program(table) };
    Some(Validator { format: format?, path: path.map(|path| path.value), judge: judge?, versions })
}

fn read_schema(table: &mut Fields<'_, '_, '_>) -> Option<Judge> {
    let schema = table.required_name("schema", "schema = \"agama/profile.schema.json\"", SafePath::new)?;
    Some(Judge::Schema(schema.value))
}

fn read_program(table: &mut Fields<'_, '_, '_>) -> Option<Judge> {
    let command: Vec<_> = table.texts("command").into_iter().map(|word| word.value).collect();
    let package = table.required("package", "package = \"debconf\"");
    let stderr_is_failure = table.switch("stderr_is_failure").unwrap_or(false);
    let configuration = table.table("configuration", |own| {
        let variable = own.required("variable", "variable = \"DEBCONF_SYSTEMRC\"");
        let text = own.required("text", "text = \"…\"");
        Some((variable?.value, text?.value))
    });
    if !command.iter().any(|word| word.contains("{file}")) {
        table.push(Problem::at(&table.origin(), "a validator needs a `schema`, or a `command` that names `{file}`"));
    }
    let configuration = configuration.flatten();
    Some(Judge::Program { command, package: package?.value, stderr_is_failure, configuration })
}

pub(super) fn read_hook_point(table: &mut Fields<'_, '_, '_>, known: Option<&[String]>) -> Option<HookPoint> {
    let path = table.required("path", "path = \"init\"");
    let contains = table.text("contains").map(|text| text.value);
    let versions = Versions::read(table, known);
    let origin = table.origin();
    path.map(|path| HookPoint { path: path.value, contains, versions, origin })
}
