//! Story 3: the whole fleet hears of a death, and poison stays where it is.

use super::Ending;
use super::cast::{Agent, Role, Server, agents, await_up, has, list, text};
use super::ears::Ears;
use super::stage::{Place, SOON, Stage};
use super::teller::Teller;
use super::{millis, short};
use crate::agent_api::{ApiError, Method, Target};
use anyhow::{Context, ensure};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

const SERVICE: &str = "prod/recos";
/// Whom nobody harms.
const BYSTANDER: &str = "prod/cart";
/// What a client deregisters in full.
const SHOP: &str = "prod/shop";
const SHOP_INSTANCES: usize = 20;
/// How long the agent stands still each time, and how long it then runs.
const STILL: Duration = Duration::from_secs(1);
const RUNS: Duration = Duration::from_millis(300);

/// What the story takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  whither story fleet
  whither story fleet --agents 30
  whither story fleet --json | jq .facts.heard_ms

A server is killed (kill -9), and every agent's watch hears of it. Then come poison and trouble: records that are too large \
            or are none, a client that deregisters all instances of a service, and an agent that stands still for a \
            second, ten times. It ends well if everybody heard, and nobody lost what he should not.")]
pub(crate) struct Args {
    /// How many agents there are
    #[arg(long, value_name = "N", default_value = "12", value_parser = clap::value_parser!(u8).range(3..=30))]
    agents: u8,
    /// How often one of them stands still
    #[arg(long, value_name = "N", default_value = "10", value_parser = clap::value_parser!(u8).range(1..=60))]
    stops: u8,
}

/// Plays it.
pub(crate) fn play(args: &Args, stage: &Stage, teller: &mut Teller) -> anyhow::Result<Ending> {
    teller.say("The whole fleet must hear of it; and when something is poison, it must stay where it is.")?;
    let agents = agents(stage, usize::from(args.agents))?;
    let places = [Place::anywhere()?, Place::anywhere()?];
    let server = |service, id, at: usize, agent: &Agent| {
        Server::start(stage, agent, &Role { service, id, name: id, at: places[at].address(), options: &[] })
    };
    let doomed = server(SERVICE, "recos-1", 0, &agents[0])?;
    let _bystander = server(BYSTANDER, "cart-1", 1, &agents[1])?;
    await_up(stage, &agents, SERVICE, "recos-1", places[0].address())?;
    await_up(stage, &agents, BYSTANDER, "cart-1", places[1].address())?;
    let mut fleet = Fleet { stage, ears: Ears::open(stage, &agents)?, agents: &agents, problems: Vec::new() };
    teller.say(&format!("{} agents know each other, and each is watched", agents.len()))?;
    teller.breathe();

    let heard = fleet.hear_of_death(&doomed)?;
    let times = Times::of(&heard).context("nobody heard of it")?;
    teller.say(&format!(
        "recos-1 is killed (kill -9); {} of {} watches hear that it is gone: {times}",
        heard.len(),
        agents.len()
    ))?;
    teller.breathe();

    let refused = fleet.poison();
    teller.say("a client registers poison, and is refused:")?;
    teller.more(&refused.join("\n"))?;
    let kept = fleet.deregister_everything()?;
    teller.say(&format!(
        "a client deregisters all {SHOP_INSTANCES} instances of {SHOP}; {kept} are still there, on every agent"
    ))?;
    let status = fleet.status()?;
    teller.say("whither status")?;
    teller.more(&status)?;
    teller.breathe();

    teller.say(&format!("a-2 is made to stand still for a second (SIGSTOP), {} times", args.stops))?;
    let removed = fleet.stand_still(args.stops)?;
    teller.say(&format!("{removed} instances were removed by that, on any agent"))?;
    let verdict = format!(
        "{} of {} agents heard of the death, {times}; poison was refused, {kept} of {SHOP_INSTANCES} survived a mass removal, \
         {removed} were removed by {} standstills",
        heard.len(),
        agents.len(),
        args.stops
    );
    let facts = json!({
        "agents": agents.len(),
        "heard": heard.len(),
        "heard_ms": { "min": millis(times.min), "median": millis(times.median), "max": millis(times.max) },
        "poison": refused, "deregistered": SHOP_INSTANCES, "kept": kept, "stops": args.stops, "removed_by_stops": removed,
    });
    Ok(Ending { problems: fleet.problems, verdict, facts })
}

/// When agents heard of something.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Times {
    min: Duration,
    median: Duration,
    max: Duration,
}

impl Times {
    fn of(heard: &[Duration]) -> Option<Self> {
        let mut heard = heard.to_vec();
        heard.sort_unstable();
        Some(Self { min: *heard.first()?, median: *heard.get(heard.len() / 2)?, max: *heard.last()? })
    }
}

impl std::fmt::Display for Times {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "min {}, median {}, max {}", short(self.min), short(self.median), short(self.max))
    }
}

struct Fleet<'a> {
    stage: &'a Stage,
    agents: &'a [Agent],
    ears: Ears,
    problems: Vec<String>,
}

impl Fleet<'_> {
    /// Kills the server, and says after how long each agent's watch said that it is gone.
    fn hear_of_death(&mut self, doomed: &Server) -> anyhow::Result<Vec<Duration>> {
        let killed = Instant::now();
        doomed.kill();
        let mut heard: Vec<Option<Duration>> = vec![None; self.agents.len()];
        while heard.contains(&None) {
            let Some(news) = self.ears.next(self.stage, killed + SOON)? else { break };
            let is_it =
                news.event.service.as_deref() == Some(SERVICE) && news.event.removed.iter().any(|id| id == "recos-1");
            if let Some(first @ None) = heard.get_mut(news.agent).filter(|_| is_it) {
                *first = Some(news.at.saturating_duration_since(killed));
            }
        }
        for (agent, _) in self.agents.iter().zip(&heard).filter(|(_, heard)| heard.is_none()) {
            self.problems.push(format!("{} did not hear of the death within {SOON:?}", agent.name));
        }
        Ok(heard.into_iter().flatten().collect())
    }

    /// Registers what must not be, and says how that was refused.
    fn poison(&mut self) -> Vec<String> {
        let large = "x".repeat(20_000);
        let larger = "x".repeat(400_000);
        let poison = [
            ("a record of 20 kB", format!(r#"{{"port":1,"meta":{{"note":"{large}"}}}}"#)),
            ("a request of 400 kB", format!(r#"{{"port":1,"meta":{{"note":"{larger}"}}}}"#)),
            ("port 0", r#"{"port":0}"#.to_owned()),
            ("an address that is none", r#"{"port":1,"address":"10.0.0.7.9"}"#.to_owned()),
            ("bytes that are no JSON", "\u{1}\u{2}[[[[".to_owned()),
        ];
        let target = Target::new("/v1/services/prod/poison/instances/p-1");
        let mut refused = Vec::new();
        for (what, body) in poison {
            match self.agents[0].api().send(Method::Put, &target, Some(body.as_bytes())) {
                Err(ApiError::Refused { status, problem }) if status < 500 => {
                    refused.push(format!("{what:<24} {status}: {}", clipped(&problem.to_string())));
                }
                // It need not read all of what it does not take.
                Err(ApiError::Broken { .. }) => refused.push(format!("{what:<24} cut off: it is not read to its end")),
                other => self.problems.push(format!("{what} was not refused as it should be: {other:?}")),
            }
        }
        for agent in self.agents {
            let known = agent.api().send(Method::Get, &Target::new("/v1/services/prod/poison"), None);
            if !known.as_ref().is_err_and(ApiError::is_not_found) {
                self.problems.push(format!("{} knows of the poison, or does not answer: {known:?}", agent.name));
            }
        }
        refused
    }

    /// Registers a service in full, and deregisters it in full. Returns how many instances are left, wherever there are fewest.
    fn deregister_everything(&mut self) -> anyhow::Result<usize> {
        let one = |at: usize| json!({ "service": SHOP, "id": format!("shop-{at}"), "address": "10.0.0.7", "port": 8000 + at });
        let body = Value::from_iter((1..=SHOP_INSTANCES).map(one)).to_string();
        self.agents[0].api().send(Method::Post, &Target::new("/v1/instances"), Some(body.as_bytes()))?;
        let count = |agent: &Agent| list(&agent.service(SHOP)["instances"]).len();
        for agent in self.agents {
            self.stage.until(&format!("{} has {SHOP}", agent.name), SOON, || match count(agent) {
                SHOP_INSTANCES => Ok(()),
                count => Err(format!("{count} instances")),
            })?;
        }
        for at in 1..=SHOP_INSTANCES {
            self.stage.goes_on()?;
            let target = Target::new(&format!("/v1/services/{SHOP}/instances/shop-{at}"));
            self.agents[0].api().send(Method::Delete, &target, None)?;
        }
        let mut least = SHOP_INSTANCES;
        for agent in self.agents {
            // The last one that was told to go is seen as leaving.
            let last = format!("shop-{SHOP_INSTANCES}");
            self.stage.until(&format!("{} has heard of it", agent.name), SOON, || {
                let seen = agent.service(SHOP);
                has(&seen, &last, "leaving").then_some(()).ok_or_else(|| seen.to_string())
            })?;
            let given = agent.get(&format!("/v1/services/{SHOP}"))?;
            if list(&given["instances"]).is_empty() {
                self.problems.push(format!("{} gives nothing for {SHOP}: {given}", agent.name));
            }
            least = least.min(count(agent));
        }
        if least < SHOP_INSTANCES * 3 / 4 {
            self.problems.push(format!("the guard held {least} of {SHOP_INSTANCES} only"));
        }
        Ok(least)
    }

    /// What `whither status` says of the agent that was told to remove everything.
    fn status(&mut self) -> anyhow::Result<String> {
        let door = self.agents[0].http().to_string();
        let output = self.stage.command(&["status", "--agent", &door]).output()?;
        ensure!(output.status.success(), "whither status fails: {}", String::from_utf8_lossy(&output.stderr));
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let status = self.agents[0].get("/v1/status")?;
        let guard = list(&status["guards"]).iter().find(|guard| guard["guard"] == "mass-removal");
        if guard.is_none_or(|guard| guard["active"] != true) {
            self.problems.push(format!("status does not show the guard at work: {status}"));
        }
        let shown = |line: &&str| {
            ["instances ", "protected ", "GUARD ", "mass-removal "].iter().any(|word| line.starts_with(word))
        };
        Ok(said.lines().filter(shown).collect::<Vec<_>>().join("\n"))
    }

    /// Stops one agent time and again, and counts what is removed meanwhile, the shop apart, which is being removed.
    fn stand_still(&mut self, times: u8) -> anyhow::Result<usize> {
        for _ in 0..times {
            self.agents[1].signal(Signal::STOP);
            let passed = self.stage.pass(STILL);
            self.agents[1].signal(Signal::CONT);
            passed?;
            self.stage.pass(RUNS)?;
        }
        // What is registered now arrives after all that the standstills caused.
        let marker = Target::new("/v1/services/prod/marker/instances/m-1");
        self.agents[1].api().send(Method::Put, &marker, Some(br#"{"port":1}"#))?;
        let (mut removed, mut told) = (BTreeSet::new(), vec![false; self.agents.len()]);
        let until = Instant::now() + SOON;
        while told.contains(&false) {
            let Some(news) = self.ears.next(self.stage, until)? else { break };
            let service = news.event.service.unwrap_or_default();
            if service == "prod/marker" {
                told.iter_mut().skip(news.agent).take(1).for_each(|told| *told = true);
            }
            if service != SHOP {
                removed.extend(news.event.removed.into_iter().map(|id| (news.agent, id)));
            }
        }
        for (at, agent) in self.agents.iter().enumerate() {
            if told.get(at) != Some(&true) {
                self.problems.push(format!("{} did not hear of what came after", agent.name));
            }
            let seen = agent.get(&format!("/v1/services/{BYSTANDER}")).unwrap_or_default();
            if text(&seen["instances"][0]["id"]) != "cart-1" {
                self.problems.push(format!("{} does not give cart-1 any more: {seen}", agent.name));
            }
        }
        self.problems.extend(removed.iter().map(|(at, id)| format!("{} removed {id}", self.agents[*at].name)));
        Ok(removed.len())
    }
}

/// The beginning of a long text.
fn clipped(text: &str) -> String {
    const LONGEST: usize = 90;
    if text.chars().count() <= LONGEST { text.to_owned() } else { text.chars().take(LONGEST).chain(['…']).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_in_order() {
        let times = |heard: &[u64]| Times::of(&heard.iter().copied().map(Duration::from_millis).collect::<Vec<_>>());
        let [min, median, max] = [1, 3, 9].map(Duration::from_millis);
        assert_eq!(times(&[9, 1, 3]), Some(Times { min, median, max }));
        assert_eq!(times(&[]), None);
    }

    #[test]
    fn long_texts_are_clipped_between_letters() {
        assert_eq!(clipped("short"), "short");
        assert_eq!(clipped(&"ä".repeat(200)).chars().count(), 91);
    }
}
