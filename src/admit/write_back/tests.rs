//! A flusher that is killed between any two steps, and the next one.
//!
//! A step is whatever ends in an answer of a store, each a real one: the flusher is dropped after so many, as a kill would.

use std::collections::BTreeSet;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use super::*;
use crate::admit::fold::fold;
use crate::admit::shared::{Sighted, marker};
use crate::admit::{Arrival, Settings};
use crate::alert::Route;
use crate::archive::Interim;
use crate::cache::{self, Cache};
use crate::config::{self, Secret};
use crate::event::{Event, Packed};
use crate::issue::{Fingerprint, Policy, Rules};
use crate::metrics::Metrics;
use crate::servers::redis::Redis;

const ISSUE: Fingerprint = Fingerprint(7);
/// What each pod counts before it is killed.
const COUNTED: u64 = 3;
/// More than a flusher needs; an answer that is there at once is none, so that their number differs from time to time.
const STEPS: usize = 16;
/// Far from any clock.
const NOW: Time = Time(1_900_000_020_000);

/// Ends a future before it has come to its end.
struct KilledAfter<F> {
    steps: usize,
    inner: F,
}

impl<F: Future + Unpin> Future for KilledAfter<F> {
    /// `None`: it was killed.
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<F::Output>> {
        if self.steps == 0 {
            return Poll::Ready(None);
        }
        self.steps -= 1;
        Pin::new(&mut self.inner).poll(context).map(Some)
    }
}

/// Whether it came to its end.
async fn killed_after<F: Future>(steps: usize, flusher: F) -> bool {
    KilledAfter { steps, inner: pin!(flusher) }.await.is_none()
}

struct Stage {
    redis: Redis,
    archive: Archive,
    _folder: tempfile::TempDir,
    pods: u64,
    counted: u64,
    at: Time,
}

impl Stage {
    /// An issue whose budget is spent, known to both stores.
    async fn set() -> Stage {
        let folder = tempfile::tempdir().unwrap();
        let url = Secret::new(format!("sqlite:{}", folder.path().join("bongsu.db").display()));
        let archive = Archive::open(&config::Archive { url, ..config::Archive::default() }).await.unwrap();
        let mut stage = Stage { redis: Redis::start(), archive, _folder: folder, pods: 0, counted: 1, at: NOW };
        let policy = Policy {
            budget: 1,
            window: Duration::from_secs(7 * 86_400),
            spacing: Vec::new(),
            closing: true,
            maintenance_until: None,
        };
        let route = Arc::new(Route::to(Arc::new(policy), []));
        let arrival = Arrival {
            fingerprint: ISSUE,
            project: "tests".into(),
            route: Arc::clone(&route),
            rules: Rules::none(),
            remembered: None,
            event: Packed::of(&Event::default()),
        };
        let settings = Settings {
            queued_events: 10,
            duties: Duties::fixed(1, Duration::from_secs(60)),
            archive_max: Duration::from_secs(60),
            patience: Duration::from_secs(60),
            metrics: Arc::new(Metrics::new()),
            now: || NOW,
        };
        let folded = fold([arrival].into_iter(), &settings.duties.borrow());
        let (admitted, _) = stage.archive.admit(Arc::clone(&folded.batch), Arc::new([]), NOW).await.unwrap();
        let quiet = marker(&admitted[0].decision.next, Some(&*route.policy), admitted[0].revision, NOW).unwrap();
        stage.pod().shared.remember(vec![(ISSUE, quiet)]).await;
        stage
    }

    /// A pod that nobody has killed yet.
    fn pod(&mut self) -> WriteBack {
        self.pods += 1;
        let mut settings = cache::Settings::parse(&Secret::new(format!("redis://{}", self.redis.address()))).unwrap();
        settings.pod = self.pods;
        settings.timeout = Duration::from_secs(30);
        let own = Arc::new(Cache::new(&settings.in_memory()).unwrap());
        let cache = Arc::new(Cache::new(&settings).unwrap());
        let (interim, metrics) = (Arc::<Interim>::default(), Arc::new(Metrics::new()));
        let shared = Arc::new(Shared::new((cache, own), self.pods, interim, metrics, || NOW));
        let patience = Duration::from_secs(60);
        let times = Times { every: patience, archive_max: patience };
        WriteBack::new(shared, self.archive.clone(), times, Duties::fixed(1, patience), || NOW)
    }

    /// A pod that has given a sign of life, and counted.
    async fn counting_pod(&mut self) -> WriteBack {
        let pod = self.pod();
        let me = name(pod.shared.pod);
        assert!(self.archive.lease(Arc::clone(&me), me, DEAD_AFTER, self.at).await.unwrap());
        let sighted = Arc::clone(&pod.shared).count(vec![ISSUE; COUNTED as usize]).await;
        assert!(sighted.iter().all(|one| matches!(one, Sighted::Counted(_))), "{sighted:?}");
        self.counted += COUNTED;
        pod
    }

    async fn occurrences(&self) -> u64 {
        self.archive.issue(ISSUE).await.unwrap().unwrap().issue.occurrences
    }

    /// The next flusher, which nobody kills, and one more.
    async fn check(&mut self, what: &str) {
        for _ in 0..2 {
            let at = self.later();
            self.pod().look_for_the_dead(at).await.unwrap();
            assert_eq!(self.occurrences().await, self.counted, "{what}");
        }
    }

    /// When who has given a sign of life so far is dead, and the leases of who was killed have run out.
    fn later(&mut self) -> Time {
        self.at = self.at.plus(2 * DEAD_AFTER);
        self.at
    }
}

/// The points at which a flusher is killed, again and again: where it gets to in a step depends on how fast the stores answer.
/// Ends once it was killed at more than two different ones.
#[derive(Default)]
struct Kills {
    tried: usize,
    at: BTreeSet<usize>,
}

impl Kills {
    const ROUNDS_MAX: usize = 50;

    fn next(&mut self) -> Option<usize> {
        let round_is_over = self.tried > 0 && self.tried.is_multiple_of(STEPS);
        if round_is_over && self.at.len() > 2 {
            return None;
        }
        assert!(self.tried < Kills::ROUNDS_MAX * STEPS, "it was killed between its steps: {:?}", self.at);
        self.tried += 1;
        Some((self.tried - 1) % STEPS)
    }

    fn note(&mut self, steps: usize, killed: bool) {
        if killed {
            self.at.insert(steps);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pod_killed_anywhere_in_its_own_write_back() {
    let (mut stage, mut kills) = (Stage::set().await, Kills::default());
    while let Some(steps) = kills.next() {
        let pod = stage.counting_pod().await;
        let killed = killed_after(steps, pod.write_own(true)).await;
        drop(pod);
        stage.check(&format!("killed after {steps} steps: {killed}")).await;
        kills.note(steps, killed);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flusher_killed_anywhere_in_writing_what_the_dead_left_behind() {
    let (mut stage, mut kills) = (Stage::set().await, Kills::default());
    while let Some(steps) = kills.next() {
        drop(stage.counting_pod().await);
        let (at, flusher) = (stage.later(), stage.pod());
        let killed = killed_after(steps, flusher.look_for_the_dead(at)).await;
        stage.check(&format!("killed after {steps} steps: {killed}")).await;
        kills.note(steps, killed);
    }
}
