//! What is rendered to where, as it is typed.

use std::path::PathBuf;
use std::str::FromStr;

/// `TEMPLATE:OUTPUT` or `TEMPLATE:OUTPUT:COMMAND`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Spec {
    /// The template's file.
    pub(crate) template: PathBuf,
    /// The file that is made of it.
    pub(crate) output: PathBuf,
    /// What is run when the file has changed.
    pub(crate) command: Option<String>,
}

impl FromStr for Spec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = text.splitn(3, ':');
        let mut next = || parts.next().filter(|part| !part.trim().is_empty());
        let (Some(template), Some(output)) = (next(), next()) else {
            return Err("expected TEMPLATE:OUTPUT or TEMPLATE:OUTPUT:COMMAND, for example \
                        haproxy.cfg.tmpl:/etc/haproxy/haproxy.cfg"
                .to_owned());
        };
        let command = next().map(str::to_owned);
        let (template, output) = (PathBuf::from(template), PathBuf::from(output));
        if template == output {
            return Err("the template would be overwritten by what is made of it".to_owned());
        }
        if output.file_name().is_none() {
            return Err(format!("{} names no file", output.display()));
        }
        Ok(Self { template, output, command })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_keeps_its_colons() {
        let spec: Spec = "a.tmpl:/etc/a.cfg:curl -X POST http://localhost:80/reload".parse().unwrap();
        assert_eq!(spec.output, PathBuf::from("/etc/a.cfg"));
        assert_eq!(spec.command.as_deref(), Some("curl -X POST http://localhost:80/reload"));
        assert_eq!("a.tmpl:b".parse::<Spec>().unwrap().command, None);
        for wrong in ["", "a", "a:", ":b", "a:a", "a:/"] {
            assert!(wrong.parse::<Spec>().is_err(), "{wrong}");
        }
    }
}
