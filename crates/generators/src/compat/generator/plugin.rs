//! `plugin`: parameters from a service that people write themselves.

use model::provider::{Items, PluginRequest, Request};
use serde_json::{Map, Value, json};

use super::flat::flattened;
use super::{Engine, Evaluator, Fault, Kind, Params, Row, Types, text, types_of};

impl Evaluator<'_> {
    pub(super) fn plugin_rows(&mut self, body: &Value) -> Result<Vec<Row>, Fault> {
        let input = match &body["input"]["parameters"] {
            Value::Object(input) => input.clone(),
            _ => Map::new(),
        };
        let input = Value::Object(input);
        let bytes = model::canonical::to_bytes(&input);
        let request = PluginRequest {
            config_map: text(&body["configMapRef"], "name").to_owned(),
            set: self.set.clone(),
            parameters: String::from_utf8_lossy(&bytes).into_owned(),
        };
        let answer = self.ask(Request::Plugin(request))?;
        let Items::Plugin(objects) = &answer.items else {
            return Err(Fault::failed("the service answered something else than parameters"));
        };
        // What was asked is given back under a reserved name.
        let generator = json!({"input": {"parameters": input}});
        let kinds: &[(&[&str], Kind)] = &[(&["generator", "input"], Kind::Maps)];
        let types = match self.engine {
            Engine::Fast => (Types::new(kinds), Types::new(kinds)),
            Engine::Go(_) => types_of(kinds),
        };
        let objects = objects.iter().take(self.most.saturating_add(1)).enumerate();
        let rows = objects.map(|(index, object)| {
            let mut map = match self.engine {
                Engine::Fast => flattened(object),
                Engine::Go(_) => object.clone(),
            };
            map.insert("generator".to_owned(), generator.clone());
            let parameters = Params::new(map, types.0.clone());
            let outcome = self.with_values(parameters, body, &types.1);
            Row { id: format!("plugin[{index}]"), outcome }
        });
        Ok(rows.collect())
    }
}
