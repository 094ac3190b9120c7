mod columns;
mod lookups;
mod statements;

use super::{Pinned, install};
use rusqlite::types::Value;
use rusqlite::{Connection, Params};
use std::cell::Cell;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use whither_directory::{Clock, Directory, Identity, Publisher};
use whither_model::{
    Came, Delta, Epoch, Instance, Member, MemberState, NodeId, Registration, ServiceName, Version, WallTime,
};

thread_local! {
    static VISITED: Cell<usize> = const { Cell::new(0) };
}

/// A cursor moved, onto a row or to the end.
pub(super) fn visited(row: bool) {
    VISITED.set(VISITED.get() + usize::from(row));
}

/// How many rows of the catalog SQLite was given while it did `this`.
fn counting<T>(this: impl FnOnce() -> T) -> (T, usize) {
    VISITED.set(0);
    let outcome = this();
    (outcome, VISITED.get())
}

fn node(n: u64) -> NodeId {
    NodeId::new(n).unwrap()
}

/// A node's catalog, and a connection that sees it.
struct World {
    directory: Arc<Directory>,
    publisher: Publisher,
    clock: Clock,
    pinned: Pinned,
    conn: Connection,
}

impl World {
    /// Node 1, called `a`, which knows itself and node 2, called `b`.
    fn new() -> Self {
        let clock = Clock::manual();
        let identity = Identity {
            node: node(1),
            epoch: Epoch(3),
            name: "a".parse().unwrap(),
            advertise: "127.0.0.1:7600".parse().unwrap(),
            zone: "z1".into(),
            region: Box::default(),
            software: "test".into(),
        };
        let (directory, _queue) = Directory::new(identity, clock.clone());
        let publisher = Publisher::new(Arc::clone(&directory));
        let (pinned, conn) = (Pinned::default(), Connection::open_in_memory().unwrap());
        install(&conn, &pinned).unwrap();
        let mut world = Self { directory, publisher, clock, pinned, conn };
        world.member(1, "a", |_| ());
        world.member(2, "b", |_| ());
        world
    }

    fn member(&mut self, id: u64, name: &str, change: impl FnOnce(&mut Member)) {
        let mut member = Member {
            id: node(id),
            name: Arc::new(name.parse().unwrap()),
            address: format!("10.0.0.{}:7600", id % 256).parse().unwrap(),
            epoch: Epoch(id + 10),
            state: MemberState::Alive,
            vouches: true,
            held: false,
            maintenance: false,
            zone: "z1".into(),
            region: "eu".into(),
            software: "0.1.0".into(),
        };
        change(&mut member);
        self.publisher.apply(Delta::Member(member));
        self.show();
    }

    fn register(&mut self, owner: u64, service: &str, id: &str, change: impl FnOnce(&mut Registration)) {
        self.stage(owner, service, id, change);
        self.show();
    }

    /// As [`World::register`], to be shown later.
    fn stage(&mut self, owner: u64, service: &str, id: &str, change: impl FnOnce(&mut Registration)) {
        let service: ServiceName = service.parse().unwrap();
        let mut registration = Registration::new(service, id.parse().unwrap(), IpAddr::V4(Ipv4Addr::new(10, 0, 0, 7)));
        change(&mut registration);
        self.publisher.apply(Delta::Instance(Arc::new(Instance {
            registration,
            share: 100,
            leaving: false,
            came: Came::Own,
            owner: node(owner),
            version: Version::default(),
            claimed_at: WallTime(0),
            changed_at: WallTime(1_500),
        })));
    }

    fn remove(&mut self, owner: u64, service: &str, id: &str) {
        let (service, id) = (service.parse().unwrap(), id.parse().unwrap());
        self.publisher.apply(Delta::InstanceGone { service, id, owner: node(owner) });
        self.show();
    }

    /// Shows what was applied, to the connection as well.
    fn show(&mut self) {
        self.publisher.publish();
        self.pin();
    }

    fn pin(&self) {
        self.pinned.pin(&self.directory);
    }

    /// The rows of an answer, in the order in which they come, each as one text.
    fn ask(&self, sql: &str) -> Vec<String> {
        self.ask_with(sql, [])
    }

    fn ask_with(&self, sql: &str, params: impl Params) -> Vec<String> {
        let mut prepared = self.conn.prepare(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
        let width = prepared.column_count();
        let rows = prepared.query_map(params, |row| {
            let cells: rusqlite::Result<Vec<String>> = (0..width).map(|at| Ok(told(&row.get(at)?))).collect();
            Ok(cells?.join(" | "))
        });
        rows.unwrap().collect::<rusqlite::Result<_>>().unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// As [`World::ask`], sorted.
    fn sorted(&self, sql: &str) -> Vec<String> {
        let mut rows = self.ask(sql);
        rows.sort_unstable();
        rows
    }

    /// How SQLite goes about it.
    fn plan(&self, sql: &str) -> String {
        let mut prepared = self.conn.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let rows = prepared.query_map([], |row| row.get::<_, String>(3)).unwrap();
        rows.collect::<rusqlite::Result<Vec<_>>>().unwrap().join("; ")
    }
}

fn told(value: &Value) -> String {
    match value {
        Value::Null => "NULL".into(),
        Value::Integer(number) => number.to_string(),
        Value::Real(number) => format!("{number:?}"),
        Value::Text(text) => format!("'{text}'"),
        Value::Blob(bytes) => format!("x'{bytes:02x?}'"),
    }
}
