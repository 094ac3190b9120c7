//! The parameters of a session. A few mean something here; the others are kept, so that SHOW says what was SET.

use crate::dialect::VERSION;
use crate::problem::{Problem, code};
use std::collections::BTreeMap;
use std::time::Duration;
use whither_directory::sql::Acked;

/// Parameters that may be set to what is not known here.
const OTHERS_MAX: usize = 128;
/// Longest value of a parameter, bytes.
const VALUE_BYTES_MAX: usize = 1_024;

/// A parameter that is known.
struct Known {
    /// As PostgreSQL writes it.
    name: &'static str,
    value: &'static str,
    /// Whether clients are told at the beginning, and whenever it changes.
    told: bool,
    may: May,
}

/// To what a parameter may be set.
enum May {
    /// To anything.
    Any,
    /// To what it is, in any case.
    Stay,
    /// Only to these.
    One(&'static [&'static str]),
}

const fn known(name: &'static str, value: &'static str, told: bool, may: May) -> Known {
    Known { name, value, told, may }
}

const KNOWN: &[Known] = &[
    known("server_version", VERSION, true, May::Stay),
    known("server_version_num", "160006", false, May::Stay),
    known("server_encoding", "UTF8", true, May::Stay),
    known("client_encoding", "UTF8", true, May::One(&["utf8", "utf-8", "unicode"])),
    known("integer_datetimes", "on", true, May::Stay),
    known("standard_conforming_strings", "on", true, May::One(&["on", "true", "1"])),
    known("DateStyle", "ISO, MDY", true, May::Any),
    known("IntervalStyle", "postgres", true, May::Any),
    known("TimeZone", "UTC", true, May::Any),
    known("application_name", "", true, May::Any),
    known("session_authorization", "", true, May::Stay),
    known("is_superuser", "off", true, May::Stay),
    known("in_hot_standby", "off", true, May::Stay),
    known("default_transaction_read_only", "off", true, May::One(&["on", "off", "true", "false", "0", "1"])),
    known("transaction_read_only", "off", false, May::One(&["on", "off", "true", "false", "0", "1"])),
    known("transaction_isolation", "read committed", false, May::One(&["read committed", "read uncommitted"])),
    known("default_transaction_isolation", "read committed", false, May::One(&["read committed", "read uncommitted"])),
    known("search_path", "\"$user\", public", true, May::Any),
    known("statement_timeout", "0", false, May::Any),
    known("synchronous_commit", "on", false, May::One(&["on", "local", "off", "true", "false", "0", "1"])),
    known("bytea_output", "hex", false, May::One(&["hex"])),
    known("max_identifier_length", "63", false, May::Stay),
    known("extra_float_digits", "1", false, May::Any),
    known("client_min_messages", "notice", false, May::Any),
    known("lock_timeout", "0", false, May::Any),
    known("idle_in_transaction_session_timeout", "0", false, May::Any),
    known("row_security", "on", false, May::Any),
    known("max_index_keys", "32", false, May::Stay),
    known("block_size", "8192", false, May::Stay),
];

/// The parameters of a session.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    /// What they were at first, where that is not what they are everywhere.
    first: BTreeMap<String, String>,
    now: BTreeMap<String, String>,
}

impl Settings {
    /// For a session that begins with these. What makes no sense is left as it is, as long as nothing depends on it.
    ///
    /// # Errors
    /// A parameter is to be something that it cannot be.
    pub(crate) fn begin(user: &str, parameters: &[(String, String)], read_only: bool) -> Result<Self, Problem> {
        let mut settings = Self::default();
        settings.first.insert("session_authorization".into(), user.into());
        if read_only {
            settings.first.insert("default_transaction_read_only".into(), "on".into());
        }
        for (name, value) in parameters {
            match name.to_ascii_lowercase().as_str() {
                "user" | "database" | "replication" => {}
                name if name.starts_with("_pq_.") => {}
                "options" => {
                    for (name, value) in options(value) {
                        settings.set(&name, Some(&value))?;
                    }
                }
                name => {
                    settings.set(name, Some(value))?;
                }
            }
        }
        settings.first.append(&mut settings.now);
        Ok(settings)
    }

    /// Sets one, or makes it what it was at first. Returns what clients have to be told, if anything.
    ///
    /// # Errors
    /// It cannot be that.
    pub(crate) fn set(&mut self, name: &str, value: Option<&str>) -> Result<Option<(&'static str, String)>, Problem> {
        let name = name.to_ascii_lowercase();
        let Some(value) = value else {
            if name == "all" {
                self.now.clear();
            } else {
                self.now.remove(&name);
            }
            return Ok(told(&name).map(|told| (told, self.get(&name).unwrap_or_default())));
        };
        let refuse = |why: String| Err(Problem::new(code::BAD_PARAMETER, format!("{name} cannot be {value:?}: {why}")));
        if value.len() > VALUE_BYTES_MAX || name.len() > 63 {
            return refuse(format!("it is longer than {VALUE_BYTES_MAX} bytes"));
        }
        match find(&name).map(|known| &known.may) {
            Some(May::Stay) if !self.get(&name).is_some_and(|now| now.eq_ignore_ascii_case(value)) => {
                return refuse("it cannot be changed".into());
            }
            Some(May::One(all)) if !all.iter().any(|one| one.eq_ignore_ascii_case(value)) => {
                return refuse(format!("only {} can be had here", all.join(", ")));
            }
            None if !self.now.contains_key(&name) && self.now.len() >= OTHERS_MAX => {
                return refuse(format!("more than {OTHERS_MAX} parameters are set; RESET some"));
            }
            _ => {}
        }
        if name == "statement_timeout" && duration(value).is_none() {
            return refuse("a duration is a whole number with a unit, for example 5s, or milliseconds without".into());
        }
        self.now.insert(name.clone(), value.to_owned());
        Ok(told(&name).map(|told| (told, value.to_owned())))
    }

    /// What one is; `None`: there is none of this name.
    pub(crate) fn get(&self, name: &str) -> Option<String> {
        let name = name.to_ascii_lowercase();
        let set = self.now.get(&name).or_else(|| self.first.get(&name)).cloned();
        set.or_else(|| find(&name).map(|known| known.value.to_owned()))
    }

    /// How one is written.
    pub(crate) fn shown(name: &str) -> String {
        find(name).map_or_else(|| name.to_ascii_lowercase(), |known| known.name.to_owned())
    }

    /// What clients are told at the beginning.
    pub(crate) fn told(&self) -> impl Iterator<Item = (&'static str, String)> + '_ {
        let told = KNOWN.iter().filter(|known| known.told);
        told.map(|known| (known.name, self.get(known.name).unwrap_or_default()))
    }

    /// All that are known, with what they are.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&'static str, String)> + '_ {
        KNOWN.iter().map(|known| (known.name, self.get(known.name).unwrap_or_default()))
    }

    /// How long a question may take; `None`: as long as questions may.
    pub(crate) fn timeout(&self) -> Option<Duration> {
        self.get("statement_timeout").and_then(|value| duration(&value)).filter(|timeout| !timeout.is_zero())
    }

    /// When a write is acknowledged.
    pub(crate) fn acked(&self) -> Acked {
        if self.is_on("synchronous_commit") || self.get("synchronous_commit").as_deref() == Some("local") {
            Acked::Durable
        } else {
            Acked::Memory
        }
    }

    /// Whether a parameter that is on or off is on.
    pub(crate) fn is_on(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| matches!(value.to_ascii_lowercase().as_str(), "on" | "true" | "1"))
    }
}

fn find(name: &str) -> Option<&'static Known> {
    KNOWN.iter().find(|known| known.name.eq_ignore_ascii_case(name))
}

fn told(name: &str) -> Option<&'static str> {
    find(name).filter(|known| known.told).map(|known| known.name)
}

/// `-c name=value` and `--name=value`, as clients send them with their startup.
fn options(text: &str) -> Vec<(String, String)> {
    let words = text.split_ascii_whitespace().filter(|word| *word != "-c");
    let pair = |word: &str| {
        let word = word.strip_prefix("-c").or_else(|| word.strip_prefix("--")).unwrap_or(word);
        word.split_once('=').map(|(name, value)| (name.replace('-', "_"), value.to_owned()))
    };
    words.filter_map(pair).collect()
}

/// A duration as PostgreSQL writes it.
fn duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let count: u64 = text[..digits].parse().ok()?;
    let millis = match text[digits..].trim() {
        "us" => return Some(Duration::from_micros(count)),
        "" | "ms" => count,
        "s" => count.checked_mul(1_000)?,
        "min" => count.checked_mul(60_000)?,
        "h" => count.checked_mul(3_600_000)?,
        "d" => count.checked_mul(86_400_000)?,
        _ => return None,
    };
    Some(Duration::from_millis(millis))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_what_was_said() {
        let parameters =
            [("user", "ann"), ("application_name", "app"), ("options", "-c statement_timeout=5s -cjit=off")];
        let parameters = parameters.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let mut settings = Settings::begin("ann", &parameters, false).unwrap();
        assert_eq!(settings.get("Application_Name").as_deref(), Some("app"));
        assert_eq!(settings.get("jit").as_deref(), Some("off"));
        assert_eq!(settings.timeout(), Some(Duration::from_secs(5)));
        assert_eq!(settings.set("application_name", Some("x")).unwrap(), Some(("application_name", "x".into())));
        assert_eq!(settings.set("all", None).unwrap(), None);
        assert_eq!(settings.get("application_name").as_deref(), Some("app"));
        assert_eq!(settings.get("nothing"), None);
        assert!(settings.told().any(|(name, value)| name == "session_authorization" && value == "ann"));
    }

    #[test]
    fn what_cannot_be_had_is_refused() {
        let mut settings = Settings::default();
        for (name, value) in [
            ("client_encoding", "LATIN1"),
            ("standard_conforming_strings", "off"),
            ("server_version", "9"),
            ("transaction_isolation", "serializable"),
            ("statement_timeout", "soon"),
            ("x", &"y".repeat(2_000)),
        ] {
            assert_eq!(settings.set(name, Some(value)).unwrap_err().code, "22023", "{name}");
        }
        settings.set("client_encoding", Some("utf-8")).unwrap();
        settings.set("server_version", Some(VERSION)).unwrap();
    }

    #[test]
    fn a_write_is_acknowledged_as_was_asked() {
        let mut settings = Settings::default();
        assert_eq!(settings.acked(), Acked::Durable);
        settings.set("synchronous_commit", Some("off")).unwrap();
        assert_eq!(settings.acked(), Acked::Memory);
        settings.set("synchronous_commit", Some("local")).unwrap();
        assert_eq!(settings.acked(), Acked::Durable);
    }
}
