//! Which network addresses are asked. A name is resolved once, its addresses are looked at, and the
//! connection goes to one of them: a name server cannot show one address to the check and another
//! one to the connection.

use std::error::Error;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use thiserror::Error as ThisError;

/// Who resolves names.
pub trait Lookup: Send + Sync {
    fn lookup(&self, host: &str) -> BoxFuture<'static, std::io::Result<Vec<IpAddr>>>;
}

/// The system's resolver.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SystemLookup;

impl Lookup for SystemLookup {
    fn lookup(&self, host: &str) -> BoxFuture<'static, std::io::Result<Vec<IpAddr>>> {
        let host = host.to_owned();
        async move {
            let found = tokio::net::lookup_host((host, 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        }
        .boxed()
    }
}

/// An address that must not be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ThisError)]
#[error("{address} is {what}, which is not allowed")]
pub(crate) struct RefusedAddress {
    address: IpAddr,
    what: &'static str,
}

/// Which special addresses are allowed all the same.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Policy {
    pub loopback: bool,
    pub link_local: bool,
}

impl Policy {
    pub(crate) fn check(self, address: IpAddr) -> Result<(), RefusedAddress> {
        match refusal(address) {
            Some("a loopback address") if self.loopback => Ok(()),
            Some("a link-local address" | "a metadata service") if self.link_local => Ok(()),
            Some(what) => Err(RefusedAddress { address, what }),
            None => Ok(()),
        }
    }

    /// An address that is written in the URL does not come by the resolver.
    pub(crate) fn check_url(self, url: &Url) -> Result<(), RefusedAddress> {
        let host = url.host_str().unwrap_or_default();
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        host.parse().map_or(Ok(()), |address| self.check(address))
    }
}

/// Metadata services of clouds that are not at a link-local address.
const METADATA: [IpAddr; 4] = [
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
];

fn refusal(address: IpAddr) -> Option<&'static str> {
    if METADATA.contains(&address) {
        return Some("a metadata service");
    }
    match address {
        IpAddr::V4(address) => refusal_v4(address),
        IpAddr::V6(address) => match embedded(address) {
            Some(inner) => refusal(IpAddr::V4(inner)),
            None => refusal_v6(address),
        },
    }
}

fn refusal_v4(address: Ipv4Addr) -> Option<&'static str> {
    if address.is_loopback() {
        Some("a loopback address")
    } else if address.is_link_local() {
        Some("a link-local address")
    } else if address.octets()[0] == 0 {
        Some("an unspecified address")
    } else if address.is_multicast() || address.is_broadcast() {
        Some("a multicast address")
    } else {
        None
    }
}

fn refusal_v6(address: Ipv6Addr) -> Option<&'static str> {
    if address.is_loopback() {
        Some("a loopback address")
    } else if address.is_unicast_link_local() {
        Some("a link-local address")
    } else if address.is_unspecified() {
        Some("an unspecified address")
    } else if address.is_multicast() {
        Some("a multicast address")
    } else {
        None
    }
}

/// The IPv4 address within an IPv6 one: mapped, compatible, or behind a NAT64 or 6to4 gateway.
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let last = |segments: [u16; 8]| {
        let [high, low] = [segments[6].to_be_bytes(), segments[7].to_be_bytes()];
        Ipv4Addr::new(high[0], high[1], low[0], low[1])
    };
    let segments = address.segments();
    match segments {
        [0, 0, 0, 0, 0, 0xffff, _, _] | [0x64, 0xff9b, 0, 0, 0, 0, _, _] => Some(last(segments)),
        // `::1` and `::` are addresses of their own.
        [0, 0, 0, 0, 0, 0, high, _] if high != 0 => Some(last(segments)),
        [0x2002, high, low, ..] => {
            let [high, low] = [high.to_be_bytes(), low.to_be_bytes()];
            Some(Ipv4Addr::new(high[0], high[1], low[0], low[1]))
        }
        _ => None,
    }
}

/// The resolver under the HTTP client. One refused address refuses the name: a name that leads both
/// into and out of a network is made to be one thing for a check and another for a connection.
pub(crate) struct CheckedResolver {
    pub lookup: Arc<dyn Lookup>,
    pub policy: Policy,
}

impl Resolve for CheckedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let found = self.lookup.lookup(name.as_str());
        let policy = self.policy;
        Box::pin(async move {
            let addresses = found.await.map_err(boxed)?;
            for address in &addresses {
                policy.check(*address).map_err(boxed)?;
            }
            // The port is the URL's.
            let sockets = addresses.into_iter().map(|address| SocketAddr::new(address, 0));
            Ok(Box::new(sockets.collect::<Vec<_>>().into_iter()) as Addrs)
        })
    }
}

fn boxed(error: impl Error + Send + Sync + 'static) -> Box<dyn Error + Send + Sync> {
    Box::new(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STRICT: Policy = Policy { loopback: false, link_local: false };

    #[test]
    fn special_addresses_are_refused_in_every_spelling() {
        for text in [
            "127.0.0.1",
            "127.9.9.9",
            "::1",
            "169.254.169.254",
            "fe80::1",
            "0.0.0.0",
            "0.1.2.3",
            "::",
            "224.0.0.1",
            "ff02::1",
            "255.255.255.255",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::127.0.0.1",
            "64:ff9b::a9fe:a9fe",
            "2002:7f00:1::",
            "fd00:ec2::254",
            "100.100.100.200",
            "168.63.129.16",
            "192.0.0.192",
        ] {
            assert!(STRICT.check(text.parse().unwrap()).is_err(), "{text}");
        }
        // A service in one's own network is the usual case; it is on the allow-list by its name.
        for text in ["10.0.0.5", "192.168.1.1", "140.82.121.6", "2606:4700::1", "fd12::1"] {
            assert!(STRICT.check(text.parse().unwrap()).is_ok(), "{text}");
        }
    }

    #[test]
    fn an_address_in_a_url_is_looked_at_however_it_is_written() {
        for url in ["http://127.0.0.1/", "http://0x7f.1/", "http://2130706433/", "http://[::1]:8/"]
        {
            assert!(STRICT.check_url(&Url::parse(url).unwrap()).is_err(), "{url}");
        }
        assert!(STRICT.check_url(&Url::parse("https://example.com/").unwrap()).is_ok());
    }

    #[test]
    fn what_is_allowed_is_allowed_alone() {
        let loopback = Policy { loopback: true, link_local: false };
        assert!(loopback.check("127.0.0.1".parse().unwrap()).is_ok());
        assert!(loopback.check("169.254.169.254".parse().unwrap()).is_err());
        let link_local = Policy { loopback: false, link_local: true };
        assert!(link_local.check("169.254.169.254".parse().unwrap()).is_ok());
        assert!(link_local.check("127.0.0.1".parse().unwrap()).is_err());
    }
}
