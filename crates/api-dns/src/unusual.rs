//! The general path: whatever is not one plain question, by a complete parser and encoder.

use crate::answerer::{Source, Transport};
use crate::counters::Counters;
use crate::encode::{self, HINFO_CPU, MAILBOX, SOA_TIMES, TC, header_only, rcode};
use crate::names;
use crate::question::{HEADER, NAME_MAX};
use crate::resolve::{Data, Found, SRV_PRIORITY, Sources, server_name};
use crate::zone::{self, Zone, labels};
use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::opt::{EdnsCode, EdnsOption, NSIDPayload};
use hickory_proto::rr::rdata::{A, AAAA, HINFO, NS, SOA, SRV, TXT};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};
use std::net::IpAddr;
use whither_directory::View;

/// Answers `message`, which has a header and is a query, into `out`.
pub(crate) fn answer(
    source: &Source,
    counters: &Counters,
    transport: Transport,
    turn: usize,
    message: &[u8],
    out: &mut Vec<u8>,
) {
    let refuse = |out: &mut Vec<u8>, code| {
        counters.answered(code, false);
        header_only(out, message, code);
    };
    let Some(header) = message.first_chunk::<HEADER>() else { return };
    if header[2] & 0x78 != 0 {
        return refuse(out, rcode::NOTIMP);
    }
    // Exactly one question: RFC 9619. Checked before parsing, which would make room for as many as are announced.
    if header[4..6] != [0, 1] {
        return refuse(out, rcode::FORMERR);
    }
    let Ok(query) = Message::from_vec(message) else { return refuse(out, rcode::FORMERR) };
    let [question] = &*query.queries else { return refuse(out, rcode::FORMERR) };
    counters.asked(question.query_type.into());
    let general = General { source, counters, transport, turn };
    let encoded = general.reply(&query, question);
    match encoded {
        Some(encoded) => out.extend_from_slice(&encoded),
        None => refuse(out, rcode::SERVFAIL),
    }
}

struct General<'a> {
    source: &'a Source,
    counters: &'a Counters,
    transport: Transport,
    turn: usize,
}

impl General<'_> {
    /// `None` if the reply cannot be encoded, which means a bug.
    fn reply(&self, query: &Message, question: &Query) -> Option<Vec<u8>> {
        let mut reply = Message::new(query.id, MessageType::Response, OpCode::Query);
        reply.metadata.recursion_desired = query.metadata.recursion_desired;
        reply.add_query(question.clone());
        reply.edns = query.edns.as_ref().map(|asked| {
            let mut edns = Edns::new();
            edns.set_max_payload(self.source.payload_max).set_dnssec_ok(asked.flags().dnssec_ok);
            edns
        });
        let refuse = |mut reply: Message, code: ResponseCode| {
            self.counters.answered(u8::try_from(u16::from(code)).unwrap_or(u8::MAX), false);
            reply.metadata.response_code = code;
            reply.to_vec().ok()
        };
        if query.edns.as_ref().is_some_and(|asked| asked.version() > 0) {
            return refuse(reply, ResponseCode::BADVERS);
        }
        match question.query_type {
            RecordType::AXFR | RecordType::IXFR => return refuse(reply, ResponseCode::Refused),
            RecordType::OPT | RecordType::TSIG => return refuse(reply, ResponseCode::FormErr),
            _ => {}
        }
        let name = wire(&question.name);
        let located = zone::locate(&self.source.zones, &name).filter(|_| question.query_class == DNSClass::IN);
        let Some((zone, below)) = located else { return refuse(reply, ResponseCode::Refused) };
        if let (Some(asked), Some(edns)) = (&query.edns, &mut reply.edns)
            && asked.option(EdnsCode::NSID).is_some()
            && let Ok(nsid) = NSIDPayload::new(self.source.directory.identity().node.to_string())
        {
            // Which of several servers answered (RFC 5001).
            edns.options_mut().insert(EdnsOption::NSID(nsid));
        }
        let view = self.source.directory.peek();
        let zone = &self.source.zones[zone];
        let source = self.source;
        let sources = Sources { directory: &source.directory, view: &view, namespaces: &source.namespaces, zone };
        let wanted = u16::from(question.query_type);
        let found = sources.find(&names::read(&below), wanted);
        self.counters.answered(if found.exists { rcode::NOERROR } else { rcode::NXDOMAIN }, !found.records.is_empty());
        reply.metadata.authoritative = true;
        if !found.exists {
            reply.metadata.response_code = ResponseCode::NXDomain;
        }
        if found.records.is_empty() {
            reply.add_authority(self.soa(&view, zone)?);
        }
        let payload = query.edns.as_ref().map(Edns::max_payload);
        self.fit(reply, question, &found, self.source.limit(self.transport, payload), self.soa(&view, zone)?)
    }

    /// Puts in as many records as fit, answers first, and says so if not all did.
    fn fit(&self, mut reply: Message, question: &Query, found: &Found, limit: usize, soa: Record) -> Option<Vec<u8>> {
        // No record is shorter than this, so more of them cannot fit and need not be tried.
        let most = limit / (2 + 10 + 4) + 1;
        let count = found.records.len();
        let turn = self.turn % count.max(1);
        let answers: Vec<Record> = (turn..count)
            .chain(0..turn)
            .take(most)
            .map(|at| self.record(question, &found.records[at], &soa))
            .collect::<Option<_>>()?;
        let fitting = most_that_fit(answers.len(), |n| {
            reply.answers = answers[..n].to_vec();
            encoded_within(&reply, limit)
        });
        reply.answers = answers[..fitting].to_vec();
        let complete = fitting == count;
        if !complete {
            match self.transport {
                Transport::Udp => {
                    self.counters.truncated.add(1);
                    reply.metadata.truncation = true;
                }
                Transport::Tcp => self.counters.capped.add(1),
            }
            return reply.to_vec().ok();
        }
        let turn = self.turn % found.additionals.len().max(1);
        let additionals: Vec<Record> = (turn..found.additionals.len())
            .chain(0..turn)
            .take(most)
            .map(|at| self.additional(&found.additionals[at]))
            .collect::<Option<_>>()?;
        let fitting = most_that_fit(additionals.len(), |n| {
            reply.additionals = additionals[..n].to_vec();
            encoded_within(&reply, limit)
        });
        reply.additionals = additionals[..fitting].to_vec();
        reply.to_vec().ok()
    }

    fn record(&self, question: &Query, data: &Data, soa: &Record) -> Option<Record> {
        let data = match data {
            Data::A(ip) => RData::A(A(*ip)),
            Data::Aaaa(ip) => RData::AAAA(AAAA(*ip)),
            Data::Srv { weight, port, target } => RData::SRV(SRV::new(SRV_PRIORITY, *weight, *port, name_of(target)?)),
            Data::Txt(strings) => RData::TXT(TXT::from_bytes(strings.iter().map(|string| &**string).collect())),
            Data::Ns(name) => RData::NS(NS(name_of(name)?)),
            Data::Soa => return Some(soa.clone()),
            Data::Hinfo => RData::HINFO(HINFO::from_bytes(HINFO_CPU.into(), Box::default())),
        };
        Some(Record::from_rdata(question.name.clone(), self.source.ttl, data))
    }

    fn additional(&self, (name, ip): &(Box<[u8]>, IpAddr)) -> Option<Record> {
        let data = match *ip {
            IpAddr::V4(ip) => RData::A(A(ip)),
            IpAddr::V6(ip) => RData::AAAA(AAAA(ip)),
        };
        Some(Record::from_rdata(name_of(name)?, self.source.ttl, data))
    }

    fn soa(&self, view: &View, zone: &Zone) -> Option<Record> {
        let encode::Soa { serial, minimum, .. } = self.source.soa(view);
        let [refresh, retry, expire] = SOA_TIMES.map(|time| i32::try_from(time).unwrap_or(i32::MAX));
        let mailbox = name_of(&zone.name(&[MAILBOX]))?;
        let server = name_of(&server_name(zone, self.source.directory.identity().node))?;
        let data = SOA::new(server, mailbox, serial, refresh, retry, expire, minimum);
        Some(Record::from_rdata(name_of(zone.wire())?, minimum, RData::SOA(data)))
    }
}

/// The most of `count` for which `fits` is true; if it is for some number, it is for every lower one.
fn most_that_fit(count: usize, mut fits: impl FnMut(usize) -> bool) -> usize {
    if fits(count) {
        return count;
    }
    let (mut fit, mut too_many) = (0, count);
    while fit + 1 < too_many {
        let middle = fit.midpoint(too_many);
        if fits(middle) { fit = middle } else { too_many = middle }
    }
    fit
}

/// Whether all of `reply` fits. The encoder itself leaves out what would go beyond 65 535 octets and says so by TC.
fn encoded_within(reply: &Message, limit: usize) -> bool {
    reply.to_vec().is_ok_and(|encoded| encoded.len() <= limit && encoded[2] & TC == 0)
}

/// A name as the other modules have it: lower case, on the wire.
fn wire(name: &Name) -> Vec<u8> {
    let mut wire = Vec::with_capacity(NAME_MAX);
    for label in name {
        wire.push(u8::try_from(label.len()).unwrap_or(0));
        wire.extend(label.iter().map(u8::to_ascii_lowercase));
    }
    wire.push(0);
    wire
}

fn name_of(wire: &[u8]) -> Option<Name> {
    Name::from_labels(labels(wire).map(|(_, label)| label)).ok()
}
