//! The two streams of the process: data on stdout, talk on stderr.

use std::env;
use std::io::{self, IsTerminal as _, Write};

use model::status::Timestamp;
use runtime::clock::Clock;

use super::Look;
use crate::failure::Failure;

/// Where a command prints.
pub(crate) struct Console {
    out: io::Stdout,
    talk: io::Stderr,
    colour: bool,
    width: Option<usize>,
    clock: Clock,
}

impl Console {
    /// Colours only on a terminal, and not when `NO_COLOR` is set to anything (no-color.org).
    pub(crate) fn of_process(clock: Clock) -> Self {
        let (out, talk) = (io::stdout(), io::stderr());
        let plain = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || env::var_os("TERM").is_some_and(|value| value == "dumb");
        let terminal = out.is_terminal();
        let size = terminal.then(|| rustix::termios::tcgetwinsize(&out).ok()).flatten();
        let width = size.map(|size| usize::from(size.ws_col)).filter(|width| *width > 0);
        Self { colour: terminal && !plain, width, out, talk, clock }
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp(self.clock.wall_ms())
    }

    pub(crate) fn look(&self, wide: bool) -> Look {
        let width = self.width.filter(|_| !wide);
        Look { wide, colour: self.colour, width, now: self.now() }
    }

    /// Data: whole lines, each with its newline.
    pub(crate) fn print(&mut self, text: &str) -> Result<(), Failure> {
        let mut out = self.out.lock();
        out.write_all(text.as_bytes())?;
        Ok(out.flush()?)
    }

    /// Talk: one line. When stderr is gone there is nobody left to tell.
    pub(crate) fn say(&mut self, line: &str) {
        let _gone = writeln!(self.talk.lock(), "{line}");
    }

    pub(crate) fn say_error(&mut self, message: &str) {
        self.say(&format!("error: {message}"));
    }
}
