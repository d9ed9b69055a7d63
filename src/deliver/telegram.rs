//! The channel `telegram`: a bot's `sendMessage`, in HTML.
//!
//! Promises: within 4,096 UTF-16 units; Telegram counts after it has read the markup (Bot API, `sendMessage`), this
//! counts before, so it is never more. Everything from outside is escaped, and `@name` rings nobody. The token stands in
//! the URL, and is shown nowhere. Deliberately not here: topics, and groups that have moved to another id: that answer
//! says so, and the configuration is to be changed.

use serde_json::{Value, json};

use crate::config::Secret;

use super::dialect::Dialect;
use super::judge::Fate;
use super::markup::{html, utf16, written};
use super::parcel::Reply;
use super::post::Told;

/// Where Telegram's own servers are; a server of one's own has another address.
const SERVER: &str = "https://api.telegram.org";

const HTML: Dialect = Dialect {
    limit: 4_096,
    unit: utf16,
    prose: html,
    code: html,
    bold: ("<b>", "</b>"),
    span: ("<code>", "</code>"),
    block: ("<pre>", "</pre>"),
    link: |label, url| format!("<a href=\"{}\">{label}</a>", written(url, usize::MAX, utf16, html)),
    between: " · ",
};

/// The method's address, the token included.
pub(crate) fn url(server: Option<&Secret>, token: &Secret) -> Secret {
    let server = server.map_or(SERVER, Secret::expose).trim_end_matches('/');
    Secret::new(format!("{server}/bot{}/sendMessage", token.expose()))
}

/// The message as HTML.
pub(crate) fn layout(told: &Told<'_>) -> Value {
    json!({
        "chat_id": told.chat,
        "text": HTML.text(told.message),
        "parse_mode": "HTML",
        "link_preview_options": {"is_disabled": true},
    })
}

/// A 429 names its seconds in `parameters`. An answer that is not `ok` is none, whatever its status.
pub(crate) fn read(reply: &mut Reply) -> Option<Fate> {
    let answer = serde_json::from_slice::<Value>(&reply.body).ok()?;
    if let Some(seconds) = answer["parameters"]["retry_after"].as_u64() {
        reply.retry_after = Some(seconds.to_string());
        return Some(Fate::Temporary);
    }
    (reply.status < 300 && answer["ok"] == false).then_some(Fate::Temporary)
}
