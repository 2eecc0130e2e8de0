//! How a person reaches the demo's clusters from another terminal: a file to source, and what to try with it.

use anyhow::{Context, Result};
use e2e::binaries::Binaries;
use e2e::fleet::{Fleet, Member};
use e2e::tools::Tools;
use serde_json::{Value, json};
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

const ENV_FILE: &str = "env";
const KUBECONFIG: &str = "kubeconfig";

/// Writes a kubeconfig with a context for each cluster, and the file to source.
pub(crate) fn write(fleet: &Fleet, binaries: &Binaries) -> Result<()> {
    let folder = fleet.folder();
    let configs: Vec<(String, Value)> =
        fleet.members.iter().map(read_kubeconfig).collect::<Result<_>>()?;
    write_private(&folder.join(KUBECONFIG), &format!("{:#}\n", merge(&configs)))?;
    let muster = binaries.path("muster")?;
    let path = [muster.parent().context("a binary is in a folder")?, Tools::locate()?.folder()]
        .map(|folder| quote(&folder.display().to_string()))
        .join(":");
    let text = format!(
        "# For a POSIX shell: kubectl and muster of the demo, and where its fleet is.\n\
         export PATH={path}:\"$PATH\"\n\
         export KUBECONFIG={}\n\
         export KUBECACHEDIR={}\n\
         export MUSTER_CONTEXT={}\n\
         export FLEET={}\n",
        quote_path(&folder.join(KUBECONFIG)),
        quote_path(&folder.join("kubectl-cache")),
        quote_path(&fleet.hub.context_file()),
        quote_path(fleet.repository.work()),
    );
    write_private(&folder.join(ENV_FILE), &text)
}

/// The clusters with their kubeconfigs.
pub(crate) fn clusters(fleet: &Fleet) -> Vec<String> {
    let line = |member: &Member| {
        format!("{}  {}", member.name(), member.plane.admin_kubeconfig().display())
    };
    fleet.members.iter().map(line).collect()
}

/// The line that makes a shell know the fleet.
pub(crate) fn source_line(folder: &Path) -> String {
    format!(". {}", quote_path(&folder.join(ENV_FILE)))
}

/// What a newcomer may try while the demo stays up.
pub(crate) fn next_things(folder: &Path) -> String {
    format!(
        "In another terminal:\n\
         \n  {}\n\
         \nand then, for example:\n\
         \n  1  Spoil something by hand, and see who did it and that it did not last:\n\
         \n       kubectl --context eu-1 -n web scale deployment web --replicas 7\
         \n       kubectl --context eu-1 -n web get deployment web\
         \n       muster history web-eu-1\n\
         \n  2  Change the fleet by a commit:\n\
         \n       cd \"$FLEET\" && sed -i s/hello/goodbye/ apps/web/settings.yaml\
         \n       git commit -qam 'Say goodbye' && git push -q && muster refresh\
         \n       muster wait application --all && muster get applications\n\
         \n  3  Take a label away, so that three applications have no cluster any more.\
         \n     That is more than the deletion budget: they wait for a person.\n\
         \n       muster cluster label eu-2 env-\
         \n       muster describe applicationset apps\
         \n       muster cluster label eu-2 env=prod\n\n",
        source_line(folder)
    )
}

/// Makes `git commit` and `git push` work in the work tree for whoever is at the terminal.
pub(crate) async fn prepare_work_tree(fleet: &Fleet) -> Result<()> {
    let repository = &fleet.repository;
    let bare = repository.bare().to_str().context("the folder's name is not UTF-8")?;
    repository.git(&["remote", "add", "origin", bare]).await?;
    let settings = [
        ("branch.main.remote", "origin"),
        ("branch.main.merge", "refs/heads/main"),
        ("user.name", "Ada"),
        ("user.email", "ada@example.com"),
        ("commit.gpgSign", "false"),
    ];
    for (key, value) in settings {
        repository.git(&["config", key, value]).await?;
    }
    Ok(())
}

fn read_kubeconfig(member: &Member) -> Result<(String, Value)> {
    let path: PathBuf = member.plane.admin_kubeconfig();
    let text =
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let config = serde_json::from_str(&text)
        .with_context(|| format!("{} is not as it was written", path.display()))?;
    Ok((member.name().to_owned(), config))
}

/// One kubeconfig with cluster, user and context named after each cluster.
fn merge(configs: &[(String, Value)]) -> Value {
    let part = |list: &str, field: &str| -> Vec<Value> {
        let entry = |(name, config): &(String, Value)| json!({ "name": name, field: config[list][0][field] });
        configs.iter().map(entry).collect()
    };
    let context =
        |name: &String| json!({ "name": name, "context": { "cluster": name, "user": name } });
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": configs.first().map(|(name, _)| name),
        "clusters": part("clusters", "cluster"),
        "users": part("users", "user"),
        "contexts": configs.iter().map(|(name, _)| context(name)).collect::<Vec<_>>(),
    })
}

fn write_private(path: &Path, text: &str) -> Result<()> {
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes()))
        .with_context(|| format!("cannot write {}", path.display()))
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
    fn contexts_carry_the_names_of_the_clusters() {
        let config = |server: &str| {
            json!({ "clusters": [{ "name": "admin", "cluster": { "server": server } }],
                    "users": [{ "name": "admin", "user": { "token": server } }] })
        };
        let merged = merge(&[("eu-1".into(), config("a")), ("eu-2".into(), config("b"))]);
        assert_eq!(merged["current-context"], "eu-1");
        assert_eq!(merged["clusters"][1], json!({ "name": "eu-2", "cluster": { "server": "b" } }));
        assert_eq!(merged["users"][1]["user"]["token"], "b");
        assert_eq!(merged["contexts"][1]["context"], json!({ "cluster": "eu-2", "user": "eu-2" }));
    }

    #[test]
    fn a_shell_reads_a_quoted_path_as_it_is() {
        assert_eq!(quote("/tmp/muster-demo-Ab1"), "/tmp/muster-demo-Ab1");
        assert_eq!(quote("/tmp/it's here"), r"'/tmp/it'\''s here'");
    }
}
