//! Nameservers: the agent's own, and those that the host's programs ask.

use super::answer::{Answer, Asked};
use super::finding::Layer;
use super::names;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use whither_api_dns::{Code, Family, Reply, Via, ask};

/// A name as a program says it, and what is asked for one after the other when it does.
#[derive(Clone, Debug)]
pub(super) struct Spelling {
    /// As programs say it.
    pub(super) said: String,
    /// Whole names with final dots, in order.
    pub(super) candidates: Vec<String>,
    /// The one that is meant, without final dot.
    pub(super) meant: String,
    /// The services' zone.
    pub(super) zone: String,
}

/// What is said of a nameserver that is not heard in time.
const LATE: &str = "nothing came back in time";

/// The agent's DNS, not yet asked.
pub(super) fn agents(server: SocketAddr, via: Via, full: &str) -> Asked {
    let (over, needs) = match via {
        Via::Udp => ("UDP", "UDP"),
        Via::Tcp => ("TCP", "TCP, which long answers need"),
    };
    Asked {
        layer: Layer::AgentDns,
        who: format!("{server} over {over}"),
        what: format!("{full}."),
        heard: Err(LATE.to_owned()),
        cure:
            "see whether that is the DNS of the agent that was asked (--agent, --dns): the two answer from one memory"
                .to_owned(),
        silent: String::new(),
        without: format!(
            "see whether the agent has DNS there (dns.bind, dns.zones), and whether something is in the way of {needs}; \
             --dns and --dns-zone say where to look"
        ),
    }
}

/// A nameserver of the host, not yet asked.
pub(super) fn of_host(who: String, spelling: &Spelling) -> Asked {
    Asked {
        layer: Layer::Nameserver,
        who,
        what: spelling.said.clone(),
        heard: Err(LATE.to_owned()),
        cure: String::new(),
        silent:
            "each program waits for it, five seconds usually, before it asks the next: bring it back, or take it out \
                 of resolv.conf"
                .to_owned(),
        without: format!(
            "if programs are to find services by DNS here, have it forward {}. to an agent, without a cache",
            spelling.zone
        ),
    }
}

/// Asks the agent's DNS.
pub(super) fn ask_agent(asked: Asked, server: SocketAddr, via: Via, zone: &str, within: Duration) -> Asked {
    Asked { heard: ask_both(server, via, &asked.what, zone, within), ..asked }
}

/// Asks a nameserver as the host's programs do: whole names in order, until one has addresses.
pub(super) fn ask_of_host(asked: Asked, server: SocketAddr, spelling: &Spelling, within: Duration) -> Asked {
    let (heard, cure) = walk(server, spelling, within);
    Asked { heard, cure, ..asked }
}

/// What the nameserver says, and what to do about it if that is already clear.
fn walk(server: SocketAddr, spelling: &Spelling, within: Duration) -> (Result<Answer, String>, String) {
    let until = Instant::now() + within;
    let meant = format!("{}.", spelling.meant);
    let mut last = Err("it was not asked".to_owned());
    for candidate in &spelling.candidates {
        let left = until.saturating_duration_since(Instant::now());
        let mut heard = ask_both(server, Via::Udp, candidate, &spelling.zone, left);
        if let Ok(answer) = &mut heard
            && !answer.addresses.is_empty()
        {
            if *candidate == meant {
                return (heard, String::new());
            }
            answer.note = Some(format!("that is the answer for {candidate}, which is asked for before {meant}"));
            let cure = format!(
                "let programs say {meant} with its final dot, or see the search path and ndots in resolv.conf; or find \
                 out who answers for {candidate}"
            );
            return (heard, cure);
        }
        // What is said of the name that is meant counts, whatever is said of the others.
        if *candidate == meant || last.is_err() {
            last = heard;
        }
    }
    (last, String::new())
}

/// Asks for both families at once.
fn ask_both(server: SocketAddr, via: Via, name: &str, zone: &str, within: Duration) -> Result<Answer, String> {
    let one = |family| ask_whole(server, via, name, family, within);
    let (v4, v6) = std::thread::scope(|scope| {
        let v6 = scope.spawn(|| one(Family::V6));
        (one(Family::V4), v6.join().unwrap_or_else(|_| Err(io::Error::other("its thread failed"))))
    });
    match (v4, v6) {
        (Ok(v4), Ok(v6)) => join(zone, [v4, v6]),
        // Half an answer is better than none, and is known to be half.
        (Ok(one), Err(error)) | (Err(error), Ok(one)) => join(zone, [one]).map(|answer| Answer {
            is_part: true,
            note: Some(format!("one of A and AAAA was not answered: {}", in_words(&error))),
            ..answer
        }),
        (Err(error), Err(_)) => Err(in_words(&error)),
    }
}

/// What came back, and whether it was cut on the way and had to be asked for again.
struct Came {
    reply: Reply,
    was_cut: bool,
}

/// Asks, and once more over TCP if the answer was cut, as stub resolvers do.
fn ask_whole(server: SocketAddr, via: Via, name: &str, family: Family, within: Duration) -> io::Result<Came> {
    let started = Instant::now();
    let reply = ask(server, via, name, family, within)?;
    if !reply.truncated || via == Via::Tcp {
        return Ok(Came { reply, was_cut: false });
    }
    let left = within.saturating_sub(started.elapsed());
    let reply = ask(server, Via::Tcp, name, family, left).unwrap_or(reply);
    Ok(Came { reply, was_cut: true })
}

fn join<const N: usize>(zone: &str, replies: [Came; N]) -> Result<Answer, String> {
    let mut joined = Answer::default();
    let mut failed = None;
    for Came { reply, was_cut } in replies {
        match reply.code {
            Code::NoError | Code::NoSuchName => {}
            Code::Failed(words) => failed = Some(words),
        }
        joined.is_part |= reply.truncated;
        if was_cut {
            let whole = if reply.truncated { "and not to be had whole over TCP" } else { "and whole over TCP" };
            joined.note = Some(format!("its answer is cut over UDP, {whole}"));
        }
        joined.addresses.extend(reply.addresses);
        let ttl = reply.ttl.or_else(|| reply.denied_by.as_ref().map(|denial| denial.ttl));
        // Of an answer with addresses, their seconds count; of one without, those of the denial.
        joined.ttl_s = match (reply.ttl, joined.ttl_s) {
            (Some(new), Some(old)) => Some(old.min(new.into())),
            (Some(new), None) => Some(new.into()),
            (None, old) => old.or(ttl.map(u64::from)),
        };
        joined.denies |= reply.denied_by.is_some_and(|denial| names::is_own_zone(&denial.zone, zone));
    }
    match failed {
        Some(words) if joined.addresses.is_empty() => Err(format!("it answers {words:?}")),
        _ => Ok(joined),
    }
}

fn in_words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => LATE.to_owned(),
        io::ErrorKind::ConnectionRefused => "nobody listens there".to_owned(),
        _ => error.to_string().to_lowercase(),
    }
}
