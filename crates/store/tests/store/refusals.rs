//! Directories that must not be opened, and what is said about them.

use crate::scene::{look, member, row, rows, run, seen};
use rusqlite::Connection;
use std::fs;
use std::path::Path;
use whither_model::MemberState;
use whither_model::durable::Batch;
use whither_store::{OpenError, Store};

fn refusal(dir: &Path) -> OpenError {
    match Store::open(dir) {
        Ok(_) => panic!("opened {}", dir.display()),
        Err(error) => error,
    }
}

fn sql(dir: &Path, statements: &str) {
    Connection::open(dir.join("whither.db")).unwrap().execute_batch(statements).unwrap();
}

#[test]
fn a_second_agent_is_refused_until_the_first_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = Store::open(dir.path()).unwrap();
    let error = refusal(dir.path());
    let OpenError::Locked { pid, .. } = &error else { panic!("{error}") };
    assert_eq!(*pid, Some(std::process::id()));
    assert!(error.to_string().contains("in use by another agent"), "{error}");

    let journal = store.into_journal(Default::default(), drop);
    assert!(matches!(refusal(dir.path()), OpenError::Locked { .. }));
    journal.close().unwrap();
    drop(Store::open(dir.path()).unwrap());
    drop(Store::open(dir.path()).unwrap());
}

#[test]
fn a_database_open_elsewhere_is_refused_until_it_is_closed() {
    let dir = tempfile::tempdir().unwrap();
    look(dir.path());
    let shell = Connection::open(dir.path().join("whither.db")).unwrap();
    shell.execute_batch("BEGIN; SELECT count(*) FROM rows").unwrap();
    let error = refusal(dir.path());
    assert!(matches!(error, OpenError::InUse { .. }), "{error}");
    drop(shell);
    look(dir.path());
}

#[test]
fn a_newer_version_is_refused_with_a_way_out() {
    let dir = tempfile::tempdir().unwrap();
    look(dir.path());
    sql(dir.path(), "PRAGMA user_version = 99");
    let before = fs::read(dir.path().join("whither.db")).unwrap();
    let error = refusal(dir.path());
    let OpenError::Newer { found: 99, supported, .. } = error else { panic!("{error}") };
    assert!(supported < 99);
    assert!(error.to_string().contains("move the data directory away"), "{error}");
    assert_eq!(fs::read(dir.path().join("whither.db")).unwrap(), before);
}

#[test]
fn somebody_elses_database_is_not_touched() {
    for mark in ["PRAGMA application_id = 77", "PRAGMA user_version = 3", "CREATE TABLE theirs (x)"] {
        let dir = tempfile::tempdir().unwrap();
        sql(dir.path(), mark);
        let before = fs::read(dir.path().join("whither.db")).unwrap();
        let error = refusal(dir.path());
        assert!(matches!(error, OpenError::Foreign { .. }), "{mark}: {error}");
        assert_eq!(fs::read(dir.path().join("whither.db")).unwrap(), before, "{mark}");
    }
}

#[test]
fn garbage_is_refused_and_kept() {
    for garbage in [&b"hello"[..], &[0xA5; 100_000]] {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("whither.db"), garbage).unwrap();
        let error = refusal(dir.path());
        assert!(matches!(error, OpenError::Corrupt { .. }), "{error}");
        assert!(error.to_string().contains("move the data directory away"), "{error}");
        assert_eq!(fs::read(dir.path().join("whither.db")).unwrap(), garbage);
    }
}

#[test]
fn a_damaged_page_is_noticed_while_loading() {
    let dir = tempfile::tempdir().unwrap();
    let (running, _) = run(dir.path());
    let many = (0..20_000_u32).map(|key| row(1, &key.to_be_bytes(), 1, Some(&[7; 100]))).collect();
    running.commit(rows(many));
    running.journal.close().unwrap();
    let file = dir.path().join("whither.db");
    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 2 / 4096 * 4096;
    bytes[middle..middle + 4096].fill(0xFF);
    fs::write(&file, bytes).unwrap();
    let error = refusal(dir.path());
    assert!(matches!(error, OpenError::Corrupt { .. }), "{error}");
}

#[test]
fn what_cannot_have_been_written_is_damage() {
    let damages = [
        "UPDATE seen SET ranges = x'00'",
        "UPDATE seen SET ranges = x''",
        "UPDATE rows SET node = 0",
        "UPDATE rows SET tbl = -1",
        "UPDATE members SET address = 'here'",
        "UPDATE members SET state = 4",
        "DELETE FROM meta",
        "UPDATE meta SET value = 0 WHERE key = 'node'",
        "UPDATE meta SET value = -1 WHERE key = 'epoch'",
    ];
    for damage in damages {
        let dir = tempfile::tempdir().unwrap();
        let (running, _) = run(dir.path());
        running.commit(Batch {
            rows: vec![row(1, b"k", 1, None)],
            seen: vec![seen(1, &[(1, 1)])],
            members: vec![member(2, "10.0.0.2:1", MemberState::Alive)],
            ..Batch::default()
        });
        running.journal.close().unwrap();
        sql(dir.path(), damage);
        let error = refusal(dir.path());
        assert!(matches!(error, OpenError::Corrupt { .. }), "{damage}: {error}");
    }
}

#[test]
fn a_file_is_no_directory() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    assert!(matches!(refusal(&file), OpenError::Directory { .. }));
}
