//! AWS CodeCommit, with the tagging service where a set asks for tags.

use std::collections::BTreeMap;

use model::provider::ScmAwsCodeCommit;
use reqwest::Url;
use serde_json::{Map, Value, json};

use super::{Branches, Context, Forge, Probe, default_branch, parts};
use crate::auth::Auth;
use crate::call::{Body, Call, Paging, base};
use crate::config::Config;
use crate::failure::{Failure, FailureKind};
use crate::http::Trust;
use crate::site::Identity;
use crate::wire::{FoundBranch, FoundRepository, Kind};

pub(super) struct CodeCommit {
    url: Url,
    tagging: Url,
    /// Empty: every repository of the account.
    tags: Vec<Value>,
    all_branches: bool,
}

impl CodeCommit {
    pub(super) fn new(
        from: &ScmAwsCodeCommit,
        context: Context<'_>,
    ) -> Result<(Identity, Self), Failure> {
        let region = match (from.region.as_str(), &context.config.aws.region) {
            ("", Some(region)) => region,
            (region, _) => region,
        };
        let url = endpoint(context.config, "codecommit", region)?;
        let identity = Identity {
            service: "awsCodeCommit",
            base: url.clone(),
            organization: region.to_owned(),
            auth: Auth::Aws { role: from.role.clone(), region: region.to_owned() },
            trust: Trust::default(),
        };
        // Values of one key are alternatives; a key without a value takes any.
        let mut tags: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for filter in &from.tag_filters {
            let values = tags.entry(&filter.key).or_default();
            values.extend((!filter.value.is_empty()).then_some(filter.value.as_str()));
        }
        let tags = tags.into_iter().map(|(key, values)| match values.as_slice() {
            [] => json!({ "Key": key }),
            values => json!({ "Key": key, "Values": values }),
        });
        let forge = Self {
            url,
            tagging: endpoint(context.config, "tagging", region)?,
            tags: tags.collect(),
            all_branches: from.all_branches,
        };
        Ok((identity, forge))
    }

    fn call(&self, kind: Kind, target: &'static str, json: Value) -> Call {
        let Value::Object(json) = json else { return self.call(kind, target, Map::new().into()) };
        let tagging = kind == Kind::AwsTaggedResources;
        let (url, service) =
            if tagging { (&self.tagging, "tagging") } else { (&self.url, "codecommit") };
        let body = Some(Body { json, aws: Some((service, target)) });
        Call { body, ..Call::get(kind, url.clone()) }
    }
}

/// Where a service of a region is.
pub(crate) fn endpoint(config: &Config, service: &str, region: &str) -> Result<Url, Failure> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if region.is_empty() || region.len() > 40 || !region.bytes().all(plain) {
        let what = "AWS needs a region, such as `eu-central-1`, in the set or in the settings";
        return Err(Failure::new(FailureKind::Request, what));
    }
    let domain = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
    match &config.endpoints.aws {
        Some(address) => base(address),
        None => base(&format!("https://{service}.{region}.{domain}/")),
    }
}

impl Forge for CodeCommit {
    /// Every repository says its account.
    fn organization(&self) -> &str {
        ""
    }

    fn repositories(&self) -> Result<Call, Failure> {
        if self.tags.is_empty() {
            let target = "CodeCommit_20150413.ListRepositories";
            let call = self.call(Kind::AwsRepositories, target, json!({}));
            return Ok(call.paged(Paging::Token("nextToken")));
        }
        let target = "ResourceGroupsTaggingAPI_20170126.GetResources";
        let asked = json!({
            "ResourceTypeFilters": ["codecommit:repository"],
            "TagFilters": self.tags,
        });
        let call = self.call(Kind::AwsTaggedResources, target, asked);
        Ok(call.paged(Paging::Token("PaginationToken")))
    }

    fn lists_names(&self) -> bool {
        true
    }

    fn detail(&self, name: &str) -> Result<Call, Failure> {
        let target = "CodeCommit_20150413.GetRepository";
        Ok(self.call(Kind::AwsRepository, target, json!({ "repositoryName": name })))
    }

    fn keeps(&self, repository: &FoundRepository) -> bool {
        !repository.empty
    }

    /// Commits of branches cost a request each, which sets have done without.
    fn branches(&self, repository: &FoundRepository) -> Result<Branches, Failure> {
        if self.all_branches {
            let target = "CodeCommit_20150413.ListBranches";
            let asked = json!({ "repositoryName": repository.name });
            let call = self.call(Kind::AwsBranches, target, asked);
            return Ok(Branches::Ask(call.paged(Paging::Token("nextToken"))));
        }
        let branch = default_branch(repository);
        let known = branch.map(|name| FoundBranch { name: name.to_owned(), sha: String::new() });
        Ok(Branches::Known(known.into_iter().collect()))
    }

    /// A file is downloaded when it is asked for; so the directory above is listed.
    fn probe(
        &self,
        repository: &FoundRepository,
        branch: &FoundBranch,
        path: &str,
    ) -> Result<Probe, Failure> {
        let names: Vec<_> = parts(path).collect();
        let Some((entry, above)) = names.split_last() else { return Ok(Probe::Known(true)) };
        let target = "CodeCommit_20150413.GetFolder";
        let asked = json!({
            "commitSpecifier": branch.name,
            "folderPath": format!("/{}", above.join("/")),
            "repositoryName": repository.name,
        });
        Ok(Probe::Listed(self.call(Kind::AwsFolder, target, asked), (*entry).to_owned()))
    }
}
