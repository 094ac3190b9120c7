//! What users' statements may do on the connection that writes, asked of SQLite when each is prepared.

use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::{Connection, Result};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Lets the agent's own statements through, and says why it refused one of a user's.
#[derive(Clone, Debug, Default)]
pub(crate) struct Guard {
    foreign: Arc<AtomicBool>,
    reason: Arc<Mutex<Option<String>>>,
    /// Looks that are left of the present transaction; zero: it has taken too long, or none is under way.
    left: Arc<AtomicU64>,
}

/// How many steps of SQLite's machine pass between two looks.
const STEPS_PER_LOOK: i32 = 100_000;
/// Steps that one client's transaction may take: some seconds. Counted and not timed, so that it is the same in every run.
const STEPS_MAX: u64 = 300_000_000;

impl Guard {
    pub(crate) fn install(&self, conn: &mut Connection) -> Result<()> {
        let left = Arc::clone(&self.left);
        let look = move || {
            let before = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
            before == Ok(1)
        };
        conn.progress_handler(STEPS_PER_LOOK, Some(look))?;
        let guard = self.clone();
        conn.authorizer(Some(move |asked: AuthContext<'_>| {
            if !guard.foreign.load(Ordering::Relaxed) {
                return Authorization::Allow;
            }
            match refusal(&asked) {
                None => Authorization::Allow,
                Some(reason) => {
                    *guard.reason.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason);
                    Authorization::Deny
                }
            }
        }))
    }

    /// A client's transaction begins: it may take so many steps.
    pub(crate) fn begin(&self) {
        self.left.store(STEPS_MAX / u64::from(STEPS_PER_LOOK.unsigned_abs()), Ordering::Relaxed);
    }

    /// It is over: what follows is the agent's own, and takes as long as it takes. Returns whether it had taken too long.
    pub(crate) fn end(&self) -> bool {
        self.left.swap(u64::MAX, Ordering::Relaxed) == 0
    }

    /// What is prepared in `prepare` is a user's.
    ///
    /// # Errors
    /// The reason, if it was refused here, beside SQLite's error.
    pub(crate) fn watch<T>(
        &self,
        prepare: impl FnOnce() -> Result<T>,
    ) -> std::result::Result<T, (rusqlite::Error, Option<String>)> {
        self.foreign.store(true, Ordering::Relaxed);
        let outcome = prepare();
        self.foreign.store(false, Ordering::Relaxed);
        outcome.map_err(|error| (error, self.reason.lock().unwrap_or_else(PoisonError::into_inner).take()))
    }
}

fn refusal(asked: &AuthContext<'_>) -> Option<String> {
    if asked.accessor.is_some_and(|trigger| trigger.starts_with("_whither_")) {
        return None;
    }
    const SCHEMA: &str = "tables and indexes are changed with `whither schema apply`, not in transactions";
    let own = |table: &str| table.starts_with("_whither_") || table.starts_with("sqlite_");
    let describes = |table: &str| matches!(table, "sqlite_master" | "sqlite_temp_master" | "sqlite_schema");
    let kept = |table: &str| match table {
        _ if describes(table) => Some(SCHEMA.to_owned()),
        _ => own(table).then(|| format!("{table} is written by the agent alone")),
    };
    match asked.action {
        AuthAction::Select | AuthAction::Read { .. } | AuthAction::Recursive => None,
        AuthAction::Insert { table_name }
        | AuthAction::Delete { table_name }
        | AuthAction::Update { table_name, .. } => kept(table_name),
        AuthAction::Function { function_name } => {
            let inner = function_name.starts_with("whither_") || function_name == "load_extension";
            inner.then(|| format!("the function {function_name} is not for statements"))
        }
        AuthAction::Pragma { pragma_name, .. } => Some(format!("PRAGMA {pragma_name} has no place in a transaction")),
        AuthAction::Attach { .. } | AuthAction::Detach { .. } => Some("other databases cannot be attached".into()),
        AuthAction::Transaction { .. } | AuthAction::Savepoint { .. } => {
            Some("a request is one transaction already; BEGIN, COMMIT and SAVEPOINT have no place in it".into())
        }
        AuthAction::CreateTable { .. }
        | AuthAction::CreateTempTable { .. }
        | AuthAction::CreateView { .. }
        | AuthAction::CreateTrigger { .. }
        | AuthAction::CreateIndex { .. }
        | AuthAction::AlterTable { .. }
        | AuthAction::DropTable { .. }
        | AuthAction::DropIndex { .. } => Some(SCHEMA.into()),
        _ => Some("this kind of statement is not allowed here".into()),
    }
}
