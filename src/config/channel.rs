//! A channel as it is configured: what it speaks, and which keys go with that.
//!
//! Promises: a key that is missing, and one that means nothing to this kind of channel, are told by one table.
//! Deliberately not here: whether a value is good (`deliver` compiles it).

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Secret, Source, Span};

/// Where alerts go.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Channel {
    /// Its name, for routes and for people.
    pub name: String,
    /// What it speaks.
    #[serde(rename = "type")]
    pub kind: ChannelKind,
    /// Where it posts.
    #[serde(default)]
    pub url: Option<Secret>,
    /// Signs the payload (`webhook`).
    #[serde(default)]
    pub secret: Option<Secret>,
    /// Sent with every request (`webhook`).
    #[serde(default)]
    pub headers: BTreeMap<String, Secret>,
    /// Its layout in place of the documented one (`webhook`), a Jinja template.
    #[serde(default)]
    pub template: Option<Source>,
    /// What the template makes (`webhook`). Absent: `application/json`.
    #[serde(default)]
    pub content_type: Option<String>,
    /// How it is sent (`webhook`).
    #[serde(default)]
    pub method: Option<Method>,
    /// A bot's token (`telegram`, `slack-app`), an app's key (`kakaowork`), a stored configuration's key (`apprise`).
    #[serde(default)]
    pub token: Option<Secret>,
    /// The chat to speak in (`telegram`, `kakaowork`, `slack-app`).
    #[serde(default)]
    pub chat: Option<String>,
    /// Which of the services of a stored configuration (`apprise`).
    #[serde(default)]
    pub tag: Option<String>,
    /// The services' URLs, instead of a stored configuration (`apprise`).
    #[serde(default)]
    pub services: Vec<Secret>,
    /// What an app's requests to us are signed with (`slack-app`).
    #[serde(default)]
    pub signing_secret: Option<Secret>,
    /// An integration's key (`pagerduty`).
    #[serde(default)]
    pub routing_key: Option<Secret>,
    /// The mail server (`email`): `smtps://USER:PASSWORD@HOST` (TLS), or `smtp://…` (STARTTLS); `?ca=FILE`, `?tls=none`.
    #[serde(default)]
    pub smtp: Option<Secret>,
    /// The sender (`email`).
    #[serde(default)]
    pub from: Option<String>,
    /// The recipients (`email`).
    #[serde(default)]
    pub to: Vec<String>,
    /// Whether what one cause breaks, and what has piled up, is told in one message. Absent: unless the service folds itself.
    #[serde(default)]
    pub fold: Option<bool>,
    /// The channel that gets what this one does not take.
    #[serde(default)]
    pub fallback: Option<String>,
    /// How long something waits for this one, while it fails, before the fallback gets it as well. Absent: two minutes.
    #[serde(default)]
    pub fallback_after: Option<Span>,
    /// The language of its messages.
    #[serde(default)]
    pub locale: Locale,
    /// Messages a minute, over all pods. Absent: what the service documents, where it documents a pace.
    #[serde(default)]
    pub per_minute: Option<u32>,
    /// The time zone of its messages, an IANA name. Absent: UTC.
    #[serde(default)]
    pub time_zone: Option<String>,
}

/// What a channel speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChannelKind {
    /// Standard output.
    Console,
    /// Signed JSON.
    Webhook,
    /// A Slack incoming webhook.
    Slack,
    /// A Slack app, which makes threads and has buttons.
    SlackApp,
    /// A Discord webhook.
    Discord,
    /// A Microsoft Teams workflow's webhook.
    Teams,
    /// A Telegram bot.
    Telegram,
    /// A Mattermost incoming webhook.
    Mattermost,
    /// A Google Chat webhook.
    GoogleChat,
    /// PagerDuty's Events API v2.
    #[serde(rename = "pagerduty")]
    PagerDuty,
    /// E-mail by SMTP.
    Email,
    /// A KakaoWork webhook, or a bot.
    #[serde(rename = "kakaowork")]
    KakaoWork,
    /// A NAVER WORKS incoming webhook.
    NaverWorks,
    /// A Dooray! incoming webhook.
    Dooray,
    /// A JANDI incoming webhook.
    Jandi,
    /// An Apprise API server, and any service behind it.
    Apprise,
}

impl ChannelKind {
    /// The name in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            ChannelKind::Console => "console",
            ChannelKind::Webhook => "webhook",
            ChannelKind::Slack => "slack",
            ChannelKind::SlackApp => "slack-app",
            ChannelKind::Discord => "discord",
            ChannelKind::Teams => "teams",
            ChannelKind::Telegram => "telegram",
            ChannelKind::Mattermost => "mattermost",
            ChannelKind::GoogleChat => "google-chat",
            ChannelKind::PagerDuty => "pagerduty",
            ChannelKind::Email => "email",
            ChannelKind::KakaoWork => "kakaowork",
            ChannelKind::NaverWorks => "naver-works",
            ChannelKind::Dooray => "dooray",
            ChannelKind::Jandi => "jandi",
            ChannelKind::Apprise => "apprise",
        }
    }

    /// The keys it needs, and those that it may have besides.
    fn keys(self) -> (&'static [&'static str], &'static [&'static str]) {
        match self {
            ChannelKind::Console => (&[], &[]),
            ChannelKind::Webhook => (&["url"], &["secret", "headers", "template", "content_type", "method"]),
            ChannelKind::Telegram => (&["token", "chat"], &["url"]),
            ChannelKind::SlackApp => (&["token", "chat", "signing_secret"], &["url"]),
            ChannelKind::PagerDuty => (&["routing_key"], &["url"]),
            ChannelKind::Email => (&["smtp", "from", "to"], &[]),
            // Either a stored configuration's key, or services; see `misfits`.
            ChannelKind::Apprise => (&["url"], &["token", "tag", "services"]),
            // Either the webhook's url, or a bot's token and chat; see `misfits`.
            ChannelKind::KakaoWork => (&[], &["url", "token", "chat"]),
            ChannelKind::Slack
            | ChannelKind::Discord
            | ChannelKind::Teams
            | ChannelKind::Mattermost
            | ChannelKind::GoogleChat
            | ChannelKind::NaverWorks
            | ChannelKind::Dooray
            | ChannelKind::Jandi => (&["url"], &[]),
        }
    }
}

impl Channel {
    /// What is missing, and what is not for this kind of channel.
    pub(crate) fn misfits(&self) -> Vec<String> {
        let given = [
            ("url", self.url.is_some()),
            ("secret", self.secret.is_some()),
            ("headers", !self.headers.is_empty()),
            ("template", self.template.is_some()),
            ("content_type", self.content_type.is_some()),
            ("method", self.method.is_some()),
            ("token", self.token.is_some()),
            ("chat", self.chat.is_some()),
            ("tag", self.tag.is_some()),
            ("services", !self.services.is_empty()),
            ("signing_secret", self.signing_secret.is_some()),
            ("routing_key", self.routing_key.is_some()),
            ("smtp", self.smtp.is_some()),
            ("from", self.from.is_some()),
            ("to", !self.to.is_empty()),
        ];
        let (needs, may) = self.kind.keys();
        let mut misfits = Vec::new();
        for (key, given) in given {
            if !given && needs.contains(&key) {
                misfits.push(format!("`{key}` is missing"));
            }
            if given && !needs.contains(&key) && !may.contains(&key) {
                misfits.push(format!("`{key}` is not for channels of type {:?}", self.kind.name()));
            }
        }
        if self.content_type.is_some() && self.template.is_none() {
            misfits.push("`content_type` needs a `template`".to_owned());
        }
        if self.kind == ChannelKind::Apprise && self.token.is_some() != self.services.is_empty() {
            misfits.push("either `token`, the key of a stored configuration, or `services` is needed".to_owned());
        }
        if self.fallback_after.is_some() && self.fallback.is_none() {
            misfits.push("`fallback_after` goes with `fallback`".to_owned());
        }
        if self.kind == ChannelKind::KakaoWork && self.token.is_some() != self.chat.is_some() {
            misfits.push("`token` and `chat` go together".to_owned());
        } else if self.kind == ChannelKind::KakaoWork && self.url.is_none() && self.token.is_none() {
            misfits.push("`url` is missing, or `token` and `chat`".to_owned());
        }
        misfits
    }
}

/// How a request is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// `POST`.
    #[default]
    Post,
    /// `PUT`.
    Put,
}

/// The language of messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Locale {
    /// English.
    #[default]
    En,
    /// Korean.
    Ko,
}
