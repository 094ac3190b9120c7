//! What the agent's encoding makes of a message (`docs/wire.md`), in bytes.

use super::{More, News};
use whither_gossip::{Claim, Word};

/// The largest payload of a datagram, before the seal.
pub(super) const DATAGRAM: u32 = 1_150;
/// Version, nonce and authentication tag.
pub(super) const SEAL: u32 = 1 + 12 + 16;
/// The largest claim.
pub(super) const CLAIM_MAX: usize = 112;
/// The sender's statement, its clock and its head.
const HEADER: u32 = 34 + 9 + 2;
pub(super) const STATEMENT: u32 = 34;
const NONCE: u32 = 6;
const NODE: u32 = 9;
/// How old news is, up to two seconds.
const AGE: u32 = 1 + 3;

pub(super) fn head(word: &Word, digest: bool, agrees: bool) -> u32 {
    let word = match word {
        Word::Nothing => 0,
        Word::Ping { .. } | Word::Pong { .. } => 2 + NONCE + NODE,
        Word::PingRequest { .. } | Word::Summons { .. } => 4 + NONCE + STATEMENT,
        Word::Nack { .. } => 2 + NONCE,
        Word::Verdict { .. } => 4 + NONCE,
    };
    HEADER + word + if digest { 2 + 3 * NODE } else { 0 } + if agrees { 8 } else { 0 }
}

pub(super) fn more(more: &More) -> u32 {
    let acks = u32::try_from(more.acks.len()).unwrap_or(u32::MAX) * 17;
    more.claims.iter().map(claim).sum::<u32>() + acks + more.news.as_ref().map_or(0, news)
}

fn claim(claim: &Claim) -> u32 {
    let accusers = u32::try_from(claim.accusers.count()).unwrap_or(0) * 8;
    STATEMENT + if accusers > 0 { 2 + accusers } else { 0 } + if claim.witness.is_some() { NODE } else { 0 }
}

fn news((leaflet, news): &(whither_gossip::Leaflet, std::sync::Arc<News>)) -> u32 {
    const SCOPE: u32 = 2 + 5 + 2 * NODE;
    let partners = u32::try_from(leaflet.partners.len()).unwrap_or(0) * (2 + NODE + SCOPE);
    let scope = if leaflet.scope.is_some() { SCOPE } else { 0 };
    let payload = match &**news {
        News::Claims(claims) => claims.iter().map(claim).sum(),
        News::Update { bytes, .. } => *bytes,
    };
    3 + NODE + 2 + 4 + AGE + scope + partners + payload
}
