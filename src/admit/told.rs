//! What the cache counted for this pod, and the archive does not know yet.
//!
//! Promises: pure. A pod adds up what the cache told it that it counted, which is what the pod acknowledged; it does not go
//! by the cache's totals, where a count is whose answer was lost, and which the archive made instead. So it can write back
//! by itself, also when the cache is gone, and exactly. Deliberately not here: the write-back (`write_back`).

use std::collections::BTreeMap;
use std::collections::btree_map::{Entry, OccupiedEntry};
use std::sync::Mutex;

use crate::cache::{Total, Unswept};
use crate::issue::{Fingerprint, Reason};
use crate::time::Time;

/// The totals that this pod was told.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// By epoch, as the cache has them, for whoever writes back what this pod leaves behind.
    totals: Mutex<BTreeMap<Place, Known>>,
}

type Place = (Fingerprint, u64, Time, Option<Reason>);

#[derive(Debug, Default)]
struct Known {
    told: u64,
    /// What the archive has of it.
    written: u64,
}

impl Told {
    /// The cache has counted these.
    pub(super) fn note(&self, fingerprint: Fingerprint, epoch: u64, minute: Time, reason: Option<Reason>, count: u64) {
        self.lock().entry((fingerprint, epoch, minute, reason)).or_default().told += count;
    }

    /// How many were noted so far.
    pub(super) fn noted(&self, fingerprint: Fingerprint, epoch: u64, minute: Time, reason: Option<Reason>) -> u64 {
        self.lock().get(&(fingerprint, epoch, minute, reason)).map_or(0, |known| known.told)
    }

    /// What the archive does not have.
    pub(super) fn unwritten(&self, pod: u64) -> Vec<Unswept> {
        self.those(pod, |_, known| known.told > known.written)
    }

    /// The archive has these.
    pub(super) fn written(&self, those: &[Unswept]) {
        self.each(those, |mut known, total| {
            let known = known.get_mut();
            known.written = total.max(known.written);
        });
    }

    /// What the archive has of minutes before this one: nothing is added to it any more, and the cache may forget it.
    pub(super) fn settled(&self, pod: u64, before: Time) -> Vec<Unswept> {
        self.those(pod, |minute, known| minute < before && known.told == known.written)
    }

    /// These are forgotten, but for what has grown meanwhile.
    pub(super) fn forget(&self, those: &[Unswept]) {
        self.each(those, |known, total| {
            if known.get().told == total {
                known.remove();
            }
        });
    }

    /// How many totals the archive does not have.
    pub(super) fn pending(&self) -> usize {
        self.lock().values().filter(|known| known.told > known.written).count()
    }

    fn those(&self, pod: u64, wanted: impl Fn(Time, &Known) -> bool) -> Vec<Unswept> {
        let mut those: Vec<Unswept> = Vec::new();
        for ((fingerprint, epoch, minute, reason), known) in &*self.lock() {
            if !wanted(*minute, known) {
                continue;
            }
            let total = Total { pod, minute: *minute, reason: *reason, total: known.told };
            match those.last_mut() {
                Some(last) if (last.fingerprint, last.epoch) == (*fingerprint, *epoch) => last.totals.push(total),
                _ => those.push(Unswept { fingerprint: *fingerprint, epoch: *epoch, totals: vec![total] }),
            }
        }
        those
    }

    fn each(&self, those: &[Unswept], mut act: impl FnMut(OccupiedEntry<'_, Place, Known>, u64)) {
        let mut totals = self.lock();
        for Unswept { fingerprint, epoch, totals: those } in those {
            for Total { minute, reason, total, .. } in those {
                if let Entry::Occupied(known) = totals.entry((*fingerprint, *epoch, *minute, *reason)) {
                    act(known, *total);
                }
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<Place, Known>> {
        self.totals.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ISSUE: Fingerprint = Fingerprint(7);
    const POD: u64 = 3;

    fn total(minute: i64, total: u64) -> Total {
        Total { pod: POD, minute: Time(minute * 60_000), reason: Some(Reason::Budget), total }
    }

    #[test]
    fn what_was_told_is_kept_until_it_is_written_and_over() {
        let told = Told::default();
        let note = |epoch, minute: i64, count| {
            told.note(ISSUE, epoch, Time(minute * 60_000), Some(Reason::Budget), count);
        };
        for (epoch, minute, count) in [(1, 10, 2), (1, 10, 3), (1, 11, 1), (2, 11, 1)] {
            note(epoch, minute, count);
        }
        let unswept = |epoch, totals| Unswept { fingerprint: ISSUE, epoch, totals };
        let all = told.unwritten(POD);
        assert_eq!(all, [unswept(1, vec![total(10, 5), total(11, 1)]), unswept(2, vec![total(11, 1)])]);

        let minute_11 = Time(11 * 60_000);
        assert_eq!(told.settled(POD, minute_11), [], "it is not written");
        note(1, 10, 1);
        told.written(&all);
        assert_eq!(told.unwritten(POD), [unswept(1, vec![total(10, 6)])], "it has grown meanwhile");
        told.written(&told.unwritten(POD));
        assert_eq!(told.pending(), 0);

        let settled = told.settled(POD, minute_11);
        assert_eq!(settled, [unswept(1, vec![total(10, 6)])], "the others may still grow");
        told.forget(&settled);
        assert_eq!(told.settled(POD, minute_11), []);
    }
}
