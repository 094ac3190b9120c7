//! `checks`: one row for each check that an instance was registered with.
//!
//! What is said here every node knows. What checks find, their owners alone know; what it comes to is the instance's health.

use super::Snapshot;
use super::cell::{Cell, integer, millis, null, shown, text};
use super::instances::{LISTING_KEYS, Listing, Listings, listing_effort};
use super::table::{CatalogTable, Column, Effort, KEYS_MAX, Size, Wanted, hashed};
use std::hash::RandomState;
use std::net::SocketAddr;
use std::sync::Arc;
use whither_model::check::Http;
use whither_model::{Check, Probe, Upkeep};

/// The table.
pub(super) enum Checks {}

/// A check, and the instance that it is of.
pub(super) struct Checked {
    listing: Arc<Listing>,
    upkeep: Arc<Upkeep>,
    at: usize,
}

impl Checked {
    fn check(&self) -> Option<&Check> {
        self.upkeep.checks.get(self.at)
    }

    /// A cell of what the check says.
    fn says<'a>(&'a self, cell: impl FnOnce(&'a Check) -> Cell<'a>) -> Cell<'a> {
        self.check().map_or_else(null, cell)
    }

    /// A cell of what an HTTP check says.
    fn http<'a>(&'a self, cell: impl FnOnce(&'a Http) -> Cell<'a>) -> Cell<'a> {
        self.says(|check| match &check.probe {
            Probe::Http(http) => cell(http),
            Probe::Tcp { .. } | Probe::Grpc { .. } | Probe::Ttl => null(),
        })
    }

    fn port(&self) -> Option<u16> {
        self.check()?.probe.port()?.among(&self.listing.registration().ports)
    }

    /// What is asked: an address and a port, and for what.
    fn target(&self) -> Option<String> {
        let at = SocketAddr::new(self.listing.registration().address, self.port()?);
        Some(match &self.check()?.probe {
            Probe::Http(http) => format!("{}://{at}{}", scheme(http), http.path),
            Probe::Grpc { service, .. } if !service.is_empty() => format!("{at}/{service}"),
            Probe::Tcp { .. } | Probe::Grpc { .. } | Probe::Ttl => at.to_string(),
        })
    }
}

const fn scheme(http: &Http) -> &'static str {
    if http.tls.is_some() { "https" } else { "http" }
}

const fn kind(probe: &Probe) -> &'static str {
    match probe {
        Probe::Http(http) => scheme(http),
        Probe::Tcp { .. } => "tcp",
        Probe::Grpc { .. } => "grpc",
        Probe::Ttl => "ttl",
    }
}

impl CatalogTable for Checks {
    type Row = Checked;

    const NAME: &'static str = "checks";
    const COLUMNS: &'static [Column<Self::Row>] = &[
        Column::text("namespace", |row, _| text(row.listing.service.name().namespace())),
        Column::text("service", |row, _| text(row.listing.service.name().as_str())),
        Column::text("id", |row, _| text(row.listing.listed.id().as_str())),
        Column::text("owner", |row, _| shown(row.listing.listed.owner())),
        Column::text("node", |row, _| text(row.listing.listed.owner_name.as_str())),
        Column::text("name", |row, _| row.says(|check| text(&check.name))),
        Column::text("kind", |row, _| row.says(|check| text(kind(&check.probe)))),
        Column::text("target", |row, _| row.target().map_or_else(null, shown)),
        Column::integer("port", |row, _| row.port().map_or_else(null, integer)),
        Column::text("method", |row, _| row.http(|http| text(http.method.as_str()))),
        Column::text("expect", |row, _| {
            row.http(|http| shown(format_args!("{}-{}", http.expect.first, http.expect.last)))
        }),
        Column::integer("interval_ms", |row, _| row.says(|check| millis(Some(check.pace.interval)))),
        Column::integer("timeout_ms", |row, _| row.says(|check| millis(Some(check.pace.timeout)))),
        Column::integer("passes_after", |row, _| row.says(|check| integer(check.pace.passes_after))),
        Column::integer("fails_after", |row, _| row.says(|check| integer(check.pace.fails_after))),
        Column::text("initial", |row, _| row.says(|check| text(check.pace.initial.as_str()))),
    ];
    const KEYS: &'static [&'static str] = LISTING_KEYS;

    /// As if every instance had one.
    fn effort(size: Size, given: [bool; KEYS_MAX]) -> Effort {
        listing_effort(size, given)
    }

    fn rows(snapshot: &Snapshot, wanted: Wanted) -> Box<dyn Iterator<Item = Self::Row>> {
        Box::new(Listings::new(snapshot, wanted).flat_map(checks_of))
    }

    fn rowid(row: &Self::Row, keys: &RandomState) -> i64 {
        hashed(keys, (row.listing.service.name(), row.listing.listed.id(), row.at))
    }
}

fn checks_of(listing: Listing) -> impl Iterator<Item = Checked> {
    let listing = Arc::new(listing);
    let upkeep = listing.registration().upkeep.clone();
    upkeep.into_iter().flat_map(move |upkeep| {
        let listing = Arc::clone(&listing);
        (0..upkeep.checks.len()).map(move |at| Checked {
            listing: Arc::clone(&listing),
            upkeep: Arc::clone(&upkeep),
            at,
        })
    })
}
