//! `muster-hub init`: the fleet's CA, the hub's certificate and the first operator's context.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use model::name::{FleetName, OperatorName};
use model::status::Timestamp;
use model::yaml;
use runtime::clock::Clock;
use rustls_pki_types::ServerName;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::pki::{Pki, write_private};

/// What the hub must know of itself before it has a store.
const SELF_FILE: &str = "hub.json";
const CONTEXT_FILE: &str = "admin.yaml";
/// The first operator; a person makes others from it later.
const OPERATOR: &str = "admin";

pub struct InitOptions {
    pub dir: PathBuf,
    pub fleet: String,
    pub address: String,
    pub names: Vec<String>,
}

/// Where the hub is reached, and by which names.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Place {
    /// `HOST:PORT` as spokes and people dial it.
    pub address: String,
    /// Every name and IP address that the hub's certificate carries.
    pub names: Vec<String>,
}

pub fn pki_dir(dir: &Path) -> PathBuf {
    dir.join("pki")
}

/// Makes a fleet in `options.dir` and returns what to do next, for a person.
///
/// # Errors
/// When there is a fleet already, or a name or address is not one.
pub fn init(options: &InitOptions, clock: &Clock) -> anyhow::Result<String> {
    let InitOptions { dir, fleet, address, names } = options;
    let fleet = FleetName::new(fleet)?;
    let place = place(address, names)?;
    let now = Timestamp(clock.wall_ms());
    fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
    let pki = Pki::init(&pki_dir(dir), &fleet, now)?;
    pki.server_identity(&pki_dir(dir), &place.names, now)?;

    let text = serde_json::to_string_pretty(&place)? + "\n";
    write_private(&dir.join(SELF_FILE), text.as_bytes())?;
    let operator = pki.issue_operator(&OperatorName::new(OPERATOR)?, now)?;
    let context = json!({
        "hub": address,
        "serverName": host(address)?,
        "fleet": fleet.as_str(),
        "ca": pki.trust_bundle(),
        "certificate": operator.certificate_chain,
        "key": operator.key,
    });
    let context_file = dir.join(CONTEXT_FILE);
    write_private(&context_file, context_yaml(&context)?.as_bytes())?;
    let shown = |path: &Path| path.display().to_string();
    Ok(format!(
        "The fleet {fleet} is made.\n\n\
         Back up {pki}: it holds the key that every spoke trusts.\n\n\
         Next:\n  \
         muster-hub run --dir {dir}\n  \
         export MUSTER_CONTEXT={context}\n  \
         muster cluster token create --name CLUSTER\n",
        pki = shown(&pki_dir(dir)),
        dir = shown(dir),
        context = shown(&context_file),
    ))
}

/// What `init` wrote about the hub itself.
pub fn load_place(dir: &Path) -> anyhow::Result<Place> {
    let path = dir.join(SELF_FILE);
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => bail!(
            "there is no fleet in {}; make one with `muster-hub init --dir {0} --address HOST:PORT`",
            dir.display()
        ),
        Err(error) => {
            return Err(error).with_context(|| format!("cannot read {}", path.display()));
        }
    };
    let value =
        yaml::read_one(&text, 1 << 20).with_context(|| format!("{} is damaged", path.display()))?;
    serde_json::from_value(value).with_context(|| format!("{} is damaged", path.display()))
}

fn place(address: &str, extra: &[String]) -> anyhow::Result<Place> {
    let mut names = vec![host(address)?];
    names.extend(extra.iter().cloned());
    names.sort();
    names.dedup();
    Ok(Place { address: address.to_owned(), names })
}

/// The host of `HOST:PORT`, without the brackets of an IPv6 address.
fn host(address: &str) -> anyhow::Result<String> {
    proto::channel::server_name(address)?;
    let (host, _) = address.rsplit_once(':').context("an address has a port")?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    ensure!(ServerName::try_from(host.to_owned()).is_ok(), "{host:?} is not a host name");
    Ok(host.to_owned())
}

fn context_yaml(context: &Value) -> anyhow::Result<String> {
    let body = serde_saphyr::to_string(context).context("the context cannot be written as YAML")?;
    Ok(format!("# Who you are to this fleet. It holds a private key: keep it to yourself.\n{body}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fleet_is_made_once_and_its_context_can_be_read() {
        let folder = tempfile::tempdir().unwrap();
        let options = InitOptions {
            dir: folder.path().join("fleet"),
            fleet: "demo".into(),
            address: "127.0.0.1:8443".into(),
            names: vec!["hub.example".into()],
        };
        let said = init(&options, &Clock::system()).unwrap();
        assert!(said.contains("muster cluster token create"), "{said}");
        let place = load_place(&options.dir).unwrap();
        assert_eq!(place.names, ["127.0.0.1", "hub.example"]);
        let context = fs::read(options.dir.join(CONTEXT_FILE)).unwrap();
        let context = yaml::read_one(&context, 1 << 20).unwrap();
        assert_eq!(context["serverName"], "127.0.0.1");
        assert!(context["key"].as_str().unwrap().contains("PRIVATE KEY"));
        let error = init(&options, &Clock::system()).unwrap_err().to_string();
        assert!(error.contains("already"), "{error}");
    }
}
