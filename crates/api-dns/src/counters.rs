//! What was asked, what was answered, what was dropped.

use crate::encode::rcode;
use crate::resolve::qtype;
use std::sync::atomic::{AtomicUsize, Ordering};
use whither_directory::vitals::{Counter, Sample};

/// Kinds of questions counted apart.
const KINDS: [&str; 7] = ["a", "aaaa", "srv", "txt", "any", "apex", "other"];
/// Kinds of answers counted apart.
const ANSWERS: [&str; 8] = ["noerror", "nodata", "formerr", "servfail", "nxdomain", "notimp", "refused", "badvers"];

/// One worker's counts, or those of all TCP connections of a listener. Apart, so that workers share no cache line.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Counters {
    kinds: [Counter; KINDS.len()],
    answers: [Counter; ANSWERS.len()],
    /// Answers copied from the cache.
    pub(crate) hits: Counter,
    /// Questions that took the general path.
    pub(crate) general: Counter,
    /// UDP answers sent with TC set.
    pub(crate) truncated: Counter,
    /// TCP answers that did not fit in 65 535 octets.
    pub(crate) capped: Counter,
    /// Messages shorter than a header.
    pub(crate) too_short: Counter,
    /// Messages longer than any query.
    pub(crate) too_long: Counter,
    /// Messages that were responses.
    pub(crate) responses: Counter,
    /// Messages whose handling failed inside.
    pub(crate) failed: Counter,
    /// Answers that the system did not take.
    pub(crate) unsent: Counter,
    /// Reads or accepts that the system refused.
    pub(crate) refused_by_system: Counter,
    /// TCP connections closed because there were too many.
    pub(crate) connections_refused: Counter,
    /// TCP connections ended because they were idle or slow.
    pub(crate) connections_timed_out: Counter,
    /// TCP connections open.
    pub(crate) connections: AtomicUsize,
    /// Cache entries, octets and evictions as last told by the worker.
    pub(crate) cache: [AtomicUsize; 3],
}

impl Counters {
    pub(crate) fn asked(&self, kind: u16) {
        let at = match kind {
            qtype::A => 0,
            qtype::AAAA => 1,
            qtype::SRV => 2,
            qtype::TXT => 3,
            qtype::ANY => 4,
            qtype::SOA | qtype::NS => 5,
            _ => 6,
        };
        self.kinds[at].add(1);
    }

    /// An answer with this code went out; `found`: with records.
    pub(crate) fn answered(&self, code: u8, found: bool) {
        let at = match code {
            rcode::NOERROR if found => 0,
            rcode::NOERROR => 1,
            rcode::FORMERR => 2,
            rcode::SERVFAIL => 3,
            rcode::NXDOMAIN => 4,
            rcode::NOTIMP => 5,
            rcode::REFUSED => 6,
            _ => 7,
        };
        self.answers[at].add(1);
    }

    pub(crate) fn cache_is(&self, (entries, octets, evicted): (usize, usize, u64)) {
        let evicted = usize::try_from(evicted).unwrap_or(usize::MAX);
        for (gauge, value) in self.cache.iter().zip([entries, octets, evicted]) {
            gauge.store(value, Ordering::Relaxed);
        }
    }
}

type Part = fn(&Counters) -> &Counter;

/// Adds up what all workers counted.
pub(crate) fn sample(workers: &[std::sync::Arc<Counters>], samples: &mut Vec<Sample>) {
    let total = |of: &dyn Fn(&Counters) -> u64| workers.iter().map(|worker| of(worker)).sum::<u64>();
    for (at, kind) in KINDS.iter().enumerate() {
        let value = total(&|worker| worker.kinds[at].get());
        samples.push(Sample::counter("dns_queries_total", QUERIES, value).with_label("kind", *kind));
    }
    for (at, answer) in ANSWERS.iter().enumerate() {
        let value = total(&|worker| worker.answers[at].get());
        samples
            .push(Sample::counter("dns_answers_total", "DNS answers, by result.", value).with_label("result", *answer));
    }
    let drops: [(&str, Part); 8] = [
        ("too_short", |w| &w.too_short),
        ("too_long", |w| &w.too_long),
        ("response", |w| &w.responses),
        ("failed", |w| &w.failed),
        ("unsent", |w| &w.unsent),
        ("system", |w| &w.refused_by_system),
        ("connections_max", |w| &w.connections_refused),
        ("idle", |w| &w.connections_timed_out),
    ];
    for (reason, of) in drops {
        let value = total(&|worker| of(worker).get());
        samples.push(Sample::counter("dns_dropped_total", DROPPED, value).with_label("reason", reason));
    }
    let counters: [(&'static str, &'static str, Part); 4] = [
        ("dns_fast_hits_total", "DNS answers copied from a worker's cache.", |w| &w.hits),
        ("dns_general_total", "DNS queries that took the general path.", |w| &w.general),
        ("dns_truncated_total", "DNS answers over UDP that did not fit and said so.", |w| &w.truncated),
        ("dns_capped_total", "DNS answers over TCP cut at 65535 octets.", |w| &w.capped),
    ];
    for (name, help, of) in counters {
        samples.push(Sample::counter(name, help, total(&|worker| of(worker).get())));
    }
    let sum = |of: &dyn Fn(&Counters) -> &AtomicUsize| {
        total(&|worker| u64::try_from(of(worker).load(Ordering::Relaxed)).unwrap_or(u64::MAX))
    };
    #[expect(clippy::cast_precision_loss, reason = "bounded by the configuration, far below 2^53")]
    let gauge = |name, help, value: u64| Sample::gauge(name, help, value as f64);
    samples.push(gauge("dns_tcp_connections", "DNS connections open.", sum(&|w| &w.connections)));
    samples.push(gauge("dns_cache_entries", "Ready DNS answers kept by all workers.", sum(&|w| &w.cache[0])));
    samples.push(gauge("dns_cache_bytes", "Memory of the ready DNS answers.", sum(&|w| &w.cache[1])));
    samples.push(Sample::counter("dns_cache_evicted_total", EVICTED, sum(&|w| &w.cache[2])));
}

const QUERIES: &str = "DNS questions read, by record type asked for.";
const DROPPED: &str = "DNS messages and connections that got no answer, by reason.";
const EVICTED: &str = "Ready DNS answers dropped to make room for others.";
