//! Columns and cells against what a real server of the same version answered.

use std::sync::Arc;

use serde_json::{Value, json};

use super::text::human;
use super::*;
use crate::schema::{Node, PrinterColumn, Table, TypeHandle};
use crate::store::ResourceId;

fn resource(group: &str, plural: &str, printer_columns: Vec<PrinterColumn>) -> Resource {
    let mut table = Table::default();
    let id = table.add(Node::Any);
    Resource {
        id: ResourceId::new(group, plural),
        version: "v1".into(),
        kind: "Any".into(),
        list_kind: "AnyList".into(),
        singular: "any".into(),
        short_names: Vec::new(),
        categories: Vec::new(),
        namespaced: true,
        verbs: Vec::new(),
        has_status: false,
        scale: None,
        subresources: Vec::new(),
        ty: TypeHandle { table: Arc::new(table), id },
        custom: group == "example.com",
        printer_columns,
    }
}

fn of_definition(column: &Value) -> PrinterColumn {
    let text = |key: &str| column[key].as_str().unwrap_or_default().into();
    PrinterColumn {
        name: text("name"),
        ty: text("type"),
        format: text("format"),
        description: text("description"),
        priority: column["priority"].as_i64().unwrap_or_default(),
        json_path: text("jsonPath"),
    }
}

#[test]
fn every_recorded_row_comes_out_as_the_real_server_gave_it() {
    let recorded: Vec<Value> = serde_json::from_str(include_str!("recorded.json")).unwrap();
    let definitions = recorded.iter().find(|t| t["plural"] == "customresourcedefinitions").unwrap();
    for table in &recorded {
        let (group, plural) = (table["group"].as_str().unwrap(), table["plural"].as_str().unwrap());
        let definition = definitions["rows"]
            .as_array()
            .unwrap()
            .iter()
            .find(|row| row["object"]["spec"]["names"]["plural"] == plural);
        let columns_of = definition.map(|row| {
            let version = &row["object"]["spec"]["versions"][0];
            version["additionalPrinterColumns"]
                .as_array()
                .into_iter()
                .flatten()
                .map(of_definition)
                .collect()
        });
        let resource = resource(group, plural, columns_of.unwrap_or_default());
        let shown: Value = columns(&resource)
            .as_array()
            .unwrap()
            .iter()
            .map(|c| json!([c["name"], c["type"], c["format"], c["priority"]]))
            .collect();
        assert_eq!(shown, table["columns"], "{plural}");
        for row in table["rows"].as_array().unwrap() {
            let now = table["now_ms"].as_i64().unwrap();
            let shown = cells(&resource, &row["object"], now);
            assert_eq!(json!(shown), row["cells"], "{plural}");
        }
    }
}

#[test]
fn ages_have_two_units_while_the_larger_is_small() {
    let (second, minute, hour, day) = (1_000, 60_000, 3_600_000, 86_400_000);
    for (duration, expected) in [
        (-5 * second, "<invalid>"),
        (-second, "0s"),
        (119 * second, "119s"),
        (120 * second, "2m"),
        (9 * minute + 5 * second, "9m5s"),
        (179 * minute, "179m"),
        (3 * hour, "3h"),
        (7 * hour + 9 * minute, "7h9m"),
        (47 * hour, "47h"),
        (2 * day + 3 * hour, "2d3h"),
        (8 * day, "8d"),
        (400 * day, "400d"),
        (3 * 365 * day + 4 * day, "3y4d"),
        (9 * 365 * day, "9y"),
    ] {
        assert_eq!(human(duration), expected);
    }
}

fn pod_status(pod: &Value) -> String {
    let cells = cells(&resource("", "pods", Vec::new()), pod, 0);
    [1, 2, 3].map(|column| cells[column].as_str().unwrap()).join(" ")
}

#[test]
fn a_pod_says_in_one_word_what_is_wrong() {
    let spec = json!({"containers": [{"name": "c"}], "initContainers": [
        {"name": "side", "restartPolicy": "Always"}, {"name": "init"},
    ]});
    let status = |init: Value, main: Value| {
        json!({"spec": spec, "status": {"phase": "Pending",
            "initContainerStatuses": init, "containerStatuses": main}})
    };
    let side = json!({"name": "side", "started": true, "ready": true, "restartCount": 2,
        "state": {"running": {}}});
    let waiting = json!({"name": "init", "state": {"waiting": {"reason": "PodInitializing"}}});
    assert_eq!(pod_status(&status(json!([side, waiting]), json!([]))), "1/2 Init:1/2 2");
    let failed =
        json!({"name": "init", "restartCount": 1, "state": {"terminated": {"exitCode": 3}}});
    assert_eq!(pod_status(&status(json!([side, failed]), json!([]))), "1/2 Init:ExitCode:3 3");
    let done = json!({"name": "init", "restartCount": 4, "state": {"terminated": {"exitCode": 0}}});
    let crash = json!([{"name": "c", "restartCount": 1, "state": {"waiting": {"reason": "Oops"}}}]);
    assert_eq!(pod_status(&status(json!([side, done]), crash)), "1/2 Oops 3");
}
