//! What questions may do.

use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::{Connection, Result};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// PRAGMAs that only tell.
const TELLING: &[&str] = &[
    "table_info",
    "table_xinfo",
    "table_list",
    "index_info",
    "index_xinfo",
    "index_list",
    "foreign_key_list",
    "database_list",
    "collation_list",
    "function_list",
    "module_list",
    "pragma_list",
    "compile_options",
    "user_version",
    "data_version",
    "page_count",
    "page_size",
    "freelist_count",
    "encoding",
];

/// Refuses what is not a question, and says why.
#[derive(Clone, Debug, Default)]
pub(crate) struct Guard {
    reason: Arc<Mutex<Option<String>>>,
    read: Arc<Mutex<Option<Vec<Touch>>>>,
    trusting: Arc<AtomicBool>,
}

/// What a question reads, or calls.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Touch {
    /// A column of a table.
    Column(String, String),
    /// A function.
    Function(String),
}

impl Guard {
    pub(crate) fn install(&self, conn: &mut Connection) -> Result<()> {
        let guard = self.clone();
        conn.authorizer(Some(move |asked: AuthContext<'_>| match refusal(&asked) {
            _ if guard.trusting.load(Ordering::Relaxed) => Authorization::Allow,
            None => {
                guard.note(&asked.action);
                Authorization::Allow
            }
            Some(reason) => {
                *lock(&guard.reason) = Some(reason);
                Authorization::Deny
            }
        }))
    }

    /// What is prepared in `prepare` is the agent's own.
    pub(crate) fn trust<T>(&self, prepare: impl FnOnce() -> T) -> T {
        self.trusting.store(true, Ordering::Relaxed);
        let outcome = prepare();
        self.trusting.store(false, Ordering::Relaxed);
        outcome
    }

    /// Why the last statement was refused, if it was refused here.
    pub(crate) fn reason(&self) -> Option<String> {
        lock(&self.reason).take()
    }

    /// What is prepared in `prepare` reads and calls, beside its outcome.
    pub(crate) fn watch<T>(&self, prepare: impl FnOnce() -> T) -> (T, Vec<Touch>) {
        *lock(&self.read) = Some(Vec::new());
        let outcome = prepare();
        let mut read = lock(&self.read).take().unwrap_or_default();
        read.sort();
        read.dedup();
        (outcome, read)
    }

    fn note(&self, action: &AuthAction<'_>) {
        let touch = match action {
            AuthAction::Read { table_name, column_name } => {
                Touch::Column((*table_name).to_owned(), (*column_name).to_owned())
            }
            AuthAction::Function { function_name } => Touch::Function(function_name.to_ascii_lowercase()),
            _ => return,
        };
        if let Some(read) = &mut *lock(&self.read) {
            read.push(touch);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn refusal(asked: &AuthContext<'_>) -> Option<String> {
    match asked.action {
        AuthAction::Select | AuthAction::Read { .. } | AuthAction::Recursive => None,
        AuthAction::Function { function_name: "load_extension" } => Some("extensions cannot be loaded".into()),
        AuthAction::Function { .. } => None,
        AuthAction::Pragma { pragma_name, pragma_value } => {
            let tells = TELLING.iter().any(|known| pragma_name.eq_ignore_ascii_case(known));
            // `PRAGMA user_version = 1` has a value, as `PRAGMA table_info(t)` has; only the former would write.
            let writes = pragma_value.is_some() && !pragma_name.contains("_info") && !pragma_name.contains("_list");
            (!tells || writes).then(|| format!("PRAGMA {pragma_name} is not for questions"))
        }
        AuthAction::Attach { .. } | AuthAction::Detach { .. } => Some("other databases cannot be attached".into()),
        AuthAction::Transaction { .. } | AuthAction::Savepoint { .. } => {
            Some("a question is one statement, of one snapshot; BEGIN and COMMIT have no place in it".into())
        }
        AuthAction::Insert { table_name }
        | AuthAction::Delete { table_name }
        | AuthAction::Update { table_name, .. }
            if !table_name.starts_with("sqlite_") =>
        {
            Some(format!("a question cannot write {table_name}; send it as a transaction"))
        }
        _ => Some("only statements that read are questions".into()),
    }
}
