//! Which checks are set, and when each is due.

use crate::job::{Key, Order};
use crate::slot::Slot;
use crate::{CheckId, Standing};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::AbortHandle;
use tokio::time::Instant;

/// All checks. Each is in exactly one place: waiting for its turn, or running.
#[derive(Debug, Default)]
pub(crate) struct Book {
    last: u64,
    keys: BTreeMap<Key, Vec<CheckId>>,
    entries: BTreeMap<CheckId, Entry>,
    agenda: BTreeSet<(Instant, CheckId)>,
}

#[derive(Debug)]
struct Entry {
    slot: Arc<Slot>,
    /// When it is due, or was when its run began.
    due: Instant,
    running: Option<AbortHandle>,
}

/// What the agenda says.
pub(crate) enum Next {
    /// This one's turn has come. It is to be [`Book::begin`]-ed.
    Due(Arc<Slot>, Instant),
    /// Nobody's turn comes before then.
    Not(Instant),
    /// Nobody waits for a turn.
    Nothing,
}

impl Book {
    /// Sets the checks of `key` to be these and no others. Those that are there already go on as they were. Returns where
    /// they stand, and the slots that were given up.
    pub(crate) fn set(&mut self, key: &Key, orders: Vec<Order>, now: Instant) -> (Vec<Standing>, Vec<Arc<Slot>>) {
        let mut old = self.keys.remove(key).unwrap_or_default();
        let (mut ids, mut standings) = (Vec::new(), Vec::new());
        for order in orders {
            let same = |id: &CheckId| {
                let slot = &self.entries[id].slot;
                slot.name == order.name && slot.pace == order.pace && slot.job == order.job
            };
            let id = match old.iter().position(same) {
                Some(at) => old.swap_remove(at),
                None => self.add(key, order, now),
            };
            ids.push(id);
            standings.push(self.entries[&id].slot.standing());
        }
        if !ids.is_empty() {
            self.keys.insert(key.clone(), ids);
        }
        (standings, old.into_iter().filter_map(|id| self.give_up(id)).collect())
    }

    fn add(&mut self, key: &Key, order: Order, now: Instant) -> CheckId {
        self.last += 1;
        let id = CheckId(self.last);
        let due = now + share(order.pace.interval, key.hash_with(&order.name));
        let slot = Arc::new(Slot::new(id, key.clone(), order.name, order.pace, order.job));
        self.entries.insert(id, Entry { slot, due, running: None });
        self.agenda.insert((due, id));
        id
    }

    /// Takes the checks of `key` out, and ends their runs.
    pub(crate) fn remove(&mut self, key: &Key) -> Vec<Arc<Slot>> {
        self.keys.remove(key).into_iter().flatten().filter_map(|id| self.give_up(id)).collect()
    }

    fn give_up(&mut self, id: CheckId) -> Option<Arc<Slot>> {
        let Entry { slot, due, running } = self.entries.remove(&id)?;
        self.agenda.remove(&(due, id));
        if let Some(running) = running {
            running.abort();
        }
        Some(slot)
    }

    /// Whose turn it is.
    pub(crate) fn next(&mut self, now: Instant) -> Next {
        let Some(&(due, id)) = self.agenda.first() else { return Next::Nothing };
        if due > now {
            return Next::Not(due);
        }
        self.agenda.pop_first();
        // Invariant: what is on the agenda has an entry.
        self.entries.get(&id).map_or(Next::Nothing, |entry| Next::Due(entry.slot.clone(), due))
    }

    /// Its run has begun, and ends early with `running`.
    pub(crate) fn begin(&mut self, id: CheckId, running: AbortHandle) {
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.running = Some(running);
        }
    }

    /// Its run is over. Puts it back on its grid after `now`, and says how many turns it missed, and whether whoever waits
    /// for the agenda must look again.
    pub(crate) fn end(&mut self, id: CheckId, now: Instant) -> Option<Ended> {
        let entry = self.entries.get_mut(&id)?;
        entry.running = None;
        let (due, skipped) = turn_after(entry.due, entry.slot.pace.interval, now);
        entry.due = due;
        let first = self.agenda.first().is_none_or(|(first, _)| due < *first);
        self.agenda.insert((due, id));
        Some(Ended { skipped, first })
    }

    pub(crate) fn get(&self, id: CheckId) -> Option<&Arc<Slot>> {
        self.entries.get(&id).map(|entry| &entry.slot)
    }

    pub(crate) fn find(&self, key: &Key, check: &str) -> Option<&Arc<Slot>> {
        self.keys.get(key)?.iter().filter_map(|id| self.get(*id)).find(|slot| &*slot.name == check)
    }

    pub(crate) fn all(&self, key: &Key) -> Vec<Arc<Slot>> {
        self.keys.get(key).into_iter().flatten().filter_map(|id| self.get(*id)).cloned().collect()
    }

    /// How many checks there are, and how many of them run.
    pub(crate) fn count(&self) -> (usize, usize) {
        (self.entries.len(), self.entries.len() - self.agenda.len())
    }
}

/// What ending a run brought.
pub(crate) struct Ended {
    pub(crate) skipped: u64,
    pub(crate) first: bool,
}

/// The part of `interval` that `hash` falls on.
fn share(interval: Duration, hash: u64) -> Duration {
    let micros = (interval.as_micros() * u128::from(hash)) >> 64;
    Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
}

/// The first turn after `now` on the grid that `due` lies on, and how many were missed.
fn turn_after(due: Instant, interval: Duration, now: Instant) -> (Instant, u64) {
    let missed = now.saturating_duration_since(due).as_micros() / interval.as_micros().max(1);
    let missed = u32::try_from(missed).unwrap_or(u32::MAX - 1);
    (due + interval * (missed + 1), u64::from(missed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::Job;
    use whither_model::Pace;

    fn key(instance: u32) -> Key {
        Key { service: "web".parse().unwrap(), instance: instance.to_string().parse().unwrap() }
    }

    fn order(name: &str, port: u16) -> Order {
        Order { name: name.into(), pace: Pace::default(), job: Job::Tcp(([10, 0, 0, 1], port).into()) }
    }

    #[test]
    fn first_turns_are_spread_over_the_interval_and_always_the_same() {
        let interval = Duration::from_secs(10);
        let first = |instance| share(interval, key(instance).hash_with("tcp"));
        let mut tenths = [0_u32; 10];
        for instance in 0..10_000 {
            tenths[usize::try_from(first(instance).as_secs()).unwrap()] += 1;
        }
        // Each is binomial with mean 1 000 and a deviation of 30.
        assert!(tenths.iter().all(|tenth| (850..1_150).contains(tenth)), "{tenths:?}");
        assert_eq!(first(7), first(7));
        assert_ne!(first(7), share(interval, key(7).hash_with("http")));
    }

    #[test]
    fn what_is_set_again_unchanged_goes_on_and_what_is_not_is_new() {
        let (mut book, now) = (Book::default(), Instant::now());
        let (before, _) = book.set(&key(1), vec![order("a", 1), order("b", 1)], now);
        let (after, gone) = book.set(&key(1), vec![order("b", 1), order("a", 2)], now);
        assert_eq!(after[0].id, before[1].id);
        assert!(after[1].id > before[1].id);
        assert_eq!(gone.iter().map(|slot| slot.id).collect::<Vec<_>>(), [before[0].id]);
        assert_eq!(book.count(), (2, 0));
        assert_eq!(book.remove(&key(1)).len(), 2);
        assert_eq!((book.count(), book.keys.len(), book.agenda.len()), ((0, 0), 0, 0));
    }

    #[test]
    fn turns_stay_on_their_grid() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let interval = Duration::from_millis(100);
        assert_eq!(turn_after(at(50), interval, at(60)), (at(150), 0));
        assert_eq!(turn_after(at(50), interval, at(149)), (at(150), 0));
        assert_eq!(turn_after(at(50), interval, at(150)), (at(250), 1));
        assert_eq!(turn_after(at(50), interval, at(475)), (at(550), 4));
    }

    #[test]
    fn nobody_runs_twice_at_once() {
        let (mut book, now) = (Book::default(), Instant::now());
        book.set(&key(1), vec![order("a", 1)], now);
        let later = now + Duration::from_secs(60);
        let Next::Due(slot, _) = book.next(later) else { panic!("its turn has come") };
        assert!(matches!(book.next(later), Next::Nothing));
        assert_eq!(book.count(), (1, 1));
        let ended = book.end(slot.id, later).unwrap();
        assert!(ended.first && ended.skipped >= 5, "{}", ended.skipped);
        assert!(matches!(book.next(later), Next::Not(due) if due > later));
        assert!(book.end(CheckId(99), later).is_none(), "of a check that is gone nothing is put back");
    }
}
