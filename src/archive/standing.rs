//! What happens to an issue besides being seen: people decide something, a window ends.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::admit::NewAlert;
use super::{issues, rows};
use crate::gate;
use crate::issue::{Action, Decided, Fingerprint, Issue, Standing, State};
use crate::time::{MINUTE_MS, Time};

/// See [`super::Archive::act`].
pub(crate) fn act(
    connection: &Connection,
    fingerprint: Fingerprint,
    action: &Action,
    by: &str,
    note: &str,
    now: Time,
) -> rusqlite::Result<Option<Issue>> {
    let Some((id, before)) = find(connection, fingerprint)? else { return Ok(None) };
    let after = gate::act(&before, action, now);
    let (muted_until, muted_more) = match after.state {
        State::Muted { until, more } => (until, more),
        _ => (None, None),
    };
    let window = after.window.as_ref();
    connection
        .prepare_cached(
            "UPDATE standings SET state = ?2, muted_until = ?3, muted_more = ?4, window_ends_at = ?5, \
                 window_closing = ?6 WHERE issue = ?1",
        )?
        .execute(params![
            id,
            after.state.name(),
            muted_until,
            muted_more,
            window.map(|w| w.ends_at),
            window.map(|w| w.closing)
        ])?;
    connection
        .prepare_cached("UPDATE issues SET decided_at = ?2, decided_by = ?3, decided_note = ?4 WHERE id = ?1")?
        .execute(params![id, now, by, note])?;
    issues::by_fingerprint(connection, fingerprint)
}

fn find(connection: &Connection, fingerprint: Fingerprint) -> rusqlite::Result<Option<(i64, Standing)>> {
    const FIND: &str = concat!(
        "SELECT i.id, ",
        rows::standing_columns!(),
        " FROM issues i JOIN standings s ON s.issue = i.id WHERE i.fingerprint = ?"
    );
    let read = |row: &Row<'_>| Ok((row.get(0)?, rows::standing(row, 1)?));
    connection.prepare_cached(FIND)?.query_row([fingerprint], read).optional()
}

/// Who decided last, as JSON; `None` when nobody did.
pub(super) fn decided_json(connection: &Connection, issue: i64) -> rusqlite::Result<Option<String>> {
    let decided = connection
        .prepare_cached("SELECT decided_at, decided_by, decided_note FROM issues WHERE id = ?")?
        .query_row([issue], |row| Ok(Decided { at: row.get(0)?, by: row.get(1)?, note: row.get(2)? }))?;
    Ok(decided.at.is_some().then(|| serde_json::to_string(&decided).expect("texts always serialise")))
}

/// See [`super::Archive::close_windows`].
pub(crate) fn close_due(connection: &Connection, expiry: Duration, limit: usize, now: Time) -> rusqlite::Result<usize> {
    let due: Vec<i64> = connection
        .prepare_cached(
            "SELECT issue FROM standings WHERE window_closing = 1 AND window_ends_at <= ? ORDER BY window_ends_at LIMIT ?",
        )?
        .query_map(params![now, limit], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    for issue in &due {
        end_window(connection, *issue, expiry, false, now)?;
        connection.prepare_cached("UPDATE standings SET window_closing = 0 WHERE issue = ?")?.execute([issue])?;
    }
    Ok(due.len())
}

/// Moves an issue's stored window to the windows that are over and, if its end is still to be told and it held
/// something back, stores the closing message for the channels that its alerts went to.
///
/// `reopened`: the next occurrence is here already. Otherwise the error counts as going on when it was seen in the last
/// tenth of the window.
pub(super) fn end_window(
    connection: &Connection,
    issue: i64,
    expiry: Duration,
    reopened: bool,
    now: Time,
) -> rusqlite::Result<()> {
    const FIND: &str = concat!(
        "SELECT s.occurrences, s.last_seen, ",
        rows::standing_columns!(),
        " FROM standings s WHERE s.issue = ?"
    );
    let read = |row: &Row<'_>| Ok((row.get::<_, u64>(0)?, row.get::<_, Time>(1)?, rows::standing(row, 2)?));
    let Some((occurrences_total, last_seen, stored)) =
        connection.prepare_cached(FIND)?.query_row([issue], read).optional()?
    else {
        return Ok(());
    };
    let Some(window) = stored.window else { return Ok(()) };
    connection
        .prepare_cached(
            "INSERT INTO windows (issue, opened_at, ends_at, budget, seen, granted, regression) VALUES (?, ?, ?, ?, ?, ?, ?) \
             ON CONFLICT DO UPDATE SET ends_at = excluded.ends_at, seen = excluded.seen, granted = excluded.granted",
        )?
        .execute(params![
            issue,
            window.opened_at,
            window.ends_at,
            window.budget,
            window.seen,
            window.granted,
            window.regression
        ])?;
    if !window.closing || window.seen <= u64::from(window.granted) {
        return Ok(());
    }
    let lasted = window.ends_at.since(window.opened_at);
    let closing = NewAlert {
        issue,
        window: &window,
        ordinal: 0,
        occurrences: window.seen,
        occurrences_total,
        last_seen,
        is_new: false,
        regression: None,
        closing: Some((
            busiest_minute(connection, issue, window.opened_at, last_seen)?,
            reopened || last_seen >= window.ends_at.minus(lasted / 10),
        )),
        event: latest_event(connection, issue)?,
    };
    let channels = channels_told(connection, issue, window.opened_at)?;
    closing.store(connection, channels.iter().map(String::as_str), expiry, now)
}

fn busiest_minute(connection: &Connection, issue: i64, from: Time, to: Time) -> rusqlite::Result<u64> {
    connection
        .prepare_cached(
            "WITH RECURSIVE minute (at) AS (SELECT ?2 UNION ALL SELECT at + ?4 FROM minute WHERE at + ?4 <= ?3) \
             SELECT coalesce(max(total), 0) FROM (SELECT sum(t.total) AS total FROM minute CROSS JOIN tallies t \
                 ON t.span_ms = ?4 AND t.at = minute.at AND t.issue = ?1 GROUP BY minute.at)",
        )?
        .query_row(params![issue, from.minute(), to, MINUTE_MS], |row| row.get(0))
}

fn latest_event(connection: &Connection, issue: i64) -> rusqlite::Result<Option<i64>> {
    connection
        .prepare_cached("SELECT id FROM events WHERE issue = ? ORDER BY id DESC LIMIT 1")?
        .query_row([issue], |row| row.get(0))
        .optional()
}

fn channels_told(connection: &Connection, issue: i64, opened_at: Time) -> rusqlite::Result<Vec<String>> {
    connection
        .prepare_cached(
            "SELECT DISTINCT d.channel FROM alerts a JOIN deliveries d ON d.alert = a.id \
             WHERE a.issue = ? AND a.window_opened_at = ? ORDER BY d.channel",
        )?
        .query_map(params![issue, opened_at], |row| row.get(0))?
        .collect()
}
