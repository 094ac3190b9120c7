//! Instances that go: deregistered by their registrant, removed after long illness, or overruled by another node.

use crate::commands::Write;
use crate::limits::BOOTS_MAX;
use crate::rows::RowIx;
use crate::timers::Timer;
use crate::{Replica, catalog};
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use prost::Message;
use whither_model::{
    Epoch, Instance, InstanceId, Instant, NodeId, Outcome, Refusal, Seq, ServiceName, Version, WallTime,
};

/// Whose instance, and its key.
type Overruled = (NodeId, Arc<[u8]>);

/// What was said over its owner's head, and by whom.
#[derive(Debug, Default)]
pub(crate) struct Overrules(BTreeMap<Overruled, BTreeMap<NodeId, Said>>);

/// What is gone: the instance as it was then, and whatever its owner made of the same claim before it heard of that.
#[derive(Clone, Copy, Debug)]
struct Said {
    up_to: Version,
    claimed_at: WallTime,
}

impl Said {
    fn covers(self, version: Version, claimed_at: Option<WallTime>) -> bool {
        version <= self.up_to || claimed_at == Some(self.claimed_at)
    }
}

impl Overrules {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether somebody said that this instance is gone.
    pub(crate) fn cover(&self, instance: &Instance) -> bool {
        let registration = &instance.registration;
        let key = catalog::instance_key(&registration.service, &registration.id);
        let said = self.0.get(&(instance.owner, key.into()));
        said.is_some_and(|said| said.values().any(|said| said.covers(instance.version, Some(instance.claimed_at))))
    }

    /// What `by` has said of the instance.
    fn of(&self, owner: NodeId, key: &Arc<[u8]>, by: NodeId) -> Option<Said> {
        self.0.get(&(owner, Arc::clone(key)))?.get(&by).copied()
    }

    fn set(&mut self, owner: NodeId, key: Arc<[u8]>, by: NodeId, word: Option<Said>) {
        let said = self.0.entry((owner, Arc::clone(&key))).or_default();
        match word {
            Some(word) => {
                said.insert(by, word);
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
    /// When its owner first heard of it: what became of the same claim since is gone as well.
    #[prost(uint64, tag = "4")]
    claimed_at: u64,
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
        for Instance { owner, version, claimed_at, .. } in owners {
            if owner == self.me.node {
                writes.push((catalog::INSTANCES, key.clone(), None));
                continue;
            }
            let record = OverruleRecord {
                epoch: version.epoch.0,
                seq: version.seq.0,
                at: self.now.wall.0,
                claimed_at: claimed_at.0,
            };
            writes.push((catalog::OVERRULES, overrule_key(owner, &key), Some(record.encode_to_vec())));
        }
        self.counters.overrules += 1;
        Ok(Outcome::Written { version: self.write(writes), created: 0 })
    }

    /// Every living instance under this key that is not overruled, whoever owns it.
    fn owners_of(&self, key: &[u8]) -> Vec<Instance> {
        let row = |node: NodeId| {
            let instance = catalog::decode_instance(self.rows.row(self.rows.find(node, catalog::INSTANCES, key)?))?;
            (!self.overrules.cover(&instance)).then_some(instance)
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
            Some(Ok(record)) => Some(Said {
                up_to: Version { epoch: Epoch(record.epoch.min(BOOTS_MAX)), seq: Seq(record.seq) },
                claimed_at: WallTime(record.claimed_at),
            }),
            Some(Err(_)) => {
                self.counters.rows_unreadable += 1;
                return;
            }
            None => None,
        };
        self.overrules.set(owner, Arc::clone(&key), by, up_to);
        if let Some(row) = self.rows.find(owner, catalog::INSTANCES, &key) {
            self.overruled.insert(row);
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

    /// A row that overrules may concern is looked at when nothing else is going on.
    pub(crate) fn look_at_overrules(&mut self, ix: RowIx) {
        if !self.overrules.is_empty() {
            self.overruled.insert(ix);
        }
    }

    /// An own row that somebody overruled is removed; an own overrule of what has changed since is taken back.
    pub(crate) fn obey(&mut self) {
        for ix in core::mem::take(&mut self.overruled) {
            let row = self.rows.row(ix);
            if row.key.table != catalog::INSTANCES {
                continue;
            }
            let (owner, key, version) = (row.key.node, Arc::clone(&row.key.key), row.version);
            let instance = catalog::decode_instance(row);
            if owner == self.me.node {
                if instance.is_some_and(|instance| self.overrules.cover(&instance)) {
                    self.remove(ix);
                }
                continue;
            }
            let claimed_at = instance.map(|instance| instance.claimed_at);
            if self.overrules.of(owner, &key, self.me.node).is_some_and(|said| !said.covers(version, claimed_at)) {
                self.write(alloc::vec![(catalog::OVERRULES, overrule_key(owner, &key), None)]);
            }
        }
    }
}

/// The key of an overrule's row.
fn overrule_key(owner: NodeId, key: &[u8]) -> Vec<u8> {
    [&owner.get().to_be_bytes()[..], key].concat()
}

fn parse_key(key: &[u8]) -> Option<(NodeId, Arc<[u8]>)> {
    let (owner, key) = key.split_first_chunk::<8>()?;
    Some((NodeId::new(u64::from_be_bytes(*owner))?, Arc::from(key)))
}
