//! The channel `kakaowork`: an incoming webhook's bot, or a bot of one's own that speaks in a conversation.
//!
//! Promises: plain text, which knows no markup and rings nobody. Kakao documents no length; the text stays within 4,000
//! characters. An answer that says `"success": false` is none, whatever its status. Deliberately not here: blocks;
//! whether a webhook takes them is not documented.

use serde_json::{Value, json};

use super::dialect::Dialect;
use super::judge::Fate;
use super::markup::{chars, plain};
use super::parcel::Reply;
use super::post::Told;

/// Where a bot speaks.
pub(crate) const URL: &str = "https://api.kakaowork.com/v1/messages.send";

const TEXT: Dialect = Dialect::unmarked(4_000, chars, plain);

/// The message as text.
pub(crate) fn layout(told: &Told<'_>) -> Value {
    let text = TEXT.text(told.message);
    match told.chat {
        "" => json!({"text": text}),
        conversation => json!({"conversation_id": conversation, "text": text}),
    }
}

/// What the answer says: `{"success": false, "error": {"code": …}}`.
pub(crate) fn read(reply: &mut Reply) -> Option<Fate> {
    let answer = serde_json::from_slice::<Value>(&reply.body).ok()?;
    if reply.status >= 300 || answer["success"] != false {
        return None;
    }
    match answer["error"]["code"].as_str() {
        Some("invalid_parameter" | "unauthorized" | "invalid_authentication" | "conversation_not_found") => {
            Some(Fate::Permanent)
        }
        _ => Some(Fate::Temporary),
    }
}
