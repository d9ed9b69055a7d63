//! The cache in this process: for one pod, and the last resort.
//!
//! Promises: the same answers as the shared stores, never an error of its own but when a claim finds no room; bounded.
//! Deliberately not here: sharing anything with another pod.
//!
//! Invariant: *Bounds.* There are never more records than the setting allows. A record with totals that the archive may
//! not know is never thrown away for room; a marker that finds no room is not remembered, and its error asks the archive.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::record::{Marker, Record};
use super::settings::Settings;
use super::{Claim, Description, Error, ErrorKind, Grant, Pace, Sighting, Sweep, Total, Unswept, draw_epoch, floor};
use crate::issue::{Fingerprint, Reason};
use crate::time::Time;

/// Parts with a lock of their own. By the first bits of the fingerprint, so that their order is the fingerprints'.
const SHARD_BITS: u32 = 6;
/// Destinations that are remembered: names come from the configuration, so that is plenty.
const NAMES_MAX: usize = 10_000;

/// The store.
pub(crate) struct Memory {
    pod: u64,
    shards: Vec<Mutex<Shard>>,
    names: Mutex<Names>,
    records_per_shard: usize,
    grace: Duration,
    forgotten: AtomicU64,
}

#[derive(Default)]
struct Shard {
    records: HashMap<Fingerprint, Stored>,
    dirty: BTreeSet<Fingerprint>,
}

struct Stored {
    record: Record,
    totals: Vec<Total>,
    floor: Time,
    expires_at: Time,
}

#[derive(Default)]
struct Names {
    /// When the long run would have caught up, in microseconds.
    paces: HashMap<String, i64>,
}

impl Stored {
    /// Adds to a total of the current minute.
    fn add(&mut self, pod: u64, reason: Option<Reason>, count: u64, now: Time) -> Total {
        let minute = now.minute().max(self.floor);
        let same = |total: &&mut Total| (total.pod, total.minute, total.reason) == (pod, minute, reason);
        if let Some(total) = self.totals.iter_mut().find(same) {
            total.total += count;
            return *total;
        }
        let total = Total { pod, minute, reason, total: count };
        self.totals.push(total);
        total
    }
}

impl Memory {
    pub(super) fn new(settings: &Settings) -> Memory {
        Memory {
            pod: settings.pod,
            shards: (0..1 << SHARD_BITS).map(|_| Mutex::default()).collect(),
            names: Mutex::default(),
            records_per_shard: (settings.records >> SHARD_BITS).max(1),
            grace: settings.grace,
            forgotten: AtomicU64::new(0),
        }
    }

    fn shard(&self, fingerprint: Fingerprint) -> MutexGuard<'_, Shard> {
        let index = (fingerprint.0 >> (u128::BITS - SHARD_BITS)) as usize;
        self.shards[index].lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn names(&self) -> MutexGuard<'_, Names> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records thrown away for room, and markers that found none.
    #[cfg(test)]
    pub(crate) fn forgotten(&self) -> u64 {
        self.forgotten.load(Ordering::Relaxed)
    }

    pub(super) async fn count(&self, batch: &[(Fingerprint, u64)], now: Time) -> Vec<Result<Sighting, Error>> {
        let sighting = |(fingerprint, count): &(Fingerprint, u64)| {
            let mut shard = self.shard(*fingerprint);
            let Shard { records, dirty } = &mut *shard;
            let Some(stored) = records.get_mut(fingerprint) else { return Sighting::Ask { record: None } };
            if !stored.record.count(*count, now) {
                return Sighting::Ask { record: Some(stored.record.clone()) };
            }
            let Total { minute, total, .. } = stored.add(self.pod, Some(stored.record.marker.reason), *count, now);
            dirty.insert(*fingerprint);
            Sighting::Quiet { record: stored.record.clone(), minute, total }
        };
        batch.iter().map(sighting).map(Ok).collect()
    }

    pub(super) async fn remember(&self, markers: &[(Fingerprint, Marker)], now: Time) -> Result<(), Error> {
        for (fingerprint, marker) in markers {
            let mut shard = self.shard(*fingerprint);
            match shard.records.get_mut(fingerprint) {
                Some(stored) => {
                    if stored.record.remember(marker) {
                        stored.expires_at = stored.record.lapses_at(now).plus(self.grace);
                    }
                }
                // Without room the error asks the archive, which is what it would do without a cache.
                None => drop(self.insert(&mut shard, *fingerprint, marker.clone(), now)),
            }
        }
        Ok(())
    }

    pub(super) async fn grant(&self, claims: &[Claim], now: Time) -> Vec<Result<Grant, Error>> {
        let grant = |claim: &Claim| {
            let mut shard = self.shard(claim.fingerprint);
            if !shard.records.contains_key(&claim.fingerprint) {
                self.insert(&mut shard, claim.fingerprint, Marker::provisional(0, claim.budget, now), now)?;
            }
            let Shard { records, dirty } = &mut *shard;
            let stored = records.get_mut(&claim.fingerprint).expect("it has just been there");
            let allotment = stored.record.grant(claim, now);
            stored.expires_at = stored.record.lapses_at(now).plus(self.grace);
            let totals = allotment.counts().map(|(reason, count)| stored.add(self.pod, reason, count, now)).collect();
            dirty.insert(claim.fingerprint);
            Ok(Grant {
                granted: allotment.granted,
                first_ordinal: allotment.first_ordinal,
                record: stored.record.clone(),
                totals,
            })
        };
        claims.iter().map(grant).collect()
    }

    /// Makes a record, and room for it.
    fn insert(&self, shard: &mut Shard, fingerprint: Fingerprint, marker: Marker, now: Time) -> Result<(), Error> {
        if shard.records.len() >= self.records_per_shard {
            let before = shard.records.len();
            shard.make_room(now);
            self.forgotten.fetch_add((before - shard.records.len()) as u64, Ordering::Relaxed);
        }
        if shard.records.len() >= self.records_per_shard {
            self.forgotten.fetch_add(1, Ordering::Relaxed);
            let why = "every record in memory has counts that are not written back yet";
            return Err(Error::new(ErrorKind::Refused, why));
        }
        let record = Record::new(draw_epoch(), marker);
        let expires_at = record.lapses_at(now).plus(self.grace);
        shard.records.insert(fingerprint, Stored { record, totals: Vec::new(), floor: Time(0), expires_at });
        Ok(())
    }

    pub(super) async fn sweep(&self, after: Option<Fingerprint>, limit: usize, now: Time) -> Result<Sweep, Error> {
        let mut found = Sweep::default();
        let from = after.map_or(0, |after| (after.0 >> (u128::BITS - SHARD_BITS)) as usize);
        for shard in &self.shards[from..] {
            let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            shard.forget_expired(now);
            let rest =
                (after.map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded), std::ops::Bound::Unbounded);
            for fingerprint in shard.dirty.range(rest) {
                if found.unswept.len() == limit {
                    found.next = found.unswept.last().map(|last| last.fingerprint);
                    return Ok(found);
                }
                let stored = &shard.records[fingerprint];
                let (epoch, totals) = (stored.record.epoch, stored.totals.clone());
                found.unswept.push(Unswept { fingerprint: *fingerprint, epoch, totals });
            }
        }
        Ok(found)
    }

    pub(super) async fn swept(&self, written: &[Unswept], now: Time) -> Result<(), Error> {
        let floor = floor(now);
        for written in written {
            let mut shard = self.shard(written.fingerprint);
            let Some(stored) = shard.records.get_mut(&written.fingerprint) else { continue };
            if stored.record.epoch != written.epoch {
                continue;
            }
            let before = stored.totals.len();
            stored.totals.retain(|total| total.minute >= floor || !written.totals.contains(total));
            if stored.totals.len() < before {
                stored.floor = stored.floor.max(floor);
            }
            if stored.totals.iter().all(|total| written.totals.contains(total)) {
                shard.dirty.remove(&written.fingerprint);
            }
        }
        Ok(())
    }

    pub(super) async fn pace(&self, destination: &str, pace: Pace, now: Time) -> Result<Time, Error> {
        let mut names = self.names();
        names.bound(now);
        let now_us = now.ms().saturating_mul(1_000);
        let caught_up_us = names.paces.entry(destination.to_owned()).or_insert(now_us);
        let turn_us = *caught_up_us - pace.tolerance_us();
        if turn_us > now_us {
            return Ok(Time(turn_us.div_euclid(1_000) + i64::from(turn_us.rem_euclid(1_000) > 0)));
        }
        *caught_up_us = (*caught_up_us).max(now_us) + pace.interval_us();
        Ok(now)
    }

    pub(super) async fn hold(&self, destination: &str, pace: Pace, until: Time, now: Time) -> Result<(), Error> {
        let mut names = self.names();
        names.bound(now);
        let caught_up_us = names.paces.entry(destination.to_owned()).or_default();
        *caught_up_us = (*caught_up_us).max(pace.rested_us(until));
        Ok(())
    }

    pub(super) async fn size(&self) -> Result<Option<u64>, Error> {
        let shards = self.shards.iter().map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner).records.len());
        Ok(Some(shards.map(|records| records as u64).sum()))
    }

    pub(super) async fn ping(&self) -> Result<(), Error> {
        Ok(())
    }

    pub(super) async fn describe(&self) -> Result<Description, Error> {
        Ok(Description { kind: "memory", version: None, advice: Vec::new() })
    }
}

impl Shard {
    /// Throws away what has lapsed, else an eighth of the records that nobody misses: the longest-ago windows first.
    fn make_room(&mut self, now: Time) {
        let before = self.records.len();
        self.forget_expired(now);
        if self.records.len() < before {
            return;
        }
        let clean = self.records.iter().filter(|(fingerprint, _)| !self.dirty.contains(fingerprint));
        let mut oldest: Vec<_> =
            clean.map(|(fingerprint, s)| (s.record.marker.window_opened_at, *fingerprint)).collect();
        oldest.sort_unstable();
        for (_, fingerprint) in oldest.iter().take(self.records.len().div_ceil(8)) {
            self.records.remove(fingerprint);
        }
    }

    fn forget_expired(&mut self, now: Time) {
        let Shard { records, dirty } = self;
        records.retain(|fingerprint, stored| now < stored.expires_at || dirty.contains(fingerprint));
    }
}

impl Names {
    fn bound(&mut self, now: Time) {
        if self.paces.len() >= NAMES_MAX {
            self.paces.retain(|_, caught_up_us| *caught_up_us > now.ms().saturating_mul(1_000));
        }
    }
}
