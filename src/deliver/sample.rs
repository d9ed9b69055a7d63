//! Alerts for this room's tests: the specimen, as it goes through a window; and errors that mean harm.

use std::borrow::Cow;

use serde_json::Value;

use crate::alert::{Alert, Delivery};
use crate::config::{Config, Locale};
use crate::issue::Decided;

use super::specimen::{Occasion, Supposed};
use super::{Channel, Channels, Parcel};

pub(crate) use super::specimen::OPENED_AT as NOW;

/// The alert with that ordinal of a budget of five in a window of ten minutes.
pub(crate) fn alert(ordinal: u32) -> Alert {
    Supposed::sample().alert(Occasion::Alert, ordinal)
}

/// The end of that window.
pub(crate) fn closing(ongoing: bool) -> Alert {
    Supposed::sample().alert(if ongoing { Occasion::Ongoing } else { Occasion::Closing }, 1)
}

/// The alert on its way.
pub(crate) fn delivery(alert: Alert) -> Delivery {
    Supposed::sample().delivery_of(alert)
}

/// An alert in which every text is the given one.
pub(crate) fn all(text: &str) -> Alert {
    let mut alert = alert(1);
    let own = || Cow::Owned(text.to_owned());
    let attributes = &mut alert.attributes;
    for part in [
        &mut attributes.category,
        &mut attributes.method,
        &mut attributes.module,
        &mut attributes.environment,
        &mut attributes.url,
    ] {
        *part = own();
    }
    (attributes.location, attributes.detail) = (own(), own());
    let event = alert.event.as_mut().unwrap();
    event.attributes = alert.attributes.clone();
    (event.release, event.server, event.trace_id) = (Some(own()), Some(own()), Some(own()));
    event.level = crate::event::Level::Fatal;
    for exception in &mut event.exceptions {
        (exception.kind, exception.value) = (own(), own());
        for frame in &mut exception.frames {
            (frame.function, frame.in_app) = (own(), Some(true));
        }
    }
    alert.regression = Some(Decided { at: None, by: text.to_owned(), note: text.to_owned() });
    alert.servers = vec![text.to_owned(); 20];
    alert
}

/// What every channel must bear as any text of an error.
pub(crate) fn torture() -> Vec<String> {
    vec![
        "x".repeat(20_000),
        "주문 결제 실패 ".repeat(3_000),
        "👨‍👩‍👧‍👦".repeat(5_000),
        "<&>".repeat(7_000),
        "\"\\".repeat(10_000),
        "`".repeat(20_000),
        "```\n".repeat(5_000),
        "*_~|[]()#!".repeat(2_000),
        "@channel ".repeat(3_000),
        "<!channel> <@U024BE7LH> ".repeat(1_000),
        "\0\u{1b}[31m\u{202e}".repeat(5_000),
        "a\u{301}".repeat(10_000),
        "\n".repeat(20_000),
        "가\n".repeat(10_000),
        " ".to_owned(),
        String::new(),
    ]
}

/// What means harm in some channel: mentions, markup, links that are not ours.
pub(crate) const HARM: &str = "<!channel> @everyone @channel @here @all <@123> <@&4> <users/all> <at>kim</at> \
     <b>bold</b> <a href=\"https://evil.example\">ok</a> [ok](https://evil.example) [[ok]](https://evil.example) ```x``` `y` **z**";

/// Every alert that a channel may meet: the usual ones, those that torture, and those of 200 frames.
pub(crate) fn every() -> Vec<Alert> {
    let mut alerts = vec![alert(1), alert(3), alert(5), closing(true), closing(false), all(HARM)];
    for text in torture() {
        let mut alert = all(&text);
        let exceptions = &mut alert.event.as_mut().expect("the sample has one").exceptions;
        let frame = exceptions[1].frames[0].clone();
        exceptions[1].frames = vec![frame; 200];
        alerts.push(alert);
    }
    alerts
}

/// Links of everything an error can say, and an owner who is called.
pub(crate) const BOOK: &str = r#"
    [[link]]
    label = { en = "Trace", ko = "추적" }
    url = "https://bongsu.example/trace/{trace_id}"
    [[link]]
    label = "Logs of [all] <kinds> | `x`"
    url = "https://bongsu.example/logs?m={module}&e={environment}&s={server}&v={release}&l={location}&f={from_ms}&t={to_ms}"
    [[link]]
    label = "Long"
    url = "https://bongsu.example/LONG/{fingerprint}"
    [[owner]]
    name = "pay-team"
    match = { location = "*" }
    mention = { ops = "MENTION" }
"#;

/// The channel of that type and those keys.
pub(crate) fn channel(kind: &str, keys: &str, locale: Locale) -> Channel {
    with_book(kind, keys, locale, "")
}

/// The same with the links and owners of a configuration.
pub(crate) fn with_book(kind: &str, keys: &str, locale: Locale, book: &str) -> Channel {
    let toml = format!(
        "public_url = \"https://bongsu.example\"\n[[channel]]\nname = \"ops\"\ntype = \"{kind}\"\n{keys}\n{book}"
    );
    let mut config: Config = toml::from_str(&toml).expect("the test's TOML is well formed");
    config.channel[0].locale = locale;
    let channels = Channels::new(&config).expect("the test's channel is good");
    Channel::clone(channels.iter().next().expect("there is one"))
}

/// What such a channel posts.
pub(crate) fn posted(kind: &str, keys: &str, locale: Locale, alert: Alert) -> Value {
    posted_by(&channel(kind, keys, locale), alert)
}

/// What that channel posts.
pub(crate) fn posted_by(channel: &Channel, alert: Alert) -> Value {
    match channel.compose(&delivery(alert), NOW) {
        Parcel::Post { body, .. } => serde_json::from_slice(&body).expect("the body is JSON"),
        other => panic!("it does not post but {other:?}"),
    }
}
