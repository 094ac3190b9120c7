//! What a layer was found to say, and what to think of it.

use serde::Serialize;
use std::fmt;
use std::net::IpAddr;

/// What stands between a program and the truth about a service.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Layer {
    /// The agent's HTTP API: what the others are compared with.
    Agent,
    /// Another agent, to compare that one with.
    OtherAgent,
    /// The agent's DNS.
    AgentDns,
    /// A nameserver that this host's programs ask.
    Nameserver,
    /// `/etc/hosts`.
    HostsFile,
    /// `/etc/nsswitch.conf`: who is asked in which order.
    Nsswitch,
    /// `getaddrinfo`: all of the above, as programs meet it.
    System,
    /// glibc's cache daemon.
    Nscd,
    /// A Java process with a cache of its own.
    Jvm,
    /// Connections that are open already.
    Connections,
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Agent => "agent",
            Self::OtherAgent => "other-agent",
            Self::AgentDns => "agent-dns",
            Self::Nameserver => "nameserver",
            Self::HostsFile => "hosts-file",
            Self::Nsswitch => "nsswitch",
            Self::System => "system",
            Self::Nscd => "nscd",
            Self::Jvm => "jvm",
            Self::Connections => "connections",
        })
    }
}

/// What to think of a layer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Verdict {
    /// It says what the agent says.
    Agrees,
    /// It says something else: it lies.
    Differs,
    /// It is not on this host, or has nothing to do with this service.
    NotThere,
    /// It did not answer, cannot be asked, or there is nothing to compare it with.
    CannotTell,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Agrees => "agrees",
            Self::Differs => "differs",
            Self::NotThere => "not there",
            Self::CannotTell => "cannot tell",
        })
    }
}

/// What one layer was found to say.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Finding {
    /// Which kind.
    pub(super) layer: Layer,
    /// Which one: an address, a file, a process.
    pub(super) who: String,
    /// What it was asked: a name, a setting.
    pub(super) asked: String,
    /// What to think of it.
    pub(super) verdict: Verdict,
    /// The addresses it gave.
    pub(super) addresses: Vec<IpAddr>,
    /// Those of them that the agent does not give.
    pub(super) extra: Vec<IpAddr>,
    /// Those that the agent gives and it does not.
    pub(super) missing: Vec<IpAddr>,
    /// How long it may go on saying so, seconds, where it says how long.
    pub(super) ttl_s: Option<u64>,
    /// How old what it says can be, milliseconds, where that is known.
    pub(super) age_ms: Option<u64>,
    /// All of that in a sentence.
    pub(super) says: String,
    /// What to do.
    pub(super) advice: Option<String>,
}

impl Finding {
    /// One without addresses.
    pub(super) fn new(layer: Layer, who: impl Into<String>, asked: impl Into<String>, verdict: Verdict) -> Self {
        Self {
            layer,
            who: who.into(),
            asked: asked.into(),
            verdict,
            addresses: Vec::new(),
            extra: Vec::new(),
            missing: Vec::new(),
            ttl_s: None,
            age_ms: None,
            says: String::new(),
            advice: None,
        }
    }

    /// With the sentence that says it.
    pub(super) fn saying(mut self, says: impl Into<String>) -> Self {
        self.says = says.into();
        self
    }

    /// With something to do.
    pub(super) fn advising(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }

    /// Whether it lies.
    pub(super) fn differs(&self) -> bool {
        self.verdict == Verdict::Differs
    }
}
