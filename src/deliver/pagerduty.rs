//! The channel `pagerduty`: the Events API v2.
//!
//! Promises: one incident for an issue's window: alerts of one window have one `dedup_key`, and its closing message
//! resolves the incident when the error is quiet. Within 512 KB, a summary of 1,024 characters and a key of 255
//! (PagerDuty's developer documentation, "Send an Alert Event"). Deliberately not here: acknowledging; who does that in
//! PagerDuty is not known here.

use serde_json::{Map, Value, json};

use crate::alert::{Alert, Kind};
use crate::event::Level;

use super::post::Told;
use super::text;

/// Where events of the default region go; `https://events.eu.pagerduty.com/v2/enqueue` is Europe's.
pub(crate) const URL: &str = "https://events.pagerduty.com/v2/enqueue";

const SUMMARY_CHARS: usize = 1_024;
/// PagerDuty names no limit for these; what is shown in a list should be short.
const NAME_CHARS: usize = 255;

/// The message as an event.
pub(crate) fn layout(told: &Told<'_>) -> Value {
    let (message, alert) = (told.message, told.alert);
    let mut details = Map::new();
    details.insert("why".to_owned(), message.why.clone().into());
    if !message.detail.is_empty() {
        details.insert("detail".to_owned(), message.detail.clone().into());
    }
    for field in &message.fields {
        details.insert(field.label.to_owned(), field.value.clone().into());
    }
    if !message.frames.is_empty() {
        details.insert("frames".to_owned(), message.frames.join("\n").into());
    }
    let module = text::line(&alert.attributes.module, NAME_CHARS);
    let source = text::line(alert.event.as_ref().and_then(|event| event.server.as_deref()).unwrap_or(""), NAME_CHARS);
    let project = text::line(&alert.project, NAME_CHARS);
    let source = [source, module.clone(), project].into_iter().find(|name| !name.is_empty());
    if let Some(mention) = &message.mention {
        details.insert("mention".to_owned(), mention.clone().into());
    }
    let (page, _) = message.page_and_more();
    let links: Vec<Value> = message.links.iter().map(|link| json!({"href": link.url, "text": link.label})).collect();
    json!({
        "routing_key": told.key.expose(),
        "event_action": action(alert),
        "dedup_key": format!("bongsu:{}:{}", alert.fingerprint, alert.window_opened_at.ms()),
        "payload": {
            "summary": text::line(&format!("{} · {}", message.title, message.why), SUMMARY_CHARS),
            "source": source.unwrap_or_else(|| "bongsu".to_owned()),
            "severity": severity(alert),
            "timestamp": alert.last_seen.to_string(),
            "component": module,
            "group": text::line(&alert.attributes.environment, NAME_CHARS),
            "class": text::line(&alert.attributes.category, NAME_CHARS),
            "custom_details": details,
        },
        "client": "bongsu",
        "client_url": page.url,
        "links": links,
    })
}

fn action(alert: &Alert) -> &'static str {
    match alert.kind {
        Kind::Closing { ongoing: false, .. } => "resolve",
        _ => "trigger",
    }
}

fn severity(alert: &Alert) -> &'static str {
    match alert.event.as_ref().map_or(Level::Error, |event| event.level) {
        Level::Fatal => "critical",
        Level::Error => "error",
        Level::Warning => "warning",
        Level::Info | Level::Debug => "info",
    }
}
