//! The channel `dooray`: an incoming webhook of Dooray!, as a line and an attachment.
//!
//! Promises: within 4,000 characters; NHN documents no length. Markdown and mentions from outside are broken. An answer
//! that says `"isSuccessful": false` is none, whatever its status. Deliberately not here: an icon.

use serde_json::{Value, json};

use crate::alert::Kind;

use super::dialect::{Dialect, mention_line};
use super::judge::Fate;
use super::markup::{chars, loose_markdown};
use super::parcel::Reply;
use super::post::Told;

const TITLE_CHARS: usize = 300;
const TEXT: Dialect = Dialect::unmarked(2_650, chars, loose_markdown);

/// The message as an attachment below its reason.
pub(crate) fn layout(told: &Told<'_>) -> Value {
    let message = told.message;
    let color = match told.alert.kind {
        Kind::Closing { ongoing: false, .. } => "gray",
        Kind::Closing { .. } => "orange",
        _ => "red",
    };
    json!({
        "botName": "bongsu",
        "text": format!("{}{}", mention_line(message), TEXT.prose(&message.why, 2 * TITLE_CHARS)),
        "attachments": [{
            "title": TEXT.prose(&message.title, TITLE_CHARS),
            "titleLink": message.page_and_more().0.url,
            "text": TEXT.facts(message).trim_end(),
            "color": color,
        }],
    })
}

/// What the answer says: `{"header": {"isSuccessful": false, "resultMessage": …}}`. Why is not documented, so it may pass.
pub(crate) fn read(reply: &mut Reply) -> Option<Fate> {
    let answer = serde_json::from_slice::<Value>(&reply.body).ok()?;
    (reply.status < 300 && answer["header"]["isSuccessful"] == false).then_some(Fate::Temporary)
}
