//! How a connection begins: in the clear or not, a session or a request to give up another one's statement.

use crate::config::Config;
use crate::limits::{NEGOTIATIONS_MAX, STARTUP_BYTES_MAX};
use crate::message::{Opening, opening};
use crate::problem::{Problem, code};
use crate::tls::ALPN;
use crate::wire::{Ended, Stream, Wire};
use bytes::Bytes;
use std::io;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The first byte of a connection that begins with TLS at once.
const TLS_HANDSHAKE: u8 = 0x16;

/// What a connection turned out to be.
pub(crate) enum Opened {
    /// A session that is to be.
    Session {
        wire: Wire,
        /// The minor version of the protocol that the client wants.
        minor: u16,
        parameters: Vec<(String, String)>,
        /// Whether it is encrypted.
        encrypted: bool,
    },
    /// A request to give up the statement of this connection.
    Cancel { pid: i32, secret: Bytes },
    /// Nothing: whoever it was looked and went.
    Nothing,
}

/// Receives a client as far as its first real packet.
///
/// # Errors
/// [`Ended`]; a client that is told why has been told.
pub(crate) async fn receive(mut stream: TcpStream, config: &Config) -> Result<Opened, Ended> {
    let mut first = [0];
    if stream.peek(&mut first).await? == 0 {
        return Ok(Opened::Nothing);
    }
    if first[0] == TLS_HANDSHAKE {
        let Some(tls) = &config.tls else { return Ok(Opened::Nothing) };
        let encrypted = tls.acceptor().accept(stream).await?;
        // Somebody who speaks another protocol could be made to speak this one unaware, if this were not asked for.
        if encrypted.get_ref().1.alpn_protocol() != Some(ALPN) {
            return Err(
                io::Error::new(io::ErrorKind::InvalidData, "TLS at once, for another protocol than this").into()
            );
        }
        return begin(Box::new(encrypted), true, config).await;
    }
    for _ in 0..=NEGOTIATIONS_MAX {
        // Read to its last byte and no further: what was sent ahead in the clear must not look as if it had been encrypted.
        let Some(packet) = packet(&mut stream).await? else { return Ok(Opened::Nothing) };
        match (opening(packet), &config.tls) {
            (Ok(Opening::Tls), Some(tls)) => {
                stream.write_all(b"S").await?;
                return begin(Box::new(tls.acceptor().accept(stream).await?), true, config).await;
            }
            (Ok(Opening::Tls | Opening::Gss), _) => stream.write_all(b"N").await?,
            (found, _) => return session(Box::new(stream), found, false, config).await,
        }
    }
    Ok(Opened::Nothing)
}

async fn begin(mut stream: Box<dyn Stream>, encrypted: bool, config: &Config) -> Result<Opened, Ended> {
    let Some(packet) = packet(&mut stream).await? else { return Ok(Opened::Nothing) };
    session(stream, opening(packet), encrypted, config).await
}

async fn session(
    stream: Box<dyn Stream>,
    found: Result<Opening, Problem>,
    encrypted: bool,
    config: &Config,
) -> Result<Opened, Ended> {
    let mut wire = Wire::new(stream, config.stalled);
    let problem = match found {
        Ok(Opening::Cancel { pid, secret }) => return Ok(Opened::Cancel { pid, secret }),
        Ok(Opening::Startup { minor, parameters }) => {
            return Ok(Opened::Session { wire, minor, parameters, encrypted });
        }
        Ok(Opening::Tls | Opening::Gss) => Problem::fatal(code::PROTOCOL, "this connection is encrypted already"),
        Err(problem) => problem,
    };
    wire.put(&pgwire::messages::PgWireBackendMessage::ErrorResponse(problem.response()))?;
    wire.close().await;
    Err(Ended::Garbled(problem))
}

/// A packet with its length before it; `None`: the client has gone.
async fn packet(stream: &mut (impl Stream + ?Sized)) -> Result<Option<Bytes>, Ended> {
    let length = match stream.read_u32().await {
        Ok(length) => usize::try_from(length).unwrap_or(usize::MAX),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let Some(length) = length.checked_sub(4).filter(|length| *length <= STARTUP_BYTES_MAX) else {
        let what = "this is no PostgreSQL client: its first packet has an impossible length";
        return Err(Ended::Garbled(Problem::fatal(code::PROTOCOL, what)));
    };
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    Ok(Some(body.into()))
}
