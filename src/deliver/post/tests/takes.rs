//! Whether a service would take a payload: its documented limits, as its receiver enforces them.

use serde_json::Value;

fn units(value: &Value) -> usize {
    value.as_str().unwrap_or_default().encode_utf16().count()
}

fn chars(value: &Value) -> usize {
    value.as_str().unwrap_or_default().chars().count()
}

fn within(what: &str, length: usize, limit: usize) -> Result<(), String> {
    if (1..=limit).contains(&length) { Ok(()) } else { Err(format!("{what}: {length} of {limit}")) }
}

pub(super) fn text_takes(text: &Value, limit: usize) -> Result<(), String> {
    within("text", chars(text), limit)
}

pub(super) fn sum_takes(body: &Value, limit: usize) -> Result<(), String> {
    within("all texts", texts(body).iter().map(|text| text.chars().count()).sum(), limit)
}

pub(super) fn discord_takes(body: &Value) -> Result<(), String> {
    let embed = &body["embeds"][0];
    within("title", units(&embed["title"]), 256)?;
    within("description", units(&embed["description"]), 4_096)?;
    within("footer", units(&embed["footer"]["text"]), 2_048)?;
    let fields = embed["fields"].as_array().ok_or("no fields")?;
    within("fields", fields.len(), 25)?;
    let mut sum = units(&embed["title"]) + units(&embed["description"]) + units(&embed["footer"]["text"]);
    for field in fields {
        within("name", units(&field["name"]), 256)?;
        within("value", units(&field["value"]), 1_024)?;
        sum += units(&field["name"]) + units(&field["value"]);
    }
    within("sum", sum, 6_000)?;
    if body["allowed_mentions"]["parse"] == serde_json::json!([]) { Ok(()) } else { Err("it may mention".to_owned()) }
}

pub(super) fn teams_takes(body: &Value) -> Result<(), String> {
    within("bytes", body.to_string().len(), 21_000)?;
    let blocks = body["attachments"][0]["content"]["body"].as_array().ok_or("no body")?;
    // Only these know no Markdown.
    match blocks.iter().all(|block| block["type"] == "RichTextBlock") {
        true => Ok(()),
        false => Err("text that may be Markdown".to_owned()),
    }
}

pub(super) fn telegram_takes(body: &Value) -> Result<(), String> {
    within("text", units(&body["text"]), 4_096)?;
    html_takes(body["text"].as_str().unwrap_or_default(), &["b", "code", "pre"], "https://bongsu.example/")
}

/// Well-formed, with these tags and our links only.
fn html_takes(html: &str, tags: &[&str], ours: &str) -> Result<(), String> {
    let mut open = Vec::new();
    for part in html.split('<').skip(1) {
        let (tag, _) = part.split_once('>').ok_or(format!("a tag is not closed: {part}"))?;
        match tag.strip_prefix('/') {
            Some(closing) if open.pop() == Some(closing) => {}
            Some(closing) => return Err(format!("{closing} closes nothing")),
            None if tag.starts_with(&format!("a href=\"{ours}")) => open.push("a"),
            None if tags.contains(&tag) => open.push(tag),
            None => return Err(format!("a tag from outside: {tag}")),
        }
    }
    if open.is_empty() { Ok(()) } else { Err(format!("open: {open:?}")) }
}

pub(super) fn google_chat_takes(body: &Value) -> Result<(), String> {
    within("bytes", body.to_string().len(), 32_000)?;
    let card = &body["cardsV2"][0]["card"];
    within("title", units(&card["header"]["title"]), 1_000)?;
    for widget in card["sections"][0]["widgets"].as_array().ok_or("no widgets")? {
        for text in [&widget["textParagraph"]["text"], &widget["decoratedText"]["text"]] {
            let text = text.as_str().unwrap_or_default().replace("<br>", "");
            html_takes(&text, &["code"], "none")?;
        }
    }
    Ok(())
}

pub(super) fn pagerduty_takes(body: &Value) -> Result<(), String> {
    within("bytes", body.to_string().len(), 512_000)?;
    within("dedup_key", chars(&body["dedup_key"]), 255)?;
    within("routing_key", chars(&body["routing_key"]), 32)?;
    let payload = &body["payload"];
    within("summary", chars(&payload["summary"]), 1_024)?;
    within("source", chars(&payload["source"]), 255)?;
    let severity = payload["severity"].as_str().unwrap_or_default();
    if ["critical", "error", "warning", "info"].contains(&severity) { Ok(()) } else { Err(severity.to_owned()) }
}

pub(super) fn naver_works_takes(body: &Value) -> Result<(), String> {
    within("title", units(&body["title"]), 100)?;
    within("text", units(&body["body"]["text"]), 2_000)?;
    within("label", units(&body["button"]["label"]), 20)
}

/// What Apprise API asks for, and the least that the messengers behind it take.
pub(super) fn apprise_takes(body: &Value) -> Result<(), String> {
    within("title", chars(&body["title"]), 250)?;
    within("title and body", chars(&body["title"]) + chars(&body["body"]), 1_000)?;
    let kind = body["type"].as_str().unwrap_or_default();
    let known = ["info", "success", "warning", "failure"].contains(&kind) && body["format"] == "text";
    if known && body["tag"] == "ops" { Ok(()) } else { Err(format!("{kind}: not the form that is asked for")) }
}

/// Every text of a payload.
pub(super) fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(all) => all.iter().flat_map(texts).collect(),
        Value::Object(all) => all.values().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}
