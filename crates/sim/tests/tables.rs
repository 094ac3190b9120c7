//! Users' tables through any trouble that a seed can make: whatever was written wherever, all nodes end up with the same.

use std::time::Duration;
use whither_model::Origin;
use whither_model::sql::{Params, Statement, Value};
use whither_sim::{Asks, Setup, World, checkers, workload};

const SCHEMA: &str = "CREATE TABLE services (id TEXT PRIMARY KEY, app TEXT NOT NULL DEFAULT '', state TEXT, weight INTEGER);
CREATE TABLE routes (path TEXT, zone TEXT, target TEXT, PRIMARY KEY (path, zone)); CREATE INDEX by_app ON services (app);";

fn seeds() -> std::ops::Range<u64> {
    let number =
        |name: &str, otherwise| std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise);
    let first = number("SEED", 0);
    first..first + number("SEEDS", 40)
}

fn world(seed: u64, nodes: usize) -> World {
    println!("seed {seed}: SEED={seed} SEEDS=1 cargo test -p whither-sim --test tables");
    let mut world = World::new(Setup { tables: true, ..Setup::new(seed, nodes) });
    world.run_for(Duration::from_secs(2));
    world
}

fn run(world: &mut World, node: usize, sql: &str) -> usize {
    world.transact(node, Asks::Run(vec![Statement::plain(sql)]))
}

fn schema(world: &mut World, node: usize, sql: &str) -> usize {
    world.transact(node, Asks::Schema(sql.into()))
}

/// What was written; fails if it was refused.
fn written(world: &World, at: usize) -> Origin {
    match &world.transacted()[at].answer {
        Some((_, Ok(Some(transaction)))) => transaction.origin,
        other => panic!("{:?}: {other:?}", world.transacted()[at].asks),
    }
}

fn count(world: &World, node: usize, sql: &str) -> i64 {
    let tables = world.tables(node).expect("it has tables");
    tables.connection().query_row(sql, [], |row| row.get(0)).unwrap_or_else(|error| panic!("n{node}: {error}"))
}

/// Writes something to some node, as chance will have it: now and then a change of the schema.
fn write(world: &mut World) {
    let size = world.size();
    let node = world.random().below(size);
    let (id, number) = (world.random().below(8), world.random().below(1_000));
    let (what, other) = (world.random().below(20), world.random().below(8));
    let sql = match what {
        0..6 => format!(
            "INSERT INTO services (id, app, weight) VALUES ('s{id}', 'a{other}', {number}) \
             ON CONFLICT DO UPDATE SET weight = excluded.weight"
        ),
        6..10 => format!("UPDATE services SET state = 'x{number}' WHERE id = 's{id}'"),
        10..12 => format!("DELETE FROM services WHERE id = 's{id}'"),
        12..14 => format!("UPDATE services SET weight = weight + 1 WHERE id > 's{id}'"),
        14..17 => format!("INSERT OR REPLACE INTO routes VALUES ('/{id}', 'z{other}', 't{number}')"),
        17 => format!("DELETE FROM routes WHERE path = '/{id}'"),
        18 => {
            // Two nodes may add it at once, with what they add later to others' knowledge.
            schema(world, node, &format!("ALTER TABLE services ADD COLUMN extra{} TEXT", id % 3));
            return;
        }
        _ => format!("UPDATE services SET extra{} = '{number}' WHERE id = 's{other}'", id % 3),
    };
    run(world, node, &sql);
}

fn live(seed: u64, nodes: usize, rounds: usize) -> World {
    let mut world = world(seed, nodes);
    schema(&mut world, 0, SCHEMA);
    world.run_for(Duration::from_secs(1));
    for _ in 0..rounds {
        for _ in 0..6 {
            write(&mut world);
            let pause = world.random().below(30_000) as u64;
            world.run_for(Duration::from_micros(pause));
        }
        workload::live_on(&mut world, 2);
    }
    workload::settle(&mut world);
    checkers::tables_converged(&world);
    let done = world.transacted().iter().filter(|told| matches!(told.answer, Some((_, Ok(Some(_)))))).count();
    assert!(done > rounds, "something was written: {done}");
    world
}

#[test]
fn any_seed_converges() {
    seeds().for_each(|seed| drop(live(seed, 5, 12)));
}

#[test]
fn larger_clusters_converge() {
    seeds().take(2).for_each(|seed| drop(live(seed, 20, 8)));
}

#[test]
fn the_same_seed_twice_writes_the_same() {
    let (one, two) = (live(7, 5, 6), live(7, 5, 6));
    assert_eq!(one.trace_hash(), two.trace_hash());
    assert_eq!(one.tables(0).unwrap().listing().unwrap(), two.tables(0).unwrap().listing().unwrap());
}

#[test]
fn both_sides_of_a_partition_write_and_agree_afterwards() {
    let mut world = world(1, 5);
    schema(&mut world, 0, SCHEMA);
    run(
        &mut world,
        0,
        "INSERT INTO services (id, state, weight) VALUES ('a', 'old', 1), ('b', 'old', 1), ('c', 'old', 1)",
    );
    world.run_for(Duration::from_secs(1));
    world.network.partition(&[vec![0, 1], vec![2, 3, 4]]);
    for (node, sql) in [
        (0, "UPDATE services SET state = 'zero' WHERE id = 'a'"),
        (4, "UPDATE services SET weight = 4 WHERE id = 'a'"),
        (1, "UPDATE services SET state = 'one' WHERE id = 'b'"),
        (3, "DELETE FROM services WHERE id = 'b'"),
        (2, "INSERT INTO services (id, state) VALUES ('d', 'two')"),
        (0, "INSERT INTO services (id, state, weight) VALUES ('d', 'later', 9)"),
    ] {
        let at = run(&mut world, node, sql);
        world.run_for(Duration::from_millis(200));
        written(&world, at);
    }
    assert_eq!(count(&world, 4, "SELECT count(*) FROM services WHERE state = 'zero'"), 0, "they are apart");
    world.run_for(Duration::from_secs(20));
    world.network.heal();
    world.run_for(Duration::from_secs(25));
    checkers::tables_converged(&world);
    for node in 0..5 {
        assert_eq!(count(&world, node, "SELECT count(*) FROM services WHERE state = 'zero' AND weight = 4"), 1);
        assert_eq!(count(&world, node, "SELECT count(*) FROM services WHERE id = 'b'"), 0);
        assert_eq!(count(&world, node, "SELECT weight FROM services WHERE id = 'd'"), 9);
    }
}

#[test]
fn a_database_that_was_lost_is_given_back_by_the_others() {
    let mut world = world(2, 3);
    schema(&mut world, 0, SCHEMA);
    world.run_for(Duration::from_secs(1));
    for id in 0..300 {
        run(&mut world, id % 3, &format!("INSERT INTO services (id, app, weight) VALUES ('s{id}', 'app', {id})"));
        world.run_for(Duration::from_millis(2));
    }
    run(&mut world, 1, "DELETE FROM services WHERE weight % 10 = 0");
    world.run_for(Duration::from_secs(3));
    world.crash(0);
    world.lose_database(0);
    run(&mut world, 1, "UPDATE services SET state = 'while away' WHERE weight < 50");
    world.run_for(Duration::from_secs(1));
    world.boot(0);
    world.run_for(Duration::from_secs(10));
    checkers::tables_converged(&world);
    assert_eq!(count(&world, 0, "SELECT count(*) FROM services"), 270);
    // It goes on, with numbers that nobody has seen.
    let at = run(&mut world, 0, "UPDATE services SET state = 'back'");
    world.run_for(Duration::from_secs(2));
    assert_eq!(written(&world, at).epoch.0, 2);
    checkers::tables_converged(&world);
}

#[test]
fn a_transaction_that_is_larger_than_a_message_arrives_as_a_whole() {
    let mut world = world(3, 3);
    schema(&mut world, 0, SCHEMA);
    world.run_for(Duration::from_secs(1));
    let wide = "w".repeat(1_000);
    let insert = |id: usize| Statement {
        sql: "INSERT INTO services (id, app) VALUES (?, ?)".into(),
        params: Params::Positional(vec![Value::Text(format!("s{id}").into()), Value::Text(wide.as_str().into())]),
    };
    let at = world.transact(0, Asks::Run((0..2_000).map(insert).collect()));
    let mut counts = std::collections::BTreeSet::new();
    for _ in 0..400 {
        world.run_for(Duration::from_millis(1));
        counts.insert(count(&world, 2, "SELECT count(*) FROM services"));
    }
    written(&world, at);
    assert_eq!(counts.into_iter().collect::<Vec<_>>(), [0, 2_000], "all of it or nothing");
    // And so it does to a node that missed it.
    world.crash(1);
    world.lose_database(1);
    world.boot(1);
    world.run_for(Duration::from_secs(10));
    checkers::tables_converged(&world);
    assert_eq!(count(&world, 1, "SELECT count(*) FROM services"), 2_000);
}

#[test]
fn a_node_whose_clock_is_far_ahead_is_not_believed_until_its_time_has_come() {
    let mut world = world(4, 3);
    schema(&mut world, 0, SCHEMA);
    run(&mut world, 0, "INSERT INTO services (id, state) VALUES ('a', 'old')");
    world.run_for(Duration::from_secs(2));
    // Two minutes: one more than is believed.
    world.set_wall_clock(2, 1_700_000_000_000 + 120_000);
    run(&mut world, 2, "UPDATE services SET state = 'from the future'");
    world.run_for(Duration::from_secs(5));
    run(&mut world, 0, "UPDATE services SET state = 'now'");
    world.run_for(Duration::from_secs(5));
    for node in 0..2 {
        assert_eq!(count(&world, node, "SELECT count(*) FROM services WHERE state = 'now'"), 1, "n{node}");
    }
    world.run_for(Duration::from_secs(90));
    checkers::tables_converged(&world);
}

#[test]
fn a_new_column_costs_its_definition_and_nothing_more() {
    let mut world = world(5, 3);
    schema(&mut world, 0, SCHEMA);
    world.run_for(Duration::from_secs(1));
    let rows: Vec<Statement> = (0..5_000)
        .map(|id| Statement::plain(format!("INSERT INTO services (id, app) VALUES ('s{id}', 'a')")))
        .collect();
    world.transact(0, Asks::Run(rows));
    world.run_for(Duration::from_secs(5));
    checkers::tables_converged(&world);
    let sent = |world: &World| world.counters().iter().map(|counted| counted.bytes_sent).sum::<u64>();
    let before = sent(&world);
    world.run_for(Duration::from_secs(2));
    let idle = sent(&world) - before;
    let before = sent(&world);
    schema(&mut world, 1, "ALTER TABLE services ADD COLUMN note TEXT");
    world.run_for(Duration::from_secs(2));
    let cost = (sent(&world) - before).saturating_sub(idle);
    checkers::tables_converged(&world);
    assert_eq!(count(&world, 2, "SELECT count(*) FROM services WHERE note IS NULL"), 5_000);
    assert!(cost < 10_000, "{cost} bytes above the {idle} of an idle cluster");
}

/// How many tombstones a node keeps.
fn tombstones(world: &World, node: usize) -> i64 {
    count(world, node, "SELECT count(*) FROM _whither_held WHERE col = 0 AND value = 0")
}

#[test]
fn tombstones_go_once_everybody_has_seen_them_and_not_before() {
    let mut world = world(6, 4);
    schema(&mut world, 0, SCHEMA);
    world.run_for(Duration::from_secs(1));
    for id in 0..50 {
        run(&mut world, id % 4, &format!("INSERT INTO services (id) VALUES ('s{id}')"));
    }
    world.run_for(Duration::from_secs(2));
    world.crash(3);
    run(&mut world, 0, "DELETE FROM services WHERE id < 's3'");
    let deleted = {
        world.run_for(Duration::from_secs(3));
        tombstones(&world, 1)
    };
    assert!(deleted > 20, "{deleted}");
    world.run_for(Duration::from_secs(600));
    assert_eq!(tombstones(&world, 1), deleted, "one has not seen them");
    // While it was away it had a row that the others deleted, and wrote to another.
    world.boot(3);
    run(&mut world, 3, "UPDATE services SET state = 'late' WHERE id = 's4'");
    world.run_for(Duration::from_secs(600));
    for node in 0..4 {
        assert_eq!(tombstones(&world, node), 0, "n{node}");
    }
    checkers::tables_converged(&world);
    assert_eq!(count(&world, 3, "SELECT count(*) FROM services WHERE id < 's3'"), 0);
    // A node that comes now hears of none of it, and what is written goes on.
    world.crash(2);
    world.lose_database(2);
    world.boot(2);
    world.run_for(Duration::from_secs(5));
    run(&mut world, 2, "INSERT INTO services (id, state) VALUES ('s1', 'again')");
    world.run_for(Duration::from_secs(10));
    checkers::tables_converged(&world);
    assert_eq!(count(&world, 0, "SELECT count(*) FROM services WHERE id = 's1'"), 1);
}

#[test]
fn tombstones_that_go_under_fire_bring_nobody_back() {
    for seed in seeds().take(10) {
        let mut world = live(seed, 4, 6);
        world.run_for(Duration::from_secs(300));
        for _ in 0..10 {
            (0..6).for_each(|_| write(&mut world));
            workload::live_on(&mut world, 3);
            world.run_for(Duration::from_secs(40));
        }
        workload::settle(&mut world);
        world.run_for(Duration::from_secs(400));
        checkers::tables_converged(&world);
        let collected: u64 = world.counters().iter().map(|counted| counted.tombstones_collected).sum();
        assert!(collected > 0, "seed {seed}: some went");
    }
}

#[test]
fn a_node_that_was_away_for_too_long_takes_everything_anew() {
    let mut world = world(8, 4);
    schema(&mut world, 0, SCHEMA);
    world.run_for(Duration::from_secs(1));
    for id in 0..20 {
        run(&mut world, id % 4, &format!("INSERT INTO services (id) VALUES ('s{id}')"));
    }
    world.run_for(Duration::from_secs(2));
    world.crash(3);
    run(&mut world, 0, "DELETE FROM services WHERE id < 's15'");
    world.run_for(Duration::from_secs(26 * 60 * 60));
    assert_eq!(tombstones(&world, 1), 0, "the others have done without it");
    // One that comes meanwhile, with nothing, knows from the others what was dropped.
    world.crash(2);
    world.lose_database(2);
    world.boot(2);
    world.run_for(Duration::from_secs(10));
    for node in [0, 1] {
        world.crash(node);
    }
    world.boot(3);
    world.run_for(Duration::from_secs(20));
    let left = count(&world, 2, "SELECT count(*) FROM services");
    assert_eq!(count(&world, 3, "SELECT count(*) FROM services"), left, "it does not keep the dead");
    for node in [0, 1] {
        world.boot(node);
    }
    run(&mut world, 3, "INSERT INTO services (id, state) VALUES ('s1', 'new')");
    world.run_for(Duration::from_secs(20));
    checkers::tables_converged(&world);
    assert_eq!(count(&world, 0, "SELECT count(*) FROM services"), left + 1);
}

#[test]
fn a_cluster_that_was_switched_off_for_days_keeps_everything() {
    let mut world = world(9, 3);
    schema(&mut world, 0, SCHEMA);
    world.run_for(Duration::from_secs(1));
    run(&mut world, 0, "INSERT INTO services (id) VALUES ('a'), ('b'), ('c')");
    world.run_for(Duration::from_secs(2));
    run(&mut world, 1, "DELETE FROM services WHERE id = 'b'");
    world.run_for(Duration::from_secs(2));
    (0..3).for_each(|node| world.stop(node));
    world.run_for(Duration::from_secs(72 * 60 * 60));
    (0..3).for_each(|node| world.boot(node));
    world.run_for(Duration::from_secs(30));
    checkers::tables_converged(&world);
    assert_eq!(count(&world, 2, "SELECT count(*) FROM services"), 2);
}

/// A newcomer was once told again and again to forget what it had only just been given a part of.
#[test]
fn a_newcomer_that_needs_many_answers_gets_them_all_although_tombstones_were_dropped() {
    let mut world = world(10, 3);
    schema(&mut world, 0, SCHEMA);
    world.run_for(Duration::from_secs(1));
    for part in 0..20 {
        let rows = (0..200).map(|id| format!("('s{part}-{id}', 'app')")).collect::<Vec<_>>().join(",");
        run(&mut world, part % 3, &format!("INSERT INTO services (id, app) VALUES {rows}"));
        world.run_for(Duration::from_millis(50));
    }
    run(&mut world, 0, "DELETE FROM services WHERE id LIKE 's3-%'");
    world.run_for(Duration::from_secs(300));
    assert_eq!(tombstones(&world, 0), 0, "they were dropped");
    world.crash(2);
    world.lose_database(2);
    world.boot(2);
    world.run_for(Duration::from_secs(20));
    checkers::tables_converged(&world);
    assert_eq!(count(&world, 2, "SELECT count(*) FROM services"), 3_800);
    assert!(world.counters().iter().all(|counted| counted.tables_forgotten == 0), "nobody had to forget anything");
}
