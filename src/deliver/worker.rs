//! The outbox worker of one channel: claims what is due, sends it, settles how it ended.
//!
//! Promises: of one issue the alerts go in order; a channel that answers `Retry-After` is left alone until then, or until
//! just before the alert expires; what
//! could not be sent is tried again until it expires, and then lies in the dead letters with its reason; while a channel is
//! quiet nothing is sent to it and nothing expires. Failures to
//! deliver are logged and counted, never sent in as events: the notifier cannot feed itself. Alerts that were granted while
//! the archive is away are sent in the same way, from memory ([`Interim`]); their numbers are negative.
//!
//! Invariant: *Delivery.* A claimed delivery is settled only after the far side's answer is known. What a stopped
//! process had claimed becomes due again when its lease ends.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinSet;

use super::backoff;
use super::channels::Channel;
use super::courier::Courier;
use super::pacer::Pacer;
use super::parcel::{Failure, Parcel, Reply};
use crate::alert::{Attempt, Delivery};
use crate::archive::{Archive, Claim, End, Interim, Settlement};
use crate::config::Deliver;
use crate::metrics::{Metrics, Stopwatch};
use crate::storm::Folding;
use crate::time::Time;

/// How long to wait for the archive after it failed.
const ARCHIVE_PAUSE: Duration = Duration::from_secs(1);
/// How often a worker whose channel fails looks for what waits too long.
const DIVERT_EVERY: Duration = Duration::from_secs(1);

/// What a worker has in hand.
#[derive(Default)]
struct Desk {
    /// Claimed, to be sent in this order.
    ready: VecDeque<Delivery>,
    sending: JoinSet<Settlement>,
    /// Still to be told to the archive.
    settled: Vec<Settlement>,
    /// The far side asked to be left alone until then.
    quiet_until: Time,
    /// It is not this worker's turn before.
    turn_at: Time,
    /// Whether the last attempt failed.
    failing: bool,
    /// While it fails: when to look next for what waits too long.
    divert_at: Time,
}

impl Desk {
    fn is_empty(&self) -> bool {
        self.ready.is_empty() && self.sending.is_empty() && self.settled.is_empty()
    }

    /// When something at hand has its turn, unless it is now.
    fn turn(&self, now: Time) -> Option<Time> {
        (!self.ready.is_empty() && now < self.turn_at).then_some(self.turn_at)
    }

    /// Takes note of how an attempt ended.
    fn note(&mut self, settlement: Settlement) {
        match settlement.end {
            End::Delivered { .. } => self.failing = false,
            End::Dead { .. } => self.failing = true,
            End::Again { due_at, asked, .. } => {
                self.failing = true;
                self.quiet_until = self.quiet_until.max(if asked { due_at } else { Time::default() });
            }
            End::Back { .. } | End::Held { .. } | End::Expired => {}
        }
        self.settled.push(settlement);
    }
}

/// What a worker is called to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Call {
    /// Its work.
    #[default]
    Work,
    /// To leave the channel to another, or to nobody: nothing is sent any more, and it stays until all that it was handed
    /// is settled, however long the archive is away.
    Leave,
    /// To end with the process.
    Stop,
}

/// Sends what is due on one channel.
pub(crate) struct Worker {
    pub(crate) channel: Arc<Channel>,
    pub(crate) archive: Archive,
    /// What was granted without the archive.
    pub(crate) interim: Arc<Interim>,
    pub(crate) courier: Courier,
    /// Unless the channel is this process's own output.
    pub(crate) pacer: Option<Pacer>,
    pub(crate) settings: Deliver,
    /// What is told in one message.
    pub(crate) folding: Folding,
    pub(crate) metrics: Arc<Metrics>,
    /// Notified when an alert was granted.
    pub(crate) granted: Arc<Notify>,
    pub(crate) now: fn() -> Time,
    /// A number in [0, 1), for spreading retries.
    pub(crate) random: fn() -> f64,
}

impl Worker {
    /// Claimed deliveries that wait for their turn: enough that a claim is worth its transaction, and so few that the
    /// last of them goes well within its lease.
    pub(crate) fn ahead(settings: &Deliver) -> usize {
        4 * settings.concurrency
    }

    /// Works as long as it is called to, then settles what is still on its way. `fresh` brings what was claimed for this
    /// worker when it was granted.
    pub(crate) async fn run(self: Arc<Worker>, mut fresh: mpsc::Receiver<Delivery>, mut call: watch::Receiver<Call>) {
        let mut desk = Desk::default();
        loop {
            // Made before the claim, so that an alert granted meanwhile is not missed.
            let granted = self.granted.notified();
            let called = *call.borrow_and_update();
            let stopping = called != Call::Work;
            let now = (self.now)();
            let sends = !stopping && now >= desk.quiet_until;
            while (!sends || desk.ready.len() < Worker::ahead(&self.settings))
                && let Ok(delivery) = fresh.try_recv()
            {
                desk.ready.push_back(delivery);
            }
            self.dispatch(&mut desk, sends, now).await;
            self.settle_interim(&mut desk, now);
            self.divert_overdue(&mut desk, now).await;
            let mut wake_at = (!sends && !stopping).then_some(desk.quiet_until);
            wake_at = self.look(&mut desk, sends, wake_at, now).await;
            wake_at = wake_at.into_iter().chain(desk.turn(now)).chain(self.next_divert(&desk)).min();
            let may_end = match called {
                Call::Work => false,
                Call::Leave => desk.is_empty() && fresh.is_closed() && fresh.is_empty(),
                Call::Stop => desk.is_empty() || desk.sending.is_empty() && self.interim.is_away(),
            };
            let listens = called == Call::Leave || sends && desk.ready.is_empty();
            if may_end {
                self.settle_interim(&mut desk, now);
                return;
            }
            tokio::select! {
                Some(done) = desk.sending.join_next() => {
                    done.into_iter().for_each(|done| desk.note(done));
                    while let Some(done) = desk.sending.try_join_next() {
                        done.into_iter().for_each(|done| desk.note(done));
                    }
                }
                // Also what came just before its sender went.
                delivery = fresh.recv(), if listens && !(fresh.is_closed() && fresh.is_empty()) => desk.ready.extend(delivery),
                () = granted, if sends => {}
                () = self.sleep_until(wake_at), if wake_at.is_some() => {}
                _ = call.changed(), if called != Call::Stop => {}
            }
        }
    }

    /// Tells the outbox what was settled and takes what is due, from memory too. Answers when to look again, at `wake_at`
    /// anyway.
    async fn look(
        self: &Arc<Self>,
        desk: &mut Desk,
        sends: bool,
        mut wake_at: Option<Time>,
        now: Time,
    ) -> Option<Time> {
        let limit = if sends && desk.ready.is_empty() { self.room(desk) } else { 0 };
        if self.interim.is_away() {
            wake_at = Some(wake_at.unwrap_or_else(|| now.plus(ARCHIVE_PAUSE)));
        } else if limit > 0 || !desk.settled.is_empty() {
            match self.exchange(&mut desk.settled, limit, now).await {
                Ok((claimed, next_due)) => {
                    let more = limit > 0 && claimed.len() == limit;
                    desk.ready.extend(claimed);
                    if limit > 0 {
                        // What another process claims meanwhile and does not settle is due when its lease ends; and a
                        // command may have put dead letters back.
                        let others = Some(now.plus(self.settings.lease.get()));
                        wake_at = next_due.into_iter().chain(others).min();
                    }
                    self.dispatch(desk, sends, now).await;
                    if more && desk.ready.is_empty() && self.room(desk) > 0 {
                        wake_at = Some(now);
                    }
                }
                Err(error) => {
                    tracing::error!(%error, channel = &**self.channel.name(), "the outbox could not be read; trying again");
                    wake_at = Some(now.plus(ARCHIVE_PAUSE));
                }
            }
        }
        if sends && desk.ready.is_empty() {
            desk.ready.extend(self.interim.claim(&self.claim(self.room(desk), now), now));
            self.dispatch(desk, sends, now).await;
            wake_at = wake_at.into_iter().chain(self.interim.next_due(self.channel.name(), now)).min();
        }
        wake_at
    }

    /// How many more deliveries than those at hand are wanted. Where messages have a pace none is taken ahead of its turn:
    /// what has to wait waits in the outbox, where it can be folded, and where something more urgent goes before it.
    fn room(&self, desk: &Desk) -> usize {
        match self.settings.concurrency.saturating_sub(desk.sending.len()) {
            0 => 0,
            _ if self.pacer.as_ref().is_some_and(Pacer::is_paced) => 1,
            free => free + Worker::ahead(&self.settings),
        }
    }

    /// Sends what is ready as far as there is room and it is this worker's turn; gives it back while nothing may be
    /// sent, or when its lease could end before the far side has answered.
    async fn dispatch(self: &Arc<Self>, desk: &mut Desk, sends: bool, now: Time) {
        while (desk.sending.len() < self.settings.concurrency && now >= desk.turn_at) || !sends {
            let Some(delivery) = desk.ready.pop_front() else { return };
            if sends && now.plus(self.settings.timeout.get()) < delivery.claimed_until {
                if let Some(pacer) = &self.pacer {
                    // By the clock: at a moment that is over more would have had their turn.
                    let now = (self.now)();
                    let turn_at = pacer.turn(now).await;
                    if turn_at > now {
                        desk.turn_at = turn_at;
                        desk.ready.push_front(delivery);
                        return;
                    }
                }
                let worker = Arc::clone(self);
                desk.sending.spawn(async move { worker.send(delivery).await });
            } else {
                let end = End::Back { due_at: now.max(desk.quiet_until) };
                let (id, fence) = (delivery.id, delivery.fence);
                desk.settled.push(Settlement { id, fence, unanswered: false, end, divert_to: None });
            }
        }
    }

    async fn sleep_until(&self, at: Option<Time>) {
        let span = at.map_or(Duration::ZERO, |at| at.since((self.now)()));
        // Never shorter than a millisecond, the grain of our moments: a clock that lags must not make a busy loop.
        tokio::time::sleep(span.max(Duration::from_millis(1))).await;
    }

    /// What was sent from memory is settled there.
    fn settle_interim(&self, desk: &mut Desk, now: Time) {
        for settlement in desk.settled.extract_if(.., |one| one.id < 0) {
            let diverts = settlement.divert_to.is_some();
            self.interim.settle(self.channel.name(), settlement, now);
            if diverts {
                self.granted.notify_waiters();
            }
        }
    }

    fn next_divert(&self, desk: &Desk) -> Option<Time> {
        (desk.failing && self.channel.fallback().is_some()).then_some(desk.divert_at)
    }

    /// While the channel fails, what waits too long goes to its fallback as well, also what was never tried.
    async fn divert_overdue(&self, desk: &mut Desk, now: Time) {
        let Some(fallback) = self.channel.fallback().filter(|_| desk.failing && now >= desk.divert_at) else { return };
        desk.divert_at = now.plus(DIVERT_EVERY);
        let name = self.channel.name();
        let mut diverted = self.interim.divert_overdue(name, fallback, now);
        if !self.interim.is_away() {
            match self.archive.divert_overdue(Arc::clone(name), fallback.clone(), now).await {
                Ok(more) => diverted += more,
                Err(error) => tracing::error!(%error, channel = &**name, "nothing could be diverted; trying again"),
            }
        }
        if diverted > 0 {
            tracing::warn!(
                channel = &**name,
                to = &*fallback.to,
                diverted,
                "alerts waited too long and go to the fallback"
            );
            self.granted.notify_waiters();
        }
    }

    fn claim(&self, limit: usize, now: Time) -> Claim {
        Claim {
            channel: Arc::clone(self.channel.name()),
            limit,
            lease: self.settings.lease.get(),
            folding: self.channel.folding(self.folding, now),
        }
    }

    async fn exchange(
        &self,
        settled: &mut Vec<Settlement>,
        limit: usize,
        now: Time,
    ) -> Result<(Vec<Delivery>, Option<Time>), crate::archive::Error> {
        let started = Stopwatch::start();
        let claimed = self.archive.exchange(settled.clone(), self.claim(limit, now), now).await;
        self.metrics.observe_archive("exchange", started);
        if claimed.is_ok() {
            if settled.iter().any(|one| one.divert_to.is_some()) {
                self.granted.notify_waiters();
            }
            settled.clear();
        }
        claimed
    }

    async fn send(&self, mut delivery: Delivery) -> Settlement {
        let now = (self.now)();
        let mut unanswered = false;
        // What was granted in quiet hours waits for their end from the beginning; this one had waited for something else, or
        // is the end of a window.
        let end = if let Some(due_at) = self.channel.quiet_until(&delivery.alert, now) {
            End::Held { due_at, expires_at: delivery.expires_at.max(due_at.plus(self.settings.expiry.get())) }
        } else if now >= delivery.expires_at {
            tracing::warn!(
                channel = &**self.channel.name(),
                delivery = delivery.id,
                "an alert expired and lies in the dead letters"
            );
            End::Expired
        } else if let Some(handle) = self.came_before(&delivery).await {
            End::Delivered { handle }
        } else {
            let (mut brought, mut attempt) = self.attempt(&delivery, now).await;
            if delivery.thread.is_some() && self.channel.has_lost(&brought) && self.has_time(&delivery, 1) {
                // People took away what it was to answer to: it stands for itself, and begins another thread.
                delivery.thread = None;
                (brought, attempt) = self.attempt(&delivery, (self.now)()).await;
            }
            unanswered = matches!(attempt, Attempt::Unanswered { .. });
            self.end_of(attempt, &delivery, &brought, (self.now)())
        };
        let divert_to = self.divert_to(&end, &delivery);
        Settlement { id: delivery.id, fence: delivery.fence, unanswered, end, divert_to }
    }

    /// The channel that gets it as well: what is given up at once, what is tried again when that takes too long.
    fn divert_to(&self, end: &End, delivery: &Delivery) -> Option<Arc<str>> {
        let fallback = self.channel.fallback()?;
        let diverts = match end {
            End::Dead { .. } => true,
            // By then it will have waited for so long.
            End::Again { due_at, .. } => *due_at >= delivery.created_at.plus(fallback.after),
            End::Delivered { .. } | End::Back { .. } | End::Held { .. } | End::Expired => false,
        };
        diverts.then(|| Arc::clone(&fallback.to))
    }

    /// The delivery as the channel sends it. A template that fails costs an alert its layout, and nothing else.
    fn composed(&self, delivery: &Delivery, now: Time) -> Parcel {
        let channel = &**self.channel.name();
        self.channel.compose_telling(delivery, now, &mut |why| {
            self.metrics.count_template_failure(self.channel.name());
            tracing::warn!(channel, delivery = delivery.id, why, "an alert is sent without its template");
        })
    }

    /// Whether an earlier attempt arrived whose answer was lost, as far as the far side can be asked; with what it calls the
    /// message.
    async fn came_before(&self, delivery: &Delivery) -> Option<Option<String>> {
        if delivery.attempt <= 1 || !self.has_time(delivery, 2) {
            return None;
        }
        let brought = self.courier.carry(self.channel.question(delivery)?).await;
        let found = self.channel.found(delivery, &brought)?;
        tracing::info!(channel = &**self.channel.name(), delivery = delivery.id, "an alert had arrived before");
        Some(found)
    }

    /// Whether there is time for so many requests before somebody else may claim the delivery.
    fn has_time(&self, delivery: &Delivery, requests: u32) -> bool {
        (self.now)().plus(self.settings.timeout.get() * requests) < delivery.claimed_until
    }

    async fn attempt(&self, delivery: &Delivery, now: Time) -> (Result<Reply, Failure>, Attempt) {
        let started = Stopwatch::start();
        let brought = self.courier.carry(self.composed(delivery, now)).await;
        let now = (self.now)();
        let attempt = in_time(self.channel.judge(&brought, now), delivery.expires_at, self.settings.timeout.get(), now);
        if let Some(pacer) = &self.pacer {
            pacer.heed(&attempt, now).await;
        }
        self.metrics.count_attempt(self.channel.name(), attempt.name(), started);
        (brought, attempt)
    }

    fn end_of(&self, attempt: Attempt, delivery: &Delivery, brought: &Result<Reply, Failure>, now: Time) -> End {
        let (channel, id) = (&**self.channel.name(), delivery.id);
        match attempt {
            Attempt::Delivered => End::Delivered { handle: self.channel.handle(delivery, brought) },
            Attempt::Refused { error } => {
                tracing::warn!(channel, delivery = id, %error, "an alert was refused and lies in the dead letters");
                End::Dead { error }
            }
            Attempt::Unanswered { error } if !self.channel.repeats(delivery) => {
                tracing::warn!(channel, delivery = id, %error, "an alert may not have arrived and lies in the dead letters");
                End::Dead { error: format!("nobody knows whether it arrived; not sent again: {error}") }
            }
            Attempt::Unanswered { error } => self.again(error, None, delivery, now),
            Attempt::Failed { error, not_before } => self.again(error, not_before, delivery, now),
        }
    }

    /// Another try, unless it would come too late.
    fn again(&self, error: String, not_before: Option<Time>, delivery: &Delivery, now: Time) -> End {
        let (channel, id, tries) = (&**self.channel.name(), delivery.id, delivery.attempt);
        let Deliver { backoff_first, backoff_longest, .. } = self.settings;
        let delay = backoff::delay(tries, backoff_first.get(), backoff_longest.get(), (self.random)());
        let due_at = now.plus(delay).max(not_before.unwrap_or_default());
        if due_at >= delivery.expires_at {
            tracing::warn!(channel, delivery = id, tries, %error, "an alert was given up and lies in the dead letters");
            return End::Dead { error: format!("given up after {tries} attempts: {error}") };
        }
        tracing::warn!(channel, delivery = id, tries, again_at = %due_at, %error, "an alert could not be sent; trying again");
        End::Again { due_at, asked: not_before.is_some(), error }
    }
}

/// Patience that is asked for ends a try's time before the alert expires: somebody may be there after all, and later it is
/// of no use. That last try's own answer is taken as it is.
fn in_time(attempt: Attempt, expires_at: Time, timeout: Duration, now: Time) -> Attempt {
    let last_try_at = expires_at.minus(timeout);
    match attempt {
        Attempt::Failed { error, not_before: Some(asked) } if asked >= expires_at && now < last_try_at => {
            Attempt::Failed { error, not_before: Some(last_try_at) }
        }
        attempt => attempt,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_ends_before_the_alert_does_and_once() {
        let failed =
            |not_before: Option<i64>| Attempt::Failed { error: "x".to_owned(), not_before: not_before.map(Time) };
        let (expires_at, timeout) = (Time(60_000), Duration::from_secs(10));
        for (now, asked, expected) in [
            (0, Some(30_000), Some(30_000)),
            (0, Some(59_999), Some(59_999)),
            (0, Some(60_000), Some(50_000)),
            (49_999, Some(3_600_000), Some(50_000)),
            (50_000, Some(3_600_000), Some(3_600_000)),
            (0, None, None),
        ] {
            assert_eq!(in_time(failed(asked), expires_at, timeout, Time(now)), failed(expected), "{now} {asked:?}");
        }
        assert_eq!(in_time(Attempt::Delivered, expires_at, timeout, Time(0)), Attempt::Delivered);
    }
}
