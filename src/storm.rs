//! What a channel is told in one message: the brakes above the budget of each error.
//!
//! One dead dependency makes hundreds of errors, each with alerts of its own. Those of one cause that come within a short
//! span are folded into one message, which is told again, at growing gaps, as long as it grows; and what has piled up on a
//! channel is told in a digest. Promises: pure; every alert that is due is sent, folded into one that is, or put off to a
//! named moment; alerts of one issue are never told out of order, and those of a single issue are never folded by a storm:
//! that is the ladder its budget allows. Deliberately not here: storing (`archive/outbox.rs`), words (`deliver/message`).

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use crate::config::{self, ChannelKind, Config};
use crate::issue::CauseKey;
use crate::time::Time;

/// Alerts told in one message, at most. What is over it is told in the next.
const BUNDLE_MAX: usize = 500;
/// A storm is told again when it has lasted this many times as long as when it was told last…
const GROWTH: u32 = 4;
/// …or after this long.
const STORM_GAP_MAX: Duration = Duration::from_secs(300);
/// A digest holds errors that nobody has heard of, so the next one comes sooner.
const DIGEST_GAP_MAX: Duration = Duration::from_secs(60);

/// When alerts are folded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Folding {
    /// Alerts of one cause belong together when no more than this lies between them. Zero: never.
    pub(crate) span: Duration,
    /// How long alerts of a storm are gathered before it is told.
    pub(crate) wait: Duration,
    /// Messages of one cause that go singly before the others are folded.
    pub(crate) above: u32,
    /// Messages that may be due on a channel before a digest replaces them. Zero: any number.
    pub(crate) digest_above: usize,
}

impl Folding {
    /// Every alert is told by itself.
    pub(crate) const NONE: Folding = Folding { span: Duration::ZERO, wait: Duration::ZERO, above: 0, digest_above: 0 };

    /// The channel's.
    pub(crate) fn of(config: &Config, channel: &str) -> Folding {
        let channel = config.channel.iter().find(|one| one.name == channel);
        // PagerDuty opens and closes an incident for each issue, and folds incidents by rules of its own.
        let usual = channel.is_none_or(|channel| channel.kind != ChannelKind::PagerDuty);
        if !channel.and_then(|channel| channel.fold).unwrap_or(usual) {
            return Folding::NONE;
        }
        let config::Storm { span, wait, above } = config.storm;
        Folding { span: span.get(), wait: wait.get(), above, digest_above: config.deliver.digest_above }
    }
}

/// Alerts that may be told together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Together {
    /// Of one cause.
    Alerts(CauseKey),
    /// The ends of windows, of one cause.
    Closings(CauseKey),
    /// Whatever has piled up.
    Digest,
}

/// What a channel was told lately of things that may be told together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Storm {
    /// When the first of it was told.
    pub(crate) opened_at: Time,
    /// It is over then, unless more comes.
    pub(crate) ends_at: Time,
    /// Messages that told of it.
    pub(crate) messages: u32,
    /// Folded, it is not told again before.
    pub(crate) next_at: Time,
    /// The only issue so far; `None`: there are several.
    pub(crate) only: Option<i64>,
}

/// A delivery that is due.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Due {
    pub(crate) id: i64,
    pub(crate) issue: i64,
    /// What it may be told together with; `None`: nothing.
    pub(crate) together: Option<Together>,
    /// How many of its issue on this channel come before it and are not settled.
    pub(crate) before: usize,
    /// Whether others are folded into it already, by an attempt that failed.
    pub(crate) leads: bool,
}

/// What becomes of deliveries that are due.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    /// To be sent now, a message each: the first tells, the others are folded into it.
    pub(crate) send: Vec<Vec<i64>>,
    /// Not due before that moment.
    pub(crate) later: Vec<(i64, Time)>,
    /// What is known of storms from now on.
    pub(crate) storms: HashMap<Together, Storm>,
}

/// Plans at most `limit` messages. `due` is in the order in which it should go; `storms` are those that were told lately.
pub(crate) fn plan(due: &[Due], storms: &HashMap<Together, Storm>, folding: &Folding, limit: usize, now: Time) -> Plan {
    let due = in_line(due);
    let alive = |key: &Together| storms.get(key).copied().filter(|storm| now < storm.ends_at);
    let mut messages: Vec<Message> = Vec::new();
    let mut held: Vec<(Together, &Due)> = Vec::new();
    for (key, group) in groups(&due, folding) {
        match key {
            None => messages.extend(singly(&group).map(|one| Message { of: vec![one], key: None })),
            Some(key) => tell(key, alive(&key), &group, folding, now, &mut messages, &mut held),
        }
    }
    digest(alive(&Together::Digest), &due, folding, now, &mut messages, &mut held);

    let mut plan = Plan::default();
    let mut known = |key: Together, folded: bool, of: &[&Due]| {
        let storm =
            plan.storms.entry(key).or_insert_with(|| alive(&key).unwrap_or(Storm::opening(of[0], folding, now)));
        storm.tell(key, folded, of, folding, now);
    };
    for message in messages.iter().take(limit) {
        if let Some(key) = message.key {
            known(key, message.of.len() > 1, &message.of);
        }
    }
    plan.send = messages.into_iter().take(limit).map(|message| leader_first(&message.of)).collect();
    for (key, one) in held {
        let storm = plan.storms.entry(key).or_insert_with(|| alive(&key).unwrap_or(Storm::opening(one, folding, now)));
        storm.goes_on(one, folding, now);
        plan.later.push((one.id, storm.next_at));
    }
    plan
}

/// A message about to be.
struct Message<'a> {
    of: Vec<&'a Due>,
    /// What it is counted under.
    key: Option<Together>,
}

/// Without what has to wait for something that is not at hand (being sent, or put off), or goes in a message of its own.
fn in_line(due: &[Due]) -> Vec<&Due> {
    let mut ids: HashMap<i64, Vec<i64>> = HashMap::new();
    due.iter().filter(|one| !one.leads).for_each(|one| ids.entry(one.issue).or_default().push(one.id));
    let is_next = |one: &&Due| one.leads || ids[&one.issue].iter().filter(|id| **id < one.id).count() == one.before;
    due.iter().filter(is_next).collect()
}

/// What may be told together, in the order of its first.
fn groups<'a>(due: &[&'a Due], folding: &Folding) -> Vec<(Option<Together>, Vec<&'a Due>)> {
    let mut groups: Vec<(Option<Together>, Vec<&Due>)> = Vec::new();
    let mut nth: HashMap<Together, usize> = HashMap::new();
    for one in due {
        let key = one.together.filter(|_| !one.leads && !folding.span.is_zero());
        match key.and_then(|key| nth.get(&key)) {
            Some(at) => groups[*at].1.push(one),
            None => {
                nth.extend(key.map(|key| (key, groups.len())));
                groups.push((key, vec![one]));
            }
        }
    }
    groups
}

/// The first of each issue.
fn singly<'a>(group: &[&'a Due]) -> impl Iterator<Item = &'a Due> {
    group.iter().copied().filter(|one| one.before == 0)
}

/// Tells of one cause: singly at first, then folded.
fn tell<'a>(
    key: Together,
    storm: Option<Storm>,
    group: &[&'a Due],
    folding: &Folding,
    now: Time,
    messages: &mut Vec<Message<'a>>,
    held: &mut Vec<(Together, &'a Due)>,
) {
    let first = storm.map_or(Some(group[0].issue), |storm| storm.only);
    let several = group.iter().any(|one| Some(one.issue) != first);
    let told = storm.map_or(0, |storm| storm.messages);
    let alone = if several { folding.above.saturating_sub(told) as usize } else { usize::MAX };
    let singles: Vec<&Due> = singly(group).take(alone).collect();
    messages.extend(singles.iter().map(|one| Message { of: vec![*one], key: Some(key) }));
    if !several {
        return;
    }
    let mut rest: Vec<&Due> =
        group.iter().copied().filter(|one| singles.iter().all(|single| single.issue != one.issue)).collect();
    let next_at = storm.map_or(now.plus(folding.wait), |storm| storm.next_at);
    if now < next_at {
        held.extend(rest.into_iter().map(|one| (key, one)));
    } else if !rest.is_empty() {
        rest.truncate(BUNDLE_MAX);
        messages.push(Message { of: rest, key: Some(key) });
    }
}

/// Replaces what has piled up by one message. What nothing may be told with, and what was folded already, goes as it is.
fn digest<'a>(
    storm: Option<Storm>,
    due: &[&'a Due],
    folding: &Folding,
    now: Time,
    messages: &mut Vec<Message<'a>>,
    held: &mut Vec<(Together, &'a Due)>,
) {
    let foldable = |message: &Message<'_>| message.of.iter().all(|one| one.together.is_some() && !one.leads);
    let waiting = messages.iter().filter(|message| foldable(message)).count();
    if folding.digest_above == 0 || storm.is_none() && waiting <= folding.digest_above || waiting == 0 {
        return;
    }
    let at = messages.iter().position(foldable).unwrap_or_default();
    messages.retain(|message| !foldable(message));
    let is_time = storm.is_none_or(|storm| now >= storm.next_at);
    if is_time {
        // What goes into the digest need not be held for a message of its cause.
        held.clear();
    }
    let put_off: HashSet<i64> = held.iter().map(|(_, one)| one.id).collect();
    let free = |one: &&Due| one.together.is_some() && !one.leads && !put_off.contains(&one.id);
    let mut of: Vec<&Due> = due.iter().copied().filter(free).collect();
    if !is_time {
        held.extend(of.into_iter().map(|one| (Together::Digest, one)));
    } else {
        of.truncate(BUNDLE_MAX);
        messages.insert(at.min(messages.len()), Message { of, key: Some(Together::Digest) });
    }
}

/// The first of a message tells. Of a single issue that is the newest, which says how often it was seen by now.
fn leader_first(of: &[&Due]) -> Vec<i64> {
    let mut ids: Vec<i64> = of.iter().map(|one| one.id).collect();
    if of.iter().all(|one| one.issue == of[0].issue) {
        ids.sort_unstable_by(|one, other| other.cmp(one));
    }
    ids
}

impl Storm {
    fn opening(first: &Due, folding: &Folding, now: Time) -> Storm {
        let Folding { span, wait, .. } = *folding;
        Storm {
            opened_at: now,
            ends_at: now.plus(span.max(wait)),
            messages: 0,
            next_at: now.plus(wait),
            only: Some(first.issue),
        }
    }

    fn tell(&mut self, key: Together, folded: bool, of: &[&Due], folding: &Folding, now: Time) {
        self.messages = self.messages.saturating_add(1);
        if folded {
            let longest = if key == Together::Digest { DIGEST_GAP_MAX } else { STORM_GAP_MAX };
            let gap = (now.since(self.opened_at) * (GROWTH - 1)).clamp(folding.wait.min(longest), longest);
            self.next_at = now.plus(gap);
        }
        of.iter().for_each(|one| self.goes_on(one, folding, now));
    }

    /// Until nothing was told or put off for the span.
    fn goes_on(&mut self, one: &Due, folding: &Folding, now: Time) {
        self.only = self.only.filter(|only| *only == one.issue);
        self.ends_at = now.max(self.next_at).plus(folding.span.max(folding.wait));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const T0: Time = Time(1_000_000);
    const FOLDING: Folding =
        Folding { span: Duration::from_secs(60), wait: Duration::from_secs(15), above: 3, digest_above: 20 };

    /// A channel with its outbox: what is due, and what is known of storms.
    #[derive(Default)]
    struct Outbox {
        due: Vec<(Due, Time)>,
        storms: HashMap<Together, Storm>,
        next: i64,
    }

    impl Outbox {
        fn alert(&mut self, issue: i64, cause: u128, at: Time) {
            self.next += 1;
            let together = Some(Together::Alerts(CauseKey(cause)));
            self.due.push((Due { id: self.next, issue, together, before: 0, leads: false }, at));
        }

        /// What is sent at that moment, and taken by the far side at once: the issues of each message.
        fn send(&mut self, limit: usize, now: Time) -> Vec<Vec<i64>> {
            let waiting: Vec<(i64, i64)> = self.due.iter().map(|(one, _)| (one.issue, one.id)).collect();
            let due: Vec<Due> = self.due.iter().filter(|(_, at)| *at <= now).map(|(one, _)| *one).collect();
            let before = |one: &Due| waiting.iter().filter(|(issue, id)| *issue == one.issue && *id < one.id).count();
            let due: Vec<Due> = due.into_iter().map(|one| Due { before: before(&one), ..one }).collect();
            let plan = plan(&due, &self.storms, &FOLDING, limit, now);
            self.storms.extend(plan.storms);
            let mut sent = Vec::new();
            for message in plan.send {
                let issue = |id: &i64| self.due.iter().find(|(one, _)| one.id == *id).unwrap().0.issue;
                sent.push(message.iter().map(issue).collect());
                self.due.retain(|(one, _)| !message.contains(&one.id));
            }
            for (id, later) in plan.later {
                self.due.iter_mut().find(|(one, _)| one.id == id).unwrap().1 = later;
            }
            sent
        }
    }

    fn after(secs: i64) -> Time {
        Time(T0.ms() + secs * 1_000)
    }

    #[test]
    fn the_alerts_of_one_error_are_never_folded() {
        let mut outbox = Outbox::default();
        (0..5).for_each(|_| outbox.alert(1, 7, T0));
        let sent: Vec<_> = (0..6).map(|_| outbox.send(9, T0)).collect();
        assert_eq!(sent, [vec![vec![1]], vec![vec![1]], vec![vec![1]], vec![vec![1]], vec![vec![1]], vec![]]);
    }

    #[test]
    fn a_storm_is_told_at_growing_gaps() {
        let mut outbox = Outbox::default();
        let mut told = Vec::new();
        for second in 0..700 {
            if second < 300 {
                (0..2).for_each(|nth| outbox.alert(2 * second + nth, 7, after(second)));
            }
            told.extend(outbox.send(9, after(second)).into_iter().map(|message| (second, message.len())));
        }
        assert_eq!(told, [(0, 1), (0, 1), (1, 1), (15, 29), (60, 90), (240, 360), (540, 118)]);
    }

    #[test]
    fn causes_are_told_apart_and_a_storm_that_is_over_begins_anew() {
        let mut outbox = Outbox::default();
        (0..3).for_each(|issue| outbox.alert(issue, 1, T0));
        (10..14).for_each(|issue| outbox.alert(issue, 2, T0));
        assert_eq!(outbox.send(9, T0), [[0], [1], [2], [10], [11], [12]]);
        assert_eq!(outbox.send(9, after(15)), [[13]], "one alone is told as what it is");
        outbox.alert(20, 1, after(100));
        assert_eq!(outbox.send(9, after(100)), [[20]]);
    }

    #[test]
    fn what_has_piled_up_is_told_in_a_digest() {
        let mut outbox = Outbox::default();
        (0..21).for_each(|issue| outbox.alert(issue, 100 + issue as u128, T0));
        (0..2).for_each(|_| outbox.alert(3, 103, T0));
        assert_eq!(outbox.send(9, T0).iter().map(Vec::len).collect::<Vec<_>>(), [23]);
        outbox.alert(50, 200, after(1));
        assert_eq!(outbox.send(9, after(1)), [[0; 0]; 0], "what comes right after it is gathered");
        assert_eq!(outbox.send(9, after(15)).iter().map(Vec::len).sum::<usize>(), 1);
        outbox.alert(51, 201, after(200));
        assert_eq!(outbox.send(9, after(200)), [[51]]);
    }

    #[test]
    fn what_one_cause_piles_up_goes_into_the_digest_when_that_may_be_told() {
        let mut outbox = Outbox::default();
        (0..21).for_each(|issue| outbox.alert(issue, 100 + issue as u128, T0));
        assert_eq!(outbox.send(9, T0).len(), 1);
        (100..200).for_each(|issue| outbox.alert(issue, 7, after(20)));
        assert_eq!(outbox.send(9, after(20)).iter().map(Vec::len).collect::<Vec<_>>(), [100]);
    }

    #[test]
    fn two_messages_that_failed_wait_for_nothing_of_each_other() {
        let one = |id, issue, before, leads| Due { id, issue, together: None, before, leads };
        // Each leads; behind each waits what the other tells, which is not at hand.
        let plan = plan(&[one(10, 1, 0, true), one(12, 2, 0, true)], &HashMap::new(), &FOLDING, 9, T0);
        assert_eq!(plan.send, [[10], [12]]);
    }

    #[test]
    fn what_waits_for_something_being_sent_is_neither_sent_nor_folded() {
        let one =
            |id, issue, before| Due { id, issue, together: Some(Together::Alerts(CauseKey(1))), before, leads: false };
        let plan = plan(&[one(5, 1, 1), one(6, 2, 0)], &HashMap::new(), &FOLDING, 9, T0);
        assert_eq!((plan.send, plan.later), (vec![vec![6]], vec![]));
    }

    #[test]
    fn what_leads_already_goes_as_it_is() {
        let together = Some(Together::Alerts(CauseKey(1)));
        let leads = Due { id: 1, issue: 1, together, before: 0, leads: true };
        let others = (2..40).map(|id| Due { id, issue: id, together, before: 0, leads: false });
        let due: Vec<Due> = [leads].into_iter().chain(others).collect();
        let plan = plan(&due, &HashMap::new(), &FOLDING, 99, T0);
        assert_eq!(plan.send[0], [1]);
    }

    proptest! {
        /// Everything is sent once, those of an issue in their order, and calm ends it.
        #[test]
        fn all_is_told_once_and_in_order(
            arrivals in prop::collection::vec((0..30_i64, 0..12_i64), 0..120),
            limit in 1..12_usize,
        ) {
            let mut outbox = Outbox::default();
            let mut sent: Vec<Vec<i64>> = Vec::new();
            for second in 0..1_200 {
                for (_, issue) in arrivals.iter().filter(|(at, _)| *at == second) {
                    outbox.alert(*issue, (issue % 3).unsigned_abs().into(), after(second));
                }
                sent.extend(outbox.send(limit, after(second)));
            }
            prop_assert!(outbox.due.is_empty(), "left: {:?}", outbox.due);
            prop_assert_eq!(sent.iter().map(Vec::len).sum::<usize>(), arrivals.len());
        }
    }
}
