//! Reads by hand what nearly every client sends: one question of class IN, with or without EDNS.
//!
//! Whatever else arrives is left to [`crate::unusual`], which has a whole parser. Nothing is allocated here.

/// The fixed part of every message (RFC 1035 section 4.1.1), octets.
pub(crate) const HEADER: usize = 12;
/// Longest name on the wire (RFC 1035 section 2.3.4), octets.
pub(crate) const NAME_MAX: usize = 255;
const CLASS_IN: u16 = 1;
const TYPE_OPT: u16 = 41;
const OPTION_NSID: u16 = 3;
/// Name (root), type, class, TTL and length of an OPT record (RFC 6891 section 6.1.2), octets.
pub(crate) const OPT_FIXED: usize = 11;

/// Types that are not looked up but mean something to the server: OPT, and 128–255 (RFC 6895 section 3.1).
fn is_meta(qtype: u16) -> bool {
    qtype == TYPE_OPT || (128..=255).contains(&qtype)
}

/// What to do with a datagram.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    /// The [`Question`] was filled in.
    Usual,
    /// It has a header and is a query, the rest needs a closer look.
    Unusual,
    /// Shorter than a header: there is nobody to answer.
    TooShort,
    /// A response. Answering one could begin an endless exchange between two servers.
    Response,
}

/// What the client's OPT record says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Edns {
    /// The largest UDP answer it takes, octets; at least 512 (RFC 6891 section 6.2.3).
    pub(crate) payload: u16,
    /// The DO bit, which the answer repeats (RFC 3225 section 3).
    pub(crate) dnssec_ok: bool,
}

/// A question as asked. One is reused for every datagram.
#[derive(Debug)]
pub(crate) struct Question {
    name: [u8; NAME_MAX],
    length: usize,
    /// What is asked for.
    pub(crate) qtype: u16,
    /// What EDNS there was.
    pub(crate) edns: Option<Edns>,
}

impl Question {
    pub(crate) fn new() -> Self {
        Self { name: [0; NAME_MAX], length: 1, qtype: 0, edns: None }
    }

    /// The name in lower case, as on the wire.
    pub(crate) fn name(&self) -> &[u8] {
        &self.name[..self.length]
    }

    /// Where the question section ends in the message it was read from.
    pub(crate) fn end(&self) -> usize {
        HEADER + self.length + 4
    }

    /// Reads `message`. The fields mean something only after [`Verdict::Usual`].
    pub(crate) fn read(&mut self, message: &[u8]) -> Verdict {
        let Some((header, rest)) = message.split_first_chunk::<HEADER>() else { return Verdict::TooShort };
        if header[2] & 0x80 != 0 {
            return Verdict::Response;
        }
        let additional = match header[4..] {
            [0, 1, 0, 0, 0, 0, 0, additional @ 0..=1] if header[2] & 0x78 == 0 => additional,
            _ => return Verdict::Unusual,
        };
        match self.read_question(rest) {
            Some(rest) if additional == 0 && rest.is_empty() => self.edns = None,
            Some(rest) if additional == 1 => match read_edns(rest) {
                Some(edns) => self.edns = Some(edns),
                None => return Verdict::Unusual,
            },
            _ => return Verdict::Unusual,
        }
        Verdict::Usual
    }

    /// Fills in name and type, and returns what follows the question.
    fn read_question<'m>(&mut self, rest: &'m [u8]) -> Option<&'m [u8]> {
        let mut at = 0;
        loop {
            let length = usize::from(*rest.get(at)?);
            at += 1;
            if length == 0 {
                break;
            }
            // 64 and above are compression pointers and reserved forms, which a lone question has no use for.
            if length > 63 || at + length >= NAME_MAX {
                return None;
            }
            at += length;
        }
        let (name, rest) = rest.split_at_checked(at)?;
        let (&[t0, t1, c0, c1], rest) = rest.split_first_chunk::<4>()?;
        self.qtype = u16::from_be_bytes([t0, t1]);
        if u16::from_be_bytes([c0, c1]) != CLASS_IN || is_meta(self.qtype) {
            return None;
        }
        let lowered = self.name.get_mut(..at)?;
        lowered.copy_from_slice(name);
        // Lengths are at most 63 and letters begin at 65, so lengths pass unchanged.
        lowered.make_ascii_lowercase();
        self.length = at;
        Some(rest)
    }
}

/// Reads an OPT record that is all of `rest` and asks for nothing that the server would have to add.
fn read_edns(rest: &[u8]) -> Option<Edns> {
    let (fixed, mut options) = rest.split_first_chunk::<OPT_FIXED>()?;
    let &[0, t0, t1, p0, p1, _, version, flags, _, l0, l1] = fixed else { return None };
    if u16::from_be_bytes([t0, t1]) != TYPE_OPT || version != 0 {
        return None;
    }
    if usize::from(u16::from_be_bytes([l0, l1])) != options.len() {
        return None;
    }
    // Options that the server does not know are ignored (RFC 6891 section 6.1.2), if they are at least well formed.
    while let Some((&[c0, c1, l0, l1], rest)) = options.split_first_chunk::<4>() {
        if u16::from_be_bytes([c0, c1]) == OPTION_NSID {
            return None;
        }
        options = rest.get(usize::from(u16::from_be_bytes([l0, l1]))..)?;
    }
    let payload = u16::from_be_bytes([p0, p1]).max(512);
    options.is_empty().then_some(Edns { payload, dnssec_ok: flags & 0x80 != 0 })
}
