//! Why an agent gave no answer.

use super::AgentAddress;
use super::wire::Problem;
use std::fmt;
use std::io;
use std::time::Duration;

/// Why a request has no answer.
#[derive(Debug)]
pub(crate) enum ApiError {
    /// Nobody listens there. Nothing was done.
    Unreachable {
        /// Who was asked.
        agent: AgentAddress,
        /// What the system says.
        why: String,
        /// What to do about it.
        next: &'static str,
    },
    /// The connection broke, or time ran out. The request may or may not have been carried out.
    Broken {
        /// Who was asked.
        agent: AgentAddress,
        /// What happened.
        why: String,
    },
    /// The agent refused, and says why. Nothing was done.
    Refused {
        /// The HTTP status.
        status: u16,
        /// The agent's words.
        problem: Box<Problem>,
    },
    /// Whoever answered is no agent, or one of another age.
    Foreign {
        /// Who was asked.
        agent: AgentAddress,
        /// What was odd.
        why: String,
    },
}

impl ApiError {
    /// Whether there is no such service, instance or route.
    pub(crate) const fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused { status: 404, .. })
    }

    /// Whether asking again later may help.
    pub(crate) const fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Broken { .. } => true,
            Self::Refused { status, .. } => *status >= 500,
            Self::Foreign { .. } => false,
        }
    }

    fn unreachable(agent: AgentAddress, why: String, kind: io::ErrorKind) -> Self {
        let next = match (&agent, kind) {
            (AgentAddress::Socket(_), io::ErrorKind::NotFound) => {
                "no agent runs with that data directory, or its http.socket is elsewhere or off: the agent's `ready` line names \
                 its socket"
            }
            (AgentAddress::Socket(_), io::ErrorKind::PermissionDenied) => {
                "this user may not connect: ask as the user that the agent runs as, or have it let others in with http.socket \
                 and http.socket_mode"
            }
            (AgentAddress::Socket(_), io::ErrorKind::ConnectionRefused) => {
                "nobody listens there: the agent that made this socket was killed; start it again with `whither agent`"
            }
            (AgentAddress::Socket(_), io::ErrorKind::TimedOut) => {
                "who listens there takes no more connections: is the agent stopped, or out of file descriptors? its log may tell"
            }
            _ => "start one with `whither agent` or `whither dev`, or name another with --agent",
        };
        Self::Unreachable { agent, why, next }
    }

    /// The error for what the HTTP client says, whose patience lasted so long.
    pub(super) fn of(agent: &AgentAddress, error: ureq::Error, patience: Duration) -> Self {
        let agent = agent.clone();
        match error {
            ureq::Error::Io(error) => match error.kind() {
                io::ErrorKind::ConnectionReset
                | io::ErrorKind::ConnectionAborted
                | io::ErrorKind::UnexpectedEof
                | io::ErrorKind::BrokenPipe => Self::Broken { agent, why: plain(&error) },
                kind => Self::unreachable(agent, plain(&error), kind),
            },
            ureq::Error::HostNotFound => Self::unreachable(agent, "there is no such host".into(), io::ErrorKind::Other),
            ureq::Error::ConnectionFailed => {
                Self::unreachable(agent, "the connection failed".into(), io::ErrorKind::Other)
            }
            ureq::Error::Timeout(ureq::Timeout::Connect | ureq::Timeout::Resolve) => {
                Self::unreachable(agent, "no reply to the attempt to connect".into(), io::ErrorKind::TimedOut)
            }
            ureq::Error::Timeout(_) => {
                Self::Broken { agent, why: format!("no answer within {} s", patience.as_secs()) }
            }
            ureq::Error::BodyExceedsLimit(limit) => {
                Self::Foreign { agent, why: format!("its answer is longer than {} MiB", limit >> 20) }
            }
            error => Self::Foreign { agent, why: error.to_string() },
        }
    }
}

/// What the system says, without the number that follows it.
fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_lowercase()
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable { agent, why, next } => write!(f, "no agent answers at {agent} ({why}); {next}"),
            Self::Broken { agent, why } => {
                write!(
                    f,
                    "the agent at {agent} did not finish its answer ({why}); if that was to change something, it may have done so"
                )
            }
            Self::Refused { problem, .. } => problem.fmt(f),
            Self::Foreign { agent, why } => {
                write!(f, "what answers at {agent} does not speak as an agent does ({why}); is --agent right?")
            }
        }
    }
}

impl std::error::Error for ApiError {}
