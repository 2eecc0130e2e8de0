//! The numbers that protobuf gives to the fields of the types, from the `generated.proto` files that lie
//! beside the Go sources.
//!
//! kube-sim reads protobuf by the table of types: it needs from here only which number a field has. Some
//! messages have no type of their own in JSON, because Go has them inline; their fields are named by both
//! numbers, as in `hostPath=2.1` of a Volume.

use super::go_source::Sources;
use anyhow::{Context, Result, bail};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// What kubectl and client-go send of other modules is JSON.
const MODULES: [&str; 2] = ["k8s.io/api", "k8s.io/apimachinery"];
const HEAD: &str = "\
# The numbers of fields in protobuf, by `cargo xtask kube-types`. Do not edit.
# A field of a message that JSON has in line is named by both numbers, as in `hostPath=2.1`.
";

/// A field of a message: its name, its number, and its type.
type Entry = (String, u32, String);
type Messages = BTreeMap<String, Vec<Entry>>;

/// A line for each type of the table that protobuf knows too.
pub(crate) fn write(table: &str, sources: &Sources) -> Result<String> {
    let mut messages = Messages::new();
    for module in MODULES {
        read_folder(sources.folder(module)?, &mut messages)?;
    }
    let mut text = HEAD.to_owned();
    for (name, fields) in types(table) {
        let message = format!("k8s.io.{name}");
        if !messages.contains_key(&message) {
            continue;
        }
        let mut shown = Vec::new();
        flatten(&messages, &message, &fields, "", &mut shown)?;
        if !shown.is_empty() {
            text.extend([name, " ", &shown.join(" "), "\n"]);
        }
    }
    Ok(text)
}

/// The types of the table with the names of their fields, in its order.
fn types(table: &str) -> Vec<(&str, BTreeSet<&str>)> {
    let mut found: Vec<(&str, BTreeSet<&str>)> = Vec::new();
    for line in table.lines() {
        if let Some(rest) = line.strip_prefix("type ") {
            found.push((first_word(rest), BTreeSet::new()));
        } else if let (Some(rest), Some((_, fields))) = (line.strip_prefix("  "), found.last_mut())
        {
            fields.insert(first_word(rest));
        }
    }
    found
}

fn first_word(line: &str) -> &str {
    line.split(' ').next().unwrap_or_default()
}

fn read_folder(folder: &Path, messages: &mut Messages) -> Result<()> {
    let entries = fs::read_dir(folder).with_context(|| format!("no {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            read_folder(&path, messages)?;
        } else if path.file_name().is_some_and(|name| name == "generated.proto") {
            read_file(&fs::read_to_string(&path)?, messages);
        }
    }
    Ok(())
}

/// Generated files have one declaration a line.
fn read_file(text: &str, messages: &mut Messages) {
    let package = text.lines().find_map(|line| line.strip_prefix("package ")?.strip_suffix(';'));
    let mut current = None;
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with("//")) {
        if let Some(name) = line.strip_prefix("message ") {
            let name = name.trim_end_matches(['{', ' ']);
            let name = format!("{}.{name}", package.unwrap_or_default());
            messages.insert(name.clone(), Vec::new());
            current = Some(name);
        } else if let (Some((declared, number)), Some(message)) =
            (line.strip_suffix(';').and_then(|line| line.rsplit_once(" = ")), &current)
            && let (Some((ty, name)), Ok(number)) = (declared.rsplit_once(' '), number.parse())
        {
            let ty = ty.trim_start_matches("optional ").trim_start_matches("repeated ");
            let entry = (name.to_owned(), number, ty.to_owned());
            messages.entry(message.clone()).or_default().push(entry);
        }
    }
}

fn flatten(
    messages: &Messages,
    message: &str,
    fields: &BTreeSet<&str>,
    before: &str,
    shown: &mut Vec<String>,
) -> Result<()> {
    let package = message.rsplit_once('.').map_or("", |(package, _)| package);
    for (name, number, ty) in &messages[message] {
        // Some names differ in their capital letters: `uID`, `Webhooks`.
        let same = |field: &&&str| field.eq_ignore_ascii_case(name);
        let exact = fields.get(name.as_str());
        if let Some(field) = exact.or_else(|| fields.iter().find(same)) {
            shown.push(format!("{field}={before}{number}"));
            continue;
        }
        let inner = match ty.strip_prefix('.') {
            Some(full) => full.to_owned(),
            None => format!("{package}.{ty}"),
        };
        if !messages.contains_key(&inner) {
            bail!("{message}.{name} is no field of the type and no message");
        }
        flatten(messages, &inner, fields, &format!("{before}{number}."), shown)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_that_json_has_in_line_are_named_by_both_numbers() {
        let file = "
package k8s.io.api.core.v1;

// Volume is a comment with message { in it;
message Volume {
  // name = 9;
  optional string name = 1;

  optional VolumeSource volumeSource = 2;
}
message VolumeSource {
  optional HostPath hostPath = 1;
  map<string, .k8s.io.apimachinery.pkg.api.resource.Quantity> sizes = 3;
  optional string uID = 4;
}
";
        let mut messages = Messages::new();
        read_file(file, &mut messages);
        let table = "type api.core.v1.Volume\n  hostPath any\n  name string required\n  sizes any\n  uid string\n";
        let (_, fields) = &types(table)[0];
        let mut shown = Vec::new();
        flatten(&messages, "k8s.io.api.core.v1.Volume", fields, "", &mut shown).unwrap();
        assert_eq!(shown, ["name=1", "hostPath=2.1", "sizes=2.3", "uid=2.4"]);
    }
}
