//! "Did you mean": the nearest known name to one that is unknown.

/// The nearest of `known` to `word`, when it is near enough to be a likely slip of the finger.
#[must_use]
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(&word.to_lowercase(), &name.to_lowercase()), name))
        .filter(|(distance, name)| *distance <= 1 + name.len() / 4)
        .min()
        .map(|(_, name)| name)
}

/// The message for an unknown name: what it is, the nearest known one, and all that are known.
#[must_use]
pub fn unknown(what: &str, word: &str, known: &[&str]) -> String {
    let hint = nearest(word, known.iter().copied())
        .map(|name| format!("did you mean {name:?}? "))
        .unwrap_or_default();
    format!("unknown {what} {word:?}; {hint}known: {}", known.join(", "))
}

/// Adds "did you mean" to the message of a parser about an unknown field.
#[must_use]
pub fn hinted(message: &str) -> String {
    let mut quoted = message.split('`').skip(1).step_by(2);
    let is_unknown = message.starts_with("unknown field") || message.starts_with("unknown variant");
    match (is_unknown, quoted.next()) {
        (true, Some(word)) => match nearest(word, quoted) {
            Some(name) => format!("{message}; did you mean `{name}`?"),
            None => message.to_owned(),
        },
        _ => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_its_name_and_a_stranger_none() {
        let known = ["selector", "values", "template"];
        assert_eq!(nearest("selecter", known), Some("selector"));
        assert_eq!(nearest("zebra", known), None);
    }
}
