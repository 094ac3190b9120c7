//! `whither doctor`: which layer between a program and the truth about a service lies, by how much, and what to do.

mod agent;
mod answer;
mod at_once;
mod caches;
mod connections;
mod dns;
mod examine;
mod finding;
mod host;
mod hosts_file;
mod jvm;
mod names;
mod processes;
mod report;
mod resolv_conf;
mod system;
#[cfg(test)]
mod tests;
mod truth;

use super::Session;
use crate::agent_api::AgentAddress;
use crate::duration;
use crate::failure::{DONE, LIES};
use examine::{Case, examine};
use finding::Verdict;
use host::Host;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use whither_model::ServiceName;

/// The port of DNS.
const DNS_PORT: u16 = 53;

/// What the command takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  whither doctor prod/recos                            which layer of this host lies?
  whither doctor prod/recos --was 10.0.0.9:8080        that was its address: who still has it?
  whither doctor recos --spelled recos --also web-2:7601
  sudo whither doctor recos --root /proc/4711/root     a container, with its resolv.conf
  whither doctor recos --json | jq '.findings[] | select(.verdict == \"differs\")'

Asked are, at once: the agent, its DNS over UDP and TCP, the nameservers and the search path of resolv.conf, \
            getaddrinfo, the hosts file, nscd, Java processes, and the connections that are open. Each is compared with \
            the agent. Nothing is changed. As root it also sees whose connections they are.

Exits with 0 if no layer lies, with 4 if one does, with 3 if there is no such service, and with 1 if no agent answers.")]
pub(crate) struct Args {
    /// The service: name, or namespace/name
    name: ServiceName,
    /// An address that it no longer has, to find who still uses it; may be repeated
    #[arg(long, value_name = "IP:PORT")]
    was: Vec<SocketAddr>,
    /// Another agent to compare this one with; may be repeated
    #[arg(long, value_name = "ADDR")]
    also: Vec<AgentAddress>,
    /// How long each layer may take to answer
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = timeout)]
    timeout: Duration,
    /// Where the agent answers DNS
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:7653", help_heading = "DNS")]
    dns: SocketAddr,
    /// The zone that agents answer for
    #[arg(long, value_name = "ZONE", default_value = "whither.", value_parser = zone, help_heading = "DNS")]
    dns_zone: String,
    /// How programs say the name, if not recos.prod.whither; may be repeated
    #[arg(long, value_name = "NAME", help_heading = "DNS")]
    spelled: Vec<String>,
    /// Ask this nameserver instead of those of resolv.conf; may be repeated
    #[arg(long, value_name = "IP[:PORT]", value_parser = nameserver, help_heading = "Host")]
    nameserver: Vec<SocketAddr>,
    /// Read etc and proc below this folder, and do not ask getaddrinfo
    #[arg(long, value_name = "DIR", help_heading = "Host")]
    root: Option<PathBuf>,
}

/// Runs the command.
pub(crate) fn run(args: &Args, session: &mut Session) -> anyhow::Result<ExitCode> {
    let host = match &args.root {
        Some(root) => Host::at(root, args.timeout),
        None => Host::of_process(args.timeout),
    };
    let case = Case {
        service: args.name.clone(),
        was: args.was.clone(),
        dns: args.dns,
        zone: args.dns_zone.clone(),
        spelled: args.spelled.clone(),
        nameservers: args.nameserver.clone(),
        also: args.also.clone(),
    };
    let examined = examine(&case, &session.api, &host);
    let verdict = examined.verdict();
    if verdict == Verdict::NotThere {
        // Nobody knows the service, nor did anybody give an address of it: most likely its name is mistyped.
        return examined.truth.map(|_| DONE).map_err(Into::into);
    }
    if session.json {
        session.console.line(&examined.json(&args.name))?;
    } else {
        examined.print(&args.name, &mut session.console)?;
    }
    Ok(match verdict {
        Verdict::Differs => ExitCode::from(LIES),
        Verdict::CannotTell => ExitCode::from(1),
        Verdict::Agrees | Verdict::NotThere => DONE,
    })
}

/// The longest that a layer may be waited for.
const TIMEOUT_MAX: Duration = Duration::from_secs(60);

fn timeout(text: &str) -> Result<Duration, String> {
    let time = duration::parse(text)?;
    if time.is_zero() || time > TIMEOUT_MAX {
        return Err(format!("{text:?} is out of range; expected 1ms to {}", duration::exact(TIMEOUT_MAX)));
    }
    Ok(time)
}

fn zone(text: &str) -> Result<String, String> {
    let zone = text.trim_matches('.').to_ascii_lowercase();
    let is_name = zone.split('.').all(|label| {
        let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
        (1..=63).contains(&label.len()) && label.bytes().all(fits)
    });
    if is_name { Ok(zone) } else { Err(format!("{text:?} is no zone; expected a name such as whither.")) }
}

fn nameserver(text: &str) -> Result<SocketAddr, String> {
    let address = text.parse::<IpAddr>().map(|address| SocketAddr::new(address, DNS_PORT));
    address.or_else(|_| text.parse()).map_err(|_| {
        format!(
            "{text:?} is no nameserver; expected an address, with its port if that is not 53: 10.0.0.2 or [::1]:5353"
        )
    })
}
