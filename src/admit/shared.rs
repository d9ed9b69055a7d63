//! The cache's part of admission: what is quiet is counted there, in one round trip for all that has queued.
//!
//! Promises: an occurrence is counted in the cache, or its event goes on to the archive, never neither. A cache that
//! fails or dawdles gets a rest ([`super::breaker`]), and everything goes to the archive meanwhile. Deliberately not here:
//! who may alert (`gate`, the archive), the write-back (`write_back`).

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use super::breaker::{Breaker, Change};
use super::changes::Changes;
use super::told::Told;
use super::{Duties, StoreChange};
use crate::alert::{Health, Store};
use crate::archive::{Archive, Interim, Remembered};
use crate::cache::{self, Cache, Marker, Record, Sighting};
use crate::gate::{self, Quiet};
use crate::issue::{Fingerprint, Policy, Reason, Standing};
use crate::metrics::{Metrics, Stopwatch};
use crate::outcome::{Counted, Outcome};
use crate::time::Time;

/// How often a cache that rests is asked whether it is back: nobody waits for the answer.
const PROBE_EVERY: Duration = Duration::from_millis(200);
/// Of so many turns, one asks a cache that does not rest.
const IDLE_TURNS: u64 = 5;

/// What the cache made of an occurrence.
#[derive(Debug)]
pub(super) enum Sighted {
    /// It is counted.
    Counted(Outcome),
    /// The archive has to decide.
    Ask(Option<Remembered>),
}

/// The cache, and what this pod knows of it.
pub(crate) struct Shared {
    pub(super) cache: Arc<Cache>,
    pub(super) breaker: Breaker,
    /// This pod's memory, when neither cache nor archive can be asked.
    pub(super) last: Arc<Cache>,
    pub(super) told: Told,
    /// Whether the archive is asked ([`super::deputy`]).
    pub(super) archive_breaker: Breaker,
    /// What was granted while it was not.
    pub(super) interim: Arc<Interim>,
    /// What people are told of both.
    pub(super) changes: Changes,
    /// Held by whoever records that: one at a time.
    pub(super) recording: tokio::sync::Mutex<()>,
    /// This process, among those that count.
    pub(super) pod: u64,
    pub(super) metrics: Arc<Metrics>,
    pub(super) now: fn() -> Time,
}

impl Shared {
    /// A cache that nobody has asked yet, and the last resort.
    pub(crate) fn new(
        (cache, last): (Arc<Cache>, Arc<Cache>),
        pod: u64,
        interim: Arc<Interim>,
        metrics: Arc<Metrics>,
        now: fn() -> Time,
    ) -> Shared {
        let (breaker, told) = (Breaker::default(), Told::default());
        metrics.cache_up.set(1);
        let archive_breaker = Breaker::of_slow_calls();
        let recording = tokio::sync::Mutex::default();
        let changes = Changes::default();
        Shared { cache, breaker, last, told, archive_breaker, interim, changes, recording, pod, metrics, now }
    }

    /// From now on, changes of the stores are told there.
    pub(crate) fn tell_changes(&self, to: mpsc::Sender<StoreChange>) {
        self.changes.go_to(to);
    }

    /// Who decides now: `cache+archive`, `archive`, `cache` or `memory`.
    pub(crate) fn decides(&self) -> &'static str {
        match (self.is_up(), self.is_archive_up()) {
            (false, true) => "archive",
            (true, true) => "cache+archive",
            (true, false) => "cache",
            (false, false) => "memory",
        }
    }

    /// Tells people what became of a store.
    pub(super) fn tell(&self, store: Store, away: bool, why: String) {
        self.changes.tell(Health { store, away }, why, self.decides(), (self.now)());
    }

    /// Whether the cache is asked at all.
    pub(crate) fn is_up(&self) -> bool {
        self.breaker.is_closed()
    }

    /// Asks resting stores again and again whether they are back. `bound`: how long the archive may take.
    pub(crate) async fn watch(
        self: Arc<Self>,
        archive: Archive,
        duties: watch::Receiver<Arc<Duties>>,
        bound: Duration,
        stop: watch::Receiver<bool>,
    ) {
        let cache = async {
            let mut turns = Turns::until(stop.clone());
            while turns.next().await {
                if !self.breaker.is_closed() {
                    let answer = self.cache.ping().await;
                    self.note(self.breaker.probed(answer.is_ok()), answer.err());
                } else if turns.nth.is_multiple_of(IDLE_TURNS)
                    && let Err(error) = self.cache.ping().await
                {
                    // A server without traffic notices too.
                    self.note(self.breaker.record(false), Some(error));
                }
            }
        };
        let archive = async {
            let mut turns = Turns::until(stop.clone());
            while turns.next().await {
                if !self.archive_breaker.is_closed() {
                    let expiry = duties.borrow().expiry;
                    self.probe_archive(&archive, expiry, bound).await;
                }
            }
        };
        tokio::join!(cache, archive);
    }

    /// How much is not known to be written back.
    pub(super) fn tell_pending(&self) {
        self.metrics.write_back_pending.set(i64::try_from(self.told.pending()).unwrap_or(i64::MAX));
    }

    /// Counts what is quiet; answers in order.
    pub(super) async fn count(self: Arc<Self>, fingerprints: Vec<Fingerprint>) -> Vec<Sighted> {
        if !self.breaker.is_closed() {
            return fingerprints.iter().map(|_| Sighted::Ask(None)).collect();
        }
        let (batch, places) = fold(&fingerprints);
        let started = Stopwatch::start();
        let now = (self.now)();
        let sightings = self.cache.count(&batch, now).await;
        self.metrics.observe_cache("count", started);
        self.last.remember(&quiet(&batch, &sightings), now).await.ok();
        let mut failure = None;
        let mut answers: Vec<Answer> = batch
            .iter()
            .zip(sightings)
            .map(|((fingerprint, count), sighting)| {
                let sighting = sighting.unwrap_or_else(|error| {
                    self.metrics.cache_in_doubt.inc_by(if error.in_doubt() { *count } else { 0 });
                    failure = Some(error);
                    Sighting::Ask { record: None }
                });
                self.answer(*fingerprint, *count, sighting)
            })
            .collect();
        self.note(self.breaker.record(failure.is_none()), failure);
        let sighted: Vec<Sighted> = places.into_iter().map(|place| answers[place].next()).collect();
        // Counted here, where they come to be: a client that hung up does not take them away.
        for one in &sighted {
            if let Sighted::Counted(outcome) = one {
                self.metrics.count(outcome);
            }
        }
        sighted
    }

    fn answer(&self, fingerprint: Fingerprint, count: u64, sighting: Sighting) -> Answer {
        match sighting {
            Sighting::Quiet { record, minute, .. } => {
                self.told.note(fingerprint, record.epoch, minute, Some(record.marker.reason), count);
                Answer::Quiet { fingerprint, seen: record.marker.seen.saturating_sub(count), marker: record.marker }
            }
            Sighting::Ask { record } => Answer::Ask(record.map(|record| remembered(&record))),
        }
    }

    /// Remembers what the archive decided. Losing it is harmless, so it is not tried again.
    pub(super) async fn remember(&self, markers: Vec<(Fingerprint, Marker)>) {
        if markers.is_empty() {
            return;
        }
        // The memory never fails; what finds no room in it is decided by the archive, or not at all.
        self.last.remember(&markers, (self.now)()).await.ok();
        if !self.breaker.is_closed() {
            return;
        }
        let started = Stopwatch::start();
        let failure = self.cache.remember(&markers, (self.now)()).await.err();
        self.metrics.observe_cache("remember", started);
        self.note(self.breaker.record(failure.is_none()), failure);
    }

    /// Takes note of what became of the cache, and tells it once.
    pub(super) fn note(&self, change: Option<Change>, failure: Option<cache::Error>) {
        match (change, failure) {
            (Some(Change::Opened), Some(error)) => {
                tracing::error!(%error, "the cache gets a rest; the archive counts and decides until it is back, or this pod alone");
                self.tell(Store::Cache, true, error.to_string());
            }
            (Some(Change::Opened), None) => unreachable!("only failures open a breaker"),
            (Some(Change::Closed), _) => {
                tracing::warn!("the cache is back");
                self.tell(Store::Cache, false, String::new());
            }
            (None, Some(error)) if self.breaker.is_closed() => tracing::warn!(%error, "a call to the cache failed"),
            (None, _) => return,
        }
        self.metrics.cache_up.set(i64::from(self.breaker.is_closed()));
    }
}

/// The turns of a probe.
struct Turns {
    interval: tokio::time::Interval,
    /// Which it is.
    nth: u64,
    stop: watch::Receiver<bool>,
}

impl Turns {
    fn until(stop: watch::Receiver<bool>) -> Turns {
        let mut interval = tokio::time::interval(PROBE_EVERY);
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        Turns { interval, nth: 0, stop }
    }

    /// Waits for the next; answers whether there is one.
    async fn next(&mut self) -> bool {
        self.nth += 1;
        tokio::select! {
            _ = self.interval.tick() => true,
            _ = self.stop.changed() => false,
        }
    }
}

/// What a fingerprint's occurrences are answered, one after the other.
enum Answer {
    Quiet {
        fingerprint: Fingerprint,
        marker: Marker,
        /// Occurrences before the next one.
        seen: u64,
    },
    Ask(Option<Remembered>),
}

impl Answer {
    fn next(&mut self) -> Sighted {
        match self {
            Answer::Ask(remembered) => Sighted::Ask(*remembered),
            Answer::Quiet { fingerprint, marker, seen } => {
                *seen += 1;
                let muted = !marker.reason.is_in_window();
                let counted = Counted {
                    fingerprint: *fingerprint,
                    budget: marker.budget,
                    occurrences: if muted { 0 } else { *seen },
                    window_ends_at: marker.window_ends_at.filter(|_| !muted),
                };
                Sighted::Counted(Outcome::Suppressed { reason: marker.reason, counted })
            }
        }
    }
}

fn remembered(record: &Record) -> Remembered {
    let Marker { revision, window_opened_at, seen, window_ends_at, budget, granted, .. } = record.marker;
    Remembered { revision, window_opened_at, seen, held: record.held, window_ends_at, budget, granted }
}

/// What this pod's memory shall know should it have to decide alone: whose alerts are spent, and who is muted.
fn quiet(batch: &[(Fingerprint, u64)], sightings: &[Result<Sighting, cache::Error>]) -> Vec<(Fingerprint, Marker)> {
    let quiet = |((fingerprint, _), sighting): (&(Fingerprint, u64), &Result<Sighting, cache::Error>)| match sighting {
        Ok(Sighting::Quiet { record, .. }) => Some((*fingerprint, record.marker.clone())),
        Ok(Sighting::Ask { .. }) | Err(_) => None,
    };
    batch.iter().zip(sightings).filter_map(quiet).collect()
}

/// One count a fingerprint, and which of them each occurrence went to.
pub(crate) fn fold(fingerprints: &[Fingerprint]) -> (Vec<(Fingerprint, u64)>, Vec<usize>) {
    let mut places: HashMap<Fingerprint, usize> = HashMap::with_capacity(fingerprints.len());
    let mut batch: Vec<(Fingerprint, u64)> = Vec::new();
    let place_of = fingerprints.iter().map(|fingerprint| {
        let place = *places.entry(*fingerprint).or_insert(batch.len());
        match batch.get_mut(place) {
            Some((_, count)) => *count += 1,
            None => batch.push((*fingerprint, 1)),
        }
        place
    });
    let place_of = place_of.collect();
    (batch, place_of)
}

/// What the cache shall remember of a standing. What is not quiet is remembered as well: it ends what was quiet before,
/// and says how much of the budget is left when the archive cannot be asked. `None`: there is nothing to remember.
pub(super) fn marker(standing: &Standing, policy: Option<&Policy>, revision: u64, now: Time) -> Option<Marker> {
    let window = standing.window.as_ref();
    let quiet = gate::quiet(standing, policy, now);
    if window.is_none() && quiet.is_none() {
        return None;
    }
    let Quiet { reason, until, more } = quiet.unwrap_or(Quiet { reason: Reason::Budget, until: now, more: None });
    Some(Marker {
        revision,
        reason,
        quiet_until: until,
        more,
        window_opened_at: window.map_or(now, |window| window.opened_at),
        window_ends_at: window.map(|window| window.ends_at),
        budget: window.map_or(0, |window| window.budget),
        granted: window.map_or(0, |window| window.granted),
        seen: window.map_or(0, |window| window.seen),
    })
}
