//! Lists, read one element at a time.
//!
//! Promises: a list of five million elements costs the memory of those it keeps; what was dropped is counted and noted.
//! Deliberately not here: single fields and objects.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::{As, Keep, KeySeed, Notes, Object, ObjectSeed, Scalar, Value, clip, drain_map, drain_seq};
use crate::event::Text;

/// A list under construction that never holds more than it may keep.
pub(super) struct Kept<T> {
    keep: Keep,
    items: VecDeque<T>,
    dropped: usize,
}

impl<T> Kept<T> {
    fn new(keep: Keep) -> Kept<T> {
        Kept { keep, items: VecDeque::new(), dropped: 0 }
    }

    fn push(&mut self, item: T) {
        match self.keep {
            Keep::First(max) if self.items.len() >= max => self.dropped += 1,
            Keep::Last(max) if self.items.len() >= max => {
                self.items.pop_front();
                self.items.push_back(item);
                self.dropped += 1;
            }
            _ => self.items.push_back(item),
        }
    }

    pub(super) fn into_vec(self, name: &str, notes: &Notes) -> Vec<T> {
        if self.dropped > 0 {
            let end = match self.keep {
                Keep::First(_) => "first",
                Keep::Last(_) => "last",
            };
            let (kept, sent) = (self.items.len(), self.items.len() + self.dropped);
            notes.add(format!("{}: {sent} were sent, the {end} {kept} are kept", clip(name)));
        }
        self.items.into()
    }
}

/// A list of objects.
pub(super) struct ListSeed<'x, T> {
    name: &'x str,
    notes: &'x Notes,
    /// The key under which the list may stand in an object; none for the list in there, or nesting would recurse.
    wrapper: Option<&'static str>,
    keep: Keep,
    shape: PhantomData<T>,
}

impl<'x, T> ListSeed<'x, T> {
    pub(super) fn new(name: &'x str, notes: &'x Notes, wrapper: &'static str, keep: Keep) -> ListSeed<'x, T> {
        ListSeed { name, notes, wrapper: Some(wrapper), keep, shape: PhantomData }
    }

    fn element(&self) -> ObjectSeed<'x, T> {
        ObjectSeed::new(self.name, self.notes)
    }

    fn scalar<'de>(self, scalar: Scalar<'de>) -> Kept<T>
    where
        T: Object<'de>,
    {
        let mut kept = Kept::new(self.keep);
        if let Some(one) = self.element().scalar(scalar) {
            kept.push(one);
        }
        kept
    }
}

impl<'de, T: Object<'de>> DeserializeSeed<'de> for ListSeed<'_, T> {
    type Value = Kept<T>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Kept<T>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, T: Object<'de>> Visitor<'de> for ListSeed<'_, T> {
    type Value = Kept<T>;

    scalars_fall_to!(scalar);

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Kept<T>, A::Error> {
        let mut kept = Kept::new(self.keep);
        while let Some(element) = seq.next_element_seed(self.element())? {
            if let Some(object) = element {
                kept.push(object);
            }
        }
        Ok(kept)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Kept<T>, A::Error> {
        let mut wrapped = None;
        // An object without the wrapper's key is the single element itself, so its fields are read as they come.
        let mut single: Option<T> = None;
        while let Some(name) = map.next_key_seed(KeySeed)? {
            if self.wrapper == Some(&*name) {
                wrapped = Some(map.next_value_seed(ListSeed { wrapper: None, ..self })?);
            } else {
                let value = Value { name: &name, map: &mut map, notes: self.notes };
                single.get_or_insert_with(T::default).field(&name, value)?;
            }
        }
        Ok(wrapped.unwrap_or_else(|| {
            let mut kept = Kept::new(self.keep);
            single.into_iter().for_each(|object| kept.push(object));
            kept
        }))
    }
}

/// A list of texts.
pub(super) struct TextsSeed<'x> {
    pub(super) name: &'x str,
    pub(super) notes: &'x Notes,
    pub(super) max: usize,
}

impl<'x> TextsSeed<'x> {
    fn scalar<'de>(self, scalar: Scalar<'de>) -> Kept<Text<'de>> {
        let mut kept = Kept::new(Keep::First(self.max));
        scalar.into_text(self.name, self.notes).into_iter().for_each(|text| kept.push(text));
        kept
    }
}

impl<'de> DeserializeSeed<'de> for TextsSeed<'_> {
    type Value = Kept<Text<'de>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for TextsSeed<'_> {
    type Value = Kept<Text<'de>>;

    scalars_fall_to!(scalar);

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut kept = Kept::new(Keep::First(self.max));
        let TextsSeed { name, notes, .. } = self;
        while let Some(text) = seq.next_element_seed(As(|scalar: Scalar<'de>| scalar.into_text(name, notes)))? {
            text.into_iter().for_each(|text| kept.push(text));
        }
        Ok(kept)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        drain_map(map)?;
        Ok(self.scalar(Scalar::Object))
    }
}

/// Names with texts.
pub(super) struct PairsSeed<'x> {
    pub(super) name: &'x str,
    pub(super) notes: &'x Notes,
    pub(super) max: usize,
}

impl PairsSeed<'_> {
    fn scalar<'de>(self, scalar: Scalar<'de>) -> Kept<(Text<'de>, Text<'de>)> {
        if !matches!(scalar, Scalar::Null) {
            self.notes.left_out(self.name, scalar.noun(), "an object or a list of pairs");
        }
        Kept::new(Keep::First(self.max))
    }
}

impl<'de> DeserializeSeed<'de> for PairsSeed<'_> {
    type Value = Kept<(Text<'de>, Text<'de>)>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for PairsSeed<'_> {
    type Value = Kept<(Text<'de>, Text<'de>)>;

    scalars_fall_to!(scalar);

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut kept = Kept::new(Keep::First(self.max));
        while let Some(pair) = seq.next_element_seed(PairSeed { name: self.name, notes: self.notes })? {
            pair.into_iter().for_each(|pair| kept.push(pair));
        }
        Ok(kept)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut kept = Kept::new(Keep::First(self.max));
        while let Some(name) = map.next_key_seed(KeySeed)? {
            let text = map.next_value_seed(As(|scalar: Scalar<'de>| scalar.into_text(&name, self.notes)))?;
            if let Some(text) = text {
                kept.push((name, text));
            }
        }
        Ok(kept)
    }
}

/// One pair of a list: `["name", "text"]`, or `{"key": "name", "value": "text"}`.
struct PairSeed<'x> {
    name: &'x str,
    notes: &'x Notes,
}

impl<'x> PairSeed<'x> {
    fn scalar<'de>(self, scalar: Scalar<'de>) -> Option<(Text<'de>, Text<'de>)> {
        self.notes.left_out(self.name, scalar.noun(), "a pair");
        None
    }
}

impl<'de> DeserializeSeed<'de> for PairSeed<'_> {
    type Value = Option<(Text<'de>, Text<'de>)>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for PairSeed<'_> {
    type Value = Option<(Text<'de>, Text<'de>)>;

    scalars_fall_to!(scalar);

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let PairSeed { name, notes } = self;
        let text = |scalar: Scalar<'de>| scalar.into_text(name, notes);
        let first = seq.next_element_seed(As(text))?.flatten();
        let second = seq.next_element_seed(As(text))?.flatten();
        drain_seq(seq)?;
        Ok(first.zip(second))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (mut name, mut text) = (None, None);
        while let Some(key) = map.next_key_seed(KeySeed)? {
            let part = map.next_value_seed(As(|scalar: Scalar<'de>| scalar.into_text(self.name, self.notes)))?;
            match &*key {
                "key" => name = part,
                "value" => text = part,
                _ => {}
            }
        }
        Ok(name.zip(text))
    }
}

/// Whether anything is there.
pub(super) struct FilledSeed;

impl FilledSeed {
    fn scalar(self, scalar: Scalar<'_>) -> bool {
        !matches!(scalar, Scalar::Null)
    }
}

impl<'de> DeserializeSeed<'de> for FilledSeed {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for FilledSeed {
    type Value = bool;

    scalars_fall_to!(scalar);

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<bool, A::Error> {
        let filled = seq.next_element::<IgnoredAny>()?.is_some();
        drain_seq(seq).map(|()| filled)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<bool, A::Error> {
        let filled = map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some();
        drain_map(map).map(|()| filled)
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
pub(crate) fn objects<'de, T: Object<'de>>(json: &'de str, max: usize) -> serde_json::Result<Objects<T>> {
    struct Elements<T>(usize, PhantomData<T>);

    impl<'de, T: Object<'de>> Visitor<'de> for Elements<T> {
        type Value = Objects<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list of events")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
            let mut kept = Vec::new();
            while kept.len() < self.0 {
                let notes = Notes::default();
                let Some(object) = seq.next_element_seed(ObjectSeed::<T>::new("the event", &notes))? else {
                    return Ok(Objects { count: kept.len(), kept });
                };
                kept.push((object, notes));
            }
            let mut count = kept.len();
            while seq.next_element::<IgnoredAny>()?.is_some() {
                count += 1;
            }
            Ok(Objects { kept, count })
        }
    }

    let mut deserializer = serde_json::Deserializer::from_str(json);
    let read = deserializer.deserialize_seq(Elements(max, PhantomData))?;
    deserializer.end()?;
    Ok(read)
}
