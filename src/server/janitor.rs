//! Housekeeping: what has to be done now and then.
//!
//! Promises: of several servers that share an archive one at a time does what is to be done once, under a lease; while the
//! archive is known to be away nothing is tried. Deliberately not here: what is done (`archive`).

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tokio::sync::{Notify, watch};

use super::crew::Manned;
use super::now;
use super::orders::Orders;
use crate::archive::{Archive, Error, Keep};
use crate::metrics::Metrics;
use crate::river::River;
use crate::time::Time;

/// How often windows that are over are looked for: how late a closing message may be.
const CLOSE_EVERY: Duration = Duration::from_secs(1);
/// Windows ended in one transaction.
const CLOSED_AT_A_TIME: usize = 200;
/// How often the archive forgets what is too old.
pub(crate) const FORGET_EVERY: Duration = Duration::from_secs(60);
/// How often deliveries to channels that are gone are looked for: what was decided just before a channel was removed is stored after it.
const ORPHANS_EVERY: Duration = Duration::from_secs(5);
/// How long one of several servers on an archive may have a configuration that the others have not: a roll-out.
const ORPHANS_GRACE: Duration = Duration::from_secs(900);
/// How long one of several servers on an archive does the housekeeping of all before another may.
const HOUSEKEEPING_LEASE: Duration = Duration::from_secs(10);
/// How often the cache is told what people decided: how late a command's decision may take effect.
const PUBLISH_EVERY: Duration = Duration::from_secs(2);
/// For how long after it was made a decision is told again, and how many of them.
const PUBLISHED_AGAIN: Duration = Duration::from_secs(600);
const DECISIONS_AT_A_TIME: usize = 1_000;
/// How often merges and learned parameters are read: how late another server's or a command's may take effect here.
const IDENTITIES_EVERY: Duration = Duration::from_secs(1);
/// How often the gauges of the outbox are read.
const GAUGE_EVERY: Duration = Duration::from_secs(5);

/// What has to be done now and then.
pub(super) struct Janitor {
    pub(super) archive: Archive,
    pub(super) river: Arc<River>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) granted: Arc<Notify>,
    /// What the server goes by.
    pub(super) orders: watch::Receiver<Arc<Orders>>,
    /// The channels that have a worker.
    pub(super) manned: Arc<Manned>,
    /// How much later windows are ended than they are over: what the cache counted in them must be written back.
    pub(super) closing_lag: Duration,
    /// When the archive was seen to be away last, in milliseconds.
    pub(super) away_at_ms: AtomicI64,
    /// This process, among those that share the archive.
    pub(super) name: Arc<str>,
}

impl Janitor {
    /// Works until `stop` says so.
    pub(super) async fn run(self, mut stop: watch::Receiver<bool>) {
        // Side by side: a long turn of one must not make another late.
        let work = async {
            tokio::join!(
                self.every(CLOSE_EVERY, || self.close_windows()),
                self.every(PUBLISH_EVERY, || self.publish()),
                self.every(IDENTITIES_EVERY, || self.read_identities()),
                self.every(FORGET_EVERY, || self.forget()),
                self.every(ORPHANS_EVERY, || self.bury_orphans()),
                self.bury_who_leaves(),
                self.every(GAUGE_EVERY, || self.read_gauges()),
            )
        };
        tokio::select! {
            _ = work => {}
            _ = stop.changed() => {}
        }
    }

    /// Whether the housekeeping of a shared archive is this process's. A file belongs to one process anyway.
    async fn is_mine(&self) -> Result<bool, Error> {
        if !self.archive.is_shared() {
            return Ok(true);
        }
        self.archive.lease("housekeeping".into(), Arc::clone(&self.name), HOUSEKEEPING_LEASE, now()).await
    }

    async fn close_windows(&self) -> Result<(), Error> {
        // What was counted while it was away is written back first.
        if now() < Time(self.away_at_ms.load(Ordering::Relaxed)).plus(self.closing_lag) {
            return Ok(());
        }
        while self.is_mine().await? {
            let expiry = self.orders.borrow().config.deliver.expiry.get();
            let ended = self.archive.close_windows(expiry, CLOSED_AT_A_TIME, now().minus(self.closing_lag)).await?;
            self.metrics.windows_ended.inc_by(ended as u64);
            if ended > 0 {
                self.granted.notify_waiters();
            }
            if ended < CLOSED_AT_A_TIME {
                break;
            }
        }
        Ok(())
    }

    /// Tells the cache once more what people decided lately: it may have been away, and commands do not know it.
    async fn publish(&self) -> Result<(), Error> {
        if self.river.admission.shares() && self.is_mine().await? {
            let lately = self.archive.decided_since(now().minus(PUBLISHED_AGAIN), DECISIONS_AT_A_TIME).await?;
            self.river.admission.publish(&lately, now()).await;
        }
        Ok(())
    }

    /// What users of other servers and commands merged, and what all servers learned.
    async fn read_identities(&self) -> Result<(), Error> {
        self.river.merges.set(self.archive.merges().await?);
        self.river.terms().sameness.learn(self.archive.parameters().await?);
        Ok(())
    }

    async fn forget(&self) -> Result<(), Error> {
        while self.is_mine().await? && self.archive.forget(self.keep(), now()).await? {
            // Between two parts, so that admission goes first.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    fn keep(&self) -> Keep {
        Keep(self.orders.borrow().config.retention.clone())
    }

    /// What the last worker of a channel gave back is buried at once; a failure is made up for by the next turn.
    async fn bury_who_leaves(&self) {
        loop {
            self.manned.left.notified().await;
            self.bury_orphans().await.ok();
        }
    }

    async fn bury_orphans(&self) -> Result<(), Error> {
        let grace = if self.archive.is_shared() { ORPHANS_GRACE } else { Duration::ZERO };
        let buried = self.archive.bury_orphans(self.manned.names(), grace, now()).await?;
        if buried > 0 {
            tracing::warn!(buried, "deliveries to channels that are no longer configured went to the dead letters");
        }
        Ok(())
    }

    async fn read_gauges(&self) -> Result<(), Error> {
        let (pending, dead) = self.archive.backlog().await?;
        self.metrics.deliveries_pending.set(i64::try_from(pending).unwrap_or(i64::MAX));
        self.metrics.deliveries_dead.set(i64::try_from(dead).unwrap_or(i64::MAX));
        Ok(())
    }

    /// Does a piece of housekeeping at once and then again and again, but for while the archive is known to be away.
    async fn every<F>(&self, period: Duration, mut work: impl FnMut() -> F)
    where
        F: Future<Output = Result<(), Error>>,
    {
        let mut interval = tokio::time::interval(period);
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            interval.tick().await;
            if self.river.admission.archive_is_away() {
                self.away_at_ms.store(now().ms(), Ordering::Relaxed);
                continue;
            }
            if let Err(error) = work().await {
                self.river.admission.note_archive_failure(&error);
                tracing::error!(%error, "housekeeping failed; it goes on at its next turn");
            }
        }
    }
}
