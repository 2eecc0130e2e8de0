//! Which repositories a set looks at.

use std::collections::BTreeSet;
use std::fmt;

use model::generator::{Generator, GeneratorKind};
use model::set::ApplicationSet;

/// A repository at a revision, as a generator writes it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RepoReference {
    pub repo_url: String,
    /// Empty for the default branch.
    pub revision: String,
}

impl fmt::Display for RepoReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let revision = if self.revision.is_empty() { "HEAD" } else { &self.revision };
        write!(f, "{} at {revision}", self.repo_url)
    }
}

/// What a set's git generators look at, sorted, so that it can be fetched before [`crate::expand`].
///
/// References that are templates are left out: what they come to is only known while expanding.
/// They are in [`crate::SetExpansion::missing`] afterwards.
#[must_use]
pub fn references(set: &ApplicationSet) -> Vec<RepoReference> {
    let mut found = BTreeSet::new();
    set.spec.generators.iter().for_each(|generator| collect(generator, &mut found));
    found.into_iter().collect()
}

fn collect(generator: &Generator, found: &mut BTreeSet<RepoReference>) {
    match &generator.kind {
        GeneratorKind::Git(git) => {
            let is_template = |text: &str| text.contains("{{");
            if !is_template(&git.repo_url) && !is_template(&git.revision) {
                let (repo_url, revision) = (git.repo_url.clone(), git.revision.clone());
                found.insert(RepoReference { repo_url, revision });
            }
        }
        GeneratorKind::Branches(refs) | GeneratorKind::Tags(refs)
            if !refs.repo_url.contains("{{") =>
        {
            found
                .insert(RepoReference { repo_url: refs.repo_url.clone(), revision: String::new() });
        }
        _ => {}
    }
    generator.children().for_each(|child| collect(child, found));
}
