//! What clients ask of PostgreSQL's own catalog, answered from SQLite's: `\d` of psql, the inspection of mappers, and a few others.
//!
//! Nothing of it is executed. A question is recognised by the relation that it is about; the conditions that it names are
//! applied, and each of its columns is looked up by name. What PostgreSQL would have and SQLite has not (rights, triggers,
//! inheritance) is answered with no rows. What is not recognised is refused, and says so.

mod condition;
mod indexes;
mod kinds;
mod pattern;
mod question;
mod relations;
mod snapshot;
mod surroundings;

use crate::column::Field;
use crate::dialect::Facts;
use crate::problem::Problem;
use crate::tokens::{Token, tokens};
use question::Question;
use snapshot::Snapshot;
use std::collections::BTreeMap;
use std::sync::Arc;
use whither_directory::sql::Sql;
use whither_model::sql::Value;

/// What is known of the session that asks.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    /// Who, and of what.
    pub(crate) facts: Facts,
    /// The parameters of the session.
    pub(crate) settings: Vec<(&'static str, String)>,
}

/// A row: values by the names that a question may use for them.
type Row = BTreeMap<&'static str, Value>;

/// An answer: its columns and its rows.
pub(crate) type Table = (Vec<Field>, Vec<Vec<Value>>);

/// Relations that are always empty here: SQLite has nothing of the kind.
const EMPTY: &[&str] = &[
    "pg_aggregate",
    "pg_attrdef",
    "pg_auth_members",
    "pg_cast",
    "pg_conversion",
    "pg_default_acl",
    "pg_depend",
    "pg_description",
    "pg_enum",
    "pg_event_trigger",
    "pg_extension",
    "pg_foreign_data_wrapper",
    "pg_foreign_server",
    "pg_foreign_table",
    "pg_inherits",
    "pg_language",
    "pg_largeobject_metadata",
    "pg_locks",
    "pg_matviews",
    "pg_opclass",
    "pg_operator",
    "pg_opfamily",
    "pg_partitioned_table",
    "pg_policies",
    "pg_policy",
    "pg_prepared_statements",
    "pg_prepared_xacts",
    "pg_proc",
    "pg_publication",
    "pg_publication_namespace",
    "pg_publication_rel",
    "pg_publication_tables",
    "pg_range",
    "pg_replication_slots",
    "pg_rewrite",
    "pg_seclabel",
    "pg_sequence",
    "pg_sequences",
    "pg_shdescription",
    "pg_stat_activity",
    "pg_stat_user_tables",
    "pg_statistic_ext",
    "pg_subscription",
    "pg_tablespace",
    "pg_timezone_names",
    "pg_trigger",
    "pg_ts_config",
    "pg_ts_dict",
    "pg_ts_parser",
    "pg_ts_template",
    "pg_user_mappings",
    "pg_db_role_setting",
    "sequences",
    "triggers",
    "routines",
    "check_constraints",
    "referential_constraints",
    "domains",
];

/// Relations of which something is known.
const KNOWN: &[&str] = &[
    "pg_am",
    "pg_attribute",
    "pg_class",
    "pg_collation",
    "pg_constraint",
    "pg_database",
    "pg_index",
    "pg_indexes",
    "pg_namespace",
    "pg_roles",
    "pg_authid",
    "pg_settings",
    "pg_tables",
    "pg_type",
    "pg_user",
    "pg_views",
];

/// Relations of the information schema of which something is known.
const INFORMATION: &[&str] = &["tables", "columns", "schemata", "views", "key_column_usage", "table_constraints"];

/// Whether a statement is about PostgreSQL's own catalog.
pub(crate) fn is_about(tokens: &[Token<'_>]) -> bool {
    (0..tokens.len()).any(|at| relation(tokens, at).is_some())
}

/// The relation of the catalog that is named at `at`, if it is named as one.
fn relation(tokens: &[Token<'_>], at: usize) -> Option<String> {
    let is = |at: usize, word: &str| tokens.get(at).is_some_and(|token| token.is(word));
    let name = tokens[at].name()?;
    if is(at + 1, ".") || is(at + 1, "(") {
        return None;
    }
    let qualified = at >= 2 && tokens[at - 1].is(".");
    let begin = if qualified { at - 2 } else { at };
    let named = begin > 0 && ["from", "join", ",", "only"].iter().any(|word| tokens[begin - 1].is(word));
    let schema = if qualified { tokens[begin].name() } else { None };
    let about = match schema.as_deref() {
        Some("information_schema") => true,
        Some("pg_catalog") => true,
        None => name.starts_with("pg_") && (EMPTY.contains(&name.as_str()) || KNOWN.contains(&name.as_str())),
        Some(_) => false,
    };
    (named && about).then_some(name)
}

/// Answers a question about PostgreSQL's own catalog.
///
/// # Errors
/// It is not recognised, or SQLite's catalog cannot be read.
pub(crate) async fn answer(
    sql: Arc<dyn Sql>,
    text: String,
    parameters: Vec<Value>,
    context: Context,
) -> Result<Table, Problem> {
    let snapshot = Snapshot::take(&*sql).await?;
    let tokens = tokens(&text)?;
    answer_from(&snapshot, &tokens, &parameters, &context)
}

fn answer_from(
    snapshot: &Snapshot,
    tokens: &[Token<'_>],
    parameters: &[Value],
    context: &Context,
) -> Result<Table, Problem> {
    let question = Question::read(tokens, parameters)?;
    if let Some(inner) = question.inner {
        let (_, rows) = answer_from(snapshot, inner, parameters, context)?;
        let field = Field::new(question.columns[0].name.clone(), crate::column::Kind::Bool);
        return Ok((vec![field], vec![vec![Value::Integer(i64::from(!rows.is_empty()))]]));
    }
    let rows = rows_of(&question, snapshot, context)?;
    let rows: Vec<Row> = rows.into_iter().filter(|row| question.allows(row)).collect();
    if question.counts {
        let field = Field::new(question.columns[0].name.clone(), crate::column::Kind::Int);
        let count = i64::try_from(rows.len()).unwrap_or(i64::MAX);
        return Ok((vec![field], vec![vec![Value::Integer(count)]]));
    }
    let fields = question.columns.iter().map(|column| Field::new(column.name.clone(), kinds::of(column))).collect();
    let value = |row: &Row, column: &question::Column| {
        let known = row.get(column.name.to_ascii_lowercase().as_str()).or_else(|| row.get(column.source.as_str()));
        known.cloned().unwrap_or(column.constant.clone())
    };
    let rows = rows.iter().map(|row| question.columns.iter().map(|column| value(row, column)).collect()).collect();
    Ok((fields, rows))
}

/// As if there were no tables and no parameters.
#[cfg(test)]
pub(crate) fn answer_of_nothing(tokens: &[Token<'_>]) -> Result<Table, Problem> {
    let context = Context { facts: Facts::default(), settings: Vec::new() };
    answer_from(&Snapshot::default(), tokens, &[], &context)
}

/// The rows that a question is about, before its conditions.
fn rows_of(question: &Question<'_>, snapshot: &Snapshot, context: &Context) -> Result<Vec<Row>, Problem> {
    let has = |name: &str| question.relations.iter().any(|relation| relation == name);
    let main = question.main.as_deref().or_else(|| question.relations.first().map(String::as_str)).unwrap_or_default();
    // A question for what inherits from a relation names that one as well.
    if question.joins("pg_inherits") || question.joins("pg_trigger") || question.joins("pg_rewrite") {
        return Ok(Vec::new());
    }
    Ok(match main {
        // Keys are asked for by grouping the columns of what a subquery finds.
        _ if question.main.is_none() && has("pg_constraint") => indexes::primary_keys(snapshot),
        "pg_constraint" => indexes::primary_keys(snapshot),
        "pg_class" | "pg_namespace" if has("pg_attribute") && !has("pg_index") => relations::columns(snapshot, context),
        "pg_class" if question.joins("pg_index") => indexes::by_table(snapshot, context),
        "pg_class" if question.lists_indexes() => indexes::all(snapshot, context),
        "pg_class" => relations::all(snapshot, context),
        "pg_index" if has("pg_am") => indexes::with_table(snapshot, context),
        "pg_index" | "pg_indexes" => indexes::all(snapshot, context),
        "pg_attribute" => [relations::columns(snapshot, context), indexes::columns(snapshot)].concat(),
        "columns" => relations::columns(snapshot, context),
        "pg_tables" | "pg_views" | "tables" | "views" => {
            let kind = |row: &Row| match main {
                "pg_tables" => row.get("relkind") != Some(&relations::text("v")),
                "pg_views" | "views" => row.get("relkind") == Some(&relations::text("v")),
                _ => true,
            };
            let all = relations::all(snapshot, context);
            all.into_iter().filter(|row| row.get("relkind") != Some(&relations::text("i")) && kind(row)).collect()
        }
        "key_column_usage" | "table_constraints" => indexes::key_columns(snapshot, context, main == "key_column_usage"),
        "pg_namespace" | "schemata" => surroundings::schemas(context),
        "pg_database" => surroundings::databases(context),
        "pg_roles" | "pg_user" | "pg_authid" => surroundings::roles(context),
        "pg_settings" => surroundings::settings(context),
        "pg_am" => surroundings::access_methods(),
        "pg_collation" => Vec::new(),
        "pg_type" => kinds::all(),
        name if EMPTY.contains(&name) => Vec::new(),
        name => {
            let known = KNOWN.iter().chain(INFORMATION).copied().collect::<Vec<_>>().join(", ");
            let what = format!("PostgreSQL's catalog is only imitated here, and {name:?} is not part of that");
            return Err(Problem::unsupported(what).hint(format!("there are: {known}")));
        }
    })
}

#[cfg(test)]
mod tests;
