//! A collector with a clock that stands still, secrets, and requests as documents have them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use collect::{Allowed, Collected, Collector, Config, Endpoints, Missing, Secret, Secrets};
use model::provider::{Items, Request, SecretRef};
use runtime::clock::{Clock, ManualClock};

pub(crate) const WALL_MS: i64 = 1_700_000_000_000;

/// What no output may hold.
pub(crate) const CANARY: &str = "canary-7c1f0f6e2d";

/// Every secret is the canary and its name, but for what must be something else.
#[derive(Default)]
pub(crate) struct TestSecrets {
    pub config_maps: Mutex<BTreeMap<String, BTreeMap<String, String>>>,
    pub without: Mutex<Vec<String>>,
    /// Who got which secret.
    pub given: Mutex<Vec<(String, String)>>,
}

impl Secrets for TestSecrets {
    fn secret(&self, reference: &SecretRef, audience: &str) -> Result<Secret, Missing> {
        let SecretRef { secret_name, key } = reference;
        if self.without.lock().unwrap().contains(key) {
            return Err(Missing::new(format!("the secret `{secret_name}` has no key `{key}`")));
        }
        self.given.lock().unwrap().push((key.clone(), audience.to_owned()));
        Ok(Secret::new(match key.as_str() {
            "githubAppID" => "12345".to_owned(),
            "githubAppInstallationID" => "55501".to_owned(),
            "githubAppPrivateKey" => include_str!("../recorded/github-app-test-key.pem").to_owned(),
            key => format!("{CANARY}-{key}\n"),
        }))
    }

    fn config_map(&self, name: &str) -> Result<BTreeMap<String, String>, Missing> {
        let maps = self.config_maps.lock().unwrap();
        maps.get(name)
            .cloned()
            .ok_or_else(|| Missing::new(format!("there is no ConfigMap `{name}`")))
    }
}

pub(crate) struct Setup {
    pub collector: Collector,
    pub hand: ManualClock,
    pub secrets: Arc<TestSecrets>,
}

/// Everything is at `base`, nothing is remembered as fresh, and nothing is tried twice.
pub(crate) fn config(base: &str) -> Config {
    let mut config = Config {
        allowed: vec![base.parse::<Allowed>().unwrap()],
        allow_loopback: true,
        endpoints: Endpoints {
            github: format!("{base}/"),
            gitlab: base.to_owned(),
            bitbucket: format!("{base}/2.0"),
            azure: base.to_owned(),
            aws: Some(format!("{base}/")),
        },
        ..Config::default()
    };
    config.timing.fresh_for = Duration::ZERO;
    config.timing.failed_for = Duration::ZERO;
    config.timing.max_wait = Duration::ZERO;
    config.timing.retries = 0;
    config.aws.region = Some("eu-central-1".to_owned());
    config.budget.requests = 1_000_000;
    config
}

pub(crate) fn setup(config: Config) -> Setup {
    let (clock, hand) = Clock::manual(WALL_MS);
    let secrets = Arc::new(TestSecrets::default());
    let collector =
        Collector::new(config, Arc::clone(&secrets) as Arc<dyn Secrets>, clock).unwrap();
    Setup { collector, hand, secrets }
}

impl Setup {
    pub(crate) fn config_map(&self, name: &str, data: &[(&str, String)]) {
        let data = data.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
        self.secrets.config_maps.lock().unwrap().insert(name.to_owned(), data);
    }
}

pub(crate) fn request(text: &str) -> Request {
    serde_json::from_str(text).unwrap()
}

pub(crate) fn recorded(path: &str) -> String {
    let path = format!("{}/tests/recorded/{path}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The lines that an answer is for a person.
pub(crate) fn lines(items: &Items) -> Vec<String> {
    match items {
        Items::Repositories(repositories) => repositories
            .iter()
            .map(|repository| {
                let branches = repository.branches.iter().map(|branch| {
                    let paths: Vec<_> = branch.paths.iter().map(String::as_str).collect();
                    format!("{}@{:.8}[{}]", branch.name, branch.sha, paths.join(" "))
                });
                let branches: Vec<_> = branches.collect();
                let urls: Vec<_> =
                    repository.urls.iter().map(|(k, v)| format!("{k}={v}")).collect();
                format!(
                    "{}/{} {} labels={} {} {}",
                    repository.organization,
                    repository.repository,
                    repository.repository_id,
                    repository.labels.join(","),
                    urls.join(" "),
                    branches.join(" "),
                )
            })
            .collect(),
        Items::PullRequests(found) => found
            .iter()
            .map(|pull| {
                format!(
                    "{} {:?} {} -> {} {:.8} by {} labels={}",
                    pull.number,
                    pull.title,
                    pull.branch,
                    pull.target_branch,
                    pull.head_sha,
                    pull.author,
                    pull.labels.join(","),
                )
            })
            .collect(),
        Items::Plugin(found) => {
            found.iter().map(|item| serde_json::to_string(item).unwrap()).collect()
        }
    }
}

/// What must not get lost: the names of the items.
pub(crate) fn names(items: &Items) -> Vec<String> {
    match items {
        Items::Repositories(found) => {
            let branches = found.iter().flat_map(|repository| {
                let name = format!("{}/{}", repository.organization, repository.repository);
                repository.branches.iter().map(move |branch| format!("{name} {}", branch.name))
            });
            branches.collect()
        }
        Items::PullRequests(found) => found.iter().map(|pull| pull.number.to_string()).collect(),
        Items::Plugin(found) => {
            found.iter().map(|item| serde_json::to_string(item).unwrap()).collect()
        }
    }
}

#[track_caller]
pub(crate) fn complete(collected: Collected) -> Vec<String> {
    match collected {
        Collected::Complete(answer) => {
            assert_eq!(answer.partial, None);
            lines(&answer.items)
        }
        other => panic!("not complete: {other:?}"),
    }
}

/// The items and the reason.
#[track_caller]
pub(crate) fn partial(collected: Collected) -> (Vec<String>, String) {
    match collected {
        Collected::Partial(answer, failure) => {
            let reason = answer.partial.clone().expect("a partial answer says why");
            assert!(reason.starts_with(&failure.message), "{reason}");
            (names(&answer.items), reason)
        }
        other => panic!("not partial: {other:?}"),
    }
}
