//! Files as hosts have them, and as they might be.

use super::super::connections::{State, connection};
use super::super::hosts_file::{pins, sources};
use super::super::names;
use super::super::resolv_conf::ResolvConf;
use proptest::prelude::*;
use std::net::{IpAddr, SocketAddr};

#[test]
fn resolv_conf_is_read_as_glibc_reads_it() {
    let text = "# nameserver 10.0.0.1\nnameserver 10.0.0.2 # of the office\nnameserver ten\n\tnameserver fe80::1\n\
                search a.example b.example.\nsearch prod.whither whither\noptions timeout:1 ndots:5 ndots:99\n";
    let read = ResolvConf::parse(text, Some("host.example"));
    let servers: Vec<_> = read.nameservers.iter().map(|one| (one.address.to_string(), one.line)).collect();
    assert_eq!(servers, [("10.0.0.2".into(), Some(2)), ("fe80::1".into(), Some(4))]);
    assert_eq!(read.odd, [(3, "nameserver ten".to_owned())]);
    assert_eq!((read.search.as_slice(), read.ndots), (&["prod.whither".into(), "whither".into()][..], 15));
    assert_eq!(read.short_forms("recos.prod.whither"), ["recos", "recos.prod"]);
    let silent = ResolvConf::parse("", Some("host.example"));
    assert_eq!(silent.nameservers[0].address.to_string(), "127.0.0.1");
    assert_eq!(silent.candidates("web"), ["web.host.example.", "web."]);
}

#[test]
fn dots_decide_whether_the_search_path_comes_first() {
    let of = |ndots: usize| ResolvConf::parse(&format!("search x.example\noptions ndots:{ndots}"), None);
    assert_eq!(of(2).candidates("recos.prod.whither"), ["recos.prod.whither.", "recos.prod.whither.x.example."]);
    assert_eq!(of(5).candidates("recos.prod.whither"), ["recos.prod.whither.x.example.", "recos.prod.whither."]);
    assert_eq!(of(5).candidates("recos.prod.whither."), ["recos.prod.whither."]);
}

#[test]
fn a_hosts_file_pins_names_by_line() {
    let text = "127.0.0.1 localhost\n# 10.0.0.1 recos.prod.whither\n10.0.0.9 old RECOS.prod.whither. # since May\n\
                junk recos.prod.whither\n::9\trecos\n10.0.0.8 xrecos\n";
    let names = ["recos.prod.whither".to_owned(), "recos".to_owned()];
    let found: Vec<_> = pins(text, &names).into_iter().map(|pin| (pin.line, pin.address.to_string())).collect();
    assert_eq!(found, [(3, "10.0.0.9".to_owned()), (5, "::9".to_owned())]);
}

#[test]
fn sources_are_told_from_what_happens_after_them() {
    assert_eq!(sources("hosts: files mdns4_minimal [NOTFOUND=return] dns # x"), ["files", "mdns4_minimal", "dns"]);
    assert_eq!(sources("hosts: files\n hosts:resolve [ !UNAVAIL = return ] dns"), ["resolve", "dns"]);
    assert_eq!(sources("passwd: files"), ["files", "dns"]);
}

#[test]
fn services_are_spelled_as_dns_has_them() {
    let full = |name: &str| names::full(&name.parse().unwrap(), "Whither.");
    assert_eq!(full("prod/recos"), "recos.prod.whither");
    assert_eq!(full("recos"), "recos.default.whither");
    assert_eq!(full("node/web"), "web.node.service.whither");
    assert!(names::is_own_zone("Whither.", "whither") && names::is_own_zone("service.whither.", "whither"));
    assert!(!names::is_own_zone(".", "whither") && !names::is_own_zone("nowhither.", "whither"));
}

/// An address as the kernel prints it.
fn kernel(socket: SocketAddr) -> String {
    let words = match socket.ip() {
        IpAddr::V4(ip) => vec![u32::from_ne_bytes(ip.octets())],
        IpAddr::V6(ip) => ip.octets().chunks(4).map(|part| u32::from_ne_bytes(part.try_into().unwrap())).collect(),
    };
    let words: String = words.iter().map(|word| format!("{word:08X}")).collect();
    format!("{words}:{:04X}", socket.port())
}

#[test]
fn a_connection_of_both_families_is_one_of_the_older() {
    let mapped = kernel("[::ffff:10.0.0.9]:8080".parse().unwrap());
    let line = format!("  9: {mapped} {mapped} 08 0:0 00:0 0 0 0 77 1");
    let found = connection(&line).unwrap();
    assert_eq!((found.remote, found.state, found.inode), ("10.0.0.9:8080".parse().unwrap(), State::ClosedByPeer, 77));
}

proptest! {
    #[test]
    fn whatever_a_kernel_prints_is_read(local: SocketAddr, remote: SocketAddr, inode: u64) {
        let line = format!("   0: {} {} 01 00000000:00000000 00:00000000 00000000  1000        0 {inode} 1 0 20 4 30 10 -1",
            kernel(local), kernel(remote));
        let read = connection(&line).unwrap();
        let plain = |socket: SocketAddr| (socket.ip().to_canonical(), socket.port());
        prop_assert_eq!((plain(read.local), plain(read.remote)), (plain(local), plain(remote)));
        prop_assert_eq!((read.state, read.inode), (State::Established, inode));
    }

    #[test]
    fn odd_lines_are_no_connections(line in "\\PC*|[0-9A-F: ]{0,120}|(\\s*\\S{0,40}){0,12}") {
        if let Some(read) = connection(&line) {
            prop_assert!(line.contains(&read.inode.to_string()));
        }
    }

    #[test]
    fn a_name_is_asked_for_as_itself_once_and_once_for_each_domain(
        text in "((nameserver|search|domain|options|#)[ \\t]\\PC{0,30}\n){0,12}|\\PC{0,200}",
        name in "[a-z]{1,8}(\\.[a-z]{1,8}){0,4}",
    ) {
        let read = ResolvConf::parse(&text, None);
        prop_assert!(!read.nameservers.is_empty() && read.nameservers.len() <= 8);
        let candidates = read.candidates(&name);
        prop_assert_eq!(candidates.len(), read.search.len() + 1);
        let whole = name.clone() + ".";
        prop_assert!(candidates.contains(&whole));
        prop_assert!(candidates.iter().all(|one| one.starts_with(&name) && one.ends_with('.')));
    }

    #[test]
    fn a_pin_is_a_line_that_names_both(text in "([0-9.:#]{0,9}[ \\t]{0,2}(recos|\\PC{0,9})[ \\t#]{0,2}\n?){0,20}") {
        let lines: Vec<&str> = text.lines().collect();
        for pin in pins(&text, &["recos".to_owned()]) {
            let line = lines[pin.line - 1];
            prop_assert!(line.contains(&pin.name) && line.trim_start().parse::<IpAddr>().is_err());
            prop_assert_eq!(pin.name.trim_end_matches('.'), "recos");
        }
        prop_assert!(sources(&text).iter().all(|source| !source.contains('[')));
    }
}
