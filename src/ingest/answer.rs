//! How outcomes are said over HTTP, in the words of the native API.

use axum::body::Body;
use axum::http::{Response, StatusCode};
use serde::Serialize;

use crate::http::{self, Problem};
use crate::issue::Fingerprint;
use crate::outcome::{Counted, Outcome, Reject, RejectReason};
use crate::time::Time;

/// Rejections that a problem document lists; more are counted.
const LISTED: usize = 20;

/// The answer to a request of the native API.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct Answer {
    /// Events that were counted.
    accepted: usize,
    /// One outcome an event, in order.
    outcomes: Vec<OutcomeView>,
}

/// What became of one event.
#[derive(Serialize, utoipa::ToSchema)]
struct OutcomeView {
    /// `alerted`, `suppressed` or `rejected`.
    outcome: &'static str,
    /// Why it was suppressed or rejected.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    /// Identity of its issue, 32 hexadecimal digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    fingerprint: Option<Fingerprint>,
    /// The alert's position within the budget.
    #[serde(skip_serializing_if = "Option::is_none")]
    ordinal: Option<u32>,
    /// Alerts allowed in the window.
    #[serde(skip_serializing_if = "Option::is_none")]
    budget: Option<u32>,
    /// Occurrences in the window so far.
    #[serde(skip_serializing_if = "Option::is_none")]
    occurrences: Option<u64>,
    /// End of the window, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "rfc3339")]
    #[schema(value_type = Option<String>)]
    window_ends_at: Option<Time>,
    /// What was wrong with a rejected event, and what to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

fn rfc3339<S: serde::Serializer>(time: &Option<Time>, serializer: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => serializer.collect_str(time),
        None => serializer.serialize_none(),
    }
}

impl OutcomeView {
    fn of(outcome: Outcome) -> OutcomeView {
        let counted = |outcome, reason, ordinal, counted: Counted| OutcomeView {
            outcome,
            reason,
            fingerprint: Some(counted.fingerprint),
            ordinal,
            budget: Some(counted.budget),
            occurrences: Some(counted.occurrences),
            window_ends_at: counted.window_ends_at,
            detail: None,
        };
        match outcome {
            Outcome::Alerted { ordinal, counted: at } => counted("alerted", None, Some(ordinal), at),
            Outcome::Suppressed { reason, counted: at } => counted("suppressed", Some(reason.name()), None, at),
            Outcome::Rejected(Reject { reason, detail }) => OutcomeView {
                outcome: "rejected",
                reason: Some(reason.name()),
                fingerprint: None,
                ordinal: None,
                budget: None,
                occurrences: None,
                window_ends_at: None,
                detail: Some(detail),
            },
        }
    }
}

/// 202 when at least one event was counted; otherwise the problem.
pub(super) fn answer(outcomes: Vec<Outcome>) -> Response<Body> {
    let accepted = outcomes.iter().filter(|outcome| outcome.rejected().is_none()).count();
    match problem(&outcomes) {
        Some(problem) if accepted == 0 => problem.into_response(),
        _ => {
            let outcomes = outcomes.into_iter().map(OutcomeView::of).collect();
            http::json(202, "application/json", &Answer { accepted, outcomes })
        }
    }
}

/// What is wrong with the rejected events; `None` when there are none.
pub(super) fn problem(outcomes: &[Outcome]) -> Option<Problem> {
    let rejects: Vec<&Reject> = outcomes.iter().filter_map(Outcome::rejected).collect();
    // What is worth sending again decides over what is not: the sender cannot do both.
    let passing = |reject: &&&Reject| matches!(reject.reason, RejectReason::Overloaded | RejectReason::Unavailable);
    let first = rejects.iter().find(passing).or(rejects.first())?;
    let mut detail = first.detail.clone();
    // A queue that is full says the same of every event; bad events each say something of their own.
    for other in rejects.iter().take(LISTED).filter(|other| other.detail != first.detail) {
        detail += "; ";
        detail += &other.detail;
    }
    if rejects.len() > LISTED {
        detail += &format!("; and {} more", rejects.len() - LISTED);
    }
    Some(of_reject(Reject { reason: first.reason, detail }))
}

/// The problem document of a rejection.
pub(super) fn of_reject(Reject { reason, detail }: Reject) -> Problem {
    match reason {
        RejectReason::Invalid => Problem::new(StatusCode::BAD_REQUEST, "not an event", detail),
        RejectReason::TooLarge => Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too large", detail),
        RejectReason::Unauthorized => Problem::new(StatusCode::UNAUTHORIZED, "unknown key", detail),
        RejectReason::Overloaded => Problem::new(StatusCode::TOO_MANY_REQUESTS, "overloaded", detail).retry_after(1),
        RejectReason::Unavailable => {
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail).retry_after(5)
        }
    }
}
