//! A check as `register` and `run` take it.

use crate::agent_api::wire;
use std::str::FromStr;
use whither_model::check::{Http, Tls};
use whither_model::{PortChoice, Probe};

/// One `--check`: what is looked at, at the instance's first port.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Check {
    /// A path is answered with 2xx.
    Http(Box<str>),
    /// The same with TLS.
    Https(Box<str>),
    /// A connection is accepted.
    Tcp,
    /// The health service of gRPC says that it serves; about this service, or all of it.
    Grpc(Box<str>),
}

impl FromStr for Check {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let check = match text.split_once(':') {
            None if text == "tcp" => Self::Tcp,
            None if text == "grpc" => Self::Grpc(Box::default()),
            // What is looked at is the instance's own address: a host cannot be given.
            Some(("http" | "https", path)) if path.starts_with("//") => {
                return Err(format!(
                    "{text:?} names a host; a check asks the instance's own address, so expected its path alone, for example http:/healthz"
                ));
            }
            Some(("http", path)) => Self::Http(path.into()),
            Some(("https", path)) => Self::Https(path.into()),
            Some(("grpc", service)) if !service.is_empty() => Self::Grpc(service.into()),
            _ => {
                return Err(format!(
                    "{text:?} is no check; expected http:/PATH, https:/PATH, tcp, grpc or grpc:SERVICE, for example \
                     http:/healthz"
                ));
            }
        };
        check.probe().check().map_err(|bad| format!("{text:?}: {bad}"))?;
        Ok(check)
    }
}

impl Check {
    /// What is done.
    pub(super) fn probe(&self) -> Probe {
        let http = |path: &str, tls| Probe::Http(Http { path: path.into(), tls, ..Http::default() });
        match self {
            Self::Http(path) => http(path, None),
            Self::Https(path) => http(path, Some(Tls::default())),
            Self::Tcp => Probe::Tcp { port: PortChoice::First },
            Self::Grpc(service) => Probe::Grpc { port: PortChoice::First, service: service.clone(), tls: None },
        }
    }

    /// As an agent is asked for it.
    pub(super) fn asked(&self) -> wire::Check {
        let mut asked = wire::Check::default();
        match self {
            Self::Http(path) => asked.http = Some(path.to_string()),
            Self::Https(path) => asked.https = Some(path.to_string()),
            Self::Tcp => asked.tcp = Some(true),
            Self::Grpc(service) if service.is_empty() => asked.grpc = Some(true.into()),
            Self::Grpc(service) => asked.grpc = Some(serde_json::json!({ "service": service })),
        }
        asked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_is_read_or_explained() {
        assert_eq!("tcp".parse(), Ok(Check::Tcp));
        assert_eq!("http:/healthz?deep=1".parse(), Ok(Check::Http("/healthz?deep=1".into())));
        assert_eq!("https:/".parse(), Ok(Check::Https("/".into())));
        assert_eq!("grpc".parse(), Ok(Check::Grpc("".into())));
        assert_eq!("grpc:recos.v1.Recos".parse(), Ok(Check::Grpc("recos.v1.Recos".into())));
        for bad in ["http", "http:healthz", "udp", "http:/a b", "", "grpc:", "grpc:a b", "tcp:80", "http://10.0.0.1/h"]
        {
            assert!(bad.parse::<Check>().is_err(), "{bad}");
        }
    }

    #[test]
    fn it_is_asked_for_as_the_api_has_it() {
        let asked = |text: &str| serde_json::to_string(&text.parse::<Check>().unwrap().asked()).unwrap();
        assert_eq!(asked("http:/h"), r#"{"http":"/h"}"#);
        assert_eq!(asked("tcp"), r#"{"tcp":true}"#);
        assert_eq!(asked("grpc"), r#"{"grpc":true}"#);
        assert_eq!(asked("grpc:x.Y"), r#"{"grpc":{"service":"x.Y"}}"#);
    }
}
