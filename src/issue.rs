//! An issue: all events with one fingerprint, and what the gate knows of it.
//!
//! Promises: types only; every rule that moves them is in `gate`. Deliberately not here: SQL, texts for people.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize, Serializer};

use crate::event::{Attributes, Event};
use crate::time::Time;

/// The identity of an issue: 128 bits over the rule set's version and the seven normalised attributes.
/// Written as 32 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(pub u128);

/// A coarser identity than the fingerprint: category, throw location and message, without module, environment, URL and
/// method. What one dead dependency breaks in many services shares it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CauseKey(pub u128);

macro_rules! hex_identity {
    ($($name:ident)*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:032x}", self.0)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl FromStr for $name {
            type Err = String;
            fn from_str(text: &str) -> Result<Self, String> {
                let well_formed = text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit());
                well_formed
                    .then(|| u128::from_str_radix(text, 16).ok().map($name))
                    .flatten()
                    .ok_or_else(|| format!("{text:?} is not 32 hexadecimal digits"))
            }
        }
    )*};
}
hex_identity!(Fingerprint CauseKey Place);

/// What somebody says of an event.
/// What the rules say of an event and its seven as they are compared.
type CauseOf = fn(&Event<'_>, &Attributes<'_>) -> CauseKey;
type Said<T> = Box<dyn Fn(&Event<'_>) -> T + Send + Sync>;

/// What only the rules of sameness can say of an event: asked when its issue may be new.
pub(crate) struct Rules {
    /// Their version.
    pub(crate) version: u8,
    /// The seven as they are compared.
    pub(crate) normalize: Box<dyn for<'a> Fn(&'a Event<'_>) -> Attributes<'a> + Send + Sync>,
    /// The identity of an event's cause, by the event and by what it is compared by.
    pub(crate) cause: CauseOf,
    /// The identities that the event had under the rules before these, the latest first.
    pub(crate) formers: Said<Vec<Former>>,
    /// The segment of the event's path that may be a parameter, if there is one.
    pub(crate) segment: Said<Option<Segment>>,
}

/// A segment of a request path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    /// Where it stands: under which prefix, for which code.
    pub(crate) place: Place,
    /// A hash of what it holds.
    pub(crate) value: u64,
}

/// Where a segment of a request path stands.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Place(pub(crate) u128);

/// An identity that an event had before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Former {
    /// Under rules that nobody goes by any more: its issue goes on under the new name.
    Renamed(Fingerprint),
    /// Under rules that another server may go by still: its issue is merged into the one of the new name.
    Merged(Fingerprint),
}

impl Former {
    /// It.
    pub(crate) fn fingerprint(self) -> Fingerprint {
        let (Former::Renamed(fingerprint) | Former::Merged(fingerprint)) = self;
        fingerprint
    }
}

impl Rules {
    /// Rules that change nothing and had none before them.
    #[cfg(test)]
    pub(crate) fn none() -> std::sync::Arc<Rules> {
        std::sync::Arc::new(Rules {
            version: 1,
            normalize: Box::new(|event| event.attributes.clone()),
            cause: |_, _| CauseKey(1),
            formers: Box::new(|_| Vec::new()),
            segment: Box::new(|_| None),
        })
    }
}

impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rules v{}", self.version)
    }
}

/// How often, and how long, the same error may alert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Alerts granted in one window, at most.
    pub budget: u32,
    /// How long a window lasts from its first occurrence. Later occurrences do not extend it.
    pub window: Duration,
    /// Minimum gap before the alert with that ordinal, counted from the alert before it; the last one repeats. Empty:
    /// no gaps.
    pub spacing: Vec<Duration>,
    /// Whether the end of a window that held something back is told in a closing message.
    pub closing: bool,
    /// Work is being done on what would alert: nothing is granted before that moment.
    pub maintenance_until: Option<Time>,
}

impl Policy {
    /// The minimum gap before the alert with this ordinal (from 1).
    pub fn gap_before(&self, ordinal: u32) -> Duration {
        let index = (ordinal.max(1) as usize - 1).min(self.spacing.len().saturating_sub(1));
        self.spacing.get(index).copied().unwrap_or_default()
    }
}

/// A span of time in which an issue may alert at most `budget` times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// The first occurrence.
    pub opened_at: Time,
    /// The first moment that is no longer in the window.
    pub ends_at: Time,
    /// The policy's budget when it was opened: a changed configuration counts from the next window on.
    pub budget: u32,
    /// Occurrences in the window.
    pub seen: u64,
    /// Alerts granted in the window; the next ordinal is one more.
    pub granted: u32,
    /// When the last of them was granted.
    pub last_granted_at: Option<Time>,
    /// Whether the window was opened by an occurrence after the issue had been resolved.
    pub regression: bool,
    /// Whether its end is to be told when it held something back.
    pub closing: bool,
}

/// What people decided about an issue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// Alerts by the policy.
    #[default]
    Open,
    /// Somebody looks after it: no further alerts in the window it was acknowledged in.
    Acknowledged,
    /// No alerts until a moment, or until so many more occurrences were counted, whichever comes first.
    Muted {
        /// The first moment at which it may alert again.
        until: Option<Time>,
        /// Occurrences still to be held back.
        more: Option<u64>,
    },
    /// Thought to be over: the next occurrence is a regression and alerts at once.
    Resolved,
}

impl State {
    /// The state's name in the API and in the archive.
    pub fn name(&self) -> &'static str {
        match self {
            State::Open => "open",
            State::Acknowledged => "acknowledged",
            State::Muted { .. } => "muted",
            State::Resolved => "resolved",
        }
    }
}

/// Everything the gate needs to know of an issue to decide.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// What people decided.
    pub state: State,
    /// The newest window, which may be over. `None` before the first occurrence.
    pub window: Option<Window>,
}

/// Why an occurrence did not alert. The names are the API's and the metrics'.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// The window's budget was spent.
    Budget,
    /// The minimum gap since the last alert had not elapsed.
    Spacing,
    /// The issue was muted.
    Muted,
    /// The issue was acknowledged in this window.
    Acknowledged,
    /// Work was being done on what would alert.
    Maintenance,
}

impl Reason {
    /// All of them, in the order of their codes.
    pub const ALL: [Reason; 5] =
        [Reason::Budget, Reason::Spacing, Reason::Muted, Reason::Acknowledged, Reason::Maintenance];

    /// The name in the API, the metrics and the archive.
    pub fn name(self) -> &'static str {
        match self {
            Reason::Budget => "budget",
            Reason::Spacing => "spacing",
            Reason::Muted => "muted",
            Reason::Acknowledged => "acknowledged",
            Reason::Maintenance => "maintenance",
        }
    }

    /// Whether what is held back for it lies in a window. A mute and maintenance end or open none.
    pub(crate) fn is_in_window(self) -> bool {
        !matches!(self, Reason::Muted | Reason::Maintenance)
    }
}

/// What people may do to an issue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Somebody looks after it; no further alerts in this window.
    Acknowledge,
    /// It is over; its window closes.
    Resolve,
    /// No alerts until a moment or so many more occurrences.
    Mute {
        /// The first moment at which it may alert again.
        until: Option<Time>,
        /// Occurrences to hold back from now on.
        more: Option<u64>,
    },
    /// Back to open, whatever it was.
    Reopen,
}

/// What people may do to an issue by pressing a button under its message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Press {
    /// [`Action::Acknowledge`].
    Acknowledge,
    /// [`Action::Mute`] for an hour.
    MuteHour,
    /// [`Action::Mute`] until there were a hundred more.
    MuteHundred,
    /// [`Action::Resolve`].
    Resolve,
    /// [`Action::Reopen`].
    Reopen,
}

impl Press {
    const ALL: [(Press, &'static str); 5] = [
        (Press::Acknowledge, "bongsu.acknowledge"),
        (Press::MuteHour, "bongsu.mute_hour"),
        (Press::MuteHundred, "bongsu.mute_hundred"),
        (Press::Resolve, "bongsu.resolve"),
        (Press::Reopen, "bongsu.reopen"),
    ];

    /// What the button is called between us and the far side.
    pub(crate) fn name(self) -> &'static str {
        Press::ALL.into_iter().find(|(press, _)| *press == self).map_or("", |(_, name)| name)
    }

    /// The button of that name.
    pub(crate) fn named(name: &str) -> Option<Press> {
        Press::ALL.into_iter().find(|(_, known)| *known == name).map(|(press, _)| press)
    }

    /// What pressing it at `now` does.
    pub(crate) fn action(self, now: Time) -> Action {
        match self {
            Press::Acknowledge => Action::Acknowledge,
            Press::MuteHour => Action::Mute { until: Some(now.plus(Duration::from_secs(3_600))), more: None },
            Press::MuteHundred => Action::Mute { until: None, more: Some(100) },
            Press::Resolve => Action::Resolve,
            Press::Reopen => Action::Reopen,
        }
    }
}

/// Who decided what about an issue, when, and in which words.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decided {
    /// When; `None` when nobody ever decided anything.
    pub at: Option<Time>,
    /// Who, in their own words; may be empty.
    pub by: String,
    /// A note; may be empty.
    pub note: String,
}

/// All events with one fingerprint.
#[derive(Clone, Debug)]
pub struct Issue {
    /// Identity.
    pub fingerprint: Fingerprint,
    /// The coarser identity.
    pub cause: CauseKey,
    /// The project whose key brought the first event.
    pub project: String,
    /// What the gate knows.
    pub standing: Standing,
    /// Who put it in that state.
    pub decided: Decided,
    /// The issue that its occurrences are counted with, when it is merged into one.
    pub merged_into: Option<Fingerprint>,
    /// Received moment of the first occurrence.
    pub first_seen: Time,
    /// Received moment of the last occurrence.
    pub last_seen: Time,
    /// Occurrences ever counted, with those of the issues that are merged into it.
    pub occurrences: u64,
    /// Alerts ever granted, likewise.
    pub alerts: u64,
    /// Grows by one with every write of the standing or of the counts.
    pub revision: u64,
    /// The seven as the first event had them, scrubbed.
    pub attributes: Attributes<'static>,
    /// The seven as they are compared.
    pub normalized: Attributes<'static>,
}

impl Issue {
    /// Occurrences that did not alert: counted all the same.
    pub fn suppressed(&self) -> u64 {
        self.occurrences.saturating_sub(self.alerts)
    }
}
