//! Lines for a person: on a terminal with a sign of life, elsewhere plain.

use std::cell::RefCell;
use std::io::{self, IsTerminal as _, Write as _};
use std::time::Duration;

use runtime::clock::Clock;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

/// What is quicker needs no sign of life.
const PATIENCE: Duration = Duration::from_millis(400);
const TICK: Duration = Duration::from_millis(100);
/// Between two lines of a wait where nothing can be overwritten.
const PLAIN_PERIOD: Duration = Duration::from_secs(5);
/// Where it is not known: what fits any terminal.
const USUAL_WIDTH: usize = 79;
/// Longer lines are no easier to read.
const MOST_WIDTH: usize = 99;
/// In a narrower terminal lines wrap; shorter ones would be cut to nothing.
const LEAST_WIDTH: usize = 40;

/// Where the demo writes; clones are the same screen.
#[derive(Clone)]
pub(crate) struct Screen {
    terminal: bool,
    colour: bool,
    /// Cancelled when whoever read this is gone.
    unread: CancellationToken,
}

/// What is being waited for now; whoever works changes it, the screen shows it.
#[derive(Debug, Default)]
pub(crate) struct Note(RefCell<String>);

impl Note {
    pub(crate) fn set(&self, text: impl Into<String>) {
        *self.0.borrow_mut() = text.into();
    }

    fn get(&self) -> String {
        self.0.borrow().clone()
    }
}

impl Screen {
    pub(crate) fn new(colour: bool) -> Self {
        let dumb = std::env::var_os("TERM").is_some_and(|value| value == "dumb");
        let terminal = io::stdout().is_terminal() && !dumb;
        Self { terminal, colour, unread: CancellationToken::new() }
    }

    /// Asked for each line: a window may change while the demo is up.
    pub(crate) fn width(&self) -> usize {
        let size = self.terminal.then(|| rustix::termios::tcgetwinsize(io::stdout()).ok());
        let columns = size.flatten().map(|size| usize::from(size.ws_col)).filter(|n| *n > 0);
        columns.map_or(USUAL_WIDTH, |columns| (columns - 1).clamp(LEAST_WIDTH, MOST_WIDTH))
    }

    pub(crate) fn colour(&self) -> bool {
        self.colour
    }

    pub(crate) fn bold(&self, text: &str) -> String {
        if self.colour { format!("\x1b[1m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// One line, in the place of the sign of life.
    pub(crate) fn line(&self, text: &str) {
        let clear = if self.terminal { "\r\x1b[K" } else { "" };
        self.write(&format!("{clear}{text}\n"));
    }

    pub(crate) fn lines(&self, text: &str) {
        text.lines().for_each(|line| self.line(line));
    }

    /// A question, whose answer is typed on the same line.
    pub(crate) fn ask(&self, text: &str) {
        self.write(text);
    }

    /// When there is nobody to tell any more.
    pub(crate) async fn unread(&self) {
        self.unread.cancelled().await;
    }

    fn write(&self, text: &str) {
        let mut out = io::stdout().lock();
        if out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_err() {
            self.unread.cancel();
        }
    }

    /// Awaits `work`, and shows how long it takes and what `note` says.
    pub(crate) async fn during<T>(
        &self,
        clock: &Clock,
        note: &Note,
        work: impl Future<Output = T>,
    ) -> T {
        let mut work = Box::pin(work);
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut life = Life { screen: self, shown: None, turn: 0 };
        let begun = clock.now();
        loop {
            // Both arms are cancel-safe: the work is only polled, and a tick carries nothing.
            tokio::select! {
                biased;
                outcome = &mut work => return outcome,
                _ = ticks.tick() => life.show(clock.now() - begun, &note.get()),
            }
        }
    }
}

/// The line that changes.
struct Life<'a> {
    screen: &'a Screen,
    /// When it was shown last, from the beginning of the wait.
    shown: Option<Duration>,
    turn: usize,
}

impl Life<'_> {
    fn show(&mut self, elapsed: Duration, note: &str) {
        let terminal = self.screen.terminal;
        if note.is_empty() || !is_due(terminal, elapsed, self.shown) {
            return;
        }
        self.shown = Some(elapsed);
        self.turn += 1;
        let seconds = elapsed.as_secs();
        if terminal {
            let sign = ['|', '/', '-', '\\'][self.turn % 4];
            let text = shorten(&format!("   {sign} {seconds} s  {note}"), self.screen.width());
            self.screen.write(&format!("\r{text}\x1b[K"));
        } else {
            self.screen.write(&format!("   {seconds} s: {note}\n"));
        }
    }
}

impl Drop for Life<'_> {
    /// Ctrl-C, too, leaves no half line.
    fn drop(&mut self) {
        if self.screen.terminal && self.shown.is_some() {
            self.screen.write("\r\x1b[K");
        }
    }
}

fn is_due(terminal: bool, elapsed: Duration, shown: Option<Duration>) -> bool {
    match (terminal, shown) {
        (true, _) => elapsed >= PATIENCE,
        (false, None) => elapsed >= PLAIN_PERIOD,
        (false, Some(shown)) => elapsed >= shown + PLAIN_PERIOD,
    }
}

fn shorten(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let kept: String = text.chars().take(width.saturating_sub(3)).collect();
    format!("{kept}...")
}

/// Breaks at spaces. A word that is too long, such as a path to be copied, stays whole.
pub(crate) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_inclusive(' ') {
        let Some(last) = lines.last_mut() else { continue };
        let needed = last.chars().count() + word.trim_end().chars().count();
        if needed > width && !last.trim().is_empty() {
            last.truncate(last.trim_end().len());
            lines.push(format!("  {word}"));
        } else {
            last.push_str(word);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_silent_and_a_file_gets_fewer_lines() {
        let ms = Duration::from_millis;
        assert!(!is_due(true, ms(300), None) && is_due(true, ms(400), Some(ms(300))));
        assert!(!is_due(false, ms(4_900), None) && is_due(false, ms(5_000), None));
        assert!(!is_due(false, ms(9_900), Some(ms(5_000))));
    }

    #[test]
    fn a_line_never_wraps() {
        assert_eq!(shorten("abcd", 4), "abcd");
        assert_eq!(shorten("äöüßxyz", 6), "äöü...");
    }

    #[test]
    fn long_text_is_broken_at_spaces_and_a_path_is_not() {
        assert_eq!(wrap("ab cd ef", 5), ["ab cd", "  ef"]);
        assert_eq!(wrap("  eu-1  /tmp/long/path", 9), ["  eu-1", "  /tmp/long/path"]);
        assert_eq!(wrap("  /tmp/long/path", 9), ["  /tmp/long/path"]);
    }
}
