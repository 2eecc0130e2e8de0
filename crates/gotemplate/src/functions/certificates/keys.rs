//! Private keys: made, read from PEM, written back, and what each can sign.

use ring::rand::SystemRandom;
use ring::signature::{
    self, ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair,
    EcdsaSigningAlgorithm, Ed25519KeyPair, RsaKeyPair,
};

use super::der::{self, Reader};
use super::numbers::{Dsa, Rsa, is_below};
use super::pem;
use crate::exec::Message;

pub(super) enum Key {
    Rsa(Rsa),
    Dsa(Dsa),
    Ecdsa {
        curve: &'static Curve,
        secret: Vec<u8>,
        /// The point, when the key's text has it.
        public: Option<Vec<u8>>,
    },
    Ed25519([u8; SEED]),
    /// Only for agreeing on secrets: it is read, and good for nothing here.
    X25519,
}

const SEED: usize = 32;

pub(super) struct Curve {
    oid: &'static [u8],
    order: &'static [u8],
    /// `None` for a curve that ring cannot sign on.
    signing: Option<Signing>,
}

struct Signing {
    algorithm: &'static EcdsaSigningAlgorithm,
    /// The identifier of the signature.
    oid: &'static [u8],
}

// Object identifiers as DER has them.
const RSA: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01";
const RSA_SHA256: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b";
pub(super) const EC: &[u8] = b"\x2a\x86\x48\xce\x3d\x02\x01";
const ED25519: &[u8] = b"\x2b\x65\x70";
const X25519: &[u8] = b"\x2b\x65\x6e";

static P256: Curve = Curve {
    oid: b"\x2a\x86\x48\xce\x3d\x03\x01\x07",
    order: b"\xff\xff\xff\xff\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\xbc\xe6\xfa\xad\xa7\x17\x9e\x84\xf3\xb9\xca\xc2\xfc\x63\x25\x51",
    signing: Some(Signing {
        algorithm: &ECDSA_P256_SHA256_ASN1_SIGNING,
        oid: b"\x2a\x86\x48\xce\x3d\x04\x03\x02",
    }),
};
static P384: Curve = Curve {
    oid: b"\x2b\x81\x04\x00\x22",
    order: b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xc7\x63\x4d\x81\xf4\x37\x2d\xdf\x58\x1a\x0d\xb2\x48\xb0\xa7\x7a\xec\xec\x19\x6a\xcc\xc5\x29\x73",
    signing: Some(Signing {
        algorithm: &ECDSA_P384_SHA384_ASN1_SIGNING,
        oid: b"\x2a\x86\x48\xce\x3d\x04\x03\x03",
    }),
};
static P224: Curve = Curve {
    oid: b"\x2b\x81\x04\x00\x21",
    order: b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x16\xa2\xe0\xb8\xf0\x3e\x13\xdd\x29\x45\x5c\x5c\x2a\x3d",
    signing: None,
};
static P521: Curve = Curve {
    oid: b"\x2b\x81\x04\x00\x23",
    order: b"\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xfa\x51\x86\x87\x83\xbf\x2f\x96\x6b\x7f\xcc\x01\x48\xf7\x09\xa5\xd0\x3b\xb5\xc9\xb8\x89\x9c\x47\xae\xbb\x6f\xb7\x1e\x91\x38\x64\x09",
    signing: None,
};

pub(super) fn curve(oid: &[u8]) -> Result<&'static Curve, Message> {
    let known = [&P256, &P384, &P224, &P521].into_iter().find(|curve| curve.oid == oid);
    known.ok_or_else(|| "x509: unknown or unsupported elliptic curve".into())
}

/// What a certificate tells of a key: its algorithm in DER, and the bits of the public key.
pub(super) struct PublicKey {
    pub(super) algorithm: Vec<u8>,
    pub(super) bits: Vec<u8>,
}

fn oid(bytes: &[u8]) -> Vec<u8> {
    der::write(der::OID, &[bytes])
}

fn null() -> Vec<u8> {
    der::write(der::NULL, &[])
}

impl Key {
    pub(super) fn generate_rsa(bits: u32) -> Result<Self, Message> {
        Ok(Self::Rsa(Rsa::generate(bits)?))
    }

    pub(super) fn generate_dsa() -> Self {
        Self::Dsa(Dsa::generate())
    }

    pub(super) fn generate_ed25519() -> Self {
        Self::Ed25519(rand::random())
    }

    /// On P-256.
    pub(super) fn generate_ecdsa() -> Result<Self, Message> {
        let algorithm = &ECDSA_P256_SHA256_ASN1_SIGNING;
        let document = EcdsaKeyPair::generate_pkcs8(algorithm, &SystemRandom::new())
            .map_err(|_| "no randomness")?;
        Self::from_pkcs8(document.as_ref())
    }

    /// The key of the first block of a text.
    pub(super) fn parse(text: &[u8]) -> Result<Self, Message> {
        let block = pem::decode(text).ok_or("no PEM data in input")?;
        let kind = String::from_utf8_lossy(&block.kind);
        if kind == "PRIVATE KEY" {
            return Self::from_pkcs8(&block.bytes)
                .map_err(|reason| format!("decoding PEM as PKCS#8: {reason}").into());
        }
        let Some(algorithm) = kind.strip_suffix(" PRIVATE KEY") else {
            return Err(format!("no private key data in PEM block of type {kind}").into());
        };
        let key = match algorithm {
            "RSA" => rsa(&block.bytes),
            "EC" => ecdsa(None, &block.bytes),
            "DSA" => dsa(&block.bytes),
            _ => return Err(format!("invalid private key type {kind}").into()),
        };
        key.map_err(|reason| format!("parsing {algorithm} private key from PEM: {reason}").into())
    }

    fn from_pkcs8(bytes: &[u8]) -> Result<Self, Message> {
        let malformed = "asn1: structure error: not a PKCS #8 key";
        let mut key = Reader(bytes).sequence().ok_or(malformed)?;
        key.take(der::INTEGER).ok_or(malformed)?;
        let mut algorithm = key.sequence().ok_or(malformed)?;
        let kind = algorithm.take(der::OID).ok_or(malformed)?;
        let secret = key.take(der::OCTETS).ok_or(malformed)?;
        match kind {
            RSA => rsa(secret).map_err(|reason| {
                format!("x509: failed to parse RSA private key embedded in PKCS#8: {reason}").into()
            }),
            EC => ecdsa(algorithm.take(der::OID), secret).map_err(|reason| {
                format!("x509: failed to parse EC private key embedded in PKCS#8: {reason}").into()
            }),
            ED25519 | X25519 => {
                if !algorithm.0.is_empty() {
                    return Err("x509: invalid private key parameters".into());
                }
                let seed = Reader(secret).take(der::OCTETS).and_then(|seed| seed.try_into().ok());
                let seed = seed.ok_or("x509: invalid private key length")?;
                Ok(if kind == ED25519 { Self::Ed25519(seed) } else { Self::X25519 })
            }
            _ => Err("x509: PKCS#8 wrapping contained private key with unknown algorithm".into()),
        }
    }

    /// As a block: the form is that of the kind, whatever form it was read from.
    pub(super) fn pem(&self) -> String {
        match self {
            Self::Rsa(rsa) => pem::encode("RSA PRIVATE KEY", &pkcs1(rsa)),
            Self::Dsa(dsa) => {
                let numbers = [&dsa.modulus, &dsa.order, &dsa.generator, &dsa.public, &dsa.secret];
                let numbers = numbers.map(|number| der::number(number)).concat();
                pem::encode("DSA PRIVATE KEY", &der::sequence(&[&der::number(&[]), &numbers]))
            }
            Self::Ecdsa { curve, secret, public } => {
                let secret = der::write(der::OCTETS, &[secret]);
                let named = der::write(der::explicit(0), &[&oid(curve.oid)]);
                let public = public.as_ref().map_or_else(Vec::new, |point| {
                    der::write(der::explicit(1), &[&der::bits(point)])
                });
                let parts = [&der::number(&[1]), &secret, &named, &public];
                pem::encode("EC PRIVATE KEY", &der::sequence(&parts.map(Vec::as_slice)))
            }
            Self::Ed25519(seed) => {
                let algorithm = der::sequence(&[&oid(ED25519)]);
                let seed = der::write(der::OCTETS, &[&der::write(der::OCTETS, &[seed])]);
                let key = der::sequence(&[&der::number(&[]), &algorithm, &seed]);
                pem::encode("PRIVATE KEY", &key)
            }
            Self::X25519 => String::new(),
        }
    }

    pub(super) fn public(&self) -> Result<PublicKey, Message> {
        Ok(match self {
            Self::Rsa(rsa) => PublicKey {
                algorithm: der::sequence(&[&oid(RSA), &null()]),
                bits: der::sequence(&[&der::number(&rsa.modulus), &der::number(&rsa.exponent)]),
            },
            Self::Ecdsa { curve, public, .. } => PublicKey {
                algorithm: der::sequence(&[&oid(EC), &oid(curve.oid)]),
                bits: public.clone().ok_or(NO_POINT)?,
            },
            Self::Ed25519(seed) => PublicKey {
                algorithm: der::sequence(&[&oid(ED25519)]),
                bits: signature::KeyPair::public_key(&ed25519(seed)?).as_ref().to_vec(),
            },
            Self::Dsa(_) => return Err("x509: unsupported public key type: *dsa.PublicKey".into()),
            Self::X25519 => {
                return Err("x509: unsupported public key type: *ecdh.PublicKey".into());
            }
        })
    }

    /// What a certificate tells of a signature by this key, in DER.
    pub(super) fn signature(&self) -> Result<Vec<u8>, Message> {
        Ok(match self {
            Self::Rsa(_) => der::sequence(&[&oid(RSA_SHA256), &null()]),
            Self::Ecdsa { curve, .. } => {
                der::sequence(&[&oid(curve.signing.as_ref().ok_or(OTHER_CURVE)?.oid)])
            }
            Self::Ed25519(_) => der::sequence(&[&oid(ED25519)]),
            Self::Dsa(_) | Self::X25519 => return Err(NO_SIGNER.into()),
        })
    }

    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Message> {
        let random = SystemRandom::new();
        match self {
            Self::Rsa(rsa) => {
                let pair = RsaKeyPair::from_der(&pkcs1(rsa)).map_err(|reason| {
                    format!("an RSA key signs with 2048 to 4096 bits, and this one not: {reason}")
                })?;
                let mut bytes = vec![0; pair.public().modulus_len()];
                pair.sign(&signature::RSA_PKCS1_SHA256, &random, message, &mut bytes)
                    .map_err(|_| "the RSA key does not sign")?;
                Ok(bytes)
            }
            Self::Ecdsa { curve, secret, public } => {
                let algorithm = curve.signing.as_ref().ok_or(OTHER_CURVE)?.algorithm;
                let public = public.as_ref().ok_or(NO_POINT)?;
                let pair = EcdsaKeyPair::from_private_key_and_public_key(
                    algorithm, secret, public, &random,
                )
                .map_err(|reason| format!("the EC key is not sound: {reason}"))?;
                let signed = pair.sign(&random, message).map_err(|_| "the EC key does not sign")?;
                Ok(signed.as_ref().to_vec())
            }
            Self::Ed25519(seed) => Ok(ed25519(seed)?.sign(message).as_ref().to_vec()),
            Self::Dsa(_) | Self::X25519 => Err(NO_SIGNER.into()),
        }
    }
}

const NO_SIGNER: &str = "x509: certificate private key does not implement crypto.Signer";
const NO_POINT: &str = "the EC key is written without its public key";
const OTHER_CURVE: &str = "an EC key that signs is on P-256 or P-384";

fn ed25519(seed: &[u8; SEED]) -> Result<Ed25519KeyPair, Message> {
    Ed25519KeyPair::from_seed_unchecked(seed).map_err(|reason| reason.to_string().into())
}

fn pkcs1(rsa: &Rsa) -> Vec<u8> {
    let numbers = [&rsa.modulus, &rsa.exponent, &rsa.secret];
    let numbers = numbers.into_iter().chain(&rsa.primes).chain(&rsa.remainders);
    let numbers = numbers.map(|number| der::number(number)).collect::<Vec<_>>().concat();
    der::sequence(&[&der::number(&[]), &numbers])
}

fn rsa(bytes: &[u8]) -> Result<Key, Message> {
    const MALFORMED: &str = "asn1: structure error: not a PKCS #1 key";
    let mut outer = Reader(bytes);
    let mut key = outer.sequence().ok_or(MALFORMED)?;
    if !outer.0.is_empty() {
        return Err("asn1: syntax error: trailing data".into());
    }
    match key.version().ok_or(MALFORMED)? {
        0 => {}
        1 => return Err("x509: a key of more than two primes is not supported".into()),
        _ => return Err("x509: unsupported private key version".into()),
    }
    let mut number = || {
        let number = key.positive().ok_or("x509: private key contains zero or negative value")?;
        Ok::<_, Message>(number.to_vec())
    };
    let rsa = Rsa {
        modulus: number()?,
        exponent: number()?,
        secret: number()?,
        primes: [number()?, number()?],
        remainders: [number()?, number()?, number()?],
    };
    rsa.check()?;
    Ok(Key::Rsa(rsa))
}

fn dsa(bytes: &[u8]) -> Result<Key, Message> {
    const MALFORMED: &str = "asn1: structure error: not a DSA key";
    let mut key = Reader(bytes).sequence().ok_or(MALFORMED)?;
    key.take(der::INTEGER).ok_or(MALFORMED)?;
    // Go asks nothing of the numbers but that they are some.
    let mut number = || Ok::<_, Message>(key.take(der::INTEGER).ok_or(MALFORMED)?.to_vec());
    Ok(Key::Dsa(Dsa {
        modulus: number()?,
        order: number()?,
        generator: number()?,
        public: number()?,
        secret: number()?,
    }))
}

/// The curve may be told from outside, and then counts more than what the key says.
fn ecdsa(named: Option<&[u8]>, bytes: &[u8]) -> Result<Key, Message> {
    const MALFORMED: &str = "x509: failed to parse EC private key: not a SEC 1 key";
    let mut key = Reader(bytes).sequence().ok_or(MALFORMED)?;
    let version = key.version().ok_or(MALFORMED)?;
    let secret = key.take(der::OCTETS).ok_or(MALFORMED)?;
    let own = key.take(der::explicit(0)).and_then(|inner| Reader(inner).take(der::OID));
    let point = key.take(der::explicit(1)).and_then(|inner| Reader(inner).bits());
    if version != 1 {
        return Err(format!("x509: unknown EC private key version {version}").into());
    }
    let curve = curve(named.or(own).unwrap_or_default())?;
    // Some write more or fewer zeros in front than they should.
    let secret = der::trimmed(secret);
    let size = curve.order.len();
    let missing = size.checked_sub(secret.len()).ok_or("x509: invalid private key length")?;
    let secret = [&vec![0; missing], secret].concat();
    if !is_below(&secret, curve.order) {
        return Err("ecdsa: private key scalar too large or zero".into());
    }
    // Compressed points are not what ring takes.
    let public = point.filter(|point| point.len() == 2 * size + 1 && point[0] == 4);
    Ok(Key::Ecdsa { curve, secret, public: public.map(<[u8]>::to_vec) })
}
