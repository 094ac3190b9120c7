//! What clients ask of this node.

use crate::limits::CHANGE_BYTES_TARGET;
use crate::rows::{Merged, RowIx};
use crate::wire::{Change, RowWire};
use crate::{Replica, catalog, upkeep};
use alloc::vec::Vec;
use bytes::Bytes;
use core::net::SocketAddr;
use prost::Message;
use whither_model::durable::TableId;
use whither_model::limits::{INSTANCES_PER_SERVICE_MAX, RECORD_BYTES_MAX};
use whither_model::{
    Ack, Came, Command, Health, Instance, InstanceId, Now, Outcome, Refusal, Registration, ServiceName, State, Ticket,
    Version,
};

const GONE: Refusal = Refusal::Unavailable("this node has left its cluster; restart it to join one again");

/// A row as it is about to be written: its table, its key, and its record or `None` for a tombstone.
pub(crate) type Write = (TableId, Vec<u8>, Option<Vec<u8>>);

impl Replica {
    /// Carries out `command`. Its answer, under `ticket`, comes out of [`Replica::poll_ready`].
    pub fn handle_command(&mut self, now: Now, ticket: Ticket, command: Command) {
        self.advance(now);
        let (ack, result) = match command {
            Command::Register { ack, .. } if self.has_left() => (ack, Err(GONE)),
            Command::Register { registrations, ack } => (ack, self.register(&registrations)),
            Command::Deregister { service, id, force, ack } => (ack, self.deregister(&service, &id, force)),
            Command::Overrule { service, id, ack } => (ack, self.overrule(&service, &id)),
            Command::Judge { service, id, health } => (Ack::Memory, self.judge(&service, &id, health)),
            Command::SetMaintenance { on, ack } => (ack, Ok(self.set_maintenance(on))),
            Command::SetState { service, id, state, ack } => (ack, self.set_state(&service, &id, state)),
            Command::Renew { service, id, health } => (Ack::Memory, self.renew(&service, &id, health)),
            Command::RenewMany { instances } => (Ack::Memory, Ok(self.renew_many(&instances))),
            Command::Witnesses { instances } => (Ack::Memory, Ok(self.witnesses(&instances))),
            Command::OpenSession { grace } => (Ack::Memory, self.open_session(grace)),
            Command::EndSession { session, end } => (Ack::Memory, self.end_session(session, end)),
            Command::Join { seeds } => (Ack::Memory, self.join(seeds)),
            Command::Leave => (Ack::Memory, self.leave()),
        };
        match (ack, result) {
            (Ack::Durable, Ok(outcome)) => self.ready.durable_replies.0.push((ticket, outcome)),
            (_, result) => self.ready.replies.push((ticket, result)),
        }
    }

    /// This node's own row of an instance, if it lives.
    pub(crate) fn own(&self, service: &ServiceName, id: &InstanceId) -> Result<(RowIx, Instance), Refusal> {
        let key = catalog::instance_key(service, id);
        let found = self.rows.find(self.me.node, catalog::INSTANCES, &key);
        if let Some(ix) = found
            && let Some(instance) = catalog::decode_instance(self.rows.row(ix))
        {
            return Ok((ix, instance));
        }
        Err(self.not_own(service, id, &key))
    }

    fn not_own(&self, service: &ServiceName, id: &InstanceId, key: &[u8]) -> Refusal {
        let (service, id) = (service.clone(), id.clone());
        let owner = self.detector.roster().iter().map(|entry| entry.belief.node).find(|node| {
            let row = self.rows.find(*node, catalog::INSTANCES, key);
            row.is_some_and(|ix| self.rows.row(ix).value.is_some())
        });
        match owner {
            Some(owner) => Refusal::NotOwner { service, id, owner },
            None => Refusal::Unknown { service, id },
        }
    }

    fn register(&mut self, registrations: &[Registration]) -> Result<Outcome, Refusal> {
        let mut writes: Vec<Write> = Vec::with_capacity(registrations.len());
        let mut created = 0;
        let mut fresh: alloc::collections::BTreeMap<&ServiceName, usize> = alloc::collections::BTreeMap::new();
        let mut unchanged = Version { epoch: self.me.epoch, seq: self.head };
        let mut renewed = Vec::new();
        let mut leased = Vec::new();
        for registration in registrations {
            if let Some(session) = registration.session
                && !self.sessions.is_open(session)
            {
                return Err(Refusal::NoSession { session });
            }
            let key = catalog::instance_key(&registration.service, &registration.id);
            let ix = self.rows.find(self.me.node, catalog::INSTANCES, &key);
            let present = ix.and_then(|ix| Some((ix, catalog::decode_instance(self.rows.row(ix))?)));
            let instance = self.prepare(registration, present.as_ref());
            if let Some((ix, present)) = &present
                && present.registration == instance.registration
                && !present.leaving
            {
                unchanged = present.version;
                renewed.push(*ix);
                continue;
            }
            if present.is_none() {
                created += 1;
                let more = fresh.entry(&registration.service).or_default();
                *more += 1;
                let own = self.census.get(&registration.service).map_or(0, |count| count.own);
                if own + *more > INSTANCES_PER_SERVICE_MAX {
                    return Err(Refusal::ServiceFull { service: registration.service.clone() });
                }
            }
            let record = catalog::encode_instance(&instance);
            if record.len() > RECORD_BYTES_MAX {
                return Err(Refusal::TooLarge { bytes: record.len() });
            }
            if registration.lease.is_some() {
                leased.push(key.clone());
            }
            writes.push((catalog::INSTANCES, key, Some(record)));
        }
        for ix in renewed {
            self.renew_lease(ix);
        }
        let version = if writes.is_empty() { unchanged } else { self.write(writes) };
        for key in leased {
            if let Some(ix) = self.rows.find(self.me.node, catalog::INSTANCES, &key) {
                self.renew_lease(ix);
            }
        }
        Ok(Outcome::Written { version, created })
    }

    fn set_state(&mut self, service: &ServiceName, id: &InstanceId, state: State) -> Result<Outcome, Refusal> {
        let (_, mut instance) = self.own(service, id)?;
        if instance.registration.state == state && !(instance.leaving && state == State::Up) {
            return Ok(Outcome::Written { version: instance.version, created: 0 });
        }
        if state == State::Up && instance.registration.state != State::Up {
            instance.share = upkeep::first_share(&instance.registration);
        }
        instance.registration.state = state;
        instance.leaving &= state != State::Up;
        let version = self.write_instance(instance);
        Ok(Outcome::Written { version, created: 0 })
    }

    /// Takes this node with all its instances out of service, or back into it.
    fn set_maintenance(&mut self, on: bool) -> Outcome {
        let version = if self.maintenance == on {
            Version { epoch: self.me.epoch, seq: self.head }
        } else {
            self.maintenance = on;
            self.introduce()
        };
        Outcome::Written { version, created: 0 }
    }

    fn renew(&mut self, service: &ServiceName, id: &InstanceId, health: Option<Health>) -> Result<Outcome, Refusal> {
        let key = catalog::instance_key(service, id);
        let found = self.rows.find(self.me.node, catalog::INSTANCES, &key);
        let Some(ix) = found.filter(|ix| self.rows.row(*ix).value.is_some()) else {
            return Err(self.not_own(service, id, &key));
        };
        self.counters.renewals += 1;
        let lease = self.renew_lease(ix);
        // The common case decodes nothing: a running lease whose health nobody wants to change.
        if health.is_some() || self.leases.is_silent(ix) {
            let Some(mut instance) = catalog::decode_instance(self.rows.row(ix)) else {
                return Err(self.not_own(service, id, &key));
            };
            let now = match (health, instance.registration.health) {
                (Some(reported), _) => self.findings.report(ix, reported),
                (None, Health::Silent | Health::Overdue) => self.findings.revived(ix),
                (None, present) => present,
            };
            if instance.registration.health != now {
                instance.registration.health = now;
                self.write_instance(instance);
            }
        }
        Ok(Outcome::Renewed { lease })
    }

    fn renew_many(&mut self, instances: &[(ServiceName, InstanceId)]) -> Outcome {
        let unknown = |(at, (service, id)): (usize, &(ServiceName, InstanceId))| {
            self.renew(service, id, None).is_err().then_some(at)
        };
        Outcome::RenewedMany { unknown: instances.iter().enumerate().filter_map(unknown).collect() }
    }

    fn join(&mut self, seeds: Vec<SocketAddr>) -> Result<Outcome, Refusal> {
        if self.has_left() {
            return Err(GONE);
        }
        self.join_seeds(seeds);
        Ok(Outcome::Begun)
    }

    fn leave(&mut self) -> Result<Outcome, Refusal> {
        let own: Vec<Write> = self
            .rows
            .iter()
            .filter(|(_, row)| {
                row.key.node == self.me.node && row.key.table == catalog::INSTANCES && row.value.is_some()
            })
            .map(|(_, row)| (catalog::INSTANCES, row.key.key.to_vec(), None))
            .collect();
        if !own.is_empty() {
            self.write(own);
        }
        self.say_goodbye();
        Ok(Outcome::Begun)
    }

    pub(crate) fn write_instance(&mut self, instance: Instance) -> Version {
        let write = self.changed(instance);
        self.write(alloc::vec![write])
    }

    /// What there is to write of an own instance that changes now.
    pub(crate) fn changed(&self, mut instance: Instance) -> Write {
        instance.changed_at = self.now.wall;
        let key = catalog::instance_key(&instance.registration.service, &instance.registration.id);
        (catalog::INSTANCES, key, Some(catalog::encode_instance(&instance)))
    }

    /// Writes own rows as one change, or as several if they are many, and has them spread. Returns the last version.
    pub(crate) fn write(&mut self, writes: Vec<Write>) -> Version {
        let mut rows = Vec::new();
        let mut bytes = 0;
        for (table, key, value) in writes {
            bytes += key.len() + value.as_ref().map_or(0, Vec::len) + 16;
            rows.push(RowWire { seq: 0, table: table.0, key: key.into(), value: value.map(Bytes::from) });
            if bytes > CHANGE_BYTES_TARGET {
                self.commit(core::mem::take(&mut rows));
                bytes = 0;
            }
        }
        if !rows.is_empty() {
            self.commit(rows);
        }
        Version { epoch: self.me.epoch, seq: self.head }
    }

    fn commit(&mut self, rows: Vec<RowWire>) {
        if self.told == self.head {
            self.untold_since = self.now.mono;
        }
        self.head = self.head.next();
        self.coming = Came::Own;
        let version = Version { epoch: self.me.epoch, seq: self.head };
        for row in &rows {
            let merged = self.rows.merge(self.me.node, TableId(row.table), &row.key, version, row.value.as_deref());
            if let Merged::Won { row, replaced } = merged {
                self.row_changed(row, replaced);
            }
        }
        self.rows.see(self.me, self.head, self.head);
        let (node, epoch) = (self.me.node.get(), self.me.epoch.0);
        let change = Change { node, epoch, seq: self.head.0, rows, ..Change::default() };
        self.outbox.push(change.encode_to_vec().into());
    }
}
