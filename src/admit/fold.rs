//! Folding arrivals to one tally a fingerprint, and unfolding the gate's decisions to one outcome an arrival.
//!
//! Promises: pure; the order of arrival decides which of equal events is the first.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use super::{Arrival, Duties};
use crate::archive::{Admitted, Batch, Tally};
use crate::gate::Fate;
use crate::outcome::{Counted, Outcome};

/// Who counts when the archive counts itself.
const SOURCE: &str = "archive";

/// A batch, and which tally each arrival went to.
pub(crate) struct Folded {
    /// The batch, for the archive.
    pub(crate) batch: Arc<Batch>,
    tally_of: Vec<usize>,
}

/// Fingerprints are hashes already.
#[derive(Default)]
struct Identity(u64);

impl Hasher for Identity {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, _: &[u8]) {
        unreachable!("only fingerprints are hashed")
    }
    fn write_u128(&mut self, value: u128) {
        self.0 = value as u64;
    }
}

/// Folds arrivals, in order.
pub(crate) fn fold(arrivals: impl Iterator<Item = Arrival>, duties: &Duties) -> Folded {
    let mut index: HashMap<u128, usize, BuildHasherDefault<Identity>> = HashMap::default();
    let mut tallies: Vec<Tally> = Vec::new();
    let mut tally_of = Vec::new();
    for arrival in arrivals {
        let at = *index.entry(arrival.fingerprint.0).or_insert(tallies.len());
        if at == tallies.len() {
            tallies.push(Tally {
                fingerprint: arrival.fingerprint,
                rules: arrival.rules,
                project: arrival.project,
                route: arrival.route,
                events: Vec::new(),
                remembered: arrival.remembered,
            });
        }
        tallies[at].events.push(arrival.event);
        tally_of.push(at);
    }
    let batch = Batch { tallies, source: SOURCE, samples_per_day: duties.samples_per_day, expiry: duties.expiry };
    Folded { batch: Arc::new(batch), tally_of }
}

impl Folded {
    /// How many arrivals.
    pub(crate) fn len(&self) -> usize {
        self.tally_of.len()
    }

    /// One outcome an arrival, from those of each tally in order.
    pub(crate) fn unfold(&self, each: Vec<Vec<Outcome>>) -> Vec<Outcome> {
        let mut each: Vec<_> = each.into_iter().map(Vec::into_iter).collect();
        self.tally_of.iter().map(|at| each[*at].next().expect("a tally has an outcome for each arrival")).collect()
    }

    /// One outcome an arrival, in the order in which they were folded.
    pub(crate) fn outcomes(&self, admitted: &[Admitted]) -> Vec<Outcome> {
        let mut fates: Vec<_> = self.batch.tallies.iter().zip(admitted).map(|(tally, one)| fates(tally, one)).collect();
        self.tally_of.iter().map(|at| fates[*at].next().expect("the runs of a decision add up to its tally")).collect()
    }
}

fn fates<'a>(tally: &'a Tally, admitted: &'a Admitted) -> impl Iterator<Item = Outcome> + 'a {
    let window = admitted.decision.next.window.as_ref();
    let mut occurrences = admitted.seen_before;
    let each = admitted.decision.runs.iter().flat_map(|run| (0..run.count).map(|nth| (run.fate, nth)));
    each.map(move |(fate, nth)| {
        let muted = matches!(fate, Fate::Suppressed(reason) if !reason.is_in_window());
        occurrences += u64::from(!muted);
        let window = window.filter(|_| !muted);
        let counted = Counted {
            fingerprint: tally.fingerprint,
            budget: window.map_or(tally.route.policy.budget, |window| window.budget),
            occurrences: if muted { 0 } else { occurrences },
            window_ends_at: window.map(|window| window.ends_at),
        };
        match fate {
            Fate::Granted { first_ordinal } => Outcome::Alerted { ordinal: first_ordinal + nth as u32, counted },
            Fate::Suppressed(reason) => Outcome::Suppressed { reason, counted },
        }
    })
}
