//! The cluster's certificate authority, the node's own certificate, and the TLS settings made of both.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ED25519, SerialNumber, date_time_ymd,
};
use rustls::client::Resumption;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};

use crate::secret::ClusterSecret;

/// The name in every node's certificate. Addresses come and go; what a certificate proves is membership.
pub(crate) const PEER_NAME: &str = "peer.whither";
/// Spoken inside TLS, so that another protocol with the same certificates is not taken for ours.
const PROTOCOL: &[u8] = b"whither/1";
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// A certificate lives as long as its process, which mints it: this only has to exceed the longest uptime.
const LEAF_VALIDITY: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);
/// PKCS#8 version 1 of an Ed25519 key (RFC 8410 section 7): what precedes the 32 bytes of the seed.
const ED25519_PKCS8_PREFIX: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

type AnyError = Box<dyn std::error::Error + Send + Sync>;

/// TLS settings for both directions, with one freshly minted certificate.
pub(crate) struct TlsConfigs {
    pub(crate) client: QuicClientConfig,
    pub(crate) server: QuicServerConfig,
}

/// Mints this boot's certificate and makes both sides demand one of the same authority.
pub(crate) fn tls_configs(secret: &ClusterSecret, node: u64) -> Result<TlsConfigs, AnyError> {
    let authority_key = authority_key(secret)?;
    let authority_certificate = authority_params()?.self_signed(&authority_key)?;
    let mut roots = RootCertStore::empty();
    roots.add(authority_certificate.der().clone())?;
    let roots = Arc::new(roots);
    let (certificate, key) = mint(node, authority_key)?;

    // Named explicitly: a process-wide default would depend on what else is linked in.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut client = ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(roots.clone())
        .with_client_auth_cert(vec![certificate.clone()], key.clone_key())?;
    client.alpn_protocols = vec![PROTOCOL.to_vec()];
    // Without resumption every connection proves its certificate anew; a full handshake costs a millisecond.
    client.resumption = Resumption::disabled();

    let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider.clone()).build()?;
    let mut server = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![certificate], key)?;
    server.alpn_protocols = vec![PROTOCOL.to_vec()];
    server.send_tls13_tickets = 0;
    server.max_early_data_size = 0;

    Ok(TlsConfigs { client: client.try_into()?, server: server.try_into()? })
}

fn authority_key(secret: &ClusterSecret) -> Result<KeyPair, rcgen::Error> {
    let mut document = ED25519_PKCS8_PREFIX.to_vec();
    document.extend_from_slice(&secret.derive("certificate authority key", &[]));
    KeyPair::from_pkcs8_der_and_sign_algo(&PrivatePkcs8KeyDer::from(document), &PKCS_ED25519)
}

/// Constant to the last byte: every node makes the same authority for itself, without asking anyone.
fn authority_params() -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name = common_name("whither cluster".to_owned());
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2120, 1, 1);
    params.serial_number = Some(SerialNumber::from_slice(&[1]));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    Ok(params)
}

fn mint(node: u64, authority_key: KeyPair) -> Result<(CertificateDer<'static>, PrivateKeyDer<'static>), rcgen::Error> {
    let key = KeyPair::generate_for(&PKCS_ED25519)?;
    let mut params = CertificateParams::new(vec![PEER_NAME.to_owned()])?;
    params.distinguished_name = common_name(format!("node {node:016x}"));
    let now = SystemTime::now();
    // A peer whose clock is behind ours must not take the certificate for one of the future.
    params.not_before = (now - DAY).into();
    params.not_after = (now + LEAF_VALIDITY).into();
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    params.use_authority_key_identifier_extension = true;
    let issuer = Issuer::new(authority_params()?, authority_key);
    let certificate = params.signed_by(&key, &issuer)?;
    Ok((certificate.der().clone(), PrivatePkcs8KeyDer::from(key.serialize_der()).into()))
}

fn common_name(name: String) -> DistinguishedName {
    let mut distinguished_name = DistinguishedName::new();
    distinguished_name.push(DnType::CommonName, name);
    distinguished_name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_authority_is_the_same_on_every_node_and_another_for_another_secret() {
        let authority = |secret: &ClusterSecret| {
            let key = authority_key(secret).expect("a key");
            authority_params().expect("parameters").self_signed(&key).expect("a certificate").der().clone()
        };
        let (ours, theirs) = (ClusterSecret::generate(), ClusterSecret::generate());
        assert_eq!(authority(&ours), authority(&ours.clone()));
        assert_ne!(authority(&ours), authority(&theirs));
    }

    #[test]
    fn minting_works_for_every_node_id() {
        for node in [0, 1, u64::MAX] {
            tls_configs(&ClusterSecret::generate(), node).expect("TLS settings");
        }
    }
}
