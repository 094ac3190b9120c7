//! What a person reads who was woken up.

use crate::finding::Finding;
use rustix::io::Errno;
use std::error::Error;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;

/// Connecting to `at` failed.
pub(crate) fn not_connected(error: &io::Error, at: SocketAddr) -> Finding {
    if let Some(own) = own_fault(error) {
        return own;
    }
    match error.kind() {
        ErrorKind::ConnectionRefused => {
            Finding::critical(format!("connection refused by {at}: nothing listens there, or its queue is full"))
        }
        ErrorKind::ConnectionReset => Finding::critical(format!("connection reset by {at} before it was established")),
        ErrorKind::HostUnreachable => {
            Finding::critical(format!("{at} is unreachable: the host is off or not on this network"))
        }
        ErrorKind::TimedOut => Finding::critical(format!("no answer from {at}: the host is off, or a firewall drops")),
        _ => Finding::critical(format!("cannot connect to {at}: {error}")),
    }
}

/// A connection to `at` broke.
pub(crate) fn broken(error: &io::Error, at: SocketAddr) -> Finding {
    if let Some(own) = own_fault(error) {
        return own;
    }
    match error.kind() {
        ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => {
            Finding::critical(format!("{at} accepted the connection and reset it"))
        }
        ErrorKind::UnexpectedEof => Finding::critical(format!("{at} accepted the connection and closed it")),
        _ => Finding::critical(format!("the connection to {at} broke: {error}")),
    }
}

/// What this host lacks, if that is why.
pub(crate) fn own_fault(error: &io::Error) -> Option<Finding> {
    let text = match Errno::from_io_error(error)? {
        Errno::MFILE | Errno::NFILE => "this agent has no file descriptors left; raise its limit (LimitNOFILE)",
        Errno::NOMEM | Errno::NOBUFS => "this host has no memory left for it",
        Errno::AGAIN => "this host lets this agent start no more processes",
        Errno::ADDRNOTAVAIL => "this host has no local port or address left for it",
        Errno::NETUNREACH | Errno::NETDOWN => "this host has no route there",
        Errno::PERM => "a firewall of this host forbids it",
        _ => return None,
    };
    Some(Finding::unable(text))
}

/// The failure of the transport inside a failure of the protocol on it.
pub(crate) fn io_inside<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a io::Error> {
    let mut inner = error.source();
    while let Some(error) = inner {
        match error.downcast_ref::<io::Error>() {
            Some(found) => return Some(found),
            None => inner = error.source(),
        }
    }
    None
}

/// An exchange over HTTP with `at` failed.
pub(crate) fn no_answer(error: &hyper::Error, at: SocketAddr, spoken: &str) -> Finding {
    if error.is_parse_too_large() {
        return Finding::critical(format!("{at} answered with too many or too long headers"));
    }
    if error.is_parse() {
        return Finding::critical(format!("what answers at {at} does not speak {spoken}"));
    }
    if let Some(inner) = io_inside(error) {
        return broken(inner, at);
    }
    if error.is_incomplete_message() || error.is_closed() || error.is_canceled() {
        return Finding::critical(format!("{at} closed the connection before it had answered"));
    }
    let cause = error.source().map_or_else(String::new, |cause| format!(": {cause}"));
    Finding::critical(format!("no {spoken} with {at}: {error}{cause}"))
}

/// A TLS handshake with `at` failed.
pub(crate) fn no_handshake(error: &io::Error, at: SocketAddr, name: &str, trusts_somebody: bool) -> Finding {
    use rustls::{CertificateError, Error as Tls};
    let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<Tls>()) else { return broken(error, at) };
    let text = match tls {
        Tls::InvalidCertificate(CertificateError::UnknownIssuer) if !trusts_somebody => {
            format!(
                "the certificate of {at} cannot be verified: this agent was told of no authority to trust; \
                     give it one, or let the check skip verification"
            )
        }
        // A bad signature: of an authority that only has the name of a trusted one.
        Tls::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature) => {
            format!(
                "the certificate of {at} is by no authority that this agent trusts (or signed by itself); \
                     trust its authority, or let the check skip verification"
            )
        }
        Tls::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => {
            format!("the certificate of {at} has expired")
        }
        Tls::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => format!("the certificate of {at} is not for {name}; set the check's server name if it is for another"),
        Tls::InvalidCertificate(problem) => format!("the certificate of {at} is not acceptable: {problem}"),
        Tls::InvalidMessage(_) => format!("what answers at {at} does not speak TLS"),
        Tls::AlertReceived(alert) => format!("{at} ended the TLS handshake: {alert:?}"),
        other => format!("no TLS with {at}: {other}"),
    };
    Finding::critical(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use whither_model::Health;

    fn at() -> SocketAddr {
        ([10, 0, 0, 1], 8080).into()
    }

    #[test]
    fn what_this_host_lacks_is_not_the_instances_fault() {
        for lack in [Errno::MFILE, Errno::NFILE, Errno::NOMEM, Errno::NOBUFS, Errno::ADDRNOTAVAIL, Errno::NETUNREACH] {
            assert_eq!(not_connected(&lack.into(), at()).status, None, "{lack}");
            assert_eq!(broken(&lack.into(), at()).status, None, "{lack}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_the_address() {
        for (fault, words) in [
            (Errno::CONNREFUSED, "connection refused by 10.0.0.1:8080: nothing listens there"),
            (Errno::HOSTUNREACH, "10.0.0.1:8080 is unreachable"),
            (Errno::TIMEDOUT, "no answer from 10.0.0.1:8080"),
            (Errno::PROTO, "cannot connect to 10.0.0.1:8080: "),
        ] {
            let found = not_connected(&fault.into(), at());
            assert_eq!(found.status, Some(Health::Critical));
            assert!(found.text.starts_with(words), "{}", found.text);
        }
        assert!(broken(&Errno::CONNRESET.into(), at()).text.starts_with("10.0.0.1:8080 accepted"), "reset");
    }
}
