//! The repair of foreign edits, as another client sees it: from before the edit is sent until its watch shows the repair.

use super::{TALK, fleet};
use crate::live::{self, Note};
use crate::stopwatch::Stopwatch;
use anyhow::{Context, Result, ensure};
use e2e::control_plane::Api;
use e2e::fleet::Fleet;
use serde_json::{Value, json};
use std::time::Duration;

/// Each on an application of its own, so that no repair waits because the object was repaired just before.
const EDITS: usize = 100;
const LIMIT: Duration = Duration::from_secs(60);

/// What is edited: one of the kinds that people edit by hand.
struct Edit {
    /// The collection, with `NAMESPACE` for the namespace.
    path: &'static str,
    field: &'static str,
    patch: Value,
}

/// The time that 99 of 100 repairs do not exceed.
pub(crate) async fn p99(fleet: &Fleet) -> Result<Duration> {
    let api = fleet.members[0].plane.api();
    let note = Note::default();
    let work = async {
        let mut times = Vec::new();
        for number in 0..EDITS {
            note.set(&format!("{number} of {EDITS} foreign edits are repaired"));
            let name = fleet::namespace(number);
            let edit = edit(number);
            let time = tokio::time::timeout(LIMIT, repaired(api, &name, &edit)).await;
            let time = time
                .with_context(|| format!("no repair after {} s", LIMIT.as_secs()))
                .and_then(|outcome| outcome)
                .with_context(|| format!("an edit of {name} {} {}", edit.path, edit.field))?;
            times.push(time);
        }
        anyhow::Ok(times)
    };
    let mut times = live::during(TALK, &note, work).await?;
    times.sort();
    let at = |percent| rank(&times, percent).map(|time| time.as_secs_f64());
    let (median, p99) = (at(50).unwrap_or_default(), at(99).unwrap_or_default());
    TALK.line(&format!("      {EDITS} repairs: median {median:.3} s, 99 % within {p99:.3} s"));
    rank(&times, 99).context("nothing was repaired")
}

fn edit(number: usize) -> Edit {
    match number % 3 {
        0 => Edit {
            path: "/api/v1/namespaces/NAMESPACE/configmaps",
            field: "/data/key-3",
            patch: json!({ "data": { "key-3": "changed by hand" } }),
        },
        1 => Edit {
            path: "/api/v1/namespaces/NAMESPACE/secrets",
            field: "/data/password",
            patch: json!({ "data": { "password": "Y2hhbmdlZA==" } }),
        },
        _ => Edit {
            path: "/apis/apps/v1/namespaces/NAMESPACE/deployments",
            field: "/spec/replicas",
            patch: json!({ "spec": { "replicas": 1 } }),
        },
    }
}

/// Object and namespace have one name.
async fn repaired(api: &Api, name: &str, edit: &Edit) -> Result<Duration> {
    let collection = edit.path.replace("NAMESPACE", name);
    let mut watch =
        api.watch(&format!("{collection}?watch=1&fieldSelector=metadata.name%3D{name}")).await?;
    let field = |event: &Value| event["object"].pointer(edit.field).cloned().unwrap_or_default();
    let good = field(&watch.next().await?);
    ensure!(!good.is_null(), "the object has no such field");
    let stopwatch = Stopwatch::start();
    let path = format!("{collection}/{name}?fieldManager=night-shift");
    let answer = api.call("PATCH", &path, Some(&edit.patch)).await?;
    ensure!(answer.status == 200, "{}: {}", answer.status, String::from_utf8_lossy(&answer.body));
    let mut edited = false;
    loop {
        let now = field(&watch.next().await?);
        if edited && now == good {
            return Ok(stopwatch.elapsed());
        }
        edited |= now != good;
    }
}

/// The smallest of the sorted times that `percent` % do not exceed (nearest rank).
fn rank(sorted: &[Duration], percent: usize) -> Option<Duration> {
    let position = (sorted.len() * percent).div_ceil(100);
    sorted.get(position.checked_sub(1)?).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_rank_is_a_measured_time() {
        let times: Vec<_> = (1..=100).map(Duration::from_millis).collect();
        assert_eq!(rank(&times, 99), Some(Duration::from_millis(99)));
        assert_eq!(rank(&times[..10], 99), Some(Duration::from_millis(10)));
        assert_eq!(rank(&[], 99), None);
    }
}
