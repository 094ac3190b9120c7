//! The questions of other nodes, answered by the same routes as those of clients.

use crate::config::Config;
use crate::elsewhere::{Forwarded, may_be_asked};
use crate::problem::{Problem, Slug};
use crate::server::router;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::header::CONTENT_TYPE;
use axum::http::{Request, Response};
use axum::response::IntoResponse;
use std::future::Future;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tower::Service;
use whither_directory::{Answer, Asked, Directory, Method, Question};

/// Questions that are answered at once; further ones wait in the queue.
const ANSWERING_MAX: usize = 32;
/// Questions that wait. One more is refused, and its asker told so.
const WAITING_MAX: usize = 64;

/// Answers what other nodes ask of this one until `shutdown` completes. It needs no listener: the questions come through
/// `directory`, from the moment of this call, and are answered once the future is polled.
pub fn answer_questions(
    directory: Arc<Directory>,
    config: Config,
    shutdown: impl Future<Output = ()> + Send,
) -> impl Future<Output = ()> + Send {
    let questions = directory.answer_questions(WAITING_MAX);
    let router = router(directory, config);
    answer_each(questions, router, shutdown)
}

async fn answer_each(mut questions: mpsc::Receiver<Asked>, router: Router, shutdown: impl Future<Output = ()> + Send) {
    let mut answering = JoinSet::new();
    tokio::pin!(shutdown);
    loop {
        tokio::select! {
            biased;
            () = &mut shutdown => return,
            Some(_) = answering.join_next(), if !answering.is_empty() => {}
            asked = questions.recv(), if answering.len() < ANSWERING_MAX => match asked {
                Some(asked) => drop(answering.spawn(answer(router.clone(), asked))),
                // Somebody else answers from now on.
                None => return,
            },
        }
    }
}

async fn answer(router: Router, asked: Asked) {
    let response = match request(&asked.question) {
        Ok(request) => tokio::time::timeout(Directory::ANSWER_PATIENCE, whole(router, request)).await,
        Err(problem) => Ok(collected(problem.into_response()).await),
    };
    // Too late: the asker waits no longer. Dropping the question tells it so.
    if let Ok(answer) = response {
        tracing::debug!(from = %asked.from, question = asked.question.target(), status = answer.status, "answered a peer");
        asked.answer(answer);
    }
}

async fn whole(mut router: Router, request: Request<Body>) -> Answer {
    // A router is always ready (axum says so), and cannot fail.
    match Service::call(&mut router, request).await {
        Ok(response) => collected(response).await,
        Err(never) => match never {},
    }
}

/// The request that a question stands for.
///
/// # Errors
/// Nobody may ask this of another node.
fn request(question: &Question) -> Result<Request<Body>, Problem> {
    let path = question.target().split('?').next().unwrap_or_default();
    let method = match question.method() {
        Method::Get if may_be_asked(path) => "GET",
        Method::Put if instance_path(path) == Some("/state") => "PUT",
        Method::Delete if instance_path(path) == Some("") => "DELETE",
        _ => {
            let detail = "another node may read here, remove an instance, and set the state of one; nothing else";
            return Err(Problem::new(Slug::MethodNotAllowed, detail));
        }
    };
    let request = Request::builder().method(method).uri(question.target()).extension(Forwarded).body(Body::empty());
    request.map_err(|fault| Problem::malformed(format!("the question cannot be read: {fault}")))
}

/// What follows the instance's id in its path; `None` if it is not one.
fn instance_path(path: &str) -> Option<&str> {
    let mut segments = path.strip_prefix("/v1/services/")?.splitn(4, '/').skip(2);
    let (instances, rest) = (segments.next()?, segments.next()?);
    (instances == "instances").then(|| rest.find('/').map_or("", |at| &rest[at..]))
}

async fn collected(response: Response<Body>) -> Answer {
    let (head, body) = response.into_parts();
    let content_type = head.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default().into();
    match to_bytes(body, Answer::BODY_BYTES_MAX).await {
        Ok(body) => Answer { status: head.status.as_u16(), content_type, body },
        Err(_) => {
            let max = Answer::BODY_BYTES_MAX;
            let detail =
                format!("the answer has more than {max} bytes, the most that travels between nodes; ask for less");
            Box::pin(collected(Problem::new(Slug::AnswerTooLarge, detail).into_response())).await
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(method: Method, target: &str) -> bool {
        request(&Question::new(method, target).unwrap()).is_ok()
    }

    #[test]
    fn another_node_may_read_and_write_what_belongs_to_this_one_and_nothing_else() {
        let instance = "/v1/services/prod/recos/instances/r%2F1";
        assert!(allowed(Method::Get, "/v1/services/prod/recos?all=true") && allowed(Method::Get, "/v1/nodes"));
        assert!(allowed(Method::Delete, instance) && allowed(Method::Delete, &format!("{instance}?ack=durable")));
        assert!(allowed(Method::Put, &format!("{instance}/state?state=draining")));
        for refused in ["/v1/watch", "/v1/watch/prod/recos", "/v1/openapi.json"] {
            assert!(!allowed(Method::Get, refused), "{refused}");
        }
        for refused in ["/v1/services/prod/recos", "/v1/sessions/00000000000000ff", "/v1/services/a/b/c/d"] {
            assert!(!allowed(Method::Delete, refused) && !allowed(Method::Put, refused), "{refused}");
        }
        let nested = format!("{instance}/state");
        assert!(!allowed(Method::Delete, &nested) && !allowed(Method::Put, instance));
        assert!(!allowed(Method::Put, &format!("{instance}/renew")), "a lease is renewed where it runs");
    }
}
