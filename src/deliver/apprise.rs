//! The channel `apprise`: a server of the Apprise API, which passes a message on to any of some 180 services.
//!
//! Promises: title and body have 1,000 characters together, in plain text. Which service is behind is not known here, and
//! Apprise hands on what it gets; 1,000 is the least that its messengers take (Rocket.Chat, GroupMe, Join; Pushover has
//! 1,024), and what is told first is told by those that cut to 160 as well. Markdown and mentions from outside are broken,
//! since the service may read them. Deliberately not here: attachments; and which of several services failed: the answer
//! does not say so.

use serde_json::{Value, json};

use crate::alert::{Alert, Kind};
use crate::config::{self, Secret};
use crate::event::Level;

use super::dialect::{Dialect, mention_line};
use super::judge::Fate;
use super::markup::{chars, loose_markdown};
use super::parcel::Reply;
use super::post::Told;

const MESSAGE_CHARS: usize = 1_000;
const TITLE_CHARS: usize = 160;
const WHY_CHARS: usize = 240;
/// A key of a stored configuration (Apprise API, "API Notes").
const KEY_CHARS_MAX: usize = 64;

/// Where it is posted to: the stored configuration with that key, or none.
pub(crate) fn url(channel: &config::Channel) -> Result<Secret, String> {
    let server = channel.url.as_ref().map_or("", Secret::expose).trim_end_matches('/');
    let Some(key) = &channel.token else { return Ok(Secret::new(format!("{server}/notify"))) };
    let key = key.expose();
    let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if key.len() > KEY_CHARS_MAX || !key.chars().all(known) {
        return Err(format!("`token`: a key of Apprise has 1 to {KEY_CHARS_MAX} letters, digits, _ and -"));
    }
    Ok(Secret::new(format!("{server}/notify/{key}")))
}

/// The message as a title and a text.
pub(crate) fn layout(told: &Told<'_>) -> Value {
    let message = told.message;
    let text = |limit| Dialect::unmarked(limit, chars, loose_markdown);
    let title = text(TITLE_CHARS).prose(&message.title, TITLE_CHARS);
    let why = text(WHY_CHARS).prose(&message.why, WHY_CHARS);
    let (page, _) = message.page_and_more();
    let link = format!("{}: {}", page.label, page.url);
    let mention = mention_line(message);
    let spent: usize = [&title, &why, &link, &mention].into_iter().map(|part| part.chars().count()).sum();
    // A line's end after the reason, and one after the facts.
    let spent = spent + 2;
    let facts = text(MESSAGE_CHARS.saturating_sub(spent)).facts(message);
    let mut body = json!({
        "title": title,
        "body": format!("{mention}{why}\n{}\n{link}", facts.trim_end()),
        "type": kind(told.alert),
        "format": "text",
    });
    if !told.chat.is_empty() {
        body["tag"] = told.chat.into();
    }
    if !told.services.is_empty() {
        body["urls"] = told.services.iter().map(Secret::expose).collect();
    }
    body
}

fn kind(alert: &Alert) -> &'static str {
    match alert.kind {
        Kind::Closing { ongoing: false, .. } => "success",
        Kind::Closing { .. } => "warning",
        Kind::Health(health) if !health.away => "success",
        _ => match alert.event.as_ref().map_or(Level::Error, |event| event.level) {
            Level::Fatal | Level::Error => "failure",
            Level::Warning => "warning",
            Level::Info | Level::Debug => "info",
        },
    }
}

/// What the status says that it does not say elsewhere: 204, that nobody is configured there; 424, that one or more of the
/// services did not take it. Those that did get it again: twice is better than never.
pub(crate) fn read(reply: &mut Reply) -> Option<Fate> {
    match reply.status {
        204 => {
            reply.body = b"there is no service under that key or tag".to_vec();
            Some(Fate::Permanent)
        }
        424 => Some(Fate::Temporary),
        _ => None,
    }
}
