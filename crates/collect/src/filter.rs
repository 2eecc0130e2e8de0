//! The filters of a request, used to ask less. The generator applies them again: this is about what
//! need not be asked, never about what an answer means.
//!
//! Filters that look at a branch or a path are one group, all others another; what passes must pass
//! one of each group. So a repository that no filter of a group can take has no branches to ask for.

use model::provider::ScmFilter;
use regex::{Regex, RegexBuilder};

use crate::failure::{Failure, FailureKind};

/// The largest program that a pattern may become; it is matched without backtracking.
const MAX_PATTERN: usize = 1 << 20;

pub(crate) struct Filters {
    repositories: Vec<Filter>,
    branches: Vec<Filter>,
}

#[derive(Default)]
pub(crate) struct Filter {
    repository: Option<Regex>,
    label: Option<Regex>,
    branch: Option<Regex>,
    pub exist: Vec<String>,
    pub missing: Vec<String>,
}

impl Filters {
    pub(crate) fn new(filters: &[ScmFilter]) -> Result<Self, Failure> {
        let mut found = Self { repositories: Vec::new(), branches: Vec::new() };
        for filter in filters {
            let compiled = Filter {
                repository: pattern(filter.repository_match.as_deref())?,
                label: pattern(filter.label_match.as_deref())?,
                branch: pattern(filter.branch_match.as_deref())?,
                exist: filter.paths_exist.clone(),
                missing: filter.paths_do_not_exist.clone(),
            };
            let of_branch = compiled.branch.is_some() || compiled.has_paths();
            if of_branch {
                found.branches.push(compiled);
            } else if compiled.repository.is_some() || compiled.label.is_some() {
                found.repositories.push(compiled);
            }
        }
        Ok(found)
    }

    /// Whether a repository of that name can pass; with its labels, as soon as they are known.
    pub(crate) fn may_pass(&self, name: &str, labels: Option<&[String]>) -> bool {
        let group = |filters: &[Filter]| {
            filters.is_empty() || filters.iter().any(|filter| filter.takes(name, labels))
        };
        group(&self.repositories) && group(&self.branches)
    }

    /// Whether every branch passes.
    pub(crate) fn takes_all_branches(&self) -> bool {
        self.branches.is_empty()
    }

    /// The filters that this branch passes unless one of their paths says otherwise.
    pub(crate) fn of_branch<'a>(
        &'a self,
        name: &'a str,
        labels: &'a [String],
        branch: &'a str,
    ) -> impl Iterator<Item = &'a Filter> {
        self.branches.iter().filter(move |filter| {
            filter.takes(name, Some(labels))
                && filter.branch.as_ref().is_none_or(|pattern| pattern.is_match(branch))
        })
    }
}

impl Filter {
    fn has_paths(&self) -> bool {
        !self.exist.is_empty() || !self.missing.is_empty()
    }

    fn takes(&self, name: &str, labels: Option<&[String]>) -> bool {
        self.repository.as_ref().is_none_or(|pattern| pattern.is_match(name))
            && match (&self.label, labels) {
                (Some(pattern), Some(labels)) => labels.iter().any(|label| pattern.is_match(label)),
                _ => true,
            }
    }
}

fn pattern(text: Option<&str>) -> Result<Option<Regex>, Failure> {
    let Some(text) = text else { return Ok(None) };
    RegexBuilder::new(text).size_limit(MAX_PATTERN).build().map(Some).map_err(|_error| {
        let text: String = text.chars().take(80).collect();
        let what = format!("`{text}` in a filter is no regular expression, or a too large one");
        Failure::new(FailureKind::Request, what)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(repository: &str, label: &str, branch: &str, path: &str) -> ScmFilter {
        let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        ScmFilter {
            repository_match: text(repository),
            label_match: text(label),
            branch_match: text(branch),
            paths_exist: text(path).into_iter().collect(),
            paths_do_not_exist: Vec::new(),
        }
    }

    #[test]
    fn a_repository_must_be_possible_in_both_groups() {
        let filters = [filter("^app-", "", "", ""), filter("-api$", "", "main", "")];
        let filters = Filters::new(&filters).unwrap();
        assert!(filters.may_pass("app-api", None));
        assert!(!filters.may_pass("app-web", None));
        assert!(!filters.may_pass("lib-api", None));
        assert!(!filters.takes_all_branches());
    }

    #[test]
    fn labels_count_once_they_are_known() {
        let filters = Filters::new(&[filter("", "^team-", "", "")]).unwrap();
        assert!(filters.may_pass("x", None));
        assert!(filters.may_pass("x", Some(&["go".to_owned(), "team-a".to_owned()])));
        assert!(!filters.may_pass("x", Some(&[])));
    }

    #[test]
    fn a_filter_without_conditions_is_in_no_group_and_a_bad_pattern_is_an_error() {
        let filters = Filters::new(&[ScmFilter::default()]).unwrap();
        assert!(filters.may_pass("x", Some(&[])) && filters.takes_all_branches());
        assert!(Filters::new(&[filter("(", "", "", "")]).is_err());
        assert!(Filters::new(&[filter(r"\w{1000}{1000}", "", "", "")]).is_err());
    }
}
