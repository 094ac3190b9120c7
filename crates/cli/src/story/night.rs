//! Story 1, the first half: at 03:14 one of three frontends gets connection refused, and `whither doctor` names who lied to it.

use super::Ending;
use super::callers::{Pooled, Trouble, look_up, request};
use super::cast::{Agent, Role, Server, agents, await_up, list, text};
use super::nameserver::Nameserver;
use super::stage::{Place, SOON, Stage};
use super::teller::Teller;
use super::{millis, short};
use anyhow::{Context, anyhow};
use serde_json::{Value, json};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::{Duration, Instant};

const SERVICE: &str = "prod/recos";
const DNS_NAME: &str = "recos.prod.whither.";
/// Requests of each frontend, before and after.
const REQUESTS: usize = 30;
/// How long the nameserver keeps what it once heard.
const KEPT: Duration = Duration::from_secs(720);
/// What `doctor` exits with when a layer lies.
const LIES: Option<i32> = Some(crate::failure::LIES as i32);

/// What the story takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  whither story 0314
  whither story 0314 --json | jq .facts.doctor

Two agents, three servers, and three frontends: one asks the agent's DNS, one a nameserver that keeps answers for twelve \
            minutes, one has a pool of open connections. One server is killed. It ends well if `whither doctor` names \
            the nameserver and the pool, and nobody else.")]
pub(crate) struct Args {}

/// Plays it.
pub(crate) fn play(stage: &Stage, teller: &mut Teller) -> anyhow::Result<Ending> {
    teller.say("03:14. One of three frontends gets connection refused; its neighbours do not.")?;
    let agents = agents(stage, 2)?;
    let places = Place::hosts(14, 3)?;
    let servers = servers(stage, &agents, &places)?;
    teller.say("two agents, and three servers of prod/recos, each under `whither run`")?;

    let (gone, port) = (places[1].address(), places[1].address().port());
    let nameserver = Nameserver::start(agents[0].dns()?, KEPT)?;
    let mut pool = [Pooled::open(gone), Pooled::open(gone)].into_iter().collect::<Result<Vec<_>, _>>();
    let pool = pool.as_mut().map_err(|trouble| anyhow!("the pool cannot connect: {trouble}"))?;
    let before = frontends(&agents[0], &nameserver, port, pool)?;
    teller.say("three frontends call it: one asks the agent's DNS, one a nameserver with a cache, one has a pool")?;
    teller.more(&table(&before))?;
    teller.breathe();

    let killed = Instant::now();
    servers[1].kill();
    for agent in &agents {
        stage.until(&format!("{} has no recos-2 any more", agent.name), SOON, || {
            let seen = agent.service(SERVICE);
            (list(&seen["instances"]).len() == 2).then_some(()).ok_or_else(|| seen.to_string())
        })?;
    }
    let known = killed.elapsed();
    teller
        .say(&format!("recos-2 at {gone} is killed (kill -9); both agents have removed it after {}", short(known)))?;
    let after = frontends(&agents[0], &nameserver, port, pool)?;
    teller.say("the frontends go on calling")?;
    teller.more(&table(&after))?;
    teller.breathe();

    let host = host(stage)?;
    let first = examine(stage, teller, &agents[0], &nameserver, &host, gone)?;
    let cured = {
        nameserver.flush();
        // As its owner would on being told: the pool closes what it kept.
        pool.clear();
        teller
            .say("what doctor says is done: the nameserver's cache is flushed, and the pool closes its connections")?;
        let cured = frontends(&agents[0], &nameserver, port, &mut [])?;
        teller.more(&table(&cured))?;
        cured
    };
    let second = ask_doctor(stage, &agents[0], &nameserver, &host, gone, true)?;
    teller.say(&format!("doctor again: exit code {}", second.status.code().unwrap_or(-1)))?;
    judge(&Played { known, gone, before, after, cured, nameserver: nameserver.address(), first, second })
}

fn servers(stage: &Stage, agents: &[Agent], places: &[Place]) -> anyhow::Result<Vec<Server>> {
    let mut servers = Vec::new();
    for (at, place) in places.iter().enumerate() {
        let (id, at, agent) = (format!("recos-{}", at + 1), place.address(), &agents[at % agents.len()]);
        servers.push(Server::start(stage, agent, &Role { service: SERVICE, id: &id, name: &id, at, options: &[] })?);
    }
    for (at, place) in places.iter().enumerate() {
        await_up(stage, agents, SERVICE, &format!("recos-{}", at + 1), place.address())?;
    }
    Ok(servers)
}

/// What one frontend met with.
#[derive(Clone, Debug)]
struct Frontend {
    who: &'static str,
    requests: usize,
    refused: usize,
    failed: usize,
}

impl Frontend {
    fn calls(who: &'static str, mut call: impl FnMut(usize) -> Result<String, Trouble>) -> Self {
        let mut frontend = Self { who, requests: 0, refused: 0, failed: 0 };
        for turn in 0..REQUESTS {
            frontend.requests += 1;
            match call(turn) {
                Ok(_) => {}
                Err(Trouble::Refused) => frontend.refused += 1,
                Err(Trouble::Failed(_)) => frontend.failed += 1,
            }
        }
        frontend
    }

    const fn is_served(&self) -> bool {
        self.refused + self.failed == 0
    }
}

/// Has the three frontends call. The one with the pool uses its last connection, and opens none anew while it has one.
fn frontends(agent: &Agent, nameserver: &Nameserver, port: u16, pool: &mut [Pooled]) -> anyhow::Result<[Frontend; 3]> {
    let dns = agent.dns()?;
    let by_name = |server: SocketAddr, turn: usize| {
        let addresses = look_up(server, DNS_NAME)?;
        let address = addresses.get(turn % addresses.len().max(1)).copied();
        request(SocketAddr::new(address.ok_or_else(|| Trouble::Failed("no address".into()))?, port))
    };
    Ok([
        Frontend::calls("frontend-1, agent's DNS", |turn| by_name(dns, turn)),
        Frontend::calls("frontend-2, nameserver", |turn| by_name(nameserver.address(), turn)),
        Frontend::calls("frontend-3, pool", |turn| match pool.last_mut() {
            Some(pooled) => pooled.request(),
            None => by_name(dns, turn),
        }),
    ])
}

fn table(frontends: &[Frontend]) -> String {
    let line = |one: &Frontend| {
        let Frontend { who, requests, refused, failed } = one;
        format!("{who:<24} {requests:>3} requests, {refused:>2} refused, {failed:>2} broken")
    };
    frontends.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// A made-up host: files of its own, and the processes and connections of this one.
fn host(stage: &Stage) -> anyhow::Result<PathBuf> {
    let root = stage.folder().join("host");
    std::fs::create_dir_all(root.join("etc"))?;
    std::fs::write(root.join("etc/hosts"), "127.0.0.1 localhost\n")?;
    std::fs::write(root.join("etc/resolv.conf"), "nameserver 127.0.0.1\n")?;
    std::os::unix::fs::symlink("/proc", root.join("proc")).context("no /proc in the made-up host")?;
    Ok(root)
}

fn ask_doctor(
    stage: &Stage,
    agent: &Agent,
    nameserver: &Nameserver,
    host: &Path,
    was: SocketAddr,
    json: bool,
) -> anyhow::Result<Output> {
    let mut command = stage.command(&["doctor", SERVICE, "--timeout", "10s", "--agent", &agent.http().to_string()]);
    command.args(["--dns", &agent.dns()?.to_string(), "--nameserver", &nameserver.address().to_string()]);
    command.args(["--was", &was.to_string()]).args(json.then_some("--json")).arg("--root").arg(host);
    command.output().context("doctor cannot be asked")
}

/// Asks `doctor` who lies, and shows what it says of them. Returns its JSON.
fn examine(
    stage: &Stage,
    teller: &mut Teller,
    agent: &Agent,
    nameserver: &Nameserver,
    host: &Path,
    was: SocketAddr,
) -> anyhow::Result<Output> {
    teller.say(&format!("whither doctor {SERVICE} --was {was}"))?;
    if teller.is_in_words() {
        let said = ask_doctor(stage, agent, nameserver, host, was, false)?;
        let said = String::from_utf8_lossy(&said.stdout).into_owned();
        // The table of all layers comes last, and is for who looks closer.
        let liars = said.split("\nLAYER ").next().unwrap_or_default();
        teller.more(liars.trim_end())?;
    }
    teller.breathe();
    ask_doctor(stage, agent, nameserver, host, was, true)
}

/// What there is to judge.
struct Played {
    /// How long it took until both agents had removed the instance.
    known: Duration,
    gone: SocketAddr,
    before: [Frontend; 3],
    after: [Frontend; 3],
    cured: [Frontend; 3],
    nameserver: SocketAddr,
    first: Output,
    second: Output,
}

fn judge(played: &Played) -> anyhow::Result<Ending> {
    let read = |output: &Output| -> anyhow::Result<Value> {
        let words = || format!("doctor says no JSON: {}", String::from_utf8_lossy(&output.stderr).trim_end());
        serde_json::from_slice(&output.stdout).with_context(words)
    };
    let (first, second) = (read(&played.first)?, read(&played.second)?);
    let mut problems = liars(&first, played.nameserver, played.gone.ip(), std::process::id());
    if played.first.status.code() != LIES {
        problems.push(format!("doctor ended with {} and not with 4", played.first.status));
    }
    if !played.second.status.success() {
        problems.push(format!("after the cure doctor still says {} ({})", second["verdict"], played.second.status));
    }
    let [by_agent, by_nameserver, by_pool] = &played.after;
    if !by_agent.is_served() || by_nameserver.refused == 0 || by_pool.is_served() {
        problems.push(format!("the wrong frontends were served: {:?}", played.after));
    }
    if let Some(unserved) = played.before.iter().chain(&played.cured).find(|one| !one.is_served()) {
        problems.push(format!("before the death and after the cure everybody is to be served: {unserved:?}"));
    }
    let ttl = lies(&first, "nameserver").first().and_then(|one| one["ttl_s"].as_u64()).unwrap_or_default();
    let verdict = format!(
        "doctor named the nameserver ({} of {REQUESTS} requests refused; it would go on for {ttl} s) and the pool, and cleared \
         both when they were cured",
        by_nameserver.refused
    );
    let of = |frontends: &[Frontend; 3]| -> Vec<Value> {
        let one = |one: &Frontend| json!({ "who": one.who, "requests": one.requests, "refused": one.refused, "failed": one.failed });
        frontends.iter().map(one).collect()
    };
    let facts = json!({
        "removed_everywhere_ms": millis(played.known), "gone": played.gone.to_string(), "lies_for_s": ttl,
        "before": of(&played.before), "after": of(&played.after), "cured": of(&played.cured),
        "doctor": { "exit_code": played.first.status.code(), "verdict": first["verdict"], "findings": first["findings"] },
        "doctor_after": { "exit_code": played.second.status.code(), "verdict": second["verdict"] },
    });
    Ok(Ending { problems, verdict, facts })
}

/// The findings of a layer that lies.
fn lies<'v>(examined: &'v Value, layer: &str) -> Vec<&'v Value> {
    list(&examined["findings"]).iter().filter(|one| one["layer"] == layer && one["verdict"] == "differs").collect()
}

/// What is wrong with what doctor found: who is to be named are the nameserver with the address that is gone, and the
/// process `pid`, which holds connections to it.
fn liars(examined: &Value, nameserver: SocketAddr, gone: IpAddr, pid: u32) -> Vec<String> {
    let mut problems = Vec::new();
    match lies(examined, "nameserver").as_slice() {
        [one] => {
            if !text(&one["who"]).contains(&nameserver.to_string()) || one["extra"] != json!([gone]) {
                problems.push(format!("doctor named {} for {}", one["who"], one["extra"]));
            }
            if one["ttl_s"].as_u64().is_none_or(|ttl| ttl == 0 || ttl > KEPT.as_secs())
                || text(&one["advice"]).is_empty()
            {
                problems.push(format!("doctor does not say for how long, or what to do: {one}"));
            }
        }
        others => problems.push(format!("doctor named {} nameservers and not one", others.len())),
    }
    let me = format!("(pid {pid})");
    if !lies(examined, "connections").iter().any(|one| text(&one["who"]).ends_with(&me)) {
        problems.push(format!("doctor did not name the pool of this process, {me}"));
    }
    let innocent =
        |one: &&Value| one["verdict"] == "differs" && one["layer"] != "nameserver" && one["layer"] != "connections";
    problems.extend(
        list(&examined["findings"]).iter().filter(innocent).map(|one| format!("doctor named also {}", one["says"])),
    );
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    fn examined(findings: &[Value]) -> Value {
        json!({ "verdict": "differs", "findings": findings })
    }

    fn problems(findings: &[Value]) -> Vec<String> {
        liars(&examined(findings), "127.0.0.1:5300".parse().unwrap(), "127.0.14.2".parse().unwrap(), 7)
    }

    #[test]
    fn doctor_must_name_the_right_ones_and_nobody_else() {
        let nameserver = json!({ "layer": "nameserver", "who": "127.0.0.1:5300 (--nameserver)", "verdict": "differs",
            "extra": ["127.0.14.2"], "ttl_s": 719, "advice": "flush it" });
        let pool = json!({ "layer": "connections", "who": "whither (pid 7)", "verdict": "differs" });
        assert_eq!(problems(&[nameserver.clone(), pool.clone()]), Vec::<String>::new());
        let with = |key: &str, value: Value| {
            let mut other = nameserver.clone();
            other[key] = value;
            other
        };
        assert!(problems(std::slice::from_ref(&pool))[0].contains("0 nameservers"));
        assert!(problems(std::slice::from_ref(&nameserver))[0].contains("the pool"));
        assert!(problems(&[with("who", "127.0.0.1:53".into()), pool.clone()])[0].contains("named \"127.0.0.1:53\""));
        assert!(problems(&[with("ttl_s", 9_999.into()), pool.clone()])[0].contains("for how long"));
        let agent = json!({ "layer": "agent-dns", "verdict": "differs", "says": "the agent" });
        assert!(problems(&[nameserver, pool, agent])[0].contains("named also"));
    }
}
