//! Choosing random others.

use whither_model::random::Random;
use whither_population::Index;

/// Adds `count` different nodes out of `0..members` to `chosen`, none of which is already in it, nor `me`. Fewer, where there
/// are no more.
pub(super) fn choose(random: &mut Random, members: u32, me: Index, count: usize, chosen: &mut Vec<Index>) {
    let possible = (members as usize).saturating_sub(1);
    let wanted = (chosen.len() + count).min(possible);
    let mut tries = 0;
    while chosen.len() < wanted && tries < 50 * count {
        tries += 1;
        let Ok(node) = Index::try_from(random.below(members as usize)) else { continue };
        if node != me && !chosen.contains(&node) {
            chosen.push(node);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chosen_are_others_and_different() {
        let mut random = Random::new(5);
        for _ in 0..100 {
            let mut chosen = vec![3];
            choose(&mut random, 6, 0, 3, &mut chosen);
            assert!(!chosen.contains(&0));
            chosen.sort_unstable();
            chosen.dedup();
            assert!(chosen.len() >= 3 && chosen.iter().all(|node| *node < 6), "{chosen:?}");
        }
    }

    #[test]
    fn there_are_no_more_than_there_are() {
        let mut chosen = Vec::new();
        choose(&mut Random::new(1), 3, 0, 10, &mut chosen);
        chosen.sort_unstable();
        assert_eq!(chosen, [1, 2]);
    }
}
