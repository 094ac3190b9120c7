//! Values of SQLite as clients read them.

use crate::column::{Field, Format, Kind};
use crate::problem::{Problem, code};
use bytes::{BufMut, BytesMut};
use pgwire::messages::data::DataRow;
use std::fmt::Write as _;
use whither_model::sql::Value;

/// A row, each value as its column promises. What does not fit is written as what it is, in text; in binary it is made to fit.
///
/// # Errors
/// A value that cannot be made to fit, with the way out.
pub(crate) fn row(fields: &[Field], format: impl Fn(usize) -> Format, values: &[Value]) -> Result<DataRow, Problem> {
    let mut data = BytesMut::with_capacity(16 * values.len());
    for (at, (field, value)) in fields.iter().zip(values).enumerate() {
        if matches!(value, Value::Null) {
            data.put_i32(-1);
            continue;
        }
        let begin = data.len();
        data.put_i32(0);
        match format(at) {
            Format::Text => text(field.kind, value, &mut data),
            Format::Binary => binary(field, value, &mut data)?,
        }
        let length = i32::try_from(data.len() - begin - 4);
        let length =
            length.map_err(|_| Problem::new(code::LIMIT, format!("a value of {} is too long to send", field.name)))?;
        data[begin..begin + 4].copy_from_slice(&length.to_be_bytes());
    }
    let count = i16::try_from(fields.len().min(values.len()));
    let count =
        count.map_err(|_| Problem::new(code::LIMIT, "an answer has more columns than the protocol can carry"))?;
    Ok(DataRow::new(data, count))
}

fn text(kind: Kind, value: &Value, out: &mut BytesMut) {
    match (kind, value) {
        (Kind::Bool, value) if truth(value).is_some() => {
            out.put_slice(if truth(value) == Some(true) { b"t" } else { b"f" })
        }
        (Kind::Int, Value::Real(number)) if whole(*number).is_some() => put(out, format_args!("{}", *number as i64)),
        (Kind::Bytes, Value::Text(text)) => hex(text.as_bytes(), out),
        (_, Value::Blob(bytes))
            if kind != Kind::Bytes && std::str::from_utf8(bytes).is_ok_and(|text| !text.contains('\0')) =>
        {
            out.put_slice(bytes);
        }
        (_, Value::Integer(number)) => put(out, format_args!("{number}")),
        (_, Value::Real(number)) => float(*number, out),
        (_, Value::Text(text)) => out.put_slice(text.as_bytes()),
        (_, Value::Blob(bytes)) => hex(bytes, out),
        (_, Value::Null) => {}
    }
}

fn put(out: &mut BytesMut, text: std::fmt::Arguments<'_>) {
    // Writing to memory cannot fail.
    let _ = out.write_fmt(text);
}

fn float(number: f64, out: &mut BytesMut) {
    if number.is_infinite() {
        out.put_slice(if number > 0.0 { b"Infinity" } else { b"-Infinity" });
    } else if number != 0.0 && !(1e-5..1e15).contains(&number.abs()) {
        put(out, format_args!("{number:e}"));
    } else {
        put(out, format_args!("{number}"));
    }
}

fn hex(bytes: &[u8], out: &mut BytesMut) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.reserve(2 + 2 * bytes.len());
    out.put_slice(b"\\x");
    for byte in bytes {
        out.put_u8(DIGITS[usize::from(byte >> 4)]);
        out.put_u8(DIGITS[usize::from(byte & 15)]);
    }
}

fn binary(field: &Field, value: &Value, out: &mut BytesMut) -> Result<(), Problem> {
    let misfit = |promised: &str| {
        let shown = match value {
            Value::Text(text) => format!("{:?}", crate::tokens::beginning(text)),
            Value::Blob(bytes) => format!("{} bytes", bytes.len()),
            Value::Integer(number) => number.to_string(),
            Value::Real(number) => number.to_string(),
            Value::Null => "NULL".into(),
        };
        let problem = format!("a value of {:?} is {shown}, which is no {promised} as its column promises", field.name);
        Problem::new(code::BAD_VALUE, problem).hint("ask for it as CAST(… AS TEXT), or in text format")
    };
    match field.kind {
        Kind::Bool => out.put_u8(u8::from(truth(value).ok_or_else(|| misfit("truth value"))?)),
        Kind::Int => out.put_i64(match value {
            Value::Integer(number) => *number,
            Value::Real(number) => whole(number.round()).ok_or_else(|| misfit("whole number"))?,
            other => plain(other).and_then(|text| text.trim().parse().ok()).ok_or_else(|| misfit("whole number"))?,
        }),
        #[expect(clippy::cast_precision_loss, reason = "the column promises a float")]
        Kind::Float => out.put_f64(match value {
            Value::Integer(number) => *number as f64,
            Value::Real(number) => *number,
            other => plain(other).and_then(|text| text.trim().parse().ok()).ok_or_else(|| misfit("number"))?,
        }),
        Kind::Bytes => match value {
            Value::Blob(bytes) => out.put_slice(bytes),
            other => text(Kind::Text, other, out),
        },
        Kind::Text => text(Kind::Text, value, out),
        Kind::Texts | Kind::Bools => {
            return Err(Problem::unsupported("lists are sent as text only; ask for them in text format"));
        }
    }
    Ok(())
}

fn plain(value: &Value) -> Option<&str> {
    match value {
        Value::Text(text) => Some(text),
        Value::Blob(bytes) => std::str::from_utf8(bytes).ok(),
        _ => None,
    }
}

/// What a value says as a truth value, if it says one.
fn truth(value: &Value) -> Option<bool> {
    match value {
        Value::Integer(number @ (0 | 1)) => Some(*number == 1),
        Value::Integer(_) => Some(true),
        Value::Real(number) => Some(*number != 0.0),
        other => match plain(other)?.to_ascii_lowercase().as_str() {
            "t" | "true" | "1" | "on" | "yes" => Some(true),
            "f" | "false" | "0" | "off" | "no" => Some(false),
            _ => None,
        },
    }
}

#[expect(clippy::cast_possible_truncation, reason = "checked: it is whole and in range")]
fn whole(number: f64) -> Option<i64> {
    let fits = number.fract() == 0.0 && (-9.2e18..9.2e18).contains(&number);
    fits.then_some(number as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(kind: Kind, format: Format, value: Value) -> Result<Vec<u8>, Problem> {
        row(&[Field::new("a", kind)], |_| format, &[value]).map(|row| row.data[4..].to_vec())
    }

    fn shown(kind: Kind, value: Value) -> String {
        String::from_utf8(one(kind, Format::Text, value).unwrap()).unwrap()
    }

    #[test]
    fn values_are_written_as_people_read_them() {
        let text = |text: &str| Value::Text(text.into());
        for (kind, value, expected) in [
            (Kind::Int, Value::Integer(-5), "-5"),
            (Kind::Int, Value::Real(2.0), "2"),
            (Kind::Int, text("abc"), "abc"),
            (Kind::Float, Value::Real(1.5), "1.5"),
            (Kind::Float, Value::Integer(3), "3"),
            (Kind::Float, Value::Real(f64::INFINITY), "Infinity"),
            (Kind::Float, Value::Real(1e300), "1e300"),
            (Kind::Bool, Value::Integer(1), "t"),
            (Kind::Bool, Value::Integer(0), "f"),
            (Kind::Bool, text("true"), "t"),
            (Kind::Bool, text("perhaps"), "perhaps"),
            (Kind::Text, text("a"), "a"),
            (Kind::Text, Value::Blob(b"ab".as_slice().into()), "ab"),
            (Kind::Text, Value::Blob([0xff].into()), "\\xff"),
            (Kind::Bytes, Value::Blob([0xde, 0xad].into()), "\\xdead"),
            (Kind::Bytes, text("a"), "\\x61"),
        ] {
            assert_eq!(shown(kind, value.clone()), expected, "{kind:?} {value:?}");
        }
    }

    #[test]
    fn values_are_made_to_fit_in_binary() {
        let text = |text: &str| Value::Text(text.into());
        for (kind, value, expected) in [
            (Kind::Int, Value::Integer(1), 1_i64.to_be_bytes().to_vec()),
            (Kind::Int, Value::Real(1.6), 2_i64.to_be_bytes().to_vec()),
            (Kind::Int, text(" 7 "), 7_i64.to_be_bytes().to_vec()),
            (Kind::Float, text("0.5"), 0.5_f64.to_be_bytes().to_vec()),
            (Kind::Float, Value::Integer(2), 2_f64.to_be_bytes().to_vec()),
            (Kind::Bool, Value::Integer(1), vec![1]),
            (Kind::Text, Value::Integer(12), b"12".to_vec()),
            (Kind::Bytes, text("a"), b"a".to_vec()),
        ] {
            assert_eq!(one(kind, Format::Binary, value.clone()).unwrap(), expected, "{kind:?} {value:?}");
        }
        let refused = one(Kind::Int, Format::Binary, text("abc")).unwrap_err();
        assert_eq!((refused.code, refused.hint.is_some()), ("22P02", true));
    }

    #[test]
    fn nothing_is_nothing() {
        let row = row(&[Field::new("a", Kind::Int)], |_| Format::Binary, &[Value::Null]).unwrap();
        assert_eq!(&row.data[..], (-1_i32).to_be_bytes());
    }
}
