//! A post: what most channels are, one request of JSON to one address.
//!
//! Promises: one table says for each of them where it posts to, how it lays a message out, and what it reads in an
//! answer; secrets stand in `Secret`s only. Deliberately not here: the layouts.

use bytes::Bytes;
use serde_json::Value;

use crate::alert::{Alert, Attempt, Delivery, Kind};
use crate::config::{self, ChannelKind, Secret};
use crate::time::Time;

use super::judge::{Fate, judge_read};
use super::message::{Message, Style};
use super::parcel::{Failure, Parcel, Reply};
use super::{
    apprise, courier, discord, dooray, google_chat, jandi, kakaowork, mattermost, naver_works, pagerduty, slack, teams,
    telegram,
};

/// Longer keys and tokens are none.
const SECRET_CHARS_MAX: usize = 500;

/// What a layout is made from.
pub(crate) struct Told<'a> {
    /// The alert in words.
    pub(crate) message: &'a Message,
    /// The alert.
    pub(crate) alert: &'a Alert,
    /// The chat to speak in, where the address does not say it.
    pub(crate) chat: &'a str,
    /// What lets in, where it stands in the body.
    pub(crate) key: &'a Secret,
    /// The services behind, where the body names them.
    pub(crate) services: &'a [Secret],
}

/// A channel that posts JSON.
#[derive(Clone, Debug)]
pub(crate) struct Post {
    url: Secret,
    headers: Vec<(String, Secret)>,
    chat: String,
    key: Secret,
    services: Vec<Secret>,
    layout: fn(&Told<'_>) -> Value,
    read: fn(&mut Reply) -> Option<Fate>,
    /// Whether the service takes a message for the same when it comes again.
    has_key: bool,
}

impl Post {
    /// The configured channel.
    pub(crate) fn of(channel: &config::Channel) -> Result<Post, String> {
        let given = |key: &'static str, secret: &Option<Secret>| match secret {
            None => Ok(Secret::new("")),
            Some(secret) => checked(key, secret),
        };
        let (token, key) = (given("token", &channel.token)?, given("routing_key", &channel.routing_key)?);
        let chat = channel.chat.as_ref().or(channel.tag.as_ref()).cloned().unwrap_or_default();
        for (key, value) in [("chat", &channel.chat), ("tag", &channel.tag)] {
            if value.as_ref().is_some_and(|value| value.trim().is_empty()) {
                return Err(format!("`{key}` is empty"));
            }
        }
        let url = channel.url.clone();
        let at = |usual: &str| url.clone().unwrap_or_else(|| Secret::new(usual));
        let mut headers = vec![("Content-Type".to_owned(), Secret::new("application/json; charset=utf-8"))];
        type Layout = fn(&Told<'_>) -> Value;
        type Read = fn(&mut Reply) -> Option<Fate>;
        let (url, layout, read): (Secret, Layout, Read) = match channel.kind {
            ChannelKind::Console | ChannelKind::Webhook | ChannelKind::Email | ChannelKind::SlackApp => {
                return Err(format!("a channel of type {:?} is no post", channel.kind.name()));
            }
            ChannelKind::Apprise => (apprise::url(channel)?, apprise::layout, apprise::read),
            ChannelKind::Slack => (at(""), slack::layout, slack::read),
            ChannelKind::Discord => (at(""), discord::layout, discord::read),
            ChannelKind::Teams => (at(""), teams::layout, teams::read),
            ChannelKind::Telegram => (telegram::url(url.as_ref(), &token), telegram::layout, telegram::read),
            ChannelKind::Mattermost => (at(""), mattermost::layout, |_| None),
            ChannelKind::GoogleChat => (google_chat::url(&at("")), google_chat::layout, |_| None),
            ChannelKind::PagerDuty => (at(pagerduty::URL), pagerduty::layout, |_| None),
            ChannelKind::KakaoWork => {
                if channel.token.is_some() {
                    let bearer = Secret::new(format!("Bearer {}", token.expose()));
                    headers.push(("Authorization".to_owned(), bearer));
                }
                (at(kakaowork::URL), kakaowork::layout, kakaowork::read)
            }
            ChannelKind::NaverWorks => (at(""), naver_works::layout, naver_works::read),
            ChannelKind::Dooray => (at(""), dooray::layout, dooray::read),
            ChannelKind::Jandi => {
                headers.push(("Accept".to_owned(), Secret::new(jandi::ACCEPT)));
                (at(""), jandi::layout, |_| None)
            }
        };
        let services = channel.services.clone();
        let has_key = channel.kind == ChannelKind::PagerDuty;
        Ok(Post { url, headers, chat, key, services, layout, read, has_key })
    }

    /// The delivery as a request.
    pub(crate) fn compose(&self, delivery: &Delivery, style: &Style) -> Parcel {
        let alert = &delivery.alert;
        let message = &Message::of_delivery(delivery, style);
        let Post { chat, key, services, .. } = self;
        let body = (self.layout)(&Told { message, alert, chat, key, services }).to_string();
        Parcel::Post { url: self.url.clone(), headers: self.headers.clone(), body: Bytes::from(body) }
    }

    /// Whether the service takes a message for the same when it comes again.
    pub(crate) fn has_key(&self) -> bool {
        self.has_key
    }

    /// From now on, what lets in does not stand in the body.
    pub(super) fn hide_key(&mut self) {
        self.key = Secret::new("(hidden)");
        self.services.iter_mut().for_each(|service| *service = Secret::new("(hidden)"));
    }

    /// What became of it.
    pub(crate) fn judge(&self, brought: &Result<Reply, Failure>, hidden: &[String], now: Time) -> Attempt {
        judge_read(brought, hidden, now, self.read)
    }
}

/// Where a channel posts to, for those that do.
pub(crate) fn address_of(channel: &config::Channel) -> Option<Secret> {
    match channel.kind {
        ChannelKind::Webhook => channel.url.clone(),
        _ => Post::of(channel).ok().map(|post| post.url),
    }
}

/// A token that can stand in a URL and in a header.
pub(super) fn checked(key: &str, secret: &Secret) -> Result<Secret, String> {
    let text = secret.expose().trim();
    if text.is_empty() {
        return Err(format!("`{key}` is empty"));
    }
    let odd = |c: char| !c.is_ascii_graphic() || matches!(c, '/' | '?' | '#' | '%' | '\\');
    if text.len() > SECRET_CHARS_MAX || text.chars().any(odd) {
        return Err(format!("`{key}` has characters that it cannot have"));
    }
    courier::check_header(key, secret).map_err(|why| format!("`{key}`: {why}"))?;
    Ok(Secret::new(text))
}

/// Red while an error goes on, grey when it is quiet: `0xRRGGBB`.
pub(crate) fn colour(alert: &Alert) -> u32 {
    match alert.kind {
        Kind::Closing { ongoing: false, .. } => 0x0098_a2b3,
        Kind::Closing { .. } => 0x00f7_9009,
        _ => 0x00d9_2d20,
    }
}

/// The same as `#RRGGBB`.
pub(crate) fn hex_colour(alert: &Alert) -> String {
    format!("#{:06X}", colour(alert))
}

#[cfg(test)]
mod tests;
