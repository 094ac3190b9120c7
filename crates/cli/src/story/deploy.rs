//! Story 1, the second half: all servers of a service are restarted one after the other, and no caller notices.

use super::callers::{Caller, Met, Source};
use super::cast::{Agent, Role, Server, agents, await_up};
use super::stage::{Place, SOON, Stage};
use super::teller::Teller;
use super::{Ending, millis, short};
use crate::duration;
use anyhow::ensure;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const SERVICE: &str = "prod/recos";
const DNS_NAME: &str = "recos.prod.whither.";
/// Servers of one deploy.
const SERVERS_MAX: u8 = 60;

/// What the story takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  whither story deploy
  whither story deploy --drain 0s           the servers are not drained: see what that costs
  whither story deploy --settle 2s          as `whither run` does unless told otherwise
  whither story deploy --json | jq .facts

Three agents; servers under `whither run` that stop at once when told to; three callers, of which one asks DNS for \
            each request, one follows a watch and one polls every 200 ms, each opening a connection per request. Every \
            second server comes back on another address. It ends well if no request is refused and none fails.")]
pub(crate) struct Args {
    /// How many servers there are
    #[arg(long, value_name = "N", default_value = "10", value_parser = clap::value_parser!(u8).range(1..=i64::from(SERVERS_MAX)))]
    servers: u8,
    /// How long a server is draining at least before it is told to stop (whither run --settle)
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = duration::parse)]
    settle: Duration,
    /// How long at most; at 0s it is told to stop at once (whither run --drain)
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration::parse)]
    drain: Duration,
}

/// One server, in its two lives.
struct Life {
    id: String,
    places: [std::net::SocketAddr; 2],
    /// When it was told to stop, and how long it took from there until it was up again everywhere.
    told: Instant,
    took: Duration,
}

impl Life {
    /// What it answers with, before or after its restart.
    fn name(&self, life: usize) -> String {
        format!("{}/{}", self.id, life + 1)
    }
}

/// The names under which callers are told of.
const WAYS: [&str; 3] = ["DNS", "watch", "polling"];

/// Plays it.
pub(crate) fn play(args: &Args, stage: &Stage, teller: &mut Teller) -> anyhow::Result<Ending> {
    teller.say("A deploy: every server of prod/recos is restarted, while its callers go on calling.")?;
    let agents = agents(stage, 3)?;
    teller.say("three agents know each other")?;
    let places = Place::hosts(71, args.servers.saturating_mul(2))?;
    let (settle, drain) = (duration::exact(args.settle), duration::exact(args.drain));
    let options = ["--settle", &settle, "--drain", &drain];
    let mut lives: Vec<Life> = (0..usize::from(args.servers)).map(|at| life(at, &places, args.servers)).collect();
    let mut servers = Vec::new();
    for (at, life) in lives.iter().enumerate() {
        servers.push(start(stage, &agents, at, life, 0, &options)?);
    }
    for life in &lives {
        await_up(stage, &agents, SERVICE, &life.id, life.places[0])?;
    }
    teller.say(&format!("{} servers are up, each under `whither run` with one of the agents", lives.len()))?;

    let callers = callers(&agents, places.first().map_or(0, |place| place.address().port()))?;
    teller.say("three callers begin: one asks DNS, one follows a watch, one polls; a new connection per request")?;
    let begun = Instant::now();
    for at in 0..servers.len() {
        stage.until("every caller has been answered since", SOON, || called_since(&callers, begun))?;
        teller.breathe();
        servers[at] = restart(stage, &agents, at, (&mut servers, &mut lives), &options, teller)?;
    }
    let last = lives.last().map(|life| life.name(1)).unwrap_or_default();
    stage.until("every caller has found the last server", SOON, || {
        let found = callers.iter().all(|caller| caller.met().answered.contains_key(&last));
        found.then_some(()).ok_or_else(|| format!("{last} was not found by all"))
    })?;
    let lasted = begun.elapsed();
    let met: Vec<Met> = callers.into_iter().map(Caller::end).collect();
    teller.say("every caller has found every new server; the callers stop")?;
    Ok(judge(&lives, &met, lasted, teller)?)
}

/// Server `at`: every second one moves to another address.
fn life(at: usize, places: &[Place], servers: u8) -> Life {
    let place = |at: usize| places.get(at).map_or_else(|| ([127, 0, 0, 1], 0).into(), Place::address);
    let after = if at.is_multiple_of(2) { at } else { at + usize::from(servers) };
    Life {
        id: format!("recos-{}", at + 1),
        places: [place(at), place(after)],
        told: Instant::now(),
        took: Duration::ZERO,
    }
}

fn start(
    stage: &Stage,
    agents: &[Agent],
    at: usize,
    life: &Life,
    which: usize,
    options: &[&str],
) -> anyhow::Result<Server> {
    let agent = &agents[at % agents.len()];
    let (id, name) = (life.id.as_str(), life.name(which));
    Server::start(stage, agent, &Role { service: SERVICE, id, name: &name, at: life.places[which], options })
}

fn callers(agents: &[Agent], port: u16) -> anyhow::Result<Vec<Caller>> {
    let dns = Source::Dns { server: agents[0].dns()?, name: DNS_NAME.to_owned(), port };
    let sources = [dns, Source::watch(&agents[1], SERVICE)?, Source::poll(&agents[2], SERVICE)];
    Ok(sources.into_iter().map(Caller::begin).collect::<std::io::Result<_>>()?)
}

fn called_since(callers: &[Caller], begun: Instant) -> Result<(), String> {
    let is_answered = |met: Met| met.answered.values().any(|(_, _, last)| *last > begun);
    callers.iter().all(|caller| is_answered(caller.met())).then_some(()).ok_or_else(|| "somebody waits".to_owned())
}

/// Stops a server through its `whither run`, waits, and starts it anew.
fn restart(
    stage: &Stage,
    agents: &[Agent],
    at: usize,
    (servers, lives): (&mut [Server], &mut [Life]),
    options: &[&str],
    teller: &mut Teller,
) -> anyhow::Result<Server> {
    let (server, life) = (&mut servers[at], &mut lives[at]);
    life.told = Instant::now();
    server.stop();
    let ended = server.await_end(stage)?;
    ensure!(ended.success(), "{} ended badly: {ended}", life.id);
    let stopped = life.told.elapsed();
    let anew = start(stage, agents, at, life, 1, options)?;
    await_up(stage, agents, SERVICE, &life.id, life.places[1])?;
    life.took = life.told.elapsed();
    let [before, after] = life.places;
    let moved = if before == after { format!("again at {after}") } else { format!("now at {after}") };
    teller.say(&format!(
        "{:<8} drained and stopped in {}, {moved}, up everywhere after {}",
        life.id,
        short(stopped),
        short(life.took - stopped)
    ))?;
    Ok(anew)
}

/// How long after it was told to stop a server was still called, by whoever called it last.
fn switched(life: &Life, met: &[Met]) -> Duration {
    let last = met.iter().filter_map(|met| met.answered.get(&life.name(0))).map(|(_, _, last)| *last).max();
    last.map(|last| last.saturating_duration_since(life.told)).unwrap_or_default()
}

fn judge(lives: &[Life], met: &[Met], lasted: Duration, teller: &mut Teller) -> std::io::Result<Ending> {
    let mut problems = Vec::new();
    for (way, met) in WAYS.iter().zip(met) {
        teller.more(&format!(
            "by {way:<8} {:>6} requests, {} refused, {} failed",
            met.requests(),
            met.refused,
            met.failed
        ))?;
        if met.refused + met.failed > 0 {
            problems.push(format!(
                "by {way}: {} refused, {} failed: {}",
                met.refused,
                met.failed,
                met.troubles.join("; ")
            ));
        }
        let unfound: Vec<String> =
            lives.iter().map(|life| life.name(1)).filter(|name| !met.answered.contains_key(name)).collect();
        if !unfound.is_empty() {
            problems.push(format!("by {way}: never found {}", unfound.join(", ")));
        }
    }
    let sum = |of: fn(&Met) -> usize| met.iter().map(of).sum::<usize>();
    let (requests, refused, failed) = (sum(Met::requests), sum(|met| met.refused), sum(|met| met.failed));
    let slowest = lives.iter().map(|life| switched(life, met)).max().unwrap_or_default();
    let a_second = requests as f64 / lasted.as_secs_f64().max(0.001);
    let verdict = format!(
        "{} restarts, {requests} requests ({a_second:.0} a second), {refused} refused, {failed} failed; slowest switch-over {}",
        lives.len(),
        short(slowest)
    );
    let restarts: Vec<Value> = lives
        .iter()
        .map(|life| {
            let [before, after] = life.places.map(|place| place.to_string());
            json!({ "id": life.id, "before": before, "after": after, "took_ms": millis(life.took),
                    "switched_ms": millis(switched(life, met)) })
        })
        .collect();
    let callers: Vec<Value> = WAYS
        .iter()
        .zip(met)
        .map(
            |(way, met)| json!({ "by": way, "requests": met.requests(), "refused": met.refused, "failed": met.failed }),
        )
        .collect();
    let facts = json!({
        "requests": requests, "refused": refused, "failed": failed, "lasted_ms": millis(lasted),
        "slowest_switch_over_ms": millis(slowest), "callers": callers, "restarts": restarts,
    });
    Ok(Ending { problems, verdict, facts })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_refused_request_is_a_bad_ending() {
        let now = Instant::now();
        let place = ([127, 0, 0, 1], 1).into();
        let life = Life { id: "recos-1".into(), places: [place; 2], told: now, took: Duration::from_secs(1) };
        let mut met = Met::default();
        met.answered.insert("recos-1/1".into(), (7, now, now + Duration::from_millis(30)));
        met.answered.insert("recos-1/2".into(), (7, now, now));
        let mut teller = Teller::of_process(true);
        let good = judge(std::slice::from_ref(&life), &[met.clone()], Duration::from_secs(1), &mut teller).unwrap();
        assert!(good.is_well() && good.verdict.ends_with("slowest switch-over 30 ms"), "{good:?}");
        met.refused = 1;
        let bad = judge(std::slice::from_ref(&life), &[met.clone()], Duration::from_secs(1), &mut teller).unwrap();
        assert!(!bad.is_well() && bad.problems[0].contains("1 refused"), "{bad:?}");
        met.refused = 0;
        met.answered.remove("recos-1/2");
        let lost = judge(&[life], &[met], Duration::from_secs(1), &mut teller).unwrap();
        assert!(lost.problems[0].contains("never found recos-1/2"), "{lost:?}");
    }
}
