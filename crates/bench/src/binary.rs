//! Finding the agent that is to be measured, or building it.

use anyhow::{Context, Result, bail, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What builds the agent.
const BUILD: &str = "cargo build --release -p whither";

/// The agent of the release profile that lies beside this program.
pub(crate) fn find_or_build(may_build: bool) -> Result<PathBuf> {
    let own = std::env::current_exe().context("cannot find out where this program is")?;
    let path = agent_beside(&own);
    if path.is_file() {
        return Ok(path);
    }
    if !may_build {
        bail!("{} is missing; build it with: {BUILD}", path.display());
    }
    eprintln!("{} is missing; running: {BUILD}", path.display());
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut words = BUILD.split(' ').skip(1);
    let built = Command::new(cargo).args(&mut words).current_dir(env!("CARGO_MANIFEST_DIR")).status();
    let built = built.with_context(|| format!("cannot run {BUILD}"))?;
    ensure!(built.success(), "{BUILD} failed ({built})");
    ensure!(
        path.is_file(),
        "{BUILD} succeeded, but {} is still missing; say where it is with --binary",
        path.display()
    );
    Ok(path)
}

/// `…/release/whither` for `…/release/whither-bench`, and also for a debug build of this program and for its tests.
fn agent_beside(own: &Path) -> PathBuf {
    let target = own.ancestors().skip(1).find(|dir| dir.ends_with("release") || dir.ends_with("debug"));
    match target.and_then(Path::parent) {
        Some(target) => target.join("release/whither"),
        None => own.with_file_name("whither"),
    }
}

#[cfg(test)]
mod tests {
    use super::agent_beside;
    use std::path::Path;

    #[test]
    fn the_agent_is_the_release_build_beside_this_program() {
        let beside = |own: &str| agent_beside(Path::new(own));
        assert_eq!(beside("/w/target/release/whither-bench"), Path::new("/w/target/release/whither"));
        assert_eq!(beside("/w/target/debug/whither-bench"), Path::new("/w/target/release/whither"));
        assert_eq!(beside("/w/target/debug/deps/whither_bench-1f"), Path::new("/w/target/release/whither"));
        assert_eq!(beside("/usr/bin/whither-bench"), Path::new("/usr/bin/whither"));
    }
}
