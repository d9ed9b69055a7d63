//! Threads: the message on a channel that the later ones of a window answer to, and that is edited while the window lasts.
//!
//! Promises: an edit is one process's at a time; one that comes late, after another was claimed or people decided something,
//! brings about a further one, so that what stands in the end is what is known in the end. A request that people signed is
//! taken once, over all processes.
//!
//! Deliberately not here: how a message is edited, and when to ask for the next; `deliver` says so.

use std::sync::Arc;
use std::time::Duration;

use super::sql::{Row, Sql, Tx, Value, values};
use super::{Error, claims, rows, standing};
use crate::alert::{Posted, Progress, Stage};
use crate::issue::{Action, Decided, Fingerprint, Issue, Standing, State};
use crate::time::Time;

/// The shortest time between two edits of one message, but for those that tell what people decided.
const EDITS_APART: Duration = Duration::from_secs(10);
/// How long after its end a window is told to be over: what caches counted in it is written back by then.
const LAST_EDIT_AFTER: Duration = Duration::from_secs(10);
/// Not to be edited by itself any more.
const NEVER: Time = Time(i64::MAX);
/// Known to be shown wrongly.
const UNKNOWN: i64 = -1;

/// A message that is due to be edited.
#[derive(Clone, Debug)]
pub(crate) struct Due {
    /// Its channel.
    channel: Arc<str>,
    issue: i64,
    window_opened_at: Time,
    fence: i64,
}

/// A message to be edited, claimed by this process.
#[derive(Clone, Debug)]
pub(crate) struct Edit {
    /// The message, and what it is to say.
    pub(crate) posted: Posted,
    due: Due,
    revision: i64,
    occurrences: u64,
    /// Nothing but a decision changes it after this edit.
    last: bool,
}

/// How an edit ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Edited {
    /// The message says so now.
    Shown,
    /// To be tried again, not before a moment: whether the message says so is not known.
    Again(Time),
    /// The far side will not change it.
    Refused,
    /// The message is gone.
    Gone,
}

/// Keeps what the far side calls the message that a delivery brought: the later ones of its window answer to it.
pub(super) async fn keep(tx: &mut Tx, delivery: i64, handle: &str, now: Time) -> Result<(), Error> {
    const COLUMNS: usize = 10;
    static OF: Sql = Sql::new(
        "SELECT d.channel, d.issue, a.window_opened_at, a.window_ends_at, a.occurrences_total, s.occurrences, s.revision, \
             s.state FROM deliveries d JOIN alerts a ON a.id = d.alert JOIN standings s ON s.issue = d.issue WHERE d.id = ?",
    );
    static KEEP: Sql = Sql::new(
        "INSERT INTO threads (channel, issue, window_opened_at, handle, delivery, revision, occurrences, fence, edit_at, \
             ends_at) VALUES (?*10) \
         ON CONFLICT (channel, issue, window_opened_at) DO UPDATE SET handle = excluded.handle, \
             delivery = excluded.delivery, revision = excluded.revision, occurrences = excluded.occurrences, \
             fence = threads.fence + 1, edit_at = excluded.edit_at",
    );
    let read = |row: &Row<'_>| {
        let told: u64 = row.get(4)?;
        // Nothing has happened since: the message shows all there is.
        let current = told == row.get::<u64>(5)? && row.text(7)? == Some(State::Open.name());
        let revision = if current { row.get(6)? } else { UNKNOWN };
        Ok((row.get::<String>(0)?, row.get::<i64>(1)?, row.get::<Time>(2)?, row.get::<Time>(3)?, told, revision))
    };
    let Some((channel, issue, opened_at, ends_at, told, revision)) = tx.one(&OF, &values![delivery], read).await?
    else {
        return Ok(());
    };
    let (edit_at, last_at) = (now.plus(EDITS_APART), ends_at.plus(LAST_EDIT_AFTER));
    let row = values![&*channel, issue, opened_at, handle, delivery, revision, told, 0_i64, edit_at, last_at];
    tx.insert(&KEEP, COLUMNS, &row).await
}

/// A decision about an issue is shown at once, and what is on its way meanwhile does not count.
pub(super) async fn hurry(tx: &mut Tx, issue: i64, standing: &Standing) -> Result<(), Error> {
    static HURRY: Sql =
        Sql::new("UPDATE threads SET fence = fence + 1, edit_at = 0 WHERE issue = ?1 AND window_opened_at >= ?2");
    let Some(window) = &standing.window else { return Ok(()) };
    tx.execute(&HURRY, &values![issue, window.opened_at]).await.map(drop)
}

/// The message of a channel that is due to be edited first, if there is one.
pub(super) async fn due(tx: &mut Tx, channel: &Arc<str>, now: Time) -> Result<Option<Due>, Error> {
    static DUE: Sql = Sql::new(
        "SELECT t.issue, t.window_opened_at, t.fence FROM threads t JOIN standings s ON s.issue = t.issue \
         WHERE t.channel = ?1 AND t.edit_at <= ?2 \
             AND (s.revision > t.revision OR s.occurrences > t.occurrences OR t.ends_at <= ?2) \
         ORDER BY t.edit_at LIMIT 1",
    );
    let read = |row: &Row<'_>| {
        let (issue, window_opened_at, fence) = (row.get(0)?, row.get(1)?, row.get(2)?);
        Ok(Due { channel: Arc::clone(channel), issue, window_opened_at, fence })
    };
    tx.one(&DUE, &values![&**channel, now], read).await
}

/// Claims an edit. `None` when another process was faster, or the message can no longer be composed.
pub(super) async fn claim(tx: &mut Tx, due: &Due, now: Time) -> Result<Option<Edit>, Error> {
    static CLAIM: Sql = Sql::new(
        "UPDATE threads SET fence = ?4 + 1, edit_at = ?5 \
         WHERE channel = ?1 AND issue = ?2 AND window_opened_at = ?3 AND fence = ?4",
    );
    static READ: Sql = Sql::new(concat!(
        "SELECT t.handle, t.delivery, t.ends_at, s.revision, s.occurrences, s.last_seen, \
             i.decided_at, i.decided_by, i.decided_note, w.seen, w.granted, ",
        rows::standing_columns!(),
        " FROM threads t JOIN standings s ON s.issue = t.issue JOIN issues i ON i.id = t.issue \
             LEFT JOIN windows w ON w.issue = t.issue AND w.opened_at = t.window_opened_at \
         WHERE t.channel = ?1 AND t.issue = ?2 AND t.window_opened_at = ?3"
    ));
    let Due { channel, issue, window_opened_at: opened_at, fence } = due;
    let until = now.plus(EDITS_APART);
    if tx.execute(&CLAIM, &values![&**channel, *issue, *opened_at, *fence, until]).await? != 1 {
        return Ok(None);
    }
    let read = |row: &Row<'_>| {
        let progress = Progress {
            occurrences_total: row.get(4)?,
            last_seen: row.get(5)?,
            decided: Decided { at: row.maybe(6)?, by: row.get(7)?, note: row.get(8)? },
            ..progress(rows::standing(row, 11)?, *opened_at, (row.maybe(9)?, row.maybe(10)?), now)
        };
        let last_at: Time = row.get(2)?;
        Ok((row.get::<String>(0)?, row.get::<i64>(1)?, last_at, row.get::<i64>(3)?, progress))
    };
    let read = tx.one(&READ, &values![&**channel, *issue, *opened_at], read).await?;
    let Some((handle, delivery, last_at, revision, progress)) = read else { return Ok(None) };
    let due = Due { fence: fence + 1, ..due.clone() };
    let Some(delivery) = claims::read(tx, channel, &[delivery], until).await?.into_iter().next() else {
        give_up(tx, &due).await?;
        return Ok(None);
    };
    let progress = match progress.stage {
        // A window that was replaced, and whose row is gone.
        Stage::Replaced if progress.occurrences == 0 => {
            Progress { granted: delivery.alert.ordinal, occurrences: delivery.alert.occurrences, ..progress }
        }
        _ => progress,
    };
    // Of a window that was ended before its time, nothing more comes: but what ended it may be taken back.
    let last = last_at <= now || progress.stage == Stage::Replaced;
    let occurrences = progress.occurrences_total;
    Ok(Some(Edit { posted: Posted { handle, delivery, progress }, due, revision, occurrences, last }))
}

/// How far the window that was opened at a moment has come, by the standing of its issue or by the window's own row.
fn progress(standing: Standing, opened_at: Time, row: (Option<u64>, Option<u32>), now: Time) -> Progress {
    let newest = standing.window.filter(|window| window.opened_at == opened_at);
    let (occurrences, granted, stage) = match &newest {
        Some(window) if now < window.ends_at => (window.seen, window.granted, Stage::Open),
        Some(window) => (window.seen, window.granted, Stage::Over),
        None => (row.0.unwrap_or_default(), row.1.unwrap_or_default(), Stage::Replaced),
    };
    let (occurrences_total, last_seen, decided) = (0, Time(0), Decided::default());
    Progress { granted, occurrences, occurrences_total, last_seen, stage, state: standing.state, decided }
}

/// Records how an edit ended.
pub(super) async fn record(tx: &mut Tx, edit: &Edit, edited: Edited, now: Time) -> Result<(), Error> {
    static SHOWN: Sql = Sql::new(
        "UPDATE threads SET revision = ?5, occurrences = ?6, edit_at = GREATEST(edit_at, ?7) \
         WHERE channel = ?1 AND issue = ?2 AND window_opened_at = ?3 AND fence = ?4",
    );
    // What was shown in between may stand there still.
    static LATE: Sql = Sql::new(
        "UPDATE threads SET revision = -1, edit_at = 0 WHERE channel = ?1 AND issue = ?2 AND window_opened_at = ?3",
    );
    static AGAIN: Sql = Sql::new(
        "UPDATE threads SET revision = -1, edit_at = GREATEST(edit_at, ?4) \
         WHERE channel = ?1 AND issue = ?2 AND window_opened_at = ?3",
    );
    static GONE: Sql =
        Sql::new("DELETE FROM threads WHERE channel = ?1 AND issue = ?2 AND window_opened_at = ?3 AND handle = ?4");
    let Edit { due, revision, occurrences, last, posted } = edit;
    let Due { channel, issue, window_opened_at: opened_at, fence } = due;
    match edited {
        Edited::Shown => {
            let not_before = if *last { NEVER } else { now.plus(EDITS_APART) };
            let shown = values![&**channel, *issue, *opened_at, *fence, *revision, *occurrences, not_before];
            if tx.execute(&SHOWN, &shown).await? == 0 {
                tx.execute(&LATE, &values![&**channel, *issue, *opened_at]).await?;
            }
        }
        Edited::Again(at) => drop(tx.execute(&AGAIN, &values![&**channel, *issue, *opened_at, at]).await?),
        Edited::Refused => give_up(tx, due).await?,
        Edited::Gone => {
            tx.execute(&GONE, &values![&**channel, *issue, *opened_at, posted.handle.as_str()]).await?;
        }
    }
    Ok(())
}

/// Edits the message no more, unless people decide something.
async fn give_up(tx: &mut Tx, due: &Due) -> Result<(), Error> {
    static GIVE_UP: Sql = Sql::new(
        "UPDATE threads SET edit_at = ?5 WHERE channel = ?1 AND issue = ?2 AND window_opened_at = ?3 AND fence = ?4",
    );
    let Due { channel, issue, window_opened_at, fence } = due;
    tx.execute(&GIVE_UP, &values![&**channel, *issue, *window_opened_at, *fence, NEVER]).await.map(drop)
}

/// What people asked for in one signed request.
pub(crate) struct Signed {
    /// The hash of its signature.
    pub(crate) signature: [u8; 32],
    /// When its time is over everywhere.
    pub(crate) expires_at: Time,
    /// What is to be done.
    pub(crate) actions: Vec<(Fingerprint, Action)>,
    /// Where it was asked for: what none of these channels was told of is as if it were not there.
    pub(crate) channels: Vec<Arc<str>>,
    /// Who decided.
    pub(crate) by: String,
    /// In which words.
    pub(crate) note: String,
}

/// See [`super::Archive::act_once`].
pub(super) async fn act_once(tx: &mut Tx, signed: &Signed, now: Time) -> Result<Option<Vec<Issue>>, Error> {
    const USE_ONCE: &str = "INSERT INTO used_signatures (hash, expires_at) VALUES (?, ?) ON CONFLICT (hash) DO NOTHING";
    // The neutral words become an update there, which counts a row that was there before.
    static USE: Sql =
        Sql::spelled(USE_ONCE, USE_ONCE, "INSERT IGNORE INTO used_signatures (hash, expires_at) VALUES (?, ?)");
    if tx.execute(&USE, &values![&signed.signature[..], signed.expires_at]).await? != 1 {
        return Ok(None);
    }
    let mut issues = Vec::with_capacity(signed.actions.len());
    for (fingerprint, action) in &signed.actions {
        if !was_told(tx, *fingerprint, &signed.channels).await? {
            continue;
        }
        issues.extend(standing::act(tx, *fingerprint, action, &signed.by, &signed.note, now).await?);
    }
    Ok(Some(issues))
}

/// Whether an alert of the issue went, or is to go, to one of the channels.
async fn was_told(tx: &mut Tx, fingerprint: Fingerprint, channels: &[Arc<str>]) -> Result<bool, Error> {
    static TOLD: Sql = Sql::new(
        "SELECT d.id FROM alerts a JOIN deliveries d ON d.alert = a.id WHERE a.issue IN \
             (SELECT i.id FROM issues i WHERE i.fingerprint = ?1 \
              UNION SELECT f.issue FROM former_fingerprints f WHERE f.fingerprint = ?2) \
         AND d.channel IN (?*) LIMIT 1",
    );
    let list: Vec<Value<'_>> = channels.iter().map(|channel| Value::from(&**channel)).collect();
    let told = tx.query_list(&TOLD, &values![fingerprint, fingerprint], &list, |row| row.get::<i64>(0)).await?;
    Ok(!told.is_empty())
}

/// Forgets signatures whose time is over, and threads of windows that ended before a moment. Answers how many rows the
/// larger of the two parts had.
pub(super) async fn forget(tx: &mut Tx, ended_before: Time, limit: usize, now: Time) -> Result<u64, Error> {
    static SIGNATURES: Sql = Sql::spelled(
        "DELETE FROM used_signatures WHERE hash IN \
             (SELECT hash FROM used_signatures WHERE expires_at < ?1 ORDER BY expires_at LIMIT ?2)",
        "DELETE FROM used_signatures WHERE ctid IN \
             (SELECT ctid FROM used_signatures WHERE expires_at < ?1 ORDER BY expires_at LIMIT ?2)",
        "DELETE FROM used_signatures WHERE expires_at < ?1 ORDER BY expires_at LIMIT ?2",
    );
    static THREADS: Sql = Sql::spelled(
        "DELETE FROM threads WHERE (channel, issue, window_opened_at) IN \
             (SELECT channel, issue, window_opened_at FROM threads WHERE ends_at < ?1 ORDER BY ends_at LIMIT ?2)",
        "DELETE FROM threads WHERE ctid IN (SELECT ctid FROM threads WHERE ends_at < ?1 ORDER BY ends_at LIMIT ?2)",
        "DELETE FROM threads WHERE ends_at < ?1 ORDER BY ends_at LIMIT ?2",
    );
    let signatures = tx.execute(&SIGNATURES, &values![now, limit]).await?;
    let threads = tx.execute(&THREADS, &values![ended_before, limit]).await?;
    Ok(signatures.max(threads))
}
