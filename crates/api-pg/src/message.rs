//! What clients say, byte for byte (PostgreSQL's manual, section 55.7). Every length is checked before it is believed.

use crate::column::Format;
use crate::problem::{Problem, code};
use bytes::{Buf, Bytes};

/// A message of a client that is let in, or tries to be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Message {
    /// Several statements, to be answered at once.
    Query(String),
    /// A statement to be prepared.
    Parse {
        /// Under this name.
        name: String,
        sql: String,
        /// The types of its parameters, as far as the client says; 0: it does not.
        kinds: Vec<u32>,
    },
    /// A prepared statement gets its parameters.
    Bind(Bind),
    /// What a prepared statement, or one with parameters, has to do with.
    Describe(Target, String),
    /// Rows are wanted: at most so many, 0: all.
    Execute(String, usize),
    /// Something is needed no more.
    Close(Target, String),
    /// What was answered is to be sent.
    Flush,
    /// Here errors end.
    Sync,
    /// Goodbye.
    Terminate,
    /// A password, or a step on the way to one.
    Password(Bytes),
    /// Data of a COPY that was refused.
    Copy,
}

/// A prepared statement gets its parameters.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Bind {
    pub(crate) portal: String,
    pub(crate) statement: String,
    pub(crate) formats: Formats,
    pub(crate) parameters: Vec<Option<Bytes>>,
    /// How the answer is to be written.
    pub(crate) results: Formats,
}

/// What a message is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Target {
    /// A prepared statement.
    Statement,
    /// One with parameters.
    Portal,
}

/// How several values are written: none: as text; one: all like it; or one for each.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Formats(Vec<Format>);

impl Formats {
    /// Of the value at `at`.
    pub(crate) fn of(&self, at: usize) -> Format {
        match self.0.as_slice() {
            [] => Format::Text,
            [all] => *all,
            each => each.get(at).copied().unwrap_or(Format::Text),
        }
    }

    /// Whether it says something about each of so many values.
    pub(crate) fn fits(&self, count: usize) -> bool {
        self.0.len() <= 1 || self.0.len() == count
    }
}

/// Understands a message of this type.
///
/// # Errors
/// It is none; what follows cannot be understood either.
pub(crate) fn read(kind: u8, body: Bytes) -> Result<Message, Problem> {
    let mut rest = Reader(body);
    let message = rest.message(kind);
    message.filter(|_| rest.0.is_empty()).ok_or_else(|| {
        Problem::fatal(
            code::PROTOCOL,
            format!("a message of type {:?} is not as the protocol has it", char::from(kind)),
        )
    })
}

struct Reader(Bytes);

impl Reader {
    fn message(&mut self, kind: u8) -> Option<Message> {
        Some(match kind {
            b'Q' => Message::Query(self.text()?),
            b'P' => Message::Parse { name: self.text()?, sql: self.text()?, kinds: self.list(|rest| rest.long())? },
            b'B' => Message::Bind(Bind {
                portal: self.text()?,
                statement: self.text()?,
                formats: Formats(self.list(Self::format)?),
                parameters: self.list(Self::parameter)?,
                results: Formats(self.list(Self::format)?),
            }),
            b'D' => Message::Describe(self.target()?, self.text()?),
            b'C' => Message::Close(self.target()?, self.text()?),
            // A negative number of rows is none that could be meant; PostgreSQL takes it for all.
            b'E' => Message::Execute(self.text()?, usize::try_from(self.long()?.cast_signed()).unwrap_or(0)),
            b'H' => Message::Flush,
            b'S' => Message::Sync,
            b'X' => Message::Terminate,
            b'p' => Message::Password(self.take(self.0.len())?),
            b'd' | b'c' | b'f' => {
                self.take(self.0.len())?;
                Message::Copy
            }
            _ => return None,
        })
    }

    fn take(&mut self, count: usize) -> Option<Bytes> {
        (self.0.len() >= count).then(|| self.0.split_to(count))
    }

    fn short(&mut self) -> Option<u16> {
        (self.0.len() >= 2).then(|| self.0.get_u16())
    }

    fn long(&mut self) -> Option<u32> {
        (self.0.len() >= 4).then(|| self.0.get_u32())
    }

    fn text(&mut self) -> Option<String> {
        let end = self.0.iter().position(|byte| *byte == 0)?;
        let text = self.take(end)?;
        self.0.advance(1);
        String::from_utf8(text.into()).ok()
    }

    fn list<T>(&mut self, one: impl Fn(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        // Not made as long as it is said to be before that many are there.
        (0..self.short()?).map(|_| one(self)).collect()
    }

    fn format(&mut self) -> Option<Format> {
        match self.short()? {
            0 => Some(Format::Text),
            1 => Some(Format::Binary),
            _ => None,
        }
    }

    fn parameter(&mut self) -> Option<Option<Bytes>> {
        match self.long()?.cast_signed() {
            -1 => Some(None),
            length => Some(Some(self.take(usize::try_from(length).ok()?)?)),
        }
    }

    fn target(&mut self) -> Option<Target> {
        match self.take(1)?[0] {
            b'S' => Some(Target::Statement),
            b'P' => Some(Target::Portal),
            _ => None,
        }
    }
}

/// Understands the choice of a way to prove a password: the way, and its first message.
pub(crate) fn first_proof(body: Bytes) -> Option<(String, Bytes)> {
    let mut rest = Reader(body);
    let way = rest.text()?;
    let length = usize::try_from(rest.long()?.cast_signed()).ok()?;
    Some((way, rest.take(length).filter(|_| rest.0.is_empty())?))
}

/// The first packet of a connection, without its length.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Opening {
    /// May it be TLS?
    Tls,
    /// May it be GSSAPI?
    Gss,
    /// Another connection's statement is to be given up.
    Cancel { pid: i32, secret: Bytes },
    /// A session.
    Startup {
        /// The minor version of the protocol; the major one is 3.
        minor: u16,
        parameters: Vec<(String, String)>,
    },
}

/// Understands the first packet of a connection.
///
/// # Errors
/// It is none, or of another version.
pub(crate) fn opening(body: Bytes) -> Result<Opening, Problem> {
    let mut rest = Reader(body);
    let strange = || {
        Problem::fatal(code::PROTOCOL, "this is no PostgreSQL client: its first packet is not as the protocol has it")
    };
    let version = rest.long().ok_or_else(strange)?;
    match (version >> 16, version & 0xffff) {
        (1_234, 5_679) => Ok(Opening::Tls),
        (1_234, 5_680) => Ok(Opening::Gss),
        (1_234, 5_678) => {
            let pid = rest.long().ok_or_else(strange)?.cast_signed();
            Ok(Opening::Cancel { pid, secret: rest.0 })
        }
        (3, minor) => {
            let mut parameters = Vec::new();
            loop {
                let name = rest.text().ok_or_else(strange)?;
                if name.is_empty() {
                    break;
                }
                parameters.push((name, rest.text().ok_or_else(strange)?));
            }
            Ok(Opening::Startup { minor: u16::try_from(minor).unwrap_or(u16::MAX), parameters })
        }
        (major, minor) => Err(Problem::fatal(
            code::UNSUPPORTED,
            format!("version {major}.{minor} of the protocol is not spoken; 3.0 is"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_from(kind: u8, body: &[u8]) -> Result<Message, Problem> {
        read(kind, Bytes::copy_from_slice(body))
    }

    #[test]
    fn messages_are_understood() {
        assert_eq!(read_from(b'Q', b"select 1\0").unwrap(), Message::Query("select 1".into()));
        assert_eq!(
            read_from(b'P', b"s\0select $1\0\x00\x01\x00\x00\x00\x17").unwrap(),
            Message::Parse { name: "s".into(), sql: "select $1".into(), kinds: vec![23] }
        );
        let bind = b"p\0s\0\x00\x01\x00\x01\x00\x02\x00\x00\x00\x01a\xff\xff\xff\xff\x00\x00";
        let Message::Bind(bind) = read_from(b'B', bind).unwrap() else { panic!("it is a bind") };
        assert_eq!(bind.parameters, [Some(Bytes::from_static(b"a")), None]);
        assert_eq!((bind.formats.of(1), bind.results.of(0)), (Format::Binary, Format::Text));
        assert_eq!(read_from(b'D', b"Sx\0").unwrap(), Message::Describe(Target::Statement, "x".into()));
        assert_eq!(read_from(b'E', b"\0\0\0\0\x05").unwrap(), Message::Execute(String::new(), 5));
        assert_eq!(read_from(b'E', b"\0\xff\xff\xff\xff").unwrap(), Message::Execute(String::new(), 0));
    }

    #[test]
    fn whatever_else_comes_is_refused() {
        for (kind, body) in [
            (b'Q', b"select 1".as_slice()),
            (b'Q', b"a\0b"),
            (b'Q', b"\xff\0"),
            (b'P', b"s\0select\0\xff\xff"),
            (b'B', b"\0\0\x00\x00\x00\x01\x7f\xff\xff\xff"),
            (b'B', b"\0\0\x00\x01\x00\x02"),
            (b'D', b"Zx\0"),
            (b'E', b"\0\0"),
            (b'?', b""),
        ] {
            let problem = read_from(kind, body).unwrap_err();
            assert!(problem.fatal && problem.code == "08P01", "{kind} {body:?}");
        }
        for length in 0..64 {
            for kind in 0..=255 {
                // Nothing of it may panic.
                let _ = read_from(kind, &vec![kind; length]);
                let _ = read_from(kind, &vec![0; length]);
                let _ = opening(vec![kind; length].into());
            }
        }
    }

    #[test]
    fn the_first_packet_is_one_of_four() {
        let open = |bytes: &[u8]| opening(Bytes::copy_from_slice(bytes));
        assert_eq!(open(&80_877_103_u32.to_be_bytes()).unwrap(), Opening::Tls);
        assert_eq!(open(&80_877_104_u32.to_be_bytes()).unwrap(), Opening::Gss);
        let cancel = [&80_877_102_u32.to_be_bytes()[..], &7_u32.to_be_bytes(), b"key!"].concat();
        assert_eq!(open(&cancel).unwrap(), Opening::Cancel { pid: 7, secret: Bytes::from_static(b"key!") });
        let startup = [&196_608_u32.to_be_bytes()[..], b"user\0ann\0\0"].concat();
        let parameters = vec![("user".to_owned(), "ann".to_owned())];
        assert_eq!(open(&startup).unwrap(), Opening::Startup { minor: 0, parameters });
        assert_eq!(open(&131_072_u32.to_be_bytes()).unwrap_err().code, "0A000");
        assert_eq!(open(b"GET / HTTP/1.1").unwrap_err().code, "0A000");
        assert_eq!(open(b"a").unwrap_err().code, "08P01");
    }
}
