//! `muster expand --explain NAME`: which set, generator, element, parameters and lines of a template
//! made an application.

mod lines;

use std::fs;

use generators::{Explanation, Options, Providers, TemplateField, Verdict, explain};
use model::name::ApplicationName;
use model::suggest;
use serde_json::{Map, Value, json};

use super::tree::Tree;
use super::{Format, document, document_format};
use crate::failure::Failure;
use crate::show::{self, Console, Look, Sheet, Tone, one_line};

/// The most names that an unknown one is compared with.
const MAX_COMPARED: usize = 10_000;

/// One claim to the name, with what only the files tell.
struct Claim {
    explanation: Explanation,
    /// The file of its set.
    file: Option<String>,
    /// The line of each template, where it could be found.
    lines: Vec<Option<usize>>,
}

pub(super) fn run(
    tree: &Tree,
    name: &str,
    options: Options,
    providers: &dyn Providers,
    output: Option<Format>,
    console: &mut Console,
) -> Result<(), Failure> {
    let world = tree.world(options, providers);
    let parsed = ApplicationName::new(name).ok();
    let found = parsed.map(|name| explain(&tree.sources(), &world, &name)).unwrap_or_default();
    if found.is_empty() {
        return Err(unknown(tree, name, options, providers, console));
    }
    let claims: Vec<Claim> = found.into_iter().map(|one| locate(tree, one)).collect();
    match output {
        Some(format) => {
            let claims: Vec<Value> = claims.iter().map(to_value).collect();
            let document = json!({ "application": name, "claims": claims });
            show::print_document(&document, document_format(Some(format)), console)
        }
        None => {
            let look = console.look(false);
            let texts: Vec<String> =
                claims.iter().map(|claim| to_text(tree, name, claim, look)).collect();
            console.print(&texts.join("\n"))
        }
    }
}

/// No element has that name: tells the nearest one, and what may be the reason.
fn unknown(
    tree: &Tree,
    name: &str,
    options: Options,
    providers: &dyn Providers,
    console: &mut Console,
) -> Failure {
    let expansion = tree.expand(options, providers);
    for problem in &expansion.problems {
        console.say(&format!("problem: {}", one_line(&problem.to_string())));
    }
    let names = expansion.applications.iter().map(|generated| generated.name().as_str());
    let near = suggest::nearest(name, names.take(MAX_COMPARED));
    let hint = match near {
        Some(near) => format!("did you mean {near}?"),
        None => "without --explain all applications are listed".to_owned(),
    };
    let message = format!("nothing makes an application {}", one_line(name));
    Failure::Unfinished { message, hint: Some(hint) }
}

fn locate(tree: &Tree, explanation: Explanation) -> Claim {
    let set = explanation.set.as_ref();
    let file = set.and_then(|set| tree.input.file_of_set(set.as_str())).map(str::to_owned);
    let text = file.as_ref().and_then(|file| fs::read_to_string(file).ok()).unwrap_or_default();
    let name = set.map(ToString::to_string).unwrap_or_default();
    let line = |field: &TemplateField| lines::find(&text, &name, &field.path, &field.template);
    let lines = explanation.fields.iter().map(line).collect();
    Claim { explanation, file, lines }
}

fn to_value(claim: &Claim) -> Value {
    let Claim { explanation, file, lines } = claim;
    let fields = explanation.fields.iter().zip(lines).map(|(field, line)| {
        let mut value = json!({ "path": field.path, "template": field.template });
        if let Some(line) = line {
            value["line"] = (*line).into();
        }
        if let Some(result) = &field.value {
            value["value"] = result.clone();
        }
        value
    });
    let mut value = json!({
        "set": explanation.set.as_ref().map(ToString::to_string).unwrap_or_default(),
        "file": file.clone().unwrap_or_default(),
        "generators": explanation.generators,
        "element": explanation.element,
        "parameters": explanation.parameters,
        "fields": fields.collect::<Vec<Value>>(),
        "dependsOn":
            explanation.depends_on.iter().map(ToString::to_string).collect::<Vec<String>>(),
    });
    match &explanation.verdict {
        Verdict::Ok(application) => value["result"] = document(application),
        Verdict::Held { reason, .. } => value["held"] = reason.as_str().into(),
    }
    value
}

fn to_text(tree: &Tree, name: &str, claim: &Claim, look: Look) -> String {
    let Claim { explanation, file, lines } = claim;
    let mut sheet = Sheet::default();
    sheet.field("Application", name);
    match &explanation.verdict {
        Verdict::Ok(application) => sheet.field("Cluster", tree.cluster_of(&document(application))),
        Verdict::Held { reason, .. } => {
            sheet.painted("Held", &Tone::Warning.paint(&one_line(reason), look.colour));
        }
    }
    match &explanation.set {
        Some(set) => sheet.field("Set", set),
        None => sheet.field("Set", "none: it is written by hand"),
    }
    if let Some(file) = file {
        sheet.field("File", file);
    }
    if explanation.set.is_none() {
        return sheet.finish();
    }
    match explanation.generators.as_slice() {
        [generator] => sheet.field("Generator", generator),
        generators => {
            sheet.section("Generators");
            generators.iter().for_each(|generator| sheet.line(generator));
        }
    }
    sheet.field("Element", &explanation.element);
    parameters(&explanation.parameters, &mut sheet);
    if !explanation.fields.is_empty() {
        sheet.section("Template");
    }
    for (field, line) in explanation.fields.iter().zip(lines) {
        let at = line.map(|line| format!("line {line}, ")).unwrap_or_default();
        sheet.painted_line(
            &Tone::Faint.paint(&one_line(&format!("{at}{}", field.path)), look.colour),
        );
        for line in field.template.lines() {
            // Two more spaces than `painted_line` has; those of the template are kept.
            sheet.painted_line(&format!("  {}", without_controls(line)));
        }
        if let Some(value) = &field.value {
            sheet.line_below(format!("= {}", plain(value)));
        }
    }
    if !explanation.depends_on.is_empty() {
        sheet.section("Depends on");
    }
    explanation.depends_on.iter().for_each(|one| sheet.line(one));
    sheet.finish()
}

/// A line of somebody's text: it must not move the cursor, and its spaces matter.
fn without_controls(line: &str) -> String {
    line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Dotted names and values, in two columns.
fn parameters(parameters: &Map<String, Value>, sheet: &mut Sheet) {
    let mut rows = Vec::new();
    for (key, value) in parameters {
        flatten(key, value, &mut rows);
    }
    if rows.is_empty() {
        return;
    }
    sheet.section("Parameters");
    let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or_default();
    for (name, value) in rows {
        // `one_line` would join the columns.
        let pad = width - name.chars().count();
        sheet.painted_line(&format!("{name}{:pad$}  {value}", ""));
    }
}

fn flatten(name: &str, value: &Value, rows: &mut Vec<(String, String)>) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            map.iter().for_each(|(key, value)| flatten(&format!("{name}.{key}"), value, rows));
        }
        other => rows.push((one_line(name), one_line(&plain(other)))),
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) if text.is_empty() => "\"\"".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
