//! Secrets on a workstation: files and variables that a person names, and ConfigMaps from the files
//! of `--decisions`.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use collect::{Missing, Secret, Secrets};
use model::argo::Decisions;
use model::provider::SecretRef;
use serde_json::Value;

/// No token or key is larger.
const MAX_BYTES: u64 = 64 << 10;

/// One `--secret NAME/KEY=SOURCE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct GivenSecret {
    name: String,
    key: String,
    source: Source,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Source {
    File(PathBuf),
    Variable(String),
}

impl FromStr for GivenSecret {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let rule = "write NAME/KEY=FILE or NAME/KEY=env:VARIABLE";
        let (reference, source) = text.split_once('=').ok_or(rule)?;
        let (name, key) = reference.split_once('/').ok_or(rule)?;
        if [name, key, source, source.trim_start_matches("env:")].contains(&"") {
            return Err(rule.to_owned());
        }
        let source = match source.strip_prefix("env:") {
            Some(variable) => Source::Variable(variable.to_owned()),
            None => Source::File(source.into()),
        };
        Ok(Self { name: name.to_owned(), key: key.to_owned(), source })
    }
}

/// All that was given.
#[derive(Debug)]
pub(super) struct GivenSecrets {
    secrets: Vec<GivenSecret>,
    config_maps: BTreeMap<String, BTreeMap<String, String>>,
}

impl GivenSecrets {
    pub(super) fn new(secrets: Vec<GivenSecret>, decisions: &[&Decisions]) -> Self {
        let documents = decisions.iter().flat_map(|decisions| &decisions.config_maps);
        let named = documents.filter_map(|document| {
            let name = document["metadata"]["name"].as_str()?;
            let data = document["data"].as_object()?.iter();
            let text =
                |(key, value): (&String, &Value)| Some((key.clone(), value.as_str()?.to_owned()));
            Some((name.to_owned(), data.filter_map(text).collect()))
        });
        Self { secrets, config_maps: named.collect() }
    }
}

impl Secrets for GivenSecrets {
    fn secret(&self, reference: &SecretRef, _audience: &str) -> Result<Secret, Missing> {
        let SecretRef { secret_name, key } = reference;
        let mut given = self.secrets.iter();
        let given = given.find(|given| given.name == *secret_name && given.key == *key);
        let given = given.ok_or_else(|| {
            let what = format!("{secret_name}/{key}");
            Missing::new(format!(
                "the secret {what} is not given; add --secret {what}=FILE or {what}=env:VARIABLE"
            ))
        })?;
        match &given.source {
            Source::File(path) => read(path),
            Source::Variable(name) => env::var(name).map(Secret::new).map_err(|_unset| {
                Missing::new(format!("the variable {name} is not set, or not text"))
            }),
        }
    }

    fn config_map(&self, name: &str) -> Result<BTreeMap<String, String>, Missing> {
        let missing = || {
            let message = format!("the ConfigMap {name} is in no file of --decisions");
            Missing::new(message)
        };
        self.config_maps.get(name).cloned().ok_or_else(missing)
    }
}

fn read(path: &Path) -> Result<Secret, Missing> {
    let mut text = String::new();
    let read = fs::File::open(path).and_then(|file| file.take(MAX_BYTES).read_to_string(&mut text));
    match read {
        Ok(_) => Ok(Secret::new(text)),
        Err(error) => Err(Missing::new(format!(
            "the secret's file {} cannot be read: {error}",
            path.display()
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_in_a_file_or_a_variable() {
        let parsed = |text: &str| text.parse::<GivenSecret>().map(|given| given.source);
        assert_eq!(parsed("github/token=/run/t"), Ok(Source::File("/run/t".into())));
        assert_eq!(parsed("github/token=env:T"), Ok(Source::Variable("T".to_owned())));
        for wrong in ["", "a", "a=b", "/k=f", "n/=f", "n/k=", "n/k=env:"] {
            assert!(parsed(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_missing_is_named_with_the_flag() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("token");
        fs::write(&file, "t0k3n\n").unwrap();
        let given = vec![format!("github/token={}", file.display()).parse().unwrap()];
        let secrets = GivenSecrets::new(given, &[]);
        let ask = |name: &str, key: &str| {
            let reference = SecretRef { secret_name: name.to_owned(), key: key.to_owned() };
            secrets.secret(&reference, "https://github.example").map_err(|missing| missing.message)
        };
        assert_eq!(ask("github", "token").unwrap().expose(), "t0k3n");
        assert!(ask("github", "other").unwrap_err().contains("--secret github/other=FILE"));
        assert!(secrets.config_map("plugin").unwrap_err().message.contains("--decisions"));
    }
}
