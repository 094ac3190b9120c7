//! A stream of lines from the agent: one JSON object each.

use super::wire::{Event, Problem};
use super::{AgentAddress, ApiError};
use serde::de::DeserializeOwned;
use std::io::{BufRead, BufReader, Read};

/// Longest line: the reset of the largest service there can be.
const LINE_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Lines, whatever they say.
pub(crate) struct Lines {
    agent: AgentAddress,
    reader: BufReader<Box<dyn Read + Send>>,
    line: Vec<u8>,
}

impl Lines {
    pub(super) fn new(agent: AgentAddress, reader: impl Read + Send + 'static) -> Self {
        Self { agent, reader: BufReader::new(Box::new(reader)), line: Vec::new() }
    }

    /// Waits for the next line; `None` at the end.
    ///
    /// # Errors
    /// [`ApiError::Broken`] when the stream breaks, is silent for too long, or ends within a line.
    pub(crate) fn next(&mut self) -> Result<Option<&[u8]>, ApiError> {
        let broken = |why: String| ApiError::Broken { agent: self.agent.clone(), why };
        self.line.clear();
        let mut bounded = (&mut self.reader).take(LINE_BYTES_MAX);
        let read = bounded.read_until(b'\n', &mut self.line);
        read.map_err(|error| broken(error.to_string().to_lowercase()))?;
        if self.line.pop_if(|last| *last == b'\n').is_some() {
            return Ok(Some(&self.line));
        }
        if self.line.is_empty() { Ok(None) } else { Err(broken(String::from("the stream ended"))) }
    }

    /// What a line of JSON says.
    ///
    /// # Errors
    /// [`ApiError::Foreign`] for one that says something else.
    pub(crate) fn parse<T: DeserializeOwned>(&self) -> Result<T, ApiError> {
        let foreign = |why: serde_json::Error| ApiError::Foreign { agent: self.agent.clone(), why: why.to_string() };
        serde_json::from_slice(&self.line).map_err(foreign)
    }

    /// The stream ended where it should not have.
    pub(crate) fn ended(&self) -> ApiError {
        ApiError::Broken { agent: self.agent.clone(), why: String::from("the stream ended") }
    }

    /// The stream says itself why there is no more.
    pub(crate) fn refused(why: String) -> ApiError {
        let problem = Problem { detail: why, ..Problem::default() };
        ApiError::Refused { status: 500, problem: Box::new(problem) }
    }

    /// The line that [`Lines::next`] read last.
    pub(crate) fn line(&self) -> String {
        String::from_utf8_lossy(&self.line).into_owned()
    }
}

/// An open watch.
pub(crate) struct EventStream(Lines);

impl EventStream {
    pub(super) const fn new(lines: Lines) -> Self {
        Self(lines)
    }

    /// Waits for the next line.
    ///
    /// # Errors
    /// [`ApiError::Broken`] when the stream ends, breaks or is silent for too long; [`ApiError::Foreign`] for a line
    /// that is no event.
    pub(crate) fn next(&mut self) -> Result<Event, ApiError> {
        match self.0.next()? {
            Some(_) => self.0.parse(),
            None => Err(self.0.ended()),
        }
    }

    /// The line that [`EventStream::next`] parsed last.
    pub(crate) fn line(&self) -> String {
        self.0.line()
    }
}
