//! Issues that are counted with another one.
//!
//! Promises: a merge takes nothing away: what an issue counted before stays with it, and it can be taken out again. Merges
//! are one step deep: what was merged into an issue goes along when that is merged. Deliberately not here: who sends an
//! event's occurrence to the issue it is merged into (`fingerprint`, for those that people made).

use std::collections::HashMap;
use std::time::Duration;

use super::sql::{Row, Sql, Tx, Value, values};
use super::{Error, former, issues, known};
use crate::issue::{Fingerprint, Issue};
use crate::time::Time;

/// Why two issues cannot be merged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unmergeable {
    /// They are one, or are merged already.
    Same,
    /// There is no issue to merge into.
    NoTarget,
}

/// See [`super::Archive::merge`].
pub(super) async fn merge(
    tx: &mut Tx,
    (issue, into): (Fingerprint, Fingerprint),
    by: &str,
    expiry: Duration,
    now: Time,
) -> Result<Option<Result<Issue, Unmergeable>>, Error> {
    static TARGET: Sql = Sql::new(
        "SELECT i.fingerprint FROM merges m JOIN issues o ON o.id = m.issue JOIN issues i ON i.id = m.target \
         WHERE o.fingerprint = ?",
    );
    let into = tx.one(&TARGET, &values![into], |row| row.get(0)).await?.unwrap_or(into);
    let mut found = known::lock(tx, &[issue, into]).await?;
    let (from, target) = (found.remove(&issue), found.remove(&into));
    let Some(from) = from else { return Ok(None) };
    // Two names of one issue are found once.
    let Some(mut target) = target.filter(|_| issue != into) else {
        let same = issue == into || issues::by_fingerprint(tx, into).await?.is_some();
        return Ok(Some(Err(if same { Unmergeable::Same } else { Unmergeable::NoTarget })));
    };
    former::take_over(tx, &mut target, &from, expiry, now).await?;
    target.revision = target.revision.max(from.revision) + 1;
    target.last_seen = target.last_seen.max(from.last_seen);
    let id = target.id;
    known::store(tx, &[target]).await?;
    store(tx, from.id, id, by, now).await?;
    Ok(issues::by_fingerprint(tx, into).await?.map(|(_, issue)| Ok(issue)))
}

/// Merges an issue into another, and with it what was merged into it.
pub(super) async fn store(tx: &mut Tx, issue: i64, target: i64, by: &str, now: Time) -> Result<(), Error> {
    static ALONG: Sql = Sql::new("UPDATE merges SET target = ?2 WHERE target = ?1");
    static STORE: Sql = Sql::new(
        "INSERT INTO merges (issue, target, merged_at, merged_by) VALUES (?*4) \
         ON CONFLICT (issue) DO UPDATE SET target = excluded.target, merged_at = excluded.merged_at, \
             merged_by = excluded.merged_by",
    );
    tx.execute(&ALONG, &values![issue, target]).await?;
    let row: [Value<'_>; 4] = values![issue, target, now, by];
    tx.insert(&STORE, 4, &row).await
}

/// See [`super::Archive::unmerge`].
pub(super) async fn unmerge(tx: &mut Tx, issue: Fingerprint) -> Result<Option<bool>, Error> {
    static UNMERGE: Sql = Sql::new("DELETE FROM merges WHERE issue = ?");
    let Some((id, _)) = issues::by_fingerprint(tx, issue).await? else { return Ok(None) };
    Ok(Some(tx.execute(&UNMERGE, &values![id]).await? > 0))
}

/// See [`super::Archive::merges`].
pub(super) async fn by_people(tx: &mut Tx) -> Result<HashMap<Fingerprint, Fingerprint>, Error> {
    static MERGES: Sql = Sql::new(
        "SELECT o.fingerprint, i.fingerprint FROM merges m JOIN issues o ON o.id = m.issue \
         JOIN issues i ON i.id = m.target WHERE m.merged_by <> ''",
    );
    let read = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
    Ok(tx.query(&MERGES, &[], read).await?.into_iter().collect())
}
