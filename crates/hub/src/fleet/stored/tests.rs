//! What is kept is what comes back, and a difference writes only what differs.

use std::sync::Arc;

use model::application::Application;
use model::desired::{DesiredApplication, Tombstone, VersionedApplication};
use model::document;
use model::id::Epoch;
use model::name::{ClusterName, SetName};
use model::set::OnRemoval;
use serde_json::json;

use super::*;
use crate::fleet::documents::{GitDocument, GitOrigin};
use crate::fleet::state::{Buried, Evidence, InForce, Owner, Parked, Subject};
use crate::ledger::NewRecord;
use crate::store::memory::MemoryStore;
use crate::store::{Store, Write};

fn application(name: &str, filler: usize) -> VersionedApplication {
    let document = json!({
        "metadata": {"name": name},
        "spec": {
            "source": {"repoURL": "https://git.example/a", "path": ".",
                "helm": {"values": "x".repeat(filler)}},
            "destination": {"cluster": "c"},
        },
    });
    let document: Application = serde_json::from_value(document).unwrap();
    let desired = DesiredApplication {
        name: document.metadata.name,
        project: document.spec.project,
        set: None,
        source: document.spec.source,
        revision: CommitId::from_bytes([1; 20]),
        namespace: String::new(),
        sync_policy: document.spec.sync_policy,
        ignore_differences: Vec::new(),
        paused: false,
    };
    VersionedApplication::new(desired).unwrap()
}

fn place(name: &str, cluster: &str) -> Place {
    let name = ApplicationName::new(name).unwrap();
    Place { name, cluster: ClusterName::new(cluster).unwrap() }
}

fn in_force(desired: VersionedApplication) -> Arc<InForce> {
    Arc::new(InForce {
        owner: Owner::ByHand,
        element: "list[0]".to_owned(),
        generator: 3,
        on_removal: OnRemoval::Orphan,
        desired,
        parked: true,
    })
}

fn example() -> Kept {
    let mut kept = Kept::default();
    let set = SetName::new("s").unwrap();
    let (large, small) = (application("large", 100_000), application("small", 1));
    kept.state.applications.insert(place("large", "c"), in_force(large));
    let tombstone = Tombstone {
        name: small.name().clone(),
        version: small.version(),
        on_removal: OnRemoval::Prune,
        actor: "operator/ada".to_owned(),
        reason: "because".to_owned(),
        commit: Some(CommitId::from_bytes([2; 20])),
        epoch: Epoch { id: u64::MAX, counter: 3 },
    };
    let buried = Buried { owner: Owner::Set(set.clone()), tombstone, desired: small };
    kept.state.tombstones.insert(place("small", "c"), Arc::new(buried));
    let parked = Parked { plan: "abc".to_owned(), reason: "too many".to_owned() };
    kept.state.parked.insert(Owner::ByHand, parked.clone());
    kept.state.parked.insert(Owner::Set(set.clone()), parked);
    let (actor, reason) = ("fleet repository".to_owned(), "gone".to_owned());
    let evidence = Evidence { actor, reason, commit: None };
    kept.state.gone.insert(Subject::Set(set), evidence.clone());
    let name = ApplicationName::new("large").unwrap();
    kept.state.gone.insert(Subject::Application(name), evidence);
    let text = "apiVersion: muster.dev/v1alpha1\nkind: Cluster\nmetadata: {name: eu-1}\n";
    let resource = document::read(text.as_bytes()).0.remove(0);
    let key = ResourceKey::of(&resource);
    kept.documents.stored.insert(key.clone(), Arc::new(resource.clone()));
    let file = "fleet/ä b.yaml".to_owned();
    kept.documents.git.insert(key, Arc::new(GitDocument { file, resource }));
    let (url, path) = ("https://git.example/fleet".to_owned(), ".".to_owned());
    kept.documents.origin = Some(GitOrigin { url, path });
    kept.documents.commit = Some(CommitId::from_bytes([3; 20]));
    let reference = RepoReference { repo_url: "u".repeat(2_000), revision: "main".to_owned() };
    kept.revisions.insert(reference, CommitId::from_bytes([4; 20]));
    kept
}

async fn save(store: &MemoryStore, before: &Kept, after: &Kept, acts: &[NewRecord]) -> usize {
    let commits: Vec<_> = after.revisions.clone().into_iter().collect();
    let commits = if before.revisions == after.revisions { &[][..] } else { &commits };
    let change = Change {
        before: (&before.state, &before.documents),
        after: (&after.state, &after.documents),
        commits,
        forgotten: &[],
        acts,
    };
    let transactions = transactions(store, &change).unwrap();
    let writes = transactions.iter().map(|transaction| transaction.writes.len()).sum();
    for transaction in transactions {
        store.transact(transaction).await.unwrap();
    }
    writes
}

#[tokio::test]
async fn what_is_kept_comes_back() {
    let store = MemoryStore::new();
    let kept = example();
    assert_eq!(save(&store, &Kept::default(), &kept, &[]).await, 10);
    assert_eq!(load(&store).unwrap(), kept);
    assert_eq!(save(&store, &kept, &kept, &[]).await, 0, "no difference, no write");
}

#[tokio::test]
async fn what_goes_is_forgotten_with_its_blob() {
    let store = MemoryStore::new();
    let (kept, mut less) = (example(), example());
    save(&store, &Kept::default(), &kept, &[]).await;
    assert_eq!(store.blobs().unwrap().len(), 1);
    less.state.applications.clear();
    less.state.parked.clear();
    assert_eq!(save(&store, &kept, &less, &[]).await, 3);
    assert_eq!(load(&store).unwrap(), less);
    let unused = unused_blobs((&kept.state, &kept.documents), (&less.state, &less.documents));
    assert_eq!(unused.into_iter().collect::<Vec<_>>(), store.blobs().unwrap());
}

#[tokio::test]
async fn a_large_change_is_cut_between_applications() {
    let store = MemoryStore::new();
    let mut kept = Kept::default();
    let desired = application("app", 1);
    let mut acts = Vec::new();
    for number in 0..5_000 {
        let place = place("app", &format!("c{number}"));
        acts.push(NewRecord {
            at: Timestamp(0),
            actor: "hub".to_owned(),
            action: "ApplicationAdded".to_owned(),
            application: Some(place.name.clone()),
            cluster: Some(place.cluster.clone()),
            commit: None,
            message: String::new(),
            reason: String::new(),
        });
        kept.state.applications.insert(place, in_force(desired.clone()));
    }
    let (empty, documents) = (FleetState::default(), Documents::default());
    let change = Change {
        before: (&empty, &documents),
        after: (&kept.state, &documents),
        commits: &[],
        forgotten: &[],
        acts: &acts,
    };
    let transactions = transactions(&store, &change).unwrap();
    assert_eq!(transactions.len(), 4);
    for transaction in transactions {
        let puts = transaction.writes.iter().filter(|write| matches!(write, Write::Put { .. }));
        assert_eq!(puts.count() * 2, transaction.writes.len(), "each with its record");
        store.transact(transaction).await.unwrap();
    }
    assert_eq!(load(&store).unwrap(), kept);
}

#[tokio::test]
async fn a_body_that_is_missing_is_an_error_and_no_absence() {
    let store = MemoryStore::new();
    save(&store, &Kept::default(), &example(), &[]).await;
    for digest in store.blobs().unwrap() {
        store.remove_blob(&digest).unwrap();
    }
    let error = load(&store).unwrap_err().to_string();
    assert!(error.contains("fleet/application/large/c"), "{error}");
}

#[tokio::test]
async fn two_looks_before_one_plan_are_one_write() {
    let (store, empty, documents) =
        (MemoryStore::new(), FleetState::default(), Documents::default());
    let reference = |url: &str| RepoReference { repo_url: url.to_owned(), revision: String::new() };
    let (twice, again) = (reference("https://git.example/a"), reference("https://git.example/b"));
    let commit = |byte| CommitId::from_bytes([byte; 20]);
    let change = Change {
        before: (&empty, &documents),
        after: (&empty, &documents),
        commits: &[
            (twice.clone(), commit(1)),
            (again.clone(), commit(2)),
            (twice.clone(), commit(3)),
        ],
        forgotten: &[again.clone(), again.clone()],
        acts: &[],
    };
    for transaction in transactions(&store, &change).unwrap() {
        store.transact(transaction).await.unwrap();
    }
    let kept: Vec<_> = load(&store).unwrap().revisions.into_iter().collect();
    assert_eq!(kept, [(twice, commit(3)), (again, commit(2))]);
}
