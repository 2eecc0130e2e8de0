//! The line on which a template stands in its file.
//!
//! Documents are trees by the time they are expanded, without lines. So the text is searched: for
//! the template's first line, in the document of its set, best beside the key that it belongs to.
//! Nothing depends on it; where it is not found, no line is shown.

/// The line, counted from 1.
pub(super) fn find(text: &str, set: &str, path: &str, template: &str) -> Option<usize> {
    let wanted = template.lines().map(str::trim).find(|line| !line.is_empty())?;
    let key = path.rsplit('.').next()?.split('[').next()?;
    let lines: Vec<&str> = text.lines().collect();
    let (from, to) = document(&lines, set);
    let mut found = (from..to).filter(|at| lines[*at].contains(wanted));
    let first = found.clone().next()?;
    let beside = |at: &usize| {
        let line = lines[*at];
        let mut starts = line.match_indices(wanted).map(|(start, _)| &line[..start]);
        starts.any(|before| ends_with_key(before, key))
            || (*at > from && ends_with_key(lines[at - 1], key))
    };
    Some(found.find(beside).unwrap_or(first) + 1)
}

/// Whether a value that comes next would belong to the key.
fn ends_with_key(text: &str, key: &str) -> bool {
    let mark = |c: char| c.is_whitespace() || "{},\"'|>-+".contains(c);
    let word = text.split(mark).rfind(|word| !word.is_empty());
    word.and_then(|word| word.strip_suffix(':')) == Some(key)
}

/// The lines of the document that seems to be the set, or all.
fn document(lines: &[&str], set: &str) -> (usize, usize) {
    let breaks = lines.iter().enumerate().filter(|(_, line)| line.starts_with("---"));
    let mut from = 0;
    let ends = breaks.map(|(at, _)| at).chain([lines.len()]);
    for end in ends {
        let part = &lines[from..end];
        let is_set = part.iter().any(|line| line.contains("ApplicationSet"))
            && part.iter().any(|line| names(line, set));
        if is_set {
            return (from, end);
        }
        from = end;
    }
    (0, lines.len())
}

/// Whether `name: SET` stands on the line.
fn names(line: &str, set: &str) -> bool {
    let separators = |c: char| c.is_whitespace() || "{},\"'".contains(c);
    let words: Vec<&str> = line.split(separators).filter(|word| !word.is_empty()).collect();
    words.windows(2).any(|pair| pair == ["name:", set])
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "kind: ApplicationSet
metadata: {name: one}
spec:
  template:
    metadata: {name: '{{name}}'}
---
kind: ApplicationSet
metadata:
  name: two
spec:
  template:
    metadata: { labels: { of: '{{name}}' }, name: '{{name}}' }
    spec:
      destination:
        name: '{{name}}'
      source:
        helm:
          values: |
            a: {{name}}-x
";

    #[test]
    fn the_line_is_that_of_its_set_and_key() {
        let line = |set, path, template| find(TEXT, set, path, template);
        assert_eq!(line("one", "spec.template.metadata.name", "{{name}}"), Some(5));
        assert_eq!(line("two", "spec.template.metadata.name", "{{name}}"), Some(12));
        let values = "a: {{name}}-x\n";
        assert_eq!(line("two", "spec.template.spec.source.helm.values", values), Some(19));
        assert_eq!(line("two", "spec.template.spec.project", "{{other}}"), None);
    }
}
