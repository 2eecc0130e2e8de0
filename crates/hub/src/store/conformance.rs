//! One suite for every backend: what [`Store`] promises, whoever keeps it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::join_all;
use model::canonical::Digest;
use proptest::prelude::*;

use super::memory::MemoryStore;
use super::sled::{SledOptions, SledStore};
use super::*;

fn open_memory(_: &Path) -> Arc<dyn Store> {
    Arc::new(MemoryStore::new())
}

pub(super) fn open_sled(dir: &Path) -> Arc<dyn Store> {
    let (store, report) = SledStore::open(dir, &SledOptions::default()).unwrap();
    assert!(report.is_clean(), "{report}");
    Arc::new(store)
}

macro_rules! suite {
    ($($test:ident),* $(,)?) => {
        mod memory {
            $(#[tokio::test] async fn $test() { super::run_in(super::open_memory, super::$test).await; })*
        }
        mod sled {
            $(#[tokio::test] async fn $test() { super::run_in(super::open_sled, super::$test).await; })*
        }
    };
}

suite! {
    conditions_hold_or_nothing_happens,
    a_record_made_again_is_another_record,
    transactions_are_all_or_nothing,
    of_many_at_once_one_wins_each_round,
    ranges_are_in_order_and_of_one_subtree,
    pages_meet_without_a_gap,
    appended_records_sort_by_time,
    a_watch_covers_its_subtree_and_coalesces,
    no_wake_up_is_missed,
    bad_transactions_are_refused,
    blobs_are_found_by_their_digest,
    an_export_holds_everything,
}

async fn run_in<F: Future<Output = ()>>(
    open: fn(&Path) -> Arc<dyn Store>,
    test: impl Fn(Arc<dyn Store>) -> F,
) {
    let dir = tempfile::tempdir().unwrap();
    test(open(dir.path())).await;
}

pub(super) fn key(text: &str) -> Key {
    Key::new(text.split('/'))
}

pub(super) fn put(key: &str, body: &str) -> Write {
    Write::Put {
        key: self::key(key),
        tag: "test.v1",
        body: Bytes::copy_from_slice(body.as_bytes()),
    }
}

fn puts(entries: &[(&str, &str)]) -> Transaction {
    entries.iter().fold(Transaction::new(), |tx, (key, body)| tx.write(put(key, body)))
}

fn bodies(records: &[Record]) -> Vec<(String, String)> {
    let text = |record: &Record| String::from_utf8(record.body.to_vec()).unwrap();
    records.iter().map(|record| (record.key.to_string(), text(record))).collect()
}

fn names(records: &[Record]) -> Vec<&str> {
    records.iter().map(|record| record.key.as_str()).collect()
}

async fn conditions_hold_or_nothing_happens(store: Arc<dyn Store>) {
    let a = key("a");
    let absent = puts(&[("a", "1")]).when(a.clone(), Expected::Absent);
    let first = store.transact(absent.clone()).await.unwrap().revision;
    let record = store.get(&a).unwrap().unwrap();
    assert_eq!((record.revision, &*record.body, &*record.tag), (first, &b"1"[..], "test.v1"));

    let refused = store.transact(absent).await.unwrap_err();
    assert!(
        matches!(&refused, StoreError::Conflict { key, expected: Expected::Absent, actual }
            if *key == a && *actual == Some(first)),
        "{refused}"
    );
    let on = |expected| puts(&[("a", "2")]).when(key("a"), expected);
    let other = Expected::Unchanged(Revision(first.0 + 1));
    assert!(store.transact(on(other)).await.unwrap_err().is_conflict());
    assert_eq!(&*store.get(&a).unwrap().unwrap().body, b"1");
    let second = store.transact(on(Expected::Unchanged(first))).await.unwrap().revision;
    assert!(second > first);
    store.transact(on(Expected::Present)).await.unwrap();
    let missing = puts(&[("a", "3")]).when(key("b"), Expected::Present);
    let refused = store.transact(missing).await.unwrap_err();
    assert!(matches!(refused, StoreError::Conflict { actual: None, .. }), "{refused}");
}

async fn a_record_made_again_is_another_record(store: Arc<dyn Store>) {
    let first = store.transact(puts(&[("a", "1")])).await.unwrap().revision;
    store.transact(Transaction::new().delete(key("a"))).await.unwrap();
    assert_eq!(store.get(&key("a")).unwrap(), None);
    let again = store.transact(puts(&[("a", "1")])).await.unwrap().revision;
    assert!(again > first);
    let stale = puts(&[("a", "2")]).when(key("a"), Expected::Unchanged(first));
    assert!(store.transact(stale).await.unwrap_err().is_conflict());
    // Deleting what is not there is no error.
    store.transact(Transaction::new().delete(key("b"))).await.unwrap();
}

async fn transactions_are_all_or_nothing(store: Arc<dyn Store>) {
    store.transact(puts(&[("a", "1"), ("b", "1")])).await.unwrap();
    let refused = puts(&[("a", "2"), ("c", "2")]).delete(key("b")).when(key("b"), Expected::Absent);
    assert!(store.transact(refused).await.unwrap_err().is_conflict());
    let expected = [("a".to_owned(), "1".to_owned()), ("b".to_owned(), "1".to_owned())];
    assert_eq!(bodies(&store.range(&Prefix::all()).unwrap()), expected);
    let done = puts(&[("a", "2"), ("c", "2")]).delete(key("b"));
    let revision = store.transact(done).await.unwrap().revision;
    let records = store.range(&Prefix::all()).unwrap();
    assert_eq!(names(&records), ["a", "c"]);
    assert!(records.iter().all(|record| record.revision == revision));
    assert_eq!(store.state().revision, revision);
}

async fn of_many_at_once_one_wins_each_round(store: Arc<dyn Store>) {
    let add_one = async || {
        let mut conflicts = 0;
        loop {
            let record = store.get(&key("count")).unwrap();
            let expected =
                record.as_ref().map_or(Expected::Absent, |r| Expected::Unchanged(r.revision));
            let count = record
                .map_or(0, |r| String::from_utf8(r.body.to_vec()).unwrap().parse::<u32>().unwrap());
            let next = puts(&[("count", &(count + 1).to_string())]);
            match store.transact(next.when(key("count"), expected)).await {
                Ok(_) => return conflicts,
                Err(error) => assert!(error.is_conflict(), "{error}"),
            }
            conflicts += 1;
            tokio::task::yield_now().await;
        }
    };
    join_all((0..40).map(|_| add_one())).await;
    assert_eq!(&*store.get(&key("count")).unwrap().unwrap().body, b"40");
}

async fn ranges_are_in_order_and_of_one_subtree(store: Arc<dyn Store>) {
    let keys = ["b", "a/2", "a/10", "a", "a-/1", "a/1/x", "ab/1"];
    for key in keys {
        store.transact(puts(&[(key, "")])).await.unwrap();
    }
    let range = |prefix: Prefix| {
        let records = store.range(&prefix).unwrap();
        names(&records).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(range(Prefix::all()), ["a", "a-/1", "a/1/x", "a/10", "a/2", "ab/1", "b"]);
    assert_eq!(range(Prefix::new(["a"])), ["a/1/x", "a/10", "a/2"]);
    assert_eq!(range(Prefix::new(["a", "1"])), ["a/1/x"]);
    assert_eq!(range(Prefix::new(["c"])), [""; 0]);
    assert_eq!(range(Prefix::only(&key("a"))), ["a"]);
}

async fn pages_meet_without_a_gap(store: Arc<dyn Store>) {
    let keys: Vec<_> = (0..25).map(|n| format!("p/{n:02}")).collect();
    let entries: Vec<_> = keys.iter().map(|key| (key.as_str(), "")).collect();
    store.transact(puts(&entries).write(put("o", "")).write(put("q", ""))).await.unwrap();
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = store.page(&Prefix::new(["p"]), after.as_ref(), 10).unwrap();
        assert!(page.len() <= 10);
        let Some(last) = page.last() else { break };
        after = Some(last.key.clone());
        found.extend(page.into_iter().map(|record| record.key.to_string()));
    }
    assert_eq!(found, keys);
    let from_before = store.page(&Prefix::new(["p"]), Some(&key("a")), 1).unwrap();
    assert_eq!(names(&from_before), ["p/00"]);
    assert_eq!(store.page(&Prefix::new(["p"]), Some(&key("z")), 1).unwrap(), []);
}

async fn appended_records_sort_by_time(store: Arc<dyn Store>) {
    let append = |body: &str| Write::Append {
        prefix: Prefix::new(["log"]),
        tag: "test.v1",
        body: Bytes::copy_from_slice(body.as_bytes()),
    };
    let two = |round: usize| {
        let (first, second) = (format!("{round:02}a"), format!("{round:02}b"));
        Transaction::new().write(append(&first)).write(append(&second))
    };
    for round in 0..20 {
        store.transact(two(round)).await.unwrap();
    }
    let found: Vec<_> = bodies(&store.range(&Prefix::new(["log"])).unwrap());
    let found: Vec<_> = found.into_iter().map(|(_, body)| body).collect();
    assert_eq!(found.len(), 40);
    assert!(found.is_sorted(), "{found:?}");
}

async fn a_watch_covers_its_subtree_and_coalesces(store: Arc<dyn Store>) {
    let mut all = store.watch(&Prefix::all());
    let mut clusters = store.watch(&Prefix::new(["cluster"]));
    let mut one = store.watch(&Prefix::only(&key("cluster/eu-1")));
    for body in ["1", "2", "3"] {
        store.transact(puts(&[("cluster/eu-1", body)])).await.unwrap();
    }
    let newest = store.transact(puts(&[("cluster/eu-10", "1")])).await.unwrap().revision;
    assert_eq!(all.changed().await, Some(newest));
    assert_eq!(clusters.changed().await, Some(newest));
    assert_eq!(one.changed().await, Some(Revision(newest.0 - 1)));
    // All three were read: the next wake-up is the next change, of any kind.
    let deleted = Transaction::new().delete(key("cluster/eu-1"));
    let deleted = store.transact(deleted).await.unwrap().revision;
    assert_eq!(one.changed().await, Some(deleted));
    // A transaction that is refused wakes nobody.
    let refused = puts(&[("cluster/eu-1", "9")]).when(key("x"), Expected::Present);
    store.transact(refused).await.unwrap_err();
    drop(store);
    assert_eq!(one.changed().await, None);
}

async fn no_wake_up_is_missed(store: Arc<dyn Store>) {
    const LAST: u32 = 200;
    let writer = async {
        for n in 1..=LAST {
            store.transact(puts(&[("w/n", &n.to_string())])).await.unwrap();
        }
    };
    let reader = async {
        // Watch first, then read: whatever happens in between wakes.
        let mut watch = store.watch(&Prefix::new(["w"]));
        let mut seen = 0;
        while seen < LAST {
            watch.changed().await.unwrap();
            let body = store.get(&key("w/n")).unwrap().unwrap().body;
            let now: u32 = String::from_utf8(body.to_vec()).unwrap().parse().unwrap();
            assert!(now >= seen, "went back from {seen} to {now}");
            seen = now;
        }
    };
    tokio::join!(reader, writer);
}

async fn bad_transactions_are_refused(store: Arc<dyn Store>) {
    let refused = async |tx: Transaction| store.transact(tx).await.unwrap_err().to_string();
    let twice = refused(puts(&[("a", "1"), ("a", "2")])).await;
    assert!(twice.contains("writes a twice"), "{twice}");
    let large = "x".repeat(MAX_VALUE_BYTES + 1);
    let large = refused(puts(&[("a", &large)])).await;
    assert_eq!(
        large,
        format!("a has {} bytes; at most {MAX_VALUE_BYTES} are allowed", MAX_VALUE_BYTES + 1)
    );
    assert!(refused(puts(&[("", "1")])).await.contains("a key has"));
    assert!(refused(puts(&[(&"k".repeat(MAX_KEY_BYTES + 1), "1")])).await.contains("a key has"));
    let body = "x".repeat(MAX_VALUE_BYTES);
    let count = MAX_TRANSACTION_BYTES / MAX_VALUE_BYTES + 1;
    let many = (0..count).fold(Transaction::new(), |tx, n| tx.write(put(&n.to_string(), &body)));
    assert!(refused(many).await.contains("the transaction has"));
    assert_eq!(store.range(&Prefix::all()).unwrap(), []);
    // The largest value is fine.
    store.transact(puts(&[("a", &body)])).await.unwrap();
    assert_eq!(store.get(&key("a")).unwrap().unwrap().body.len(), MAX_VALUE_BYTES);
}

async fn blobs_are_found_by_their_digest(store: Arc<dyn Store>) {
    let digest = store.put_blob(b"body").unwrap();
    assert_eq!(digest, Digest::of(b"body"));
    assert_eq!(store.put_blob(b"body").unwrap(), digest);
    assert_eq!(store.blob(&digest).unwrap().as_deref(), Some(&b"body"[..]));
    let largest = vec![7; MAX_BLOB_BYTES];
    let second = store.put_blob(&largest).unwrap();
    let mut both = vec![digest, second];
    both.sort();
    assert_eq!(store.blobs().unwrap(), both);
    assert!(matches!(
        store.put_blob(&vec![7; MAX_BLOB_BYTES + 1]),
        Err(StoreError::TooLarge { .. })
    ));
    store.remove_blob(&digest).unwrap();
    store.remove_blob(&digest).unwrap();
    assert_eq!(store.blob(&digest).unwrap(), None);
    assert_eq!(store.blobs().unwrap(), [second]);
}

async fn an_export_holds_everything(store: Arc<dyn Store>) {
    for n in 0..1_200 {
        let key = format!("r/{:02}/{n}", n % 17);
        store.transact(puts(&[(&key, &n.to_string())])).await.unwrap();
    }
    store.transact(Transaction::new().delete(key("r/00/0"))).await.unwrap();
    let blob = store.put_blob(b"blob").unwrap();
    let mut out = Vec::new();
    let summary = export::export(&*store, &mut out).unwrap();
    assert_eq!((summary.records, summary.blobs), (1_199, 1));
    assert_eq!(export::verify(&*out).unwrap(), summary);

    let dir = tempfile::tempdir().unwrap();
    assert_eq!(super::sled::restore(dir.path(), &*out).unwrap(), summary);
    let restored = open_sled(dir.path());
    let all = Prefix::all();
    assert_eq!(restored.range(&all).unwrap(), store.range(&all).unwrap());
    assert_eq!(restored.blob(&blob).unwrap(), store.blob(&blob).unwrap());
    // What is written next is newer than everything in the export.
    let next = restored.transact(puts(&[("new", "")])).await.unwrap().revision;
    assert!(next > summary.revision);
    let second = super::sled::restore(dir.path(), &*out).unwrap_err().to_string();
    assert!(second.contains("is in use by"), "{second}");
    drop(restored);
    let second = super::sled::restore(dir.path(), &*out).unwrap_err().to_string();
    assert!(second.contains("holds a store already"), "{second}");
}

#[derive(Debug, Clone)]
enum Step {
    Commit(Vec<(u8, ModelExpected)>, Vec<(u8, Option<u8>)>),
    Reopen,
}

#[derive(Debug, Clone, Copy)]
enum ModelExpected {
    Absent,
    Present,
    Current,
    Stale,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    use ModelExpected::{Absent, Current, Present, Stale};
    let expected = prop::sample::select(vec![Absent, Present, Current, Current, Current, Stale]);
    let conditions = prop::collection::vec((0_u8..6, expected), 0..3);
    let writes = prop::collection::btree_map(0_u8..6, any::<Option<u8>>(), 0..4);
    let writes = writes.prop_map(|writes| writes.into_iter().collect::<Vec<_>>());
    let commit = (conditions, writes).prop_map(|(when, writes)| Step::Commit(when, writes));
    prop::collection::vec(prop_oneof![12 => commit, 1 => Just(Step::Reopen)], 1..40)
}

/// What a store is, said as simply as possible.
#[derive(Default)]
struct Simple(BTreeMap<Key, (Revision, String)>);

impl Simple {
    fn check(&self, store: &dyn Store) {
        let expected = self.0.iter();
        let expected =
            expected.map(|(key, (revision, body))| (key.clone(), *revision, body.clone()));
        let found = store.range(&Prefix::all()).unwrap().into_iter();
        let text = |record: &Record| String::from_utf8(record.body.to_vec()).unwrap();
        let found = found.map(|record| (record.key.clone(), record.revision, text(&record)));
        assert_eq!(found.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
    }
}

fn model_key(n: u8) -> Key {
    key(&format!("m/{}/{n}", n % 2))
}

async fn follow(steps: Vec<Step>, open: fn(&Path) -> Arc<dyn Store>, reopens: bool) {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    let mut simple = Simple::default();
    for (index, step) in steps.into_iter().enumerate() {
        match step {
            Step::Commit(conditions, writes) => {
                let mut tx = Transaction::new();
                let mut holds = true;
                for (n, expected) in conditions {
                    let key = model_key(n);
                    let now = simple.0.get(&key).map(|(revision, _)| *revision);
                    let (expected, met) = match expected {
                        ModelExpected::Absent => (Expected::Absent, now.is_none()),
                        ModelExpected::Present => (Expected::Present, now.is_some()),
                        ModelExpected::Current => match now {
                            Some(revision) => (Expected::Unchanged(revision), true),
                            None => (Expected::Absent, true),
                        },
                        ModelExpected::Stale => (Expected::Unchanged(Revision(u64::MAX)), false),
                    };
                    holds &= met;
                    tx = tx.when(key, expected);
                }
                for (n, value) in &writes {
                    let body = value.map(|value| format!("{index}-{value}"));
                    tx = match body {
                        Some(body) => tx.write(put(model_key(*n).as_str(), &body)),
                        None => tx.delete(model_key(*n)),
                    };
                }
                let result = store.transact(tx).await;
                assert_eq!(result.is_ok(), holds, "{result:?}");
                let Ok(Committed { revision }) = result else { continue };
                for (n, value) in writes {
                    match value {
                        Some(value) => {
                            simple.0.insert(model_key(n), (revision, format!("{index}-{value}")));
                        }
                        None => drop(simple.0.remove(&model_key(n))),
                    }
                }
            }
            Step::Reopen if reopens => {
                drop(store);
                store = open(dir.path());
            }
            Step::Reopen => {}
        }
        simple.check(&*store);
    }
}

fn block_on(future: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future);
}

proptest! {
    #[test]
    fn memory_behaves_as_a_map(steps in steps()) {
        block_on(follow(steps, open_memory, false));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn sled_behaves_as_a_map_across_restarts(steps in steps()) {
        block_on(follow(steps, open_sled, true));
    }
}
