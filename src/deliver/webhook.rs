//! The channel `webhook`: the machine-readable form of every message, signed.
//!
//! Promises: the payload's names are stable (they are documented); the signature covers the very bytes that are sent and
//! the moment of this attempt; the idempotency key is the same for every attempt of one delivery. An alert that a template
//! of the user's own cannot lay out is sent in the documented form all the same. Deliberately not here: how a template
//! works (`template`).

use std::fmt::Write;

use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::alert::{Alert, Delivery, InsteadOf, Kind};
use crate::config::{Method, Secret};
use crate::event::{Attributes, Event, Frame, Level};
use crate::issue::Fingerprint;
use crate::time::Time;

use super::links::Link;
use super::message::{Message, Style, application_frames};
use super::parcel::Parcel;
use super::template::Template;

/// Headers that are bongsu's own or the transport's; the configuration cannot replace them.
pub(crate) const OWN_HEADERS: [&str; 8] = [
    "content-type",
    "content-length",
    "host",
    "connection",
    "transfer-encoding",
    "user-agent",
    "idempotency-key",
    "x-bongsu-signature",
];

/// A compiled webhook.
#[derive(Clone, Debug)]
pub(crate) struct Webhook {
    pub(crate) url: Secret,
    pub(crate) secret: Option<Secret>,
    pub(crate) headers: Vec<(String, Secret)>,
    pub(crate) method: Method,
    /// The layout, when it is the user's own.
    pub(crate) template: Option<Template>,
}

/// What is sent.
struct Content {
    kind: String,
    body: Bytes,
}

impl Webhook {
    /// The delivery as a signed request. `tell` hears why the template could not be used, if it could not.
    pub(crate) fn compose(
        &self,
        delivery: &Delivery,
        style: &Style,
        now: Time,
        tell: &mut dyn FnMut(String),
    ) -> Parcel {
        let Content { kind, body } = self.content(delivery, style, tell);
        let own = |name: &str, value: String| (name.to_owned(), Secret::new(value));
        let mut headers = vec![
            own("Content-Type", kind),
            own("User-Agent", concat!("bongsu/", env!("CARGO_PKG_VERSION")).to_owned()),
            own("Idempotency-Key", idempotency_key(delivery)),
        ];
        if let Some(secret) = &self.secret {
            headers.push(own("X-Bongsu-Signature", signature(secret, now, &body)));
        }
        headers.extend(self.headers.iter().cloned());
        let url = self.url.clone();
        match self.method {
            Method::Post => Parcel::Post { url, headers, body },
            Method::Put => Parcel::Put { url, headers, body },
        }
    }

    fn content(&self, delivery: &Delivery, style: &Style, tell: &mut dyn FnMut(String)) -> Content {
        let message = Message::of_delivery(delivery, style);
        if let Some(template) = &self.template {
            match template.render(delivery, &message, style) {
                Ok(body) => return Content { kind: template.content_type().to_owned(), body },
                Err(why) => tell(why),
            }
            if !template.makes_json() {
                let body = Bytes::from(message.text());
                return Content { kind: "text/plain; charset=utf-8".to_owned(), body };
            }
        }
        let payload = serde_json::to_vec(&payload(delivery, &message, style));
        let body = payload.expect("texts and numbers under text keys are always JSON");
        Content { kind: "application/json".to_owned(), body: Bytes::from(body) }
    }
}

/// The same for every attempt of one delivery, whoever makes it: an alert that was granted while the archive was away keeps
/// its key when it is recorded.
pub(super) fn idempotency_key(delivery: &Delivery) -> String {
    let Delivery { channel, alert, .. } = delivery;
    let (kind, opened_at) = (alert.kind.name(), alert.window_opened_at.ms());
    let said = format!("{kind} {} {opened_at} {} {channel}", alert.fingerprint, alert.ordinal);
    let mut key = "bongsu-".to_owned();
    for byte in &Sha256::digest(said)[..16] {
        let _ = write!(key, "{byte:02x}");
    }
    key
}

/// `t=<unix seconds>,v1=<hex of HMAC-SHA256 over "{t}.{body}">`. The moment is signed too, so that a recorded request
/// cannot be replayed later.
fn signature(secret: &Secret, now: Time, body: &[u8]) -> String {
    let t = now.ms().div_euclid(1_000);
    let mut mac = <Hmac<Sha256>>::new_from_slice(secret.expose().as_bytes()).expect("HMAC takes keys of any length");
    mac.update(format!("{t}.").as_bytes());
    mac.update(body);
    let mut out = format!("t={t},v1=");
    for byte in mac.finalize().into_bytes() {
        let _ = write!(out, "{byte:02x}");
    }
    out
}

/// What is documented.
#[derive(Serialize)]
pub(super) struct Payload<'a> {
    kind: &'static str,
    id: i64,
    project: &'a str,
    fingerprint: Fingerprint,
    cause: String,
    ordinal: u32,
    budget: u32,
    occurrences: u64,
    occurrences_total: u64,
    suppressed: u64,
    window: WindowSpan,
    granted_at: String,
    attributes: &'a Attributes<'static>,
    normalized: &'a Attributes<'static>,
    first_seen: String,
    last_seen: String,
    new: bool,
    regression: bool,
    level: Option<Level>,
    exception: Option<Root<'a>>,
    trace_id: Option<&'a str>,
    release: Option<&'a str>,
    servers: &'a [String],
    owner: Option<&'a str>,
    mention: Option<&'a str>,
    links: Links<'a>,
    #[serde(flatten)]
    closing: Option<Closing>,
    spread: Option<SpreadOf<'a>>,
    folded: Vec<Folded<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    instead_of: Option<Failed<'a>>,
    text: String,
}

/// How far a cause has spread.
#[derive(Serialize)]
struct SpreadOf<'a> {
    modules: u64,
    errors: u64,
    since: String,
    first_module: Option<&'a str>,
    named: &'a [String],
}

/// An alert that the same message tells besides.
#[derive(Serialize)]
struct Folded<'a> {
    kind: &'static str,
    id: i64,
    fingerprint: Fingerprint,
    cause: String,
    ordinal: u32,
    budget: u32,
    occurrences: u64,
    suppressed: u64,
    window: WindowSpan,
    attributes: &'a Attributes<'static>,
    last_seen: String,
    new: bool,
    regression: bool,
}

impl<'a> Folded<'a> {
    fn of(alert: &'a Alert) -> Folded<'a> {
        Folded {
            kind: alert.kind.name(),
            id: alert.id,
            fingerprint: alert.fingerprint,
            cause: alert.cause.to_string(),
            ordinal: alert.ordinal,
            budget: alert.budget,
            occurrences: alert.occurrences,
            suppressed: alert.suppressed(),
            window: WindowSpan::of(alert),
            attributes: &alert.attributes,
            last_seen: alert.last_seen.to_string(),
            new: alert.new,
            regression: alert.regression.is_some(),
        }
    }
}

#[derive(Serialize)]
struct WindowSpan {
    opened_at: String,
    ends_at: String,
}

impl WindowSpan {
    fn of(alert: &Alert) -> WindowSpan {
        WindowSpan { opened_at: alert.window_opened_at.to_string(), ends_at: alert.window_ends_at.to_string() }
    }
}

/// The root cause, with the frames that a message shows.
#[derive(Serialize)]
struct Root<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    value: &'a str,
    frames: Vec<&'a Frame<'static>>,
}

#[derive(Serialize)]
struct Links<'a> {
    issue: &'a str,
    more: Vec<LinkTo<'a>>,
}

/// A link of the configuration.
#[derive(Serialize)]
struct LinkTo<'a> {
    label: &'a str,
    url: &'a str,
}

/// The channel that failed, for which this one stands in.
#[derive(Serialize)]
struct Failed<'a> {
    channel: &'a str,
    since: String,
    error: &'a str,
}

impl<'a> From<&'a InsteadOf> for Failed<'a> {
    fn from(instead_of: &'a InsteadOf) -> Failed<'a> {
        let InsteadOf { channel, since, error } = instead_of;
        Failed { channel, since: since.to_string(), error }
    }
}

#[derive(Serialize)]
struct Closing {
    alerts: u32,
    peak_per_minute: u64,
    ongoing: bool,
}

/// The documented form of a delivery, whose message this is.
pub(super) fn payload<'a>(delivery: &'a Delivery, message: &'a Message, style: &'a Style) -> Payload<'a> {
    let alert = &delivery.alert;
    let event = alert.event.as_ref();
    let (page, more) = message.page_and_more();
    Payload {
        kind: delivery.kind(),
        id: alert.id,
        project: &alert.project,
        fingerprint: alert.fingerprint,
        cause: alert.cause.to_string(),
        ordinal: alert.ordinal,
        budget: alert.budget,
        occurrences: alert.occurrences,
        occurrences_total: alert.occurrences_total,
        suppressed: alert.suppressed(),
        window: WindowSpan::of(alert),
        granted_at: alert.granted_at.to_string(),
        attributes: &alert.attributes,
        normalized: &alert.normalized,
        first_seen: alert.first_seen.to_string(),
        last_seen: alert.last_seen.to_string(),
        new: alert.new,
        regression: alert.regression.is_some(),
        level: event.map(|event| event.level),
        exception: event.and_then(root),
        trace_id: event.and_then(|event| event.trace_id.as_deref()),
        release: event.and_then(|event| event.release.as_deref()),
        servers: &alert.servers,
        owner: style.owner_of(alert).map(|owner| &*owner.name),
        mention: message.mention.as_deref(),
        links: Links { issue: &page.url, more: more.iter().map(|Link { label, url }| LinkTo { label, url }).collect() },
        closing: match alert.kind {
            Kind::Alert | Kind::Health(_) => None,
            Kind::Closing { peak_per_minute, ongoing } => {
                Some(Closing { alerts: alert.ordinal, peak_per_minute, ongoing })
            }
        },
        spread: delivery.spread.as_ref().map(|spread| SpreadOf {
            modules: spread.modules,
            errors: spread.errors,
            since: spread.since.to_string(),
            first_module: spread.named.first().map(String::as_str),
            named: &spread.named,
        }),
        folded: delivery.folded.iter().map(Folded::of).collect(),
        instead_of: delivery.instead_of.as_ref().map(Failed::from),
        text: message.text(),
    }
}

fn root<'a>(event: &'a Event<'static>) -> Option<Root<'a>> {
    let root = event.root()?;
    Some(Root { kind: &root.kind, value: &root.value, frames: application_frames(event) })
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use jiff::tz::TimeZone;

    use super::*;
    use crate::alert::Alert;
    use crate::config::Locale;
    use crate::deliver::sample;

    fn style() -> Style {
        Style {
            locale: Locale::En,
            zone: TimeZone::UTC,
            public_url: "https://bongsu.example".to_owned(),
            channel: "ops".into(),
            book: std::sync::Arc::default(),
        }
    }

    fn hook() -> Webhook {
        Webhook {
            url: Secret::new("https://hooks.example/x"),
            secret: Some(Secret::new("whsec_봉수")),
            headers: vec![("X-Team".to_owned(), Secret::new("pay"))],
            method: Method::Post,
            template: None,
        }
    }

    fn composed(alert: Alert, now: Time) -> (Vec<(String, String)>, Bytes) {
        let Parcel::Post { headers, body, .. } = hook().compose(&sample::delivery(alert), &style(), now, &mut |_| {})
        else {
            panic!("a webhook posts");
        };
        (headers.into_iter().map(|(name, value)| (name, value.expose().to_owned())).collect(), body)
    }

    fn check(alert: Alert, expected: Expect) {
        let value: serde_json::Value = serde_json::from_slice(&composed(alert, sample::NOW).1).unwrap();
        expected.assert_eq(&serde_json::to_string_pretty(&value).unwrap());
    }

    /// HMAC by its definition (RFC 2104), without the crate.
    fn hmac_by_definition(key: &[u8], message: &[u8]) -> String {
        assert!(key.len() <= 64);
        let pad = |byte: u8| -> Vec<u8> { (0..64).map(|i| key.get(i).copied().unwrap_or(0) ^ byte).collect() };
        let inner = Sha256::digest([pad(0x36), message.to_vec()].concat());
        let outer = Sha256::digest([pad(0x5c), inner.to_vec()].concat());
        outer.iter().map(|b| format!("{b:02x}")).collect()
    }

    #[test]
    fn an_alert_as_json() {
        check(
            sample::alert(1),
            expect![[r#"
                {
                  "attributes": {
                    "category": "Runtime",
                    "detail": "payment failed",
                    "environment": "prod",
                    "location": "com.acme.order.DiscountService.apply",
                    "method": "POST",
                    "module": "order-api",
                    "url": "/orders/1234/pay"
                  },
                  "budget": 5,
                  "cause": "51ab0000000000000000000000000001",
                  "exception": {
                    "frames": [
                      {
                        "file": "DiscountService.kt",
                        "function": "apply",
                        "line": 87,
                        "module": "com.acme.order.DiscountService"
                      },
                      {
                        "file": "PayService.kt",
                        "function": "pay",
                        "line": 41,
                        "module": "com.acme.order.PayService"
                      }
                    ],
                    "type": "java.lang.NullPointerException",
                    "value": "Cannot invoke \"Coupon.getRate()\" because \"coupon\" is null"
                  },
                  "fingerprint": "9f2c0000000000000000000000000001",
                  "first_seen": "2026-11-23T05:02:11.000Z",
                  "folded": [],
                  "granted_at": "2026-11-23T05:02:11.000Z",
                  "id": 41,
                  "kind": "alert",
                  "last_seen": "2026-11-23T05:02:11.000Z",
                  "level": "error",
                  "links": {
                    "issue": "https://bongsu.example/api/v1/issues/9f2c0000000000000000000000000001",
                    "more": []
                  },
                  "mention": null,
                  "new": true,
                  "normalized": {
                    "category": "Runtime",
                    "detail": "payment failed",
                    "environment": "prod",
                    "location": "com.acme.order.DiscountService.apply",
                    "method": "POST",
                    "module": "order-api",
                    "url": "/orders/{}/pay"
                  },
                  "occurrences": 1,
                  "occurrences_total": 1,
                  "ordinal": 1,
                  "owner": null,
                  "project": "shop",
                  "regression": false,
                  "release": "v1.42.0",
                  "servers": [],
                  "spread": null,
                  "suppressed": 0,
                  "text": "🔥▫️▫️▫️▫️ 1/5 [prod] order-api · NullPointerException\nNew\nCannot invoke \"Coupon.getRate()\" because \"coupon\" is null\nCategory: Runtime\nRequest: POST /orders/1234/pay\nThrown at: com.acme.order.DiscountService.apply\nWrapped in: PaymentException\nOccurrences: 1\nLast seen: 05:02:11 UTC\nWindow ends: 05:12:11\nRelease: v1.42.0\nServer: order-api-7c9f-x2x8k\nTrace ID: 4bf92f3577b34da6\n  at com.acme.order.DiscountService.apply (DiscountService.kt:87)\n  at com.acme.order.PayService.pay (PayService.kt:41)\nDetails: https://bongsu.example/api/v1/issues/9f2c0000000000000000000000000001",
                  "trace_id": "4bf92f3577b34da6",
                  "window": {
                    "ends_at": "2026-11-23T05:12:11.000Z",
                    "opened_at": "2026-11-23T05:02:11.000Z"
                  }
                }"#]],
        );
    }

    #[test]
    fn a_closing_as_json() {
        check(
            sample::closing(true),
            expect![[r#"
                {
                  "alerts": 5,
                  "attributes": {
                    "category": "Runtime",
                    "detail": "payment failed",
                    "environment": "prod",
                    "location": "com.acme.order.DiscountService.apply",
                    "method": "POST",
                    "module": "order-api",
                    "url": "/orders/1234/pay"
                  },
                  "budget": 5,
                  "cause": "51ab0000000000000000000000000001",
                  "exception": null,
                  "fingerprint": "9f2c0000000000000000000000000001",
                  "first_seen": "2026-11-23T05:02:11.000Z",
                  "folded": [],
                  "granted_at": "2026-11-23T05:12:11.000Z",
                  "id": 45,
                  "kind": "closing",
                  "last_seen": "2026-11-23T05:09:40.000Z",
                  "level": null,
                  "links": {
                    "issue": "https://bongsu.example/api/v1/issues/9f2c0000000000000000000000000001",
                    "more": []
                  },
                  "mention": null,
                  "new": false,
                  "normalized": {
                    "category": "Runtime",
                    "detail": "payment failed",
                    "environment": "prod",
                    "location": "com.acme.order.DiscountService.apply",
                    "method": "POST",
                    "module": "order-api",
                    "url": "/orders/{}/pay"
                  },
                  "occurrences": 8310,
                  "occurrences_total": 8357,
                  "ongoing": true,
                  "ordinal": 5,
                  "owner": null,
                  "peak_per_minute": 1204,
                  "project": "shop",
                  "regression": false,
                  "release": null,
                  "servers": [],
                  "spread": null,
                  "suppressed": 8305,
                  "text": "🔥 [prod] order-api · payment failed · still occurring\nWindow ended · 8,310 in 10 min (5 alerts, 8,305 held back) · still occurring, next window open\nOccurrences: 8,310 · 8,357 in all\nAlerts sent: 5\nHeld back: 8,305\nBusiest minute: 1,204\nWindow opened: 05:02:11\nLast seen: 05:09:40 UTC\nDetails: https://bongsu.example/api/v1/issues/9f2c0000000000000000000000000001",
                  "trace_id": null,
                  "window": {
                    "ends_at": "2026-11-23T05:12:11.000Z",
                    "opened_at": "2026-11-23T05:02:11.000Z"
                  }
                }"#]],
        );
    }

    #[test]
    fn the_signature_covers_the_moment_and_the_bytes_sent() {
        let (headers, body) = composed(sample::alert(1), Time(1_795_410_131_999));
        let signed = [b"1795410131.".as_slice(), &body].concat();
        let expected = format!("t=1795410131,v1={}", hmac_by_definition("whsec_봉수".as_bytes(), &signed));
        assert!(headers.contains(&("X-Bongsu-Signature".to_owned(), expected)), "{headers:?}");
    }

    #[test]
    fn the_definition_used_above_is_right() {
        // RFC 4231, test case 2.
        assert_eq!(
            hmac_by_definition(b"Jefe", b"what do ya want for nothing?"),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }

    #[test]
    fn the_idempotency_key_is_the_same_for_every_attempt_also_before_the_alert_is_recorded() {
        let key = |id, attempt, ordinal, now| {
            let alert = Alert { id, ..sample::alert(ordinal) };
            let delivery = Delivery { id, attempt, fence: i64::from(attempt), ..sample::delivery(alert) };
            let Parcel::Post { headers, .. } = hook().compose(&delivery, &style(), now, &mut |_| {}) else {
                panic!("a webhook posts")
            };
            headers.into_iter().find(|(name, _)| name == "Idempotency-Key").map(|(_, value)| value)
        };
        assert!(key(7, 1, 1, sample::NOW).is_some_and(|key| key.expose().starts_with("bongsu-")));
        assert_eq!(key(-3, 1, 1, sample::NOW), key(7, 9, 1, Time(sample::NOW.ms() + 60_000)));
        assert_ne!(key(7, 1, 1, sample::NOW), key(7, 1, 2, sample::NOW));
    }

    #[test]
    fn headers_of_the_configuration_are_sent_and_no_signature_without_a_secret() {
        let (headers, _) = composed(sample::alert(1), sample::NOW);
        assert!(headers.contains(&("X-Team".to_owned(), "pay".to_owned())));
        let bare = Webhook { secret: None, ..hook() };
        let Parcel::Post { headers, .. } =
            bare.compose(&sample::delivery(sample::alert(1)), &style(), sample::NOW, &mut |_| {})
        else {
            panic!("a webhook posts");
        };
        assert!(headers.iter().all(|(name, _)| name != "X-Bongsu-Signature"));
    }

    #[test]
    fn a_delivery_in_place_of_another_says_so() {
        let instead_of = InsteadOf { channel: "ops".into(), since: sample::NOW, error: "answered 503".into() };
        let delivery = Delivery { instead_of: Some(instead_of), ..sample::delivery(sample::alert(1)) };
        let Parcel::Post { body, .. } = hook().compose(&delivery, &style(), sample::NOW, &mut |_| {}) else {
            panic!("it posts")
        };
        let payload: serde_json::Value = serde_json::from_slice(&body).unwrap();
        let said = serde_json::json!({ "channel": "ops", "since": sample::NOW.to_string(), "error": "answered 503" });
        assert_eq!(payload["instead_of"], said);
        let text = payload["text"].as_str().unwrap();
        assert!(text.contains("\nInstead of: ops, which fails since 05:02:11: answered 503\n"), "{text}");
    }
}
