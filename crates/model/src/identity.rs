//! Who a certificate speaks for: one SPIFFE URI, compared byte for byte.
//!
//! `spiffe://<fleet>/cluster/<name>` or `spiffe://<fleet>/operator/<name>`. There is no prefix
//! match, no decoding and no normalising: a text that is not exactly what [`Identity`] prints is
//! nobody's identity. Others were hurt by accepting `…/cluster/1` for `…/cluster/10`.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::name::{ClusterName, FleetName, NameError, OperatorName};

const SCHEME: &str = "spiffe://";
const CLUSTER: &str = "cluster";
const OPERATOR: &str = "operator";

/// The name in a certificate.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Identity {
    pub fleet: FleetName,
    pub kind: IdentityKind,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum IdentityKind {
    Cluster(ClusterName),
    Operator(OperatorName),
}

/// Why a text is nobody's identity.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum IdentityError {
    #[error("the identity does not begin with {SCHEME:?}")]
    Scheme,
    #[error("an identity is {SCHEME}FLEET/cluster/NAME or {SCHEME}FLEET/operator/NAME")]
    Shape,
    #[error("the identity is not valid")]
    Name(#[from] NameError),
}

impl Identity {
    #[must_use]
    pub fn of_cluster(fleet: FleetName, name: ClusterName) -> Self {
        Self { fleet, kind: IdentityKind::Cluster(name) }
    }

    #[must_use]
    pub fn of_operator(fleet: FleetName, name: OperatorName) -> Self {
        Self { fleet, kind: IdentityKind::Operator(name) }
    }

    /// Reads exactly what [`fmt::Display`] writes.
    ///
    /// # Errors
    /// When one byte differs from that form.
    pub fn parse(uri: &str) -> Result<Self, IdentityError> {
        let path = uri.strip_prefix(SCHEME).ok_or(IdentityError::Scheme)?;
        let mut parts = path.split('/');
        let (Some(fleet), Some(kind), Some(name), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(IdentityError::Shape);
        };
        let fleet = FleetName::new(fleet)?;
        match kind {
            CLUSTER => Ok(Self::of_cluster(fleet, ClusterName::new(name)?)),
            OPERATOR => Ok(Self::of_operator(fleet, OperatorName::new(name)?)),
            _ => Err(IdentityError::Shape),
        }
    }

    /// The cluster, when this is a cluster's identity in this fleet.
    #[must_use]
    pub fn cluster(&self, fleet: &str) -> Option<&ClusterName> {
        match &self.kind {
            IdentityKind::Cluster(name) if self.fleet.as_str() == fleet => Some(name),
            _ => None,
        }
    }

    /// The operator, when this is an operator's identity in this fleet.
    #[must_use]
    pub fn operator(&self, fleet: &str) -> Option<&OperatorName> {
        match &self.kind {
            IdentityKind::Operator(name) if self.fleet.as_str() == fleet => Some(name),
            _ => None,
        }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, name) = match &self.kind {
            IdentityKind::Cluster(name) => (CLUSTER, name.as_str()),
            IdentityKind::Operator(name) => (OPERATOR, name.as_str()),
        };
        write!(f, "{SCHEME}{}/{kind}/{name}", self.fleet)
    }
}

impl FromStr for Identity {
    type Err = IdentityError;
    fn from_str(text: &str) -> Result<Self, IdentityError> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_the_exact_form_is_an_identity() {
        let ten = Identity::parse("spiffe://acme/cluster/10").unwrap();
        assert_eq!(ten.cluster("acme").map(ClusterName::as_str), Some("10"));
        assert_eq!(ten.cluster("other"), None, "another trust domain is another fleet");
        assert_eq!(ten.operator("acme"), None);
        assert_ne!(ten, Identity::parse("spiffe://acme/cluster/1").unwrap());
        for bad in [
            "",
            "acme/cluster/1",
            "spiffe:/acme/cluster/1",
            "SPIFFE://acme/cluster/1",
            "https://acme/cluster/1",
            "spiffe://acme/cluster/",
            "spiffe://acme/cluster/1/",
            "spiffe://acme/cluster/1/2",
            "spiffe://acme//1",
            "spiffe:///cluster/1",
            "spiffe://acme/cluster",
            "spiffe://acme/Cluster/1",
            "spiffe://acme/clusters/1",
            "spiffe://ACME/cluster/1",
            "spiffe://acme/cluster/A",
            "spiffe://acme/cluster/a%2Fb",
            "spiffe://acme/cluster/%31",
            "spiffe://acme/cluster/1?x",
            "spiffe://acme/cluster/1#x",
            "spiffe://acme/cluster/..",
            "spiffe://acme:443/cluster/1",
            "spiffe://user@acme/cluster/1",
            "spiffe://acme/cluster/\u{0430}",
            "spiffe://acme/cluster/1\n",
            " spiffe://acme/cluster/1",
        ] {
            assert!(Identity::parse(bad).is_err(), "{bad:?}");
        }
    }

    const NAME: &str = "[a-z0-9]([a-z0-9-]{0,6}[a-z0-9])?(\\.[a-z0-9]{1,4})?";

    proptest! {
        #[test]
        fn what_is_printed_is_read_again(fleet in NAME, name in NAME, cluster: bool) {
            let fleet = FleetName::new(&fleet).unwrap();
            let identity = if cluster {
                Identity::of_cluster(fleet, ClusterName::new(&name).unwrap())
            } else {
                Identity::of_operator(fleet, OperatorName::new(&name).unwrap())
            };
            prop_assert_eq!(Identity::parse(&identity.to_string()), Ok(identity));
        }

        #[test]
        fn whatever_is_read_was_printed(text in "(spiffe://)?[a-z0-9A-Z/%.:é-]{0,12}(/(cluster|operator)/[a-z0-9%./-]{0,6})?") {
            if let Ok(identity) = Identity::parse(&text) {
                prop_assert_eq!(identity.to_string(), text);
            }
        }

        #[test]
        fn one_changed_byte_is_another_identity_or_none(
            name in NAME,
            at in 0_usize..64,
            byte in any::<u8>(),
        ) {
            let text = format!("spiffe://acme/cluster/{name}");
            let mut bytes = text.clone().into_bytes();
            let at = at % bytes.len();
            bytes[at] = byte;
            if let Ok(changed) = String::from_utf8(bytes)
                && let Ok(identity) = Identity::parse(&changed)
            {
                prop_assert_eq!(identity.to_string() == text, changed == text);
            }
        }
    }
}
