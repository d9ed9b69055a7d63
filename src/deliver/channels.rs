//! The configured channels, compiled: what can be wrong with one is found at the start, not at three in the morning.
//!
//! Promises: pure; a compiled channel composes parcels and judges answers, and neither can fail. Deliberately not here:
//! the network (`courier`), and any state between two deliveries.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;

use crate::alert::{Alert, Attempt, Delivery, Kind, Posted};
use crate::archive::Fallback;
use crate::config::hint;
use crate::config::{self, ChannelKind, Config, Locale, Secret, Span};
use crate::storm::Folding;
use crate::time::Time;

use super::email::{self, Email, Letter};
use super::hours::zone;
use super::links::Links;
use super::message::{Book, Message, Style, event_of};
use super::owners::Owners;
use super::parcel::{Failure, Parcel, Reply};
use super::pauses::Pauses;
use super::post::{self, Post};
use super::slack_app::SlackApp;
use super::template::Template;
use super::webhook::{OWN_HEADERS, Webhook};
use super::{address, console, courier, hidden, judge};

/// The channel that there is when none is configured.
const DEFAULT_NAME: &str = "console";
/// How long something waits for a channel that fails before its fallback gets it: a restart of the far side is shorter.
const FALLBACK_AFTER: Duration = Duration::from_secs(120);

/// All channels, in the order of the configuration.
#[derive(Clone, Debug)]
pub(crate) struct Channels(Vec<Arc<Channel>>);

impl Channels {
    /// Compiles the configured channels; without any, there is one console named `console`. The error names every
    /// channel that cannot work, and why.
    pub(crate) fn new(config: &Config) -> Result<Channels, String> {
        let mut problems = Vec::new();
        let mut channels: Vec<Arc<Channel>> = Vec::new();
        let book = Arc::new(Book {
            links: or_note(Links::new(config), &mut problems),
            owners: or_note(Owners::new(config), &mut problems),
        });
        // What is wrong with these, the routes say.
        let pauses = Arc::new(Pauses::new(config).unwrap_or_default());
        for configured in &config.channel {
            let twice = channels.iter().any(|channel| *channel.name == *configured.name);
            match Channel::new(configured, config, &book, &pauses) {
                Ok(_) if twice => problems.push(format!("channel {:?}: the name is used twice", configured.name)),
                Ok(channel) => channels.push(Arc::new(channel)),
                Err(why) => problems.push(format!("channel {:?}: {why}", configured.name)),
            }
        }
        problems.extend(config.channel.iter().filter_map(|channel| {
            wrong_fallback(channel, &config.channel).map(|why| format!("channel {:?}: `fallback`: {why}", channel.name))
        }));
        if config.channel.is_empty() {
            let (name, public_url): (Arc<str>, _) = (DEFAULT_NAME.into(), config.public_url());
            channels.push(Arc::new(Channel {
                name: Arc::clone(&name),
                fallback: None,
                style: Style { locale: Locale::default(), zone: TimeZone::UTC, public_url, channel: name, book },
                speech: Speech::Console,
                pauses,
                hidden: Vec::new(),
            }));
        }
        if problems.is_empty() { Ok(Channels(channels)) } else { Err(problems.join("\n")) }
    }

    /// What the configuration adds to the messages of all.
    pub(super) fn book(&self) -> &Book {
        &self.0.first().expect("there is always a channel").style.book
    }

    /// All of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Channel>> {
        self.0.iter()
    }
}

/// What was compiled, or an empty one with its problems noted.
fn or_note<T: Default>(compiled: Result<T, Vec<String>>, problems: &mut Vec<String>) -> T {
    compiled.unwrap_or_else(|wrong| {
        problems.extend(wrong);
        T::default()
    })
}

/// The names that routes may use.
pub(crate) fn names(config: &Config) -> Vec<Arc<str>> {
    match config.channel.is_empty() {
        true => vec![DEFAULT_NAME.into()],
        false => config.channel.iter().map(|channel| channel.name.as_str().into()).collect(),
    }
}

/// One compiled channel.
#[derive(Clone)]
pub(crate) struct Channel {
    name: Arc<str>,
    fallback: Option<Fallback>,
    style: Style,
    speech: Speech,
    pauses: Arc<Pauses>,
    /// What an answer may quote but people must not read.
    hidden: Vec<String>,
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel").field("name", &self.name).field("speech", &self.speech).finish_non_exhaustive()
    }
}

/// What it speaks.
#[derive(Clone, Debug)]
enum Speech {
    Console,
    Webhook(Webhook),
    Post(Post),
    SlackApp(SlackApp),
    Email(Email),
}

impl Channel {
    fn new(
        configured: &config::Channel,
        config: &Config,
        book: &Arc<Book>,
        pauses: &Arc<Pauses>,
    ) -> Result<Channel, String> {
        if configured.name.trim().is_empty() {
            return Err("a channel needs a name".to_owned());
        }
        if let Some(why) = configured.misfits().into_iter().next() {
            return Err(why);
        }
        let private = config.outgoing.allow_private;
        let checked = |url: &Secret| address::check_url(url.expose(), private).map_err(|why| format!("`url`: {why}"));
        let url = configured.url.as_ref().map(checked).transpose()?;
        let name: Arc<str> = configured.name.as_str().into();
        let style = Style {
            locale: configured.locale,
            zone: zone(configured.time_zone.as_deref())?,
            public_url: config.public_url(),
            channel: Arc::clone(&name),
            book: Arc::clone(book),
        };
        Ok(Channel {
            name,
            fallback: configured.fallback.as_deref().map(|to| Fallback {
                to: to.into(),
                after: configured.fallback_after.map_or(FALLBACK_AFTER, Span::get),
            }),
            hidden: hidden::of(configured, url.as_ref()),
            pauses: Arc::clone(pauses),
            speech: match configured.kind {
                ChannelKind::Console => Speech::Console,
                ChannelKind::Webhook => Speech::Webhook(webhook(configured, &style)?),
                ChannelKind::SlackApp => Speech::SlackApp(SlackApp::of(configured)?),
                ChannelKind::Email => {
                    Speech::Email(Email::of(configured, book.owners.mentions(&configured.name), private)?)
                }
                _ => Speech::Post(Post::of(configured)?),
            },
            style,
        })
    }

    /// One of bongsu's own, a webhook to its own door.
    pub(crate) fn own(name: &str, url: String, key: &str) -> Channel {
        Channel {
            name: name.into(),
            fallback: None,
            pauses: Arc::default(),
            style: Style {
                locale: Locale::default(),
                zone: TimeZone::UTC,
                public_url: String::new(),
                channel: name.into(),
                book: Arc::default(),
            },
            hidden: vec![key.to_owned()],
            speech: Speech::Webhook(Webhook {
                url: Secret::new(url),
                secret: None,
                headers: vec![("Authorization".to_owned(), Secret::new(format!("Bearer {key}")))],
                method: config::Method::default(),
                template: None,
            }),
        }
    }

    /// The channel's name.
    pub(crate) fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Who gets what this one does not take.
    pub(crate) fn fallback(&self) -> Option<&Fallback> {
        self.fallback.as_ref()
    }

    /// What is told in one message. In quiet hours nothing is: what has to wait must not keep what must not.
    pub(crate) fn folding(&self, usual: Folding, now: Time) -> Folding {
        if self.pauses.is_quiet_for(&self.name, now) { Folding::NONE } else { usual }
    }

    /// Until when the channel is quiet and not told of an alert, whenever that was granted. Of bongsu itself it is told.
    pub(crate) fn quiet_until(&self, alert: &Alert, now: Time) -> Option<Time> {
        match alert.kind {
            Kind::Health(_) => None,
            _ => self.pauses.quiet_until(&self.name, &event_of(alert), &alert.project, now),
        }
    }

    /// The delivery as this channel sends it, at this moment.
    pub(crate) fn compose(&self, delivery: &Delivery, now: Time) -> Parcel {
        self.compose_telling(delivery, now, &mut |_| {})
    }

    /// The same; `tell` hears why it is not as it was configured, when a template of the user's own fails.
    pub(crate) fn compose_telling(&self, delivery: &Delivery, now: Time, tell: &mut dyn FnMut(String)) -> Parcel {
        match &self.speech {
            Speech::Console => console::compose(delivery, &self.style),
            Speech::Webhook(webhook) => webhook.compose(delivery, &self.style, now, tell),
            Speech::Post(post) => post.compose(delivery, &self.style),
            Speech::SlackApp(app) => app.compose(delivery, &self.style),
            Speech::Email(email) => email.compose(delivery, &self.style),
        }
    }

    /// Whether its messages are edited.
    pub(crate) fn edits(&self) -> bool {
        matches!(self.speech, Speech::SlackApp(_))
    }

    /// A message as it is to stand there now.
    pub(crate) fn edit(&self, posted: &Posted) -> Option<Parcel> {
        match &self.speech {
            Speech::SlackApp(app) => Some(app.edit(posted, &self.style)),
            _ => None,
        }
    }

    /// The same mail in its parts, when this channel sends one.
    pub(super) fn letter(&self, delivery: &Delivery) -> Option<Letter> {
        match &self.speech {
            Speech::Email(_) => Some({
                let mut message = Message::of_delivery(delivery, &self.style);
                // Whom it mentions is written to, not named.
                message.mention = None;
                Letter::of(&message, &post::hex_colour(&delivery.alert))
            }),
            _ => None,
        }
    }

    /// What the far side calls the message that a delivery brought, when later ones are to answer to it.
    pub(crate) fn handle(&self, delivery: &Delivery, brought: &Result<Reply, Failure>) -> Option<String> {
        match &self.speech {
            Speech::SlackApp(app) => app.handle(delivery, brought),
            _ => None,
        }
    }

    /// What to ask the far side before a message is sent again, to learn whether it came.
    pub(crate) fn question(&self, delivery: &Delivery) -> Option<Parcel> {
        match &self.speech {
            Speech::SlackApp(app) => Some(app.question(delivery)),
            _ => None,
        }
    }

    /// Whether the answer says that it came, and what it is called when later ones are to answer to it.
    pub(crate) fn found(&self, delivery: &Delivery, brought: &Result<Reply, Failure>) -> Option<Option<String>> {
        match &self.speech {
            Speech::SlackApp(app) => app.found(delivery, brought),
            _ => None,
        }
    }

    /// Whether the message that was to be answered or edited is not there any more.
    pub(crate) fn has_lost(&self, brought: &Result<Reply, Failure>) -> bool {
        matches!(&self.speech, Speech::SlackApp(app) if app.has_lost(brought))
    }

    /// The same channel without what lets others in where it stands in a payload.
    pub(super) fn keyless(&self) -> Channel {
        let mut channel = self.clone();
        if let Speech::Post(post) = &mut channel.speech {
            post.hide_key();
        }
        channel
    }

    /// What an answer or a payload may quote but people must not read.
    pub(super) fn hidden(&self) -> &[String] {
        &self.hidden
    }

    /// What became of the attempt.
    pub(crate) fn judge(&self, brought: &Result<Reply, Failure>, now: Time) -> Attempt {
        match &self.speech {
            Speech::Post(post) => post.judge(brought, &self.hidden, now),
            Speech::SlackApp(app) => app.judge(brought, &self.hidden, now),
            Speech::Email(_) => email::judge(brought, &self.hidden, now),
            Speech::Console | Speech::Webhook(_) => judge::judge(brought, &self.hidden, now),
        }
    }

    /// Whether a message is sent again when nobody knows whether it arrived. Always, where the far side can tell: a webhook by
    /// its idempotency key, PagerDuty by its `dedup_key`, a Slack app by what stands in the channel; a mail, whose
    /// `Message-ID` stays, as RFC 5321 has it of every sender; and what is read by this process's own operator.
    pub(crate) fn repeats(&self, delivery: &Delivery) -> bool {
        match &self.speech {
            Speech::Console | Speech::Webhook(_) | Speech::Email(_) | Speech::SlackApp(_) => true,
            Speech::Post(post) => post.has_key() || delivery.told().any(is_worth_twice),
        }
    }
}

/// Why a channel's fallback cannot be one: whoever follows them from channel to channel must come to an end.
fn wrong_fallback(channel: &config::Channel, all: &[config::Channel]) -> Option<String> {
    let of = |name: &str| all.iter().find(|one| one.name == *name);
    let mut name = channel.fallback.as_deref()?;
    if of(name).is_none() {
        return Some(format!("there is no channel {name:?}{}", hint(name, all.iter().map(|one| &*one.name))));
    }
    let mut path = vec![&*channel.name];
    while !path.contains(&name) {
        path.push(name);
        name = of(name)?.fallback.as_deref()?;
    }
    // A circle that this one only leads to is told where it is.
    (name == channel.name).then(|| format!("{} → {name} goes in a circle", path.join(" → ")))
}

/// Whether what may have arrived is sent again, with nobody on the far side to tell that it came twice: a duplicate beats
/// silence, so the first alert of a window is, and the end of a window, and what bongsu says of itself. Of the later alerts
/// each has others around it that say as much.
fn is_worth_twice(alert: &Alert) -> bool {
    alert.kind != Kind::Alert || alert.ordinal <= 1
}

fn webhook(configured: &config::Channel, style: &Style) -> Result<Webhook, String> {
    let content_type = configured.content_type.as_deref().unwrap_or("application/json");
    courier::check_header("Content-Type", &Secret::new(content_type))
        .map_err(|why| format!("`content_type`: {why}"))?;
    if !content_type.contains('/') {
        return Err(format!("`content_type`: {content_type:?} is none, such as \"text/plain\""));
    }
    let compiled = |source| Template::new(source, content_type, style);
    Ok(Webhook {
        url: configured.url.clone().unwrap_or_else(|| Secret::new("")),
        secret: secret(configured)?,
        headers: headers(configured)?,
        method: configured.method.unwrap_or_default(),
        template: configured.template.as_ref().map(compiled).transpose()?,
    })
}

/// An empty secret signs nothing: it is an environment variable that was not set, and must not pass for a signature.
fn secret(configured: &config::Channel) -> Result<Option<Secret>, String> {
    match &configured.secret {
        Some(secret) if secret.expose().trim().is_empty() => Err("`secret` is empty".to_owned()),
        secret => Ok(secret.clone()),
    }
}

fn headers(configured: &config::Channel) -> Result<Vec<(String, Secret)>, String> {
    for (name, value) in &configured.headers {
        if OWN_HEADERS.iter().any(|own| own.eq_ignore_ascii_case(name)) {
            return Err(format!("`headers`: {name} is set by bongsu"));
        }
        courier::check_header(name, value).map_err(|why| format!("`headers`: {why}"))?;
    }
    Ok(configured.headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect())
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;
    use crate::deliver::sample;

    fn compiled(toml: &str) -> Result<Channels, String> {
        Channels::new(&toml::from_str(toml).expect("the test's TOML is well formed"))
    }

    fn check(toml: &str, expected: Expect) {
        let seen = match compiled(toml) {
            Ok(channels) => channels.iter().map(|channel| format!("{channel:?}\n")).collect(),
            Err(why) => why,
        };
        expected.assert_eq(&seen);
    }

    #[test]
    fn without_any_there_is_a_console() {
        let channels = compiled("").unwrap();
        let parcel = channels.iter().next().unwrap().compose(&sample::delivery(sample::alert(1)), sample::NOW);
        assert!(matches!(parcel, Parcel::Print(text) if text.starts_with("🔥") && text.ends_with("\n\n")));
        assert_eq!(names(&Config::default()), [Arc::from("console")]);
    }

    #[test]
    fn all_that_is_wrong_is_said_at_once_and_no_secret_with_it() {
        check(
            r#"
            [[channel]]
            name = ""
            type = "console"
            [[channel]]
            name = "no-url"
            type = "slack"
            [[channel]]
            name = "scheme"
            type = "slack"
            url = "ftp://token@example.com"
            [[channel]]
            name = "metadata"
            type = "webhook"
            url = "http://169.254.169.254/token"
            [[channel]]
            name = "zone"
            type = "console"
            time_zone = "Asia/Soul"
            [[channel]]
            name = "own-header"
            type = "webhook"
            url = "https://example.com"
            headers = { Host = "x" }
            [[channel]]
            name = "bad-header"
            type = "webhook"
            url = "https://example.com"
            headers = { "X Y" = "token" }
            [[channel]]
            name = "bad-value"
            type = "webhook"
            url = "https://example.com"
            headers = { "X-Y" = "token\n" }
            [[channel]]
            name = "empty-secret"
            type = "webhook"
            url = "https://example.com"
            secret = ""
            [[channel]]
            name = "secret-where-none-is-used"
            type = "slack"
            url = "https://example.com"
            secret = "token"
            [[channel]]
            name = "nobody-there"
            type = "console"
            fallback = "opps"
            [[channel]]
            name = "in-a-circle"
            type = "console"
            fallback = "and-back"
            [[channel]]
            name = "and-back"
            type = "console"
            fallback = "in-a-circle"
            [[channel]]
            name = "to-a-circle"
            type = "console"
            fallback = "and-back"
            [[channel]]
            name = "to-itself"
            type = "console"
            fallback = "to-itself"
            [[channel]]
            name = "after-what"
            type = "console"
            fallback_after = "1m"
            [[channel]]
            name = "ops"
            type = "console"
            [[channel]]
            name = "ops"
            type = "console"
            "#,
            expect![[r#"
                channel "": a channel needs a name
                channel "no-url": `url` is missing
                channel "scheme": `url`: the scheme is "ftp"; use http:// or https://
                channel "metadata": `url`: 169.254.169.254 is a cloud metadata address, which is never reached
                channel "zone": `time_zone`: "Asia/Soul" is not an IANA time zone, such as "Asia/Seoul"
                channel "own-header": `headers`: Host is set by bongsu
                channel "bad-header": `headers`: "X Y" is not a header's name
                channel "bad-value": `headers`: the value of X-Y has characters that a header cannot have
                channel "empty-secret": `secret` is empty
                channel "secret-where-none-is-used": `secret` is not for channels of type "slack"
                channel "after-what": `fallback_after` goes with `fallback`
                channel "ops": the name is used twice
                channel "nobody-there": `fallback`: there is no channel "opps" (did you mean "ops"?)
                channel "in-a-circle": `fallback`: in-a-circle → and-back → in-a-circle goes in a circle
                channel "and-back": `fallback`: and-back → in-a-circle → and-back goes in a circle
                channel "to-itself": `fallback`: to-itself → to-itself goes in a circle"#]],
        );
    }

    #[test]
    fn private_addresses_can_be_forbidden() {
        check(
            r#"
            outgoing.allow_private = false
            [[channel]]
            name = "ops"
            type = "webhook"
            url = "http://127.0.0.1:9000/hook"
            "#,
            expect![[
                r#"channel "ops": `url`: 127.0.0.1 is a private or loopback address; set `outgoing.allow_private = true` to reach it"#
            ]],
        );
    }

    #[test]
    fn an_answer_that_quotes_the_url_is_shown_without_it() {
        let channels = compiled(
            r#"
            [[channel]]
            name = "slack"
            type = "slack"
            url = "https://hooks.slack.com/services/T00000000/B00000000/XXXXXXXXXXXX"
            "#,
        )
        .unwrap();
        let channel = channels.iter().next().unwrap();
        let body = "POST /services/T00000000/B00000000/XXXXXXXXXXXX: token XXXXXXXXXXXX of team T00000000 unknown";
        let reply = Reply { status: 404, retry_after: None, body: body.as_bytes().to_vec() };
        let error = "answered 404: POST (hidden): token (hidden) of team (hidden) unknown".to_owned();
        assert_eq!(channel.judge(&Ok(reply), sample::NOW), Attempt::Refused { error });
        assert!(!format!("{:?}", channel.compose(&sample::delivery(sample::alert(1)), sample::NOW)).contains("XXXX"));
    }
}
