//! A watch at each agent, read by a thread each: who heard what, and when.

use super::cast::Agent;
use super::stage::{SOON, Stage};
use crate::agent_api::Target;
use crate::agent_api::wire::Event;
use anyhow::bail;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

/// Events that wait to be looked at; when there are more, the watches wait.
const WAITING_MAX: usize = 4_096;
/// How long nothing is heard before somebody looks whether the story goes on.
const SLICE: Duration = Duration::from_millis(50);

/// Something that an agent's watch said.
pub(crate) struct Heard {
    /// When.
    pub(crate) at: Instant,
    /// Which agent, by its place in the list.
    pub(crate) agent: usize,
    /// What.
    pub(crate) event: Event,
}

/// Watches of everything.
pub(crate) struct Ears(Receiver<Heard>);

impl Ears {
    /// Opens a watch at each agent, and waits until each has told all that there is.
    pub(crate) fn open(stage: &Stage, agents: &[Agent]) -> anyhow::Result<Self> {
        let (tell, heard) = sync_channel(WAITING_MAX);
        for (at, agent) in agents.iter().enumerate() {
            listen(at, agent, tell.clone())?;
        }
        let ears = Self(heard);
        let (mut current, until) = (vec![false; agents.len()], Instant::now() + SOON);
        while current.contains(&false) {
            match ears.next(stage, until)? {
                Some(heard) if heard.event.event == "current" => {
                    current.iter_mut().skip(heard.agent).take(1).for_each(|one| *one = true);
                }
                Some(_) => {}
                None => bail!("not every watch has told what there is"),
            }
        }
        Ok(ears)
    }

    /// The next thing heard; `None` if that is nothing until `until`.
    pub(crate) fn next(&self, stage: &Stage, until: Instant) -> anyhow::Result<Option<Heard>> {
        loop {
            stage.goes_on()?;
            let left = until.saturating_duration_since(Instant::now());
            match self.0.recv_timeout(left.min(SLICE)) {
                Ok(heard) => return Ok(Some(heard)),
                Err(RecvTimeoutError::Timeout) if left > SLICE => {}
                Err(RecvTimeoutError::Timeout) => return Ok(None),
                Err(RecvTimeoutError::Disconnected) => bail!("no watch is open any more"),
            }
        }
    }
}

fn listen(agent: usize, at: &Agent, tell: SyncSender<Heard>) -> anyhow::Result<()> {
    let mut stream = at.api().watch(&Target::new("/v1/watch"))?;
    std::thread::Builder::new().name("watch".into()).spawn(move || {
        while let Ok(event) = stream.next() {
            if tell.send(Heard { at: Instant::now(), agent, event }).is_err() {
                return;
            }
        }
    })?;
    Ok(())
}
