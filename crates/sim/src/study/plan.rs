//! When each trouble comes.

use super::settings::{Deploy, Settings};
use std::fmt;
use std::time::Duration;
use whither_model::Instant;

/// From one time until another one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Span {
    /// The first moment in it.
    pub begin: Instant,
    /// The first moment after it.
    pub end: Instant,
}

impl Span {
    /// Whether a time is in it.
    #[must_use]
    pub fn contains(&self, time: Instant) -> bool {
        self.begin <= time && time < self.end
    }

    /// How long it is.
    #[must_use]
    pub fn length(&self) -> Duration {
        self.end.since(self.begin)
    }
}

/// When what happens in a run: first nothing, then updates, then each trouble, with time after each to recover from it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Plan {
    /// Nothing happens: what idle nodes send is measured.
    pub quiet: Span,
    /// Updates are told, evenly, but for the last [`Plan::UPDATES_SETTLE`] of it.
    pub updates: Span,
    /// Nodes die.
    pub kill: Option<Instant>,
    /// The network is divided.
    pub partition: Option<Span>,
    /// Nodes are restarted: when each batch is away.
    pub deploy: Vec<Span>,
    /// How long everybody is given to agree again after a trouble.
    pub recovery: Duration,
    /// The end of the run.
    pub end: Instant,
}

/// What is to be tried takes longer than the run is to last.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TooShort {
    /// How long it is to last.
    pub given: Duration,
    /// How long it would have to last.
    pub least: Duration,
}

impl fmt::Display for TooShort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { given, least } = self;
        write!(f, "a run of {given:?} is too short for all that is to happen in it, which takes {least:?}")
    }
}

impl std::error::Error for TooShort {}

/// How long a run lasts at least if nothing is said.
const LENGTH_MIN: Duration = Duration::from_secs(60);
/// How long updates are told at least, and the least time for each.
const UPDATES_MIN: (Duration, Duration) = (Duration::from_secs(5), Duration::from_millis(25));

impl Plan {
    /// How long the last updates are given to arrive before the next trouble comes.
    pub const UPDATES_SETTLE: Duration = Duration::from_secs(3);

    /// When what happens.
    ///
    /// # Errors
    ///
    /// If there is not enough time.
    pub fn new(settings: &Settings) -> Result<Self, TooShort> {
        let length = settings.length.unwrap_or_else(|| LENGTH_MIN.max(Self::least(settings)));
        Self::of_length(settings, length).ok_or_else(|| TooShort { given: length, least: Self::least(settings) })
    }

    /// How long a run has to last for all that is to happen in it, in whole seconds.
    #[must_use]
    pub fn least(settings: &Settings) -> Duration {
        let Lengths { quiet, updates, kill, partition, deploy, .. } = Lengths::of(settings);
        whole_seconds(quiet + updates + kill + partition + deploy)
    }

    /// `None` if it does not fit.
    fn of_length(settings: &Settings, length: Duration) -> Option<Self> {
        let Lengths { quiet, updates, kill, partition, deploy, recovery } = Lengths::of(settings);
        // What is left over goes to the quiet beginning and to the end.
        let spare = length.checked_sub(quiet + updates + kill + partition + deploy)?;
        let quiet = quiet + (spare / 2).min(quiet * 2);
        let mut clock = Instant::START;
        let mut next = |length: Duration| {
            let begin = clock;
            clock = clock + length;
            Span { begin, end: clock }
        };
        let (quiet, updates) = (next(quiet), next(updates));
        let kill = (settings.kill > 0).then(|| next(kill).begin);
        let partition = settings.partition.map(|how| (how, next(partition).begin));
        let partition = partition.map(|(how, begin)| Span { begin, end: begin + how.length });
        let first = next(deploy).begin;
        let deploy = settings.deploy.map_or_else(Vec::new, |how| {
            let begin = |batch: u32| first + how.away * 2 * batch;
            (0..batches(&how)).map(|batch| Span { begin: begin(batch), end: begin(batch) + how.away }).collect()
        });
        Some(Self { quiet, updates, kill, partition, deploy, recovery, end: Instant::START + length })
    }

    /// How long the run lasts.
    #[must_use]
    pub fn length(&self) -> Duration {
        self.end.since(Instant::START)
    }

    /// What goes on at a time, in a word or two.
    #[must_use]
    pub fn phase(&self, time: Instant) -> &'static str {
        let last = self.deploy.last().map(|batch| batch.end);
        if self.quiet.contains(time) {
            "quiet"
        } else if self.updates.contains(time) {
            "updates"
        } else if self.deploy.first().is_some_and(|batch| batch.begin <= time) && last.is_some_and(|end| time < end) {
            "restarts"
        } else if self.partition.is_some_and(|partition| partition.contains(time)) {
            "divided"
        } else if self.partition.is_some_and(|partition| partition.end <= time && time < partition.end + self.recovery)
        {
            "reunited"
        } else if self.kill.is_some_and(|kill| kill <= time && time < kill + self.recovery) {
            "deaths"
        } else {
            "aftermath"
        }
    }
}

/// How long each part of a run takes at least.
struct Lengths {
    quiet: Duration,
    updates: Duration,
    kill: Duration,
    partition: Duration,
    deploy: Duration,
    recovery: Duration,
}

impl Lengths {
    fn of(settings: &Settings) -> Self {
        let timing = settings.timing();
        // The slowest that can happen to one who is dead: a single accuser, an objection that was under way, and another
        // accuser; and some intervals until the first of them asks.
        let recovery = timing.suspicion_max * 2 + timing.probe_interval * 10;
        let updates = match settings.updates {
            0 => Duration::ZERO,
            count => (UPDATES_MIN.1 * count).max(UPDATES_MIN.0) + Plan::UPDATES_SETTLE,
        };
        let restarts = |deploy: &Deploy| deploy.away * 2 * batches(deploy) + recovery;
        Self {
            quiet: (timing.probe_interval * 6).max(Duration::from_secs(5)),
            updates,
            kill: if settings.kill > 0 { recovery } else { Duration::ZERO },
            partition: settings.partition.map_or(Duration::ZERO, |partition| partition.length + recovery),
            deploy: settings.deploy.as_ref().map_or(Duration::ZERO, restarts),
            recovery,
        }
    }
}

/// In how many batches all nodes are restarted.
fn batches(deploy: &Deploy) -> u32 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most ten thousand")]
    let batches = (1.0 / deploy.share.clamp(1e-4, 1.0) - 1e-9).ceil() as u32;
    batches.max(1)
}

fn whole_seconds(length: Duration) -> Duration {
    Duration::from_secs(length.as_secs() + u64::from(length.subsec_nanos() > 0))
}

#[cfg(test)]
mod tests {
    use super::super::settings::Partition;
    use super::*;

    fn troubled() -> Settings {
        Settings {
            partition: Some(Partition { length: Duration::from_secs(20), share: 0.5 }),
            deploy: Some(Deploy { share: 0.1, away: Duration::from_secs(2) }),
            ..Settings::default()
        }
    }

    #[test]
    fn troubles_come_one_after_the_other_and_each_has_time_to_pass() {
        let plan = Plan::new(&troubled()).unwrap();
        let (kill, partition) = (plan.kill.unwrap(), plan.partition.unwrap());
        assert_eq!(plan.quiet.end, plan.updates.begin);
        assert_eq!(plan.updates.end, kill);
        assert_eq!(kill + plan.recovery, partition.begin);
        assert_eq!(partition.length(), Duration::from_secs(20));
        assert_eq!((plan.deploy.len(), plan.deploy[0].begin), (10, partition.end + plan.recovery));
        assert_eq!(plan.deploy[1].begin, plan.deploy[0].end + Duration::from_secs(2));
        assert!(plan.deploy[9].end + plan.recovery <= plan.end);
        let phases = [plan.quiet.begin, plan.updates.begin, kill, partition.begin, partition.end, plan.deploy[3].end];
        let phases = phases.map(|time| plan.phase(time));
        assert_eq!(phases, ["quiet", "updates", "deaths", "divided", "reunited", "restarts"]);
        assert_eq!(plan.phase(plan.end), "aftermath");
    }

    #[test]
    fn a_run_that_is_too_short_says_how_long_it_would_have_to_be() {
        let settings = Settings { length: Some(Duration::from_secs(30)), ..troubled() };
        let TooShort { given, least } = Plan::new(&settings).unwrap_err();
        assert_eq!(given, Duration::from_secs(30));
        assert!(Plan::new(&Settings { length: Some(least), ..troubled() }).is_ok());
        let shorter = least - Duration::from_secs(1);
        assert!(Plan::new(&Settings { length: Some(shorter), ..troubled() }).is_err());
    }

    #[test]
    fn batches_cover_everybody() {
        let of = |share| batches(&Deploy { share, away: Duration::from_secs(1) });
        assert_eq!([of(1.0), of(0.5), of(0.34), of(0.3), of(0.1), of(0.05)], [1, 2, 3, 4, 10, 20]);
    }

    #[test]
    fn whoever_wants_nothing_gets_a_minute_of_it() {
        let plan = Plan::new(&Settings { kill: 0, updates: 0, ..Settings::default() }).unwrap();
        assert_eq!((plan.length(), plan.kill, plan.updates.length()), (Duration::from_secs(60), None, Duration::ZERO));
    }
}
