//! How nouns are written in rows, and read back.

use super::Error;
use super::sql::Row;
use crate::event::Attributes;
use crate::issue::{Standing, State, Window};

/// The columns of `standings` (as `s`) that hold a [`Standing`], in the order in which [`standing`] reads them.
macro_rules! standing_columns {
    () => {
        "s.state, s.muted_until, s.muted_more, s.window_opened_at, s.window_ends_at, s.window_budget, s.window_seen, \
         s.window_granted, s.window_last_granted_at, s.window_regression, s.window_closing"
    };
}
pub(super) use standing_columns;

/// Reads [`standing_columns`], of which the first is column `at`.
pub(super) fn standing(row: &Row<'_>, at: usize) -> Result<Standing, Error> {
    let state = match row.text(at)? {
        Some("open") => State::Open,
        Some("acknowledged") => State::Acknowledged,
        Some("resolved") => State::Resolved,
        _ => State::Muted { until: row.maybe(at + 1)?, more: row.maybe(at + 2)? },
    };
    let window = match row.maybe(at + 3)? {
        None => None,
        Some(opened_at) => Some(Window {
            opened_at,
            ends_at: row.get(at + 4)?,
            budget: row.get(at + 5)?,
            seen: row.get(at + 6)?,
            granted: row.get(at + 7)?,
            last_granted_at: row.maybe(at + 8)?,
            regression: row.get(at + 9)?,
            closing: row.get(at + 10)?,
        }),
    };
    Ok(Standing { state, window })
}

/// The seven as a JSON object.
pub(super) fn attributes_json(attributes: &Attributes<'_>) -> String {
    serde_json::to_string(attributes).expect("texts always serialise")
}

/// Reads a JSON object of the column `at`.
pub(super) fn from_json<T: serde::de::DeserializeOwned>(row: &Row<'_>, at: usize) -> Result<T, Error> {
    from_json_or_null(row, at)?.ok_or_else(|| Error::Failed(format!("column {at} holds no JSON")))
}

/// Reads a JSON object of the column `at`, which may be null.
pub(super) fn from_json_or_null<T: serde::de::DeserializeOwned>(row: &Row<'_>, at: usize) -> Result<Option<T>, Error> {
    let Some(text) = row.text(at)? else { return Ok(None) };
    serde_json::from_str(text)
        .map(Some)
        .map_err(|error| Error::Failed(format!("column {at} holds no good JSON: {error}")))
}
