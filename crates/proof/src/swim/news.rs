//! What members say of members, and how long they go on saying it.

use super::config::Config;
use whither_population::Index;

/// How many pieces of news a message carries (section 5).
pub const NEWS_PER_MESSAGE: usize = 6;

/// What is believed of a member.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum State {
    /// It works.
    #[default]
    Alive,
    /// It may have failed.
    Suspect,
    /// It has failed.
    Failed,
}

/// Something said of a member.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct News {
    /// Of whom.
    pub member: Index,
    /// Of which of its incarnations.
    pub incarnation: u16,
    /// What.
    pub state: State,
}

impl News {
    /// Whether this replaces what was known (4.2).
    #[must_use]
    pub const fn overrides(&self, known: &Self) -> bool {
        match (self.state, known.state) {
            (_, State::Failed) => false,
            (State::Failed, _) => true,
            (State::Suspect, State::Alive) => self.incarnation >= known.incarnation,
            (State::Alive | State::Suspect, _) => self.incarnation > known.incarnation,
        }
    }
}

/// News that travels with one message.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Carried {
    count: u8,
    items: [News; NEWS_PER_MESSAGE],
}

impl Carried {
    /// The pieces of news.
    #[must_use]
    pub fn items(&self) -> &[News] {
        &self.items[..usize::from(self.count)]
    }

    pub(super) fn one(news: News) -> Self {
        let mut carried = Self::default();
        carried.push(news);
        carried
    }

    fn push(&mut self, news: News) {
        self.items[usize::from(self.count)] = news;
        self.count += 1;
    }
}

/// News that a member still passes on.
#[derive(Clone, Debug, Default)]
pub(super) struct Queue {
    /// Each with how often it was sent; one about each member at most.
    waiting: Vec<(News, u32)>,
}

impl Queue {
    /// Takes it in, in place of what was said of the same member before.
    pub(super) fn push(&mut self, news: News) {
        self.waiting.retain(|(other, _)| other.member != news.member);
        self.waiting.push((news, 0));
    }

    /// What the next message carries: those sent least often first.
    pub(super) fn carry(&mut self, config: &Config) -> Carried {
        let mut carried = Carried::default();
        if self.waiting.is_empty() {
            return carried;
        }
        self.waiting.sort_by_key(|(_, sent)| *sent);
        for (news, sent) in self.waiting.iter_mut().take(NEWS_PER_MESSAGE) {
            carried.push(*news);
            *sent += 1;
        }
        let limit = config.transmissions();
        self.waiting.retain(|(_, sent)| *sent < limit);
        carried
    }
}
