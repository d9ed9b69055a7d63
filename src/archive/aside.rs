//! An archive beside the configured one, for measuring: the same server or disk, tables of its own, nothing left behind.
//!
//! Promises: the configured archive's tables are not touched. On SQLite it is a file in the same folder, on PostgreSQL a
//! schema of the same database, on MySQL and MariaDB a database of the same server. Deliberately not here: what is done
//! in it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::mysql::MySqlConnectOptions;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, Executor};
use url::Url;

use super::Error;
use crate::config::{self, Secret};

/// How long it may take to remove everything.
const REMOVAL_MAX: Duration = Duration::from_secs(60);

/// A place for an archive that goes away again.
pub(crate) struct Aside {
    /// Of the archive in it.
    settings: config::Archive,
    kept: Kept,
}

enum Kept {
    /// A file, and the folder that was made for it.
    File(PathBuf, Option<PathBuf>),
    /// In a server: where it is, and the statement that removes it.
    Server(Secret, String),
}

impl Aside {
    /// Makes the place. `name` has small letters, digits and `_` only.
    ///
    /// # Errors
    /// [`Error::Failed`] when the server does not let this user make one.
    pub(crate) async fn make(configured: &config::Archive, name: &str) -> Result<Aside, Error> {
        if let Some(path) = configured.sqlite_path() {
            let file = format!("{path}.{name}");
            let folder = Path::new(path).parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.exists());
            let kept = Kept::File(file.clone().into(), folder.map(Path::to_owned));
            let url = Secret::new(format!("sqlite:{file}"));
            return Ok(Aside { settings: config::Archive { url, ..configured.clone() }, kept });
        }
        let mut url = Url::parse(configured.url.expose()).map_err(|error| Error::Failed(error.to_string()))?;
        let (make, remove) = if is_postgres(&url) {
            url.query_pairs_mut().append_pair("options", &format!("-c search_path={name}"));
            (format!("CREATE SCHEMA {name}"), format!("DROP SCHEMA {name} CASCADE"))
        } else {
            url.set_path(name);
            (format!("CREATE DATABASE {name}"), format!("DROP DATABASE {name}"))
        };
        let within = tokio::time::timeout(configured.timeout.get(), run(&configured.url, make));
        within.await.unwrap_or_else(|_| Err(Error::Lost("no answer in time".to_owned())))?;
        let settings = config::Archive { url: Secret::new(url.to_string()), ..configured.clone() };
        Ok(Aside { settings, kept: Kept::Server(configured.url.clone(), remove) })
    }

    /// What to open.
    pub(crate) fn settings(&self) -> &config::Archive {
        &self.settings
    }

    /// Removes it with all that is in it. The archive in it must be closed.
    ///
    /// # Errors
    /// When something of it may have stayed.
    pub(crate) async fn remove(self) -> Result<(), Error> {
        match self.kept {
            Kept::File(file, folder) => {
                for end in ["", "-wal", "-shm"] {
                    let mut path = file.clone().into_os_string();
                    path.push(end);
                    match std::fs::remove_file(&path) {
                        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                            return Err(Error::Failed(format!("{}: {error}", Path::new(&path).display())));
                        }
                        _ => {}
                    }
                }
                // Not when something else has come into it meanwhile.
                folder.map(std::fs::remove_dir);
                Ok(())
            }
            Kept::Server(url, statement) => {
                let removed = tokio::time::timeout(REMOVAL_MAX, run(&url, statement)).await;
                removed.unwrap_or_else(|_| Err(Error::Lost("no answer in time".to_owned())))
            }
        }
    }
}

fn is_postgres(url: &Url) -> bool {
    url.scheme().starts_with("postgres")
}

/// Runs a statement of this file on a connection of its own.
async fn run(url: &Secret, statement: String) -> Result<(), Error> {
    let statement = sqlx::raw_sql(sqlx::AssertSqlSafe(statement));
    if url.expose().starts_with("postgres") {
        let mut connection = url.expose().parse::<PgConnectOptions>()?.disable_statement_logging().connect().await?;
        connection.execute(statement).await?;
        connection.close().await?;
    } else {
        let mut connection = url.expose().parse::<MySqlConnectOptions>()?.disable_statement_logging().connect().await?;
        connection.execute(statement).await?;
        connection.close().await?;
    }
    Ok(())
}
