//! What a surface may ask of the node, and what it may be told.

use crate::{Health, InstanceId, Registration, ServiceName, SessionEnd, SessionId, State, Version};
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::net::SocketAddr;
use core::time::Duration;

/// Ties an answer to its question. Unique while the question is open.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Ticket(pub u64);

/// What an acknowledgement means.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Ack {
    /// In memory here and on its way to the others; the disk follows within milliseconds.
    #[default]
    Memory,
    /// On this node's disk.
    Durable,
}

/// A request to change something.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Command {
    /// Register instances, or set them anew. All or none.
    Register {
        /// What to register; checked.
        registrations: Vec<Registration>,
        /// When to answer.
        ack: Ack,
    },
    /// Remove an instance for good.
    Deregister {
        /// Its service.
        service: ServiceName,
        /// Its id.
        id: InstanceId,
        /// At once, however many were deregistered lately.
        force: bool,
        /// When to answer.
        ack: Ack,
    },
    /// Say that an instance of another node is gone, because that node cannot say it. The owner, should it come back,
    /// obeys.
    Overrule {
        /// Its service.
        service: ServiceName,
        /// Its id.
        id: InstanceId,
        /// When to answer.
        ack: Ack,
    },
    /// What the checks of an own instance found, all together.
    Judge {
        /// Its service.
        service: ServiceName,
        /// Its id.
        id: InstanceId,
        /// The worst that any of them says.
        health: Health,
    },
    /// Take this node with all its instances out of service, or back into it.
    SetMaintenance {
        /// Out of service?
        on: bool,
        /// When to answer.
        ack: Ack,
    },
    /// The instance lives: start its lease anew, and take the health it reports.
    Renew {
        /// Its service.
        service: ServiceName,
        /// Its id.
        id: InstanceId,
        /// How it says it is; `None` means well enough to renew: a silent instance passes again, others stay as they are.
        health: Option<Health>,
    },
    /// Many instances live: start their leases anew, as [`Command::Renew`] without a health does.
    RenewMany {
        /// Services and ids; at most [`crate::limits::RENEWALS_PER_REQUEST_MAX`].
        instances: Vec<(ServiceName, InstanceId)>,
    },
    /// Who testifies that these own instances live, and when each last did.
    Witnesses {
        /// Services and ids.
        instances: Vec<(ServiceName, InstanceId)>,
    },
    /// Set where an instance is in its life.
    SetState {
        /// Its service.
        service: ServiceName,
        /// Its id.
        id: InstanceId,
        /// The new state.
        state: State,
        /// When to answer.
        ack: Ack,
    },
    /// A client holds a connection, and wants to register on it.
    OpenSession {
        /// How long what was registered on it is kept, as critical, after the connection was lost.
        grace: Duration,
    },
    /// A session's connection is gone.
    EndSession {
        /// Which.
        session: SessionId,
        /// How it ended.
        end: SessionEnd,
    },
    /// Look for a cluster at these addresses.
    Join {
        /// Where to ask.
        seeds: Vec<SocketAddr>,
    },
    /// Say goodbye to the cluster; the node answers on, alone, until it is stopped.
    Leave,
}

/// What was done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// The rows now have this version; `created` counts those that had not been there.
    Written {
        /// The version of the change, or of the row as it already was if nothing changed.
        version: Version,
        /// How many rows were not there before.
        created: usize,
    },
    /// It was deregistered as one of many: it takes nothing new from now on, and is removed after this time.
    Held {
        /// The version of the change.
        version: Version,
        /// Until it is removed.
        removed_in: Duration,
    },
    /// The lease runs anew for this long; `None` if the instance has no lease.
    Renewed {
        /// Time until it runs out if nothing more is heard.
        lease: Option<Duration>,
    },
    /// Leases run anew.
    RenewedMany {
        /// Where in the request those are that are not registered here.
        unknown: Vec<usize>,
    },
    /// The witnesses of each instance asked for, in order; of one that is not registered here, none.
    Witnessed(Vec<Vec<Testimony>>),
    /// A session is open.
    Opened {
        /// To register on.
        session: SessionId,
    },
    /// The session has ended.
    Ended {
        /// Instances that died with it.
        instances: usize,
    },
    /// Begun; the result shows in the member list.
    Begun,
}

/// A witness of an instance, and when it last testified.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Testimony {
    /// A lease, renewed so long ago, that runs on for so long; none of it left: it has run out.
    Lease {
        /// Since it was last renewed.
        renewed: Duration,
        /// Until it runs out.
        left: Duration,
    },
    /// A session.
    Session {
        /// Whether its client holds the connection now.
        held: bool,
    },
    /// Checks, and what they say all together.
    Checks {
        /// The worst of them.
        health: Health,
    },
}

/// Why nothing was done. Memory and disk are as they were before.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// No such instance is known.
    Unknown {
        /// The service asked for.
        service: ServiceName,
        /// The instance asked for.
        id: InstanceId,
    },
    /// The instance belongs to another node; only its owner writes it.
    NotOwner {
        /// The service asked for.
        service: ServiceName,
        /// The instance asked for.
        id: InstanceId,
        /// The owner's id.
        owner: crate::NodeId,
    },
    /// No such session is open here.
    NoSession {
        /// The session asked for.
        session: SessionId,
    },
    /// As many sessions are open as there may be.
    TooManySessions,
    /// A record would be larger than every node accepts.
    TooLarge {
        /// Its encoded size.
        bytes: usize,
    },
    /// The service has as many instances as it may.
    ServiceFull {
        /// The service.
        service: ServiceName,
    },
    /// The disk takes no more; reads go on. The text is the system's.
    Disk(String),
    /// The node is on its way out, or too busy to queue the request.
    Unavailable(&'static str),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { service, id } => write!(f, "no instance {id} of {service} is registered here"),
            Self::NotOwner { service, id, owner } => {
                write!(f, "instance {id} of {service} belongs to node {owner}; ask that node")
            }
            Self::NoSession { session } => {
                write!(f, "no session {session} is open here; it has ended, or is held by another node")
            }
            Self::TooManySessions => {
                write!(f, "{} sessions are open, the most a node holds", crate::limits::SESSIONS_MAX)
            }
            Self::TooLarge { bytes } => {
                write!(f, "the record is {bytes} bytes; at most {}", crate::limits::RECORD_BYTES_MAX)
            }
            Self::ServiceFull { service } => write!(
                f,
                "{service} already has {} instances, the most a service may have",
                crate::limits::INSTANCES_PER_SERVICE_MAX
            ),
            Self::Disk(problem) => write!(f, "the disk refuses writes ({problem}); reads go on"),
            Self::Unavailable(why) => f.write_str(why),
        }
    }
}

impl core::error::Error for Refusal {}
