//! A node says goodbye, is away, and boots again.

use super::{Manner, More, News, Node, Said, Told, Way};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use whither_gossip::{Belief, Broadcast, Detector, Region, Roster, Word};
use whither_model::random::{Random, mix};
use whither_model::{Epoch, Instant, MemberState};
use whither_population::Outbox;

/// How often each of the others hears a goodbye from the one that leaves; it is not acknowledged.
const GOODBYES: usize = 3;
/// How many remembered members a node speaks to when it boots.
const DIALLED: usize = 8;
/// Everybody greets one that is back while there are this many members; of more, about as many do.
const GREETERS: u64 = 12;
/// How long members that were suspects in the last run have to show up.
const BOOT_GRACE: Duration = Duration::from_secs(10);

impl Node {
    /// Says goodbye, as an agent does before it stops: to each member by itself, and by way of the broadcast. An agent hears
    /// nothing any more after that, so it is for the caller to let the node die now.
    pub fn leave(&mut self, now: Instant, out: &mut Outbox<Said, Told>) {
        self.detector.leave(now);
        let to: Vec<SocketAddr> = self.detector.roster().present().map(|belief| belief.address).collect();
        for address in to.iter().cycle().take(to.len() * GOODBYES) {
            self.send(*address, Way::Datagram, Word::Nothing, None, More::default(), out);
        }
        self.settle(now, out);
    }

    /// This node as it boots again at `now`, its own time, in the same place and with the members that its disk remembers;
    /// what remains of `self` remembers nobody.
    ///
    /// An agent doubts what it remembers until the first answer brings it somebody's list. Here such lists say only what is
    /// unusual, so it believes its memory of those who were alive.
    #[must_use]
    pub fn reborn(&mut self, now: Instant, region: u32, seed: u64, manner: &Manner) -> Self {
        let before = self.detector.me();
        let epoch = Epoch(before.epoch.0 + 1);
        let run = mix(before.node.get() ^ mix(epoch.0));
        let me = Belief { epoch, incarnation: 1, state: MemberState::Alive, run, ..before };
        let nobody = Roster::new(me.node, Arc::default());
        let roster = core::mem::replace(self.detector.roster_mut(), nobody);
        let random = Random::new(mix(seed ^ run));
        let mut detector = Detector::new(me, roster, manner.timing.clone(), random, now);
        let suspects = detector.roster().present().filter(|belief| belief.state == MemberState::Suspect);
        let suspects: Vec<Belief> = suspects.copied().collect();
        suspects.into_iter().for_each(|belief| detector.remember(belief, BOOT_GRACE));
        let broadcast: Broadcast<Arc<News>> = Broadcast::new(me.node, epoch, Region(region + 1), manner.habits.clone());
        Self { is_newborn: true, ..Self::with(detector, broadcast, now, manner) }
    }

    /// Speaks to some of those it remembers.
    pub(super) fn look_for_cluster(&mut self, now: Instant, out: &mut Outbox<Said, Told>) {
        let mut random = Random::new(mix(self.detector.me().run));
        for member in self.detector.roster().sample(DIALLED, None, &mut random) {
            let word = self.detector.dial(now, None);
            self.send(member.address, Way::Datagram, word, None, More::default(), out);
        }
    }

    /// Compares state with a member that is back, instead of waiting for chance. In a large crowd only a few do, or
    /// everybody would at once.
    pub(super) fn greet(&mut self, now: Instant, member: &Belief, out: &mut Outbox<Said, Told>) {
        let others = self.detector.roster().present_count() as u64;
        if others > GREETERS && mix(self.detector.me().node.get() ^ member.run) % others >= GREETERS {
            return;
        }
        let word = self.detector.dial(now, Some(member.node));
        let digest = Some(self.view());
        self.send(member.address, Way::Datagram, word, digest, More::default(), out);
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Manner, Node, Told, acquainted};
    use std::time::Duration;
    use whither_model::{Instant, MemberState};
    use whither_population::{Change, Index, Map, Nodes, Population, Setup};

    const NODES: Index = 30;

    type Crowd = Population<Node, Vec<(Instant, Index, Told)>>;

    fn crowd() -> Crowd {
        let setup = Setup { map: Map::datacentre(), budget: 10_000_000, ..Setup::new(5, NODES as usize) };
        let mut nodes = acquainted(NODES, 5, &Manner::default(), |_| 0).into_iter();
        let mut crowd = Population::new(&setup, Vec::new(), move |_| nodes.next().unwrap());
        crowd.run_for(Duration::from_secs(3)).unwrap();
        crowd
    }

    fn told(crowd: &Crowd, since: Instant, state: MemberState) -> Vec<(Index, Index)> {
        let wanted = |told: &Told| matches!(told, Told::Believes { state: one, .. } if *one == state);
        let about = |told: &Told| if let Told::Believes { about, .. } = told { *about } else { Index::MAX };
        let told = crowd.watch().iter().filter(|(at, _, told)| *at >= since && wanted(told));
        told.map(|(_, by, told)| (*by, about(told))).collect()
    }

    fn stop(crowd: &mut Crowd, node: Index) {
        crowd.inject(node, Node::leave).unwrap();
        crowd.crash(node);
    }

    fn boot(crowd: &mut Crowd, node: Index) -> Instant {
        let now = crowd.clock(node);
        let reborn = crowd.node_mut(node).reborn(now, 0, 9, &Manner::default());
        crowd.restart(node, reborn);
        crowd.now()
    }

    fn run(crowd: &mut Crowd, seconds: u64) {
        crowd.run_for(Duration::from_secs(seconds)).unwrap();
    }

    #[test]
    fn all_see_it_leave_and_all_see_it_back_and_nobody_is_suspected() {
        let mut crowd = crowd();
        stop(&mut crowd, 7);
        run(&mut crowd, 20);
        let others: Vec<(Index, Index)> = (0..NODES).filter(|node| *node != 7).map(|node| (node, 7)).collect();
        let mut left = told(&crowd, Instant::START, MemberState::Left);
        left.sort_unstable();
        assert_eq!(left, others);
        let back = boot(&mut crowd, 7);
        run(&mut crowd, 5);
        let mut alive = told(&crowd, back, MemberState::Alive);
        alive.sort_unstable();
        assert_eq!(alive, others);
        assert_eq!(told(&crowd, Instant::START, MemberState::Suspect), []);
        assert!(crowd.nodes().all(|node| node.present() == NODES as usize - 1));
    }

    #[test]
    fn whoever_missed_the_goodbye_is_told_of_the_new_boot_all_the_same() {
        let mut crowd = crowd();
        // Nothing that it says is heard, and it is back before anybody asks.
        let it = Nodes::one(7);
        crowd.change(&Change::LossOut { nodes: it.clone(), share: 1.0 });
        stop(&mut crowd, 7);
        crowd.change(&Change::LossOut { nodes: it, share: 0.0 });
        let back = boot(&mut crowd, 7);
        run(&mut crowd, 5);
        assert_eq!(told(&crowd, Instant::START, MemberState::Left), []);
        assert_eq!(told(&crowd, back, MemberState::Alive).len(), NODES as usize - 1);
    }

    #[test]
    fn it_learns_from_a_list_who_died_while_it_was_away() {
        let mut crowd = crowd();
        stop(&mut crowd, 7);
        crowd.crash(8);
        run(&mut crowd, 30);
        let since = boot(&mut crowd, 7);
        assert_eq!(crowd.node(7).believes(8), Some(MemberState::Alive));
        run(&mut crowd, 20);
        assert_eq!(crowd.node(7).believes(8), Some(MemberState::Down));
        let suspected = told(&crowd, since, MemberState::Suspect);
        assert_eq!(suspected, [(7, 8)], "only by the one that was away, of the one that died");
    }
}
