//! Which form of an answer a client takes: whole objects, their metadata or a table. Pure.

use super::status::Status;

/// The form of an object in an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Whole,
    /// `PartialObjectMetadata`, or a list of them.
    Metadata,
    Table,
}

/// What is asked for decides which forms there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Object,
    List,
    Watch,
}

const KNOWN: &str = "application/json, application/yaml, application/vnd.kubernetes.protobuf";

/// Chooses the first form in `accept` that the server has, and whether it is called YAML. What is
/// sent is JSON in both cases, which is YAML too.
///
/// # Errors
/// 406 when there is none.
pub(crate) fn negotiate(accept: &str, shape: Shape) -> Result<(Form, bool), Status> {
    if accept.trim().is_empty() {
        return Ok((Form::Whole, false));
    }
    let mut refusal = None;
    let mut known = false;
    for clause in accept.split(',') {
        let mut parts = clause.split(';').map(str::trim);
        let yaml = match parts.next().unwrap_or_default() {
            "application/json" | "*/*" | "application/*" => false,
            "application/yaml" => true,
            _ => continue,
        };
        known = true;
        let (mut kind, mut version) = ("", "");
        for (key, value) in parts.filter_map(|part| part.split_once('=')) {
            match key {
                "as" => kind = value,
                "v" => version = value,
                _ => {}
            }
        }
        match (kind, shape) {
            ("", _) => return Ok((Form::Whole, yaml)),
            _ if version != "v1" => {}
            ("Table", _) => return Ok((Form::Table, yaml)),
            ("PartialObjectMetadata", Shape::Object | Shape::Watch)
            | ("PartialObjectMetadataList", Shape::List) => return Ok((Form::Metadata, yaml)),
            ("PartialObjectMetadata", Shape::List) => {
                let why = "you requested PartialObjectMetadata, but the requested object is a list";
                refusal = Some(Status::new(406, "NotAcceptable", why));
            }
            ("PartialObjectMetadataList", _) => {
                let why = "you requested PartialObjectMetadataList, but the requested object is \
                           not a list";
                refusal = Some(Status::new(406, "NotAcceptable", why));
            }
            _ => {}
        }
    }
    Err(refusal.unwrap_or_else(|| {
        if !known {
            let why = format!(
                "406: Not Acceptable\n\nAvailable representations: {KNOWN}, \
                 application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch"
            );
            return Status::new(406, "NotAcceptable", why);
        }
        let why = format!("only the following media types are accepted: {KNOWN}");
        Status::new(406, "NotAcceptable", why)
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(accept: &str, shape: Shape) -> Result<Form, u16> {
        negotiate(accept, shape).map(|(form, _)| form).map_err(|status| status.code)
    }

    #[test]
    fn the_first_form_that_exists_is_taken() {
        let kubectl = "application/json;as=Table;v=v1;g=meta.k8s.io,\
                       application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json";
        assert_eq!(form(kubectl, Shape::List), Ok(Form::Table));
        assert_eq!(
            form("application/json;as=Table;v=v1beta1,application/json", Shape::List),
            Ok(Form::Whole)
        );
        assert_eq!(form("", Shape::Object), Ok(Form::Whole));
        assert_eq!(form("*/*", Shape::Object), Ok(Form::Whole));
        let protobuf = "application/vnd.kubernetes.protobuf,application/json";
        assert_eq!(form(protobuf, Shape::Object), Ok(Form::Whole));
        let metadata = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
        assert_eq!(form(metadata, Shape::Watch), Ok(Form::Metadata));
        assert_eq!(form(metadata, Shape::List), Err(406));
        assert_eq!(form("application/cbor", Shape::List), Err(406));
        assert_eq!(form("text/html", Shape::Object), Err(406));
    }
}
