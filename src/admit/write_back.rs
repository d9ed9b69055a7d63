//! The write-back: what the cache has counted goes to the archive, so that the archive can judge alone, and knows it for
//! good.
//!
//! Promises: one pod at a time reads the cache and writes to the archive, under a lease; a pod that stops hands over
//! within the lease. Totals are absolute, and the archive keeps the largest: a replay, two at a time, or a crash between
//! any two steps changes nothing. What a pod was told and nobody wrote back in time, it writes itself.
//!
//! Invariant: *Conservation.* A total is written only after the cache still had it a turn later: by then, whoever was to be
//! told of it was told, or has given the call up as failed. So a cache that dies in between takes nothing with it that was
//! written back and not acknowledged.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::shared::Shared;
use crate::archive::{self, Archive};
use crate::cache::{self, Unswept};
use crate::issue::{Fingerprint, Reason};
use crate::time::Time;

/// Records read and written at a time.
const PAGE: usize = 500;
/// The lease's name, and how long a pod that stopped keeps the others waiting.
const LEASE: &str = "write-back";
const LEASE_SPAN: Duration = Duration::from_secs(10);
/// When a pod writes back what it was told although the cache has it: far more than the turns that others need for it.
const OVERDUE_AFTER: Duration = Duration::from_secs(15);

/// One pod's part in the write-back.
pub(crate) struct WriteBack {
    shared: Arc<Shared>,
    archive: Archive,
    /// This pod.
    holder: Arc<str>,
    /// Between two turns: longer than a call to the cache may take.
    every: Duration,
    now: fn() -> Time,
}

/// What was read in a turn, by counter.
type Read = HashMap<(Fingerprint, u64), Unswept>;

impl WriteBack {
    /// For this pod.
    pub(crate) fn new(shared: Arc<Shared>, archive: Archive, every: Duration, now: fn() -> Time) -> WriteBack {
        let mut name = [0; 8];
        getrandom::fill(&mut name).expect("the operating system gives random numbers");
        let holder = name.map(|byte| format!("{byte:02x}")).concat().into();
        WriteBack { shared, archive, holder, every, now }
    }

    /// Turn after turn until `stop` says so; then what this pod alone knows is written.
    pub(crate) async fn run(self, mut stop: watch::Receiver<bool>) {
        let mut before = Read::new();
        loop {
            tokio::select! {
                () = tokio::time::sleep(self.every) => {}
                () = self.shared.changed.notified() => {}
                _ = stop.changed() => break,
            }
            before = self.turn(before).await;
        }
        if self.shared.is_up() {
            self.shared.cache.release(LEASE, &self.holder).await.ok();
        }
        self.write_told(Time(i64::MAX)).await;
    }

    async fn turn(&self, before: Read) -> Read {
        let now = (self.now)();
        let told_before = if self.shared.is_up() { now.minus(OVERDUE_AFTER) } else { Time(i64::MAX) };
        self.write_told(told_before).await;
        self.shared.tell_pending();
        match self.sweep(before, now).await {
            Ok(read) => read,
            Err(error) => {
                let change = self.shared.breaker.record(false);
                self.shared.note(change, Some(error));
                Read::new()
            }
        }
    }

    /// Reads what the cache has, and writes back what it had a turn ago and still has.
    async fn sweep(&self, mut before: Read, now: Time) -> Result<Read, cache::Error> {
        let shared = &self.shared;
        if !shared.is_up() || !shared.cache.lease(LEASE, &self.holder, LEASE_SPAN, now).await? {
            return Ok(Read::new());
        }
        let mut read = Read::new();
        let mut after = None;
        loop {
            let page = shared.cache.sweep(after, PAGE, now).await?;
            let still: Vec<Unswept> =
                page.unswept.iter().filter_map(|one| before.remove(&(one.fingerprint, one.epoch))).collect();
            read.extend(page.unswept.into_iter().map(|one| ((one.fingerprint, one.epoch), one)));
            let known = self.write(&still).await;
            if !known.is_empty() {
                shared.told.written(&known);
                shared.cache.swept(&known, now).await?;
            }
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(read),
            }
        }
    }

    /// What this pod was told before that moment, and nobody is known to have written.
    async fn write_told(&self, before: Time) {
        for part in self.shared.told.overdue(before).chunks(PAGE) {
            let known = self.write(part).await;
            self.shared.told.written(&known);
        }
    }

    /// Answers what the archive has now.
    async fn write(&self, unswept: &[Unswept]) -> Vec<Unswept> {
        if unswept.is_empty() {
            return Vec::new();
        }
        match self.archive.write_back(unswept.iter().flat_map(counted).collect()).await {
            Ok(written) => {
                let known = |one: &&Unswept| !written.unknown.contains(&one.fingerprint);
                unswept.iter().filter(known).cloned().collect()
            }
            Err(error) => {
                tracing::error!(%error, "what the cache counted could not be written back; trying again");
                Vec::new()
            }
        }
    }
}

fn counted(unswept: &Unswept) -> impl Iterator<Item = archive::Counted> + '_ {
    unswept.totals.iter().map(|total| archive::Counted {
        fingerprint: unswept.fingerprint,
        minute: total.minute,
        source: format!("{:016x}", unswept.epoch),
        outcome: total.reason.map_or("alerted", Reason::name),
        total: total.total,
    })
}
