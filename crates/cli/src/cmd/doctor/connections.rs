//! Connections that are open already follow no change of names: those that lead to what a service no longer has.

use super::finding::{Finding, Layer, Verdict};
use super::host::{self, Host};
use super::processes::Process;
use super::truth::Truth;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

/// Network namespaces that are looked at: one for each container, usually.
const NAMESPACES_MAX: usize = 256;
/// Lines that are told.
const FINDINGS_MAX: usize = 64;

/// How a connection is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum State {
    /// In use, or waiting in a pool.
    Established,
    /// Nobody has answered yet.
    Connecting,
    /// The other end has closed it and this end has not noticed.
    ClosedByPeer,
}

/// A connection.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Connection {
    /// This end.
    pub(super) local: SocketAddr,
    /// Where it leads.
    pub(super) remote: SocketAddr,
    /// How it is.
    pub(super) state: State,
    /// Its socket's number.
    pub(super) inode: u64,
}

/// Reads a line of `/proc/net/tcp` or `tcp6`; `None` for its title, for sockets that lead nowhere, and for what is no
/// such line (<https://docs.kernel.org/networking/proc_net_tcp.html>).
pub(super) fn connection(line: &str) -> Option<Connection> {
    let mut words = line.split_ascii_whitespace();
    let local = socket(words.nth(1)?)?;
    let remote = socket(words.next()?)?;
    let state = match words.next()? {
        "01" => State::Established,
        "02" => State::Connecting,
        "08" => State::ClosedByPeer,
        _ => return None,
    };
    let inode = words.nth(5)?.parse().ok()?;
    Some(Connection { local, remote, state, inode })
}

/// `0100007F:1F90`: words of the machine's own byte order, in hexadecimal digits.
fn socket(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.split_once(':')?;
    let word = |at: usize| Some(u32::from_str_radix(address.get(at * 8..at * 8 + 8)?, 16).ok()?.to_ne_bytes());
    let address = match address.len() {
        8 => IpAddr::from(word(0)?),
        32 => {
            let mut octets = [0; 16];
            for (at, part) in octets.chunks_exact_mut(4).enumerate() {
                part.copy_from_slice(&word(at)?);
            }
            // A socket for both families shows the older one inside the newer.
            Ipv6Addr::from(octets).to_canonical()
        }
        _ => return None,
    };
    Some(SocketAddr::new(address, u16::from_str_radix(port, 16).ok()?))
}

/// What to think of the connections of the host.
pub(super) fn look(host: &Host, processes: &[Process], truth: &Truth, lied: &BTreeSet<IpAddr>) -> Vec<Finding> {
    let none = |verdict| Finding::new(Layer::Connections, host.name_of("proc/net/tcp"), "", verdict);
    let (connections, is_whole) = match all(host, processes) {
        Ok(found) => found,
        Err(error) => return vec![none(Verdict::CannotTell).saying(format!("connections cannot be read: {error}"))],
    };
    let stale: Vec<(Connection, String)> =
        connections.into_iter().filter_map(|one| Some((one, truth.gone(one.remote, lied)?))).collect();
    let cut = if is_whole { "" } else { "; there are more than were looked at" };
    if stale.is_empty() {
        let verdict = if is_whole { Verdict::Agrees } else { Verdict::CannotTell };
        let says = format!("no open connection leads to what the service is known to have had and has not{cut}");
        return vec![none(verdict).saying(says)];
    }
    let owners = Owners::of(processes, &stale.iter().map(|(one, _)| one.inode).collect());
    let mut groups: BTreeMap<(Option<&String>, SocketAddr, State), (usize, String)> = BTreeMap::new();
    for (one, why) in stale {
        groups.entry((owners.holders.get(&one.inode), one.remote, one.state)).or_insert((0, why)).0 += 1;
    }
    let judged = groups.into_iter().take(FINDINGS_MAX).map(|((who, remote, state), (count, why))| {
        let is_draining = truth.is_draining(remote);
        Group { who, remote, state, count, why, is_draining }.judge(owners.hidden)
    });
    judged.collect()
}

/// Connections of one process that lead to one place.
struct Group<'a> {
    who: Option<&'a String>,
    remote: SocketAddr,
    state: State,
    count: usize,
    why: String,
    is_draining: bool,
}

impl Group<'_> {
    /// What to think of them; `hidden` processes could not be looked at.
    fn judge(self, hidden: usize) -> Finding {
        let Self { remote, count, why, .. } = &self;
        let connections = if *count == 1 { "1 connection".to_owned() } else { format!("{count} connections") };
        let how = match self.state {
            State::Established => format!("holds {connections} to {remote}"),
            State::Connecting => format!("is trying to open {connections} to {remote}"),
            State::ClosedByPeer => format!("holds {connections} that {remote} has closed already"),
        };
        let who = self.who.map_or("some process", String::as_str);
        let verdict = if self.is_draining { Verdict::Agrees } else { Verdict::Differs };
        let mut found = Finding::new(Layer::Connections, who, remote.to_string(), verdict);
        found.addresses = vec![remote.ip()];
        if self.is_draining {
            return found.saying(format!("{who} {how} ({why}), which is to finish what it has"));
        }
        found.extra = found.addresses.clone();
        let whose = match (self.who, hidden) {
            (Some(_), _) => String::new(),
            (None, 0) => "; no process that can be seen here holds it".to_owned(),
            (None, hidden) => {
                format!("; {hidden} processes may not be looked at: ask again as root to see whose it is")
            }
        };
        found.saying(format!("{who} {how} ({why}){whose}")).advising(
            "have its pool close them, or restart it; let the pool keep no connection for longer than a minute or so",
        )
    }
}

/// All connections that are looked at, of all network namespaces that can be seen, and whether those are all.
fn all(host: &Host, processes: &[Process]) -> io::Result<(BTreeSet<Connection>, bool)> {
    let own = host.path("proc/net");
    let mut folders: Vec<PathBuf> = vec![own];
    let mut seen: BTreeSet<PathBuf> = fs::read_link(host.path("proc/self/ns/net")).into_iter().collect();
    let mut is_whole = true;
    for process in processes {
        let Ok(namespace) = fs::read_link(process.folder.join("ns/net")) else { continue };
        if seen.contains(&namespace) {
            continue;
        }
        if seen.len() >= NAMESPACES_MAX {
            is_whole = false;
            break;
        }
        seen.insert(namespace);
        folders.push(process.folder.join("net"));
    }
    let mut found = BTreeSet::new();
    let mut first_error = None;
    let mut is_read = false;
    for path in folders.iter().flat_map(|folder| ["tcp", "tcp6"].map(|file| folder.join(file))) {
        match host::list(&path) {
            Ok(content) => {
                is_read = true;
                is_whole &= content.is_whole;
                found.extend(content.text.lines().filter_map(connection));
            }
            // A host without IPv6 has no such file, and a namespace goes with its last process.
            Err(error) => first_error = first_error.or(Some(error)),
        }
    }
    match first_error {
        Some(error) if !is_read => Err(error),
        _ => Ok((found, is_whole)),
    }
}

/// Who holds which socket.
struct Owners {
    /// By the socket's number.
    holders: BTreeMap<u64, String>,
    /// Processes whose files may not be seen.
    hidden: usize,
}

impl Owners {
    fn of(processes: &[Process], wanted: &BTreeSet<u64>) -> Self {
        let mut owners = Self { holders: BTreeMap::new(), hidden: 0 };
        for process in processes {
            let files = match fs::read_dir(process.folder.join("fd")) {
                Ok(files) => files,
                Err(error) => {
                    owners.hidden += usize::from(error.kind() == io::ErrorKind::PermissionDenied);
                    continue;
                }
            };
            for link in files.filter_map(|file| fs::read_link(file.ok()?.path()).ok()) {
                let inode =
                    link.to_str().and_then(|text| text.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok());
                if let Some(inode) = inode.filter(|inode| wanted.contains(inode)) {
                    owners.holders.entry(inode).or_insert_with(|| process.words());
                }
            }
        }
        owners
    }
}
