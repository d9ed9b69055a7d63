//! What goes to the scripts and comes back, as the scripts in `lua/` write it.
//!
//! Promises: a wrong answer is an error, never a panic. Deliberately not here: sending.

use std::collections::BTreeMap;

use ::redis::Value;

use super::super::record::{Marker, Record};
use super::super::{Description, Error, ErrorKind, Grant, Sighting, Total, Unswept};
use super::call::Call;
use crate::issue::{Fingerprint, Reason};
use crate::time::{MINUTE_MS, Time};

/// The last moment of the year 9999: beyond it, Lua's numbers would stop being exact before long.
const LAST_MS: i64 = 253_402_300_799_999;
/// What stands for "none".
const NONE: &str = "-";
/// The reason of what was granted, among the totals.
const GRANTED: &str = "g";

/// The slot of a key with this hash tag: CRC-16/XMODEM, as Redis Cluster has it.
pub(super) fn slot_of(tag: &[u8]) -> u16 {
    let crc = tag.iter().fold(0_u16, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte) << 8, |crc, _| crc << 1 ^ if crc & 0x8000 == 0 { 0 } else { 0x1021 })
    });
    crc % 16_384
}

/// A moment that Lua can hold.
pub(super) fn moment(time: Time) -> i64 {
    time.ms().clamp(0, LAST_MS)
}

/// The number of a minute since 1970.
pub(super) fn minute_index(time: Time) -> i64 {
    time.ms().div_euclid(MINUTE_MS)
}

fn code(reason: Option<Reason>) -> &'static str {
    match reason {
        None => GRANTED,
        Some(Reason::Budget) => "b",
        Some(Reason::Spacing) => "s",
        Some(Reason::Muted) => "m",
        Some(Reason::Acknowledged) => "a",
        Some(Reason::Maintenance) => "n",
    }
}

fn reason(text: &str) -> Result<Option<Reason>, Error> {
    let found = Reason::ALL.into_iter().find(|reason| code(Some(*reason)) == text);
    if found.is_none() && text != GRANTED { Err(nonsense("an unknown reason")) } else { Ok(found) }
}

/// The field of a total in its record's hash.
pub(super) fn total_field(epoch: u64, total: &Total) -> String {
    format!("t:{epoch}:{}:{}:{}", minute_index(total.minute), code(total.reason), total.pod)
}

/// Adds a marker as `remember.lua` reads it.
pub(super) fn add_marker(call: &mut Call, marker: &Marker) {
    call.arg(marker.revision).arg(code(Some(marker.reason))).arg(moment(marker.quiet_until));
    match marker.more {
        Some(more) => call.arg(more),
        None => call.arg(NONE),
    };
    call.arg(moment(marker.window_opened_at));
    match marker.window_ends_at {
        Some(ends_at) => call.arg(moment(ends_at)),
        None => call.arg(NONE),
    };
    call.arg(marker.budget).arg(marker.granted).arg(marker.seen);
}

pub(super) fn nonsense(what: &str) -> Error {
    Error::new(ErrorKind::WrongAnswer, what)
}

pub(super) fn sequence(value: Value) -> Result<Vec<Value>, Error> {
    ::redis::from_redis_value(value).map_err(|_| nonsense("no list where one was expected"))
}

fn items(value: &Value) -> Result<&[Value], Error> {
    value.as_sequence().ok_or_else(|| nonsense("no list where one was expected"))
}

pub(super) fn number(value: &Value) -> Result<i64, Error> {
    ::redis::from_redis_value_ref(value).map_err(|_| nonsense("no number where one was expected"))
}

fn text(value: &Value) -> Result<&str, Error> {
    match value {
        Value::BulkString(bytes) => std::str::from_utf8(bytes).map_err(|_| nonsense("no text where one was expected")),
        Value::SimpleString(text) => Ok(text),
        _ => Err(nonsense("no text where one was expected")),
    }
}

fn unsigned<T: TryFrom<i64>>(value: &Value) -> Result<T, Error> {
    T::try_from(number(value)?).map_err(|_| nonsense("a number that is out of its range"))
}

/// `None` where it is written so.
fn optional<T>(value: &Value, read: impl FnOnce(&Value) -> Result<T, Error>) -> Result<Option<T>, Error> {
    if text(value).is_ok_and(|text| text == NONE) { Ok(None) } else { read(value).map(Some) }
}

/// e, v, q, u, m, h, o, w, b, g, s.
fn record(values: &[Value]) -> Result<Record, Error> {
    let [e, v, q, u, m, h, o, w, b, g, s] = values else { return Err(nonsense("half a record")) };
    let time = |value: &Value| number(value).map(Time);
    Ok(Record {
        epoch: text(e)?.parse().map_err(|_| nonsense("an epoch that is no number"))?,
        marker: Marker {
            revision: unsigned(v)?,
            reason: reason(text(q)?)?.ok_or_else(|| nonsense("a marker without a reason"))?,
            quiet_until: time(u)?,
            more: optional(m, unsigned)?,
            window_opened_at: time(o)?,
            window_ends_at: optional(w, time)?,
            budget: unsigned(b)?,
            granted: unsigned(g)?,
            seen: unsigned(s)?,
        },
        held: unsigned(h)?,
    })
}

/// One answer of `count.lua`.
pub(super) fn sighting(value: &Value) -> Result<Sighting, Error> {
    match items(value)? {
        [] => Ok(Sighting::Ask { record: None }),
        [kind, rest @ ..] if number(kind)? == 0 => Ok(Sighting::Ask { record: Some(record(rest)?) }),
        [_, minute, total, rest @ ..] => {
            let minute = Time(number(minute)? * MINUTE_MS);
            Ok(Sighting::Quiet { record: record(rest)?, minute, total: unsigned(total)? })
        }
        _ => Err(nonsense("half a sighting")),
    }
}

/// One answer of `grant.lua`.
pub(super) fn grant(value: &Value, pod: u64) -> Result<Grant, Error> {
    let [minute, granted, first_ordinal, totals, rest @ ..] = items(value)? else {
        return Err(nonsense("half a grant"));
    };
    let minute = Time(number(minute)? * MINUTE_MS);
    let total =
        |pair: &[Value]| Ok(Total { pod, minute, reason: reason(text(&pair[0])?)?, total: unsigned(&pair[1])? });
    Ok(Grant {
        granted: unsigned(granted)?,
        first_ordinal: unsigned(first_ordinal)?,
        record: record(rest)?,
        totals: items(totals)?.chunks_exact(2).map(total).collect::<Result<_, Error>>()?,
    })
}

/// A page of a dirty index.
pub(super) fn fingerprints(value: Value) -> Result<Vec<Fingerprint>, Error> {
    let members: Vec<String> = ::redis::from_redis_value(value).map_err(|_| nonsense("an index that is no list"))?;
    members.iter().map(|member| member.parse().map_err(|_| nonsense("an index entry that is no fingerprint"))).collect()
}

/// The totals in a record's hash, by epoch.
pub(super) fn unswept(fingerprint: Fingerprint, value: Value) -> Result<Vec<Unswept>, Error> {
    let fields: Vec<(String, String)> = match value {
        // As a list of pairs: RESP3 answers with a map.
        Value::Map(pairs) => pairs
            .iter()
            .map(|(field, value)| Ok((text(field)?.to_owned(), text(value)?.to_owned())))
            .collect::<Result<_, Error>>()?,
        _ => return Err(nonsense("a record that is no hash")),
    };
    let mut by_epoch: BTreeMap<u64, Vec<Total>> = BTreeMap::new();
    for (field, total) in &fields {
        let mut parts = field.split(':');
        if parts.next() != Some("t") {
            continue;
        }
        let read = (|| {
            let epoch = parts.next()?.parse().ok()?;
            let minute = Time(parts.next()?.parse::<i64>().ok()? * MINUTE_MS);
            Some((epoch, minute, parts.next()?, parts.next()?.parse().ok()?, total.parse().ok()?))
        })();
        let (epoch, minute, code, pod, total) = read.ok_or_else(|| nonsense("a total that is none"))?;
        by_epoch.entry(epoch).or_default().push(Total { pod, minute, reason: reason(code)?, total });
    }
    Ok(by_epoch.into_iter().map(|(epoch, totals)| Unswept { fingerprint, epoch, totals }).collect())
}

/// What the servers' `INFO` says to people.
pub(super) fn description(kind: &'static str, servers: &[String]) -> Description {
    let field = |text: &str, name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.map(|value| value.trim().to_owned())
    };
    let version = |text: &String| match field(text, "valkey_version") {
        Some(version) => Some(format!("Valkey {version}")),
        None => field(text, "redis_version").map(|version| format!("Redis {version}")),
    };
    let mut versions: Vec<String> = servers.iter().filter_map(version).collect();
    versions.sort();
    versions.dedup();
    let mut advice = Vec::new();
    let policies: Vec<String> = servers.iter().filter_map(|text| field(text, "maxmemory_policy")).collect();
    if let Some(policy) = policies.iter().find(|policy| policy.starts_with("allkeys-")) {
        advice.push(format!(
            "maxmemory-policy is {policy}: when memory is short, records go with what they counted since the last \
             write-back; set noeviction or volatile-ttl"
        ));
    }
    let old = |version: &&String| {
        let number = version.rsplit(' ').next().unwrap_or_default();
        number.split('.').next().and_then(|major| major.parse::<u32>().ok()).is_some_and(|major| major < 7)
    };
    if let Some(version) = versions.iter().find(old) {
        advice.push(format!("{version} is older than 7.0, with which bongsu is tested"));
    }
    Description { kind, version: (!versions.is_empty()).then(|| versions.join(", ")), advice }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_the_clusters() {
        // From the cluster specification: CRC16 of "123456789" is 0x31C3.
        assert_eq!(slot_of(b"123456789"), 0x31C3);
        let mut slots: Vec<u16> = (0..64).map(|shard| slot_of(format!("{shard:02}").as_bytes())).collect();
        slots.sort_unstable();
        slots.dedup();
        assert_eq!(slots.len(), 64);
    }
}
