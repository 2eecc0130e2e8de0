//! What is read from outside of the code that is measured: a clock, and the kernel's account of this process.

use std::fs;
use std::time::Instant;

/// One measured number.
pub(crate) struct Figure {
    pub(crate) metric: String,
    pub(crate) value: f64,
    pub(crate) unit: &'static str,
}

impl Figure {
    pub(crate) fn to_json(&self) -> String {
        let Self { metric, value, unit } = self;
        serde_json::json!({"metric": metric, "value": value, "unit": unit}).to_string()
    }
}

/// Counts the seconds of the processor, where the kernel tells them: what else the machine does is
/// not in them. Elsewhere those of the clock on the wall.
#[derive(Clone, Copy)]
pub(crate) struct Stopwatch {
    started: Instant,
    used: Option<f64>,
}

impl Stopwatch {
    #[expect(clippy::disallowed_methods, reason = "a bench measures; nothing is decided by it")]
    pub(crate) fn start() -> Self {
        Self { started: Instant::now(), used: processor_seconds() }
    }

    pub(crate) fn seconds(self) -> f64 {
        match (self.used, processor_seconds()) {
            (Some(before), Some(now)) => now - before,
            _ => self.started.elapsed().as_secs_f64(),
        }
    }
}

/// What this thread has had of a processor.
fn processor_seconds() -> Option<f64> {
    // The kernel brings its account up to date when it looks for who runs next, and otherwise only
    // some hundred times in a second.
    std::thread::yield_now();
    let text = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanoseconds: f64 = text.split_whitespace().next()?.parse().ok()?;
    (nanoseconds > 0.0).then_some(nanoseconds / 1e9)
}

/// What the process has of memory, as Linux counts it; zero elsewhere.
pub(crate) struct Memory {
    pub(crate) resident_bytes: u64,
    pub(crate) peak_bytes: u64,
}

impl Memory {
    pub(crate) fn now() -> Self {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let bytes = |field: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(field));
            let kilobytes = line.and_then(|line| line.split_whitespace().next());
            kilobytes.and_then(|number| number.parse::<u64>().ok()).unwrap_or(0) * 1024
        };
        Self { resident_bytes: bytes("VmRSS:"), peak_bytes: bytes("VmHWM:") }
    }
}
