//! Formulas 4.1 of the SWIM paper: how news spreads through a group by pings and acks.

use crate::report::{Cell, Effort, Report, Table, Within};
use crate::statistics::Mean;
use crate::swim::theory::{infected, until_infected};
use crate::swim::{Config, News, Node, Pacing, Spread, State, Targets, Told};
use core::time::Duration;
use whither_model::Instant;
use whither_model::random::mix;
use whither_population::{Index, Jitter, Map, Population, Processor, Setup, Watch};

/// When members heard.
#[derive(Default)]
struct Times(Vec<Instant>);

impl Watch<Told> for Times {
    fn event(&mut self, at: Instant, _: Index, event: Told) {
        if matches!(event, Told::Learnt(_)) {
            self.0.push(at);
        }
    }
}

/// Adds the tables.
pub(super) fn add(report: &mut Report, effort: Effort, seed: u64) {
    let (members, runs) = if effort == Effort::Full { (10_000, 300) } else { (1_000, 200) };
    report.text.push(format!(
        "SWIM, infection-style, {members} members, {runs} runs: a member hears of a newcomer, and how many have heard is followed \
         from then on. The curve of section 4.1 holds where members meet at moments without memory, so these rows ping that way. \
         The chance of the first few meetings shifts the curve of each run as a whole, so all are laid over each other at the \
         moment when half have heard."
    ));
    let formula = Config {
        targets: Targets::Any,
        pacing: Pacing::Memoryless,
        spread: Spread::Infection { lambda: 1e6 },
        suspicion: false,
        helpers: 0,
        ..Config::paper(members)
    };
    let times: Vec<Vec<f64>> = (0..runs).map(|run| heard(formula, mix(seed ^ mix(run)))).collect();
    report.tables.push(curve(members, &times));
    report.text.push(
        "Real periods have a fixed length, which the formula ignores. Who has just learnt something from an ack does not ping \
         again for a whole period, so SWIM itself is slower than its analysis at first; and nobody is without a meeting for \
         long, so it is quicker at the end. The second table shows both, beside the stochastic epidemic whose mean the curve is."
            .to_owned(),
    );
    report.tables.push(duration(members, &times, seed));
    report.tables.push(left_out(effort, seed));
}

/// When each member heard, in periods since the first did; fewer than all if the news died out.
fn heard(config: Config, seed: u64) -> Vec<f64> {
    let mut setup = Setup::new(seed, config.members as usize);
    setup.map = Map::uniform(Duration::from_micros(100));
    setup.jitter = Jitter::None;
    setup.processor = Processor::INSTANT;
    let mut members = Population::new(&setup, Times::default(), |me| Node::new(me, config, seed));
    let run_for = |members: &mut Population<Node, Times>, periods: u32| {
        members.run_for(config.period * periods).expect("plain SWIM stays within any budget of events");
    };
    run_for(&mut members, 2);
    let begin = members.now();
    let news = News { member: config.members, incarnation: 1, state: State::Alive };
    members.inject(0, |node, now, out| node.hear(now, news, out));
    for _ in 0..100 {
        run_for(&mut members, 1);
        if members.watch().0.len() >= config.members as usize {
            break;
        }
    }
    let since = |at: &Instant| at.since(begin).as_secs_f64() / config.period.as_secs_f64();
    members.watch().0.iter().map(since).collect()
}

/// F5, laid over each other at the half.
fn curve(members: u32, times: &[Vec<f64>]) -> Table {
    let mut table = Table::new("Infection curve around its half (F5), members", &["have heard", "have not"]);
    let n = f64::from(members);
    let half = (n - 1.0).ln() / (2.0 - 1.0 / n);
    for offset in [-2.0, -1.5, -1.0, -0.5, 0.5, 1.0, 1.5, 2.0] {
        let after = |run: &Vec<f64>| {
            let middle = run[members as usize / 2 - 1];
            run.iter().filter(|at| **at <= middle + offset).count() as f64
        };
        let count: Mean = times.iter().map(after).collect();
        let expected = infected(n, half + offset);
        let judged = |got: f64, wanted: f64| {
            let noise = (3.0 * count.error()).max(0.05 * wanted);
            Cell::judged(got, wanted, Within::Amount(noise))
        };
        table.push(
            format!("{offset:+} periods"),
            vec![judged(count.value(), expected), judged(n - count.value(), n - expected)],
        );
    }
    table
}

/// How long it takes, by formula and in reality.
fn duration(members: u32, times: &[Vec<f64>], seed: u64) -> Table {
    let mut table = Table::new("Until members have heard, periods", &["half of them", "all of them"]);
    let mean = |runs: &[Vec<f64>], place: usize| {
        runs.iter().map(|run| run.get(place).copied().unwrap_or(f64::INFINITY)).collect::<Mean>().value()
    };
    let (half, last) = (members as usize / 2 - 1, members as usize - 1);
    let judged = |place: usize, count: u32| {
        Cell::judged(mean(times, place), until_infected(count, members), Within::Share(0.05))
    };
    table.push("meetings without memory", vec![judged(half, members / 2), judged(last, members)]);
    let rows = [
        ("fixed periods, random targets", Targets::Any, Pacing::OwnPhase),
        ("fixed periods, round robin", Targets::RoundRobin, Pacing::OwnPhase),
        ("all periods in step, random targets", Targets::Any, Pacing::InStep),
    ];
    for (name, targets, pacing) in rows {
        let spread = Spread::Infection { lambda: 1e6 };
        let config = Config { targets, pacing, spread, helpers: 0, suspicion: false, ..Config::paper(members) };
        let runs: Vec<Vec<f64>> = (0..times.len() as u64 / 4).map(|run| heard(config, mix(seed ^ mix(!run)))).collect();
        table.push(name, vec![Cell::measured(mean(&runs, half)), Cell::measured(mean(&runs, last))]);
    }
    table
}

/// F7: whom the piggyback limit leaves out.
fn left_out(effort: Effort, seed: u64) -> Table {
    let columns = ["never heard, of 1 000", "runs in which all heard, %"];
    let mut table = Table::new("Real periods, round robin, each piece of news sent λ·ln(n+1) times (F7)", &columns);
    let runs = if effort == Effort::Full { 300 } else { 50 };
    for lambda in [0.5, 1.0, 2.0, 3.0] {
        let config =
            Config { spread: Spread::Infection { lambda }, suspicion: false, helpers: 0, ..Config::paper(1_000) };
        let missed: Vec<f64> =
            (0..runs).map(|run| 1_000.0 - heard(config, mix(seed ^ mix(run))).len() as f64).collect();
        let complete = missed.iter().filter(|missed| **missed == 0.0).count();
        let mean: Mean = missed.iter().copied().collect();
        let share = 100.0 * complete as f64 / f64::from(runs as u32);
        table.push(format!("λ = {lambda}"), vec![Cell::measured(mean.value()), Cell::measured(share)]);
    }
    table
}
