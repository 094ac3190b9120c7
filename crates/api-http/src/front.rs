//! What a connection calls: the question asked most goes straight to its answer, everything else through the router.

use crate::answer::{self, Answer, Instances};
use crate::routes::App;
use axum::Router;
use axum::body::Body as RoutedBody;
use axum::http::{Method, Request, Response};
use axum::routing::future::RouteFuture;
use bytes::Bytes;
use futures_util::future::{Either, Ready as ReadyFuture, ready};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use std::convert::Infallible;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use whither_directory::Client;
use whither_model::ServiceName;

/// One per server, whatever it listens on; clones, one for each connection, are cheap.
#[derive(Clone)]
pub(crate) struct Front {
    pub(crate) app: Arc<App>,
    pub(crate) router: Router,
    /// Who is at the other end of the connection.
    pub(crate) client: Client,
}

impl Front {
    /// The answer to `GET /v1/services/{namespace}/{service}`, with or without `?all=true`. The router answers the same
    /// question in the same way; this skips matching, decoding, boxing and the extension map.
    fn straight(&self, request: &Request<Incoming>) -> Option<Response<Answer>> {
        if request.method() != Method::GET {
            return None;
        }
        let (namespace, service) = service_path(request.uri().path())?;
        let all = match request.uri().query() {
            None => false,
            Some("all=true") => true,
            Some(_) => return None,
        };
        let name = ServiceName::new(namespace, service).ok()?;
        let answer =
            || {
                answer::service(&self.app, &name, request.headers(), |_, _| {
                    if all { Instances::All } else { Instances::Selected }
                })
            };
        // A fault here ends one request, not the connection and those that follow on it.
        let answer = catch_unwind(AssertUnwindSafe(answer));
        Some(answer.unwrap_or_else(|fault| crate::server::Fault(Arc::clone(&self.app)).answer(&*fault)))
    }
}

/// The two names in the path of a service, if it has that shape and nothing in it is encoded.
fn service_path(path: &str) -> Option<(&str, &str)> {
    let (namespace, service) = path.strip_prefix("/v1/services/")?.split_once('/')?;
    (!service.contains('/') && !path.contains('%')).then_some((namespace, service))
}

impl hyper::service::Service<Request<Incoming>> for Front {
    type Response = Response<FrontBody>;
    type Error = Infallible;
    type Future = Either<ReadyFuture<Result<Self::Response, Infallible>>, Routed>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        if let Some(response) = self.straight(&request) {
            self.app.metrics.answered(response.status());
            return Either::Left(ready(Ok(response.map(FrontBody::Straight))));
        }
        if !request.method().is_safe() {
            request.extensions_mut().insert(self.client);
        }
        let mut router = self.router.clone();
        let future = route(&mut router, request.map(RoutedBody::new));
        Either::Right(Routed { future, app: Arc::clone(&self.app) })
    }
}

fn route(router: &mut Router, request: Request<RoutedBody>) -> RouteFuture<Infallible> {
    // A router is always ready (axum says so), so `poll_ready` need not be asked.
    tower::Service::call(router, request)
}

/// A request on its way through the router.
pub(crate) struct Routed {
    future: RouteFuture<Infallible>,
    app: Arc<App>,
}

impl Future for Routed {
    type Output = Result<Response<FrontBody>, Infallible>;
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.future).poll(context).map(|response| {
            let response = response?;
            self.app.metrics.answered(response.status());
            Ok(response.map(FrontBody::Routed))
        })
    }
}

/// The body of either way.
pub(crate) enum FrontBody {
    Straight(Answer),
    Routed(RoutedBody),
}

impl Body for FrontBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match self.get_mut() {
            Self::Straight(body) => Pin::new(body).poll_frame(context).map_err(|never| match never {}),
            Self::Routed(body) => Pin::new(body).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Straight(body) => body.is_end_stream(),
            Self::Routed(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Straight(body) => body.size_hint(),
            Self::Routed(body) => body.size_hint(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::service_path;

    #[test]
    fn only_the_plain_path_of_a_service_goes_straight() {
        assert_eq!(service_path("/v1/services/prod/recos"), Some(("prod", "recos")));
        for other in ["/v1/services/prod", "/v1/services/prod/recos/", "/v1/services/prod/re%63os", "/v1/services"] {
            assert_eq!(service_path(other), None, "{other}");
        }
    }
}
