//! `spoke-idle`: what the spoke asks of the API server when nothing happens, and how soon it repairs a foreign edit.
//!
//! Requests are counted by the API server itself: an audit policy logs each request of the spoke's account once, when it
//! is received, and nobody else's.

use super::apply::megabytes;
use super::{Figure, TALK, fleet, heal};
use crate::live::{self, Note};
use anyhow::{Context, Result, ensure};
use e2e::binaries::Binaries;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;
use tokio::time::sleep;

pub(crate) const NAME: &str = "spoke-idle";
/// What still follows from applying, such as the last reports, is over by then.
const SETTLE: Duration = Duration::from_secs(20);
const REST: Duration = Duration::from_secs(120);

const POLICY: &str = r#"apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [ResponseStarted, ResponseComplete, Panic]
rules:
  - {level: Metadata, users: ["system:serviceaccount:muster-system:muster-spoke"]}
  - {level: None}
"#;

pub(crate) async fn run(folder: &Path, binaries: &Binaries) -> Result<Vec<Figure>> {
    let (policy, log) = (folder.join("audit-policy.yaml"), folder.join("audit.log"));
    fs::write(&policy, POLICY)?;
    let flags = vec![
        format!("--audit-policy-file={}", policy.display()),
        format!("--audit-log-path={}", log.display()),
    ];
    let fleet = fleet::start(folder, binaries, flags).await?;
    let commit = fleet::commit(&fleet).await?;
    fleet::apply(&fleet, &commit).await?;
    let applied = requests(&log)?;
    let (count, least) = (applied.len(), fleet::APPLICATIONS * fleet::OBJECTS);
    ensure!(count >= least, "the audit log has {count} requests, fewer than {least} objects");
    tell("applying", &applied);

    pause("waiting until the fleet is at rest", SETTLE).await;
    let before = requests(&log)?.len();
    pause("counting requests at rest", REST).await;
    let all = requests(&log)?;
    let resident = fleet.members[0].spoke.usage()?.resident;
    let at_rest = all.get(before..).unwrap_or_default();
    tell("at rest", at_rest);
    let p99 = heal::p99(&fleet).await?;
    let count = u32::try_from(at_rest.len()).context("too many requests to count")?;
    let rate = f64::from(count) / REST.as_secs_f64();
    Ok(vec![
        Figure::new(NAME, "requests_per_second", rate, "1/s"),
        Figure::new(NAME, "vmrss_mb", megabytes(resident), "MB"),
        Figure::new(NAME, "heal_p99_seconds", p99.as_secs_f64(), "s"),
    ])
}

fn tell(when: &str, requests: &[String]) {
    for (request, count) in kinds(requests) {
        TALK.line(&format!("      {when}: {count:>5} {request}"));
    }
}

async fn pause(what: &str, time: Duration) {
    let note = Note::default();
    note.set(&format!("{what} ({} s)", time.as_secs()));
    live::during(TALK, &note, sleep(time)).await;
}

/// The requests in the audit log so far, each as verb and resource.
fn requests(log: &Path) -> Result<Vec<String>> {
    let text = fs::read_to_string(log).with_context(|| format!("cannot read {}", log.display()))?;
    // The last line may be half written.
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole.lines().map(request).collect()
}

fn request(line: &str) -> Result<String> {
    let entry: Value =
        serde_json::from_str(line).with_context(|| format!("the audit log says: {line}"))?;
    let verb = entry["verb"].as_str().unwrap_or("?");
    let resource = entry["objectRef"]["resource"].as_str();
    Ok(format!("{verb} {}", resource.or(entry["requestURI"].as_str()).unwrap_or("?")))
}

fn kinds(requests: &[String]) -> BTreeMap<&str, usize> {
    let mut kinds = BTreeMap::new();
    for request in requests {
        *kinds.entry(request.as_str()).or_default() += 1;
    }
    kinds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_half_written_line_is_left_for_the_next_look() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("audit.log");
        let lines = "{\"verb\":\"watch\",\"objectRef\":{\"resource\":\"secrets\"}}\n\
                     {\"verb\":\"get\",\"requestURI\":\"/api\"}\n{\"verb\":";
        fs::write(&log, lines).unwrap();
        let found = requests(&log).unwrap();
        assert_eq!(found, ["watch secrets", "get /api"]);
        assert_eq!(kinds(&found).len(), 2);
    }
}
