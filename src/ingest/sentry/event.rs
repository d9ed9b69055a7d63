//! A Sentry event as bongsu's: what each of the seven attributes is taken from, in order of trust.
//!
//! Promises: a JSON object always becomes an event; what it lacks stays empty, what was odd is in `notes`; linear in the
//! body. Deliberately not here: which frame is the throw location (the caller brings that rule along), the project's
//! name as the module of last resort, the configured limits.

use std::borrow::Cow;

use crate::event::{Attributes, Event, Exception, Frame, Text};
use crate::ingest::json::{Fault, Unreadable};
use crate::ingest::lenient::{self, Notes, Object, Value};
use crate::ingest::sentry::chain;
use crate::ingest::sentry::wire::{LogEntry, WireEvent, WireThread};
use crate::ingest::{category, mend};
use crate::outcome::Reject;

/// Picks the throw location from the frames of one exception, the innermost first.
pub(crate) type Pick = fn(&[Frame<'_>]) -> Option<String>;

/// What SDKs call the environment when nobody has set it.
const UNSET_ENVIRONMENT: &str = "production";

/// Reads one event.
pub(crate) fn read<'a>(json: &'a [u8], pick: Pick) -> Result<Event<'a>, Reject> {
    match parse(json, pick) {
        Ok(event) => Ok(event),
        Err(error) => match mend::mended(json) {
            Some(mended) => {
                let mut event = parse(mended.as_bytes(), pick).map_err(|e| unreadable(&e))?.into_owned();
                event.notes.push("the JSON had characters or numbers that JSON does not have; replaced".into());
                Ok(event)
            }
            None => Err(unreadable(&error)),
        },
    }
}

/// The id that the client gave an event, for the answer to a request that says it nowhere else.
pub(crate) fn id(json: &[u8]) -> Option<Text<'_>> {
    #[derive(Default)]
    struct Id<'a>(Option<Text<'a>>);

    impl<'de> Object<'de> for Id<'de> {
        fn field(&mut self, name: &str, value: Value<'_, 'de>) -> Result<(), Fault> {
            match name {
                "event_id" => self.0 = value.opt_text()?,
                _ => value.skip()?,
            }
            Ok(())
        }
    }

    lenient::object::<Id<'_>>(std::str::from_utf8(json).ok()?, &Notes::default()).ok()?.0
}

fn unreadable(error: &Unreadable) -> Reject {
    Reject::invalid(format!("the event is not a whole JSON object: {error}"))
}

fn parse(json: &[u8], pick: Pick) -> Result<Event<'_>, Unreadable> {
    let notes = Notes::default();
    // Checked once for the whole text, so that each of its strings need not be.
    let text = std::str::from_utf8(json).map_err(Unreadable::new)?;
    let wire = lenient::object(text, &notes)?;
    Ok(event(wire, notes, pick))
}

fn event<'a>(mut wire: WireEvent<'a>, notes: Notes, pick: Pick) -> Event<'a> {
    let mut exceptions = chain::chain(std::mem::take(&mut wire.exceptions), &notes);
    let reported_at = reported_at(&mut exceptions, std::mem::take(&mut wire.threads));
    let (detail, template) = message(&mut wire, &exceptions);
    if exceptions.is_empty() && detail.is_empty() {
        notes.add("neither an exception nor a message was sent");
    }
    let (called, route) = wire.transaction.as_ref().map_or((None, None), transaction);
    let mdc = &wire.contexts.mdc;
    let method = filled(wire.request.method)
        .or(called)
        .or_else(|| lookup(mdc, &["method", "request_method", "req.method", "http.method"]));
    let url = route
        .or_else(|| filled(wire.request.url))
        .or_else(|| lookup(mdc, &["request_uri", "requestURI", "req.requestURI", "uri", "url", "path"]))
        .or_else(|| lookup(&wire.tags, &["url"]));
    let category = lookup(&wire.tags, &["category", "error_category"])
        .or_else(|| lookup(mdc, &["category"]))
        .or_else(|| wire.extra.category.and_then(filled))
        .unwrap_or_else(|| category::of(&exceptions).into());
    let module = lookup(&wire.tags, &["module", "service", "app", "service.name"])
        .or_else(|| wire.contexts.app.app_name.and_then(filled))
        .or_else(|| wire.release.as_ref().and_then(service_of))
        .unwrap_or_default();
    let location = exceptions.iter().rev().find_map(|exception| pick(&exception.frames)).map(Text::from);
    let location = location.or_else(|| wire.culprit.and_then(filled)).or_else(|| wire.logger.and_then(filled));
    let location = location.or_else(|| pick(&reported_at).map(Text::from));
    let trace_id = wire.contexts.trace.trace_id.or_else(|| lookup(mdc, &["trace_id", "traceId", "X-B3-TraceId"]));

    Event {
        attributes: Attributes {
            category,
            module,
            environment: environment(wire.environment, &wire.tags),
            url: url.unwrap_or_default(),
            method: method.unwrap_or_default(),
            location: location.unwrap_or_default(),
            detail,
        },
        level: wire.level.unwrap_or_default(),
        occurred_at: wire.timestamp,
        exceptions,
        template,
        stacktrace: None,
        trace_id,
        release: wire.release,
        server: wire.server_name,
        user: wire.user.id,
        tags: wire.tags,
        fingerprint: own_fingerprint(wire.fingerprint),
        notes: notes.into_list(),
        scrubbed: 0,
    }
}

/// The stack of the place that reported the error. An error without any stack of its own gets it; a logged message has
/// only this one, and a logger's name says more than a stack that may lie in a library altogether.
fn reported_at<'a>(exceptions: &mut [Exception<'a>], threads: Vec<WireThread<'a>>) -> Vec<Frame<'a>> {
    let current = threads.into_iter().find(|thread| thread.current && !thread.stacktrace.is_empty());
    let mut frames = current.map(|thread| chain::frames(thread.stacktrace)).unwrap_or_default();
    if exceptions.iter().all(|exception| exception.frames.is_empty())
        && let Some(outermost) = exceptions.first_mut()
    {
        outermost.frames = std::mem::take(&mut frames);
    }
    frames
}

/// The detail, and its template where a log message is the detail.
///
/// An exception's own message goes before what was logged with it, and the log's template with that: the same exception
/// reaches us by an exception handler and by `log.error("…", e)`, often both, and must come out as one error. The log
/// message speaks where there is no exception, or one without a word (`NullPointerException`).
fn message<'a>(wire: &mut WireEvent<'a>, exceptions: &[Exception<'a>]) -> (Text<'a>, Option<Text<'a>>) {
    if let Some(root) = exceptions.last().filter(|root| !is_blank(&root.value)) {
        return (root.value.clone(), None);
    }
    let logentry = std::mem::take(&mut wire.logentry);
    let LogEntry { message, formatted, has_params } = if is_blank(&logentry.message) && is_blank(&logentry.formatted) {
        std::mem::take(&mut wire.message)
    } else {
        logentry
    };
    // A message with its values already in it is no template, and one that says so by accident (`bad JSON {}`) has
    // neither parameters nor another form.
    let is_other = !is_blank(&formatted) && formatted != message;
    if (has_params || is_other) && has_placeholder(&message) {
        let detail = if is_blank(&formatted) { message.clone() } else { formatted };
        return (detail, Some(message));
    }
    (if is_blank(&formatted) { message } else { formatted }, None)
}

/// Whether a text has a place for a value as loggers write it: `{}`, `{0}`, `{name}`, `%s`, `%-5d`, `%(name)s`.
fn has_placeholder(text: &str) -> bool {
    let bytes = text.as_bytes();
    let braces = memchr::memchr(b'{', bytes).is_some_and(|open| memchr::memchr(b'}', &bytes[open..]).is_some());
    braces
        || memchr::memchr_iter(b'%', bytes).any(|at| {
            bytes[at + 1..]
                .iter()
                .find(|b| !matches!(b, b'-' | b'+' | b'#' | b'.' | b'0'..=b'9'))
                .is_some_and(|b| b.is_ascii_alphabetic() || *b == b'(')
        })
}

/// The method and the route in a transaction's name: `POST /orders/{id}`, `/orders/{id}`. A function's name has neither.
fn transaction<'a>(name: &Text<'a>) -> (Option<Text<'a>>, Option<Text<'a>>) {
    const METHODS: [&str; 9] = ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE", "CONNECT"];
    let first = name.split(' ').next().unwrap_or_default();
    let method = METHODS.iter().find(|method| method.eq_ignore_ascii_case(first));
    let route = match method {
        Some(_) => part(name, |name| name.split_once(' ').map_or("", |(_, route)| route.trim())),
        None => part(name, str::trim),
    };
    (method.map(|method| Cow::Borrowed(*method)), route.starts_with('/').then_some(route))
}

/// The service in a release such as `order-api@1.4.2`. A bare version or commit names none.
fn service_of<'a>(release: &Text<'a>) -> Option<Text<'a>> {
    filled(part(release, |release| release.rsplit_once('@').map_or("", |(service, _)| service)))
}

/// The environment. SDKs say `production` when nobody has set one, so a tag that says otherwise is believed instead.
fn environment<'a>(sent: Text<'a>, tags: &[(Text<'a>, Text<'a>)]) -> Text<'a> {
    if !is_blank(&sent) && sent != UNSET_ENVIRONMENT {
        return sent;
    }
    lookup(tags, &["env", "environment", "profile"]).unwrap_or(sent)
}

/// The client's own fingerprint. One that consists of the default alone is none.
fn own_fingerprint(mut parts: Vec<Text<'_>>) -> Vec<Text<'_>> {
    let is_default = |part: &str| {
        part.trim()
            .strip_prefix("{{")
            .and_then(|part| part.strip_suffix("}}"))
            .is_some_and(|word| word.trim() == "default")
    };
    if parts.iter().all(|part| is_default(part)) {
        parts.clear();
    }
    parts
}

/// The first of these names that has a value. `.`, `_` and `-` are the same in a name: clients that take their tags
/// from the process's environment turn one into the other.
fn lookup<'a>(pairs: &[(Text<'a>, Text<'a>)], names: &[&str]) -> Option<Text<'a>> {
    names.iter().find_map(|wanted| {
        let found = pairs.iter().find(|(name, value)| same_name(name, wanted) && !is_blank(value));
        found.map(|(_, value)| value.clone())
    })
}

fn same_name(a: &str, b: &str) -> bool {
    let plain = |byte: u8| if matches!(byte, b'.' | b'-') { b'_' } else { byte.to_ascii_lowercase() };
    a.len() == b.len() && a.bytes().zip(b.bytes()).all(|(a, b)| plain(a) == plain(b))
}

fn is_blank(text: &str) -> bool {
    text.trim_ascii_start().is_empty()
}

fn filled(text: Text<'_>) -> Option<Text<'_>> {
    (!is_blank(&text)).then_some(text)
}

/// A part of a text, borrowed for as long as the whole.
fn part<'a>(whole: &Text<'a>, cut: impl Fn(&str) -> &str) -> Text<'a> {
    match whole {
        Cow::Borrowed(text) => Cow::Borrowed(cut(text)),
        Cow::Owned(text) => Cow::Owned(cut(text).to_owned()),
    }
}
