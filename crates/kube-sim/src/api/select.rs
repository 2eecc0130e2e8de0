//! Label and field selectors. Pure.

use std::collections::BTreeMap;

use serde_json::Value;

use super::status::Status;
use crate::schema::Resource;
use crate::store::Stored;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Rule {
    In(Vec<String>),
    NotIn(Vec<String>),
    Exists,
    Absent,
    /// `>` and `<` compare whole numbers.
    Above(i64),
    Below(i64),
}

/// What a request asks for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Selector {
    labels: Vec<(String, Rule)>,
    /// A field, its wanted value and whether it must be that one or any other.
    fields: Vec<(String, String, bool)>,
}

impl Selector {
    pub(crate) fn parse(labels: &str, fields: &str, resource: &Resource) -> Result<Self, Status> {
        Ok(Self { labels: parse_labels(labels)?, fields: parse_fields(fields, resource)? })
    }

    /// Only the object of this name, besides what is asked for already.
    pub(crate) fn only(&mut self, name: &str) {
        self.fields.push(("metadata.name".to_owned(), name.to_owned(), true));
    }

    #[must_use]
    pub(crate) fn is_empty(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }

    #[must_use]
    pub(crate) fn matches(&self, object: &Stored) -> bool {
        self.labels
            .iter()
            .all(|(key, rule)| fits(rule, object.labels.get(key.as_str()).map(|label| &**label)))
            && self.matches_fields(object)
    }

    fn matches_fields(&self, object: &Stored) -> bool {
        let mut value = None;
        self.fields.iter().all(|(field, wanted, equal)| {
            let found = match field.as_str() {
                "metadata.name" => *object.key.name == **wanted,
                "metadata.namespace" => *object.key.namespace == **wanted,
                path => at(value.get_or_insert_with(|| object.value()), path) == *wanted,
            };
            found == *equal
        })
    }
}

/// Whether these labels fit a `LabelSelector` in text form.
#[must_use]
fn fits(rule: &Rule, label: Option<&str>) -> bool {
    let number = || label.and_then(|text| text.parse::<i64>().ok());
    match rule {
        Rule::In(values) => label.is_some_and(|label| values.iter().any(|v| v == label)),
        Rule::NotIn(values) => !label.is_some_and(|label| values.iter().any(|v| v == label)),
        Rule::Exists => label.is_some(),
        Rule::Absent => label.is_none(),
        Rule::Above(bound) => number().is_some_and(|number| number > *bound),
        Rule::Below(bound) => number().is_some_and(|number| number < *bound),
    }
}

fn at(value: &Value, path: &str) -> String {
    // Events report who they came from in one of two places.
    if path == "source" {
        let component = value["source"]["component"].as_str().unwrap_or_default();
        let reporter = value["reportingComponent"].as_str().unwrap_or_default();
        return if component.is_empty() { reporter } else { component }.to_owned();
    }
    let found = path.split('.').fold(value, |value, key| &value[key]);
    match found {
        Value::String(text) => text.clone(),
        // A field that is not set has its type's empty value.
        Value::Null => match path {
            "spec.unschedulable" | "spec.hostNetwork" => "false".to_owned(),
            "status.successful" => "0".to_owned(),
            _ => String::new(),
        },
        other => other.to_string(),
    }
}

/// The fields by which a resource can be selected, beyond name and namespace.
fn selectable(group: &str, plural: &str) -> &'static [&'static str] {
    match (group, plural) {
        ("", "pods") => &[
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "spec.hostNetwork",
            "status.phase",
            "status.podIP",
            "status.nominatedNodeName",
        ],
        ("", "nodes") => &["spec.unschedulable"],
        ("", "namespaces") => &["status.phase"],
        ("", "secrets") => &["type"],
        ("", "services") => &["spec.clusterIP", "spec.type"],
        ("", "replicationcontrollers") | ("apps", "replicasets") => &["status.replicas"],
        ("batch", "jobs") => &["status.successful"],
        ("certificates.k8s.io", "certificatesigningrequests") => &["spec.signerName"],
        ("" | "events.k8s.io", "events") => &[
            "involvedObject.kind",
            "involvedObject.namespace",
            "involvedObject.name",
            "involvedObject.uid",
            "involvedObject.apiVersion",
            "involvedObject.resourceVersion",
            "involvedObject.fieldPath",
            "reason",
            "reportingComponent",
            "source",
            "type",
        ],
        _ => &[],
    }
}

fn parse_fields(text: &str, resource: &Resource) -> Result<Vec<(String, String, bool)>, Status> {
    let known = selectable(resource.id.group(), resource.id.plural());
    let terms = text.split(',').filter(|term| !term.is_empty());
    let parse = |term: &str| {
        let parts = term.split_once("!=").map(|(key, value)| (key, value, false));
        let parts = parts.or_else(|| term.split_once("==").map(|(k, v)| (k, v, true)));
        let parts = parts.or_else(|| term.split_once('=').map(|(k, v)| (k, v, true)));
        let Some((key, value, equal)) = parts else {
            let why = format!("invalid selector: '{text}'; can't understand '{term}'");
            return Err(Status::bad_request(why));
        };
        if key == "metadata.name"
            || key == "metadata.namespace" && resource.namespaced
            || known.contains(&key)
        {
            return Ok((key.to_owned(), value.to_owned(), equal));
        }
        Err(Status::bad_request(format!(
            "\"{key}\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\""
        )))
    };
    terms.map(parse).collect()
}

/// A word or a sign of a label selector.
fn tokens(text: &str) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    let mut word = String::new();
    let mut chars = text.chars().peekable();
    let flush = |word: &mut String, tokens: &mut Vec<String>| {
        if !word.is_empty() {
            tokens.push(std::mem::take(word));
        }
    };
    while let Some(c) = chars.next() {
        match c {
            ' ' | '\t' | '\n' | '\r' => flush(&mut word, &mut tokens),
            ',' | '(' | ')' | '<' | '>' => {
                flush(&mut word, &mut tokens);
                tokens.push(c.to_string());
            }
            '=' | '!' => {
                flush(&mut word, &mut tokens);
                let two = chars.next_if(|next| *next == '=').is_some();
                tokens.push(if two { format!("{c}=") } else { c.to_string() });
            }
            c => word.push(c),
        }
    }
    flush(&mut word, &mut tokens);
    tokens
}

fn parse_labels(text: &str) -> Result<Vec<(String, Rule)>, Status> {
    let tokens = tokens(text);
    let mut rest = tokens.iter().map(String::as_str).peekable();
    let mut rules = Vec::new();
    while rest.peek().is_some() {
        let rule = parse_rule(&mut rest)
            .map_err(|why| Status::bad_request(format!("unable to parse requirement: {why}")))?;
        rules.push(rule);
        match rest.next() {
            None | Some(",") => {}
            Some(other) => {
                let why = format!(
                    "unable to parse requirement: found '{other}', expected: ',' or 'end of string'"
                );
                return Err(Status::bad_request(why));
            }
        }
    }
    Ok(rules)
}

fn is_word(token: &str) -> bool {
    !matches!(token, "," | "(" | ")" | "<" | ">" | "=" | "==" | "!" | "!=")
}

type Tokens<'a, I> = std::iter::Peekable<I>;

fn parse_rule<'a>(
    rest: &mut Tokens<'a, impl Iterator<Item = &'a str>>,
) -> Result<(String, Rule), String> {
    let absent = rest.next_if_eq(&"!").is_some();
    let key = match rest.next() {
        Some(key) if is_word(key) => key.to_owned(),
        other => {
            let other = other.unwrap_or_default();
            return Err(format!("found '{other}', expected: !, identifier, or 'end of string'"));
        }
    };
    if absent {
        return Ok((key, Rule::Absent));
    }
    let rule = match rest.peek().copied() {
        None | Some(",") => Rule::Exists,
        Some(sign @ ("=" | "==" | "!=")) => {
            rest.next();
            let value = match rest.peek().copied() {
                None | Some(",") => String::new(),
                Some(word) if is_word(word) => {
                    rest.next();
                    word.to_owned()
                }
                Some(other) => return Err(format!("found '{other}', expected: identifier")),
            };
            if sign == "!=" { Rule::NotIn(vec![value]) } else { Rule::In(vec![value]) }
        }
        Some(sign @ ("in" | "notin")) => {
            rest.next();
            let values = parse_values(rest)?;
            if sign == "in" { Rule::In(values) } else { Rule::NotIn(values) }
        }
        Some(sign @ ("<" | ">")) => {
            rest.next();
            let bound = rest.next().and_then(|word| word.parse().ok());
            let bound = bound.ok_or("for 'Gt', 'Lt' operators, the value must be an integer")?;
            if sign == ">" { Rule::Above(bound) } else { Rule::Below(bound) }
        }
        Some(other) => {
            return Err(format!("found '{other}', expected: in, notin, =, ==, !=, gt, lt"));
        }
    };
    Ok((key, rule))
}

fn parse_values<'a>(
    rest: &mut Tokens<'a, impl Iterator<Item = &'a str>>,
) -> Result<Vec<String>, String> {
    if rest.next_if_eq(&"(").is_none() {
        let found = rest.peek().copied().unwrap_or_default();
        return Err(format!("found '{found}', expected: '('"));
    }
    let mut values = Vec::new();
    loop {
        match rest.next() {
            Some(")") => return Ok(values),
            Some(",") => {}
            Some(word) if is_word(word) => values.push(word.to_owned()),
            other => {
                let found = other.unwrap_or_default();
                return Err(format!("found '{found}', expected: ',' or ')'"));
            }
        }
    }
}

/// A `matchLabels`-like map as the text of a selector, as `scale` shows it.
#[must_use]
pub(crate) fn to_text(selector: &Value) -> String {
    let mut terms: BTreeMap<&str, String> = BTreeMap::new();
    for (key, value) in selector["matchLabels"].as_object().into_iter().flatten() {
        terms.insert(key, format!("{key}={}", value.as_str().unwrap_or_default()));
    }
    for rule in selector["matchExpressions"].as_array().into_iter().flatten() {
        let key = rule["key"].as_str().unwrap_or_default();
        let values: Vec<_> =
            rule["values"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let values = values.join(",");
        terms.insert(
            key,
            match rule["operator"].as_str().unwrap_or_default() {
                "In" => format!("{key} in ({values})"),
                "NotIn" => format!("{key} notin ({values})"),
                "DoesNotExist" => format!("!{key}"),
                _ => key.to_owned(),
            },
        );
    }
    terms.into_values().collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(selector: &str, labels: &[(&str, &str)]) -> bool {
        let rules = parse_labels(selector).expect("it is well formed");
        let labels: BTreeMap<Box<str>, Box<str>> =
            labels.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
        rules.iter().all(|(key, rule)| fits(rule, labels.get(key.as_str()).map(|label| &**label)))
    }

    #[test]
    fn labels_select() {
        let labels = [("app", "web"), ("tier", "3"), ("empty", "")];
        for yes in [
            "",
            "app",
            "app=web",
            "app==web",
            "app!=db",
            "nope!=x",
            "!nope",
            "app in (web, db)",
            "app notin (db)",
            "nope notin (x)",
            "app=web,tier=3",
            "tier>2",
            "tier<4",
            "empty=",
            "app in (web),!x",
        ] {
            assert!(matches(yes, &labels), "{yes}");
        }
        for no in ["nope", "app=db", "!app", "app in (db)", "app notin (web)", "tier>3", "app="] {
            assert!(!matches(no, &labels), "{no}");
        }
    }

    #[test]
    fn malformed_selectors_are_refused_as_the_real_server_does() {
        let why = |selector| parse_labels(selector).unwrap_err().message;
        assert_eq!(why("a===b"), "unable to parse requirement: found '=', expected: identifier");
        assert_eq!(
            why("a notin (b"),
            "unable to parse requirement: found '', expected: ',' or ')'"
        );
        assert!(parse_labels("a in b").is_err() && parse_labels(",").is_err());
    }

    #[test]
    fn a_selector_is_shown_as_text() {
        let selector = serde_json::json!({"matchLabels": {"b": "2", "a": "1"},
            "matchExpressions": [{"key": "c", "operator": "In", "values": ["x", "y"]}]});
        assert_eq!(to_text(&selector), "a=1,b=2,c in (x,y)");
    }
}
