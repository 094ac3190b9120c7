//! `whither ca`.

use crate::console::Console;
use crate::failure::DONE;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use whither_transport::ClusterSecret;

/// What the command takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  whither ca init                            writes ./cluster.secret
  whither ca show /etc/whither/cluster.secret

A cluster has one secret. Every key and certificate between its nodes is derived from it, so there is nothing else to \
            issue, distribute or renew; and whoever holds it is a member.")]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Draw a new secret and write it to a new file that only you can read
    #[command(after_help = "Examples:
  whither ca init
  whither ca init --out /etc/whither/cluster.secret
  scp /etc/whither/cluster.secret web-2:/etc/whither/

A file that is already there is left alone: overwriting it would cut the node off from its cluster.")]
    Init {
        /// The file to write
        #[arg(long, short = 'o', value_name = "FILE", default_value = "cluster.secret")]
        out: PathBuf,
    },
    /// Show a secret's fingerprint, which is equal on all nodes of a cluster and may be shown to anyone
    #[command(after_help = "Examples:
  whither ca show /etc/whither/cluster.secret
  whither ca show cluster.secret --json")]
    Show {
        /// The file that holds the secret
        file: PathBuf,
    },
}

/// Runs the command.
pub(crate) fn run(args: &Args, console: &mut Console, json: bool) -> anyhow::Result<ExitCode> {
    match &args.command {
        Command::Init { out } => {
            let secret = ClusterSecret::generate();
            secret.write_new(out)?;
            show(out, &secret, console, json)?;
            if !json {
                console.note(&format!(
                    "Copy it to every host of the cluster, and start each agent with --secret-file {}.",
                    out.display()
                ));
            }
        }
        Command::Show { file } => {
            let secret = ClusterSecret::read(file)?;
            if let Some(warning) = ClusterSecret::permission_warning(file) {
                console.warn(&warning);
            }
            show(file, &secret, console, json)?;
        }
    }
    Ok(DONE)
}

fn show(file: &Path, secret: &ClusterSecret, console: &mut Console, json: bool) -> anyhow::Result<()> {
    let (file, fingerprint) = (file.display().to_string(), secret.fingerprint());
    if json {
        console.line(&serde_json::json!({ "file": file, "fingerprint": fingerprint }).to_string())?;
    } else {
        console.line(&format!("{file}: fingerprint {fingerprint}"))?;
    }
    Ok(())
}
