//! The join token: what an operator pastes into a new cluster to enrol it.
//!
//! `mj1.<id>.<secret>.<check>`: the version, ten base32 characters that may be logged, 32 random
//! bytes in hexadecimal that may not, and a CRC-32 of the rest so that a damaged paste is found
//! before anything is sent. The check protects against slips, not against anyone.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::canonical::{Digest, parse_hex};

/// The version that this build reads and writes. Secret scanners can match it.
const PREFIX: &str = "mj1";
/// The base32 alphabet of RFC 4648 in lower case: 32 characters, none of them easily confused.
const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
const ID_CHARS: usize = 10;
const SECRET_BYTES: usize = 32;
/// `mj1`, the identifier, the secret and the check, with three dots.
const TOKEN_CHARS: usize = 3 + 1 + ID_CHARS + 1 + 2 * SECRET_BYTES + 1 + 8;

/// The public half of a token: it names it in lists, logs and records.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TokenId(String);

/// Text that is not a token identifier.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("a token id is {ID_CHARS} characters of a-z and 2-7")]
pub struct TokenIdError;

impl TokenId {
    /// The identifier that these random bytes stand for; five bits of each are used.
    #[must_use]
    pub fn from_random(bytes: [u8; ID_CHARS]) -> Self {
        Self(bytes.iter().map(|byte| char::from(ALPHABET[usize::from(byte & 31)])).collect())
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for TokenId {
    type Err = TokenIdError;
    fn from_str(text: &str) -> Result<Self, TokenIdError> {
        if text.len() == ID_CHARS && text.bytes().all(|byte| ALPHABET.contains(&byte)) {
            return Ok(Self(text.to_owned()));
        }
        Err(TokenIdError)
    }
}

impl TryFrom<String> for TokenId {
    type Error = TokenIdError;
    fn try_from(text: String) -> Result<Self, TokenIdError> {
        text.parse()
    }
}

impl From<TokenId> for String {
    fn from(id: TokenId) -> Self {
        id.0
    }
}

/// A whole token. `Debug` shows its identifier only; [`JoinToken::reveal`] is the one way out.
#[derive(Clone, PartialEq, Eq)]
pub struct JoinToken {
    id: TokenId,
    secret: [u8; SECRET_BYTES],
}

/// Why a pasted text is not a token. No message quotes the text: it may hold a secret.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TokenError {
    #[error("the join token is empty; copy it from the output of `muster cluster token create`")]
    Empty,
    #[error("this is not a join token: it must begin with \"{PREFIX}.\"")]
    NotAToken,
    #[error(
        "the join token has version {found:?}, and this build reads {PREFIX:?}; \
         use the same release on both sides"
    )]
    Version { found: String },
    #[error("the join token is cut off after {chars} of {TOKEN_CHARS} characters; copy all of it")]
    Truncated { chars: usize },
    #[error("the join token was changed on the way: its check does not match; copy it again")]
    Checksum,
    #[error("the join token has the right check but not the form {PREFIX}.ID.SECRET.CHECK")]
    Malformed,
}

impl JoinToken {
    /// A token of these random bytes.
    #[must_use]
    pub fn from_random(id: [u8; ID_CHARS], secret: [u8; SECRET_BYTES]) -> Self {
        Self { id: TokenId::from_random(id), secret }
    }

    /// Reads a pasted token; white space around it is ignored.
    ///
    /// # Errors
    /// Says apart what a person can do about it: cut off, changed, another version.
    pub fn parse(text: &str) -> Result<Self, TokenError> {
        let text = text.trim_ascii();
        check_version(text)?;
        if text.len() < TOKEN_CHARS {
            return Err(TokenError::Truncated { chars: text.chars().count() });
        }
        let (body, check) = text.rsplit_once('.').ok_or(TokenError::NotAToken)?;
        if parse_hex::<4>(check).map(u32::from_be_bytes) != Some(crc32fast::hash(body.as_bytes())) {
            return Err(TokenError::Checksum);
        }
        let mut parts = body.split('.').skip(1);
        let (Some(id), Some(secret), None) = (parts.next(), parts.next(), parts.next()) else {
            return Err(TokenError::Malformed);
        };
        let id = id.parse().map_err(|TokenIdError| TokenError::Malformed)?;
        let secret = parse_hex(secret).ok_or(TokenError::Malformed)?;
        Ok(Self { id, secret })
    }

    #[must_use]
    pub fn id(&self) -> &TokenId {
        &self.id
    }

    /// What the hub keeps. 256 random bits need no slow hash.
    #[must_use]
    pub fn secret_hash(&self) -> Digest {
        Digest::of(&self.secret)
    }

    /// The whole token with its secret, to be shown once to the person who asked for it.
    #[must_use]
    pub fn reveal(&self) -> String {
        let secret = Digest::from_bytes(self.secret);
        let body = format!("{PREFIX}.{}.{secret}", self.id);
        let check = crc32fast::hash(body.as_bytes());
        format!("{body}.{check:08x}")
    }
}

fn check_version(text: &str) -> Result<(), TokenError> {
    if text.is_empty() {
        return Err(TokenError::Empty);
    }
    let head = text.split('.').next().unwrap_or_default();
    let version = head.strip_prefix("mj").ok_or(TokenError::NotAToken)?;
    if head == PREFIX {
        return Ok(());
    }
    let is_number = |text: &str| {
        (1..=4).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    match version {
        "" => Err(TokenError::Truncated { chars: text.chars().count() }),
        version if is_number(version) => Err(TokenError::Version { found: head.to_owned() }),
        _ => Err(TokenError::NotAToken),
    }
}

impl fmt::Debug for JoinToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JoinToken({PREFIX}.{}.…)", self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn token() -> JoinToken {
        JoinToken::from_random([7; 10], [0xab; 32])
    }

    #[test]
    fn a_token_is_read_back_with_white_space_around_it() {
        let text = token().reveal();
        assert_eq!(text.len(), TOKEN_CHARS);
        assert!(text.starts_with("mj1.hhhhhhhhhh.abab"), "{text}");
        assert_eq!(JoinToken::parse(&format!(" {text}\r\n")), Ok(token()));
    }

    #[test]
    fn slips_are_told_apart() {
        let text = token().reveal();
        let parse = |text: &str| JoinToken::parse(text).unwrap_err();
        assert_eq!(parse(" \n"), TokenError::Empty);
        assert_eq!(parse("eyJhbGciOi"), TokenError::NotAToken);
        assert_eq!(parse("mjolnir.x"), TokenError::NotAToken);
        assert_eq!(
            parse(&text.replacen("mj1", "mj2", 1)),
            TokenError::Version { found: "mj2".into() }
        );
        assert_eq!(parse(&text[..30]), TokenError::Truncated { chars: 30 });
        assert_eq!(parse("mj"), TokenError::Truncated { chars: 2 });
        assert_eq!(parse(&text.replacen("ab", "ba", 1)), TokenError::Checksum);
        assert_eq!(parse(&format!("{text}x")), TokenError::Checksum);
        let body = format!("mj1.{}.{}", "1".repeat(10), "a".repeat(64));
        let wrong_alphabet = format!("{body}.{:08x}", crc32fast::hash(body.as_bytes()));
        assert_eq!(parse(&wrong_alphabet), TokenError::Malformed);
    }

    #[test]
    fn neither_debug_nor_an_error_shows_the_secret() {
        let text = token().reveal();
        assert!(!format!("{:?}", token()).contains("abab"));
        for cut in 0..text.len() {
            let error = JoinToken::parse(&text[..cut]).unwrap_err().to_string();
            assert!(!error.contains("abab"), "{error}");
        }
    }

    proptest! {
        #[test]
        fn every_token_survives_a_copy_and_no_slip_does(
            id: [u8; 10], secret: [u8; 32], at in 0_usize..TOKEN_CHARS, char in "[ -~]",
        ) {
            let token = JoinToken::from_random(id, secret);
            let text = token.reveal();
            prop_assert_eq!(JoinToken::parse(&text), Ok(token));
            let mut changed = text.clone();
            changed.replace_range(at..=at, &char);
            prop_assume!(changed != text);
            prop_assert!(JoinToken::parse(&changed).is_err());
        }
    }
}
