//! Upkeep on the wire and on disk.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::num::NonZeroU16;
use core::time::Duration;
use prost::{Message, Oneof};
use whither_model::check::{Http, Method, Statuses, Tls};
use whither_model::{Check, Health, Pace, PortChoice, Probe, Upkeep};

/// Cannot be read: a newer version wrote it, or a broken one.
#[derive(Debug)]
pub(super) struct Unreadable;

#[derive(Clone, PartialEq, Message)]
pub(super) struct UpkeepRecord {
    #[prost(message, repeated, tag = "1")]
    checks: Vec<CheckRecord>,
    /// Milliseconds; zero means never.
    #[prost(uint64, tag = "2")]
    remove_after_critical: u64,
    /// Milliseconds; zero means none.
    #[prost(uint64, tag = "3")]
    ramp: u64,
}

#[derive(Clone, PartialEq, Message)]
struct CheckRecord {
    #[prost(string, tag = "1")]
    name: String,
    /// Milliseconds.
    #[prost(uint64, tag = "2")]
    interval: u64,
    /// Milliseconds.
    #[prost(uint64, tag = "3")]
    timeout: u64,
    #[prost(uint32, tag = "4")]
    passes_after: u32,
    #[prost(uint32, tag = "5")]
    fails_after: u32,
    /// 0 passing, 1 warning, 2 critical.
    #[prost(uint32, tag = "6")]
    initial: u32,
    #[prost(oneof = "ProbeRecord", tags = "7, 8, 9, 10")]
    probe: Option<ProbeRecord>,
}

#[derive(Clone, PartialEq, Oneof)]
enum ProbeRecord {
    #[prost(message, tag = "7")]
    Http(HttpRecord),
    #[prost(message, tag = "8")]
    Tcp(PortRecord),
    #[prost(message, tag = "9")]
    Grpc(GrpcRecord),
    #[prost(bool, tag = "10")]
    Ttl(bool),
}

/// Neither: the first port.
#[derive(Clone, PartialEq, Message)]
struct PortRecord {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(uint32, tag = "2")]
    number: u32,
}

#[derive(Clone, PartialEq, Message)]
struct TlsRecord {
    #[prost(string, tag = "1")]
    server_name: String,
    #[prost(bool, tag = "2")]
    skip_verify: bool,
}

#[derive(Clone, PartialEq, Message)]
struct HttpRecord {
    #[prost(message, optional, tag = "1")]
    tls: Option<TlsRecord>,
    #[prost(bool, tag = "2")]
    head: bool,
    #[prost(message, optional, tag = "3")]
    port: Option<PortRecord>,
    #[prost(string, tag = "4")]
    path: String,
    #[prost(string, tag = "5")]
    host: String,
    #[prost(uint32, tag = "6")]
    first: u32,
    #[prost(uint32, tag = "7")]
    last: u32,
}

#[derive(Clone, PartialEq, Message)]
struct GrpcRecord {
    #[prost(message, optional, tag = "1")]
    port: Option<PortRecord>,
    #[prost(string, tag = "2")]
    service: String,
    #[prost(message, optional, tag = "3")]
    tls: Option<TlsRecord>,
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

pub(super) fn encode(upkeep: &Upkeep) -> UpkeepRecord {
    UpkeepRecord {
        checks: upkeep.checks.iter().map(encode_check).collect(),
        remove_after_critical: upkeep.remove_after_critical.map_or(0, millis),
        ramp: upkeep.ramp.map_or(0, millis),
    }
}

pub(super) fn decode(record: UpkeepRecord) -> Result<Upkeep, Unreadable> {
    let some = |millis: u64| (millis != 0).then(|| Duration::from_millis(millis));
    Ok(Upkeep {
        checks: record.checks.into_iter().map(decode_check).collect::<Result<Arc<[Check]>, Unreadable>>()?,
        remove_after_critical: some(record.remove_after_critical),
        ramp: some(record.ramp),
    })
}

fn encode_check(Check { name, probe, pace }: &Check) -> CheckRecord {
    CheckRecord {
        name: (&**name).into(),
        interval: millis(pace.interval),
        timeout: millis(pace.timeout),
        passes_after: pace.passes_after.into(),
        fails_after: pace.fails_after.into(),
        initial: match pace.initial {
            Health::Passing => 0,
            Health::Warning | Health::Overdue => 1,
            Health::Critical | Health::Silent => 2,
        },
        probe: Some(match probe {
            Probe::Http(http) => ProbeRecord::Http(HttpRecord {
                tls: http.tls.as_ref().map(encode_tls),
                head: http.method == Method::Head,
                port: Some(encode_port(&http.port)),
                path: (&*http.path).into(),
                host: http.host.as_deref().unwrap_or_default().into(),
                first: http.expect.first.into(),
                last: http.expect.last.into(),
            }),
            Probe::Tcp { port } => ProbeRecord::Tcp(encode_port(port)),
            Probe::Grpc { port, service, tls } => ProbeRecord::Grpc(GrpcRecord {
                port: Some(encode_port(port)),
                service: (&**service).into(),
                tls: tls.as_ref().map(encode_tls),
            }),
            Probe::Ttl => ProbeRecord::Ttl(true),
        }),
    }
}

fn decode_check(record: CheckRecord) -> Result<Check, Unreadable> {
    let threshold = |given: u32| u8::try_from(given).map_err(|_| Unreadable);
    let pace = Pace {
        interval: Duration::from_millis(record.interval),
        timeout: Duration::from_millis(record.timeout),
        passes_after: threshold(record.passes_after)?,
        fails_after: threshold(record.fails_after)?,
        initial: match record.initial {
            0 => Health::Passing,
            1 => Health::Warning,
            2 => Health::Critical,
            _ => return Err(Unreadable),
        },
    };
    let probe = match record.probe.ok_or(Unreadable)? {
        ProbeRecord::Http(http) => Probe::Http(Http {
            tls: http.tls.map(decode_tls),
            method: if http.head { Method::Head } else { Method::Get },
            port: decode_port(http.port.unwrap_or_default())?,
            path: http.path.into(),
            host: (!http.host.is_empty()).then(|| http.host.into()),
            expect: Statuses {
                first: u16::try_from(http.first).map_err(|_| Unreadable)?,
                last: u16::try_from(http.last).map_err(|_| Unreadable)?,
            },
        }),
        ProbeRecord::Tcp(port) => Probe::Tcp { port: decode_port(port)? },
        ProbeRecord::Grpc(grpc) => Probe::Grpc {
            port: decode_port(grpc.port.unwrap_or_default())?,
            service: grpc.service.into(),
            tls: grpc.tls.map(decode_tls),
        },
        ProbeRecord::Ttl(_) => Probe::Ttl,
    };
    Ok(Check { name: record.name.into(), probe, pace })
}

fn encode_port(port: &PortChoice) -> PortRecord {
    match port {
        PortChoice::First => PortRecord::default(),
        PortChoice::Named(name) => PortRecord { name: name.as_str().into(), number: 0 },
        PortChoice::Number(number) => PortRecord { name: String::new(), number: number.get().into() },
    }
}

fn decode_port(record: PortRecord) -> Result<PortChoice, Unreadable> {
    if !record.name.is_empty() {
        return record.name.parse().map(PortChoice::Named).map_err(|_| Unreadable);
    }
    let number = u16::try_from(record.number).map_err(|_| Unreadable)?;
    Ok(NonZeroU16::new(number).map_or(PortChoice::First, PortChoice::Number))
}

fn encode_tls(tls: &Tls) -> TlsRecord {
    TlsRecord { server_name: tls.server_name.as_deref().unwrap_or_default().into(), skip_verify: tls.skip_verify }
}

fn decode_tls(record: TlsRecord) -> Tls {
    Tls {
        server_name: (!record.server_name.is_empty()).then(|| record.server_name.into()),
        skip_verify: record.skip_verify,
    }
}
