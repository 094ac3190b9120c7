//! As much of IPv4 and UDP as it takes to carry a packet (RFC 791, RFC 768).

use std::net::Ipv4Addr;

/// Length of a header without options.
const HEADER_BYTES: usize = 20;
/// Both ports.
const PORTS_BYTES: usize = 4;
/// UDP's number among protocols.
const UDP: u8 = 17;

/// Where a UDP packet over IPv4 is going; `None`: it is something else.
pub(super) fn destination(packet: &[u8]) -> Option<Ipv4Addr> {
    let header = packet.first_chunk::<HEADER_BYTES>()?;
    (header[0] >> 4 == 4 && header[9] == UDP).then(|| Ipv4Addr::new(header[16], header[17], header[18], header[19]))
}

/// Turns a UDP packet over IPv4 round: it is then from where it was going, port by port. Checksums are sums, so they stay
/// right. Fragments and packets with options are left alone.
pub(super) fn turn_round(packet: &mut [u8]) {
    let plain = packet.first() == Some(&0x45) && packet.len() >= HEADER_BYTES + PORTS_BYTES;
    if plain {
        let (to, from) = (16, 12);
        for at in 0..4 {
            packet.swap(from + at, to + at);
        }
        packet.swap(HEADER_BYTES, HEADER_BYTES + 2);
        packet.swap(HEADER_BYTES + 1, HEADER_BYTES + 3);
    }
}

#[cfg(test)]
mod tests {
    use super::{destination, turn_round};
    use std::net::Ipv4Addr;

    /// From 198.19.0.1 port 36571 to 198.19.0.2 port 99, as a kernel made it.
    const PACKET: [u8; 31] = [
        69, 0, 0, 31, 38, 104, 64, 0, 64, 17, 136, 60, 198, 19, 0, 1, 198, 19, 0, 2, 142, 219, 0, 99, 0, 11, 114, 6,
        104, 105, 10,
    ];

    #[test]
    fn udp_is_told_from_everything_else() {
        assert_eq!(destination(&PACKET), Some(Ipv4Addr::new(198, 19, 0, 2)));
        let with = |at: usize, byte: u8| {
            let mut packet = PACKET;
            packet[at] = byte;
            destination(&packet)
        };
        assert_eq!((with(9, 1), with(0, 0x60), destination(&PACKET[..19])), (None, None, None));
    }

    #[test]
    fn a_packet_turned_round_goes_back_and_its_header_still_adds_up() {
        let mut packet = PACKET;
        turn_round(&mut packet);
        assert_eq!(packet[12..24], [198, 19, 0, 2, 198, 19, 0, 1, 0, 99, 142, 219]);
        let sum: u32 = packet[..20].chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1])).sum();
        assert_eq!((sum & 0xffff) + (sum >> 16), 0xffff);
        turn_round(&mut packet);
        assert_eq!(packet, PACKET);
    }
}
