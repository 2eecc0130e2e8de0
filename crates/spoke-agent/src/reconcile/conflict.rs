//! Whether an apply may take fields from their managers. Pure.
//!
//! The first apply of anything goes without force, so that a field that somebody else holds is
//! found and named. What belongs to another application of Muster is never taken.

use crate::kubernetes::answer::ConflictCause;
use crate::kubernetes::fields;

/// What is known about the object and the wish of the people behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// An earlier apply of this application succeeded on it.
    pub owned: bool,
    /// The application undoes what others change.
    pub self_heal: bool,
    /// The manifest says `muster.dev/adopt: "true"`.
    pub adopt: bool,
    /// A person ordered this sync.
    pub by_hand: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolution {
    /// Apply again, and take the fields.
    Force,
    /// Another application of Muster holds them: leave the object alone.
    Shared { applications: Vec<String> },
    /// Leave the fields, and say who holds which.
    Report,
}

#[must_use]
pub fn resolve(causes: &[ConflictCause], standing: Standing) -> Resolution {
    let mut applications: Vec<String> = causes
        .iter()
        .filter_map(|cause| fields::application_of(&cause.manager))
        .map(str::to_owned)
        .collect();
    applications.sort_unstable();
    applications.dedup();
    if !applications.is_empty() {
        return Resolution::Shared { applications };
    }
    match standing.adopt || standing.by_hand || (standing.owned && standing.self_heal) {
        true => Resolution::Force,
        false => Resolution::Report,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STRANGER: Standing =
        Standing { owned: false, self_heal: true, adopt: false, by_hand: false };

    fn cause(manager: &str) -> ConflictCause {
        ConflictCause {
            manager: manager.to_owned(),
            subresource: String::new(),
            field: ".spec.replicas".to_owned(),
        }
    }

    #[test]
    fn a_stranger_is_only_adopted_when_asked() {
        let causes = [cause("kubectl-client-side-apply")];
        assert_eq!(resolve(&causes, STRANGER), Resolution::Report);
        assert_eq!(resolve(&causes, Standing { adopt: true, ..STRANGER }), Resolution::Force);
        assert_eq!(resolve(&causes, Standing { by_hand: true, ..STRANGER }), Resolution::Force);
    }

    #[test]
    fn what_is_ours_is_taken_back_only_with_self_heal() {
        let causes = [cause("kubectl-edit")];
        let owned = Standing { owned: true, ..STRANGER };
        assert_eq!(resolve(&causes, owned), Resolution::Force);
        assert_eq!(resolve(&causes, Standing { self_heal: false, ..owned }), Resolution::Report);
    }

    #[test]
    fn another_application_is_never_robbed_not_even_by_hand() {
        let causes = [cause("kubectl-edit"), cause("muster:other"), cause("muster:other")];
        let all = Standing { owned: true, self_heal: true, adopt: true, by_hand: true };
        let shared = Resolution::Shared { applications: vec!["other".to_owned()] };
        assert_eq!(resolve(&causes, all), shared);
    }
}
