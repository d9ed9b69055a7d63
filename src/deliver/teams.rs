//! The channel `teams`: a Microsoft Teams workflow ("When a Teams webhook request is received"), as an Adaptive Card.
//!
//! Promises: within 28 KB, Microsoft's limit for a message, in fact within 21,000 bytes, since lower limits have been
//! met. Text from outside stands in text runs, which know no Markdown, and a card without `msteams.entities` mentions
//! nobody. Deliberately not here: certainty that people saw it; a workflow answers 202 before it posts.

use serde_json::{Value, json};

use super::judge::Fate;
use super::links::Link;
use super::markup::{Form, json_bytes, written};
use super::message::Message;
use super::parcel::Reply;
use super::post::Told;

const TITLE_BYTES: usize = 600;
const WHY_BYTES: usize = 1_200;
const DETAIL_BYTES: usize = 2_500;
const DETAIL_LINES: usize = 20;
const VALUE_BYTES: usize = 450;
const FRAMES_BYTES: usize = 1_500;

/// The message as a card.
pub(crate) fn layout(told: &Told<'_>) -> Value {
    let message = told.message;
    json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": null,
            "content": {
                "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                "type": "AdaptiveCard",
                "version": "1.4",
                "msteams": {"width": "Full"},
                "fallbackText": cut(&message.title, TITLE_BYTES),
                "body": blocks(message),
                "actions": actions(message),
            },
        }],
    })
}

fn blocks(message: &Message) -> Vec<Value> {
    let title =
        json!({"type": "TextRun", "text": cut(&message.title, TITLE_BYTES), "weight": "Bolder", "size": "Medium"});
    let mut blocks: Vec<Value> = message.mention.iter().map(|mention| rich(vec![run(mention)], "None")).collect();
    blocks.extend([rich(vec![title], "None"), rich(vec![run(&cut(&message.why, WHY_BYTES))], "Small")]);
    blocks.extend(code_lines(&message.detail, DETAIL_BYTES));
    for (i, field) in message.fields.iter().enumerate() {
        let label = json!({"type": "TextRun", "text": format!("{}: ", field.label), "weight": "Bolder"});
        let value = cut(&field.value, VALUE_BYTES);
        let value = if field.code { mono(&value) } else { run(&value) };
        blocks.push(rich(vec![label, value], if i == 0 { "Medium" } else { "None" }));
    }
    blocks.extend(code_lines(&message.frames.join("\n"), FRAMES_BYTES));
    blocks
}

/// A button for each link.
fn actions(message: &Message) -> Vec<Value> {
    let action = |link: &Link| json!({"type": "Action.OpenUrl", "title": link.label, "url": link.url});
    message.links.iter().map(action).collect()
}

/// A block for each line: a text run knows no line end.
fn code_lines(text: &str, bytes: usize) -> Vec<Value> {
    let cut = cut(text, bytes);
    let lines = cut.lines().filter(|line| !line.trim().is_empty()).take(DETAIL_LINES);
    lines.enumerate().map(|(i, line)| rich(vec![mono(line)], if i == 0 { "Medium" } else { "None" })).collect()
}

fn rich(inlines: Vec<Value>, spacing: &str) -> Value {
    json!({"type": "RichTextBlock", "inlines": inlines, "spacing": spacing})
}

fn run(text: &str) -> Value {
    json!({"type": "TextRun", "text": text})
}

fn mono(text: &str) -> Value {
    json!({"type": "TextRun", "text": text, "fontType": "Monospace"})
}

fn cut(text: &str, bytes: usize) -> String {
    written(text, bytes, json_bytes, |_| Form::Same)
}

/// Old connectors, and some gateways before workflows, answer 200 with the error in words: `… returned HTTP error 429`.
pub(crate) fn read(reply: &mut Reply) -> Option<Fate> {
    let said = std::str::from_utf8(&reply.body).ok()?;
    let status = said.split("HTTP error ").nth(1)?.get(..3)?;
    match status {
        "408" | "429" | "500" | "502" | "503" | "504" => Some(Fate::Temporary),
        _ => Some(Fate::Permanent),
    }
}
