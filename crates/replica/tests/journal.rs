//! What is journalled: a row that was dropped and written again is there.

use std::net::SocketAddr;
use whither_model::durable::Snapshot;
use whither_model::{Ack, Command, Epoch, Instant, NodeId, Now, Registration, Ticket, WallTime};
use whither_replica::{Config, Guards, Replica, Timing};

fn at(millis: u64) -> Now {
    Now { mono: Instant::from_micros(Instant::START.as_micros() + millis * 1_000), wall: WallTime(1_000_000 + millis) }
}

fn alone() -> Replica {
    let config = Config {
        name: "n1".parse().expect("a name"),
        advertise: SocketAddr::from(([10, 0, 0, 1], 7600)),
        zone: "".into(),
        region: "".into(),
        software: "test".into(),
        seeds: Vec::new(),
        seed: 1,
        timing: Timing::default(),
        guards: Guards::default(),
    };
    let snapshot = Snapshot {
        node: NodeId::new(1).expect("not zero"),
        epoch: Epoch(1),
        rows: Vec::new(),
        seen: Vec::new(),
        members: Vec::new(),
    };
    Replica::new(config, snapshot, at(0))
}

fn register() -> Command {
    let registration = Registration::new(
        "prod/web".parse().expect("a name"),
        "w1".parse().expect("an id"),
        std::net::IpAddr::from([10, 0, 0, 1]),
    );
    Command::Register { registrations: vec![registration], ack: Ack::Durable }
}

#[test]
fn a_row_that_was_collected_and_written_again_in_one_turn_is_kept() {
    let mut replica = alone();
    replica.handle_command(at(1), Ticket(1), register());
    let (service, id) = ("prod/web".parse().expect("a name"), "w1".parse().expect("an id"));
    replica.handle_command(at(2), Ticket(2), Command::Deregister { service, id, force: true, ack: Ack::Durable });
    while replica.poll_ready().is_some() {}
    let mut millis = 2;
    while replica.rows().tombstones() > 0 {
        millis += 1;
        assert!(millis < 600_000, "the tombstone is never collected");
        if replica.poll_timeout() > at(millis).mono {
            continue;
        }
        replica.handle_timeout(at(millis));
        if replica.rows().tombstones() > 0 {
            while replica.poll_ready().is_some() {}
        }
    }
    replica.handle_command(at(millis), Ticket(3), register());
    let ready = replica.poll_ready().expect("there is something to keep");
    assert!(ready.journal.rows.iter().any(|row| row.value.is_some()));
    assert!(ready.journal.rows.iter().all(|row| !ready.journal.forgotten.contains(&row.key)));
}
