//! Instances that go: deregistered by their registrant, removed after long illness, or overruled by another node.

use crate::commands::Write;
use crate::rows::RowIx;
use crate::timers::Timer;
use crate::{Replica, catalog};
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use prost::Message;
use whither_model::{Epoch, Instance, InstanceId, Instant, NodeId, Outcome, Refusal, Seq, ServiceName, Version};

/// Whose instance, and its key.
type Overruled = (NodeId, Arc<[u8]>);

/// What was said over its owner's head: by whom, and up to which version of it.
#[derive(Debug, Default)]
pub(crate) struct Overrules(BTreeMap<Overruled, BTreeMap<NodeId, Version>>);

impl Overrules {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether somebody said that this version of the instance is gone.
    pub(crate) fn cover(&self, owner: NodeId, key: &Arc<[u8]>, version: Version) -> bool {
        let said = self.0.get(&(owner, Arc::clone(key)));
        said.is_some_and(|said| said.values().any(|up_to| *up_to >= version))
    }

    /// Up to which version `by` has overruled the instance.
    fn of(&self, owner: NodeId, key: &Arc<[u8]>, by: NodeId) -> Option<Version> {
        self.0.get(&(owner, Arc::clone(key)))?.get(&by).copied()
    }

    fn set(&mut self, owner: NodeId, key: Arc<[u8]>, by: NodeId, up_to: Option<Version>) {
        let said = self.0.entry((owner, Arc::clone(&key))).or_default();
        match up_to {
            Some(version) => {
                said.insert(by, version);
            }
            None => {
                said.remove(&by);
            }
        }
        if said.is_empty() {
            self.0.remove(&(owner, key));
        }
    }
}

#[derive(Clone, PartialEq, Message)]
struct OverruleRecord {
    /// The version that is gone, and with it all before.
    #[prost(uint64, tag = "1")]
    epoch: u64,
    #[prost(uint64, tag = "2")]
    seq: u64,
    /// Milliseconds of the wall clock, for people.
    #[prost(uint64, tag = "3")]
    at: u64,
}

impl Replica {
    /// Removes an own instance, or has it wait for its turn if many went lately.
    pub(crate) fn deregister(
        &mut self,
        service: &ServiceName,
        id: &InstanceId,
        force: bool,
    ) -> Result<Outcome, Refusal> {
        let (row, mut instance) = self.own(service, id)?;
        match self.may_remove(service, force) {
            Ok(()) => Ok(Outcome::Written { version: self.remove(row), created: 0 }),
            Err(at) => {
                let removed_in = at.since(self.now.mono);
                if instance.leaving {
                    return Ok(Outcome::Held { version: instance.version, removed_in });
                }
                self.counters.removals_held += 1;
                instance.leaving = true;
                let version = self.write_instance(instance);
                self.timers.set(Timer::Removal(row), at);
                Ok(Outcome::Held { version, removed_in })
            }
        }
    }

    fn may_remove(&mut self, service: &ServiceName, force: bool) -> Result<(), Instant> {
        if force || !self.config.guards.mass_removal {
            return Ok(());
        }
        let present = self.census.get(service).map_or(0, |count| count.all);
        self.removals.take(service, present, self.now.mono)
    }

    fn remove(&mut self, row: RowIx) -> Version {
        let key = self.rows.row(row).key.key.to_vec();
        self.write(alloc::vec![(catalog::INSTANCES, key, None)])
    }

    /// Follows what an own row says about when it is to go.
    pub(crate) fn plan_removal(&mut self, row: RowIx, instance: &Instance) {
        let registration = &instance.registration;
        let ill = registration.health == whither_model::Health::Critical;
        let upkeep = registration.upkeep.as_ref().filter(|_| ill);
        let after = upkeep.and_then(|upkeep| upkeep.remove_after_critical);
        match (instance.leaving, after) {
            // Its time is found out when it fires.
            (true, _) if !self.timers.is_set(Timer::Removal(row)) => {
                self.timers.set(Timer::Removal(row), self.now.mono)
            }
            (true, _) => {}
            (false, Some(after)) if !self.timers.is_set(Timer::Removal(row)) => {
                self.timers.set(Timer::Removal(row), self.now.mono + after);
            }
            (false, Some(_)) => {}
            (false, None) => self.timers.cancel(Timer::Removal(row)),
        }
    }

    /// The time has come to remove an own instance, if not too many went lately.
    pub(crate) fn removal_due(&mut self, row: RowIx) {
        let Some(instance) = catalog::decode_instance(self.rows.row(row)) else { return };
        match self.may_remove(&instance.registration.service, false) {
            Ok(()) => {
                self.remove(row);
            }
            Err(at) => self.timers.set(Timer::Removal(row), at),
        }
    }

    /// Says that an instance of somebody else is gone.
    pub(crate) fn overrule(&mut self, service: &ServiceName, id: &InstanceId) -> Result<Outcome, Refusal> {
        let key = catalog::instance_key(service, id);
        let owners = self.owners_of(&key);
        let (service, id) = (service.clone(), id.clone());
        if owners.is_empty() {
            return Err(Refusal::Unknown { service, id });
        }
        let mut writes: Vec<Write> = Vec::new();
        for (owner, version) in owners {
            if owner == self.me.node {
                writes.push((catalog::INSTANCES, key.clone(), None));
                continue;
            }
            let record = OverruleRecord { epoch: version.epoch.0, seq: version.seq.0, at: self.now.wall.0 };
            let mut overrule = owner.get().to_be_bytes().to_vec();
            overrule.extend_from_slice(&key);
            writes.push((catalog::OVERRULES, overrule, Some(record.encode_to_vec())));
        }
        self.counters.overrules += 1;
        Ok(Outcome::Written { version: self.write(writes), created: 0 })
    }

    /// Everybody who has a living row under this key that is not overruled, and its version.
    fn owners_of(&self, key: &[u8]) -> Vec<(NodeId, Version)> {
        let row = |node: NodeId| {
            let row = self.rows.row(self.rows.find(node, catalog::INSTANCES, key)?);
            let lives = row.value.is_some() && !self.overrules.cover(node, &row.key.key, row.version);
            lives.then_some((node, row.version))
        };
        self.rows.nodes().filter_map(row).collect()
    }

    /// A row of the table of overrules changed.
    pub(crate) fn overrule_changed(&mut self, ix: RowIx) {
        let row = self.rows.row(ix);
        let by = row.key.node;
        let Some((owner, key)) = parse_key(&row.key.key) else {
            self.counters.rows_unreadable += 1;
            return;
        };
        let record = row.value.as_ref().map(|value| OverruleRecord::decode(&**value));
        let up_to = match record {
            Some(Ok(record)) => Some(Version { epoch: Epoch(record.epoch), seq: Seq(record.seq) }),
            Some(Err(_)) => {
                self.counters.rows_unreadable += 1;
                return;
            }
            None => None,
        };
        self.overrules.set(owner, Arc::clone(&key), by, up_to);
        if let Some(row) = self.rows.find(owner, catalog::INSTANCES, &key) {
            self.obey_overrules(row);
            self.show_instance(row);
        }
    }

    /// What `by` had overruled under this key of its own table, it has not any more.
    pub(crate) fn overrule_gone(&mut self, by: NodeId, key: &[u8]) {
        let Some((owner, key)) = parse_key(key) else { return };
        self.overrules.set(owner, Arc::clone(&key), by, None);
        if let Some(row) = self.rows.find(owner, catalog::INSTANCES, &key) {
            self.show_instance(row);
        }
    }

    /// An own row that somebody overruled is removed; an own overrule of what has changed since is taken back.
    pub(crate) fn obey_overrules(&mut self, ix: RowIx) {
        if self.overrules.is_empty() {
            return;
        }
        let row = self.rows.row(ix);
        let (owner, key, version, lives) = (row.key.node, Arc::clone(&row.key.key), row.version, row.value.is_some());
        if owner == self.me.node {
            if lives && self.overrules.cover(owner, &key, version) {
                self.remove(ix);
            }
            return;
        }
        if self.overrules.of(owner, &key, self.me.node).is_some_and(|up_to| up_to < version) {
            let mut overrule = owner.get().to_be_bytes().to_vec();
            overrule.extend_from_slice(&key);
            self.write(alloc::vec![(catalog::OVERRULES, overrule, None)]);
        }
    }
}

fn parse_key(key: &[u8]) -> Option<(NodeId, Arc<[u8]>)> {
    let (owner, key) = key.split_first_chunk::<8>()?;
    Some((NodeId::new(u64::from_be_bytes(*owner))?, Arc::from(key)))
}
