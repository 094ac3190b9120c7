//! Values as bytes. A key is the values of its columns one after the other, so equal keys are equal bytes.

use whither_model::sql::Value;

const NULL: u8 = 0;
const INTEGER: u8 = 1;
const REAL: u8 = 2;
const TEXT: u8 = 3;
const BLOB: u8 = 4;

/// Appends `value`.
pub(crate) fn put(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Null => out.push(NULL),
        Value::Integer(number) => {
            out.push(INTEGER);
            put_varint(out, ((number << 1) ^ (number >> 63)).cast_unsigned());
        }
        Value::Real(number) => {
            out.push(REAL);
            out.extend(number.to_bits().to_be_bytes());
        }
        Value::Text(text) => put_bytes(out, TEXT, text.as_bytes()),
        Value::Blob(bytes) => put_bytes(out, BLOB, bytes),
    }
}

/// Appends a key's value: a number that is whole is kept as such, as SQLite compares it.
pub(crate) fn put_key(out: &mut Vec<u8>, value: &Value) {
    match value {
        #[expect(clippy::cast_possible_truncation, reason = "whole, and within the range in which that is exact")]
        Value::Real(number) if number.fract() == 0.0 && number.abs() < 9.0e15 => {
            put(out, &Value::Integer(*number as i64));
        }
        other => put(out, other),
    }
}

fn put_bytes(out: &mut Vec<u8>, tag: u8, bytes: &[u8]) {
    out.push(tag);
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn put_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push((number as u8) | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Takes the first value off `bytes`; `None` if there is none in good order.
pub(crate) fn take(bytes: &mut &[u8]) -> Option<Value> {
    let (tag, rest) = bytes.split_first()?;
    *bytes = rest;
    Some(match *tag {
        NULL => Value::Null,
        INTEGER => {
            let number = take_varint(bytes)?;
            Value::Integer((number >> 1).cast_signed() ^ -((number & 1).cast_signed()))
        }
        REAL => {
            let (bits, rest) = bytes.split_first_chunk::<8>()?;
            *bytes = rest;
            let number = f64::from_bits(u64::from_be_bytes(*bits));
            if number.is_nan() { Value::Null } else { Value::Real(number) }
        }
        TEXT => Value::Text(str::from_utf8(take_bytes(bytes)?).ok()?.into()),
        BLOB => Value::Blob(take_bytes(bytes)?.into()),
        _ => return None,
    })
}

fn take_bytes<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(take_varint(bytes)?).ok()?;
    let (taken, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(taken)
}

fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

/// Exactly `count` values; `None` if there are more or fewer.
pub(crate) fn take_all(mut bytes: &[u8], count: usize) -> Option<Vec<Value>> {
    let values: Vec<Value> = (0..count).map(|_| take(&mut bytes)).collect::<Option<_>>()?;
    bytes.is_empty().then_some(values)
}

/// One value that is all there is.
pub(crate) fn take_one(bytes: &[u8]) -> Option<Value> {
    let mut rest = bytes;
    take(&mut rest).filter(|_| rest.is_empty())
}

/// A key's values as bytes: equal keys are equal bytes.
#[must_use]
pub fn key_of(values: &[Value]) -> Vec<u8> {
    let mut out = Vec::new();
    values.iter().for_each(|value| put_key(&mut out, value));
    out
}

/// Values as bytes: equal values are equal bytes.
#[must_use]
pub fn row_bytes(values: &[Value]) -> Vec<u8> {
    let mut out = Vec::new();
    values.iter().for_each(|value| put(&mut out, value));
    out
}

/// The values of a key; as far as they can be read.
#[must_use]
pub fn key_values(mut key: &[u8]) -> Vec<Value> {
    std::iter::from_fn(|| take(&mut key)).collect()
}

/// A value as bytes.
pub(crate) fn one(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    put(&mut out, value);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn values() -> impl Strategy<Value = Value> {
        prop_oneof![
            Just(Value::Null),
            any::<i64>().prop_map(Value::Integer),
            any::<f64>().prop_filter("NaN is NULL", |number| !number.is_nan()).prop_map(Value::Real),
            ".{0,20}".prop_map(|text| Value::Text(text.into())),
            prop::collection::vec(any::<u8>(), 0..20).prop_map(|bytes| Value::Blob(bytes.into())),
        ]
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(values in prop::collection::vec(values(), 0..8)) {
            let mut bytes = Vec::new();
            values.iter().for_each(|value| put(&mut bytes, value));
            prop_assert_eq!(take_all(&bytes, values.len()), Some(values));
        }

        #[test]
        fn any_bytes_are_values_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let mut rest = &bytes[..];
            while take(&mut rest).is_some() {}
        }
    }

    #[test]
    fn keys_that_sqlite_takes_for_equal_are_equal_bytes() {
        let key = |value| {
            let mut out = Vec::new();
            put_key(&mut out, &value);
            out
        };
        assert_eq!(key(Value::Real(3.0)), key(Value::Integer(3)));
        assert_eq!(key(Value::Real(-0.0)), key(Value::Integer(0)));
        assert_ne!(key(Value::Real(3.5)), key(Value::Integer(3)));
        assert_ne!(key(Value::Text("3".into())), key(Value::Integer(3)));
    }
}
