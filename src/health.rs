//! What people are told of bongsu's own stores: that one went away, what that means for them, and that it is back.
//!
//! Promises: said through the gate like any error, as one of the project `bongsu` ([`OWN_PROJECT`]): so several servers
//! that notice the same say it once, whoever decides at the moment, and a store that flaps says it once in
//! [`WINDOW`]. Failures to deliver are not among these: the notifier cannot feed itself. Deliberately not here: noticing
//! (`admit`), words (`deliver/message`).

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use crate::admit::StoreChange;
use crate::alert::{AWAY_MS, DECIDES, Health, OWN_PROJECT, Route, Store};
use crate::config::Config;
use crate::event::{Attributes, Event, Level};
use crate::issue::Policy;
use crate::outcome::Outcome;
use crate::river::River;

/// How long the same change is not told again.
pub(crate) const WINDOW: Duration = Duration::from_secs(5 * 60);
/// Changes that may wait to be told.
const WAITING_MAX: usize = 16;
/// How often a change that was not taken is told again, and how long after.
const TRIES: u32 = 30;
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// How often, and where: `all` are the channels there are, of which the configuration may choose.
pub(crate) fn route(config: &Config, all: &[Arc<str>]) -> Route {
    let chosen = |name: &&Arc<str>| config.health.channels.iter().any(|chosen| ***name == **chosen);
    let channels = match config.health.channels.is_empty() {
        true => all.to_vec(),
        false => all.iter().filter(chosen).cloned().collect(),
    };
    let policy = Policy { budget: 1, window: WINDOW, spacing: Vec::new(), closing: false, maintenance_until: None };
    Route::to(Arc::new(policy), channels)
}

/// What this server is called, as far as its host says.
pub(crate) fn server_name() -> String {
    std::env::var("HOSTNAME").unwrap_or_default()
}

/// Who tells.
pub(crate) struct Herald {
    river: Arc<River>,
    changes: mpsc::Receiver<StoreChange>,
    /// This server's name.
    server: String,
}

impl Herald {
    /// Whoever tells, and the way to it.
    pub(crate) fn new(river: Arc<River>) -> (Herald, mpsc::Sender<StoreChange>) {
        let (to, changes) = mpsc::channel(WAITING_MAX);
        (Herald { river, changes, server: server_name() }, to)
    }

    /// Tells until `stop` says so.
    pub(crate) async fn run(mut self, mut stop: watch::Receiver<bool>) {
        tokio::select! {
            () = self.tell() => {}
            _ = stop.changed() => {}
        }
    }

    async fn tell(&mut self) {
        while let Some(change) = self.changes.recv().await {
            for _ in 0..TRIES {
                let outcome = self.river.announce(self.event(&change)).await;
                if !matches!(outcome, Outcome::Rejected(_)) {
                    break;
                }
                tokio::time::sleep(AGAIN_AFTER).await;
            }
        }
    }

    fn event(&self, change: &StoreChange) -> Event<'static> {
        let Health { store, away } = change.health;
        let store = if store == Store::Cache { "cache" } else { "archive" };
        let detail = match away {
            true => format!("the {store} is away: {}", change.why),
            false => format!("the {store} is back"),
        };
        let mut tags = vec![(DECIDES.into(), change.decides.into())];
        let away_for = change.away_since.map(|since| change.at.since(since));
        tags.extend(away_for.map(|span| (AWAY_MS.into(), span.as_millis().to_string().into())));
        Event {
            attributes: Attributes {
                category: "Runtime".into(),
                module: OWN_PROJECT.into(),
                location: change.health.location().into(),
                detail: detail.into(),
                ..Attributes::default()
            },
            // What went wrong is worded in many ways; it is one thing that happened.
            fingerprint: vec![change.health.location().into()],
            level: if away { Level::Error } else { Level::Info },
            server: Some(self.server.clone().into()).filter(|_| !self.server.is_empty()),
            tags,
            ..Event::default()
        }
    }
}
