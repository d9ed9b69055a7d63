//! Recording alerts that were granted while the archive was away.
//!
//! Promises: idempotent; what has an ordinal already keeps it, and what comes later with the same one gives way. Counts are
//! not touched: the write-back brings them. Deliberately not here: who granted them, and whether they were sent.
//!
//! Invariant: *Budget.* An issue's windows never overlap, and no ordinal is there twice: a provisional window that touches
//! one of the archive's is that one.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use super::grant::{self, NewAlert};
use super::interim::Provisional;
use super::known::{self, Fresh, Known};
use super::sql::{Row, Sql, Tx, Value, values};
use super::standing::{self, Ended};
use super::{Error, Remembered};
use crate::alert::InsteadOf;
use crate::issue::{Fingerprint, Standing, State, Window};
use crate::time::Time;

/// Where an issue stands after an adoption.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Adopted {
    /// The issue.
    pub(crate) fingerprint: Fingerprint,
    /// Its standing.
    pub(crate) standing: Standing,
    /// The standing's revision.
    pub(crate) revision: u64,
    /// Alerts that were recorded; the others gave way.
    pub(crate) recorded: u64,
}

/// A window that was granted in elsewhere.
#[derive(Clone, Copy, Debug)]
pub(super) struct Foreign {
    opened_at: Time,
    ends_at: Time,
    budget: u32,
    granted: u32,
    closing: bool,
    revision: u64,
}

impl Foreign {
    /// What a cache knows, when that is a window that is open.
    pub(super) fn of(remembered: &Remembered, closing: bool, now: Time) -> Option<Foreign> {
        let Remembered { window_opened_at: opened_at, window_ends_at, budget, granted, revision, .. } = *remembered;
        let ends_at = window_ends_at.filter(|ends_at| now < *ends_at && granted > 0)?;
        Some(Foreign { opened_at, ends_at, budget, granted, closing, revision })
    }

    fn touches(&self, opened_at: Time, ends_at: Time) -> bool {
        self.opened_at < ends_at && opened_at < self.ends_at
    }

    /// Whether it is, or becomes, the newest window of this standing, with what was granted in it.
    pub(super) fn joins(&self, standing: &mut Standing, revision: u64) -> bool {
        if let Some(window) = standing.window.as_mut() {
            if window.opened_at == self.opened_at {
                window.granted = window.granted.max(self.granted.min(window.budget));
                return true;
            }
            if self.touches(window.opened_at, window.ends_at) {
                return true;
            }
            if self.opened_at < window.opened_at {
                return false;
            }
        }
        // People decided something that whoever granted did not know of.
        let ended_by_people = matches!(standing.state, State::Muted { .. } | State::Resolved);
        if ended_by_people && self.revision < revision {
            return false;
        }
        standing.window = Some(Window {
            opened_at: self.opened_at,
            ends_at: self.ends_at,
            budget: self.budget,
            seen: 0,
            granted: self.granted.min(self.budget),
            last_granted_at: None,
            regression: standing.state == State::Resolved,
            closing: self.closing,
        });
        standing.state = State::Open;
        true
    }
}

/// See [`super::Archive::adopt`].
pub(super) async fn adopt(
    tx: &mut Tx,
    alerts: &[Provisional],
    expiry: Duration,
    now: Time,
) -> Result<Vec<Adopted>, Error> {
    let mut of: BTreeMap<Fingerprint, Vec<&Provisional>> = BTreeMap::new();
    alerts.iter().for_each(|alert| of.entry(alert.fingerprint).or_default().push(alert));
    let mut issues: Vec<Vec<&Provisional>> = of.into_values().collect();
    issues.iter_mut().for_each(|alerts| alerts.sort_by_key(|alert| (alert.window_opened_at, alert.ordinal)));
    let fresh: Vec<Fresh<'_>> = issues.iter().map(|alerts| fresh(alerts[0])).collect();
    // What is recorded here has alerted already.
    let mut known = known::lock_or_make(tx, &fresh, expiry, now, |_, _| false).await?;

    let older = older_windows(tx, &known).await?;
    let mut placed = Vec::new();
    let mut ended: Vec<(usize, Window)> = Vec::new();
    for (nth, (alerts, known)) in issues.iter().zip(&mut known).enumerate() {
        let older = older.get(&known.id).map_or(&[][..], Vec::as_slice);
        placed.extend(place(alerts, known, older, now, |window| ended.push((nth, window))));
    }
    let ended_rows = ended.iter().map(|(nth, window)| Ended {
        issue: known[*nth].id,
        window,
        occurrences_total: known[*nth].occurrences,
        last_seen: known[*nth].last_seen,
    });
    standing::end_windows(tx, &ended_rows.collect::<Vec<_>>(), expiry, true, now).await?;

    let taken = taken(tx, &placed).await?;
    let mut seen = HashSet::new();
    placed.retain(|one| {
        let place = (one.issue, one.window.opened_at, one.alert.ordinal);
        !one.alert.is_being_sent()
            && one.alert.ordinal <= one.window.budget
            && !taken.contains(&place)
            && seen.insert(place)
    });
    store(tx, &placed, &known).await?;

    for known in &mut known {
        known.alerts += placed.iter().filter(|one| one.issue == known.id).count() as u64;
        known.revision += 1;
    }
    known::store(tx, &known).await?;
    let adopted = fresh.iter().zip(known).map(|(fresh, known)| Adopted {
        fingerprint: fresh.fingerprint,
        revision: known.revision,
        recorded: placed.iter().filter(|one| one.issue == known.id).count() as u64,
        standing: known.standing,
    });
    Ok(adopted.collect())
}

fn fresh(alert: &Provisional) -> Fresh<'_> {
    Fresh {
        fingerprint: alert.fingerprint,
        rules: &alert.rules,
        project: &alert.project,
        event: &alert.event,
        seen_at: alert.granted_at,
    }
}

/// An alert and the window that it belongs to.
struct Placed<'a> {
    issue: i64,
    alert: &'a Provisional,
    window: Window,
}

/// Finds or makes the window of each alert of an issue. `end` is told what gives way, and what is over already.
fn place<'a>(
    alerts: &[&'a Provisional],
    known: &mut Known,
    older: &[Window],
    now: Time,
    mut end: impl FnMut(Window),
) -> Vec<Placed<'a>> {
    let mut placed = Vec::with_capacity(alerts.len());
    for same in alerts.chunk_by(|one, other| one.window_opened_at == other.window_opened_at) {
        let newest = same.iter().max_by_key(|alert| alert.ordinal).expect("a chunk is never empty");
        let foreign = Foreign {
            opened_at: newest.window_opened_at,
            ends_at: newest.window_ends_at,
            budget: newest.budget,
            granted: newest.ordinal,
            closing: newest.route.policy.closing,
            revision: newest.revision,
        };
        let before = known.standing.window.clone();
        let window = if foreign.joins(&mut known.standing, known.revision) {
            let window = known.standing.window.clone().expect("what was joined is there");
            if let Some(before) = before.filter(|before| before.opened_at != window.opened_at) {
                end(before);
            }
            window
        } else {
            let found = older.iter().find(|window| foreign.touches(window.opened_at, window.ends_at));
            found.cloned().unwrap_or_else(|| {
                let over = Window {
                    opened_at: foreign.opened_at,
                    // It must not touch what comes after it.
                    ends_at: foreign.ends_at.min(before.map_or(now, |before| before.opened_at.max(foreign.opened_at))),
                    budget: foreign.budget,
                    seen: 0,
                    granted: foreign.granted.min(foreign.budget),
                    last_granted_at: None,
                    regression: false,
                    closing: false,
                };
                end(over.clone());
                over
            })
        };
        placed.extend(same.iter().map(|alert| Placed { issue: known.id, alert, window: window.clone() }));
    }
    placed
}

/// The windows of these issues that are over.
async fn older_windows(tx: &mut Tx, known: &[Known]) -> Result<HashMap<i64, Vec<Window>>, Error> {
    static OLDER: Sql = Sql::new(
        "SELECT issue, opened_at, ends_at, budget, seen, granted, regression FROM windows WHERE issue IN (?*)",
    );
    let list: Vec<Value<'_>> = known.iter().filter(|known| known.revision > 0).map(|k| Value::from(k.id)).collect();
    let read = |row: &Row<'_>| {
        let window = Window {
            opened_at: row.get(1)?,
            ends_at: row.get(2)?,
            budget: row.get(3)?,
            seen: row.get(4)?,
            granted: row.get(5)?,
            last_granted_at: None,
            regression: row.get(6)?,
            closing: false,
        };
        Ok((row.get::<i64>(0)?, window))
    };
    let mut older: HashMap<i64, Vec<Window>> = HashMap::new();
    for (issue, window) in tx.query_list(&OLDER, &[], &list, read).await? {
        older.entry(issue).or_default().push(window);
    }
    Ok(older)
}

/// The ordinals that are there. Nobody makes one meanwhile: the standings are locked.
async fn taken(tx: &mut Tx, placed: &[Placed<'_>]) -> Result<HashSet<(i64, Time, u32)>, Error> {
    static TAKEN: Sql =
        Sql::new("SELECT issue, window_opened_at, ordinal FROM alerts WHERE window_opened_at >= ?1 AND issue IN (?*)");
    let from = placed.iter().map(|one| one.window.opened_at).min().unwrap_or_default();
    let issues: BTreeSet<i64> = placed.iter().map(|one| one.issue).collect();
    let list: Vec<Value<'_>> = issues.into_iter().map(Value::from).collect();
    let read = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
    Ok(tx.query_list(&TAKEN, &values![from], &list, read).await?.into_iter().collect())
}

async fn store(tx: &mut Tx, placed: &[Placed<'_>], known: &[Known]) -> Result<(), Error> {
    const COLUMNS: usize = 12;
    static DELIVERIES: Sql = Sql::new(
        "INSERT INTO deliveries (alert, issue, channel, state, attempts, unanswered, due_at, created_at, expires_at, \
             settled_at, error, instead_of) VALUES (?*12)",
    );
    let rows: Vec<Value<'_>> = placed
        .iter()
        .flat_map(|one| grant::event_row(one.issue, &one.alert.event.event(), one.alert.granted_at))
        .collect();
    let events = grant::store_events(tx, &rows).await?;
    let issues: HashMap<i64, &Known> = known.iter().map(|known| (known.id, known)).collect();
    let rows = placed.iter().zip(events);
    let alerts = rows.map(|(one, event)| NewAlert {
        issue: one.issue,
        window: &one.window,
        ordinal: one.alert.ordinal,
        occurrences: one.alert.occurrences,
        occurrences_total: issues[&one.issue].occurrences.max(one.alert.occurrences),
        granted_at: one.alert.granted_at,
        last_seen: one.alert.granted_at,
        is_new: issues[&one.issue].occurrences == 0 && one.alert.ordinal == 1,
        regression: None,
        closing: None,
        event: Some(event),
        channels: Vec::new(),
    });
    let ids = grant::store_alerts(tx, &alerts.collect::<Vec<_>>()).await?;
    let mut rows = Vec::new();
    for (one, id) in placed.iter().zip(ids) {
        for way in &one.alert.ways {
            let row: [Value<'_>; COLUMNS] = values![
                id,
                one.issue,
                &*way.channel,
                way.state.name(),
                way.attempts,
                way.unanswered,
                way.due_at,
                one.alert.granted_at,
                one.alert.expires_at,
                way.settled_at,
                way.error.as_deref(),
                way.instead_of.as_ref().map(InsteadOf::to_json),
            ];
            rows.extend(row);
        }
    }
    tx.insert(&DELIVERIES, COLUMNS, &rows).await
}

impl super::Archive {
    /// Records alerts that were granted while it was away, with their deliveries as they stand. Of what is just being sent
    /// only the window is recorded. Answers where each issue stands now.
    pub(crate) async fn adopt(
        &self,
        alerts: Arc<[Provisional]>,
        expiry: Duration,
        now: Time,
    ) -> Result<Vec<Adopted>, Error> {
        let args = (alerts, expiry, now);
        self.store.write(args, |tx, (alerts, expiry, now)| Box::pin(adopt(tx, alerts, *expiry, *now))).await
    }
}
