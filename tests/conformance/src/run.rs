//! What a case works with: a namespace of its own, requests, and the comparison with expected answers.

use crate::client::{APPLY_PATCH, Answer, Connection, Request, Target, Watch};
use crate::{case, diff, mask, shown};
use anyhow::{Context, Result};
use e2e::deadline;
use expect_test::Expect;
use serde_json::{Value, json};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How long controllers may take for anything.
const SOON: Duration = Duration::from_secs(30);

/// An answer that was not the expected one.
#[derive(Debug)]
pub(crate) struct Mismatch {
    /// File and line of the expectation.
    pub(crate) at: String,
    pub(crate) expected: String,
    pub(crate) actual: String,
}

/// One case that runs.
pub(crate) struct Run {
    target: Target,
    namespace: String,
    /// Kept open between requests; a handshake costs more than most of them.
    connection: tokio::sync::Mutex<Option<Connection>>,
    mismatches: Mutex<Vec<Mismatch>>,
}

impl Run {
    pub(crate) fn new(target: Target, number: usize) -> Self {
        // Not a prefix of another one: the text is replaced in answers.
        let namespace = format!("case-{number:04}");
        Self {
            target,
            namespace,
            connection: tokio::sync::Mutex::new(None),
            mismatches: Mutex::default(),
        }
    }

    /// The same namespace, for somebody else.
    pub(crate) fn with_target(&self, change: impl FnOnce(&Target) -> Target) -> Self {
        Self {
            target: change(&self.target),
            namespace: self.namespace.clone(),
            connection: tokio::sync::Mutex::new(None),
            mismatches: Mutex::default(),
        }
    }

    pub(crate) async fn create_namespace(&self) -> Result<()> {
        let body = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "{ns}"}});
        self.post("/api/v1/namespaces", body).await?;
        Ok(())
    }

    pub(crate) fn into_mismatches(self) -> Vec<Mismatch> {
        self.mismatches.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends a request in which `{ns}` stands for the case's namespace.
    pub(crate) async fn send(&self, request: Request) -> Result<Answer> {
        let request = request.in_namespace(&self.namespace);
        let mut slot = self.connection.lock().await;
        let mut kept = slot.take();
        if let Some(connection) = &mut kept
            && !connection.is_usable().await
        {
            kept = None;
        }
        let mut connection = match kept {
            Some(connection) => connection,
            None => self.target.connect().await?,
        };
        let answer = connection.send(&request).await?;
        *slot = Some(connection);
        Ok(answer)
    }

    pub(crate) async fn get(&self, path: &str) -> Result<Answer> {
        self.send(Request::get(path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Result<Answer> {
        self.send(Request::post(path, &body)).await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Result<Answer> {
        self.send(Request::put(path, &body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Result<Answer> {
        self.send(Request::delete(path)).await
    }

    pub(crate) async fn patch(&self, path: &str, kind: &str, body: Value) -> Result<Answer> {
        self.send(Request::patch(path, kind, &body)).await
    }

    /// Server-side apply by this manager. `path` may have a query already.
    pub(crate) async fn apply(&self, manager: &str, path: &str, body: Value) -> Result<Answer> {
        let join = if path.contains('?') { '&' } else { '?' };
        self.patch(&format!("{path}{join}fieldManager={manager}"), APPLY_PATCH, body).await
    }

    pub(crate) async fn watch(&self, path: &str) -> Result<Watch> {
        self.watch_with(Request::get(path)).await
    }

    pub(crate) async fn watch_with(&self, request: Request) -> Result<Watch> {
        let request = request.in_namespace(&self.namespace);
        self.target.connect().await?.watch(&request).await
    }

    /// Asks for an object again and again until it is as wanted.
    pub(crate) async fn until(
        &self,
        what: &str,
        path: &str,
        wanted: impl Fn(&Value) -> bool,
    ) -> Result<Value> {
        deadline::until(what, SOON, async || {
            let answer = self.get(path).await?;
            Ok(Some(answer.json()).filter(|object| answer.status == 200 && wanted(object)))
        })
        .await
        .with_context(|| path.to_owned())
    }

    /// Waits until there is nothing at this path.
    pub(crate) async fn until_gone(&self, path: &str) -> Result<()> {
        deadline::until("end of the object", SOON, async || {
            Ok((self.get(path).await?.status == 404).then_some(()))
        })
        .await
        .with_context(|| path.to_owned())
    }

    /// Compares a whole answer but for field managers: status, media type, warnings, body.
    pub(crate) fn expect(&self, answer: &Answer, expected: Expect) {
        self.compare(&shown::answer(answer, &self.namespace), &expected);
    }

    /// Compares a part of a body, or anything else that is JSON.
    pub(crate) fn expect_value(&self, value: &Value, expected: Expect) {
        self.compare(&shown::value(&mask::value(value, &self.namespace)), &expected);
    }

    /// Compares who owns which fields.
    pub(crate) fn expect_owners(&self, object: &Value, expected: Expect) {
        self.compare(&mask::text(&shown::owners(object), &self.namespace), &expected);
    }

    /// Compares text.
    pub(crate) fn expect_text(&self, text: &str, expected: Expect) {
        self.compare(&mask::text(text, &self.namespace), &expected);
    }

    fn compare(&self, actual: &str, expected: &Expect) {
        let mut actual = actual.to_owned();
        if actual.contains('\n') && !actual.ends_with('\n') {
            actual.push('\n');
        }
        let wanted = diff::without_indent(expected.data());
        if wanted == actual {
            return;
        }
        if case::updating() {
            expected.assert_eq(&actual); // Writes it into the source.
            return;
        }
        let at = format!("{}:{}", expected.position.file, expected.position.line);
        let mismatch = Mismatch { at, expected: wanted, actual };
        self.mismatches.lock().unwrap_or_else(PoisonError::into_inner).push(mismatch);
    }
}
