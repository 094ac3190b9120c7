//! Nodes that write to each other by hand.

use whither_model::sql::{Params, Statement, Stretches, Transaction, Value};
use whither_model::{Epoch, NodeId, Origin, Ranges, WallTime};
use whither_tables::{Applied, Done, Refused, Tables};

pub(crate) const SCHEMA: &str =
    "CREATE TABLE items (id TEXT PRIMARY KEY, name TEXT NOT NULL DEFAULT '', size INTEGER, note TEXT);
CREATE TABLE pairs (a INTEGER, b TEXT, x REAL, PRIMARY KEY (a, b));";

pub(crate) struct Node {
    pub(crate) tables: Tables,
    pub(crate) wall: u64,
}

impl Node {
    pub(crate) fn new(id: u64) -> Self {
        let me = Origin { node: NodeId::new(id).expect("not zero"), epoch: Epoch(1) };
        Self { tables: Tables::in_memory(me).expect("a database in memory"), wall: 1_700_000_000_000 }
    }

    /// With the schema that tests share.
    pub(crate) fn with_schema(id: u64) -> Self {
        let mut node = Self::new(id);
        node.schema(SCHEMA);
        node
    }

    pub(crate) fn schema(&mut self, sql: &str) -> Option<Transaction> {
        self.try_schema(sql).expect("a schema that is allowed")
    }

    pub(crate) fn try_schema(&mut self, sql: &str) -> Result<Option<Transaction>, String> {
        self.tables.begin().expect("begins");
        let outcome = self.tables.change_schema(WallTime(self.wall), sql);
        self.tables.commit().expect("commits");
        outcome.map(|change| change.transaction).map_err(|refused| refused.to_string())
    }

    pub(crate) fn try_run(&mut self, statements: &[Statement]) -> Result<Done, Refused> {
        self.tables.begin().expect("begins");
        let outcome = self.tables.transact(WallTime(self.wall), statements);
        if self.tables.is_open() {
            self.tables.commit().expect("commits");
        }
        outcome
    }

    /// One statement; what the others have to be told.
    pub(crate) fn run(&mut self, sql: &str) -> Option<Transaction> {
        self.try_run(&[Statement::plain(sql)]).unwrap_or_else(|refused| panic!("{sql}: {refused}")).transaction
    }

    pub(crate) fn run_with(&mut self, sql: &str, params: Vec<Value>) -> Option<Transaction> {
        let statement = Statement { sql: sql.into(), params: Params::Positional(params) };
        self.try_run(&[statement]).unwrap_or_else(|refused| panic!("{sql}: {refused}")).transaction
    }

    pub(crate) fn take(&mut self, transaction: &Transaction) -> Applied {
        self.tables.begin().expect("begins");
        let applied = self.tables.apply(WallTime(self.wall), transaction).expect("applies");
        self.tables.commit().expect("commits");
        applied
    }

    /// Gets what it lacks of what `other` has.
    pub(crate) fn mend_from(&mut self, other: &Self, bytes_max: usize) -> usize {
        let mut rounds = 0;
        loop {
            let missing = missing(self, other);
            if missing.is_empty() {
                return rounds;
            }
            let repair = other.tables.lacking(&missing, bytes_max).expect("reads");
            self.tables.begin().expect("begins");
            let applied =
                self.tables.mend(WallTime(self.wall), &repair.complete, &Vec::new(), &repair.body).expect("mends");
            self.tables.commit().expect("commits");
            assert!(matches!(applied, Applied::New), "progress: {applied:?}");
            rounds += 1;
        }
    }

    /// All rows of a question, as words.
    pub(crate) fn ask(&self, sql: &str) -> Vec<String> {
        let mut statement = self.tables.connection().prepare(sql).expect("a question");
        let width = statement.column_count();
        let rows = statement.query_map([], |row| {
            let cells: Vec<String> = (0..width)
                .map(|at| match row.get_ref(at)? {
                    rusqlite::types::ValueRef::Null => Ok("NULL".into()),
                    rusqlite::types::ValueRef::Integer(number) => Ok(number.to_string()),
                    rusqlite::types::ValueRef::Real(number) => Ok(format!("{number:?}")),
                    rusqlite::types::ValueRef::Text(text) => Ok(String::from_utf8_lossy(text).into_owned()),
                    rusqlite::types::ValueRef::Blob(bytes) => Ok(format!("{bytes:?}")),
                })
                .collect::<rusqlite::Result<_>>()?;
            Ok(cells.join("|"))
        });
        rows.expect("answers").collect::<Result<_, _>>().expect("rows")
    }

    /// All that is known, the schema included.
    pub(crate) fn listing(&self) -> Vec<String> {
        self.tables.listing().expect("readable")
    }

    /// All that is known of users' rows.
    pub(crate) fn rows(&self) -> Vec<String> {
        self.listing().into_iter().filter(|line| !line.starts_with("_whither_schema ")).collect()
    }
}

/// What `other` has seen and `node` has not.
fn missing(node: &Node, other: &Node) -> Stretches {
    let mine = node.tables.seen();
    let mut missing = Vec::new();
    for seen in other.tables.seen() {
        let own = mine.iter().find(|own| own.origin == seen.origin);
        let own = Ranges::from_untrusted(own.map_or(&[][..], |own| &own.ranges).iter().copied());
        let lacking = Ranges::from_untrusted(seen.ranges.iter().copied()).without(&own);
        if !lacking.is_empty() {
            missing.push((seen.origin, lacking));
        }
    }
    missing
}
