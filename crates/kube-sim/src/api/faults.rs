//! Faults on demand: what a test or the simulator wants to go wrong.

use std::time::Duration;

use super::status::Status;

/// What happens to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// It is refused with this code (429, 500, 503, …); a 410 refuses a list, and ends a watch as
    /// a version that is too old does.
    Refuse { code: u16, retry_after_seconds: Option<u32> },
    /// It is answered only after this time.
    Delay(Duration),
}

/// Which requests a fault hits, and how many of them.
#[derive(Debug, Clone)]
pub struct Rule {
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`; empty for
    /// all.
    pub verb: String,
    /// A plural; empty for all, discovery and health included.
    pub resource: String,
    pub times: u32,
    pub fault: Fault,
}

/// The rules that are left.
#[derive(Debug, Default)]
pub(crate) struct Rules(Vec<Rule>);

impl Rules {
    pub(crate) fn add(&mut self, rule: Rule) {
        self.0.push(rule);
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// The first rule that hits, used up once.
    pub(crate) fn hit(&mut self, verb: &str, resource: &str) -> Option<Fault> {
        let fits = |rule: &Rule| {
            rule.times > 0
                && (rule.verb.is_empty() || rule.verb == verb)
                && (rule.resource.is_empty() || rule.resource == resource)
        };
        let index = self.0.iter().position(fits)?;
        self.0[index].times -= 1;
        let fault = self.0[index].fault.clone();
        self.0.retain(|rule| rule.times > 0);
        Some(fault)
    }
}

/// The refusal as a real server under stress words it.
pub(crate) fn refusal(code: u16, retry_after_seconds: Option<u32>) -> Status {
    let (reason, message) = match code {
        410 => ("Expired", "The provided continue parameter is too old."),
        429 => ("TooManyRequests", "too many requests, please try again later"),
        503 => ("ServiceUnavailable", "the server is currently unable to handle the request"),
        504 => ("Timeout", "the request did not complete within the allotted time"),
        _ => ("InternalError", "Internal error occurred: a fault that was asked for"),
    };
    Status { retry_after_seconds, ..Status::new(code, reason, message) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_hits_what_it_names_and_is_used_up() {
        let mut rules = Rules::default();
        let fault = Fault::Refuse { code: 503, retry_after_seconds: Some(2) };
        let rule = Rule {
            verb: "list".to_owned(),
            resource: "pods".to_owned(),
            times: 2,
            fault: fault.clone(),
        };
        rules.add(rule);
        assert_eq!(rules.hit("get", "pods"), None);
        assert_eq!(rules.hit("list", "pods"), Some(fault.clone()));
        assert_eq!(rules.hit("list", "pods"), Some(fault));
        assert_eq!(rules.hit("list", "pods"), None);
    }
}
