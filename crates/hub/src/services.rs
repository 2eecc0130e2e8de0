//! From the configuration to who asks services: which, with what secrets, trusting whom.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use collect::{Allowed, Collector, Config, ConfigError, FolderSecrets, NoSecrets, Secrets};
use runtime::clock::Clock;

use crate::config::ServicesConfig;
use crate::fleet::Services;

/// Reads what the configuration names. A machine without any certificates of authorities cannot
/// speak HTTPS; its hub runs, and the sets that need a service say why it is not asked.
pub(crate) fn open(config: ServicesConfig, clock: Clock) -> anyhow::Result<Services> {
    let ServicesConfig { allowed_urls, secrets_folder, ca_files, interval_seconds } = config;
    let allowed: Vec<Allowed> = allowed_urls
        .iter()
        .map(|text| text.parse())
        .collect::<Result<_, _>>()
        .context("services.allowedUrls")?;
    let mut trusted_pem = None;
    for path in &ca_files {
        let text = fs::read_to_string(path)
            .with_context(|| format!("services.caFiles: cannot read {}", path.display()))?;
        let pem: &mut String = trusted_pem.get_or_insert_default();
        pem.push_str(&text);
        pem.push('\n');
    }
    let secrets: Arc<dyn Secrets> = match secrets_folder.as_str() {
        "" => Arc::new(NoSecrets),
        folder => Arc::new(FolderSecrets::new(folder)),
    };
    let allow_loopback = allowed.iter().any(Allowed::is_loopback);
    let config = Config { allowed, allow_loopback, trusted_pem, ..Config::default() };
    let collector = match Collector::new(config, secrets, clock) {
        Ok(collector) => Ok(collector),
        Err(error @ ConfigError::Http { .. }) if ca_files.is_empty() => {
            tracing::warn!(%error, "services cannot be asked");
            Err(error.to_string())
        }
        // Nothing else that is given here can be wrong.
        Err(error) => return Err(error).context("services.caFiles"),
    };
    Ok(Services { collector, interval: Duration::from_secs(interval_seconds) })
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn config(allowed: &str, ca_file: Option<PathBuf>) -> ServicesConfig {
        ServicesConfig {
            allowed_urls: vec![allowed.to_owned()],
            secrets_folder: String::new(),
            ca_files: ca_file.into_iter().collect(),
            interval_seconds: 60,
        }
    }

    fn refusal(config: ServicesConfig) -> String {
        runtime::error::chain(open(config, Clock::system()).unwrap_err().as_ref())
    }

    #[test]
    fn what_cannot_be_used_is_told_at_the_start() {
        let told = refusal(config("ftp://x", None));
        assert!(told.contains("services.allowedUrls") && told.contains("ftp://x"), "{told}");
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ca.pem");
        let told = refusal(config("https://x.example", Some(file.clone())));
        assert!(told.contains("ca.pem"), "{told}");
        fs::write(&file, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
        let told = refusal(config("https://x.example", Some(file)));
        assert!(told.contains("services.caFiles"), "{told}");
        let opened = open(config("https://x.example", None), Clock::system()).unwrap();
        assert_eq!(opened.interval, Duration::from_secs(60));
    }
}
