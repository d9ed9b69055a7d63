//! The cache in Redis or Valkey: one server, Sentinel, or Cluster. Redis 7.0 or later, no modules.
//!
//! Promises: a batch is one script, or in a cluster one for each slot, sent together; each script is atomic and linear in
//! its part. Keys are `PREFIX:{NN}:…`, NN the first six bits of the fingerprint: 64 slots to spread over nodes, and an
//! index of what is not written back yet for each. Deliberately not here: what the records mean (`record`; the scripts in
//! `lua/` do the same), and connections (`node`, `topology`, `call`).
//!
//! A user of the server needs the keys `~bongsu:*` (or the prefix) and `+evalsha +eval +hmget +hget +hgetall +hset
//! +hincrby +hdel +pexpire +zadd +zrem +zrange +get +set +del +info +ping +hello +select`, in a cluster also
//! `+cluster|slots +asking`; for `bongsu bench stores` `+dbsize`; for sentinels `+sentinel|get-master-addr-by-name`. Memory has to be set to `noeviction` or a `volatile-…`
//! policy: what is evicted has to be asked of the archive, and takes with it what it counted since the last write-back.

mod call;
mod node;
mod topology;
mod wire;

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::Duration;

use self::call::{Call, Script, ask, ask_servers};
use self::topology::Topology;
use self::wire::{minute_index, slot_of};
use super::record::Marker;
use super::settings::{RedisSettings, Settings};
use super::{Claim, Description, Error, ErrorKind, Grant, Pace, Sighting, Sweep, Unswept, draw_epoch, floor};
use crate::issue::Fingerprint;
use crate::time::Time;

/// Parts of the fingerprints; each is one slot of a cluster.
const SHARDS: u8 = 64;
/// Shards whose indexes are read together when sweeping: fewer would be more round trips, more would read in vain.
const SHARDS_AT_ONCE: u8 = 16;
/// A key is not kept for longer than a century after its last decision: beyond, servers complain.
const KEPT_MS_MAX: i64 = 3_200_000_000_000;

macro_rules! script {
    ($name:ident, $file:literal) => {
        static $name: LazyLock<Script> =
            LazyLock::new(|| Script::new(concat!(include_str!("lua/reign.lua"), include_str!($file))));
    };
}
script!(COUNT, "lua/count.lua");
script!(REMEMBER, "lua/remember.lua");
script!(GRANT, "lua/grant.lua");
static SWEPT: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("lua/swept.lua")));
static HOLD: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("lua/hold.lua")));
static PACE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("lua/pace.lua")));

/// The store.
pub(crate) struct Redis {
    topology: Topology,
    /// This process, among those that count.
    pod: u64,
    prefix: String,
    bound: Duration,
    grace: Duration,
    /// The slot of each shard.
    slots: Vec<u16>,
}

/// The part of a batch that one script gets.
struct Group {
    slot: u16,
    indexes: Vec<usize>,
    /// The dirty indexes of its shards, then its records.
    keys: Vec<String>,
    shards: Vec<u8>,
}

fn shard_of(fingerprint: Fingerprint) -> u8 {
    (fingerprint.0 >> 122) as u8
}

/// The slot of a fingerprint in a cluster.
#[cfg(test)]
pub(super) fn cluster_slot(fingerprint: Fingerprint) -> u16 {
    slot_of(format!("{:02}", shard_of(fingerprint)).as_bytes())
}

impl Redis {
    pub(super) fn new(redis: &RedisSettings, settings: &Settings) -> Result<Redis, String> {
        Ok(Redis {
            topology: Topology::new(redis, settings.timeout)?,
            pod: settings.pod,
            prefix: redis.prefix.clone(),
            bound: settings.timeout,
            grace: settings.grace,
            slots: (0..SHARDS).map(|shard| slot_of(format!("{shard:02}").as_bytes())).collect(),
        })
    }

    fn record_key(&self, fingerprint: Fingerprint) -> String {
        format!("{}:{{{:02}}}:{fingerprint}", self.prefix, shard_of(fingerprint))
    }

    fn dirty_key(&self, shard: u8) -> String {
        format!("{}:{{{shard:02}}}:dirty", self.prefix)
    }

    /// Divides a batch by slots; outside a cluster all of it is one part.
    fn groups(&self, batch: impl Iterator<Item = Fingerprint>) -> Vec<Group> {
        let mut parts: BTreeMap<u8, Vec<(usize, Fingerprint)>> = BTreeMap::new();
        for (index, fingerprint) in batch.enumerate() {
            let part = if self.topology.is_cluster() { shard_of(fingerprint) } else { 0 };
            parts.entry(part).or_default().push((index, fingerprint));
        }
        let group = |(part, items): (u8, Vec<(usize, Fingerprint)>)| {
            let mut shards: Vec<u8> = items.iter().map(|(_, fingerprint)| shard_of(*fingerprint)).collect();
            shards.sort_unstable();
            shards.dedup();
            let dirty = shards.iter().map(|shard| self.dirty_key(*shard));
            let keys = dirty.chain(items.iter().map(|(_, fingerprint)| self.record_key(*fingerprint))).collect();
            let indexes = items.into_iter().map(|(index, _)| index).collect();
            Group { slot: self.slots[usize::from(part)], indexes, keys, shards }
        };
        parts.into_iter().map(group).collect()
    }

    /// Asks a script about a batch; answers one value an item, in order.
    async fn ask_each<T>(
        &self,
        script: &'static Script,
        batch: &[T],
        fingerprint: impl Fn(&T) -> Fingerprint,
        head: impl Fn(&mut Call, &Group),
        item: impl Fn(&mut Call, &Group, &T),
    ) -> Vec<Result<::redis::Value, Error>> {
        let groups = self.groups(batch.iter().map(&fingerprint));
        let calls = groups.iter().map(|group| {
            let mut call = Call::script(group.slot, script, &group.keys);
            head(&mut call, group);
            group.indexes.iter().for_each(|index| item(&mut call, group, &batch[*index]));
            call
        });
        let answered = ask(&self.topology, calls.collect(), self.bound).await;
        let mut answers: Vec<_> = batch.iter().map(|_| Err(wire::nonsense("it answered too little"))).collect();
        for (group, answer) in groups.iter().zip(answered) {
            let each = answer.and_then(wire::sequence);
            match each {
                Err(error) => group.indexes.iter().for_each(|index| answers[*index] = Err(error.clone())),
                Ok(each) => group.indexes.iter().zip(each).for_each(|(index, one)| answers[*index] = Ok(one)),
            }
        }
        answers
    }

    pub(super) async fn count(&self, batch: &[(Fingerprint, u64)], now: Time) -> Vec<Result<Sighting, Error>> {
        let head = |call: &mut Call, group: &Group| {
            call.arg(group.shards.len()).arg(now.ms()).arg(minute_index(now)).arg(self.pod);
        };
        let item = |call: &mut Call, group: &Group, (fingerprint, count): &(Fingerprint, u64)| {
            call.arg(group.dirty(*fingerprint)).arg(fingerprint.to_string()).arg(*count);
        };
        let answers = self.ask_each(&COUNT, batch, |sighting| sighting.0, head, item).await;
        answers.into_iter().map(|answer| answer.and_then(|value| wire::sighting(&value))).collect()
    }

    pub(super) async fn remember(&self, markers: &[(Fingerprint, Marker)], now: Time) -> Result<(), Error> {
        let epoch = draw_epoch();
        let calls = self.groups(markers.iter().map(|(fingerprint, _)| *fingerprint)).into_iter().map(|group| {
            let mut call = Call::script(group.slot, &REMEMBER, &group.keys[group.shards.len()..]);
            call.arg(epoch);
            for index in group.indexes {
                let marker = &markers[index].1;
                let kept = marker.lapses_at(now).plus(self.grace).since(now);
                let kept_ms = i64::try_from(kept.as_millis()).unwrap_or(KEPT_MS_MAX).clamp(1, KEPT_MS_MAX);
                wire::add_marker(&mut call, marker);
                call.arg(kept_ms);
            }
            call
        });
        self.ask_all(calls.collect()).await.map(drop)
    }

    pub(super) async fn grant(&self, claims: &[Claim], now: Time) -> Vec<Result<Grant, Error>> {
        let epoch = draw_epoch();
        let head = |call: &mut Call, group: &Group| {
            call.arg(group.shards.len()).arg(now.ms()).arg(minute_index(now));
            call.arg(epoch).arg(millis(self.grace)).arg(self.pod);
        };
        let item = |call: &mut Call, group: &Group, claim: &Claim| {
            call.arg(group.dirty(claim.fingerprint)).arg(claim.fingerprint.to_string());
            call.arg(claim.count).arg(claim.budget).arg(millis(claim.window));
            call.arg(claim.held_until.map_or(0, Time::ms).max(0));
        };
        let answers = self.ask_each(&GRANT, claims, |claim| claim.fingerprint, head, item).await;
        answers.into_iter().map(|answer| answer.and_then(|value| wire::grant(&value, self.pod))).collect()
    }

    pub(super) async fn sweep(&self, after: Option<Fingerprint>, limit: usize, now: Time) -> Result<Sweep, Error> {
        // Several round trips, within one limit.
        let swept = tokio::time::timeout(self.bound, self.page(after, limit, now)).await;
        swept.unwrap_or_else(|_| Err(Error::new(ErrorKind::TimedOut, "a page of what is not written back")))
    }

    async fn page(&self, after: Option<Fingerprint>, limit: usize, now: Time) -> Result<Sweep, Error> {
        let mut dirty: Vec<Fingerprint> = Vec::new();
        let mut next_shard = after.map_or(0, shard_of);
        // One more than the limit, to know whether there is another page.
        while next_shard < SHARDS && dirty.len() <= limit {
            let shards = next_shard..SHARDS.min(next_shard + SHARDS_AT_ONCE);
            next_shard = shards.end;
            let calls = shards.map(|shard| {
                let mut call = Call::plain(self.slots[usize::from(shard)], "ZRANGE");
                let from = after.map_or_else(|| "-".to_owned(), |after| format!("({after}"));
                call.arg(self.dirty_key(shard)).arg(from).arg("+");
                call.arg("BYLEX").arg("LIMIT").arg(0).arg(limit + 1 - dirty.len());
                call
            });
            for answer in self.ask_all(calls.collect()).await? {
                dirty.extend(wire::fingerprints(answer)?);
            }
        }
        let next = (dirty.len() > limit).then(|| dirty[limit - 1]);
        dirty.truncate(limit);
        let calls = dirty.iter().map(|fingerprint| {
            let mut call = Call::plain(self.slots[usize::from(shard_of(*fingerprint))], "HGETALL");
            call.arg(self.record_key(*fingerprint));
            call
        });
        let mut sweep = Sweep { unswept: Vec::new(), next };
        let mut lost = Vec::new();
        for (fingerprint, answer) in dirty.iter().zip(self.ask_all(calls.collect()).await?) {
            let unswept = wire::unswept(*fingerprint, answer)?;
            if unswept.is_empty() {
                lost.push(Unswept { fingerprint: *fingerprint, epoch: 0, totals: Vec::new() });
            }
            sweep.unswept.extend(unswept);
        }
        if !lost.is_empty() {
            // Their records are gone; the index does not have to know them any more.
            self.swept(&lost, now).await?;
        }
        Ok(sweep)
    }

    pub(super) async fn swept(&self, written: &[Unswept], now: Time) -> Result<(), Error> {
        let floor = floor(now);
        // A record with totals of two epochs is clean when both are written.
        let mut by_record: BTreeMap<Fingerprint, Vec<&Unswept>> = BTreeMap::new();
        written.iter().for_each(|written| by_record.entry(written.fingerprint).or_default().push(written));
        let records: Vec<_> = by_record.into_iter().collect();
        let head = |call: &mut Call, group: &Group| {
            call.arg(group.shards.len()).arg(minute_index(floor));
        };
        let calls = self.groups(records.iter().map(|(fingerprint, _)| *fingerprint)).into_iter().map(|group| {
            let mut call = Call::script(group.slot, &SWEPT, &group.keys);
            head(&mut call, &group);
            for (fingerprint, epochs) in group.indexes.iter().map(|index| &records[*index]) {
                let totals: usize = epochs.iter().map(|epoch| epoch.totals.len()).sum();
                call.arg(group.dirty(*fingerprint)).arg(fingerprint.to_string()).arg(totals);
                for (epoch, total) in epochs.iter().flat_map(|w| w.totals.iter().map(|total| (w.epoch, total))) {
                    call.arg(wire::total_field(epoch, total)).arg(total.total).arg(u8::from(total.minute < floor));
                }
            }
            call
        });
        self.ask_all(calls.collect()).await.map(drop)
    }

    pub(super) async fn pace(&self, destination: &str, pace: Pace, now: Time) -> Result<Time, Error> {
        let mut call = self.paced(&PACE, destination);
        call.arg(now.ms().saturating_mul(1_000)).arg(pace.interval_us()).arg(pace.tolerance_us());
        let turn_us = wire::number(&self.ask_one(call).await?)?;
        Ok(if turn_us == 0 { now } else { Time(turn_us.div_euclid(1_000) + i64::from(turn_us.rem_euclid(1_000) > 0)) })
    }

    pub(super) async fn hold(&self, destination: &str, pace: Pace, until: Time, now: Time) -> Result<(), Error> {
        let mut call = self.paced(&HOLD, destination);
        call.arg(now.ms().saturating_mul(1_000)).arg(pace.rested_us(until));
        self.ask_one(call).await.map(drop)
    }

    /// A destination may be a URL with a secret, and of any length.
    fn paced(&self, script: &'static Script, destination: &str) -> Call {
        self.named(script, "pace", &format!("{:032x}", xxhash_rust::xxh3::xxh3_128(destination.as_bytes())))
    }

    /// A script for something with a name of its own.
    fn named(&self, script: &'static Script, what: &str, name: &str) -> Call {
        Call::script(slot_of(what.as_bytes()), script, &[format!("{}:{{{what}}}:{name}", self.prefix)])
    }

    pub(super) async fn size(&self) -> Result<Option<u64>, Error> {
        // Any other question about a key would remove it when it has expired.
        let sizes = ask_servers(&self.topology, "DBSIZE", self.bound).await?;
        let sizes = sizes.iter().map(|size| wire::number(size).map(i64::unsigned_abs));
        sizes.sum::<Result<u64, Error>>().map(Some)
    }

    pub(super) async fn ping(&self) -> Result<(), Error> {
        ask_servers(&self.topology, "PING", self.bound).await.map(drop)
    }

    pub(super) async fn describe(&self) -> Result<Description, Error> {
        let servers = ask_servers(&self.topology, "INFO", self.bound).await?;
        let texts: Vec<String> = servers.iter().filter_map(|text| ::redis::from_redis_value_ref(text).ok()).collect();
        Ok(wire::description(self.topology.kind(), &texts))
    }

    async fn ask_one(&self, call: Call) -> Result<::redis::Value, Error> {
        ask(&self.topology, vec![call], self.bound).await.remove(0)
    }

    async fn ask_all(&self, calls: Vec<Call>) -> Result<Vec<::redis::Value>, Error> {
        ask(&self.topology, calls, self.bound).await.into_iter().collect()
    }
}

impl Group {
    /// The number, from 1, of the dirty index of a fingerprint.
    fn dirty(&self, fingerprint: Fingerprint) -> usize {
        self.shards.binary_search(&shard_of(fingerprint)).map_or(0, |index| index + 1)
    }
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(KEPT_MS_MAX)
}
