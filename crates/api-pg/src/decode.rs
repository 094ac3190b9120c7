//! Parameters of clients as SQLite takes them.

use crate::column::Format;
use crate::problem::{Problem, code};
use whither_model::sql::Value;

/// Types of parameters, by their numbers in PostgreSQL's catalog.
pub(crate) mod oid {
    pub(crate) const BOOL: u32 = 16;
    pub(crate) const BYTEA: u32 = 17;
    pub(crate) const INT8: u32 = 20;
    pub(crate) const INT2: u32 = 21;
    pub(crate) const INT4: u32 = 23;
    pub(crate) const TEXT: u32 = 25;
    pub(crate) const OID: u32 = 26;
    pub(crate) const JSON: u32 = 114;
    pub(crate) const FLOAT4: u32 = 700;
    pub(crate) const FLOAT8: u32 = 701;
    pub(crate) const DATE: u32 = 1_082;
    pub(crate) const TIME: u32 = 1_083;
    pub(crate) const TIMESTAMP: u32 = 1_114;
    pub(crate) const TIMESTAMPTZ: u32 = 1_184;
    pub(crate) const NUMERIC: u32 = 1_700;
    pub(crate) const UUID: u32 = 2_950;
    pub(crate) const JSONB: u32 = 3_802;
    /// Name, character types and the unknown one: all of them text.
    pub(crate) const TEXTS: [u32; 6] = [0, 18, 19, 705, 1_042, 1_043];
}

/// The value of parameter `number`, from 1, of a type that was declared (0: none was).
///
/// # Errors
/// It is not what its type says, or its type is not known here in binary.
pub(crate) fn parameter(number: usize, kind: u32, format: Format, bytes: &[u8]) -> Result<Value, Problem> {
    match format {
        Format::Text => {
            let text = std::str::from_utf8(bytes).ok().filter(|text| !text.contains('\0'));
            let text = text.ok_or_else(|| Problem::new("22021", format!("parameter ${number} is no UTF-8")))?;
            from_text(kind, text).ok_or_else(|| {
                let shown = crate::tokens::beginning(text);
                Problem::new(code::BAD_VALUE, format!("parameter ${number} is {shown:?}, which is no {}", name(kind)))
            })
        }
        Format::Binary => match from_binary(kind, bytes) {
            Some(value) => Ok(value),
            None if is_known(kind) => {
                let what = format!("the {} bytes of parameter ${number} are no {} in binary", bytes.len(), name(kind));
                Err(Problem::new("22P03", what))
            }
            None => Err(Problem::unsupported(format!(
                "parameter ${number} is of type {kind} in binary, which is not known here; send it as text"
            ))),
        },
    }
}

fn is_known(kind: u32) -> bool {
    name(kind) != "value of its type"
}

fn name(kind: u32) -> &'static str {
    match kind {
        oid::BOOL => "truth value",
        oid::BYTEA => "bytes",
        oid::INT2 | oid::INT4 | oid::INT8 | oid::OID => "whole number",
        oid::FLOAT4 | oid::FLOAT8 | oid::NUMERIC => "number",
        oid::DATE => "date",
        oid::TIME => "time of day",
        oid::TIMESTAMP | oid::TIMESTAMPTZ => "time",
        oid::UUID => "UUID",
        oid::TEXT | oid::JSON | oid::JSONB => "text",
        kind if oid::TEXTS.contains(&kind) => "text",
        _ => "value of its type",
    }
}

fn from_text(kind: u32, text: &str) -> Option<Value> {
    Some(match kind {
        oid::BOOL => Value::Integer(match text.trim().to_ascii_lowercase().as_str() {
            "t" | "tr" | "tru" | "true" | "y" | "yes" | "on" | "1" => 1,
            "f" | "fa" | "fal" | "false" | "n" | "no" | "off" | "0" => 0,
            _ => return None,
        }),
        oid::INT2 | oid::INT4 | oid::INT8 | oid::OID => Value::Integer(text.trim().parse().ok()?),
        oid::FLOAT4 | oid::FLOAT8 => real(text.trim().parse().ok()?),
        oid::NUMERIC => number(text.trim())?,
        oid::BYTEA => Value::Blob(bytea(text)?.into()),
        _ => Value::Text(text.into()),
    })
}

/// SQLite has no NaN.
fn real(number: f64) -> Value {
    if number.is_nan() { Value::Null } else { Value::Real(number) }
}

fn number(text: &str) -> Option<Value> {
    match text.parse() {
        Ok(whole) => Some(Value::Integer(whole)),
        Err(_) => text.parse().ok().map(real),
    }
}

/// Bytes in either of the two ways to write them.
fn bytea(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    if let Some(digits) = text.strip_prefix("\\x") {
        let pairs = digits.as_bytes().chunks(2);
        return pairs.map(|pair| Some(digit(pair[0])? << 4 | digit(*pair.get(1)?)?)).collect();
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        if first != b'\\' {
            bytes.push(first);
        } else if rest.first() == Some(&b'\\') {
            bytes.push(b'\\');
            rest = &rest[1..];
        } else {
            let octal = std::str::from_utf8(rest.get(..3)?).ok()?;
            bytes.push(u8::from_str_radix(octal, 8).ok()?);
            rest = &rest[3..];
        }
    }
    Some(bytes)
}

fn from_binary(kind: u32, bytes: &[u8]) -> Option<Value> {
    Some(match kind {
        oid::BOOL => Value::Integer(i64::from(*bytes.first().filter(|_| bytes.len() == 1)? != 0)),
        oid::INT2 => Value::Integer(i16::from_be_bytes(bytes.try_into().ok()?).into()),
        oid::INT4 => Value::Integer(i32::from_be_bytes(bytes.try_into().ok()?).into()),
        oid::OID => Value::Integer(u32::from_be_bytes(bytes.try_into().ok()?).into()),
        oid::INT8 => Value::Integer(i64::from_be_bytes(bytes.try_into().ok()?)),
        oid::FLOAT4 => real(f32::from_be_bytes(bytes.try_into().ok()?).into()),
        oid::FLOAT8 => real(f64::from_be_bytes(bytes.try_into().ok()?)),
        oid::NUMERIC => number(&numeric(bytes)?)?,
        oid::BYTEA => Value::Blob(bytes.into()),
        oid::UUID => Value::Text(uuid(bytes.try_into().ok()?).into()),
        oid::JSONB => Value::Text(std::str::from_utf8(bytes.strip_prefix(&[1])?).ok()?.into()),
        oid::DATE => Value::Text(date(i32::from_be_bytes(bytes.try_into().ok()?).into())?.into()),
        oid::TIME => Value::Text(time_of_day(i64::from_be_bytes(bytes.try_into().ok()?))?.into()),
        oid::TIMESTAMP | oid::TIMESTAMPTZ => {
            let zone = if kind == oid::TIMESTAMPTZ { "+00:00" } else { "" };
            let micros = i64::from_be_bytes(bytes.try_into().ok()?);
            let (days, rest) = (micros.div_euclid(DAY_MICROS), micros.rem_euclid(DAY_MICROS));
            Value::Text(format!("{} {}{zone}", date(days)?, time_of_day(rest)?).into())
        }
        // Who says nothing of a type, and sends bytes, means bytes.
        0 => Value::Blob(bytes.into()),
        oid::TEXT | oid::JSON => Value::Text(std::str::from_utf8(bytes).ok()?.into()),
        kind if oid::TEXTS.contains(&kind) => Value::Text(std::str::from_utf8(bytes).ok()?.into()),
        _ => return None,
    })
}

const DAY_MICROS: i64 = 86_400_000_000;

/// A day, counted from the first of 2000, as it is written. The calendar is the one of Howard Hinnant's `civil_from_days`.
fn date(days: i64) -> Option<String> {
    let shifted = days.checked_add(730_425)?;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    // SQLite's own functions know these years.
    (0..=9_999).contains(&year).then(|| format!("{year:04}-{month:02}-{day:02}"))
}

fn time_of_day(micros: i64) -> Option<String> {
    if !(0..=DAY_MICROS).contains(&micros) {
        return None;
    }
    let (seconds, part) = (micros / 1_000_000, micros % 1_000_000);
    let text = format!("{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60);
    Some(if part == 0 { text } else { format!("{text}.{part:06}") })
}

fn uuid(bytes: [u8; 16]) -> String {
    let mut text = String::with_capacity(36);
    for (at, byte) in bytes.iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.push_str(&format!("{byte:02x}"));
    }
    text
}

/// A number as PostgreSQL sends it: digits of base 10 000, and where the point is.
fn numeric(bytes: &[u8]) -> Option<String> {
    let word = |at: usize| bytes.get(2 * at..2 * at + 2).map(|pair| i16::from_be_bytes([pair[0], pair[1]]));
    let (digits, weight, sign, scale) = (word(0)?, word(1)?, word(2)?.cast_unsigned(), word(3)?);
    match sign {
        0 | 0x4000 => {}
        0xd000 => return Some("inf".into()),
        0xf000 => return Some("-inf".into()),
        _ => return Some("nan".into()),
    }
    let digit = |place: i16| {
        let at = weight - place;
        if (0..digits).contains(&at) { word(4 + usize::try_from(at).ok()?) } else { Some(0) }
    };
    if !(-2_000..=2_000).contains(&weight) || !(0..=8_000).contains(&scale) {
        return None;
    }
    let mut text = String::from(if sign == 0x4000 { "-" } else { "" });
    for place in (0..=weight.max(0)).rev() {
        let digit = digit(place)?;
        if place == weight.max(0) { text.push_str(&digit.to_string()) } else { text.push_str(&format!("{digit:04}")) }
    }
    if scale > 0 {
        let mut fraction = String::new();
        let mut place = -1;
        while fraction.len() < usize::try_from(scale).ok()? {
            fraction.push_str(&format!("{:04}", digit(place)?));
            place -= 1;
        }
        fraction.truncate(usize::try_from(scale).ok()?);
        text.push('.');
        text.push_str(&fraction);
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Value {
        Value::Text(text.into())
    }

    #[test]
    fn text_becomes_what_its_type_says() {
        for (kind, given, value) in [
            (oid::INT4, "42", Value::Integer(42)),
            (oid::BOOL, "t", Value::Integer(1)),
            (oid::BOOL, "FALSE", Value::Integer(0)),
            (oid::FLOAT8, "1e3", Value::Real(1000.0)),
            (oid::FLOAT8, "NaN", Value::Null),
            (oid::NUMERIC, "12", Value::Integer(12)),
            (oid::NUMERIC, "12.5", Value::Real(12.5)),
            (oid::BYTEA, "\\xDEad", Value::Blob([0xde, 0xad].into())),
            (oid::BYTEA, "a\\\\b\\001", Value::Blob(b"a\\b\x01".as_slice().into())),
            (oid::TIMESTAMP, "2026-01-02 03:04:05", text("2026-01-02 03:04:05")),
            (0, "42", text("42")),
            (99_999, "x", text("x")),
        ] {
            assert_eq!(parameter(1, kind, Format::Text, given.as_bytes()).unwrap(), value, "{kind} {given}");
        }
        for (kind, given) in [(oid::INT4, "a"), (oid::BOOL, "maybe"), (oid::BYTEA, "\\x1"), (oid::BYTEA, "\\9")] {
            assert_eq!(parameter(1, kind, Format::Text, given.as_bytes()).unwrap_err().code, "22P02", "{given}");
        }
        assert_eq!(parameter(1, 25, Format::Text, &[0xff]).unwrap_err().code, "22021");
    }

    #[test]
    fn binary_becomes_what_its_type_says() {
        let numeric = |words: &[i16]| words.iter().flat_map(|word| word.to_be_bytes()).collect::<Vec<_>>();
        for (kind, given, value) in [
            (oid::INT2, vec![0xff, 0xfe], Value::Integer(-2)),
            (oid::INT4, vec![0, 0, 1, 0], Value::Integer(256)),
            (oid::INT8, 7_i64.to_be_bytes().to_vec(), Value::Integer(7)),
            (oid::FLOAT4, 0.5_f32.to_be_bytes().to_vec(), Value::Real(0.5)),
            (oid::BOOL, vec![1], Value::Integer(1)),
            (oid::TEXT, b"a".to_vec(), text("a")),
            (0, b"a".to_vec(), Value::Blob(b"a".as_slice().into())),
            (oid::JSONB, b"\x01{}".to_vec(), text("{}")),
            (oid::UUID, (0..16).collect(), text("00010203-0405-0607-0809-0a0b0c0d0e0f")),
            (oid::DATE, 0_i32.to_be_bytes().to_vec(), text("2000-01-01")),
            (oid::DATE, (-1_i32).to_be_bytes().to_vec(), text("1999-12-31")),
            (oid::DATE, 9_555_i32.to_be_bytes().to_vec(), text("2026-02-28")),
            (oid::TIMESTAMP, 86_461_500_000_i64.to_be_bytes().to_vec(), text("2000-01-02 00:01:01.500000")),
            (oid::TIMESTAMPTZ, (-1_000_000_i64).to_be_bytes().to_vec(), text("1999-12-31 23:59:59+00:00")),
            (oid::NUMERIC, numeric(&[2, 1, 0, 0, 1, 2345]), Value::Integer(12_345)),
            (oid::NUMERIC, numeric(&[2, 0, 0x4000, 2, 3, 1500]), Value::Real(-3.15)),
            (oid::NUMERIC, numeric(&[1, -1, 0, 3, 50]), Value::Real(0.005)),
        ] {
            assert_eq!(parameter(1, kind, Format::Binary, &given).unwrap(), value, "{kind}");
        }
        assert_eq!(parameter(2, oid::INT4, Format::Binary, &[1]).unwrap_err().code, "22P03");
        assert_eq!(parameter(2, 99_999, Format::Binary, &[1]).unwrap_err().code, "0A000");
    }
}
