//! How a person reaches the demo from another terminal: a file to source, and what to try with it.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use super::cluster::Cluster;
use super::error::DemoError;
use super::repository::Repository;
use super::story::SET;

const ENV_FILE: &str = "env";

/// What the file to source says.
pub(crate) struct Access<'a> {
    pub(crate) folder: &'a Path,
    pub(crate) context_file: &'a Path,
    /// Absent when kubectl finds the clusters by itself.
    pub(crate) kubeconfig: Option<&'a Path>,
    pub(crate) repository: &'a Repository,
}

impl Access<'_> {
    pub(crate) fn write(&self) -> Result<(), DemoError> {
        let mut text = String::from("# For a POSIX shell: muster and kubectl of the demo.\n");
        let mut export = |name: &str, value: &str| {
            text.extend(["export ", name, "=", value, "\n"]);
        };
        if let Some(folder) = std::env::current_exe().ok().as_deref().and_then(Path::parent) {
            export("PATH", &format!("{}:\"$PATH\"", quote_path(folder)));
        }
        export("MUSTER_CONTEXT", &quote_path(self.context_file));
        export("FLEET", &quote_path(self.repository.work()));
        if let Some(kubeconfig) = self.kubeconfig {
            export("KUBECONFIG", &quote_path(kubeconfig));
            // What kubectl learns about clusters that will be gone.
            export("KUBECACHEDIR", &quote_path(&self.folder.join("kubectl-cache")));
        }
        write_private(&self.folder.join(ENV_FILE), &text)
    }
}

/// The line that makes a shell know the fleet.
pub(crate) fn source_line(folder: &Path) -> String {
    format!(". {}", quote_path(&folder.join(ENV_FILE)))
}

/// What a newcomer may try while the demo stays up.
pub(crate) fn next_things(folder: &Path, clusters: &[Cluster]) -> String {
    let first = &clusters[0];
    let Cluster { name: labelled, .. } = clusters.last().unwrap_or(first);
    let (name, context) = (&first.name, quote(&first.context));
    format!(
        "Try it yourself. In another terminal:\n\
         \n  {source}\n  muster get applications\n\
         \n1  Change something by hand, and see who did it and that it did not last:\n\
         \n  kubectl --context {context} -n demo-web scale deployment web --replicas 7\
         \n  kubectl --context {context} -n demo-web get deployment web\
         \n  muster history web-{name}\n\
         \n2  Change the fleet by a commit; every cluster follows within seconds:\n\
         \n  cd \"$FLEET\" && sed -i s/hello/goodbye/ apps/web/settings.yaml\
         \n  git commit -qam 'Say goodbye' && muster get applications --watch\n\
         \n3  Take a cluster out of the set. Its applications wait for a person:\n\
         \n  muster cluster label {labelled} env-\
         \n  muster describe applicationset {SET}\
         \n  muster cluster label {labelled} env=prod\n",
        source = source_line(folder),
    )
}

pub(crate) fn write_private(path: &Path, text: &str) -> Result<(), DemoError> {
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(DemoError::file("write", path))
}

fn quote_path(path: &Path) -> String {
    quote(&path.display().to_string())
}

/// For a shell; a word without special characters stays as it is.
fn quote(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:,@%".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_reads_a_quoted_path_as_it_is() {
        assert_eq!(quote("/tmp/muster-demo-Ab1"), "/tmp/muster-demo-Ab1");
        assert_eq!(quote("/tmp/it's here"), r"'/tmp/it'\''s here'");
    }
}
