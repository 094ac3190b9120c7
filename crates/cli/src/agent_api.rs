//! A client of the agent's HTTP API: one request, one answer, or one stream.

mod address;
mod download;
mod error;
mod socket;
pub(crate) mod sql;
mod stream;
mod target;
#[cfg(test)]
pub(crate) mod tests;
pub(crate) mod wire;

pub(crate) use address::AgentAddress;
pub(crate) use error::ApiError;
pub(crate) use stream::{EventStream, Lines};
pub(crate) use target::Target;

use serde::de::DeserializeOwned;
use socket::{NoNames, SocketConnector};
use std::time::Duration;
use wire::Problem;

/// How long one request may take. Agents answer from memory; only a durable write waits, for a disk.
const TIMEOUT: Duration = Duration::from_secs(15);
/// How long an attempt to connect may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// How long a watch may be silent: three of the agent's usual heartbeats.
const SILENCE_MAX: Duration = Duration::from_secs(30);
/// Longest answer read: the largest service there can be.
const ANSWER_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Longest problem document read.
const PROBLEM_BYTES_MAX: u64 = 64 * 1024;

/// What is done to a [`Target`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Method {
    /// Read.
    Get,
    /// Write.
    Put,
    /// Ask for something to be done.
    Post,
    /// Remove.
    Delete,
}

/// An answer, as it came and as it was understood.
#[derive(Debug)]
pub(crate) struct Answer<T> {
    /// The body as it came.
    pub(crate) body: String,
    /// What it says.
    pub(crate) value: T,
}

/// Asks one agent.
#[derive(Clone, Debug)]
pub(crate) struct AgentApi {
    agent: AgentAddress,
    http: ureq::Agent,
}

impl AgentApi {
    /// A client of the agent at `agent`; connects when asked something.
    pub(crate) fn new(agent: AgentAddress) -> Self {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            // An agent is near; a proxy between would only hide who answers.
            .proxy(None)
            .max_redirects(0)
            // A kept connection may have died since; a new one to the same host costs next to nothing.
            .max_idle_connections(0)
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .user_agent(concat!("whither/", env!("CARGO_PKG_VERSION")))
            .build();
        let http = match &agent {
            AgentAddress::Port(_) => config.new_agent(),
            AgentAddress::Socket(path) => ureq::Agent::with_parts(config, SocketConnector(path.clone()), NoNames),
        };
        Self { agent, http }
    }

    /// Who is asked.
    pub(crate) const fn agent(&self) -> &AgentAddress {
        &self.agent
    }

    /// Asks, and understands the answer.
    ///
    /// # Errors
    /// [`ApiError`]; which kind says whether something may have been done.
    pub(crate) fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        target: &Target,
        body: Option<&[u8]>,
    ) -> Result<Answer<T>, ApiError> {
        self.ask_within(method, target, body, TIMEOUT)
    }

    /// As [`AgentApi::ask`], where an answer may take longer, or must not.
    ///
    /// # Errors
    /// As [`AgentApi::ask`].
    pub(crate) fn ask_within<T: DeserializeOwned>(
        &self,
        method: Method,
        target: &Target,
        body: Option<&[u8]>,
        patience: Duration,
    ) -> Result<Answer<T>, ApiError> {
        let body = self.send_within(method, target, body, patience)?;
        let value = serde_json::from_str(&body)
            .map_err(|error| ApiError::Foreign { agent: self.agent.clone(), why: error.to_string() })?;
        Ok(Answer { body, value })
    }

    /// Asks; the answer is whatever text it is.
    ///
    /// # Errors
    /// As [`AgentApi::ask`].
    pub(crate) fn send(&self, method: Method, target: &Target, body: Option<&[u8]>) -> Result<String, ApiError> {
        self.send_within(method, target, body, TIMEOUT)
    }

    fn send_within(
        &self,
        method: Method,
        target: &Target,
        body: Option<&[u8]>,
        patience: Duration,
    ) -> Result<String, ApiError> {
        let failed = |error| ApiError::of(&self.agent, error, patience);
        let url = format!("{}{target}", self.agent.origin());
        let response = match method {
            Method::Get => self.http.get(url).config().timeout_global(Some(patience)).build().call(),
            Method::Delete => self.http.delete(url).config().timeout_global(Some(patience)).build().call(),
            Method::Put | Method::Post => {
                let request = if method == Method::Put { self.http.put(url) } else { self.http.post(url) };
                let request = request.config().timeout_global(Some(patience)).build();
                match body {
                    Some(body) => request.content_type("application/json").send(body),
                    None => request.send_empty(),
                }
            }
        };
        let mut response = self.accept(response.map_err(failed)?)?;
        response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_string().map_err(failed)
    }

    /// Opens a watch.
    ///
    /// # Errors
    /// As [`AgentApi::ask`].
    pub(crate) fn watch(&self, target: &Target) -> Result<EventStream, ApiError> {
        let url = format!("{}{target}", self.agent.origin());
        let request = self.http.get(url).header("accept", "application/x-ndjson").config();
        let request = request.timeout_recv_response(Some(TIMEOUT)).timeout_per_read(Some(SILENCE_MAX)).build();
        let response = self.accept(request.call().map_err(|error| ApiError::of(&self.agent, error, TIMEOUT))?)?;
        let reader = response.into_body().into_with_config().limit(u64::MAX).reader();
        Ok(EventStream::new(Lines::new(self.agent.clone(), reader)))
    }

    /// Opens a session with `body`, a list of registrations: it lasts as long as the stream is held.
    ///
    /// # Errors
    /// As [`AgentApi::ask`].
    pub(crate) fn hold(&self, target: &Target, body: &[u8]) -> Result<EventStream, ApiError> {
        self.lines(target, body, "application/x-ndjson", TIMEOUT, SILENCE_MAX).map(EventStream::new)
    }

    /// Posts `body` and reads what comes, line by line: the head of the answer within `patience`, and then never silent for
    /// longer than `silence`.
    ///
    /// # Errors
    /// As [`AgentApi::ask`].
    pub(crate) fn lines(
        &self,
        target: &Target,
        body: &[u8],
        accept: &str,
        patience: Duration,
        silence: Duration,
    ) -> Result<Lines, ApiError> {
        let url = format!("{}{target}", self.agent.origin());
        let request = self.http.post(url).content_type("application/json").header("accept", accept).config();
        let request = request.timeout_recv_response(Some(patience)).timeout_per_read(Some(silence)).build();
        let response = request.send(body).map_err(|error| ApiError::of(&self.agent, error, patience))?;
        let reader = self.accept(response)?.into_body().into_with_config().limit(u64::MAX).reader();
        Ok(Lines::new(self.agent.clone(), reader))
    }

    /// Passes a good response on, and makes an error of any other.
    fn accept(
        &self,
        mut response: ureq::http::Response<ureq::Body>,
    ) -> Result<ureq::http::Response<ureq::Body>, ApiError> {
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let body = response.body_mut().with_config().limit(PROBLEM_BYTES_MAX).read_to_string().unwrap_or_default();
        match serde_json::from_str::<Problem>(&body) {
            Ok(problem) if problem.kind.starts_with("urn:whither:") => {
                Err(ApiError::Refused { status: status.as_u16(), problem: Box::new(problem) })
            }
            _ => Err(ApiError::Foreign { agent: self.agent.clone(), why: format!("it answered {status}") }),
        }
    }
}
