//! The channel `slack-app`: a bot of Slack's Web API. The alerts of a window make a thread, whose first message is edited while
//! the window lasts and has buttons.
//!
//! Promises: laid out as `slack` does it, within the same limits. Every message carries what its delivery is called, so that
//! one whose answer was lost can be told from one that never came. An answer is believed when it says `ok`, whatever its
//! status; one that was lost is looked for in the channel before the message is sent again. Deliberately not here: the presses of buttons, which Slack sends (`web`); when a message is edited (`editor`).

use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::alert::{Attempt, Delivery, Kind, Posted, Progress};
use crate::config::{self, Secret};
use crate::time::Time;

use super::judge::{Fate, judge_read};
use super::message::{Message, Style, label, presses, status};
use super::parcel::{Failure, Parcel, Reply};
use super::post::checked;
use super::slack::{blocks, plain, preview, section};
use super::webhook::idempotency_key;

const API: &str = "https://slack.com/api";
/// Of what stands under the reason; far more than it ever has.
const STATUS_UNITS: usize = 400;
/// How far Slack's clock and ours may be apart.
const CLOCKS_APART: Duration = Duration::from_secs(60);
/// Messages that are asked for: the newest come first, and a retry comes soon.
const MESSAGES_ASKED: &str = "15";
/// Slack's ids and timestamps are shorter.
const HANDLE_CHARS_MAX: usize = 64;

/// The error words of `chat.postMessage`, `chat.update` and `auth.test`. What is not among them may pass.
const WORDS: [(&str, Fate); 47] = [
    ("ratelimited", Fate::Temporary),
    ("rate_limited", Fate::Temporary),
    ("message_limit_exceeded", Fate::Temporary),
    ("fatal_error", Fate::Temporary),
    ("internal_error", Fate::Temporary),
    ("service_unavailable", Fate::Temporary),
    ("request_timeout", Fate::Temporary),
    ("team_added_to_org", Fate::Temporary),
    ("org_login_required", Fate::Temporary),
    ("update_failed", Fate::Temporary),
    ("invalid_auth", Fate::Permanent),
    ("not_authed", Fate::Permanent),
    ("account_inactive", Fate::Permanent),
    ("token_revoked", Fate::Permanent),
    ("token_expired", Fate::Permanent),
    ("not_allowed_token_type", Fate::Permanent),
    ("no_permission", Fate::Permanent),
    ("missing_scope", Fate::Permanent),
    ("access_denied", Fate::Permanent),
    ("accesslimited", Fate::Permanent),
    ("ekm_access_denied", Fate::Permanent),
    ("enterprise_is_restricted", Fate::Permanent),
    ("team_access_not_granted", Fate::Permanent),
    ("two_factor_setup_required", Fate::Permanent),
    ("channel_not_found", Fate::Permanent),
    ("not_in_channel", Fate::Permanent),
    ("is_archived", Fate::Permanent),
    ("messages_tab_disabled", Fate::Permanent),
    ("channel_type_not_supported", Fate::Permanent),
    ("restricted_action", Fate::Permanent),
    ("restricted_action_read_only_channel", Fate::Permanent),
    ("restricted_action_thread_only_channel", Fate::Permanent),
    ("no_text", Fate::Permanent),
    ("msg_too_long", Fate::Permanent),
    ("msg_blocks_too_long", Fate::Permanent),
    ("too_many_attachments", Fate::Permanent),
    ("invalid_blocks", Fate::Permanent),
    ("invalid_blocks_format", Fate::Permanent),
    ("invalid_arguments", Fate::Permanent),
    ("invalid_arg_name", Fate::Permanent),
    ("invalid_json", Fate::Permanent),
    ("invalid_post_type", Fate::Permanent),
    ("invalid_metadata_format", Fate::Permanent),
    ("invalid_metadata_schema", Fate::Permanent),
    ("metadata_too_large", Fate::Permanent),
    ("cant_update_message", Fate::Permanent),
    ("edit_window_closed", Fate::Permanent),
];
/// The message that was to be answered or edited is no longer there, or takes no answers.
const LOST: [&str; 5] = [
    "message_not_found",
    "thread_not_found",
    "cannot_reply_to_message",
    "restricted_action_non_threadable_channel",
    "restricted_action_thread_locked",
];

/// A compiled app.
#[derive(Clone, Debug)]
pub(crate) struct SlackApp {
    api: Secret,
    bearer: Secret,
    chat: String,
}

/// What Slack answers, as far as anybody here wants to know.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Answer {
    ok: bool,
    error: Option<String>,
    channel: Option<String>,
    ts: Option<String>,
    team: Option<String>,
    user: Option<String>,
}

/// What stands in the channel.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Listed {
    messages: Vec<Stands>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Stands {
    ts: String,
    metadata: Value,
}

impl SlackApp {
    /// The configured channel.
    pub(crate) fn of(channel: &config::Channel) -> Result<SlackApp, String> {
        let token = checked("token", channel.token.as_ref().ok_or("`token` is missing")?)?;
        let chat = channel.chat.as_deref().unwrap_or_default().trim().to_owned();
        if chat.is_empty() {
            return Err("`chat` is empty".to_owned());
        }
        // An empty secret would let in whoever signs with nothing.
        if channel.signing_secret.as_ref().is_none_or(|secret| secret.expose().trim().is_empty()) {
            return Err("`signing_secret` is empty".to_owned());
        }
        let api = channel.url.as_ref().map_or(API, Secret::expose).trim_end_matches('/');
        Ok(SlackApp { api: Secret::new(api), bearer: Secret::new(format!("Bearer {}", token.expose())), chat })
    }

    /// The delivery as a message of its own, or as an answer to the one that its window began with.
    pub(crate) fn compose(&self, delivery: &Delivery, style: &Style) -> Parcel {
        let message = Message::of_delivery(delivery, style);
        let thread = self.thread(delivery);
        let (channel, ts) = thread.map_or((self.chat.as_str(), None), |(channel, ts)| (channel, Some(ts)));
        let mut blocks = blocks(&message);
        if ts.is_none() {
            blocks.extend(buttons(delivery, None, style));
        }
        let mut body = json!({
            "channel": channel,
            "text": preview(&message),
            "blocks": blocks,
            "unfurl_links": false,
            "unfurl_media": false,
            "metadata": metadata(delivery),
        });
        if let Some(ts) = ts {
            body["thread_ts"] = ts.into();
        }
        self.call("chat.postMessage", &body)
    }

    /// The message as it is to stand there now.
    pub(crate) fn edit(&self, posted: &Posted, style: &Style) -> Parcel {
        let Posted { handle, delivery, progress } = posted;
        let message = Message::told_again(delivery, progress, style);
        let (channel, ts) = parts(handle).unwrap_or_default();
        let mut blocks = blocks(&message);
        let said = status(&delivery.alert, progress, style);
        if !said.is_empty() {
            // Under the reason why people got it.
            blocks.insert(2, section(plain(&said, STATUS_UNITS)));
        }
        blocks.extend(buttons(delivery, Some(progress), style));
        let body = json!({
            "channel": channel,
            "ts": ts,
            "text": preview(&message),
            "blocks": blocks,
            "metadata": metadata(delivery),
        });
        self.call("chat.update", &body)
    }

    /// Asks whose the token is.
    pub(crate) fn greeting(&self) -> Parcel {
        self.call("auth.test", &json!({}))
    }

    /// Whose it is, for people.
    pub(crate) fn greeted(&self, brought: &Result<Reply, Failure>, hidden: &[String]) -> Result<String, String> {
        match (self.judge(brought, hidden, Time(0)), brought.as_ref().ok().and_then(answer)) {
            (Attempt::Delivered, answer) => {
                let Answer { user, team, .. } = answer.unwrap_or_default();
                let who = |name: Option<String>| name.unwrap_or_else(|| "?".to_owned());
                Ok(format!("knows the token: {} of {}", who(user), who(team)))
            }
            (Attempt::Failed { error, .. } | Attempt::Unanswered { error } | Attempt::Refused { error }, _) => {
                Err(error)
            }
        }
    }

    /// What became of a request.
    pub(crate) fn judge(&self, brought: &Result<Reply, Failure>, hidden: &[String], now: Time) -> Attempt {
        judge_read(brought, hidden, now, read)
    }

    /// What the message is called that a delivery brought, when later ones are to answer to it.
    pub(crate) fn handle(&self, delivery: &Delivery, brought: &Result<Reply, Failure>) -> Option<String> {
        if !self.begins_thread(delivery) {
            return None;
        }
        let Answer { channel, ts, .. } = answer(brought.as_ref().ok()?).filter(|answer| answer.ok)?;
        let handle = format!("{}:{}", channel?, ts?);
        parts(&handle).is_some().then_some(handle)
    }

    /// Asks for what came to the channel, or to the thread, since the alert was granted.
    pub(crate) fn question(&self, delivery: &Delivery) -> Parcel {
        let oldest = delivery.alert.granted_at.minus(CLOCKS_APART).ms();
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("oldest", &format!("{}.{:03}000", oldest.div_euclid(1_000), oldest.rem_euclid(1_000)))
            .append_pair("limit", MESSAGES_ASKED)
            .append_pair("include_all_metadata", "true");
        let method = match self.thread(delivery) {
            None => {
                form.append_pair("channel", &self.chat);
                "conversations.history"
            }
            Some((channel, ts)) => {
                form.append_pair("channel", channel).append_pair("ts", ts);
                "conversations.replies"
            }
        };
        self.request(method, "application/x-www-form-urlencoded", form.finish())
    }

    /// Whether the delivery is among what came, and what its message is called when later ones are to answer to it. The
    /// courier brings the beginning of a long answer: whether it came can be read there, but not for sure what it is called.
    pub(crate) fn found(&self, delivery: &Delivery, brought: &Result<Reply, Failure>) -> Option<Option<String>> {
        let (key, reply) = (idempotency_key(delivery), brought.as_ref().ok()?);
        let Ok(Listed { messages }) = serde_json::from_slice(&reply.body) else {
            return String::from_utf8_lossy(&reply.body).contains(&key).then_some(None);
        };
        let found = messages.into_iter().find(|one| one.metadata["event_payload"]["key"] == key.as_str())?;
        let handle = format!("{}:{}", self.chat, found.ts);
        Some((self.begins_thread(delivery) && parts(&handle).is_some()).then_some(handle))
    }

    /// Whether the message that was to be answered or edited is not there any more.
    pub(crate) fn has_lost(&self, brought: &Result<Reply, Failure>) -> bool {
        let word = brought.as_ref().ok().and_then(answer).and_then(|answer| answer.error);
        word.is_some_and(|word| LOST.contains(&word.as_str()))
    }

    /// Whether later alerts answer to the delivery's message. What tells of several errors is edited for none of them.
    fn begins_thread(&self, delivery: &Delivery) -> bool {
        self.thread(delivery).is_none() && delivery.alert.kind == Kind::Alert && !delivery.is_of_several()
    }

    /// The message that the delivery answers to, if it stands where the app speaks: the configuration may name another
    /// channel meanwhile.
    fn thread<'d>(&self, delivery: &'d Delivery) -> Option<(&'d str, &'d str)> {
        // What tells of several errors is no answer to what one of them began.
        let (channel, ts) = parts(delivery.thread.as_deref().filter(|_| !delivery.is_of_several())?)?;
        (channel == self.chat || !is_id(&self.chat)).then_some((channel, ts))
    }

    fn call(&self, method: &str, body: &Value) -> Parcel {
        self.request(method, "application/json; charset=utf-8", body.to_string())
    }

    fn request(&self, method: &str, content_type: &str, body: String) -> Parcel {
        let headers = vec![
            ("Content-Type".to_owned(), Secret::new(content_type)),
            ("Authorization".to_owned(), self.bearer.clone()),
        ];
        let url = Secret::new(format!("{}/{method}", self.api.expose()));
        Parcel::Post { url, headers, body: Bytes::from(body) }
    }
}

/// What people may press, as a block.
fn buttons(delivery: &Delivery, progress: Option<&Progress>, style: &Style) -> Option<Value> {
    let button = |press: &crate::issue::Press| {
        json!({
            "type": "button",
            "text": {"type": "plain_text", "text": label(*press, style.locale), "emoji": false},
            "action_id": press.name(),
            "value": delivery.alert.fingerprint.to_string(),
        })
    };
    let elements: Vec<Value> = presses(delivery, progress).iter().map(button).collect();
    (!elements.is_empty()).then(|| json!({"type": "actions", "elements": elements}))
}

fn metadata(delivery: &Delivery) -> Value {
    json!({
        "event_type": "bongsu_alert",
        "event_payload": {"key": idempotency_key(delivery), "fingerprint": delivery.alert.fingerprint.to_string()},
    })
}

/// The channel and the timestamp of `C0123:1503435956.000247`.
fn parts(handle: &str) -> Option<(&str, &str)> {
    let (channel, ts) = handle.split_once(':')?;
    let good = |text: &str, of: fn(char) -> bool| (1..=HANDLE_CHARS_MAX).contains(&text.len()) && text.chars().all(of);
    let good = good(channel, |c| c.is_ascii_alphanumeric()) && good(ts, |c| c.is_ascii_digit() || c == '.');
    good.then_some((channel, ts))
}

/// An id of a channel, rather than its name.
fn is_id(chat: &str) -> bool {
    chat.starts_with(['C', 'G', 'D'])
        && chat.len() > 8
        && chat.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit())
}

/// The answer, of which the courier brings the beginning: Slack repeats the message in it, each letter that is not ASCII in
/// six bytes.
fn answer(reply: &Reply) -> Option<Answer> {
    if let Ok(answer) = serde_json::from_slice(&reply.body) {
        return Some(answer);
    }
    let text = String::from_utf8_lossy(&reply.body);
    let (head, _) = text.split_once(",\"message\":")?;
    serde_json::from_str(&format!("{head}}}")).ok()
}

/// What the answer says. One that does not say `ok` is none, whatever its status.
fn read(reply: &mut Reply) -> Option<Fate> {
    if !(200..300).contains(&reply.status) && reply.body.is_empty() {
        return None;
    }
    let known = |word: &str| WORDS.iter().find(|(known, _)| *known == word).map(|(_, fate)| *fate);
    match answer(reply) {
        Some(Answer { ok: true, .. }) => None,
        Some(Answer { error: Some(word), .. }) => Some(known(&word).unwrap_or(Fate::Temporary)),
        _ if reply.status < 300 => Some(Fate::Temporary),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
