//! The sets that are measured: the same ones in each dialect, with ten templated strings in an application.

use generators::Sources;
use model::argo;
use model::name::SetName;
use model::selector::Labels;
use model::set::{ApplicationSet, Safety};
use serde_json::{Value, json};

use crate::world::FLEET;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// 10,000 clusters × one template.
    Clusters,
    /// 1,000 clusters × 100 directories × one template.
    Matrix,
}

impl Shape {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Clusters => "clusters",
            Self::Matrix => "matrix",
        }
    }

    pub(crate) fn clusters(self) -> usize {
        match self {
            Self::Clusters => 10_000,
            Self::Matrix => 1_000,
        }
    }

    pub(crate) fn directories(self) -> usize {
        match self {
            Self::Clusters => 1,
            Self::Matrix => 100,
        }
    }

    pub(crate) fn applications(self) -> usize {
        self.clusters() * self.directories()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    Native,
    /// With a helper in six of the texts.
    NativeHelpers,
    FastTemplate,
    GoTemplate,
    /// With a function in six of the texts.
    GoFunctions,
}

impl Dialect {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::NativeHelpers => "native_helpers",
            Self::FastTemplate => "fasttemplate",
            Self::GoTemplate => "gotemplate",
            Self::GoFunctions => "gotemplate_functions",
        }
    }

    pub(crate) fn is_native(self) -> bool {
        matches!(self, Self::Native | Self::NativeHelpers)
    }

    /// The name of a parameter between the braces of this dialect.
    fn tag(self, name: &str) -> String {
        match (self, name) {
            (Self::GoTemplate | Self::GoFunctions, "path") => "{{.path.path}}".to_owned(),
            (Self::GoFunctions, "name" | "metadata.labels.env") => {
                format!("{{{{ .{name} | lower }}}}")
            }
            (Self::GoTemplate | Self::GoFunctions, name) => format!("{{{{.{name}}}}}"),
            (Self::NativeHelpers, "name" | "metadata.labels.env") => {
                format!("{{{{lower {name}}}}}")
            }
            (_, name) => format!("{{{{{name}}}}}"),
        }
    }
}

/// One set in the dialect that is measured.
pub(crate) enum Sets {
    Native(Box<ApplicationSet>),
    Argo(Box<argo::ApplicationSet>),
}

impl Sets {
    pub(crate) fn new(shape: Shape, dialect: Dialect) -> Self {
        let spec = json!({
            "generators": [generator(shape)],
            "template": template(shape, dialect),
        });
        if dialect.is_native() {
            let value = json!({"metadata": {"name": "apps"}, "spec": spec});
            let set = serde_json::from_value(value).expect("a set as documents write it");
            return Self::Native(Box::new(set));
        }
        Self::Argo(Box::new(argo_set("apps", dialect, spec)))
    }

    pub(crate) fn sources(&self) -> Sources<'_> {
        match self {
            Self::Native(set) => Sources { sets: std::slice::from_ref(set), ..Sources::default() },
            Self::Argo(set) => {
                Sources { argo_sets: std::slice::from_ref(set), ..Sources::default() }
            }
        }
    }
}

fn generator(shape: Shape) -> Value {
    let selector = json!({"matchExpressions": [{"key": "env", "operator": "Exists"}]});
    let clusters = json!({"clusters": {"selector": selector}});
    let git =
        json!({"git": {"repoURL": FLEET, "revision": "main", "directories": [{"path": "apps/*"}]}});
    match shape {
        Shape::Clusters => clusters,
        Shape::Matrix => json!({"matrix": {"generators": [clusters, git]}}),
    }
}

fn template(shape: Shape, dialect: Dialect) -> Value {
    let tag = |name: &str| dialect.tag(name);
    let (app, path) = match shape {
        Shape::Clusters => ("web".to_owned(), "apps/web".to_owned()),
        Shape::Matrix => (tag("path.basename"), tag("path")),
    };
    let (name, env) = (tag("name"), tag("metadata.labels.env"));
    let destination = match dialect.is_native() {
        true => json!({"cluster": name, "namespace": format!("{app}-{env}")}),
        false => json!({"server": tag("server"), "namespace": format!("{app}-{env}")}),
    };
    json!({
        "metadata": {
            "name": format!("{name}-{app}"),
            "labels": {
                "app.kubernetes.io/name": app,
                "env": env,
                "region": tag("metadata.labels.region"),
            },
            "annotations": {"example.com/cluster": tag("server")},
        },
        "spec": {
            "project": tag("metadata.labels.team"),
            "source": {
                "repoURL": FLEET,
                "targetRevision": "main",
                "path": format!("{path}/overlays/{env}"),
                "helm": {"releaseName": format!("{app}-{}", tag("metadata.labels.tier"))},
            },
            "destination": destination,
            "syncPolicy": {
                "automated": {"prune": true, "selfHeal": true},
                "syncOptions": ["CreateNamespace=true"],
            },
        },
    })
}

/// A set of Argo CD, in one of its two template languages.
pub(crate) fn argo_set(name: &str, dialect: Dialect, mut spec: Value) -> argo::ApplicationSet {
    if dialect != Dialect::FastTemplate {
        spec["goTemplate"] = json!(true);
        spec["goTemplateOptions"] = json!(["missingkey=error"]);
    }
    argo::ApplicationSet {
        name: SetName::new(name).expect("a name"),
        namespace: argo::DEFAULT_NAMESPACE.to_owned(),
        labels: Labels::new(),
        annotations: Labels::new(),
        safety: Safety::default(),
        spec,
    }
}
