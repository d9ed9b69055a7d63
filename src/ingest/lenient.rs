//! JSON objects read field by field, forgiving about types.
//!
//! A protocol implements [`Object`] for each shape it reads: `field` is called for every key with a [`Value`], which
//! gives the field as what is wanted (`text`, `line`, `list`, …) whatever was sent. Promises: texts are borrowed where
//! they hold no escapes; the last of duplicate keys wins; nothing nested in a field that is not read is kept, at any
//! depth; a list keeps at most the number of elements its reader names, however many were sent. A field that is of no
//! use is left out with a note; only text that is not JSON at all is an error (and see `mend`).
//!
//! Why not `serde`: derived, it refuses duplicate keys and wrong types, and borrows no `Cow` inside an `Option` or a
//! list; by hand, a visitor for each shape costs an event of Sentry's a third more instructions than `json`. Deliberately
//! not here: the configured limits. The numbers that readers name are hard ceilings against a hostile body; `bound` cuts
//! to what is configured, and a reader without configuration is a function of the bytes.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};

use super::json::{Fault, Reader, Scalar, Unreadable};
use crate::event::{Level, Text};
use crate::time::Time;

mod list;

pub(crate) use list::{Objects, objects};

/// Notes of one event. A body that is wrong everywhere shall not become a page of notes.
const NOTES_MAX: usize = 16;

/// Objects inside each other that are read, each a call in a call; what lies deeper is read past, which takes none. So
/// a chain of causes without end costs neither the stack nor the sound events beside it.
const DEPTH_MAX: usize = 100;

/// What had to be repaired or left out, gathered while reading.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    kept: RefCell<Vec<Text<'static>>>,
    further: Cell<usize>,
    /// Objects around the place where the reader is.
    depth: Cell<usize>,
}

impl Notes {
    /// Adds a note while there is room, otherwise counts it.
    pub(crate) fn add(&self, note: impl Into<Text<'static>>) {
        let mut kept = self.kept.borrow_mut();
        if kept.len() < NOTES_MAX {
            kept.push(note.into());
        } else {
            self.further.set(self.further.get() + 1);
        }
    }

    fn left_out(&self, name: &str, found: &str, wanted: &str) {
        self.add(format!("{}: {found} where {wanted} belongs; left out", clip(name)));
    }

    /// All of them, in the order in which they were made.
    pub(crate) fn into_list(self) -> Vec<Text<'static>> {
        let mut list = self.kept.into_inner();
        if self.further.get() > 0 {
            list.push(format!("and {} more such notes", self.further.get()).into());
        }
        list
    }
}

/// A field's name comes from the client too.
fn clip(name: &str) -> &str {
    name.char_indices().nth(40).map_or(name, |(end, _)| &name[..end])
}

/// A shape that is read field by field.
pub(crate) trait Object<'de>: Default {
    /// Takes one field. Every path must use up `value`; `skip` is the one for names of no interest.
    fn field(&mut self, name: &str, value: Value<'_, 'de>) -> Result<(), Fault>;

    /// Takes a text that stands in the place of the object (`"user": "42"`). False: it means nothing here.
    fn plain(&mut self, _text: Text<'de>) -> bool {
        false
    }
}

/// Reads a whole text that is one JSON object.
pub(crate) fn object<'de, T: Object<'de>>(json: &'de str, notes: &Notes) -> Result<T, Unreadable> {
    let mut reader = Reader::new(json);
    let read = read_object(&mut reader, "the event", notes).and_then(|read| reader.end().map(|()| read));
    let read = read.map_err(|fault| reader.told(fault))?;
    read.ok_or_else(|| Unreadable::new("a JSON object is wanted here"))
}

/// Which elements a list keeps when there are more than it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    /// The first so many.
    First(usize),
    /// The last so many.
    Last(usize),
}

/// One field's value, not yet read.
pub(crate) struct Value<'x, 'de> {
    name: &'x str,
    reader: &'x mut Reader<'de>,
    notes: &'x Notes,
}

impl<'de> Value<'_, 'de> {
    /// Reads past it.
    pub(crate) fn skip(self) -> Result<(), Fault> {
        self.reader.skip()
    }

    /// Text; a number or a flag as it is written; empty when there is none.
    #[inline]
    pub(crate) fn text(self) -> Result<Text<'de>, Fault> {
        Ok(self.opt_text()?.unwrap_or_default())
    }

    /// Text; a number or a flag as it is written.
    #[inline]
    pub(crate) fn opt_text(self) -> Result<Option<Text<'de>>, Fault> {
        read_text(self.reader, self.name, self.notes)
    }

    /// What `convert` makes of a scalar. Null is none; anything else of which it makes nothing is noted.
    fn one<T>(self, wanted: &str, convert: impl FnOnce(&Scalar<'de>) -> Option<T>) -> Result<Option<T>, Fault> {
        let scalar = self.reader.scalar()?;
        let made = convert(&scalar);
        if made.is_none() && !matches!(scalar, Scalar::Null) {
            self.notes.left_out(self.name, scalar.noun(), wanted);
        }
        Ok(made)
    }

    /// A whole number, also when it is written as text or with a fraction.
    pub(crate) fn whole(self) -> Result<Option<i64>, Fault> {
        self.one("a whole number", |scalar| match scalar {
            Scalar::Whole(n) => Some(*n),
            Scalar::Real(x) => Some(*x as i64),
            Scalar::Text(text) => text.trim().parse().ok(),
            _ => None,
        })
    }

    /// A line number. Clients say 0 or -1 for "unknown": none, without a note.
    pub(crate) fn line(self) -> Result<Option<u32>, Fault> {
        Ok(self.whole()?.and_then(|n| u32::try_from(n).ok()).filter(|line| *line > 0))
    }

    /// Yes or no, also as 0 and 1 and as text.
    pub(crate) fn flag(self) -> Result<Option<bool>, Fault> {
        self.one("true or false", |scalar| match scalar {
            Scalar::Flag(flag) => Some(*flag),
            Scalar::Whole(0) => Some(false),
            Scalar::Whole(1) => Some(true),
            Scalar::Text(text) if text.eq_ignore_ascii_case("true") => Some(true),
            Scalar::Text(text) if text.eq_ignore_ascii_case("false") => Some(false),
            _ => None,
        })
    }

    /// A level by any of its names.
    pub(crate) fn level(self) -> Result<Option<Level>, Fault> {
        self.one("the name of a level", |scalar| match scalar {
            Scalar::Text(text) => Level::parse(text.trim()),
            _ => None,
        })
    }

    /// A moment: RFC 3339, or Unix time as a number or as text.
    ///
    /// Seconds and milliseconds are told apart by size, so that this serves Sentry (seconds) and the native protocol
    /// (milliseconds) alike: 10^11 is the year 5138 in seconds and 1973 in milliseconds.
    pub(crate) fn timestamp(self) -> Result<Option<Time>, Fault> {
        self.one("a time", |scalar| match scalar {
            Scalar::Whole(n) => unix_time(*n as f64),
            Scalar::Real(x) => unix_time(*x),
            Scalar::Text(text) => written_time(text.trim()),
            _ => None,
        })
    }

    /// An object; its default when there is none.
    pub(crate) fn object<T: Object<'de>>(self) -> Result<T, Fault> {
        Ok(self.opt_object()?.unwrap_or_default())
    }

    /// An object, when there is one.
    pub(crate) fn opt_object<T: Object<'de>>(self) -> Result<Option<T>, Fault> {
        read_object(self.reader, self.name, self.notes)
    }

    /// A list of objects: a bare list, one wrapped as `{WRAPPER: […]}`, or a single object.
    pub(crate) fn list<T: Object<'de>>(self, wrapper: &'static str, keep: Keep) -> Result<Vec<T>, Fault> {
        list::objects_in(self.reader, self.name, self.notes, wrapper, keep)
    }

    /// A list of texts; a single text is a list of one.
    pub(crate) fn texts(self, max: usize) -> Result<Vec<Text<'de>>, Fault> {
        list::texts(self.reader, self.name, self.notes, max)
    }

    /// Names with texts: an object, a list of pairs, or a list of `{"key", "value"}`.
    pub(crate) fn pairs(self, max: usize) -> Result<Vec<(Text<'de>, Text<'de>)>, Fault> {
        list::pairs(self.reader, self.name, self.notes, max)
    }

    /// Whether there is anything in it.
    pub(crate) fn filled(self) -> Result<bool, Fault> {
        list::filled(self.reader)
    }
}

/// The moment that a number of seconds or of milliseconds since 1970 means.
fn unix_time(number: f64) -> Option<Time> {
    const MILLISECONDS_FROM: f64 = 1e11;
    const YEAR_9999_MS: f64 = 253_402_300_799_999.0;
    let ms = if number.abs() < MILLISECONDS_FROM { number * 1000.0 } else { number };
    (ms > 0.0 && ms <= YEAR_9999_MS).then(|| Time(ms.round() as i64))
}

fn written_time(text: &str) -> Option<Time> {
    // Older clients leave the zone out and mean UTC; SQL loggers write a blank for the T, which the parser takes.
    let time = match text.parse::<f64>() {
        Ok(number) => return unix_time(number),
        Err(_) => Time::parse_rfc3339(text).or_else(|| Time::parse_rfc3339(&format!("{}Z", clip(text)))),
    };
    time.filter(|time| time.ms() > 0)
}

impl<'de> Scalar<'de> {
    fn noun(&self) -> &'static str {
        match self {
            Scalar::Null => "null",
            Scalar::Flag(_) => "a flag",
            Scalar::Whole(_) | Scalar::Real(_) => "a number",
            Scalar::Text(_) => "a text",
            Scalar::List => "a list",
            Scalar::Object => "an object",
        }
    }

    fn into_text(self, name: &str, notes: &Notes) -> Option<Text<'de>> {
        match self {
            Scalar::Text(text) => Some(text),
            Scalar::Null => None,
            Scalar::Flag(flag) => Some(Cow::Borrowed(if flag { "true" } else { "false" })),
            Scalar::Whole(n) => Some(Cow::Owned(n.to_string())),
            Scalar::Real(x) => Some(Cow::Owned(x.to_string())),
            Scalar::List | Scalar::Object => {
                notes.left_out(name, self.noun(), "a text");
                None
            }
        }
    }
}

/// Whatever is there as text.
#[inline]
fn read_text<'de>(reader: &mut Reader<'de>, name: &str, notes: &Notes) -> Result<Option<Text<'de>>, Fault> {
    match reader.peek() {
        Some(b'"') => reader.string().map(Some),
        _ => written(reader, name, notes),
    }
}

/// Apart from `read_text`, so that a text, which nearly all are, takes a short way.
#[inline(never)]
fn written<'de>(reader: &mut Reader<'de>, name: &str, notes: &Notes) -> Result<Option<Text<'de>>, Fault> {
    Ok(reader.scalar()?.into_text(name, notes))
}

/// An object, when there is one.
fn read_object<'de, T: Object<'de>>(reader: &mut Reader<'de>, name: &str, notes: &Notes) -> Result<Option<T>, Fault> {
    if reader.peek() != Some(b'{') {
        return Ok(object_of(reader.scalar()?, name, notes));
    }
    let mut object = T::default();
    read_fields(reader, name, notes, &mut object).map(|read| read.then_some(object))
}

/// The object whose opening brace was peeked at. False when it is nested too deep, and was read past.
fn read_fields<'de, T: Object<'de>>(
    reader: &mut Reader<'de>,
    name: &str,
    notes: &Notes,
    object: &mut T,
) -> Result<bool, Fault> {
    let depth = notes.depth.get();
    if depth >= DEPTH_MAX {
        notes.add(format!("{}: nested deeper than {DEPTH_MAX} objects; the rest is left out", clip(name)));
        return reader.drain_object().map(|_| false);
    }
    notes.depth.set(depth + 1);
    reader.open();
    let mut first = true;
    while let Some(name) = reader.name(first)? {
        first = false;
        object.field(&name, Value { name: &name, reader, notes })?;
    }
    notes.depth.set(depth);
    Ok(true)
}

/// What a scalar means in the place of an object.
fn object_of<'de, T: Object<'de>>(scalar: Scalar<'de>, name: &str, notes: &Notes) -> Option<T> {
    if let Scalar::Null = scalar {
        return None;
    }
    let noun = scalar.noun();
    if !matches!(scalar, Scalar::List | Scalar::Object) {
        let mut object = T::default();
        if scalar.into_text(name, notes).is_some_and(|text| object.plain(text)) {
            return Some(object);
        }
    }
    notes.left_out(name, noun, "an object");
    None
}
