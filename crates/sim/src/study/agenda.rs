//! What is done to a crowd, in the order of time.

use super::observer::Division;
use super::plan::{Plan, Span};
use super::settings::Settings;
use std::time::Duration;
use whither_model::Instant;
use whither_model::random::{Random, mix};
use whither_population::{Index, Nodes};

/// Something that is done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Action {
    /// Counting what idle nodes send begins.
    IdleBegins,
    /// It ends.
    IdleEnds,
    /// Everybody is looked at.
    Look,
    /// A node tells everybody.
    Tell { number: u32, node: Index },
    /// Nodes die.
    Kill,
    /// The network is divided.
    Divide,
    /// It is whole again.
    Unite,
    /// A batch says goodbye, and stops.
    Leave(usize),
    /// A batch boots again.
    Return(usize),
}

/// Who meets which trouble.
#[derive(Debug)]
pub(super) struct Cast {
    pub(super) dead: Nodes,
    pub(super) divided: Option<Division>,
    pub(super) batches: Vec<(Span, Nodes)>,
}

/// Who meets which trouble: drawn from the seed. A division runs along regions where there are several.
pub(super) fn cast(settings: &Settings, plan: &Plan, regions: &[u8], seed: u64) -> Cast {
    let mut random = Random::new(mix(seed ^ 0x6361_7374));
    let nodes = settings.nodes;
    let dead = Nodes::random(settings.kill as usize, nodes as usize, &mut random);
    let divided = settings.partition.zip(plan.partition).map(|(partition, span)| {
        let mut order: Vec<Index> = (0..nodes).collect();
        random.shuffle(&mut order);
        order.sort_by_key(|node| regions[*node as usize]);
        let side = order.into_iter().take(share_of(partition.share, nodes)).collect();
        Division { span, side, recovery: plan.recovery }
    });
    let mut order: Vec<Index> = (0..nodes).filter(|node| !dead.contains(*node)).collect();
    random.shuffle(&mut order);
    let batches = plan.deploy.len();
    let batch = |number: usize| {
        let bound = |number: usize| number * order.len() / batches;
        order[bound(number)..bound(number + 1)].iter().copied().collect()
    };
    let batches = plan.deploy.iter().enumerate().map(|(number, span)| (*span, batch(number))).collect();
    Cast { dead, divided, batches }
}

/// At least one node, and not all of them.
fn share_of(share: f64, nodes: u32) -> usize {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most `nodes`")]
    let count = (f64::from(nodes) * share).round() as usize;
    count.clamp(1, nodes.saturating_sub(1).max(1) as usize)
}

/// How far apart looks at everybody are at least.
const LOOK_MIN: Duration = Duration::from_millis(100);
/// How many looks there are at most: of a few nodes, of many.
const LOOKS_MAX: (u32, u32) = (600, 300);
/// More than this are many.
const MANY: u32 = 10_000;

/// How far apart looks at everybody are.
pub(super) fn look_interval(settings: &Settings, plan: &Plan) -> Duration {
    let looks = if settings.nodes > MANY { LOOKS_MAX.1 } else { LOOKS_MAX.0 };
    let millis = plan.length().as_millis().div_ceil(u128::from(looks));
    LOOK_MIN.max(Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX)))
}

/// Everything that is done, in order. What is done at one time is looked at afterwards.
pub(super) fn agenda(settings: &Settings, plan: &Plan, seed: u64) -> Vec<(Instant, Action)> {
    let mut random = Random::new(mix(seed ^ 0x6167_656e_6461));
    // Probing begins within one interval; until then nodes send less than they do later.
    let settled = settings.probe_interval * 2;
    let mut all = vec![(plan.quiet.begin + settled, Action::IdleBegins), (plan.quiet.end, Action::IdleEnds)];
    let telling = plan.updates.length().saturating_sub(Plan::UPDATES_SETTLE);
    for number in 0..settings.updates {
        let node = random.below(settings.nodes as usize);
        let when = plan.updates.begin + telling * number / settings.updates;
        all.push((when, Action::Tell { number, node: Index::try_from(node).unwrap_or_default() }));
    }
    all.extend(plan.kill.map(|at| (at, Action::Kill)));
    if let Some(span) = plan.partition {
        all.extend([(span.begin, Action::Divide), (span.end, Action::Unite)]);
    }
    for (number, span) in plan.deploy.iter().enumerate() {
        all.extend([(span.begin, Action::Leave(number)), (span.end, Action::Return(number))]);
    }
    let interval = look_interval(settings, plan);
    let looks = (1..).map(|number: u32| Instant::START + interval * number).take_while(|at| *at < plan.end);
    all.extend(looks.chain([plan.end]).map(|at| (at, Action::Look)));
    all.sort_by_key(|(at, _)| *at);
    all
}
