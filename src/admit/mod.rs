//! Admission: every event is counted and decided before it is acknowledged.
//!
//! Promises: one committer takes whatever has queued while the previous batch was in flight, folds it to one tally a
//! fingerprint, and answers every waiter once the archive has made the batch durable. No timers: an idle server answers
//! after one commit, a busy one makes larger batches. Deliberately not here: the decision itself (`gate`).
//!
//! Invariant: *One outcome.* A request is answered with exactly as many outcomes as it brought events, in their order.

mod fold;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{Notify, mpsc, oneshot};

use crate::alert::Route;
use crate::archive::Archive;
use crate::event::{Attributes, Event, Packed};
use crate::issue::{CauseKey, Fingerprint};
use crate::metrics::{Metrics, Stopwatch};
use crate::outcome::{Outcome, Reject, RejectReason};
use crate::time::Time;

pub(crate) use fold::fold;

/// A batch with so many events takes no further request: bounds, with `limits.batch_events`, how long a transaction runs.
const BATCH_EVENTS: usize = 4_096;

/// How often the committer lets others run before it commits: requests that have arrived but were not yet read join
/// the batch instead of waiting for the next. It is no timer: where nobody else is ready, it costs next to nothing.
const GATHERINGS: usize = 4;

/// An event on its way through the gate.
pub(crate) struct Arrival {
    /// Its issue.
    pub(crate) fingerprint: Fingerprint,
    /// The coarser identity.
    pub(crate) cause: CauseKey,
    /// The project whose key brought it.
    pub(crate) project: Arc<str>,
    /// Policy and channels it falls under.
    pub(crate) route: Arc<Route>,
    /// The event.
    pub(crate) event: Packed,
}

/// What a request holds of the server's limits until its events are decided, also when its client has gone.
pub(crate) type Hold = Box<dyn Send>;

/// Events that came together and are answered together.
struct Request {
    arrivals: Vec<Arrival>,
    _hold: Hold,
    reply: oneshot::Sender<Vec<Outcome>>,
}

/// What the committer needs besides the archive.
pub(crate) struct Settings {
    /// Events that may wait.
    pub(crate) queued_events: usize,
    /// Events stored of one issue and day.
    pub(crate) samples_per_day: u32,
    /// How long an alert is worth sending.
    pub(crate) expiry: Duration,
    /// Version of the rules that made the fingerprints.
    pub(crate) rules: u8,
    /// The rules, for the texts of a new issue.
    pub(crate) normalize: for<'a> fn(&'a Event<'_>) -> Attributes<'a>,
    /// Counts how long commits take.
    pub(crate) metrics: Arc<Metrics>,
    /// Reads the clock.
    pub(crate) now: fn() -> Time,
}

/// The way in: shared by all requests.
pub(crate) struct Admission {
    queue: mpsc::UnboundedSender<Request>,
    queued_events: Arc<AtomicUsize>,
    queued_events_max: usize,
    metrics: Arc<Metrics>,
}

impl Admission {
    /// Starts the committer, which ends when the last request is answered after this is dropped. `granted` is notified
    /// after each commit that granted an alert.
    pub(crate) fn start(
        archive: Archive,
        settings: Settings,
        granted: Arc<Notify>,
    ) -> (Admission, tokio::task::JoinHandle<()>) {
        let (queue, requests) = mpsc::unbounded_channel();
        let queued_events = Arc::new(AtomicUsize::new(0));
        let queued_events_max = settings.queued_events;
        let metrics = Arc::clone(&settings.metrics);
        let committer = Committer { archive, settings, granted, queued_events: Arc::clone(&queued_events) };
        let task = tokio::spawn(committer.run(requests));
        (Admission { queue, queued_events, queued_events_max, metrics }, task)
    }

    /// Events that wait.
    pub(crate) fn queued(&self) -> usize {
        self.queued_events.load(Ordering::Relaxed)
    }

    /// Counts and decides; answers one outcome an arrival, in order.
    pub(crate) async fn admit(&self, arrivals: Vec<Arrival>, hold: Hold) -> Vec<Outcome> {
        let count = arrivals.len();
        if count == 0 {
            return Vec::new();
        }
        // The queue is bounded by events rather than by requests, which differ ten thousandfold.
        if self.queued_events.fetch_add(count, Ordering::Relaxed) >= self.queued_events_max {
            self.queued_events.fetch_sub(count, Ordering::Relaxed);
            let full = rejected(
                count,
                RejectReason::Overloaded,
                "more events are waiting for the archive than limits.queued_events allows; send again later",
            );
            full.iter().for_each(|outcome| self.metrics.count(outcome));
            return full;
        }
        let (reply, outcomes) = oneshot::channel();
        let sent = self.queue.send(Request { arrivals, _hold: hold, reply });
        match outcomes.await {
            Ok(outcomes) if sent.is_ok() => outcomes,
            _ => rejected(count, RejectReason::Unavailable, "the server is stopping; send again later"),
        }
    }
}

fn rejected(count: usize, reason: RejectReason, detail: &str) -> Vec<Outcome> {
    vec![Outcome::Rejected(Reject { reason, detail: detail.to_owned() }); count]
}

struct Committer {
    archive: Archive,
    settings: Settings,
    granted: Arc<Notify>,
    queued_events: Arc<AtomicUsize>,
}

impl Committer {
    async fn run(self, mut requests: mpsc::UnboundedReceiver<Request>) {
        while let Some(first) = requests.recv().await {
            let mut batch = vec![first];
            let mut events = batch[0].arrivals.len();
            for _ in 0..GATHERINGS {
                let before = events;
                while events < BATCH_EVENTS
                    && let Ok(request) = requests.try_recv()
                {
                    events += request.arrivals.len();
                    batch.push(request);
                }
                if events >= BATCH_EVENTS || (events == before && batch.len() > 1) {
                    break;
                }
                tokio::task::yield_now().await;
            }
            self.commit(batch, events).await;
        }
    }

    async fn commit(&self, mut batch: Vec<Request>, events: usize) {
        let counts: Vec<usize> = batch.iter().map(|request| request.arrivals.len()).collect();
        let arrivals = batch.iter_mut().flat_map(|request| std::mem::take(&mut request.arrivals));
        let folded = fold(arrivals, &self.settings);
        let started = Stopwatch::start();
        let admitted = self.archive.admit(Arc::clone(&folded.batch), (self.settings.now)()).await;
        self.settings.metrics.observe_archive("admit", started);
        self.queued_events.fetch_sub(events, Ordering::Relaxed);
        let outcomes = match admitted {
            Ok(admitted) => {
                if admitted.iter().any(|one| one.decision.granted() > 0) {
                    self.granted.notify_waiters();
                }
                folded.outcomes(&admitted)
            }
            Err(error) => {
                tracing::error!(%error, events, "a batch was not admitted; its senders were told to send it again");
                rejected(events, RejectReason::Unavailable, "the archive did not store the event; send again later")
            }
        };
        // Counted here, where they come to be: a client that hung up does not take them away.
        outcomes.iter().for_each(|outcome| self.settings.metrics.count(outcome));
        let mut outcomes = outcomes.into_iter();
        for (request, count) in batch.into_iter().zip(counts) {
            request.reply.send(outcomes.by_ref().take(count).collect()).ok();
        }
    }
}
