//! A seeded simulation of the gate: the real fold, decision, statements and tables, with virtual time and crashes.
//!
//! Promises: a seed decides everything; a failure names its seed and is repeated by
//! `BONGSU_SIM_SEED=N cargo test --lib sim::`. `BONGSU_SIM_SEEDS=N` runs more of them. Deliberately not here: threads,
//! sockets and the file system; `tests/it/crash.rs` kills a real process.
//!
//! What is checked again and again, on the tables themselves: the invariants *Budget*, *No silent loss*, *Conservation*
//! and *One outcome*. And every answer of the archive equals that of the pure gate run in memory, one occurrence at a
//! time: so what is stored is what was decided, and folding changes nothing.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::time::Duration;

use crate::admit::{Arrival, Duties, fold};
use crate::alert::Route;
use crate::archive::{Tx, act_on, admit_on, at_once, close_due_on, in_memory};
use crate::event::{Event, Packed};
use crate::gate::{self, Fate};
use crate::issue::{Action, Fingerprint, Policy, Reason, Rules, Standing};
use crate::outcome::Outcome;
use crate::time::{DAY_MS, Time};

const SEEDS: u64 = 1_000;
const STEPS: u64 = 40;
const ISSUES: u64 = 4;
const EXPIRY: Duration = Duration::from_secs(3_600);

#[test]
fn the_gate_keeps_its_invariants_through_crashes() {
    let number = |name| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let seeds = match number("BONGSU_SIM_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("BONGSU_SIM_SEEDS").unwrap_or(SEEDS),
    };
    let threads: u64 = 2;
    std::thread::scope(|scope| {
        for nth in 0..threads {
            let mine = seeds.clone().filter(move |seed| seed % threads == nth);
            scope.spawn(|| {
                let mut tx = in_memory();
                mine.for_each(|seed| run(seed, &mut tx));
            });
        }
    });
}

fn run(seed: u64, tx: &mut Tx) {
    let lived = catch_unwind(AssertUnwindSafe(|| World::new(seed, tx).live()));
    // Undone rather than dropped: making the tables anew would take longer than a life.
    tx.sqlite().execute_batch("ROLLBACK").unwrap();
    if let Err(panic) = lived {
        std::io::Write::write_all(&mut std::io::stderr(), format!("seed {seed} failed\n").as_bytes()).ok();
        resume_unwind(panic);
    }
}

/// SplitMix64: small, and good enough to draw steps.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % sides
    }

    fn chance(&mut self, one_in: u64) -> bool {
        self.roll(one_in) == 0
    }
}

/// What the world remembers of an issue, apart from the archive.
#[derive(Default)]
struct Known {
    /// The pure gate's standing.
    standing: Standing,
    /// Occurrences whose transaction was committed.
    committed: u64,
    /// Of them, those that lay in a window.
    in_windows: u64,
    /// Windows that ended by themselves and held something back.
    to_tell: u64,
    /// The last thing people did, and when.
    acted: Option<(Action, Time)>,
}

impl Known {
    /// Notes the window that ends when another is opened, or none is.
    fn ended(&mut self, opened_at: Option<Time>) {
        let Some(window) = self.standing.window.as_ref().filter(|window| Some(window.opened_at) != opened_at) else {
            return;
        };
        self.to_tell += u64::from(window.closing && window.seen > u64::from(window.granted));
    }
}

struct World<'a> {
    dice: Dice,
    tx: &'a mut Tx,
    duties: Duties,
    route: Arc<Route>,
    now: Time,
    /// Whether the clock is now and then set back by seconds.
    wanders: bool,
    issues: BTreeMap<u128, Known>,
}

impl World<'_> {
    fn new(seed: u64, tx: &mut Tx) -> World<'_> {
        tx.sqlite().execute_batch("BEGIN").unwrap();
        let mut dice = Dice(seed);
        let duties = Duties { samples_per_day: 2, expiry: EXPIRY, handoffs: Vec::new() };
        let start = Time(i64::try_from(dice.roll(50_000)).unwrap() * DAY_MS);
        let route = route(&mut dice, start);
        World { dice, tx, duties, route, now: start, wanders: seed.is_multiple_of(3), issues: BTreeMap::new() }
    }

    fn live(&mut self) {
        for _ in 0..STEPS {
            match self.dice.roll(12) {
                0..=6 => self.flood(),
                7 => self.people_act(),
                8 => self.close(),
                9 => self.route = route(&mut self.dice, self.now),
                _ => self.wait(),
            }
            if self.dice.chance(5) {
                self.check_tables();
            }
        }
        // Quiet: every window ends, and what held something back is told once.
        self.now = self.now.plus(Duration::from_secs(3 * 86_400));
        at_once(close_due_on(self.tx, EXPIRY, 100, self.now)).unwrap();
        self.check_tables();
        self.check_closings();
    }

    /// Time passes, or the clock is set back.
    fn wait(&mut self) {
        let spans = [1, 900, 10_000, 59_000, 600_000, 3_600_000];
        let span = spans[self.dice.roll(6) as usize];
        self.now =
            if self.wanders && self.dice.chance(5) { Time(self.now.ms() - 3_000) } else { Time(self.now.ms() + span) };
    }

    /// A batch arrives. The process may be killed before its commit, or between the commit and the answers.
    fn flood(&mut self) {
        let count = [1, 1, 2, 7, 30][self.dice.roll(5) as usize];
        let which: Vec<u128> = (0..count).map(|_| u128::from(self.dice.roll(ISSUES))).collect();
        let arrivals: Vec<Arrival> = which.iter().map(|issue| self.arrival(*issue)).collect();
        let folded = fold(arrivals.into_iter(), &self.duties);
        let now = self.now;
        let (admitted, committed) = self.transact(|tx| at_once(admit_on(tx, &folded.batch, now)).unwrap());
        if !committed {
            return;
        }
        let outcomes = folded.outcomes(&admitted);
        assert_eq!(outcomes.len(), which.len(), "one outcome an event");
        for (issue, outcome) in which.into_iter().zip(outcomes) {
            self.expect(issue, &outcome);
        }
    }

    fn arrival(&self, issue: u128) -> Arrival {
        Arrival {
            fingerprint: Fingerprint(issue),
            project: "sim".into(),
            route: Arc::clone(&self.route),
            rules: Rules::none(),
            remembered: None,
            event: Packed::of(&Event::default()),
        }
    }

    /// The pure gate, one occurrence at a time, must say the same; and a reason to hold back must be true.
    fn expect(&mut self, issue: u128, outcome: &Outcome) {
        let known = self.issues.entry(issue).or_default();
        let before = known.standing.clone();
        let decision = gate::decide(&before, 1, &self.route.policy, self.now);
        let fate = decision.runs[0].fate;
        match (&before.window, &decision.next.window) {
            // Later occurrences do not extend a window.
            (Some(before), Some(after)) if before.opened_at == after.opened_at => {
                assert_eq!(before.ends_at, after.ends_at)
            }
            (_, Some(opened)) => assert_eq!(opened.ends_at, opened.opened_at.plus(self.route.policy.window)),
            (_, None) => {}
        }
        known.ended(decision.next.window.as_ref().map(|window| window.opened_at));
        known.standing = decision.next;
        known.committed += 1;
        let window = known.standing.window.as_ref();
        match (*outcome).clone() {
            Outcome::Alerted { ordinal, counted } => {
                assert_eq!(fate, Fate::Granted { first_ordinal: ordinal });
                assert!((1..=counted.budget).contains(&ordinal));
                assert_eq!(Some(counted.occurrences), window.map(|window| window.seen));
                known.in_windows += 1;
            }
            Outcome::Suppressed { reason, counted } => {
                assert_eq!(fate, Fate::Suppressed(reason));
                known.in_windows += u64::from(reason.is_in_window());
                let granted = window.map_or(0, |window| window.granted);
                let true_reason = match (reason, &known.acted) {
                    (Reason::Budget, _) => granted == counted.budget && Some(self.now) < counted.window_ends_at,
                    (Reason::Spacing, _) => {
                        let last = before.window.and_then(|window| window.last_granted_at).unwrap();
                        granted < counted.budget && self.now.since(last) < self.route.policy.gap_before(granted + 1)
                    }
                    (Reason::Muted, Some((Action::Mute { until, more }, _))) => {
                        until.is_some_and(|until| self.now < until) || more.is_some()
                    }
                    (Reason::Maintenance, _) => {
                        self.route.policy.maintenance_until.is_some_and(|until| self.now < until)
                    }
                    (Reason::Acknowledged, Some((Action::Acknowledge, _))) => window.is_some(),
                    _ => false,
                };
                assert!(true_reason, "{reason:?} at {:?} was not true: {:?}", self.now, known.acted);
            }
            Outcome::Rejected(reject) => panic!("rejected: {reject:?}"),
        }
    }

    fn people_act(&mut self) {
        let issue = u128::from(self.dice.roll(ISSUES));
        let action = match self.dice.roll(5) {
            0 => Action::Acknowledge,
            1 => Action::Resolve,
            2 => Action::Mute { until: Some(self.now.plus(Duration::from_secs(1 + self.dice.roll(600)))), more: None },
            3 => Action::Mute { until: None, more: Some(1 + self.dice.roll(20)) },
            _ => Action::Reopen,
        };
        let (fingerprint, now) = (Fingerprint(issue), self.now);
        let (acted, committed) = self.transact(|tx| at_once(act_on(tx, fingerprint, &action, "kim", "", now)).unwrap());
        assert_eq!(acted.is_some(), self.issues.contains_key(&issue), "an issue is there from its first occurrence on");
        if let Some(known) = self.issues.get_mut(&issue).filter(|_| committed) {
            known.standing = gate::act(&known.standing, &action, self.now);
            known.acted = Some((action, self.now));
        }
    }

    fn close(&mut self) {
        let now = self.now;
        self.transact(|tx| at_once(close_due_on(tx, EXPIRY, 100, now)).unwrap());
    }

    /// Runs a transaction. Now and then the process is killed before its commit: nothing of it stays.
    fn transact<T>(&mut self, work: impl FnOnce(&mut Tx) -> T) -> (T, bool) {
        let committed = !self.dice.chance(6);
        self.tx.sqlite().execute_batch("SAVEPOINT life").unwrap();
        let done = work(self.tx);
        self.tx
            .sqlite()
            .execute_batch(if committed { "RELEASE life" } else { "ROLLBACK TO life; RELEASE life" })
            .unwrap();
        (done, committed)
    }

    fn count(&self, sql: &str) -> u64 {
        self.tx.sqlite().prepare_cached(sql).unwrap().query_row([], |row| row.get(0)).unwrap()
    }

    fn check_tables(&self) {
        // Budget: no window has more alerts than it may, their ordinals have no gaps, and windows do not overlap.
        let over = "SELECT count(*) FROM (SELECT 1 FROM alerts WHERE ordinal > 0 GROUP BY issue, window_opened_at \
                    HAVING count(*) > max(budget) OR max(ordinal) <> count(*))";
        assert_eq!(self.count(over), 0, "a window granted more than its budget, or left an ordinal out");
        let overlaps = "WITH w AS (SELECT issue, opened_at, ends_at FROM windows UNION \
                            SELECT issue, window_opened_at, window_ends_at FROM standings WHERE window_opened_at IS NOT NULL) \
                        SELECT count(*) FROM w a JOIN w b ON a.issue = b.issue AND a.opened_at < b.opened_at \
                            AND b.opened_at < a.ends_at";
        assert_eq!(self.count(overlaps), 0, "two windows of an issue overlap");
        // Conservation: what was committed is in the tallies, in the issue and in its windows; nothing else is.
        for (issue, known) in &self.issues {
            let fingerprint = Fingerprint(*issue);
            let sums: (u64, u64, u64, u64) = self
                .tx
                .sqlite()
                .prepare_cached(
                    "SELECT s.occurrences, (SELECT coalesce(sum(total), 0) FROM tallies t WHERE t.issue = i.id), \
                         (SELECT coalesce(sum(total), 0) FROM tallies t WHERE t.issue = i.id \
                             AND outcome <> 'muted' AND outcome <> 'maintenance'), \
                         coalesce(s.window_seen, 0) + (SELECT coalesce(sum(seen), 0) FROM windows w \
                             WHERE w.issue = i.id AND w.opened_at IS NOT s.window_opened_at) \
                     FROM issues i JOIN standings s ON s.issue = i.id WHERE i.fingerprint = ?",
                )
                .unwrap()
                .query_row([fingerprint.0.to_be_bytes()], |row| {
                    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
                })
                .unwrap();
            assert_eq!(sums, (known.committed, known.committed, known.in_windows, known.in_windows), "{fingerprint}");
        }
        let granted = self.count("SELECT count(*) FROM alerts WHERE ordinal > 0");
        assert_eq!(granted, self.count("SELECT coalesce(sum(alerts), 0) FROM standings"), "alerts counted on issues");
        let silent = "SELECT count(*) FROM alerts WHERE id NOT IN (SELECT alert FROM deliveries)";
        assert_eq!(self.count(silent), 0, "an alert without a delivery");
    }

    /// Each window that ended by itself and held something back has exactly one closing, which tells the truth.
    fn check_closings(&mut self) {
        let untrue = "SELECT count(*) FROM alerts a JOIN windows w ON w.issue = a.issue AND w.opened_at = a.window_opened_at \
                      WHERE a.ordinal = 0 AND (a.occurrences > w.seen OR a.granted > w.granted OR w.seen <= w.granted)";
        assert_eq!(self.count(untrue), 0, "a closing told more than its window had");
        assert_eq!(
            self.count("SELECT count(*) FROM standings WHERE window_closing = 1"),
            0,
            "a window that is over was not ended"
        );
        let told = self.count("SELECT count(*) FROM alerts WHERE ordinal = 0");
        for known in self.issues.values_mut() {
            known.ended(None);
        }
        let to_tell: u64 = self.issues.values().map(|known| known.to_tell).sum();
        // What a clock that was set back adds to a window after its end was told is counted, but not told again.
        assert!(told == to_tell || self.wanders, "{told} closings told of {to_tell}");
    }
}

/// A policy such as people configure, or worse.
fn route(dice: &mut Dice, now: Time) -> Arc<Route> {
    let seconds = |list: &[u64]| list.iter().map(|s| Duration::from_secs(*s)).collect();
    let spacing = match dice.roll(3) {
        0 => seconds(&[0, 5, 30, 120]),
        1 => seconds(&[0, 0, 60]),
        _ => Vec::new(),
    };
    let policy = Policy {
        budget: 1 + u32::try_from(dice.roll(5)).unwrap(),
        window: Duration::from_secs([60, 600, 3_600][dice.roll(3) as usize]),
        spacing,
        closing: !dice.chance(4),
        maintenance_until: dice.chance(4).then(|| now.plus(Duration::from_secs([1, 60, 3_600][dice.roll(3) as usize]))),
    };
    Arc::new(Route::to(Arc::new(policy), ["ops".into()]))
}
