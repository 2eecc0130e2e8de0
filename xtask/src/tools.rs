//! `cargo xtask tools`: the pinned control-plane tools, built with Go into a cache outside the checkout.
//!
//! Only Go's module proxy and its checksum files in `xtask/tools/*` decide what is built. A tool whose
//! `NAME-VERSION` is in the cache is done; a run that finds all of them there starts nothing. When
//! `MUSTER_TOOLS_DIR` names a folder, that folder is only looked at.

mod build;
mod pinned;
mod progress;

use anyhow::{Context, Result, bail};
use e2e::tools::Tools;
use pinned::Pinned;
use progress::Progress;
use std::fs::{self, File};
use std::path::Path;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Only these; default: all of them
    pub(crate) tools: Vec<String>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let wanted = pinned::select(&arguments.tools)?;
    let tools = Tools::locate()?;
    if tools.is_users_own() {
        for tool in &wanted {
            tools.path(tool.name)?;
        }
    } else {
        let versioned = with_versions(&wanted)?;
        if !missing(&versioned, tools.folder()).is_empty() {
            let _lock = lock(tools.folder())?;
            // Another run may have built some of them while this one waited.
            build_all(&missing(&versioned, tools.folder()), tools.folder())?;
        }
        link_all(&versioned, tools.folder())?;
    }
    println!("{} tools in {}", wanted.len(), tools.folder().display());
    Ok(())
}

fn with_versions(tools: &[&'static Pinned]) -> Result<Vec<(&'static Pinned, String)>> {
    tools.iter().map(|tool| Ok((*tool, tool.version()?))).collect()
}

fn missing(tools: &[(&'static Pinned, String)], folder: &Path) -> Vec<(&'static Pinned, String)> {
    let absent = |tool: &Pinned, version: &str| !folder.join(tool.file_name(version)).is_file();
    tools.iter().filter(|(tool, version)| absent(tool, version)).cloned().collect()
}

/// One run at a time builds; the lock ends with the process that holds it.
fn lock(folder: &Path) -> Result<File> {
    fs::create_dir_all(folder)
        .with_context(|| format!("cannot make the tools folder {}", folder.display()))?;
    let path = folder.join(".lock");
    let file = File::create(&path).with_context(|| format!("cannot open {}", path.display()))?;
    if file.try_lock().is_err() {
        println!("another `cargo xtask tools` is building into {}: waiting", folder.display());
        file.lock().with_context(|| format!("cannot lock {}", path.display()))?;
    }
    Ok(file)
}

fn build_all(tools: &[(&'static Pinned, String)], folder: &Path) -> Result<()> {
    let Some((first, _)) = tools.first() else { return Ok(()) };
    let go = build::find_go(first.name)?;
    println!(
        "building {} tools with Go into {}; the first time this takes about 10 minutes on 2 cores",
        tools.len(),
        folder.display()
    );
    let mut progress = Progress::new(tools.len());
    for (tool, version) in tools {
        progress.start(&format!("{} {version}", tool.name));
        build::build(&go, tool, version, folder, || progress.tick())?;
        progress.finish();
    }
    Ok(())
}

/// `NAME` points to the pinned `NAME-VERSION`, also after the pin moved back to a version that is still there.
fn link_all(tools: &[(&'static Pinned, String)], folder: &Path) -> Result<()> {
    for (tool, version) in tools {
        let target = tool.file_name(version);
        let link = folder.join(tool.name);
        if fs::read_link(&link).is_ok_and(|now| now == Path::new(&target)) {
            continue;
        }
        // By a rename: a test that starts the tool at this moment finds the old one or the new one.
        let fresh = folder.join(format!(".{}.link", tool.name));
        if fresh.symlink_metadata().is_ok() {
            fs::remove_file(&fresh)?;
        }
        std::os::unix::fs::symlink(&target, &fresh)
            .and_then(|()| fs::rename(&fresh, &link))
            .with_context(|| format!("cannot link {}", link.display()))?;
    }
    if tools.is_empty() {
        bail!("no tool was asked for");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_not_there_is_missing_and_links_follow_the_pin() {
        let folder = tempfile::tempdir().unwrap();
        let wanted =
            with_versions(&pinned::select(&["etcd".into(), "kwok".into()]).unwrap()).unwrap();
        let (etcd, version) = &wanted[0];
        fs::write(folder.path().join(etcd.file_name(version)), "").unwrap();
        std::os::unix::fs::symlink("etcd-v0.0.0", folder.path().join("etcd")).unwrap();

        let absent = missing(&wanted, folder.path());
        assert_eq!(absent.iter().map(|(tool, _)| tool.name).collect::<Vec<_>>(), ["kwok"]);

        link_all(&wanted[..1], folder.path()).unwrap();
        let target = fs::read_link(folder.path().join("etcd")).unwrap();
        assert_eq!(target, Path::new(&etcd.file_name(version)));
    }
}
