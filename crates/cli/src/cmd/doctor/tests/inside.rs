//! What processes keep: Java's cache, and connections.

use super::super::jvm::{Kept, is_java, kept, look};
use super::super::processes;
use super::*;
use proptest::prelude::*;

fn seconds(options: &str, files: &[&str]) -> i64 {
    let options: Vec<String> = options.split_whitespace().map(str::to_owned).collect();
    let files: Vec<_> = files.iter().map(|text| ("a.security".to_owned(), (*text).to_owned())).collect();
    kept(&options, &files).seconds
}

/// As `sun.net.InetAddressCachePolicy.get()` of OpenJDK 17 says when it is started so.
#[test]
fn java_keeps_addresses_for_as_long_as_its_own_code_says() {
    let none = "#networkaddress.cache.ttl=-1\nnetworkaddress.cache.negative.ttl=10\n";
    assert_eq!(seconds("", &[none]), 30);
    assert_eq!(seconds("-Dsun.net.inetaddr.ttl=9", &[none]), 9);
    assert_eq!(seconds("-Dsun.net.inetaddr.ttl=5 -Dsun.net.inetaddr.ttl=6", &[none]), 6);
    assert_eq!(seconds("-Dsun.net.inetaddr.ttl=-1", &[none]), -1);
    assert_eq!(seconds("-Dsun.net.inetaddr.ttl=x", &[none]), 30);
    assert_eq!(seconds("-Dnetworkaddress.cache.ttl=7", &[none]), 30);
    assert_eq!(seconds("", &[none, "networkaddress.cache.ttl=11\n"]), 11);
    assert_eq!(seconds("-Dsun.net.inetaddr.ttl=9", &["networkaddress.cache.ttl : 11"]), 11);
    assert_eq!(seconds("-Djava.security.manager", &[none]), -1);
    assert_eq!(seconds("-Djava.security.manager=allow", &[none]), 30);
    let Kept { note, .. } = kept(&["-Dnetworkaddress.cache.ttl=7".to_owned()], &[]);
    assert!(note.unwrap().contains("no effect"));
}

fn java(command_line: &str) -> Tree {
    Tree::new()
        .with("proc/71/comm", "java\n")
        .with("proc/71/cmdline", &command_line.replace(' ', "\0"))
        .with_link("proc/71/exe", "/opt/jdk/bin/java")
        .with_link("proc/71/cwd", "/srv")
        .with("proc/71/root/etc/own.security", "networkaddress.cache.ttl=-1\n")
        .with_link("proc/71/root/opt/jdk/conf/security/java.security", "/etc/own.security")
        .with("proc/71/root/srv/more.security", "networkaddress.cache.ttl = 0\n")
        .with("proc/72/comm", "cat\n")
}

#[track_caller]
fn seen(tree: &Tree) -> Finding {
    let mut javas = processes::all(&tree.host()).unwrap();
    javas.retain(is_java);
    assert_eq!(javas.iter().map(|one| one.pid).collect::<Vec<_>>(), [71]);
    look(&javas[0])
}

#[test]
fn a_java_process_is_looked_at_within_its_own_root() {
    let forever = seen(&java("/opt/jdk/bin/java -cp x Main -Djava.security.properties=more.security"));
    assert_eq!((forever.ttl_s, forever.verdict), (None, Verdict::CannotTell));
    assert!(forever.says.contains("java (pid 71) keeps an address for ever"), "{}", forever.says);
    assert!(forever.says.contains("=-1 in /opt/jdk/conf/security/java.security"), "{}", forever.says);

    let never = seen(&java("java -Djava.security.properties=more.security -jar x.jar"));
    assert_eq!((never.ttl_s, never.verdict), (Some(0), Verdict::Agrees), "{never:?}");

    let instead = seen(&java("java -Djava.security.properties==/srv/gone.security Main"));
    assert_eq!(instead.ttl_s, Some(30), "its own file does not count: {instead:?}");
    assert!(instead.says.contains("may not be read"), "{}", instead.says);

    let told =
        java("java Main").with("proc/71/environ", "A=b\0JAVA_TOOL_OPTIONS=-Djava.security.properties=more.security\0");
    assert_eq!(seen(&told).ttl_s, Some(0));
}

proptest! {
    #[test]
    fn a_cache_time_is_one_that_is_written_somewhere(
        options in proptest::collection::vec("-D(sun.net.inetaddr.ttl|x)=?-?[0-9]{0,12}|\\PC{0,20}", 0..6),
        text in "([ \\t]{0,2}networkaddress.cache.ttl[ \\t]{0,2}[=:]?[ ]?-?[0-9]{0,12}\n|\\PC{0,20}\n){0,6}",
    ) {
        let seconds = kept(&options, &[("f".to_owned(), text.clone())]).seconds;
        let written = |place: &str| place.contains(&seconds.to_string());
        // Leading zeros and `-0` are numbers, too.
        prop_assert!(seconds == 30 || seconds == 0 || written(&text) || options.iter().any(|one| written(one)));
    }
}

/// A socket of the kernel's list: hexadecimal of an address in the order of this machine.
fn line(remote: [u8; 4], port: u16, state: &str, inode: u32) -> String {
    let address = u32::from_ne_bytes(remote);
    format!("  0: 0100007F:9C40 {address:08X}:{port:04X} {state} 0:0 00:0 0 0 0 {inode} 1 0\n")
}

#[test]
fn connections_to_what_is_gone_are_found_with_their_process() {
    let lines = [
        line([10, 0, 0, 9], 8080, "01", 501),
        line([10, 0, 0, 9], 8080, "01", 502),
        line([10, 0, 0, 9], 8080, "08", 503),
        line([10, 0, 0, 9], 22, "01", 504),
        line([10, 0, 0, 7], 8080, "01", 505),
        line([10, 0, 0, 6], 8080, "01", 506),
        line([10, 0, 0, 5], 9999, "02", 507),
        line([10, 0, 0, 5], 9998, "02", 508),
    ];
    let tree = Tree::new()
        .with("proc/net/tcp", &format!("  sl  local_address rem_address   st\n{}garbage\n", lines.concat()))
        .with("proc/40/comm", "front\n")
        .with_link("proc/40/fd/3", "socket:[501]")
        .with_link("proc/40/fd/4", "socket:[502]")
        .with_link("proc/40/fd/5", "socket:[503]");
    let agent = Agent::knowing(Some(&[
        instance("recos-1", "10.0.0.7", 8080, "passing"),
        instance("recos-6", "10.0.0.6", 8080, "draining"),
        instance("recos-9", "10.0.0.9", 8080, "critical"),
    ]));
    let case = Case { was: vec!["10.0.0.5:9999".parse().unwrap()], nameservers: vec![closed_port()], ..case() };
    let examined = examine(&case, &agent.api(), &tree.host());
    let mut seen: Vec<(Verdict, &str)> = Vec::new();
    seen.extend(of(&examined, Layer::Connections).into_iter().map(|one| (one.verdict, one.says.as_str())));
    let changed = "changed at 2026-11-20T20:28:07.125Z";
    assert_eq!(
        seen,
        [
            (
                Verdict::Differs,
                "some process is trying to open 1 connection to 10.0.0.5:9999 (gone, as --was says); no process \
                            that can be seen here holds it"
            ),
            (
                Verdict::Agrees,
                &*format!(
                    "some process holds 1 connection to 10.0.0.6:8080 (recos-6, draining, {changed}), which \
                                     is to finish what it has"
                )
            ),
            (
                Verdict::Differs,
                &*format!("front (pid 40) holds 2 connections to 10.0.0.9:8080 (recos-9, critical, {changed})")
            ),
            (
                Verdict::Differs,
                &*format!(
                    "front (pid 40) holds 1 connection that 10.0.0.9:8080 has closed already (recos-9, \
                                      critical, {changed})"
                )
            ),
        ]
    );
}
