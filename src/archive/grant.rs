//! Alerts that come into being, with their deliveries.

use std::time::Duration;

use super::Error;
use super::sql::{Sql, Tx, Value, values};
use crate::event::Event;
use crate::issue::Window;
use crate::time::Time;

/// An alert about to exist.
pub(super) struct NewAlert<'a> {
    pub(super) issue: i64,
    pub(super) window: &'a Window,
    /// From 1; 0 for a closing.
    pub(super) ordinal: u32,
    pub(super) occurrences: u64,
    pub(super) occurrences_total: u64,
    pub(super) granted_at: Time,
    pub(super) last_seen: Time,
    pub(super) is_new: bool,
    pub(super) regression: Option<&'a str>,
    /// Busiest minute, and whether it goes on.
    pub(super) closing: Option<(u64, bool)>,
    pub(super) event: Option<i64>,
    /// Who is told, and from when on.
    pub(super) channels: Vec<(&'a str, Time)>,
}

impl NewAlert<'_> {
    /// Which goes first when several are due: what nobody has heard of, and what was thought to be over; the ends of windows
    /// last.
    fn priority(&self) -> i64 {
        match self.ordinal {
            0 => 2,
            1 if self.is_new || self.regression.is_some() => 0,
            _ => 1,
        }
    }
}

const EVENT_COLUMNS: usize = 3;

/// A row for [`store_events`].
pub(super) fn event_row(issue: i64, event: &Event<'_>, received_at: Time) -> [Value<'static>; EVENT_COLUMNS] {
    values![issue, received_at, serde_json::to_string(event).expect("texts and numbers always serialise")]
}

/// Stores events, in order. Answers their numbers.
pub(super) async fn store_events(tx: &mut Tx, rows: &[Value<'_>]) -> Result<Vec<i64>, Error> {
    static EVENTS: Sql = Sql::new("INSERT INTO events (issue, received_at, payload) VALUES (?*3) RETURNING id");
    tx.insert_numbered(&EVENTS, EVENT_COLUMNS, rows).await
}

/// Stores alerts, in order, without deliveries. Answers their numbers.
pub(super) async fn store_alerts(tx: &mut Tx, alerts: &[NewAlert<'_>]) -> Result<Vec<i64>, Error> {
    const ALERT_COLUMNS: usize = 15;
    static ALERTS: Sql = Sql::new(
        "INSERT INTO alerts (issue, window_opened_at, window_ends_at, ordinal, budget, granted, granted_at, occurrences, \
             occurrences_total, last_seen, is_new, regression, peak_per_minute, ongoing, event) \
         VALUES (?*15) RETURNING id",
    );
    let mut rows = Vec::with_capacity(alerts.len() * ALERT_COLUMNS);
    for alert in alerts {
        rows.extend(values![
            alert.issue,
            alert.window.opened_at,
            alert.window.ends_at,
            alert.ordinal,
            alert.window.budget,
            if alert.ordinal == 0 { alert.window.granted } else { alert.ordinal },
            alert.granted_at,
            alert.occurrences,
            alert.occurrences_total,
            alert.last_seen,
            alert.is_new,
            alert.regression,
            alert.closing.map(|(peak, _)| peak),
            alert.closing.map(|(_, ongoing)| ongoing),
            alert.event,
        ]);
    }
    tx.insert_numbered(&ALERTS, ALERT_COLUMNS, &rows).await
}

/// Stores alerts and one delivery for each of their channels, in order.
pub(super) async fn store(tx: &mut Tx, alerts: &[NewAlert<'_>], expiry: Duration, now: Time) -> Result<(), Error> {
    const DELIVERY_COLUMNS: usize = 8;
    static DELIVERIES: Sql = Sql::new(
        "INSERT INTO deliveries (alert, issue, channel, state, priority, due_at, created_at, expires_at) VALUES (?*8)",
    );
    let ids = store_alerts(tx, alerts).await?;
    let mut rows = Vec::new();
    for (alert, id) in alerts.iter().zip(ids) {
        let priority = alert.priority();
        for (channel, due_at) in &alert.channels {
            // What has to wait does not grow old meanwhile.
            let expires_at = due_at.plus(expiry);
            rows.extend(values![id, alert.issue, *channel, "pending", priority, *due_at, now, expires_at]);
        }
    }
    tx.insert(&DELIVERIES, DELIVERY_COLUMNS, &rows).await
}
