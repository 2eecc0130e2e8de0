//! All repositories of a process: resolve revisions, fetch commits, read trees.
//!
//! One lock per mirror: callers who want the same repository wait for one fetch and then find
//! what it brought. Resolving takes no lock, so a long fetch does not hold up a poll.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use gix::ObjectId;
use model::canonical::Digest;
use model::id::CommitId;
use model::status::Timestamp;

use crate::credentials::Credentials;
use crate::error::{SourceError, chain, is_local};
use crate::mirror::{self, Damage, Found, Mirror};
use crate::refs::{self, Refs};
use crate::remote::{self, Fetched, Wanted};
use crate::revision::{RemoteRef, Revision};
use crate::transport::{self, Connection, Failure, Wire, WireLimits};
use crate::tree::GitTree;
use crate::url::{RepoUrl, Scheme};

/// The longest subject and author that are passed on, in characters.
const MAX_TEXT_CHARS: usize = 200;

/// Which schemes beside `https` and `ssh` may be used.
#[derive(Debug, Clone, Copy, Default)]
pub struct UrlPolicy {
    /// Repositories on this machine: for tests and demonstrations.
    pub allow_file: bool,
    /// Repositories without encryption: whoever is on the way can change what runs.
    pub allow_http: bool,
}

/// What one connection may cost.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The longest silence of a server.
    pub idle: Duration,
    /// The longest connection.
    pub total: Duration,
    /// The most bytes of one transfer.
    pub transfer_bytes: u64,
    /// The largest single object.
    pub object_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            idle: Duration::from_secs(60),
            total: Duration::from_secs(600),
            transfer_bytes: 1024 * 1024 * 1024,
            object_bytes: 64 * 1024 * 1024,
        }
    }
}

/// Who made a commit, when, and what it says in one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitInfo {
    /// `Name <address>`.
    pub author: String,
    pub committed_at: Timestamp,
    pub subject: String,
}

/// What a server says of a repository at one moment.
#[derive(Debug)]
pub struct Survey {
    /// What each revision names, in the order in which they were asked for.
    pub commits: Vec<Result<CommitId, SourceError>>,
    /// When it was wanted.
    pub refs: Option<Result<Refs, SourceError>>,
}

/// The mirrors below a folder; clones share them.
#[derive(Clone)]
pub struct Mirrors(Arc<Inner>);

struct Inner {
    folder: PathBuf,
    policy: UrlPolicy,
    credentials: Arc<Credentials>,
    limits: Limits,
    http: OnceLock<Result<reqwest::Client, Failure>>,
    interrupt: Arc<AtomicBool>,
    mirrors: Mutex<HashMap<String, Arc<Mutex<Mirror>>>>,
}

impl Mirrors {
    /// Uses, and creates, a folder. No other process may use it at the same time.
    pub fn open(
        folder: PathBuf,
        policy: UrlPolicy,
        credentials: Credentials,
        limits: Limits,
    ) -> Result<Self, SourceError> {
        fs::create_dir_all(&folder).map_err(|error| SourceError::Mirror {
            path: folder.clone(),
            detail: error.to_string(),
        })?;
        Ok(Self(Arc::new(Inner {
            folder,
            policy,
            credentials: Arc::new(credentials),
            limits,
            http: OnceLock::new(),
            interrupt: Arc::default(),
            mirrors: Mutex::default(),
        })))
    }

    /// Ends every call that is under way, and all later ones: the process is shutting down.
    pub fn interrupt(&self) {
        self.0.interrupt.store(true, Ordering::Relaxed);
    }

    /// The commit that a revision names now. Asks the server, unless it is a full commit id.
    ///
    /// A revision is a branch or a tag (the branch wins), a full name such as `refs/tags/v1`, a
    /// version range over the tags, or empty or `HEAD` for the default branch.
    pub fn resolve(&self, url: &RepoUrl, revision: &str) -> Result<CommitId, SourceError> {
        let mut resolved = self.resolve_all(url, &[revision])?;
        resolved.pop().expect("one revision has one answer")
    }

    /// As [`Mirrors::resolve`], for many revisions with one question to the server.
    pub fn resolve_all(
        &self,
        url: &RepoUrl,
        revisions: &[&str],
    ) -> Result<Vec<Result<CommitId, SourceError>>, SourceError> {
        self.survey(url, revisions, false).map(|survey| survey.commits)
    }

    /// As [`Mirrors::resolve_all`], with all branches and tags when they are wanted, in the same
    /// question.
    pub fn survey(
        &self,
        url: &RepoUrl,
        revisions: &[&str],
        with_refs: bool,
    ) -> Result<Survey, SourceError> {
        self.0.allow(url)?;
        let parsed: Vec<_> = revisions.iter().map(|text| Revision::parse(text)).collect();
        let mut prefixes: Vec<_> = parsed.iter().flatten().flat_map(Revision::prefixes).collect();
        if with_refs {
            prefixes.extend(refs::PREFIXES.map(str::to_owned));
        }
        let listed =
            if prefixes.is_empty() { Vec::new() } else { self.0.references(url, prefixes)? };
        let commits = revisions.iter().zip(parsed);
        let commits =
            commits.map(|(text, revision)| select(url, text, revision, &listed)).collect();
        let refs = with_refs.then(|| Refs::of_server(url, &listed));
        Ok(Survey { commits, refs })
    }

    /// The files of a commit. Asks the server only when the commit is not here.
    pub fn tree(&self, url: &RepoUrl, commit: CommitId) -> Result<GitTree, SourceError> {
        let (repository, root, damaged) = self.0.commit(url, commit)?;
        Ok(GitTree::new(repository, root, damaged))
    }

    /// Who made a commit, when, and its subject.
    pub fn commit_info(&self, url: &RepoUrl, commit: CommitId) -> Result<CommitInfo, SourceError> {
        let (repository, ..) = self.0.commit(url, commit)?;
        read_info(&repository, object_id(commit))
            .map_err(|error| SourceError::Transfer { url: url.clone(), detail: chain(&error) })
    }
}

fn object_id(commit: CommitId) -> ObjectId {
    ObjectId::from(*commit.as_bytes())
}

fn select(
    url: &RepoUrl,
    text: &str,
    revision: Option<Revision>,
    refs: &[RemoteRef],
) -> Result<CommitId, SourceError> {
    let Some(revision) = revision else {
        return Err(SourceError::Revision { url: url.clone(), revision: text.to_owned() });
    };
    let found = revision.select(refs).and_then(|id| <[u8; 20]>::try_from(id.as_slice()).ok());
    found.map(CommitId::from_bytes).ok_or_else(|| SourceError::NotFound {
        url: url.clone(),
        revision: if text.is_empty() { "HEAD".to_owned() } else { text.to_owned() },
        hint: match revision {
            Revision::Head => "the repository has no commit on its default branch",
            Revision::Named { range: Some(_), .. } => "no branch, and no tag with such a version",
            _ => "no branch and no tag has this name; a commit must be written with all 40 digits",
        },
    })
}

fn read_info(repository: &gix::Repository, commit: ObjectId) -> gix::Result<CommitInfo> {
    let commit = repository.find_commit(commit)?;
    let author = commit.author()?;
    let seconds = commit.time()?.seconds;
    Ok(CommitInfo {
        author: bounded(&format!("{} <{}>", author.name, author.email)),
        committed_at: Timestamp(seconds.saturating_mul(1000)),
        subject: bounded(&commit.message()?.summary().to_string()),
    })
}

/// One line for people: no control characters, and not longer than is useful.
fn bounded(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(MAX_TEXT_CHARS).collect()
}

type Opened = (gix::Repository, ObjectId, Arc<AtomicBool>);

impl Inner {
    fn allow(&self, url: &RepoUrl) -> Result<(), SourceError> {
        let rule = match url.scheme() {
            Scheme::File if !self.policy.allow_file => {
                "repositories on this machine are not allowed"
            }
            Scheme::Http if !self.policy.allow_http => {
                "http is not encrypted and is not allowed here; use https"
            }
            _ => return Ok(()),
        };
        Err(SourceError::Policy { url: url.clone(), rule })
    }

    fn slot(&self, url: &RepoUrl) -> Arc<Mutex<Mirror>> {
        let key = url.key();
        let path = self.folder.join(Digest::of(key.as_bytes()).to_string());
        let mut mirrors = self.mirrors.lock().unwrap_or_else(PoisonError::into_inner);
        let mirror = mirrors.entry(key).or_insert_with(|| Arc::new(Mutex::new(Mirror::new(path))));
        Arc::clone(mirror)
    }

    fn connect(&self, url: &RepoUrl) -> Result<Connection, Failure> {
        let limits = WireLimits {
            idle: self.limits.idle,
            total: self.limits.total,
            bytes: self.limits.transfer_bytes,
        };
        let wire = Wire::new(limits, Arc::clone(&self.interrupt))?;
        let http = || {
            let client = || transport::http_client(self.credentials.trusted_pems());
            self.http.get_or_init(client).clone()
        };
        transport::connect(url, &self.credentials, http, wire)
    }

    /// Runs one conversation with the server.
    fn talk<T>(
        &self,
        url: &RepoUrl,
        conversation: impl FnOnce(&mut Connection) -> gix::Result<T>,
    ) -> Result<T, TalkError> {
        let mut connection = self.connect(url).map_err(|failure| TalkError {
            error: gix::Error::from_error(failure.clone()),
            failure: Some(failure),
        })?;
        conversation(&mut connection)
            .map_err(|error| TalkError { error, failure: connection.wire.failure() })
    }

    fn references(
        &self,
        url: &RepoUrl,
        prefixes: Vec<String>,
    ) -> Result<Vec<RemoteRef>, SourceError> {
        let asked =
            |connection: &mut Connection| remote::references(&mut *connection.transport, prefixes);
        self.talk(url, asked).map_err(|error| error.into_source(url))
    }

    /// The repository with the commit in it, and the commit's tree.
    fn commit(&self, url: &RepoUrl, commit: CommitId) -> Result<Opened, SourceError> {
        self.allow(url)?;
        let slot = self.slot(url);
        let mut mirror = slot.lock().unwrap_or_else(PoisonError::into_inner);
        let id = object_id(commit);
        let complained = mirror::take_complaint(&mirror.damaged());
        match self.present(url, &mut mirror, commit, complained) {
            Ok(Some(opened)) => return Ok(opened),
            Ok(None) => {}
            Err(Trouble::Source(error)) => return Err(error),
            Err(Trouble::Damage(damage)) => return self.renew(url, &mut mirror, commit, &damage),
        }
        let repository = match mirror.open() {
            Ok(repository) => repository,
            Err(damage) => return self.renew(url, &mut mirror, commit, &damage),
        };
        self.fetch(url, &repository, commit)?;
        let repository = mirror.reopen().map_err(|damage| cannot_write(&mirror, damage))?;
        let root = self.settle(url, &mirror, &repository, id, commit)?;
        Ok((repository, root, mirror.damaged()))
    }

    /// The commit, when it is here and whole. `suspicious` reads every byte of it.
    fn present(
        &self,
        url: &RepoUrl,
        mirror: &mut MutexGuard<'_, Mirror>,
        commit: CommitId,
        suspicious: bool,
    ) -> Result<Option<Opened>, Trouble> {
        let repository = mirror.open().map_err(Trouble::Damage)?;
        let id = object_id(commit);
        let marked = mirror::is_marked(&repository, id).map_err(Trouble::Damage)?;
        let found = if marked && !suspicious {
            root_of(&repository, id)
        } else {
            mirror::inspect(&repository, id, suspicious)
        };
        match found.map_err(Trouble::Damage)? {
            Found::Complete { root } => {
                if !marked {
                    let written = mirror::mark(&repository, id);
                    written.map_err(|damage| Trouble::Source(cannot_write(mirror, damage)))?;
                }
                Ok(Some((repository, root, mirror.damaged())))
            }
            Found::NotACommit => {
                Err(Trouble::Source(SourceError::NotACommit { url: url.clone(), commit }))
            }
            Found::Missing if marked => {
                Err(Trouble::Damage("an object that was here is gone".to_owned()))
            }
            Found::Missing => Ok(None),
        }
    }

    /// Fills a new mirror and puts it into the place of a damaged one. When the server does not
    /// answer, the damaged one stays.
    fn renew(
        &self,
        url: &RepoUrl,
        mirror: &mut MutexGuard<'_, Mirror>,
        commit: CommitId,
        damage: &Damage,
    ) -> Result<Opened, SourceError> {
        tracing::warn!(%url, %damage, "a mirror is damaged and is fetched anew");
        let failed = |damage| cannot_write(mirror, damage);
        let mut next = mirror.replacement().map_err(failed)?;
        let repository = next.open().map_err(failed)?;
        self.fetch(url, &repository, commit)?;
        let repository = next.reopen().map_err(failed)?;
        let id = object_id(commit);
        self.settle(url, &next, &repository, id, commit)?;
        drop(repository);
        mirror.replace(next).map_err(|damage| cannot_write(mirror, damage))?;
        let repository = mirror.open().map_err(|damage| cannot_write(mirror, damage))?;
        match root_of(&repository, id) {
            Ok(Found::Complete { root }) => Ok((repository, root, mirror.damaged())),
            _ => Err(cannot_write(mirror, "the commit vanished".to_owned())),
        }
    }

    /// Checks what a fetch brought, and marks it. Only then the commit is here.
    fn settle(
        &self,
        url: &RepoUrl,
        mirror: &Mirror,
        repository: &gix::Repository,
        id: ObjectId,
        commit: CommitId,
    ) -> Result<ObjectId, SourceError> {
        let cut = |detail: String| SourceError::Transfer { url: url.clone(), detail };
        match mirror::inspect(repository, id, false).map_err(cut)? {
            Found::Complete { root } => {
                mirror::mark(repository, id).map_err(|damage| cannot_write(mirror, damage))?;
                Ok(root)
            }
            Found::NotACommit => Err(SourceError::NotACommit { url: url.clone(), commit }),
            Found::Missing => Err(cut("objects of the commit are missing".to_owned())),
        }
    }

    /// Brings the objects of a commit: the commit alone when the server allows that, else
    /// everything that the server has.
    fn fetch(
        &self,
        url: &RepoUrl,
        repository: &gix::Repository,
        commit: CommitId,
    ) -> Result<(), SourceError> {
        let haves = mirror::marked(repository).unwrap_or_default();
        let id = object_id(commit);
        match self.transfer(url, repository, Wanted::Commit { commit: id, haves }) {
            Ok(true) => return Ok(()),
            Ok(false) => {}
            Err(error) if error.refuses_single_commits() => {}
            Err(error) => return Err(error.into_fetch(url, repository)),
        }
        tracing::debug!(%url, %commit, "the server gives out no single commit: fetching all");
        self.transfer(url, repository, Wanted::Everything)
            .map_err(|error| error.into_fetch(url, repository))?;
        if repository.has_object(id) {
            return Ok(());
        }
        Err(SourceError::NotFound {
            url: url.clone(),
            revision: commit.to_string(),
            hint: "the server does not have this commit, or no branch or tag leads to it any more",
        })
    }

    /// `false` when the server does not offer what is wanted.
    fn transfer(
        &self,
        url: &RepoUrl,
        repository: &gix::Repository,
        wanted: Wanted,
    ) -> Result<bool, TalkError> {
        let limit = self.limits.object_bytes;
        let fetched = self.talk(url, |connection| {
            let interrupt = connection.wire.interrupt();
            remote::fetch(&mut *connection.transport, repository, wanted, limit, interrupt)
        })?;
        let Fetched::Objects { keep } = fetched else { return Ok(false) };
        if let Some(keep) = keep {
            // The file only tells a garbage collector to wait; none runs on our mirrors.
            fs::remove_file(keep).ok();
        }
        Ok(true)
    }
}

/// The tree of a commit that was found complete before.
fn root_of(repository: &gix::Repository, commit: ObjectId) -> Result<Found, Damage> {
    let found = repository.try_find_object(commit).map_err(|error| chain(&error))?;
    let Some(found) = found else { return Ok(Found::Missing) };
    let commit = found.try_into_commit().map_err(|error| chain(&error))?;
    let root = commit.tree_id().map_err(|error| chain(&error))?.detach();
    Ok(if repository.has_object(root) { Found::Complete { root } } else { Found::Missing })
}

fn cannot_write(mirror: &Mirror, detail: Damage) -> SourceError {
    SourceError::Mirror { path: mirror.path().to_owned(), detail }
}

enum Trouble {
    Source(SourceError),
    Damage(Damage),
}

/// How a conversation failed: gix's view, and the connection's own when it knows better.
struct TalkError {
    failure: Option<Failure>,
    error: gix::Error,
}

impl TalkError {
    fn into_source(self, url: &RepoUrl) -> SourceError {
        SourceError::from_transport(url, self.failure, &self.error)
    }

    /// As `into_source`, for a conversation that also wrote to the mirror.
    fn into_fetch(self, url: &RepoUrl, repository: &gix::Repository) -> SourceError {
        if self.failure.is_none() && is_local(&self.error) {
            let path = repository.path().to_owned();
            return SourceError::Mirror { path, detail: chain(&self.error) };
        }
        self.into_source(url)
    }

    /// The server said that it does not give out this object, or gix that the server cannot leave
    /// the history away.
    fn refuses_single_commits(&self) -> bool {
        let said = self.failure.as_ref().map_or_else(|| chain(&self.error), ToString::to_string);
        let phrases = ["not our ref", "unadvertised object", "lack feature \"shallow\""];
        phrases.iter().any(|phrase| said.contains(phrase))
    }
}
