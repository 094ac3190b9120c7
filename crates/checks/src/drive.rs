//! The two tasks of a runner: one begins runs when they are due, one tells what changed.

use crate::Verdict;
use crate::book::Next;
use crate::finding::{Deadline, Finding};
use crate::runner::Shared;
use crate::slot::Slot;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use whither_model::Health;

/// Runs that are begun in one go. After a pause thousands may be due, and those that were begun first would wait for all of
/// them, with their time running, before anybody looked at their answers.
const BURST: u32 = 64;

/// Begins every run when it is due, as many at once as may be. Dropped, it ends them all.
pub(crate) async fn drive(shared: Arc<Shared>) {
    let mut running = JoinSet::new();
    let mut begun = 0_u32;
    loop {
        while running.try_join_next().is_some() {}
        while running.len() >= shared.running_max {
            running.join_next().await;
        }
        match begin_next(&shared, &mut running) {
            Pause::None => {
                begun = begun.wrapping_add(1);
                if begun.is_multiple_of(BURST) {
                    tokio::task::yield_now().await;
                }
            }
            Pause::Until(due) => tokio::select! {
                () = sleep_until(due) => {}
                () = shared.agenda_changed.notified() => {}
            },
            Pause::UntilTold => shared.agenda_changed.notified().await,
        }
    }
}

/// How long to wait before looking at the agenda again.
enum Pause {
    None,
    Until(Instant),
    UntilTold,
}

fn begin_next(shared: &Arc<Shared>, running: &mut JoinSet<()>) -> Pause {
    let mut book = shared.book();
    let now = Instant::now();
    match book.next(now) {
        Next::Due(slot, due) => {
            if now - due > slot.pace.interval / 10 {
                shared.counters.late.add(1);
            }
            let id = slot.id;
            // Begun under the lock, so that a run which ends at once cannot end before it is in the book.
            let run = running.spawn(run(Turn { shared: shared.clone(), slot }));
            book.begin(id, run);
            Pause::None
        }
        Next::Not(due) => Pause::Until(due),
        Next::Nothing => Pause::UntilTold,
    }
}

/// A run underway. However it ends, the check gets its next turn.
struct Turn {
    shared: Arc<Shared>,
    slot: Arc<Slot>,
}

impl Drop for Turn {
    fn drop(&mut self) {
        let ended = self.shared.book().end(self.slot.id, Instant::now());
        let Some(ended) = ended else { return };
        self.shared.counters.skipped.add(ended.skipped);
        if ended.first {
            self.shared.agenda_changed.notify_one();
        }
    }
}

async fn run(turn: Turn) {
    let Turn { shared, slot } = &turn;
    let began = Instant::now();
    let finding = shared.prober.probe(&slot.job, Deadline::after(slot.pace.timeout)).await;
    conclude(shared, slot, finding, began);
}

fn conclude(shared: &Shared, slot: &Arc<Slot>, finding: Finding, began: Instant) {
    let counters = &shared.counters;
    match finding.status {
        Some(Health::Passing | Health::Warning | Health::Overdue) => counters.passed.add(1),
        Some(Health::Critical | Health::Silent) => counters.failed.add(1),
        None => counters.unable.add(1),
    }
    let gets_in_line = slot.hear(finding, began.elapsed(), &shared.room);
    // One that was removed meanwhile gives back the room that it has just taken.
    if shared.book().get(slot.id).is_none() {
        slot.clear(&shared.room);
    } else if gets_in_line {
        // Nobody is told any more once the listener is gone. Outputs are kept all the same.
        drop(shared.changed.send(slot.clone()));
    }
}

/// Hands on what changed, as fast as it is taken. A check waits at most once, and what it has changed to by then is what
/// is told: a slow listener gets fewer verdicts and never stale ones.
pub(crate) async fn tell(
    shared: Arc<Shared>,
    mut changed: mpsc::UnboundedReceiver<Arc<Slot>>,
    verdicts: mpsc::Sender<Verdict>,
) {
    while let Some(slot) = changed.recv().await {
        let Ok(place) = verdicts.reserve().await else { return };
        if let Some(verdict) = slot.tell() {
            shared.counters.verdicts.add(1);
            place.send(verdict);
        }
    }
}
