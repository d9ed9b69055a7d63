//! Liveness, readiness, metrics: for orchestrators and Prometheus, without a token and without secrets.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Response, StatusCode};
use serde::Serialize;

use super::Web;
use crate::alert::{Canary, CanaryState};
use crate::http;

/// How long the archive may take to show that it takes writes. Orchestrators ask with a time limit of about a second.
const PROBE_MAX: Duration = Duration::from_millis(800);

/// Whether the server can do its work.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct Readiness {
    /// Whether events are taken.
    ready: bool,
    /// `up`, or what is wrong with the archive.
    archive: String,
    /// `up` or `away`; `null` when there is none.
    cache: Option<&'static str>,
    /// Who decides about events now: `cache+archive`, `archive`, `cache` or `memory`.
    decides: &'static str,
    /// Events that wait for the archive.
    queued_events: usize,
    /// What became of the last error that bongsu sent itself.
    canary: CanaryView,
}

/// Whether the errors that bongsu sends itself arrive.
#[derive(Serialize, utoipa::ToSchema)]
struct CanaryView {
    /// `off`, `arrives` or `stopped`.
    state: &'static str,
    /// When one arrived last, RFC 3339.
    last_arrival: Option<String>,
    /// Where the last one stopped: `door`, `gate`, `outbox`, `channel` or `unknown`.
    #[serde(skip_serializing_if = "Option::is_none")]
    stopped_at: Option<&'static str>,
    /// In whose words.
    #[serde(skip_serializing_if = "Option::is_none")]
    said: Option<String>,
}

impl From<&Canary> for CanaryView {
    fn from(canary: &Canary) -> CanaryView {
        let (state, stopped_at, said) = match &canary.state {
            CanaryState::Off => ("off", None, None),
            CanaryState::Arrives => ("arrives", None, None),
            CanaryState::Stopped { at, said } => ("stopped", Some(*at), Some(said.clone())),
        };
        CanaryView { state, last_arrival: canary.last_arrival.map(|at| at.to_string()), stopped_at, said }
    }
}

/// Where the server's own canaries end. Nothing is done with them: that they were taken is in the outbox.
pub(super) async fn canary(State(web): State<Arc<Web>>, headers: HeaderMap) -> StatusCode {
    if web.is_own(&headers) { StatusCode::NO_CONTENT } else { StatusCode::UNAUTHORIZED }
}

/// The process runs.
#[utoipa::path(get, path = "/healthz", tag = "health", responses((status = 200, description = "The process runs")))]
pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

/// Events are taken now: by the archive, or without it when there is a cache.
#[utoipa::path(get, path = "/readyz", tag = "health", responses(
    (status = 200, description = "Events are taken", body = Readiness),
    (status = 503, description = "Events are refused for now", body = Readiness)
))]
pub(super) async fn readyz(State(web): State<Arc<Web>>) -> Response<Body> {
    let admission = &web.river.admission;
    let probe = tokio::time::timeout(PROBE_MAX, web.archive.probe()).await;
    let (up, archive) = match probe {
        Ok(Ok(())) => (true, "up".to_owned()),
        Ok(Err(error)) => (false, error.to_string()),
        Err(_) => (false, format!("no answer within {PROBE_MAX:?}")),
    };
    // With a cache events are taken without the archive.
    let ready = up || admission.shares();
    let cache = admission.cache_is_up().map(|up| if up { "up" } else { "away" });
    let (decides, queued_events) = (admission.decides(), admission.queued());
    let canary = CanaryView::from(&*web.own.canary.borrow());
    let readiness = Readiness { ready, archive, cache, decides, queued_events, canary };
    http::json(if ready { 200 } else { 503 }, "application/json", &readiness)
}

/// Everything the server counts about itself.
#[utoipa::path(get, path = "/metrics", tag = "health", responses((status = 200, description = "OpenMetrics text")))]
pub(super) async fn metrics(State(web): State<Arc<Web>>) -> Response<Body> {
    let metrics = &web.river.metrics;
    metrics.queued_events.set(i64::try_from(web.river.admission.queued()).unwrap_or(i64::MAX));
    http::with_type("application/openmetrics-text; version=1.0.0; charset=utf-8", metrics.text())
}
