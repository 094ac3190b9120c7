//! A storm of updates over narrow lines, and what each node knows while it lasts and after.

use std::time::Duration;
use whither_model::{Ack, Command, Origin};
use whither_replica::{Ranges, catalog};
use whither_sim::{Line, Load, PACKET_OVERHEAD_BYTES, Setup, World, workload};

/// A storm.
#[derive(Clone, Copy, Debug)]
pub(super) struct Storm {
    /// Everything random follows from this.
    pub seed: u64,
    /// How many nodes.
    pub nodes: usize,
    /// Instances that each node owns, and that are updated at random.
    pub instances: usize,
    /// What each node's line bears.
    pub line: Line,
    /// Updates per second, as a share of what lines could bear if every byte were spent on telling them once.
    pub load: f64,
    /// How long it lasts.
    pub lasts: Duration,
}

/// What was seen at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sample {
    /// When, since the storm began.
    pub at: Duration,
    /// Rows that somebody has in an old version, counted for each node.
    pub stale: usize,
    /// The age of the oldest unknown update.
    pub oldest: Duration,
    /// Bytes of stream messages that the fullest node has sent and nobody has read.
    pub unread: usize,
    /// Most ranges in which any node keeps what it has seen of an origin.
    pub ranges: usize,
}

/// What came of it.
#[derive(Clone, Debug)]
pub(super) struct Outcome {
    /// Updates per second at which perfect spreading would just fill the lines.
    pub capacity: f64,
    /// A sample for each second.
    pub samples: Vec<Sample>,
    /// From the last update until all digests were equal; `None`: not within [`GIVEN`].
    pub recovery: Option<Duration>,
    /// Rows that some node lacks, or has in an old version, in the end.
    pub lost: usize,
    /// Bytes of all instances, as one update carries them.
    pub state_bytes: f64,
    /// What lines bore.
    pub carried: Load,
    /// What nodes counted since the storm began, summed.
    pub counted: Counted,
    /// Updates made.
    pub updates: u64,
}

/// What nodes count of what they do, summed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counted {
    pub datagrams_sent: u64,
    pub news_sent: u64,
    pub news_sent_again: u64,
    pub declared_down: u64,
}

/// How long is waited until all agree again.
const GIVEN: Duration = Duration::from_secs(180);
/// Between two samples.
const EVERY: Duration = Duration::from_secs(1);
/// What an update says beside key and value: who, when, and the lengths of its fields.
const UPDATE_BYTES: usize = 24;

struct Cluster {
    world: World,
    storm: Storm,
    began: u64,
    /// Per node and instance: the seqs at which it was written, and when.
    written: Vec<Vec<Vec<(u64, u64)>>>,
    /// Per node and instance: the row's key.
    keys: Vec<Vec<Vec<u8>>>,
}

impl Storm {
    /// Raises the storm, lets it end, and waits until all agree.
    #[must_use]
    pub(super) fn rage(self) -> Outcome {
        let mut setup = Setup::new(self.seed, self.nodes);
        setup.clock_ppm = 0;
        let mut cluster = Cluster {
            world: World::new(setup),
            storm: self,
            began: 0,
            written: vec![vec![Vec::new(); self.instances]; self.nodes],
            keys: vec![Vec::new(); self.nodes],
        };
        cluster.world.run_for(Duration::from_secs(5));
        (0..self.nodes * self.instances).for_each(|at| cluster.update(at % self.nodes, at / self.nodes));
        (0..self.nodes).for_each(|node| cluster.keys[node] = cluster.own_keys(node));
        cluster.world.run_for(Duration::from_secs(5));
        cluster.world.network.narrow(self.line);
        cluster.world.run_for(Duration::from_secs(5));
        cluster.observe()
    }
}

impl Cluster {
    fn update(&mut self, node: usize, instance: usize) {
        let before = self.written[node][instance].len();
        let weight = u16::try_from(before % 60_000 + 1).unwrap_or(1);
        let registration = workload::registration(node, instance, weight).expect("a small service");
        self.world.tell(node, Command::Register { registrations: vec![registration], ack: Ack::Memory });
        let head = self.seen(node, node);
        self.written[node][instance].push((head, self.world.time()));
    }

    /// The keys of a node's own instances, in the order in which they were registered.
    fn own_keys(&self, node: usize) -> Vec<Vec<u8>> {
        let rows = self.world.replica(node).into_iter().flat_map(|replica| replica.rows().iter().map(|(_, row)| row));
        let own = rows.filter(|row| row.key.node == self.world.id(node) && row.key.table == catalog::INSTANCES);
        own.map(|row| row.key.key.to_vec()).collect()
    }

    /// Up to where `node` has seen everything of `of`.
    fn seen(&self, node: usize, of: usize) -> u64 {
        let origin = |replica: &whither_replica::Replica| Origin { ..replica.origin() };
        let of = self.world.replica(of).map(origin);
        let seen = self.world.replica(node).zip(of).and_then(|(replica, of)| replica.rows().seen(of));
        seen.map_or(0, Ranges::watermark)
    }

    /// Bytes of an update: key, value, and what it says beside them; and of all instances.
    fn bytes(&self) -> (f64, f64) {
        let rows = self.world.replica(0).into_iter().flat_map(|replica| replica.rows().iter().map(|(_, row)| row));
        let instances = rows.filter(|row| row.key.table == catalog::INSTANCES);
        let sizes: Vec<usize> = instances
            .map(|row| row.key.key.len() + row.value.as_ref().map_or(0, |value| value.len()) + UPDATE_BYTES)
            .collect();
        let total = sizes.iter().sum::<usize>() as f64;
        (total / sizes.len().max(1) as f64, total)
    }

    fn observe(mut self) -> Outcome {
        let (size, state_bytes) = self.bytes();
        // A full packet's overhead is shared by what is in it.
        let packet = whither_replica::limits::DATAGRAM_BYTES_MAX as f64;
        let useful = packet / (packet + PACKET_OVERHEAD_BYTES as f64);
        let capacity = self.storm.line.bytes_per_second as f64 * useful / size;
        let before = self.counted();
        self.began = self.world.time();
        let mut samples = Vec::new();
        let updates = self.rage(capacity * self.storm.load, &mut samples);
        let ended = self.world.time();
        let recovery = self.recover(ended, &mut samples);
        let lost = self.sample().stale;
        Outcome {
            capacity,
            samples,
            recovery,
            lost,
            state_bytes,
            carried: self.world.network.load(),
            counted: self.counted().since(before),
            updates,
        }
    }

    fn rage(&mut self, rate: f64, samples: &mut Vec<Sample>) -> u64 {
        let pause = Duration::from_secs_f64(1.0 / rate);
        let mut updates = 0;
        let mut due = EVERY;
        let mut elapsed = Duration::ZERO;
        while elapsed < self.storm.lasts {
            let (nodes, instances) = (self.storm.nodes, self.storm.instances);
            let (node, instance) = (self.world.random().below(nodes), self.world.random().below(instances));
            self.update(node, instance);
            updates += 1;
            self.world.run_for(pause);
            elapsed += pause;
            if elapsed >= due {
                due += EVERY;
                samples.push(self.sample());
            }
        }
        updates
    }

    /// Waits until all digests are equal.
    fn recover(&mut self, ended: u64, samples: &mut Vec<Sample>) -> Option<Duration> {
        const STEP: Duration = Duration::from_millis(20);
        let digest = |world: &World, node: usize| world.replica(node).map_or(0, |replica| replica.rows().digest());
        let mut due = EVERY;
        loop {
            let first = digest(&self.world, 0);
            let passed = Duration::from_micros(self.world.time() - ended);
            if (1..self.storm.nodes).all(|node| digest(&self.world, node) == first) {
                return Some(passed);
            }
            if passed >= due {
                due += EVERY;
                samples.push(self.sample());
            }
            if passed > GIVEN {
                return None;
            }
            self.world.run_for(STEP);
        }
    }

    fn sample(&self) -> Sample {
        let now = self.world.time();
        let mut sample = Sample { at: Duration::from_micros(now - self.began), ..Sample::default() };
        for node in 0..self.storm.nodes {
            sample.unread = sample.unread.max(self.world.network.unread(node));
            let Some(replica) = self.world.replica(node) else { continue };
            let ranges = replica.rows().all_seen().map(|(_, seen)| seen.as_slice().len()).max();
            sample.ranges = sample.ranges.max(ranges.unwrap_or(0));
            for (owner, instances) in self.written.iter().enumerate() {
                for (instance, history) in instances.iter().enumerate() {
                    let key = &self.keys[owner][instance];
                    let row = replica.rows().find(self.world.id(owner), catalog::INSTANCES, key);
                    let known = row.map_or(0, |row| replica.rows().row(row).version.seq.0);
                    let first_unknown = history.partition_point(|(seq, _)| *seq <= known);
                    if let Some((_, written)) = history.get(first_unknown) {
                        sample.stale += 1;
                        sample.oldest = sample.oldest.max(Duration::from_micros(now - written));
                    }
                }
            }
        }
        sample
    }

    fn counted(&self) -> Counted {
        self.world.counters().iter().fold(Counted::default(), |sum, one| Counted {
            datagrams_sent: sum.datagrams_sent + one.datagrams_sent,
            news_sent: sum.news_sent + one.news_sent,
            news_sent_again: sum.news_sent_again + one.news_sent_again,
            declared_down: sum.declared_down + one.declared_down,
        })
    }
}

impl Counted {
    /// What was counted since an earlier sum.
    fn since(self, earlier: Self) -> Self {
        Self {
            datagrams_sent: self.datagrams_sent - earlier.datagrams_sent,
            news_sent: self.news_sent - earlier.news_sent,
            news_sent_again: self.news_sent_again - earlier.news_sent_again,
            declared_down: self.declared_down - earlier.declared_down,
        }
    }
}
