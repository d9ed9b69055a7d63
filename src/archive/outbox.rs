//! The outbox: deliveries that wait, are claimed under a lease, and are settled under the claim's fence.
//!
//! Promises: of one issue and channel the older alert is claimed first, and the next only when that one is settled. A
//! claim that was not settled in time can be claimed again, and its late result then changes nothing.
//! Deliberately not here: when to try again; the worker says so.

use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::rows;
use crate::alert::{Alert, Delivery, Kind};
use crate::time::Time;

/// A wish for work.
pub(crate) struct Claim {
    /// The channel to send to.
    pub(crate) channel: Arc<str>,
    /// Deliveries wanted, at most.
    pub(crate) limit: usize,
    /// How long they are the claimer's alone.
    pub(crate) lease: Duration,
}

/// How a claimed delivery ended, for now or for good.
#[derive(Clone)]
pub(crate) struct Settlement {
    /// The delivery.
    pub(crate) id: i64,
    /// The fence of the claim.
    pub(crate) fence: i64,
    /// What becomes of it.
    pub(crate) end: End,
}

/// What becomes of a delivery.
#[derive(Clone)]
pub(crate) enum End {
    /// The far side took it.
    Delivered,
    /// To be tried again, not before a moment.
    Again {
        /// The earliest moment.
        due_at: Time,
        /// Whether the far side named that moment.
        asked: bool,
        /// What went wrong.
        error: String,
    },
    /// Given up.
    Dead {
        /// Why.
        error: String,
    },
    /// Given back unsent: the claim does not count as an attempt.
    Back {
        /// The earliest moment.
        due_at: Time,
    },
    /// Given up because it was too old when its turn came. Why it had not been sent by then stays on record.
    Expired,
}

/// Settles claimed deliveries. A settlement whose fence is not the newest changes nothing.
pub(super) fn settle(connection: &Connection, settlements: &[Settlement], now: Time) -> rusqlite::Result<()> {
    for Settlement { id, fence, end } in settlements {
        match end {
            End::Delivered => connection
                .prepare_cached(
                    "UPDATE deliveries SET state = 'delivered', settled_at = ?3, error = NULL \
                     WHERE id = ?1 AND fence = ?2 AND state = 'pending'",
                )?
                .execute(params![id, fence, now])?,
            End::Dead { error } => connection
                .prepare_cached(
                    "UPDATE deliveries SET state = 'dead', settled_at = ?3, error = ?4 \
                     WHERE id = ?1 AND fence = ?2 AND state = 'pending'",
                )?
                .execute(params![id, fence, now, error])?,
            // This claim, which sent nothing, is among the attempts.
            End::Expired => connection
                .prepare_cached(
                    "UPDATE deliveries SET state = 'dead', settled_at = ?3, error = \
                         coalesce('given up after ' || (attempts - 1) || ' attempts: ' || error, \
                             'too old to help: it expired before it could be sent') \
                     WHERE id = ?1 AND fence = ?2 AND state = 'pending'",
                )?
                .execute(params![id, fence, now])?,
            End::Back { due_at } => connection
                .prepare_cached(
                    "UPDATE deliveries SET due_at = ?3, attempts = attempts - 1 \
                     WHERE id = ?1 AND fence = ?2 AND state = 'pending'",
                )?
                .execute(params![id, fence, due_at])?,
            End::Again { due_at, error, .. } => again(connection, *id, *fence, *due_at, error)?,
        };
    }
    Ok(())
}

/// Puts a delivery off, and with it those that wait for it: a claim would only pass over them.
fn again(connection: &Connection, id: i64, fence: i64, due_at: Time, error: &str) -> rusqlite::Result<usize> {
    let settled = connection
        .prepare_cached(
            "UPDATE deliveries SET due_at = ?3, error = ?4 WHERE id = ?1 AND fence = ?2 AND state = 'pending'",
        )?
        .execute(params![id, fence, due_at, error])?;
    if settled == 1 {
        connection
            .prepare_cached(
                "UPDATE deliveries SET due_at = max(due_at, ?2) WHERE state = 'pending' AND id > ?1 \
                 AND (channel, issue) = (SELECT channel, issue FROM deliveries WHERE id = ?1)",
            )?
            .execute(params![id, due_at])?;
    }
    Ok(settled)
}

/// Claims what is due on a channel, the longest waiting first.
pub(super) fn claim(connection: &Connection, claim: &Claim, now: Time) -> rusqlite::Result<Vec<Delivery>> {
    if claim.limit == 0 {
        return Ok(Vec::new());
    }
    let due: Vec<i64> = connection
        .prepare_cached(
            "SELECT d.id FROM deliveries d WHERE d.channel = ?1 AND d.state = 'pending' AND d.due_at <= ?2 \
             AND NOT EXISTS (SELECT 1 FROM deliveries e WHERE e.channel = d.channel AND e.issue = d.issue \
                 AND e.state = 'pending' AND e.id < d.id) \
             ORDER BY d.due_at, d.id LIMIT ?3",
        )?
        .query_map(params![&*claim.channel, now, claim.limit], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    due.into_iter().map(|id| claim_one(connection, claim, id, now)).collect()
}

fn claim_one(connection: &Connection, claim: &Claim, id: i64, now: Time) -> rusqlite::Result<Delivery> {
    let until = now.plus(claim.lease);
    connection
        .prepare_cached("UPDATE deliveries SET fence = fence + 1, attempts = attempts + 1, due_at = ?2 WHERE id = ?1")?
        .execute(params![id, until])?;
    connection
        .prepare_cached(
            "SELECT d.attempts, d.fence, d.expires_at, \
                 a.id, a.ordinal, a.budget, a.granted, a.window_opened_at, a.window_ends_at, a.granted_at, \
                 a.occurrences, a.occurrences_total, a.last_seen, a.is_new, a.regression, a.peak_per_minute, a.ongoing, \
                 i.fingerprint, i.project, i.first_seen, i.attributes, i.normalized, e.payload \
             FROM deliveries d JOIN alerts a ON a.id = d.alert JOIN issues i ON i.id = a.issue \
                 LEFT JOIN events e ON e.id = a.event \
             WHERE d.id = ?",
        )?
        .query_row([id], |row| delivery(row, id, Arc::clone(&claim.channel), until))
}

fn delivery(row: &Row<'_>, id: i64, channel: Arc<str>, claimed_until: Time) -> rusqlite::Result<Delivery> {
    let ordinal: u32 = row.get(4)?;
    let kind =
        if ordinal == 0 { Kind::Closing { peak_per_minute: row.get(15)?, ongoing: row.get(16)? } } else { Kind::Alert };
    let alert = Alert {
        id: row.get(3)?,
        kind,
        fingerprint: row.get(17)?,
        project: row.get(18)?,
        window_opened_at: row.get(7)?,
        window_ends_at: row.get(8)?,
        ordinal: row.get(6)?,
        budget: row.get(5)?,
        granted_at: row.get(9)?,
        occurrences: row.get(10)?,
        occurrences_total: row.get(11)?,
        first_seen: row.get(19)?,
        last_seen: row.get(12)?,
        new: row.get(13)?,
        regression: rows::from_json_or_null(row, 14)?,
        attributes: rows::from_json(row, 20)?,
        normalized: rows::from_json(row, 21)?,
        event: rows::from_json_or_null(row, 22)?,
    };
    Ok(Delivery {
        id,
        channel,
        attempt: row.get(0)?,
        fence: row.get(1)?,
        claimed_until,
        expires_at: row.get(2)?,
        alert,
    })
}

/// The earliest moment after `now` at which a pending delivery of the channel may be claimed. What is due already and was
/// not claimed waits for an older alert of its issue, and is looked at again when that one is settled.
pub(super) fn next_due(connection: &Connection, channel: &str, now: Time) -> rusqlite::Result<Option<Time>> {
    connection
        .prepare_cached("SELECT min(due_at) FROM deliveries WHERE channel = ? AND state = 'pending' AND due_at > ?")?
        .query_row(params![channel, now], |row| row.get(0))
        .optional()
        .map(Option::flatten)
}

/// See [`super::Archive::resend`].
pub(super) fn resend(connection: &Connection, id: Option<i64>, expiry: Duration, now: Time) -> rusqlite::Result<usize> {
    connection
        .prepare_cached(
            "UPDATE deliveries SET state = 'pending', due_at = ?2, expires_at = ?3, settled_at = NULL \
             WHERE state = 'dead' AND (?1 IS NULL OR id = ?1)",
        )?
        .execute(params![id, now, now.plus(expiry)])
}

/// See [`super::Archive::bury_orphans`].
pub(super) fn bury_orphans(connection: &Connection, channels: &[Arc<str>], now: Time) -> rusqlite::Result<usize> {
    let waiting: Vec<String> = connection
        .prepare_cached("SELECT DISTINCT channel FROM deliveries WHERE state = 'pending'")?
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let mut buried = 0;
    for channel in waiting.iter().filter(|waiting| !channels.iter().any(|known| **known == ***waiting)) {
        buried += connection
            .prepare_cached(
                "UPDATE deliveries SET state = 'dead', settled_at = ?2, error = 'the channel is no longer configured' \
                 WHERE channel = ?1 AND state = 'pending'",
            )?
            .execute(params![channel, now])?;
    }
    Ok(buried)
}

/// Pending and dead deliveries.
pub(super) fn backlog(connection: &Connection) -> rusqlite::Result<(u64, u64)> {
    connection
        .prepare_cached(
            "SELECT (SELECT count(*) FROM deliveries WHERE state = 'pending'), \
                    (SELECT count(*) FROM deliveries WHERE state = 'dead')",
        )?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))
}
