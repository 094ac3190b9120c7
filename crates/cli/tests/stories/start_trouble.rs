//! What an agent says when it cannot start, or cannot find its peers.

use crate::agents::{Agent, Cluster, SOON, command, eventually, make_secret, refused};
use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::net::UdpSocket;

#[test]
fn a_directory_has_one_agent() {
    let cluster = Cluster::of(&["a"]);
    let second = Agent::new("second", cluster[0].dir(), cluster.secret());
    let (code, said) = refused(&mut second.command());
    assert_eq!(code, 1, "{said}");
    assert!(said.contains(&format!("in use by another agent (pid {})", cluster[0].pid())), "{said}");
    assert!(said.contains(&cluster[0].dir().display().to_string()), "which directory: {said}");
    assert!(said.contains("a directory of its own"), "the way out: {said}");
    assert_eq!(cluster[0].get("/v1/health").expect(&[200]).json()["status"], "ok", "the first one is not disturbed");
}

#[test]
fn a_directory_of_a_newer_version_is_left_alone() {
    let mut cluster = Cluster::of(&["a"]);
    assert!(cluster[0].terminate().success());
    let file = cluster[0].dir().join("whither.db");
    assert!(!cluster[0].dir().join("whither.db-wal").exists(), "a log would hide what is written here");
    // The schema's version, which SQLite calls user_version: four bytes at offset 60 (SQLite file format, section 1.3).
    let mut database = fs::File::options().write(true).open(&file).expect("the database");
    database.seek(SeekFrom::Start(60)).expect("a file");
    database.write_all(&1_000_000_i32.to_be_bytes()).expect("a file");
    drop(database);
    let before = fs::read(&file).expect("the database");
    let (code, said) = refused(&mut cluster[0].command());
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("was written by a newer whither (schema 1000000"), "{said}");
    assert!(said.contains("run that version again, or move the data directory away"), "the way out: {said}");
    assert!(fs::read(&file).expect("the database") == before, "it was not touched");
}

#[test]
fn a_taken_port_names_its_owner() {
    let cluster = Cluster::of(&["a"]);
    let owner = format!("pid {} (whither)", cluster[0].pid());
    let (http, dns, peers) = (cluster[0].http(), cluster[0].dns(), cluster[0].peers());
    for (flag, taken) in [("--http-bind", http), ("--dns-bind", dns), ("--peers-bind", peers)] {
        let dir = cluster.scratch().join("second");
        let mut wants = command(&["agent", "--secret-file"]);
        wants.arg(cluster.secret()).arg("--data-dir").arg(&dir);
        for other in ["--http-bind", "--dns-bind", "--peers-bind", "--postgres-bind"] {
            wants.args([other, &if other == flag { taken.to_string() } else { "127.0.0.1:0".to_owned() }]);
        }
        let (code, said) = refused(&mut wants);
        assert_eq!(code, 1, "{said}");
        assert!(said.contains(&taken.to_string()) && said.contains(&owner), "{flag}: {said}");
    }
}

#[test]
fn a_missing_secret_says_how_to_make_one() {
    let cluster = Cluster::empty();
    let missing = cluster.scratch().join("nowhere.secret");
    let (code, said) = refused(&mut Agent::new("a", &cluster.scratch().join("a"), &missing).command());
    assert_eq!(code, 1, "{said}");
    assert!(said.contains(&missing.display().to_string()) && said.contains("whither ca init"), "{said}");
    let mut garbled = fs::File::create(&missing).expect("a file");
    garbled.write_all(b"not a secret\n").expect("a file");
    let (_, said) = refused(&mut Agent::new("a", &cluster.scratch().join("a"), &missing).command());
    assert!(said.contains("is not a cluster secret") && !said.contains("not a secret\n"), "{said}");
}

#[test]
fn a_bad_configuration_is_shown_by_file_line_and_option() {
    let cluster = Cluster::empty();
    let file = cluster.scratch().join("whither.toml");
    let path = file.display();
    for (text, place, hint) in [
        (
            "[node]\nname = \"a\"\n\n[membership]\nprobe_interval = \"fast\"\n",
            "5: membership.probe_interval: ",
            "500ms",
        ),
        ("[dns]\n\nttll = \"1s\"\n", "3: dns.ttll: ", "did you mean ttl?"),
        ("[node\n", "1: ", "]"),
    ] {
        fs::write(&file, text).expect("a file");
        let (code, said) = refused(command(&["agent", "--config"]).arg(&file));
        assert_eq!(code, 2, "the configuration is wrong, nothing was done: {said}");
        assert!(said.contains(&format!("{path}:{place}")) && said.contains(hint), "{said}");
    }
    let (code, said) = refused(&mut command(&["agent", "--probe-interval", "soon"]));
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("probe"), "{said}");
}

#[test]
fn another_secret_is_another_cluster() {
    let mut cluster = Cluster::of(&["a"]);
    cluster[0].register("prod/recos", "r-1", r#"{"port":1}"#);
    let other_secret = cluster.scratch().join("other.secret");
    make_secret(&other_secret);
    let mut stranger = Agent::new("stranger", &cluster.scratch().join("stranger"), &other_secret);
    stranger.argue(&["--join", &cluster[0].peers().to_string()]);
    let stranger = cluster.add_agent(stranger);
    cluster[stranger].start();
    eventually("the log says what to compare", SOON, || {
        let log = cluster[0].log();
        let says = log.contains("the peer uses another cluster secret?") && log.contains("WARN");
        says.then_some(()).ok_or(log)
    });
    eventually("it is counted", SOON, || {
        let name = "whither_transport_datagrams_dropped_unauthenticated_total";
        let metrics = cluster[0].metrics();
        let dropped = metrics.iter().find(|(known, _)| known.contains("dropped_unauthenticated"));
        dropped.filter(|(_, count)| **count >= 3.0).map(|_| ()).ok_or_else(|| format!("{name}: {metrics:?}"))
    });
    for (agent, own) in [(&cluster[0], "a"), (&cluster[stranger], "stranger")] {
        assert_eq!(agent.member_states(), [(own.to_owned(), "alive".to_owned())]);
        // Whoever compares the two logs sees that the secrets differ.
        assert!(agent.log().contains("fingerprint"), "{}", agent.log());
    }
    cluster[stranger].get("/v1/services/prod/recos").expect(&[404]);
}

#[test]
fn garbage_disturbs_nobody() {
    let cluster = Cluster::of(&["a", "b"]);
    let noise = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    // Every first byte, every length up to beyond the largest datagram; what passes for QUIC's included.
    for n in 0..4_000_usize {
        let bytes: Vec<u8> = (0..n % 1_500).map(|at| (n.wrapping_mul(2_654_435_761) >> (at % 24)) as u8).collect();
        let first = [u8::try_from(n % 256).expect("below 256")];
        // The kernel may refuse one when its buffer is full; there are others.
        drop(noise.send_to(&[&first[..], &bytes].concat(), cluster[n % 2].peers()));
    }
    cluster[0].register("prod/recos", "r-1", r#"{"port":1}"#);
    cluster[1].await_service("prod/recos", "in the middle of it", |seen| seen["selection"] == "usable");
    for agent in cluster.agents() {
        eventually(&format!("{} counts what it dropped", agent.name()), SOON, || {
            let metrics = agent.metrics();
            let dropped = metrics.iter().filter(|(name, _)| name.contains("datagrams_dropped_malformed"));
            let sum: f64 = dropped.map(|(_, count)| count).sum();
            (sum >= 100.0).then_some(()).ok_or_else(|| format!("{sum}: {metrics:?}"))
        });
        assert_eq!(agent.member_states().iter().filter(|(_, state)| state == "alive").count(), 2);
        assert!(!agent.log().contains("panicked"), "{}", agent.log());
    }
}
