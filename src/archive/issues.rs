//! Reading issues, alerts and deliveries for people and machines.
//!
//! Promises: pages of bounded length with a cursor that stays valid while rows come and go.

use std::collections::BTreeMap;

use super::sql::{Row, Sql, Tx, Value, values};
use super::together::{self, Together};
use super::{Error, Way, rows};
use crate::alert::{DeliveryState, InsteadOf};
use crate::event::{Attributes, Event};
use crate::issue::{Decided, Fingerprint, Issue};
use crate::time::{MINUTE_MS, Time};

/// Stored events shown with an issue.
const EVENTS_SHOWN: usize = 20;
/// Merged issues shown with an issue.
const MERGED_SHOWN: usize = 100;
/// Windows shown with an issue, besides the open one.
const WINDOWS_SHOWN: usize = 20;

/// A part of a list.
pub(crate) struct Page<T> {
    /// The items.
    pub(crate) items: Vec<T>,
    /// Where the next page begins; `None` when this is the last.
    pub(crate) next: Option<String>,
}

/// Which issues.
#[derive(Clone, Debug, Default)]
pub(crate) struct IssueFilter {
    /// Only those in this state.
    pub(crate) state: Option<String>,
    /// Only those of this module, as compared.
    pub(crate) module: Option<String>,
    /// Only those of this environment, as compared.
    pub(crate) environment: Option<String>,
    /// Only those whose location or detail contains this, small and capital letters alike (A to Z).
    pub(crate) text: Option<String>,
    /// The cursor of the page before.
    pub(crate) after: Option<(Time, i64)>,
    /// Items of a page.
    pub(crate) limit: usize,
}

/// An issue with what belongs to it.
pub(crate) struct IssueDetail {
    /// The issue.
    pub(crate) issue: Issue,
    /// Windows that are over, the newest first.
    pub(crate) windows: Vec<WindowRow>,
    /// Occurrences of the last day by minute and outcome, oldest first.
    pub(crate) minutes: Vec<MinuteCount>,
    /// Stored events, the newest first.
    pub(crate) events: Vec<(Time, Event<'static>)>,
    /// Events stored in all, of the occurrences counted.
    pub(crate) events_stored: u64,
    /// Fingerprints that it had under older rules.
    pub(crate) formers: Vec<Fingerprint>,
    /// What is merged into it, the latest merge first.
    pub(crate) merged: Vec<MergedRow>,
    /// The messages that told of it and of other errors, the newest first.
    pub(crate) together: Vec<Together>,
}

/// An issue that is merged into another.
pub(crate) struct MergedRow {
    /// It.
    pub(crate) fingerprint: Fingerprint,
    /// What it counted before.
    pub(crate) occurrences: u64,
    /// Since when.
    pub(crate) merged_at: Time,
    /// By whom; empty: the rules of sameness.
    pub(crate) merged_by: String,
}

/// A window that is over.
pub(crate) struct WindowRow {
    /// Its first occurrence.
    pub(crate) opened_at: Time,
    /// Its end.
    pub(crate) ends_at: Time,
    /// Its budget.
    pub(crate) budget: u32,
    /// Occurrences in it.
    pub(crate) seen: u64,
    /// Alerts granted in it.
    pub(crate) granted: u32,
    /// Whether it was opened by a regression.
    pub(crate) regression: bool,
}

/// Occurrences of one minute with the same outcome.
pub(crate) struct MinuteCount {
    /// The minute's start.
    pub(crate) at: Time,
    /// `alerted`, or why they were held back.
    pub(crate) outcome: String,
    /// How many.
    pub(crate) total: u64,
}

/// An alert in a list.
pub(crate) struct AlertRow {
    pub(crate) id: i64,
    pub(crate) fingerprint: Fingerprint,
    /// 0 for a closing.
    pub(crate) ordinal: u32,
    pub(crate) budget: u32,
    pub(crate) granted: u32,
    pub(crate) granted_at: Time,
    pub(crate) occurrences: u64,
    pub(crate) window_opened_at: Time,
    pub(crate) window_ends_at: Time,
    pub(crate) module: String,
    pub(crate) environment: String,
    pub(crate) detail: String,
}

/// A delivery in a list.
pub(crate) struct DeliveryRow {
    pub(crate) id: i64,
    pub(crate) alert: i64,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) channel: String,
    pub(crate) state: DeliveryState,
    /// The delivery whose message told of this one too.
    pub(crate) folded_into: Option<i64>,
    pub(crate) attempts: u32,
    pub(crate) unanswered: u32,
    pub(crate) due_at: Time,
    pub(crate) created_at: Time,
    pub(crate) expires_at: Time,
    pub(crate) settled_at: Option<Time>,
    pub(crate) error: Option<String>,
    pub(crate) instead_of: Option<InsteadOf>,
}

/// The columns and tables of an issue, read by [`issue`].
macro_rules! issue_query {
    ($rest:literal) => {
        concat!(
            "SELECT i.id, i.fingerprint, i.cause, i.project, i.first_seen, i.attributes, i.normalized, i.decided_at, \
                 i.decided_by, i.decided_note, s.last_seen, \
                 s.occurrences + (SELECT CAST(coalesce(sum(ms.occurrences), 0) AS BIGINT) FROM merges m \
                     JOIN standings ms ON ms.issue = m.issue WHERE m.target = i.id), \
                 s.alerts + (SELECT CAST(coalesce(sum(ms.alerts), 0) AS BIGINT) FROM merges m \
                     JOIN standings ms ON ms.issue = m.issue WHERE m.target = i.id), s.revision, \
                 (SELECT t.fingerprint FROM merges m JOIN issues t ON t.id = m.target WHERE m.issue = i.id), ",
            rows::standing_columns!(),
            " FROM issues i JOIN standings s ON s.issue = i.id",
            $rest
        )
    };
}

fn issue(row: &Row<'_>) -> Result<(i64, Issue), Error> {
    let issue = Issue {
        fingerprint: row.get(1)?,
        cause: row.get(2)?,
        project: row.get(3)?,
        first_seen: row.get(4)?,
        attributes: rows::from_json(row, 5)?,
        normalized: rows::from_json(row, 6)?,
        decided: Decided { at: row.maybe(7)?, by: row.get(8)?, note: row.get(9)? },
        last_seen: row.get(10)?,
        occurrences: row.get(11)?,
        alerts: row.get(12)?,
        revision: row.get(13)?,
        merged_into: row.maybe(14)?,
        standing: rows::standing(row, 15)?,
    };
    Ok((row.get(0)?, issue))
}

/// The issue with this fingerprint, or that had it before, and its number.
pub(super) async fn by_fingerprint(tx: &mut Tx, fingerprint: Fingerprint) -> Result<Option<(i64, Issue)>, Error> {
    static FIND: Sql = Sql::new(issue_query!(" WHERE i.fingerprint = ?"));
    static FIND_BY_FORMER: Sql =
        Sql::new(issue_query!(" WHERE i.id = (SELECT f.issue FROM former_fingerprints f WHERE f.fingerprint = ?)"));
    match tx.one(&FIND, &values![fingerprint], issue).await? {
        None => tx.one(&FIND_BY_FORMER, &values![fingerprint], issue).await,
        found => Ok(found),
    }
}

/// See [`super::Archive::issues`].
pub(super) async fn list(tx: &mut Tx, filter: &IssueFilter) -> Result<Page<Issue>, Error> {
    static LIST: Sql = Sql::new(issue_query!(
        " WHERE (?1 IS NULL OR s.state = ?1) AND (?2 IS NULL OR i.module = ?2) AND (?3 IS NULL OR i.environment = ?3) \
             AND NOT EXISTS (SELECT 1 FROM merges m WHERE m.issue = i.id) \
             AND (?4 IS NULL OR i.haystack LIKE ?4 ESCAPE '!') AND (?5 IS NULL OR (s.last_seen, i.id) < (?5, ?6)) \
         ORDER BY s.last_seen DESC, i.id DESC LIMIT ?7"
    ));
    let (after, after_id) = filter.after.unzip();
    let values = values![
        filter.state.as_deref(),
        filter.module.as_deref(),
        filter.environment.as_deref(),
        filter.text.as_deref().map(containing),
        after,
        after_id,
        filter.limit + 1,
    ];
    let mut items = tx.query(&LIST, &values, issue).await?;
    let more = items.len() > filter.limit;
    items.truncate(filter.limit);
    let next = items.last().filter(|_| more).map(|(id, last)| format!("{}-{id}", last.last_seen.ms()));
    Ok(Page { items: items.into_iter().map(|(_, issue)| issue).collect(), next })
}

/// What an issue is searched by. Without the character at which SQLite would stop looking.
pub(super) fn haystack(attributes: &Attributes<'_>) -> String {
    format!("{}\n{}", attributes.location, attributes.detail).to_ascii_lowercase().replace('\0', "\u{fffd}")
}

/// The pattern that matches every text with this one in it.
fn containing(text: &str) -> String {
    let mut pattern = "%".to_owned();
    for c in text.replace('\0', "\u{fffd}").chars() {
        if matches!(c, '%' | '_' | '!') {
            pattern.push('!');
        }
        pattern.push(c.to_ascii_lowercase());
    }
    pattern + "%"
}

/// See [`super::Archive::decided_since`].
pub(super) async fn decided_since(tx: &mut Tx, since: Time, limit: usize) -> Result<Vec<Issue>, Error> {
    static DECIDED: Sql = Sql::new(issue_query!(" WHERE i.decided_at >= ? ORDER BY i.decided_at DESC LIMIT ?"));
    Ok(tx.query(&DECIDED, &values![since, limit], issue).await?.into_iter().map(|(_, issue)| issue).collect())
}

/// See [`super::Archive::fingerprints`].
pub(super) async fn by_prefix(tx: &mut Tx, prefix: &str) -> Result<Vec<Fingerprint>, Error> {
    static FIND: Sql = Sql::new("SELECT fingerprint FROM issues WHERE fingerprint BETWEEN ? AND ? LIMIT 2");
    static FIND_BY_FORMER: Sql = Sql::new(
        "SELECT DISTINCT i.fingerprint FROM former_fingerprints f JOIN issues i ON i.id = f.issue \
         WHERE f.fingerprint BETWEEN ? AND ? LIMIT 2",
    );
    let (Some(from), Some(to)) = (filled(prefix, '0'), filled(prefix, 'f')) else { return Ok(Vec::new()) };
    match tx.query(&FIND, &values![from, to], |row| row.get(0)).await? {
        none if none.is_empty() => tx.query(&FIND_BY_FORMER, &values![from, to], |row| row.get(0)).await,
        found => Ok(found),
    }
}

fn filled(prefix: &str, digit: char) -> Option<Fingerprint> {
    let rest = 32_usize.checked_sub(prefix.len())?;
    format!("{prefix}{}", digit.to_string().repeat(rest)).parse().ok()
}

/// See [`super::Archive::issue`].
pub(super) async fn detail(tx: &mut Tx, fingerprint: Fingerprint) -> Result<Option<IssueDetail>, Error> {
    static WINDOWS: Sql = Sql::new(
        "SELECT opened_at, ends_at, budget, seen, granted, regression FROM windows WHERE issue = ? \
         ORDER BY opened_at DESC LIMIT ?",
    );
    static EVENTS: Sql = Sql::new("SELECT received_at, payload FROM events WHERE issue = ? ORDER BY id DESC LIMIT ?");
    static STORED: Sql = Sql::new("SELECT count(*) FROM events WHERE issue = ?");
    static FORMERS: Sql = Sql::new("SELECT fingerprint FROM former_fingerprints WHERE issue = ? LIMIT 20");
    static MERGED: Sql = Sql::new(
        "SELECT i.fingerprint, s.occurrences, m.merged_at, m.merged_by FROM merges m JOIN issues i ON i.id = m.issue \
             JOIN standings s ON s.issue = m.issue WHERE m.target = ? ORDER BY m.merged_at DESC, m.issue LIMIT ?",
    );
    let Some((id, issue)) = by_fingerprint(tx, fingerprint).await? else { return Ok(None) };
    let window = |row: &Row<'_>| {
        Ok(WindowRow {
            opened_at: row.get(0)?,
            ends_at: row.get(1)?,
            budget: row.get(2)?,
            seen: row.get(3)?,
            granted: row.get(4)?,
            regression: row.get(5)?,
        })
    };
    let windows = tx.query(&WINDOWS, &values![id, WINDOWS_SHOWN], window).await?;
    let event = |row: &Row<'_>| Ok((row.get(0)?, rows::from_json(row, 1)?));
    let events = tx.query(&EVENTS, &values![id, EVENTS_SHOWN], event).await?;
    let events_stored = tx.one(&STORED, &values![id], |row| row.get(0)).await?.unwrap_or(0);
    let minutes = minutes(tx, id, issue.last_seen).await?;
    let formers = tx.query(&FORMERS, &values![id], |row| row.get(0)).await?;
    let merged = |row: &Row<'_>| {
        Ok(MergedRow {
            fingerprint: row.get(0)?,
            occurrences: row.get(1)?,
            merged_at: row.get(2)?,
            merged_by: row.get(3)?,
        })
    };
    let merged = tx.query(&MERGED, &values![id, MERGED_SHOWN], merged).await?;
    let together = together::of(tx, id).await?;
    Ok(Some(IssueDetail { issue, windows, minutes, events, events_stored, formers, merged, together }))
}

/// The day up to the last occurrence, minute by minute, with what is merged into the issue.
async fn minutes(tx: &mut Tx, issue: i64, last_seen: Time) -> Result<Vec<MinuteCount>, Error> {
    const DAY_MINUTES: i64 = 24 * 60;
    // The servers have an index for this. SQLite, whose tables are ordered by the minute first, is asked minute by minute.
    const SERVERS: &str = "SELECT t.at, t.outcome, CAST(sum(t.total) AS BIGINT) FROM tallies t \
         WHERE t.span_ms = ?3 AND t.at BETWEEN ?1 AND ?2 AND t.issue IN (?*) GROUP BY t.at, t.outcome";
    static MINUTES: Sql = Sql::spelled(
        "WITH RECURSIVE minute (at) AS (SELECT ?1 UNION ALL SELECT at + ?3 FROM minute WHERE at + ?3 <= ?2) \
         SELECT t.at, t.outcome, sum(t.total) FROM minute CROSS JOIN tallies t \
             ON t.span_ms = ?3 AND t.at = minute.at AND t.issue IN (?*) GROUP BY t.at, t.outcome",
        SERVERS,
        SERVERS,
    );
    static MERGED: Sql = Sql::new("SELECT issue FROM merges WHERE target = ?");
    let mut issues = tx.query(&MERGED, &values![issue], |row| row.get::<i64>(0)).await?;
    issues.push(issue);
    let list: Vec<Value<'_>> = issues.into_iter().map(Value::from).collect();
    let from = Time(last_seen.minute().ms() - (DAY_MINUTES - 1) * MINUTE_MS);
    let read = |row: &Row<'_>| Ok((row.get::<Time>(0)?, row.get::<String>(1)?, row.get::<u64>(2)?));
    let mut totals: BTreeMap<(Time, String), u64> = BTreeMap::new();
    for (at, outcome, total) in tx.query_list(&MINUTES, &values![from, last_seen, MINUTE_MS], &list, read).await? {
        *totals.entry((at, outcome)).or_default() += total;
    }
    Ok(totals.into_iter().map(|((at, outcome), total)| MinuteCount { at, outcome, total }).collect())
}

/// See [`super::Archive::alerts`].
pub(super) async fn alerts(
    tx: &mut Tx,
    issue: Option<Fingerprint>,
    before: Option<i64>,
    limit: usize,
) -> Result<Page<AlertRow>, Error> {
    static ALERTS: Sql = Sql::new(
        "SELECT a.id, i.fingerprint, a.ordinal, a.budget, a.granted, a.granted_at, a.occurrences, \
             a.window_opened_at, a.window_ends_at, i.attributes \
         FROM alerts a JOIN issues i ON i.id = a.issue \
         WHERE (?1 IS NULL OR a.issue = (SELECT id FROM issues WHERE fingerprint = ?1)) AND (?2 IS NULL OR a.id < ?2) \
         ORDER BY a.id DESC LIMIT ?3",
    );
    let alert = |row: &Row<'_>| {
        let attributes: Attributes<'static> = rows::from_json(row, 9)?;
        Ok(AlertRow {
            id: row.get(0)?,
            fingerprint: row.get(1)?,
            ordinal: row.get(2)?,
            budget: row.get(3)?,
            granted: row.get(4)?,
            granted_at: row.get(5)?,
            occurrences: row.get(6)?,
            window_opened_at: row.get(7)?,
            window_ends_at: row.get(8)?,
            module: attributes.module.into(),
            environment: attributes.environment.into(),
            detail: attributes.detail.into(),
        })
    };
    let items = tx.query(&ALERTS, &values![issue, before, limit + 1], alert).await?;
    Ok(page_by_id(items, limit, |alert| alert.id))
}

/// See [`super::Archive::deliveries`].
pub(super) async fn deliveries(
    tx: &mut Tx,
    state: Option<DeliveryState>,
    channel: Option<&str>,
    before: Option<i64>,
    limit: usize,
) -> Result<Page<DeliveryRow>, Error> {
    static DELIVERIES: Sql = Sql::new(
        "SELECT d.id, d.alert, i.fingerprint, d.channel, d.state, d.attempts, d.due_at, d.created_at, d.expires_at, \
             d.settled_at, d.error, d.unanswered, d.folded_into, d.instead_of \
         FROM deliveries d JOIN issues i ON i.id = d.issue \
         WHERE (?1 IS NULL OR d.state = ?1) AND (?2 IS NULL OR d.id < ?2) AND (?3 IS NULL OR d.channel = ?3) \
         ORDER BY d.id DESC LIMIT ?4",
    );
    let delivery = |row: &Row<'_>| {
        Ok(DeliveryRow {
            id: row.get(0)?,
            alert: row.get(1)?,
            fingerprint: row.get(2)?,
            channel: row.get(3)?,
            state: delivery_state(row.text(4)?),
            attempts: row.get(5)?,
            due_at: row.get(6)?,
            created_at: row.get(7)?,
            expires_at: row.get(8)?,
            settled_at: row.maybe(9)?,
            error: row.maybe(10)?,
            unanswered: row.get(11)?,
            folded_into: row.maybe(12)?,
            instead_of: rows::from_json_or_null(row, 13)?,
        })
    };
    let items =
        tx.query(&DELIVERIES, &values![state.map(DeliveryState::name), before, channel, limit + 1], delivery).await?;
    Ok(page_by_id(items, limit, |delivery| delivery.id))
}

/// See [`super::Archive::way_of`].
pub(super) async fn way(tx: &mut Tx, fingerprint: Fingerprint) -> Result<Option<Way>, Error> {
    static WAY: Sql = Sql::new(
        "SELECT d.channel, d.state, d.attempts, d.due_at, d.settled_at, d.error \
         FROM issues i JOIN alerts a ON a.issue = i.id JOIN deliveries d ON d.alert = a.id \
         WHERE i.fingerprint = ? ORDER BY d.id LIMIT 1",
    );
    let way = |row: &Row<'_>| {
        let mut way = Way::new(row.get::<String>(0)?.into(), row.get(3)?);
        way.state = delivery_state(row.text(1)?);
        way.attempts = row.get(2)?;
        way.settled_at = row.maybe(4)?;
        way.error = row.maybe(5)?;
        Ok(way)
    };
    tx.one(&WAY, &values![fingerprint], way).await
}

fn delivery_state(name: Option<&str>) -> DeliveryState {
    name.and_then(DeliveryState::parse).unwrap_or(DeliveryState::Pending)
}

fn page_by_id<T>(mut items: Vec<T>, limit: usize, id: impl Fn(&T) -> i64) -> Page<T> {
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(|last| id(last).to_string());
    Page { items, next }
}
