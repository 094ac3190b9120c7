//! What templates can call.

use super::library::Library;
use super::source::{Selection, Source};
use crate::config::hostname;
use minijinja::value::{Kwargs, Rest, ValueKind};
use minijinja::{Environment, Error, ErrorKind, Value};
use std::fmt::Write;
use std::sync::Arc;

/// Adds them all.
pub(super) fn add(environment: &mut Environment<'static>, library: &Arc<Library>) {
    let of = Arc::clone(library);
    environment
        .add_function("sql", move |positional: Rest<Value>, named: Kwargs| read(&of, &question(&positional, &named)?));
    let of = Arc::clone(library);
    environment.add_function("service", move |name: String, named: Kwargs| read(&of, &service(&name, &named)?));
    let of = Arc::clone(library);
    environment.add_function("services", move |namespace: Option<String>| read(&of, &Source::Services(namespace)));
    let of = Arc::clone(library);
    environment.add_function("node", move || read(&of, &Source::Node));
    environment.add_function("token", |_: Rest<Value>, _: Kwargs| -> Result<Value, Error> {
        Err(wrong("token(): agents of this version issue no tokens; they come with a later one"))
    });
    environment.add_function("env", env);
    environment.add_function("hostname", hostname);
    environment.add_filter("csv", csv);
    environment.add_filter("socket", socket);
    environment.add_filter("word", word);
}

fn wrong(what: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, what.into())
}

fn read(library: &Library, source: &Source) -> Result<Value, Error> {
    library.read(source).map_err(wrong)
}

/// `sql("SELECT … ?", 1)` or `sql("SELECT … :a", a=1)`.
fn question(positional: &[Value], named: &Kwargs) -> Result<Source, Error> {
    let [sql, params @ ..] = positional else {
        return Err(wrong("sql() takes a statement: sql(\"SELECT …\")"));
    };
    let Some(sql) = sql.as_str() else { return Err(wrong("sql() takes a statement, a text, first")) };
    let names: Vec<String> = named.args().map(str::to_owned).collect();
    let params = match (params.is_empty(), names.is_empty()) {
        (true, true) => serde_json::Value::Null,
        (false, true) => json(&params.iter().cloned().collect())?,
        (true, false) => {
            let pairs = names.iter().map(|name| Ok((Value::from(name), named.get::<Value>(name)?)));
            json(&Value::from_pairs(pairs.collect::<Result<Vec<_>, Error>>()?))?
        }
        (false, false) => return Err(wrong("sql() takes parameters by place or by name, not both")),
    };
    Ok(Source::Sql(sql.to_owned(), params.to_string()))
}

fn json(value: &Value) -> Result<serde_json::Value, Error> {
    serde_json::to_value(value).map_err(|error| wrong(format!("sql(): a parameter cannot be sent: {error}")))
}

/// `service("prod/recos", all=true, tag="blue", zone="eu-1a", version="1.2")`.
fn service(name: &str, named: &Kwargs) -> Result<Source, Error> {
    let service = name.parse().map_err(|error| wrong(format!("service({name:?}): {error}")))?;
    let tags = match named.get::<Option<Value>>("tag")?.filter(|tag| !tag.is_none()) {
        None => Vec::new(),
        Some(one) if one.kind() == ValueKind::String => vec![one.to_string()],
        Some(several) => several.try_iter()?.map(|tag| tag.to_string()).collect(),
    };
    let selection = Selection {
        service,
        all: named.get::<Option<bool>>("all")?.unwrap_or(false),
        tags,
        zone: named.get("zone")?,
        version: named.get("version")?,
    };
    named.assert_all_used()?;
    Ok(Source::Service(selection))
}

/// `env("NAME")` or `env("NAME", "what it is otherwise")`.
fn env(name: String, otherwise: Option<Value>) -> Result<Value, Error> {
    match (std::env::var_os(&name).map(|value| value.to_string_lossy().into_owned()), otherwise) {
        (Some(value), _) => Ok(value.into()),
        (None, Some(otherwise)) => Ok(otherwise),
        (None, None) => Err(wrong(format!("env({name:?}): it is not set, and there is no second argument"))),
    }
}

/// `address:port` of an instance, or of its port of that name; with brackets where the address needs them.
fn socket(instance: &Value, port: Option<String>) -> Result<String, Error> {
    let member = |name: &str| instance.get_attr(name).ok().filter(|value| !value.is_undefined() && !value.is_none());
    let of = || member("id").map_or_else(|| "what is no instance".to_owned(), |id| format!("instance {id}"));
    let Some(address) = member("address") else { return Err(wrong(format!("socket: {} has no address", of()))) };
    let number = match &port {
        None => member("port"),
        Some(name) => member("ports").and_then(|ports| ports.get_attr(name).ok()).filter(|port| !port.is_undefined()),
    };
    let Some(number) = number else {
        let which = port.map_or_else(|| "port".to_owned(), |name| format!("port {name:?}"));
        return Err(wrong(format!("socket: {} has no {which}", of())));
    };
    let address = address.to_string();
    Ok(if address.contains(':') { format!("[{address}]:{number}") } else { format!("{address}:{number}") })
}

/// Text as one word that configuration files take for a name: letters, digits, `.`, `_` and `-`. Where that loses something, a
/// checksum keeps different texts different.
fn word(value: &Value) -> String {
    let text = value.to_string();
    let kept = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let word: String = text.chars().map(|c| if kept(c) { c } else { '_' }).collect();
    if word == text && !word.is_empty() {
        return word;
    }
    // FNV-1a, 32 bits.
    let sum = text.bytes().fold(0x811c_9dc5_u32, |sum, byte| (sum ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    format!("{word}-{sum:08x}")
}

/// A field; or a line of fields; or of rows, as `sql()` gives them, a line of names and one for each.
fn csv(value: &Value) -> Result<String, Error> {
    let mut text = String::new();
    match value.kind() {
        ValueKind::Seq | ValueKind::Iterable => {
            let items: Vec<Value> = value.try_iter()?.collect();
            let Some(first) = items.first().filter(|first| first.kind() == ValueKind::Map) else {
                return Ok(line(&items));
            };
            let names: Vec<Value> = first.try_iter()?.collect();
            let _ = writeln!(text, "{}", line(&names));
            for item in &items {
                let fields: Vec<Value> = names.iter().map(|name| item.get_item(name)).collect::<Result<_, _>>()?;
                let _ = writeln!(text, "{}", line(&fields));
            }
            Ok(text)
        }
        _ => Ok(field(value)),
    }
}

fn line(fields: &[Value]) -> String {
    fields.iter().map(field).collect::<Vec<_>>().join(",")
}

/// RFC 4180. An empty text is quoted, so that it is told from nothing.
fn field(value: &Value) -> String {
    if value.is_none() || value.is_undefined() {
        return String::new();
    }
    let text = value.to_string();
    let is_plain = !text.is_empty() && !text.contains([',', '"', '\r', '\n']);
    if is_plain { text } else { format!("\"{}\"", text.replace('"', "\"\"")) }
}
