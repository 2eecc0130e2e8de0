//! `muster cluster label`: what generators and selectors go by.

use std::collections::HashMap;

use proto::v1::LabelClusterRequest;

use crate::client::{Hub, Options};
use crate::failure::Failure;
use crate::kind::Kind;
use crate::show::Console;

/// Set and remove labels of a cluster
///
/// `env=prod` sets a label, `env-` removes it. Generators that select by them are expanded anew: an
/// application that a cluster loses by it is removed under the deletion budget.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Its name
    name: String,
    /// KEY=VALUE to set, KEY- to remove
    #[arg(value_name = "CHANGE", required = true, value_parser = parse)]
    changes: Vec<Change>,
    /// Why, for the history
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    reason: String,
}

#[derive(Debug, Clone, PartialEq)]
enum Change {
    Set(String, String),
    Remove(String),
}

fn parse(text: &str) -> Result<Change, String> {
    let change = match (text.split_once('='), text.strip_suffix('-')) {
        (Some((key, value)), _) if !key.is_empty() => Change::Set(key.to_owned(), value.to_owned()),
        (None, Some(key)) if !key.is_empty() => Change::Remove(key.to_owned()),
        _ => return Err("write KEY=VALUE to set a label, or KEY- to remove one".to_owned()),
    };
    Ok(change)
}

/// Two changes of one label would leave the outcome to their order.
fn split(changes: Vec<Change>) -> Result<(HashMap<String, String>, Vec<String>), Failure> {
    let (mut set, mut remove) = (HashMap::new(), Vec::new());
    for change in changes {
        let (Change::Set(key, _) | Change::Remove(key)) = &change;
        if set.contains_key(key) || remove.contains(key) {
            return Err(Failure::usage(format!("label {key:?} is changed twice")));
        }
        match change {
            Change::Set(key, value) => drop(set.insert(key, value)),
            Change::Remove(key) => remove.push(key),
        }
    }
    Ok((set, remove))
}

pub(crate) async fn run(
    args: Args,
    options: &Options,
    console: &mut Console,
) -> Result<(), Failure> {
    let Args { name, changes, reason } = args;
    let (set, remove) = split(changes)?;
    let mut hub = Hub::connect(options, console).await?;
    let request = LabelClusterRequest { cluster: name.clone(), set, remove, reason };
    let request = hub.request(request);
    let outcome = hub.client.label_cluster(request).await;
    let done = hub.judge_named(outcome, Kind::Clusters, &name).await?;
    console.say(&done.message);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_written_as_kubectl_writes_them() {
        let set = |key: &str, value: &str| Ok(Change::Set(key.to_owned(), value.to_owned()));
        assert_eq!(parse("env=prod"), set("env", "prod"));
        assert_eq!(parse("env=a=b-"), set("env", "a=b-"));
        assert_eq!(parse("env="), set("env", ""));
        assert_eq!(parse("env-"), Ok(Change::Remove("env".to_owned())));
        for bad in ["env", "=prod", "-", "", "="] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn one_label_is_changed_once() {
        let set = |value: &str| Change::Set("env".to_owned(), value.to_owned());
        assert!(split(vec![set("a"), Change::Remove("env".to_owned())]).is_err());
        assert!(split(vec![set("a"), Change::Remove("tier".to_owned())]).is_ok());
    }
}
