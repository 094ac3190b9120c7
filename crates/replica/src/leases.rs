//! Leases: renewals touch the owner's memory and nothing else. What spreads is a change of health.

use crate::rows::RowIx;
use crate::timers::Timer;
use crate::{Replica, catalog};
use alloc::collections::BTreeMap;
use core::time::Duration;
use whither_model::{Health, Instant};

/// The leases of this node's instances.
#[derive(Debug, Default)]
pub(crate) struct Leases {
    running: BTreeMap<RowIx, Lease>,
}

#[derive(Clone, Copy, Debug)]
struct Lease {
    length: Duration,
    ends: Instant,
    /// It has run out, and the row says so: silent, or overdue.
    silent: bool,
}

impl Leases {
    /// Gives every lease more time.
    pub(crate) fn put_off(&mut self, by: Duration) {
        self.running.values_mut().for_each(|lease| lease.ends = lease.ends + by);
    }

    /// Since when the lease of this row has run, and until when it does.
    pub(crate) fn of(&self, row: RowIx) -> Option<(Instant, Instant)> {
        self.running.get(&row).map(|lease| (lease.ends - lease.length, lease.ends))
    }

    pub(crate) fn is_silent(&self, row: RowIx) -> bool {
        self.running.get(&row).is_some_and(|lease| lease.silent)
    }
}

impl Replica {
    /// Starts, restarts or ends the lease of an own instance, as its row says.
    pub(crate) fn set_lease(&mut self, row: RowIx, length: Option<Duration>, health: Health) {
        match length {
            Some(length) => {
                // Whatever is written of an instance says nothing about its lease: only a renewal does.
                let running = self.leases.running.get(&row).filter(|lease| lease.length == length);
                let ends = running.map_or(self.now.mono + length, |lease| lease.ends);
                let silent = matches!(health, Health::Silent | Health::Overdue);
                self.leases.running.insert(row, Lease { length, ends, silent });
                if health == Health::Silent {
                    // Nothing more to find out before somebody renews it.
                    self.timers.cancel(Timer::Lease(row));
                    return;
                }
                self.timers.set(Timer::Lease(row), ends.max(self.now.mono));
            }
            None => {
                self.leases.running.remove(&row);
                self.timers.cancel(Timer::Lease(row));
            }
        }
    }

    /// Starts the lease anew, leaving its timer where it is: it finds out when it fires.
    pub(crate) fn renew_lease(&mut self, row: RowIx) -> Option<Duration> {
        let lease = self.leases.running.get_mut(&row)?;
        lease.ends = self.now.mono + lease.length;
        if !self.timers.is_set(Timer::Lease(row)) {
            self.timers.set(Timer::Lease(row), lease.ends);
        }
        Some(lease.length)
    }

    pub(crate) fn lease_due(&mut self, row: RowIx) {
        let Some(lease) = self.leases.running.get(&row).copied() else { return };
        if lease.ends > self.now.mono {
            self.timers.set(Timer::Lease(row), lease.ends);
            return;
        }
        let Some(mut instance) = catalog::decode_instance(self.rows.row(row)) else { return };
        if !instance.registration.health.is_usable() {
            return;
        }
        let service = &instance.registration.service;
        let own = self.census.get(service).map_or(0, |count| count.own);
        let turn = match self.config.guards.mass_expiry {
            true => self.expiries.take(service, own, self.now.mono),
            false => Ok(()),
        };
        let Err(turn) = turn else {
            self.counters.leases_expired += 1;
            instance.registration.health = Health::Silent;
            self.write_instance(instance);
            return;
        };
        if instance.registration.health != Health::Overdue {
            self.counters.leases_held += 1;
            instance.registration.health = Health::Overdue;
            self.write_instance(instance);
        }
        self.timers.set(Timer::Lease(row), turn);
    }
}
