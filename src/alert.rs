//! An alert: the decision to tell people; a delivery: an alert on its way to one channel.
//!
//! Promises: an `Alert` holds everything a message can say, so that channels stay pure. Deliberately not here: how a
//! message is worded or sent.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::event::{Attributes, Event};
use crate::issue::{CauseKey, Decided, Fingerprint, Policy, State};
use crate::time::Time;

/// The decision to tell people about an issue, with all that a message can say.
#[derive(Clone, Debug)]
pub struct Alert {
    /// Identity in the archive.
    pub id: i64,
    /// Whether an error alerts or a window closes.
    pub kind: Kind,
    /// The issue.
    pub fingerprint: Fingerprint,
    /// Its coarser identity: what one cause breaks has one.
    pub cause: CauseKey,
    /// The project whose key brought the issue.
    pub project: String,
    /// The window it was granted in.
    pub window_opened_at: Time,
    /// When that window ends.
    pub window_ends_at: Time,
    /// Position within the window's budget, from 1. For a closing: the alerts that were granted in the window.
    pub ordinal: u32,
    /// The window's budget.
    pub budget: u32,
    /// When it was granted.
    pub granted_at: Time,
    /// Occurrences in the window when it was granted, the granted one included.
    pub occurrences: u64,
    /// Occurrences ever, counted the same way.
    pub occurrences_total: u64,
    /// First occurrence ever.
    pub first_seen: Time,
    /// Last occurrence when it was granted.
    pub last_seen: Time,
    /// Whether this is the issue's first alert ever.
    pub new: bool,
    /// What a regression comes back from: who resolved the issue, when, and in which words.
    pub regression: Option<Decided>,
    /// The seven as received, scrubbed.
    pub attributes: Attributes<'static>,
    /// The seven as they are compared.
    pub normalized: Attributes<'static>,
    /// The event that earned it, when it is still stored.
    pub event: Option<Event<'static>>,
    /// On which servers it was seen in the window, as far as its events are stored. Empty for the first alert.
    pub servers: Vec<String>,
}

/// The project of what bongsu says of itself. No other may have that name.
pub const OWN_PROJECT: &str = "bongsu";
/// The channel that brings canaries back to the server's own door. No other may have that name.
pub const OWN_CHANNEL: &str = "bongsu.watch";
/// Where canaries are thrown.
pub(crate) const CANARY: &str = "watch.canary";

/// Whether an error alerts, a window closes, or one of bongsu's own stores went away or came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An error, told.
    Alert,
    /// What became of one of bongsu's own stores.
    Health(Health),
    /// The end of a window that held something back.
    Closing {
        /// Occurrences of its busiest minute.
        peak_per_minute: u64,
        /// Whether the error goes on: a newer window is open already, or it was seen in the last tenth of this one.
        ongoing: bool,
    },
}

impl Kind {
    /// The name in payloads and in the archive.
    pub fn name(&self) -> &'static str {
        match self {
            Kind::Alert => "alert",
            Kind::Health(_) => "health",
            Kind::Closing { .. } => "closing",
        }
    }
}

/// The tag of such an event that says who decides now.
pub(crate) const DECIDES: &str = "decides";
/// The tag that says how long the store was away.
pub(crate) const AWAY_MS: &str = "away_ms";
/// The tag that says where the last canary stopped: `door`, `gate`, `outbox`, `channel`, or `unknown`.
pub(crate) const STOPPED_AT: &str = "stopped_at";
/// The tag that says in whose words.
pub(crate) const SAID: &str = "said";

/// What became of something of bongsu's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Health {
    /// Which.
    pub store: Store,
    /// Whether it is left alone from now on, or asked again.
    pub away: bool,
}

/// What it has of its own: the stores, and the way of an alert through all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Store {
    /// What the servers share.
    Cache,
    /// Where the state lives.
    Archive,
    /// The way of an alert, from the door to a channel.
    Way,
    /// What is sent that way to see whether it arrives; always there.
    Canary,
}

impl Health {
    const ALL: [(Health, &'static str); 7] = [
        (Health { store: Store::Cache, away: true }, "cache.away"),
        (Health { store: Store::Cache, away: false }, "cache.back"),
        (Health { store: Store::Archive, away: true }, "archive.away"),
        (Health { store: Store::Archive, away: false }, "archive.back"),
        (Health { store: Store::Way, away: true }, "watch.stopped"),
        (Health { store: Store::Way, away: false }, "watch.works"),
        (Health { store: Store::Canary, away: false }, CANARY),
    ];

    /// The location of the event that says it.
    pub(crate) fn location(self) -> &'static str {
        Health::ALL.into_iter().find(|(health, _)| *health == self).map_or("", |(_, location)| location)
    }

    /// What an alert of that project, of an event from there, says of a store.
    pub(crate) fn of(project: &str, location: &str) -> Option<Health> {
        let all = Health::ALL.into_iter().filter(|_| project == OWN_PROJECT);
        all.into_iter().find(|(_, of)| *of == location).map(|(health, _)| health)
    }
}

/// What is known of the last canary, for whoever asks.
#[derive(Clone, Debug, Default)]
pub(crate) struct Canary {
    /// What became of it.
    pub(crate) state: CanaryState,
    /// When one arrived last.
    pub(crate) last_arrival: Option<Time>,
}

/// What became of the last canary.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum CanaryState {
    /// None is sent.
    #[default]
    Off,
    /// It arrived.
    Arrives,
    /// It did not.
    Stopped {
        /// Where, as [`STOPPED_AT`] has it.
        at: &'static str,
        /// In whose words.
        said: String,
    },
}

impl Kind {
    /// An alert's, by whose error it is and where that was thrown.
    pub(crate) fn of_alert(project: &str, location: &str) -> Kind {
        Health::of(project, location).map_or(Kind::Alert, Kind::Health)
    }
}

impl Alert {
    /// Occurrences of the window that did not alert.
    pub fn suppressed(&self) -> u64 {
        self.occurrences.saturating_sub(u64::from(self.ordinal))
    }
}

/// An alert on its way to one channel, claimed by this process.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// Identity in the archive; with the channel it makes the idempotency key.
    pub id: i64,
    /// The channel's name.
    pub channel: Arc<str>,
    /// Which attempt this is, from 1.
    pub attempt: u32,
    /// Grows with every claim: a late result of an older claim changes nothing.
    pub fence: i64,
    /// Until then it is this process's alone.
    pub claimed_until: Time,
    /// When it was made.
    pub created_at: Time,
    /// After this moment it is too old to help.
    pub expires_at: Time,
    /// The channel that failed, when this one is asked in its place.
    pub instead_of: Option<InsteadOf>,
    /// What the far side calls the message that this one answers to.
    pub thread: Option<String>,
    /// What to tell.
    pub alert: Alert,
    /// What the same message tells besides, oldest first.
    pub folded: Vec<Alert>,
    /// How far the cause has spread, when all of it has one.
    pub spread: Option<Spread>,
}

impl Delivery {
    /// The first attempt at telling an alert, which nobody else has in hand.
    pub(crate) fn first(channel: Arc<str>, alert: Alert) -> Delivery {
        Delivery {
            id: alert.id,
            channel,
            attempt: 1,
            fence: 1,
            claimed_until: Time(i64::MAX),
            created_at: alert.granted_at,
            expires_at: Time(i64::MAX),
            instead_of: None,
            thread: None,
            alert,
            folded: Vec::new(),
            spread: None,
        }
    }

    /// All that it tells, what leads first.
    pub fn told(&self) -> impl Iterator<Item = &Alert> {
        std::iter::once(&self.alert).chain(&self.folded)
    }

    /// The name in payloads: of what it tells, or of how several errors came to be told together.
    pub fn kind(&self) -> &'static str {
        match (self.is_of_several(), &self.spread, self.alert.kind) {
            (false, ..) => self.alert.kind.name(),
            (true, Some(_), Kind::Alert) => "storm",
            (true, ..) => "digest",
        }
    }

    /// Whether it tells of several errors.
    pub fn is_of_several(&self) -> bool {
        self.folded.iter().any(|alert| alert.fingerprint != self.alert.fingerprint)
    }
}

/// How far one cause has spread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spread {
    /// Modules that it broke.
    pub modules: u64,
    /// Errors that it made.
    pub errors: u64,
    /// The first alert.
    pub since: Time,
    /// Some of the modules, the first broken first.
    pub named: Vec<String>,
}

/// A channel that failed, and another was asked in its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InsteadOf {
    /// Its name.
    pub channel: String,
    /// Since when it should have taken the alert.
    pub since: Time,
    /// What went wrong last; empty when its turn never came.
    pub error: String,
}

impl InsteadOf {
    /// As it is stored.
    pub(crate) fn to_json(&self) -> String {
        serde_json::to_string(self).expect("texts and numbers always serialise")
    }
}

/// A message that stands on a channel and is edited, claimed by this process.
#[derive(Clone, Debug)]
pub(crate) struct Posted {
    /// What the far side calls it.
    pub(crate) handle: String,
    /// What it told when it was sent.
    pub(crate) delivery: Delivery,
    /// What it is to tell now.
    pub(crate) progress: Progress,
}

/// How far a window has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Progress {
    /// Alerts granted in it.
    pub(crate) granted: u32,
    /// Occurrences in it.
    pub(crate) occurrences: u64,
    /// Occurrences ever.
    pub(crate) occurrences_total: u64,
    /// The last one.
    pub(crate) last_seen: Time,
    /// Whether it goes on.
    pub(crate) stage: Stage,
    /// What people decided about the issue.
    pub(crate) state: State,
    /// Who did.
    pub(crate) decided: Decided,
}

/// Whether a window goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// It does.
    Open,
    /// It is over.
    Over,
    /// It is over, and the issue has another.
    Replaced,
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// The far side took it.
    Delivered,
    /// Worth another try, not before the given moment when the far side named one.
    Failed {
        /// What happened, for people.
        error: String,
        /// The earliest moment the far side asked for.
        not_before: Option<Time>,
    },
    /// It was sent, and no answer came: nobody knows whether it arrived.
    Unanswered {
        /// What happened, for people.
        error: String,
    },
    /// The far side will never take it.
    Refused {
        /// What happened, for people.
        error: String,
    },
}

impl Attempt {
    /// The name in the metrics.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Attempt::Delivered => "delivered",
            Attempt::Failed { .. } => "failed",
            Attempt::Unanswered { .. } => "unanswered",
            Attempt::Refused { .. } => "refused",
        }
    }
}

/// Under which policy an error falls, and who is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// How often it may alert.
    pub policy: Arc<Policy>,
    /// Who is told of which alerts, for each ordinal every channel at most once. Empty: nobody is told.
    pub recipients: Vec<Recipient>,
}

/// A channel that is told of some alerts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient {
    /// Its name.
    pub channel: Arc<str>,
    /// The first and the last alert of a window that it is told of.
    pub ordinals: (u32, u32),
    /// Its quiet hours end then: it is not told before.
    pub not_before: Option<Time>,
}

impl Recipient {
    /// When it may be told of what is granted now.
    pub(crate) fn due_at(&self, now: Time) -> Time {
        self.not_before.map_or(now, |not_before| not_before.max(now))
    }
}

impl Route {
    /// A route on which these channels are told of every alert.
    pub fn to(policy: Arc<Policy>, channels: impl IntoIterator<Item = Arc<str>>) -> Route {
        let all = |channel| Recipient { channel, ordinals: (1, u32::MAX), not_before: None };
        Route { policy, recipients: channels.into_iter().map(all).collect() }
    }

    /// Who is told of the alert with that ordinal.
    pub(crate) fn told(&self, ordinal: u32) -> impl Iterator<Item = &Recipient> {
        self.recipients.iter().filter(move |one| (one.ordinals.0..=one.ordinals.1).contains(&ordinal))
    }
}

/// Where a delivery stands. The names are the API's and the archive's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DeliveryState {
    /// Waiting, or being tried.
    Pending,
    /// Taken by the far side.
    Delivered,
    /// Given up, with the reason: the dead letters.
    Dead,
}

impl DeliveryState {
    /// The name in the API and in the archive.
    pub fn name(self) -> &'static str {
        match self {
            DeliveryState::Pending => "pending",
            DeliveryState::Delivered => "delivered",
            DeliveryState::Dead => "dead",
        }
    }

    /// The state of that name.
    pub(crate) fn parse(name: &str) -> Option<DeliveryState> {
        [DeliveryState::Pending, DeliveryState::Delivered, DeliveryState::Dead]
            .into_iter()
            .find(|one| one.name() == name)
    }
}
