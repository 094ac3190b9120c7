//! The client that everybody has.

use super::World;
use super::sockets::start;
use std::process::Command;

fn dig(port: u16, arguments: &[&str]) -> String {
    let port = port.to_string();
    let output = Command::new("dig")
        .args(["@127.0.0.1", "-p", &port, "+time=10", "+tries=1", "+norec"])
        .args(arguments)
        .output()
        .expect("dig was there a moment ago");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "dig {arguments:?}: {text}");
    assert!(!text.contains("WARNING") && !text.contains("Got bad packet"), "dig {arguments:?}: {text}");
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn dig_understands_every_kind_of_answer() {
    if Command::new("dig").arg("-v").output().is_err() {
        let in_ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
        assert!(!in_ci, "CI must have dig: install bind9-dnsutils (Debian) or bind-utils (Fedora)");
        println!("skipped: there is no dig on PATH");
        return;
    }
    let mut world = World::populated();
    world.register_many("many", 300);
    let (running, server) = start(&world, crate::Config::default());
    let port = server.port();
    let short = |arguments: &[&str]| {
        let text = dig(port, &[&["+short"], arguments].concat());
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(short(&["web.whither"]), ["10.0.0.1", "10.0.0.2"]);
    assert_eq!(short(&["WEB.whither", "AAAA"]), ["2001:db8::3"]);
    assert_eq!(short(&["_api._tcp.prod.whither", "SRV"]), ["1 100 80 a1.instance.api.prod.whither."]);
    assert_eq!(short(&["whither", "NS"]), ["000000000000000a.node.whither."]);
    assert!(short(&["web.whither", "TXT"])[0].contains(r#""selection=usable""#));
    assert_eq!(short(&["many.whither"]).len(), 300, "dig goes on over TCP by itself");
    assert_eq!(short(&["+tcp", "+keepopen", "web.whither"]).len(), 2);
    assert_eq!(short(&["+noedns", "+nocookie", "web.whither"]).len(), 2);
    let cut = dig(port, &["+ignore", "many.whither"]);
    assert!(cut.contains(" tc") && cut.contains("EDNS: version: 0, flags:; udp: 1232"), "{cut}");
    for (arguments, expected) in [
        (&["api.prod.whither", "AAAA"][..], "status: NOERROR"),
        (&["nobody.whither"], "status: NXDOMAIN"),
        (&["example.com"], "status: REFUSED"),
        (&["+edns=1", "+noednsneg", "web.whither"], "status: BADVERS"),
        (&["+opcode=notify", "+noedns", "web.whither"], "status: NOTIMP"),
        (&["-c", "CH", "version.bind", "TXT"], "status: REFUSED"),
        (&["+nsid", "web.whither"], "NSID: "),
        (&["web.whither", "ANY", "+notcp"], "\"RFC8482\" \"\""),
    ] {
        let text = dig(port, arguments);
        assert!(text.contains(expected), "dig {arguments:?}: {text}");
    }
    let negative = dig(port, &["nobody.whither"]);
    assert!(negative.contains("IN\tSOA\t000000000000000a.node.whither. hostmaster.whither."), "{negative}");
    running.stop().await;
}
