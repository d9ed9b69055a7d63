//! How nouns are written in rows, and read back.

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Row, types::Type};

use crate::event::Attributes;
use crate::issue::{CauseKey, Fingerprint, Standing, State, Window};
use crate::time::Time;

impl ToSql for Time {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.0.into())
    }
}

impl FromSql for Time {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Time> {
        value.as_i64().map(Time)
    }
}

macro_rules! sixteen_bytes {
    ($($name:ident)*) => {$(
        impl ToSql for $name {
            fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
                Ok(self.0.to_be_bytes().to_vec().into())
            }
        }
        impl FromSql for $name {
            fn column_result(value: ValueRef<'_>) -> FromSqlResult<$name> {
                let bytes = value.as_blob()?;
                let bytes = bytes.try_into().map_err(|_| FromSqlError::InvalidBlobSize { expected_size: 16, blob_size: bytes.len() })?;
                Ok($name(u128::from_be_bytes(bytes)))
            }
        }
    )*};
}
sixteen_bytes!(Fingerprint CauseKey);

/// The columns of `standings` (as `s`) that hold a [`Standing`], in the order in which [`standing`] reads them.
macro_rules! standing_columns {
    () => {
        "s.state, s.muted_until, s.muted_more, s.window_opened_at, s.window_ends_at, s.window_budget, s.window_seen, \
         s.window_granted, s.window_last_granted_at, s.window_regression, s.window_closing"
    };
}
pub(super) use standing_columns;

/// Reads [`standing_columns`], of which the first is column `at`.
pub(super) fn standing(row: &Row<'_>, at: usize) -> rusqlite::Result<Standing> {
    let state = match row.get_ref(at)?.as_str()? {
        "open" => State::Open,
        "acknowledged" => State::Acknowledged,
        "resolved" => State::Resolved,
        _ => State::Muted { until: row.get(at + 1)?, more: row.get(at + 2)? },
    };
    let opened_at: Option<Time> = row.get(at + 3)?;
    let window = match opened_at {
        None => None,
        Some(opened_at) => Some(Window {
            opened_at,
            ends_at: row.get(at + 4)?,
            budget: row.get(at + 5)?,
            seen: row.get(at + 6)?,
            granted: row.get(at + 7)?,
            last_granted_at: row.get(at + 8)?,
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
pub(super) fn from_json<T: serde::de::DeserializeOwned>(row: &Row<'_>, at: usize) -> rusqlite::Result<T> {
    let text = row.get_ref(at)?.as_str()?;
    serde_json::from_str(text)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(at, Type::Text, Box::new(error)))
}

/// Reads a JSON object of the column `at`, which may be null.
pub(super) fn from_json_or_null<T: serde::de::DeserializeOwned>(
    row: &Row<'_>,
    at: usize,
) -> rusqlite::Result<Option<T>> {
    match row.get_ref(at)? {
        ValueRef::Null => Ok(None),
        _ => from_json(row, at).map(Some),
    }
}
