//! The bug museum's hall of crowds: what went wrong only where many nodes find out who is there.
//!
//! Each is judged by what users and operators see: who is called down, and how much is sent. `cargo xtask museum` takes the
//! fix away and expects the test to fail.

use std::time::Duration;
use whither_model::random::{Random, mix};
use whither_model::{Instant, MemberState};
use whither_population::{Change, Cycle, Index, Nodes, Population, Setup, Trouble};
use whither_sim::crowd::{Manner, News, Node, Told, acquainted};

type Crowd = Population<Node, Vec<(Instant, Index, Told)>>;

/// How many seeds: `SEEDS=100` for more. The output names each, so that one knows which it was.
fn seeds() -> impl Iterator<Item = u64> {
    let count = std::env::var("SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(3);
    (0..count).inspect(|seed| println!("seed {seed}"))
}

/// Nodes that know each other and have run for five seconds.
fn crowd(seed: u64, count: usize) -> Crowd {
    // Several times what each of these stories takes: a storm ends the run instead of the patience of whoever waits.
    let setup = Setup { budget: 2_000_000, ..Setup::new(seed, count) };
    let size = Index::try_from(count).expect("a small crowd");
    let mut nodes = acquainted(size, seed, &Manner::default(), |_| 0).into_iter();
    let mut crowd = Crowd::new(&setup, Vec::new(), |_| nodes.next().expect("as many as the world has"));
    run_for(&mut crowd, 5);
    crowd
}

fn run_for(crowd: &mut Crowd, seconds: u64) {
    crowd.run_for(Duration::from_secs(seconds)).expect("no storm");
}

fn chosen(seed: u64, count: usize, of: usize) -> Nodes {
    Nodes::random(count, of, &mut Random::new(mix(seed)))
}

/// These nodes are blocked from now on, in lock step, `on` and `off` in turn, the last time before `until` is over.
fn block(crowd: &mut Crowd, nodes: &Nodes, [on, off, until]: [u64; 3]) {
    let [on, off, until] = [on, off, until].map(Duration::from_millis);
    let cycle = Cycle { first: crowd.now(), on, off, until: crowd.now() + until };
    crowd.trouble(Trouble::Blocked, nodes, cycle);
}

/// How often somebody called somebody down: by whom and whom, as `counts` says.
fn deaths(crowd: &Crowd, counts: impl Fn(Index, Index) -> bool) -> usize {
    let told = crowd.watch().iter();
    let down = told.filter_map(|(_, by, told)| match told {
        Told::Believes { about, state: MemberState::Down } => Some((*by, *about)),
        _ => None,
    });
    down.filter(|(by, about)| counts(*by, *about)).count()
}

fn sent(crowd: &Crowd) -> u64 {
    crowd.counters().total.messages_sent
}

/// An accuser that came after the others set the suspect's deadline in the past. The node took the overdue timer for a
/// stall of its own, put every suspicion off, and did so again and again: most of the dead stayed suspects.
#[test]
fn many_deaths_at_once_are_known_within_twenty_seconds() {
    for seed in seeds() {
        let mut crowd = crowd(seed, 120);
        let dead = chosen(seed, 72, 120);
        crowd.change(&Change::Crash(dead.clone()));
        run_for(&mut crowd, 20);
        let unaware = |by: &Index| dead.iter().any(|node| crowd.node(*by).believes(node) != Some(MemberState::Down));
        assert_eq!(dead.others(120).iter().filter(unaware).count(), 0, "survivors that wait for the dead, seed {seed}");
    }
}

/// A suspect that is slow but alive is heard by many at the same moment. Each of them told everybody.
#[test]
fn testimonies_are_no_storm() {
    for seed in seeds() {
        let mut crowd = crowd(seed, 64);
        let slow = chosen(seed, 8, 64);
        let before = sent(&crowd);
        block(&mut crowd, &slow, [2_048, 64, 20_000]);
        run_for(&mut crowd, 20);
        let rate = (sent(&crowd) - before) / (64 * 20);
        assert!(rate < 80, "{rate} messages per node and second, seed {seed}");
    }
}

/// What a blocked node sends waits, so nobody acknowledges it. It handed the parts of the list to one node after another, and
/// all of it left when the node went on.
#[test]
fn news_of_a_blocked_node_is_handed_over_a_few_times() {
    for seed in seeds() {
        let mut crowd = crowd(seed, 128);
        let node = Index::try_from(seed % 128).expect("a number of a node");
        crowd.change(&Change::Begin(Trouble::Blocked, Nodes::one(node)));
        let before = crowd.tally(node).messages_sent;
        crowd.inject(node, |node, now, out| node.publish(now, News::Update { number: 1, bytes: 100 }, out));
        run_for(&mut crowd, 30);
        let own = crowd.tally(node).messages_sent - before;
        assert!(own < 2_000, "{own} messages of a node that was blocked for 30 s, seed {seed}");
    }
}

/// Whoever heard one that was back told everybody so, although that one does it itself.
#[test]
fn many_that_are_back_are_no_storm() {
    for seed in seeds() {
        let mut crowd = crowd(seed, 64);
        let away = chosen(seed, 16, 64);
        crowd.change(&Change::Begin(Trouble::Stopped, away.clone()));
        run_for(&mut crowd, 20);
        crowd.change(&Change::End(Trouble::Stopped, away.clone()));
        let before = sent(&crowd);
        run_for(&mut crowd, 10);
        let rate = (sent(&crowd) - before) / (64 * 10);
        assert!(rate < 25, "{rate} messages per node and second, seed {seed}");
        let forgotten = |by: Index| away.iter().any(|node| crowd.node(by).believes(node) == Some(MemberState::Down));
        assert!(!away.others(64).iter().any(forgotten), "somebody is back and not everybody knows, seed {seed}");
    }
}

/// That no juror answered was remembered until one did. A node that heard well in between and was deaf again took its silence
/// for old enough to accuse alone.
#[test]
fn one_that_is_deaf_in_turns_accuses_nobody() {
    for seed in seeds() {
        let mut crowd = crowd(seed, 128);
        let deaf = chosen(seed, 4, 128);
        let turn = Duration::from_secs(20);
        let cycle = Cycle { first: crowd.now(), on: turn, off: turn, until: crowd.now() + 8 * turn };
        let share = |share| Change::LossIn { nodes: deaf.clone(), share };
        crowd.cycle(cycle, &share(1.0), &share(0.0));
        run_for(&mut crowd, 160);
        let suspected = |told: &Told| matches!(told, Told::Believes { about, state: MemberState::Suspect } if !deaf.contains(*about));
        let count = crowd.watch().iter().filter(|(_, by, told)| !deaf.contains(*by) && suspected(told)).count();
        assert!(count < 128, "healthy nodes suspected healthy ones {count} times, seed {seed}");
    }
}

/// A node that hears nothing answers no probe and cannot object, yet what it says is heard. It was removed.
#[test]
fn who_hears_nobody_and_is_heard_stays() {
    for seed in seeds() {
        let mut crowd = crowd(seed, 60);
        let deaf = chosen(seed, 1, 60);
        crowd.change(&Change::LossIn { nodes: deaf.clone(), share: 1.0 });
        run_for(&mut crowd, 20);
        assert_eq!(deaths(&crowd, |_, about| deaf.contains(about)), 0, "deaths of one that speaks, seed {seed}");
    }
}

/// One that was cut off for long thinks the others dead, and says so when it is back. It was believed.
#[test]
fn one_that_was_cut_off_removes_nobody() {
    for seed in seeds() {
        let mut crowd = crowd(seed, 40);
        let lonely = chosen(seed, 1, 40);
        let others = lonely.others(40);
        crowd.change(&Change::Cut { from: lonely.clone(), to: others.clone() });
        crowd.change(&Change::Cut { from: others.clone(), to: lonely.clone() });
        run_for(&mut crowd, 60);
        assert!(deaths(&crowd, |by, _| lonely.contains(by)) > 0, "it believes nobody dead, so it has nothing to say");
        crowd.change(&Change::Heal);
        run_for(&mut crowd, 10);
        let wrong = deaths(&crowd, |by, about| others.contains(by) && others.contains(about));
        assert_eq!(wrong, 0, "deaths among those who always heard each other, seed {seed}");
    }
}
