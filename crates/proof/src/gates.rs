//! Which experiments there are: a line for each.

pub mod broadcast;
pub mod epidemic;
pub mod foca;
pub mod lifeguard;
pub mod rapid;
pub mod rival;
pub mod swim;

use crate::ours;
use crate::report::Experiment;

/// All of them, in the order of the list: gates against what others published, then experiments of our own.
pub const EXPERIMENTS: &[Experiment] = &[
    Experiment { name: "C0", about: "SWIM's first detection, against its formulas", run: swim::detection },
    Experiment {
        name: "C1",
        about: "SWIM's false detections under loss, against its formula",
        run: swim::false_alarms,
    },
    Experiment {
        name: "C2",
        about: "Epidemics: SWIM's infection curve; the tables of Demers et al.",
        run: epidemic::run,
    },
    Experiment { name: "C3", about: "Lifeguard's Table V: how long detection takes", run: lifeguard::detection },
    Experiment { name: "C4", about: "Lifeguard's Table IV: healthy nodes called dead", run: lifeguard::accusations },
    Experiment { name: "C5", about: "Lifeguard's Table VI: messages and bytes", run: lifeguard::load },
    Experiment { name: "C6", about: "Lifeguard's Table VII: nine tunings", run: lifeguard::tuning },
    Experiment { name: "C7", about: "Rapid's Figures 8 to 10: memberlist flaps", run: rapid::run },
    Experiment { name: "C9", about: "Corrosion's Plumtree and gossip, beside its own simulator", run: rival::run },
    Experiment {
        name: "E1",
        about: "What it costs when nothing happens, from 128 to 100 000 nodes",
        run: ours::idle::run,
    },
    Experiment { name: "E2", about: "One update to all: designs and faults", run: broadcast::run },
    Experiment { name: "E2-large", about: "One update to all, among 10 000 nodes", run: broadcast::large },
    Experiment { name: "E3", about: "More updates than lines can bear, for minutes", run: ours::overload::run },
    Experiment { name: "E4", about: "Deaths: of one, of a rack, of a zone, of most", run: ours::crash::run },
    Experiment { name: "E5", about: "Lifeguard's anomaly matrix with our membership", run: ours::anomaly::run },
    Experiment { name: "E7", about: "Lossy, deaf, mute and one-way links", run: ours::links::run },
    Experiment {
        name: "E9",
        about: "Two halves for a minute, an hour, a day; and one again",
        run: ours::partition::run,
    },
    Experiment { name: "E-foca", about: "foca, a SWIM library of others: crash, idle, anomalies", run: foca::run },
];
