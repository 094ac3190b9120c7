//! Who may come in: SCRAM-SHA-256 (RFC 7677), in which the password itself never crosses the wire.

use crate::config::{Auth, Config, User};
use crate::message::{Message, first_proof};
use crate::problem::{Problem, code};
use crate::scram::{self, Bad, PLAIN, PLUS, Verifier};
use crate::wire::{Ended, Wire};
use pgwire::messages::PgWireBackendMessage as Answer;
use pgwire::messages::startup::Authentication;
use std::collections::HashMap;

/// Decides who may come in. Passwords are forgotten once this is made.
pub(crate) struct Door {
    /// What is kept of each user's password, and whether it may write; `None`: everybody may come in.
    users: Option<HashMap<String, (Verifier, bool)>>,
    /// To what a proof can be bound over an encrypted connection.
    binding: Option<Vec<u8>>,
    /// Makes something up for names that nobody has: an answer must not show that nobody has them.
    nobody: [u8; 32],
}

/// Why somebody was not let in.
pub(crate) enum Refused {
    /// Because of this, which it is to be told.
    Because(Problem),
    /// The connection ended.
    Ended(Ended),
}

impl From<Ended> for Refused {
    fn from(ended: Ended) -> Self {
        Self::Ended(ended)
    }
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Self::Because(problem)
    }
}

impl Door {
    pub(crate) fn new(config: &Config) -> Self {
        let users = match &config.auth {
            Auth::Trust => None,
            Auth::Users(users) => {
                let known = |user: &User| (user.name.clone(), (Verifier::of(&user.password), user.writes));
                Some(users.iter().map(known).collect())
            }
        };
        let binding = config.tls.as_ref().and_then(|tls| scram::binding_of(tls.certificate()));
        Self { users, binding, nobody: scram::random() }
    }

    /// Has `user` prove who it is. Returns whether it may write.
    ///
    /// # Errors
    /// [`Refused`].
    pub(crate) async fn admit(&self, wire: &mut Wire, user: &str, encrypted: bool) -> Result<bool, Refused> {
        let Some(users) = &self.users else { return Ok(true) };
        let known = users.get(user);
        let binding = self.binding.as_deref().filter(|_| encrypted);
        let ways: Vec<&str> = binding.map(|_| PLUS).into_iter().chain([PLAIN]).collect();
        let offer = Authentication::SASL(ways.iter().map(ToString::to_string).collect());
        let first = said(wire, offer).await?;
        let strange = |why: &str| {
            Problem::fatal(code::PROTOCOL, format!("the proof of the password is not as {PLAIN} has it: {why}"))
        };
        let (way, first) = first_proof(first).ok_or_else(|| strange("it does not begin"))?;
        if !ways.contains(&way.as_str()) {
            let what = format!("a proof by {way:?} is not known here; {} is", ways.join(", "));
            return Err(Problem::fatal(code::PROTOCOL, what).into());
        }
        let verifier = known.map_or_else(|| Verifier::of_nobody(&self.nobody, user), |(verifier, _)| verifier.clone());
        let (challenge, waiting) = scram::begin(&first, verifier, binding, way == PLUS).map_err(strange)?;
        let proof = said(wire, Authentication::SASLContinue(challenge.into())).await?;
        let writes = known.map(|(_, writes)| *writes);
        let (verdict, writes) = match (waiting.finish(&proof), writes) {
            (Ok(verdict), Some(writes)) => (verdict, writes),
            (Err(Bad::Garbled(why)), _) => return Err(strange(why).into()),
            (Err(Bad::Password) | Ok(_), _) => {
                let what = format!("password authentication failed for user {user:?}");
                return Err(Problem::fatal(code::WRONG_PASSWORD, what).into());
            }
        };
        wire.put(&Answer::Authentication(Authentication::SASLFinal(verdict.into())))?;
        Ok(writes)
    }
}

/// Sends a step and waits for the answer to it.
async fn said(wire: &mut Wire, step: Authentication) -> Result<bytes::Bytes, Refused> {
    wire.put(&Answer::Authentication(step))?;
    wire.flush().await?;
    match wire.next().await? {
        Some(Message::Password(said)) => Ok(said),
        Some(_) => Err(Problem::fatal(code::PROTOCOL, "a password is due, and something else was said").into()),
        None => Err(Ended::Broken(std::io::ErrorKind::UnexpectedEof.into()).into()),
    }
}
