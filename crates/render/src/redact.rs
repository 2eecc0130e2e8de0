//! Takes secrets out of what a tool says about its failure. kustomize and helm quote values that
//! they cannot use, and errors go to the hub, to logs and to people.
//!
//! What counts as secret is found by reading the run's own input, after a failure only: the values
//! of every Secret and secret generator, the files that generators name, and values under keys
//! that sound like secrets. Too much is taken rather than too little.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use model::yaml;
use serde_json::Value;

use crate::error::RenderError;
use crate::sandbox::Failed;
use crate::scratch::Scratch;

/// Shorter texts are no secrets, and taking them out would make messages unreadable.
const SHORTEST: usize = 4;
/// Larger files are not searched; they are data rather than settings.
const LARGEST_FILE: u64 = 1 << 20;
const SECRET_WORDS: [&str; 8] =
    ["password", "passwd", "passphrase", "secret", "token", "apikey", "credential", "private"];
/// Keys of a Secret whose values are no secrets.
const PUBLIC_KEYS: [&str; 5] = ["apiVersion", "kind", "type", "name", "namespace"];
/// Values that stand everywhere.
const COMMON: [&str; 3] = ["true", "false", "null"];

pub(crate) struct Redactor {
    needles: BTreeSet<String>,
}

impl Redactor {
    /// Reads all files of the run.
    pub(crate) fn new(scratch: &Scratch) -> Self {
        let mut redactor = Self { needles: BTreeSet::new() };
        let mut named = BTreeSet::new();
        let files = files_below(scratch.root());
        for (file, text) in &files {
            let directory = Path::new(file).parent().unwrap_or(Path::new(""));
            for name in redactor.learn(text) {
                named.extend(directory.join(name).canonicalize());
            }
        }
        for (file, text) in files {
            if named.contains(Path::new(&file)) {
                redactor.learn_leaves(&Value::from(text.as_str()));
                text.lines().for_each(|line| redactor.learn_line(line, true));
            }
        }
        redactor
    }

    /// Learns from a value that is not in a file, such as a parameter.
    pub(crate) fn learn_value(&mut self, name: &str, value: &str) {
        if sounds_secret(name) {
            self.add(value);
        }
    }

    /// Learns from a file, and gives the names of the files that its secret generators read.
    fn learn(&mut self, text: &str) -> Vec<String> {
        text.lines().for_each(|line| self.learn_line(line, false));
        if !text.contains("Secret") && !text.contains("secretGenerator") {
            return Vec::new();
        }
        let mut named = Vec::new();
        for part in text.split("\n---") {
            let part = part.trim_start_matches('-');
            match yaml::read(part.as_bytes(), yaml::Limits::new(part.len(), 1000)) {
                Ok(documents) => {
                    documents.iter().for_each(|document| self.learn_document(document, &mut named));
                }
                // A template, or what the tool could not read either.
                Err(_) if part.contains("Secret") => {
                    part.lines().for_each(|line| self.learn_line(line, true));
                }
                Err(_) => {}
            }
        }
        named
    }

    fn learn_document(&mut self, document: &Value, named: &mut Vec<String>) {
        match document.get("kind").and_then(Value::as_str).unwrap_or_default() {
            "Secret" => ["data", "stringData"]
                .into_iter()
                .filter_map(|field| document.get(field))
                .for_each(|values| self.learn_leaves(values)),
            "SecretGenerator" => self.learn_generator(document, named),
            _ => {}
        }
        for field in ["items", "secretGenerator"] {
            for item in document.get(field).and_then(Value::as_array).into_iter().flatten() {
                match field {
                    "items" => self.learn_document(item, named),
                    _ => self.learn_generator(item, named),
                }
            }
        }
    }

    fn learn_generator(&mut self, generator: &Value, named: &mut Vec<String>) {
        for field in ["literals", "files", "envs", "env"] {
            let value = generator.get(field);
            let items = value.and_then(Value::as_array).into_iter().flatten().chain(value);
            for text in items.filter_map(Value::as_str) {
                let value = text.split_once('=').map_or(text, |(_, value)| value);
                match field {
                    "literals" => self.add(value),
                    _ => named.push(value.to_owned()),
                }
            }
        }
    }

    fn learn_leaves(&mut self, value: &Value) {
        match value {
            Value::String(text) => {
                self.add(text);
                // A tool may quote one line of a text only.
                text.lines().for_each(|line| self.add(line));
            }
            Value::Object(map) => map.values().for_each(|value| self.learn_leaves(value)),
            Value::Array(items) => items.iter().for_each(|value| self.learn_leaves(value)),
            Value::Number(_) => self.add(&value.to_string()),
            Value::Null | Value::Bool(_) => {}
        }
    }

    fn learn_line(&mut self, line: &str, secret: bool) {
        let line = line.trim().trim_start_matches("- ");
        match line.split_once([':', '=']) {
            Some((key, value)) if sounds_secret(key) => self.add(value),
            Some((key, value)) if secret && !PUBLIC_KEYS.contains(&key.trim()) => self.add(value),
            // A line of a block scalar.
            None if secret => self.add(line),
            _ => {}
        }
    }

    fn add(&mut self, value: &str) {
        let value = value.trim().trim_matches(['"', '\'', ',']).trim();
        let is_template = value.contains("{{");
        if value.len() < SHORTEST || is_template || COMMON.contains(&value) {
            return;
        }
        self.needles.insert(value.to_owned());
        self.needles.insert(STANDARD.encode(value));
        if let Ok(Ok(plain)) = STANDARD.decode(value).map(String::from_utf8)
            && plain.len() >= SHORTEST
        {
            self.needles.insert(plain);
        }
    }

    /// The text without what was learnt, and without the directory of this run.
    pub(crate) fn clean(&self, text: &str, scratch: &Path) -> String {
        let mut clean = text.replace(&format!("{}/", scratch.display()), "");
        let mut needles: Vec<_> = self.needles.iter().collect();
        // The longest first: a part of a secret must not split the whole.
        needles.sort_by_key(|needle| std::cmp::Reverse(needle.len()));
        for needle in needles {
            clean = clean.replace(needle.as_str(), "[redacted]");
        }
        clean
    }

    pub(crate) fn tool_failed(
        &self,
        tool: &'static str,
        failed: Failed,
        scratch: &Scratch,
    ) -> RenderError {
        let stderr = self.clean(&failed.stderr, scratch.root());
        RenderError::ToolFailed { tool, status: failed.status, stderr }
    }
}

fn sounds_secret(key: &str) -> bool {
    let key: String =
        key.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    key.ends_with("key") || SECRET_WORDS.iter().any(|word| key.contains(word))
}

/// All files of bounded size that are text. What we wrote ourselves is regular files only.
fn files_below(root: &Path) -> Vec<(std::path::PathBuf, String)> {
    let mut files = Vec::new();
    let mut directories = vec![root.to_path_buf()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            let Ok(data) = entry.metadata() else { continue };
            if data.is_dir() {
                directories.push(entry.path());
            } else if data.is_file()
                && data.len() <= LARGEST_FILE
                && let Ok(text) = fs::read_to_string(entry.path())
            {
                files.push((entry.path(), text));
            }
        }
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clean(input: &str, text: &str) -> String {
        let mut redactor = Redactor { needles: BTreeSet::new() };
        redactor.learn(input);
        redactor.clean(text, Path::new("/scratch"))
    }

    #[test]
    fn values_of_secrets_are_taken_out_in_any_form() {
        let secret = "kind: Secret\nstringData:\n  a: hunter22\n  b: |\n    line one\ndata:\n  c: c2VzYW1lIQ==\n";
        let said = "bad: hunter22, aHVudGVyMjI=, line one, sesame! and c2VzYW1lIQ==";
        assert_eq!(
            clean(secret, said),
            "bad: [redacted], [redacted], [redacted], [redacted] and [redacted]"
        );
    }

    #[test]
    fn values_under_telling_keys_and_of_generators_are_taken_out() {
        assert_eq!(
            clean("db:\n  adminPassword: \"tiger\"\n  name: shop\n", "tiger shop"),
            "[redacted] shop"
        );
        let generator =
            r#"{"secretGenerator":[{"name":"x","literals":["user=scott","p=tiger1"]}]}"#;
        assert_eq!(clean(generator, "scott/tiger1"), "[redacted]/[redacted]");
    }

    #[test]
    fn the_scratch_directory_is_not_named() {
        assert_eq!(clean("", "open /scratch/repo/a.yaml: no"), "open repo/a.yaml: no");
    }
}
