//! When a server that has just been started counts as up.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What has to succeed first.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Readiness {
    /// Its first port takes a connection.
    Tcp,
    /// Its first port answers 2xx to a GET of this path.
    Http(String),
    /// Nothing: it is up once it runs.
    Nothing,
}

/// Between two looks.
const PACE: Duration = Duration::from_millis(50);
/// How long one look may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// More of an answer than its first line is not read.
const HEAD_BYTES: usize = 256;

impl FromStr for Readiness {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let path = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic()).then(|| text.to_owned());
        match text.split_once(':') {
            None if text == "tcp" => Ok(Self::Tcp),
            None if text == "none" => Ok(Self::Nothing),
            Some(("http", rest)) if rest.starts_with('/') => path(rest)
                .map(Self::Http)
                .ok_or_else(|| format!("{text:?} has a path with spaces or odd letters in it")),
            _ => Err(format!("{text:?} is no check; expected tcp, none or http:/PATH, for example http:/healthz")),
        }
    }
}

impl Readiness {
    /// Completes when it is ready.
    pub(super) async fn wait(&self, address: IpAddr, port: Option<u16>) {
        let Some(port) = port.filter(|_| *self != Self::Nothing) else { return };
        let address = SocketAddr::new(address, port);
        let mut looks = tokio::time::interval(PACE);
        loop {
            looks.tick().await;
            if matches!(tokio::time::timeout(PATIENCE, self.look(address)).await, Ok(Ok(true))) {
                return;
            }
        }
    }

    async fn look(&self, address: SocketAddr) -> std::io::Result<bool> {
        let mut stream = TcpStream::connect(address).await?;
        let Self::Http(path) = self else { return Ok(true) };
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nUser-Agent: whither-run\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut head = Vec::with_capacity(HEAD_BYTES);
        while head.len() < "HTTP/1.1 2".len() && stream.read_buf(&mut head).await? > 0 {}
        Ok(head.starts_with(b"HTTP/1.") && head.get(8..10) == Some(b" 2"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_is_read_or_explained() {
        assert_eq!("tcp".parse(), Ok(Readiness::Tcp));
        assert_eq!("http:/healthz?deep=1".parse(), Ok(Readiness::Http("/healthz?deep=1".into())));
        for bad in ["http", "http:healthz", "udp", "http:/a b", ""] {
            assert!(bad.parse::<Readiness>().is_err(), "{bad}");
        }
    }
}
