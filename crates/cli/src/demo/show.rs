//! How the story looks: numbered steps, what each of them found, and a table of all at the end.

use std::time::Duration;

use runtime::clock::Clock;

use super::screen::{Note, Screen, wrap};
use crate::failure::Failure;
use crate::show::{Tone, one_line};

/// Below the title of a step.
const INDENT: &str = "   ";
/// The longest title has 30 characters.
const TITLE: usize = 30;
const SECONDS: usize = 8;

/// The steps of the story so far.
pub(crate) struct Show {
    screen: Screen,
    clock: Clock,
    steps: Vec<Step>,
}

#[derive(Debug)]
struct Step {
    title: String,
    /// Absent until it is done.
    done: Option<(Duration, String)>,
}

/// What a step found and how long that took, without the time that looking took afterwards.
pub(crate) struct Done<T> {
    pub(crate) found: String,
    pub(crate) took: Duration,
    pub(crate) value: T,
}

impl Show {
    pub(crate) fn new(screen: Screen, clock: Clock) -> Self {
        Self { screen, clock, steps: Vec::new() }
    }

    pub(crate) fn screen(&self) -> &Screen {
        &self.screen
    }

    /// Runs one step under its title.
    pub(crate) async fn step<T>(
        &mut self,
        title: &str,
        work: impl AsyncFnOnce(&Telling<'_>) -> Result<Done<T>, Failure>,
    ) -> Result<T, Failure> {
        self.steps.push(Step { title: title.to_owned(), done: None });
        self.screen.line("");
        self.screen.line(&self.screen.bold(&format!("{}  {title}", self.steps.len())));
        let note = Note::default();
        let telling = Telling::new(&self.screen, &note, &self.clock);
        let Done { found, took, value } =
            self.screen.during(&self.clock, &note, work(&telling)).await?;
        self.screen.line(&result_line(&found, took, &self.screen));
        if let Some(step) = self.steps.last_mut() {
            step.done = Some((took, found));
        }
        Ok(value)
    }

    /// The seconds of all steps, and what was seen. The last one failed, or none.
    pub(crate) fn table(&self) {
        self.screen.line("");
        let rows = table(&self.steps);
        for (index, row) in rows.iter().enumerate() {
            let tone = match (index, self.steps.get(index.wrapping_sub(1))) {
                (0, _) => Tone::Faint,
                (_, Some(Step { done: None, .. })) => Tone::Bad,
                _ => Tone::Plain,
            };
            self.screen.line(&tone.paint(row, self.screen.colour()));
        }
    }
}

/// What a step may say while it runs.
pub(crate) struct Telling<'a> {
    screen: &'a Screen,
    note: &'a Note,
    pub(crate) clock: &'a Clock,
}

impl<'a> Telling<'a> {
    /// For what is no step of the story.
    pub(crate) fn new(screen: &'a Screen, note: &'a Note, clock: &'a Clock) -> Self {
        Self { screen, note, clock }
    }

    /// What is being waited for.
    pub(crate) fn note(&self, text: impl Into<String>) {
        self.note.set(text);
    }

    /// A line below the title; what is too long goes on in the next.
    pub(crate) fn detail(&self, text: &str) {
        for part in wrap(text, self.screen.width() - INDENT.len()) {
            self.screen.line(&format!("{INDENT}{part}"));
        }
    }

    /// A line of which a part comes from elsewhere.
    pub(crate) fn quote(&self, text: &str) {
        self.detail(&one_line(text));
    }
}

/// What was found on the left, the seconds on the right.
fn result_line(found: &str, took: Duration, screen: &Screen) -> String {
    let seconds = format!("{} s", number(took));
    let room = screen.width().saturating_sub(INDENT.len() + found.chars().count() + 2);
    let found = Tone::Good.paint(found, screen.colour());
    format!("{INDENT}{found}  {seconds:>room$}")
}

fn table(steps: &[Step]) -> Vec<String> {
    let mut lines =
        vec![format!("{:<width$}{:>SECONDS$}  SEEN", "STEP", "SECONDS", width = TITLE + 3)];
    for (index, Step { title, done }) in steps.iter().enumerate() {
        let (took, found) = match done {
            Some((took, found)) => (number(*took), found.as_str()),
            None => ("-".to_owned(), "failed"),
        };
        lines.push(format!("{:<3}{title:<TITLE$}{took:>SECONDS$}  {found}", index + 1));
    }
    lines
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
        let screen = Screen::new(false);
        let line = result_line("12 applications", Duration::from_millis(2_340), &screen);
        assert_eq!(line.chars().count(), screen.width());
        assert!(line.starts_with("   12 applications  ") && line.ends_with("  2.3 s"), "{line}");
        let line = result_line(&"x".repeat(90), Duration::from_millis(87), &screen);
        assert!(line.ends_with("0.09 s"), "{line}");
    }

    #[test]
    fn the_table_says_which_step_failed() {
        let done = Some((Duration::from_secs(9), "eu-1 is connected".to_owned()));
        let steps =
            [Step { title: "Start".into(), done }, Step { title: "A commit".into(), done: None }];
        let rows = table(&steps).join("\n");
        expect_test::expect![[r#"
            STEP                              SECONDS  SEEN
            1  Start                              9.0  eu-1 is connected
            2  A commit                             -  failed"#]]
        .assert_eq(&rows);
    }
}
