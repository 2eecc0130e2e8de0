//! What counts as removed, and what does not.

mod argo;

use model::tree::TreeEntry;

use super::*;

/// Files by path. One whose text begins with `!` cannot be read.
struct Files(BTreeMap<&'static str, &'static str>);

impl FileTree for Files {
    fn read(&self, path: &RepoPath, limit: u64) -> Result<Vec<u8>, TreeError> {
        let text = self.0.get(path.as_str());
        let text = text.ok_or_else(|| TreeError::NotFound { path: path.clone() })?;
        if let Some(message) = text.strip_prefix('!') {
            let message = message.to_owned();
            return Err(TreeError::Broken { path: path.clone(), message });
        }
        assert!(text.len() as u64 <= limit);
        Ok(text.as_bytes().to_vec())
    }

    fn list(&self, path: &RepoPath) -> Result<Vec<TreeEntry>, TreeError> {
        let prefix = if path.is_root() { String::new() } else { format!("{path}/") };
        let below = self.0.keys().filter_map(|file| file.strip_prefix(&prefix));
        let entries: BTreeSet<_> = below
            .map(|rest| match rest.split_once('/') {
                Some((name, _)) => TreeEntry { name: name.to_owned(), kind: EntryKind::Directory },
                None => TreeEntry { name: rest.to_owned(), kind: EntryKind::File },
            })
            .collect();
        if entries.is_empty() {
            return Err(TreeError::NotFound { path: path.clone() });
        }
        Ok(entries.into_iter().collect())
    }
}

const EU: &str = "apiVersion: muster.dev/v1alpha1\nkind: Cluster\nmetadata: {name: eu-1}\n";
const US: &str = "apiVersion: muster.dev/v1alpha1\nkind: Cluster\nmetadata: {name: us-1}\n";
const WEB: &str = "apiVersion: muster.dev/v1alpha1\nkind: Application\nmetadata: {name: web}\n\
    spec: {source: {repoURL: 'https://git.example/a', path: .}, destination: {cluster: eu-1}}\n";
const SET: &str = "apiVersion: muster.dev/v1alpha1\nkind: ApplicationSet\nmetadata: {name: all}\n\
    spec: {generators: [], template: {}}\n";
const FOREIGN: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web}\n";

fn commit(number: u8) -> CommitId {
    CommitId::from_bytes([number; 20])
}

/// Reads one commit after another and returns the documents, what went and the last reading.
fn history(
    commits: &[&[(&'static str, &'static str)]],
) -> (Documents, BTreeMap<Subject, Evidence>, Reading) {
    let mut documents = Documents::default();
    let (mut gone, mut last) = (BTreeMap::new(), Reading::default());
    for (number, files) in (1..).zip(commits) {
        last = read_tree(&Files(files.iter().copied().collect()), "fleet", &documents);
        gone = documents.advance(commit(number), &last);
    }
    (documents, gone, last)
}

fn names(documents: &Documents) -> Vec<String> {
    documents.in_force().map(|(key, ..)| key.to_string()).collect()
}

fn messages(reading: &Reading) -> String {
    reading.problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn only_documents_of_ours_below_the_path_are_read() {
    let (documents, _, reading) = history(&[&[
        ("fleet/a/eu.yaml", EU),
        ("fleet/web.yml", WEB),
        ("fleet/config.yaml", FOREIGN),
        ("fleet/chart/templates/x.yaml", "{{- if }}\nbroken: [\n"),
        ("fleet/values.yaml", "replicas: 3\n"),
        ("fleet/README.md", "# apiVersion: muster.dev/"),
        ("other/us.yaml", US),
    ]]);
    assert_eq!(names(&documents), ["Application web", "Cluster eu-1"]);
    assert_eq!((reading.ignored, messages(&reading).as_str()), (3, ""));
    assert_eq!(documents.commit, Some(commit(1)));
}

#[test]
fn a_document_that_a_readable_commit_does_not_have_is_gone() {
    let (documents, gone, _) = history(&[
        &[("fleet/eu.yaml", EU), ("fleet/web.yaml", WEB), ("fleet/set.yaml", SET)],
        &[("fleet/eu.yaml", EU)],
    ]);
    assert_eq!(names(&documents), ["Cluster eu-1"]);
    let reasons: Vec<_> = gone.values().map(|evidence| evidence.reason.as_str()).collect();
    assert_eq!(
        reasons,
        [
            "commit 02020202 has no ApplicationSet all in fleet/set.yaml",
            "commit 02020202 has no Application web in fleet/web.yaml",
        ]
    );
    assert!(gone.values().all(|evidence| evidence.commit == Some(commit(2))));
}

#[test]
fn a_move_to_another_file_is_no_removal() {
    let (documents, gone, _) = history(&[&[("fleet/a.yaml", WEB)], &[("fleet/b/c.yaml", WEB)]]);
    assert_eq!((names(&documents), gone.len()), (vec!["Application web".to_owned()], 0));
}

#[test]
fn a_document_that_is_broken_keeps_its_last_good_form_and_hides_no_other() {
    let broken = "apiVersion: muster.dev/v1alpha1\nkind: Application\nmetadata: {name: web}\n\
        spec: {sauce: {}}\n";
    let (documents, gone, reading) = history(&[
        &[("fleet/web.yaml", WEB), ("fleet/eu.yaml", EU), ("fleet/us.yaml", US)],
        &[("fleet/web.yaml", broken), ("fleet/us.yaml", US)],
    ]);
    assert_eq!(names(&documents), ["Application web", "Cluster us-1"]);
    assert!(gone.is_empty());
    assert!(messages(&reading).contains("unknown field `sauce`"), "{}", messages(&reading));
}

#[test]
fn while_a_file_cannot_be_told_apart_nothing_is_gone() {
    let all: &[(&str, &str)] = &[("fleet/web.yaml", WEB), ("fleet/eu.yaml", EU)];
    for cause in [
        "apiVersion: muster.dev/v1alpha1\nkind: [",
        "!an object is missing",
        "apiVersion: muster.dev/v1alpha1\nkind: Application\n",
    ] {
        let (documents, gone, reading) =
            history(&[all, &[("fleet/new.yaml", cause), ("fleet/eu.yaml", US)]]);
        assert_eq!(
            names(&documents),
            ["Application web", "Cluster eu-1", "Cluster us-1"],
            "{cause}"
        );
        assert!(gone.is_empty(), "{cause}");
        assert!(messages(&reading).contains("fleet/new.yaml"), "{}", messages(&reading));
    }
}

#[test]
fn an_empty_commit_or_a_missing_directory_changes_nothing() {
    for files in [&[("fleet/config.yaml", FOREIGN)][..], &[("other/us.yaml", US)]] {
        let (documents, gone, reading) = history(&[&[("fleet/web.yaml", WEB)], files]);
        assert_eq!((names(&documents), gone.len()), (vec!["Application web".to_owned()], 0));
        assert_eq!(reading.problems.len(), 1, "{}", messages(&reading));
    }
}

#[test]
fn a_misspelt_api_version_or_kind_is_no_removal() {
    for (from, to) in [("muster.dev/", "muster.dve/"), ("kind: Application", "kind: Aplication")] {
        let misspelt: &'static str = WEB.replace(from, to).leak();
        let (documents, gone, reading) = history(&[
            &[("fleet/web.yaml", WEB), ("fleet/eu.yaml", EU)],
            &[("fleet/web.yaml", misspelt), ("fleet/eu.yaml", EU)],
        ]);
        assert_eq!(names(&documents), ["Application web", "Cluster eu-1"]);
        assert!(gone.is_empty());
        assert_eq!(reading.problems.len(), 1, "{}", messages(&reading));
    }
}

#[test]
fn the_first_of_two_files_counts() {
    let other: &'static str = EU.replace("eu-1}", "eu-1, labels: {env: prod}}").leak();
    let (documents, _, reading) = history(&[&[("fleet/a.yaml", EU), ("fleet/b.yaml", other)]]);
    let key = ResourceKey { kind: Kind::Cluster, name: "eu-1".to_owned() };
    assert_eq!(documents.git[&key].file, "fleet/a.yaml");
    let expected = "fleet/b.yaml: DuplicateName: Cluster eu-1 is already in fleet/a.yaml; remove \
                    one of the two";
    assert_eq!(messages(&reading), expected);
}

#[test]
fn the_reserved_name_is_refused() {
    let reserved: &'static str = SET.replace("name: all", "name: hand-written").leak();
    let (documents, _, reading) = history(&[&[("fleet/set.yaml", reserved)]]);
    assert_eq!(names(&documents), Vec::<String>::new());
    assert!(messages(&reading).contains("rename it"));
}

#[test]
fn another_repository_takes_nothing_away() {
    let (mut documents, ..) = history(&[&[("fleet/web.yaml", WEB)]]);
    let origin = |url: &str| Some(GitOrigin { url: url.to_owned(), path: "fleet".to_owned() });
    documents.adopt(origin("https://git.example/other"));
    assert_eq!(documents.commit, None);
    let reading = read_tree(&Files([("fleet/eu.yaml", EU)].into()), "fleet", &documents);
    assert!(documents.advance(commit(9), &reading).is_empty());
    let told: Vec<_> =
        documents.in_force().map(|(key, origin, _)| (key.to_string(), origin)).collect();
    assert_eq!(
        told,
        [("Cluster eu-1".to_owned(), Origin::Git), ("Application web".to_owned(), Origin::Api),]
    );
}
