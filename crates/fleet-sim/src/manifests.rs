//! Manifests that all spokes of a process share: the real Git source, asked once for what is the
//! same on a thousand clusters.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::canonical::Digest;
use model::desired::DesiredApplication;
use render::{ClusterFacts, Rendered};
use serde_json::json;
use spoke_agent::manifests::{GitManifests, ManifestSource, ManifestsError};

/// Remembers what was rendered and not what failed. A run renders a few hundred things.
pub struct SharedManifests {
    source: GitManifests,
    rendered: Mutex<HashMap<Digest, Rendered>>,
    fingerprints: Mutex<HashMap<Digest, Option<Digest>>>,
}

impl SharedManifests {
    #[must_use]
    pub fn new(source: GitManifests) -> Arc<Self> {
        Arc::new(Self { source, rendered: Mutex::default(), fingerprints: Mutex::default() })
    }
}

/// Everything that plain manifests and their fingerprint depend on. The name of the application is
/// not among it: it comes in later, with the payloads.
fn key(application: &DesiredApplication) -> Digest {
    Digest::of_value(&json!({
        "source": application.source,
        "revision": application.revision,
        "namespace": application.namespace,
        "syncPolicy": application.sync_policy,
        "ignoreDifferences": application.ignore_differences,
    }))
}

/// The maps hold finished values only.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ManifestSource for SharedManifests {
    fn manifests(
        &self,
        application: &DesiredApplication,
        facts: &ClusterFacts,
    ) -> Result<Rendered, ManifestsError> {
        let key = key(application);
        if let Some(known) = locked(&self.rendered).get(&key) {
            return Ok(known.clone());
        }
        let rendered = self.source.manifests(application, facts)?;
        locked(&self.rendered).insert(key, rendered.clone());
        Ok(rendered)
    }

    fn fingerprint(
        &self,
        application: &DesiredApplication,
        facts: &ClusterFacts,
    ) -> Result<Option<Digest>, ManifestsError> {
        // The real one counts the name in; here it is only compared with itself.
        let key = key(application);
        if let Some(known) = locked(&self.fingerprints).get(&key) {
            return Ok(*known);
        }
        let fingerprint = self.source.fingerprint(application, facts)?;
        locked(&self.fingerprints).insert(key, fingerprint);
        Ok(fingerprint)
    }
}
