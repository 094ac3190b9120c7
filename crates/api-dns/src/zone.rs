//! The zones this server is the authority for, and the names inside them.

use crate::config::ConfigError;

/// The longest zone, octets on the wire. The longest name put before one is
/// `<instance>.instance.<service>.<namespace>` or, for a namespace that needs the long form, one label more.
pub(crate) const ZONE_WIRE_MAX: usize = 54;
const LONGEST_BELOW: usize = 64 + "_instance".len() + 64 + 64;
const _: () = assert!(LONGEST_BELOW + ZONE_WIRE_MAX <= 255, "every name given out must fit (RFC 1035 section 2.3.4)");

/// A zone: its name in lower case as on the wire, ending with the empty label.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Zone {
    wire: Box<[u8]>,
}

impl Zone {
    pub(crate) fn parse(text: &str) -> Result<Self, ConfigError> {
        let refuse = |problem: &str| Err(ConfigError::new("zones", format!("{text:?} {problem}")));
        let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        if name.is_empty() {
            return refuse("is the root; expected a name such as whither.");
        }
        let mut wire = Vec::new();
        for label in name.split('.') {
            let Some(length) = u8::try_from(label.len()).ok().filter(|length| (1..=63).contains(length)) else {
                return refuse("has an empty or over-long label; expected 1 to 63 characters between dots");
            };
            if !label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_') {
                return refuse("has a character other than a-z, 0-9, '-' and '_'");
            }
            wire.push(length);
            wire.extend_from_slice(label.as_bytes());
        }
        wire.push(0);
        if wire.len() > ZONE_WIRE_MAX {
            return refuse("is too long: at most 52 characters, so that every name below it fits");
        }
        Ok(Self { wire: wire.into() })
    }

    /// The name as on the wire.
    pub(crate) fn wire(&self) -> &[u8] {
        &self.wire
    }

    /// `labels` below this zone, as on the wire. Labels longer than 63 octets do not occur: see the callers.
    pub(crate) fn name(&self, labels: &[&[u8]]) -> Box<[u8]> {
        let mut name = Vec::with_capacity(labels.iter().map(|label| label.len() + 1).sum::<usize>() + self.wire.len());
        for label in labels {
            name.push(u8::try_from(label.len()).unwrap_or(0));
            name.extend_from_slice(label);
        }
        name.extend_from_slice(&self.wire);
        name.into()
    }
}

/// The zone with the longest name that `name` (wire form, lower case) is in, and the labels before it, leftmost first.
pub(crate) fn locate<'n>(zones: &[Zone], name: &'n [u8]) -> Option<(usize, Vec<&'n [u8]>)> {
    let mut best: Option<usize> = None;
    for (at, zone) in zones.iter().enumerate() {
        let longer = best.is_none_or(|best| zones[best].wire.len() < zone.wire.len());
        if longer && name.ends_with(&zone.wire) && labels(name).any(|(from, _)| &name[from..] == zone.wire()) {
            best = Some(at);
        }
    }
    let zone = best?;
    let below = name.len() - zones[zone].wire.len();
    Some((zone, labels(name).take_while(|(from, _)| *from < below).map(|(_, label)| label).collect()))
}

/// The labels of a well-formed wire name and where each begins, the root left out.
pub(crate) fn labels(name: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut from = 0;
    std::iter::from_fn(move || {
        let length = usize::from(*name.get(from)?);
        let label = name.get(from + 1..from + 1 + length).filter(|label| !label.is_empty())?;
        let begin = from;
        from += 1 + length;
        Some((begin, label))
    })
}
