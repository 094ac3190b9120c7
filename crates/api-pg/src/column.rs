//! What a column of an answer is called, and as what its values are promised. SQLite promises nothing; clients need it.

use pgwire::messages::data::{FieldDescription, RowDescription};
use whither_directory::sql::Column;
use whither_model::sql::Value;

/// As what a column's values are sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// Truth values; SQLite keeps them as 0 and 1.
    Bool,
    /// Whole numbers.
    Int,
    /// Other numbers.
    Float,
    /// Text, and whatever has no other place.
    Text,
    /// Bytes.
    Bytes,
    /// A list of texts, written as PostgreSQL writes it; in PostgreSQL's own catalog only.
    Texts,
    /// A list of truth values, written so.
    Bools,
}

impl Kind {
    /// The number of the type in PostgreSQL's catalog.
    pub(crate) const fn oid(self) -> u32 {
        match self {
            Self::Bool => 16,
            Self::Bytes => 17,
            Self::Int => 20,
            Self::Text => 25,
            Self::Float => 701,
            Self::Bools => 1_000,
            Self::Texts => 1_009,
        }
    }

    /// Bytes of each value in binary; -1: they differ.
    const fn size(self) -> i16 {
        match self {
            Self::Bool => 1,
            Self::Int | Self::Float => 8,
            _ => -1,
        }
    }

    /// What a column was declared as, by SQLite's rules of affinity and the few types beyond them; `None`: that promises nothing.
    pub(crate) fn of_declared(declared: &str) -> Option<Self> {
        let declared = declared.to_ascii_uppercase();
        let has = |parts: &[&str]| parts.iter().any(|part| declared.contains(part));
        Some(match () {
            () if declared.starts_with("BOOL") => Self::Bool,
            () if has(&["INT"]) && !has(&["INTERVAL", "POINT"]) => Self::Int,
            () if has(&["CHAR", "CLOB", "TEXT"]) => Self::Text,
            () if has(&["BLOB", "BYTEA"]) => Self::Bytes,
            () if has(&["REAL", "FLOA", "DOUB", "NUMERIC", "DECIMAL"]) => Self::Float,
            // By affinity these would be numbers, and what people keep in them is text.
            () if has(&["DATE", "TIME", "UUID", "JSON", "INTERVAL"]) => Self::Text,
            () => return None,
        })
    }

    /// As what a value is best sent.
    pub(crate) const fn of_value(value: &Value) -> Option<Self> {
        match value {
            Value::Null => None,
            Value::Integer(_) => Some(Self::Int),
            Value::Real(_) => Some(Self::Float),
            Value::Text(_) => Some(Self::Text),
            Value::Blob(_) => Some(Self::Bytes),
        }
    }

    /// What an expression gives, as far as its text tells: SQLite names a column that has no name by its expression.
    pub(crate) fn of_expression(text: &str) -> Option<Self> {
        let text = text.trim().to_ascii_lowercase();
        if let Some(cast) = text.strip_prefix("cast(").and_then(|rest| rest.strip_suffix(')')) {
            return cast.rsplit_once(" as ").and_then(|(_, declared)| Self::of_declared(declared));
        }
        if let Some((function, _)) = call(&text) {
            return match function {
                "count" | "length" | "row_number" | "rank" | "dense_rank" | "instr" | "unixepoch" | "changes" => {
                    Some(Self::Int)
                }
                "avg" | "total" | "julianday" => Some(Self::Float),
                "lower" | "upper" | "trim" | "substr" | "substring" | "replace" | "hex" | "typeof" | "group_concat"
                | "string_agg" | "datetime" | "date" | "time" | "strftime" | "printf" | "format" | "concat"
                | "quote" | "json_object" | "json_array" | "json_group_array" | "json_group_object" => Some(Self::Text),
                _ => None,
            };
        }
        if text.parse::<i64>().is_ok() {
            return Some(Self::Int);
        }
        if text.starts_with(|first: char| first.is_ascii_digit()) && text.parse::<f64>().is_ok() {
            return Some(Self::Float);
        }
        if text == "true" || text == "false" || text.starts_with("exists") {
            return Some(Self::Bool);
        }
        (text.len() > 1 && text.starts_with('\'') && text.ends_with('\'')).then_some(Self::Text)
    }
}

/// A column of an answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Field {
    /// As what its values are sent.
    pub(crate) kind: Kind,
    /// What it is called.
    pub(crate) name: String,
}

impl Field {
    pub(crate) fn new(name: impl Into<String>, kind: Kind) -> Self {
        Self { kind, name: name.into() }
    }
}

/// The columns of an answer, of which some may have promised nothing yet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Sketch(Vec<(String, Option<Kind>)>);

impl Sketch {
    pub(crate) fn of(columns: &[Column]) -> Self {
        let kind = |column: &Column| match &column.declared {
            Some(declared) => Kind::of_declared(declared),
            None => Kind::of_expression(&column.name),
        };
        Self(columns.iter().map(|column| (shown(column), kind(column))).collect())
    }

    /// Of a question that was asked around another one, which gives columns of the same name a number each.
    pub(crate) fn of_wrapped(columns: &[Column]) -> Self {
        let numbered = |at: usize| {
            let (base, number) = columns[at].name.rsplit_once(':')?;
            let first = columns[..at].iter().any(|other| other.name == base);
            (first && number.bytes().all(|byte| byte.is_ascii_digit())).then(|| base.to_owned())
        };
        let plain = |at: usize| Column {
            name: numbered(at).unwrap_or_else(|| columns[at].name.clone()),
            declared: columns[at].declared.clone(),
        };
        Self::of(&(0..columns.len()).map(plain).collect::<Vec<_>>())
    }

    /// Whether a row has to be seen to know more.
    pub(crate) fn is_open(&self) -> bool {
        self.0.iter().any(|(_, kind)| kind.is_none())
    }

    /// Settles what is open, by a row if there is one.
    pub(crate) fn settle(self, row: Option<&[Value]>) -> Vec<Field> {
        let columns = self.0.into_iter().enumerate();
        let seen = |at: usize| row.and_then(|row| row.get(at)).and_then(Kind::of_value);
        columns
            .map(|(at, (name, kind))| Field { kind: kind.or_else(|| seen(at)).unwrap_or(Kind::Text), name })
            .collect()
    }
}

/// What PostgreSQL would call it: a call by its function, and a cast by what is cast.
fn shown(column: &Column) -> String {
    let name = &column.name;
    if column.declared.is_some() {
        return name.clone();
    }
    match call(name) {
        Some((function, inner)) if function.eq_ignore_ascii_case("cast") => {
            let operand = inner.rsplit_once(" AS ").map_or(inner, |(operand, _)| operand).trim();
            match operand.rsplit('.').next() {
                Some(last) if is_name(last) => last.to_owned(),
                _ => call(operand).map_or("?column?", |(function, _)| function).to_ascii_lowercase(),
            }
        }
        Some((function, _)) => function.to_ascii_lowercase(),
        None => name.clone(),
    }
}

/// `function(…)`: the function, and what is in the parentheses that end it.
fn call(text: &str) -> Option<(&str, &str)> {
    let (function, rest) = text.split_once('(')?;
    let inner = rest.strip_suffix(')')?;
    let mut depth = 0_i32;
    for byte in inner.bytes() {
        match byte {
            b'(' => depth += 1,
            b')' => depth -= 1,
            _ => {}
        }
        if depth < 0 {
            return None;
        }
    }
    let function = function.trim_end();
    is_name(function).then_some((function, inner))
}

fn is_name(text: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    !text.is_empty() && text.bytes().all(letter) && !text.as_bytes()[0].is_ascii_digit()
}

/// How the values of a column are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Format {
    /// For people.
    Text,
    /// For programs.
    Binary,
}

/// Tells a client what its rows will have. `format` says how each column is written.
pub(crate) fn description(fields: &[Field], format: impl Fn(usize) -> Format) -> RowDescription {
    let one = |(at, field): (usize, &Field)| {
        // Each list that is promised is written as text, whatever is asked.
        let code = i16::from(format(at) == Format::Binary);
        FieldDescription::new(field.name.replace('\0', ""), 0, 0, field.kind.oid(), field.kind.size(), -1, code)
    };
    RowDescription::new(fields.iter().enumerate().map(one).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn declared_types_promise_what_they_say() {
        for (declared, kind) in [
            ("INTEGER", Some(Kind::Int)),
            ("bigint", Some(Kind::Int)),
            ("BOOLEAN", Some(Kind::Bool)),
            ("VARCHAR(20)", Some(Kind::Text)),
            ("BLOB", Some(Kind::Bytes)),
            ("DOUBLE PRECISION", Some(Kind::Float)),
            ("NUMERIC(10,2)", Some(Kind::Float)),
            ("TIMESTAMP", Some(Kind::Text)),
            ("INTERVAL", Some(Kind::Text)),
            ("ANY", None),
            ("", None),
        ] {
            assert_eq!(Kind::of_declared(declared), kind, "{declared}");
        }
    }

    #[test]
    fn expressions_tell_as_far_as_their_text_does() {
        for (text, kind) in [
            ("count(*)", Some(Kind::Int)),
            ("CAST(?1 AS INTEGER)", Some(Kind::Int)),
            ("CAST(a AS TEXT)", Some(Kind::Text)),
            ("lower(name)", Some(Kind::Text)),
            ("1", Some(Kind::Int)),
            ("1.5", Some(Kind::Float)),
            ("'a'", Some(Kind::Text)),
            ("true", Some(Kind::Bool)),
            ("a + b", None),
            ("sum(a)", None),
            ("?1", None),
        ] {
            assert_eq!(Kind::of_expression(text), kind, "{text}");
        }
    }

    #[test]
    fn columns_are_called_as_postgresql_calls_them() {
        let name = |name: &str| shown(&Column { name: name.into(), declared: None });
        assert_eq!(name("count(*)"), "count");
        assert_eq!(name("MAX(a) "), "MAX(a) ");
        assert_eq!(name("CAST(t.id AS TEXT)"), "id");
        assert_eq!(name("CAST(lower(a) AS TEXT)"), "lower");
        assert_eq!(name("CAST(?1 AS INTEGER)"), "?column?");
        assert_eq!(name("max(a) + min(b)"), "max(a) + min(b)");
        assert_eq!(name("the total"), "the total");
    }

    #[test]
    fn a_row_settles_what_is_open() {
        let columns = ["id", "id:1", "x", "y"].map(|name| Column { name: name.into(), declared: None });
        let sketch = Sketch::of_wrapped(&columns);
        assert!(sketch.is_open());
        let row = [Value::Integer(1), Value::Real(0.5), Value::Null, Value::Blob([1].into())];
        let fields = sketch.settle(Some(&row));
        let expected = [("id", Kind::Int), ("id", Kind::Float), ("x", Kind::Text), ("y", Kind::Bytes)];
        assert_eq!(fields, expected.map(|(name, kind)| Field::new(name, kind)));
    }
}
