//! What was told in one message with an issue: the list that a storm's message has no room for.

use std::collections::BTreeMap;

use super::sql::{Row, Sql, Tx, Value, values};
use super::{Error, rows};
use crate::event::Attributes;
use crate::issue::Fingerprint;
use crate::time::Time;

/// Messages shown with an issue.
const MESSAGES_SHOWN: usize = 5;
/// Errors shown of them, in all.
const ERRORS_SHOWN: usize = 1_000;

/// A message that told of several errors.
pub(crate) struct Together {
    /// The delivery that told.
    pub(crate) delivery: i64,
    /// The channel.
    pub(crate) channel: String,
    /// When the far side took it.
    pub(crate) settled_at: Option<Time>,
    /// What it told, in the order in which it was granted.
    pub(crate) alerts: Vec<ToldAlert>,
}

/// An alert that was told with others.
pub(crate) struct ToldAlert {
    /// Its number.
    pub(crate) alert: i64,
    /// The issue.
    pub(crate) fingerprint: Fingerprint,
    /// 0 for a closing.
    pub(crate) ordinal: u32,
    /// The seven as received.
    pub(crate) attributes: Attributes<'static>,
}

/// The messages that told of an issue and others, the newest first.
pub(super) async fn of(tx: &mut Tx, issue: i64) -> Result<Vec<Together>, Error> {
    static LEADERS: Sql = Sql::new(
        "SELECT DISTINCT coalesce(d.folded_into, d.id) FROM alerts a JOIN deliveries d ON d.alert = a.id \
         WHERE a.issue = ?1 AND (d.folded_into IS NOT NULL \
             OR EXISTS (SELECT 1 FROM deliveries f WHERE f.folded_into = d.id)) \
         ORDER BY 1 DESC LIMIT ?2",
    );
    static TOLD: Sql = Sql::new(
        "SELECT coalesce(d.folded_into, d.id), d.channel, d.settled_at, a.id, i.fingerprint, a.ordinal, i.attributes \
         FROM deliveries d JOIN alerts a ON a.id = d.alert JOIN issues i ON i.id = a.issue WHERE d.id IN (?*)",
    );
    static FOLDED: Sql = Sql::new("SELECT id FROM deliveries WHERE folded_into IN (?*)");
    let leaders = tx.query(&LEADERS, &values![issue, MESSAGES_SHOWN], |row| row.get::<i64>(0)).await?;
    let list: Vec<Value<'_>> = leaders.iter().copied().map(Value::from).collect();
    let mut all = tx.query_list(&FOLDED, &[], &list, |row| row.get::<i64>(0)).await?;
    all.sort_unstable();
    let all: Vec<Value<'_>> = leaders.into_iter().chain(all.into_iter().take(ERRORS_SHOWN)).map(Value::from).collect();
    let read = |row: &Row<'_>| {
        let told = ToldAlert {
            alert: row.get(3)?,
            fingerprint: row.get(4)?,
            ordinal: row.get(5)?,
            attributes: rows::from_json(row, 6)?,
        };
        Ok((row.get::<i64>(0)?, row.get::<String>(1)?, row.maybe::<Time>(2)?, told))
    };
    let mut messages: BTreeMap<i64, Together> = BTreeMap::new();
    for (delivery, channel, settled_at, alert) in tx.query_list(&TOLD, &[], &all, read).await? {
        let message =
            messages.entry(delivery).or_insert(Together { delivery, channel, settled_at, alerts: Vec::new() });
        message.alerts.push(alert);
    }
    let mut messages: Vec<Together> = messages.into_values().rev().collect();
    messages.iter_mut().for_each(|message| message.alerts.sort_by_key(|told| told.alert));
    Ok(messages)
}
