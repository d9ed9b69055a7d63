//! Admission: every event is counted and decided before it is acknowledged.
//!
//! Promises: events commit together with whatever else has queued (`lane.rs`), folded to one tally a fingerprint, and are
//! answered once the archive has made the batch durable; or, when there is a cache and the archive is away, once it is
//! counted and granted without it (`deputy.rs`). Deliberately not here: the decision itself (`gate`).
//!
//! Invariant: *One outcome.* A request is answered with exactly as many outcomes as it brought events, in their order.

mod breaker;
mod changes;
mod committer;
mod deputy;
mod fold;
mod lane;
mod shared;
mod told;
mod write_back;

use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::time::Duration;

use tokio::sync::{Notify, mpsc, watch};

use crate::alert::{Delivery, Route};
use crate::archive::{Archive, Error, Remembered};
use crate::event::Packed;
use crate::issue::{Fingerprint, Issue, Rules};
use crate::metrics::Metrics;
use crate::outcome::{Outcome, Reject, RejectReason};
use crate::storm::Folding;
use crate::time::Time;

pub(crate) use changes::Change as StoreChange;
use committer::Committer;
pub(crate) use fold::fold;
use lane::Turned;
pub(crate) use lane::{Hold, Lane};
use shared::Sighted;
pub(crate) use shared::{Shared, fold as fold_counts};
pub(crate) use write_back::{Times, WriteBack};

/// An event on its way through the gate.
pub(crate) struct Arrival {
    /// Its issue.
    pub(crate) fingerprint: Fingerprint,
    /// The project whose key brought it.
    pub(crate) project: Arc<str>,
    /// Policy and channels it falls under.
    pub(crate) route: Arc<Route>,
    /// The rules that made the fingerprint.
    pub(crate) rules: Arc<Rules>,
    /// What the cache remembers of the issue.
    pub(crate) remembered: Option<Remembered>,
    /// The event.
    pub(crate) event: Packed,
}

/// The way to a channel's worker for deliveries that are claimed in the transaction that makes them: they need no second
/// one before they are sent. What finds no room waits in the outbox.
#[derive(Clone)]
pub(crate) struct Handoff {
    /// The channel.
    pub(crate) channel: Arc<str>,
    /// How long what is handed over is the worker's alone.
    pub(crate) lease: Duration,
    /// What is told in one message.
    pub(crate) folding: Folding,
    /// When the worker was last told to look, in milliseconds.
    pub(crate) look_at_ms: Arc<AtomicI64>,
    /// To the worker. Nobody else sends into it, so room that was seen stays.
    pub(crate) to: mpsc::Sender<Delivery>,
}

/// What may change between two batches. A batch goes by one of them.
#[derive(Default)]
pub(crate) struct Duties {
    /// Events stored of one issue and day.
    pub(crate) samples_per_day: u32,
    /// How long an alert is worth sending.
    pub(crate) expiry: Duration,
    /// The channels' workers.
    pub(crate) handoffs: Vec<Handoff>,
}

impl Duties {
    /// Those that never change, without any worker.
    pub(crate) fn fixed(samples_per_day: u32, expiry: Duration) -> watch::Receiver<Arc<Duties>> {
        watch::channel(Arc::new(Duties { samples_per_day, expiry, handoffs: Vec::new() })).1
    }
}

/// What the committer needs besides the archive.
pub(crate) struct Settings {
    /// Events that may wait.
    pub(crate) queued_events: usize,
    /// What the next batch goes by.
    pub(crate) duties: watch::Receiver<Arc<Duties>>,
    /// How long the archive may take for a batch.
    pub(crate) archive_max: Duration,
    /// How long events wait for an archive that gives no sign of life, when there is a cache.
    pub(crate) patience: Duration,
    /// Counts how long commits take.
    pub(crate) metrics: Arc<Metrics>,
    /// Reads the clock.
    pub(crate) now: fn() -> Time,
}

/// The way in: shared by all requests.
pub(crate) struct Admission {
    /// First to the cache, when there is one.
    counting: Option<Lane<Fingerprint, Sighted>>,
    /// What the cache did not count.
    deciding: Lane<Arrival, Outcome>,
    shared: Option<Arc<Shared>>,
    metrics: Arc<Metrics>,
}

impl Admission {
    /// Starts the lanes, which end when the last request is answered after this is dropped. `granted` is notified when
    /// more was granted than could be handed over.
    pub(crate) fn start(
        archive: Archive,
        shared: Option<Arc<Shared>>,
        settings: Settings,
        granted: Arc<Notify>,
    ) -> (Admission, tokio::task::JoinHandle<()>) {
        let (queued_events, metrics) = (settings.queued_events, Arc::clone(&settings.metrics));
        let committer = Arc::new(Committer::new(archive, shared.clone(), settings, granted));
        let (deciding, decider) = Lane::start(queued_events, move |arrivals| Arc::clone(&committer).commit(arrivals));
        let count = |shared| Lane::start(queued_events, move |seen| Shared::count(Arc::clone(&shared), seen));
        let (counting, counter) = shared.clone().map(count).unzip();
        let both = tokio::spawn(async move {
            if let Some(counter) = counter {
                counter.await.ok();
            }
            decider.await.ok();
        });
        (Admission { counting, deciding, shared, metrics }, both)
    }

    /// Events that wait.
    pub(crate) fn queued(&self) -> usize {
        self.deciding.queued() + self.counting.as_ref().map_or(0, Lane::queued)
    }

    /// Counts and decides; answers one outcome an arrival, in order.
    pub(crate) async fn admit(&self, arrivals: Vec<Arrival>, hold: Hold) -> Vec<Outcome> {
        let Some(counting) = &self.counting else { return self.decide(arrivals, hold).await };
        let fingerprints = arrivals.iter().map(|arrival| arrival.fingerprint).collect();
        let sighted = match counting.ask(fingerprints, Arc::clone(&hold)).await {
            Ok(sighted) => sighted,
            Err(turned) => return self.refuse(arrivals.len(), turned),
        };
        let mut outcomes = Vec::with_capacity(arrivals.len());
        let mut asked = Vec::new();
        for (arrival, sighted) in arrivals.into_iter().zip(sighted) {
            outcomes.push(match sighted {
                Sighted::Counted(outcome) => Some(outcome),
                Sighted::Ask(remembered) => {
                    asked.push(Arrival { remembered, ..arrival });
                    None
                }
            });
        }
        let mut decided = self.decide(asked, hold).await.into_iter();
        outcomes.into_iter().filter_map(|outcome| outcome.or_else(|| decided.next())).collect()
    }

    /// Whether there is a cache that several pods share.
    pub(crate) fn shares(&self) -> bool {
        self.shared.is_some()
    }

    /// Who decides now: `cache+archive`, `archive`, `cache` or `memory`.
    pub(crate) fn decides(&self) -> &'static str {
        self.shared.as_ref().map_or("archive", |shared| shared.decides())
    }

    /// Whether the cache is asked; `None` when there is none.
    pub(crate) fn cache_is_up(&self) -> Option<bool> {
        self.shared.as_ref().map(|shared| shared.is_up())
    }

    /// Takes note of what somebody else met with in the archive: a server without traffic notices too.
    pub(crate) fn note_archive_failure(&self, error: &Error) {
        if let Some(shared) = &self.shared {
            shared.note_archive(Some(error));
        }
    }

    /// Whether the archive is known to be away, and left alone until it is back.
    pub(crate) fn archive_is_away(&self) -> bool {
        self.shared.as_ref().is_some_and(|shared| !shared.is_archive_up())
    }

    /// Tells all pods what people decided about an issue. What is told late or twice changes nothing.
    pub(crate) async fn publish(&self, issues: &[Issue], now: Time) {
        let Some(shared) = &self.shared else { return };
        let marker = |issue: &Issue| {
            let marker = shared::marker(&issue.standing, None, issue.revision, now);
            marker.map(|marker| (issue.fingerprint, marker))
        };
        shared.remember(issues.iter().filter_map(marker).collect()).await;
    }

    async fn decide(&self, arrivals: Vec<Arrival>, hold: Hold) -> Vec<Outcome> {
        let count = arrivals.len();
        match self.deciding.ask(arrivals, hold).await {
            Ok(outcomes) => outcomes,
            Err(turned) => self.refuse(count, turned),
        }
    }

    fn refuse(&self, count: usize, turned: Turned) -> Vec<Outcome> {
        let refused = refused(count, turned);
        refused.iter().for_each(|outcome| self.metrics.count(outcome));
        refused
    }
}

fn refused(count: usize, turned: Turned) -> Vec<Outcome> {
    match turned {
        Turned::Full => rejected(
            count,
            RejectReason::Overloaded,
            "more events are waiting for the archive than limits.queued_events allows; send again later",
        ),
        Turned::Stopping => rejected(count, RejectReason::Unavailable, "the server is stopping; send again later"),
    }
}

fn rejected(count: usize, reason: RejectReason, detail: &str) -> Vec<Outcome> {
    vec![Outcome::Rejected(Reject { reason, detail: detail.to_owned() }); count]
}
