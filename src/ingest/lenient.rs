//! JSON objects read field by field, forgiving about types.
//!
//! A protocol implements [`Object`] for each shape it reads: `field` is called for every key with a [`Value`], which
//! gives the field as what is wanted (`text`, `line`, `list`, …) whatever was sent. Promises: texts are borrowed where
//! they hold no escapes; the last of duplicate keys wins; nothing nested in a field that is not read is kept, at any
//! depth; a list keeps at most the number of elements its reader names, however many were sent. A field that is of no
//! use is left out with a note; only text that is not JSON at all is an error (and see `mend`).
//!
//! Why not `#[derive(Deserialize)]`: it refuses duplicate keys and wrong types, and borrows no `Cow` inside an `Option`
//! or a list. Deliberately not here: the configured limits. The numbers that readers name are hard ceilings against a
//! hostile body; `bound` cuts to what is configured, and a reader without configuration is a function of the bytes.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::marker::PhantomData;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::event::{Level, Text};
use crate::time::Time;
use list::{FilledSeed, ListSeed, PairsSeed, TextsSeed};

/// Everything that can stand where a shape with more than one form is read; each form of the same shape ends in
/// `$fallback`, which sees the scalar.
macro_rules! scalars_fall_to {
    ($fallback:ident) => {
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("anything")
        }

        fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
            Ok(self.$fallback(Scalar::Null))
        }

        fn visit_bool<E: Error>(self, flag: bool) -> Result<Self::Value, E> {
            Ok(self.$fallback(Scalar::Flag(flag)))
        }

        fn visit_i64<E: Error>(self, n: i64) -> Result<Self::Value, E> {
            Ok(self.$fallback(Scalar::Whole(n)))
        }

        fn visit_u64<E: Error>(self, n: u64) -> Result<Self::Value, E> {
            // Ids above `i64` keep their digits, as text.
            let large = |_| Scalar::Text(Cow::Owned(n.to_string()));
            Ok(self.$fallback(i64::try_from(n).map_or_else(large, Scalar::Whole)))
        }

        fn visit_f64<E: Error>(self, x: f64) -> Result<Self::Value, E> {
            Ok(self.$fallback(Scalar::Real(x)))
        }

        fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
            Ok(self.$fallback(Scalar::Text(Cow::Borrowed(text))))
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
            Ok(self.$fallback(Scalar::Text(Cow::Owned(text.to_owned()))))
        }
    };
}

mod list;

pub(crate) use list::{Objects, objects};

/// Notes of one event. A body that is wrong everywhere shall not become a page of notes.
const NOTES_MAX: usize = 16;

/// Objects inside each other that are read; what lies deeper is read past. Below the parser's own limit of 128, beyond
/// which it would give up the whole body, and with it the sound events beside a chain of causes without end.
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
    fn field<A: MapAccess<'de>>(&mut self, name: &str, value: Value<'_, A>) -> Result<(), A::Error>;

    /// Takes a text that stands in the place of the object (`"user": "42"`). False: it means nothing here.
    fn plain(&mut self, _text: Text<'de>) -> bool {
        false
    }
}

/// Reads a whole text that is one JSON object.
pub(crate) fn object<'de, T: Object<'de>>(json: &'de str, notes: &Notes) -> serde_json::Result<T> {
    let mut deserializer = serde_json::Deserializer::from_str(json);
    let read = ObjectSeed::<T>::new("the event", notes).deserialize(&mut deserializer)?;
    deserializer.end()?;
    read.ok_or_else(|| serde_json::Error::custom("a JSON object is wanted here"))
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
pub(crate) struct Value<'x, A> {
    name: &'x str,
    map: &'x mut A,
    notes: &'x Notes,
}

impl<'de, A: MapAccess<'de>> Value<'_, A> {
    /// Reads past it.
    pub(crate) fn skip(self) -> Result<(), A::Error> {
        self.map.next_value::<IgnoredAny>().map(drop)
    }

    /// Text; a number or a flag as it is written; empty when there is none.
    pub(crate) fn text(self) -> Result<Text<'de>, A::Error> {
        Ok(self.opt_text()?.unwrap_or_default())
    }

    /// Text; a number or a flag as it is written.
    pub(crate) fn opt_text(self) -> Result<Option<Text<'de>>, A::Error> {
        let (name, notes) = (self.name, self.notes);
        self.map.next_value_seed(As(|scalar: Scalar<'de>| scalar.into_text(name, notes)))
    }

    /// What `convert` makes of a scalar. Null is none; anything else of which it makes nothing is noted.
    fn one<T>(self, wanted: &str, convert: impl FnOnce(&Scalar<'de>) -> Option<T>) -> Result<Option<T>, A::Error> {
        let (name, notes) = (self.name, self.notes);
        self.map.next_value_seed(As(|scalar: Scalar<'de>| {
            let made = convert(&scalar);
            if made.is_none() && !matches!(scalar, Scalar::Null) {
                notes.left_out(name, scalar.noun(), wanted);
            }
            made
        }))
    }

    /// A whole number, also when it is written as text or with a fraction.
    pub(crate) fn whole(self) -> Result<Option<i64>, A::Error> {
        self.one("a whole number", |scalar| match scalar {
            Scalar::Whole(n) => Some(*n),
            Scalar::Real(x) => Some(*x as i64),
            Scalar::Text(text) => text.trim().parse().ok(),
            _ => None,
        })
    }

    /// A line number. Clients say 0 or -1 for "unknown": none, without a note.
    pub(crate) fn line(self) -> Result<Option<u32>, A::Error> {
        Ok(self.whole()?.and_then(|n| u32::try_from(n).ok()).filter(|line| *line > 0))
    }

    /// Yes or no, also as 0 and 1 and as text.
    pub(crate) fn flag(self) -> Result<Option<bool>, A::Error> {
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
    pub(crate) fn level(self) -> Result<Option<Level>, A::Error> {
        self.one("the name of a level", |scalar| match scalar {
            Scalar::Text(text) => Level::parse(text.trim()),
            _ => None,
        })
    }

    /// A moment: RFC 3339, or Unix time as a number or as text.
    ///
    /// Seconds and milliseconds are told apart by size, so that this serves Sentry (seconds) and the native protocol
    /// (milliseconds) alike: 10^11 is the year 5138 in seconds and 1973 in milliseconds.
    pub(crate) fn timestamp(self) -> Result<Option<Time>, A::Error> {
        self.one("a time", |scalar| match scalar {
            Scalar::Whole(n) => unix_time(*n as f64),
            Scalar::Real(x) => unix_time(*x),
            Scalar::Text(text) => written_time(text.trim()),
            _ => None,
        })
    }

    /// An object; its default when there is none.
    pub(crate) fn object<T: Object<'de>>(self) -> Result<T, A::Error> {
        Ok(self.map.next_value_seed(ObjectSeed::new(self.name, self.notes))?.unwrap_or_default())
    }

    /// An object, when there is one.
    pub(crate) fn opt_object<T: Object<'de>>(self) -> Result<Option<T>, A::Error> {
        self.map.next_value_seed(ObjectSeed::new(self.name, self.notes))
    }

    /// A list of objects: a bare list, one wrapped as `{WRAPPER: […]}`, or a single object.
    pub(crate) fn list<T: Object<'de>>(self, wrapper: &'static str, keep: Keep) -> Result<Vec<T>, A::Error> {
        let (name, notes) = (self.name, self.notes);
        let seed = ListSeed::new(name, notes, wrapper, keep);
        Ok(self.map.next_value_seed(seed)?.into_vec(name, notes))
    }

    /// A list of texts; a single text is a list of one.
    pub(crate) fn texts(self, max: usize) -> Result<Vec<Text<'de>>, A::Error> {
        let (name, notes) = (self.name, self.notes);
        Ok(self.map.next_value_seed(TextsSeed { name, notes, max })?.into_vec(name, notes))
    }

    /// Names with texts: an object, a list of pairs, or a list of `{"key", "value"}`.
    pub(crate) fn pairs(self, max: usize) -> Result<Vec<(Text<'de>, Text<'de>)>, A::Error> {
        let (name, notes) = (self.name, self.notes);
        Ok(self.map.next_value_seed(PairsSeed { name, notes, max })?.into_vec(name, notes))
    }

    /// Whether there is anything in it.
    pub(crate) fn filled(self) -> Result<bool, A::Error> {
        self.map.next_value_seed(FilledSeed)
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

/// What a field may hold besides a list or an object.
enum Scalar<'de> {
    Null,
    Flag(bool),
    Whole(i64),
    Real(f64),
    Text(Text<'de>),
    List,
    Object,
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

    #[inline]
    fn into_text(self, name: &str, notes: &Notes) -> Option<Text<'de>> {
        match self {
            Scalar::Text(text) => Some(text),
            other => other.written(name, notes),
        }
    }

    /// Apart from `into_text`, so that a text, which nearly all are, takes a short way.
    #[cold]
    fn written(self, name: &str, notes: &Notes) -> Option<Text<'de>> {
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

/// Reads whatever is there as a scalar and makes of it what is wanted.
///
/// A closure and not a `Scalar` as the result: so each reader becomes code of its own in which only the cases that it
/// can meet are left, and the hot ones (text, number) take no detour.
struct As<F>(F);

impl<'de, T, F: FnOnce(Scalar<'de>) -> T> DeserializeSeed<'de> for As<F> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<F> As<F> {
    #[inline]
    fn scalar<'de, T>(self, scalar: Scalar<'de>) -> T
    where
        F: FnOnce(Scalar<'de>) -> T,
    {
        (self.0)(scalar)
    }
}

impl<'de, T, F: FnOnce(Scalar<'de>) -> T> Visitor<'de> for As<F> {
    type Value = T;

    scalars_fall_to!(scalar);

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<T, A::Error> {
        drain_seq(seq).map(|()| self.scalar(Scalar::List))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        drain_map(map).map(|()| self.scalar(Scalar::Object))
    }
}

/// Reads past elements without recursion, so that no depth of nesting is too deep.
fn drain_seq<'de, A: SeqAccess<'de>>(mut seq: A) -> Result<(), A::Error> {
    while seq.next_element::<IgnoredAny>()?.is_some() {}
    Ok(())
}

fn drain_map<'de, A: MapAccess<'de>>(mut map: A) -> Result<(), A::Error> {
    while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
    Ok(())
}

/// A key, borrowed when it holds no escapes.
struct KeySeed;

impl<'de> DeserializeSeed<'de> for KeySeed {
    type Value = Text<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Text<'de>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for KeySeed {
    type Value = Text<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_borrowed_str<E: Error>(self, name: &'de str) -> Result<Text<'de>, E> {
        Ok(Cow::Borrowed(name))
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Text<'de>, E> {
        Ok(Cow::Owned(name.to_owned()))
    }
}

struct ObjectSeed<'x, T> {
    name: &'x str,
    notes: &'x Notes,
    shape: PhantomData<T>,
}

impl<'x, T> ObjectSeed<'x, T> {
    fn new(name: &'x str, notes: &'x Notes) -> ObjectSeed<'x, T> {
        ObjectSeed { name, notes, shape: PhantomData }
    }

    fn scalar<'de>(self, scalar: Scalar<'de>) -> Option<T>
    where
        T: Object<'de>,
    {
        if let Scalar::Null = scalar {
            return None;
        }
        let (noun, mut object) = (scalar.noun(), T::default());
        if scalar.into_text(self.name, self.notes).is_some_and(|text| object.plain(text)) {
            return Some(object);
        }
        self.notes.left_out(self.name, noun, "an object");
        None
    }
}

impl<'de, T: Object<'de>> DeserializeSeed<'de> for ObjectSeed<'_, T> {
    type Value = Option<T>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<T>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, T: Object<'de>> Visitor<'de> for ObjectSeed<'_, T> {
    type Value = Option<T>;

    scalars_fall_to!(scalar);

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Option<T>, A::Error> {
        self.notes.left_out(self.name, "a list", "an object");
        drain_seq(seq).map(|()| None)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Option<T>, A::Error> {
        let depth = self.notes.depth.get();
        if depth >= DEPTH_MAX {
            self.notes
                .add(format!("{}: nested deeper than {DEPTH_MAX} objects; the rest is left out", clip(self.name)));
            return drain_map(map).map(|()| None);
        }
        self.notes.depth.set(depth + 1);
        let mut object = T::default();
        while let Some(name) = map.next_key_seed(KeySeed)? {
            object.field(&name, Value { name: &name, map: &mut map, notes: self.notes })?;
        }
        self.notes.depth.set(depth);
        Ok(Some(object))
    }
}
