//! The parameters of a repository's branch and of a pull request.

use model::provider::{Branch, PullRequest, Repository, ScmProvider};
use serde_json::{Map, Value};

use super::slug::slug;
use crate::template::normalize;

/// The longest slug: a DNS label has 63 characters, of which templates may add some.
const MAX_SLUG: usize = 50;
/// What is used when the generator names no protocol.
const DEFAULT_PROTOCOL: &str = "ssh";

/// The address that a repository is cloned from.
///
/// # Errors
/// When the service gave none for the protocol.
pub(crate) fn clone_url(
    provider: &ScmProvider,
    repository: &Repository,
    protocol: &str,
) -> Result<String, String> {
    let urls = &repository.urls;
    // Azure DevOps has one address, whatever is asked for.
    if let (ScmProvider::AzureDevOps(_), Some(url)) = (provider, urls.values().next()) {
        return Ok(url.clone());
    }
    let protocol = if protocol.is_empty() { DEFAULT_PROTOCOL } else { protocol };
    urls.get(protocol).cloned().ok_or_else(|| {
        let known: Vec<_> = urls.keys().map(String::as_str).collect();
        model::suggest::unknown("cloneProtocol", protocol, &known)
    })
}

/// What a branch of a repository gives.
pub(crate) fn of_branch(repository: &Repository, branch: &Branch, url: &str) -> Map<String, Value> {
    let text = |text: &str| Value::from(text);
    Map::from_iter([
        ("organization".to_owned(), text(&repository.organization)),
        ("repository".to_owned(), text(&repository.repository)),
        ("repository_id".to_owned(), repository.repository_id.clone()),
        ("url".to_owned(), text(url)),
        ("branch".to_owned(), text(&branch.name)),
        ("branchNormalized".to_owned(), normalize(&branch.name).into()),
        ("sha".to_owned(), text(&branch.sha)),
        ("short_sha".to_owned(), text(head(&branch.sha, 8))),
        ("short_sha_7".to_owned(), text(head(&branch.sha, 7))),
        ("labels".to_owned(), repository.labels.join(",").into()),
    ])
}

/// What a pull request gives; `labels` is a list.
pub(crate) fn of_pull_request(pull: &PullRequest) -> Map<String, Value> {
    let text = |text: &str| Value::from(text);
    Map::from_iter([
        ("number".to_owned(), pull.number.to_string().into()),
        ("title".to_owned(), text(&pull.title)),
        ("branch".to_owned(), text(&pull.branch)),
        ("branch_slug".to_owned(), slug(&pull.branch, MAX_SLUG).into()),
        ("target_branch".to_owned(), text(&pull.target_branch)),
        ("target_branch_slug".to_owned(), slug(&pull.target_branch, MAX_SLUG).into()),
        ("head_sha".to_owned(), text(&pull.head_sha)),
        ("head_short_sha".to_owned(), text(head(&pull.head_sha, 8))),
        ("head_short_sha_7".to_owned(), text(head(&pull.head_sha, 7))),
        ("author".to_owned(), text(&pull.author)),
        ("labels".to_owned(), pull.labels.clone().into()),
    ])
}

fn head(sha: &str, length: usize) -> &str {
    sha.get(..length).unwrap_or(sha)
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::provider::{ScmAwsCodeCommit, ScmAzureDevOps, SecretRef};
    use serde_json::json;

    #[test]
    fn a_branch_gives_the_field_names_of_the_field() {
        let repository = Repository {
            organization: "harbour".to_owned(),
            repository: "crane".to_owned(),
            repository_id: json!(123_456_789),
            labels: vec!["a".to_owned(), "b".to_owned()],
            ..Repository::default()
        };
        let branch = Branch {
            name: "Feature/Über".to_owned(),
            sha: "0123456789abcdef".to_owned(),
            ..Branch::default()
        };
        let expected = json!({
            "organization": "harbour", "repository": "crane", "repository_id": 123_456_789,
            "url": "git@x", "branch": "Feature/Über", "branchNormalized": "feature--ber",
            "sha": "0123456789abcdef", "short_sha": "01234567", "short_sha_7": "0123456",
            "labels": "a,b",
        });
        assert_eq!(Value::Object(of_branch(&repository, &branch, "git@x")), expected);
    }

    #[test]
    fn a_pull_request_gives_slugs_and_a_list_of_labels() {
        let pull = PullRequest {
            number: 42,
            title: "It's \"done\"".to_owned(),
            branch: "Feature/a_b & c".to_owned(),
            target_branch: "release-1.2".to_owned(),
            head_sha: "abc".to_owned(),
            author: "ada".to_owned(),
            labels: vec!["x".to_owned()],
        };
        let expected = json!({
            "number": "42", "title": "It's \"done\"", "branch": "Feature/a_b & c",
            "branch_slug": "feature-a-b-and-c", "target_branch": "release-1.2",
            "target_branch_slug": "release-1-2", "head_sha": "abc", "head_short_sha": "abc",
            "head_short_sha_7": "abc", "author": "ada", "labels": ["x"],
        });
        assert_eq!(Value::Object(of_pull_request(&pull)), expected);
    }

    #[test]
    fn the_protocol_chooses_the_address() {
        let mut repository = Repository::default();
        repository.urls.insert("ssh".to_owned(), "git@x".to_owned());
        repository.urls.insert("https".to_owned(), "https://x".to_owned());
        let aws = ScmProvider::AwsCodeCommit(ScmAwsCodeCommit::default());
        let url = |protocol: &str| clone_url(&aws, &repository, protocol);
        assert_eq!(url("").as_deref(), Ok("git@x"));
        assert_eq!(url("https").as_deref(), Ok("https://x"));
        assert!(url("http").unwrap_err().contains("did you mean \"https\""));
        let azure = ScmProvider::AzureDevOps(ScmAzureDevOps {
            organization: String::new(),
            team_project: String::new(),
            access_token_ref: SecretRef { secret_name: String::new(), key: String::new() },
            api: String::new(),
            all_branches: false,
        });
        assert_eq!(clone_url(&azure, &repository, "nonsense").as_deref(), Ok("https://x"));
    }
}
