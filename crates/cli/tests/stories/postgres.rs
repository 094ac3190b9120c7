//! PostgreSQL's own client against an agent.

use crate::agents::{Agent, Cluster, SOON, eventually};
use std::process::{Command, Output, Stdio};

/// Whether there is a psql here; in CI there has to be.
fn psql_is_here() -> bool {
    let found = Command::new("psql").arg("--version").stdout(Stdio::null()).status().is_ok();
    let in_ci = std::env::var("CI").is_ok_and(|value| !value.is_empty() && value != "false");
    assert!(found || !in_ci, "CI must have psql: install postgresql-client (Debian)");
    if !found {
        println!("nothing is asked: there is no psql on PATH");
    }
    found
}

fn psql(agent: &Agent, commands: &[&str]) -> Output {
    let port = agent.postgres().port().to_string();
    let mut run = Command::new("psql");
    run.args([
        "--no-psqlrc",
        "--no-align",
        "--tuples-only",
        "--host",
        "127.0.0.1",
        "--username",
        "anybody",
        "--port",
        &port,
    ]);
    run.args(["--dbname", "whither"]).env("PGCONNECT_TIMEOUT", "10").env("LC_ALL", "C");
    for command in commands {
        run.args(["--command", command]);
    }
    run.stdin(Stdio::null()).output().expect("psql runs")
}

/// What psql says, which must go well.
#[track_caller]
fn said(agent: &Agent, commands: &[&str]) -> String {
    let output = psql(agent, commands);
    assert!(output.status.success(), "{commands:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
}

#[test]
fn psql_writes_on_one_node_and_reads_on_another() {
    if !psql_is_here() {
        return;
    }
    let cluster = Cluster::of(&["a", "b"]);
    cluster[0].register("prod/recos", "r-1", r#"{"port":8080}"#);
    said(&cluster[0], &["CREATE TABLE apps (id TEXT PRIMARY KEY, service TEXT, weight INTEGER)"]);
    let insert =
        "BEGIN; INSERT INTO apps VALUES ('one', 'prod/recos', 1); INSERT INTO apps VALUES ('two', NULL, 2); COMMIT";
    said(&cluster[0], &[insert]);
    cluster[1].await_number("SELECT count(*) FROM apps", 2);
    let join = "SELECT a.id, i.port, a.weight + 1 FROM apps a JOIN instances i ON i.service = a.service";
    eventually("the catalog is there as well", SOON, || {
        let told = said(&cluster[1], &[join]);
        (told == "one|8080|2").then_some(()).ok_or(told)
    });
    assert_eq!(said(&cluster[1], &["SELECT id FROM apps WHERE service IS NULL; SELECT 'x'::text"]), "two\nx");
    let table = said(&cluster[1], &["\\pset tuples_only off", "\\d apps"]);
    for line in ["id|text||not null|", "weight|bigint|||", "\"apps_pkey\" PRIMARY KEY, btree (id)"] {
        assert!(table.contains(line), "{table}");
    }
    let tables = said(&cluster[1], &["\\dt"]);
    assert!(tables.contains("public|apps|table|") && !tables.contains("_whither"), "{tables}");
}

#[test]
fn psql_is_told_what_is_wrong_and_nothing_is_left_of_it() {
    if !psql_is_here() {
        return;
    }
    let cluster = Cluster::of(&["a"]);
    cluster[0].schema("CREATE TABLE apps (id TEXT PRIMARY KEY)");
    let refused = |command: &str| {
        let output = psql(&cluster[0], &[command]);
        assert!(!output.status.success(), "{command} should have been refused");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    for (command, reason) in [
        ("SELECT * FROM nope", "no such table: nope"),
        ("SELEKT 1", "\"SELEKT\" begins no statement that is known here"),
        ("INSERT INTO apps VALUES (NULL)", "NOT NULL constraint failed: apps.id"),
        (
            "BEGIN; INSERT INTO apps VALUES ('a'); INSERT INTO apps VALUES ('a'); COMMIT",
            "UNIQUE constraint failed: apps.id",
        ),
        ("CREATE TABLE t (a TEXT UNIQUE)", "leave UNIQUE out"),
        ("COPY apps FROM STDIN", "COPY"),
    ] {
        let told = refused(command);
        assert!(told.contains(reason), "{command}: {told}");
    }
    assert_eq!(cluster[0].number("SELECT count(*) FROM apps"), 0);
}
