//! Which namespaces there are, so that the name above a service is "no such records" and not "no such name".

use arc_swap::ArcSwap;
use std::collections::HashSet;
use std::sync::Arc;
use whither_directory::View;

/// The namespaces seen so far, shared by all workers.
///
/// Invariant: services are never forgotten by the directory, hence neither are namespaces, and as long as there are as
/// many services as at the last look there is no new one.
#[derive(Debug, Default)]
pub(crate) struct Namespaces {
    known: ArcSwap<Known>,
}

#[derive(Debug, Default)]
struct Known {
    services: usize,
    names: HashSet<Box<str>>,
}

impl Namespaces {
    /// Whether any service of `view` is in the namespace `name`.
    pub(crate) fn contains(&self, view: &View, name: &str) -> bool {
        let known = self.known.load();
        if known.names.contains(name) {
            return true;
        }
        if known.services == view.service_count() {
            return false;
        }
        let mut names: HashSet<Box<str>> = HashSet::new();
        for service in view.services() {
            let namespace = service.name().namespace();
            if !names.contains(namespace) {
                names.insert(namespace.into());
            }
        }
        let found = names.contains(name);
        self.known.store(Arc::new(Known { services: view.service_count(), names }));
        found
    }
}
