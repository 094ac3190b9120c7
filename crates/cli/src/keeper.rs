//! Keeps one instance registered for as long as its process lives.

use crate::agent_api::wire::{Renewed, Written};
use crate::agent_api::{AgentApi, Answer, ApiError, Method, Target};
use std::time::Duration;

/// An instance with a lease, and how to register it.
#[derive(Debug)]
pub(crate) struct Keeper {
    /// The instance.
    pub(crate) instance: Target,
    /// Whether its registration is to be on disk before it counts as done.
    pub(crate) durable: bool,
    /// Its registration, JSON.
    pub(crate) body: Vec<u8>,
    /// Its lease.
    pub(crate) ttl: Duration,
}

/// What a renewal came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Beat {
    /// The lease runs anew.
    Renewed,
    /// The agent did not know the instance any more; now it does again.
    RegisteredAgain,
}

impl Keeper {
    /// Registers the instance.
    ///
    /// # Errors
    /// As [`AgentApi::ask`].
    pub(crate) fn register(&self, api: &AgentApi) -> Result<Answer<Written>, ApiError> {
        let target = self.instance.clone();
        let target = if self.durable { target.query("ack", "durable") } else { target };
        api.ask(Method::Put, &target, Some(&self.body))
    }

    /// Renews the lease; registers the instance again if the agent lost it, as one with a new disk does.
    ///
    /// # Errors
    /// As [`AgentApi::ask`].
    pub(crate) fn beat(&self, api: &AgentApi) -> Result<Beat, ApiError> {
        match api.ask::<Renewed>(Method::Put, &self.instance.clone().segment("renew"), None) {
            Ok(_) => Ok(Beat::Renewed),
            Err(error) if error.is_not_found() => self.register(api).map(|_| Beat::RegisteredAgain),
            Err(error) => Err(error),
        }
    }

    /// Removes the instance; that it is gone already is as good.
    ///
    /// # Errors
    /// As [`AgentApi::ask`].
    pub(crate) fn deregister(&self, api: &AgentApi) -> Result<(), ApiError> {
        match api.send(Method::Delete, &self.instance, None) {
            Err(error) if !error.is_not_found() => Err(error),
            _ => Ok(()),
        }
    }
}
