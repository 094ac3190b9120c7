//! What an operator may set, and the check that it makes sense.

use crate::limits::USERS_MAX;
use crate::tls::Tls;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

/// How the listener behaves.
#[derive(Clone, Debug)]
pub struct Config {
    /// Who may connect.
    pub auth: Auth,
    /// Whether nobody may write, whatever else is said.
    pub read_only: bool,
    /// What encrypts connections; `None`: nothing does, and a client that insists goes away.
    pub tls: Option<Tls>,
    /// Connections open at once, 1 or more. One more is told so and closed, and counted.
    pub connections_max: usize,
    /// Largest message of a client, bytes: 64 KiB to 1 GiB. A statement and all its parameters have to fit.
    pub message_bytes_max: usize,
    /// Prepared statements that a session may have, 1 or more.
    pub statements_max: usize,
    /// How long a connection may take until it has said who it is, encryption included.
    pub startup: Duration,
    /// How long a client may take nothing of what it is sent.
    pub stalled: Duration,
    /// How long statements may take to finish once the server is told to stop.
    pub drain: Duration,
}

/// Who may connect.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Auth {
    /// Anybody, under any name, without a password: only where nobody but this host can connect.
    Trust,
    /// These, with their passwords (SCRAM-SHA-256).
    Users(Vec<User>),
}

/// Somebody who may connect.
#[derive(Clone, PartialEq, Eq)]
pub struct User {
    /// Its name.
    pub name: String,
    /// Its password.
    pub password: String,
    /// Whether it may write.
    pub writes: bool,
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The password is nobody's business.
        f.debug_struct("User").field("name", &self.name).field("writes", &self.writes).finish_non_exhaustive()
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            auth: Auth::Trust,
            read_only: false,
            tls: None,
            connections_max: 256,
            message_bytes_max: 32 << 20,
            statements_max: 1_024,
            startup: Duration::from_secs(10),
            stalled: Duration::from_secs(60),
            drain: Duration::from_secs(5),
        }
    }
}

/// A setting that cannot be used. Nothing was started.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("postgres.{field}: {problem}")]
pub struct ConfigError {
    /// The setting.
    pub field: &'static str,
    /// What is wrong with it, and what would be right.
    pub problem: String,
}

impl ConfigError {
    pub(crate) fn new(field: &'static str, problem: impl Into<String>) -> Self {
        Self { field, problem: problem.into() }
    }
}

const MESSAGE_BYTES_MIN: usize = 64 * 1024;
const MESSAGE_BYTES_MAX: usize = 1 << 30;

impl Config {
    /// Checks every bound, and whether `address` may be listened on like this.
    ///
    /// # Errors
    /// The first setting that cannot be used, with what would be right.
    pub fn check(&self, address: SocketAddr) -> Result<(), ConfigError> {
        let refuse = |field, problem: String| Err(ConfigError::new(field, problem));
        match &self.auth {
            Auth::Trust if !address.ip().is_loopback() => {
                let problem = format!(
                    "names nobody, so that whoever reaches {address} could do everything; name users with passwords, or \
                     listen on a loopback address, for example 127.0.0.1:{}",
                    address.port()
                );
                return refuse("users", problem);
            }
            Auth::Trust => {}
            Auth::Users(users) => check_users(users)?,
        }
        if self.connections_max == 0 {
            return refuse("connections_max", "is 0, so that nobody could connect".to_owned());
        }
        if !(MESSAGE_BYTES_MIN..=MESSAGE_BYTES_MAX).contains(&self.message_bytes_max) {
            let problem = format!("{} bytes is out of range; expected 64 KiB to 1 GiB", self.message_bytes_max);
            return refuse("message_bytes_max", problem);
        }
        if self.statements_max == 0 {
            return refuse("statements_max", "is 0, and drivers prepare whatever they ask".to_owned());
        }
        if self.startup.is_zero() || self.stalled.is_zero() {
            return refuse("startup", "and stalled must be longer than nothing".to_owned());
        }
        Ok(())
    }
}

fn check_users(users: &[User]) -> Result<(), ConfigError> {
    let refuse = |problem: String| Err(ConfigError::new("users", problem));
    if users.is_empty() || users.len() > USERS_MAX {
        return refuse(format!("has {} entries; expected 1 to {USERS_MAX}", users.len()));
    }
    for (at, user) in users.iter().enumerate() {
        if user.name.is_empty() || user.name.len() > 63 || user.name.contains('\0') {
            return refuse(format!("{:?} is no name of a user; expected 1 to 63 bytes", user.name));
        }
        if user.password.is_empty() {
            return refuse(format!("{:?} has no password; give one", user.name));
        }
        if users[..at].iter().any(|other| other.name == user.name) {
            return refuse(format!("{:?} is there twice", user.name));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str, password: &str) -> User {
        User { name: name.into(), password: password.into(), writes: true }
    }

    #[test]
    fn trust_is_for_loopback_only() {
        let config = Config::default();
        config.check("127.0.0.1:7654".parse().unwrap()).unwrap();
        config.check("[::1]:7654".parse().unwrap()).unwrap();
        let refused = config.check("0.0.0.0:7654".parse().unwrap()).unwrap_err().to_string();
        assert!(refused.starts_with("postgres.users: names nobody"), "{refused}");
        let config = Config { auth: Auth::Users(vec![user("a", "b")]), ..Config::default() };
        config.check("0.0.0.0:7654".parse().unwrap()).unwrap();
    }

    #[test]
    fn every_bound_is_kept() {
        let at = "127.0.0.1:7654".parse().unwrap();
        let users = |users| Config { auth: Auth::Users(users), ..Config::default() };
        for (config, says) in [
            (users(vec![]), "0 entries"),
            (users(vec![user("", "b")]), "no name"),
            (users(vec![user("a", "")]), "no password"),
            (users(vec![user("a", "b"), user("a", "c")]), "twice"),
            (Config { connections_max: 0, ..Config::default() }, "nobody could connect"),
            (Config { message_bytes_max: 1, ..Config::default() }, "out of range"),
            (Config { statements_max: 0, ..Config::default() }, "drivers prepare"),
            (Config { startup: Duration::ZERO, ..Config::default() }, "longer than nothing"),
        ] {
            let refused = config.check(at).unwrap_err().to_string();
            assert!(refused.contains(says), "{refused}");
        }
    }

    #[test]
    fn a_password_is_not_shown() {
        assert!(!format!("{:?}", user("a", "s3cret")).contains("s3cret"));
    }
}
