//! One agent is killed, until the first and until all others show it as down: real agents.

use super::crew::Crew;
use super::observer::Owner;
use anyhow::{Result, ensure};
use std::time::{Duration, Instant};
use whither_model::random::Random;

/// How long it may take until all others know.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);
/// How long the others are left alone before a kill, plus a random part of as long: no phase of the probes is preferred.
const QUIET: Duration = Duration::from_secs(1);

/// What became of kills.
#[derive(Clone, Debug, Default)]
pub(super) struct Deaths {
    /// Until the first other agent shows it.
    pub(super) first: Vec<Duration>,
    /// Until all do.
    pub(super) all: Vec<Duration>,
    /// How often an agent showed another one as down that was not.
    pub(super) wrongly_down: usize,
}

impl Deaths {
    /// From the first other agent to the last.
    pub(super) fn spread(&self) -> Vec<Duration> {
        self.first.iter().zip(&self.all).map(|(first, all)| all.saturating_sub(*first)).collect()
    }
}

/// Kills `count` agents, one after the other, each back and well before the next.
pub(super) fn measure(crew: &mut Crew, count: usize, random: &mut Random) -> Result<Deaths> {
    let mut victims: Vec<usize> = (0..crew.len()).collect();
    random.shuffle(&mut victims);
    let mut deaths = Deaths::default();
    for number in 0..count {
        let victim = victims[number % victims.len()];
        let shown = crew.wait(QUIET + QUIET.mul_f64(random.below(1_000) as f64 / 1e3))?;
        deaths.wrongly_down += shown.iter().filter(|seen| seen.owner == Owner::Down).count();
        one(crew, victim, &mut deaths)?;
        crew.restart(victim)?;
    }
    Ok(deaths)
}

fn one(crew: &mut Crew, victim: usize, deaths: &mut Deaths) -> Result<()> {
    let killed = crew.kill(victim)?;
    let mut knows = vec![false; crew.len()];
    let mut times: Vec<Instant> = Vec::new();
    while times.len() + 1 < crew.len() {
        let seen = crew.next(killed + PATIENCE)?;
        ensure!(seen.is_some(), "{} of {} agents know after {PATIENCE:?}", times.len(), crew.len() - 1);
        let Some(seen) = seen.filter(|seen| seen.owner == Owner::Down) else { continue };
        if seen.about != victim {
            deaths.wrongly_down += 1;
        } else if seen.agent != victim && !std::mem::replace(&mut knows[seen.agent], true) {
            times.push(seen.at);
        }
    }
    let since = |at: Option<&Instant>| at.map(|at| at.saturating_duration_since(killed));
    deaths.first.extend(since(times.iter().min()));
    deaths.all.extend(since(times.iter().max()));
    Ok(())
}
