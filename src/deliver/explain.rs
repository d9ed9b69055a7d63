//! Explanation: where an event would go at a moment, and what would be said of it.
//!
//! Promises: pure, by the very routes and layouts that the server goes by; shows no secret. Deliberately not here: what
//! the gate would say, which knows what happened before.

use std::fmt;

use serde::Serialize;

use crate::alert::{Recipient, Route};
use crate::config::Locale;
use crate::issue::CauseKey;
use crate::time::Time;

use super::channels::Channels;
use super::preview::{Preview, preview};
use super::routes::Routes;
use super::specimen::{Occasion, Supposed};

/// Where an event would go.
#[derive(Debug, Serialize)]
pub(crate) struct Explanation {
    fingerprint: String,
    cause: String,
    project: String,
    /// The routes that match, in their order, from 1; empty: none does, and everybody is told.
    routes: Vec<usize>,
    policy: Terms,
    owner: Option<String>,
    links: Vec<Named>,
    /// Quiet hours and maintenance that the event falls into at this moment.
    in_force: Vec<InForce>,
    /// Who is told of which alerts.
    recipients: Vec<To>,
    /// What each is told first.
    messages: Vec<Preview>,
}

#[derive(Debug, Serialize)]
struct Terms {
    budget: u32,
    window_ms: u64,
    spacing_ms: Vec<u64>,
    closing: bool,
}

#[derive(Debug, Serialize)]
struct Named {
    label: String,
    url: String,
}

#[derive(Debug, Serialize)]
struct InForce {
    kind: &'static str,
    name: String,
    until: String,
}

#[derive(Debug, Serialize)]
struct To {
    channel: String,
    from_ordinal: u32,
    /// `None`: all later ones.
    to_ordinal: Option<u32>,
    /// When its quiet hours end.
    not_before: Option<String>,
}

/// Where the event would go at that moment.
pub(crate) fn explain(
    channels: &Channels,
    routes: &Routes,
    supposed: &Supposed,
    cause: CauseKey,
    now: Time,
) -> Explanation {
    let (event, project) = (&supposed.event, &*supposed.project);
    let cause_of = || cause;
    let route = routes.of(event, project, &cause_of, now);
    let first = supposed.alert(Occasion::Alert, 1);
    let book = channels.book();
    let links = book.links.of(&first, event, Locale::En);
    let in_force = routes.pauses().in_force(event, project, &cause_of, now);
    // Nobody is told of what is not granted.
    let is_held_back = route.policy.maintenance_until.is_some_and(|until| now < until);
    let told = if is_held_back { &[][..] } else { &route.recipients[..] };
    Explanation {
        fingerprint: supposed.fingerprint.to_string(),
        cause: cause.to_string(),
        project: project.to_owned(),
        routes: routes.numbers(event, project, &cause_of),
        policy: terms(&route),
        owner: book.owners.of(&first, event).map(|owner| owner.name.clone()),
        links: links.into_iter().map(|link| Named { label: link.label, url: link.url }).collect(),
        in_force: in_force
            .map(|(kind, name, until)| InForce { kind, name: name.to_owned(), until: until.to_string() })
            .collect(),
        recipients: told.iter().map(|one| to(one, route.policy.budget)).collect(),
        messages: messages(channels, told, supposed, now),
    }
}

fn terms(route: &Route) -> Terms {
    let ms = |span: std::time::Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    Terms {
        budget: route.policy.budget,
        window_ms: ms(route.policy.window),
        spacing_ms: route.policy.spacing.iter().copied().map(ms).collect(),
        closing: route.policy.closing,
    }
}

fn to(one: &Recipient, budget: u32) -> To {
    To {
        channel: one.channel.to_string(),
        from_ordinal: one.ordinals.0,
        to_ordinal: Some(one.ordinals.1).filter(|last| *last < budget),
        not_before: one.not_before.map(|at| at.to_string()),
    }
}

/// For each channel the first alert that it is told of, if the budget goes so far.
fn messages(channels: &Channels, told: &[Recipient], supposed: &Supposed, now: Time) -> Vec<Preview> {
    let first = |name: &str| {
        let mine = told.iter().filter(|one| *one.channel == *name);
        mine.map(|one| one.ordinals.0).min().filter(|ordinal| *ordinal <= supposed.budget)
    };
    let told = channels.iter().filter_map(|channel| Some((channel, first(channel.name())?)));
    told.map(|(channel, ordinal)| preview(channel, &supposed.delivery(Occasion::Alert, ordinal), now)).collect()
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "fingerprint  {}", self.fingerprint)?;
        writeln!(f, "cause        {}", self.cause)?;
        writeln!(f, "project      {}", self.project)?;
        let numbers: Vec<String> = self.routes.iter().map(usize::to_string).collect();
        let none = "none matches: all channels are told";
        writeln!(f, "routes       {}", if numbers.is_empty() { none.to_owned() } else { numbers.join(", ") })?;
        let Terms { budget, window_ms, spacing_ms, closing } = &self.policy;
        let gaps: Vec<String> = spacing_ms.iter().map(|ms| seconds(*ms)).collect();
        let gaps = if gaps.is_empty() { String::new() } else { format!(", with gaps of {}", gaps.join(" ")) };
        let closing = if *closing { "" } else { ", without a closing message" };
        writeln!(f, "policy       {budget} alerts in {}{gaps}{closing}", seconds(*window_ms))?;
        writeln!(f, "owner        {}", self.owner.as_deref().unwrap_or("nobody"))?;
        for Named { label, url } in &self.links {
            writeln!(f, "link         {label}: {url}")?;
        }
        for InForce { kind, name, until } in &self.in_force {
            writeln!(f, "{kind:<12} {name}, until {until}")?;
        }
        for To { channel, from_ordinal, to_ordinal, not_before } in &self.recipients {
            let last = to_ordinal.map_or_else(|| "on".to_owned(), |last| format!("to {last}"));
            let waits = not_before.as_ref().map_or_else(String::new, |at| format!(", not before {at}"));
            writeln!(f, "tells        {channel}: alerts from {from_ordinal} {last}{waits}")?;
        }
        if self.recipients.is_empty() {
            writeln!(f, "tells        nobody")?;
        }
        self.messages.iter().try_for_each(|message| write!(f, "\n--- {}\n{message}\n", message.channel))
    }
}

fn seconds(ms: u64) -> String {
    if ms.is_multiple_of(1_000) { format!("{}s", ms / 1_000) } else { format!("{ms}ms") }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn an_event_is_explained_by_the_routes_that_the_server_goes_by() {
        let config = toml::from_str(
            r#"
            public_url = "https://bongsu.example"
            [[channel]]
            name = "ops"
            type = "console"
            [[channel]]
            name = "pager"
            type = "console"
            [[channel]]
            name = "dev"
            type = "console"
            [[route]]
            match = { ordinal = "3" }
            channels = ["pager"]
            continue = true
            [[route]]
            match = { module = "order-*" }
            channels = ["ops"]
            policy = { window = "10m", spacing = ["0s", "30s"] }
            [[owner]]
            name = "orders"
            mention = { ops = "@orders" }
            [[link]]
            label = "Trace"
            url = "https://jaeger.example/trace/{trace_id}"
            [[quiet]]
            name = "lunch"
            channels = ["ops"]
            from = "13:00"
            to = "15:00"
            time_zone = "Asia/Seoul"
            [[maintenance]]
            name = "database"
            match = { module = "pay-*" }
            from = "2026-11-23T00:00:00Z"
            to = "2026-11-24T00:00:00Z"
            "#,
        )
        .unwrap();
        let (channels, routes) = (Channels::new(&config).unwrap(), Routes::new(&config).unwrap());
        let supposed = Supposed::sample();
        let told = explain(&channels, &routes, &supposed, CauseKey(0xab << 120), supposed.opened_at);
        let head = told.to_string().split("\n\n").next().unwrap().to_owned();
        expect![[r#"
            fingerprint  9f2c0000000000000000000000000001
            cause        ab000000000000000000000000000000
            project      shop
            routes       1, 2
            policy       5 alerts in 600s, with gaps of 0s 30s
            owner        orders
            link         Trace: https://jaeger.example/trace/4bf92f3577b34da6
            quiet        lunch, until 2026-11-23T06:00:00.000Z
            tells        ops: alerts from 1 on, not before 2026-11-23T06:00:00.000Z
            tells        pager: alerts from 3 on"#]]
        .assert_eq(&head);
        let messages: Vec<String> = told.messages.iter().map(ToString::to_string).collect();
        assert_eq!(messages.len(), 2);
        assert!(
            messages[0].starts_with("@orders\n🔥▫️▫️▫️▫️ 1/5") && messages[1].starts_with("🔥🔥🔥▫️▫️ 3/5"),
            "{messages:#?}"
        );
    }
}
