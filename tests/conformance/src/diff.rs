//! Two texts side by side, for people. Pure.

/// The lines of an expectation without the indentation that the source gives them.
pub(crate) fn without_indent(text: &str) -> String {
    if !text.contains('\n') {
        return text.to_owned();
    }
    let text = text.strip_prefix('\n').unwrap_or(text);
    let indent = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .map(|line| line.len() - line.trim_start().len())
        .min()
        .unwrap_or_default();
    let strip = |line: &str| line.get(indent..).unwrap_or(line.trim_start_matches(' ')).to_owned();
    text.split_inclusive('\n').map(strip).collect()
}

/// One line of a difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Line<'a> {
    Both(&'a str),
    Expected(&'a str),
    Actual(&'a str),
}

/// The longest common lines, and what is between them.
pub(crate) fn lines<'a>(expected: &'a str, actual: &'a str) -> Vec<Line<'a>> {
    let (left, right): (Vec<_>, Vec<_>) = (expected.lines().collect(), actual.lines().collect());
    // common[i][j]: how many lines left[i..] and right[j..] share in order.
    let mut common = vec![vec![0_usize; right.len() + 1]; left.len() + 1];
    for i in (0..left.len()).rev() {
        for j in (0..right.len()).rev() {
            common[i][j] = match left[i] == right[j] {
                true => common[i + 1][j + 1] + 1,
                false => common[i + 1][j].max(common[i][j + 1]),
            };
        }
    }
    let (mut i, mut j, mut found) = (0, 0, Vec::new());
    while i < left.len() || j < right.len() {
        if i < left.len() && j < right.len() && left[i] == right[j] {
            found.push(Line::Both(left[i]));
            (i, j) = (i + 1, j + 1);
        } else if j == right.len() || (i < left.len() && common[i + 1][j] >= common[i][j + 1]) {
            found.push(Line::Expected(left[i]));
            i += 1;
        } else {
            found.push(Line::Actual(right[j]));
            j += 1;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_common_stays_in_place() {
        let expected = "a\nb\nc\n";
        let actual = "a\nx\nc\nd\n";
        let found = lines(expected, actual);
        let wanted = [
            Line::Both("a"),
            Line::Expected("b"),
            Line::Actual("x"),
            Line::Both("c"),
            Line::Actual("d"),
        ];
        assert_eq!(found, wanted);
    }

    #[test]
    fn the_indentation_of_the_source_goes() {
        assert_eq!(without_indent("\n        200\n          x\n    "), "200\n  x\n");
        assert_eq!(without_indent("one"), "one");
    }
}
