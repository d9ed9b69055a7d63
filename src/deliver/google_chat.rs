//! The channel `google-chat`: a space's webhook, as a card; all messages of an issue in one thread.
//!
//! Promises: within 32,000 bytes, what Google Chat takes for text and cards together (its API's usage limits). Text from
//! outside is escaped as the HTML that cards read; a card mentions nobody. Deliberately not here: cards that change.

use serde_json::{Value, json};
use url::Url;

use crate::config::Secret;

use super::links::Link;
use super::markup::{Form, html, json_bytes, written};
use super::post::Told;

// These keep the sum below the limit when twelve fields are full.
const TITLE_BYTES: usize = 600;
const WHY_BYTES: usize = 1_500;
const DETAIL_BYTES: usize = 5_000;
const VALUE_BYTES: usize = 900;
const FRAMES_BYTES: usize = 4_000;

/// The webhook's address, told to answer in the thread when there is one.
pub(crate) fn url(url: &Secret) -> Secret {
    const OPTION: &str = "messageReplyOption";
    match Url::parse(url.expose()) {
        Ok(mut parsed) if !parsed.query_pairs().any(|(name, _)| name == OPTION) => {
            parsed.query_pairs_mut().append_pair(OPTION, "REPLY_MESSAGE_FALLBACK_TO_NEW_THREAD");
            Secret::new(parsed)
        }
        _ => url.clone(),
    }
}

/// The message as a card.
pub(crate) fn layout(told: &Told<'_>) -> Value {
    let message = told.message;
    let shown = |text: &str, bytes| written(text, bytes, json_bytes, html);
    let paragraph = |text: String| json!({"textParagraph": {"text": text}});
    let mut widgets = vec![paragraph(shown(&message.why, WHY_BYTES))];
    if !message.detail.is_empty() {
        widgets.push(paragraph(format!("<code>{}</code>", lines(&shown(&message.detail, DETAIL_BYTES)))));
    }
    for field in &message.fields {
        widgets.push(json!({"decoratedText": {
            "topLabel": field.label, "text": shown(&field.value, VALUE_BYTES), "wrapText": true,
        }}));
    }
    if !message.frames.is_empty() {
        let frames = shown(&message.frames.join("\n"), FRAMES_BYTES);
        widgets.push(paragraph(format!("<code>{}</code>", lines(&frames))));
    }
    let open = |link: &Link| json!({"text": link.label, "onClick": {"openLink": {"url": link.url}}});
    let buttons: Vec<Value> = message.links.iter().map(open).collect();
    widgets.push(json!({"buttonList": {"buttons": buttons}}));
    let mut body = json!({
        "cardsV2": [{
            "cardId": "alert",
            "card": {
                // The header is plain text.
                "header": {"title": written(&message.title, TITLE_BYTES, json_bytes, |_| Form::Same)},
                "sections": [{"widgets": widgets}],
            },
        }],
        "thread": {"threadKey": message.fingerprint.to_string()},
    });
    // Beside the card, since nothing in a card calls anybody.
    if let Some(mention) = &message.mention {
        body["text"] = mention.clone().into();
    }
    body
}

/// Line ends of HTML. They are two bytes longer each; the parts' limits leave room for that.
fn lines(text: &str) -> String {
    text.replace('\n', "<br>")
}
