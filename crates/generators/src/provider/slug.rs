//! Slugs of branch names, as the field's pull request generator makes them.
//!
//! Letters of Latin, Greek and Cyrillic are spelled in ASCII; of other scripts nothing is left but
//! a dash.

/// The text as lower-case letters, digits and dashes, cut between words to `most` bytes.
pub(crate) fn slug(text: &str, most: usize) -> String {
    let mut slug = String::with_capacity(text.len());
    for character in text.trim().chars() {
        match character {
            '"' | '\'' | '’' => {}
            '&' => slug.push_str("and"),
            '@' => slug.push_str("at"),
            'a'..='z' | '0'..='9' => slug.push(character),
            'A'..='Z' => slug.push(character.to_ascii_lowercase()),
            _ => match spelled(character) {
                Some(letters) => slug.push_str(letters),
                None => slug.push('-'),
            },
        }
    }
    let mut last = '-';
    slug.retain(|character| {
        let repeats = character == '-' && last == '-';
        last = character;
        !repeats
    });
    let slug = slug.trim_matches(['-', '_']);
    if slug.len() <= most {
        return slug.to_owned();
    }
    // A dash right behind the last byte that is allowed ends a word that fits.
    let end = slug[..=most].rfind('-').unwrap_or(most);
    slug[..end].to_owned()
}

/// A letter in ASCII; what is not a letter or digit is a dash there already.
fn spelled(character: char) -> Option<&'static str> {
    let (first, table) = match character {
        '\u{a0}'..='\u{24f}' => (0xa0, LATIN),
        '\u{370}'..='\u{3ff}' => (0x370, GREEK),
        '\u{400}'..='\u{52f}' => (0x400, CYRILLIC),
        _ => return None,
    };
    let index = usize::try_from(u32::from(character) - first).ok()?;
    table.split(' ').nth(index).map(|letters| if letters == NOTHING { "" } else { letters })
}

/// What a character without a sound is in the tables.
const NOTHING: &str = ".";

const LATIN: &str = "\
    - - c- ps -- y- - ss - -c- a -- - . -r- - \
    deg -- 2 3 - u p - - 1 o -- 1-4 1-2 3-4 - \
    a a a a a a ae c e e e e i i i i \
    d n o o o o o x o u u u u y th ss \
    a a a a a a ae c e e e e i i i i \
    d n o o o o o - o u u u u y th y \
    a a a a a a c c c c c c c c d d \
    d d e e e e e e e e e e g g g g \
    g g g g h h h h i i i i i i i i \
    i i ij ij j j k k k l l l l l l l \
    l l l n n n n n n -n ng ng o o o o \
    o o oe oe r r r r r r s s s s s s \
    s s t t t t t t u u u u u u u u \
    u u u u w w y y y z z z z z z s \
    b b b b 6 6 o c c d d d d d 3 - \
    e f f g g hv i i k k l l w n n o \
    o o oi oi p p yr 2 2 sh sh t t t t u \
    u y v y y z z zh zh zh zh 2 5 5 ts w \
    - -- -- - dz dz dz lj lj lj nj nj nj a a i \
    i o o u u u u u u u u u u - a a \
    a a ae ae g g g g k k o o o o zh zh \
    j dz dz dz g g hv w n n a a ae ae o o \
    a a a a e e e e i i i i o o o o \
    r r r r u u u u s s t t y y h h \
    n d ou ou z z a a e e o o o o o o \
    o o y y l n t j db qp a c c l t s \
    z --- --- b u - e e j j q q r r y y \
";
const GREEK: &str = "\
    --- --- --- --- - - --- --- --- --- . --- --- --- - --- \
    --- --- --- --- . . a - e e i --- o --- u o \
    i a b g d e z e th i k l m n ks o \
    p r --- s t u ph kh ps o i u a e e i \
    u a b g d e z e th i k l m n x o \
    p r s s t u ph kh ps o i u o u o --- \
    b th u u u ph p - --- --- st st w w q q \
    sp sp sh sh f f kh kh h h g g ch ch ti ti \
    k r c j --- --- --- --- --- --- --- --- --- --- --- . \
";
const CYRILLIC: &str = "\
    ie io dj gj ie dz i yi j lj nj tsh kj i u dzh \
    a b v g d e zh z i i k l m n o p \
    r s t u f kh ts ch sh shch - y - e iu ia \
    a b v g d e zh z i i k l m n o p \
    r s t u f kh ts ch sh shch - y - e iu ia \
    ie io dj gj ie dz i yi j lj nj tsh kj i u dzh \
    o o e e ie ie e e ie ie o o io io ks ks \
    ps ps f f y y y y u u o o o o ot ot \
    q q -1000- . . . . --- -100-000- -1-000-000- --- --- - - r- r- \
    g- g- g- g- g- g- zh- zh- z- z- k- k- k- k- k- k- \
    k- k- n- n- ng ng p- p- kh kh s- s- t- t- u u \
    u- u- kh- kh- tts tts ch- ch- ch- ch- h h ch ch ch- ch- \
    - zh zh k- k- --- --- n- n- --- --- ch ch --- --- --- \
    a a a a ae ae ie ie - - - - zh zh z z \
    dz dz i i i i o o o o o o e e u u \
    u u u u ch ch --- --- y y --- --- --- --- --- . \
    --- --- --- --- --- --- --- --- --- --- --- --- --- --- --- --- \
    --- --- --- --- --- --- --- --- --- --- --- --- --- --- --- --- \
    --- --- --- --- --- --- --- --- --- --- --- --- --- --- --- --- \
";

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers of the library that Argo CD uses.
    #[test]
    fn slugs_are_those_of_the_field() {
        let cases = [
            ("feature/a_b", "feature-a-b"),
            ("Fix: it's \"quoted\" & @home", "fix-its-quoted-and-athome"),
            ("  -lead-and-trail-  ", "lead-and-trail"),
            ("ÄÖÜß été ñ", "aouss-ete-n"),
            ("Привет мир", "privet-mir"),
            ("ελληνικά", "ellenika"),
            ("a", "a"),
            ("", ""),
            ("---", ""),
            ("___", ""),
            (
                "one-two-three-four-five-six-seven-eight-nine-ten-eleven",
                "one-two-three-four-five-six-seven-eight-nine-ten",
            ),
            (
                "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
                "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            ),
            (
                "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-bbb",
                "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            ),
            ("dependabot/npm_and_yarn/lodash-4.17.21", "dependabot-npm-and-yarn-lodash-4-17-21"),
            ("a/b.c~d^e:f?g*h[i]", "a-b-c-d-e-f-g-h-i"),
            ("it’s – done — now", "its-done-now"),
            ("x\ty", "x-y"),
            ("½ price", "1-2-price"),
            ("v1.2.3+build", "v1-2-3-build"),
            ("#123", "123"),
            ("a--b__c", "a-b-c"),
            ("½", "1-2"),
            ("don't", "dont"),
        ];
        for (text, expected) in cases {
            assert_eq!(slug(text, 50), expected, "{text:?}");
        }
    }
}
