//! What becomes of the stores, for whoever tells people.
//!
//! Promises: never in the way: what finds no room is in the log, the gauges and `/readyz` all the same. Deliberately not
//! here: the telling (`health`).

use std::sync::{Mutex, OnceLock, PoisonError};

use tokio::sync::mpsc;

use crate::alert::{Health, Store};
use crate::time::Time;

/// A store that went away, or came back.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    /// What happened to which.
    pub(crate) health: Health,
    /// When this server noticed.
    pub(crate) at: Time,
    /// Since when it was away, when it is back.
    pub(crate) away_since: Option<Time>,
    /// Why it was left alone; empty when it is back.
    pub(crate) why: String,
    /// Who decides from now on.
    pub(crate) decides: &'static str,
}

/// The way to whoever tells people.
#[derive(Debug, Default)]
pub(super) struct Changes {
    to: OnceLock<mpsc::Sender<Change>>,
    away_since: Mutex<[Option<Time>; 2]>,
}

impl Changes {
    /// From now on, changes go there.
    pub(super) fn go_to(&self, to: mpsc::Sender<Change>) {
        self.to.set(to).ok();
    }

    /// Tells one.
    pub(super) fn tell(&self, health: Health, why: String, decides: &'static str, now: Time) {
        let mut away_since = self.away_since.lock().unwrap_or_else(PoisonError::into_inner);
        let since = &mut away_since[usize::from(health.store == Store::Archive)];
        let away_since = if health.away { since.replace(now).and(None) } else { since.take() };
        if let Some(to) = self.to.get() {
            to.try_send(Change { health, at: now, away_since, why, decides }).ok();
        }
    }
}
