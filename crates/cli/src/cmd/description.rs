//! What an instance is, as `register` and `run` take it.

use crate::agent_api::wire::{Ports, Registration};
use crate::failure::Usage;
use std::collections::BTreeMap;
use std::net::IpAddr;
use whither_model::{InstanceId, PortName, ServiceName};

/// What an instance is.
#[derive(Debug, clap::Args)]
pub(super) struct Description {
    /// A port, or name=port; the first is the one callers get who name none
    #[arg(long, short = 'p', value_name = "[NAME=]PORT", value_parser = parse_port)]
    pub(super) port: Vec<(PortName, u16)>,
    /// Which instance [default: <service>-<host>-<first port>]
    #[arg(long)]
    pub(super) id: Option<InstanceId>,
    /// Where it listens, an IP address [default: that of the agent]
    #[arg(long, value_name = "IP")]
    pub(super) address: Option<IpAddr>,
    /// A label for selection; may be repeated
    #[arg(long, help_heading = "What it is")]
    tag: Vec<String>,
    /// Anything else worth knowing; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = parse_meta, help_heading = "What it is")]
    meta: Vec<(String, String)>,
    /// Its share of traffic, relative to the others [default: 100]
    #[arg(long, value_name = "1..65535", value_parser = clap::value_parser!(u16).range(1..), help_heading = "What it is")]
    weight: Option<u16>,
    /// The version of its software
    #[arg(long, help_heading = "What it is")]
    version: Option<String>,
    /// Its failure domain [default: that of the agent]
    #[arg(long, help_heading = "What it is")]
    zone: Option<String>,
}

impl Description {
    /// The registration of such an instance, with nothing said of how it is.
    ///
    /// # Errors
    /// A name that is given twice.
    pub(super) fn registration(&self) -> Result<Registration, Usage> {
        let mut ports = Ports::default();
        for (name, port) in &self.port {
            if ports.0.iter().any(|(other, _)| other == name.as_str()) {
                let why =
                    format!("--port {port}: there is another port called {name}; name it, for example metrics={port}");
                return Err(Usage(why));
            }
            ports.0.push((name.to_string(), *port));
        }
        let mut meta = BTreeMap::new();
        for (key, value) in &self.meta {
            if meta.insert(key.clone(), value.clone()).is_some() {
                return Err(Usage(format!("--meta {key}={value}: {key} is given twice")));
            }
        }
        Ok(Registration {
            address: self.address.map(|address| address.to_string()),
            ports,
            tags: self.tag.clone(),
            meta,
            weight: self.weight,
            version: self.version.clone(),
            zone: self.zone.clone(),
            ..Registration::default()
        })
    }

    /// The id that was given, or `<service>-<host>-<first port>`: the same at every start, so that a restart sets the
    /// instance anew.
    ///
    /// # Errors
    /// This host's name cannot be part of an id.
    pub(super) fn id(&self, service: &ServiceName, host: &str) -> Result<InstanceId, Usage> {
        if let Some(id) = &self.id {
            return Ok(id.clone());
        }
        let port = self.port.first().map(|(_, port)| format!("-{port}")).unwrap_or_default();
        format!("{}-{host}{port}", service.service())
            .parse()
            .map_err(|bad| Usage(format!("this host's name cannot be part of an id ({bad}); give one with --id")))
    }
}

fn parse_port(text: &str) -> Result<(PortName, u16), String> {
    let (name, number) = match text.split_once('=') {
        Some((name, number)) => (name.parse().map_err(|bad: whither_model::name::BadName| bad.to_string())?, number),
        None => (PortName::default(), text),
    };
    match number.parse() {
        Ok(port) if port != 0 => Ok((name, port)),
        _ => Err(format!("{number:?} is not a port; expected 1 to 65535, for example 8080 or http=8080")),
    }
}

fn parse_meta(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(format!("{text:?} is not a pair; expected key=value, for example commit=1a2b3c")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(clap::Parser)]
    struct Only {
        #[command(flatten)]
        description: Description,
    }

    fn id(arguments: &[&str], host: &str) -> Result<InstanceId, Usage> {
        let only = Only::parse_from(std::iter::once("only").chain(arguments.iter().copied()));
        only.description.id(&"prod/recos".parse().unwrap(), host)
    }

    #[test]
    fn ports_are_numbers_with_or_without_a_name() {
        assert_eq!(parse_port("8080").unwrap(), (PortName::default(), 8080));
        assert_eq!(parse_port("http=80").unwrap(), ("http".parse().unwrap(), 80));
        assert_eq!(
            parse_port("http=0").unwrap_err(),
            "\"0\" is not a port; expected 1 to 65535, for example 8080 or http=8080"
        );
        assert!(parse_port("HTTP=80").unwrap_err().contains("try \"http\""));
        assert!(parse_port("70000").is_err());
    }

    #[test]
    fn the_default_id_is_the_same_at_every_start() {
        assert_eq!(id(&["--port", "8080"], "web-1").unwrap().as_str(), "recos-web-1-8080");
        assert_eq!(id(&[], "web-1").unwrap().as_str(), "recos-web-1");
        assert!(id(&[], "a b").unwrap_err().to_string().contains("give one with --id"));
    }

    #[test]
    fn meta_is_pairs() {
        assert_eq!(parse_meta("a=b=c").unwrap(), ("a".into(), "b=c".into()));
        assert!(parse_meta("=b").is_err() && parse_meta("a").is_err());
    }
}
