//! Rumours that wait to be sent: memberlist's `TransmitLimitedQueue`.

use super::Sizes;
use super::message::Rumour;
use whither_model::random::mix;

/// Rumours in the order in which they go out: those sent least often first.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: Vec<Waiting>,
    queued: u64,
}

#[derive(Clone, Copy, Debug)]
struct Waiting {
    rumour: Rumour,
    sent: u32,
    bytes: u32,
    /// Counts up with each rumour that is queued.
    place: u64,
}

/// What decides how many rumours go into a packet.
pub(super) struct Room {
    /// Bytes left, two of which each rumour costs beside its own.
    pub(super) bytes: u32,
    /// How often each is sent in all.
    pub(super) limit: u32,
    /// Whether longer ones go first among those sent equally often, the newest of them first (today's order). In 2017 it was the
    /// newest among those not sent yet, and any order (that of an unstable sort) among others.
    pub(super) longest_first: bool,
}

impl Queue {
    /// Whether nothing waits.
    pub(super) const fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Adds `rumour`, in place of any other about the same node (`Invalidates`).
    pub(super) fn push(&mut self, rumour: Rumour, sizes: &Sizes) {
        self.waiting.retain(|one| one.rumour.about != rumour.about);
        self.queued += 1;
        self.waiting.push(Waiting { rumour, sent: 0, bytes: sizes.rumour(rumour.saying), place: self.queued });
    }

    /// Takes what fits (`GetBroadcasts`).
    pub(super) fn take(&mut self, room: &Room) -> Vec<Rumour> {
        if self.waiting.is_empty() {
            return Vec::new();
        }
        self.waiting.sort_unstable_by_key(|one| {
            if room.longest_first {
                (one.sent, u32::MAX - one.bytes, u64::MAX - one.place)
            } else if one.sent == 0 {
                (0, 0, u64::MAX - one.place)
            } else {
                (one.sent, 0, mix(one.place ^ u64::from(one.sent) << 32))
            }
        });
        let mut left = room.bytes;
        let mut taken = Vec::new();
        for one in &mut self.waiting {
            if one.bytes + 2 <= left {
                left -= one.bytes + 2;
                one.sent += 1;
                taken.push(one.rumour);
            }
        }
        self.waiting.retain(|one| one.sent < room.limit);
        taken
    }
}
