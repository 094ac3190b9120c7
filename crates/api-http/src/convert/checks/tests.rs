use super::*;
use crate::json::{Tree, line};
use serde::de::DeserializeSeed;
use std::cell::Cell;

fn ports() -> Vec<Port> {
    let port = |name: &str, number| Port { name: name.parse().unwrap(), number };
    vec![port("http", 8080), port("admin", 9090)]
}

fn json(text: &str) -> Json {
    Tree(&Cell::new(1_000)).deserialize(&mut serde_json::Deserializer::from_str(text)).unwrap()
}

fn read_text(text: &str) -> Result<Arc<[Check]>, Invalid> {
    read(json(text), "checks", &ports())
}

fn shown(checks: &[Check]) -> String {
    String::from_utf8(line(&Checks(checks)).trim_ascii_end().to_vec()).unwrap()
}

#[test]
fn what_is_shown_can_be_sent_again_and_says_the_same() {
    for text in [
        r#"[{"name":"http","http":"/health"}]"#,
        r#"[{"name":"https","https":"/"}]"#,
        r#"[{"name":"h","http":{"path":"/h?a=b","port":"admin","method":"HEAD","host":"x.example:80","expect":"200-204"}}]"#,
        r#"[{"name":"s","https":{"path":"/","tls":{"server_name":"x.example","skip_verify":true}},"interval":"1m"}]"#,
        r#"[{"name":"tcp","tcp":true,"interval":"1s"},{"name":"tcp-2","tcp":9090,"timeout":"1500ms"},{"name":"a","tcp":"admin"}]"#,
        r#"[{"name":"grpc","grpc":true,"passes_after":3,"fails_after":5,"initial":"passing"}]"#,
        r#"[{"name":"g","grpc":{"port":"admin","service":"recos.v1.Recos","tls":true}}]"#,
    ] {
        let checks = read_text(text).unwrap();
        assert_eq!(shown(&checks), text);
    }
}

#[test]
fn what_is_left_out_has_a_default_and_a_name() {
    let checks =
        read_text(r#"[{"tcp":true},{"tcp":9090},{"http":true,"interval":"500ms"},{"name":"x","grpc":true}]"#).unwrap();
    let names: Vec<&str> = checks.iter().map(|check| &*check.name).collect();
    assert_eq!(names, ["tcp", "tcp-2", "http", "x"]);
    assert_eq!(checks[0].pace, Pace::default());
    assert_eq!(
        (checks[2].pace.interval, checks[2].pace.timeout),
        (Duration::from_millis(500), Duration::from_millis(500))
    );
    let expect = |text: &str| match &read_text(text).unwrap()[0].probe {
        Probe::Http(http) => (http.expect.first, http.expect.last),
        other => panic!("{other:?}"),
    };
    assert_eq!(expect(r#"[{"http":{"expect":204}}]"#), (204, 204));
    assert_eq!(expect(r#"[{"http":{"expect":"204"}}]"#), (204, 204));
    assert_eq!(expect(r#"[{"http":{"expect":[200,399]}}]"#), (200, 399));
}

#[test]
fn what_cannot_be_accepted_is_named_with_what_would_be_right() {
    let cases = [
        (r#"{"http":"/"}"#, "checks", "is an object; expected an array of checks"),
        (r#"["tcp"]"#, "checks[0]", "is \"tcp\"; expected an object"),
        (r#"[{}]"#, "checks[0]", "expected one of http, https, tcp and grpc"),
        (r#"[{"tcp":true},{"name":"x"}]"#, "checks[1]", "expected one of http"),
        (r#"[{"http":"/","tcp":true}]"#, "checks[0].tcp", "is given beside http"),
        (r#"[{"exec":["/bin/true"]}]"#, "checks[0].exec", "is not a field"),
        (r#"[{"htp":"/"}]"#, "checks[0].htp", "did you mean \"http\"?"),
        (r#"[{"ttl":true}]"#, "checks[0].ttl", "is not a field"),
        (r#"[{"http":"health"}]"#, "checks[0].http.path", "does not begin with a slash"),
        (r#"[{"http":{"path":"/a b"}}]"#, "checks[0].http.path", "contains ' '"),
        (r#"[{"http":{"path":"/a\r\nX: y"}}]"#, "checks[0].http.path", "expected a path"),
        (r#"[{"http":{"address":"10.0.0.9"}}]"#, "checks[0].http.address", "is not a field"),
        (r#"[{"http":"http://10.0.0.9/"}]"#, "checks[0].http.path", "does not begin with a slash"),
        (r#"[{"http":{"host":"a b"}}]"#, "checks[0].http.host", "expected a host name"),
        (r#"[{"http":{"port":1}}]"#, "checks[0].http.port", "1 is none of its ports"),
        (r#"[{"http":{"port":0}}]"#, "checks[0].http.port", "is 0; expected the number or the name"),
        (r#"[{"http":{"port":"web"}}]"#, "checks[0].http.port", "no port is called web"),
        (r#"[{"http":{"port":"We b"}}]"#, "checks[0].http.port", "expected the number or the name"),
        (r#"[{"http":{"method":"POST"}}]"#, "checks[0].http.method", "is \"POST\"; expected GET or HEAD"),
        (r#"[{"http":{"expect":"299-200"}}]"#, "checks[0].http.expect", "is no range of statuses"),
        (r#"[{"http":{"expect":[200]}}]"#, "checks[0].http.expect", "expected a range of statuses"),
        (r#"[{"http":{"expect":70000}}]"#, "checks[0].http.expect", "expected a range of statuses"),
        (r#"[{"https":{"tls":{"ca":"x"}}}]"#, "checks[0].https.tls.ca", "is not a field"),
        (r#"[{"https":{"tls":{"skip_verify":1}}}]"#, "checks[0].https.tls.skip_verify", "expected true or false"),
        (r#"[{"https":{"tls":{"server_name":"a/b"}}}]"#, "checks[0].https.tls.server_name", "contains '/'"),
        (r#"[{"http":7}]"#, "checks[0].http", "is 7; expected a path"),
        (r#"[{"tcp":false}]"#, "checks[0].tcp", "is false; expected true"),
        (r#"[{"tcp":1}]"#, "checks[0].tcp", "1 is none of its ports"),
        (r#"[{"grpc":"x"}]"#, "checks[0].grpc", "is \"x\"; expected true, or an object"),
        (r#"[{"grpc":{"service":"a b"}}]"#, "checks[0].grpc.service", "contains ' '"),
        (r#"[{"tcp":true,"interval":"1ms"}]"#, "checks[0].interval", "expected 100ms to 24h"),
        (r#"[{"tcp":true,"interval":"x"}]"#, "checks[0].interval", "expected a text such as \"10s\""),
        (r#"[{"tcp":true,"timeout":"11s"}]"#, "checks[0].timeout", "longer than the interval"),
        (r#"[{"tcp":true,"passes_after":0}]"#, "checks[0].passes_after", "expected 1 to 100"),
        (r#"[{"tcp":true,"fails_after":300}]"#, "checks[0].fails_after", "a whole number from 1 to 100"),
        (r#"[{"tcp":true,"initial":"good"}]"#, "checks[0].initial", "expected passing, warning or critical"),
        (r#"[{"tcp":true,"name":""}]"#, "checks[0].name", "is 0 bytes long"),
    ];
    for (text, field, says) in cases {
        let bad = read_text(text).unwrap_err();
        assert_eq!(bad.field, field, "{text}: {bad}");
        assert!(bad.problem.contains(says), "{text}: {bad}");
    }
    let without_ports = read(json(r#"[{"tcp":true}]"#), "checks", &[]).unwrap_err();
    assert!(without_ports.problem.contains("the instance has none"), "{without_ports}");
}
