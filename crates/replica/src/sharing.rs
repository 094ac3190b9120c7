//! Instances have much in common: what they say alike is kept once.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::hash::{BuildHasher, Hash};
use foldhash::fast::FixedState;
use whither_model::{Port, Registration, ServiceName};

/// A key and its value.
type Pair = (Box<str>, Box<str>);

/// What instances usually share with others, as lately seen.
#[derive(Debug, Default)]
pub(crate) struct Sharing {
    services: Pool<ServiceName>,
    ports: Pool<Arc<[Port]>>,
    tags: Pool<Arc<[Box<str>]>>,
    meta: Pool<Arc<[Pair]>>,
    texts: Pool<Arc<str>>,
}

impl Sharing {
    /// Puts what was seen before in place of what is equal to it.
    pub(crate) fn share(&mut self, registration: &mut Registration) {
        self.services.share(&mut registration.service);
        self.ports.share(&mut registration.ports);
        self.tags.share(&mut registration.tags);
        self.meta.share(&mut registration.meta);
        self.texts.share(&mut registration.version);
        self.texts.share(&mut registration.zone);
    }
}

/// How many values a pool remembers.
const SLOTS: usize = 4_096;

/// Remembers one value per slot, the latest: bounded, nothing to clean up, and values that differ everywhere only pass by.
#[derive(Debug)]
struct Pool<T> {
    slots: Vec<Option<T>>,
    hasher: FixedState,
}

impl<T> Default for Pool<T> {
    fn default() -> Self {
        Self { slots: Vec::new(), hasher: FixedState::default() }
    }
}

impl<T: Clone + Eq + Hash> Pool<T> {
    fn share(&mut self, value: &mut T) {
        if self.slots.is_empty() {
            self.slots.resize_with(SLOTS, || None);
        }
        let at = usize::try_from(self.hasher.hash_one(&*value) % SLOTS as u64).unwrap_or(0);
        match &self.slots[at] {
            Some(seen) if seen == value => *value = seen.clone(),
            _ => self.slots[at] = Some(value.clone()),
        }
    }
}
