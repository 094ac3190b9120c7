//! What a template reads.

use crate::agent_api::Target;
use crate::agent_api::sql::Statement;
use serde_json::Value;
use std::fmt;
use whither_model::ServiceName;

/// One thing that a template reads, and that may change.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Source {
    /// What a question's answer is: the statement, and its parameters as JSON.
    Sql(String, String),
    /// A service, or a part of it.
    Service(Selection),
    /// The list of all services, or of those of a namespace.
    Services(Option<String>),
    /// The agent's own node.
    Node,
}

/// Which instances of a service.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Selection {
    /// The service.
    pub(super) service: ServiceName,
    /// Also those that callers should not use.
    pub(super) all: bool,
    /// Only with all these tags.
    pub(super) tags: Vec<String>,
    /// Only in this zone.
    pub(super) zone: Option<String>,
    /// Only of this version.
    pub(super) version: Option<String>,
}

impl Selection {
    /// Where it is asked for.
    pub(super) fn target(&self) -> Target {
        let mut target = Target::service(&self.service);
        if self.all {
            target = target.query("all", "true");
        }
        for tag in &self.tags {
            target = target.query("tag", tag);
        }
        for (key, value) in [("zone", &self.zone), ("version", &self.version)] {
            if let Some(value) = value {
                target = target.query(key, value);
            }
        }
        target
    }
}

/// The statement of a [`Source::Sql`].
pub(super) fn statement(sql: &str, params: &str) -> Statement {
    // It was JSON when it was made.
    Statement { sql: sql.to_owned(), params: serde_json::from_str(params).unwrap_or(Value::Null) }
}

impl fmt::Display for Source {
    /// As it is called in a template: for messages, and to be found again in a file's memory.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sql(sql, _) => write!(f, "sql({:?})", sql.split_whitespace().collect::<Vec<_>>().join(" ")),
            Self::Services(None) => f.write_str("services()"),
            Self::Services(Some(namespace)) => write!(f, "services({namespace:?})"),
            Self::Node => f.write_str("node()"),
            Self::Service(selection) => {
                write!(f, "service({:?}", selection.service.as_str())?;
                if selection.all {
                    f.write_str(", all=true")?;
                }
                for tag in &selection.tags {
                    write!(f, ", tag={tag:?}")?;
                }
                for (key, value) in [("zone", &selection.zone), ("version", &selection.version)] {
                    if let Some(value) = value {
                        write!(f, ", {key}={value:?}")?;
                    }
                }
                f.write_str(")")
            }
        }
    }
}
