//! Streams of differences, level-triggered: a reader that was slow gets one coalesced difference, never silence.

use crate::directory::Directory;
use crate::service::{Listed, ServiceView};
use crate::view::{Cursor, Index, View};
use std::sync::Arc;
use tokio::sync::watch;
use whither_model::{InstanceId, ServiceName};

/// What a watcher of one service is told.
#[derive(Clone, Debug)]
pub struct Difference {
    /// Resume after this.
    pub index: Index,
    /// `true`: forget what you knew, `changed` is everything. Sent first, and whenever the history that would be needed
    /// to continue is gone.
    pub reset: bool,
    /// The service.
    pub service: ServiceName,
    /// Its view as of `index`; `None` if it is not known.
    pub view: Option<Arc<ServiceView>>,
    /// Instances that are new or different.
    pub changed: Vec<Arc<Listed>>,
    /// Instances that went.
    pub removed: Vec<InstanceId>,
}

/// Watches one service, which need not exist yet.
#[derive(Debug)]
pub struct ServiceWatch {
    directory: Arc<Directory>,
    service: ServiceName,
    shown: Shown,
    views: watch::Receiver<Index>,
}

#[derive(Debug)]
enum Shown {
    Nothing { resume: Option<Index> },
    Absent,
    View(Arc<ServiceView>),
}

impl ServiceWatch {
    /// A watch of `service` that continues after `from` if that is a place in this node's remembered history.
    #[must_use]
    pub fn new(directory: Arc<Directory>, service: ServiceName, from: Option<Cursor>) -> Self {
        let resume = resume_index(&directory, from);
        let views = directory.changes();
        Self { directory, service, shown: Shown::Nothing { resume }, views }
    }

    /// The next difference: the first at once, unless resuming and nothing happened since; then whenever there is one.
    /// Never ends; cancel-safe.
    pub async fn next(&mut self) -> Difference {
        loop {
            self.views.mark_unchanged();
            let view = self.directory.view();
            let newest = view.service(&self.service).cloned();
            // Registered before the comparison below, so that a change in between still wakes.
            let waiting = newest.as_ref().map(|service| Arc::clone(&service.changed));
            let notified = waiting.as_ref().map(|changed| changed.notified());
            tokio::pin!(notified);
            if let Some(notified) = notified.as_mut().as_pin_mut() {
                notified.enable();
            }
            let newest = self.directory.view().service(&self.service).cloned().or(newest);
            if let Some(difference) = self.advance(view.index(), newest) {
                return difference;
            }
            match notified.as_mut().as_pin_mut() {
                Some(notified) => notified.await,
                // Unknown so far: only a new view can bring it. The sender lives as long as the directory, held here.
                None => drop(self.views.changed().await),
            }
        }
    }

    fn advance(&mut self, index: Index, newest: Option<Arc<ServiceView>>) -> Option<Difference> {
        let shown = std::mem::replace(&mut self.shown, Shown::Absent);
        let difference = match (&shown, &newest) {
            (Shown::Nothing { resume: Some(from) }, Some(new)) => match resumed(new, *from) {
                Some(difference) => (!difference.is_nothing()).then_some(difference),
                None => Some(Difference::reset(&self.service, index, newest.clone())),
            },
            (Shown::Nothing { .. }, _) | (Shown::Absent, Some(_)) => {
                Some(Difference::reset(&self.service, index, newest.clone()))
            }
            (Shown::View(old), Some(new)) if !Arc::ptr_eq(old, new) => {
                Some(compared(old, new)).filter(|difference| !difference.is_nothing())
            }
            (Shown::Absent | Shown::View(_), _) => None,
        };
        self.shown = match (newest, shown) {
            (Some(new), _) => Shown::View(new),
            (None, Shown::View(old)) => Shown::View(old),
            (None, _) => Shown::Absent,
        };
        difference
    }
}

impl Difference {
    fn reset(service: &ServiceName, index: Index, view: Option<Arc<ServiceView>>) -> Self {
        let changed = view.as_ref().map_or_else(Vec::new, |view| view.instances().to_vec());
        let index = view.as_ref().map_or(index, |view| view.index().max(index));
        Self { index, reset: true, service: service.clone(), view, changed, removed: Vec::new() }
    }

    fn is_nothing(&self) -> bool {
        !self.reset && self.changed.is_empty() && self.removed.is_empty()
    }
}

/// What happened to `new` after `from`, or `None` if its removals do not reach back that far.
fn resumed(new: &Arc<ServiceView>, from: Index) -> Option<Difference> {
    let removed = new.removals.since(from)?.filter(|id| new.instance(id).is_none()).cloned().collect();
    Some(Difference {
        index: new.index(),
        reset: false,
        service: new.name().clone(),
        changed: new.instances().iter().filter(|listed| listed.changed > from).cloned().collect(),
        removed,
        view: Some(Arc::clone(new)),
    })
}

/// How `new` differs from `old`.
fn compared(old: &ServiceView, new: &Arc<ServiceView>) -> Difference {
    Difference {
        index: new.index(),
        reset: false,
        service: new.name().clone(),
        changed: new.instances().iter().filter(|listed| listed.changed > old.index()).cloned().collect(),
        removed: old
            .instances()
            .iter()
            .filter(|listed| new.position(listed.id()).is_err())
            .map(|listed| listed.id().clone())
            .collect(),
        view: Some(Arc::clone(new)),
    }
}

fn resume_index(directory: &Directory, from: Option<Cursor>) -> Option<Index> {
    let from = from?;
    let identity = directory.identity();
    // An index of an earlier boot, or of another node, or from the future names no place in the history kept here.
    let this_boot = Index::first_of(identity.epoch)..=directory.peek().index();
    (from.node == identity.node && this_boot.contains(&from.index)).then_some(from.index)
}

/// What a watcher of the whole catalog is told.
#[derive(Clone, Debug)]
pub struct CatalogDifference {
    /// Resume after this.
    pub index: Index,
    /// `true`: forget what you knew; `services` is everything.
    pub reset: bool,
    /// The services that changed, each with its own difference.
    pub services: Vec<Difference>,
    /// Whether the node list changed.
    pub nodes: bool,
    /// The view as of `index`.
    pub view: Arc<View>,
}

/// Watches everything.
#[derive(Debug)]
pub struct CatalogWatch {
    directory: Arc<Directory>,
    resume: Option<Index>,
    shown: Option<Arc<View>>,
    views: watch::Receiver<Index>,
}

impl CatalogWatch {
    /// A watch of everything that continues after `from` if that is a place in this node's remembered history.
    #[must_use]
    pub fn new(directory: Arc<Directory>, from: Option<Cursor>) -> Self {
        let resume = resume_index(&directory, from);
        let views = directory.changes();
        Self { directory, resume, shown: None, views }
    }

    /// The next difference: the first at once, unless resuming and nothing happened since; then whenever there is one.
    /// Never ends; cancel-safe.
    pub async fn next(&mut self) -> CatalogDifference {
        loop {
            self.views.mark_unchanged();
            let view = self.directory.view();
            let difference = self.advance(&view);
            self.shown = Some(view);
            if let Some(difference) = difference {
                return difference;
            }
            // The sender lives as long as the directory, which is held here, so this cannot fail.
            drop(self.views.changed().await);
        }
    }

    fn advance(&mut self, view: &Arc<View>) -> Option<CatalogDifference> {
        let (reset, services, nodes) = match (&self.shown, self.resume.take()) {
            (Some(old), _) => {
                let services: Vec<Difference> = view
                    .services
                    .changed_since(&old.services)
                    .map(|service| match old.service(service.name()) {
                        Some(before) => compared(before, service),
                        None => Difference {
                            reset: false,
                            ..Difference::reset(service.name(), view.index(), Some(Arc::clone(service)))
                        },
                    })
                    .filter(|difference| old.service(&difference.service).is_none() || !difference.is_nothing())
                    .collect();
                (false, services, !Arc::ptr_eq(&old.nodes, &view.nodes))
            }
            (None, Some(from)) => {
                let resumed: Option<Vec<Difference>> = view
                    .services()
                    .filter(|service| service.index() > from)
                    .map(|service| resumed(service, from))
                    .collect();
                match resumed {
                    Some(services) => (false, services.into_iter().filter(|d| !d.is_nothing()).collect(), true),
                    None => (true, everything(view), true),
                }
            }
            (None, None) => (true, everything(view), true),
        };
        (reset || nodes || !services.is_empty()).then(|| CatalogDifference {
            index: view.index(),
            reset,
            services,
            nodes,
            view: Arc::clone(view),
        })
    }
}

fn everything(view: &Arc<View>) -> Vec<Difference> {
    view.services()
        .map(|service| Difference::reset(service.name(), service.index(), Some(Arc::clone(service))))
        .map(|difference| Difference { reset: false, ..difference })
        .collect()
}
