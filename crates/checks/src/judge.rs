//! When results become a verdict. No clock, no network: results go in, a health comes out.

use whither_model::{Health, Pace};

/// Turns results into a verdict, and changes its mind only after as many of them in a row as [`Pace`] asks for.
///
/// A warning is a success that complains: it counts towards passing, and among usable results the latest one holds.
/// A failure below the threshold changes nothing but the count.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Judge {
    health: Health,
    streak: Streak,
    passes_after: u8,
    fails_after: u8,
}

/// The latest results that agree, counted no further than a threshold can reach.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Streak {
    Good(u8),
    Bad(u8),
}

impl Judge {
    /// Nothing has been heard yet, and the verdict is the initial one.
    #[must_use]
    pub const fn new(pace: &Pace) -> Self {
        Self {
            health: pace.initial,
            streak: Streak::Good(0),
            passes_after: pace.passes_after,
            fails_after: pace.fails_after,
        }
    }

    /// The verdict.
    #[must_use]
    pub const fn health(&self) -> Health {
        self.health
    }

    /// Hears the result of one run, and says whether the verdict changed.
    pub fn hear(&mut self, result: Health) -> bool {
        let before = self.health;
        self.streak = match (result.is_usable(), self.streak) {
            (true, Streak::Good(count)) => Streak::Good(count.saturating_add(1)),
            (true, Streak::Bad(_)) => Streak::Good(1),
            (false, Streak::Bad(count)) => Streak::Bad(count.saturating_add(1)),
            (false, Streak::Good(_)) => Streak::Bad(1),
        };
        match self.streak {
            Streak::Good(count) if count >= self.passes_after || self.health.is_usable() => self.health = result,
            Streak::Bad(count) if count >= self.fails_after => self.health = Health::Critical,
            Streak::Good(_) | Streak::Bad(_) => {}
        }
        self.health != before
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn result() -> impl Strategy<Value = Health> {
        prop_oneof![Just(Health::Passing), Just(Health::Warning), Just(Health::Critical)]
    }

    fn pace(passes_after: u8, fails_after: u8, initial: Health) -> Pace {
        Pace { passes_after, fails_after, initial, ..Pace::default() }
    }

    /// What must hold after `history`, found by looking at all of it again for each result.
    fn by_definition(pace: &Pace, history: &[Health]) -> Health {
        let mut health = pace.initial;
        for end in 1..=history.len() {
            let heard = &history[..end];
            let latest = heard[end - 1];
            let alike = heard.iter().rev().take_while(|one| one.is_usable() == latest.is_usable()).count();
            if latest.is_usable() && (health.is_usable() || alike >= usize::from(pace.passes_after)) {
                health = latest;
            }
            if !latest.is_usable() && alike >= usize::from(pace.fails_after) {
                health = Health::Critical;
            }
        }
        health
    }

    proptest! {
            #[test]
            fn the_verdict_is_what_the_definition_says(
                passes_after in 1_u8..6,
                fails_after in 1_u8..6,
                initial in result(),
                history in prop::collection::vec(result(), 0..60),
            ) {
                let pace = pace(passes_after, fails_after, initial);
                let mut judge = Judge::new(&pace);
                for end in 0..history.len() {
                    let before = judge.health();
                    let changed = judge.hear(history[end]);
                    prop_assert_eq!(judge.health(), by_definition(&pace, &history[..=end]));
                    prop_assert_eq!(changed, judge.health() != before);
                }
            }

            #[test]
            fn shorter_trouble_than_the_threshold_is_never_told(
                fails_after in 2_u8..6,
                runs in prop::collection::vec(0_u8..6, 1..20),
            ) {
                let mut judge = Judge::new(&pace(1, fails_after, Health::Passing));
                for failures in runs {
                    for _ in 0..failures.min(fails_after - 1) {
                        prop_assert!(!judge.hear(Health::Critical));
                    }
                    prop_assert!(!judge.hear(Health::Passing));
                }
            }

            #[test]
            fn enough_alike_always_decide(
                passes_after in 1_u8..=100,
                fails_after in 1_u8..=100,
                history in prop::collection::vec(result(), 0..20),
            ) {
                let mut judge = Judge::new(&pace(passes_after, fails_after, Health::Critical));
                for one in history {
                    judge.hear(one);
                }
                for _ in 0..fails_after {
     judge.hear(Health::Critical);
    }
                prop_assert_eq!(judge.health(), Health::Critical);
                for _ in 0..passes_after {
     judge.hear(Health::Warning);
    }
                prop_assert_eq!(judge.health(), Health::Warning);
            }
        }

    #[test]
    fn counts_do_not_run_over() {
        let mut judge = Judge::new(&pace(100, 100, Health::Passing));
        for _ in 0..1_000 {
            judge.hear(Health::Critical);
        }
        assert_eq!(judge.health(), Health::Critical);
        for _ in 0..1_000 {
            judge.hear(Health::Passing);
        }
        assert_eq!(judge.health(), Health::Passing);
    }
}
