//! `muster expand --against DIR`: what changes between two trees, as a gate for CI.

mod compare;
mod fields;
mod report;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use generators::{Destinations, Expansion, Generated, Options, SetExpansion, translate};
use model::argo::Application;
use model::set::ApplicationsSync;
use serde_json::Value;

use super::counterpart::Counterpart;
use super::repositories::Folder;
use super::services::{self, ServiceArgs};
use super::tree::{Paths, Tree};
use super::{Format, document, document_format};
use crate::failure::Failure;
use crate::show::{self, Console, count};
use compare::{Comparison, Entry, Owner, Place, Policy, Rules, State, compare};
use report::Report;

/// Compares the tree at `paths` with the one in `folder`.
pub(super) fn run(
    paths: Paths,
    folder: &Path,
    options: Options,
    services: ServiceArgs,
    output: Option<Format>,
    console: &mut Console,
) -> Result<(), Failure> {
    let cannot = |source| Failure::Input { path: folder.to_owned(), source };
    let there = Counterpart::new(folder).map_err(cannot)?;
    let (now, before) = both(paths, &there, console)?;
    let (now, before) = (Tree::read(now), Tree::read(before));
    // Both sides see the same answers, so that only the files make a difference.
    let services = services::ask(services, &[&now, &before], options, console)?;
    let (after, earlier) = (now.expand(options, &services), before.expand(options, &services));
    let comparison = compare(&state(&before, &earlier), &state(&now, &after));
    let report = Report {
        against: folder.display().to_string(),
        comparison: &comparison,
        problems: &after.problems,
        problems_before: &earlier.problems,
    };
    match output {
        Some(_) => show::print_document(&report.to_value(), document_format(output), console)?,
        None => console.print(&report.to_text(console.look(false)))?,
    }
    if !earlier.problems.is_empty() {
        console.say(&format!(
            "warning: {} has problems, so not all that it makes is known: removals may be missing",
            folder.display()
        ));
    }
    verdict(&comparison, after.problems.len())
}

/// Removals weigh more than problems: a problem never removes anything.
fn verdict(comparison: &Comparison, problems: usize) -> Result<(), Failure> {
    if comparison.is_over_budget() {
        let message = report::objection(comparison);
        let hint = "a hub parks them until a person approves; remove them in smaller steps, or \
                    raise spec.safety.deletionBudget";
        return Err(Failure::OverBudget { message, hint: hint.to_owned() });
    }
    match problems {
        0 => Ok(()),
        number => Err(Failure::Unfinished { message: count(number, "problem"), hint: None }),
    }
}

/// The paths of both trees: what is named here, and what is in the same place there.
fn both(
    paths: Paths,
    there: &Counterpart,
    console: &mut Console,
) -> Result<(Paths, Paths), Failure> {
    let Paths { files, clusters, decisions, repositories, .. } = paths;
    let (mut now, mut before, mut gone) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
    for file in files {
        let other = there.of(&file).filter(|_| file != Path::new("-")).ok_or_else(|| {
            let file = file.display();
            Failure::usage(format!("{file} is not below this folder, so --against cannot find it"))
        })?;
        if !file.is_dir() && !other.is_dir() {
            gone.extend(there.gone_beside(&file));
        }
        let is_there = other.exists();
        if is_there {
            before.insert(other);
        }
        // A file that is only there is not missing: it was removed.
        if file.exists() || !is_there {
            now.push(file);
        }
    }
    gone.retain(|path| !before.iter().any(|named| path.starts_with(named)));
    if before.is_empty() && gone.is_empty() {
        console.say("warning: none of the files is in the other folder: everything is new");
    }
    let mut same = |path: &PathBuf| match there.of(path).filter(|other| other.exists()) {
        Some(other) => other,
        None => {
            console.say(&format!("note: {} is the same for both sides", path.display()));
            path.clone()
        }
    };
    let folder = |one: &Folder, same: &mut dyn FnMut(&PathBuf) -> PathBuf| Folder {
        folder: same(&one.folder),
        ..one.clone()
    };
    let before = Paths {
        files: before.into_iter().collect(),
        found: gone.into_iter().collect(),
        clusters: clusters.iter().map(&mut same).collect(),
        decisions: decisions.iter().map(&mut same).collect(),
        repositories: repositories.iter().map(|one| folder(one, &mut same)).collect(),
    };
    let now = Paths { files: now, found: Vec::new(), clusters, decisions, repositories };
    Ok((now, before))
}

fn state(tree: &Tree, expansion: &Expansion) -> State {
    let destinations = tree.destinations();
    let entries = expansion.applications.iter().map(|generated| {
        let document = document(&generated.application);
        let native = match &generated.application {
            Generated::Native(_) => None,
            Generated::Argo(argo) => native_form(argo, &destinations),
        };
        let cluster = tree.cluster_of(native.as_ref().unwrap_or(&document));
        let place = Place { cluster, name: generated.name().to_string() };
        let owner = generated.set.as_ref().map_or(Owner::ByHand, |set| Owner::Set(set.to_string()));
        (place, Entry { owner, generator: generated.generator, document, native })
    });
    let held = expansion.held.iter().map(|(name, reason)| (name.to_string(), reason.clone()));
    let sets = expansion.sets.iter().map(|set| (set.set.to_string(), rules(tree, set)));
    State {
        entries: entries.collect(),
        held: held.collect(),
        sets: sets.collect(),
        unreadable: !tree.input.problems.is_empty(),
    }
}

fn native_form(application: &Application, destinations: &Destinations<'_>) -> Option<Value> {
    let translation = translate(application, destinations).ok()?;
    Some(document(&Generated::Native(Arc::new(translation.application))))
}

/// What a set may do, in either dialect.
fn rules(tree: &Tree, expansion: &SetExpansion) -> Rules {
    let complete = expansion.complete;
    let native = tree.input.sets.iter().find(|set| set.metadata.name == expansion.set);
    if let Some(set) = native {
        let policy = policy(set.spec.sync_policy.applications_sync);
        return Rules { complete, budget: set.spec.safety.deletion_budget, policy };
    }
    let argo = tree.input.argo_sets.iter().find(|set| set.name == expansion.set);
    let sync = argo.and_then(|set| set.spec["syncPolicy"]["applicationsSync"].as_str());
    let sync = sync.and_then(|sync| serde_json::from_value(sync.into()).ok()).unwrap_or_default();
    let budget = argo.map(|set| set.safety.deletion_budget).unwrap_or_default();
    Rules { complete, budget, policy: policy(sync) }
}

fn policy(sync: ApplicationsSync) -> Policy {
    let name = serde_json::to_value(sync).ok();
    let name = name.as_ref().and_then(Value::as_str).unwrap_or_default().to_owned();
    Policy { name, updates: sync.updates(), deletes: sync.deletes() }
}
