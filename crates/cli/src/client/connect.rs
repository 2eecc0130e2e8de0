//! One mutually authenticated connection to the hub, and a plain word for each way it can fail.
//!
//! gRPC reports every transport failure as "transport error". What really happened is known where
//! the bytes pass, so the stream itself notes it in [`Faults`]: with TLS 1.3 a hub refuses a client
//! certificate only after the client believes the handshake is over.

use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context as TaskContext, Poll, ready};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use proto::channel::{KEEPALIVE_INTERVAL, KEEPALIVE_TIMEOUT};
use runtime::tls::{ReloadableCert, TlsError, client_config, root_store};
use rustls::{AlertDescription, CertificateError};
use rustls_pki_types::ServerName;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::transport::{Channel, Endpoint};

use super::context::Context;

/// Time to resolve, connect and shake hands. A hub on another continent needs under a second.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Debug, Error)]
pub(crate) enum ConnectError {
    #[error("the context file {path} cannot be used", path = path.display())]
    Settings { path: PathBuf, source: TlsError },
    #[error("the {field} {value:?} of the context file {path} is not valid", path = path.display())]
    Address { path: PathBuf, field: &'static str, value: String },
    #[error("cannot find the address of the hub {hub}")]
    Resolve { hub: String, source: io::Error },
    #[error("cannot connect to the hub at {hub}")]
    Unreachable { hub: String, path: PathBuf, source: io::Error },
    #[error("the hub at {hub} did not answer within {} s", CONNECT_TIMEOUT.as_secs())]
    Silent { hub: String },
    #[error("the hub at {hub} is not trusted")]
    HubNotTrusted { hub: String, name: String, path: PathBuf, source: rustls::Error },
    #[error("the hub at {hub} does not accept the certificate of {path}", path = path.display())]
    NotAccepted { hub: String, path: PathBuf, source: rustls::Error },
    #[error("what answers at {hub} is not a hub")]
    NotAHub { hub: String, source: rustls::Error },
    #[error("the connection to the hub at {hub} broke")]
    Broken { hub: String, source: io::Error },
    /// Nothing was noted on the way.
    #[error("the connection to the hub at {hub} failed: {message}")]
    Other { hub: String, message: String },
}

impl ConnectError {
    pub(crate) fn hints(&self) -> Vec<String> {
        let hint = match self {
            Self::Settings { .. } => "`muster-hub init` writes a whole one".to_owned(),
            Self::Address { field: "hub", .. } => "write it as host:port".to_owned(),
            Self::Address { .. } => "write the name in the hub's certificate".to_owned(),
            Self::Resolve { .. } => "check `hub:` in the context file".to_owned(),
            Self::Unreachable { path, .. } => format!(
                "is the hub running? `muster-hub run` starts it; its address is `hub:` in {}",
                path.display()
            ),
            Self::Silent { .. } => {
                "a firewall may drop the connection, or the hub is overloaded".to_owned()
            }
            Self::HubNotTrusted { name, path, source, .. } => distrust(source, name, path),
            Self::NotAccepted { path, source, .. } => refusal(source, path),
            Self::NotAHub { .. } => "check `hub:` in the context file, port included".to_owned(),
            Self::Broken { .. } | Self::Other { .. } => {
                "the hub may be restarting; try again".to_owned()
            }
        };
        vec![hint]
    }

    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::Resolve { .. }
            | Self::Unreachable { .. }
            | Self::Silent { .. }
            | Self::Broken { .. }
            | Self::Other { .. } => true,
            Self::Settings { .. }
            | Self::Address { .. }
            | Self::HubNotTrusted { .. }
            | Self::NotAccepted { .. }
            | Self::NotAHub { .. } => false,
        }
    }
}

fn distrust(error: &rustls::Error, name: &str, path: &std::path::Path) -> String {
    use CertificateError as Certificate;
    let rustls::Error::InvalidCertificate(error) = error else {
        return format!("compare `ca:` in {} with the hub's", path.display());
    };
    match error {
        Certificate::Expired | Certificate::ExpiredContext { .. } => {
            "the hub's certificate has expired: restart the hub, or check this clock".to_owned()
        }
        Certificate::NotValidYet | Certificate::NotValidYetContext { .. } => {
            "the hub's certificate is not valid yet: compare the clocks".to_owned()
        }
        Certificate::NotValidForName | Certificate::NotValidForNameContext { .. } => {
            format!(
                "the hub's certificate is not for {name:?}; see `serverName:` in {}",
                path.display()
            )
        }
        _ => format!(
            "`ca:` in {} is of another fleet, or the hub was made anew; `muster-hub init` wrote \
             the context that fits",
            path.display()
        ),
    }
}

fn refusal(error: &rustls::Error, path: &std::path::Path) -> String {
    match error {
        rustls::Error::AlertReceived(AlertDescription::CertificateExpired) => format!(
            "the certificate in {} has expired; a new one is issued where the hub's keys are",
            path.display()
        ),
        _ => "it is of another fleet, or the hub was made anew; `muster-hub init` wrote the \
              context that fits"
            .to_owned(),
    }
}

/// The first telling error of the latest connection.
#[derive(Clone, Default)]
pub(crate) struct Faults(Arc<Mutex<Option<ConnectError>>>);

impl Faults {
    pub(crate) fn take(&self) -> Option<ConnectError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// A broken pipe says less than the alert that came before it, whichever is read first.
    fn note(&self, error: ConnectError) {
        let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if slot.as_ref().is_none_or(ConnectError::is_passing) {
            *slot = Some(error);
        }
    }
}

#[derive(Clone)]
struct Dialer {
    hub: String,
    path: PathBuf,
    name: ServerName<'static>,
    tls: TlsConnector,
    faults: Faults,
}

/// Connects now; the channel connects again by itself when a later call finds it broken.
pub(crate) async fn connect(context: Context, faults: Faults) -> Result<Channel, ConnectError> {
    let Context { path, hub, server_name, ca, identity, exposed: _ } = context;
    let settings = |source| ConnectError::Settings { path: path.clone(), source };
    let identity = ReloadableCert::new(identity).map_err(settings)?;
    let tls =
        client_config(root_store(&ca).map_err(settings)?, Some(identity)).map_err(settings)?;
    let invalid = |field, value: &str| ConnectError::Address {
        path: path.clone(),
        field,
        value: value.to_owned(),
    };
    let name = ServerName::try_from(server_name.clone());
    let name = name.map_err(|_| invalid("serverName", &server_name))?;
    // The scheme is for the request lines only: the dialer encrypts, whatever it says.
    let endpoint = Endpoint::from_shared(format!("http://{hub}"));
    let endpoint = endpoint.ok().filter(|endpoint| endpoint.uri().port().is_some());
    let endpoint = endpoint.ok_or_else(|| invalid("hub", &hub))?;
    // A watch notices a hub that vanished, also while nothing changes.
    let endpoint = endpoint
        .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT)
        .keep_alive_while_idle(true);
    let dialer = Dialer { hub, path, name, tls: Arc::new(tls).into(), faults: faults.clone() };
    let address = dialer.hub.clone();
    let service = tower::service_fn(move |_| dial_and_note(dialer.clone()));
    endpoint.connect_with_connector(service).await.map_err(|error| {
        let other = || ConnectError::Other { hub: address, message: error.to_string() };
        faults.take().unwrap_or_else(other)
    })
}

async fn dial_and_note(dialer: Dialer) -> io::Result<TokioIo<Noting>> {
    let faults = dialer.faults.clone();
    faults.take();
    let dialed = match tokio::time::timeout(CONNECT_TIMEOUT, dial(&dialer)).await {
        Ok(dialed) => dialed,
        Err(_) => Err(ConnectError::Silent { hub: dialer.hub.clone() }),
    };
    match dialed {
        Ok(stream) => Ok(TokioIo::new(Noting { stream, dialer, failed: None })),
        Err(error) => {
            faults.note(error);
            Err(io::Error::other("the reason is noted"))
        }
    }
}

async fn dial(dialer: &Dialer) -> Result<TlsStream<TcpStream>, ConnectError> {
    let hub = || dialer.hub.clone();
    let resolved = tokio::net::lookup_host(&dialer.hub).await;
    let resolved = resolved.map_err(|source| ConnectError::Resolve { hub: hub(), source })?;
    let addresses: Vec<_> = resolved.collect();
    let tcp = TcpStream::connect(addresses.as_slice()).await.map_err(|source| {
        ConnectError::Unreachable { hub: hub(), path: dialer.path.clone(), source }
    })?;
    tcp.set_nodelay(true).map_err(|source| ConnectError::Broken { hub: hub(), source })?;
    let tls = dialer.tls.connect(dialer.name.clone(), tcp).await;
    tls.map_err(|error| dialer.classify(&error))
}

impl Dialer {
    fn classify(&self, error: &io::Error) -> ConnectError {
        let (hub, path) = (self.hub.clone(), self.path.clone());
        let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        match tls.cloned() {
            Some(source @ rustls::Error::InvalidCertificate(_)) => {
                let name = self.name.to_str().into_owned();
                ConnectError::HubNotTrusted { hub, name, path, source }
            }
            Some(source @ rustls::Error::AlertReceived(alert)) if is_about_certificates(alert) => {
                ConnectError::NotAccepted { hub, path, source }
            }
            Some(source) => ConnectError::NotAHub { hub, source },
            None => {
                // A killed hub closes without TLS' goodbye; rustls' text on it is for programmers.
                let source = match error.kind() {
                    io::ErrorKind::UnexpectedEof => "it was closed without a word".to_owned(),
                    _ => error.to_string(),
                };
                let source = io::Error::new(error.kind(), source);
                ConnectError::Broken { hub, source }
            }
        }
    }
}

fn is_about_certificates(alert: AlertDescription) -> bool {
    use AlertDescription as Alert;
    matches!(
        alert,
        Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            | Alert::UnknownCA
            | Alert::AccessDenied
            | Alert::CertificateRequired
            | Alert::DecryptError
    )
}

/// The stream, which notes its errors before gRPC makes them unreadable.
struct Noting {
    stream: TlsStream<TcpStream>,
    dialer: Dialer,
    /// A write that failed. It is not told before the hub's last word is read: why it closed the
    /// connection is often still on the way, and gRPC stops reading at the first error.
    failed: Option<io::Error>,
}

impl Noting {
    fn note<T>(&self, outcome: io::Result<T>) -> io::Result<T> {
        outcome.inspect_err(|error| self.dialer.faults.note(self.dialer.classify(error)))
    }

    /// Hands on the outcome of a write; a failure only after the end of what can be read. A socket
    /// that cannot be written ends soon for its reader too.
    fn after_write<T>(
        &mut self,
        task: &mut TaskContext<'_>,
        outcome: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        let failed = match ready!(outcome) {
            Ok(written) => return Poll::Ready(Ok(written)),
            Err(error) => self.failed.get_or_insert(error).kind(),
        };
        let mut scratch = [0; 512];
        loop {
            let mut buffer = ReadBuf::new(&mut scratch);
            let read = ready!(Pin::new(&mut self.stream).poll_read(task, &mut buffer));
            if self.note(read).is_err() || buffer.filled().is_empty() {
                return Poll::Ready(self.note(Err(failed.into())));
            }
        }
    }
}

impl AsyncRead for Noting {
    fn poll_read(
        mut self: Pin<&mut Self>,
        task: &mut TaskContext<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let outcome = ready!(Pin::new(&mut self.stream).poll_read(task, buffer));
        Poll::Ready(self.note(outcome))
    }
}

impl AsyncWrite for Noting {
    fn poll_write(
        mut self: Pin<&mut Self>,
        task: &mut TaskContext<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let outcome = match &self.failed {
            Some(error) => Poll::Ready(Err(error.kind().into())),
            None => Pin::new(&mut self.stream).poll_write(task, bytes),
        };
        self.after_write(task, outcome)
    }

    fn poll_flush(mut self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        let outcome = match &self.failed {
            Some(error) => Poll::Ready(Err(error.kind().into())),
            None => Pin::new(&mut self.stream).poll_flush(task),
        };
        self.after_write(task, outcome)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(task)
    }
}
