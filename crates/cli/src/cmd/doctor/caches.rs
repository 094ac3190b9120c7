//! Programs that keep answers: which of them run here, and how each is made to forget.

use super::finding::{Finding, Layer, Verdict};
use super::host::{self, Host};
use super::processes::Process;
use std::net::IpAddr;
use std::os::unix::fs::FileTypeExt;

/// Where nscd listens.
const NSCD_SOCKETS: [&str; 2] = ["run/nscd/socket", "var/run/nscd/socket"];
/// How long nscd keeps a host unless told otherwise, seconds (nscd.conf(5)).
const NSCD_PRESET: u64 = 3600;

/// A nameserver that keeps answers, and what makes it forget.
struct Cache {
    /// Its process is called one of these (proc(5): 15 characters at most).
    processes: &'static [&'static str],
    /// What people call it.
    name: &'static str,
    /// What makes it forget a zone; `ZONE` and `PID` are filled in.
    forget: &'static str,
    /// What makes it keep answers for longer than it was told.
    stretch: &'static str,
}

const CACHES: [Cache; 7] = [
    Cache {
        processes: &["systemd-resolve", "systemd-resolved"],
        name: "systemd-resolved",
        forget: "`resolvectl flush-caches`",
        stretch: "StaleRetentionSec",
    },
    Cache {
        processes: &["dnsmasq"],
        name: "dnsmasq",
        forget: "`kill -HUP PID`",
        stretch: "min-cache-ttl, use-stale-cache",
    },
    Cache {
        processes: &["unbound"],
        name: "unbound",
        forget: "`unbound-control flush_zone ZONE`",
        stretch: "cache-min-ttl, serve-expired",
    },
    Cache {
        processes: &["named"],
        name: "BIND",
        forget: "`rndc flushtree ZONE`",
        stretch: "min-cache-ttl, stale-answer-enable",
    },
    Cache {
        processes: &["pdns_recursor", "pdns-recursor"],
        name: "PowerDNS Recursor",
        forget: "`rec_control wipe-cache ZONE$`",
        stretch: "minimum-ttl-override",
    },
    Cache { processes: &["kresd"], name: "Knot Resolver", forget: "`cache.clear('ZONE')`", stretch: "cache.min_ttl" },
    Cache {
        processes: &["coredns"],
        name: "CoreDNS",
        forget: "a restart",
        stretch: "the cache plugin, its serve_stale",
    },
];

/// What makes the nameserver at `address` forget `zone`.
pub(super) fn cure(address: IpAddr, zone: &str, processes: &[Process]) -> String {
    let here: Vec<(&Cache, &Process)> = CACHES
        .iter()
        .filter_map(|cache| Some((cache, processes.iter().find(|process| process.is_one_of(cache.processes))?)))
        .collect();
    // These two addresses are resolved's own, whatever else listens on loopback.
    let is_resolved = address == IpAddr::from([127, 0, 0, 53]) || address == IpAddr::from([127, 0, 0, 54]);
    let mut steps: Vec<String> = here
        .iter()
        .filter(|(cache, _)| address.is_loopback() && (!is_resolved || cache.name == "systemd-resolved"))
        .map(|(cache, process)| {
            let forget = cache.forget.replace("ZONE", zone).replace("PID", &process.pid.to_string());
            format!("{forget} makes {} (pid {}) forget it; then see its {}", cache.name, process.pid, cache.stretch)
        })
        .collect();
    if steps.is_empty() {
        steps.push(format!(
            "flush the cache of {address}; have it forward {zone}. to an agent, without a cache or a least TTL"
        ));
    }
    steps.join("; or ")
}

/// Whether glibc's cache daemon runs, and how long it may keep a host, seconds.
pub(super) fn nscd(host: &Host, processes: &[Process]) -> Option<(String, u64)> {
    let process = processes.iter().find(|process| process.is_one_of(&["nscd", "unscd"]));
    let is_socket = |path: &&&str| host.path(path).metadata().is_ok_and(|found| found.file_type().is_socket());
    let socket = NSCD_SOCKETS.iter().find(is_socket);
    let who = process.map(Process::words).or_else(|| socket.map(|path| host.name_of(path)))?;
    let settings = host::settings(&host.path("etc/nscd.conf")).map(|content| content.text).unwrap_or_default();
    let seconds = hosts_setting(&settings, "positive-time-to-live").and_then(|value| value.parse().ok());
    let is_off = hosts_setting(&settings, "enable-cache") == Some("no");
    (!is_off).then(|| (who, seconds.unwrap_or(NSCD_PRESET)))
}

/// The value of the last line `<key> hosts <value>`.
fn hosts_setting<'t>(text: &'t str, key: &str) -> Option<&'t str> {
    let value = |line: &'t str| {
        let mut words = line.split('#').next()?.split_whitespace();
        (words.next()? == key && words.next()? == "hosts").then(|| words.next()).flatten()
    };
    text.lines().rev().find_map(value)
}

/// What to think of nscd, given what the system says and that part of it which no other layer accounts for. It cannot be
/// asked itself without being trusted.
pub(super) fn judge_nscd(
    nscd: Option<(String, u64)>,
    name: &str,
    system: &[Finding],
    unexplained: Option<Finding>,
) -> Finding {
    let Some((who, seconds)) = nscd else {
        return Finding::new(Layer::Nscd, "nscd", name, Verdict::NotThere).saying("nscd does not keep hosts here");
    };
    let mut found = Finding::new(Layer::Nscd, &who, name, Verdict::CannotTell);
    found.ttl_s = Some(seconds);
    if let Some(lie) = unexplained {
        found.verdict = Verdict::Differs;
        (found.extra, found.missing) = (lie.extra, lie.missing);
        let says = format!("{who} is suspected: what the system says is said by no hosts file and no nameserver");
        return found.saying(format!("{says}; it keeps hosts for up to {seconds} s")).advising(
            "`nscd --invalidate=hosts`; for good: `enable-cache hosts no` in nscd.conf, since agents answer from memory",
        );
    }
    if !system.is_empty() && system.iter().all(|one| one.verdict == Verdict::Agrees) {
        found.verdict = Verdict::Agrees;
        return found.saying(format!("{who} keeps hosts for up to {seconds} s, and the system's answer is right"));
    }
    found.saying(format!("{who} keeps hosts for up to {seconds} s; what it has cannot be seen"))
}
