//! `whither run`.

mod connections;
mod listing;
mod readiness;

use super::Session;
use super::check::Check;
use super::description::Description;
use crate::agent_api::{ApiError, wire};
use crate::config::hostname;
use crate::console::Console;
use crate::duration;
use crate::failure::Usage;
use listing::{Listing, News};
use readiness::Readiness;
use rustix::process::{Pid, Signal, kill_process};
use std::ffi::OsString;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitCode, ExitStatus};
use std::time::Duration;
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::Instant;
use whither_model::{ServiceName, State};

/// What the command takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  whither run --service prod/recos --port 8080 -- ./server --listen :8080
  whither run --service web --port 80 --check http:/healthz --drain 30s -- nginx -g 'daemon off;'

The server is registered as starting, as up once its check succeeds, and removed when it ends,
however it ends. Told to stop (SIGTERM or SIGINT), it is draining on every node first; when its
connections are gone, or after --drain, it gets the signal itself. A second signal is passed on
at once. Other signals are passed on as they come. The exit status is the server's, or 128 and
the signal's number if one ended it.")]
pub(crate) struct Args {
    /// The service: name, or namespace/name
    #[arg(long, short = 's')]
    service: ServiceName,
    #[command(flatten)]
    description: Description,
    /// What must succeed before it is up, and what the agent looks at from then on: http:/PATH (its first port answers
    /// 2xx), https:/PATH, tcp (takes a connection), grpc, grpc:SERVICE or none [default: tcp with a port, else none, and
    /// the agent does not look]
    #[arg(long, help_heading = "Life")]
    check: Option<Readiness>,
    /// How long it is draining at most, before it is told to stop
    #[arg(long, value_name = "DURATION", value_parser = duration::parse, default_value = "10s", help_heading = "Life")]
    drain: Duration,
    /// How long it is draining at least: time for callers that ask now and then to hear of it
    #[arg(long, value_name = "DURATION", value_parser = duration::parse, default_value = "2s", help_heading = "Life")]
    settle: Duration,
    /// How long it may take to stop, before it is killed
    #[arg(long, value_name = "DURATION", value_parser = duration::parse, default_value = "30s", help_heading = "Life")]
    stop: Duration,
    /// How long it stays listed, as critical, if this process is killed
    #[arg(long, value_name = "DURATION", value_parser = duration::parse, default_value = "10s", help_heading = "Life")]
    grace: Duration,
    /// The server and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// How often connections are counted while it drains.
const COUNTED_EVERY: Duration = Duration::from_millis(100);
/// Before an agent that did not take in what was said is told again.
const TOLD_AGAIN: Duration = Duration::from_secs(1);

/// Runs the command.
pub(crate) fn run(args: &Args, session: Session) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let id = args.description.id(&args.service, &hostname())?;
        let mut registration = args.description.registration()?;
        if let Some(Readiness::Check(check)) = &args.check {
            // It has just succeeded when the agent first hears of it.
            registration.checks = vec![wire::Check { initial: Some("passing"), ..check.asked() }];
        }
        let mut signals = Signals::new()?;
        let (listing, news) = Listing::new(session.api, args.service.clone(), id.clone(), registration, args.grace);
        // Before the server: what the agent refuses is not started.
        listing.begin()?;
        let child = match spawn(args, id.as_str()) {
            Ok(child) => child,
            Err(error) => {
                // Nothing of it may stay behind; the error that matters is the other one.
                drop(listing.end());
                return Err(error.into());
            }
        };
        let name = format!("{id} of {}", args.service);
        let mut server = Server {
            args,
            name,
            listing,
            news,
            child,
            console: session.console,
            is_missed: false,
            untold: None,
            state: State::Starting,
            is_told: true,
        };
        let status = server.live(&mut signals).await?;
        server.bury();
        Ok(exit_code(status))
    })
}

fn spawn(args: &Args, id: &str) -> Result<Child, Usage> {
    let (program, arguments) = args.command.split_first().ok_or_else(|| Usage("no server is named".into()))?;
    Command::new(program)
        .args(arguments)
        .env("WHITHER_RUN_SERVICE", args.service.as_str())
        .env("WHITHER_RUN_INSTANCE", id)
        // A group of its own: a Ctrl-C at the terminal is for this process, which drains first.
        .process_group(0)
        .spawn()
        .map_err(|error| Usage(format!("{} cannot be started: {error}", program.display())))
}

/// Signals that this process is sent.
struct Signals {
    stop: mpsc::Receiver<Signal>,
    pass_on: mpsc::Receiver<Signal>,
}

impl Signals {
    /// # Errors
    /// The system refuses a handler.
    fn new() -> io::Result<Self> {
        let queue = |of: &[(SignalKind, Signal)]| -> io::Result<mpsc::Receiver<Signal>> {
            let (tell, told) = mpsc::channel(16);
            for (kind, number) in of.iter().copied() {
                let (mut arrivals, tell) = (signal(kind)?, tell.clone());
                drop(tokio::spawn(async move {
                    while arrivals.recv().await.is_some() && tell.send(number).await.is_ok() {}
                }));
            }
            Ok(told)
        };
        Ok(Self {
            stop: queue(&[(SignalKind::interrupt(), Signal::INT), (SignalKind::terminate(), Signal::TERM)])?,
            pass_on: queue(&[
                (SignalKind::hangup(), Signal::HUP),
                (SignalKind::quit(), Signal::QUIT),
                (SignalKind::user_defined1(), Signal::USR1),
                (SignalKind::user_defined2(), Signal::USR2),
                (SignalKind::window_change(), Signal::WINCH),
            ])?,
        })
    }
}

/// A server and its listing.
struct Server<'a> {
    args: &'a Args,
    name: String,
    listing: Listing,
    news: mpsc::UnboundedReceiver<News>,
    child: Child,
    console: Console,
    /// Whether the last that was said is that it is listed nowhere.
    is_missed: bool,
    /// What the agent did not take in, and when to say it again.
    untold: Option<(State, Instant)>,
    /// Where the server is in its life, and whether the agent took it in.
    state: State,
    is_told: bool,
}

impl Server<'_> {
    /// From its start to its end.
    async fn live(&mut self, signals: &mut Signals) -> io::Result<ExitStatus> {
        let port = self.args.description.port.first().map(|(_, port)| *port);
        let usual = if port.is_some() { Readiness::Check(Check::Tcp) } else { Readiness::Nothing };
        let check = self.args.check.clone().unwrap_or(usual);
        let address = self.args.description.address.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
        let ready = check.wait(address, port);
        tokio::pin!(ready);
        let mut is_up = false;
        loop {
            tokio::select! {
                status = self.child.wait() => return status,
                Some(number) = signals.stop.recv() => return self.stop(number, signals).await,
                Some(number) = signals.pass_on.recv() => self.signal(number),
                Some(news) = self.news.recv() => self.say(news),
                state = due(self.untold) => self.set(state),
                () = &mut ready, if !is_up => {
                    is_up = true;
                    self.set(State::Up);
                }
            }
        }
    }

    /// Drains it, then passes `number` on, and sees to it that it ends.
    async fn stop(&mut self, number: Signal, signals: &mut Signals) -> io::Result<ExitStatus> {
        self.set(State::Draining);
        let ports: Vec<u16> = self.args.description.port.iter().map(|(_, port)| *port).collect();
        let begun = Instant::now();
        while begun.elapsed() < self.args.drain {
            let served = if ports.is_empty() { None } else { connections::established(&ports) };
            let is_unused = served.is_none_or(|served| served == 0);
            if self.is_told && begun.elapsed() >= self.args.settle && is_unused {
                break;
            }
            tokio::select! {
                status = self.child.wait() => return status,
                Some(_) = signals.stop.recv() => break,
                Some(other) = signals.pass_on.recv() => self.signal(other),
                Some(news) = self.news.recv() => self.say(news),
                state = due(self.untold) => self.set(state),
                () = tokio::time::sleep(COUNTED_EVERY) => {}
            }
        }
        self.signal(number);
        let deadline = Instant::now() + self.args.stop;
        loop {
            tokio::select! {
                status = self.child.wait() => return status,
                Some(again) = signals.stop.recv() => self.signal(again),
                Some(other) = signals.pass_on.recv() => self.signal(other),
                () = tokio::time::sleep_until(deadline) => {
                    let given = duration::exact(self.args.stop);
                    self.console.warn(&format!("{} did not stop within {given}; it is killed", self.name));
                    self.child.start_kill()?;
                    return self.child.wait().await;
                }
            }
        }
    }

    fn signal(&self, number: Signal) {
        let pid = self.child.id().and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
        // It may have ended in this moment, which is seen next.
        let _ = pid.map(|pid| kill_process(pid, number));
    }

    fn set(&mut self, state: State) {
        (self.state, self.is_told, self.untold) = (state, false, None);
        self.listing.set(state);
    }

    fn say(&mut self, news: News) {
        match &news {
            News::Listed => self.console.note(&format!("{} is registered", self.name)),
            News::Unlisted(_) if self.is_missed => {}
            News::Unlisted(why) => self.console.warn(&format!("{} is not registered: {why}; trying on", self.name)),
            News::Told(state, Ok(())) => self.console.note(&format!("{} is {state}", self.name)),
            News::Told(state, Err(why)) => self.console.warn(&format!("{} is {state}, but: {why}", self.name)),
        }
        match news {
            News::Listed => self.is_missed = false,
            News::Unlisted(_) => self.is_missed = true,
            // What is said of an earlier state comes too late to matter.
            News::Told(state, _) if state != self.state => {}
            News::Told(state, told) => {
                // The session may well go on: then nobody else would say it again. What is refused for good is not.
                let again = told.as_ref().is_err_and(ApiError::may_pass);
                self.untold = again.then(|| (state, Instant::now() + TOLD_AGAIN));
                self.is_told = !again;
            }
        }
    }

    /// It has ended: takes it out of the catalog.
    fn bury(&mut self) {
        match self.listing.end() {
            Ok(()) => self.console.note(&format!("{} has ended and is removed", self.name)),
            Err(error) => {
                self.console.warn(&format!("{} has ended, but its removal was not confirmed: {error}", self.name))
            }
        }
    }
}

/// Completes when something is to be said again, and with what.
async fn due(untold: Option<(State, Instant)>) -> State {
    let Some((state, at)) = untold else { return std::future::pending().await };
    tokio::time::sleep_until(at).await;
    state
}

/// The server's status as this process's: a signal is 128 and its number, as shells have it.
fn exit_code(status: ExitStatus) -> ExitCode {
    let code = status.code().or_else(|| Some(128 + status.signal()?)).unwrap_or(1);
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}
