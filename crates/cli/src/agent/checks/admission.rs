//! Who may have what checked. Whoever registers a check makes this agent open connections, and read what comes back; so it is
//! done only towards whom the client could ask just as well itself.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};
use whither_checks::{Network, is_forbidden};
use whither_directory::Client;

/// Decides it.
#[derive(Debug)]
pub(super) struct Admission {
    allow: Vec<Network>,
    advertised: IpAddr,
}

impl Admission {
    /// `allow`: what may be checked whoever asks, in the agent's configuration. `advertised`: where others reach this host, which behind
    /// address translation no interface shows.
    pub(super) const fn new(allow: Vec<Network>, advertised: IpAddr) -> Self {
        Self { allow, advertised }
    }

    /// Whether `client` may have something at `claimed` checked. `is_own` says whether an address is this host's.
    ///
    /// Its own address always, as the other end of its connection shows it. This host's addresses only if it is on this host: a
    /// firewall lets the host speak to itself where it lets nobody else in.
    pub(super) fn admit(&self, claimed: IpAddr, client: Client, is_own: impl Fn(IpAddr) -> bool) -> Result<(), String> {
        let claimed = claimed.to_canonical();
        if is_forbidden(claimed) {
            return Err(format!(
                "{claimed} is never checked: it is link-local, a metadata service's, or no single host's; register \
                 without checks, or give the instance's address on its network"
            ));
        }
        let is_allowed = self.allow.iter().any(|network| network.contains(claimed));
        let is_clients = matches!(client, Client::At(address) if address.to_canonical() == claimed);
        let is_hosts = || {
            let is_own = claimed.is_loopback() || claimed == self.advertised.to_canonical() || is_own(claimed);
            client.is_on_this_host() && is_own
        };
        if is_allowed || is_clients || is_hosts() {
            return Ok(());
        }
        let who = match client {
            Client::Local => "it came from this host".to_owned(),
            Client::At(address) => format!("it came from {address}"),
            Client::Unknown => "where it came from is not known".to_owned(),
        };
        let what = if claimed.is_loopback() { "is this agent's host" } else { "is not the registrant's own address" };
        Err(format!(
            "{claimed} {what}, so it is not checked for this request ({who}); register at the agent on the instance's own host, \
             or allow the address with checks.allow in this agent's configuration"
        ))
    }
}

/// Loopback, of either kind.
pub(super) fn loopback() -> impl Iterator<Item = Network> {
    ["127.0.0.0/8", "::1/128"].into_iter().filter_map(|text| text.parse().ok())
}

/// Whether `address` is one of this host's at this moment: then, and only then, a socket can be bound to it.
///
/// Unless the host lets sockets be bound to any address (Linux: `ip_nonlocal_bind`); then nothing can be told, and it is nobody's.
pub(super) fn is_own(address: IpAddr) -> bool {
    let binds = |address: IpAddr| UdpSocket::bind((address, 0)).is_ok();
    // Addresses for documentation, which no host has (RFC 5737 section 3, RFC 3849).
    let nobodys = match address {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)),
    };
    binds(address) && !binds(nobodys)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTS: &str = "10.0.0.5";
    const ADVERTISED: &str = "203.0.113.5";

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn at(text: &str) -> Client {
        Client::At(ip(text))
    }

    /// Whether it is admitted by an agent at 10.0.0.5.
    fn admits(allow: &[&str], claimed: &str, client: Client) -> bool {
        let admission = Admission::new(allow.iter().map(|text| text.parse().unwrap()).collect(), ip(ADVERTISED));
        admission.admit(ip(claimed), client, |address| address == ip(HOSTS)).is_ok()
    }

    #[test]
    fn a_client_may_have_itself_checked_and_nobody_else() {
        assert!(admits(&[], "10.0.0.7", at("10.0.0.7")));
        assert!(admits(&[], "10.0.0.7", at("::ffff:10.0.0.7")), "as a socket for both kinds shows it");
        for claimed in ["10.0.0.8", HOSTS, ADVERTISED, "127.0.0.1", "::1", "::ffff:127.0.0.1", "192.168.0.1", "8.8.8.8"]
        {
            assert!(!admits(&[], claimed, at("10.0.0.7")), "{claimed}");
        }
    }

    #[test]
    fn who_is_on_this_host_may_have_it_checked_by_any_of_its_addresses() {
        for client in [Client::Local, at("127.0.0.1"), at("::1"), at("::ffff:127.0.0.1")] {
            for claimed in ["127.0.0.1", "127.1.2.3", "::1", HOSTS, ADVERTISED] {
                assert!(admits(&[], claimed, client), "{claimed} for {client:?}");
            }
            assert!(!admits(&[], "10.0.0.6", client), "but no other host, for {client:?}");
        }
        assert!(admits(&[], HOSTS, at(HOSTS)) && !admits(&[], "127.0.0.1", at(HOSTS)));
    }

    #[test]
    fn of_whom_nothing_is_known_nothing_is_checked() {
        for claimed in ["127.0.0.1", HOSTS, "10.0.0.7"] {
            assert!(!admits(&[], claimed, Client::Unknown), "{claimed}");
        }
    }

    #[test]
    fn what_is_configured_is_open_to_all_but_never_what_is_forbidden() {
        for client in [Client::Unknown, Client::Local, at("10.0.0.7")] {
            assert!(admits(&["10.1.0.0/16"], "10.1.2.3", client) && !admits(&["10.1.0.0/16"], "10.2.0.1", client));
            assert!(admits(&["127.0.0.0/8"], "127.0.0.1", client));
            for never in
                ["169.254.169.254", "fe80::1", "0.0.0.0", "fd00:ec2::254", "::ffff:169.254.169.254", "224.0.0.1"]
            {
                assert!(!admits(&["0.0.0.0/0", "::/0"], never, client), "{never}");
            }
        }
        // Not even by the one who has it.
        assert!(!admits(&[], "169.254.169.254", at("169.254.169.254")));
    }

    #[test]
    fn a_refusal_names_the_address_who_asked_and_the_way_out() {
        let said =
            Admission::new(Vec::new(), ip(ADVERTISED)).admit(ip("10.0.0.9"), at("10.0.0.7"), |_| false).unwrap_err();
        for part in ["10.0.0.9", "10.0.0.7", "checks.allow"] {
            assert!(said.contains(part), "{said}");
        }
    }

    #[test]
    fn loopback_is_this_hosts_and_an_address_for_documentation_is_not() {
        assert!(is_own(ip("127.0.0.1")) && !is_own(ip("192.0.2.7")) && !is_own(ip("2001:db8::7")));
    }
}
