//! Questions and actions over HTTP: the API, its description, liveness, readiness and metrics.
//!
//! Promises: reads and actions need the API token; a project's key opens nothing here. Lists are pages of bounded
//! length. Deliberately not here: anything that sends alerts or counts events.

mod api;
mod explain;
mod health;
mod slack;
mod view;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::routing::{get, post};
use axum::{Extension, Router};
use subtle::ConstantTimeEq;
use tokio::sync::{Notify, watch};
use utoipa::OpenApi;

pub(crate) use explain::ReadEvent;
pub(crate) use slack::{SlackDoor, slack_secrets};
pub(crate) use view::{DeliveryView, IssueDetailView, IssueView};

use crate::alert::Canary;
use crate::archive::{Archive, KeyHash};
use crate::config::Secret;
use crate::http::{self, Problem};
use crate::keys;
use crate::river::River;
use crate::time::Time;

/// What may change between two requests.
pub(crate) struct Settings {
    /// The hash of the API token.
    pub(crate) token: KeyHash,
    /// How long a delivery that is sent again is worth sending.
    pub(crate) expiry: Duration,
    /// What the configured Slack apps sign with, and the channel of each.
    pub(crate) slack: Vec<(Secret, Arc<str>)>,
}

/// What the server knows of itself.
pub(crate) struct Own {
    /// The hash of the key to its own doors.
    pub(crate) key: KeyHash,
    /// What became of the last canary.
    pub(crate) canary: watch::Receiver<Canary>,
}

/// What the handlers share.
pub(crate) struct Web {
    archive: Archive,
    river: Arc<River>,
    settings: watch::Receiver<Settings>,
    own: Own,
    read_timeout: Duration,
    granted: Arc<Notify>,
    now: fn() -> Time,
}

/// The API's description, generated from its code.
#[derive(OpenApi)]
#[openapi(
    info(title = "bongsu", description = "Error alerts: issues, alerts, deliveries, and what people decide about them."),
    paths(
        api::issues, api::issue, api::acknowledge, api::resolve, api::mute, api::reopen, api::merge, api::unmerge,
        api::alerts, api::deliveries, api::resend, explain::explain, slack::interactions, health::healthz, health::readyz, health::metrics
    ),
    modifiers(&Tokens)
)]
struct Description;

struct Tokens;

impl utoipa::Modify for Tokens {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
        let bearer = || SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build());
        let components = openapi.components.get_or_insert_default();
        components.add_security_scheme("api_token", bearer());
        components.add_security_scheme("project_key", bearer());
        let header = ApiKeyValue::with_description("X-Sentry-Auth", "`Sentry sentry_key=KEY`, as the SDKs send it");
        let signature = ApiKeyValue::with_description("X-Slack-Signature", "An app's signature, as Slack documents it");
        components.add_security_scheme("slack_signature", SecurityScheme::ApiKey(ApiKey::Header(signature)));
        components.add_security_scheme("sentry_key", SecurityScheme::ApiKey(ApiKey::Header(header)));
    }
}

impl Web {
    /// Handlers over an archive and a river. `read_timeout`: how long a client may take to send a body.
    pub(crate) fn new(
        archive: Archive,
        river: Arc<River>,
        settings: watch::Receiver<Settings>,
        own: Own,
        read_timeout: Duration,
        granted: Arc<Notify>,
        now: fn() -> Time,
    ) -> Web {
        Web { archive, river, settings, own, read_timeout, granted, now }
    }

    /// The routes. `described_elsewhere`: the description of other doors of the same server; `read`: how an event is read
    /// that is sent to be explained.
    pub(crate) fn router(self, described_elsewhere: utoipa::openapi::OpenApi, read: ReadEvent) -> Router {
        let mut description = Description::openapi();
        description.merge(described_elsewhere);
        let openapi = move || std::future::ready(http::json(200, "application/json", &description));
        Router::new()
            .route("/api/v1/issues", get(api::issues))
            .route("/api/v1/issues/{fingerprint}", get(api::issue))
            .route("/api/v1/issues/{fingerprint}/acknowledge", post(api::acknowledge))
            .route("/api/v1/issues/{fingerprint}/resolve", post(api::resolve))
            .route("/api/v1/issues/{fingerprint}/mute", post(api::mute))
            .route("/api/v1/issues/{fingerprint}/reopen", post(api::reopen))
            .route("/api/v1/issues/{fingerprint}/merge", post(api::merge))
            .route("/api/v1/issues/{fingerprint}/unmerge", post(api::unmerge))
            .route("/api/v1/alerts", get(api::alerts))
            .route("/api/v1/deliveries", get(api::deliveries))
            .route("/api/v1/deliveries/{id}/resend", post(api::resend))
            .route("/api/v1/explain", post(explain::explain).layer(Extension(read)))
            .route("/api/openapi.json", get(openapi))
            .route("/api/v1/canary", post(health::canary))
            .route("/healthz", get(health::healthz))
            .route("/readyz", get(health::readyz))
            .route("/metrics", get(health::metrics))
            .fallback(not_found)
            .with_state(Arc::new(self))
    }

    fn expiry(&self) -> Duration {
        self.settings.borrow().expiry
    }

    /// Whether the request comes from this server itself.
    fn is_own(&self, headers: &axum::http::HeaderMap) -> bool {
        let key = headers.get(header::AUTHORIZATION).and_then(|value| http::bearer(value.to_str().ok()?));
        key.is_some_and(|key| keys::hash(key).ct_eq(&self.own.key).into())
    }

    /// Whether the request carries the API token.
    fn authorize(&self, headers: &axum::http::HeaderMap) -> Result<(), Problem> {
        let token = headers.get(header::AUTHORIZATION).and_then(|value| http::bearer(value.to_str().ok()?));
        let known = token.is_some_and(|token| keys::hash(token).ct_eq(&self.settings.borrow().token).into());
        known.then_some(()).ok_or_else(|| {
            let detail = if token.is_some() { "the token is not this server's API token" } else { "there is no token" };
            Problem::new(StatusCode::UNAUTHORIZED, "not allowed", detail)
                .hint("send the API token as `Authorization: Bearer TOKEN`; a project's key may only send events")
        })
    }
}

async fn not_found(request: Request) -> Problem {
    let detail = format!("there is nothing at {}", request.uri().path());
    Problem::new(StatusCode::NOT_FOUND, "not found", detail)
        .hint("events go to POST /api/v1/events or to a DSN; /api/openapi.json describes the rest")
}

/// The answer to a method that a path does not take.
pub(crate) async fn wrong_method(request: Request) -> Problem {
    let detail = format!("{} takes no {}", request.uri().path(), request.method());
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method not allowed", detail)
        .hint("/api/openapi.json names the methods of each path")
}
