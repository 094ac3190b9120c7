//! `whither register --keep` as a process: it renews while it lives, and deregisters when it is told to end.

use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

const ANSWER: &str = r#"{"created":true,"version":"1.7","ttl_ms":300}"#;

/// Answers one request with something that fits every command, and says what it was.
fn answer(mut connection: &TcpStream) -> String {
    let mut reader = BufReader::new(connection);
    let (mut request, mut length) = (String::new(), 0);
    reader.read_line(&mut request).unwrap();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).unwrap();
        match header.trim_end().to_lowercase().strip_prefix("content-length: ") {
            Some(value) => length = value.parse().unwrap(),
            None if header.trim_end().is_empty() => break,
            None => {}
        }
    }
    reader.read_exact(&mut vec![0; length]).unwrap();
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", ANSWER.len());
    connection.write_all((head + ANSWER).as_bytes()).unwrap();
    request.trim_end().trim_end_matches(" HTTP/1.1").to_owned()
}

#[test]
fn a_kept_instance_is_renewed_until_its_command_is_told_to_end() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let agent = listener.local_addr().unwrap().to_string();
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            if tell.send(answer(&connection.unwrap())).is_err() {
                break;
            }
        }
    });
    let next = || told.recv_timeout(Duration::from_secs(20)).expect("the command asks the agent");
    let mut command = Command::new(env!("CARGO_BIN_EXE_whither"))
        .args(["--agent", &agent, "register", "prod/recos", "--id", "r-1", "--ttl", "300ms", "--keep"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    assert_eq!(next(), "PUT /v1/services/prod/recos/instances/r-1");
    assert_eq!(next(), "PUT /v1/services/prod/recos/instances/r-1/renew");
    assert_eq!(next(), "PUT /v1/services/prod/recos/instances/r-1/renew");
    kill_process(Pid::from_child(&command), Signal::TERM).unwrap();
    let last = std::iter::repeat_with(next).find(|request| !request.ends_with("/renew")).unwrap();
    assert_eq!(last, "DELETE /v1/services/prod/recos/instances/r-1");
    assert!(command.wait().unwrap().success());
}
