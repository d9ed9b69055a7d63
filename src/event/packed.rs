//! An event in one piece of memory, for the time between its fingerprint and the decision.
//!
//! Of a storm's events nearly none are stored, so what all of them cost counts: an event of its own text by text is a
//! hundred allocations, a packed one is one. Promises: unpacking gives the same event back, borrowed from the pack.
//! Deliberately not here: a format that is kept. It never leaves the process, and no version reads another's.

use std::cell::RefCell;

use super::{Attributes, Event, Exception, Frame, Level, Text};
use crate::time::Time;

/// An event, packed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Packed(Box<[u8]>);

/// Stands for no text where a text's length stands.
const NONE: u32 = u32::MAX;

/// What a thread's buffer keeps from one event to the next.
const KEPT_BYTES_MAX: usize = 64 << 10;

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

impl Packed {
    /// Packs an event. Bounded events have far less than the 4 GiB that a length can say.
    pub(crate) fn of(event: &Event<'_>) -> Packed {
        BUFFER.with_borrow_mut(|buffer| {
            buffer.clear();
            Packer(buffer).event(event);
            let packed = Packed(Box::from(&buffer[..]));
            buffer.shrink_to(KEPT_BYTES_MAX);
            packed
        })
    }

    /// The event again.
    pub(crate) fn event(&self) -> Event<'_> {
        Unpacker(&self.0).event()
    }
}

struct Packer<'b>(&'b mut Vec<u8>);

impl Packer<'_> {
    fn event(&mut self, event: &Event<'_>) {
        event.attributes.each().into_iter().for_each(|(_, text)| self.text(text));
        self.0.push(event.level as u8);
        self.0.push(u8::from(event.occurred_at.is_some()));
        self.0.extend_from_slice(&event.occurred_at.map_or(0, |time| time.0).to_le_bytes());
        self.number(event.scrubbed);
        let singles = [&event.template, &event.stacktrace, &event.trace_id, &event.release, &event.server, &event.user];
        for text in singles {
            match text {
                Some(text) => self.text(text),
                None => self.number(NONE),
            }
        }
        self.count(event.exceptions.len());
        event.exceptions.iter().for_each(|exception| self.exception(exception));
        self.count(event.tags.len());
        for (name, value) in &event.tags {
            self.text(name);
            self.text(value);
        }
        for list in [&event.fingerprint, &event.notes] {
            self.count(list.len());
            list.iter().for_each(|text| self.text(text));
        }
    }

    fn exception(&mut self, exception: &Exception<'_>) {
        self.text(&exception.kind);
        self.text(&exception.value);
        self.count(exception.frames.len());
        for frame in &exception.frames {
            self.text(&frame.module);
            self.text(&frame.function);
            self.text(&frame.file);
            self.0.push(u8::from(frame.line.is_some()) | frame.in_app.map_or(0, |own| 2 | u8::from(own) << 2));
            self.number(frame.line.unwrap_or(0));
        }
    }

    #[inline]
    fn number(&mut self, number: u32) {
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    #[inline]
    fn count(&mut self, count: usize) {
        self.number(u32::try_from(count).expect("an event is bounded"));
    }

    #[inline]
    fn text(&mut self, text: &str) {
        self.count(text.len());
        self.0.extend_from_slice(text.as_bytes());
    }
}

struct Unpacker<'p>(&'p [u8]);

impl<'p> Unpacker<'p> {
    fn event(&mut self) -> Event<'p> {
        let [category, module, environment, url, method, location, detail] = std::array::from_fn(|_| self.text());
        let attributes = Attributes { category, module, environment, url, method, location, detail };
        let level = self.level();
        let (has_time, time) = (self.byte() == 1, Time(i64::from_le_bytes(*self.bytes())));
        let scrubbed = self.number();
        let [template, stacktrace, trace_id, release, server, user] = std::array::from_fn(|_| self.opt_text());
        Event {
            attributes,
            level,
            occurred_at: has_time.then_some(time),
            exceptions: self.list(Unpacker::exception),
            template,
            stacktrace,
            trace_id,
            release,
            server,
            user,
            tags: self.list(|packed| (packed.text(), packed.text())),
            fingerprint: self.list(Unpacker::text),
            notes: self.list(Unpacker::text),
            scrubbed,
        }
    }

    fn level(&mut self) -> Level {
        const LEVELS: [Level; 5] = [Level::Debug, Level::Info, Level::Warning, Level::Error, Level::Fatal];
        LEVELS[usize::from(self.byte())]
    }

    fn exception(&mut self) -> Exception<'p> {
        Exception { kind: self.text(), value: self.text(), frames: self.list(Unpacker::frame) }
    }

    fn frame(&mut self) -> Frame<'p> {
        let (module, function, file) = (self.text(), self.text(), self.text());
        let (flags, line) = (self.byte(), self.number());
        let in_app = (flags & 2 != 0).then_some(flags & 4 != 0);
        Frame { module, function, file, line: (flags & 1 != 0).then_some(line), in_app }
    }

    fn list<T>(&mut self, one: impl Fn(&mut Unpacker<'p>) -> T) -> Vec<T> {
        (0..self.number()).map(|_| one(self)).collect()
    }

    fn take(&mut self, count: usize) -> &'p [u8] {
        let (taken, rest) = self.0.split_at(count);
        self.0 = rest;
        taken
    }

    fn bytes<const N: usize>(&mut self) -> &'p [u8; N] {
        self.take(N).first_chunk().expect("so many were taken")
    }

    fn byte(&mut self) -> u8 {
        self.bytes::<1>()[0]
    }

    fn number(&mut self) -> u32 {
        u32::from_le_bytes(*self.bytes())
    }

    fn text(&mut self) -> Text<'p> {
        self.opt_text().unwrap_or_default()
    }

    fn opt_text(&mut self) -> Option<Text<'p>> {
        let len = self.number();
        let bytes = (len != NONE).then(|| self.take(len as usize))?;
        Some(std::str::from_utf8(bytes).expect("it was packed as text").into())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text() -> impl Strategy<Value = Text<'static>> {
        any::<String>().prop_map(Text::from)
    }

    fn frame() -> impl Strategy<Value = Frame<'static>> {
        (text(), text(), text(), any::<Option<u32>>(), any::<Option<bool>>())
            .prop_map(|(module, function, file, line, in_app)| Frame { module, function, file, line, in_app })
    }

    fn exception() -> impl Strategy<Value = Exception<'static>> {
        (text(), text(), prop::collection::vec(frame(), 0..4)).prop_map(|(kind, value, frames)| Exception {
            kind,
            value,
            frames,
        })
    }

    fn event() -> impl Strategy<Value = Event<'static>> {
        use prop::collection::vec;
        let level = prop::sample::select(vec![Level::Debug, Level::Info, Level::Warning, Level::Error, Level::Fatal]);
        let lists = (vec(exception(), 0..3), vec((text(), text()), 0..3), vec(text(), 0..3), vec(text(), 0..3));
        let singles = prop::array::uniform6(prop::option::of(text()));
        let rest = (level, any::<Option<i64>>(), any::<u32>());
        (prop::array::uniform7(text()), singles, lists, rest).prop_map(|(seven, singles, lists, rest)| {
            let [category, module, environment, url, method, location, detail] = seven;
            let [template, stacktrace, trace_id, release, server, user] = singles;
            let (exceptions, tags, fingerprint, notes) = lists;
            let (level, at, scrubbed) = rest;
            Event {
                attributes: Attributes { category, module, environment, url, method, location, detail },
                level,
                occurred_at: at.map(Time),
                exceptions,
                template,
                stacktrace,
                trace_id,
                release,
                server,
                user,
                tags,
                fingerprint,
                notes,
                scrubbed,
            }
        })
    }

    proptest! {
        #[test]
        fn what_is_packed_comes_out_again(event in event()) {
            assert_eq!(Packed::of(&event).event(), event);
        }
    }
}
