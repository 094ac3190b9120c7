//! What a run does: speaks to one address, or runs one command, once.

mod connect;
mod exec;
mod grpc;
mod http;
pub(crate) mod words;

use crate::finding::{Deadline, Finding};
use crate::job::Job;
use crate::trust::Trust;
use std::future::Future;
use std::pin::Pin;

/// A run underway.
pub(crate) type Run<'a> = Pin<Box<dyn Future<Output = Finding> + Send + 'a>>;

/// Does what a job says. There is one that does it for real; tests of the schedule have their own.
pub(crate) trait Prober: Send + Sync {
    fn probe<'a>(&'a self, job: &'a Job, deadline: Deadline) -> Run<'a>;
}

/// The real one.
pub(crate) struct Wire {
    trust: Trust,
}

impl Wire {
    pub(crate) const fn new(trust: Trust) -> Self {
        Self { trust }
    }
}

impl Prober for Wire {
    fn probe<'a>(&'a self, job: &'a Job, deadline: Deadline) -> Run<'a> {
        Box::pin(async move {
            let done = match job {
                Job::Tcp(at) => connect::probe(*at, deadline).await,
                Job::Http(at, http) => http::probe(*at, http, &self.trust, deadline).await,
                Job::Grpc { at, service, tls } => grpc::probe(*at, service, tls.as_ref(), &self.trust, deadline).await,
                Job::Exec(exec) => exec::probe(exec, deadline).await,
            };
            done.unwrap_or_else(|failed| failed)
        })
    }
}
