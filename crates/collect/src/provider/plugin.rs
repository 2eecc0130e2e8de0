//! Generator plugins: one POST of the input parameters.

use std::time::Duration;

use model::provider::{PluginRequest, SecretRef};
use serde_json::{Map, Value, json};

use super::{Context, with_path};
use crate::auth::Auth;
use crate::call::{Body, Call, base};
use crate::failure::{Failure, FailureKind};
use crate::http::Trust;
use crate::site::Identity;
use crate::wire::Kind;

/// The Secret that a token without another name is in.
const DEFAULT_SECRET: &str = "argocd-secret";

/// A longer wait than this holds up everyone else who asks for the same.
const MAX_TIMEOUT_SECONDS: u64 = 300;

/// The call of a plugin, as its ConfigMap describes it.
pub(crate) fn plugin(
    request: &PluginRequest,
    context: Context<'_>,
) -> Result<(Identity, Call), Failure> {
    let map = &request.config_map;
    let wrong =
        |what: &str| Failure::new(FailureKind::Secret, format!("the ConfigMap `{map}` {what}"));
    let data = context.secrets.config_map(map);
    let data = data.map_err(|missing| Failure::new(FailureKind::Secret, missing))?;
    let value = |key: &str| data.get(key).map(|text| text.trim()).filter(|text| !text.is_empty());
    let address = value("baseUrl").ok_or_else(|| wrong("has no `baseUrl`"))?;
    let token = value("token").ok_or_else(|| wrong("has no `token`"))?;
    let token = token_reference(token)
        .ok_or_else(|| wrong("has a `token` that is not `$key` or `$secret:key`"))?;
    let timeout = match value("requestTimeout") {
        None => None,
        Some(text) => {
            let seconds: u64 = text
                .parse()
                .map_err(|_number| wrong("has a `requestTimeout` that is no number of seconds"))?;
            let seconds = seconds.min(MAX_TIMEOUT_SECONDS);
            (seconds > 0).then(|| Duration::from_secs(seconds))
        }
    };
    let url = with_path(base(address)?, "/api/v1/getparams.execute");
    let parameters: Value = serde_json::from_str(&request.parameters)
        .map_err(|_malformed| Failure::new(FailureKind::Request, "the parameters are not JSON"))?;
    let json = Map::from_iter([
        ("applicationSetName".to_owned(), request.set.clone().into()),
        ("input".to_owned(), json!({ "parameters": parameters })),
    ]);
    let identity = Identity {
        service: "plugin",
        base: url.clone(),
        organization: request.config_map.clone(),
        auth: Auth::bearer(token),
        trust: Trust::default(),
    };
    let body = Some(Body { json, aws: None });
    let call = Call { body, timeout, ..Call::get(Kind::Plugin, url) };
    Ok((identity, call))
}

/// `$key`, or `$secret:key`.
fn token_reference(text: &str) -> Option<SecretRef> {
    let text = text.strip_prefix('$')?;
    let (secret, key) = text.split_once(':').unwrap_or((DEFAULT_SECRET, text));
    let known = !secret.is_empty() && !key.is_empty();
    known.then(|| SecretRef { secret_name: secret.to_owned(), key: key.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_names_a_key_of_the_usual_secret_or_of_another() {
        let reference = |secret: &str, key: &str| {
            Some(SecretRef { secret_name: secret.to_owned(), key: key.to_owned() })
        };
        assert_eq!(token_reference("$plugin.token"), reference("argocd-secret", "plugin.token"));
        assert_eq!(token_reference("$mine:token"), reference("mine", "token"));
        for bad in ["plain-text-token", "$", "$:", "$a:", "$:b", ""] {
            assert_eq!(token_reference(bad), None, "{bad}");
        }
    }
}
