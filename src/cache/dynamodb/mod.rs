//! The cache in a DynamoDB table: one item a fingerprint, changed by conditional updates.
//!
//! Promises: the same answers as the other stores. A batch is one request for each fingerprint, so many at a time; a
//! count whose marker has another reason than the last one seen here takes a second. Expiry is compared by us: DynamoDB
//! deletes late. Deliberately not here: how items are written (`item`), and getting in (`table`).
//!
//! The role needs `dynamodb:UpdateItem`, `GetItem`, `DeleteItem` and `Scan` on the table; `DescribeTimeToLive` for advice;
//! with `create=true` also `DescribeTable`, `CreateTable` and `UpdateTimeToLive`. A global table does not do: what two
//! regions count at once would not add up.

mod item;
mod table;

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::StreamExt as _;

use self::item::{Change, EXPIRY, Item, KEY, n, number, optional, record_key, total_name, written};
use self::table::{Changed, Table};
use super::record::{Marker, Record};
use super::settings::{DynamoDbSettings, Settings};
use super::{Claim, Description, Error, ErrorKind, Grant, Pace, Sighting, Sweep, Total, Unswept, draw_epoch, floor};
use crate::issue::{Fingerprint, Reason};
use crate::time::Time;

/// Requests of one batch at a time.
const CONCURRENCY: usize = 32;
/// Markers whose reason is remembered: a wrong guess costs a request, so that losing them is cheap.
const GUESSES_MAX: usize = 20_000;
/// How often an item may change under our hands before a call gives up. Grants change a record at most budget times; the
/// time limit is the true bound.
const TRIES: usize = 200;
/// The last second of the year 9999.
const LAST_SECOND: i64 = 253_402_300_799;

/// The store.
pub(crate) struct DynamoDb {
    /// This process, among those that count.
    pod: u64,
    table: Table,
    bound: Duration,
    grace: Duration,
    guesses: Mutex<HashMap<Fingerprint, Guess>>,
}

/// What an update has to know of a marker beforehand: its expression names the counter, and differs where a mute counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Guess {
    reason: Reason,
    limited: bool,
    /// The first minute that may still be counted in.
    floor: Time,
}

impl DynamoDb {
    pub(super) fn new(table: &DynamoDbSettings, settings: &Settings) -> Result<DynamoDb, String> {
        Ok(DynamoDb {
            table: Table::new(table),
            bound: settings.timeout,
            grace: settings.grace,
            guesses: Mutex::default(),
            pod: settings.pod,
        })
    }

    fn guess(&self, fingerprint: Fingerprint) -> Guess {
        let guesses = self.guesses.lock().unwrap_or_else(PoisonError::into_inner);
        let usual = Guess { reason: Reason::Budget, limited: false, floor: Time(0) };
        guesses.get(&fingerprint).copied().unwrap_or(usual)
    }

    fn learn(&self, fingerprint: Fingerprint, guess: Guess) {
        let mut guesses = self.guesses.lock().unwrap_or_else(PoisonError::into_inner);
        if guesses.len() >= GUESSES_MAX {
            guesses.clear();
        }
        guesses.insert(fingerprint, guess);
    }

    /// Makes the requests of a batch, so many at a time; each has the same time limit, from the start of the batch.
    async fn each<R>(&self, requests: Vec<impl Future<Output = Result<R, Error>>>) -> Vec<Result<R, Error>> {
        let until = tokio::time::sleep(self.bound).deadline();
        let bounded = requests.into_iter().map(|request| tokio::time::timeout_at(until, request)).collect::<Vec<_>>();
        let answers: Vec<_> = futures_util::stream::iter(bounded).buffered(CONCURRENCY).collect().await;
        let late = |_| Err(Error::new(ErrorKind::TimedOut, "DynamoDB").after_sending());
        answers.into_iter().map(|answer| answer.unwrap_or_else(late)).collect()
    }

    async fn bounded<R>(&self, run: impl Future<Output = Result<R, Error>>) -> Result<R, Error> {
        let answered = tokio::time::timeout(self.bound, run).await;
        answered.unwrap_or_else(|_| Err(Error::new(ErrorKind::TimedOut, "DynamoDB").after_sending()))
    }

    pub(super) async fn count(&self, batch: &[(Fingerprint, u64)], now: Time) -> Vec<Result<Sighting, Error>> {
        self.each(batch.iter().map(|(fingerprint, count)| self.count_one(*fingerprint, *count, now)).collect()).await
    }

    async fn count_one(&self, fingerprint: Fingerprint, count: u64, now: Time) -> Result<Sighting, Error> {
        for _ in 0..TRIES {
            let guess = self.guess(fingerprint);
            let minute = now.minute().max(guess.floor);
            let total = total_name(self.pod, minute, Some(guess.reason));
            let mut change = Change::default()
                .when("u", ">", n(now.ms()))
                .when("q", "=", written(guess.reason))
                .when("f", "<=", n(minute.ms()))
                .add(&total, n(count))
                .add("s", n(count))
                .add("c", n(1))
                .set("d", n(1));
            change = if guess.limited {
                change.when("l", ">=", n(count)).add("l", AttributeValue::N(format!("-{count}")))
            } else {
                change.when_absent("l")
            };
            let item = match self.table.change(record_key(fingerprint), change).await? {
                Changed::Done(item) => {
                    let (record, total) = (item::record(&item)?, number(&item, &total)?);
                    return Ok(Sighting::Quiet { record, minute, total });
                }
                Changed::Not(None) => return Ok(Sighting::Ask { record: None }),
                Changed::Not(Some(item)) => item,
            };
            let record = item::record(&item)?;
            if now >= record.marker.quiet_until {
                return Ok(Sighting::Ask { record: Some(record) });
            }
            let left: Option<u64> = optional(&item, "l")?;
            if left.is_some_and(|left| left < count)
                && let Some(record) = self.close(fingerprint, &record, left).await?
            {
                return Ok(Sighting::Ask { record: Some(record) });
            }
            let floor = Time(number(&item, "f")?);
            self.learn(fingerprint, Guess { reason: record.marker.reason, limited: left.is_some(), floor });
        }
        Err(contended())
    }

    /// Ends a mute that has too little room: the archive divides what is left, and must be the only one to use it. `None`
    /// when the record changed meanwhile.
    async fn close(
        &self,
        fingerprint: Fingerprint,
        record: &Record,
        left: Option<u64>,
    ) -> Result<Option<Record>, Error> {
        if left == Some(0) {
            return Ok(Some(record.clone()));
        }
        let change = Change::default()
            .when("e", "=", n(record.epoch))
            .when("v", "=", n(record.marker.revision))
            .when_same("l", left.map(n))
            .set("m", n(record.held))
            .set("l", n(0));
        match self.table.change(record_key(fingerprint), change).await? {
            Changed::Done(item) => item::record(&item).map(Some),
            Changed::Not(_) => Ok(None),
        }
    }

    pub(super) async fn remember(&self, markers: &[(Fingerprint, Marker)], now: Time) -> Result<(), Error> {
        let epoch = draw_epoch();
        let remember = |(fingerprint, marker): &(Fingerprint, Marker)| {
            let guess = Guess { limited: marker.more.is_some(), reason: marker.reason, ..self.guess(*fingerprint) };
            self.learn(*fingerprint, guess);
        };
        markers.iter().for_each(remember);
        let requests =
            markers.iter().map(|(fingerprint, marker)| self.remember_one(*fingerprint, marker, epoch, now)).collect();
        self.each(requests).await.into_iter().collect()
    }

    async fn remember_one(
        &self,
        fingerprint: Fingerprint,
        marker: &Marker,
        epoch: u64,
        now: Time,
    ) -> Result<(), Error> {
        let opened_at = n(marker.window_opened_at.ms());
        let mut known: Option<Record> = None;
        for _ in 0..TRIES {
            let change = match &known {
                // New, or of another window.
                None => Change::default()
                    .when("v", "<", n(marker.revision))
                    .when("o", "<>", opened_at.clone())
                    .all()
                    .when_absent(KEY)
                    .any()
                    .set("g", n(marker.granted))
                    .set("s", n(marker.seen)),
                // Of the same window, in which what was granted and seen only grows.
                Some(known) => {
                    let granted = known.marker.granted;
                    let change = Change::default()
                        .when("v", "=", n(known.marker.revision))
                        .when("o", "=", opened_at.clone())
                        .when("g", "=", n(granted))
                        .set("g", n(granted.max(marker.granted)));
                    if known.marker.seen >= marker.seen {
                        change.when("s", ">=", n(marker.seen))
                    } else {
                        change.when("s", "<", n(marker.seen)).set("s", n(marker.seen))
                    }
                }
            };
            let change = change
                .set("v", n(marker.revision))
                .set("q", written(marker.reason))
                .set("u", n(marker.quiet_until.ms()))
                .set_or_remove("m", marker.more.map(n))
                .set_or_remove("l", marker.more.map(n))
                .set("o", opened_at.clone())
                .set_or_remove("w", marker.window_ends_at.map(|ends_at| n(ends_at.ms())))
                .set("b", n(marker.budget))
                .set_once("e", n(epoch))
                .set_once("f", n(0))
                .set(EXPIRY, self.expiry(marker.lapses_at(now)));
            match self.table.change(record_key(fingerprint), change).await? {
                Changed::Done(_) => return Ok(()),
                Changed::Not(None) => known = None,
                Changed::Not(Some(item)) => {
                    let record = item::record(&item)?;
                    if record.marker.revision >= marker.revision {
                        return Ok(());
                    }
                    let same = record.marker.window_opened_at == marker.window_opened_at;
                    known = same.then_some(record);
                }
            }
        }
        Err(contended())
    }

    /// When DynamoDB may delete what lapses then.
    fn expiry(&self, lapses_at: Time) -> AttributeValue {
        n((lapses_at.plus(self.grace).ms() / 1_000 + 1).min(LAST_SECOND))
    }

    pub(super) async fn grant(&self, claims: &[Claim], now: Time) -> Vec<Result<Grant, Error>> {
        let epoch = draw_epoch();
        self.each(claims.iter().map(|claim| self.grant_one(claim, epoch, now)).collect()).await
    }

    async fn grant_one(&self, claim: &Claim, epoch: u64, now: Time) -> Result<Grant, Error> {
        let mut known: Option<Item> = None;
        for _ in 0..TRIES {
            let before = known.as_ref().map(item::record).transpose()?;
            let floor = known.as_ref().map_or(Ok(0), |item| number(item, "f")).map(Time)?;
            let left: Option<u64> = known.as_ref().map_or(Ok(None), |item| optional(item, "l"))?;
            let fresh = || Record::new(epoch, Marker::provisional(0, claim.budget, now));
            let mut record = before.clone().unwrap_or_else(fresh);
            let allotment = record.grant(claim, now);
            let minute = now.minute().max(floor);

            // What was decided on must be as it was; counts of others may have been added meanwhile.
            let mut change = match &before {
                None => Change::default().when_absent(KEY).set("e", n(epoch)).set("f", n(0)),
                Some(Record { epoch, marker, .. }) => Change::default()
                    .when("e", "=", n(epoch))
                    .when("v", "=", n(marker.revision))
                    .when("u", "=", n(marker.quiet_until.ms()))
                    .when("o", "=", n(marker.window_opened_at.ms()))
                    .when("g", "=", n(marker.granted))
                    .when("f", "=", n(floor.ms()))
                    .when_same("l", left.map(n)),
            };
            let marker = &record.marker;
            let goes_on = before.is_some_and(|before| before.marker.window_opened_at == marker.window_opened_at);
            change = if goes_on { change.add("s", n(claim.count)) } else { change.set("s", n(marker.seen)) };
            change = change
                .set("v", n(marker.revision))
                .set("q", written(marker.reason))
                .set("u", n(marker.quiet_until.ms()))
                .set_or_remove("m", marker.more.map(n))
                .set_or_remove("l", marker.more.map(|more| n(more.saturating_sub(record.held))))
                .set("o", n(marker.window_opened_at.ms()))
                .set_or_remove("w", marker.window_ends_at.map(|ends_at| n(ends_at.ms())))
                .set("b", n(marker.budget))
                .set("g", n(marker.granted))
                .set(EXPIRY, self.expiry(record.lapses_at(now)))
                .add("c", n(1))
                .set("d", n(1));
            for (reason, count) in allotment.counts() {
                change = change.add(&total_name(self.pod, minute, reason), n(count));
            }
            match self.table.change(record_key(claim.fingerprint), change).await? {
                Changed::Not(item) => known = item,
                Changed::Done(item) => {
                    let total = |(reason, _)| {
                        Ok(Total {
                            pod: self.pod,
                            minute,
                            reason,
                            total: number(&item, &total_name(self.pod, minute, reason))?,
                        })
                    };
                    return Ok(Grant {
                        granted: allotment.granted,
                        first_ordinal: allotment.first_ordinal,
                        record: item::record(&item)?,
                        totals: allotment.counts().map(total).collect::<Result<_, Error>>()?,
                    });
                }
            }
        }
        Err(contended())
    }

    pub(super) async fn sweep(&self, after: Option<Fingerprint>, limit: usize, _now: Time) -> Result<Sweep, Error> {
        self.bounded(async {
            let mut after = after.map(record_key);
            let mut sweep = Sweep::default();
            // One page: what is read is bounded, and there may be another page although this one holds nothing.
            loop {
                let page = self.table.scan("d", after.take(), i32::try_from(limit).unwrap_or(i32::MAX)).await?;
                for item in page.items.unwrap_or_default() {
                    let fingerprint = item.get(KEY).and_then(item::fingerprint_of);
                    if let Some(fingerprint) = fingerprint {
                        let (epoch, totals) = (number(&item, "e")?, item::totals(&item)?);
                        sweep.unswept.push(Unswept { fingerprint, epoch, totals });
                    }
                }
                let Some(last) = page.last_evaluated_key.as_ref().and_then(|key| key.get(KEY)) else {
                    return Ok(sweep);
                };
                if let Some(fingerprint) = item::fingerprint_of(last) {
                    sweep.next = Some(fingerprint);
                    return Ok(sweep);
                }
                // It ended at a pace, which is no place to go on from: there are few.
                after = last.as_s().ok().cloned();
            }
        })
        .await
    }

    pub(super) async fn swept(&self, written: &[Unswept], now: Time) -> Result<(), Error> {
        let noted = self.each(written.iter().map(|written| self.swept_one(written, now)).collect()).await;
        noted.into_iter().collect()
    }

    async fn swept_one(&self, written: &Unswept, now: Time) -> Result<(), Error> {
        let key = record_key(written.fingerprint);
        let floor = floor(now);
        let Some(item) = self.table.get(&key).await? else { return Ok(()) };
        if number::<u64>(&item, "e")? != written.epoch {
            return Ok(());
        }
        let totals = item::totals(&item)?;
        let known: Vec<&Total> = totals.iter().filter(|total| written.totals.contains(total)).collect();
        let over: Vec<&&Total> = known.iter().filter(|total| total.minute < floor).collect();
        if known.is_empty() && !totals.is_empty() {
            return Ok(());
        }
        let mut change = Change::default().when("e", "=", n(written.epoch)).when_same("c", item.get("c").cloned());
        for total in &over {
            change = change.remove(&total_name(total.pod, total.minute, total.reason));
        }
        if !over.is_empty() && number::<i64>(&item, "f")? < floor.ms() {
            change = change.set("f", n(floor.ms()));
        }
        if known.len() == totals.len() {
            change = change.remove("d");
        } else if over.is_empty() {
            return Ok(());
        }
        // Not, when something was counted since it was read: it will be swept again.
        self.table.change(key, change).await.map(drop)
    }

    pub(super) async fn pace(&self, destination: &str, pace: Pace, now: Time) -> Result<Time, Error> {
        let key = pace_key(destination);
        let now_us = now.ms().saturating_mul(1_000);
        self.bounded(async {
            let mut known: Option<i64> = None;
            if pace.per_minute == 0 {
                let item = self.table.get(&key).await?;
                let rested_us = item.as_ref().map(|item| number(item, "us")).transpose()?.unwrap_or(now_us);
                return Ok(now.max(Time(rested_us / 1_000)));
            }
            for _ in 0..TRIES {
                let caught_up_us = known.unwrap_or(now_us);
                let turn_us = caught_up_us - pace.tolerance_us();
                if turn_us > now_us {
                    return Ok(Time(turn_us.div_euclid(1_000) + i64::from(turn_us.rem_euclid(1_000) > 0)));
                }
                let next_us = caught_up_us.max(now_us) + pace.interval_us();
                let change = Change::default()
                    .when_same("us", known.map(n))
                    .set("us", n(next_us))
                    .set(EXPIRY, self.expiry(Time(next_us / 1_000)));
                match self.table.change(key.clone(), change).await? {
                    Changed::Done(_) => return Ok(now),
                    Changed::Not(item) => known = item.as_ref().map(|item| number(item, "us")).transpose()?,
                }
            }
            Err(contended())
        })
        .await
    }

    pub(super) async fn hold(&self, destination: &str, pace: Pace, until: Time, _: Time) -> Result<(), Error> {
        let (key, rested_us) = (pace_key(destination), pace.rested_us(until));
        self.bounded(async {
            let mut known: Option<i64> = None;
            for _ in 0..TRIES {
                if known.is_some_and(|caught_up_us| caught_up_us >= rested_us) {
                    return Ok(());
                }
                let change = Change::default()
                    .when_same("us", known.map(n))
                    .set("us", n(rested_us))
                    .set(EXPIRY, self.expiry(Time(rested_us / 1_000)));
                match self.table.change(key.clone(), change).await? {
                    Changed::Done(_) => return Ok(()),
                    Changed::Not(item) => known = item.as_ref().map(|item| number(item, "us")).transpose()?,
                }
            }
            Err(contended())
        })
        .await
    }

    /// Deletes a record, as DynamoDB does with what has expired.
    #[cfg(test)]
    pub(super) async fn delete(&self, fingerprint: Fingerprint) {
        let item = self.table.get(&record_key(fingerprint)).await.unwrap().unwrap();
        self.table.delete_if(record_key(fingerprint), "e", item["e"].clone()).await.unwrap();
    }

    pub(super) async fn size(&self) -> Result<Option<u64>, Error> {
        Ok(None)
    }

    pub(super) async fn ping(&self) -> Result<(), Error> {
        self.bounded(self.table.get("ping")).await.map(drop)
    }

    pub(super) async fn describe(&self) -> Result<Description, Error> {
        self.bounded(self.table.describe()).await
    }
}

/// A destination may be a URL with a secret, and of any length.
fn pace_key(destination: &str) -> String {
    format!("p#{:032x}", xxhash_rust::xxh3::xxh3_128(destination.as_bytes()))
}

fn contended() -> Error {
    Error::new(ErrorKind::Refused, "the item changed under every try")
}
