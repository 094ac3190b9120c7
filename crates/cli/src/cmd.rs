//! The commands, one file each, and the way to them.

mod agent;
mod backup;
mod ca;
mod check;
mod checks;
mod completions;
mod config;
mod deregister;
mod description;
mod dev;
mod doctor;
mod drain;
mod explain;
mod health;
mod import;
mod join;
mod lag;
mod leave;
mod maintenance;
mod nodes;
mod others;
mod register;
mod renew;
mod resolve;
mod restore;
mod run;
mod schema;
mod services;
mod simulate;
mod sql;
mod state;
mod status;
mod story;
mod tables;
mod template;
#[cfg(test)]
mod tests;
mod undrain;
mod watch;

pub(crate) use explain::Unknown;
pub(crate) use schema::Text as SchemaText;

use crate::agent_api::{AgentApi, Answer};
use crate::cli::Global;
use crate::console::Console;
use clap::Subcommand;
use std::ffi::OsString;
use std::io;
use std::process::ExitCode;

/// What can be asked for.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run an agent, here, until it is told to stop
    Agent(agent::Args),
    /// Run a cluster of three on loopback to try things out; nothing is kept
    Dev(dev::Args),
    /// Play one of the stories that this was made for, with real processes on loopback
    Story(story::Args),
    /// Register an instance with the agent, or set it anew
    Register(register::Args),
    /// Run a server: registered while it lives, drained before it stops
    Run(run::Args),
    /// Remove an instance for good
    Deregister(deregister::Args),
    /// Say that an instance lives: start its lease anew
    Renew(renew::Args),
    /// Send an instance nothing new; it finishes what it has
    Drain(drain::Args),
    /// Put a drained instance back in service
    Undrain(undrain::Args),
    /// Set where an instance is in its life
    State(state::Args),
    /// List the cluster's nodes
    Nodes(nodes::Args),
    /// List the services
    Services(services::Args),
    /// Show where a service is, and how sure that is
    Resolve(resolve::Args),
    /// Say why each instance is as it is, and what other nodes say otherwise
    Explain(explain::Args),
    /// Show what an instance's checks found
    Checks(checks::Args),
    /// Print what changes, as it changes
    Watch(watch::Args),
    /// Find which cache, file or connection of this host lies about a service
    Doctor(doctor::Args),
    /// Ask, or write, in SQL: your tables, and the catalog
    Sql(sql::Args),
    /// Show the schema of your tables, or make it what files say
    Schema(schema::Args),
    /// Show how large your tables are, and who writes
    Tables(tables::Args),
    /// Keep files that are made of the catalog and your tables up to date
    Template(Box<template::Args>),
    /// Write a copy of your tables to a file, while everybody goes on writing
    Backup(backup::Args),
    /// Make a backup the tables of a node, or of a running cluster
    Restore(restore::Args),
    /// Make tables of what another program has
    Import(import::Args),
    /// Make the agent look for a cluster
    Join(join::Args),
    /// Make the agent say goodbye to its cluster
    Leave(leave::Args),
    /// Show how long changes take between all nodes, as they measure it all the time
    Lag(lag::Args),
    /// Show how the agent is
    Health(health::Args),
    /// Show which guards are at work, and what they protect
    Status(status::Args),
    /// Take the agent's host, with all its instances, out of service, or back
    Maintenance(maintenance::Args),
    /// Make and look at cluster secrets
    Ca(ca::Args),
    /// Print a completion script for a shell
    Completions(completions::Args),
    /// Print an example configuration, or check one
    Config(config::Args),
    /// Try settings in a simulator: detection, traffic, false alarms
    Simulate(simulate::Args),
    /// A name alone
    #[command(external_subcommand)]
    Short(Vec<OsString>),
}

/// Whose answer is wanted.
#[derive(Debug, clap::Args)]
struct From {
    /// The answer of this node, by name or id; the agent asks it
    #[arg(long, value_name = "NODE")]
    from: Option<String>,
}

impl From {
    /// The node's name or id, if one is wanted.
    fn name(&self) -> Option<&str> {
        self.from.as_deref()
    }
}

/// What a command that asks an agent works with.
pub(crate) struct Session {
    /// The agent.
    pub(crate) api: AgentApi,
    /// Where to speak.
    pub(crate) console: Console,
    /// Whether to print JSON.
    pub(crate) json: bool,
}

impl Session {
    /// Prints what an agent answered: as it came, or in words.
    fn say<T>(&mut self, answer: &Answer<T>, words: impl FnOnce(&T) -> String) -> io::Result<()> {
        let words = if self.json { answer.body.trim_end().to_owned() } else { words(&answer.value) };
        self.console.line(&words)
    }
}

/// Runs `command`.
///
/// # Errors
/// Whatever the command says.
pub(crate) fn run(command: Command, global: &Global) -> anyhow::Result<ExitCode> {
    let session =
        || Session { api: AgentApi::new(global.agent.clone()), console: Console::of_process(), json: global.json };
    match command {
        Command::Agent(args) => agent::run(&args),
        Command::Dev(args) => dev::run(&args, global),
        Command::Story(args) => story::run(&args, global.json),
        Command::Register(args) => register::run(&args, &mut session()),
        Command::Run(args) => run::run(&args, session()),
        Command::Deregister(args) => deregister::run(&args, &mut session()),
        Command::Renew(args) => renew::run(&args, &mut session()),
        Command::Drain(args) => drain::run(&args, &mut session()),
        Command::Undrain(args) => undrain::run(&args, &mut session()),
        Command::State(args) => state::run(&args, &mut session()),
        Command::Nodes(args) => nodes::run(&args, &mut session()),
        Command::Services(args) => services::run(&args, &mut session()),
        Command::Resolve(args) => resolve::run(&args, &mut session()),
        Command::Explain(args) => explain::run(&args, &mut session()),
        Command::Checks(args) => checks::run(&args, &mut session()),
        Command::Watch(args) => watch::run(&args, &mut session()),
        Command::Doctor(args) => doctor::run(&args, &mut session()),
        Command::Sql(args) => sql::run(&args, &mut session()),
        Command::Schema(args) => schema::run(&args, &mut session()),
        Command::Tables(args) => tables::run(&args, &mut session()),
        Command::Template(args) => template::run(&args, session()),
        Command::Backup(args) => backup::run(&args, &mut session()),
        Command::Restore(args) => restore::run(&args, &mut session()),
        Command::Import(args) => import::run(&args, &mut session()),
        Command::Join(args) => join::run(&args, &mut session()),
        Command::Leave(args) => leave::run(&args, &mut session()),
        Command::Lag(args) => lag::run(&args, &mut session()),
        Command::Health(args) => health::run(&args, &mut session()),
        Command::Status(args) => status::run(&args, &mut session()),
        Command::Maintenance(args) => maintenance::run(&args, &mut session()),
        Command::Ca(args) => ca::run(&args, &mut Console::of_process(), global.json),
        Command::Completions(args) => completions::run(&args, &mut Console::of_process()),
        Command::Config(args) => config::run(&args, &mut Console::of_process(), global.json),
        Command::Simulate(args) => simulate::run(&args, &mut Console::of_process(), global.json),
        // The parser has spelled it out; see `cli::parse`.
        Command::Short(words) => Err(crate::failure::Usage(format!("{words:?} is not a command")).into()),
    }
}
