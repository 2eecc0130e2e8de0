//! What each set, and the applications written by hand, give now: both dialects expanded together,
//! each application translated for its spoke and held against its project.

use std::collections::BTreeMap;
use std::sync::Arc;

use generators::{
    Destinations, Generated, Incremental, Projects, SharedSources, Translation, World, translate,
};
use model::application::Application;
use model::argo;
use model::cluster::Cluster;
use model::document::Resource;
use model::name::{ApplicationName, ClusterName, SetName};
use model::problem::{Problem, Reason};
use model::set::{ApplicationSet, ApplicationsSync, OnRemoval, Safety};
use serde_json::Value;

use crate::fleet::documents::Documents;
use crate::fleet::plan::{Element, Origin, OwnerInput, Verdict};
use crate::fleet::state::Owner;

/// All documents in force, by what they are.
#[derive(Default)]
struct Gathered {
    sets: Vec<Arc<ApplicationSet>>,
    applications: Vec<Arc<Application>>,
    argo_sets: Vec<Arc<argo::ApplicationSet>>,
    argo_applications: Vec<Arc<argo::Application>>,
    projects: Vec<argo::Project>,
    owners: BTreeMap<Owner, OwnerInput>,
    hand_origin: Origin,
}

/// What each owner gives. `world` has the clusters of `clusters`; `kept` is the expansion of the
/// last pass, brought up to date.
pub(super) fn give(
    kept: &mut Incremental,
    documents: &Documents,
    clusters: &BTreeMap<ClusterName, Cluster>,
    world: &World<'_>,
    problems: &mut Vec<Problem>,
) -> BTreeMap<Owner, OwnerInput> {
    let mut gathered = Gathered::of(documents, problems);
    let expansion = kept.update(
        &SharedSources {
            sets: &gathered.sets,
            applications: &gathered.applications,
            argo_sets: &gathered.argo_sets,
            argo_applications: &gathered.argo_applications,
        },
        world,
    );
    let projects = Projects::new(&gathered.projects);
    problems.extend(projects.problems.iter().cloned());
    problems.extend(expansion.problems.iter().cloned());
    let destinations = Destinations::new(world.clusters.unwrap_or_default());
    let mut judge = Judge { destinations, projects: &projects, clusters, problems };
    for set in &expansion.sets {
        if let Some(input) = gathered.owners.get_mut(&Owner::Set(set.set.clone())) {
            input.complete = set.complete;
            let elements = set.elements.iter();
            input.elements = elements.map(|element| judge.element(&set.set, element)).collect();
        }
    }
    let made = expansion.applications.iter().filter(|one| one.set.is_none());
    let mut made: BTreeMap<&ApplicationName, &Generated> =
        made.map(|one| (one.name(), &one.application)).collect();
    let native = gathered.applications.iter().map(|document| &document.metadata.name);
    let names = native.chain(gathered.argo_applications.iter().map(|document| &document.name));
    let elements = names.map(|name| match made.remove(name) {
        Some(application) => judge.application("", "", 0, application),
        None => {
            let reason = expansion.held.get(name).cloned().unwrap_or_default();
            held("", 0, Some(name.clone()), reason)
        }
    });
    let hand = OwnerInput {
        origin: gathered.hand_origin,
        on_removal_by_element: true,
        complete: true,
        elements: elements.collect(),
        ..OwnerInput::default()
    };
    gathered.owners.insert(Owner::ByHand, hand);
    gathered.owners
}

impl Gathered {
    fn of(documents: &Documents, problems: &mut Vec<Problem>) -> Self {
        let mut gathered = Self::default();
        for (_, origin, resource) in documents.in_force() {
            gathered.add(origin, resource, problems);
        }
        gathered
    }

    fn add(&mut self, origin: Origin, resource: &Resource, problems: &mut Vec<Problem>) {
        match resource {
            Resource::ApplicationSet(set) => {
                let safety =
                    Safety { on_removal: set.spec.on_removal(), ..set.spec.safety.clone() };
                let policy = set.spec.sync_policy.applications_sync;
                // Until its expansion is found, nothing is known of it.
                let input = OwnerInput { origin, safety, policy, ..OwnerInput::default() };
                self.owners.insert(Owner::Set(set.metadata.name.clone()), input);
                self.sets.push(Arc::clone(set));
            }
            Resource::Application(application) => {
                self.by_hand(origin);
                self.applications.push(Arc::clone(application));
            }
            Resource::Cluster(_) => {}
            Resource::Argo(resource) => match &**resource {
                argo::Resource::ApplicationSet(set) => {
                    self.owners.insert(Owner::Set(set.name.clone()), of_argo(origin, set));
                    problems.extend(not_followed(set));
                    self.argo_sets.push(Arc::clone(set));
                }
                argo::Resource::Application(application) => {
                    self.by_hand(origin);
                    self.argo_applications.push(Arc::clone(application));
                }
                argo::Resource::Project(project) => self.projects.push(project.clone()),
            },
        }
    }

    fn by_hand(&mut self, origin: Origin) {
        if origin == Origin::Git {
            self.hand_origin = origin;
        }
    }
}

/// The rules of a set of `argoproj.io`. There each application says what its removal does, by its
/// finalizers, except that `preserveResourcesOnDeletion` also holds for those that cannot be made
/// now.
fn of_argo(origin: Origin, set: &argo::ApplicationSet) -> OwnerInput {
    let policy = &set.spec["syncPolicy"];
    let preserve = policy["preserveResourcesOnDeletion"] == Value::Bool(true);
    let on_removal = if preserve { OnRemoval::Orphan } else { OnRemoval::default() };
    // The reader has refused every other word, and absence means `sync`.
    let applications_sync: ApplicationsSync =
        serde_json::from_value(policy["applicationsSync"].clone()).unwrap_or_default();
    OwnerInput {
        origin,
        safety: Safety { on_removal, ..set.safety.clone() },
        policy: applications_sync,
        on_removal_by_element: !preserve,
        ..OwnerInput::default()
    }
}

/// What a set asks for and does not get.
fn not_followed(set: &argo::ApplicationSet) -> Option<Problem> {
    let strategy = &set.spec["strategy"];
    let asks = !matches!(strategy["type"].as_str(), None | Some("" | "AllAtOnce"))
        || strategy["deletionOrder"].as_str().is_some_and(|order| order != "AllAtOnce");
    asks.then(|| Problem {
        set: set.name.to_string(),
        element: String::new(),
        reason: Reason::Unsupported,
        message: "spec.strategy is not followed: all applications change at once, as they do in \
                  Argo CD without progressive syncs"
            .to_owned(),
    })
}

/// Decides what an application that the expansion gave comes to.
struct Judge<'a> {
    destinations: Destinations<'a>,
    projects: &'a Projects,
    clusters: &'a BTreeMap<ClusterName, Cluster>,
    problems: &'a mut Vec<Problem>,
}

impl Judge<'_> {
    fn element(&mut self, set: &SetName, element: &generators::Element) -> Element {
        let generators::Element { id, generator, verdict, .. } = element;
        match verdict {
            generators::Verdict::Ok(made) => self.application(set.as_str(), id, *generator, made),
            generators::Verdict::Held { name, reason } => {
                held(id, *generator, name.clone(), reason.clone())
            }
        }
    }

    /// `set` and `id` are empty for an application written by hand.
    fn application(&mut self, set: &str, id: &str, generator: usize, made: &Generated) -> Element {
        let name = made.name().clone();
        let judged = self.translated(made).and_then(|(application, on_removal)| {
            let cluster = self.clusters.get(&application.spec.destination.cluster);
            match self.projects.check(&application, cluster) {
                Ok(()) => Ok((application, on_removal)),
                Err(message) => Err((Reason::InvalidApplication, message)),
            }
        });
        match judged {
            Ok((application, on_removal)) => {
                let (id, verdict) = (id.to_owned(), Verdict::Ok(application));
                Element { id, generator, verdict, on_removal }
            }
            Err((reason, message)) => {
                let element = match id {
                    "" => format!("Application {name}"),
                    id => id.to_owned(),
                };
                let set = set.to_owned();
                self.problems.push(Problem { set, element, reason, message: message.clone() });
                held(id, generator, Some(name), message)
            }
        }
    }

    fn translated(&self, made: &Generated) -> Result<Judged, (Reason, String)> {
        match made {
            Generated::Native(application) => Ok((Arc::clone(application), None)),
            Generated::Argo(application) => match translate(application, &self.destinations) {
                Ok(Translation { application, on_removal }) => {
                    Ok((application.into(), Some(on_removal)))
                }
                Err(untranslatable) => Err((untranslatable.reason, untranslatable.message)),
            },
        }
    }
}

/// An application, and what becomes of its objects when it says so itself.
type Judged = (Arc<Application>, Option<OnRemoval>);

fn held(id: &str, generator: usize, name: Option<ApplicationName>, reason: String) -> Element {
    let verdict = Verdict::Held { name, reason };
    Element { id: id.to_owned(), generator, verdict, on_removal: None }
}
