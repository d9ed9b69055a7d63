//! Reading issues, alerts and deliveries for people and machines.
//!
//! Promises: pages of bounded length with a cursor that stays valid while rows come and go.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::rows;
use crate::alert::DeliveryState;
use crate::event::Event;
use crate::issue::{Decided, Fingerprint, Issue};
use crate::time::{MINUTE_MS, Time};

/// Stored events shown with an issue.
const EVENTS_SHOWN: usize = 20;
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
    pub(crate) attempts: u32,
    pub(crate) due_at: Time,
    pub(crate) created_at: Time,
    pub(crate) expires_at: Time,
    pub(crate) settled_at: Option<Time>,
    pub(crate) error: Option<String>,
}

const ISSUE: &str = concat!(
    "SELECT i.id, i.fingerprint, i.cause, i.project, i.first_seen, i.attributes, i.normalized, i.decided_at, \
         i.decided_by, i.decided_note, s.last_seen, s.occurrences, s.alerts, ",
    rows::standing_columns!(),
    " FROM issues i JOIN standings s ON s.issue = i.id"
);

fn issue(row: &Row<'_>) -> rusqlite::Result<Issue> {
    Ok(Issue {
        fingerprint: row.get(1)?,
        cause: row.get(2)?,
        project: row.get(3)?,
        first_seen: row.get(4)?,
        attributes: rows::from_json(row, 5)?,
        normalized: rows::from_json(row, 6)?,
        decided: Decided { at: row.get(7)?, by: row.get(8)?, note: row.get(9)? },
        last_seen: row.get(10)?,
        occurrences: row.get(11)?,
        alerts: row.get(12)?,
        standing: rows::standing(row, 13)?,
    })
}

/// The issue with this fingerprint.
pub(super) fn by_fingerprint(connection: &Connection, fingerprint: Fingerprint) -> rusqlite::Result<Option<Issue>> {
    connection.prepare_cached(&format!("{ISSUE} WHERE i.fingerprint = ?"))?.query_row([fingerprint], issue).optional()
}

/// See [`super::Archive::issues`].
pub(super) fn list(connection: &Connection, filter: &IssueFilter) -> rusqlite::Result<Page<Issue>> {
    let sql = format!(
        "{ISSUE} WHERE (?1 IS NULL OR s.state = ?1) AND (?2 IS NULL OR i.normalized ->> 'module' = ?2) \
             AND (?3 IS NULL OR i.normalized ->> 'environment' = ?3) \
             AND (?4 IS NULL OR instr(lower(i.attributes ->> 'detail'), lower(?4)) \
                 OR instr(lower(i.attributes ->> 'location'), lower(?4))) \
             AND (?5 IS NULL OR (s.last_seen, i.id) < (?5, ?6)) \
         ORDER BY s.last_seen DESC, i.id DESC LIMIT ?7"
    );
    let (after, after_id) = filter.after.unzip();
    let values =
        params![filter.state, filter.module, filter.environment, filter.text, after, after_id, filter.limit + 1];
    let mut items: Vec<(i64, Issue)> = connection
        .prepare_cached(&sql)?
        .query_map(values, |row| Ok((row.get(0)?, issue(row)?)))?
        .collect::<Result<_, _>>()?;
    let more = items.len() > filter.limit;
    items.truncate(filter.limit);
    let next = items.last().filter(|_| more).map(|(id, last)| format!("{}-{id}", last.last_seen.ms()));
    Ok(Page { items: items.into_iter().map(|(_, issue)| issue).collect(), next })
}

/// See [`super::Archive::fingerprints`].
pub(super) fn by_prefix(connection: &Connection, prefix: &str) -> rusqlite::Result<Vec<Fingerprint>> {
    let (Some(from), Some(to)) = (filled(prefix, '0'), filled(prefix, 'f')) else { return Ok(Vec::new()) };
    connection
        .prepare_cached("SELECT fingerprint FROM issues WHERE fingerprint BETWEEN ? AND ? LIMIT 2")?
        .query_map([from, to], |row| row.get(0))?
        .collect()
}

fn filled(prefix: &str, digit: char) -> Option<Fingerprint> {
    let rest = 32_usize.checked_sub(prefix.len())?;
    format!("{prefix}{}", digit.to_string().repeat(rest)).parse().ok()
}

/// See [`super::Archive::issue`].
pub(super) fn detail(connection: &Connection, fingerprint: Fingerprint) -> rusqlite::Result<Option<IssueDetail>> {
    let Some(issue) = by_fingerprint(connection, fingerprint)? else { return Ok(None) };
    let id: i64 = connection
        .prepare_cached("SELECT id FROM issues WHERE fingerprint = ?")?
        .query_row([fingerprint], |row| row.get(0))?;
    let windows = connection
        .prepare_cached(
            "SELECT opened_at, ends_at, budget, seen, granted, regression FROM windows WHERE issue = ? \
             ORDER BY opened_at DESC LIMIT ?",
        )?
        .query_map(params![id, WINDOWS_SHOWN], |row| {
            Ok(WindowRow {
                opened_at: row.get(0)?,
                ends_at: row.get(1)?,
                budget: row.get(2)?,
                seen: row.get(3)?,
                granted: row.get(4)?,
                regression: row.get(5)?,
            })
        })?
        .collect::<Result<_, _>>()?;
    let events = connection
        .prepare_cached("SELECT received_at, payload FROM events WHERE issue = ? ORDER BY id DESC LIMIT ?")?
        .query_map(params![id, EVENTS_SHOWN], |row| Ok((row.get(0)?, rows::from_json(row, 1)?)))?
        .collect::<Result<_, _>>()?;
    let events_stored =
        connection.prepare_cached("SELECT count(*) FROM events WHERE issue = ?")?.query_row([id], |row| row.get(0))?;
    let minutes = minutes(connection, id, issue.last_seen)?;
    Ok(Some(IssueDetail { issue, windows, minutes, events, events_stored }))
}

/// The day up to the last occurrence, minute by minute.
fn minutes(connection: &Connection, issue: i64, last_seen: Time) -> rusqlite::Result<Vec<MinuteCount>> {
    const DAY_MINUTES: i64 = 24 * 60;
    let from = Time(last_seen.minute().ms() - (DAY_MINUTES - 1) * MINUTE_MS);
    connection
        .prepare_cached(
            "WITH RECURSIVE minute (at) AS (SELECT ?2 UNION ALL SELECT at + ?4 FROM minute WHERE at + ?4 <= ?3) \
             SELECT t.at, t.outcome, sum(t.total) FROM minute CROSS JOIN tallies t \
                 ON t.span_ms = ?4 AND t.at = minute.at AND t.issue = ?1 GROUP BY t.at, t.outcome ORDER BY t.at",
        )?
        .query_map(params![issue, from, last_seen, MINUTE_MS], |row| {
            Ok(MinuteCount { at: row.get(0)?, outcome: row.get(1)?, total: row.get(2)? })
        })?
        .collect()
}

/// See [`super::Archive::alerts`].
pub(super) fn alerts(
    connection: &Connection,
    issue: Option<Fingerprint>,
    before: Option<i64>,
    limit: usize,
) -> rusqlite::Result<Page<AlertRow>> {
    let items = connection
        .prepare_cached(
            "SELECT a.id, i.fingerprint, a.ordinal, a.budget, a.granted, a.granted_at, a.occurrences, \
                 a.window_opened_at, a.window_ends_at, i.attributes ->> 'module', i.attributes ->> 'environment', \
                 i.attributes ->> 'detail' \
             FROM alerts a JOIN issues i ON i.id = a.issue \
             WHERE (?1 IS NULL OR a.issue = (SELECT id FROM issues WHERE fingerprint = ?1)) AND (?2 IS NULL OR a.id < ?2) \
             ORDER BY a.id DESC LIMIT ?3",
        )?
        .query_map(params![issue, before, limit + 1], |row| {
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
                module: row.get(9)?,
                environment: row.get(10)?,
                detail: row.get(11)?,
            })
        })?
        .collect::<Result<_, _>>()?;
    Ok(page_by_id(items, limit, |alert| alert.id))
}

/// See [`super::Archive::deliveries`].
pub(super) fn deliveries(
    connection: &Connection,
    state: Option<DeliveryState>,
    before: Option<i64>,
    limit: usize,
) -> rusqlite::Result<Page<DeliveryRow>> {
    let items = connection
        .prepare_cached(
            "SELECT d.id, d.alert, i.fingerprint, d.channel, d.state, d.attempts, d.due_at, d.created_at, d.expires_at, \
                 d.settled_at, d.error \
             FROM deliveries d JOIN issues i ON i.id = d.issue \
             WHERE (?1 IS NULL OR d.state = ?1) AND (?2 IS NULL OR d.id < ?2) ORDER BY d.id DESC LIMIT ?3",
        )?
        .query_map(params![state.map(DeliveryState::name), before, limit + 1], |row| {
            Ok(DeliveryRow {
                id: row.get(0)?,
                alert: row.get(1)?,
                fingerprint: row.get(2)?,
                channel: row.get(3)?,
                state: match row.get_ref(4)?.as_str()? {
                    "delivered" => DeliveryState::Delivered,
                    "dead" => DeliveryState::Dead,
                    _ => DeliveryState::Pending,
                },
                attempts: row.get(5)?,
                due_at: row.get(6)?,
                created_at: row.get(7)?,
                expires_at: row.get(8)?,
                settled_at: row.get(9)?,
                error: row.get(10)?,
            })
        })?
        .collect::<Result<_, _>>()?;
    Ok(page_by_id(items, limit, |delivery| delivery.id))
}

fn page_by_id<T>(mut items: Vec<T>, limit: usize, id: impl Fn(&T) -> i64) -> Page<T> {
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(|last| id(last).to_string());
    Page { items, next }
}
