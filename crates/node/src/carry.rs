//! Carrying out what the core wants done, in the order that keeps its promises.

use crate::error::NodeError;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use tokio::sync::oneshot;
use whither_directory::Publisher;
use whither_directory::vitals::Vitals;
use whither_model::{Command, Delta, Member, MemberState, NodeId, Outcome, Refusal, Ticket};
use whither_replica::{DurableReplies, Ready, Route};
use whither_store::{BatchNumber, CommitError, Journal, Report};
use whither_transport::Transport;

type Reply = oneshot::Sender<Result<Outcome, Refusal>>;

/// What reaches out of the loop.
pub(crate) struct Hands {
    pub(crate) transport: Transport,
    pub(crate) journal: Arc<Journal>,
    publisher: Publisher,
    /// What the log last said of each member.
    logged: HashMap<NodeId, MemberState>,
    /// Whether any other node has been alive in this run.
    pub(crate) met_anybody: bool,
    own: NodeId,
}

impl Hands {
    pub(crate) fn new(own: NodeId, transport: Transport, journal: Arc<Journal>, publisher: Publisher) -> Self {
        Self { transport, journal, publisher, logged: HashMap::new(), met_anybody: false, own }
    }

    /// Sends, keeps, shows, answers. Sending needs no disk: the epoch is durable. Views are shown before anybody is told.
    pub(crate) fn carry_out(&mut self, ready: Ready, answers: &mut Answers) {
        for transmit in ready.transmit {
            match transmit.route {
                Route::Datagram => self.transport.send_datagram(&transmit.to, &transmit.bytes),
                Route::Stream => {
                    transmit.to.iter().for_each(|to| self.transport.send_message(*to, transmit.bytes.clone()));
                }
            }
        }
        for delta in ready.deltas {
            if let Delta::Member(member) = &delta {
                self.log(member);
            }
            self.publisher.apply(delta);
        }
        self.publisher.publish();
        let awaited = !ready.durable_replies.is_empty();
        if awaited || !ready.journal.is_empty() {
            let number = self.journal.append(ready.journal, awaited);
            if awaited {
                answers.after(number, ready.durable_replies);
            }
        }
        for (ticket, result) in ready.replies {
            answers.answer(ticket, result);
        }
    }

    /// Tells the log what membership found out: the first thing that is looked for at three in the morning.
    fn log(&mut self, member: &Member) {
        let Member { id, name, address, epoch, state, .. } = member;
        if self.logged.insert(*id, *state) == Some(*state) {
            return;
        }
        self.met_anybody |= *id != self.own && *state == MemberState::Alive;
        let epoch = epoch.0;
        let name = if name.as_str().is_empty() { "(not heard yet)" } else { name.as_str() };
        match state {
            MemberState::Alive => tracing::info!(node = %id, name, %address, epoch, "member is alive"),
            MemberState::Suspect => {
                tracing::info!(node = %id, name, %address, epoch, "member is suspected to be down")
            }
            MemberState::Down => tracing::warn!(node = %id, name, %address, epoch, "member is down"),
            MemberState::Left => tracing::info!(node = %id, name, %address, epoch, "member said goodbye"),
        }
    }

    /// Stops sending and writes everything down.
    pub(crate) async fn close(self) -> Result<(), NodeError> {
        self.transport.close().await;
        match Arc::try_unwrap(self.journal) {
            // On this thread nothing else is left to hold up.
            Ok(journal) => journal.close().map_err(NodeError::from),
            // Somebody is collecting metrics at this very moment; dropping the last handle closes it as well.
            Err(shared) => {
                drop(shared);
                Ok(())
            }
        }
    }
}

/// Who waits for an answer.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    last: u64,
    open: HashMap<Ticket, Reply>,
    durable: VecDeque<(BatchNumber, DurableReplies)>,
}

impl Answers {
    pub(crate) fn await_answer(&mut self, reply: Reply) -> Ticket {
        let ticket = self.nobody();
        self.open.insert(ticket, reply);
        ticket
    }

    /// A ticket whose answer nobody waits for.
    pub(crate) fn nobody(&mut self) -> Ticket {
        self.last += 1;
        Ticket(self.last)
    }

    fn answer(&mut self, ticket: Ticket, result: Result<Outcome, Refusal>) {
        if let Some(reply) = self.open.remove(&ticket) {
            // A reader that has gone away is no error.
            drop(reply.send(result));
        }
    }

    fn after(&mut self, number: BatchNumber, replies: DurableReplies) {
        self.durable.push_back((number, replies));
    }

    /// Whether `command` changes what the disk keeps.
    pub(crate) fn needs_disk(command: &Command) -> bool {
        match command {
            Command::Register { .. } | Command::Deregister { .. } | Command::SetState { .. } => true,
            Command::Overrule { .. } | Command::SetMaintenance { .. } => true,
            // That somebody died is shown and told, whatever the disk says.
            Command::OpenSession { .. } | Command::EndSession { .. } | Command::Judge { .. } => false,
            Command::Witnesses { .. } => false,
            Command::Renew { .. } | Command::RenewMany { .. } | Command::Join { .. } | Command::Leave => false,
        }
    }

    /// Takes in what the journal reports: only its receipts open durable answers.
    pub(crate) fn journal_said(&mut self, report: Report, vitals: &Vitals) {
        match report {
            Report::Committed(receipt) => {
                while let Some((number, replies)) = self.durable.pop_front() {
                    if number > receipt.through() {
                        self.durable.push_front((number, replies));
                        break;
                    }
                    for (ticket, outcome) in replies.release() {
                        self.answer(ticket, Ok(outcome));
                    }
                }
            }
            Report::Failed(problem) => {
                tracing::error!(%problem, "the disk refuses writes; answers go on, writes are refused");
                vitals.set_disk_problem(Some(problem.to_string()));
                self.refuse_durable(&problem);
            }
            Report::Recovered => {
                tracing::info!("the disk takes writes again");
                vitals.set_disk_problem(None);
            }
        }
    }

    fn refuse_durable(&mut self, problem: &CommitError) {
        let text =
            format!("{problem}; the change is in memory and has been spread, and will be written when the disk allows");
        for (_, replies) in std::mem::take(&mut self.durable) {
            for (ticket, _) in replies.release() {
                self.answer(ticket, Err(Refusal::Disk(text.clone())));
            }
        }
    }
}
