//! A notice: what the `tell` channels are told, past gate and outbox.
//!
//! Promises: each channel is told once, and tried again until it takes or refuses it. Deliberately not here: when there is
//! something to tell.

use std::sync::Arc;
use std::time::Duration;

use super::{Settings, Watch};
use crate::alert::{AWAY_MS, Alert, Attempt, DECIDES, Delivery, Health, Kind, OWN_PROJECT, SAID, STOPPED_AT, Store};
use crate::deliver::{Channel, Courier};
use crate::event::{Attributes, Event, Level};
use crate::issue::{CauseKey, Fingerprint};
use crate::time::Time;

use super::canary::Stopped;

/// How long after a failure it is tried again.
const AGAIN_AFTER: Duration = Duration::from_secs(2);
/// Of the issue that its messages name: there is none in the archive.
const ISSUE: Fingerprint = Fingerprint(0x000b_0450_0000_0000_0000_0000_0000_0001);

/// A message, and who has not had it yet.
pub(super) struct Notice {
    alert: Alert,
    left: Vec<Arc<Channel>>,
    /// Not to be tried before.
    again_at: Time,
}

type Tags = Vec<(&'static str, String)>;

impl Notice {
    /// Canaries do not arrive any more: since the one that was sent at `since`.
    pub(super) fn stopped(watch: &Watch, to: &Settings, since: Time, now: Time, stopped: &Stopped) -> Notice {
        let mut tags = vec![(STOPPED_AT, stopped.at.to_owned()), (SAID, stopped.said.clone())];
        // Nothing to say while every store is asked that there is.
        let admission = &watch.river.admission;
        if admission.archive_is_away() || admission.cache_is_up() == Some(false) {
            tags.push((DECIDES, admission.decides().to_owned()));
        }
        Notice::of(watch, to, Health { store: Store::Way, away: true }, since, now, tags)
    }

    /// They arrive again.
    pub(super) fn works(watch: &Watch, to: &Settings, since: Time, now: Time) -> Notice {
        let tags = vec![(AWAY_MS, now.since(since).as_millis().to_string())];
        Notice::of(watch, to, Health { store: Store::Way, away: false }, since, now, tags)
    }

    /// Another decides, because of a store that went away or came back.
    pub(super) fn decides(watch: &Watch, to: &Settings, before: &str, decides: &str, now: Time) -> Notice {
        // Who decides names the stores that are asked; this pod's memory is none.
        let asked = |store: &str, who: &str| who.split('+').any(|one| one == store);
        let archive = asked("archive", before) != asked("archive", decides);
        let (store, name) = if archive { (Store::Archive, "archive") } else { (Store::Cache, "cache") };
        let health = Health { store, away: !asked(name, decides) };
        Notice::of(watch, to, health, now, now, vec![(DECIDES, decides.to_owned())])
    }

    fn of(watch: &Watch, to: &Settings, health: Health, since: Time, now: Time, tags: Tags) -> Notice {
        let attributes = Attributes {
            category: "Runtime".into(),
            module: OWN_PROJECT.into(),
            location: health.location().into(),
            detail: health.location().into(),
            ..Attributes::default()
        };
        let event = Event {
            attributes: attributes.clone(),
            level: if health.away { Level::Error } else { Level::Info },
            server: Some(watch.server.clone().into()).filter(|_| !watch.server.is_empty()),
            tags: tags.into_iter().map(|(name, value)| (name.into(), value.into())).collect(),
            ..Event::default()
        };
        let alert = Alert {
            id: -now.ms(),
            kind: Kind::Health(health),
            fingerprint: ISSUE,
            cause: CauseKey(ISSUE.0),
            project: OWN_PROJECT.to_owned(),
            window_opened_at: now,
            window_ends_at: now,
            ordinal: 1,
            budget: 1,
            granted_at: now,
            occurrences: 1,
            occurrences_total: 1,
            first_seen: since,
            last_seen: now,
            new: false,
            regression: None,
            normalized: attributes.clone(),
            attributes,
            event: Some(event),
            servers: Vec::new(),
        };
        Notice { alert, left: to.tell.clone(), again_at: now }
    }

    /// Tells whoever has not had it yet. Answers whether nobody is left.
    pub(super) async fn tell(&mut self, courier: &Courier, now: Time, clock: fn() -> Time) -> bool {
        if now < self.again_at {
            return false;
        }
        let mut left = Vec::new();
        for channel in self.left.drain(..) {
            let delivery = Delivery::first(Arc::clone(channel.name()), self.alert.clone());
            let brought = courier.carry(channel.compose(&delivery, now)).await;
            let name = &**channel.name();
            let (error, not_before) = match channel.judge(&brought, clock()) {
                Attempt::Delivered => {
                    tracing::info!(channel = name, "told past the outbox");
                    continue;
                }
                Attempt::Refused { error } => {
                    tracing::error!(channel = name, %error, "nobody could be told: refused");
                    continue;
                }
                Attempt::Failed { error, not_before } => (error, not_before),
                // To be told twice is better than not to be told.
                Attempt::Unanswered { error } => (error, None),
            };
            tracing::warn!(channel = name, %error, "nobody could be told yet; trying again");
            self.again_at = clock().plus(AGAIN_AFTER).max(not_before.unwrap_or_default()).max(self.again_at);
            left.push(channel);
        }
        self.left = left;
        self.left.is_empty()
    }
}
