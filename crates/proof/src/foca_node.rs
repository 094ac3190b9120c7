//! foca, a SWIM library of others (2.0.0), as a node of a population: itself, unchanged, with its own encoding.

use core::convert::Infallible;
use core::num::NonZeroU32;
use core::time::Duration;
use foca::{Config, Foca, Identity, Member, NoCustomBroadcast, Notification, PostcardCodec, Runtime, Timer};
use rand::TryRng;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use whither_model::Instant;
use whither_model::random::{Random, mix};
use whither_population::{Index, Outbox, Protocol, Route};

/// What a node is called: an address, and how often it was declared down and came back.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Id {
    ip: [u8; 4],
    port: u16,
    bump: u16,
}

impl Id {
    fn new(node: Index) -> Self {
        Self { ip: (node + (10 << 24)).to_be_bytes(), port: 8787, bump: 0 }
    }

    /// Which node this is.
    #[must_use]
    pub const fn node(self) -> Index {
        u32::from_be_bytes(self.ip) - (10 << 24)
    }
}

impl Identity for Id {
    type Addr = [u8; 4];

    fn renew(&self) -> Option<Self> {
        Some(Self { bump: self.bump.wrapping_add(1), ..*self })
    }

    fn addr(&self) -> [u8; 4] {
        self.ip
    }

    fn win_addr_conflict(&self, adversary: &Self) -> bool {
        self.bump > adversary.bump
    }
}

/// Our randomness as foca wants it.
struct Noise(Random);

impl TryRng for Noise {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok((self.0.next() >> 32) as u32)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.0.next())
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.0.next().to_le_bytes()[..chunk.len()]);
        }
        Ok(())
    }
}

/// What a node tells of whom it believes to be there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Told {
    /// It is there.
    Up(Index),
    /// It is gone.
    Down(Index),
    /// I was declared down, and came back under a new name.
    Rejoined,
}

/// A packet of foca's, as it is on the wire.
pub type Packet = Box<[u8]>;

type Out = Outbox<Packet, Told>;

/// A node that runs foca.
pub struct FocaNode {
    foca: Foca<Id, PostcardCodec, Noise, NoCustomBroadcast>,
    members: u32,
    timers: Timers,
    refused: u64,
}

/// What foca wants to be woken for.
#[derive(Default)]
struct Timers {
    waiting: BTreeMap<(Instant, u64), Timer<Id>>,
    set: u64,
}

/// What foca asks for while it works.
struct Hands<'a> {
    now: Instant,
    timers: &'a mut Timers,
    out: &'a mut Out,
}

impl Runtime<Id> for Hands<'_> {
    fn notify(&mut self, notification: Notification<'_, Id>) {
        match notification {
            Notification::MemberUp(id) => self.out.tell(Told::Up(id.node())),
            Notification::MemberDown(id) => self.out.tell(Told::Down(id.node())),
            Notification::Rejoin(_) => self.out.tell(Told::Rejoined),
            _ => {}
        }
    }

    fn send_to(&mut self, to: Id, data: &[u8]) {
        let bytes = u32::try_from(data.len()).unwrap_or(u32::MAX);
        self.out.send(to.node(), Route::Datagram, bytes, data.into());
    }

    fn submit_after(&mut self, timer: Timer<Id>, after: Duration) {
        self.timers.set += 1;
        self.timers.waiting.insert((self.now + after, self.timers.set), timer);
    }
}

impl FocaNode {
    /// A node that will know all of `members`, itself among them, with the settings that foca has for a local network of that
    /// size.
    #[must_use]
    pub fn lan(me: Index, members: u32, seed: u64) -> Self {
        let size = NonZeroU32::new(members).unwrap_or(NonZeroU32::MIN);
        Self::new(me, members, Config::new_lan(size), seed)
    }

    /// A node with settings of its own.
    #[must_use]
    pub fn new(me: Index, members: u32, config: Config, seed: u64) -> Self {
        let noise = Noise(Random::new(mix(seed ^ mix(u64::from(me) + 1))));
        let foca = Foca::new(Id::new(me), config, noise, PostcardCodec);
        Self { foca, members, timers: Timers::default(), refused: 0 }
    }

    /// How many packets and timers it refused as wrong.
    #[must_use]
    pub const fn refused(&self) -> u64 {
        self.refused
    }

    /// How many members it believes to be there, itself not among them.
    #[must_use]
    pub fn believes_in(&self) -> usize {
        self.foca.num_members()
    }
}

impl Protocol for FocaNode {
    type Message = Packet;
    type Event = Told;

    fn start(&mut self, now: Instant, out: &mut Out) {
        let me = self.foca.identity().node();
        let others = (0..self.members).filter(|node| *node != me).map(|node| Member::alive(Id::new(node)));
        let hands = Hands { now, timers: &mut self.timers, out };
        let result = self.foca.apply_many(others, false, hands);
        self.refused += u64::from(result.is_err());
    }

    fn receive(&mut self, now: Instant, _: Index, packet: Packet, out: &mut Out) {
        let hands = Hands { now, timers: &mut self.timers, out };
        let result = self.foca.handle_data(&packet, hands);
        self.refused += u64::from(result.is_err());
    }

    fn wake(&mut self, now: Instant, out: &mut Out) {
        // Those due are taken first and sorted as foca wants it, where several are late.
        let later = self.timers.waiting.split_off(&(now + Duration::from_micros(1), 0));
        let due = std::mem::replace(&mut self.timers.waiting, later);
        let mut due: Vec<Timer<Id>> = due.into_values().collect();
        due.sort_unstable();
        for timer in due {
            let hands = Hands { now, timers: &mut self.timers, out: &mut *out };
            let result = self.foca.handle_timer(timer, hands);
            self.refused += u64::from(result.is_err());
        }
    }

    fn next_wake(&self) -> Instant {
        self.timers.waiting.first_key_value().map_or(Instant::DISTANT_FUTURE, |((at, _), _)| *at)
    }
}
