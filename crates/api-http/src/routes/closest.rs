//! What a client is told whose path or method leads nowhere.

use super::App;
use crate::problem::{Problem, Slug};
use axum::extract::State;
use axum::http::{Method, Uri};
use std::sync::Arc;
use utoipa::openapi::OpenApi;

/// The paths there are, for advice.
pub(crate) struct Paths(Vec<(String, Vec<&'static str>)>);

impl Paths {
    pub(super) fn of(document: &OpenApi) -> Self {
        let methods = |item: &utoipa::openapi::PathItem| {
            let present = [("GET", &item.get), ("PUT", &item.put), ("POST", &item.post), ("DELETE", &item.delete)];
            present.into_iter().filter(|(_, operation)| operation.is_some()).map(|(method, _)| method).collect()
        };
        Self(document.paths.paths.iter().map(|(path, item)| (path.clone(), methods(item))).collect())
    }

    /// The three paths nearest to `path`.
    fn near(&self, path: &str) -> Vec<&str> {
        let mut ranked: Vec<_> = self.0.iter().map(|(known, _)| (distance(known, path), known.as_str())).collect();
        ranked.sort_unstable();
        ranked.into_iter().take(3).map(|(_, known)| known).collect()
    }

    /// The methods of the path that `path` is an instance of.
    fn methods(&self, path: &str) -> Option<&[&'static str]> {
        self.0.iter().find(|(known, _)| distance(known, path) == 0).map(|(_, methods)| &**methods)
    }
}

/// How far `path` is from being an instance of `known`: letters to change, and eight for each segment too many or too
/// few. A parameter is any segment.
fn distance(known: &str, path: &str) -> usize {
    let (mut known, mut path) = (known.split('/'), path.split('/'));
    let mut sum = 0;
    loop {
        sum += match (known.next(), path.next()) {
            (None, None) => return sum,
            (Some(parameter), Some(given)) if parameter.starts_with('{') => usize::from(given.is_empty()) * 8,
            (Some(known), Some(given)) => strsim::damerau_levenshtein(known, given),
            (Some(_), None) | (None, Some(_)) => 8,
        };
    }
}

/// As much of a path as is looked at.
fn shown(uri: &Uri) -> String {
    uri.path().chars().take(200).collect()
}

pub(super) async fn not_found(State(app): State<Arc<App>>, uri: Uri) -> Problem {
    let path = shown(&uri);
    let near = app.paths.near(&path).join(", ");
    Problem::new(Slug::NotFound, format!("there is nothing at {path:?}; near it: {near}; GET / lists everything"))
}

pub(super) async fn method_not_allowed(State(app): State<Arc<App>>, method: Method, uri: Uri) -> Problem {
    let method: String = method.as_str().chars().take(80).collect();
    let path = shown(&uri);
    let allowed = app.paths.methods(uri.path()).unwrap_or_default().join(", ");
    Problem::new(Slug::MethodNotAllowed, format!("{path:?} does not take {method}; it takes {allowed}"))
}
