//! Slash-separated paths, as Go's `path` treats them; the `os` functions are the same on Unix.

use super::Function;
use super::Param::String as Str;
use crate::value::Value;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("base", &[Str], |call| Ok(Value::string(base(&call.text(0))))),
    Function::new("osBase", &[Str], |call| Ok(Value::string(base(&call.text(0))))),
    Function::new("dir", &[Str], |call| Ok(Value::string(dir(&call.text(0))))),
    Function::new("osDir", &[Str], |call| Ok(Value::string(dir(&call.text(0))))),
    Function::new("clean", &[Str], |call| Ok(Value::string(clean(&call.text(0))))),
    Function::new("osClean", &[Str], |call| Ok(Value::string(clean(&call.text(0))))),
    Function::new("ext", &[Str], |call| Ok(Value::string(ext(&call.text(0))))),
    Function::new("osExt", &[Str], |call| Ok(Value::string(ext(&call.text(0))))),
    Function::new("isAbs", &[Str], |call| Ok(Value::Bool(call.bytes(0).starts_with(b"/")))),
    Function::new("osIsAbs", &[Str], |call| Ok(Value::Bool(call.bytes(0).starts_with(b"/")))),
];

fn base(path: &str) -> String {
    if path.is_empty() {
        return ".".to_owned();
    }
    let path = path.trim_end_matches('/');
    match path.rsplit('/').next() {
        None | Some("") => "/".to_owned(),
        Some(last) => last.to_owned(),
    }
}

fn dir(path: &str) -> String {
    clean(path.rfind('/').map_or("", |at| &path[..=at]))
}

fn ext(path: &str) -> String {
    let last = path.rsplit('/').next().unwrap_or_default();
    last.rfind('.').map_or(String::new(), |at| last[at..].to_owned())
}

fn clean(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if rooted => {}
            part => parts.push(part),
        }
    }
    let joined = parts.join("/");
    match (rooted, joined.is_empty()) {
        (true, _) => format!("/{joined}"),
        (false, true) => ".".to_owned(),
        (false, false) => joined,
    }
}
