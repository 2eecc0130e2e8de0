//! Functions that encrypt and derive: the same bytes as Go's. What draws a salt is volatile. Keys
//! and certificates are in `certificates`.

use aes::Aes256;
use aes::cipher::{Block, BlockCipherDecrypt, BlockCipherEncrypt, KeyInit};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Param::{String as Str, Uint32};
use super::{Answer, Call, Function};
use crate::exec::Message;
use crate::value::Value;

/// Some ten milliseconds each, so that a rendering may do only some dozen.
const SLOW: u64 = 20_000;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("bcrypt", &[Str], |call| Ok(Value::string(hash(call.bytes(0)))))
        .volatile()
        .costs(SLOW),
    Function::new("htpasswd", &[Str, Str], |call| {
        let user = call.text(0);
        Ok(Value::string(if user.contains(':') {
            format!("invalid username: {user}")
        } else {
            format!("{user}:{}", hash(call.bytes(1)))
        }))
    })
    .volatile()
    .costs(SLOW),
    Function::new("derivePassword", &[Uint32, Str, Str, Str, Str], derive).costs(SLOW),
    Function::new("encryptAES", &[Str, Str], |call| {
        if call.bytes(1).is_empty() {
            return Ok(Value::string(""));
        }
        call.room(call.bytes(1).len().saturating_mul(2))?;
        Ok(Value::string(STANDARD.encode(encrypt(call.bytes(0), call.bytes(1), rand::random()))))
    })
    .volatile(),
    Function::new("decryptAES", &[Str, Str], |call| {
        if call.bytes(1).is_empty() {
            return Ok(Value::string(""));
        }
        let bytes = STANDARD.decode(call.bytes(1)).map_err(|error| error.to_string())?;
        Ok(Value::string(decrypt(call.bytes(0), &bytes)?))
    }),
];

/// A mistake is answered by its message, as there.
fn hash(password: &[u8]) -> String {
    const COST: u32 = 10;
    let failed = |reason: String| format!("failed to encrypt string with bcrypt: {reason}");
    if password.len() > 72 {
        return failed("bcrypt: password length exceeds 72 bytes".to_owned());
    }
    match bcrypt::hash_with_result(password, COST) {
        Ok(parts) => parts.format_for_version(bcrypt::Version::TwoA),
        Err(error) => failed(error.to_string()),
    }
}

const BLOCK: usize = 16;

/// The password is the key: cut or filled with zeros.
fn cipher(password: &[u8]) -> Aes256 {
    let mut key = [0; 32];
    let length = password.len().min(key.len());
    key[..length].copy_from_slice(&password[..length]);
    Aes256::new(&key.into())
}

/// CBC with PKCS #7 padding; the initial vector comes first.
fn encrypt(password: &[u8], plain: &[u8], initial: [u8; BLOCK]) -> Vec<u8> {
    let cipher = cipher(password);
    let padding = BLOCK - plain.len() % BLOCK;
    let filler = u8::try_from(padding).expect("at most a block");
    let padded = [plain, &vec![filler; padding]].concat();
    let mut out = initial.to_vec();
    let mut previous = initial;
    for chunk in padded.chunks(BLOCK) {
        for (byte, plain) in previous.iter_mut().zip(chunk) {
            *byte ^= plain;
        }
        let mut block: Block<Aes256> = previous.into();
        cipher.encrypt_block(&mut block);
        previous = block.into();
        out.extend_from_slice(&previous);
    }
    out
}

fn decrypt(password: &[u8], bytes: &[u8]) -> Result<Vec<u8>, Message> {
    if bytes.len() < 2 * BLOCK || !bytes.len().is_multiple_of(BLOCK) {
        return Err("crypto/cipher: input not full blocks".into());
    }
    let cipher = cipher(password);
    let mut out = Vec::with_capacity(bytes.len());
    for (previous, chunk) in bytes.chunks(BLOCK).zip(bytes.chunks(BLOCK).skip(1)) {
        let own: [u8; BLOCK] = chunk.try_into().expect("only full blocks");
        let mut block: Block<Aes256> = own.into();
        cipher.decrypt_block(&mut block);
        out.extend(block.iter().zip(previous).map(|(byte, previous)| byte ^ previous));
    }
    let padding = usize::from(out.last().copied().unwrap_or_default());
    let length = out.len().checked_sub(padding).ok_or("slice bounds out of range")?;
    out.truncate(length);
    Ok(out)
}

const SEED: &str = "com.lyndir.masterpassword";

/// The shapes of a derived password; a letter stands for a class of [`class`].
fn shapes(kind: &str) -> Option<&'static [&'static str]> {
    Some(match kind {
        "maximum" => &["anoxxxxxxxxxxxxxxxxx", "axxxxxxxxxxxxxxxxxno"],
        "long" => &[
            "CvcvnoCvcvCvcv",
            "CvcvCvcvnoCvcv",
            "CvcvCvcvCvcvno",
            "CvccnoCvcvCvcv",
            "CvccCvcvnoCvcv",
            "CvccCvcvCvcvno",
            "CvcvnoCvccCvcv",
            "CvcvCvccnoCvcv",
            "CvcvCvccCvcvno",
            "CvcvnoCvcvCvcc",
            "CvcvCvcvnoCvcc",
            "CvcvCvcvCvccno",
            "CvccnoCvccCvcv",
            "CvccCvccnoCvcv",
            "CvccCvccCvcvno",
            "CvcvnoCvccCvcc",
            "CvcvCvccnoCvcc",
            "CvcvCvccCvccno",
            "CvccnoCvcvCvcc",
            "CvccCvcvnoCvcc",
            "CvccCvcvCvccno",
        ],
        "medium" => &["CvcnoCvc", "CvcCvcno"],
        "short" => &["Cvcn"],
        "basic" => &["aaanaaan", "aannaaan", "aaannaaa"],
        "pin" => &["nnnn"],
        _ => return None,
    })
}

fn class(letter: u8) -> &'static [u8] {
    match letter {
        b'C' => b"BCDFGHJKLMNPQRSTVWXYZ",
        b'v' => b"aeiou",
        b'c' => b"bcdfghjklmnpqrstvwxyz",
        b'a' => b"AEIOUaeiouBCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz",
        b'n' => b"0123456789",
        b'o' => b"@&%?,=[]_:-+*$#!'^~;()/.",
        _ => b"AEIOUaeiouBCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz0123456789!@#$%^&*()",
    }
}

/// The algorithm of Master Password: scrypt of the password, HMAC of the site.
fn derive(call: &Call<'_>) -> Answer {
    let (counter, kind) = (call.int(0), call.text(1));
    let (password, user, site) = (call.bytes(2), call.bytes(3), call.bytes(4));
    let Some(shapes) = shapes(&kind) else {
        return Ok(Value::string(format!("cannot find password template {kind}")));
    };
    let length = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes();
    let salt = [SEED.as_bytes(), &length(user), user].concat();
    let costs = scrypt::Params::new(15, 8, 2).expect("the costs are legal");
    let mut key = [0; 64];
    scrypt::scrypt(password, &salt, &costs, &mut key).expect("the length of the key is legal");
    let counter = u32::try_from(counter).unwrap_or_default().to_be_bytes();
    let message = [SEED.as_bytes(), &length(site), site, &counter].concat();
    let tag = ring::hmac::sign(&ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &key), &message);
    let seed = tag.as_ref();
    let shape = shapes[usize::from(seed[0]) % shapes.len()];
    let pick = |(letter, seed): (u8, &u8)| {
        let class = class(letter);
        class[usize::from(*seed) % class.len()]
    };
    Ok(Value::string(shape.bytes().zip(&seed[1..]).map(pick).collect::<Vec<u8>>()))
}
