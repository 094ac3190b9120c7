//! C9: Corrosion's two ways to broadcast, beside its own simulator.

use crate::broadcast::{Design, Fault, Gossip, Measured, Plumtree, Workload, measure};
use crate::report::{Cell, Effort, Report, Table, Within};
use crate::statistics::{Mean, Sorted};
use whither_model::random::mix;
use whither_population::{Route, Setup};

/// What is compared.
const QUANTITIES: [&str; 9] = [
    "last node p50, ms",
    "last node p99, ms",
    "last node max, ms",
    "each node p50, ms",
    "each node p99, ms",
    "hops p50",
    "hops p99",
    "hops max",
    "duplicates per useful copy",
];

/// A run of that simulator, and what it printed.
struct Printed {
    nodes: usize,
    fault: Fault,
    values: [f64; 9],
    judged: bool,
}

/// Runs it.
#[must_use]
pub fn run(effort: Effort, seed: u64) -> Report {
    let runs = if effort == Effort::Full { 6 } else { 2 };
    let seeds: Vec<u64> = (0..runs).map(|run| mix(seed ^ mix(run))).collect();
    let near = Plumtree::new(Route::Datagram);
    let blind = Plumtree { near_first: false, ..near };
    let gossip = Gossip { route: Route::Datagram };
    let lossy = Printed {
        nodes: 200,
        fault: Fault::Loss(0.02),
        values: [125.0, 197.0, 211.0, 36.0, 132.0, 5.0, 10.0, 13.0, 3.54],
        judged: false,
    };
    let crashing = Printed {
        nodes: 500,
        fault: Fault::Crash(0.04),
        values: [306.0, 344.0, 344.0, 59.0, 211.0, 3.0, 9.0, 18.0, 37.88],
        judged: false,
    };
    let mut tables = vec![beside(&near, &lossy, &seeds), beside(&gossip, &crashing, &seeds)];
    if effort == Effort::Full {
        let large = |values| Printed { nodes: 2_000, fault: Fault::Nothing, values, judged: true };
        let aware = large([120.0, 176.0, 252.0, 48.0, 122.0, 7.0, 13.0, 24.0, 3.95]);
        let unaware = large([151.0, 275.0, 354.0, 53.0, 183.0, 8.0, 16.0, 31.0, 3.48]);
        tables.push(beside(&near, &aware, &seeds));
        tables.push(beside(&blind, &unaware, &seeds));
    }
    let text = vec![
        format!(
            "What Corrosion's own simulator (superfly/corrosion, crates/plum-foca/tests/sim.rs) says of Corrosion's two ways to \
             broadcast, beside what our form of them does in our simulator, in the same world under the same load: each node \
             broadcasts once, 200 a second. Theirs is one seed, ours the mean of {runs}, with the least and the most of them. \
             Percentiles among 2 000 nodes are met within 10 %; largest values and smaller clusters are shown only."
        ),
        "Two numbers mean something else there. Duplicates are those of the last tenth of updates, when the tree has settled, \
         and here of all. And where nodes crash, \"last\" is there, as far as its source tells, over updates that also reached \
         those who crashed later, which are few and early; here over all, until every living node has it."
            .to_owned(),
    ];
    Report { text, tables }
}

fn beside<D: Design + Sync>(design: &D, printed: &Printed, seeds: &[u64]) -> Table {
    let title = match printed.fault {
        Fault::Loss(share) => format!("{}, {} nodes, {} % lost", design.name(), printed.nodes, share * 100.0),
        Fault::Crash(share) => format!("{}, {} nodes, {} % crashed", design.name(), printed.nodes, share * 100.0),
        _ => format!("{}, {} nodes", design.name(), printed.nodes),
    };
    let mut table = Table::new(&title, &["", "least", "most"]);
    let runs = crate::parallel::map(seeds, |seed| {
        quantities(&measure(design, &Setup::world(*seed, printed.nodes), printed.fault, Workload::Everybody))
    });
    for (place, (name, value)) in QUANTITIES.into_iter().zip(printed.values).enumerate() {
        let got: Mean = runs.iter().map(|run| run[place]).collect();
        let sorted = Sorted::new(runs.iter().map(|run| run[place]).collect());
        let judged =
            printed.judged && (name.ends_with("p50, ms") || name.ends_with("p99, ms") || name.starts_with("hops p"));
        let within = if judged { Within::Share(0.1) } else { Within::Anything };
        let (least, most) = (sorted.at(0.0).unwrap_or_default(), sorted.at(1.0).unwrap_or_default());
        table.push(name, vec![Cell::judged(got.value(), value, within), Cell::measured(least), Cell::measured(most)]);
    }
    table
}

/// The same nine, in the order of [`QUANTITIES`], of what arrived: as there.
fn quantities(measured: &Measured) -> [f64; 9] {
    let arrived =
        |sorted: &Sorted| Sorted::new(sorted.values().iter().copied().filter(|value| value.is_finite()).collect());
    let (last, each, hops) = (arrived(&measured.last), arrived(&measured.each), arrived(&measured.hops));
    let at = |sorted: &Sorted, share| sorted.at(share).unwrap_or(f64::INFINITY);
    [
        at(&last, 0.5),
        at(&last, 0.99),
        at(&last, 1.0),
        at(&each, 0.5),
        at(&each, 0.99),
        at(&hops, 0.5),
        at(&hops, 0.99),
        at(&hops, 1.0),
        measured.duplicates,
    ]
}
