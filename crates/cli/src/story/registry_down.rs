//! Story 2: the registry is down, and its callers go on.

use super::Ending;
use super::callers::request;
use super::cast::{Agent, Role, Server, agents, await_all_alive, await_up, has, list, text};
use super::reader::{Read, Reader};
use super::stage::{Place, SOON, Stage};
use super::teller::Teller;
use super::{millis, short};
use crate::duration;
use anyhow::bail;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const SERVICES: [&str; 3] = ["prod/recos", "prod/cart", "prod/search"];
/// A reader who wants strictness takes nothing older than this.
const STRICT: Duration = Duration::from_secs(1);
/// As old as answers may be once all is well again.
const FRESH_MILLIS: u64 = 3_000;

/// What the story takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  whither story registry-down
  whither story registry-down --json | jq .facts

Three agents, with a server each. Two agents are killed, then the third, which starts again alone; then the others \
            come back. Somebody asks the third all the while. It ends well if no answer was empty, every answer said how old \
            it was and never less than the truth, and all is as before at the end.")]
pub(crate) struct Args {
    /// How long the first answer of an agent that starts alone may take, from when it says that it is ready
    #[arg(long, value_name = "DURATION", default_value = "100ms", value_parser = duration::parse)]
    within: Duration,
}

/// Plays it.
pub(crate) fn play(args: &Args, stage: &Stage, teller: &mut Teller) -> anyhow::Result<Ending> {
    teller.say("The registry is down. Whoever asks it for an address must get one, and be told how old it is.")?;
    let agents = agents(stage, 3)?;
    let places = [Place::anywhere()?, Place::anywhere()?, Place::anywhere()?];
    let servers = servers(stage, &agents, &places)?;
    teller.say("three agents, and a server with each: prod/recos at a-1, prod/cart at a-2, prod/search at a-3")?;
    // What others told it reaches its disk within the group window; its backlog says when.
    stage.until("nothing waits for the disk of a-3", SOON, || match agents[2].metric("whither_journal_backlog") {
        Some(0.0) => Ok(()),
        other => Err(format!("{other:?}")),
    })?;
    let reader = Reader::begin(agents[2].api().clone(), SERVICES)?;
    teller.breathe();
    let mut tale = Tale { stage, teller, agents, problems: Vec::new() };
    let (lost, first_silent) = tale.lose_one()?;
    let silent = [first_silent, Instant::now()];
    let alone = tale.lose_another(silent)?;
    let served = tale.call_all(&places)?;
    tale.teller.say(&strict(&alone))?;
    tale.teller.breathe();
    let (from_disk, took) = tale.start_alone(silent, args.within)?;
    let (last, healed) = tale.come_back(silent)?;
    let read = tale.close(reader)?;
    drop(servers);
    let verdict = format!(
        "{} answers, {} of them empty; alone from disk {} after it was ready; all as before {} after the others came back",
        read.answers,
        read.empty,
        short(took),
        short(healed)
    );
    let facts = json!({
        "answers": read.answers, "empty": read.empty, "unanswered": read.unanswered, "served": served,
        "first_answer_ms": millis(took), "healed_ms": millis(healed), "strict_ms": millis(STRICT),
        "lost": json_of(&lost), "alone": json_of(&alone), "from_disk": json_of(&from_disk), "at_last": json_of(&last),
    });
    Ok(Ending { problems: tale.problems, verdict, facts })
}

/// What goes from act to act.
struct Tale<'a> {
    stage: &'a Stage,
    teller: &'a mut Teller,
    agents: Vec<Agent>,
    problems: Vec<String>,
}

impl Tale<'_> {
    /// One agent dies, and the others agree on it.
    fn lose_one(&mut self) -> anyhow::Result<(Vec<Told>, Instant)> {
        let silent = Instant::now();
        self.agents[0].kill();
        for witness in &self.agents[1..] {
            let state = || witness.state_of("a-1");
            self.stage.until(&format!("{} believes a-1 down", witness.name), SOON, || match state() {
                state if state == "down" => Ok(()),
                state => Err(state),
            })?;
        }
        self.teller.say(&format!(
            "a-1 is killed (kill -9); a-2 and a-3 agree that it is down after {}; a-3 answers:",
            short(silent.elapsed())
        ))?;
        let lost = ask_all(&self.agents[2], [silent; 2], 1, &mut self.problems);
        self.teller.more(&table(&lost))?;
        if !lost.first().is_some_and(|one| one.is_protected && one.selection == "last_known") {
            self.problems.push(format!("what is known of a dead agent is not marked: {:?}", lost.first()));
        }
        self.teller.breathe();
        Ok((lost, silent))
    }

    /// Another one dies, and nobody is left to agree with.
    fn lose_another(&mut self, silent: [Instant; 2]) -> anyhow::Result<Vec<Told>> {
        self.agents[1].kill();
        missed(self.stage, &self.agents[2])?;
        self.teller.say(&format!(
            "a-2 is killed too; a-3, alone, cannot tell which of them is cut off; {} later it answers:",
            short(silent[1].elapsed())
        ))?;
        let alone = ask_all(&self.agents[2], silent, 2, &mut self.problems);
        self.teller.more(&table(&alone))?;
        Ok(alone)
    }

    /// Goes where the answers lead. Returns how many servers answer.
    fn call_all(&mut self, places: &[Place]) -> anyhow::Result<usize> {
        let called = places.iter().map(|place| request(place.address()));
        let troubles: Vec<String> = called.filter_map(Result::err).map(|trouble| trouble.to_string()).collect();
        let served = places.len() - troubles.len();
        let told = |trouble| format!("a server that nobody harmed does not answer: {trouble}");
        self.problems.extend(troubles.into_iter().map(told));
        self.teller.say(&format!("the servers are well, only their agents are not: {served} of 3 answer there"))?;
        Ok(served)
    }

    /// The last one dies, and starts with nobody else there. Returns also how long its first answer took.
    fn start_alone(&mut self, silent: [Instant; 2], within: Duration) -> anyhow::Result<(Vec<Told>, Duration)> {
        self.agents[2].kill();
        self.teller.say("a-3 is killed too, and started again; nobody else is there")?;
        let started = Instant::now();
        self.agents[2].start(self.stage)?;
        let ready = Instant::now();
        let first = answer(&self.agents[2], SERVICES[0]);
        let took = ready.elapsed();
        if first.is_empty || took > within {
            self.problems.push(format!("the first answer after the start took {}: {first:?}", short(took)));
        }
        let from_disk = ask_all(&self.agents[2], silent, 2, &mut self.problems);
        self.teller.say(&format!(
            "it was ready after {}, and gave its first answer {} later, from disk:",
            short(ready - started),
            short(took)
        ))?;
        self.teller.more(&table(&from_disk))?;
        self.teller.breathe();
        Ok((from_disk, took))
    }

    /// The others come back. Returns also how long it took until all was as before.
    fn come_back(&mut self, silent: [Instant; 2]) -> anyhow::Result<(Vec<Told>, Duration)> {
        let returned = Instant::now();
        let [first, second, _] = self.agents.as_mut_slice() else { bail!("three agents play") };
        first.begin(self.stage)?;
        second.begin(self.stage)?;
        first.await_ready(self.stage)?;
        second.await_ready(self.stage)?;
        await_all_alive(self.stage, &self.agents)?;
        await_as_before(self.stage, &self.agents)?;
        let healed = returned.elapsed();
        self.teller.say(&format!(
            "a-1 and a-2 come back; {} later every agent has every service as it was, and can prove it",
            short(healed)
        ))?;
        let last = ask_all(&self.agents[2], silent, 0, &mut self.problems);
        self.teller.more(&table(&last))?;
        Ok((last, healed))
    }

    /// What the one met with who asked all the while.
    fn close(&mut self, reader: Reader) -> anyhow::Result<Read> {
        let read = reader.end();
        if read.empty > 0 || read.answers == 0 {
            let Read { answers, empty, first_empty, .. } = &read;
            self.problems.push(format!("of {answers} answers, {empty} were empty; the first: {first_empty}"));
        }
        let Read { answers, empty, .. } = &read;
        self.teller.say(&format!("{answers} answers were read at a-3 all the while; {empty} of them were empty"))?;
        Ok(read)
    }
}

/// Waits until the agent misses the second, and what it knows is too old for a strict reader.
fn missed(stage: &Stage, third: &Agent) -> anyhow::Result<()> {
    stage.until("a-3 misses a-2", SOON, || {
        let (state, told) = (third.state_of("a-2"), answer(third, SERVICES[1]));
        let is_missed = state == "suspect" || state == "down";
        (is_missed && is_too_old(&told)).then_some(()).ok_or_else(|| format!("{state}, {told:?}"))
    })
}

fn servers(stage: &Stage, agents: &[Agent], places: &[Place]) -> anyhow::Result<Vec<Server>> {
    let mut servers = Vec::new();
    for ((service, place), agent) in SERVICES.iter().zip(places).zip(agents) {
        let id = id(service);
        servers.push(Server::start(
            stage,
            agent,
            &Role { service, id: &id, name: &id, at: place.address(), options: &[] },
        )?);
    }
    for (service, place) in SERVICES.iter().zip(places) {
        await_up(stage, agents, service, &id(service), place.address())?;
    }
    Ok(servers)
}

fn id(service: &str) -> String {
    format!("{}-1", service.rsplit('/').next().unwrap_or_default())
}

/// What was answered about a service.
#[derive(Clone, Debug)]
struct Told {
    service: &'static str,
    is_empty: bool,
    selection: String,
    status: String,
    is_protected: bool,
    age_ms: Option<u64>,
}

/// Asks as a caller does: for what is to be used.
fn answer(agent: &Agent, service: &'static str) -> Told {
    let said = agent.get(&format!("/v1/services/{service}")).unwrap_or_default();
    let instances = list(&said["instances"]);
    Told {
        service,
        is_empty: instances.is_empty(),
        selection: text(&said["selection"]).to_owned(),
        status: instances.first().map(|one| text(&one["status"]).to_owned()).unwrap_or_default(),
        is_protected: said["protected"] == true,
        age_ms: said["age_ms"].as_u64(),
    }
}

/// Asks about all services. Of the agents, the first `dead` are, since they are `silent`: nothing can be known of what they
/// would have said. The third speaks for its own service itself.
fn ask_all(agent: &Agent, silent: [Instant; 2], dead: usize, problems: &mut Vec<String>) -> Vec<Told> {
    let mut all = Vec::new();
    let mut since = silent.into_iter().take(dead);
    for service in SERVICES {
        let least = since.next().map(|since| since.elapsed());
        let told = answer(agent, service);
        if told.is_empty {
            problems.push(format!("nothing is answered about {service}: {told:?}"));
        }
        problems.extend(least.and_then(|least| too_young(&told, least)));
        all.push(told);
    }
    all
}

/// Whether an answer claims to be younger than it can be.
fn too_young(told: &Told, least: Duration) -> Option<String> {
    let claimed = told.age_ms.map(Duration::from_millis);
    let is_too_young = claimed.is_some_and(|age| age + Duration::from_millis(1) < least);
    is_too_young.then(|| format!("{} is said to be {claimed:?} old at most, and is {least:?}", told.service))
}

fn table(told: &[Told]) -> String {
    let line = |one: &Told| {
        let protected = if one.is_protected { ", protected" } else { "" };
        let age = duration::words(one.age_ms);
        format!("{:<12} 1 instance, {} ({}){protected}, known to within {age}", one.service, one.selection, one.status)
    };
    told.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn json_of(told: &[Told]) -> Vec<Value> {
    let one = |one: &Told| {
        json!({ "service": one.service, "empty": one.is_empty, "selection": one.selection, "status": one.status,
                "protected": one.is_protected, "age_ms": one.age_ms })
    };
    told.iter().map(one).collect()
}

/// Whether a reader who wants strictness declines it.
fn is_too_old(told: &Told) -> bool {
    told.age_ms.is_none_or(|age| Duration::from_millis(age) > STRICT)
}

/// What a reader makes of it who wants strictness.
fn strict(told: &[Told]) -> String {
    let old: Vec<&str> = told.iter().filter(|one| is_too_old(one)).map(|one| one.service).collect();
    match old.as_slice() {
        [] => "a reader who takes nothing older than 1 s (`age_ms`) can use all of them".to_owned(),
        old => {
            format!("a reader who takes nothing older than 1 s (`age_ms`) declines {}; others go on", old.join(", "))
        }
    }
}

/// Waits until every agent gives every service as usable, unprotected and fresh.
fn await_as_before(stage: &Stage, agents: &[Agent]) -> anyhow::Result<()> {
    for agent in agents {
        for service in SERVICES {
            stage.until(&format!("{} has {service} as before", agent.name), SOON, || {
                let seen = agent.service(service);
                let is_fresh = seen["age_ms"].as_u64().is_some_and(|age| age < FRESH_MILLIS);
                let is_well = seen["selection"] == "usable" && seen["protected"] == false;
                let is_there = has(&seen, &id(service), "passing");
                (is_fresh && is_well && is_there).then_some(()).ok_or_else(|| seen.to_string())
            })?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_claims_to_be_younger_than_it_is_is_seen() {
        let mut told = Told {
            service: "prod/recos",
            is_empty: false,
            selection: "usable".into(),
            status: "held".into(),
            is_protected: true,
            age_ms: Some(2_000),
        };
        assert_eq!(too_young(&told, Duration::from_secs(2)), None);
        assert!(too_young(&told, Duration::from_secs(3)).is_some());
        assert!(strict(&[told.clone()]).contains("declines prod/recos"));
        told.age_ms = Some(20);
        assert!(strict(&[told]).contains("can use all"));
    }
}
