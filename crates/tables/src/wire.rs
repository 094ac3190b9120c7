//! What travels of users' tables, as protobuf messages without a schema file: fields are only ever added. `docs/wire.md` is
//! the reference.
//!
//! Tables and columns go by name, so that whoever does not know one can keep what is said of it.

use prost::Message;

/// A transaction.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct TransactionWire {
    /// When it was made, by its author's hybrid clock.
    #[prost(fixed64, tag = "1")]
    pub(crate) stamp: u64,
    #[prost(message, repeated, tag = "2")]
    pub(crate) rows: Vec<RowsWire>,
}

/// Rows of one table of which the same columns are said.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct RowsWire {
    #[prost(string, tag = "1")]
    pub(crate) table: String,
    /// Those whose values each row gives.
    #[prost(string, repeated, tag = "2")]
    pub(crate) columns: Vec<String>,
    #[prost(message, repeated, tag = "3")]
    pub(crate) rows: Vec<RowWire>,
}

/// What is said of one row.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct RowWire {
    /// Its key's values.
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) key: Vec<u8>,
    /// Nothing, [`INSERTED`] or [`DELETED`].
    #[prost(uint32, tag = "2")]
    pub(crate) life: u32,
    /// The values of the columns, in order.
    #[prost(bytes = "vec", tag = "3")]
    pub(crate) cells: Vec<u8>,
    /// In a repair, who inserted or deleted it.
    #[prost(message, optional, tag = "4")]
    pub(crate) author: Option<AuthorWire>,
    /// Cells of other authors.
    #[prost(message, repeated, tag = "5")]
    pub(crate) others: Vec<CellWire>,
}

/// The row is there from now on.
pub(crate) const INSERTED: u32 = 1;
/// The row is gone.
pub(crate) const DELETED: u32 = 2;

/// A cell with its author.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct CellWire {
    #[prost(string, tag = "1")]
    pub(crate) column: String,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) value: Vec<u8>,
    #[prost(message, optional, tag = "3")]
    pub(crate) author: Option<AuthorWire>,
}

/// Who wrote something, when, and as which of its transactions.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct AuthorWire {
    #[prost(fixed64, tag = "1")]
    pub(crate) stamp: u64,
    #[prost(fixed64, tag = "2")]
    pub(crate) node: u64,
    #[prost(uint64, tag = "3")]
    pub(crate) epoch: u64,
    #[prost(uint64, tag = "4")]
    pub(crate) seq: u64,
}

/// What somebody lacked.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct RepairWire {
    #[prost(message, repeated, tag = "1")]
    pub(crate) rows: Vec<RowsWire>,
}
