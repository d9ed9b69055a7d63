//! Forgetting: what is too old is removed or folded, a bounded part at a time, so that no write waits long for it.
//!
//! Promises: counts survive the folding of minutes to hours; an issue goes only with everything that belongs to it.

use super::sql::{Sql, Tx, Value, values};
use super::{Error, claims, segments, threads};
use crate::config;
use crate::issue::Fingerprint;
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
pub(super) async fn old_issues(tx: &mut Tx, Keep(keep): &Keep, now: Time) -> Result<Vec<i64>, Error> {
    static OLD: Sql = Sql::new(
        "SELECT issue FROM standings WHERE last_seen < ?1 \
         AND NOT (state = 'muted' AND (muted_more IS NOT NULL OR muted_until > ?2)) \
         AND issue NOT IN (SELECT issue FROM deliveries WHERE state = 'pending') LIMIT ?3",
    );
    tx.query(&OLD, &values![before(now, keep.issues), now, ISSUES_AT_A_TIME], |row| row.get(0)).await
}

/// See [`super::Archive::forget`]. Rows are looked at oldest first and no further than the first part, so that a turn
/// with nothing to forget costs next to nothing.
pub(super) async fn forget(tx: &mut Tx, Keep(keep): &Keep, old_issues: &[i64], now: Time) -> Result<bool, Error> {
    // The servers differ in how they remove a part, and MariaDB would look at every row for a list it has to look up.
    static HOURS: Sql = Sql::spelled(
        "DELETE FROM tallies WHERE (span_ms, at, issue, source, outcome) IN (SELECT span_ms, at, issue, source, outcome \
             FROM tallies WHERE span_ms = 3600000 AND at < ?1 ORDER BY at LIMIT ?2)",
        "DELETE FROM tallies WHERE ctid IN (SELECT ctid FROM tallies WHERE span_ms = 3600000 AND at < ?1 \
             ORDER BY at LIMIT ?2)",
        "DELETE FROM tallies WHERE span_ms = 3600000 AND at < ?1 ORDER BY at LIMIT ?2",
    );
    static WINDOWS: Sql = Sql::spelled(
        "DELETE FROM windows WHERE (issue, opened_at) IN \
             (SELECT issue, opened_at FROM windows WHERE ends_at < ?1 ORDER BY ends_at LIMIT ?2)",
        "DELETE FROM windows WHERE ctid IN (SELECT ctid FROM windows WHERE ends_at < ?1 ORDER BY ends_at LIMIT ?2)",
        "DELETE FROM windows WHERE ends_at < ?1 ORDER BY ends_at LIMIT ?2",
    );
    static OLD_EVENTS: Sql = Sql::new(
        "SELECT o.id FROM (SELECT id, received_at FROM events ORDER BY id LIMIT ?2) AS o WHERE o.received_at < ?1",
    );
    static EVENTS: Sql = Sql::new("DELETE FROM events WHERE id IN (?*)");
    static OLD_DELIVERIES: Sql = Sql::new(
        "SELECT o.id FROM (SELECT id, created_at, state FROM deliveries ORDER BY id LIMIT ?2) AS o \
         WHERE o.created_at < ?1 AND o.state <> 'pending'",
    );
    // A dead one may just have been put back in the queue.
    static DELIVERIES: Sql = Sql::new("DELETE FROM deliveries WHERE state <> 'pending' AND id IN (?*)");
    static OLD_ALERTS: Sql = Sql::new(
        "SELECT a.id FROM (SELECT id, window_ends_at FROM alerts ORDER BY id LIMIT ?2) AS a \
         WHERE a.window_ends_at < ?1 AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.alert = a.id)",
    );
    static ALERTS: Sql = Sql::new("DELETE FROM alerts WHERE id IN (?*)");
    let at_a_time = ROWS_AT_A_TIME as u64;
    let old_alerts = before(now, keep.alerts);
    let mut more = fold_minutes(tx, before(now, keep.minutes)).await? >= at_a_time;
    more |= tx.execute(&HOURS, &values![before(now, keep.hours), ROWS_AT_A_TIME]).await? >= at_a_time;
    for (old, forget, limit) in [
        (&OLD_EVENTS, &EVENTS, before(now, keep.events)),
        (&OLD_DELIVERIES, &DELIVERIES, old_alerts),
        (&OLD_ALERTS, &ALERTS, old_alerts),
    ] {
        let ids = tx.query(old, &values![limit, ROWS_AT_A_TIME], |row| row.get::<i64>(0)).await?;
        let list: Vec<Value<'_>> = ids.into_iter().map(Value::from).collect();
        more |= tx.execute_list(forget, &[], &list).await? >= at_a_time;
    }
    more |= segments::forget(tx, before(now, keep.events), ROWS_AT_A_TIME).await? >= at_a_time;
    more |= threads::forget(tx, old_alerts, ROWS_AT_A_TIME, now).await? >= at_a_time;
    more |= tx.execute(&WINDOWS, &values![old_alerts, ROWS_AT_A_TIME]).await? >= at_a_time;
    claims::forget_storms(tx, now).await?;
    forget_issues(tx, old_issues, before(now, keep.issues)).await?;
    Ok(more || old_issues.len() >= ISSUES_AT_A_TIME)
}

/// See [`super::Archive::remove`].
pub(super) async fn remove(tx: &mut Tx, fingerprints: &[Fingerprint]) -> Result<(), Error> {
    static IDS: Sql = Sql::new("SELECT id FROM issues WHERE fingerprint IN (?*)");
    static TALLIES: Sql = Sql::new("DELETE FROM tallies WHERE issue IN (?*)");
    let list: Vec<Value<'_>> = fingerprints.iter().map(|fingerprint| Value::from(*fingerprint)).collect();
    let mut ids = tx.query_list(&IDS, &[], &list, |row| row.get::<i64>(0)).await?;
    ids.sort_unstable();
    ids.dedup();
    let list: Vec<Value<'_>> = ids.iter().map(|id| Value::from(*id)).collect();
    tx.execute_list(&TALLIES, &[], &list).await?;
    forget_issues(tx, &ids, Time(i64::MAX)).await
}

/// What a server that keeps time itself can remove by itself, each with a name: what goes by its age alone.
pub(super) fn by_age(Keep(keep): &Keep) -> [(&'static str, String); 3] {
    let delete = |rows: &str, age: &str, span: config::Span| {
        let ms = span.get().as_millis();
        format!("DELETE FROM {rows} {age} < UNIX_TIMESTAMP() * 1000 - {ms} ORDER BY {} LIMIT 10000", &age[4..])
    };
    [
        ("bongsu_forget_hours", delete("tallies WHERE span_ms = 3600000", "AND at", keep.hours)),
        ("bongsu_forget_events", delete("events WHERE true", "AND received_at", keep.events)),
        ("bongsu_forget_windows", delete("windows WHERE true", "AND ends_at", keep.alerts)),
    ]
}

fn before(now: Time, span: config::Span) -> Time {
    now.minus(span.get())
}

/// Adds the minutes of the oldest unfolded hours to rows of hours. Nobody counts in such old minutes any more, so both
/// statements see the same rows.
async fn fold_minutes(tx: &mut Tx, before: Time) -> Result<u64, Error> {
    static FOLD: Sql = Sql::new(
        "INSERT INTO tallies (span_ms, at, issue, source, outcome, total) \
         SELECT 3600000, o.hour, o.issue, o.source, o.outcome, CAST(sum(o.total) AS BIGINT) FROM \
             (SELECT at - at % 3600000 AS hour, issue, source, outcome, total FROM tallies \
              WHERE span_ms = 60000 AND at < ?1 ORDER BY at, issue, source, outcome LIMIT ?2) AS o \
         WHERE true GROUP BY o.hour, o.issue, o.source, o.outcome \
         ON CONFLICT (span_ms, at, issue, source, outcome) DO UPDATE SET total = tallies.total + excluded.total",
    );
    static FORGET: Sql = Sql::spelled(
        "DELETE FROM tallies WHERE (span_ms, at, issue, source, outcome) IN \
             (SELECT span_ms, at, issue, source, outcome FROM tallies WHERE span_ms = 60000 AND at < ?1 \
              ORDER BY at, issue, source, outcome LIMIT ?2)",
        "DELETE FROM tallies WHERE ctid IN (SELECT ctid FROM tallies WHERE span_ms = 60000 AND at < ?1 \
              ORDER BY at, issue, source, outcome LIMIT ?2)",
        "DELETE FROM tallies WHERE span_ms = 60000 AND at < ?1 ORDER BY at, issue, source, outcome LIMIT ?2",
    );
    // Whole hours only, so that an hour's row is complete when its last minute goes.
    let before = before.ms().div_euclid(HOUR_MS) * HOUR_MS;
    tx.execute(&FOLD, &values![before, ROWS_AT_A_TIME]).await?;
    tx.execute(&FORGET, &values![before, ROWS_AT_A_TIME]).await
}

/// Forgets those of the issues that were not seen again meanwhile.
async fn forget_issues(tx: &mut Tx, issues: &[i64], before: Time) -> Result<(), Error> {
    static STILL_OLD: Sql =
        Sql::new("SELECT s.issue FROM standings s WHERE s.issue = ? AND s.last_seen < ? FOR UPDATE OF s");
    static ITS_ALERTS: Sql = Sql::new("SELECT id FROM alerts WHERE issue = ?");
    static OF_DELIVERIES: Sql = Sql::new("DELETE FROM deliveries WHERE alert IN (?*)");
    static OF_ALERTS: Sql = Sql::new("DELETE FROM alerts WHERE issue = ?");
    static OF_WINDOWS: Sql = Sql::new("DELETE FROM windows WHERE issue = ?");
    static OF_EVENTS: Sql = Sql::new("DELETE FROM events WHERE issue = ?");
    static OF_FORMER: Sql = Sql::new("DELETE FROM former_fingerprints WHERE issue = ?");
    static OF_MERGES: Sql = Sql::new("DELETE FROM merges WHERE issue = ?1 OR target = ?1");
    static OF_STANDINGS: Sql = Sql::new("DELETE FROM standings WHERE issue = ?");
    static OF_ISSUES: Sql = Sql::new("DELETE FROM issues WHERE id = ?");
    for issue in issues {
        if tx.one(&STILL_OLD, &values![*issue, before], |row| row.get::<i64>(0)).await?.is_none() {
            continue;
        }
        let alerts = tx.query(&ITS_ALERTS, &values![*issue], |row| row.get::<i64>(0)).await?;
        let list: Vec<Value<'_>> = alerts.into_iter().map(Value::from).collect();
        tx.execute_list(&OF_DELIVERIES, &[], &list).await?;
        for sql in [&OF_ALERTS, &OF_WINDOWS, &OF_EVENTS, &OF_FORMER, &OF_MERGES, &OF_STANDINGS, &OF_ISSUES] {
            tx.execute(sql, &values![*issue]).await?;
        }
    }
    Ok(())
}
