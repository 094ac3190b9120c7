//! What is registered at this agent, by the ids that clients of Consul gave.

use crate::extras::Extras;
use crate::names;
use crate::register::place_id;
use crate::serve::App;
use arc_swap::ArcSwap;
use std::collections::HashMap;
use std::sync::Arc;
use whither_directory::{Index, Listed, View};
use whither_model::{InstanceId, ServiceName};

/// Where to find what. Made anew when something is not where it was and the catalog has changed since.
#[derive(Debug, Default)]
pub(crate) struct Own(ArcSwap<Places>);

#[derive(Debug, Default)]
struct Places {
    as_of: Index,
    services: HashMap<Box<str>, Place>,
    /// By the id of a check, whose it is.
    checks: HashMap<Box<str>, Place>,
}

type Place = (ServiceName, InstanceId);

/// An own instance.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) listed: Arc<Listed>,
    pub(crate) extras: Option<Extras>,
}

/// Every instance that this agent owns.
pub(crate) fn all<'a>(app: &'a App, view: &'a View) -> impl Iterator<Item = &'a Arc<Listed>> {
    let own = app.directory.identity().node;
    view.services().flat_map(|service| service.instances()).filter(move |listed| listed.owner() == own)
}

/// What it is found under.
fn key(listed: &Listed, extras: Option<&Extras>) -> String {
    place_id(names::id(listed, extras), extras.and_then(|extras| extras.node.as_ref()))
}

impl Places {
    fn of(app: &App, view: &View) -> Self {
        let mut places = Self { as_of: view.index(), ..Self::default() };
        for listed in all(app, view) {
            let registration = &listed.instance.registration;
            let place = || (registration.service.clone(), registration.id.clone());
            let extras = Extras::of(registration);
            let id = key(listed, extras.as_ref()).into();
            match &extras {
                Some(_) => drop(places.services.insert(id, place())),
                // Ids of others are unique in their service only: those of Consul's own clients come first.
                None => drop(places.services.entry(id).or_insert_with(place)),
            }
            // Checks of nodes that are no agents may be called as those of this one are.
            let own = extras.iter().filter(|extras| extras.node.is_none());
            for check in own.flat_map(|extras| &extras.checks) {
                places.checks.insert(check.id.clone(), place());
            }
        }
        places
    }
}

impl Own {
    /// The own instance with this id.
    pub(crate) fn service(&self, app: &App, id: &str) -> Option<Found> {
        self.find(app, |places| places.services.get(id), |found| key(&found.listed, found.extras.as_ref()) == id)
    }

    /// The own instance that has this check.
    pub(crate) fn of_check(&self, app: &App, id: &str) -> Option<Found> {
        let has = |found: &Found| found.extras.iter().flat_map(|extras| &extras.checks).any(|check| &*check.id == id);
        self.find(app, |places| places.checks.get(id), has)
    }

    fn find(
        &self,
        app: &App,
        place: impl Fn(&Places) -> Option<&Place>,
        is_it: impl Fn(&Found) -> bool,
    ) -> Option<Found> {
        let view = app.directory.view();
        let look = |places: &Places| {
            let (service, id) = place(places)?;
            let listed = Arc::clone(view.service(service)?.instance(id)?);
            let extras = Extras::of(&listed.instance.registration);
            let found = Found { extras, listed };
            (found.listed.owner() == app.directory.identity().node && is_it(&found)).then_some(found)
        };
        let known = self.0.load();
        let as_now = known.as_of == view.index();
        // What others registered gives way to what a client of Consul has registered since.
        if let Some(found) = look(&known).filter(|found| as_now || found.extras.is_some()) {
            return Some(found);
        }
        if as_now {
            return None;
        }
        let fresh = Arc::new(Places::of(app, &view));
        self.0.store(Arc::clone(&fresh));
        look(&fresh)
    }
}
