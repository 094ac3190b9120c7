//! Measures how long a change takes to reach each node's readers.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use whither_directory::Directory;
use whither_directory::watch::CatalogWatch;
use whither_model::{InstanceId, ServiceName};

/// Something that was done at a node.
#[derive(Clone, Debug)]
pub(crate) struct Act {
    /// Which node, by position.
    pub(crate) node: usize,
    /// The service.
    pub(crate) service: ServiceName,
    /// The instance.
    pub(crate) id: InstanceId,
    /// What was done.
    pub(crate) what: &'static str,
    /// When it was asked for.
    pub(crate) at: Instant,
}

/// An act, and how long it took until each node showed it; `None`: it has not yet.
#[derive(Clone, Debug)]
pub(crate) struct Lap {
    /// The act.
    pub(crate) act: Act,
    /// By node.
    pub(crate) shown: Vec<Option<Duration>>,
}

struct Sighting {
    node: usize,
    service: ServiceName,
    id: InstanceId,
    at: Instant,
}

/// How long a lap is kept open.
const PATIENCE: Duration = Duration::from_secs(1);

/// Turns acts into laps, by watching every node as any reader would.
pub(crate) async fn run(nodes: Vec<Arc<Directory>>, mut acts: mpsc::Receiver<Act>, laps: mpsc::Sender<Lap>) {
    let (sightings, mut seen) = mpsc::channel(1024);
    let count = nodes.len();
    for (node, directory) in nodes.into_iter().enumerate() {
        drop(tokio::spawn(look(node, directory, sightings.clone())));
    }
    drop(sightings);
    let mut open: HashMap<(ServiceName, InstanceId), Lap> = HashMap::new();
    let mut clock = tokio::time::interval(PATIENCE / 4);
    loop {
        tokio::select! {
            // Acts first: one is always announced before it is done.
            biased;
            act = acts.recv() => {
                let Some(act) = act else { return };
                let lap = Lap { shown: vec![None; count], act };
                open.insert((lap.act.service.clone(), lap.act.id.clone()), lap);
            }
            Some(sighting) = seen.recv() => {
                let key = (sighting.service, sighting.id);
                let Some(lap) = open.get_mut(&key) else { continue };
                let place = &mut lap.shown[sighting.node];
                place.get_or_insert(sighting.at.saturating_duration_since(lap.act.at));
                if lap.shown.iter().all(Option::is_some) && let Some(lap) = open.remove(&key) {
                    drop(laps.send(lap).await);
                }
            }
            _ = clock.tick() => {
                let late: Vec<_> = open.iter().filter(|(_, lap)| lap.act.at.elapsed() > PATIENCE).map(|(key, _)| key.clone()).collect();
                for key in late {
                    if let Some(lap) = open.remove(&key) {
                        drop(laps.send(lap).await);
                    }
                }
            }
        }
    }
}

async fn look(node: usize, directory: Arc<Directory>, sightings: mpsc::Sender<Sighting>) {
    let mut watch = CatalogWatch::new(directory, None);
    loop {
        let difference = watch.next().await;
        let at = Instant::now();
        for change in difference.services {
            let changed = change.changed.iter().map(|listed| listed.id().clone());
            for id in changed.chain(change.removed) {
                let sighting = Sighting { node, service: change.service.clone(), id, at };
                if sightings.send(sighting).await.is_err() {
                    return;
                }
            }
        }
    }
}
