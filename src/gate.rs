//! The gate's decision: who may speak, and why the others may not.
//!
//! Promises: pure and total. Deliberately not here: counting over several processes, storing, sending.
//!
//! Invariant: *Budget.* Within a window no more alerts are granted than its budget, and an issue's windows never
//! overlap: a new one opens only at or after the end of the one before, and a resolve or a mute ends the open one.
//!
//! Invariant: *No silent loss.* Every occurrence is granted an alert, or held back for a reason that was true at `now`.

use std::time::Duration;

use smallvec::SmallVec;

use crate::issue::{Action, Policy, Reason, Standing, State, Window};
use crate::time::Time;

/// What became of a tally: runs of occurrences with the same fate, in the order in which the occurrences came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Decision {
    /// The fates, in order; the counts add up to the tally.
    pub(crate) runs: SmallVec<[Run; 2]>,
    /// What the gate knows from now on.
    pub(crate) next: Standing,
}

/// Occurrences with the same fate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    /// How many.
    pub(crate) count: u64,
    /// Their fate.
    pub(crate) fate: Fate,
}

/// What becomes of one occurrence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It alerts. The first of the run has this ordinal, each further one the next.
    Granted {
        /// Ordinal of the run's first occurrence, from 1.
        first_ordinal: u32,
    },
    /// It is held back.
    Suppressed(Reason),
}

impl Decision {
    /// Alerts granted.
    pub(crate) fn granted(&self) -> u64 {
        let granted = |run: &&Run| matches!(run.fate, Fate::Granted { .. });
        self.runs.iter().filter(granted).map(|run| run.count).sum()
    }
}

impl Run {
    /// What is muted, or held back by maintenance, lies in no window.
    pub(crate) fn is_in_window(&self) -> bool {
        match self.fate {
            Fate::Granted { .. } => true,
            Fate::Suppressed(reason) => reason.is_in_window(),
        }
    }
}

/// Decides on `count` occurrences of one issue that arrived together at `now`.
pub(crate) fn decide(standing: &Standing, count: u64, policy: &Policy, now: Time) -> Decision {
    let mut next = standing.clone();
    let mut runs = SmallVec::new();
    let mut left = count;
    let ended_by_people = matches!(standing.state, State::Muted { .. } | State::Resolved);

    let muted = take_muted(&mut next.state, left, now);
    push(&mut runs, muted, Fate::Suppressed(Reason::Muted));
    left -= muted;
    if left == 0 {
        return Decision { runs, next };
    }

    // No window opens and none goes on, so that what was resolved still comes back as a regression afterwards.
    if policy.maintenance_until.is_some_and(|until| now < until) {
        push(&mut runs, left, Fate::Suppressed(Reason::Maintenance));
        return Decision { runs, next };
    }

    open_window(&mut next, ended_by_people, policy, now);
    let acknowledged = next.state == State::Acknowledged;
    let window = next.window.as_mut().expect("a window was open or has just been opened");
    // A clock that went back does not reopen what was decided: the window's own time goes on from its last grant.
    let now = window.last_granted_at.map_or(now, |granted_at| granted_at.max(now));
    while left > 0 && !acknowledged && window.granted < window.budget && gap_elapsed(window, policy, now) {
        window.granted += 1;
        window.last_granted_at = Some(now);
        window.seen += 1;
        left -= 1;
        match runs.last_mut() {
            Some(Run { count, fate: Fate::Granted { .. } }) => *count += 1,
            _ => push(&mut runs, 1, Fate::Granted { first_ordinal: window.granted }),
        }
    }
    window.seen += left;
    let reason = if acknowledged {
        Reason::Acknowledged
    } else if window.granted >= window.budget {
        Reason::Budget
    } else {
        Reason::Spacing
    };
    push(&mut runs, left, Fate::Suppressed(reason));
    Decision { runs, next }
}

fn push(runs: &mut SmallVec<[Run; 2]>, count: u64, fate: Fate) {
    if count > 0 {
        runs.push(Run { count, fate });
    }
}

/// How many of `count` occurrences a mute holds back. The state opens with the first occurrence that it does not hold
/// back, not before: that one has to know that a mute ended the window.
fn take_muted(state: &mut State, count: u64, now: Time) -> u64 {
    let State::Muted { until, more } = state else { return 0 };
    let held = match more {
        _ if until.is_some_and(|until| now >= until) => 0,
        None => count,
        Some(more) => {
            let held = count.min(*more);
            *more -= held;
            held
        }
    };
    if held < count {
        *state = State::Open;
    }
    held
}

/// Opens a window at this occurrence when `now` lies in none.
fn open_window(standing: &mut Standing, ended_by_people: bool, policy: &Policy, now: Time) {
    let before = standing.window.as_ref();
    if !ended_by_people && before.is_some_and(|window| now < window.ends_at) {
        return;
    }
    // Not before the end of the one before it, even when the clock went back; and with a start of its own, which is half
    // of an alert's identity.
    let earliest = before.map(|window| window.ends_at.max(Time(window.opened_at.ms() + 1)));
    let opened_at = earliest.map_or(now, |earliest| earliest.max(now));
    standing.window = Some(Window {
        opened_at,
        ends_at: opened_at.plus(policy.window),
        budget: policy.budget,
        seen: 0,
        granted: 0,
        last_granted_at: None,
        regression: standing.state == State::Resolved,
        closing: policy.closing,
    });
    standing.state = State::Open;
}

fn gap_elapsed(window: &Window, policy: &Policy, now: Time) -> bool {
    window.last_granted_at.is_none_or(|last| now.since(last) >= policy.gap_before(window.granted + 1))
}

/// How long and why nothing can alert: what a cache may remember instead of asking again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Quiet {
    /// Why occurrences are held back meanwhile.
    pub(crate) reason: Reason,
    /// The first moment at which one may alert.
    pub(crate) until: Time,
    /// How many a mute holds back, at most.
    pub(crate) more: Option<u64>,
}

/// A mute without an end is looked at again after this long.
const QUIET_MAX: Duration = Duration::from_hours(24);
/// Maintenance is looked at again after this long: the configuration may have ended it.
const MAINTENANCE_MAX: Duration = Duration::from_mins(1);

/// Whether nothing can alert at `now` and for some time after it. For each occurrence in that time `decide` answers the
/// same reason. Without the policy that the error falls under, gaps between alerts are not known.
pub(crate) fn quiet(standing: &Standing, policy: Option<&Policy>, now: Time) -> Option<Quiet> {
    let alive = |quiet: &Quiet| now < quiet.until && quiet.more != Some(0);
    let maintenance = policy.and_then(|policy| policy.maintenance_until).map(|until| Quiet {
        reason: Reason::Maintenance,
        until: until.min(now.plus(MAINTENANCE_MAX)),
        more: None,
    });
    let quiet = match standing.state {
        State::Muted { until, more } => {
            let longest = now.plus(QUIET_MAX);
            let until = until.map_or(longest, |until| until.min(longest));
            let muted = Quiet { reason: Reason::Muted, until, more };
            if alive(&muted) { muted } else { maintenance? }
        }
        _ if maintenance.as_ref().is_some_and(alive) => maintenance?,
        State::Resolved => return None,
        State::Open | State::Acknowledged => {
            let window = standing.window.as_ref()?;
            let (reason, until) = if standing.state == State::Acknowledged {
                (Reason::Acknowledged, window.ends_at)
            } else if window.granted >= window.budget {
                (Reason::Budget, window.ends_at)
            } else {
                let elapsed = window.last_granted_at?.plus(policy?.gap_before(window.granted + 1));
                (Reason::Spacing, elapsed.min(window.ends_at))
            };
            Quiet { reason, until, more: None }
        }
    };
    alive(&quiet).then_some(quiet)
}

/// What an action makes of an issue's standing. A resolve or a mute ends the open window at `now`: what is granted
/// after it belongs to a window of its own.
pub(crate) fn act(standing: &Standing, action: &Action, now: Time) -> Standing {
    let mut window = standing.window.clone();
    let mut end = || {
        if let Some(window) = window.as_mut().filter(|window| now < window.ends_at) {
            // Never before its start, even when the clock went back.
            window.ends_at = now.max(window.opened_at);
            window.closing = false;
        }
    };
    let state = match action {
        Action::Acknowledge => State::Acknowledged,
        Action::Reopen => State::Open,
        Action::Resolve => {
            end();
            State::Resolved
        }
        Action::Mute { until, more } => {
            end();
            State::Muted { until: *until, more: *more }
        }
    };
    Standing { state, window }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use expect_test::{Expect, expect};

    use super::*;

    const T0: Time = Time(1_000_000);

    fn policy(spacing_s: &[u64]) -> Policy {
        Policy {
            budget: 5,
            window: Duration::from_secs(600),
            spacing: spacing_s.iter().map(|s| Duration::from_secs(*s)).collect(),
            closing: true,
            maintenance_until: None,
        }
    }

    enum Step {
        Seen(u64),
        Do(Action),
    }
    use Step::{Do, Seen};

    fn check(policy: &Policy, steps: &[(u64, Step)], expected: Expect) {
        let mut standing = Standing::default();
        let mut story = String::new();
        for (at_s, step) in steps {
            let now = T0.plus(Duration::from_secs(*at_s));
            match step {
                Seen(count) => {
                    let decision = decide(&standing, *count, policy, now);
                    assert_eq!(decision.runs.iter().map(|run| run.count).sum::<u64>(), *count);
                    story += &format!("{at_s}s:");
                    for run in &decision.runs {
                        story += &match run.fate {
                            Fate::Granted { first_ordinal } => format!(" granted {}x from {first_ordinal}", run.count),
                            Fate::Suppressed(reason) => format!(" {} {}x", reason.name(), run.count),
                        };
                    }
                    let regression = decision.next.window.as_ref().is_some_and(|window| window.regression);
                    story += if regression { " (regression)\n" } else { "\n" };
                    standing = decision.next;
                }
                Do(action) => standing = act(&standing, action, now),
            }
        }
        expected.assert_eq(&story);
    }

    #[test]
    fn a_window_grants_its_budget_and_is_not_extended() {
        let steps = [(0, Seen(3)), (10, Seen(1_000)), (599, Seen(1)), (600, Seen(7))];
        check(
            &policy(&[]),
            &steps,
            expect![[r#"
            0s: granted 3x from 1
            10s: granted 2x from 4 budget 998x
            599s: budget 1x
            600s: granted 5x from 1 budget 2x
        "#]],
        );
    }

    #[test]
    fn spacing_lets_each_alert_tell_more_than_the_last() {
        let steps = [(0, Seen(9)), (29, Seen(1)), (30, Seen(4)), (150, Seen(1)), (151, Seen(1))];
        check(
            &policy(&[0, 30, 120]),
            &steps,
            expect![[r#"
            0s: granted 1x from 1 spacing 8x
            29s: spacing 1x
            30s: granted 1x from 2 spacing 3x
            150s: granted 1x from 3
            151s: spacing 1x
        "#]],
        );
    }

    #[test]
    fn a_mute_holds_back_until_a_time_or_so_many_more() {
        let until = Action::Mute { until: Some(T0.plus(Duration::from_secs(60))), more: None };
        check(
            &policy(&[]),
            &[(0, Seen(1)), (1, Do(until)), (59, Seen(2)), (60, Seen(1))],
            expect![[r#"
            0s: granted 1x from 1
            59s: muted 2x
            60s: granted 1x from 1
        "#]],
        );
        let more = Action::Mute { until: None, more: Some(10) };
        check(
            &policy(&[]),
            &[(0, Seen(6)), (1, Do(more)), (2, Seen(9)), (3, Seen(3))],
            expect![[r#"
            0s: granted 5x from 1 budget 1x
            2s: muted 9x
            3s: muted 1x granted 2x from 1
        "#]],
        );
    }

    #[test]
    fn a_resolved_issue_comes_back_as_a_regression() {
        check(
            &policy(&[]),
            &[(0, Seen(9)), (5, Do(Action::Resolve)), (6, Seen(1)), (7, Seen(1))],
            expect![[r#"
            0s: granted 5x from 1 budget 4x
            6s: granted 1x from 1 (regression)
            7s: granted 1x from 2 (regression)
        "#]],
        );
    }

    #[test]
    fn an_acknowledged_issue_is_quiet_for_the_rest_of_its_window_only() {
        check(
            &policy(&[]),
            &[(0, Seen(1)), (5, Do(Action::Acknowledge)), (6, Seen(2)), (600, Seen(1))],
            expect![[r#"
            0s: granted 1x from 1
            6s: acknowledged 2x
            600s: granted 1x from 1
        "#]],
        );
    }

    #[test]
    fn maintenance_holds_back_what_would_alert_and_leaves_windows_and_regressions_alone() {
        let maintained = Policy { maintenance_until: Some(T0.plus(Duration::from_secs(60))), ..policy(&[]) };
        check(
            &maintained,
            &[(0, Seen(9)), (59, Seen(1)), (60, Seen(7))],
            expect![[r#"
            0s: maintenance 9x
            59s: maintenance 1x
            60s: granted 5x from 1 budget 2x
        "#]],
        );
        let before = decide(&Standing::default(), 2, &policy(&[]), T0);
        let during = decide(&before.next, 5, &maintained, T0.plus(Duration::from_secs(5)));
        assert_eq!(during.next, before.next, "its window is as it was");
        let resolved = act(&before.next, &Action::Resolve, T0.plus(Duration::from_secs(6)));
        let during = decide(&resolved, 5, &maintained, T0.plus(Duration::from_secs(7)));
        assert_eq!(during.next.state, State::Resolved);
        let after = decide(&during.next, 1, &maintained, T0.plus(Duration::from_secs(60)));
        assert!(after.granted() == 1 && after.next.window.unwrap().regression);
        let muted = Action::Mute { until: None, more: Some(3) };
        check(
            &maintained,
            &[(1, Do(muted)), (2, Seen(5)), (3, Seen(1)), (60, Seen(1))],
            expect![[r#"
            2s: muted 3x maintenance 2x
            3s: maintenance 1x
            60s: granted 1x from 1
        "#]],
        );
    }

    #[test]
    fn what_is_quiet_is_held_back_for_that_reason_as_long_as_it_says() {
        let mut standings = vec![(Standing::default(), 0)];
        let maintained = Policy { maintenance_until: Some(T0.plus(Duration::from_secs(80))), ..policy(&[]) };
        let policies = [policy(&[]), policy(&[0, 30, 120]), maintained];
        let actions = [
            Action::Acknowledge,
            Action::Resolve,
            Action::Reopen,
            Action::Mute { until: Some(T0.plus(Duration::from_secs(90))), more: None },
            Action::Mute { until: None, more: Some(7) },
        ];
        // Every story of three steps out of these.
        for _ in 0..3 {
            for (standing, at_s) in standings.clone() {
                let (now, later) = (T0.plus(Duration::from_secs(at_s)), at_s + 45);
                standings.extend(actions.iter().map(|action| (act(&standing, action, now), later)));
                for (policy, count) in policies.iter().flat_map(|policy| [(policy, 1), (policy, 6)]) {
                    standings.push((decide(&standing, count, policy, now).next, later));
                }
            }
        }
        let mut quiet_ones = 0;
        for ((standing, at_s), policy) in
            standings.iter().flat_map(|one| policies.iter().map(move |policy| (one, policy)))
        {
            let now = T0.plus(Duration::from_secs(*at_s));
            let Some(Quiet { reason, until, more }) = quiet(standing, Some(policy), now) else { continue };
            quiet_ones += 1;
            for at in [now, Time(until.ms() - 1)] {
                let count = more.unwrap_or(1_000);
                let runs = decide(standing, count, policy, at).runs;
                assert_eq!(runs.as_slice(), [Run { count, fate: Fate::Suppressed(reason) }], "{standing:?} at {at}");
            }
        }
        assert!(quiet_ones > 500, "{quiet_ones}");
    }

    #[test]
    fn a_window_opened_in_the_millisecond_of_a_resolve_is_another_window() {
        let first = decide(&Standing::default(), 1, &policy(&[]), T0).next;
        let second = decide(&act(&first, &Action::Resolve, T0), 1, &policy(&[]), T0).next;
        let (first, second) = (first.window.unwrap(), second.window.unwrap());
        assert!(second.regression && second.opened_at > first.opened_at);
    }

    #[test]
    fn a_clock_that_goes_back_grants_nothing_twice() {
        let standing = decide(&Standing::default(), 5, &policy(&[]), T0).next;
        let earlier = decide(&standing, 3, &policy(&[]), Time(T0.0 - 5_000));
        assert_eq!(earlier.runs.as_slice(), [Run { count: 3, fate: Fate::Suppressed(Reason::Budget) }]);
    }
}
