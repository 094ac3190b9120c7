//! Where nodes are, and how far that is from everywhere else.

use crate::protocol::Index;
use core::time::Duration;
use whither_model::random::{Random, mix};

/// Mean radius of the earth, km.
const EARTH_KM: f64 = 6371.0;

/// A place where nodes are.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Region {
    /// What it is called: for the world, the airport's code.
    pub name: &'static str,
    /// Degrees north.
    pub latitude: f64,
    /// Degrees east.
    pub longitude: f64,
    /// How many nodes are there, relative to the others.
    pub weight: u32,
}

/// Regions, and the one-way latency between any two of them when nothing is in the way.
#[derive(Clone, PartialEq, Debug)]
pub struct Map {
    regions: Vec<Region>,
    /// Microseconds, row by row: from, to.
    micros: Vec<u32>,
    racks: Option<Racks>,
}

/// A region with racks: neighbours in numbers share one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Racks {
    nodes: u32,
    /// Microseconds within a rack.
    inside: u32,
    /// Microseconds between two racks, at least; each pair has its own latency.
    between_least: u32,
    /// Beyond `between_least`, at most.
    between_span: u32,
}

const fn region(name: &'static str, latitude: f64, longitude: f64, weight: u32) -> Region {
    Region { name, latitude, longitude, weight }
}

/// Regions of Fly.io with the weights of Corrosion's simulator (superfly/corrosion, `crates/plum-foca/tests/sim.rs`, 2026),
/// which sum to 4 453.
const WORLD: [Region; 19] = [
    region("ams", 52.31, 4.76, 274),
    region("arn", 59.65, 17.92, 20),
    region("bom", 19.09, 72.87, 33),
    region("cdg", 49.01, 2.55, 175),
    region("dfw", 32.90, -97.04, 528),
    region("ewr", 40.69, -74.17, 245),
    region("fra", 50.03, 8.57, 347),
    region("gru", -23.43, -46.47, 111),
    region("iad", 38.94, -77.46, 442),
    region("jnb", -26.14, 28.25, 16),
    region("lax", 33.94, -118.41, 306),
    region("lhr", 51.47, -0.45, 74),
    region("nrt", 35.77, 140.39, 76),
    region("ord", 41.97, -87.91, 559),
    region("qmx", 19.43, -99.13, 42),
    region("sin", 1.36, 103.99, 209),
    region("sjc", 37.36, -121.93, 682),
    region("syd", -33.95, 151.18, 200),
    region("yyz", 43.68, -79.63, 114),
];

impl Map {
    /// Nineteen regions of the world, as in Corrosion's simulator: a round trip takes 4 ms and another for each 75 km of great
    /// circle, in whole milliseconds rounded down; 1 ms within a region. One way is half of that.
    #[must_use]
    pub fn world() -> Self {
        Self::largest(WORLD.len())
    }

    /// The `count` regions of [`Map::world`] that have most nodes, in its order: at least one, and at most all of them.
    #[must_use]
    pub fn largest(count: usize) -> Self {
        let mut weights = WORLD.map(|region| region.weight);
        weights.sort_unstable_by(|one, other| other.cmp(one));
        let least = weights[count.clamp(1, WORLD.len()) - 1];
        // No two regions have the same weight, so these are as many as were asked for.
        let regions: Vec<Region> = WORLD.into_iter().filter(|region| region.weight >= least).collect();
        let round_trip = |from: &Region, to: &Region| {
            if from.name == to.name { 1 } else { (4.0 + great_circle_km(from, to) / 75.0) as u32 }
        };
        let pairs = regions.iter().flat_map(|from| regions.iter().map(move |to| (from, to)));
        let micros = pairs.map(|(from, to)| round_trip(from, to) * 500).collect();
        Self { regions, micros, racks: None }
    }

    /// One data centre: racks of 32 nodes, 50 µs one way within a rack, 150 to 250 µs to another one, the same for each pair
    /// of racks.
    #[must_use]
    pub fn datacentre() -> Self {
        let racks = Racks { nodes: 32, inside: 50, between_least: 150, between_span: 100 };
        Self { racks: Some(racks), ..Self::uniform(Duration::from_micros(250)) }
    }

    /// One region in which every way takes the same time.
    #[must_use]
    pub fn uniform(one_way: Duration) -> Self {
        let micros = vec![u32::try_from(one_way.as_micros()).unwrap_or(u32::MAX)];
        Self { regions: vec![region("one", 0.0, 0.0, 1)], micros, racks: None }
    }

    /// The regions, in the order of their numbers.
    #[must_use]
    pub fn regions(&self) -> &[Region] {
        &self.regions
    }

    /// One-way latency between two regions, at best; for a region with itself: at worst of these best.
    ///
    /// # Panics
    ///
    /// If there is no such region.
    #[must_use]
    pub fn between(&self, from: usize, to: usize) -> Duration {
        Duration::from_micros(u64::from(self.micros[from * self.regions.len() + to]))
    }

    /// The physical limit: no message from this region can have reached all regions sooner.
    ///
    /// # Panics
    ///
    /// If there is no such region.
    #[must_use]
    pub fn light(&self, from: usize) -> Duration {
        (0..self.regions.len()).map(|to| self.between(from, to)).max().unwrap_or_default()
    }

    /// In which region each of `nodes` nodes is: each region has its share, to within one node, and which nodes those are is
    /// random. The same arguments give the same answer.
    #[must_use]
    pub fn assign(&self, nodes: usize, seed: u64) -> Vec<u8> {
        let total: u64 = self.regions.iter().map(|region| u64::from(region.weight)).sum();
        let (mut assigned, mut weight) = (Vec::with_capacity(nodes), 0);
        for (number, region) in (0..).zip(&self.regions) {
            weight += u64::from(region.weight);
            // Rounding the running sum leaves each region within one node of its share, and the sum exact.
            let upto = usize::try_from((weight * nodes as u64 + total / 2) / total).unwrap_or(nodes);
            assigned.resize(upto.max(assigned.len()), number);
        }
        Random::new(mix(seed ^ 0x006d_6170)).shuffle(&mut assigned);
        assigned
    }

    /// Distances between these nodes.
    pub(super) fn distances(&self, nodes: usize, seed: u64) -> Distances {
        Distances { map: self.clone(), regions: self.assign(nodes, seed) }
    }
}

fn great_circle_km(from: &Region, to: &Region) -> f64 {
    let (north, south) = (from.latitude.to_radians(), to.latitude.to_radians());
    let (up, along) = (south - north, (to.longitude - from.longitude).to_radians());
    let half_chord = (up / 2.0).sin().powi(2) + north.cos() * south.cos() * (along / 2.0).sin().powi(2);
    2.0 * EARTH_KM * half_chord.sqrt().asin()
}

/// Distances between nodes.
#[derive(Debug)]
pub(crate) struct Distances {
    map: Map,
    regions: Vec<u8>,
}

impl Distances {
    pub(crate) const fn map(&self) -> &Map {
        &self.map
    }

    pub(crate) fn region(&self, node: Index) -> usize {
        usize::from(self.regions[node as usize])
    }

    /// One way, at best, microseconds.
    #[inline]
    pub(crate) fn micros(&self, from: Index, to: Index) -> u64 {
        if let Some(racks) = self.map.racks {
            return racks.micros(from, to);
        }
        let count = self.map.regions.len();
        u64::from(self.map.micros[self.region(from) * count + self.region(to)])
    }

    /// How long it takes at best from this node to the farthest region that has nodes.
    pub(crate) fn light(&self, from: Index) -> Duration {
        let mut farthest = Duration::ZERO;
        let mut seen = [false; 256];
        for region in &self.regions {
            if !core::mem::replace(&mut seen[usize::from(*region)], true) {
                farthest = farthest.max(self.map.between(self.region(from), usize::from(*region)));
            }
        }
        farthest
    }
}

impl Racks {
    fn micros(self, from: Index, to: Index) -> u64 {
        let (from, to) = (from / self.nodes, to / self.nodes);
        if from == to {
            return u64::from(self.inside);
        }
        let pair = u64::from(from.min(to)) << 32 | u64::from(from.max(to));
        u64::from(self.between_least) + mix(pair) % u64::from(self.between_span + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_world_is_that_of_corrosions_simulator() {
        let map = Map::world();
        assert_eq!(map.regions().iter().map(|region| region.weight).sum::<u32>(), 4_453);
        // The slowest receiver cannot hear sooner than that: over origins, weighted by nodes.
        let mut limits: Vec<Duration> = (0..19)
            .flat_map(|from| core::iter::repeat_n(map.light(from), map.regions()[from].weight as usize))
            .collect();
        limits.sort_unstable();
        assert_eq!(limits[limits.len() / 2], Duration::from_micros(111_500));
        assert_eq!(limits[limits.len() - 1], Duration::from_micros(125_000));
    }

    #[test]
    fn a_part_of_the_world_is_where_most_nodes_are_and_as_far_apart() {
        let world = Map::world();
        for count in 1..=19 {
            let part = Map::largest(count);
            assert_eq!(part.regions().len(), count);
            let place = |region: &Region| world.regions().iter().position(|one| one == region).unwrap();
            let places: Vec<usize> = part.regions().iter().map(place).collect();
            let least = part.regions().iter().map(|region| region.weight).min().unwrap();
            let larger = world.regions().iter().filter(|region| region.weight > least).count();
            assert!(places.is_sorted() && larger == count - 1, "{count}: {places:?}");
            for (from, from_place) in places.iter().enumerate() {
                for (to, to_place) in places.iter().enumerate() {
                    assert_eq!(part.between(from, to), world.between(*from_place, *to_place));
                }
            }
        }
        let names = |count| Map::largest(count).regions().iter().map(|region| region.name).collect::<Vec<_>>();
        assert_eq!(names(3), ["dfw", "ord", "sjc"]);
        assert_eq!((names(0).len(), names(20).len()), (1, 19));
    }

    #[test]
    fn latencies_are_the_same_both_ways_and_short_at_home() {
        let map = Map::world();
        for from in 0..19 {
            for to in 0..19 {
                assert_eq!(map.between(from, to), map.between(to, from));
                assert_eq!(map.between(from, to) == Duration::from_micros(500), from == to);
            }
        }
    }

    #[test]
    fn every_region_has_its_share() {
        let map = Map::world();
        for nodes in [1, 19, 128, 2_000, 100_000] {
            let assigned = map.assign(nodes, 3);
            assert_eq!(assigned.len(), nodes);
            assert_eq!(assigned, map.assign(nodes, 3));
            for (number, region) in map.regions().iter().enumerate() {
                let share = f64::from(region.weight) / 4_453.0 * nodes as f64;
                let has = assigned.iter().filter(|one| usize::from(**one) == number).count() as f64;
                assert!((share - has).abs() <= 1.0, "{} has {has} of {share}", region.name);
            }
        }
        assert_ne!(map.assign(2_000, 3), map.assign(2_000, 4));
    }

    #[test]
    fn racks_are_near_and_pairs_of_racks_keep_their_distance() {
        let distances = Map::datacentre().distances(1_000, 1);
        assert_eq!(distances.micros(0, 31), 50);
        let mut between: Vec<u64> = (1..31).map(|rack| distances.micros(3, rack * 32)).collect();
        assert_eq!(between[0], distances.micros(32, 31));
        between.sort_unstable();
        between.dedup();
        assert!(between.len() > 10 && between[0] >= 150 && between[between.len() - 1] <= 250, "{between:?}");
    }
}
