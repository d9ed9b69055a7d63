//! The channel `slack`: an incoming webhook, laid out in Block Kit.
//!
//! Promises: within Slack's limits whatever the error says, counted as Slack may count at worst (escaped, in UTF-16
//! units), and the sum of all parts within 12,000: beyond about 13,000 Slack refuses a message for a limit it does not
//! document. Text from outside can neither mention people, nor break out of a code block. Deliberately not here:
//! threads, edits and buttons (`slack_app`); an incoming webhook's answer names no message to refer to.

use serde_json::{Value, json};

use super::judge::Fate;
use super::links::Link;
use super::message::{Field, Message};
use super::parcel::Reply;
use super::post::Told;
use super::text;

/// Slack's own: `header` takes 150.
const HEADER_UNITS: usize = 150;
/// What a phone shows of a push.
const PREVIEW_UNITS: usize = 300;
const WHY_UNITS: usize = 1_000;
const DETAIL_UNITS: usize = 2_500;
/// Slack takes 2,000; twelve fields of that would be too much in all.
const FIELD_UNITS: usize = 350;
const FRAMES_UNITS: usize = 1_200;
/// All links together.
const LINKS_UNITS: usize = 900;
const LABEL_UNITS: usize = 100;
/// Slack's own: a section takes ten fields.
const FIELDS_MAX: usize = 10;
/// Breaks what Slack would obey, and is not seen.
const ZERO_WIDTH_SPACE: char = '\u{200b}';

/// The error words of incoming webhooks.
const WORDS: [(&str, Fate); 22] = [
    ("invalid_payload", Fate::Permanent),
    ("invalid_blocks", Fate::Permanent),
    ("invalid_blocks_format", Fate::Permanent),
    ("msg_blocks_too_long", Fate::Permanent),
    ("too_many_attachments", Fate::Permanent),
    ("no_text", Fate::Permanent),
    ("user_not_found", Fate::Permanent),
    ("channel_not_found", Fate::Permanent),
    ("channel_is_archived", Fate::Permanent),
    ("action_prohibited", Fate::Permanent),
    ("posting_to_general_channel_denied", Fate::Permanent),
    ("no_service", Fate::Permanent),
    ("no_service_id", Fate::Permanent),
    ("no_active_hooks", Fate::Permanent),
    ("no_team", Fate::Permanent),
    ("team_disabled", Fate::Permanent),
    ("invalid_token", Fate::Permanent),
    ("rate_limited", Fate::Temporary),
    ("ratelimited", Fate::Temporary),
    ("message_limit_exceeded", Fate::Temporary),
    ("rollup_error", Fate::Temporary),
    ("internal_error", Fate::Temporary),
];

/// What the answer says: a word alone, or `{"ok":false,"error":"word"}`, where an unknown word is still no success.
pub(crate) fn read(reply: &mut Reply) -> Option<Fate> {
    let known = |word: &str| WORDS.iter().find(|(known, _)| *known == word).map(|(_, fate)| *fate);
    match serde_json::from_slice::<Value>(&reply.body) {
        Ok(answer) if answer["ok"] == false => answer["error"].as_str().and_then(known).or(Some(Fate::Temporary)),
        _ => known(std::str::from_utf8(&reply.body).ok()?.trim()),
    }
}

/// The message as a payload.
pub(crate) fn layout(told: &Told<'_>) -> Value {
    json!({"text": preview(told.message), "blocks": blocks(told.message)})
}

/// The message in blocks.
pub(super) fn blocks(message: &Message) -> Vec<Value> {
    let mut blocks = vec![
        json!({"type": "header", "text": {
            "type": "plain_text", "text": plain(&message.title, HEADER_UNITS), "emoji": false,
        }}),
        section(plain(&message.why, WHY_UNITS)),
    ];
    // As it stands: only so it calls.
    blocks.extend(message.mention.iter().map(|mention| section(mention.clone())));
    if !message.detail.is_empty() {
        blocks.push(section(code_block(&message.detail, DETAIL_UNITS)));
    }
    for fields in message.fields.chunks(FIELDS_MAX) {
        let fields: Vec<Value> = fields.iter().map(|field| markup(labelled(field))).collect();
        blocks.push(json!({"type": "section", "fields": fields}));
    }
    if !message.frames.is_empty() {
        blocks.push(section(code_block(&message.frames.join("\n"), FRAMES_UNITS)));
    }
    let links = format!("{} · `{}`", links(&message.links), message.fingerprint);
    blocks.push(json!({"type": "context", "elements": [markup(links)]}));
    blocks
}

/// What a notification shows.
pub(super) fn preview(message: &Message) -> String {
    plain(&format!("{} · {}", message.title, message.why), PREVIEW_UNITS)
}

pub(super) fn section(text: String) -> Value {
    json!({"type": "section", "text": markup(text)})
}

/// The issue's page, and as many of the others as there is room for.
fn links(links: &[Link]) -> String {
    let mut out = String::new();
    for Link { label, url } in links {
        let link = format!("<{}|{}>", escaped(url), plain(label, LABEL_UNITS));
        if !out.is_empty() && units(&out) + units(&link) > LINKS_UNITS {
            break;
        }
        out.push_str(if out.is_empty() { "" } else { " · " });
        out.push_str(&link);
    }
    out
}

fn units(text: &str) -> usize {
    text.encode_utf16().count()
}

/// `verbatim`, or Slack would make links and mentions of what merely looks like them.
fn markup(text: String) -> Value {
    json!({"type": "mrkdwn", "text": text, "verbatim": true})
}

fn labelled(field: &Field) -> String {
    let value = plain(&field.value, FIELD_UNITS - 50);
    match field.code && !value.contains('`') {
        true => format!("*{}*\n`{value}`", field.label),
        false => format!("*{}*\n{value}", field.label),
    }
}

/// Text that is shown as it is.
pub(super) fn plain(text: &str, units: usize) -> String {
    escaped(&text::cut_by(text, units, |c| if c == '@' { 2 } else { units_of(c) }))
}

/// Text in a code block. A backtick is kept from the next one, and from the closing fence.
fn code_block(text: &str, units: usize) -> String {
    const FENCES_UNITS: usize = 8;
    let cut = text::cut_by(text, units - FENCES_UNITS, |c| if c == '@' || c == '`' { 2 } else { units_of(c) });
    let unfenced = cut.replace('`', &format!("`{ZERO_WIDTH_SPACE}"));
    format!("```\n{}\n```", escaped(&unfenced))
}

/// The length of a character after escaping, in UTF-16 units.
fn units_of(c: char) -> usize {
    match c {
        '&' => "&amp;".len(),
        '<' | '>' => "&lt;".len(),
        c => c.len_utf16(),
    }
}

/// Escaped as Slack asks, with its words for everybody broken.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    for (at, c) in text.char_indices() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '@' if calls_everybody(&text[at + 1..]) => out.extend(['@', ZERO_WIDTH_SPACE]),
            c => out.push(c),
        }
    }
    out
}

fn calls_everybody(after: &str) -> bool {
    ["channel", "here", "everyone", "group"]
        .iter()
        .any(|word| after.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word)))
}

#[cfg(test)]
pub(super) mod tests;
