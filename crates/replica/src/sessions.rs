//! Sessions: a client holds a connection, and what is registered on it dies with it.
//!
//! A broken connection is evidence: the kernel closes it in the moment in which the process dies. So its instances are
//! critical at once, and not merely silent.

use crate::commands::Write;
use crate::rows::RowIx;
use crate::timers::Timer;
use crate::{Replica, catalog};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::time::Duration;
use whither_model::limits::SESSIONS_MAX;
use whither_model::{Health, Outcome, Refusal, SessionEnd, SessionId};

/// How long what was registered on a session of an earlier boot counts as it was: time for its client to notice that the
/// agent is there again.
const RESTART_GRACE: Duration = Duration::from_secs(15);

/// The sessions of this node, and what was registered on them.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    known: BTreeMap<SessionId, Session>,
    of: BTreeMap<RowIx, SessionId>,
    open: usize,
}

#[derive(Debug)]
struct Session {
    standing: Standing,
    rows: BTreeSet<RowIx>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Standing {
    /// Its client holds the connection.
    Open { grace: Duration },
    /// The connection broke; what is left of it is removed when its timer says so.
    Lost,
    /// It was of an earlier boot. Nothing is known of its client, until it registers anew.
    Remembered,
}

impl Sessions {
    /// Whether the connection broke on which this row was registered.
    pub(crate) fn is_lost(&self, row: RowIx) -> bool {
        let session = self.of.get(&row).and_then(|session| self.known.get(session));
        session.is_some_and(|session| session.standing == Standing::Lost)
    }

    /// Whether the session on which this row was registered is held now; `None`: it is on none.
    pub(crate) fn holds(&self, row: RowIx) -> Option<bool> {
        self.of.get(&row).map(|session| self.is_open(*session))
    }

    pub(crate) fn is_open(&self, session: SessionId) -> bool {
        self.known.get(&session).is_some_and(|session| matches!(session.standing, Standing::Open { .. }))
    }
}

impl Replica {
    pub(crate) fn open_session(&mut self, grace: Duration) -> Result<Outcome, Refusal> {
        if self.sessions.open >= SESSIONS_MAX {
            return Err(Refusal::TooManySessions);
        }
        let session = loop {
            let drawn = SessionId::new(self.random.next());
            if let Some(session) = drawn.filter(|session| !self.sessions.known.contains_key(session)) {
                break session;
            }
        };
        self.sessions.open += 1;
        self.counters.sessions_opened += 1;
        let standing = Standing::Open { grace };
        self.sessions.known.insert(session, Session { standing, rows: BTreeSet::new() });
        Ok(Outcome::Opened { session })
    }

    pub(crate) fn end_session(&mut self, session: SessionId, end: SessionEnd) -> Result<Outcome, Refusal> {
        let Some(Session { standing: Standing::Open { grace }, rows }) = self.sessions.known.get(&session) else {
            return Err(Refusal::NoSession { session });
        };
        let (grace, instances) = (*grace, rows.len());
        self.sessions.open -= 1;
        if end == SessionEnd::Closed || grace.is_zero() || instances == 0 {
            self.bury(session);
            return Ok(Outcome::Ended { instances });
        }
        self.counters.sessions_lost += 1;
        if let Some(session) = self.sessions.known.get_mut(&session) {
            session.standing = Standing::Lost;
        }
        self.timers.set(Timer::Session(session), self.now.mono + grace);
        self.declare(session, Health::Critical);
        Ok(Outcome::Ended { instances })
    }

    /// The time of a session without a connection is over.
    pub(crate) fn session_due(&mut self, session: SessionId) {
        match self.sessions.known.get(&session).map(|session| session.standing) {
            Some(Standing::Lost) => self.bury(session),
            // The agent was away, and not the client: that is silence and no evidence.
            Some(Standing::Remembered) => self.declare(session, Health::Silent),
            Some(Standing::Open { .. }) | None => {}
        }
    }

    /// Follows what an own row says about who holds it.
    pub(crate) fn hold(&mut self, row: RowIx, session: Option<SessionId>) {
        let before = match session {
            Some(session) => self.sessions.of.insert(row, session),
            None => self.sessions.of.remove(&row),
        };
        if before == session {
            return;
        }
        if let Some(before) = before
            && let Some(left) = self.sessions.known.get_mut(&before)
        {
            left.rows.remove(&row);
            if left.rows.is_empty() && !matches!(left.standing, Standing::Open { .. }) {
                self.sessions.known.remove(&before);
                self.timers.cancel(Timer::Session(before));
            }
        }
        let Some(session) = session else { return };
        let now = self.now.mono;
        let known = self.sessions.known.entry(session).or_insert_with(|| {
            self.timers.set(Timer::Session(session), now + RESTART_GRACE);
            Session { standing: Standing::Remembered, rows: BTreeSet::new() }
        });
        known.rows.insert(row);
    }

    /// Says of all instances of a session that they are not well.
    fn declare(&mut self, session: SessionId, health: Health) {
        let writes = self.of_session(session).into_iter().filter_map(|row| {
            let mut instance = catalog::decode_instance(self.rows.row(row))?;
            if !instance.registration.health.is_usable() {
                return None;
            }
            instance.registration.health = health;
            Some(self.changed(instance))
        });
        let writes: Vec<Write> = writes.collect();
        self.write(writes);
    }

    /// Removes all instances of a session, and the session.
    fn bury(&mut self, session: SessionId) {
        let key = |row: RowIx| (catalog::INSTANCES, self.rows.row(row).key.key.to_vec(), None);
        let writes: Vec<Write> = self.of_session(session).into_iter().map(key).collect();
        self.write(writes);
        self.sessions.known.remove(&session);
        self.timers.cancel(Timer::Session(session));
    }

    fn of_session(&self, session: SessionId) -> Vec<RowIx> {
        self.sessions.known.get(&session).map_or_else(Vec::new, |session| session.rows.iter().copied().collect())
    }
}
