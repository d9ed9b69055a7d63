//! Projects, the hashes of their keys, and the few settings that outlive a start.

use std::sync::Arc;

use super::Error;
use super::sql::{Sql, Tx, values};
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
pub(super) async fn add(tx: &mut Tx, name: &str, now: Time) -> Result<i64, Error> {
    static ADD: Sql = Sql::new("INSERT INTO projects (name, created_at) VALUES (?, ?) ON CONFLICT (name) DO NOTHING");
    static FIND: Sql = Sql::new("SELECT id FROM projects WHERE name = ?");
    // Looked for first, because a conflict too draws a number on the servers.
    if let Some(id) = tx.one(&FIND, &values![name], |row| row.get(0)).await? {
        return Ok(id);
    }
    tx.execute(&ADD, &values![name, now]).await?;
    let id = tx.one(&FIND, &values![name], |row| row.get(0)).await?;
    id.ok_or_else(|| Error::Failed("the project has just gone".to_owned()))
}

/// See [`super::Archive::add_key`].
pub(super) async fn add_key(tx: &mut Tx, project: i64, key: &KeyHash, now: Time) -> Result<(), Error> {
    static ADD: Sql = Sql::new("INSERT INTO project_keys (hash, project, created_at) VALUES (?, ?, ?)");
    tx.execute(&ADD, &values![&key[..], project, now]).await.map(drop)
}

/// See [`super::Archive::projects`].
pub(super) async fn list(tx: &mut Tx) -> Result<Vec<KnownProject>, Error> {
    static LIST: Sql = Sql::new(
        "SELECT p.id, p.name, p.created_at, (SELECT count(*) FROM project_keys k WHERE k.project = p.id) \
         FROM projects p ORDER BY p.id",
    );
    tx.query(&LIST, &[], |row| {
        let name: String = row.get(1)?;
        Ok(KnownProject { id: row.get(0)?, name: name.into(), created_at: row.get(2)?, keys: row.get(3)? })
    })
    .await
}

/// See [`super::Archive::keys`].
pub(super) async fn keys(tx: &mut Tx) -> Result<Vec<(KeyHash, i64)>, Error> {
    static KEYS: Sql = Sql::new("SELECT hash, project FROM project_keys");
    tx.query(&KEYS, &[], |row| Ok((row.get(0)?, row.get(1)?))).await
}

/// See [`super::Archive::setting`].
pub(super) async fn setting(tx: &mut Tx, name: &str) -> Result<Option<Vec<u8>>, Error> {
    static SETTING: Sql = Sql::new("SELECT value FROM settings WHERE name = ?");
    tx.one(&SETTING, &values![name], |row| row.get(0)).await
}

/// See [`super::Archive::set_once`].
pub(super) async fn set_once(tx: &mut Tx, name: &str, value: &[u8]) -> Result<bool, Error> {
    static SET: Sql = Sql::new("INSERT INTO settings (name, value) VALUES (?, ?) ON CONFLICT (name) DO NOTHING");
    if setting(tx, name).await?.is_some() {
        return Ok(false);
    }
    tx.execute(&SET, &values![name, value]).await?;
    // Somebody else may have come in between: whose value is there has won.
    Ok(setting(tx, name).await?.as_deref() == Some(value))
}
