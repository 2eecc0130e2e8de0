//! `branches` and `tags`: one element for each that its conditions pick, by name.

use globset::{GlobBuilder, GlobMatcher};
use model::generator::RefsGenerator;
use model::problem::Reason;
use regex::{Regex, RegexBuilder};
use semver::{Version, VersionReq};
use serde_json::{Value, json};

use super::{Base, Evaluator, Fault, Generator, Values, field_text, render_field};
use crate::parameters::Parameters;
use crate::template::{Scope, Text, lenient_version, normalize};

/// The most memory of one compiled regular expression.
const MAX_REGEX_BYTES: usize = 1 << 20;
const SHORT: usize = 8;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RefKind {
    Branch,
    Tag,
}

#[derive(Debug)]
pub(super) struct Template {
    kind: RefKind,
    repo_url: Text,
    matches: Vec<Text>,
    exclude: Vec<Text>,
    regex: Text,
    semver: Text,
    pub(super) values: Values,
}

/// The conditions on a name, rendered and compiled.
struct Conditions {
    includes: Vec<GlobMatcher>,
    excludes: Vec<GlobMatcher>,
    regex: Option<Regex>,
    semver: Option<VersionReq>,
}

impl Template {
    pub(super) fn compile(refs: &RefsGenerator, kind: RefKind) -> Result<Self, Fault> {
        let label = label(kind);
        let text = |field: &str, source: &str| field_text(&format!("{label}.{field}"), source);
        let texts = |field: &str, sources: &[String]| {
            let sources = sources.iter().enumerate();
            let compile =
                |(index, source): (usize, &String)| text(&format!("{field}[{index}]"), source);
            sources.map(compile).collect::<Result<Vec<_>, _>>()
        };
        Ok(Self {
            kind,
            repo_url: text("repoURL", &refs.repo_url)?,
            matches: texts("match", &refs.matches)?,
            exclude: texts("exclude", &refs.exclude)?,
            regex: text("regex", &refs.regex)?,
            semver: text("semver", &refs.semver)?,
            values: Values::compile(&refs.values, label)?,
        })
    }

    pub(super) fn label(&self) -> &'static str {
        label(self.kind)
    }

    /// Address, expression, constraint, and then the globs.
    fn inputs(&self, outer: &Scope) -> Result<Vec<String>, Fault> {
        let field = |field: &str, text: &Text| {
            render_field(&format!("{}.{field}", self.label()), text, outer)
        };
        let mut inputs = vec![
            field("repoURL", &self.repo_url)?,
            field("regex", &self.regex)?,
            field("semver", &self.semver)?,
        ];
        for glob in &self.matches {
            inputs.push(field("match", glob)?);
        }
        for glob in &self.exclude {
            inputs.push(field("exclude", glob)?);
        }
        Ok(inputs)
    }

    fn conditions(&self, inputs: &[String]) -> Result<Conditions, Fault> {
        let label = self.label();
        let glob = |pattern: &String| {
            let refuse = |error: globset::Error| {
                let kind = error.kind();
                Fault::failed(format!("{label}: the pattern {pattern:?} is not a glob: {kind}"))
            };
            GlobBuilder::new(pattern)
                .literal_separator(true)
                .backslash_escape(false)
                .build()
                .map(|glob| glob.compile_matcher())
                .map_err(refuse)
        };
        let (regex, semver) = (&inputs[1], &inputs[2]);
        let (includes, excludes) = inputs[3..].split_at(self.matches.len());
        let regex = match regex.is_empty() {
            true => None,
            false => {
                let built =
                    RegexBuilder::new(regex).size_limit(MAX_REGEX_BYTES).nest_limit(50).build();
                Some(built.map_err(|error| {
                    let reason = crate::template::regex_reason(&error);
                    Fault::failed(format!("{label}.regex: {regex:?} is not one: {reason}"))
                })?)
            }
        };
        let semver = match semver.is_empty() {
            true => None,
            false => Some(VersionReq::parse(semver).map_err(|error| {
                Fault::failed(format!("{label}.semver: {semver:?} is not a constraint: {error}"))
            })?),
        };
        Ok(Conditions {
            includes: includes.iter().map(glob).collect::<Result<_, _>>()?,
            excludes: excludes.iter().map(glob).collect::<Result<_, _>>()?,
            regex,
            semver,
        })
    }

    fn base(&self, name: &str, sha: &str) -> Base {
        let kind = match self.kind {
            RefKind::Branch => "branch",
            RefKind::Tag => "tag",
        };
        let value = json!({
            "kind": kind,
            "name": name,
            "normalized": normalize(name),
            "sha": sha,
            "short_sha": sha.get(..SHORT).unwrap_or(sha),
            "version": version(name).map_or(Value::Null, |version| version.to_string().into()),
        });
        let parameters = Parameters::from_iter([("ref".to_owned(), value)]);
        Base::new(&format!("{} {name}", self.label()), Ok(parameters))
    }
}

fn label(kind: RefKind) -> &'static str {
    match kind {
        RefKind::Branch => "branches",
        RefKind::Tag => "tags",
    }
}

/// The version that a name is; a tag of a part of a repository has one behind its last slash or `@`.
fn version(name: &str) -> Option<Version> {
    let last = name.rsplit(['/', '@']).next().unwrap_or(name);
    lenient_version(last).ok()
}

impl Conditions {
    fn hold(&self, name: &str) -> bool {
        let any = |globs: &[GlobMatcher]| globs.iter().any(|glob| glob.is_match(name));
        (self.includes.is_empty() || any(&self.includes))
            && !any(&self.excludes)
            && self.regex.as_ref().is_none_or(|regex| regex.is_match(name))
            && self
                .semver
                .as_ref()
                .is_none_or(|wanted| version(name).is_some_and(|version| wanted.matches(&version)))
    }
}

impl Evaluator<'_> {
    pub(super) fn refs(
        &mut self,
        refs: &Template,
        generator: &Generator,
        outer: &Scope,
    ) -> Result<Vec<Base>, Fault> {
        self.once(generator, refs.inputs(outer)?, |evaluator, inputs| {
            let conditions = refs.conditions(inputs)?;
            let url = &inputs[0];
            let known = evaluator.known_refs(url).map_err(|unavailable| {
                let (label, message) = (refs.label(), unavailable.message);
                let message = format!("the {label} of {url} cannot be read: {message}");
                Fault::new(Reason::SourceUnavailable, message)
            })?;
            let names = match refs.kind {
                RefKind::Branch => &known.branches,
                RefKind::Tag => &known.tags,
            };
            let picked = names.iter().filter(|(name, _)| conditions.hold(name));
            let most = evaluator.most();
            let bases: Vec<Base> =
                picked.take(most + 1).map(|(name, sha)| refs.base(name, sha)).collect();
            if bases.len() > most {
                return Err(Fault::too_many(refs.label(), most));
            }
            Ok(bases)
        })
    }

    fn known_refs(&mut self, url: &str) -> Result<std::sync::Arc<crate::Refs>, crate::Unavailable> {
        let Self { refs, world, .. } = self;
        refs.entry(url.to_owned()).or_insert_with(|| world.repositories.refs(url)).clone()
    }
}
