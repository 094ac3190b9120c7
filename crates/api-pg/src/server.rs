//! Binding, starting and stopping.

use crate::auth::{Door, Refused};
use crate::cancel::Sessions;
use crate::config::{Config, ConfigError};
use crate::counters::Counters;
use crate::dialect::Facts;
use crate::opening::{Opened, receive};
use crate::problem::{Problem, code};
use crate::session::{Beginning, Session, Settings};
use crate::wire::{Ended, Wire};
use pgwire::messages::PgWireBackendMessage as Answer;
use pgwire::messages::response::{ReadyForQuery, TransactionStatus};
use pgwire::messages::startup::{Authentication, BackendKeyData, NegotiateProtocolVersion, ParameterStatus};
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;
use whither_directory::Directory;

/// How long the listener rests when the system gives it no connection, for want of descriptors for example.
const ERROR_REST: Duration = Duration::from_millis(50);
/// The version of the protocol that is spoken: 3.0.
const PROTOCOL: i32 = 3 << 16;

/// Why the surface does not serve. Nothing is bound and nothing runs.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The system gives no port.
    #[error("PostgreSQL: cannot listen on {address}/tcp: {source}")]
    Bind {
        /// Where it should.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
}

/// A port that is bound and not served yet. Dropping it gives the port back.
#[derive(Debug)]
pub struct Bound {
    listener: TcpListener,
    address: SocketAddr,
}

impl Bound {
    /// Where it listens, with the port that the system chose if it was to choose.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Binds `address`, apart from serving, so that "port in use" is known before anything runs.
///
/// # Errors
/// [`StartError`].
///
/// # Panics
/// If called outside a Tokio runtime with network.
pub async fn bind(address: SocketAddr, config: &Config) -> Result<Bound, StartError> {
    config.check(address)?;
    let refused = |source| StartError::Bind { address, source };
    let listener = TcpListener::bind(address).await.map_err(refused)?;
    let address = listener.local_addr().map_err(refused)?;
    Ok(Bound { listener, address })
}

/// A surface that serves. Dropping it stops it too, without waiting.
#[derive(Debug)]
pub struct Running {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl Running {
    /// Where it listens.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Stops, and returns when statements that were begun are done, or the time for that is over, and the port is free.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        while self.tasks.join_next().await.is_some() {}
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}

/// Serves what `directory` has of users' tables on `bound` until `shutdown` is done or [`Running::stop`] is called, on the
/// Tokio runtime that this is called in. Registers its counters with the directory's vitals; call it once in the life of a
/// directory.
///
/// # Panics
/// If called outside a Tokio runtime with time and network.
pub fn serve(
    bound: Bound,
    directory: Arc<Directory>,
    config: Config,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Running {
    let (stop, mut stopped) = watch::channel(false);
    let counters = Arc::new(Counters::default());
    let counted = Arc::clone(&counters);
    directory.vitals().register(move |samples| counted.sample(samples));
    let house = House { door: Door::new(&config), directory, config, counters, sessions: Arc::default() };
    let mut tasks = JoinSet::new();
    tasks.spawn(run(bound.listener, Arc::new(house), stopped.clone()));
    let say = stop.clone();
    tasks.spawn(async move {
        tokio::select! {
            () = shutdown => drop(say.send_replace(true)),
            _ = stopped.wait_for(|stop| *stop) => {}
        }
    });
    Running { address: bound.address, stop, tasks }
}

/// What all connections share.
struct House {
    directory: Arc<Directory>,
    config: Config,
    door: Door,
    counters: Arc<Counters>,
    sessions: Arc<Sessions>,
}

/// Counts a connection while it lives.
struct Open(Arc<House>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.counters.close();
    }
}

async fn run(listener: TcpListener, house: Arc<House>, mut stop: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = connections.join_next(), if !connections.is_empty() => continue,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        match accepted {
            Ok((stream, from)) => {
                let room = house.counters.try_open(house.config.connections_max);
                let open = room.then(|| Open(Arc::clone(&house)));
                let (house, stop) = (Arc::clone(&house), stop.clone());
                connections.spawn(async move {
                    if let Err(fault) = connection(stream, &house, room, stop).await {
                        tracing::debug!(%from, %fault, "PostgreSQL: a connection ended early");
                    }
                    drop(open);
                });
            }
            Err(fault) => {
                house.counters.accept_failures.add(1);
                tracing::warn!(%fault, "PostgreSQL: a connection could not be accepted");
                tokio::time::sleep(ERROR_REST).await;
            }
        }
    }
    drop(listener);
    let drained = async { while connections.join_next().await.is_some() {} };
    if timeout(house.config.drain, drained).await.is_err() {
        house.counters.cut.add(connections.len() as u64);
        tracing::warn!(connections = connections.len(), "PostgreSQL: connections were cut: they did not end in time");
        connections.shutdown().await;
    }
}

/// Serves one connection; without room, only to say so.
async fn connection(
    stream: TcpStream,
    house: &House,
    room: bool,
    mut stop: watch::Receiver<bool>,
) -> Result<(), Ended> {
    stream.set_nodelay(true)?;
    let begun = tokio::select! {
        begun = timeout(house.config.startup, begin(stream, house, room)) => begun,
        _ = stop.wait_for(|stop| *stop) => return Ok(()),
    };
    match begun {
        Ok(Ok(Some(session))) => {
            let ended = session.run(stop).await;
            if matches!(ended, Err(Ended::Garbled(_))) {
                house.counters.garbled.add(1);
            }
            ended
        }
        Ok(Ok(None)) => Ok(()),
        Ok(Err(ended)) => {
            if matches!(ended, Ended::Garbled(_)) {
                house.counters.garbled.add(1);
            }
            Err(ended)
        }
        Err(_) => {
            house.counters.late.add(1);
            Ok(())
        }
    }
}

/// Lets a client in. `None`: there is nobody to serve any more.
async fn begin(stream: TcpStream, house: &House, room: bool) -> Result<Option<Session>, Ended> {
    let (mut wire, minor, parameters, encrypted) = match receive(stream, &house.config).await? {
        Opened::Session { wire, minor, parameters, encrypted } => (wire, minor, parameters, encrypted),
        Opened::Cancel { pid, secret } => {
            house.sessions.cancel(pid, &secret);
            return Ok(None);
        }
        Opened::Nothing => return Ok(None),
    };
    match admit(&mut wire, house, minor, parameters, encrypted, room).await {
        Ok(admitted) => welcome(wire, house, admitted).await.map(Some),
        Err(Refused::Ended(ended)) => Err(ended),
        Err(Refused::Because(problem)) => {
            match problem.code {
                code::TOO_MANY_CONNECTIONS => house.counters.refused.add(1),
                code::WRONG_PASSWORD => house.counters.strangers.add(1),
                _ => {}
            }
            let problem = Problem { fatal: true, ..problem };
            wire.put(&Answer::ErrorResponse(problem.response()))?;
            wire.close().await;
            Ok(None)
        }
    }
}

/// A client that may come in.
struct Admitted {
    facts: Facts,
    settings: Settings,
    read_only: Option<&'static str>,
    sql: Arc<dyn whither_directory::sql::Sql>,
}

async fn admit(
    wire: &mut Wire,
    house: &House,
    minor: u16,
    parameters: Vec<(String, String)>,
    encrypted: bool,
    room: bool,
) -> Result<Admitted, Refused> {
    let given = |name: &str| parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
    let user = given("user").filter(|user| !user.is_empty());
    let user = user.ok_or_else(|| Problem::fatal(code::NOT_LET_IN, "no user name is given"))?;
    if given("replication").is_some_and(|value| !matches!(value.as_str(), "false" | "off" | "0" | "no")) {
        return Err(Problem::fatal(code::UNSUPPORTED, "PostgreSQL's replication is not spoken here").into());
    }
    if !room {
        let what = format!("{} connections are open already, which is as many as may be", house.config.connections_max);
        return Err(Problem::fatal(code::TOO_MANY_CONNECTIONS, what).into());
    }
    let asked: Vec<String> =
        parameters.iter().map(|(name, _)| name.clone()).filter(|name| name.starts_with("_pq_.")).collect();
    if minor > 0 || !asked.is_empty() {
        wire.put(&Answer::NegotiateProtocolVersion(NegotiateProtocolVersion::new(PROTOCOL, asked)))?;
    }
    let writes = house.door.admit(wire, &user, encrypted).await?;
    let read_only = match (house.config.read_only, writes) {
        (true, _) => Some("this listener only reads (postgres.read_only)"),
        (false, false) => Some("this user only reads (writes is not set for it)"),
        (false, true) => None,
    };
    let no_tables = || Problem::fatal(code::NOT_READY, "this node has no tables: its agent runs without them");
    let sql = house.directory.sql().cloned().ok_or_else(no_tables)?;
    let settings = Settings::begin(&user, &parameters, read_only.is_some())?;
    let database = given("database").filter(|name| !name.is_empty()).unwrap_or_else(|| user.clone());
    Ok(Admitted { facts: Facts { user, database, pid: 0 }, settings, read_only, sql })
}

async fn welcome(mut wire: Wire, house: &House, admitted: Admitted) -> Result<Session, Ended> {
    let Admitted { mut facts, settings, read_only, sql } = admitted;
    let place = house.sessions.enter();
    facts.pid = place.pid;
    wire.trust(house.config.message_bytes_max);
    wire.put(&Answer::Authentication(Authentication::Ok))?;
    for (name, value) in settings.told() {
        wire.put(&Answer::ParameterStatus(ParameterStatus::new(name.to_owned(), value.replace('\0', ""))))?;
    }
    wire.put(&Answer::BackendKeyData(BackendKeyData::new(place.pid, place.secret.clone())))?;
    wire.put(&Answer::ReadyForQuery(ReadyForQuery::new(TransactionStatus::Idle)))?;
    wire.flush().await?;
    let (counters, statements_max) = (Arc::clone(&house.counters), house.config.statements_max);
    Ok(Session::new(Beginning { wire, place, sql, counters, facts, settings, read_only, statements_max }))
}
