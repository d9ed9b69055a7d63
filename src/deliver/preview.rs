//! Preview: an alert as a channel would send it, for people to look at.
//!
//! Promises: pure; it shows what `compose` made, part by part, and nothing that would let others in: of an address the
//! host alone, of configured headers the names, and of texts what the channel hides in answers too. Deliberately not here:
//! sending, and asking an archive.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use serde_json::Value;
use url::Url;

use crate::alert::Delivery;
use crate::config::Secret;
use crate::time::Time;

use super::channels::Channel;
use super::parcel::Parcel;
use super::text;

/// What stands in place of what is not shown.
const HIDDEN: &str = "(hidden)";
/// Headers whose values let nobody in.
const OPEN_HEADERS: [&str; 4] = ["content-type", "accept", "user-agent", "idempotency-key"];

/// What a channel would send.
#[derive(Debug, Serialize)]
pub(crate) struct Preview {
    /// The channel's name.
    pub(crate) channel: String,
    /// Why it is not as it was configured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) note: Option<String>,
    /// What it would send.
    #[serde(flatten)]
    pub(crate) sent: Sent,
}

/// What would be sent, by how it would go.
#[derive(Debug, Serialize)]
#[serde(tag = "by", rename_all = "lowercase")]
pub(crate) enum Sent {
    /// A request.
    Http {
        /// `POST` or `PUT`.
        method: &'static str,
        /// Where to: the scheme and the host.
        to: String,
        /// With which headers.
        headers: BTreeMap<String, String>,
        /// As JSON, or as a text where it is none.
        body: Value,
    },
    /// A mail.
    Mail {
        /// The sender.
        from: String,
        /// The recipients.
        to: Vec<String>,
        /// Its subject.
        subject: String,
        /// It for programs that show text.
        text: String,
        /// It for programs that show HTML.
        html: String,
    },
    /// Text on standard output.
    Print {
        /// It.
        text: String,
    },
}

/// The delivery as this channel would send it at that moment, for the first time.
pub(crate) fn preview(channel: &Channel, delivery: &Delivery, now: Time) -> Preview {
    let mut note = None;
    let sent = match channel.keyless().compose_telling(delivery, now, &mut |why| note = Some(why)) {
        Parcel::Post { url, headers, body } => request("POST", &url, &headers, &body, channel.hidden()),
        Parcel::Put { url, headers, body } => request("PUT", &url, &headers, &body, channel.hidden()),
        Parcel::Mail { from, to, .. } => {
            let letter = channel.letter(delivery);
            let [subject, text, html] = letter.map(|one| [one.subject, one.text, one.html]).unwrap_or_default();
            Sent::Mail { from, to, subject, text, html }
        }
        Parcel::Print(text) => Sent::Print { text },
    };
    Preview { channel: channel.name().to_string(), note, sent }
}

fn request(method: &'static str, url: &Secret, headers: &[(String, Secret)], body: &[u8], hidden: &[String]) -> Sent {
    Sent::Http {
        method,
        to: place(url),
        headers: headers.iter().map(|(name, value)| (name.clone(), shown_header(name, value))).collect(),
        body: match serde_json::from_slice(body) {
            Ok(body) => without(body, hidden),
            Err(_) => Value::String(text::hide(&String::from_utf8_lossy(body), hidden).into_owned()),
        },
    }
}

fn place(url: &Secret) -> String {
    match Url::parse(url.expose()) {
        Ok(url) => {
            let port = url.port().map_or_else(String::new, |port| format!(":{port}"));
            format!("{}://{}{port}/{HIDDEN}", url.scheme(), url.host_str().unwrap_or_default())
        }
        Err(_) => HIDDEN.to_owned(),
    }
}

fn shown_header(name: &str, value: &Secret) -> String {
    match OPEN_HEADERS.iter().any(|open| open.eq_ignore_ascii_case(name)) {
        true => value.expose().to_owned(),
        false => HIDDEN.to_owned(),
    }
}

fn without(value: Value, hidden: &[String]) -> Value {
    match value {
        Value::String(said) => Value::String(text::hide(&said, hidden).into_owned()),
        Value::Array(all) => all.into_iter().map(|one| without(one, hidden)).collect(),
        Value::Object(all) => all.into_iter().map(|(name, one)| (name, without(one, hidden))).collect(),
        other => other,
    }
}

impl fmt::Display for Preview {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(note) = &self.note {
            writeln!(f, "(in the documented form: {note})")?;
        }
        match &self.sent {
            Sent::Http { method, to, headers, body } => {
                writeln!(f, "{method} {to}")?;
                headers.iter().try_for_each(|(name, value)| writeln!(f, "{name}: {value}"))?;
                match body {
                    Value::String(text) => write!(f, "\n{text}"),
                    body => write!(f, "\n{body:#}"),
                }
            }
            Sent::Mail { from, to, subject, text, html } => {
                writeln!(f, "From: {from}\nTo: {}\nSubject: {subject}\n\n{text}\n\n{}", to.join(", "), html.trim_end())
            }
            Sent::Print { text } => write!(f, "{}", text.trim_end()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Locale;
    use crate::deliver::sample;
    use crate::deliver::specimen::{Occasion, Supposed};

    fn shown(kind: &str, keys: &str, occasion: Occasion) -> Preview {
        let channel = sample::channel(kind, keys, Locale::En);
        preview(&channel, &Supposed::sample().delivery(occasion, 1), sample::NOW)
    }

    #[test]
    fn every_occasion_is_shown_by_every_kind_of_channel() {
        let mail = "smtp = \"smtps://kim:pass-word@mail.example\"\nfrom = \"a@b.example\"\nto = [\"ops@b.example\"]";
        for (name, occasion) in Occasion::ALL {
            for (kind, keys) in [("console", ""), ("email", mail), ("slack", "url = \"https://x.example/token\"")] {
                let seen = shown(kind, keys, occasion).to_string();
                let said = match occasion {
                    Occasion::Away => "cache is away",
                    Occasion::Back => "cache is back",
                    Occasion::Closing => "none since",
                    Occasion::Ongoing => "still occurring",
                    Occasion::Regression => "Regression",
                    Occasion::Alert => "NullPointerException",
                    Occasion::Storm => "5 modules",
                    Occasion::Digest => "5 errors at once",
                };
                assert!(seen.contains(said), "{name} by {kind}: {seen}");
            }
        }
    }

    #[test]
    fn nothing_that_lets_others_in_is_shown() {
        let channels = [
            (
                "webhook",
                "url = \"https://kim:pass-word@x.example/tok-en\"\nsecret = \"whsec\"\nheaders = { X-Key = \"k\" }",
            ),
            ("telegram", "token = \"12345:tok-en\"\nchat = \"-100123\""),
            ("pagerduty", "routing_key = \"k\""),
            ("kakaowork", "token = \"tok-en\"\nchat = \"1\""),
            ("email", "smtp = \"smtps://kim:pass-word@x.example\"\nfrom = \"a@b.example\"\nto = [\"c@b.example\"]"),
        ];
        for (kind, keys) in channels {
            let shown = shown(kind, keys, Occasion::Alert);
            let seen = format!("{shown} {}", serde_json::to_string(&shown).unwrap());
            for secret in ["tok-en", "pass-word", "whsec", "\"k\"", "v1=", "12345"] {
                assert!(!seen.contains(secret), "{kind} shows {secret}: {seen}");
            }
        }
    }
}
