//! `whither sql`: one question, or one transaction.

mod answer;
mod parameters;
mod statements;
#[cfg(test)]
mod tests;

use super::Session;
use crate::agent_api::sql::{Asking, Statement};
use crate::agent_api::{ApiError, Lines};
use crate::failure::{DONE, Usage};
use parameters::Named;
use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// What the command takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  whither sql 'SELECT name, port FROM backends WHERE pool = ?' web
  whither sql 'SELECT id, status FROM instances WHERE service = :s' --param s=prod/recos
  whither sql \"INSERT INTO backends (name, port) VALUES (?, ?)\" web-1 8080
  whither sql --file seed.sql             all statements of a file, as one transaction
  whither sql 'SELECT * FROM backends' --csv > backends.csv
  whither sql stats                       as `whither tables`

A statement that writes is sent as a transaction: it prints how many rows it changed, and its place, which --after of a later \
            question on any node takes. A PARAM that reads as a number is one, `null` is nothing, and anything else is text. Beside \
            your own tables there are nodes, members, services, instances and checks, always current. With --json, the agent's own \
            lines.")]
pub(crate) struct Args {
    /// One statement; from standard input if it is not given
    #[arg(value_name = "SQL", conflicts_with = "file")]
    sql: Option<String>,
    /// What its `?` stand for, in order
    #[arg(value_name = "PARAM", allow_negative_numbers = true)]
    params: Vec<String>,
    /// What `:name` in it stands for; may be repeated
    #[arg(long, value_name = "NAME=VALUE", conflicts_with = "params")]
    param: Vec<Named>,
    /// Execute all statements of this file, as one transaction
    #[arg(long, short = 'f', value_name = "FILE", conflicts_with_all = ["param", "csv", "after"])]
    file: Option<PathBuf>,
    /// Print CSV (RFC 4180), with a line of names first
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    /// Of what writes: when it is acknowledged
    #[arg(long, value_name = "WHEN", value_parser = ["durable", "memory"])]
    ack: Option<String>,
    /// How long it may take [default: 30 for what reads, 60 for what writes]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    timeout: Option<Duration>,
    /// See this transaction first, or these with commas between: places that a write printed
    #[arg(long, value_name = "PLACE")]
    after: Option<String>,
}

/// Runs the command.
pub(crate) fn run(args: &Args, session: &mut Session) -> anyhow::Result<ExitCode> {
    if let Some(file) = &args.file {
        return run_file(args, file, session);
    }
    let sql = match &args.sql {
        // The one word is no SQL, and is how people ask for it.
        Some(word) if word == "stats" && args.params.is_empty() => return super::tables::show(session),
        Some(sql) => sql.clone(),
        None => standard_input()?,
    };
    let statement = Statement { sql, params: parameters::of(&args.params, &args.param) };
    if statements::begins_a_write(&statement.sql) {
        return write(args, &[statement], session);
    }
    let asking = Asking { timeout: args.timeout, after: args.after.clone() };
    let asked = if args.csv {
        session.api.query_lines(&statement, &asking, "text/csv").map(Asked::Lines)
    } else if session.json {
        session.api.query_lines(&statement, &asking, "application/x-ndjson").map(Asked::Lines)
    } else {
        session.api.query(&statement, &asking).map(Asked::Rows)
    };
    match asked {
        Ok(Asked::Rows(rows)) => answer::table(rows, &mut session.console),
        Ok(Asked::Lines(lines)) => answer::pass_on(lines, args.csv, &mut session.console),
        // Whether a statement writes is the database's to say: `WITH` may begin either.
        Err(ApiError::Refused { status: 422, problem }) if says_it_writes(&problem.detail) => {
            write(args, &[statement], session)
        }
        Err(error) => Err(with_advice(alone(error), &args.sql).into()),
    }
}

/// Who creates a table here is told where that is done.
fn with_advice(error: ApiError, sql: &Option<String>) -> ApiError {
    let first = sql.as_deref().unwrap_or_default().split_whitespace().next().unwrap_or_default();
    match error {
        ApiError::Refused { status: 422, mut problem }
            if ["CREATE", "ALTER", "DROP"].iter().any(|verb| first.eq_ignore_ascii_case(verb)) =>
        {
            problem.detail += "; the schema is changed with `whither schema apply`";
            ApiError::Refused { status: 422, problem }
        }
        other => other,
    }
}

enum Asked {
    Rows(crate::agent_api::sql::Rows),
    Lines(Lines),
}

fn says_it_writes(detail: &str) -> bool {
    detail.contains("send it as a transaction")
}

fn write(args: &Args, all: &[Statement], session: &mut Session) -> anyhow::Result<ExitCode> {
    if args.csv {
        return Err(Usage("this writes, and what comes of it is no CSV; leave --csv out".into()).into());
    }
    if args.after.is_some() {
        return Err(Usage("this writes; --after is for what reads".into()).into());
    }
    let done = session.api.transact(all, args.ack.as_deref(), args.timeout);
    let done = done.map_err(|error| if all.len() == 1 { alone(error) } else { error })?;
    if session.json {
        session.console.line(done.body.trim_end())?;
    } else {
        answer::transacted(&done.value, &mut session.console)?;
    }
    Ok(DONE)
}

/// The number of the statement says nothing where there is one.
fn alone(error: ApiError) -> ApiError {
    match error {
        ApiError::Refused { status, mut problem } => {
            problem.field = problem.field.take().filter(|field| !field.starts_with('['));
            if let Some(detail) = problem.detail.strip_prefix("statement 1: ") {
                problem.detail = detail.to_owned();
            }
            ApiError::Refused { status, problem }
        }
        other => other,
    }
}

fn run_file(args: &Args, file: &Path, session: &mut Session) -> anyhow::Result<ExitCode> {
    let text = match file.to_str() {
        Some("-") => standard_input()?,
        _ => std::fs::read_to_string(file).map_err(|error| Usage(format!("{}: {error}", file.display())))?,
    };
    let all = statements::split(&text);
    if all.is_empty() {
        return Err(Usage(format!("{}: there is no statement in it", file.display())).into());
    }
    let plain: Vec<Statement> = all.iter().map(|one| Statement::plain(&text[one.bytes.clone()])).collect();
    write(args, &plain, session).map_err(|error| match error.downcast::<ApiError>() {
        Ok(ApiError::Refused { status, problem }) => {
            let (file, mut problem) = (file.display(), problem);
            let at =
                problem.field.as_deref().and_then(|field| field.strip_prefix('[')?.strip_suffix(']')?.parse().ok());
            let line = at.and_then(|at: usize| all.get(at)).map(|one| one.line);
            if let Some(line) = line {
                let detail = problem.detail.split_once(": ").map_or(&*problem.detail, |(_, what)| what);
                problem.detail = format!("{file}:{line}: {detail}; nothing of the file was done");
                problem.field = None;
            }
            ApiError::Refused { status, problem }.into()
        }
        Ok(other) => other.into(),
        Err(other) => other,
    })
}

/// All of standard input, unless somebody sits at it.
fn standard_input() -> Result<String, Usage> {
    let mut input = std::io::stdin();
    if input.is_terminal() {
        return Err(Usage("no SQL is given; for example: whither sql 'SELECT * FROM services'".into()));
    }
    let mut text = String::new();
    input.read_to_string(&mut text).map_err(|error| Usage(format!("standard input cannot be read: {error}")))?;
    if text.trim().is_empty() { Err(Usage("standard input is empty; expected SQL".into())) } else { Ok(text) }
}

/// As the agent takes it.
fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<f64>().ok().filter(|seconds| *seconds > 0.0 && *seconds <= 600.0);
    seconds.map(Duration::from_secs_f64).ok_or_else(|| "expected seconds, more than 0 and at most 600".to_owned())
}
