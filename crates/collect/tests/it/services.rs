//! The services, as they are when nothing is wrong: what each answers, and a request that asks all
//! of it.

use crate::server::{Answer, Asked};
use crate::support::{Setup, recorded};

pub(crate) struct Service {
    pub name: &'static str,
    /// `BASE` stands for the address.
    pub request: &'static str,
    pub answer: fn(&Asked) -> Answer,
}

pub(crate) fn all() -> Vec<Service> {
    vec![
        Service { name: "github", request: GITHUB, answer: github },
        Service { name: "github pulls", request: GITHUB_PULLS, answer: github },
        Service { name: "gitlab", request: GITLAB, answer: gitlab },
        Service { name: "gitlab pulls", request: GITLAB_PULLS, answer: gitlab },
        Service { name: "gitea", request: GITEA, answer: gitea },
        Service { name: "gitea pulls", request: GITEA_PULLS, answer: gitea },
        Service { name: "bitbucket server", request: SERVER, answer: bitbucket_server },
        Service { name: "bitbucket server pulls", request: SERVER_PULLS, answer: bitbucket_server },
        Service { name: "bitbucket", request: BITBUCKET, answer: bitbucket },
        Service { name: "bitbucket pulls", request: BITBUCKET_PULLS, answer: bitbucket },
        Service { name: "azure", request: AZURE, answer: azure },
        Service { name: "azure pulls", request: AZURE_PULLS, answer: azure },
        Service { name: "aws", request: AWS, answer: aws },
        Service { name: "plugin", request: PLUGIN, answer: plugin },
    ]
}

/// What the plugin's request refers to.
pub(crate) fn add_plugin(setup: &Setup, base: &str) {
    let data = [("baseUrl", base.to_owned()), ("token", "$mine:token".to_owned())];
    setup.config_map("my-plugin", &data);
}

pub(crate) const GITHUB: &str = r#"{"repositories": {
    "provider": {"github": {"organization": "acme", "tokenRef": {"secretName": "gh", "key": "token"},
        "excludeArchivedRepos": true}},
    "filters": [{"pathsExist": ["deploy/"]}, {"repositoryMatch": "^storefront$", "branchMatch": "main"}]}}"#;
pub(crate) const GITHUB_PULLS: &str = r#"{"pullRequests": {"provider": {"github": {"owner": "acme",
    "repo": "checkout-api", "tokenRef": {"secretName": "gh", "key": "token"}}}}}"#;
pub(crate) const GITLAB: &str = r#"{"repositories": {
    "provider": {"gitlab": {"group": "acme/shop", "api": "BASE", "includeSubgroups": true,
        "tokenRef": {"secretName": "gl", "key": "token"}}},
    "filters": [{"pathsExist": ["deploy/app.yaml"], "pathsDoNotExist": ["deploy/none"]}]}}"#;
pub(crate) const GITLAB_PULLS: &str = r#"{"pullRequests": {"provider": {"gitlab": {
    "project": "acme/shop/checkout-api", "api": "BASE/", "labels": ["preview"], "pullRequestState": "opened",
    "tokenRef": {"secretName": "gl", "key": "token"}}}}}"#;
pub(crate) const GITEA: &str = r#"{"repositories": {
    "provider": {"gitea": {"owner": "acme", "api": "BASE", "tokenRef": {"secretName": "gt", "key": "token"}}},
    "filters": [{"pathsExist": ["deploy"]}]}}"#;
pub(crate) const GITEA_PULLS: &str = r#"{"pullRequests": {"provider": {"gitea": {"owner": "acme",
    "repo": "checkout-api", "api": "BASE", "labels": ["preview"],
    "tokenRef": {"secretName": "gt", "key": "token"}}}}}"#;
pub(crate) const SERVER: &str = r#"{"repositories": {
    "provider": {"bitbucketServer": {"project": "SHOP", "api": "BASE",
        "basicAuth": {"username": "ada", "passwordRef": {"secretName": "bs", "key": "password"}}}},
    "filters": [{"pathsExist": ["deploy"]}]}}"#;
pub(crate) const SERVER_PULLS: &str = r#"{"pullRequests": {"provider": {"bitbucketServer": {
    "project": "SHOP", "repo": "checkout-api", "api": "BASE/rest/",
    "bearerToken": {"tokenRef": {"secretName": "bs", "key": "token"}}}}}}"#;
pub(crate) const BITBUCKET: &str = r#"{"repositories": {
    "provider": {"bitbucket": {"owner": "acme", "user": "ada",
        "appPasswordRef": {"secretName": "bc", "key": "password"}}},
    "filters": [{"pathsExist": ["deploy"]}]}}"#;
pub(crate) const BITBUCKET_PULLS: &str = r#"{"pullRequests": {"provider": {"bitbucket": {
    "owner": "acme", "repo": "checkout-api",
    "bearerToken": {"tokenRef": {"secretName": "bc", "key": "token"}}}}}}"#;
pub(crate) const AZURE: &str = r#"{"repositories": {
    "provider": {"azureDevOps": {"organization": "acme", "teamProject": "Shop",
        "accessTokenRef": {"secretName": "az", "key": "token"}}},
    "filters": [{"pathsExist": ["deploy"]}]}}"#;
pub(crate) const AZURE_PULLS: &str = r#"{"pullRequests": {"provider": {"azuredevops": {
    "organization": "acme", "project": "Shop", "repo": "checkout-api", "labels": ["preview"],
    "tokenRef": {"secretName": "az", "key": "token"}}}}}"#;
pub(crate) const AWS: &str = r#"{"repositories": {
    "provider": {"awsCodeCommit": {"allBranches": true}},
    "filters": [{"pathsExist": ["deploy/app.yaml"]}]}}"#;
pub(crate) const PLUGIN: &str = r#"{"plugin": {"configMap": "my-plugin", "set": "shop",
    "parameters": "{\"env\":\"prod\"}"}}"#;

fn file(path: &str) -> Answer {
    Answer::json(recorded(path))
}

fn missing(path: &str) -> Answer {
    file(path).status(404)
}

pub(crate) fn unknown(asked: &Asked) -> Answer {
    panic!("not in the recording: {} {}?{} {}", asked.method, asked.path, asked.query, asked.body)
}

/// Pages one after the other, with GitHub's links.
fn linked(asked: &Asked, files: &[&str]) -> Answer {
    let number: usize = asked.parameter("page").parse().unwrap_or(1);
    let answer = file(files[number - 1]);
    let link = |to: usize, name: &str| format!("<BASE{}?page={to}>; rel=\"{name}\"", asked.path);
    if number < files.len() {
        let next = format!("{}, {}", link(number + 1, "next"), link(files.len(), "last"));
        return answer.with("Link", next);
    }
    answer.with("Link", format!("{}, {}", link(number - 1, "prev"), link(1, "first")))
}

pub(crate) fn github(asked: &Asked) -> Answer {
    let tail = asked.path.strip_prefix("/repos/acme/").unwrap_or(&asked.path);
    match tail {
        "/orgs/acme/repos" => {
            linked(asked, &["github/repos-1.json", "github/repos-2.json", "github/repos-3.json"])
        }
        "checkout-api/branches" => {
            linked(asked, &["github/branches-checkout-1.json", "github/branches-checkout-2.json"])
        }
        "checkout-api/branches/main" => file("github/branch-checkout-api.json"),
        "storefront/branches/main" => file("github/branch-storefront.json"),
        "ledger/branches/main" => file("github/branch-ledger.json"),
        "old-shop/branches/main" => file("github/branch-old-shop.json"),
        "empty/branches/main" => missing("github/branch-missing.json"),
        "checkout-api/contents/deploy" => file("github/contents-directory.json"),
        "checkout-api/pulls" => linked(asked, &["github/pulls-1.json", "github/pulls-2.json"]),
        path if path.contains("/contents/") => missing("github/not-found.json"),
        path if path.ends_with("/pulls") => missing("github/not-found.json"),
        "/app/installations/55501/access_tokens" => file("github/token.json").status(201),
        "/orgs/acme/installation" => file("github/installation.json"),
        _ => unknown(asked),
    }
}

pub(crate) fn gitlab(asked: &Asked) -> Answer {
    let page = match asked.parameter("page") {
        "" => "1",
        page => page,
    };
    let paged = |path: &str, last: &str, total: &str| {
        let next = if page == last { "" } else { "2" };
        file(&format!("{path}-{page}.json")).with("X-Next-Page", next).with("X-Total", total)
    };
    let tail = asked.path.strip_prefix("/api/v4/").unwrap_or_default();
    match tail {
        "groups/acme%2Fshop/projects" => paged("gitlab/projects", "2", "3"),
        "projects/201/repository/branches/main" => file("gitlab/branch-201.json"),
        "projects/201/repository/branches" => {
            file("gitlab/branches-201.json").with("X-Next-Page", "").with("X-Total", "2")
        }
        "projects/202/repository/branches/main" => file("gitlab/branch-202.json"),
        "projects/203/repository/branches/main" => missing("gitlab/branch-missing.json"),
        "projects/201/repository/tree" => file("gitlab/tree-deploy.json").with("X-Next-Page", ""),
        "projects/202/repository/tree" => missing("gitlab/tree-missing.json"),
        "projects/acme%2Fshop%2Fcheckout-api/merge_requests" => paged("gitlab/mrs", "2", "3"),
        path if path.ends_with("/merge_requests") => missing("gitlab/project-missing.json"),
        _ => unknown(asked),
    }
}

pub(crate) fn gitea(asked: &Asked) -> Answer {
    let number: usize = asked.parameter("page").parse().unwrap_or(1);
    let paged = |files: &[&str], total: &str| match files.get(number - 1) {
        Some(path) => file(path).with("X-Total-Count", total),
        None => Answer::json("[]").with("X-Total-Count", total),
    };
    let tail = asked.path.strip_prefix("/api/v1/").unwrap_or_default();
    match tail.strip_prefix("repos/acme/").unwrap_or(tail) {
        "orgs/acme/repos" => paged(&["gitea/repos-1.json", "gitea/repos-2.json"], "3"),
        "checkout-api/labels" => paged(&["gitea/labels.json"], "2"),
        "storefront/labels" | "empty/labels" => Answer::json("[]").with("X-Total-Count", "0"),
        "checkout-api/branches/main" | "storefront/branches/main" => file("gitea/branch-main.json"),
        "checkout-api/branches" => paged(&["gitea/branches.json"], "2"),
        "checkout-api/contents/deploy" => file("gitea/contents.json"),
        "checkout-api/pulls" => paged(&["gitea/pulls-1.json", "gitea/pulls-2.json"], "3"),
        path if path.contains("/contents/") => missing("gitea/not-found.json"),
        path if path.ends_with("/pulls") => missing("gitea/not-found.json"),
        _ => unknown(asked),
    }
}

pub(crate) fn bitbucket_server(asked: &Asked) -> Answer {
    let page = if asked.parameter("start").is_empty() { 1 } else { 2 };
    let tail = asked.path.strip_prefix("/rest/api/1.0/projects/SHOP/repos").unwrap_or_default();
    match tail {
        "" => file(&format!("bitbucket-server/repos-{page}.json")),
        "/checkout-api/branches/default" => file("bitbucket-server/default-401.json"),
        "/storefront/branches/default" => file("bitbucket-server/default-402.json"),
        "/empty/branches/default" => missing("bitbucket-server/no-default.json"),
        "/checkout-api/branches" => file("bitbucket-server/branches-401.json"),
        "/checkout-api/browse/deploy" => file("bitbucket-server/browse.json"),
        "/storefront/browse/deploy" => missing("bitbucket-server/no-path.json"),
        "/checkout-api/pull-requests" => file(&format!("bitbucket-server/pulls-{page}.json")),
        path if path.ends_with("/pull-requests") => missing("bitbucket-server/no-repository.json"),
        _ => unknown(asked),
    }
}

pub(crate) fn bitbucket(asked: &Asked) -> Answer {
    let page = if asked.parameter("page").is_empty() { 1 } else { 2 };
    let based = |path: String| Answer::json(recorded(&path).replace("BASE", "BASE/2.0"));
    let tail = asked.path.strip_prefix("/2.0/repositories/acme").unwrap_or_default();
    match tail {
        "" => based(format!("bitbucket/repos-{page}.json")),
        "/checkout-api/refs/branches/main" => file("bitbucket/branch-checkout.json"),
        "/storefront/refs/branches/main" => file("bitbucket/branch-storefront.json"),
        "/checkout-api/refs/branches" => file("bitbucket/branches-checkout.json"),
        "/checkout-api/pullrequests" => based(format!("bitbucket/pulls-{page}.json")),
        path if path.starts_with("/checkout-api/src/") => file("bitbucket/meta.json"),
        path if path.contains("/src/") => missing("bitbucket/no-path.json"),
        path if path.ends_with("/pullrequests") => missing("bitbucket/no-repository.json"),
        _ => unknown(asked),
    }
}

pub(crate) fn azure(asked: &Asked) -> Answer {
    let repositories = "/acme/Shop/_apis/git/repositories";
    let tail = asked.path.strip_prefix(repositories).unwrap_or(&asked.path);
    match tail {
        "" if asked.parameter("continuationToken").is_empty() => {
            file("azure/repos-1.json").with("X-MS-ContinuationToken", "more")
        }
        "" => file("azure/repos-2.json"),
        "/checkout-api/stats/branches" if asked.parameter("name") == "main" => {
            file("azure/branch-checkout.json")
        }
        "/checkout-api/stats/branches" => file("azure/branches-checkout.json"),
        "/store%20front/stats/branches" => file("azure/branch-store.json"),
        "/disabled/stats/branches" => missing("azure/no-repository.json"),
        "/checkout-api/items" => file("azure/item.json"),
        "/store%20front/items" => missing("azure/no-item.json"),
        "/acme/Shop/_apis/git/pullrequests" => file("azure/pulls.json"),
        path if path.ends_with("/pullrequests") => missing("azure/no-project.json"),
        _ => unknown(asked),
    }
}

pub(crate) fn aws(asked: &Asked) -> Answer {
    let file = |path: &str| Answer::new(200, "application/x-amz-json-1.1", recorded(path));
    let has = |text: &str| asked.body.contains(text);
    match asked.header("x-amz-target") {
        "CodeCommit_20150413.ListRepositories" if has("page-two") => {
            file("aws/repositories-2.json")
        }
        "CodeCommit_20150413.ListRepositories" => file("aws/repositories-1.json"),
        "CodeCommit_20150413.GetRepository" if has("checkout-api") => {
            file("aws/repository-checkout.json")
        }
        "CodeCommit_20150413.GetRepository" => file("aws/repository-empty.json"),
        "CodeCommit_20150413.ListBranches" if has("nextToken") => file("aws/branches-2.json"),
        "CodeCommit_20150413.ListBranches" => file("aws/branches-1.json"),
        "CodeCommit_20150413.GetFolder" if has("feature/x") => {
            file("aws/no-folder.json").status(400)
        }
        "CodeCommit_20150413.GetFolder" => file("aws/folder.json"),
        "ResourceGroupsTaggingAPI_20170126.GetResources" => file("aws/tagged.json"),
        "" if has("AssumeRole") => Answer::new(200, "text/xml", recorded("aws/role.xml")),
        _ => unknown(asked),
    }
}

pub(crate) fn plugin(asked: &Asked) -> Answer {
    match asked.path.as_str() {
        "/api/v1/getparams.execute" => file("plugin/answer.json"),
        _ => unknown(asked),
    }
}
