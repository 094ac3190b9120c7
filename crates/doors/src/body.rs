//! Request bodies: bounded in size and in time before anything is parsed.

use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::StatusCode;
use hyper::body::{Bytes, Incoming};
use std::fmt;
use std::time::Duration;

/// Why a body was not read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum BodyFault {
    /// It is larger than this.
    TooLarge(usize),
    /// It did not arrive within this time.
    Slow(Duration),
    /// It broke off.
    Broken(String),
}

impl BodyFault {
    /// The status code for it.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Slow(_) | Self::Broken(_) => StatusCode::BAD_REQUEST,
        }
    }
}

impl fmt::Display for BodyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge(max) => write!(f, "Request body too large, max size: {max} bytes"),
            Self::Slow(deadline) => write!(f, "the body did not arrive within {deadline:?}"),
            Self::Broken(fault) => write!(f, "the body broke off: {fault}"),
        }
    }
}

/// Reads a body of at most `max` bytes that arrives within `deadline`.
///
/// # Errors
/// It is larger, slower, or breaks off.
pub async fn read_body(body: Incoming, max: usize, deadline: Duration) -> Result<Bytes, BodyFault> {
    match tokio::time::timeout(deadline, Limited::new(body, max).collect()).await {
        Err(_) => Err(BodyFault::Slow(deadline)),
        Ok(Err(fault)) if fault.is::<LengthLimitError>() => Err(BodyFault::TooLarge(max)),
        Ok(Err(fault)) => Err(BodyFault::Broken(fault.to_string())),
        Ok(Ok(read)) => Ok(read.to_bytes()),
    }
}
