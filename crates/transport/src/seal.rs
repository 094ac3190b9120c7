//! The format of a sealed datagram, and the sealing of our own.
//!
//! ```text
//! 0x01 | sender's node u64 | sender's epoch u64 | counter u64 | ciphertext | tag (16 bytes)
//! ```
//!
//! Integers are big-endian. The key belongs to (node, epoch), the nonce is the counter, the header is authenticated.
//! Invariant: no counter is used twice in an epoch and no epoch twice by a node, so no nonce is used twice with a key.

use std::sync::atomic::{AtomicU64, Ordering};

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, Prk};
use ring::rand::{SecureRandom, SystemRandom};

use crate::limits::{DATAGRAM_BYTES_MAX, DATAGRAM_HEADER_BYTES, DATAGRAM_PAYLOAD_MAX, DATAGRAM_TAG_BYTES};
use crate::secret::{ClusterSecret, expand};

/// Set in the first byte of every QUIC packet (RFC 9000 section 17), and in none of ours.
pub(crate) const QUIC_FIXED_BIT: u8 = 0x40;
/// First byte of a datagram of this format.
const VERSION: u8 = 0x01;
const _: () = assert!(VERSION & QUIC_FIXED_BIT == 0);

/// What a datagram says in the clear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) node: u64,
    pub(crate) epoch: u64,
    pub(crate) counter: u64,
}

impl Header {
    /// The header of `datagram`, or none if it cannot be a datagram of ours.
    pub(crate) fn read(datagram: &[u8]) -> Option<Self> {
        if !(DATAGRAM_HEADER_BYTES + DATAGRAM_TAG_BYTES..=DATAGRAM_BYTES_MAX).contains(&datagram.len()) {
            return None;
        }
        let (version, rest) = datagram.split_first()?;
        let (node, rest) = rest.split_first_chunk()?;
        let (epoch, rest) = rest.split_first_chunk()?;
        let (counter, _) = rest.split_first_chunk()?;
        let number = |bytes: &[u8; 8]| u64::from_be_bytes(*bytes);
        (*version == VERSION).then(|| Self { node: number(node), epoch: number(epoch), counter: number(counter) })
    }

    fn write(self) -> [u8; DATAGRAM_HEADER_BYTES] {
        let mut bytes = [VERSION; DATAGRAM_HEADER_BYTES];
        bytes[1..9].copy_from_slice(&self.node.to_be_bytes());
        bytes[9..17].copy_from_slice(&self.epoch.to_be_bytes());
        bytes[17..25].copy_from_slice(&self.counter.to_be_bytes());
        bytes
    }

    pub(crate) fn nonce(self) -> Nonce {
        let mut nonce = [0; ring::aead::NONCE_LEN];
        nonce[4..].copy_from_slice(&self.counter.to_be_bytes());
        Nonce::assume_unique_for_key(nonce)
    }
}

/// Where the keys of all senders come from.
#[derive(Clone)]
pub(crate) struct DatagramKeys(Prk);

impl DatagramKeys {
    pub(crate) fn new(secret: &ClusterSecret) -> Self {
        Self(Prk::new_less_safe(HKDF_SHA256, &secret.derive("datagram keys", &[])))
    }

    pub(crate) fn of_sender(&self, node: u64, epoch: u64) -> LessSafeKey {
        let key = expand(&self.0, &[&node.to_be_bytes(), &epoch.to_be_bytes()]);
        LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &key).expect("32 bytes are a key of AES-256"))
    }
}

/// The payload is larger than [`DATAGRAM_PAYLOAD_MAX`]. Nothing was sealed and no counter was spent.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Oversized;

/// Seals this node's datagrams.
pub(crate) struct Sealer {
    key: LessSafeKey,
    node: u64,
    epoch: u64,
    counter: AtomicU64,
}

impl Sealer {
    /// The counter begins at a random place, so that even two copies of one data directory, which claim the same node
    /// and epoch, do not share nonces. It stays below 2^63 to begin with: the rest suffices for any uptime.
    pub(crate) fn new(keys: &DatagramKeys, node: u64, epoch: u64) -> Self {
        let mut start = [0; 8];
        SystemRandom::new().fill(&mut start).expect("the system's random source works");
        let counter = AtomicU64::new(u64::from_be_bytes(start) >> 1);
        Self { key: keys.of_sender(node, epoch), node, epoch, counter }
    }

    /// Replaces the content of `datagram` by `payload`, sealed. Allocates only if `datagram` is too small.
    pub(crate) fn seal(&self, payload: &[u8], datagram: &mut Vec<u8>) -> Result<(), Oversized> {
        if payload.len() > DATAGRAM_PAYLOAD_MAX {
            return Err(Oversized);
        }
        // Relaxed: only uniqueness matters.
        let counter = self.counter.fetch_add(1, Ordering::Relaxed);
        let header = Header { node: self.node, epoch: self.epoch, counter };
        let authenticated = header.write();
        datagram.clear();
        datagram.extend_from_slice(&authenticated);
        datagram.extend_from_slice(payload);
        let sealed = self.key.seal_in_place_separate_tag(
            header.nonce(),
            Aad::from(authenticated),
            &mut datagram[DATAGRAM_HEADER_BYTES..],
        );
        datagram.extend_from_slice(sealed.expect("a datagram is within the AEAD's reach").as_ref());
        Ok(())
    }
}
