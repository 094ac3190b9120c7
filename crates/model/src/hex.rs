//! Sixteen hexadecimal digits: how ids that are numbers are written.

use core::num::NonZeroU64;

/// Reads exactly sixteen digits, not all of them zero.
pub(crate) fn parse(text: &str) -> Option<NonZeroU64> {
    let digits = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    NonZeroU64::new(u64::from_str_radix(text, 16).ok().filter(|_| digits)?)
}
