//! Why an event is the error it is, and why two are or are not the same, over HTTP.
//!
//! Promises: the rules, and what was learned, are the running server's; events that are sent are scrubbed, explained and
//! forgotten. Deliberately not here: reading native events (`ingest` does it, handed in by `server`).

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Json;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::Web;
use super::api::{Answer, bad, no_issue, unavailable};
use crate::event::Event;
use crate::fingerprint;
use crate::http::Problem;

/// Bytes of the two events together: far more than two that `limits` lets in unless they were made for it.
const BYTES_MAX: usize = 1 << 20;

/// Reads one native event, or says what is wrong with it.
pub(crate) type ReadEvent = Arc<dyn Fn(&str) -> Result<Event<'static>, String> + Send + Sync>;

/// What is explained.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Pair {
    /// A native event, or the fingerprint of an issue (enough of its first digits) for its latest stored event.
    #[schema(value_type = Object)]
    a: Box<RawValue>,
    /// Another, to compare with. Absent: the first one is explained alone.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    b: Option<Box<RawValue>>,
}

/// Explains an event's sameness; of two, says what separates them, and which lines of configuration would change that.
#[utoipa::path(post, path = "/api/v1/explain", tag = "sameness", request_body = Pair, security(("api_token" = [])),
    responses((status = 200, body = Object, description = "The explanation, or the comparison"),
        (status = 400, body = Problem), (status = 401, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn explain(
    State(web): State<Arc<Web>>,
    Extension(read): Extension<ReadEvent>,
    headers: HeaderMap,
    body: Body,
) -> Answer<serde_json::Value> {
    web.authorize(&headers)?;
    let body = web.body_within(body, BYTES_MAX).await?;
    let Pair { a, b } = serde_json::from_slice(&body).map_err(|error| bad(format!("the body: {error}")))?;
    let a = web.event("a", &a, &read).await?;
    let sameness = &web.river.terms().sameness;
    let told = match b {
        None => serde_json::to_value(fingerprint::explain(sameness, &a)),
        Some(b) => {
            let b = web.event("b", &b, &read).await?;
            serde_json::to_value(fingerprint::compare(sameness, &a, &b))
        }
    };
    Ok(Json(told.expect("our values always serialise")))
}

impl Web {
    async fn event(&self, name: &str, given: &RawValue, read: &ReadEvent) -> Result<Event<'static>, Problem> {
        if let Ok(prefix) = serde_json::from_str::<String>(given.get()) {
            let fingerprint = self.fingerprint(&prefix).await?;
            let detail = self.archive.issue(fingerprint).await.map_err(unavailable)?;
            let detail = detail.ok_or_else(|| no_issue(&prefix))?;
            return match detail.events.into_iter().next() {
                Some((_, latest)) => Ok(latest),
                None => Err(bad(format!("{name}: no event of issue {fingerprint} is stored any more"))),
            };
        }
        let mut event = read(given.get()).map_err(|why| bad(format!("{name}: {why}")))?;
        self.river.terms().scrubber.scrub(&mut event);
        Ok(event)
    }
}
