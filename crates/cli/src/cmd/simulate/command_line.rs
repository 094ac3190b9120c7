//! The command that repeats a simulation.

use super::Args;
use super::values::{deploy_text, partition_text, regions_text};
use crate::duration::exact;
use std::fmt::Write;

/// The command that gives the same result again: everything that decides it, whether it was typed or is a preset, since
/// presets may change.
pub(super) fn of(args: &Args) -> String {
    let mut text = format!(
        "whither simulate --nodes {} --regions {} --probe-interval {} --suspicion {} --loss {}",
        args.nodes,
        regions_text(args.regions),
        exact(args.probe_interval),
        args.suspicion,
        args.loss
    );
    let mut add = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            let _ = write!(text, " --{name} {value}");
        }
    };
    add("burst", args.burst.map(exact));
    add("kill", Some(args.kill.to_string()));
    add("partition", args.partition.as_ref().map(partition_text));
    add("deploy", args.deploy.as_ref().map(deploy_text));
    add("updates", Some(args.updates.to_string()));
    add("update-bytes", Some(args.update_bytes.to_string()));
    add("duration", args.length.map(exact));
    add("seed", Some(args.seed.to_string()));
    add("runs", Some(args.runs.to_string()));
    add("budget", args.budget.map(|budget| budget.to_string()));
    text
}
