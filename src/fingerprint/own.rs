//! What the user adds to the rules of sameness: `[sameness]` of the configuration.
//!
//! What happens to an event, in this order:
//!
//! 1. *routes*: a request path that matches a pattern is that route; nothing else looks at the URL. The first one wins.
//! 2. *masks* on detail (or the log template that stands for it) and url, in the order in which they are written: before
//!    the built-in rules, which would otherwise have changed the text that the pattern was written for.
//! 3. *protect*: what matches in detail, url or location is hidden from the built-in rules and put back after them. In a
//!    path the whole segment is.
//! 4. The built-in rules, and parameters learned from traffic.
//! 5. *masks* on the other five: after the built-in rules. A location may be made of the frames by them, and generated
//!    names are out of it then; the pattern is written for what an explanation shows.
//! 6. *ignore*: the attribute is empty.
//! 7. The client's own fingerprint, when it sent one, stands for what is left of the seven but module and environment.
//! 8. *merge*, then *split*, then *merge* again (of what a split made).
//!
//! Promises: nothing of it costs anything when it is not configured; everything that cannot work is refused with its place;
//! expressions are linear in the text, and their size is bounded. Deliberately not here: the built-in rules.

use std::borrow::Cow;
use std::collections::HashMap;

use regex::{Captures, Regex};

use super::shield;
use crate::event::{Attributes, Event};
use crate::issue::Fingerprint;
use crate::matching::{Matchers, same_tag};
use crate::normalize::Applied;

/// The positions of the seven in [`Attributes::each`].
pub(super) const SEVEN: [&str; 7] = ["category", "module", "environment", "url", "method", "location", "detail"];
const URL: usize = 3;
const LOCATION: usize = 5;
const DETAIL: usize = 6;

/// The user's rules, compiled.
#[derive(Debug)]
pub(super) struct Own {
    pub(super) ignore: Ignored,
    pub(super) routes: Vec<Route>,
    pub(super) rules: Vec<(Matchers, Ignored)>,
    pub(super) masks: Vec<Mask>,
    pub(super) protects: Vec<Protect>,
    pub(super) merges: HashMap<Fingerprint, Fingerprint>,
    pub(super) splits: HashMap<Fingerprint, Vec<By>>,
}

/// Attributes that do not count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Ignored(pub(super) [bool; 7]);

/// A request path that is one route.
#[derive(Debug)]
pub(super) struct Route {
    /// As written, for people.
    pub(super) pattern: String,
    /// `None` where anything stands.
    pub(super) segments: Vec<Option<String>>,
    /// What is compared.
    pub(super) normalized: String,
}

/// What is replaced.
#[derive(Debug)]
pub(super) struct Mask {
    pub(super) name: String,
    pub(super) matchers: Matchers,
    pub(super) attribute: usize,
    pub(super) regex: Regex,
    pub(super) put: String,
}

/// What is never replaced.
#[derive(Debug)]
pub(super) struct Protect {
    pub(super) name: String,
    pub(super) matchers: Matchers,
    pub(super) attribute: usize,
    pub(super) regex: Regex,
}

/// What tells the parts of a split error from each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum By {
    Attribute(usize),
    Tag(String),
    Release,
    Server,
    User,
    Level,
    ExceptionType,
}

/// What the rules did, when somebody asks.
pub(super) type Changes<'c> = Option<&'c mut Vec<Applied>>;

/// What comes out of the rules.
pub(super) struct Outcome<'a> {
    pub(super) normalized: Attributes<'a>,
    /// Before anything was ignored: what splits go by.
    pub(super) whole: Attributes<'a>,
}

impl Own {
    /// The seven as they are compared.
    pub(super) fn normalize(
        &self,
        event: &Event<'_>,
        built_in: impl Fn(&Event<'_>, bool) -> (Attributes<'static>, Vec<Applied>),
        changes: Changes<'_>,
    ) -> Outcome<'static> {
        let route = self.route(&event.attributes.url);
        let (mut hidden, before) = self.before(event, route.is_some());
        let kept = shield::hide(&mut hidden, self.protects(event));
        let (mut normalized, built) = built_in(&hidden, route.is_some());
        shield::put_back(&kept, &mut normalized, text_of_detail(&mut hidden), |text| {
            let piece = Event {
                attributes: Attributes { detail: text.to_owned().into(), ..Attributes::default() },
                ..Event::default()
            };
            built_in(&piece, true).0.detail.into_owned()
        });
        if let Some((_, route)) = &route {
            normalized.url = Cow::Owned(route.normalized.clone());
        }
        let mut after = Vec::new();
        self.after(event, &mut normalized, &mut after);
        let whole = normalized.clone();
        let ignored = self.ignored(event);
        let places = ignored.0.iter().zip(SEVEN).filter(|(ignored, _)| **ignored).map(|(_, name)| name);
        for attribute in places.clone() {
            set(&mut normalized, attribute, String::new());
        }
        if let Some(changes) = changes {
            if let Some((nth, route)) = &route {
                let rule = format!("own route {} ({})", nth + 1, route.pattern);
                changes.push(applied("url", rule, &event.attributes.url, &route.normalized));
            }
            changes.extend(before);
            changes.extend(kept.told());
            changes.extend(built.into_iter().map(|one| kept.readable(one)));
            changes.extend(after);
            for attribute in places {
                let was = whole.get(attribute).map_or("", |text| text);
                changes.push(applied(attribute, "own ignore".to_owned(), was, ""));
            }
        }
        Outcome { normalized, whole }
    }

    /// What another identity this one is, and what it is split by.
    pub(super) fn final_name(
        &self,
        fingerprint: Fingerprint,
        split: impl FnOnce(Fingerprint, &[By]) -> Fingerprint,
    ) -> Fingerprint {
        let merged = |one: Fingerprint| self.merges.get(&one).copied().unwrap_or(one);
        let one = merged(fingerprint);
        match self.splits.get(&one) {
            Some(by) => merged(split(one, by)),
            None => one,
        }
    }

    fn route(&self, url: &str) -> Option<(usize, &Route)> {
        if self.routes.is_empty() {
            return None;
        }
        let path = path_of(url).split('/').map(|segment| segment.split(';').next().unwrap_or_default().trim());
        let path: Vec<&str> = path.filter(|segment| !segment.is_empty()).collect();
        self.routes.iter().enumerate().find(|(_, route)| route.matches(&path))
    }

    fn protects<'s, 'e: 's>(&'s self, event: &'e Event<'_>) -> impl Iterator<Item = (usize, &'s str, &'s Regex)> {
        let of = |one: &'s Protect| (one.attribute, one.name.as_str(), &one.regex);
        self.protects.iter().filter(|one| one.matchers.matches(event, "")).map(of)
    }

    /// Masks that come before the built-in rules.
    fn before<'e>(&self, event: &'e Event<'_>, is_route: bool) -> (Event<'e>, Vec<Applied>) {
        let mut masked = lent(event);
        if is_route {
            masked.attributes.url = Cow::Borrowed("");
        }
        let mut changes = Vec::new();
        for mask in self.masks.iter().filter(|mask| mask.is_before() && mask.matchers.matches(event, "")) {
            match mask.attribute {
                URL if !is_route => mask.apply(&mut masked.attributes.url, &mut changes),
                DETAIL => mask.apply(text_of_detail(&mut masked), &mut changes),
                _ => {}
            }
        }
        (masked, changes)
    }

    /// Masks that come after the built-in rules.
    fn after(&self, event: &Event<'_>, normalized: &mut Attributes<'static>, changes: &mut Vec<Applied>) {
        for mask in self.masks.iter().filter(|mask| !mask.is_before() && mask.matchers.matches(event, "")) {
            let mut text = Cow::Owned(normalized.each()[mask.attribute].1.to_string());
            mask.apply(&mut text, changes);
            set(normalized, SEVEN[mask.attribute], text.into_owned());
        }
    }

    fn ignored(&self, event: &Event<'_>) -> Ignored {
        let mut all = self.ignore;
        if let Some((_, more)) = self.rules.iter().find(|(matchers, _)| matchers.matches(event, "")) {
            all.0.iter_mut().zip(more.0).for_each(|(one, more)| *one |= more);
        }
        all
    }
}

impl Route {
    fn matches(&self, path: &[&str]) -> bool {
        let one = |(wanted, segment): (&Option<String>, &&str)| wanted.as_ref().is_none_or(|wanted| wanted == segment);
        self.segments.len() == path.len() && self.segments.iter().zip(path).all(one)
    }
}

impl Mask {
    fn is_before(&self) -> bool {
        matches!(self.attribute, URL | DETAIL)
    }

    fn apply(&self, text: &mut Cow<'_, str>, changes: &mut Vec<Applied>) {
        let replaced = self.regex.replace_all(text, |found: &Captures<'_>| {
            let mut put = String::new();
            found.expand(&self.put, &mut put);
            changes.push(applied(SEVEN[self.attribute], self.name.clone(), &found[0], &put));
            put
        });
        if let Cow::Owned(replaced) = replaced {
            *text = Cow::Owned(replaced);
        }
    }
}

impl By {
    /// As it is written.
    pub(super) fn name(&self) -> String {
        match self {
            By::Attribute(at) => SEVEN[*at].to_owned(),
            By::Tag(name) => format!("tags.{name}"),
            By::Release => "release".to_owned(),
            By::Server => "server".to_owned(),
            By::User => "user".to_owned(),
            By::Level => "level".to_owned(),
            By::ExceptionType => "exception.type".to_owned(),
        }
    }

    /// What the event has there.
    pub(super) fn value<'v>(&self, event: &'v Event<'_>, whole: &'v Attributes<'_>) -> &'v str {
        match self {
            By::Attribute(at) => whole.each()[*at].1,
            By::Tag(name) => event.tags.iter().find(|(tag, _)| same_tag(tag, name)).map_or("", |(_, value)| value),
            By::Release => event.release.as_deref().unwrap_or(""),
            By::Server => event.server.as_deref().unwrap_or(""),
            By::User => event.user.as_deref().unwrap_or(""),
            By::Level => event.level.as_str(),
            By::ExceptionType => event.root().map_or("", |root| &root.kind),
        }
    }
}

/// The text that detail is made of: a log template, when there is one.
pub(super) fn text_of_detail<'s, 'e>(event: &'s mut Event<'e>) -> &'s mut Cow<'e, str> {
    match &mut event.template {
        Some(template) if !template.trim().is_empty() => template,
        _ => &mut event.attributes.detail,
    }
}

/// The same event, borrowed: what the built-in rules read of it.
fn lent<'e>(event: &'e Event<'_>) -> Event<'e> {
    let [category, module, environment, url, method, location, detail] =
        event.attributes.each().map(|(_, text)| Cow::Borrowed(&**text));
    Event {
        attributes: Attributes { category, module, environment, url, method, location, detail },
        exceptions: event.exceptions.clone(),
        template: event.template.as_deref().map(Cow::Borrowed),
        ..Event::default()
    }
}

/// Without scheme, host, query and fragment.
pub(super) fn path_of(url: &str) -> &str {
    let url = url.trim();
    let after = url.split_once("://").map_or(url, |(_, rest)| rest.find('/').map_or("/", |at| &rest[at..]));
    after.split(['?', '#']).next().unwrap_or("")
}

pub(super) fn set(attributes: &mut Attributes<'static>, name: &str, text: String) {
    let place = match name {
        "category" => &mut attributes.category,
        "module" => &mut attributes.module,
        "environment" => &mut attributes.environment,
        "url" => &mut attributes.url,
        "method" => &mut attributes.method,
        "location" => &mut attributes.location,
        _ => &mut attributes.detail,
    };
    *place = Cow::Owned(text);
}

pub(super) fn applied(attribute: &'static str, rule: String, from: &str, to: &str) -> Applied {
    Applied { attribute, rule: rule.into(), from: from.to_owned(), to: to.to_owned() }
}

/// Whether what is protected may lie in this attribute.
pub(super) fn can_be_protected(attribute: usize) -> bool {
    matches!(attribute, URL | LOCATION | DETAIL)
}
