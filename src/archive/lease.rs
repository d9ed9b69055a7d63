//! Leases: what one process at a time may do, such as forgetting what is too old.
//!
//! Promises: at any moment at most one holder, as far as the processes' clocks agree. What is done under a lease must
//! bear that two do it at once: a process may be stopped in the middle, and go on later.

use std::time::Duration;

use super::Error;
use super::sql::{Row, Sql, Tx, values};
use crate::time::Time;

/// See [`super::Archive::lease`].
pub(super) async fn take(tx: &mut Tx, name: &str, holder: &str, span: Duration, now: Time) -> Result<bool, Error> {
    static FIND: Sql = Sql::new("SELECT holder, expires_at FROM leases WHERE name = ?");
    static MAKE: Sql =
        Sql::new("INSERT INTO leases (name, holder, expires_at) VALUES (?, ?, ?) ON CONFLICT (name) DO NOTHING");
    static TAKE: Sql = Sql::new(
        "UPDATE leases SET holder = ?2, expires_at = ?3 WHERE name = ?1 AND (holder = ?2 OR expires_at <= ?4)",
    );
    let read = |row: &Row<'_>| Ok((row.get::<String>(0)?, row.get::<Time>(1)?));
    let until = now.plus(span);
    match tx.one(&FIND, &values![name], read).await? {
        // Most turns of the others end here, and so do those of the holder while more than half of the lease is left.
        Some((by, expires_at)) if by != holder && expires_at > now => return Ok(false),
        Some((by, expires_at)) if by == holder && expires_at > now.plus(span / 2) => return Ok(true),
        Some(_) => {}
        None => {
            tx.execute(&MAKE, &values![name, holder, until]).await?;
        }
    }
    Ok(tx.execute(&TAKE, &values![name, holder, until, now]).await? == 1)
}
