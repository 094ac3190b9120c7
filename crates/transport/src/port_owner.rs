//! Who has a port that we wanted. Best effort, from `/proc`, on Linux only; elsewhere nobody is named.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Largest table of sockets looked at, bytes.
const TABLE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Most descriptors looked at, over all processes: an answer that takes seconds is no help.
const DESCRIPTORS_MAX: usize = 200_000;
/// State of a TCP socket that listens, as the kernel writes it.
const TCP_LISTEN: &str = "0A";

/// Which of the two sets of ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortKind {
    /// UDP.
    Udp,
    /// TCP; only sockets that listen count.
    Tcp,
}

/// Names the process that keeps `address` from being bound, such as `pid 1234 (whither)`.
///
/// None if nobody does, or if it cannot be found out. A process of another user cannot be identified without
/// privileges; the answer is then `a process of user id 0`. Reads `/proc` and so takes milliseconds: for error paths.
pub fn whose_port(kind: PortKind, address: SocketAddr) -> Option<String> {
    let tables = match kind {
        PortKind::Udp => ["/proc/net/udp", "/proc/net/udp6"],
        PortKind::Tcp => ["/proc/net/tcp", "/proc/net/tcp6"],
    };
    let entry = tables.iter().find_map(|table| {
        let content = fs::read(table).ok()?;
        let content = str::from_utf8(&content[..content.len().min(TABLE_BYTES_MAX)]).ok()?;
        content.lines().skip(1).filter_map(|line| SocketEntry::parse(kind, line)).find(|entry| entry.blocks(address))
    })?;
    let owner = process_with_socket(entry.inode).map(|pid| match fs::read_to_string(format!("/proc/{pid}/comm")) {
        Ok(name) => format!("pid {pid} ({})", name.trim_end().escape_debug()),
        Err(_) => format!("pid {pid}"),
    });
    Some(owner.unwrap_or_else(|| format!("a process of user id {}", entry.user)))
}

/// One line of `/proc/net/{tcp,udp}{,6}`, see proc_net_tcp in the kernel's documentation.
#[derive(Debug, PartialEq, Eq)]
struct SocketEntry {
    local: SocketAddr,
    user: u32,
    inode: u64,
}

impl SocketEntry {
    fn parse(kind: PortKind, line: &str) -> Option<Self> {
        let mut fields = line.split_ascii_whitespace();
        let local = parse_address(fields.nth(1)?)?;
        let state = fields.nth(1)?;
        if kind == PortKind::Tcp && state != TCP_LISTEN {
            return None;
        }
        Some(Self { local, user: fields.nth(3)?.parse().ok()?, inode: fields.nth(1)?.parse().ok()? })
    }

    /// A wildcard stands in the way of every address, and every address in a wildcard's.
    fn blocks(&self, address: SocketAddr) -> bool {
        let (ours, theirs) = (address.ip().to_canonical(), self.local.ip().to_canonical());
        self.local.port() == address.port() && (ours == theirs || ours.is_unspecified() || theirs.is_unspecified())
    }
}

/// `0100007F:1DB0`: 32-bit words in the machine's byte order, then the port.
fn parse_address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let word = |digits: &str| Some(u32::from_str_radix(digits, 16).ok()?.to_ne_bytes());
    let ip = match ip.len() {
        8 => IpAddr::from(Ipv4Addr::from(word(ip)?)),
        32 => {
            let mut bytes = [0; 16];
            for (index, chunk) in bytes.chunks_exact_mut(4).enumerate() {
                chunk.copy_from_slice(&word(ip.get(8 * index..8 * index + 8)?)?);
            }
            IpAddr::from(Ipv6Addr::from(bytes))
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, u16::from_str_radix(port, 16).ok()?))
}

/// The first process found that holds the socket. Processes that may not be looked into are passed over.
fn process_with_socket(inode: u64) -> Option<u32> {
    let wanted = format!("socket:[{inode}]");
    let processes = fs::read_dir("/proc").ok()?.flatten();
    let descriptors = processes
        .filter_map(|process| Some((process.file_name().to_str()?.parse::<u32>().ok()?, process.path().join("fd"))))
        .filter_map(|(pid, descriptors)| Some((pid, fs::read_dir(descriptors).ok()?)))
        .flat_map(|(pid, descriptors)| descriptors.flatten().map(move |descriptor| (pid, descriptor.path())));
    descriptors
        .take(DESCRIPTORS_MAX)
        .find(|(_, descriptor)| fs::read_link(descriptor).is_ok_and(|target| target.as_os_str() == wanted.as_str()))
        .map(|(pid, _)| pid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_endian = "little")]
    fn lines_of_the_kernel_are_understood() {
        let udp =
            "  412: 0100007F:1DB0 00000000:0000 07 00000000:00000000 00:00000000 00000000  1000        0 71234 2 0 0";
        let expected = SocketEntry { local: "127.0.0.1:7600".parse().expect("an address"), user: 1000, inode: 71234 };
        assert_eq!(SocketEntry::parse(PortKind::Udp, udp), Some(expected));
        assert_eq!(SocketEntry::parse(PortKind::Tcp, udp), None, "not a listening state");
        let any = "00000000000000000000000000000000:1DB0";
        assert_eq!(parse_address(any), Some("[::]:7600".parse().expect("an address")));
        for nonsense in
            ["", "x", ":", "0100007F", "0100007:1DB0", "0100007F:1DB00", "é000000000000000000000000000000:1"]
        {
            assert_eq!(parse_address(nonsense), None, "{nonsense:?}");
        }
    }

    #[test]
    fn wildcards_block_and_are_blocked() {
        let entry = |local: &str| SocketEntry { local: local.parse().expect("an address"), user: 0, inode: 0 };
        let address = |text: &str| text.parse().expect("an address");
        assert!(entry("0.0.0.0:1").blocks(address("127.0.0.1:1")));
        assert!(entry("127.0.0.1:1").blocks(address("[::]:1")));
        assert!(entry("[::ffff:127.0.0.1]:1").blocks(address("127.0.0.1:1")));
        assert!(!entry("127.0.0.1:1").blocks(address("127.0.0.2:1")));
        assert!(!entry("127.0.0.1:1").blocks(address("127.0.0.1:2")));
    }
}
