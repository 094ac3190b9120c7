//! What travels when one node asks another: a question and its answer, and how they look on the wire.

use crate::ask::AskError;
use bytes::{Buf, BufMut, Bytes, BytesMut};

/// The format that both encodings below begin with.
const FORMAT: u8 = 1;

/// What a question wants done at what it names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Method {
    /// Read.
    Get,
    /// Set.
    Put,
    /// Remove.
    Delete,
}

impl Method {
    const ALL: [Self; 3] = [Self::Get, Self::Put, Self::Delete];

    const fn code(self) -> u8 {
        match self {
            Self::Get => 1,
            Self::Put => 2,
            Self::Delete => 3,
        }
    }
}

/// A question for another node: a request of the native HTTP API without a body.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Question {
    method: Method,
    target: Box<str>,
}

/// Not a question: its target is too long, or no path and query of the native API.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "not a question: expected a path under /v1/ with its query, at most {} bytes of visible ASCII",
    Question::TARGET_BYTES_MAX
)]
pub struct NotAQuestion;

impl Question {
    /// Longest path and query, bytes.
    pub const TARGET_BYTES_MAX: usize = 16 * 1024;

    /// A question about `target`, a path under `/v1/` with its query.
    ///
    /// # Errors
    /// [`NotAQuestion`].
    pub fn new(method: Method, target: &str) -> Result<Self, NotAQuestion> {
        let fits = target.len() <= Self::TARGET_BYTES_MAX
            && target.starts_with("/v1/")
            && target.bytes().all(|byte| byte.is_ascii_graphic());
        fits.then(|| Self { method, target: target.into() }).ok_or(NotAQuestion)
    }

    /// What is to be done.
    #[must_use]
    pub const fn method(&self) -> Method {
        self.method
    }

    /// The path with its query.
    #[must_use]
    pub fn target(&self) -> &str {
        &self.target
    }

    /// As it travels: format, method, length of the target (16 bits, big-endian), target.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let mut bytes = BytesMut::with_capacity(4 + self.target.len());
        bytes.put_u8(FORMAT);
        bytes.put_u8(self.method.code());
        put_text(&mut bytes, &self.target);
        bytes.freeze()
    }

    /// Reads what [`Question::encode`] wrote. What follows it is of a newer version and left alone.
    ///
    /// # Errors
    /// [`NotAQuestion`].
    pub fn decode(mut bytes: Bytes) -> Result<Self, NotAQuestion> {
        read_format(&mut bytes).ok_or(NotAQuestion)?;
        let code = bytes.try_get_u8().map_err(|_| NotAQuestion)?;
        let method = Method::ALL.into_iter().find(|method| method.code() == code).ok_or(NotAQuestion)?;
        let target = read_text(&mut bytes).ok_or(NotAQuestion)?;
        Self::new(method, std::str::from_utf8(&target).map_err(|_| NotAQuestion)?)
    }
}

/// What another node answered, as its own HTTP API would have.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    /// The HTTP status code.
    pub status: u16,
    /// What kind of body it is.
    pub content_type: Box<str>,
    /// The body, at most [`Answer::BODY_BYTES_MAX`].
    pub body: Bytes,
}

impl Answer {
    /// Longest body that may travel, bytes: with all around it, less than a message between nodes may have.
    pub const BODY_BYTES_MAX: usize = 4 * 1024 * 1024 - 1024;
    /// Longest content type, bytes.
    const CONTENT_TYPE_BYTES_MAX: usize = 255;

    /// As it travels: format, status (16 bits, big-endian), length of the head (the same), the head, the body. The head
    /// holds the content type after its length; what follows it there is of a newer version.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let content_type = self.content_type.get(..Self::CONTENT_TYPE_BYTES_MAX).unwrap_or(&self.content_type);
        let mut head = BytesMut::with_capacity(2 + content_type.len());
        put_text(&mut head, content_type);
        let mut bytes = BytesMut::with_capacity(5 + head.len() + self.body.len());
        bytes.put_u8(FORMAT);
        bytes.put_u16(self.status);
        put_bytes(&mut bytes, &head);
        bytes.put_slice(&self.body);
        bytes.freeze()
    }

    /// Reads what [`Answer::encode`] wrote.
    ///
    /// # Errors
    /// [`AskError::Garbled`].
    pub fn decode(mut bytes: Bytes) -> Result<Self, AskError> {
        let read = |bytes: &mut Bytes| {
            read_format(bytes)?;
            let status = bytes.try_get_u16().ok().filter(|status| (200..600).contains(status))?;
            let content_type = read_text(&mut read_text(bytes)?)?;
            let content_type = std::str::from_utf8(&content_type).ok()?;
            let printable = content_type.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
            let fits = printable && content_type.len() <= Self::CONTENT_TYPE_BYTES_MAX;
            fits.then(|| (status, Box::from(content_type)))
        };
        let (status, content_type) = read(&mut bytes).ok_or(AskError::Garbled)?;
        Ok(Self { status, content_type, body: bytes })
    }
}

fn put_text(into: &mut BytesMut, text: &str) {
    put_bytes(into, text.as_bytes());
}

/// Invariant: what is put is bounded far below 64 KiB by its caller.
fn put_bytes(into: &mut BytesMut, bytes: &[u8]) {
    into.put_u16(u16::try_from(bytes.len()).unwrap_or(u16::MAX));
    into.put_slice(&bytes[..bytes.len().min(usize::from(u16::MAX))]);
}

fn read_format(bytes: &mut Bytes) -> Option<()> {
    (bytes.try_get_u8().ok()? == FORMAT).then_some(())
}

fn read_text(bytes: &mut Bytes) -> Option<Bytes> {
    let length = usize::from(bytes.try_get_u16().ok()?);
    (bytes.len() >= length).then(|| bytes.split_to(length))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn method() -> impl Strategy<Value = Method> {
        prop::sample::select(Method::ALL.to_vec())
    }

    #[test]
    fn only_visible_paths_of_the_api_are_questions() {
        let long = format!("/v1/{}", "x".repeat(Question::TARGET_BYTES_MAX));
        for bad in ["", "/", "/v2/nodes", "v1/nodes", "/v1/a b", "/v1/é", "/v1/\r\n", &long] {
            assert_eq!(Question::new(Method::Get, bad), Err(NotAQuestion), "{bad}");
        }
        let longest = &long[..Question::TARGET_BYTES_MAX];
        let question = Question::new(Method::Delete, longest).expect("the longest there may be");
        assert_eq!(Question::decode(question.encode()), Ok(question));
    }

    #[test]
    fn what_a_newer_version_adds_is_left_alone() {
        let question = Question::new(Method::Get, "/v1/nodes").unwrap();
        let extended = [&question.encode()[..], b"more"].concat();
        assert_eq!(Question::decode(extended.into()), Ok(question));
        let answer = [&[1, 0, 200, 0, 6, 0, 1, b'a', 9, 9, 9][..], b"body"].concat();
        let decoded = Answer::decode(Bytes::from(answer)).unwrap();
        assert_eq!(decoded, Answer { status: 200, content_type: "a".into(), body: Bytes::from_static(b"body") });
        assert_eq!(Question::decode(Bytes::from_static(b"\x02\x01\x00\x04/v1/")), Err(NotAQuestion), "another format");
    }

    #[test]
    fn the_largest_answer_fits_into_a_message() {
        let body = Bytes::from(vec![b'x'; Answer::BODY_BYTES_MAX]);
        let answer = Answer { status: 200, content_type: "t".repeat(255).into(), body };
        let bytes = answer.encode();
        assert!(bytes.len() <= 4 * 1024 * 1024, "{}", bytes.len());
        assert_eq!(Answer::decode(bytes), Ok(answer));
    }

    proptest! {
        #[test]
        fn what_was_written_is_read_back(
            method in method(), rest in "[!-~]{0,200}", status in 200_u16..600, kind in "[ -~]{0,80}",
            body in prop::collection::vec(any::<u8>(), 0..300),
        ) {
            let question = Question::new(method, &format!("/v1/{rest}")).unwrap();
            prop_assert_eq!(Question::decode(question.encode()), Ok(question));
            let answer = Answer { status, content_type: kind.into(), body: body.into() };
            prop_assert_eq!(Answer::decode(answer.encode()), Ok(answer));
        }

        #[test]
        fn arbitrary_bytes_are_read_or_refused(mut bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            for first in [None, Some(FORMAT)] {
                if let (Some(first), Some(byte)) = (first, bytes.first_mut()) {
                    *byte = first;
                }
                if let Ok(question) = Question::decode(bytes.clone().into()) {
                    prop_assert!(bytes.starts_with(&question.encode()), "read as something else");
                }
                if let Ok(answer) = Answer::decode(bytes.clone().into()) {
                    prop_assert!(bytes.ends_with(&answer.body) && (200..600).contains(&answer.status));
                }
            }
        }

        #[test]
        fn what_is_cut_short_is_refused(method in method(), rest in "[!-~]{1,50}", cut in any::<prop::sample::Index>()) {
            let whole = Question::new(method, &format!("/v1/{rest}")).unwrap().encode();
            prop_assert_eq!(Question::decode(whole.slice(..cut.index(whole.len()))), Err(NotAQuestion));
        }
    }
}
