//! What generators make of branches, tags, services, plugins and decisions, and of their failures.

use std::sync::Arc;

use expect_test::{Expect, expect};
use generators::expand_set;
use model::argo::Unseen;
use model::provider::{Answer, Branch, Items, PullRequest, Repository};
use serde_json::{Value, json};

use crate::world::{Known, fleet, set, show_set};

const URL: &str = "https://git.example/app.git";

fn world() -> Known {
    fleet().with_refs(
        URL,
        &["main", "release/1.2", "release/2.0", "feature/A_b", "x\ny: {{z}}"],
        &["v1.2.3", "v2.0.0-rc.1", "2.1.0", "chart/v0.3.1", "nightly"],
    )
}

fn check(world: &Known, generators: &str, name: &str, path: &str, expected: &Expect) {
    let set = set(generators, name, "eu-1", path);
    let expansion = expand_set(&set, &world.world());
    let requests: Vec<_> =
        expansion.requests.iter().map(|one| serde_json::to_string(one).unwrap()).collect();
    expected.assert_eq(&format!("{}{}", show_set(&expansion), requests.join("\n")));
}

fn parameters(world: &Known, generators: &str) -> String {
    let expansion = expand_set(&set(generators, "x", "eu-1", "."), &world.world());
    let element = expansion.elements.first().unwrap();
    serde_json::to_string(&element.parameters).unwrap()
}

#[test]
fn branches_and_tags_by_their_names() {
    let branches = "- branches:
    repoURL: https://git.example/app.git
    match: ['release/*', main, 'feature/**', 'x*']
    exclude: ['release/2*']
    regex: '^[a-z0-9/.A_]+$'
    values: {slug: '{{slugify ref.name}}'}";
    check(
        &world(),
        branches,
        "{{values.slug}}",
        "{{ref.name}}/{{ref.short_sha}}",
        &expect![[r#"
        0 branches feature/A_b  →  feature-a-b on eu-1: feature/A_b/00000000
        0 branches main  →  main on eu-1: main/00000000
        0 branches release/1.2  →  release-1-2 on eu-1: release/1.2/00000000
        complete
    "#]],
    );
    expect![[r#"{"ref":{"kind":"branch","name":"feature/A_b","normalized":"feature-a-b","sha":"000000000000000000000000000000000000000b","short_sha":"00000000","version":null},"values":{"slug":"feature-a-b"}}"#]].assert_eq(&parameters(&world(), branches));
    let tags = "- tags: {repoURL: https://git.example/app.git, semver: '>=1, <3'}
- tags: {repoURL: https://git.example/app.git, semver: '>=2.0.0-rc'}
  as: t
- tags: {repoURL: https://git.example/app.git, match: ['chart/*']}
  as: t";
    let name = "{{default ref.version t.ref.version}}";
    check(
        &world(),
        tags,
        name,
        "{{default ref.name t.ref.name}}",
        &expect![[r#"
        0 tags 2.1.0  →  2.1.0 on eu-1: 2.1.0
        0 tags v1.2.3  →  1.2.3 on eu-1: v1.2.3
        1 tags 2.1.0#2  →  2.1.0 on eu-1: 2.1.0
        1 tags v2.0.0-rc.1  →  2.0.0-rc.1 on eu-1: v2.0.0-rc.1
        2 tags chart/v0.3.1  →  0.3.1 on eu-1: chart/v0.3.1
        complete
    "#]],
    );
    let all = "- tags: {repoURL: https://git.example/app.git}";
    check(
        &world(),
        all,
        "{{ref.normalized}}",
        "{{default ref.version \"none\"}}",
        &expect![[r#"
        0 tags 2.1.0  →  2.1.0 on eu-1: 2.1.0
        0 tags chart/v0.3.1  →  chart-v0.3.1 on eu-1: 0.3.1
        0 tags nightly  →  nightly on eu-1: none
        0 tags v1.2.3  →  v1.2.3 on eu-1: 1.2.3
        0 tags v2.0.0-rc.1  →  v2.0.0-rc.1 on eu-1: 2.0.0-rc.1
        complete
    "#]],
    );
}

#[test]
fn refs_in_a_matrix_and_what_is_wrong_with_them() {
    let matrix = "- matrix:
    generators:
      - list: {elements: [{r: app, want: main}, {r: gone, want: main}, {r: app, want: '['}]}
      - branches: {repoURL: 'https://git.example/{{r}}.git', match: ['{{want}}']}";
    check(
        &world(),
        matrix,
        "{{ref.name}}",
        ".",
        &expect![[r#"
        0 list[0] × branches main  →  main on eu-1: .
        0 list[1] × branches  →  held
        0 list[2] × branches  →  held
        ! set, list[1] × branches: SourceUnavailable: the branches of https://git.example/gone.git cannot be read: connection refused
        ! set, list[2] × branches: GeneratorFailed: branches: the pattern "[" is not a glob: unclosed character class; missing ']'
        missing: https://git.example/gone.git at HEAD
        incomplete
    "#]],
    );
    let wrong = "- tags: {repoURL: https://git.example/app.git, semver: latest}
- tags: {repoURL: https://git.example/app.git, regex: '('}
- branches: {repoURL: https://git.example/none.git}";
    check(
        &world(),
        wrong,
        "{{ref.name}}",
        ".",
        &expect![[r#"
        ! set, generators[0]: GeneratorFailed: tags.semver: "latest" is not a constraint: unexpected character 'l' while parsing major version number
        ! set, generators[1]: GeneratorFailed: tags.regex: "(" is not one: unclosed group
        ! set, generators[2]: SourceUnavailable: branches: the branches of https://git.example/none.git cannot be read: connection refused
        missing: https://git.example/none.git at HEAD
        incomplete
    "#]],
    );
}

fn repository(name: &str, branches: &[&str]) -> Repository {
    let branch = |name: &&str| Branch {
        name: (*name).to_owned(),
        sha: "0123456789abcdef0123456789abcdef01234567".to_owned(),
        paths: ["deploy".to_owned()].into(),
    };
    Repository {
        organization: "acme".to_owned(),
        repository: name.to_owned(),
        repository_id: json!(12_345_678_901_234_567_u64),
        urls: [("ssh", "git@h:"), ("https", "https://h/")]
            .map(|(protocol, url)| (protocol.to_owned(), format!("{url}{name}")))
            .into(),
        labels: vec!["a".to_owned(), "b".to_owned()],
        branches: branches.iter().map(branch).collect(),
    }
}

fn scm_request() -> Value {
    json!({"repositories": {
        "provider": {"github": {"organization": "acme"}}, "filters": [{"repositoryMatch": "^[aw]"}],
    }})
}

fn scm_answer(partial: Option<&str>) -> Answer {
    let repositories = vec![
        repository("web", &["main"]),
        repository("api", &["main", "X y"]),
        repository("zoo", &["main"]),
    ];
    Answer { items: Items::Repositories(repositories), partial: partial.map(str::to_owned) }
}

const SCM: &str = "- scmProvider:
    github: {organization: acme}
    filters: [{repositoryMatch: '^[aw]'}]
    cloneProtocol: https
    values: {id: '{{repository}}-{{slugify branch}}'}";

#[test]
fn repositories_of_an_organisation() {
    let known = world().with_answer(&scm_request(), scm_answer(None));
    check(
        &known,
        SCM,
        "{{values.id}}",
        "{{url}}",
        &expect![[r#"
        0 scmProvider acme/api@X y  →  api-x-y on eu-1: https://h/api
        0 scmProvider acme/api@main  →  api-main on eu-1: https://h/api
        0 scmProvider acme/web@main  →  web-main on eu-1: https://h/web
        complete
        {"repositories":{"provider":{"github":{"organization":"acme","allBranches":false,"excludeArchivedRepos":false}},"filters":[{"repositoryMatch":"^[aw]"}]}}"#]],
    );
    expect![[r#"{"branch":"X y","branchNormalized":"x-y","labels":["a","b"],"organization":"acme","repository":"api","repository_id":12345678901234567,"sha":"0123456789abcdef0123456789abcdef01234567","short_sha":"01234567","short_sha_7":"0123456","url":"https://h/api","values":{"id":"api-x-y"}}"#]].assert_eq(&parameters(&known, SCM));
    let partial = world().with_answer(&scm_request(), scm_answer(Some("page 3 of 4 timed out")));
    check(
        &partial,
        SCM,
        "{{values.id}}",
        "{{url}}",
        &expect![[r#"
        0 scmProvider acme/api@X y  →  api-x-y on eu-1: https://h/api
        0 scmProvider acme/api@main  →  api-main on eu-1: https://h/api
        0 scmProvider acme/web@main  →  web-main on eu-1: https://h/web
        0 scmProvider (the rest)  →  held
        ! set, scmProvider (the rest): SourceUnavailable: the answer for scmProvider is not complete: page 3 of 4 timed out; what it lacks stays as it is
        incomplete
        {"repositories":{"provider":{"github":{"organization":"acme","allBranches":false,"excludeArchivedRepos":false}},"filters":[{"repositoryMatch":"^[aw]"}]}}"#]],
    );
    check(
        &world(),
        SCM,
        "{{values.id}}",
        "{{url}}",
        &expect![[r#"
        ! set, generators[0]: SourceUnavailable: scmProvider has no answer: it was not asked yet
        incomplete
        {"repositories":{"provider":{"github":{"organization":"acme","allBranches":false,"excludeArchivedRepos":false}},"filters":[{"repositoryMatch":"^[aw]"}]}}"#]],
    );
    let other = world().with_answer(
        &scm_request(),
        Answer { items: Items::PullRequests(Vec::new()), partial: None },
    );
    check(
        &other,
        SCM,
        "{{values.id}}",
        "{{url}}",
        &expect![[r#"
        ! set, generators[0]: SourceUnavailable: scmProvider: the answer is one to another question
        incomplete
        {"repositories":{"provider":{"github":{"organization":"acme","allBranches":false,"excludeArchivedRepos":false}},"filters":[{"repositoryMatch":"^[aw]"}]}}"#]],
    );
    let fips = SCM.replace("cloneProtocol: https", "cloneProtocol: https-fips");
    check(
        &known,
        &fips,
        "{{values.id}}",
        "{{url}}",
        &expect![[r#"
        0 scmProvider acme/api@X y  →  held
        0 scmProvider acme/api@main  →  held
        0 scmProvider acme/web@main  →  held
        ! set, scmProvider acme/api@X y: GeneratorFailed: scmProvider: unknown cloneProtocol "https-fips"; known: https, ssh
        ! set, scmProvider acme/api@main: GeneratorFailed: scmProvider: unknown cloneProtocol "https-fips"; known: https, ssh
        ! set, scmProvider acme/web@main: GeneratorFailed: scmProvider: unknown cloneProtocol "https-fips"; known: https, ssh
        incomplete
        {"repositories":{"provider":{"github":{"organization":"acme","allBranches":false,"excludeArchivedRepos":false}},"filters":[{"repositoryMatch":"^[aw]"}]}}"#]],
    );
    let regex = SCM.replace("^[aw]", "(");
    check(
        &known,
        &regex,
        "{{values.id}}",
        "{{url}}",
        &expect![[r#"
        ! set, generators[0]: GeneratorFailed: scmProvider.filters[0].repositoryMatch: error parsing regexp: `(`: error: unclosed group
        incomplete
    "#]],
    );
}

fn pull(number: i64, title: &str, branch: &str) -> PullRequest {
    PullRequest {
        number,
        title: title.to_owned(),
        branch: branch.to_owned(),
        target_branch: "main".to_owned(),
        head_sha: "0123456789abcdef".to_owned(),
        author: "ada".to_owned(),
        labels: vec!["preview".to_owned()],
    }
}

#[test]
fn pull_requests_of_each_repository() {
    let request = |repo: &str| json!({"pullRequests": {"provider": {"github": {"owner": "acme", "repo": repo}}}});
    let pulls = |list: Vec<PullRequest>| Answer { items: Items::PullRequests(list), partial: None };
    let known = world()
        .with_answer(&scm_request(), scm_answer(None))
        .with_answer(
            &request("web"),
            pulls(vec![pull(10, "Ten", "t"), pull(9, "b: {{x}}\n- c", "Fix/Ü_b")]),
        )
        .with_answer(&request("api"), pulls(Vec::new()));
    let generators = "- matrix:
    generators:
      - scmProvider: {github: {organization: acme}, filters: [{repositoryMatch: '^[aw]'}], values: {}}
        selector: {matchLabels: {branch: main}}
      - join:
          left: {pullRequest: {github: {owner: '{{organization}}', repo: '{{repository}}'}, filters: [{branchMatch: '.'}]}}
          right: {list: {elements: [{author: ada, team: x}]}}
          on: [author]";
    let clashing = generators.replace("branch: main", "short_sha: '01234567'");
    check(
        &known,
        &clashing,
        "{{repository}}-{{number}}",
        "{{branch_slug}}/{{title}}",
        &expect![[r#"
            0 scmProvider acme/web@main × pullRequest 9 + ?  →  held
            0 scmProvider acme/web@main × pullRequest 10 + ?  →  held
            ! set, scmProvider acme/web@main × pullRequest 10 + ?: GeneratorFailed: scmProvider acme/web@main and pullRequest 10 both give the parameter branch, as "main" and as "t"; give one of the generators an as, or use another name in it
            ! set, scmProvider acme/web@main × pullRequest 9 + ?: GeneratorFailed: scmProvider acme/web@main and pullRequest 9 both give the parameter branch, as "main" and as "Fix/Ü_b"; give one of the generators an as, or use another name in it
            incomplete
            {"repositories":{"provider":{"github":{"organization":"acme","allBranches":false,"excludeArchivedRepos":false}},"filters":[{"repositoryMatch":"^[aw]"}]}}
            {"pullRequests":{"provider":{"github":{"owner":"acme","repo":"api"}}}}
            {"pullRequests":{"provider":{"github":{"owner":"acme","repo":"web"}}}}"#]],
    );
    let named = clashing
        .replace("        selector:", "        as: repo\n        selector:")
        .replace("short_sha", "repo.short_sha")
        .replace("{{organization}}", "{{repo.organization}}")
        .replace("{{repository}}", "{{repo.repository}}");
    let name = "{{repo.repository}}-{{number}}";
    check(
        &known,
        &named,
        name,
        "{{branch_slug}}/{{repo.branch}}",
        &expect![[r#"
        0 scmProvider acme/web@main × pullRequest 9 + list[0]  →  web-9 on eu-1: fix-u-b/main
        0 scmProvider acme/web@main × pullRequest 10 + list[0]  →  web-10 on eu-1: t/main
        complete
        {"repositories":{"provider":{"github":{"organization":"acme","allBranches":false,"excludeArchivedRepos":false}},"filters":[{"repositoryMatch":"^[aw]"}]}}
        {"pullRequests":{"provider":{"github":{"owner":"acme","repo":"api"}}}}
        {"pullRequests":{"provider":{"github":{"owner":"acme","repo":"web"}}}}"#]],
    );
    let only = "- pullRequest: {github: {owner: acme, repo: web}, filters: [{titleMatch: c$}, {branchMatch: ^nope}], values: {t: '{{title}}'}}";
    check(
        &known,
        only,
        "pr-{{number}}",
        "{{values.t}}",
        &expect![[r#"
        0 pullRequest 9  →  pr-9 on eu-1: b: {{x}}
        - c
        complete
        {"pullRequests":{"provider":{"github":{"owner":"acme","repo":"web"}}}}"#]],
    );
    expect![[r#"{"author":"ada","branch":"Fix/Ü_b","branch_slug":"fix-u-b","head_sha":"0123456789abcdef","head_short_sha":"01234567","head_short_sha_7":"0123456","labels":["preview"],"number":9,"target_branch":"main","target_branch_slug":"main","title":"b: {{x}}\n- c","values":{"t":"b: {{x}}\n- c"}}"#]].assert_eq(&parameters(&known, only));
}

#[test]
fn plugins_answer_with_typed_parameters() {
    let request =
        json!({"plugin": {"configMap": "p", "set": "set", "parameters": "{\"a\":[1,\"x\"]}"}});
    let items = json!([{"n": "a", "size": 12_345_678_901_234_567_u64, "deep": {"x": null}}, {"n": "b"}, {"n": "c", "generator": 1}, {"n": "x".repeat(10 << 20)}]);
    let items = items.as_array().unwrap().iter().map(|item| item.as_object().unwrap().clone());
    let answer = Answer { items: Items::Plugin(items.collect()), partial: None };
    let known = world().with_answer(&request, answer);
    let plugin = "- plugin: {configMapRef: {name: p}, input: {parameters: {a: [1, x]}}}";
    check(
        &known,
        plugin,
        "{{n}}",
        "{{default size 0}}",
        &expect![[r#"
        0 plugin[0]  →  a on eu-1: 12345678901234567
        0 plugin[1]  →  b on eu-1: 0
        0 plugin[2]  →  held
        0 plugin[3]  →  held
        ! set, plugin[2]: GeneratorFailed: plugin: the answer has the key generator, which is the name of its input; rename it
        ! set, plugin[3]: GeneratorFailed: plugin gives parameters of 10485763 bytes; an element has at most 1 MiB of them
        incomplete
        {"plugin":{"configMap":"p","set":"set","parameters":"{\"a\":[1,\"x\"]}"}}"#]],
    );
    expect![[r#"{"deep":{"x":null},"generator":{"input":{"parameters":{"a":[1,"x"]}}},"n":"a","size":12345678901234567}"#]].assert_eq(&parameters(&known, plugin));
}

fn decided(status: Value) -> Known {
    let mut known = world();
    known.decisions.config_maps = vec![
        json!({"metadata": {"name": "by-name"}, "data": {
            "apiVersion": "cluster.example/v1", "kind": "placementdecisions", "statusListKey": "decisions", "matchKey": "clusterName",
        }}),
        json!({"metadata": {"name": "broken"}, "data": {"apiVersion": "cluster.example/v1", "kind": "placementdecisions"}}),
    ];
    known.decisions.objects = vec![
        json!({
            "apiVersion": "cluster.example/v1", "kind": "PlacementDecision",
            "metadata": {"name": "d", "labels": {"app": "x"}}, "status": status,
        })
        .into(),
    ];
    known
}

#[test]
fn decisions_name_clusters() {
    let status = json!({"decisions": [
        {"clusterName": "us-1", "score": 12_345_678_901_234_567_u64}, {"clusterName": "eu-1"}, {"clusterName": "moon"}, {"clusterName": "dev", "name": "x"},
    ]});
    let named =
        "- clusterDecisionResource: {configMapRef: by-name, name: d, values: {v: 'on {{name}}'}}";
    let path = "{{values.v}} {{default score 0}}";
    check(
        &decided(status.clone()),
        named,
        "{{name}}",
        path,
        &expect![[r#"
        0 clusterDecisionResource us-1  →  us-1 on eu-1: on us-1 12345678901234567
        0 clusterDecisionResource eu-1  →  eu-1 on eu-1: on eu-1 0
        0 clusterDecisionResource moon  →  held
        0 clusterDecisionResource dev  →  held
        ! set, clusterDecisionResource dev: GeneratorFailed: clusterDecisionResource: the cluster and the decision both give name, as "dev" and as "x"
        ! set, clusterDecisionResource moon: UnknownCluster: clusterDecisionResource: the cluster "moon" is not known; enrol it
        incomplete
    "#]],
    );
    let by_label = "- clusterDecisionResource: {configMapRef: by-name, labelSelector: {matchLabels: {app: x}}}";
    check(
        &decided(status),
        by_label,
        "{{name}}",
        "x",
        &expect![[r#"
        0 clusterDecisionResource us-1  →  us-1 on eu-1: x
        0 clusterDecisionResource eu-1  →  eu-1 on eu-1: x
        0 clusterDecisionResource moon  →  held
        0 clusterDecisionResource dev  →  held
        ! set, clusterDecisionResource dev: GeneratorFailed: clusterDecisionResource: the cluster and the decision both give name, as "dev" and as "x"
        ! set, clusterDecisionResource moon: UnknownCluster: clusterDecisionResource: the cluster "moon" is not known; enrol it
        incomplete
    "#]],
    );
    check(
        &decided(json!({"decisions": []})),
        named,
        "{{name}}",
        path,
        &expect![[r#"
        complete
    "#]],
    );
    check(
        &decided(Value::Null),
        named,
        "{{name}}",
        path,
        &expect![[r#"
        ! set, generators[0]: SourceUnavailable: clusterDecisionResource: d has no list status.decisions yet
        incomplete
    "#]],
    );
    check(
        &decided(json!({"decisions": [{"cluster": "dev"}]})),
        named,
        "{{name}}",
        path,
        &expect![[r#"
            ! set, generators[0]: GeneratorFailed: clusterDecisionResource: a decision has no text "clusterName", by which clusters are found; correct matchKey
            incomplete
        "#]],
    );
    let wrong = "- clusterDecisionResource: {configMapRef: by-nam, name: d}
- clusterDecisionResource: {configMapRef: broken, name: d}
- clusterDecisionResource: {configMapRef: by-name, name: other}
- clusterDecisionResource: {configMapRef: by-name}
- clusterDecisionResource: {configMapRef: by-name, name: d, labelSelector: {}}";
    check(
        &decided(Value::Null),
        wrong,
        "{{name}}",
        path,
        &expect![[r#"
        ! set, generators[0]: SourceUnavailable: clusterDecisionResource: unknown ConfigMap "by-nam"; did you mean "by-name"? known: by-name, broken
        ! set, generators[1]: GeneratorFailed: clusterDecisionResource: the ConfigMap "broken" has no matchKey; it names apiVersion, kind, statusListKey, matchKey
        ! set, generators[2]: SourceUnavailable: clusterDecisionResource: no placementdecisions of cluster.example/v1 "other" is known
        ! set, generators[3]: GeneratorFailed: clusterDecisionResource needs either name or labelSelector, not both
        ! set, generators[4]: GeneratorFailed: clusterDecisionResource needs either name or labelSelector, not both
        incomplete
    "#]],
    );
}

#[test]
fn decisions_that_cannot_all_be_seen_are_not_complete() {
    let unseen = |version: Option<&str>, object: Option<Value>, reason: &str| Unseen {
        api_version: version.map(str::to_owned),
        object: object.map(Arc::new),
        reason: reason.to_owned(),
    };
    let twin = |kind: &str, name: &str| json!({"apiVersion": "cluster.example/v1", "kind": kind, "metadata": {"name": name, "labels": {"app": "x"}}});
    let mut known = decided(json!({"decisions": [{"clusterName": "us-1"}]}));
    let named = "- clusterDecisionResource: {configMapRef: by-name, name: d}";
    known.decisions.unseen = vec![
        unseen(Some("other.example/v1"), None, "another version"),
        unseen(None, Some(twin("Placement", "d")), "another kind"),
        unseen(None, Some(twin("PlacementDecision", "e")), "e lacks us-2"),
    ];
    // Nothing of it concerns this one, and the last one those with this label.
    check(
        &known,
        named,
        "{{name}}",
        "x",
        &expect![[r#"
        0 clusterDecisionResource us-1  →  us-1 on eu-1: x
        complete
    "#]],
    );
    let by_label = "- clusterDecisionResource: {configMapRef: by-name, labelSelector: {matchLabels: {app: x}}}";
    check(
        &known,
        by_label,
        "{{name}}",
        "x",
        &expect![[r#"
            0 clusterDecisionResource us-1  →  us-1 on eu-1: x
            0 clusterDecisionResource (the rest)  →  held
            ! set, clusterDecisionResource (the rest): SourceUnavailable: clusterDecisionResource: e lacks us-2; what is in force and not among these stays
            incomplete
        "#]],
    );
    known.decisions.unseen.push(unseen(None, None, "nobody has reported"));
    check(
        &known,
        named,
        "{{name}}",
        "x",
        &expect![[r#"
            0 clusterDecisionResource us-1  →  us-1 on eu-1: x
            0 clusterDecisionResource (the rest)  →  held
            ! set, clusterDecisionResource (the rest): SourceUnavailable: clusterDecisionResource: nobody has reported; what is in force and not among these stays
            incomplete
        "#]],
    );
    known.decisions.objects.clear();
    check(
        &known,
        named,
        "{{name}}",
        "x",
        &expect![[r#"
            ! set, generators[0]: SourceUnavailable: clusterDecisionResource: no placementdecisions of cluster.example/v1 "d" is known: nobody has reported
            incomplete
        "#]],
    );
}
