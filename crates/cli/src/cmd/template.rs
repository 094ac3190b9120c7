//! `whither template`.

use super::Session;
use crate::failure::Usage;
use crate::template::{self, Options, Spec, Wait};
use std::process::ExitCode;

/// What the command takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  whither template haproxy.cfg.tmpl:/etc/haproxy/haproxy.cfg \\
      --check 'haproxy -c -f {}' --exec 'systemctl reload haproxy'
  whither template targets.json.tmpl:/etc/prometheus/whither.json
  whither template a.tmpl:/etc/a.cfg:'systemctl reload a' b.tmpl:/etc/b.cfg:'systemctl reload b'
  whither template haproxy.cfg.tmpl:/tmp/haproxy.cfg --dry-run

Templates are Jinja's. They read with service(\"prod/recos\"), services(), sql(\"SELECT …\", …) and node(), and are rendered \
            anew when any of that changes: the first change at once, those that follow as --wait says. A file is replaced as \
            a whole, with its mode and owner, after --check said yes; a command runs only when the file has changed, and again \
            if it failed. Whatever goes wrong, the file stays: an agent that is gone, an answer that fails, a service that had \
            instances and now has none. With --json, a line for each thing that is done. SIGHUP reads the templates again.")]
pub(crate) struct Args {
    /// What is made of what, and what is run when it has changed
    #[arg(required = true, value_name = "TEMPLATE:OUTPUT[:COMMAND]")]
    specs: Vec<Spec>,
    /// What is run when a file has changed that names no command of its own; for at most 30 s
    #[arg(long, value_name = "COMMAND", help_heading = "Files")]
    exec: Option<String>,
    /// What has to succeed before a file is replaced; {} is the new file
    #[arg(long, value_name = "COMMAND", value_parser = names_the_file, help_heading = "Files")]
    check: Option<String>,
    /// Keep the file as it was before as OUTPUT.bak
    #[arg(long, help_heading = "Files")]
    backup: bool,
    /// The files' mode, octal [default: what it was, or 0644]
    #[arg(long, value_name = "MODE", value_parser = mode, help_heading = "Files")]
    mode: Option<u32>,
    /// Render a service that has lost all its instances, too
    #[arg(long, help_heading = "Files")]
    allow_empty: bool,
    /// Gather changes until it was quiet for MIN, but for MAX at most
    #[arg(long, value_name = "MIN:MAX", default_value = "50ms:1s", help_heading = "When")]
    wait: Wait,
    /// Make the files, run the commands, and end
    #[arg(long, help_heading = "When")]
    once: bool,
    /// Print what the files would be; write and run nothing
    #[arg(long, conflicts_with_all = ["once", "json"], help_heading = "When")]
    dry_run: bool,
}

/// Runs the command.
pub(crate) fn run(args: &Args, session: Session) -> anyhow::Result<ExitCode> {
    let mut specs = args.specs.clone();
    for (at, spec) in args.specs.iter().enumerate() {
        if args.specs[..at].iter().any(|other| other.output == spec.output) {
            return Err(Usage(format!("{} is made twice", spec.output.display())).into());
        }
    }
    for spec in specs.iter_mut().filter(|spec| spec.command.is_none()) {
        spec.command.clone_from(&args.exec);
    }
    let options = Options {
        specs,
        check: args.check.clone(),
        allow_empty: args.allow_empty,
        wait: args.wait,
        backup: args.backup,
        mode: args.mode,
    };
    if args.dry_run {
        template::dry_run(&options, session)
    } else if args.once {
        template::once(&options, session)
    } else {
        template::keep(&options, session)
    }
}

fn mode(text: &str) -> Result<u32, String> {
    let mode = u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o777);
    mode.ok_or_else(|| "expected an octal mode, for example 0644".to_owned())
}

/// A check of the file that is there already would say nothing of the new one.
fn names_the_file(text: &str) -> Result<String, String> {
    let names = text.contains("{}").then(|| text.to_owned());
    names.ok_or_else(|| "expected {} where the new file's name goes, for example 'haproxy -c -f {}'".to_owned())
}
