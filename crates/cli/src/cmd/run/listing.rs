//! The instance in the catalog: registered on a session, which lasts as long as this process.
//!
//! A thread of its own holds the session's stream. When the agent goes away, it registers again with whatever agent answers there
//! next, in the state of that moment.

use crate::agent_api::wire::{NamedRegistration, Registration, Written};
use crate::agent_api::{AgentApi, ApiError, EventStream, Method, Target};
use crate::duration;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc;
use whither_model::{InstanceId, ServiceName, State};

/// Between attempts to reach an agent: at first, and at most.
const AGAIN: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

/// What became of the listing.
#[derive(Debug)]
pub(super) enum News {
    /// The agent has it.
    Listed,
    /// No agent has it; it is tried on.
    Unlisted(ApiError),
    /// A state was set: the agent took it in, or not.
    Told(State, Result<(), ApiError>),
}

/// One instance, listed.
#[derive(Clone)]
pub(super) struct Listing(Arc<Inner>);

struct Inner {
    api: AgentApi,
    service: ServiceName,
    id: InstanceId,
    registration: Registration,
    /// Whether an agent would not have the checks: then it is registered without.
    is_unchecked: AtomicBool,
    grace: Duration,
    /// Where the instance is in its life, whether the agent knows it yet or not.
    state: Mutex<State>,
    /// Held as long as the agent is asked: a session is not opened with the state of before while the new one is told.
    now: Mutex<Now>,
    tell: mpsc::UnboundedSender<News>,
}

struct Now {
    session: Option<String>,
    ended: bool,
}

impl Listing {
    /// One that is starting, and the queue out of which comes what becomes of it.
    pub(super) fn new(
        api: AgentApi,
        service: ServiceName,
        id: InstanceId,
        registration: Registration,
        grace: Duration,
    ) -> (Self, mpsc::UnboundedReceiver<News>) {
        // Unbounded, yet bounded: there is one word for each connection that came or went, at most ten a second, and one for
        // each state.
        let (tell, news) = mpsc::unbounded_channel();
        let now = Mutex::new(Now { session: None, ended: false });
        let state = Mutex::new(State::Starting);
        let is_unchecked = AtomicBool::new(false);
        let inner = Inner { api, service, id, registration, is_unchecked, grace, state, now, tell };
        (Self(Arc::new(inner)), news)
    }

    /// Lists it, and keeps it listed until [`Listing::end`].
    ///
    /// # Errors
    /// The agent refuses it for good; nothing is listed. That no agent answers is no error: it is tried on.
    pub(super) fn begin(&self) -> Result<(), ApiError> {
        let first = match self.open() {
            Err(error) if !error.may_pass() => return Err(error),
            first => first,
        };
        let listing = self.clone();
        self.beside("listing", move || listing.keep(first))
    }

    /// Sets where the instance is in its life; [`News::Told`] follows. Does not wait: an agent that hangs must not keep a
    /// server from being told to stop. If no agent answers, the next one will be told.
    pub(super) fn set(&self, state: State) {
        *self.0.state.lock().unwrap_or_else(PoisonError::into_inner) = state;
        let listing = self.clone();
        let told = self.beside("state", move || {
            let now = listing.now();
            // The latest, should there have been another one since: of two threads, either may be the last.
            let state = listing.state();
            let told = now.session.as_ref().map_or(Ok(()), |session| listing.tell(state, session));
            listing.say(News::Told(state, told));
        });
        if let Err(error) = told {
            self.say(News::Told(state, Err(error)));
        }
    }

    fn beside(&self, name: &str, work: impl FnOnce() + Send + 'static) -> Result<(), ApiError> {
        let agent = self.0.api.agent();
        std::thread::Builder::new()
            .name(name.into())
            .spawn(work)
            .map(drop)
            .map_err(|error| ApiError::Broken { agent: agent.clone(), why: format!("no thread to ask it on: {error}") })
    }

    fn say(&self, news: News) {
        // Fails only if nobody listens any more, and then it does not matter.
        drop(self.0.tell.send(news));
    }

    fn state(&self) -> State {
        *self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes it out of the catalog: with its session, or by name if the agent knows nothing of that any more.
    pub(super) fn end(&self) -> Result<(), ApiError> {
        let session = {
            let mut now = self.now();
            now.ended = true;
            now.session.take()
        };
        let Inner { api, service, id, .. } = &*self.0;
        let delete = |target: &Target| api.send(Method::Delete, target, None).map(drop);
        if let Some(session) = session {
            match delete(&Target::new("/v1/sessions").segment(&session)) {
                // It has started anew, and still lists what it listed before.
                Err(ApiError::Refused { .. }) => {}
                ended => return ended,
            }
        }
        // At once: the server has ended, which is more than somebody's word.
        match delete(&Target::instance(service, id).query("force", "true")) {
            Err(ApiError::Refused { status: 404, .. }) => Ok(()),
            ended => ended,
        }
    }

    fn now(&self) -> MutexGuard<'_, Now> {
        self.0.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, state: State, session: &str) -> Result<(), ApiError> {
        let Inner { api, service, id, .. } = &*self.0;
        let target = Target::instance(service, id);
        let registration = Registration { session: Some(session.to_owned()), ..self.registration(state) };
        let refused = if registration.checks.is_empty() || state != State::Up {
            Ok(())
        } else {
            // Strings and numbers in structs are all JSON.
            let body = serde_json::to_vec(&registration).unwrap_or_default();
            match api.ask::<Written>(Method::Put, &target, Some(&body)) {
                Err(refused @ ApiError::Refused { .. }) if !refused.may_pass() => Err(self.without_checks(refused)),
                told => return told.map(drop),
            }
        };
        api.ask::<Written>(Method::Put, &target.segment("state").query("state", state.as_str()), None)?;
        refused
    }

    /// Its registration in `state`. The agent is to look only at what has been up.
    fn registration(&self, state: State) -> Registration {
        let Inner { registration, is_unchecked, .. } = &*self.0;
        let mut registration = Registration { state: Some(state.as_str()), ..registration.clone() };
        if state == State::Starting || is_unchecked.load(Ordering::Relaxed) {
            registration.checks.clear();
        }
        registration
    }

    /// The agent would have it, but not its checks: a server is not taken out of service for that.
    fn without_checks(&self, refused: ApiError) -> ApiError {
        self.0.is_unchecked.store(true, Ordering::Relaxed);
        refused
    }

    /// Opens a session with the instance on it, in its present state.
    fn open(&self) -> Result<EventStream, ApiError> {
        let Inner { api, service, id, grace, .. } = &*self.0;
        let mut now = self.now();
        let registration = self.registration(self.state());
        let named = NamedRegistration { service: service.as_str(), id: id.as_str(), registration: &registration };
        // Strings and numbers in structs are all JSON.
        let body = serde_json::to_vec(&[named]).unwrap_or_default();
        let target = Target::new("/v1/sessions").query("grace", &duration::exact(*grace));
        let mut stream = match api.hold(&target, &body) {
            Err(refused) if !refused.may_pass() && !registration.checks.is_empty() => {
                // Whoever called tries again, without them.
                return Err(self.without_checks(refused));
            }
            opened => opened?,
        };
        let first = stream.next()?;
        now.session = first.session;
        Ok(stream)
    }

    fn keep(&self, mut opened: Result<EventStream, ApiError>) {
        let mut wait = AGAIN.0;
        loop {
            let lost = match opened {
                Ok(mut stream) => {
                    wait = AGAIN.0;
                    self.say(News::Listed);
                    loop {
                        if let Err(lost) = stream.next() {
                            break lost;
                        }
                    }
                }
                Err(error) => error,
            };
            {
                let mut now = self.now();
                now.session = None;
                if now.ended {
                    return;
                }
            }
            self.say(News::Unlisted(lost));
            std::thread::sleep(wait);
            wait = (wait * 2).min(AGAIN.1);
            opened = self.open();
        }
    }
}
