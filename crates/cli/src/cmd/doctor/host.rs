//! The host that is looked at: where its files are, and how its programs look a name up.

use std::fs::File;
use std::io::{self, Read};
use std::net::{IpAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Longest file of settings, or of one process, that is read.
const SETTINGS_BYTES_MAX: u64 = 1024 * 1024;
/// Longest list that is read: 100 000 connections, or the hosts file of somebody who blocks advertisements.
const LIST_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Symbolic links that are followed, one after the other, to a file in another root.
const LINKS_MAX: usize = 8;

/// Looks a name up as programs do.
type Lookup = Arc<dyn Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync>;

/// A host, or a container on it.
#[derive(Clone)]
pub(super) struct Host {
    root: PathBuf,
    lookup: Option<Lookup>,
    /// The port at which the nameservers of resolv.conf are asked; it cannot say so itself.
    pub(super) nameserver_port: u16,
    /// How long each layer may take to answer.
    pub(super) limit: Duration,
}

/// The beginning of a file, and whether that is all of it.
#[derive(Debug)]
pub(super) struct Content {
    /// What is in it; what is no UTF-8 is replaced.
    pub(super) text: String,
    /// Whether the file ends here.
    pub(super) is_whole: bool,
}

impl Host {
    /// The one this process runs on.
    pub(super) fn of_process(limit: Duration) -> Self {
        Self { lookup: Some(Arc::new(system_lookup)), ..Self::at(Path::new("/"), limit) }
    }

    /// One whose files are below `root`. Its own way of looking names up cannot be asked from here.
    pub(super) fn at(root: &Path, limit: Duration) -> Self {
        Self { root: root.to_owned(), lookup: None, nameserver_port: 53, limit }
    }

    /// With another way of looking names up.
    #[cfg(test)]
    pub(super) fn with_lookup(
        mut self,
        lookup: impl Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync + 'static,
    ) -> Self {
        self.lookup = Some(Arc::new(lookup));
        self
    }

    /// Looks `name` up as programs do; `None` where that cannot be asked.
    pub(super) fn look_up(&self, name: &str) -> Option<io::Result<Vec<IpAddr>>> {
        self.lookup.as_ref().map(|lookup| lookup(name))
    }

    /// Whether [`Host::look_up`] has an answer.
    pub(super) const fn can_look_up(&self) -> bool {
        self.lookup.is_some()
    }

    /// The file or folder `path`, which does not begin with a slash.
    pub(super) fn path(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    /// How `path` is called in sentences.
    pub(super) fn name_of(&self, path: &str) -> String {
        self.path(path).display().to_string()
    }
}

fn system_lookup(name: &str) -> io::Result<Vec<IpAddr>> {
    let mut addresses: Vec<IpAddr> = (name, 0).to_socket_addrs()?.map(|socket| socket.ip()).collect();
    addresses.sort_unstable();
    addresses.dedup();
    Ok(addresses)
}

/// Reads settings.
///
/// # Errors
/// The system's.
pub(super) fn settings(path: &Path) -> io::Result<Content> {
    read(path, SETTINGS_BYTES_MAX)
}

/// Reads what may be long.
///
/// # Errors
/// The system's.
pub(super) fn list(path: &Path) -> io::Result<Content> {
    read(path, LIST_BYTES_MAX)
}

fn read(path: &Path, bytes_max: u64) -> io::Result<Content> {
    let mut bytes = Vec::new();
    File::open(path)?.take(bytes_max + 1).read_to_end(&mut bytes)?;
    let most = usize::try_from(bytes_max).unwrap_or(usize::MAX);
    let is_whole = bytes.len() <= most;
    bytes.truncate(most);
    Ok(Content { text: String::from_utf8_lossy(&bytes).into_owned(), is_whole })
}

/// `path` as a process sees it whose root is `root`: absolute links of a container lead to files of that container.
/// Only the last part is looked at; a folder that is such a link is followed from here.
pub(super) fn within(root: &Path, path: &Path) -> PathBuf {
    let below = |path: &Path| root.join(path.strip_prefix("/").unwrap_or(path));
    let mut found = below(path);
    for _ in 0..LINKS_MAX {
        match std::fs::read_link(&found) {
            Ok(target) if target.is_absolute() => found = below(&target),
            Ok(target) => found = found.parent().unwrap_or(root).join(target),
            Err(_) => break,
        }
    }
    found
}
