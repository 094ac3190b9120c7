//! Exists so that whoever can only speak DNS finds services too: the authority for `whither.`, and for nothing else.
//!
//! Authoritative only: no recursion, no forwarding, no zone transfer. The way of a question is `udp` or `tcp` →
//! `answerer` → `question` → `cache`, or else `names` → `resolve` → `encode`; what is not one plain question goes to
//! `unusual`, which has a complete parser. Answers come from the newest [`View`](whither_directory::View) at the moment of
//! the question: a worker keeps ready answers, but looks every time whether the view still says the same.
//!
//! Whoever suspects another nameserver of lying asks it with [`ask()`], which knows nothing of the rest.
//!
//! # Names
//!
//! What a name means is decided by its labels alone, never by what happens to be registered, so nobody can shadow a name
//! by registering another. Marker words count only in the position shown. Below a zone, and in the same way below
//! `service.<zone>`, there are:
//!
//! | Name | Means |
//! |---|---|
//! | `<service>` | the service in the namespace `default`; if there is none, the namespace of that name: no records |
//! | `<service>.<ns>` | the service |
//! | `<tag>.tag.<service>.<ns>` | its instances with that tag, compared without case |
//! | `<port>.port.<service>.<ns>` | its instances with that named port; SRV gives that port |
//! | `<label>.instance.<service>.<ns>` | one instance, whatever its status; the target of SRV records |
//! | `_<service>._tcp`, `_<service>._tcp.<ns>` | RFC 2782: the service in `default` or `<ns>`; no addresses |
//! | `_<port>._tcp.<service>.<ns>` | RFC 2782: the named port; no addresses |
//!
//! and only below the zone itself:
//!
//! | Name | Means |
//! |---|---|
//! | `<node>.node` | a node, by its name, which may have dots, or by its id |
//! | `service` | the long form begins here: below it `node` and `service` are no markers |
//!
//! Hence a namespace called `node` or `service`, and the services `node` and `service` in `default`, have only the long form,
//! for example `web.node.service.whither.`; every other service has both. Names of more labels than shown are no names.
//! Names that are only above others (`node`, `service`, `_tcp`, a namespace, `tag.<service>.<ns>`) exist without records.
//!
//! The label of an instance is its id, if that is a label (at most 63 of `a-z 0-9 - _`, a letter or digit at both ends)
//! and does not begin with `x-`. Otherwise it is `x-` and sixteen hexadecimal digits: the 64-bit FNV-1a hash of the id.
//!
//! # Records
//!
//! A and AAAA: the selected instances of that address family. SRV: priority 1, the instance's weight, its named or first
//! port, with addresses of the targets; instances without such a port have none. TXT, made for each question: for a
//! service `age_ms`, `index`, `selection` (`usable`, `last_known`, `empty`), `selected` and `instances`; for one instance
//! `age_ms`, `id`, `status`, `version`, `zone` and `meta.<key>`; for a node `age_ms`, `id`, `state`. SOA and NS: at the zone.
//! ANY: the minimal answer of RFC 8482. Selected are the usable instances, or, if only silence speaks against the others,
//! those last known: a time-out never empties a name, nor a tag or port of it. A known service without selected instances
//! is "no such records", so that clients do not conclude that the name is wrong.

mod answerer;
mod ask;
mod cache;
mod config;
mod counters;
mod encode;
mod fuzz;
mod names;
mod namespaces;
mod part;
mod question;
mod resolve;
mod section;
mod server;
mod sockets;
mod tcp;
mod udp;
mod unusual;
mod zone;

pub use ask::{Code, Denial, Family, Reply, Via, ask};
pub use config::{Config, ConfigError};
#[doc(hidden)]
pub use fuzz::answer_datagram_for_fuzz;
pub use server::{Running, serve};
pub use sockets::{Bound, StartError, bind};
#[cfg(test)]
mod tests;
