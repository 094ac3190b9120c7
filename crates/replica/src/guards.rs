//! How much may go at once: of what falls silent, and of what is deregistered.
//!
//! Much at once is more often a mistake than a death: a client that cannot renew, a script that deletes too much. So only so
//! many instances of a service go in a minute, and the rest waits for its turn in sight of everybody. (Netflix Eureka stops
//! evicting when too many renewals are missing; Envoy ignores health when too few hosts are well.)

use alloc::collections::{BTreeMap, VecDeque};
use core::time::Duration;
use whither_model::{Instant, ServiceName};

/// Which guards are on. They need no tuning, and an agent has all of them; a simulator switches one off to show what it is
/// good for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Guards {
    /// Of a service's leases, only so many run out in a minute.
    pub mass_expiry: bool,
    /// When half of all nodes are lost at once, their instances stay in service.
    pub mass_loss: bool,
    /// Of a service's instances, only so many are removed by name in a minute.
    pub mass_removal: bool,
}

impl Default for Guards {
    fn default() -> Self {
        Self { mass_expiry: true, mass_loss: true, mass_removal: true }
    }
}

/// What is counted together.
const WINDOW: Duration = Duration::from_secs(60);
/// So many may always go.
const ALWAYS: usize = 2;

/// How many of a service went lately, and whether one more may.
#[derive(Debug)]
pub(crate) struct Budget {
    /// Of a service, in percent, in a window.
    percent: usize,
    gone: BTreeMap<ServiceName, VecDeque<Instant>>,
}

impl Budget {
    pub(crate) const fn new(percent: usize) -> Self {
        Self { percent, gone: BTreeMap::new() }
    }

    /// Takes one of `service`, of which there are `present` now.
    ///
    /// # Errors
    /// Too many went lately: when the next one may.
    pub(crate) fn take(&mut self, service: &ServiceName, present: usize, now: Instant) -> Result<(), Instant> {
        let gone = self.gone.entry(service.clone()).or_default();
        while gone.front().is_some_and(|at| now.since(*at) >= WINDOW) {
            gone.pop_front();
        }
        let allowed = ALWAYS.max((present + gone.len()) * self.percent / 100);
        if let Some(first) = gone.front().filter(|_| gone.len() >= allowed) {
            return Err(*first + WINDOW);
        }
        gone.push_back(now);
        self.tidy(now);
        Ok(())
    }

    /// One of `service` has come: it makes up for one that went. So what is replaced one by one is no loss.
    pub(crate) fn make_up(&mut self, service: &ServiceName) {
        if let Some(gone) = self.gone.get_mut(service) {
            gone.pop_front();
            if gone.is_empty() {
                self.gone.remove(service);
            }
        }
    }

    /// Forgets services of which nothing went lately, now and then.
    fn tidy(&mut self, now: Instant) {
        const SERVICES_BEFORE_TIDYING: usize = 1_024;
        if self.gone.len() > SERVICES_BEFORE_TIDYING {
            self.gone.retain(|_, gone| gone.back().is_some_and(|at| now.since(*at) < WINDOW));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::START + Duration::from_secs(seconds)
    }

    #[test]
    fn two_always_go_and_of_many_a_share() {
        let service: ServiceName = "prod/recos".parse().unwrap();
        let mut budget = Budget::new(15);
        assert_eq!(budget.take(&service, 3, at(0)), Ok(()));
        assert_eq!(budget.take(&service, 2, at(1)), Ok(()));
        assert_eq!(budget.take(&service, 1, at(2)), Err(at(60)));
        assert_eq!(budget.take(&service, 1, at(60)), Ok(()));
        let other: ServiceName = "prod/other".parse().unwrap();
        let gone = (0..100).filter(|gone| budget.take(&other, 100 - gone.min(&15), at(61)).is_ok()).count();
        assert_eq!(gone, 15);
    }
}
