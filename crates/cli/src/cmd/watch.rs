//! `whither watch`.

use super::Session;
use super::resolve::{socket, status_tone};
use crate::agent_api::AgentApi;
use crate::agent_api::wire::{Event, Instance, Node};
use crate::console::Console;
use crate::feed::{Backoff, Feed, Step};
use crate::table::{Tone, visible};
use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};
use whither_model::{ServiceName, WallTime};

/// What the command takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  whither watch prod/recos
  whither watch                        every service, and the nodes
  whither watch prod/recos --json | jq -c '.changed[] | [.id, .status]'
  whither watch --from 00c0ffee00c0ffee-12884901890

A line per change, with the time it was heard (UTC): + is new, ~ is different, - is gone, ! is about the service. \
            With --json, the agent's own lines, heartbeats included. A broken connection is taken up again where it ended.")]
pub(crate) struct Args {
    /// The service: name, or namespace/name; everything if not given
    name: Option<ServiceName>,
    /// Only what changed after this position: an `index` that the agent gave out
    #[arg(long, value_name = "INDEX")]
    from: Option<String>,
}

/// Runs the command.
pub(crate) fn run(args: &Args, session: &mut Session) -> anyhow::Result<ExitCode> {
    let Session { api, console, json } = session;
    let mut feed = Feed::open(api, args.name.as_ref(), args.from.clone(), Backoff::default())?;
    let mut picture = Picture::default();
    loop {
        match feed.next()? {
            Step::Event(_, line) if *json => console.line(&line)?,
            Step::Event(event, _) => {
                let now = time_of_day();
                for (tone, text) in picture.apply(&event, args.name.is_none()) {
                    console.line(&format!("{now} {}", tone.paint(&visible(&text), console.style.colour)))?;
                }
            }
            step => tell(&step, api, console),
        }
    }
}

/// Says what became of the connection.
pub(super) fn tell(step: &Step, api: &AgentApi, console: &mut Console) {
    let agent = api.agent();
    match step {
        Step::Event(..) => {}
        Step::Lost { why, pause } => {
            console.warn(&format!("lost {agent} ({why}); trying again in {} ms", pause.as_millis()));
        }
        Step::Back => console.note(&format!("{agent} answers again; going on where it was")),
        Step::Anew => console.note(&format!("{agent} answers, but does not know where we were; everything anew")),
    }
}

/// `12:00:01.123Z`
fn time_of_day() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let text = WallTime(u64::try_from(since.as_millis()).unwrap_or(u64::MAX)).to_string();
    text.split_once('T').map_or_else(String::new, |(_, time)| time.to_owned())
}

/// A line and its colour.
type Line = (Tone, String);

/// What has been told so far, so that the next thing can be called new, different or gone.
#[derive(Debug, Default)]
struct Picture {
    /// What was said of each instance, by service and id.
    instances: BTreeMap<(String, String), String>,
    /// What callers of each service are given.
    selections: BTreeMap<String, String>,
    /// The state of each node.
    nodes: BTreeMap<String, String>,
    /// Between a reset and its end: instances that have not been mentioned again.
    unmentioned: Option<BTreeSet<(String, String)>>,
}

impl Picture {
    /// Takes in `event` and says what it means; `full_names` says whether instances need their service's name.
    fn apply(&mut self, event: &Event, full_names: bool) -> Vec<Line> {
        let mut lines = Vec::new();
        if event.event == "reset" {
            self.unmentioned = Some(self.instances.keys().cloned().collect());
        }
        if let Some(service) = &event.service {
            self.service(service, event, full_names, &mut lines);
        }
        // A reset of one service is whole in itself; one of everything ends where the watch is current.
        let is_whole = (event.event == "reset" && event.service.is_some()) || event.event == "current";
        if is_whole {
            for key in self.unmentioned.take().unwrap_or_default() {
                self.gone(key, full_names, &mut lines);
            }
        }
        event.nodes.iter().for_each(|node| self.node(node, &mut lines));
        lines
    }

    fn service(&mut self, service: &str, event: &Event, full_names: bool, lines: &mut Vec<Line>) {
        for id in &event.removed {
            self.gone((service.to_owned(), id.clone()), full_names, lines);
        }
        for instance in &event.changed {
            let key = (service.to_owned(), instance.id.clone());
            let said = said(instance);
            let repeated = self.unmentioned.as_mut().is_some_and(|unmentioned| unmentioned.remove(&key));
            let name = named(&key, full_names);
            match self.instances.insert(key, said.clone()) {
                None => lines.push((Tone::Good, format!("+ {name} {said}"))),
                Some(before) if repeated && before == said => {}
                Some(_) => {
                    let tone = if status_tone(&instance.status) == Tone::Bad { Tone::Bad } else { Tone::Warn };
                    lines.push((tone, format!("~ {name} {said}")));
                }
            }
        }
        let selection = match (event.known, &event.selection) {
            (Some(false), _) => "unknown",
            (_, Some(selection)) => selection.as_str(),
            (_, None) => return,
        };
        let before = self.selections.insert(service.to_owned(), selection.to_owned());
        if before.as_deref() != Some(selection) {
            lines.extend(selected(service, before.as_deref(), selection));
        }
    }

    fn gone(&mut self, key: (String, String), full_names: bool, lines: &mut Vec<Line>) {
        let name = named(&key, full_names);
        let said = self.instances.remove(&key).map(|said| format!(" {said}")).unwrap_or_default();
        lines.push((Tone::Bad, format!("- {name}{said}")));
    }

    fn node(&mut self, node: &Node, lines: &mut Vec<Line>) {
        let name = if node.name.is_empty() { &node.id } else { &node.name };
        let line = match self.nodes.insert(node.id.clone(), node.state.clone()) {
            None => format!("+ node {name} {}", node.state),
            Some(before) if before == node.state => return,
            Some(before) => format!("~ node {name} {} (was {before})", node.state),
        };
        lines.push((super::nodes::state_tone(&node.state), line));
    }
}

fn named((service, id): &(String, String), full_names: bool) -> String {
    if full_names { format!("{service}/{id}") } else { id.clone() }
}

fn said(instance: &Instance) -> String {
    format!("{} {}", socket(instance), instance.status)
}

fn selected(service: &str, before: Option<&str>, selection: &str) -> Option<Line> {
    let (tone, text) = match selection {
        // That a service is well needs saying only if it was not.
        "usable" => (Tone::Good, before.map(|_| "is usable again")?),
        "last_known" => (Tone::Warn, "has nothing usable; callers are given what was last known to be"),
        "empty" => (Tone::Bad, "has nothing to give to callers"),
        "unknown" => (Tone::Warn, "is not known here; waiting for somebody to register it"),
        _ => return None,
    };
    Some((tone, format!("! {service} {text}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(picture: &mut Picture, full_names: bool, event: &str) -> Vec<String> {
        let event = serde_json::from_str(event).unwrap();
        picture.apply(&event, full_names).into_iter().map(|(_, line)| line).collect()
    }

    fn instance(id: &str, status: &str) -> String {
        format!(r#"{{"id":"{id}","address":"10.0.0.7","port":8080,"status":"{status}"}}"#)
    }

    fn of_service(event: &str, changed: &[String], removed: &str, selection: &str) -> String {
        let changed = changed.join(",");
        format!(
            r#"{{"event":"{event}","index":"a-1","service":"prod/recos","known":true,"selection":"{selection}",
                "age_ms":3,"changed":[{changed}],"removed":[{removed}]}}"#
        )
    }

    #[test]
    fn a_service_is_told_as_new_different_and_gone() {
        let mut picture = Picture::default();
        let reset = of_service("reset", &[instance("r-1", "passing"), instance("r-2", "passing")], "", "usable");
        assert_eq!(told(&mut picture, false, &reset), ["+ r-1 10.0.0.7:8080 passing", "+ r-2 10.0.0.7:8080 passing"]);
        let change = of_service("change", &[instance("r-1", "silent")], r#""r-2""#, "last_known");
        assert_eq!(
            told(&mut picture, false, &change),
            [
                "- r-2 10.0.0.7:8080 passing",
                "~ r-1 10.0.0.7:8080 silent",
                "! prod/recos has nothing usable; callers are given what was last known to be",
            ]
        );
        let change = of_service("change", &[instance("r-1", "passing")], "", "usable");
        assert_eq!(told(&mut picture, false, &change), ["~ r-1 10.0.0.7:8080 passing", "! prod/recos is usable again"]);
    }

    #[test]
    fn a_second_reset_tells_only_the_difference() {
        let mut picture = Picture::default();
        let first = [instance("r-1", "passing"), instance("r-2", "passing")];
        told(&mut picture, false, &of_service("reset", &first, "", "usable"));
        let second = [instance("r-2", "passing"), instance("r-3", "passing")];
        assert_eq!(
            told(&mut picture, false, &of_service("reset", &second, "", "usable")),
            ["+ r-3 10.0.0.7:8080 passing", "- r-1 10.0.0.7:8080 passing"]
        );
    }

    #[test]
    fn of_everything_a_reset_ends_where_the_watch_is_current() {
        let mut picture = Picture::default();
        let reset = r#"{"event":"reset","index":"a-1"}"#;
        let current = r#"{"event":"current","index":"a-2","age_ms":1}"#;
        let service = |ids: &[&str]| {
            let changed: Vec<String> = ids.iter().map(|id| instance(id, "passing")).collect();
            of_service("service", &changed, "", "usable")
        };
        assert!(told(&mut picture, true, reset).is_empty());
        assert_eq!(told(&mut picture, true, &service(&["r-1"])), ["+ prod/recos/r-1 10.0.0.7:8080 passing"]);
        assert!(told(&mut picture, true, current).is_empty());
        told(&mut picture, true, reset);
        assert_eq!(told(&mut picture, true, &service(&["r-2"])), ["+ prod/recos/r-2 10.0.0.7:8080 passing"]);
        assert_eq!(told(&mut picture, true, current), ["- prod/recos/r-1 10.0.0.7:8080 passing"]);
    }

    #[test]
    fn nodes_are_told_when_their_state_changes() {
        let mut picture = Picture::default();
        let nodes = |state: &str| {
            format!(r#"{{"event":"nodes","nodes":[{{"id":"00000000000000aa","name":"web-3","state":"{state}"}}]}}"#)
        };
        assert_eq!(told(&mut picture, true, &nodes("alive")), ["+ node web-3 alive"]);
        assert!(told(&mut picture, true, &nodes("alive")).is_empty());
        assert_eq!(told(&mut picture, true, &nodes("suspect")), ["~ node web-3 suspect (was alive)"]);
    }

    #[test]
    fn an_unknown_service_is_said_to_be_so_once() {
        let mut picture = Picture::default();
        let event = r#"{"event":"reset","index":"a-1","service":"prod/x","known":false,"selection":"empty","age_ms":0,
            "changed":[],"removed":[]}"#;
        assert_eq!(
            told(&mut picture, false, event),
            ["! prod/x is not known here; waiting for somebody to register it"]
        );
        assert!(told(&mut picture, false, event).is_empty());
    }
}
