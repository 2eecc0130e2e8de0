//! The fields of Argo CD 3.5's documents: their names, their types and their order.
//!
//! The order is that in which its own types declare them, which is the order in which its templates
//! are rendered: a `set` in one string is seen by those after it. [`super::conform`] checks
//! documents against these tables; the compat dialect walks [`APPLICATION`] along them.

/// What stands in a field.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    Text,
    Flag,
    /// A whole number of 64 bits.
    Integer,
    /// A whole number, or text such as `25%`.
    IntegerOrText,
    /// Any tree; nothing in it is checked.
    Any,
    List(&'static Kind),
    /// Names that people choose.
    Map(&'static Kind),
    Object(&'static Table),
    /// A tree that stands in the document as it is and gets its type later: unknown fields in it
    /// are left alone, and a number is not taken for text.
    Nested(&'static Table),
}

/// The fields of one object.
#[derive(Debug)]
pub struct Table {
    /// What a field of it is called in messages.
    pub noun: &'static str,
    pub fields: &'static [Field],
}

#[derive(Debug)]
pub struct Field {
    pub name: &'static str,
    pub kind: Kind,
}

impl Table {
    const fn of(fields: &'static [Field]) -> Self {
        Self { noun: "field", fields }
    }

    /// The field of that name; the case of its letters does not matter, as in Go's JSON.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&'static Field> {
        let exact = self.fields.iter().find(|field| field.name == name);
        exact.or_else(|| self.fields.iter().find(|field| field.name.eq_ignore_ascii_case(name)))
    }
}

const fn field(name: &'static str, kind: Kind) -> Field {
    Field { name, kind }
}

const fn text(name: &'static str) -> Field {
    field(name, Kind::Text)
}

const fn texts(name: &'static str) -> Field {
    field(name, Kind::List(&Kind::Text))
}

const fn flag(name: &'static str) -> Field {
    field(name, Kind::Flag)
}

const fn integer(name: &'static str) -> Field {
    field(name, Kind::Integer)
}

const fn labels(name: &'static str) -> Field {
    field(name, Kind::Map(&Kind::Text))
}

const fn any(name: &'static str) -> Field {
    field(name, Kind::Any)
}

const fn object(name: &'static str, table: &'static Table) -> Field {
    field(name, Kind::Object(table))
}

/// An `Application` document as a template renders it: what is server-side only is not in it.
pub static APPLICATION: Table =
    Table::of(&[object("metadata", &TEMPLATE_METADATA), object("spec", &APPLICATION_SPEC)]);

/// `metadata` as Kubernetes has it on every object.
pub static METADATA: Table = Table::of(&[
    text("name"),
    text("generateName"),
    text("namespace"),
    text("selfLink"),
    text("uid"),
    text("resourceVersion"),
    integer("generation"),
    any("creationTimestamp"),
    any("deletionTimestamp"),
    integer("deletionGracePeriodSeconds"),
    labels("labels"),
    labels("annotations"),
    any("ownerReferences"),
    texts("finalizers"),
    any("managedFields"),
    text("clusterName"),
]);

pub static TEMPLATE_METADATA: Table = Table::of(&[
    text("name"),
    text("namespace"),
    labels("labels"),
    labels("annotations"),
    texts("finalizers"),
]);

pub static APPLICATION_SPEC: Table = Table::of(&[
    object("source", &SOURCE),
    object("destination", &DESTINATION),
    text("project"),
    object("syncPolicy", &SYNC_POLICY),
    field("ignoreDifferences", Kind::List(&Kind::Object(&IGNORE_DIFFERENCES))),
    field("info", Kind::List(&Kind::Object(&NAME_AND_VALUE))),
    integer("revisionHistoryLimit"),
    field("sources", Kind::List(&Kind::Object(&SOURCE))),
    object("sourceHydrator", &HYDRATOR),
]);

pub static SOURCE: Table = Table::of(&[
    text("repoURL"),
    text("path"),
    text("targetRevision"),
    object("helm", &HELM),
    object("kustomize", &KUSTOMIZE),
    object("directory", &DIRECTORY),
    object("plugin", &SOURCE_PLUGIN),
    text("chart"),
    text("ref"),
    text("name"),
    text("tagPrefix"),
]);

pub static HELM: Table = Table::of(&[
    texts("valueFiles"),
    field("parameters", Kind::List(&Kind::Object(&HELM_PARAMETER))),
    text("releaseName"),
    text("values"),
    field("fileParameters", Kind::List(&Kind::Object(&HELM_FILE_PARAMETER))),
    text("version"),
    flag("passCredentials"),
    flag("ignoreMissingValueFiles"),
    flag("skipCrds"),
    any("valuesObject"),
    text("namespace"),
    text("kubeVersion"),
    texts("apiVersions"),
    flag("skipTests"),
    flag("skipSchemaValidation"),
]);

static HELM_PARAMETER: Table = Table::of(&[text("name"), text("value"), flag("forceString")]);
static HELM_FILE_PARAMETER: Table = Table::of(&[text("name"), text("path")]);

pub static KUSTOMIZE: Table = Table::of(&[
    text("namePrefix"),
    text("nameSuffix"),
    texts("images"),
    labels("commonLabels"),
    text("version"),
    labels("commonAnnotations"),
    flag("forceCommonLabels"),
    flag("forceCommonAnnotations"),
    text("namespace"),
    flag("commonAnnotationsEnvsubst"),
    field("replicas", Kind::List(&Kind::Object(&REPLICAS))),
    field("patches", Kind::List(&Kind::Object(&PATCH))),
    texts("components"),
    flag("ignoreMissingComponents"),
    flag("labelWithoutSelector"),
    text("kubeVersion"),
    texts("apiVersions"),
    flag("labelIncludeTemplates"),
]);

static REPLICAS: Table = Table::of(&[text("name"), field("count", Kind::IntegerOrText)]);
static PATCH: Table = Table::of(&[
    text("path"),
    text("patch"),
    object("target", &PATCH_TARGET),
    field("options", Kind::Map(&Kind::Flag)),
]);
static PATCH_TARGET: Table = Table::of(&[
    text("group"),
    text("version"),
    text("kind"),
    text("name"),
    text("namespace"),
    text("annotationSelector"),
    text("labelSelector"),
]);

pub static DIRECTORY: Table =
    Table::of(&[flag("recurse"), object("jsonnet", &JSONNET), text("exclude"), text("include")]);

static JSONNET: Table = Table::of(&[
    field("extVars", Kind::List(&Kind::Object(&JSONNET_VARIABLE))),
    field("tlas", Kind::List(&Kind::Object(&JSONNET_VARIABLE))),
    texts("libs"),
]);
static JSONNET_VARIABLE: Table = Table::of(&[text("name"), text("value"), flag("code")]);

static SOURCE_PLUGIN: Table = Table::of(&[
    text("name"),
    field("env", Kind::List(&Kind::Object(&NAME_AND_VALUE))),
    field("parameters", Kind::List(&Kind::Object(&PLUGIN_PARAMETER))),
]);
static PLUGIN_PARAMETER: Table =
    Table::of(&[text("name"), text("string"), labels("map"), texts("array")]);
static NAME_AND_VALUE: Table = Table::of(&[text("name"), text("value")]);

static HYDRATOR: Table = Table::of(&[
    object("drySource", &DRY_SOURCE),
    object("syncSource", &SYNC_SOURCE),
    object("hydrateTo", &HYDRATE_TO),
]);
static DRY_SOURCE: Table = Table::of(&[
    text("repoURL"),
    text("targetRevision"),
    text("path"),
    object("helm", &HELM),
    object("kustomize", &KUSTOMIZE),
    object("directory", &DIRECTORY),
    object("plugin", &SOURCE_PLUGIN),
]);
static SYNC_SOURCE: Table = Table::of(&[text("targetBranch"), text("path"), text("repoURL")]);
static HYDRATE_TO: Table = Table::of(&[text("targetBranch")]);

pub static DESTINATION: Table = Table::of(&[text("server"), text("namespace"), text("name")]);

pub static SYNC_POLICY: Table = Table::of(&[
    object("automated", &AUTOMATED),
    texts("syncOptions"),
    object("retry", &RETRY),
    object("managedNamespaceMetadata", &NAMESPACE_METADATA),
]);
static AUTOMATED: Table =
    Table::of(&[flag("prune"), flag("selfHeal"), flag("allowEmpty"), flag("enabled")]);
static RETRY: Table = Table::of(&[integer("limit"), object("backoff", &BACKOFF), flag("refresh")]);
static BACKOFF: Table = Table::of(&[text("duration"), integer("factor"), text("maxDuration")]);
static NAMESPACE_METADATA: Table = Table::of(&[labels("labels"), labels("annotations")]);

/// A sync that is asked for with the Application, once.
pub static OPERATION: Table = Table::of(&[
    object("sync", &SYNC_OPERATION),
    object("initiatedBy", &INITIATOR),
    field("info", Kind::List(&Kind::Object(&NAME_AND_VALUE))),
    object("retry", &RETRY),
]);
static SYNC_OPERATION: Table = Table::of(&[
    text("revision"),
    flag("prune"),
    flag("dryRun"),
    object("syncStrategy", &SYNC_STRATEGY),
    field("resources", Kind::List(&Kind::Object(&SYNC_RESOURCE))),
    object("source", &SOURCE),
    texts("manifests"),
    texts("syncOptions"),
    field("sources", Kind::List(&Kind::Object(&SOURCE))),
    texts("revisions"),
    integer("autoHealAttemptsCount"),
]);
static SYNC_STRATEGY: Table =
    Table::of(&[object("apply", &SYNC_FORCE), object("hook", &SYNC_FORCE)]);
static SYNC_FORCE: Table = Table::of(&[flag("force")]);
static SYNC_RESOURCE: Table =
    Table::of(&[text("group"), text("kind"), text("name"), text("namespace")]);
static INITIATOR: Table = Table::of(&[text("username"), flag("automated")]);

static IGNORE_DIFFERENCES: Table = Table::of(&[
    text("group"),
    text("kind"),
    text("name"),
    text("namespace"),
    texts("jsonPointers"),
    texts("jqPathExpressions"),
    texts("managedFieldsManagers"),
]);

pub static SET_SPEC: Table = Table::of(&[
    flag("goTemplate"),
    field("generators", Kind::List(&Kind::Object(&GENERATOR))),
    object("template", &APPLICATION),
    object("syncPolicy", &SET_SYNC_POLICY),
    object("strategy", &STRATEGY),
    object("preservedFields", &PRESERVED_FIELDS),
    texts("goTemplateOptions"),
    flag("applyNestedSelectors"),
    field("ignoreApplicationDifferences", Kind::List(&Kind::Object(&IGNORE_APPLICATION))),
    text("templatePatch"),
]);

static SET_SYNC_POLICY: Table =
    Table::of(&[flag("preserveResourcesOnDeletion"), text("applicationsSync")]);
static STRATEGY: Table =
    Table::of(&[text("type"), object("rollingSync", &ROLLING_SYNC), text("deletionOrder")]);
static ROLLING_SYNC: Table = Table::of(&[field("steps", Kind::List(&Kind::Object(&ROLLING_STEP)))]);
static ROLLING_STEP: Table = Table::of(&[
    field("matchExpressions", Kind::List(&Kind::Object(&EXPRESSION))),
    field("maxUpdate", Kind::IntegerOrText),
]);
static PRESERVED_FIELDS: Table = Table::of(&[texts("annotations"), texts("labels")]);
static IGNORE_APPLICATION: Table =
    Table::of(&[text("name"), texts("jsonPointers"), texts("jqPathExpressions")]);

static SELECTOR: Table = Table::of(&[
    labels("matchLabels"),
    field("matchExpressions", Kind::List(&Kind::Object(&EXPRESSION))),
]);
static EXPRESSION: Table = Table::of(&[text("key"), text("operator"), texts("values")]);

const GENERATOR_KIND: &str = "generator kind";

/// An entry of generators; what combines others stands between the kinds that stand alone.
macro_rules! generators {
    ($($combining:expr),*) => {
        Table {
            noun: GENERATOR_KIND,
            fields: &[
                object("list", &LIST),
                object("clusters", &CLUSTERS),
                object("git", &GIT),
                object("scmProvider", &SCM_PROVIDER),
                object("clusterDecisionResource", &DECISION),
                object("pullRequest", &PULL_REQUEST),
                $($combining,)*
                object("selector", &SELECTOR),
                object("plugin", &PLUGIN),
            ],
        }
    };
}

/// An entry of `spec.generators`.
pub static GENERATOR: Table = generators!(object("matrix", &MATRIX), object("merge", &MERGE));
/// A child of a `matrix` or `merge` at the top level.
static CHILD: Table = generators!(
    field("matrix", Kind::Nested(&NESTED_MATRIX)),
    field("merge", Kind::Nested(&NESTED_MERGE))
);
/// A child of a nested `matrix` or `merge`. One more level is not known to the anchor.
static GRANDCHILD: Table = generators!();

static MATRIX: Table = Table::of(&[
    field("generators", Kind::List(&Kind::Object(&CHILD))),
    object("template", &APPLICATION),
]);
static MERGE: Table = Table::of(&[
    field("generators", Kind::List(&Kind::Object(&CHILD))),
    texts("mergeKeys"),
    object("template", &APPLICATION),
]);
static NESTED_MATRIX: Table =
    Table::of(&[field("generators", Kind::List(&Kind::Object(&GRANDCHILD)))]);
static NESTED_MERGE: Table =
    Table::of(&[field("generators", Kind::List(&Kind::Object(&GRANDCHILD))), texts("mergeKeys")]);

static LIST: Table = Table::of(&[
    field("elements", Kind::List(&Kind::Any)),
    object("template", &APPLICATION),
    text("elementsYaml"),
]);

static CLUSTERS: Table = Table::of(&[
    object("selector", &SELECTOR),
    object("template", &APPLICATION),
    labels("values"),
    flag("flatList"),
]);

static DECISION: Table = Table::of(&[
    text("configMapRef"),
    text("name"),
    integer("requeueAfterSeconds"),
    object("labelSelector", &SELECTOR),
    object("template", &APPLICATION),
    labels("values"),
]);

static GIT: Table = Table::of(&[
    text("repoURL"),
    field("directories", Kind::List(&Kind::Object(&GIT_PATH))),
    field("files", Kind::List(&Kind::Object(&GIT_PATH))),
    text("revision"),
    integer("requeueAfterSeconds"),
    object("template", &APPLICATION),
    text("pathParamPrefix"),
    labels("values"),
]);
static GIT_PATH: Table = Table::of(&[text("path"), flag("exclude")]);

static PLUGIN: Table = Table::of(&[
    object("configMapRef", &PLUGIN_CONFIG),
    object("input", &PLUGIN_INPUT),
    integer("requeueAfterSeconds"),
    object("template", &APPLICATION),
    labels("values"),
]);
static PLUGIN_CONFIG: Table = Table::of(&[text("name")]);
static PLUGIN_INPUT: Table = Table::of(&[field("parameters", Kind::Map(&Kind::Any))]);

static SCM_PROVIDER: Table = Table::of(&[
    object("github", &SCM_GITHUB),
    object("gitlab", &SCM_GITLAB),
    object("bitbucket", &SCM_BITBUCKET),
    object("bitbucketServer", &SCM_BITBUCKET_SERVER),
    object("gitea", &SCM_GITEA),
    object("azureDevOps", &SCM_AZURE),
    field("filters", Kind::List(&Kind::Object(&SCM_FILTER))),
    text("cloneProtocol"),
    integer("requeueAfterSeconds"),
    object("template", &APPLICATION),
    labels("values"),
    object("awsCodeCommit", &SCM_AWS),
]);
static SCM_FILTER: Table = Table::of(&[
    text("repositoryMatch"),
    texts("pathsExist"),
    texts("pathsDoNotExist"),
    text("labelMatch"),
    text("branchMatch"),
]);
static SECRET_REF: Table = Table::of(&[text("secretName"), text("key")]);
static CONFIG_MAP_KEY: Table = Table::of(&[text("configMapName"), text("key")]);
static BASIC_AUTH: Table = Table::of(&[text("username"), object("passwordRef", &SECRET_REF)]);
static BEARER_TOKEN: Table = Table::of(&[object("tokenRef", &SECRET_REF)]);

static SCM_GITHUB: Table = Table::of(&[
    text("organization"),
    text("api"),
    object("tokenRef", &SECRET_REF),
    text("appSecretName"),
    flag("allBranches"),
    flag("excludeArchivedRepos"),
]);
static SCM_GITLAB: Table = Table::of(&[
    text("group"),
    flag("includeSubgroups"),
    text("api"),
    object("tokenRef", &SECRET_REF),
    flag("allBranches"),
    flag("insecure"),
    flag("includeSharedProjects"),
    text("topic"),
    object("caRef", &CONFIG_MAP_KEY),
    flag("includeArchivedRepos"),
]);
static SCM_BITBUCKET: Table = Table::of(&[
    text("owner"),
    text("user"),
    object("appPasswordRef", &SECRET_REF),
    flag("allBranches"),
]);
static SCM_BITBUCKET_SERVER: Table = Table::of(&[
    text("project"),
    text("api"),
    object("basicAuth", &BASIC_AUTH),
    flag("allBranches"),
    object("bearerToken", &BEARER_TOKEN),
    flag("insecure"),
    object("caRef", &CONFIG_MAP_KEY),
]);
static SCM_GITEA: Table = Table::of(&[
    text("owner"),
    text("api"),
    object("tokenRef", &SECRET_REF),
    flag("allBranches"),
    flag("insecure"),
    flag("excludeArchivedRepos"),
]);
static SCM_AZURE: Table = Table::of(&[
    text("organization"),
    text("api"),
    text("teamProject"),
    object("accessTokenRef", &SECRET_REF),
    flag("allBranches"),
]);
static SCM_AWS: Table = Table::of(&[
    field("tagFilters", Kind::List(&Kind::Object(&TAG_FILTER))),
    text("role"),
    text("region"),
    flag("allBranches"),
]);
static TAG_FILTER: Table = Table::of(&[text("key"), text("value")]);

static PULL_REQUEST: Table = Table::of(&[
    object("github", &PULL_GITHUB),
    object("gitlab", &PULL_GITLAB),
    object("gitea", &PULL_GITEA),
    object("bitbucketServer", &PULL_BITBUCKET_SERVER),
    field("filters", Kind::List(&Kind::Object(&PULL_FILTER))),
    integer("requeueAfterSeconds"),
    object("template", &APPLICATION),
    object("bitbucket", &PULL_BITBUCKET),
    object("azuredevops", &PULL_AZURE),
    labels("values"),
    flag("continueOnRepoNotFoundError"),
]);
static PULL_FILTER: Table =
    Table::of(&[text("branchMatch"), text("targetBranchMatch"), text("titleMatch")]);
static PULL_GITHUB: Table = Table::of(&[
    text("owner"),
    text("repo"),
    text("api"),
    object("tokenRef", &SECRET_REF),
    text("appSecretName"),
    texts("labels"),
]);
static PULL_GITLAB: Table = Table::of(&[
    text("project"),
    text("api"),
    object("tokenRef", &SECRET_REF),
    texts("labels"),
    text("pullRequestState"),
    flag("insecure"),
    object("caRef", &CONFIG_MAP_KEY),
]);
static PULL_GITEA: Table = Table::of(&[
    text("owner"),
    text("repo"),
    text("api"),
    object("tokenRef", &SECRET_REF),
    flag("insecure"),
    texts("labels"),
]);
static PULL_BITBUCKET_SERVER: Table = Table::of(&[
    text("project"),
    text("repo"),
    text("api"),
    object("basicAuth", &BASIC_AUTH),
    object("bearerToken", &BEARER_TOKEN),
    flag("insecure"),
    object("caRef", &CONFIG_MAP_KEY),
]);
static PULL_BITBUCKET: Table = Table::of(&[
    text("owner"),
    text("repo"),
    text("api"),
    object("basicAuth", &BASIC_AUTH),
    object("bearerToken", &BEARER_TOKEN),
]);
static PULL_AZURE: Table = Table::of(&[
    text("organization"),
    text("project"),
    text("repo"),
    text("api"),
    object("tokenRef", &SECRET_REF),
    texts("labels"),
]);

pub static PROJECT_SPEC: Table = Table::of(&[
    texts("sourceRepos"),
    field("destinations", Kind::List(&Kind::Object(&DESTINATION))),
    text("description"),
    field("roles", Kind::List(&Kind::Object(&ROLE))),
    field("clusterResourceWhitelist", Kind::List(&Kind::Object(&GROUP_KIND_NAME))),
    field("namespaceResourceBlacklist", Kind::List(&Kind::Object(&GROUP_KIND))),
    object("orphanedResources", &ORPHANED_RESOURCES),
    field("syncWindows", Kind::List(&Kind::Object(&SYNC_WINDOW))),
    field("namespaceResourceWhitelist", Kind::List(&Kind::Object(&GROUP_KIND))),
    field("signatureKeys", Kind::List(&Kind::Object(&SIGNATURE_KEY))),
    field("clusterResourceBlacklist", Kind::List(&Kind::Object(&GROUP_KIND_NAME))),
    texts("sourceNamespaces"),
    flag("permitOnlyProjectScopedClusters"),
    field("destinationServiceAccounts", Kind::List(&Kind::Object(&SERVICE_ACCOUNT))),
    any("sourceIntegrity"),
]);
static ROLE: Table = Table::of(&[
    text("name"),
    text("description"),
    texts("policies"),
    field("jwtTokens", Kind::List(&Kind::Object(&JWT_TOKEN))),
    texts("groups"),
]);
static JWT_TOKEN: Table = Table::of(&[integer("iat"), integer("exp"), text("id")]);
static GROUP_KIND: Table = Table::of(&[text("group"), text("kind")]);
static GROUP_KIND_NAME: Table = Table::of(&[text("group"), text("kind"), text("name")]);
static ORPHANED_RESOURCES: Table =
    Table::of(&[flag("warn"), field("ignore", Kind::List(&Kind::Object(&GROUP_KIND_NAME)))]);
static SYNC_WINDOW: Table = Table::of(&[
    text("kind"),
    text("schedule"),
    text("duration"),
    texts("applications"),
    texts("namespaces"),
    texts("clusters"),
    flag("manualSync"),
    text("timeZone"),
    flag("andOperator"),
    text("description"),
    flag("syncOverrun"),
]);
static SIGNATURE_KEY: Table = Table::of(&[text("keyID")]);
static SERVICE_ACCOUNT: Table =
    Table::of(&[text("server"), text("namespace"), text("defaultServiceAccount")]);
