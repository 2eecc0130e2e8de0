//! What a case is, and how one is run to its verdict.

use crate::Against;
use crate::client::Target;
use crate::run::{Mismatch, Run};
use anyhow::Result;
use futures::future::LocalBoxFuture;
use std::time::Duration;
use tokio::time::Instant;

/// A case that takes longer hangs. Waiting for a compaction of etcd is the longest thing that one does.
const LIMIT: Duration = Duration::from_secs(60);

type Body = for<'run> fn(&'run Run) -> LocalBoxFuture<'run, Result<()>>;

/// One fact.
#[derive(Clone, Copy)]
pub(crate) struct Case {
    /// The function's name, which is the fact in words.
    pub(crate) name: &'static str,
    pub(crate) body: Body,
    /// The line of kube-sim's README that says why the simulator does not do this.
    pub(crate) real_only: Option<&'static str>,
}

impl Case {
    /// Not for the simulator, for the reason of this line in its README.
    pub(crate) const fn real_only(mut self, line: &'static str) -> Self {
        self.real_only = Some(line);
        self
    }
}

/// Facts about one thing.
pub(crate) struct Section {
    pub(crate) name: &'static str,
    pub(crate) cases: Vec<Case>,
}

/// The case that a function is.
macro_rules! case {
    ($body:ident) => {
        $crate::case::Case {
            name: stringify!($body),
            body: |run| Box::pin($body(run)),
            real_only: None,
        }
    };
}

/// A section of functions; `function: "line"` is a case for the real server only.
macro_rules! section {
    ($name:literal; $($body:ident $(: $line:literal)?),* $(,)?) => {
        $crate::case::Section {
            name: $name,
            cases: vec![$($crate::case::case!($body)$(.real_only($line))?),*],
        }
    };
}
pub(crate) use {case, section};

/// Whether expected answers are written instead of compared.
pub(crate) fn updating() -> bool {
    std::env::var_os("UPDATE_EXPECT").is_some()
}

/// A case to run.
pub(crate) struct Chosen {
    section: &'static str,
    case: Case,
}

/// How a case ended.
pub(crate) struct Verdict {
    pub(crate) section: &'static str,
    pub(crate) case: &'static str,
    pub(crate) seconds: f64,
    pub(crate) mismatches: Vec<Mismatch>,
    pub(crate) error: Option<anyhow::Error>,
}

impl Verdict {
    pub(crate) fn passed(&self) -> bool {
        self.mismatches.is_empty() && self.error.is_none()
    }
}

/// The cases whose section or name contains the filter, in words or as the function is called.
pub(crate) fn choose(sections: &[Section], filter: Option<&str>, against: Against) -> Vec<Chosen> {
    let filter = filter.unwrap_or_default().to_lowercase();
    let matches = |text: &str| {
        text.to_lowercase().contains(&filter) || text.replace('_', " ").contains(&filter)
    };
    let mut chosen = Vec::new();
    for section in sections {
        for case in &section.cases {
            let served = against == Against::Real || case.real_only.is_none();
            if served && (matches(section.name) || matches(case.name)) {
                chosen.push(Chosen { section: section.name, case: *case });
            }
        }
    }
    chosen
}

impl Chosen {
    /// Runs it in a namespace of its own.
    pub(crate) async fn run(&self, target: &Target, number: usize) -> Verdict {
        let started = Instant::now();
        let run = Run::new(target.clone(), number);
        let outcome = tokio::time::timeout(LIMIT, async {
            run.create_namespace().await?;
            (self.case.body)(&run).await
        })
        .await;
        let error = match outcome {
            Ok(outcome) => outcome.err(),
            Err(_) => Some(anyhow::anyhow!("not done after {} s", LIMIT.as_secs())),
        };
        Verdict {
            section: self.section,
            case: self.case.name,
            seconds: started.elapsed().as_secs_f64(),
            mismatches: run.into_mismatches(),
            error,
        }
    }
}
