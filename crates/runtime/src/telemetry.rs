//! Logs to stderr or to a file, as text for people or as JSON for machines. Stdout belongs to data.

use std::fmt;
use std::fs::OpenOptions;
use std::io::IsTerminal as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use thiserror::Error;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LogFormat {
    #[default]
    Text,
    Json,
}

impl FromStr for LogFormat {
    type Err = TelemetryError;
    fn from_str(text: &str) -> Result<Self, TelemetryError> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            other => Err(TelemetryError::Format { format: other.to_owned() }),
        }
    }
}

impl fmt::Display for LogFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "text",
            Self::Json => "json",
        })
    }
}

#[derive(Debug, Error)]
pub enum TelemetryError {
    #[error("unknown log format {format:?}; known: text, json")]
    Format { format: String },
    #[error("the log filter {filter:?} is not valid; write a level such as info, or target=level")]
    Filter { filter: String, source: ParseError },
    #[error("cannot write the log {}", path.display())]
    File { path: PathBuf, source: std::io::Error },
    #[error("logging was started twice in this process")]
    Twice,
}

/// Starts logging for the process. `filter` is a level or a list of `target=level`.
pub fn init(format: LogFormat, filter: &str) -> Result<(), TelemetryError> {
    let filter = EnvFilter::try_new(filter)
        .map_err(|source| TelemetryError::Filter { filter: filter.to_owned(), source })?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    match format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    }
    .map_err(|_twice| TelemetryError::Twice)
}

/// Starts logging for a process whose terminal belongs to something else: as text to a new file,
/// which only its owner can read.
pub fn init_file(path: &Path, filter: &str) -> Result<(), TelemetryError> {
    let filter = EnvFilter::try_new(filter)
        .map_err(|source| TelemetryError::Filter { filter: filter.to_owned(), source })?;
    let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path);
    let file = file.map_err(|source| TelemetryError::File { path: path.to_owned(), source })?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(Arc::new(file))
        .with_ansi(false)
        // A full disk is found by whatever else needs it, and said once.
        .log_internal_errors(false)
        .try_init()
        .map_err(|_twice| TelemetryError::Twice)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_reads_what_it_prints_and_names_the_known_ones() {
        for format in [LogFormat::Text, LogFormat::Json] {
            assert_eq!(format.to_string().parse::<LogFormat>().unwrap(), format);
        }
        let error = "xml".parse::<LogFormat>().unwrap_err();
        assert_eq!(error.to_string(), "unknown log format \"xml\"; known: text, json");
    }

    #[test]
    fn a_bad_filter_is_named_and_a_second_start_refused() {
        let error = init(LogFormat::Text, "a=b=c").unwrap_err();
        assert!(error.to_string().contains("\"a=b=c\""), "{error}");
        init(LogFormat::Json, "off").unwrap();
        assert!(matches!(init(LogFormat::Json, "off"), Err(TelemetryError::Twice)));
    }
}
