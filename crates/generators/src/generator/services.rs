//! `scmProvider`, `pullRequest` and `plugin`: what services answer.
//!
//! The strings of the provider, the filters and the input are templates in a matrix. The same request
//! is looked up once.

use std::sync::Arc;

use model::canonical;
use model::generator::{
    PluginGenerator, PullRequestFilter as PullFilter, PullRequestGenerator, ScmProviderGenerator,
};
use model::problem::Reason;
use model::provider::{
    Answer, Items, PluginRequest, PullRequestsRequest, RepositoriesRequest, Request,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::{
    Base, Evaluator, Fault, Generator, MAX_ELEMENT_BYTES, Values, field_text, render_field,
};
use crate::application::Node;
use crate::parameters::{self, Parameters};
use crate::provider::filter::{PullRequestFilter, PullRequestFilters, ScmFilters};
use crate::provider::parameters::{clone_url, of_branch, of_pull_request};
use crate::template::{Budget, Scope, Text};

pub(super) const SCM: &str = "scmProvider";
pub(super) const PULL_REQUESTS: &str = "pullRequest";
pub(super) const PLUGIN: &str = "plugin";

#[derive(Debug)]
pub(super) struct Scm {
    provider: Node,
    filters: Node,
    protocol: &'static str,
    pub(super) values: Values,
}

#[derive(Debug)]
pub(super) struct PullRequests {
    provider: Node,
    filters: Node,
    pub(super) values: Values,
}

#[derive(Debug)]
pub(super) struct Plugin {
    config_map: Text,
    parameters: Node,
    pub(super) values: Values,
}

impl Scm {
    pub(super) fn compile(scm: &ScmProviderGenerator) -> Result<Self, Fault> {
        Ok(Self {
            provider: node(SCM, &scm.provider)?,
            filters: node("scmProvider.filters", &scm.filters)?,
            protocol: scm.clone_protocol.as_str(),
            values: Values::compile(&scm.values, SCM)?,
        })
    }
}

impl PullRequests {
    pub(super) fn compile(requests: &PullRequestGenerator) -> Result<Self, Fault> {
        Ok(Self {
            provider: node(PULL_REQUESTS, &requests.provider)?,
            filters: node("pullRequest.filters", &requests.filters)?,
            values: Values::compile(&requests.values, PULL_REQUESTS)?,
        })
    }
}

impl Plugin {
    pub(super) fn compile(plugin: &PluginGenerator) -> Result<Self, Fault> {
        Ok(Self {
            config_map: field_text("plugin.configMapRef.name", &plugin.config_map_ref.name)?,
            parameters: node("plugin.input.parameters", &plugin.input.parameters)?,
            values: Values::compile(&plugin.values, PLUGIN)?,
        })
    }
}

fn node(field: &str, part: &impl Serialize) -> Result<Node, Fault> {
    let value = serde_json::to_value(part).expect("generators are expressible in JSON");
    let mut faults = Vec::new();
    let node = Node::compile(&value, field, &mut faults);
    faults.into_iter().next().map_or(Ok(node), Err)
}

/// The part of a generator with its templates rendered.
fn rendered<T: DeserializeOwned>(field: &str, node: &Node, outer: &Scope) -> Result<T, Fault> {
    let value = node.render(outer, &mut Budget::default())?;
    serde_path_to_error::deserialize(value)
        .map_err(|error| Fault::failed(format!("{field}.{}: {}", error.path(), error.inner())))
}

fn text(part: &impl Serialize) -> String {
    let value = serde_json::to_value(part).expect("generators are expressible in JSON");
    value.to_string()
}

impl Evaluator<'_> {
    pub(super) fn scm(
        &mut self,
        scm: &Scm,
        generator: &Generator,
        outer: &Scope,
    ) -> Result<Vec<Base>, Fault> {
        let request = RepositoriesRequest {
            provider: rendered(SCM, &scm.provider, outer)?,
            filters: rendered("scmProvider.filters", &scm.filters, outer)?,
        };
        self.once(generator, vec![text(&request)], |evaluator, _| {
            let filters = ScmFilters::compile(&request.filters);
            let filters = filters.map_err(|error| Fault::failed(format!("{SCM}.{error}")))?;
            let answer = evaluator.ask(SCM, Request::Repositories(request.clone()))?;
            let Items::Repositories(repositories) = &answer.items else {
                return Err(wrong_answer(SCM));
            };
            let kept = filters.select(repositories).map(|(repository, branch)| {
                let id = format!(
                    "{SCM} {}/{}@{}",
                    repository.organization, repository.repository, branch.name
                );
                let url = clone_url(&request.provider, repository, scm.protocol);
                let parameters = url.map_err(|error| Fault::failed(format!("{SCM}: {error}")));
                let parameters = parameters.map(|url| {
                    let mut parameters = of_branch(repository, branch, &url);
                    parameters.insert("labels".to_owned(), repository.labels.clone().into());
                    parameters
                });
                Base::new(&id, parameters.and_then(|own| bounded(SCM, own)))
            });
            evaluator.collected(SCM, kept, &answer)
        })
    }

    pub(super) fn pull_requests(
        &mut self,
        requests: &PullRequests,
        generator: &Generator,
        outer: &Scope,
    ) -> Result<Vec<Base>, Fault> {
        let request = PullRequestsRequest {
            provider: rendered(PULL_REQUESTS, &requests.provider, outer)?,
            continue_on_repo_not_found_error: false,
        };
        let filters: Vec<PullFilter> = rendered("pullRequest.filters", &requests.filters, outer)?;
        self.once(generator, vec![text(&request), text(&filters)], |evaluator, _| {
            let filters: Vec<_> = filters.into_iter().map(filter).collect();
            let filters = PullRequestFilters::compile(&filters)
                .map_err(|error| Fault::failed(format!("{PULL_REQUESTS}.{error}")))?;
            let answer = evaluator.ask(PULL_REQUESTS, Request::PullRequests(request))?;
            let Items::PullRequests(pulls) = &answer.items else {
                return Err(wrong_answer(PULL_REQUESTS));
            };
            let kept = pulls.iter().filter(|pull| filters.matches(pull)).map(|pull| {
                let mut parameters = of_pull_request(pull);
                parameters.insert("number".to_owned(), pull.number.into());
                let id = format!("{PULL_REQUESTS} {}", pull.number);
                Base::new(&id, bounded(PULL_REQUESTS, parameters))
            });
            evaluator.collected(PULL_REQUESTS, kept, &answer)
        })
    }

    pub(super) fn plugin(
        &mut self,
        plugin: &Plugin,
        generator: &Generator,
        outer: &Scope,
    ) -> Result<Vec<Base>, Fault> {
        let input: Map<String, Value> =
            rendered("plugin.input.parameters", &plugin.parameters, outer)?;
        let config_map = render_field("plugin.configMapRef.name", &plugin.config_map, outer)?;
        let bytes = canonical::to_bytes(&Value::Object(input.clone()));
        let parameters = String::from_utf8(bytes).expect("JSON is UTF-8");
        let request = PluginRequest { config_map, set: self.set.to_owned(), parameters };
        self.once(generator, vec![text(&request)], |evaluator, _| {
            let answer = evaluator.ask(PLUGIN, Request::Plugin(request))?;
            let Items::Plugin(items) = &answer.items else { return Err(wrong_answer(PLUGIN)) };
            let kept = items.iter().enumerate().map(|(index, item)| {
                let own = bounded(PLUGIN, item.clone()).and_then(|own| with_input(own, &input));
                Base::new(&format!("{PLUGIN}[{index}]"), own)
            });
            evaluator.collected(PLUGIN, kept, &answer)
        })
    }

    /// What a service answered last. The request is noted whether there is an answer or not.
    fn ask(&mut self, kind: &str, request: Request) -> Result<Arc<Answer>, Fault> {
        let answer = self.world.providers.answer(&request);
        self.requests.insert(request);
        answer.map_err(|unavailable| {
            let message = format!("{kind} has no answer: {}", unavailable.message);
            Fault::new(Reason::SourceUnavailable, message)
        })
    }

    /// The items of an answer, and one that has failed when there may be more of them.
    fn collected(
        &self,
        kind: &str,
        items: impl Iterator<Item = Base>,
        answer: &Answer,
    ) -> Result<Vec<Base>, Fault> {
        let most = self.most();
        let mut bases: Vec<Base> = items.take(most + 1).collect();
        if bases.len() > most {
            return Err(Fault::too_many(kind, most));
        }
        bases.sort_by(|a, b| natural(&a.id).cmp(&natural(&b.id)));
        if let Some(reason) = &answer.partial {
            let message = format!(
                "the answer for {kind} is not complete: {reason}; what it lacks stays as it is"
            );
            let fault = Fault::new(Reason::SourceUnavailable, message);
            bases.push(Base::new(&format!("{kind} (the rest)"), Err(fault)));
        }
        Ok(bases)
    }
}

/// Ids in the order of their text, with numbers by their size: services list in any order.
fn natural(id: &str) -> (&str, usize, &str) {
    let text = id.trim_end_matches(']').trim_end_matches(|c: char| c.is_ascii_digit());
    let digits = id[text.len()..].trim_end_matches(']');
    (text, digits.len(), digits)
}

fn filter(filter: PullFilter) -> PullRequestFilter {
    let PullFilter { branch_match, target_branch_match, title_match } = filter;
    PullRequestFilter { branch_match, target_branch_match, title_match }
}

fn wrong_answer(kind: &str) -> Fault {
    Fault::new(Reason::SourceUnavailable, format!("{kind}: the answer is one to another question"))
}

/// What a service may fill an element with.
fn bounded(kind: &str, own: Parameters) -> Result<Parameters, Fault> {
    let bytes: usize = own.iter().map(|(key, value)| key.len() + parameters::size(value)).sum();
    if bytes > MAX_ELEMENT_BYTES {
        let limit = MAX_ELEMENT_BYTES >> 20;
        return Err(Fault::failed(format!(
            "{kind} gives parameters of {bytes} bytes; an element has at most {limit} MiB of them"
        )));
    }
    Ok(own)
}

/// Adds `generator.input.parameters`.
fn with_input(mut own: Parameters, input: &Map<String, Value>) -> Result<Parameters, Fault> {
    let input = serde_json::json!({"input": {"parameters": input}});
    match own.insert("generator".to_owned(), input) {
        None => Ok(own),
        Some(_) => Err(Fault::failed(
            "plugin: the answer has the key generator, which is the name of its input; rename it",
        )),
    }
}
