//! Filters over repositories and pull requests.

use model::provider::{Branch, PullRequest, Repository, ScmFilter};
use regex::Regex;

/// The filters of an `scmProvider`, compiled.
///
/// A filter that looks at branches or paths is one of branches, with all of its conditions; one
/// that looks at names or labels only is one of repositories. Of each class that there is, one
/// filter must hold: the classes are joined by "and", the filters in them by "or".
#[derive(Debug)]
pub(crate) struct ScmFilters {
    repositories: Vec<Compiled>,
    branches: Vec<Compiled>,
}

#[derive(Debug)]
struct Compiled {
    repository: Option<Regex>,
    label: Option<Regex>,
    branch: Option<Regex>,
    paths_exist: Vec<String>,
    paths_do_not_exist: Vec<String>,
}

impl ScmFilters {
    pub(crate) fn compile(filters: &[ScmFilter]) -> Result<Self, String> {
        let (mut repositories, mut branches) = (Vec::new(), Vec::new());
        for (index, filter) in filters.iter().enumerate() {
            let regex = |field: &str, source: &Option<String>| {
                compile(&format!("filters[{index}].{field}"), source.as_deref())
            };
            let compiled = Compiled {
                repository: regex("repositoryMatch", &filter.repository_match)?,
                label: regex("labelMatch", &filter.label_match)?,
                branch: regex("branchMatch", &filter.branch_match)?,
                paths_exist: filter.paths_exist.iter().map(|path| trimmed(path)).collect(),
                paths_do_not_exist: filter
                    .paths_do_not_exist
                    .iter()
                    .map(|path| trimmed(path))
                    .collect(),
            };
            let is_of_branches = compiled.branch.is_some()
                || !compiled.paths_exist.is_empty()
                || !compiled.paths_do_not_exist.is_empty();
            if is_of_branches {
                branches.push(compiled);
            } else if compiled.repository.is_some() || compiled.label.is_some() {
                repositories.push(compiled);
            }
        }
        Ok(Self { repositories, branches })
    }

    /// Each branch that is kept, with its repository, in the order of the answer.
    pub(crate) fn select<'a>(
        &'a self,
        repositories: &'a [Repository],
    ) -> impl Iterator<Item = (&'a Repository, &'a Branch)> {
        repositories.iter().filter(|one| self.takes_repository(one)).flat_map(move |repository| {
            let branches = repository.branches.iter();
            branches
                .filter(move |branch| self.takes_branch(repository, branch))
                .map(move |branch| (repository, branch))
        })
    }

    fn takes_repository(&self, repository: &Repository) -> bool {
        self.repositories.is_empty()
            || self.repositories.iter().any(|filter| filter.matches_repository(repository))
    }

    fn takes_branch(&self, repository: &Repository, branch: &Branch) -> bool {
        self.branches.is_empty()
            || self.branches.iter().any(|filter| {
                filter.matches_repository(repository) && filter.matches_branch(branch)
            })
    }
}

impl Compiled {
    fn matches_repository(&self, repository: &Repository) -> bool {
        let name = self.repository.as_ref();
        let label = self.label.as_ref();
        name.is_none_or(|regex| regex.is_match(&repository.repository))
            && label.is_none_or(|regex| repository.labels.iter().any(|label| regex.is_match(label)))
    }

    fn matches_branch(&self, branch: &Branch) -> bool {
        let has = |path: &String| branch.paths.iter().any(|one| one.trim_end_matches('/') == path);
        self.branch.as_ref().is_none_or(|regex| regex.is_match(&branch.name))
            && self.paths_exist.iter().all(has)
            && !self.paths_do_not_exist.iter().any(has)
    }
}

/// What a `pullRequest` generator keeps; all conditions of one filter must hold.
#[derive(Debug, Clone, Default)]
pub(crate) struct PullRequestFilter {
    pub(crate) branch_match: Option<String>,
    pub(crate) target_branch_match: Option<String>,
    pub(crate) title_match: Option<String>,
}

/// The filters of a `pullRequest` generator, compiled; one of them must hold if there are any.
#[derive(Debug)]
pub(crate) struct PullRequestFilters(Vec<[Option<Regex>; 3]>);

impl PullRequestFilters {
    pub(crate) fn compile(filters: &[PullRequestFilter]) -> Result<Self, String> {
        let compiled = filters.iter().enumerate().map(|(index, filter)| {
            let regex = |field: &str, source: &Option<String>| {
                compile(&format!("filters[{index}].{field}"), source.as_deref())
            };
            Ok([
                regex("branchMatch", &filter.branch_match)?,
                regex("targetBranchMatch", &filter.target_branch_match)?,
                regex("titleMatch", &filter.title_match)?,
            ])
        });
        compiled.collect::<Result<_, _>>().map(Self)
    }

    pub(crate) fn matches(&self, pull: &PullRequest) -> bool {
        let texts = [&pull.branch, &pull.target_branch, &pull.title];
        let holds = |filter: &[Option<Regex>; 3]| {
            let pairs = filter.iter().zip(texts);
            pairs
                .into_iter()
                .all(|(regex, text)| regex.as_ref().is_none_or(|regex| regex.is_match(text)))
        };
        self.0.is_empty() || self.0.iter().any(holds)
    }
}

fn trimmed(path: &str) -> String {
    path.trim_end_matches('/').to_owned()
}

fn compile(field: &str, source: Option<&str>) -> Result<Option<Regex>, String> {
    let compile = |source| gotemplate::functions::regex::expression(source);
    source.map(compile).transpose().map_err(|error| format!("{field}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: &str) -> Option<String> {
        (!value.is_empty()).then(|| value.to_owned())
    }

    fn filter(
        repository: &str,
        label: &str,
        branch: &str,
        exist: &[&str],
        not: &[&str],
    ) -> ScmFilter {
        let paths = |paths: &[&str]| paths.iter().map(|path| (*path).to_owned()).collect();
        ScmFilter {
            repository_match: text(repository),
            label_match: text(label),
            branch_match: text(branch),
            paths_exist: paths(exist),
            paths_do_not_exist: paths(not),
        }
    }

    fn repository(name: &str, labels: &[&str], branches: &[(&str, &[&str])]) -> Repository {
        let branch = |(name, paths): &(&str, &[&str])| Branch {
            name: (*name).to_owned(),
            sha: "0".repeat(40),
            paths: paths.iter().map(|path| (*path).to_owned()).collect(),
        };
        Repository {
            repository: name.to_owned(),
            labels: labels.iter().map(|label| (*label).to_owned()).collect(),
            branches: branches.iter().map(branch).collect(),
            ..Repository::default()
        }
    }

    fn kept(filters: &[ScmFilter]) -> String {
        let repositories = [
            repository("api", &["team-a"], &[("main", &["deploy"]), ("next", &["deploy", "old"])]),
            repository("web", &[], &[("main", &[])]),
        ];
        let filters = ScmFilters::compile(filters).unwrap();
        let kept =
            filters.select(&repositories).map(|(r, b)| format!("{}:{}", r.repository, b.name));
        kept.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn classes_are_joined_by_and_their_filters_by_or() {
        assert_eq!(kept(&[]), "api:main api:next web:main");
        assert_eq!(kept(&[filter("^ap", "", "", &[], &[])]), "api:main api:next");
        assert_eq!(kept(&[filter("", "team", "", &[], &[])]), "api:main api:next");
        let both = [filter("api", "", "", &[], &[]), filter("web", "", "", &[], &[])];
        assert_eq!(kept(&both), "api:main api:next web:main");
        // One of repositories and one of branches: both must hold.
        let both = [filter("web", "", "", &[], &[]), filter("", "", "main", &[], &[])];
        assert_eq!(kept(&both), "web:main");
        // A mixed one is one of branches, with its name too.
        let mixed = [filter("api", "", "main", &[], &[]), filter("web", "", "nope", &[], &[])];
        assert_eq!(kept(&mixed), "api:main");
        assert_eq!(kept(&[filter("", "", "", &["deploy/"], &["old"])]), "api:main");
        assert_eq!(kept(&[ScmFilter::default()]), "api:main api:next web:main");
    }

    #[test]
    fn conditions_of_pull_requests_are_joined_by_and() {
        let pull = PullRequest {
            title: "Fix the crane".to_owned(),
            branch: "fix/crane".to_owned(),
            target_branch: "main".to_owned(),
            ..PullRequest::default()
        };
        let matches = |filters: &[(&str, &str, &str)]| {
            let filters = filters.iter().map(|(branch, target, title)| PullRequestFilter {
                branch_match: text(branch),
                target_branch_match: text(target),
                title_match: text(title),
            });
            let filters: Vec<_> = filters.collect();
            PullRequestFilters::compile(&filters).unwrap().matches(&pull)
        };
        assert!(matches(&[]));
        assert!(matches(&[("^fix/", "^main$", "crane")]));
        assert!(!matches(&[("^fix/", "^release", "")]));
        assert!(matches(&[("", "", "nope"), ("", "", "(?i)CRANE")]));
        assert!(matches(&[("", "", "")]));
    }

    #[test]
    fn a_bad_expression_is_named() {
        let error = ScmFilters::compile(&[filter("", "", "(", &[], &[])]).unwrap_err();
        assert!(error.starts_with("filters[0].branchMatch: "), "{error}");
    }
}
