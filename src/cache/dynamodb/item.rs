//! A record as an item of the table, and expressions that change it.
//!
//! Promises: an item that is not ours, or half of one, is an error, never a panic. Deliberately not here: sending.
//!
//! A record's attributes: `e` epoch, `v` revision, `q` reason, `u` quiet until, `m` more and `l` what is left of it (both
//! absent: no limit), `o` window opened, `w` window ends (absent: none), `b` budget, `g` granted, `s` seen, `f` first
//! minute that may still be counted in, `c` changes of totals so far, `d` present while something may not be written back,
//! `x` when DynamoDB may delete it (seconds), and `t_MINUTE_REASON` for each total. Moments are milliseconds, minutes are
//! counted since 1970.

use std::collections::HashMap;
use std::str::FromStr;

use aws_sdk_dynamodb::types::AttributeValue;

use super::super::record::{Marker, Record};
use super::super::{Error, ErrorKind, Total};
use crate::issue::{Fingerprint, Reason};
use crate::time::{MINUTE_MS, Time};

/// An item, by attribute.
pub(super) type Item = HashMap<String, AttributeValue>;

/// The table's key.
pub(super) const KEY: &str = "k";
/// When DynamoDB may delete an item.
pub(super) const EXPIRY: &str = "x";

/// The key of a record.
pub(super) fn record_key(fingerprint: Fingerprint) -> String {
    format!("r#{fingerprint}")
}

/// The fingerprint in a record's key.
pub(super) fn fingerprint_of(key: &AttributeValue) -> Option<Fingerprint> {
    key.as_s().ok()?.strip_prefix("r#")?.parse().ok()
}

/// A number.
pub(super) fn n(number: impl ToString) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

fn nonsense(what: &str) -> Error {
    Error::new(ErrorKind::WrongAnswer, what)
}

/// A number that may be absent.
pub(super) fn optional<T: FromStr>(item: &Item, name: &str) -> Result<Option<T>, Error> {
    let Some(value) = item.get(name) else { return Ok(None) };
    let number = value.as_n().ok().and_then(|number| number.parse().ok());
    number.map(Some).ok_or_else(|| nonsense(&format!("the item's {name} is not a number, or out of its range")))
}

/// A number that must be there.
pub(super) fn number<T: FromStr>(item: &Item, name: &str) -> Result<T, Error> {
    optional(item, name)?.ok_or_else(|| nonsense(&format!("the item has no {name}")))
}

fn code(reason: Option<Reason>) -> &'static str {
    match reason {
        None => "g",
        Some(Reason::Budget) => "b",
        Some(Reason::Spacing) => "s",
        Some(Reason::Muted) => "m",
        Some(Reason::Acknowledged) => "a",
        Some(Reason::Maintenance) => "n",
    }
}

fn reason(text: &str) -> Result<Option<Reason>, Error> {
    let found = Reason::ALL.into_iter().find(|reason| code(Some(*reason)) == text);
    if found.is_none() && text != code(None) { Err(nonsense("an unknown reason")) } else { Ok(found) }
}

/// A reason as the item writes it.
pub(super) fn written(reason: Reason) -> AttributeValue {
    AttributeValue::S(code(Some(reason)).to_owned())
}

/// The attribute of a total.
pub(super) fn total_name(pod: u64, minute: Time, reason: Option<Reason>) -> String {
    format!("t_{}_{}_{pod}", minute.ms().div_euclid(MINUTE_MS), code(reason))
}

/// The record in an item.
pub(super) fn record(item: &Item) -> Result<Record, Error> {
    let more: Option<u64> = optional(item, "m")?;
    let left: Option<u64> = optional(item, "l")?;
    let reason = item.get("q").and_then(|value| value.as_s().ok()).ok_or_else(|| nonsense("the item has no q"))?;
    Ok(Record {
        epoch: number(item, "e")?,
        marker: Marker {
            revision: number(item, "v")?,
            reason: self::reason(reason)?.ok_or_else(|| nonsense("a marker without a reason"))?,
            quiet_until: Time(number(item, "u")?),
            more,
            window_opened_at: Time(number(item, "o")?),
            window_ends_at: optional(item, "w")?.map(Time),
            budget: number(item, "b")?,
            granted: number(item, "g")?,
            seen: number(item, "s")?,
        },
        held: more.unwrap_or(0).saturating_sub(left.unwrap_or(0)),
    })
}

/// The totals in an item.
pub(super) fn totals(item: &Item) -> Result<Vec<Total>, Error> {
    let named = item.keys().filter_map(|name| Some((name, name.strip_prefix("t_")?.split('_'))));
    let total = |(name, mut parts): (&String, std::str::Split<'_, char>)| {
        let read = (|| {
            let minute = Time(parts.next()?.parse::<i64>().ok()? * MINUTE_MS);
            Some((minute, parts.next()?, parts.next()?.parse().ok()?))
        })();
        let (minute, code, pod) = read.ok_or_else(|| nonsense("a total that is none"))?;
        Ok(Total { pod, minute, reason: reason(code)?, total: number(item, name)? })
    };
    named.map(total).collect()
}

/// An update in the making: what is set, added and removed, and on which conditions.
#[derive(Default)]
pub(super) struct Change {
    set: Vec<String>,
    add: Vec<String>,
    remove: Vec<String>,
    conditions: Vec<String>,
    pub(super) names: HashMap<String, String>,
    pub(super) values: HashMap<String, AttributeValue>,
}

impl Change {
    /// A placeholder for an attribute: any name may be a reserved word.
    fn name(&mut self, name: &str) -> String {
        let placeholder = format!("#{name}");
        self.names.insert(placeholder.clone(), name.to_owned());
        placeholder
    }

    fn value(&mut self, value: AttributeValue) -> String {
        let placeholder = format!(":v{}", self.values.len());
        self.values.insert(placeholder.clone(), value);
        placeholder
    }

    /// Sets an attribute.
    pub(super) fn set(mut self, name: &str, value: AttributeValue) -> Change {
        let expression = format!("{} = {}", self.name(name), self.value(value));
        self.set.push(expression);
        self
    }

    /// Sets an attribute unless it is there.
    pub(super) fn set_once(mut self, name: &str, value: AttributeValue) -> Change {
        let name = self.name(name);
        let expression = format!("{name} = if_not_exists({name}, {})", self.value(value));
        self.set.push(expression);
        self
    }

    /// Sets an attribute, or removes it.
    pub(super) fn set_or_remove(self, name: &str, value: Option<AttributeValue>) -> Change {
        match value {
            Some(value) => self.set(name, value),
            None => self.remove(name),
        }
    }

    /// Adds to an attribute, which begins at 0.
    pub(super) fn add(mut self, name: &str, value: AttributeValue) -> Change {
        let expression = format!("{} {}", self.name(name), self.value(value));
        self.add.push(expression);
        self
    }

    /// Removes an attribute.
    pub(super) fn remove(mut self, name: &str) -> Change {
        let name = self.name(name);
        self.remove.push(name);
        self
    }

    /// Only if an attribute compares so.
    pub(super) fn when(mut self, name: &str, operator: &str, value: AttributeValue) -> Change {
        let condition = format!("{} {operator} {}", self.name(name), self.value(value));
        self.conditions.push(condition);
        self
    }

    /// Only if an attribute is not there; of the key: if there is no item.
    pub(super) fn when_absent(mut self, name: &str) -> Change {
        let condition = format!("attribute_not_exists({})", self.name(name));
        self.conditions.push(condition);
        self
    }

    /// Only if an attribute equals, or is absent as well.
    pub(super) fn when_same(self, name: &str, value: Option<AttributeValue>) -> Change {
        match value {
            Some(value) => self.when(name, "=", value),
            None => self.when_absent(name),
        }
    }

    /// Joins all conditions so far by `OR`.
    pub(super) fn any(mut self) -> Change {
        let any = self.conditions.iter().map(|condition| format!("({condition})")).collect::<Vec<_>>().join(" OR ");
        self.conditions = vec![format!("({any})")];
        self
    }

    /// Joins all conditions so far by `AND`.
    pub(super) fn all(mut self) -> Change {
        self.conditions = vec![self.conditions.join(" AND ")];
        self
    }

    /// The update's expression.
    pub(super) fn expression(&self) -> String {
        let clause = |word: &str, parts: &[String]| {
            if parts.is_empty() { String::new() } else { format!("{word} {} ", parts.join(", ")) }
        };
        clause("SET", &self.set) + &clause("ADD", &self.add) + &clause("REMOVE", &self.remove)
    }

    /// The condition's expression.
    pub(super) fn condition(&self) -> Option<String> {
        (!self.conditions.is_empty()).then(|| self.conditions.join(" AND "))
    }
}
