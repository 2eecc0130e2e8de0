//! The plural names by which Kubernetes calls resources.

/// Whether a resource's plural name is the one of a kind, as Kubernetes guesses plurals.
pub(crate) fn is_plural_of(plural: &str, kind: &str) -> bool {
    let kind = kind.to_ascii_lowercase();
    if plural == kind || plural.strip_suffix('s') == Some(&kind) {
        return true;
    }
    match (plural.strip_suffix("es"), plural.strip_suffix("ies")) {
        (_, Some(stem)) if kind.strip_suffix('y') == Some(stem) => true,
        (Some(stem), _) => stem == kind,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plurals_are_those_of_kubernetes() {
        for (plural, kind) in [
            ("berthplans", "BerthPlan"),
            ("policies", "Policy"),
            ("addresses", "Address"),
            ("placementdecisions", "PlacementDecision"),
            ("endpoints", "Endpoints"),
        ] {
            assert!(is_plural_of(plural, kind), "{plural}");
        }
        assert!(!is_plural_of("berthplan", "BerthPlans"));
        assert!(!is_plural_of("plans", "BerthPlan"));
    }
}
