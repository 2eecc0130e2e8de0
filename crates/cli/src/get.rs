//! `muster get`: tables and documents of what the hub knows.

use std::collections::BTreeMap;

use proto::v1::ListRequest;
use serde_json::{Value, json};

use crate::client::{Hub, Options, Watch};
use crate::failure::Failure;
use crate::kind::Kind;
use crate::show::{
    Console, Format, Look, Table, Widths, applications, clusters, one_line, parse_views,
    print_documents, print_items, sets,
};

/// List clusters, applications or application sets
///
/// A verdict that the spoke does not stand behind now is `Unknown`, and the age of the last one is
/// in parentheses; `describe` shows what it was. REVISION is the commit that is in the cluster.
///
/// With -o json and a NAME the object is printed, with its resources and incidents; without a NAME
/// `{"items":[…]}`. With --watch every change is one line of JSON:
/// `{"event":"Added|Changed|Removed","item":{…}}`. A watch of one NAME ends when it is gone.
#[derive(clap::Args)]
#[command(after_help = "Short names: cluster, app, apps, appset, appsets.")]
pub(crate) struct Args {
    /// clusters, applications or applicationsets
    #[arg(value_name = "KIND", hide_possible_values = true, ignore_case = true)]
    kind: Kind,
    /// Only this one
    name: Option<String>,
    /// Only applications on this cluster
    #[arg(long)]
    cluster: Option<String>,
    /// Only applications of this application set
    #[arg(long)]
    set: Option<String>,
    #[arg(long, short, value_name = "FORMAT", default_value = "table", help = "How to print")]
    output: Format,
    /// Go on printing what changes
    #[arg(long, short)]
    watch: bool,
}

pub(crate) async fn run(
    args: Args,
    options: &Options,
    console: &mut Console,
) -> Result<(), Failure> {
    let Args { kind, name, cluster, set, output, watch } = args;
    if kind != Kind::Applications && (cluster.is_some() || set.is_some()) {
        return Err(Failure::usage("--cluster and --set are for `get applications` only"));
    }
    let request = ListRequest {
        kind: kind.plural().to_owned(),
        // Details of a whole fleet are megabytes; of one thing they are what a script is after.
        detail: name.is_some() && output.is_document(),
        name: name.clone().unwrap_or_default(),
        cluster: cluster.unwrap_or_default(),
        set: set.unwrap_or_default(),
    };
    let mut hub = Hub::connect(options, console).await?;
    if watch {
        return follow(kind, request, output, &mut hub, console).await;
    }
    let items = find(kind, request, &mut hub).await?;
    if output.is_document() {
        return print_items(&items, name.is_some(), output, console);
    }
    if items.is_empty() {
        console.say(nothing(kind));
        return Ok(());
    }
    let look = console.look(output == Format::Wide);
    console.print(&table(kind, &items, look)?.render(look))
}

/// The items; a name that is asked for must be among them.
pub(crate) async fn find(
    kind: Kind,
    request: ListRequest,
    hub: &mut Hub,
) -> Result<Vec<Value>, Failure> {
    let name = request.name.clone();
    let request = hub.request(request);
    let outcome = hub.client.list(request).await;
    let answer = if name.is_empty() {
        hub.judge(outcome)?
    } else {
        hub.judge_named(outcome, kind, &name).await?
    };
    let items = crate::client::values(&answer.items)?;
    if !name.is_empty() && items.is_empty() {
        return Err(hub.not_found(kind, &name).await);
    }
    Ok(items)
}

fn nothing(kind: Kind) -> &'static str {
    match kind {
        Kind::Clusters => "No clusters.",
        Kind::Applications => "No applications.",
        Kind::ApplicationSets => "No application sets.",
    }
}

fn table(kind: Kind, items: &[Value], look: Look) -> Result<Table, Failure> {
    Ok(match kind {
        Kind::Clusters => clusters::table(&parse_views(items)?, look),
        Kind::Applications => applications::table(&parse_views(items)?, look),
        Kind::ApplicationSets => sets::table(&parse_views(items)?, look),
    })
}

async fn follow(
    kind: Kind,
    request: ListRequest,
    output: Format,
    hub: &mut Hub,
    console: &mut Console,
) -> Result<(), Failure> {
    let name = request.name.clone();
    let mut watch = Watch::new(hub, request);
    let (mut known, mut widths, mut first) = (BTreeMap::new(), Widths::default(), true);
    loop {
        let items = match watch.next(console).await {
            Err(failure) if failure.is_not_found() && !name.is_empty() => Vec::new(),
            other => other?,
        };
        let ends = items.is_empty() && !name.is_empty();
        match (first, ends, items.is_empty()) {
            (true, true, _) => return Err(watch.hub.not_found(kind, &name).await),
            (true, false, true) => console.say(nothing(kind)),
            _ => {}
        }
        first = false;
        let (changes, now_known) = changes(known, items);
        known = now_known;
        print_changes(kind, changes, output, &mut widths, console)?;
        if ends {
            return Ok(());
        }
    }
}

fn print_changes(
    kind: Kind,
    changes: Vec<Change>,
    output: Format,
    widths: &mut Widths,
    console: &mut Console,
) -> Result<(), Failure> {
    if output.is_document() {
        for Change { event, item } in changes {
            print_documents(&json!({"event": event, "item": item}), output, console)?;
        }
        return Ok(());
    }
    let (gone, rows): (Vec<_>, Vec<_>) =
        changes.into_iter().partition(|change| change.event == "Removed");
    let rows: Vec<_> = rows.into_iter().map(|change| change.item).collect();
    let look = console.look(output == Format::Wide);
    if !rows.is_empty() {
        console.print(&table(kind, &rows, look)?.render_under(look, widths))?;
    }
    for Change { item, .. } in gone {
        let name = one_line(item["name"].as_str().unwrap_or_default());
        console.say(&format!("{} {name} is gone", kind.singular()));
    }
    Ok(())
}

/// What differs between two lists.
#[derive(Debug, PartialEq)]
struct Change {
    event: &'static str,
    item: Value,
}

type Known = BTreeMap<String, Value>;

/// The changes in the order of the names, removals last, and what is known from now on.
fn changes(mut before: Known, items: Vec<Value>) -> (Vec<Change>, Known) {
    let (mut changes, mut known) = (Vec::new(), Known::new());
    for item in items {
        let name = item["name"].as_str().unwrap_or_default().to_owned();
        let event = match before.remove(&name) {
            None => Some("Added"),
            Some(old) if old != item => Some("Changed"),
            Some(_) => None,
        };
        changes.extend(event.map(|event| Change { event, item: item.clone() }));
        known.insert(name, item);
    }
    changes.extend(before.into_values().map(|item| Change { event: "Removed", item }));
    (changes, known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_is_a_change() {
        let (a, b) = (json!({"name": "a", "sync": 1}), json!({"name": "b", "sync": 1}));
        let change = |event, item: &Value| Change { event, item: item.clone() };
        let (first, known) = changes(Known::new(), vec![a.clone(), b.clone()]);
        assert_eq!(first, [change("Added", &a), change("Added", &b)]);
        let newer = json!({"name": "b", "sync": 2});
        let (second, known) = changes(known, vec![a.clone(), newer.clone()]);
        assert_eq!(second, [change("Changed", &newer)]);
        let (third, known) = changes(known, vec![newer.clone()]);
        assert_eq!(third, [change("Removed", &a)]);
        assert_eq!(changes(known, vec![newer]).0, []);
    }
}
