//! What became of an event. As many outcomes come out as events went in.
//!
//! Promises: every event ends in exactly one outcome with a name of a fixed set. Deliberately not here: HTTP statuses;
//! each protocol says an outcome in its own words.

use crate::issue::{Fingerprint, Reason};
use crate::time::Time;

/// What became of one event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Counted, and it earned an alert.
    Alerted {
        /// The alert's position within the budget, from 1.
        ordinal: u32,
        /// Where it was counted.
        counted: Counted,
    },
    /// Counted, and held back for a named reason.
    Suppressed {
        /// Why.
        reason: Reason,
        /// Where it was counted.
        counted: Counted,
    },
    /// Not counted: the client should mend it, or send it again later.
    Rejected(Reject),
}

impl Outcome {
    /// Why it was rejected, if it was.
    pub(crate) fn rejected(&self) -> Option<&Reject> {
        match self {
            Outcome::Rejected(reject) => Some(reject),
            Outcome::Alerted { .. } | Outcome::Suppressed { .. } => None,
        }
    }
}

/// Where an accepted event was counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counted {
    /// Its issue.
    pub(crate) fingerprint: Fingerprint,
    /// The window's budget; the policy's when no window is open.
    pub(crate) budget: u32,
    /// Occurrences in the window so far, this one included. Muted occurrences lie in no window: 0.
    pub(crate) occurrences: u64,
    /// When the window ends; `None` while muted.
    pub(crate) window_ends_at: Option<Time>,
}

/// Why an event was not accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reject {
    /// The named reason.
    pub(crate) reason: RejectReason,
    /// What was wrong, where, and what to do.
    pub(crate) detail: String,
}

impl Reject {
    /// An event that cannot be read.
    pub(crate) fn invalid(detail: impl Into<String>) -> Reject {
        Reject { reason: RejectReason::Invalid, detail: detail.into() }
    }
}

/// The named reasons of a rejection: the API's and the metrics'.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum RejectReason {
    /// Not what the protocol says.
    Invalid,
    /// Over a limit of size, depth or number.
    TooLarge,
    /// No key, or not one of ours.
    Unauthorized,
    /// The queue in front of the archive is full.
    Overloaded,
    /// The archive did not take it.
    Unavailable,
}

impl RejectReason {
    /// All of them.
    pub(crate) const ALL: [RejectReason; 5] = [
        RejectReason::Invalid,
        RejectReason::TooLarge,
        RejectReason::Unauthorized,
        RejectReason::Overloaded,
        RejectReason::Unavailable,
    ];

    /// The name in the API and the metrics.
    pub(crate) fn name(self) -> &'static str {
        match self {
            RejectReason::Invalid => "invalid",
            RejectReason::TooLarge => "too_large",
            RejectReason::Unauthorized => "unauthorized",
            RejectReason::Overloaded => "overloaded",
            RejectReason::Unavailable => "unavailable",
        }
    }
}
