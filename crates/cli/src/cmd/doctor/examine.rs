//! The examination: every layer is asked at once, then each is judged by what the agent said before and after.

use super::answer::Asked;
use super::at_once::{Ask, at_once};
use super::dns::{self, Spelling};
use super::finding::{Finding, Layer, Verdict};
use super::host::{self, Host};
use super::processes::{self, Process};
use super::resolv_conf::{ASKED_MAX, ResolvConf};
use super::truth::Truth;
use super::{agent, caches, connections, jvm, names, system};
use crate::agent_api::wire::AgentHealth;
use crate::agent_api::{AgentAddress, AgentApi, ApiError};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use whither_api_dns::Via;
use whither_model::ServiceName;

/// Spellings of a name that are tried.
const SPELLINGS_MAX: usize = 8;
/// Is there while systemd-resolved runs (systemd-resolved.service(8)).
const RESOLVED: &str = "run/systemd/resolve/stub-resolv.conf";
/// Where it answers DNS.
const RESOLVED_STUB: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 53));
/// Java processes that are looked at.
const JVMS_MAX: usize = 64;

/// What is to be examined.
#[derive(Clone, Debug)]
pub(super) struct Case {
    /// The service.
    pub(super) service: ServiceName,
    /// What it no longer has.
    pub(super) was: Vec<SocketAddr>,
    /// The agent's DNS.
    pub(super) dns: SocketAddr,
    /// The zone that agents answer for, without final dot.
    pub(super) zone: String,
    /// How programs say its name, besides its whole name.
    pub(super) spelled: Vec<String>,
    /// Nameservers to ask instead of those of resolv.conf.
    pub(super) nameservers: Vec<SocketAddr>,
    /// Agents to compare the agent with.
    pub(super) also: Vec<AgentAddress>,
}

/// What came of it.
pub(super) struct Examined {
    /// What the agent says; or why it says nothing.
    pub(super) truth: Result<Truth, ApiError>,
    /// All layers, in the order in which a name passes them.
    pub(super) findings: Vec<Finding>,
}

/// What one layer said, before it is known what is true.
enum Heard {
    Service(Option<Result<Truth, ApiError>>),
    Health(Option<Box<AgentHealth>>),
    Asked(Option<SocketAddr>, Asked),
    Found(Vec<Finding>),
    Processes(Option<Vec<Process>>),
    Nothing,
}

/// Examines `host`.
pub(super) fn examine(case: &Case, api: &AgentApi, host: &Host) -> Examined {
    let full = names::full(&case.service, &case.zone);
    let resolv = resolv_conf(host);
    let mut spelled: Vec<String> = std::iter::once(full.clone()).chain(resolv.short_forms(&full)).collect();
    spelled.extend(case.spelled.iter().cloned());
    let mut seen = BTreeSet::new();
    spelled.retain(|name| seen.insert(name.clone()));
    spelled.truncate(SPELLINGS_MAX);

    let mut asks = vec![ask_service(case, api), ask_health(api), ask_processes(host)];
    asks.extend(case.also.iter().map(|other| ask_other(case, other)));
    asks.extend([Via::Udp, Via::Tcp].map(|via| ask_agent_dns(case, host, &full, via)));
    asks.extend(ask_nameservers(case, host, &resolv, &spelled));
    asks.extend(spelled.iter().filter(|_| host.can_look_up()).map(|name| ask_system(host, name)));
    let mut heard = at_once(asks, host.limit);
    heard.extend(hosts_file(host, &spelled));

    let before = heard.iter_mut().find_map(|one| if let Heard::Service(answer) = one { answer.take() } else { None });
    let truth = before.unwrap_or_else(|| Err(late(api))).map(|before| settle(case, api, host, before));
    // A service that the agent does not know is one without instances, for whoever still gives some.
    let known = match &truth {
        Ok(truth) => Some(truth.clone().with_was(&case.was)),
        Err(error) if error.is_not_found() => Some(Truth::default().with_was(&case.was)),
        Err(_) => None,
    };
    let mut findings = vec![judge_agent(case, api, &truth, &heard)];
    findings.extend(judge(case, host, &full, heard, known.as_ref()));
    if let Some(odd) = odd_lines(host, &resolv) {
        findings.push(odd);
    }
    findings.sort_by_key(|finding| finding.layer);
    Examined { truth, findings }
}

/// Asks the agent again, now that the others have answered: what changed meanwhile makes nobody a liar.
fn settle(case: &Case, api: &AgentApi, host: &Host, before: Truth) -> Truth {
    match at_once(vec![ask_service(case, api)], host.limit).pop() {
        Some(Heard::Service(Some(Ok(now)))) => now.and_before(&before),
        _ => before,
    }
}

fn late(api: &AgentApi) -> ApiError {
    ApiError::Unreachable {
        agent: api.agent().clone(),
        why: "no answer in time".into(),
        next: "is it stopped, or starved? look at its log",
    }
}

fn resolv_conf(host: &Host) -> ResolvConf {
    let text = host::settings(&host.path("etc/resolv.conf")).map(|content| content.text).unwrap_or_default();
    let own = host::settings(&host.path("proc/sys/kernel/hostname")).map(|content| content.text).unwrap_or_default();
    ResolvConf::parse(&text, own.trim().split_once('.').map(|(_, domain)| domain))
}

fn ask_service(case: &Case, api: &AgentApi) -> Ask<Heard> {
    let (api, service) = (api.clone(), case.service.clone());
    Ask::new(Heard::Service(None), move || Heard::Service(Some(agent::ask(&api, &service))))
}

fn ask_health(api: &AgentApi) -> Ask<Heard> {
    let api = api.clone();
    Ask::new(Heard::Health(None), move || Heard::Health(agent::ask_health(&api).ok().map(Box::new)))
}

fn ask_other(case: &Case, other: &AgentAddress) -> Ask<Heard> {
    let (who, service, api) = (other.to_string(), case.service.clone(), AgentApi::new(other.clone()));
    let late = agent::other(&who, &service, Err(late(&api)));
    Ask::new(Heard::Asked(None, late), move || {
        Heard::Asked(None, agent::other(&who, &service, agent::ask(&api, &service)))
    })
}

fn ask_processes(host: &Host) -> Ask<Heard> {
    let host = host.clone();
    Ask::new(Heard::Processes(None), move || Heard::Processes(processes::all(&host).ok()))
}

fn ask_agent_dns(case: &Case, host: &Host, full: &str, via: Via) -> Ask<Heard> {
    let (server, limit, zone) = (case.dns, host.limit, case.zone.clone());
    let asked = dns::agents(server, via, full);
    Ask::new(Heard::Asked(None, asked.clone()), move || {
        Heard::Asked(None, dns::ask_agent(asked, server, via, &zone, limit))
    })
}

/// Every nameserver with every spelling, as resolv.conf has them or as they are given.
fn ask_nameservers(case: &Case, host: &Host, resolv: &ResolvConf, spelled: &[String]) -> Vec<Ask<Heard>> {
    let file = host.name_of("etc/resolv.conf");
    let mut servers: Vec<(SocketAddr, String)> = Vec::new();
    for (nth, one) in resolv.nameservers.iter().enumerate() {
        let line = one.line.map_or_else(|| "no line, the preset".to_owned(), |line| format!("line {line}"));
        let idle = if nth < ASKED_MAX { "" } else { ", which glibc does not ask" };
        let server = SocketAddr::new(one.address, host.nameserver_port);
        servers.push((server, format!("{} ({file} {line}{idle})", one.address)));
    }
    // Programs reach systemd-resolved without resolv.conf, too: nsswitch.conf has them ask it directly.
    if host.path(RESOLVED).exists() && !servers.iter().any(|(server, _)| server.ip() == RESOLVED_STUB) {
        let server = SocketAddr::new(RESOLVED_STUB, host.nameserver_port);
        servers.push((server, format!("{RESOLVED_STUB} (systemd-resolved, not in {file})")));
    }
    if !case.nameservers.is_empty() {
        servers = case.nameservers.iter().map(|server| (*server, format!("{server} (--nameserver)"))).collect();
    }
    let full = names::full(&case.service, &case.zone);
    let pairs = servers.iter().flat_map(|server| spelled.iter().map(move |name| (server, name)));
    pairs
        .map(|((server, who), said)| {
            let spelling = Spelling {
                said: said.clone(),
                candidates: resolv.candidates(said),
                meant: full.clone(),
                zone: case.zone.clone(),
            };
            let (server, limit) = (*server, host.limit);
            let asked = dns::of_host(who.clone(), &spelling);
            Ask::new(Heard::Asked(Some(server), asked.clone()), move || {
                Heard::Asked(Some(server), dns::ask_of_host(asked, server, &spelling, limit))
            })
        })
        .collect()
}

fn ask_system(host: &Host, name: &str) -> Ask<Heard> {
    let (host, name) = (host.clone(), name.to_owned());
    let late = Finding::new(Layer::System, "getaddrinfo", &name, Verdict::CannotTell)
        .saying("system getaddrinfo gives no answer in time; programs wait for it likewise")
        .advising("see which nameservers do not answer: each costs programs five seconds and more");
    Ask::new(Heard::Found(vec![late]), move || {
        system::ask(&host, &name).map_or(Heard::Nothing, |asked| Heard::Asked(None, asked))
    })
}

fn hosts_file(host: &Host, spelled: &[String]) -> Vec<Heard> {
    let mut heard = vec![Heard::Found(vec![system::order(host)])];
    match system::ask_hosts_file(host, spelled) {
        Ok(asked) => heard.extend(asked.into_iter().map(|asked| Heard::Asked(None, asked))),
        Err(found) => heard.push(Heard::Found(vec![*found])),
    }
    heard
}

fn odd_lines(host: &Host, resolv: &ResolvConf) -> Option<Finding> {
    let (line, text) = resolv.odd.first()?;
    let who = format!("{} line {line}", host.name_of("etc/resolv.conf"));
    let says = format!("{who} names no address and is passed over: {}", crate::table::visible(text));
    let advice = "write `nameserver` and one address";
    Some(Finding::new(Layer::Nameserver, &who, "", Verdict::CannotTell).saying(says).advising(advice))
}

fn judge_agent(case: &Case, api: &AgentApi, truth: &Result<Truth, ApiError>, heard: &[Heard]) -> Finding {
    let who = api.agent().to_string();
    let asked = format!("services/{}", case.service);
    let health = heard.iter().find_map(|one| if let Heard::Health(health) = one { health.as_deref() } else { None });
    match truth {
        Ok(truth) => agent::judge(&who, &case.service, truth, health),
        Err(error) if error.is_not_found() => Finding::new(Layer::Agent, &who, asked, Verdict::Agrees)
            .saying(format!("agent {who} knows no service {}: nothing is given to callers", case.service)),
        Err(error) => Finding::new(Layer::Agent, &who, asked, Verdict::CannotTell)
            .saying(format!("agent {who} gives no answer, and without it nobody can be called a liar"))
            .advising(error.to_string()),
    }
}

/// Judges all that was heard, and looks at what takes the truth to look at.
fn judge(case: &Case, host: &Host, full: &str, heard: Vec<Heard>, truth: Option<&Truth>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut asked_all = Vec::new();
    let mut running = Vec::new();
    for one in heard {
        match one {
            Heard::Asked(server, asked) => asked_all.push((server, asked)),
            Heard::Found(found) => findings.extend(found),
            Heard::Processes(processes) => running = processes.unwrap_or_default(),
            Heard::Service(_) | Heard::Health(_) | Heard::Nothing => {}
        }
    }
    for (server, mut asked) in asked_all {
        if let Some(server) = server.filter(|_| asked.cure.is_empty()) {
            asked.cure = caches::cure(server.ip(), &case.zone, &running);
        }
        findings.push(asked.judge(truth));
    }
    let unexplained = system::explain(&mut findings);
    let system: Vec<Finding> = findings.iter().filter(|one| one.layer == Layer::System).cloned().collect();
    let nscd = caches::judge_nscd(caches::nscd(host, &running), full, &system, unexplained);
    let lied = findings.iter().filter(|one| one.differs()).flat_map(|one| one.extra.iter().copied());
    let lied: BTreeSet<IpAddr> = lied.chain(nscd.extra.iter().copied()).collect();
    findings.push(nscd);
    findings.extend(look_inside(host, running, truth, lied));
    findings
}

/// Java processes and open connections, within the time that a layer has.
fn look_inside(host: &Host, running: Vec<Process>, truth: Option<&Truth>, lied: BTreeSet<IpAddr>) -> Vec<Finding> {
    let javas = running.clone();
    let mut asks = vec![Ask::new(Heard::Nothing, move || {
        Heard::Found(javas.iter().filter(|process| jvm::is_java(process)).take(JVMS_MAX).map(jvm::look).collect())
    })];
    if let Some(truth) = truth.cloned() {
        let late = Finding::new(Layer::Connections, host.name_of("proc/net/tcp"), "", Verdict::CannotTell)
            .saying("connections could not be looked through in time")
            .advising("give it more time: --timeout 5s");
        let host = host.clone();
        asks.push(Ask::new(Heard::Found(vec![late]), move || {
            Heard::Found(connections::look(&host, &running, &truth, &lied))
        }));
    }
    let heard = at_once(asks, host.limit).into_iter();
    heard.flat_map(|one| if let Heard::Found(found) = one { found } else { Vec::new() }).collect()
}
