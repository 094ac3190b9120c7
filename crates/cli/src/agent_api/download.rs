//! Something long from the agent, piece by piece.

use super::{AgentApi, ApiError, Target};
use std::io::Read;
use std::time::Duration;

/// How long a download may be silent.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// An answer that is read as it comes.
pub(crate) struct Download {
    /// How long it will be, if that was said. One that ends before is an error of its reader.
    pub(crate) bytes: Option<u64>,
    /// What it says.
    pub(crate) body: Box<dyn Read>,
}

impl AgentApi {
    /// Gets `target`, whose answer may take `patience` to begin.
    ///
    /// # Errors
    /// As [`AgentApi::ask`].
    pub(crate) fn download(&self, target: &Target, patience: Duration) -> Result<Download, ApiError> {
        let url = format!("{}{target}", self.agent.origin());
        let request = self.http.get(url).config();
        let request = request.timeout_recv_response(Some(patience)).timeout_per_read(Some(SILENCE_MAX)).build();
        let response = self.accept(request.call().map_err(|error| ApiError::of(&self.agent, error, patience))?)?;
        let bytes = response.headers().get("content-length").and_then(|length| length.to_str().ok()?.parse().ok());
        let body = response.into_body().into_with_config().limit(u64::MAX).reader();
        Ok(Download { bytes, body: Box::new(body) })
    }
}
