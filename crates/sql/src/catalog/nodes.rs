//! `nodes` and `members`: one row for each node that is known, as the catalog shows it and as membership believes it to be.

use super::Snapshot;
use super::cell::{count, flag, millis, natural, shown, text};
use super::instances::node_ids;
use super::table::{CatalogTable, Column, Effort, KEYS_MAX, Size, Wanted};
use std::hash::RandomState;
use std::sync::Arc;
use whither_directory::NodeView;
use whither_model::Member;

type Row = Arc<NodeView>;

const ID: Column<Row> = Column::text("id", |node, _| shown(node.member.id));
const NAME: Column<Row> = Column::text("name", |node, _| text(node.member.name.as_str()));
const ADDRESS: Column<Row> = Column::text("address", |node, _| shown(node.member.address));
const STATE: Column<Row> = Column::text("state", |node, _| text(node.member.state.as_str()));
const STATUS: Column<Row> = Column::text("status", |node, _| text(status(&node.member)));
const VOUCHES: Column<Row> = Column::integer("vouches", |node, _| flag(node.member.vouches));
const HELD: Column<Row> = Column::integer("held", |node, _| flag(node.member.held));
const MAINTENANCE: Column<Row> = Column::integer("maintenance", |node, _| flag(node.member.maintenance));
const ZONE: Column<Row> = Column::text("zone", |node, _| text(&node.member.zone));
const REGION: Column<Row> = Column::text("region", |node, _| text(&node.member.region));
const EPOCH: Column<Row> = Column::integer("epoch", |node, _| natural(node.member.epoch.0));
const SOFTWARE: Column<Row> = Column::text("software", |node, _| text(&node.member.software));
/// The one column that is not of the moment of the view: a count of now.
const INSTANCES: Column<Row> = Column::integer("instances", |node, _| count(node.instances()));
const AGE: Column<Row> = Column::integer("age_ms", |node, snapshot| millis(snapshot.age_of(node.member.id)));
const SELF: Column<Row> = Column::integer("self", |node, snapshot| flag(node.member.id == snapshot.own));

/// What a node's instances can expect of it: what an operator or a guard says, and else what membership believes.
fn status(member: &Member) -> &'static str {
    match member {
        Member { maintenance: true, .. } => "maintenance",
        Member { held: true, .. } => "held",
        Member { state, .. } => state.as_str(),
    }
}

/// The nodes as the catalog shows them.
pub(super) enum Nodes {}

impl CatalogTable for Nodes {
    type Row = Row;

    const NAME: &'static str = "nodes";
    const COLUMNS: &'static [Column<Row>] =
        &[ID, NAME, ADDRESS, STATE, STATUS, ZONE, REGION, EPOCH, SOFTWARE, INSTANCES, MAINTENANCE, HELD, AGE, SELF];
    const KEYS: &'static [&'static str] = NODE_KEYS;

    fn effort(size: Size, given: [bool; KEYS_MAX]) -> Effort {
        effort(size, given)
    }

    fn rows(snapshot: &Snapshot, wanted: Wanted) -> Box<dyn Iterator<Item = Row>> {
        rows(snapshot, wanted)
    }

    fn rowid(node: &Row, _keys: &RandomState) -> i64 {
        rowid(node)
    }
}

/// The nodes as membership believes them to be.
pub(super) enum Members {}

impl CatalogTable for Members {
    type Row = Row;

    const NAME: &'static str = "members";
    const COLUMNS: &'static [Column<Row>] =
        &[ID, NAME, ADDRESS, EPOCH, STATE, VOUCHES, HELD, ZONE, REGION, SOFTWARE, INSTANCES, AGE];
    const KEYS: &'static [&'static str] = NODE_KEYS;

    fn effort(size: Size, given: [bool; KEYS_MAX]) -> Effort {
        effort(size, given)
    }

    fn rows(snapshot: &Snapshot, wanted: Wanted) -> Box<dyn Iterator<Item = Row>> {
        rows(snapshot, wanted)
    }

    fn rowid(node: &Row, _keys: &RandomState) -> i64 {
        rowid(node)
    }
}

const NODE_KEYS: &[&str] = &["id", "name"];

fn effort(size: Size, [id, name, _]: [bool; KEYS_MAX]) -> Effort {
    Effort {
        looked_at: if id { 1.0 } else { size.nodes },
        // Nothing prevents two nodes from being called the same, but few are.
        rows: if id || name { 1.0 } else { size.nodes },
    }
}

fn rows(snapshot: &Snapshot, mut wanted: Wanted) -> Box<dyn Iterator<Item = Row>> {
    let nodes: Vec<Row> = match wanted.key(0) {
        Some(texts) => node_ids(&texts).into_iter().filter_map(|id| snapshot.view.node(id)).cloned().collect(),
        None => snapshot.view.nodes().to_vec(),
    };
    let names = wanted.key(1);
    let is_wanted = move |node: &Row| {
        let name = node.member.name.as_str();
        names.as_ref().is_none_or(|names| names.iter().any(|wanted| **wanted == *name))
    };
    Box::new(nodes.into_iter().filter(is_wanted))
}

fn rowid(node: &Row) -> i64 {
    node.member.id.get().cast_signed()
}
