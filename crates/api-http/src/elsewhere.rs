//! What another node answers: a read with `?from=NODE`, and a write that belongs to another owner.
//!
//! A question goes one hop and no further: what came from another node is never sent on, see [`Forwarded`].

use crate::problem::{Document, Problem, Slug};
use crate::routes::App;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use axum::http::{Method as HttpMethod, Response, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::IntoResponse;
use std::sync::Arc;
use utoipa::{IntoParams, IntoResponses};
use whither_directory::{Answer, AskError, Method, NotAQuestion, Question, View};
use whither_model::{NodeId, Refusal};

/// Which node answered, when it was another one than the node that was asked.
const ANSWERED_BY: HeaderName = HeaderName::from_static("x-whither-answered-by");
/// The parameter that names the node to ask.
const FROM: &str = "from";
/// Characters of a name that are repeated to whoever gave it.
const SHOWN_CHARS_MAX: usize = 80;

/// What every read takes that may be asked of another node.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "the document's picture of what `carry_reads` reads by hand")]
pub(crate) struct FromNode {
    /// The node to ask, by name or id; `X-Whither-Answered-By` says whose answer it is
    from: Option<String>,
}

/// What such a read may answer beside what it answers here.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "the document's picture of what `carry_reads` answers")]
pub(crate) enum Elsewhere {
    /// Several nodes have the name in `from`
    #[response(status = 409)]
    Ambiguous(Document<'static>),
    /// The other node gave no answer
    #[response(status = 502)]
    Unreachable(Document<'static>),
    /// The other node did not answer in time
    #[response(status = 504)]
    Silent(Document<'static>),
}

/// Marks a request that came from another node.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Forwarded;

/// Whether a read of `path` may be answered by another node: anything that has an end and is not about this program.
pub(crate) fn may_be_asked(path: &str) -> bool {
    let under = |prefix: &str| path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    // A backup is larger than what nodes ask each other for.
    under("/v1") && !["/v1/watch", "/v1/openapi.json", "/v1/backup"].into_iter().any(under)
}

/// Has a read with `?from=NODE` answered by that node; everything else goes on as it is.
pub(crate) async fn carry_reads(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response<Body> {
    if request.method() != HttpMethod::GET || !may_be_asked(request.uri().path()) {
        return next.run(request).await;
    }
    let Some((name, target)) = request.uri().query().and_then(|query| without_from(request.uri().path(), query)) else {
        return next.run(request).await;
    };
    let forwarded = request.extensions().get::<Forwarded>().is_some();
    let found = name.and_then(|name| node_named(&app.directory.peek(), &name));
    let answered = match found {
        Ok(_) if forwarded => Err(Problem::malformed("a question that another node passed on is not passed on again")),
        Ok(node) if node == app.directory.identity().node => match target.parse::<Uri>() {
            Ok(uri) => {
                *request.uri_mut() = uri;
                return next.run(request).await;
            }
            Err(fault) => Err(Problem::malformed(format!("the address cannot be read: {fault}"))),
        },
        Ok(node) => ask(&app, node, Method::Get, &target).await,
        Err(problem) => Err(problem),
    };
    answered.unwrap_or_else(IntoResponse::into_response)
}

/// The node that `from` names, and the path and query without it; `None` if there is no such parameter.
fn without_from(path: &str, query: &str) -> Option<(Result<String, Problem>, String)> {
    let mut named = Vec::new();
    let mut rest = String::from(path);
    for pair in query.split('&') {
        match form_urlencoded::parse(pair.as_bytes()).next() {
            Some((key, value)) if key == FROM => named.push(value.into_owned()),
            _ => {
                rest.push(if rest.len() == path.len() { '?' } else { '&' });
                rest.push_str(pair);
            }
        }
    }
    let name = match named.len() {
        0 => return None,
        1 => named.swap_remove(0),
        _ => return Some((Err(Problem::malformed("from is given twice; expected it once").about(FROM)), rest)),
    };
    Some((Ok(name), rest))
}

/// The node with this id or name. Of several with one name, the one that is present: the others are its past lives.
fn node_named(view: &View, text: &str) -> Result<NodeId, Problem> {
    if let Some(node) = text.parse().ok().and_then(|id| view.node(id)) {
        return Ok(node.member.id);
    }
    let named: Vec<_> =
        view.nodes().iter().filter(|node| node.member.name.as_str() == text && !text.is_empty()).collect();
    let present: Vec<_> = named.iter().filter(|node| node.member.state.is_present()).collect();
    match (&*present, &*named) {
        ([one], _) => Ok(one.member.id),
        ([], [one]) => Ok(one.member.id),
        ([], []) => Err(unknown(view, text)),
        _ => {
            let ids: Vec<String> = named.iter().take(8).map(|node| node.member.id.to_string()).collect();
            let detail =
                format!("{text:?} is the name of {} nodes; name one by its id: {}", named.len(), ids.join(", "));
            Err(Problem::new(Slug::AmbiguousNode, detail).about(FROM))
        }
    }
}

fn unknown(view: &View, text: &str) -> Problem {
    let shown: String = text.chars().take(SHOWN_CHARS_MAX).collect();
    let near = |name: &&str| strsim::damerau_levenshtein(name, &shown);
    let nearest = view.nodes().iter().map(|node| node.member.name.as_str()).min_by_key(near);
    let advice = match nearest {
        Some(name) if !name.is_empty() && near(&name) <= name.len() / 3 => format!("did you mean {name:?}?"),
        _ => "expected the name or the id of a node; GET /v1/nodes lists them".to_owned(),
    };
    Problem::new(Slug::UnknownNode, format!("no node {shown:?} is known here; {advice}")).about(FROM)
}

/// What `owner` answers to a write that was refused here because it is the owner; any other refusal as it is.
///
/// # Errors
/// The refusal, if it is another one, if the request came from another node already, or if the owner is gone; or why the
/// owner gave no answer.
pub(crate) async fn by_owner(
    app: &App,
    refusal: &Refusal,
    method: Method,
    uri: &Uri,
    forwarded: bool,
) -> Result<Response<Body>, Problem> {
    let present = |id| app.directory.peek().node(id).is_some_and(|node| node.member.state.is_present());
    match (refusal, uri.path_and_query()) {
        (Refusal::NotOwner { owner, .. }, Some(target)) if !forwarded && present(*owner) => {
            ask(app, *owner, method, target.as_str()).await
        }
        _ => Err(Problem::refused(refusal, &app.directory)),
    }
}

async fn ask(app: &App, node: NodeId, method: Method, target: &str) -> Result<Response<Body>, Problem> {
    let question = Question::new(method, target).map_err(|NotAQuestion| {
        let max = Question::TARGET_BYTES_MAX;
        Problem::malformed(format!(
            "only at most {max} bytes of visible ASCII may be asked of another node; escape the rest"
        ))
    })?;
    match app.directory.ask(node, &question).await {
        Ok(answer) => Ok(passed_on(node, answer)),
        Err(error) => Err(unanswered(app, node, method, &error)),
    }
}

/// The answer as it came, and who gave it.
fn passed_on(node: NodeId, answer: Answer) -> Response<Body> {
    let mut response = Response::new(Body::new(crate::answer::Answer::new(answer.body)));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::BAD_GATEWAY);
    let headers = response.headers_mut();
    if let Ok(kind) = HeaderValue::from_str(&answer.content_type) {
        headers.insert(CONTENT_TYPE, kind);
    }
    if let Ok(id) = HeaderValue::from_str(&node.to_string()) {
        headers.insert(ANSWERED_BY, id);
    }
    response
}

fn unanswered(app: &App, node: NodeId, method: Method, error: &AskError) -> Problem {
    let name = app.directory.peek().node(node).map(|node| node.member.name.as_str().to_owned()).unwrap_or_default();
    let who = if name.is_empty() { format!("node {node}") } else { format!("node {name} ({node})") };
    let next = match (method, error.may_have_acted()) {
        (Method::Get, _) => "leave out from to hear what this node knows",
        (_, true) => "it may have done what was asked: look, and ask again if it did not",
        (_, false) => "nothing was done; ask again, or ask that node itself",
    };
    let slug = match error {
        AskError::Unknown => Slug::UnknownNode,
        AskError::NotNow(_) => Slug::Unavailable,
        AskError::TimedOut(_) => Slug::NodeSilent,
        AskError::Absent(_) | AskError::Refused(_) | AskError::BrokenOff(_) | AskError::Garbled => {
            Slug::NodeUnreachable
        }
    };
    Problem::new(slug, format!("{who} gave no answer: {error}; {next}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn watches_and_this_program_are_not_asked_of_others() {
        for path in ["/v1/services", "/v1/services/prod/watch", "/v1/nodes", "/v1/health", "/v1/watchers"] {
            assert!(may_be_asked(path), "{path}");
        }
        for path in ["/v1/watch", "/v1/watch/prod/recos", "/v1/openapi.json", "/metrics", "/", "/v1x/nodes"] {
            assert!(!may_be_asked(path), "{path}");
        }
    }

    #[test]
    fn only_the_parameter_goes_and_the_rest_stays_as_it_was_written() {
        let taken = |query| without_from("/v1/nodes", query).map(|(name, target)| (name.ok(), target));
        assert_eq!(taken("all=true&fro=x&a=from"), None);
        assert_eq!(taken("from=b"), Some((Some("b".into()), "/v1/nodes".into())));
        let mixed = taken("tag=a%20b&from=b%2Dc&&tag=%26");
        assert_eq!(mixed, Some((Some("b-c".into()), "/v1/nodes?tag=a%20b&&tag=%26".into())));
        assert_eq!(taken("%66rom=b"), Some((Some("b".into()), "/v1/nodes".into())), "as a handler would read it");
        assert_eq!(taken("from=a&from=b"), Some((None, "/v1/nodes".into())));
    }
}
