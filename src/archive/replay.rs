//! Reading what is stored over again: events, what was counted, what was alerted.
//!
//! Promises: pages, so that the memory does not grow with the archive; nothing is written. Deliberately not here: what it is
//! read for (a preview of changed rules).

use std::collections::HashMap;

use super::sql::{Row, Sql, Value, values};
use super::{Archive, Error, rows};
use crate::event::{Attributes, Event};
use crate::issue::Fingerprint;
use crate::time::{MINUTE_MS, Time};

/// Spans of the counts: minutes, and the hours that they are folded to.
const SPANS_MS: [i64; 2] = [MINUTE_MS, 60 * MINUTE_MS];

/// A stored event.
pub(crate) struct Stored {
    /// Its number.
    pub(crate) id: i64,
    /// Its issue's.
    pub(crate) issue: i64,
    /// It.
    pub(crate) event: Event<'static>,
}

/// What is shown of an issue.
pub(crate) struct Shown {
    /// Its identity.
    pub(crate) fingerprint: Fingerprint,
    /// The project that brought its first event.
    pub(crate) project: String,
    /// The seven as the first event had them.
    pub(crate) attributes: Attributes<'static>,
}

/// What was counted of an issue in a minute, or in an hour that was folded.
pub(crate) struct Count {
    /// Its start.
    pub(crate) at: Time,
    /// The issue's number.
    pub(crate) issue: i64,
    /// Occurrences.
    pub(crate) total: u64,
}

impl Archive {
    /// How many events have been stored since a moment.
    pub(crate) async fn stored_since(&self, since: Time) -> Result<u64, Error> {
        static COUNT: Sql = Sql::new("SELECT count(*) FROM events WHERE received_at >= ?");
        self.store
            .read(since, |tx, since| Box::pin(async move { tx.one(&COUNT, &values![*since], |row| row.get(0)).await }))
            .await
            .map(Option::unwrap_or_default)
    }

    /// A page of the events stored since a moment, in the order in which they came; those behind number `after`.
    pub(crate) async fn stored(&self, since: Time, after: i64, limit: usize) -> Result<Vec<Stored>, Error> {
        static PAGE: Sql =
            Sql::new("SELECT id, issue, payload FROM events WHERE id > ?1 AND received_at >= ?2 ORDER BY id LIMIT ?3");
        self.store
            .read((since, after, limit), |tx, (since, after, limit)| {
                Box::pin(async move {
                    tx.query(&PAGE, &values![*after, *since, *limit], |row| {
                        Ok(Stored { id: row.get(0)?, issue: row.get(1)?, event: rows::from_json(row, 2)? })
                    })
                    .await
                })
            })
            .await
    }

    /// These issues, by number.
    pub(crate) async fn shown(&self, issues: Vec<i64>) -> Result<HashMap<i64, Shown>, Error> {
        static SHOWN: Sql = Sql::new("SELECT id, fingerprint, project, attributes FROM issues WHERE id IN (?*)");
        self.store
            .read(issues, |tx, issues| {
                Box::pin(async move {
                    let list: Vec<Value<'_>> = issues.iter().copied().map(Value::from).collect();
                    let read = |row: &Row<'_>| {
                        let (id, fingerprint, project) = (row.get(0)?, row.get(1)?, row.get(2)?);
                        Ok((id, Shown { fingerprint, project, attributes: rows::from_json(row, 3)? }))
                    };
                    Ok(tx.query_list(&SHOWN, &[], &list, read).await?.into_iter().collect())
                })
            })
            .await
    }

    /// The numbers of issues that are merged, by whomever, each with the one it is merged into.
    pub(crate) async fn merged_numbers(&self) -> Result<HashMap<i64, i64>, Error> {
        static MERGED: Sql = Sql::new("SELECT issue, target FROM merges");
        self.store
            .read((), |tx, ()| {
                Box::pin(async move {
                    let read = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
                    Ok(tx.query(&MERGED, &[], read).await?.into_iter().collect())
                })
            })
            .await
    }

    /// How many alerts were granted since a moment, by issue.
    pub(crate) async fn alerts_since(&self, since: Time) -> Result<HashMap<i64, u64>, Error> {
        static ALERTS: Sql =
            Sql::new("SELECT issue, count(*) FROM alerts WHERE granted_at >= ? AND ordinal > 0 GROUP BY issue");
        self.store
            .read(since, |tx, since| {
                Box::pin(async move {
                    let read = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
                    Ok(tx.query(&ALERTS, &values![*since], read).await?.into_iter().collect())
                })
            })
            .await
    }

    /// What was counted from one moment to before another, in the order of time.
    pub(crate) async fn counts(&self, from: Time, to: Time) -> Result<Vec<Count>, Error> {
        static COUNTS: Sql = Sql::new(
            "SELECT at, issue, CAST(sum(total) AS BIGINT) FROM tallies WHERE span_ms IN (?3, ?4) \
                 AND at >= ?1 AND at < ?2 GROUP BY at, issue ORDER BY at, issue",
        );
        self.store
            .read((from, to), |tx, (from, to)| {
                Box::pin(async move {
                    tx.query(&COUNTS, &values![*from, *to, SPANS_MS[0], SPANS_MS[1]], |row| {
                        Ok(Count { at: row.get(0)?, issue: row.get(1)?, total: row.get(2)? })
                    })
                    .await
                })
            })
            .await
    }
}
