//! C3 to C6: memberlist and its extensions against the tables of the Lifeguard paper
//! (Dadgar, Phillips, Currey, arXiv 1707.00788v2).

mod accusations;
mod anomalies;
mod detection;
mod load;
mod tuning;

pub use accusations::run as accusations;
pub use detection::run as detection;
pub use load::run as load;
pub use tuning::run as tuning;

use crate::memberlist::Config;

/// The five ways of the paper, in the order of its tables.
const MANNERS: [(&str, Config); 5] = [
    ("SWIM", Config::paper_swim()),
    ("LHA-Probe", Config::paper_swim().with_probe()),
    ("LHA-Suspicion", Config::paper_swim().with_suspicion(5, 6)),
    ("Buddy System", Config::paper_swim().with_buddy()),
    ("Lifeguard", Config::paper_lifeguard(5, 6)),
];

/// How the paper's world is made here; every report begins with it.
fn setting() -> String {
    "128 nodes on one host (50 µs one way, nothing lost), settled for 15 s. C of them are ill in lock step: whatever they send \
     or receive waits until the spell of length D is over, while their timers run on. memberlist is written anew with its \
     threads: a prober that is stuck in a send starts no further probe, and the deadline of its round passes meanwhile; the \
     thread that takes datagrams in needs 40 µs for each (measured on memberlist 0.2.2), one after the other, so that after a \
     long spell and within a short pause a node does not get through what waits for it."
        .to_owned()
}
