//! Forgetting: what is too old is removed or folded, a bounded part at a time, so that no write waits long for it.
//!
//! Promises: counts survive the folding of minutes to hours; an issue goes only with everything that belongs to it.

use rusqlite::{Connection, params};

use super::rows::ms;
use crate::config;
use crate::time::{MINUTE_MS, Time};

/// Rows removed or folded by one statement.
const ROWS_AT_A_TIME: usize = 2_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;

/// What is kept for how long.
#[derive(Clone, Debug)]
pub(crate) struct Keep(pub(crate) config::Retention);

/// See [`super::Archive::forget`].
pub(super) fn forget(connection: &Connection, Keep(keep): &Keep, now: Time) -> rusqlite::Result<bool> {
    let before = |span: config::Span| Time(now.ms() - ms(span.get()));
    let mut touched = fold_minutes(connection, before(keep.minutes))?;
    let old_alerts = before(keep.alerts);
    for (sql, limit) in [
        (
            "DELETE FROM tallies WHERE (span_ms, at, issue, source, outcome) IN \
             (SELECT span_ms, at, issue, source, outcome FROM tallies WHERE span_ms = 3600000 AND at < ?1 LIMIT ?2)",
            before(keep.hours),
        ),
        (
            "DELETE FROM events WHERE id IN (SELECT id FROM events WHERE received_at < ?1 ORDER BY id LIMIT ?2)",
            before(keep.events),
        ),
        (
            "DELETE FROM deliveries WHERE id IN \
             (SELECT id FROM deliveries WHERE created_at < ?1 AND state <> 'pending' ORDER BY id LIMIT ?2)",
            old_alerts,
        ),
        (
            "DELETE FROM alerts WHERE id IN (SELECT a.id FROM alerts a WHERE a.window_ends_at < ?1 \
             AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.alert = a.id) \
             AND NOT EXISTS (SELECT 1 FROM standings s WHERE s.issue = a.issue AND s.window_opened_at = a.window_opened_at) \
             ORDER BY a.id LIMIT ?2)",
            old_alerts,
        ),
        (
            "DELETE FROM windows WHERE (issue, opened_at) IN (SELECT issue, opened_at FROM windows WHERE ends_at < ?1 LIMIT ?2)",
            old_alerts,
        ),
    ] {
        touched = touched.max(connection.prepare_cached(sql)?.execute(params![limit, ROWS_AT_A_TIME])?);
    }
    touched = touched.max(forget_issues(connection, before(keep.issues))?);
    Ok(touched >= ROWS_AT_A_TIME)
}

/// Adds the minutes of the oldest unfolded hours to rows of hours.
fn fold_minutes(connection: &Connection, before: Time) -> rusqlite::Result<usize> {
    // Whole hours only, so that an hour's row is complete when its last minute goes.
    let before = before.ms().div_euclid(HOUR_MS) * HOUR_MS;
    connection
        .prepare_cached(
            "INSERT INTO tallies (span_ms, at, issue, source, outcome, total) \
             SELECT ?3, at / ?3 * ?3, issue, source, outcome, sum(total) FROM \
                 (SELECT * FROM tallies WHERE span_ms = ?4 AND at < ?1 ORDER BY at, issue, source, outcome LIMIT ?2) \
             WHERE true GROUP BY at / ?3, issue, source, outcome \
             ON CONFLICT DO UPDATE SET total = total + excluded.total",
        )?
        .execute(params![before, ROWS_AT_A_TIME, HOUR_MS, MINUTE_MS])?;
    connection
        .prepare_cached(
            "DELETE FROM tallies WHERE (span_ms, at, issue, source, outcome) IN \
                 (SELECT span_ms, at, issue, source, outcome FROM tallies WHERE span_ms = ?3 AND at < ?1 \
                  ORDER BY at, issue, source, outcome LIMIT ?2)",
        )?
        .execute(params![before, ROWS_AT_A_TIME, MINUTE_MS])
}

fn forget_issues(connection: &Connection, before: Time) -> rusqlite::Result<usize> {
    const ISSUES_AT_A_TIME: usize = 100;
    let old: Vec<i64> = connection
        .prepare_cached(
            "SELECT s.issue FROM standings s WHERE s.last_seen < ? AND s.state <> 'muted' \
             AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.issue = s.issue AND d.state = 'pending') LIMIT ?",
        )?
        .query_map(params![before, ISSUES_AT_A_TIME], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    for issue in &old {
        for sql in [
            "DELETE FROM deliveries WHERE alert IN (SELECT id FROM alerts WHERE issue = ?)",
            "DELETE FROM alerts WHERE issue = ?",
            "DELETE FROM windows WHERE issue = ?",
            "DELETE FROM events WHERE issue = ?",
            "DELETE FROM standings WHERE issue = ?",
            "DELETE FROM issues WHERE id = ?",
        ] {
            connection.prepare_cached(sql)?.execute([issue])?;
        }
    }
    Ok(if old.len() == ISSUES_AT_A_TIME { ROWS_AT_A_TIME } else { old.len() })
}
