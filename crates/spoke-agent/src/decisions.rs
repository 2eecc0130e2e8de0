//! Decision objects of this cluster, for a hub that believes them: which clusters a placement
//! controller has chosen.
//!
//! Task `decisions` owns a [`Table`]. In: the events of one `watch decisions RESOURCE` task for each
//! resource that the configuration names (bounded channel). Out: all that is known (`watch`), to
//! the session. Without a configured resource none of them exists. Nothing is said before every
//! resource was either listed whole or found to be out of reach; one that is out of reach does not
//! hide the others.

mod table;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use model::decision::{DecisionList, DecisionObject, DecisionResource};
use runtime::supervise::Supervisor;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use crate::kubernetes::client::Cluster;
use crate::kubernetes::discovery::Resource;
use crate::kubernetes::watch::{Event, Target, run_with};
use table::Table;

/// What is known of each resource that is watched.
pub type Reported = BTreeMap<DecisionResource, DecisionList>;

/// Events on their way to the task, which only stores them. When it is full the watches wait.
const EVENTS: usize = 256;
/// How long changes are gathered before they are told: a controller that has decided writes several
/// objects, one after another.
const GATHER: Duration = Duration::from_millis(300);

type Heard = (usize, Event<DecisionObject>);

/// Starts the watches and their owner. The receiver has `None` until there is something to tell.
#[must_use]
pub fn start(
    cluster: Cluster,
    resources: Vec<DecisionResource>,
    page_size: u32,
    supervisor: &Supervisor,
) -> watch::Receiver<Option<Arc<Reported>>> {
    let (told, receiver) = watch::channel(None);
    if resources.is_empty() {
        return receiver;
    }
    let (sender, events) = mpsc::channel::<Heard>(EVENTS);
    let shutdown = supervisor.token();
    for (index, resource) in resources.iter().enumerate() {
        let (name, of) = (format!("watch decisions {resource}"), resource.clone());
        let read = move |json: &str| read(&of, json);
        let target = target(resource, page_size);
        let work = run_with(cluster.clone(), target, index, read, sender.clone());
        let shutdown = shutdown.clone();
        supervisor.spawn(name, async move {
            // It only reads: there is nothing to finish.
            shutdown.run_until_cancelled(work).await;
        });
    }
    supervisor.spawn_essential("decisions", async move {
        shutdown.run_until_cancelled(own(Table::new(resources), events, told)).await;
    });
    receiver
}

fn target(resource: &DecisionResource, page_size: u32) -> Target {
    let (group, version) = resource.api_version().split_once('/').unwrap_or_default();
    let resource_of = Resource {
        group: group.into(),
        version: version.into(),
        // What is watched is a path; no kind is needed for it.
        kind: resource.resource().into(),
        plural: resource.resource().into(),
        namespaced: !resource.namespace().is_empty(),
    };
    Target {
        resource: resource_of,
        namespace: resource.namespace().to_owned(),
        selector: String::new(),
        full: true,
        page_size: page_size.max(1),
    }
}

fn read(resource: &DecisionResource, json: &str) -> Result<DecisionObject, String> {
    let object = serde_json::from_str(json).map_err(|error| error.to_string())?;
    DecisionObject::reduce(resource, &object).map_err(|error| {
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        format!("{name} of the {resource}: {error}")
    })
}

/// Takes events until all watches are gone.
async fn own(
    mut table: Table,
    mut events: mpsc::Receiver<Heard>,
    told: watch::Sender<Option<Arc<Reported>>>,
) {
    let mut due: Option<Instant> = None;
    loop {
        let at = due.unwrap_or_else(Instant::now);
        // Cancel-safe: a receive and a sleep lose nothing when dropped.
        let heard = tokio::select! {
            heard = events.recv() => Some(heard),
            () = sleep_until(at), if due.is_some() => None,
        };
        match heard {
            Some(None) => return,
            Some(Some((index, event))) => {
                if table.handle(index, event) {
                    due.get_or_insert(Instant::now() + GATHER);
                }
            }
            None => {
                due = None;
                if let Some(known) = table.known() {
                    told.send_if_modified(|told| {
                        let is_new = told.as_deref() != Some(&known);
                        if is_new {
                            *told = Some(Arc::new(known));
                        }
                        is_new
                    });
                }
            }
        }
    }
}
