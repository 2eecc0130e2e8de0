//! A sign of life while something takes longer than a moment: one line that changes on a terminal, plain lines elsewhere.

use crate::stopwatch::Stopwatch;
use std::cell::RefCell;
use std::io::{self, IsTerminal, Write};
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval};

/// What takes less needs no explanation.
const PATIENCE: u64 = 2;
/// Seconds between lines where nothing can be overwritten.
const PLAIN_PERIOD: u64 = 5;
const TICK: Duration = Duration::from_millis(250);
/// Lines are written for a terminal of this width; a wider one only has more room.
pub(crate) const WIDTH: usize = 79;

/// What is being waited for now; whoever works changes it, the line shows it.
#[derive(Debug, Default)]
pub(crate) struct Note(RefCell<String>);

impl Note {
    pub(crate) fn set(&self, text: &str) {
        text.clone_into(&mut self.0.borrow_mut());
    }

    fn get(&self) -> String {
        self.0.borrow().clone()
    }
}

/// Where lines go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    Stdout,
    Stderr,
}

impl Stream {
    /// Whether lines can be overwritten and coloured.
    pub(crate) fn is_terminal(self) -> bool {
        match self {
            Self::Stdout => io::stdout().is_terminal(),
            Self::Stderr => io::stderr().is_terminal(),
        }
    }

    /// One line, in the place of what is shown by [`during`].
    pub(crate) fn line(self, text: &str) {
        let clear = if self.is_terminal() { "\r\x1b[K" } else { "" };
        self.write(&format!("{clear}{text}\n"));
    }

    /// A reader that went away is no reason to stop: what runs goes on to its end.
    fn write(self, text: &str) {
        let mut target: Box<dyn Write> = match self {
            Self::Stdout => Box::new(io::stdout().lock()),
            Self::Stderr => Box::new(io::stderr().lock()),
        };
        drop(target.write_all(text.as_bytes()).and_then(|()| target.flush()));
    }
}

/// Awaits `work`, and shows how long it takes and what `note` says.
pub(crate) async fn during<T>(stream: Stream, note: &Note, work: impl Future<Output = T>) -> T {
    let mut work = Box::pin(work);
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut line = Line { stream, terminal: stream.is_terminal(), shown: None };
    let stopwatch = Stopwatch::start();
    loop {
        // Both arms are cancel-safe: the work is only polled, and a tick carries nothing.
        tokio::select! {
            biased;
            outcome = &mut work => {
                line.clear();
                return outcome;
            }
            _ = ticks.tick() => line.show(stopwatch.seconds(), &note.get()),
        }
    }
}

struct Line {
    stream: Stream,
    terminal: bool,
    /// The seconds that were shown last.
    shown: Option<u64>,
}

impl Line {
    fn show(&mut self, seconds: u64, note: &str) {
        if !is_due(self.terminal, seconds, self.shown) {
            return;
        }
        self.shown = Some(seconds);
        let text = shorten(&format!("      … {seconds} s: {note}"), WIDTH);
        let line = if self.terminal { format!("\r{text}\x1b[K") } else { format!("{text}\n") };
        self.stream.write(&line);
    }

    fn clear(&self) {
        if self.terminal && self.shown.is_some() {
            self.stream.write("\r\x1b[K");
        }
    }
}

impl Drop for Line {
    /// Ctrl-C, too, leaves no half line.
    fn drop(&mut self) {
        self.clear();
    }
}

fn is_due(terminal: bool, seconds: u64, shown: Option<u64>) -> bool {
    let period = if terminal { 1 } else { PLAIN_PERIOD };
    match shown {
        None => seconds >= PATIENCE,
        Some(shown) => seconds >= shown + period,
    }
}

fn shorten(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
    format!("{kept}…")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_silent_and_a_pipe_gets_fewer_lines() {
        assert!(!is_due(true, 1, None) && is_due(true, 2, None));
        assert!(is_due(true, 3, Some(2)) && !is_due(true, 3, Some(3)));
        assert!(!is_due(false, 6, Some(2)) && is_due(false, 7, Some(2)));
    }

    #[test]
    fn a_line_never_wraps() {
        assert_eq!(shorten("abcd", 4), "abcd");
        assert_eq!(shorten("äöüßx", 4), "äöü…");
    }
}
