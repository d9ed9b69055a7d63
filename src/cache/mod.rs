//! The shared memory of many pods: which errors are quiet, and how often they were seen meanwhile.
//!
//! Promises: a call is bounded by the configured time, reads no clock, and says of every part of a batch on its own
//! whether it was done. Losing what is remembered here, in part or as a whole, is harmless: the archive is asked again.
//! Deliberately not here: the decision who may alert (`gate`, the archive), and when to give a sick store a rest.
//!
//! One fingerprint has one record, under one key. What counts its occurrences is named (fingerprint, epoch); the epoch
//! is drawn at random when the record comes to be.
//!
//! Each pod counts apart: so what a pod was told is what it acknowledged, whatever became of the counts of others.
//!
//! Invariant: *A counter only grows.* The totals of one (fingerprint, epoch, pod, minute, reason) never go back: a record that
//! was lost, or that a server brought back from an older copy of itself, has a new epoch and counts from 0.
//!
//! Invariant: *Counted in one place.* An occurrence is added to a total exactly when the answer is [`Sighting::Quiet`] or
//! a [`Grant`]; after any other answer whoever asked has to count it elsewhere. Only a failure with [`Error::in_doubt`]
//! leaves open which of the two it was.
//!
//! Invariant: *Wrong in one direction only.* An answer may be `Ask` where it could have been `Quiet`, never the reverse.

#[cfg(test)]
mod contract;
#[cfg(feature = "dynamodb")]
mod dynamodb;
#[cfg(not(feature = "dynamodb"))]
#[path = "dynamodb/absent.rs"]
mod dynamodb;
mod memory;
mod record;
mod redis;
mod settings;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub(crate) use record::{Marker, Record};
pub(crate) use settings::Settings;

use crate::issue::{Fingerprint, Reason};
use crate::time::Time;

/// What the cache says of occurrences that are to be counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Sighting {
    /// The error is quiet; they are counted here.
    Quiet {
        /// The record after the count.
        record: Record,
        /// The minute they were counted in: that of `now`, or a later one when that minute was written back already.
        minute: Time,
        /// All that this pod has counted in this minute for the marker's reason since the epoch began.
        total: u64,
    },
    /// Nothing is counted: the archive has to decide.
    Ask {
        /// What is remembered all the same; a hint for display, and how much of a mute is used up ([`Record::held`]).
        record: Option<Record>,
    },
}

/// Occurrences that cannot wait for the archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    /// Whose they are.
    pub(crate) fingerprint: Fingerprint,
    /// How many.
    pub(crate) count: u64,
    /// The policy's budget, for a window that has to be opened.
    pub(crate) budget: u32,
    /// The policy's window, likewise.
    pub(crate) window: Duration,
    /// Maintenance holds them all back, and what comes before that moment.
    pub(crate) held_until: Option<Time>,
}

/// What became of a claim. All its occurrences are counted here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Grant {
    /// Alerts granted.
    pub(crate) granted: u32,
    /// Ordinal of the first of them.
    pub(crate) first_ordinal: u32,
    /// The record after it, with the window that they belong to.
    pub(crate) record: Record,
    /// The totals that grew.
    pub(crate) totals: Vec<Total>,
}

/// So many occurrences with one fate in one minute, counted by one pod, all told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Total {
    /// The pod that counted them.
    pub(crate) pod: u64,
    /// The start of the minute.
    pub(crate) minute: Time,
    /// Why they were held back; `None`: they were granted an alert here.
    pub(crate) reason: Option<Reason>,
    /// How many, since the epoch began.
    pub(crate) total: u64,
}

/// What one epoch has counted and may not have been written back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unswept {
    /// Whose occurrences.
    pub(crate) fingerprint: Fingerprint,
    /// The counter they were counted in.
    pub(crate) epoch: u64,
    /// The totals, in no particular order; also some that are known to the archive.
    pub(crate) totals: Vec<Total>,
}

/// A page of records to write back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sweep {
    /// What has to be written back.
    pub(crate) unswept: Vec<Unswept>,
    /// Where the next page begins; `None` after the last.
    pub(crate) next: Option<Fingerprint>,
}

/// How fast a destination may be sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pace {
    /// Messages a minute in the long run; 0: as many as there are, but for the rests that it asked for.
    pub(crate) per_minute: u32,
    /// Messages that may go at once after a rest. At least 1.
    pub(crate) burst: u32,
}

impl Pace {
    /// Microseconds between two messages in the long run.
    fn interval_us(self) -> i64 {
        60_000_000_i64.checked_div(i64::from(self.per_minute)).unwrap_or(0)
    }

    /// How far ahead of its long run a destination may be, in microseconds.
    fn tolerance_us(self) -> i64 {
        i64::from(self.burst.max(1) - 1) * self.interval_us()
    }

    /// What the long run has to have caught up with, so that the first message may go at that moment, and no burst after it.
    fn rested_us(self, until: Time) -> i64 {
        until.ms().saturating_mul(1_000).saturating_add(self.tolerance_us())
    }
}

/// What a store says of itself, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Description {
    /// `memory`, `redis`, `redis-sentinel`, `redis-cluster` or `dynamodb`.
    pub(crate) kind: &'static str,
    /// Name and version of the server, where it says so.
    pub(crate) version: Option<String>,
    /// What the operator should know: a policy that throws records away, a missing table's setting, ….
    pub(crate) advice: Vec<String>,
}

/// Why a call, or one part of a batch, was not answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Error {
    kind: ErrorKind,
    why: Arc<str>,
    in_doubt: bool,
}

/// Kinds of failure, by what to do about them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ErrorKind {
    /// No connection, or it broke.
    Unreachable,
    /// No answer within the bound.
    TimedOut,
    /// The store answered that it does not want to: authentication, permissions, read-only, out of memory, ….
    Refused,
    /// The store answered something that makes no sense.
    WrongAnswer,
}

impl Error {
    fn new(kind: ErrorKind, why: impl Into<Arc<str>>) -> Error {
        Error { kind, why: why.into(), in_doubt: kind == ErrorKind::WrongAnswer }
    }

    /// The same failure of a call that may have been carried out all the same.
    fn after_sending(self) -> Error {
        Error { in_doubt: true, ..self }
    }

    /// What to do about it.
    #[cfg(test)]
    pub(crate) fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Whether the store may have done what it was asked to: the answer was lost, not the question.
    pub(crate) fn in_doubt(&self) -> bool {
        self.in_doubt
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            ErrorKind::Unreachable => "the cache cannot be reached",
            ErrorKind::TimedOut => "the cache did not answer in time",
            ErrorKind::Refused => "the cache refuses",
            ErrorKind::WrongAnswer => "the cache gave a wrong answer",
        };
        write!(f, "{what}: {}", self.why)
    }
}

impl std::error::Error for Error {}

/// The cache of one configuration. Shared by all tasks; connects when it is first asked, and again when it has to.
pub(crate) enum Cache {
    /// In this process, for one pod.
    Memory(memory::Memory),
    /// Redis or Valkey: one server, Sentinel or Cluster.
    Redis(Box<redis::Redis>),
    /// A DynamoDB table.
    DynamoDb(dynamodb::DynamoDb),
}

/// Calls the method of whichever store it is.
macro_rules! each {
    ($cache:expr, $store:ident => $call:expr) => {
        match $cache {
            Cache::Memory($store) => $call,
            Cache::Redis($store) => $call,
            Cache::DynamoDb($store) => $call,
        }
    };
}

impl Cache {
    /// The cache that the settings name. Connects to nothing yet.
    ///
    /// # Errors
    /// When a file that the settings name cannot be used, or this build lacks the store; for the person who configures.
    pub(crate) fn new(settings: &Settings) -> Result<Cache, String> {
        Ok(match &settings.store {
            settings::Store::Memory => Cache::Memory(memory::Memory::new(settings)),
            settings::Store::Redis(store) => Cache::Redis(Box::new(redis::Redis::new(store, settings)?)),
            settings::Store::DynamoDb(table) => Cache::DynamoDb(dynamodb::DynamoDb::new(table, settings)?),
        })
    }

    /// Counts occurrences of errors that are quiet at `now`. Answers in order, one round trip a batch.
    pub(crate) async fn count(&self, batch: &[(Fingerprint, u64)], now: Time) -> Vec<Result<Sighting, Error>> {
        each!(self, store => store.count(batch, now).await)
    }

    /// Remembers what the archive decided. A marker whose revision is not above the remembered one changes nothing, so
    /// that a late writer never overrides a newer decision; the archive's revisions begin at 1. Epoch and totals stay. A
    /// marker that is quiet no longer re-arms the error on all pods.
    ///
    /// # Errors
    /// When part of it may not be remembered. Doing it again is harmless.
    pub(crate) async fn remember(&self, markers: &[(Fingerprint, Marker)], now: Time) -> Result<(), Error> {
        each!(self, store => store.remember(markers, now).await)
    }

    /// Counts occurrences while the archive is away, and grants alerts within the budget: of the window that contains
    /// `now`, else of a provisional one that opens now. A live marker holds back what it would hold back; a spacing is
    /// not kept once its marker has lapsed. The record keeps its revision, so that the archive's next decision counts.
    pub(crate) async fn grant(&self, claims: &[Claim], now: Time) -> Vec<Result<Grant, Error>> {
        each!(self, store => store.grant(claims, now).await)
    }

    /// Totals that may not have been written back, of at most `limit` fingerprints after the given one. A page may hold
    /// nothing although there is another one.
    ///
    /// # Errors
    /// When the store does not answer.
    pub(crate) async fn sweep(&self, after: Option<Fingerprint>, limit: usize, now: Time) -> Result<Sweep, Error> {
        each!(self, store => store.sweep(after, limit.max(1), now).await)
    }

    /// Takes note that the archive has these totals. Those of minutes before the last one are dropped, unless they grew
    /// since; what has nothing new is not swept again. Counts never return to a minute that was dropped.
    ///
    /// # Errors
    /// When part of it may not be noted. It will be swept again, which is harmless.
    pub(crate) async fn swept(&self, written: &[Unswept], now: Time) -> Result<(), Error> {
        each!(self, store => store.swept(written, now).await)
    }

    /// The earliest moment to send to a destination. Not after `now`: this message has its turn, which is used up. Later:
    /// ask again then; nothing is set aside, so that a pod that dies in between leaves no gap.
    ///
    /// # Errors
    /// When the store does not answer.
    pub(crate) async fn pace(&self, destination: &str, pace: Pace, now: Time) -> Result<Time, Error> {
        each!(self, store => store.pace(destination, pace, now).await)
    }

    /// Leaves a destination alone until a moment, whoever asks for a turn. A longer rest stays.
    ///
    /// # Errors
    /// When the store does not answer.
    pub(crate) async fn hold(&self, destination: &str, pace: Pace, until: Time, now: Time) -> Result<(), Error> {
        each!(self, store => store.hold(destination, pace, until, now).await)
    }

    /// How much the store holds, with what has expired and was not removed yet, and with what is not bongsu's; `None`:
    /// it cannot tell without looking at everything.
    ///
    /// # Errors
    /// When a server of it does not answer.
    pub(crate) async fn size(&self) -> Result<Option<u64>, Error> {
        each!(self, store => store.size().await)
    }

    /// Whether every server of the store answers.
    ///
    /// # Errors
    /// When one does not.
    pub(crate) async fn ping(&self) -> Result<(), Error> {
        each!(self, store => store.ping().await)
    }

    /// What the store is, for `bongsu check`.
    ///
    /// # Errors
    /// When the store does not answer.
    pub(crate) async fn describe(&self) -> Result<Description, Error> {
        each!(self, store => store.describe().await)
    }
}

/// A new epoch.
fn draw_epoch() -> u64 {
    getrandom::u64().expect("the operating system gives random numbers")
}

/// The first minute whose totals are kept at `now` although the archive has them: clocks of pods differ, and a total
/// that was dropped could not go on.
fn floor(now: Time) -> Time {
    now.minus(Duration::from_mins(1)).minute()
}
