//! What happened, for machines in one number and for people in lines.

use crate::protocol::Index;
use core::fmt;
use core::time::Duration;
use whither_model::Instant;

/// Folds what happens into a number: two runs with the same one were the same run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hash(u64);

impl Hash {
    pub(crate) const fn new() -> Self {
        Self(0x7768_6974_6865_7200)
    }

    #[inline]
    pub(crate) const fn fold(&mut self, what: u64) {
        self.0 = (self.0.rotate_left(23) ^ what).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    pub(crate) const fn value(self) -> u64 {
        self.0 ^ self.0 >> 32
    }
}

/// Writes lines for people.
pub(crate) struct Trace<M> {
    /// How a message is shown. Kept here, so that only who traces needs messages that can be shown.
    pub(crate) show: fn(&M, &mut fmt::Formatter<'_>) -> fmt::Result,
    pub(crate) line: Box<dyn FnMut(&str)>,
}

impl<M> fmt::Debug for Trace<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Trace")
    }
}

/// What a line tells.
pub(crate) enum Step<'a, M> {
    /// A message: what became of it, from whom, to whom, its size, and what it says.
    Message(&'static str, Index, Index, u32, Option<&'a M>),
    /// Something about one node.
    Node(&'static str, Index),
    /// The world changed.
    World(&'a dyn fmt::Debug),
}

impl<M> Trace<M> {
    /// Writes the line of a step, with the time since the beginning in seconds.
    pub(crate) fn write(&mut self, now: u64, step: &Step<'_, M>) {
        let at: Duration = Instant::from_micros(now).since(Instant::START);
        let line = match step {
            Step::Message(what, from, to, bytes, message) => {
                let message = message.map(|message| Shown { message, show: self.show });
                let said = message.map_or_else(String::new, |message| message.to_string());
                format!("{:>13.6} n{from} -> n{to} {what}, {bytes} B: {said}", at.as_secs_f64())
            }
            Step::Node(what, node) => format!("{:>13.6} n{node} {what}", at.as_secs_f64()),
            Step::World(change) => format!("{:>13.6} {change:?}", at.as_secs_f64()),
        };
        (self.line)(&line);
    }
}

/// A message, together with how it is shown.
struct Shown<'a, M> {
    message: &'a M,
    show: fn(&M, &mut fmt::Formatter<'_>) -> fmt::Result,
}

impl<M> fmt::Display for Shown<'_, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (self.show)(self.message, f)
    }
}
