//! The members that nothing can be known of, worked out once per view instead of once per question.

use crate::answer::{millis, put_age};
use arc_swap::{ArcSwap, Guard};
use bytes::{BufMut, BytesMut};
use std::fmt::Write as _;
use std::sync::Arc;
use whither_directory::{Index, NodeView, View};
use whither_model::{Instant, MemberState, NodeName};

/// Keeps the list for the newest view that was asked about.
#[derive(Debug, Default)]
pub(crate) struct UnheardCache(ArcSwap<Unheard>);

/// The members that are down as of one view.
#[derive(Debug, Default)]
pub(crate) struct Unheard {
    index: Index,
    down: Vec<Arc<NodeView>>,
    /// Differs between different lists; part of the entity tag, because a member that owns nothing of a service can go
    /// down without a change of that service.
    tag: u64,
}

impl UnheardCache {
    /// The members that are down in `view`.
    pub(crate) fn of(&self, view: &View) -> Guard<Arc<Unheard>> {
        let kept = self.0.load();
        if kept.index == view.index() {
            return kept;
        }
        let made = Arc::new(Unheard::of(view));
        self.0.store(Arc::clone(&made));
        // Not what is stored by now: another thread may have stored the list of another view.
        Guard::from_inner(made)
    }
}

impl Unheard {
    fn of(view: &View) -> Self {
        let down: Vec<_> =
            view.nodes().iter().filter(|node| node.member.state == MemberState::Down).map(Arc::clone).collect();
        // FNV-1a over the ids: sorted by id, so the same list has the same tag.
        let tag = down.iter().flat_map(|node| node.member.id.get().to_le_bytes());
        let tag =
            tag.fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        Self { index: view.index(), down, tag }
    }

    /// About how many bytes [`Unheard::put_json`] writes.
    pub(crate) fn json_bytes(&self) -> usize {
        self.down.len() * 96
    }

    /// Its part of an entity tag: nothing when nobody is down.
    pub(crate) fn put_tag(&self, bytes: &mut BytesMut) {
        if !self.down.is_empty() {
            // Writing to memory cannot fail.
            let _ = write!(bytes, ".{:016x}", self.tag);
        }
    }

    /// The member `"unheard":[…],`, or nothing when nobody is down.
    pub(crate) fn put_json(&self, bytes: &mut BytesMut, now: Instant) {
        for (at, node) in self.down.iter().enumerate() {
            let before = if at == 0 { "\"unheard\":[" } else { "," };
            bytes.put_slice(before.as_bytes());
            let name: &NodeName = &node.member.name;
            // A node name has no character that JSON escapes.
            let _ = write!(bytes, "{{\"node\":\"{}\",\"name\":\"{name}\",\"age_ms\":", node.member.id);
            put_age(bytes, millis(node.age(now)));
            bytes.put_u8(b'}');
        }
        if !self.down.is_empty() {
            bytes.put_slice(b"],");
        }
    }
}
