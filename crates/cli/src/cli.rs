//! The command line: what may be typed, and how its help looks.

use crate::agent_api::AgentAddress;
use crate::cmd::Command;
use crate::failure::{EXIT_CODES, Usage};
use crate::nearest::nearest;
use clap::builder::styling::{AnsiColor, Styles};
use clap::{CommandFactory, FromArgMatches, Parser};
use std::ffi::OsString;
use std::fmt::{self, Write};

/// Service discovery: a stable name in, a freshly correct set of addresses out.
#[derive(Debug, Parser)]
#[command(
    name = "whither",
    version,
    max_term_width = 100,
    styles = Styles::styled()
        .header(AnsiColor::Green.on_default().bold())
        .usage(AnsiColor::Green.on_default().bold())
        .literal(AnsiColor::Cyan.on_default())
        .placeholder(AnsiColor::Cyan.on_default()),
    override_usage = "whither [OPTIONS] <COMMAND>\n       whither [OPTIONS] <SERVICE>",
    subcommand_required = true,
    arg_required_else_help = true,
    allow_external_subcommands = true,
    after_help = "Examples:
  whither dev                               try it: three nodes, nothing kept
  whither register prod/recos --port 8080   tell the agent beside you
  whither prod/recos                        where is prod/recos?
  whither watch prod/recos                  and tell me when that changes"
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command understands.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// The agent to ask: host:port of its HTTP API, or unix:PATH of its socket
    #[arg(
        long,
        global = true,
        value_name = "ADDR",
        env = "WHITHER_AGENT",
        hide_env_values = true,
        default_value = "127.0.0.1:7601"
    )]
    pub(crate) agent: AgentAddress,
    /// Print JSON, as the agent said it
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

/// The groups of the main help. A test checks that every command is in one.
const GROUPS: &[(&str, &[&str])] = &[
    ("Look", &["resolve", "explain", "watch", "checks", "services", "nodes", "lag", "status", "health", "doctor"]),
    ("Register", &["run", "register", "renew", "drain", "undrain", "state", "maintenance", "deregister"]),
    ("Tables and files", &["sql", "schema", "tables", "template", "backup", "restore", "import"]),
    ("Run a cluster", &["agent", "dev", "story", "config", "simulate", "ca", "join", "leave"]),
    ("More", &["completions", "help"]),
];

/// The whole command line, with its commands in groups.
pub(crate) fn command() -> clap::Command {
    let mut command = Cli::command();
    command.build();
    let mut groups = String::new();
    let styles = command.get_styles().clone();
    let (header, literal) = (styles.get_header(), styles.get_literal());
    for (title, names) in GROUPS {
        let _ = writeln!(groups, "{header}{title}:{header:#}");
        for name in *names {
            let about = command.find_subcommand(name).and_then(clap::Command::get_about);
            let about = about.map(ToString::to_string).unwrap_or_default();
            let _ = writeln!(groups, "  {literal}{name:<12}{literal:#} {about}");
        }
        groups.push('\n');
    }
    groups.push_str("A name alone is looked up: `whither prod/recos` is `whither resolve prod/recos`.");
    let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    // A fresh command: one that was built already would not take the new help.
    Cli::command()
        .help_template(format!(
            "{{about}}\n\n{{usage-heading}} {{usage}}\n\n{{before-help}}{header}Options:{header:#}\n{{options}}{{after-help}}"
        ))
        .before_help(groups)
        .after_help(format!("{after}\n\n{EXIT_CODES}"))
}

/// A word that is no command but may be meant as one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Hint {
    /// What was typed.
    pub(crate) word: String,
    /// The command it is close to.
    pub(crate) command: String,
}

impl fmt::Display for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} was taken for the name of a service; did you mean `whither {}`?", self.word, self.command)
    }
}

/// Why there is nothing to run.
#[derive(Debug)]
pub(crate) enum ParseError {
    /// Help, the version, or what is wrong with the command line.
    Clap(Box<clap::Error>),
    /// A mistyped command.
    Usage(Usage),
}

/// Parses a command line, the program's name first. A first word that is no command is the name of a service; if it is
/// close to a command, the hint says so.
///
/// # Errors
/// [`ParseError`].
pub(crate) fn parse(arguments: Vec<OsString>) -> Result<(Cli, Option<Hint>), ParseError> {
    let cli = parse_once(&arguments)?;
    let Command::Short(words) = &cli.command else { return Ok((cli, None)) };
    let at = arguments.len().saturating_sub(words.len());
    let word = words.first().map(|word| word.to_string_lossy().into_owned()).unwrap_or_default();
    let names: Vec<&str> = GROUPS.iter().flat_map(|(_, names)| names.iter().copied()).collect();
    let hint = nearest(&word, names).map(|command| Hint { word, command: command.to_owned() });
    let mut spelled_out = arguments;
    spelled_out.insert(at, OsString::from("resolve"));
    match (parse_once(&spelled_out), hint) {
        (Ok(cli), hint) => Ok((cli, hint)),
        // With flags or words that `resolve` does not take, it can only have been meant as the command.
        (Err(ParseError::Clap(error)), Some(Hint { word, command })) if error.use_stderr() => Err(ParseError::Usage(
            Usage(format!("{word} is not a command; did you mean `whither {command}`? (`whither help` lists all)")),
        )),
        (Err(error), _) => Err(error),
    }
}

fn parse_once(arguments: &[OsString]) -> Result<Cli, ParseError> {
    let matches = command().try_get_matches_from(arguments).map_err(|error| ParseError::Clap(Box::new(error)))?;
    Cli::from_arg_matches(&matches).map_err(|error| ParseError::Clap(Box::new(error.format(&mut command()))))
}
