//! The table behind everything that speaks of options: the file, the flags, the environment, the reference page.

use super::environment::Environment;
use super::kind::Kind;

/// One option of the agent.
#[derive(Debug)]
pub(crate) struct Opt {
    /// Section and name as in the file: `peers.bind`. Also its identity.
    pub(crate) key: &'static str,
    /// The flag of `whither agent`, without dashes.
    pub(crate) flag: &'static str,
    /// What it holds.
    pub(crate) kind: Kind,
    /// What it is when nobody sets it.
    pub(crate) preset: Preset,
    /// What the example file shows where there is no fixed preset; entries of a list are separated by commas.
    pub(crate) example: &'static str,
    /// One line, for flags and files.
    pub(crate) help: &'static str,
    /// More, for the reference page.
    pub(crate) more: &'static str,
}

/// What an option is when nobody sets it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Preset {
    /// Always this, written as in the environment.
    Fixed(&'static str),
    /// Depends on the machine.
    Computed {
        /// How people are told.
        shown: &'static str,
        /// How it is found.
        compute: fn(&Environment) -> Result<String, String>,
    },
    /// Nothing, with what that means.
    Unset(&'static str),
    /// Somebody has to, except as it says here.
    Required(&'static str),
}

impl Opt {
    /// The section in the file.
    pub(crate) fn section(&self) -> &'static str {
        self.key.split_once('.').map_or(self.key, |(section, _)| section)
    }

    /// The name inside its section.
    pub(crate) fn name(&self) -> &'static str {
        self.key.split_once('.').map_or(self.key, |(_, name)| name)
    }

    /// The environment variable.
    pub(crate) fn env(&self) -> String {
        format!("WHITHER_{}", self.key.replace('.', "_").to_ascii_uppercase())
    }

    /// Splits a text of the environment, or of this table, into the values of this option.
    pub(crate) fn split(&self, text: &str) -> Vec<String> {
        if !self.kind.is_list() {
            return vec![text.to_owned()];
        }
        text.split(',').map(str::trim).filter(|entry| !entry.is_empty()).map(str::to_owned).collect()
    }

    /// The preset, for people.
    pub(crate) fn shown_preset(&self) -> String {
        match self.preset {
            Preset::Fixed(text) => self.kind.toml(&self.split(text)),
            Preset::Computed { shown, .. } | Preset::Unset(shown) => shown.to_owned(),
            Preset::Required(unless) => format!("none; required {unless}"),
        }
    }

    /// The preset as a flag's help ends with it; nothing to say if it is empty.
    pub(crate) fn flag_preset(&self) -> String {
        match self.preset {
            Preset::Fixed("") => String::new(),
            Preset::Fixed(shown) | Preset::Computed { shown, .. } | Preset::Unset(shown) => {
                format!(" [default: {shown}]")
            }
            Preset::Required(unless) => format!(" [required {unless}]"),
        }
    }

    /// What the example file shows.
    pub(crate) fn example(&self) -> String {
        let text = match self.preset {
            Preset::Fixed(text) if self.example.is_empty() => text,
            _ => self.example,
        };
        self.kind.toml(&self.split(text))
    }
}

macro_rules! options {
    ($($(#[doc = $doc:literal])+ $constant:ident = $opt:expr;)+) => {
        $($(#[doc = $doc])+ pub(crate) static $constant: Opt = $opt;)+
        /// Every option, in the order of the file.
        pub(crate) static OPTIONS: &[&Opt] = &[$(&$constant),+];
    };
}

/// A section of the file.
#[derive(Debug)]
pub(crate) struct Section {
    /// Its name.
    pub(crate) name: &'static str,
    /// Its name as a heading.
    pub(crate) title: &'static str,
    /// What it is about.
    pub(crate) about: &'static str,
}

const fn section(name: &'static str, title: &'static str, about: &'static str) -> Section {
    Section { name, title, about }
}

/// The sections of the file, in its order.
pub(crate) static SECTIONS: &[Section] = &[
    section("node", "Node", "Who this agent is."),
    section("cluster", "Cluster", "Which cluster it belongs to, and how it finds it."),
    section("peers", "Peers", "Where agents talk to each other: sealed datagrams and QUIC, on one UDP port."),
    section("http", "HTTP", "The native API: JSON over HTTP."),
    section("dns", "DNS", "Names, for whoever speaks DNS."),
    section("postgres", "PostgreSQL", "Your tables, for whoever speaks PostgreSQL: psql, drivers, mappers."),
    section(
        "consul",
        "Consul",
        "Consul's HTTP API, for whoever speaks it: Prometheus, Traefik, libraries of many languages.",
    ),
    section("eureka", "Eureka", "Eureka's API, for whoever speaks it: Spring, and libraries of many languages."),
    section("checks", "Checks", "How it finds out whether what registered with it works."),
    section("tables", "Tables", "What is done for your tables."),
    section("log", "Log", "What it writes to standard error."),
    section("membership", "Membership", "How it notices that another agent died. The same on every node."),
    section("sync", "Sync", "How it fills gaps."),
    section("store", "Store", "How it writes to disk."),
];

options! {
    /// `node.name`
    NODE_NAME = Opt {
        key: "node.name", flag: "name", kind: Kind::NodeName,
        preset: Preset::Computed { shown: "this host's name", compute: Environment::node_name },
        example: "web-1",
        help: "What people call this node",
        more: "A node is known by its id, which is drawn once and kept in the data directory; names are for people.",
    };
    /// `node.data_dir`
    NODE_DATA_DIR = Opt {
        key: "node.data_dir", flag: "data-dir", kind: Kind::Path,
        preset: Preset::Computed {
            shown: "/var/lib/whither for root; $XDG_STATE_HOME/whither, or else ~/.local/state/whither, for others",
            compute: Environment::data_dir,
        },
        example: "/var/lib/whither",
        help: "Where it keeps its identity and what it knows",
        more: "One agent at a time. Two agents on one host need two directories.",
    };
    /// `node.zone`
    NODE_ZONE = Opt {
        key: "node.zone", flag: "zone", kind: Kind::Place("zone"), preset: Preset::Fixed(""), example: "eu-1a",
        help: "Its failure domain inside the region",
        more: "Instances that name no zone are in the zone of their node.",
    };
    /// `node.region`
    NODE_REGION = Opt {
        key: "node.region", flag: "region", kind: Kind::Place("region"), preset: Preset::Fixed(""), example: "eu-1",
        help: "The set of nodes near it", more: "",
    };
    /// `cluster.secret_file`
    CLUSTER_SECRET_FILE = Opt {
        key: "cluster.secret_file", flag: "secret-file", kind: Kind::Path,
        preset: Preset::Required("unless peers.bind is a loopback address"),
        example: "/etc/whither/cluster.secret",
        help: "The secret that makes this node a member of its cluster",
        more: "Made once per cluster with `whither ca init`, and copied to every host; whoever holds it can speak as \
               any node. A relative path is relative to where the agent is started.",
    };
    /// `cluster.join`
    CLUSTER_JOIN = Opt {
        key: "cluster.join", flag: "join", kind: Kind::Seeds, preset: Preset::Fixed(""),
        example: "seed-1.example:7600,10.0.0.2",
        help: "Where to look for the cluster",
        more: "Two or three nodes are enough; the port is 7600 if none is given. Names are looked up again at every \
               attempt. A node that was a member before finds its way back without.",
    };
    /// `peers.bind`
    PEERS_BIND = Opt {
        key: "peers.bind", flag: "peers-bind", kind: Kind::Address, preset: Preset::Fixed("0.0.0.0:7600"), example: "",
        help: "Where it listens for other nodes, UDP",
        more: "Port 0 lets the system choose.",
    };
    /// `peers.advertise`
    PEERS_ADVERTISE = Opt {
        key: "peers.advertise", flag: "advertise", kind: Kind::Advertise,
        preset: Preset::Unset("the address its packets come from"), example: "10.0.0.7",
        help: "Where other nodes are told to reach it",
        more: "Needed behind address translation, and on hosts with several networks. Also the address of instances \
               that are registered here without one.",
    };
    /// `http.enabled`
    HTTP_ENABLED = Opt {
        key: "http.enabled", flag: "http-enabled", kind: Kind::Bool, preset: Preset::Fixed("true"), example: "",
        help: "Whether it serves the HTTP API on a TCP port",
        more: "Without, only the Unix socket does, and the command line needs `--agent unix:PATH`.",
    };
    /// `http.bind`
    HTTP_BIND = Opt {
        key: "http.bind", flag: "http-bind", kind: Kind::Address, preset: Preset::Fixed("127.0.0.1:7601"), example: "",
        help: "Where it serves the HTTP API, TCP",
        more: "The API is neither encrypted nor does it ask who calls: whoever reaches it may register and deregister.",
    };
    /// `http.socket`
    HTTP_SOCKET = Opt {
        key: "http.socket", flag: "http-socket", kind: Kind::Socket,
        preset: Preset::Unset("whither.sock in the data directory"), example: "/run/whither/whither.sock",
        help: "Where it serves the same API as a Unix socket",
        more: "For `--agent unix:PATH` and `curl --unix-socket PATH`: works without port, DNS and peers, also while the \
               port is overrun. Off by `off`. The directory must be there; a socket that a killed agent left is replaced.",
    };
    /// `http.socket_mode`
    HTTP_SOCKET_MODE = Opt {
        key: "http.socket_mode", flag: "http-socket-mode", kind: Kind::Mode, preset: Preset::Fixed("0600"), example: "",
        help: "Who may use that socket: file permissions in octal",
        more: "Who may write to it may connect, and may then do everything. Others must also be able to reach the \
               directory it is in: the data directory is its owner's alone.",
    };
    /// `dns.enabled`
    DNS_ENABLED = Opt {
        key: "dns.enabled", flag: "dns-enabled", kind: Kind::Bool, preset: Preset::Fixed("true"), example: "",
        help: "Whether it answers DNS", more: "",
    };
    /// `dns.bind`
    DNS_BIND = Opt {
        key: "dns.bind", flag: "dns-bind", kind: Kind::Address, preset: Preset::Fixed("127.0.0.1:7653"), example: "",
        help: "Where it answers DNS, UDP and TCP", more: "",
    };
    /// `dns.zones`
    DNS_ZONES = Opt {
        key: "dns.zones", flag: "dns-zone", kind: Kind::Zones, preset: Preset::Fixed("whither."), example: "",
        help: "The domains it answers for", more: "All of them give the same answers.",
    };
    /// `dns.ttl`
    DNS_TTL = Opt {
        key: "dns.ttl", flag: "dns-ttl", kind: Kind::Seconds(0, 1), preset: Preset::Fixed("0s"), example: "",
        help: "How long an answer may be kept by whoever asked",
        more: "An answer costs the agent microseconds; one that is kept grows old where nobody can see it.",
    };
    /// `dns.negative_ttl`
    DNS_NEGATIVE_TTL = Opt {
        key: "dns.negative_ttl", flag: "dns-negative-ttl", kind: Kind::Seconds(0, 60), preset: Preset::Fixed("1s"),
        example: "",
        help: "How long \"no such name\" and \"no such record\" may be kept",
        more: "The minimum field of the SOA record (RFC 2308). At 0, resolvers ask for a missing AAAA record again \
               with every A record.",
    };
    /// `dns.workers`
    DNS_WORKERS = Opt {
        key: "dns.workers", flag: "dns-workers", kind: Kind::Number(1, 64),
        preset: Preset::Computed { shown: "one per CPU, at most 4", compute: Environment::dns_workers }, example: "2",
        help: "How many sockets and tasks share the UDP questions", more: "",
    };
    /// `postgres.enabled`
    POSTGRES_ENABLED = Opt {
        key: "postgres.enabled", flag: "postgres-enabled", kind: Kind::Bool, preset: Preset::Fixed("true"), example: "",
        help: "Whether it speaks the PostgreSQL protocol", more: "",
    };
    /// `postgres.bind`
    POSTGRES_BIND = Opt {
        key: "postgres.bind", flag: "postgres-bind", kind: Kind::Address, preset: Preset::Fixed("127.0.0.1:7654"),
        example: "",
        help: "Where it speaks the PostgreSQL protocol, TCP",
        more: "On any other than a loopback address only to the users that are named in `[[postgres.user]]`.",
    };
    /// `postgres.read_only`
    POSTGRES_READ_ONLY = Opt {
        key: "postgres.read_only", flag: "postgres-read-only", kind: Kind::Bool, preset: Preset::Fixed("false"),
        example: "",
        help: "Whether nobody may write over it", more: "",
    };
    /// `postgres.tls_cert`
    POSTGRES_TLS_CERT = Opt {
        key: "postgres.tls_cert", flag: "postgres-tls-cert", kind: Kind::Path, preset: Preset::Unset("none"),
        example: "/etc/whither/postgres.crt",
        help: "The certificate that it shows, with those above it, a PEM file",
        more: "Without, connections are not encrypted, and a client that insists on it goes away. A client that does not insist \
               is served in the clear in either case.",
    };
    /// `postgres.tls_key`
    POSTGRES_TLS_KEY = Opt {
        key: "postgres.tls_key", flag: "postgres-tls-key", kind: Kind::Path, preset: Preset::Unset("none"),
        example: "/etc/whither/postgres.key",
        help: "The private key of that certificate, a PEM file", more: "",
    };
    /// `consul.enabled`
    CONSUL_ENABLED = Opt {
        key: "consul.enabled", flag: "consul-enabled", kind: Kind::Bool, preset: Preset::Fixed("true"), example: "",
        help: "Whether it speaks Consul's HTTP API",
        more: "Where a Consul agent has the port already, and no other was named here, the agent says so and does without.",
    };
    /// `consul.bind`
    CONSUL_BIND = Opt {
        key: "consul.bind", flag: "consul-bind", kind: Kind::Address, preset: Preset::Fixed("127.0.0.1:8500"),
        example: "",
        help: "Where it speaks Consul's HTTP API, TCP",
        more: "It is neither encrypted nor does it ask who calls: whoever reaches it may register and deregister.",
    };
    /// `consul.datacenter`
    CONSUL_DATACENTER = Opt {
        key: "consul.datacenter", flag: "consul-datacenter", kind: Kind::Place("datacenter"), preset: Preset::Fixed("dc1"), example: "",
        help: "What its clients are told that this datacentre is called", more: "",
    };
    /// `eureka.enabled`
    EUREKA_ENABLED = Opt {
        key: "eureka.enabled", flag: "eureka-enabled", kind: Kind::Bool, preset: Preset::Fixed("true"), example: "",
        help: "Whether it speaks Eureka's API",
        more: "Where a Eureka server has the port already, and no other was named here, the agent says so and does without.",
    };
    /// `eureka.bind`
    EUREKA_BIND = Opt {
        key: "eureka.bind", flag: "eureka-bind", kind: Kind::Address, preset: Preset::Fixed("127.0.0.1:8761"),
        example: "",
        help: "Where it speaks Eureka's API, TCP",
        more: "It is neither encrypted nor does it ask who calls: whoever reaches it may register and deregister.",
    };
    /// `checks.allow`
    CHECKS_ALLOW = Opt {
        key: "checks.allow", flag: "checks-allow", kind: Kind::Networks, preset: Preset::Fixed(""),
        example: "10.1.0.0/16,127.0.0.0/8",
        help: "Whom checks may speak to, whoever asks for them",
        more: "Without, a client may have its own address checked, as its connection shows it, and a client on this host any \
               address of this host. Link-local and metadata addresses are never checked.",
    };
    /// `checks.running_max`
    CHECKS_RUNNING_MAX = Opt {
        key: "checks.running_max", flag: "checks-running-max", kind: Kind::Number(1, 65_536),
        preset: Preset::Fixed("512"), example: "",
        help: "How many checks may be underway at once",
        more: "Each takes a file descriptor, or a process. What waits for its turn is late, and counted in \
               `checks_late_total`.",
    };
    /// `checks.roots`
    CHECKS_ROOTS = Opt {
        key: "checks.roots", flag: "checks-roots", kind: Kind::Path, preset: Preset::Unset("none"),
        example: "/etc/ssl/certs/ca-certificates.crt",
        help: "The authorities whose certificates encrypted checks believe, a PEM file",
        more: "Without, encrypted checks fail unless they skip verification.",
    };
    /// `tables.schema`
    TABLES_SCHEMA = Opt {
        key: "tables.schema", flag: "tables-schema", kind: Kind::Paths, preset: Preset::Fixed(""),
        example: "/etc/whither/schema",
        help: "Files that say what tables there are, and directories of such files (*.sql)",
        more: "Applied when the agent starts, and again when it gets SIGHUP, as `whither schema apply` does. The schema is \
               the cluster's: one node that has the files is enough, and what no file names any more stays. If a file is \
               wrong, the agent goes on with the schema that it has, and `whither status` says so.",
    };
    /// `tables.backup_dir`
    TABLES_BACKUP_DIR = Opt {
        key: "tables.backup_dir", flag: "tables-backup-dir", kind: Kind::Path, preset: Preset::Unset("none"),
        example: "/var/backups/whither",
        help: "Where it keeps backups of your tables",
        more: "Created if it is missing. Each agent needs one of its own.",
    };
    /// `tables.backup_every`
    TABLES_BACKUP_EVERY = Opt {
        key: "tables.backup_every", flag: "tables-backup-every", kind: Kind::Millis(1_000, 31_536_000_000),
        preset: Preset::Unset("never"), example: "6h",
        help: "How often it makes one",
        more: "A file `tables-<UTC time>.db`, as `whither backup` makes them. If one fails, `whither status` says so, and it \
               is tried again within a minute.",
    };
    /// `tables.backups_kept`
    TABLES_BACKUPS_KEPT = Opt {
        key: "tables.backups_kept", flag: "tables-backups-kept", kind: Kind::Number(1, 10_000),
        preset: Preset::Fixed("7"), example: "",
        help: "How many of them it keeps; the oldest goes first", more: "",
    };
    /// `log.level`
    LOG_LEVEL = Opt {
        key: "log.level", flag: "log-level", kind: Kind::Filter, preset: Preset::Fixed("info"), example: "",
        help: "What is written: off, error, warn, info, debug, trace",
        more: "Per target: `warn,whither_node=debug`.",
    };
    /// `log.format`
    LOG_FORMAT = Opt {
        key: "log.format", flag: "log-format", kind: Kind::Format, preset: Preset::Fixed("text"), example: "",
        help: "How a line looks: text or json", more: "",
    };
    /// `membership.probe_interval`
    MEMBERSHIP_PROBE_INTERVAL = Opt {
        key: "membership.probe_interval", flag: "probe-interval", kind: Kind::Millis(50, 60_000),
        preset: Preset::Fixed("800ms"), example: "",
        help: "How often it probes another node, one each time", more: "",
    };
    /// `membership.suspicion`
    MEMBERSHIP_SUSPICION = Opt {
        key: "membership.suspicion", flag: "suspicion", kind: Kind::Number(1, 20), preset: Preset::Fixed("1"),
        example: "",
        help: "How long a suspect may object when several nodes accuse it, in probe intervals",
        more: "Eight times as long when a single one does. Higher is slower to notice a death and slower to believe a \
               false one.",
    };
    /// `sync.interval`
    SYNC_INTERVAL = Opt {
        key: "sync.interval", flag: "sync-interval", kind: Kind::Millis(50, 300_000), preset: Preset::Fixed("1s"),
        example: "",
        help: "How often it compares what it knows with another node", more: "",
    };
    /// `store.group_window`
    STORE_GROUP_WINDOW = Opt {
        key: "store.group_window", flag: "group-window", kind: Kind::Millis(0, 1_000), preset: Preset::Fixed("20ms"),
        example: "",
        help: "How long a write may wait for others before the disk is asked",
        more: "Changes are told to other nodes at once; only the disk waits. A write that asked for a durable \
               acknowledgement does not.",
    };
}
