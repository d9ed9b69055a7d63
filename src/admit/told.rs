//! What the cache counted for this pod, and the archive does not know yet.
//!
//! Promises: pure. The cache counts for each pod apart, and tells each the total of its own: what a pod was told is exactly
//! what it acknowledged. So it can write that back by itself, also when the cache is gone; a count whose answer was lost is
//! not among it, whether the cache made it or not. Deliberately not here: the write-back (`write_back`).

use std::collections::BTreeMap;
use std::sync::Mutex;

use crate::cache::{Total, Unswept};
use crate::issue::{Fingerprint, Reason};
use crate::time::Time;

/// The totals that this pod was told.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// A total belongs to an epoch, so it never goes back.
    totals: Mutex<BTreeMap<Place, u64>>,
}

type Place = (Fingerprint, u64, Time, Option<Reason>);

impl Told {
    /// The cache has counted up to this total.
    pub(super) fn note(&self, fingerprint: Fingerprint, epoch: u64, total: Total) {
        let mut totals = self.lock();
        let known = totals.entry((fingerprint, epoch, total.minute, total.reason)).or_default();
        *known = total.total.max(*known);
    }

    /// Everything, by counter.
    pub(super) fn all(&self, pod: u64) -> Vec<Unswept> {
        let mut all: Vec<Unswept> = Vec::new();
        for ((fingerprint, epoch, minute, reason), total) in &*self.lock() {
            let total = Total { pod, minute: *minute, reason: *reason, total: *total };
            match all.last_mut() {
                Some(last) if (last.fingerprint, last.epoch) == (*fingerprint, *epoch) => last.totals.push(total),
                _ => all.push(Unswept { fingerprint: *fingerprint, epoch: *epoch, totals: vec![total] }),
            }
        }
        all
    }

    /// The archive has these: they are forgotten, but for what has grown meanwhile.
    pub(super) fn written(&self, known: &[Unswept]) {
        let mut totals = self.lock();
        for Unswept { fingerprint, epoch, totals: written } in known {
            for Total { minute, reason, total, .. } in written {
                let place = (*fingerprint, *epoch, *minute, *reason);
                if totals.get(&place).is_some_and(|told| told <= total) {
                    totals.remove(&place);
                }
            }
        }
    }

    /// How many totals are kept.
    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<Place, u64>> {
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
    fn the_largest_total_is_kept_until_it_is_written() {
        let told = Told::default();
        for (epoch, minute, count) in [(1, 10, 5), (1, 10, 3), (1, 11, 1), (2, 11, 1)] {
            told.note(ISSUE, epoch, total(minute, count));
        }
        let unswept = |epoch, totals| Unswept { fingerprint: ISSUE, epoch, totals };
        let all = told.all(POD);
        assert_eq!(all, [unswept(1, vec![total(10, 5), total(11, 1)]), unswept(2, vec![total(11, 1)])]);

        told.note(ISSUE, 1, total(10, 6));
        told.written(&all);
        assert_eq!(told.all(POD), [unswept(1, vec![total(10, 6)])], "it has grown meanwhile");
        told.written(&told.all(POD));
        assert_eq!(told.len(), 0);
    }
}
