//! The attacks and accidents that enrolment must survive, through the service on a real store.

mod any_order;
mod join;
mod member;

use std::sync::Arc;
use std::time::Duration;

use model::selector::Labels;
use model::status::Timestamp;
use rcgen::KeyPair;

use super::*;
use crate::ledger::{Filter, Ledger};
use crate::pki::tests::{authority, cluster, csr};
use crate::pki::{Lifetime, Pki, Serial, Shown};
use crate::store::memory::MemoryStore;
use crate::store::{Prefix, Store};

const NOW: i64 = 1_800_000_000_000;
const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

fn at(offset: i64) -> Timestamp {
    Timestamp(NOW + offset)
}

struct Hub {
    enrolment: Enrolment,
    store: Arc<MemoryStore>,
    pki: Arc<Pki>,
    _dir: tempfile::TempDir,
}

fn hub() -> Hub {
    let (pki, dir) = authority(at(0));
    let pki = Arc::new(pki);
    let store = Arc::new(MemoryStore::new());
    let lifetime = Lifetime::default();
    let enrolment = Enrolment::new(store.clone(), pki.clone(), lifetime);
    Hub { enrolment, store, pki, _dir: dir }
}

fn for_cluster(name: &str) -> NewToken {
    NewToken {
        scope: TokenScope::Cluster(cluster(name)),
        ttl: Duration::from_secs(3_600),
        labels: Labels::from([("env".to_owned(), "prod".to_owned())]),
        manual_approval: false,
    }
}

fn reusable() -> NewToken {
    NewToken { scope: TokenScope::Reusable, ..for_cluster("unused") }
}

fn key() -> Vec<u8> {
    csr(&KeyPair::generate().unwrap())
}

impl Hub {
    async fn token(&self, new: NewToken) -> String {
        self.token_at(new, at(0)).await
    }

    async fn token_at(&self, new: NewToken, now: Timestamp) -> String {
        let created = self.enrolment.create_token(&new, "operator/ada", "tests", now).await;
        created.unwrap().token.reveal()
    }

    async fn join_as(
        &self,
        token: &str,
        csr: &[u8],
        name: Option<&str>,
        now: Timestamp,
    ) -> Result<Joined, EnrolError> {
        let proposed_name = name.map(cluster);
        self.enrolment.join(&JoinRequest { token, csr, proposed_name }, now).await
    }

    async fn join(&self, token: &str, csr: &[u8], now: Timestamp) -> Result<Joined, EnrolError> {
        self.join_as(token, csr, None, now).await
    }

    async fn refused(&self, token: &str, csr: &[u8], now: Timestamp) -> Refusal {
        refusal(self.join(token, csr, now).await)
    }

    /// A cluster that has joined at `NOW`, with its key.
    async fn joined(&self, name: &str) -> (JoinedIdentity, Vec<u8>) {
        let (token, key) = (self.token(for_cluster(name)).await, key());
        (identity(self.join(&token, &key, at(0)).await), key)
    }

    fn actions(&self) -> Vec<String> {
        let ledger = Ledger::new(self.store.clone());
        let records = ledger.recent(&Filter::default(), 1_000).unwrap();
        records.into_iter().rev().map(|record| record.action).collect()
    }

    fn count(&self, action: &str) -> usize {
        self.actions().iter().filter(|found| *found == action).count()
    }
}

fn refusal<T: std::fmt::Debug>(result: Result<T, EnrolError>) -> Refusal {
    match result {
        Err(EnrolError::Refused(refusal)) => refusal,
        other => panic!("not refused: {other:?}"),
    }
}

fn identity(result: Result<Joined, EnrolError>) -> JoinedIdentity {
    match result {
        Ok(Joined::Identity(identity)) => identity,
        other => panic!("no identity: {other:?}"),
    }
}
