//! What a change must pass, in steps; the first that fails is the last.
//!
//! All of it is built in one profile and with one set of features, that of the whole workspace, so that no step compiles
//! again what an earlier one has compiled.

use crate::clients;
use crate::step::{cargo, run, step};
use crate::tidy;
use anyhow::{Context, Result};
use std::path::Path;
use std::time::Instant;

/// How many seeds the simulator must survive, unless `SEEDS` says otherwise.
const SEEDS: u64 = 1_000;

/// Checks that everything is formatted.
pub(crate) fn fmt_check(root: &Path) -> Result<()> {
    step("format", || run(&mut cargo(root, &["fmt", "--all", "--check"]))).map(drop)
}

/// Runs Clippy; a warning is an error.
pub(crate) fn lint(root: &Path) -> Result<()> {
    let arguments = ["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"];
    step("lint", || run(&mut cargo(root, &arguments))).map(drop)
}

/// Formatting, lints and [`test`].
pub(crate) fn ci(root: &Path) -> Result<()> {
    fmt_check(root)?;
    lint(root)?;
    test(root)
}

/// Tidy, the real clients, every test of the workspace, and then many seeds of the simulator.
pub(crate) fn test(root: &Path) -> Result<()> {
    let start = Instant::now();
    let seeds = seeds(std::env::var("SEEDS").ok().as_deref())?;
    step("tidy", || tidy::run(root))?;
    let mut skipped = Vec::new();
    step("real clients", || {
        skipped = clients::provide(root)?;
        Ok(())
    })?;
    step("tests", || {
        let mut tests = cargo(root, &["test", "--workspace", "--locked", "--no-fail-fast"]);
        // The many seeds come last, alone and timed. Here the test's own number is enough.
        run(clients::tell(&skipped, tests.env("RUST_BACKTRACE", "1").env_remove("SEEDS")))
    })?;
    let took = step(&format!("{seeds} seeds"), || {
        // Not `-p whither-sim`: one package alone gets other features of what it depends on, and those are built anew.
        let mut simulator = cargo(root, &["test", "--workspace", "--locked", "--test", "seeds"]);
        run(simulator.env("RUST_BACKTRACE", "1").env("SEEDS", seeds.to_string()))
    })?;
    eprintln!("\n{seeds} seeds, {:.1} seeds per second", per_second(seeds, took.as_secs_f64()));
    clients::recall(&skipped);
    let what = if skipped.is_empty() { "everything" } else { "all that could be tested" };
    eprintln!("{what} passed, in {:.0} s", start.elapsed().as_secs_f64());
    Ok(())
}

fn seeds(variable: Option<&str>) -> Result<u64> {
    variable.map_or(Ok(SEEDS), |text| {
        let parsed = text.parse().ok().filter(|seeds| *seeds > 0);
        parsed.with_context(|| format!("SEEDS is `{text}`; it would be a whole number from 1, such as SEEDS={SEEDS}"))
    })
}

#[expect(clippy::cast_precision_loss, reason = "a rate for a human reader")]
fn per_second(seeds: u64, seconds: f64) -> f64 {
    seeds as f64 / seconds.max(0.001)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_seeds_is_a_thousand_unless_said() {
        assert_eq!(seeds(None).expect("the default"), 1_000);
        assert_eq!(seeds(Some("20")).expect("a number"), 20);
    }

    #[test]
    fn no_seed_at_all_would_prove_nothing_and_is_refused() {
        for wrong in ["0", "", "many", "-1"] {
            let error = seeds(Some(wrong)).expect_err(wrong).to_string();
            assert!(error.contains(&format!("`{wrong}`")), "{error}");
        }
    }
}
