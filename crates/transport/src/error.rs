//! What can go wrong before a transport runs. Once it runs, what goes wrong is counted instead.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Why a transport could not start. In every case nothing was sent and no socket is left open.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another process, or another part of this one, has the port. Choose another port or stop the owner.
    #[error("cannot listen on {address}/udp: the port is taken{}", owned_by(.owner.as_deref()))]
    PortInUse {
        /// The address asked for.
        address: SocketAddr,
        /// Who has it, such as `pid 1234 (whither)`, where that could be found out.
        owner: Option<String>,
    },
    /// The system refused the socket: no such local address, no permission, no descriptors left. Trying again as is
    /// will fail again.
    #[error("cannot listen on {address}/udp: {source}")]
    Socket {
        /// The address asked for.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The node's certificate or TLS settings could not be made. The secret is intact; this is a fault of the program.
    #[error("cannot make this node's certificate from the cluster secret: {0}")]
    Identity(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A limit of the configuration is outside what QUIC can express. Nothing was opened; change the limit.
    #[error("the limit `{0}` is out of range")]
    Limit(&'static str),
}

fn owned_by(owner: Option<&str>) -> String {
    owner.map(|owner| format!(" by {owner}")).unwrap_or_default()
}

/// Why a cluster secret could not be read from, or written to, a file. The caller is left without a secret, and no text
/// here contains one.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// There is no such file. A new cluster needs `whither ca init`; a node that joins needs a copy of its peers' file.
    #[error(
        "there is no cluster secret at {}: copy the file from another node of the cluster, or make one for a new \
         cluster with `whither ca init`", path.display()
    )]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The file is there and cannot be read. Nothing was changed.
    #[error("cannot read the cluster secret {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file was read and holds no secret. It was not changed.
    #[error("{} is not a cluster secret: {problem}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        problem: SecretFormatError,
    },
    /// A file is there already and was left as it is: overwriting it would cut this node off from its cluster.
    #[error("{} exists and is not overwritten; move it away if the cluster it belongs to is gone", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The file could not be written whole. What was begun has been removed, as far as the system allowed.
    #[error("cannot write the cluster secret {}: {source}", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Why a text is not a cluster secret. The text itself is never repeated: it may be most of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretFormatError {
    /// Nothing but white space. Perhaps a write that was cut short: use a copy, nothing can be recovered from here.
    #[error(
        "it is empty; a right one is the line `whither-secret-1:` and 64 hex digits, as `whither ca init` makes it"
    )]
    Empty,
    /// It does not begin as a secret of this version does: another kind of file, or from a newer release.
    #[error("it does not begin with `whither-secret-1:`; `whither ca init` makes a right one")]
    WrongPrefix,
    /// It begins rightly, and what follows is not 64 hex digits and the end. Perhaps cut short while copying.
    #[error(
        "after `whither-secret-1:` it must have exactly 64 hex digits on the same line, and nothing else; copy it again, \
         or make a new one with `whither ca init`"
    )]
    Malformed,
}
