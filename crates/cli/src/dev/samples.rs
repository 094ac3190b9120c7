//! Sample services that come and go. Each instance is a real listener that answers with its name.

use crate::dev::stopwatch::Act;
use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use whither_directory::Directory;
use whither_model::{Ack, Command, Health, InstanceId, Port, PortName, Registration, ServiceName, State};

const SERVICES: [(&str, usize); 3] = [("prod/recos", 4), ("prod/checkout", 3), ("default/web", 3)];
/// Instances of a service never fall below this, and are not added above twice its starting number.
const FEWEST: usize = 2;
const LEASE: Duration = Duration::from_secs(5);
const RENEWED_EVERY: Duration = Duration::from_secs(2);
/// How often something happens.
const PACE: Duration = Duration::from_millis(1_500);

/// Who makes the samples come and go.
pub(crate) struct Samples {
    nodes: Vec<Arc<Directory>>,
    acts: mpsc::Sender<Act>,
    running: BTreeMap<(ServiceName, InstanceId), Sample>,
    made: u64,
    dice: RandomState,
    thrown: u64,
}

struct Sample {
    node: usize,
    listener: JoinHandle<()>,
    state: State,
    health: Health,
}

impl Drop for Sample {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

impl Samples {
    /// Samples on these nodes, which tell `acts` what they do.
    pub(crate) fn new(nodes: Vec<Arc<Directory>>, acts: mpsc::Sender<Act>) -> Self {
        Self { nodes, acts, running: BTreeMap::new(), made: 0, dice: RandomState::new(), thrown: 0 }
    }

    /// Starts the first instances, then lets them come and go until nobody listens.
    pub(crate) async fn run(mut self) -> anyhow::Result<()> {
        for (name, count) in SERVICES {
            for _ in 0..count {
                self.add(name.parse()?).await?;
                tokio::time::sleep(PACE / 10).await;
            }
        }
        let mut renewals = tokio::time::interval(RENEWED_EVERY);
        let mut pace = tokio::time::interval(PACE);
        while !self.acts.is_closed() {
            tokio::select! {
                _ = renewals.tick() => self.renew_all().await,
                _ = pace.tick() => self.something_happens().await?,
            }
        }
        Ok(())
    }

    fn throw(&mut self, sides: usize) -> usize {
        self.thrown += 1;
        usize::try_from(self.dice.hash_one(self.thrown) % sides.max(1) as u64).unwrap_or(0)
    }

    async fn something_happens(&mut self) -> anyhow::Result<()> {
        let (name, count) = SERVICES[self.throw(SERVICES.len())];
        let service: ServiceName = name.parse()?;
        let present: Vec<InstanceId> =
            self.running.keys().filter(|(of, _)| *of == service).map(|(_, id)| id.clone()).collect();
        let kind = self.throw(10);
        if present.len() <= FEWEST || (kind < 4 && present.len() < 2 * count) {
            return self.add(service).await;
        }
        let id = present[self.throw(present.len())].clone();
        match kind {
            0..7 => self.remove(service, id).await,
            7..9 => self.drain_or_not(service, id).await,
            _ => self.worry_or_not(service, id).await,
        }
        Ok(())
    }

    async fn add(&mut self, service: ServiceName) -> anyhow::Result<()> {
        let node = self.throw(self.nodes.len());
        self.made += 1;
        let id: InstanceId = format!("{}-{}", service.service(), self.made).parse()?;
        let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
        let address = listener.local_addr()?;
        let greeting = format!("{service} {id}\n");
        let mut registration = Registration::new(service.clone(), id.clone(), address.ip());
        registration.ports = [Port { name: PortName::default(), number: address.port() }].into();
        registration.tags = ["sample".into()].into();
        registration.lease = Some(LEASE);
        let sample = Sample {
            node,
            listener: tokio::spawn(greet(listener, greeting)),
            state: State::Up,
            health: Health::Passing,
        };
        self.running.insert((service.clone(), id.clone()), sample);
        self.act(node, &service, &id, "registered");
        self.submit(node, Command::Register { registrations: vec![registration], ack: Ack::Memory }).await;
        Ok(())
    }

    async fn remove(&mut self, service: ServiceName, id: InstanceId) {
        if let Some(sample) = self.running.remove(&(service.clone(), id.clone())) {
            self.act(sample.node, &service, &id, "deregistered");
            self.submit(sample.node, Command::Deregister { service, id, force: true, ack: Ack::Memory }).await;
        }
    }

    async fn drain_or_not(&mut self, service: ServiceName, id: InstanceId) {
        let Some(sample) = self.running.get_mut(&(service.clone(), id.clone())) else { return };
        let (state, word) = match sample.state {
            State::Up => (State::Draining, "draining"),
            _ => (State::Up, "up again"),
        };
        sample.state = state;
        let node = sample.node;
        self.act(node, &service, &id, word);
        self.submit(node, Command::SetState { service, id, state, ack: Ack::Memory }).await;
    }

    async fn worry_or_not(&mut self, service: ServiceName, id: InstanceId) {
        let Some(sample) = self.running.get_mut(&(service.clone(), id.clone())) else { return };
        let (health, word) = match sample.health {
            Health::Passing => (Health::Warning, "warning"),
            _ => (Health::Passing, "passing"),
        };
        sample.health = health;
        let node = sample.node;
        self.act(node, &service, &id, word);
        self.submit(node, Command::Renew { service, id, health: Some(health) }).await;
    }

    async fn renew_all(&self) {
        for ((service, id), sample) in &self.running {
            let command = Command::Renew { service: service.clone(), id: id.clone(), health: None };
            self.submit(sample.node, command).await;
        }
    }

    fn act(&self, node: usize, service: &ServiceName, id: &InstanceId, what: &'static str) {
        let act = Act { node, service: service.clone(), id: id.clone(), what, at: std::time::Instant::now() };
        // A screen that cannot keep up misses a line, not an instance.
        drop(self.acts.try_send(act));
    }

    async fn submit(&self, node: usize, command: Command) {
        if let Err(refusal) = self.nodes[node].submit(command).await {
            tracing::warn!(%refusal, "a sample was refused");
        }
    }
}

/// Answers whoever connects, so that `curl` finds somebody there.
async fn greet(listener: TcpListener, greeting: String) {
    let answer =
        format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{greeting}", greeting.len());
    while let Ok((mut stream, _)) = listener.accept().await {
        let answer = answer.clone();
        drop(tokio::spawn(async move {
            let mut request = [0; 1024];
            // Whatever is asked, the answer is the same; a caller that goes away is no error.
            let _ = tokio::time::timeout(Duration::from_secs(2), stream.read(&mut request)).await;
            drop(stream.write_all(answer.as_bytes()).await);
        }));
    }
}
