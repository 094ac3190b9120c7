//! Clients that are not ours: programs on `PATH`, and libraries that `cargo xtask test` installs.

use super::{Agent, Cluster};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Whether something is there; in CI it has to be.
fn there(found: bool, what: &str) -> bool {
    let in_ci = std::env::var("CI").is_ok_and(|value| !value.is_empty() && value != "false");
    assert!(found || !in_ci, "CI must have {what}: `cargo xtask test` installs it");
    if !found {
        println!("nothing is asked: there is no {what}; `cargo xtask test` installs it");
    }
    found
}

/// Whether there is a program that says its version.
pub(crate) fn has_program(program: &str) -> bool {
    has_program_that(program, "--version")
}

/// The same of one that is asked for its version in another way.
pub(crate) fn has_program_that(program: &str, version: &str) -> bool {
    let mut command = Command::new(program);
    let found = command.arg(version).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    there(found, program)
}

/// Where a library's language is installed, if the library is.
pub(crate) fn library(package: &str, folder: &str) -> Option<PathBuf> {
    let home = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/clients");
    let noted = |entry: std::io::Result<std::fs::DirEntry>| {
        entry.is_ok_and(|entry| entry.file_name().to_string_lossy().starts_with(&format!("{package}-")))
    };
    let found = home.read_dir().is_ok_and(|mut entries| entries.any(noted));
    there(found, package).then(|| home.join(folder))
}

/// A client in another language is given the ports of two agents, and says by its exit code whether it was answered as it expects.
#[track_caller]
pub(crate) fn run(command: &mut Command, script: &str, surface: impl Fn(&Agent) -> SocketAddr) {
    let cluster = Cluster::of(&["a", "b"]);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stories").join(script);
    command.arg(script).args(cluster.agents().iter().map(|agent| surface(agent).port().to_string()));
    let output = command.stdin(Stdio::null()).output().expect("the client runs");
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}{}", said(&output.stdout), said(&output.stderr));
    assert_eq!(said(&output.stdout).trim(), "done");
}
