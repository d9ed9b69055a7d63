//! The archive: the only door to SQL, and the only place where an alert can come into being.
//!
//! Promises: what a method has answered is durable; a batch is one transaction; nothing here reads the clock.
//! Deliberately not here: policy. What may alert is `gate`'s decision, called inside the transaction that stores it, so
//! that there is one copy of the rule; the table's constraints (`UNIQUE (issue, window_opened_at, ordinal)`, ordinal
//! within the budget) hold even if that copy were wrong.

mod admit;
mod issues;
mod outbox;
mod projects;
mod retention;
mod rows;
mod sqlite;
mod standing;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::alert::Delivery;
pub(crate) use admit::{Admitted, Batch, Tally};
pub(crate) use issues::{AlertRow, DeliveryRow, IssueDetail, IssueFilter, MinuteCount, Page, WindowRow};
pub(crate) use outbox::{Claim, End, Settlement};
pub(crate) use projects::{KeyHash, KnownProject};
pub(crate) use retention::Keep;
use sqlite::Sqlite;

use crate::config;
use crate::issue::{Action, Fingerprint, Issue};
use crate::time::Time;

/// Why the archive did not do something. Nothing of it was stored.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The file cannot be opened or brought up to date.
    #[error("cannot open the archive {path}: {why}")]
    Open {
        /// The file.
        path: String,
        /// What the system or SQLite said.
        why: String,
    },
    /// A statement or the commit failed.
    #[error("the archive failed: {0}")]
    Failed(String),
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
    store: Sqlite,
}

impl Archive {
    /// Opens the archive that the configuration names, and brings its tables up to date.
    ///
    /// # Errors
    /// When the file cannot be opened, or was written by a newer version.
    pub(crate) fn open(settings: &config::Archive) -> Result<Archive, Error> {
        Ok(Archive { store: Sqlite::open(Path::new(sqlite_path(settings)))? })
    }

    /// Counts a batch, decides what of it alerts, and stores both with the alerts' deliveries, in one transaction.
    /// Answers one decision a tally, in order; and, when it granted alerts, what it claimed for those who asked.
    pub(crate) async fn admit(
        &self,
        batch: Arc<Batch>,
        claims: Arc<[Claim]>,
        now: Time,
    ) -> Result<(Vec<Admitted>, Vec<Delivery>), Error> {
        self.store
            .write(move |connection| {
                let admitted = admit::admit(connection, &batch, now)?;
                let mut claimed = Vec::new();
                if admitted.iter().any(|one| one.decision.granted() > 0) {
                    for claim in &*claims {
                        claimed.extend(outbox::claim(connection, claim, now)?);
                    }
                }
                Ok((admitted, claimed))
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
            .write(move |connection| {
                outbox::settle(connection, &settled, now)?;
                let claimed = outbox::claim(connection, &claim, now)?;
                let more = claimed.len() == claim.limit;
                let next_due = if more { None } else { outbox::next_due(connection, &claim.channel, now)? };
                Ok((claimed, next_due))
            })
            .await
    }

    /// Puts dead deliveries back in the queue. Answers how many there were.
    pub(crate) async fn resend(&self, id: Option<i64>, expiry: Duration, now: Time) -> Result<usize, Error> {
        self.store.write(move |connection| outbox::resend(connection, id, expiry, now)).await
    }

    /// Ends the windows that are over, at most `limit` of them, and stores the closing messages of those that held
    /// something back. Answers how many windows were ended.
    pub(crate) async fn close_windows(&self, expiry: Duration, limit: usize, now: Time) -> Result<usize, Error> {
        self.store.write(move |connection| standing::close_due(connection, expiry, limit, now)).await
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
        self.store.write(move |connection| standing::act(connection, fingerprint, &action, &by, &note, now)).await
    }

    /// One page of issues, the last seen first.
    pub(crate) async fn issues(&self, filter: IssueFilter) -> Result<Page<Issue>, Error> {
        self.store.read(move |connection| issues::list(connection, &filter)).await
    }

    /// All that is known of one issue.
    pub(crate) async fn issue(&self, fingerprint: Fingerprint) -> Result<Option<IssueDetail>, Error> {
        self.store.read(move |connection| issues::detail(connection, fingerprint)).await
    }

    /// The issues whose fingerprint begins with these hexadecimal digits; at most two, to tell one from many.
    pub(crate) async fn fingerprints(&self, prefix: String) -> Result<Vec<Fingerprint>, Error> {
        self.store.read(move |connection| issues::by_prefix(connection, &prefix)).await
    }

    /// One page of alerts, the newest first.
    pub(crate) async fn alerts(
        &self,
        issue: Option<Fingerprint>,
        before: Option<i64>,
        limit: usize,
    ) -> Result<Page<AlertRow>, Error> {
        self.store.read(move |connection| issues::alerts(connection, issue, before, limit)).await
    }

    /// One page of deliveries, the newest first.
    pub(crate) async fn deliveries(
        &self,
        state: Option<crate::alert::DeliveryState>,
        before: Option<i64>,
        limit: usize,
    ) -> Result<Page<DeliveryRow>, Error> {
        self.store.read(move |connection| issues::deliveries(connection, state, before, limit)).await
    }

    /// Gives up what waits for channels other than these. Answers how many deliveries there were.
    pub(crate) async fn bury_orphans(&self, channels: Vec<Arc<str>>, now: Time) -> Result<usize, Error> {
        self.store.write(move |connection| outbox::bury_orphans(connection, &channels, now)).await
    }

    /// Pending and dead deliveries, for the metrics.
    pub(crate) async fn backlog(&self) -> Result<(u64, u64), Error> {
        self.store.read(outbox::backlog).await
    }

    /// Whether the archive takes a write now.
    pub(crate) async fn probe(&self) -> Result<(), Error> {
        self.store.write(|_| Ok(())).await
    }

    /// The number of the project with this name, which is made when it is not there.
    pub(crate) async fn add_project(&self, name: String, now: Time) -> Result<i64, Error> {
        self.store.write(move |connection| projects::add(connection, &name, now)).await
    }

    /// Lets a key send for a project.
    pub(crate) async fn add_key(&self, project: i64, key: KeyHash, now: Time) -> Result<(), Error> {
        self.store.write(move |connection| projects::add_key(connection, project, &key, now)).await
    }

    /// The projects, by number.
    pub(crate) async fn projects(&self) -> Result<Vec<KnownProject>, Error> {
        self.store.read(projects::list).await
    }

    /// The hashes of all keys, each with its project's number.
    pub(crate) async fn keys(&self) -> Result<Vec<(KeyHash, i64)>, Error> {
        self.store.read(projects::keys).await
    }

    /// A stored setting, such as the API token's hash.
    pub(crate) async fn setting(&self, name: &'static str) -> Result<Option<Vec<u8>>, Error> {
        self.store.read(move |connection| projects::setting(connection, name)).await
    }

    /// Stores a setting unless it is there already. Answers whether it was stored.
    pub(crate) async fn set_once(&self, name: &'static str, value: Vec<u8>) -> Result<bool, Error> {
        self.store.write(move |connection| projects::set_once(connection, name, &value)).await
    }

    /// Removes or folds a bounded part of what is too old. Answers whether there is more.
    pub(crate) async fn forget(&self, keep: Keep, now: Time) -> Result<bool, Error> {
        let looking_for = keep.clone();
        let old_issues =
            self.store.read(move |connection| retention::old_issues(connection, &looking_for, now)).await?;
        self.store.write(move |connection| retention::forget(connection, &keep, &old_issues, now)).await
    }
}

/// The path of a checked `sqlite:PATH`.
pub(crate) fn sqlite_path(settings: &config::Archive) -> &str {
    let url = settings.url.expose();
    url.strip_prefix("sqlite:").unwrap_or(url)
}

/// An archive in memory, for the simulation: the real tables and statements, without a file or a thread.
#[cfg(test)]
pub(crate) fn in_memory() -> rusqlite::Connection {
    let mut connection = rusqlite::Connection::open_in_memory().unwrap();
    sqlite::migrate(&mut connection).unwrap();
    sqlite::keep_plans(&connection).unwrap();
    connection
}

#[cfg(test)]
pub(crate) use {admit::admit as admit_on, standing::act as act_on, standing::close_due as close_due_on};
