//! Calls to the fleet API: deadlines, and statuses turned into words.

use std::time::Duration;

use model::suggest;
use proto::v1;
use proto::v1::fleet_client::FleetClient;
use serde_json::Value;
use thiserror::Error;
use tonic::transport::Channel;
use tonic::{Code, Request, Response, Status};

use super::Options;
use super::connect::{Faults, connect};
use super::context::Context;
use crate::duration;
use crate::failure::Failure;
use crate::kind::Kind;
use crate::show::Console;

/// The largest answer that is read, in bytes. A list comes in one message: ten thousand
/// applications are about 10 MB, and the hub is trusted not to send nonsense.
const MAX_ANSWER_BYTES: usize = 256 << 20;

#[derive(Debug, Error)]
pub(crate) enum CallError {
    #[error("there is no {} {name:?}", kind.singular())]
    NotFound { kind: Kind, name: String, nearest: Option<String> },
    /// The hub's own words for something that is not there.
    #[error("{message}")]
    Missing { message: String },
    #[error("the hub does not allow this: {message}")]
    Denied { message: String },
    #[error("the hub refuses this: {message}")]
    Refused { message: String },
    #[error("the hub did not answer within {}", duration::text(*within))]
    Deadline { within: Duration },
    #[error("the hub does not know this request")]
    Unknown,
    #[error("the hub is not ready: {message}")]
    NotReady { message: String },
    #[error("the hub failed ({code:?}): {message}")]
    Internal { code: Code, message: String },
    #[error("the hub's answer cannot be read")]
    Unreadable(#[from] serde_json::Error),
}

impl CallError {
    fn new(status: &Status, within: Duration) -> Self {
        let message = status.message().to_owned();
        match status.code() {
            Code::NotFound => Self::Missing { message },
            Code::PermissionDenied | Code::Unauthenticated => Self::Denied { message },
            Code::InvalidArgument
            | Code::FailedPrecondition
            | Code::AlreadyExists
            | Code::OutOfRange
            | Code::ResourceExhausted => Self::Refused { message },
            Code::DeadlineExceeded => Self::Deadline { within },
            // What tonic says when the deadline passes on this side.
            Code::Cancelled if message == "Timeout expired" => Self::Deadline { within },
            Code::Unimplemented => Self::Unknown,
            Code::Unavailable | Code::Aborted => Self::NotReady { message },
            code => Self::Internal { code, message },
        }
    }

    pub(crate) fn hints(&self) -> Vec<String> {
        let hint = match self {
            Self::NotFound { nearest: Some(name), .. } => format!("did you mean {name}?"),
            Self::NotFound { kind, .. } => format!("`muster get {}` lists them", kind.plural()),
            Self::Denied { .. } => {
                "the certificate in the context file says who asks; ask an administrator of the \
                 fleet, or use another context"
                    .to_owned()
            }
            Self::Deadline { .. } => "--request-timeout gives it longer".to_owned(),
            Self::Unknown | Self::Unreadable(_) => {
                "`muster version` shows whether hub and command are of one version".to_owned()
            }
            Self::NotReady { .. } => "the hub may be starting or stopping; try again".to_owned(),
            Self::Internal { .. } => "the hub's log says more".to_owned(),
            Self::Missing { .. } | Self::Refused { .. } => return Vec::new(),
        };
        vec![hint]
    }

    pub(crate) fn is_passing(&self) -> bool {
        matches!(self, Self::NotReady { .. } | Self::Deadline { .. } | Self::Internal { .. })
    }
}

/// A connected hub. `client` is public to the commands: each makes its own call and has the answer
/// judged by [`Hub::judge`] or [`Hub::judge_named`].
pub(crate) struct Hub {
    pub(crate) client: FleetClient<Channel>,
    faults: Faults,
    timeout: Duration,
}

impl Hub {
    pub(crate) async fn connect(options: &Options, console: &mut Console) -> Result<Self, Failure> {
        let context = Context::load(options.context_file.as_deref())?;
        if context.exposed {
            let path = context.path.display();
            console.say(&format!(
                "warning: others can read {path}, which holds a private key; chmod 600 {path}"
            ));
        }
        let faults = Faults::default();
        let channel = connect(context, faults.clone()).await.map_err(Box::new)?;
        let client = FleetClient::new(channel).max_decoding_message_size(MAX_ANSWER_BYTES);
        Ok(Self { client, faults, timeout: options.request_timeout })
    }

    /// The same hub with another deadline for requests.
    pub(crate) fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// A request with the deadline of this run.
    pub(crate) fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.set_timeout(self.timeout);
        request
    }

    /// The answer, or the words for what went wrong.
    pub(crate) fn judge<T>(&self, outcome: Result<Response<T>, Status>) -> Result<T, Failure> {
        outcome.map(Response::into_inner).map_err(|status| self.failure(&status))
    }

    /// What a status means, given what the connection has seen.
    pub(crate) fn failure(&self, status: &Status) -> Failure {
        let transport = [Code::Unavailable, Code::Unknown, Code::Internal, Code::Cancelled];
        match self.faults.take().filter(|_| transport.contains(&status.code())) {
            Some(fault) => Box::new(fault).into(),
            None => CallError::new(status, self.timeout).into(),
        }
    }

    /// As [`Hub::judge`]; a name that the hub does not know is reported with the nearest that it does.
    pub(crate) async fn judge_named<T>(
        &mut self,
        outcome: Result<Response<T>, Status>,
        kind: Kind,
        name: &str,
    ) -> Result<T, Failure> {
        match outcome {
            Err(status) if status.code() == Code::NotFound => Err(self.not_found(kind, name).await),
            other => self.judge(other),
        }
    }

    /// The error for a name that is not there. It asks for all names; when that fails too, the
    /// error does without a suggestion.
    pub(crate) async fn not_found(&mut self, kind: Kind, name: &str) -> Failure {
        let all = v1::ListRequest { kind: kind.plural().to_owned(), ..Default::default() };
        let items = self.list(all).await.unwrap_or_default();
        let names = items.iter().filter_map(|item| item["name"].as_str());
        let nearest = suggest::nearest(name, names).map(ToOwned::to_owned);
        CallError::NotFound { kind, name: name.to_owned(), nearest }.into()
    }

    pub(crate) async fn list(&mut self, request: v1::ListRequest) -> Result<Vec<Value>, Failure> {
        let request = self.request(request);
        let outcome = self.client.list(request).await;
        values(&self.judge(outcome)?.items)
    }
}

/// JSON as it came, so that fields which this version does not know are shown all the same.
pub(crate) fn values(items: &[Vec<u8>]) -> Result<Vec<Value>, Failure> {
    let parsed = items.iter().map(|item| serde_json::from_slice(item));
    Ok(parsed.collect::<Result<_, _>>().map_err(CallError::Unreadable)?)
}
