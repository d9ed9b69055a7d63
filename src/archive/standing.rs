//! What happens to an issue besides being seen: people decide something, a window ends.

use std::collections::HashMap;
use std::time::Duration;

use super::grant::{self, NewAlert};
use super::sql::{Row, Sql, Tx, Value, values};
use super::{Error, issues, known, rows, threads};
use crate::gate;
use crate::issue::{Action, Decided, Fingerprint, Issue, Standing, Window};
use crate::time::{MINUTE_MS, Time};

/// See [`super::Archive::act`].
pub(crate) async fn act(
    tx: &mut Tx,
    fingerprint: Fingerprint,
    action: &Action,
    by: &str,
    note: &str,
    now: Time,
) -> Result<Option<Issue>, Error> {
    static DECIDE: Sql =
        Sql::new("UPDATE issues SET decided_at = ?2, decided_by = ?3, decided_note = ?4 WHERE id = ?1");
    let found = known::lock(tx, &[fingerprint]).await?;
    let Some(mut known) = found.into_values().next() else { return Ok(None) };
    known.revision += 1;
    known.standing = gate::act(&known.standing, action, now);
    tx.execute(&DECIDE, &values![known.id, now, by, note]).await?;
    threads::hurry(tx, known.id, &known.standing).await?;
    known::store(tx, &[known]).await?;
    Ok(issues::by_fingerprint(tx, fingerprint).await?.map(|(_, issue)| issue))
}

/// Who decided last about each of these issues, as JSON; those about which nobody did are missing.
pub(super) async fn decided_json(
    tx: &mut Tx,
    issues: impl Iterator<Item = i64>,
) -> Result<HashMap<i64, String>, Error> {
    static DECIDED: Sql = Sql::new(
        "SELECT id, decided_at, decided_by, decided_note FROM issues WHERE decided_at IS NOT NULL AND id IN (?*)",
    );
    let list: Vec<Value<'_>> = issues.map(Value::from).collect();
    let read = |row: &Row<'_>| {
        let decided = Decided { at: row.maybe(1)?, by: row.get(2)?, note: row.get(3)? };
        Ok((row.get(0)?, serde_json::to_string(&decided).expect("texts always serialise")))
    };
    Ok(tx.query_list(&DECIDED, &[], &list, read).await?.into_iter().collect())
}

/// See [`super::Archive::close_windows`].
pub(crate) async fn close_due(tx: &mut Tx, expiry: Duration, limit: usize, now: Time) -> Result<usize, Error> {
    // What another process is writing at the moment is left for the next turn.
    static DUE: Sql = Sql::new(concat!(
        "SELECT s.issue, s.occurrences, s.last_seen, ",
        rows::standing_columns!(),
        " FROM standings s WHERE s.window_closing = 1 AND s.window_ends_at <= ? \
         ORDER BY s.window_ends_at LIMIT ? FOR UPDATE SKIP LOCKED"
    ));
    static TOLD: Sql = Sql::new("UPDATE standings SET window_closing = 0, revision = revision + 1 WHERE issue IN (?*)");
    let read =
        |row: &Row<'_>| Ok((row.get::<i64>(0)?, row.get::<u64>(1)?, row.get::<Time>(2)?, rows::standing(row, 3)?));
    let due: Vec<(i64, u64, Time, Standing)> = tx.query(&DUE, &values![now, limit], read).await?;
    let ended: Vec<Ended<'_>> = due
        .iter()
        .filter_map(|(issue, occurrences, last_seen, standing)| {
            let window = standing.window.as_ref()?;
            Some(Ended { issue: *issue, window, occurrences_total: *occurrences, last_seen: *last_seen })
        })
        .collect();
    end_windows(tx, &ended, expiry, false, now).await?;
    let list: Vec<Value<'_>> = due.iter().map(|(issue, ..)| Value::from(*issue)).collect();
    tx.execute_list(&TOLD, &[], &list).await?;
    Ok(due.len())
}

/// A window that is over.
pub(super) struct Ended<'a> {
    pub(super) issue: i64,
    pub(super) window: &'a Window,
    pub(super) occurrences_total: u64,
    pub(super) last_seen: Time,
}

/// Moves windows to those that are over and, if the end of one is still to be told and it held something back, stores the
/// closing message for the channels that its alerts went to.
///
/// `reopened`: the next occurrence is here already. Otherwise the error counts as going on when it was seen in the last
/// tenth of the window.
pub(super) async fn end_windows(
    tx: &mut Tx,
    ended: &[Ended<'_>],
    expiry: Duration,
    reopened: bool,
    now: Time,
) -> Result<(), Error> {
    const COLUMNS: usize = 7;
    static STORE: Sql = Sql::new(
        "INSERT INTO windows (issue, opened_at, ends_at, budget, seen, granted, regression) VALUES (?*7) \
         ON CONFLICT (issue, opened_at) DO UPDATE SET ends_at = excluded.ends_at, seen = excluded.seen, \
             granted = excluded.granted",
    );
    let row = |Ended { issue, window, .. }: &Ended<'_>| -> [Value<'static>; COLUMNS] {
        let Window { opened_at, ends_at, budget, seen, granted, regression, .. } = **window;
        values![*issue, opened_at, ends_at, budget, seen, granted, regression]
    };
    tx.insert(&STORE, COLUMNS, &ended.iter().flat_map(row).collect::<Vec<_>>()).await?;

    let to_tell: Vec<&Ended<'_>> = ended
        .iter()
        .filter(|ended| ended.window.closing && ended.window.seen > u64::from(ended.window.granted))
        .collect();
    if to_tell.is_empty() {
        return Ok(());
    }
    let told = channels_told(tx, &to_tell).await?;
    let latest = latest_events(tx, &to_tell).await?;
    let mut closings = Vec::with_capacity(to_tell.len());
    for Ended { issue, window, occurrences_total, last_seen } in to_tell.iter().copied() {
        let lasted = window.ends_at.since(window.opened_at);
        let ongoing = reopened || *last_seen >= window.ends_at.minus(lasted / 10);
        let told = told.iter().filter(|told| told.issue == *issue && told.opened_at == window.opened_at);
        closings.push(NewAlert {
            issue: *issue,
            window,
            ordinal: 0,
            occurrences: window.seen,
            occurrences_total: *occurrences_total,
            granted_at: now,
            last_seen: *last_seen,
            is_new: false,
            regression: None,
            closing: Some((busiest_minute(tx, *issue, window.opened_at, *last_seen).await?, ongoing)),
            event: latest.get(issue).copied(),
            channels: told.map(|told| (&*told.channel, now)).collect(),
        });
    }
    grant::store(tx, &closings, expiry, now).await
}

/// One statement for each closing, of which there are few: an issue has one a window.
async fn busiest_minute(tx: &mut Tx, issue: i64, from: Time, to: Time) -> Result<u64, Error> {
    const SERVERS: &str = "SELECT CAST(coalesce(max(m.total), 0) AS BIGINT) FROM \
         (SELECT sum(t.total) AS total FROM tallies t \
             WHERE t.issue = ?1 AND t.span_ms = ?4 AND t.at BETWEEN ?2 AND ?3 GROUP BY t.at) AS m";
    static BUSIEST: Sql = Sql::spelled(
        "WITH RECURSIVE minute (at) AS (SELECT ?2 UNION ALL SELECT at + ?4 FROM minute WHERE at + ?4 <= ?3) \
         SELECT coalesce(max(total), 0) FROM (SELECT sum(t.total) AS total FROM minute CROSS JOIN tallies t \
             ON t.span_ms = ?4 AND t.at = minute.at AND t.issue = ?1 GROUP BY minute.at)",
        SERVERS,
        SERVERS,
    );
    tx.one(&BUSIEST, &values![issue, from.minute(), to, MINUTE_MS], |row| row.get(0))
        .await
        .map(Option::unwrap_or_default)
}

async fn latest_events(tx: &mut Tx, ended: &[&Ended<'_>]) -> Result<HashMap<i64, i64>, Error> {
    static LATEST: Sql = Sql::new("SELECT issue, max(id) FROM events WHERE issue IN (?*) GROUP BY issue");
    let list: Vec<Value<'_>> = ended.iter().map(|ended| Value::from(ended.issue)).collect();
    let found = tx.query_list(&LATEST, &[], &list, |row| Ok((row.get(0)?, row.get(1)?))).await?;
    Ok(found.into_iter().collect())
}

/// A channel that an alert of a window went to.
struct Told {
    issue: i64,
    opened_at: Time,
    channel: String,
}

/// Of the windows' issues; those of other windows are among them.
async fn channels_told(tx: &mut Tx, ended: &[&Ended<'_>]) -> Result<Vec<Told>, Error> {
    static TOLD: Sql = Sql::new(
        "SELECT DISTINCT a.issue, a.window_opened_at, d.channel FROM alerts a JOIN deliveries d ON d.alert = a.id \
         WHERE a.window_opened_at >= ?1 AND a.issue IN (?*) ORDER BY d.channel",
    );
    let from = ended.iter().map(|ended| ended.window.opened_at).min().unwrap_or_default();
    let list: Vec<Value<'_>> = ended.iter().map(|ended| Value::from(ended.issue)).collect();
    let read = |row: &Row<'_>| Ok(Told { issue: row.get(0)?, opened_at: row.get(1)?, channel: row.get(2)? });
    tx.query_list(&TOLD, &values![from], &list, read).await
}
