//! Forgetting: what is too old is removed or folded, a bounded part at a time, so that no write waits long for it.
//!
//! Promises: counts survive the folding of minutes to hours; an issue goes only with everything that belongs to it.

use rusqlite::{Connection, params};

use crate::config;
use crate::time::{MINUTE_MS, Time};

/// Rows removed or folded by one statement.
const ROWS_AT_A_TIME: usize = 2_000;
/// Issues forgotten by one turn: each takes several statements.
const ISSUES_AT_A_TIME: usize = 100;
const HOUR_MS: i64 = 60 * MINUTE_MS;

/// What is kept for how long.
#[derive(Clone, Debug)]
pub(crate) struct Keep(pub(crate) config::Retention);

/// The issues that were not seen for too long. A read of its own: it looks at every issue.
pub(super) fn old_issues(connection: &Connection, Keep(keep): &Keep, now: Time) -> rusqlite::Result<Vec<i64>> {
    connection
        .prepare_cached(
            "SELECT issue FROM standings WHERE last_seen < ?1 \
             AND NOT (state = 'muted' AND (muted_more IS NOT NULL OR muted_until > ?2)) \
             AND issue NOT IN (SELECT issue FROM deliveries WHERE state = 'pending') LIMIT ?3",
        )?
        .query_map(params![before(now, keep.issues), now, ISSUES_AT_A_TIME], |row| row.get(0))?
        .collect()
}

/// See [`super::Archive::forget`]. Rows are looked at oldest first and no further than the first part, so that a turn
/// with nothing to forget costs next to nothing.
pub(super) fn forget(
    connection: &Connection,
    Keep(keep): &Keep,
    old_issues: &[i64],
    now: Time,
) -> rusqlite::Result<bool> {
    let old_alerts = before(now, keep.alerts);
    let mut more = fold_minutes(connection, before(now, keep.minutes))? >= ROWS_AT_A_TIME;
    for (sql, limit) in [
        (
            "DELETE FROM tallies WHERE (span_ms, at, issue, source, outcome) IN (SELECT span_ms, at, issue, source, outcome \
                 FROM tallies WHERE span_ms = 3600000 AND at < ?1 ORDER BY at LIMIT ?2)",
            before(now, keep.hours),
        ),
        (
            "DELETE FROM events WHERE id IN (SELECT id FROM \
                 (SELECT id, received_at FROM events ORDER BY id LIMIT ?2) WHERE received_at < ?1)",
            before(now, keep.events),
        ),
        (
            "DELETE FROM deliveries WHERE id IN (SELECT id FROM \
                 (SELECT id, created_at, state FROM deliveries ORDER BY id LIMIT ?2) \
                 WHERE created_at < ?1 AND state <> 'pending')",
            old_alerts,
        ),
        (
            "DELETE FROM alerts WHERE id IN (SELECT a.id FROM \
                 (SELECT id, window_ends_at FROM alerts ORDER BY id LIMIT ?2) a \
                 WHERE a.window_ends_at < ?1 AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.alert = a.id))",
            old_alerts,
        ),
        (
            "DELETE FROM windows WHERE (issue, opened_at) IN \
                 (SELECT issue, opened_at FROM windows WHERE ends_at < ?1 ORDER BY ends_at LIMIT ?2)",
            old_alerts,
        ),
    ] {
        more |= connection.prepare_cached(sql)?.execute(params![limit, ROWS_AT_A_TIME])? >= ROWS_AT_A_TIME;
    }
    forget_issues(connection, old_issues, before(now, keep.issues))?;
    Ok(more || old_issues.len() >= ISSUES_AT_A_TIME)
}

fn before(now: Time, span: config::Span) -> Time {
    now.minus(span.get())
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

/// Forgets those of the issues that were not seen again meanwhile.
fn forget_issues(connection: &Connection, issues: &[i64], before: Time) -> rusqlite::Result<()> {
    for issue in issues {
        let still_old: bool = connection
            .prepare_cached("SELECT EXISTS (SELECT 1 FROM standings WHERE issue = ? AND last_seen < ?)")?
            .query_row(params![issue, before], |row| row.get(0))?;
        if !still_old {
            continue;
        }
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
    Ok(())
}
