//! JSON in both directions: a tree that keeps the order of members and knows where it is, and lines going out.

use bytes::Bytes;
use serde::Serialize;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::cell::Cell;
use std::fmt;
use whither_model::Invalid;

/// A JSON value. Members of objects keep their order; none is given twice.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    /// A whole number that is not negative.
    Natural(u64),
    /// Any other number.
    Number(f64),
    Text(String),
    Array(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    /// The value, for a message.
    fn shown(&self) -> String {
        match self {
            Self::Null => "null".to_owned(),
            Self::Bool(value) => value.to_string(),
            Self::Natural(value) => value.to_string(),
            Self::Number(value) => value.to_string(),
            Self::Text(value) => format!("{:?}", value.chars().take(80).collect::<String>()),
            Self::Array(_) => "an array".to_owned(),
            Self::Object(_) => "an object".to_owned(),
        }
    }

    /// Refuses the value of `field`, which should have been `expected`.
    pub(crate) fn unexpected(&self, field: &str, expected: &str) -> Invalid {
        Invalid::new(field, format!("is {}; expected {expected}", self.shown()))
    }

    pub(crate) fn text(self, field: &str, expected: &str) -> Result<String, Invalid> {
        match self {
            Self::Text(text) => Ok(text),
            other => Err(other.unexpected(field, expected)),
        }
    }

    pub(crate) fn array(self, field: &str, expected: &str) -> Result<Vec<Json>, Invalid> {
        match self {
            Self::Array(items) => Ok(items),
            other => Err(other.unexpected(field, expected)),
        }
    }

    pub(crate) fn object(self, field: &str, expected: &str) -> Result<Vec<(String, Json)>, Invalid> {
        match self {
            Self::Object(members) => Ok(members),
            other => Err(other.unexpected(field, expected)),
        }
    }
}

/// Reads one value, spending from the budget of values it is given.
#[derive(Clone, Copy)]
pub(crate) struct Tree<'a>(pub(crate) &'a Cell<usize>);

impl<'de> DeserializeSeed<'de> for Tree<'_> {
    type Value = Json;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json, D::Error> {
        let left = self.0.get().checked_sub(1).ok_or_else(|| D::Error::custom("too many values"))?;
        self.0.set(left);
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Tree<'_> {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Natural(value))
    }

    #[expect(clippy::cast_precision_loss, reason = "a negative number is only ever shown in a refusal")]
    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(u64::try_from(value).map_or(Json::Number(value as f64), Json::Natural))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Json, E> {
        Ok(Json::Number(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(Json::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Json, E> {
        Ok(Json::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Json, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(self)? {
            items.push(item);
        }
        Ok(Json::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
        let mut members: Vec<(String, Json)> = Vec::new();
        while let Some(name) = map.next_key::<String>()? {
            // The budget bounds this search.
            if members.iter().any(|(present, _)| *present == name) {
                return Err(A::Error::custom(format_args!("{name:?} is given twice in one object")));
            }
            members.push((name, map.next_value_seed(self)?));
        }
        Ok(Json::Object(members))
    }
}

/// The members of an object that has named fields and no others.
#[derive(Debug)]
pub(crate) struct Fields {
    path: String,
    members: Vec<(String, Json)>,
}

impl Fields {
    /// The fields of `json`, which is found at `path` (empty for the body itself).
    ///
    /// # Errors
    /// It is not an object, or has a field that is not `known`.
    pub(crate) fn of(json: Json, path: &str, known: &[&str]) -> Result<Self, Invalid> {
        let name = if path.is_empty() { "body" } else { path };
        let members = json.object(name, "an object")?;
        let fields = Self { path: path.to_owned(), members };
        match fields.members.iter().find(|(name, _)| !known.contains(&name.as_str())) {
            Some((unknown, _)) => {
                let shown: String = unknown.chars().take(80).collect();
                Err(Invalid::new(fields.path_of(&shown), format!("is not a field; {}", advice(unknown, known))))
            }
            None => Ok(fields),
        }
    }

    /// Where the object itself is.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// Where the field `name` is in the document, for example `[17].weight`.
    pub(crate) fn path_of(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    /// The field, unless it is absent or null.
    pub(crate) fn take(&mut self, name: &str) -> Option<(String, Json)> {
        let at = self.members.iter().position(|(present, _)| present == name)?;
        let (_, value) = self.members.swap_remove(at);
        (value != Json::Null).then(|| (self.path_of(name), value))
    }
}

/// What would have been right instead of `given`.
pub(crate) fn advice(given: &str, known: &[&str]) -> String {
    // The distance costs the product of the lengths.
    let given: String = given.chars().take(80).collect();
    let distance = |name: &&&str| strsim::damerau_levenshtein(&given.to_lowercase(), name);
    match known.iter().min_by_key(distance) {
        Some(near) if distance(&near) <= near.len().div_ceil(3).max(1) => format!("did you mean {near:?}?"),
        _ => format!("expected one of {}", known.join(", ")),
    }
}

/// `value` as one line of JSON.
pub(crate) fn line<T: Serialize>(value: &T) -> Bytes {
    let mut bytes = Vec::with_capacity(256);
    put(&mut bytes, value);
    bytes.push(b'\n');
    bytes.into()
}

/// Appends `value` as JSON. Invariant: only types whose encoding cannot fail come here: no maps with keys other than
/// text, no `Serialize` that refuses, and memory for a writer.
pub(crate) fn put<T: Serialize>(bytes: &mut Vec<u8>, value: &T) {
    let from = bytes.len();
    if let Err(fault) = serde_json::to_writer(&mut *bytes, value) {
        tracing::error!(%fault, "an answer could not be encoded; null was sent in its place");
        bytes.truncate(from);
        bytes.extend_from_slice(b"null");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(text: &str, budget: usize) -> Result<Json, serde_json::Error> {
        let budget = Cell::new(budget);
        Tree(&budget).deserialize(&mut serde_json::Deserializer::from_str(text))
    }

    #[test]
    fn members_keep_their_order_and_are_given_once() {
        let json = tree(r#"{"z":1,"a":[true,null,-1,0.5,"t"]}"#, 10).unwrap();
        let items = vec![Json::Bool(true), Json::Null, Json::Number(-1.0), Json::Number(0.5), Json::Text("t".into())];
        assert_eq!(json, Json::Object(vec![("z".into(), Json::Natural(1)), ("a".into(), Json::Array(items))]));
        let twice = tree(r#"{"a":1,"a":2}"#, 10).unwrap_err().to_string();
        assert!(twice.starts_with(r#""a" is given twice in one object at line 1"#), "{twice}");
    }

    #[test]
    fn a_tree_has_no_more_values_than_its_budget() {
        assert!(tree("[1,2,3]", 4).is_ok());
        assert!(tree("[1,2,3]", 3).unwrap_err().to_string().starts_with("too many values"));
        let deep = "[".repeat(100_000);
        assert!(tree(&deep, 1_000_000).unwrap_err().to_string().contains("recursion limit"));
    }

    #[test]
    fn advice_names_the_nearest_or_all() {
        assert_eq!(advice("wieght", &["weight", "zone"]), r#"did you mean "weight"?"#);
        assert_eq!(advice("Zone", &["weight", "zone"]), r#"did you mean "zone"?"#);
        assert_eq!(advice("colour", &["weight", "zone"]), "expected one of weight, zone");
    }
}
