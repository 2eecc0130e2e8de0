//! When repositories are looked at, and what a failure changes.

use generators::Repositories as _;

use super::*;

const INTERVAL: Duration = Duration::from_secs(180);

fn reference(name: &str, revision: &str) -> RepoReference {
    let repo_url = format!("https://git.example/{name}");
    RepoReference { repo_url, revision: revision.to_owned() }
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn commit(number: u8) -> CommitId {
    CommitId::from_bytes([number; 20])
}

fn table(needed: &[RepoReference]) -> Repositories {
    let mut table = Repositories::new(INTERVAL, 1);
    need(&mut table, needed, seconds(0));
    table
}

fn need(table: &mut Repositories, needed: &[RepoReference], now: Duration) -> Vec<RepoReference> {
    let revisions = needed.iter().map(|one| (one.clone(), false)).collect();
    table.need(&Needed { revisions, ..Needed::default() }, now)
}

/// What a server that has `found` at every revision would answer.
fn answer(job: &Job, found: Result<CommitId, &str>) -> Looked {
    let found = job.wanted.iter().map(|one| Found {
        reference: one.reference.clone(),
        commit: found.ok(),
        tree: None,
        error: found.err().map(str::to_owned),
    });
    Looked { url: job.url.clone(), found: found.collect(), names: None }
}

fn listed(job: &Job, names: Result<&[&str], &str>) -> Looked {
    let refs = |names: &[&str]| {
        let branches = names.iter().map(|name| ((*name).to_owned(), "c".repeat(40)));
        Arc::new(Refs { branches: branches.collect(), tags: BTreeMap::new() })
    };
    let names = Some(names.map(refs).map_err(str::to_owned));
    Looked { url: job.url.clone(), found: Vec::new(), names }
}

#[test]
fn one_look_asks_for_all_revisions_of_a_repository() {
    let mut table = table(&[reference("a", "main"), reference("a.git", "v1"), reference("b", "")]);
    let jobs = table.due(seconds(0));
    let asked: Vec<_> = jobs.iter().map(|job| (job.url.to_string(), job.wanted.len())).collect();
    let url = |name: &str| format!("https://git.example/{name}");
    assert_eq!(asked.iter().map(|(_, count)| count).sum::<usize>(), 3);
    assert_eq!(asked.len(), 2, "{asked:?} {}", url("a"));
    assert!(table.due(seconds(0)).is_empty(), "each is looked at once at a time");
}

#[test]
fn at_most_four_are_looked_at_together() {
    let many: Vec<_> = (0..9).map(|n| reference(&format!("r{n}"), "main")).collect();
    let mut table = table(&many);
    let jobs = table.due(seconds(0));
    assert_eq!((jobs.len(), table.next_due()), (4, None));
    table.settle(answer(&jobs[0], Ok(commit(1))), seconds(1));
    assert_eq!(table.due(seconds(1)).len(), 1);
}

#[test]
fn the_next_look_is_about_an_interval_later_and_sooner_after_a_failure() {
    let mut table = table(&[reference("a", "main")]);
    let mut now = seconds(0);
    for (found, from, to) in [
        (Ok(commit(1)), 162, 198),
        (Err("down"), 4, 6),
        (Err("down"), 9, 11),
        (Err("down"), 18, 22),
        (Ok(commit(1)), 162, 198),
    ] {
        let job = table.due(now).remove(0);
        table.settle(answer(&job, found), now);
        let next = table.next_due().unwrap();
        assert!((seconds(from)..=seconds(to)).contains(&(next - now)), "{found:?}: {next:?}");
        now = next;
    }
}

#[test]
fn a_failure_keeps_the_commit_and_is_told_once() {
    let main = reference("a", "main");
    let mut table = table(std::slice::from_ref(&main));
    let job = table.due(seconds(0)).remove(0);
    let first = table.settle(answer(&job, Ok(commit(1))), seconds(0));
    assert_eq!(first.commits, [(main.clone(), commit(1))]);
    assert!(first.relevant);
    let again = table.settle(answer(&job, Ok(commit(1))), seconds(1));
    assert_eq!(again, Change::default(), "no news is no reason for a plan");
    let down = table.settle(answer(&job, Err("down")), seconds(2));
    assert_eq!((down.relevant, down.turns.len()), (true, 1));
    let resolution = table.resolutions().remove(&main).unwrap();
    assert_eq!(resolution, Resolution { commit: Some(commit(1)), error: Some("down".to_owned()) });
    assert_eq!(table.problems()[0].message, "down (main; commit 01010101 stays in force)");
    let still = table.settle(answer(&job, Err("down")), seconds(3));
    assert_eq!(still, Change::default());
    let up = table.settle(answer(&job, Ok(commit(1))), seconds(4));
    assert_eq!(up.turns, [(job.url.clone(), None)]);
}

#[test]
fn a_refresh_during_a_look_looks_again() {
    let mut table = table(&[reference("a", "main")]);
    let job = table.due(seconds(0)).remove(0);
    table.refresh(seconds(1));
    assert!(!table.is_idle(seconds(1)));
    table.settle(answer(&job, Ok(commit(1))), seconds(2));
    let again = table.due(seconds(2)).remove(0);
    table.settle(answer(&again, Ok(commit(2))), seconds(3));
    assert!(table.is_idle(seconds(3)));
}

#[test]
fn what_nobody_needs_is_not_asked_for_and_forgotten_after_a_day() {
    let (main, next) = (reference("a", "main"), reference("a", "next"));
    let mut table = table(&[main.clone(), next.clone()]);
    let job = table.due(seconds(0)).remove(0);
    table.settle(answer(&job, Ok(commit(1))), seconds(0));
    assert_eq!(need(&mut table, std::slice::from_ref(&main), seconds(10)), []);
    let job = table.due(seconds(400)).remove(0);
    assert_eq!(job.wanted.len(), 1);
    assert!(table.resolutions().contains_key(&next), "it may be needed again");
    let day = seconds(24 * 3600 + 10);
    assert_eq!(need(&mut table, std::slice::from_ref(&main), day), [next]);
}

#[test]
fn what_is_needed_again_is_looked_at_again() {
    let (main, other) = (reference("a", "main"), reference("b", "main"));
    let mut table = table(&[main.clone(), other.clone()]);
    for job in table.due(seconds(0)) {
        table.settle(answer(&job, Ok(commit(1))), seconds(0));
    }
    need(&mut table, std::slice::from_ref(&other), seconds(10));
    let asked = |jobs: Vec<Job>| jobs.iter().map(|job| job.url.to_string()).collect::<Vec<_>>();
    assert_eq!(asked(table.due(seconds(400))), ["https://git.example/b"]);
    need(&mut table, &[main, other], seconds(500));
    assert_eq!(asked(table.due(seconds(500))), ["https://git.example/a"]);
}

#[test]
fn what_was_good_before_a_restart_is_good_until_it_was_looked_at() {
    let main = reference("a", "main");
    let mut table = Repositories::new(INTERVAL, 1);
    table.restore(main.clone(), commit(1), seconds(0));
    need(&mut table, std::slice::from_ref(&main), seconds(0));
    let resolution = table.resolutions().remove(&main).unwrap();
    assert_eq!(resolution, Resolution { commit: Some(commit(1)), error: None });
    assert_eq!(table.due(seconds(0)).len(), 1, "it is looked at all the same");
}

#[test]
fn a_url_that_is_none_is_a_problem_and_no_look() {
    let bad = RepoReference { repo_url: "not a url".to_owned(), revision: String::new() };
    let mut table = table(std::slice::from_ref(&bad));
    assert!(table.due(seconds(0)).is_empty());
    assert_eq!(table.problems().len(), 1);
    assert_eq!(table.resolutions()[&bad].commit, None);
}

#[test]
fn branches_are_listed_with_the_revisions_and_stay_when_a_list_fails() {
    let url = "https://git.example/a";
    let names = BTreeSet::from([RepoUrl::parse(url).unwrap()]);
    let needed = Needed {
        names,
        revisions: BTreeMap::from([(reference("a", "main"), false)]),
        ..Needed::default()
    };
    let mut table = Repositories::new(INTERVAL, 1);
    table.need(&needed, seconds(0));
    let known = |table: &Repositories, url: &str| match table.trees().refs(url) {
        Ok(refs) => refs.branches.keys().cloned().collect::<Vec<_>>().join(" "),
        Err(unavailable) => unavailable.message,
    };
    assert_eq!(known(&table, url), "they have not been listed yet");
    let job = table.due(seconds(0)).remove(0);
    assert!(table.due(seconds(0)).is_empty(), "one question for both");
    assert_eq!((job.names, job.wanted.len()), (true, 1));

    let down = table.settle(listed(&job, Err("down")), seconds(0));
    assert_eq!((down.relevant, down.turns.len()), (true, 1));
    assert_eq!(known(&table, url), "down");
    assert_eq!(
        table.problems()[0].message,
        "down (its branches and tags; nothing of them is known)"
    );
    assert!(table.next_due().unwrap() < seconds(10), "it is tried again soon");

    let up = table.settle(listed(&job, Ok(&["main", "next"])), seconds(10));
    assert_eq!((up.relevant, up.turns.len()), (true, 1));
    // Another spelling of the same repository.
    assert_eq!(known(&table, "https://git.example/a.git"), "main next");
    assert_eq!(table.settle(listed(&job, Ok(&["main", "next"])), seconds(11)), Change::default());

    assert!(table.settle(listed(&job, Err("down")), seconds(12)).relevant);
    assert_eq!(known(&table, url), "main next");
    assert!(table.problems()[0].message.ends_with("those that were listed before stay in force)"));
    assert!(table.settle(listed(&job, Ok(&["main"])), seconds(13)).relevant);
    assert_eq!((known(&table, url).as_str(), table.problems()), ("main", Vec::new()));
}

#[test]
fn a_list_that_nobody_needs_is_not_asked_for_and_found_again_within_a_day() {
    let needed = Needed {
        names: [RepoUrl::parse("https://git.example/a").unwrap()].into(),
        ..Needed::default()
    };
    let mut table = Repositories::new(INTERVAL, 1);
    table.need(&needed, seconds(0));
    let job = table.due(seconds(0)).remove(0);
    table.settle(listed(&job, Ok(&["main"])), seconds(0));
    table.need(&Needed::default(), seconds(1));
    assert!(table.due(seconds(1_000)).is_empty());
    table.need(&needed, seconds(2_000));
    assert!(table.trees().refs("https://git.example/a").is_ok());
    let job = table.due(seconds(2_000)).remove(0);
    table.settle(listed(&job, Ok(&["main"])), seconds(2_000));
    table.need(&Needed::default(), seconds(3_000));
    table.need(&Needed::default(), seconds(3_000 + 24 * 3_600));
    assert!(table.trees().refs("https://git.example/a").is_err());
}

#[test]
fn a_set_may_want_a_repository_sooner_than_the_hub_looks_and_not_later() {
    let main = reference("a", "main");
    let url = RepoUrl::parse(&main.repo_url).unwrap();
    let mut table = table(std::slice::from_ref(&main));
    let job = table.due(seconds(0)).remove(0);
    table.settle(answer(&job, Ok(commit(1))), seconds(0));
    for (stated, from, to) in [(1_000, 162, 198), (60, 54, 66), (1, 9, 11)] {
        let revisions = BTreeMap::from([(main.clone(), false)]);
        let periods = BTreeMap::from([(url.clone(), seconds(stated))]);
        table.need(&Needed { revisions, periods, ..Needed::default() }, seconds(0));
        assert!(table.next_due().unwrap() <= seconds(to), "{stated}: from now on");
        let job = table.due(seconds(to)).remove(0);
        table.settle(answer(&job, Ok(commit(1))), seconds(0));
        let next = table.next_due().unwrap();
        assert!((seconds(from)..=seconds(to)).contains(&next), "{stated}: {next:?}");
    }
}
