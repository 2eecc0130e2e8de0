//! One request through `git http-backend`, by the rules of CGI (RFC 3875).

use super::repo;
use anyhow::{Context, Result, bail};
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Response, StatusCode};
use std::path::Path;
use std::process::Stdio;
use tokio::io::AsyncWriteExt;

pub(super) async fn run(
    repositories: &Path,
    head: &Parts,
    body: &Bytes,
) -> Result<Response<Full<Bytes>>> {
    let header = |name: &str| {
        head.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    };
    let mut command = repo::git_command();
    command
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", repositories)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("GIT_PROTOCOL", header("git-protocol"))
        .env("REQUEST_METHOD", head.method.as_str())
        .env("PATH_INFO", head.uri.path())
        .env("QUERY_STRING", head.uri.query().unwrap_or_default())
        .env("CONTENT_TYPE", header("content-type"))
        .env("CONTENT_LENGTH", body.len().to_string())
        .env("HTTP_CONTENT_ENCODING", header("content-encoding"))
        .env("REMOTE_ADDR", "127.0.0.1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let mut child = command.spawn().context("cannot start git http-backend")?;
    let mut stdin = child.stdin.take().context("stdin is piped")?;
    let input = async {
        // It may answer, and close its input, before it has read everything.
        drop(stdin.write_all(body).await);
        drop(stdin);
    };
    let ((), output) = tokio::join!(input, child.wait_with_output());
    parse(&output?.stdout)
}

/// The header of a CGI answer, an empty line, and the body.
fn parse(output: &[u8]) -> Result<Response<Full<Bytes>>> {
    let Some(end) = output.windows(4).position(|window| window == b"\r\n\r\n") else {
        bail!("git http-backend answered without a header");
    };
    let mut response = Response::new(Full::new(Bytes::copy_from_slice(&output[end + 4..])));
    for line in std::str::from_utf8(&output[..end])?.lines() {
        let (name, value) = line.split_once(": ").context("a header line has a colon")?;
        if name == "Status" {
            let code = value.split_whitespace().next().unwrap_or_default();
            *response.status_mut() = StatusCode::from_bytes(code.as_bytes())?;
        } else {
            let name = HeaderName::from_bytes(name.as_bytes())?;
            response.headers_mut().insert(name, HeaderValue::from_str(value)?);
        }
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_line_is_optional() {
        let response = parse(b"Content-Type: text/plain\r\n\r\nbody").unwrap();
        assert_eq!(response.status(), 200);
        let response = parse(b"Status: 404 Not Found\r\nExpires: 0\r\n\r\n").unwrap();
        assert_eq!(
            (response.status().as_u16(), &response.headers()["expires"]),
            (404, &HeaderValue::from_static("0"))
        );
    }
}
