//! Between the core, which carries transactions, and whoever applies them.

use std::sync::Arc;
use tokio::sync::mpsc;
use whither_directory::Directory;
use whither_model::sql::TableWork;
use whither_model::{Now, Origin};
use whither_replica::Replica;
use whither_sql::{Desk, News, Opened};

/// Users' tables of this node.
pub(crate) struct Tables {
    desk: Arc<Desk>,
    news: mpsc::UnboundedReceiver<News>,
}

/// News taken in before what they cause goes out.
const NEWS_PER_TURN: usize = 64;

impl Tables {
    /// Opens them, tells the core what they have, and lets surfaces reach them.
    pub(crate) fn open(
        config: whither_sql::Config,
        replica: &mut Replica,
        directory: &Directory,
    ) -> Result<Self, whither_sql::OpenError> {
        let Opened { desk, seen, collected, news } = whither_sql::open(config)?;
        replica.handle_tables_opened(&seen, &collected);
        directory.execute_sql_with(Arc::clone(&desk) as Arc<dyn whither_directory::sql::Sql>);
        Ok(Self { desk, news })
    }

    /// The next news. Never, once whoever applies has ended.
    pub(crate) async fn news(&mut self) -> News {
        match self.news.recv().await {
            Some(news) => news,
            None => std::future::pending().await,
        }
    }

    /// Tells the core what has happened, with whatever else has happened meanwhile.
    pub(crate) fn tell(&mut self, now: Now, replica: &mut Replica, first: News) {
        let waiting = std::iter::from_fn(|| self.news.try_recv().ok());
        for News { made, done } in std::iter::once(first).chain(waiting).take(NEWS_PER_TURN) {
            made.iter().for_each(|transaction| replica.handle_transaction(now, transaction));
            done.into_iter().for_each(|done| replica.handle_tables_done(now, done));
        }
    }

    /// Hands over what the core wants done.
    pub(crate) fn give(&self, now: Now, replica: &mut Replica, work: Vec<TableWork>) {
        for one in work {
            if let Err(not_done) = self.desk.give(one) {
                replica.handle_tables_done(now, not_done);
            }
        }
    }

    /// Says how fresh the tables are.
    pub(crate) fn show_age(&self, now: Now, replica: &Replica) {
        self.desk.set_known_until(now.mono - replica.tables_age());
    }

    /// Writes everything down and ends: nothing is taken any more. Returns what the core has not been told yet.
    pub(crate) async fn close(&mut self) -> Vec<News> {
        let desk = Arc::clone(&self.desk);
        drop(tokio::task::spawn_blocking(move || desk.close()).await);
        std::iter::from_fn(|| self.news.try_recv().ok()).collect()
    }
}

/// What SQL is told.
pub(crate) fn config(data_dir: &std::path::Path, me: Origin, directory: &Arc<Directory>) -> whither_sql::Config {
    whither_sql::Config { data_dir: data_dir.to_owned(), me, directory: Arc::clone(directory) }
}
