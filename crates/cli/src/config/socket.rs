//! Where the Unix socket of the HTTP API is, and who may use it.

use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Longest path of a Unix socket, bytes: `sun_path` has 108 on Linux, the last of them for a zero (`unix(7)`).
pub(crate) const SOCKET_PATH_BYTES_MAX: usize = 107;
/// The name of the socket in the data directory.
pub(super) const SOCKET_NAME: &str = "whither.sock";
/// What stands for no socket.
const OFF: &str = "off";

/// The Unix socket of the HTTP API.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct SocketConfig {
    /// Where it is made. May be longer than the system takes if it is in the data directory, never otherwise.
    pub(crate) path: PathBuf,
    /// Who may connect.
    pub(crate) mode: SocketMode,
}

/// The permissions of a socket: who may write to it may connect.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct SocketMode(u16);

impl SocketMode {
    /// Its owner and nobody else.
    pub(crate) const OWN: Self = Self(0o600);

    /// As the system has them.
    pub(crate) const fn bits(self) -> u16 {
        self.0
    }
}

impl fmt::Display for SocketMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04o}", self.0)
    }
}

/// Whether the system takes `path` for a socket.
pub(crate) fn fits_socket(path: &Path) -> bool {
    path.as_os_str().len() <= SOCKET_PATH_BYTES_MAX && !path.as_os_str().as_bytes().contains(&0)
}

/// A path for a socket; `None`: no socket.
///
/// # Errors
/// What would be a path.
pub(super) fn parse_socket(text: &str) -> Result<Option<PathBuf>, String> {
    match text {
        OFF => Ok(None),
        "" => Err(format!("\"\" is not a path; expected for example /run/whither/whither.sock, or {OFF}")),
        path if fits_socket(Path::new(path)) => Ok(Some(PathBuf::from(path))),
        path => Err(format!(
            "{path:?} has {} bytes, and the path of a Unix socket may have {SOCKET_PATH_BYTES_MAX}; expected a shorter one, \
             for example /run/whither/whither.sock, or {OFF}",
            path.len()
        )),
    }
}

/// What [`parse_socket`] would make of its answer.
pub(super) fn socket_text(socket: Option<&SocketConfig>) -> String {
    socket.map_or_else(|| OFF.to_owned(), |socket| socket.path.display().to_string())
}

/// Permissions in octal. The owner keeps both reading and writing: a socket that nobody can use is `off`.
///
/// # Errors
/// What they look like.
pub(super) fn parse_mode(text: &str) -> Result<SocketMode, String> {
    let is_octal = (3..=4).contains(&text.len()) && text.bytes().all(|digit| matches!(digit, b'0'..=b'7'));
    let mode = u16::from_str_radix(text, 8).ok().filter(|mode| is_octal && *mode <= 0o777 && mode & 0o600 == 0o600);
    mode.map(SocketMode).ok_or_else(|| {
        format!("{text:?} is no permission that lets its owner in; expected 0600, 0660 for its group, or 0666 for all")
    })
}
