//! What the machine itself can do: the shortest program for each job, in a process of its own like an agent.

pub(crate) mod disk;
pub(crate) mod http;
pub(crate) mod quic;
pub(crate) mod sqlite;
pub(crate) mod tcp;
pub(crate) mod udp;

use crate::process::Process;
use anyhow::{Context, Result};
use std::io::Read;
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

/// How long a limit may take to start.
const START: Duration = Duration::from_secs(10);

/// The servers that this program can be.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub(crate) enum Kind {
    /// Answers every request with the same body.
    Http,
    /// Sends every datagram back.
    Udp,
    /// Sends every byte back.
    Tcp,
}

/// Is the server until standard input ends, which it does when the process that started it ends.
pub(crate) fn serve(kind: Kind, reply_bytes: usize) -> Result<()> {
    let address = match kind {
        Kind::Http => http::spawn(reply_bytes)?,
        Kind::Udp => udp::spawn(reply_bytes)?,
        Kind::Tcp => tcp::spawn()?,
    };
    println!("ready {address}");
    std::io::stdin().read_to_end(&mut Vec::new()).context("standard input cannot be read")?;
    Ok(())
}

/// A limit that serves. Killed when dropped.
#[derive(Debug)]
pub(crate) struct Server {
    process: Process,
    /// Where it serves.
    pub(crate) address: SocketAddr,
}

impl Server {
    /// Starts one whose answers hold `reply_bytes`; zero lets datagrams go back as they came.
    pub(crate) fn start(kind: Kind, reply_bytes: usize) -> Result<Self> {
        let own = std::env::current_exe().context("cannot find out where this program is")?;
        let word = match kind {
            Kind::Http => "http",
            Kind::Udp => "udp",
            Kind::Tcp => "tcp",
        };
        let mut command = Command::new(own);
        command.args(["--serve", word, "--reply-bytes", &reply_bytes.to_string()]);
        let process = Process::start(&mut command, format!("the {word} limit"))?;
        let address = process.ready(START)?;
        let address = address.parse().with_context(|| format!("the {word} limit says it serves at {address:?}"))?;
        Ok(Self { process, address })
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }
}
