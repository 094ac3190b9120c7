//! Shows a [`CatalogTable`] to SQLite. The one place with unsafe code, and why: docs/adr/0016-unsafe-for-virtual-tables.md.
//!
//! SQLite calls what is here through C, where a panic ends the process: so nothing here or below indexes or unwraps.
#![expect(
    unsafe_code,
    reason = "the traits of virtual tables are unsafe to implement: C looks at how their types lie in memory"
)]

use super::table::CatalogTable;
use super::{Snapshot, Source, plan};
use rusqlite::vtab::{
    Context, Filters, IndexInfo, Module, VTab, VTabConfig, VTabConnection, VTabCursor, sqlite3_vtab,
    sqlite3_vtab_cursor,
};
use rusqlite::{Connection, Error, Result};
use std::borrow::Cow;
use std::ffi::{CStr, CString, c_int};
use std::marker::PhantomData;
use std::sync::Arc;

/// Adds the table to `conn`, under its name and, for where a user's table hides that, as `whither_` and its name.
pub(super) fn register<T: CatalogTable>(conn: &Connection, source: &Source) -> Result<()> {
    conn.create_module(T::NAME, Table::<T>::MODULE, Some(source.clone()))?;
    let always = format!("whither_{}", T::NAME);
    conn.create_module(always.as_str(), Table::<T>::MODULE, Some(source.clone()))
}

/// A table as one connection has it.
#[repr(C)]
struct Table<T> {
    /// SQLite's part. First.
    base: sqlite3_vtab,
    source: Source,
    table: PhantomData<fn() -> T>,
}

impl<T: CatalogTable> Table<T> {
    /// It is there without being created, cannot be created again under another name, and has no way to be written.
    const MODULE: &'static Module<'static, Self> = &Module::eponymous_only_module();

    fn declaration() -> String {
        let columns: Vec<String> =
            T::COLUMNS.iter().map(|column| format!("\"{}\" {}", column.name, column.declared)).collect();
        format!("CREATE TABLE {}({})", T::NAME, columns.join(", "))
    }
}

// SAFETY: `Table` is `#[repr(C)]` and begins with SQLite's `sqlite3_vtab`, so a pointer to the one is a pointer to the other.
// It shares nothing with its connection that is not `Send` and `Sync`, and cursors do not point into it.
unsafe impl<T: CatalogTable> VTab<'_> for Table<T> {
    type Aux = Source;
    type Cursor = Cursor<T>;

    fn connect(
        conn: &mut VTabConnection,
        source: Option<&Source>,
        _module: &[u8],
        _database: &[u8],
        _table: &[u8],
        _arguments: &[&[u8]],
    ) -> Result<(Cow<'static, CStr>, Self)> {
        let source = source.ok_or_else(|| Error::ModuleError("the catalog is not connected".into()))?.clone();
        // Reading it does nothing, so views and triggers may.
        conn.config(VTabConfig::Innocuous)?;
        let declaration = CString::new(Self::declaration())?;
        Ok((declaration.into(), Self { base: sqlite3_vtab::default(), source, table: PhantomData }))
    }

    fn best_index(&self, info: &mut IndexInfo) -> Result<bool> {
        plan::choose::<T>(info, self.source.pinned.0.load().as_deref())?;
        Ok(true)
    }

    fn open(&mut self) -> Result<Cursor<T>> {
        let snapshot = self.source.pinned.0.load_full();
        let snapshot = snapshot.ok_or_else(|| Error::ModuleError("the catalog is not there yet".into()))?;
        let source = self.source.clone();
        Ok(Cursor {
            base: sqlite3_vtab_cursor::default(),
            source,
            snapshot,
            rows: Box::new(std::iter::empty()),
            row: None,
        })
    }
}

/// A scan.
#[repr(C)]
struct Cursor<T: CatalogTable> {
    /// SQLite's part. First.
    base: sqlite3_vtab_cursor,
    source: Source,
    snapshot: Arc<Snapshot>,
    rows: Box<dyn Iterator<Item = T::Row>>,
    /// Where it stands; `None` at the end.
    row: Option<T::Row>,
}

impl<T: CatalogTable> Cursor<T> {
    fn advance(&mut self) {
        self.row = self.rows.next();
        #[cfg(test)]
        super::tests::visited(self.row.is_some());
    }

    fn row(&self) -> Result<&T::Row> {
        self.row.as_ref().ok_or_else(|| Error::ModuleError("there is no row here".into()))
    }
}

// SAFETY: `Cursor` is `#[repr(C)]` and begins with SQLite's `sqlite3_vtab_cursor`, so a pointer to the one is a pointer to the
// other. It owns all that it reads from.
unsafe impl<T: CatalogTable> VTabCursor for Cursor<T> {
    fn filter(&mut self, number: c_int, _words: Option<&str>, arguments: &Filters<'_>) -> Result<()> {
        self.rows = T::rows(&self.snapshot, plan::wanted(number, arguments)?);
        self.advance();
        Ok(())
    }

    fn next(&mut self) -> Result<()> {
        self.advance();
        Ok(())
    }

    fn eof(&self) -> bool {
        self.row.is_none()
    }

    fn column(&self, context: &mut Context, at: c_int) -> Result<()> {
        let column = usize::try_from(at).ok().and_then(|at| T::COLUMNS.get(at));
        let column = column.ok_or_else(|| Error::ModuleError(format!("there is no column {at}")))?;
        context.set_result((column.cell)(self.row()?, &self.snapshot))
    }

    fn rowid(&self) -> Result<i64> {
        Ok(T::rowid(self.row()?, &self.source.keys))
    }
}
