//! Records to octets, once; and whole messages from such octets, every time.
//!
//! Invariant: the only compression pointers (RFC 1035 section 4.1.4) point into the question, which is always at the same
//! place. So encoded records may be cut off, left out and put in another order without looking at them again.

use crate::question::{Edns, HEADER, OPT_FIXED};
use crate::resolve::{Data, Found, SERVER_LABEL, SRV_PRIORITY, qtype};
use crate::section::Section;
use crate::zone::{Zone, labels};
use std::net::IpAddr;

/// Response codes (RFC 1035 section 4.1.1, RFC 6891 section 9).
pub(crate) mod rcode {
    pub(crate) const NOERROR: u8 = 0;
    pub(crate) const FORMERR: u8 = 1;
    pub(crate) const SERVFAIL: u8 = 2;
    pub(crate) const NXDOMAIN: u8 = 3;
    pub(crate) const NOTIMP: u8 = 4;
    pub(crate) const REFUSED: u8 = 5;
}

const CLASS_IN: u16 = 1;
const TYPE_OPT: u16 = 41;
const QR: u8 = 0x80;
const AA: u8 = 0x04;
/// The third octet of a header: not everything fitted.
pub(crate) const TC: u8 = 0x02;
const RD: u8 = 0x01;
const POINTER: u16 = 0xC000;

/// The mailbox of SOA records, below the zone.
pub(crate) const MAILBOX: &[u8] = b"hostmaster";
/// Refresh, retry and expire of SOA records, seconds: there are no secondaries, these only have to be sane.
pub(crate) const SOA_TIMES: [u32; 3] = [3600, 600, 86_400];
/// What the minimal answer to ANY says (RFC 8482 section 4.2).
pub(crate) const HINFO_CPU: &[u8] = b"RFC8482";

/// An answer without its header and question.
#[derive(Debug, Default)]
pub(crate) struct Encoded {
    rcode: u8,
    answers: Section,
    additionals: Section,
}

impl Encoded {
    /// Whether the name exists, and whether it has records of the type asked for.
    pub(crate) fn outcome(&self) -> (u8, bool) {
        (self.rcode, !self.answers.is_empty())
    }

    /// Memory held, octets.
    pub(crate) fn octets(&self) -> usize {
        self.answers.held() + self.additionals.held()
    }

    /// Gives back the memory that was only needed while it grew.
    pub(crate) fn shrink(&mut self) {
        self.answers.shrink();
        self.additionals.shrink();
    }
}

/// What every SOA record of this server says (RFC 1035 section 3.3.13).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Soa {
    /// The label of the server, before `node` and the zone.
    pub(crate) server: [u8; SERVER_LABEL],
    /// Rises with every change.
    pub(crate) serial: u32,
    /// How long "no" may be kept (RFC 2308 section 4), seconds.
    pub(crate) minimum: u32,
}

/// Encodes for one question.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Encoder<'a> {
    /// The name asked for, lower case, as on the wire.
    pub(crate) name: &'a [u8],
    /// The zone it is in.
    pub(crate) zone: &'a Zone,
    /// Of positive answers, seconds.
    pub(crate) ttl: u32,
    pub(crate) soa: Soa,
}

impl Encoder<'_> {
    pub(crate) fn encode(&self, found: &Found) -> Encoded {
        let rcode = if found.exists { rcode::NOERROR } else { rcode::NXDOMAIN };
        let mut encoded = Encoded { rcode, ..Encoded::default() };
        for data in &found.records {
            encoded.answers.push(|out| self.record(out, data));
        }
        for (name, ip) in &found.additionals {
            encoded.additionals.push(|out| {
                self.put_name(out, name);
                self.put_address(out, *ip);
            });
        }
        encoded
    }

    fn record(&self, out: &mut Vec<u8>, data: &Data) {
        put_u16(out, POINTER | HEADER as u16);
        match data {
            Data::A(ip) => self.put_address(out, (*ip).into()),
            Data::Aaaa(ip) => self.put_address(out, (*ip).into()),
            Data::Srv { weight, port, target } => self.put(out, qtype::SRV, |out| {
                put_u16(out, SRV_PRIORITY);
                put_u16(out, *weight);
                put_u16(out, *port);
                // Not compressed: RFC 2782 forbids it.
                out.extend_from_slice(target);
            }),
            Data::Txt(strings) => self.put(out, qtype::TXT, |out| strings.iter().for_each(|s| put_string(out, s))),
            Data::Ns(name) => self.put(out, qtype::NS, |out| self.put_name(out, name)),
            Data::Soa => put_record(out, qtype::SOA, self.soa.minimum, |out| self.put_soa_data(out)),
            Data::Hinfo => self.put(out, qtype::HINFO, |out| {
                put_string(out, HINFO_CPU);
                put_string(out, b"");
            }),
        }
    }

    fn put_address(&self, out: &mut Vec<u8>, ip: IpAddr) {
        match ip {
            IpAddr::V4(ip) => self.put(out, qtype::A, |out| out.extend_from_slice(&ip.octets())),
            IpAddr::V6(ip) => self.put(out, qtype::AAAA, |out| out.extend_from_slice(&ip.octets())),
        }
    }

    fn put(&self, out: &mut Vec<u8>, kind: u16, data: impl FnOnce(&mut Vec<u8>)) {
        put_record(out, kind, self.ttl, data);
    }

    /// The SOA record of a negative answer. "No" is kept for the lesser of its TTL and its minimum (RFC 2308 section 5);
    /// both are the same here, so that one setting decides.
    fn negative(&self, out: &mut Vec<u8>) {
        put_u16(out, self.zone_pointer());
        put_record(out, qtype::SOA, self.soa.minimum, |out| self.put_soa_data(out));
    }

    fn put_soa_data(&self, out: &mut Vec<u8>) {
        put_string(out, &self.soa.server);
        put_string(out, crate::names::marker::NODE);
        put_u16(out, self.zone_pointer());
        put_string(out, MAILBOX);
        put_u16(out, self.zone_pointer());
        put_u32(out, self.soa.serial);
        SOA_TIMES.iter().for_each(|time| put_u32(out, *time));
        put_u32(out, self.soa.minimum);
    }

    /// Points to where the zone begins in the question, which is always below 12 + 255.
    fn zone_pointer(&self) -> u16 {
        pointer(self.name.len().saturating_sub(self.zone.wire().len()))
    }

    /// Writes `name`, the part that it shares with the end of the question as a pointer.
    fn put_name(&self, out: &mut Vec<u8>, name: &[u8]) {
        for (from, _) in labels(name) {
            let rest = &name[from..];
            if self.name.ends_with(rest) {
                let at = self.name.len() - rest.len();
                if labels(self.name).any(|(begin, _)| begin == at) {
                    out.extend_from_slice(&name[..from]);
                    return put_u16(out, pointer(at));
                }
            }
        }
        out.extend_from_slice(name);
    }
}

/// What an answer has to repeat of its query, and how long it may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame<'m> {
    /// The query.
    pub(crate) message: &'m [u8],
    /// Where its question ends.
    pub(crate) end: usize,
    /// Its EDNS; an answer has it if and only if the query does (RFC 6891 section 6.1.1).
    pub(crate) edns: Option<Edns>,
    /// Longest answer, octets.
    pub(crate) limit: usize,
    /// Whether an incomplete answer says so, by TC. Over TCP that would send the client in circles.
    pub(crate) says_truncated: bool,
    /// What this server's OPT record gives as its own limit, octets.
    pub(crate) payload_max: u16,
}

impl Frame<'_> {
    /// Writes a whole answer, its records beginning with number `turn`. Returns whether anything had to be left out that
    /// the client asked for.
    pub(crate) fn answer(&self, out: &mut Vec<u8>, encoded: &Encoded, encoder: &Encoder<'_>, turn: usize) -> bool {
        self.begin(out, encoded.rcode, AA);
        let limit = self.limit - self.edns.map_or(0, |_| OPT_FIXED);
        let answers = encoded.answers.copy(out, turn, limit);
        let complete = answers == encoded.answers.len();
        let negative = encoded.answers.is_empty();
        let mut additionals = 0;
        if negative {
            encoder.negative(out);
        } else if complete {
            additionals = encoded.additionals.copy(out, turn, limit);
        }
        self.finish(out, [answers, usize::from(negative), additionals], !complete);
        !complete
    }

    /// Writes an answer that only has a response code: REFUSED to who asks about other zones.
    pub(crate) fn refuse(&self, out: &mut Vec<u8>) {
        self.begin(out, rcode::REFUSED, 0);
        self.finish(out, [0, 0, 0], false);
    }

    fn begin(&self, out: &mut Vec<u8>, code: u8, authoritative: u8) {
        let [id0, id1, flags, ..] = *self.message else { return };
        // The case of the name comes back as it was sent: some clients check it (draft-vixie-dnsext-dns0x20).
        out.extend_from_slice(&[id0, id1, QR | authoritative | (flags & RD), code, 0, 1, 0, 0, 0, 0, 0, 0]);
        out.extend_from_slice(self.message.get(HEADER..self.end).unwrap_or_default());
    }

    fn finish(&self, out: &mut Vec<u8>, counts: [usize; 3], truncated: bool) {
        let [answers, authorities, mut additionals] = counts;
        if let Some(edns) = self.edns {
            let [t0, t1] = TYPE_OPT.to_be_bytes();
            let [p0, p1] = self.payload_max.to_be_bytes();
            let flags = if edns.dnssec_ok { 0x80 } else { 0 };
            out.extend_from_slice(&[0, t0, t1, p0, p1, 0, 0, flags, 0, 0, 0]);
            additionals += 1;
        }
        let Some(header) = out.first_chunk_mut::<HEADER>() else { return };
        if truncated && self.says_truncated {
            header[2] |= TC;
        }
        // Within a message of 65 535 octets there is no room for more records than a count can say.
        for (at, count) in [(6, answers), (8, authorities), (10, additionals)] {
            header[at..at + 2].copy_from_slice(&u16::try_from(count).unwrap_or(u16::MAX).to_be_bytes());
        }
    }
}

/// An answer that is only a header: to a query that cannot be read, or whose opcode is unknown.
pub(crate) fn header_only(out: &mut Vec<u8>, query: &[u8], code: u8) {
    let [id0, id1, flags, ..] = *query else { return };
    out.extend_from_slice(&[id0, id1, QR | (flags & (0x78 | RD)), code, 0, 0, 0, 0, 0, 0, 0, 0]);
}

fn pointer(at: usize) -> u16 {
    POINTER | u16::try_from(HEADER + at).unwrap_or(HEADER as u16)
}

fn put_u16(out: &mut Vec<u8>, value: u16) {
    out.extend_from_slice(&value.to_be_bytes());
}

fn put_u32(out: &mut Vec<u8>, value: u32) {
    out.extend_from_slice(&value.to_be_bytes());
}

/// A length octet and as many octets: a label or a character string, which nothing here makes longer than 255.
fn put_string(out: &mut Vec<u8>, string: &[u8]) {
    let string = &string[..string.len().min(255)];
    out.push(u8::try_from(string.len()).unwrap_or(u8::MAX));
    out.extend_from_slice(string);
}

/// Everything of a record after its owner.
fn put_record(out: &mut Vec<u8>, kind: u16, ttl: u32, data: impl FnOnce(&mut Vec<u8>)) {
    put_u16(out, kind);
    put_u16(out, CLASS_IN);
    put_u32(out, ttl);
    let length_at = out.len();
    put_u16(out, 0);
    data(out);
    let length = u16::try_from(out.len() - length_at - 2).unwrap_or(u16::MAX);
    out[length_at..length_at + 2].copy_from_slice(&length.to_be_bytes());
}
