//! What is typed for a placeholder.

use serde_json::{Map, Value};
use std::str::FromStr;

/// `NAME=VALUE`.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Named(String, Value);

impl FromStr for Named {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((name, value)) if !name.is_empty() => Ok(Self(name.to_owned(), parameter(value))),
            _ => Err("expected NAME=VALUE".to_owned()),
        }
    }
}

/// As they are sent: an array, an object, or null for none.
pub(super) fn of(positional: &[String], named: &[Named]) -> Value {
    if !named.is_empty() {
        let pairs = named.iter().map(|Named(name, value)| (name.clone(), value.clone()));
        return Value::Object(pairs.collect::<Map<_, _>>());
    }
    if positional.is_empty() {
        return Value::Null;
    }
    positional.iter().map(|text| parameter(text)).collect()
}

/// A number if it reads as one that can be written so, nothing for `null`, and else text.
fn parameter(text: &str) -> Value {
    if text == "null" {
        return Value::Null;
    }
    // `007` is somebody's key and not a number: JSON's grammar decides.
    match serde_json::from_str::<Value>(text) {
        Ok(Value::Number(number)) if number.is_i64() || number.is_f64() => Value::Number(number),
        _ => Value::from(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn numbers_are_numbers_and_all_else_is_text() {
        let typed: Vec<String> =
            ["8080", "-1.5", "null", "007", "web-1", "", "true", "18446744073709551615"].map(str::to_owned).into();
        let expected = json!([8080, -1.5, null, "007", "web-1", "", "true", "18446744073709551615"]);
        assert_eq!(of(&typed, &[]), expected);
        assert_eq!(of(&[], &[]), Value::Null);
        let named = ["s=prod/recos", "n=3", "e=a=b"].map(|text| text.parse().unwrap());
        assert_eq!(of(&[], &named), json!({"s": "prod/recos", "n": 3, "e": "a=b"}));
        assert!("=1".parse::<Named>().is_err() && "x".parse::<Named>().is_err());
    }
}
