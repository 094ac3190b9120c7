//! Users' tables: rows per second until they are on all three nodes, from a write to what watchers elsewhere are told, what rows
//! cost in memory and on disk, a newcomer that catches up, and a new column.
//!
//! The limit of the rows per second is SQLite itself: as many bare databases, with the same table and as many rows per commit as the
//! clients can have on their way, written side by side on this machine and nothing else.
//!
//! The peer is Corrosion, three nodes on loopback of a machine with two cores; its measurement is not repeated here.

mod watchers;

use super::Benchmark;
use crate::cluster::Cluster;
use crate::http_client::{Connection, request};
use crate::http_load::{Extent, drive, lanes};
use crate::limit::sqlite;
use crate::proc_stat;
use crate::report::{Measure, Report};
use crate::setup::Setup;
use anyhow::{Context, Result, bail};
use serde::Deserialize;
use std::fmt::Write;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// What this file measures.
pub(super) const BENCHMARK: Benchmark = Benchmark {
    name: "tables",
    about: "users' tables on three nodes: rows/s until on all, write to event elsewhere, memory, disk, catching up, a new column",
    run,
};

/// Rows of a service each, as a rival's users have them.
const SCHEMA: &str = "CREATE TABLE services (id TEXT PRIMARY KEY, app TEXT, region TEXT, ip TEXT, port INTEGER, state TEXT, \
                      weight INTEGER, version TEXT, updated_at INTEGER); CREATE INDEX by_app ON services (app)";
const INSERT: &str = "INSERT INTO services VALUES (?,?,?,?,?,?,?,?,?)";
/// Rows that are written one per transaction, and a hundred per transaction; and how many the peer writes in a second.
const ROWS: [(usize, usize, f64); 2] = [(20_000, 1, 503.0), (100_000, 100, 1_257.0)];
/// Connections that write.
const CLIENTS: usize = 16;
/// Rows of a table that gets a new column.
const WIDE_ROWS: usize = 1_000_000;
/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(180);

fn run(setup: &Setup, report: &mut Report) -> Result<()> {
    let mut cluster = Cluster::start(setup, 3)?;
    schema(&cluster, SCHEMA)?;
    let mut rows = 0;
    for (all, together, peer) in ROWS {
        let fresh = setup.n_or(all) / together * together;
        let took = write(&cluster, rows, fresh, together)?;
        rows += fresh;
        let rate = fresh as f64 / took.as_secs_f64();
        let name = format!("rows/s until on all three, {together} per transaction, {CLIENTS} clients");
        let limit = bare(setup, fresh, together * CLIENTS)?;
        report.add(Measure::higher(name, rate, "1/s", fresh as u64).against(limit).beside(peer));
    }
    cost(&cluster, rows, report)?;
    join(&mut cluster, rows, report)?;
    cluster.agents.truncate(3);
    new_column(&cluster, setup.n_or(WIDE_ROWS), report)?;
    drop(cluster);
    let cluster = Cluster::start(setup, 3)?;
    schema(&cluster, SCHEMA)?;
    watchers::measure(&cluster, setup, report)
}

/// What SQLite alone does with the same rows.
fn bare(setup: &Setup, rows: usize, together: usize) -> Result<f64> {
    let row = |row| {
        let (app, port) = (row % 1_000, 8_000 + row as i64 % 100);
        let text = |text: &str| text.to_owned().into();
        let (id, app) = (format!("app-{app}-{row:08}"), format!("app-{app}"));
        let (region, ip, state, version) = (text("fra"), text("10.20.30.40"), text("passing"), text("2024.10.1"));
        vec![id.into(), app.into(), region, ip, port.into(), state, 1.into(), version, 1_700_000_000.into()]
    };
    sqlite::rows_per_second(&setup.dir, 3, sqlite::Load { schema: SCHEMA, insert: INSERT, row, rows, together })
}

/// Changes the schema at the first node, and waits until all have it.
pub(super) fn schema(cluster: &Cluster, sql: &str) -> Result<()> {
    let body = serde_json::json!({ "sql": sql }).to_string();
    let answer = Connection::open(cluster.agents[0].http)?.exchange(&request("POST", "/v1/schema", &body))?.to_vec();
    anyhow::ensure!(answer.starts_with(b"{\"steps\""), "the schema was refused: {}", String::from_utf8_lossy(&answer));
    let tables = "SELECT count(*) FROM _whither_schema";
    let wanted = ask(cluster.agents[0].http, tables)?;
    cluster.agents.iter().try_for_each(|agent| await_number(agent.http, tables, wanted))
}

/// Writes `fresh` rows from `first` on. Returns how long it took until all nodes had them.
fn write(cluster: &Cluster, first: usize, fresh: usize, together: usize) -> Result<Duration> {
    let transactions = (0..fresh / together).map(|at| {
        let rows = (0..together).map(|row| first + at * together + row);
        request("POST", "/v1/transactions", &inserts(rows))
    });
    let all = lanes(cluster.agents[0].http, transactions, CLIENTS, 1);
    let load = drive(&all, Extent::Once)?;
    cluster.agents.iter().try_for_each(|agent| await_count(agent.http, "services", first + fresh))?;
    Ok(load.began.elapsed())
}

/// A transaction's body that inserts these rows.
fn inserts(rows: impl Iterator<Item = usize>) -> String {
    let mut body = String::from("[");
    for row in rows {
        if body.len() > 1 {
            body.push(',');
        }
        let (app, port) = (row % 1_000, 8_000 + row % 100);
        let _ = write!(
            body,
            "[\"{INSERT}\",[\"app-{app}-{row:08}\",\"app-{app}\",\"fra\",\"10.20.30.40\",{port},\
             \"passing\",1,\"2024.10.1\",1700000000]]"
        );
    }
    body.push(']');
    body
}

/// What the rows cost on each node.
fn cost(cluster: &Cluster, rows: usize, report: &mut Report) -> Result<()> {
    #[derive(Deserialize)]
    struct Tables {
        tables: Vec<Table>,
    }
    #[derive(Deserialize)]
    struct Table {
        bytes: u64,
    }
    let agent = &cluster.agents[1];
    let answer = Connection::open(agent.http)?.exchange(&request("GET", "/v1/tables", ""))?.to_vec();
    let told: Tables = serde_json::from_slice(&answer).context("what /v1/tables says")?;
    let own: u64 = told.tables.iter().map(|table| table.bytes).sum();
    let file = std::fs::metadata(agent.data_dir.join("tables.db"))?.len();
    let per = 100_000.0 / rows as f64 / 1e6;
    report.add(Measure::lower("disk per 100 000 rows, all of it", file as f64 * per, "MB", rows as u64).beside(100.0));
    report.add(Measure::lower("disk per 100 000 rows, the table and its indexes", own as f64 * per, "MB", rows as u64));
    let memory = proc_stat::Memory::of(agent.pid())?.resident;
    report.add(
        Measure::lower("resident memory of a node with them", memory as f64 / 1e6, "MB", rows as u64).beside(272.0),
    );
    Ok(())
}

/// A node with nothing joins.
fn join(cluster: &mut Cluster, rows: usize, report: &mut Report) -> Result<()> {
    let (http, started) = {
        let agent = cluster.add()?;
        (agent.http, agent.started)
    };
    await_table(http)?;
    await_count(http, "services", rows)?;
    let took = started.elapsed().as_secs_f64();
    report.add(Measure::lower("a new node has all rows, from its exec", took, "s", rows as u64).beside(44.0));
    Ok(())
}

/// Adds a column to a table with many rows.
fn new_column(cluster: &Cluster, rows: usize, report: &mut Report) -> Result<()> {
    schema(cluster, "CREATE TABLE wide (id INTEGER PRIMARY KEY, text TEXT)")?;
    const TOGETHER: usize = 10_000;
    let mut connection = Connection::open(cluster.agents[0].http)?;
    for first in (0..rows).step_by(TOGETHER) {
        let last = rows.min(first + TOGETHER) - 1;
        let insert = format!(
            "[\"INSERT INTO wide WITH RECURSIVE n(x) AS (SELECT {first} UNION ALL SELECT x + 1 FROM n WHERE x < {last}) \
             SELECT x, 'some text of row ' || x FROM n\"]"
        );
        let answer = connection.exchange(&request("POST", "/v1/transactions?ack=memory", &insert))?;
        anyhow::ensure!(answer.starts_with(b"{\"results\""), "refused: {}", String::from_utf8_lossy(answer));
    }
    cluster.agents.iter().try_for_each(|agent| await_numbered(agent.http, "wide", rows))?;
    std::thread::sleep(Duration::from_secs(2));
    let before = sent(cluster)?;
    let began = Instant::now();
    schema(cluster, "ALTER TABLE wide ADD COLUMN note TEXT")?;
    let took = began.elapsed();
    report.add(Measure::lower(
        format!("a new column on {rows} rows, until all have it"),
        took.as_secs_f64() * 1e3,
        "ms",
        1,
    ));
    let bytes = sent(cluster)?.saturating_sub(before);
    report.add(Measure::lower("bytes on the wire meanwhile, all nodes", bytes as f64, "B", 1));
    Ok(())
}

/// Bytes that all nodes have sent to each other.
fn sent(cluster: &Cluster) -> Result<u64> {
    let mut all = 0;
    for agent in &cluster.agents {
        let text = Connection::open(agent.http)?.exchange(&request("GET", "/metrics", ""))?.to_vec();
        let text = String::from_utf8_lossy(&text).into_owned();
        let line = text.lines().find(|line| line.starts_with("whither_peer_bytes_sent_total"));
        let value = line.and_then(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
        all += value.context("the metrics say how many bytes were sent")? as u64;
    }
    Ok(all)
}

/// The one number that a question answers: asked as a transaction, whose answer says how long it is.
fn ask(http: SocketAddr, sql: &str) -> Result<usize> {
    let body = serde_json::json!([sql]).to_string();
    let answer = Connection::open(http)?.exchange(&request("POST", "/v1/transactions", &body))?.to_vec();
    let text = String::from_utf8_lossy(&answer).into_owned();
    let row = text.split_once("\"rows\":[[").and_then(|(_, rest)| rest.split_once(']'));
    let (row, _) = row.with_context(|| format!("no number: {text}"))?;
    row.parse().with_context(|| format!("{row:?} is no number"))
}

fn await_number(http: SocketAddr, sql: &str, wanted: usize) -> Result<()> {
    let until = Instant::now() + PATIENCE;
    loop {
        let found = ask(http, sql)?;
        if found >= wanted {
            return Ok(());
        }
        if Instant::now() > until {
            bail!("after {PATIENCE:?} {sql} answers {found}, not {wanted}");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn await_count(http: SocketAddr, table: &str, wanted: usize) -> Result<()> {
    await_number(http, &format!("SELECT count(*) FROM {table}"), wanted)
}

/// Rows of a table whose keys are numbers from 0 on.
fn await_numbered(http: SocketAddr, table: &str, wanted: usize) -> Result<()> {
    await_number(http, &format!("SELECT coalesce(max(id) + 1, 0) FROM {table}"), wanted)
}

fn await_table(http: SocketAddr) -> Result<()> {
    await_number(http, "SELECT count(*) FROM sqlite_schema WHERE name = 'services'", 1)
}
