//! One way to say SQL to SQLite, PostgreSQL, MySQL and MariaDB.
//!
//! Promises: the archive's functions are written once, over [`Tx`]. On SQLite they run on the writing thread and never
//! wait, statement by statement on prepared, cached statements; to the servers a list of rows goes in one statement.
//! Deliberately not here: any table.

mod migrate;
mod server;
mod sqlite;
mod statement;
mod value;

use std::borrow::Cow;
use std::future::Future;
use std::pin::Pin;

use rusqlite::Connection;
use sqlx::pool::PoolConnection;
use sqlx::{MySql, Postgres};

pub(crate) use server::Server;
pub(crate) use sqlite::Sqlite;
use statement::LIST_MAX;
pub(crate) use statement::{Dialect, Sql};
pub(crate) use value::{Row, Value, values};

use super::Error;

/// What is done in one transaction. It may be done again, when the server asks for that.
pub(crate) type Work<A, T> = for<'a> fn(&'a mut Tx, &'a A) -> Doing<'a, T>;
/// It, being done.
pub(crate) type Doing<'a, T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send + 'a>>;

/// A transaction that is open, or a connection that reads.
pub(crate) enum Tx {
    /// SQLite's connection.
    Sqlite(Connection),
    /// A connection to PostgreSQL.
    Postgres(PoolConnection<Postgres>),
    /// A connection to MySQL or MariaDB.
    MySql {
        /// It.
        connection: PoolConnection<MySql>,
        /// How far apart the numbers of rows that are inserted together are: more than one in a cluster.
        stride: i64,
    },
}

/// Runs what never waits. On SQLite every statement is done when it has been called.
pub(crate) fn at_once<T>(work: impl Future<Output = T>) -> T {
    let mut work = std::pin::pin!(work);
    match work.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop())) {
        std::task::Poll::Ready(done) => done,
        std::task::Poll::Pending => unreachable!("SQLite's statements never wait"),
    }
}

impl Tx {
    /// SQLite's tables in memory.
    #[cfg(test)]
    pub(crate) fn in_memory() -> Tx {
        let mut connection = Connection::open_in_memory().unwrap();
        sqlite::migrate(&mut connection).unwrap();
        sqlite::keep_plans(&connection).unwrap();
        Tx::Sqlite(connection)
    }

    /// SQLite's connection itself, to look at the tables.
    #[cfg(test)]
    pub(crate) fn sqlite(&self) -> &Connection {
        let Tx::Sqlite(connection) = self else { unreachable!("only SQLite's connection is looked at") };
        connection
    }

    /// Whose words it understands.
    pub(crate) fn dialect(&self) -> Dialect {
        match self {
            Tx::Sqlite(_) => Dialect::Sqlite,
            Tx::Postgres(_) => Dialect::Postgres,
            Tx::MySql { .. } => Dialect::MySql,
        }
    }

    /// Values or rows of one statement's list. SQLite is as fast one by one, and prepares fewer statements.
    fn list_max(&self) -> usize {
        if let Tx::Sqlite(_) = self { 1 } else { LIST_MAX }
    }

    /// Runs a statement. Answers how many rows it changed; a row that is set to what it was counts.
    pub(crate) async fn execute(&mut self, sql: &'static Sql, values: &[Value<'_>]) -> Result<u64, Error> {
        self.execute_sized(sql, 1, values).await.map(|done| done.rows)
    }

    /// Runs a query and reads each row.
    pub(crate) async fn query<T: Send>(
        &mut self,
        sql: &'static Sql,
        values: &[Value<'_>],
        read: impl Fn(&Row<'_>) -> Result<T, Error> + Send,
    ) -> Result<Vec<T>, Error> {
        let mut found = Vec::new();
        self.query_sized(sql, 1, values, &read, &mut found).await?;
        Ok(found)
    }

    /// Runs a query of at most one row.
    pub(crate) async fn one<T: Send>(
        &mut self,
        sql: &'static Sql,
        values: &[Value<'_>],
        read: impl Fn(&Row<'_>) -> Result<T, Error> + Send,
    ) -> Result<Option<T>, Error> {
        self.query(sql, values, read).await.map(|found| found.into_iter().next())
    }

    /// Runs a query with a list, in as few statements as may be; the list's order is kept over several.
    pub(crate) async fn query_list<T: Send>(
        &mut self,
        sql: &'static Sql,
        values: &[Value<'_>],
        list: &[Value<'_>],
        read: impl Fn(&Row<'_>) -> Result<T, Error> + Send,
    ) -> Result<Vec<T>, Error> {
        let mut found = Vec::with_capacity(list.len());
        for part in list.chunks(self.list_max()) {
            let (size, all) = filled_up(values, part);
            self.query_sized(sql, size, &all, &read, &mut found).await?;
        }
        Ok(found)
    }

    /// Runs a statement with a list that nothing depends on twice, such as a removal.
    pub(crate) async fn execute_list(
        &mut self,
        sql: &'static Sql,
        values: &[Value<'_>],
        list: &[Value<'_>],
    ) -> Result<u64, Error> {
        let mut rows = 0;
        for part in list.chunks(self.list_max()) {
            let (size, all) = filled_up(values, part);
            rows += self.execute_sized(sql, size, &all).await?.rows;
        }
        Ok(rows)
    }

    /// Inserts rows of `width` values each.
    pub(crate) async fn insert(&mut self, sql: &'static Sql, width: usize, rows: &[Value<'_>]) -> Result<(), Error> {
        let mut rest = rows;
        while !rest.is_empty() {
            let (size, part) = largest_part(&mut rest, width, self.list_max());
            self.execute_sized(sql, size, part).await?;
        }
        Ok(())
    }

    /// Inserts rows of `width` values each, and answers the number that each was given.
    pub(crate) async fn insert_numbered(
        &mut self,
        sql: &'static Sql,
        width: usize,
        rows: &[Value<'_>],
    ) -> Result<Vec<i64>, Error> {
        let mut numbers = Vec::with_capacity(rows.len() / width);
        let mut rest = rows;
        while !rest.is_empty() {
            let (size, part) = largest_part(&mut rest, width, self.list_max());
            if let Tx::Postgres(_) = self {
                // Rows draw their numbers one after the other, in the order in which they stand in the statement.
                let mut drawn = Vec::with_capacity(size);
                self.query_sized(sql, size, part, &|row: &Row<'_>| row.get::<i64>(0), &mut drawn).await?;
                drawn.sort_unstable();
                numbers.append(&mut drawn);
            } else {
                let done = self.execute_sized(sql, size, part).await?;
                let stride = if let Tx::MySql { stride, .. } = self { *stride } else { 1 };
                // MySQL gives the rows of one insert consecutive numbers and tells the first.
                numbers.extend((0..size as i64).map(|nth| done.first + nth * stride));
            }
        }
        Ok(numbers)
    }

    async fn execute_sized(&mut self, sql: &'static Sql, size: usize, values: &[Value<'_>]) -> Result<Done, Error> {
        let ready = sql.ready(self.dialect(), size);
        match self {
            Tx::Sqlite(connection) => sqlite::execute(connection, &ready.text, values),
            Tx::Postgres(connection) => {
                let query = sqlx::query_with(&*ready.text, server::for_postgres(values)?);
                let done = query.execute(&mut **connection).await?;
                Ok(Done { rows: done.rows_affected(), first: 0 })
            }
            Tx::MySql { connection, .. } => {
                let query = sqlx::query_with(&*ready.text, server::for_mysql(values, &ready.order)?);
                let done = query.execute(&mut **connection).await?;
                let first = i64::try_from(done.last_insert_id()).unwrap_or_default();
                Ok(Done { rows: done.rows_affected(), first })
            }
        }
    }

    async fn query_sized<T: Send>(
        &mut self,
        sql: &'static Sql,
        size: usize,
        values: &[Value<'_>],
        read: &(impl Fn(&Row<'_>) -> Result<T, Error> + Send),
        found: &mut Vec<T>,
    ) -> Result<(), Error> {
        let ready = sql.ready(self.dialect(), size);
        match self {
            Tx::Sqlite(connection) => sqlite::query(connection, &ready.text, values, read, found)?,
            Tx::Postgres(connection) => {
                let query = sqlx::query_with(&*ready.text, server::for_postgres(values)?);
                for row in query.fetch_all(&mut **connection).await? {
                    found.push(read(&Row::Postgres(&row))?);
                }
            }
            Tx::MySql { connection, .. } => {
                let query = sqlx::query_with(&*ready.text, server::for_mysql(values, &ready.order)?);
                for row in query.fetch_all(&mut **connection).await? {
                    found.push(read(&Row::MySql(&row))?);
                }
            }
        }
        Ok(())
    }
}

/// What a statement did.
pub(super) struct Done {
    rows: u64,
    /// The number of the first row inserted.
    first: i64,
}

/// The values and a list, whose last value is repeated up to the next size for which there is a statement.
fn filled_up<'l, 'v>(values: &[Value<'v>], list: &'l [Value<'v>]) -> (usize, Cow<'l, [Value<'v>]>) {
    let size = list.len().next_power_of_two();
    if values.is_empty() && size == list.len() {
        return (size, Cow::Borrowed(list));
    }
    let more = list.last().into_iter().cycle().take(size - list.len());
    (size, Cow::Owned(values.iter().chain(list).chain(more).cloned().collect()))
}

/// Takes as many rows as the largest statement that they fill.
fn largest_part<'r, 'v>(rest: &mut &'r [Value<'v>], width: usize, most: usize) -> (usize, &'r [Value<'v>]) {
    let rows = (rest.len() / width).min(most);
    let size = 1 << rows.ilog2();
    let (part, after) = rest.split_at(size * width);
    *rest = after;
    (size, part)
}
