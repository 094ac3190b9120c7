//! `services`: one row for each service that is known, also if its last instance is gone.

use super::Snapshot;
use super::cell::{count, flag, millis, natural, text};
use super::instances::services_named;
use super::table::{CatalogTable, Column, Effort, KEYS_MAX, Size, Wanted, hashed};
use std::hash::RandomState;
use std::sync::Arc;
use std::time::Duration;
use whither_directory::{Selection, ServiceView, Status};

/// The table.
pub(super) enum Services {}

impl CatalogTable for Services {
    type Row = Arc<ServiceView>;

    const NAME: &'static str = "services";
    const COLUMNS: &'static [Column<Self::Row>] = &[
        Column::text("namespace", |service, _| text(service.name().namespace())),
        Column::text("name", |service, _| text(service.name().service())),
        Column::text("service", |service, _| text(service.name().as_str())),
        Column::integer("instances", |service, _| count(service.instances().len())),
        Column::integer("usable", |service, _| count(having(service, Status::is_usable))),
        Column::integer("passing", |service, _| count(having(service, |status| status == Status::Passing))),
        Column::integer("protected", |service, _| flag(service.is_protected())),
        Column::text("selection", |service, _| text(selection(service.selection()))),
        Column::integer("age_ms", |service, snapshot| millis(age(service, snapshot))),
        Column::integer("changed", |service, _| natural(service.index().get())),
    ];
    const KEYS: &'static [&'static str] = &["service"];

    fn effort(size: Size, given: [bool; KEYS_MAX]) -> Effort {
        let [service, ..] = given;
        let rows = if service { 1.0 } else { size.services };
        Effort { looked_at: rows, rows }
    }

    fn rows(snapshot: &Snapshot, mut wanted: Wanted) -> Box<dyn Iterator<Item = Self::Row>> {
        Box::new(services_named(snapshot, wanted.key(0)).into_iter())
    }

    fn rowid(service: &Self::Row, keys: &RandomState) -> i64 {
        hashed(keys, service.name())
    }
}

fn having(service: &ServiceView, is: impl Fn(Status) -> bool) -> usize {
    service.instances().iter().filter(|listed| is(listed.status)).count()
}

/// The word for how instances are selected for whoever asks for the service.
const fn selection(selection: Selection) -> &'static str {
    match selection {
        Selection::Usable => "usable",
        Selection::LastKnown => "last_known",
        Selection::Empty => "empty",
    }
}

/// As [`ServiceView::age`], from what was known of owners when the view was pinned.
fn age(service: &ServiceView, snapshot: &Snapshot) -> Option<Duration> {
    let present = snapshot.view.freshness().age(snapshot.now, [])?;
    let absent = service.instances().iter().filter(|listed| !listed.owner_state.is_present());
    absent.map(|listed| snapshot.age_of(listed.owner())).try_fold(present, |oldest, age| Some(oldest.max(age?)))
}
