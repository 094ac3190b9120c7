//! An entry for fuzzers: octets in, the answer out, over a small fixed catalog.

use crate::answerer::{Answerer, Source, Transport};
use crate::config::Config;
use crate::counters::Counters;
use crate::unusual;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, OnceLock};
use whither_directory::{Clock, Directory, Identity, Publisher};
use whither_model::{Delta, Epoch, Instance, NodeId, Port, Registration, Version, WallTime};

/// Answers one datagram as a UDP worker would, by both paths, from a catalog of a few services.
///
/// # Panics
/// If an answer is longer than it may be. That is what a fuzzer looks for.
#[doc(hidden)]
#[must_use]
pub fn answer_datagram_for_fuzz(datagram: &[u8]) -> Option<Vec<u8>> {
    static SOURCE: OnceLock<Option<Arc<Source>>> = OnceLock::new();
    let source = SOURCE.get_or_init(|| Source::new(sample()?, &Config::default()).ok().map(Arc::new)).as_ref()?;
    let counters = Arc::new(Counters::default());
    let mut answerer = Answerer::new(Arc::clone(source), Arc::clone(&counters), Transport::Udp);
    let mut out = Vec::new();
    let first = answerer.answer(datagram, &mut out).then(|| out.clone());
    // Again, which takes the kept answer if there is one.
    let again = answerer.answer(datagram, &mut out);
    let limit = usize::from(source.payload_max);
    assert!(again == first.is_some() && out.len() <= limit && first.as_ref().is_none_or(|first| first.len() <= limit));
    if again {
        let mut general = Vec::new();
        unusual::answer(source, &counters, Transport::Udp, 0, datagram, &mut general);
        assert!(general.len() <= limit, "the general path keeps to the same limit");
    }
    first
}

fn sample() -> Option<Arc<Directory>> {
    let node = NodeId::new(0x00c0_ffee)?;
    let identity = Identity {
        node,
        epoch: Epoch(1),
        name: "a.example".parse().ok()?,
        advertise: "192.0.2.1:7600".parse().ok()?,
        zone: Box::default(),
        region: Box::default(),
        software: Box::default(),
    };
    let (directory, _) = Directory::new(identity, Clock::manual());
    let mut publisher = Publisher::new(Arc::clone(&directory));
    for (service, instances) in [("web", 3), ("prod/api", 100), ("prod/one", 1)] {
        for n in 0..instances {
            let address: IpAddr = match n % 4 {
                3 => Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, n).into(),
                _ => Ipv4Addr::new(10, 0, 0, u8::try_from(n).ok()?).into(),
            };
            let id = if n % 5 == 0 { format!("host:{n}") } else { format!("i{n}") };
            let mut registration = Registration::new(service.parse().ok()?, id.parse().ok()?, address);
            registration.ports = [Port { name: "http".parse().ok()?, number: 8000 + n }].into();
            registration.tags = ["V1".into()].into();
            publisher.apply(Delta::Instance(Arc::new(Instance {
                share: 100,
                leaving: false,
                came: whither_model::Came::Own,
                registration,
                owner: node,
                version: Version::default(),
                claimed_at: WallTime(1),
                changed_at: WallTime(1),
            })));
        }
    }
    publisher.publish();
    Some(directory)
}
