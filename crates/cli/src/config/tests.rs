use super::environment::Environment;
use super::options::{self, OPTIONS, Preset, SECTIONS};
use super::raw::RawConfig;
use super::resolved::{Config, describe};
use super::settings::Settings;
use super::values::{Advertise, Seed, SeedHost};
use super::{Overrides, document};
use std::time::Duration;

const MINIMAL: &str = "[cluster]\nsecret_file = \"s\"\n";

fn around(variables: &[(&str, &str)]) -> Environment {
    Environment {
        variables: variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        hostname: "Web-1".into(),
        root: true,
        cpus: 16,
    }
}

fn settle(text: &str, around: &Environment, flags: &Overrides) -> Result<Config, String> {
    RawConfig::parse("whither.toml", text)
        .and_then(|raw| Settings::merge(raw, around, flags))
        .and_then(|settings| Config::resolve(&settings))
        .map_err(|error| error.to_string())
}

fn resolve(text: &str) -> Result<Config, String> {
    settle(text, &around(&[]), &Overrides::default())
}

/// What is said of a file that has `line` under the minimum.
fn problem(line: &str) -> String {
    let error = resolve(&format!("{MINIMAL}\n{line}\n")).unwrap_err();
    error.strip_prefix("the configuration cannot be used").unwrap().trim_start_matches([':', ' ']).to_owned()
}

#[test]
fn every_preset_is_what_its_option_takes() {
    for opt in OPTIONS {
        let preset = match opt.preset {
            Preset::Fixed(text) => text.to_owned(),
            Preset::Computed { compute, .. } => compute(&around(&[])).unwrap(),
            Preset::Unset(_) | Preset::Required(_) => opt.example.to_owned(),
        };
        for text in opt.split(&preset) {
            assert_eq!(opt.kind.check(&text), Ok(()), "{}", opt.key);
        }
    }
}

#[test]
fn names_are_unique_and_every_option_has_a_section() {
    for (at, opt) in OPTIONS.iter().enumerate() {
        assert!(SECTIONS.iter().any(|section| section.name == opt.section()), "{}", opt.key);
        for other in &OPTIONS[..at] {
            assert!(other.key != opt.key && other.flag != opt.flag && other.env() != opt.env(), "{}", opt.key);
        }
    }
}

#[test]
fn presets_are_as_documented() {
    let config = resolve(MINIMAL).unwrap();
    assert_eq!(config.node.name.as_str(), "web-1");
    assert_eq!(config.node.data_dir.to_str(), Some("/var/lib/whither"));
    assert_eq!(config.peers.bind, "0.0.0.0:7600".parse().unwrap());
    assert_eq!(config.peers.advertise, None);
    assert_eq!(config.http.unwrap().bind, "127.0.0.1:7601".parse().unwrap());
    let socket = config.socket.unwrap();
    assert_eq!((socket.path.to_str(), &*socket.mode.to_string()), (Some("/var/lib/whither/whither.sock"), "0600"));
    let dns = config.dns.unwrap();
    assert_eq!(dns.bind, "127.0.0.1:7653".parse().unwrap());
    assert_eq!(dns.zones.iter().map(|zone| zone.as_str()).collect::<Vec<_>>(), ["whither."]);
    assert_eq!((dns.ttl, dns.negative_ttl, dns.workers.get()), (Duration::ZERO, Duration::from_secs(1), 4));
    assert_eq!(config.timing.probe_interval, Duration::from_millis(800));
    assert_eq!(config.timing.suspicion_multiplier.get(), 1);
    assert_eq!(config.timing.group_window, Duration::from_millis(20));
}

#[test]
fn other_users_than_root_keep_their_data_at_home() {
    let dir = |variables| {
        let around = Environment { root: false, ..around(variables) };
        settle(MINIMAL, &around, &Overrides::default()).map(|config| config.node.data_dir.display().to_string())
    };
    assert_eq!(dir(&[("HOME", "/home/u"), ("XDG_STATE_HOME", "/state")]).unwrap(), "/state/whither");
    assert_eq!(dir(&[("HOME", "/home/u"), ("XDG_STATE_HOME", "rel")]).unwrap(), "/home/u/.local/state/whither");
    assert!(dir(&[]).unwrap_err().contains("say where with --data-dir"));
}

#[test]
fn flags_win_over_the_environment_and_that_over_the_file() {
    let file =
        "[cluster]\nsecret_file = \"s\"\njoin = [\"from-file\"]\n[log]\nlevel = \"warn\"\n[node]\nzone = \"f\"\n";
    let around = around(&[
        ("WHITHER_LOG_LEVEL", "debug"),
        ("WHITHER_NODE_ZONE", "e"),
        ("WHITHER_CLUSTER_JOIN", "a:1, b"),
        ("WHITHER_NODE_REGION", ""),
    ]);
    let flags = Overrides::default().with(&options::NODE_ZONE, &["flag"]);
    let config = settle(file, &around, &flags).unwrap();
    assert_eq!(config.log.level.to_string(), "debug");
    assert_eq!(&*config.node.zone, "flag");
    assert_eq!(config.cluster.join.iter().map(ToString::to_string).collect::<Vec<_>>(), ["a:1", "b:7600"]);
}

#[test]
fn listeners_can_be_switched_off() {
    let config = resolve(&format!("{MINIMAL}[http]\nenabled = false\n[dns]\nenabled = false\n")).unwrap();
    assert_eq!((config.http, config.dns), (None, None));
}

#[test]
fn the_socket_is_in_the_data_directory_unless_it_is_elsewhere_or_off() {
    let socket = |line: &str| resolve(&format!("{MINIMAL}[node]\ndata_dir = \"d\"\n[http]\n{line}\n")).unwrap().socket;
    assert_eq!(socket("").unwrap().path.to_str(), Some("d/whither.sock"));
    assert_eq!(socket("enabled = false").unwrap().path.to_str(), Some("d/whither.sock"), "of the port only");
    let shared = socket("socket = \"/run/w.sock\"\nsocket_mode = \"660\"").unwrap();
    assert_eq!((shared.path.to_str(), shared.mode.bits()), (Some("/run/w.sock"), 0o660));
    assert_eq!(socket("socket = \"off\""), None);
    let long = "x".repeat(108);
    assert!(socket(&format!("socket = \"{}\"", &long[1..])).is_some());
    let said = problem(&format!("[http]\nsocket = \"{long}\""));
    assert!(said.starts_with("whither.toml:5: http.socket: \"xxx") && said.contains("may have 107"), "{said}");
    for mode in ["0400", "1600", "rw-", "+600", "60", ""] {
        let said = problem(&format!("[http]\nsocket_mode = \"{mode}\""));
        assert!(said.contains("expected 0600, 0660 for its group"), "{mode:?}: {said}");
    }
}

#[test]
fn without_a_secret_only_loopback_is_possible() {
    let error = resolve("").unwrap_err();
    assert_eq!(
        error,
        "the configuration cannot be used: cluster.secret_file: is not set, and without it no other node could be \
         trusted on 0.0.0.0:7600; make one with `whither ca init`, copy it to every host, and name it here or with \
         --secret-file (to try things out on this machine, use `whither dev`)"
    );
    let config = resolve("[peers]\nbind = \"127.0.0.1:7600\"\n").unwrap();
    assert_eq!(config.cluster.secret_file, None);
}

#[test]
fn unknown_names_are_met_with_the_nearest_one() {
    assert_eq!(problem("[peers]\nbnd = \"x\""), "whither.toml:5: peers.bnd: is not an option; did you mean bind?");
    assert_eq!(
        problem("[peers]\njoin = []"),
        "whither.toml:5: peers.join: is not an option; did you mean join in [cluster]?"
    );
    assert_eq!(problem("[peer]\nbind = \"x\""), "whither.toml:4: peer: is not a section; did you mean [peers]?");
    assert_eq!(
        problem("[log]\ncolour = true"),
        "whither.toml:5: log.colour: is not an option; [log] has level, format"
    );
    assert_eq!(
        problem("[gossip]"),
        "whither.toml:4: gossip: is not a section; expected node, cluster, peers, http, dns, postgres, consul, eureka, checks, tables, log, membership, sync, store"
    );
    assert_eq!(
        resolve("data_dir = \"/x\"").unwrap_err(),
        "the configuration cannot be used: whither.toml:1: data_dir: is not a section; did you mean data_dir in [node]?"
    );
}

#[test]
fn wrong_types_are_met_with_an_example() {
    assert_eq!(
        problem("[peers]\nbind = 7600"),
        "whither.toml:5: peers.bind: is an integer; expected a string, for example \"0.0.0.0:7600\""
    );
    assert_eq!(
        problem("[http]\nenabled = \"yes\""),
        "whither.toml:5: http.enabled: is a string; expected true or false, without quotes"
    );
    assert_eq!(
        problem("[dns]\nzones = \"whither.\""),
        "whither.toml:5: dns.zones: is a string; expected a list of strings, for example [\"whither.\"]"
    );
    assert_eq!(
        problem("[dns]\nworkers = \"2\""),
        "whither.toml:5: dns.workers: is a string; expected an integer, for example 2"
    );
    assert_eq!(
        resolve("log = 3").unwrap_err(),
        "the configuration cannot be used: whither.toml:1: log: is a section; expected [log] with its options below"
    );
}

#[test]
fn wrong_values_are_met_with_what_would_be_right() {
    assert_eq!(
        problem("[peers]\nbind = \"0.0.0.0\""),
        "whither.toml:5: peers.bind: \"0.0.0.0\" has no port; expected ip:port, for example 127.0.0.1:7601 or [::1]:7601"
    );
    assert_eq!(
        problem("[peers]\nadvertise = \"0.0.0.0\""),
        "whither.toml:5: peers.advertise: \"0.0.0.0\" cannot be connected to; expected the address peers reach this host at"
    );
    assert_eq!(
        problem("[sync]\ninterval = \"1\""),
        "whither.toml:5: sync.interval: \"1\" has no unit; expected a whole number and a unit, for example 500ms, 10s or 2m"
    );
    assert_eq!(
        problem("[membership]\nprobe_interval = \"1ms\""),
        "whither.toml:5: membership.probe_interval: \"1ms\" is out of range; expected 50ms to 1m"
    );
    assert_eq!(
        problem("[dns]\nttl = \"500ms\""),
        "whither.toml:5: dns.ttl: \"500ms\" is not a whole number of seconds; expected 0s to 1s"
    );
    assert_eq!(problem("[dns]\nttl = \"5s\""), "whither.toml:5: dns.ttl: \"5s\" is out of range; expected 0s to 1s");
    assert_eq!(
        problem("[log]\nlevel = \"inof\""),
        "whither.toml:5: log.level: \"inof\" is not a level; expected off, error, warn, info, debug, trace"
    );
    assert_eq!(
        problem("[log]\nformat = \"xml\""),
        "whither.toml:5: log.format: \"xml\" is not a log format; expected text or json"
    );
    assert_eq!(
        problem("[node]\nzone = \"EU\""),
        "whither.toml:5: node.zone: \"EU\" contains 'E'; names are lower case, try \"eu\""
    );
    assert_eq!(problem("[dns]\nworkers = 0"), "whither.toml:5: dns.workers: \"0\" is not a whole number from 1 to 64");
    assert_eq!(
        problem("[dns]\nbind = \"0.0.0.0:7600\""),
        "whither.toml:5: dns.bind: is 0.0.0.0:7600, as is peers.bind; give one of them another port"
    );
    assert_eq!(
        problem("[dns]\nzones = []"),
        "whither.toml:5: dns.zones: is empty; name at least one domain, or switch DNS off with dns.enabled = false"
    );
}

#[test]
fn everything_that_is_wrong_is_said_at_once_with_its_source() {
    let flags = Overrides::default().with(&options::PEERS_BIND, &["here"]);
    let error = settle("[log]\nformat = \"xml\"\n", &around(&[("WHITHER_DNS_TTL", "9s")]), &flags).unwrap_err();
    assert_eq!(
        error,
        "the configuration cannot be used, for 3 reasons:\n  \
         --peers-bind: peers.bind: \"here\" is not an address to listen on; expected ip:port, for example 127.0.0.1:7601 \
         or [::1]:7601\n  \
         WHITHER_DNS_TTL: dns.ttl: \"9s\" is out of range; expected 0s to 1s\n  \
         whither.toml:2: log.format: \"xml\" is not a log format; expected text or json"
    );
}

#[test]
fn what_is_not_toml_is_said_with_its_line() {
    let error = resolve("[node]\nname = web\n").unwrap_err();
    assert!(error.starts_with("the configuration cannot be used: whither.toml:2: not TOML: "), "{error}");
    let missing = super::load(&Overrides::file("/nonexistent/whither.toml".into())).unwrap_err().to_string();
    assert!(missing.contains("/nonexistent/whither.toml: cannot be opened: "), "{missing}");
}

#[test]
fn postgresql_is_for_this_host_or_for_named_users() {
    let config = resolve(MINIMAL).unwrap().postgres.unwrap();
    assert_eq!((config.bind.to_string().as_str(), config.users.len()), ("127.0.0.1:7654", 0));
    assert!(resolve(&format!("{MINIMAL}[postgres]\nenabled = false\n")).unwrap().postgres.is_none());
    let said = problem("[postgres]\nbind = \"0.0.0.0:7654\"");
    assert!(said.contains("postgres.bind: is 0.0.0.0:7654, and without users"), "{said}");
    let user = "[[postgres.user]]\nname = \"app\"\npassword = \"s3cret\"\nwrites = true\n";
    let text = format!("{MINIMAL}[postgres]\nbind = \"0.0.0.0:7654\"\n{user}");
    let config = resolve(&text).unwrap().postgres.unwrap();
    assert!(config.users[0].writes && config.users[0].name == "app");
    assert!(!format!("{config:?}").contains("s3cret"));
    let said = problem(&format!("{user}{user}"));
    assert!(said.contains("postgres.user: \"app\" is there twice"), "{said}");
    let said = problem("[[postgres.user]]\nname = \"app\"");
    assert!(said.contains("postgres.user: has no password or password_file"), "{said}");
    let said = problem("[[postgres.user]]\nname = \"app\"\npasword = \"x\"");
    assert!(said.contains("postgres.user.pasword: is not a field; did you mean password?"), "{said}");
    let said = problem("[postgres]\ntls_key = \"k\"");
    assert!(said.contains("postgres.tls_key: is set, and postgres.tls_cert is not"), "{said}");
    let said = problem("[postgres]\nbind = \"127.0.0.1:7601\"");
    assert!(said.contains("postgres.bind: is 127.0.0.1:7601, as is http.bind"), "{said}");
}

#[test]
fn backups_have_a_place_and_a_time_or_neither() {
    assert_eq!(resolve(MINIMAL).unwrap().tables, super::TablesConfig::default());
    let said = problem("[tables]\nbackup_every = \"6h\"");
    assert!(said.contains("tables.backup_every: is set, and tables.backup_dir is not"), "{said}");
    let said = problem("[tables]\nschema = [\"-\"]");
    assert!(said.contains("tables.schema: \"-\" is standard input, which an agent does not read"), "{said}");
}

#[test]
fn seeds_are_addresses_or_names_with_or_without_a_port() {
    let seed = |text: &str| text.parse::<Seed>();
    assert_eq!(seed("10.0.0.1").unwrap(), Seed { host: SeedHost::Ip([10, 0, 0, 1].into()), port: 7600 });
    assert_eq!(seed("[::1]:9").unwrap().to_string(), "[::1]:9");
    assert_eq!(seed("::1").unwrap().to_string(), "[::1]:7600");
    assert_eq!(seed("seed.example").unwrap(), Seed { host: SeedHost::Name("seed.example".into()), port: 7600 });
    assert_eq!(
        seed("seed:99999").unwrap_err(),
        "\"seed:99999\" has no valid port; expected host or host:port, for example seed.example:7600"
    );
    assert!(seed("http://seed").is_err() && seed("").is_err() && seed("a b").is_err() && seed("10.0.0").is_err());
    assert!(seed("10.0.0.1:0").unwrap_err().contains("port 0"));
}

#[test]
fn an_advertised_address_may_leave_its_port_open() {
    let advertise = |text: &str| text.parse::<Advertise>().unwrap();
    assert_eq!(advertise("10.0.0.7"), Advertise { ip: [10, 0, 0, 7].into(), port: None });
    assert_eq!(advertise("[2001:db8::1]:7600").to_string(), "[2001:db8::1]:7600");
}

#[test]
fn the_example_resolves_as_it_is_and_with_every_line_in_force() {
    let example = document::example();
    assert_eq!(resolve(&example).unwrap().cluster.secret_file.unwrap().to_str(), Some("/etc/whither/cluster.secret"));
    let assignment = |line: &str| OPTIONS.iter().any(|opt| line.starts_with(&format!("# {} = ", opt.name())));
    let all: Vec<&str> =
        example.lines().map(|line| if assignment(line) { line.trim_start_matches("# ") } else { line }).collect();
    let set = RawConfig::parse("example", &all.join("\n")).unwrap().values;
    assert_eq!(set.len(), OPTIONS.len());
    let config = resolve(&all.join("\n")).unwrap();
    assert_eq!(config.cluster.join.len(), 2);
    assert_eq!(config.peers.advertise.unwrap().to_string(), "10.0.0.7");
}

#[test]
fn what_is_described_resolves_to_the_same() {
    let text = "[cluster]\nsecret_file = \"s\"\njoin = [\"a\", \"[::1]:9\"]\n[peers]\nadvertise = \"10.0.0.7:1\"\n\
                [dns]\nzones = [\"Example.\", \"x.y\"]\nttl = \"1s\"\n[sync]\ninterval = \"1500ms\"\n\
                [checks]\nallow = [\"10.0.0.0/8\"]\nroots = \"r\"\n\
                [postgres]\ntls_cert = \"c\"\ntls_key = \"k\"\n[consul]\nbind = \"127.0.0.1:8500\"\n[eureka]\nbind = \"127.0.0.1:8761\"\n[tables]\nschema = [\"a\", \"b.sql\"]\nbackup_dir = \"d\"\nbackup_every = \"6h\"\n";
    let config = resolve(text).unwrap();
    let described = describe(&config);
    let flags = described.iter().fold(Overrides::default(), |flags, (opt, texts)| {
        flags.with(opt, &texts.iter().map(String::as_str).collect::<Vec<_>>())
    });
    assert!(described.iter().all(|(_, texts)| !texts.is_empty()));
    assert_eq!(settle("", &Environment::default(), &flags).unwrap(), config);
}

#[test]
fn the_reference_page_is_current() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/config.md");
    let page = document::reference();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path, &page).unwrap();
    }
    let written = std::fs::read_to_string(path).unwrap_or_default();
    assert!(written == page, "docs/config.md is not what the table of options says; run this test with UPDATE=1");
}
