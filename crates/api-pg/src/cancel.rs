//! Who may give up whose statement: whoever knows the secret that only that connection's client was told.

use pgwire::messages::startup::SecretKey;
use std::collections::HashMap;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// All sessions, by their numbers.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    last: AtomicI32,
    known: Mutex<HashMap<i32, (SecretKey, Arc<Notify>)>>,
}

/// A session's place among them, until it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    sessions: Arc<Sessions>,
    /// Its number.
    pub(crate) pid: i32,
    /// Told to its client alone.
    pub(crate) secret: SecretKey,
    /// Wakes whoever waits for a request to give up.
    pub(crate) give_up: Arc<Notify>,
}

impl Sessions {
    fn known(&self) -> MutexGuard<'_, HashMap<i32, (SecretKey, Arc<Notify>)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives a session a number that no other has.
    pub(crate) fn enter(self: &Arc<Self>) -> Place {
        let give_up = Arc::new(Notify::new());
        let secret = SecretKey::I32(i32::from_be_bytes(crate::scram::random()));
        let mut known = self.known();
        let pid = loop {
            let pid = self.last.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
            if pid > 0 && !known.contains_key(&pid) {
                break pid;
            }
        };
        known.insert(pid, (secret.clone(), Arc::clone(&give_up)));
        drop(known);
        Place { sessions: Arc::clone(self), pid, secret, give_up }
    }

    /// Has a session give up its statement, if the secret is right. Nobody is told whether it was.
    pub(crate) fn cancel(&self, pid: i32, secret: &[u8]) {
        if let Some((known, give_up)) = self.known().get(&pid)
            && known.to_bytes() == secret
        {
            give_up.notify_waiters();
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.sessions.known().remove(&self.pid);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    #[test]
    fn only_the_secret_gives_up() {
        let sessions = Arc::new(Sessions::default());
        let (place, other) = (sessions.enter(), sessions.enter());
        assert_ne!((place.pid, place.secret.to_bytes()), (other.pid, other.secret.to_bytes()));
        let give_up = Arc::clone(&place.give_up);
        let mut waiting = pin!(give_up.notified());
        let mut context = Context::from_waker(Waker::noop());
        sessions.cancel(place.pid, &other.secret.to_bytes());
        sessions.cancel(other.pid, &place.secret.to_bytes());
        assert_eq!(waiting.as_mut().poll(&mut context), Poll::Pending);
        sessions.cancel(place.pid, &place.secret.to_bytes());
        assert_eq!(waiting.as_mut().poll(&mut context), Poll::Ready(()));
        drop(place);
        assert_eq!(sessions.known().len(), 1);
    }
}
