//! What the demo prints: numbered steps, what each of them found, and the seconds of all at the end.

use crate::live::{self, Note, Stream, WIDTH};
use anyhow::Result;
use std::time::Duration;

/// Below the title of a step.
const INDENT: &str = "      ";
const OUT: Stream = Stream::Stdout;

/// The steps of the story so far.
#[derive(Debug, Default)]
pub(crate) struct Show {
    steps: Vec<Step>,
}

#[derive(Debug)]
struct Step {
    title: String,
    /// Absent until it is done.
    took: Option<Duration>,
}

/// What a step found and how long that took, without the time that looking took afterwards.
pub(crate) struct Done<T> {
    pub(crate) found: String,
    pub(crate) took: Duration,
    pub(crate) value: T,
}

impl Show {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Runs one step under its title.
    pub(crate) async fn step<T>(
        &mut self,
        title: &str,
        work: impl AsyncFnOnce(&Note) -> Result<Done<T>>,
    ) -> Result<T> {
        self.steps.push(Step { title: title.to_owned(), took: None });
        let heading = format!("{}  {title}", self.steps.len());
        line("");
        line(&if OUT.is_terminal() { format!("\x1b[1m{heading}\x1b[0m") } else { heading });
        let note = Note::default();
        let done = live::during(OUT, &note, work(&note)).await?;
        line(&result_line(&done.found, done.took));
        if let Some(step) = self.steps.last_mut() {
            step.took = Some(done.took);
        }
        Ok(done.value)
    }

    /// The seconds of all steps. The last one failed, or none.
    pub(crate) fn table(&self, failed: bool) {
        line("");
        for text in table(&self.steps) {
            line(&text);
        }
        if !failed {
            line("All steps passed.");
        }
    }
}

/// One line of the demo itself.
pub(crate) fn line(text: &str) {
    OUT.line(text);
}

pub(crate) fn lines(text: &str) {
    text.lines().for_each(line);
}

/// Below the title of a step; what is too long for one line goes on in the next.
pub(crate) fn detail(text: &str) {
    for part in wrap(text, WIDTH - INDENT.len()) {
        line(&format!("{INDENT}{part}"));
    }
}

/// Breaks at spaces. A word that is too long, such as a path to be copied, stays whole.
fn wrap(text: &str, width: usize) -> Vec<String> {
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

/// What was found on the left, the seconds on the right.
fn result_line(found: &str, took: Duration) -> String {
    let seconds = seconds(took);
    let room = WIDTH - INDENT.len() - seconds.len();
    format!("{INDENT}{found:<room$}{seconds}")
}

fn table(steps: &[Step]) -> Vec<String> {
    let row = |left: &str, right: &str| format!("{left:<room$}{right:>12}", room = WIDTH - 12);
    let mut lines = vec![row("step", "seconds"), "-".repeat(WIDTH)];
    for (index, step) in steps.iter().enumerate() {
        let took = step.took.map_or_else(|| "failed".to_owned(), number);
        lines.push(row(&format!("{}  {}", index + 1, step.title), &took));
    }
    lines
}

fn seconds(took: Duration) -> String {
    format!("{:>8} s", number(took))
}

/// Tenths are enough for a person, but not for what takes less than a second.
fn number(took: Duration) -> String {
    let seconds = took.as_secs_f64();
    if seconds < 1.0 { format!("{seconds:.2}") } else { format!("{seconds:.1}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_fills_the_line_and_no_more() {
        let line = result_line("9 applications are healthy", Duration::from_millis(2_340));
        assert_eq!(line.chars().count(), WIDTH);
        assert!(
            line.starts_with("      9 applications are healthy  ") && line.ends_with("  2.3 s")
        );
        assert!(result_line("healed", Duration::from_millis(87)).ends_with(" 0.09 s"));
    }

    #[test]
    fn long_text_is_broken_at_spaces_and_a_path_is_not() {
        assert_eq!(wrap("ab cd ef", 5), ["ab cd", "  ef"]);
        assert_eq!(wrap("  eu-1  /tmp/long/path", 9), ["  eu-1", "  /tmp/long/path"]);
        assert_eq!(wrap("  /tmp/long/path", 9), ["  /tmp/long/path"]);
    }

    #[test]
    fn the_table_says_which_step_failed() {
        let steps = [
            Step { title: "start".into(), took: Some(Duration::from_secs(9)) },
            Step { title: "commit".into(), took: None },
        ];
        let table = table(&steps);
        assert!(table[2].starts_with("1  start ") && table[2].ends_with(" 9.0"), "{table:?}");
        assert!(table[3].starts_with("2  commit ") && table[3].ends_with(" failed"), "{table:?}");
    }
}
