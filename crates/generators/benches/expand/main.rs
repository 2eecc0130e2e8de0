//! How fast application sets are expanded, and what an application takes of memory: one core, one thread.
//!
//! `cargo xtask bench expand` runs it; by itself it is `cargo bench -p generators --bench expand [CASE]…`. Each case runs in a
//! process of its own, so that its peak of memory is its own, and prints one JSON document for each figure.

mod change;
mod measure;
mod sets;
mod world;

use std::process::{Command, ExitCode};

use generators::{Expansion, Generated, Sources, World, expand};
use measure::{Figure, Memory, Stopwatch};
use sets::{Dialect, Sets, Shape};
use world::Known;

/// Runs after the first, of which the fastest counts: what else the machine does only makes them slower.
const LEAST_RUNS: usize = 5;
const LEAST_SECONDS: f64 = 2.0;

/// One set, measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Case {
    shape: Shape,
    dialect: Dialect,
}

const CASES: [Case; 8] = [
    Case { shape: Shape::Clusters, dialect: Dialect::Native },
    Case { shape: Shape::Clusters, dialect: Dialect::NativeHelpers },
    Case { shape: Shape::Clusters, dialect: Dialect::FastTemplate },
    Case { shape: Shape::Clusters, dialect: Dialect::GoTemplate },
    Case { shape: Shape::Clusters, dialect: Dialect::GoFunctions },
    Case { shape: Shape::Matrix, dialect: Dialect::Native },
    Case { shape: Shape::Matrix, dialect: Dialect::FastTemplate },
    Case { shape: Shape::Matrix, dialect: Dialect::GoTemplate },
];

impl Case {
    /// As the metrics begin: `clusters_native`.
    fn name(self) -> String {
        format!("{}_{}", self.shape.name(), self.dialect.name())
    }

    fn run(self) -> Result<Vec<Figure>, String> {
        let known = Known::new(self.shape.clusters(), self.shape.directories());
        let sets = Sets::new(self.shape, self.dialect);
        let before = Memory::now();
        let stopwatch = Stopwatch::start();
        let first = once(&sets.sources(), &known.world());
        let mut best = stopwatch.seconds();
        self.check(&first)?;
        let after = Memory::now();
        let bytes = after.resident_bytes.saturating_sub(before.resident_bytes);
        drop(first);
        let (mut runs, mut seconds, mut whole) = (0, 0.0, f64::INFINITY);
        while runs < LEAST_RUNS || seconds < LEAST_SECONDS {
            let stopwatch = Stopwatch::start();
            let expansion = once(&sets.sources(), &known.world());
            let took = stopwatch.seconds();
            build_documents(&expansion);
            whole = whole.min(stopwatch.seconds());
            self.check(&expansion)?;
            (runs, seconds, best) = (runs + 1, seconds + took, best.min(took));
        }
        let figure = |metric: &str, value: f64, unit| Figure {
            metric: format!("{}_{metric}", self.name()),
            value,
            unit,
        };
        let count = self.shape.applications() as f64;
        let mut figures = vec![
            figure("per_second", (count / best).round(), "applications/s"),
            figure("seconds", best, "s"),
            figure("bytes_each", (bytes as f64 / count).round(), "bytes"),
        ];
        if !self.dialect.is_native() {
            figures.push(figure("documents_per_second", (count / whole).round(), "applications/s"));
        }
        if self.shape == Shape::Clusters {
            figures.push(figure("peak_rss_mb", after.peak_bytes as f64 / 1e6, "MB"));
        }
        Ok(figures)
    }

    /// What was measured is what was meant.
    fn check(self, expansion: &Expansion) -> Result<(), String> {
        if let Some(problem) = expansion.problems.first() {
            return Err(format!("{}: {problem}", self.name()));
        }
        let (count, wanted) = (expansion.applications.len(), self.shape.applications());
        if count != wanted {
            return Err(format!("{}: {count} applications instead of {wanted}", self.name()));
        }
        Ok(())
    }
}

fn once(sources: &Sources<'_>, world: &World<'_>) -> Expansion {
    std::hint::black_box(expand(sources, world))
}

/// What a hub does with an application of Argo CD before it is sent, and `muster expand` before it
/// is printed: one after the other, none is kept.
fn build_documents(expansion: &Expansion) {
    for one in &expansion.applications {
        if let Generated::Argo(application) = &one.application {
            std::hint::black_box(application.document.to_value());
        }
    }
}

fn main() -> ExitCode {
    // Cargo adds `--bench`.
    let names: Vec<String> = std::env::args().skip(1).filter(|name| name != "--bench").collect();
    let outcome = match names.as_slice() {
        [flag, name] if flag == "--alone" => alone(name),
        names => all(names),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            say(&mut std::io::stderr(), &message);
            ExitCode::FAILURE
        }
    }
}

fn alone(name: &str) -> Result<(), String> {
    if let Some((name, dialect)) = change::CASES.into_iter().find(|(known, _)| *known == name) {
        say(&mut std::io::stdout(), &change::run(name, dialect)?.to_json());
        return Ok(());
    }
    let case = CASES.into_iter().find(|case| case.name() == name);
    let case = case.ok_or_else(|| format!("no case is called {name}"))?;
    for figure in case.run()? {
        say(&mut std::io::stdout(), &figure.to_json());
    }
    Ok(())
}

fn all(names: &[String]) -> Result<(), String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let known =
        CASES.into_iter().map(Case::name).chain(change::CASES.map(|(name, _)| name.to_owned()));
    let known: Vec<String> = known.collect();
    if let Some(unknown) = names.iter().find(|name| !known.contains(name)) {
        return Err(format!("no case is called {unknown}; there are: {}", known.join(", ")));
    }
    let mut failed = Vec::new();
    for name in known.iter().filter(|name| names.is_empty() || names.contains(name)) {
        let status = Command::new(&program).args(["--alone", name]).status();
        if !status.is_ok_and(|status| status.success()) {
            failed.push(name.as_str());
        }
    }
    if failed.is_empty() { Ok(()) } else { Err(format!("failed: {}", failed.join(", "))) }
}

/// Whoever reads may have gone away; then there is nobody to tell.
fn say(to: &mut dyn std::io::Write, line: &str) {
    drop(writeln!(to, "{line}"));
}
