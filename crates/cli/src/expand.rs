//! `muster expand`: what sets come to, without a hub.
//!
//! Reads files and folders, and asks nobody unless it is told to (`--collect`). What a file says wrong is a problem like any other, so
//! that one mistake hides nothing else.

mod against;
mod counterpart;
mod explain;
mod files;
mod input;
mod repositories;
mod services;
mod tree;

use std::path::PathBuf;
use std::sync::Arc;

use clap::ValueEnum;
use generators::{DEFAULT_MAX_ELEMENTS, Generated, GitFilesGlob, Options, Providers};
use model::document::Resource;
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::show::{self, Console, count};
use repositories::Folder;
use services::ServiceArgs;
use tree::{Paths, Tree};

/// Show what ApplicationSets come to, without a hub
///
/// Prints the applications, sorted by name, and the problems. Exits with 1 when there are problems.
/// Without clusters, destinations are not checked.
///
/// With --against it prints what changes between two trees, and exits with 2 when more would be
/// removed than a deletion budget allows.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Files with ApplicationSets, Applications and Clusters, folders of such files, or - for stdin
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// File with Clusters, with Argo CD's cluster Secrets, or what `muster get clusters -o yaml`
    /// printed; may be repeated
    #[arg(long, value_name = "FILE")]
    clusters: Vec<PathBuf>,
    /// File with the objects and ConfigMaps that clusterDecisionResource generators look at, and those
    /// of plugins; may be repeated
    #[arg(long, value_name = "FILE")]
    decisions: Vec<PathBuf>,
    /// A folder for a repository that generators read; of a Git work tree, what is committed at REV,
    /// by default at HEAD; may be repeated
    #[arg(long = "repo", value_name = "URL=DIR[@REV]")]
    repositories: Vec<Folder>,
    /// How argoproj.io sets read the patterns of git files
    #[arg(long, value_name = "GLOB", default_value = "git")]
    git_files_glob: Glob,
    /// The most elements that one set may give
    #[arg(long, value_name = "N", default_value_t = MOST, value_parser = clap::value_parser!(u32).range(1..))]
    max_elements: u32,
    /// Show why one application is there: its set, generators, element, parameters and template
    #[arg(long, value_name = "NAME", conflicts_with = "against")]
    explain: Option<String>,
    /// Compare with another tree, such as a checkout of main: everything that lies below this
    /// folder is looked up there by the same path
    #[arg(long, value_name = "DIR")]
    against: Option<PathBuf>,
    /// How to print; by default json, and text for people with --explain and --against
    #[arg(long, short, value_name = "FORMAT")]
    output: Option<Format>,
    #[command(flatten)]
    services: ServiceArgs,
}

const MOST: u32 = DEFAULT_MAX_ELEMENTS as u32;

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    Json,
    Yaml,
    /// Only the names of applications, one on a line; problems go to stderr
    Name,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Glob {
    /// As git ls-files does: * crosses /
    Git,
    /// As with Argo CD's --enable-new-git-file-globbing: * does not cross /, ** does
    Doublestar,
}

/// For anything but names; json when none is asked for.
fn document_format(format: Option<Format>) -> show::Format {
    match format {
        Some(Format::Yaml) => show::Format::Yaml,
        Some(Format::Json | Format::Name) | None => show::Format::Json,
    }
}

impl From<Glob> for GitFilesGlob {
    fn from(glob: Glob) -> Self {
        match glob {
            Glob::Git => Self::Pathspec,
            Glob::Doublestar => Self::Doublestar,
        }
    }
}

fn document(application: &Generated) -> Value {
    match application {
        Generated::Native(native) => Resource::Application(Arc::clone(native)).to_value(),
        Generated::Argo(argo) => {
            let mut document = argo.document.to_value();
            document["apiVersion"] = model::argo::API_VERSION.into();
            document["kind"] = "Application".into();
            document
        }
    }
}

pub(crate) fn run(args: Args, console: &mut Console) -> Result<(), Failure> {
    let Args {
        files,
        clusters,
        decisions,
        repositories,
        git_files_glob,
        max_elements,
        services,
        explain,
        against,
        output,
    } = args;
    let options = Options {
        git_files_glob: git_files_glob.into(),
        max_elements: usize::try_from(max_elements).unwrap_or(usize::MAX),
    };
    let paths = Paths { files, found: Vec::new(), clusters, decisions, repositories };
    if let (Some(Format::Name), true) = (output, explain.is_some() || against.is_some()) {
        return Err(Failure::usage(
            "-o name is for a plain expansion, not for --explain or --against",
        ));
    }
    if let Some(folder) = against {
        return against::run(paths, &folder, options, services, output, console);
    }
    let tree = Tree::read(paths);
    let services = services::ask(services, &[&tree], options, console)?;
    match explain {
        Some(name) => explain::run(&tree, &name, options, &services, output, console),
        None => print(&tree, options, &services, output, console),
    }
}

fn print(
    tree: &Tree,
    options: Options,
    providers: &dyn Providers,
    output: Option<Format>,
    console: &mut Console,
) -> Result<(), Failure> {
    let expansion = tree.expand(options, providers);
    match output {
        Some(Format::Name) => {
            let names = expansion.applications.iter().map(|one| format!("{}\n", one.name()));
            console.print(&names.collect::<String>())?;
            for problem in &expansion.problems {
                console.say(&format!("problem: {}", show::one_line(&problem.to_string())));
            }
        }
        format => {
            let applications = expansion.applications.iter().map(|one| document(&one.application));
            let document = json!({
                "applications": applications.collect::<Vec<Value>>(),
                "problems": expansion.problems,
            });
            show::print_document(&document, document_format(format), console)?;
        }
    }
    if !tree.knows_clusters {
        console
            .say("note: no clusters are given, so destinations are not checked; --clusters FILE");
    }
    match expansion.problems.len() {
        0 => Ok(()),
        number => Err(Failure::Unfinished { message: count(number, "problem"), hint: None }),
    }
}
