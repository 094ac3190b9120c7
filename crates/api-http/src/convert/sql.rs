//! Statements and values, in JSON and back.

use crate::json;
use crate::problem::Problem;
use serde_json::Value as Json;
use whither_model::Invalid;
use whither_model::sql::{Params, Statement, Value};

/// Statements in one request.
const STATEMENTS_MAX: usize = 100_000;

/// The statements in a body: one, or an array of them. Each is a text, an array of a text and its parameters, or an object.
///
/// # Errors
/// What is wrong, and where.
pub(crate) fn statements(body: &[u8]) -> Result<Vec<Statement>, Problem> {
    let json: Json = serde_json::from_slice(body).map_err(|error| Problem::malformed(format!("not JSON: {error}")))?;
    let items = match json {
        Json::Array(items) if !is_one_statement(&items) => items,
        one => vec![one],
    };
    if items.is_empty() {
        return Err(Problem::malformed("there is no statement; expected [\"UPDATE …\"] or [[\"UPDATE … ?\", [1]]]"));
    }
    if items.len() > STATEMENTS_MAX {
        return Err(Problem::malformed(format!("{} statements; at most {STATEMENTS_MAX} in one request", items.len())));
    }
    let read = |(at, item)| statement(item).map_err(|what| Problem::from(Invalid::new(format!("[{at}]"), what)));
    items.into_iter().enumerate().map(read).collect()
}

/// The one statement in a body.
///
/// # Errors
/// What is wrong, and where.
pub(crate) fn question(body: &[u8]) -> Result<Statement, Problem> {
    let mut all = statements(body)?;
    match (all.pop(), all.is_empty()) {
        (Some(statement), true) => Ok(statement),
        _ => Err(Problem::malformed("more than one statement; a question is one")),
    }
}

/// Whether an array is a statement with its parameters: its second item is neither a text nor a statement in itself.
fn is_one_statement(items: &[Json]) -> bool {
    let [Json::String(_), second, ..] = items else { return false };
    match second {
        Json::Array(inner) => inner.first().is_none_or(|first| !looks_like_sql(first)),
        Json::Object(inner) => !inner.contains_key("query") && !inner.contains_key("sql"),
        Json::String(text) => !text.contains(' '),
        _ => true,
    }
}

/// A parameter may be a text too; a statement has at least two words.
fn looks_like_sql(json: &Json) -> bool {
    json.as_str().is_some_and(|text| {
        let first = text.split_whitespace().next().unwrap_or_default().to_ascii_uppercase();
        text.contains(' ') && ["SELECT", "INSERT", "UPDATE", "DELETE", "REPLACE", "WITH", "VALUES"].contains(&&*first)
    })
}

fn statement(json: Json) -> Result<Statement, String> {
    match json {
        Json::String(sql) => Ok(Statement { sql, params: Params::None }),
        Json::Array(items) => from_array(items),
        Json::Object(mut members) => {
            let sql = members.remove("sql").or_else(|| members.remove("query"));
            let Some(Json::String(sql)) = sql else {
                return Err("is an object without `sql`; expected {\"sql\": \"…\", \"params\": [ … ]}".into());
            };
            let named = members.remove("named_params");
            let params = members.remove("params").or(named);
            if let Some(unknown) = members.keys().next() {
                return Err(format!("has a member {unknown:?}; expected `sql` and `params`"));
            }
            let params = params.map_or(Ok(Params::None), params_of)?;
            Ok(Statement { sql, params })
        }
        other => Err(format!("is {other}; expected a statement: a text, [text, parameters] or an object")),
    }
}

fn from_array(items: Vec<Json>) -> Result<Statement, String> {
    let mut items = items.into_iter();
    let Some(Json::String(sql)) = items.next() else {
        return Err("is an array that does not begin with a statement's text".into());
    };
    let rest: Vec<Json> = items.collect();
    let params = match <[Json; 1]>::try_from(rest) {
        Ok([one @ (Json::Array(_) | Json::Object(_))]) => params_of(one)?,
        Ok([one]) => Params::Positional(vec![value(one)?]),
        Err(none) if none.is_empty() => Params::None,
        Err(several) => Params::Positional(several.into_iter().map(value).collect::<Result<_, _>>()?),
    };
    Ok(Statement { sql, params })
}

fn params_of(json: Json) -> Result<Params, String> {
    match json {
        Json::Null => Ok(Params::None),
        Json::Array(items) if items.is_empty() => Ok(Params::None),
        Json::Array(items) => Ok(Params::Positional(items.into_iter().map(value).collect::<Result<_, _>>()?)),
        Json::Object(members) if members.is_empty() => Ok(Params::None),
        Json::Object(members) => {
            let named = members.into_iter().map(|(name, json)| Ok((name, value(json)?)));
            Ok(Params::Named(named.collect::<Result<_, String>>()?))
        }
        other => Err(format!("has parameters {other}; expected an array or an object")),
    }
}

/// A parameter. What SQLite has no type for is kept as text in JSON; `{"$hex": "00ff"}` are bytes.
pub(crate) fn value(json: Json) -> Result<Value, String> {
    Ok(match json {
        Json::Null => Value::Null,
        Json::Bool(truth) => Value::Integer(i64::from(truth)),
        Json::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => Value::Integer(whole),
            (None, _) if number.is_u64() => {
                return Err(format!("has a parameter {number}, which is more than 64 bits with a sign hold"));
            }
            (None, Some(real)) => Value::Real(real),
            (None, None) => return Err(format!("has a parameter {number}, which is no number of 64 bits")),
        },
        Json::String(text) => Value::Text(text.into()),
        Json::Object(members) if members.len() == 1 && members.contains_key("$hex") => {
            let digits = members.get("$hex").and_then(Json::as_str).unwrap_or_default();
            Value::Blob(bytes_of(digits).ok_or("has a `$hex` that is not pairs of hexadecimal digits")?.into())
        }
        nested => Value::Text(nested.to_string().into()),
    })
}

fn bytes_of(digits: &str) -> Option<Vec<u8>> {
    if !digits.len().is_multiple_of(2) || !digits.is_ascii() {
        return None;
    }
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).ok()).collect()
}

/// Writes a value as JSON.
pub(crate) fn put_value(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Integer(number) => out.extend_from_slice(itoa::Buffer::new().format(*number).as_bytes()),
        // As SQLite's own JSON functions write what JSON has no word for.
        Value::Real(number) if number.is_infinite() => {
            out.extend_from_slice(if *number > 0.0 { b"9e999" } else { b"-9e999" });
        }
        Value::Real(number) => json::put(out, number),
        Value::Text(text) => json::put(out, text),
        Value::Blob(bytes) => {
            out.extend_from_slice(b"{\"$hex\":\"");
            bytes.iter().for_each(|byte| out.extend_from_slice(format!("{byte:02x}").as_bytes()));
            out.extend_from_slice(b"\"}");
        }
    }
}

/// Writes values as a JSON array.
pub(crate) fn put_values(out: &mut Vec<u8>, values: &[Value]) {
    out.push(b'[');
    for (at, value) in values.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        put_value(out, value);
    }
    out.push(b']');
}

/// Writes values as a line of CSV (RFC 4180).
pub(crate) fn put_csv(out: &mut Vec<u8>, values: &[Value]) {
    for (at, value) in values.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        match value {
            Value::Null => {}
            Value::Text(text) => put_csv_text(out, text),
            Value::Integer(_) | Value::Real(_) => put_value(out, value),
            Value::Blob(bytes) => bytes.iter().for_each(|byte| out.extend_from_slice(format!("{byte:02x}").as_bytes())),
        }
    }
    out.extend_from_slice(b"\r\n");
}

/// Writes a text as a field of CSV. An empty one is quoted, so that it is told from nothing.
pub(crate) fn put_csv_text(out: &mut Vec<u8>, text: &str) {
    if !text.is_empty() && !text.contains([',', '"', '\r', '\n']) {
        return out.extend_from_slice(text.as_bytes());
    }
    out.push(b'"');
    out.extend_from_slice(text.replace('"', "\"\"").as_bytes());
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Vec<Statement> {
        statements(body.as_bytes()).unwrap_or_else(|problem| panic!("{body}: {problem:?}"))
    }

    #[test]
    fn statements_are_read_in_every_form() {
        let plain = Statement::plain("DELETE FROM a");
        for body in [
            r#""DELETE FROM a""#,
            r#"["DELETE FROM a"]"#,
            r#"[["DELETE FROM a"]]"#,
            r#"[["DELETE FROM a", []]]"#,
            r#"{"sql": "DELETE FROM a"}"#,
            r#"[{"query": "DELETE FROM a", "params": null}]"#,
        ] {
            assert_eq!(read(body), std::slice::from_ref(&plain), "{body}");
        }
        assert_eq!(read(r#"["DELETE FROM a", "DELETE FROM b"]"#).len(), 2);
        assert_eq!(
            read(r#"[["DELETE FROM a WHERE b = ?", [1]], ["DELETE FROM b WHERE c = ?", ["DELETE x"]]]"#).len(),
            2
        );
        let with = |params| vec![Statement { sql: "UPDATE a SET b = ?".into(), params }];
        let text = |text: &str| Value::Text(text.into());
        for (body, params) in [
            (r#"["UPDATE a SET b = ?", [1]]"#, Params::Positional(vec![Value::Integer(1)])),
            (r#"[["UPDATE a SET b = ?", ["x", null]]]"#, Params::Positional(vec![text("x"), Value::Null])),
            (r#"[["UPDATE a SET b = ?", 1.5, true]]"#, Params::Positional(vec![Value::Real(1.5), Value::Integer(1)])),
            (
                r#"[["UPDATE a SET b = ?", {"b": -9007199254740993}]]"#,
                Params::Named(vec![("b".into(), Value::Integer(-9_007_199_254_740_993))]),
            ),
            (
                r#"{"query": "UPDATE a SET b = ?", "named_params": {"b": [1, {"c": 2}]}}"#,
                Params::Named(vec![("b".into(), text(r#"[1,{"c":2}]"#))]),
            ),
            (
                r#"{"sql": "UPDATE a SET b = ?", "params": [{"$hex": "00fF"}]}"#,
                Params::Positional(vec![Value::Blob([0, 255].into())]),
            ),
        ] {
            assert_eq!(read(body), with(params), "{body}");
        }
    }

    #[test]
    fn what_is_no_statement_is_refused_with_its_place() {
        for body in [
            "",
            "[]",
            "1",
            "[1]",
            "[[1]]",
            r#"[{"params": []}]"#,
            r#"[{"sql": "x", "parms": []}]"#,
            r#"[["x", [18446744073709551615]]]"#,
            r#"[["x", [{"$hex": "0"}]]]"#,
        ] {
            assert!(statements(body.as_bytes()).is_err(), "{body}");
        }
        assert!(question(br#"["SELECT 1", "SELECT 2"]"#).is_err());
    }

    #[test]
    fn values_are_written_so_that_they_can_be_read_again() {
        for value in [
            Value::Null,
            Value::Integer(i64::MIN),
            Value::Real(0.1),
            Value::Text("é\"\n".into()),
            Value::Blob([1, 0xab].into()),
        ] {
            let mut out = Vec::new();
            put_value(&mut out, &value);
            assert_eq!(super::value(serde_json::from_slice(&out).unwrap()), Ok(value));
        }
        let mut csv = Vec::new();
        put_csv(&mut csv, &[Value::Text("a,\"b".into()), Value::Null, Value::Text("".into()), Value::Integer(3)]);
        assert_eq!(csv, b"\"a,\"\"b\",,\"\",3\r\n");
    }
}
