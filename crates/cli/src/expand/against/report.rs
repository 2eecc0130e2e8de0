//! A comparison for people and for scripts.

use model::problem::Problem;
use serde_json::{Value, json};

use super::compare::{Change, Comparison, Kind, Owner, Removals};
use super::fields::Field;
use crate::show::{Look, Tone, count, one_line};

/// The longest value that is shown to people, in characters.
const LONGEST_VALUE: usize = 60;

/// Everything that a comparison says.
pub(super) struct Report<'a> {
    /// The other folder, as it was named.
    pub(super) against: String,
    pub(super) comparison: &'a Comparison,
    pub(super) problems: &'a [Problem],
    pub(super) problems_before: &'a [Problem],
}

impl Report<'_> {
    pub(super) fn to_value(&self) -> Value {
        let Self { against, comparison, problems, problems_before } = self;
        json!({
            "against": against,
            "changes": comparison.changes.iter().map(change_value).collect::<Vec<_>>(),
            "counts": {
                "added": comparison.count(is_added),
                "changed": comparison.count(is_changed),
                "removed": comparison.count(is_removed),
                "kept": comparison.count(is_kept),
                "unchanged": comparison.unchanged,
            },
            "removals": comparison.removals.iter().map(removals_value).collect::<Vec<_>>(),
            "problems": problems,
            "problemsBefore": problems_before,
        })
    }

    pub(super) fn to_text(&self, look: Look) -> String {
        let mut lines = Vec::new();
        let mut cluster = None;
        for change in &self.comparison.changes {
            if cluster != Some(&change.place.cluster) {
                lines.extend(cluster.is_some().then(String::new));
                lines.push(format!("Cluster {}:", one_line(&change.place.cluster)));
                cluster = Some(&change.place.cluster);
            }
            change_lines(change, look, &mut lines);
        }
        lines.extend(cluster.is_some().then(String::new));
        lines.push(self.summary());
        let objections = self.comparison.removals.iter().filter_map(|removals| {
            let objection = removals.objection.as_ref()?;
            let text = one_line(objection);
            let text = match &removals.owner {
                owner if text.starts_with(&owner.to_string()) => text,
                owner => format!("{owner}: {text}"),
            };
            Some(Tone::Bad.paint(&text, look.colour))
        });
        section("Over budget:", objections, &mut lines);
        let text = |problem: &Problem| one_line(&problem.to_string());
        section("Problems:", self.problems.iter().map(text), &mut lines);
        let title = format!("Problems in {}:", one_line(&self.against));
        section(&title, self.problems_before.iter().map(text), &mut lines);
        lines.into_iter().map(|line| line + "\n").collect()
    }

    fn summary(&self) -> String {
        let comparison = self.comparison;
        let mut parts = vec![
            format!("{} added", comparison.count(is_added)),
            format!("{} changed", comparison.count(is_changed)),
            format!("{} removed", comparison.count(is_removed)),
        ];
        let kept = comparison.count(is_kept);
        parts.extend((kept > 0).then(|| format!("{kept} kept as they are")));
        parts.push(format!("{} unchanged", comparison.unchanged));
        parts.join(", ") + "."
    }
}

fn section(title: &str, items: impl Iterator<Item = String>, lines: &mut Vec<String>) {
    let mut items = items.peekable();
    if items.peek().is_some() {
        lines.push(title.to_owned());
        lines.extend(items.map(|item| format!("  {item}")));
    }
}

fn change_lines(change: &Change, look: Look, lines: &mut Vec<String>) {
    let (sign, tone, why) = match &change.kind {
        Kind::Added { moved_from: None } => ('+', Tone::Good, owner(&change.owner)),
        Kind::Added { moved_from: Some(from) } => {
            ('+', Tone::Good, format!("{}, from cluster {from}", owner(&change.owner)))
        }
        Kind::Changed(_) => ('~', Tone::Warning, owner(&change.owner)),
        Kind::Removed { reason } => ('-', Tone::Bad, reason.clone()),
        Kind::Kept { reason } => ('=', Tone::Faint, format!("kept; {reason}")),
    };
    let name = tone.paint(&format!("{sign} {}", one_line(&change.place.name)), look.colour);
    lines.push(format!("  {name}  ({})", one_line(&why)));
    if let Kind::Changed(fields) = &change.kind {
        lines.extend(fields.iter().map(|field| format!("      {}", field_text(field))));
    }
}

fn owner(owner: &Owner) -> String {
    match owner {
        Owner::ByHand => "written by hand".to_owned(),
        set @ Owner::Set(_) => set.to_string(),
    }
}

fn field_text(field: &Field) -> String {
    let path = one_line(&field.path);
    match (&field.before, &field.after) {
        (Some(before), Some(after)) => format!("{path}: {} -> {}", shown(before), shown(after)),
        (None, Some(after)) => format!("{path}: now {}", shown(after)),
        (Some(before), None) => format!("{path}: no longer {}", shown(before)),
        (None, None) => path,
    }
}

fn shown(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= LONGEST_VALUE {
        return text;
    }
    text.chars().take(LONGEST_VALUE - 1).chain(['…']).collect()
}

fn change_value(change: &Change) -> Value {
    let Change { place, owner, kind } = change;
    let mut value = json!({
        "application": place.name,
        "cluster": place.cluster,
        "set": set_name(owner),
    });
    let (word, key, detail) = match kind {
        Kind::Added { moved_from } => ("Added", "movedFrom", moved_from.clone().map(Value::from)),
        Kind::Changed(fields) => {
            let fields: Vec<Value> = fields.iter().map(Field::to_value).collect();
            ("Changed", "fields", Some(fields.into()))
        }
        Kind::Removed { reason } => ("Removed", "reason", Some(reason.as_str().into())),
        Kind::Kept { reason } => ("Kept", "reason", Some(reason.as_str().into())),
    };
    value["change"] = word.into();
    if let Some(detail) = detail {
        value[key] = detail;
    }
    value
}

fn removals_value(removals: &Removals) -> Value {
    let Removals { owner, applications, removed, allowed, objection } = removals;
    json!({
        "set": set_name(owner),
        "applications": applications,
        "removed": removed,
        "allowed": allowed,
        "overBudget": objection.is_some(),
        "reason": objection.as_deref().unwrap_or_default(),
    })
}

/// Empty for applications written by hand, as in problems.
fn set_name(owner: &Owner) -> &str {
    match owner {
        Owner::ByHand => "",
        Owner::Set(name) => name,
    }
}

/// What the command ends with when a budget objects.
pub(super) fn objection(comparison: &Comparison) -> String {
    let over = comparison.removals.iter().filter(|removals| removals.objection.is_some());
    let owners: Vec<String> = over.map(|removals| removals.owner.to_string()).collect();
    let removed = count(comparison.count(is_removed), "application");
    format!("{removed} would be removed, more than a budget allows: {}", owners.join(", "))
}

fn is_added(kind: &Kind) -> bool {
    matches!(kind, Kind::Added { .. })
}

fn is_changed(kind: &Kind) -> bool {
    matches!(kind, Kind::Changed(_))
}

fn is_removed(kind: &Kind) -> bool {
    matches!(kind, Kind::Removed { .. })
}

fn is_kept(kind: &Kind) -> bool {
    matches!(kind, Kind::Kept { .. })
}
