//! `muster apply`: store resources in the hub.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use proto::v1::{ApplyRequest, ApplyResult};

use crate::client::{Hub, Options};
use crate::failure::Failure;
use crate::show::{Console, count, one_line};

/// The most that the hub takes in one request, in bytes. Checked here as well, where the file has a
/// name.
const MAX_DOCUMENTS: usize = 3 << 20;

/// Store resources in the hub
///
/// ApplicationSets, Applications and Clusters, in YAML or JSON, one or more documents per file. Each
/// document succeeds or fails by itself. A resource of the same name in the fleet repository wins.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// File with resources, or - for stdin; may be repeated
    #[arg(long = "file", short, value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Why, for the history
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    reason: String,
}

pub(crate) async fn run(
    args: Args,
    options: &Options,
    console: &mut Console,
) -> Result<(), Failure> {
    let Args { files, reason } = args;
    // All files are read before anything is sent: a misspelt name changes nothing.
    let read = files.into_iter().map(|path| Ok((read(&path)?, path)));
    let read = read.collect::<Result<Vec<_>, Failure>>()?;
    let mut hub = Hub::connect(options, console).await?;
    let mut refused = 0;
    for (documents, path) in read {
        let request = hub.request(ApplyRequest { documents, reason: reason.clone() });
        let outcome = hub.client.apply(request).await;
        let results = hub.judge(outcome)?.results;
        if results.is_empty() {
            console.say(&format!("{} holds no documents", shown(&path)));
        }
        refused += print(&results, &path, console)?;
    }
    match refused {
        0 => Ok(()),
        number => Err(Failure::Unfinished {
            message: format!("{} refused; the others are stored", count(number, "document")),
            hint: None,
        }),
    }
}

fn is_stdin(path: &Path) -> bool {
    path == Path::new("-")
}

fn shown(path: &Path) -> String {
    if is_stdin(path) { "stdin".to_owned() } else { path.display().to_string() }
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let failed = |source| Failure::Input { path: path.to_owned(), source };
    let text = if is_stdin(path) {
        let mut text = Vec::new();
        io::stdin().lock().read_to_end(&mut text).map_err(failed)?;
        text
    } else {
        fs::read(path).map_err(failed)?
    };
    if text.len() > MAX_DOCUMENTS {
        let message = format!(
            "{} is {} bytes long and at most {MAX_DOCUMENTS} fit into one request; split it at a `---`",
            shown(path),
            text.len()
        );
        return Err(Failure::Unfinished { message, hint: None });
    }
    Ok(text)
}

/// Prints one line per document; returns how many were refused.
fn print(results: &[ApplyResult], path: &Path, console: &mut Console) -> Result<usize, Failure> {
    let mut refused = 0;
    for ApplyResult { kind, name, outcome, message } in results {
        let thing = format!("{}/{name}", kind.to_lowercase());
        if outcome == "refused" {
            refused += 1;
            // A document that could not be read may have no name.
            let thing = if name.is_empty() { String::new() } else { format!("{thing}: ") };
            let file = shown(path);
            console.say(&format!("{file}: {thing}refused: {}", one_line(message)));
            continue;
        }
        console.print(&format!("{thing} {outcome}\n"))?;
        if !message.is_empty() {
            console.say(&format!("{thing}: {}", one_line(message)));
        }
    }
    Ok(refused)
}
