//! Projects, the hashes of their keys, and the few settings that outlive a start.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::time::Time;

/// The SHA-256 of a key. Keys are random and long, so a plain hash cannot be searched.
pub(crate) type KeyHash = [u8; 32];

/// A project that may send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KnownProject {
    /// Its number in a DSN.
    pub(crate) id: i64,
    /// Its name.
    pub(crate) name: Arc<str>,
    /// When it was made.
    pub(crate) created_at: Time,
    /// How many keys it has.
    pub(crate) keys: u32,
}

/// See [`super::Archive::add_project`].
pub(super) fn add(connection: &Connection, name: &str, now: Time) -> rusqlite::Result<i64> {
    connection
        .prepare_cached("INSERT INTO projects (name, created_at) VALUES (?, ?) ON CONFLICT DO NOTHING")?
        .execute(params![name, now])?;
    connection.prepare_cached("SELECT id FROM projects WHERE name = ?")?.query_row([name], |row| row.get(0))
}

/// See [`super::Archive::add_key`].
pub(super) fn add_key(connection: &Connection, project: i64, key: &KeyHash, now: Time) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT INTO project_keys (hash, project, created_at) VALUES (?, ?, ?)")?
        .execute(params![key, project, now])
        .map(drop)
}

/// See [`super::Archive::projects`].
pub(super) fn list(connection: &Connection) -> rusqlite::Result<Vec<KnownProject>> {
    let project = |row: &Row<'_>| {
        let name: String = row.get(1)?;
        Ok(KnownProject { id: row.get(0)?, name: name.into(), created_at: row.get(2)?, keys: row.get(3)? })
    };
    connection
        .prepare_cached(
            "SELECT p.id, p.name, p.created_at, (SELECT count(*) FROM project_keys k WHERE k.project = p.id) \
             FROM projects p ORDER BY p.id",
        )?
        .query_map([], project)?
        .collect()
}

/// See [`super::Archive::keys`].
pub(super) fn keys(connection: &Connection) -> rusqlite::Result<Vec<(KeyHash, i64)>> {
    connection
        .prepare_cached("SELECT hash, project FROM project_keys")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect()
}

/// See [`super::Archive::setting`].
pub(super) fn setting(connection: &Connection, name: &str) -> rusqlite::Result<Option<Vec<u8>>> {
    connection
        .prepare_cached("SELECT value FROM settings WHERE name = ?")?
        .query_row([name], |row| row.get(0))
        .optional()
}

/// See [`super::Archive::set_once`].
pub(super) fn set_once(connection: &Connection, name: &str, value: &[u8]) -> rusqlite::Result<bool> {
    let stored = connection
        .prepare_cached("INSERT INTO settings (name, value) VALUES (?, ?) ON CONFLICT DO NOTHING")?
        .execute(params![name, value])?;
    Ok(stored == 1)
}
