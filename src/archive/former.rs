//! Issues that go on under another name, because the rules of sameness changed or learned something.
//!
//! Promises: an upgrade of the rules alerts nobody again. An issue takes its new name at its next event, and keeps its
//! history, its state and its notes; what the new rules find to be one error goes on in one issue, and what they tell apart
//! begins with the window of the issue that it came out of. Former names are looked for only when an issue is about to
//! alert, so that nothing here is asked in a storm.
//!
//! Deliberately not here: what the names are (`fingerprint`); merges by hand ([`super::merge`]).

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use super::known::{self, Fresh, Known};
use super::sql::{Row, Sql, Tx, Value, values};
use super::standing::{self, Ended};
use super::{Error, merge, projects, rows};
use crate::event::Attributes;
use crate::issue::{Fingerprint, Former, State, Window};
use crate::time::Time;

/// See [`super::Archive::oldest_rules`]. What no issue goes by any more is asked for all the same: an archive remembers only
/// what it began with.
pub(super) async fn oldest_rules(tx: &mut Tx, present: u8) -> Result<u8, Error> {
    const OLDEST: &str = "oldest-rules";
    static ANY: Sql = Sql::new("SELECT id FROM issues LIMIT 1");
    if let Some(oldest) = projects::setting(tx, OLDEST).await?.and_then(|value| value.first().copied()) {
        return Ok(oldest);
    }
    // An archive that has issues, and no such setting, is older than the second version.
    let has_issues = tx.one(&ANY, &[], |row| row.get::<i64>(0)).await?.is_some();
    let oldest = if has_issues { 1 } else { present };
    projects::set_once(tx, OLDEST, &[oldest]).await?;
    Ok(oldest)
}

/// Gives issues that these had been their new name. Answers the new names that are there now.
pub(super) async fn rename(tx: &mut Tx, missing: &[&Fresh<'_>]) -> Result<Vec<Fingerprint>, Error> {
    static UNMERGED: Sql = Sql::new(
        "SELECT fingerprint, id FROM issues WHERE fingerprint IN (?*) AND id NOT IN (SELECT issue FROM merges)",
    );
    static RENAME: Sql = Sql::new(
        "UPDATE issues SET fingerprint = ?3, cause = ?4, rules = ?5, normalized = ?6, module = ?7, environment = ?8 \
         WHERE id = ?1 AND fingerprint = ?2",
    );
    static REMEMBER: Sql = Sql::new("INSERT INTO former_fingerprints (fingerprint, issue) VALUES (?1, ?2)");
    let formers: Vec<(&Fresh<'_>, Vec<Fingerprint>)> = missing
        .iter()
        .map(|one| {
            let renamed = |former: &Former| matches!(former, Former::Renamed(_)).then(|| former.fingerprint());
            (*one, one.formers().iter().filter_map(renamed).collect())
        })
        .collect();
    let list: Vec<Value<'_>> = formers.iter().flat_map(|(_, formers)| formers).copied().map(Value::from).collect();
    let read = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
    let mut found: HashMap<Fingerprint, i64> = tx.query_list(&UNMERGED, &[], &list, read).await?.into_iter().collect();
    let mut renamed = Vec::new();
    for (one, formers) in formers {
        let Some((former, id)) = formers.iter().find_map(|former| found.remove_entry(former)) else { continue };
        let event = one.event.event();
        let normalized: Attributes<'_> = (one.rules.normalize)(&event);
        let values = values![
            id,
            former,
            one.fingerprint,
            (one.rules.cause)(&event, &normalized),
            one.rules.version,
            rows::attributes_json(&normalized),
            &*normalized.module,
            &*normalized.environment,
        ];
        // Another server may have been faster.
        if tx.execute(&RENAME, &values).await? == 1 {
            tx.execute(&REMEMBER, &values![former, id]).await?;
        }
        renamed.push(one.fingerprint);
    }
    Ok(renamed)
}

/// Before these issues alert: takes into them the windows of the issues that their events were counted under before, and
/// merges those that are left of them.
pub(super) async fn join(
    tx: &mut Tx,
    about_to_alert: Vec<(&Fresh<'_>, &mut Known)>,
    expiry: Duration,
    now: Time,
) -> Result<(), Error> {
    let with_formers: Vec<(&mut Known, Vec<Former>)> = about_to_alert
        .into_iter()
        .map(|(one, known)| (known, one.formers()))
        .filter(|(_, formers)| !formers.is_empty())
        .collect();
    if with_formers.is_empty() {
        return Ok(());
    }
    let names: HashSet<Fingerprint> =
        with_formers.iter().flat_map(|(_, formers)| formers).map(|former| former.fingerprint()).collect();
    let found = find(tx, &names).await?;
    for (known, formers) in with_formers {
        for former in formers.iter().filter_map(|former| found.get(&former.fingerprint())) {
            if former.known.id == known.id {
                continue;
            }
            take_over(tx, known, &former.known, expiry, now).await?;
            if former.is_free {
                merge::store(tx, former.known.id, known.id, "", now).await?;
            }
        }
    }
    Ok(())
}

/// What an event was counted under before.
struct Found {
    known: Known,
    /// Whether it goes by that name still, and is merged into no other.
    is_free: bool,
}

/// By their names of now or of before.
async fn find(tx: &mut Tx, names: &HashSet<Fingerprint>) -> Result<HashMap<Fingerprint, Found>, Error> {
    static NOW: Sql = Sql::new(concat!(
        "SELECT i.fingerprint, (SELECT count(*) FROM merges m WHERE m.issue = i.id), ",
        known::known_columns!(),
        " FROM issues i JOIN standings s ON s.issue = i.id WHERE i.fingerprint IN (?*)"
    ));
    static BEFORE: Sql = Sql::new(concat!(
        "SELECT f.fingerprint, 1, ",
        known::known_columns!(),
        " FROM former_fingerprints f JOIN standings s ON s.issue = f.issue WHERE f.fingerprint IN (?*)"
    ));
    let list: Vec<Value<'_>> = names.iter().copied().map(Value::from).collect();
    let read =
        |row: &Row<'_>| Ok((row.get(0)?, Found { is_free: row.get::<u64>(1)? == 0, known: known::known(row, 2)? }));
    let mut found: HashMap<_, _> = tx.query_list(&BEFORE, &[], &list, read).await?.into_iter().collect();
    found.extend(tx.query_list(&NOW, &[], &list, read).await?);
    Ok(found)
}

/// An issue that is new begins where the other stands. One that is not takes over what was granted in a window that is
/// open; what people decided about the other is theirs to decide again.
pub(super) async fn take_over(
    tx: &mut Tx,
    known: &mut Known,
    former: &Known,
    expiry: Duration,
    now: Time,
) -> Result<(), Error> {
    let open = former.standing.window.clone().filter(|window| now < window.ends_at);
    if known.occurrences == 0 && known.standing.window.is_none() {
        known.standing.state = former.standing.state.clone();
        known.standing.window = open.map(begun);
        return Ok(());
    }
    let ended_by_people = matches!(known.standing.state, State::Muted { .. } | State::Resolved);
    let Some(theirs) = open.filter(|_| !ended_by_people) else { return Ok(()) };
    let before = match known.standing.window.as_mut() {
        Some(ours) if now < ours.ends_at => {
            let more = theirs.granted.min(ours.budget).saturating_sub(ours.granted);
            ours.granted += more;
            ours.seen += u64::from(more);
            return Ok(());
        }
        before => before.cloned(),
    };
    // Windows of one issue never overlap.
    let opened_at = before.as_ref().map_or(theirs.opened_at, |before| theirs.opened_at.max(before.ends_at));
    if let Some(window) = &before {
        let Known { id: issue, occurrences: occurrences_total, last_seen, .. } = *known;
        standing::end_windows(tx, &[Ended { issue, window, occurrences_total, last_seen }], expiry, true, now).await?;
    }
    known.standing.window = Some(Window { opened_at, ..begun(theirs) });
    Ok(())
}

/// Of what was seen in it elsewhere only the alerts are known here.
fn begun(window: Window) -> Window {
    Window { seen: u64::from(window.granted), ..window }
}
