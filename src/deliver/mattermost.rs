//! The channel `mattermost`: an incoming webhook, in Markdown.
//!
//! Promises: within 16,383 characters, the longest post that Mattermost takes (its documentation of incoming webhooks
//! splits what is longer). Markdown from outside is escaped, and `@all`, `@channel`, `@here` and names ring nobody.
//! Deliberately not here: another channel or name than the webhook's own; servers may forbid that.

use serde_json::{Value, json};

use super::dialect::Dialect;
use super::markup::{chars, code, markdown};
use super::post::Told;

const MARKDOWN: Dialect = Dialect {
    limit: 16_383,
    unit: chars,
    prose: markdown,
    code,
    bold: ("**", "**"),
    span: ("`", "`"),
    block: ("```\n", "\n```"),
    link: |label, url| format!("[{label}]({url})"),
    between: " · ",
};

/// The message as Markdown.
pub(crate) fn layout(told: &Told<'_>) -> Value {
    json!({"text": MARKDOWN.text(told.message)})
}
