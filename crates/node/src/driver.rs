//! The loop: one event in, everything it causes out.

use crate::carry::{Answers, Hands};
use crate::config::Config;
use crate::error::{NodeError, StartError};
use crate::lag;
use crate::metrics::{self, CoreCounters};
use crate::questions;
use crate::seeds;
use crate::tables::{self, Tables};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use whither_directory::{Clock, Directory, Envelope, Identity, Publisher};
use whither_model::{Instant, Now, Refusal};
use whither_replica::{Replica, Route};
use whither_store::{JournalConfig, Report, Store};
use whither_transport::{Inbound, Transport};

/// Packets from peers that may wait for the loop.
const INBOUND_MAX: usize = 8 * 1024;
/// Commands taken in before what they cause goes out: under load they share packets, views and commits.
const COMMANDS_PER_TURN: usize = 512;
/// Packets taken in before what they cause goes out.
const PACKETS_PER_TURN: usize = 64;
/// How long seeds may be silent before that is called a problem.
const PATIENCE_WITH_SEEDS: Duration = Duration::from_secs(5);
/// How long a difference may wait to be settled before that is called a problem.
const PATIENCE_WITH_DIFFERENCES: Duration = Duration::from_secs(30);
/// How long the last packets are given to leave.
const GOODBYE: Duration = Duration::from_millis(20);

/// The node's thread.
pub(crate) struct Driver {
    directory: Arc<Directory>,
    clock: Clock,
    replica: Replica,
    hands: Hands,
    answers: Answers,
    commands: mpsc::Receiver<Envelope>,
    inbound: mpsc::Receiver<Inbound>,
    reports: mpsc::UnboundedReceiver<Report>,
    seeds: mpsc::Receiver<Vec<SocketAddr>>,
    stopping: watch::Receiver<bool>,
    counters: Arc<CoreCounters>,
    tables: Tables,
    /// Whether an alarm has been raised about rows that differ.
    differs: bool,
    /// The seeds it was told, for people; empty: none.
    asked: String,
    started: Instant,
}

enum Turn {
    Worked,
    Stop,
}

impl Driver {
    pub(crate) async fn start(config: Config, stopping: watch::Receiver<bool>) -> Result<Self, StartError> {
        let (store, snapshot) = Store::open(&config.data_dir)?;
        let (packets, inbound) = mpsc::channel(INBOUND_MAX);
        let peers = whither_transport::Config::new(
            config.peers_bind,
            config.secret.clone(),
            snapshot.node.get(),
            snapshot.epoch.0,
        );
        let (asked, questions) = mpsc::channel(questions::QUESTIONS_MAX);
        let transport = Transport::bind_answering(peers, packets, asked).await?;
        let advertise = config.advertised(transport.local_addr());
        let clock = Clock::system();
        let identity = Identity {
            node: snapshot.node,
            epoch: snapshot.epoch,
            name: config.name.clone(),
            advertise,
            zone: config.zone.clone(),
            region: config.region.clone(),
            software: config.software.clone(),
        };
        let (directory, commands) = Directory::new(identity, clock.clone());
        // Unbounded, yet bounded: the journal reports once per commit, and commits only what was appended.
        let (report, reports) = mpsc::unbounded_channel();
        let journal_config = JournalConfig { window: config.group_window, max_pages: config.database_pages_max };
        let journal = Arc::new(store.into_journal(journal_config, move |news| drop(report.send(news))));
        let core = core_config(&config, advertise, snapshot.epoch);
        let now = Now { mono: clock.now(), wall: clock.wall() };
        tracing::info!(
            node = %snapshot.node, epoch = snapshot.epoch.0, rows = snapshot.rows.len(), members = snapshot.members.len(),
            peers = %transport.local_addr(), %advertise, "node started"
        );
        let me = whither_model::Origin { node: snapshot.node, epoch: snapshot.epoch };
        let mut replica = Replica::new(core, snapshot, now);
        let tables = Tables::open(tables::config(&config.data_dir, me, &directory), &mut replica, &directory)?;
        let counters = Arc::new(CoreCounters::default());
        metrics::register(&directory, Arc::clone(&counters), transport.clone(), &journal);
        let (found, seeds) = mpsc::channel(1);
        let asked = seeds::words(&config.seeds);
        drop(tokio::spawn(seeds::look_up(config.seeds, found)));
        questions::carry(&directory, transport.clone());
        drop(tokio::spawn(questions::hand_over(questions, Arc::clone(&directory))));
        let hands = Hands::new(directory.identity().node, transport, journal, Publisher::new(Arc::clone(&directory)));
        let mut driver = Self {
            directory,
            clock,
            replica,
            hands,
            answers: Answers::default(),
            commands,
            inbound,
            reports,
            seeds,
            stopping,
            counters,
            tables,
            differs: false,
            asked,
            started: now.mono,
        };
        // What the disk remembered is shown before anybody is told that the node runs.
        driver.carry_out();
        Ok(driver)
    }

    pub(crate) fn directory(&self) -> Arc<Directory> {
        Arc::clone(&self.directory)
    }

    pub(crate) fn peers(&self) -> SocketAddr {
        self.hands.transport.local_addr()
    }

    pub(crate) async fn run(mut self) -> Result<(), NodeError> {
        loop {
            let turn = self.turn().await;
            if let Some(heard) = self.carry_out() {
                let own = self.replica.origin();
                self.hands.journal.raise_epoch(heard);
                let ended = self.shut_down().await;
                return ended.and(Err(NodeError::impostor(own.node, own.epoch, heard)));
            }
            if matches!(turn, Turn::Stop) {
                return self.shut_down().await;
            }
        }
    }

    /// Waits for something to happen and takes it in, with whatever else has happened meanwhile.
    async fn turn(&mut self) -> Turn {
        let wait = self.replica.poll_timeout().since(self.clock.now());
        if wait.is_zero() && !*self.stopping.borrow() {
            // The runtime rounds every sleep up to its next tick: under load a queue would win against it for ever.
            self.replica.handle_timeout(self.now());
            // Of what waits, something is taken in as well, or timers could starve the queues in turn.
            if let Ok(packet) = self.inbound.try_recv() {
                self.packet(packet);
            }
            if let Ok(envelope) = self.commands.try_recv() {
                self.command(envelope);
            }
            return Turn::Worked;
        }
        tokio::select! {
            Some(envelope) = self.commands.recv() => {
                self.command(envelope);
                for _ in 1..COMMANDS_PER_TURN {
                    let Ok(envelope) = self.commands.try_recv() else { break };
                    self.command(envelope);
                }
            }
            Some(packet) = self.inbound.recv() => {
                self.packet(packet);
                for _ in 1..PACKETS_PER_TURN {
                    let Ok(packet) = self.inbound.try_recv() else { break };
                    self.packet(packet);
                }
            }
            Some(report) = self.reports.recv() => self.answers.journal_said(report, self.directory.vitals()),
            news = self.tables.news() => {
                let now = self.now();
                self.tables.tell(now, &mut self.replica, news);
            }
            Some(addresses) = self.seeds.recv() => self.join(addresses),
            () = tokio::time::sleep(wait) => self.replica.handle_timeout(self.now()),
            () = asked_to_stop(&mut self.stopping) => return Turn::Stop,
        }
        Turn::Worked
    }

    fn now(&self) -> Now {
        Now { mono: self.clock.now(), wall: self.clock.wall() }
    }

    fn command(&mut self, envelope: Envelope) {
        if let Some(problem) = self.directory.vitals().disk_problem()
            && Answers::needs_disk(&envelope.command)
        {
            // A reader that has gone away is no error.
            drop(envelope.reply.send(Err(Refusal::Disk(problem.to_string()))));
            return;
        }
        let ticket = self.answers.await_answer(envelope.reply);
        self.replica.handle_command(self.now(), ticket, envelope.command);
    }

    fn packet(&mut self, packet: Inbound) {
        let (from, route, bytes) = match packet {
            Inbound::Datagram { from, bytes } => (from, Route::Datagram, bytes),
            Inbound::Message { from, bytes } => (from, Route::Stream, bytes),
        };
        if let Err(malformed) = self.replica.handle_packet(self.now(), from, route, bytes) {
            tracing::debug!(%from, %malformed, "a peer sent a packet that cannot be read");
        }
    }

    fn join(&mut self, addresses: Vec<SocketAddr>) {
        let own = self.directory.identity().advertise;
        let seeds = addresses.into_iter().filter(|address| *address != own).collect();
        let ticket = self.answers.nobody();
        self.replica.handle_command(self.now(), ticket, whither_model::Command::Join { seeds });
    }

    /// Does everything that the core wants done. Returns the boot of an impostor, if one was heard.
    fn carry_out(&mut self) -> Option<whither_model::Epoch> {
        let mut impostor = None;
        while let Some(mut ready) = self.replica.poll_ready() {
            impostor = impostor.max(ready.impostor);
            let work = std::mem::take(&mut ready.tables);
            self.hands.carry_out(ready, &mut self.answers);
            self.tables.give(self.now(), &mut self.replica, work);
        }
        self.tables.show_age(self.now(), &self.replica);
        self.counters.refresh(&self.replica);
        lag::show(&mut self.replica, &self.directory);
        self.judge_cluster();
        self.judge_rows();
        impostor
    }

    /// Says what keeps this node apart from its cluster, if anything does: alone is not the same as well.
    fn judge_cluster(&self) {
        let unanswered = !self.asked.is_empty()
            && !self.hands.met_anybody
            && self.clock.now().since(self.started) > PATIENCE_WITH_SEEDS;
        let vitals = self.directory.vitals();
        let known = vitals.cluster_problem();
        match (self.replica.has_left(), unanswered) {
            (true, _) if known.is_none() => {
                vitals.set_cluster_problem(Some(
                    "this node has left its cluster: what it shows is from then; start it again to join".into(),
                ));
            }
            (false, true) if known.is_none() => {
                let asked = &self.asked;
                let problem = format!(
                    "no seed has answered ({asked}): a wrong address, a firewall, or another cluster secret? \
                     (`whither ca show` prints a secret's fingerprint)"
                );
                tracing::warn!("{problem}");
                vitals.set_cluster_problem(Some(problem));
            }
            (false, false) if known.is_some() => vitals.set_cluster_problem(None),
            _ => {}
        }
    }

    /// Raises an alarm when a difference is not settled that should have been: its owners are away, or it is a bug.
    fn judge_rows(&mut self) {
        let differs = self.replica.differs_for().filter(|time| *time > PATIENCE_WITH_DIFFERENCES);
        if differs.is_some() != self.differs {
            self.differs = differs.is_some();
            let whose: Vec<String> = self.replica.differing().iter().map(ToString::to_string).collect();
            match differs {
                Some(time) => tracing::warn!(
                    seconds = time.as_secs(),
                    owners = whose.join(","),
                    "rows differ from those of nodes that have seen the same, and are not settled: are their owners away?"
                ),
                None => tracing::info!("rows are those of all other nodes again"),
            }
        }
    }

    async fn shut_down(mut self) -> Result<(), NodeError> {
        self.commands.close();
        for news in self.tables.close().await {
            self.tables.tell(self.now(), &mut self.replica, news);
        }
        self.replica.handle_shutdown(self.now());
        self.carry_out();
        // The goodbye is a datagram: it leaves at once, but nothing says so.
        tokio::time::sleep(GOODBYE).await;
        let closed = self.hands.close().await;
        while let Ok(report) = self.reports.try_recv() {
            self.answers.journal_said(report, self.directory.vitals());
        }
        closed
    }
}

/// What the core is told.
fn core_config(config: &Config, advertise: SocketAddr, epoch: whither_model::Epoch) -> whither_replica::Config {
    whither_replica::Config {
        name: config.name.clone(),
        advertise,
        zone: config.zone.clone(),
        region: config.region.clone(),
        software: config.software.clone(),
        seeds: Vec::new(),
        seed: std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), epoch.0),
        timing: config.timing.clone(),
        guards: whither_replica::Guards::default(),
    }
}

/// Waits until somebody wants the node to stop, or nobody holds it any more.
async fn asked_to_stop(stopping: &mut watch::Receiver<bool>) {
    drop(stopping.wait_for(|stop| *stop).await);
}
