//! PostgreSQL, MySQL and MariaDB: a pool of connections, transactions, and what their errors mean.
//!
//! Promises: a transaction that the server wants done again (a deadlock, a lock waited for too long) is done again, a few
//! times. A connection that broke is an error of the call, which says whether nothing was stored or nobody knows. What
//! was begun is ended even when whoever asked has gone. No error names more of the URL than host and database.

use std::sync::Arc;
use std::time::Duration;

use sqlx::mysql::{MySqlArguments, MySqlConnectOptions, MySqlPoolOptions};
use sqlx::postgres::{PgArguments, PgConnectOptions, PgPoolOptions};
use sqlx::{Arguments, ConnectOptions, Connection, Executor, MySqlPool, PgPool, Row};

use super::super::Error;
use super::{Dialect, Tx, Value, Work, migrate};
use crate::config;

/// How often a transaction is tried.
const TRIES: u32 = 10;
/// Statements kept prepared on each connection: lists come in several sizes.
const PREPARED_STATEMENTS: usize = 256;
/// A connection that nobody used for so long is closed.
const IDLE_MAX: Duration = Duration::from_secs(300);

/// What the archive lives in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Kind {
    /// Its name, for people.
    pub(crate) name: &'static str,
    /// Its version, as it says itself.
    pub(crate) version: String,
}

/// A server's database.
#[derive(Clone)]
pub(crate) struct Server {
    pool: Pool,
    kind: Arc<Kind>,
    /// How long one transaction may take, seen from here: statements have bounds of their own at the server.
    span: Duration,
    connections: u32,
}

#[derive(Clone)]
enum Pool {
    Postgres(PgPool),
    MySql { pool: MySqlPool, stride: i64 },
}

impl Server {
    /// Connects, and brings the tables up to date.
    pub(crate) async fn open(settings: &config::Archive) -> Result<Server, Error> {
        let place = settings.place();
        let open = |error: Error| Error::Open { path: place.clone(), why: error.to_string() };
        // The pool only says that it waited for too long.
        let reached = tokio::time::timeout(settings.timeout.get(), reach(settings.url.expose())).await;
        reached.unwrap_or_else(|_| Err(too_long())).map_err(open)?;
        let pool = connect(settings).map_err(|error| open(error.into()))?;
        let span = settings.timeout.get() * 2;
        let unknown = Arc::new(Kind { name: "", version: String::new() });
        let mut server = Server { pool, kind: unknown, span, connections: settings.connections };
        let mut tx = server.acquire().await.map_err(open)?;
        let kind = kind(&mut tx).await.map_err(open)?;
        server.kind = Arc::new(kind);
        if let (Pool::MySql { stride, .. }, Tx::MySql { connection, .. }) = (&mut server.pool, &mut tx) {
            let row =
                sqlx::query("SELECT CAST(@@auto_increment_increment AS SIGNED)").fetch_one(&mut **connection).await;
            *stride = row.and_then(|row| row.try_get(0)).map_err(|error| open(error.into()))?;
        }
        migrate::migrate(&mut tx).await.map_err(open)?;
        Ok(server)
    }

    /// What it is.
    pub(crate) fn kind(&self) -> &Kind {
        &self.kind
    }

    /// Has the database run these statements every minute, each by its name. Answers why it does not.
    pub(crate) async fn schedule(&self, statements: &[(&str, String)]) -> Result<(), String> {
        let Pool::MySql { pool, .. } = &self.pool else { return Err("PostgreSQL has no event scheduler".to_owned()) };
        let schedule = async {
            let mut connection = pool.acquire().await?;
            let row = sqlx::query("SELECT @@event_scheduler").fetch_one(&mut *connection).await?;
            if row.try_get_unchecked::<&str, _>(0)? != "ON" {
                return Ok(false);
            }
            for (name, statement) in statements {
                // One makes it, the other brings one up to date that an older configuration made.
                for words in ["CREATE EVENT IF NOT EXISTS {} ON SCHEDULE EVERY 1 MINUTE DO", "ALTER EVENT {} ENABLE DO"]
                {
                    let sql = format!("{} {statement}", words.replace("{}", name));
                    connection.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(sql))).await?;
                }
            }
            Ok::<bool, sqlx::Error>(true)
        };
        match tokio::time::timeout(self.span, schedule).await {
            Ok(Ok(true)) => Ok(()),
            Ok(Ok(false)) => Err("the database's event scheduler is off".to_owned()),
            Ok(Err(error)) => Err(format!("events cannot be made: {error}")),
            Err(_) => Err(TOO_LONG.to_owned()),
        }
    }

    /// Runs `work` in a transaction and answers once it is committed.
    pub(crate) async fn write<A, T>(&self, args: A, work: Work<A, T>) -> Result<T, Error>
    where
        A: Send + Sync + 'static,
        T: Send + 'static,
    {
        let server = self.clone();
        // On its own, so that a caller that is gone does not leave a transaction open.
        let done = tokio::spawn(async move {
            for nth in 1.. {
                match server.attempt(&args, work).await {
                    Err(Error::Busy(why)) if nth < TRIES => {
                        tracing::debug!(why, nth, "a transaction is done again");
                        tokio::time::sleep(pause(nth)).await;
                    }
                    done => return done,
                }
            }
            unreachable!("the last try is answered")
        });
        done.await.map_err(|_| Error::Closed)?
    }

    /// Runs `query` on a connection. Each of its statements sees what is committed when it begins.
    pub(crate) async fn read<A, T>(&self, args: A, query: Work<A, T>) -> Result<T, Error>
    where
        A: Send + Sync + 'static,
        T: Send + 'static,
    {
        let server = self.clone();
        let done = tokio::spawn(async move {
            let mut left = server.connections;
            loop {
                let mut tx = server.acquire().await?;
                let done = tokio::time::timeout(server.span, query(&mut tx, &args)).await;
                let done = done.unwrap_or_else(|_| Err(too_long()));
                if matches!(done, Err(Error::Lost(_))) {
                    tx.break_off();
                    // It may have been broken for long: a restart of the server breaks all that were idle.
                    if left > 0 && !matches!(&done, Err(error) if error.is_too_long()) {
                        left -= 1;
                        continue;
                    }
                }
                return done;
            }
        });
        done.await.map_err(|_| Error::Closed)?
    }

    async fn attempt<A, T>(&self, args: &A, work: Work<A, T>) -> Result<T, Error> {
        let mut open = Open(Some(self.begin().await?));
        let tx = open.0.as_mut().expect("it has just been opened");
        let done = tokio::time::timeout(self.span, work(tx, args)).await.unwrap_or_else(|_| Err(too_long()));
        match done {
            Ok(value) => match tokio::time::timeout(self.span, tx.say("COMMIT")).await {
                Ok(Ok(())) => {
                    open.ended();
                    Ok(value)
                }
                // The server said no: what it says is true.
                Ok(Err(error @ (Error::Busy(_) | Error::Failed(_)))) => Err(error),
                Ok(Err(error)) => Err(Error::Unknown(error.to_string())),
                Err(_) => Err(Error::Unknown(TOO_LONG.to_owned())),
            },
            Err(error) => {
                if !matches!(error, Error::Lost(_))
                    && matches!(tokio::time::timeout(self.span, tx.say("ROLLBACK")).await, Ok(Ok(())))
                {
                    open.ended();
                }
                Err(error)
            }
        }
    }

    /// A connection with a transaction begun. Idle connections may have been broken for long, by a restart of the server
    /// or by something between; nothing was done on them, so the next one is tried.
    async fn begin(&self) -> Result<Tx, Error> {
        let mut left = self.connections;
        loop {
            let mut tx = self.acquire().await?;
            match tokio::time::timeout(self.span, tx.say("BEGIN")).await {
                Ok(Ok(())) => return Ok(tx),
                Ok(Err(_)) if left > 0 => {
                    left -= 1;
                    tx.break_off();
                }
                Ok(Err(error)) => {
                    tx.break_off();
                    return Err(error);
                }
                Err(_) => {
                    tx.break_off();
                    return Err(too_long());
                }
            }
        }
    }

    async fn acquire(&self) -> Result<Tx, Error> {
        match &self.pool {
            Pool::Postgres(pool) => Ok(Tx::Postgres(pool.acquire().await?)),
            Pool::MySql { pool, stride } => Ok(Tx::MySql { connection: pool.acquire().await?, stride: *stride }),
        }
    }
}

impl Tx {
    async fn say(&mut self, word: &'static str) -> Result<(), Error> {
        match self {
            Tx::Sqlite(_) => unreachable!("SQLite has no pool"),
            Tx::Postgres(connection) => connection.execute(sqlx::raw_sql(word)).await.map(drop)?,
            Tx::MySql { connection, .. } => connection.execute(sqlx::raw_sql(word)).await.map(drop)?,
        }
        Ok(())
    }

    /// Closes the socket at once. The server then undoes what was not committed.
    fn break_off(self) {
        match self {
            Tx::Sqlite(_) => {}
            Tx::Postgres(connection) => drop(connection.detach()),
            Tx::MySql { connection, .. } => drop(connection.detach()),
        }
    }
}

/// A transaction that is open. Its connection is broken off unless it was ended: the next one to take the connection must
/// not go on with it.
struct Open(Option<Tx>);

impl Open {
    /// The connection is good for others.
    fn ended(mut self) {
        drop(self.0.take());
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if let Some(tx) = self.0.take() {
            tx.break_off();
        }
    }
}

fn too_long() -> Error {
    Error::Lost(TOO_LONG.to_owned())
}

const TOO_LONG: &str = "no answer in time";

impl Error {
    fn is_too_long(&self) -> bool {
        matches!(self, Error::Lost(why) if why == TOO_LONG)
    }
}

/// Some milliseconds, different ones for those who collided.
fn pause(nth: u32) -> Duration {
    let random = getrandom::u32().unwrap_or_default() % (8 * nth);
    Duration::from_millis(u64::from(nth * nth + random))
}

/// Whether the server takes a connection, and why not.
async fn reach(url: &str) -> Result<(), Error> {
    if dialect(url) == Dialect::Postgres {
        url.parse::<PgConnectOptions>()?.connect().await?.close().await?;
    } else {
        url.parse::<MySqlConnectOptions>()?.connect().await?.close().await?;
    }
    Ok(())
}

fn connect(settings: &config::Archive) -> Result<Pool, sqlx::Error> {
    let (url, connections) = (settings.url.expose(), settings.connections);
    // Half of it is for a connection: whoever waits for the whole then knows that nothing was begun when there is none.
    let timeout = settings.timeout.get();
    let ms = timeout.as_millis();
    if dialect(url) == Dialect::Postgres {
        let options: PgConnectOptions = url.parse()?;
        let options = options.statement_cache_capacity(PREPARED_STATEMENTS).application_name("bongsu");
        // Statements rather than start-up options, which poolers in between refuse.
        let session: Arc<str> = format!(
            "SET statement_timeout = {ms}; SET lock_timeout = {ms}; SET idle_in_transaction_session_timeout = {}; \
             SET default_transaction_isolation = 'read committed'",
            2 * ms
        )
        .into();
        let pool = PgPoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(timeout / 2)
            .idle_timeout(IDLE_MAX)
            .test_before_acquire(false)
            .after_connect(move |connection, _| {
                let session = Arc::clone(&session);
                Box::pin(async move { connection.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(session))).await.map(drop) })
            })
            .connect_lazy_with(options.disable_statement_logging());
        return Ok(Pool::Postgres(pool));
    }
    let options: MySqlConnectOptions = url.parse()?;
    let options = options.statement_cache_capacity(PREPARED_STATEMENTS).charset("utf8mb4");
    // Whole seconds, and never none.
    let seconds = timeout.as_secs().max(1);
    let session: Arc<str> = format!(
        "SET SESSION innodb_lock_wait_timeout = {seconds}; SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED; \
         SET SESSION sql_mode = CONCAT(@@sql_mode, ',STRICT_ALL_TABLES')"
    )
    .into();
    let pool = MySqlPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(timeout / 2)
        .idle_timeout(IDLE_MAX)
        .test_before_acquire(false)
        .after_connect(move |connection, _| {
            let session = Arc::clone(&session);
            Box::pin(async move {
                for part in session.split("; ") {
                    connection.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(part.to_owned()))).await?;
                }
                Ok(())
            })
        })
        .connect_lazy_with(options.disable_statement_logging());
    Ok(Pool::MySql { pool, stride: 1 })
}

/// Which of the two a checked URL speaks of.
fn dialect(url: &str) -> Dialect {
    if url.starts_with("mysql:") || url.starts_with("mariadb:") { Dialect::MySql } else { Dialect::Postgres }
}

/// Asks the server what it is, and refuses one that is too old.
async fn kind(tx: &mut Tx) -> Result<Kind, Error> {
    let said: String = match tx {
        Tx::Sqlite(_) => unreachable!("SQLite is no server"),
        Tx::Postgres(connection) => {
            sqlx::query("SHOW server_version").fetch_one(&mut **connection).await?.try_get(0)?
        }
        Tx::MySql { connection, .. } => {
            sqlx::query("SELECT VERSION()").fetch_one(&mut **connection).await?.try_get_unchecked(0)?
        }
    };
    let (name, least): (_, [u32; 2]) = match tx {
        Tx::Postgres(_) => ("PostgreSQL", [14, 0]),
        _ if said.contains("MariaDB") => ("MariaDB", [10, 6]),
        _ => ("MySQL", [8, 0]),
    };
    let mut numbers = said.split(|c: char| !c.is_ascii_digit()).map_while(|number| number.parse::<u32>().ok());
    let found = [numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)];
    if found < least {
        return Err(Error::Failed(format!("{name} {said} is too old: {}.{} or later is needed", least[0], least[1])));
    }
    Ok(Kind { name, version: said })
}

/// The values for `$1`, `$2`, and so on.
pub(super) fn for_postgres(values: &[Value<'_>]) -> Result<PgArguments, Error> {
    let mut arguments = PgArguments::default();
    for value in values {
        match value {
            Value::Int(value) => arguments.add(value),
            // PostgreSQL's texts hold every character but this one.
            Value::Text(Some(text)) if text.contains('\0') => arguments.add(text.replace('\0', "\u{fffd}")),
            Value::Text(text) => arguments.add(text.as_deref()),
            Value::Bytes(bytes) => arguments.add(bytes.as_deref()),
            Value::Id(id) => arguments.add(id.as_slice()),
        }
        .map_err(sqlx::Error::Encode)?;
    }
    Ok(arguments)
}

/// The values for each `?`, in order.
pub(super) fn for_mysql(values: &[Value<'_>], order: &[usize]) -> Result<MySqlArguments, Error> {
    let mut arguments = MySqlArguments::default();
    for at in order {
        match &values[*at] {
            Value::Int(value) => arguments.add(value),
            Value::Text(text) => arguments.add(text.as_deref()),
            Value::Bytes(bytes) => arguments.add(bytes.as_deref()),
            Value::Id(id) => arguments.add(id.as_slice()),
        }
        .map_err(sqlx::Error::Encode)?;
    }
    Ok(arguments)
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Error {
        let why = error.to_string();
        let sqlx::Error::Database(told) = &error else {
            return match error {
                sqlx::Error::Io(_)
                | sqlx::Error::Tls(_)
                | sqlx::Error::Protocol(_)
                | sqlx::Error::PoolTimedOut
                | sqlx::Error::PoolClosed
                | sqlx::Error::WorkerCrashed => Error::Lost(why),
                _ => Error::Failed(why),
            };
        };
        if let Some(told) = told.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>() {
            return match told.number() {
                // Waited too long for a lock; a deadlock; changed since it was read; somebody made the same row meanwhile.
                1205 | 1213 | 1020 | 1062 => Error::Busy(why),
                // Too many connections; shutting down; killed.
                1040 | 1053 | 1077 | 1317 | 1927 => Error::Lost(why),
                _ => Error::Failed(why),
            };
        }
        match told.code().as_deref() {
            // Serialization; a deadlock; waited too long for a lock; somebody made the same row meanwhile.
            Some("40001" | "40P01" | "55P03" | "23505") => Error::Busy(why),
            // Too many connections; shutting down; starting up; idle for too long.
            Some("53300" | "57P01" | "57P02" | "57P03" | "25P03") => Error::Lost(why),
            Some(code) if code.starts_with("08") => Error::Lost(why),
            _ => Error::Failed(why),
        }
    }
}
