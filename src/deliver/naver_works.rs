//! The channel `naver-works`: an incoming webhook of NAVER WORKS (LINE WORKS).
//!
//! Promises: a title of 100 characters and a text of 2,000, what the platform's bots take; for webhooks it documents
//! none. Plain text, which rings nobody. The answer's own `code` goes before its status. Deliberately not here: bots,
//! which need an account of one's own and a token that expires.

use serde_json::{Value, json};

use super::dialect::{Dialect, mention_line};
use super::judge::Fate;
use super::markup::{plain, utf16};
use super::parcel::Reply;
use super::post::Told;

const TITLE_UNITS: usize = 100;
const LABEL_UNITS: usize = 20;
const WHY_UNITS: usize = 500;

const TEXT: Dialect = Dialect::unmarked(2_000 - WHY_UNITS - 1, utf16, plain);

/// The message as a title, a text and a button.
pub(crate) fn layout(told: &Told<'_>) -> Value {
    let message = told.message;
    let (mention, why) = (mention_line(message), TEXT.prose(&message.why, WHY_UNITS));
    let below = Dialect { limit: TEXT.limit.saturating_sub(TEXT.cost(&mention)), ..TEXT };
    let text = format!("{mention}{why}\n{}", below.facts(message));
    let (page, _) = message.page_and_more();
    json!({
        "title": TEXT.prose(&message.title, TITLE_UNITS),
        "body": {"text": text.trim_end()},
        "button": {"label": TEXT.prose(&page.label, LABEL_UNITS), "url": page.url},
    })
}

/// What the answer says: `{"code": 200, "description": "success"}`.
pub(crate) fn read(reply: &mut Reply) -> Option<Fate> {
    let answer = serde_json::from_slice::<Value>(&reply.body).ok()?;
    match answer["code"].as_u64()? {
        200..=299 => None,
        429 | 500..=599 => Some(Fate::Temporary),
        _ => Some(Fate::Permanent),
    }
}
