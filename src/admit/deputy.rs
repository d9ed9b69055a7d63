//! Who decides while the archive is away: the cache by its atomic counter, and this pod's memory when that is away too.
//!
//! Promises: what is acknowledged is counted, in the cache or in memory, and noted for the write-back; what is granted is
//! held in memory ([`Interim`]), sent from there, and recorded as soon as the archive is back, before it is asked again.
//! Never more alerts are held than `limits.queued_events`. Deliberately not here: sending (`deliver`), recording them
//! (`archive/adopt.rs`), the rule of the grant (`cache/record.rs`).
//!
//! Invariant: *Budget.* What the cache grants is known to every pod by the cache's record, and to the archive by what is
//! remembered when it is asked again. What pods grant from their own memories is bounded for each pod alone.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use super::breaker::Change;
use super::fold::Folded;
use super::shared::{Shared, marker};
use super::{Settings, rejected};
use crate::alert::Store;
use crate::archive::{Archive, Error, Interim, Provisional, Tally, Way};
use crate::cache::{Claim, Grant};
use crate::gate;
use crate::issue::{Reason, Standing};
use crate::metrics::Stopwatch;
use crate::outcome::{Counted, Outcome, RejectReason};
use crate::time::Time;

/// Alerts recorded in one transaction.
const ADOPTED_AT_A_TIME: usize = 500;

impl Shared {
    /// Whether the archive is asked to decide.
    pub(crate) fn is_archive_up(&self) -> bool {
        self.archive_breaker.is_closed()
    }

    /// Takes note of how a batch fared in the archive.
    pub(super) fn note_archive(&self, error: Option<&Error>) {
        // Others in the way are no failure of the server.
        let good = matches!(error, None | Some(Error::Busy(_)));
        match (self.archive_breaker.record(good), error) {
            (Some(Change::Opened), Some(error)) => self.leave_archive(error),
            (_, Some(error)) => tracing::warn!(%error, "a batch failed in the archive"),
            _ => {}
        }
    }

    /// The archive gives no sign of life: it is not asked once more to find that out.
    pub(super) fn rest_archive(&self, error: &Error) {
        if self.archive_breaker.open() == Some(Change::Opened) {
            self.leave_archive(error);
        }
    }

    fn leave_archive(&self, error: &Error) {
        tracing::error!(%error, "the archive is left alone; the cache, or this pod's memory, decides until it is back");
        self.interim.set_away(true);
        self.metrics.archive_up.set(0);
        self.tell(Store::Archive, true, error.to_string());
    }

    /// Asks whether the archive is back; what was granted without it is recorded first, so that it does not grant that
    /// again. Nobody waits for this.
    pub(super) async fn probe_archive(&self, archive: &Archive, expiry: Duration, bound: Duration) {
        let good = matches!(tokio::time::timeout(bound, archive.probe()).await, Ok(Ok(())))
            && self.adopt(archive, expiry, bound).await;
        if self.archive_breaker.probed(good) == Some(Change::Closed) {
            tracing::warn!("the archive is back");
            self.interim.set_away(false);
            self.metrics.archive_up.set(1);
            self.tell(Store::Archive, false, String::new());
        }
    }

    /// Records what was granted without the archive. Answers whether nothing is left but what is just being sent.
    pub(super) async fn adopt(&self, archive: &Archive, expiry: Duration, bound: Duration) -> bool {
        let _one_at_a_time = self.recording.lock().await;
        let taken = self.interim.to_record(usize::MAX);
        let mut all = true;
        for part in taken.chunks(ADOPTED_AT_A_TIME) {
            let numbers: Vec<u64> = part.iter().map(|(nth, _)| *nth).collect();
            let alerts: Arc<[Provisional]> = part.iter().map(|(_, alert)| alert.clone()).collect();
            let now = (self.now)();
            let adopted = match all {
                true => tokio::time::timeout(bound, archive.adopt(Arc::clone(&alerts), expiry, now)).await,
                // The rest fares no better.
                false => Ok(Err(Error::Closed)),
            };
            match adopted {
                Ok(Ok(adopted)) => {
                    let recorded: u64 = adopted.iter().map(|one| one.recorded).sum();
                    tracing::info!(held = alerts.len(), recorded, "alerts granted without the archive are recorded");
                    self.interim.recorded(&numbers);
                    let policy = |one: &crate::archive::Adopted| {
                        let same = |alert: &&Provisional| alert.fingerprint == one.fingerprint;
                        alerts.iter().find(same).map(|alert| Arc::clone(&alert.route.policy))
                    };
                    let markers = adopted.iter().filter_map(|one| {
                        let marker = marker(&one.standing, policy(one).as_deref(), one.revision, now);
                        marker.map(|marker| (one.fingerprint, marker))
                    });
                    self.remember(markers.collect()).await;
                }
                // It may have been done. Nothing of it is sent from here until the next time says so.
                Ok(Err(Error::Unknown(_))) | Err(_) => all = false,
                Ok(Err(error)) => {
                    if all {
                        tracing::warn!(%error, "alerts granted without the archive could not be recorded; trying again");
                    }
                    all = false;
                    self.interim.not_recorded(&numbers);
                }
            }
        }
        self.metrics.alerts_unrecorded.set(i64::try_from(self.interim.len()).unwrap_or(i64::MAX));
        all
    }

    /// Counts a batch and grants its alerts without the archive. Answers one outcome an arrival.
    pub(super) async fn grant(&self, folded: &Folded, settings: &Settings, granted: &Notify) -> Vec<Outcome> {
        let tallies = &folded.batch.tallies;
        let now = (self.now)();
        let mut room = self.interim.room(settings.queued_events);
        let claims: Vec<Claim> = tallies.iter().map(|tally| claim(tally, now)).collect();
        let fits: Vec<bool> = claims
            .iter()
            .map(|claim| {
                let most = usize::try_from(claim.count.min(u64::from(claim.budget))).unwrap_or(usize::MAX);
                let fits = most <= room;
                room -= if fits { most } else { 0 };
                fits
            })
            .collect();
        let asked: Vec<Claim> = claims.iter().zip(&fits).filter(|(_, fits)| **fits).map(|(claim, _)| *claim).collect();
        let mut grants = self.ask(&asked, now).await.into_iter();
        let mut held = Vec::new();
        let outcomes = tallies.iter().zip(fits).map(|(tally, fits)| {
            let count = tally.events.len();
            let full = "more alerts wait for the archive than limits.queued_events allows; send again later";
            if !fits {
                return rejected(count, RejectReason::Overloaded, full);
            }
            match grants.next().flatten() {
                None => {
                    rejected(count, RejectReason::Unavailable, "nobody said whether it was counted; send again later")
                }
                Some(grant) => self.granted(tally, &grant, (now, folded.batch.expiry), &mut held),
            }
        });
        let outcomes = folded.unfold(outcomes.collect());
        if !held.is_empty() {
            self.interim.put(held);
            self.metrics.alerts_unrecorded.set(i64::try_from(self.interim.len()).unwrap_or(i64::MAX));
            granted.notify_waiters();
        }
        outcomes
    }

    /// Asks the cache, or this pod's memory where the cache has certainly not counted. `None`: nobody knows.
    async fn ask(&self, claims: &[Claim], now: Time) -> Vec<Option<Grant>> {
        let mut answers: Vec<Option<Grant>> = vec![None; claims.len()];
        let mut rest: Vec<usize> = (0..claims.len()).collect();
        if self.breaker.is_closed() && !claims.is_empty() {
            let started = Stopwatch::start();
            let granted = self.cache.grant(claims, now).await;
            self.metrics.observe_cache("grant", started);
            let mut failure = None;
            rest.clear();
            for (nth, grant) in granted.into_iter().enumerate() {
                match grant {
                    Ok(grant) => answers[nth] = Some(grant),
                    Err(error) => {
                        if !error.in_doubt() {
                            rest.push(nth);
                        }
                        failure = Some(error);
                    }
                }
            }
            self.note(self.breaker.record(failure.is_none()), failure);
        }
        let left: Vec<Claim> = rest.iter().map(|nth| claims[*nth]).collect();
        for (nth, grant) in rest.into_iter().zip(self.last.grant(&left, now).await) {
            answers[nth] = grant.inspect_err(|error| tracing::warn!(%error, "no room in memory")).ok();
        }
        answers
    }

    /// Notes what was counted, holds what was granted, and answers the outcomes: what a marker held back came first.
    fn granted(
        &self,
        tally: &Tally,
        grant: &Grant,
        (now, expiry): (Time, Duration),
        held: &mut Vec<Provisional>,
    ) -> Vec<Outcome> {
        let marker = &grant.record.marker;
        let count = tally.events.len() as u64;
        let (quiet, reason) = self.note_counts(tally, grant);
        let granted = u64::from(grant.granted);
        let before = marker.seen.saturating_sub(count);
        let mut outcomes = Vec::with_capacity(tally.events.len());
        for (nth, event) in (0..).zip(&tally.events) {
            let muted = nth < quiet && !reason.is_in_window();
            let counted = Counted {
                fingerprint: tally.fingerprint,
                budget: marker.budget,
                occurrences: if muted { 0 } else { before + nth + 1 },
                window_ends_at: marker.window_ends_at.filter(|_| !muted),
            };
            outcomes.push(if nth < quiet {
                Outcome::Suppressed { reason, counted }
            } else if nth < quiet + granted {
                let ordinal = grant.first_ordinal + (nth - quiet) as u32;
                let ways: Vec<Way> =
                    tally.route.told(ordinal).map(|one| Way::new(Arc::clone(&one.channel), one.due_at(now))).collect();
                let latest = ways.iter().map(|way| way.due_at).max().unwrap_or(now);
                held.push(Provisional {
                    fingerprint: tally.fingerprint,
                    rules: Arc::clone(&tally.rules),
                    project: Arc::clone(&tally.project),
                    route: Arc::clone(&tally.route),
                    event: event.clone(),
                    revision: marker.revision,
                    window_opened_at: marker.window_opened_at,
                    window_ends_at: marker.window_ends_at.unwrap_or(now),
                    budget: marker.budget,
                    ordinal,
                    occurrences: counted.occurrences,
                    granted_at: now,
                    expires_at: latest.plus(expiry),
                    ways,
                });
                Outcome::Alerted { ordinal, counted }
            } else {
                Outcome::Suppressed { reason: Reason::Budget, counted }
            });
        }
        outcomes
    }

    /// Notes the counts for the write-back. Answers how many a marker held back, and why.
    fn note_counts(&self, tally: &Tally, grant: &Grant) -> (u64, Reason) {
        let (fingerprint, epoch) = (tally.fingerprint, grant.record.epoch);
        let not_granted = tally.events.len() as u64 - u64::from(grant.granted);
        let quiet = grant.totals.iter().find(|total| total.reason.is_some_and(|reason| reason != Reason::Budget));
        let spent = grant.totals.iter().any(|total| total.reason == Some(Reason::Budget));
        let (held_back, reason) = match quiet {
            None => (0, Reason::Budget),
            Some(total) => {
                let grown = total.total.saturating_sub(self.told.noted(fingerprint, epoch, total.minute, total.reason));
                let reason = total.reason.unwrap_or(Reason::Budget);
                (if spent { grown.min(not_granted) } else { not_granted }, reason)
            }
        };
        for total in &grant.totals {
            let count = match total.reason {
                None => u64::from(grant.granted),
                Some(Reason::Budget) => not_granted - held_back,
                Some(_) => held_back,
            };
            self.told.note(fingerprint, epoch, total.minute, total.reason, count);
        }
        (held_back, reason)
    }
}

fn claim(tally: &Tally, now: Time) -> Claim {
    let policy = &tally.route.policy;
    let count = tally.events.len() as u64;
    // What is quiet whatever its standing: maintenance.
    let held_until = gate::quiet(&Standing::default(), Some(policy), now).map(|quiet| quiet.until);
    Claim { fingerprint: tally.fingerprint, count, budget: policy.budget, window: policy.window, held_until }
}

/// The alerts that could not be recorded before the end, told once.
pub(super) fn tell_lost(interim: &Interim) {
    let lost = interim.len();
    if lost > 0 {
        tracing::error!(lost, "alerts granted while the archive was away could not be recorded and are forgotten");
    }
}
