//! On which servers an error was seen in a window, as far as its events are stored.
//!
//! Promises: one statement for all alerts of a claim, and of each no more events than a message has use for. Deliberately
//! not here: the servers of events that were only counted.

use std::collections::{BTreeSet, HashMap};

use serde::Deserialize;

use super::Error;
use super::sql::{Row, Sql, Tx, Value};
use crate::alert::{Delivery, Kind};

/// The part of a stored event that is asked for.
#[derive(Deserialize)]
struct Seen {
    #[serde(default)]
    server: Option<String>,
}

/// Tells later alerts of a window, and its end, on which servers it was seen: of the newest twenty events that are stored.
pub(super) async fn tell(tx: &mut Tx, claimed: &mut [Delivery]) -> Result<(), Error> {
    // The event of a window's first alert is the first that may be asked for, so that an index finds where to begin.
    static SERVERS: Sql = Sql::new(
        "SELECT s.alert, s.payload FROM (SELECT a.id AS alert, e.payload AS payload, \
                 row_number() OVER (PARTITION BY a.id ORDER BY e.id DESC) AS nth \
             FROM alerts a JOIN alerts f ON f.issue = a.issue AND f.window_opened_at = a.window_opened_at AND f.ordinal = 1 \
                 JOIN events e ON e.issue = a.issue AND e.id >= f.event AND e.received_at < a.window_ends_at \
             WHERE a.id IN (?*)) AS s \
         WHERE s.nth <= 20",
    );
    let tells = |one: &&mut Delivery| match one.alert.kind {
        Kind::Alert => one.alert.ordinal > 1,
        Kind::Closing { .. } => true,
        Kind::Health(_) => false,
    };
    let ids: BTreeSet<i64> = claimed.iter_mut().filter(|one| tells(one)).map(|one| one.alert.id).collect();
    if ids.is_empty() {
        return Ok(());
    }
    let list: Vec<Value<'_>> = ids.into_iter().map(Value::from).collect();
    let read = |row: &Row<'_>| {
        let seen = row.text(1)?.and_then(|payload| serde_json::from_str::<Seen>(payload).ok());
        Ok((row.get::<i64>(0)?, seen.and_then(|seen| seen.server)))
    };
    let mut servers: HashMap<i64, BTreeSet<String>> = HashMap::new();
    for (alert, server) in tx.query_list(&SERVERS, &[], &list, read).await? {
        servers.entry(alert).or_default().extend(server.filter(|server| !server.trim().is_empty()));
    }
    for one in claimed {
        if let Some(servers) = servers.get(&one.alert.id) {
            one.alert.servers = servers.iter().cloned().collect();
        }
    }
    Ok(())
}
