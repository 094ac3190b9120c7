//! What can be switched, so that each formula meets the protocol that it describes.

use core::time::Duration;

/// Whom a member pings next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Targets {
    /// Any of all, itself included, which is then no ping at all: what the analysis in section 3.1 counts with.
    Any,
    /// Everybody once in random order, then again in another (4.3).
    RoundRobin,
}

/// When periods begin.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pacing {
    /// At multiples of the period, for all at once: what the analysis counts with.
    InStep,
    /// Each member at its own moment: what happens in reality.
    OwnPhase,
    /// After random times without memory that are a period on average: what the epidemic of section 4.1 counts with. Nobody is
    /// detected as failed then.
    Memoryless,
}

/// How others learn what one member found.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Spread {
    /// Not at all; nor does the finder act on it. The detector alone.
    Silent,
    /// One message to each: basic SWIM (3.2).
    Multicast,
    /// Carried by pings and acks, each piece of news λ·ln(n+1) times by each member (4.1).
    Infection {
        /// λ.
        lambda: f64,
    },
}

/// All settings of a member.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Config {
    /// How many members there are, itself included; known to all from the beginning.
    pub members: u32,
    /// The protocol period T'.
    pub period: Duration,
    /// How long to wait for an ack before others are asked.
    pub direct_wait: Duration,
    /// How many are asked: k.
    pub helpers: u32,
    /// Whom to ping.
    pub targets: Targets,
    /// When.
    pub pacing: Pacing,
    /// How news travels.
    pub spread: Spread,
    /// Whether a member is suspected before it is declared failed (4.2).
    pub suspicion: bool,
}

impl Config {
    /// SWIM with all its parts and the settings of the paper's section 5: a period of two seconds, one helper.
    #[must_use]
    pub const fn paper(members: u32) -> Self {
        Self {
            members,
            period: Duration::from_secs(2),
            direct_wait: Duration::from_millis(500),
            helpers: 1,
            targets: Targets::RoundRobin,
            pacing: Pacing::OwnPhase,
            spread: Spread::Infection { lambda: 3.0 },
            suspicion: true,
        }
    }

    /// The failure detector by itself, as section 3.1 analyses it.
    #[must_use]
    pub const fn detector(members: u32, helpers: u32) -> Self {
        Self {
            helpers,
            targets: Targets::Any,
            pacing: Pacing::InStep,
            spread: Spread::Silent,
            suspicion: false,
            ..Self::paper(members)
        }
    }

    /// How long a suspect has to speak up: 3·⌈ln(n+1)⌉ periods (section 5).
    #[must_use]
    pub fn suspicion_time(&self) -> Duration {
        let periods = 3.0 * f64::from(self.members + 1).ln().ceil();
        self.period.mul_f64(periods)
    }

    /// How often a member passes a piece of news on.
    #[must_use]
    pub fn transmissions(&self) -> u32 {
        match self.spread {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small positive number")]
            Spread::Infection { lambda } => (lambda * f64::from(self.members + 1).ln()).ceil() as u32,
            Spread::Silent | Spread::Multicast => 0,
        }
    }
}
