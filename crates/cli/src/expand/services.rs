//! The services that generators name: with `--collect` they are asked, once for everything that is
//! expanded; without it a generator that needs one is held, with a problem that says so.

mod secrets;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use collect::{Allowed, Collector, Config};
use generators::{Options, Providers, Unavailable};
use model::argo::Decisions;
use model::provider::{Answer, Request};
use runtime::clock::Clock;

use super::tree::Tree;
use crate::failure::Failure;
use crate::show::{Console, count};
use secrets::{GivenSecret, GivenSecrets};

/// How often an expansion may come to new questions: what the answer to one names, such as the
/// second child of a matrix, is asked in the next round.
const MAX_ROUNDS: usize = 16;

#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Services")]
pub(super) struct ServiceArgs {
    /// Ask the SCM, pull request and plugin services that generators name
    #[arg(long)]
    collect: bool,
    /// A service that may be asked, beside github.com, gitlab.com, bitbucket.org, dev.azure.com and
    /// AWS, as https://HOST[:PORT][/PATH] or https://*.DOMAIN; may be repeated
    #[arg(long, value_name = "URL", requires = "collect")]
    allow_url: Vec<AllowedUrl>,
    /// The KEY of the Secret NAME, as generators name it, from a file or from a variable of the
    /// environment; may be repeated
    #[arg(long = "secret", value_name = "NAME/KEY=FILE|env:VAR", requires = "collect")]
    secrets: Vec<GivenSecret>,
    /// File with certificates, in PEM, of authorities that are trusted beside the system's
    #[arg(long, value_name = "FILE", requires = "collect")]
    trust: Option<PathBuf>,
}

/// An entry of the allow-list. One that names this machine allows it, too.
#[derive(Debug, Clone)]
struct AllowedUrl {
    allowed: Allowed,
    is_loopback: bool,
}

impl FromStr for AllowedUrl {
    type Err = collect::ConfigError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let allowed = text.parse()?;
        let host = text.split_once("://").map_or(text, |(_, rest)| rest);
        let is_loopback =
            ["localhost", "127.", "[::1]"].iter().any(|loopback| host.starts_with(loopback));
        Ok(Self { allowed, is_loopback })
    }
}

/// What services answered.
#[derive(Debug)]
pub(super) enum Services {
    NotAsked,
    Asked(BTreeMap<Request, Result<Arc<Answer>, String>>),
}

impl Providers for Services {
    fn answer(&self, request: &Request) -> Result<Arc<Answer>, Unavailable> {
        let unavailable = |message: &str| Unavailable { message: message.to_owned() };
        match self {
            Self::NotAsked => {
                Err(unavailable("no service was asked; `muster expand` asks it with --collect"))
            }
            Self::Asked(answers) => match answers.get(request) {
                Some(Ok(answer)) => Ok(Arc::clone(answer)),
                Some(Err(message)) => Err(unavailable(message)),
                None => Err(unavailable("the service was not asked yet")),
            },
        }
    }
}

/// Asks what the trees want to know, if services may be asked at all.
pub(super) fn ask(
    args: ServiceArgs,
    trees: &[&Tree],
    options: Options,
    console: &mut Console,
) -> Result<Services, Failure> {
    if !args.collect {
        return Ok(Services::NotAsked);
    }
    let collector = collector(args, trees)?;
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().build().map_err(Failure::Start)?;
    let mut services = Services::Asked(BTreeMap::new());
    for _ in 0..MAX_ROUNDS {
        let questions = open_questions(trees, options, &services);
        if questions.is_empty() {
            break;
        }
        console.say(&format!("asking {}", count(questions.len(), "question")));
        let collected = runtime.block_on(collector.collect_all(questions));
        let Services::Asked(answers) = &mut services else { break };
        answers.extend(collected.into_iter().map(|(request, collected)| {
            (request, collected.answer().map_err(|failure| failure.message))
        }));
    }
    Ok(services)
}

fn open_questions(trees: &[&Tree], options: Options, services: &Services) -> Vec<Request> {
    let Services::Asked(answers) = services else { return Vec::new() };
    let expansions = trees.iter().map(|tree| tree.expand(options, services));
    let sets = expansions.flat_map(|expansion| expansion.sets);
    let mut questions: Vec<Request> = sets.flat_map(|set| set.requests).collect();
    questions.retain(|request| !answers.contains_key(request));
    questions.sort();
    questions.dedup();
    questions
}

fn collector(args: ServiceArgs, trees: &[&Tree]) -> Result<Collector, Failure> {
    let ServiceArgs { collect: _, allow_url, secrets, trust } = args;
    let trusted_pem = match trust {
        None => None,
        Some(path) => {
            let text = fs::read_to_string(&path);
            Some(text.map_err(|source| Failure::Input { path, source })?)
        }
    };
    let config = Config {
        allow_loopback: allow_url.iter().any(|url| url.is_loopback),
        allowed: allow_url.into_iter().map(|url| url.allowed).collect(),
        trusted_pem,
        ..Config::default()
    };
    let decisions: Vec<&Decisions> = trees.iter().map(|tree| &tree.input.decisions).collect();
    let secrets = Arc::new(GivenSecrets::new(secrets, &decisions));
    Collector::new(config, secrets, Clock::system())
        .map_err(|error| Failure::usage(error.to_string()))
}
