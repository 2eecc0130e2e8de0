//! Amounts of resources, such as `500m` or `1Gi`: the form in which a real server writes them.
//!
//! The rules are those of `k8s.io/apimachinery/pkg/api/resource`: the family of the suffix (decimal,
//! binary, exponent) stays, the mantissa becomes a whole number and the exponent the largest that
//! allows it. Text that is canonical by a quick look is kept as it was written: `1500m`, `+1`.

/// What the server says of text that is none.
pub(super) const WRONG: &str =
    "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";

/// Digits beyond these are not kept exactly; a real server allows about as many.
const MOST_DIGITS: usize = 27;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    Decimal,
    Binary,
    Exponent,
}

/// `mantissa * 10^scale`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Amount {
    mantissa: i128,
    scale: i32,
}

/// The canonical form; `None` when the text is no quantity.
#[must_use]
pub fn canonical(text: &str) -> Option<String> {
    let text = text.trim();
    let (amount, family, written_well) = parse(text)?;
    Some(if written_well { text.to_owned() } else { show(amount, family) })
}

/// The canonical form, rounded up to thousandths: what the server makes of limits and requests.
#[must_use]
pub fn canonical_milli(text: &str) -> Option<String> {
    let (amount, family, _) = parse(text.trim())?;
    if amount.scale >= -3 || amount.mantissa == 0 {
        return canonical(text);
    }
    Some(show(amount.rounded_up_to(-3), family))
}

fn parse(text: &str) -> Option<(Amount, Family, bool)> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let end = unsigned.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(unsigned.len());
    let (number, suffix) = unsigned.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return None;
    }
    let (family, base, exponent) = interpret(suffix)?;
    let digits = format!("{whole}{fraction}");
    if digits.trim_start_matches('0').len() > MOST_DIGITS {
        return None;
    }
    let value: i128 = digits.parse().ok()?;
    let signed = if text.starts_with('-') { -value } else { value };
    let places = i32::try_from(fraction.len()).ok()?;
    let amount = if base == 10 {
        Amount { mantissa: signed, scale: exponent - places }
    } else {
        let factor = 1_i128.checked_shl(u32::try_from(exponent).ok()?)?;
        Amount { mantissa: signed.checked_mul(factor)?, scale: -places }
    };
    let written_well = text == "0"
        || match family {
            Family::Binary => fraction.is_empty() && exponent % 10 == 0 && value & 7 != 0,
            _ => amount.scale % 3 == 0 && !digits.ends_with("000") && !digits.starts_with('0'),
        };
    // The smallest amount is a billionth; less counts as one.
    let amount = if amount.scale < -9 { amount.rounded_up_to(-9) } else { amount };
    Some((amount, family, written_well && amount.scale >= -9))
}

/// A suffix as family, base and exponent.
fn interpret(suffix: &str) -> Option<(Family, u32, i32)> {
    let decimal = |exponent| Some((Family::Decimal, 10, exponent));
    let binary = |exponent| Some((Family::Binary, 2, exponent));
    match suffix {
        "n" => decimal(-9),
        "u" => decimal(-6),
        "m" => decimal(-3),
        "" => decimal(0),
        "k" => decimal(3),
        "M" => decimal(6),
        "G" => decimal(9),
        "T" => decimal(12),
        "P" => decimal(15),
        "E" => decimal(18),
        "Ki" => binary(10),
        "Mi" => binary(20),
        "Gi" => binary(30),
        "Ti" => binary(40),
        "Pi" => binary(50),
        "Ei" => binary(60),
        _ => {
            let exponent: i32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
            (-18..=18).contains(&exponent).then_some((Family::Exponent, 10, exponent))
        }
    }
}

impl Amount {
    /// With no digit below `10^scale`; what is lost counts as one more.
    fn rounded_up_to(self, scale: i32) -> Self {
        let Some(places) = u32::try_from(scale - self.scale).ok().filter(|places| *places > 0)
        else {
            return self;
        };
        let factor = 10_i128.checked_pow(places).unwrap_or(i128::MAX);
        let (quotient, rest) = (self.mantissa / factor, self.mantissa % factor);
        Self { mantissa: quotient + rest.signum(), scale }
    }

    /// As a whole number, if it is one.
    fn whole(self) -> Option<i128> {
        let places = self.scale.unsigned_abs();
        let factor = 10_i128.checked_pow(places)?;
        if self.scale >= 0 {
            return self.mantissa.checked_mul(factor);
        }
        (self.mantissa % factor == 0).then(|| self.mantissa / factor)
    }
}

fn show(amount: Amount, family: Family) -> String {
    if amount.mantissa == 0 {
        return "0".to_owned();
    }
    match family {
        Family::Binary => match amount.whole() {
            Some(whole) if whole.abs() >= 1024 => show_binary(whole),
            _ => show_decimal(amount, Family::Decimal),
        },
        other => show_decimal(amount, other),
    }
}

fn show_binary(mut whole: i128) -> String {
    let mut power = 0;
    while whole % 1024 == 0 && power < 6 {
        whole /= 1024;
        power += 1;
    }
    format!("{whole}{}", ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"][power])
}

fn show_decimal(amount: Amount, family: Family) -> String {
    let Amount { mut mantissa, mut scale } = amount;
    while mantissa % 10 == 0 && scale < 18 {
        mantissa /= 10;
        scale += 1;
    }
    while scale % 3 != 0 || scale > 18 {
        mantissa *= 10;
        scale -= 1;
    }
    let suffix = match (scale, family) {
        (0, _) => String::new(),
        (scale, Family::Exponent) => format!("e{scale}"),
        (-9, _) => "n".to_owned(),
        (-6, _) => "u".to_owned(),
        (-3, _) => "m".to_owned(),
        (3, _) => "k".to_owned(),
        (6, _) => "M".to_owned(),
        (9, _) => "G".to_owned(),
        (12, _) => "T".to_owned(),
        (15, _) => "P".to_owned(),
        _ => "E".to_owned(),
    };
    format!("{mantissa}{suffix}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each pair is what a real server made of a ResourceQuota's `requests.cpu`.
    #[test]
    fn amounts_are_written_as_a_real_server_does() {
        for (text, expected) in [
            ("1000m", "1"),
            ("1024Mi", "1Gi"),
            ("1.5Gi", "1536Mi"),
            ("0.5", "500m"),
            ("1e3", "1e3"),
            ("1E3", "1E3"),
            ("1E", "1E"),
            ("100000k", "100M"),
            ("1500", "1500"),
            ("1000", "1k"),
            ("1023Ki", "1023Ki"),
            ("1024", "1024"),
            ("512Ki", "512Ki"),
            ("0.1Mi", "104857600m"),
            ("12345678901234567890", "12345678901234567890"),
            ("0.0000000001", "1m"),
            ("1000000", "1M"),
            ("+1", "+1"),
            ("1.50", "1500m"),
            ("0Gi", "0"),
            ("1e-3", "1e-3"),
            ("1.2e3", "1200"),
            ("123456k", "123456k"),
            (".5", "500m"),
            ("5.", "5."),
            ("1 ", "1"),
            ("1.5Ki", "1536"),
            ("100n", "1m"),
            ("2000000000n", "2"),
            ("12e6", "12e6"),
            ("-5", "-5"),
        ] {
            assert_eq!(canonical_milli(text).as_deref(), Some(expected), "{text}");
        }
        assert_eq!(canonical("100n").as_deref(), Some("100n"));
        for text in ["", "abc", "1x", ".", "1.2.3", "1Kib", "--1", "e3"] {
            assert_eq!(canonical(text), None, "{text:?}");
        }
    }
}
