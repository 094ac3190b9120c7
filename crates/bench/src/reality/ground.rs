//! Hosts without machines: a network namespace for each, a tunnel into the emulated network, and a short wire to this process.
//!
//! Agents speak to each other through the tunnels. They are asked and watched over the wires (veth), which are the kernel's
//! own, so that asking them does not pass through what is measured. All addresses are of the block that is set aside for
//! benchmarks (RFC 2544, 198.18.0.0/15).

use super::forwarder::{Carried, Forwarder};
use super::namespace::{self, Namespace, ip_batch};
use super::paths::Paths;
use anyhow::{Context, Result, bail, ensure};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Command, Stdio};
use tun_rs::{DeviceBuilder, SyncDevice};

/// As many as have addresses here, and as a small machine can bear.
pub(super) const HOSTS_MAX: usize = 100;
/// Where agents speak to each other.
const PEERS_PORT: u16 = 7600;
/// Where agents are asked.
const HTTP_PORT: u16 = 7601;
/// What a tunnel carries at once, as on any wire.
const MTU: u16 = 1_500;
/// Where the probe's tunnel begins, and where it seems to go.
pub(super) const PROBE: (Ipv4Addr, Ipv4Addr) = (Ipv4Addr::new(198, 19, 1, 1), Ipv4Addr::new(198, 19, 1, 2));

/// All hosts and the network between them. Gone when dropped.
#[derive(Debug)]
pub(super) struct Ground {
    /// Ended before its tunnels lose their hosts.
    forwarder: Forwarder,
    hosts: Vec<Namespace>,
}

/// What is missing to emulate a network here; `None`: nothing.
pub(super) fn missing() -> Option<String> {
    let tool = Command::new("ip").arg("-V").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !tool.is_ok_and(|status| status.success()) {
        return Some("the command `ip` (iproute2) is missing; install it".into());
    }
    if !is_root() {
        return Some("network namespaces and tunnels take root; run it as root".into());
    }
    if !Path::new("/dev/net/tun").exists() {
        return Some("/dev/net/tun is missing; load the module: modprobe tun".into());
    }
    None
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Where host `number` is reached by other hosts.
pub(super) fn peers_address(number: usize) -> SocketAddr {
    (Ipv4Addr::new(198, 19, 0, octet(number) + 1), PEERS_PORT).into()
}

/// Where host `number` is asked by this process.
pub(super) fn http_address(number: usize) -> SocketAddr {
    (Ipv4Addr::new(198, 18, octet(number), 2), HTTP_PORT).into()
}

/// Which host an address is of.
fn host_of(address: Ipv4Addr) -> Option<usize> {
    match address.octets() {
        [198, 19, 0, last] => usize::from(last).checked_sub(1),
        _ => None,
    }
}

/// Numbers of hosts are below [`HOSTS_MAX`].
fn octet(number: usize) -> u8 {
    u8::try_from(number).unwrap_or(u8::MAX - 1)
}

impl Ground {
    /// Makes `count` hosts, and a network between them that carries packets as `paths` says.
    pub(super) fn new(count: usize, paths: Paths) -> Result<Self> {
        ensure!((2..=HOSTS_MAX).contains(&count), "{count} hosts are out of range; expected 2 to {HOSTS_MAX}");
        namespace::remove_leftovers();
        let (mut hosts, mut tunnels) = (Vec::new(), Vec::new());
        for number in 0..count {
            let namespace = Namespace::new(number)?;
            tunnels.push(connect(&namespace, number)?);
            hosts.push(namespace);
        }
        tunnels.push(probe_tunnel()?);
        let forwarder = Forwarder::start(tunnels, host_of, paths)?;
        Ok(Self { forwarder, hosts })
    }

    /// How many hosts there are.
    pub(super) fn len(&self) -> usize {
        self.hosts.len()
    }

    /// A command that runs `program` on host `number`.
    pub(super) fn command(&self, number: usize, program: &Path) -> Result<Command> {
        let Some(host) = self.hosts.get(number) else { bail!("there is no host {number}") };
        Ok(host.command(program))
    }

    /// Changes the network.
    pub(super) fn change(&self, change: impl FnOnce(&mut Paths)) {
        self.forwarder.change(change);
    }

    /// What the network has carried since the last call.
    pub(super) fn take_carried(&mut self) -> Result<Carried> {
        self.forwarder.check()?;
        Ok(self.forwarder.take_carried())
    }
}

fn tunnel(name: &str) -> Result<SyncDevice> {
    let device = DeviceBuilder::new().name(name).mtu(MTU).packet_information(false).enable(false).build_sync();
    device.with_context(|| format!("cannot make the tunnel {name}; is /dev/net/tun usable here?"))
}

/// Gives a host its tunnel, which stays open here, and its wire.
fn connect(host: &Namespace, number: usize) -> Result<SyncDevice> {
    let pid = std::process::id();
    let (far, wire) = (format!("wt{pid}-{number}"), format!("wv{pid}-{number}"));
    let tunnel = tunnel(&far)?;
    let (name, peers, http) = (host.name(), peers_address(number).ip(), http_address(number).ip());
    let near = Ipv4Addr::new(198, 18, octet(number), 1);
    ip_batch(
        &["-batch", "-"],
        &format!(
            "link set dev {far} netns {name}\n\
             link add {wire} type veth peer name wire netns {name}\n\
             link set dev {wire} addrgenmode none\n\
             addr add {near}/30 dev {wire}\n\
             link set dev {wire} up\n"
        ),
    )?;
    host.ip(&format!(
        "link set dev lo up\n\
         link set dev {far} addrgenmode none\n\
         addr add {peers}/24 dev {far}\n\
         link set dev {far} up\n\
         link set dev wire addrgenmode none\n\
         addr add {http}/30 dev wire\n\
         link set dev wire up\n"
    ))?;
    Ok(tunnel)
}

/// The probe's tunnel stays where this process is.
fn probe_tunnel() -> Result<SyncDevice> {
    let name = format!("wp{}", std::process::id());
    let tunnel = tunnel(&name)?;
    let near = PROBE.0;
    ip_batch(
        &["-batch", "-"],
        &format!(
            "link set dev {name} addrgenmode none\n\
             addr add {near}/24 dev {name}\n\
             link set dev {name} up\n"
        ),
    )?;
    Ok(tunnel)
}

#[cfg(test)]
mod tests {
    use super::{HOSTS_MAX, PROBE, host_of, http_address, peers_address};
    use std::collections::BTreeSet;
    use std::net::IpAddr;

    #[test]
    fn every_host_has_addresses_of_its_own_and_is_known_by_one() {
        let mut seen = BTreeSet::from([IpAddr::from(PROBE.0), PROBE.1.into()]);
        for number in 0..HOSTS_MAX {
            let IpAddr::V4(peers) = peers_address(number).ip() else { panic!("IPv6") };
            assert_eq!(host_of(peers), Some(number));
            assert!(seen.insert(peers.into()) && seen.insert(http_address(number).ip()), "{number}");
        }
        assert_eq!((host_of(PROBE.1), host_of([198, 19, 0, 0].into())), (None, None));
    }
}
