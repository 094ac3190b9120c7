//! What the process finds around it, looked at once, so that everything after is a function of its arguments.

use std::collections::BTreeMap;

/// What presets and the environment's layer depend on.
#[derive(Clone, Debug, Default)]
pub(crate) struct Environment {
    /// The environment variables that are text.
    pub(crate) variables: BTreeMap<String, String>,
    /// The host's name.
    pub(crate) hostname: String,
    /// Whether the effective user is root.
    pub(crate) root: bool,
    /// CPUs the process may use; at least 1.
    pub(crate) cpus: usize,
}

impl Environment {
    /// That of this process.
    pub(crate) fn of_process() -> Self {
        Self {
            variables: std::env::vars_os()
                .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
                .collect(),
            hostname: hostname(),
            root: rustix::process::geteuid().is_root(),
            cpus: std::thread::available_parallelism().map_or(1, usize::from),
        }
    }

    /// The value of `name`, if it is set to something.
    pub(crate) fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The preset of `node.name`.
    pub(super) fn node_name(&self) -> Result<String, String> {
        super::kind::parse_node_name(&self.hostname)
            .map(|name| name.to_string())
            .map_err(|problem| format!("this host's name cannot be used ({problem}); give the node one with --name"))
    }

    /// The preset of `node.data_dir`, after the XDG Base Directory Specification for users other than root.
    pub(super) fn data_dir(&self) -> Result<String, String> {
        if self.root {
            return Ok("/var/lib/whither".into());
        }
        // The specification says that a relative path is to be ignored.
        match (self.variable("XDG_STATE_HOME").filter(|path| path.starts_with('/')), self.variable("HOME")) {
            (Some(state), _) => Ok(format!("{state}/whither")),
            (None, Some(home)) => Ok(format!("{home}/.local/state/whither")),
            (None, None) => Err("neither XDG_STATE_HOME nor HOME is set; say where with --data-dir".into()),
        }
    }

    /// The preset of `dns.workers`.
    #[expect(clippy::unnecessary_wraps, reason = "one shape for every computed preset")]
    pub(super) fn dns_workers(&self) -> Result<String, String> {
        Ok(self.cpus.clamp(1, 4).to_string())
    }
}

/// The host's name as the kernel has it.
pub(crate) fn hostname() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}
