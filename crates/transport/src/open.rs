//! The opening of other nodes' datagrams, and what is remembered about their senders.

use std::collections::HashMap;

use ring::aead::{Aad, LessSafeKey};

use crate::limits::{DATAGRAM_HEADER_BYTES, SENDERS_PER_GENERATION_MAX};
use crate::replay::ReplayWindow;
use crate::seal::{DatagramKeys, Header};

/// Why a datagram was not accepted. What is remembered about senders is as it was before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OpenError {
    /// Not a datagram of this format.
    Malformed,
    /// Not sealed with a key of this cluster, or altered on its way.
    Unauthenticated,
    /// Seen before, too old to tell, or of a boot that has been succeeded.
    Replayed,
    /// Our own, sent back to us.
    Reflected,
}

/// Opens datagrams, each once.
pub(crate) struct Opener {
    keys: DatagramKeys,
    own_node: u64,
    own_epoch: u64,
    senders: Senders,
}

impl Opener {
    pub(crate) fn new(keys: DatagramKeys, own_node: u64, own_epoch: u64) -> Self {
        Self { keys, own_node, own_epoch, senders: Senders::default() }
    }

    /// Opens `datagram` in place and returns its payload.
    ///
    /// Only an authentic datagram changes what is remembered, so that a stranger can neither fill nor empty the memory.
    pub(crate) fn open<'d>(&mut self, datagram: &'d mut [u8]) -> Result<&'d [u8], OpenError> {
        let header = Header::read(datagram).ok_or(OpenError::Malformed)?;
        if (header.node, header.epoch) == (self.own_node, self.own_epoch) {
            return Err(OpenError::Reflected);
        }
        match self.senders.get_mut(header.node) {
            Some(known) if header.epoch < known.epoch => Err(OpenError::Replayed),
            Some(known) if header.epoch == known.epoch => {
                if !known.window.is_new(header.counter) {
                    return Err(OpenError::Replayed);
                }
                let payload = open_with(&known.key, header, datagram)?;
                known.window.mark(header.counter);
                self.senders.touch(header.node);
                Ok(payload)
            }
            // A sender we do not know, or one that has rebooted.
            _ => {
                let key = self.keys.of_sender(header.node, header.epoch);
                let payload = open_with(&key, header, datagram)?;
                let window = ReplayWindow::starting_at(header.counter);
                self.senders.insert(header.node, Sender { epoch: header.epoch, key, window });
                Ok(payload)
            }
        }
    }
}

fn open_with<'d>(key: &LessSafeKey, header: Header, datagram: &'d mut [u8]) -> Result<&'d [u8], OpenError> {
    let (authenticated, sealed) = datagram.split_at_mut(DATAGRAM_HEADER_BYTES);
    match key.open_in_place(header.nonce(), Aad::from(&*authenticated), sealed) {
        Ok(payload) => Ok(payload),
        Err(_) => Err(OpenError::Unauthenticated),
    }
}

struct Sender {
    /// The newest boot heard of.
    epoch: u64,
    key: LessSafeKey,
    window: ReplayWindow,
}

/// Senders by node id, in two generations. Who speaks moves to the young one; when that is full the old one, which has
/// not spoken for as long as it took, is forgotten.
#[derive(Default)]
struct Senders {
    young: HashMap<u64, Sender>,
    old: HashMap<u64, Sender>,
}

impl Senders {
    fn get_mut(&mut self, node: u64) -> Option<&mut Sender> {
        self.young.get_mut(&node).or_else(|| self.old.get_mut(&node))
    }

    fn touch(&mut self, node: u64) {
        if let Some(sender) = self.old.remove(&node) {
            self.insert(node, sender);
        }
    }

    fn insert(&mut self, node: u64, sender: Sender) {
        self.old.remove(&node);
        if self.young.len() >= SENDERS_PER_GENERATION_MAX && !self.young.contains_key(&node) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(node, sender);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::limits::{DATAGRAM_BYTES_MAX, DATAGRAM_PAYLOAD_MAX};
    use crate::seal::{Oversized, QUIC_FIXED_BIT, Sealer};
    use crate::secret::ClusterSecret;

    fn sealed(keys: &DatagramKeys, node: u64, epoch: u64, payload: &[u8]) -> Vec<u8> {
        let mut datagram = Vec::new();
        Sealer::new(keys, node, epoch).seal(payload, &mut datagram).expect("small enough");
        datagram
    }

    #[test]
    fn every_size_up_to_the_largest_opens_and_one_more_is_refused() {
        let keys = DatagramKeys::new(&ClusterSecret::generate());
        let (sealer, mut opener) = (Sealer::new(&keys, 1, 1), Opener::new(keys, 2, 1));
        let mut datagram = Vec::new();
        for size in 0..=DATAGRAM_PAYLOAD_MAX {
            let payload = vec![size as u8; size];
            sealer.seal(&payload, &mut datagram).expect("small enough");
            assert_eq!(datagram[0] & QUIC_FIXED_BIT, 0);
            assert_eq!(opener.open(&mut datagram), Ok(&payload[..]));
        }
        assert_eq!(datagram.len(), DATAGRAM_BYTES_MAX);
        assert_eq!(sealer.seal(&[0; DATAGRAM_PAYLOAD_MAX + 1], &mut datagram), Err(Oversized));
    }

    #[test]
    fn replays_reflections_strangers_and_past_boots_are_told_apart() {
        let keys = DatagramKeys::new(&ClusterSecret::generate());
        let mut opener = Opener::new(keys.clone(), 2, 7);
        let first = sealed(&keys, 1, 4, b"a");
        assert_eq!(opener.open(&mut first.clone()), Ok(&b"a"[..]));
        assert_eq!(opener.open(&mut first.clone()), Err(OpenError::Replayed));

        let rebooted = Sealer::new(&keys, 1, 5);
        let mut datagram = Vec::new();
        rebooted.seal(b"b", &mut datagram).expect("small enough");
        assert_eq!(opener.open(&mut datagram), Ok(&b"b"[..]));
        assert_eq!(opener.open(&mut sealed(&keys, 1, 4, b"c")), Err(OpenError::Replayed), "a past boot");
        assert_eq!(opener.open(&mut sealed(&keys, 2, 7, b"d")), Err(OpenError::Reflected));
        let others = DatagramKeys::new(&ClusterSecret::generate());
        assert_eq!(opener.open(&mut sealed(&others, 1, 6, b"e")), Err(OpenError::Unauthenticated));
        rebooted.seal(b"f", &mut datagram).expect("small enough");
        assert_eq!(opener.open(&mut datagram), Ok(&b"f"[..]), "strangers change nothing");
    }

    #[test]
    fn memory_is_bounded_and_forgets_the_silent_first() {
        let keys = DatagramKeys::new(&ClusterSecret::generate());
        let mut senders = Senders::default();
        let sender = |node| Sender { epoch: 1, key: keys.of_sender(node, 1), window: ReplayWindow::starting_at(0) };
        for node in 0..3 * SENDERS_PER_GENERATION_MAX as u64 {
            senders.insert(node, sender(node));
            senders.touch(0);
        }
        assert!(senders.young.len() + senders.old.len() <= 2 * SENDERS_PER_GENERATION_MAX);
        assert!(senders.get_mut(0).is_some(), "it spoke all the time");
        assert!(senders.get_mut(1).is_none());
    }

    proptest! {
        #[test]
        fn one_changed_bit_is_always_noticed(payload in proptest::collection::vec(any::<u8>(), 0..200), bit in any::<proptest::sample::Index>()) {
            let keys = DatagramKeys::new(&ClusterSecret::generate());
            let mut datagram = sealed(&keys, 1, 1, &payload);
            let bit = bit.index(datagram.len() * 8);
            datagram[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(Opener::new(keys, 2, 1).open(&mut datagram).is_err());
        }

        #[test]
        fn arbitrary_bytes_are_refused_in_order(mut bytes in proptest::collection::vec(any::<u8>(), 0..1500)) {
            let keys = DatagramKeys::new(&ClusterSecret::generate());
            prop_assert!(Opener::new(keys, 2, 1).open(&mut bytes).is_err());
        }
    }
}
