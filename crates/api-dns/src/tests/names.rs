use crate::names::{Lookup, Part, hash_of_label, instance_label, read};
use crate::zone::{Zone, locate};
use whither_model::ServiceName;

/// Names below the zone and what they mean.
const TABLE: &[(&str, &str)] = &[
    ("", "apex"),
    ("web", "default/web or namespace"),
    ("web.prod", "prod/web whole"),
    ("web.default", "default/web whole"),
    ("v1.tag.web.prod", "prod/web tag v1"),
    ("http.port.web.prod", "prod/web port http"),
    ("i1.instance.web.prod", "prod/web instance i1"),
    ("_web._tcp", "default/web rfc2782"),
    ("_web._tcp.prod", "prod/web rfc2782"),
    ("_http._tcp.web.prod", "prod/web rfc2782 http"),
    // Only above others.
    ("_tcp", "fixed"),
    ("_tcp.prod", "namespace prod"),
    ("_tcp.web.prod", "below prod/web"),
    ("tag.web.prod", "below prod/web"),
    ("port.web.prod", "below prod/web"),
    ("instance.web.prod", "below prod/web"),
    ("node", "fixed"),
    ("service", "fixed"),
    // Nodes, whose names may have dots.
    ("a.node", "node a"),
    ("a.example.node", "node a.example"),
    ("web.prod.node", "node web.prod"),
    ("v1.tag.web.node", "node v1.tag.web"),
    // The long form, where only the last `service` is a marker.
    ("web.service", "default/web or namespace"),
    ("web.prod.service", "prod/web whole"),
    ("web.node.service", "node/web whole"),
    ("web.service.service", "service/web whole"),
    ("node.service", "default/node or namespace"),
    ("service.service", "default/service or namespace"),
    ("v1.tag.web.node.service", "node/web tag v1"),
    ("_web._tcp.service", "default/web rfc2782"),
    ("_tcp.service", "fixed"),
    // A marker word in another position is a name like any other.
    ("tag.prod", "prod/tag whole"),
    ("tag", "default/tag or namespace"),
    ("instance.instance.instance.instance", "instance/instance instance instance"),
    ("tag.tag.tag.tag", "tag/tag tag tag"),
    ("port.tag.web", "below web/tag"),
    ("tag.tag.web", "below web/tag"),
    ("node.default", "default/node whole"),
    ("node.prod", "prod/node whole"),
    ("node.node", "node node"),
    ("service.node", "node service"),
    ("web.tag", "tag/web whole"),
    // No names.
    ("a.b.c", "nothing"),
    ("a.b.c.d", "nothing"),
    ("x.v1.tag.web.prod", "nothing"),
    ("_web._udp", "nothing"),
    ("_web", "nothing"),
    ("_web.prod", "nothing"),
    ("-web", "nothing"),
    ("we!b.prod", "nothing"),
    ("web._tcp", "nothing"),
    ("__web._tcp", "nothing"),
    ("_tcp._tcp", "nothing"),
    ("_._tcp", "nothing"),
    ("*", "nothing"),
];

fn told(lookup: &Lookup<'_>) -> String {
    match lookup {
        Lookup::Apex => "apex".into(),
        Lookup::Fixed => "fixed".into(),
        Lookup::Namespace(name) => format!("namespace {name}"),
        Lookup::Below(name) => format!("below {name}"),
        Lookup::ServiceOrNamespace(name) => format!("{name} or namespace"),
        Lookup::Service(name, part) => match part {
            Part::Whole => format!("{name} whole"),
            Part::Tag(tag) => format!("{name} tag {}", String::from_utf8_lossy(tag)),
            Part::Port(port) => format!("{name} port {port}"),
            Part::Instance(id) => format!("{name} instance {id}"),
            Part::Rfc2782 => format!("{name} rfc2782"),
            Part::Rfc2782Port(port) => format!("{name} rfc2782 {port}"),
        },
        Lookup::Node(labels) => format!("node {}", String::from_utf8_lossy(&labels.join(&b'.'))),
        Lookup::Nothing => "nothing".into(),
    }
}

#[test]
fn every_name_has_one_meaning() {
    for (name, expected) in TABLE {
        let labels: Vec<&[u8]> = name.split('.').filter(|label| !label.is_empty()).map(str::as_bytes).collect();
        assert_eq!(told(&read(&labels)), *expected, "{name}");
    }
}

#[test]
fn every_service_has_a_name_that_means_it_whatever_it_is_called() {
    let words = ["node", "service", "tag", "port", "instance", "default", "web"];
    for namespace in words {
        for service in words {
            let name = ServiceName::new(namespace, service).unwrap();
            let labels = crate::names::service_labels(&name);
            assert_eq!(read(&labels), Lookup::Service(name.clone(), Part::Whole), "{name}");
            let long = [service.as_bytes(), namespace.as_bytes(), b"service"];
            assert_eq!(read(&long), Lookup::Service(name.clone(), Part::Whole), "{name}");
            let mut of_instance: Vec<&[u8]> = vec![b"i1", b"instance"];
            of_instance.extend(&labels);
            assert_eq!(read(&of_instance), Lookup::Service(name.clone(), Part::Instance("i1")), "{name}");
        }
    }
}

#[test]
fn ids_that_are_no_labels_have_a_stable_one() {
    let long = "a".repeat(64);
    for (id, expected) in [
        ("recos-7f9c", "recos-7f9c"),
        ("a_b", "a_b"),
        ("a", "a"),
        // Given to clients and kept by them: these must never change.
        ("host:app:80", "x-d9dbfb54a6becfa8"),
        ("Upper", "x-e87f97ba29476d47"),
        ("x-cbf29ce484222325", "x-59cfb5a6a91a2d28"),
        ("-edge", "x-31f60a510ce5114d"),
        ("dotted.name", "x-8d0e6f2b364fefb2"),
        (&long, "x-db007849f35ebbe5"),
    ] {
        let label = instance_label(id);
        assert_eq!(label, expected, "{id}");
        assert!(label.len() <= 63);
        assert_eq!(hash_of_label(&label).is_some(), label != id, "{id}");
    }
    assert_eq!(hash_of_label("x-CBF29CE484222325"), None, "labels are looked up in lower case");
    assert_eq!(hash_of_label("x-+bf29ce484222325"), None);
}

#[test]
fn the_longest_zone_wins_and_only_at_a_label() {
    let zones = ["whither.", "eu.Whither", "consul."].map(|zone| Zone::parse(zone).unwrap());
    let found = |name: &[u8]| {
        locate(&zones, name).map(|(zone, labels)| (zone, labels.concat().iter().map(|b| char::from(*b)).collect()))
    };
    assert_eq!(found(b"\x07whither\0"), Some((0, String::new())));
    assert_eq!(found(b"\x03web\x04prod\x07whither\0"), Some((0, "webprod".to_owned())));
    assert_eq!(found(b"\x03web\x02eu\x07whither\0"), Some((1, "web".to_owned())));
    assert_eq!(found(b"\x03web\x06consul\0"), Some((2, "web".to_owned())));
    assert_eq!(found(b"\x03web\x08xwhither\0"), None);
    assert_eq!(found(b"\x0aa\x07whither\x01\0\0"), None, "octets inside a label are no zone");
    assert_eq!(found(b"\x0ba\x07whither\0\0"), None);
    assert_eq!(found(b"\0"), None);
}

#[test]
fn bad_zones_are_refused_with_what_would_be_right() {
    let problem = |zone: &str| Zone::parse(zone).unwrap_err().to_string();
    assert_eq!(problem("."), r#"dns.zones: "." is the root; expected a name such as whither."#);
    assert!(problem("a..b").contains("empty or over-long label"));
    assert!(problem("a b").contains("a character other than"));
    assert!(problem(&"a.".repeat(27)).contains("at most 52 characters"));
    assert!(Zone::parse(&"a.".repeat(26)).is_ok());
}
