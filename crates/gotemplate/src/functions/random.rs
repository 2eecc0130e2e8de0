//! Functions that answer differently each time. They work as their users expect; a template that
//! calls one makes applications that never rest, and [`crate::Template::volatile`] says so.

use base64::Engine as _;
use rand::RngExt as _;
use rand::seq::SliceRandom as _;

use super::Param::{Int, String as Str};
use super::{Answer, Call, Function};
use crate::value::Value;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("randAlphaNum", &[Int], |call| text(call, ALPHANUMERIC)).volatile(),
    Function::new("randAlpha", &[Int], |call| text(call, LETTERS)).volatile(),
    Function::new("randNumeric", &[Int], |call| text(call, DIGITS)).volatile(),
    Function::new("randAscii", &[Int], |call| {
        let count = count(call)?;
        let mut random = rand::rng();
        Ok(Value::string((0..count).map(|_| random.random_range(32_u8..127)).collect::<Vec<_>>()))
    })
    .volatile(),
    Function::new("randBytes", &[Int], |call| {
        let bytes: Vec<u8> = (0..count(call)?).map(|_| rand::random()).collect();
        Ok(Value::string(base64::engine::general_purpose::STANDARD.encode(bytes)))
    })
    .volatile(),
    Function::new("randInt", &[Int, Int], |call| {
        let (low, high) = (call.int(0), call.int(1));
        if low >= high {
            return Err("invalid argument to Intn".into());
        }
        Ok(Value::int(rand::rng().random_range(low..high)))
    })
    .volatile(),
    Function::new("shuffle", &[Str], |call| {
        let mut chars: Vec<char> = call.text(0).chars().collect();
        chars.shuffle(&mut rand::rng());
        Ok(Value::string(chars.into_iter().collect::<String>()))
    })
    .volatile(),
    Function::new("uuidv4", &[], |_| {
        let bits: u128 = rand::random();
        // Version 4 and the variant of RFC 9562 take six of the bits.
        let bits = (bits & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
        let hex = format!("{bits:032x}");
        let parts = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]];
        Ok(Value::string(parts.join("-")))
    })
    .volatile(),
];

const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const DIGITS: &[u8] = b"0123456789";
const ALPHANUMERIC: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

fn count(call: &Call<'_>) -> Result<usize, crate::exec::Message> {
    let count = usize::try_from(call.int(0)).unwrap_or(0);
    call.room(count)?;
    Ok(count)
}

fn text(call: &Call<'_>, alphabet: &[u8]) -> Answer {
    let count = count(call)?;
    let mut random = rand::rng();
    let pick = |_| alphabet[random.random_range(0..alphabet.len())];
    Ok(Value::string((0..count).map(pick).collect::<Vec<u8>>()))
}
