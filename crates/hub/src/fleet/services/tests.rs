//! When services are asked, and when what they do not list counts as gone.

use generators::Providers as _;
use model::provider::{PluginRequest, PullRequest};

use super::*;

const INTERVAL: Duration = Duration::from_secs(1800);

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn question(number: usize) -> Request {
    let (config_map, set) = (format!("plugin-{number:04}"), "shop".to_owned());
    Request::Plugin(PluginRequest { config_map, set, parameters: "{}".to_owned() })
}

fn plugin() -> Told {
    Told::Complete(Arc::new(Answer { items: Items::Plugin(Vec::new()), partial: None }))
}

fn pulls(numbers: &[i64]) -> Arc<Answer> {
    let pull = |number: &i64| PullRequest { number: *number, ..PullRequest::default() };
    let items = Items::PullRequests(numbers.iter().map(pull).collect());
    Arc::new(Answer { items, partial: None })
}

fn table(count: usize) -> Questions {
    let mut table = Questions::new(INTERVAL, 1);
    need(&mut table, 0..count, 0);
    table
}

fn need(table: &mut Questions, numbers: std::ops::Range<usize>, at: u64) {
    let needed: Vec<_> = numbers.map(question).collect();
    table.need(needed.iter().map(|one| (one, None)), seconds(at));
}

/// Whether generators may take what is absent as gone.
fn is_sure(table: &Questions) -> bool {
    table.answers().answer(&question(0)).unwrap().partial.is_none()
}

/// Asks at once, as `refresh` does, and settles in the same moment.
fn told(table: &mut Questions, told: Told, at: u64) -> bool {
    table.refresh(seconds(at));
    assert_eq!(table.due(seconds(at)), [question(0)]);
    table.settle(&question(0), Some(told), seconds(at))
}

#[test]
fn what_is_new_is_asked_at_once_and_then_by_interval() {
    let mut table = table(1);
    assert_eq!(table.due(seconds(0)), [question(0)]);
    assert_eq!((table.due(seconds(0)), table.is_idle(seconds(0))), (vec![], false));
    assert!(table.settle(&question(0), Some(plugin()), seconds(1)));
    assert!(table.is_idle(seconds(1)) && table.due(seconds(1800)).is_empty());
    assert_eq!(table.due(seconds(1981)), [question(0)]);
    assert!(!table.settle(&question(0), Some(plugin()), seconds(1981)), "the same again");
    // One that nobody needs is not asked, and is forgotten after a while.
    need(&mut table, 0..0, 2000);
    table.refresh(seconds(2000));
    assert_eq!((table.due(seconds(2000)), table.next_due()), (vec![], None));
    assert!(table.answers().answer(&question(0)).is_ok());
    need(&mut table, 0..0, 2000 + 3600);
    assert!(table.answers().answer(&question(0)).is_err());
}

#[test]
fn a_set_may_want_other_times_and_the_shortest_counts() {
    let one = question(0);
    let mut table = Questions::new(INTERVAL, 1);
    let hours = Some(seconds(3 * 3600));
    table.need([(&one, hours)], seconds(0));
    table.due(seconds(0));
    table.settle(&one, Some(plugin()), seconds(0));
    assert!(table.next_due().unwrap() >= seconds(3 * 3600));
    // Another set leaves it to the hub; then one wants it often, and one more often than is good.
    for (stated, from) in [(None, 1800), (Some(seconds(90)), 90), (Some(seconds(1)), 30)] {
        table.need([(&one, hours), (&one, stated)], seconds(0));
        assert_eq!(table.next_due(), Some(seconds(from)), "from now on, and not later");
        table.due(seconds(from));
        table.settle(&one, Some(plugin()), seconds(0));
        let next = table.next_due().unwrap();
        assert!((seconds(from)..=seconds(from).mul_f64(1.1)).contains(&next), "{next:?}");
    }
    table.need([(&one, None)], seconds(0));
    table.due(seconds(33));
    table.settle(&one, Some(plugin()), seconds(33));
    assert!(table.next_due().unwrap() > seconds(1800));
}

#[test]
fn a_refresh_while_it_is_asked_asks_again() {
    let mut table = table(1);
    table.due(seconds(0));
    table.refresh(seconds(1));
    table.settle(&question(0), Some(plugin()), seconds(2));
    assert_eq!(table.due(seconds(2)), [question(0)]);
}

#[test]
fn few_are_asked_together_and_not_endlessly_many() {
    let mut table = table(MAX_QUESTIONS + 1);
    assert_eq!((table.due(seconds(0)).len(), table.next_due()), (MAX_RUNNING, None));
    let refused = table.answers().answer(&question(MAX_QUESTIONS)).unwrap_err();
    assert!(refused.message.contains("1000 other questions"), "{refused}");
    // What nobody needs any more makes room.
    need(&mut table, 1..MAX_QUESTIONS + 1, 1);
    let waits = table.answers().answer(&question(MAX_QUESTIONS)).unwrap_err();
    assert_eq!(waits.message, "its service has not answered yet");
}

#[test]
fn a_failure_keeps_the_answer_and_is_tried_again_soon() {
    let mut table = table(1);
    let failed = || Told::Failed("status 502".to_owned());
    assert!(told(&mut table, failed(), 0));
    assert_eq!(table.answers().answer(&question(0)).unwrap_err().message, "status 502");
    assert!(told(&mut table, plugin(), 1) && is_sure(&table));
    assert!(told(&mut table, failed(), 2) && !is_sure(&table));
    assert!(table.next_due().unwrap() <= seconds(19));
    assert!(!told(&mut table, failed(), 20), "nothing new");
    assert!(table.next_due().unwrap() >= seconds(50), "the second time later");
    // Who asked panicked.
    table.refresh(seconds(60));
    table.due(seconds(60));
    assert!(!table.settle(&question(0), None, seconds(60)) && !is_sure(&table));
    assert!(told(&mut table, plugin(), 61) && is_sure(&table));
}

#[test]
fn what_a_list_lacks_is_gone_when_a_later_one_lacks_it_too() {
    let mut table = table(1);
    let list = |numbers: &[i64]| Told::Complete(pulls(numbers));
    told(&mut table, list(&[1, 2]), 0);
    assert!(!is_sure(&table), "the first list has nothing to be held against");
    let confirmed_by = table.next_due().unwrap();
    assert!((seconds(60)..=seconds(66)).contains(&confirmed_by), "{confirmed_by:?}");
    told(&mut table, list(&[1, 2]), 30);
    assert!(!is_sure(&table), "the collector may have remembered it");
    told(&mut table, list(&[1, 2]), 60);
    assert!(is_sure(&table));
    told(&mut table, list(&[1, 2, 3]), 70);
    assert!(is_sure(&table), "what is new needs no second look");
    told(&mut table, list(&[1, 2]), 130);
    assert!(!is_sure(&table), "3 was missed once");
    told(&mut table, list(&[1, 2, 3]), 191);
    assert!(is_sure(&table), "and is there again");
    told(&mut table, list(&[1, 2]), 252);
    told(&mut table, list(&[1, 2]), 313);
    assert!(is_sure(&table), "it was missed twice");
}
