//! `git`: directories or files of a repository.

use std::collections::BTreeMap;

use model::tree::{EntryKind, FileTree, RepoPath, TreeError};
use model::yaml;
use serde_json::{Map, Value, json};

use super::flat::flattened;
use super::glob::{doublestar, path_match, pathspec::Pathspec};
use super::tree::{Found, Walk};
use super::{Engine, Evaluator, Fault, Kind, Params, Row, Types, text};
use crate::template::normalize;
use crate::{GitFilesGlob, RepoReference};

/// The most bytes of one file of parameters.
const MAX_FILE_BYTES: usize = 4 << 20;
/// The most bytes of all files of one generator.
const MAX_FILES_BYTES: usize = 100 << 20;

/// A file that is chosen, or why it cannot be used.
type Chosen = BTreeMap<String, Result<(), String>>;

/// What the rows of one generator have in common.
struct Shape {
    engine: Engine,
    /// `path`, below `pathParamPrefix` if there is one.
    name: String,
    prefix: String,
    types: (Types, Types),
}

impl Evaluator<'_> {
    pub(super) fn git_rows(&mut self, body: &Value) -> Result<Vec<Row>, Fault> {
        if self.lacks_project {
            return Err(Fault::failed(
                "spec.template.spec.project is empty, and the repositories that a git generator \
                 may read are those of a project; name one",
            ));
        }
        let reference = RepoReference {
            repo_url: text(body, "repoURL").to_owned(),
            revision: text(body, "revision").to_owned(),
        };
        let shape = Shape::new(self.engine, text(body, "pathParamPrefix"));
        let (directories, files) = (patterns(body, "directories"), patterns(body, "files"));
        if !directories.is_empty() {
            return self.directory_rows(body, &reference, &shape, &directories);
        }
        if files.is_empty() {
            return Err(Fault::failed("the generator has neither directories nor files"));
        }
        self.file_rows(body, &reference, &shape, &files)
    }

    fn directory_rows(
        &mut self,
        body: &Value,
        reference: &RepoReference,
        shape: &Shape,
        patterns: &[(&str, bool)],
    ) -> Result<Vec<Row>, Fault> {
        let (mut includes, mut excludes) = (Vec::new(), Vec::new());
        for (source, exclude) in patterns {
            let pattern = path_match::Pattern::compile(source);
            let pattern = pattern.map_err(|why| Fault::failed(format!("directories: {why}")))?;
            if *exclude { excludes.push(pattern) } else { includes.push(pattern) }
        }
        // Also when nothing is included, the repository must be there.
        self.tree(reference)?;
        let mut chosen: BTreeMap<Vec<String>, String> = BTreeMap::new();
        for include in &includes {
            let walk = Walk {
                start: include.start.clone(),
                levels: include.levels.unwrap_or(usize::MAX),
                hidden: false,
                files: false,
            };
            for Found { path, .. } in self.walk(reference, walk)?.iter() {
                let is_chosen =
                    include.matches(path) && !excludes.iter().any(|exclude| exclude.matches(path));
                if is_chosen {
                    let order = path.split('/').map(str::to_owned).collect();
                    chosen.insert(order, path.clone());
                }
            }
        }
        if chosen.len() > self.most {
            return Err(self.too_many("git"));
        }
        let rows = chosen.into_values().map(|path| {
            let mut map = Map::new();
            shape.add_directory(&mut map, &path);
            let parameters = Params::new(map, shape.types.0.clone());
            let outcome = self.with_values(parameters, body, &shape.types.1);
            Row { id: format!("git {path}"), outcome }
        });
        Ok(rows.collect())
    }

    fn file_rows(
        &mut self,
        body: &Value,
        reference: &RepoReference,
        shape: &Shape,
        patterns: &[(&str, bool)],
    ) -> Result<Vec<Row>, Fault> {
        let tree = self.tree(reference)?;
        let mut chosen = Chosen::new();
        for (source, _) in patterns.iter().filter(|(_, exclude)| !exclude) {
            self.choose(reference, source, &mut chosen)?;
        }
        for (source, _) in patterns.iter().filter(|(_, exclude)| *exclude) {
            let mut excluded = Chosen::new();
            self.choose(reference, source, &mut excluded)?;
            chosen.retain(|path, _| !excluded.contains_key(path));
        }
        let mut rows = Vec::new();
        let mut bytes = 0;
        for (path, usable) in chosen {
            let id = format!("git {path}");
            let read = usable.and_then(|()| read(&*tree, &path));
            let content = match read {
                Ok(content) => content,
                Err(message) => {
                    rows.push(Row { id, outcome: Err(Fault::failed(message)) });
                    continue;
                }
            };
            bytes += content.len();
            if bytes > MAX_FILES_BYTES {
                let limit = MAX_FILES_BYTES >> 20;
                return Err(Fault::failed(format!("the files are larger than {limit} MiB")));
            }
            self.add_file(body, shape, &path, &content, &mut rows);
            if rows.len() > self.most {
                return Err(self.too_many("git"));
            }
        }
        Ok(rows)
    }

    /// Adds the rows of one file: one for a map, one for each item of a list.
    fn add_file(
        &self,
        body: &Value,
        shape: &Shape,
        path: &str,
        content: &[u8],
        rows: &mut Vec<Row>,
    ) {
        let refused = |message: String| Fault::failed(format!("{path}: {message}"));
        let mut add = |id: String, content: Value| {
            let map = match content {
                Value::Object(map) => Ok(map),
                Value::Null => Ok(Map::new()),
                other => Err(refused(format!(
                    "{other:.40} is not a map of parameters, nor a list of maps"
                ))),
            };
            let parameters = map.map(|content| shape.of_file(content, path));
            let outcome = parameters
                .and_then(|parameters| self.with_values(parameters, body, &shape.types.1));
            rows.push(Row { id, outcome });
        };
        let id = format!("git {path}");
        match yaml::read_as_go(content, MAX_FILE_BYTES) {
            // A list with one item that is no map fails the whole file there, and here the item.
            Ok(Value::Array(items)) => {
                for (index, item) in items.into_iter().enumerate() {
                    add(format!("{id}[{index}]"), item);
                }
            }
            Ok(content) => add(id, content),
            Err(error) => rows.push(Row { id, outcome: Err(refused(error.to_string())) }),
        }
    }

    /// Adds the files that a pattern lists.
    fn choose(
        &mut self,
        reference: &RepoReference,
        source: &str,
        chosen: &mut Chosen,
    ) -> Result<(), Fault> {
        let refused = |why| Fault::failed(format!("files: {why}"));
        match self.world.options.git_files_glob {
            GitFilesGlob::Pathspec => {
                let pattern = Pathspec::compile(source).map_err(refused)?;
                for Found { path, kind } in self.all_below(reference, &pattern.start)?.iter() {
                    let is_submodule = *kind == EntryKind::Submodule;
                    let is_listed = *kind != EntryKind::Directory
                        && pattern.lists(path, is_submodule).map_err(refused)?;
                    if is_listed {
                        chosen.insert(path.clone(), usable(path, *kind));
                    }
                }
            }
            GitFilesGlob::Doublestar => {
                let pattern = doublestar::Pattern::compile(source).map_err(refused)?;
                if pattern.matches_top() {
                    chosen.insert(".".to_owned(), usable(".", EntryKind::Directory));
                }
                let mut start = pattern.start.clone();
                // The directory itself may match too, so the walk begins beside it.
                start.pop();
                for Found { path, kind } in self.all_below(reference, &start)?.iter() {
                    if pattern.matches(path, *kind == EntryKind::Directory) {
                        chosen.insert(path.clone(), usable(path, *kind));
                    }
                }
            }
        }
        Ok(())
    }

    fn all_below(
        &mut self,
        reference: &RepoReference,
        start: &[String],
    ) -> Result<std::rc::Rc<Vec<Found>>, Fault> {
        let start = start.to_vec();
        self.walk(reference, Walk { start, levels: usize::MAX, hidden: true, files: true })
    }
}

/// The patterns of a field, and whether each excludes.
fn patterns<'v>(body: &'v Value, field: &str) -> Vec<(&'v str, bool)> {
    let items = body[field].as_array().map(Vec::as_slice).unwrap_or_default();
    items.iter().map(|item| (text(item, "path"), item["exclude"] == Value::Bool(true))).collect()
}

fn usable(path: &str, kind: EntryKind) -> Result<(), String> {
    match kind {
        EntryKind::File | EntryKind::Symlink => Ok(()),
        EntryKind::Directory => Err(format!(
            "{path} is a directory, which cannot be read as a file; let the pattern match files only"
        )),
        EntryKind::Submodule => Err(format!("{path} is a submodule, which cannot be read")),
    }
}

fn read(tree: &dyn FileTree, path: &str) -> Result<Vec<u8>, String> {
    let path = RepoPath::parse(path).map_err(|error| error.to_string())?;
    tree.read(&path, MAX_FILE_BYTES as u64).map_err(|error| match error {
        TreeError::NotAFile { path } => format!("{path} links to a directory"),
        error => error.to_string(),
    })
}

impl Shape {
    fn new(engine: Engine, prefix: &str) -> Self {
        let name = if prefix.is_empty() { "path".to_owned() } else { format!("{prefix}.path") };
        let types = match engine {
            Engine::Fast => (Types::default(), Types::default()),
            Engine::Go(_) => {
                let path: &[&str] = match prefix {
                    "" => &["path", "segments"],
                    prefix => &[prefix, "path", "segments"],
                };
                super::types_of(&[(path, Kind::Strings)])
            }
        };
        Self { engine, name, prefix: prefix.to_owned(), types }
    }

    fn add_directory(&self, map: &mut Map<String, Value>, path: &str) {
        let base = base(path);
        match self.engine {
            Engine::Fast => self.add_flat(map, path, base),
            Engine::Go(_) => {
                let own = json!({
                    "path": path,
                    "basename": base,
                    "basenameNormalized": normalize(base),
                    "segments": path.split('/').collect::<Vec<_>>(),
                });
                self.put(map, own);
            }
        }
    }

    fn add_flat(&self, map: &mut Map<String, Value>, path: &str, base: &str) {
        let name = &self.name;
        map.insert(name.clone(), path.into());
        map.insert(format!("{name}.basename"), base.into());
        map.insert(format!("{name}.basenameNormalized"), normalize(base).into());
        for (index, segment) in path.split('/').enumerate() {
            if !segment.is_empty() {
                map.insert(format!("{name}[{index}]"), segment.into());
            }
        }
    }

    /// What a file says, with the path parameters of the file over it.
    fn of_file(&self, content: Map<String, Value>, path: &str) -> Params {
        let (directory, file) = path.rsplit_once('/').unwrap_or((".", path));
        let base = base(directory);
        match self.engine {
            Engine::Fast => {
                let mut map = flattened(&content);
                self.add_flat(&mut map, directory, base);
                map.insert(format!("{}.filename", self.name), file.into());
                map.insert(format!("{}.filenameNormalized", self.name), normalize(file).into());
                Params::new(map, self.types.0.clone())
            }
            Engine::Go(_) => {
                let mut map = content;
                let own = json!({
                    "path": directory,
                    "basename": base,
                    "filename": file,
                    "basenameNormalized": normalize(base),
                    "filenameNormalized": normalize(file),
                    "segments": directory.split('/').collect::<Vec<_>>(),
                });
                self.put(&mut map, own);
                Params::new(map, self.types.0.clone())
            }
        }
    }

    fn put(&self, map: &mut Map<String, Value>, path: Value) {
        if self.prefix.is_empty() {
            map.insert("path".to_owned(), path);
        } else {
            map.insert(self.prefix.clone(), json!({ "path": path }));
        }
    }
}

/// The last component.
fn base(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}
