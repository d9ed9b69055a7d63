//! A canary: sent in by the own door, and followed until it has arrived or its time is over.
//!
//! Promises: what is refused for now is sent in again as long as there is time, as any client would. Deliberately not here:
//! what is made of its end.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::{ASKED_MAX, Watch};
use crate::alert::{CANARY as LOCATION, DeliveryState, OWN_PROJECT};
use crate::archive::Way;
use crate::issue::Fingerprint;
use crate::time::Time;

/// How long after a refusal the next is sent in.
const AGAIN_AFTER: Duration = Duration::from_millis(500);
/// How often it is looked for, at first and at last.
const LOOK_FIRST: Duration = Duration::from_millis(25);
const LOOK_LAST: Duration = Duration::from_millis(500);

/// Where the last canary stopped, as far as is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stopped {
    /// `door`, `gate`, `outbox`, `channel`, or `unknown`.
    pub(super) at: &'static str,
    /// In whose words. May be empty.
    pub(super) said: String,
}

impl Stopped {
    fn new(at: &'static str, said: impl Into<String>) -> Stopped {
        Stopped { at, said: said.into() }
    }
}

impl Watch {
    /// Sends one and follows it.
    pub(super) async fn canary(&self, within: Duration) -> Result<(), Stopped> {
        let until = (self.now)().plus(within);
        let mut stopped = Stopped::new("door", "no answer in time");
        loop {
            let left = until.since((self.now)());
            if left.is_zero() {
                return Err(stopped);
            }
            match tokio::time::timeout(left, self.send()).await {
                Ok(Ok(fingerprint)) => {
                    let end = self.follow(fingerprint, until).await;
                    // Whatever became of it, the next one is another.
                    self.forget([fingerprint].into()).await;
                    return end;
                }
                Ok(Err(why)) => {
                    stopped = why;
                    tokio::time::sleep(left.min(AGAIN_AFTER)).await;
                }
                Err(_) => {}
            }
        }
    }

    async fn send(&self) -> Result<Fingerprint, Stopped> {
        let event = json!({
            "category": "Runtime", "module": OWN_PROJECT, "location": LOCATION, "level": "info",
            "detail": "canary", "server": self.server, "fingerprint": [LOCATION, own_name()],
        });
        let brought = self.home.courier.carry(self.home.parcel("/api/v1/events", event.to_string())).await;
        let reply = brought.map_err(|failure| Stopped::new("door", failure.to_string()))?;
        let answer: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
        let outcome = &answer["outcomes"][0];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        if reply.status != 202 {
            return Err(Stopped::new("door", format!("answered {}: {}", reply.status, text(&answer["detail"]))));
        }
        match (outcome["outcome"].as_str(), outcome["fingerprint"].as_str().map(|text| u128::from_str_radix(text, 16)))
        {
            (Some("alerted"), Some(Ok(fingerprint))) => Ok(Fingerprint(fingerprint)),
            (Some("rejected"), _) => Err(Stopped::new("door", text(&outcome["detail"]))),
            _ => Err(Stopped::new("gate", text(&outcome["reason"]))),
        }
    }

    /// Looks for it again and again: any server may have sent it.
    async fn follow(&self, fingerprint: Fingerprint, until: Time) -> Result<(), Stopped> {
        let mut pause = LOOK_FIRST;
        loop {
            let stopped = match self.look(fingerprint).await {
                Ok(Some(Way { state: DeliveryState::Delivered, .. })) => return Ok(()),
                Ok(Some(way)) => stopped_at(way),
                Ok(None) => Stopped::new("unknown", ""),
                Err(why) => Stopped::new("unknown", why),
            };
            let left = until.since((self.now)());
            if left.is_zero() {
                return Err(stopped);
            }
            tokio::time::sleep(pause.min(left)).await;
            pause = (2 * pause).min(LOOK_LAST);
        }
    }

    /// Where its delivery stands: in this pod's memory while the archive is away, else in the outbox.
    async fn look(&self, fingerprint: Fingerprint) -> Result<Option<Way>, String> {
        if let Some(way) = self.interim.way_of(fingerprint) {
            return Ok(Some(way));
        }
        match tokio::time::timeout(ASKED_MAX, self.archive.way_of(fingerprint)).await {
            Ok(Ok(way)) => Ok(way),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("the archive does not answer".to_owned()),
        }
    }

    /// Removes canaries with all that belongs to them. What fails is found again later.
    pub(super) async fn forget(&self, canaries: Arc<[Fingerprint]>) {
        if canaries.is_empty() || self.interim.is_away() {
            return;
        }
        match tokio::time::timeout(ASKED_MAX, self.archive.remove(canaries)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "a canary could not be removed; it is later"),
            Err(_) => tracing::warn!("a canary could not be removed in time; it is later"),
        }
    }
}

fn stopped_at(way: Way) -> Stopped {
    match (way.attempts, way.error) {
        (_, Some(error)) => Stopped::new("channel", error),
        (0, None) => Stopped::new("outbox", ""),
        (_, None) => Stopped::new("channel", "no answer yet"),
    }
}

/// A name that no other canary has, of letters: nothing finds a number or a secret in it.
fn own_name() -> String {
    let random = getrandom::u64().unwrap_or_default();
    (0..16).fold(String::new(), |mut name, nth| {
        let letter = char::from(b'a' + (random >> (4 * nth) & 15) as u8);
        let _ = name.write_char(letter);
        name
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_it_stopped() {
        let way = |attempts, error: Option<&str>| {
            let mut way = Way::new("ops".into(), Time(0));
            way.attempts = attempts;
            way.error = error.map(str::to_owned);
            stopped_at(way).at
        };
        assert_eq!(
            [
                way(0, None),
                way(1, None),
                way(1, Some("answered 503")),
                way(0, Some("the channel is no longer configured"))
            ],
            ["outbox", "channel", "channel", "channel"]
        );
    }

    #[test]
    fn names_are_letters_and_differ() {
        let (one, other) = (own_name(), own_name());
        assert!(one.len() == 16 && one.bytes().all(|b| b.is_ascii_lowercase()) && one != other, "{one} {other}");
    }
}
