//! Generators as they are written, with the words of their errors.

use expect_test::expect;
use serde_json::json;

use super::*;

fn read(raw: Value) -> String {
    match serde_json::from_value::<Generator>(raw.clone()) {
        Err(error) => error.to_string(),
        Ok(generator) => {
            let written = serde_json::to_value(&generator).unwrap();
            let again: Generator = serde_json::from_value(written.clone()).unwrap();
            assert_eq!(again, generator, "what is written reads as what it was");
            format!("{} {written}", generator.kind.name())
        }
    }
}

#[test]
fn every_kind_is_read_and_written() {
    let github = json!({"organization": "acme"});
    let generators = [
        json!({"clusters": {"flatList": true}, "as": "c"}),
        json!({"branches": {"repoURL": "r", "match": ["release/*"], "regex": "^r"}}),
        json!({"tags": {"repoURL": "r", "semver": ">=1", "template": {"metadata": {}}}}),
        json!({"scmProvider": {"github": github, "cloneProtocol": "https", "filters": [{"repositoryMatch": "a"}]}}),
        json!({"pullRequest": {"azuredevops": {"organization": "o", "project": "p", "repo": "r"}}}),
        json!({"plugin": {"configMapRef": {"name": "p"}, "input": {"parameters": {"a": 1}}}}),
        json!({"clusterDecisionResource": {"configMapRef": "d", "name": "x"}}),
        json!({"join": {"kind": "outer", "left": {"list": {}}, "right": {"list": {}}, "on": ["a.b", {"left": "{{x}}", "right": "y"}]}}),
        json!({"merge": {"generators": [{"list": {}}], "mergeKeys": ["a"]}}),
    ];
    let lines: Vec<_> = generators.into_iter().map(read).collect();
    expect![[r#"
        clusters {"as":"c","clusters":{"flatList":true,"selector":{}}}
        branches {"branches":{"match":["release/*"],"regex":"^r","repoURL":"r"}}
        tags {"tags":{"repoURL":"r","semver":">=1","template":{"metadata":{}}}}
        scmProvider {"scmProvider":{"cloneProtocol":"https","filters":[{"repositoryMatch":"a"}],"github":{"allBranches":false,"excludeArchivedRepos":false,"organization":"acme"}}}
        pullRequest {"pullRequest":{"azuredevops":{"organization":"o","project":"p","repo":"r"}}}
        plugin {"plugin":{"configMapRef":{"name":"p"},"input":{"parameters":{"a":1}}}}
        clusterDecisionResource {"clusterDecisionResource":{"configMapRef":"d","name":"x"}}
        join {"join":{"kind":"outer","left":{"list":{"elements":[]}},"on":[{"left":"{{a.b}}","right":"{{a.b}}"},{"left":"{{x}}","right":"y"}],"right":{"list":{"elements":[]}}}}
        merge {"merge":{"generators":[{"list":{"elements":[]}}],"mergeKeys":["a"],"missingKey":"error"}}"#]].assert_eq(&lines.join("\n"));
}

#[test]
fn what_is_wrong_is_named_with_the_nearest_name() {
    let github = json!({"organization": "acme"});
    let generators = [
        json!({}),
        json!({"lists": {}}),
        json!({"list": {}, "git": {}}),
        json!({"list": {"element": []}}),
        json!({"list": {"template": "x"}}),
        json!({"branches": {"repoURL": "r", "semver": "1"}}),
        json!({"scmProvider": {}}),
        json!({"scmProvider": {"githob": github}}),
        json!({"scmProvider": {"github": github, "gitlab": {"group": "g"}}}),
        json!({"scmProvider": {"github": {"organisation": "acme"}}}),
        json!({"scmProvider": {"github": github, "cloneProtocol": "http"}}),
        json!({"pullRequest": {"azureDevOps": {}}}),
        json!({"pullRequest": {"github": {"owner": "o", "repo": "r"}, "filters": [{"titleMach": "x"}]}}),
        json!({"join": {"left": {"list": {}}, "right": {"list": {}}, "on": [3]}}),
        json!({"join": {"kind": "full", "left": {"list": {}}, "right": {"list": {}}, "on": ["a"]}}),
        json!({"matrix": {"generators": [{"list": {"template": {}}}]}}),
        json!({"matrix": [{"list": {}}]}),
        json!({"matrix": {"generators": []}, "as": "x"}),
        json!({"list": {}, "as": "a.b"}),
        json!([]),
    ];
    let lines: Vec<_> = generators.into_iter().map(read).collect();
    expect![[r#"
        a generator needs one kind: list, clusters, git, branches, tags, scmProvider, pullRequest, plugin, clusterDecisionResource, matrix, join, merge
        unknown generator kind "lists"; did you mean "list"? known: list, clusters, git, branches, tags, scmProvider, pullRequest, plugin, clusterDecisionResource, matrix, join, merge
        a generator has exactly one kind, but this one has "git" and "list"; write them as two entries
        list.element: unknown field `element`, expected `elements` or `elementsYaml`; did you mean `elements`?
        list.template is "x"; it is a map of metadata and spec
        branches.semver: only tags have versions
        scmProvider: names no provider; known: github, gitlab, gitea, bitbucketServer, bitbucket, azureDevOps, awsCodeCommit
        scmProvider: unknown field or provider "githob"; did you mean "github"? known: github, gitlab, gitea, bitbucketServer, bitbucket, azureDevOps, awsCodeCommit, filters, cloneProtocol, values
        scmProvider: has the providers "github" and "gitlab"; write them as two generators
        scmProvider: github.organisation: unknown field `organisation`, expected one of `organization`, `api`, `tokenRef`, `appSecretName`, `allBranches`, `excludeArchivedRepos`; did you mean `organization`?
        scmProvider: cloneProtocol: unknown variant `http`, expected one of `ssh`, `https`, `https-fips`; did you mean `https`?
        pullRequest: unknown field or provider "azureDevOps"; did you mean "azuredevops"? known: github, gitlab, gitea, bitbucketServer, bitbucket, azuredevops, filters, values
        pullRequest: filters[0].titleMach: unknown field `titleMach`, expected one of `branchMatch`, `targetBranchMatch`, `titleMatch`; did you mean `titleMatch`?
        join.on[0]: 3: a key of a join is a parameter of both sides, or a map of left and right
        join.kind: unknown variant `full`, expected one of `inner`, `left`, `outer`
        matrix: its list has a template, which only a generator of the set's own list can have; move it to matrix.template
        matrix.[0]: invalid type: map, expected a sequence
        matrix takes no as; give it to the generators inside
        as is "a.b"; it is the name of a parameter
        invalid type: sequence, expected a map"#]].assert_eq(&lines.join("\n"));
}
