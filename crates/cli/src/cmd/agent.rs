//! `whither agent`.

use crate::agent::checks::CheckPlan;
use crate::agent::{Agent, Parts};
use crate::config::{self, ChecksConfig, Config, LogConfig, LogFormat, Overrides, PostgresConfig, SeedHost};
use anyhow::Context;
use std::io::{IsTerminal, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use whither_directory::Directory;
use whither_transport::ClusterSecret;

/// What the command takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  whither ca init --out cluster.secret          once per cluster; copy it everywhere
  whither agent --secret-file cluster.secret    the first node
  whither agent --secret-file cluster.secret --join 10.0.0.1
  whither agent --config /etc/whither/whither.toml --log-level debug

When it serves, a new node after its first exchange with the cluster (or two seconds),
it prints one line on standard output:
  ready {\"node\":…,\"name\":…,\"peers\":…,\"http\":…,\"socket\":…,\"dns\":…,\"postgres\":…,\"consul\":…,\"eureka\":…}
The socket is a file: `--agent unix:PATH` asks it, without a port, DNS or a peer.
SIGTERM and SIGINT stop it politely: peers hear a goodbye, its instances stay as they
are for a minute and last known after that. `whither leave` takes them along.
SIGHUP has it read the files of tables.schema again.
The order in which options win: flag, environment, file, default. All of them: docs/config.md.")]
pub(crate) struct Args {
    #[command(flatten)]
    overrides: Overrides,
}

/// How long a node that knows nothing yet waits for its cluster before it says that it serves.
const FIRST_EXCHANGE: Duration = Duration::from_secs(2);

/// Runs the command.
pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let config = config::load(&args.overrides)?;
    begin_log(&config.log);
    let parts = parts(config)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("no event loop")?;
    runtime.block_on(serve(parts))
}

fn begin_log(log: &LogConfig) {
    let lines = tracing_subscriber::fmt()
        .with_env_filter(log.level.filter())
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none());
    match log.format {
        LogFormat::Text => lines.init(),
        LogFormat::Json => lines.json().init(),
    }
}

fn parts(config: Config) -> anyhow::Result<Parts> {
    let secret = match &config.cluster.secret_file {
        Some(path) => {
            if let Some(warning) = ClusterSecret::permission_warning(path) {
                tracing::warn!("{warning}");
            }
            ClusterSecret::read(path)?
        }
        None => own_secret(&config.node.data_dir)?,
    };
    tracing::info!(fingerprint = %secret.fingerprint(), "cluster secret");
    let seed = |seed: config::Seed| whither_node::Seed {
        host: match seed.host {
            SeedHost::Ip(ip) => ip.to_string(),
            SeedHost::Name(name) => name.into(),
        },
        port: seed.port,
    };
    let suspicion = config.timing.suspicion_multiplier.get();
    let timing = whither_node::Timing {
        detection: whither_node::Detection::paced(config.timing.probe_interval, suspicion),
        sync_interval: config.timing.sync_interval,
        ..whither_node::Timing::default()
    };
    let dns = config.dns.map(|dns| {
        let answers = whither_api_dns::Config {
            zones: dns.zones.iter().map(|zone| zone.as_str().to_owned()).collect(),
            ttl: dns.ttl,
            negative_ttl: dns.negative_ttl,
            workers: dns.workers.get(),
            ..whither_api_dns::Config::default()
        };
        (dns.bind, answers)
    });
    let postgres = config.postgres.map(postgres).transpose()?;
    let checks = check_plan(config.checks)?;
    let node = whither_node::Config {
        name: config.node.name,
        data_dir: config.node.data_dir,
        zone: config.node.zone,
        region: config.node.region,
        software: env!("CARGO_PKG_VERSION").into(),
        peers_bind: config.peers.bind,
        advertise: config.peers.advertise.map(|advertise| (advertise.ip, advertise.port)),
        secret,
        seeds: config.cluster.join.into_iter().map(seed).collect(),
        timing,
        group_window: config.timing.group_window,
        database_pages_max: None,
    };
    Ok(Parts {
        node,
        http: config.http.map(|http| http.bind),
        socket: config.socket,
        dns,
        postgres,
        consul: config.consul,
        eureka: config.eureka,
        checks,
        tables: config.tables,
    })
}

fn postgres(config: PostgresConfig) -> anyhow::Result<(SocketAddr, whither_api_pg::Config)> {
    let file = |option: &'static str, path: &Path| {
        std::fs::read(path).with_context(|| format!("postgres.{option}: {} cannot be read", path.display()))
    };
    let tls = match &config.tls {
        Some((certificate, key)) => {
            let (certificate, key) = (file("tls_cert", certificate)?, file("tls_key", key)?);
            Some(whither_api_pg::Tls::from_pem(&certificate, &key)?)
        }
        None => None,
    };
    let mut users = Vec::with_capacity(config.users.len());
    for user in config.users {
        let context = || format!("postgres.user: the password_file of {:?} cannot be read", user.name);
        let password = user.password.read().with_context(context)?;
        users.push(whither_api_pg::User { name: user.name, password, writes: user.writes });
    }
    let auth = if users.is_empty() { whither_api_pg::Auth::Trust } else { whither_api_pg::Auth::Users(users) };
    let speaks = whither_api_pg::Config { auth, read_only: config.read_only, tls, ..whither_api_pg::Config::default() };
    Ok((config.bind, speaks))
}

fn check_plan(config: ChecksConfig) -> anyhow::Result<CheckPlan> {
    let mut runner = whither_checks::Config {
        allow: config.allow,
        running_max: config.running_max,
        ..whither_checks::Config::default()
    };
    if let Some(path) = &config.roots {
        let context = || format!("checks.roots: {} cannot be used", path.display());
        let pem = std::fs::read(path).with_context(context)?;
        runner.roots = whither_checks::authorities(&pem).with_context(context)?;
    }
    Ok(CheckPlan { runner, local: config.configured })
}

/// The secret of a node that listens for peers on loopback only and was given none: its own, made at the first start. Another
/// agent on this host can join with a copy.
fn own_secret(data_dir: &Path) -> anyhow::Result<ClusterSecret> {
    let path = data_dir.join("cluster.secret");
    if !path.exists() {
        std::fs::create_dir_all(data_dir).with_context(|| format!("cannot make {}", data_dir.display()))?;
        ClusterSecret::generate().write_new(&path)?;
        tracing::info!(path = %path.display(), "no secret file is configured: made one for this node");
    }
    Ok(ClusterSecret::read(&path)?)
}

async fn serve(parts: Parts) -> anyhow::Result<ExitCode> {
    // Before anything runs, so that a signal sent early is not missed.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let newcomer = !parts.node.seeds.is_empty();
    let mut agent = Agent::start(parts).await?;
    if newcomer && agent.directory().view().service_count() == 0 {
        // It answers already, but of a cluster it has heard nothing of: whoever waits to be told should not be told yet.
        drop(tokio::time::timeout(FIRST_EXCHANGE, first_exchange(agent.directory())).await);
    }
    if let Some(applying) = agent.apply_schema() {
        // Whoever waits to be told finds the tables, unless they take long to make.
        drop(tokio::time::timeout(FIRST_EXCHANGE, applying).await);
    }
    announce(&agent)?;
    let why = loop {
        tokio::select! {
            _ = terminate.recv() => break "SIGTERM",
            _ = interrupt.recv() => break "SIGINT",
            _ = hangup.recv() => match agent.apply_schema() {
                Some(_) => tracing::info!("SIGHUP: reading the schema files again"),
                None => tracing::info!("SIGHUP: nothing to read again, tables.schema names no file"),
            },
            problem = agent.ended() => return Err(problem.into()),
        }
    };
    tracing::info!("{why}: saying goodbye");
    tokio::select! {
        stopped = agent.stop() => stopped?,
        // Asked twice: whoever asks wants it gone. What was acknowledged as durable is on disk all the same.
        _ = terminate.recv() => return Ok(ExitCode::FAILURE),
        _ = interrupt.recv() => return Ok(ExitCode::FAILURE),
    }
    Ok(ExitCode::SUCCESS)
}

/// Waits until everything that any present member had said is known here.
async fn first_exchange(directory: &Directory) {
    let mut look = tokio::time::interval(Duration::from_millis(5));
    loop {
        look.tick().await;
        let view = directory.view();
        let others = view.nodes().iter().filter(|node| node.member.state.is_present()).count() > 1;
        if others && view.age(directory.clock().now()).is_some() {
            return;
        }
    }
}

/// Tells whoever started it that it serves, and where.
fn announce(agent: &Agent) -> anyhow::Result<()> {
    let identity = agent.directory().identity();
    let ready = serde_json::json!({
        "node": identity.node.to_string(),
        "name": identity.name.as_str(),
        "peers": agent.peers().to_string(),
        "http": agent.http().map(|address| address.to_string()),
        "socket": agent.socket().map(Path::to_string_lossy),
        "dns": agent.dns().map(|address| address.to_string()),
        "postgres": agent.postgres().map(|address| address.to_string()),
        "consul": agent.consul().map(|address| address.to_string()),
        "eureka": agent.eureka().map(|address| address.to_string()),
    });
    tracing::info!(
        http = agent.http().map(tracing::field::display),
        socket = agent.socket().map(|path| tracing::field::display(path.display())),
        dns = agent.dns().map(tracing::field::display),
        postgres = agent.postgres().map(tracing::field::display),
        consul = agent.consul().map(tracing::field::display),
        eureka = agent.eureka().map(tracing::field::display),
        "serving"
    );
    let mut out = std::io::stdout();
    writeln!(out, "ready {ready}")?;
    out.flush()?;
    Ok(())
}
