//! What a protocol looks like from the world's side.

use whither_model::Instant;

/// Which node of the population: dense, from zero.
pub type Index = u32;

/// How a message travels.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Route {
    /// One datagram: may be lost, overtaken, or dropped by a full queue.
    Datagram,
    /// A connection that retransmits: late where datagrams are lost, and gone where nothing gets through.
    Reliable,
}

/// One node's protocol. All time it sees is that of its own clock.
pub trait Protocol {
    /// What nodes say to each other, passed by value and never encoded; its size on the wire is what the sender says.
    type Message;
    /// What it has to tell whoever watches the run.
    type Event;

    /// The node comes to life.
    fn start(&mut self, now: Instant, out: &mut Outbox<Self::Message, Self::Event>);

    /// A message arrived.
    fn receive(
        &mut self,
        now: Instant,
        from: Index,
        message: Self::Message,
        out: &mut Outbox<Self::Message, Self::Event>,
    );

    /// The time has come that [`Protocol::next_wake`] named, or has passed.
    fn wake(&mut self, now: Instant, out: &mut Outbox<Self::Message, Self::Event>);

    /// When it wants to be woken; asked after each event. [`Instant::DISTANT_FUTURE`]: not at all.
    fn next_wake(&self) -> Instant;
}

/// A message on its way out.
#[derive(Debug)]
pub struct Sent<M> {
    /// For whom.
    pub to: Index,
    /// How.
    pub route: Route,
    /// Its size on the wire, without IP and UDP headers.
    pub bytes: u32,
    /// What.
    pub message: M,
}

/// What one event made a node say. Reused from event to event, so that saying it allocates nothing.
#[derive(Debug)]
pub struct Outbox<M, E> {
    pub(crate) sent: Vec<Sent<M>>,
    pub(crate) events: Vec<E>,
}

impl<M, E> Default for Outbox<M, E> {
    fn default() -> Self {
        Self { sent: Vec::new(), events: Vec::new() }
    }
}

impl<M, E> Outbox<M, E> {
    /// Sends `message`, which takes `bytes` on the wire.
    pub fn send(&mut self, to: Index, route: Route, bytes: u32, message: M) {
        self.sent.push(Sent { to, route, bytes, message });
    }

    /// Tells whoever watches.
    pub fn tell(&mut self, event: E) {
        self.events.push(event);
    }
}
