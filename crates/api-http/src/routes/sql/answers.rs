//! What SQL is answered with.

use crate::answer::JSON;
use crate::convert::sql::{put_csv, put_csv_text, put_value, put_values};
use crate::json;
use axum::body::Body;
use axum::http::Response;
use axum::http::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue};
use bytes::Bytes;
use serde::Serialize;
use std::convert::Infallible;
use std::time::{Duration, Instant};
use whither_directory::Identity;
use whither_directory::sql::{Rows, SqlRefusal, Transacted};
use whither_model::sql::{StatementResult, Value};

/// How rows are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Format {
    /// A JSON document per line.
    Ndjson,
    /// RFC 4180, with a line of names first.
    Csv,
}

impl Format {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let wants = |value: &HeaderValue| value.to_str().is_ok_and(|text| text.contains("text/csv"));
        if headers.get_all(ACCEPT).iter().any(wants) { Self::Csv } else { Self::Ndjson }
    }

    pub(super) fn media_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Ndjson => "application/x-ndjson",
            Self::Csv => "text/csv; charset=utf-8; header=present",
        })
    }
}

/// What came of a transaction.
pub(super) fn transacted(made: &Transacted, took: Duration, own: &Identity) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    out.extend_from_slice(b"{\"results\":[");
    for (at, result) in made.results.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        put_result(&mut out, result);
    }
    out.extend_from_slice(b"],\"time\":");
    put_value(&mut out, &Value::Real(took.as_secs_f64()));
    if let Some(place) = made.place {
        out.extend_from_slice(b",\"version\":");
        put_value(&mut out, &Value::Integer(place.seq.0.cast_signed()));
        out.extend_from_slice(b",\"place\":");
        json::put(&mut out, &place.to_string());
    }
    out.extend_from_slice(b",\"actor_id\":");
    json::put(&mut out, &own.node.to_string());
    out.extend_from_slice(b"}\n");
    out
}

fn put_result(out: &mut Vec<u8>, result: &StatementResult) {
    out.extend_from_slice(b"{\"rows_affected\":");
    out.extend_from_slice(itoa::Buffer::new().format(result.rows_affected).as_bytes());
    if !result.columns.is_empty() {
        out.extend_from_slice(b",\"columns\":");
        json::put(out, &result.columns);
        out.extend_from_slice(b",\"rows\":[");
        for (at, row) in result.rows.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            put_values(out, row);
        }
        out.push(b']');
    }
    out.push(b'}');
}

pub(super) fn json(body: Vec<u8>) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    response
}

#[derive(Serialize)]
struct End {
    eoq: EndOfQuery,
}

#[derive(Serialize)]
struct EndOfQuery {
    /// Seconds that it took, the last row included.
    time: f64,
    rows: u64,
    /// How old, at most, users' tables are.
    age_ms: u64,
}

#[derive(Serialize)]
struct Ended {
    error: String,
}

/// The state of an answer under way.
struct Answer {
    rows: Rows,
    format: Format,
    began: Instant,
    age: Duration,
    told: u64,
    stage: Stage,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Head,
    Rows,
    Over,
}

/// How long the first piece is waited for to become the whole.
const MOMENT: Duration = Duration::from_millis(5);
/// An answer that is longer comes in pieces.
const WHOLE_BYTES_MAX: usize = 32 * 1024;

/// The body of an answer: in one piece, with its length, if it is short and quick; piece by piece otherwise.
pub(super) async fn rows(rows: Rows, format: Format, began: Instant, age: Duration) -> Body {
    let mut answer = Answer { rows, format, began, age, told: 0, stage: Stage::Head };
    let mut first = Vec::new();
    let until = tokio::time::Instant::now() + MOMENT;
    while answer.stage != Stage::Over && first.len() < WHOLE_BYTES_MAX {
        match tokio::time::timeout_at(until, answer.next()).await {
            Ok(Some(piece)) => first.extend(piece),
            Ok(None) | Err(_) => break,
        }
    }
    if answer.stage == Stage::Over {
        return Body::from(first);
    }
    let rest = futures_util::stream::unfold(answer, |mut answer| async move {
        let piece = answer.next().await?;
        Some((Ok::<_, Infallible>(Bytes::from(piece)), answer))
    });
    let first = futures_util::stream::iter([Ok(Bytes::from(first))]);
    Body::from_stream(futures_util::StreamExt::chain(first, rest))
}

impl Answer {
    async fn next(&mut self) -> Option<Vec<u8>> {
        let mut out = Vec::with_capacity(4 * 1024);
        match self.stage {
            Stage::Over => return None,
            Stage::Head => {
                self.put_head(&mut out);
                self.stage = Stage::Rows;
                // The first rows are usually there already: one piece instead of two.
                let ready = self.rows.rows.try_recv();
                if let Ok(lot) = ready {
                    self.put_lot(&mut out, lot);
                }
            }
            Stage::Rows => match self.rows.rows.recv().await {
                Some(lot) => self.put_lot(&mut out, lot),
                None => self.put_end(&mut out),
            },
        }
        Some(out)
    }

    fn put_head(&self, out: &mut Vec<u8>) {
        let names: Vec<&str> = self.rows.columns.iter().map(|column| column.name.as_str()).collect();
        match self.format {
            Format::Ndjson => {
                out.extend_from_slice(b"{\"columns\":");
                json::put(out, &names);
                out.extend_from_slice(b"}\n");
            }
            Format::Csv => {
                for (at, name) in names.iter().enumerate() {
                    if at > 0 {
                        out.push(b',');
                    }
                    put_csv_text(out, name);
                }
                out.extend_from_slice(b"\r\n");
            }
        }
    }

    fn put_lot(&mut self, out: &mut Vec<u8>, lot: Result<Vec<Vec<Value>>, SqlRefusal>) {
        match lot {
            Ok(rows) => {
                for row in rows {
                    self.told += 1;
                    match self.format {
                        Format::Ndjson => {
                            out.extend_from_slice(b"{\"row\":[");
                            out.extend_from_slice(itoa::Buffer::new().format(self.told).as_bytes());
                            out.push(b',');
                            put_values(out, &row);
                            out.extend_from_slice(b"]}\n");
                        }
                        Format::Csv => put_csv(out, &row),
                    }
                }
            }
            Err(refusal) => {
                self.stage = Stage::Over;
                if self.format == Format::Ndjson {
                    json::put(out, &Ended { error: refusal.to_string() });
                    out.push(b'\n');
                } else {
                    // CSV has no word for it: what came is not all, and says so.
                    out.extend_from_slice(format!("\r\n# the answer ends early: {refusal}\r\n").as_bytes());
                }
            }
        }
    }

    fn put_end(&mut self, out: &mut Vec<u8>) {
        self.stage = Stage::Over;
        if self.format == Format::Ndjson {
            let age_ms = u64::try_from(self.age.as_millis()).unwrap_or(u64::MAX);
            let eoq = EndOfQuery { time: self.began.elapsed().as_secs_f64(), rows: self.told, age_ms };
            json::put(out, &End { eoq });
            out.push(b'\n');
        }
    }
}
