//! One run, from its seed to what was measured.

use super::agenda::{Action, Cast, agenda, cast};
use super::deliveries::{Deliveries, Postmarks};
use super::incidents::{Incident, Incidents};
use super::observer::{Consequences, Excused, Observer};
use super::plan::{Plan, Span};
use super::restarts::{Restarts, Rollout};
use super::settings::Settings;
use super::timeline::{Sample, Timeline};
use super::toll::{Mourning, Toll};
use crate::crowd::{Manner, News, Node, acquainted};
use std::time::Duration;
use whither_model::Instant;
use whither_population::{Change, Counters, Dropped, Exhausted, Nodes, Population};

/// How far a run is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Progress {
    /// Which run.
    pub seed: u64,
    /// How much time was simulated.
    pub simulated: Duration,
    /// How much there is in all.
    pub length: Duration,
    /// Messages received and wake-ups so far.
    pub events: u64,
    /// What goes on, in a word or two.
    pub phase: &'static str,
}

/// What nodes sent, for each node and second, headers included.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Traffic {
    /// Bytes while nothing happened.
    pub idle_bytes: f64,
    /// Messages while nothing happened.
    pub idle_messages: f64,
    /// Bytes during the whole run, of those who lived.
    pub bytes: f64,
    /// Messages during the whole run.
    pub messages: f64,
    /// Bytes of the node that sent most, during the whole run.
    pub busiest: f64,
}

/// How the crowd got over a trouble that was not its own fault.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Recovery {
    /// How often a node suspected one that was away or out of reach.
    pub suspicions: u64,
    /// How often a node declared one of them down.
    pub downs: u64,
    /// How many nodes were declared down by somebody.
    pub nodes_down: u32,
    /// How long after the end of the trouble all agreed that exactly the living are present, to within the time between two
    /// looks at them; `None`: not before the run ended, or before the next trouble.
    pub agreed_after: Option<Duration>,
}

impl Recovery {
    /// Beliefs of both; the most nodes of either; the slower recovery, and none if either did not recover.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        Self {
            suspicions: self.suspicions + other.suspicions,
            downs: self.downs + other.downs,
            nodes_down: self.nodes_down.max(other.nodes_down),
            agreed_after: self.agreed_after.zip(other.agreed_after).map(|(one, other)| one.max(other)),
        }
    }
}

/// What was measured in one run.
#[derive(Clone, PartialEq, Debug)]
pub struct Run {
    /// Its seed.
    pub seed: u64,
    /// A number that the same run has again, and most likely no other one.
    pub hash: u64,
    /// Messages received and wake-ups.
    pub events: u64,
    /// How deaths became known.
    pub toll: Toll,
    /// Accusations of nodes that were well and in reach.
    pub incidents: Vec<Incident>,
    /// For how long nodes were well, all together.
    pub well: Duration,
    /// How updates reached everybody.
    pub deliveries: Deliveries,
    /// What nodes sent.
    pub traffic: Traffic,
    /// Everybody, at moments that are evenly apart.
    pub samples: Vec<Sample>,
    /// How many different beliefs about who is present there were at these moments.
    pub views: usize,
    /// How the crowd got over a division.
    pub partition: Option<Recovery>,
    /// How restarts looked to the others.
    pub deploy: Option<Restarts>,
    /// Messages that did not arrive.
    pub dropped: Dropped,
}

/// Does everything that `plan` says, once.
///
/// `progress` is told now and then how far it is.
///
/// # Errors
///
/// If there are more events than [`Settings::budget`] allows.
pub fn run(settings: &Settings, plan: &Plan, seed: u64, progress: &mut dyn FnMut(&Progress)) -> Result<Run, Exhausted> {
    let setup = settings.setup(seed, plan.length());
    let regions = setup.map.assign(setup.nodes, seed);
    let Cast { dead, divided, batches } = cast(settings, plan, &regions, seed);
    let place = regions.clone();
    let manner = settings.manner();
    let crowd = acquainted(settings.nodes, seed, &manner, |index| u32::from(place[index as usize]));
    let observer = Observer {
        mourning: plan.kill.map(|at| Mourning::new(at, dead.clone(), settings.nodes)),
        incidents: Incidents::new(settings.timing().suspicion_max),
        postmarks: Postmarks::new(&setup.map, regions),
        division: divided,
        rollout: Rollout::new(batches, settings.nodes, dead.len()),
        consequences: Consequences::default(),
        suspicions: 0,
        downs: 0,
    };
    let mut crowd = crowd.into_iter();
    let make = |_| crowd.next().expect("as many nodes as the setup says");
    let mut stage = Stage {
        population: Population::new(&setup, observer, make),
        timeline: Timeline::default(),
        dead,
        seed,
        manner,
        update_bytes: settings.update_bytes,
        idle: (Counters::default(), Instant::START),
        traffic: Traffic::default(),
    };
    for (at, action) in agenda(settings, plan, seed) {
        stage.population.run_until(at)?;
        stage.act(&action);
        if action == Action::Look {
            let (simulated, events) = (stage.population.elapsed(), stage.population.counters().events());
            progress(&Progress { seed, simulated, length: plan.length(), events, phase: plan.phase(at) });
        }
    }
    Ok(stage.measured(plan, seed))
}

/// A run while it runs.
struct Stage {
    population: Population<Node, Observer>,
    timeline: Timeline,
    dead: Nodes,
    seed: u64,
    manner: Manner,
    update_bytes: u32,
    /// What was counted when counting idle traffic began, and when that was.
    idle: (Counters, Instant),
    traffic: Traffic,
}

impl Stage {
    fn act(&mut self, action: &Action) {
        match action {
            Action::IdleBegins => self.idle = (self.population.counters(), self.population.now()),
            Action::IdleEnds => self.count_idle(),
            Action::Look => {
                let Observer { suspicions, downs, .. } = *self.population.watch();
                self.timeline.sample(&self.population, suspicions, downs);
            }
            Action::Tell { number, node } => {
                let (at, limit) = (self.population.now(), self.population.light(*node));
                self.population.watch_mut().postmarks.told(at, limit);
                let news = News::Update { number: *number, bytes: self.update_bytes };
                let _ = self.population.inject(*node, |node, now, out| node.publish(now, news, out));
            }
            Action::Kill => self.population.change(&Change::Crash(self.dead.clone())),
            Action::Divide => {
                if let Some(side) = self.population.watch().division.as_ref().map(|division| division.side.clone()) {
                    let other = side.others(self.population.len());
                    self.population.change(&Change::Cut { from: side.clone(), to: other.clone() });
                    self.population.change(&Change::Cut { from: other, to: side });
                }
            }
            Action::Unite => self.population.change(&Change::Heal),
            Action::Leave(batch) => self.leave(*batch),
            Action::Return(batch) => self.come_back(*batch),
        }
    }

    fn batch(&self, number: usize) -> Nodes {
        self.population.watch().rollout.batches[number].1.clone()
    }

    fn leave(&mut self, batch: usize) {
        let nodes = self.batch(batch);
        for node in nodes.iter() {
            let _ = self.population.inject(node, Node::leave);
        }
        self.population.change(&Change::Crash(nodes));
    }

    fn come_back(&mut self, batch: usize) {
        self.population.watch_mut().rollout.returns(batch);
        for node in self.batch(batch).iter() {
            let (now, region) = (self.population.clock(node), self.population.region(node));
            let region = u32::try_from(region).unwrap_or(u32::MAX);
            let reborn = self.population.node_mut(node).reborn(now, region, self.seed, &self.manner);
            self.population.restart(node, reborn);
        }
    }

    fn count_idle(&mut self) {
        let (before, since) = self.idle;
        let now = self.population.counters().total;
        let node_seconds = self.population.now().since(since).as_secs_f64() * self.population.len() as f64;
        self.traffic.idle_bytes = (now.wire_bytes_sent - before.total.wire_bytes_sent) as f64 / node_seconds;
        self.traffic.idle_messages = (now.messages_sent - before.total.messages_sent) as f64 / node_seconds;
    }

    fn measured(self, plan: &Plan, seed: u64) -> Run {
        let Self { population, timeline, mut traffic, dead, .. } = self;
        let (counters, hash) = (population.counters(), population.hash());
        let (length, nodes) = (plan.length(), u32::try_from(population.len()).unwrap_or(u32::MAX));
        let dead = u32::try_from(dead.len()).unwrap_or(u32::MAX);
        let lost = plan.kill.map_or(Duration::ZERO, |at| plan.end.since(at) * dead);
        let away = |(span, batch): &(Span, Nodes)| span.length() * u32::try_from(batch.len()).unwrap_or(u32::MAX);
        let away: Duration = population.watch().rollout.batches.iter().map(away).sum();
        let well = length * nodes - lost - away;
        let most = Nodes::first(population.len()).iter().map(|node| population.tally(node).wire_bytes_sent).max();
        traffic.bytes = counters.total.wire_bytes_sent as f64 / well.as_secs_f64();
        traffic.messages = counters.total.messages_sent as f64 / well.as_secs_f64();
        traffic.busiest = most.unwrap_or(0) as f64 / length.as_secs_f64();
        let views = timeline.views();
        let samples = timeline.samples;
        let observer = population.into_watch();
        let Consequences { divided, restarted } = observer.consequences;
        let partition = plan.partition.map(|span| recovery(divided, &samples, span.end, plan));
        let incidents = observer.incidents.into_list();
        let rollout = plan.deploy.first().zip(plan.deploy.last());
        let deploy = rollout.map(|(first, last)| {
            let since = || incidents.iter().filter(|incident| incident.last >= first.begin);
            Restarts {
                accused: u32::try_from(since().count()).unwrap_or(u32::MAX),
                wrongly_down: u32::try_from(since().filter(|one| one.down > 0).count()).unwrap_or(u32::MAX),
                recovery: recovery(restarted, &samples, last.end, plan),
                ..observer.rollout.into_restarts()
            }
        });
        Run {
            seed,
            hash,
            events: counters.events(),
            toll: observer.mourning.map(Mourning::into_toll).unwrap_or_default(),
            incidents,
            well,
            deliveries: observer.postmarks.into_deliveries(),
            traffic,
            samples,
            views,
            partition,
            deploy,
            dropped: counters.dropped,
        }
    }
}

fn recovery(excused: Excused, samples: &[Sample], end: Instant, plan: &Plan) -> Recovery {
    let until = end + plan.recovery;
    let agreed = samples.iter().find(|sample| sample.at >= end && sample.at <= until && sample.is_agreed());
    Recovery {
        suspicions: excused.suspicions,
        downs: excused.downs,
        nodes_down: u32::try_from(excused.nodes.len()).unwrap_or(u32::MAX),
        agreed_after: agreed.map(|sample| sample.at.since(end)),
    }
}
