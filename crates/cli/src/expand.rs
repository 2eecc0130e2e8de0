//! `muster expand`: what sets come to, without a hub.
//!
//! Reads files and folders and asks nobody. What a file says wrong is a problem like any other, so
//! that one mistake hides nothing else.

mod input;
mod repositories;

use std::path::PathBuf;

use clap::ValueEnum;
use generators::{Expansion, Generated, Sources, World, expand};
use model::document::Resource;
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::show::{self, Console, count};
use input::Input;
use repositories::{Folder, Folders};

/// Show what ApplicationSets come to, without a hub
///
/// Prints the applications, sorted by name, and the problems. Exits with 1 when there are problems.
/// Without clusters, destinations are not checked.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Files with ApplicationSets, Applications and Clusters, or - for stdin
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// File with Clusters, or what `muster get clusters -o yaml` printed
    #[arg(long, value_name = "FILE")]
    clusters: Option<PathBuf>,
    /// A folder for a repository that generators read; of a Git work tree, what is committed at REV,
    /// by default at HEAD; may be repeated
    #[arg(long = "repo", value_name = "URL=DIR[@REV]")]
    repositories: Vec<Folder>,
    /// How to print
    #[arg(long, short, value_name = "FORMAT", default_value = "json")]
    output: Format,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    Json,
    Yaml,
}

impl From<Format> for show::Format {
    fn from(format: Format) -> Self {
        match format {
            Format::Json => Self::Json,
            Format::Yaml => Self::Yaml,
        }
    }
}

fn document(application: &Generated) -> Value {
    match application {
        Generated::Native(native) => Resource::Application(Box::new((**native).clone())).to_value(),
        Generated::Argo(argo) => {
            let mut document = argo.document.clone();
            document["apiVersion"] = model::argo::API_VERSION.into();
            document["kind"] = "Application".into();
            document
        }
    }
}

pub(crate) fn run(args: Args, console: &mut Console) -> Result<(), Failure> {
    let Args { files, clusters, repositories, output } = args;
    let mut input = Input::default();
    for file in &files {
        input.read(file);
    }
    if let Some(file) = &clusters {
        input.read_clusters(file);
    }
    let folders = Folders::new(repositories);
    let knows_clusters = clusters.is_some() || !input.clusters.is_empty();
    let world = World {
        clusters: knows_clusters.then_some(&input.clusters[..]),
        ..World::without_clusters(&folders)
    };
    let sources = Sources {
        sets: &input.sets,
        applications: &input.applications,
        argo_sets: &input.argo_sets,
        argo_applications: &input.argo_applications,
    };
    let Expansion { applications, mut problems, .. } = expand(&sources, &world);
    problems.extend(input.problems);
    problems.sort();
    let applications = applications.into_iter().map(|generated| document(&generated.application));
    let document = json!({
        "applications": applications.collect::<Vec<Value>>(),
        "problems": problems,
    });
    show::print_document(&document, output.into(), console)?;
    if !knows_clusters {
        console
            .say("note: no clusters are given, so destinations are not checked; --clusters FILE");
    }
    match problems.len() {
        0 => Ok(()),
        number => Err(Failure::Unfinished { message: count(number, "problem"), hint: None }),
    }
}
