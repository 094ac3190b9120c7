//! Checks: how the owner of an instance finds out whether it works, as asked for by its registrant.
//!
//! No host can be given: what is probed is the registrant's own address, at one of its own ports. So a client of the API
//! cannot make an agent speak to somebody else. Commands are not here either: they come from an agent's own
//! configuration, in a type that no surface knows.

use crate::{Health, Invalid, Port, PortName};
use alloc::boxed::Box;
use alloc::format;
use alloc::sync::Arc;
use core::num::NonZeroU16;
use core::time::Duration;

/// Checks of one instance.
pub const CHECKS_MAX: usize = 16;
/// Longest name of a check.
pub const NAME_BYTES_MAX: usize = 64;
/// Shortest interval, milliseconds: below it, checking is load and not observation.
pub const INTERVAL_MILLIS_MIN: u64 = 100;
/// Longest interval, milliseconds: one day.
pub const INTERVAL_MILLIS_MAX: u64 = 24 * 60 * 60 * 1000;
/// Shortest timeout, milliseconds: below it, the checking host's own scheduler is what is measured.
pub const TIMEOUT_MILLIS_MIN: u64 = 10;
/// Longest timeout, milliseconds. A check that waits takes a place that another one could have.
pub const TIMEOUT_MILLIS_MAX: u64 = 60 * 1000;
/// Most results in a row that a change of mind may take.
pub const THRESHOLD_MAX: u8 = 100;
/// Longest path with its query.
pub const PATH_BYTES_MAX: usize = 1024;
/// Longest `Host` header: a host name, a colon and a port.
pub const HOST_BYTES_MAX: usize = 253 + 6;
/// Longest server name in TLS: a host name (RFC 6066 section 3).
pub const SERVER_NAME_BYTES_MAX: usize = 253;
/// Longest name of a gRPC service.
pub const GRPC_SERVICE_BYTES_MAX: usize = 255;

/// One way to find out whether an instance works.
///
/// [`check_all`] has passed for every list of them that leaves a surface.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Check {
    /// Its name, unique among those of its instance.
    pub name: Arc<str>,
    /// What is done.
    pub probe: Probe,
    /// How often, how patiently, and what it takes to change one's mind.
    pub pace: Pace,
}

/// How often something is checked, how patiently, and how many results in a row change the verdict.
///
/// Below a threshold the verdict stays what it was; there is no warning on the way. Each step of a verdict goes to every
/// node, and thresholds exist so that one lost packet does not. The result itself is seen at once in the check's output.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Pace {
    /// From one beginning to the next. Of a [`Probe::Ttl`]: how long a report counts.
    pub interval: Duration,
    /// How long a run may take; at most the interval.
    pub timeout: Duration,
    /// Successes in a row after which something critical passes.
    pub passes_after: u8,
    /// Failures in a row after which something usable is critical.
    pub fails_after: u8,
    /// What holds until enough results have come.
    pub initial: Health,
}

impl Default for Pace {
    /// Every ten seconds, with two seconds to answer; one success passes, two failures fail.
    ///
    /// It begins critical: a new instance is not yet known to work, and callers that were sent there before its first
    /// check would be the check. The first run comes within one interval.
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(10),
            timeout: Duration::from_secs(2),
            passes_after: 1,
            fails_after: 2,
            initial: Health::Critical,
        }
    }
}

/// What is done to find out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Probe {
    /// A request over HTTP/1.1 on a connection of its own. Redirects are not followed.
    Http(Http),
    /// Whether a connection is accepted.
    Tcp {
        /// At which port.
        port: PortChoice,
    },
    /// The standard health service of gRPC, `grpc.health.v1.Health/Check`.
    Grpc {
        /// At which port.
        port: PortChoice,
        /// About which service; empty: the server as a whole.
        service: Box<str>,
        /// Encrypted, and how; `None`: in the clear.
        tls: Option<Tls>,
    },
    /// Nothing is done: somebody reports, and silence longer than the interval is critical. Leases keep the time.
    Ttl,
}

/// A request over HTTP, and which answer is a good one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Http {
    /// Encrypted, and how; `None`: in the clear.
    pub tls: Option<Tls>,
    /// GET or HEAD.
    pub method: Method,
    /// At which port.
    pub port: PortChoice,
    /// The path, with a query if there is one; begins with a slash.
    pub path: Box<str>,
    /// The `Host` header; `None`: address and port.
    pub host: Option<Box<str>>,
    /// The statuses that pass.
    pub expect: Statuses,
}

impl Default for Http {
    /// `GET /` in the clear at the first port, where 2xx passes.
    fn default() -> Self {
        Self {
            tls: None,
            method: Method::Get,
            port: PortChoice::First,
            path: "/".into(),
            host: None,
            expect: Statuses::SUCCESS,
        }
    }
}

/// The methods that a check may use: those that change nothing (RFC 9110 section 9.2.1).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Method {
    /// The body is kept as the check's output.
    #[default]
    Get,
    /// No body.
    Head,
}

impl Method {
    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
        }
    }
}

/// A range of HTTP statuses, both ends included.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Statuses {
    /// The lowest.
    pub first: u16,
    /// The highest.
    pub last: u16,
}

impl Statuses {
    /// 200 to 299.
    pub const SUCCESS: Self = Self { first: 200, last: 299 };

    /// Whether `status` is one of them.
    #[must_use]
    pub const fn contains(self, status: u16) -> bool {
        self.first <= status && status <= self.last
    }
}

/// How an encrypted check tells that it speaks to the right one.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Tls {
    /// The name that the certificate must be for, sent as server name; `None`: the address.
    pub server_name: Option<Box<str>>,
    /// Accepts any certificate. Otherwise the chain must end at an authority that the agent was told to trust, and a
    /// certificate signed by itself fails, as it would with a caller.
    pub skip_verify: bool,
}

/// Which of the registrant's own ports.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub enum PortChoice {
    /// The first one.
    #[default]
    First,
    /// By its name.
    Named(PortName),
    /// By its number, which must be one of them.
    Number(NonZeroU16),
}

impl PortChoice {
    /// The number that is meant among `ports`; `None` if there is no such port.
    #[must_use]
    pub fn among(&self, ports: &[Port]) -> Option<u16> {
        match self {
            Self::First => ports.first(),
            Self::Named(name) => ports.iter().find(|port| port.name == *name),
            Self::Number(number) => ports.iter().find(|port| port.number == number.get()),
        }
        .map(|port| port.number)
    }
}

impl Probe {
    /// Which port it asks; `None` if it asks none.
    #[must_use]
    pub const fn port(&self) -> Option<&PortChoice> {
        match self {
            Self::Http(Http { port, .. }) | Self::Tcp { port } | Self::Grpc { port, .. } => Some(port),
            Self::Ttl => None,
        }
    }

    /// Checks every bound that the field types do not already keep.
    ///
    /// # Errors
    /// The first field out of bounds, with what would be right.
    pub fn check(&self) -> Result<(), Invalid> {
        match self {
            Self::Http(http) => http.check(),
            Self::Grpc { service, tls, .. } => {
                let right = "expected visible ASCII characters, for example grpc.health.v1.Health";
                spelled("service", service, 0, GRPC_SERVICE_BYTES_MAX, |byte| byte.is_ascii_graphic(), right)?;
                tls.as_ref().map_or(Ok(()), Tls::check)
            }
            Self::Tcp { .. } | Self::Ttl => Ok(()),
        }
    }
}

impl Http {
    fn check(&self) -> Result<(), Invalid> {
        if !self.path.starts_with('/') {
            return Err(Invalid::new("path", format!("{:?} does not begin with a slash", cut(&self.path))));
        }
        // RFC 3986 sections 3.3 and 3.4. What is left out could end the line of the request or be cut off as a fragment.
        let in_path = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=:@/?".contains(&byte);
        spelled("path", &self.path, 1, PATH_BYTES_MAX, in_path, "expected a path, percent-encoded (RFC 3986)")?;
        if let Some(host) = &self.host {
            let in_host = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
            spelled("host", host, 1, HOST_BYTES_MAX, in_host, "expected a host name, with a port if it needs one")?;
        }
        let Statuses { first, last } = self.expect;
        if first > last || first < 100 || last > 599 {
            return Err(Invalid::new("expect", format!("{first} to {last} is no range of statuses; 100 to 599 are")));
        }
        self.tls.as_ref().map_or(Ok(()), Tls::check)
    }
}

impl Tls {
    fn check(&self) -> Result<(), Invalid> {
        let in_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:".contains(&byte);
        self.server_name.as_ref().map_or(Ok(()), |name| {
            spelled("server_name", name, 1, SERVER_NAME_BYTES_MAX, in_name, "expected a host name or an address")
        })
    }
}

impl Pace {
    /// Checks every bound that the field types do not already keep.
    ///
    /// # Errors
    /// The first field out of bounds, with what would be right.
    pub fn check(&self) -> Result<(), Invalid> {
        within("interval", self.interval, INTERVAL_MILLIS_MIN, INTERVAL_MILLIS_MAX, "100ms to 24h")?;
        within("timeout", self.timeout, TIMEOUT_MILLIS_MIN, TIMEOUT_MILLIS_MAX, "10ms to 60s")?;
        if self.timeout > self.interval {
            let problem = format!(
                "{} ms is longer than the interval of {} ms; a check must end before its next turn",
                self.timeout.as_millis(),
                self.interval.as_millis()
            );
            return Err(Invalid::new("timeout", problem));
        }
        for (field, given) in [("passes_after", self.passes_after), ("fails_after", self.fails_after)] {
            if given == 0 || given > THRESHOLD_MAX {
                return Err(Invalid::new(field, format!("is {given}; expected 1 to {THRESHOLD_MAX}")));
            }
        }
        if self.initial == Health::Silent {
            return Err(Invalid::new(
                "initial",
                "is silence, which is not a result; expected passing, warning or critical",
            ));
        }
        Ok(())
    }
}

impl Check {
    /// Checks every bound that the field types do not already keep.
    ///
    /// # Errors
    /// The first field out of bounds, with what would be right.
    pub fn check(&self) -> Result<(), Invalid> {
        check_name(&self.name)?;
        self.probe.check()?;
        self.pace.check()
    }
}

/// Checks what a check is called.
///
/// # Errors
/// [`Invalid`] with what would be right.
pub fn check_name(name: &str) -> Result<(), Invalid> {
    if name.is_empty() || name.len() > NAME_BYTES_MAX {
        return Err(Invalid::new("name", format!("is {} bytes long; expected 1 to {NAME_BYTES_MAX}", name.len())));
    }
    if name.chars().any(char::is_control) {
        return Err(Invalid::new("name", "contains a control character"));
    }
    Ok(())
}

/// Checks all checks of an instance that has `ports`: each for itself, that no two share a name, and that every port is one
/// of the instance's own.
///
/// # Errors
/// The first field out of bounds, as `checks[0].path` or the like, with what would be right.
pub fn check_all(checks: &[Check], ports: &[Port]) -> Result<(), Invalid> {
    if checks.len() > CHECKS_MAX {
        return Err(Invalid::new("checks", format!("has {} entries; at most {CHECKS_MAX}", checks.len())));
    }
    for (at, check) in checks.iter().enumerate() {
        let of_this = |bad: Invalid| Invalid::new(format!("checks[{at}].{}", bad.field), bad.problem);
        check.check().map_err(of_this)?;
        if checks[..at].iter().any(|other| other.name == check.name) {
            return Err(of_this(Invalid::new("name", "is given twice; names of checks are unique in an instance")));
        }
        if let Some(choice) = check.probe.port()
            && choice.among(ports).is_none()
        {
            return Err(of_this(Invalid::new("port", no_such_port(choice))));
        }
    }
    Ok(())
}

fn no_such_port(choice: &PortChoice) -> alloc::string::String {
    const RIGHT: &str = "a check asks one of the instance's own ports";
    match choice {
        PortChoice::First => format!("is not given, and the instance has none; {RIGHT}"),
        PortChoice::Named(name) => format!("no port is called {name}; {RIGHT}"),
        PortChoice::Number(number) => format!("{number} is none of its ports; {RIGHT}"),
    }
}

/// Refuses a time out of bounds, which are milliseconds, and says what would be right.
pub(crate) fn within(field: &str, given: Duration, min: u64, max: u64, right: &str) -> Result<(), Invalid> {
    let millis = u64::try_from(given.as_millis()).unwrap_or(u64::MAX);
    if (min..=max).contains(&millis) {
        return Ok(());
    }
    Err(Invalid::new(field, format!("{millis} ms is out of range; expected {right}")))
}

fn spelled(
    field: &str,
    given: &str,
    min: usize,
    max: usize,
    fits: impl Fn(u8) -> bool,
    right: &str,
) -> Result<(), Invalid> {
    if given.len() < min || given.len() > max {
        return Err(Invalid::new(field, format!("is {} bytes long; expected {min} to {max}", given.len())));
    }
    match given.chars().find(|c| !u8::try_from(*c).is_ok_and(|byte| byte.is_ascii() && fits(byte))) {
        Some(bad) => Err(Invalid::new(field, format!("contains {bad:?}; {right}"))),
        None => Ok(()),
    }
}

fn cut(text: &str) -> alloc::string::String {
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;
    use alloc::vec::Vec;

    fn port(name: &str, number: u16) -> Port {
        Port { name: name.parse().unwrap(), number }
    }

    fn http(change: impl FnOnce(&mut Http)) -> Check {
        let mut http = Http::default();
        change(&mut http);
        Check { name: "web".into(), probe: Probe::Http(http), pace: Pace::default() }
    }

    fn field(check: &Check) -> String {
        check.check().unwrap_err().field
    }

    #[test]
    fn what_is_there_when_nothing_is_said_is_right() {
        assert_eq!(check_all(&[http(|_| ())], &[port("main", 80)]), Ok(()));
        assert_eq!(Pace::default().check(), Ok(()));
    }

    #[test]
    fn a_request_cannot_be_made_of_a_path() {
        for path in ["", "health", "http://10.0.0.1/", "/a b", "/a\r\nX: y", "/a#b", "/ä", "/\u{7f}"] {
            assert_eq!(field(&http(|http| http.path = path.into())), "path", "{path:?}");
        }
        for path in ["/", "/a/b?c=d&e=%20", "//x"] {
            assert_eq!(http(|http| http.path = path.into()).check(), Ok(()), "{path:?}");
        }
        assert_eq!(field(&http(|http| http.path = "/".repeat(PATH_BYTES_MAX + 1).into())), "path");
        for host in ["", "a\r\nb", "a/b", "user@a"] {
            assert_eq!(field(&http(|http| http.host = Some(host.into()))), "host", "{host:?}");
        }
        assert_eq!(http(|http| http.host = Some("[::1]:80".into())).check(), Ok(()));
    }

    #[test]
    fn statuses_out_of_range_are_refused() {
        for (first, last) in [(300, 200), (0, 299), (200, 600)] {
            assert_eq!(field(&http(|http| http.expect = Statuses { first, last })), "expect");
        }
        assert!(Statuses::SUCCESS.contains(200) && Statuses::SUCCESS.contains(299));
        assert!(!Statuses::SUCCESS.contains(199) && !Statuses::SUCCESS.contains(300));
    }

    #[test]
    fn paces_out_of_bounds_name_the_field() {
        let pace = |change: fn(&mut Pace)| {
            let mut pace = Pace::default();
            change(&mut pace);
            pace.check().unwrap_err().field
        };
        assert_eq!(pace(|pace| pace.interval = Duration::from_millis(99)), "interval");
        assert_eq!(pace(|pace| pace.interval = Duration::MAX), "interval");
        assert_eq!(pace(|pace| pace.timeout = Duration::ZERO), "timeout");
        assert_eq!(pace(|pace| pace.timeout = Duration::from_secs(11)), "timeout");
        assert_eq!(pace(|pace| pace.passes_after = 0), "passes_after");
        assert_eq!(pace(|pace| pace.fails_after = 101), "fails_after");
        assert_eq!(pace(|pace| pace.initial = Health::Silent), "initial");
    }

    #[test]
    fn a_check_asks_a_port_of_its_own() {
        let ports = [port("http", 80), port("admin", 81)];
        let asks = |choice: PortChoice| choice.among(&ports);
        assert_eq!(asks(PortChoice::First), Some(80));
        assert_eq!(asks(PortChoice::Named("admin".parse().unwrap())), Some(81));
        assert_eq!(asks(PortChoice::Number(NonZeroU16::new(81).unwrap())), Some(81));
        let stranger = PortChoice::Number(NonZeroU16::new(22).unwrap());
        assert_eq!(asks(stranger.clone()), None);
        let refused = check_all(&[http(|http| http.port = stranger)], &ports).unwrap_err();
        assert_eq!(refused.field, "checks[0].port");
        assert!(refused.problem.starts_with("22 is none of its ports"), "{refused}");
        assert_eq!(check_all(&[http(|_| ())], &[]).unwrap_err().field, "checks[0].port");
        assert_eq!(
            check_all(&[Check { probe: Probe::Ttl, ..http(|_| ()) }], &[]),
            Ok(()),
            "whoever reports needs no port"
        );
    }

    #[test]
    fn lists_are_bounded_and_names_are_unique() {
        let ports = [port("http", 80)];
        assert_eq!(check_all(&[http(|_| ()), http(|_| ())], &ports).unwrap_err().field, "checks[1].name");
        let many: Vec<Check> =
            (0..=CHECKS_MAX).map(|at| Check { name: format!("c{at}").into(), ..http(|_| ()) }).collect();
        assert_eq!(check_all(&many, &ports).unwrap_err().field, "checks");
        assert_eq!(check_all(&many[1..], &ports), Ok(()));
        for name in ["", "a\nb", &"x".repeat(NAME_BYTES_MAX + 1)] {
            assert_eq!(field(&Check { name: name.into(), ..http(|_| ()) }), "name");
        }
    }

    #[test]
    fn names_in_tls_and_grpc_are_spelled_as_they_may_be() {
        let grpc = |service: &str, name: &str| {
            let tls = Some(Tls { server_name: Some(name.into()), skip_verify: false });
            let probe = Probe::Grpc { port: PortChoice::First, service: service.into(), tls };
            probe.check().map_err(|bad| bad.field)
        };
        assert_eq!(grpc("", "a.example"), Ok(()));
        assert_eq!(grpc("a b", "a.example"), Err("service".into()));
        assert_eq!(grpc("a.B", "a/b"), Err("server_name".into()));
    }
}
