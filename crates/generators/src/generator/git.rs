//! `git`: directories or files of a repository at a revision.

use std::sync::Arc;

use model::generator::{GitGenerator, GitPattern};
use model::problem::Reason;
use model::tree::{FileTree, RepoPath, TreeError};
use model::yaml;
use serde_json::{Value, json};

use super::glob::{Found, Patterns, Wanted};
use super::{Base, Evaluator, Fault, Generator, Values, field_text, render_field};
use crate::RepoReference;
use crate::parameters::{self, Conflict, Parameters};
use crate::template::{Scope, Text, normalize};

/// The most bytes of one file of parameters.
const MAX_FILE_BYTES: usize = 1 << 20;
/// The most bytes of all files of one generator.
const MAX_FILES_BYTES: usize = 64 << 20;

#[derive(Debug)]
pub(super) struct Template {
    repo_url: Text,
    revision: Text,
    wanted: Wanted,
    patterns: Vec<(Text, bool)>,
    prefix: String,
    pub(super) values: Values,
}

impl Template {
    pub(super) fn compile(git: &GitGenerator) -> Result<Self, Fault> {
        let (wanted, field, patterns) = match (git.directories.as_slice(), git.files.as_slice()) {
            ([], []) => return Err(Fault::failed("git has neither directories nor files")),
            (directories, []) => (Wanted::Directories, "git.directories", directories),
            ([], files) => (Wanted::Files, "git.files", files),
            _ => {
                return Err(Fault::failed(
                    "git has both directories and files; write them as two generators",
                ));
            }
        };
        if patterns.iter().all(|pattern| pattern.exclude) {
            return Err(Fault::failed(format!(
                "{field} only excludes; add a pattern without exclude"
            )));
        }
        let pattern = |(index, pattern): (usize, &GitPattern)| {
            Ok((field_text(&format!("{field}[{index}].path"), &pattern.path)?, pattern.exclude))
        };
        Ok(Self {
            repo_url: field_text("git.repoURL", &git.repo_url)?,
            revision: field_text("git.revision", &git.revision)?,
            wanted,
            patterns: patterns.iter().enumerate().map(pattern).collect::<Result<_, _>>()?,
            prefix: git.path_param_prefix.clone(),
            values: Values::compile(&git.values, "git")?,
        })
    }

    /// Repository, revision and patterns, rendered.
    fn inputs(&self, outer: &Scope) -> Result<Vec<String>, Fault> {
        let mut inputs = vec![
            render_field("git.repoURL", &self.repo_url, outer)?,
            render_field("git.revision", &self.revision, outer)?,
        ];
        for (pattern, _) in &self.patterns {
            inputs.push(render_field("the path of git", pattern, outer)?);
        }
        Ok(inputs)
    }
}

impl Evaluator<'_> {
    pub(super) fn git(
        &mut self,
        git: &Template,
        generator: &Generator,
        outer: &Scope,
    ) -> Result<Vec<Base>, Fault> {
        self.once(generator, git.inputs(outer)?, |evaluator, inputs| {
            let reference =
                RepoReference { repo_url: inputs[0].clone(), revision: inputs[1].clone() };
            let place = reference.to_string();
            let tree = evaluator.tree(reference).map_err(|unavailable| {
                Fault::new(
                    Reason::SourceUnavailable,
                    format!("{place} cannot be read: {}", unavailable.message),
                )
            })?;
            let excludes = git.patterns.iter().map(|(_, exclude)| *exclude);
            let patterns: Vec<_> = inputs[2..].iter().map(String::as_str).zip(excludes).collect();
            let patterns = Patterns::compile(&patterns).map_err(Fault::failed)?;
            let found = patterns.walk(&*tree, git.wanted).map_err(|message| {
                Fault::new(Reason::SourceUnavailable, format!("{place}: {message}"))
            })?;
            bases(git, &tree, found, evaluator.most())
        })
    }
}

fn bases(
    git: &Template,
    tree: &Arc<dyn FileTree>,
    found: Found,
    most: usize,
) -> Result<Vec<Base>, Fault> {
    if found.paths.len() > most {
        return Err(Fault::too_many("git", most));
    }
    let mut bases = Vec::new();
    let mut bytes = 0;
    for path in &found.paths {
        match git.wanted {
            Wanted::Directories => bases.push(directory(git, path)),
            Wanted::Files => bases.extend(file(git, &**tree, path, &mut bytes)?),
        }
        if bases.len() > most {
            return Err(Fault::too_many("git", most));
        }
    }
    let unusable = found
        .unusable
        .into_iter()
        .map(|(path, message)| Base::new(&format!("git {path}"), Err(Fault::failed(message))));
    bases.extend(unusable);
    Ok(bases)
}

fn directory(git: &Template, path: &RepoPath) -> Base {
    let parameters = below(&git.prefix, path_parameters(path));
    Base::new(&format!("git {path}"), Ok(parameters))
}

/// The elements of one file: one for a map, one for each item of a list.
fn file(
    git: &Template,
    tree: &dyn FileTree,
    path: &RepoPath,
    bytes: &mut usize,
) -> Result<Vec<Base>, Fault> {
    let id = format!("git {path}");
    let held = |fault| Ok(vec![Base::new(&id, Err(fault))]);
    let text = match tree.read(path, MAX_FILE_BYTES as u64) {
        Ok(text) => text,
        // A link to a directory is not a file.
        Err(TreeError::NotAFile { .. }) => return Ok(Vec::new()),
        Err(error @ TreeError::Broken { .. }) => {
            return held(Fault::new(Reason::SourceUnavailable, error.to_string()));
        }
        Err(error) => return held(Fault::failed(error.to_string())),
    };
    *bytes += text.len();
    if *bytes > MAX_FILES_BYTES {
        let limit = MAX_FILES_BYTES >> 20;
        return Err(Fault::failed(format!("the files of git are larger than {limit} MiB")));
    }
    let refused = |message: String| Fault::failed(format!("{path}: {message}"));
    let content = match yaml::read_one(&text, MAX_FILE_BYTES) {
        Ok(content) => content,
        Err(error) => return held(refused(error.to_string())),
    };
    let base =
        |id: &str, content: Value| Base::new(id, with_path(git, path, content).map_err(refused));
    Ok(match content {
        Value::Array(items) => {
            let items = items.into_iter().enumerate();
            items.map(|(index, item)| base(&format!("{id}[{index}]"), item)).collect()
        }
        content => vec![base(&id, content)],
    })
}

/// What a file says, with the path parameters of the file.
fn with_path(git: &Template, path: &RepoPath, content: Value) -> Result<Parameters, String> {
    let mut parameters = match content {
        Value::Object(map) => map,
        Value::Null => Parameters::new(),
        other => return Err(format!("{other:.40} is not a map of parameters, nor a list of maps")),
    };
    let mut own = path_parameters(&path.parent());
    own.insert("filename".to_owned(), path.file_name().into());
    own.insert("filenameNormalized".to_owned(), normalize(path.file_name()).into());
    parameters::merge(&mut parameters, below(&git.prefix, own)).map_err(
        |Conflict { key, .. }| {
            format!(
                "the file has the key {key}, which is the name of a path parameter; rename it, or \
                 set pathParamPrefix"
            )
        },
    )?;
    Ok(parameters)
}

/// `path` with what a directory's path says.
fn path_parameters(path: &RepoPath) -> Parameters {
    let name = if path.is_root() { "." } else { path.file_name() };
    let value = json!({
        "path": path.to_string(),
        "basename": name,
        "basenameNormalized": normalize(name),
        "segments": path.components().collect::<Vec<_>>(),
    });
    match value {
        Value::Object(map) => map,
        _ => Parameters::new(),
    }
}

/// The map as the parameter `path`, below the prefix when there is one.
fn below(prefix: &str, path: Parameters) -> Parameters {
    let parameters = Parameters::from_iter([("path".to_owned(), Value::Object(path))]);
    if prefix.is_empty() {
        return parameters;
    }
    Parameters::from_iter([(prefix.to_owned(), Value::Object(parameters))])
}
