//! The channel `discord`: a webhook, laid out as one embed.
//!
//! Promises: within Discord's limits, counted in UTF-16 units as its clients do: a title of 256, a description of
//! 4,096, 25 fields with names of 256 and values of 1,024, a footer of 2,048, and 6,000 in all (Discord's developer
//! documentation, "Embed Limits"). Nobody is mentioned but whom an owner's mention names, one by one: Discord is told to
//! parse no other, and an embed's never ring. Deliberately not here: threads and edits.

use serde_json::{Value, json};

use super::judge::Fate;
use super::links::Link;
use super::markup::{code, markdown, prose, utf16, written};
use super::parcel::Reply;
use super::post::{Told, colour};

const TITLE_UNITS: usize = 256;
// These keep the sum below 6,000 when twelve fields are full.
const WHY_UNITS: usize = 500;
const DETAIL_UNITS: usize = 800;
const FRAMES_UNITS: usize = 600;
const LINKS_UNITS: usize = 600;
const LABEL_UNITS: usize = 100;
const VALUE_UNITS: usize = 200;
/// Longer values have a line of their own.
const INLINE_CHARS: usize = 30;

/// The message as an embed.
pub(crate) fn layout(told: &Told<'_>) -> Value {
    let message = told.message;
    let block = |text: &str, units| format!("\n```\n{}\n```", written(text, units, utf16, code));
    let mut description = prose(&message.why, WHY_UNITS, utf16, markdown);
    if !message.detail.is_empty() {
        description.push_str(&block(&message.detail, DETAIL_UNITS));
    }
    if !message.frames.is_empty() {
        description.push_str(&block(&message.frames.join("\n"), FRAMES_UNITS));
    }
    description.push_str(&links(message.page_and_more().1));
    let fields: Vec<Value> = message
        .fields
        .iter()
        .map(|field| {
            let value = match field.code && !field.value.contains('`') {
                true => format!("`{}`", written(&field.value, VALUE_UNITS, utf16, code)),
                false => prose(&field.value, VALUE_UNITS, utf16, markdown),
            };
            json!({"name": field.label, "value": value, "inline": field.value.chars().count() <= INLINE_CHARS})
        })
        .collect();
    let mut body = json!({
        "embeds": [{
            "title": prose(&message.title, TITLE_UNITS, utf16, markdown),
            "url": message.page_and_more().0.url,
            "description": description,
            "color": colour(told.alert),
            "fields": fields,
            "footer": {"text": message.fingerprint.to_string()},
        }],
        "allowed_mentions": {"parse": []},
    });
    if let Some(mention) = &message.mention {
        body["content"] = mention.clone().into();
        body["allowed_mentions"] = called(mention);
    }
    body
}

/// A line of links below the description: the issue's page is the title's.
fn links(links: &[Link]) -> String {
    let mut out = String::new();
    for Link { label, url } in links {
        let link = format!("[{}]({url})", prose(label, LABEL_UNITS, utf16, markdown));
        if out.len() + link.len() > LINKS_UNITS {
            break;
        }
        out.push_str(if out.is_empty() { "\n" } else { " · " });
        out.push_str(&link);
    }
    out
}

/// Just those whom the mention names: `<@123>` is a user, `<@&123>` a role.
fn called(mention: &str) -> Value {
    let (mut users, mut roles) = (Vec::new(), Vec::new());
    for named in mention.split("<@").skip(1).filter_map(|after| after.split_once('>')).map(|(named, _)| named) {
        let (list, id) = match named.strip_prefix('&') {
            Some(role) => (&mut roles, role),
            None => (&mut users, named.trim_start_matches('!')),
        };
        if !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit()) && !list.contains(&id) {
            list.push(id);
        }
    }
    let everyone = mention.contains("@everyone") || mention.contains("@here");
    let parse: &[&str] = if everyone { &["everyone"] } else { &[] };
    json!({"parse": parse, "users": users, "roles": roles})
}

/// A 429 names its seconds in the body, as a fraction; the header rounds.
pub(crate) fn read(reply: &mut Reply) -> Option<Fate> {
    if reply.status == 429
        && let Ok(answer) = serde_json::from_slice::<Value>(&reply.body)
        && let Some(seconds) = answer["retry_after"].as_f64()
    {
        reply.retry_after = Some(seconds.to_string());
    }
    None
}
