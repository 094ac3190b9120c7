//! Names in paths, parsed before a handler sees them, and who asks.

use crate::problem::Problem;
use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use std::convert::Infallible;
use whither_directory::Client;
use whither_model::{InstanceId, ServiceName};

/// `{namespace}/{service}`.
pub(crate) struct InService(pub(crate) ServiceName);

/// `{namespace}/{service}/instances/{id}`.
pub(crate) struct OfInstance(pub(crate) ServiceName, pub(crate) InstanceId);

impl<S: Send + Sync> FromRequestParts<S> for InService {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let (namespace, service): (String, String) = decoded(parts, state).await?;
        Ok(Self(ServiceName::new(&namespace, &service)?))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for OfInstance {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let (namespace, service, id): (String, String, String) = decoded(parts, state).await?;
        let id = id.parse().map_err(|bad: whither_model::name::BadName| Problem::from(bad).about("id"))?;
        Ok(Self(ServiceName::new(&namespace, &service)?, id))
    }
}

/// Who asks, as far as its connection proves it.
pub(crate) struct From(pub(crate) Client);

impl<S: Send + Sync> FromRequestParts<S> for From {
    type Rejection = Infallible;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(parts.extensions.get().copied().unwrap_or_default()))
    }
}

async fn decoded<S, T>(parts: &mut Parts, state: &S) -> Result<T, Problem>
where
    S: Send + Sync,
    T: serde::de::DeserializeOwned + Send,
{
    let path = Path::<T>::from_request_parts(parts, state).await;
    path.map(|Path(names)| names).map_err(|fault| Problem::malformed(format!("the path cannot be read: {fault}")))
}
