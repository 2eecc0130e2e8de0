//! What to ask each service: addresses and credentials, as values. Nothing here waits.

mod aws;
mod azure;
mod bitbucket;
mod bitbucket_server;
mod gitea;
mod github;
mod gitlab;
mod plugin;

use std::collections::BTreeMap;

use model::provider::{
    BasicAuth, BearerToken, ConfigMapKeyRef, PullRequestProvider, ScmProvider, SecretRef,
};
use reqwest::Url;

pub(crate) use aws::endpoint as aws_endpoint;
pub(crate) use plugin::plugin;

use crate::auth::Auth;
use crate::call::Call;
use crate::config::Config;
use crate::failure::{Failure, FailureKind};
use crate::http::Trust;
use crate::secret::Secrets;
use crate::site::Identity;
use crate::wire::{FoundBranch, FoundPullRequest, FoundRepository};

/// How the repositories of an organisation are asked for.
pub(crate) trait Forge: Send + Sync {
    /// What the answer calls the organisation, where the service does not say.
    fn organization(&self) -> &str;

    fn repositories(&self) -> Result<Call, Failure>;

    /// The list has only names, and each needs `detail`.
    fn lists_names(&self) -> bool {
        false
    }

    fn detail(&self, _name: &str) -> Result<Call, Failure> {
        Err(Failure::new(FailureKind::Request, "the service has no details of a repository"))
    }

    /// Whether a repository of the list is wanted at all.
    fn keeps(&self, repository: &FoundRepository) -> bool;

    /// How to ask for labels that the list does not have.
    fn labels(&self, _repository: &FoundRepository) -> Result<Option<Call>, Failure> {
        Ok(None)
    }

    fn branches(&self, repository: &FoundRepository) -> Result<Branches, Failure>;

    /// `path` has no `/` at its end and no `..` in it. Asks at the commit, not at the branch: the
    /// answer is about what `sha` says, and stays true for ever.
    fn probe(
        &self,
        repository: &FoundRepository,
        branch: &FoundBranch,
        path: &str,
    ) -> Result<Probe, Failure>;
}

pub(crate) enum Branches {
    Known(Vec<FoundBranch>),
    Ask(Call),
}

/// How to find out whether a path exists.
pub(crate) enum Probe {
    Known(bool),
    /// It does if the answer has a page.
    Ask(Call),
    /// It does if this entry is in the list.
    Listed(Call, String),
}

/// A list of pull requests, and which of them count.
pub(crate) struct PullRequests {
    pub call: Call,
    /// All of them must be on it.
    pub labels: Vec<String>,
    /// Where the list is of several repositories.
    pub repository: Option<String>,
}

impl PullRequests {
    pub(crate) fn takes(&self, found: &FoundPullRequest) -> bool {
        let labels = &found.pull_request.labels;
        self.labels.iter().all(|label| labels.contains(label))
            && self.repository.as_ref().is_none_or(|name| found.repository.as_ref() == Some(name))
    }
}

/// Where certificates and addresses come from.
#[derive(Clone, Copy)]
pub(crate) struct Context<'a> {
    pub config: &'a Config,
    pub secrets: &'a dyn Secrets,
}

impl Context<'_> {
    fn trust(&self, insecure: bool, authority: Option<&ConfigMapKeyRef>) -> Result<Trust, Failure> {
        let Some(ConfigMapKeyRef { config_map_name, key }) = authority else {
            return Ok(Trust { insecure, pem: None });
        };
        let failure = |message: String| Failure::new(FailureKind::Secret, message);
        let data = self.secrets.config_map(config_map_name);
        let mut data: BTreeMap<_, _> = data.map_err(|missing| failure(missing.to_string()))?;
        let pem = data.remove(key).ok_or_else(|| {
            failure(format!("the ConfigMap `{config_map_name}` has no key `{key}`"))
        })?;
        Ok(Trust { insecure, pem: Some(pem) })
    }
}

pub(crate) fn forge(
    provider: &ScmProvider,
    context: Context<'_>,
) -> Result<(Identity, Box<dyn Forge>), Failure> {
    Ok(match provider {
        ScmProvider::Github(from) => boxed(github::Github::new(from, context)?),
        ScmProvider::Gitlab(from) => boxed(gitlab::Gitlab::new(from, context)?),
        ScmProvider::Gitea(from) => boxed(gitea::Gitea::new(from, context)?),
        ScmProvider::BitbucketServer(from) => {
            boxed(bitbucket_server::BitbucketServer::new(from, context)?)
        }
        ScmProvider::Bitbucket(from) => boxed(bitbucket::Bitbucket::new(from, context)?),
        ScmProvider::AzureDevOps(from) => boxed(azure::Azure::new(from, context)?),
        ScmProvider::AwsCodeCommit(from) => boxed(aws::CodeCommit::new(from, context)?),
    })
}

fn boxed(pair: (Identity, impl Forge + 'static)) -> (Identity, Box<dyn Forge>) {
    (pair.0, Box::new(pair.1))
}

pub(crate) fn pull_requests(
    provider: &PullRequestProvider,
    context: Context<'_>,
) -> Result<(Identity, PullRequests), Failure> {
    match provider {
        PullRequestProvider::Github(from) => github::pull_requests(from, context),
        PullRequestProvider::Gitlab(from) => gitlab::pull_requests(from, context),
        PullRequestProvider::Gitea(from) => gitea::pull_requests(from, context),
        PullRequestProvider::BitbucketServer(from) => {
            bitbucket_server::pull_requests(from, context)
        }
        PullRequestProvider::Bitbucket(from) => bitbucket::pull_requests(from, context),
        PullRequestProvider::AzureDevOps(from) => azure::pull_requests(from, context),
    }
}

/// The address of a document, or the public service's.
fn base_or(text: &str, public: &str) -> Result<Url, Failure> {
    crate::call::base(if text.is_empty() { public } else { text })
}

/// Adds a path unless the address has it already; people write both.
fn with_path(mut url: Url, tail: &str) -> Url {
    let path = url.path().trim_end_matches('/').to_owned();
    if path.ends_with(tail) {
        url.set_path(&path);
    } else {
        url.set_path(&format!("{path}{tail}"));
    }
    url
}

fn token(reference: Option<&SecretRef>, header: &'static str, before: &'static str) -> Auth {
    reference.map_or(Auth::None, |token| Auth::Token { header, before, token: token.clone() })
}

/// A bearer token before a password, as the documents say.
fn either(basic: Option<&BasicAuth>, bearer: Option<&BearerToken>) -> Auth {
    match (bearer, basic) {
        (Some(BearerToken { token_ref }), _) => Auth::bearer(token_ref.clone()),
        (None, Some(BasicAuth { username, password_ref })) => {
            Auth::Basic { user: username.clone(), password: password_ref.clone() }
        }
        (None, None) => Auth::None,
    }
}

/// A path as segments of an address; empty ones, as in `a//b`, do not count.
fn parts(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|part| !matches!(*part, "" | "."))
}

fn default_branch(repository: &FoundRepository) -> Option<&str> {
    repository.default_branch.as_deref().filter(|branch| !branch.is_empty() && !repository.empty)
}
