//! Who is eager and who is lazy.

use super::super::spreader::Places;
use super::Plumtree;
use core::time::Duration;
use whither_model::random::Random;
use whither_population::Index;

/// Up to this round trip a node is near; Corrosion's two nearest rings.
const NEAR: Duration = Duration::from_millis(15);
/// Up to this it is in the middle; its next two.
const MIDDLE: Duration = Duration::from_millis(100);

/// The neighbours of a node.
#[derive(Clone, Debug)]
pub(super) struct Neighbours {
    eager: Vec<Index>,
    lazy: Vec<Index>,
    /// Next to it in the order of names: eager for ever, so that nobody is ever alone.
    fixed: [Index; 2],
    lazy_max: usize,
}

impl Neighbours {
    /// The first choice.
    pub(super) fn new(me: Index, design: &Plumtree, places: &Places, random: &mut Random) -> Self {
        let members = places.members();
        let fixed = [(me + members - 1) % members, (me + 1) % members];
        let mut pools: [Vec<Index>; 3] = Default::default();
        let mut held = [0; 3];
        let ring = |other: Index| match places.round_trip(me, other) {
            trip if design.near_first && trip < NEAR => 0,
            trip if design.near_first && trip < MIDDLE => 1,
            _ => 2,
        };
        for other in (0..members).filter(|other| *other != me) {
            if fixed.contains(&other) { held[ring(other)] += 1 } else { pools[ring(other)].push(other) }
        }
        pools.iter_mut().for_each(|pool| random.shuffle(pool));
        let mut neighbours = Self { eager: fixed.to_vec(), lazy: Vec::new(), fixed, lazy_max: design.eager * 2 };
        neighbours.eager.dedup();
        let room: [usize; 3] = core::array::from_fn(|ring| pools[ring].len() + held[ring]);
        let eager = shares(design.eager, room);
        for (ring, pool) in pools.iter_mut().enumerate() {
            let count = eager[ring].saturating_sub(held[ring]).min(pool.len());
            neighbours.eager.extend(pool.drain(..count));
        }
        let lazy = shares(design.eager * 3 / 2, core::array::from_fn(|ring| pools[ring].len()));
        for (pool, count) in pools.iter_mut().zip(lazy) {
            neighbours.lazy.extend(pool.drain(..count.min(pool.len())));
        }
        neighbours
    }

    pub(super) fn eager(&self) -> &[Index] {
        &self.eager
    }

    pub(super) fn lazy(&self) -> &[Index] {
        &self.lazy
    }

    pub(super) fn is_fixed(&self, node: Index) -> bool {
        self.fixed.contains(&node)
    }

    pub(super) fn make_eager(&mut self, node: Index) {
        if !self.eager.contains(&node) {
            self.eager.push(node);
            self.lazy.retain(|other| *other != node);
        }
    }

    pub(super) fn make_lazy(&mut self, node: Index, random: &mut Random) {
        if !self.is_fixed(node) {
            self.eager.retain(|other| *other != node);
            self.at_least_lazy(node, random);
        }
    }

    /// Makes it lazy if it is nothing yet; somebody random gives way if there are too many.
    pub(super) fn at_least_lazy(&mut self, node: Index, random: &mut Random) {
        if self.eager.contains(&node) || self.lazy.contains(&node) {
            return;
        }
        if self.lazy.len() >= self.lazy_max {
            self.lazy.swap_remove(random.below(self.lazy.len()));
        }
        self.lazy.push(node);
    }
}

/// How many of `total` to take from near, middle and far: half, three tenths, and two tenths, as far as there are any.
fn shares(total: usize, room: [usize; 3]) -> [usize; 3] {
    let near = total.div_ceil(2).min(room[0]);
    let middle = ((total - near) * 3).div_ceil(5).min(room[1]);
    let far = (total - near - middle).min(room[2]);
    // What one cannot give, those nearer do.
    let near = (total - middle - far).min(room[0]);
    let middle = (total - near - far).min(room[1]);
    [near, middle, far]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_a_half_three_tenths_and_two() {
        assert_eq!(shares(8, [100; 3]), [4, 3, 1]);
        assert_eq!(shares(10, [100; 3]), [5, 3, 2]);
        assert_eq!(shares(8, [1, 100, 100]), [1, 5, 2]);
        assert_eq!(shares(8, [100, 0, 0]), [8, 0, 0]);
        assert_eq!(shares(8, [0, 0, 100]), [0, 0, 8]);
    }
}
