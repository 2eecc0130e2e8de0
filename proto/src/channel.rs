//! A gRPC channel over a TLS configuration of ours: tonic's own does not take one.

use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use thiserror::Error;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::transport::{Channel, Endpoint, Uri};
use tower::service_fn;

/// How long TCP and TLS together may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Both sides notice a dead peer within 45 seconds: a ping every 15 s, and 20 s to answer it.
pub const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(15);
pub const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);

/// Why there is no channel.
#[derive(Debug, Error)]
pub enum ChannelError {
    #[error("{address:?} is not an address; write HOST:PORT")]
    Address { address: String },
    #[error("cannot connect to {address}")]
    Connect {
        address: String,
        #[source]
        source: tonic::transport::Error,
    },
}

/// Splits `HOST:PORT` (`[HOST]:PORT` for IPv6); the host is the name the server must prove.
pub fn server_name(address: &str) -> Result<ServerName<'static>, ChannelError> {
    let wrong = || ChannelError::Address { address: address.to_owned() };
    let (host, port) = address.rsplit_once(':').ok_or_else(wrong)?;
    port.parse::<u16>().map_err(|_| wrong())?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    ServerName::try_from(host.to_owned()).map_err(|_| wrong())
}

/// Connects to `HOST:PORT` now, so that what is wrong is known at once.
///
/// # Errors
/// When the address cannot be parsed, or TCP, TLS or HTTP/2 fails; the reason is the source.
pub async fn connect(address: &str, tls: ClientConfig) -> Result<Channel, ChannelError> {
    let name = server_name(address)?;
    let wrong = |_| ChannelError::Address { address: address.to_owned() };
    // With https:// tonic would insist on its own TLS; ours is in the connector.
    let uri: Uri = format!("http://{address}").parse().map_err(wrong)?;
    let connector = TlsConnector::from(Arc::new(tls));
    let target = address.to_owned();
    let dial = service_fn(move |_: Uri| {
        let (connector, name, target) = (connector.clone(), name.clone(), target.clone());
        async move {
            let tcp = TcpStream::connect(&target).await?;
            tcp.set_nodelay(true)?;
            connector.connect(name, tcp).await.map(TokioIo::new)
        }
    });
    Endpoint::from(uri)
        .connect_timeout(CONNECT_TIMEOUT)
        .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT)
        .keep_alive_while_idle(true)
        .connect_with_connector(dial)
        .await
        .map_err(|source| ChannelError::Connect { address: address.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_host_and_a_port() {
        for good in ["hub.example:8443", "127.0.0.1:1", "[::1]:8443"] {
            assert!(server_name(good).is_ok(), "{good}");
        }
        for bad in ["hub.example", "hub:", "hub:x", "https://hub:1", ":1", "hub:70000"] {
            assert!(server_name(bad).is_err(), "{bad}");
        }
    }
}
