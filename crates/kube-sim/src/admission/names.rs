//! Names that the server makes up. Pure.

/// No vowels and no digits that look like one, so that no word comes out of it.
const LETTERS: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";

/// Five letters as in `web-6c7b9fffd8-jw69c`, from some random bits.
pub(crate) fn suffix(mut bits: u64) -> String {
    let mut next = || {
        let letter = LETTERS[usize::try_from(bits % 27).expect("below 27")];
        bits /= 27;
        char::from(letter)
    };
    (0..5).map(|_| next()).collect()
}

/// A number in those letters, as a template's hash is written: `6c7b9fffd8`.
pub(crate) fn hash(number: u32) -> String {
    number.to_string().bytes().map(|digit| char::from(LETTERS[usize::from(digit) % 27])).collect()
}
