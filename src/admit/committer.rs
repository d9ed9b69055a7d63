//! The committer: has the archive store and decide a batch, or has it decided without the archive when that is away.
//!
//! Promises: with a cache nobody waits longer than `archive.patience` for an archive that gives no sign of life, and what
//! waits behind such a batch does not wait for it at all. An archive that is merely busy gets all of `archive.timeout`.
//! Deliberately not here: the decision (`gate`), what happens without the archive (`deputy`).

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::Notify;
use tokio::time::timeout;

use super::fold::{Folded, fold};
use super::lane::Answers;
use super::shared::{self, Shared};
use super::{Arrival, Duties, Handoff, Settings, rejected};
use crate::archive::{Admitted, Archive, Claim, Error, Handed, Permit, Tally};
use crate::metrics::Stopwatch;
use crate::outcome::{Outcome, RejectReason};
use crate::time::Time;

/// Commits what the lane brings, batch after batch.
pub(super) struct Committer {
    archive: Archive,
    shared: Option<Arc<Shared>>,
    settings: Settings,
    granted: Arc<Notify>,
}

type Stored = Result<(Vec<Admitted>, Handed), Error>;
/// The archive's answer, which comes when it wants.
type Answer = Pin<Box<dyn Future<Output = Stored> + Send>>;

/// A batch that the archive was asked about.
struct Asked {
    folded: Folded,
    duties: Arc<Duties>,
    claims: Arc<[Claim]>,
    now: Time,
    started: Stopwatch,
    permit: Arc<Permit>,
}

/// What waiting for the archive came to.
enum Waited {
    Answered(Stored),
    /// It lives, and takes too long for this batch.
    TooLong,
    /// It does not even answer a probe.
    NoSignOfLife,
}

/// What the archive made of a batch.
enum Answered {
    Admitted(Vec<Admitted>),
    /// Its senders send it again.
    Refused,
    /// Nothing is stored, and that is certain; it can be granted without the archive.
    Away(Arc<Shared>),
}

impl Committer {
    pub(super) fn new(
        archive: Archive,
        shared: Option<Arc<Shared>>,
        settings: Settings,
        granted: Arc<Notify>,
    ) -> Committer {
        Committer { archive, shared, settings, granted }
    }

    /// As much as each worker has room for.
    fn claims(duties: &Duties) -> Arc<[Claim]> {
        let claim = |Handoff { channel, lease, folding, to, .. }: &Handoff| Claim {
            channel: Arc::clone(channel),
            limit: to.capacity(),
            lease: *lease,
            folding: *folding,
        };
        duties.handoffs.iter().map(claim).collect()
    }

    /// A worker that has gone leaves what it was given to whoever claims it when the lease is over. All workers look for
    /// themselves when one had room for no more.
    fn hand_over(&self, duties: &Duties, claims: &[Claim], Handed { deliveries, looks }: Handed) {
        let filled =
            |claim: &Claim| deliveries.iter().filter(|one| one.channel == claim.channel).count() == claim.limit;
        let mut more = claims.iter().any(filled);
        let handoff = |channel: &Arc<str>| duties.handoffs.iter().find(|handoff| handoff.channel == *channel);
        for (channel, at) in looks {
            // A storm puts off many to the same moment.
            more |= handoff(&channel).is_some_and(|one| one.look_at_ms.swap(at.ms(), Ordering::Relaxed) != at.ms());
        }
        for delivery in deliveries {
            if let Some(room) = handoff(&delivery.channel).and_then(|handoff| handoff.to.try_reserve().ok()) {
                room.send(delivery);
            }
        }
        if more {
            self.granted.notify_waiters();
        }
    }

    /// Tells the cache and this pod's memory, while nobody waits for it.
    fn remember(&self, tallies: &[Tally], admitted: &[Admitted], now: Time) {
        let Some(shared) = &self.shared else { return };
        let marker = |(tally, admitted): (&Tally, &Admitted)| {
            let marker = shared::marker(&admitted.decision.next, Some(&*tally.route.policy), admitted.revision, now);
            marker.map(|marker| (tally.fingerprint, marker))
        };
        let markers = tallies.iter().zip(admitted).filter_map(marker).collect();
        let shared = Arc::clone(shared);
        tokio::spawn(async move { shared.remember(markers).await });
    }

    /// Answers one outcome an arrival.
    pub(super) async fn commit(self: Arc<Self>, arrivals: Vec<Arrival>) -> Answers<Outcome> {
        let duties = Arc::clone(&self.settings.duties.borrow());
        let folded = fold(arrivals.into_iter(), &duties);
        if let Some(shared) = self.shared.as_ref().filter(|shared| !shared.is_archive_up()) {
            return Answers::Now(self.outcomes(&folded, Answered::Away(Arc::clone(shared))).await);
        }
        let (asked, mut answer) = self.ask(folded, duties);
        let Some(shared) = &self.shared else {
            let stored = answer.await;
            return Answers::Now(self.outcomes_of(&asked, stored).await);
        };
        let answered = match self.wait(&mut answer).await {
            Waited::Answered(stored) => return Answers::Now(self.outcomes_of(&asked, stored).await),
            Waited::TooLong => {
                shared.note_archive(Some(&too_long()));
                if asked.permit.withdraw() { Answered::Away(Arc::clone(shared)) } else { self.refused(&too_long()) }
            }
            Waited::NoSignOfLife => {
                shared.rest_archive(&too_long());
                if !asked.permit.withdraw() {
                    // Nobody knows, and this batch's senders wait for an answer; nobody else does.
                    return Answers::Later(Box::pin(self.late(asked, answer)));
                }
                Answered::Away(Arc::clone(shared))
            }
        };
        Answers::Now(self.outcomes(&asked.folded, answered).await)
    }

    fn ask(&self, folded: Folded, duties: Arc<Duties>) -> (Asked, Answer) {
        let (claims, now, permit) = (Committer::claims(&duties), (self.settings.now)(), Arc::<Permit>::default());
        let (archive, batch) = (self.archive.clone(), Arc::clone(&folded.batch));
        let (of_it, wanted) = (Arc::clone(&permit), Arc::clone(&claims));
        let answer: Answer = Box::pin(async move { archive.admit_with(of_it, batch, wanted, now).await });
        (Asked { folded, duties, claims, now, started: Stopwatch::start(), permit }, answer)
    }

    /// Waits for the archive's answer. When half of the patience is over without one, a probe finds out whether it lives:
    /// a commit may take long under load.
    async fn wait(&self, answer: &mut Answer) -> Waited {
        let half = self.settings.patience / 2;
        if let Ok(stored) = timeout(half, &mut *answer).await {
            return Waited::Answered(stored);
        }
        let lives = async { matches!(timeout(half, self.archive.probe()).await, Ok(Ok(()))) };
        tokio::select! {
            stored = &mut *answer => return Waited::Answered(stored),
            lives = lives => if !lives { return Waited::NoSignOfLife },
        }
        let left = self.settings.archive_max.saturating_sub(half);
        timeout(left, answer).await.map_or(Waited::TooLong, Waited::Answered)
    }

    /// The outcomes of a batch that was being committed when the archive gave no sign of life any more.
    async fn late(self: Arc<Self>, asked: Asked, answer: Answer) -> Vec<Outcome> {
        let stored = timeout(self.settings.archive_max, answer).await.unwrap_or_else(|_| Err(too_long()));
        self.outcomes_of(&asked, stored).await
    }

    async fn outcomes_of(&self, asked: &Asked, stored: Stored) -> Vec<Outcome> {
        self.settings.metrics.observe_archive("admit", asked.started);
        if let Some(shared) = &self.shared {
            shared.note_archive(stored.as_ref().err());
        }
        let answered = match (stored, &self.shared) {
            (Ok((admitted, claimed)), _) => {
                if admitted.iter().any(|one| one.decision.granted() > 0) {
                    self.hand_over(&asked.duties, &asked.claims, claimed);
                }
                self.remember(&asked.folded.batch.tallies, &admitted, asked.now);
                Answered::Admitted(admitted)
            }
            // Nothing was stored, and that is certain.
            (Err(Error::Failed(_) | Error::Lost(_) | Error::Open { .. } | Error::Closed), Some(shared)) => {
                Answered::Away(Arc::clone(shared))
            }
            (Err(error), _) => self.refused(&error),
        };
        self.outcomes(&asked.folded, answered).await
    }

    fn refused(&self, error: &Error) -> Answered {
        tracing::error!(%error, "a batch was not admitted; its senders were told to send it again");
        Answered::Refused
    }

    async fn outcomes(&self, folded: &Folded, answered: Answered) -> Vec<Outcome> {
        let outcomes = match answered {
            Answered::Admitted(admitted) => folded.outcomes(&admitted),
            Answered::Refused => rejected(
                folded.len(),
                RejectReason::Unavailable,
                "the archive did not store the event; send again later",
            ),
            Answered::Away(shared) => shared.grant(folded, &self.settings, &self.granted).await,
        };
        // Counted here, where they come to be: a client that hung up does not take them away.
        outcomes.iter().for_each(|outcome| self.settings.metrics.count(outcome));
        outcomes
    }
}

fn too_long() -> Error {
    Error::Unknown("no answer in time".to_owned())
}
