//! The write-back: what the cache has counted goes to the archive, so that the archive can judge alone, and knows it for
//! good.
//!
//! Promises: each pod writes what it was told, which is what it acknowledged, also when the cache is gone. What a pod that
//! died left behind is read from the cache by another, one at a time, under a lease. Totals are absolute, each counter has
//! a name of its own, and the archive keeps the largest: a replay, two at a time, or a crash between any two steps changes
//! nothing. Deliberately not here: what a total is (`cache`).
//!
//! Invariant: *Conservation.* A total is written under the name of pod and epoch. A count whose answer was lost is in no
//! total that its own pod writes, so it is not counted twice when the archive counted it instead.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::shared::Shared;
use crate::archive::{self, Archive};
use crate::cache::{self, Unswept};
use crate::issue::Reason;
use crate::time::Time;

/// Records read and written at a time.
const PAGE: usize = 500;
/// Who looks for what dead pods left behind; and how long one that stopped keeps the others waiting.
const SWEEPER: &str = "write-back";
const LEASE_SPAN: Duration = Duration::from_secs(10);
/// How long a pod that gives no sign of life is not taken for dead: the time for which it may be paused, or cut off.
const DEAD_AFTER: Duration = Duration::from_secs(30);

/// One pod's part in the write-back.
pub(crate) struct WriteBack {
    shared: Arc<Shared>,
    archive: Archive,
    /// Between two turns.
    every: Duration,
    now: fn() -> Time,
}

impl WriteBack {
    /// For this pod.
    pub(crate) fn new(shared: Arc<Shared>, archive: Archive, every: Duration, now: fn() -> Time) -> WriteBack {
        WriteBack { shared, archive, every, now }
    }

    /// Turn after turn until `stop` says so, and a last time then.
    pub(crate) async fn run(self, mut stop: watch::Receiver<bool>) {
        let me = holder(self.shared.pod);
        loop {
            let stopping = tokio::select! {
                () = tokio::time::sleep(self.every) => false,
                _ = stop.changed() => true,
            };
            let own = self.write(&self.shared.told.all(self.shared.pod)).await;
            self.shared.told.written(&own);
            self.shared.tell_pending();
            if !self.shared.is_up() {
                if stopping {
                    return;
                }
                continue;
            }
            if stopping {
                self.shared.cache.swept(&own, (self.now)()).await.ok();
                self.shared.cache.release(SWEEPER, &me).await.ok();
                self.shared.cache.release(&me, &me).await.ok();
                return;
            }
            if let Err(error) = self.tidy(&own, &me).await {
                let change = self.shared.breaker.record(false);
                self.shared.note(change, Some(error));
            }
        }
    }

    /// Tells the cache what the archive has now, gives a sign of life, and looks for what the dead left behind.
    async fn tidy(&self, own: &[Unswept], me: &str) -> Result<(), cache::Error> {
        let (cache, now) = (&self.shared.cache, (self.now)());
        if !own.is_empty() {
            cache.swept(own, now).await?;
        }
        cache.lease(me, me, DEAD_AFTER, now).await?;
        if !cache.lease(SWEEPER, me, LEASE_SPAN, now).await? {
            return Ok(());
        }
        let mut dead: HashMap<u64, bool> = HashMap::from([(self.shared.pod, false)]);
        let mut after = None;
        loop {
            let page = cache.sweep(after, PAGE, now).await?;
            let mut left_behind = Vec::new();
            for mut one in page.unswept {
                for total in &one.totals {
                    if let std::collections::hash_map::Entry::Vacant(unknown) = dead.entry(total.pod) {
                        // Who lives renews the lease of that name again and again, so nobody else can have it.
                        unknown.insert(cache.lease(&holder(total.pod), me, self.every, now).await?);
                    }
                }
                one.totals.retain(|total| dead[&total.pod]);
                if !one.totals.is_empty() {
                    left_behind.push(one);
                }
            }
            let known = self.write(&left_behind).await;
            if !known.is_empty() {
                cache.swept(&known, now).await?;
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
fn holder(pod: u64) -> String {
    format!("pod-{pod:016x}")
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
