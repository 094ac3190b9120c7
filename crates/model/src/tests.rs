use crate::{InstanceId, NodeName, PortName, Registration, ServiceName, State, WallTime};
use alloc::string::ToString;
use core::net::{IpAddr, Ipv4Addr};

#[test]
fn service_names_carry_their_namespace() {
    let name: ServiceName = "prod/recos".parse().unwrap();
    assert_eq!((name.namespace(), name.service(), name.as_str()), ("prod", "recos", "prod/recos"));
    let name: ServiceName = "recos".parse().unwrap();
    assert_eq!(name.as_str(), "default/recos");
}

#[test]
fn bad_names_say_what_would_be_right() {
    let problem = |s: &str| s.parse::<ServiceName>().unwrap_err().to_string();
    assert_eq!(problem("Recos"), r#"service "Recos": contains 'R'; names are lower case, try "recos""#);
    assert_eq!(problem("a/b/c"), r#"service "b/c": contains '/'; expected a-z, 0-9, '-' and '_'"#);
    assert_eq!(problem("_tcp"), r#"service "_tcp": must begin and end with a letter or digit"#);
    assert_eq!(problem("/x"), r#"namespace "": is empty; expected 1 to 63 of a-z, 0-9, '-' and '_'"#);
    assert!("a b".parse::<InstanceId>().is_err() && "host:app:80".parse::<InstanceId>().is_ok());
    assert_eq!("Web-1.Example".parse::<NodeName>().unwrap().as_str(), "web-1.example");
    assert!("".parse::<PortName>().is_err());
}

#[test]
fn registrations_out_of_bounds_name_the_field() {
    let ok = Registration::new("web".parse().unwrap(), "1".parse().unwrap(), IpAddr::V4(Ipv4Addr::LOCALHOST));
    assert_eq!(ok.check(), Ok(()));
    let field = |change: fn(&mut Registration)| {
        let mut registration = ok.clone();
        change(&mut registration);
        registration.check().unwrap_err().field
    };
    assert_eq!(field(|r| r.address = IpAddr::V4(Ipv4Addr::UNSPECIFIED)), "address");
    assert_eq!(field(|r| r.weight = 0), "weight");
    assert_eq!(field(|r| r.lease = Some(core::time::Duration::from_millis(1))), "ttl");
    assert_eq!(field(|r| r.version = "x".repeat(129).into()), "version");
    assert_eq!(field(|r| r.tags = ["a".into(), "".into()].into()), "tags[1]");
    assert_eq!("up".parse::<State>(), Ok(State::Up));
}

#[test]
fn wall_time_prints_as_rfc_3339() {
    assert_eq!(WallTime(0).to_string(), "1970-01-01T00:00:00.000Z");
    assert_eq!(WallTime(951_782_400_000).to_string(), "2000-02-29T00:00:00.000Z");
    assert_eq!(WallTime(1_795_206_487_125).to_string(), "2026-11-20T20:28:07.125Z");
}
