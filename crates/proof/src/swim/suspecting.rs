//! What a member makes of silence, and of what others say.

use super::config::Spread;
use super::message::{Kind, Message};
use super::news::{Carried, News, State};
use super::node::{Node, Outbox, Told};
use whither_model::Instant;
use whither_population::{Index, Route};

impl Node {
    /// A period ended without an answer.
    pub(super) fn found_silent(&mut self, now: Instant, member: Index, out: &mut Outbox) {
        out.tell(Told::Detected(member));
        if self.config.spread != Spread::Silent {
            let state = if self.config.suspicion { State::Suspect } else { State::Failed };
            self.found(now, member, state, out);
        }
    }

    /// Takes in what it heard, from another member or from outside, and passes it on by infection.
    pub fn hear(&mut self, now: Instant, news: News, out: &mut Outbox) {
        if news.member != self.me {
            self.learn(now, news, out);
        } else if news.state != State::Alive && news.incarnation >= self.incarnation {
            // Refutes what is not so (4.2).
            self.incarnation = news.incarnation.saturating_add(1);
            self.announce(News { member: self.me, incarnation: self.incarnation, state: State::Alive }, out);
        }
    }

    /// Declares those failed that had their time.
    pub(super) fn end_suspicions(&mut self, now: Instant, out: &mut Outbox) {
        while let Some(member) = self.suspects.iter().find(|(_, at)| **at <= now).map(|(member, _)| *member) {
            self.suspects.remove(&member);
            self.found(now, member, State::Failed, out);
        }
    }

    /// Something that this member found out by itself.
    pub(super) fn found(&mut self, now: Instant, member: Index, state: State, out: &mut Outbox) {
        let news = News { member, incarnation: self.belief(member).incarnation, state };
        if self.learn(now, news, out) {
            self.announce(news, out);
        }
    }

    /// Keeps what is new to it; says whether it was.
    fn learn(&mut self, now: Instant, news: News, out: &mut Outbox) -> bool {
        if !news.overrides(&self.belief(news.member)) {
            return false;
        }
        self.known.insert(news.member, news);
        match news.state {
            State::Suspect => drop(self.suspects.insert(news.member, now + self.config.suspicion_time())),
            State::Alive | State::Failed => drop(self.suspects.remove(&news.member)),
        }
        if matches!(self.config.spread, Spread::Infection { .. }) {
            self.queue.push(news);
        }
        out.tell(Told::Learnt(news));
        true
    }

    /// Tells all at once what this member knows first, in basic SWIM; by infection it spreads by itself.
    fn announce(&mut self, news: News, out: &mut Outbox) {
        match self.config.spread {
            Spread::Silent => {}
            Spread::Infection { .. } => self.queue.push(news),
            Spread::Multicast => {
                let message = Message { kind: Kind::Tell, news: Carried::one(news) };
                for to in (0..self.config.members).filter(|to| *to != self.me) {
                    out.send(to, Route::Datagram, message.bytes(), message);
                }
            }
        }
    }
}
