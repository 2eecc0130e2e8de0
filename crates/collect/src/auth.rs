//! How a request proves whose it is. Secrets are looked up for each request; what is made of them
//! (an installation token, keys of a role) is kept until shortly before it ends.

mod github_app;
mod sigv4;

#[cfg(test)]
mod tests;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use model::provider::SecretRef;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Url};
use zeroize::Zeroizing;

use crate::call::Call;
use crate::failure::{Failure, FailureKind};
use crate::http::{Outgoing, place, sensitive};
use crate::secret::{Missing, Secret};
use crate::site::Site;
use crate::wire::{self, Content, Kind, RoleKeys};
use sigv4::Keys;

/// What is made from a secret is made anew this long before it ends.
const RENEW_BEFORE_MS: i64 = 5 * 60 * 1_000;

/// How a crawler proves whose it is: names of secrets only.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Auth {
    None,
    /// A header with some text before the token.
    Token {
        header: &'static str,
        before: &'static str,
        token: SecretRef,
    },
    Basic {
        user: String,
        password: SecretRef,
    },
    GithubApp {
        secret_name: String,
        organization: String,
    },
    Aws {
        role: String,
        region: String,
    },
}

impl Auth {
    pub(crate) fn bearer(token: SecretRef) -> Self {
        Self::Token { header: "authorization", before: "Bearer ", token }
    }
}

/// What was made from a secret.
pub(crate) struct Credential {
    made: Made,
    /// Milliseconds since 1970.
    ends: i64,
}

enum Made {
    Token(Secret),
    Role(RoleKeys),
}

impl Site {
    pub(crate) async fn authorize(
        &self,
        call: &Call,
        body: &[u8],
        headers: &mut HeaderMap,
    ) -> Result<(), Failure> {
        match &self.identity.auth {
            Auth::None => {}
            Auth::Token { header, before, token } => {
                let token = self.secret(token)?;
                let text = Zeroizing::new(format!("{before}{}", token.expose()));
                let (name, value) = sensitive(HeaderName::from_static(header), &text)?;
                headers.insert(name, value);
            }
            Auth::Basic { user, password } => {
                let password = self.secret(password)?;
                let pair = Zeroizing::new(format!("{user}:{}", password.expose()));
                let text = Zeroizing::new(format!("Basic {}", STANDARD.encode(pair.as_bytes())));
                let (name, value) = sensitive(AUTHORIZATION, &text)?;
                headers.insert(name, value);
            }
            Auth::GithubApp { secret_name, organization } => {
                let token = self.installation_token(secret_name, organization).await?;
                let text = Zeroizing::new(format!("Bearer {}", token.expose()));
                let (name, value) = sensitive(AUTHORIZATION, &text)?;
                headers.insert(name, value);
            }
            Auth::Aws { role, region } => self.sign(call, body, role, region, headers).await?,
        }
        Ok(())
    }

    fn secret(&self, reference: &SecretRef) -> Result<Secret, Failure> {
        let audience = self.identity.base.origin().ascii_serialization();
        let missing = |error: Missing| Failure::new(FailureKind::Secret, error);
        let secret = self.secrets.secret(reference, &audience).map_err(missing)?;
        if secret.expose().is_empty() {
            let SecretRef { secret_name, key } = reference;
            let message = format!("the key `{key}` of the secret `{secret_name}` is empty");
            return Err(Failure::new(FailureKind::Secret, message));
        }
        Ok(secret)
    }

    fn secret_of(&self, secret_name: &str, key: &str) -> Result<Secret, Failure> {
        self.secret(&SecretRef { secret_name: secret_name.to_owned(), key: key.to_owned() })
    }

    /// The token of an app's installation, which GitHub gives for an hour.
    async fn installation_token(&self, name: &str, organization: &str) -> Result<Secret, Failure> {
        let mut held = self.credential.lock().await;
        let now = self.shared.clock.wall_ms();
        if let Some(Credential { made: Made::Token(token), ends }) = &*held
            && now < ends - RENEW_BEFORE_MS
        {
            return Ok(token.clone());
        }
        let jwt = {
            let id = self.secret_of(name, "githubAppID")?;
            let key = self.secret_of(name, "githubAppPrivateKey")?;
            github_app::jwt(id.expose(), key.expose(), now / 1_000).map_err(|what| {
                Failure::new(FailureKind::Secret, format!("secret `{name}`: {what}"))
            })?
        };
        let installation = match self.secret_of(name, "githubAppInstallationID") {
            Ok(id) => id.expose().to_owned(),
            // The app knows where it is installed.
            Err(_) => {
                let url = crate::call::below(
                    &self.identity.base,
                    ["orgs", organization, "installation"],
                )?;
                let found = self.as_app(Kind::GithubInstallation, Method::GET, url, &jwt).await?;
                let Content::Installation(id) = found else { return Err(odd(&self.identity.base)) };
                id.to_string()
            }
        };
        let path = ["app", "installations", installation.as_str(), "access_tokens"];
        let url = crate::call::below(&self.identity.base, path)?;
        let made = self.as_app(Kind::GithubToken, Method::POST, url, &jwt).await?;
        let Content::Token { token, expires_at } = made else {
            return Err(odd(&self.identity.base));
        };
        let ends = milliseconds(&expires_at).ok_or_else(|| odd(&self.identity.base))?;
        *held = Some(Credential { made: Made::Token(token.clone()), ends });
        Ok(token)
    }

    /// A question of the app itself, not of one of its installations.
    async fn as_app(
        &self,
        kind: Kind,
        method: Method,
        url: Url,
        jwt: &Secret,
    ) -> Result<Content, Failure> {
        let text = Zeroizing::new(format!("Bearer {}", jwt.expose()));
        let mut headers = HeaderMap::from_iter([sensitive(AUTHORIZATION, &text)?]);
        headers.insert("accept", HeaderValue::from_static("application/vnd.github+json"));
        let body = (method == Method::POST).then(Vec::new);
        let repeatable = body.is_none();
        let outgoing = Outgoing { method, url, headers, body, repeatable, timeout: None };
        self.credentials_from(kind, &outgoing).await
    }

    async fn credentials_from(&self, kind: Kind, outgoing: &Outgoing) -> Result<Content, Failure> {
        let incoming = self.channel.exchange(outgoing).await?;
        let place = place(&outgoing.url);
        if !matches!(incoming.status, 200 | 201) {
            let kind = match incoming.status {
                401 | 403 | 404 => FailureKind::Unauthorized,
                429 => FailureKind::RateLimited,
                _ => FailureKind::Status,
            };
            let status = incoming.status;
            return Err(Failure::new(kind, format!("{place} gave no credential: status {status}")));
        }
        if !kind.takes(&incoming.headers.content_type) {
            let message = format!("{place} gave no credential but another type of content");
            return Err(Failure::new(FailureKind::ContentType, message));
        }
        let body = Zeroizing::new(incoming.body);
        let page = wire::parse(kind, &body).map_err(|error| {
            Failure::new(FailureKind::Shape, format!("{place} gave no credential but {error}"))
        })?;
        Ok(page.content)
    }

    async fn sign(
        &self,
        call: &Call,
        body: &[u8],
        role: &str,
        region: &str,
        headers: &mut HeaderMap,
    ) -> Result<(), Failure> {
        let keys =
            if role.is_empty() { self.own_keys()? } else { self.role_keys(role, region).await? };
        let (service, target) = call.body.as_ref().and_then(|body| body.aws).unwrap_or_default();
        headers.insert("content-type", HeaderValue::from_static("application/x-amz-json-1.1"));
        headers.insert("x-amz-target", HeaderValue::from_static(target));
        let time = sigv4::Time::at(self.shared.clock.wall_ms());
        sigv4::sign(&call.url, headers, body, &keys, region, service, &time)
    }

    fn own_keys(&self) -> Result<Keys, Failure> {
        let name = &self.shared.config.aws.secret_name;
        Ok(Keys {
            id: self.secret_of(name, "AWS_ACCESS_KEY_ID")?.expose().to_owned(),
            secret: self.secret_of(name, "AWS_SECRET_ACCESS_KEY")?,
            session: self.secret_of(name, "AWS_SESSION_TOKEN").ok(),
        })
    }

    /// Keys of another role, which STS gives for an hour.
    async fn role_keys(&self, role: &str, region: &str) -> Result<Keys, Failure> {
        let mut held = self.credential.lock().await;
        let now = self.shared.clock.wall_ms();
        if let Some(Credential { made: Made::Role(role), ends }) = &*held
            && now < ends - RENEW_BEFORE_MS
        {
            return Ok(Keys::of(role));
        }
        let url = crate::provider::aws_endpoint(&self.shared.config, "sts", region)?;
        self.shared.check(&url)?;
        let mut form = Url::parse("form:").expect("a constant is a URL");
        form.query_pairs_mut()
            .append_pair("Action", "AssumeRole")
            .append_pair("Version", "2011-06-15")
            .append_pair("RoleSessionName", "muster")
            .append_pair("RoleArn", role);
        let body = form.query().unwrap_or_default().as_bytes().to_vec();
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        let mut headers = HeaderMap::from_iter([(HeaderName::from_static("content-type"), form)]);
        let time = sigv4::Time::at(now);
        sigv4::sign(&url, &mut headers, &body, &self.own_keys()?, region, "sts", &time)?;
        let (method, body, timeout) = (Method::POST, Some(body), None);
        let outgoing = Outgoing { method, url, headers, body, repeatable: true, timeout };
        let made = self.credentials_from(Kind::AwsRole, &outgoing).await?;
        let Content::Role(made) = made else { return Err(odd(&self.identity.base)) };
        let ends = milliseconds(&made.expires_at).ok_or_else(|| odd(&self.identity.base))?;
        let keys = Keys::of(&made);
        *held = Some(Credential { made: Made::Role(made), ends });
        Ok(keys)
    }
}

fn milliseconds(text: &str) -> Option<i64> {
    Some(text.parse::<jiff::Timestamp>().ok()?.as_millisecond())
}

fn odd(base: &Url) -> Failure {
    let message = format!("{} gave a credential that cannot be used", place(base));
    Failure::new(FailureKind::Shape, message)
}
