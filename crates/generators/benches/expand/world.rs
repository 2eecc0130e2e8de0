//! Clusters with labels, and one repository with a directory for each application.

use std::sync::Arc;

use generators::{Options, Repositories, Unavailable, World};
use model::cluster::Cluster;
use model::tree::{EntryKind, FileTree, RepoPath, TreeEntry, TreeError};
use serde_json::json;

pub(crate) const FLEET: &str = "https://git.example/fleet.git";

/// Of clusters, each with a label of its own.
pub(crate) const GROUPS: usize = 1_000;

const ENVIRONMENTS: [&str; 3] = ["dev", "staging", "prod"];
const REGIONS: [&str; 5] = ["eu-west", "eu-north", "us-east", "us-west", "ap-south"];
const TEAMS: [&str; 7] = ["payments", "search", "identity", "media", "billing", "risk", "core"];

/// The world of one case.
pub(crate) struct Known {
    pub(crate) clusters: Vec<Cluster>,
    tree: Arc<Directories>,
}

impl Known {
    pub(crate) fn new(clusters: usize, directories: usize) -> Self {
        Self {
            clusters: (0..clusters).map(cluster).collect(),
            tree: Arc::new(Directories(directories)),
        }
    }

    pub(crate) fn world(&self) -> World<'_> {
        // The matrix has more elements than a set may have unless it is told otherwise.
        let options = Options { max_elements: 1_000_000, ..Options::default() };
        World { options, ..World::new(&self.clusters, self) }
    }
}

impl Repositories for Known {
    fn tree(&self, _: &str, _: &str) -> Result<Arc<dyn FileTree>, Unavailable> {
        Ok(Arc::<Directories>::clone(&self.tree))
    }
}

fn cluster(number: usize) -> Cluster {
    let name = format!("cluster-{number:05}");
    let value = json!({
        "metadata": {
            "name": name,
            "labels": {
                "env": ENVIRONMENTS[number % ENVIRONMENTS.len()],
                "region": REGIONS[number % REGIONS.len()],
                "team": TEAMS[number % TEAMS.len()],
                "tier": (number % 4).to_string(),
                "group": format!("group-{}", number % GROUPS),
            },
        },
        "spec": {"server": format!("https://{name}.clusters.example:6443")},
    });
    serde_json::from_value(value).expect("a cluster as documents write it")
}

/// `apps/app-000/deployment.yaml` and so on.
struct Directories(usize);

impl FileTree for Directories {
    fn read(&self, path: &RepoPath, _: u64) -> Result<Vec<u8>, TreeError> {
        Err(TreeError::NotFound { path: path.clone() })
    }

    fn list(&self, path: &RepoPath) -> Result<Vec<TreeEntry>, TreeError> {
        let directory = |name: String| TreeEntry { name, kind: EntryKind::Directory };
        Ok(match path.components().count() {
            0 => vec![directory("apps".to_owned())],
            1 => (0..self.0).map(|number| directory(format!("app-{number:03}"))).collect(),
            _ => vec![TreeEntry { name: "deployment.yaml".to_owned(), kind: EntryKind::File }],
        })
    }
}
