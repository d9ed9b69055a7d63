//! Taking over what the shared cache and the pods counted.
//!
//! Promises: totals only grow, each to the largest that was ever written, so that replays, two writers and crashes
//! between the steps are harmless; the issue and its window grow by the same difference, in the same transaction.
//!
//! Invariant: *Conservation.* What is added to the tallies is added to the issue's occurrences, and (unless muted) to the
//! window that the minute lies in, when that one is still stored.
//!
//! Deliberately not here: minutes that retention has folded to hours. A total that comes so late would be counted anew.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::Error;
use super::known::{self, Known};
use super::sql::{Row, Sql, Tx, Value, values};
use crate::issue::{Fingerprint, Reason};
use crate::time::{MINUTE_MS, Time};

/// How often something was seen in a minute, all told, by one who counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Counted {
    /// The issue.
    pub(crate) fingerprint: Fingerprint,
    /// The minute's start.
    pub(crate) minute: Time,
    /// Who counted: a cache's epoch or a pod. At most 40 characters.
    pub(crate) source: String,
    /// `alerted`, or the name of the reason why they were held back.
    pub(crate) outcome: &'static str,
    /// The total.
    pub(crate) total: u64,
}

/// What a write-back changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct WrittenBack {
    /// Occurrences that the archive did not know of.
    pub(crate) added: u64,
    /// Issues that the archive does not know: nothing was stored for them, and they should be written again once it does.
    pub(crate) unknown: Vec<Fingerprint>,
}

/// A tally's place.
type Place = (Time, i64, String, &'static str);

/// See [`super::Archive::write_back`].
pub(super) async fn write_back(tx: &mut Tx, counted: &[Counted]) -> Result<WrittenBack, Error> {
    let wanted: BTreeSet<Fingerprint> = counted.iter().map(|one| one.fingerprint).collect();
    let mut known = known::lock(tx, &wanted.iter().copied().collect::<Vec<_>>()).await?;
    let unknown = wanted.into_iter().filter(|fingerprint| !known.contains_key(fingerprint)).collect();

    let mut totals: BTreeMap<Place, (Fingerprint, u64)> = BTreeMap::new();
    for one in counted.iter().filter(|one| one.total > 0) {
        let Some(issue) = known.get(&one.fingerprint) else { continue };
        let place = (one.minute.minute(), issue.id, one.source.clone(), one.outcome);
        let total = totals.entry(place).or_insert((one.fingerprint, 0));
        total.1 = total.1.max(one.total);
    }
    let stored = stored(tx, &totals).await?;
    totals.retain(|place, (_, total)| *total > stored.get(place).copied().unwrap_or(0));

    let mut rows = Vec::new();
    let mut in_windows: BTreeMap<(i64, Time), u64> = BTreeMap::new();
    let mut changed: BTreeSet<Fingerprint> = BTreeSet::new();
    let mut added = 0;
    for (place, (fingerprint, total)) in &totals {
        let (minute, id, source, outcome) = place;
        rows.extend(values![MINUTE_MS, *minute, *id, source.as_str(), *outcome, *total]);
        let more = total - stored.get(place).copied().unwrap_or(0);
        let issue = known.get_mut(fingerprint).expect("only known ones are among them");
        added += more;
        issue.occurrences += more;
        issue.last_seen = issue.last_seen.max(*minute);
        changed.insert(*fingerprint);
        if !lies_in_no_window(outcome) && !adds_to_window(issue, *minute, more) {
            *in_windows.entry((*id, *minute)).or_default() += more;
        }
    }
    store_tallies(tx, &rows).await?;
    for ((id, minute), more) in in_no_window(tx, &in_windows).await? {
        // Counted by a clock that is behind that of whoever opened the window.
        let issue = known.values_mut().find(|issue| issue.id == id).expect("only known ones are among them");
        adds_to_window(issue, Time(minute.ms() + MINUTE_MS), more);
    }
    let changed: Vec<Known> = changed.iter().filter_map(|fingerprint| known.remove(fingerprint)).collect();
    known::store(tx, &changed).await?;
    Ok(WrittenBack { added, unknown })
}

fn lies_in_no_window(outcome: &str) -> bool {
    Reason::ALL.iter().any(|reason| !reason.is_in_window() && reason.name() == outcome)
}

/// Adds to the newest window when the minute touches it.
fn adds_to_window(issue: &mut Known, minute: Time, more: u64) -> bool {
    let window = issue.standing.window.as_mut();
    let window = window.filter(|window| minute >= window.opened_at.minute() && minute < window.ends_at);
    window.map(|window| window.seen += more).is_some()
}

/// What is stored of these totals: one query for each minute and source, of which a write-back has few.
async fn stored(tx: &mut Tx, totals: &BTreeMap<Place, (Fingerprint, u64)>) -> Result<HashMap<Place, u64>, Error> {
    static STORED: Sql = Sql::new(
        "SELECT issue, outcome, total FROM tallies WHERE span_ms = ?1 AND at = ?2 AND source = ?3 AND issue IN (?*)",
    );
    let mut issues: BTreeMap<(Time, &str), BTreeSet<i64>> = BTreeMap::new();
    for (minute, issue, source, _) in totals.keys() {
        issues.entry((*minute, source)).or_default().insert(*issue);
    }
    let outcomes: Vec<&'static str> =
        totals.keys().map(|(.., outcome)| *outcome).collect::<BTreeSet<_>>().into_iter().collect();
    let mut stored = HashMap::new();
    for ((minute, source), issues) in issues {
        let list: Vec<Value<'_>> = issues.into_iter().map(Value::from).collect();
        let read = |row: &Row<'_>| Ok((row.get::<i64>(0)?, row.get::<String>(1)?, row.get::<u64>(2)?));
        for (issue, outcome, total) in tx.query_list(&STORED, &values![MINUTE_MS, minute, source], &list, read).await? {
            if let Some(outcome) = outcomes.iter().find(|known| **known == outcome) {
                stored.insert((minute, issue, source.to_owned(), *outcome), total);
            }
        }
    }
    Ok(stored)
}

async fn store_tallies(tx: &mut Tx, rows: &[Value<'_>]) -> Result<(), Error> {
    static STORE: Sql = Sql::new(
        "INSERT INTO tallies (span_ms, at, issue, source, outcome, total) VALUES (?*6) \
         ON CONFLICT (span_ms, at, issue, source, outcome) DO UPDATE SET total = GREATEST(tallies.total, excluded.total)",
    );
    tx.insert(&STORE, 6, rows).await
}

/// Adds to windows that are over: to the newest that each minute touches. Answers what no window touches.
async fn in_no_window(tx: &mut Tx, more: &BTreeMap<(i64, Time), u64>) -> Result<Vec<((i64, Time), u64)>, Error> {
    static FIND: Sql = Sql::new(
        "SELECT opened_at FROM windows WHERE issue = ?1 AND opened_at < ?2 AND ends_at > ?3 \
         ORDER BY opened_at DESC LIMIT 1",
    );
    static ADD: Sql = Sql::new("UPDATE windows SET seen = seen + ?3 WHERE issue = ?1 AND opened_at = ?2");
    let mut left = Vec::new();
    for ((issue, minute), more) in more {
        let next_minute = Time(minute.ms() + MINUTE_MS);
        match tx.one(&FIND, &values![*issue, next_minute, *minute], |row| row.get::<Time>(0)).await? {
            Some(opened_at) => drop(tx.execute(&ADD, &values![*issue, opened_at, *more]).await?),
            None => left.push(((*issue, *minute), *more)),
        }
    }
    Ok(left)
}
