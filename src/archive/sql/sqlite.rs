//! SQLite's connections: one thread that writes, a few connections that read.
//!
//! Promises: a write is answered after its transaction is durable. Writes that queue up while a commit is in flight
//! share the next one, so that the disk's flush is paid once for all of them. Deliberately not here: any query.
//!
//! Speed: the log is as long as it gets before anything is written to it, so that commits overwrite blocks that the file
//! has. A flush then writes data alone; the flush of a growing file waits for the file system's journal as well.
//!
//! Durability: WAL with `synchronous = FULL`. `NORMAL` would survive kill -9 but could lose the last commits in a power
//! failure; an acknowledgement means more than that. The price is one flush a commit, which sharing makes small.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::{Semaphore, mpsc, oneshot};

use super::super::Error;
use super::{Done, Row, Tx, Value, Work, at_once};

/// Writes that may share one transaction: bounds how long the first of them waits.
const WRITES_PER_COMMIT: usize = 64;
/// Writes that may wait. Producers wait beyond it; each of them bounds its own work.
const QUEUED_WRITES: usize = 256;
/// Connections that read at a time.
const READERS: usize = 4;
/// How long a write waits for another process, such as a command of the CLI.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Pages after which the log is folded back into the file: 16 MiB, so that a busy minute's pages are copied once.
const CHECKPOINT_PAGES: u32 = 4_096;
/// Bytes of a page, and of its frame in the log; and of the log's own header.
const PAGE_BYTES: u64 = 4_096;
const FRAME_BYTES: u64 = PAGE_BYTES + 24;
const LOG_HEADER_BYTES: u64 = 32;
/// Bytes by which the log is lengthened at a time: about a millisecond, for which a write may have to wait.
const LENGTHENED_BYTES: u64 = 1 << 20;
/// Statements kept prepared on each connection: more than there are, so that none is prepared twice.
const PREPARED_STATEMENTS: usize = 64;

const MIGRATIONS: &[&str] = &[
    include_str!("../../../migrations/sqlite/0001_first.sql"),
    include_str!("../../../migrations/sqlite/0002_identity.sql"),
    include_str!("../../../migrations/sqlite/0003_folding.sql"),
];

type Job = Box<dyn FnOnce(&mut Tx, Place) -> Written + Send>;

/// Where a write stands in its transaction.
#[derive(Clone, Copy)]
enum Place {
    /// What it did is undone with the transaction, which holds nothing else yet.
    First,
    /// What it did must be undone alone: it runs in a savepoint, which keeps copies of the pages it changes.
    Later,
}

struct Written {
    failed: bool,
    answer: Answer,
}

/// Tells whoever waits how the commit went.
type Answer = Box<dyn FnOnce(Result<(), &Error>) + Send>;

/// One SQLite file.
#[derive(Clone)]
pub(crate) struct Sqlite {
    writer: mpsc::Sender<Job>,
    readers: Arc<Readers>,
}

struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Tx>>,
    permits: Arc<Semaphore>,
}

impl Sqlite {
    /// Opens or creates the file, brings its tables up to date, and starts the writing thread, which ends with the
    /// last clone.
    pub(crate) fn open(path: &Path) -> Result<Sqlite, Error> {
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            create_private(folder).map_err(|e| Error::open(path, &e))?;
        }
        let mut connection = connect(path).map_err(|e| Error::open(path, &e))?;
        migrate(&mut connection).map_err(|e| Error::open(path, &e))?;
        let (writer, queue) = mpsc::channel(QUEUED_WRITES);
        let log = log_of(path);
        std::thread::Builder::new()
            .name("archive-writer".to_owned())
            .spawn(move || write_all(connection, queue, &log))
            .map_err(|e| Error::open(path, &e))?;
        let readers =
            Readers { path: path.to_owned(), idle: Mutex::new(Vec::new()), permits: Arc::new(Semaphore::new(READERS)) };
        Ok(Sqlite { writer, readers: Arc::new(readers) })
    }

    /// Runs `work` in a transaction and answers once it is durable. What `work` did is undone when it fails, without
    /// harm to the writes that share its transaction.
    pub(crate) async fn write<A, T>(&self, args: A, work: Work<A, T>) -> Result<T, Error>
    where
        A: Send + 'static,
        T: Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |tx, place| {
            let done = match place {
                Place::First => at_once(work(tx, &args)),
                Place::Later => in_savepoint(tx, &args, work),
            };
            let failed = done.is_err();
            let answer = Box::new(move |committed: Result<(), &Error>| {
                let result = match (committed, done) {
                    (Ok(()), done) => done,
                    (Err(error), _) => Err(error.clone()),
                };
                // Nobody waits any more when the request was cancelled.
                reply.send(result).ok();
            });
            Written { failed, answer }
        });
        self.writer.send(job).await.map_err(|_| Error::Closed)?;
        answer.await.map_err(|_| Error::Closed)?
    }

    /// Runs `query` on a connection of its own that cannot write.
    pub(crate) async fn read<A, T>(&self, args: A, query: Work<A, T>) -> Result<T, Error>
    where
        A: Send + 'static,
        T: Send + 'static,
    {
        let readers = Arc::clone(&self.readers);
        // It goes with the query, which goes on when whoever asked has gone.
        let permit = Arc::clone(&readers.permits).acquire_owned().await.map_err(|_| Error::Closed)?;
        let read = move || {
            let _permit = permit;
            let idle = readers.idle.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).pop();
            let mut tx = match idle {
                Some(tx) => tx,
                None => Tx::Sqlite(connect_to_read(&readers.path)?),
            };
            let result = at_once(query(&mut tx, &args));
            readers.idle.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).push(tx);
            result
        };
        tokio::task::spawn_blocking(read).await.map_err(|_| Error::Closed)?
    }
}

/// Runs a statement on a prepared, cached statement.
pub(super) fn execute(connection: &Connection, text: &str, values: &[Value<'_>]) -> Result<Done, Error> {
    let rows = connection.prepare_cached(text)?.execute(rusqlite::params_from_iter(values))?;
    Ok(Done { rows: rows as u64, first: connection.last_insert_rowid() })
}

/// Runs a query on a prepared, cached statement.
pub(super) fn query<T>(
    connection: &Connection,
    text: &str,
    values: &[Value<'_>],
    read: &impl Fn(&Row<'_>) -> Result<T, Error>,
    found: &mut Vec<T>,
) -> Result<(), Error> {
    let mut statement = connection.prepare_cached(text)?;
    let mut rows = statement.query(rusqlite::params_from_iter(values))?;
    while let Some(row) = rows.next()? {
        found.push(read(&Row::Sqlite(row))?);
    }
    Ok(())
}

/// SQLite's write-ahead log of a file.
fn log_of(path: &Path) -> PathBuf {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    log.into()
}

/// Fills the log up with zeros towards the length that it has at a checkpoint, and answers whether it is still shorter. A
/// page number of zero is no frame, so SQLite reads no further than its own last one. Only who may write appends to a
/// log, so no other process does meanwhile.
fn lengthen_log(tx: &Tx, log: &Path) -> anyhow::Result<bool> {
    say(tx, "BEGIN IMMEDIATE")?;
    let lengthened = append_zeros(log);
    say(tx, "ROLLBACK")?;
    Ok(lengthened?)
}

fn append_zeros(log: &Path) -> std::io::Result<bool> {
    let mut file = std::fs::OpenOptions::new().append(true).open(log)?;
    let wanted = LOG_HEADER_BYTES + FRAME_BYTES * u64::from(CHECKPOINT_PAGES);
    let missing = wanted.saturating_sub(file.metadata()?.len());
    std::io::copy(&mut std::io::Read::take(std::io::repeat(0), missing.min(LENGTHENED_BYTES)), &mut file)?;
    file.sync_all()?;
    Ok(missing > LENGTHENED_BYTES)
}

/// Creates a folder that only its owner may enter: the file in it holds what users sent.
fn create_private(folder: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    connection.pragma_update(None, "journal_size_limit", 64 << 20)?;
    keep_plans(&connection)?;
    Ok(connection)
}

/// Prepares each statement once. A plan that depends on bound values would be made anew for each of them.
pub(super) fn keep_plans(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_prepared_statement_cache_capacity(PREPARED_STATEMENTS);
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map(drop)
}

fn connect_to_read(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    keep_plans(&connection)?;
    Ok(connection)
}

/// Applies the migrations that the file has not seen, each in a transaction, counted in `user_version`.
pub(super) fn migrate(connection: &mut Connection) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let seen: usize = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if seen > MIGRATIONS.len() {
        let why = format!("it was written by a newer version (tables {seen}, known are {})", MIGRATIONS.len());
        return Err(rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_SCHEMA), Some(why)));
    }
    for (number, migration) in MIGRATIONS.iter().enumerate().skip(seen) {
        transaction.execute_batch(migration)?;
        transaction.pragma_update(None, "user_version", number + 1)?;
    }
    transaction.commit()
}

fn write_all(connection: Connection, mut queue: mpsc::Receiver<Job>, log: &Path) {
    let mut tx = Tx::Sqlite(connection);
    let mut log_is_short = true;
    loop {
        let first = match queue.try_recv() {
            Ok(job) => job,
            // Nobody waits: time for what makes later writes faster.
            Err(TryRecvError::Empty) if log_is_short => {
                log_is_short = lengthen_log(&tx, log).unwrap_or_else(|error| {
                    tracing::warn!(%error, log = %log.display(), "the archive's log stays short; commits will be slower");
                    false
                });
                continue;
            }
            Err(_) => match queue.blocking_recv() {
                Some(job) => job,
                None => return,
            },
        };
        let mut written: Vec<Written> = Vec::new();
        let committed = commit_together(&mut tx, first, &mut queue, &mut written);
        if let Err(error) = &committed {
            tracing::error!(%error, writes = written.len(), "the archive could not commit");
            // What could not be committed must not be there for the next ones.
            if !is_autocommit(&tx) {
                say(&tx, "ROLLBACK").ok();
            }
        }
        for Written { answer, .. } in written {
            answer(committed.as_ref().copied());
        }
    }
}

/// One transaction for all writes that are waiting. When it cannot even begin, the first write is dropped unrun: its
/// waiter is told so by the closed channel.
fn commit_together(
    tx: &mut Tx,
    first: Job,
    queue: &mut mpsc::Receiver<Job>,
    written: &mut Vec<Written>,
) -> Result<(), Error> {
    say(tx, "BEGIN IMMEDIATE")?;
    written.push(first(tx, Place::First));
    if written[0].failed && !is_autocommit(tx) {
        return say(tx, "ROLLBACK");
    }
    while !is_autocommit(tx)
        && written.len() < WRITES_PER_COMMIT
        && let Ok(work) = queue.try_recv()
    {
        written.push(work(tx, Place::Later));
    }
    // A full disk undoes the whole transaction at once. What ran after that would have been committed on its own, and
    // its waiter told that it failed.
    if is_autocommit(tx) {
        return Err(Error::Failed("the transaction was undone; the disk may be full".to_owned()));
    }
    say(tx, "COMMIT")
}

fn in_savepoint<A, T>(tx: &mut Tx, args: &A, work: Work<A, T>) -> Result<T, Error> {
    say(tx, "SAVEPOINT work")?;
    let result = at_once(work(tx, args));
    if is_autocommit(tx) {
        return result;
    }
    if result.is_err() {
        say(tx, "ROLLBACK TO work")?;
    }
    say(tx, "RELEASE work")?;
    result
}

fn say(tx: &Tx, word: &str) -> Result<(), Error> {
    let Tx::Sqlite(connection) = tx else { unreachable!("the writer of a file has its connection") };
    connection.prepare_cached(word)?.execute([])?;
    Ok(())
}

fn is_autocommit(tx: &Tx) -> bool {
    matches!(tx, Tx::Sqlite(connection) if connection.is_autocommit())
}
