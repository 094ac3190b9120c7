//! Whom a check may speak to. Addresses only: a name is never looked up, so none can change its meaning in between.

use crate::network::Network;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Addresses at which clouds answer any caller on the host with its credentials, other than link-local ones.
const METADATA_V4: [Ipv4Addr; 3] = [
    Ipv4Addr::new(100, 100, 100, 200), // Alibaba Cloud.
    Ipv4Addr::new(168, 63, 129, 16),   // Azure's wire server.
    Ipv4Addr::new(192, 0, 0, 192),     // Oracle Cloud.
];

/// Whether no check ever goes there, whatever is configured: link-local and metadata addresses, and those that are no
/// single host's. IPv4 addresses are also seen inside IPv6 ones that a kernel or a gateway would translate.
#[must_use]
pub fn is_forbidden(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_forbidden_v4(address),
        IpAddr::V6(address) => is_forbidden_v6(address) || inside(address).is_some_and(is_forbidden_v4),
    }
}

fn is_forbidden_v4(address: Ipv4Addr) -> bool {
    // All of 0.0.0.0/8 (RFC 1122 section 3.2.1.3): Linux takes 0.0.0.0 for the host itself.
    address.octets()[0] == 0
        || address.is_link_local()
        || address.is_multicast()
        || address.is_broadcast()
        || METADATA_V4.contains(&address)
}

fn is_forbidden_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    address.is_unspecified()
        || address.is_multicast()
        // Link-local, and site-local, which RFC 3879 took out of use.
        || address.is_unicast_link_local()
        || segments[0] & 0xffc0 == 0xfec0
        // AWS: fd00:ec2::254 tells credentials of the instance, fd00:ec2::23 those of a pod.
        || (segments[0] == 0xfd00 && segments[1] == 0x0ec2)
        // Google Cloud: fd20:ce::254.
        || (segments[0] == 0xfd20 && segments[1] == 0x00ce)
}

/// The IPv4 address inside: mapped (`::ffff:a.b.c.d`), compatible (`::a.b.c.d`), translated (RFC 6052, RFC 8215), or 6to4
/// (RFC 3056).
fn inside(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let [a, b, c, d, e, f, g, h] = address.segments();
    let v4 = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match (a, b, c, d, e, f) {
        (0, 0, 0, 0, 0, 0 | 0xffff) | (0, 0, 0, 0, 0xffff, 0) if address != Ipv6Addr::LOCALHOST => Some(v4(g, h)),
        (0x64, 0xff9b, ..) => Some(v4(g, h)),
        (0x2002, ..) => Some(v4(b, c)),
        _ => None,
    }
}

/// Whether the address means this host, whoever says it.
fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

/// Why a check may not go where it would have to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refused {
    /// Nothing was changed.
    #[error("{0} is never checked: it is link-local, a metadata service's, or no single host's")]
    Forbidden(IpAddr),
    /// Nothing was changed.
    #[error("{0} is this agent's host and not the registrant's; allow it in the agent's configuration if it is meant")]
    Loopback(IpAddr),
    /// Nothing was changed.
    #[error("{0} is not the registrant's own address; allow it in the agent's configuration if it is meant")]
    Foreign(IpAddr),
}

/// Decides whom a check may speak to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Guard {
    allow: Vec<Network>,
}

impl Guard {
    pub(crate) const fn new(allow: Vec<Network>) -> Self {
        Self { allow }
    }

    /// Whether a check of somebody at `own` may speak to `target`.
    ///
    /// A registrant's own address is what it says it is. Loopback is no exception for it: behind the agent's own loopback
    /// are services that trust whoever reaches them.
    pub(crate) fn admit(&self, own: IpAddr, target: IpAddr) -> Result<(), Refused> {
        if is_forbidden(target) {
            return Err(Refused::Forbidden(target));
        }
        if self.allow.iter().any(|network| network.contains(target)) {
            return Ok(());
        }
        match target {
            _ if is_loopback(target) => Err(Refused::Loopback(target)),
            _ if target != own => Err(Refused::Foreign(target)),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn addresses_that_nobody_checks() {
        for never in [
            "169.254.169.254",
            "169.254.0.1",
            "169.254.170.2",
            "100.100.100.200",
            "168.63.129.16",
            "192.0.0.192",
            "0.0.0.0",
            "0.0.0.1",
            "224.0.0.1",
            "239.255.255.255",
            "255.255.255.255",
            "::",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "ff02::1",
            "fd00:ec2::254",
            "fd00:ec2::23",
            "fd20:ce::254",
            "::ffff:169.254.169.254",
            "::169.254.169.254",
            "::ffff:0:169.254.169.254",
            "64:ff9b::169.254.169.254",
            "64:ff9b:1::169.254.169.254",
            "2002:a9fe:a9fe::1",
            "::ffff:0.0.0.0",
        ] {
            assert!(is_forbidden(ip(never)), "{never}");
        }
        for fine in
            ["10.0.0.1", "127.0.0.1", "::1", "192.168.1.1", "169.253.1.1", "fd00::1", "2001:db8::1", "::ffff:10.0.0.1"]
        {
            assert!(!is_forbidden(ip(fine)), "{fine}");
        }
    }

    #[test]
    fn only_the_own_address_unless_configured() {
        let guard = Guard::default();
        assert_eq!(guard.admit(ip("10.0.0.1"), ip("10.0.0.1")), Ok(()));
        assert_eq!(guard.admit(ip("10.0.0.1"), ip("10.0.0.2")), Err(Refused::Foreign(ip("10.0.0.2"))));
        let guard = Guard::new(vec!["10.0.0.0/24".parse().unwrap()]);
        assert_eq!(guard.admit(ip("10.0.0.1"), ip("10.0.0.2")), Ok(()));
        assert_eq!(guard.admit(ip("10.0.0.1"), ip("10.0.1.2")), Err(Refused::Foreign(ip("10.0.1.2"))));
    }

    #[test]
    fn loopback_is_nobodys_own_unless_configured() {
        for loopback in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"].map(ip) {
            assert_eq!(Guard::default().admit(loopback, loopback), Err(Refused::Loopback(loopback)));
        }
        let guard = Guard::new(vec!["127.0.0.0/8".parse().unwrap(), "::1".parse().unwrap()]);
        for loopback in ["127.0.0.1", "::1", "::ffff:127.0.0.1"].map(ip) {
            assert_eq!(guard.admit(loopback, loopback), Ok(()), "{loopback}");
        }
    }

    #[test]
    fn what_is_forbidden_cannot_be_allowed() {
        let guard = Guard::new(vec!["0.0.0.0/0".parse().unwrap(), "::/0".parse().unwrap()]);
        for never in ["169.254.169.254", "fd00:ec2::254", "::ffff:169.254.169.254"].map(ip) {
            assert_eq!(guard.admit(never, never), Err(Refused::Forbidden(never)));
        }
    }
}
