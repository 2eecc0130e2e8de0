//! Signatures against a published example and against the public key.

use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RsaKeyPair, UnparsedPublicKey};
use serde_json::{Value, json};

use super::*;

/// A key that was made for this test.
const KEY: &str = include_str!("../../tests/recorded/github-app-test-key.pem");

/// The example of AWS's manual, "Signing AWS requests": ListUsers of IAM.
#[test]
fn an_aws_signature_is_that_of_the_manual() {
    let keys = Keys {
        id: "AKIDEXAMPLE".to_owned(),
        secret: Secret::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned()),
        session: None,
    };
    let url = Url::parse("https://iam.amazonaws.com/?Action=ListUsers&Version=2010-05-08").unwrap();
    let form = "application/x-www-form-urlencoded; charset=utf-8";
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static(form));
    let time = sigv4::Time::at(1_440_938_160_000);
    sigv4::sign(&url, &mut headers, b"", &keys, "us-east-1", "iam", &time).unwrap();
    assert_eq!(
        headers["authorization"],
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, \
         SignedHeaders=content-type;host;x-amz-date, \
         Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"
    );
    assert!(headers["authorization"].is_sensitive());
}

#[test]
fn an_apps_token_is_signed_by_its_key_and_lives_ten_minutes() {
    let token = github_app::jwt("12345", KEY, 1_700_000_000).unwrap();
    let parts: Vec<_> = token.expose().split('.').collect();
    let [head, claims, signature] = parts[..] else { panic!("three parts") };
    let read =
        |part| -> Value { serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap() };
    assert_eq!(read(head), json!({"alg": "RS256", "typ": "JWT"}));
    let (from, to) = (1_699_999_940, 1_700_000_540);
    assert_eq!(read(claims), json!({"iat": from, "exp": to, "iss": "12345"}));
    let der = runtime::tls::private_key_from_pem(KEY.as_bytes(), "the key").unwrap();
    let key = match &der {
        rustls_pki_types::PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der()),
        _ => panic!("GitHub gives keys in PKCS #1"),
    };
    let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.unwrap().public().clone());
    let signed = format!("{head}.{claims}");
    public.verify(signed.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).unwrap()).unwrap();
}

#[test]
fn what_is_no_key_is_named_and_not_quoted() {
    for key in ["", "s3cr3t", "-----BEGIN PRIVATE KEY-----\nczNjcjN0\n-----END PRIVATE KEY-----"] {
        let error = github_app::jwt("1", key, 0).unwrap_err();
        assert!(error.contains("githubAppPrivateKey") && !error.contains("s3cr3t"));
    }
    assert!(github_app::jwt("1\",\"x\":\"", KEY, 0).is_err());
}
