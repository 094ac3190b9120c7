//! Where agents are in an experiment, the same for those that run and those that are simulated.

use core::time::Duration;
use whither_population::{Jitter, Map, Setup};

use super::paths::JITTER;

/// Places nodes, and nothing else.
const PLACING_SEED: u64 = 1;

/// A number of nodes and the distances between them.
#[derive(Clone, Debug)]
pub(super) struct Scene {
    /// What it is called.
    pub(super) name: &'static str,
    /// How many.
    pub(super) nodes: usize,
    /// Where.
    pub(super) map: Map,
}

impl Scene {
    /// One region, every way the same.
    pub(super) fn one_region(nodes: usize, one_way: Duration) -> Self {
        Self { name: "one region", nodes, map: Map::uniform(one_way) }
    }

    /// Nineteen regions of the world.
    pub(super) fn world(nodes: usize) -> Self {
        Self { name: "world", nodes, map: Map::world() }
    }

    /// The simulator's world of this scene.
    pub(super) fn setup(&self, seed: u64) -> Setup {
        let jitter = Jitter::Uniform(1.0..=1.0 + JITTER);
        Setup { map: self.map.clone(), jitter, ..Setup::new(seed, self.nodes) }
    }

    /// In which region each of the real agents is.
    pub(super) fn places(&self) -> Vec<usize> {
        self.map.assign(self.nodes, PLACING_SEED).into_iter().map(usize::from).collect()
    }

    /// The names of these regions, as agents are told them.
    pub(super) fn region_names(&self) -> Vec<String> {
        self.places().into_iter().map(|place| self.map.regions()[place].name.to_owned()).collect()
    }

    /// How far real agents are from each other.
    pub(super) fn one_way(&self) -> Vec<Vec<Duration>> {
        let places = self.places();
        let row = |from: &usize| places.iter().map(|to| self.map.between(*from, *to)).collect();
        places.iter().map(row).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Scene;
    use core::time::Duration;

    #[test]
    fn real_agents_are_where_the_map_says() {
        let scene = Scene::world(30);
        let (names, one_way) = (scene.region_names(), scene.one_way());
        assert_eq!((names.len(), one_way.len()), (30, 30));
        for from in 0..30 {
            for to in 0..30 {
                let near = one_way[from][to] == Duration::from_micros(500);
                assert_eq!(near, names[from] == names[to], "{from} to {to}");
            }
        }
        let flat = Scene::one_region(3, Duration::from_millis(5));
        assert!(flat.one_way().iter().flatten().all(|one_way| *one_way == Duration::from_millis(5)));
    }
}
