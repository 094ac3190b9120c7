//! A session: a connection that a client holds. What is registered on it dies with it.

use core::fmt;
use core::num::NonZeroU64;
use core::str::FromStr;

/// Names a session on the node that holds its connection. Drawn at random: whoever knows it may register on it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SessionId(NonZeroU64);

impl SessionId {
    /// The session with this number; `None` for zero, which stands for "no session" on the wire.
    #[must_use]
    pub const fn new(value: u64) -> Option<Self> {
        match NonZeroU64::new(value) {
            Some(value) => Some(Self(value)),
            None => None,
        }
    }

    /// The number, never zero.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0.get()
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// Not sixteen hexadecimal digits, or all of them zero.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NotASessionId;

impl fmt::Display for NotASessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a session id: expected the 16 hexadecimal digits that opening a session answered with")
    }
}

impl core::error::Error for NotASessionId {}

impl FromStr for SessionId {
    type Err = NotASessionId;
    fn from_str(s: &str) -> Result<Self, NotASessionId> {
        crate::hex::parse(s).map(Self).ok_or(NotASessionId)
    }
}

/// How a session ended.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum SessionEnd {
    /// Its client said that it is done: what was registered on it is removed at once.
    Closed,
    /// Its connection broke, as it does in the moment in which a process dies. What was registered on it is critical from
    /// then on, and removed when the session's grace is over, unless somebody has registered it anew.
    Lost,
}
