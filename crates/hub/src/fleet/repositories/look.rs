//! One look at one repository: all that is wanted of it in one question to its server, and then the
//! commits that are not here yet. Blocks; the owner runs it on a blocking thread.

use std::sync::Arc;

use generators::{Refs, RepoReference};
use model::id::CommitId;
use runtime::error::chain;
use source::{Mirrors, RepoUrl, SourceError};

use super::Tree;

/// One repository to look at.
#[derive(Debug, Clone)]
pub(in crate::fleet) struct Job {
    pub(in crate::fleet) url: RepoUrl,
    pub(super) wanted: Vec<Wanted>,
    /// Whether its branches and tags are wanted.
    pub(super) names: bool,
}

#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub(super) reference: RepoReference,
    pub(super) tree: bool,
    /// The last good commit, and the commit of the tree at hand.
    pub(super) known: Option<CommitId>,
    pub(super) at_hand: Option<CommitId>,
}

/// What a look at one repository brought.
pub(in crate::fleet) struct Looked {
    pub(super) url: RepoUrl,
    pub(super) found: Vec<Found>,
    /// Its branches and tags, when they were wanted.
    pub(super) names: Option<Result<Arc<Refs>, String>>,
}

pub(super) struct Found {
    pub(super) reference: RepoReference,
    /// The commit that the revision names now, with its tree when that was wanted.
    pub(super) commit: Option<CommitId>,
    pub(super) tree: Option<(CommitId, Tree)>,
    pub(super) error: Option<String>,
}

impl Job {
    /// Looks at the repository, for as long as the mirrors allow a connection to take.
    #[must_use]
    pub(in crate::fleet) fn run(self, mirrors: &Mirrors) -> Looked {
        let Self { url, wanted, names } = self;
        let revisions: Vec<_> = wanted.iter().map(|one| one.reference.revision.as_str()).collect();
        let (commits, names) = match mirrors.survey(&url, &revisions, names) {
            Ok(survey) => (survey.commits, survey.refs),
            Err(error) => (vec![Err(error.clone()); wanted.len()], names.then_some(Err(error))),
        };
        let pairs = wanted.into_iter().zip(commits);
        let found = pairs.map(|(one, commit)| one.look(mirrors, &url, commit)).collect();
        let listed = |source::Refs { branches, tags }| Arc::new(Refs { branches, tags });
        let names = names.map(|refs| refs.map(listed).map_err(|error| chain(&error)));
        Looked { url, found, names }
    }
}

impl Wanted {
    fn look(
        self,
        mirrors: &Mirrors,
        url: &RepoUrl,
        commit: Result<CommitId, SourceError>,
    ) -> Found {
        let tree = |commit: CommitId| {
            let tree = mirrors.tree(url, commit)?;
            Ok::<_, SourceError>((commit, Arc::new(tree) as Tree))
        };
        let (commit, tree, error) = match commit {
            Ok(commit) if !self.tree || self.at_hand == Some(commit) => (Some(commit), None, None),
            Ok(commit) => match tree(commit) {
                Ok(tree) => (Some(commit), Some(tree), None),
                Err(error) => (None, self.fallback(tree), Some(chain(&error))),
            },
            Err(error) => (None, self.fallback(tree), Some(chain(&error))),
        };
        Found { reference: self.reference, commit, tree, error }
    }

    /// The last good tree, which the mirror usually still has after a restart.
    fn fallback<E>(
        &self,
        tree: impl FnOnce(CommitId) -> Result<(CommitId, Tree), E>,
    ) -> Option<(CommitId, Tree)> {
        let wanted = self.known.filter(|_| self.tree && self.at_hand.is_none());
        wanted.and_then(|commit| tree(commit).ok())
    }
}
