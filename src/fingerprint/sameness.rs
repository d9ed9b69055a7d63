//! Sameness as a server decides it: the rules, and what its configuration adds to them.
//!
//! Promises: one answer for an event, whoever asks: the river, the explanation, the preview. Deliberately not here: the
//! rules themselves (`normalize`), the hash (`fingerprint`).

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use super::compile;
use super::learned::{self, Learned};
use super::own::{By, Outcome, Own};
use super::{Kind, cause, hash, identify, identify_as};
use crate::config;
use crate::event::{Attributes, Event};
use crate::issue::{CauseKey, Fingerprint, Former, Place, Rules};
use crate::normalize::location::of_frames_as;
use crate::normalize::{self, Applied, Version};

/// The rules that tell errors apart.
#[derive(Debug)]
pub(crate) struct Sameness {
    /// The oldest version that stored issues may go by.
    oldest: AtomicU8,
    /// Path segments that are parameters.
    learned: Learned,
    /// What the user adds.
    own: Option<Box<Own>>,
    /// The same as it was written.
    configured: config::Sameness,
}

impl Default for Sameness {
    fn default() -> Sameness {
        Sameness {
            oldest: AtomicU8::new(normalize::VERSION),
            learned: Learned::default(),
            own: None,
            configured: config::Sameness::default(),
        }
    }
}

/// An event as it is compared.
pub(crate) struct Compared<'a> {
    /// The seven.
    pub(crate) normalized: Attributes<'a>,
    /// Its identity.
    pub(crate) fingerprint: Fingerprint,
}

impl Sameness {
    /// The built-in rules and the user's own.
    ///
    /// # Errors
    /// What is wrong with the user's, a line each.
    pub(crate) fn new(configured: &config::Sameness) -> Result<Sameness, String> {
        Ok(Sameness { own: compile::own(configured)?, configured: configured.clone(), ..Sameness::default() })
    }

    /// What the user adds, as it was written.
    pub(super) fn configured(&self) -> &config::Sameness {
        &self.configured
    }

    /// What was learned, with other rules of the user's.
    ///
    /// # Errors
    /// What is wrong with them.
    pub(crate) fn with(&self, configured: &config::Sameness) -> Result<Sameness, String> {
        let other = Sameness::new(configured)?;
        other.learned.set(self.learned.get());
        other.remember(self.oldest.load(Ordering::Acquire));
        Ok(other)
    }

    /// What the user splits errors by.
    pub(super) fn splits(&self) -> impl Iterator<Item = &By> {
        self.own.iter().flat_map(|own| own.splits.values().flatten())
    }

    /// The identity of an event.
    pub(crate) fn identify(&self, event: &Event<'_>) -> Fingerprint {
        match &self.own {
            None => identify(event, &self.built_in(event)),
            Some(own) => self.by_own(own, event, None).fingerprint,
        }
    }

    /// The seven as they are compared.
    pub(crate) fn normalize<'a>(&self, event: &'a Event<'_>) -> Attributes<'a> {
        match &self.own {
            None => self.built_in(event),
            Some(own) => self.by_own(own, event, None).normalized,
        }
    }

    /// The identity of what caused it.
    pub(crate) fn cause(&self, event: &Event<'_>) -> CauseKey {
        cause(event, &self.normalize(event))
    }

    /// All of it, with every change that a rule made, in order.
    pub(crate) fn trace(&self, event: &Event<'_>) -> (Compared<'static>, Vec<Applied>) {
        let mut changes = Vec::new();
        let compared = match &self.own {
            Some(own) => self.by_own(own, event, Some(&mut changes)),
            None => {
                let (normalized, told) = self.built_in_told(event, false);
                changes = told;
                Compared { fingerprint: identify(event, &normalized), normalized }
            }
        };
        (compared, changes)
    }

    fn built_in<'a>(&self, event: &'a Event<'_>) -> Attributes<'a> {
        let mut normalized = normalize::normalize(event);
        self.learned.apply(&mut normalized);
        normalized
    }

    fn built_in_told(&self, event: &Event<'_>, is_route: bool) -> (Attributes<'static>, Vec<Applied>) {
        let (mut normalized, mut changes) = normalize::normalize_traced(event);
        if !is_route && let Some(path) = self.learned.apply(&mut normalized) {
            changes.push(Applied {
                attribute: "url",
                rule: "learned-parameter".into(),
                from: path.into_owned(),
                to: normalized.url.to_string(),
            });
        }
        (normalized.into_owned(), changes)
    }

    fn by_own(&self, own: &Own, event: &Event<'_>, told: Option<&mut Vec<Applied>>) -> Compared<'static> {
        let traced = told.is_some();
        let built_in = |event: &Event<'_>, is_route: bool| match (traced, is_route) {
            (true, _) => self.built_in_told(event, is_route),
            (false, true) => (normalize::normalize(event).into_owned(), Vec::new()),
            (false, false) => (self.built_in(event).into_owned(), Vec::new()),
        };
        let Outcome { normalized, whole } = own.normalize(event, built_in, told);
        let fingerprint = own.final_name(identify(event, &normalized), |one, by| split(one, by, event, &whole));
        Compared { normalized, fingerprint }
    }

    /// From now on, these path segments are parameters.
    pub(crate) fn learn(&self, places: HashSet<Place>) {
        self.learned.set(places);
    }

    /// From now on, issues are looked for under the names that rules from this version on gave them.
    pub(crate) fn remember(&self, oldest: u8) {
        self.oldest.store(oldest, Ordering::Release);
    }

    /// The identities that the event had before, the latest first: without the user's own rules, before parameters were
    /// learned, under older rule sets. Another server may go by what the user has not told it yet, or not learned yet.
    pub(crate) fn formers(&self, event: &Event<'_>) -> Vec<Former> {
        let oldest = self.oldest.load(Ordering::Acquire);
        let before = Version::ALL.into_iter().rev().filter(|v| *v != Version::PRESENT && v.number() >= oldest);
        let name = |version| {
            let event = &as_read(version, event);
            identify_as(version, event, &normalize::normalize_as(version, event))
        };
        let mut formers: Vec<Former> = Vec::new();
        if self.own.is_some() {
            let (now, without) = (self.identify(event), identify(event, &self.built_in(event)));
            formers.extend((without != now).then_some(Former::Merged(without)));
        }
        formers.extend(self.unlearned(event).map(Former::Merged));
        formers.extend(before.map(|version| Former::Renamed(name(version))));
        formers
    }

    /// The identity that the event had before anything was learned, when that changed it.
    fn unlearned(&self, event: &Event<'_>) -> Option<Fingerprint> {
        let mut normalized = normalize::normalize(event);
        let path = self.learned.apply(&mut normalized)?;
        Some(identify(event, &Attributes { url: path, ..normalized }))
    }

    /// For whoever stores issues.
    pub(crate) fn rules(self: Arc<Self>) -> Arc<Rules> {
        let (former, varying) = (Arc::clone(&self), Arc::clone(&self));
        Arc::new(Rules {
            version: normalize::VERSION,
            normalize: Box::new(move |event| self.normalize(event)),
            cause,
            formers: Box::new(move |event| former.formers(event)),
            segment: Box::new(move |event| learned::candidate(&varying.normalize(event))),
        })
    }
}

/// The event as it was read under an older rule set: a location that was taken from its frames is taken by those rules.
fn as_read<'a>(version: Version, event: &'a Event<'a>) -> Cow<'a, Event<'a>> {
    let Some(root) = event.root() else { return Cow::Borrowed(event) };
    let (now, then) = (of_frames_as(Version::PRESENT, &root.frames), of_frames_as(version, &root.frames));
    if now == then || now.as_deref() != Some(&*event.attributes.location) {
        return Cow::Borrowed(event);
    }
    let mut event = event.clone();
    event.attributes.location = then.unwrap_or_default().into();
    Cow::Owned(event)
}

/// The part of a split error that the event belongs to.
fn split(one: Fingerprint, by: &[By], event: &Event<'_>, whole: &Attributes<'_>) -> Fingerprint {
    let name = one.to_string();
    let values = by.iter().map(|by| by.value(event, whole));
    Fingerprint(hash(Version::PRESENT, Kind::Split, [name.as_str()].into_iter().chain(values)))
}
