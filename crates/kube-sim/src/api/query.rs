//! The query of a request: parameters as the server reads them. Pure.

use std::borrow::Cow;
use std::time::Duration;

use super::status::{Cause, Status};
use super::target::decode;

/// The parameters in order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Query(Vec<(String, String)>);

/// How strictly a body's fields are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FieldValidation {
    Strict,
    Warn,
    Ignore,
}

impl Query {
    #[must_use]
    pub(crate) fn parse(query: &str) -> Self {
        let decoded = |text: &str| match text.contains('+') {
            true => decode(&text.replace('+', " ")).into_owned(),
            false => decode(text).into_owned(),
        };
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        let pairs = pairs.map(|pair| match pair.split_once('=') {
            Some((key, value)) => (decoded(key), decoded(value)),
            None => (decoded(pair), String::new()),
        });
        Self(pairs.collect())
    }

    /// The first value; empty when there is none.
    #[must_use]
    pub(crate) fn get(&self, key: &str) -> &str {
        self.0.iter().find(|(name, _)| name == key).map_or("", |(_, value)| value)
    }

    pub(crate) fn has(&self, key: &str) -> bool {
        self.0.iter().any(|(name, _)| name == key)
    }

    /// As Go's query decoding takes a boolean: present and neither `0` nor `false`.
    #[must_use]
    pub(crate) fn flag(&self, key: &str) -> bool {
        self.has(key) && !matches!(self.get(key), "0" | "false")
    }

    /// A whole number; absent, empty and malformed are told apart.
    pub(crate) fn number(&self, key: &str) -> Result<Option<i64>, Status> {
        match self.get(key) {
            "" => Ok(None),
            text => text.parse().map(Some).map_err(|_| {
                Status::bad_request(format!("strconv.ParseInt: parsing {text:?}: invalid syntax"))
            }),
        }
    }

    pub(crate) fn timeout(&self) -> Result<Option<Duration>, Status> {
        let seconds = self.number("timeoutSeconds")?;
        Ok(seconds.and_then(|s| u64::try_from(s).ok()).filter(|s| *s > 0).map(Duration::from_secs))
    }

    /// Whether nothing is to be stored. `options` is the kind that a refusal names, such as
    /// `CreateOptions`.
    pub(crate) fn dry_run(&self, options: &str) -> Result<bool, Status> {
        let given: Vec<_> =
            self.0.iter().filter(|(name, _)| name == "dryRun").map(|(_, value)| value).collect();
        match &given[..] {
            [] => Ok(false),
            [one] if one.as_str() == "All" => Ok(true),
            other => {
                let shown: Vec<_> = other.iter().map(|value| format!("{value:?}")).collect();
                let shown = format!("[{}]", shown.join(" "));
                Err(unsupported(options, "dryRun", &shown, "\"All\""))
            }
        }
    }

    pub(crate) fn field_validation(&self, options: &str) -> Result<FieldValidation, Status> {
        match self.get("fieldValidation") {
            "Strict" => Ok(FieldValidation::Strict),
            "" | "Warn" => Ok(FieldValidation::Warn),
            "Ignore" => Ok(FieldValidation::Ignore),
            other => {
                let known = "\"\", \"Ignore\", \"Strict\", \"Warn\"";
                Err(unsupported(options, "fieldValidation", &format!("{other:?}"), known))
            }
        }
    }

    /// The manager that a write is recorded for: as it says, or by its program.
    pub(crate) fn field_manager(
        &self,
        options: &str,
        user_agent: Option<&str>,
    ) -> Result<Cow<'_, str>, Status> {
        let given = self.get("fieldManager");
        if given.len() > 128 {
            let cause = Cause::new(
                "FieldValueTooLong",
                "fieldManager",
                "Too long: may not be more than 128 bytes",
            );
            return Err(Status::invalid("meta.k8s.io", options, "", vec![cause]));
        }
        if !given.is_empty() {
            return Ok(Cow::Borrowed(given));
        }
        let program = user_agent.unwrap_or_default().split('/').next().unwrap_or_default();
        let program: String = program.chars().take(128).collect();
        Ok(Cow::Owned(if program.is_empty() { "unknown".to_owned() } else { program }))
    }
}

/// A parameter with a value that is none of the known ones.
pub(crate) fn unsupported(options: &str, field: &str, value: &str, known: &str) -> Status {
    let message = format!("Unsupported value: {value}: supported values: {known}");
    let cause = Cause::new("FieldValueNotSupported", field, message);
    Status::invalid("meta.k8s.io", options, "", vec![cause])
}

/// A parameter that may not be given here.
pub(crate) fn refused(options: &str, field: &str, why: &str) -> Status {
    let cause = Cause::new("FieldValueForbidden", field, format!("Forbidden: {why}"));
    Status::invalid("meta.k8s.io", options, "", vec![cause])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_decoded() {
        let query = Query::parse("labelSelector=a+in%20(b%2Cc)&watch&force=false&limit=5");
        assert_eq!(query.get("labelSelector"), "a in (b,c)");
        assert!(query.flag("watch") && !query.flag("force") && !query.flag("nope"));
        assert_eq!(query.number("limit"), Ok(Some(5)));
        assert_eq!(Query::parse("limit=x").number("limit").unwrap_err().code, 400);
    }

    #[test]
    fn a_writer_has_a_name() {
        let name = |query: &str, agent: Option<&str>| {
            Query::parse(query).field_manager("PatchOptions", agent).map(Cow::into_owned)
        };
        assert_eq!(name("fieldManager=a", Some("curl/8.0")).unwrap(), "a");
        assert_eq!(name("", Some("curl/8.0")).unwrap(), "curl");
        assert_eq!(name("", None).unwrap(), "unknown");
        let long = format!("fieldManager={}", "x".repeat(129));
        assert_eq!(name(&long, None).unwrap_err().code, 422);
    }

    #[test]
    fn values_that_are_not_known_are_refused() {
        let status = Query::parse("dryRun=foo").dry_run("CreateOptions").unwrap_err();
        let message = "CreateOptions.meta.k8s.io \"\" is invalid: dryRun: Unsupported value: \
                       [\"foo\"]: supported values: \"All\"";
        assert_eq!((status.code, status.message.as_str()), (422, message));
        assert_eq!(Query::parse("dryRun=All").dry_run("CreateOptions"), Ok(true));
    }
}
