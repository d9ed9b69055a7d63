//! Claims: which deliveries of a channel go now, and what each of them tells.
//!
//! Promises: of one issue and channel the older alert is claimed first, and the next only when that one is settled or both
//! are told in one message. What is folded into a claim ends as it does. A claim that was not settled in time can be
//! claimed again, and its late result then changes nothing. One process at a time claims on a channel, so that what is
//! folded is decided in one place. Deliberately not here: what is folded (`storm` decides, called inside the transaction
//! that stores it), settling (`outbox`).

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::sql::{Row, Sql, Tx, Value, values};
use super::{Error, rows, servers};
use crate::alert::{Alert, Delivery, Kind, OWN_PROJECT, Spread};
use crate::event::{Attributes, Event};
use crate::issue::CauseKey;
use crate::storm::{self, Due, Folding, Plan, Storm, Together};
use crate::time::Time;

/// How soon a channel on which another process is claiming is looked at again.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// Issues with something due that are looked at together: as many as two full digests hold, and so many more of theirs.
pub(super) const DUE_AT_A_TIME: usize = 1_000;
/// Modules that a message may name.
pub(super) const MODULES_NAMED: usize = 10;

/// A wish for work.
pub(crate) struct Claim {
    /// The channel to send to.
    pub(crate) channel: Arc<str>,
    /// Messages wanted, at most.
    pub(crate) limit: usize,
    /// How long they are the claimer's alone.
    pub(crate) lease: Duration,
    /// What is told in one message.
    pub(crate) folding: Folding,
}

/// What was claimed.
#[derive(Default)]
pub(super) struct Claimed {
    pub(super) deliveries: Vec<Delivery>,
    /// When to look again for what could not be claimed, or was put off.
    pub(super) look_at: Option<Time>,
}

/// What was claimed on several channels, for those who asked.
#[derive(Default)]
pub(crate) struct Handed {
    pub(crate) deliveries: Vec<Delivery>,
    /// Channels that are to be looked at again, and when.
    pub(crate) looks: Vec<(Arc<str>, Time)>,
}

/// Claims what is due on a channel: what is new before what is known, else the longest waiting first.
pub(super) async fn claim(tx: &mut Tx, claim: &Claim, now: Time) -> Result<Claimed, Error> {
    if claim.limit == 0 {
        return Ok(Claimed::default());
    }
    if !hold(tx, &claim.channel).await? {
        return Ok(Claimed { look_at: Some(now.plus(LOOK_AGAIN)), ..Claimed::default() });
    }
    let due = due(tx, claim, now).await?;
    if due.is_empty() {
        return Ok(Claimed::default());
    }
    let storms = storms(tx, &claim.channel, now).await?;
    let plan = storm::plan(&due, &storms, &claim.folding, claim.limit, now);
    store(tx, claim, &plan, now).await?;
    let leaders: Vec<i64> = plan.send.iter().map(|message| message[0]).collect();
    let mut claimed = read(tx, &claim.channel, &leaders, now.plus(claim.lease)).await?;
    for delivery in claimed.iter_mut().filter(|delivery| !delivery.folded.is_empty()) {
        let since = storms.get(&together(&delivery.alert)).map_or(now, |storm| storm.opened_at);
        delivery.spread = spread(tx, &claim.channel, delivery, since).await?;
    }
    Ok(Claimed { deliveries: claimed, look_at: plan.later.iter().map(|(_, at)| *at).min() })
}

/// Makes the channel this transaction's alone.
async fn hold(tx: &mut Tx, channel: &str) -> Result<bool, Error> {
    static HOLD: Sql = Sql::new("SELECT channel FROM outboxes WHERE channel = ? FOR UPDATE SKIP LOCKED");
    static THERE: Sql = Sql::new("SELECT channel FROM outboxes WHERE channel = ?");
    static MAKE: Sql = Sql::new("INSERT INTO outboxes (channel) VALUES (?*1) ON CONFLICT (channel) DO NOTHING");
    let name = |row: &Row<'_>| row.get::<String>(0);
    if tx.one(&HOLD, &values![channel], name).await?.is_some() {
        return Ok(true);
    }
    if tx.one(&THERE, &values![channel], name).await?.is_none() {
        tx.insert(&MAKE, 1, &values![channel]).await?;
    }
    Ok(tx.one(&HOLD, &values![channel], name).await?.is_some())
}

/// The columns of what is due, read by [`due`].
macro_rules! due_query {
    ($rest:literal) => {
        concat!(
            "SELECT d.id, d.issue, i.cause, a.ordinal, i.project, \
                 (SELECT count(*) FROM deliveries e WHERE e.channel = d.channel AND e.issue = d.issue \
                     AND e.state = 'pending' AND e.id < d.id), \
                 (SELECT count(*) FROM deliveries f WHERE f.folded_into = d.id) \
             FROM deliveries d JOIN issues i ON i.id = d.issue JOIN alerts a ON a.id = d.alert \
             WHERE d.channel = ?1 AND d.state = 'pending' AND d.folded_into IS NULL AND d.due_at <= ?2 AND ",
            $rest
        )
    };
}

/// What is due, in the order in which it should go: what nothing of its issue goes before, and then what may be told
/// together with that. What only waits for others is not among those that are looked at together, or it could hide them.
async fn due(tx: &mut Tx, claim: &Claim, now: Time) -> Result<Vec<Due>, Error> {
    // Not `NOT EXISTS`: of a table that it does not know yet, PostgreSQL may take that for a join without an index.
    static FIRST: Sql = Sql::new(due_query!(
        "(d.id = (SELECT min(e.id) FROM deliveries e WHERE e.channel = d.channel AND e.issue = d.issue \
             AND e.state = 'pending') OR EXISTS (SELECT 1 FROM deliveries f WHERE f.folded_into = d.id)) \
         ORDER BY d.priority, d.due_at, d.id LIMIT ?3"
    ));
    static BEHIND: Sql = Sql::new(due_query!("d.issue IN (?*) ORDER BY d.id LIMIT ?3"));
    let read = |row: &Row<'_>| {
        let (cause, ordinal): (CauseKey, u32) = (row.get(2)?, row.get(3)?);
        let together = if ordinal == 0 { Together::Closings(cause) } else { Together::Alerts(cause) };
        let leads = row.get::<u64>(6)? > 0;
        Ok(Due {
            id: row.get(0)?,
            issue: row.get(1)?,
            together: (row.text(4)? != Some(OWN_PROJECT)).then_some(together),
            // What leads was in order when that was decided; what waits for it may be folded into another.
            before: if leads { 0 } else { row.get::<u64>(5)? as usize },
            leads,
        })
    };
    let folds = claim.folding != Folding::NONE;
    let args = values![&*claim.channel, now, if folds { DUE_AT_A_TIME } else { claim.limit }];
    let mut due = tx.query(&FIRST, &args, read).await?;
    if folds {
        let issues: Vec<Value<'_>> = due.iter().map(|one| Value::from(one.issue)).collect();
        let behind = tx.query_list(&BEHIND, &args, &issues, read).await?;
        due.extend(behind.into_iter().filter(|one| one.before > 0));
    }
    Ok(due)
}

async fn storms(tx: &mut Tx, channel: &str, now: Time) -> Result<HashMap<Together, Storm>, Error> {
    static STORMS: Sql = Sql::new(
        "SELECT kind, cause, opened_at, ends_at, messages, next_at, only_issue FROM storms \
         WHERE channel = ?1 AND ends_at > ?2",
    );
    let read = |row: &Row<'_>| {
        let cause: CauseKey = row.get(1)?;
        let together = match row.text(0)? {
            Some("alerts") => Together::Alerts(cause),
            Some("closings") => Together::Closings(cause),
            _ => Together::Digest,
        };
        let storm = Storm {
            opened_at: row.get(2)?,
            ends_at: row.get(3)?,
            messages: row.get(4)?,
            next_at: row.get(5)?,
            only: row.maybe(6)?,
        };
        Ok((together, storm))
    };
    Ok(tx.query(&STORMS, &values![channel, now], read).await?.into_iter().collect())
}

/// Stores a plan: leaders are claimed, others folded into them or put off.
async fn store(tx: &mut Tx, claim: &Claim, plan: &Plan, now: Time) -> Result<(), Error> {
    const STORM_COLUMNS: usize = 8;
    static CLAIM: Sql = Sql::new(
        "UPDATE deliveries SET fence = fence + 1, attempts = attempts + 1, unanswered = unanswered + 1, due_at = ?1 \
         WHERE id IN (?*)",
    );
    static FOLD: Sql = Sql::new("UPDATE deliveries SET folded_into = ?1 WHERE id IN (?*)");
    static LATER: Sql = Sql::new("UPDATE deliveries SET due_at = ?1 WHERE id IN (?*)");
    static STORM: Sql = Sql::new(
        "INSERT INTO storms (channel, kind, cause, opened_at, ends_at, messages, next_at, only_issue) VALUES (?*8) \
         ON CONFLICT (channel, kind, cause) DO UPDATE SET opened_at = excluded.opened_at, ends_at = excluded.ends_at, \
             messages = excluded.messages, next_at = excluded.next_at, only_issue = excluded.only_issue",
    );
    let ids = |ids: &mut dyn Iterator<Item = i64>| ids.map(Value::from).collect::<Vec<_>>();
    let leaders = ids(&mut plan.send.iter().map(|message| message[0]));
    tx.execute_list(&CLAIM, &values![now.plus(claim.lease)], &leaders).await?;
    for message in plan.send.iter().filter(|message| message.len() > 1) {
        tx.execute_list(&FOLD, &values![message[0]], &ids(&mut message[1..].iter().copied())).await?;
    }
    let mut later: HashMap<Time, Vec<i64>> = HashMap::new();
    plan.later.iter().for_each(|(id, at)| later.entry(*at).or_default().push(*id));
    for (at, put_off) in later {
        tx.execute_list(&LATER, &values![at], &ids(&mut put_off.into_iter())).await?;
    }
    let row = |(together, storm): (&Together, &Storm)| -> [Value<'_>; STORM_COLUMNS] {
        let (kind, cause) = match *together {
            Together::Alerts(cause) => ("alerts", cause),
            Together::Closings(cause) => ("closings", cause),
            Together::Digest => ("digest", CauseKey(0)),
        };
        let Storm { opened_at, ends_at, messages, next_at, only } = *storm;
        values![&*claim.channel, kind, cause, opened_at, ends_at, messages, next_at, only]
    };
    let rows: Vec<Value<'_>> = plan.storms.iter().flat_map(row).collect();
    tx.insert(&STORM, STORM_COLUMNS, &rows).await
}

/// The columns of an alert, read by [`alert`]; the event's payload comes last.
macro_rules! alert_query {
    ($payload:literal, $rest:literal) => {
        concat!(
            "SELECT d.id, d.attempts, d.fence, d.expires_at, d.folded_into, \
                 a.id, a.ordinal, a.budget, a.granted, a.window_opened_at, a.window_ends_at, a.granted_at, \
                 a.occurrences, a.occurrences_total, a.last_seen, a.is_new, a.regression, a.peak_per_minute, a.ongoing, \
                 i.fingerprint, i.project, i.first_seen, i.attributes, i.normalized, i.cause, d.created_at, d.instead_of, ",
            $payload,
            " FROM deliveries d JOIN alerts a ON a.id = d.alert JOIN issues i ON i.id = a.issue ",
            $rest
        )
    };
}

/// Deliveries of a channel in this order, each with what it tells.
pub(super) async fn read(
    tx: &mut Tx,
    channel: &Arc<str>,
    leaders: &[i64],
    until: Time,
) -> Result<Vec<Delivery>, Error> {
    static LEADERS: Sql = Sql::new(alert_query!(
        "e.payload, t.handle",
        "LEFT JOIN events e ON e.id = a.event LEFT JOIN threads t ON t.channel = d.channel AND t.issue = d.issue \
             AND t.window_opened_at = a.window_opened_at \
         WHERE d.id IN (?*)"
    ));
    // What was sent before is not told again by what is still to be sent.
    static FOLDED: Sql = Sql::new(alert_query!(
        "e.payload",
        "JOIN deliveries l ON l.id = d.folded_into AND l.state = d.state LEFT JOIN events e ON e.id = a.event \
         WHERE d.folded_into IN (?*)"
    ));
    let list: Vec<Value<'_>> = leaders.iter().map(|id| Value::from(*id)).collect();
    let read = |row: &Row<'_>| {
        Ok(Delivery {
            id: row.get(0)?,
            channel: Arc::clone(channel),
            attempt: row.get(1)?,
            fence: row.get(2)?,
            claimed_until: until,
            created_at: row.get(25)?,
            expires_at: row.get(3)?,
            instead_of: rows::from_json_or_null(row, 26)?,
            thread: row.maybe(28)?,
            alert: alert(row)?,
            folded: Vec::new(),
            spread: None,
        })
    };
    let mut claimed = tx.query_list(&LEADERS, &[], &list, read).await?;
    claimed.sort_by_key(|delivery| leaders.iter().position(|id| *id == delivery.id));
    let read = |row: &Row<'_>| Ok((row.get::<i64>(4)?, row.get::<i64>(0)?, row.get::<Time>(3)?, alert(row)?));
    let mut folded = tx.query_list(&FOLDED, &[], &list, read).await?;
    folded.sort_by_key(|(_, id, ..)| *id);
    for (leader, _, expires_at, alert) in folded {
        if let Some(delivery) = claimed.iter_mut().find(|delivery| delivery.id == leader) {
            // A message is as young as the youngest that it tells.
            delivery.expires_at = delivery.expires_at.max(expires_at);
            delivery.folded.push(alert);
        }
    }
    servers::tell(tx, &mut claimed).await?;
    Ok(claimed)
}

fn alert(row: &Row<'_>) -> Result<Alert, Error> {
    let ordinal: u32 = row.get(6)?;
    let (project, attributes): (String, Attributes<'static>) = (row.get(20)?, rows::from_json(row, 22)?);
    let kind = match ordinal {
        0 => Kind::Closing { peak_per_minute: row.get(17)?, ongoing: row.get(18)? },
        _ => Kind::of_alert(&project, &attributes.location),
    };
    // What is told is what happened now, not what happened first.
    let event: Option<Event<'static>> = rows::from_json_or_null(row, 27)?;
    let attributes = event.as_ref().map_or(attributes, |event| event.attributes.clone());
    Ok(Alert {
        id: row.get(5)?,
        kind,
        fingerprint: row.get(19)?,
        cause: row.get(24)?,
        project,
        window_opened_at: row.get(9)?,
        window_ends_at: row.get(10)?,
        ordinal: row.get(8)?,
        budget: row.get(7)?,
        granted_at: row.get(11)?,
        occurrences: row.get(12)?,
        occurrences_total: row.get(13)?,
        first_seen: row.get(21)?,
        last_seen: row.get(14)?,
        new: row.get(15)?,
        regression: rows::from_json_or_null(row, 16)?,
        attributes,
        normalized: rows::from_json(row, 23)?,
        event,
        servers: Vec::new(),
    })
}

fn together(alert: &Alert) -> Together {
    match alert.kind {
        Kind::Closing { .. } => Together::Closings(alert.cause),
        Kind::Alert | Kind::Health(_) => Together::Alerts(alert.cause),
    }
}

/// How far a cause has spread on a channel since its storm began, in this message and in those before it. `None` for a
/// message of several causes.
async fn spread(tx: &mut Tx, channel: &str, delivery: &Delivery, since: Time) -> Result<Option<Spread>, Error> {
    // Of each module what came first; what the cause broke is among the issues of a key, of which there are few enough.
    static MODULES: Sql = Sql::new(
        "SELECT i.module, count(DISTINCT i.id), min(a.granted_at), min(a.id) FROM issues i JOIN alerts a ON a.issue = i.id \
             JOIN deliveries d ON d.alert = a.id AND d.channel = ?2 \
         WHERE i.cause = ?1 AND a.granted_at >= ?3 AND a.ordinal > 0 GROUP BY i.module ORDER BY 3, 4",
    );
    let cause = delivery.alert.cause;
    if delivery.folded.iter().any(|alert| alert.cause != cause) {
        return Ok(None);
    }
    // The first of it was granted a little before it was told.
    let since = delivery.folded.iter().map(|alert| alert.granted_at).chain([since, delivery.alert.granted_at]).min();
    let since = since.unwrap_or_default().minus(LOOK_BACK);
    let read = |row: &Row<'_>| Ok((row.get::<String>(0)?, row.get::<u64>(1)?, row.get::<Time>(2)?));
    let modules = tx.query(&MODULES, &values![cause, channel, since], read).await?;
    Ok(Some(Spread {
        modules: modules.len() as u64,
        errors: modules.iter().map(|(_, errors, _)| errors).sum(),
        since: modules.first().map_or(since, |(_, _, at)| *at),
        named: modules.into_iter().take(MODULES_NAMED).map(|(module, ..)| module).collect(),
    }))
}

/// How long an alert may have waited before it was told.
const LOOK_BACK: Duration = Duration::from_secs(10);

/// Forgets what is over.
pub(super) async fn forget_storms(tx: &mut Tx, now: Time) -> Result<(), Error> {
    static FORGET: Sql = Sql::new("DELETE FROM storms WHERE ends_at <= ?");
    tx.execute(&FORGET, &values![now]).await.map(drop)
}
