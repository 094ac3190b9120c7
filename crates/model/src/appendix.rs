//! What surfaces keep with an instance that has no field for it: a text under a key of its meta, in as many values as it takes.
//!
//! It travels with the instance, needs no change of the wire, and users can see it.

use crate::Invalid;
use crate::limits::META_VALUE_BYTES_MAX;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// Values that one may take.
pub const VALUES_MAX: usize = 8;

/// Meta as an instance has it.
type Meta = Arc<[(Box<str>, Box<str>)]>;

/// Whether an entry with this key is part of the appendix `name`: it is `name`, `name.1`, `name.2` and so on.
#[must_use]
pub fn is_part_of(key: &str, name: &str) -> bool {
    let rest = key.strip_prefix(name);
    rest.is_some_and(|rest| {
        rest.is_empty() || rest.strip_prefix('.').is_some_and(|number| number.parse::<u8>().is_ok())
    })
}

/// The appendix `name` in `meta`, if it has one.
#[must_use]
pub fn read(meta: &[(Box<str>, Box<str>)], name: &str) -> Option<String> {
    let value = |wanted: &str| meta.iter().find(|(key, _)| &**key == wanted).map(|(_, value)| &**value);
    let mut text = String::from(value(name)?);
    for number in 1..VALUES_MAX {
        match value(&format!("{name}.{number}")) {
            Some(more) => text.push_str(more),
            None => break,
        }
    }
    Some(text)
}

/// `meta` with `text` as its appendix `name`, in place of the one it had.
///
/// # Errors
/// It is too long.
pub fn write(meta: &[(Box<str>, Box<str>)], name: &str, text: &str) -> Result<Meta, Invalid> {
    let mut all: Vec<(Box<str>, Box<str>)> = meta.iter().filter(|(key, _)| !is_part_of(key, name)).cloned().collect();
    let mut rest = text;
    for number in 0.. {
        if rest.is_empty() {
            break;
        }
        if number == VALUES_MAX {
            let most = VALUES_MAX * META_VALUE_BYTES_MAX;
            return Err(Invalid::new(name, format!("takes {} bytes; at most {most}", text.len())));
        }
        let end = rest.floor_char_boundary(META_VALUE_BYTES_MAX);
        let key = if number == 0 { name.into() } else { format!("{name}.{number}").into_boxed_str() };
        all.push((key, rest[..end].into()));
        rest = &rest[end..];
    }
    all.sort_unstable();
    Ok(all.into())
}
