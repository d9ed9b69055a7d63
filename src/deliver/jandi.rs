//! The channel `jandi`: an incoming webhook of JANDI, as a line with sections.
//!
//! Promises: within 4,000 characters; Toss Lab documents no length. The only markup is the link `[[text]](url)` and
//! some Markdown, which text from outside cannot make; mentions are broken. Deliberately not here: the team webhook,
//! which writes to people by their addresses.

use serde_json::{Value, json};

use super::dialect::{Dialect, mention_line};
use super::markup::{chars, loose_markdown};
use super::post::{Told, hex_colour};

/// Which form of the webhook this is.
pub(crate) const ACCEPT: &str = "application/vnd.tosslab.jandi-v2+json";

const WHY_CHARS: usize = 600;
const TEXT: Dialect =
    Dialect { link: |label, url| format!("[[{label}]]({url})"), ..Dialect::unmarked(2_450, chars, loose_markdown) };

/// The message as a body with its facts below.
pub(crate) fn layout(told: &Told<'_>) -> Value {
    let message = told.message;
    let (mention, page) = (mention_line(message), TEXT.link(message.page_and_more().0));
    json!({
        "body": format!("{mention}**{}** {page}", TEXT.prose(&message.title, WHY_CHARS)),
        "connectColor": hex_colour(told.alert),
        "connectInfo": [{
            "title": TEXT.prose(&message.why, WHY_CHARS),
            "description": TEXT.facts(message).trim_end(),
        }],
    })
}
