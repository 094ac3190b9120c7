//! Stands in for the node, and only because layering forbids the real one here: an API crate may not know `node`. It
//! carries out commands on a map and publishes what came of them. Tests with real agents live with the node and the CLI.

pub(crate) mod tables;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use whither_directory::{Clock, Directory, Envelope, Identity, Publisher};
use whither_model::{
    Command, Delta, Epoch, Health, Instance, InstanceId, Instant, Member, MemberState, NodeId, Outcome, Refusal,
    Registration, Seq, ServiceName, SessionId, Version, WallTime,
};

/// A directory with something behind it.
pub(crate) struct NodeDouble {
    pub(crate) directory: Arc<Directory>,
    clock: Clock,
    state: Arc<Mutex<State>>,
}

struct State {
    own: NodeId,
    publisher: Publisher,
    instances: BTreeMap<(ServiceName, InstanceId), Arc<Instance>>,
    seq: u64,
    refuse: Option<Refusal>,
    asked: Vec<Command>,
    sessions: Vec<SessionId>,
}

pub(crate) fn node(n: u64) -> NodeId {
    NodeId::new(n).unwrap()
}

pub(crate) const OWN: u64 = 0xa;
const EPOCH: Epoch = Epoch(3);

impl NodeDouble {
    /// Node `a` (id 10, boot 3), alone; its clock stands at zero until it is moved.
    pub(crate) fn start() -> Self {
        Self::start_as(OWN, "a")
    }

    /// As [`NodeDouble::start`], with another id and name.
    pub(crate) fn start_as(own: u64, name: &str) -> Self {
        let clock = Clock::manual();
        let identity = Identity {
            node: node(own),
            epoch: EPOCH,
            name: name.parse().unwrap(),
            advertise: "127.0.0.1:7600".parse().unwrap(),
            zone: "z1".into(),
            region: "r1".into(),
            software: "0.1.0".into(),
        };
        let (directory, mut queue) = Directory::new(identity, clock.clone());
        let publisher = Publisher::new(Arc::clone(&directory));
        let state = State {
            own: node(own),
            publisher,
            instances: BTreeMap::new(),
            seq: 0,
            refuse: None,
            asked: Vec::new(),
            sessions: Vec::new(),
        };
        let double = Self { directory, clock, state: Arc::new(Mutex::new(state)) };
        double.member(own, name, MemberState::Alive);
        let state = Arc::clone(&double.state);
        tokio::spawn(async move {
            while let Some(Envelope { command, reply }) = queue.recv().await {
                let answer = state.lock().unwrap().carry_out(command);
                let _ = reply.send(answer);
            }
        });
        double
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Lets `time` pass since the start.
    pub(crate) fn at(&self, time: Duration) {
        self.clock.set(Instant::START + time);
    }

    /// The next command is refused in this way.
    pub(crate) fn refuse(&self, refusal: Refusal) {
        self.state().refuse = Some(refusal);
    }

    /// The commands that came, in order.
    pub(crate) fn asked(&self) -> Vec<Command> {
        self.state().asked.clone()
    }

    /// Says what membership believes of a node.
    pub(crate) fn member(&self, id: u64, name: &str, state: MemberState) {
        self.apply(Delta::Member(Member {
            held: false,
            maintenance: false,
            id: node(id),
            name: Arc::new(name.parse().unwrap()),
            address: format!("127.0.0.{id}:7600").parse().unwrap(),
            epoch: EPOCH,
            state,
            vouches: state.is_present(),
            zone: "z1".into(),
            region: "r1".into(),
            software: "0.1.0".into(),
        }));
    }

    /// All that node `id` said up to `at` is known.
    pub(crate) fn current(&self, id: u64, at: Duration) {
        self.apply(Delta::Current { node: node(id), as_of: Instant::START + at });
    }

    /// Shows an instance of another node, or of this one without a request.
    pub(crate) fn instance(&self, owner: u64, service: &str, id: &str, change: impl FnOnce(&mut Registration)) {
        self.apply(Self::delta(owner, service, id, change));
    }

    pub(crate) fn delta(owner: u64, service: &str, id: &str, change: impl FnOnce(&mut Registration)) -> Delta {
        let address = "10.0.0.7".parse().unwrap();
        let mut registration = Registration::new(service.parse().unwrap(), id.parse().unwrap(), address);
        change(&mut registration);
        Delta::Instance(Arc::new(Instance {
            share: 100,
            leaving: false,
            came: whither_model::Came::Own,
            registration,
            owner: node(owner),
            version: Version { epoch: EPOCH, seq: Seq(7) },
            claimed_at: WallTime(1_000),
            changed_at: WallTime(2_000),
        }))
    }

    /// Shows what happened.
    pub(crate) fn apply(&self, delta: Delta) {
        self.apply_all([delta]);
    }

    /// Shows what happened, in one view.
    pub(crate) fn apply_all(&self, deltas: impl IntoIterator<Item = Delta>) {
        let mut state = self.state();
        deltas.into_iter().for_each(|delta| state.publisher.apply(delta));
        state.publisher.publish();
    }
}

impl State {
    fn carry_out(&mut self, command: Command) -> Result<Outcome, Refusal> {
        self.asked.push(command.clone());
        if let Some(refusal) = self.refuse.take() {
            return Err(refusal);
        }
        let outcome = match command {
            Command::Register { registrations, .. } => {
                let mut created = 0;
                for registration in registrations {
                    created += usize::from(self.set(registration).is_none());
                }
                Ok(Outcome::Written { version: self.version(), created })
            }
            Command::Deregister { service, id, .. } => {
                self.known(&service, &id)?;
                self.instances.remove(&(service.clone(), id.clone()));
                self.seq += 1;
                self.publisher.apply(Delta::InstanceGone { service, id, owner: self.own });
                Ok(Outcome::Written { version: self.version(), created: 0 })
            }
            Command::Renew { service, id, health } => {
                let mut registration = self.known(&service, &id)?;
                let lease = registration.lease;
                registration.health = health.unwrap_or(Health::Passing);
                self.set(registration);
                Ok(Outcome::Renewed { lease })
            }
            Command::RenewMany { instances } => {
                let unknown = |(at, (service, id)): (usize, &(ServiceName, InstanceId))| {
                    self.known(service, id).is_err().then_some(at)
                };
                Ok(Outcome::RenewedMany { unknown: instances.iter().enumerate().filter_map(unknown).collect() })
            }
            Command::Witnesses { instances } => Ok(Outcome::Witnessed(vec![Vec::new(); instances.len()])),
            Command::SetState { service, id, state, .. } => {
                let registration = Registration { state, ..self.known(&service, &id)? };
                self.set(registration);
                Ok(Outcome::Written { version: self.version(), created: 0 })
            }
            Command::OpenSession { .. } => {
                self.seq += 1;
                let session = SessionId::new(self.seq).expect("not zero");
                self.sessions.push(session);
                Ok(Outcome::Opened { session })
            }
            Command::EndSession { session, .. } => {
                let at =
                    self.sessions.iter().position(|open| *open == session).ok_or(Refusal::NoSession { session })?;
                self.sessions.remove(at);
                let held = |one: &&Arc<Instance>| one.registration.session == Some(session);
                let dead: Vec<Registration> =
                    self.instances.values().filter(held).map(|one| one.registration.clone()).collect();
                let instances = dead.len();
                for Registration { service, id, .. } in dead {
                    self.instances.remove(&(service.clone(), id.clone()));
                    self.publisher.apply(Delta::InstanceGone { service, id, owner: self.own });
                }
                Ok(Outcome::Ended { instances })
            }
            Command::Judge { .. } | Command::Overrule { .. } | Command::SetMaintenance { .. } => {
                Ok(Outcome::Written { version: self.version(), created: 0 })
            }
            Command::Join { .. } | Command::Leave => Ok(Outcome::Begun),
        };
        self.publisher.publish();
        outcome
    }

    fn version(&self) -> Version {
        Version { epoch: EPOCH, seq: Seq(self.seq) }
    }

    fn known(&self, service: &ServiceName, id: &InstanceId) -> Result<Registration, Refusal> {
        let present = self.instances.get(&(service.clone(), id.clone()));
        let unknown = || Refusal::Unknown { service: service.clone(), id: id.clone() };
        present.map(|instance| instance.registration.clone()).ok_or_else(unknown)
    }

    fn set(&mut self, registration: Registration) -> Option<Arc<Instance>> {
        self.seq += 1;
        let key = (registration.service.clone(), registration.id.clone());
        let instance = Arc::new(Instance {
            share: 100,
            leaving: false,
            came: whither_model::Came::Own,
            registration,
            owner: self.own,
            version: self.version(),
            claimed_at: WallTime(1_000),
            changed_at: WallTime(2_000),
        });
        self.publisher.apply(Delta::Instance(Arc::clone(&instance)));
        self.instances.insert(key, instance)
    }
}
