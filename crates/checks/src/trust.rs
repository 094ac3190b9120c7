//! Whose certificates a check believes.

use crate::finding::{Deadline, Finding};
use crate::probe::words;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WantsClientCert};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ConfigBuilder, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use whither_model::Invalid;
use whither_model::check::Tls;

/// Reads the certificates of authorities, one after the other in PEM (RFC 7468).
///
/// # Errors
/// [`Invalid`]: one cannot be read, or there is none.
pub fn authorities(pem: &[u8]) -> Result<RootCertStore, Invalid> {
    let mut roots = RootCertStore::empty();
    for (at, read) in CertificateDer::pem_slice_iter(pem).enumerate() {
        let bad = |why: String| Invalid::new(format!("certificate {}", at + 1), why);
        let certificate = read.map_err(|error| bad(format!("cannot be read: {error}")))?;
        roots.add(certificate).map_err(|error| bad(format!("cannot be an authority: {error}")))?;
    }
    if roots.is_empty() {
        let right = "there is none; expected certificates in PEM, which begin with -----BEGIN CERTIFICATE-----";
        return Err(Invalid::new("certificates", right));
    }
    Ok(roots)
}

/// TLS as a check speaks it: version 1.2 or 1.3, a full handshake each time, so that each run looks at the certificate.
pub(crate) struct Trust {
    http1: Ways,
    http2: Ways,
    trusts_somebody: bool,
}

/// What a connection is encrypted for, as its handshake says (ALPN, RFC 7301).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Spoken {
    Http1,
    Http2,
}

struct Ways {
    verified: TlsConnector,
    unverified: TlsConnector,
}

impl Trust {
    pub(crate) fn new(roots: &RootCertStore) -> Self {
        let provider = Arc::new(ring::default_provider());
        let ways = |protocol: &[u8]| {
            let connector = |chosen: ConfigBuilder<ClientConfig, WantsClientCert>| {
                let mut config = chosen.with_no_client_auth();
                config.alpn_protocols = vec![protocol.to_vec()];
                config.resumption = Resumption::disabled();
                TlsConnector::from(Arc::new(config))
            };
            let builder = || {
                ClientConfig::builder_with_provider(provider.clone())
                    .with_safe_default_protocol_versions()
                    .expect("ring has a cipher suite for every version")
            };
            let anybody = Arc::new(Anybody(provider.clone()));
            Ways {
                verified: connector(builder().with_root_certificates(roots.clone())),
                unverified: connector(builder().dangerous().with_custom_certificate_verifier(anybody)),
            }
        };
        Self { http1: ways(b"http/1.1"), http2: ways(b"h2"), trusts_somebody: !roots.is_empty() }
    }

    /// Encrypts a connection over which `spoken` will be spoken.
    pub(crate) async fn shake_hands(
        &self,
        spoken: Spoken,
        stream: TcpStream,
        at: SocketAddr,
        tls: &Tls,
        deadline: Deadline,
    ) -> Result<TlsStream<TcpStream>, Finding> {
        let name = match &tls.server_name {
            Some(name) => ServerName::try_from(name.to_string())
                .map_err(|_| Finding::critical(format!("{name:?} can be the name of no certificate")))?,
            None => ServerName::from(at.ip()),
        };
        let ways = match spoken {
            Spoken::Http1 => &self.http1,
            Spoken::Http2 => &self.http2,
        };
        let shown = name.to_str().into_owned();
        let connector = if tls.skip_verify { &ways.unverified } else { &ways.verified };
        let late = || format!("{at} accepted the connection, but did not finish the TLS handshake");
        let shaking_hands = connector.connect(name, stream);
        let shaken = deadline.on(late, shaking_hands).await?;
        shaken.map_err(|error| words::no_handshake(&error, at, &shown, self.trusts_somebody))
    }
}

/// Believes any certificate, and only that its owner is the one who speaks.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authorities_are_read_or_refused_with_what_would_be_right() {
        let certificate = || rcgen::generate_simple_self_signed(["x.example".to_owned()]).unwrap().cert.pem();
        assert_eq!(authorities((certificate() + &certificate()).as_bytes()).unwrap().len(), 2);
        for none in ["", "not PEM at all"] {
            let bad = authorities(none.as_bytes()).unwrap_err();
            assert!(bad.problem.contains("BEGIN CERTIFICATE"), "{bad}");
        }
        let broken = certificate() + "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert_eq!(authorities(broken.as_bytes()).unwrap_err().field, "certificate 2");
    }
}
