//! One cluster of the demo, as the story looks at it: a client with an administrator's rights, and
//! the few requests that are made with it.

use http::{Method, Request, header};
use kube::Client;
use serde_json::Value;

use super::error::DemoError;

#[derive(Clone)]
pub(crate) struct Cluster {
    /// Its name in the fleet.
    pub(crate) name: String,
    /// Its name for kubectl.
    pub(crate) context: String,
    pub(crate) client: Client,
}

impl Cluster {
    /// The object, when there is one.
    pub(crate) async fn get(&self, path: &str) -> Result<Option<Value>, DemoError> {
        match self.send(Method::GET, path, None).await {
            Ok(value) => Ok(Some(value)),
            Err(error) if code(&error) == Some(404) => Ok(None),
            Err(error) => Err(self.failed(format!("read {path}"), error)),
        }
    }

    /// Makes an object; `None` when there is one of that name.
    pub(crate) async fn create(
        &self,
        path: &str,
        object: &Value,
    ) -> Result<Option<Value>, DemoError> {
        match self.send(Method::POST, path, Some((JSON, object))).await {
            Ok(value) => Ok(Some(value)),
            Err(error) if code(&error) == Some(409) => Ok(None),
            Err(error) => Err(self.failed(format!("create at {path}"), error)),
        }
    }

    /// As `kubectl patch --type merge --field-manager MANAGER`.
    pub(crate) async fn patch(
        &self,
        path: &str,
        manager: &str,
        patch: &Value,
    ) -> Result<Value, DemoError> {
        let uri = format!("{path}?fieldManager={manager}");
        let patched = self.send(Method::PATCH, &uri, Some((MERGE_PATCH, patch))).await;
        patched.map_err(|error| self.failed(format!("patch {path}"), error))
    }

    /// Deletes exactly the object with this uid; one that is gone is no error.
    pub(crate) async fn delete(&self, path: &str, uid: &str) -> Result<(), DemoError> {
        let options = serde_json::json!({
            "apiVersion": "v1", "kind": "DeleteOptions", "preconditions": { "uid": uid },
        });
        match self.send(Method::DELETE, path, Some((JSON, &options))).await {
            Ok(_) => Ok(()),
            Err(error) if code(&error) == Some(404) => Ok(()),
            Err(error) => Err(self.failed(format!("delete {path}"), error)),
        }
    }

    async fn send(
        &self,
        method: Method,
        uri: &str,
        body: Option<(&str, &Value)>,
    ) -> Result<Value, kube::Error> {
        let mut request = Request::builder().method(method).uri(uri);
        let mut bytes = Vec::new();
        if let Some((kind, value)) = body {
            request = request.header(header::CONTENT_TYPE, kind);
            bytes = value.to_string().into_bytes();
        }
        let request = request.body(bytes).map_err(kube::Error::HttpError)?;
        self.client.request(request).await
    }

    fn failed(&self, what: String, source: kube::Error) -> DemoError {
        DemoError::Cluster { cluster: self.context.clone(), what, source: Box::new(source) }
    }
}

const JSON: &str = "application/json";
const MERGE_PATCH: &str = "application/merge-patch+json";

fn code(error: &kube::Error) -> Option<u16> {
    match error {
        kube::Error::Api(status) => Some(status.code),
        _ => None,
    }
}
