//! Which generators an entry has, and whether it may have them where it stands.

use model::suggest;
use serde_json::Value;

use crate::generator::Fault;

/// The kinds, in the order in which an entry with several of them is evaluated.
const KINDS: [&str; 9] = [
    "list",
    "clusters",
    "git",
    "scmProvider",
    "clusterDecisionResource",
    "pullRequest",
    "matrix",
    "merge",
    "plugin",
];
const COMBINING: [&str; 2] = ["matrix", "merge"];

/// Where an entry stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    /// In `spec.generators`.
    Top,
    /// In a matrix or merge there.
    Nested,
    /// In a matrix or merge in a matrix or merge.
    Innermost,
}

impl Level {
    /// The level of the children of a matrix or merge that stands here.
    pub(super) fn below(self) -> Self {
        match self {
            Self::Top => Self::Nested,
            Self::Nested | Self::Innermost => Self::Innermost,
        }
    }
}

/// The kinds of an entry, in order, with everything inside of a matrix or merge checked too: what
/// is wrong there is wrong for each row, and should be said once.
pub(super) fn check(entry: &Value, level: Level) -> Result<Vec<&'static str>, Fault> {
    let Some(fields) = entry.as_object() else {
        return Err(Fault::failed("an entry of generators is not a map"));
    };
    for name in fields.keys() {
        if !KINDS.contains(&name.as_str()) && name != "selector" {
            let known: Vec<&str> = KINDS.into_iter().chain(["selector"]).collect();
            return Err(Fault::failed(suggest::unknown("generator", name, &known)));
        }
    }
    let is_there = |kind: &&str| fields.get(*kind).is_some_and(|body| !body.is_null());
    let kinds: Vec<&'static str> = KINDS.into_iter().filter(is_there).collect();
    if let Some(body) = kinds.iter().find(|kind| !fields[**kind].is_object()) {
        return Err(Fault::failed(format!("{body} is not a map")));
    }
    if kinds.is_empty() {
        let what = if level == Level::Top { "the entry" } else { "the child" };
        return Err(Fault::failed(format!(
            "{what} has no generator, so it would generate no parameters; write one of {}",
            KINDS.join(", ")
        )));
    }
    if level != Level::Top && kinds.len() > 1 {
        return Err(Fault::failed(format!(
            "a child has more than one generator ({}); make each a child of its own",
            kinds.join(", ")
        )));
    }
    for kind in kinds.iter().filter(|kind| COMBINING.contains(kind)) {
        if level == Level::Innermost {
            return Err(Fault::failed(format!(
                "{kind} in the third level generates no parameters: matrix and merge nest two \
                 levels only; flatten it, or use the native dialect, which nests to any depth"
            )));
        }
        children(kind, &fields[*kind], level)?;
    }
    Ok(kinds)
}

fn children(kind: &str, body: &Value, level: Level) -> Result<(), Fault> {
    let children = body["generators"].as_array().map(Vec::as_slice).unwrap_or_default();
    let refused = match (kind, children.len()) {
        ("matrix", 0 | 1) => "matrix has less than two generators; it takes exactly two",
        ("matrix", 2) => "",
        ("matrix", _) => {
            "matrix has more than two generators; it takes exactly two: nest one, or use the \
             native dialect, which takes any number"
        }
        ("merge", 0 | 1) => "merge has less than two generators; it takes two or more",
        _ if kind == "merge" && body["mergeKeys"].as_array().is_none_or(Vec::is_empty) => {
            "merge has no mergeKeys; name at least one parameter to join by"
        }
        _ => "",
    };
    if !refused.is_empty() {
        return Err(Fault::failed(refused));
    }
    for (index, child) in children.iter().enumerate() {
        check(child, level.below()).map_err(|fault| {
            let message = format!("{kind}.generators[{index}]: {}", fault.message);
            Fault { message, ..fault }
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn refusal(entry: Value) -> String {
        check(&entry, Level::Top).unwrap_err().message
    }

    #[test]
    fn several_kinds_stand_beside_each_other_at_the_top_only() {
        let entry = json!({"plugin": {}, "list": {}, "git": null, "selector": {}});
        assert_eq!(check(&entry, Level::Top), Ok(vec!["list", "plugin"]));
        let nested = json!({"matrix": {"generators": [entry, {"list": {}}]}});
        assert!(refusal(nested).starts_with("matrix.generators[0]: a child has more than one"));
    }

    #[test]
    fn a_typo_is_named() {
        assert!(refusal(json!({"lists": {}})).contains("did you mean \"list\""));
        assert!(refusal(json!({})).contains("no generator"));
        assert!(refusal(json!({"clusters": null})).contains("no generator"));
    }

    #[test]
    fn combinations_have_their_number_of_children_and_two_levels() {
        let list = json!({"list": {}});
        let matrix = |children: &[&Value]| json!({"matrix": {"generators": children}});
        let merge = |keys: Value| json!({"merge": {"generators": [list, list], "mergeKeys": keys}});
        assert!(refusal(matrix(&[&list])).contains("less than two"));
        assert!(refusal(matrix(&[&list, &list, &list])).contains("more than two"));
        assert!(refusal(merge(json!([]))).contains("mergeKeys"));
        assert!(check(&merge(json!(["a"])), Level::Top).is_ok());
        let two = matrix(&[&matrix(&[&list, &list]), &list]);
        assert!(check(&two, Level::Top).is_ok());
        assert!(refusal(matrix(&[&list, &two])).contains("third level"));
    }
}
