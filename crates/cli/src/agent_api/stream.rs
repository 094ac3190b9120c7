//! A stream of lines from the agent: one JSON object each.

use super::wire::Event;
use super::{AgentAddress, ApiError};
use std::io::{BufRead, BufReader, Read};

/// Longest line: the reset of the largest service there can be.
const LINE_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// An open watch.
pub(crate) struct EventStream {
    agent: AgentAddress,
    reader: BufReader<Box<dyn Read + Send>>,
    line: Vec<u8>,
}

impl EventStream {
    pub(super) fn new(agent: AgentAddress, reader: impl Read + Send + 'static) -> Self {
        Self { agent, reader: BufReader::new(Box::new(reader)), line: Vec::new() }
    }

    /// Waits for the next line.
    ///
    /// # Errors
    /// [`ApiError::Broken`] when the stream ends, breaks or is silent for too long; [`ApiError::Foreign`] for a line
    /// that is no event.
    pub(crate) fn next(&mut self) -> Result<Event, ApiError> {
        let broken = |why: String| ApiError::Broken { agent: self.agent.clone(), why };
        self.line.clear();
        let mut bounded = (&mut self.reader).take(LINE_BYTES_MAX);
        let read = bounded.read_until(b'\n', &mut self.line);
        read.map_err(|error| broken(error.to_string().to_lowercase()))?;
        if self.line.pop_if(|last| *last == b'\n').is_none() {
            return Err(broken(String::from("the stream ended")));
        }
        let foreign = |why: serde_json::Error| ApiError::Foreign { agent: self.agent.clone(), why: why.to_string() };
        serde_json::from_slice(&self.line).map_err(foreign)
    }

    /// The line that [`EventStream::next`] parsed last.
    pub(crate) fn line(&self) -> String {
        String::from_utf8_lossy(&self.line).into_owned()
    }
}
