//! Users' tables as their users meet them: written anywhere, there everywhere, and whatever happens to an agent in the middle of it.

use crate::agents::{Agent, Cluster, SOON, eventually};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::fs;
use std::io::{Read, Seek, SeekFrom, Write};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

const SCHEMA: &str = "CREATE TABLE routes (path TEXT PRIMARY KEY, target TEXT, hits INTEGER NOT NULL DEFAULT 0); \
                      CREATE INDEX by_target ON routes (target)";

/// Agents with the table.
fn cluster(names: &[&str]) -> Cluster {
    let cluster = Cluster::of(names);
    cluster[0].schema(SCHEMA);
    cluster.agents().iter().for_each(|agent| agent.await_number("SELECT count(*) FROM routes", 0));
    cluster
}

fn insert(agent: &Agent, path: &str, ack: &str) -> u16 {
    let body = json!([["INSERT INTO routes (path, target) VALUES (?, ?)", [path, agent.name()]]]).to_string();
    agent.ask(&format!("POST /v1/transactions?ack={ack}"), &body).status
}

/// All rows, as every agent should have them.
fn rows(agent: &Agent) -> Vec<Value> {
    agent.sql("SELECT path, target, hits FROM routes ORDER BY path")
}

fn await_same(cluster: &Cluster) {
    eventually("all have the same rows", SOON, || {
        let all: Vec<_> = cluster.agents().iter().map(rows).collect();
        all.windows(2)
            .all(|pair| pair[0] == pair[1])
            .then_some(())
            .ok_or_else(|| format!("{:?} rows", all.iter().map(Vec::len).collect::<Vec<_>>()))
    });
}

#[test]
fn what_is_written_on_one_node_is_read_on_another_by_its_place() {
    let cluster = cluster(&["a", "b", "c"]);
    for number in 0..50 {
        let body = json!([["INSERT INTO routes (path) VALUES (?)", [format!("/{number}")]]]).to_string();
        let answer = cluster[number % 3].ask("POST /v1/transactions?ack=memory", &body).expect(&[200]).json();
        let place = answer["place"].as_str().expect("a place");
        // At once, on another node: it waits for what it has not seen.
        let question = json!(format!("SELECT count(*) FROM routes WHERE path = '/{number}'")).to_string();
        let read = cluster[(number + 1) % 3].ask(&format!("POST /v1/queries?after={place}"), &question).expect(&[200]);
        assert!(read.body.contains("{\"row\":[1,[1]]}"), "{}", read.body);
    }
    let never = format!("POST /v1/queries?timeout=0.3&after={:016x}-1-999", 7);
    let missing = cluster[0].ask(&never, "\"SELECT 1\"").expect(&[503]).json();
    assert!(
        missing["detail"].as_str().unwrap().contains("has not seen transaction 0000000000000007-1-999"),
        "{missing}"
    );
}

#[test]
fn a_write_waits_for_as_many_nodes_as_it_is_told() {
    let mut cluster = cluster(&["a", "b", "c"]);
    assert_eq!(insert(&cluster[0], "/three", "3"), 200);
    for node in 1..3 {
        assert_eq!(cluster[node].number("SELECT count(*) FROM routes"), 1, "it is there already");
    }
    cluster[2].kill();
    assert_eq!(insert(&cluster[0], "/two", "2"), 200);
    let body = json!(["DELETE FROM routes WHERE path = '/three'"]).to_string();
    let few = cluster[0].ask("POST /v1/transactions?ack=3&timeout=1", &body).expect(&[503]).json();
    assert!(few["detail"].as_str().unwrap().contains("only 2 of 3 nodes"), "{few}");
    assert_eq!(cluster[1].number("SELECT count(*) FROM routes"), 1, "it is made all the same");
}

/// Transactions of several clients share a commit; one that is refused once took others with it.
#[test]
fn a_transaction_that_is_refused_takes_no_other_with_it() {
    let cluster = cluster(&["a", "b"]);
    assert_eq!(insert(&cluster[0], "/taken", "durable"), 200);
    std::thread::scope(|scope| {
        for client in 0..8 {
            let agent = &cluster[0];
            scope.spawn(move || {
                for number in 0..60 {
                    // The first of its statements would do; the second is refused, and both are undone.
                    let (path, then) = (format!("/{client}/{number}"), number % 3 == client % 3);
                    let then = if then { "/taken".to_owned() } else { format!("{path}/then") };
                    let one = "INSERT INTO routes (path) VALUES (?)";
                    let body = json!([[one, [path]], [one, [then]]]).to_string();
                    let expected = if then == "/taken" { 422 } else { 200 };
                    agent.ask("POST /v1/transactions", &body).expect(&[expected]);
                }
            });
        }
    });
    await_same(&cluster);
    assert_eq!(cluster[1].number("SELECT count(*) FROM routes"), 1 + 8 * 40 * 2);
}

#[test]
fn whatever_was_acknowledged_survives_kill_9_in_the_middle_of_writing() {
    let mut cluster = cluster(&["a", "b"]);
    let mut acknowledged = Vec::new();
    for round in 0..8 {
        let (stop, done) = (AtomicBool::new(false), AtomicUsize::new(0));
        let known = std::thread::scope(|scope| {
            let writers: Vec<_> = (0..2)
                .map(|at| {
                    let (agent, stop, done) = (&cluster[at], &stop, &done);
                    scope.spawn(move || {
                        let mut known = Vec::new();
                        for number in 0.. {
                            let path = format!("/{round}/{at}/{number:04}");
                            if stop.load(Ordering::SeqCst) {
                                return known;
                            }
                            if insert(agent, &path, "durable") == 200 {
                                known.push(path);
                                done.fetch_add(1, Ordering::SeqCst);
                            }
                        }
                        known
                    })
                })
                .collect();
            eventually("both write", SOON, || (done.load(Ordering::SeqCst) > 20).then_some(()).ok_or("not yet".into()));
            stop.store(true, Ordering::SeqCst);
            writers.into_iter().flat_map(|writer| writer.join().expect("it writes")).collect::<Vec<String>>()
        });
        acknowledged.extend(known);
        // What is not awaited may be under way in any state.
        for number in 0..20 {
            insert(&cluster[0], &format!("/{round}/fire/{number}"), "memory");
        }
        cluster[0].kill();
        cluster[0].start();
    }
    await_same(&cluster);
    let all = rows(&cluster[0]);
    let paths: Vec<&str> = all.iter().filter_map(|row| row[0].as_str()).collect();
    for path in &acknowledged {
        assert!(paths.binary_search(&path.as_str()).is_ok(), "{path} was acknowledged and is gone");
    }
}

#[test]
fn nodes_that_write_the_same_rows_while_one_stands_still_agree() {
    let cluster = cluster(&["a", "b", "c"]);
    for number in 0..20 {
        insert(&cluster[0], &format!("/{number}"), "durable");
    }
    cluster.agents().iter().for_each(|agent| agent.await_number("SELECT count(*) FROM routes", 20));
    cluster[2].signal(Signal::STOP);
    for number in 0..20 {
        let agent = &cluster[number % 2];
        agent.sql(&format!("UPDATE routes SET hits = hits + {number}, target = '{}' WHERE path > '/1'", agent.name()));
        if number % 5 == 0 {
            agent.sql(&format!("DELETE FROM routes WHERE path = '/{number}'"));
        }
    }
    cluster[2].signal(Signal::CONT);
    cluster[2].sql("UPDATE routes SET target = 'c' WHERE path = '/7'");
    await_same(&cluster);
    assert_eq!(cluster[0].number("SELECT count(*) FROM routes"), 16);
}

#[test]
fn tables_that_are_damaged_are_set_aside_and_come_back_from_the_others() {
    let mut cluster = cluster(&["a", "b"]);
    for number in 0..2_000 {
        cluster[0].sql(&format!("INSERT INTO routes VALUES ('/{number}', '{}', {number})", "x".repeat(100)));
    }
    cluster[1].await_number("SELECT count(*) FROM routes", 2_000);
    assert!(cluster[0].terminate().success());
    let path = cluster[0].dir().join("tables.db");
    let mut file = fs::File::options().read(true).write(true).open(&path).expect("the database");
    // The page that says what tables there are.
    file.seek(SeekFrom::Start(100)).expect("a place");
    file.write_all(&[0xa5; 3_000]).expect("damage");
    drop(file);
    cluster[0].start();
    cluster[0].await_number("SELECT count(*) FROM routes", 2_000);
    await_same(&cluster);
    let aside: Vec<_> = fs::read_dir(cluster[0].dir())
        .expect("the data directory")
        .filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned()))
        .filter(|name| name.contains("damaged"))
        .collect();
    assert_eq!(aside.len(), 1, "{aside:?}");
    assert!(cluster[0].log().contains("set aside"), "and it says so");
    assert_eq!(insert(&cluster[0], "/after", "durable"), 200);
}

#[test]
fn another_program_may_read_the_file_while_the_agent_runs() {
    let cluster = cluster(&["a"]);
    insert(&cluster[0], "/a", "durable");
    let mut header = [0; 16];
    fs::File::open(cluster[0].dir().join("tables.db")).expect("the file").read_exact(&mut header).expect("its head");
    assert_eq!(&header, b"SQLite format 3\0");
    let Ok(said) = std::process::Command::new("sqlite3")
        .arg(cluster[0].dir().join("tables.db"))
        .arg("SELECT path FROM routes")
        .output()
    else {
        return println!("sqlite3 is not installed here; crates/tables/tests reads the file with the library");
    };
    assert_eq!(String::from_utf8_lossy(&said.stdout), "/a\n", "{}", String::from_utf8_lossy(&said.stderr));
    assert_eq!(insert(&cluster[0], "/b", "durable"), 200, "and the agent goes on");
}
