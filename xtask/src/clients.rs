//! The real clients that tests hold against us, and how each gets onto this machine.

use crate::step;
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Tells the tests which clients they have to do without: their programs, separated by commas.
const SKIP: &str = "WHITHER_SKIP_CLIENTS";

/// Where libraries of other languages go, below the build's own directory: a laptop is not ours to change.
const LIBRARIES: &str = "target/clients";

/// A program that is not ours and speaks to us as its users would.
struct Client {
    /// What is looked for in `PATH`, and what tests start.
    program: &'static str,
    /// The package of Debian and its descendants that has it.
    debian: &'static str,
    /// How to get it elsewhere, for a human.
    elsewhere: &'static str,
    /// What goes unproven without it.
    proves: &'static str,
}

/// A library that a program of another language loads.
struct Library {
    /// Its package.
    package: &'static str,
    /// Which version, so that tests say the same tomorrow.
    version: &'static str,
    language: Language,
    /// What goes unproven without it.
    proves: &'static str,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Language {
    Python,
    JavaScript,
}

/// One line per library. Tests skip it by its package.
const LIBRARIES_OF_OTHERS: &[Library] = &[
    Library {
        package: "py-consul",
        version: "1.8.0",
        language: Language::Python,
        proves: "Python's clients of Consul are answered as by Consul",
    },
    Library {
        package: "consul",
        version: "2.0.1",
        language: Language::JavaScript,
        proves: "JavaScript's clients of Consul are answered as by Consul",
    },
    Library {
        package: "py_eureka_client",
        version: "0.13.3",
        language: Language::Python,
        proves: "Python's clients of Eureka are answered as by Eureka",
    },
    Library {
        package: "eureka-js-client",
        version: "4.5.0",
        language: Language::JavaScript,
        proves: "JavaScript's clients of Eureka are answered as by Eureka",
    },
];

/// One line per client. A test that starts one asks for it by `program`.
const CLIENTS: &[Client] = &[
    Client {
        program: "dig",
        debian: "dnsutils",
        elsewhere: "`brew install bind`, or the package bind-utils",
        proves: "DNS answers as a resolver sees them",
    },
    Client {
        program: "haproxy",
        debian: "haproxy",
        elsewhere: "`brew install haproxy`",
        proves: "the sample template makes a file that HAProxy takes, and a drained instance gets nothing new",
    },
    Client {
        program: "node",
        debian: "nodejs",
        elsewhere: "`brew install node`",
        proves: "what JavaScript's libraries do",
    },
    Client {
        program: "npm",
        debian: "npm",
        elsewhere: "`brew install node`",
        proves: "what JavaScript's libraries do",
    },
    Client {
        program: "prometheus",
        debian: "prometheus",
        elsewhere: "`brew install prometheus`",
        proves: "Prometheus finds what to scrape as its page says",
    },
    Client {
        program: "python3",
        debian: "python3-venv",
        elsewhere: "`brew install python`",
        proves: "what Python's libraries do",
    },
    Client {
        program: "psql",
        debian: "postgresql-client",
        elsewhere: "`brew install libpq`, or the package postgresql",
        proves: "an agent answers PostgreSQL's own client, its \\d commands included",
    },
];

/// Sees to it that the clients are there, installing what is missing where that is possible. Returns what tests have to
/// skip: empty in CI, where a missing client is an error.
pub(crate) fn provide(root: &Path) -> Result<Vec<&'static str>> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    if let Some(packages) = packages(&missing(&folders)).filter(|_| may_install(&folders)) {
        // Whether it worked is seen by looking again; why it did not is on the screen by then.
        let _ = install(&packages).or_else(|_| install(&packages)).inspect_err(|error| eprintln!("{error:#}"));
    }
    let missing = missing(&folders);
    for client in CLIENTS.iter().filter(|client| !missing.iter().any(|other| other.program == client.program)) {
        eprintln!("{}: there", client.program);
    }
    let in_ci = std::env::var_os("CI").is_some_and(|value| !value.is_empty() && value != "false");
    let mut skipped = verdict(&missing, in_ci)?;
    for library in LIBRARIES_OF_OTHERS {
        match library.provide(root) {
            Ok(()) => eprintln!("{}: there", library.package),
            Err(error) if in_ci => bail!("CI is set, and {} cannot be had: {error:#}", library.package),
            Err(error) => {
                eprintln!("going on without {}, which proves {}: {error:#}", library.package, library.proves);
                skipped.push(library.package);
            }
        }
    }
    Ok(skipped)
}

impl Library {
    /// Installs it, unless this version of it is there.
    fn provide(&self, root: &Path) -> Result<()> {
        let Self { package, version, .. } = self;
        let home = root.join(LIBRARIES);
        let noted = home.join(format!("{package}-{version}"));
        if noted.is_file() {
            return Ok(());
        }
        std::fs::create_dir_all(&home).with_context(|| format!("cannot make {}", home.display()))?;
        match self.language {
            Language::Python => {
                let venv = home.join("python");
                if !venv.join("bin/pip").is_file() {
                    step::run(Command::new("python3").args(["-m", "venv"]).arg(&venv))?;
                }
                let pip = Command::new(venv.join("bin/pip"))
                    .args(["install", "-q"])
                    .arg(format!("{package}=={version}"))
                    .status();
                anyhow::ensure!(pip.context("pip does not run")?.success(), "pip cannot install it");
            }
            Language::JavaScript => {
                let folder = home.join("javascript");
                std::fs::create_dir_all(&folder)?;
                let mut npm = Command::new("npm");
                npm.args(["install", "--silent", "--no-fund", "--no-audit", "--prefix"]).arg(&folder);
                step::run(npm.arg(format!("{package}@{version}")))?;
            }
        }
        std::fs::write(&noted, "").with_context(|| format!("cannot write {}", noted.display()))
    }
}

/// Passes on to a command what it has to skip.
pub(crate) fn tell<'a>(skipped: &[&str], command: &'a mut Command) -> &'a mut Command {
    if skipped.is_empty() { command } else { command.env(SKIP, skipped.join(",")) }
}

/// Says once more, at the end, what was not proven.
pub(crate) fn recall(skipped: &[&str]) {
    for client in CLIENTS.iter().filter(|client| skipped.contains(&client.program)) {
        eprintln!("not tested, for want of `{}`: {}", client.program, client.proves);
    }
    for library in LIBRARIES_OF_OTHERS.iter().filter(|library| skipped.contains(&library.package)) {
        eprintln!("not tested, for want of `{}`: {}", library.package, library.proves);
    }
}

fn verdict(missing: &[&Client], in_ci: bool) -> Result<Vec<&'static str>> {
    let advice: Vec<String> = missing.iter().map(|client| advice(client)).collect();
    if in_ci && !missing.is_empty() {
        bail!("CI is set, and tests would be skipped: {}", advice.join("; "));
    }
    advice.iter().for_each(|line| eprintln!("going on without: {line}"));
    Ok(missing.iter().map(|client| client.program).collect())
}

fn advice(client: &Client) -> String {
    let Client { program, debian, elsewhere, proves } = client;
    format!(
        "`{program}` is missing, which proves {proves}; get it with `sudo apt-get install {debian}`, or {elsewhere}"
    )
}

fn missing(folders: &[PathBuf]) -> Vec<&'static Client> {
    CLIENTS.iter().filter(|client| !folders.iter().any(|folder| folder.join(client.program).is_file())).collect()
}

fn packages(missing: &[&Client]) -> Option<Vec<&'static str>> {
    (!missing.is_empty()).then(|| missing.iter().map(|client| client.debian).collect())
}

/// Only root installs, and only by the system's own means: a laptop is not ours to change.
fn may_install(folders: &[PathBuf]) -> bool {
    folders.iter().any(|folder| folder.join("apt-get").is_file()) && effective_user() == Some(0)
}

/// From `/proc`, because the standard library does not tell. `None` where there is no such thing.
fn effective_user() -> Option<u32> {
    effective_user_in(&std::fs::read_to_string(Path::new("/proc/self/status")).ok()?)
}

/// The second of the four numbers is the effective one.
fn effective_user_in(status: &str) -> Option<u32> {
    status.lines().find_map(|line| line.strip_prefix("Uid:"))?.split_whitespace().nth(1)?.parse().ok()
}

fn install(packages: &[&str]) -> Result<()> {
    let apt = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        // Without a limit, a machine that reaches no mirror would wait for minutes before it says so.
        command.args(["-q", "-o", "Acquire::http::Timeout=20", "-o", "Acquire::https::Timeout=20"]).args(arguments);
        step::run(command.env("DEBIAN_FRONTEND", "noninteractive"))
    };
    apt(&["update"]).context("no package lists")?;
    apt(&[&["install", "-y", "--no-install-recommends"], packages].concat()).context("not installed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_path_has_no_client() {
        assert_eq!(missing(&[]).len(), CLIENTS.len());
        assert_eq!(missing(&[PathBuf::from("/no/such/folder")]).len(), CLIENTS.len());
    }

    #[test]
    fn a_missing_client_fails_ci_and_is_skipped_elsewhere() {
        let missing: Vec<&Client> = CLIENTS.iter().collect();
        let error = verdict(&missing, true).expect_err("CI skips nothing").to_string();
        assert!(error.contains("`dig`") && error.contains("apt-get install dnsutils"), "{error}");
        let skipped = verdict(&missing, false).expect("skipped");
        let mut command = Command::new("true");
        let told = tell(&skipped, &mut command).get_envs().next().and_then(|(_, value)| value).expect("told");
        assert!(told.to_string_lossy().split(',').any(|program| program == "dig"));
    }

    #[test]
    fn nothing_is_skipped_when_all_are_there() {
        assert!(verdict(&[], true).expect("all there").is_empty());
        assert_eq!(tell(&[], &mut Command::new("true")).get_envs().count(), 0);
        assert_eq!(packages(&[]), None);
    }

    #[test]
    fn the_effective_user_is_the_second_number() {
        assert_eq!(effective_user_in("Name:\txtask\nUid:\t1000\t0\t1000\t1000\nGid:\t1\t1\t1\t1\n"), Some(0));
        assert_eq!(effective_user_in("Name:\txtask\n"), None);
    }
}
