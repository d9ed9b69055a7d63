//! Group commit: one worker takes whatever has queued while its previous batch was in flight.
//!
//! Promises: whoever waits is answered with as many answers as it brought items, in their order, or told why not. No
//! timers: an idle lane answers after one round trip, a busy one makes larger batches. Deliberately not here: what is
//! done with a batch.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinHandle, JoinSet};

/// A batch with so many items takes no further request: bounds, with `limits.batch_events`, how long its work takes.
const BATCH_ITEMS: usize = 4_096;

/// How often the worker lets others run before it begins: requests that have arrived but were not yet read join the
/// batch instead of waiting for the next. It is no timer: where nobody else is ready, it costs next to nothing.
const GATHERINGS: usize = 4;

/// What a request holds of the server's limits until its items are answered, also when its client has gone.
pub(crate) type Hold = Arc<dyn Send + Sync>;

/// The way to a worker: shared by all requests.
pub(crate) struct Lane<I, O> {
    queue: mpsc::UnboundedSender<Request<I, O>>,
    queued: Arc<AtomicUsize>,
    queued_max: usize,
}

/// A worker's answers.
pub(crate) enum Answers<O> {
    Now(Vec<O>),
    /// When they are known; meanwhile it goes on with the next batch.
    Later(Pin<Box<dyn Future<Output = Vec<O>> + Send>>),
}

impl<O> From<Vec<O>> for Answers<O> {
    fn from(answers: Vec<O>) -> Answers<O> {
        Answers::Now(answers)
    }
}

/// Items that came together and are answered together.
struct Request<I, O> {
    items: Vec<I>,
    _hold: Hold,
    reply: oneshot::Sender<Vec<O>>,
}

/// Why a request was turned away. Nothing was done with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turned {
    /// Too many items wait.
    Full,
    /// The server is stopping.
    Stopping,
}

impl<I: Send + 'static, O: Send + 'static> Lane<I, O> {
    /// Starts the worker, which ends when the last request is answered after the lane is dropped. `work` answers exactly
    /// one answer an item.
    pub(crate) fn start<F, W>(queued_max: usize, work: W) -> (Lane<I, O>, JoinHandle<()>)
    where
        F: Future<Output: Into<Answers<O>>> + Send + 'static,
        W: Fn(Vec<I>) -> F + Send + 'static,
    {
        let (queue, requests) = mpsc::unbounded_channel();
        let queued = Arc::new(AtomicUsize::new(0));
        let task = tokio::spawn(run(requests, Arc::clone(&queued), work));
        (Lane { queue, queued, queued_max }, task)
    }

    /// Items that wait.
    pub(crate) fn queued(&self) -> usize {
        self.queued.load(Ordering::Relaxed)
    }

    /// Has the worker work on these. Answers in their order.
    pub(crate) async fn ask(&self, items: Vec<I>, hold: Hold) -> Result<Vec<O>, Turned> {
        let count = items.len();
        if count == 0 {
            return Ok(Vec::new());
        }
        // The queue is bounded by items rather than by requests, which differ ten thousandfold.
        if self.queued.fetch_add(count, Ordering::Relaxed) >= self.queued_max {
            self.queued.fetch_sub(count, Ordering::Relaxed);
            return Err(Turned::Full);
        }
        let (reply, answers) = oneshot::channel();
        self.queue.send(Request { items, _hold: hold, reply }).map_err(|_| Turned::Stopping)?;
        answers.await.map_err(|_| Turned::Stopping)
    }
}

async fn run<I, O, F, W>(mut requests: mpsc::UnboundedReceiver<Request<I, O>>, queued: Arc<AtomicUsize>, work: W)
where
    I: Send + 'static,
    O: Send + 'static,
    F: Future<Output: Into<Answers<O>>>,
    W: Fn(Vec<I>) -> F,
{
    let mut late = JoinSet::new();
    while let Some(first) = requests.recv().await {
        let mut batch = vec![first];
        let mut items = batch[0].items.len();
        for _ in 0..GATHERINGS {
            let before = items;
            while items < BATCH_ITEMS
                && let Ok(request) = requests.try_recv()
            {
                items += request.items.len();
                batch.push(request);
            }
            if items >= BATCH_ITEMS || (items == before && batch.len() > 1) {
                break;
            }
            tokio::task::yield_now().await;
        }
        let counts: Vec<usize> = batch.iter().map(|request| request.items.len()).collect();
        let mut all = Vec::with_capacity(items);
        batch.iter_mut().for_each(|request| all.append(&mut request.items));
        let replies = batch.into_iter().zip(counts);
        match work(all).await.into() {
            Answers::Now(answers) => {
                queued.fetch_sub(items, Ordering::Relaxed);
                reply(replies, answers);
            }
            Answers::Later(answers) => {
                let (queued, replies) = (Arc::clone(&queued), replies.collect::<Vec<_>>());
                late.spawn(async move {
                    let answers = answers.await;
                    queued.fetch_sub(items, Ordering::Relaxed);
                    reply(replies, answers);
                });
            }
        }
        while late.try_join_next().is_some() {}
    }
    late.join_all().await;
}

fn reply<I, O>(to: impl IntoIterator<Item = (Request<I, O>, usize)>, answers: Vec<O>) {
    let mut answers = answers.into_iter();
    for (request, count) in to {
        request.reply.send(answers.by_ref().take(count).collect()).ok();
    }
}
