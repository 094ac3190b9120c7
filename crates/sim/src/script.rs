//! Stories with recorded output: a command per paragraph, `----`, and what came of it.
//!
//! ```text
//! # A registration made at n0 answers a question at n2.
//! register n0 web w1 10.0.0.1:80
//! ----
//! ok 1.2
//!
//! resolve n2 web
//! ----
//! w1 10.0.0.1:80 passing n0
//! ```

use crate::network::Weather;
use crate::world::{Setup, World};
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;
use whither_model::{Ack, Command, Health, Outcome, Port, PortName, Registration, SessionEnd};

/// Runs a story and returns it with the output that came.
///
/// # Errors
/// The line that is no command, and why.
pub fn run(story: &str) -> Result<String, String> {
    let mut narrator = Narrator { world: World::new(Setup::new(1, 3)) };
    narrator.world.run_for(Duration::from_secs(3));
    let mut told = String::new();
    let mut lines = story.lines().peekable();
    while let Some(line) = lines.next() {
        if line.trim().is_empty() || line.starts_with('#') {
            writeln!(told, "{line}").map_err(|e| e.to_string())?;
            continue;
        }
        let output = narrator.command(line).map_err(|problem| format!("{line}: {problem}"))?;
        writeln!(told, "{line}\n----\n{output}").map_err(|e| e.to_string())?;
        if lines.peek() == Some(&"----") {
            lines.next();
            while lines.peek().is_some_and(|line| !line.trim().is_empty()) {
                lines.next();
            }
        }
        if !output.is_empty() && lines.peek().is_none() {
            break;
        }
    }
    Ok(told)
}

struct Narrator {
    world: World,
}

/// How long a command may take to be answered before the story goes on: far longer than any commit.
const PATIENCE: Duration = Duration::from_millis(100);

impl Narrator {
    fn command(&mut self, line: &str) -> Result<String, String> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (name, words) = words.split_first().ok_or("nothing to do")?;
        match *name {
            "cluster" => self.cluster(words),
            "register" => self.register(words),
            "deregister" | "renew" | "drain" | "overrule" | "judge" => self.change(name, words),
            "maintenance" => {
                let on = words.get(1) == Some(&"on");
                self.ask(node(words.first())?, Command::SetMaintenance { on, ack: Ack::Memory })
            }
            "session" | "close" | "lose" => self.session(name, words),
            "leave" => {
                let command = Command::Leave;
                let node = node(words.first())?;
                self.ask(node, command)
            }
            "resolve" => self.resolve(words),
            "members" => self.members(words),
            "age" => self.age(words),
            "run" => self.run_for(words),
            "crash" | "stop" | "boot" | "pause" | "resume" => self.power(name, words),
            "partition" => self.partition(words),
            "cut" => {
                self.world.network.cut(node(words.first())?, node(words.get(1))?);
                Ok("ok".into())
            }
            "heal" => {
                self.world.network.heal();
                Ok("ok".into())
            }
            "loss" => {
                let percent: usize = parse(words.first(), "loss in per cent")?;
                self.world.network.weather = Weather { loss_per_mille: percent * 10, ..Weather::CALM };
                Ok("ok".into())
            }
            other => Err(format!("no such command: {other}")),
        }
    }

    fn cluster(&mut self, words: &[&str]) -> Result<String, String> {
        let nodes = parse(words.first(), "number of nodes")?;
        let seed = words.get(1).map_or(Ok(1), |_| parse(words.get(1), "seed"))?;
        self.world = World::new(Setup::new(seed, nodes));
        self.world.run_for(Duration::from_secs(3));
        Ok(format!("{nodes} nodes"))
    }

    fn ask(&mut self, node: usize, command: Command) -> Result<String, String> {
        let at = self.world.command(node, command);
        for _ in 0..PATIENCE.as_millis() {
            if self.world.outcome(at).is_some() {
                break;
            }
            self.world.run_for(Duration::from_millis(1));
        }
        Ok(match self.world.outcome(at) {
            None => "no answer".into(),
            Some(Ok(Outcome::Written { version, created })) => {
                format!("ok {version}{}", if *created > 0 { " created" } else { "" })
            }
            Some(Ok(Outcome::Held { version, removed_in })) => {
                format!("ok {version}, removed in {} s", removed_in.as_secs())
            }
            Some(Ok(Outcome::Renewed { lease: Some(lease) })) => format!("ok, {} ms more", lease.as_millis()),
            Some(Ok(Outcome::Renewed { lease: None })) => "ok, no lease".into(),
            Some(Ok(Outcome::Witnessed(all))) => format!("{all:?}"),
            Some(Ok(Outcome::RenewedMany { unknown })) => format!("ok, {} unknown", unknown.len()),
            Some(Ok(Outcome::Opened { session })) => format!("ok {session}"),
            Some(Ok(Outcome::Ended { instances })) => format!("ok, {instances} ended"),
            Some(Ok(Outcome::Begun)) => "ok".into(),
            Some(Err(refusal)) => format!("refused: {refusal}"),
        })
    }

    fn register(&mut self, words: &[&str]) -> Result<String, String> {
        let [at, service, id, address, options @ ..] = words else {
            return Err(
                "expected: register NODE SERVICE ID ADDRESS [ttl=MS] [session=ID] [ack=durable] [health=…]".into()
            );
        };
        let address: SocketAddr = parse(Some(address), "address")?;
        let mut registration =
            Registration::new(parse(Some(service), "service")?, parse(Some(id), "id")?, address.ip());
        registration.ports = [Port { name: PortName::default(), number: address.port() }].into();
        let mut ack = Ack::Memory;
        for option in options {
            match option.split_once('=') {
                Some(("ttl", ms)) => registration.lease = Some(Duration::from_millis(parse(Some(&ms), "ttl")?)),
                Some(("ack", "durable")) => ack = Ack::Durable,
                Some(("session", session)) => registration.session = Some(parse(Some(&session), "session")?),
                Some(("health", health)) => registration.health = parse(Some(&health), "health")?,
                _ => return Err(format!("no such option: {option}")),
            }
        }
        self.ask(node(Some(at))?, Command::Register { registrations: vec![registration], ack })
    }

    fn session(&mut self, name: &str, words: &[&str]) -> Result<String, String> {
        let at = node(words.first())?;
        let command = match name {
            "session" => {
                let grace = words.get(1).map_or(Ok(10_000), |_| parse(words.get(1), "grace in milliseconds"))?;
                Command::OpenSession { grace: Duration::from_millis(grace) }
            }
            end => {
                let end = if end == "lose" { SessionEnd::Lost } else { SessionEnd::Closed };
                Command::EndSession { session: parse(words.get(1), "session")?, end }
            }
        };
        self.ask(at, command)
    }

    fn change(&mut self, name: &str, words: &[&str]) -> Result<String, String> {
        let [at, service, id, options @ ..] = words else { return Err(format!("expected: {name} NODE SERVICE ID")) };
        let (service, id) = (parse(Some(service), "service")?, parse(Some(id), "id")?);
        let command = match name {
            "deregister" => {
                let force = options.first() == Some(&"force");
                Command::Deregister { service, id, force, ack: Ack::Memory }
            }
            "overrule" => Command::Overrule { service, id, ack: Ack::Memory },
            "judge" => Command::Judge { service, id, health: parse(options.first(), "health")? },
            "drain" => Command::SetState { service, id, state: whither_model::State::Draining, ack: Ack::Memory },
            _ => {
                let health: Option<Health> = options.first().map(|_| parse(options.first(), "health")).transpose()?;
                Command::Renew { service, id, health }
            }
        };
        self.ask(node(Some(at))?, command)
    }

    fn resolve(&self, words: &[&str]) -> Result<String, String> {
        let service = parse(words.get(1), "service")?;
        let Some(view) = self.world.view(node(words.first())?) else { return Ok("not running".into()) };
        let Some(service) = view.service(&service) else { return Ok("unknown".into()) };
        let mut lines: Vec<String> = service
            .selected()
            .map(|listed| {
                let registration = &listed.instance.registration;
                let port = registration.ports.first().map_or(0, |port| port.number);
                let (address, id, status) = (registration.address, listed.id(), listed.status);
                format!("{id} {address}:{port} {status} {}", listed.owner_name)
            })
            .collect();
        match service.selection() {
            whither_directory::Selection::Usable => {}
            whither_directory::Selection::LastKnown => lines.insert(0, "last known:".into()),
            whither_directory::Selection::Empty => lines.push("empty".into()),
        }
        Ok(lines.join("\n"))
    }

    fn members(&self, words: &[&str]) -> Result<String, String> {
        let beliefs = self.world.beliefs(node(words.first())?);
        Ok(beliefs.iter().map(|(node, state)| format!("n{node} {state}")).collect::<Vec<_>>().join("\n"))
    }

    /// The age of an answer, rounded up to a power of two of milliseconds: stories should not change with every packet.
    fn age(&self, words: &[&str]) -> Result<String, String> {
        let at = node(words.first())?;
        let service = parse(words.get(1), "service")?;
        let Some(view) = self.world.view(at) else { return Ok("not running".into()) };
        let Some(service) = view.service(&service) else { return Ok("unknown".into()) };
        Ok(match service.age(view.freshness(), self.world.clock(at)) {
            Some(age) => format!("at most {} ms", age.as_millis().next_power_of_two()),
            None => "unknown".into(),
        })
    }

    fn run_for(&mut self, words: &[&str]) -> Result<String, String> {
        let text = words.first().ok_or("expected a duration, for example 100ms or 2s")?;
        let duration = match (text.strip_suffix("ms"), text.strip_suffix('s')) {
            (Some(ms), _) => Duration::from_millis(parse(Some(&ms), "milliseconds")?),
            (None, Some(s)) => Duration::from_secs(parse(Some(&s), "seconds")?),
            _ => return Err("expected a duration, for example 100ms or 2s".into()),
        };
        self.world.run_for(duration);
        Ok("ok".into())
    }

    fn power(&mut self, name: &str, words: &[&str]) -> Result<String, String> {
        let at = node(words.first())?;
        match name {
            "crash" => self.world.crash(at),
            "stop" => self.world.stop(at),
            "boot" => self.world.boot(at),
            "pause" => self.world.pause(at),
            _ => self.world.resume(at),
        }
        Ok("ok".into())
    }

    fn partition(&mut self, words: &[&str]) -> Result<String, String> {
        let mut groups = vec![Vec::new()];
        for word in words {
            match *word {
                "|" => groups.push(Vec::new()),
                name => groups.last_mut().ok_or("no group")?.push(node(Some(&name))?),
            }
        }
        self.world.network.partition(&groups);
        Ok("ok".into())
    }
}

fn node(word: Option<&&str>) -> Result<usize, String> {
    let word = word.ok_or("expected a node, for example n0")?;
    word.strip_prefix('n')
        .and_then(|n| n.parse().ok())
        .ok_or_else(|| format!("{word}: expected a node, for example n0"))
}

fn parse<T: std::str::FromStr>(word: Option<&&str>, what: &str) -> Result<T, String>
where
    T::Err: std::fmt::Display,
{
    let word = word.ok_or_else(|| format!("expected a {what}"))?;
    word.parse().map_err(|problem| format!("{what} {word}: {problem}"))
}
