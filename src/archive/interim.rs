//! The outbox while the archive is away: alerts that were granted without it, in this process's memory.
//!
//! Promises: of one issue and channel the older alert is claimed first, and the next only when that one is settled, as in
//! the archive's outbox; what is being recorded is not claimed, and what is being sent is not recorded. Bounded by whoever
//! puts in ([`Interim::room`]). Deliberately not here: SQL (`adopt`), who may alert, sending. It is lost with its process.

mod claims;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{End, Fallback, Settlement};
use crate::alert::{Alert, DeliveryState, InsteadOf, Kind, Route};
use crate::event::Packed;
use crate::issue::{CauseKey, Fingerprint, Rules};
use crate::storm::{Storm, Together};
use crate::time::Time;

/// How much later than wished what could not be recorded is sent.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// An alert that was granted while the archive was away.
#[derive(Clone)]
pub(crate) struct Provisional {
    /// The issue.
    pub(crate) fingerprint: Fingerprint,
    /// The rules that made them.
    pub(crate) rules: Arc<Rules>,
    /// The project whose key brought it.
    pub(crate) project: Arc<str>,
    /// Policy and channels.
    pub(crate) route: Arc<Route>,
    /// The event that earned it.
    pub(crate) event: Packed,
    /// The newest decision of the archive that whoever granted it knew; 0: none.
    pub(crate) revision: u64,
    /// Start of its window.
    pub(crate) window_opened_at: Time,
    /// End of its window.
    pub(crate) window_ends_at: Time,
    /// The window's budget.
    pub(crate) budget: u32,
    /// Position within the budget, from 1.
    pub(crate) ordinal: u32,
    /// Occurrences in the window, this one included.
    pub(crate) occurrences: u64,
    /// When it was granted.
    pub(crate) granted_at: Time,
    /// After this moment it is too old to help.
    pub(crate) expires_at: Time,
    /// Where its deliveries stand, in the order of the route's channels.
    pub(crate) ways: Vec<Way>,
}

/// Where one delivery of a provisional alert stands.
#[derive(Clone, Debug)]
pub(crate) struct Way {
    /// The channel.
    pub(crate) channel: Arc<str>,
    /// Waiting, taken or given up.
    pub(crate) state: DeliveryState,
    /// How often it was tried.
    pub(crate) attempts: u32,
    /// How often nobody knew afterwards whether it had arrived.
    pub(crate) unanswered: u32,
    /// Not to be tried before.
    pub(crate) due_at: Time,
    /// When it was taken or given up.
    pub(crate) settled_at: Option<Time>,
    /// What went wrong last.
    pub(crate) error: Option<String>,
    /// The channel that failed, when this one is asked in its place.
    pub(crate) instead_of: Option<InsteadOf>,
    /// Whether it is just being sent.
    pub(super) sending: bool,
}

impl Way {
    /// A delivery that nobody has tried.
    pub(crate) fn new(channel: Arc<str>, due_at: Time) -> Way {
        let state = DeliveryState::Pending;
        Way {
            channel,
            state,
            attempts: 0,
            unanswered: 0,
            due_at,
            settled_at: None,
            error: None,
            instead_of: None,
            sending: false,
        }
    }
}

impl Provisional {
    /// Whether it is just being sent on one of its ways: then only its window can be recorded.
    pub(crate) fn is_being_sent(&self) -> bool {
        self.ways.iter().any(|way| way.sending)
    }

    /// Negative, so that it is no number of the archive's, and the same for every attempt. Pods that grant the same ordinal
    /// without a cache, in windows that opened in the same millisecond, say the same: then a receiver that goes by the
    /// idempotency key takes one of them.
    fn id(&self, channel: Option<&str>) -> i64 {
        let mut hasher = DefaultHasher::new();
        (self.fingerprint, self.window_opened_at, self.ordinal, channel).hash(&mut hasher);
        -((hasher.finish() >> 1) as i64).max(1)
    }

    fn alert(&self) -> Alert {
        let event = self.event.event().into_owned();
        let normalized = (self.rules.normalize)(&event).into_owned();
        Alert {
            id: self.id(None),
            kind: Kind::of_alert(&self.project, &event.attributes.location),
            fingerprint: self.fingerprint,
            cause: (self.rules.cause)(&event, &normalized),
            project: self.project.to_string(),
            window_opened_at: self.window_opened_at,
            window_ends_at: self.window_ends_at,
            ordinal: self.ordinal,
            budget: self.budget,
            granted_at: self.granted_at,
            occurrences: self.occurrences,
            occurrences_total: self.occurrences,
            first_seen: self.window_opened_at.min(self.granted_at),
            last_seen: self.granted_at,
            new: self.revision == 0 && self.ordinal == 1,
            regression: None,
            attributes: event.attributes.clone(),
            normalized,
            event: Some(event),
            servers: Vec::new(),
        }
    }
}

/// The alerts that wait to be recorded. Shared by those who grant, send and record.
#[derive(Default)]
pub(crate) struct Interim {
    state: Mutex<State>,
    away: AtomicBool,
}

#[derive(Default)]
struct State {
    next: u64,
    held: BTreeMap<u64, Held>,
    lines: HashMap<Arc<str>, Lines>,
    /// Deliveries that were claimed, by their number: what each tells, what leads first.
    claimed: HashMap<i64, Vec<u64>>,
    /// What each channel was told lately of things that may be told together.
    storms: HashMap<Arc<str>, HashMap<Together, Storm>>,
}

struct Held {
    alert: Provisional,
    cause: CauseKey,
    /// Whether it is just being recorded, or may have been.
    recording: bool,
}

impl Held {
    fn goes_to(&self, channel: &str) -> bool {
        self.alert.ways.iter().any(|way| *way.channel == *channel)
    }
}

/// What waits for one channel.
#[derive(Default)]
struct Lines {
    /// Of each issue, what is not settled, in order.
    of: HashMap<Fingerprint, VecDeque<u64>>,
    /// The first of each line that is not being sent.
    due: BTreeSet<(Time, Fingerprint)>,
}

impl Interim {
    /// Whether the archive is left alone at the moment.
    pub(crate) fn is_away(&self) -> bool {
        self.away.load(Ordering::Relaxed)
    }

    /// The archive is left alone, or asked again.
    pub(crate) fn set_away(&self, away: bool) {
        self.away.store(away, Ordering::Relaxed);
    }

    /// How many alerts it holds.
    pub(crate) fn len(&self) -> usize {
        self.state().held.len()
    }

    /// How many more it may hold when that many are allowed.
    pub(crate) fn room(&self, most: usize) -> usize {
        most.saturating_sub(self.len())
    }

    /// Takes alerts in, those of an issue in their order.
    pub(crate) fn put(&self, alerts: Vec<Provisional>) {
        let mut state = self.state();
        for alert in alerts {
            let nth = state.next;
            state.next += 1;
            for way in &alert.ways {
                let lines = state.lines.entry(Arc::clone(&way.channel)).or_default();
                let line = lines.of.entry(alert.fingerprint).or_default();
                if line.is_empty() {
                    lines.due.insert((way.due_at, alert.fingerprint));
                }
                line.push_back(nth);
            }
            let event = alert.event.event();
            let cause = (alert.rules.cause)(&event, &(alert.rules.normalize)(&event));
            state.held.insert(nth, Held { alert, cause, recording: false });
        }
    }

    /// Settles what was claimed, with what the same message told.
    pub(crate) fn settle(&self, channel: &Arc<str>, settlement: Settlement, now: Time) {
        let mut state = self.state();
        let told = state.claimed.remove(&settlement.id).unwrap_or_default();
        for (place, nth) in told.into_iter().enumerate() {
            let mut settlement = settlement.clone();
            if place > 0 && matches!(settlement.end, End::Held { .. }) {
                // Each of what it would have told waits, or not, for itself.
                settlement.end = End::Back { due_at: now };
            }
            state.settle(nth, channel, settlement, now);
        }
    }
    /// Lets what waits too long for a channel that fails go to its fallback as well, as the archive does. Answers how many
    /// deliveries did.
    pub(crate) fn divert_overdue(&self, channel: &str, fallback: &Fallback, now: Time) -> usize {
        let mut state = self.state();
        let way = |nth: &u64| state.held[nth].alert.ways.iter().find(|way| *way.channel == *channel);
        let was_tried = |nth: &u64| way(nth).is_some_and(|way| way.attempts > 0);
        let is_overdue = |nth: &u64, first: &u64| {
            let Held { alert, recording, .. } = &state.held[nth];
            // Else it waits on purpose.
            let should_go = way(nth).is_some_and(|way| way.due_at <= now) || was_tried(first);
            !recording && should_go && now >= alert.granted_at.plus(fallback.after)
        };
        let lines = state.lines.get(channel).into_iter().flat_map(|lines| lines.of.values());
        let overdue = lines.flat_map(|line| line.iter().filter(|nth| is_overdue(nth, &line[0])));
        let mut overdue: Vec<u64> = overdue.copied().collect();
        overdue.sort_unstable();
        overdue.into_iter().filter(|nth| state.divert(*nth, channel, Arc::clone(&fallback.to), now)).count()
    }

    /// Where the first delivery of an issue's first alert stands, when that alert is held here.
    pub(crate) fn way_of(&self, fingerprint: Fingerprint) -> Option<Way> {
        let state = self.state();
        let held = state.held.values().find(|held| held.alert.fingerprint == fingerprint)?;
        held.alert.ways.first().cloned()
    }

    /// The earliest moment after `now` at which something on the channel may be claimed. What is due and was not claimed is
    /// being recorded: it is looked at again a little later.
    pub(crate) fn next_due(&self, channel: &str, now: Time) -> Option<Time> {
        let state = self.state();
        let due_at = state.lines.get(channel)?.due.first()?.0;
        Some(if due_at > now { due_at } else { now.plus(LOOK_AGAIN) })
    }

    /// Takes at most `limit` alerts to be recorded, the oldest first: those of which nothing is being sent are not sent
    /// any more until [`Interim::recorded`] or [`Interim::not_recorded`].
    pub(crate) fn to_record(&self, limit: usize) -> Vec<(u64, Provisional)> {
        let mut state = self.state();
        let take = |(nth, held): (&u64, &mut Held)| {
            held.recording = !held.alert.is_being_sent();
            (*nth, held.alert.clone())
        };
        state.held.iter_mut().take(limit).map(take).collect()
    }

    /// The archive has these; those that are being sent stay for the next time.
    pub(crate) fn recorded(&self, numbers: &[u64]) {
        let mut state = self.state();
        let State { held, lines, .. } = &mut *state;
        for nth in numbers {
            let Some(gone) = held.get(nth).filter(|held| held.recording).map(|held| held.alert.clone()) else {
                continue;
            };
            held.remove(nth);
            for way in gone.ways.iter().filter(|way| way.state == DeliveryState::Pending) {
                if let Some(lines) = lines.get_mut(&way.channel) {
                    lines.due.remove(&(way.due_at, gone.fingerprint));
                    lines.leave(gone.fingerprint, *nth);
                    lines.call(gone.fingerprint, &way.channel, held);
                }
            }
        }
    }

    /// The archive has none of these: they are sent from here again.
    pub(crate) fn not_recorded(&self, numbers: &[u64]) {
        let mut state = self.state();
        for nth in numbers {
            if let Some(held) = state.held.get_mut(nth) {
                held.recording = false;
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn settle(&mut self, nth: u64, channel: &Arc<str>, settlement: Settlement, now: Time) {
        let State { held, lines, .. } = self;
        let (Some(held_one), Some(own)) = (held.get_mut(&nth), lines.get_mut(channel)) else { return };
        let fingerprint = held_one.alert.fingerprint;
        let Some(way) = held_one.alert.ways.iter_mut().find(|way| way.channel == *channel) else { return };
        way.sending = false;
        way.unanswered += u32::from(settlement.unanswered);
        let mut settle = |state, error: Option<String>| {
            way.state = state;
            way.settled_at = Some(now);
            way.error = error;
        };
        match settlement.end {
            End::Delivered { .. } => settle(DeliveryState::Delivered, None),
            End::Dead { error } => settle(DeliveryState::Dead, Some(error)),
            End::Expired => {
                settle(DeliveryState::Dead, Some("too old to help: it expired before it could be sent".into()))
            }
            End::Again { due_at, error, .. } => {
                way.due_at = due_at;
                way.error = Some(error);
            }
            End::Held { due_at, expires_at } => {
                way.due_at = due_at;
                way.attempts = way.attempts.saturating_sub(1);
                held_one.alert.expires_at = expires_at;
            }
            End::Back { due_at } => {
                way.due_at = due_at;
                way.attempts = way.attempts.saturating_sub(1);
            }
        }
        let settled = way.state != DeliveryState::Pending;
        if settled {
            own.leave(fingerprint, nth);
        }
        own.call(fingerprint, channel, held);
        if let Some(to) = settlement.divert_to {
            self.divert(nth, channel, to, now);
        }
    }

    /// Gives an alert another way in place of one that fails, unless it is too late or the alert has that way already.
    fn divert(&mut self, nth: u64, from: &str, to: Arc<str>, now: Time) -> bool {
        let State { held, lines, .. } = self;
        let Some(Held { alert, recording: false, .. }) = held.get_mut(&nth) else { return false };
        let failed = alert.ways.iter().find(|way| *way.channel == *from);
        let is_there = alert.ways.iter().any(|way| way.channel == to);
        let Some(failed) = failed.filter(|_| !is_there && now < alert.expires_at) else { return false };
        let error = failed.error.clone().unwrap_or_default();
        let instead_of = InsteadOf { channel: from.to_owned(), since: alert.granted_at, error };
        alert.ways.push(Way { instead_of: Some(instead_of), ..Way::new(Arc::clone(&to), now) });
        let fingerprint = alert.fingerprint;
        let other = lines.entry(Arc::clone(&to)).or_default();
        other.of.entry(fingerprint).or_default().push_back(nth);
        other.call(fingerprint, &to, held);
        true
    }
}

impl Lines {
    /// One has left its line.
    fn leave(&mut self, fingerprint: Fingerprint, nth: u64) {
        if let Some(line) = self.of.get_mut(&fingerprint) {
            line.retain(|one| *one != nth);
            if line.is_empty() {
                self.of.remove(&fingerprint);
            }
        }
    }

    /// Whoever is the first of a line now is due, unless it is being sent.
    fn call(&mut self, fingerprint: Fingerprint, channel: &str, held: &BTreeMap<u64, Held>) {
        let first = self.of.get(&fingerprint).and_then(|line| held.get(line.front()?));
        let way = first.and_then(|first| first.alert.ways.iter().find(|way| *way.channel == *channel));
        if let Some(way) = way.filter(|way| !way.sending) {
            self.due.insert((way.due_at, fingerprint));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Claim;
    use super::*;
    use crate::alert::Delivery;
    use crate::event::Event;
    use crate::issue::Policy;
    use crate::storm::Folding;

    fn alert(issue: u128, ordinal: u32) -> Provisional {
        let policy = Policy {
            budget: 5,
            window: Duration::from_secs(60),
            spacing: Vec::new(),
            closing: true,
            maintenance_until: None,
        };
        let channels: Vec<Arc<str>> = vec!["ops".into()];
        Provisional {
            fingerprint: Fingerprint(issue),
            rules: Rules::none(),
            project: "shop".into(),
            ways: channels.iter().map(|channel| Way::new(Arc::clone(channel), Time(0))).collect(),
            route: Arc::new(Route::to(Arc::new(policy), channels)),
            event: Packed::of(&Event::default()),
            revision: 0,
            window_opened_at: Time(0),
            window_ends_at: Time(60_000),
            budget: 5,
            ordinal,
            occurrences: u64::from(ordinal),
            granted_at: Time(0),
            expires_at: Time(90_000),
        }
    }

    fn claim(interim: &Interim, now: i64) -> Vec<Delivery> {
        let claim = Claim { channel: "ops".into(), limit: 9, lease: Duration::from_secs(30), folding: Folding::NONE };
        interim.claim(&claim, Time(now))
    }

    fn settle(interim: &Interim, delivery: &Delivery, end: End) {
        interim.settle(
            &delivery.channel,
            Settlement { id: delivery.id, fence: delivery.fence, unanswered: false, end, divert_to: None },
            Time(9),
        );
    }

    fn ordinals(claimed: &[Delivery]) -> Vec<(u128, u32)> {
        claimed.iter().map(|one| (one.alert.fingerprint.0, one.alert.ordinal)).collect()
    }

    #[test]
    fn one_of_an_issue_goes_after_the_other() {
        let interim = Interim::default();
        interim.put(vec![alert(1, 1), alert(1, 2), alert(2, 1)]);
        let first = claim(&interim, 0);
        assert_eq!(ordinals(&first), [(1, 1), (2, 1)]);
        assert_eq!(claim(&interim, 0).len(), 0);
        settle(&interim, &first[0], End::Again { due_at: Time(50), asked: false, error: "503".into() });
        assert_eq!((claim(&interim, 49).len(), interim.next_due("ops", Time(0))), (0, Some(Time(50))));
        let again = claim(&interim, 50);
        assert_eq!((ordinals(&again), again[0].attempt, again[0].id), (vec![(1, 1)], 2, first[0].id));
        settle(&interim, &again[0], End::Delivered { handle: None });
        assert_eq!(ordinals(&claim(&interim, 50)), [(1, 2)]);
    }

    #[test]
    fn what_one_cause_breaks_is_told_in_one_message_and_fails_together() {
        let folding =
            Folding { span: Duration::from_secs(60), wait: Duration::from_secs(15), above: 3, digest_above: 0 };
        let interim = Interim::default();
        let claim = |now| {
            let claim = Claim { channel: "ops".into(), limit: 9, lease: Duration::from_secs(30), folding };
            interim.claim(&claim, Time(now))
        };
        interim.put((1..=10).map(|issue| alert(issue, 1)).collect());
        assert_eq!(claim(0).iter().map(|one| one.folded.len()).collect::<Vec<_>>(), [0, 0, 0]);
        assert_eq!((claim(1).len(), interim.next_due("ops", Time(1))), (0, Some(Time(15_000))));
        let storm = claim(15_000);
        assert_eq!((storm.len(), storm[0].folded.len()), (1, 6));
        assert_eq!(storm[0].spread.as_ref().map(|spread| (spread.modules, spread.errors)), Some((1, 10)));
        settle(&interim, &storm[0], End::Again { due_at: Time(80_000), asked: false, error: "503".into() });
        assert_eq!(claim(79_999).len(), 0);
        let again = claim(80_000);
        assert_eq!((again.len(), again[0].folded.len()), (1, 6));
        settle(&interim, &again[0], End::Delivered { handle: None });
        assert_eq!((claim(200_000).len(), interim.next_due("ops", Time(200_000))), (0, None));
    }

    #[test]
    fn what_is_recorded_is_not_sent_and_what_is_sent_is_not_recorded() {
        let interim = Interim::default();
        interim.put(vec![alert(1, 1), alert(1, 2), alert(2, 1)]);
        let sending = claim(&interim, 0);
        settle(&interim, &sending[1], End::Delivered { handle: None });
        let taken = interim.to_record(10);
        assert_eq!(taken.iter().map(|(_, one)| one.is_being_sent()).collect::<Vec<_>>(), [true, false, false]);
        let numbers: Vec<u64> = taken.iter().map(|(nth, _)| *nth).collect();
        settle(&interim, &sending[0], End::Delivered { handle: None });
        assert_eq!(claim(&interim, 0).len(), 0, "the next of its line is being recorded");
        interim.not_recorded(&numbers);
        let next = claim(&interim, 0);
        assert_eq!(ordinals(&next), [(1, 2)]);
        settle(&interim, &next[0], End::Back { due_at: Time(0) });
        let numbers: Vec<u64> = interim.to_record(10).iter().map(|(nth, _)| *nth).collect();
        interim.recorded(&numbers);
        assert_eq!((interim.len(), claim(&interim, 0).len()), (0, 0));
    }

    #[test]
    fn what_fails_goes_another_way_as_well_and_each_once() {
        let interim = Interim::default();
        interim.put(vec![alert(1, 1), alert(1, 2), alert(2, 1)]);
        let first = claim(&interim, 0);
        let to: Arc<str> = "mail".into();
        let error = || "answered 404".to_owned();
        let dead = Settlement {
            id: first[0].id,
            fence: first[0].fence,
            unanswered: true,
            end: End::Dead { error: error() },
            divert_to: Some(Arc::clone(&to)),
        };
        interim.settle(&first[0].channel, dead, Time(9));
        let fallback = Fallback { to: Arc::clone(&to), after: Duration::from_secs(1) };
        assert_eq!([999, 1_000, 2_000].map(|now| interim.divert_overdue("ops", &fallback, Time(now))), [0, 2, 0]);
        let mail =
            || Claim { channel: Arc::clone(&to), limit: 9, lease: Duration::from_secs(30), folding: Folding::NONE };
        let stands_in = interim.claim(&mail(), Time(1_000));
        assert_eq!(ordinals(&stands_in), [(1, 1), (2, 1)]);
        let said: Vec<_> = stands_in.iter().map(|one| one.instead_of.clone().unwrap().error).collect();
        assert_eq!(said, [error(), String::new()]);
        settle(&interim, &stands_in[0], End::Delivered { handle: None });
        assert_eq!(ordinals(&interim.claim(&mail(), Time(1_000))), [(1, 2)]);
        let (_, first) = interim.to_record(1).remove(0);
        let ways: Vec<_> =
            first.ways.iter().map(|way| (&*way.channel, way.unanswered, way.instead_of.is_some())).collect();
        assert_eq!(ways, [("ops", 1, false), ("mail", 0, true)]);
    }
}
