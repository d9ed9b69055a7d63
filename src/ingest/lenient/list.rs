//! Lists, read one element at a time.
//!
//! Promises: a list of five million elements costs the memory of those it keeps; what was dropped is counted and noted.
//! Deliberately not here: single fields and objects.

use super::{Keep, Notes, Object, Value, clip, object_of, read_fields, read_object, read_text};
use crate::event::Text;
use crate::ingest::json::{Fault, Reader, Scalar, Unreadable};

/// A list under construction that never holds more than it may keep.
struct Kept<T> {
    keep: Keep,
    items: Vec<T>,
    /// The oldest of the items, which is replaced next when only the last are kept.
    oldest: usize,
    dropped: usize,
}

impl<T> Kept<T> {
    fn new(keep: Keep) -> Kept<T> {
        Kept { keep, items: Vec::new(), oldest: 0, dropped: 0 }
    }

    fn push(&mut self, item: T) {
        match self.keep {
            Keep::First(max) if self.items.len() >= max => self.dropped += 1,
            Keep::Last(max) if self.items.len() >= max => {
                self.items[self.oldest] = item;
                self.oldest = (self.oldest + 1) % max;
                self.dropped += 1;
            }
            _ => self.items.push(item),
        }
    }

    /// A new item in its place, to be filled there; none when something has to give way.
    fn room(&mut self) -> Option<&mut T>
    where
        T: Default,
    {
        let (Keep::First(max) | Keep::Last(max)) = self.keep;
        if self.items.len() >= max {
            return None;
        }
        self.items.push(T::default());
        self.items.last_mut()
    }

    fn into_vec(mut self, name: &str, notes: &Notes) -> Vec<T> {
        self.items.rotate_left(self.oldest);
        if self.dropped > 0 {
            let end = match self.keep {
                Keep::First(_) => "first",
                Keep::Last(_) => "last",
            };
            let (kept, sent) = (self.items.len(), self.items.len() + self.dropped);
            notes.add(format!("{}: {sent} were sent, the {end} {kept} are kept", clip(name)));
        }
        self.items
    }
}

/// Objects: a bare list, one under the wrapper's name in an object, or a single object.
pub(super) fn objects_in<'de, T: Object<'de>>(
    reader: &mut Reader<'de>,
    name: &str,
    notes: &Notes,
    wrapper: &str,
    keep: Keep,
) -> Result<Vec<T>, Fault> {
    Ok(listed(reader, name, notes, Some(wrapper), keep)?.into_vec(name, notes))
}

/// The same. No wrapper for the list in one, or nesting would recurse.
fn listed<'de, T: Object<'de>>(
    reader: &mut Reader<'de>,
    name: &str,
    notes: &Notes,
    wrapper: Option<&str>,
    keep: Keep,
) -> Result<Kept<T>, Fault> {
    let mut kept = Kept::new(keep);
    let mut first = true;
    match reader.peek() {
        Some(b'[') => {
            reader.open();
            while reader.element(first)? {
                first = false;
                if reader.peek() == Some(b'{')
                    && let Some(object) = kept.room()
                {
                    if !read_fields(reader, name, notes, object)? {
                        kept.items.pop();
                    }
                } else {
                    read_object(reader, name, notes)?.into_iter().for_each(|object| kept.push(object));
                }
            }
        }
        Some(b'{') => {
            reader.open();
            let mut wrapped = None;
            // An object without the wrapper's key is the single element itself, so its fields are read as they come.
            let mut single: Option<T> = None;
            while let Some(field) = reader.name(first)? {
                first = false;
                if wrapper == Some(&*field) {
                    wrapped = Some(listed(reader, name, notes, None, keep)?);
                } else {
                    let value = Value { name: &field, reader, notes };
                    single.get_or_insert_with(T::default).field(&field, value)?;
                }
            }
            if let Some(wrapped) = wrapped {
                return Ok(wrapped);
            }
            single.into_iter().for_each(|object| kept.push(object));
        }
        _ => object_of(reader.scalar()?, name, notes).into_iter().for_each(|object| kept.push(object)),
    }
    Ok(kept)
}

/// Texts; a single text is a list of one.
pub(super) fn texts<'de>(
    reader: &mut Reader<'de>,
    name: &str,
    notes: &Notes,
    max: usize,
) -> Result<Vec<Text<'de>>, Fault> {
    let mut kept = Kept::new(Keep::First(max));
    if reader.peek() == Some(b'[') {
        reader.open();
        let mut first = true;
        while reader.element(first)? {
            first = false;
            read_text(reader, name, notes)?.into_iter().for_each(|text| kept.push(text));
        }
    } else {
        read_text(reader, name, notes)?.into_iter().for_each(|text| kept.push(text));
    }
    Ok(kept.into_vec(name, notes))
}

type Pair<'de> = (Text<'de>, Text<'de>);

/// Names with texts: an object, or a list of pairs.
pub(super) fn pairs<'de>(
    reader: &mut Reader<'de>,
    name: &str,
    notes: &Notes,
    max: usize,
) -> Result<Vec<Pair<'de>>, Fault> {
    let mut kept = Kept::new(Keep::First(max));
    let mut first = true;
    match reader.peek() {
        Some(b'[') => {
            reader.open();
            while reader.element(first)? {
                first = false;
                pair(reader, name, notes)?.into_iter().for_each(|pair| kept.push(pair));
            }
        }
        Some(b'{') => {
            reader.open();
            while let Some(field) = reader.name(first)? {
                first = false;
                if let Some(text) = read_text(reader, &field, notes)? {
                    kept.push((field, text));
                }
            }
        }
        _ => match reader.scalar()? {
            Scalar::Null => {}
            scalar => notes.left_out(name, scalar.noun(), "an object or a list of pairs"),
        },
    }
    Ok(kept.into_vec(name, notes))
}

/// One pair of a list: `["name", "text"]`, or `{"key": "name", "value": "text"}`.
fn pair<'de>(reader: &mut Reader<'de>, name: &str, notes: &Notes) -> Result<Option<Pair<'de>>, Fault> {
    let mut parts = [None, None];
    let mut first = true;
    match reader.peek() {
        Some(b'[') => {
            reader.open();
            let mut places = parts.iter_mut();
            while reader.element(first)? {
                first = false;
                match places.next() {
                    Some(part) => *part = read_text(reader, name, notes)?,
                    None => reader.skip()?,
                }
            }
        }
        Some(b'{') => {
            reader.open();
            while let Some(key) = reader.name(first)? {
                first = false;
                let part = read_text(reader, name, notes)?;
                match &*key {
                    "key" => parts[0] = part,
                    "value" => parts[1] = part,
                    _ => {}
                }
            }
        }
        _ => notes.left_out(name, reader.scalar()?.noun(), "a pair"),
    }
    let [name, text] = parts;
    Ok(name.zip(text))
}

/// Whether anything is there.
pub(super) fn filled(reader: &mut Reader<'_>) -> Result<bool, Fault> {
    match reader.peek() {
        Some(b'[') => reader.drain_list(),
        Some(b'{') => reader.drain_object(),
        _ => Ok(reader.scalar()? != Scalar::Null),
    }
}

/// A list of objects, each with notes of its own.
pub(crate) struct Objects<T> {
    /// The first of them. `None` stands for an element that is no object.
    pub(crate) kept: Vec<(Option<T>, Notes)>,
    /// How many there were.
    pub(crate) count: usize,
}

/// Reads a whole text that is a list of objects, of which at most `max` are kept.
pub(crate) fn objects<'de, T: Object<'de>>(json: &'de str, max: usize) -> Result<Objects<T>, Unreadable> {
    let mut reader = Reader::new(json);
    elements(&mut reader, max).map_err(|fault| reader.told(fault))
}

fn elements<'de, T: Object<'de>>(reader: &mut Reader<'de>, max: usize) -> Result<Objects<T>, Fault> {
    let mut objects = Objects { kept: Vec::new(), count: 0 };
    if reader.peek() != Some(b'[') {
        reader.scalar()?;
        return Ok(objects);
    }
    reader.open();
    while reader.element(objects.count == 0)? {
        objects.count += 1;
        if objects.kept.len() < max {
            let notes = Notes::default();
            let object = read_object(reader, "the event", &notes)?;
            objects.kept.push((object, notes));
        } else {
            reader.skip()?;
        }
    }
    reader.end()?;
    Ok(objects)
}
