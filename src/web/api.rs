//! The API's reads and actions.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Json;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::{Deserialize, Serialize};

use super::Web;
use super::view::{AlertView, DeliveryView, IssueDetailView, IssueView, List};
use crate::alert::DeliveryState;
use crate::archive::{IssueFilter, Unmergeable};
use crate::config::Span;
use crate::http::{Problem, Segment};
use crate::issue::{Action, Fingerprint};
use crate::time::Time;

/// Items of a page when the request does not say.
const PAGE: usize = 50;
/// Items of a page, at most.
const PAGE_MAX: usize = 500;
/// Bytes of an action's body: a name and a note.
const ACTION_BYTES_MAX: usize = 16 << 10;

pub(super) type Answer<T> = Result<Json<T>, Problem>;

/// Which issues.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct IssueQuery {
    /// `open`, `acknowledged`, `muted` or `resolved`.
    state: Option<String>,
    /// The module, as compared.
    module: Option<String>,
    /// The environment, as compared.
    environment: Option<String>,
    /// A part of the location or the detail.
    q: Option<String>,
    /// `next` of the page before.
    after: Option<String>,
    /// Items of the page, 1 to 500.
    limit: Option<usize>,
}

/// Issues, the last seen first.
#[utoipa::path(get, path = "/api/v1/issues", tag = "issues", params(IssueQuery), security(("api_token" = [])),
    responses((status = 200, body = List<IssueView>), (status = 400, body = Problem), (status = 401, body = Problem)))]
pub(super) async fn issues(
    State(web): State<Arc<Web>>,
    headers: HeaderMap,
    query: Result<Query<IssueQuery>, axum::extract::rejection::QueryRejection>,
) -> Answer<List<IssueView>> {
    web.authorize(&headers)?;
    let query = query_of(query)?;
    if let Some(state) = &query.state
        && !["open", "acknowledged", "muted", "resolved"].contains(&state.as_str())
    {
        return Err(bad(format!("state {state:?} is none of open, acknowledged, muted, resolved")));
    }
    let filter = IssueFilter {
        state: query.state,
        module: query.module.map(|module| module.to_lowercase()),
        environment: query.environment.map(|environment| environment.to_lowercase()),
        text: query.q,
        after: query.after.as_deref().map(issue_cursor).transpose()?,
        limit: limit(query.limit)?,
    };
    Ok(Json(List::of(web.archive.issues(filter).await.map_err(unavailable)?, IssueView::from)))
}

fn issue_cursor(text: &str) -> Result<(Time, i64), Problem> {
    let (seen, id) = text.rsplit_once('-').unwrap_or_default();
    match (seen.parse(), id.parse()) {
        (Ok(seen), Ok(id)) => Ok((Time(seen), id)),
        _ => Err(bad(format!("after {text:?} is not the `next` of a page"))),
    }
}

/// One issue with its windows, counts and a few stored events. The first digits of the fingerprint will do.
#[utoipa::path(get, path = "/api/v1/issues/{fingerprint}", tag = "issues", security(("api_token" = [])),
    params(("fingerprint" = String, Path, description = "32 hexadecimal digits, or enough of the first ones")),
    responses((status = 200, body = IssueDetailView), (status = 401, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn issue(
    State(web): State<Arc<Web>>,
    headers: HeaderMap,
    Segment(fingerprint): Segment,
) -> Answer<IssueDetailView> {
    web.authorize(&headers)?;
    let fingerprint = web.fingerprint(&fingerprint).await?;
    let detail = web.archive.issue(fingerprint).await.map_err(unavailable)?;
    detail.map(|detail| Json(detail.into())).ok_or_else(|| no_issue(&fingerprint.to_string()))
}

/// What people say when they decide something. All of it is optional.
#[derive(Default, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Decision {
    /// Who decides.
    by: String,
    /// A note, shown when the issue comes back.
    note: String,
    /// Mute: until this moment, RFC 3339.
    until: Option<String>,
    /// Mute: for so long, such as `1h`.
    #[serde(rename = "for")]
    span: Option<String>,
    /// Mute: until so many more occurrences.
    more: Option<u64>,
}

/// Somebody looks after it: no further alerts in this window.
#[utoipa::path(post, path = "/api/v1/issues/{fingerprint}/acknowledge", tag = "issues", request_body = Decision,
    security(("api_token" = [])), params(("fingerprint" = String, Path)),
    responses((status = 200, body = IssueView), (status = 401, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn acknowledge(
    web: State<Arc<Web>>,
    headers: HeaderMap,
    Segment(fingerprint): Segment,
    body: Body,
) -> Answer<IssueView> {
    web.act(&headers, &fingerprint, body, |_, _| Ok(Action::Acknowledge)).await
}

/// It is over: its window closes, and the next occurrence is a regression that alerts at once.
#[utoipa::path(post, path = "/api/v1/issues/{fingerprint}/resolve", tag = "issues", request_body = Decision,
    security(("api_token" = [])), params(("fingerprint" = String, Path)),
    responses((status = 200, body = IssueView), (status = 401, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn resolve(
    web: State<Arc<Web>>,
    headers: HeaderMap,
    Segment(fingerprint): Segment,
    body: Body,
) -> Answer<IssueView> {
    web.act(&headers, &fingerprint, body, |_, _| Ok(Action::Resolve)).await
}

/// No alerts until a moment (`until` or `for`) or until so many `more` occurrences, whichever comes first.
#[utoipa::path(post, path = "/api/v1/issues/{fingerprint}/mute", tag = "issues", request_body = Decision,
    security(("api_token" = [])), params(("fingerprint" = String, Path)),
    responses((status = 200, body = IssueView), (status = 400, body = Problem), (status = 401, body = Problem),
        (status = 404, body = Problem)))]
pub(super) async fn mute(
    web: State<Arc<Web>>,
    headers: HeaderMap,
    Segment(fingerprint): Segment,
    body: Body,
) -> Answer<IssueView> {
    web.act(&headers, &fingerprint, body, mute_of).await
}

/// Back to open, whatever it was.
#[utoipa::path(post, path = "/api/v1/issues/{fingerprint}/reopen", tag = "issues", request_body = Decision,
    security(("api_token" = [])), params(("fingerprint" = String, Path)),
    responses((status = 200, body = IssueView), (status = 401, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn reopen(
    web: State<Arc<Web>>,
    headers: HeaderMap,
    Segment(fingerprint): Segment,
    body: Body,
) -> Answer<IssueView> {
    web.act(&headers, &fingerprint, body, |_, _| Ok(Action::Reopen)).await
}

/// Into what an issue is merged, and by whom.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Merge {
    /// The other issue's fingerprint, or enough of its first digits.
    into: String,
    /// Who decides.
    #[serde(default)]
    by: String,
}

/// Counts the issue's occurrences with another's from now on. What it counted before stays with it, so that it can be taken
/// out again. Answers the other issue.
#[utoipa::path(post, path = "/api/v1/issues/{fingerprint}/merge", tag = "issues", request_body = Merge,
    security(("api_token" = [])), params(("fingerprint" = String, Path)),
    responses((status = 200, body = IssueView), (status = 400, body = Problem), (status = 401, body = Problem),
        (status = 404, body = Problem)))]
pub(super) async fn merge(
    State(web): State<Arc<Web>>,
    headers: HeaderMap,
    Segment(fingerprint): Segment,
    body: Body,
) -> Answer<IssueView> {
    web.authorize(&headers)?;
    let body = web.body(body).await?;
    let Merge { into, by } = serde_json::from_slice(&body).map_err(|error| bad(format!("the body: {error}")))?;
    let by = if by.trim().is_empty() { "api".to_owned() } else { by };
    let fingerprint = web.fingerprint(&fingerprint).await?;
    let into = web.fingerprint(&into).await?;
    let now = (web.now)();
    match web.archive.merge(fingerprint, into, by, web.expiry(), now).await.map_err(unavailable)? {
        Some(Ok(issue)) => {
            web.river.merges.set(web.archive.merges().await.map_err(unavailable)?);
            web.river.admission.publish(std::slice::from_ref(&issue), now).await;
            Ok(Json(issue.into()))
        }
        Some(Err(Unmergeable::Same)) => Err(bad(format!("{fingerprint} and {into} are one issue already"))),
        Some(Err(Unmergeable::NoTarget)) => Err(no_issue(&into.to_string())),
        None => Err(no_issue(&fingerprint.to_string())),
    }
}

/// Counts the issue's occurrences as its own again.
#[utoipa::path(post, path = "/api/v1/issues/{fingerprint}/unmerge", tag = "issues", security(("api_token" = [])),
    params(("fingerprint" = String, Path)),
    responses((status = 200, body = IssueView), (status = 400, body = Problem), (status = 401, body = Problem),
        (status = 404, body = Problem)))]
pub(super) async fn unmerge(
    State(web): State<Arc<Web>>,
    headers: HeaderMap,
    Segment(fingerprint): Segment,
) -> Answer<IssueView> {
    web.authorize(&headers)?;
    let fingerprint = web.fingerprint(&fingerprint).await?;
    match web.archive.unmerge(fingerprint).await.map_err(unavailable)? {
        Some(true) => web.river.merges.set(web.archive.merges().await.map_err(unavailable)?),
        Some(false) => return Err(bad(format!("{fingerprint} is not merged into another issue"))),
        None => return Err(no_issue(&fingerprint.to_string())),
    }
    let detail = web.archive.issue(fingerprint).await.map_err(unavailable)?;
    detail.map(|detail| Json(detail.issue.into())).ok_or_else(|| no_issue(&fingerprint.to_string()))
}

fn mute_of(decision: &Decision, now: Time) -> Result<Action, Problem> {
    let until = match (&decision.until, &decision.span) {
        (Some(_), Some(_)) => return Err(bad("`until` and `for` exclude each other".to_owned())),
        (Some(until), None) => {
            Some(Time::parse_rfc3339(until).ok_or_else(|| bad(format!("until: {until:?} is not RFC 3339")))?)
        }
        (None, Some(span)) => Some(now.plus(Span::parse(span).map_err(|why| bad(format!("for: {why}")))?.get())),
        (None, None) => None,
    };
    if until.is_some_and(|until| until <= now) {
        return Err(bad("until: that moment is over".to_owned()));
    }
    if decision.more.is_some_and(|more| i64::try_from(more).is_err()) {
        return Err(bad("more: that many will never come".to_owned()));
    }
    if decision.more == Some(0) || (until.is_none() && decision.more.is_none()) {
        return Err(bad("a mute needs an end: `until`, `for`, or `more` occurrences (1 or more)".to_owned()));
    }
    Ok(Action::Mute { until, more: decision.more })
}

/// Which alerts.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct AlertQuery {
    /// Only those of this issue.
    issue: Option<String>,
    /// `next` of the page before.
    after: Option<i64>,
    /// Items of the page, 1 to 500.
    limit: Option<usize>,
}

/// Alerts, the newest first.
#[utoipa::path(get, path = "/api/v1/alerts", tag = "alerts", params(AlertQuery), security(("api_token" = [])),
    responses((status = 200, body = List<AlertView>), (status = 400, body = Problem), (status = 401, body = Problem)))]
pub(super) async fn alerts(
    State(web): State<Arc<Web>>,
    headers: HeaderMap,
    query: Result<Query<AlertQuery>, axum::extract::rejection::QueryRejection>,
) -> Answer<List<AlertView>> {
    web.authorize(&headers)?;
    let query = query_of(query)?;
    let issue = match &query.issue {
        None => None,
        Some(prefix) => Some(web.fingerprint(prefix).await?),
    };
    let page = web.archive.alerts(issue, query.after, limit(query.limit)?).await.map_err(unavailable)?;
    Ok(Json(List::of(page, AlertView::from)))
}

/// Which deliveries.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct DeliveryQuery {
    /// `pending`, `delivered`, or `dead` for the dead letters.
    state: Option<String>,
    /// Only those to this channel.
    channel: Option<String>,
    /// `next` of the page before.
    after: Option<i64>,
    /// Items of the page, 1 to 500.
    limit: Option<usize>,
}

/// Deliveries, the newest first.
#[utoipa::path(get, path = "/api/v1/deliveries", tag = "deliveries", params(DeliveryQuery), security(("api_token" = [])),
    responses((status = 200, body = List<DeliveryView>), (status = 400, body = Problem), (status = 401, body = Problem)))]
pub(super) async fn deliveries(
    State(web): State<Arc<Web>>,
    headers: HeaderMap,
    query: Result<Query<DeliveryQuery>, axum::extract::rejection::QueryRejection>,
) -> Answer<List<DeliveryView>> {
    web.authorize(&headers)?;
    let query = query_of(query)?;
    let known = |name: &str| {
        DeliveryState::parse(name).ok_or_else(|| bad(format!("state {name:?} is none of pending, delivered, dead")))
    };
    let state = query.state.as_deref().map(known).transpose()?;
    let page =
        web.archive.deliveries(state, query.channel, query.after, limit(query.limit)?).await.map_err(unavailable)?;
    Ok(Json(List::of(page, DeliveryView::from)))
}

/// How many deliveries were put back in the queue.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct Resent {
    resent: usize,
}

/// Puts a dead delivery back in the queue.
#[utoipa::path(post, path = "/api/v1/deliveries/{id}/resend", tag = "deliveries", security(("api_token" = [])),
    params(("id" = i64, Path)),
    responses((status = 200, body = Resent), (status = 401, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn resend(State(web): State<Arc<Web>>, headers: HeaderMap, Segment(id): Segment) -> Answer<Resent> {
    web.authorize(&headers)?;
    let id: i64 = id.parse().map_err(|_| bad(format!("{id:?} is not the number of a delivery")))?;
    let resent = web.archive.resend(Some(id), None, web.expiry(), (web.now)()).await.map_err(unavailable)?;
    if resent == 0 {
        return Err(Problem::new(StatusCode::NOT_FOUND, "not found", format!("there is no dead delivery {id}")));
    }
    web.granted.notify_waiters();
    Ok(Json(Resent { resent }))
}

impl Web {
    async fn act(
        &self,
        headers: &HeaderMap,
        fingerprint: &str,
        body: Body,
        action: impl FnOnce(&Decision, Time) -> Result<Action, Problem>,
    ) -> Answer<IssueView> {
        self.authorize(headers)?;
        let decision = self.decision(body).await?;
        let now = (self.now)();
        let action = action(&decision, now)?;
        let fingerprint = self.fingerprint(fingerprint).await?;
        let issue =
            self.archive.act(fingerprint, action, decision.by, decision.note, now).await.map_err(unavailable)?;
        self.river.admission.publish(issue.as_slice(), now).await;
        issue.map(|issue| Json(issue.into())).ok_or_else(|| no_issue(&fingerprint.to_string()))
    }

    /// What an action's body says. Read only after the token was found good.
    async fn decision(&self, body: Body) -> Result<Decision, Problem> {
        let body = self.body(body).await?;
        match body.is_empty() {
            true => Ok(Decision::default()),
            false => serde_json::from_slice(&body).map_err(|error| bad(format!("the body: {error}"))),
        }
    }

    /// An action's body, within its limits.
    async fn body(&self, body: Body) -> Result<Bytes, Problem> {
        self.body_within(body, ACTION_BYTES_MAX).await
    }

    /// A body of so many bytes at most.
    pub(super) async fn body_within(&self, body: Body, bytes_max: usize) -> Result<Bytes, Problem> {
        body_within(body, bytes_max, self.read_timeout).await
    }

    /// The one issue whose fingerprint begins like this.
    pub(super) async fn fingerprint(&self, prefix: &str) -> Result<Fingerprint, Problem> {
        let found = self.archive.fingerprints(prefix.to_owned()).await.map_err(unavailable)?;
        match found.as_slice() {
            [one] => Ok(*one),
            [] => Err(no_issue(prefix)),
            _ => Err(bad(format!("more than one issue begins with {prefix:?}; give more digits"))),
        }
    }
}

/// A body of so many bytes at most, in so much time at most.
pub(super) async fn body_within(body: Body, bytes_max: usize, time_max: Duration) -> Result<Bytes, Problem> {
    let body = tokio::time::timeout(time_max, Limited::new(body, bytes_max).collect()).await;
    let body = body.map_err(|_| {
        let detail = format!("the body was not complete within {time_max:?} (limits.read_timeout)");
        Problem::new(StatusCode::REQUEST_TIMEOUT, "body too slow", detail)
    })?;
    let body = body.map_err(|error| match error.is::<LengthLimitError>() {
        true => {
            let detail = format!("this request's body has at most {} KiB", bytes_max >> 10);
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body too large", detail)
        }
        false => bad(format!("the body could not be read: {error}")),
    })?;
    Ok(body.to_bytes())
}

fn query_of<T>(query: Result<Query<T>, axum::extract::rejection::QueryRejection>) -> Result<T, Problem> {
    query.map(|Query(query)| query).map_err(|error| bad(format!("the query: {}", error.body_text())))
}

fn limit(asked: Option<usize>) -> Result<usize, Problem> {
    match asked.unwrap_or(PAGE) {
        limit @ 1..=PAGE_MAX => Ok(limit),
        other => Err(bad(format!("limit {other} is not within 1 to {PAGE_MAX}"))),
    }
}

pub(super) fn bad(detail: String) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "bad request", detail)
}

pub(super) fn no_issue(fingerprint: &str) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "not found", format!("there is no issue {fingerprint:?}"))
}

pub(super) fn unavailable(error: crate::archive::Error) -> Problem {
    tracing::error!(%error, "the archive did not answer a question");
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "the archive does not answer").retry_after(5)
}
