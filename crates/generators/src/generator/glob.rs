//! Globs over the paths of a repository: `*` stays within one component, `**` spans several.
//!
//! What begins with a dot is skipped unless the pattern names it with a component that begins
//! with a dot. An exclude that matches wins. Links are not followed while walking.

use std::collections::BTreeSet;

use globset::{GlobBuilder, GlobMatcher};
use model::tree::{EntryKind, FileTree, RepoPath, TreeEntry, TreeError};

/// The most entries looked at for one pattern; a larger tree needs a pattern that begins deeper.
const MAX_ENTRIES: usize = 200_000;

/// What a pattern looks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    Directories,
    Files,
}

/// Includes and excludes, compiled.
#[derive(Debug)]
pub(super) struct Patterns {
    includes: Vec<Pattern>,
    excludes: Vec<GlobMatcher>,
}

#[derive(Debug)]
struct Pattern {
    written: String,
    glob: GlobMatcher,
    /// The directory below which all matches lie.
    start: RepoPath,
    /// The most components of a match; none when the pattern has `**` or alternatives.
    depth: Option<usize>,
    /// The components of the pattern that begin with a dot.
    hidden: Vec<GlobMatcher>,
}

/// Matches, sorted, and the names that match but cannot be used, with the reason.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) paths: BTreeSet<RepoPath>,
    pub(super) unusable: Vec<(String, String)>,
}

impl Patterns {
    /// Compiles `(pattern, exclude)` pairs.
    pub(super) fn compile(patterns: &[(&str, bool)]) -> Result<Self, String> {
        let (mut includes, mut excludes) = (Vec::new(), Vec::new());
        for (pattern, exclude) in patterns {
            if *exclude {
                excludes.push(glob(cleaned(pattern)?.as_str())?);
            } else {
                includes.push(Pattern::compile(pattern)?);
            }
        }
        Ok(Self { includes, excludes })
    }

    pub(super) fn walk(&self, tree: &dyn FileTree, wanted: Wanted) -> Result<Found, String> {
        let mut found = Found::default();
        for pattern in &self.includes {
            let mut walk =
                Walk { tree, wanted, pattern, excludes: &self.excludes, entries: 0, found };
            let depth = pattern.start.components().count();
            match walk.directory(&pattern.start, depth) {
                // A directory that is not there has no matches.
                Err(WalkError::Start) | Ok(()) => found = walk.found,
                Err(WalkError::Failed(message)) => return Err(message),
            }
        }
        found.unusable.sort();
        found.unusable.dedup();
        Ok(found)
    }
}

/// The pattern without `.` and empty components; it may not leave the repository.
fn cleaned(pattern: &str) -> Result<RepoPath, String> {
    RepoPath::parse(pattern).map_err(|error| format!("the pattern {pattern:?}: {error}"))
}

fn glob(pattern: &str) -> Result<GlobMatcher, String> {
    let glob = GlobBuilder::new(pattern).literal_separator(true).backslash_escape(false).build();
    glob.map(|glob| glob.compile_matcher())
        .map_err(|error| format!("the pattern {pattern:?} is not a glob: {}", error.kind()))
}

fn has_meta(text: &str) -> bool {
    text.contains(['*', '?', '[', ']', '{', '}'])
}

impl Pattern {
    fn compile(written: &str) -> Result<Self, String> {
        let path = cleaned(written)?;
        let components: Vec<&str> = path.components().collect();
        let directories = components.len().saturating_sub(1);
        let literal = components[..directories].iter().take_while(|c| !has_meta(c)).count();
        let start = RepoPath::parse(&components[..literal].join("/"))
            .map_err(|error| format!("the pattern {written:?}: {error}"))?;
        let spans = path.as_str().contains("**") || path.as_str().contains('{');
        let hidden = components.iter().filter(|component| component.starts_with('.'));
        Ok(Self {
            written: written.to_owned(),
            glob: glob(path.as_str())?,
            start,
            depth: (!spans).then_some(components.len()),
            // Alternatives may hold a slash and so be cut apart here; they name nothing hidden.
            hidden: hidden.filter_map(|component| glob(component).ok()).collect(),
        })
    }

    fn skips(&self, name: &str) -> bool {
        name.starts_with('.') && !self.hidden.iter().any(|hidden| hidden.is_match(name))
    }
}

enum WalkError {
    /// The directory where the walk begins is not there.
    Start,
    Failed(String),
}

struct Walk<'a> {
    tree: &'a dyn FileTree,
    wanted: Wanted,
    pattern: &'a Pattern,
    excludes: &'a [GlobMatcher],
    entries: usize,
    found: Found,
}

impl Walk<'_> {
    /// Looks at what lies in a directory that is `depth` components deep.
    fn directory(&mut self, directory: &RepoPath, depth: usize) -> Result<(), WalkError> {
        let entries = self.tree.list(directory).map_err(|error| match error {
            TreeError::NotFound { .. } | TreeError::NotADirectory { .. }
                if *directory == self.pattern.start =>
            {
                WalkError::Start
            }
            error => WalkError::Failed(format!("{directory} cannot be listed: {error}")),
        })?;
        for entry in entries {
            self.entries += 1;
            if self.entries > MAX_ENTRIES {
                let written = &self.pattern.written;
                return Err(WalkError::Failed(format!(
                    "the pattern {written:?} looks at more than {MAX_ENTRIES} entries; begin it \
                     with the directory to look in"
                )));
            }
            if !self.pattern.skips(&entry.name) {
                self.entry(directory, depth + 1, &entry)?;
            }
        }
        Ok(())
    }

    fn entry(
        &mut self,
        directory: &RepoPath,
        depth: usize,
        entry: &TreeEntry,
    ) -> Result<(), WalkError> {
        let is_wanted = match self.wanted {
            Wanted::Directories => entry.kind == EntryKind::Directory,
            Wanted::Files => matches!(entry.kind, EntryKind::File | EntryKind::Symlink),
        };
        let dot = if directory.is_root() { "" } else { "/" };
        let text = format!("{}{dot}{}", directory.as_str(), entry.name);
        let is_match = is_wanted
            && self.pattern.glob.is_match(&text)
            && !self.excludes.iter().any(|exclude| exclude.is_match(&text));
        let path = match directory.join(&entry.name) {
            Ok(path) => path,
            Err(error) => {
                if is_match {
                    self.found.unusable.push((text.escape_debug().to_string(), error.to_string()));
                }
                return Ok(());
            }
        };
        let goes_on = self.pattern.depth.is_none_or(|most| depth < most);
        if entry.kind == EntryKind::Directory && goes_on {
            self.directory(&path, depth)?;
        }
        if is_match {
            self.found.paths.insert(path);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// Files by path; directories are what their paths imply.
    struct Files(BTreeMap<&'static str, ()>);

    impl FileTree for Files {
        fn read(&self, path: &RepoPath, _: u64) -> Result<Vec<u8>, TreeError> {
            Err(TreeError::NotAFile { path: path.clone() })
        }

        fn list(&self, path: &RepoPath) -> Result<Vec<TreeEntry>, TreeError> {
            let prefix = if path.is_root() { String::new() } else { format!("{}/", path.as_str()) };
            let mut entries = BTreeSet::new();
            for rest in self.0.keys().filter_map(|file| file.strip_prefix(&prefix)) {
                let (name, kind) = match rest.split_once('/') {
                    Some((name, _)) => (name, EntryKind::Directory),
                    None => (rest, EntryKind::File),
                };
                entries.insert(TreeEntry { name: name.to_owned(), kind });
            }
            match entries.is_empty() && !path.is_root() {
                true => Err(TreeError::NotFound { path: path.clone() }),
                false => Ok(entries.into_iter().collect()),
            }
        }
    }

    fn found(wanted: Wanted, patterns: &[(&str, bool)]) -> String {
        let files = [
            "README.md",
            "apps/web/kustomization.yaml",
            "apps/web/base/.keep",
            "apps/api/values.yaml",
            "apps/.hidden/values.yaml",
            "apps/.hidden/deep/values.yaml",
            "envs/eu/prod.yaml",
            "envs/prod.yaml",
        ];
        let tree = Files(files.into_iter().map(|file| (file, ())).collect());
        let found = Patterns::compile(patterns).unwrap().walk(&tree, wanted).unwrap();
        let paths: Vec<_> = found.paths.iter().map(ToString::to_string).collect();
        paths.join(" ")
    }

    #[test]
    fn a_star_stays_within_a_component_and_two_span_several() {
        let directories = |pattern: &str| found(Wanted::Directories, &[(pattern, false)]);
        assert_eq!(directories("apps/*"), "apps/api apps/web");
        assert_eq!(directories("./apps//*/"), "apps/api apps/web");
        assert_eq!(directories("*"), "apps envs");
        assert_eq!(directories("apps/**"), "apps/api apps/web apps/web/base");
        assert_eq!(directories("apps/web"), "apps/web");
        assert_eq!(directories("apps/{web,api}"), "apps/api apps/web");
        assert_eq!(directories("apps/[!a]*"), "apps/web");
        assert_eq!(directories("nothing/*"), "");
        assert_eq!(directories("README.md/*"), "");
        let files = |pattern: &str| found(Wanted::Files, &[(pattern, false)]);
        assert_eq!(files("envs/*.yaml"), "envs/prod.yaml");
        assert_eq!(files("envs/**/*.yaml"), "envs/eu/prod.yaml envs/prod.yaml");
        assert_eq!(files("envs/eu/prod.yaml"), "envs/eu/prod.yaml");
        assert_eq!(files("."), "", "the root is never listed");
    }

    #[test]
    fn what_is_hidden_must_be_named() {
        let files = |pattern: &str| found(Wanted::Files, &[(pattern, false)]);
        assert_eq!(files("apps/*/values.yaml"), "apps/api/values.yaml");
        assert_eq!(files("apps/.hidden/*"), "apps/.hidden/values.yaml");
        assert_eq!(files("apps/.h*/*"), "apps/.hidden/values.yaml");
        assert_eq!(files("apps/web/base/*"), "");
    }

    #[test]
    fn an_exclude_wins_wherever_it_stands() {
        let patterns = [("apps/w*", true), ("apps/*", false)];
        assert_eq!(found(Wanted::Directories, &patterns), "apps/api");
    }

    #[test]
    fn a_pattern_that_is_wrong_is_named() {
        for pattern in ["apps/[", "/apps/*", "../x", "a\\*"] {
            let error = Patterns::compile(&[(pattern, false)]).unwrap_err();
            assert!(error.contains(&format!("{pattern:?}")), "{error}");
        }
    }
}
