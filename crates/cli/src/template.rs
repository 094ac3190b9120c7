//! Files that are made of templates and kept up to date: `whither template`.
//!
//! A template reads services and SQL through functions ([`library`]), which remember what was read. Each of those things is
//! watched on a thread of its own ([`watchers`]); when one changes, the templates that read it are rendered anew ([`render`]),
//! not more often than [`settle`] allows, looked at by [`guard`], written ([`output`]), and the command is run ([`exec`]).
//! [`keeper`] is the loop that does this. What a file last had is remembered beside it ([`memory`]).
//!
//! The rule behind all of it: whatever goes wrong, the file stays as it was, and it is said why.

mod error;
mod exec;
mod functions;
mod guard;
mod keeper;
mod library;
mod memory;
mod output;
mod render;
mod report;
mod retry;
mod settle;
mod signals;
mod source;
mod spec;
mod target;
mod watchers;

pub(crate) use keeper::{Options, dry_run, keep, once};
pub(crate) use settle::Wait;
pub(crate) use spec::Spec;
