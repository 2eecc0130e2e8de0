//! Why somebody does not get what they ask for.
//!
//! `Display` is for operators and logs and says everything. [`Refusal::answer`] is for whoever
//! asked, and does not tell a guess that was close from one that was not.

use model::name::ClusterName;
use model::token::{TokenError, TokenId};
use thiserror::Error;

use super::LabelError;
use super::machine::{MAX_TOKEN_TTL, MIN_TOKEN_TTL};
use crate::pki::{CsrError, Serial};

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refusal {
    #[error(transparent)]
    Token(#[from] TokenError),
    #[error("no token has the id {id}")]
    UnknownToken { id: TokenId },
    #[error("the secret of token {id} is wrong")]
    WrongSecret { id: TokenId },
    #[error("token {id} has expired; create another one")]
    TokenExpired { id: TokenId },
    #[error("token {id} was revoked; create another one")]
    TokenRevoked { id: TokenId },
    #[error(
        "token {id} was used with another key already; if nobody of yours did, revoke {cluster}"
    )]
    TokenReplay { id: TokenId, cluster: ClusterName },
    #[error("token {id} was used, and the time to fetch its certificate again is over")]
    TokenUsed { id: TokenId },
    #[error("a reusable token needs a name for the cluster; pass one when joining")]
    NameMissing,
    #[error("there is a cluster {cluster} already; choose another name, or revoke it first")]
    ClusterExists { cluster: ClusterName },
    #[error("this key was used before, by {cluster}; make a new one")]
    KeyUsed { cluster: ClusterName },
    #[error("the new certificate must be for a new key")]
    SameKey,
    #[error("there is no cluster {cluster}")]
    UnknownCluster { cluster: ClusterName },
    #[error("cluster {cluster} is revoked")]
    Revoked { cluster: ClusterName },
    #[error("cluster {cluster} waits for approval")]
    NotApproved { cluster: ClusterName },
    #[error("cluster {cluster} does not wait for approval")]
    NotPending { cluster: ClusterName },
    #[error(
        "the certificate {serial} of {cluster} was replaced and is used again: somebody has a copy \
         of its key. Revoke {cluster} and enrol it anew, unless it was restored from a backup"
    )]
    Superseded { cluster: ClusterName, serial: Serial },
    #[error("the certificate {serial} of {cluster} is not one that this hub knows")]
    UnknownSerial { cluster: ClusterName, serial: Serial },
    #[error(
        "a token lives {} seconds to {} hours",
        MIN_TOKEN_TTL.as_secs(), MAX_TOKEN_TTL.as_secs() / 3_600
    )]
    TokenTtl,
    #[error(transparent)]
    Labels(#[from] LabelError),
    #[error(transparent)]
    Csr(#[from] CsrError),
    #[error("the signed record of {cluster} was not signed by this fleet's authority")]
    Forged { cluster: ClusterName },
}

impl Refusal {
    /// A stable CamelCase word, and what to tell the one who asked.
    #[must_use]
    pub fn answer(&self) -> (&'static str, String) {
        let same = |code| (code, self.to_string());
        match self {
            Self::UnknownToken { .. } | Self::WrongSecret { .. } => {
                ("TokenInvalid", "the join token is not valid; create another one".to_owned())
            }
            Self::TokenReplay { .. } | Self::TokenUsed { .. } => {
                ("TokenUsed", "the join token was used already; create another one".to_owned())
            }
            Self::KeyUsed { .. } => {
                ("KeyUsed", "this key was used before; make a new one".to_owned())
            }
            Self::Token(_) => same("TokenInvalid"),
            Self::TokenExpired { .. } => same("TokenExpired"),
            Self::TokenRevoked { .. } => same("TokenRevoked"),
            Self::NameMissing => same("NameMissing"),
            Self::ClusterExists { .. } => same("ClusterExists"),
            Self::SameKey => same("SameKey"),
            Self::UnknownCluster { .. } => same("UnknownCluster"),
            Self::Revoked { .. } => same("Revoked"),
            Self::NotApproved { .. } => same("NotApproved"),
            Self::NotPending { .. } => same("NotPending"),
            Self::Superseded { .. } => same("Superseded"),
            Self::UnknownSerial { .. } => same("UnknownCertificate"),
            Self::TokenTtl => same("TokenTtl"),
            Self::Labels(_) => same("LabelInvalid"),
            Self::Csr(_) => same("RequestInvalid"),
            Self::Forged { .. } => same("RecordForged"),
        }
    }
}
