//! The load of the benchmarks that are too large for real control planes. Real time, real processes
//! where their memory or CPU is the figure; a figure is taken from outside, by `/proc` and by what
//! arrives.

mod hub_fleet;
mod process;
mod spoke_memory;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde::Serialize;

pub use hub_fleet::run as hub_fleet;
pub use spoke_memory::run as spoke_memory;

/// One measured number, as `cargo xtask bench` prints it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figure {
    pub metric: String,
    pub value: f64,
    pub unit: String,
}

impl Figure {
    #[must_use]
    pub fn new(metric: &str, value: f64, unit: &str) -> Self {
        Self { metric: metric.to_owned(), value, unit: unit.to_owned() }
    }

    fn seconds(metric: &str, time: Duration) -> Self {
        Self::new(metric, time.as_secs_f64(), "s")
    }
}

/// Where the programs are and how large the fleet is.
#[derive(Debug, Clone)]
pub struct Settings {
    pub binaries: PathBuf,
    pub spokes: usize,
    pub applications: usize,
}

/// A program of ours in the folder of the binaries.
fn program(binaries: &Path, name: &str) -> Result<PathBuf> {
    let path = binaries.join(name);
    path.is_file().then_some(path).with_context(|| {
        format!("there is no {name} in {}; `cargo build --release` makes it", binaries.display())
    })
}

/// The time below which this share of the times lies.
fn percentile(times: &mut [Duration], percent: usize) -> Duration {
    times.sort_unstable();
    let rank = (times.len() * percent).div_ceil(100).max(1) - 1;
    times.get(rank).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_a_time_that_was_measured() {
        let mut times: Vec<_> = (1..=200).rev().map(Duration::from_millis).collect();
        assert_eq!(percentile(&mut times, 50), Duration::from_millis(100));
        assert_eq!(percentile(&mut times, 99), Duration::from_millis(198));
        assert_eq!(percentile(&mut [], 99), Duration::ZERO);
    }
}
