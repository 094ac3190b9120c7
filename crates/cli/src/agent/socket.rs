//! The agent's Unix socket: the file that clients connect to, made at start and removed at a clean stop.

use crate::config::{SOCKET_PATH_BYTES_MAX, SocketConfig, SocketMode, fits_socket};
use rustix::fs::{Mode, fchmod};
use std::fs::{self, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use tokio::net::{UnixListener, UnixSocket, UnixStream};

/// Clients that wait to be accepted at the same time; the system may allow fewer.
const WAITING_MAX: u32 = 1024;

/// Why there is no socket. Nothing was made or removed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SocketError {
    /// Something else has the name.
    #[error(
        "{path} is {what}, not a socket, and is left alone; move it away, or set another path with --http-socket (or off)"
    )]
    Foreign {
        /// Where.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// Somebody answers there.
    #[error("another program listens at {path}; stop it, or set another path with --http-socket (or off)")]
    InUse {
        /// Where.
        path: PathBuf,
    },
    /// The system refuses.
    #[error(
        "the HTTP API cannot listen at {path}: {source}; its directory must be there and be writable: make it so, or set \
         another path with --http-socket (or off)"
    )]
    System {
        /// Where.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Where a socket is to be.
#[derive(Debug)]
pub(crate) struct Place {
    path: PathBuf,
    mode: SocketMode,
    /// Whether it is in the data directory: then whoever has that directory's lock may replace what an agent left there.
    is_locked: bool,
}

impl Place {
    /// The place that `config` names, for the agent that lives in `data_dir`. None if the path is too long for the system, which
    /// the configuration allows only for a data directory deep down: the agent can do without.
    pub(crate) fn new(config: SocketConfig, data_dir: &Path) -> Option<Self> {
        let SocketConfig { path, mode } = config;
        if !fits_socket(&path) {
            tracing::warn!(
                path = %path.display(),
                "no Unix socket: its path is longer than {SOCKET_PATH_BYTES_MAX} bytes; set a shorter one with http.socket"
            );
            return None;
        }
        let is_locked = path.parent() == Some(data_dir);
        Some(Self { path, mode, is_locked })
    }

    /// Refuses what can be told before the node starts: afterwards peers have heard of it.
    pub(crate) async fn check(&self) -> Result<(), SocketError> {
        if self.is_socket()? && !self.is_locked {
            self.is_deserted().await?;
        }
        Ok(())
    }

    /// Listens. A socket that nobody listens at is one that a killed agent left, and is replaced. To be called with the lock
    /// of the data directory held.
    pub(crate) async fn bind(self) -> Result<(UnixListener, SocketFile), SocketError> {
        if self.is_socket()? {
            self.is_deserted().await?;
            fs::remove_file(&self.path).map_err(|source| self.system(source))?;
        }
        let listen = || {
            let socket = UnixSocket::new_stream()?;
            // Linux makes the file with the mode of the socket: it is never more open than it will be. Elsewhere the next but one
            // line says it alone.
            let _ = fchmod(&socket, Mode::from_raw_mode(self.mode.bits().into()));
            socket.bind(&self.path)?;
            fs::set_permissions(&self.path, Permissions::from_mode(self.mode.bits().into()))?;
            let file = SocketFile::of(&self.path)?;
            Ok((socket.listen(WAITING_MAX)?, file))
        };
        listen().map_err(|source| self.system(source))
    }

    /// Whether a socket is there already.
    fn is_socket(&self) -> Result<bool, SocketError> {
        let what = match fs::symlink_metadata(&self.path).map(|found| found.file_type()) {
            Ok(found) if found.is_socket() => return Ok(true),
            Ok(found) if found.is_dir() => "a directory",
            Ok(found) if found.is_symlink() => "a symbolic link",
            Ok(_) => "a file",
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
            Err(source) => return Err(self.system(source)),
        };
        Err(SocketError::Foreign { path: self.path.clone(), what })
    }

    /// Refuses if somebody listens.
    async fn is_deserted(&self) -> Result<(), SocketError> {
        match UnixStream::connect(&self.path).await {
            Err(error) if matches!(error.kind(), ErrorKind::ConnectionRefused | ErrorKind::NotFound) => Ok(()),
            // A queue that is full has a listener too.
            Ok(_) => Err(SocketError::InUse { path: self.path.clone() }),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Err(SocketError::InUse { path: self.path.clone() }),
            Err(source) => Err(self.system(source)),
        }
    }

    fn system(&self, source: io::Error) -> SocketError {
        SocketError::System { path: self.path.clone(), source }
    }
}

/// The file of a socket that is listened at. Removed when dropped, unless another took its place.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    /// Device and inode.
    identity: (u64, u64),
}

impl SocketFile {
    fn of(path: &Path) -> io::Result<Self> {
        // A path that clients elsewhere can use, whatever directory they are in.
        Ok(Self { path: std::path::absolute(path)?, identity: identity(path)? })
    }

    /// Where it is, from the root.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|found| found == self.identity) {
            // Left behind it does no harm: the next agent replaces it.
            drop(fs::remove_file(&self.path));
        }
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|found| (found.dev(), found.ino()))
}

#[cfg(test)]
mod tests {
    use super::{Place, SocketError};
    use crate::config::{SocketConfig, SocketMode};
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::os::unix::net::UnixListener;
    use std::path::{Path, PathBuf};

    fn place(path: PathBuf, data_dir: &Path) -> Place {
        Place::new(SocketConfig { path, mode: SocketMode::OWN }, data_dir).unwrap()
    }

    #[tokio::test]
    async fn a_deserted_socket_is_replaced_and_goes_when_its_agent_does() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        drop(UnixListener::bind(&path).unwrap());
        let other = place(path.clone(), Path::new("/elsewhere"));
        other.check().await.unwrap();
        let (listener, file) = other.bind().await.unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        drop((listener, file));
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn whoever_listens_is_not_pushed_aside() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let _listener = UnixListener::bind(&path).unwrap();
        let elsewhere = place(path.clone(), Path::new("/elsewhere"));
        assert!(matches!(elsewhere.check().await, Err(SocketError::InUse { .. })));
        // In the data directory it is told when the lock is held: until then, an agent there has better words.
        let own = place(path, dir.path());
        own.check().await.unwrap();
        assert!(matches!(own.bind().await, Err(SocketError::InUse { .. })));
    }

    #[tokio::test]
    async fn what_is_no_socket_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        std::fs::write(&file, "kept").unwrap();
        let link = dir.path().join("link");
        symlink(&file, &link).unwrap();
        for (path, what) in [(&file, "a file"), (&link, "a symbolic link"), (&dir.path().to_owned(), "a directory")] {
            let said = place(path.clone(), Path::new("/elsewhere")).check().await.unwrap_err().to_string();
            assert!(said.contains(&format!("is {what}, not a socket")) && said.contains("--http-socket"), "{said}");
        }
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "kept");
        let nowhere = place(dir.path().join("no/s"), Path::new("/elsewhere"));
        nowhere.check().await.unwrap();
        let said = nowhere.bind().await.unwrap_err().to_string();
        assert!(said.contains("its directory must be there"), "{said}");
    }

    #[tokio::test]
    async fn another_socket_at_its_place_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let (_listener, file) = place(path.clone(), dir.path()).bind().await.unwrap();
        std::fs::rename(&path, dir.path().join("kept")).unwrap();
        let _other = UnixListener::bind(&path).unwrap();
        drop(file);
        assert!(path.exists());
    }

    #[test]
    fn a_data_directory_too_deep_is_done_without() {
        let dir = PathBuf::from("/d".repeat(60));
        let config = SocketConfig { path: dir.join("whither.sock"), mode: SocketMode::OWN };
        assert!(Place::new(config, &dir).is_none());
    }
}
