//! A server on a port of its own, and clients of it.

use crate::tables_double::TablesDouble;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};
use whither_api_pg::{Config, Running, bind, serve};
use whither_directory::{Clock, Directory, Identity};
use whither_model::{Epoch, NodeId};

/// A server.
pub(crate) struct Rig {
    pub(crate) tables: Arc<TablesDouble>,
    pub(crate) directory: Arc<Directory>,
    pub(crate) running: Running,
}

pub(crate) fn directory() -> Arc<Directory> {
    let identity = Identity {
        node: NodeId::new(1).unwrap(),
        epoch: Epoch(1),
        name: "a".parse().unwrap(),
        advertise: "127.0.0.1:7600".parse().unwrap(),
        zone: "".into(),
        region: "".into(),
        software: "0.1.0".into(),
    };
    Directory::new(identity, Clock::manual()).0
}

impl Rig {
    /// Everybody may do everything.
    pub(crate) async fn open() -> Self {
        Self::with(Config::default()).await
    }

    pub(crate) async fn with(config: Config) -> Self {
        let (directory, tables) = (directory(), TablesDouble::new());
        directory.execute_sql_with(Arc::clone(&tables) as _);
        let bound = bind("127.0.0.1:0".parse().unwrap(), &config).await.unwrap();
        let running = serve(bound, Arc::clone(&directory), config, std::future::pending());
        Self { tables, directory, running }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.running.local_addr()
    }

    /// How to connect as `user`.
    pub(crate) fn settings(&self, user: &str, password: &str) -> tokio_postgres::Config {
        let mut settings = tokio_postgres::Config::new();
        settings.host("127.0.0.1").port(self.address().port()).user(user).dbname("app");
        if !password.is_empty() {
            settings.password(password);
        }
        settings
    }

    pub(crate) async fn client(&self) -> Client {
        connect(&self.settings("ann", "")).await.unwrap()
    }

    /// What is measured under this name and label.
    pub(crate) fn counted(&self, name: &str, label: &str) -> f64 {
        let samples = self.directory.vitals().collect();
        let of = |sample: &&whither_directory::vitals::Sample| {
            sample.name == name && sample.label.as_ref().is_none_or(|(_, value)| value == label)
        };
        samples.iter().find(of).unwrap().value
    }
}

pub(crate) async fn connect(settings: &tokio_postgres::Config) -> Result<Client, tokio_postgres::Error> {
    let (client, connection) = settings.connect(NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// The SQLSTATE and the text of what was refused.
pub(crate) fn refused<T: std::fmt::Debug>(outcome: Result<T, tokio_postgres::Error>) -> (String, String) {
    let error = outcome.unwrap_err();
    let error = error.as_db_error().unwrap_or_else(|| panic!("the server says why: {error:?}"));
    (error.code().code().to_owned(), error.message().to_owned())
}

/// Rows and answers of a simple query, a line each.
pub(crate) async fn simple(client: &Client, sql: &str) -> String {
    let mut lines = Vec::new();
    for message in client.simple_query(sql).await.unwrap() {
        match message {
            SimpleQueryMessage::Row(row) => {
                let values: Vec<&str> = (0..row.len()).map(|at| row.get(at).unwrap_or("-")).collect();
                lines.push(values.join("|"));
            }
            SimpleQueryMessage::CommandComplete(rows) => lines.push(format!("={rows}")),
            _ => {}
        }
    }
    lines.join(" ")
}
