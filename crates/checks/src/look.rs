//! One look, now: for whoever needs to know once and keeps no schedule.

use crate::finding::Deadline;
use crate::job;
use crate::probe::{Prober, Wire};
use crate::trust::Trust;
use rustls::RootCertStore;
use std::net::SocketAddr;
use std::time::Duration;
use whither_model::{Health, Probe};

/// What a look found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Look {
    /// `None`: this host could not look, and whoever was asked is not to blame.
    pub status: Option<Health>,
    /// What a person should know.
    pub text: String,
}

/// Looks once at a time, with the probes of a runner. It goes where it is told: whoever tells it answers for the address.
pub struct Looker(Wire);

impl std::fmt::Debug for Looker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Looker")
    }
}

impl Default for Looker {
    fn default() -> Self {
        Self::new()
    }
}

impl Looker {
    /// One that trusts no authority: encrypted probes fail unless they skip verification.
    #[must_use]
    pub fn new() -> Self {
        Self(Wire::new(Trust::new(&RootCertStore::empty())))
    }

    /// Does what `probe` says at `at`, for at most `patience`. The probe's own choice of port is not looked at. There is
    /// nothing to look at in what somebody reports ([`Probe::Ttl`]).
    pub async fn look(&self, at: SocketAddr, probe: &Probe, patience: Duration) -> Look {
        let Some(job) = job::job(at, probe) else {
            return Look { status: None, text: "there is nothing to look at: somebody reports".into() };
        };
        let found = self.0.probe(&job, Deadline::after(patience)).await;
        Look { status: found.status, text: found.text }
    }
}
