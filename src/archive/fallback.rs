//! Deliveries that go to another channel because their own fails.
//!
//! Promises: the one that failed stays as it is; of an alert a channel gets one delivery, whichever way it came to it, so that
//! channels that stand in for each other pass nothing around (the table says so: `UNIQUE (alert, channel)`); what is folded
//! into a delivery goes with it. Deliberately not here: whether a channel fails; its worker says so.

use std::sync::Arc;
use std::time::Duration;

use super::Error;
use super::sql::{Row, Sql, Tx, Value, values};
use crate::alert::InsteadOf;
use crate::time::Time;

/// Diverted at a time.
const DIVERTED_MAX: usize = 500;

/// Who gets what a channel does not take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fallback {
    /// The other channel.
    pub(crate) to: Arc<str>,
    /// What was made so long ago goes there while the channel fails.
    pub(crate) after: Duration,
}

/// Makes deliveries to another channel of these and of what is folded into them, unless it is too late for them.
pub(super) async fn divert(tx: &mut Tx, deliveries: &[Value<'_>], to: &str, now: Time) -> Result<(), Error> {
    const COLUMNS: usize = 9;
    static FOLDED: Sql = Sql::new("SELECT id FROM deliveries WHERE folded_into IN (?*)");
    static FAILED: Sql = Sql::new(
        "SELECT id, alert, issue, channel, created_at, expires_at, priority, error FROM deliveries \
         WHERE expires_at > ?1 AND id IN (?*)",
    );
    static DIVERT: Sql = Sql::new(
        "INSERT INTO deliveries (alert, issue, channel, state, due_at, created_at, expires_at, priority, instead_of) \
         VALUES (?*9) ON CONFLICT (alert, channel) DO NOTHING",
    );
    let folded = tx.query_list(&FOLDED, &[], deliveries, |row: &Row<'_>| row.get::<i64>(0)).await?;
    let mut list = deliveries.to_vec();
    list.extend(folded.into_iter().map(Value::from));
    let read = |row: &Row<'_>| {
        let instead_of =
            InsteadOf { channel: row.get(3)?, since: row.get(4)?, error: row.maybe(7)?.unwrap_or_default() };
        Ok((
            row.get::<i64>(0)?,
            row.get::<i64>(1)?,
            row.get::<i64>(2)?,
            row.get::<Time>(5)?,
            row.get::<i64>(6)?,
            instead_of,
        ))
    };
    let mut failed = tx.query_list(&FAILED, &values![now], &list, read).await?;
    failed.sort_unstable_by_key(|one| one.0);
    let mut rows = Vec::with_capacity(failed.len() * COLUMNS);
    for (_, alert, issue, expires_at, priority, instead_of) in &failed {
        rows.extend(values![*alert, *issue, to, "pending", now, now, *expires_at, *priority, instead_of.to_json()]);
    }
    tx.insert(&DIVERT, COLUMNS, &rows).await
}

/// See [`super::Archive::divert_overdue`].
pub(super) async fn divert_overdue(tx: &mut Tx, channel: &str, fallback: &Fallback, now: Time) -> Result<usize, Error> {
    // What is not due, was not tried and is behind none that was waits on purpose: for the end of quiet hours.
    static OVERDUE: Sql = Sql::new(
        "SELECT d.id FROM deliveries d WHERE d.channel = ?1 AND d.state = 'pending' AND d.folded_into IS NULL \
         AND d.created_at <= ?2 AND d.expires_at > ?3 \
         AND (d.due_at <= ?3 OR d.attempts > 0 OR EXISTS (SELECT 1 FROM deliveries o WHERE o.channel = ?1 \
             AND o.issue = d.issue AND o.state = 'pending' AND o.id < d.id AND o.attempts > 0)) \
         AND NOT EXISTS (SELECT 1 FROM deliveries e WHERE e.alert = d.alert AND e.channel = ?4) ORDER BY d.id LIMIT ?5",
    );
    let args = values![channel, now.minus(fallback.after), now, &*fallback.to, DIVERTED_MAX];
    let overdue = tx.query(&OVERDUE, &args, |row| row.get::<i64>(0)).await?;
    let list: Vec<Value<'_>> = overdue.iter().map(|id| Value::from(*id)).collect();
    divert(tx, &list, &fallback.to, now).await?;
    Ok(list.len())
}

impl super::Archive {
    /// Lets what waits too long for a channel that fails go to its fallback as well. Answers how many deliveries did.
    pub(crate) async fn divert_overdue(
        &self,
        channel: Arc<str>,
        fallback: Fallback,
        now: Time,
    ) -> Result<usize, Error> {
        self.store
            .write((channel, fallback, now), |tx, (channel, fallback, now)| {
                Box::pin(divert_overdue(tx, channel, fallback, *now))
            })
            .await
    }
}
