//! The simulator against reality: real agents on an emulated network, and the same experiments simulated.
//!
//! Experiments E2 (one update, until everybody has it) and E4 (one death, until everybody knows), each in both, with the ratio.
//! The emulated network is in this process (see [`forwarder`]): every machine with Linux, root and `/dev/net/tun` has it, and
//! how exact it is, is measured and told. What cannot be equal is the machine: agents here share its processors, and simulated
//! ones do not. So the same updates are measured with hosts at no distance from each other: that time is the machine's own.

mod comparison;
mod crew;
mod deaths;
mod forwarder;
mod ground;
pub(crate) mod namespace;
mod observer;
mod packet;
mod paths;
mod probe;
mod runqueue;
mod scene;
mod schedule;
mod simulated;
mod updates;

use crate::proc_stat::{CpuMeter, load_average, process_cpu_seconds};
use crate::sample::Sample;
use crate::setup::Setup;
use anyhow::Result;
use comparison::{Accounts, Figure, Row, Verdict, compare};
use crew::Crew;
use deaths::Deaths;
use ground::Ground;
use paths::Paths;
use probe::Probe;
use runqueue::Waited;
use scene::Scene;
use simulated::{Plan, millis};
use std::process::ExitCode;
use std::time::{Duration, Instant};
use updates::{Slow, Updates};
use whither_model::random::{Random, mix};

/// What it is called on the command line.
pub(crate) const NAME: &str = "reality";
/// What it measures, in one line.
pub(crate) const ABOUT: &str =
    "updates and deaths among real agents on an emulated network, against the simulator; takes root; not in `all`";
/// Most agents.
pub(crate) const AGENTS_MAX: usize = ground::HOSTS_MAX;

/// What a shell is told if this machine cannot do it.
const UNABLE: u8 = 2;
/// Updates in each scene, unless told otherwise.
const UPDATES: usize = 60;
/// One way between any two hosts of the scene with one region.
const NEAR: Duration = Duration::from_millis(5);
/// What is lost where something is lost.
const LOSS: f64 = 0.05;
/// How long agents that know each other are left alone first: round trips are known, and greetings are over.
const SETTLE: Duration = Duration::from_secs(10);
/// Simulated runs beside each real one: their spread says what chance does.
const RUNS: u64 = 200;
/// Deliveries that took very long and are told one by one.
const SLOW_TOLD: usize = 20;
/// Everything random follows from this, but for what real agents draw.
const SEED: u64 = 7;

/// Runs everything and prints it.
pub(crate) fn run(setup: &Setup, json: bool) -> Result<ExitCode> {
    if let Some(missing) = ground::missing() {
        eprintln!("{NAME}: {missing}");
        return Ok(ExitCode::from(UNABLE));
    }
    let mut study = Study { setup, random: Random::new(mix(SEED)), machine: None, rows: Vec::new() };
    let result = study.one_region().and_then(|()| study.world());
    // What was found before an error is told all the same.
    if json {
        study.rows.iter().for_each(|row| println!("{}", serde_json::to_string(row).unwrap_or_default()));
    } else {
        print!(
            "{NAME}: real agents against simulated ones, {} of each; milliseconds\n{}",
            setup.agents(),
            study.told()
        );
    }
    if let Err(problem) = result {
        eprintln!("{NAME}: {problem:#}");
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

struct Study<'a> {
    setup: &'a Setup,
    random: Random,
    /// Updates with hosts at no distance.
    machine: Option<Updates>,
    rows: Vec<Row>,
}

/// Real agents in a scene.
struct Stage {
    /// Ended before the ground is gone.
    probe: Probe,
    crew: Crew,
    scene: Scene,
}

impl Study<'_> {
    fn one_region(&mut self) -> Result<()> {
        let mut stage = self.stage(Scene::one_region(self.setup.agents(), NEAR))?;
        stage.crew.ground.change(Paths::lose_distance);
        let (machine, _) = self.real_updates(&mut stage, "no distance")?;
        eprintln!(
            "  the machine's share: {:.1} ms p50, {:.1} ms max until the last agent shows an update",
            millis(&machine.last).p50(),
            millis(&machine.last).max()
        );
        self.machine = Some(machine);
        let one_way = stage.scene.one_way();
        stage.crew.ground.change(|paths| paths.stretch(one_way));
        self.settle(&mut stage)?;
        self.both(&mut stage, 0.0)
    }

    fn world(&mut self) -> Result<()> {
        let mut stage = self.stage(Scene::world(self.setup.agents()))?;
        self.both(&mut stage, 0.0)?;
        stage.crew.ground.change(|paths| paths.lose(LOSS));
        self.settle(&mut stage)?;
        self.both(&mut stage, LOSS)
    }

    fn stage(&mut self, scene: Scene) -> Result<Stage> {
        eprintln!("starting {} agents: {}", scene.nodes, scene.name);
        let ground = Ground::new(scene.nodes, Paths::new(scene.one_way(), self.random.next()))?;
        let probe = Probe::start()?;
        let crew = Crew::start(self.setup, ground, scene.region_names())?;
        let mut stage = Stage { probe, crew, scene };
        self.settle(&mut stage)?;
        Ok(stage)
    }

    fn settle(&self, stage: &mut Stage) -> Result<()> {
        stage.crew.wait(SETTLE).map(drop)
    }

    /// Updates and deaths, real and simulated.
    fn both(&mut self, stage: &mut Stage, loss: f64) -> Result<()> {
        let name = match loss {
            0.0 => stage.scene.name.to_owned(),
            _ => format!("{}, {:.0} % loss", stage.scene.name, loss * 100.0),
        };
        let (real, accounts) = self.real_updates(stage, &name)?;
        self.compare_updates(Plan { scene: &stage.scene, loss }, &name, &real, accounts)?;
        let kills = self.setup.kills();
        let watched = Watched::begin(stage)?;
        let real = deaths::measure(&mut stage.crew, kills, &mut self.random)?;
        let late = watched.tell(stage, &format!("{name}: {kills} deaths"))?;
        self.compare_deaths(Plan { scene: &stage.scene, loss }, &name, &real, late)
    }

    fn real_updates(&mut self, stage: &mut Stage, name: &str) -> Result<(Updates, Accounts)> {
        let count = self.setup.n_or(UPDATES);
        let (watched, repaired) = (Watched::begin(stage)?, stage.crew.rows_repaired()?);
        let found = updates::measure(&mut stage.crew, count, &mut self.random)?;
        let late = watched.tell(stage, &format!("{name}: {count} updates"))?;
        let repaired = stage.crew.rows_repaired()?.saturating_sub(repaired);
        let asked = millis(&found.at_origin);
        eprintln!("  asking and watching take {:.1} ms p50, {:.1} ms max", asked.p50(), asked.max());
        eprintln!(
            "  of {} rows, {repaired} came by anti-entropy, and {} not within {:?}",
            count * (stage.crew.len() - 1),
            found.missing,
            updates::PATIENCE
        );
        let places = stage.scene.region_names();
        for Slow { number, origin, agent, after } in found.slow.iter().take(SLOW_TOLD) {
            eprintln!(
                "  slow: update {number} from agent {origin} ({}) took {:.1} s to agent {agent} ({})",
                places[*origin],
                after.as_secs_f64(),
                places[*agent]
            );
        }
        warn_of_accusations(found.wrongly_down, "real");
        Ok((found, Accounts { machine: None, late, repaired }))
    }

    fn compare_updates(&mut self, plan: Plan<'_>, name: &str, real: &Updates, accounts: Accounts) -> Result<()> {
        type Which = fn(&Updates) -> &Vec<Duration>;
        let count = self.setup.n_or(UPDATES);
        let runs = (0..RUNS).map(|run| simulated::updates(plan, count, mix(run)));
        let runs = runs.collect::<Result<Vec<Updates>>>()?;
        warn_of_accusations(runs.iter().map(|run| run.wrongly_down).sum(), "simulated");
        let missing: usize = runs.iter().map(|run| run.missing).sum();
        if missing > 0 {
            eprintln!(
                "  {missing} deliveries in {RUNS} simulated runs were left to anti-entropy, which is not simulated"
            );
        }
        let rows: [(&str, Figure, Which); 4] = [
            ("update at each agent", Figure::Mean, |found| &found.deliveries),
            ("update at the last agent", Figure::P50, |found| &found.last),
            ("update at the last agent", Figure::P99, |found| &found.last),
            ("update at the last agent", Figure::Max, |found| &found.last),
        ];
        for (what, figure, which) in rows {
            let each: Vec<Sample> = runs.iter().map(|run| millis(which(run))).collect();
            let machine = self.machine.as_ref().map(|machine| millis(which(machine)));
            let accounts = Accounts { machine, ..accounts.clone() };
            self.rows.push(compare(name, what, figure, &millis(which(real)), &each, &accounts));
        }
        Ok(())
    }

    fn compare_deaths(&mut self, plan: Plan<'_>, name: &str, real: &Deaths, late: f64) -> Result<()> {
        type Which = fn(&Deaths) -> Vec<Duration>;
        warn_of_accusations(real.wrongly_down, "real");
        let runs = (0..RUNS).map(|run| simulated::deaths(plan, real.first.len(), mix(run)));
        let runs = runs.collect::<Result<Vec<Deaths>>>()?;
        warn_of_accusations(runs.iter().map(|run| run.wrongly_down).sum(), "simulated");
        // When a death is noticed depends on who probes whom when; how the news of it spreads does not, and is like an update.
        let rows: [(&str, Figure, Which); 6] = [
            ("death at the first agent", Figure::P50, |found| found.first.clone()),
            ("death at the first agent", Figure::Max, |found| found.first.clone()),
            ("death at all agents", Figure::P50, |found| found.all.clone()),
            ("death at all agents", Figure::Max, |found| found.all.clone()),
            ("death from first to all", Figure::P50, Deaths::spread),
            ("death from first to all", Figure::Max, Deaths::spread),
        ];
        let machine = self.machine.as_ref().map(|machine| millis(&machine.last));
        let accounts = Accounts { machine, late, repaired: 0 };
        for (what, figure, which) in rows {
            let each: Vec<Sample> = runs.iter().map(|run| millis(&which(run))).collect();
            self.rows.push(compare(name, what, figure, &millis(&which(real)), &each, &accounts));
        }
        Ok(())
    }

    /// The table, and what to make of it.
    fn told(&self) -> String {
        let apart = self.rows.iter().filter(|row| row.verdict() == Verdict::Apart).count();
        let end = if apart == 0 {
            "Reality and simulator agree, or what they differ by is accounted for.".to_owned()
        } else {
            format!("{apart} figures are apart, and nothing that was measured here accounts for it.")
        };
        format!(
            "{}\nReal times of updates run from the origin's own watch to another agent's, so that asking and watching cancel \
             out.\n\"with machine\" adds, to each simulated time, a time measured with hosts at no distance: agents share this \
             machine's processors, and simulated ones do not.\n\"99 % of runs\" is where {RUNS} simulated runs of the same size are: what chance does.\n{end}\n",
            comparison::table(&self.rows)
        )
    }
}

fn warn_of_accusations(count: usize, which: &str) {
    if count > 0 {
        eprintln!("  {which} agents believed {count} times that somebody was down who was not");
    }
}

/// The machine while something is measured.
struct Watched {
    began: Instant,
    cpu: CpuMeter,
    own_cpu: f64,
    waited: Waited,
}

impl Watched {
    fn begin(stage: &mut Stage) -> Result<Self> {
        drop(stage.crew.ground.take_carried()?);
        drop(stage.probe.take_late());
        let pids = stage.crew.pids();
        let own_cpu = process_cpu_seconds(std::process::id())?;
        Ok(Self { began: Instant::now(), cpu: CpuMeter::start(pids.clone())?, own_cpu, waited: Waited::of(&pids) })
    }

    /// Says how exact the emulated network was, and how busy the machine. Returns how late the network was at most, milliseconds.
    fn tell(self, stage: &mut Stage, what: &str) -> Result<f64> {
        let carried = stage.crew.ground.take_carried()?;
        let (late, lateness) = (stage.probe.take_late(), carried.lateness());
        let seconds = self.began.elapsed().as_secs_f64();
        let own = process_cpu_seconds(std::process::id())? - self.own_cpu;
        // Agents that were killed meanwhile took their count with them.
        let agents = self.cpu.seconds().map_or_else(
            |_| String::new(),
            |cpu| {
                let waited = Waited::of(&stage.crew.pids()).micros_per_turn_since(self.waited);
                format!("; agents {:.2}, and their threads wait {waited:.0} us for one", cpu / seconds)
            },
        );
        eprintln!("{what} in {seconds:.0} s; load average {}", load_average());
        eprintln!(
            "  network: {} packets, {:.2} % lost, {} foreign, {} refused; handed out late by p50 {:.0}, p99 {:.0}, max {:.0} us",
            carried.packets,
            100.0 * carried.lost as f64 / carried.packets.max(1) as f64,
            carried.foreign,
            carried.refused,
            lateness.p50(),
            lateness.percentile(99.0),
            lateness.max()
        );
        eprintln!(
            "  probes through it came late by p50 {:.0}, p99 {:.0}, max {:.0} us",
            late.p50(),
            late.percentile(99.0),
            late.max()
        );
        eprintln!("  processors busy: this process {:.2}{agents}", own / seconds);
        // Of two tunnels and the way between them, the probe sees all and comes seldom; lateness is of every packet.
        Ok(lateness.max().max(late.max()) / 1e3)
    }
}
