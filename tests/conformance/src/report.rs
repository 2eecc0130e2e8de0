//! What people see: a line per section, and for each failure what differs.

use crate::case::{Section, Verdict};
use crate::diff::{self, Line};
use std::io::IsTerminal;
use tokio::time::Instant;

/// The verdicts so far.
pub(crate) struct Report {
    started: Instant,
    verbose: bool,
    verdicts: Vec<Verdict>,
}

impl Report {
    pub(crate) fn start(verbose: bool) -> Self {
        Self { started: Instant::now(), verbose, verdicts: Vec::new() }
    }

    pub(crate) fn add(&mut self, verdict: Verdict) {
        self.verdicts.push(verdict);
    }

    /// Prints everything and says whether all passed.
    pub(crate) fn print(&self, sections: &[Section], server: &str) -> bool {
        let failed: Vec<&Verdict> = self.verdicts.iter().filter(|one| !one.passed()).collect();
        for verdict in &failed {
            print_failure(verdict);
        }
        if self.verbose {
            self.print_cases();
        }
        println!("{:<28}{:>8}{:>8}{:>10}", "section", "passed", "failed", "not here");
        for section in sections {
            self.print_section(section);
        }
        let (count, seconds) = (self.verdicts.len(), self.started.elapsed().as_secs_f64());
        println!("{} of {count} facts hold on {server} ({seconds:.1} s)", count - failed.len());
        failed.is_empty()
    }

    fn print_section(&self, section: &Section) {
        let here: Vec<_> = self.verdicts.iter().filter(|one| one.section == section.name).collect();
        if here.is_empty() {
            return;
        }
        let passed = here.iter().filter(|one| one.passed()).count();
        let not_here = section.cases.iter().filter(|case| case.real_only.is_some()).count();
        let not_here = not_here.min(section.cases.len() - here.len());
        let failed = here.len() - passed;
        println!("{:<28}{passed:>8}{failed:>8}{not_here:>10}", section.name);
    }

    fn print_cases(&self) {
        for one in &self.verdicts {
            let verdict = if one.passed() { "ok    " } else { "FAILED" };
            println!("{verdict} {:>6.2} s  {}: {}", one.seconds, one.section, words(one.case));
        }
        println!();
    }
}

fn print_failure(verdict: &Verdict) {
    println!("FAILED  {}: {}", verdict.section, words(verdict.case));
    for mismatch in &verdict.mismatches {
        println!("  at {} (- expected, as the real server answers; + this answer)", mismatch.at);
        print_diff(&mismatch.expected, &mismatch.actual);
    }
    if let Some(error) = &verdict.error {
        println!("  {error:#}");
    }
    println!();
}

fn print_diff(expected: &str, actual: &str) {
    let colours = std::io::stdout().is_terminal();
    let paint = |code: &str, sign: &str, line: &str| match colours {
        true => println!("    \x1b[{code}m{sign} {line}\x1b[0m"),
        false => println!("    {sign} {line}"),
    };
    for line in diff::lines(expected, actual) {
        match line {
            Line::Both(line) => println!("      {line}"),
            Line::Expected(line) => paint("31", "-", line),
            Line::Actual(line) => paint("32", "+", line),
        }
    }
}

/// The fact, as a sentence would say it.
fn words(name: &str) -> String {
    name.replace('_', " ")
}
