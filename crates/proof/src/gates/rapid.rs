//! C7: memberlist as the Rapid paper saw it (Suresh et al., USENIX ATC 2018, Figures 8 to 10, Table 2).

use crate::memberlist::{Config, Event, Node};
use crate::parallel;
use crate::report::{Cell, Effort, Report, Table, Within};
use crate::statistics::{Mean, Sorted};
use core::time::Duration;
use std::collections::BTreeSet;
use std::sync::Arc;
use whither_model::Instant;
use whither_model::random::{Random, mix};
use whither_population::{Change, Cycle, Index, Nodes, Population, Setup, Watch};

/// Nodes in the paper's cluster.
const NODES: usize = 1_000;
/// Of which so many are in trouble.
const ILL: usize = 10;
/// When their trouble begins, seconds (Figure 10).
const BEGIN: u64 = 90;
/// How long that is watched, seconds (Figure 9).
const WATCHED: u64 = 900;
/// What happens to the ten.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fault {
    /// They crash (Figure 8).
    Crash,
    /// Nothing reaches them for 20 s, then everything for 20 s, and so on (Figure 9).
    FlipFlop,
    /// Of what they send, 80 % is lost (Figure 10).
    LossOut,
    /// Of what is sent to them, 80 % is lost.
    LossIn,
}

/// What the healthy nodes believed of the cluster.
#[derive(Debug)]
struct Views {
    ill: Nodes,
    begun: Instant,
    /// How many members each node counts.
    sizes: Vec<usize>,
    /// Which counts there were since the trouble began.
    distinct: BTreeSet<usize>,
    changes: u64,
    /// Of each node: how many healthy ones call it dead.
    out: Vec<usize>,
    /// Of each node: when it last came back at a healthy one, and how often it did.
    back: Vec<(Instant, u64)>,
    /// When all ill nodes were out at all healthy ones for the first time.
    first_all_out: Option<Instant>,
    /// Verdicts of death about healthy nodes.
    accusations: u64,
}

impl Views {
    fn new(ill: Nodes, begun: Instant) -> Self {
        Self {
            ill,
            begun,
            sizes: vec![NODES; NODES],
            distinct: BTreeSet::from([NODES]),
            changes: 0,
            out: vec![0; NODES],
            back: vec![(Instant::START, 0); NODES],
            first_all_out: None,
            accusations: 0,
        }
    }

    fn change(&mut self, at: Instant, node: Index, about: Index, is_out: bool) {
        let (size, out) = (&mut self.sizes[node as usize], &mut self.out[about as usize]);
        if is_out {
            *size -= 1;
            *out += 1;
            self.accusations += u64::from(!self.ill.contains(about));
        } else {
            *size += 1;
            *out -= 1;
            let back = &mut self.back[about as usize];
            *back = (at, back.1 + 1);
        }
        self.distinct.insert(*size);
        self.changes += 1;
        if self.first_all_out.is_none() && self.ill.iter().all(|one| self.is_out(one)) {
            self.first_all_out = Some(at);
        }
    }

    /// Whether all healthy nodes call it dead.
    fn is_out(&self, node: Index) -> bool {
        self.out[node as usize] == NODES - ILL
    }

    /// How many ill nodes are out everywhere, and nowhere came back after `since`.
    fn removed(&self, since: Instant) -> usize {
        self.ill.iter().filter(|one| self.is_out(*one) && self.back[*one as usize].0 <= since).count()
    }

    /// How often an ill node came back at a healthy one, on average.
    fn returns(&self) -> f64 {
        let all: u64 = self.ill.iter().map(|one| self.back[one as usize].1).sum();
        all as f64 / (ILL * (NODES - ILL)) as f64
    }
}

impl Watch<Event> for Views {
    fn event(&mut self, at: Instant, node: Index, event: Event) {
        if self.ill.contains(node) || at < self.begun {
            return;
        }
        match event {
            Event::Failed(about) => self.change(at, node, about, true),
            Event::Joined(about) => self.change(at, node, about, false),
            Event::Suspected(_) | Event::Refuted(_) => {}
        }
    }
}

/// What came out of one run.
struct Outcome {
    views: Views,
    /// Ill nodes that were out for the last third of the time.
    removed: usize,
    /// KB per second, each second, each healthy node.
    received: Vec<f64>,
    sent: Vec<f64>,
}

fn observe(config: &Arc<Config>, fault: Fault, seed: u64) -> Outcome {
    let seed = mix(seed ^ mix(fault as u64));
    let ill = Nodes::random(ILL, NODES, &mut Random::new(seed));
    let begin = Instant::START + Duration::from_secs(BEGIN);
    let views = Views::new(ill.clone(), begin);
    let mut population =
        Population::new(&Setup::new(seed, NODES), views, |index| Node::new(index, NODES, config, seed));
    match fault {
        Fault::Crash => population.at(begin, Change::Crash(ill.clone())),
        Fault::LossOut => population.at(begin, Change::LossOut { nodes: ill.clone(), share: 0.8 }),
        Fault::LossIn => population.at(begin, Change::LossIn { nodes: ill.clone(), share: 0.8 }),
        Fault::FlipFlop => {
            let loss = |share| Change::LossIn { nodes: ill.clone(), share };
            let turn = Duration::from_secs(20);
            let until = begin + Duration::from_secs(WATCHED);
            population.cycle(Cycle { first: begin, on: turn, off: turn, until }, &loss(1.0), &loss(0.0));
        }
    }
    population.run_until(begin).expect("no run comes near the budget");
    let (mut received, mut sent) = (Vec::new(), Vec::new());
    let healthy: Vec<Index> = ill.others(NODES).iter().collect();
    for _ in 0..WATCHED {
        let before: Vec<_> = healthy.iter().map(|node| *population.tally(*node)).collect();
        population.run_for(Duration::from_secs(1)).expect("no run comes near the budget");
        for (node, before) in healthy.iter().zip(before) {
            let after = population.tally(*node);
            received.push((after.wire_bytes_received - before.wire_bytes_received) as f64 / 1_000.0);
            sent.push((after.wire_bytes_sent - before.wire_bytes_sent) as f64 / 1_000.0);
        }
    }
    let last_third = population.now() - Duration::from_secs(WATCHED / 3);
    let views = population.into_watch();
    Outcome { removed: views.removed(last_third), views, received, sent }
}

/// The experiment.
#[must_use]
pub fn run(_: Effort, seed: u64) -> Report {
    let lan = Arc::new(Config::lan_default());
    let wan = Arc::new(Config::wan_default());
    let cases = [
        ("Figure 8: crash", &lan, Fault::Crash),
        ("Figure 9: deaf for 20 s, well for 20 s", &lan, Fault::FlipFlop),
        ("Figure 10: 80 % of what they send is lost", &lan, Fault::LossOut),
        ("80 % of what is sent to them is lost", &lan, Fault::LossIn),
        ("Figure 9, with the settings for wide areas", &wan, Fault::FlipFlop),
    ];
    let outcomes = parallel::map(&cases, |(_, config, fault)| observe(config, *fault, seed));
    let mut table = Table::new(
        "What 990 healthy nodes see of ten in trouble",
        &[
            "distinct sizes",
            "smallest",
            "largest",
            "removed",
            "returns of each",
            "changes per node",
            "healthy called dead",
        ],
    );
    for ((name, config, fault), outcome) in cases.iter().zip(&outcomes) {
        let views = &outcome.views;
        let is_shown = Arc::ptr_eq(config, &lan);
        let sizes =
            [views.distinct.first(), views.distinct.last()].map(|size| size.map_or(f64::NAN, |size| *size as f64));
        let published = match fault {
            Fault::FlipFlop if is_shown => Some(([990.0, 1_000.0], 9.0)),
            Fault::LossOut if is_shown => Some(([991.0, 999.0], 9.0)),
            _ => None,
        };
        let removed = outcome.removed as f64;
        let mut cells = vec![Cell::measured(views.distinct.len() as f64)];
        match published {
            Some((range, most)) => {
                cells.extend(sizes.iter().zip(range).map(|(got, wanted)| Cell::beside(*got, wanted)));
                cells.push(Cell::judged(removed, most, Within::AtMost));
            }
            None => cells.extend([sizes[0], sizes[1], removed].map(Cell::measured)),
        }
        let changes = views.changes as f64 / (NODES - ILL) as f64;
        cells.extend([views.returns(), changes, views.accusations as f64].map(Cell::measured));
        table.push(*name, cells);
    }
    Report { text: text(), tables: vec![table, crash(&outcomes[0])] }
}

fn text() -> Vec<String> {
    let how = format!(
        "1 000 nodes in one data centre with memberlist's shipped settings; ten are in trouble from t = {BEGIN} s on, for \
         {WATCHED} s. The paper shows memberlist oscillating between 990 and 1 000 members for all of the 900 s of Figure 9, \
         and between 991 and 999 in Figure 10, while Rapid removes exactly the ten. Judged is that it never removes all ten: \
         \"removed\" counts those that every healthy node calls dead at the end and that came back nowhere in the last third."
    );
    let loss = "Figure 10 is read as loss of what the ten send; the other direction is shown beside it. Streams suffer the same \
                loss as datagrams, per attempt, and are given up after 10 s. Rates count IP, UDP and TCP headers; the paper does not \
                say over which time its percentiles are.";
    vec![how, loss.to_owned()]
}

/// The crash in more detail: Table 2.
fn crash(outcome: &Outcome) -> Table {
    let mut table = Table::new(
        "Crash of ten: KB per second and process, by the second (Table 2); all ten out everywhere after",
        &["mean", "99 %", "most", "after, s"],
    );
    let published = [("received", [0.54, 5.61, 7.36]), ("sent", [0.64, 6.40, 8.04])];
    for ((name, published), values) in published.iter().zip([&outcome.received, &outcome.sent]) {
        let mean: Mean = values.iter().copied().collect();
        let sorted = Sorted::new(values.clone());
        let got = [Some(mean.value()), sorted.at(0.99), sorted.max()];
        let cells = got.into_iter().zip(published).map(|(got, wanted)| Cell {
            simulated: got,
            expected: Some(*wanted),
            within: Within::Anything,
        });
        let removed = outcome.views.first_all_out.map(|at| at.since(outcome.views.begun).as_secs_f64());
        table.push(*name, cells.chain([Cell { simulated: removed, ..Cell::default() }]).collect());
    }
    table
}
