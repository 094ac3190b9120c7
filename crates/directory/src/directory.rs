//! The handle that surfaces hold.

use crate::ask::Asking;
use crate::checkup::Checkups;
use crate::clock::Clock;
use crate::freshness::Freshness;
use crate::lag::Propagation;
use crate::shards::Shards;
use crate::sql::Sql;
use crate::view::{Cursor, Index, View};
use crate::vitals::Vitals;
use arc_swap::ArcSwap;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use tokio::sync::{mpsc, oneshot, watch};
use whither_model::{Command, Epoch, Instant, NodeId, NodeName, Outcome, Refusal};

/// Who answers.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Its id.
    pub node: NodeId,
    /// Its boot number.
    pub epoch: Epoch,
    /// Its name.
    pub name: NodeName,
    /// The address that instances have which name none, and where peers reach it.
    pub advertise: SocketAddr,
    /// Its failure domain; may be empty.
    pub zone: Box<str>,
    /// Its region; may be empty.
    pub region: Box<str>,
    /// Its software, for example `0.1.0`.
    pub software: Box<str>,
}

/// A command on its way to the node loop.
#[derive(Debug)]
pub struct Envelope {
    /// What is asked.
    pub command: Command,
    /// Where the answer goes. A reader that has gone away is no error.
    pub reply: oneshot::Sender<Result<Outcome, Refusal>>,
}

/// Commands in, views and watches out. One per node, shared by all surfaces.
#[derive(Debug)]
pub struct Directory {
    identity: Identity,
    clock: Clock,
    view: ArcSwap<View>,
    changed: watch::Sender<Index>,
    commands: mpsc::Sender<Envelope>,
    vitals: Vitals,
    propagation: Arc<Propagation>,
    asking: Asking,
    pub(crate) checkups: Checkups,
    sql: OnceLock<Arc<dyn Sql>>,
}

impl Directory {
    /// How many commands may wait for the node loop.
    pub const COMMANDS_MAX: usize = 16 * 1024;

    /// An empty directory, and the end of the command queue that the node loop drains.
    #[must_use]
    pub fn new(identity: Identity, clock: Clock) -> (Arc<Self>, mpsc::Receiver<Envelope>) {
        let (commands, queue) = mpsc::channel(Self::COMMANDS_MAX);
        let index = Index::first_of(identity.epoch);
        let view = View {
            index,
            listed: index,
            nodes_index: index,
            services: Shards::new(),
            nodes: Arc::default(),
            freshness: Freshness::new(Instant::DISTANT_FUTURE),
            instances: 0,
        };
        let directory = Self {
            identity,
            clock,
            view: ArcSwap::from_pointee(view),
            changed: watch::Sender::new(index),
            commands,
            vitals: Vitals::default(),
            propagation: Arc::default(),
            asking: Asking::default(),
            checkups: Checkups::default(),
            sql: OnceLock::new(),
        };
        (Arc::new(directory), queue)
    }

    /// Who answers.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The node's clock.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// How the node is doing.
    #[must_use]
    pub fn vitals(&self) -> &Vitals {
        &self.vitals
    }

    /// How long what other nodes say takes to get here.
    #[must_use]
    pub fn propagation(&self) -> &Arc<Propagation> {
        &self.propagation
    }

    /// The newest view, to keep. Costs one atomic increment; see [`Directory::peek`].
    #[must_use]
    pub fn view(&self) -> Arc<View> {
        self.view.load_full()
    }

    /// The newest view, for the length of one answer. Do not hold it across an `await`.
    #[must_use]
    pub fn peek(&self) -> arc_swap::Guard<Arc<View>> {
        self.view.load()
    }

    /// The place in this node's history that `index` is.
    #[must_use]
    pub fn cursor(&self, index: Index) -> Cursor {
        Cursor { node: self.identity.node, index }
    }

    /// Has `command` carried out. When this returns, the view already shows it.
    ///
    /// # Errors
    /// [`Refusal`]; nothing was done.
    pub async fn submit(&self, command: Command) -> Result<Outcome, Refusal> {
        let (reply, answer) = oneshot::channel();
        if let Err(refused) = self.commands.try_send(Envelope { command, reply }) {
            return Err(Refusal::Unavailable(match refused {
                mpsc::error::TrySendError::Full(_) => {
                    self.vitals.commands_refused.add(1);
                    "too many commands are waiting for this node; try again in a moment"
                }
                mpsc::error::TrySendError::Closed(_) => "this node is shutting down",
            }));
        }
        answer.await.unwrap_or(Err(Refusal::Unavailable("this node is shutting down")))
    }

    pub(crate) fn asking(&self) -> &Asking {
        &self.asking
    }

    pub(crate) fn sql_slot(&self) -> &OnceLock<Arc<dyn Sql>> {
        &self.sql
    }

    /// Wakes with every new view.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<Index> {
        self.changed.subscribe()
    }

    pub(crate) fn show(&self, view: View) {
        let index = view.index();
        self.view.store(Arc::new(view));
        self.changed.send_replace(index);
    }
}
