//! What path segments were seen to hold, until enough is known to call one a parameter.
//!
//! Promises: counted in the transaction that makes an issue, so that all servers learn from all of them; a place takes a
//! row of bounded size, and a row that does not change goes by its age. Two servers that see new values in the same place
//! at the same moment may lose one of them: one more will come. Deliberately not here: which segments are looked at
//! (`fingerprint/learned.rs`).

use std::collections::{BTreeMap, HashMap, HashSet};

use super::Error;
use super::known::Fresh;
use super::sql::{Row, Sql, Tx, Value, values};
use crate::issue::Place;
use crate::time::Time;

/// Different values in one place after which it holds a parameter: more than a route handler has static siblings.
const VALUES: usize = 30;
/// Of so many values one may have come again: those of a route's own segments come with one error after another.
const VALUES_FOR_EACH_AGAIN: usize = 4;
/// Values kept of a place where too many came again.
const VALUES_MAX: usize = 100;
const VALUE_BYTES: usize = 8;

/// What is known of a place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Held {
    values: Vec<u8>,
    again: u64,
    is_parameter: bool,
}

impl Held {
    /// Takes note of a new issue with this value.
    fn add(&mut self, value: u64) {
        let value = value.to_le_bytes();
        let (values, _) = self.values.as_chunks::<VALUE_BYTES>();
        if values.contains(&value) {
            self.again += 1;
        } else if values.len() < VALUES_MAX {
            self.values.extend_from_slice(&value);
        }
        let values = self.values.len() / VALUE_BYTES;
        if values >= VALUES && self.again as usize * VALUES_FOR_EACH_AGAIN <= values {
            *self = Held { is_parameter: true, ..Held::default() };
        }
    }
}

/// Takes note of the paths of new issues.
pub(super) async fn note(tx: &mut Tx, made: &[&Fresh<'_>], now: Time) -> Result<(), Error> {
    static FIND: Sql = Sql::new("SELECT place, held, again, is_parameter FROM path_segments WHERE place IN (?*)");
    static STORE: Sql = Sql::new(
        "INSERT INTO path_segments (place, held, again, is_parameter, changed_at) VALUES (?*5) \
         ON CONFLICT (place) DO UPDATE SET held = excluded.held, again = excluded.again, \
             is_parameter = excluded.is_parameter, changed_at = excluded.changed_at",
    );
    let mut seen: BTreeMap<Place, Vec<u64>> = BTreeMap::new();
    for segment in made.iter().filter_map(|one| (one.rules.segment)(&one.event.event())) {
        seen.entry(segment.place).or_default().push(segment.value);
    }
    let list: Vec<Value<'_>> = seen.keys().copied().map(Value::from).collect();
    let read = |row: &Row<'_>| {
        let held = Held { values: row.get(1)?, again: row.get(2)?, is_parameter: row.get(3)? };
        Ok((row.get::<Place>(0)?, held))
    };
    let mut known: HashMap<Place, Held> = tx.query_list(&FIND, &[], &list, read).await?.into_iter().collect();
    let mut rows: Vec<Value<'_>> = Vec::new();
    for (place, values) in seen {
        let mut held = known.remove(&place).unwrap_or_default();
        // Of a server that has not heard of it yet.
        if held.is_parameter {
            continue;
        }
        values.into_iter().for_each(|value| held.add(value));
        if held.is_parameter {
            tracing::info!(%place, "a segment of request paths is taken for a parameter from now on");
        }
        rows.extend([
            Value::from(place),
            Value::Bytes(Some(held.values.into())),
            Value::from(held.again),
            Value::from(held.is_parameter),
            Value::from(now),
        ]);
    }
    tx.insert(&STORE, 5, &rows).await
}

/// The places that hold parameters.
pub(super) async fn parameters(tx: &mut Tx) -> Result<HashSet<Place>, Error> {
    static PARAMETERS: Sql = Sql::new("SELECT place FROM path_segments WHERE is_parameter = 1");
    Ok(tx.query(&PARAMETERS, &[], |row| row.get(0)).await?.into_iter().collect())
}

/// Forgets places of which nothing new was seen for too long.
pub(super) async fn forget(tx: &mut Tx, before: Time, at_a_time: usize) -> Result<u64, Error> {
    static OLD: Sql = Sql::new(
        "SELECT place FROM path_segments WHERE is_parameter = 0 AND changed_at < ? ORDER BY changed_at LIMIT ?",
    );
    static FORGET: Sql = Sql::new("DELETE FROM path_segments WHERE is_parameter = 0 AND place IN (?*)");
    let old = tx.query(&OLD, &values![before, at_a_time], |row| row.get::<Place>(0)).await?;
    let list: Vec<Value<'_>> = old.into_iter().map(Value::from).collect();
    tx.execute_list(&FORGET, &[], &list).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_values_that_come_once_are_a_parameters() {
        let mut held = Held::default();
        (1..VALUES as u64).for_each(|value| held.add(value));
        assert!(!held.is_parameter);
        held.add(7);
        held.add(99);
        assert!(held.is_parameter && held.values.is_empty());
    }

    #[test]
    fn values_that_come_again_and_again_are_a_routes_own() {
        let mut held = Held::default();
        for _ in 0..30 {
            // Errors of a handful of routes, and now and then another route.
            (0..12_u64).for_each(|route| held.add(route));
        }
        (100..5_000_u64).for_each(|route| held.add(route));
        assert!(!held.is_parameter);
        assert_eq!(held.values.len(), VALUES_MAX * VALUE_BYTES, "and take so much room, no more");
    }
}
