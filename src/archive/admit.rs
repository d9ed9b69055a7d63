//! Counting a batch and granting its alerts: the one transaction that every acknowledgement waits for.
//!
//! Promises: all of a batch or nothing of it. An alert, the event that earned it and its deliveries are stored
//! together.
//!
//! Invariant: *Conservation.* For every occurrence of a batch exactly one is added to the tallies, to the issue's
//! occurrences, and (unless muted) to the window's.

use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{rows, standing};
use crate::alert::Route;
use crate::event::{Attributes, Event, Packed};
use crate::gate::{self, Decision, Fate};
use crate::issue::{CauseKey, Fingerprint, Standing, State, Window};
use crate::time::{MINUTE_MS, Time};

/// What arrived together, at most one tally a fingerprint.
pub(crate) struct Batch {
    /// The tallies.
    pub(crate) tallies: Vec<Tally>,
    /// Who counts: the archive itself, or a pod.
    pub(crate) source: &'static str,
    /// Events to store of one issue and day, besides those that alert.
    pub(crate) samples_per_day: u32,
    /// How long after its grant an alert is still worth sending.
    pub(crate) expiry: Duration,
}

/// Occurrences of one issue that arrived together.
pub(crate) struct Tally {
    /// Identity of the issue.
    pub(crate) fingerprint: Fingerprint,
    /// Its coarser identity.
    pub(crate) cause: CauseKey,
    /// Version of the rules that made them.
    pub(crate) rules: u8,
    /// The project whose key brought them.
    pub(crate) project: Arc<str>,
    /// Policy and channels of the first of them.
    pub(crate) route: Arc<Route>,
    /// The events, in order of arrival: one an occurrence.
    pub(crate) events: Vec<Packed>,
    /// The seven as they are compared, made only when a new issue is stored.
    pub(crate) normalize: for<'a> fn(&'a Event<'_>) -> Attributes<'a>,
}

/// What became of a tally.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Admitted {
    /// The gate's decision.
    pub(crate) decision: Decision,
    /// Occurrences in the window before this tally's.
    pub(crate) seen_before: u64,
}

/// See [`super::Archive::admit`].
pub(crate) fn admit(connection: &Connection, batch: &Batch, now: Time) -> rusqlite::Result<Vec<Admitted>> {
    batch.tallies.iter().map(|tally| Admission { connection, batch, tally, now }.run()).collect()
}

/// One tally on its way into the archive.
struct Admission<'a> {
    connection: &'a Connection,
    batch: &'a Batch,
    tally: &'a Tally,
    now: Time,
}

/// An issue as the gate meets it.
struct Known {
    id: i64,
    occurrences: u64,
    alerts: u64,
    sampled_day: i64,
    sampled: u32,
    standing: Standing,
}

impl Admission<'_> {
    fn run(&self) -> rusqlite::Result<Admitted> {
        let mut known = match self.find()? {
            Some(known) => known,
            None => self.create()?,
        };
        let count = self.tally.events.len() as u64;
        let decision = gate::decide(&known.standing, count, &self.tally.route.policy, self.now);
        let in_window: u64 = decision.runs.iter().filter(|run| !run.is_muted()).map(|run| run.count).sum();
        let seen_before = decision.next.window.as_ref().map_or(0, |window| window.seen.saturating_sub(in_window));

        let opened_at = |standing: &Standing| standing.window.as_ref().map(|window| window.opened_at);
        if opened_at(&known.standing) != opened_at(&decision.next) {
            standing::end_window(self.connection, known.id, self.batch.expiry, true, self.now)?;
        }
        self.store_events_and_alerts(&mut known, &decision, seen_before)?;
        self.count_in_minute(known.id, &decision)?;
        known.occurrences += count;
        known.alerts += decision.granted();
        self.store_standing(&known, &decision.next)?;
        Ok(Admitted { decision, seen_before })
    }

    fn find(&self) -> rusqlite::Result<Option<Known>> {
        const FIND: &str = concat!(
            "SELECT i.id, s.occurrences, s.alerts, s.sampled_day, s.sampled, ",
            rows::standing_columns!(),
            " FROM issues i JOIN standings s ON s.issue = i.id WHERE i.fingerprint = ?"
        );
        let read = |row: &Row<'_>| {
            Ok(Known {
                id: row.get(0)?,
                occurrences: row.get(1)?,
                alerts: row.get(2)?,
                sampled_day: row.get(3)?,
                sampled: row.get(4)?,
                standing: rows::standing(row, 5)?,
            })
        };
        self.connection.prepare_cached(FIND)?.query_row([self.tally.fingerprint], read).optional()
    }

    fn create(&self) -> rusqlite::Result<Known> {
        const CREATE: &str = "INSERT INTO issues (fingerprint, cause, rules, project, first_seen, attributes, normalized) \
             VALUES (?, ?, ?, ?, ?, ?, ?)";
        let tally = self.tally;
        let first = tally.events.first().expect("a tally holds at least one event").event();
        self.connection.prepare_cached(CREATE)?.execute(params![
            tally.fingerprint,
            tally.cause,
            tally.rules,
            &*tally.project,
            self.now,
            rows::attributes_json(&first.attributes),
            rows::attributes_json(&(tally.normalize)(&first)),
        ])?;
        Ok(Known {
            id: self.connection.last_insert_rowid(),
            occurrences: 0,
            alerts: 0,
            sampled_day: 0,
            sampled: 0,
            standing: Standing::default(),
        })
    }

    /// Every event that alerts is stored with its alert; of the others a few a day.
    fn store_events_and_alerts(
        &self,
        known: &mut Known,
        decision: &Decision,
        seen_before: u64,
    ) -> rusqlite::Result<()> {
        if known.sampled_day != self.now.day() {
            known.sampled_day = self.now.day();
            known.sampled = 0;
        }
        let is_new = known.occurrences == 0;
        let mut events = self.tally.events.iter();
        let (mut in_window, mut in_all) = (seen_before, known.occurrences);
        for run in &decision.runs {
            match run.fate {
                Fate::Granted { first_ordinal } => {
                    for (ordinal, event) in (first_ordinal..).zip(events.by_ref().take(run.count as usize)) {
                        in_window += 1;
                        in_all += 1;
                        let event = self.store_event(known.id, event)?;
                        self.store_alert(known, &decision.next, ordinal, is_new, (in_window, in_all), event)?;
                    }
                }
                Fate::Suppressed(_) => {
                    for event in events.by_ref().take(run.count as usize) {
                        if known.sampled < self.batch.samples_per_day {
                            known.sampled += 1;
                            self.store_event(known.id, event)?;
                        }
                    }
                    in_window += if run.is_muted() { 0 } else { run.count };
                    in_all += run.count;
                }
            }
        }
        Ok(())
    }

    fn store_event(&self, issue: i64, event: &Packed) -> rusqlite::Result<i64> {
        let payload = serde_json::to_string(&event.event()).expect("texts and numbers always serialise");
        self.connection
            .prepare_cached("INSERT INTO events (issue, received_at, payload) VALUES (?, ?, ?)")?
            .execute(params![issue, self.now, payload])?;
        Ok(self.connection.last_insert_rowid())
    }

    fn store_alert(
        &self,
        known: &Known,
        next: &Standing,
        ordinal: u32,
        is_new: bool,
        (occurrences, occurrences_total): (u64, u64),
        event: i64,
    ) -> rusqlite::Result<()> {
        let window = next.window.as_ref().expect("what was granted was granted in a window");
        let regression = if window.regression { standing::decided_json(self.connection, known.id)? } else { None };
        let alert = NewAlert {
            issue: known.id,
            window,
            ordinal,
            occurrences,
            occurrences_total,
            last_seen: self.now,
            is_new: is_new && ordinal == 1,
            regression,
            closing: None,
            event: Some(event),
        };
        let channels = self.tally.route.channels.iter().map(|channel| &**channel);
        alert.store(self.connection, channels, self.batch.expiry, self.now)
    }

    fn count_in_minute(&self, issue: i64, decision: &Decision) -> rusqlite::Result<()> {
        const COUNT: &str = "INSERT INTO tallies (span_ms, at, issue, source, outcome, total) VALUES (?, ?, ?, ?, ?, ?) \
             ON CONFLICT DO UPDATE SET total = total + excluded.total";
        let mut count = self.connection.prepare_cached(COUNT)?;
        for run in &decision.runs {
            let outcome = match run.fate {
                Fate::Granted { .. } => "alerted",
                Fate::Suppressed(reason) => reason.name(),
            };
            count.execute(params![MINUTE_MS, self.now.minute(), issue, self.batch.source, outcome, run.count])?;
        }
        Ok(())
    }

    fn store_standing(&self, known: &Known, next: &Standing) -> rusqlite::Result<()> {
        const STORE: &str = "INSERT INTO standings (issue, occurrences, alerts, last_seen, sampled_day, sampled, state, \
                 muted_until, muted_more, window_opened_at, window_ends_at, window_budget, window_seen, window_granted, \
                 window_last_granted_at, window_regression, window_closing) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17) \
             ON CONFLICT DO UPDATE SET occurrences = ?2, alerts = ?3, last_seen = max(last_seen, ?4), sampled_day = ?5, \
                 sampled = ?6, state = ?7, muted_until = ?8, muted_more = ?9, window_opened_at = ?10, \
                 window_ends_at = ?11, window_budget = ?12, window_seen = ?13, window_granted = ?14, \
                 window_last_granted_at = ?15, window_regression = ?16, window_closing = ?17";
        let (muted_until, muted_more) = match next.state {
            State::Muted { until, more } => (until, more),
            _ => (None, None),
        };
        let window = next.window.as_ref();
        self.connection.prepare_cached(STORE)?.execute(params![
            known.id,
            known.occurrences,
            known.alerts,
            self.now,
            known.sampled_day,
            known.sampled,
            next.state.name(),
            muted_until,
            muted_more,
            window.map(|w| w.opened_at),
            window.map(|w| w.ends_at),
            window.map(|w| w.budget),
            window.map(|w| w.seen),
            window.map(|w| w.granted),
            window.and_then(|w| w.last_granted_at),
            window.map(|w| w.regression),
            window.map(|w| w.closing),
        ])?;
        Ok(())
    }
}

/// An alert about to exist.
pub(super) struct NewAlert<'a> {
    pub(super) issue: i64,
    pub(super) window: &'a Window,
    /// From 1; 0 for a closing.
    pub(super) ordinal: u32,
    pub(super) occurrences: u64,
    pub(super) occurrences_total: u64,
    pub(super) last_seen: Time,
    pub(super) is_new: bool,
    pub(super) regression: Option<String>,
    /// Busiest minute, and whether it goes on.
    pub(super) closing: Option<(u64, bool)>,
    pub(super) event: Option<i64>,
}

impl NewAlert<'_> {
    /// Stores the alert and one delivery for each channel.
    pub(super) fn store<'c>(
        &self,
        connection: &Connection,
        channels: impl Iterator<Item = &'c str>,
        expiry: Duration,
        now: Time,
    ) -> rusqlite::Result<()> {
        const STORE: &str = "INSERT INTO alerts (issue, window_opened_at, window_ends_at, ordinal, budget, granted, \
                 granted_at, occurrences, occurrences_total, last_seen, is_new, regression, peak_per_minute, ongoing, event) \
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
        const DELIVER: &str = "INSERT INTO deliveries (alert, issue, channel, state, due_at, created_at, expires_at) \
             VALUES (?1, ?2, ?3, 'pending', ?4, ?4, ?5)";
        connection.prepare_cached(STORE)?.execute(params![
            self.issue,
            self.window.opened_at,
            self.window.ends_at,
            self.ordinal,
            self.window.budget,
            if self.ordinal == 0 { self.window.granted } else { self.ordinal },
            now,
            self.occurrences,
            self.occurrences_total,
            self.last_seen,
            self.is_new,
            self.regression,
            self.closing.map(|(peak, _)| peak),
            self.closing.map(|(_, ongoing)| ongoing),
            self.event,
        ])?;
        let id = connection.last_insert_rowid();
        let mut deliver = connection.prepare_cached(DELIVER)?;
        for channel in channels {
            deliver.execute(params![id, self.issue, channel, now, now.plus(expiry)])?;
        }
        Ok(())
    }
}
