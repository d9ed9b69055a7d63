//! Splits an envelope into its items, as slices of the body.
//!
//! An envelope is a line of JSON, then for each item a line of JSON and a payload, which is `length` bytes long or ends
//! with its line. Promises: linear time; items of any type are handed on unread; what came before a fault is kept, since
//! an SDK never sends it again. Deliberately not here: what is in the payloads. A payload that ends too early is handed
//! on as far as it came, and its reader refuses it or finds that only the length was wrong.

use crate::event::Text;
use crate::ingest::json::{Fault, Unreadable};
use crate::ingest::lenient::{self, Notes, Object, Value};
use crate::outcome::{Reject, RejectReason};

/// Items of one envelope. SDKs put one event and its few attachments into one; Sentry's own largest limit for an
/// envelope is 100 sessions.
pub(crate) const ITEMS_MAX: usize = 100;

/// What a request to the envelope endpoint holds.
#[derive(Debug, Default)]
pub(crate) struct Envelope<'a> {
    /// The id that the client gave the event, and wants to be answered.
    pub(crate) event_id: Option<Text<'a>>,
    /// The client's DSN, when it authenticates by that.
    pub(crate) dsn: Option<Text<'a>>,
    /// When the client sent it, by its clock, as written.
    pub(crate) sent_at: Option<Text<'a>>,
    /// The items, in order.
    pub(crate) items: Vec<Item<'a>>,
    /// Why the rest of the body could not be split.
    pub(crate) fault: Option<Reject>,
}

/// One item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Item<'a> {
    /// What it says it is.
    pub(crate) kind: ItemKind<'a>,
    /// Its bytes.
    pub(crate) payload: &'a [u8],
}

/// What an item is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ItemKind<'a> {
    /// An error.
    Event,
    /// Anything else, by its name.
    Other(Text<'a>),
}

/// Splits a body. An error when not even the header can be read, or nothing at all came before a fault.
pub(crate) fn split(body: &[u8]) -> Result<Envelope<'_>, Reject> {
    let (line, mut rest) = cut_line(body);
    let mut envelope: Envelope<'_> = header(line).map_err(|e| fault("the envelope's header", &e))?;
    loop {
        // Empty lines: the one that may end an envelope, and those that careless clients put between items.
        rest = rest.trim_ascii_start();
        if rest.is_empty() {
            return Ok(envelope);
        }
        let number = envelope.items.len() + 1;
        let found = if number > ITEMS_MAX {
            let detail = format!("an envelope may have {ITEMS_MAX} items; send further ones in another");
            Err(Reject { reason: RejectReason::TooLarge, detail })
        } else {
            item(rest).map_err(|e| fault(&format!("the header of item {number}"), &e))
        };
        match found {
            Ok((item, after)) => {
                envelope.items.push(item);
                rest = after;
            }
            Err(reject) if envelope.items.is_empty() => return Err(reject),
            Err(reject) => {
                envelope.fault = Some(reject);
                return Ok(envelope);
            }
        }
    }
}

/// The item at the beginning of the text, and what follows it.
fn item(text: &[u8]) -> Result<(Item<'_>, &[u8]), Unreadable> {
    let (line, rest) = cut_line(text);
    let ItemHeader { kind, length } = header(line)?;
    let (payload, rest) = match length.and_then(|length| rest.split_at_checked(length)) {
        Some((payload, after)) if ends_line(after) => (payload, after),
        // Clients that count characters instead of bytes come out short; the line is longer than they say.
        Some((payload, _)) => {
            let (more, after) = cut_line(&rest[payload.len()..]);
            (&rest[..payload.len() + more.len()], after)
        }
        // Longer than the body: truncated, or again the wrong length.
        None if length.is_some() => (rest, &rest[rest.len()..]),
        None => cut_line(rest),
    };
    let kind = if kind == "event" { ItemKind::Event } else { ItemKind::Other(kind) };
    Ok((Item { kind, payload }, rest))
}

fn ends_line(text: &[u8]) -> bool {
    text.is_empty() || text.starts_with(b"\n") || text.starts_with(b"\r\n")
}

/// A line without its end, and what follows it. A carriage return stays: it is white space to JSON.
fn cut_line(text: &[u8]) -> (&[u8], &[u8]) {
    match memchr::memchr(b'\n', text) {
        Some(end) => (&text[..end], &text[end + 1..]),
        None => (text, &text[text.len()..]),
    }
}

fn header<'a, T: Object<'a>>(line: &'a [u8]) -> Result<T, Unreadable> {
    let text = std::str::from_utf8(line).map_err(Unreadable::new)?;
    lenient::object(text, &Notes::default())
}

fn fault(place: &str, error: &Unreadable) -> Reject {
    Reject::invalid(format!("{place} is not a line of JSON ({error}); see Sentry's envelope format"))
}

impl<'de> Object<'de> for Envelope<'de> {
    fn field(&mut self, name: &str, value: Value<'_, 'de>) -> Result<(), Fault> {
        match name {
            "event_id" => self.event_id = value.opt_text()?,
            "dsn" => self.dsn = value.opt_text()?,
            "sent_at" => self.sent_at = value.opt_text()?,
            _ => value.skip()?,
        }
        Ok(())
    }
}

#[derive(Default)]
struct ItemHeader<'a> {
    kind: Text<'a>,
    length: Option<usize>,
}

impl<'de> Object<'de> for ItemHeader<'de> {
    fn field(&mut self, name: &str, value: Value<'_, 'de>) -> Result<(), Fault> {
        match name {
            "type" => self.kind = value.text()?,
            "length" => self.length = value.whole()?.and_then(|length| usize::try_from(length).ok()),
            _ => value.skip()?,
        }
        Ok(())
    }
}
