//! The outbox: deliveries that wait, are claimed under a lease, and are settled under the claim's fence.
//!
//! Promises: of one issue and channel the older alert is claimed first, and the next only when that one is settled. A
//! claim that was not settled in time can be claimed again, and its late result then changes nothing.
//! Deliberately not here: when to try again; the worker says so.

use std::sync::Arc;
use std::time::Duration;

use super::sql::{Row, Sql, Tx, Value, values};
use super::{Error, rows, threads};
use crate::alert::{Alert, Delivery, Kind};
use crate::event::Attributes;
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
    /// The far side took it, and may have said what it calls the message that later ones are to answer to.
    Delivered {
        /// The name.
        handle: Option<String>,
    },
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
pub(super) async fn settle(tx: &mut Tx, settlements: &[Settlement], now: Time) -> Result<(), Error> {
    static DELIVERED: Sql = Sql::new(
        "UPDATE deliveries SET state = 'delivered', settled_at = ?3, error = NULL \
         WHERE id = ?1 AND fence = ?2 AND state = 'pending'",
    );
    static DEAD: Sql = Sql::new(
        "UPDATE deliveries SET state = 'dead', settled_at = ?3, error = ?4 \
         WHERE id = ?1 AND fence = ?2 AND state = 'pending'",
    );
    // This claim, which sent nothing, is among the attempts.
    static EXPIRED: Sql = Sql::new(
        "UPDATE deliveries SET state = 'dead', settled_at = ?3, error = \
             coalesce('given up after ' || (attempts - 1) || ' attempts: ' || error, \
                 'too old to help: it expired before it could be sent') \
         WHERE id = ?1 AND fence = ?2 AND state = 'pending'",
    );
    static BACK: Sql = Sql::new(
        "UPDATE deliveries SET due_at = ?3, attempts = attempts - 1 \
         WHERE id = ?1 AND fence = ?2 AND state = 'pending'",
    );
    for Settlement { id, fence, end } in settlements {
        match end {
            End::Delivered { handle } => {
                let settled = tx.execute(&DELIVERED, &values![*id, *fence, now]).await?;
                if let Some(handle) = handle.as_deref().filter(|_| settled == 1) {
                    threads::keep(tx, *id, handle, now).await?;
                }
                settled
            }
            End::Dead { error } => tx.execute(&DEAD, &values![*id, *fence, now, error.as_str()]).await?,
            End::Expired => tx.execute(&EXPIRED, &values![*id, *fence, now]).await?,
            End::Back { due_at } => tx.execute(&BACK, &values![*id, *fence, *due_at]).await?,
            End::Again { due_at, error, .. } => again(tx, *id, *fence, *due_at, error).await?,
        };
    }
    Ok(())
}

/// Puts a delivery off, and with it those that wait for it: a claim would only pass over them.
async fn again(tx: &mut Tx, id: i64, fence: i64, due_at: Time, error: &str) -> Result<u64, Error> {
    static AGAIN: Sql =
        Sql::new("UPDATE deliveries SET due_at = ?3, error = ?4 WHERE id = ?1 AND fence = ?2 AND state = 'pending'");
    static WHOSE: Sql = Sql::new("SELECT channel, issue FROM deliveries WHERE id = ?");
    static LATER: Sql = Sql::new(
        "UPDATE deliveries SET due_at = GREATEST(due_at, ?2) \
         WHERE channel = ?3 AND issue = ?4 AND state = 'pending' AND id > ?1",
    );
    let settled = tx.execute(&AGAIN, &values![id, fence, due_at, error]).await?;
    let whose = |row: &Row<'_>| Ok((row.get::<String>(0)?, row.get::<i64>(1)?));
    if settled == 1
        && let Some((channel, issue)) = tx.one(&WHOSE, &values![id], whose).await?
    {
        tx.execute(&LATER, &values![id, due_at, channel, issue]).await?;
    }
    Ok(settled)
}

/// Claims what is due on a channel, the longest waiting first. What another process is claiming at the moment is passed
/// over, and with it what has to go after that: it is still pending.
pub(super) async fn claim(tx: &mut Tx, claim: &Claim, now: Time) -> Result<Vec<Delivery>, Error> {
    static DUE: Sql = Sql::new(
        "SELECT d.id FROM deliveries d WHERE d.channel = ?1 AND d.state = 'pending' AND d.due_at <= ?2 \
         AND NOT EXISTS (SELECT 1 FROM deliveries e WHERE e.channel = d.channel AND e.issue = d.issue \
             AND e.state = 'pending' AND e.id < d.id) \
         ORDER BY d.due_at, d.id LIMIT ?3 FOR UPDATE SKIP LOCKED",
    );
    static CLAIM: Sql =
        Sql::new("UPDATE deliveries SET fence = fence + 1, attempts = attempts + 1, due_at = ?1 WHERE id IN (?*)");
    if claim.limit == 0 {
        return Ok(Vec::new());
    }
    let until = now.plus(claim.lease);
    let due = tx.query(&DUE, &values![&*claim.channel, now, claim.limit], |row| row.get::<i64>(0)).await?;
    let ids: Vec<Value<'_>> = due.iter().map(|id| Value::from(*id)).collect();
    tx.execute_list(&CLAIM, &values![until], &ids).await?;
    read(tx, &due, &claim.channel, until).await
}

/// Reads deliveries of a channel, in this order.
pub(super) async fn read(
    tx: &mut Tx,
    ids: &[i64],
    channel: &Arc<str>,
    claimed_until: Time,
) -> Result<Vec<Delivery>, Error> {
    static READ: Sql = Sql::new(
        "SELECT d.attempts, d.fence, d.expires_at, \
             a.id, a.ordinal, a.budget, a.granted, a.window_opened_at, a.window_ends_at, a.granted_at, \
             a.occurrences, a.occurrences_total, a.last_seen, a.is_new, a.regression, a.peak_per_minute, a.ongoing, \
             i.fingerprint, i.project, i.first_seen, i.attributes, i.normalized, e.payload, d.id, t.handle \
         FROM deliveries d JOIN alerts a ON a.id = d.alert JOIN issues i ON i.id = a.issue \
             LEFT JOIN events e ON e.id = a.event \
             LEFT JOIN threads t ON t.channel = d.channel AND t.issue = d.issue AND t.window_opened_at = a.window_opened_at \
         WHERE d.id IN (?*)",
    );
    let list: Vec<Value<'_>> = ids.iter().map(|id| Value::from(*id)).collect();
    let read = |row: &Row<'_>| delivery(row, Arc::clone(channel), claimed_until);
    let mut found = tx.query_list(&READ, &[], &list, read).await?;
    found.sort_by_key(|delivery| ids.iter().position(|id| *id == delivery.id));
    Ok(found)
}

fn delivery(row: &Row<'_>, channel: Arc<str>, claimed_until: Time) -> Result<Delivery, Error> {
    let ordinal: u32 = row.get(4)?;
    let (project, attributes): (String, Attributes<'static>) = (row.get(18)?, rows::from_json(row, 20)?);
    let kind = match ordinal {
        0 => Kind::Closing { peak_per_minute: row.get(15)?, ongoing: row.get(16)? },
        _ => Kind::of_alert(&project, &attributes.location),
    };
    let alert = Alert {
        id: row.get(3)?,
        kind,
        fingerprint: row.get(17)?,
        project,
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
        attributes,
        normalized: rows::from_json(row, 21)?,
        event: rows::from_json_or_null(row, 22)?,
    };
    Ok(Delivery {
        id: row.get(23)?,
        channel,
        attempt: row.get(0)?,
        fence: row.get(1)?,
        claimed_until,
        expires_at: row.get(2)?,
        thread: row.maybe(24)?,
        alert,
    })
}

/// The earliest moment after `now` at which a pending delivery of the channel may be claimed. What is due already and was
/// not claimed waits for an older alert of its issue, and is looked at again when that one is settled.
pub(super) async fn next_due(tx: &mut Tx, channel: &str, now: Time) -> Result<Option<Time>, Error> {
    static NEXT: Sql =
        Sql::new("SELECT min(due_at) FROM deliveries WHERE channel = ? AND state = 'pending' AND due_at > ?");
    tx.one(&NEXT, &values![channel, now], |row| row.maybe(0)).await.map(Option::flatten)
}

/// See [`super::Archive::resend`].
pub(super) async fn resend(tx: &mut Tx, id: Option<i64>, expiry: Duration, now: Time) -> Result<usize, Error> {
    static RESEND: Sql = Sql::new(
        "UPDATE deliveries SET state = 'pending', due_at = ?2, expires_at = ?3, settled_at = NULL \
         WHERE state = 'dead' AND (?1 IS NULL OR id = ?1)",
    );
    tx.execute(&RESEND, &values![id, now, now.plus(expiry)]).await.map(|resent| resent as usize)
}

/// See [`super::Archive::bury_orphans`].
pub(super) async fn bury_orphans(
    tx: &mut Tx,
    channels: &[Arc<str>],
    grace: Duration,
    now: Time,
) -> Result<usize, Error> {
    static WAITING: Sql = Sql::new("SELECT DISTINCT channel FROM deliveries WHERE state = 'pending'");
    static BURY: Sql = Sql::new(
        "UPDATE deliveries SET state = 'dead', settled_at = ?2, error = 'the channel is no longer configured' \
         WHERE channel = ?1 AND state = 'pending' AND created_at <= ?3",
    );
    let waiting = tx.query(&WAITING, &[], |row| row.get::<String>(0)).await?;
    let mut buried = 0;
    for channel in waiting.iter().filter(|waiting| !channels.iter().any(|known| **known == ***waiting)) {
        buried += tx.execute(&BURY, &values![channel.as_str(), now, now.minus(grace)]).await?;
    }
    Ok(buried as usize)
}

/// Pending and dead deliveries.
pub(super) async fn backlog(tx: &mut Tx) -> Result<(u64, u64), Error> {
    static BACKLOG: Sql = Sql::new(
        "SELECT (SELECT count(*) FROM deliveries WHERE state = 'pending'), \
                (SELECT count(*) FROM deliveries WHERE state = 'dead')",
    );
    tx.one(&BACKLOG, &[], |row| Ok((row.get(0)?, row.get(1)?))).await.map(Option::unwrap_or_default)
}
