//! `410 Gone` in its shapes: a version that the server no longer remembers.

use super::crds::{WIDGET, WIDGETS, served, widget};
use crate::case::{Section, section};
use crate::client::{Answer, MERGE_PATCH};
use crate::run::Run;
use anyhow::{Context, Result, ensure};
use e2e::deadline;
use expect_test::expect;
use serde_json::{Value, json};
use std::time::Duration;

pub(super) fn section() -> Section {
    section!("expired versions";
        a_watch_from_a_forgotten_version_is_an_error_event,
        old_lists_and_old_pages_are_a_410,
    )
}

/// Two compactions of the real server's store, with time to spare.
const PATIENCE: Duration = Duration::from_secs(25);
/// The simulator remembers a number of events of each kind instead of a time.
const EVENTS: usize = 1_100;
/// Changes between two questions.
const AT_A_TIME: usize = 100;

/// Changes the widget `a` until what is at this path is forgotten.
async fn until_forgotten(run: &Run, path: &str) -> Result<Answer> {
    let mut written = 0;
    deadline::until("410", PATIENCE, async || {
        // A store forgets what was before a change, so something has to change.
        let count = if written < EVENTS { AT_A_TIME } else { 1 };
        for _ in 0..count {
            written += 1;
            let patch = json!({"metadata": {"annotations": {"number": written.to_string()}}});
            run.patch(WIDGET, MERGE_PATCH, patch).await?.is(200)?;
        }
        let answer = run.get(path).await?;
        Ok((answer.status == 410).then_some(answer))
    })
    .await
}

async fn a_watch_from_a_forgotten_version_is_an_error_event(run: &Run) -> Result<()> {
    // What is remembered of a kind begins when it is first served: version 1 is from before.
    served(run).await?;
    let path = format!("{WIDGETS}?watch=1&resourceVersion=1");
    let mut watch = run.watch(&path).await?;
    let mut event = watch.event().await?;
    let message = event["object"]["message"].as_str().unwrap_or_default().to_owned();
    let versions = regex::Regex::new(r"^too old resource version: 1 \(\d+\)$")?;
    ensure!(versions.is_match(&message), "{message}");
    event["object"]["message"] = json!("too old resource version: 1 ({rv})");
    run.expect_value(
        &event,
        expect![[r#"
        {
          object: {
            apiVersion: "v1",
            code: 410,
            kind: "Status",
            message: "too old resource version: 1 ({rv})",
            metadata: {},
            reason: "Expired",
            status: "Failure",
          },
          type: "ERROR",
        }
    "#]],
    );
    ensure!(watch.next().await?.is_none(), "the watch goes on");
    Ok(())
}

async fn old_lists_and_old_pages_are_a_410(run: &Run) -> Result<()> {
    served(run).await?;
    for name in ["a", "b", "c"] {
        let mut body = widget(json!({"size": 1}));
        body["metadata"]["name"] = json!(name);
        run.post(WIDGETS, body).await?.is(201)?;
    }
    let page = run.get(&format!("{WIDGETS}?limit=1")).await?.is(200)?;
    let exact =
        format!("{WIDGETS}?resourceVersionMatch=Exact&resourceVersion={}", page.resource_version());
    run.get(&exact).await?.is(200)?;
    let gone = until_forgotten(run, &exact).await?;
    run.expect(
        &gone,
        expect![[r#"
        410
        {
          apiVersion: "v1",
          code: 410,
          kind: "Status",
          message: "The resourceVersion for the provided list is too old.",
          metadata: {},
          reason: "Expired",
          status: "Failure",
        }
    "#]],
    );
    let page = page.json();
    let token = page["metadata"]["continue"].as_str().context("a token")?;
    let gone = run.get(&format!("{WIDGETS}?limit=1&continue={token}")).await?;
    let mut body = gone.json();
    // With it the rest can be had, as it is by then.
    let rest = body["metadata"]["continue"].as_str().context("a token for the rest")?.to_owned();
    body["metadata"]["continue"] = json!("{token}");
    run.expect_value(&body, expect![[r#"
        {
          apiVersion: "v1",
          code: 410,
          kind: "Status",
          message: "The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list.",
          metadata: {continue: "{token}"},
          reason: "Expired",
          status: "Failure",
        }
    "#]]);
    let rest = run.get(&format!("{WIDGETS}?limit=9&continue={rest}")).await?.is(200)?.json();
    let items = rest["items"].as_array().into_iter().flatten();
    let names: Vec<&Value> = items.map(|item| &item["metadata"]["name"]).collect();
    run.expect_value(&json!(names), expect![[r#"["b", "c"]"#]]);
    Ok(())
}
