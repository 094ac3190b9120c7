//! What changed lately, for clients that ask for differences.

use crate::show::{self, Action, Application, Instance};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;
use whither_directory::watch::CatalogWatch;
use whither_directory::{Directory, ServiceView};
use whither_model::ServiceName;

/// As long as Eureka keeps changes: clients ask far more often.
const KEPT: Duration = Duration::from_secs(180);
/// Changes that are kept at most. A client that misses one sees it by the hash code, and asks for everything.
const CHANGES_MAX: usize = 20_000;

/// The changes of the last minutes.
#[derive(Debug, Default)]
pub(crate) struct Recent(Mutex<VecDeque<(Instant, Instance)>>);

impl Recent {
    /// Follows the catalog; never ends.
    pub(crate) async fn follow(self: Arc<Self>, directory: Arc<Directory>) {
        let mut watch = CatalogWatch::new(directory, None);
        let mut shown: BTreeMap<ServiceName, Shown> = BTreeMap::new();
        // What is there at first is no change.
        let mut begun = false;
        loop {
            for difference in watch.next().await.services {
                let newer = difference.view.as_ref().map(|view| shown_of(view)).unwrap_or_default();
                let before = shown.insert(difference.service, newer.clone()).unwrap_or_default();
                if begun {
                    self.note(&before, &newer);
                }
            }
            begun = true;
        }
    }

    fn note(&self, before: &Shown, after: &Shown) {
        let now = Instant::now();
        let mut changes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (id, instance) in after {
            let action = match before.get(id) {
                None => Action::Added,
                Some(known) if known != instance => Action::Modified,
                Some(_) => continue,
            };
            changes.push_back((now, Instance { action, ..instance.clone() }));
        }
        for (_, instance) in before.iter().filter(|(id, _)| !after.contains_key(*id)) {
            changes.push_back((now, Instance { action: Action::Deleted, ..instance.clone() }));
        }
        while changes.len() > CHANGES_MAX || changes.front().is_some_and(|(at, _)| now - *at > KEPT) {
            changes.pop_front();
        }
    }

    /// Services with what changed of them; of each instance the last change.
    pub(crate) fn applications(&self) -> Vec<Application> {
        let mut last: BTreeMap<(String, String), Instance> = BTreeMap::new();
        let changes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (_, instance) in changes.iter().filter(|(at, _)| at.elapsed() <= KEPT) {
            last.insert((instance.app.clone(), instance.id.clone()), instance.clone());
        }
        drop(changes);
        let mut applications: Vec<Application> = Vec::new();
        for ((app, _), instance) in last {
            match applications.last_mut().filter(|application| application.name == app) {
                Some(application) => application.instances.push(instance),
                None => applications.push(Application { name: app, instances: vec![instance] }),
            }
        }
        applications
    }
}

/// Every instance of a service that is shown, by its id.
type Shown = BTreeMap<String, Instance>;

fn shown_of(view: &ServiceView) -> Shown {
    let instances = show::application(view).into_iter().flat_map(|application| application.instances);
    instances.map(|instance| (instance.id.clone(), instance)).collect()
}
