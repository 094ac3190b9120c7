//! One design, in one world, under one fault.

use super::spreader::{Design, Places, Spreader, Traffic, Update};
use crate::statistics::Sorted;
use core::marker::PhantomData;
use core::time::Duration;
use whither_model::Instant;
use whither_model::random::{Random, mix};
use whither_population::{Bursts, Change, Index, Nodes, Population, Setup, Watch};

/// IP and UDP, for each message.
const HEADER_BYTES: u64 = 28;

/// What is wrong, all the time.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Fault {
    /// Nothing.
    Nothing,
    /// This share of messages is lost, each independently.
    Loss(f64),
    /// This share is lost, in bursts in which a node hears nothing, which last so long on average.
    Bursts(f64, Duration),
    /// This share of nodes has crashed after the warm-up, and nobody has noticed.
    Crash(f64),
}

/// Which updates there are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Workload {
    /// One at a time, from random nodes, ten seconds apart, after as many in a row as the design learns from.
    OneByOne {
        /// How many are measured.
        updates: u32,
    },
    /// One from each node, at random times, 200 a second: what Corrosion's simulator does.
    Everybody,
}

/// What came out. Times in milliseconds; infinite for what never happened.
#[derive(Clone, Debug)]
pub struct Measured {
    /// Until the last living node heard, over updates.
    pub last: Sorted,
    /// The same, divided by the time in which light could have been there.
    pub to_light: Sorted,
    /// Until a node heard, over updates and living nodes.
    pub each: Sorted,
    /// Over how many steps it came.
    pub hops: Sorted,
    /// The share of living nodes and updates that met, in percent.
    pub reached: f64,
    /// Copies received in vain, for each useful one.
    pub duplicates: f64,
    /// Messages without an update, for each useful copy.
    pub control: f64,
    /// Bytes on the wire, headers included, for each useful copy.
    pub bytes: f64,
}

/// Hears who hears.
struct Ears<P> {
    /// When each update was published, and by whom.
    began: Vec<(Instant, Index)>,
    /// Of each update, when nodes heard of it, in the order of time.
    heard: Vec<Vec<(Instant, u16)>>,
    of: PhantomData<P>,
}

impl<P: Spreader> Watch<P::Event> for Ears<P> {
    fn event(&mut self, at: Instant, _: Index, event: P::Event) {
        if let Some(heard) = P::heard(event) {
            self.heard[heard.update as usize].push((at, heard.hops));
        }
    }
}

/// Runs a design in the world of `setup`, whose weather the fault replaces.
///
/// # Panics
///
/// If the design uses up the world's budget of events.
#[must_use]
pub fn measure<D: Design>(design: &D, setup: &Setup, fault: Fault, workload: Workload) -> Measured {
    let mut setup = setup.clone();
    match fault {
        Fault::Loss(share) => setup.weather.loss = share,
        Fault::Bursts(share, mean) => setup.weather.bursts_in = Some(Bursts::new(share, mean)),
        Fault::Nothing | Fault::Crash(_) => {}
    }
    let mut nodes = design.nodes(&Places::of(&setup), mix(setup.seed)).into_iter();
    let ears = Ears { began: Vec::new(), heard: Vec::new(), of: PhantomData };
    let world = Population::new(&setup, ears, |_| nodes.next().expect("a design makes a node for each place"));
    let mut run = Run { world, random: Random::new(mix(setup.seed ^ 0x6f72_6967)) };
    run.wait(design.settling());
    match workload {
        Workload::OneByOne { updates } => run.one_by_one(fault, updates, design.learns_from()),
        Workload::Everybody => run.everybody(fault),
    }
}

/// A world under way.
struct Run<N: Spreader> {
    world: Population<N, Ears<N>>,
    random: Random,
}

impl<N: Spreader> Run<N> {
    fn one_by_one(mut self, fault: Fault, updates: u32, learning: u32) -> Measured {
        for _ in 0..learning {
            self.publish_anywhere();
            self.wait(Duration::from_millis(50));
        }
        self.wait(Duration::from_secs(10));
        self.crash(fault);
        let (first, before) = (self.world.watch().began.len(), self.traffic());
        for _ in 0..updates {
            self.publish_anywhere();
            self.wait(Duration::from_secs(10));
        }
        self.measured(first, before)
    }

    fn everybody(mut self, fault: Fault) -> Measured {
        self.crash(fault);
        let window = self.world.len() * 5_000;
        let mut times: Vec<(u64, Index)> = (0..)
            .zip(self.world.nodes())
            .map(|(node, _)| (self.random.below(window) as u64, node))
            .filter(|(_, node)| self.world.is_alive(*node))
            .collect();
        times.sort_unstable();
        let begin = self.world.now();
        for (micros, node) in times {
            self.world.run_until(begin + Duration::from_micros(micros)).expect("within the budget");
            self.publish(node);
        }
        self.wait(Duration::from_secs(20));
        self.measured(0, Traffic::default())
    }

    fn wait(&mut self, time: Duration) {
        self.world.run_for(time).expect("a design stays within the budget of events");
    }

    fn crash(&mut self, fault: Fault) {
        if let Fault::Crash(share) = fault {
            let nodes = self.world.len();
            let dead = Nodes::random((nodes as f64 * share).round() as usize, nodes, &mut self.random);
            self.world.change(&Change::Crash(dead));
        }
    }

    fn publish_anywhere(&mut self) {
        loop {
            let node = Index::try_from(self.random.below(self.world.len())).unwrap_or_default();
            if self.world.is_alive(node) {
                return self.publish(node);
            }
        }
    }

    fn publish(&mut self, node: Index) {
        let now = self.world.now();
        let ears = self.world.watch_mut();
        let update = Update::try_from(ears.began.len()).unwrap_or(Update::MAX);
        ears.began.push((now, node));
        ears.heard.push(Vec::new());
        self.world.inject(node, |node, now, out| node.publish(now, update, out));
    }

    fn traffic(&self) -> Traffic {
        Traffic::sum(self.world.nodes().map(Spreader::traffic))
    }

    /// What became of all updates from the `first` on.
    fn measured(self, first: usize, before: Traffic) -> Measured {
        let traffic = self.traffic().since(before);
        let alive = (0..).zip(self.world.nodes()).filter(|(node, _)| self.world.is_alive(*node)).count();
        let ears = self.world.watch();
        let (mut last, mut to_light, mut each, mut hops) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let millis = |time: Duration| time.as_secs_f64() * 1e3;
        for ((began, origin), heard) in ears.began.iter().zip(&ears.heard).skip(first) {
            each.extend(heard.iter().map(|(at, _)| millis(at.since(*began))));
            hops.extend(heard.iter().map(|(_, hops)| f64::from(*hops)));
            // The origin itself hears nothing new.
            let missing = (alive - 1).saturating_sub(heard.len());
            each.extend(std::iter::repeat_n(f64::INFINITY, missing));
            let all = heard.last().filter(|_| missing == 0).map_or(f64::INFINITY, |(at, _)| millis(at.since(*began)));
            last.push(all);
            to_light.push(all / millis(self.world.light(*origin)));
        }
        let useful = hops.len() as f64;
        Measured {
            reached: 100.0 * useful / each.len() as f64,
            duplicates: traffic.duplicates as f64 / useful,
            control: traffic.control as f64 / useful,
            bytes: (traffic.bytes + HEADER_BYTES * traffic.messages) as f64 / useful,
            last: Sorted::new(last),
            to_light: Sorted::new(to_light),
            each: Sorted::new(each),
            hops: Sorted::new(hops),
        }
    }
}
