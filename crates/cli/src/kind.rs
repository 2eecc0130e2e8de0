//! The kinds that people ask for, with the names and short names they use for them.

use clap::ValueEnum;

/// A kind of resource; any letter case is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    #[value(name = "clusters", alias = "cluster")]
    Clusters,
    #[value(name = "applications", aliases = ["application", "apps", "app"])]
    Applications,
    #[value(
        name = "applicationsets",
        aliases = ["applicationset", "appsets", "appset", "sets", "set"]
    )]
    ApplicationSets,
}

impl Kind {
    /// As the fleet API lists it.
    pub(crate) fn plural(self) -> &'static str {
        match self {
            Self::Clusters => "clusters",
            Self::Applications => "applications",
            Self::ApplicationSets => "applicationsets",
        }
    }

    /// One of it, as the fleet API names it in a request.
    pub(crate) fn singular(self) -> &'static str {
        match self {
            Self::Clusters => "cluster",
            Self::Applications => "application",
            Self::ApplicationSets => "applicationset",
        }
    }

    /// As its documents name it.
    pub(crate) fn document(self) -> &'static str {
        match self {
            Self::Clusters => "Cluster",
            Self::Applications => "Application",
            Self::ApplicationSets => "ApplicationSet",
        }
    }
}
