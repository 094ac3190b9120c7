//! What programs of the host get when they look a name up: the hosts file, the order of sources, and all of it together.

use super::answer::{Answer, Asked};
use super::finding::{Finding, Layer, Verdict};
use super::host::{self, Host};
use super::hosts_file::{self, Pin};
use std::collections::BTreeMap;
use std::io;

/// The hosts file's lines about `names`: a layer for each name that it pins.
pub(super) fn ask_hosts_file(host: &Host, names: &[String]) -> Result<Vec<Asked>, Box<Finding>> {
    let file = host.name_of("etc/hosts");
    let found = |verdict| Finding::new(Layer::HostsFile, &file, names.join(" "), verdict);
    let content = host::list(&host.path("etc/hosts")).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => found(Verdict::NotThere).saying(format!("there is no {file}")),
        _ => found(Verdict::CannotTell).saying(format!("{file} cannot be read: {error}")),
    })?;
    let pins = hosts_file::pins(&content.text, names);
    if pins.is_empty() {
        let verdict = if content.is_whole { Verdict::NotThere } else { Verdict::CannotTell };
        return Err(Box::new(found(verdict).saying(format!("{file} does not mention it"))));
    }
    let mut by_name: BTreeMap<String, Vec<Pin>> = BTreeMap::new();
    for pin in pins {
        by_name.entry(pin.name.to_ascii_lowercase()).or_default().push(pin);
    }
    Ok(by_name.into_iter().map(|(name, pins)| asked(&file, name, &pins)).collect())
}

fn asked(file: &str, name: String, pins: &[Pin]) -> Asked {
    let lines: Vec<String> = pins.iter().map(|pin| pin.line.to_string()).collect();
    let (lines, them) = match lines.as_slice() {
        [line] => (format!("line {line}"), "it"),
        lines => (format!("lines {}", lines.join(", ")), "them"),
    };
    Asked {
        layer: Layer::HostsFile,
        who: format!("{file} {lines}"),
        what: name,
        heard: Ok(Answer {
            addresses: pins.iter().map(|pin| pin.address).collect(),
            note: Some("it pins the name, whatever the service does".to_owned()),
            ..Answer::default()
        }),
        cure: format!("take {them} out: {lines} of {file}"),
        silent: String::new(),
        without: String::new(),
    }
}

/// Who is asked in which order. That is not right or wrong; it says which of the other layers count.
pub(super) fn order(host: &Host) -> Finding {
    let file = host.name_of("etc/nsswitch.conf");
    let text = host::settings(&host.path("etc/nsswitch.conf")).map(|content| content.text);
    let sources = hosts_file::sources(text.as_deref().unwrap_or_default());
    let found = |verdict| Finding::new(Layer::Nsswitch, &file, "hosts", verdict);
    let words = sources.join(", then ");
    if sources.iter().any(|source| source == "dns" || source == "resolve") {
        return found(Verdict::Agrees).saying(format!("programs ask {words}"));
    }
    found(Verdict::CannotTell)
        .saying(format!("programs ask {words}, and never DNS"))
        .advising(format!("add dns to the line hosts: of {file} if programs are to find services by name"))
}

/// Looks a name up as programs do. `None` where that cannot be done.
pub(super) fn ask(host: &Host, name: &str) -> Option<Asked> {
    let heard = match host.look_up(name)? {
        Ok(addresses) => Ok(Answer { addresses, ..Answer::default() }),
        Err(error) => nothing(&error),
    };
    Some(Asked {
        layer: Layer::System,
        who: "getaddrinfo".to_owned(),
        what: name.to_owned(),
        heard,
        cure: "no hosts file and no nameserver says so: something between them keeps it, such as nscd or sssd"
            .to_owned(),
        silent: "it could ask nobody: see the nameservers".to_owned(),
        without: "programs that ask the system for this name get nothing; the nameservers say why".to_owned(),
    })
}

/// "There is no such name" is an answer; that nobody could be asked is none (getaddrinfo(3): `EAI_AGAIN`).
fn nothing(error: &io::Error) -> Result<Answer, String> {
    let words = error.to_string();
    let words = words.rsplit(": ").next().unwrap_or_default().to_lowercase();
    if words.contains("temporary failure") { Err(words) } else { Ok(Answer { note: Some(words), ..Answer::default() }) }
}

/// Names, in what the system wrongly says, the layers that it has that from; and calls it wrong to give nothing for a name
/// for which a nameserver of its own gives the truth. Returns a wrong answer that no layer accounts for, if there is one.
pub(super) fn explain(findings: &mut [Finding]) -> Option<Finding> {
    let is_below = |one: &&Finding| matches!(one.layer, Layer::Nameserver | Layer::HostsFile);
    let below: Vec<Finding> = findings.iter().filter(is_below).cloned().collect();
    let mut unexplained = None;
    for found in findings.iter_mut().filter(|one| one.layer == Layer::System) {
        let is_known = |one: &Finding| one.verdict == Verdict::Agrees && one.asked == found.asked;
        if found.verdict == Verdict::NotThere && below.iter().any(is_known) {
            found.verdict = Verdict::Differs;
            found.says += ", although a layer below it does";
            found.advice = Some("see the order of sources in nsswitch.conf, and nscd: one of them hides it".to_owned());
        }
        if !found.differs() {
            continue;
        }
        let sources = sources(found, &below);
        if sources.is_empty() {
            unexplained = unexplained.or_else(|| Some(found.clone()));
        } else {
            found.advice = Some(format!("it has that from {}: see there", sources.join(" or ")));
        }
    }
    unexplained
}

/// The layers that say as wrongly what the system says.
fn sources(found: &Finding, below: &[Finding]) -> Vec<String> {
    let is_source = |one: &&Finding| {
        let shares = one.extra.iter().any(|address| found.extra.contains(address));
        one.differs() && (shares || found.extra.is_empty() && one.missing == found.missing)
    };
    let mut sources: Vec<String> =
        below.iter().filter(is_source).map(|one| format!("{} {}", one.layer, one.who)).collect();
    sources.dedup();
    sources
}
