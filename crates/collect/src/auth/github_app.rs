//! The token with which a GitHub App speaks of itself: a JWT, signed with the app's RSA key.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use rustls_pki_types::PrivateKeyDer;

use crate::secret::Secret;

/// GitHub refuses a token from the future, so that a clock may be a minute fast.
const SKEW_SECONDS: i64 = 60;

/// GitHub takes ten minutes at most.
const LIFE_SECONDS: i64 = 9 * 60;

/// A token of app `id` at `now`, in seconds since 1970.
pub(super) fn jwt(id: &str, key_pem: &str, now: i64) -> Result<Secret, &'static str> {
    if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err("`githubAppID` is no app id");
    }
    let key = key(key_pem)?;
    let head = URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256","typ":"JWT"}"#);
    let (from, to) = (now - SKEW_SECONDS, now + LIFE_SECONDS);
    let claims = URL_SAFE_NO_PAD.encode(format!(r#"{{"iat":{from},"exp":{to},"iss":"{id}"}}"#));
    let signed = format!("{head}.{claims}");
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature)
        .map_err(|_unspecified| "the key in `githubAppPrivateKey` cannot sign")?;
    Ok(Secret::new(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))))
}

fn key(pem: &str) -> Result<RsaKeyPair, &'static str> {
    const WRONG: &str = "`githubAppPrivateKey` holds no RSA key in PEM";
    let der =
        runtime::tls::private_key_from_pem(pem.as_bytes(), "the key").map_err(|_pem| WRONG)?;
    let key = match &der {
        PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der()),
        PrivateKeyDer::Pkcs8(der) => RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()),
        _ => return Err(WRONG),
    };
    key.map_err(|_rejected| WRONG)
}
