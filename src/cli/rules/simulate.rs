//! How often issues would have alerted under other identities: the gate over what was counted, minute by minute.
//!
//! Promises: the decision is `gate::decide`; one standing an identity is held, whatever the span. Deliberately not here: what
//! people decided meanwhile, which was about other issues.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use anyhow::Result;

use super::{Replay, counted_with};
use crate::archive::Archive;
use crate::cli::print;
use crate::gate;
use crate::issue::{Fingerprint, Policy, Standing};
use crate::time::Time;

/// Counts read at a time.
const STEP: Duration = Duration::from_hours(1);

/// One identity as it goes through time.
struct Simulated<'r> {
    policy: &'r Policy,
    standing: Standing,
    granted: u64,
}

/// A part of an issue's occurrences that goes to one identity.
struct Share {
    to: Fingerprint,
    /// Stored events of it, of those of the issue.
    of: (u64, u64),
    /// Occurrences of the issue so far.
    seen: u64,
}

impl Share {
    /// What of the issue's next occurrences goes there: whole ones, and in the long run its part of them.
    fn next(&mut self, count: u64) -> u64 {
        let (part, all) = self.of;
        let due = |seen: u64| (u128::from(seen) * u128::from(part)).div_ceil(u128::from(all.max(1))) as u64;
        let before = due(self.seen);
        self.seen += count;
        due(self.seen) - before
    }
}

/// The alerts that each identity would have had from then to now, of those that changed issues would go on under.
pub(super) async fn alerts(
    archive: &Archive,
    replay: &Replay,
    changed: &HashSet<i64>,
    merged: &HashMap<i64, i64>,
    since: Time,
    now: Time,
) -> Result<HashMap<Fingerprint, u64>> {
    let mut simulated: HashMap<Fingerprint, Simulated<'_>> = HashMap::new();
    let mut shares: HashMap<i64, Vec<Share>> = HashMap::new();
    for (fingerprint, coming) in &replay.coming {
        for (issue, events) in coming.from.iter().filter(|(issue, _)| changed.contains(issue)) {
            let of = (*events, replay.issues[issue].0);
            shares.entry(*issue).or_default().push(Share { to: *fingerprint, of, seen: 0 });
            let new = || Simulated { policy: &coming.policy, standing: Standing::default(), granted: 0 };
            simulated.entry(*fingerprint).or_insert_with(new);
        }
    }
    let mut from = since;
    while !shares.is_empty() && from <= now {
        let to = from.plus(STEP);
        let mut seen: BTreeMap<(Time, Fingerprint), u64> = BTreeMap::new();
        for count in archive.counts(from, to).await? {
            for share in shares.get_mut(&counted_with(merged, count.issue)).into_iter().flatten() {
                *seen.entry((count.at, share.to)).or_default() += share.next(count.total);
            }
        }
        for ((at, fingerprint), count) in seen.into_iter().filter(|(_, count)| *count > 0) {
            let Some(one) = simulated.get_mut(&fingerprint) else { continue };
            let decision = gate::decide(&one.standing, count, one.policy, at);
            one.granted += decision.granted();
            one.standing = decision.next;
        }
        print::progress(&format!("simulating alerts: {to}"));
        from = to;
    }
    Ok(simulated.into_iter().map(|(fingerprint, one)| (fingerprint, one.granted)).collect())
}
