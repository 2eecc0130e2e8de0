//! The official kustomize and helm binaries: where they are, and how to get them.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::error::RenderError;

/// The binaries that render what is not plain YAML. Without one, only the applications that need
/// it fail.
#[derive(Debug, Clone, Default)]
pub struct Tools {
    pub kustomize: Option<PathBuf>,
    pub helm: Option<PathBuf>,
}

impl Tools {
    /// Looks in the directories of a `PATH`; relative directories in it are passed over, since
    /// what they name depends on where the process was started.
    #[must_use]
    pub fn find(path_var: Option<&OsStr>) -> Self {
        let find = |name: &str| {
            std::env::split_paths(path_var?)
                .filter(|directory| directory.is_absolute())
                .map(|directory| directory.join(name))
                .find(|file| is_executable(file))
        };
        Self { kustomize: find("kustomize"), helm: find("helm") }
    }

    pub(crate) fn kustomize(&self) -> Result<&Path, RenderError> {
        self.kustomize.as_deref().ok_or(RenderError::ToolMissing {
            tool: "kustomize",
            how_to_get_it: "install it from https://kubectl.docs.kubernetes.io/installation/kustomize/ \
                            into a directory of the spoke's PATH",
        })
    }

    pub(crate) fn helm(&self) -> Result<&Path, RenderError> {
        self.helm.as_deref().ok_or(RenderError::ToolMissing {
            tool: "helm",
            how_to_get_it: "install it from https://helm.sh/docs/intro/install/ \
                            into a directory of the spoke's PATH",
        })
    }
}

pub(crate) fn is_executable(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    file.metadata().is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn only_executables_in_absolute_directories_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let helm = folder.path().join("helm");
        std::fs::write(&helm, "").unwrap();
        let path = std::env::join_paths([Path::new("relative"), folder.path()]).unwrap();
        assert_eq!(Tools::find(Some(&path)).helm, None);
        std::fs::set_permissions(&helm, std::fs::Permissions::from_mode(0o755)).unwrap();
        let tools = Tools::find(Some(&path));
        assert_eq!((tools.helm, tools.kustomize), (Some(helm), None));
        assert!(Tools::find(None).helm.is_none());
    }
}
