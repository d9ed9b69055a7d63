//! What every HTTP answer of ours has in common: problem documents (RFC 9457).
//!
//! Promises: an error says what was wrong, where, and what to do; it never repeats a secret.

use axum::body::Body;
use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Response, StatusCode, header};
use serde::Serialize;

/// An error as `application/problem+json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub(crate) struct Problem {
    /// The HTTP status.
    pub(crate) status: u16,
    /// The kind of problem, the same for every occurrence.
    pub(crate) title: &'static str,
    /// What was wrong, and where.
    pub(crate) detail: String,
    /// What to do.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(crate) hint: &'static str,
    /// Seconds after which it is worth trying again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) retry_after: Option<u32>,
}

impl Problem {
    /// A problem without further advice.
    pub(crate) fn new(status: StatusCode, title: &'static str, detail: impl Into<String>) -> Problem {
        Problem { status: status.as_u16(), title, detail: detail.into(), hint: "", retry_after: None }
    }

    /// The same, saying what to do.
    pub(crate) fn hint(mut self, hint: &'static str) -> Problem {
        self.hint = hint;
        self
    }

    /// The same, to be tried again.
    pub(crate) fn retry_after(mut self, seconds: u32) -> Problem {
        self.retry_after = Some(seconds);
        self
    }

    /// As an answer.
    pub(crate) fn into_response(self) -> Response<Body> {
        let mut response = json(self.status, "application/problem+json", &self);
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl axum::response::IntoResponse for Problem {
    fn into_response(self) -> Response<Body> {
        Problem::into_response(self)
    }
}

/// The variable segment of a path. One that is no text is a problem like any other.
pub(crate) struct Segment(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for Segment {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Segment, Problem> {
        let segment = Path::<String>::from_request_parts(parts, state).await;
        segment.map(|Path(text)| Segment(text)).map_err(|rejection| {
            Problem::new(StatusCode::BAD_REQUEST, "bad request", format!("the path: {}", rejection.body_text()))
        })
    }
}

/// An answer with a JSON body.
pub(crate) fn json(status: u16, content_type: &'static str, body: &impl Serialize) -> Response<Body> {
    let body = serde_json::to_vec(body).expect("our answers always serialise");
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// An answer with a body of another type.
pub(crate) fn with_type(content_type: &'static str, body: String) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// What follows `Bearer` in an `Authorization` header.
pub(crate) fn bearer(authorization: &str) -> Option<&str> {
    let (scheme, rest) = authorization.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| rest.trim())
}
