//! Rumours with a transmit limit, as memberlist spreads its users' broadcasts: every 200 ms to three random others, each
//! rumour 4·⌈log10(n+1)⌉ times by each node (its `DefaultLANConfig`).

use super::overlay::choose;
use super::spreader::{Design, Heard, Known, Places, Spreader, Traffic, UPDATE_BYTES, UPDATE_ID_BYTES, Update};
use core::time::Duration;
use whither_model::Instant;
use whither_model::random::{Random, mix};
use whither_population::{Index, Outbox, Protocol, Route};

/// How many updates of this size go into a datagram of 1 400 bytes.
const UPDATES_PER_MESSAGE: usize = 6;

/// The design.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rumours {
    /// How often a node gossips, if it has a rumour.
    pub interval: Duration,
    /// To how many random others each time.
    pub fan_out: usize,
    /// How often each node sends a rumour, as a multiple of ⌈log10(n+1)⌉.
    pub multiplier: u32,
}

impl Rumours {
    /// memberlist's settings for a local network.
    pub const LAN: Self = Self { interval: Duration::from_millis(200), fan_out: 3, multiplier: 4 };
}

/// Some updates on their way.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Packet {
    count: u8,
    updates: [(Update, u16); UPDATES_PER_MESSAGE],
}

/// A rumour that is still passed on.
#[derive(Clone, Copy, Debug)]
struct Rumour {
    update: Update,
    hops: u16,
    sent: u32,
}

/// A node of it.
#[derive(Clone, Debug)]
pub struct RumoursNode {
    me: Index,
    members: u32,
    design: Rumours,
    limit: u32,
    random: Random,
    known: Known,
    rumours: Vec<Rumour>,
    chosen: Vec<Index>,
    /// When its ticker ticked last, or began: the ticks between that nobody needed were not taken.
    ticked: Instant,
    traffic: Traffic,
}

impl Design for Rumours {
    type Node = RumoursNode;

    fn name(&self) -> String {
        format!("rumours, {} every {} ms", self.fan_out, self.interval.as_millis())
    }

    fn nodes(&self, places: &Places, seed: u64) -> Vec<RumoursNode> {
        let members = places.members();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small positive number")]
        let scale = f64::from(members + 1).log10().ceil() as u32;
        let node = |me| RumoursNode {
            me,
            members,
            design: *self,
            limit: self.multiplier * scale,
            random: Random::new(mix(seed ^ mix(u64::from(me) + 1))),
            known: Known::default(),
            rumours: Vec::new(),
            chosen: Vec::new(),
            ticked: Instant::START,
            traffic: Traffic::default(),
        };
        (0..members).map(node).collect()
    }
}

impl RumoursNode {
    fn hear(&mut self, now: Instant, update: Update, hops: u16) {
        if self.rumours.is_empty() {
            // The ticker went on ticking; only nobody was there to hear.
            let micros = u64::try_from(self.design.interval.as_micros()).unwrap_or(u64::MAX);
            let missed = now.as_micros().saturating_sub(self.ticked.as_micros()) / micros;
            self.ticked = Instant::from_micros(self.ticked.as_micros() + missed * micros);
        }
        self.rumours.push(Rumour { update, hops, sent: 0 });
    }

    fn packet(&mut self) -> Packet {
        let mut packet = Packet::default();
        self.rumours.sort_by_key(|rumour| rumour.sent);
        for (place, rumour) in packet.updates.iter_mut().zip(&mut self.rumours) {
            *place = (rumour.update, rumour.hops + 1);
            rumour.sent += 1;
            packet.count += 1;
        }
        let limit = self.limit;
        self.rumours.retain(|rumour| rumour.sent < limit);
        packet
    }
}

impl Spreader for RumoursNode {
    fn publish(&mut self, now: Instant, update: Update, _: &mut Outbox<Packet, Heard>) {
        self.known.insert(update);
        self.hear(now, update, 0);
    }

    fn traffic(&self) -> Traffic {
        self.traffic
    }

    fn heard(event: Heard) -> Option<Heard> {
        Some(event)
    }
}

impl Protocol for RumoursNode {
    type Message = Packet;
    type Event = Heard;

    fn start(&mut self, now: Instant, _: &mut Outbox<Packet, Heard>) {
        let micros = usize::try_from(self.design.interval.as_micros()).unwrap_or(usize::MAX);
        self.ticked = now + Duration::from_micros(self.random.below(micros) as u64) - self.design.interval;
    }

    fn receive(&mut self, now: Instant, _: Index, packet: Packet, out: &mut Outbox<Packet, Heard>) {
        for (update, hops) in packet.updates.into_iter().take(usize::from(packet.count)) {
            if self.known.insert(update) {
                out.tell(Heard { update, hops });
                self.hear(now, update, hops);
            } else {
                self.traffic.duplicates += 1;
            }
        }
    }

    fn wake(&mut self, now: Instant, out: &mut Outbox<Packet, Heard>) {
        self.ticked = now;
        self.chosen.clear();
        choose(&mut self.random, self.members, self.me, self.design.fan_out, &mut self.chosen);
        for to in std::mem::take(&mut self.chosen) {
            let packet = self.packet();
            if packet.count > 0 {
                let bytes = u32::from(packet.count) * (UPDATE_ID_BYTES + UPDATE_BYTES);
                self.traffic.sent(bytes, u32::from(packet.count));
                out.send(to, Route::Datagram, bytes, packet);
            }
        }
    }

    fn next_wake(&self) -> Instant {
        if self.rumours.is_empty() { Instant::DISTANT_FUTURE } else { self.ticked + self.design.interval }
    }
}
