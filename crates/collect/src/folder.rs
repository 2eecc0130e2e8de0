//! Secrets and ConfigMaps in a folder, as Kubernetes mounts them: a folder for each, a file for
//! each key. A file is read when it is asked for, so that what is replaced counts at once.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use model::provider::SecretRef;

use crate::secret::{Missing, Secret, Secrets};

/// The API server takes no larger Secret.
const MAX_BYTES: u64 = 1 << 20;

/// `FOLDER/secrets/NAME/KEY` and `FOLDER/configmaps/NAME/KEY`.
#[derive(Debug, Clone)]
pub struct FolderSecrets {
    folder: PathBuf,
}

impl FolderSecrets {
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// The folder of one Secret or ConfigMap. Names come from documents and stay one component.
    fn place(&self, kind: &str, name: &str) -> Option<PathBuf> {
        is_name(name).then(|| self.folder.join(kind).join(name))
    }
}

impl Secrets for FolderSecrets {
    fn secret(&self, reference: &SecretRef, _audience: &str) -> Result<Secret, Missing> {
        let SecretRef { secret_name, key } = reference;
        let place = self.place("secrets", secret_name).filter(|_| is_name(key));
        place.and_then(|place| read(&place.join(key))).map(Secret::new).ok_or_else(|| {
            Missing::new(format!(
                "the secret `{secret_name}` has no key `{key}`; it is read from the file \
                 `secrets/{secret_name}/{key}` of the folder for secrets"
            ))
        })
    }

    fn config_map(&self, name: &str) -> Result<BTreeMap<String, String>, Missing> {
        let missing = || {
            Missing::new(format!(
                "there is no ConfigMap `{name}`; it is read from the folder `configmaps/{name}` \
                 of the folder for secrets"
            ))
        };
        let place = self.place("configmaps", name).ok_or_else(missing)?;
        let entries = fs::read_dir(place).map_err(|_io| missing())?;
        let keys = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        // A mounted folder has names of its own that begin with two dots.
        let keys = keys.filter(|key| is_name(key));
        let place = self.folder.join("configmaps").join(name);
        Ok(keys.filter_map(|key| Some((key.clone(), read(&place.join(key))?))).collect())
    }
}

/// What a Secret or a key of one may be called.
fn is_name(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    !text.is_empty()
        && text.len() <= 253
        && !text.starts_with("..")
        && text != "."
        && text.bytes().all(plain)
}

fn read(path: &Path) -> Option<String> {
    let mut text = String::new();
    File::open(path).ok()?.take(MAX_BYTES).read_to_string(&mut text).ok()?;
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reference(name: &str, key: &str) -> SecretRef {
        SecretRef { secret_name: name.to_owned(), key: key.to_owned() }
    }

    #[test]
    fn secrets_are_files_and_names_lead_nowhere_else() {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in
            [("secrets/gh/token", "abc\n"), ("configmaps/p/baseUrl", "https://p"), ("out", "x")]
        {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let secrets = FolderSecrets::new(folder.path());
        assert_eq!(secrets.secret(&reference("gh", "token"), "").unwrap().expose(), "abc");
        assert_eq!(secrets.config_map("p").unwrap()["baseUrl"], "https://p");
        for (name, key) in
            [("gh", "other"), ("gh", "../../out"), ("..", "out"), ("", "out"), ("a/b", "x")]
        {
            assert!(secrets.secret(&reference(name, key), "").is_err(), "{name}/{key}");
        }
        assert!(secrets.config_map("../secrets/gh").is_err() && secrets.config_map("q").is_err());
    }
}
