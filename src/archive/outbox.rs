//! The outbox: deliveries that wait, and how those that were claimed (`claims`) are settled.
//!
//! Promises: a settlement whose claim is not the newest changes nothing; what is folded into a delivery ends as that one
//! does. A claim counts as unanswered until its settlement says otherwise: so what was sent by a process that died, or
//! after its lease, is among the attempts that may have come twice. Deliberately not here: when to try again; the worker
//! says so.

use std::sync::Arc;
use std::time::Duration;

use super::sql::{Row, Sql, Tx, Value, values};
use super::{Error, fallback, threads};
use crate::time::Time;

/// How a claimed delivery ended, for now or for good.
#[derive(Clone)]
pub(crate) struct Settlement {
    /// The delivery.
    pub(crate) id: i64,
    /// The fence of the claim.
    pub(crate) fence: i64,
    /// Whether it was sent and no answer came.
    pub(crate) unanswered: bool,
    /// What becomes of it.
    pub(crate) end: End,
    /// The channel that gets it as well, because this one fails.
    pub(crate) divert_to: Option<Arc<str>>,
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
    /// Given back unsent until quiet hours end, in which it does not grow old.
    Held {
        /// Their end.
        due_at: Time,
        /// After this moment it is too old to help.
        expires_at: Time,
    },
    /// Given up because it was too old when its turn came. Why it had not been sent by then stays on record.
    Expired,
}

/// Settles claimed deliveries. A settlement whose fence is not the newest changes nothing; and it ends its claim, so that
/// the same one again, of which nobody knew whether it was stored, changes nothing either.
pub(super) async fn settle(tx: &mut Tx, settlements: &[Settlement], now: Time) -> Result<(), Error> {
    static DELIVERED: Sql = Sql::new(
        "UPDATE deliveries SET state = 'delivered', settled_at = ?3, error = NULL, unanswered = unanswered - ?4 \
         WHERE id = ?1 AND fence = ?2 AND state = 'pending'",
    );
    static DEAD: Sql = Sql::new(
        "UPDATE deliveries SET state = 'dead', settled_at = ?3, error = ?5, unanswered = unanswered - ?4 \
         WHERE id = ?1 AND fence = ?2 AND state = 'pending'",
    );
    // This claim, which sent nothing, is among the attempts.
    static EXPIRED: Sql = Sql::new(
        "UPDATE deliveries SET state = 'dead', settled_at = ?3, unanswered = unanswered - 1, error = \
             coalesce('given up after ' || (attempts - 1) || ' attempts: ' || error, \
                 'too old to help: it expired before it could be sent') \
         WHERE id = ?1 AND fence = ?2 AND state = 'pending'",
    );
    static BACK: Sql = Sql::new(
        "UPDATE deliveries SET due_at = ?3, fence = fence + 1, attempts = attempts - 1, unanswered = unanswered - 1 \
         WHERE id = ?1 AND fence = ?2 AND state = 'pending'",
    );
    static HELD: Sql = Sql::new(
        "UPDATE deliveries SET due_at = ?3, expires_at = ?4, fence = fence + 1, attempts = attempts - 1, \
             unanswered = unanswered - 1 \
         WHERE id = ?1 AND fence = ?2 AND state = 'pending'",
    );
    static UNFOLD: Sql =
        Sql::new("UPDATE deliveries SET folded_into = NULL WHERE folded_into = ?1 AND state = 'pending'");
    for Settlement { id, fence, unanswered, end, divert_to } in settlements {
        let known = i64::from(!unanswered);
        let settled = match end {
            End::Delivered { handle } => {
                let settled = tx.execute(&DELIVERED, &values![*id, *fence, now, known]).await?;
                if let Some(handle) = handle.as_deref().filter(|_| settled == 1) {
                    threads::keep(tx, *id, handle, now).await?;
                }
                settled
            }
            End::Dead { error } => tx.execute(&DEAD, &values![*id, *fence, now, known, error.as_str()]).await?,
            End::Expired => tx.execute(&EXPIRED, &values![*id, *fence, now]).await?,
            End::Back { due_at } => tx.execute(&BACK, &values![*id, *fence, *due_at]).await?,
            End::Held { due_at, expires_at } => {
                let settled = tx.execute(&HELD, &values![*id, *fence, *due_at, *expires_at]).await?;
                if settled == 1 {
                    // Each of what it would have told waits, or not, for itself.
                    tx.execute(&UNFOLD, &values![*id]).await?;
                }
                settled
            }
            End::Again { due_at, error, .. } => again(tx, *id, *fence, known, *due_at, error).await?,
        };
        if let Some(to) = divert_to.as_deref().filter(|_| settled == 1) {
            fallback::divert(tx, &[Value::from(*id)], to, now).await?;
        }
    }
    let ended =
        settlements.iter().filter(|one| !matches!(one.end, End::Back { .. } | End::Held { .. } | End::Again { .. }));
    let list: Vec<Value<'_>> = ended.map(|one| Value::from(one.id)).collect();
    settle_folded(tx, &list).await
}

/// What is folded into deliveries ends as those did.
async fn settle_folded(tx: &mut Tx, leaders: &[Value<'_>]) -> Result<(), Error> {
    static LEADING: Sql = Sql::new(
        "SELECT DISTINCT l.id, l.state, l.settled_at, l.error, l.unanswered FROM deliveries l JOIN deliveries d ON d.folded_into = l.id \
         WHERE l.state <> 'pending' AND d.state = 'pending' AND l.id IN (?*)",
    );
    static FOLLOW: Sql = Sql::new(
        "UPDATE deliveries SET state = ?2, settled_at = ?3, error = ?4, unanswered = unanswered + ?5 \
         WHERE folded_into = ?1 AND state = 'pending'",
    );
    let read = |row: &Row<'_>| {
        let (leader, state): (i64, String) = (row.get(0)?, row.get(1)?);
        Ok((leader, state, row.maybe::<Time>(2)?, row.maybe::<String>(3)?, row.get::<i64>(4)?))
    };
    for (leader, state, at, error, unanswered) in tx.query_list(&LEADING, &[], leaders, read).await? {
        tx.execute(&FOLLOW, &values![leader, state, at, error, unanswered]).await?;
    }
    Ok(())
}

/// Puts a delivery off, and with it those that wait for it: a claim would only pass over them.
async fn again(tx: &mut Tx, id: i64, fence: i64, known: i64, due_at: Time, error: &str) -> Result<u64, Error> {
    static AGAIN: Sql = Sql::new(
        "UPDATE deliveries SET due_at = ?3, fence = fence + 1, error = ?4, unanswered = unanswered - ?5 \
         WHERE id = ?1 AND fence = ?2 AND state = 'pending'",
    );
    static WHOSE: Sql = Sql::new("SELECT channel, issue FROM deliveries WHERE id = ?");
    static LATER: Sql = Sql::new(
        "UPDATE deliveries SET due_at = GREATEST(due_at, ?2) \
         WHERE channel = ?3 AND issue = ?4 AND state = 'pending' AND id > ?1",
    );
    let settled = tx.execute(&AGAIN, &values![id, fence, due_at, error, known]).await?;
    let whose = |row: &Row<'_>| Ok((row.get::<String>(0)?, row.get::<i64>(1)?));
    if settled == 1
        && let Some((channel, issue)) = tx.one(&WHOSE, &values![id], whose).await?
    {
        tx.execute(&LATER, &values![id, due_at, channel, issue]).await?;
    }
    Ok(settled)
}

/// The earliest moment after `now` at which a pending delivery of the channel may be claimed. What is due already and was
/// not claimed waits for an older alert of its issue, and is looked at again when that one is settled.
pub(super) async fn next_due(tx: &mut Tx, channel: &str, now: Time) -> Result<Option<Time>, Error> {
    static NEXT: Sql = Sql::new(
        "SELECT min(due_at) FROM deliveries \
         WHERE channel = ? AND state = 'pending' AND folded_into IS NULL AND due_at > ?",
    );
    tx.one(&NEXT, &values![channel, now], |row| row.maybe(0)).await.map(Option::flatten)
}

/// See [`super::Archive::resend`].
pub(super) async fn resend(
    tx: &mut Tx,
    id: Option<i64>,
    channel: Option<&str>,
    expiry: Duration,
    now: Time,
) -> Result<usize, Error> {
    // With what is folded into it. What was folded into another and is sent by itself is so no more.
    static RESEND: Sql = Sql::new(
        "UPDATE deliveries SET state = 'pending', due_at = ?2, expires_at = ?3, settled_at = NULL, \
             folded_into = CASE WHEN id = ?1 THEN NULL ELSE folded_into END \
         WHERE state = 'dead' AND (?1 IS NULL OR id = ?1 OR folded_into = ?1) AND (?4 IS NULL OR channel = ?4)",
    );
    tx.execute(&RESEND, &values![id, now, now.plus(expiry), channel]).await.map(|resent| resent as usize)
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

impl super::Archive {
    /// Puts dead deliveries back in the queue: this one, else all, or all of a channel. Answers how many there were.
    pub(crate) async fn resend(
        &self,
        id: Option<i64>,
        channel: Option<String>,
        expiry: Duration,
        now: Time,
    ) -> Result<usize, Error> {
        self.store
            .write((id, channel, expiry, now), |tx, (id, channel, expiry, now)| {
                Box::pin(resend(tx, *id, channel.as_deref(), *expiry, *now))
            })
            .await
    }
}
