//! What happens at an expiry: when an error may alert again, and when its record is really gone.
//!
//! Promises: what was not seen is not claimed. Deliberately not here: who is right about expiry; bongsu compares by
//! itself, whatever the store does.

use std::time::Duration;

use anyhow::Result;

use super::report::Expiry;
use super::store::{Store, admit_one, forget, marker};
use crate::archive::{Archive, Keep};
use crate::cache::{Cache, Sighting};
use crate::config::{Retention, Span};
use crate::issue::Fingerprint;
use crate::metrics::Stopwatch;
use crate::server;
use crate::time::Time;

/// How long what is measured lasts.
const LASTS: Duration = Duration::from_millis(500);
/// Records that expire together, so that their going shows in what the store holds.
const RECORDS: usize = 100;
/// How often it is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Measures it, for at most `watch` after the end.
pub(super) async fn measure(store: &Store, mechanism: &'static str, watch: Duration) -> Result<Expiry> {
    let mut expiry = Expiry { mechanism, ..Expiry::default() };
    match store {
        Store::Cache { cache, quiet, .. } => of_cache(cache, quiet[0], watch, &mut expiry).await?,
        Store::Archive { archive, aside, errors } => {
            of_archive(archive, aside.is_some(), errors[0], watch, &mut expiry).await?;
        }
    }
    Ok(expiry)
}

/// Looks until it holds; answers how late after `end` that was, or `None` when `watch` was over first.
async fn watched(end: Time, watch: Duration, mut holds: impl AsyncFnMut() -> Result<bool>) -> Result<Option<u64>> {
    let until = end.plus(watch);
    loop {
        let now = server::now();
        if holds().await? {
            return Ok(Some(u64::try_from(server::now().since(end).as_millis()).unwrap_or(u64::MAX)));
        }
        if now > until {
            return Ok(None);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

async fn of_cache(cache: &Cache, like: Fingerprint, watch: Duration, expiry: &mut Expiry) -> Result<()> {
    let records: Vec<Fingerprint> = (1..=RECORDS as u128).map(|nth| Fingerprint(like.0.wrapping_add(nth))).collect();
    let before = cache.size().await;
    let now = server::now();
    let end = now.plus(LASTS);
    let markers: Vec<_> = records.iter().map(|one| (*one, marker(1, now, end))).collect();
    cache.remember(&markers, now).await?;
    let full = cache.size().await;

    // Apart from the others, which nobody may touch: touching removes.
    let touched = Fingerprint(like.0.wrapping_add(RECORDS as u128 + 1));
    cache.remember(&[(touched, marker(1, now, end))], now).await?;
    expiry.rearmed_late_ms = watched(end, watch, async || {
        let sighting = cache.count(&[(touched, 1)], server::now()).await.remove(0)?;
        Ok(matches!(sighting, Sighting::Ask { .. }))
    })
    .await?;
    forget(cache, &[touched]).await?;

    match (before, full, cache) {
        (_, _, Cache::Memory(_)) => expiry.note = Some("it removes nothing by itself".to_owned()),
        (Ok(None), _, _) => {
            expiry.removed_late_ms = watched(end, watch, async || {
                let sighting = cache.count(&[(records[0], 1)], server::now()).await.remove(0)?;
                Ok(matches!(sighting, Sighting::Ask { record: None }))
            })
            .await?;
        }
        (Ok(Some(before)), Ok(Some(full)), _) if full == before + RECORDS as u64 => {
            expiry.removed_late_ms =
                watched(end, watch, async || Ok(cache.size().await?.is_some_and(|size| size <= before))).await?;
        }
        (Err(error), _, _) | (_, Err(error), _) => {
            expiry.note = Some(format!("it does not say how much it holds: {error}"))
        }
        _ => expiry.note = Some("others write to it, so that it cannot be told when a record is gone".to_owned()),
    }
    if expiry.removed_late_ms.is_none() && expiry.note.is_none() {
        expiry.note = Some(format!("not within {} s", watch.as_secs_f64()));
    }
    forget(cache, &records).await
}

async fn of_archive(
    archive: &Archive,
    is_aside: bool,
    error: Fingerprint,
    watch: Duration,
    expiry: &mut Expiry,
) -> Result<()> {
    let keep = Keep(Retention { events: Span::millis(LASTS.as_millis() as u64), ..Retention::default() });
    // In the archive itself it would remove what is not ours.
    let scheduled = if is_aside { archive.schedule(&keep).await } else { Err(String::new()) };
    admit_one(archive, error, LASTS).await?;
    // The moment of the archive's own, which may be a little earlier.
    let detail = archive.issue(error).await?;
    let opened_at =
        detail.and_then(|detail| detail.issue.standing.window).map_or_else(server::now, |window| window.opened_at);
    let end = opened_at.plus(LASTS);
    expiry.rearmed_late_ms = watched(end, watch, async || Ok(admit_one(archive, error, LASTS).await? > 0)).await?;
    if !is_aside {
        expiry.note = Some("removal is not measured among rows that are not the measurement's".to_owned());
        return Ok(());
    }
    let is_gone = async || Ok(archive.issue(error).await?.is_none_or(|detail| detail.events_stored == 0));
    if scheduled.is_ok() {
        // What was stored last, when it was re-armed.
        let end = server::now().plus(LASTS);
        expiry.removed_late_ms = watched(end, watch, is_gone).await?;
        let not =
            expiry.removed_late_ms.map_or_else(|| format!("not within {} s; ", watch.as_secs_f64()), |_| String::new());
        expiry.note = Some(format!("{not}the event scheduler's turn comes every 60 s"));
        return Ok(());
    }
    tokio::time::sleep(2 * LASTS).await;
    let turn = Stopwatch::start();
    while archive.forget(keep.clone(), server::now()).await? {}
    let took = turn.elapsed();
    let every = server::FORGET_EVERY.as_secs();
    expiry.note = Some(format!(
        "the housekeeping's turn comes every {every} s; its statements took {:.1} ms{}",
        took.as_secs_f64() * 1_000.0,
        if is_gone().await? { "" } else { ", and the row was still there" },
    ));
    Ok(())
}
