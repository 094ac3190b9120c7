//! `kill -9` at any moment: what was acknowledged is there, and what is seen agrees with what is stored.

use crate::scene::{Running, row, seen};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use whither_model::durable::{Batch, Snapshot};
use whither_model::{Epoch, Origin};
use whither_store::{JournalConfig, Report, Store};

/// Set in the process that is to die: its data directory.
const VICTIM: &str = "WHITHER_STORE_CRASH_DIR";

/// How many rows the victim writes over and over. Row `seq % KEYS` is set by batch `seq`.
const KEYS: u64 = 97;

/// Kills the process when a test ends early.
struct Victim(Child);

impl Drop for Victim {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Not a test by itself: the process that is killed. It writes until it dies.
#[test]
fn victim() {
    let Some(dir) = std::env::var_os(VICTIM) else { return };
    let (store, snapshot) = Store::open(Path::new(&dir)).unwrap();
    let me = Origin { node: snapshot.node, epoch: snapshot.epoch };
    let (sender, receipts) = channel();
    let journal =
        store.into_journal(JournalConfig { window: std::time::Duration::from_micros(300), max_pages: None }, {
            move |report| match report {
                Report::Committed(receipt) => sender.send(receipt.through().0).unwrap(),
                other => panic!("{other:?}"),
            }
        });
    let mut out = std::io::stdout().lock();
    for seq in 1.. {
        let number = journal.append(batch(me, seq), seq % 5 == 0);
        assert_eq!(number.0, seq);
        // Far enough ahead that commits overlap with appends, and not so far that every row is in every commit.
        while journal.backlog() > 40 {
            writeln!(out, "\nacknowledged {} {}", me.epoch.0, receipts.recv().unwrap()).unwrap();
        }
    }
}

/// Batch `seq` of an origin: two rows, and the claim to have seen everything up to here.
fn batch(me: Origin, seq: u64) -> Batch {
    let mut rows = [seq, seq + 1].map(|place| row(me.node.get(), &(place % KEYS).to_be_bytes(), seq, Some(&[1; 150])));
    for row in &mut rows {
        row.version.epoch = me.epoch;
    }
    let mut seen = seen(me.node.get(), &[(1, seq)]);
    seen.origin = me;
    Batch { rows: rows.to_vec(), seen: vec![seen], ..Batch::default() }
}

/// Lets a victim live until it has acknowledged something `receipts` times, kills it, and returns its epoch and the last
/// batch it acknowledged.
fn live_and_die(dir: &Path, receipts: u64) -> (Epoch, u64) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["crash::victim", "--exact", "--nocapture"]).env(VICTIM, dir).stdout(Stdio::piped());
    let mut victim = Victim(command.spawn().unwrap());
    let lines = BufReader::new(victim.0.stdout.take().unwrap()).lines();
    let (mut heard, mut last) = (0, (0, 0));
    for line in lines {
        // What it said before it died counts, also when it is read afterwards; a word cut short does not.
        let line = line.unwrap_or_default();
        let Some(words) = line.strip_prefix("acknowledged ") else { continue };
        let mut numbers = words.split(' ').map(str::parse);
        let (Some(Ok(epoch)), Some(Ok(through))) = (numbers.next(), numbers.next()) else { continue };
        last = (epoch, through);
        heard += 1;
        if heard == receipts {
            victim.0.kill().unwrap();
        }
    }
    assert!(heard >= receipts, "the victim died by itself");
    (Epoch(last.0), last.1)
}

/// Checks that the directory holds exactly the first so many batches of this life, and at least those acknowledged.
fn check(found: &Snapshot, epoch: Epoch, acknowledged: u64) {
    let me = Origin { node: found.node, epoch };
    let seen = found.seen.iter().find(|seen| seen.origin == me).expect("something was acknowledged");
    let [(1, through)] = seen.ranges[..] else { panic!("{seen:?}") };
    assert!(through >= acknowledged, "acknowledged {acknowledged}, found {through}");
    for place in 0..KEYS {
        // The last batch up to `through` that wrote this place: either as `seq` or as `seq + 1`.
        let expected =
            (1..=through).rev().take(KEYS as usize + 1).find(|seq| seq % KEYS == place || (seq + 1) % KEYS == place);
        let stored = found.rows.iter().find(|row| *row.key.key == place.to_be_bytes() && row.version.epoch == epoch);
        assert_eq!(stored.map(|row| row.version.seq.0), expected, "place {place}, through {through}");
    }
}

#[test]
fn what_was_acknowledged_survives_kill_9() {
    let dir = tempfile::tempdir().unwrap();
    let seed = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 0);
    let mut before = Epoch(0);
    for life in 0..8 {
        let receipts = 1 + (seed >> (life * 8)) % 256;
        let (epoch, acknowledged) = live_and_die(dir.path(), receipts);
        println!("life {life}: {receipts} receipts, through {acknowledged} in epoch {}", epoch.0);
        assert!(epoch > before, "an epoch was handed out twice");
        let (store, found) = Store::open(dir.path()).expect("the lock died with the victim");
        assert!(found.epoch > epoch);
        check(&found, epoch, acknowledged);
        // What a death left behind can be written to.
        Running::start(store, JournalConfig::default()).journal.close().unwrap();
        before = found.epoch;
    }
}
