//! What Consul answered, read from its recording, and compared.

use crate::agents::Answer;
use serde_json::Value;

/// One request, with what was answered.
pub(super) struct Recorded<'a> {
    /// The line that names it: method and path.
    line: &'a str,
    pub(super) body: &'a str,
    status: u16,
    headers: Vec<(String, &'a str)>,
    answer: &'a str,
}

/// Headers that are part of an answer's meaning.
const MEANING: [&str; 4] = ["x-consul-index", "x-consul-knownleader", "x-consul-lastcontact", "allow"];
/// What differs from run to run, and from one implementation to another.
const NUMBERS: [&str; 5] = ["CreateIndex", "ModifyIndex", "LockIndex", "ContentHash", "Port"];

impl<'a> Recorded<'a> {
    pub(super) fn all(text: &'a str) -> impl Iterator<Item = Self> {
        text.split("### ").skip(1).map(|one| {
            let (head, rest) = one.split_once('\n').expect("a request and its answer");
            let (line, body) = head.split_once(" body=").unwrap_or((head, ""));
            let (first, rest) = rest.split_once('\n').expect("a status");
            let (headers, answer) = rest.split_once("\n\n").unwrap_or((rest, ""));
            let header =
                |line: &'a str| line.split_once(": ").map(|(name, value)| (name.to_ascii_lowercase(), value.trim()));
            Self {
                line: line.trim(),
                body: body.trim(),
                status: first.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status code"),
                headers: headers.lines().filter_map(header).collect(),
                answer: answer.trim_end_matches('\n'),
            }
        })
    }

    /// As the page calls it.
    pub(super) fn name(&self) -> &'a str {
        self.line
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| *value)
    }

    /// What is different; nothing: it is alike.
    pub(super) fn difference(&self, answer: &Answer) -> Option<String> {
        if answer.status != self.status {
            return Some(format!("status {} and not {}: {}", answer.status, self.status, answer.body));
        }
        let present = |name: &&&str| self.header(name).is_some() != answer.header(name).is_some();
        if let Some(name) = MEANING.iter().find(present) {
            return Some(format!("{name} is {:?} and not {:?}", answer.header(name), self.header(name)));
        }
        let kind = |text: Option<&str>| text.map(|text| text.split(';').next().unwrap_or_default().to_owned());
        let (given, wanted) = (kind(answer.header("content-type")), kind(self.header("content-type")));
        if given != wanted {
            return Some(format!("content-type is {given:?} and not {wanted:?}"));
        }
        let (given, wanted) = (alike(&answer.body), alike(self.answer));
        (given != wanted).then(|| format!("\n  {given}\nand not\n  {wanted}"))
    }
}

/// A body without what differs from run to run.
fn alike(body: &str) -> String {
    match serde_json::from_str::<Value>(body) {
        Ok(mut value) => {
            blank(&mut value);
            value.to_string()
        }
        Err(_) => body.trim().to_owned(),
    }
}

fn blank(value: &mut Value) {
    match value {
        Value::Array(all) => all.iter_mut().for_each(blank),
        Value::Object(fields) => {
            for (key, value) in fields.iter_mut() {
                let own_port = key == "Port" && value.as_u64().is_some_and(|port| port > 10_000);
                if NUMBERS.contains(&key.as_str()) && (key != "Port" || own_port) {
                    *value = Value::Null;
                } else {
                    blank(value);
                }
            }
        }
        Value::String(text) => {
            let bytes = text.as_bytes();
            let uuid = bytes.len() == 36 && [8, 13, 18, 23].iter().all(|at| bytes[*at] == b'-');
            let socket = text.parse::<std::net::SocketAddr>().is_ok();
            if uuid || socket {
                *text = "…".to_owned();
            }
        }
        _ => {}
    }
}
