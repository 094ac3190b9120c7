//! Sets of nodes, as changes name them.

use crate::protocol::Index;
use core::fmt;
use whither_model::random::Random;

/// A set of nodes: a bit for each.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Nodes {
    words: Vec<u64>,
}

impl Nodes {
    /// The first `count` nodes: all of them, if there are `count`.
    #[must_use]
    pub fn first(count: usize) -> Self {
        (0..Index::try_from(count).unwrap_or(Index::MAX)).collect()
    }

    /// Only this one.
    #[must_use]
    pub fn one(node: Index) -> Self {
        core::iter::once(node).collect()
    }

    /// `count` different ones of the first `of`, each as likely as any other; all of them if there are no more.
    #[must_use]
    pub fn random(count: usize, of: usize, random: &mut Random) -> Self {
        let mut all: Vec<Index> = Self::first(of).iter().collect();
        random.shuffle(&mut all);
        all.into_iter().take(count).collect()
    }

    /// Those of the first `of` that are not in this set.
    #[must_use]
    pub fn others(&self, of: usize) -> Self {
        Self::first(of).iter().filter(|node| !self.contains(*node)).collect()
    }

    /// Whether the node is one of them.
    #[must_use]
    pub fn contains(&self, node: Index) -> bool {
        self.words.get(node as usize / 64).is_some_and(|word| word >> (node % 64) & 1 == 1)
    }

    /// Puts a node in.
    pub fn insert(&mut self, node: Index) {
        let word = node as usize / 64;
        if self.words.len() <= word {
            self.words.resize(word + 1, 0);
        }
        self.words[word] |= 1 << (node % 64);
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|word| *word == 0)
    }

    /// Each of them, in the order of their numbers.
    pub fn iter(&self) -> impl Iterator<Item = Index> + '_ {
        (0..).zip(&self.words).flat_map(|(place, word): (Index, &u64)| {
            let word = *word;
            (0..64).filter(move |bit| word >> bit & 1 == 1).map(move |bit| place * 64 + bit)
        })
    }
}

/// Shown as the numbers of its nodes.
impl fmt::Debug for Nodes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

impl FromIterator<Index> for Nodes {
    fn from_iter<I: IntoIterator<Item = Index>>(nodes: I) -> Self {
        let mut set = Self::default();
        nodes.into_iter().for_each(|node| set.insert(node));
        set
    }
}
