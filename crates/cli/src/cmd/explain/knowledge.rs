//! What one node knows of a service, or of one instance.

use crate::agent_api::wire::{Instance, OneInstance, Problem, Service};
use crate::agent_api::{AgentApi, ApiError, Method, Target};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::fmt;
use whither_model::{InstanceId, ServiceName};

/// What a node knows.
#[derive(Debug, Default)]
pub(super) struct Knowledge {
    /// Its answer as it came; null if it knows nothing.
    pub(super) said: Value,
    /// How old its answer can be.
    pub(super) age_ms: Option<u64>,
    /// Sorted by id.
    pub(super) instances: Vec<Instance>,
    /// Set if it knows of no such service or instance.
    pub(super) unknown: Option<Unknown>,
}

/// A node's word that there is no such service or instance.
#[derive(Clone, Debug)]
pub(crate) struct Unknown(String);

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unknown {}

/// Asks the agent, or `node` through it.
///
/// # Errors
/// As [`AgentApi::ask`], but that something is not known is an answer.
pub(super) fn ask(
    api: &AgentApi,
    service: &ServiceName,
    instance: Option<&InstanceId>,
    node: Option<&str>,
) -> Result<Knowledge, ApiError> {
    match instance {
        None => {
            let target = Target::service(service).query("all", "true").query("explain", "true").from(node);
            let answer = ask_for::<Service>(api, &target)?;
            Ok(knowledge(answer, |service| (service.age_ms, service.instances)))
        }
        Some(id) => {
            let target = Target::instance(service, id).query("explain", "true").from(node);
            let answer = ask_for::<OneInstance>(api, &target)?;
            Ok(knowledge(answer, |one| (one.age_ms, vec![one.instance])))
        }
    }
}

/// The answer as it came and as it was understood, or that there is nothing.
type Found<T> = Result<(Value, T), Unknown>;

fn ask_for<T: DeserializeOwned>(api: &AgentApi, target: &Target) -> Result<Found<T>, ApiError> {
    match api.ask::<T>(Method::Get, target, None) {
        // What was understood as `T` is JSON.
        Ok(answer) => Ok(Ok((serde_json::from_str(&answer.body).unwrap_or_default(), answer.value))),
        Err(ApiError::Refused { problem, .. }) if is_unknown(&problem) => Ok(Err(Unknown(problem.to_string()))),
        Err(error) => Err(error),
    }
}

fn is_unknown(problem: &Problem) -> bool {
    matches!(problem.kind.as_str(), "urn:whither:problem:unknown-service" | "urn:whither:problem:unknown-instance")
}

fn knowledge<T>(found: Found<T>, parts: impl FnOnce(T) -> (Option<u64>, Vec<Instance>)) -> Knowledge {
    match found {
        Ok((said, value)) => {
            let (age_ms, mut instances) = parts(value);
            instances.sort_by(|a, b| a.id.cmp(&b.id));
            Knowledge { said, age_ms, instances, unknown: None }
        }
        Err(unknown) => Knowledge { unknown: Some(unknown), ..Knowledge::default() },
    }
}
