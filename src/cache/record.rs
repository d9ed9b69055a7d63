//! The record of one fingerprint, and how it changes.
//!
//! Promises: pure. The memory store runs this as it stands, DynamoDB plans its conditional writes with it, Redis does the
//! same in Lua, and the contract suite holds the three together. Deliberately not here: totals and expiry.

use super::Claim;
use crate::issue::Reason;
use crate::time::Time;

/// What the archive decided about an error, as far as it lasts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Marker {
    /// Of the issue's standing in the archive, from 1. Below 2^53, like every count here: Lua's numbers.
    pub(crate) revision: u64,
    /// Why occurrences are held back.
    pub(crate) reason: Reason,
    /// The first moment at which one may alert again.
    pub(crate) quiet_until: Time,
    /// How many further occurrences a mute may hold back.
    pub(crate) more: Option<u64>,
    /// Start of the newest window; of a mute before any window, the moment of the mute.
    pub(crate) window_opened_at: Time,
    /// Its end; `None`: there is no window.
    pub(crate) window_ends_at: Option<Time>,
    /// Alerts in the window, at most.
    pub(crate) budget: u32,
    /// Alerts granted in it.
    pub(crate) granted: u32,
    /// Occurrences in the window so far, for display.
    pub(crate) seen: u64,
}

/// What is remembered of a fingerprint, besides its totals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// With the fingerprint, the name of the counter.
    pub(crate) epoch: u64,
    /// The newest decision, with what was counted since.
    pub(crate) marker: Marker,
    /// How many of the marker's `more` are used up.
    pub(crate) held: u64,
}

/// What a claim made of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Allotment {
    /// Held back by the marker that was live, with its reason.
    pub(super) quiet: u64,
    /// That reason.
    pub(super) quiet_reason: Reason,
    /// Granted an alert.
    pub(super) granted: u32,
    /// The first ordinal.
    pub(super) first_ordinal: u32,
    /// Held back because the budget is spent.
    pub(super) spent: u64,
}

impl Allotment {
    /// The counts it stands for, each with its reason (`None`: granted) once, without those that are nothing.
    pub(super) fn counts(&self) -> impl Iterator<Item = (Option<Reason>, u64)> {
        let together = self.quiet_reason == Reason::Budget;
        let quiet = if together { 0 } else { self.quiet };
        let spent = if together { self.quiet + self.spent } else { self.spent };
        [(Some(self.quiet_reason), quiet), (None, u64::from(self.granted)), (Some(Reason::Budget), spent)]
            .into_iter()
            .filter(|(_, count)| *count > 0)
    }
}

impl Record {
    /// A record that comes to be.
    pub(super) fn new(epoch: u64, marker: Marker) -> Record {
        Record { epoch, marker, held: 0 }
    }

    /// Counts if the marker is live. A mute with too little room for all of `count` is over with it: the archive divides
    /// what is left, and must be the only one to use it.
    pub(super) fn count(&mut self, count: u64, now: Time) -> bool {
        if now >= self.marker.quiet_until {
            return false;
        }
        if let Some(more) = self.marker.more {
            if self.held.saturating_add(count) > more {
                self.marker.more = Some(self.held);
                return false;
            }
            self.held += count;
        }
        self.marker.seen = self.marker.seen.saturating_add(count);
        true
    }

    /// Takes a decision of the archive, unless a newer one is known. Within one window grants and sightings only grow.
    pub(super) fn remember(&mut self, marker: &Marker) -> bool {
        if marker.revision <= self.marker.revision {
            return false;
        }
        let before = std::mem::replace(&mut self.marker, marker.clone());
        if before.window_opened_at == marker.window_opened_at {
            self.marker.granted = marker.granted.max(before.granted);
            self.marker.seen = marker.seen.max(before.seen);
        }
        self.held = 0;
        true
    }

    /// Divides a claim: what the live marker holds back, what is granted, what is beyond the budget.
    pub(super) fn grant(&mut self, claim: &Claim, now: Time) -> Allotment {
        let Claim { count, budget, window, .. } = *claim;
        self.hold(claim, now);
        let marker = &mut self.marker;
        let quiet_reason = marker.reason;
        let mut quiet = 0;
        if now < marker.quiet_until {
            quiet = marker.more.map_or(count, |more| count.min(more - self.held.min(more)));
            marker.seen = marker.seen.saturating_add(quiet);
            if marker.more.is_some() {
                self.held += quiet;
            }
            if quiet == count {
                return Allotment { quiet, quiet_reason, granted: 0, first_ordinal: marker.granted + 1, spent: 0 };
            }
        }
        if marker.window_ends_at.is_none_or(|ends_at| now >= ends_at) {
            // An alert's identity is its window's start and its ordinal: no two windows start together.
            let opened_at = now.max(Time(marker.window_opened_at.ms() + 1));
            *marker = Marker {
                window_opened_at: opened_at,
                window_ends_at: Some(opened_at.plus(window)),
                ..Marker::provisional(marker.revision, budget, now)
            };
            self.held = 0;
        }
        let left = count - quiet;
        let room = marker.budget.saturating_sub(marker.granted);
        let granted = u32::try_from(left).unwrap_or(u32::MAX).min(room);
        let first_ordinal = marker.granted + 1;
        marker.granted += granted;
        marker.seen = marker.seen.saturating_add(left);
        if marker.granted >= marker.budget {
            marker.reason = Reason::Budget;
            marker.more = None;
            self.held = 0;
            marker.quiet_until = marker.window_ends_at.unwrap_or(now);
        }
        Allotment { quiet, quiet_reason, granted, first_ordinal, spent: left - u64::from(granted) }
    }

    /// Makes it quiet for maintenance, unless it is quiet for all of the claim anyway.
    fn hold(&mut self, claim: &Claim, now: Time) {
        let Some(until) = claim.held_until.filter(|until| now < *until) else { return };
        let left = self.marker.more.map(|more| more.saturating_sub(self.held));
        if now >= self.marker.quiet_until || left.is_some_and(|left| claim.count > left) {
            self.marker.reason = Reason::Maintenance;
            self.marker.quiet_until = until;
            self.marker.more = None;
            self.held = 0;
        }
    }

    /// When nothing of it matters any more, but for the last write-back.
    pub(super) fn lapses_at(&self, now: Time) -> Time {
        self.marker.lapses_at(now)
    }
}

impl Marker {
    /// What is known of an error whose archive cannot be asked: no window, and nothing quiet.
    pub(super) fn provisional(revision: u64, budget: u32, now: Time) -> Marker {
        Marker {
            revision,
            reason: Reason::Budget,
            quiet_until: now,
            more: None,
            window_opened_at: Time(0),
            window_ends_at: None,
            budget,
            granted: 0,
            seen: 0,
        }
    }

    /// When it and its window are over.
    pub(super) fn lapses_at(&self, now: Time) -> Time {
        now.max(self.quiet_until).max(self.window_ends_at.unwrap_or(now))
    }
}
