//! The single writer of views: applies differences, then swaps one pointer.

use crate::addresses::{Addresses, claim_rank, may_evict, outranks};
use crate::checkup::Named;
use crate::directory::Directory;
use crate::freshness::{Freshness, KnownUntil};
use crate::service::{Listed, Owner, Removals, ServiceView, Status};
use crate::view::{Index, NodeView, View};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::Notify;
use whither_model::{Delta, Instance, InstanceId, Instant, Member, MemberState, NodeId, NodeName, ServiceName};

/// Turns [`Delta`]s into [`View`]s. Lives in the node loop; nobody else writes.
#[derive(Debug)]
pub struct Publisher {
    directory: Arc<Directory>,
    view: View,
    nodes: BTreeMap<NodeId, Node>,
    staged: BTreeMap<ServiceName, Staged>,
    /// Claims to an instance id that a newer claim of another owner hides.
    shadowed: BTreeMap<(ServiceName, InstanceId), BTreeMap<NodeId, Arc<Instance>>>,
    addresses: Addresses,
    nodes_changed: bool,
    /// Instances beside which, or of which, this node has its own, and that may show changed with the next view.
    near_own: Vec<Named>,
    /// What has become known since the last view, and up to when. Shown with the next view, never before it: a reader of
    /// the present view must not be told that it knows more than it shows.
    raised: Vec<(KnownUntil, Instant)>,
}

/// What the publisher keeps of a node beyond what it shows.
#[derive(Debug)]
struct Node {
    member: Option<Member>,
    /// Its zone, for the instances that name none.
    zone: Arc<str>,
    known: KnownUntil,
    /// How many instances it owns, shared with the views: a count moves with every registration, and the list of nodes
    /// should not be made anew for that.
    owned: Arc<AtomicUsize>,
    /// How many instances it owns, by service.
    services: BTreeMap<ServiceName, usize>,
}

/// A service being edited for the next view.
#[derive(Debug)]
struct Staged {
    instances: Vec<Arc<Listed>>,
    removals: Removals,
    changed: Arc<Notify>,
    /// When it was last seen who is in it, and with what words.
    listed: Index,
    /// Whether a reader would see a difference. A service that was only looked at keeps its view and its ready answers.
    touched: bool,
}

impl Publisher {
    /// A publisher for `directory`, starting from its current, empty view.
    #[must_use]
    pub fn new(directory: Arc<Directory>) -> Self {
        let view = View::clone(&directory.view());
        Self {
            directory,
            view,
            nodes: BTreeMap::new(),
            staged: BTreeMap::new(),
            shadowed: BTreeMap::new(),
            addresses: Addresses::default(),
            nodes_changed: false,
            near_own: Vec::new(),
            raised: Vec::new(),
        }
    }

    /// Takes in one difference. Readers see nothing of it before [`Publisher::publish`].
    pub fn apply(&mut self, delta: Delta) {
        match delta {
            Delta::Instance(instance) => {
                self.note(&instance.registration.service, &instance.registration.id, instance.owner);
                self.claim(instance);
            }
            Delta::InstanceGone { service, id, owner } => {
                self.note(&service, &id, owner);
                self.release(&service, &id, owner);
            }
            Delta::Member(member) => self.member(member),
            Delta::Current { node, as_of } => self.current(node, as_of),
        }
    }

    /// Notes an instance for whoever follows this node's own: also another node's, which may be a claim to an own one's id.
    fn note(&mut self, service: &ServiceName, id: &InstanceId, owner: NodeId) {
        let own = self.directory.identity().node;
        if owner == own || self.nodes.get(&own).is_some_and(|node| node.services.contains_key(service)) {
            self.near_own.push((service.clone(), id.clone()));
        }
    }

    /// Shows everything applied since the last call, and wakes whoever watches it. Returns whether anything changed.
    pub fn publish(&mut self) -> bool {
        self.staged.retain(|_, staged| staged.touched);
        let near_own = std::mem::take(&mut self.near_own);
        if self.staged.is_empty() && !self.nodes_changed {
            self.raise_known();
            return false;
        }
        let index = self.next_index();
        let mut wake = Vec::with_capacity(self.staged.len());
        for (name, staged) in std::mem::take(&mut self.staged) {
            let before = self.view.services.get(&name).map_or(0, |service| service.instances().len());
            self.view.instances = self.view.instances + staged.instances.len() - before;
            wake.push(Arc::clone(&staged.changed));
            self.view.listed = self.view.listed.max(staged.listed);
            let indexes = (index, staged.listed);
            let service = ServiceView::new(name, indexes, staged.instances, staged.removals, staged.changed);
            self.view.services.insert(Arc::new(service));
        }
        if std::mem::take(&mut self.nodes_changed) {
            self.view.nodes = Arc::new(self.show_nodes());
            self.view.nodes_index = index;
        }
        self.view.index = index;
        // A view that somebody still holds lacks what this one shows: it keeps the floor it had.
        self.view.freshness = Freshness::new(self.floor());
        self.directory.show(self.view.clone());
        self.raise_known();
        wake.iter().for_each(|changed| changed.notify_waiters());
        if !near_own.is_empty() {
            self.directory.checkups.tell(near_own.into_iter());
        }
        true
    }

    fn next_index(&self) -> Index {
        self.view.index.next()
    }

    fn node(&mut self, id: NodeId) -> &mut Node {
        self.nodes.entry(id).or_insert_with(|| Node {
            member: None,
            zone: Arc::default(),
            known: KnownUntil::new(Instant::DISTANT_PAST),
            owned: Arc::default(),
            services: BTreeMap::new(),
        })
    }

    fn owner(&mut self, id: NodeId) -> Owner {
        let own = id == self.directory.identity().node;
        let node = self.node(id);
        let known = (!own).then(|| node.known.clone());
        match &node.member {
            Some(member) => Owner {
                name: Arc::clone(&member.name),
                address: member.address.ip(),
                state: member.state,
                vouches: member.vouches,
                held: member.held,
                maintenance: member.maintenance,
                zone: Arc::clone(&node.zone),
                known,
            },
            // Its rows came here before membership met it: nobody vouches yet.
            None => Owner {
                name: Arc::new(NodeName::default()),
                address: Ipv4Addr::UNSPECIFIED.into(),
                state: if own { MemberState::Alive } else { MemberState::Down },
                vouches: own,
                held: false,
                maintenance: false,
                zone: Arc::default(),
                known,
            },
        }
    }

    fn stage(&mut self, name: &ServiceName) -> &mut Staged {
        let view = &self.view;
        self.staged.entry(name.clone()).or_insert_with(|| match view.services.get(name) {
            Some(service) => Staged {
                instances: service.instances().to_vec(),
                removals: service.removals.clone(),
                changed: Arc::clone(&service.changed),
                listed: service.listed(),
                touched: false,
            },
            None => Staged {
                instances: Vec::new(),
                // Before its first appearance nothing can have gone unnoticed.
                removals: Removals::starting_at(Index::default()),
                changed: Arc::default(),
                listed: view.index.next(),
                touched: true,
            },
        })
    }

    fn claim(&mut self, instance: Arc<Instance>) {
        let (service, id) = (instance.registration.service.clone(), instance.registration.id.clone());
        let owner_id = instance.owner;
        let staged = self.stage(&service);
        let at = staged.instances.binary_search_by(|listed| listed.id().cmp(&id));
        let shadow = match at {
            Err(at) => {
                self.list(&service, at, None, instance);
                None
            }
            Ok(at) => {
                let present = Arc::clone(&staged.instances[at]);
                let claims = self.shadowed.get(&(service.clone(), id.clone()));
                let outranked =
                    claims.is_some_and(|claims| claims.values().any(|other| claim_rank(other) > claim_rank(&instance)));
                if present.owner() == owner_id && outranked {
                    // The end of the older claim was not seen here, because a newer one replaced it under way.
                    self.release(&service, &id, owner_id);
                    return self.claim(instance);
                }
                if present.owner() == owner_id {
                    return self.list(&service, at, Some(present), instance);
                }
                if claim_rank(&instance) > claim_rank(&present.instance) {
                    let hidden = Arc::clone(&present.instance);
                    self.list(&service, at, Some(present), instance);
                    Some(hidden)
                } else {
                    Some(instance)
                }
            }
        };
        let known = shadow.is_some_and(|hidden| {
            let claims = self.shadowed.entry((service.clone(), id)).or_default();
            let known = claims.remove(&owner_id).is_some();
            claims.insert(hidden.owner, hidden);
            known
        });
        if !known {
            self.count(owner_id, &service, 1);
        }
    }

    /// Puts `instance` into its service's list, in place of what is `present` there, and sees to whoever claims its address.
    fn list(&mut self, service: &ServiceName, at: usize, present: Option<Arc<Listed>>, instance: Arc<Instance>) {
        let before = present.as_ref().map_or_else(Vec::new, |present| self.addresses.rivals(&present.instance));
        if let Some(present) = &present {
            self.addresses.remove(&present.instance);
        }
        self.addresses.insert(&instance);
        let rivals = self.addresses.rivals(&instance);
        let listed = self.judged(Arc::clone(&instance), &rivals);
        match present {
            Some(present) => self.replace(service, at, &present, listed),
            None => {
                let index = self.next_index();
                let staged = self.stage(service);
                (staged.touched, staged.listed) = (true, index);
                staged.instances.insert(at, Arc::new(listed));
            }
        }
        self.settle_rivals(&instance, &rivals);
        // Those whose address it has given up.
        before.iter().for_each(|rival| self.judge_if_evicted(rival));
    }

    /// Puts `listed` in place of what is `present`, if a reader would see a difference.
    fn replace(&mut self, service: &ServiceName, at: usize, present: &Listed, listed: Listed) {
        if !listed.shows_same(present) {
            let index = self.next_index();
            let staged = self.stage(service);
            staged.touched = true;
            if !listed.lists_same(present) {
                staged.listed = index;
            }
            staged.instances[at] = Arc::new(listed);
        }
    }

    /// Sees to those that claim an address of `instance`, which changed. Only it did: so whoever it evicts is evicted, whatever the
    /// others do, and only those that were evicted may be so no longer. Many that share an address cost a look each.
    fn settle_rivals(&mut self, instance: &Instance, rivals: &[Arc<Instance>]) {
        if rivals.is_empty() {
            return;
        }
        let works = may_evict(Status::of(instance, &self.owner(instance.owner)));
        for rival in rivals {
            let evicted = self.listed(rival).is_some_and(|listed| listed.status == Status::Evicted);
            if (works && outranks(instance, rival)) != evicted {
                self.judge_anew(rival);
            }
        }
    }

    /// The instance as it is to be shown next, if it is the one that is shown under its id.
    fn listed(&self, instance: &Instance) -> Option<&Arc<Listed>> {
        let (service, id) = (&instance.registration.service, &instance.registration.id);
        let instances = match self.staged.get(service) {
            Some(staged) => &staged.instances[..],
            None => self.view.services.get(service)?.instances(),
        };
        let at = instances.binary_search_by(|listed| listed.id().cmp(id)).ok()?;
        Some(&instances[at]).filter(|listed| listed.owner() == instance.owner)
    }

    /// What `instance` is worth among those that claim its address.
    fn judged(&mut self, instance: Arc<Instance>, rivals: &[Arc<Instance>]) -> Listed {
        let index = self.next_index();
        let owner = self.owner(instance.owner);
        let mut status = Status::of(&instance, &owner);
        let evicted = rivals
            .iter()
            .any(|rival| outranks(rival, &instance) && may_evict(Status::of(rival, &self.owner(rival.owner))));
        if evicted && !matches!(status, Status::Maintenance | Status::Leaving | Status::Critical) {
            status = Status::Evicted;
        }
        Listed::new(instance, &owner, status, index)
    }

    fn judge_if_evicted(&mut self, instance: &Instance) {
        if self.listed(instance).is_some_and(|listed| listed.status == Status::Evicted) {
            self.judge_anew(instance);
        }
    }

    /// Lists an instance anew after somebody who claims its address changed.
    fn judge_anew(&mut self, instance: &Instance) {
        let service = instance.registration.service.clone();
        let staged = self.stage(&service);
        let found = staged.instances.binary_search_by(|listed| listed.id().cmp(&instance.registration.id));
        let Ok(at) = found else { return };
        let present = Arc::clone(&staged.instances[at]);
        if present.owner() != instance.owner {
            return;
        }
        let rivals = self.addresses.rivals(&present.instance);
        let listed = self.judged(Arc::clone(&present.instance), &rivals);
        self.replace(&service, at, &present, listed);
    }

    fn count(&mut self, owner: NodeId, service: &ServiceName, by: isize) {
        let node = self.node(owner);
        let count = node.services.get(service).copied().unwrap_or(0).saturating_add_signed(by);
        if count == 0 {
            node.services.remove(service);
        } else {
            node.services.insert(service.clone(), count);
        }
        let owned = node.owned.load(Ordering::Relaxed).saturating_add_signed(by);
        node.owned.store(owned, Ordering::Relaxed);
    }

    fn release(&mut self, service: &ServiceName, id: &InstanceId, owner: NodeId) {
        let key = (service.clone(), id.clone());
        if let Some(claims) = self.shadowed.get_mut(&key)
            && claims.remove(&owner).is_some()
        {
            if claims.is_empty() {
                self.shadowed.remove(&key);
            }
            return self.count(owner, service, -1);
        }
        let heir =
            self.shadowed.get(&key).and_then(|claims| claims.values().max_by_key(|claim| claim_rank(claim)).cloned());
        let index = self.next_index();
        let staged = self.stage(service);
        let Ok(at) = staged.instances.binary_search_by(|listed| listed.id().cmp(id)) else { return };
        if staged.instances[at].owner() != owner {
            return;
        }
        match &heir {
            Some(instance) => {
                let present = Arc::clone(&staged.instances[at]);
                self.list(service, at, Some(present), Arc::clone(instance));
            }
            None => {
                (staged.touched, staged.listed) = (true, index);
                let gone = staged.instances.remove(at);
                staged.removals.push(index, id.clone());
                let rivals = self.addresses.rivals(&gone.instance);
                self.addresses.remove(&gone.instance);
                // What it evicted may be back.
                rivals.iter().for_each(|rival| self.judge_if_evicted(rival));
            }
        }
        if let Some(instance) = heir
            && let Some(claims) = self.shadowed.get_mut(&key)
        {
            claims.remove(&instance.owner);
            if claims.is_empty() {
                self.shadowed.remove(&key);
            }
        }
        self.count(owner, service, -1);
    }

    fn member(&mut self, member: Member) {
        let id = member.id;
        let node = self.node(id);
        if node.member.as_ref() == Some(&member) {
            return;
        }
        node.zone = (&*member.zone).into();
        node.member = Some(member);
        self.nodes_changed = true;
        self.show_owner(id);
    }

    /// Lists the instances of `id` anew after what is known of it changed.
    fn show_owner(&mut self, id: NodeId) {
        let services: Vec<ServiceName> = self.node(id).services.keys().cloned().collect();
        for service in &services {
            for at in 0..self.stage(service).instances.len() {
                let present = Arc::clone(&self.stage(service).instances[at]);
                if present.owner() != id {
                    continue;
                }
                let rivals = self.addresses.rivals(&present.instance);
                let fresh = self.judged(Arc::clone(&present.instance), &rivals);
                self.replace(service, at, &present, fresh);
                self.settle_rivals(&present.instance, &rivals);
            }
        }
    }

    fn current(&mut self, id: NodeId, as_of: Instant) {
        // Of a node that is no member and owns nothing there is no answer whose age this could be.
        if let Some(node) = self.nodes.get(&id) {
            self.raised.push((node.known.clone(), as_of));
        }
    }

    fn raise_known(&mut self) {
        for (known, as_of) in std::mem::take(&mut self.raised) {
            known.set(as_of);
        }
        self.view.freshness.raise(self.floor());
    }

    /// Up to when every present member is known.
    fn floor(&self) -> Instant {
        let own = self.directory.identity().node;
        let floor = self
            .nodes
            .iter()
            .filter(|(id, node)| **id != own && node.member.as_ref().is_some_and(|member| member.state.is_present()))
            .map(|(_, node)| node.known.get())
            .min();
        floor.unwrap_or(Instant::DISTANT_FUTURE)
    }

    fn show_nodes(&self) -> Vec<Arc<NodeView>> {
        let own = self.directory.identity().node;
        self.nodes
            .iter()
            .filter_map(|(id, node)| {
                Some(Arc::new(NodeView {
                    member: node.member.clone()?,
                    owned: Arc::clone(&node.owned),
                    known: (*id != own).then(|| node.known.clone()),
                }))
            })
            .collect()
    }
}
