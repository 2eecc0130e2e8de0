//! Keys and certificates are new each time, so they are read here by other code than made them:
//! the library x509-parser, and ring for keys and signatures.

use gotemplate::{MissingKey, Template};
use ring::signature::{EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RsaKeyPair};
use serde_json::Value as Json;
use x509_parser::prelude::{
    FromDer as _, GeneralName, KeyUsage, ParsedExtension, Pem, X509Certificate,
};

use crate::answers::render;

fn der(pem: &str, kind: &str) -> Vec<u8> {
    let (rest, block) = x509_parser::pem::parse_x509_pem(pem.as_bytes()).expect("it is PEM");
    assert_eq!((block.label.as_str(), rest), (kind, &b""[..]), "{pem}");
    block.contents
}

/// What a template writes as JSON.
fn json(template: &str) -> Json {
    let text = render(template).unwrap_or_else(|error| panic!("{template}: {error}"));
    serde_json::from_str(&text).expect("the template writes JSON")
}

/// A certificate and its key in DER, by their name in the JSON.
fn pair(json: &Json, name: &str, kind: &str) -> (Vec<u8>, Vec<u8>) {
    let field = |field: &str| json[name][field].as_str().expect("the pair has it");
    (der(field("Cert"), "CERTIFICATE"), der(field("Key"), kind))
}

fn parse(bytes: &[u8]) -> X509Certificate<'_> {
    let (rest, certificate) = X509Certificate::from_der(bytes).expect("it is a certificate");
    assert!(rest.is_empty());
    certificate
}

fn key_usage(certificate: &X509Certificate<'_>) -> KeyUsage {
    let found = certificate.key_usage().expect("it is read").expect("it is there");
    assert!(found.critical);
    *found.value
}

/// The public half of a key in DER, as a certificate has it.
fn public(kind: &str, key: &[u8]) -> Vec<u8> {
    let rng = ring::rand::SystemRandom::new();
    match kind {
        RSA => RsaKeyPair::from_der(key).expect("an RSA key").public_key().as_ref().to_vec(),
        EC => {
            // SEC 1 of P-256: the secret stands behind seven bytes, the point is the end.
            let (secret, point) = (&key[7..39], &key[key.len() - 65..]);
            let algorithm = &ring::signature::ECDSA_P256_SHA256_ASN1_SIGNING;
            let pair =
                EcdsaKeyPair::from_private_key_and_public_key(algorithm, secret, point, &rng);
            pair.expect("a key on P-256").public_key().as_ref().to_vec()
        }
        _ => {
            let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(key);
            pair.expect("an Ed25519 key").public_key().as_ref().to_vec()
        }
    }
}

const RSA: &str = "RSA PRIVATE KEY";
const EC: &str = "EC PRIVATE KEY";
const PKCS8: &str = "PRIVATE KEY";
/// What makes a key of each kind, and the form it has.
const KINDS: [(&str, &str); 2] = [("ecdsa", EC), ("ed25519", PKCS8)];

#[track_caller]
fn signed_by(certificate: &X509Certificate<'_>, signer: &X509Certificate<'_>) {
    assert_eq!(certificate.issuer().as_raw(), signer.subject().as_raw());
    certificate.verify_signature(Some(signer.public_key())).expect("the signature is right");
}

#[test]
fn private_keys_have_the_form_of_their_kind() {
    for (kind, form) in KINDS {
        let made = render(&format!("{{{{ genPrivateKey {kind:?} }}}}")).expect(kind);
        public(form, &der(&made, form));
        let again = render(&format!("{{{{ genPrivateKey {kind:?} }}}}")).expect(kind);
        assert_ne!(made, again);
    }
    let rsa = der(&render("{{ genPrivateKey \"rsa\" }}").expect("rsa"), RSA);
    let pair = RsaKeyPair::from_der(&rsa).expect("an RSA key");
    assert_eq!(pair.public().modulus_len(), 512);
}

#[test]
fn dsa_keys_are_five_numbers_that_belong_together() {
    let made = render("{{ genPrivateKey \"dsa\" }}").expect("dsa");
    let key = der(&made, "DSA PRIVATE KEY");
    let (rest, numbers) = x509_parser::der_parser::parse_der(&key).expect("it is DER");
    assert!(rest.is_empty());
    let numbers = numbers.as_sequence().expect("a sequence");
    let number = |i: usize| {
        let bytes = numbers[i].as_slice().expect("a number");
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        crypto_bigint::BoxedUint::from_be_slice_vartime(&bytes[zeros..])
    };
    assert_eq!((numbers.len(), numbers[0].as_u32().ok()), (6, Some(0)));
    let [modulus, order, generator, public, secret] = [1, 2, 3, 4, 5].map(number);
    assert_eq!((modulus.bits(), order.bits()), (2048, 256));
    assert!(secret.cmp_vartime(&order).is_lt());
    let field = modulus.as_odd_vartime().expect("a prime is odd");
    assert!(bool::from(generator.pow_mod(&order, field).is_one()));
    assert!(!bool::from(generator.is_one()));
    assert_eq!(generator.pow_mod(&secret, field), public);
    assert_eq!(
        render("{{ (buildCustomCert (b64enc .pem.cert) (b64enc (genPrivateKey \"dsa\"))).Key | len | lt 1000 }}").as_deref(),
        Ok("true")
    );
}

#[test]
fn an_authority_signs_for_names_and_addresses() {
    let made = json(
        "{{ $ca := genCA \"my & ca\" 10 }}\
         {{ $leaf := genSignedCert \"leaf\" (list \"1.2.3.4\" \"::1\" \"::ffff:5.6.7.8\") (list \"a.b\" \"*.c\") 20 $ca }}\
         {{ toJson (dict \"ca\" $ca \"leaf\" $leaf) }}",
    );
    let ((ca, ca_key), (leaf, leaf_key)) = (pair(&made, "ca", RSA), pair(&made, "leaf", RSA));
    let (ca, leaf) = (parse(&ca), parse(&leaf));
    signed_by(&ca, &ca);
    signed_by(&leaf, &ca);
    assert_eq!(ca.public_key().subject_public_key.data.as_ref(), public(RSA, &ca_key));
    assert_eq!(leaf.public_key().subject_public_key.data.as_ref(), public(RSA, &leaf_key));
    assert_eq!(ca.subject().to_string(), "CN=my & ca");
    assert_eq!(leaf.subject().to_string(), "CN=leaf");
    assert_ne!(ca.serial, leaf.serial);

    assert!(ca.is_ca() && !leaf.is_ca());
    let (of_ca, of_leaf) = (key_usage(&ca), key_usage(&leaf));
    assert!(of_ca.key_cert_sign() && of_ca.digital_signature() && of_ca.key_encipherment());
    assert!(!of_leaf.key_cert_sign() && of_leaf.digital_signature());
    for certificate in [&ca, &leaf] {
        let usage = certificate.extended_key_usage().expect("it is read").expect("it is there");
        assert!(usage.value.server_auth && usage.value.client_auth && !usage.value.any);
        let constraints = certificate.basic_constraints().expect("it is read");
        assert!(constraints.expect("they are there").critical);
    }
    for (certificate, days) in [(&ca, 10), (&leaf, 20)] {
        let (begin, end) = (certificate.validity().not_before, certificate.validity().not_after);
        assert_eq!(end.timestamp() - begin.timestamp(), days * 24 * 3600);
        assert!(certificate.validity().is_valid());
    }

    let names = leaf.subject_alternative_name().expect("it is read").expect("it is there");
    assert!(!names.critical);
    assert_eq!(
        names.value.general_names,
        [
            GeneralName::DNSName("a.b"),
            GeneralName::DNSName("*.c"),
            GeneralName::IPAddress(&[1, 2, 3, 4]),
            GeneralName::IPAddress(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]),
            GeneralName::IPAddress(&[5, 6, 7, 8]),
        ]
    );
    let id = ca.extensions().iter().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::SubjectKeyIdentifier(id) => Some(id.0),
        _ => None,
    });
    let named = leaf.extensions().iter().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::AuthorityKeyIdentifier(named) => named.key_identifier.as_ref(),
        _ => None,
    });
    assert!(id.is_some());
    assert_eq!(named.map(|named| named.0), id);
}

#[test]
fn any_kind_of_key_signs_for_any_other() {
    for (of_ca, ca_form) in KINDS {
        for (of_leaf, leaf_form) in KINDS {
            let made = json(&format!(
                "{{{{ $ca := genCAWithKey \"ca\" 1 (genPrivateKey {of_ca:?}) }}}}\
                 {{{{ $key := genPrivateKey {of_leaf:?} }}}}\
                 {{{{ $leaf := genSignedCertWithKey \"leaf\" nil (list \"h\") 1 $ca $key }}}}\
                 {{{{ $own := genSelfSignedCertWithKey \"own\" nil nil 1 $key }}}}\
                 {{{{ toJson (dict \"ca\" $ca \"leaf\" $leaf \"own\" $own \"key\" $key) }}}}"
            ));
            let (ca, ca_key) = pair(&made, "ca", ca_form);
            let ((leaf, leaf_key), (own, _)) =
                (pair(&made, "leaf", leaf_form), pair(&made, "own", leaf_form));
            let (ca, leaf, own) = (parse(&ca), parse(&leaf), parse(&own));
            signed_by(&ca, &ca);
            signed_by(&leaf, &ca);
            signed_by(&own, &own);
            let point = |of: &X509Certificate<'_>| of.public_key().subject_public_key.data.to_vec();
            assert_eq!(point(&ca), public(ca_form, &ca_key));
            assert_eq!(point(&leaf), public(leaf_form, &leaf_key));
            assert_eq!(point(&own), point(&leaf));
            assert_eq!(made["leaf"]["Key"], made["key"]);
        }
    }
}

#[test]
fn a_certificate_without_a_name_marks_its_hosts_as_critical() {
    let made = json(
        "{{ toJson (dict \"own\" (genSelfSignedCertWithKey \"\" nil (list \"h\") 1 .pem.ed)) }}",
    );
    let (own, _) = pair(&made, "own", PKCS8);
    let own = parse(&own);
    assert_eq!(own.subject().iter().count(), 0);
    let names = own.subject_alternative_name().expect("it is read").expect("it is there");
    assert!(names.critical);
}

#[test]
fn an_end_beyond_2049_has_four_digits() {
    let made = json("{{ toJson (dict \"ca\" (genCAWithKey \"ca\" 36500 .pem.ed)) }}");
    let (ca, _) = pair(&made, "ca", PKCS8);
    let end = parse(&ca).validity().not_after;
    assert!(end.is_generalizedtime() && end.to_datetime().year() > 2100);
}

#[test]
fn an_rsa_key_comes_back_in_its_own_form() {
    let made = json(
        "{{ $key := (genCA \"ca\" 1).Key }}\
         {{ toJson (dict \"key\" $key \"ca\" (genCAWithKey \"ca\" 1 $key)) }}",
    );
    assert_eq!(made["ca"]["Key"], made["key"]);
    let (ca, _) = pair(&made, "ca", RSA);
    signed_by(&parse(&ca), &parse(&ca));
}

#[test]
fn mistakes_are_told_in_the_words_of_sprig() {
    for (template, reason) in [
        ("genSelfSignedCert \"x\" (list 1) nil 1", "error parsing ip: 1 is not a string"),
        ("genSelfSignedCert \"x\" (list \"1.2\") nil 1", "error parsing ip: 1.2"),
        (
            "genSelfSignedCert \"x\" nil (list 1) 1",
            "error processing alternate dns name: 1 is not a string",
        ),
        (
            "genSelfSignedCert \"x\" \"1.2.3.4\" nil 1",
            "wrong type for value; expected []interface {}; got string",
        ),
        ("genCAWithKey \"x\" 1 \"no\"", "parsing private key: no PEM data in input"),
        (
            "genCAWithKey \"x\" 1 .pem.cert",
            "parsing private key: no private key data in PEM block of type CERTIFICATE",
        ),
        (
            "genCAWithKey \"x\" 1 (replace \"EC \" \"GOST \" .pem.key)",
            "invalid private key type GOST PRIVATE KEY",
        ),
        (
            "genCAWithKey \"x\" 1 .pem.x",
            "error creating certificate: x509: unsupported public key type",
        ),
        ("genCAWithKey \"x\" 1 .pem.p521", "an EC key that signs is on P-256 or P-384"),
        (
            "genSignedCert \"x\" nil nil 1 \"ca\"",
            "wrong type for value; expected sprig.certificate; got string",
        ),
        (
            "genSignedCert \"x\" nil nil 1 (buildCustomCert (b64enc .pem.cert) (b64enc .pem.ed))",
            "x509: provided PrivateKey doesn't match parent's PublicKey",
        ),
        ("buildCustomCert \"!\" \"\"", "unable to decode base64 certificate"),
        ("buildCustomCert (b64enc .pem.cert) \"!\"", "unable to decode base64 private key"),
        ("buildCustomCert \"\" \"\"", "unable to decode certificate"),
        (
            "buildCustomCert (b64enc .pem.key) (b64enc .pem.key)",
            "error parsing certificate: decodedCert.Bytes: x509: malformed certificate",
        ),
        (
            "buildCustomCert (b64enc .pem.cert) (b64enc .pem.cert)",
            "error parsing private key: no private key data",
        ),
        (
            "(buildCustomCert (b64enc .pem.cert) (b64enc .pem.key)).Nope",
            "can't evaluate field Nope in type sprig.certificate",
        ),
    ] {
        let error = render(&format!("{{{{ {template} }}}}")).expect_err(template);
        assert!(error.contains(reason), "{template}: {error}");
    }
}

#[test]
fn what_makes_keys_is_volatile_and_what_reads_them_is_not() {
    let volatile = |text: &str| {
        let template = Template::parse(text, MissingKey::Default).expect("it parses");
        template.volatile().to_vec()
    };
    let makers = [
        ("genCA", "\"x\" 1"),
        ("genCAWithKey", "\"x\" 1 .k"),
        ("genPrivateKey", "\"rsa\""),
        ("genSelfSignedCert", "\"x\" nil nil 1"),
        ("genSelfSignedCertWithKey", "\"x\" nil nil 1 .k"),
        ("genSignedCert", "\"x\" nil nil 1 .c"),
        ("genSignedCertWithKey", "\"x\" nil nil 1 .c .k"),
    ];
    for (name, arguments) in makers {
        assert_eq!(volatile(&format!("{{{{ {name} {arguments} }}}}")), [name]);
    }
    assert!(volatile("{{ buildCustomCert .c .k }}").is_empty());
}

#[test]
fn all_blocks_of_a_text_are_well_formed() {
    let template =
        "{{ $c := genSelfSignedCertWithKey \"x\" nil nil 1 .pem.key }}{{ $c.Cert }}{{ $c.Key }}";
    let text = render(template).expect("it renders");
    let blocks = Pem::iter_from_buffer(text.as_bytes());
    let labels: Vec<_> = blocks.map(|block| block.expect("a block").label).collect();
    assert_eq!(labels, ["CERTIFICATE", EC]);
    assert!(text.lines().all(|line| line.len() <= 64));
}
