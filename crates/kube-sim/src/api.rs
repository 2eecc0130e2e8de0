//! Requests to answers: paths, verbs, media types, errors.
//!
//! [`handle`] reads the body and waits where a fault says so; everything else is one synchronous
//! step under the cluster's lock. A watch takes the lock again for each batch of events.

pub(crate) mod accept;
pub(crate) mod answer;
pub(crate) mod body;
pub(crate) mod decode;
mod delete;
pub(crate) mod discovery;
pub mod faults;
mod json;
pub(crate) mod openapi;
mod patch;
mod protobuf;
pub(crate) mod query;
pub(crate) mod rbac;
mod read;
mod select;
pub mod status;
mod subresource;
pub(crate) mod table;
pub(crate) mod target;
mod token;
mod watch;
mod write;

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, header};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};

use self::accept::Form;
use self::answer::{Answer, Painter, refusal, with_type};
pub use self::body::Body;
use self::faults::Fault;
use self::query::Query;
use self::status::Status;
use self::target::Target;
use crate::cluster::{Cluster, State, User};
use crate::schema::Resource;

/// The largest body that is read, as in a real server.
const MAX_BODY_BYTES: usize = 3 << 20;

/// What a request is about, for the question whether it is allowed.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Attributes<'a> {
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`; for a
    /// path that is no resource the method in lower case.
    pub(crate) verb: &'a str,
    pub(crate) group: &'a str,
    /// The plural; empty for a path that is no resource.
    pub(crate) resource: &'a str,
    pub(crate) subresource: &'a str,
    pub(crate) namespace: &'a str,
    pub(crate) name: &'a str,
    pub(crate) path: &'a str,
}

/// A request for a resource that is served.
pub(crate) struct Ask<'a> {
    pub(crate) resource: Arc<Resource>,
    pub(crate) target: &'a Target,
    pub(crate) query: &'a Query,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: &'a [u8],
}

impl Ask<'_> {
    fn accept(&self) -> &str {
        text_header(self.headers, header::ACCEPT)
    }

    fn user_agent(&self) -> Option<&str> {
        self.headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok())
    }

    fn painter(&self, state: &State, form: Form) -> Painter<'_> {
        Painter {
            resource: &self.resource,
            form,
            include: self.query.get("includeObject"),
            now_ms: state.clock.wall_ms(),
        }
    }
}

/// The answer to one request.
pub(crate) async fn handle<B>(cluster: Cluster, user: User, request: Request<B>) -> Response<Body>
where
    B: http_body::Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let (parts, body) = request.into_parts();
    let target = Target::parse(parts.uri.path());
    let query = Query::parse(parts.uri.query().unwrap_or_default());
    let verb = verb(&parts.method, target.as_ref(), &query);
    let body = match Limited::new(body, MAX_BODY_BYTES).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => {
            let why = format!("Request entity too large: limit is {MAX_BODY_BYTES}");
            return refusal(&Status::new(413, "RequestEntityTooLarge", why));
        }
        Err(error) => return refusal(&Status::bad_request(format!("unable to read: {error}"))),
    };
    let plural = target.as_ref().map_or("", |target| target.plural.as_str());
    let fault = cluster.count(verb, plural);
    match fault {
        Some(Fault::Delay(wait)) => tokio::time::sleep(wait).await,
        Some(Fault::Refuse { code: 410, .. }) if verb == "watch" => {
            return watch::expired("too old resource version");
        }
        Some(Fault::Refuse { code, retry_after_seconds }) => {
            return refusal(&faults::refusal(code, retry_after_seconds));
        }
        None => {}
    }
    let answered = match &target {
        Some(target) if is_document(&parts.method, target) => None,
        Some(target) => {
            answer_resource(&cluster, &user, verb, target, &query, &parts.headers, &body)
        }
        None => None,
    };
    let answered = answered.unwrap_or_else(|| answer_path(&cluster, &user, verb, &parts));
    let mut response = answered.unwrap_or_else(|status| refusal(&status));
    if let Ok(value) = HeaderValue::from_str(&cluster.audit_id()) {
        response.headers_mut().insert("audit-id", value);
    }
    response
}

/// Paths that look like a resource's and are documents: none at present begin with `/api`.
fn is_document(method: &Method, target: &Target) -> bool {
    *method == Method::GET && target.plural.is_empty()
}

fn verb(method: &Method, target: Option<&Target>, query: &Query) -> &'static str {
    let Some(target) = target else {
        return match *method {
            Method::GET => "get",
            Method::POST => "post",
            Method::PUT => "put",
            Method::PATCH => "patch",
            Method::DELETE => "delete",
            Method::HEAD => "head",
            _ => "options",
        };
    };
    let one = !target.name.is_empty();
    match *method {
        Method::GET | Method::HEAD if target.watch => "watch",
        Method::GET | Method::HEAD if query.flag("watch") && target.subresource.is_empty() => {
            "watch"
        }
        Method::GET | Method::HEAD if one => "get",
        Method::GET | Method::HEAD => "list",
        Method::POST => "create",
        Method::PUT => "update",
        Method::PATCH => "patch",
        Method::DELETE if one => "delete",
        Method::DELETE => "deletecollection",
        _ => "",
    }
}

type Answered = Result<Response<Body>, Status>;

/// Discovery, OpenAPI, the version and the server's health.
fn answer_path(
    cluster: &Cluster,
    user: &User,
    verb: &str,
    parts: &http::request::Parts,
) -> Answered {
    let path = parts.uri.path();
    let state = cluster.state();
    rbac::authorize(&state, user, &Attributes { verb, path, ..Attributes::default() })?;
    let whole = |response: Response<Bytes>| response.map(Body::from);
    if parts.method == Method::GET || parts.method == Method::HEAD {
        if let Some(response) = discovery::answer(&state, path, &parts.headers) {
            return Ok(whole(response));
        }
        let query = parts.uri.query().unwrap_or_default();
        if let Some(response) = openapi::answer(&state, path, query, &parts.headers) {
            return Ok(whole(response));
        }
    }
    Ok(match path.trim_end_matches('/') {
        "/version" => with_type(200, "application/json", version().to_string()),
        "/healthz" | "/livez" | "/readyz"
            if parts.uri.query().is_some_and(|q| q.contains("verbose")) =>
        {
            let name = path.trim_matches('/');
            with_type(
                200,
                "text/plain; charset=utf-8",
                format!("[+]ping ok\n{name} check passed\n"),
            )
        }
        "/healthz" | "/livez" | "/readyz" => with_type(200, "text/plain; charset=utf-8", "ok"),
        _ => with_type(404, "text/plain; charset=utf-8", "404 page not found\n"),
    })
}

/// The version of Kubernetes that this is a simulation of.
fn version() -> serde_json::Value {
    serde_json::json!({
        "major": "1", "minor": "36", "emulationMajor": "1", "emulationMinor": "36",
        "minCompatibilityMajor": "1", "minCompatibilityMinor": "35", "gitVersion": "v1.36.3+sim",
        "gitCommit": "", "gitTreeState": "clean", "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "none", "compiler": "rustc", "platform": "linux/amd64",
    })
}

/// `None` when the path's group is not served: it is then any other path.
fn answer_resource(
    cluster: &Cluster,
    user: &User,
    verb: &'static str,
    target: &Target,
    query: &Query,
    headers: &HeaderMap,
    body: &[u8],
) -> Option<Answered> {
    let mut state = cluster.state();
    let served = state.registry.iter().any(|(id, _)| id.group() == target.group);
    if !served {
        return None;
    }
    let attributes = Attributes {
        verb,
        group: &target.group,
        resource: &target.plural,
        subresource: &target.subresource,
        // A namespace is asked for in its own name, as in a real server.
        namespace: match target.plural.as_str() {
            "namespaces" => &target.name,
            _ => &target.namespace,
        },
        name: &target.name,
        path: "",
    };
    if let Err(status) = rbac::authorize(&state, user, &attributes) {
        return Some(Err(status));
    }
    let found = state.registry.find(&target.group, &target.version, &target.plural).cloned();
    let resource = match found.map(|resource| check_path(resource, verb, target)) {
        Some(Ok(resource)) => resource,
        Some(Err(status)) => return Some(Err(status)),
        None => return Some(Err(Status::not_served())),
    };
    let converted;
    let body = if decode::content_type(headers) == protobuf::MEDIA_TYPE && !body.is_empty() {
        let Some(object) = protobuf::decode(&state.registry, body) else {
            let why = "the body is no object in protobuf of a kind that is known here: send JSON";
            return Some(Err(Status::new(415, "UnsupportedMediaType", why)));
        };
        converted = object.to_string().into_bytes();
        &converted
    } else {
        body
    };
    let reviews = matches!(target.group.as_str(), "authentication.k8s.io" | "authorization.k8s.io");
    if verb == "create"
        && reviews
        && let Ok((body, _)) = json::parse(body)
        && let Some(answer) = rbac::review(&state, user, &attributes, &body)
    {
        let answer = answer.map(|answer| Answer { code: 201, ..Answer::ok(answer.to_string()) });
        return Some(answer.map(|answer| answer.into_response(false)));
    }
    let ask = Ask { resource, target, query, headers, body };
    let due = state.controllers.next_due();
    let answered = dispatch(cluster, &mut state, verb, &ask);
    let sooner = match (due, state.controllers.next_due()) {
        (Some(before), Some(after)) => after < before,
        (None, after) => after.is_some(),
        (Some(_), None) => false,
    };
    drop(state);
    if sooner {
        cluster.wake();
    }
    Some(answered)
}

/// Whether the path may be, for a resource that exists.
fn check_path(
    resource: Arc<Resource>,
    verb: &str,
    target: &Target,
) -> Result<Arc<Resource>, Status> {
    let one = !target.name.is_empty();
    if target.namespace.is_empty() == resource.namespaced && (one || !resource.namespaced) {
        return Err(Status::not_served());
    }
    if !target.subresource.is_empty() {
        return Ok(resource);
    }
    let fits = match verb {
        "create" => !one && (!resource.namespaced || !target.namespace.is_empty()),
        "update" | "patch" => one,
        "deletecollection" => !resource.namespaced || !target.namespace.is_empty(),
        _ => true,
    };
    let known = resource.verbs.iter().any(|known| **known == *verb);
    if fits && known { Ok(resource) } else { Err(Status::method_not_allowed()) }
}

fn dispatch(cluster: &Cluster, state: &mut State, verb: &str, ask: &Ask<'_>) -> Answered {
    if !ask.target.subresource.is_empty() {
        return subresource::answer(state, verb, ask);
    }
    match verb {
        "get" => read::get(state, ask),
        "list" => read::list(state, ask),
        "watch" => watch::start(cluster, state, ask),
        "create" => write::create(state, ask),
        "update" => write::update(state, ask, crate::objects::Part::Main),
        "patch" => patch::patch(state, ask, crate::objects::Part::Main),
        "delete" => delete::one(state, ask),
        "deletecollection" => delete::collection(state, ask),
        _ => Err(Status::method_not_allowed()),
    }
}

pub(crate) use self::token::authenticate;

fn text_header(headers: &HeaderMap, name: header::HeaderName) -> &str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}
