//! All benchmarks, by name.

mod consul;
mod death;
mod dns;
mod join;
mod limits;
mod memory;
mod propagate;
mod renew;
mod resolve;
mod session;
mod spread;
mod tables;

pub(crate) use session::hold;

use crate::report::Report;
use crate::setup::Setup;
use anyhow::Result;

/// One benchmark.
pub(crate) struct Benchmark {
    /// What it is called on the command line.
    pub(crate) name: &'static str,
    /// What it measures, in one line.
    pub(crate) about: &'static str,
    /// Measures. What was found before an error stays in the report.
    pub(crate) run: fn(&Setup, &mut Report) -> Result<()>,
}

/// Every benchmark, in the order in which `all` runs them.
pub(crate) const ALL: [Benchmark; 12] = [
    limits::BENCHMARK,
    propagate::BENCHMARK,
    session::BENCHMARK,
    death::BENCHMARK,
    spread::BENCHMARK,
    resolve::BENCHMARK,
    dns::BENCHMARK,
    renew::BENCHMARK,
    memory::BENCHMARK,
    join::BENCHMARK,
    tables::BENCHMARK,
    consul::BENCHMARK,
];

/// What may be asked for.
pub(crate) fn names() -> Vec<&'static str> {
    ["list", "all", crate::reality::NAME].into_iter().chain(ALL.iter().map(|one| one.name)).collect()
}
