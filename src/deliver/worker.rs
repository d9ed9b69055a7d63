//! The outbox worker of one channel: claims what is due, sends it, settles how it ended.
//!
//! Promises: of one issue the alerts go in order; a channel that answers `Retry-After` is left alone until then; what
//! could not be sent is tried again until it expires, and then lies in the dead letters with its reason. Failures to
//! deliver are logged and counted, never sent in as events: the notifier cannot feed itself.
//!
//! Invariant: *Delivery.* A claimed delivery is settled only after the far side's answer is known. What a stopped
//! process had claimed becomes due again when its lease ends.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use super::backoff;
use super::channels::Channel;
use super::courier::Courier;
use crate::alert::{Attempt, Delivery};
use crate::archive::{Archive, Claim, End, Settlement};
use crate::config::Deliver;
use crate::metrics::{Metrics, Stopwatch};
use crate::time::Time;

/// How long to wait for the archive after it failed.
const ARCHIVE_PAUSE: Duration = Duration::from_secs(1);

/// Sends what is due on one channel.
pub(crate) struct Worker {
    pub(crate) channel: Arc<Channel>,
    pub(crate) archive: Archive,
    pub(crate) courier: Courier,
    pub(crate) settings: Deliver,
    pub(crate) metrics: Arc<Metrics>,
    /// Notified when an alert was granted.
    pub(crate) granted: Arc<Notify>,
    pub(crate) now: fn() -> Time,
    /// A number in [0, 1), for spreading retries.
    pub(crate) random: fn() -> f64,
}

impl Worker {
    /// Works until `stop` says so, then settles what is still on its way.
    pub(crate) async fn run(self: Arc<Worker>, mut stop: watch::Receiver<bool>) {
        let mut sending: JoinSet<Settlement> = JoinSet::new();
        let mut settled: Vec<Settlement> = Vec::new();
        // The far side asked to be left alone until then.
        let mut quiet_until = Time::default();
        loop {
            // Made before the claim, so that an alert granted meanwhile is not missed.
            let granted = self.granted.notified();
            let stopping = *stop.borrow();
            let now = (self.now)();
            let free = self.settings.concurrency.saturating_sub(sending.len());
            let limit = if stopping || now < quiet_until { 0 } else { free };
            let mut wake_at = (limit == 0 && free > 0 && !stopping).then_some(quiet_until);
            if limit > 0 || !settled.is_empty() {
                match self.exchange(&mut settled, limit, now).await {
                    Ok(claimed) => {
                        let more = claimed.len() == limit;
                        for delivery in claimed {
                            let worker = Arc::clone(&self);
                            sending.spawn(async move { worker.send(delivery).await });
                        }
                        if limit > 0 && !more {
                            wake_at = self.next_due(now).await;
                        }
                    }
                    Err(error) => {
                        tracing::error!(%error, channel = &**self.channel.name(), "the outbox could not be read; trying again");
                        wake_at = Some(now.plus(ARCHIVE_PAUSE));
                    }
                }
            }
            if stopping && sending.is_empty() && settled.is_empty() {
                return;
            }
            tokio::select! {
                Some(done) = sending.join_next() => {
                    settled.extend(done.ok());
                    while let Some(done) = sending.try_join_next() {
                        settled.extend(done.ok());
                    }
                    quiet_until = quiet_until.max(asked_quiet(&settled));
                }
                () = granted, if limit > 0 => {}
                () = self.sleep_until(wake_at), if wake_at.is_some() => {}
                _ = stop.changed(), if !stopping => {}
            }
        }
    }

    /// When to look again by itself; `None` when nothing waits.
    async fn next_due(&self, now: Time) -> Option<Time> {
        self.archive.next_due(Arc::clone(self.channel.name()), now).await.unwrap_or_else(|error| {
            tracing::error!(%error, channel = &**self.channel.name(), "the outbox could not be read; trying again");
            Some(now.plus(ARCHIVE_PAUSE))
        })
    }

    async fn sleep_until(&self, at: Option<Time>) {
        let span = at.map_or(Duration::ZERO, |at| at.since((self.now)()));
        // Never shorter than a millisecond, the grain of our moments: a clock that lags must not make a busy loop.
        tokio::time::sleep(span.max(Duration::from_millis(1))).await;
    }

    async fn exchange(
        &self,
        settled: &mut Vec<Settlement>,
        limit: usize,
        now: Time,
    ) -> Result<Vec<Delivery>, crate::archive::Error> {
        let started = Stopwatch::start();
        let claim = Claim { channel: Arc::clone(self.channel.name()), limit, lease: self.settings.lease.get() };
        let claimed = self.archive.exchange(settled.clone(), claim, now).await;
        self.metrics.observe_archive("exchange", started);
        if claimed.is_ok() {
            settled.clear();
        }
        claimed
    }

    async fn send(&self, delivery: Delivery) -> Settlement {
        let now = (self.now)();
        let end = if now >= delivery.expires_at {
            tracing::warn!(
                channel = &**self.channel.name(),
                delivery = delivery.id,
                "an alert expired and lies in the dead letters"
            );
            End::Expired
        } else {
            let started = Stopwatch::start();
            let brought = self.courier.carry(self.channel.compose(&delivery, now)).await;
            let now = (self.now)();
            let attempt = self.channel.judge(&brought, now);
            self.metrics.count_attempt(self.channel.name(), result_name(&attempt), started);
            self.end_of(attempt, &delivery, now)
        };
        Settlement { id: delivery.id, fence: delivery.fence, end }
    }

    fn end_of(&self, attempt: Attempt, delivery: &Delivery, now: Time) -> End {
        let Delivery { id, attempt: tries, .. } = *delivery;
        let channel = &**self.channel.name();
        match attempt {
            Attempt::Delivered => End::Delivered,
            Attempt::Refused { error } => {
                tracing::warn!(channel, delivery = id, %error, "an alert was refused and lies in the dead letters");
                End::Dead { error }
            }
            Attempt::Failed { error, not_before } => {
                let Deliver { backoff_first, backoff_longest, .. } = self.settings;
                let delay = backoff::delay(tries, backoff_first.get(), backoff_longest.get(), (self.random)());
                let due_at = now.plus(delay).max(not_before.unwrap_or_default());
                if due_at >= delivery.expires_at {
                    tracing::warn!(channel, delivery = id, tries, %error, "an alert was given up and lies in the dead letters");
                    return End::Dead { error: format!("given up after {tries} attempts: {error}") };
                }
                tracing::warn!(channel, delivery = id, tries, again_at = %due_at, %error, "an alert could not be sent; trying again");
                End::Again { due_at, asked: not_before.is_some(), error }
            }
        }
    }
}

fn result_name(attempt: &Attempt) -> &'static str {
    match attempt {
        Attempt::Delivered => "delivered",
        Attempt::Failed { .. } => "failed",
        Attempt::Refused { .. } => "refused",
    }
}

/// The latest moment that the far side asked to be left alone until.
fn asked_quiet(settled: &[Settlement]) -> Time {
    let asked = |settlement: &Settlement| match settlement.end {
        End::Again { due_at, asked: true, .. } => Some(due_at),
        _ => None,
    };
    settled.iter().filter_map(asked).max().unwrap_or_default()
}
