//! Path segments that turned out to be parameters: `/shop/red-shoes`, `/shop/blue-hat` …
//!
//! A slug and a static segment of several words look alike; only traffic tells them apart. When enough different values
//! were seen in one place (under one prefix, for one method and throw location of a module), hardly any of them twice, what
//! stands there is a parameter. The archive counts (`archive/segments.rs`), so that all servers learn the same; it is asked
//! only when an issue is new.
//!
//! Promises: a plain word is never taken for a value; free while nothing was learned. Deliberately not here: parameters
//! that can be told by their shape (`normalize/url.rs`).

use std::borrow::Cow;
use std::collections::HashSet;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock};

use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

use super::write_parts;
use crate::event::Attributes;
use crate::issue::{Place, Segment};
use crate::normalize::PARAMETER;

/// Parameters that one path can have learned.
const PARAMETERS_MAX: usize = 4;

/// The parameters, as the archive last told.
#[derive(Debug, Default)]
pub(super) struct Learned {
    any: AtomicBool,
    places: RwLock<HashSet<Place>>,
}

impl Learned {
    /// What was learned until now.
    pub(super) fn set(&self, places: HashSet<Place>) {
        let any = !places.is_empty();
        *self.places.write().unwrap_or_else(PoisonError::into_inner) = places;
        self.any.store(any, Ordering::Release);
    }

    /// What is learned now.
    pub(super) fn get(&self) -> HashSet<Place> {
        self.places.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts parameters into the path where that was learned. Answers the path there was, when it changed.
    pub(super) fn apply<'a>(&self, normalized: &mut Attributes<'a>) -> Option<Cow<'a, str>> {
        if !self.any.load(Ordering::Acquire) {
            return None;
        }
        let places = self.places.read().unwrap_or_else(PoisonError::into_inner);
        let mut before = None;
        for _ in 0..PARAMETERS_MAX {
            let Some((at, segment)) = first_candidate(normalized) else { break };
            if !places.contains(&segment.place) {
                break;
            }
            let path = [&normalized.url[..at.start], PARAMETER, &normalized.url[at.end..]].concat();
            let changed = std::mem::replace(&mut normalized.url, Cow::Owned(path));
            before.get_or_insert(changed);
        }
        before
    }
}

/// The segment that may be a parameter: the first behind the first one that is neither a parameter already nor a plain word.
pub(super) fn candidate(normalized: &Attributes<'_>) -> Option<Segment> {
    first_candidate(normalized).map(|(_, segment)| segment)
}

fn first_candidate(normalized: &Attributes<'_>) -> Option<(Range<usize>, Segment)> {
    let path: &str = &normalized.url;
    let mut start = 0;
    let mut segments = path.split('/').filter_map(|segment| {
        let at = start..start + segment.len();
        start = at.end + 1;
        (!segment.is_empty()).then_some(at)
    });
    segments.next()?;
    let at = segments.find(|at| may_vary(&path[at.clone()]))?;
    let mut bytes = Vec::with_capacity(256);
    write_parts(&mut bytes, [&*normalized.module, &*normalized.method, &*normalized.location, &path[..at.start]]);
    bytes.extend_from_slice(&(path.matches('/').count() as u64).to_le_bytes());
    let segment = Segment { place: Place(xxh3_128(&bytes)), value: xxh3_64(path[at.clone()].as_bytes()) };
    Some((at, segment))
}

/// Whether a segment can be a value: words that are joined, letters with digits, text that is not ASCII. Not a version.
fn may_vary(segment: &str) -> bool {
    let version = || {
        let digits = segment.trim_start_matches(['v', 'V']);
        digits.len() < segment.len() && digits.bytes().all(|b| b.is_ascii_digit() || b == b'.')
    };
    segment != PARAMETER
        && segment.bytes().any(|b| !b.is_ascii() || b.is_ascii_digit() || matches!(b, b'-' | b'_' | b'%'))
        && !version()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(url: &str) -> Attributes<'_> {
        Attributes { module: "shop".into(), location: "Shop.show".into(), url: url.into(), ..Attributes::default() }
    }

    #[test]
    fn only_what_may_be_a_value_is_a_candidate() {
        let value = |url: &str| {
            let attributes = at(url);
            first_candidate(&attributes).map(|(range, _)| attributes.url[range].to_owned())
        };
        for (url, expected) in [
            ("/shop/red-shoes", Some("red-shoes")),
            ("/shop/{id}/red-shoes/reviews", Some("red-shoes")),
            ("/shop/신발", Some("신발")),
            ("/red-shoes", None),
            ("/api/v2/orders", None),
            ("/api/v1.1/orders/{id}", None),
            ("/shop/shoes", None),
            ("", None),
        ] {
            assert_eq!(value(url).as_deref(), expected, "{url}");
        }
    }

    #[test]
    fn a_place_is_a_prefix_a_length_and_a_piece_of_code() {
        let place = |attributes: Attributes<'_>| candidate(&attributes).unwrap().place;
        let one = place(at("/shop/red-shoes/reviews"));
        assert_eq!(one, place(at("/shop/blue-hat/items")));
        assert_ne!(one, place(at("/shop/blue-hat")));
        assert_ne!(one, place(at("/mall/red-shoes/reviews")));
        assert_ne!(one, place(Attributes { location: "Shop.list".into(), ..at("/shop/red-shoes/reviews") }));
    }

    #[test]
    fn what_was_learned_becomes_a_parameter() {
        let learned = Learned::default();
        let mut attributes = at("/shop/red-shoes/size-42");
        assert_eq!(learned.apply(&mut attributes), None);
        let first = candidate(&attributes).unwrap().place;
        let second = candidate(&at("/shop/{id}/size-42")).unwrap().place;
        learned.set(HashSet::from([first]));
        assert_eq!(learned.apply(&mut attributes).as_deref(), Some("/shop/red-shoes/size-42"));
        assert_eq!(attributes.url, "/shop/{id}/size-42");
        learned.set(HashSet::from([first, second]));
        let mut attributes = at("/shop/blue-hat/size-43");
        learned.apply(&mut attributes);
        assert_eq!(attributes.url, "/shop/{id}/{id}");
    }
}
