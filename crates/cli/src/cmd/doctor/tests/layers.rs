//! Whole examinations: one layer lies, and that one is named.

use super::super::agent;
use super::super::truth::Truth;
use super::*;
use crate::agent_api::wire::AgentHealth;
use std::io;
use std::net::IpAddr;

const MEANT: &str = "recos.prod.whither.";

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn right() -> Says {
    Says::Addresses(vec![Ipv4Addr::new(10, 0, 0, 7)], 0)
}

fn old() -> Says {
    Says::Addresses(vec![Ipv4Addr::new(10, 0, 0, 9)], 712)
}

fn told() -> Agent {
    Agent::knowing(Some(&[
        instance("recos-1", "10.0.0.7", 8080, "passing"),
        instance("recos-9", "10.0.0.9", 8080, "critical"),
    ]))
}

/// A host that asks this nameserver.
fn host(tree: &Tree, nameserver: &Nameserver) -> Host {
    let mut host = tree.host();
    host.nameserver_port = nameserver.address.port();
    host
}

fn asking_nameserver(more: &str) -> Tree {
    Tree::new().with("etc/resolv.conf", &format!("# ours\nnameserver 127.0.0.1\n{more}\n"))
}

#[test]
fn a_nameserver_with_an_old_answer_is_named_by_its_line() {
    let (agent, liar) = (told(), Nameserver::saying(&[(MEANT, old())]));
    let tree = asking_nameserver("").with("proc/88/comm", "unbound\n");
    let examined = examine(&case(), &agent.api(), &host(&tree, &liar));
    assert_eq!(examined.verdict(), Verdict::Differs);
    let found = only(&examined, Layer::Nameserver);
    assert_eq!((found.verdict, found.ttl_s), (Verdict::Differs, Some(712)));
    assert_eq!((found.extra.as_slice(), found.missing.as_slice()), (&[ip("10.0.0.9")][..], &[ip("10.0.0.7")][..]));
    assert!(found.who.starts_with("127.0.0.1 (") && found.who.ends_with("etc/resolv.conf line 2)"), "{}", found.who);
    assert!(found.says.contains("gives 10.0.0.9 (recos-9, critical, changed at "), "{}", found.says);
    assert!(found.advice.as_ref().unwrap().contains("`unbound-control flush_zone whither`"), "{found:?}");
    assert_eq!(only(&examined, Layer::Agent).verdict, Verdict::Agrees);
}

#[test]
fn resolved_is_asked_also_where_resolv_conf_does_not_name_it() {
    let (agent, liar) = (told(), Nameserver::at("127.0.0.53", &[(MEANT, old())]));
    let tree = asking_nameserver("").with("run/systemd/resolve/stub-resolv.conf", "nameserver 127.0.0.53\n");
    let tree = tree.with("proc/88/comm", "systemd-resolve\n").with("proc/89/comm", "dnsmasq\n");
    let examined = examine(&case(), &agent.api(), &host(&tree, &liar));
    let found: Vec<&Finding> = of(&examined, Layer::Nameserver).into_iter().filter(|one| one.differs()).collect();
    assert_eq!(found.len(), 1, "{:#?}", examined.findings);
    assert!(found[0].who.starts_with("127.0.0.53 (systemd-resolved, not in "), "{}", found[0].who);
    let advice = found[0].advice.as_ref().unwrap();
    assert!(advice.contains("`resolvectl flush-caches`") && !advice.contains("dnsmasq"), "{advice}");
}

#[test]
fn a_right_answer_is_right_and_one_that_misses_an_instance_is_not() {
    let both = [instance("r-1", "10.0.0.7", 80, "passing"), instance("r-2", "10.0.0.8", 80, "passing")];
    let honest = Nameserver::saying(&[(MEANT, right())]);
    for (instances, verdict) in [(&both[..1], Verdict::Agrees), (&both[..], Verdict::Differs)] {
        let agent = Agent::knowing(Some(instances));
        let examined = examine(&case(), &agent.api(), &host(&asking_nameserver(""), &honest));
        assert_eq!((only(&examined, Layer::Nameserver).verdict, examined.verdict()), (verdict, verdict));
    }
}

#[test]
fn a_remembered_no_is_a_lie_and_a_stranger_is_none() {
    let agent = told();
    for (says, verdict) in [
        (Says::No(3, Some("whither"), 40), Verdict::Differs),
        (Says::No(0, Some("whither"), 40), Verdict::Differs),
        (Says::No(3, Some("."), 40), Verdict::NotThere),
        (Says::No(3, None, 0), Verdict::NotThere),
        (Says::No(5, None, 0), Verdict::CannotTell),
    ] {
        let nameserver = Nameserver::saying(&[(MEANT, says)]);
        let examined = examine(&case(), &agent.api(), &host(&asking_nameserver(""), &nameserver));
        let found = only(&examined, Layer::Nameserver);
        assert_eq!(found.verdict, verdict, "{found:?}");
        assert_eq!(examined.verdict() == Verdict::Differs, verdict == Verdict::Differs);
    }
}

#[test]
fn a_search_path_that_leads_elsewhere_is_told() {
    let elsewhere = "recos.prod.whither.corp.example.";
    let (agent, nameserver) = (told(), Nameserver::saying(&[(MEANT, right()), (elsewhere, old())]));
    let tree = asking_nameserver("search corp.example\noptions ndots:5");
    let examined = examine(&case(), &agent.api(), &host(&tree, &nameserver));
    let found = only(&examined, Layer::Nameserver);
    assert_eq!(found.verdict, Verdict::Differs);
    assert!(found.says.contains(elsewhere) && found.advice.as_ref().unwrap().contains("final dot"), "{found:?}");
}

#[test]
fn a_search_path_with_the_zone_makes_short_names_that_are_asked_too() {
    let (agent, nameserver) = (told(), Nameserver::saying(&[(MEANT, right())]));
    let tree = asking_nameserver("search prod.whither whither");
    let examined = examine(&case(), &agent.api(), &host(&tree, &nameserver));
    let asked: Vec<&str> = of(&examined, Layer::Nameserver).iter().map(|one| one.asked.as_str()).collect();
    assert_eq!(asked, ["recos.prod.whither", "recos", "recos.prod"]);
    assert_eq!(examined.verdict(), Verdict::Agrees, "{:#?}", examined.findings);
}

#[test]
fn a_pin_in_the_hosts_file_is_what_the_system_has_it_from() {
    let (agent, honest) = (told(), Nameserver::saying(&[(MEANT, right())]));
    let tree = asking_nameserver("").with("etc/hosts", "127.0.0.1 localhost\n10.0.0.9 recos.prod.whither\n");
    let host = host(&tree, &honest).with_lookup(|_| Ok(vec![ip("10.0.0.9")]));
    let examined = examine(&case(), &agent.api(), &host);
    let pin = only(&examined, Layer::HostsFile);
    assert_eq!(pin.verdict, Verdict::Differs);
    assert!(pin.who.ends_with("etc/hosts line 2"), "{}", pin.who);
    let system = only(&examined, Layer::System);
    assert_eq!(system.verdict, Verdict::Differs);
    assert!(system.advice.as_ref().unwrap().contains("etc/hosts line 2"), "{system:?}");
    assert_eq!(only(&examined, Layer::Nscd).verdict, Verdict::NotThere);
}

#[test]
fn what_no_layer_accounts_for_nscd_is_suspected_of() {
    let (agent, honest) = (told(), Nameserver::saying(&[(MEANT, right())]));
    let nscd = |text: &str| asking_nameserver("").with("proc/9/comm", "nscd\n").with("etc/nscd.conf", text);
    let answers: [fn() -> io::Result<Vec<IpAddr>>; 3] = [
        || Ok(vec![ip("10.0.0.9")]),
        || Err(io::Error::other("failed to lookup address information: Name or service not known")),
        || Ok(vec![ip("10.0.0.7")]),
    ];
    for (answer, verdict) in answers.into_iter().zip([Verdict::Differs, Verdict::Differs, Verdict::Agrees]) {
        let tree = nscd("positive-time-to-live\thosts 900\n");
        let examined = examine(&case(), &agent.api(), &host(&tree, &honest).with_lookup(move |_| answer()));
        let found = only(&examined, Layer::Nscd);
        assert_eq!((found.verdict, found.ttl_s), (verdict, Some(900)), "{:#?}", examined.findings);
        assert_eq!(only(&examined, Layer::Nameserver).verdict, Verdict::Agrees);
    }
    let off = nscd("enable-cache hosts no\n");
    assert_eq!(only(&examine(&case(), &agent.api(), &host(&off, &honest)), Layer::Nscd).verdict, Verdict::NotThere);
}

#[test]
fn an_agent_that_is_old_or_alone_is_doubted() {
    let service = |age: &str, selection: &str| {
        let text = format!(r#"{{"service":"prod/recos","age_ms":{age},"selection":"{selection}","instances":[]}}"#);
        Truth::of(&serde_json::from_str(&text).unwrap())
    };
    let health = |text: &str| serde_json::from_str::<AgentHealth>(text).unwrap();
    let (well, alone) = (HEALTH.to_owned(), HEALTH.replace(r#""alive":3,"suspect":0"#, r#""alive":1,"suspect":2"#));
    let apart = HEALTH.replace(r#""status":"ok""#, r#""status":"degraded","cluster":"other secret""#);
    for (age, selection, health_text, doubt) in [
        ("12", "usable", &well, None),
        ("60000", "usable", &well, Some("what it knows is 60 s old")),
        ("null", "usable", &well, Some("it does not know how old")),
        ("12", "last_known", &well, Some("nothing is usable")),
        ("12", "usable", &alone, Some("it hears none of the 2 other nodes")),
        ("12", "usable", &apart, Some("other secret")),
    ] {
        let name = "prod/recos".parse().unwrap();
        let found = agent::judge("a:1", &name, &service(age, selection), Some(&health(health_text)));
        let is_doubted = found.verdict == Verdict::CannotTell;
        assert_eq!(is_doubted, doubt.is_some(), "{found:?}");
        assert!(found.says.contains(doubt.unwrap_or("known to within 12 ms")), "{}", found.says);
    }
}

#[test]
fn another_agent_is_compared() {
    let (agent, other) = (told(), Agent::knowing(Some(&[instance("recos-9", "10.0.0.9", 8080, "passing")])));
    let case = Case { also: vec![other.api().agent().clone()], nameservers: vec![closed_port()], ..case() };
    let examined = examine(&case, &agent.api(), &Tree::new().host());
    let found = only(&examined, Layer::OtherAgent);
    assert_eq!((found.verdict, found.extra.as_slice()), (Verdict::Differs, &[ip("10.0.0.9")][..]), "{found:?}");
}

#[test]
fn whoever_says_nothing_is_no_liar() {
    let agent = told();
    // It takes questions and answers none.
    let mute = UdpSocket::bind("127.0.0.1:0").unwrap();
    let case = Case { nameservers: vec![mute.local_addr().unwrap(), closed_port()], ..case() };
    let tree = Tree::new();
    let (hold, held) = std::sync::mpsc::channel::<()>();
    let held = std::sync::Mutex::new(held);
    let host = Host::at(tree.0.path(), IMPATIENCE).with_lookup(move |_| {
        let _ = held.lock().unwrap().recv();
        Ok(Vec::new())
    });
    let examined = examine(&case, &agent.api(), &host);
    drop(hold);
    assert_eq!(examined.verdict(), Verdict::Agrees, "{:#?}", examined.findings);
    let silent = |layer| of(&examined, layer).iter().all(|one| one.verdict == Verdict::CannotTell);
    assert!(silent(Layer::Nameserver) && silent(Layer::System) && silent(Layer::AgentDns), "{:#?}", examined.findings);
    assert_eq!(of(&examined, Layer::Nameserver).len(), 2);
}

#[test]
fn without_an_agent_layers_are_asked_and_nobody_is_judged() {
    let liar = Nameserver::saying(&[(MEANT, old())]);
    let api = AgentApi::new(closed_port().to_string().parse().unwrap());
    let examined = examine(&case(), &api, &host(&asking_nameserver(""), &liar));
    assert_eq!(examined.verdict(), Verdict::CannotTell);
    let found = only(&examined, Layer::Nameserver);
    assert_eq!((found.verdict, found.addresses.as_slice()), (Verdict::CannotTell, &[ip("10.0.0.9")][..]));
}

#[test]
fn a_service_that_is_gone_is_missed_by_whoever_still_gives_it() {
    let agent = Agent::knowing(None);
    let (liar, honest) = (Nameserver::saying(&[(MEANT, old())]), Nameserver::saying(&[]));
    for (nameserver, verdict) in [(&liar, Verdict::Differs), (&honest, Verdict::NotThere)] {
        let examined = examine(&case(), &agent.api(), &host(&asking_nameserver(""), nameserver));
        assert_eq!(examined.verdict(), verdict, "{:#?}", examined.findings);
    }
}
