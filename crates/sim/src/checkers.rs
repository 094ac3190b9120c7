//! Judges that know nothing of the workload. Each panics with what it found.

use crate::world::{Answered, Event, World};
use std::collections::BTreeMap;
use whither_model::durable::{Row, RowKey};
use whither_model::{Ack, Command, InstanceId, MemberState, Outcome, ServiceName, Version};
use whither_replica::{Ranges, catalog};

/// After trouble has ended and time has passed, all nodes that run know the same, show the same, and see each other.
///
/// # Panics
/// If any two differ.
pub fn convergence(world: &World) {
    let running: Vec<usize> = (0..world.size()).filter(|node| world.is_running(*node)).collect();
    let rows = |node: usize| -> BTreeMap<RowKey, Row> {
        let replica = world.replica(node);
        replica
            .iter()
            .flat_map(|replica| replica.rows().iter())
            // Tombstones are collected by each node in its own time.
            .filter(|(_, row)| row.value.is_some())
            .map(|(_, row)| (row.key.clone(), row.clone()))
            .collect()
    };
    let Some((first, others)) = running.split_first() else { return };
    let (expected, shown) = (rows(*first), shown(world, *first));
    for node in others {
        let found = rows(*node);
        for (key, row) in &expected {
            assert_eq!(found.get(key), Some(row), "n{node} differs from n{first} in a row");
        }
        assert_eq!(found.len(), expected.len(), "n{node} has rows that n{first} lacks");
        assert_eq!(self::shown(world, *node), shown, "n{node} shows another catalog than n{first}");
    }
    for node in &running {
        for (other, state) in world.beliefs(*node) {
            let truth = world.is_running(other);
            assert_eq!(state == MemberState::Alive, truth, "n{node} believes n{other} {state}, running: {truth}");
        }
        assert_eq!(world.beliefs(*node).len(), world.size() - 1, "n{node} does not know everybody");
    }
}

fn shown(world: &World, node: usize) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(view) = world.view(node) {
        for service in view.services() {
            for listed in service.instances() {
                lines.push(format!(
                    "{} {} {} {:?}",
                    service.name(),
                    listed.id(),
                    listed.status,
                    listed.instance.registration
                ));
            }
        }
    }
    lines.sort();
    lines
}

/// How long before a crash an acknowledgement from memory may be lost with it: the journal's window and one broadcast.
const MEMORY_ACK_WINDOW: u64 = 60_000;

/// What was acknowledged is still so: a registration of an owner that runs is there, a deregistered one stays away.
///
/// An acknowledgement from memory may be lost only if its node crashed within 60 ms of it.
///
/// # Panics
/// If something acknowledged is gone, or something gone is back.
pub fn acknowledged(world: &World) {
    for ((node, service, id), last) in last_words(world) {
        if !world.is_running(node) {
            continue;
        }
        let Some((told_at, Ok(Outcome::Written { version, .. }))) = &last.answer else { continue };
        if ack_of(&last.command) == Ack::Memory && crashed_soon_after(world, node, *told_at) {
            continue;
        }
        let deregistered = matches!(last.command, Command::Deregister { .. });
        for judge in (0..world.size()).filter(|judge| world.is_running(*judge)) {
            let row = row_of(world, judge, node, &service, &id);
            let what = || format!("n{judge} on {service} {id} of n{node}, told at {told_at} µs: version {version}");
            let Some(row) = row else {
                // Its tombstone has been collected.
                assert!(deregistered, "nothing is known by {}", what());
                continue;
            };
            assert!(row.version >= *version, "older than what was acknowledged: {} by {}", row.version, what());
            if deregistered {
                assert_eq!(row.value, None, "resurrected: {}", what());
            } else {
                assert!(row.value.is_some(), "lost: {}", what());
            }
        }
    }
}

/// The last thing each client said of each instance to each node, if that was answered and nothing unanswered followed.
fn last_words(world: &World) -> BTreeMap<(usize, ServiceName, InstanceId), &Answered> {
    let mut last: BTreeMap<(usize, ServiceName, InstanceId), &Answered> = BTreeMap::new();
    for answered in world.answered() {
        let (service, id) = match &answered.command {
            Command::Register { registrations, .. } => match registrations.first() {
                Some(only) => (only.service.clone(), only.id.clone()),
                None => continue,
            },
            Command::Deregister { service, id, .. } => (service.clone(), id.clone()),
            // They do not say whether the instance is to be there.
            _ => continue,
        };
        // A refusal changed nothing, so what was said before it holds.
        if !matches!(answered.answer, Some((_, Err(_)))) {
            last.insert((answered.node, service, id), answered);
        }
    }
    last
}

fn ack_of(command: &Command) -> Ack {
    match command {
        Command::Register { ack, .. } | Command::Deregister { ack, .. } | Command::SetState { ack, .. } => *ack,
        _ => Ack::Memory,
    }
}

fn crashed_soon_after(world: &World, node: usize, told_at: u64) -> bool {
    let window = told_at..=told_at + MEMORY_ACK_WINDOW;
    world.events().iter().any(|(at, event)| *event == Event::Crashed(node) && window.contains(at))
}

fn row_of(world: &World, judge: usize, owner: usize, service: &ServiceName, id: &InstanceId) -> Option<Row> {
    let rows = world.replica(judge)?.rows();
    let owner = world.id(owner);
    rows.iter()
        .map(|(_, row)| row)
        .filter(|row| row.key.node == owner && row.key.table == catalog::INSTANCES)
        .find(|row| catalog::parse_instance_key(&row.key.key).is_some_and(|key| key == (service.clone(), id.clone())))
        .cloned()
}

/// Ages are never below the truth (promise P2): what a node claims to know of another up to some point, it knows.
///
/// # Panics
/// If a node claims to be more current than it is.
pub fn freshness(world: &World) {
    for node in (0..world.size()).filter(|node| world.is_running(*node)) {
        let Some(replica) = world.replica(node) else { continue };
        for other in (0..world.size()).filter(|other| *other != node) {
            let claimed = replica.known_until(world.id(other));
            // Nothing is claimed, or a point before the world began.
            if claimed.as_micros() == 0 || world.true_time_of(node, claimed) < 100 {
                continue;
            }
            // Claims end where the claimed point may be off by the rounding of clock rates.
            let truth = world.head_at(other, world.true_time_of(node, claimed).saturating_sub(10));
            let Some((epoch, seq)) = truth else { continue };
            let origin = whither_model::Origin { node: world.id(other), epoch };
            let known = replica.rows().seen(origin).map_or(0, Ranges::watermark);
            let overtaken = replica.rows().newest_epoch(world.id(other)).is_some_and(|newest| newest > epoch);
            assert!(
                known >= seq.0 || overtaken,
                "n{node} claims to know n{other} as of {claimed:?} but has {known} of {} changes",
                Version { epoch, seq }
            );
        }
    }
}

/// Traffic of a quiet cluster is bounded: per node and second, whatever happened before.
///
/// # Panics
/// If there is more.
pub fn quiet_traffic(world: &mut World, bytes_per_node_second_max: u64) {
    const SECONDS: u64 = 10;
    let sent = |world: &World| -> u64 { world.counters().iter().map(|counters| counters.bytes_sent).sum() };
    let before = sent(world);
    world.run_for(std::time::Duration::from_secs(SECONDS));
    let rate = (sent(world) - before) / SECONDS / world.size() as u64;
    assert!(rate <= bytes_per_node_second_max, "{rate} bytes per node and second while nothing happens");
}

/// Broadcast work is bounded: copies of each change that reach each node beyond the first.
///
/// # Panics
/// If there are more.
pub fn doubled_changes(world: &World, per_mille_max: u64) {
    let (new, doubled) = world
        .counters()
        .iter()
        .fold((0, 0), |(new, doubled), counters| (new + counters.changes_new, doubled + counters.changes_doubled));
    assert!(doubled * 1_000 <= new.max(1) * per_mille_max, "{doubled} doubled changes for {new} new ones");
}

/// Every node that runs has the same in its users' tables, down to who wrote what, and has seen the same transactions; and
/// each transaction that a client was told of is among them.
///
/// # Panics
/// If not.
pub fn tables_converged(world: &World) {
    let running: Vec<usize> = (0..world.size()).filter(|node| world.is_running(*node)).collect();
    let Some((first, rest)) = running.split_first() else { return };
    let listing = |node: usize| {
        let tables = world.tables(node).unwrap_or_else(|| panic!("n{node} has no tables"));
        (tables.seen(), tables.living().unwrap_or_else(|fault| panic!("n{node}: {fault}")))
    };
    let (seen, rows) = listing(*first);
    for node in rest {
        let (other_seen, other_rows) = listing(*node);
        assert_eq!(other_seen, seen, "n{node} has seen other transactions than n{first}");
        let differing: Vec<_> = rows.iter().filter(|row| !other_rows.contains(row)).collect();
        assert!(other_rows == rows, "n{node} lacks of n{first}: {differing:#?}");
    }
    for told in world.transacted() {
        if let Some((_, Ok(Some(transaction)))) = &told.answer {
            let known = seen.iter().find(|seen| seen.origin == transaction.origin);
            let number = transaction.seq.0;
            let kept =
                known.is_some_and(|seen| seen.ranges.iter().any(|(first, last)| (*first..=*last).contains(&number)));
            assert!(
                kept,
                "n{} was told of transaction {number} of {:?}, and nobody has it",
                told.node, transaction.origin
            );
        }
    }
}
