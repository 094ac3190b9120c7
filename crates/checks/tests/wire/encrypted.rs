//! HTTPS, and whose certificates are believed.

use crate::bed::{PATIENT, config, find_with, head, listener, port};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::crypto::ring;
use rustls::pki_types::PrivateKeyDer;
use rustls::{RootCertStore, ServerConfig};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::AsyncWriteExt;
use tokio_rustls::TlsAcceptor;
use whither_checks::{Config, Output};
use whither_model::check::{Http, Tls};
use whither_model::{Health, Probe};

/// A server with a certificate for `name`, and the authority that signed it.
async fn server(name: &str) -> (SocketAddr, RootCertStore) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(authority.der().clone()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))
        .unwrap();
    let (listener, at) = listener().await;
    tokio::spawn(async move {
        let acceptor = TlsAcceptor::from(Arc::new(config));
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            drop(head(&mut stream).await);
            drop(stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nsafe").await);
            drop(stream.shutdown().await);
        }
    });
    (at, roots)
}

async fn ask(at: SocketAddr, roots: &RootCertStore, server_name: Option<&str>, skip_verify: bool) -> Output {
    let tls = Some(Tls { server_name: server_name.map(Into::into), skip_verify });
    let config = Config { roots: roots.clone(), ..config() };
    find_with(config, at, Probe::Http(Http { tls, port: port(at), ..Http::default() }), PATIENT).await
}

#[tokio::test]
async fn a_trusted_certificate_for_the_right_name_passes() {
    let (at, roots) = server("127.0.0.1").await;
    let found = ask(at, &roots, None, false).await;
    assert_eq!(found.status, Some(Health::Passing), "{}", found.text);
    assert_eq!(&*found.text, &format!("HTTP 200 OK from https://{at}/\nsafe"));
    let (at, roots) = server("shop.example").await;
    assert_eq!(ask(at, &roots, Some("shop.example"), false).await.status, Some(Health::Passing));
}

#[tokio::test]
async fn the_wrong_name_and_the_wrong_authority_fail() {
    let (at, roots) = server("shop.example").await;
    for (roots, name, why) in [
        (&roots, Some("other.example"), "is not for other.example; set the check's server name"),
        (&roots, None, "is not for 127.0.0.1"),
        (&server("shop.example").await.1, Some("shop.example"), "is by no authority that this agent trusts"),
        (&RootCertStore::empty(), Some("shop.example"), "this agent was told of no authority to trust"),
    ] {
        let found = ask(at, roots, name, false).await;
        assert_eq!(found.status, Some(Health::Critical));
        assert!(found.text.contains(why), "{why}: {}", found.text);
    }
}

#[tokio::test]
async fn verification_can_be_skipped() {
    let (at, _) = server("shop.example").await;
    let found = ask(at, &RootCertStore::empty(), None, true).await;
    assert_eq!(found.status, Some(Health::Passing), "{}", found.text);
}

#[tokio::test]
async fn what_does_not_speak_tls_is_said_not_to() {
    let (listener, at) = listener().await;
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            drop(stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await);
        }
    });
    let found = ask(at, &RootCertStore::empty(), None, true).await;
    assert_eq!(found.status, Some(Health::Critical));
    assert!(found.text.contains("does not speak TLS") || found.text.contains("reset"), "{}", found.text);
}
