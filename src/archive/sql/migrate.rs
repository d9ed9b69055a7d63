//! Bringing a server's tables up to date.
//!
//! Promises: safe when many pods start at once, by a lock of the server's; what was applied is counted in a table, and
//! tables of a newer version are refused. PostgreSQL undoes a migration that fails; MySQL commits each statement by
//! itself, so its migrations can be begun again (`IF NOT EXISTS`).

use sqlx::{Executor, MySqlConnection, PgConnection, Row};

use super::super::Error;
use super::Tx;

const POSTGRES: &[&str] = &[
    include_str!("../../../migrations/postgres/0001_first.sql"),
    include_str!("../../../migrations/postgres/0002_identity.sql"),
    include_str!("../../../migrations/postgres/0003_folding.sql"),
];
const MYSQL: &[&str] = &[
    include_str!("../../../migrations/mysql/0001_first.sql"),
    include_str!("../../../migrations/mysql/0002_identity.sql"),
    include_str!("../../../migrations/mysql/0003_folding.sql"),
];

/// Any number that no one else uses for an advisory lock in this database: "bongsu" in ASCII.
const LOCK: i64 = 0x62_6f_6e_67_73_75;
/// How long to wait for another pod's migration.
const LOCK_WAIT_S: i64 = 60;

/// Applies the migrations that the database has not seen.
pub(super) async fn migrate(tx: &mut Tx) -> Result<(), Error> {
    match tx {
        Tx::Sqlite(_) => unreachable!("SQLite's migrations are its own"),
        Tx::Postgres(connection) => postgres(connection).await,
        Tx::MySql { connection, .. } => mysql(connection).await,
    }
}

fn refuse_newer(seen: i64, known: usize) -> Result<usize, Error> {
    match usize::try_from(seen) {
        Ok(seen) if seen <= known => Ok(seen),
        _ => Err(Error::Failed(format!("it was written by a newer version (tables {seen}, known are {known})"))),
    }
}

async fn postgres(connection: &mut PgConnection) -> Result<(), Error> {
    // The lock ends with the transaction, however that ends.
    connection
        .execute(sqlx::raw_sql("BEGIN; SET LOCAL statement_timeout = '60s'; SET LOCAL lock_timeout = '60s'"))
        .await?;
    let done = postgres_locked(connection).await;
    let end = if done.is_ok() { "COMMIT" } else { "ROLLBACK" };
    connection.execute(sqlx::raw_sql(end)).await?;
    done
}

async fn postgres_locked(connection: &mut PgConnection) -> Result<(), Error> {
    sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(LOCK).execute(&mut *connection).await?;
    let made = "CREATE TABLE IF NOT EXISTS bongsu_tables (version BIGINT NOT NULL PRIMARY KEY)";
    // Silently, where it is there already.
    connection.execute(sqlx::raw_sql("SET LOCAL client_min_messages = warning")).await?;
    connection.execute(sqlx::raw_sql(made)).await?;
    let newest = sqlx::query("SELECT coalesce(max(version), 0) FROM bongsu_tables").fetch_one(&mut *connection).await?;
    let seen = refuse_newer(newest.try_get(0)?, POSTGRES.len())?;
    for (number, migration) in POSTGRES.iter().copied().enumerate().skip(seen) {
        connection.execute(sqlx::raw_sql(migration)).await?;
        let applied = sqlx::query("INSERT INTO bongsu_tables (version) VALUES ($1)").bind(number as i64 + 1);
        applied.execute(&mut *connection).await?;
    }
    Ok(())
}

async fn mysql(connection: &mut MySqlConnection) -> Result<(), Error> {
    // Of this database alone: the server's locks are the same for all of its databases.
    let locked = sqlx::query("SELECT CAST(GET_LOCK(CONCAT('bongsu ', LEFT(DATABASE(), 50)), ?) AS SIGNED)")
        .bind(LOCK_WAIT_S)
        .fetch_one(&mut *connection)
        .await?;
    if locked.try_get::<Option<i64>, _>(0)? != Some(1) {
        return Err(Error::Failed("another process has been bringing the tables up to date for too long".to_owned()));
    }
    let done = mysql_locked(connection).await;
    connection.execute(sqlx::raw_sql("DO RELEASE_LOCK(CONCAT('bongsu ', LEFT(DATABASE(), 50)))")).await?;
    done
}

async fn mysql_locked(connection: &mut MySqlConnection) -> Result<(), Error> {
    let made = "CREATE TABLE IF NOT EXISTS bongsu_tables (version BIGINT NOT NULL PRIMARY KEY) ENGINE = InnoDB";
    connection.execute(sqlx::raw_sql(made)).await?;
    let newest = "SELECT CAST(coalesce(max(version), 0) AS SIGNED) FROM bongsu_tables";
    let newest = sqlx::query(newest).fetch_one(&mut *connection).await?;
    let seen = refuse_newer(newest.try_get(0)?, MYSQL.len())?;
    for (number, migration) in MYSQL.iter().copied().enumerate().skip(seen) {
        for statement in migration.split(";\n").map(str::trim).filter(|statement| !statement.is_empty()) {
            match connection.execute(sqlx::raw_sql(statement)).await {
                Err(error) if statement.contains("ALTER TABLE") && is_there(&error) => {}
                done => {
                    done?;
                }
            }
        }
        let applied = sqlx::query("INSERT INTO bongsu_tables (version) VALUES (?)").bind(number as i64 + 1);
        applied.execute(&mut *connection).await?;
    }
    Ok(())
}

/// Whether the change was made already, by a migration that was not finished: a column or a key is there (1060, 1061), or
/// was taken away (1091). An `ALTER TABLE` is made as a whole or not at all.
fn is_there(error: &sqlx::Error) -> bool {
    let error = error.as_database_error().and_then(|error| error.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>());
    error.is_some_and(|error| matches!(error.number(), 1060 | 1061 | 1091))
}
