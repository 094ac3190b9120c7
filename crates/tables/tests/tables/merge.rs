//! However what nodes write reaches each other, they end up with the same bytes.

use crate::rig::{Node, SCHEMA};
use proptest::prelude::*;
use whither_model::random::Random;
use whither_model::sql::Transaction;
use whither_tables::Applied;

const STATEMENTS: &[&str] = &[
    "INSERT INTO items (id, name, size) VALUES ('K', 'N', 1)",
    "INSERT INTO items (id, name, size, note) VALUES ('K', 'N', NULL, 'note') ON CONFLICT DO UPDATE SET name = excluded.name",
    "INSERT OR REPLACE INTO items (id, size) VALUES ('K', 7)",
    "UPDATE items SET name = 'N' WHERE id = 'K'",
    "UPDATE items SET size = coalesce(size, 0) + 1",
    "UPDATE items SET note = 'N', size = 3 WHERE id >= 'K'",
    "UPDATE items SET id = 'M' WHERE id = 'K'",
    "UPDATE OR REPLACE items SET id = 'M' WHERE id = 'K'",
    "UPDATE OR REPLACE items SET id = CASE id WHEN 'K' THEN 'M' ELSE id END",
    "DELETE FROM items WHERE id = 'K'",
    "DELETE FROM items",
    "INSERT OR IGNORE INTO pairs VALUES (1, 'K', 0.5)",
    "UPDATE pairs SET x = x + 1",
    "DELETE FROM pairs WHERE b = 'K'",
];

/// Nodes write at random, and tell each other some of it now and then. Returns them and all that was said.
fn write(seed: u64, nodes: usize, steps: usize) -> (Vec<Node>, Vec<Transaction>) {
    let mut random = Random::new(seed);
    let mut cluster: Vec<Node> = (1..=nodes as u64).map(Node::new).collect();
    let mut said: Vec<Transaction> = cluster.iter_mut().filter_map(|node| node.schema(SCHEMA)).collect();
    for _ in 0..steps {
        let at = random.below(nodes);
        // Clocks differ by up to a second, and stand still at times.
        cluster[at].wall += random.below(200) as u64;
        if random.below(3) == 0 && !said.is_empty() {
            let heard = said[random.below(said.len())].clone();
            cluster[at].take(&heard);
            continue;
        }
        let key = |random: &mut Random| ["a", "b", "c"][random.below(3)];
        let statement = STATEMENTS[random.below(STATEMENTS.len())]
            .replace("'K'", &format!("'{}'", key(&mut random)))
            .replace("'M'", &format!("'{}'", key(&mut random)))
            .replace("'N'", &format!("'{}'", random.below(100)));
        let outcome = cluster[at].try_run(&[whither_model::sql::Statement::plain(&*statement)]);
        // A key that is taken is refused, as it should be.
        said.extend(outcome.ok().and_then(|done| done.transaction));
    }
    (cluster, said)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 120, ..ProptestConfig::default() })]

    #[test]
    fn all_orders_lead_to_the_same_bytes(seed in any::<u64>()) {
        let (mut cluster, said) = write(seed, 3, 40);
        let mut random = Random::new(seed ^ 1);
        for node in &mut cluster {
            let mut order = said.clone();
            // Some come twice.
            order.extend(said.iter().take(5).cloned());
            random.shuffle(&mut order);
            for transaction in &order {
                node.wall = node.wall.max(1_700_000_100_000);
                prop_assert!(!matches!(node.take(transaction), Applied::Not(_)));
            }
        }
        let expected = cluster[0].listing();
        for node in &cluster[1..] {
            prop_assert_eq!(&node.listing(), &expected);
            prop_assert_eq!(node.tables.seen(), cluster[0].tables.seen());
        }
        prop_assert_eq!(cluster[0].tables.unplaceable(), 0);
    }

    #[test]
    fn what_is_mended_is_what_was_told(seed in any::<u64>()) {
        let (mut cluster, said) = write(seed, 3, 40);
        let (first, rest) = cluster.split_at_mut(1);
        let (first, second) = (&mut first[0], &mut rest[0]);
        first.wall += 100_000;
        said.iter().for_each(|transaction| {
        first.take(transaction);
    });
        // One that has some of it and one that has nothing get the rest, in small pieces and large.
        second.wall += 100_000;
        second.mend_from(first, 200);
        let mut newcomer = Node::new(9);
        newcomer.wall += 100_000;
        newcomer.mend_from(first, 1 << 20);
        prop_assert_eq!(second.listing(), first.listing());
        prop_assert_eq!(newcomer.listing(), first.listing());
        // And gives it on.
        let mut another = Node::new(10);
        another.wall += 100_000;
        another.mend_from(&newcomer, 500);
        prop_assert_eq!(another.listing(), first.listing());
    }
}

#[test]
fn what_changes_nothing_is_not_told() {
    let mut node = Node::with_schema(1);
    assert!(node.run("INSERT INTO items VALUES ('a', 'x', 1, NULL)").is_some());
    for same in [
        "UPDATE items SET name = 'x', size = 1",
        "INSERT OR REPLACE INTO items VALUES ('a', 'x', 1, NULL)",
        "INSERT INTO items VALUES ('a', 'x', 1, NULL) ON CONFLICT DO NOTHING",
        "DELETE FROM items WHERE id = 'b'",
        "SELECT * FROM items",
    ] {
        assert_eq!(node.run(same), None, "{same}");
    }
}

#[test]
fn cells_are_merged_one_by_one() {
    let (mut one, mut other) = (Node::with_schema(1), Node::with_schema(2));
    let insert = one.run("INSERT INTO items VALUES ('a', 'x', 1, 'n')").unwrap();
    other.take(&insert);
    other.wall += 5;
    let (name, size) =
        (one.run("UPDATE items SET name = 'y'").unwrap(), other.run("UPDATE items SET size = 2").unwrap());
    one.take(&size);
    other.take(&name);
    assert_eq!(one.ask("SELECT * FROM items"), ["a|y|2|n"]);
    assert_eq!(one.rows(), other.rows());
}

#[test]
fn the_later_of_two_writers_wins_whoever_is_heard_first() {
    let (mut one, mut other) = (Node::with_schema(1), Node::with_schema(2));
    other.wall += 1_000;
    let later = other.run("INSERT INTO items VALUES ('a', 'later', 2, NULL)").unwrap();
    let earlier = one.run("INSERT INTO items VALUES ('a', 'earlier', 1, 'kept?')").unwrap();
    one.take(&later);
    other.take(&earlier);
    assert_eq!(one.ask("SELECT * FROM items"), ["a|later|2|NULL"]);
    assert_eq!(one.rows(), other.rows());
}

#[test]
fn a_row_that_was_deleted_lives_again_when_it_is_inserted_later() {
    let (mut one, mut other) = (Node::with_schema(1), Node::with_schema(2));
    let insert = one.run("INSERT INTO items VALUES ('a', 'x', 1, 'n')").unwrap();
    other.take(&insert);
    let delete = one.run("DELETE FROM items").unwrap();
    other.wall += 10;
    // It has not heard of the deletion: the cell waits for the row.
    let update = other.run("UPDATE items SET note = 'later' WHERE id = 'a'").unwrap();
    one.take(&update);
    other.take(&delete);
    assert_eq!(one.ask("SELECT * FROM items"), Vec::<String>::new());
    assert_eq!(one.rows(), other.rows());
    one.wall += 5;
    let again = one.run("INSERT INTO items (id) VALUES ('a')").unwrap();
    other.take(&again);
    assert_eq!(one.ask("SELECT * FROM items"), ["a||NULL|NULL"], "everything older than the insert is void");
    assert_eq!(one.rows(), other.rows());
}

#[test]
fn a_transaction_is_taken_in_as_a_whole_and_only_once() {
    let (mut one, mut other) = (Node::with_schema(1), Node::with_schema(2));
    let statements =
        ["INSERT INTO items (id) VALUES ('a')", "INSERT INTO pairs VALUES (1, 'a', 2)", "UPDATE items SET size = 9"]
            .map(whither_model::sql::Statement::plain);
    let done = one.try_run(&statements).unwrap();
    assert_eq!(done.results.iter().map(|result| result.rows_affected).collect::<Vec<_>>(), [1, 1, 1]);
    let transaction = done.transaction.unwrap();
    assert!(matches!(other.take(&transaction), Applied::New));
    assert!(matches!(other.take(&transaction), Applied::Known));
    assert_eq!(other.ask("SELECT id, size, b FROM items JOIN pairs ON b = id"), ["a|9|a"]);
}

#[test]
fn a_clock_that_is_far_ahead_is_not_believed() {
    let (mut one, mut other) = (Node::with_schema(1), Node::with_schema(2));
    one.wall += 3_600_000;
    let from_the_future = one.run("INSERT INTO items (id) VALUES ('a')").unwrap();
    assert!(matches!(other.take(&from_the_future), Applied::Not(whither_tables::NotApplied::Ahead(_))));
    assert_eq!(other.ask("SELECT count(*) FROM items"), ["0"]);
    // When its time has come, it is.
    other.wall += 3_600_000;
    assert!(matches!(other.take(&from_the_future), Applied::New));
}
