//! Identity: which events are the same error.
//!
//! Promises: a pure function of the rule set's version and the normalised attributes, the same on every machine and in
//! every release; attributes are length-prefixed, so no two different septuples can be written the same. Deliberately
//! not here: the rules (`normalize`); protection against forged collisions (the archive keeps the attributes).

mod compile;
mod explain;
mod learned;
mod merges;
mod own;
mod sameness;
mod shield;
mod spans;
mod suggest;

use std::borrow::Cow;
use std::cell::RefCell;

use xxhash_rust::xxh3::xxh3_128;

pub use explain::{Comparison, Difference, Explained, Explanation};
pub use suggest::Suggestion;

pub(crate) use explain::{compare, explain};

pub(crate) use merges::Merges;
pub(crate) use sameness::Sameness;

use crate::event::{Attributes, Event};
use crate::issue::{CauseKey, Fingerprint};
use crate::normalize::{self, Version};

/// What tells the kinds of identity apart before they are hashed.
#[derive(Clone, Copy)]
enum Kind {
    /// Of the seven attributes.
    Attributes = 1,
    /// Of the client's own parts.
    Client = 2,
    /// Of what one cause breaks, wherever it does.
    Cause = 3,
    /// Of a part of an error that the user split.
    Split = 4,
}

/// The identity of an event.
///
/// A client's own `fingerprint` replaces the seven, inside its module and environment: two services never share an issue
/// by an accident of words.
pub fn identify(event: &Event<'_>, normalized: &Attributes<'_>) -> Fingerprint {
    identify_as(Version::PRESENT, event, normalized)
}

/// The same, from attributes that an older rule set normalised: what an issue was known by before an upgrade.
pub fn identify_as(version: Version, event: &Event<'_>, normalized: &Attributes<'_>) -> Fingerprint {
    let all = normalized.each().map(|(_, value)| &**value);
    let default = hash(version, Kind::Attributes, all);
    let own = || {
        let default = format!("{default:032x}");
        let parts = event.fingerprint.iter().map(|part| if is_default(part) { default.as_str() } else { part });
        hash(version, Kind::Client, [&*normalized.module, &*normalized.environment].into_iter().chain(parts))
    };
    Fingerprint(match &event.fingerprint[..] {
        [] => default,
        [only] if is_default(only) => default,
        _ => own(),
    })
}

/// The coarser identity: the same for all that one cause breaks, in any module and environment.
///
/// It is what the root cause is and says. Where it was thrown is left out, because that is the application's own code, and
/// so another place in each module; but an error that says next to nothing is known by its place alone.
pub fn cause(event: &Event<'_>, normalized: &Attributes<'_>) -> CauseKey {
    let root = event.root().map_or(("", ""), |root| (&*root.kind, &*root.value));
    let said = match root {
        (_, value) if value.trim().is_empty() || value == event.attributes.detail => Cow::Borrowed(&*normalized.detail),
        (_, value) => normalize::said(value),
    };
    let place = if words(&said) < CAUSE_WORDS_MIN { &*normalized.location } else { "" };
    CauseKey(hash(Version::PRESENT, Kind::Cause, [&*normalized.category, root.0, &*said, place]))
}

/// Fewer words than these say no cause: `null`, `timeout`, `500`.
const CAUSE_WORDS_MIN: usize = 2;

/// Words of a text, without what stands for a value.
fn words(said: &str) -> usize {
    let is_word = |word: &&str| !word.starts_with('<') && word.chars().filter(|c| c.is_alphabetic()).count() >= 2;
    said.split_whitespace().filter(is_word).count()
}

/// Whether a part of a client's fingerprint stands for bongsu's own.
fn is_default(part: &str) -> bool {
    let inner = part.trim().strip_prefix("{{").and_then(|rest| rest.strip_suffix("}}"));
    inner.is_some_and(|inner| inner.trim() == "default")
}

/// What a thread's buffer keeps from one identity to the next.
const KEPT_BYTES_MAX: usize = 16 << 10;

thread_local! {
    static BYTES: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Each with its length before it, so that no two lists are written the same.
fn write_parts<'p>(bytes: &mut Vec<u8>, parts: impl IntoIterator<Item = &'p str>) {
    for part in parts {
        bytes.extend_from_slice(&(part.len() as u64).to_le_bytes());
        bytes.extend_from_slice(part.as_bytes());
    }
}

fn hash<'p>(version: Version, kind: Kind, parts: impl IntoIterator<Item = &'p str>) -> u128 {
    BYTES.with_borrow_mut(|bytes| {
        bytes.clear();
        bytes.extend_from_slice(&[version.number(), kind as u8]);
        write_parts(bytes, parts);
        let hash = xxh3_128(bytes);
        bytes.shrink_to(KEPT_BYTES_MAX);
        hash
    })
}

#[cfg(test)]
mod pairs;
#[cfg(test)]
mod tests;
