//! Who is still being served: connections to a port of this host, as the kernel lists them.

use std::fs;

/// Established connections to any of `ports`; `None` if the kernel does not say.
pub(super) fn established(ports: &[u16]) -> Option<usize> {
    let tables = ["/proc/self/net/tcp", "/proc/self/net/tcp6"];
    let counts: Vec<usize> =
        tables.iter().filter_map(|table| Some(count(&fs::read_to_string(table).ok()?, ports))).collect();
    (!counts.is_empty()).then(|| counts.into_iter().sum())
}

/// Lines of a table (proc_net_tcp) whose local port is one of `ports` and whose state is 01, established.
fn count(table: &str, ports: &[u16]) -> usize {
    let is_one = |line: &&str| {
        let mut fields = line.split_ascii_whitespace().skip(1);
        let port = fields.next().and_then(|local| u16::from_str_radix(local.rsplit(':').next()?, 16).ok());
        port.is_some_and(|port| ports.contains(&port)) && fields.nth(1) == Some("01")
    };
    table.lines().skip(1).filter(is_one).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn established_ones_to_the_port_are_counted_and_no_others() {
        let table = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0
   1: 0100007F:1F90 0100007F:D0C2 01 00000000:00000000 00:00000000 00000000     0        0 2 1 0 20 4 30 10 -1
   2: 0100007F:D0C2 0100007F:1F90 01 00000000:00000000 00:00000000 00000000     0        0 3 1 0 20 4 30 10 -1
   3: 0100007F:1F90 0100007F:D0C4 06 00000000:00000000 03:00000000 00000000     0        0 0 3 0";
        assert_eq!(count(table, &[8080]), 1);
        assert_eq!(count(table, &[8080, 0xd0c2]), 2);
        assert_eq!(count(table, &[80]), 0);
    }

    #[test]
    fn a_connection_of_this_process_is_seen() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        assert_eq!(established(&[address.port()]), Some(0));
        let client = std::net::TcpStream::connect(address).unwrap();
        let accepted = listener.accept().unwrap();
        assert_eq!(established(&[address.port()]), Some(1));
        drop((client, accepted));
    }
}
