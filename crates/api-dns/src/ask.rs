//! The other side of the table: asks one nameserver, as a stub resolver does, where a name is.
//!
//! Nothing is cached, followed or asked again elsewhere: whoever looks for the cache that lies wants to see what this one
//! said, with the seconds that it will go on saying so.

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{Name, RData, RecordType};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

/// What we say that we take over UDP, bytes: what fits the usual frames (<https://dnsflagday.net/2020>).
const PAYLOAD: u16 = 1232;
/// A datagram lost on the way is sent again after this part of the time there is.
const ATTEMPTS: u32 = 2;
/// Longest message there is (RFC 1035 section 4.2.2).
const MESSAGE_MAX: usize = u16::MAX as usize;

/// How a nameserver is asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Via {
    /// One datagram each way, sent a second time if nothing comes back.
    Udp,
    /// A connection (RFC 7766).
    Tcp,
}

/// Which addresses are asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Family {
    /// A records.
    V4,
    /// AAAA records.
    V6,
}

/// What a nameserver said about a name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reply {
    /// `NoError`, `NXDomain`, and so on, as the nameserver put it (RFC 1035 section 4.1.1).
    pub code: Code,
    /// Whether it said that there is more than it could send.
    pub truncated: bool,
    /// The addresses in the answer, in its order.
    pub addresses: Vec<IpAddr>,
    /// How long the answer may be kept, seconds: the least of its records, aliases included. `None` without records.
    pub ttl: Option<u32>,
    /// The zone that denies the name or the records, if the answer says so (RFC 2308).
    pub denied_by: Option<Denial>,
}

/// What kind of answer it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Code {
    /// The name is there, perhaps without such records.
    NoError,
    /// There is no such name.
    NoSuchName,
    /// It would not, or could not, say; in its own words.
    Failed(String),
}

/// Who says that there is nothing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Denial {
    /// The zone, with its final dot; `.` is the root.
    pub zone: String,
    /// How long the denial may be kept, seconds.
    pub ttl: u32,
}

/// Asks `server` for the addresses of `name`, a whole name with or without its final dot.
///
/// # Errors
/// `InvalidInput` if `name` is no name; otherwise why no answer came within `within`.
pub fn ask(server: SocketAddr, via: Via, name: &str, family: Family, within: Duration) -> io::Result<Reply> {
    let question = question(name, family)?;
    let until = Instant::now() + within;
    let octets = question.to_vec().map_err(invalid)?;
    let reply = match via {
        Via::Udp => over_udp(server, &question, &octets, within, until)?,
        Via::Tcp => over_tcp(server, &question, &octets, until)?,
    };
    Ok(read(&reply))
}

fn question(name: &str, family: Family) -> io::Result<Message> {
    let mut name = Name::from_ascii(name).map_err(invalid)?;
    name.set_fqdn(true);
    let kind = match family {
        Family::V4 => RecordType::A,
        Family::V6 => RecordType::AAAA,
    };
    // A query of the library's comes with an id drawn at random.
    let mut question = Message::new(Message::query().id, MessageType::Query, OpCode::Query);
    question.metadata.recursion_desired = true;
    question.add_query(Query::query(name, kind));
    let mut edns = Edns::new();
    edns.set_max_payload(PAYLOAD);
    question.edns = Some(edns);
    Ok(question)
}

fn over_udp(
    server: SocketAddr,
    question: &Message,
    octets: &[u8],
    within: Duration,
    until: Instant,
) -> io::Result<Message> {
    let any: IpAddr = if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0))?;
    socket.connect(server)?;
    let mut buffer = vec![0; MESSAGE_MAX];
    for attempt in (0..ATTEMPTS).rev() {
        socket.send(octets)?;
        let turn_ends = until.checked_sub(within / ATTEMPTS * attempt).unwrap_or(until);
        while let Some(left) = left(turn_ends) {
            socket.set_read_timeout(Some(left))?;
            match socket.recv(&mut buffer) {
                Ok(length) => {
                    if let Some(reply) = buffer.get(..length).and_then(|octets| accept(question, octets)) {
                        return Ok(reply);
                    }
                }
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
    Err(ErrorKind::TimedOut.into())
}

fn over_tcp(server: SocketAddr, question: &Message, octets: &[u8], until: Instant) -> io::Result<Message> {
    let mut stream = TcpStream::connect_timeout(&server, left(until).ok_or(ErrorKind::TimedOut)?)?;
    // Length and question in one piece: some servers read them as one (RFC 7766 section 8).
    let length = u16::try_from(octets.len()).map_err(invalid)?;
    let mut framed = length.to_be_bytes().to_vec();
    framed.extend_from_slice(octets);
    stream.set_write_timeout(Some(left(until).ok_or(ErrorKind::TimedOut)?))?;
    stream.write_all(&framed)?;
    let mut length = [0; 2];
    read_by(&mut stream, &mut length, until)?;
    let mut reply = vec![0; usize::from(u16::from_be_bytes(length))];
    read_by(&mut stream, &mut reply, until)?;
    accept(question, &reply)
        .ok_or_else(|| io::Error::new(ErrorKind::InvalidData, "its answer is to no question of ours"))
}

/// Fills `into`, or fails at `until`, however slowly the bytes come.
fn read_by(stream: &mut TcpStream, mut into: &mut [u8], until: Instant) -> io::Result<()> {
    while !into.is_empty() {
        stream.set_read_timeout(Some(left(until).ok_or(ErrorKind::TimedOut)?))?;
        match stream.read(into) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(count) => into = into.get_mut(count..).unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Err(ErrorKind::TimedOut.into()),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn left(until: Instant) -> Option<Duration> {
    until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
}

fn invalid(error: impl ToString) -> io::Error {
    io::Error::new(ErrorKind::InvalidInput, error.to_string())
}

/// A message that answers `question`. Anybody may send a datagram here: id and question must be ours (RFC 5452).
fn accept(question: &Message, octets: &[u8]) -> Option<Message> {
    let reply = Message::from_vec(octets).ok()?;
    let is_ours = reply.metadata.message_type == MessageType::Response
        && reply.metadata.id == question.metadata.id
        // Who cannot read a question does not repeat it.
        && (reply.queries == question.queries || reply.queries.is_empty() && reply.answers.is_empty());
    is_ours.then_some(reply)
}

fn read(message: &Message) -> Reply {
    let mut reply = Reply {
        code: match message.metadata.response_code {
            ResponseCode::NoError => Code::NoError,
            ResponseCode::NXDomain => Code::NoSuchName,
            other => Code::Failed(other.to_string()),
        },
        truncated: message.metadata.truncation,
        addresses: Vec::new(),
        ttl: None,
        denied_by: None,
    };
    for record in &message.answers {
        match &record.data {
            RData::A(address) => reply.addresses.push(IpAddr::V4(address.0)),
            RData::AAAA(address) => reply.addresses.push(IpAddr::V6(address.0)),
            RData::CNAME(_) => {}
            _ => continue,
        }
        reply.ttl = Some(reply.ttl.map_or(record.ttl, |least| least.min(record.ttl)));
    }
    if reply.addresses.is_empty() {
        reply.denied_by = message.authorities.iter().find_map(|record| match &record.data {
            // The least of the two is how long the denial counts (RFC 2308 section 5).
            RData::SOA(soa) => Some(Denial { zone: record.name.to_string(), ttl: record.ttl.min(soa.minimum) }),
            _ => None,
        });
    }
    reply
}
