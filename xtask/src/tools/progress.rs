//! Which of n steps runs and for how long: one line that changes on a terminal, plain lines elsewhere.

use crate::stopwatch::Stopwatch;
use std::io::{IsTerminal, Write};

pub(crate) struct Progress {
    total: usize,
    current: usize,
    label: String,
    stopwatch: Stopwatch,
    shown: Option<u64>,
    terminal: bool,
}

impl Progress {
    pub(crate) fn new(total: usize) -> Self {
        let terminal = std::io::stdout().is_terminal();
        Self {
            total,
            current: 0,
            label: String::new(),
            stopwatch: Stopwatch::start(),
            shown: None,
            terminal,
        }
    }

    pub(crate) fn start(&mut self, label: &str) {
        self.current += 1;
        label.clone_into(&mut self.label);
        self.stopwatch = Stopwatch::start();
        self.shown = None;
        if self.terminal {
            self.tick();
        } else {
            println!("[{}/{}] {label} …", self.current, self.total);
        }
    }

    /// Shows the seconds when they have changed; silent when nobody watches.
    pub(crate) fn tick(&mut self) {
        let seconds = self.stopwatch.seconds();
        if self.terminal && self.shown != Some(seconds) {
            print!("\r[{}/{}] {} … {seconds} s", self.current, self.total, self.label);
            // A terminal that went away is no reason to stop a build.
            drop(std::io::stdout().flush());
            self.shown = Some(seconds);
        }
    }

    pub(crate) fn finish(&self) {
        let start = if self.terminal { "\r" } else { "" };
        let (label, seconds) = (&self.label, self.stopwatch.seconds());
        println!("{start}[{}/{}] {label}: {seconds} s   ", self.current, self.total);
    }
}
