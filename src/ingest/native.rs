//! The native protocol: one JSON object, a list of them, or one a line.
//!
//! Promises: a bad event does not take the good ones with it; what was odd about a good one is in its notes. A list
//! that is not whole JSON is refused whole, since its sender will send it again; lines stand on their own.

use super::json::{Fault, Unreadable};
use super::lenient::{self, Keep, Notes, Object, Objects, Value};
use super::{bound, category, mend, stacktrace};
use crate::config::{Limits, nearest};
use crate::event::{Attributes, Event, Exception, Frame, Level, Text};
use crate::outcome::{Reject, RejectReason};
use crate::time::Time;

/// Frames of one exception while reading; the first are the innermost.
const FRAMES_MAX: usize = 256;
/// Tags while reading.
const TAGS_MAX: usize = 256;
/// Parts of a client's own fingerprint.
const FINGERPRINT_MAX: usize = 32;

/// The names of an event's fields, for the nearest right one of a wrong one.
const FIELDS: [&str; 19] = [
    "category",
    "module",
    "environment",
    "url",
    "method",
    "location",
    "detail",
    "level",
    "timestamp",
    "exception",
    "stacktrace",
    "trace_id",
    "release",
    "server",
    "user",
    "tags",
    "fingerprint",
    "template",
    "message",
];

/// Events as far as each could be read.
type Events<'a> = Vec<Result<Event<'a>, Reject>>;

/// Reads a body and hands its events to `then`. They borrow from the body, or from a mended copy of it.
///
/// # Errors
/// When nothing of it can be read, or it holds too many events.
pub(crate) fn read<T>(
    body: &[u8],
    limits: &Limits,
    now: Time,
    then: impl FnOnce(Events<'_>) -> T,
) -> Result<T, Reject> {
    if let Ok(text) = std::str::from_utf8(body)
        && let Ok(events) = read_text(text, limits, now)
    {
        return Ok(then(events));
    }
    // Mending may change what is read, so it is tried only on what cannot be read as it stands.
    match mend::mended(body) {
        Some(mended) => read_text(&mended, limits, now).map(then),
        None => read_text(&String::from_utf8_lossy(body), limits, now).map(then),
    }
}

/// Reads a text that is one event.
pub(crate) fn one(text: &str, limits: &Limits, now: Time) -> Result<Event<'static>, Reject> {
    let read = read(text.as_bytes(), limits, now, |events| {
        events.into_iter().map(|event| event.map(Event::into_owned)).collect::<Result<Vec<_>, _>>()
    });
    match <[Event<'static>; 1]>::try_from(read??) {
        Ok([event]) => Ok(event),
        Err(others) => Err(Reject::invalid(format!("one event is wanted; there are {}", others.len()))),
    }
}

fn read_text<'a>(text: &'a str, limits: &Limits, now: Time) -> Result<Events<'a>, Reject> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let place = Place { limits, now, origin: bound::Origin::of(text.as_bytes()) };
    match text.trim_start().bytes().next() {
        None => {
            Err(Reject::invalid("the body is empty; send one event as a JSON object, a list of them, or one a line"))
        }
        Some(b'[') => place.list(text),
        _ => place.object_or_lines(text),
    }
}

struct Place<'x> {
    limits: &'x Limits,
    origin: bound::Origin,
    now: Time,
}

impl Place<'_> {
    fn list<'a>(&self, text: &'a str) -> Result<Events<'a>, Reject> {
        let Objects { kept, count } = lenient::objects::<Native<'_>>(text, self.limits.batch_events)
            .map_err(|error| Reject::invalid(format!("the list of events is not whole JSON: {error}")))?;
        self.within(count)?;
        let events = kept.into_iter().enumerate().map(|(index, (native, notes))| match native {
            Some(native) => self.event(native, notes).map_err(|reject| at(&format!("event {index}"), reject)),
            None => Err(Reject::invalid(format!("event {index} is not a JSON object"))),
        });
        Ok(events.collect())
    }

    fn object_or_lines<'a>(&self, text: &'a str) -> Result<Events<'a>, Reject> {
        let whole = match self.object(text) {
            Ok(event) => return Ok(vec![event]),
            Err(error) => error,
        };
        let lines = || text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        // An object that is spread over lines has none that begins another.
        if !lines().skip(1).any(|(_, line)| line.trim_start().starts_with('{')) {
            return Err(Reject::invalid(format!("the event is not a JSON object: {whole}")));
        }
        self.within(lines().count())?;
        let events = lines().map(|(number, line)| {
            let place = format!("line {}", number + 1);
            match self.object(line) {
                Ok(event) => event.map_err(|reject| at(&place, reject)),
                Err(error) => Err(Reject::invalid(format!("{place} is not a JSON object: {error}"))),
            }
        });
        Ok(events.collect())
    }

    fn object<'a>(&self, text: &'a str) -> Result<Result<Event<'a>, Reject>, Unreadable> {
        let notes = Notes::default();
        let native = lenient::object::<Native<'_>>(text, &notes)?;
        Ok(self.event(native, notes))
    }

    fn within(&self, count: usize) -> Result<(), Reject> {
        let max = self.limits.batch_events;
        let detail =
            || format!("{count} events in one request; at most {max} (limits.batch_events): send smaller batches");
        if count <= max { Ok(()) } else { Err(Reject { reason: RejectReason::TooLarge, detail: detail() }) }
    }

    fn event<'a>(&self, native: Native<'a>, notes: Notes) -> Result<Event<'a>, Reject> {
        let mut event = native.into_event(notes)?;
        bound::bound(&mut event, self.origin, self.limits);
        bound::plausible(&mut event, self.now);
        Ok(event)
    }
}

fn at(place: &str, reject: Reject) -> Reject {
    Reject { detail: format!("{place}: {}", reject.detail), ..reject }
}

/// An event as it stands on the wire.
#[derive(Default)]
struct Native<'a> {
    attributes: Attributes<'a>,
    level: Option<Level>,
    timestamp: Option<Time>,
    exception: Option<NativeException<'a>>,
    template: Option<Text<'a>>,
    stacktrace: Option<Text<'a>>,
    trace_id: Option<Text<'a>>,
    release: Option<Text<'a>>,
    server: Option<Text<'a>>,
    user: Option<Text<'a>>,
    tags: Vec<(Text<'a>, Text<'a>)>,
    fingerprint: Vec<Text<'a>>,
    unknown: Vec<String>,
}

impl<'de> Object<'de> for Native<'de> {
    fn field(&mut self, name: &str, value: Value<'_, 'de>) -> Result<(), Fault> {
        let attributes = &mut self.attributes;
        match name {
            "category" => attributes.category = value.text()?,
            "module" => attributes.module = value.text()?,
            "environment" => attributes.environment = value.text()?,
            "url" => attributes.url = value.text()?,
            "method" => attributes.method = value.text()?,
            "location" => attributes.location = value.text()?,
            "detail" | "message" => attributes.detail = value.text()?,
            "level" => self.level = value.level()?,
            "timestamp" => self.timestamp = value.timestamp()?,
            "exception" => self.exception = Some(value.object()?),
            "template" => self.template = value.opt_text()?,
            "stacktrace" => self.stacktrace = value.opt_text()?,
            "trace_id" => self.trace_id = value.opt_text()?,
            "release" => self.release = value.opt_text()?,
            "server" => self.server = value.opt_text()?,
            "user" => self.user = value.opt_text()?,
            "tags" => self.tags = value.pairs(TAGS_MAX)?,
            "fingerprint" => self.fingerprint = value.texts(FINGERPRINT_MAX)?,
            unknown => {
                if self.unknown.len() < 4 {
                    let name: String = unknown.chars().take(40).collect();
                    let hint = nearest(&name, FIELDS.into_iter())
                        .map_or_else(String::new, |near| format!("; did you mean {near}?"));
                    self.unknown.push(format!("the field {name:?} is not known and was left out{hint}"));
                }
                value.skip()?;
            }
        }
        Ok(())
    }
}

impl<'a> Native<'a> {
    fn into_event(self, notes: Notes) -> Result<Event<'a>, Reject> {
        let mut attributes = self.attributes;
        let mut exceptions = self.exception.map(NativeException::into_chain).unwrap_or_default();
        stacktrace::fill(&mut exceptions, self.stacktrace.as_ref());
        let root = exceptions.last();
        if attributes.detail.is_empty() {
            let said = root.map(|root| if root.value.is_empty() { &root.kind } else { &root.value });
            attributes.detail = said.cloned().or_else(|| self.template.clone()).unwrap_or_default();
        }
        if attributes.detail.trim().is_empty() && attributes.location.trim().is_empty() && self.stacktrace.is_none() {
            return Err(Reject::invalid("an event needs a `detail` or an `exception` with a type or a value"));
        }
        if attributes.category.is_empty() {
            attributes.category = category::of(&exceptions).into();
        }
        let mut notes = notes.into_list();
        notes.extend(self.unknown.into_iter().map(Text::from));
        Ok(Event {
            attributes,
            level: self.level.unwrap_or_default(),
            occurred_at: self.timestamp,
            exceptions,
            template: self.template,
            stacktrace: self.stacktrace,
            trace_id: self.trace_id,
            release: self.release,
            server: self.server,
            user: self.user,
            tags: self.tags,
            fingerprint: self.fingerprint,
            notes,
            scrubbed: 0,
        })
    }
}

/// An exception as it stands on the wire; its cause inside it. The reader's depth bounds the chain.
#[derive(Default)]
struct NativeException<'a> {
    kind: Text<'a>,
    value: Text<'a>,
    frames: Vec<NativeFrame<'a>>,
    cause: Option<Box<NativeException<'a>>>,
}

impl<'de> Object<'de> for NativeException<'de> {
    fn field(&mut self, name: &str, value: Value<'_, 'de>) -> Result<(), Fault> {
        match name {
            "type" => self.kind = value.text()?,
            "value" | "message" => self.value = value.text()?,
            "frames" => self.frames = value.list("frames", Keep::First(FRAMES_MAX))?,
            "cause" => self.cause = value.opt_object()?.map(Box::new),
            _ => value.skip()?,
        }
        Ok(())
    }

    fn plain(&mut self, text: Text<'de>) -> bool {
        self.kind = text;
        true
    }
}

impl<'a> NativeException<'a> {
    /// The outermost first.
    fn into_chain(self) -> Vec<Exception<'a>> {
        let mut chain = Vec::new();
        let mut next = Some(Box::new(self));
        while let Some(exception) = next {
            let NativeException { kind, value, frames, cause } = *exception;
            if !(kind.is_empty() && value.is_empty() && frames.is_empty()) {
                chain.push(Exception { kind, value, frames: frames.into_iter().map(|frame| frame.0).collect() });
            }
            next = cause;
        }
        chain
    }
}

#[derive(Default)]
struct NativeFrame<'a>(Frame<'a>);

impl<'de> Object<'de> for NativeFrame<'de> {
    fn field(&mut self, name: &str, value: Value<'_, 'de>) -> Result<(), Fault> {
        let frame = &mut self.0;
        match name {
            "module" => frame.module = value.text()?,
            "function" => frame.function = value.text()?,
            "file" => frame.file = value.text()?,
            "line" => frame.line = value.line()?,
            "in_app" => frame.in_app = value.flag()?,
            _ => value.skip()?,
        }
        Ok(())
    }

    fn plain(&mut self, text: Text<'de>) -> bool {
        self.0.function = text;
        true
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    const NOW: Time = Time(1_800_000_000_000);

    fn check(body: &str, expected: Expect) {
        let told = read(body.as_bytes(), &Limits::default(), NOW, |events| {
            let told = |event: Result<Event<'_>, Reject>| match event {
                Ok(event) => {
                    let seven = event.attributes.each().map(|(_, value)| value.to_string()).join("|");
                    let notes = event.notes.iter().map(|note| format!("\n  note: {note}")).collect::<String>();
                    format!(
                        "{seven} {} {:?}{notes}\n",
                        event.level,
                        event.exceptions.iter().map(|e| &*e.kind).collect::<Vec<_>>()
                    )
                }
                Err(reject) => format!("{}: {}\n", reject.reason.name(), reject.detail),
            };
            events.into_iter().map(told).collect::<String>()
        });
        expected.assert_eq(&told.unwrap_or_else(|reject| format!("all {}: {}", reject.reason.name(), reject.detail)));
    }

    #[test]
    fn an_object_a_list_and_lines_are_read() {
        check(
            r#"{"category":"Biz","module":"order","environment":"prod","url":"/a","method":"GET","location":"A.b","detail":"x","level":"fatal"}"#,
            expect![[r#"
                Biz|order|prod|/a|GET|A.b|x fatal []
            "#]],
        );
        check(
            r#" [{"detail":"a"}, 7, {"exception":{"type":"Outer","value":"o","cause":{"type":"java.net.ConnectException","value":"refused"}}}, {}]"#,
            expect![[r#"
                Runtime||||||a error []
                invalid: event 1 is not a JSON object
                Runtime||||||refused error ["Outer", "java.net.ConnectException"]
                invalid: event 3: an event needs a `detail` or an `exception` with a type or a value
            "#]],
        );
        check(
            "{\"detail\":\"a\"}\n\nnonsense\n{\"detail\":\"b\"}\n",
            expect![[r#"
                Runtime||||||a error []
                invalid: line 3 is not a JSON object: expected ident at line 1 column 2
                Runtime||||||b error []
            "#]],
        );
    }

    #[test]
    fn a_stack_that_is_sent_as_text_is_read() {
        check(
            r#"{"stacktrace":"shop.BizException: refused\n\tat shop.Pay.pay(Pay.java:7)\nCaused by: a.Timeout: no answer\n\tat a.B.c(B.java:1)"}
               {"detail":"not paid","stacktrace":"panic: refused\n\ngoroutine 1 [running]:\nmain.main()\n\t/app/main.go:9"}
               {"exception":"TypeError: no price\n    at total (/app/shop.js:3:4)"}
               {"detail":"x","exception":"Boom:\nnot a stack","stacktrace":"nor this"}"#,
            expect![[r#"
                Biz||||||no answer error ["shop.BizException", "a.Timeout"]
                Runtime||||||not paid error ["panic"]
                Runtime||||||no price error ["TypeError"]
                Runtime||||||x error ["Boom:\nnot a stack"]
            "#]],
        );
    }

    #[test]
    fn what_is_wrong_with_a_body_is_said_with_its_place() {
        check(
            "",
            expect!["all invalid: the body is empty; send one event as a JSON object, a list of them, or one a line"],
        );
        check(
            "{\n \"detail\": \"a\",\n}",
            expect!["all invalid: the event is not a JSON object: trailing comma at line 3 column 1"],
        );
        check(
            r#"[{"detail":"a"},"#,
            expect!["all invalid: the list of events is not whole JSON: EOF while parsing a value at line 1 column 16"],
        );
        check("42", expect!["all invalid: the event is not a JSON object: a JSON object is wanted here"]);
    }

    #[test]
    fn odd_fields_are_repaired_and_noted() {
        check(
            r#"{"detail":404,"modul":"x","tags":[["a","b"]],"timestamp":"soon","level":"LOUD","exception":"Boom","detail":"last wins"}"#,
            expect![[r#"
                Runtime||||||last wins error ["Boom"]
                  note: timestamp: a text where a time belongs; left out
                  note: level: a text where the name of a level belongs; left out
                  note: the field "modul" is not known and was left out; did you mean module?
            "#]],
        );
    }
}
