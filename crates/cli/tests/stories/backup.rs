//! What was backed up comes back: to a node, to a cluster of which nothing is left, and to one table of a cluster that runs.

use crate::agents::{Agent, Cluster, SOON, command, eventually, refused, succeeded};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

const SCHEMA: &str = "CREATE TABLE backends (name TEXT PRIMARY KEY, port INTEGER NOT NULL DEFAULT 0, note TEXT); \
                      CREATE INDEX backends_port ON backends (port); CREATE TABLE seen (id INTEGER PRIMARY KEY, at REAL)";
const COUNT: &str = "SELECT count(*) FROM backends";

/// Has `count` backends in the table, by one statement.
fn fill(agent: &Agent, count: usize) {
    agent.sql(&format!(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count}) \
         INSERT INTO backends SELECT 'web-' || i, i, NULL FROM n"
    ));
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path that is text")
}

fn back_up(agent: &Agent, to: PathBuf) -> PathBuf {
    let (out, err) = agent.tell(&["backup", text(&to)]);
    assert!(out.contains("backends") && err.contains("bytes"), "{out}{err}");
    to
}

fn restore_into(dir: &Path, file: &Path) -> (String, String) {
    let arguments = ["restore", text(file), "--data-dir", text(dir)];
    succeeded(&arguments, &command(&arguments).output().expect("the program runs"))
}

#[test]
fn a_backup_is_of_one_moment_while_two_clients_write() {
    let mut cluster = Cluster::of(&["a", "b"]);
    cluster[0].schema(SCHEMA);
    cluster[1].await_number(COUNT, 0);
    let (stop, written) = (AtomicBool::new(false), [AtomicI64::new(0), AtomicI64::new(0)]);
    let before_of = || [0, 1].map(|at: usize| written[at].load(Ordering::SeqCst));
    let (file, before, after) = std::thread::scope(|scope| {
        for (at, done) in written.iter().enumerate() {
            let (agent, stop) = (&cluster[at], &stop);
            scope.spawn(move || {
                for number in 1.. {
                    // Two rows in one transaction: a copy has both or none.
                    let values = format!("('{at}-{number}-x', {at}, NULL), ('{at}-{number}-y', {at}, NULL)");
                    agent.sql(&format!("INSERT INTO backends VALUES {values}"));
                    done.store(number, Ordering::SeqCst);
                    if stop.load(Ordering::SeqCst) {
                        break;
                    }
                }
            });
        }
        let done = eventually("both write", SOON, || {
            let done = before_of();
            (done[0] > 20 && done[1] > 20).then_some(done).ok_or_else(|| format!("{done:?}"))
        });
        let file = back_up(&cluster[0], cluster.scratch().join("tables.db"));
        let after = before_of();
        stop.store(true, Ordering::SeqCst);
        (file, done, after)
    });
    let dir = cluster.scratch().join("c");
    let (out, _) = restore_into(&dir, &file);
    assert!(out.contains("rows in 2 tables"), "{out}");
    // Alone: what it has is what was in the file.
    let mut alone = Agent::new("c", &dir, cluster.secret());
    alone.start();
    for (at, least) in before.iter().enumerate().take(1) {
        let rows = alone.number(&format!("SELECT count(*) FROM backends WHERE port = {at}"));
        assert!(
            rows >= 2 * least && rows <= 2 * (after[at] + 1) && rows % 2 == 0,
            "{rows} of {least} to {}",
            after[at]
        );
    }
    let halves = "SELECT count(*) FROM backends AS x WHERE name LIKE '%-x' AND NOT EXISTS \
                  (SELECT 1 FROM backends AS y WHERE y.name = replace(x.name, '-x', '-y'))";
    assert_eq!(alone.number(halves), 0);
    assert!(alone.terminate().success());
    // In the cluster, it gets what came after.
    alone.argue(&["--join", &cluster[0].peers().to_string()]);
    let third = cluster.add_agent(alone);
    cluster[third].start();
    let all: i64 = written.iter().map(|done| 2 * done.load(Ordering::SeqCst)).sum();
    cluster.agents().iter().for_each(|agent| agent.await_number(COUNT, all));
}

#[test]
fn a_node_that_is_restored_gets_what_was_written_since() {
    let mut cluster = Cluster::of(&["a", "b"]);
    cluster[0].schema(SCHEMA);
    fill(&cluster[0], 500);
    cluster[1].await_number(COUNT, 500);
    let file = back_up(&cluster[1], cluster.scratch().join("tables.db"));
    cluster[1].sql("INSERT INTO backends VALUES ('by itself', 9999, 'since')");
    cluster[0].sql("DELETE FROM backends WHERE port <= 100");
    cluster[0].await_number(COUNT, 401);
    let (code, said) = refused(command(&["restore", text(&file), "--data-dir"]).arg(cluster[1].dir()));
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("an agent runs on") && said.contains("--table NAME"), "{said}");
    cluster[1].kill();
    let (_, said) = restore_into(cluster[1].dir(), &file);
    assert!(said.contains("what was there before is") && said.contains("tables.db.before-restore-"), "{said}");
    cluster[1].start();
    cluster.agents().iter().for_each(|agent| agent.await_number(COUNT, 401));
    assert_eq!(cluster[1].number("SELECT count(*) FROM backends WHERE note = 'since'"), 1);
    // And it goes on writing where the others understand it.
    cluster[1].sql("UPDATE backends SET note = 'again' WHERE name = 'by itself'");
    cluster[0].await_number("SELECT count(*) FROM backends WHERE note = 'again'", 1);
}

#[test]
fn of_a_cluster_that_is_lost_everything_comes_back() {
    let mut cluster = Cluster::of(&["a", "b", "c"]);
    cluster[0].schema(SCHEMA);
    fill(&cluster[0], 2_000);
    cluster[1].await_number(COUNT, 2_000);
    cluster[1].sql("UPDATE backends SET note = 'by b' WHERE port % 10 = 0");
    cluster[2].await_number("SELECT count(*) FROM backends WHERE note = 'by b'", 200);
    cluster[2].sql("DELETE FROM backends WHERE port > 1500");
    cluster[2].sql("INSERT INTO seen VALUES (1, 0.1), (2, 9e999)");
    for agent in cluster.agents() {
        agent.await_number(COUNT, 1_500);
        agent.await_number("SELECT count(*) FROM seen", 2);
    }
    let file = back_up(&cluster[1], cluster.scratch().join("tables.db"));
    for at in 0..3 {
        cluster[at].kill();
        fs::remove_dir_all(cluster[at].dir()).expect("its data directory goes");
    }
    let (out, said) = restore_into(cluster[0].dir(), &file);
    assert!(out.contains("1502 rows in 2 tables") && said.contains("start the agent"), "{out}{said}");
    for at in 0..3 {
        cluster[at].start();
    }
    for agent in cluster.agents() {
        agent.await_number(COUNT, 1_500);
        agent.await_number("SELECT count(*) FROM backends WHERE note = 'by b'", 150);
        agent.await_number("SELECT count(*) FROM seen WHERE at = 0.1 OR at = 9e999", 2);
    }
    // What was deleted before stays so, and every one of them writes again.
    for at in 0..3 {
        cluster[at].sql(&format!("INSERT INTO backends VALUES ('new-{at}', 0, NULL)"));
        cluster[at].sql(&format!("UPDATE backends SET note = 'by {at}' WHERE name = 'web-{}'", at + 1));
    }
    for agent in cluster.agents() {
        agent.await_number("SELECT count(*) FROM backends WHERE name LIKE 'new-%' OR note LIKE 'by _' AND port < 4", 6);
        agent.await_number(COUNT, 1_503);
    }
}

#[test]
fn what_takes_many_answers_comes_back_to_nodes_that_have_nothing() {
    let mut cluster = Cluster::of(&["a"]);
    cluster[0].schema(SCHEMA);
    // Some megabytes, in several transactions: more than one node tells another at a time.
    for lot in 0..5 {
        cluster[0].sql(&format!(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000) \
             INSERT INTO backends SELECT '{lot}-' || i, i, hex(randomblob(500)) FROM n"
        ));
    }
    cluster[0].sql("DELETE FROM backends WHERE port > 900");
    // Whoever has nothing yet lacks no tombstone either, however little it has got so far.
    cluster[0].await_number("SELECT count(*) > 0 FROM _whither_origins WHERE collected > 0", 1);
    let file = back_up(&cluster[0], cluster.scratch().join("tables.db"));
    cluster[0].kill();
    fs::remove_dir_all(cluster[0].dir()).expect("its data directory goes");
    restore_into(cluster[0].dir(), &file);
    cluster[0].start();
    for name in ["b", "c"] {
        let newcomer = cluster.add(name);
        cluster[newcomer].start();
    }
    cluster.agents().iter().for_each(|agent| agent.await_number(COUNT, 4_500));
}

#[test]
fn one_table_comes_back_while_everybody_goes_on() {
    let cluster = Cluster::of(&["a", "b"]);
    cluster[0].schema(SCHEMA);
    fill(&cluster[0], 2_500);
    cluster[0].sql("INSERT INTO seen VALUES (1, 1.5)");
    let file = back_up(&cluster[0], cluster.scratch().join("tables.db"));
    // The wrong DELETE, and what others have written since.
    cluster[0].sql("DELETE FROM backends WHERE port > 10");
    cluster[0].sql("UPDATE backends SET note = 'since' WHERE port = 1");
    cluster[0].sql("INSERT INTO backends VALUES ('since', 0, NULL)");
    cluster[0].sql("DELETE FROM seen");
    cluster[1].await_number(COUNT, 11);
    let restore = |more: &[&str]| cluster[1].tell(&[&["restore", text(&file)], more].concat());
    let line = |out: &str| out.lines().find(|line| line.starts_with("backends")).unwrap_or_default().to_owned();
    let counts = |out: &str| line(out).split_whitespace().skip(1).map(str::to_owned).collect::<Vec<_>>();

    let (out, said) = restore(&["--table", "backends", "--dry-run"]);
    assert_eq!(counts(&out), ["2491", "1", "9", "0"], "{out}");
    assert!(said.contains("nothing was changed"), "{said}");
    cluster[0].await_number(COUNT, 11);

    let (out, _) = restore(&["--table", "backends", "--keep-newer"]);
    assert_eq!(counts(&out), ["2490", "0", "9", "2"], "{out}");
    cluster[0].await_number(COUNT, 2_501);
    assert_eq!(cluster[0].number("SELECT count(*) FROM backends WHERE note = 'since'"), 1);

    let (out, said) = restore(&["--table", "backends"]);
    assert_eq!(counts(&out), ["1", "1", "2499", "0"], "{out}");
    assert!(said.contains("restored at"), "{said}");
    cluster[0].await_number("SELECT count(*) FROM backends WHERE note IS NULL", 2_500);
    cluster[0].await_number(COUNT, 2_500);
    assert_eq!(cluster[0].number("SELECT count(*) FROM seen"), 0, "the other table is as it was");
    let (out, said) = restore(&["--table", "backends"]);
    assert_eq!(counts(&out), ["0", "0", "2500", "0"], "{out}");
    assert!(said.contains("there was nothing to change"), "{said}");
}

#[test]
fn a_table_that_was_dropped_is_made_anew() {
    let cluster = Cluster::of(&["a"]);
    cluster[0].schema(SCHEMA);
    fill(&cluster[0], 10);
    cluster[0].sql("INSERT INTO seen VALUES (7, 9e999)");
    let file = back_up(&cluster[0], cluster.scratch().join("tables.db"));
    cluster[0].schema("DROP TABLE backends; DROP TABLE seen");
    let (_, said) = cluster[0].tell(&["restore", text(&file), "--all"]);
    assert!(said.contains("backends was created") && said.contains("seen was created"), "{said}");
    assert_eq!(cluster[0].number(COUNT), 10);
    assert_eq!(cluster[0].number("SELECT id FROM seen WHERE at = 9e999"), 7);
    assert_eq!(cluster[0].number("SELECT count(*) FROM sqlite_schema WHERE name = 'backends_port'"), 1);
    // It is the table that the schema's file says, to the letter.
    cluster[0].schema(SCHEMA);
}

#[test]
fn what_is_no_backup_is_refused_and_nothing_is_changed() {
    let cluster = Cluster::of(&["a"]);
    cluster[0].schema(SCHEMA);
    let door = cluster[0].door();
    let file = back_up(&cluster[0], cluster.scratch().join("tables.db"));
    let (code, said) = refused(&mut command(&["backup", text(&file), "--agent", &door]));
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("exists already") && said.contains("--force"), "{said}");
    cluster[0].tell(&["backup", "--force", text(&file)]);

    let (code, said) = refused(&mut command(&["restore", text(&file), "--agent", &door]));
    assert!(code == 2 && said.contains("--data-dir DIR") && said.contains("--table NAME"), "{code}: {said}");
    let (code, said) = refused(&mut command(&["restore", text(&file), "--table", "bakends", "--agent", &door]));
    assert!(code == 2 && said.contains("has no table bakends; it has backends, seen"), "{code}: {said}");

    let dir = cluster.scratch().join("fresh");
    let half = cluster.scratch().join("half.db");
    let bytes = fs::read(&file).expect("the backup");
    fs::write(&half, &bytes[..bytes.len() / 2]).expect("half of it");
    for (wrong, why) in [(half, "half.db"), (cluster.secret().to_owned(), "no SQLite database")] {
        let (_, said) = refused(command(&["restore", text(&wrong), "--data-dir"]).arg(&dir));
        assert!(said.contains(why), "{said}");
        assert!(!dir.exists(), "nothing was made: {said}");
    }
    let other = cluster[0].dir().join("whither.db");
    let (_, said) = refused(command(&["restore", text(&other), "--data-dir"]).arg(&dir));
    assert!(!dir.exists() && said.contains("whither.db"), "{said}");
}
