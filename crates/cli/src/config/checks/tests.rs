use super::super::environment::Environment;
use super::super::overrides::Overrides;
use super::super::raw::RawConfig;
use super::super::resolved::Config;
use super::super::settings::Settings;
use super::*;

/// What an agent makes of a file that has `text` under the minimum, which takes two lines.
fn resolve(text: &str) -> Result<ChecksConfig, String> {
    let text = format!("[cluster]\nsecret_file = \"s\"\n{text}");
    let around = Environment { hostname: "web-1".into(), root: true, cpus: 2, ..Environment::default() };
    RawConfig::parse("w.toml", &text)
        .and_then(|raw| Settings::merge(raw, &around, &Overrides::default()))
        .and_then(|settings| Config::resolve(&settings))
        .map(|config| config.checks)
        .map_err(|error| error.to_string())
}

fn problem(text: &str) -> String {
    let error = resolve(text).unwrap_err();
    error.strip_prefix("the configuration cannot be used").unwrap().trim_start_matches([':', ' ']).to_owned()
}

fn local(text: &str) -> ConfiguredCheck {
    resolve(&format!("[[check]]\nservice = \"web\"\n{text}\n")).unwrap().configured.remove(0)
}

#[test]
fn nothing_is_allowed_unless_it_is_said() {
    let checks = resolve("").unwrap();
    assert_eq!(checks, ChecksConfig { allow: vec![], running_max: 512, roots: None, configured: vec![] });
    let checks =
        resolve("[checks]\nallow = [\"10.0.0.0/8\", \"::1\"]\nrunning_max = 9\nroots = \"/etc/roots.pem\"\n").unwrap();
    assert_eq!(checks.allow.iter().map(ToString::to_string).collect::<Vec<_>>(), ["10.0.0.0/8", "::1/128"]);
    assert_eq!((checks.running_max, checks.roots), (9, Some("/etc/roots.pem".into())));
    assert_eq!(
        problem("[checks]\nallow = [\"10.0.0.0/33\"]\n"),
        "w.toml:4: checks.allow: \"10.0.0.0/33\" is no network; expected an address, or one with how many bits count, for \
         example 10.0.0.0/8"
    );
}

#[test]
fn a_check_has_one_way_to_look_and_a_pace() {
    let check = local("exec = [\"/bin/df\", \"-h\"]\ninterval = \"30s\"\nfails_after = 3\nname = \"disk\"");
    assert_eq!((check.service.as_str(), check.id, &*check.check.name), ("default/web", None, "disk"));
    assert_eq!(check.check.probe, LocalProbe::Exec(Exec::new(&["/bin/df", "-h"]).unwrap()));
    let pace = Pace { interval: Duration::from_secs(30), fails_after: 3, ..Pace::default() };
    assert_eq!(check.check.pace, pace);

    let check = local(
        "id = \"w-1\"\nhttp = \"/health\"\nport = \"admin\"\nexpect = \"200-204\"\nhost = \"x\"\ninterval = \"1s\"",
    );
    let http = Http {
        path: "/health".into(),
        port: PortChoice::Named("admin".parse().unwrap()),
        expect: Statuses { first: 200, last: 204 },
        host: Some("x".into()),
        ..Http::default()
    };
    assert_eq!((check.id, &*check.check.name), (Some("w-1".parse().unwrap()), "http"));
    assert_eq!(check.check.probe, LocalProbe::Own(Probe::Http(http)));
    assert_eq!(check.check.pace.timeout, Duration::from_secs(1), "no longer than the interval");

    let tls = Tls { server_name: Some("x".into()), skip_verify: true };
    let probe = Probe::Grpc { port: PortChoice::Number(80.try_into().unwrap()), service: "a.B".into(), tls: Some(tls) };
    let check = local("grpc = \"a.B\"\nport = 80\ntls = true\nserver_name = \"x\"\nskip_verify = true");
    assert_eq!(check.check.probe, LocalProbe::Own(probe));
}

#[test]
fn somebody_else_is_asked_only_where_it_is_allowed() {
    let text = "[[check]]\nservice = \"web\"\ntcp = true\naddress = \"10.0.0.9:80\"\n";
    let allowed = resolve(&format!("[checks]\nallow = [\"10.0.0.0/24\"]\n{text}")).unwrap();
    let probe = Probe::Tcp { port: PortChoice::First };
    assert_eq!(allowed.configured[0].check.probe, LocalProbe::Elsewhere("10.0.0.9:80".parse().unwrap(), probe));
    assert_eq!(problem(text), "w.toml:3: check: address: 10.0.0.9 is not in checks.allow; add it there if it is meant");
    let text = text.replace("10.0.0.9", "169.254.169.254");
    let never = problem(&format!("[checks]\nallow = [\"0.0.0.0/0\"]\n{text}"));
    assert!(never.contains("169.254.169.254 is never checked"), "{never}");
    assert!(problem(&text.replace("169.254.169.254", "127.0.0.1")).contains("is not in checks.allow"));
}

#[test]
fn what_is_wrong_is_said_with_its_line_and_what_would_be_right() {
    let cases = [
        ("tcp = true", "3: check.service: is missing; expected for example \"prod/recos\""),
        ("service = \"Web\"\ntcp = true", "4: check.service: "),
        ("service = \"web\"", "3: check: says nothing to look at; expected one of exec, http, https, tcp, grpc"),
        (
            "service = \"web\"\ntcp = true\nhttp = \"/\"",
            "3: check: has both http and tcp; expected one of them, or two checks",
        ),
        ("service = \"web\"\nhtpp = \"/\"", "5: check.htpp: is not a field of a check; did you mean http?"),
        ("service = \"web\"\nhttp = \"health\"", "5: check.http: \"health\" does not begin with a slash"),
        ("service = \"web\"\nexec = \"/bin/true\"", "5: check.exec: expected a list of strings"),
        ("service = \"web\"\nexec = []", "5: check.exec: names no program"),
        ("service = \"web\"\nexec = [\"/a\"]\nport = 80", "6: check.port: means nothing in a check by exec"),
        (
            "service = \"web\"\nexec = [\"/a\"]\naddress = \"10.0.0.1:1\"",
            "6: check.address: means nothing in a check by exec",
        ),
        ("service = \"web\"\ntcp = true\nexpect = \"200\"", "6: check.expect: means nothing in a check by tcp"),
        (
            "service = \"web\"\nhttp = \"/\"\nskip_verify = true",
            "6: check.skip_verify: means nothing in a check by http",
        ),
        ("service = \"web\"\ntcp = false", "5: check.tcp: is false; expected true, or another way to look"),
        ("service = \"web\"\ntcp = true\nport = 0", "6: check.port: \"0\" is not a port"),
        ("service = \"web\"\ntcp = true\ninterval = \"5\"", "6: check.interval: \"5\" has no unit"),
        (
            "service = \"web\"\ntcp = true\ninterval = \"1ms\"",
            "check.interval: 1 ms is out of range; expected 100ms to 24h",
        ),
        ("service = \"web\"\ntcp = true\ntimeout = \"20s\"", "6: check.timeout: 20000 ms is longer than the interval"),
        ("service = \"web\"\ntcp = true\nfails_after = 0", "6: check.fails_after: is 0; expected 1 to 100"),
        ("service = \"web\"\ntcp = true\ninitial = \"up\"", "6: check.initial: "),
        ("service = \"web\"\nhttp = \"/\"\nexpect = \"ok\"", "6: check.expect: \"ok\" is no range of statuses"),
        ("service = \"web\"\ntcp = true\naddress = \"db:1\"", "6: check.address: \"db:1\" is no address with a port"),
    ];
    for (text, expected) in cases {
        let said = problem(&format!("[[check]]\n{text}\n"));
        assert!(said.starts_with("w.toml:") && said.contains(expected), "{text:?}: {said}");
    }
    assert!(problem("[check]\nservice = \"web\"\n").contains("check: is a list; expected [[check]]"));
    let twice = "[[check]]\nservice = \"web\"\ntcp = true\n";
    assert_eq!(
        problem(&twice.repeat(2)),
        "w.toml:6: check: name: tcp is taken by the check of the same instance at w.toml:3; give one of them another"
    );
    let apart = twice.replace("tcp", "id = \"a\"\ntcp") + &twice.replace("tcp", "id = \"b\"\ntcp");
    assert_eq!(resolve(&apart).unwrap().configured.len(), 2);
}
