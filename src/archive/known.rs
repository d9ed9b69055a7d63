//! Issues as the gate meets them: found and locked, made when they are new, written back when it has decided.
//!
//! Promises: between finding and writing nobody else changes a standing. Two transactions do not wait for each other: new
//! issues are made first, in the order of their fingerprints, while nothing else is locked; then standings are locked in
//! the order of their numbers, and nothing but standings. (Rows of issues are read without a lock: which index, and so
//! which order, a server takes to lock the rows of a join is its own choice.)

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use super::issues::haystack;
use super::sql::{Dialect, Row, Sql, Tx, Value, values};
use super::{Error, former, rows, segments};
use crate::event::{Attributes, Packed};
use crate::issue::{Fingerprint, Former, Rules, Standing, State};
use crate::time::Time;

/// The columns that [`known`] reads.
macro_rules! known_columns {
    () => {
        concat!(
            "s.issue, s.revision, s.occurrences, s.alerts, s.last_seen, s.sampled_day, s.sampled, ",
            rows::standing_columns!()
        )
    };
}
pub(super) use known_columns;

/// An issue as the gate meets it.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    pub(super) id: i64,
    pub(super) revision: u64,
    pub(super) occurrences: u64,
    pub(super) alerts: u64,
    pub(super) last_seen: Time,
    pub(super) sampled_day: i64,
    pub(super) sampled: u32,
    pub(super) standing: Standing,
}

/// An issue that may be new.
pub(super) struct Fresh<'a> {
    pub(super) fingerprint: Fingerprint,
    pub(super) rules: &'a Rules,
    pub(super) project: &'a str,
    /// What it is made of when it is new.
    pub(super) event: &'a Packed,
    pub(super) seen_at: Time,
}

impl Fresh<'_> {
    /// The identities that its event had before.
    pub(super) fn formers(&self) -> Vec<Former> {
        (self.rules.formers)(&self.event.event())
    }
}

/// Finds or makes these issues, and locks them. In their order. What was one of them under a former name goes on as that;
/// those for which `alerts` says that they would alert are asked whether they were.
pub(super) async fn lock_or_make(
    tx: &mut Tx,
    fresh: &[Fresh<'_>],
    expiry: Duration,
    now: Time,
    alerts: impl Fn(usize, &Known) -> bool + Send,
) -> Result<Vec<Known>, Error> {
    let mut found = match tx.dialect() {
        Dialect::Sqlite => find_or_make_alone(tx, fresh, now).await?,
        _ => find_or_make(tx, fresh, now).await?,
    };
    let gone = || Error::Busy("an issue was forgotten just now".to_owned());
    let known: Result<Vec<Known>, Error> =
        fresh.iter().map(|one| found.remove(&one.fingerprint).ok_or_else(gone)).collect();
    let mut known = known?;
    let asked = fresh.iter().zip(&mut known).enumerate().filter(|(nth, (_, known))| alerts(*nth, known));
    former::join(tx, asked.map(|(_, pair)| pair).collect(), expiry, now).await?;
    Ok(known)
}

/// On SQLite, which has one writer: nothing to lock, and nobody else makes the same issue.
async fn find_or_make_alone(tx: &mut Tx, fresh: &[Fresh<'_>], now: Time) -> Result<HashMap<Fingerprint, Known>, Error> {
    let fingerprints: Vec<Fingerprint> = fresh.iter().map(|one| one.fingerprint).collect();
    let mut found = lock(tx, &fingerprints).await?;
    let mut missing = missing(fresh, |fingerprint| found.contains_key(fingerprint));
    let renamed = former::rename(tx, &missing).await?;
    if !renamed.is_empty() {
        found.extend(lock(tx, &renamed).await?);
        missing.retain(|one| !found.contains_key(&one.fingerprint));
    }
    segments::note(tx, &missing, now).await?;
    let rows: Vec<_> = missing.iter().flat_map(|one| row_of_new(one)).collect();
    let ids = tx.insert_numbered(&MAKE, ISSUE_COLUMNS, &rows).await?;
    found.extend(missing.iter().zip(ids).map(|(one, id)| (one.fingerprint, Known { id, ..Known::default() })));
    Ok(found)
}

async fn find_or_make(tx: &mut Tx, fresh: &[Fresh<'_>], now: Time) -> Result<HashMap<Fingerprint, Known>, Error> {
    let fingerprints: Vec<Fingerprint> = fresh.iter().map(|one| one.fingerprint).collect();
    let mut ids = ids(tx, &fingerprints).await?;
    let mut missing = missing(fresh, |fingerprint| ids.contains_key(fingerprint));
    if !missing.is_empty() {
        missing.sort_unstable_by_key(|one| one.fingerprint);
        let renamed = former::rename(tx, &missing).await?;
        missing.retain(|one| !renamed.contains(&one.fingerprint));
        segments::note(tx, &missing, now).await?;
        make(tx, &missing).await?;
        let made: Vec<Fingerprint> = missing.iter().map(|one| one.fingerprint).chain(renamed).collect();
        ids.extend(self::ids(tx, &made).await?);
    }
    lock_numbered(tx, &ids).await
}

fn missing<'f, 'e>(fresh: &'f [Fresh<'e>], is_there: impl Fn(&Fingerprint) -> bool) -> Vec<&'f Fresh<'e>> {
    fresh.iter().filter(|one| !is_there(&one.fingerprint)).collect()
}

/// Locks the issues with these fingerprints; those that are not there are missing in the answer.
pub(super) async fn lock(tx: &mut Tx, fingerprints: &[Fingerprint]) -> Result<HashMap<Fingerprint, Known>, Error> {
    // SQLite has one writer: nothing to lock.
    static FIND: Sql = Sql::new(concat!(
        "SELECT i.fingerprint, ",
        known_columns!(),
        " FROM issues i JOIN standings s ON s.issue = i.id WHERE i.fingerprint IN (?*)"
    ));
    if tx.dialect() != Dialect::Sqlite {
        let ids = ids(tx, fingerprints).await?;
        return lock_numbered(tx, &ids).await;
    }
    static FIND_BY_FORMER: Sql = Sql::new(concat!(
        "SELECT f.fingerprint, ",
        known_columns!(),
        " FROM former_fingerprints f JOIN standings s ON s.issue = f.issue WHERE f.fingerprint IN (?*)"
    ));
    named(tx, [&FIND, &FIND_BY_FORMER], fingerprints, |row| known(row, 1), |known| known.id).await
}

/// The numbers of the issues with these fingerprints.
async fn ids(tx: &mut Tx, fingerprints: &[Fingerprint]) -> Result<HashMap<Fingerprint, i64>, Error> {
    static IDS: Sql = Sql::new("SELECT fingerprint, id FROM issues WHERE fingerprint IN (?*)");
    static IDS_BY_FORMER: Sql =
        Sql::new("SELECT fingerprint, issue FROM former_fingerprints WHERE fingerprint IN (?*)");
    named(tx, [&IDS, &IDS_BY_FORMER], fingerprints, |row| row.get(1), |id| *id).await
}

/// What goes by these names: first of all the names of now, then, for those that are not there, the names of before. No
/// issue is among the answers twice.
async fn named<T: Send>(
    tx: &mut Tx,
    queries: [&'static Sql; 2],
    names: &[Fingerprint],
    read: impl Fn(&Row<'_>) -> Result<T, Error> + Send + Sync,
    id: impl Fn(&T) -> i64,
) -> Result<HashMap<Fingerprint, T>, Error> {
    let [by_name, by_former] = queries;
    let read = |row: &Row<'_>| Ok((row.get(0)?, read(row)?));
    let list: Vec<Value<'_>> = names.iter().copied().map(Value::from).collect();
    let mut found: HashMap<Fingerprint, T> = tx.query_list(by_name, &[], &list, read).await?.into_iter().collect();
    let missing = names.iter().copied().filter(|name| !found.contains_key(name));
    let list: Vec<Value<'_>> = missing.map(Value::from).collect();
    let by_former = tx.query_list(by_former, &[], &list, read).await?;
    if !by_former.is_empty() {
        let mut there: HashSet<i64> = found.values().map(&id).collect();
        found.extend(by_former.into_iter().filter(|(_, one)| there.insert(id(one))));
    }
    Ok(found)
}

async fn lock_numbered(tx: &mut Tx, ids: &HashMap<Fingerprint, i64>) -> Result<HashMap<Fingerprint, Known>, Error> {
    static LOCK: Sql = Sql::new(concat!(
        "SELECT ",
        known_columns!(),
        " FROM standings s WHERE s.issue IN (?*) ORDER BY s.issue FOR UPDATE"
    ));
    let mut sorted: Vec<i64> = ids.values().copied().collect();
    sorted.sort_unstable();
    let list: Vec<Value<'_>> = sorted.into_iter().map(Value::from).collect();
    let found = tx.query_list(&LOCK, &[], &list, |row| known(row, 0)).await?;
    let mut by_id: HashMap<i64, Known> = found.into_iter().map(|known| (known.id, known)).collect();
    Ok(ids.iter().filter_map(|(fingerprint, id)| Some((*fingerprint, by_id.remove(id)?))).collect())
}

pub(super) fn known(row: &Row<'_>, at: usize) -> Result<Known, Error> {
    Ok(Known {
        id: row.get(at)?,
        revision: row.get(at + 1)?,
        occurrences: row.get(at + 2)?,
        alerts: row.get(at + 3)?,
        last_seen: row.get(at + 4)?,
        sampled_day: row.get(at + 5)?,
        sampled: row.get(at + 6)?,
        standing: rows::standing(row, at + 7)?,
    })
}

const ISSUE_COLUMNS: usize = 12;

static MAKE: Sql = Sql::new(
    "INSERT INTO issues (fingerprint, cause, rules, project, first_seen, attributes, normalized, module, environment, \
         haystack, decided_by, decided_note) VALUES (?*12) RETURNING id",
);

fn row_of_new<'a>(one: &Fresh<'a>) -> [Value<'a>; ISSUE_COLUMNS] {
    let first = one.event.event();
    let normalized: Attributes<'_> = (one.rules.normalize)(&first);
    values![
        one.fingerprint,
        (one.rules.cause)(&first, &normalized),
        one.rules.version,
        one.project,
        one.seen_at,
        rows::attributes_json(&first.attributes),
        rows::attributes_json(&normalized),
        normalized.module.into_owned(),
        normalized.environment.into_owned(),
        haystack(&first.attributes),
        "",
        "",
    ]
}

/// Makes issues that somebody else may be making at the same time.
async fn make(tx: &mut Tx, missing: &[&Fresh<'_>]) -> Result<(), Error> {
    static MAKE_UNLESS_THERE: Sql = Sql::new(
        "INSERT INTO issues (fingerprint, cause, rules, project, first_seen, attributes, normalized, module, environment, \
             haystack, decided_by, decided_note) VALUES (?*12) ON CONFLICT (fingerprint) DO NOTHING",
    );
    static STAND: Sql = Sql::new(
        "INSERT INTO standings (issue, revision, occurrences, alerts, last_seen, state) \
         SELECT i.id, 0, 0, 0, i.first_seen, 'open' FROM issues i WHERE i.fingerprint IN (?*) \
             AND NOT EXISTS (SELECT 1 FROM standings s WHERE s.issue = i.id) ORDER BY i.fingerprint \
         ON CONFLICT (issue) DO NOTHING",
    );
    let rows: Vec<_> = missing.iter().flat_map(|one| row_of_new(one)).collect();
    tx.insert(&MAKE_UNLESS_THERE, ISSUE_COLUMNS, &rows).await?;
    let list: Vec<_> = missing.iter().map(|one| Value::from(one.fingerprint)).collect();
    tx.execute_list(&STAND, &[], &list).await.map(drop)
}

/// Writes standings that were locked, with the revisions that they have.
pub(super) async fn store(tx: &mut Tx, known: &[Known]) -> Result<(), Error> {
    const COLUMNS: usize = 18;
    static STORE: Sql = Sql::new(
        "INSERT INTO standings (issue, revision, occurrences, alerts, last_seen, sampled_day, sampled, state, \
             muted_until, muted_more, window_opened_at, window_ends_at, window_budget, window_seen, window_granted, \
             window_last_granted_at, window_regression, window_closing) \
         VALUES (?*18) \
         ON CONFLICT (issue) DO UPDATE SET revision = excluded.revision, occurrences = excluded.occurrences, \
             alerts = excluded.alerts, last_seen = excluded.last_seen, sampled_day = excluded.sampled_day, \
             sampled = excluded.sampled, state = excluded.state, muted_until = excluded.muted_until, \
             muted_more = excluded.muted_more, window_opened_at = excluded.window_opened_at, \
             window_ends_at = excluded.window_ends_at, window_budget = excluded.window_budget, \
             window_seen = excluded.window_seen, window_granted = excluded.window_granted, \
             window_last_granted_at = excluded.window_last_granted_at, window_regression = excluded.window_regression, \
             window_closing = excluded.window_closing",
    );
    let mut rows = Vec::with_capacity(known.len() * COLUMNS);
    for known in known {
        let (muted_until, muted_more) = match known.standing.state {
            State::Muted { until, more } => (until, more),
            _ => (None, None),
        };
        let window = known.standing.window.as_ref();
        let row: [Value<'_>; COLUMNS] = values![
            known.id,
            known.revision,
            known.occurrences,
            known.alerts,
            known.last_seen,
            known.sampled_day,
            known.sampled,
            known.standing.state.name(),
            muted_until,
            muted_more,
            window.map(|w| w.opened_at),
            window.map(|w| w.ends_at),
            window.map(|w| w.budget),
            window.map(|w| w.seen),
            window.map(|w| w.granted),
            window.and_then(|w| w.last_granted_at),
            window.map(|w| w.regression),
            window.map(|w| w.closing),
        ];
        rows.extend(row);
    }
    tx.insert(&STORE, COLUMNS, &rows).await
}
