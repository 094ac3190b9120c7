//! The configuration as the code may hold it: every value has its type, its unit and its bounds.

use super::checks::{self, ChecksConfig};
use super::error::{ConfigError, Problem};
use super::kind::{Kind, parse_bool, parse_millis, parse_node_name, parse_number, parse_seconds};
use super::options::{self, OPTIONS, Opt};
use super::postgres::{self, PostgresConfig};
use super::settings::Settings;
use super::socket::{SOCKET_NAME, SocketConfig, parse_mode, parse_socket, socket_text};
use super::tables::TablesConfig;
use super::values::{
    Advertise, DnsZone, LogFilter, LogFormat, Seed, parse_address, parse_network, parse_path, parse_place,
};
use crate::agent::backups::BackupPlan;
use crate::duration;
use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;
use whither_model::NodeName;

/// Everything an agent is told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Config {
    /// Who it is.
    pub(crate) node: NodeConfig,
    /// Which cluster it belongs to.
    pub(crate) cluster: ClusterConfig,
    /// Where it talks to other nodes.
    pub(crate) peers: PeersConfig,
    /// The HTTP API on a port; `None`: switched off.
    pub(crate) http: Option<HttpConfig>,
    /// The HTTP API on a Unix socket; `None`: switched off.
    pub(crate) socket: Option<SocketConfig>,
    /// DNS; `None`: switched off.
    pub(crate) dns: Option<DnsConfig>,
    /// PostgreSQL; `None`: switched off.
    pub(crate) postgres: Option<PostgresConfig>,
    /// Consul's HTTP API; `None`: switched off.
    pub(crate) consul: Option<ConsulConfig>,
    /// Eureka's API; `None`: switched off.
    pub(crate) eureka: Option<EurekaConfig>,
    /// How it finds out whether what registered with it works.
    pub(crate) checks: ChecksConfig,
    /// What is done for users' tables.
    pub(crate) tables: TablesConfig,
    /// What it writes to standard error.
    pub(crate) log: LogConfig,
    /// The protocol's and the disk's clockwork.
    pub(crate) timing: TimingConfig,
}

/// Who an agent is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct NodeConfig {
    /// What people call it.
    pub(crate) name: NodeName,
    /// Where it keeps its identity and what it knows. May not exist yet.
    pub(crate) data_dir: PathBuf,
    /// Its failure domain: a label, or empty.
    pub(crate) zone: Box<str>,
    /// Its region: a label, or empty.
    pub(crate) region: Box<str>,
}

/// Which cluster an agent belongs to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct ClusterConfig {
    /// The file with the cluster's secret; not opened yet. Invariant: `None` only if [`PeersConfig::bind`] is a loopback
    /// address.
    pub(crate) secret_file: Option<PathBuf>,
    /// Where to look for the cluster; may be empty.
    pub(crate) join: Vec<Seed>,
}

/// Where an agent talks to other nodes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct PeersConfig {
    /// Where it listens, UDP. Port 0: the system chooses.
    pub(crate) bind: SocketAddr,
    /// Where others are told to reach it; `None`: where its packets come from.
    pub(crate) advertise: Option<Advertise>,
}

/// The HTTP API on a port.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct HttpConfig {
    /// Where it listens, TCP. Port 0: the system chooses.
    pub(crate) bind: SocketAddr,
}

/// Consul's HTTP API on a port.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct ConsulConfig {
    /// Where it listens, TCP. Port 0: the system chooses.
    pub(crate) bind: SocketAddr,
    /// Whether somebody named that address. Otherwise whoever has it already may keep it.
    pub(crate) insists: bool,
    /// What its clients are told that this datacentre is called.
    pub(crate) datacenter: Box<str>,
}

/// Eureka's API on a port.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct EurekaConfig {
    /// Where it listens, TCP. Port 0: the system chooses.
    pub(crate) bind: SocketAddr,
    /// Whether somebody named that address. Otherwise whoever has it already may keep it.
    pub(crate) insists: bool,
}

/// DNS.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct DnsConfig {
    /// Where it listens, UDP and TCP. Port 0: the system chooses.
    pub(crate) bind: SocketAddr,
    /// The domains it answers for; at least one, none twice.
    pub(crate) zones: Vec<DnsZone>,
    /// TTL of answers: 0 or 1 whole seconds.
    pub(crate) ttl: Duration,
    /// TTL of "no such name" and "no such record": 0 to 60 whole seconds.
    pub(crate) negative_ttl: Duration,
    /// Sockets and tasks that share the UDP questions: 1 to 64.
    pub(crate) workers: NonZeroUsize,
}

/// What an agent writes to standard error.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct LogConfig {
    /// Which lines.
    pub(crate) level: LogFilter,
    /// How they look.
    pub(crate) format: LogFormat,
}

/// The protocol's and the disk's clockwork.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct TimingConfig {
    /// How often another node is probed: 50 ms to 1 min.
    pub(crate) probe_interval: Duration,
    /// How many probe intervals, times the decimal logarithm of the cluster's size, a suspect has to object: 1 to 20.
    pub(crate) suspicion_multiplier: NonZeroU32,
    /// How often state is compared with a random member: 50 ms to 5 min.
    pub(crate) sync_interval: Duration,
    /// How long a write may wait for others before it goes to disk: 0 to 1 s.
    pub(crate) group_window: Duration,
}

impl Config {
    /// Gives every setting its type, and checks how they go together.
    ///
    /// # Errors
    /// The first that does not parse (none, after [`Settings::merge`]), or everything that does not go together.
    pub(crate) fn resolve(settings: &Settings) -> Result<Self, ConfigError> {
        let reader = Reader(settings);
        let config = Self {
            node: NodeConfig {
                name: reader.one(&options::NODE_NAME, parse_node_name)?,
                data_dir: reader.one(&options::NODE_DATA_DIR, parse_path)?,
                zone: reader.one(&options::NODE_ZONE, |text| parse_place("zone", text))?,
                region: reader.one(&options::NODE_REGION, |text| parse_place("region", text))?,
            },
            cluster: ClusterConfig {
                secret_file: reader.optional(&options::CLUSTER_SECRET_FILE, parse_path)?,
                join: reader.many(&options::CLUSTER_JOIN, str::parse)?,
            },
            peers: PeersConfig {
                bind: reader.one(&options::PEERS_BIND, parse_address)?,
                advertise: reader.optional(&options::PEERS_ADVERTISE, str::parse)?,
            },
            http: reader.http()?,
            socket: reader.socket()?,
            dns: reader.dns()?,
            postgres: reader.postgres()?,
            consul: reader.consul()?,
            eureka: reader.eureka()?,
            checks: reader.checks()?,
            tables: reader.tables()?,
            log: LogConfig {
                level: reader.one(&options::LOG_LEVEL, str::parse)?,
                format: reader.one(&options::LOG_FORMAT, str::parse)?,
            },
            timing: TimingConfig {
                probe_interval: reader.duration(&options::MEMBERSHIP_PROBE_INTERVAL)?,
                suspicion_multiplier: reader.number(&options::MEMBERSHIP_SUSPICION)?,
                sync_interval: reader.duration(&options::SYNC_INTERVAL)?,
                group_window: reader.duration(&options::STORE_GROUP_WINDOW)?,
            },
        };
        let problems = config.conflicts(settings);
        if problems.is_empty() { Ok(config) } else { Err(ConfigError { problems }) }
    }

    fn conflicts(&self, settings: &Settings) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut refuse = |opt: &'static Opt, problem: String| {
            let source =
                Some(settings.get(opt).source.clone()).filter(|source| *source != super::error::Source::Default);
            problems.push(Problem { source, option: opt.key.to_owned(), problem });
        };
        if self.cluster.secret_file.is_none() && !self.peers.bind.ip().is_loopback() {
            refuse(
                &options::CLUSTER_SECRET_FILE,
                format!(
                    "is not set, and without it no other node could be trusted on {}; make one with `whither ca init`, \
                     copy it to every host, and name it here or with --secret-file (to try things out on this machine, \
                     use `whither dev`)",
                    self.peers.bind
                ),
            );
        }
        if let Some(dns) = &self.dns {
            let taken =
                [("http.bind", self.http.as_ref().map(|http| http.bind)), ("peers.bind", Some(self.peers.bind))];
            for (other, _) in taken.into_iter().filter(|(_, bind)| *bind == Some(dns.bind) && dns.bind.port() != 0) {
                refuse(&options::DNS_BIND, format!("is {}, as is {other}; give one of them another port", dns.bind));
            }
        }
        if let Some(postgres) = &self.postgres {
            if postgres.users.is_empty() && !postgres.bind.ip().is_loopback() {
                let problem = format!(
                    "is {}, and without users whoever reaches it could do everything; name them in [[postgres.user]], or \
                     listen on a loopback address",
                    postgres.bind
                );
                refuse(&options::POSTGRES_BIND, problem);
            }
            let taken = [
                ("http.bind", self.http.as_ref().map(|http| http.bind)),
                ("dns.bind", self.dns.as_ref().map(|dns| dns.bind)),
            ];
            let bind = postgres.bind;
            for (other, _) in taken.into_iter().filter(|(_, taken)| *taken == Some(bind) && bind.port() != 0) {
                refuse(&options::POSTGRES_BIND, format!("is {bind}, as is {other}; give one of them another port"));
            }
        }
        let own = [
            ("http.bind", self.http.as_ref().map(|http| http.bind)),
            ("dns.bind", self.dns.as_ref().map(|dns| dns.bind)),
            ("postgres.bind", self.postgres.as_ref().map(|postgres| postgres.bind)),
            ("consul.bind", self.consul.as_ref().map(|consul| consul.bind)),
        ];
        let foreign = [
            (&options::CONSUL_BIND, self.consul.as_ref().map(|consul| consul.bind), &own[..3]),
            (&options::EUREKA_BIND, self.eureka.as_ref().map(|eureka| eureka.bind), &own[..]),
        ];
        for (opt, bind, others) in foreign {
            let Some(bind) = bind.filter(|bind| bind.port() != 0) else { continue };
            for (other, _) in others.iter().filter(|(_, taken)| *taken == Some(bind)) {
                refuse(opt, format!("is {bind}, as is {other}; give one of them another port"));
            }
        }
        problems
    }
}

/// Reads settings by their option's type.
struct Reader<'a>(&'a Settings);

impl Reader<'_> {
    fn many<T>(&self, opt: &'static Opt, parse: impl Fn(&str) -> Result<T, String>) -> Result<Vec<T>, ConfigError> {
        let setting = self.0.get(opt);
        let wrong = |problem| Problem { source: Some(setting.source.clone()), option: opt.key.to_owned(), problem };
        Ok(setting.texts.iter().map(|text| parse(text)).collect::<Result<_, _>>().map_err(wrong)?)
    }

    fn optional<T>(
        &self,
        opt: &'static Opt,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Option<T>, ConfigError> {
        Ok(self.many(opt, parse)?.pop())
    }

    fn one<T>(&self, opt: &'static Opt, parse: impl Fn(&str) -> Result<T, String>) -> Result<T, ConfigError> {
        self.optional(opt, parse)?.ok_or_else(|| {
            let problem = format!("is not set; expected {}", opt.example());
            Problem { source: None, option: opt.key.to_owned(), problem }.into()
        })
    }

    fn duration(&self, opt: &'static Opt) -> Result<Duration, ConfigError> {
        self.one(opt, |text| match opt.kind {
            Kind::Millis(min, max) => parse_millis(text, min, max),
            Kind::Seconds(min, max) => parse_seconds(text, min, max),
            _ => duration::parse(text),
        })
    }

    fn number(&self, opt: &'static Opt) -> Result<NonZeroU32, ConfigError> {
        self.one(opt, |text| {
            let (min, max) = if let Kind::Number(min, max) = opt.kind { (min, max) } else { (1, u32::MAX) };
            let number = parse_number(text, min, max)?;
            NonZeroU32::new(number).ok_or_else(|| format!("{text:?} is zero; expected at least 1"))
        })
    }

    fn http(&self) -> Result<Option<HttpConfig>, ConfigError> {
        let http = HttpConfig { bind: self.one(&options::HTTP_BIND, parse_address)? };
        Ok(self.one(&options::HTTP_ENABLED, parse_bool)?.then_some(http))
    }

    fn socket(&self) -> Result<Option<SocketConfig>, ConfigError> {
        let mode = self.one(&options::HTTP_SOCKET_MODE, parse_mode)?;
        let path = match self.optional(&options::HTTP_SOCKET, parse_socket)? {
            Some(path) => path,
            None => Some(self.one(&options::NODE_DATA_DIR, parse_path)?.join(SOCKET_NAME)),
        };
        Ok(path.map(|path| SocketConfig { path, mode }))
    }

    fn checks(&self) -> Result<ChecksConfig, ConfigError> {
        let allow = self.many(&options::CHECKS_ALLOW, parse_network)?;
        let running_max = self.number(&options::CHECKS_RUNNING_MAX)?;
        Ok(ChecksConfig {
            configured: checks::settle(self.0.checks(), &allow)?,
            allow,
            running_max: usize::try_from(running_max.get()).unwrap_or(1),
            roots: self.optional(&options::CHECKS_ROOTS, parse_path)?,
        })
    }

    fn tables(&self) -> Result<TablesConfig, ConfigError> {
        let schema = self.many(&options::TABLES_SCHEMA, parse_path)?;
        let kept = usize::try_from(self.number(&options::TABLES_BACKUPS_KEPT)?.get()).unwrap_or(1);
        let dir = self.optional(&options::TABLES_BACKUP_DIR, parse_path)?;
        let every = match self.0.get(&options::TABLES_BACKUP_EVERY).texts.is_empty() {
            true => None,
            false => Some(self.duration(&options::TABLES_BACKUP_EVERY)?),
        };
        let lacks = |opt: &'static Opt, other: &'static Opt| {
            let problem = format!("is set, and {} is not; backups are made with both", other.key);
            Problem { source: Some(self.0.get(opt).source.clone()), option: opt.key.to_owned(), problem }
        };
        let backups = match (dir, every) {
            (Some(dir), Some(every)) => Some(BackupPlan { dir, every, kept }),
            (None, None) => None,
            (Some(_), None) => return Err(lacks(&options::TABLES_BACKUP_DIR, &options::TABLES_BACKUP_EVERY).into()),
            (None, Some(_)) => return Err(lacks(&options::TABLES_BACKUP_EVERY, &options::TABLES_BACKUP_DIR).into()),
        };
        Ok(TablesConfig { schema, backups })
    }

    fn postgres(&self) -> Result<Option<PostgresConfig>, ConfigError> {
        let certificate = self.optional(&options::POSTGRES_TLS_CERT, parse_path)?;
        let key = self.optional(&options::POSTGRES_TLS_KEY, parse_path)?;
        let lacks = |opt: &'static Opt, other: &'static Opt| {
            let problem = format!("is set, and {} is not; encryption needs both", other.key);
            Problem { source: Some(self.0.get(opt).source.clone()), option: opt.key.to_owned(), problem }
        };
        let tls = match (certificate, key) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            (Some(_), None) => return Err(lacks(&options::POSTGRES_TLS_CERT, &options::POSTGRES_TLS_KEY).into()),
            (None, Some(_)) => return Err(lacks(&options::POSTGRES_TLS_KEY, &options::POSTGRES_TLS_CERT).into()),
        };
        let postgres = PostgresConfig {
            bind: self.one(&options::POSTGRES_BIND, parse_address)?,
            read_only: self.one(&options::POSTGRES_READ_ONLY, parse_bool)?,
            tls,
            users: postgres::settle(self.0.postgres_users())?,
        };
        Ok(self.one(&options::POSTGRES_ENABLED, parse_bool)?.then_some(postgres))
    }

    fn consul(&self) -> Result<Option<ConsulConfig>, ConfigError> {
        let consul = ConsulConfig {
            bind: self.one(&options::CONSUL_BIND, parse_address)?,
            insists: self.0.get(&options::CONSUL_BIND).source != super::error::Source::Default,
            datacenter: self.one(&options::CONSUL_DATACENTER, |text: &str| Ok::<_, String>(text.into()))?,
        };
        Ok(self.one(&options::CONSUL_ENABLED, parse_bool)?.then_some(consul))
    }

    fn eureka(&self) -> Result<Option<EurekaConfig>, ConfigError> {
        let eureka = EurekaConfig {
            bind: self.one(&options::EUREKA_BIND, parse_address)?,
            insists: self.0.get(&options::EUREKA_BIND).source != super::error::Source::Default,
        };
        Ok(self.one(&options::EUREKA_ENABLED, parse_bool)?.then_some(eureka))
    }

    fn dns(&self) -> Result<Option<DnsConfig>, ConfigError> {
        let mut zones: Vec<DnsZone> = Vec::new();
        for zone in self.many(&options::DNS_ZONES, str::parse)? {
            if !zones.contains(&zone) {
                zones.push(zone);
            }
        }
        if zones.is_empty() {
            let source = Some(self.0.get(&options::DNS_ZONES).source.clone());
            let problem = "is empty; name at least one domain, or switch DNS off with dns.enabled = false".into();
            return Err(Problem { source, option: options::DNS_ZONES.key.to_owned(), problem }.into());
        }
        let workers = self.number(&options::DNS_WORKERS)?;
        let dns = DnsConfig {
            bind: self.one(&options::DNS_BIND, parse_address)?,
            zones,
            ttl: self.duration(&options::DNS_TTL)?,
            negative_ttl: self.duration(&options::DNS_NEGATIVE_TTL)?,
            workers: NonZeroUsize::try_from(workers).unwrap_or(NonZeroUsize::MIN),
        };
        Ok(self.one(&options::DNS_ENABLED, parse_bool)?.then_some(dns))
    }
}

/// What `config` holds, as texts, for every option in the order of the file: an empty list where it holds nothing.
pub(crate) fn describe(config: &Config) -> Vec<(&'static Opt, Vec<String>)> {
    let Config { node, cluster, peers, http, socket, dns, postgres, consul, eureka, checks, tables, log, timing } =
        config;
    let one = |value: &dyn ToString| vec![value.to_string()];
    let dns_of = |text: &dyn Fn(&DnsConfig) -> String| dns.as_ref().map(text).into_iter().collect::<Vec<_>>();
    let tls = postgres.as_ref().and_then(|postgres| postgres.tls.as_ref());
    let values = |opt: &Opt| match opt.key {
        "node.name" => one(&node.name),
        "node.data_dir" => one(&node.data_dir.display()),
        "node.zone" => one(&node.zone),
        "node.region" => one(&node.region),
        "cluster.secret_file" => cluster.secret_file.iter().map(|path| path.display().to_string()).collect(),
        "cluster.join" => cluster.join.iter().map(ToString::to_string).collect(),
        "peers.bind" => one(&peers.bind),
        "peers.advertise" => peers.advertise.iter().map(ToString::to_string).collect(),
        "http.enabled" => one(&http.is_some()),
        "http.bind" => http.iter().map(|http| http.bind.to_string()).collect(),
        "http.socket" => one(&socket_text(socket.as_ref())),
        "http.socket_mode" => socket.iter().map(|socket| socket.mode.to_string()).collect(),
        "dns.enabled" => one(&dns.is_some()),
        "dns.bind" => dns_of(&|dns| dns.bind.to_string()),
        "dns.zones" => dns.iter().flat_map(|dns| &dns.zones).map(|zone| zone.as_str().to_owned()).collect(),
        "dns.ttl" => dns_of(&|dns| duration::exact(dns.ttl)),
        "dns.negative_ttl" => dns_of(&|dns| duration::exact(dns.negative_ttl)),
        "dns.workers" => dns_of(&|dns| dns.workers.to_string()),
        "eureka.enabled" => one(&eureka.is_some()),
        "eureka.bind" => eureka.iter().map(|eureka| eureka.bind.to_string()).collect(),
        "consul.enabled" => one(&consul.is_some()),
        "consul.bind" => consul.iter().map(|consul| consul.bind.to_string()).collect(),
        "consul.datacenter" => consul.iter().map(|consul| consul.datacenter.to_string()).collect(),
        "postgres.enabled" => one(&postgres.is_some()),
        "postgres.bind" => postgres.iter().map(|postgres| postgres.bind.to_string()).collect(),
        "postgres.read_only" => postgres.iter().map(|postgres| postgres.read_only.to_string()).collect(),
        "postgres.tls_cert" => tls.map(|(certificate, _)| certificate.display().to_string()).into_iter().collect(),
        "postgres.tls_key" => tls.map(|(_, key)| key.display().to_string()).into_iter().collect(),
        "checks.allow" => checks.allow.iter().map(ToString::to_string).collect(),
        "checks.running_max" => one(&checks.running_max),
        "checks.roots" => checks.roots.iter().map(|path| path.display().to_string()).collect(),
        "tables.schema" => tables.schema.iter().map(|path| path.display().to_string()).collect(),
        "tables.backup_dir" => tables.backups.iter().map(|plan| plan.dir.display().to_string()).collect(),
        "tables.backup_every" => tables.backups.iter().map(|plan| duration::exact(plan.every)).collect(),
        "tables.backups_kept" => tables.backups.iter().map(|plan| plan.kept.to_string()).collect(),
        "log.level" => one(&log.level),
        "log.format" => one(&log.format.as_str()),
        "membership.probe_interval" => one(&duration::exact(timing.probe_interval)),
        "membership.suspicion" => one(&timing.suspicion_multiplier),
        "sync.interval" => one(&duration::exact(timing.sync_interval)),
        "store.group_window" => one(&duration::exact(timing.group_window)),
        _ => Vec::new(),
    };
    OPTIONS.iter().map(|opt| (*opt, values(opt))).collect()
}
