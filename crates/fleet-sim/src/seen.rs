//! What is in a cluster, read straight from its store, past every API.

use std::collections::BTreeMap;

use kube_sim::Cluster;
use kube_sim::store::{ResourceId, Stored};
use spoke_agent::kubernetes::metadata::{APPLICATION_ANNOTATION, PART_OF_LABEL};

/// The kinds that the directories of a run consist of.
const KINDS: [(&str, &str); 2] =
    [("ConfigMap", "configmaps"), ("ServiceAccount", "serviceaccounts")];

/// Kind and name; everything is in one namespace.
pub type ObjectId = (&'static str, String);

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    pub uid: String,
    /// The application that the object names as its own.
    pub application: String,
    /// What a ConfigMap says; empty for other kinds.
    pub value: String,
}

/// The managed objects of one cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// Of the store, to look again only when something was written.
    pub revision: u64,
    pub objects: BTreeMap<ObjectId, Object>,
}

impl Seen {
    /// Looks, unless nothing was written since.
    #[must_use]
    pub fn look(cluster: &Cluster, earlier: &Self) -> Option<Self> {
        cluster.read(|store| {
            if store.revision() == earlier.revision {
                return None;
            }
            let mut objects = BTreeMap::new();
            for (kind, plural) in KINDS {
                let resource = ResourceId::new("", plural);
                let managed = store.list(&resource, None, None);
                for stored in managed.filter(|one| one.labels.contains_key(PART_OF_LABEL)) {
                    objects.insert((kind, stored.key.name.to_string()), object(stored));
                }
            }
            Some(Self { revision: store.revision(), objects })
        })
    }

    /// What each managed ConfigMap says.
    #[must_use]
    pub fn values(&self) -> BTreeMap<String, String> {
        let maps = self.objects.iter().filter(|((kind, _), _)| *kind == "ConfigMap");
        maps.map(|((_, name), object)| (name.clone(), object.value.clone())).collect()
    }
}

fn object(stored: &Stored) -> Object {
    let body = stored.value();
    let text = |pointer: &str| {
        body.pointer(pointer).and_then(|value| value.as_str()).unwrap_or_default().to_owned()
    };
    let annotation = APPLICATION_ANNOTATION.replace('/', "~1");
    Object {
        uid: stored.uid.to_string(),
        application: text(&format!("/metadata/annotations/{annotation}")),
        value: text("/data/value"),
    }
}
