//! How often an Argo CD set wants to be looked at anew: `requeueAfterSeconds` of its generators.
//!
//! Argo CD evaluates a whole set that often. Here it is what a set looks at that is fetched anew, so
//! a period counts for what generators of its kind look at: Git, or services.

use std::time::Duration;

use serde_json::Value;

/// The shortest of a set; `None` where it leaves them to the hub.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Periods {
    pub(super) git: Option<Duration>,
    pub(super) services: Option<Duration>,
}

impl Periods {
    /// Those of a list of generators and of what is inside them; the schema bounds the depth.
    pub(super) fn of(generators: &Value) -> Self {
        let mut all = Self::default();
        let entries = generators.as_array().into_iter().flatten().filter_map(Value::as_object);
        for (kind, generator) in entries.flatten() {
            let inside = Self::of(&generator["generators"]);
            // Zero and less mean that time alone is no reason to look.
            let seconds = generator["requeueAfterSeconds"].as_u64().filter(|seconds| *seconds > 0);
            let own = seconds.map(Duration::from_secs);
            let own = match kind.as_str() {
                "git" => Self { git: own, services: None },
                "scmProvider" | "pullRequest" | "plugin" => Self { git: None, services: own },
                _ => Self::default(),
            };
            for other in [inside, own] {
                all.git = shorter(all.git, other.git);
                all.services = shorter(all.services, other.services);
            }
        }
        all
    }
}

fn shorter(a: Option<Duration>, b: Option<Duration>) -> Option<Duration> {
    a.into_iter().chain(b).min()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_shortest_of_each_kind_counts_wherever_it_stands() {
        let periods = Periods::of(&json!([
            {"git": {"requeueAfterSeconds": 600}},
            {"list": {"requeueAfterSeconds": 1}},
            {"plugin": {"requeueAfterSeconds": 0}},
            {"matrix": {"generators": [
                {"git": {"requeueAfterSeconds": 60}, "selector": {}},
                {"merge": {"generators": [{"pullRequest": {"requeueAfterSeconds": 90}}]}},
                {"scmProvider": {"requeueAfterSeconds": 900}},
            ]}},
        ]));
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        assert_eq!(periods, Periods { git: seconds(60), services: seconds(90) });
        for none in [
            json!([]),
            Value::Null,
            json!([{"git": null}, 7, {"plugin": {"requeueAfterSeconds": -5}}]),
        ] {
            assert_eq!(Periods::of(&none), Periods::default(), "{none}");
        }
    }
}
