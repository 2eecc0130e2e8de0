//! Rules, and the search for one that allows an action.

use serde::{Deserialize, Deserializer, Serialize};

use super::namespace_of;
use crate::api::Attributes;
use crate::cluster::User;
use crate::store::{ObjectKey, ResourceId, Store};

const GROUP: &str = "rbac.authorization.k8s.io";

/// One rule of a role. A list that is `null` is an empty one.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Rule {
    #[serde(deserialize_with = "or_empty")]
    pub(super) verbs: Vec<String>,
    #[serde(deserialize_with = "or_empty", skip_serializing_if = "Vec::is_empty")]
    pub(super) api_groups: Vec<String>,
    #[serde(deserialize_with = "or_empty", skip_serializing_if = "Vec::is_empty")]
    pub(super) resources: Vec<String>,
    #[serde(deserialize_with = "or_empty", skip_serializing_if = "Vec::is_empty")]
    pub(super) resource_names: Vec<String>,
    #[serde(
        rename = "nonResourceURLs",
        deserialize_with = "or_empty",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub(super) non_resource_urls: Vec<String>,
}

fn or_empty<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Vec<T>, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Role {
    #[serde(deserialize_with = "or_empty")]
    rules: Vec<Rule>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Binding {
    role_ref: RoleRef,
    #[serde(default, deserialize_with = "or_empty")]
    subjects: Vec<Subject>,
}

#[derive(Debug, Deserialize)]
struct RoleRef {
    kind: String,
    name: String,
}

#[derive(Debug, Deserialize)]
struct Subject {
    kind: String,
    name: String,
    #[serde(default)]
    namespace: String,
}

/// The binding that allows something.
pub(super) struct Grant {
    binding: String,
    role: String,
    subject: String,
}

impl Grant {
    pub(super) fn reason(&self) -> String {
        format!("RBAC: allowed by {} of {} to {}", self.binding, self.role, self.subject)
    }
}

impl Rule {
    fn allows(&self, action: &Attributes<'_>) -> bool {
        if !has(&self.verbs, action.verb) {
            return false;
        }
        if action.resource.is_empty() {
            return self.non_resource_urls.iter().any(|url| covers(url, action.path));
        }
        has(&self.api_groups, action.group)
            && self.resources.iter().any(|r| names(r, action.resource, action.subresource))
            && (self.resource_names.is_empty()
                || self.resource_names.iter().any(|allowed| allowed == action.name))
    }
}

fn has(list: &[String], wanted: &str) -> bool {
    list.iter().any(|entry| entry == "*" || entry == wanted)
}

/// Only the end of a rule's path may be a star.
fn covers(url: &str, path: &str) -> bool {
    match url.strip_suffix('*') {
        Some(prefix) => path.starts_with(prefix),
        None => url == path,
    }
}

/// `pods`, `pods/log`, `*/scale` or `*`, which includes subresources.
fn names(rule: &str, resource: &str, subresource: &str) -> bool {
    match rule.split_once('/') {
        None => rule == "*" || (rule == resource && subresource.is_empty()),
        Some((on, sub)) => (on == "*" || on == resource) && sub == subresource,
    }
}

/// The first binding that allows the action.
pub(super) fn granted(store: &Store, user: &User, action: &Attributes<'_>) -> Option<Grant> {
    // Paths belong to no namespace.
    let namespace = if action.resource.is_empty() { "" } else { namespace_of(action) };
    bindings(store, namespace).find_map(|bound| {
        let subject = bound.subject_of(user)?;
        let allowed = bound.rules(store).iter().any(|rule| rule.allows(action));
        allowed.then(|| bound.grant(subject))
    })
}

/// Every rule that holds for the user in the namespace, as a rules review lists them.
pub(super) fn rules_of(store: &Store, user: &User, namespace: &str) -> Vec<Rule> {
    bindings(store, namespace)
        .filter(|bound| bound.subject_of(user).is_some())
        .flat_map(|bound| bound.rules(store))
        .collect()
}

/// A binding with where it is.
struct Bound {
    /// Empty for a ClusterRoleBinding.
    namespace: String,
    name: String,
    binding: Binding,
}

/// The bindings of the cluster, then those of the namespace, if one is given.
fn bindings<'a>(store: &'a Store, namespace: &'a str) -> impl Iterator<Item = Bound> + 'a {
    let of_cluster = store.list(&ResourceId::new(GROUP, "clusterrolebindings"), None, None);
    let of_namespace = (!namespace.is_empty())
        .then(|| store.list(&ResourceId::new(GROUP, "rolebindings"), Some(namespace), None));
    of_cluster.chain(of_namespace.into_iter().flatten()).filter_map(|stored| {
        // One that cannot be read allows nothing.
        let binding = serde_json::from_str(&stored.json).ok()?;
        let (namespace, name) = (stored.key.namespace.to_string(), stored.key.name.to_string());
        Some(Bound { namespace, name, binding })
    })
}

impl Bound {
    fn subject_of(&self, user: &User) -> Option<&Subject> {
        self.binding.subjects.iter().find(|subject| match &*subject.kind {
            "User" => subject.name == user.name,
            "Group" => user.groups.contains(&subject.name),
            "ServiceAccount" => {
                let account = user.name.strip_prefix("system:serviceaccount:");
                let home = self.home(subject);
                account.and_then(|account| account.split_once(':'))
                    == Some((home, subject.name.as_str()))
            }
            _ => false,
        })
    }

    /// The namespace of a service account: the binding's, unless it says another.
    fn home<'a>(&'a self, subject: &'a Subject) -> &'a str {
        if subject.namespace.is_empty() { &self.namespace } else { &subject.namespace }
    }

    fn rules(&self, store: &Store) -> Vec<Rule> {
        let role = &self.binding.role_ref;
        let (plural, namespace) = match &*role.kind {
            "Role" => ("roles", self.namespace.as_str()),
            _ => ("clusterroles", ""),
        };
        let key = ObjectKey::new(namespace, &role.name);
        let stored = store.get(&ResourceId::new(GROUP, plural), &key);
        let role = stored.and_then(|stored| serde_json::from_str::<Role>(&stored.json).ok());
        role.unwrap_or_default().rules
    }

    fn grant(&self, subject: &Subject) -> Grant {
        let binding = match &*self.namespace {
            "" => format!("ClusterRoleBinding \"{}\"", self.name),
            namespace => format!("RoleBinding \"{}/{namespace}\"", self.name),
        };
        let name = match &*subject.kind {
            "ServiceAccount" => format!("{}/{}", subject.name, self.home(subject)),
            _ => subject.name.clone(),
        };
        let role = &self.binding.role_ref;
        Grant {
            binding,
            role: format!("{} \"{}\"", role.kind, role.name),
            subject: format!("{} \"{name}\"", subject.kind),
        }
    }
}
