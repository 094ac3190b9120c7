//! How long agents wait for a processor (proc(5), `schedstat`).

use std::fs;

/// What some processes' threads have waited for a processor.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Waited {
    nanos: u64,
    /// How often a thread was put on a processor.
    turns: u64,
}

impl Waited {
    /// Until now. Threads that have ended are not counted.
    pub(super) fn of(pids: &[u32]) -> Self {
        let mut waited = Self::default();
        for pid in pids {
            // Whoever has ended waits for nothing.
            let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else { continue };
            for task in tasks.flatten() {
                let text = fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
                let (nanos, turns) = parse(&text).unwrap_or_default();
                waited.nanos += nanos;
                waited.turns += turns;
            }
        }
        waited
    }

    /// Microseconds of waiting each time that a thread had something to do, since `before`.
    pub(super) fn micros_per_turn_since(self, before: Self) -> f64 {
        let (nanos, turns) = (self.nanos.saturating_sub(before.nanos), self.turns.saturating_sub(before.turns));
        nanos as f64 / 1e3 / turns.max(1) as f64
    }
}

fn parse(schedstat: &str) -> Option<(u64, u64)> {
    let mut fields = schedstat.split_ascii_whitespace().skip(1);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::{Waited, parse};

    #[test]
    fn waiting_is_the_second_field_and_turns_the_third() {
        assert_eq!(parse("275771 3252448 2\n"), Some((3_252_448, 2)));
        assert_eq!(parse("275771"), None);
        let (before, after) = (Waited { nanos: 1_000, turns: 2 }, Waited { nanos: 9_000, turns: 6 });
        assert_eq!(after.micros_per_turn_since(before), 2.0);
        assert_eq!(Waited::default().micros_per_turn_since(after), 0.0);
    }

    #[test]
    fn this_process_can_be_read() {
        assert!(Waited::of(&[std::process::id()]).turns > 0);
    }
}
