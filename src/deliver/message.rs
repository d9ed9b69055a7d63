//! A message: the facts of an alert in words.
//!
//! Promises: every part is bounded, of one line where it should be, and free of control characters, whatever the error
//! said; a language is one table (`words/`), checked by the compiler to be whole. Times are local to the channel, with
//! the date only when it is not the day the alert was granted. Deliberately not here: markup; each channel lays the
//! parts out in its own.

mod figures;
mod frames;
mod progress;
mod several;
mod words;

use std::borrow::Cow;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;

use crate::alert::{AWAY_MS, Alert, DECIDES, Delivery, Health, InsteadOf, Kind, SAID, STOPPED_AT, Store};
use crate::config::Locale;
use crate::event::{Event, Level};
use crate::issue::Fingerprint;

use super::links::{Link, Links};
use super::owners::{Owner, Owners};
use super::text;
use figures::{Clock, thousands};
use words::Words;

pub(crate) use frames::application_frames;
pub(crate) use progress::{label, presses, status};

/// Characters of a name in the title: module, environment, exception.
const NAME_CHARS: usize = 60;
/// Characters of a field's value.
const VALUE_CHARS: usize = 200;
/// Characters of the detail in the first alert of a window; a stack does not fit in a message, its cause does.
const DETAIL_CHARS: usize = 1_000;
/// Characters of the detail in the later ones, which are there to be counted.
const SHORT_DETAIL_CHARS: usize = 200;
/// Characters of what somebody noted when resolving.
const NOTE_CHARS: usize = 300;
/// Beyond this budget a ladder of fires is wider than a phone.
const LADDER_MAX: u32 = 10;

/// How a channel wants its messages.
#[derive(Clone, Debug)]
pub(crate) struct Style {
    /// The language.
    pub(crate) locale: Locale,
    /// The wall clock.
    pub(crate) zone: TimeZone,
    /// Where people reach this server, without a trailing slash.
    pub(crate) public_url: String,
    /// The channel's name.
    pub(crate) channel: Arc<str>,
    /// What the configuration adds, the same for all channels.
    pub(crate) book: Arc<Book>,
}

impl Style {
    /// Who looks after what the alert tells of. What bongsu says of itself is everybody's.
    pub(crate) fn owner_of(&self, alert: &Alert) -> Option<&Owner> {
        self.book.owners.of(alert, &event_of(alert)).filter(|_| !matches!(alert.kind, Kind::Health(_)))
    }
}

/// What the configuration adds to messages.
#[derive(Debug, Default)]
pub(crate) struct Book {
    /// Links besides the issue's page.
    pub(crate) links: Links,
    /// Who looks after what.
    pub(crate) owners: Owners,
}

/// The facts of an alert in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    /// Where, what, and for which time.
    pub(crate) title: String,
    /// Why people get it.
    pub(crate) why: String,
    /// What the root cause says. May be empty, and may have several lines.
    pub(crate) detail: String,
    /// Named facts.
    pub(crate) fields: Vec<Field>,
    /// The application's own frames of the root cause, the throwing one first.
    pub(crate) frames: Vec<String>,
    /// The issue's page, then those of the configuration.
    pub(crate) links: Vec<Link>,
    /// What calls those who look after it, in the channel's own syntax: the operator's word, not to be escaped. Only in
    /// the first alert of a window.
    pub(crate) mention: Option<String>,
    /// The issue.
    pub(crate) fingerprint: Fingerprint,
}

/// A named fact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Field {
    /// Its name in the channel's language.
    pub(crate) label: &'static str,
    /// Its value, one line.
    pub(crate) value: String,
    /// Whether the value is code: a place, a request, an id.
    pub(crate) code: bool,
}

impl Message {
    /// The alert in words.
    pub(crate) fn of(alert: &Alert, style: &Style) -> Message {
        let told = Telling {
            alert,
            event: alert.event.as_ref(),
            words: words::of(style.locale),
            clock: Clock::new(&style.zone, alert.granted_at),
            owner: style.owner_of(alert),
        };
        let first = alert.kind == Kind::Alert && alert.ordinal <= 1;
        let mut links = vec![Link { label: told.words.details.to_owned(), url: issue_link(style, alert.fingerprint) }];
        links.extend(style.book.links.of(alert, &event_of(alert), style.locale));
        Message {
            title: told.title(),
            why: told.why(),
            detail: told.detail(if first { DETAIL_CHARS } else { SHORT_DETAIL_CHARS }),
            fields: match alert.kind {
                Kind::Health(_) => told.health_fields(),
                Kind::Alert if first => told.fields(),
                Kind::Alert => told.short_fields(),
                Kind::Closing { peak_per_minute, .. } => told.closing_fields(peak_per_minute),
            },
            frames: told.event.filter(|_| first).map(frames::lines).unwrap_or_default(),
            links,
            mention: told.owner.filter(|_| first).and_then(|owner| owner.mention(&style.channel)).map(str::to_owned),
            fingerprint: alert.fingerprint,
        }
    }

    /// A delivery in words: its alert or all that it tells, and instead of whom it is told.
    pub(crate) fn of_delivery(delivery: &Delivery, style: &Style) -> Message {
        let mut message = match delivery.is_of_several() {
            true => several::message(delivery, style),
            false => Message::of(&delivery.alert, style),
        };
        if let Some(InsteadOf { channel, since, error }) = &delivery.instead_of {
            let words = words::of(style.locale);
            let since = Clock::new(&style.zone, delivery.alert.granted_at).at(*since);
            let value = (words.fails)(&text::line(channel, NAME_CHARS), &since, error);
            let field = Field { label: words.instead_of, value: text::line(&value, VALUE_CHARS), code: false };
            message.fields.insert(0, field);
        }
        message
    }

    /// The message as plain text, for channels that have nothing better.
    pub(crate) fn text(&self) -> String {
        let mut out = self.mention.as_ref().map_or_else(String::new, |mention| format!("{mention}\n"));
        let _ = writeln!(out, "{}\n{}", self.title, self.why);
        if !self.detail.is_empty() {
            let _ = writeln!(out, "{}", self.detail);
        }
        for field in &self.fields {
            let _ = writeln!(out, "{}: {}", field.label, field.value);
        }
        for frame in &self.frames {
            let _ = writeln!(out, "  at {frame}");
        }
        let links: Vec<String> = self.links.iter().map(|Link { label, url }| format!("{label}: {url}")).collect();
        out.push_str(&links.join("\n"));
        out
    }

    /// The issue's page, and the links besides it.
    pub(crate) fn page_and_more(&self) -> (&Link, &[Link]) {
        self.links.split_first().expect("every message has the issue's page")
    }
}

/// The event that the alert tells of; when it is no longer stored, what is known of it.
pub(crate) fn event_of(alert: &Alert) -> Cow<'_, Event<'static>> {
    match &alert.event {
        Some(event) => Cow::Borrowed(event),
        None => Cow::Owned(Event { attributes: alert.attributes.clone(), ..Event::default() }),
    }
}

/// The page of an issue.
pub(crate) fn issue_link(style: &Style, fingerprint: Fingerprint) -> String {
    format!("{}/api/v1/issues/{fingerprint}", style.public_url)
}

/// One alert being put into words.
struct Telling<'a> {
    alert: &'a Alert,
    event: Option<&'a Event<'static>>,
    words: &'static Words,
    clock: Clock<'a>,
    owner: Option<&'a Owner>,
}

impl<'a> Telling<'a> {
    /// `🔥🔥🔥▫️▫️ 3/5 [prod] order-api · NullPointerException`
    fn title(&self) -> String {
        let mut title = match self.alert.kind {
            Kind::Health(health) => {
                let icon = if health.away { "⚠️" } else { "✅" };
                return format!("{icon} bongsu · {}", (self.words.health)(health));
            }
            Kind::Alert => ladder(self.alert.ordinal, self.alert.budget),
            Kind::Closing { ongoing: true, .. } => "🔥".to_owned(),
            Kind::Closing { ongoing: false, .. } => "▫️".to_owned(),
        };
        let environment = text::line(&self.alert.attributes.environment, NAME_CHARS);
        if !environment.is_empty() {
            let _ = write!(title, " [{}]", (self.words.environment)(&environment));
        }
        let module = match self.alert.attributes.module.trim() {
            "" => &self.alert.project,
            module => module,
        };
        let _ = write!(title, " {} · {}", text::line(module, NAME_CHARS), self.name());
        if let Kind::Closing { ongoing, .. } = self.alert.kind {
            let _ = write!(title, " · {}", if ongoing { self.words.still_occurring } else { self.words.quiet });
        }
        title
    }

    /// What the error is called: its root exception, else the beginning of what it says.
    fn name(&self) -> String {
        let kind = self.event.and_then(Event::root).map_or("", |root| short_name(&root.kind));
        let attributes = &self.alert.attributes;
        [kind, &attributes.detail, short_name(&attributes.location), &attributes.category]
            .into_iter()
            .map(|name| text::line(name, NAME_CHARS))
            .find(|name| !name.is_empty())
            .unwrap_or_else(|| self.alert.fingerprint.to_string())
    }

    fn why(&self) -> String {
        let alert = self.alert;
        let ends = self.clock.at(alert.window_ends_at);
        match alert.kind {
            Kind::Health(health) => self.health_why(health),
            Kind::Closing { ongoing, .. } => (self.words.window_ended)(&words::Ended {
                span: (self.words.span)(alert.window_ends_at.since(alert.window_opened_at)),
                occurrences: alert.occurrences,
                alerts: u64::from(alert.ordinal),
                suppressed: alert.suppressed(),
                last_seen: self.clock.at(alert.last_seen),
                ongoing,
            }),
            Kind::Alert => {
                let mut why = match (alert.ordinal, &alert.regression) {
                    (0 | 1, Some(resolved)) => (self.words.regression)(&words::Resolved {
                        at: resolved.at.map(|at| self.clock.at(at)),
                        by: text::line(&resolved.by, NAME_CHARS),
                        note: text::line(&resolved.note, NOTE_CHARS),
                    }),
                    (0 | 1, None) if alert.new => self.words.new.to_owned(),
                    (0 | 1, None) => self.words.known.to_owned(),
                    _ => (self.words.again)(alert.occurrences),
                };
                if alert.ordinal >= alert.budget {
                    let _ = write!(why, " · {}", (self.words.last_of_window)(&ends));
                }
                why
            }
        }
    }

    fn health_why(&self, health: Health) -> String {
        let decides = self.tag(DECIDES);
        match health.store {
            Store::Cache | Store::Archive => (self.words.decides)(decides).to_owned(),
            Store::Way if health.away => {
                let stopped = (self.words.stopped)(self.tag(STOPPED_AT));
                match decides {
                    "" => stopped.to_owned(),
                    who => format!("{stopped}\n{}", (self.words.decides)(who)),
                }
            }
            Store::Way => self.words.works.to_owned(),
            Store::Canary => self.words.canary.to_owned(),
        }
    }

    fn detail(&self, limit: usize) -> String {
        let root = self.event.and_then(Event::root).map_or("", |root| &root.value);
        let detail = text::block(if root.trim().is_empty() { &self.alert.attributes.detail } else { root }, limit);
        // A plain message already stands in the title.
        if detail == self.name() { String::new() } else { detail }
    }

    /// Everything, for the first alert of a window.
    fn fields(&self) -> Vec<Field> {
        let (alert, words, attributes) = (self.alert, self.words, &self.alert.attributes);
        let mut fields = Fields::default();
        fields.plain(words.category, &attributes.category);
        fields.code(words.request, &format!("{} {}", attributes.method, attributes.url));
        fields.code(words.thrown_at, &attributes.location);
        fields.plain(words.owner, self.owned_by());
        fields.plain(words.wrapped_in, self.wrapped_in().unwrap_or_default());
        fields.plain(words.occurrences, &self.occurrences());
        if alert.occurrences_total > 1 {
            fields.plain(words.first_seen, &self.clock.at(alert.first_seen));
        }
        fields.plain(words.last_seen, &self.clock.at_with_zone(alert.last_seen));
        fields.plain(words.window_ends, &self.clock.at(alert.window_ends_at));
        fields.plain(words.release, self.said(|e| e.release.as_deref()));
        fields.plain(words.server, self.said(|e| e.server.as_deref()));
        fields.code(words.trace_id, self.said(|e| e.trace_id.as_deref()));
        if let Some(level) = self.event.map(|e| e.level).filter(|level| *level != Level::Error) {
            fields.plain(words.level, level.as_str());
        }
        fields.0
    }

    /// What changes from alert to alert of one window.
    fn short_fields(&self) -> Vec<Field> {
        let words = self.words;
        let mut fields = Fields::default();
        fields.code(words.thrown_at, &self.alert.attributes.location);
        fields.plain(words.owner, self.owned_by());
        fields.plain(words.occurrences, &self.occurrences());
        fields.plain(words.last_seen, &self.clock.at_with_zone(self.alert.last_seen));
        self.servers(&mut fields);
        fields.code(words.trace_id, self.said(|e| e.trace_id.as_deref()));
        fields.0
    }

    /// Where it was seen in this window; the server of the event when that is all.
    fn servers(&self, fields: &mut Fields) {
        let servers = &self.alert.servers;
        match servers.len() {
            0 | 1 => fields.plain(self.words.server, self.said(|e| e.server.as_deref())),
            many => fields.plain(self.words.servers, &format!("{many} ({})", servers.join(", "))),
        }
    }

    fn health_fields(&self) -> Vec<Field> {
        let words = self.words;
        let mut fields = Fields::default();
        fields.plain(words.said, self.tag(SAID));
        if let Ok(away_ms) = self.tag(AWAY_MS).parse() {
            fields.plain(words.away_for, &(words.span)(Duration::from_millis(away_ms)));
        }
        fields.plain(words.last_seen, &self.clock.at_with_zone(self.alert.last_seen));
        fields.plain(words.server, self.said(|e| e.server.as_deref()));
        fields.0
    }

    fn closing_fields(&self, peak_per_minute: u64) -> Vec<Field> {
        let (alert, words) = (self.alert, self.words);
        let mut fields = Fields::default();
        fields.plain(words.owner, self.owned_by());
        fields.plain(words.occurrences, &self.occurrences());
        fields.plain(words.alerts_sent, &(words.times)(u64::from(alert.ordinal)));
        fields.plain(words.held_back, &(words.times)(alert.suppressed()));
        fields.plain(words.busiest_minute, &(words.times)(peak_per_minute));
        fields.plain(words.window_opened, &self.clock.at(alert.window_opened_at));
        fields.plain(words.last_seen, &self.clock.at_with_zone(alert.last_seen));
        if alert.servers.len() > 1 {
            self.servers(&mut fields);
        }
        fields.0
    }

    fn tag(&self, name: &str) -> &'a str {
        let tags = self.event.map_or(&[][..], |event| &event.tags);
        tags.iter().find(|(tag, _)| tag == name).map_or("", |(_, value)| value)
    }

    /// A part of the event; empty when there is none.
    fn said(&self, part: fn(&'a Event<'static>) -> Option<&'a str>) -> &'a str {
        self.event.and_then(part).unwrap_or_default()
    }

    fn owned_by(&self) -> &str {
        self.owner.map_or("", |owner| &owner.name)
    }

    fn occurrences(&self) -> String {
        let in_window = (self.words.times)(self.alert.occurrences);
        match self.alert.occurrences_total > self.alert.occurrences {
            true => format!("{in_window} · {}", (self.words.in_all)(self.alert.occurrences_total)),
            false => in_window,
        }
    }

    /// The outermost exception, when the root cause came wrapped.
    fn wrapped_in(&self) -> Option<&str> {
        let chain = &self.event?.exceptions;
        (chain.len() > 1).then(|| short_name(&chain[0].kind))
    }
}

/// Fields that have something to say.
#[derive(Default)]
struct Fields(Vec<Field>);

impl Fields {
    fn plain(&mut self, label: &'static str, value: &str) {
        self.push(label, value, false);
    }

    fn code(&mut self, label: &'static str, value: &str) {
        self.push(label, value, true);
    }

    fn push(&mut self, label: &'static str, value: &str, code: bool) {
        let value = text::line(value, VALUE_CHARS);
        if !value.is_empty() {
            self.0.push(Field { label, value, code });
        }
    }
}

/// Fires lit and unlit, and the number: the ladder alone is not readable to everybody.
fn ladder(ordinal: u32, budget: u32) -> String {
    let number = format!("{}/{}", thousands(u64::from(ordinal)), thousands(u64::from(budget)));
    if budget > LADDER_MAX {
        return number;
    }
    let lit = ordinal.min(budget) as usize;
    format!("{}{} {number}", "🔥".repeat(lit), "▫️".repeat(budget as usize - lit))
}

/// A class name without its package: what stands after the last separator of any language.
fn short_name(name: &str) -> &str {
    name.trim().rsplit(['.', ':', '\\', '/']).next().filter(|short| !short.is_empty()).unwrap_or(name)
}

#[cfg(test)]
mod tests;
