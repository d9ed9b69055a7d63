//! What goes into a statement and what comes out: whole numbers, texts and bytes, whichever server they go to.
//!
//! Promises: truth values are 0 and 1, times are milliseconds, identities are 16 bytes, on every server alike.

use std::borrow::Cow;

use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};
use sqlx::Row as _;

use super::super::Error;
use crate::issue::{CauseKey, Fingerprint, Place};
use crate::time::Time;

/// A value for a statement. A null has a type too: PostgreSQL asks for it.
#[derive(Clone, Debug)]
pub(crate) enum Value<'a> {
    /// A whole number, a time, or a truth value.
    Int(Option<i64>),
    /// A text.
    Text(Option<Cow<'a, str>>),
    /// Bytes.
    Bytes(Option<Cow<'a, [u8]>>),
    /// An identity.
    Id([u8; 16]),
}

/// An array of values of different types.
macro_rules! values {
    ($($value:expr),* $(,)?) => { [$($crate::archive::sql::Value::from($value)),*] };
}
pub(crate) use values;

macro_rules! numbers {
    ($($name:ty: $to:expr;)*) => {$(
        impl From<$name> for Value<'_> {
            fn from(value: $name) -> Self {
                let to: fn($name) -> i64 = $to;
                Value::Int(Some(to(value)))
            }
        }
        impl From<Option<$name>> for Value<'_> {
            fn from(value: Option<$name>) -> Self {
                Value::Int(value.map($to))
            }
        }
    )*};
}
numbers! {
    i64: |n| n;
    u32: i64::from;
    u8: i64::from;
    bool: i64::from;
    u64: |n| i64::try_from(n).unwrap_or(i64::MAX);
    usize: |n| i64::try_from(n).unwrap_or(i64::MAX);
    Time: Time::ms;
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(value: &'a str) -> Self {
        Value::Text(Some(value.into()))
    }
}

impl From<String> for Value<'_> {
    fn from(value: String) -> Self {
        Value::Text(Some(value.into()))
    }
}

impl<'a> From<Option<&'a str>> for Value<'a> {
    fn from(value: Option<&'a str>) -> Self {
        Value::Text(value.map(Cow::from))
    }
}

impl From<Option<String>> for Value<'_> {
    fn from(value: Option<String>) -> Self {
        Value::Text(value.map(Cow::from))
    }
}

impl<'a> From<&'a [u8]> for Value<'a> {
    fn from(value: &'a [u8]) -> Self {
        Value::Bytes(Some(value.into()))
    }
}

impl From<Fingerprint> for Value<'_> {
    fn from(value: Fingerprint) -> Self {
        Value::Id(value.0.to_be_bytes())
    }
}

impl From<CauseKey> for Value<'_> {
    fn from(value: CauseKey) -> Self {
        Value::Id(value.0.to_be_bytes())
    }
}

impl From<Place> for Value<'_> {
    fn from(value: Place) -> Self {
        Value::Id(value.0.to_be_bytes())
    }
}

impl From<Option<Fingerprint>> for Value<'_> {
    fn from(value: Option<Fingerprint>) -> Self {
        value.map_or(Value::Bytes(None), Value::from)
    }
}

impl ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let value = match self {
            Value::Int(Some(value)) => ValueRef::Integer(*value),
            Value::Text(Some(value)) => ValueRef::Text(value.as_bytes()),
            Value::Bytes(Some(value)) => ValueRef::Blob(value),
            Value::Id(value) => ValueRef::Blob(value),
            Value::Int(None) | Value::Text(None) | Value::Bytes(None) => ValueRef::Null,
        };
        Ok(ToSqlOutput::Borrowed(value))
    }
}

/// A row of an answer, to be read at once.
pub(crate) enum Row<'r> {
    /// Of SQLite.
    Sqlite(&'r rusqlite::Row<'r>),
    /// Of PostgreSQL.
    Postgres(&'r sqlx::postgres::PgRow),
    /// Of MySQL or MariaDB.
    MySql(&'r sqlx::mysql::MySqlRow),
}

macro_rules! read {
    ($self:ident, $at:ident, $value:pat => $sqlite:expr) => {
        match $self {
            Row::Sqlite(row) => match row.get_ref($at)? {
                ValueRef::Null => Ok(None),
                $value => Ok(Some($sqlite)),
                other => Err(Error::Failed(format!("column {} holds a value of type {}", $at, other.data_type()))),
            },
            // The tables' types are known; the drivers' own checks would only stumble over collations.
            Row::Postgres(row) => Ok(row.try_get_unchecked($at)?),
            Row::MySql(row) => Ok(row.try_get_unchecked($at)?),
        }
    };
}

impl Row<'_> {
    /// A whole number.
    pub(crate) fn int(&self, at: usize) -> Result<Option<i64>, Error> {
        read!(self, at, ValueRef::Integer(value) => value)
    }

    /// A text.
    pub(crate) fn text(&self, at: usize) -> Result<Option<&str>, Error> {
        read!(self, at, ValueRef::Text(value) => std::str::from_utf8(value).map_err(|_| wrong(at, "text"))?)
    }

    /// Bytes.
    pub(crate) fn bytes(&self, at: usize) -> Result<Option<&[u8]>, Error> {
        read!(self, at, ValueRef::Blob(value) => value)
    }

    /// A value of whatever type is wanted.
    pub(crate) fn get<T: Column>(&self, at: usize) -> Result<T, Error> {
        T::read(self, at)?.ok_or_else(|| wrong(at, "value"))
    }

    /// A value that may be null.
    pub(crate) fn maybe<T: Column>(&self, at: usize) -> Result<Option<T>, Error> {
        T::read(self, at)
    }
}

fn wrong(at: usize, what: &str) -> Error {
    Error::Failed(format!("column {at} holds no good {what}"))
}

/// What a column can be read as.
pub(crate) trait Column: Sized {
    /// Reads it; `None` when it is null.
    fn read(row: &Row<'_>, at: usize) -> Result<Option<Self>, Error>;
}

macro_rules! columns {
    ($($name:ty: $how:ident, $to:expr;)*) => {$(
        impl Column for $name {
            fn read(row: &Row<'_>, at: usize) -> Result<Option<Self>, Error> {
                let Some(value) = row.$how(at)? else { return Ok(None) };
                let to: fn(_) -> Option<$name> = $to;
                to(value).map(Some).ok_or_else(|| wrong(at, stringify!($name)))
            }
        }
    )*};
}
columns! {
    i64: int, Some;
    u64: int, |n: i64| u64::try_from(n).ok();
    u32: int, |n: i64| u32::try_from(n).ok();
    bool: int, |n: i64| Some(n != 0);
    Time: int, |n: i64| Some(Time(n));
    String: text, |text: &str| Some(text.to_owned());
    Vec<u8>: bytes, |bytes: &[u8]| Some(bytes.to_owned());
    [u8; 32]: bytes, |bytes: &[u8]| bytes.try_into().ok();
    Fingerprint: bytes, |bytes: &[u8]| bytes.try_into().ok().map(u128::from_be_bytes).map(Fingerprint);
    CauseKey: bytes, |bytes: &[u8]| bytes.try_into().ok().map(u128::from_be_bytes).map(CauseKey);
    Place: bytes, |bytes: &[u8]| bytes.try_into().ok().map(u128::from_be_bytes).map(Place);
}
