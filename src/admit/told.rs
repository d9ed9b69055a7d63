//! What the cache told this pod, and the archive may not know yet.
//!
//! Promises: pure. A cache that is lost takes with it what was counted since the last write-back; the pods were told each
//! total when they counted, and the largest that any of them was told is what was acknowledged. So each pod keeps what it
//! was told until it has reason to believe that the archive knows it, and otherwise writes it back itself.
//! Deliberately not here: the write-back (`write_back`).

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Mutex;

use crate::cache::{Total, Unswept};
use crate::issue::{Fingerprint, Reason};
use crate::time::Time;

/// The totals that this pod was told.
#[derive(Debug, Default)]
pub(super) struct Told {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// With the moment of the newest; a total belongs to an epoch, so it never goes back.
    totals: BTreeMap<Place, (u64, Time)>,
    /// The epoch that each fingerprint was last counted in.
    epochs: HashMap<Fingerprint, u64>,
    /// Fingerprints whose record is gone: nobody else can write back what it had counted.
    lost: HashSet<Fingerprint>,
}

type Place = (Fingerprint, u64, Time, Option<Reason>);

impl Told {
    /// The cache has counted up to this total.
    pub(super) fn note(&self, fingerprint: Fingerprint, epoch: u64, total: Total, now: Time) {
        self.epoch_is(fingerprint, Some(epoch));
        let mut state = self.lock();
        state.epochs.insert(fingerprint, epoch);
        let (known, at) = state.totals.entry((fingerprint, epoch, total.minute, total.reason)).or_default();
        *known = total.total.max(*known);
        *at = now;
    }

    /// The record that the cache now has of a fingerprint, if any. Another than the one before means that one is lost.
    pub(super) fn epoch_is(&self, fingerprint: Fingerprint, epoch: Option<u64>) {
        let mut state = self.lock();
        if state.epochs.get(&fingerprint).is_some_and(|known| Some(*known) != epoch) {
            state.epochs.remove(&fingerprint);
            state.lost.insert(fingerprint);
        }
    }

    /// What was told before this moment, and what is lost.
    pub(super) fn overdue(&self, before: Time) -> Vec<Unswept> {
        let state = self.lock();
        let overdue = |(place, (_, at)): &(&Place, &(u64, Time))| *at < before || state.lost.contains(&place.0);
        state.totals.iter().filter(overdue).map(|(place, (total, _))| unswept(*place, *total)).collect()
    }

    /// The archive has these: they are forgotten, but for what has grown meanwhile.
    pub(super) fn written(&self, known: &[Unswept]) {
        let mut state = self.lock();
        for Unswept { fingerprint, epoch, totals } in known {
            for Total { minute, reason, total } in totals {
                let place = (*fingerprint, *epoch, *minute, *reason);
                if state.totals.get(&place).is_some_and(|(told, _)| told <= total) {
                    state.totals.remove(&place);
                }
            }
            let of_it = (*fingerprint, 0, Time(i64::MIN), None)..=(*fingerprint, u64::MAX, Time(i64::MAX), None);
            if state.totals.range(of_it).next().is_none() {
                state.epochs.remove(fingerprint);
                state.lost.remove(fingerprint);
            }
        }
    }

    /// How many totals are kept.
    pub(super) fn len(&self) -> usize {
        self.lock().totals.len()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

fn unswept((fingerprint, epoch, minute, reason): Place, total: u64) -> Unswept {
    Unswept { fingerprint, epoch, totals: vec![Total { minute, reason, total }] }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ISSUE: Fingerprint = Fingerprint(7);
    const NOW: Time = Time(1_000_000);

    fn total(minute: i64, total: u64) -> Total {
        Total { minute: Time(minute * 60_000), reason: Some(Reason::Budget), total }
    }

    fn kept(told: &Told, before: Time) -> Vec<(u64, u64)> {
        told.overdue(before).iter().map(|one| (one.epoch, one.totals[0].total)).collect()
    }

    #[test]
    fn the_largest_total_is_kept_until_it_is_written() {
        let told = Told::default();
        told.note(ISSUE, 1, total(10, 5), NOW);
        told.note(ISSUE, 1, total(10, 3), NOW);
        assert_eq!(kept(&told, NOW), [], "it may still be swept");
        let later = Time(NOW.0 + 1);
        assert_eq!(kept(&told, later), [(1, 5)]);

        let written = told.overdue(later);
        told.note(ISSUE, 1, total(10, 6), later);
        told.written(&written);
        assert_eq!(told.len(), 1, "it has grown meanwhile");
        told.written(&told.overdue(Time(later.0 + 1)));
        assert_eq!(told.len(), 0);
    }

    #[test]
    fn what_a_lost_record_had_counted_is_due_at_once() {
        for now_there in [None, Some(2)] {
            let told = Told::default();
            told.note(ISSUE, 1, total(10, 5), NOW);
            told.epoch_is(ISSUE, Some(1));
            assert_eq!(kept(&told, NOW), []);
            told.epoch_is(ISSUE, now_there);
            assert_eq!(kept(&told, NOW), [(1, 5)], "{now_there:?}");
            told.written(&told.overdue(NOW));
            told.note(ISSUE, 2, total(10, 1), NOW);
            assert_eq!(kept(&told, NOW), [], "{now_there:?}");
        }
    }
}
