//! The doors that events come in by, over HTTP.
//!
//! Promises: a `202` (native) or `200` (Sentry) means that every event in it that was not rejected is counted, and that
//! every alert it earned is stored with its deliveries; it survives kill -9 and a power failure. Browsers may send from
//! any origin: a DSN's key is public and may only send.

use std::borrow::Cow;
use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use axum::routing::post;
use bytes::Bytes;
use serde::Serialize;
use utoipa::OpenApi;

use super::body::{Bodies, Held};
use super::encoding::{Scratch, Undecodable};
use super::sentry::envelope::ItemKind;
use super::sentry::event::Pick;
use super::{answer, bound, encoding, native, sentry};
use crate::archive::KnownProject;
use crate::config::Limits;
use crate::event::{Event, Text};
use crate::http::{self, Problem, Segment};
use crate::keys::Keys;
use crate::metrics::Metrics;
use crate::outcome::{Reject, RejectReason};
use crate::river::River;
use crate::time::Time;

thread_local! {
    /// Where this thread decodes bodies, one at a time.
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// What the doors share.
pub(crate) struct Ingest {
    river: Arc<River>,
    keys: Arc<Keys>,
    metrics: Arc<Metrics>,
    limits: Limits,
    bodies: Bodies,
    /// Finds the throw location among frames.
    pick: Pick,
    now: fn() -> Time,
}

impl Ingest {
    /// The doors to a river.
    pub(crate) fn new(river: Arc<River>, keys: Arc<Keys>, limits: Limits, pick: Pick, now: fn() -> Time) -> Ingest {
        let bodies = Bodies::new(limits.held_bytes, limits.body_bytes, limits.read_timeout.get());
        Ingest { metrics: Arc::clone(&river.metrics), river, keys, limits, bodies, pick, now }
    }

    /// What bounds the bodies of all doors.
    pub(crate) fn bodies(&self) -> &Bodies {
        &self.bodies
    }

    async fn project(&self, key: Option<&str>) -> Result<Arc<KnownProject>, Problem> {
        let found = match key {
            None => Err("there is no key"),
            Some(key) => self.keys.project_of(key, (self.now)()).await.ok_or("the key is not one of this server's"),
        };
        found.map_err(|why| {
            Problem::new(StatusCode::UNAUTHORIZED, "unknown key", why)
                .hint("send a project's key as `Authorization: Bearer KEY` (Sentry SDKs: the DSN); `bongsu project add` makes one")
        })
    }

    fn refuse(&self, problem: Problem) -> Problem {
        self.metrics.count_refused(match problem.status {
            401 => RejectReason::Unauthorized,
            413 => RejectReason::TooLarge,
            429 => RejectReason::Overloaded,
            503 => RejectReason::Unavailable,
            _ => RejectReason::Invalid,
        });
        problem
    }

    /// Undoes the content encoding and hands the bytes to `read`, which gathers what they hold. All of it happens
    /// without a pause, so that as many decoded bodies exist as there are worker threads.
    fn decoded<T>(
        &self,
        headers: &HeaderMap,
        body: &Bytes,
        held: &mut Held,
        read: impl FnOnce(&[u8]) -> Result<T, Problem>,
    ) -> Result<T, Problem> {
        let mut encodings =
            headers.get_all(header::CONTENT_ENCODING).iter().map(|one| one.to_str().unwrap_or("unreadable"));
        let Some(first) = encodings.next() else { return read(body) };
        let encoding = encodings.fold(Cow::Borrowed(first), |all, one| Cow::Owned(format!("{all}, {one}")));
        SCRATCH.with_borrow_mut(|scratch| {
            let decoded = encoding::decode(Some(&encoding), body, self.limits.decoded_bytes, scratch);
            let read = decoded.map_err(|error| encoding_problem(&error)).and_then(|decoded| {
                self.bodies.hold(held, decoded.len())?;
                read(decoded)
            });
            scratch.trim();
            read
        })
    }

    /// What became of a request's events; the key decides whose they are.
    async fn native(&self, request: Request) -> Result<Response<Body>, Problem> {
        let (parts, body) = request.into_parts();
        let key = parts.headers.get(header::AUTHORIZATION).and_then(|value| http::bearer(value.to_str().ok()?));
        let project = self.project(key).await?;
        let (body, mut held) = self.bodies.read(&parts.headers, body).await?;
        let gathered = self.decoded(&parts.headers, &body, &mut held, |body| {
            native::read(body, &self.limits, (self.now)(), |events| self.river.gather(&project, events))
                .map_err(answer::of_reject)
        })?;
        Ok(answer::answer(self.river.admit(gathered, Arc::new(held)).await))
    }

    async fn sentry(&self, shape: Shape, project: &str, request: Request) -> Result<Response<Body>, Problem> {
        let (parts, body) = request.into_parts();
        let text = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
        let key_with = |dsn| sentry::auth::key_of(text("x-sentry-auth"), text("authorization"), parts.uri.query(), dsn);
        // Without a key outside, the body has to be read to find the one inside.
        let known = match key_with(None) {
            Some(key) => Some(self.sentry_project(project, Some(key.as_str())).await?),
            None => None,
        };
        let (body, mut held) = self.bodies.read(&parts.headers, body).await?;
        let known = match known {
            Some(known) => known,
            None => {
                let dsn = self.decoded(&parts.headers, &body, &mut Held::default(), |body| {
                    Ok(sentry::envelope::split(body).ok().and_then(|envelope| envelope.dsn.map(Cow::into_owned)))
                })?;
                self.sentry_project(project, key_with(dsn.as_deref()).map(|key| key.as_str())).await?
            }
        };
        let (id, gathered) = self.decoded(&parts.headers, &body, &mut held, |body| {
            let (id, events) = match shape {
                Shape::Store => (sentry::event::id(body), vec![self.sentry_event(body)]),
                Shape::Envelope => self.envelope(body)?,
            };
            Ok((id.map(Cow::into_owned), self.river.gather(&known, events)))
        })?;
        let outcomes = self.river.admit(gathered, Arc::new(held)).await;
        let none_accepted = outcomes.iter().all(|outcome| outcome.rejected().is_some());
        match answer::problem(&outcomes) {
            Some(problem) if none_accepted => Ok(sentry_refusal(&problem)),
            _ => Ok(http::json(200, "application/json", &SentryAnswer { id })),
        }
    }

    async fn sentry_project(&self, in_path: &str, key: Option<&str>) -> Result<Arc<KnownProject>, Problem> {
        let project = self.project(key).await?;
        if in_path == project.id.to_string() || in_path == &*project.name {
            return Ok(project);
        }
        let detail = format!("the key does not belong to the project {in_path:?} of the path");
        Err(Problem::new(StatusCode::UNAUTHORIZED, "unknown key", detail)
            .hint("use the DSN as it was printed, with the project's number at its end"))
    }

    /// The error events of an envelope. Everything else in it is counted and answered as taken: SDKs would only send it
    /// again.
    fn envelope<'a>(&self, body: &'a [u8]) -> Result<(Option<Text<'a>>, Events<'a>), Problem> {
        let envelope = sentry::envelope::split(body).map_err(answer::of_reject)?;
        let mut events = Vec::new();
        for item in &envelope.items {
            match &item.kind {
                ItemKind::Event => events.push(self.sentry_event(item.payload)),
                ItemKind::Other(name) => self.metrics.count_ignored(ignored_kind(name)),
            }
        }
        events.extend(envelope.fault.map(Err));
        Ok((envelope.event_id, events))
    }

    fn sentry_event<'a>(&self, json: &'a [u8]) -> Result<Event<'a>, Reject> {
        let mut event = sentry::event::read(json, self.pick)?;
        bound::bound(&mut event, bound::Origin::of(json), &self.limits);
        bound::plausible(&mut event, (self.now)());
        Ok(event)
    }

    /// The doors.
    pub(crate) fn router(self) -> Router {
        Router::new()
            .route("/api/v1/events", post(native_events).options(preflight))
            .route("/api/{project}/envelope/", post(envelope).options(preflight))
            .route("/api/{project}/envelope", post(envelope).options(preflight))
            .route("/api/{project}/store/", post(store).options(preflight))
            .route("/api/{project}/store", post(store).options(preflight))
            .with_state(Arc::new(self))
    }

    /// What the doors say of themselves.
    pub(crate) fn description() -> utoipa::openapi::OpenApi {
        Description::openapi()
    }
}

/// How a Sentry request holds its events.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Envelope,
    Store,
}

type Events<'a> = Vec<Result<Event<'a>, Reject>>;

/// The answer that SDKs expect.
#[derive(Serialize, utoipa::ToSchema)]
struct SentryAnswer {
    /// The event's id, as the client gave it.
    id: Option<String>,
}

#[derive(OpenApi)]
#[openapi(paths(native_events, envelope, store))]
struct Description;

/// Takes events: one JSON object, a list of them, or one a line.
#[utoipa::path(post, path = "/api/v1/events", tag = "events", security(("project_key" = [])),
    request_body(content = Object, description = "An event, a list of events, or one event a line (NDJSON)"),
    responses(
        (status = 202, description = "At least one event was counted; one outcome an event", body = answer::Answer),
        (status = 400, description = "No event could be read", body = Problem),
        (status = 401, description = "No key, or an unknown one", body = Problem),
        (status = 408, description = "The body came too slowly", body = Problem),
        (status = 413, description = "Over a limit", body = Problem),
        (status = 415, description = "The content encoding is not known", body = Problem),
        (status = 429, description = "Send again later", body = Problem),
        (status = 503, description = "Send again later", body = Problem)
    ))]
async fn native_events(State(ingest): State<Arc<Ingest>>, request: Request) -> Response<Body> {
    let origin = request.headers().contains_key(header::ORIGIN);
    let answer = ingest.native(request).await;
    to_client(origin, answer.unwrap_or_else(|problem| ingest.refuse(problem).into_response()))
}

/// What SDKs of Sentry send, by DSN: error events are counted, everything else in it is taken and left out.
#[utoipa::path(post, path = "/api/{project}/envelope/", tag = "events", security(("sentry_key" = [])),
    params(("project" = String, Path, description = "The number at the end of the DSN")),
    request_body(content = String, content_type = "application/x-sentry-envelope", description = "An envelope"),
    responses(
        (status = 200, description = "Every error event in it that could be read was counted", body = SentryAnswer),
        (status = 400, description = "No event could be read", body = Problem),
        (status = 401, description = "No key, an unknown one, or another project's", body = Problem),
        (status = 413, description = "Over a limit", body = Problem),
        (status = 429, description = "Send again later", body = Problem),
        (status = 503, description = "Send again later", body = Problem)
    ))]
async fn envelope(state: State<Arc<Ingest>>, Segment(project): Segment, request: Request) -> Response<Body> {
    sentry(state, Shape::Envelope, &project, request).await
}

/// What older SDKs of Sentry send, by DSN: one event.
#[utoipa::path(post, path = "/api/{project}/store/", tag = "events", security(("sentry_key" = [])),
    params(("project" = String, Path, description = "The number at the end of the DSN")),
    request_body(content = String, content_type = "application/json", description = "An event"),
    responses(
        (status = 200, description = "The event was counted", body = SentryAnswer),
        (status = 400, description = "No event could be read", body = Problem),
        (status = 401, description = "No key, an unknown one, or another project's", body = Problem),
        (status = 413, description = "Over a limit", body = Problem),
        (status = 429, description = "Send again later", body = Problem),
        (status = 503, description = "Send again later", body = Problem)
    ))]
async fn store(state: State<Arc<Ingest>>, Segment(project): Segment, request: Request) -> Response<Body> {
    sentry(state, Shape::Store, &project, request).await
}

async fn sentry(State(ingest): State<Arc<Ingest>>, shape: Shape, project: &str, request: Request) -> Response<Body> {
    let origin = request.headers().contains_key(header::ORIGIN);
    let answer = ingest.sentry(shape, project, request).await;
    to_client(origin, answer.unwrap_or_else(|problem| sentry_refusal(&ingest.refuse(problem))))
}

/// A refusal as SDKs understand it: the reason in a header they log, and how long to hold back.
fn sentry_refusal(problem: &Problem) -> Response<Body> {
    let mut response = problem.clone().into_response();
    let headers = response.headers_mut();
    if let Ok(reason) = HeaderValue::from_str(&problem.title.replace(' ', "-")) {
        headers.insert("x-sentry-error", reason);
    }
    if let Some(seconds) = problem.retry_after {
        let (_, limits) = sentry::rate_limits(Duration::from_secs(seconds.into()), problem.title);
        headers.extend(
            HeaderValue::from_str(&limits).ok().map(|limits| (HeaderName::from_static("x-sentry-rate-limits"), limits)),
        );
    }
    response
}

/// The item types that are counted by name; what is not among them is counted together.
fn ignored_kind(name: &str) -> &'static str {
    const KINDS: [&str; 16] = [
        "transaction",
        "span",
        "session",
        "sessions",
        "client_report",
        "attachment",
        "user_report",
        "feedback",
        "log",
        "profile",
        "profile_chunk",
        "replay_event",
        "replay_recording",
        "check_in",
        "statsd",
        "metric_buckets",
    ];
    KINDS.into_iter().find(|kind| *kind == name).unwrap_or("other")
}

/// Answers what a browser asks before it sends.
async fn preflight() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    allow_any_origin(response)
}

/// Lets browsers in from any origin. Other clients send no `Origin`, and are spared the headers.
fn to_client(origin: bool, response: Response<Body>) -> Response<Body> {
    if origin { allow_any_origin(response) } else { response }
}

fn allow_any_origin(mut response: Response<Body>) -> Response<Body> {
    const HEADERS: [(HeaderName, &str); 5] = [
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (header::ACCESS_CONTROL_ALLOW_METHODS, "POST, OPTIONS"),
        (
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            "authorization, content-type, content-encoding, x-sentry-auth, sentry-trace, baggage",
        ),
        (header::ACCESS_CONTROL_EXPOSE_HEADERS, "retry-after, x-sentry-rate-limits, x-sentry-error"),
        (header::ACCESS_CONTROL_MAX_AGE, "86400"),
    ];
    let all = HEADERS.into_iter().map(|(name, value)| (name, HeaderValue::from_static(value)));
    response.headers_mut().extend(all);
    response
}

fn encoding_problem(error: &Undecodable) -> Problem {
    let status = match error {
        Undecodable::Unsupported(_) | Undecodable::TooManyLayers { .. } => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Undecodable::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        Undecodable::Corrupt { .. } => StatusCode::BAD_REQUEST,
    };
    Problem::new(status, "body not decoded", error.to_string())
}
