//! One worker: a message in, an answer out. No socket, no thread.

use crate::cache::{Cache, Entry};
use crate::config::{Config, ConfigError};
use crate::counters::Counters;
use crate::encode::{Encoder, Frame, Soa, header_only, rcode};
use crate::names;
use crate::namespaces::Namespaces;
use crate::question::{Question, Verdict};
use crate::resolve::{Holds, SERVER_LABEL, Sources, qtype, server_label};
use crate::unusual;
use crate::zone::{self, Zone};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;
use whither_directory::{Directory, View};

/// Longest answer to a UDP client that says nothing of what it takes (RFC 1035 section 4.2.1), octets.
pub(crate) const PLAIN_UDP_MAX: usize = 512;
/// Longest answer over TCP: what the length in front of it can say (RFC 1035 section 4.2.2), octets.
pub(crate) const TCP_MAX: usize = 65_535;
/// Longest query that is looked at, octets. A question and an OPT record take at most some hundred.
pub(crate) const QUERY_MAX: usize = 4096;

/// How a query came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Transport {
    Udp,
    Tcp,
}

/// What all workers answer from.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) directory: Arc<Directory>,
    pub(crate) zones: Vec<Zone>,
    pub(crate) namespaces: Namespaces,
    pub(crate) ttl: u32,
    pub(crate) negative_ttl: u32,
    pub(crate) payload_max: u16,
    server: [u8; SERVER_LABEL],
    cache_max: (usize, usize),
}

impl Source {
    pub(crate) fn new(directory: Arc<Directory>, config: &Config) -> Result<Self, ConfigError> {
        config.check()?;
        let seconds = |time: Duration| u32::try_from(time.as_secs()).unwrap_or(u32::MAX);
        Ok(Self {
            server: server_label(directory.identity().node),
            directory,
            zones: config.zones.iter().map(|zone| Zone::parse(zone)).collect::<Result<_, _>>()?,
            namespaces: Namespaces::default(),
            ttl: seconds(config.ttl),
            negative_ttl: seconds(config.negative_ttl),
            payload_max: config.udp_payload_max,
            cache_max: (config.cache_entries_max, config.cache_bytes_max),
        })
    }

    /// The longest answer to a client that takes UDP answers of up to `payload` octets.
    pub(crate) fn limit(&self, transport: Transport, payload: Option<u16>) -> usize {
        match (transport, payload) {
            (Transport::Tcp, _) => TCP_MAX,
            (Transport::Udp, None) => PLAIN_UDP_MAX,
            (Transport::Udp, Some(payload)) => usize::from(payload.min(self.payload_max)).max(PLAIN_UDP_MAX),
        }
    }

    pub(crate) fn soa(&self, view: &View) -> Soa {
        // The lower half of the index: what differs between two views of one boot.
        let serial = u32::try_from(view.index().get() & u64::from(u32::MAX)).unwrap_or(0);
        Soa { server: self.server, serial, minimum: self.negative_ttl }
    }
}

/// The state of one worker.
#[derive(Debug)]
pub(crate) struct Answerer {
    source: Arc<Source>,
    counters: Arc<Counters>,
    transport: Transport,
    cache: Cache,
    question: Question,
    /// Which record comes first in answers that are not kept.
    turn: usize,
}

impl Answerer {
    /// A worker.
    pub(crate) fn new(source: Arc<Source>, counters: Arc<Counters>, transport: Transport) -> Self {
        let cache = empty_cache(&source, transport);
        Self { source, counters, transport, cache, question: Question::new(), turn: 0 }
    }

    /// Answers `message` into `out`, which is emptied first. Returns whether there is an answer to send.
    ///
    /// A panic inside, which would be a bug, costs this one query and not the thread.
    pub(crate) fn answer(&mut self, message: &[u8], out: &mut Vec<u8>) -> bool {
        out.clear();
        let done = catch_unwind(AssertUnwindSafe(|| self.answer_or_panic(message, out)));
        done.unwrap_or_else(|_| {
            self.counters.failed.add(1);
            // Whatever was half changed is in the cache or in `out`.
            self.cache = empty_cache(&self.source, self.transport);
            out.clear();
            header_only(out, message, rcode::SERVFAIL);
            !out.is_empty()
        })
    }

    fn answer_or_panic(&mut self, message: &[u8], out: &mut Vec<u8>) -> bool {
        if message.len() > QUERY_MAX {
            self.counters.too_long.add(1);
            return false;
        }
        match self.question.read(message) {
            Verdict::Usual => self.usual(message, out),
            Verdict::Unusual => {
                self.counters.general.add(1);
                self.turn = self.turn.wrapping_add(1);
                unusual::answer(&self.source, &self.counters, self.transport, self.turn, message, out);
            }
            Verdict::TooShort => self.counters.too_short.add(1),
            Verdict::Response => self.counters.responses.add(1),
        }
        !out.is_empty()
    }

    fn usual(&mut self, message: &[u8], out: &mut Vec<u8>) {
        let Self { source, counters, question, cache, .. } = self;
        counters.asked(question.qtype);
        let frame = Frame {
            message,
            end: question.end(),
            edns: question.edns,
            limit: source.limit(self.transport, question.edns.map(|edns| edns.payload)),
            says_truncated: self.transport == Transport::Udp,
            payload_max: source.payload_max,
        };
        let view = source.directory.peek();
        let name = question.name();
        let encoder = |zone| Encoder { name, zone, ttl: source.ttl, soa: source.soa(&view) };
        let keeps = matches!(question.qtype, qtype::A | qtype::AAAA | qtype::SRV);
        if keeps
            && let Some(entry) = cache.get(name, question.qtype)
            && entry.holds_in(&view)
        {
            counters.hits.add(1);
            entry.turn = entry.turn.wrapping_add(1);
            let cut = frame.answer(out, &entry.encoded, &encoder(&source.zones[entry.zone]), entry.turn);
            count(counters, self.transport, entry.encoded.outcome(), cut);
            return;
        }
        let Some((zone, labels)) = zone::locate(&source.zones, name) else {
            counters.answered(rcode::REFUSED, false);
            return frame.refuse(out);
        };
        let sources = Sources {
            directory: &source.directory,
            view: &view,
            namespaces: &source.namespaces,
            zone: &source.zones[zone],
        };
        let found = sources.find(&names::read(&labels), question.qtype);
        let encoder = encoder(&source.zones[zone]);
        let encoded = encoder.encode(&found);
        self.turn = self.turn.wrapping_add(1);
        let cut = frame.answer(out, &encoded, &encoder, self.turn);
        count(counters, self.transport, encoded.outcome(), cut);
        // Names that do not exist are without number and are not kept.
        if keeps && found.exists && found.holds != Holds::Never && self.transport == Transport::Udp {
            let entry = Entry::new(name, question.qtype, zone, view.index(), found.holds, encoded);
            cache.insert(entry.after(self.turn));
            counters.cache_is(cache.size());
        }
    }
}

/// TCP carries what is rare and large: keeping ready answers for each connection would only take memory.
fn empty_cache(source: &Source, transport: Transport) -> Cache {
    match transport {
        Transport::Udp => Cache::new(source.cache_max.0, source.cache_max.1),
        Transport::Tcp => Cache::new(0, 0),
    }
}

fn count(counters: &Counters, transport: Transport, (code, found): (u8, bool), cut: bool) {
    counters.answered(code, found);
    if cut {
        match transport {
            Transport::Udp => counters.truncated.add(1),
            Transport::Tcp => counters.capped.add(1),
        }
    }
}
