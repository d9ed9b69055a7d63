//! The write-back: what the cache has counted goes to the archive, so that the archive can judge alone, and knows it for
//! good.
//!
//! Promises: each pod writes what it has acknowledged, also when the cache is gone. What a pod that
//! died left behind is read from the cache by another, one at a time, under a lease. Totals are absolute, each counter has
//! a name of its own, and the archive keeps the largest: a replay, two at a time, or a crash between any two steps changes
//! nothing. Deliberately not here: what a total is (`cache`).
//!
//! Invariant: *Conservation.* A total is written under the name of pod and epoch. A count whose answer was lost is in no
//! total that its own pod writes, so that it is counted once: by the archive, which was asked instead.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::Duties;
use super::deputy;
use super::shared::Shared;
use crate::archive::{self, Archive};
use crate::cache::Unswept;
use crate::issue::Reason;
use crate::time::Time;

/// Records read and written at a time.
const PAGE: usize = 500;
/// How long a pod that gives no sign of life is not taken for dead: the time for which it may be paused, or cut off.
const DEAD_AFTER: Duration = Duration::from_secs(30);
/// How often a pod gives a sign of life, and looks for what dead ones left behind.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// Minutes older than this have nothing added to them any more, not even by a pod whose clock is late.
const SETTLED_AFTER: Duration = Duration::from_secs(120);

/// One pod's part in the write-back.
pub(crate) struct WriteBack {
    shared: Arc<Shared>,
    archive: Archive,
    times: Times,
    duties: watch::Receiver<Arc<Duties>>,
    now: fn() -> Time,
}

/// What takes how long.
#[derive(Clone, Copy)]
pub(crate) struct Times {
    /// Between two turns.
    pub(crate) every: Duration,
    /// How long the archive may take for a batch.
    pub(crate) archive_max: Duration,
}

impl WriteBack {
    /// For this pod.
    pub(crate) fn new(
        shared: Arc<Shared>,
        archive: Archive,
        times: Times,
        duties: watch::Receiver<Arc<Duties>>,
        now: fn() -> Time,
    ) -> WriteBack {
        WriteBack { shared, archive, times, duties, now }
    }

    /// Turn after turn until `stop` says so, and a last time then.
    pub(crate) async fn run(self, mut stop: watch::Receiver<bool>) {
        // Not before those who started together have given a sign of life: who gave none yet is no dead one.
        let mut look_at = (self.now)().plus(LOOK_EVERY);
        let mut sign_at = Time::default();
        loop {
            let now = (self.now)();
            if now >= sign_at && self.shared.is_archive_up() {
                sign_at = now.plus(LOOK_EVERY);
                let me = name(self.shared.pod);
                if let Err(error) = self.archive.lease(Arc::clone(&me), me, DEAD_AFTER, now).await {
                    tracing::warn!(%error, "no sign of life could be given; trying again");
                    sign_at = now;
                }
            }
            let stopping = tokio::select! {
                () = tokio::time::sleep(self.times.every) => false,
                _ = stop.changed() => true,
            };
            let now = (self.now)();
            if self.shared.is_archive_up() {
                // Before the totals, which can only be written of issues that the archive knows.
                let expiry = self.duties.borrow().expiry;
                self.shared.adopt(&self.archive, expiry, self.times.archive_max).await;
                self.write_own(stopping).await;
            } else {
                // Nobody could give a sign of life meanwhile.
                look_at = now.plus(DEAD_AFTER);
            }
            if stopping {
                deputy::tell_lost(&self.shared.interim);
                return;
            }
            if now >= look_at {
                look_at = now.plus(LOOK_EVERY);
                if let Err(error) = self.look_for_the_dead(now).await {
                    tracing::warn!(%error, "could not look for what other pods left behind; trying again");
                }
            }
        }
    }

    /// Writes what this pod was told; the cache may forget what is settled, or all of it when the pod stops.
    async fn write_own(&self, stopping: bool) {
        let Shared { told, pod, cache, .. } = &*self.shared;
        let written = self.write(&told.unwritten(*pod)).await;
        told.written(&written);
        self.shared.tell_pending();
        let now = (self.now)();
        let settled_before = if stopping { Time(i64::MAX) } else { now.minus(SETTLED_AFTER).minute() };
        let settled = told.settled(*pod, settled_before);
        if settled.is_empty() {
            return;
        }
        if self.shared.is_up() {
            let failure = cache.swept(&settled, now).await.err();
            let change = self.shared.breaker.record(failure.is_none());
            self.shared.note(change, failure);
        }
        self.shared.last.swept(&settled, now).await.ok();
        // What the cache was not told it drops with the record.
        told.forget(&settled);
    }

    /// Writes what dead pods left behind. Two that do it at once do no harm.
    async fn look_for_the_dead(&self, now: Time) -> anyhow::Result<()> {
        let me = name(self.shared.pod);
        if !self.shared.is_up() || !self.archive.lease("write-back".into(), Arc::clone(&me), LOOK_EVERY, now).await? {
            return Ok(());
        }
        let mut dead: HashMap<u64, bool> = HashMap::from([(self.shared.pod, false)]);
        let mut after = None;
        loop {
            let page = self.shared.cache.sweep(after, PAGE, now).await?;
            let mut left_behind = page.unswept;
            for total in left_behind.iter().flat_map(|one| &one.totals) {
                if let Entry::Vacant(unknown) = dead.entry(total.pod) {
                    // Who lives renews the lease of that name again and again, so nobody else can have it.
                    let theirs = self.archive.lease(name(total.pod), Arc::clone(&me), LOOK_EVERY, now).await?;
                    unknown.insert(theirs);
                }
            }
            left_behind.iter_mut().for_each(|one| one.totals.retain(|total| dead[&total.pod]));
            left_behind.retain(|one| !one.totals.is_empty());
            let known = self.write(&left_behind).await;
            if !known.is_empty() {
                self.shared.cache.swept(&known, now).await?;
            }
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(()),
            }
        }
    }

    /// Answers what the archive has now.
    async fn write(&self, unswept: &[Unswept]) -> Vec<Unswept> {
        let mut known = Vec::with_capacity(unswept.len());
        for part in unswept.chunks(PAGE) {
            match self.archive.write_back(part.iter().flat_map(counted).collect()).await {
                Ok(written) => {
                    let stored = |one: &&Unswept| !written.unknown.contains(&one.fingerprint);
                    known.extend(part.iter().filter(stored).cloned());
                }
                Err(error) => {
                    tracing::error!(%error, "what the cache counted could not be written back; trying again");
                    break;
                }
            }
        }
        known
    }
}

/// A pod's name among those who hold leases.
fn name(pod: u64) -> Arc<str> {
    format!("pod-{pod:016x}").into()
}

fn counted(unswept: &Unswept) -> impl Iterator<Item = archive::Counted> + '_ {
    unswept.totals.iter().map(|total| archive::Counted {
        fingerprint: unswept.fingerprint,
        minute: total.minute,
        source: format!("{:016x}-{:016x}", total.pod, unswept.epoch),
        outcome: total.reason.map_or("alerted", Reason::name),
        total: total.total,
    })
}

#[cfg(test)]
mod tests;
