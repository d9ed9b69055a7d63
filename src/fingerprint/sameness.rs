//! Sameness as a server decides it: the rules, and what its configuration adds to them.
//!
//! Promises: one answer for an event, whoever asks: the river, the explanation, the preview. Deliberately not here: the
//! rules themselves (`normalize`), the hash (`fingerprint`).

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use super::learned::{self, Learned};
use super::{identify, identify_as};
use crate::event::{Attributes, Event};
use crate::issue::{CauseKey, Fingerprint, Former, Place, Rules};
use crate::normalize::{self, Version};

/// The rules that tell errors apart.
#[derive(Debug)]
pub(crate) struct Sameness {
    /// The oldest version that stored issues may go by.
    oldest: AtomicU8,
    /// Path segments that are parameters.
    learned: Learned,
}

impl Default for Sameness {
    fn default() -> Sameness {
        Sameness { oldest: AtomicU8::new(normalize::VERSION), learned: Learned::default() }
    }
}

impl Sameness {
    /// The identity of an event, and the coarser one of its cause.
    pub(crate) fn identify(&self, event: &Event<'_>) -> (Fingerprint, CauseKey) {
        identify(event, &self.normalize(event))
    }

    /// The seven as they are compared.
    pub(crate) fn normalize<'a>(&self, event: &'a Event<'_>) -> Attributes<'a> {
        let mut normalized = normalize::normalize(event);
        self.learned.apply(&mut normalized);
        normalized
    }

    /// From now on, these path segments are parameters.
    pub(crate) fn learn(&self, places: HashSet<Place>) {
        self.learned.set(places);
    }

    /// From now on, issues are looked for under the names that rules from this version on gave them.
    pub(crate) fn remember(&self, oldest: u8) {
        self.oldest.store(oldest, Ordering::Release);
    }

    /// The identities that the event had under the rules before these, the latest first.
    fn formers(&self, event: &Event<'_>) -> Vec<Former> {
        let oldest = self.oldest.load(Ordering::Acquire);
        let before = Version::ALL.into_iter().rev().filter(|v| *v != Version::PRESENT && v.number() >= oldest);
        let name = |version| identify_as(version, event, &normalize::normalize_as(version, event)).0;
        let mut formers: Vec<Former> = self.unlearned(event).into_iter().map(Former::Merged).collect();
        formers.extend(before.map(|version| Former::Renamed(name(version))));
        formers
    }

    /// The identity that the event had before anything was learned, when that changed it. Another server may not have
    /// learned it yet.
    fn unlearned(&self, event: &Event<'_>) -> Option<Fingerprint> {
        let mut normalized = normalize::normalize(event);
        let path = self.learned.apply(&mut normalized)?;
        Some(identify(event, &Attributes { url: path, ..normalized }).0)
    }

    /// For whoever stores issues.
    pub(crate) fn rules(self: Arc<Self>) -> Arc<Rules> {
        let (former, varying) = (Arc::clone(&self), Arc::clone(&self));
        Arc::new(Rules {
            version: normalize::VERSION,
            normalize: Box::new(move |event| self.normalize(event)),
            formers: Box::new(move |event| former.formers(event)),
            segment: Box::new(move |event| learned::candidate(&varying.normalize(event))),
        })
    }
}
