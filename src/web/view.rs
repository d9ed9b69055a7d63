//! How issues, alerts and deliveries look in the API: nouns with their times as RFC 3339.

use serde::Serialize;
use utoipa::ToSchema;

use crate::alert::InsteadOf;
use crate::archive::{
    AlertRow, DeliveryRow, IssueDetail, MergedRow, MinuteCount, Page, Together, ToldAlert, WindowRow,
};
use crate::event::{Attributes, Event};
use crate::issue::{Issue, State, Window};
use crate::time::Time;

/// A part of a list.
#[derive(Serialize, ToSchema)]
pub(crate) struct List<T> {
    /// The items.
    items: Vec<T>,
    /// `after` of the next page; null when this is the last.
    next: Option<String>,
}

impl<T> List<T> {
    /// A page in the API's form.
    pub(crate) fn of<R>(page: Page<R>, view: impl Fn(R) -> T) -> List<T> {
        List { items: page.items.into_iter().map(view).collect(), next: page.next }
    }
}

/// The seven attributes.
#[derive(Serialize, ToSchema)]
pub(crate) struct AttributesView {
    category: String,
    module: String,
    environment: String,
    url: String,
    method: String,
    location: String,
    detail: String,
}

impl From<&Attributes<'_>> for AttributesView {
    fn from(attributes: &Attributes<'_>) -> AttributesView {
        let Attributes { category, module, environment, url, method, location, detail } = attributes;
        AttributesView {
            category: category.to_string(),
            module: module.to_string(),
            environment: environment.to_string(),
            url: url.to_string(),
            method: method.to_string(),
            location: location.to_string(),
            detail: detail.to_string(),
        }
    }
}

/// All events with one fingerprint.
#[derive(Serialize, ToSchema)]
pub(crate) struct IssueView {
    /// 32 hexadecimal digits.
    fingerprint: String,
    /// The coarser identity: the same cause in other modules and environments.
    cause: String,
    project: String,
    /// `open`, `acknowledged`, `muted` or `resolved`.
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    muted_until: Option<String>,
    /// Occurrences that the mute still holds back.
    #[serde(skip_serializing_if = "Option::is_none")]
    muted_more: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    decided_at: Option<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    decided_by: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    note: String,
    /// The issue that its occurrences are counted with.
    #[serde(skip_serializing_if = "Option::is_none")]
    merged_into: Option<String>,
    first_seen: String,
    last_seen: String,
    /// With those of the issues that are merged into it; `alerts` and `suppressed` likewise.
    occurrences: u64,
    alerts: u64,
    /// Occurrences that did not alert.
    suppressed: u64,
    /// The newest window, which may be over.
    window: Option<WindowView>,
    /// As received, scrubbed.
    attributes: AttributesView,
    /// As compared.
    normalized: AttributesView,
}

impl From<Issue> for IssueView {
    fn from(issue: Issue) -> IssueView {
        let suppressed = issue.suppressed();
        let (muted_until, muted_more) = match issue.standing.state {
            State::Muted { until, more } => (until, more),
            _ => (None, None),
        };
        IssueView {
            fingerprint: issue.fingerprint.to_string(),
            cause: issue.cause.to_string(),
            project: issue.project,
            state: issue.standing.state.name(),
            muted_until: muted_until.map(rfc3339),
            muted_more,
            decided_at: issue.decided.at.map(rfc3339),
            decided_by: issue.decided.by,
            note: issue.decided.note,
            merged_into: issue.merged_into.map(|into| into.to_string()),
            first_seen: rfc3339(issue.first_seen),
            last_seen: rfc3339(issue.last_seen),
            occurrences: issue.occurrences,
            alerts: issue.alerts,
            suppressed,
            window: issue.standing.window.as_ref().map(WindowView::from),
            attributes: (&issue.attributes).into(),
            normalized: (&issue.normalized).into(),
        }
    }
}

/// A span in which the issue alerts at most `budget` times.
#[derive(Serialize, ToSchema)]
pub(crate) struct WindowView {
    opened_at: String,
    ends_at: String,
    budget: u32,
    /// Occurrences in it.
    occurrences: u64,
    /// Alerts granted in it.
    alerts: u32,
    /// Whether the issue had been resolved before.
    regression: bool,
}

impl From<&Window> for WindowView {
    fn from(window: &Window) -> WindowView {
        WindowView {
            opened_at: rfc3339(window.opened_at),
            ends_at: rfc3339(window.ends_at),
            budget: window.budget,
            occurrences: window.seen,
            alerts: window.granted,
            regression: window.regression,
        }
    }
}

impl From<WindowRow> for WindowView {
    fn from(row: WindowRow) -> WindowView {
        WindowView {
            opened_at: rfc3339(row.opened_at),
            ends_at: rfc3339(row.ends_at),
            budget: row.budget,
            occurrences: row.seen,
            alerts: row.granted,
            regression: row.regression,
        }
    }
}

/// An issue with what belongs to it.
#[derive(Serialize, ToSchema)]
pub(crate) struct IssueDetailView {
    #[serde(flatten)]
    issue: IssueView,
    /// Windows that are over, the newest first.
    windows: Vec<WindowView>,
    /// Occurrences of the day up to the last one, by minute and outcome.
    minutes: Vec<MinuteView>,
    /// A few stored events, the newest first.
    events: Vec<EventView>,
    /// Events stored in all.
    events_stored: u64,
    /// Fingerprints that it had under older rules of sameness.
    former_fingerprints: Vec<String>,
    /// What is merged into it, the latest merge first; at most 100.
    merged: Vec<MergedView>,
    /// The messages that told of it together with other errors, the newest first; at most 5.
    told_together: Vec<TogetherView>,
}

/// A message that told of several errors.
#[derive(Serialize, ToSchema)]
struct TogetherView {
    /// The delivery that told.
    delivery: i64,
    channel: String,
    /// When the far side took it.
    #[serde(skip_serializing_if = "Option::is_none")]
    settled_at: Option<String>,
    /// What it told, in the order in which it was granted.
    alerts: Vec<ToldAlertView>,
}

/// An alert that was told with others.
#[derive(Serialize, ToSchema)]
struct ToldAlertView {
    alert: i64,
    fingerprint: String,
    /// 0 for the end of a window.
    ordinal: u32,
    module: String,
    environment: String,
    method: String,
    url: String,
    detail: String,
}

impl From<Together> for TogetherView {
    fn from(message: Together) -> TogetherView {
        let told = |told: ToldAlert| ToldAlertView {
            alert: told.alert,
            fingerprint: told.fingerprint.to_string(),
            ordinal: told.ordinal,
            module: told.attributes.module.into(),
            environment: told.attributes.environment.into(),
            method: told.attributes.method.into(),
            url: told.attributes.url.into(),
            detail: told.attributes.detail.into(),
        };
        TogetherView {
            delivery: message.delivery,
            channel: message.channel,
            settled_at: message.settled_at.map(rfc3339),
            alerts: message.alerts.into_iter().map(told).collect(),
        }
    }
}

/// An issue that is merged into another.
#[derive(Serialize, ToSchema)]
struct MergedView {
    fingerprint: String,
    /// What it counted before.
    occurrences: u64,
    merged_at: String,
    /// Empty: the rules of sameness.
    merged_by: String,
}

impl From<MergedRow> for MergedView {
    fn from(row: MergedRow) -> MergedView {
        MergedView {
            fingerprint: row.fingerprint.to_string(),
            occurrences: row.occurrences,
            merged_at: rfc3339(row.merged_at),
            merged_by: row.merged_by,
        }
    }
}

impl From<IssueDetail> for IssueDetailView {
    fn from(detail: IssueDetail) -> IssueDetailView {
        IssueDetailView {
            issue: detail.issue.into(),
            windows: detail.windows.into_iter().map(WindowView::from).collect(),
            minutes: detail.minutes.into_iter().map(MinuteView::from).collect(),
            events: detail.events.into_iter().map(EventView::from).collect(),
            events_stored: detail.events_stored,
            former_fingerprints: detail.formers.iter().map(ToString::to_string).collect(),
            merged: detail.merged.into_iter().map(MergedView::from).collect(),
            told_together: detail.together.into_iter().map(TogetherView::from).collect(),
        }
    }
}

/// Occurrences of one minute with the same outcome.
#[derive(Serialize, ToSchema)]
struct MinuteView {
    at: String,
    /// `alerted`, `budget`, `spacing`, `muted`, `acknowledged` or `maintenance`.
    outcome: String,
    occurrences: u64,
}

impl From<MinuteCount> for MinuteView {
    fn from(count: MinuteCount) -> MinuteView {
        MinuteView { at: rfc3339(count.at), outcome: count.outcome, occurrences: count.total }
    }
}

/// A stored event.
#[derive(Serialize, ToSchema)]
struct EventView {
    received_at: String,
    /// The event as stored: attributes, exceptions with frames, tags, what was cut and scrubbed.
    #[schema(value_type = Object)]
    event: Event<'static>,
}

impl From<(Time, Event<'static>)> for EventView {
    fn from((received_at, event): (Time, Event<'static>)) -> EventView {
        EventView { received_at: rfc3339(received_at), event }
    }
}

/// The decision to tell people.
#[derive(Serialize, ToSchema)]
pub(crate) struct AlertView {
    id: i64,
    /// `alert`, or `closing` for the end of a window that held something back.
    kind: &'static str,
    fingerprint: String,
    /// Position within the budget; for a closing, the alerts of its window.
    ordinal: u32,
    budget: u32,
    granted_at: String,
    /// Occurrences in the window when it was granted.
    occurrences: u64,
    window_opened_at: String,
    window_ends_at: String,
    module: String,
    environment: String,
    detail: String,
}

impl From<AlertRow> for AlertView {
    fn from(row: AlertRow) -> AlertView {
        AlertView {
            id: row.id,
            kind: if row.ordinal == 0 { "closing" } else { "alert" },
            fingerprint: row.fingerprint.to_string(),
            ordinal: row.granted,
            budget: row.budget,
            granted_at: rfc3339(row.granted_at),
            occurrences: row.occurrences,
            window_opened_at: rfc3339(row.window_opened_at),
            window_ends_at: rfc3339(row.window_ends_at),
            module: row.module,
            environment: row.environment,
            detail: row.detail,
        }
    }
}

/// An alert on its way to one channel.
#[derive(Serialize, ToSchema)]
pub(crate) struct DeliveryView {
    id: i64,
    alert: i64,
    fingerprint: String,
    channel: String,
    /// `pending`, `delivered` or `dead`.
    state: &'static str,
    attempts: u32,
    /// The delivery whose message told of this one too, and whose fate it shares.
    #[serde(skip_serializing_if = "Option::is_none")]
    folded_into: Option<i64>,
    /// Attempts after which nobody knows whether they arrived: it may have come so many times more. One that is on its way is
    /// among them.
    unanswered: u32,
    created_at: String,
    /// When a pending one is tried next, at the earliest.
    #[serde(skip_serializing_if = "Option::is_none")]
    due_at: Option<String>,
    expires_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    settled_at: Option<String>,
    /// What went wrong last.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// The channel that failed, when this one was asked in its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    instead_of: Option<InsteadOfView>,
}

/// A channel that failed.
#[derive(Serialize, ToSchema)]
struct InsteadOfView {
    channel: String,
    /// When the delivery that failed was made.
    since: String,
    /// What went wrong; empty when its turn never came.
    error: String,
}

impl From<InsteadOf> for InsteadOfView {
    fn from(instead_of: InsteadOf) -> InsteadOfView {
        let InsteadOf { channel, since, error } = instead_of;
        InsteadOfView { channel, since: rfc3339(since), error }
    }
}

impl From<DeliveryRow> for DeliveryView {
    fn from(row: DeliveryRow) -> DeliveryView {
        DeliveryView {
            id: row.id,
            alert: row.alert,
            fingerprint: row.fingerprint.to_string(),
            channel: row.channel,
            state: row.state.name(),
            attempts: row.attempts,
            folded_into: row.folded_into,
            unanswered: row.unanswered,
            created_at: rfc3339(row.created_at),
            due_at: row.settled_at.is_none().then(|| rfc3339(row.due_at)),
            expires_at: rfc3339(row.expires_at),
            settled_at: row.settled_at.map(rfc3339),
            error: row.error,
            instead_of: row.instead_of.map(InsteadOfView::from),
        }
    }
}

fn rfc3339(time: Time) -> String {
    time.to_string()
}
