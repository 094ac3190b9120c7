//! Asking many at once, none for longer than it may take.

use std::sync::mpsc;
use std::time::{Duration, Instant};

/// What each asks for itself has this much time after its own limit to be handed over.
const HANDOVER: Duration = Duration::from_millis(150);

/// Something to be asked, and what it is to have said if it is late.
pub(super) struct Ask<T> {
    late: T,
    ask: Box<dyn FnOnce() -> T + Send>,
}

impl<T> Ask<T> {
    /// Asks `ask`, and takes `late` instead if that is not ready in time.
    pub(super) fn new(late: T, ask: impl FnOnce() -> T + Send + 'static) -> Self {
        Self { late, ask: Box::new(ask) }
    }
}

/// Runs all of `asks`, each on a thread of its own, and returns what each said, in order. A thread that is late is left
/// behind: what it waits for cannot be interrupted, and the process is about to end.
pub(super) fn at_once<T: Send + 'static>(asks: Vec<Ask<T>>, within: Duration) -> Vec<T> {
    let until = Instant::now() + within + HANDOVER;
    let (tell, told) = mpsc::channel();
    let mut answers = Vec::with_capacity(asks.len());
    for (at, Ask { late, ask }) in asks.into_iter().enumerate() {
        answers.push(late);
        let tell = tell.clone();
        // A thread that cannot be had is an answer that does not come.
        let _ = std::thread::Builder::new().name("whither-doctor".into()).spawn(move || tell.send((at, ask())));
    }
    drop(tell);
    while let Ok((at, answer)) = told.recv_timeout(until.saturating_duration_since(Instant::now())) {
        if let Some(place) = answers.get_mut(at) {
            *place = answer;
        }
    }
    answers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_keep_their_order_and_who_is_late_or_fails_is_told_so() {
        let (hold, held) = mpsc::channel::<()>();
        let asks = vec![
            Ask::new(0, || 1),
            Ask::new(7, move || held.recv().map_or(2, |()| 2)),
            Ask::new(8, || panic!("of a layer")),
            Ask::new(0, || 4),
        ];
        assert_eq!(at_once(asks, Duration::from_secs(1)), [1, 7, 8, 4]);
        drop(hold);
    }
}
