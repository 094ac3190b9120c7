use super::wire::{Registration, Service, Services, Written};
use super::*;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixListener;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

/// What the scripted server does with one connection.
pub(crate) enum Reply {
    /// Answers with this status, content type and body.
    Whole(u16, &'static str, String),
    /// Streams these lines, then waits until it is told to go on, and cuts the connection.
    Stream(Vec<String>, mpsc::Receiver<()>),
    /// Streams these lines and cuts the connection.
    Cut(Vec<String>),
    /// Says nothing and cuts the connection.
    Nothing,
}

impl Reply {
    pub(crate) fn json(body: &str) -> Self {
        Self::Whole(200, "application/json", body.to_owned())
    }

    pub(crate) fn problem(status: u16, slug: &str, detail: &str) -> Self {
        let body =
            format!(r#"{{"type":"urn:whither:problem:{slug}","title":"No","status":{status},"detail":"{detail}"}}"#);
        Self::Whole(status, "application/problem+json", body)
    }
}

/// An agent that says what it was told to say, and remembers what it was asked.
pub(crate) struct Script {
    pub(crate) api: AgentApi,
    server: JoinHandle<Vec<String>>,
}

impl Script {
    pub(crate) fn new(replies: Vec<Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let agent = listener.local_addr().unwrap().to_string().parse().unwrap();
        let server = std::thread::spawn(move || {
            replies.into_iter().map(|reply| serve(&listener.accept().unwrap().0, reply)).collect()
        });
        Self { api: AgentApi::new(agent), server }
    }

    /// The requests, one text each: first line, interesting headers, body.
    pub(crate) fn requests(self) -> Vec<String> {
        self.server.join().unwrap()
    }
}

fn serve(mut connection: &TcpStream, reply: Reply) -> String {
    connection.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut reader = BufReader::new(connection);
    let (mut asked, mut length) = (String::new(), 0);
    reader.read_line(&mut asked).unwrap();
    asked = asked.trim_end().trim_end_matches(" HTTP/1.1").to_owned();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).unwrap();
        let header = header.trim_end().to_lowercase();
        if header.is_empty() {
            break;
        }
        if let Some(value) = header.strip_prefix("content-length: ") {
            length = value.parse().unwrap();
        }
        if header.starts_with("content-type: ") || header == "accept: application/x-ndjson" {
            asked = format!("{asked}\n{header}");
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    if !body.is_empty() {
        asked = format!("{asked}\n{}", String::from_utf8(body).unwrap());
    }
    let mut stream = |lines: Vec<String>| {
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/x-ndjson\r\ntransfer-encoding: chunked\r\n\r\n";
        connection.write_all(head.as_bytes()).unwrap();
        for line in lines {
            connection.write_all(format!("{:x}\r\n{line}\n\r\n", line.len() + 1).as_bytes()).unwrap();
        }
    };
    match reply {
        Reply::Whole(status, kind, body) => {
            let head = format!("HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n", body.len());
            connection.write_all((head + &body).as_bytes()).unwrap();
        }
        Reply::Cut(lines) => stream(lines),
        Reply::Stream(lines, go_on) => {
            stream(lines);
            go_on.recv_timeout(Duration::from_secs(10)).expect("the client sees lines while the stream is open");
        }
        Reply::Nothing => {}
    }
    asked
}

#[test]
fn an_answer_is_kept_as_it_came_and_understood() {
    let body = r#"{"age_ms":3,"index":"a-1","new":{},"services":[{"service":"prod/recos","instances":4,"usable":3,"selection":"usable"}]}"#;
    let script = Script::new(vec![Reply::json(body)]);
    let target = Target::new("/v1/services").query("namespace", "a b&c");
    let answer = script.api.ask::<Services>(Method::Get, &target, None).unwrap();
    assert_eq!(answer.body, body);
    assert_eq!((answer.value.age_ms, answer.value.services[0].usable), (Some(3), 3));
    assert_eq!(script.requests(), ["GET /v1/services?namespace=a%20b%26c"]);
}

#[test]
fn a_write_carries_its_body_with_ports_in_order() {
    let script = Script::new(vec![Reply::Whole(
        201,
        "application/json",
        r#"{"service":"prod/recos","id":"a+b","created":true,"version":"1.7","index":"a-1"}"#.into(),
    )]);
    let registration = Registration {
        ports: super::wire::Ports(vec![("z".into(), 1), ("a".into(), 2)]),
        ttl: Some("10s".into()),
        ..Registration::default()
    };
    let target = Target::instance(&"prod/recos".parse().unwrap(), &"a+b\"<".parse().unwrap()).query("ack", "durable");
    let body = serde_json::to_vec(&registration).unwrap();
    let answer = script.api.ask::<Written>(Method::Put, &target, Some(&body)).unwrap();
    assert!(answer.value.created && answer.value.version == "1.7");
    let expected = "PUT /v1/services/prod/recos/instances/a%2Bb%22%3C?ack=durable\ncontent-type: application/json\n\
                    {\"ports\":{\"z\":1,\"a\":2},\"ttl\":\"10s\"}";
    assert_eq!(script.requests(), [expected]);
}

#[test]
fn a_problem_is_shown_in_the_agents_words() {
    let owned = r#"{"type":"urn:whither:problem:not-owner","title":"Not the owner","status":409,"detail":"instance a belongs to another node","owner":"00000000000000aa","owner_name":"web-2"}"#;
    let field = r#"{"type":"urn:whither:problem:invalid-field","title":"Invalid","status":422,"detail":"is 0; expected 1 to 65535","field":"weight"}"#;
    let script = Script::new(vec![
        Reply::Whole(409, "application/problem+json", owned.into()),
        Reply::Whole(422, "application/problem+json", field.into()),
        Reply::problem(404, "unknown-service", "there is no service prod/x"),
    ]);
    let ask = || script.api.ask::<Service>(Method::Get, &Target::new("/v1/services/prod/x"), None).unwrap_err();
    let error = ask();
    assert_eq!(error.to_string(), "instance a belongs to another node (its owner is web-2, 00000000000000aa)");
    assert!(!error.is_not_found() && !error.may_pass());
    assert_eq!(ask().to_string(), "weight: is 0; expected 1 to 65535");
    let error = ask();
    assert_eq!(error.to_string(), "there is no service prod/x");
    assert!(error.is_not_found());
}

#[test]
fn nobody_there_is_told_what_to_start() {
    // Bound and dropped: nothing listens on this port now.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let api = AgentApi::new(format!("127.0.0.1:{port}").parse().unwrap());
    let error = api.send(Method::Get, &Target::new("/v1/health"), None).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "no agent answers at 127.0.0.1:{port} (connection refused); start one with `whither agent` or `whither dev`, \
             or name another with --agent"
        )
    );
    assert!(error.may_pass());
}

#[test]
fn a_socket_without_an_agent_is_told_by_what_is_wrong_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("whither.sock");
    let ask = || {
        let api = AgentApi::new(format!("unix:{}", path.display()).parse().unwrap());
        let error = api.send(Method::Get, &Target::new("/v1/health"), None).unwrap_err();
        assert!(matches!(error, ApiError::Unreachable { .. }) && error.may_pass(), "{error:?}");
        error.to_string()
    };
    let said = ask();
    assert!(said.contains("(no such file or directory); no agent runs with that data directory"), "{said}");
    let listener = UnixListener::bind(&path).unwrap();
    drop(listener);
    let said = ask();
    assert!(said.contains("(connection refused); nobody listens there") && said.contains("`whither agent`"), "{said}");
    // Made up: root, as whom tests may run, is let in everywhere.
    let agent = AgentAddress::Socket(path.clone());
    let denied = std::io::Error::from_raw_os_error(rustix::io::Errno::ACCESS.raw_os_error());
    let said = ApiError::of(&agent, ureq::Error::Io(denied), TIMEOUT).to_string();
    assert!(said.contains("(permission denied); this user may not connect"), "{said}");
}

#[test]
fn a_socket_is_silent_no_longer_than_a_port_may_be() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("whither.sock");
    // Connected to by the system alone: nobody accepts.
    let _listener = UnixListener::bind(&path).unwrap();
    let config = ureq::Agent::config_builder().timeout_global(Some(Duration::from_millis(50))).build();
    let agent = ureq::Agent::with_parts(config, super::socket::SocketConnector(path), super::socket::NoNames);
    let error = agent.get("http://localhost/").call().unwrap_err();
    assert!(matches!(error, ureq::Error::Timeout(_)), "{error:?}");
}

#[test]
fn whoever_is_no_agent_is_not_taken_for_one() {
    let script = Script::new(vec![
        Reply::Whole(404, "text/html", "<html>nginx</html>".into()),
        Reply::Whole(200, "text/html", "<html>nginx</html>".into()),
        Reply::Whole(302, "text/html", String::new()),
        Reply::Nothing,
    ]);
    let ask = || script.api.ask::<Services>(Method::Get, &Target::new("/v1/services"), None).unwrap_err();
    let error = ask();
    assert!(matches!(&error, ApiError::Foreign { why, .. } if why == "it answered 404 Not Found"), "{error}");
    assert!(!error.is_not_found());
    assert!(matches!(ask(), ApiError::Foreign { .. }));
    assert!(matches!(ask(), ApiError::Foreign { .. }));
    let error = ask();
    assert!(matches!(error, ApiError::Broken { .. }), "{error:?}");
}

#[test]
fn a_stream_is_read_while_it_is_open() {
    let (go_on, gate) = mpsc::channel();
    let line = r#"{"event":"heartbeat","index":"a-1","age_ms":1}"#.to_owned();
    let script = Script::new(vec![Reply::Stream(vec![line.clone()], gate)]);
    let mut stream = script.api.watch(&Target::new("/v1/watch").query("from", "a-0")).unwrap();
    assert_eq!(stream.next().unwrap().event, "heartbeat");
    assert_eq!(stream.line(), line);
    go_on.send(()).unwrap();
    assert!(matches!(stream.next().unwrap_err(), ApiError::Broken { .. }));
    assert_eq!(script.requests(), ["GET /v1/watch?from=a-0\naccept: application/x-ndjson"]);
}

#[test]
fn a_stream_of_something_else_is_foreign() {
    let script = Script::new(vec![Reply::Cut(vec!["hello".into()])]);
    let mut stream = script.api.watch(&Target::new("/v1/watch")).unwrap();
    assert!(matches!(stream.next().unwrap_err(), ApiError::Foreign { .. }));
}

#[test]
fn agents_may_be_named_in_several_ways() {
    let parse = |text: &str| text.parse::<AgentAddress>().map(|address| address.to_string());
    assert_eq!(parse("127.0.0.1:7601").unwrap(), "127.0.0.1:7601");
    assert_eq!(parse("http://web-1:80/").unwrap(), "web-1:80");
    assert_eq!(parse("web-1").unwrap(), "web-1:7601");
    assert_eq!(parse("[::1]:80").unwrap(), "[::1]:80");
    assert_eq!(parse("::1").unwrap(), "[::1]:7601");
    assert_eq!(parse("[::1]").unwrap(), "[::1]:7601");
    assert_eq!(parse("unix:/run/whither.sock").unwrap(), "unix:/run/whither.sock");
    assert_eq!(parse("unix:///run/whither.sock").unwrap(), "unix:/run/whither.sock");
    assert_eq!(parse("unix:a/whither.sock").unwrap(), "unix:a/whither.sock");
    assert!(parse("unix:").unwrap_err().contains("names no socket"));
    assert!(parse(&format!("unix:/{}", "x".repeat(107))).unwrap_err().contains("107 bytes"));
    assert!(parse("https://web-1").unwrap_err().contains("TLS"));
    assert!(parse("web-1/v1").unwrap_err().contains("has a path"));
    assert!(parse("web-1:x").unwrap_err().contains("no valid port"));
    assert!(parse("").is_err() && parse("a@b").is_err() && parse("[x]:1").is_err());
}

#[test]
fn segments_cannot_leave_their_place() {
    assert_eq!(Target::new("/v1").segment("..").segment("a/b").to_string(), "/v1/%2E%2E/a%2Fb");
}
