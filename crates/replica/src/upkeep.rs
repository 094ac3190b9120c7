//! What checks find of own instances, and how their weight rises.

use crate::rows::RowIx;
use crate::timers::Timer;
use crate::{Replica, catalog};
use alloc::collections::BTreeMap;
use core::time::Duration;
use whither_model::{Came, Health, Instance, InstanceId, Outcome, Refusal, Registration, ServiceName, State};

/// A weight rises in so many steps: each is a change that everybody hears of.
const RAMP_STEPS: u8 = 5;

/// What is known of own instances beyond what their rows say.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// What their checks say, all together; only of those that have checks.
    verdicts: BTreeMap<RowIx, Health>,
    /// What they last said of themselves, if it was not that all is well.
    reports: BTreeMap<RowIx, Health>,
}

impl Findings {
    /// What all of it comes to.
    fn combined(&self, row: RowIx) -> Health {
        let of = |map: &BTreeMap<RowIx, Health>| map.get(&row).copied().unwrap_or_default();
        of(&self.verdicts).max(of(&self.reports))
    }

    /// Takes in what an instance says of itself. Returns what it comes to.
    pub(crate) fn report(&mut self, row: RowIx, health: Health) -> Health {
        if health == Health::Passing {
            self.reports.remove(&row);
        } else {
            self.reports.insert(row, health);
        }
        self.combined(row)
    }

    /// What the checks of an instance say, if it has any.
    pub(crate) fn verdict(&self, row: RowIx) -> Option<Health> {
        self.verdicts.get(&row).copied()
    }

    /// What there is to say of an instance that fell silent and speaks again.
    pub(crate) fn revived(&self, row: RowIx) -> Health {
        self.combined(row)
    }
}

fn has_checks(registration: &Registration) -> bool {
    registration.upkeep.as_ref().is_some_and(|upkeep| !upkeep.checks.is_empty())
}

impl Replica {
    /// The instance as it comes into the catalog: with what its checks say, and with part of its weight if it warms up.
    pub(crate) fn prepare(&mut self, registration: &Registration, present: Option<&(RowIx, Instance)>) -> Instance {
        let before = present.map(|(_, instance)| instance);
        let mut registration = registration.clone();
        let found = present.and_then(|(row, _)| self.findings.verdicts.get(row).copied());
        let checked =
            |registration: &Registration| registration.upkeep.as_ref().is_some_and(|upkeep| !upkeep.checks.is_empty());
        if let (Some((row, before)), false) = (present, checked(&registration))
            && checked(&before.registration)
        {
            // What its checks found goes with them.
            self.findings.verdicts.remove(row);
        } else if let (None, Some(verdict)) = (&registration.upkeep, found) {
            // Checks of the agent's own configuration.
            registration.health = registration.health.max(verdict);
        }
        if let Some(upkeep) = registration.upkeep.as_ref().filter(|upkeep| !upkeep.checks.is_empty()) {
            let same = |before: &Registration| {
                let checks = before.upkeep.as_ref().map(|before| &before.checks);
                before.address == registration.address
                    && before.ports == registration.ports
                    && checks == Some(&upkeep.checks)
            };
            let unchanged = present.is_some_and(|(_, before)| same(&before.registration));
            let verdict = found.filter(|_| unchanged).unwrap_or_else(|| upkeep.initial_health());
            if let Some((row, _)) = present {
                self.findings.verdicts.insert(*row, verdict);
                self.findings.report(*row, registration.health);
            }
            registration.health = registration.health.max(verdict);
        }
        let share = match before {
            Some(before) if before.registration.state == State::Up => before.share,
            _ if registration.state == State::Up => first_share(&registration),
            _ => 100,
        };
        Instance {
            share,
            leaving: false,
            came: Came::Own,
            owner: self.me.node,
            version: whither_model::Version::default(),
            claimed_at: before.map_or(self.now.wall, |before| before.claimed_at),
            changed_at: self.now.wall,
            registration,
        }
    }

    /// Takes in what the checks of an own instance found.
    pub(crate) fn judge(&mut self, service: &ServiceName, id: &InstanceId, health: Health) -> Result<Outcome, Refusal> {
        let (row, mut instance) = self.own(service, id)?;
        self.findings.verdicts.insert(row, health);
        let now = self.findings.combined(row);
        let present = instance.registration.health;
        // A broken connection says more than any check, and who fell silent has to speak for itself.
        let open = !matches!(present, Health::Silent | Health::Overdue) && !self.sessions.is_lost(row);
        if open && present != now {
            instance.registration.health = now;
            let version = self.write_instance(instance);
            return Ok(Outcome::Written { version, created: 0 });
        }
        Ok(Outcome::Written { version: instance.version, created: 0 })
    }

    /// Follows what an own row says about its upkeep.
    pub(crate) fn follow_upkeep(&mut self, row: RowIx, instance: Option<&Instance>) {
        let Some(instance) = instance else {
            self.findings.verdicts.remove(&row);
            self.findings.reports.remove(&row);
            self.timers.cancel(Timer::Ramp(row));
            self.timers.cancel(Timer::Removal(row));
            return;
        };
        if has_checks(&instance.registration) {
            let health = instance.registration.health;
            // After a restart what the row says is all that is known: a restart is no reason to doubt it.
            self.findings.verdicts.entry(row).or_insert(if health.is_usable() { health } else { Health::Critical });
        }
        self.plan_removal(row, instance);
        match ramp(&instance.registration).filter(|_| instance.share < 100 && instance.registration.state == State::Up)
        {
            Some(ramp) if !self.timers.is_set(Timer::Ramp(row)) => {
                self.timers.set(Timer::Ramp(row), self.now.mono + ramp / u32::from(RAMP_STEPS));
            }
            Some(_) => {}
            None => self.timers.cancel(Timer::Ramp(row)),
        }
    }

    /// It is time for an instance that warms up to take more.
    pub(crate) fn ramp_due(&mut self, row: RowIx) {
        let Some(mut instance) = catalog::decode_instance(self.rows.row(row)) else { return };
        instance.share = instance.share.saturating_add(100 / RAMP_STEPS).min(100);
        self.write_instance(instance);
    }
}

/// The share of its weight with which an instance comes into service.
pub(crate) fn first_share(registration: &Registration) -> u8 {
    if ramp(registration).is_some() { 100 / RAMP_STEPS } else { 100 }
}

fn ramp(registration: &Registration) -> Option<Duration> {
    registration.upkeep.as_ref()?.ramp
}
