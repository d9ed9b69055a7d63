//! The doors that events come in by, over HTTP.
//!
//! Promises: a `202` (native) or `200` (Sentry) means that every event in it that was not rejected is counted, and that
//! every alert it earned is stored with its deliveries; it survives kill -9 and a power failure. Browsers may send from
//! any origin: a DSN's key is public and may only send.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use axum::routing::{MethodRouter, post};
use bytes::Bytes;

use super::body::{Bodies, Held};
use super::{answer, encoding, native, sentry};
use crate::archive::KnownProject;
use crate::config::Limits;
use crate::event::Event;
use crate::http::{self, Problem};
use crate::keys::Keys;
use crate::metrics::Metrics;
use crate::outcome::{Outcome, Reject, RejectReason};
use crate::river::{Gathered, River};
use crate::time::Time;

/// What the doors share.
pub(crate) struct Ingest {
    river: Arc<River>,
    keys: Arc<Keys>,
    metrics: Arc<Metrics>,
    limits: Limits,
    bodies: Bodies,
    now: fn() -> Time,
}

impl Ingest {
    /// The doors to a river.
    pub(crate) fn new(river: Arc<River>, keys: Arc<Keys>, limits: Limits, now: fn() -> Time) -> Ingest {
        let bodies = Bodies::new(limits.held_bytes, limits.body_bytes, limits.read_timeout.get());
        Ingest { metrics: Arc::clone(&river.metrics), river, keys, limits, bodies, now }
    }

    async fn project(&self, key: Option<&str>) -> Result<Arc<KnownProject>, Problem> {
        let found = match key {
            None => Err("there is no key"),
            Some(key) => self.keys.project_of(key, (self.now)()).await.ok_or("the key is not one of this server's"),
        };
        found.map_err(|why| {
            answer::of_reject(RejectReason::Unauthorized, why.to_owned())
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
        let encoding = match headers.get(header::CONTENT_ENCODING).map(HeaderValue::to_str) {
            None => return read(body),
            Some(Ok(encoding)) => encoding,
            Some(Err(_)) => "an unreadable value",
        };
        encoding::with_decoded(encoding, body, self.limits.decoded_bytes, |decoded| {
            self.bodies.hold(held, decoded.len())?;
            read(decoded)
        })
        .unwrap_or_else(|error| Err(encoding_problem(&error)))
    }

    fn gather(&self, project: &KnownProject, events: Vec<Result<Event<'_>, Reject>>) -> Result<Gathered, Problem> {
        if events.len() > self.limits.batch_events {
            let detail = format!("{} events in one request; at most {} (limits.batch_events)", events.len(), self.limits.batch_events);
            return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too many events", detail).hint("send smaller batches"));
        }
        Ok(self.river.gather(project, events))
    }

    async fn native(&self, request: Request) -> Result<Response<Body>, Problem> {
        let (parts, body) = request.into_parts();
        let key = parts.headers.get(header::AUTHORIZATION).and_then(|value| bearer(value.to_str().ok()?));
        let project = self.project(key).await?;
        let (body, mut held) = self.bodies.read(&parts.headers, body).await?;
        let gathered = self.decoded(&parts.headers, &body, &mut held, |body| {
            let events = native::read(body, &self.limits, (self.now)())
                .map_err(|reject| answer::of_reject(reject.reason, reject.detail))?;
            self.gather(&project, events)
        })?;
        Ok(answer::answer(self.river.admit(gathered).await))
    }

    async fn sentry(&self, project_in_path: &str, shape: Shape, request: Request) -> Result<Response<Body>, Problem> {
        let (parts, body) = request.into_parts();
        let (body, mut held) = self.bodies.read(&parts.headers, body).await?;
        let text = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
        let key = |dsn: Option<&str>| {
            sentry::auth::key_of(text("x-sentry-auth"), text("authorization"), parts.uri.query(), dsn)
        };
        // The key may be inside the envelope, so it is looked for before the events are read.
        let dsn = match key(None) {
            Some(_) => None,
            None if shape == Shape::Store => None,
            None => self.decoded(&parts.headers, &body, &mut Held::none(), |body| Ok(sentry::envelope::dsn_of(body)))?,
        };
        let key = key(dsn.as_deref());
        let project = self.project(key.as_ref().map(|key| key.as_str())).await?;
        if project_in_path != project.id.to_string() && project_in_path != &*project.name {
            let detail = format!("the key does not belong to project {project_in_path:?}");
            return Err(answer::of_reject(RejectReason::Unauthorized, detail)
                .hint("use the DSN as `bongsu project add` printed it, with its number at the end"));
        }
        let (gathered, id) = self.decoded(&parts.headers, &body, &mut held, |body| {
            let (events, id) = match shape {
                Shape::Store => (vec![sentry::event::read(body, pick, (self.now)())], sentry::event::id_of(body)),
                Shape::Envelope => self.envelope(body)?,
            };
            let events = events.into_iter().map(|event| self.bounded(event)).collect();
            Ok((self.gather(&project, events)?, id))
        })?;
        let outcomes = self.river.admit(gathered).await;
        let accepted = outcomes.is_empty() || outcomes.iter().any(|outcome| !matches!(outcome, Outcome::Rejected(_)));
        match answer::problem(&outcomes) {
            Some(problem) if !accepted => Err(Counted(problem).0),
            _ => Ok(http::json(200, "application/json", &serde_json::json!({ "id": id }))),
        }
    }
}
