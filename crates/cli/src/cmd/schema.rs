//! `whither schema`: what users' tables are, and what they shall be.

mod text;

use super::Session;
use crate::agent_api::ApiError;
use crate::agent_api::sql::{Asking, Statement};
use crate::failure::DONE;
use serde_json::Value;
use std::path::PathBuf;
use std::process::ExitCode;
pub(crate) use text::Text;

/// What the command takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  whither schema apply schema.sql --plan
  whither schema apply schema/
  whither schema show > schema.sql")]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Make the tables what these files say; every node follows
    #[command(after_help = "Examples:
  whither schema apply schema.sql
  whither schema apply schema.sql --plan     only say what would be changed
  whither schema apply schema/ extra.sql     *.sql of a directory, by name
  cat *.sql | whither schema apply -

CREATE TABLE, CREATE INDEX, ALTER TABLE, DROP TABLE and DROP INDEX. All files are one change: it is made as a whole or not at all, \
                and what is so already stays as it is, so the same files may be applied again.")]
    Apply {
        /// Files, directories of *.sql, or - for standard input
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// Change nothing; say what would be changed
        #[arg(long)]
        plan: bool,
    },
    /// Print the schema as SQL
    #[command(after_help = "Examples:
  whither schema show
  whither schema show | diff - schema.sql")]
    Show,
}

/// Tables first: what an index is of has to be there.
const SCHEMA: &str = r"SELECT sql FROM sqlite_schema WHERE name NOT LIKE '\_whither\_%' ESCAPE '\' AND name NOT LIKE 'sqlite_%' AND type IN ('table','index') AND sql IS NOT NULL ORDER BY type DESC, name";

/// Runs the command.
pub(crate) fn run(args: &Args, session: &mut Session) -> anyhow::Result<ExitCode> {
    match &args.command {
        Command::Apply { files, plan } => apply(&Text::read(files)?, *plan, session),
        Command::Show => show(session),
    }
}

fn apply(text: &Text, only_plan: bool, session: &mut Session) -> anyhow::Result<ExitCode> {
    let answer = session.api.change_schema(text.sql(), only_plan).map_err(|error| placed(error, text))?;
    if session.json {
        session.console.line(answer.body.trim_end())?;
        return Ok(DONE);
    }
    let changed = answer.value;
    if changed.steps.is_empty() {
        session.console.line("nothing to change")?;
    }
    changed.steps.iter().try_for_each(|step| session.console.line(step))?;
    match changed.place {
        _ if only_plan && !changed.steps.is_empty() => session.console.note("nothing was changed: this is the plan"),
        Some(place) => session.console.note(&format!("changed at {place}")),
        None => {}
    }
    Ok(DONE)
}

/// The error with the file and its line in place of the line of all files together.
fn placed(error: ApiError, text: &Text) -> ApiError {
    let ApiError::Refused { status, mut problem } = error else { return error };
    let line = problem.field.as_deref().and_then(|field| field.strip_prefix("line ")?.parse().ok());
    if let Some(place) = line.and_then(|line| text.place(line)) {
        let said = problem.field.take().unwrap_or_default();
        let what = problem.detail.strip_prefix(&format!("{said}: ")).unwrap_or(&problem.detail);
        problem.detail = format!("{place}: {what}");
    }
    ApiError::Refused { status, problem }
}

fn show(session: &mut Session) -> anyhow::Result<ExitCode> {
    let rows = session.api.query(&Statement::plain(SCHEMA), &Asking::default())?;
    let (_, rows) = rows.all()?;
    let statements: Vec<&str> = rows.iter().filter_map(|row| row.first()?.as_str()).collect();
    if session.json {
        session.console.line(&Value::from(statements).to_string())?;
        return Ok(DONE);
    }
    if statements.is_empty() {
        session.console.note("there is no table yet; `whither schema apply FILE` makes some");
    }
    for statement in statements {
        session.console.line(&format!("{};", statement.trim_end()))?;
    }
    Ok(DONE)
}
