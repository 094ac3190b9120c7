//! Who gets in, and what it may do there.

use crate::rig::{Rig, connect, refused, simple};
use std::time::Duration;
use tokio_postgres::NoTls;
use whither_api_pg::{Auth, Config, Tls, User};

fn users() -> Config {
    let user = |name: &str, password: &str, writes| User { name: name.into(), password: password.into(), writes };
    Config { auth: Auth::Users(vec![user("ann", "s3cret", true), user("bob", "reads", false)]), ..Config::default() }
}

#[tokio::test]
async fn a_password_opens() {
    let rig = Rig::with(users()).await;
    let client = connect(&rig.settings("ann", "s3cret")).await.unwrap();
    assert_eq!(simple(&client, "select current_user").await, "ann =1");
    for (user, password) in [("ann", "wrong"), ("nobody", "s3cret"), ("bob", "s3cret")] {
        assert_eq!(refused(connect(&rig.settings(user, password)).await).0, "28P01", "{user}");
    }
    assert!((rig.counted("pg_dropped_total", "password") - 3.0).abs() < 0.5);
}

#[tokio::test]
async fn who_only_reads_does_not_write() {
    let rig = Rig::with(users()).await;
    let ann = connect(&rig.settings("ann", "s3cret")).await.unwrap();
    simple(&ann, "create table t (id integer primary key)").await;
    let bob = connect(&rig.settings("bob", "reads")).await.unwrap();
    assert_eq!(simple(&bob, "select count(*) from t").await, "0 =1");
    for sql in ["insert into t values (1)", "drop table t", "delete from t; delete from t"] {
        let (code, text) = refused(bob.simple_query(sql).await);
        assert_eq!((code.as_str(), text.contains("this user only reads")), ("25006", true), "{text}");
    }
    assert_eq!(refused(bob.execute("insert into t values (2)", &[]).await).0, "25006");
    let rig = Rig::with(Config { read_only: true, ..Config::default() }).await;
    let client = rig.client().await;
    assert_eq!(
        refused(client.simple_query("set transaction_read_only = off; create table t (id integer primary key)").await)
            .0,
        "25006"
    );
    assert_eq!(simple(&client, "show default_transaction_read_only").await, "on =0");
}

#[tokio::test]
async fn there_is_room_for_so_many() {
    let rig = Rig::with(Config { connections_max: 1, ..Config::default() }).await;
    let first = rig.client().await;
    assert_eq!(refused(connect(&rig.settings("ann", "")).await).0, "53300");
    drop(first);
    // The place is free when the server has seen the first one go.
    let again = async {
        while connect(&rig.settings("ann", "")).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), again).await.unwrap();
}

#[tokio::test]
async fn without_encryption_a_client_that_insists_goes_away() {
    let rig = Rig::open().await;
    let mut settings = rig.settings("ann", "");
    settings.ssl_mode(tokio_postgres::config::SslMode::Prefer);
    connect(&settings).await.unwrap();
}

#[tokio::test]
async fn a_certificate_is_shown() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let tls = Tls::from_pem(made.cert.pem().as_bytes(), made.signing_key.serialize_pem().as_bytes()).unwrap();
    let rig = Rig::with(Config { tls: Some(tls), ..Config::default() }).await;
    let mut stream = tokio::net::TcpStream::connect(rig.address()).await.unwrap();
    stream.write_all(&[0, 0, 0, 8, 4, 210, 22, 47]).await.unwrap();
    assert_eq!(stream.read_u8().await.unwrap(), b'S');
    let mut roots = rustls::RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let client = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let client = client.with_root_certificates(roots).with_no_client_auth();
    let connector = tokio_rustls::TlsConnector::from(std::sync::Arc::new(client));
    let encrypted = connector.connect("localhost".try_into().unwrap(), stream).await.unwrap();
    let (client, connection) = rig.settings("ann", "").connect_raw(encrypted, NoTls).await.unwrap();
    tokio::spawn(connection);
    assert_eq!(simple(&client, "select 'sealed'").await, "sealed =1");
    // Who does not insist is served as well.
    assert_eq!(simple(&rig.client().await, "select 1").await, "1 =1");
}

#[tokio::test]
async fn a_node_without_tables_says_so() {
    let directory = crate::rig::directory();
    let config = Config::default();
    let bound = whither_api_pg::bind("127.0.0.1:0".parse().unwrap(), &config).await.unwrap();
    let port = bound.address().port();
    let running = whither_api_pg::serve(bound, directory, config, std::future::pending());
    let mut settings = tokio_postgres::Config::new();
    settings.host("127.0.0.1").port(port).user("ann");
    assert_eq!(refused(connect(&settings).await).0, "57P03");
    running.stop().await;
}

#[tokio::test]
async fn a_server_that_stops_says_goodbye() {
    let rig = Rig::open().await;
    let client = rig.client().await;
    simple(&client, "select 1").await;
    tokio::time::timeout(Duration::from_secs(10), rig.running.stop()).await.unwrap();
    assert!(client.simple_query("select 1").await.is_err());
}
