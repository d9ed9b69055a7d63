//! Random operations on every store, compared with the store in memory, which runs `record` as it stands: whatever Lua
//! and conditional updates make of it has to come to the same.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

use super::*;
use crate::servers::wait_until;

const FINGERPRINTS: usize = 3;

#[derive(Clone, Debug)]
enum Step {
    /// Which of the fingerprints (bits), and how many.
    Count(u8, u64),
    Remember(usize, Box<Marker>),
    Grant(u8, Claim),
    /// Reads what is not written back.
    Sweep,
    /// Notes what was read last.
    Swept,
    /// The clock; it may go back.
    Wait(i64),
    Pace(Pace),
}

fn some_marker() -> impl Strategy<Value = Marker> {
    let times = (-2_i64..8, -3_i64..3, proptest::option::of(-1_i64..8));
    let counts = (proptest::option::of(0_u64..8), 0_u32..5, 0_u32..5, 0_u64..30);
    (1_u64..12, 0..Reason::ALL.len(), times, counts).prop_map(
        |(revision, reason, times, (more, budget, granted, seen))| {
            let (quiet, opened, ends) = times;
            Marker {
                revision,
                reason: Reason::ALL[reason],
                quiet_until: after(quiet * 45_000),
                more,
                window_opened_at: after(opened * 45_000),
                window_ends_at: ends.map(|ends| after(ends * 45_000)),
                budget,
                granted,
                seen,
            }
        },
    )
}

fn some_step() -> impl Strategy<Value = Step> {
    let claim = |(count, budget, window_s, held): (u64, u32, u64, Option<i64>)| Claim {
        fingerprint: Fingerprint(0),
        count,
        budget,
        window: Duration::from_secs(window_s),
        held_until: held.map(|held| after(held * 45_000)),
    };
    prop_oneof![
        6 => (1_u8..8, 1_u64..5).prop_map(|(which, count)| Step::Count(which, count)),
        4 => (0..FINGERPRINTS, some_marker()).prop_map(|(which, marker)| Step::Remember(which, Box::new(marker))),
        3 => (1_u8..8, (1_u64..8, 0_u32..5, 1_u64..300, proptest::option::weighted(0.3, -1_i64..8)).prop_map(claim)).prop_map(|(which, claim)| Step::Grant(which, claim)),
        2 => Just(Step::Sweep),
        2 => Just(Step::Swept),
        3 => (-50_000_i64..150_000).prop_map(Step::Wait),
        1 => (1_u32..100, 1_u32..4).prop_map(|(per_minute, burst)| Step::Pace(Pace { per_minute, burst })),
    ]
}

/// What a store answers to a story, one line a step. Epochs are random, and therefore left out.
struct Teller<'a> {
    cache: &'a Cache,
    fingerprints: [Fingerprint; FINGERPRINTS],
    name: String,
    now: Time,
    read: Vec<Unswept>,
}

impl Teller<'_> {
    fn chosen(&self, which: u8) -> impl Iterator<Item = Fingerprint> {
        self.fingerprints.iter().enumerate().filter(move |(index, _)| which >> index & 1 == 1).map(|(_, of)| *of)
    }

    async fn tell(&mut self, step: &Step) -> String {
        let (cache, now) = (self.cache, self.now);
        match step {
            Step::Wait(ms) => {
                self.now = Time(now.ms() + ms);
                String::new()
            }
            Step::Count(which, count) => {
                let batch: Vec<_> = self.chosen(*which).map(|fingerprint| (fingerprint, *count)).collect();
                let without_epoch = |answer: Result<Sighting, Error>| match answer.unwrap() {
                    Sighting::Quiet { record, minute, total } => {
                        Sighting::Quiet { record: Record { epoch: 0, ..record }, minute, total }
                    }
                    Sighting::Ask { record } => {
                        Sighting::Ask { record: record.map(|record| Record { epoch: 0, ..record }) }
                    }
                };
                format!("{:?}", cache.count(&batch, now).await.into_iter().map(without_epoch).collect::<Vec<_>>())
            }
            Step::Remember(which, marker) => {
                cache.remember_one(self.fingerprints[*which], Marker::clone(marker), now).await;
                String::new()
            }
            Step::Grant(which, claim) => {
                let claims: Vec<_> = self.chosen(*which).map(|fingerprint| Claim { fingerprint, ..*claim }).collect();
                let without_epoch = |answer: Result<Grant, Error>| {
                    let mut grant = answer.unwrap();
                    grant.record.epoch = 0;
                    grant
                };
                format!("{:?}", cache.grant(&claims, now).await.into_iter().map(without_epoch).collect::<Vec<_>>())
            }
            Step::Sweep => {
                self.read = cache.sweep_of(&self.fingerprints, now).await;
                let mut told = self.read.clone();
                told.sort_by_key(|unswept| self.fingerprints.iter().position(|of| *of == unswept.fingerprint));
                let told = told.iter_mut().map(|unswept| {
                    unswept.totals.sort_unstable();
                    let which = self.fingerprints.iter().position(|of| *of == unswept.fingerprint);
                    format!("{which:?}{:?}", unswept.totals)
                });
                told.collect()
            }
            Step::Swept => {
                cache.swept(&self.read, now).await.unwrap();
                String::new()
            }
            Step::Pace(pace) => format!("{:?}", cache.pace(&self.name, *pace, now).await.unwrap()),
        }
    }
}

/// Compares a store with the one in memory over so many stories.
pub(super) fn compare(cache: &Cache, stories: u32) {
    let settings = Settings { grace: Duration::from_hours(24 * 365), ..Settings::default() };
    let memory = Cache::new(&settings).unwrap();
    let mut runner = TestRunner::new(Config { cases: stories, failure_persistence: None, ..Config::default() });
    let story = proptest::collection::vec(some_step(), 1..40);
    let told = runner.run(&story, |story| {
        let fingerprints = std::array::from_fn(|_| draw());
        let teller = |cache| Teller { cache, fingerprints, name: draw().to_string(), now: T0, read: Vec::new() };
        let (mut expected, mut found) = (teller(&memory), teller(cache));
        tokio::runtime::Handle::current().block_on(async {
            for (index, step) in story.iter().enumerate() {
                let (expected, found) = (expected.tell(step).await, found.tell(step).await);
                if expected != found {
                    let what = format!("step {index}, {step:?}:\nin memory {expected}\nelsewhere {found}");
                    return Err(TestCaseError::fail(what));
                }
            }
            Ok(())
        })
    });
    told.unwrap();
}

async fn check(url: String, stories: u32) {
    let settings = Settings {
        timeout: Duration::from_secs(30),
        grace: Duration::from_hours(24 * 365),
        ..Settings::parse(&Secret::new(url)).unwrap()
    };
    let cache = Cache::new(&settings).unwrap();
    wait_until("the store to be there", async || cache.ping().await.is_ok()).await;
    tokio::task::spawn_blocking(move || compare(&cache, stories)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_does_what_memory_does() {
    let redis = server::Redis::start();
    check(format!("redis://{}", redis.address()), 256).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_does_what_memory_does() {
    let cluster = server::Cluster::start();
    check(format!("redis-cluster://{}", cluster.addresses()), 64).await;
}

#[cfg(feature = "dynamodb")]
#[tokio::test(flavor = "multi_thread")]
async fn dynamodb_does_what_memory_does() {
    let emulator = crate::servers::dynamodb::DynamoDb::start();
    check(super::dynamodb::at(&emulator), 64).await;
}
