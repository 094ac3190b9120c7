//! What goes in comes out.

use crate::scene::{Running, look, member, node, row, rows, run, seen};
use std::time::Duration;
use whither_model::durable::Batch;
use whither_model::{Epoch, MemberState};
use whither_store::{BatchNumber, JournalConfig, Report, Store};

#[test]
fn a_batch_survives_a_restart_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    // Numbers above i64::MAX, an empty value (not a tombstone), an empty key, keys with zeros.
    let batch = Batch {
        rows: vec![
            row(1, b"", u64::MAX, Some(b"")),
            row(1, b"a\0b", 2, Some(&[0, 255, 7])),
            row(9, b"gone", 3, None),
            row(u64::MAX, b"k", 4, Some(&[1; 5000])),
        ],
        seen: vec![seen(1, &[(1, 4), (6, 6), (8, u64::MAX)]), seen(u64::MAX, &[(1, 1)])],
        members: vec![
            member(1, "10.0.0.1:7000", MemberState::Alive),
            member(2, "[fe80::1%3]:7000", MemberState::Suspect),
            member(3, "[2001:db8::1]:1", MemberState::Down),
            member(u64::MAX, "0.0.0.0:65535", MemberState::Left),
        ],
        ..Batch::default()
    };
    let (running, first) = run(dir.path());
    assert!(first.rows.is_empty() && first.seen.is_empty() && first.members.is_empty());
    running.commit(batch.clone());
    running.journal.close().unwrap();

    let found = look(dir.path());
    assert_eq!(found.node, first.node);
    assert_eq!(Batch { rows: found.rows, seen: found.seen, members: found.members, ..Batch::default() }, batch);
}

#[test]
fn later_entries_win_within_a_batch_and_between_batches() {
    let dir = tempfile::tempdir().unwrap();
    let (running, _) = run(dir.path());
    running.commit(rows(vec![
        row(1, b"a", 1, Some(b"one")),
        row(1, b"a", 2, Some(b"two")),
        row(1, b"b", 3, Some(b"x")),
    ]));
    running.commit(rows(vec![row(1, b"b", 4, None)]));
    // Queued together, and so written as one.
    running.journal.append(rows(vec![row(1, b"c", 5, Some(b"first"))]), false);
    running.journal.append(rows(vec![row(1, b"c", 6, Some(b"last"))]), false);
    running.journal.close().unwrap();

    let expected = vec![row(1, b"a", 2, Some(b"two")), row(1, b"b", 4, None), row(1, b"c", 6, Some(b"last"))];
    assert_eq!(look(dir.path()).rows, expected);
}

#[test]
fn what_is_forgotten_is_gone_from_the_disk_until_it_is_said_again() {
    let dir = tempfile::tempdir().unwrap();
    let (running, _) = run(dir.path());
    running.commit(rows(vec![row(1, b"a", 1, None), row(1, b"b", 2, None), row(1, b"c", 3, Some(b"lives"))]));
    let forgotten = vec![row(1, b"a", 1, None).key, row(1, b"b", 2, None).key];
    running.journal.append(Batch { forgotten, ..Batch::default() }, false);
    running.commit(rows(vec![row(1, b"b", 4, Some(b"again"))]));
    running.journal.close().unwrap();
    assert_eq!(look(dir.path()).rows, vec![row(1, b"b", 4, Some(b"again")), row(1, b"c", 3, Some(b"lives"))]);
}

#[test]
fn empty_ranges_forget_an_origin() {
    let dir = tempfile::tempdir().unwrap();
    let (running, _) = run(dir.path());
    running.commit(Batch { seen: vec![seen(1, &[(1, 9)]), seen(2, &[(1, 3)])], ..Batch::default() });
    running.commit(Batch { seen: vec![seen(1, &[]), seen(3, &[])], ..Batch::default() });
    running.journal.close().unwrap();
    assert_eq!(look(dir.path()).seen, vec![seen(2, &[(1, 3)])]);
}

#[test]
fn the_node_stays_and_the_epoch_rises_at_every_boot() {
    let dir = tempfile::tempdir().unwrap();
    let (first, second, third) = (look(dir.path()), look(dir.path()), look(dir.path()));
    assert_eq!([first.epoch, second.epoch, third.epoch], [Epoch(1), Epoch(2), Epoch(3)]);
    assert!(first.node == second.node && second.node == third.node);
    let other = tempfile::tempdir().unwrap();
    assert_ne!(look(other.path()).node, first.node);
}

#[test]
fn the_epoch_can_be_raised_and_not_lowered() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, _) = Store::open(dir.path()).unwrap();
    store.raise_epoch(Epoch(1 << 63)).unwrap();
    store.raise_epoch(Epoch(7)).unwrap();
    drop(store);
    let (running, snapshot) = run(dir.path());
    assert_eq!(snapshot.epoch, Epoch((1 << 63) + 1));
    let number = running.journal.raise_epoch(Epoch((1 << 63) + 10));
    running.wait_for(number);
    drop(running);
    assert_eq!(look(dir.path()).epoch, Epoch((1 << 63) + 11));
}

#[test]
fn batches_are_numbered_and_receipts_never_go_back() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = Store::open(dir.path()).unwrap();
    // A window that never ends by itself: only an awaited batch ends it.
    let config = JournalConfig { window: Duration::from_secs(3600), ..JournalConfig::default() };
    let running = Running::start(store, config);
    let numbers: Vec<_> =
        (1..=9).map(|seq| running.journal.append(rows(vec![row(1, b"k", seq, Some(b"v"))]), false)).collect();
    assert_eq!(numbers, (1..=9).map(BatchNumber).collect::<Vec<_>>());
    assert_eq!(running.journal.backlog(), 1);
    assert!(running.reports.try_recv().is_err());

    let awaited = running.journal.append(Batch::default(), true);
    let Report::Committed(receipt) = running.reports.recv().unwrap() else { panic!("the disk is well") };
    assert_eq!(receipt.through(), awaited);
    assert_eq!(running.journal.backlog(), 0);
}

#[test]
fn a_dropped_journal_has_written_everything() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = Store::open(dir.path()).unwrap();
    let config = JournalConfig { window: Duration::from_secs(3600), ..JournalConfig::default() };
    let running = Running::start(store, config);
    running.journal.append(rows(vec![row(node(1).get(), b"k", 1, Some(b"v"))]), false);
    drop(running);
    assert_eq!(look(dir.path()).rows.len(), 1);
}
