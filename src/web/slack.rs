//! The door through which Slack tells that somebody pressed a button.
//!
//! Promises: nothing is done unless the request is signed with a configured app's secret, at most five minutes ago, and came
//! for the first time, over all servers; an app acts only on what its channels were told of; what is done is durable before it is
//! answered. A stranger's body is held within the bounds of all bodies. Deliberately not here: how the message shows it; the
//! channel's editor is told to look.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use hmac::{Hmac, KeyInit, Mac};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use tokio::sync::{Notify, watch};

use super::Settings;
use super::api::{bad, no_issue, unavailable};
use crate::archive::{Archive, Signed};
use crate::config::{ChannelKind, Config, Secret};
use crate::http::Problem;
use crate::ingest::Bodies;
use crate::issue::{Action, Fingerprint, Press};
use crate::river::River;
use crate::time::Time;

/// A payload repeats the whole message.
const BODY_BYTES_MAX: usize = 64 << 10;
/// Slack's word: an older request may be a replay.
const AGE_MAX: Duration = Duration::from_secs(300);
/// How long a signature is remembered: as long as it may be good by the clock of any server, and then some.
const REMEMBERED: Duration = Duration::from_secs(1_200);
/// Slack waits for three seconds, and then tells whoever pressed that it failed.
const ANSWER_MAX: Duration = Duration::from_millis(2_500);
/// Presses of one request. Slack sends one.
const PRESSES_MAX: usize = 8;
const NAME_CHARS_MAX: usize = 80;

/// What the door needs.
pub(crate) struct SlackDoor {
    archive: Archive,
    river: Arc<River>,
    /// Which apps are configured.
    settings: watch::Receiver<Settings>,
    bodies: Bodies,
    /// Notified when somebody decided something.
    pressed: Arc<Notify>,
    now: fn() -> Time,
}

/// What Slack says of a press, as far as anybody here wants to know.
#[derive(Deserialize)]
struct Payload {
    #[serde(rename = "type")]
    kind: String,
    user: Option<User>,
    actions: Option<Vec<Pressed>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct User {
    id: Option<String>,
    username: Option<String>,
    name: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Pressed {
    action_id: Option<String>,
    value: Option<String>,
}

impl SlackDoor {
    /// The door to the configured apps. `bodies`: what bounds those of all doors.
    pub(crate) fn new(
        archive: Archive,
        river: Arc<River>,
        settings: watch::Receiver<Settings>,
        bodies: &Bodies,
        pressed: Arc<Notify>,
        now: fn() -> Time,
    ) -> SlackDoor {
        let bodies = bodies.smaller(BODY_BYTES_MAX, ANSWER_MAX);
        SlackDoor { archive, river, settings, bodies, pressed, now }
    }

    /// The door.
    pub(crate) fn router(self) -> Router {
        Router::new().route("/slack/interactions", post(interactions)).with_state(Arc::new(self))
    }

    async fn take(&self, headers: &HeaderMap, body: Body) -> Result<(), Problem> {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let (Some(signature), Some(timestamp)) = (text("x-slack-signature"), text("x-slack-request-timestamp")) else {
            return Err(unsigned("there is no X-Slack-Signature, or no X-Slack-Request-Timestamp"));
        };
        let now = (self.now)();
        let sent_at =
            sent_at(timestamp, now).ok_or_else(|| unsigned("the timestamp is more than five minutes away"))?;
        let mac = mac_of(signature).ok_or_else(|| unsigned("the signature is not `v0=` and 64 hexadecimal digits"))?;
        if self.settings.borrow().slack.is_empty() {
            return Err(unsigned("no configured app signs anything"));
        }
        // Anybody may send this: it counts among the bodies that all may hold together.
        let (body, _held) = self.bodies.read(headers, body).await?;
        let channels = self.signers(timestamp, &body, &mac);
        if channels.is_empty() {
            return Err(unsigned("no configured app's secret makes this signature"));
        }
        let payload = payload(&body)?;
        let actions = actions(&payload, now)?;
        if actions.is_empty() {
            return Ok(());
        }
        let signed = Signed {
            signature: Sha256::digest(mac).into(),
            expires_at: now.max(sent_at).plus(REMEMBERED),
            by: payload.user.as_ref().map_or_else(String::new, User::shown),
            note: "Slack".to_owned(),
            actions: actions.clone(),
            channels,
        };
        let issues = self.archive.act_once(signed, now).await.map_err(unavailable)?.ok_or_else(|| {
            Problem::new(
                StatusCode::CONFLICT,
                "request repeated",
                "this request was taken before, and nothing was done again",
            )
        })?;
        self.river.admission.publish(&issues, now).await;
        self.pressed.notify_waiters();
        match actions.first() {
            Some((fingerprint, _)) if issues.is_empty() => Err(no_issue(&fingerprint.to_string())),
            _ => Ok(()),
        }
    }

    /// The channels of the apps that make this signature.
    fn signers(&self, timestamp: &str, body: &[u8], mac: &[u8; 32]) -> Vec<Arc<str>> {
        let settings = self.settings.borrow();
        let signers = settings.slack.iter().filter(|(secret, _)| signs(secret, timestamp, body, mac));
        signers.map(|(_, channel)| Arc::clone(channel)).collect()
    }
}

impl User {
    /// The name, fit to be stored.
    fn shown(&self) -> String {
        let mut names = [&self.username, &self.name, &self.id].into_iter().flatten();
        let name = names.find(|name| !name.trim().is_empty()).map_or("", |name| name.trim());
        name.chars().filter(|c| !c.is_control()).take(NAME_CHARS_MAX).collect()
    }
}

/// Somebody pressed a button under a message. Answers nothing: the message itself shows what became of it.
#[utoipa::path(post, path = "/slack/interactions", tag = "slack", security(("slack_signature" = [])),
    request_body(content = String, content_type = "application/x-www-form-urlencoded", description = "`payload`, as Slack sends it"),
    responses(
        (status = 200, description = "Done, or nothing that is known here"),
        (status = 400, description = "No payload could be read", body = Problem),
        (status = 401, description = "Not signed with a configured app's secret in the last five minutes", body = Problem),
        (status = 404, description = "The issue is gone, or the app's channels were not told of it", body = Problem),
        (status = 409, description = "The request came before", body = Problem),
        (status = 413, description = "Over a limit", body = Problem),
        (status = 429, description = "Too much at a time", body = Problem),
        (status = 503, description = "The archive does not answer", body = Problem)
    ))]
pub(super) async fn interactions(
    State(door): State<Arc<SlackDoor>>,
    headers: HeaderMap,
    body: Body,
) -> Result<StatusCode, Problem> {
    match tokio::time::timeout(ANSWER_MAX, door.take(&headers, body)).await {
        Ok(taken) => taken.map(|()| StatusCode::OK),
        Err(_) => {
            let detail = "the archive did not answer in time; the message shows whether it was done all the same";
            Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail))
        }
    }
}

/// What the configured apps sign with, and the channel of each.
pub(crate) fn slack_secrets(config: &Config) -> Vec<(Secret, Arc<str>)> {
    let apps = config.channel.iter().filter(|channel| channel.kind == ChannelKind::SlackApp);
    apps.filter_map(|app| Some((app.signing_secret.clone()?, app.name.as_str().into()))).collect()
}

fn unsigned(why: &str) -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, "not signed", why)
        .hint("`signing_secret` of the channel is the app's Signing Secret (Basic Information → App Credentials)")
}

/// When the request was sent, if that is near enough.
fn sent_at(timestamp: &str, now: Time) -> Option<Time> {
    let seconds: i64 = timestamp.parse().ok()?;
    let sent_at = Time(seconds.checked_mul(1_000)?);
    (sent_at.since(now).max(now.since(sent_at)) <= AGE_MAX).then_some(sent_at)
}

/// The bytes of `v0=<hex>`. Hashed as bytes, so that another spelling is no other signature.
fn mac_of(signature: &str) -> Option<[u8; 32]> {
    let hex = signature.strip_prefix("v0=").filter(|hex| hex.len() == 64)?;
    if !hex.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let mut mac = [0; 32];
    for (byte, digits) in mac.iter_mut().zip(hex.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(mac)
}

/// Whether the secret makes the signature of `v0:{timestamp}:{body}`; in constant time.
fn signs(secret: &Secret, timestamp: &str, body: &[u8], mac: &[u8; 32]) -> bool {
    let mut made =
        <Hmac<Sha256>>::new_from_slice(secret.expose().trim().as_bytes()).expect("HMAC takes keys of any length");
    made.update(format!("v0:{timestamp}:").as_bytes());
    made.update(body);
    made.verify_slice(mac).is_ok()
}

fn payload(body: &[u8]) -> Result<Payload, Problem> {
    let payload = url::form_urlencoded::parse(body).find(|(name, _)| name == "payload");
    let (_, payload) = payload.ok_or_else(|| bad("the form has no `payload`".to_owned()))?;
    serde_json::from_str(&payload).map_err(|error| bad(format!("`payload`: {error}")))
}

/// What is to be done. What is not known here was sent by a message of another making, and is left alone.
fn actions(payload: &Payload, now: Time) -> Result<Vec<(Fingerprint, Action)>, Problem> {
    if payload.kind != "block_actions" {
        return Ok(Vec::new());
    }
    let pressed = payload.actions.iter().flatten().take(PRESSES_MAX);
    let known = pressed.filter_map(|one| Some((Press::named(one.action_id.as_deref()?)?, one)));
    known
        .map(|(press, one)| {
            let value = one.value.as_deref().unwrap_or_default();
            let fingerprint = value.parse().map_err(|why| bad(format!("the value of {}: {why}", press.name())))?;
            Ok((fingerprint, press.action(now)))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";
    const TIMESTAMP: &str = "1531420618";
    const SIGNATURE: &str = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503";
    /// Slack's own example.
    const BODY: &str = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V\
        &channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=\
        &response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN\
        &trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";

    #[test]
    fn slack_s_own_example_is_signed() {
        let mac = mac_of(SIGNATURE).unwrap();
        let signed =
            |secret: &str, timestamp, body: &str, mac| signs(&Secret::new(secret), timestamp, body.as_bytes(), mac);
        assert!(signed(SECRET, TIMESTAMP, BODY, &mac));
        assert!(!signed("8f742231b10e8888abcd99yyyzzz85a6", TIMESTAMP, BODY, &mac));
        assert!(!signed(SECRET, "1531420619", BODY, &mac));
        assert!(!signed(SECRET, TIMESTAMP, &BODY[1..], &mac));
        let mut other = mac;
        other[31] ^= 1;
        assert!(!signed(SECRET, TIMESTAMP, BODY, &other));
    }

    #[test]
    fn another_spelling_is_the_same_signature_or_none() {
        assert_eq!(mac_of(&SIGNATURE.to_uppercase().replace("V0", "v0")), mac_of(SIGNATURE));
        for bad in ["", "v0=", "v1=00", &SIGNATURE[..66], &SIGNATURE.replace("a2", "+2"), &format!("{SIGNATURE}0")] {
            assert!(mac_of(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_request_is_good_for_five_minutes() {
        let now = Time(1_531_420_618_000);
        for (timestamp, good) in [
            ("1531420618", true),
            ("1531420318", true),
            ("1531420317", false),
            ("1531420918", true),
            ("1531420919", false),
            ("-1", false),
            ("9223372036854775807", false),
            ("1531420618.5", false),
            ("", false),
            ("soon", false),
        ] {
            assert_eq!(sent_at(timestamp, now).is_some(), good, "{timestamp}");
        }
    }

    #[test]
    fn what_is_not_known_is_left_alone_and_what_is_broken_is_refused() {
        let read = |json: &str| {
            let body = url::form_urlencoded::Serializer::new(String::new()).append_pair("payload", json).finish();
            payload(body.as_bytes()).and_then(|payload| actions(&payload, Time(0))).map_err(|problem| problem.status)
        };
        let action = |id: &str, value: &str| {
            format!(r#"{{"type":"block_actions","actions":[{{"action_id":"{id}","value":"{value}"}}]}}"#)
        };
        let fingerprint = "0123456789abcdef0123456789abcdef";
        assert_eq!(
            read(&action("bongsu.mute_hundred", fingerprint)),
            Ok(vec![(fingerprint.parse().unwrap(), Action::Mute { until: None, more: Some(100) })])
        );
        assert_eq!(read(&action("somebody.else", "x")), Ok(Vec::new()));
        assert_eq!(read(r#"{"type":"view_submission"}"#), Ok(Vec::new()));
        for unknown in [
            r#"{"type":"block_actions","user":null,"actions":[{"action_id":"somebody.else","value":null}]}"#,
            r#"{"type":"block_actions","user":{"id":"U1","username":null,"name":null},"actions":[{"action_id":null}]}"#,
            r#"{"type":"view_closed","user":null,"actions":null}"#,
        ] {
            assert_eq!(read(unknown), Ok(Vec::new()), "{unknown}");
        }
        assert_eq!(
            read(r#"{"type":"block_actions","actions":[{"action_id":"bongsu.resolve","value":null}]}"#),
            Err(400)
        );
        assert_eq!(read(&action("bongsu.resolve", "x")), Err(400));
        assert_eq!(read("[]"), Err(400));
        assert_eq!(payload(b"a=b").map(|_| ()).unwrap_err().status, 400);
    }
}
