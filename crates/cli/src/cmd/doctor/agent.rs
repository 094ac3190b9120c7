//! The agent's own answer, and whether it is one to compare others with.

use super::answer::{Answer, Asked};
use super::finding::{Finding, Layer, Verdict};
use super::truth::Truth;
use crate::agent_api::wire::{AgentHealth, Service};
use crate::agent_api::{AgentApi, ApiError, Method, Target};
use crate::duration;
use crate::table::visible;
use whither_model::ServiceName;

/// An answer that may be older than this says little about now, milliseconds. Digests go round every second or so.
const AGE_MILLIS_MAX: u64 = 10_000;

/// Asks an agent for all it knows of a service.
///
/// # Errors
/// [`ApiError`]; not found if there is no such service.
pub(super) fn ask(api: &AgentApi, name: &ServiceName) -> Result<Truth, ApiError> {
    let target = Target::service(name).query("all", "true").query("explain", "true");
    Ok(Truth::of(&api.ask::<Service>(Method::Get, &target, None)?.value))
}

/// Asks an agent how it is.
///
/// # Errors
/// [`ApiError`].
pub(super) fn ask_health(api: &AgentApi) -> Result<AgentHealth, ApiError> {
    Ok(api.ask::<AgentHealth>(Method::Get, &Target::new("/v1/health"), None)?.value)
}

/// What to think of the agent that everything else is compared with.
pub(super) fn judge(who: &str, name: &ServiceName, truth: &Truth, health: Option<&AgentHealth>) -> Finding {
    let mut found = Finding::new(Layer::Agent, who, format!("services/{name}"), Verdict::Agrees);
    found.addresses = truth.given();
    found.age_ms = truth.age_ms;
    let words = match found.addresses.len() {
        0 => "gives nothing".to_owned(),
        1 => "gives 1 address".to_owned(),
        count => format!("gives {count} addresses"),
    };
    let within = duration::words(truth.age_ms);
    let mut says = format!("agent {who} {words}, known to within {within}");
    let mut doubts = Vec::new();
    match truth.age_ms {
        None => doubts.push("it does not know how old that is: of somebody it has heard nothing yet".to_owned()),
        Some(age) if age > AGE_MILLIS_MAX => doubts.push(format!("what it knows is {within} old")),
        Some(_) => {}
    }
    if truth.selection == "last_known" {
        doubts.push("nothing is usable, it gives what was last known".to_owned());
    }
    if !truth.unheard.is_empty() {
        says += &format!("; nothing is heard of {}", truth.unheard.join(", "));
    }
    if let Some(health) = health {
        let nodes = &health.nodes;
        let silent = nodes.down + nodes.suspect;
        if let Some(problem) = &health.cluster {
            doubts.push(visible(problem));
        } else if nodes.alive <= 1 && silent > 0 {
            doubts.push(format!("it hears none of the {silent} other nodes"));
        }
    }
    if doubts.is_empty() {
        return found.saying(says);
    }
    found.verdict = Verdict::CannotTell;
    let advice = "compare it with an agent on another host: --also web-2:7601; `whither nodes` says whom it hears";
    found.saying(format!("{says}; beware: {}", doubts.join("; "))).advising(advice)
}

/// What another agent says, to be compared like any other layer.
pub(super) fn other(who: &str, name: &ServiceName, heard: Result<Truth, ApiError>) -> Asked {
    let heard = match heard {
        Ok(truth) => Ok(Answer { addresses: truth.given(), age_ms: truth.age_ms, denies: true, ..Answer::default() }),
        Err(error) if error.is_not_found() => Ok(Answer { denies: true, ..Answer::default() }),
        Err(error) => Err(error.to_string()),
    };
    Asked {
        layer: Layer::OtherAgent,
        who: who.to_owned(),
        what: format!("services/{name}"),
        heard,
        cure: format!(
            "the one that is less old is nearer to the truth; `whither nodes` and `whither nodes --agent {who}` say \
             whether they hear each other"
        ),
        silent: String::new(),
        without: String::new(),
    }
}
