//! When a server that has just been started counts as up.

use crate::cmd::check::Check;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;
use whither_checks::Looker;
use whither_model::Health;

/// What has to succeed first.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Readiness {
    /// This, at its first port.
    Check(Check),
    /// Nothing: it is up once it runs.
    Nothing,
}

/// Between two looks.
const PACE: Duration = Duration::from_millis(50);
/// How long one look may take.
const PATIENCE: Duration = Duration::from_secs(2);

impl FromStr for Readiness {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "none" => Ok(Self::Nothing),
            _ => text.parse().map(Self::Check).map_err(|problem: String| format!("{problem}, or none")),
        }
    }
}

impl Readiness {
    /// Completes when it is ready.
    pub(super) async fn wait(&self, address: IpAddr, port: Option<u16>) {
        let (Self::Check(check), Some(port)) = (self, port) else { return };
        let (looker, probe) = (Looker::new(), check.probe());
        let mut looks = tokio::time::interval(PACE);
        loop {
            looks.tick().await;
            let found = looker.look(SocketAddr::new(address, port), &probe, PATIENCE).await;
            if found.status.is_some_and(Health::is_usable) {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_is_read_or_explained() {
        assert_eq!("none".parse(), Ok(Readiness::Nothing));
        assert_eq!("tcp".parse(), Ok(Readiness::Check(Check::Tcp)));
        let problem = "udp".parse::<Readiness>().unwrap_err();
        assert!(problem.contains("http:/PATH") && problem.ends_with("or none"), "{problem}");
    }
}
