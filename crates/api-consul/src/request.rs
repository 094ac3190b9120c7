//! What clients ask: the query, and the body.

use crate::fields::truth;
use crate::reply::Refused;
use serde_json::Value;

/// Largest body. Consul's own bound for a value in its store is 512 KiB.
pub(crate) const BODY_BYTES_MAX: usize = 1024 * 1024;

/// The query of a request.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Query(Vec<(Box<str>, Box<str>)>);

impl Query {
    pub(crate) fn parse(text: Option<&str>) -> Self {
        let pairs = form_urlencoded::parse(text.unwrap_or_default().as_bytes());
        Self(pairs.map(|(key, value)| (key.into(), value.into())).collect())
    }

    /// The first value of this name.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| &**key == name).map(|(_, value)| &**value)
    }

    /// All values of this name.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(key, _)| &**key == name).map(|(_, value)| &**value)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// A name that is there and not said to be false.
    ///
    /// # Errors
    /// It has a value that is no truth.
    pub(crate) fn flag(&self, name: &str) -> Result<bool, Refused> {
        match self.get(name) {
            None => Ok(false),
            Some("") => Ok(true),
            Some(value) => truth(value).ok_or_else(|| Refused::bad(format!("Invalid value for ?{name}"))),
        }
    }
}

/// A body as JSON; nothing is an empty object.
///
/// # Errors
/// It is no JSON.
pub(crate) fn json(body: &[u8]) -> Result<Value, Refused> {
    if body.is_empty() {
        return Ok(Value::Object(serde_json::Map::new()));
    }
    serde_json::from_slice(body).map_err(|error| Refused::bad(format!("Request decode failed: {error}")))
}

#[cfg(test)]
mod tests {
    use super::Query;

    #[test]
    fn presence_is_enough_for_a_flag() {
        let query = Query::parse(Some("passing&a=1&stale=&b=False&c=junk&tag=x&tag=y%3A"));
        assert!(query.flag("passing").unwrap() && query.flag("a").unwrap() && query.flag("stale").unwrap());
        assert!(!query.flag("b").unwrap() && !query.flag("nothing").unwrap() && query.has("b"));
        assert_eq!(query.flag("c").unwrap_err().text, "Invalid value for ?c");
        assert_eq!(query.all("tag").collect::<Vec<_>>(), ["x", "y:"]);
    }
}
