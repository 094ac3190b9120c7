//! Tables become what files say: when the agent starts, and whenever it is told to read them again.

use crate::cmd::SchemaText;
use std::path::PathBuf;
use std::sync::Arc;
use whither_directory::Directory;
use whither_directory::sql::SqlRefusal;
use whither_directory::vitals::TablesConcern;

/// Reads the files and changes the schema. What goes wrong is logged and shown; the agent goes on with the schema that it has.
pub(super) async fn apply(directory: Arc<Directory>, files: Vec<PathBuf>) {
    let problem = match change(&directory, files).await {
        Ok(steps) if steps.is_empty() => {
            tracing::info!("the schema files say what is so already");
            None
        }
        Ok(steps) => {
            tracing::info!(steps = steps.join(", "), "the schema was changed as its files say");
            None
        }
        Err(problem) => {
            tracing::error!(problem, "the schema files are not applied; the schema is as it was");
            Some(format!("schema files are not applied: {problem}"))
        }
    };
    directory.vitals().set_tables_problem(TablesConcern::Schema, problem);
}

/// Returns what was done, or why nothing was.
async fn change(directory: &Directory, files: Vec<PathBuf>) -> Result<Vec<String>, String> {
    let read = tokio::task::spawn_blocking(move || SchemaText::read(&files)).await;
    let text = read.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
    let Some(sql) = directory.sql() else { return Err("this node has no tables yet".into()) };
    let changed = sql.change_schema(text.sql().to_owned(), false).await;
    changed.map(|changed| changed.steps).map_err(|refusal| match &refusal {
        SqlRefusal::Schema { line, what } => {
            text.place(*line).map_or_else(|| refusal.to_string(), |place| format!("{place}: {what}"))
        }
        _ => refusal.to_string(),
    })
}
