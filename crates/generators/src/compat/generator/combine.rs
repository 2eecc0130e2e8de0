//! How two sets of parameters become one: flat without `goTemplate`, and as Go's mergo library does
//! it, with override, otherwise.

use serde_json::{Map, Value};

use super::Fault;
use super::flat::texts;
use crate::compat::params::{Kind, Params, Types};

/// Both as text; a key that both have must have one text.
pub(super) fn flat_product(left: &Params, right: &Params) -> Result<Params, Fault> {
    if let (Some(one), Some(two)) = (left.layers(), right.layers())
        && one.values().chain(two.values()).all(Value::is_string)
        && let Ok(both) = one.with_all(two)
    {
        return Ok(Params::of(both, Types::default()));
    }
    let mut all = texts(left);
    for (key, value) in texts(right) {
        match all.get(&key) {
            Some(known) if *known != value => {
                return Err(Fault::failed(format!(
                    "both children of the matrix give {key}, as {} and as {}; rename one, or use \
                     pathParamPrefix",
                    excerpt(known),
                    excerpt(&value)
                )));
            }
            Some(_) => {}
            None => {
                all.insert(key, value);
            }
        }
    }
    Ok(all.into())
}

/// Both as text; the second wins.
pub(super) fn flat_overlay(base: &Params, over: &Params) -> Params {
    let mut all = texts(base);
    all.extend(texts(over));
    all.into()
}

/// The first with the second over it: maps are joined at any depth, everything else is replaced,
/// also by what is null or empty; only an empty map replaces nothing.
pub(super) fn overlay(base: Params, over: &Params, types: &mut Unions) -> Result<Params, Fault> {
    if let (Some(one), Some(two)) = (base.layers(), over.layers())
        && !two.meets(one)
        && let Ok(both) = two.with_all(one)
    {
        return Ok(Params::of(both, types.union(&base, over)));
    }
    check_types(&base, over)?;
    let joined = types.of(&base, over);
    let mut map = base.into_map();
    merge(&mut map, over);
    Ok(Params::new(map, joined))
}

fn merge(into: &mut Map<String, Value>, over: &Map<String, Value>) {
    for (key, value) in over {
        match (into.get_mut(key), value) {
            (Some(Value::Object(left)), Value::Object(right)) if !left.is_empty() => {
                merge(left, right);
            }
            (Some(left), right) => *left = right.clone(),
            (None, right) => {
                into.insert(key.clone(), right.clone());
            }
        }
    }
}

/// Go cannot put what may be anything into a map of texts: there the whole set panics.
fn check_types(base: &Params, over: &Params) -> Result<(), Fault> {
    for (path, kind) in base.types.paths() {
        if kind != Kind::Strings || path.iter().any(|key| key == "*") {
            continue;
        }
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        let is_typed = over.types.kind(&path) == Some(Kind::Strings);
        let both = (at(base, &path), at(over, &path));
        if let (Some(Value::Object(_)), Some(Value::Object(more))) = both
            && !is_typed
            && !more.is_empty()
        {
            let name = path.join(".");
            return Err(Fault::failed(format!(
                "{name} of one generator holds texts only, and {name} of the other may hold \
                 anything (in Argo CD this panics: not assignable to type string); rename one of \
                 them"
            )));
        }
    }
    Ok(())
}

fn at<'v>(map: &'v Map<String, Value>, path: &[&str]) -> Option<&'v Value> {
    let (first, rest) = path.split_first()?;
    rest.iter().try_fold(map.get(*first)?, |value, key| value.get(key))
}

/// The joined types of pairs, most of which come again with every row.
#[derive(Default)]
pub(super) struct Unions(Vec<(Types, Types, Types)>);

impl Unions {
    /// What is special in the result of an overlay.
    fn of(&mut self, base: &Params, over: &Params) -> Types {
        if base.types.is_plain() && over.types.is_plain() {
            return Types::default();
        }
        meeting(base, over).unwrap_or_else(|| self.union(base, over))
    }

    /// The same where nothing meets.
    fn union(&mut self, base: &Params, over: &Params) -> Types {
        if base.types.is_plain() && over.types.is_plain() {
            return Types::default();
        }
        let known = self
            .0
            .iter()
            .find(|(one, two, _)| one.is_same(&base.types) && two.is_same(&over.types));
        if let Some((_, _, joined)) = known {
            return joined.clone();
        }
        let joined = base.types.union(&over.types);
        if self.0.len() < 16 {
            self.0.push((base.types.clone(), over.types.clone(), joined.clone()));
        }
        joined
    }
}

/// The types where both sides have a value at a special place; none when they have not.
fn meeting(base: &Params, over: &Params) -> Option<Types> {
    let mut kept = Vec::new();
    let mut meets = false;
    for (path, kind) in base.types.paths() {
        let (stays, met) = stays(base, over, &path);
        meets |= met;
        if stays {
            kept.push((path, kind));
        }
    }
    for (path, kind) in over.types.paths() {
        // What was joined into a map that may hold anything is in a map that may hold anything.
        let (base_stays, met) = stays(base, over, &path);
        meets |= met;
        if !(met && base_stays) {
            kept.push((path, kind));
        }
    }
    meets.then(|| {
        let kinds: Vec<(Vec<&str>, Kind)> = kept
            .iter()
            .map(|(path, kind)| (path.iter().map(String::as_str).collect(), *kind))
            .collect();
        let kinds: Vec<(&[&str], Kind)> =
            kinds.iter().map(|(path, kind)| (path.as_slice(), *kind)).collect();
        Types::new(&kinds)
    })
}

/// Whether the type of the first side stays at a path, and whether both have a value there.
fn stays(base: &Params, over: &Params, path: &[String]) -> (bool, bool) {
    let path: Vec<&str> = path.iter().map(String::as_str).take_while(|key| *key != "*").collect();
    match (at(base, &path), at(over, &path)) {
        (Some(Value::Object(left)), Some(Value::Object(right))) => {
            (!left.is_empty() || !right.is_empty(), true)
        }
        (Some(_), Some(_)) => (false, true),
        (_, None) => (true, false),
        (None, Some(_)) => (false, false),
    }
}

fn excerpt(value: &Value) -> String {
    value.as_str().unwrap_or_default().chars().take(60).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    /// Two maps, which of them has `values` as a map of texts, and what Go's library makes of them.
    #[derive(Deserialize)]
    struct Answer {
        a: Map<String, Value>,
        b: Map<String, Value>,
        #[serde(default)]
        at: bool,
        #[serde(default)]
        bt: bool,
        r: Option<Map<String, Value>>,
        /// Whether `values` is a map of texts in the result.
        #[serde(default)]
        t: bool,
    }

    fn params(map: Map<String, Value>, typed: bool) -> Params {
        let values = Types::new(&[(&["values"], Kind::Strings)]);
        Params::new(map, if typed { values } else { Types::default() })
    }

    #[test]
    fn overlays_are_those_of_mergo() {
        let mut wrong = Vec::new();
        for line in include_str!("combine/answers.jsonl").lines() {
            let answer: Answer = serde_json::from_str(line).unwrap();
            let (base, over) = (params(answer.b, answer.bt), params(answer.a, answer.at));
            let is_right = match (overlay(base, &over, &mut Unions::default()), answer.r) {
                (Ok(joined), Some(expected)) => {
                    let typed = joined.types.kind(&["values"]) == Some(Kind::Strings);
                    let has_values = joined.get("values").is_some_and(Value::is_object);
                    let expected = params(expected, false).to_go();
                    let found = params(joined.into_map(), false).to_go();
                    found.deep_equal(&expected) && (!has_values || typed == answer.t)
                }
                (Err(fault), None) => fault.message.contains("not assignable"),
                _ => false,
            };
            if !is_right {
                wrong.push(line);
            }
        }
        assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
    }

    #[test]
    fn without_go_templates_texts_must_agree() {
        let params = |value: Value| Params::from(value.as_object().unwrap().clone());
        let left = params(serde_json::json!({"a": 1_000_000, "b": null, "l": [1]}));
        let right = params(serde_json::json!({"a": "1e+06", "c": "x"}));
        let product = flat_product(&left, &right).unwrap().into_map();
        let expected = serde_json::json!({"a": "1e+06", "b": "<nil>", "c": "x", "l": "[1]"});
        assert_eq!(Value::Object(product), expected);
        let other = params(serde_json::json!({"c": "y"}));
        let fault = flat_product(&right, &other).unwrap_err();
        assert!(fault.message.contains("give c, as x and as y"), "{}", fault.message);
        assert_eq!(flat_overlay(&right, &other)["c"], "y");
    }
}
