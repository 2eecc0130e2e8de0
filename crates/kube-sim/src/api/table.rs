//! What `kubectl get` prints: the columns of a resource and the cells of an object. Pure.

use serde_json::Value;

use crate::schema::Resource;

/// The `columnDefinitions` of a Table of this resource, as a JSON array.
pub(crate) fn columns(resource: &Resource) -> Value {
    let _ = resource;
    serde_json::json!([{"name": "Name", "type": "string", "format": "name", "description": "",
        "priority": 0}])
}

/// The cells of one row, one per column. `now_ms` is the time of day for ages.
pub(crate) fn cells(resource: &Resource, object: &Value, now_ms: i64) -> Vec<Value> {
    let _ = (resource, now_ms);
    vec![object["metadata"]["name"].clone()]
}
