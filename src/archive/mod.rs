//! The archive: the only door to SQL, and the only place where an alert can come into being.
//!
//! Promises: what a method has answered is durable; a batch is one transaction; nothing here reads the clock.
//! Deliberately not here: policy. What may alert is `gate`'s decision, called inside the transaction that stores it, so
//! that there is one copy of the rule; the table's constraints (`UNIQUE (issue, window_opened_at, ordinal)`, ordinal
//! within the budget) hold even if that copy were wrong.

mod admit;
mod adopt;
mod aside;
mod claims;
#[cfg(test)]
mod contract;
mod fallback;
mod former;
mod grant;
mod interim;
mod issues;
mod known;
mod lease;
mod merge;
mod outbox;
mod permit;
mod projects;
mod replay;
mod retention;
mod rows;
mod segments;
mod servers;
mod sql;
mod standing;
mod threads;
mod together;
mod write_back;

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

pub(crate) use admit::{Admitted, Batch, Remembered, Tally};
pub(crate) use adopt::Adopted;
pub(crate) use aside::Aside;
use claims::Claimed;
pub(crate) use claims::{Claim, Handed};
pub(crate) use fallback::Fallback;
pub(crate) use interim::{Interim, Provisional, Way};
pub(crate) use issues::{AlertRow, DeliveryRow, IssueDetail, IssueFilter, MergedRow, MinuteCount, Page, WindowRow};
pub(crate) use merge::Unmergeable;
pub(crate) use outbox::{End, Settlement};
pub(crate) use permit::Permit;
pub(crate) use projects::{KeyHash, KnownProject};
pub(crate) use replay::{Shown, Stored};
pub(crate) use retention::Keep;
use sql::{Server, Sqlite, Work};
pub(crate) use threads::{Due, Edit, Edited, Signed};
pub(crate) use together::{Together, ToldAlert};
pub(crate) use write_back::Counted;
use write_back::WrittenBack;

use crate::alert::Delivery;
use crate::config;
use crate::issue::{Action, Fingerprint, Issue, Place};
use crate::time::Time;

/// Why the archive did not do something. Nothing of it was stored, unless the error is [`Error::Unknown`].
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Error {
    /// It cannot be opened or brought up to date.
    #[error("cannot open the archive {path}: {why}")]
    Open {
        /// The file, or the server and the database.
        path: String,
        /// What the system or the database said.
        why: String,
    },
    /// A statement or the commit failed.
    #[error("the archive failed: {0}")]
    Failed(String),
    /// Others were in the way, again and again. Nothing was stored.
    #[error("the archive is too busy: {0}")]
    Busy(String),
    /// The server could not be reached, or the connection broke before the commit. Nothing was stored.
    #[error("the archive cannot be reached: {0}")]
    Lost(String),
    /// The connection broke during the commit: all of it was stored, or nothing.
    #[error("the archive did not say whether it stored it: {0}")]
    Unknown(String),
    /// The writing thread has ended.
    #[error("the archive is closed")]
    Closed,
}

impl Error {
    fn open(path: &Path, why: &dyn std::fmt::Display) -> Error {
        Error::Open { path: path.display().to_string(), why: why.to_string() }
    }
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Error {
        Error::Failed(error.to_string())
    }
}

/// The archive of one configuration.
#[derive(Clone)]
pub(crate) struct Archive {
    store: Store,
}

#[derive(Clone)]
enum Store {
    Sqlite(Sqlite),
    Server(Server),
}

impl Store {
    async fn write<A, T>(&self, args: A, work: Work<A, T>) -> Result<T, Error>
    where
        A: Send + Sync + 'static,
        T: Send + 'static,
    {
        match self {
            Store::Sqlite(sqlite) => sqlite.write(args, work).await,
            Store::Server(server) => server.write(args, work).await,
        }
    }

    async fn read<A, T>(&self, args: A, query: Work<A, T>) -> Result<T, Error>
    where
        A: Send + Sync + 'static,
        T: Send + 'static,
    {
        match self {
            Store::Sqlite(sqlite) => sqlite.read(args, query).await,
            Store::Server(server) => server.read(args, query).await,
        }
    }
}

impl Archive {
    /// Opens the archive that the configuration names, and brings its tables up to date.
    ///
    /// # Errors
    /// When it cannot be opened or reached, or was written by a newer version.
    pub(crate) async fn open(settings: &config::Archive) -> Result<Archive, Error> {
        let store = match settings.sqlite_path() {
            Some(path) => Store::Sqlite(Sqlite::open(Path::new(path))?),
            None => Store::Server(Server::open(settings).await?),
        };
        Ok(Archive { store })
    }

    /// What it lives in, for people.
    pub(crate) fn kind(&self) -> String {
        match &self.store {
            Store::Sqlite(_) => format!("SQLite {}", rusqlite::version()),
            Store::Server(server) => format!("{} {}", server.kind().name, server.kind().version),
        }
    }

    /// Lets the server itself remove what goes by its age, where it keeps time. Answers who removes old rows, for people.
    /// What it has removed is nothing to [`Archive::forget`], which goes on looking: a scheduler can be turned off.
    pub(crate) async fn expire_by_itself(&self, keep: &Keep) -> String {
        match self.schedule(keep).await {
            Ok(()) => "old rows are removed by the database's event scheduler".to_owned(),
            Err(why) => format!("old rows are removed by bongsu ({why})"),
        }
    }

    /// Lets the server itself remove what goes by its age. Answers why it does not.
    pub(crate) async fn schedule(&self, keep: &Keep) -> Result<(), String> {
        match &self.store {
            Store::Sqlite(_) => Err("SQLite has no event scheduler".to_owned()),
            Store::Server(server) => server.schedule(&retention::by_age(keep)).await,
        }
    }

    /// Whether other processes may use it at the same time.
    pub(crate) fn is_shared(&self) -> bool {
        matches!(self.store, Store::Server(_))
    }

    /// Counts a batch, decides what of it alerts, and stores both with the alerts' deliveries, in one transaction.
    /// Answers one decision a tally, in order; and, when it granted alerts, what it claimed for those who asked.
    pub(crate) async fn admit(
        &self,
        batch: Arc<Batch>,
        claims: Arc<[Claim]>,
        now: Time,
    ) -> Result<(Vec<Admitted>, Vec<Delivery>), Error> {
        let (admitted, handed) = self.admit_with(Arc::default(), batch, claims, now).await?;
        Ok((admitted, handed.deliveries))
    }

    /// The same, unless the permit is withdrawn before the commit.
    pub(crate) async fn admit_with(
        &self,
        permit: Arc<Permit>,
        batch: Arc<Batch>,
        claims: Arc<[Claim]>,
        now: Time,
    ) -> Result<(Vec<Admitted>, Handed), Error> {
        self.store
            .write((permit, batch, claims, now), |tx, (permit, batch, claims, now)| {
                Box::pin(async move {
                    let admitted = admit::admit(tx, batch, *now).await?;
                    let mut handed = Handed::default();
                    if admitted.iter().any(|one| one.decision.granted() > 0) {
                        for claim in &**claims {
                            let Claimed { deliveries, look_at } = claims::claim(tx, claim, *now).await?;
                            handed.deliveries.extend(deliveries);
                            handed.looks.extend(look_at.map(|at| (Arc::clone(&claim.channel), at)));
                        }
                    }
                    permit.take()?;
                    Ok((admitted, handed))
                })
            })
            .await
    }

    /// Adds what others counted: totals by fingerprint, minute, source and outcome. Each is the whole count so far, so
    /// that writing the same again, or an older one, changes nothing.
    pub(crate) async fn write_back(&self, counted: Arc<[Counted]>) -> Result<WrittenBack, Error> {
        self.store.write(counted, |tx, counted| Box::pin(write_back::write_back(tx, counted))).await
    }

    /// Takes or renews a lease. Answers whether `holder` has it until `now` plus `span`.
    pub(crate) async fn lease(
        &self,
        name: Arc<str>,
        holder: Arc<str>,
        span: Duration,
        now: Time,
    ) -> Result<bool, Error> {
        self.store
            .write((name, holder, span, now), |tx, (name, holder, span, now)| {
                Box::pin(lease::take(tx, name, holder, *span, *now))
            })
            .await
    }

    /// Settles what was sent and claims what is due on a channel, in one transaction. When that is all that is due,
    /// answers also at which moment there may be more.
    pub(crate) async fn exchange(
        &self,
        settled: Vec<Settlement>,
        claim: Claim,
        now: Time,
    ) -> Result<(Vec<Delivery>, Option<Time>), Error> {
        self.store
            .write((settled, claim, now), |tx, (settled, claim, now)| {
                Box::pin(async move {
                    outbox::settle(tx, settled, *now).await?;
                    let Claimed { deliveries, look_at } = claims::claim(tx, claim, *now).await?;
                    let more = deliveries.len() == claim.limit;
                    let next_due = if more { None } else { outbox::next_due(tx, &claim.channel, *now).await? };
                    Ok((deliveries, next_due.into_iter().chain(look_at).min()))
                })
            })
            .await
    }

    /// Ends the windows that are over, at most `limit` of them, and stores the closing messages of those that held
    /// something back. Answers how many windows were ended.
    pub(crate) async fn close_windows(&self, expiry: Duration, limit: usize, now: Time) -> Result<usize, Error> {
        let args = (expiry, limit, now);
        self.store
            .write(args, |tx, (expiry, limit, now)| Box::pin(standing::close_due(tx, *expiry, *limit, *now)))
            .await
    }

    /// Does to an issue what a person decided. `None` when there is no such issue.
    pub(crate) async fn act(
        &self,
        fingerprint: Fingerprint,
        action: Action,
        by: String,
        note: String,
        now: Time,
    ) -> Result<Option<Issue>, Error> {
        self.store
            .write((fingerprint, action, by, note, now), |tx, (fingerprint, action, by, note, now)| {
                Box::pin(standing::act(tx, *fingerprint, action, by, note, *now))
            })
            .await
    }

    /// Does what people asked for in a signed request, once over all processes. `None` when it was done before; issues that
    /// are not there are missing from the answer.
    pub(crate) async fn act_once(&self, signed: Signed, now: Time) -> Result<Option<Vec<Issue>>, Error> {
        self.store.write((signed, now), |tx, (signed, now)| Box::pin(threads::act_once(tx, signed, *now))).await
    }

    /// The message of a channel that is due to be edited first, if there is one.
    pub(crate) async fn due_edit(&self, channel: &Arc<str>, now: Time) -> Result<Option<Due>, Error> {
        let args = (Arc::clone(channel), now);
        self.store.read(args, |tx, (channel, now)| Box::pin(threads::due(tx, channel, *now))).await
    }

    /// Claims an edit. `None` when another process was faster, or the message can no longer be composed.
    pub(crate) async fn claim_edit(&self, due: Due, now: Time) -> Result<Option<Edit>, Error> {
        self.store.write((due, now), |tx, (due, now)| Box::pin(threads::claim(tx, due, *now))).await
    }

    /// Records how an edit ended.
    pub(crate) async fn record_edit(&self, edit: Edit, edited: Edited, now: Time) -> Result<(), Error> {
        let args = (edit, edited, now);
        self.store.write(args, |tx, (edit, edited, now)| Box::pin(threads::record(tx, edit, *edited, *now))).await
    }

    /// The path segments that were learned to be parameters.
    pub(crate) async fn parameters(&self) -> Result<HashSet<Place>, Error> {
        self.store.read((), |tx, ()| Box::pin(segments::parameters(tx))).await
    }

    /// The oldest rules of sameness that an issue may go by, when `present` are those of now.
    pub(crate) async fn oldest_rules(&self, present: u8) -> Result<u8, Error> {
        self.store.write(present, |tx, present| Box::pin(former::oldest_rules(tx, *present))).await
    }

    /// Counts one issue's occurrences with another's from now on. `None` when there is no such issue.
    pub(crate) async fn merge(
        &self,
        issue: Fingerprint,
        into: Fingerprint,
        by: String,
        expiry: Duration,
        now: Time,
    ) -> Result<Option<Result<Issue, Unmergeable>>, Error> {
        self.store
            .write((issue, into, by, expiry, now), |tx, (issue, into, by, expiry, now)| {
                Box::pin(merge::merge(tx, (*issue, *into), by, *expiry, *now))
            })
            .await
    }

    /// Counts an issue's occurrences as its own again. Answers whether they were counted with another's; `None` when there
    /// is no such issue.
    pub(crate) async fn unmerge(&self, issue: Fingerprint) -> Result<Option<bool>, Error> {
        self.store.write(issue, |tx, issue| Box::pin(merge::unmerge(tx, *issue))).await
    }

    /// What people merged: each issue, and the one that it is counted with.
    pub(crate) async fn merges(&self) -> Result<HashMap<Fingerprint, Fingerprint>, Error> {
        self.store.read((), |tx, ()| Box::pin(merge::by_people(tx))).await
    }

    /// The issues that people decided about since a moment, the newest decision first; at most `limit`.
    pub(crate) async fn decided_since(&self, since: Time, limit: usize) -> Result<Vec<Issue>, Error> {
        let args = (since, limit);
        self.store.read(args, |tx, (since, limit)| Box::pin(issues::decided_since(tx, *since, *limit))).await
    }

    /// One page of issues, the last seen first.
    pub(crate) async fn issues(&self, filter: IssueFilter) -> Result<Page<Issue>, Error> {
        self.store.read(filter, |tx, filter| Box::pin(issues::list(tx, filter))).await
    }

    /// All that is known of one issue.
    pub(crate) async fn issue(&self, fingerprint: Fingerprint) -> Result<Option<IssueDetail>, Error> {
        self.store.read(fingerprint, |tx, fingerprint| Box::pin(issues::detail(tx, *fingerprint))).await
    }

    /// The issues whose fingerprint begins with these hexadecimal digits; at most two, to tell one from many.
    pub(crate) async fn fingerprints(&self, prefix: String) -> Result<Vec<Fingerprint>, Error> {
        self.store.read(prefix, |tx, prefix| Box::pin(issues::by_prefix(tx, prefix))).await
    }

    /// One page of alerts, the newest first.
    pub(crate) async fn alerts(
        &self,
        issue: Option<Fingerprint>,
        before: Option<i64>,
        limit: usize,
    ) -> Result<Page<AlertRow>, Error> {
        let args = (issue, before, limit);
        self.store.read(args, |tx, (issue, before, limit)| Box::pin(issues::alerts(tx, *issue, *before, *limit))).await
    }

    /// One page of deliveries, the newest first.
    pub(crate) async fn deliveries(
        &self,
        state: Option<crate::alert::DeliveryState>,
        channel: Option<String>,
        before: Option<i64>,
        limit: usize,
    ) -> Result<Page<DeliveryRow>, Error> {
        let args = (state, channel, before, limit);
        self.store
            .read(args, |tx, (state, channel, before, limit)| {
                Box::pin(issues::deliveries(tx, *state, channel.as_deref(), *before, *limit))
            })
            .await
    }

    /// Where the first delivery of an issue stands; those that were made in its place come later.
    pub(crate) async fn way_of(&self, fingerprint: Fingerprint) -> Result<Option<Way>, Error> {
        self.store.read(fingerprint, |tx, fingerprint| Box::pin(issues::way(tx, *fingerprint))).await
    }

    /// Gives up what waits for channels other than these. Answers how many deliveries there were.
    ///
    /// Another server of a shared archive may know more channels, while one configuration gives way to the next: what was
    /// made within `grace` is left alone.
    pub(crate) async fn bury_orphans(
        &self,
        channels: Vec<Arc<str>>,
        grace: Duration,
        now: Time,
    ) -> Result<usize, Error> {
        self.store
            .write((channels, grace, now), |tx, (channels, grace, now)| {
                Box::pin(outbox::bury_orphans(tx, channels, *grace, *now))
            })
            .await
    }

    /// Pending and dead deliveries, for the metrics.
    pub(crate) async fn backlog(&self) -> Result<(u64, u64), Error> {
        self.store.read((), |tx, ()| Box::pin(outbox::backlog(tx))).await
    }

    /// Whether the archive takes a write now.
    pub(crate) async fn probe(&self) -> Result<(), Error> {
        self.store.write((), |_, ()| Box::pin(async { Ok(()) })).await
    }

    /// The number of the project with this name, which is made when it is not there.
    pub(crate) async fn add_project(&self, name: String, now: Time) -> Result<i64, Error> {
        self.store.write((name, now), |tx, (name, now)| Box::pin(projects::add(tx, name, *now))).await
    }

    /// Lets a key send for a project.
    pub(crate) async fn add_key(&self, project: i64, key: KeyHash, now: Time) -> Result<(), Error> {
        let args = (project, key, now);
        self.store.write(args, |tx, (project, key, now)| Box::pin(projects::add_key(tx, *project, key, *now))).await
    }

    /// The projects, by number.
    pub(crate) async fn projects(&self) -> Result<Vec<KnownProject>, Error> {
        self.store.read((), |tx, ()| Box::pin(projects::list(tx))).await
    }

    /// The hashes of all keys, each with its project's number.
    pub(crate) async fn keys(&self) -> Result<Vec<(KeyHash, i64)>, Error> {
        self.store.read((), |tx, ()| Box::pin(projects::keys(tx))).await
    }

    /// A stored setting, such as the API token's hash.
    pub(crate) async fn setting(&self, name: &'static str) -> Result<Option<Vec<u8>>, Error> {
        self.store.read(name, |tx, name| Box::pin(projects::setting(tx, name))).await
    }

    /// Stores a setting unless it is there already. Answers whether it was stored.
    pub(crate) async fn set_once(&self, name: &'static str, value: Vec<u8>) -> Result<bool, Error> {
        self.store.write((name, value), |tx, (name, value)| Box::pin(projects::set_once(tx, name, value))).await
    }

    /// Removes issues with everything that belongs to them, also what was counted. For those that a measurement made.
    pub(crate) async fn remove(&self, issues: Arc<[Fingerprint]>) -> Result<(), Error> {
        self.store.write(issues, |tx, issues| Box::pin(retention::remove(tx, issues))).await
    }

    /// Removes or folds a bounded part of what is too old. Answers whether there is more.
    pub(crate) async fn forget(&self, keep: Keep, now: Time) -> Result<bool, Error> {
        let args = (keep.clone(), now);
        let old = self.store.read(args, |tx, (keep, now)| Box::pin(retention::old_issues(tx, keep, *now))).await?;
        self.store
            .write((keep, old, now), |tx, (keep, old, now)| Box::pin(retention::forget(tx, keep, old, *now)))
            .await
    }
}

/// An archive in memory, for the simulation: the real tables and statements, without a file or a thread.
#[cfg(test)]
pub(crate) fn in_memory() -> sql::Tx {
    sql::Tx::in_memory()
}

#[cfg(test)]
pub(crate) use {
    admit::admit as admit_on, sql::Tx, sql::at_once, standing::act as act_on, standing::close_due as close_due_on,
};
