//! A persistent map from service names: copies share what did not change.

use crate::service::ServiceView;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use whither_model::ServiceName;

const BRANCHES: usize = 32;

/// Two levels of 32 branches over small sorted leaves. A change copies one root, one branch and one leaf: some 64
/// pointers and a thousandth of the names, whatever the size of the catalog.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shards {
    root: Vec<Arc<Branch>>,
    len: usize,
}

type Leaf = Vec<Arc<ServiceView>>;

#[derive(Clone, Debug, Default)]
struct Branch {
    leaves: Vec<Arc<Leaf>>,
}

/// SipHash with fixed keys: the leaf a name lands in only moves work around, it never loses a name.
fn place(name: &ServiceName) -> (usize, usize) {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    let hash = usize::try_from(hasher.finish() % (BRANCHES * BRANCHES) as u64).unwrap_or(0);
    (hash / BRANCHES, hash % BRANCHES)
}

impl Shards {
    pub(crate) fn new() -> Self {
        let branch = Arc::new(Branch { leaves: vec![Arc::default(); BRANCHES] });
        Self { root: vec![branch; BRANCHES], len: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn get(&self, name: &ServiceName) -> Option<&Arc<ServiceView>> {
        let (branch, leaf) = place(name);
        let leaf = &self.root.get(branch)?.leaves[leaf];
        leaf.binary_search_by(|service| service.name().cmp(name)).ok().map(|at| &leaf[at])
    }

    pub(crate) fn insert(&mut self, service: Arc<ServiceView>) {
        let (branch, leaf) = place(service.name());
        let branch = Arc::make_mut(&mut self.root[branch]);
        let leaf = Arc::make_mut(&mut branch.leaves[leaf]);
        match leaf.binary_search_by(|present| present.name().cmp(service.name())) {
            Ok(at) => leaf[at] = service,
            Err(at) => {
                leaf.insert(at, service);
                self.len += 1;
            }
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<ServiceView>> {
        self.root.iter().flat_map(|branch| branch.leaves.iter()).flat_map(|leaf| leaf.iter())
    }

    /// The services of `self` that are not the very same object in `older`, without looking into shared parts.
    pub(crate) fn changed_since<'a>(&'a self, older: &'a Self) -> impl Iterator<Item = &'a Arc<ServiceView>> {
        self.root
            .iter()
            .zip(&older.root)
            .filter(|(new, old)| !Arc::ptr_eq(new, old))
            .flat_map(|(new, old)| new.leaves.iter().zip(&old.leaves))
            .filter(|(new, old)| !Arc::ptr_eq(new, old))
            .flat_map(|(new, old)| {
                new.iter().filter(move |service| {
                    old.binary_search_by(|present| present.name().cmp(service.name()))
                        .map_or(true, |at| !Arc::ptr_eq(&old[at], service))
                })
            })
    }
}
