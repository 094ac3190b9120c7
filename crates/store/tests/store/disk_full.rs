//! A disk without room: nothing is lost, it is said once, and it goes on when there is room.

use crate::scene::{Running, look, row, rows};
use std::time::Duration;
use whither_model::durable::Batch;
use whither_store::{CommitError, JournalConfig, Report, Store};

/// Too much for the limit in these tests.
fn large(seq: u64) -> Batch {
    rows((0..1000_u32).map(|key| row(1, &key.to_be_bytes(), seq, Some(&[1; 200]))).collect())
}

fn limited(dir: &std::path::Path) -> Running {
    let (store, _) = Store::open(dir).unwrap();
    Running::start(store, JournalConfig { window: Duration::ZERO, max_pages: Some(20) })
}

#[test]
fn the_group_is_kept_and_the_outage_told_once() {
    let dir = tempfile::tempdir().unwrap();
    let running = limited(dir.path());
    running.commit(rows(vec![row(2, b"before", 1, Some(b"v"))]));

    running.journal.append(large(1), true);
    match running.reports.recv().unwrap() {
        Report::Failed(CommitError::Full { detail }) => assert!(detail.contains("succeeded"), "{detail}"),
        other => panic!("{other:?}"),
    }
    // A whole day of changes costs no more than the rows that changed.
    for seq in 2..=50 {
        running.journal.append(large(seq), seq % 2 == 0);
    }
    let last = running.journal.append(rows(vec![row(1, &7_u32.to_be_bytes(), 51, None)]), false);
    assert!((1000..=2000).contains(&running.journal.backlog()), "{}", running.journal.backlog());

    // Still too little: another attempt, the same trouble, no word.
    running.journal.set_max_pages(Some(30));
    running.journal.set_max_pages(None);
    assert_eq!(running.reports.recv().unwrap(), Report::Recovered);
    running.wait_for(last);
    assert_eq!(running.journal.backlog(), 0);
    running.journal.close().unwrap();

    let found = look(dir.path()).rows;
    assert_eq!(found.len(), 1001);
    for found in found.iter().filter(|row| row.key.node.get() == 1) {
        let expected = if *found.key.key == 7_u32.to_be_bytes() { 51 } else { 50 };
        assert_eq!(found.version.seq.0, expected, "{found:?}");
        assert_eq!(found.value.is_none(), expected == 51);
    }
}

#[test]
fn a_journal_closed_in_an_outage_says_so_and_leaves_what_had_a_receipt() {
    let dir = tempfile::tempdir().unwrap();
    let running = limited(dir.path());
    running.commit(rows(vec![row(2, b"before", 1, Some(b"v"))]));
    running.journal.append(large(1), false);
    assert!(matches!(running.reports.recv().unwrap(), Report::Failed(CommitError::Full { .. })));
    assert!(matches!(running.journal.close(), Err(CommitError::Full { .. })));
    // No receipt came, and the directory is free.
    assert!(running.reports.recv().is_err());
    assert_eq!(look(dir.path()).rows, vec![row(2, b"before", 1, Some(b"v"))]);
}
