//! The three kinds of patterns that Argo CD knows for paths in a repository.

pub(super) mod doublestar;
pub(super) mod path_match;
pub(super) mod pathspec;
#[cfg(test)]
mod tests;

/// The directories in front of the first component with a sign of `special`, when a walk may begin
/// there: a path that is not clean matches nothing, or is cleaned before.
fn literal_directories(pattern: &str, special: &[char]) -> Vec<String> {
    let components: Vec<&str> = pattern.split('/').collect();
    let (_, directories) = components.split_last().unwrap_or((&"", &[]));
    let is_plain = |name: &&&str| {
        !name.is_empty() && **name != "." && **name != ".." && !name.contains(special)
    };
    directories.iter().take_while(is_plain).map(|name| (*name).to_owned()).collect()
}
