//! Membership baselines tell the dead from the living.

use core::time::Duration;
use whither_model::Instant;
use whither_population::Change;
use whither_population::{Index, Nodes, Population, Setup};
use whither_proof::foca_node::{self, FocaNode};
use whither_proof::swim::{Config, News, Node, Spread, State, Told};

const MEMBERS: u32 = 24;

type Swim = Population<Node, Vec<(Instant, Index, Told)>>;

fn swim(spread: Spread, suspicion: bool) -> Swim {
    let config = Config { spread, suspicion, ..Config::paper(MEMBERS) };
    Population::new(&Setup::new(1, MEMBERS as usize), Vec::new(), |me| Node::new(me, config, 1))
}

fn believers(members: &Swim, about: Index, state: State) -> usize {
    members.nodes().filter(|node| node.belief(about).state == state).count()
}

#[test]
fn a_crash_becomes_known_to_all_however_it_is_spread() {
    for spread in [Spread::Multicast, Spread::Infection { lambda: 3.0 }] {
        for suspicion in [false, true] {
            let mut members = swim(spread, suspicion);
            members.run_for(Duration::from_secs(20)).unwrap();
            members.crash(3);
            // Round robin, suspicion for twelve periods of two seconds, and the news itself.
            members.run_for(Duration::from_secs(60)).unwrap();
            // All but the dead one, who believes nothing of itself.
            assert_eq!(believers(&members, 3, State::Failed), MEMBERS as usize - 1, "{spread:?} {suspicion}");
            assert!((0..MEMBERS).filter(|other| *other != 3).all(|other| believers(&members, other, State::Alive) > 0));
        }
    }
}

#[test]
fn a_suspect_that_lives_says_so_and_is_believed() {
    let mut members = swim(Spread::Infection { lambda: 3.0 }, true);
    members.run_for(Duration::from_secs(20)).unwrap();
    let rumour = News { member: 5, incarnation: 0, state: State::Suspect };
    members.inject(0, |node, now, out| node.hear(now, rumour, out));
    members.run_for(Duration::from_secs(60)).unwrap();
    assert_eq!(believers(&members, 5, State::Failed), 0);
    assert!(members.nodes().all(|node| node.belief(5).state == State::Alive));
    assert!(members.node(0).belief(5).incarnation > 0);
}

#[test]
fn without_suspicion_a_moments_silence_is_death() {
    for (suspicion, failed) in [(false, true), (true, false)] {
        let mut members = swim(Spread::Infection { lambda: 3.0 }, suspicion);
        members.run_for(Duration::from_secs(20)).unwrap();
        members.change(&Change::LossIn { nodes: Nodes::one(7), share: 1.0 });
        members.run_for(Duration::from_secs(6)).unwrap();
        members.change(&Change::LossIn { nodes: Nodes::one(7), share: 0.0 });
        members.run_for(Duration::from_secs(60)).unwrap();
        assert_eq!(believers(&members, 7, State::Failed) > 0, failed);
    }
}

#[test]
fn foca_finds_a_crash_and_nothing_else() {
    let run = |seed| {
        let setup = Setup { start_within: Duration::from_secs(1), ..Setup::new(seed, MEMBERS as usize) };
        let mut nodes = Population::new(&setup, Vec::new(), |me| FocaNode::lan(me, MEMBERS, seed));
        nodes.run_for(Duration::from_secs(10)).unwrap();
        assert!(nodes.nodes().all(|node| node.believes_in() == MEMBERS as usize - 1 && node.refused() == 0));
        nodes.crash(4);
        nodes.run_for(Duration::from_secs(60)).unwrap();
        let down = nodes.watch().iter().filter(|(_, _, told)| matches!(told, foca_node::Told::Down(_)));
        assert!(down.clone().all(|(_, _, told)| *told == foca_node::Told::Down(4)));
        assert_eq!(down.count(), MEMBERS as usize - 1);
        nodes.hash()
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}
