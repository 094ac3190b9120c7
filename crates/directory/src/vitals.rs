//! How the node is doing: counters anybody may add to, and sources that are asked when somebody wants to know.

use arc_swap::ArcSwapOption;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds `n`.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// The sum.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Whether a sample only grows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// It does.
    Counter,
    /// It goes up and down.
    Gauge,
}

/// One measured value.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Its Prometheus name without the `whither_` prefix; counters end in `_total`.
    pub name: &'static str,
    /// What it says, one sentence.
    pub help: &'static str,
    /// How it moves.
    pub kind: Kind,
    /// At most one label: its name and value.
    pub label: Option<(&'static str, String)>,
    /// The value.
    pub value: f64,
}

impl Sample {
    /// A counter without labels.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a counter above 2^53 may lose its last digit")]
    pub fn counter(name: &'static str, help: &'static str, value: u64) -> Self {
        Self { name, help, kind: Kind::Counter, label: None, value: value as f64 }
    }

    /// A gauge without labels.
    #[must_use]
    pub fn gauge(name: &'static str, help: &'static str, value: f64) -> Self {
        Self { name, help, kind: Kind::Gauge, label: None, value }
    }

    /// The same with a label.
    #[must_use]
    pub fn with_label(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.label = Some((name, value.into()));
        self
    }
}

/// What is done for users' tables besides serving them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum TablesConcern {
    /// Making them what the configured files say.
    Schema,
    /// Backing them up from time to time.
    Backups,
    /// Their file.
    Damage,
}

type Source = Box<dyn Fn(&mut Vec<Sample>) + Send + Sync>;

/// The state of the node's own health.
#[derive(Default)]
pub struct Vitals {
    /// Commands refused because the queue was full.
    pub commands_refused: Counter,
    disk: ArcSwapOption<String>,
    cluster: ArcSwapOption<String>,
    tables: Mutex<BTreeMap<TablesConcern, String>>,
    sources: Mutex<Vec<Source>>,
}

impl Vitals {
    /// What the disk's problem is; `None` when it takes writes.
    #[must_use]
    pub fn disk_problem(&self) -> Option<Arc<String>> {
        self.disk.load_full()
    }

    /// Says what the disk's problem is, or that it has none.
    pub fn set_disk_problem(&self, problem: Option<String>) {
        self.disk.store(problem.map(Arc::new));
    }

    /// What keeps this node apart from its cluster; `None` when it is part of one, or alone on purpose.
    #[must_use]
    pub fn cluster_problem(&self) -> Option<Arc<String>> {
        self.cluster.load_full()
    }

    /// Says what keeps this node apart from its cluster, or that nothing does.
    pub fn set_cluster_problem(&self, problem: Option<String>) {
        self.cluster.store(problem.map(Arc::new));
    }

    /// What is wrong with what is done for users' tables besides serving them; `None` when nothing is.
    #[must_use]
    pub fn tables_problem(&self) -> Option<String> {
        let known = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        let all: Vec<&str> = known.values().map(String::as_str).collect();
        (!all.is_empty()).then(|| all.join("; "))
    }

    /// Says what is wrong with one of these things, or that nothing is.
    pub fn set_tables_problem(&self, concern: TablesConcern, problem: Option<String>) {
        let mut known = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        match problem {
            Some(problem) => known.insert(concern, problem),
            None => known.remove(&concern),
        };
    }

    /// Asks `source` whenever somebody collects. It must be quick and must not block.
    pub fn register(&self, source: impl Fn(&mut Vec<Sample>) + Send + Sync + 'static) {
        self.sources.lock().unwrap_or_else(PoisonError::into_inner).push(Box::new(source));
    }

    /// Everything there is to measure now. Samples of one name are adjacent.
    #[must_use]
    pub fn collect(&self) -> Vec<Sample> {
        let mut samples = vec![
            Sample::counter(
                "commands_refused_total",
                "Commands refused because the node's queue was full.",
                self.commands_refused.get(),
            ),
            Sample::gauge(
                "disk_healthy",
                "1 if the journal takes writes, 0 if the disk refuses them.",
                f64::from(u8::from(self.disk.load().is_none())),
            ),
        ];
        samples.push(Sample::gauge(
            "cluster_joined",
            "1 if this node is part of its cluster, 0 if no seed has answered it or it has left.",
            f64::from(u8::from(self.cluster.load().is_none())),
        ));
        samples.push(Sample::gauge(
            "tables_well",
            "1 if the file, the schema files and the scheduled backups of users' tables are well, 0 if not.",
            f64::from(u8::from(self.tables_problem().is_none())),
        ));
        for source in self.sources.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            source(&mut samples);
        }
        samples.sort_by(|a, b| a.name.cmp(b.name));
        samples
    }
}

impl fmt::Debug for Vitals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vitals").field("disk", &self.disk).finish_non_exhaustive()
    }
}
