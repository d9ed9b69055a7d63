//! What is sent: the bodies, with holes where requests differ.
//!
//! Promises: a body is laid out once and only its holes are written afterwards; every id is new and every token is the
//! mix's. The texts are in `payloads/`. Deliberately not here: HTTP, compression.

use anyhow::Context;
use clap::ValueEnum;
use serde::Serialize;
use serde_json::{Value, json};

use crate::mix::{Draw, Random, TOKEN_LEN};

/// Width of an id in a payload, in hexadecimal digits.
const ID_LEN: usize = 32;
const BATCH_EVENTS: usize = 100;

const NATIVE: &str = include_str!("../payloads/native.json");
const JAVA_EVENT: &str = include_str!("../payloads/java_event.json");

/// One shape of request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Payload {
    /// One native event of about 600 bytes.
    Native,
    /// A hundred of those in an array.
    Batch,
    /// A Sentry envelope of about 10 kB, as sentry-java sends it, not compressed.
    Envelope,
    /// The same envelope, gzip.
    Gzip,
}

impl Payload {
    pub(crate) const ALL: [Payload; 4] = [Payload::Native, Payload::Batch, Payload::Envelope, Payload::Gzip];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Payload::Native => "native",
            Payload::Batch => "batch",
            Payload::Envelope => "envelope",
            Payload::Gzip => "gzip",
        }
    }

    /// Events in one request.
    pub(crate) fn events(self) -> u64 {
        match self {
            Payload::Batch => BATCH_EVENTS as u64,
            Payload::Native | Payload::Envelope | Payload::Gzip => 1,
        }
    }

    /// Whether the answer names an outcome for each event, as the native protocol does and Sentry's does not.
    pub(crate) fn answers_outcomes(self) -> bool {
        matches!(self, Payload::Native | Payload::Batch)
    }

    /// The body, laid out.
    pub(crate) fn body(self) -> anyhow::Result<Body> {
        let now = jiff::Timestamp::now();
        let time = format!("{now:.3}");
        match self {
            Payload::Native => Body::lay_out(&[compact(NATIVE)?], &time),
            Payload::Batch => Body::lay_out(&batch(&compact(NATIVE)?), &time),
            Payload::Envelope | Payload::Gzip => Body::lay_out(&[envelope(&compact(JAVA_EVENT)?, &time)], &time),
        }
    }
}

/// The texts in `payloads/` are laid out for people; on the wire there are no blanks.
fn compact(text: &str) -> anyhow::Result<String> {
    let value: Value = serde_json::from_str(text).context("a payload is not JSON")?;
    Ok(value.to_string())
}

fn batch(event: &str) -> Vec<String> {
    let last = BATCH_EVENTS - 1;
    let part = |at| format!("{}{event}{}", if at == 0 { "[" } else { "," }, if at == last { "]" } else { "" });
    (0..BATCH_EVENTS).map(part).collect()
}

fn envelope(event: &str, time: &str) -> String {
    let length = Body::lay_out(&[event.to_owned()], time).map_or(0, |body| body.bytes.len());
    let sdk = json!({"name": "sentry.java.spring-boot.jakarta", "version": "8.22.0"});
    let head = json!({"event_id": "%ID%", "sent_at": "%TIME%", "sdk": sdk});
    let item = json!({"type": "event", "content_type": "application/json", "length": length});
    format!("{head}\n{item}\n{event}\n")
}

/// A body whose holes are still to be filled.
#[derive(Clone)]
pub(crate) struct Body {
    pub(crate) bytes: Vec<u8>,
    /// One entry for each event in it.
    events: Vec<Holes>,
}

/// Where an event's holes are, from the body's beginning.
#[derive(Clone, Default)]
struct Holes {
    ids: Vec<usize>,
    tokens: Vec<usize>,
}

impl Body {
    /// Makes room for `%ID%` and `%TOKEN%`, and writes `%TIME%`.
    fn lay_out(parts: &[String], time: &str) -> anyhow::Result<Body> {
        let mut body = Body { bytes: Vec::new(), events: Vec::new() };
        for part in parts {
            let mut holes = Holes::default();
            for (at, piece) in part.split('%').enumerate() {
                let end = body.bytes.len();
                match (at % 2, piece) {
                    (0, text) => body.bytes.extend_from_slice(text.as_bytes()),
                    (_, "TIME") => body.bytes.extend_from_slice(time.as_bytes()),
                    (_, "ID") => {
                        holes.ids.push(end);
                        body.bytes.resize(end + ID_LEN, b'0');
                    }
                    (_, "TOKEN") => {
                        holes.tokens.push(end);
                        body.bytes.resize(end + TOKEN_LEN, b'a');
                    }
                    (_, other) => anyhow::bail!("a payload has an unknown hole: %{other}%"),
                }
            }
            body.events.push(holes);
        }
        Ok(body)
    }

    /// Writes the holes of a copy of this body that begins at `base` in `bytes`. Answers the last event's token.
    pub(crate) fn fill(&self, bytes: &mut [u8], base: usize, draw: &mut Draw, ids: &mut Random) -> [u8; TOKEN_LEN] {
        let mut token = [0; TOKEN_LEN];
        for holes in &self.events {
            token = draw.next();
            for at in &holes.tokens {
                bytes[base + at..base + at + TOKEN_LEN].copy_from_slice(&token);
            }
            let id = hexadecimal(ids);
            for at in &holes.ids {
                bytes[base + at..base + at + ID_LEN].copy_from_slice(&id);
            }
        }
        token
    }
}

fn hexadecimal(ids: &mut Random) -> [u8; ID_LEN] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut id = [0; ID_LEN];
    for half in id.chunks_exact_mut(16) {
        let mut bits = ids.next();
        for digit in half {
            *digit = DIGITS[(bits & 15) as usize];
            bits >>= 4;
        }
    }
    id
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mix::Mix;

    fn filled(payload: Payload, mix: Mix, times: usize) -> Vec<String> {
        let body = payload.body().unwrap();
        let (mut draw, mut ids) = (Draw::new(mix), Random(7));
        (0..times)
            .map(|_| {
                let mut bytes = body.bytes.clone();
                body.fill(&mut bytes, 0, &mut draw, &mut ids);
                String::from_utf8(bytes).unwrap()
            })
            .collect()
    }

    #[test]
    fn sizes_are_the_ones_the_readme_names() {
        assert!((570..630).contains(&Payload::Native.body().unwrap().bytes.len()));
        assert!((57_000..63_000).contains(&Payload::Batch.body().unwrap().bytes.len()));
        assert!((9_000..11_000).contains(&Payload::Envelope.body().unwrap().bytes.len()));
    }

    #[test]
    fn a_native_event_has_the_seven_attributes_and_differs_in_type_location_and_top_function() {
        let bodies = filled(Payload::Native, Mix::Distinct, 2);
        let events: Vec<Value> = bodies.iter().map(|body| serde_json::from_str(body).unwrap()).collect();
        for name in ["category", "module", "environment", "url", "method", "location", "detail"] {
            assert!(events[0][name].is_string(), "{name}");
        }
        assert_eq!(events[0]["exception"]["frames"].as_array().unwrap().len(), 5);
        for place in ["/exception/type", "/exception/frames/0/function", "/location", "/detail"] {
            assert_ne!(events[0].pointer(place), events[1].pointer(place), "{place}");
        }
    }

    #[test]
    fn events_of_one_error_differ_in_their_ids_only() {
        let bodies = filled(Payload::Native, Mix::One, 2);
        let events: Vec<Value> = bodies.iter().map(|body| serde_json::from_str(body).unwrap()).collect();
        assert_eq!(events[0]["exception"], events[1]["exception"]);
        assert_ne!(events[0]["detail"], events[1]["detail"]);
    }

    #[test]
    fn a_batch_holds_a_hundred_events_of_the_mix() {
        let bodies = filled(Payload::Batch, Mix::Distinct, 1);
        let events: Vec<Value> = serde_json::from_str(&bodies[0]).unwrap();
        let types: std::collections::HashSet<&str> =
            events.iter().map(|event| event["exception"]["type"].as_str().unwrap()).collect();
        assert_eq!(types.len(), 100);
    }

    #[test]
    fn an_envelope_is_framed_as_its_item_header_says() {
        let body = filled(Payload::Envelope, Mix::Zipf, 1).remove(0);
        let lines: Vec<&str> = body.lines().collect();
        let [head, item, event] = lines[..] else { panic!("{} lines", lines.len()) };
        let head: Value = serde_json::from_str(head).unwrap();
        let item: Value = serde_json::from_str(item).unwrap();
        assert_eq!(item["length"], event.len());
        let event: Value = serde_json::from_str(event).unwrap();
        assert_eq!(head["event_id"], event["event_id"]);
        assert_eq!(event.pointer("/exception/values/0/stacktrace/frames").unwrap().as_array().unwrap().len(), 40);
        assert_eq!(event["breadcrumbs"].as_array().unwrap().len(), 12);
        for name in ["request", "tags", "user", "contexts"] {
            assert!(event[name].is_object(), "{name}");
        }
    }
}
