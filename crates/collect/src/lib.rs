//! Asks services outside of Git what generators want to know: the repositories of an organisation,
//! the pull requests of a repository, the parameters of a plugin.
//!
//! A [`Request`](model::provider::Request) goes in, an [`Answer`](model::provider::Answer) comes
//! out; nothing here knows of sets or templates. The hub and `muster expand --collect` are its
//! callers: they find out what is asked, [collect](Collector::collect_all) it, and expand again with
//! the answers.
//!
//! # When an answer is complete
//!
//! Only when every page arrived with the right status, content type and shape, and the pages fit
//! together. Whatever else comes (a login page with status 200, a 404, page 2 of 3 failing, a total
//! that is not met, a budget that is spent) gives [`Collected::Partial`] with what is known, or
//! [`Collected::Failed`]; neither removes anything (law L2). `docs/design/collect.md` has the list.
//!
//! # What it costs
//!
//! One crawler per service, organisation and credential is shared by all requests. It asks each
//! question once, remembers pages with their ETags, asks for paths at a commit and so only once, and
//! keeps to the budget of [`Config`] and to what the service asks for in its headers.
//!
//! # What is not sent and not said
//!
//! A credential goes to the origin of the service only, over redirects too. Addresses come from the
//! allow-list; loopback, link-local and metadata addresses are refused after the name was resolved,
//! and the connection goes to the address that was looked at. No message or log has a secret, a
//! query or a body in it.
//!
//! Tasks: none of its own. Every wait is within the caller's future, which may be dropped at any
//! time; what was remembered until then stays.

mod address;
mod auth;
mod budget;
mod cache;
mod call;
mod collector;
mod config;
mod failure;
mod filter;
mod folder;
mod http;
mod pages;
mod provider;
mod repositories;
mod secret;
mod site;
pub mod wire;

pub use address::Lookup;
pub use collector::{Collected, Collector, Counts};
pub use config::{Allowed, Aws, Budget, Config, ConfigError, Endpoints, Limits, Timing};
pub use failure::{Failure, FailureKind};
pub use folder::FolderSecrets;
pub use secret::{Missing, NoSecrets, Secret, Secrets};
