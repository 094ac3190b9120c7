//! Bodies as Consul reads them: keys in any case, with or without underscores; numbers and truths also as text.

use crate::duration;
use crate::reply::Refused;
use serde_json::{Map, Value};
use std::time::Duration;

/// The fields of one object.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fields<'a> {
    object: &'a Map<String, Value>,
    /// What it is part of, for errors.
    within: &'a str,
}

/// Whether two keys are the same to Consul.
fn same(given: &str, wanted: &str) -> bool {
    let mut given = given.bytes().filter(|byte| *byte != b'_').map(|byte| byte.to_ascii_lowercase());
    let mut wanted = wanted.bytes().map(|byte| byte.to_ascii_lowercase());
    loop {
        match (given.next(), wanted.next()) {
            (None, None) => return true,
            (one, other) if one == other => {}
            _ => return false,
        }
    }
}

impl<'a> Fields<'a> {
    /// # Errors
    /// It is no object.
    pub(crate) fn of(value: &'a Value, within: &'a str) -> Result<Self, Refused> {
        match value {
            Value::Object(object) => Ok(Self { object, within }),
            _ => Err(Refused::bad(format!("Request decode failed: {within} is not an object"))),
        }
    }

    /// What stands under any of these names; `null` is nothing.
    pub(crate) fn get(&self, names: &[&str]) -> Option<&'a Value> {
        let found = |name: &&str| self.object.iter().find(|(key, _)| same(key, name)).map(|(_, value)| value);
        names.iter().find_map(found).filter(|value| !value.is_null())
    }

    fn wrong(&self, name: &str, expected: &str) -> Refused {
        Refused::bad(format!("Request decode failed: {} of {} is not {expected}", name, self.within))
    }

    /// A text; nothing is the empty one.
    pub(crate) fn text(&self, names: &[&str]) -> Result<&'a str, Refused> {
        match self.get(names) {
            None => Ok(""),
            Some(Value::String(text)) => Ok(text),
            Some(_) => Err(self.wrong(names[0], "a string")),
        }
    }

    pub(crate) fn number(&self, names: &[&str]) -> Result<Option<i64>, Refused> {
        let wrong = || self.wrong(names[0], "a number");
        match self.get(names) {
            None => Ok(None),
            Some(Value::Number(number)) => number.as_i64().map(Some).ok_or_else(wrong),
            Some(Value::String(text)) => text.parse().map(Some).map_err(|_| wrong()),
            Some(_) => Err(wrong()),
        }
    }

    pub(crate) fn truth(&self, names: &[&str]) -> Result<bool, Refused> {
        match self.get(names) {
            None => Ok(false),
            Some(Value::Bool(truth)) => Ok(*truth),
            Some(Value::String(text)) => truth(text).ok_or_else(|| self.wrong(names[0], "true or false")),
            Some(_) => Err(self.wrong(names[0], "true or false")),
        }
    }

    /// A duration: a text as Go has it, or nanoseconds. Nothing, and none, is nothing.
    pub(crate) fn duration(&self, names: &[&str]) -> Result<Option<Duration>, Refused> {
        let wrong = || self.wrong(names[0], "a duration such as \"10s\"");
        let duration = match self.get(names) {
            None => None,
            Some(Value::String(text)) if text.is_empty() => None,
            Some(Value::String(text)) => Some(
                duration::parse(text)
                    .ok_or_else(|| Refused::bad(format!("Request decode failed: time: invalid duration {text:?}")))?,
            ),
            Some(Value::Number(number)) => Some(Duration::from_nanos(number.as_u64().ok_or_else(wrong)?)),
            Some(_) => return Err(wrong()),
        };
        Ok(duration.filter(|duration| !duration.is_zero()))
    }

    /// A list of texts.
    pub(crate) fn texts(&self, names: &[&str]) -> Result<Vec<&'a str>, Refused> {
        let wrong = || self.wrong(names[0], "a list of strings");
        let Some(value) = self.get(names) else { return Ok(Vec::new()) };
        let list = value.as_array().ok_or_else(wrong)?;
        list.iter().map(|item| item.as_str().ok_or_else(wrong)).collect()
    }

    /// Texts by name, in the order of their names.
    pub(crate) fn pairs(&self, names: &[&str]) -> Result<Vec<(&'a str, &'a str)>, Refused> {
        let wrong = || self.wrong(names[0], "an object of strings");
        let Some(value) = self.get(names) else { return Ok(Vec::new()) };
        let object = value.as_object().ok_or_else(wrong)?;
        let mut pairs: Vec<(&str, &str)> = object
            .iter()
            .map(|(key, value)| Ok((key.as_str(), value.as_str().ok_or_else(wrong)?)))
            .collect::<Result<_, Refused>>()?;
        pairs.sort_unstable();
        Ok(pairs)
    }

    /// The object under one of these names.
    pub(crate) fn object(&self, names: &[&'a str]) -> Result<Option<Fields<'a>>, Refused> {
        self.get(names).map(|value| Fields::of(value, names[0])).transpose()
    }

    /// The objects in the list under one of these names.
    pub(crate) fn objects(&self, names: &[&'a str]) -> Result<Vec<Fields<'a>>, Refused> {
        let Some(value) = self.get(names) else { return Ok(Vec::new()) };
        let list = value.as_array().ok_or_else(|| self.wrong(names[0], "a list"))?;
        list.iter().map(|item| Fields::of(item, names[0])).collect()
    }

    /// All keys with what stands under them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&'a str, &'a Value)> {
        self.object.iter().map(|(key, value)| (key.as_str(), value))
    }
}

/// What Go's `strconv.ParseBool` takes, and `True` and `False` of other languages, which it takes as well.
pub(crate) fn truth(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::Fields;
    use serde_json::json;

    #[test]
    fn keys_come_in_any_case_and_with_underscores() {
        let body = json!({
            "name": "web", "PORT": 80, "enable_tag_override": "true", "DeregisterCriticalServiceAfter": "1m",
            "tags": ["a"], "META": {"b": "2", "a": "1"}, "Nothing": null, "Timeout": 1_000_000_000u64,
        });
        let fields = Fields::of(&body, "the body").unwrap();
        assert_eq!(fields.text(&["Name"]).unwrap(), "web");
        assert_eq!(fields.number(&["Port"]).unwrap(), Some(80));
        assert!(fields.truth(&["EnableTagOverride"]).unwrap());
        assert_eq!(fields.duration(&["DeregisterCriticalServiceAfter"]).unwrap().unwrap().as_secs(), 60);
        assert_eq!(fields.duration(&["Timeout"]).unwrap().unwrap().as_secs(), 1);
        assert_eq!(fields.texts(&["Tags"]).unwrap(), ["a"]);
        assert_eq!(fields.pairs(&["Meta"]).unwrap(), [("a", "1"), ("b", "2")]);
        assert!(fields.get(&["Nothing"]).is_none());
        let said = fields.text(&["Port"]).unwrap_err().text;
        assert_eq!(said, "Request decode failed: Port of the body is not a string");
    }
}
