//! Load at a rate: decisions begin when they are due, whether or not those before them are answered.
//!
//! Promises: latency is measured from the moment a decision begins, each one, and percentiles are exact. A store that
//! falls behind is not waited for: the step ends early and says so. Deliberately not here: what a decision is.

use std::pin::Pin;
use std::time::Duration;

use serde::Serialize;
use tokio::task::JoinSet;

use crate::metrics::Stopwatch;

/// A decision under way; the error says what was answered instead.
pub(super) type Deciding = Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;
/// Begins the n-th decision.
pub(super) type Decide = Box<dyn Fn(u64) -> Deciding + Send + Sync>;

/// A store keeps up while its 99th percentile is no longer than this: beyond, people wait for their 202.
pub(super) const P99_MAX: Duration = Duration::from_millis(100);
/// Of a thousand decisions, how many may fail.
const FAILED_PER_MILLE: u64 = 1;
/// The highest rate tried: far above thousands a second, and within what this process can ask.
pub(super) const RATE_MAX: u32 = 100_000;
/// Rates tried to find the highest.
const TRIES_MAX: u32 = 14;
/// The step between the last rate that was kept up with and the first that was not, when the search ends.
const NEAR_ENOUGH: f64 = 1.25;

/// What became of the decisions of one rate.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Step {
    /// Decisions a second.
    pub(super) rate: u32,
    /// Answered well.
    pub(super) answered: u64,
    /// Answered otherwise, or not at all.
    pub(super) failed: u64,
    /// The median, in milliseconds; `None`: nothing was answered.
    pub(super) p50_ms: Option<f64>,
    /// The 99th percentile.
    pub(super) p99_ms: Option<f64>,
    /// Whether all that was due began and was answered in time.
    pub(super) kept_up: bool,
    /// What the first failure said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) why: Option<String>,
}

/// Latencies in microseconds, and failures.
#[derive(Default)]
struct Seen {
    micros: Vec<u32>,
    failed: u64,
    why: Option<String>,
}

impl Seen {
    fn add(&mut self, answered: Result<(), String>, took: Duration) {
        match answered {
            Ok(()) => self.micros.push(u32::try_from(took.as_micros()).unwrap_or(u32::MAX)),
            Err(why) => {
                self.failed += 1;
                self.why.get_or_insert(why);
            }
        }
    }

    fn step(mut self, rate: u32, in_time: bool) -> Step {
        self.micros.sort_unstable();
        let ms = |micros: u32| f64::from(micros) / 1_000.0;
        let p99 = percentile(&self.micros, 99);
        let answered = self.micros.len() as u64;
        let few_failed = self.failed * 1_000 <= (answered + self.failed) * FAILED_PER_MILLE;
        Step {
            rate,
            answered,
            failed: self.failed,
            p50_ms: percentile(&self.micros, 50).map(ms),
            p99_ms: p99.map(ms),
            kept_up: in_time && few_failed && p99.is_some_and(|p99| u128::from(p99) <= P99_MAX.as_micros()),
            why: self.why,
        }
    }
}

/// The smallest value that so many in a hundred do not exceed.
fn percentile(sorted: &[u32], hundredths: usize) -> Option<u32> {
    let rank = (sorted.len() * hundredths).div_ceil(100);
    sorted.get(rank.checked_sub(1)?).copied()
}

/// Decides at a rate for a span. Those that fall due within a millisecond, a timer's grain, begin together.
pub(super) async fn at_rate(rate: u32, span: Duration, decide: &Decide) -> Step {
    let all = ((f64::from(rate) * span.as_secs_f64()) as u64).max(1);
    // More than that under way means a p99 far beyond the limit.
    let under_way_max = (rate as usize / 4).max(256);
    // This process may be the one that is late.
    let latest = span + span / 10 + P99_MAX;
    let mut seen = Seen::default();
    let mut tasks = JoinSet::new();
    let mut tick = tokio::time::interval(Duration::from_millis(1));
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let started = Stopwatch::start();
    let mut begun = 0;
    while begun < all && tasks.len() < under_way_max && started.elapsed() < latest {
        tick.tick().await;
        while let Some(done) = tasks.try_join_next() {
            note(&mut seen, done);
        }
        let due = all.min((f64::from(rate) * started.elapsed().as_secs_f64()) as u64 + 1);
        while begun < due && tasks.len() < under_way_max {
            let clock = Stopwatch::start();
            let deciding = decide(begun);
            tasks.spawn(async move { (deciding.await, clock.elapsed()) });
            begun += 1;
        }
    }
    // Every call is bounded by its store's own limit.
    while let Some(done) = tasks.join_next().await {
        note(&mut seen, done);
    }
    seen.step(rate, begun == all)
}

fn note(seen: &mut Seen, done: Result<(Result<(), String>, Duration), tokio::task::JoinError>) {
    let (answered, took) = done.unwrap_or_else(|error| (Err(error.to_string()), Duration::ZERO));
    seen.add(answered, took);
}

/// The search for the highest rate that is kept up with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Search {
    good: Option<u32>,
    bad: Option<u32>,
    tries: u32,
}

impl Search {
    /// What is known already.
    pub(super) fn after(steps: &[Step]) -> Search {
        let bad = steps.iter().filter(|step| !step.kept_up).map(|step| step.rate).min();
        let below = |step: &&Step| step.kept_up && bad.is_none_or(|bad| step.rate < bad);
        Search { good: steps.iter().filter(below).map(|step| step.rate).max(), bad, tries: 0 }
    }

    /// The rate to try next; `None`: it is known well enough.
    pub(super) fn next(&self) -> Option<u32> {
        let (good, bad) = (self.good.map(f64::from), self.bad.map(f64::from));
        let next = match (good, bad) {
            _ if self.tries >= TRIES_MAX => return None,
            (Some(good), Some(bad)) if bad / good <= NEAR_ENOUGH => return None,
            (Some(good), Some(bad)) => (good * bad).sqrt(),
            (Some(good), None) if good >= f64::from(RATE_MAX) => return None,
            (Some(good), None) => good * 2.0,
            (None, Some(bad)) if bad < 2.0 => return None,
            (None, Some(bad)) => bad / 2.0,
            (None, None) => 100.0,
        };
        Some((next as u32).clamp(1, RATE_MAX))
    }

    /// Takes note of a try.
    pub(super) fn tried(&mut self, rate: u32, kept_up: bool) {
        self.tries += 1;
        *(if kept_up { &mut self.good } else { &mut self.bad }) = Some(rate);
    }

    /// The highest rate that was kept up with.
    pub(super) fn found(&self) -> Option<u32> {
        self.good
    }

    /// Whether higher ones were not tried.
    pub(super) fn is_open(&self) -> bool {
        self.bad.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_exact() {
        let hundred: Vec<u32> = (1..=100).collect();
        assert_eq!([50, 99, 100].map(|p| percentile(&hundred, p)), [Some(50), Some(99), Some(100)]);
        assert_eq!([50, 99].map(|p| percentile(&[7], p)), [Some(7), Some(7)]);
        assert_eq!(percentile(&[], 99), None);
    }

    #[test]
    fn a_store_keeps_up_when_all_began_few_failed_and_few_were_late() {
        let step = |millis: &[u64], failures: usize, in_time| {
            let mut seen = Seen::default();
            millis.iter().for_each(|ms| seen.add(Ok(()), Duration::from_millis(*ms)));
            (0..failures).for_each(|nth| seen.add(Err(format!("failure {nth}")), Duration::ZERO));
            seen.step(100, in_time)
        };
        let good = step(&[1; 1_000], 0, true);
        assert_eq!((good.kept_up, good.answered, good.p50_ms, good.why), (true, 1_000, Some(1.0), None));
        assert!(step(&[1; 999], 1, true).kept_up, "one in a thousand");
        let failing = step(&[1; 998], 2, true);
        assert_eq!((failing.kept_up, failing.failed, failing.why.as_deref()), (false, 2, Some("failure 0")));
        assert!(!step(&[1; 1_000], 0, false).kept_up, "some were due and never began");
        assert!(step(&[100; 10], 0, true).kept_up && !step(&[101; 10], 0, true).kept_up);
        let nothing = step(&[], 1, true);
        assert_eq!((nothing.kept_up, nothing.p50_ms, nothing.p99_ms), (false, None, None));
    }

    /// The rates tried on a store that keeps up with so many a second, and what was found.
    fn search(steps: &[(u32, bool)], capacity: u32) -> (Vec<u32>, Search) {
        let step = |(rate, kept_up): &(u32, bool)| Step { kept_up: *kept_up, ..Seen::default().step(*rate, true) };
        let mut search = Search::after(&steps.iter().map(step).collect::<Vec<_>>());
        let mut tried = Vec::new();
        while let Some(rate) = search.next() {
            tried.push(rate);
            search.tried(rate, rate <= capacity);
        }
        (tried, search)
    }

    #[test]
    fn the_highest_rate_is_found_between_a_good_one_and_a_bad_one() {
        let (tried, found) = search(&[(100, true), (1_000, true), (5_000, true)], 30_000);
        assert_eq!((tried, found.found()), (vec![10_000, 20_000, 40_000, 28_284, 33_635], Some(28_284)));
        let (tried, found) = search(&[(100, true), (1_000, false), (5_000, false)], 500);
        assert_eq!((tried, found.found(), found.is_open()), (vec![316, 562, 421, 486], Some(486), false));
        // One good step above a bad one is luck.
        let (tried, _) = search(&[(1_000, false), (5_000, true)], 600);
        assert_eq!(tried[0], 500);
        let (_, nothing) = search(&[(100, false)], 0);
        assert_eq!((nothing.found(), nothing.is_open()), (None, false));
        let (tried, fast) = search(&[(5_000, true)], u32::MAX);
        assert_eq!((tried.last(), fast.found(), fast.is_open()), (Some(&RATE_MAX), Some(RATE_MAX), true));
    }

    #[tokio::test]
    async fn decisions_begin_when_they_are_due_whatever_became_of_those_before() {
        let decide: Decide =
            Box::new(|nth| Box::pin(async move { if nth % 2 == 0 { Ok(()) } else { Err("odd".to_owned()) } }));
        let step = at_rate(1_000, Duration::from_millis(50), &decide).await;
        assert_eq!((step.answered + step.failed, step.kept_up, step.why.as_deref()), (50, false, Some("odd")));
        // None of them ends before 256 are under way, which is when the step begins no others.
        let all = std::sync::Arc::new(tokio::sync::Barrier::new(256));
        let decide: Decide = Box::new(move |_| {
            let all = std::sync::Arc::clone(&all);
            Box::pin(async move {
                all.wait().await;
                Ok(())
            })
        });
        let step =
            tokio::time::timeout(Duration::from_secs(60), at_rate(1_000, Duration::from_secs(60), &decide)).await;
        let step = step.expect("it stops early");
        assert_eq!((step.answered, step.kept_up), (256, false));
    }
}
