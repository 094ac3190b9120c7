//! A watch that outlives its connections: it comes back, and goes on where it was.

use crate::agent_api::wire::Event;
use crate::agent_api::{AgentApi, ApiError, EventStream, Target};
use std::time::Duration;
use whither_model::ServiceName;

/// What a watch has to say.
#[derive(Debug)]
pub(crate) enum Step {
    /// The agent said something; also as it said it.
    Event(Box<Event>, String),
    /// The connection is gone; the next step comes after this pause.
    Lost {
        /// What happened.
        why: String,
        /// How long nothing is tried.
        pause: Duration,
    },
    /// The connection is back. What was missed follows, or else a reset.
    Back,
    /// The agent does not know where we were, so everything is sent anew.
    Anew,
}

/// The pauses between attempts: doubling, with a longest.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Backoff {
    /// The first pause.
    pub(crate) first: Duration,
    /// The longest.
    pub(crate) longest: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { first: Duration::from_millis(250), longest: Duration::from_secs(10) }
    }
}

/// A watch of one service, or of everything.
pub(crate) struct Feed<'a> {
    api: &'a AgentApi,
    service: Option<&'a ServiceName>,
    stream: Option<EventStream>,
    from: Option<String>,
    backoff: Backoff,
    pause: Duration,
}

impl<'a> Feed<'a> {
    /// Opens the watch. `None` watches everything.
    ///
    /// # Errors
    /// If the first attempt fails: then it is likelier that something is wrong than that it will pass.
    pub(crate) fn open(
        api: &'a AgentApi,
        service: Option<&'a ServiceName>,
        from: Option<String>,
        backoff: Backoff,
    ) -> Result<Self, ApiError> {
        let mut feed = Self { api, service, stream: None, from, backoff, pause: Duration::ZERO };
        feed.stream = Some(api.watch(&feed.target())?);
        Ok(feed)
    }

    fn target(&self) -> Target {
        let mut target = Target::new("/v1/watch");
        if let Some(name) = self.service {
            target = target.segment(name.namespace()).segment(name.service());
        }
        match &self.from {
            Some(from) => target.query("from", from),
            None => target,
        }
    }

    /// Waits for the next thing to say.
    ///
    /// # Errors
    /// What trying again will not mend.
    pub(crate) fn next(&mut self) -> Result<Step, ApiError> {
        let Some(stream) = &mut self.stream else { return self.reconnect() };
        match stream.next() {
            Ok(event) => {
                let line = stream.line();
                // Of a watch of everything, only these positions are whole: see the API's description.
                if event.index.is_some() && (self.service.is_some() || event.event == "current") {
                    self.from.clone_from(&event.index);
                }
                // Only a connection that said something shows that the agent is well again.
                self.pause = Duration::ZERO;
                Ok(Step::Event(Box::new(event), line))
            }
            Err(error) if error.may_pass() => Ok(self.lost(error)),
            Err(error) => Err(error),
        }
    }

    fn lost(&mut self, error: ApiError) -> Step {
        self.stream = None;
        self.pause = (self.pause * 2).clamp(self.backoff.first, self.backoff.longest);
        let why = match error {
            ApiError::Broken { why, .. } | ApiError::Unreachable { why, .. } => why,
            error => error.to_string(),
        };
        Step::Lost { why, pause: self.pause }
    }

    fn reconnect(&mut self) -> Result<Step, ApiError> {
        std::thread::sleep(self.pause);
        match self.api.watch(&self.target()) {
            Ok(stream) => {
                self.stream = Some(stream);
                Ok(Step::Back)
            }
            Err(error) if error.may_pass() => Ok(self.lost(error)),
            // Another agent, or one that lost its memory, does not know our position.
            Err(ApiError::Refused { status: 400, .. }) if self.from.is_some() => {
                self.from = None;
                self.stream = Some(self.api.watch(&self.target())?);
                Ok(Step::Anew)
            }
            Err(error) => Err(error),
        }
    }
}
