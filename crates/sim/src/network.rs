//! The network: delay, jitter, loss, doubling, reordering, cuts in either direction, and lines that bear only so much.

mod lines;

pub use lines::{Line, Load, PACKET_OVERHEAD_BYTES};
pub(crate) use lines::{Lines, Piece, Way};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use whither_model::random::Random;
use whither_replica::Route;

/// What the network does to what is sent over it.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    /// Shortest one-way delay.
    pub delay: Duration,
    /// Added at random, uniformly.
    pub jitter: Duration,
    /// Datagrams lost, per thousand. Stream messages are delayed instead, by a retransmission each time.
    pub loss_per_mille: usize,
    /// Datagrams that arrive twice, per thousand.
    pub doubled_per_mille: usize,
}

impl Weather {
    /// A quiet data centre.
    pub const CALM: Self = Self {
        delay: Duration::from_micros(100),
        jitter: Duration::from_micros(50),
        loss_per_mille: 0,
        doubled_per_mille: 0,
    };
    /// Loss, doubling and reordering.
    pub const STORMY: Self = Self {
        delay: Duration::from_micros(500),
        jitter: Duration::from_millis(20),
        loss_per_mille: 100,
        doubled_per_mille: 20,
    };
}

/// Who can reach whom, and how well.
#[derive(Clone, Debug)]
pub struct Network {
    /// What happens on links that are not cut.
    pub weather: Weather,
    /// Cut links, as (from, to): one-way.
    cut: BTreeSet<(usize, usize)>,
    /// What links take longer than the weather has it, as (from, to): one-way.
    detours: BTreeMap<(usize, usize), Duration>,
    /// What nodes' lines bear; `None`: anything.
    pub(crate) lines: Option<Lines>,
}

/// How long a stream takes to notice and resend a lost packet.
const RETRANSMISSION: Duration = Duration::from_millis(30);

impl Network {
    /// A network without cuts.
    #[must_use]
    pub fn new(weather: Weather) -> Self {
        Self { weather, cut: BTreeSet::new(), detours: BTreeMap::new(), lines: None }
    }

    /// From now on each node's line bears only so much.
    pub fn narrow(&mut self, line: Line) {
        self.lines = Some(Lines::new(line));
    }

    /// What the lines have borne since they became narrow.
    #[must_use]
    pub fn load(&self) -> Load {
        self.lines.as_ref().map_or_else(Load::default, Lines::load)
    }

    /// Bytes of stream messages that `node` sent over its narrow line and that have not arrived.
    #[must_use]
    pub fn unread(&self, node: usize) -> usize {
        self.lines.as_ref().map_or(0, |lines| lines.unread(node))
    }

    /// Cuts the link from `from` to `to`, one way.
    pub fn cut(&mut self, from: usize, to: usize) {
        self.cut.insert((from, to));
    }

    /// From now on what goes from `from` to `to` takes `longer`, one way.
    pub fn lengthen(&mut self, from: usize, to: usize, longer: Duration) {
        self.detours.insert((from, to), longer);
    }

    /// Cuts both ways between every two nodes that are not in the same group.
    pub fn partition(&mut self, groups: &[Vec<usize>]) {
        for (at, group) in groups.iter().enumerate() {
            for other in groups.iter().enumerate().filter(|(other, _)| *other != at).flat_map(|(_, group)| group) {
                group.iter().for_each(|node| self.cut(*node, *other));
            }
        }
    }

    /// Ends every cut.
    pub fn heal(&mut self) {
        self.cut.clear();
    }

    /// Whether anything sent from `from` can reach `to`.
    #[must_use]
    pub fn is_open(&self, from: usize, to: usize) -> bool {
        !self.cut.contains(&(from, to))
    }

    /// When each copy of a packet arrives, as delays from now: none if it is lost.
    pub fn arrivals(&self, from: usize, to: usize, route: Route, random: &mut Random) -> Vec<Duration> {
        let cut = !self.is_open(from, to) || (route == Route::Stream && !self.is_open(to, from));
        if cut {
            return Vec::new();
        }
        let weather = self.weather;
        let detour = self.detours.get(&(from, to)).copied().unwrap_or_default();
        let chance = |random: &mut Random, per_mille: usize| random.below(1_000) < per_mille;
        let one_way = |random: &mut Random| {
            let jitter = usize::try_from(weather.jitter.as_micros()).unwrap_or(0);
            weather.delay + detour + Duration::from_micros(random.below(jitter + 1) as u64)
        };
        match route {
            Route::Datagram => {
                let copies = if chance(random, weather.loss_per_mille) {
                    0
                } else {
                    1 + usize::from(chance(random, weather.doubled_per_mille))
                };
                (0..copies).map(|_| one_way(random)).collect()
            }
            Route::Stream => {
                let mut delay = one_way(random);
                while chance(random, weather.loss_per_mille) {
                    delay += RETRANSMISSION + one_way(random);
                }
                vec![delay]
            }
        }
    }
}
