//! A message of several errors: what one cause broke, or what has piled up.
//!
//! Promises: it names how many, the first, and the most important few; all of them are listed with the issue. Deliberately
//! not here: which errors are told together (`storm`).

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};

use super::words::{Digest, Words};
use super::*;
use crate::alert::{Delivery, Spread};
use crate::deliver::owners::MENTION_CHARS;

/// Errors that are named.
const NAMED_MAX: usize = 5;
/// Modules that are named.
const MODULES_MAX: usize = 8;
/// People who are called.
const MENTIONS_MAX: usize = 5;
/// Characters of what the cause says.
const CAUSE_CHARS: usize = 500;
/// Characters of a request in the list.
const REQUEST_CHARS: usize = 80;

/// The delivery in words.
pub(super) fn message(delivery: &Delivery, style: &Style) -> Message {
    let words = words::of(style.locale);
    let newest = delivery.told().map(|alert| alert.granted_at).max().unwrap_or_default();
    let told = Several { delivery, errors: errors(delivery), words, clock: Clock::new(&style.zone, newest), style };
    let mut links = vec![Link { label: words.details.to_owned(), url: issue_link(style, delivery.alert.fingerprint) }];
    links.extend(style.book.links.of(&delivery.alert, &event_of(&delivery.alert), style.locale));
    Message {
        title: told.title(),
        why: told.why(),
        detail: told.detail(),
        fields: told.fields(),
        frames: Vec::new(),
        links,
        mention: told.mention(),
        fingerprint: delivery.alert.fingerprint,
    }
}

/// The newest alert of each error, the most important first: what is fatal, what is new, what came back, what is frequent. It
/// is new, or came back, when any of its alerts here says so.
fn errors(delivery: &Delivery) -> Vec<Alert> {
    let mut errors: Vec<Alert> = Vec::new();
    let mut nth: HashMap<Fingerprint, usize> = HashMap::new();
    for alert in delivery.told() {
        let at = *nth.entry(alert.fingerprint).or_insert(errors.len());
        let Some(error) = errors.get_mut(at) else {
            errors.push(alert.clone());
            continue;
        };
        let new = error.new || alert.new;
        let regression = error.regression.take().or_else(|| alert.regression.clone());
        if error.granted_at <= alert.granted_at {
            *error = alert.clone();
        }
        (error.new, error.regression) = (new, regression);
    }
    let rank = |error: &Alert| (!is_fatal(error), !error.new, error.regression.is_none(), Reverse(error.occurrences));
    errors.sort_by_key(|error| (rank(error), error.granted_at));
    errors
}

fn is_fatal(error: &Alert) -> bool {
    error.event.as_ref().is_some_and(|event| event.level == Level::Fatal)
}

struct Several<'a> {
    delivery: &'a Delivery,
    errors: Vec<Alert>,
    words: &'static Words,
    clock: Clock<'a>,
    style: &'a Style,
}

impl Several<'_> {
    fn of_closings(&self) -> bool {
        self.errors.iter().all(|error| matches!(error.kind, Kind::Closing { .. }))
    }

    /// Errors that go on although their windows ended.
    fn ongoing(&self) -> u64 {
        let goes_on = |error: &&Alert| matches!(error.kind, Kind::Closing { ongoing: true, .. });
        self.errors.iter().filter(goes_on).count() as u64
    }

    /// How far one cause has spread, unless it is over.
    fn spread(&self) -> Option<&Spread> {
        self.delivery.spread.as_ref().filter(|_| self.delivery.kind() == "storm")
    }

    /// `⛈️ [prod] 14 modules · ConnectException`
    fn title(&self) -> String {
        let icon = match (self.of_closings(), self.ongoing()) {
            (false, _) => "⛈️",
            (true, 0) => "▫️",
            (true, _) => "🔥",
        };
        let environments: BTreeSet<&str> = self.errors.iter().map(|error| &*error.attributes.environment).collect();
        let mut title = icon.to_owned();
        if let [environment] = Vec::from_iter(environments)[..]
            && !environment.trim().is_empty()
        {
            let _ = write!(title, " [{}]", (self.words.environment)(&text::line(environment, NAME_CHARS)));
        }
        let digest = self.digest();
        let what = match self.spread() {
            Some(spread) => format!("{} · {}", (self.words.in_modules)(spread.modules), self.cause()),
            None if self.of_closings() => (self.words.windows_ended)(digest.errors, self.ongoing()),
            None => (self.words.at_once)(&digest),
        };
        let _ = write!(title, " {what}");
        title
    }

    /// What the root cause is called.
    fn cause(&self) -> String {
        let told = Telling {
            alert: &self.delivery.alert,
            event: self.delivery.alert.event.as_ref(),
            words: self.words,
            clock: Clock::new(&self.style.zone, self.delivery.alert.granted_at),
            owner: None,
        };
        told.name()
    }

    fn digest(&self) -> Digest {
        let modules: BTreeSet<&str> = self.errors.iter().map(module).collect();
        Digest {
            errors: self.errors.len() as u64,
            new: self.errors.iter().filter(|error| error.new).count() as u64,
            regressions: self.errors.iter().filter(|error| error.regression.is_some()).count() as u64,
            modules: modules.len() as u64,
        }
    }

    fn why(&self) -> String {
        match self.spread() {
            Some(spread) => {
                let first = text::line(spread.named.first().map_or("", String::as_str), NAME_CHARS);
                let told = self.errors.len() as u64;
                (self.words.one_cause)(spread, told.min(spread.errors), &first, &self.clock.at(spread.since))
            }
            None => (self.words.told_together)(&self.digest()),
        }
    }

    /// What the cause says, and the errors that matter most.
    fn detail(&self) -> String {
        let alert = &self.delivery.alert;
        let said = alert.event.as_ref().and_then(Event::root).map_or("", |root| &root.value);
        let said = if said.trim().is_empty() { &alert.attributes.detail } else { said };
        let mut lines: Vec<String> = match self.spread() {
            Some(_) => vec![text::block(said, CAUSE_CHARS), String::new()],
            None => Vec::new(),
        };
        lines.extend(self.errors.iter().take(NAMED_MAX).map(|error| self.line(error)));
        if let Some(more) = self.errors.len().checked_sub(NAMED_MAX).filter(|more| *more > 0) {
            lines.push((self.words.and_more)(more as u64));
        }
        lines.join("\n").trim_start().to_owned()
    }

    /// `• order-api · POST /pay · NullPointerException (47)`
    fn line(&self, error: &Alert) -> String {
        let attributes = &error.attributes;
        let request = text::line(&format!("{} {}", attributes.method, attributes.url), REQUEST_CHARS);
        let what = match self.spread() {
            // The cause is the same for all.
            Some(_) if !request.is_empty() => request,
            _ => text::line(&attributes.detail, REQUEST_CHARS),
        };
        let parts = [text::line(module(error), NAME_CHARS), what];
        let named: Vec<&str> = parts.iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
        let mark = match (is_fatal(error), error.new, &error.regression) {
            (true, ..) => "❗",
            (_, true, _) => "🆕",
            (.., Some(_)) => "🔁",
            _ => "•",
        };
        format!("{mark} {} ({})", named.join(" · "), (self.words.times)(error.occurrences))
    }

    fn fields(&self) -> Vec<Field> {
        let words = self.words;
        let digest = self.digest();
        let named: Vec<String> = match self.spread() {
            Some(spread) => {
                spread.named.iter().take(MODULES_MAX).map(|module| text::line(module, NAME_CHARS)).collect()
            }
            None => {
                let all: BTreeSet<&str> = self.errors.iter().map(module).collect();
                all.into_iter().take(MODULES_MAX).map(|module| text::line(module, NAME_CHARS)).collect()
            }
        };
        let modules = self.spread().map_or(digest.modules, |spread| spread.modules);
        let more = modules.saturating_sub(named.len() as u64);
        let more = if more > 0 { format!(", +{}", thousands(more)) } else { String::new() };
        let mut fields = Fields::default();
        fields.plain(words.modules, &format!("{}{more}", named.join(", ")));
        // Of a storm it would be said of these errors alone, beside how many there are in all.
        if self.spread().is_none() {
            fields.plain(words.occurrences, &(words.times)(self.errors.iter().map(|error| error.occurrences).sum()));
        }
        let owners: BTreeSet<&str> =
            self.errors.iter().filter_map(|error| Some(&*self.style.owner_of(error)?.name)).collect();
        let owners: Vec<&str> = owners.into_iter().take(MENTIONS_MAX).collect();
        fields.plain(words.owner, &owners.join(", "));
        let alerts = self.errors.iter().map(|error| u64::from(error.ordinal)).sum();
        let held_back = self.errors.iter().map(|error| error.suppressed()).sum();
        if self.of_closings() {
            fields.plain(words.alerts_sent, &(words.times)(alerts));
            fields.plain(words.held_back, &(words.times)(held_back));
        } else {
            let first = self.errors.iter().map(|error| error.window_opened_at).min().unwrap_or_default();
            let first = self.spread().map_or(first, |spread| spread.since);
            fields.plain(words.first_seen, &self.clock.at(first));
        }
        let last = self.errors.iter().map(|error| error.last_seen).max().unwrap_or_default();
        fields.plain(words.last_seen, &self.clock.at_with_zone(last));
        fields.0
    }

    /// Those who look after what was broken, each once, and together no longer than one of them may be. A list of addresses
    /// is written so as well.
    fn mention(&self) -> Option<String> {
        // Of an error with several alerts here the first may be among them.
        let first = self.delivery.told().filter(|alert| alert.kind == Kind::Alert && alert.ordinal <= 1);
        let called: BTreeSet<&str> =
            first.filter_map(|alert| self.style.owner_of(alert)?.mention(&self.style.channel)).collect();
        let mut left = MENTION_CHARS;
        let fits = |called: &&str| {
            let fits = called.chars().count() <= left;
            left = left.saturating_sub(called.chars().count() + 2);
            fits
        };
        let called: Vec<&str> = called.into_iter().take(MENTIONS_MAX).take_while(fits).collect();
        (!called.is_empty()).then(|| called.join(", "))
    }
}

fn module(error: &Alert) -> &str {
    match error.attributes.module.trim() {
        "" => &error.project,
        module => module,
    }
}
