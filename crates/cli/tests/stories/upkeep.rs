//! What an agent does for tables by itself: scheduled backups, and schema files.

use crate::agents::{Agent, Cluster, SOON, command, eventually, succeeded};
use rustix::process::Signal;
use std::fs;
use std::path::{Path, PathBuf};

fn backups(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten();
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    found.retain(|path| path.extension().is_some_and(|extension| extension == "db"));
    found.sort();
    found
}

fn tables_problem(agent: &Agent) -> Option<String> {
    agent.get("/v1/status").expect(&[200]).json()["tables"].as_str().map(str::to_owned)
}

#[test]
fn backups_are_made_and_the_oldest_go() {
    let mut cluster = Cluster::empty();
    let dir = cluster.scratch().join("backups");
    let a = cluster.add("a");
    cluster[a].argue(&["--tables-backup-dir", dir.to_str().expect("text"), "--tables-backup-every", "1s"]);
    cluster[a].argue(&["--tables-backups-kept", "2"]);
    cluster[a].start();
    cluster[a].schema("CREATE TABLE t (a TEXT PRIMARY KEY)");
    cluster[a].sql("INSERT INTO t VALUES ('x')");
    let first = eventually("a backup", SOON, || backups(&dir).first().cloned().ok_or_else(String::new));
    eventually("the first goes, two stay", SOON, || {
        let all = backups(&dir);
        (!all.contains(&first) && all.len() == 2).then_some(()).ok_or_else(|| format!("{all:?}"))
    });
    assert_eq!(tables_problem(&cluster[a]), None);
    assert!(cluster[a].terminate().success());
    let newest = backups(&dir).pop().expect("a backup");
    let restored = cluster.scratch().join("restored");
    let arguments = ["restore", newest.to_str().expect("text"), "--data-dir", restored.to_str().expect("text")];
    let (out, _) = succeeded(&arguments, &command(&arguments).output().expect("the program runs"));
    assert!(out.contains("1 row in 1 table"), "{out}");

    // Somebody is in the way, and then is not.
    fs::remove_dir_all(&dir).expect("the backups go");
    fs::write(&dir, "a file").expect("a file in its place");
    cluster[a].start();
    let problem = eventually("it says so", SOON, || tables_problem(&cluster[a]).ok_or_else(String::new));
    assert!(problem.contains("not backed up") && problem.contains("backups"), "{problem}");
    let (out, _) = cluster[a].tell(&["status"]);
    assert!(out.contains("not backed up"), "{out}");
    fs::remove_file(&dir).expect("it goes");
    eventually("it recovers by itself", SOON, || tables_problem(&cluster[a]).map_or(Ok(()), Err));
}

#[test]
fn schema_files_are_applied_at_the_start_and_on_sighup() {
    let mut cluster = Cluster::empty();
    let dir = cluster.scratch().join("schema");
    fs::create_dir(&dir).expect("a directory");
    fs::write(dir.join("1.sql"), "CREATE TABLE first (a TEXT PRIMARY KEY);\n").expect("a file");
    fs::write(dir.join("2.sql"), "CREATE INDEX first_b ON first (b);\n").expect("a file");
    let a = cluster.add("a");
    cluster[a].argue(&["--tables-schema", dir.to_str().expect("text")]);
    cluster[a].start();
    let problem = tables_problem(&cluster[a]).expect("the index is of a column that is not there");
    assert!(problem.contains("2.sql:1: no such column: b"), "{problem}");
    assert!(cluster[a].log().contains("2.sql:1: "), "{}", cluster[a].log());

    fs::write(dir.join("1.sql"), "CREATE TABLE first (a TEXT PRIMARY KEY, b TEXT);\n").expect("a file");
    cluster[a].signal(Signal::HUP);
    cluster[a].await_number("SELECT count(*) FROM sqlite_schema WHERE name = 'first_b'", 1);
    eventually("the problem is gone", SOON, || tables_problem(&cluster[a]).map_or(Ok(()), Err));
    cluster[a].sql("INSERT INTO first VALUES ('x', 'y')");

    // Applied before it says that it serves, and what is so already is not changed.
    assert!(cluster[a].terminate().success());
    fs::write(dir.join("3.sql"), "CREATE TABLE third (a TEXT PRIMARY KEY)").expect("a file");
    cluster[a].start();
    cluster[a].sql("INSERT INTO third VALUES ('x')");
    assert_eq!(cluster[a].number("SELECT count(*) FROM first"), 1);
    // Another node needs no files.
    let b = cluster.add("b");
    cluster[b].start();
    cluster[b].await_number("SELECT count(*) FROM third", 1);
}
