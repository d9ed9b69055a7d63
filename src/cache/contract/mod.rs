//! The contract of the cache: one suite, run against every store, on real servers.
//!
//! Every test that is named after a store runs all of `suite`; what needs a fault of a certain server is in `faults`, the
//! comparison of every store with the one in memory by random operations in `model`.

#[cfg(feature = "dynamodb")]
mod dynamodb;
mod faults;
mod model;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::settings::Settings;
use super::*;
use crate::config::Secret;
use crate::servers::redis as server;

/// 17 March 2030, in the middle of a minute; far from any clock, which nothing here may read.
const T0: Time = Time(1_900_000_020_000 + 31_415);

/// A pod's way to the store.
type Open<'a> = &'a (dyn Fn() -> Arc<Cache> + Sync);

fn after(ms: i64) -> Time {
    Time(T0.ms() + ms)
}

fn draw() -> Fingerprint {
    Fingerprint(u128::from(getrandom::u64().unwrap()) << 64 | u128::from(getrandom::u64().unwrap()))
}

fn connect(url: &str, timeout: Duration) -> Arc<Cache> {
    let settings = Settings { timeout, ..Settings::parse(&Secret::new(url)).unwrap() };
    Arc::new(Cache::new(&settings).unwrap())
}

/// A connection for tests that are not about time: the machine may be busy.
fn patient(url: &str) -> Arc<Cache> {
    connect(url, Duration::from_secs(30))
}

fn marker(revision: u64) -> Marker {
    Marker {
        revision,
        reason: Reason::Budget,
        quiet_until: after(600_000),
        more: None,
        window_opened_at: after(-1_000),
        window_ends_at: Some(after(600_000)),
        budget: 5,
        granted: 5,
        seen: 5,
    }
}

fn claim(fingerprint: Fingerprint, count: u64) -> Claim {
    Claim { fingerprint, count, budget: 5, window: Duration::from_mins(10), held_until: None }
}

impl Cache {
    async fn count_one(&self, fingerprint: Fingerprint, count: u64, now: Time) -> Sighting {
        self.count(&[(fingerprint, count)], now).await.remove(0).unwrap()
    }

    async fn grant_one(&self, claim: Claim, now: Time) -> Grant {
        self.grant(&[claim], now).await.remove(0).unwrap()
    }

    async fn remember_one(&self, fingerprint: Fingerprint, marker: Marker, now: Time) {
        self.remember(&[(fingerprint, marker)], now).await.unwrap();
    }

    /// All pages of what is not written back, of these fingerprints only.
    async fn sweep_of(&self, of: &[Fingerprint], now: Time) -> Vec<Unswept> {
        let mut found = Vec::new();
        let mut after = None;
        loop {
            let page = self.sweep(after, 7, now).await.unwrap();
            assert!(page.unswept.len() <= 7);
            found.extend(page.unswept.into_iter().filter(|unswept| of.contains(&unswept.fingerprint)));
            after = page.next;
            if after.is_none() {
                return found;
            }
        }
    }
}

#[track_caller]
fn quiet(sighting: Sighting) -> (Record, Time, u64) {
    match sighting {
        Sighting::Quiet { record, minute, total } => (record, minute, total),
        Sighting::Ask { .. } => panic!("{sighting:?}"),
    }
}

#[track_caller]
fn ask(sighting: Sighting) -> Option<Record> {
    match sighting {
        Sighting::Ask { record } => record,
        Sighting::Quiet { .. } => panic!("{sighting:?}"),
    }
}

async fn suite(open: Open<'_>) {
    let cache = open();
    a_live_marker_counts_and_everything_else_asks(&cache, &open()).await;
    a_marker_comes_back_as_it_was(&cache).await;
    the_newest_revision_counts(&cache, &open()).await;
    a_mute_holds_back_so_many_more(&cache).await;
    minutes_are_counted_apart(&cache).await;
    a_batch_is_answered_in_order(&cache).await;
    what_is_counted_is_swept_until_it_is_written(&cache).await;
    steps_of_a_sweep_may_be_lost_or_done_twice(&cache).await;
    a_late_clock_counts_in_no_minute_that_was_dropped(&cache).await;
    grants_stay_within_the_budget(&cache, &open()).await;
    a_claim_heeds_a_live_marker(&cache).await;
    a_pace_lets_a_burst_go_and_then_so_many_a_minute(&cache).await;
    who_asks_to_be_left_alone_is(&cache).await;
    races_lose_and_invent_nothing(open).await;
    cache.ping().await.unwrap();
    assert!(!cache.describe().await.unwrap().kind.is_empty());
}

async fn a_live_marker_counts_and_everything_else_asks(cache: &Cache, other: &Cache) {
    let fingerprint = draw();
    assert_eq!(ask(cache.count_one(fingerprint, 1, T0).await), None);
    cache.remember_one(fingerprint, marker(1), T0).await;
    let (record, minute, total) = quiet(other.count_one(fingerprint, 3, after(1)).await);
    assert_eq!((minute, total, record.marker.seen, record.held), (T0.minute(), 3, 8, 0));
    assert_eq!(record.marker, Marker { seen: 8, ..marker(1) });
    let (again, _, total) = quiet(cache.count_one(fingerprint, 4, after(2)).await);
    assert_eq!((again.epoch, again.marker.seen, total), (record.epoch, 12, 7));
    // Whatever the store still holds: at this moment it is over.
    quiet(cache.count_one(fingerprint, 1, after(599_999)).await);
    let hint = ask(other.count_one(fingerprint, 9, after(600_000)).await).unwrap();
    assert_eq!((hint.epoch, hint.marker.seen), (record.epoch, 13));
    // The next decision keeps the counter.
    let next = Marker { quiet_until: after(900_000), window_ends_at: Some(after(900_000)), ..marker(2) };
    cache.remember_one(fingerprint, next, after(600_001)).await;
    let (record, ..) = quiet(cache.count_one(fingerprint, 1, after(600_002)).await);
    assert_eq!((record.epoch, record.marker.seen), (again.epoch, 14));
}

async fn a_marker_comes_back_as_it_was(cache: &Cache) {
    for reason in Reason::ALL {
        let fingerprint = draw();
        let marker = Marker {
            revision: (1 << 53) - 1,
            reason,
            quiet_until: Time(253_402_300_799_999),
            more: Some(1 << 52),
            window_opened_at: Time(0),
            window_ends_at: None,
            budget: u32::MAX,
            granted: u32::MAX - 1,
            seen: 1 << 52,
        };
        cache.remember_one(fingerprint, marker.clone(), T0).await;
        let (record, _, total) = quiet(cache.count_one(fingerprint, 1 << 50, T0).await);
        assert_eq!(record.marker, Marker { seen: (1 << 52) + (1 << 50), ..marker });
        assert_eq!((record.held, total), (1 << 50, 1 << 50));
    }
}

async fn the_newest_revision_counts(cache: &Cache, late: &Cache) {
    let fingerprint = draw();
    cache.remember_one(fingerprint, marker(7), T0).await;
    // Resolved: it alerts at once, on all pods.
    let resolved = Marker { quiet_until: T0, window_ends_at: Some(T0), ..marker(8) };
    cache.remember_one(fingerprint, resolved, T0).await;
    late.remember_one(fingerprint, marker(6), T0).await;
    late.remember_one(fingerprint, marker(8), T0).await;
    assert_eq!(ask(late.count_one(fingerprint, 1, T0).await).unwrap().marker.revision, 8);
    // Of one batch, too, only the newest.
    late.remember(&[(fingerprint, marker(10)), (fingerprint, marker(9))], T0).await.unwrap();
    assert_eq!(quiet(cache.count_one(fingerprint, 1, T0).await).0.marker.revision, 10);
    // Within a window what was granted and seen never goes back.
    let fewer = Marker { granted: 3, seen: 1, ..marker(11) };
    cache.remember_one(fingerprint, fewer, T0).await;
    let (record, ..) = quiet(cache.count_one(fingerprint, 1, T0).await);
    assert_eq!((record.marker.granted, record.marker.seen), (5, 7));
}

async fn a_mute_holds_back_so_many_more(cache: &Cache) {
    let fingerprint = draw();
    let mute = Marker { reason: Reason::Muted, more: Some(10), window_ends_at: None, ..marker(1) };
    cache.remember_one(fingerprint, mute.clone(), T0).await;
    assert_eq!(quiet(cache.count_one(fingerprint, 6, T0).await).0.held, 6);
    assert_eq!(quiet(cache.count_one(fingerprint, 1, T0).await).2, 7);
    let hint = ask(cache.count_one(fingerprint, 4, T0).await).unwrap();
    assert_eq!((hint.held, hint.marker.seen), (7, 12));
    // The archive divides the rest: nobody else may use it.
    assert_eq!(ask(cache.count_one(fingerprint, 1, T0).await).unwrap().held, 7);
    assert_eq!(cache.sweep_of(&[fingerprint], T0).await[0].totals[0].total, 7);
    cache.remember_one(fingerprint, Marker { revision: 2, more: Some(2), ..mute }, T0).await;
    let (record, _, total) = quiet(cache.count_one(fingerprint, 2, T0).await);
    assert_eq!((record.held, total), (2, 9));
    ask(cache.count_one(fingerprint, 1, T0).await);
}

async fn minutes_are_counted_apart(cache: &Cache) {
    let fingerprint = draw();
    cache.remember_one(fingerprint, marker(1), T0).await;
    for (at, count, total) in [(0, 2, 2), (1, 1, 3), (60_000, 5, 5), (60_001, 1, 6), (0, 1, 4)] {
        let (_, minute, answered) = quiet(cache.count_one(fingerprint, count, after(at)).await);
        assert_eq!((minute, answered), (after(at).minute(), total));
    }
    let spaced = Marker { reason: Reason::Spacing, ..marker(2) };
    cache.remember_one(fingerprint, spaced, T0).await;
    assert_eq!(quiet(cache.count_one(fingerprint, 1, T0).await).2, 1);
    let mut unswept = cache.sweep_of(&[fingerprint], T0).await;
    assert_eq!(unswept.len(), 1);
    unswept[0].totals.sort_unstable();
    let total = |minute: Time, reason, total| Total { pod: 0, minute, reason: Some(reason), total };
    let expected = [
        total(T0.minute(), Reason::Budget, 4),
        total(T0.minute(), Reason::Spacing, 1),
        total(after(60_000).minute(), Reason::Budget, 6),
    ];
    assert_eq!(unswept[0].totals, expected);
}

async fn a_batch_is_answered_in_order(cache: &Cache) {
    let all: Vec<Fingerprint> = (0..300).map(|_| draw()).collect();
    let known = all.iter().step_by(3);
    let markers: Vec<_> = known.map(|fingerprint| (*fingerprint, marker(1))).collect();
    cache.remember(&markers, T0).await.unwrap();
    let batch: Vec<_> = all.iter().zip(1..).map(|(fingerprint, count)| (*fingerprint, count)).collect();
    let answers = cache.count(&batch, T0).await;
    assert_eq!(answers.len(), batch.len());
    for (index, answer) in answers.into_iter().enumerate() {
        if index % 3 == 0 {
            assert_eq!(quiet(answer.unwrap()).2, index as u64 + 1);
        } else {
            assert_eq!(ask(answer.unwrap()), None);
        }
    }
    assert_eq!(cache.count(&[], T0).await, []);
    assert_eq!(cache.grant(&[], T0).await, []);
    cache.remember(&[], T0).await.unwrap();
    cache.swept(&[], T0).await.unwrap();
}

async fn what_is_counted_is_swept_until_it_is_written(cache: &Cache) {
    let all: Vec<Fingerprint> = (0..50).map(|_| draw()).collect();
    let markers: Vec<_> = all.iter().map(|fingerprint| (*fingerprint, marker(1))).collect();
    cache.remember(&markers, T0).await.unwrap();
    assert_eq!(cache.sweep_of(&all, T0).await, [], "nothing was counted yet");
    let batch: Vec<_> = all.iter().map(|fingerprint| (*fingerprint, 2)).collect();
    cache.count(&batch, T0).await;
    let unswept = cache.sweep_of(&all, T0).await;
    let found: BTreeSet<_> = unswept.iter().map(|unswept| unswept.fingerprint).collect();
    assert_eq!((found, unswept.len()), (all.iter().copied().collect(), all.len()));
    assert!(unswept.iter().all(|unswept| unswept.totals[..] == [budget_total(T0, 2)]));
    cache.swept(&unswept, T0).await.unwrap();
    assert_eq!(cache.sweep_of(&all, T0).await, []);
    // The minute goes on where it was.
    cache.count_one(all[0], 1, T0).await;
    let again = cache.sweep_of(&all, T0).await;
    assert_eq!(again, [Unswept { totals: vec![budget_total(T0, 3)], ..unswept_of(&unswept, all[0]) }]);
    // What nobody writes back is there as long as the record is, also when the marker has lapsed.
    assert_eq!(cache.sweep_of(&all, after(700_000)).await, again);
    cache.swept(&again, after(700_000)).await.unwrap();
    assert_eq!(cache.sweep_of(&all, after(700_000)).await, []);
}

fn budget_total(at: Time, total: u64) -> Total {
    Total { pod: 0, minute: at.minute(), reason: Some(Reason::Budget), total }
}

fn unswept_of(all: &[Unswept], fingerprint: Fingerprint) -> Unswept {
    all.iter().find(|unswept| unswept.fingerprint == fingerprint).unwrap().clone()
}

async fn steps_of_a_sweep_may_be_lost_or_done_twice(cache: &Cache) {
    let fingerprint = draw();
    cache.remember_one(fingerprint, marker(1), T0).await;
    cache.count_one(fingerprint, 2, T0).await;
    // Lost between reading and writing: the next sweep reads the same.
    let first = cache.sweep_of(&[fingerprint], T0).await;
    assert_eq!(cache.sweep_of(&[fingerprint], T0).await, first);
    // Counted between writing and noting: it stays to be swept.
    cache.count_one(fingerprint, 1, T0).await;
    cache.swept(&first, T0).await.unwrap();
    let second = cache.sweep_of(&[fingerprint], T0).await;
    assert_eq!(second[0].totals, [budget_total(T0, 3)]);
    // The same when the minute is over by then: a total that grew is not dropped.
    let later = after(300_000);
    cache.swept(&first, later).await.unwrap();
    assert_eq!(cache.sweep_of(&[fingerprint], later).await, second);
    // Noted twice, and noted late by another who swept.
    cache.swept(&second, later).await.unwrap();
    cache.swept(&second, later).await.unwrap();
    cache.swept(&first, later).await.unwrap();
    assert_eq!(cache.sweep_of(&[fingerprint], later).await, []);
    assert_eq!(quiet(cache.count_one(fingerprint, 4, later).await).2, 4);
    // Of another epoch: that is about a record that is gone.
    let third = cache.sweep_of(&[fingerprint], later).await;
    let other = Unswept { epoch: third[0].epoch ^ 1, ..third[0].clone() };
    cache.swept(&[other], later).await.unwrap();
    assert_eq!(cache.sweep_of(&[fingerprint], later).await, third);
}

async fn a_late_clock_counts_in_no_minute_that_was_dropped(cache: &Cache) {
    let fingerprint = draw();
    cache.remember_one(fingerprint, marker(1), T0).await;
    cache.count_one(fingerprint, 2, T0).await;
    let later = after(180_000);
    cache.count_one(fingerprint, 1, later).await;
    let unswept = cache.sweep_of(&[fingerprint], later).await;
    cache.swept(&unswept, later).await.unwrap();
    // It would begin at 1 again, and the archive keep the 2.
    let (_, minute, total) = quiet(cache.count_one(fingerprint, 1, T0).await);
    assert_eq!((minute, total), (after(120_000).minute(), 1));
    // The minute that is over last is not dropped: clocks differ.
    assert_eq!(quiet(cache.count_one(fingerprint, 1, after(180_000)).await).2, 2);
}

async fn grants_stay_within_the_budget(cache: &Cache, other: &Cache) {
    let fingerprint = draw();
    let first = cache.grant_one(claim(fingerprint, 2), T0).await;
    assert_eq!((first.granted, first.first_ordinal), (2, 1));
    assert_eq!(first.record.marker.revision, 0);
    assert_eq!(first.record.marker.window_opened_at, T0);
    assert_eq!(first.record.marker.window_ends_at, Some(after(600_000)));
    assert_eq!(first.totals, [Total { pod: 0, minute: T0.minute(), reason: None, total: 2 }]);
    ask(cache.count_one(fingerprint, 1, after(1)).await);
    let rest = other.grant_one(claim(fingerprint, 7), after(2)).await;
    assert_eq!((rest.granted, rest.first_ordinal, rest.record.epoch), (3, 3, first.record.epoch));
    let of = |reason, total| Total { pod: 0, minute: T0.minute(), reason, total };
    assert_eq!(rest.totals, [of(None, 5), of(Some(Reason::Budget), 4)]);
    // From now on the cache answers on its own.
    let (record, _, total) = quiet(cache.count_one(fingerprint, 1, after(3)).await);
    assert_eq!((record.marker.seen, record.marker.granted, total), (10, 5, 5));
    assert_eq!(cache.grant_one(claim(fingerprint, 1), after(599_999)).await.granted, 0);
    // Afterwards, a window of its own.
    let fresh = cache.grant_one(claim(fingerprint, 1), after(600_000)).await;
    assert_eq!((fresh.granted, fresh.first_ordinal, fresh.record.marker.window_opened_at), (1, 1, after(600_000)));
    // The archive is back: its first decision counts.
    let decided = Marker { window_opened_at: after(600_000), quiet_until: after(900_000), granted: 1, ..marker(1) };
    cache.remember_one(fingerprint, decided, after(600_001)).await;
    assert_eq!(quiet(other.count_one(fingerprint, 1, after(600_002)).await).0.marker.revision, 1);
}

async fn a_claim_heeds_a_live_marker(cache: &Cache) {
    // Goes on from what the archive granted, within its window and with its budget.
    let fingerprint = draw();
    let open = Marker { quiet_until: T0, budget: 3, granted: 2, reason: Reason::Spacing, ..marker(4) };
    cache.remember_one(fingerprint, open, T0).await;
    let grant = cache.grant_one(claim(fingerprint, 4), T0).await;
    assert_eq!((grant.granted, grant.first_ordinal, grant.record.marker.revision), (1, 3, 4));
    // Acknowledged: nothing.
    let acknowledged = Marker { reason: Reason::Acknowledged, granted: 1, ..marker(5) };
    let fingerprint = draw();
    cache.remember_one(fingerprint, acknowledged, T0).await;
    let grant = cache.grant_one(claim(fingerprint, 4), T0).await;
    assert_eq!(grant.granted, 0);
    assert_eq!(grant.totals, [Total { pod: 0, minute: T0.minute(), reason: Some(Reason::Acknowledged), total: 4 }]);
    // Muted for some more: those, then a window.
    let muted = Marker { reason: Reason::Muted, more: Some(3), window_ends_at: None, ..marker(1) };
    let fingerprint = draw();
    cache.remember_one(fingerprint, muted, T0).await;
    let grant = cache.grant_one(claim(fingerprint, 10), T0).await;
    assert_eq!((grant.granted, grant.first_ordinal, grant.record.marker.seen), (5, 1, 7));
    let of = |reason, total| Total { pod: 0, minute: T0.minute(), reason, total };
    assert_eq!(grant.totals, [of(Some(Reason::Muted), 3), of(None, 5), of(Some(Reason::Budget), 2)]);
    // Held back by maintenance, what is known of it and what is not; then as ever.
    let fingerprint = draw();
    cache.remember_one(fingerprint, open_marker(), T0).await;
    for fingerprint in [fingerprint, draw()] {
        let held = |count| Claim { held_until: Some(after(60_000)), ..claim(fingerprint, count) };
        let grant = cache.grant_one(held(4), T0).await;
        assert_eq!((grant.granted, &grant.totals[..]), (0, &[of(Some(Reason::Maintenance), 4)][..]));
        let marker = grant.record.marker;
        assert_eq!((marker.reason, marker.quiet_until), (Reason::Maintenance, after(60_000)));
        assert_eq!(cache.grant_one(held(1), after(59_999)).await.granted, 0);
        assert_eq!(cache.grant_one(held(1), after(60_000)).await.granted, 1);
    }
}

/// Of an error that may alert twice more.
fn open_marker() -> Marker {
    Marker { quiet_until: T0, budget: 3, granted: 1, reason: Reason::Spacing, ..marker(4) }
}

async fn a_pace_lets_a_burst_go_and_then_so_many_a_minute(cache: &Cache) {
    let destination = format!("https://hooks.example/{}", draw());
    let pace = Pace { per_minute: 7, burst: 3 };
    for _ in 0..3 {
        assert_eq!(cache.pace(&destination, pace, T0).await.unwrap(), T0);
    }
    // 60 s / 7 = 8571.4 ms.
    let next = cache.pace(&destination, pace, T0).await.unwrap();
    assert_eq!(next, after(8_572));
    assert_eq!(cache.pace(&destination, pace, after(1)).await.unwrap(), next, "asking uses nothing up");
    assert_eq!(cache.pace(&destination, pace, next).await.unwrap(), next);
    assert_eq!(cache.pace(&destination, pace, next).await.unwrap(), after(17_143));
    let rested = after(600_000);
    for _ in 0..3 {
        assert_eq!(cache.pace(&destination, pace, rested).await.unwrap(), rested);
    }
    assert!(cache.pace(&destination, pace, rested).await.unwrap() > rested);
}

async fn who_asks_to_be_left_alone_is(cache: &Cache) {
    for (per_minute, then) in [(60, 11_000), (0, 10_000)] {
        let destination = format!("https://hooks.example/{}", draw());
        let pace = Pace { per_minute, burst: 3 };
        assert_eq!(cache.pace(&destination, pace, T0).await.unwrap(), T0);
        for until in [10_000, 5_000] {
            cache.hold(&destination, pace, after(until), T0).await.unwrap();
        }
        for now in [0, 9_999] {
            assert_eq!(cache.pace(&destination, pace, after(now)).await.unwrap(), after(10_000));
        }
        assert_eq!(cache.pace(&destination, pace, after(10_000)).await.unwrap(), after(10_000));
        assert_eq!(cache.pace(&destination, pace, after(10_000)).await.unwrap(), after(then), "no burst after a rest");
    }
}

const TASKS: u64 = 64;

/// Runs 64 tasks over three connections.
async fn race<T: Send + 'static, F: Future<Output = T> + Send + 'static>(
    open: Open<'_>,
    run: impl Fn(Arc<Cache>, u64) -> F,
) -> Vec<T> {
    let pods = [open(), open(), open()];
    let tasks: Vec<_> = (0..TASKS).map(|task| tokio::spawn(run(Arc::clone(&pods[task as usize % 3]), task))).collect();
    let mut results = Vec::new();
    for task in tasks {
        results.push(task.await.unwrap());
    }
    results
}

async fn races_lose_and_invent_nothing(open: Open<'_>) {
    const ROUNDS: u64 = 5;
    let counted: [Fingerprint; 3] = std::array::from_fn(|_| draw());
    let [muted, paced] = std::array::from_fn(|_| draw());
    open().remember(&counted.map(|fingerprint| (fingerprint, marker(1))), T0).await.unwrap();
    let totals = race(open, move |cache, _| async move {
        let mut totals = Vec::new();
        for _ in 0..ROUNDS {
            let answers = cache.count(&counted.map(|fingerprint| (fingerprint, 2)), T0).await;
            totals.extend(answers.into_iter().map(|answer| quiet(answer.unwrap()).2));
        }
        totals
    });
    let totals: Vec<u64> = totals.await.into_iter().flatten().collect();
    // Each total of each of the three was told exactly once.
    for total in 1..=TASKS * ROUNDS {
        assert_eq!(totals.iter().filter(|told| **told == 2 * total).count(), 3, "{total}");
    }
    let swept = open().sweep_of(&counted, T0).await;
    assert!(swept.iter().all(|unswept| unswept.totals == [budget_total(T0, 2 * TASKS * ROUNDS)]));

    let granted: [Fingerprint; 2] = std::array::from_fn(|_| draw());
    let grants = race(open, move |cache, task| async move {
        let claims = granted.map(|fingerprint| claim(fingerprint, 1 + task % 3));
        cache.grant(&claims, after(task as i64 % 5)).await.into_iter().map(Result::unwrap).collect::<Vec<_>>()
    });
    let grants = grants.await;
    for (index, fingerprint) in granted.into_iter().enumerate() {
        let of: Vec<&Grant> = grants.iter().map(|grants| &grants[index]).collect();
        let ordinals = |grant: &&&Grant| grant.first_ordinal..grant.first_ordinal + grant.granted;
        let mut told: Vec<u32> = of.iter().flat_map(|grant| ordinals(&grant)).collect();
        told.sort_unstable();
        assert_eq!(told, [1, 2, 3, 4, 5]);
        let windows: BTreeSet<Time> = of.iter().map(|grant| grant.record.marker.window_opened_at).collect();
        assert_eq!(windows.len(), 1);
        let unswept = open().sweep_of(&[fingerprint], T0).await;
        let all: u64 = unswept[0].totals.iter().map(|total| total.total).sum();
        assert_eq!(all, (0..TASKS).map(|task| 1 + task % 3).sum::<u64>());
    }

    let mute = Marker { reason: Reason::Muted, more: Some(40), window_ends_at: None, ..marker(1) };
    open().remember_one(muted, mute, T0).await;
    let answers = race(open, move |cache, _| async move { cache.count_one(muted, 1, T0).await }).await;
    let held = answers.iter().filter(|answer| matches!(answer, Sighting::Quiet { .. })).count();
    assert_eq!(held, 40);

    let pace = Pace { per_minute: 60, burst: 10 };
    let turns =
        race(open, move |cache, _| async move { cache.pace(&paced.to_string(), pace, T0).await.unwrap() }).await;
    assert_eq!(turns.iter().filter(|turn| **turn == T0).count(), 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn memory() {
    let cache = patient("memory:");
    suite(&|| Arc::clone(&cache)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_is_bounded() {
    let settings = Settings { records: 640, ..Settings::default() };
    let memory = super::memory::Memory::new(&settings);
    let dirty: Vec<Fingerprint> = (0..2_000).map(|_| draw()).collect();
    for fingerprint in &dirty {
        memory.remember(&[(*fingerprint, marker(1))], T0).await.unwrap();
        memory.count(&[(*fingerprint, 1)], T0).await;
    }
    // What was counted is all there; those that found no room asked the archive.
    let kept = memory.sweep(None, usize::MAX, T0).await.unwrap().unswept;
    assert!(kept.len() <= 640 && memory.forgotten() >= 2_000 - 640);
    let full = memory.grant(&[claim(Fingerprint(kept[0].fingerprint.0 ^ 1), 1)], T0).await.remove(0);
    assert_eq!(full.unwrap_err().kind(), ErrorKind::Refused);
    // Once written, they make room, the oldest windows first.
    memory.swept(&kept, T0).await.unwrap();
    let young = Marker { window_opened_at: T0, ..marker(1) };
    for fingerprint in (0..640).map(|_| draw()) {
        memory.remember(&[(fingerprint, young.clone())], T0).await.unwrap();
        assert!(matches!(memory.count(&[(fingerprint, 1)], T0).await[0], Ok(Sighting::Quiet { .. })));
        memory.swept(&memory.sweep(None, usize::MAX, T0).await.unwrap().unswept, T0).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn redis() {
    let redis = server::Redis::start();
    suite(&|| patient(&format!("redis://{}/3", redis.address()))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_with_tls_and_a_user_with_few_rights() {
    let (redis, ca) = server::Redis::with_tls_and_user("pass/word", faults::RIGHTS);
    let place = redis.address();
    suite(&|| patient(&format!("rediss://bongsu:pass%2Fword@{place}?ca={ca}"))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_cluster() {
    let cluster = server::Cluster::start();
    suite(&|| patient(&format!("redis-cluster://{}", cluster.addresses()))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_sentinel() {
    let watched = server::Watched::start();
    suite(&|| patient(&format!("redis-sentinel://{}/main", watched.addresses()))).await;
}
