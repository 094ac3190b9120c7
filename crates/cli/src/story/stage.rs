//! Where a story is played: a folder of its own, a cluster secret, and the end of it when somebody asks for that.

use anyhow::{Context, bail};
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::net::TcpSocket;
use tokio::signal::unix::{SignalKind, signal};
use whither_transport::ClusterSecret;

/// How long anything may take that should take a moment: generous, because the machine may be busy.
pub(crate) const SOON: Duration = Duration::from_secs(20);
/// Between two looks at something that tells nobody when it changes.
const LOOK: Duration = Duration::from_millis(10);

/// Somebody asked for the end before the story had come to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Interrupted;

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the story was interrupted; all that it had started is ended")
    }
}

impl std::error::Error for Interrupted {}

/// Where a story is played.
pub(crate) struct Stage {
    scratch: Scratch,
    secret: PathBuf,
    program: PathBuf,
    stopped: Arc<AtomicBool>,
}

/// A folder of this story's own, which goes with it unless it is to be kept.
struct Scratch {
    path: PathBuf,
    keep: bool,
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if !self.keep {
            // Left behind it does no harm: it is in the system's place for temporary files.
            drop(std::fs::remove_dir_all(&self.path));
        }
    }
}

impl Stage {
    /// An empty one. `keep` leaves its folder behind.
    ///
    /// # Errors
    /// The folder cannot be made, or the system refuses to say when somebody asks for the end.
    pub(crate) fn set(keep: bool) -> anyhow::Result<Self> {
        let path = std::env::temp_dir().join(format!("whither-story-{}", std::process::id()));
        std::fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
        let scratch = Scratch { path, keep };
        let secret = scratch.path.join("cluster.secret");
        ClusterSecret::generate().write_new(&secret)?;
        let program = std::env::current_exe().context("this program does not know its own file")?;
        let stage = Self { scratch, secret, program, stopped: Arc::default() };
        listen_for_the_end(Arc::clone(&stage.stopped))?;
        Ok(stage)
    }

    /// The folder.
    pub(crate) fn folder(&self) -> &Path {
        &self.scratch.path
    }

    /// The file with the cluster's secret.
    pub(crate) fn secret(&self) -> &Path {
        &self.secret
    }

    /// This program.
    pub(crate) fn program(&self) -> &Path {
        &self.program
    }

    /// This program with these arguments, and none of what somebody set for an agent of theirs.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        for (key, _) in std::env::vars_os().filter(|(key, _)| key.to_string_lossy().starts_with("WHITHER_")) {
            command.env_remove(key);
        }
        command.args(arguments).stdin(Stdio::null());
        command
    }

    /// Fails if somebody asked for the end.
    ///
    /// # Errors
    /// [`Interrupted`].
    pub(crate) fn goes_on(&self) -> Result<(), Interrupted> {
        if self.stopped.load(Ordering::Relaxed) { Err(Interrupted) } else { Ok(()) }
    }

    /// Looks until `look` finds what it wants, and returns that.
    ///
    /// # Errors
    /// What it saw last, after `within`; [`Interrupted`].
    pub(crate) fn until<T>(
        &self,
        what: &str,
        within: Duration,
        mut look: impl FnMut() -> Result<T, String>,
    ) -> anyhow::Result<T> {
        let until = Instant::now() + within;
        loop {
            self.goes_on()?;
            match look() {
                Ok(found) => return Ok(found),
                Err(seen) if Instant::now() >= until => bail!("not within {within:?}: {what}; last seen: {seen}"),
                Err(_) => std::thread::sleep(LOOK),
            }
        }
    }

    /// Lets time pass: for troubles that are a length of time.
    ///
    /// # Errors
    /// [`Interrupted`].
    pub(crate) fn pass(&self, time: Duration) -> Result<(), Interrupted> {
        let until = Instant::now() + time;
        while Instant::now() < until {
            self.goes_on()?;
            std::thread::sleep(LOOK.min(until.saturating_duration_since(Instant::now())));
        }
        Ok(())
    }
}

/// Sets `stopped` when this process is told to end. What it started has process groups of its own, so that a Ctrl-C at the
/// terminal reaches this process alone, which ends them one by one.
fn listen_for_the_end(stopped: Arc<AtomicBool>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let signals = {
        let _guard = runtime.enter();
        [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()].map(signal)
    };
    let [interrupt, terminate, hangup] = signals;
    let (mut interrupt, mut terminate, mut hangup) = (interrupt?, terminate?, hangup?);
    std::thread::Builder::new().name("the end".into()).spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                _ = hangup.recv() => {}
            }
        });
        stopped.store(true, Ordering::Relaxed);
    })?;
    Ok(())
}

/// An address that the system gives to nobody else, and that its server can listen on: bound here, without listening.
pub(crate) struct Place {
    address: SocketAddr,
    /// Holds the port for as long as this lives.
    _socket: TcpSocket,
}

impl Place {
    /// A free port of loopback.
    ///
    /// # Errors
    /// The system has none.
    pub(crate) fn anywhere() -> io::Result<Self> {
        Self::at(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
    }

    /// Places at `127.0.<net>.1` and so on, all with one port: hosts of their own, as far as a name can tell.
    ///
    /// # Errors
    /// The system has no port that is free at all of them.
    pub(crate) fn hosts(net: u8, count: u8) -> io::Result<Vec<Self>> {
        let mut last = None;
        for _ in 0..PORTS_TRIED {
            let port = Self::anywhere()?.address.port();
            let all = (1..=count).map(|host| Self::at(SocketAddr::from(([127, 0, net, host], port))));
            match all.collect::<io::Result<Vec<Self>>>() {
                Ok(places) => return Ok(places),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| io::Error::from(io::ErrorKind::AddrInUse)))
    }

    fn at(address: SocketAddr) -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        // Both ends of the bargain: who listens on it later sets it too.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        Ok(Self { address: socket.local_addr()?, _socket: socket })
    }

    /// Where it is.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Ports that are tried until one is free at all hosts.
const PORTS_TRIED: usize = 16;
