//! What a client is told when something is refused: a problem document (RFC 9457).

use crate::answer::Answer;
use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, HeaderValue};
use axum::http::{Response, StatusCode};
use axum::response::IntoResponse;
use serde::Serialize;
use utoipa::ToSchema;
use whither_directory::Directory;
use whither_directory::sql::SqlRefusal;
use whither_model::name::BadName;
use whither_model::{InstanceId, Invalid, NodeId, Refusal, ServiceName};

/// Which kind of problem, and with it the status code.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Slug {
    MalformedRequest,
    InvalidField,
    UnknownService,
    UnknownInstance,
    NotOwner,
    NoSession,
    UnknownNode,
    AmbiguousNode,
    NodeUnreachable,
    NodeSilent,
    AnswerTooLarge,
    TooLarge,
    ServiceFull,
    Disk,
    BadStatement,
    BadSchema,
    TimedOut,
    NotSeen,
    Unavailable,
    NotFound,
    MethodNotAllowed,
    UnsupportedMediaType,
    ForeignPage,
    Internal,
}

impl Slug {
    const fn parts(self) -> (&'static str, StatusCode, &'static str) {
        match self {
            Self::MalformedRequest => ("malformed-request", StatusCode::BAD_REQUEST, "The request cannot be read"),
            Self::InvalidField => ("invalid-field", StatusCode::UNPROCESSABLE_ENTITY, "A field cannot be accepted"),
            Self::UnknownService => ("unknown-service", StatusCode::NOT_FOUND, "No such service is known"),
            Self::UnknownInstance => ("unknown-instance", StatusCode::NOT_FOUND, "No such instance is known"),
            Self::NotOwner => ("not-owner", StatusCode::CONFLICT, "The instance belongs to another node"),
            Self::NoSession => ("no-session", StatusCode::CONFLICT, "No such session is open here"),
            Self::UnknownNode => ("unknown-node", StatusCode::UNPROCESSABLE_ENTITY, "No such node is known"),
            Self::AmbiguousNode => ("ambiguous-node", StatusCode::CONFLICT, "Several nodes have this name"),
            Self::NodeUnreachable => ("node-unreachable", StatusCode::BAD_GATEWAY, "The other node gave no answer"),
            Self::NodeSilent => ("node-silent", StatusCode::GATEWAY_TIMEOUT, "The other node did not answer in time"),
            Self::AnswerTooLarge => ("answer-too-large", StatusCode::BAD_GATEWAY, "The answer is too large to travel"),
            Self::TooLarge => ("too-large", StatusCode::PAYLOAD_TOO_LARGE, "Too large"),
            Self::ServiceFull => ("service-full", StatusCode::CONFLICT, "The service has as many instances as it may"),
            Self::Disk => ("disk", StatusCode::INSUFFICIENT_STORAGE, "The disk refuses writes"),
            Self::BadStatement => ("bad-statement", StatusCode::UNPROCESSABLE_ENTITY, "A statement cannot be executed"),
            Self::BadSchema => ("bad-schema", StatusCode::UNPROCESSABLE_ENTITY, "The schema cannot be changed so"),
            Self::TimedOut => ("timed-out", StatusCode::GATEWAY_TIMEOUT, "It took too long"),
            Self::NotSeen => ("not-seen", StatusCode::SERVICE_UNAVAILABLE, "What has to be seen first has not arrived"),
            Self::Unavailable => ("unavailable", StatusCode::SERVICE_UNAVAILABLE, "Not now"),
            Self::NotFound => ("not-found", StatusCode::NOT_FOUND, "There is nothing at this path"),
            Self::MethodNotAllowed => {
                ("method-not-allowed", StatusCode::METHOD_NOT_ALLOWED, "The path does not take this method")
            }
            Self::UnsupportedMediaType => {
                ("unsupported-media-type", StatusCode::UNSUPPORTED_MEDIA_TYPE, "The body is not JSON")
            }
            Self::ForeignPage => ("foreign-page", StatusCode::FORBIDDEN, "Not for web pages of other origins"),
            Self::Internal => ("internal", StatusCode::INTERNAL_SERVER_ERROR, "A fault in this node"),
        }
    }
}

/// A refusal on its way to the client.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Problem {
    slug: Slug,
    detail: String,
    field: Option<String>,
    owner: Option<Owner>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct Owner {
    id: String,
    name: Option<String>,
}

/// The document as it is sent (RFC 9457 section 3.1), with our extension members.
#[derive(Serialize, ToSchema)]
#[schema(as = Problem, example = json!({
    "type": "urn:whither:problem:invalid-field", "title": "A field cannot be accepted", "status": 422,
    "detail": "weight: is 0; expected 1 to 65535 (use state=draining to send nothing new)", "field": "weight"
}))]
pub(crate) struct Document<'a> {
    /// `urn:whither:problem:<slug>`.
    r#type: String,
    /// The same words for every problem of this type.
    title: &'static str,
    /// The HTTP status code.
    status: u16,
    /// What was wrong here, and what would be right.
    detail: &'a str,
    /// The field or parameter that cannot be accepted, for example `[17].weight`.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'a str>,
    /// The id of the node that owns the instance.
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<&'a str>,
    /// Its name, if it is known here.
    #[serde(skip_serializing_if = "Option::is_none")]
    owner_name: Option<&'a str>,
}

impl Problem {
    pub(crate) fn new(slug: Slug, detail: impl Into<String>) -> Self {
        Self { slug, detail: detail.into(), field: None, owner: None }
    }

    /// A request that cannot be read.
    pub(crate) fn malformed(detail: impl Into<String>) -> Self {
        Self::new(Slug::MalformedRequest, detail)
    }

    /// Names the field or parameter it is about.
    pub(crate) fn about(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }

    pub(crate) fn unknown_service(service: &ServiceName) -> Self {
        Self::new(Slug::UnknownService, format!("no service {service} is known here"))
    }

    pub(crate) fn unknown_instance(service: &ServiceName, id: &InstanceId) -> Self {
        Self::new(Slug::UnknownInstance, format!("no instance {id} of {service} is known here"))
    }

    /// The node answered something that the command cannot have.
    pub(crate) fn odd_outcome() -> Self {
        Self::new(Slug::Internal, "the node answered what this command cannot have; what it did is not known")
    }

    /// `refusal`, with the owner's name where the catalog knows it.
    pub(crate) fn refused(refusal: &Refusal, directory: &Directory) -> Self {
        let slug = match refusal {
            Refusal::Unknown { .. } => Slug::UnknownInstance,
            Refusal::NotOwner { .. } => Slug::NotOwner,
            Refusal::NoSession { .. } => Slug::NoSession,
            Refusal::TooManySessions => Slug::Unavailable,
            Refusal::TooLarge { .. } => Slug::TooLarge,
            Refusal::ServiceFull { .. } => Slug::ServiceFull,
            Refusal::Disk(_) => Slug::Disk,
            Refusal::Unavailable(_) => Slug::Unavailable,
        };
        let problem = Self::new(slug, refusal.to_string());
        match refusal {
            Refusal::NotOwner { owner, .. } => problem.owned(*owner, directory).in_its_place(*owner, directory),
            _ => problem,
        }
    }

    /// What only the owner knows was asked of another node.
    pub(crate) fn known_to(owner: NodeId, directory: &Directory) -> Self {
        let problem = Self::new(Slug::NotOwner, String::new()).owned(owner, directory);
        let name = problem.owner.as_ref().and_then(|owner| owner.name.clone()).unwrap_or_else(|| owner.to_string());
        let detail = format!(
            "what checks found stays with the node that runs them, {name} ({owner}); ask it, or here with ?from={name}"
        );
        Self { detail, ..problem }
    }

    /// If the owner is gone, what may be done in its place.
    fn in_its_place(mut self, owner: NodeId, directory: &Directory) -> Self {
        let view = directory.peek();
        if let Some(state) = view.node(owner).map(|node| node.member.state).filter(|state| !state.is_present()) {
            let detail =
                format!("{}; that node is {state}: to remove the instance in its place, ?overrule", self.detail);
            self.detail = detail;
        }
        self
    }

    fn owned(mut self, owner: NodeId, directory: &Directory) -> Self {
        let view = directory.peek();
        let name = view.node(owner).map(|node| node.member.name.as_str().to_owned());
        self.owner = Some(Owner { id: owner.to_string(), name: name.filter(|name| !name.is_empty()) });
        self
    }

    /// The response that carries it.
    pub(crate) fn answer(&self) -> Response<Answer> {
        let (slug, status, title) = self.slug.parts();
        let document = Document {
            r#type: format!("urn:whither:problem:{slug}"),
            title,
            status: status.as_u16(),
            detail: &self.detail,
            field: self.field.as_deref(),
            owner: self.owner.as_ref().map(|owner| owner.id.as_str()),
            owner_name: self.owner.as_ref().and_then(|owner| owner.name.as_deref()),
        };
        let mut response = Response::new(Answer::new(crate::json::line(&document)));
        *response.status_mut() = status;
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        response
    }
}

impl From<Invalid> for Problem {
    fn from(invalid: Invalid) -> Self {
        Self::new(Slug::InvalidField, invalid.to_string()).about(invalid.field)
    }
}

impl From<SqlRefusal> for Problem {
    fn from(refusal: SqlRefusal) -> Self {
        let slug = match &refusal {
            SqlRefusal::Statement { .. } => Slug::BadStatement,
            SqlRefusal::Schema { .. } => Slug::BadSchema,
            SqlRefusal::TooLarge(_) => Slug::TooLarge,
            SqlRefusal::TimedOut(_) => Slug::TimedOut,
            SqlRefusal::NotSeen { .. } | SqlRefusal::TooFewNodes { .. } => Slug::NotSeen,
            SqlRefusal::Unknown(_) => Slug::NotFound,
            SqlRefusal::Disk(_) => Slug::Disk,
            SqlRefusal::NotNow(_) => Slug::Unavailable,
        };
        let problem = Self::new(slug, refusal.to_string());
        match refusal {
            SqlRefusal::Statement { index, .. } => problem.about(format!("[{index}]")),
            SqlRefusal::Schema { line, .. } => problem.about(format!("line {line}")),
            _ => problem,
        }
    }
}

impl From<BadName> for Problem {
    fn from(bad: BadName) -> Self {
        Self::new(Slug::InvalidField, bad.to_string()).about(bad.what)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response<Body> {
        self.answer().map(Body::new)
    }
}
