//! A set with an element for each branch and each tag of a real repository.

use super::*;

fn set(url: &str) -> String {
    let of = |generator: &str, revision: &str| {
        format!(
            "apiVersion: muster.dev/v1alpha1\n\
             kind: ApplicationSet\n\
             metadata: {{name: {generator}}}\n\
             spec:\n\
             \x20 generators: [{{{generator}: {{repoURL: '{url}', match: ['*1*']}}}}]\n\
             \x20 template:\n\
             \x20   metadata: {{name: '{generator}-{{{{ref.normalized}}}}'}}\n\
             \x20   spec:\n\
             \x20     source: {{repoURL: '{url}', targetRevision: '{{{{{revision}}}}}', path: .}}\n\
             \x20     destination: {{cluster: lab}}\n"
        )
    };
    format!("{}---\n{}", of("branches", "ref.name"), of("tags", "ref.sha"))
}

#[tokio::test]
async fn branches_and_tags_come_and_go_and_a_server_in_trouble_takes_none_away() {
    let world = World::new();
    world.joined.label("lab", &[]);
    let first = world.apps.commit(&TWO_APPS);
    for number in 10..20 {
        git(&world.apps.0, &["branch", &format!("b{number}")]);
    }
    git(&world.apps.0, &["tag", "-a", "-m", "release", "v1"]);
    world.fleet.commit(&[("sets.yaml", set(&world.apps.url()).as_str())]);
    let hub = world.start("mirrors", 1).await;
    assert_eq!(hub.handle.refresh().await.unwrap().problems, []);
    let all = |numbers: std::ops::Range<usize>, tag: &str| {
        let branches = numbers.map(|number| format!("branches-b{number}"));
        branches.chain([tag.to_owned()]).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(hub.wants("lab"), all(10..20, "tags-v1"));
    assert_eq!(hub.revision("lab", "tags-v1"), first, "the commit, not the tag's own id");

    let next = world.apps.commit(&[("apps/api/x.yaml", "a: 2\n")]);
    git(&world.apps.0, &["branch", "-f", "b19"]);
    git(&world.apps.0, &["tag", "-f", "v1"]);
    hub.handle.refresh().await.unwrap();
    for (application, commit) in
        [("branches-b18", first), ("branches-b19", next), ("tags-v1", next)]
    {
        assert_eq!(hub.revision("lab", application), commit, "{application}");
    }

    // A server that is gone, one that shows an empty repository, and a restart that finds it so.
    world.apps.hide();
    let problems = hub.handle.refresh().await.unwrap().problems;
    assert!(
        problems.iter().any(|one| one.message.contains("its branches and tags")),
        "{problems:?}"
    );
    assert_eq!(hub.wants("lab"), all(10..20, "tags-v1"));
    let empty = Repository::new(world.apps.0.clone());
    let problems = hub.handle.refresh().await.unwrap().problems;
    assert!(
        problems.iter().any(|one| one.message.contains("no branch and no tag")),
        "{problems:?}"
    );
    assert_eq!(hub.wants("lab"), all(10..20, "tags-v1"));
    hub.stop().await;
    let hub = world.start("mirrors", 2).await;
    let problems = hub.handle.refresh().await.unwrap().problems;
    let told = |set: &str| problems.iter().any(|one| one.set == set);
    assert!(told("branches") && told("tags"), "{problems:?}");
    assert_eq!(hub.wants("lab"), all(10..20, "tags-v1"));
    fs::remove_dir_all(&empty.0).unwrap();
    world.apps.show();

    // One of ten is within the budget, and three more are not.
    git(&world.apps.0, &["branch", "-D", "b19"]);
    assert_eq!(hub.handle.refresh().await.unwrap().problems, []);
    assert_eq!(hub.wants("lab"), format!("{} -branches-b19", all(10..19, "tags-v1")));
    git(&world.apps.0, &["branch", "-D", "b18", "b17", "b16"]);
    hub.handle.refresh().await.unwrap();
    assert_eq!(hub.wants("lab"), format!("{} -branches-b19", all(10..19, "tags-v1")));
    assert!(hub.parked("branches").is_some());
    hub.stop().await;
}
