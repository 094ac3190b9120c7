//! `whither backup`: a copy of all tables in a file.

use super::Session;
use super::services::counted;
use crate::agent_api::Target;
use crate::failure::{DONE, Usage};
use crate::progress::ProgressLine;
use crate::table::{Column, Table};
use crate::whole_file::WholeFile;
use anyhow::{Context, bail};
use serde_json::json;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use whither_sql::import::{Depth, Source, check_backup};

/// What the command takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  whither backup tables.db
  whither backup --force /backups/tables-monday.db
  whither backup - | zstd > tables.db.zst

The agent makes a copy of one moment while others go on writing, and this command looks at every page of it before it gives \
                it its name. It is an ordinary SQLite database. `whither restore` takes it; the agent makes such \
                copies by itself with tables.backup_dir and tables.backup_every. The catalog is not in it: instances \
                are registered again by whoever runs them.")]
pub(crate) struct Args {
    /// Where it goes; - is standard output
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Replace the file if it is there
    #[arg(long)]
    force: bool,
}

/// How long the agent may take to make the copy: as long as its disk needs to read and write it all.
const PATIENCE: Duration = Duration::from_secs(3_600);
/// Bytes taken at a time.
const PIECE_BYTES: usize = 256 * 1024;

/// Runs the command.
pub(crate) fn run(args: &Args, session: &mut Session) -> anyhow::Result<ExitCode> {
    if args.file.as_os_str() == "-" {
        let bytes = fetch(session, &mut std::io::stdout().lock())?;
        session.console.note(&format!("{bytes} bytes; not looked at: `whither restore` will"));
        return Ok(DONE);
    }
    if args.file.exists() && !args.force {
        let file = args.file.display();
        return Err(Usage(format!("{file} exists already; name another file, or replace it with --force")).into());
    }
    let cannot = || format!("{} cannot be written", args.file.display());
    let mut whole = WholeFile::begin(&args.file).with_context(cannot)?;
    let bytes = fetch(session, &mut whole.file)?;
    let copy = check_backup(whole.part(), Depth::Pages).context("what came is not kept")?;
    let rows = rows(&copy)?;
    drop(copy);
    whole.keep().with_context(cannot)?;
    report(&args.file, bytes, &rows, session)?;
    Ok(DONE)
}

/// Has the agent make a copy, and takes it. Returns its bytes.
fn fetch(session: &Session, to: &mut impl Write) -> anyhow::Result<u64> {
    let mut progress = ProgressLine::of_process();
    progress.show(|| "the agent makes a copy".into());
    let mut download = session.api.download(&Target::new("/v1/backup"), PATIENCE)?;
    let mut buffer = vec![0; PIECE_BYTES];
    let mut done = 0;
    loop {
        let read = download.body.read(&mut buffer).context("the agent did not finish the copy")?;
        if read == 0 {
            break;
        }
        to.write_all(&buffer[..read]).context("the copy cannot be written")?;
        done += read as u64;
        progress.show(|| {
            let share = download.bytes.filter(|all| *all > 0).map_or(0, |all| done * 100 / all);
            format!("{share:3} %, {} MiB", done >> 20)
        });
    }
    to.flush()?;
    match download.bytes {
        Some(all) if all != done => bail!("the agent did not finish the copy: {done} of {all} bytes came"),
        _ => Ok(done),
    }
}

/// How many rows each table has.
pub(super) fn rows(copy: &Source) -> anyhow::Result<Vec<(String, u64)>> {
    let tables = copy.tables()?;
    tables.into_iter().map(|table| Ok((table.name.clone(), copy.count(&table.name)?))).collect()
}

fn report(file: &Path, bytes: u64, rows: &[(String, u64)], session: &mut Session) -> anyhow::Result<()> {
    if session.json {
        let tables: Vec<_> = rows.iter().map(|(name, rows)| json!({"name": name, "rows": rows})).collect();
        let said = json!({"file": file.display().to_string(), "bytes": bytes, "tables": tables});
        return Ok(session.console.line(&said.to_string())?);
    }
    let count = counted(rows.len() as u64, "table", "tables");
    session.console.heading(&format!("{}: {bytes} bytes, {count}", file.display()))?;
    let mut table = Table::new(&["TABLE", "ROWS"].map(Column::fixed));
    rows.iter().for_each(|(name, rows)| table.push([name.into(), rows.to_string().into()]));
    Ok(session.console.table(&table)?)
}
