//! What encrypts connections.

use crate::config::ConfigError;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::fmt;
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;

/// The protocol that a client names which begins with TLS at once (`sslnegotiation=direct`).
pub(crate) const ALPN: &[u8] = b"postgresql";

/// A certificate and its key, ready for use.
#[derive(Clone)]
pub struct Tls {
    config: Arc<ServerConfig>,
    certificate: CertificateDer<'static>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}

impl Tls {
    /// Takes a chain of certificates, this server's first, and its private key, both PEM.
    ///
    /// # Errors
    /// Which of them is not what it should be, and why.
    pub fn from_pem(certificates: &[u8], key: &[u8]) -> Result<Self, ConfigError> {
        let wrong = |field, problem: String| ConfigError::new(field, problem);
        let chain = CertificateDer::pem_slice_iter(certificates).collect::<Result<Vec<_>, _>>();
        let chain = chain.map_err(|error| wrong("tls_cert", format!("is no PEM with certificates: {error}")))?;
        let Some(certificate) = chain.first().cloned() else {
            return Err(wrong("tls_cert", "has no certificate; expected -----BEGIN CERTIFICATE-----".into()));
        };
        let key = PrivateKeyDer::from_pem_slice(key);
        let key = key.map_err(|error| wrong("tls_key", format!("has no private key in PEM: {error}")))?;
        let provider = Arc::new(ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key));
        let mut config =
            config.map_err(|error| wrong("tls_key", format!("does not go with the certificate: {error}")))?;
        config.alpn_protocols = vec![ALPN.to_vec()];
        Ok(Self { config: Arc::new(config), certificate })
    }

    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.config))
    }

    /// This server's own, DER.
    pub(crate) fn certificate(&self) -> &[u8] {
        &self.certificate
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_named() {
        let made = rcgen::generate_simple_self_signed(["node.example".to_owned()]).unwrap();
        let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        Tls::from_pem(certificate.as_bytes(), key.as_bytes()).unwrap();
        let other = rcgen::generate_simple_self_signed(["node.example".to_owned()]).unwrap();
        let foreign = other.signing_key.serialize_pem();
        for (certificate, key, field) in [
            ("", key.as_str(), "tls_cert"),
            (certificate.as_str(), "", "tls_key"),
            (certificate.as_str(), foreign.as_str(), "tls_key"),
        ] {
            let refused = Tls::from_pem(certificate.as_bytes(), key.as_bytes()).unwrap_err();
            assert_eq!(refused.field, field, "{refused}");
        }
    }
}
