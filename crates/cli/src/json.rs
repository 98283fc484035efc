//! A status as JSON, for programs.
//!
//! In: the value that answers `status`. Out: objects whose keys are the names in lower case, with `_` for a blank;
//! the jails below `jails`, by their own names.

use serde_json::{Map, Value as Json, json};
use stockade_protocol::Value;

/// A value as JSON: pairs are objects, bytes and errors their text.
pub(crate) fn convert(value: &Value) -> Json {
    match value {
        Value::None => Json::Null,
        Value::Bool(value) => json!(value),
        Value::Int(value) => json!(value),
        Value::Float(value) => json!(value),
        Value::Str(text) => json!(text),
        Value::List(items) | Value::Tuple(items) => {
            object(items).unwrap_or_else(|| Json::Array(items.iter().map(convert).collect()))
        }
        Value::Dict(pairs) => Json::Object(
            pairs
                .iter()
                .map(|(key, value)| (key.text(), convert(value)))
                .collect(),
        ),
        Value::Set(items) => Json::Array(items.iter().map(convert).collect()),
        Value::BigInt(_) | Value::Bytes(_) | Value::Exception(_) => json!(value.text()),
    }
}

/// A list of pairs as an object; a dictionary in it holds the jails.
fn object(items: &[Value]) -> Option<Json> {
    if items.is_empty() {
        return None;
    }
    let mut object = Map::new();
    for item in items {
        match (item, item.items()) {
            (Value::Dict(_), _) => {
                object.insert("jails".to_owned(), convert(item));
            }
            (Value::Tuple(_), Some([Value::Str(name), Value::Str(list)])) if name == "Jail list" => {
                let jails: Vec<&str> = list.split(", ").filter(|jail| !jail.is_empty()).collect();
                object.insert(key(name), json!(jails));
            }
            (Value::Tuple(_), Some([Value::Str(name), value])) => {
                object.insert(key(name), convert(value));
            }
            _ => return None,
        }
    }
    Some(Json::Object(object))
}

fn key(name: &str) -> String {
    name.to_lowercase().replace(' ', "_")
}

#[cfg(test)]
mod tests {
    use super::{Value, convert};

    #[test]
    fn a_status_is_an_object() {
        let jail = || {
            Value::List(vec![Value::pair(
                "Actions",
                Value::List(vec![
                    Value::pair("Currently banned", 1),
                    Value::pair("Banned IP list", Value::list(["192.0.2.1"])),
                    Value::pair("File list", Value::List(vec![])),
                ]),
            )])
        };
        let all = Value::List(vec![
            Value::pair("Number of jail", 1),
            Value::pair("Jail list", "j, k"),
            Value::Dict(vec![("My Jail".into(), jail())]),
        ]);
        let cases = [
            (
                jail(),
                r#"{"actions":{"currently_banned":1,"banned_ip_list":["192.0.2.1"],"file_list":[]}}"#,
            ),
            (
                all,
                "{\"number_of_jail\":1,\"jail_list\":[\"j\",\"k\"],\"jails\":{\"My Jail\":{\"actions\":\
                 {\"currently_banned\":1,\"banned_ip_list\":[\"192.0.2.1\"],\"file_list\":[]}}}}",
            ),
        ];
        for (value, json) in cases {
            assert_eq!(convert(&value).to_string(), json);
        }
    }
}
