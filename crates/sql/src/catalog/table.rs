//! What a table of the catalog says of itself, so that one adapter can show them all to SQLite.

use super::Snapshot;
use super::cell::Cell;
use std::hash::{BuildHasher, Hash, RandomState};
use whither_directory::View;

/// A table of the catalog.
pub(super) trait CatalogTable: 'static {
    /// What a cursor stands on: shared pointers into the view.
    type Row: 'static;

    /// Its name.
    const NAME: &'static str;
    /// Its columns, in order.
    const COLUMNS: &'static [Column<Self::Row>];
    /// The columns by which rows can be looked up, at most [`KEYS_MAX`]. All of them are text.
    const KEYS: &'static [&'static str];

    /// What a scan costs in a catalog of this size, where the keys of which `given` tells are known, each to be one text.
    fn effort(size: Size, given: [bool; KEYS_MAX]) -> Effort;

    /// The rows that `wanted` does not rule out. There may be others among them, because SQLite looks again; none may be
    /// missing, and none may be there twice.
    fn rows(snapshot: &Snapshot, wanted: Wanted) -> Box<dyn Iterator<Item = Self::Row>>;

    /// A number that this row, and no other of the table, has in every scan of this view. A place in one scan would not do:
    /// SQLite answers `a OR b` with two scans, and tells by this number which rows it has had already.
    fn rowid(row: &Self::Row, keys: &RandomState) -> i64;
}

/// The most keys that a table has.
pub(super) const KEYS_MAX: usize = 3;

/// A column.
pub(super) struct Column<Row> {
    /// Its name.
    pub(super) name: &'static str,
    /// The type it is declared with.
    pub(super) declared: &'static str,
    /// What is in it. Made only when it is asked for.
    pub(super) cell: for<'a> fn(&'a Row, &'a Snapshot) -> Cell<'a>,
}

impl<Row> Column<Row> {
    pub(super) const fn text(name: &'static str, cell: for<'a> fn(&'a Row, &'a Snapshot) -> Cell<'a>) -> Self {
        Self { name, declared: "TEXT", cell }
    }

    pub(super) const fn integer(name: &'static str, cell: for<'a> fn(&'a Row, &'a Snapshot) -> Cell<'a>) -> Self {
        Self { name, declared: "INTEGER", cell }
    }
}

/// What a scan costs.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Effort {
    /// How many rows are looked at here.
    pub(super) looked_at: f64,
    /// How many of them come of it.
    pub(super) rows: f64,
}

/// What is asked for, key by key in the order of [`CatalogTable::KEYS`].
#[derive(Default, Debug)]
pub(super) struct Wanted(pub(super) [Option<Vec<Box<str>>>; KEYS_MAX]);

impl Wanted {
    /// The texts that the key may be, each once; `None`: any.
    pub(super) fn key(&mut self, at: usize) -> Option<Vec<Box<str>>> {
        self.0.get_mut(at)?.take()
    }
}

/// How large a catalog is, for estimates.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Size {
    pub(super) services: f64,
    pub(super) instances: f64,
    pub(super) nodes: f64,
}

impl Size {
    /// Never small: statements stay prepared while the catalog grows, and in a small one any plan is good enough.
    pub(super) fn of(view: Option<&View>) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "an estimate")]
        let about = |count: usize, least: f64| (count as f64).max(least);
        Self {
            services: about(view.map_or(0, View::service_count), 1_000.0),
            instances: about(view.map_or(0, View::instance_count), 10_000.0),
            nodes: about(view.map_or(0, |view| view.nodes().len()), 100.0),
        }
    }
}

/// A rowid out of what names the row.
pub(super) fn hashed(keys: &RandomState, name: impl Hash) -> i64 {
    keys.hash_one(name).cast_signed()
}
