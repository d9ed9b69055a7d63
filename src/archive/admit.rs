//! Counting a batch and granting its alerts: the one transaction that every acknowledgement waits for.
//!
//! Promises: all of a batch or nothing of it. An alert, the event that earned it and its deliveries are stored
//! together.
//!
//! Invariant: *Conservation.* For every occurrence of a batch exactly one is added to the tallies, to the issue's
//! occurrences, and (unless muted) to the window's.
//!
//! In three steps: all that has to be known is read and locked; the gate decides, and what is to be written is laid out
//! ([`Plan`], which touches nothing); then each table is written at once. So a batch takes the same few statements of a
//! server whether it holds one fingerprint or a thousand.

use std::sync::Arc;
use std::time::Duration;

use super::Error;
use super::adopt::Foreign;
use super::grant::{self, NewAlert};
use super::known::{self, Fresh, Known};
use super::sql::{Sql, Tx, Value, values};
use super::standing::{self, Ended};
use crate::alert::Route;
use crate::event::Packed;
use crate::gate::{self, Decision, Fate};
use crate::issue::{Fingerprint, Rules, Standing, State, Window};
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
    /// The rules that made them.
    pub(crate) rules: Arc<Rules>,
    /// The project whose key brought them.
    pub(crate) project: Arc<str>,
    /// Policy and channels of the first of them.
    pub(crate) route: Arc<Route>,
    /// The events, in order of arrival: one an occurrence.
    pub(crate) events: Vec<Packed>,
    /// What the cache remembers of the issue.
    pub(crate) remembered: Option<Remembered>,
}

impl Tally {
    fn fresh(&self, now: Time) -> Fresh<'_> {
        Fresh {
            fingerprint: self.fingerprint,
            rules: &self.rules,
            project: &self.project,
            event: self.events.first().expect("a tally holds at least one event"),
            seen_at: now,
        }
    }
}

/// What a cache counted since it was told the archive's decision, and has not written back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Remembered {
    /// The revision that it goes by.
    pub(crate) revision: u64,
    /// Start of the window that it knows.
    pub(crate) window_opened_at: Time,
    /// Occurrences in that window, the archive's and its own.
    pub(crate) seen: u64,
    /// How many of a mute's occurrences it held back.
    pub(crate) held: u64,
    /// End of the window that it knows; `None`: it knows none.
    pub(crate) window_ends_at: Option<Time>,
    /// Its budget.
    pub(crate) budget: u32,
    /// Alerts granted in it, by the archive or while the archive was away.
    pub(crate) granted: u32,
}

/// What became of a tally.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Admitted {
    /// The gate's decision.
    pub(crate) decision: Decision,
    /// Occurrences in the window before this tally's.
    pub(crate) seen_before: u64,
    /// The standing's revision from now on.
    pub(crate) revision: u64,
}

/// See [`super::Archive::admit`].
pub(crate) async fn admit(tx: &mut Tx, batch: &Batch, now: Time) -> Result<Vec<Admitted>, Error> {
    let fresh: Vec<Fresh<'_>> = batch.tallies.iter().map(|tally| tally.fresh(now)).collect();
    let alerts = |nth: usize, known: &Known| decide(&batch.tallies[nth], known, now).decision.granted() > 0;
    let mut known = known::lock_or_make(tx, &fresh, batch.expiry, now, alerts).await?;
    batch.tallies.iter().zip(&mut known).for_each(|(tally, known)| use_up_mute(tally, known));
    let before = known.clone();
    batch.tallies.iter().zip(&mut known).for_each(|(tally, known)| honour_grants(tally, known, now));
    let admitted: Vec<Admitted> =
        batch.tallies.iter().zip(&known).map(|(tally, known)| decide(tally, known, now)).collect();

    let ended = before.iter().zip(&admitted).filter_map(|(known, admitted)| ended(known, &admitted.decision.next));
    standing::end_windows(tx, &ended.collect::<Vec<_>>(), batch.expiry, true, now).await?;
    let regressed = known.iter().zip(&admitted).filter(|(_, admitted)| tells_regression(&admitted.decision));
    let decided = standing::decided_json(tx, regressed.map(|(known, _)| known.id)).await?;

    let mut plan = Plan::default();
    for ((tally, known), admitted) in batch.tallies.iter().zip(&mut known).zip(&admitted) {
        let regression = decided.get(&known.id).map(String::as_str);
        Lay { batch, tally, admitted, regression, now }.out(known, &mut plan);
    }
    plan.store(tx, batch.expiry, now).await?;
    known::store(tx, &known).await?;
    Ok(admitted)
}

/// Takes off a mute what the cache held back.
fn use_up_mute(tally: &Tally, known: &mut Known) {
    if let Some(remembered) = tally.remembered.filter(|remembered| remembered.revision == known.revision)
        && let State::Muted { more: Some(more), .. } = &mut known.standing.state
    {
        *more = more.saturating_sub(remembered.held);
    }
}

/// What was granted while the archive was away is granted: whoever holds those alerts has not recorded them yet.
fn honour_grants(tally: &Tally, known: &mut Known, now: Time) {
    let closing = tally.route.policy.closing;
    if let Some(foreign) = tally.remembered.and_then(|remembered| Foreign::of(&remembered, closing, now)) {
        foreign.joins(&mut known.standing, known.revision);
    }
}

fn decide(tally: &Tally, known: &Known, now: Time) -> Admitted {
    let decision = gate::decide(&known.standing, tally.events.len() as u64, &tally.route.policy, now);
    let in_window: u64 = decision.runs.iter().filter(|run| run.is_in_window()).map(|run| run.count).sum();
    let window = decision.next.window.as_ref();
    // What the cache counted and has not written back yet is told as well.
    let told = |window: &Window| {
        let remembered = tally.remembered.filter(|one| one.window_opened_at == window.opened_at);
        window.seen.saturating_sub(in_window).max(remembered.map_or(0, |one| one.seen))
    };
    let seen_before = window.map_or(0, told);
    Admitted { decision, seen_before, revision: known.revision + 1 }
}

/// The window that gives way to another.
fn ended<'a>(known: &'a Known, next: &Standing) -> Option<Ended<'a>> {
    let window = known.standing.window.as_ref()?;
    let goes_on = next.window.as_ref().is_some_and(|next| next.opened_at == window.opened_at);
    (!goes_on).then_some(Ended {
        issue: known.id,
        window,
        occurrences_total: known.occurrences,
        last_seen: known.last_seen,
    })
}

fn tells_regression(decision: &Decision) -> bool {
    decision.granted() > 0 && decision.next.window.as_ref().is_some_and(|window| window.regression)
}

/// What is to be written, each table's rows together.
#[derive(Default)]
struct Plan<'a> {
    events: Vec<[Value<'static>; 3]>,
    /// Each with the place of its event among `events`.
    alerts: Vec<(usize, NewAlert<'a>)>,
    tallies: Vec<Value<'a>>,
}

const TALLY_COLUMNS: usize = 6;

impl Plan<'_> {
    async fn store(self, tx: &mut Tx, expiry: Duration, now: Time) -> Result<(), Error> {
        static TALLIES: Sql = Sql::new(
            "INSERT INTO tallies (span_ms, at, issue, source, outcome, total) VALUES (?*6) \
             ON CONFLICT (span_ms, at, issue, source, outcome) DO UPDATE SET total = tallies.total + excluded.total",
        );
        let events = grant::store_events(tx, &self.events.concat()).await?;
        let alerts = self.alerts.into_iter().map(|(nth, alert)| NewAlert { event: Some(events[nth]), ..alert });
        grant::store(tx, &alerts.collect::<Vec<_>>(), expiry, now).await?;
        tx.insert(&TALLIES, TALLY_COLUMNS, &self.tallies).await
    }
}

/// One tally, decided, on its way into the plan.
struct Lay<'a> {
    batch: &'a Batch,
    tally: &'a Tally,
    admitted: &'a Admitted,
    /// Who had resolved the issue, as JSON.
    regression: Option<&'a str>,
    now: Time,
}

impl<'a> Lay<'a> {
    /// Lays out the rows, and makes of `known` what it is afterwards.
    fn out(&self, known: &mut Known, plan: &mut Plan<'a>) {
        let decision = &self.admitted.decision;
        self.events_and_alerts(known, plan);
        for run in &decision.runs {
            let outcome = match run.fate {
                Fate::Granted { .. } => "alerted",
                Fate::Suppressed(reason) => reason.name(),
            };
            let row = values![MINUTE_MS, self.now.minute(), known.id, self.batch.source, outcome, run.count];
            plan.tallies.extend(row);
        }
        known.occurrences += self.tally.events.len() as u64;
        known.alerts += decision.granted();
        known.last_seen = known.last_seen.max(self.now);
        known.revision = self.admitted.revision;
        known.standing = decision.next.clone();
    }

    /// Every event that alerts is stored with its alert; of the others a few a day.
    fn events_and_alerts(&self, known: &mut Known, plan: &mut Plan<'a>) {
        if known.sampled_day != self.now.day() {
            known.sampled_day = self.now.day();
            known.sampled = 0;
        }
        let mut events = self.tally.events.iter();
        let (mut in_window, mut in_all) = (self.admitted.seen_before, known.occurrences);
        for run in &self.admitted.decision.runs {
            match run.fate {
                Fate::Granted { first_ordinal } => {
                    for (ordinal, event) in (first_ordinal..).zip(events.by_ref().take(run.count as usize)) {
                        in_window += 1;
                        in_all += 1;
                        let event = self.event(known.id, event, plan);
                        plan.alerts.push((event, self.alert(known, ordinal, (in_window, in_all))));
                    }
                }
                Fate::Suppressed(_) => {
                    for event in events.by_ref().take(run.count as usize) {
                        if known.sampled < self.batch.samples_per_day {
                            known.sampled += 1;
                            self.event(known.id, event, plan);
                        }
                    }
                    in_window += if run.is_in_window() { run.count } else { 0 };
                    in_all += run.count;
                }
            }
        }
    }

    /// Answers the event's place in the plan.
    fn event(&self, issue: i64, event: &Packed, plan: &mut Plan<'a>) -> usize {
        plan.events.push(grant::event_row(issue, &event.event(), self.now));
        plan.events.len() - 1
    }

    fn alert(&self, known: &Known, ordinal: u32, (occurrences, occurrences_total): (u64, u64)) -> NewAlert<'a> {
        let window = self.admitted.decision.next.window.as_ref().expect("what was granted was granted in a window");
        NewAlert {
            issue: known.id,
            window,
            ordinal,
            occurrences,
            occurrences_total,
            granted_at: self.now,
            last_seen: self.now,
            is_new: known.occurrences == 0 && ordinal == 1,
            regression: self.regression.filter(|_| window.regression),
            closing: None,
            event: None,
            channels: self.tally.route.told(ordinal).map(|one| (&*one.channel, one.due_at(self.now))).collect(),
        }
    }
}
