//! How a rule changes a text: an edit at a place, written out lazily.
//!
//! Promises: a text that no rule changes stays borrowed; an edit never reaches behind what is already written, so one
//! pass is linear. Deliberately not here: any rule.

use std::borrow::Cow;
use std::cell::RefCell;
use std::ops::Range;
use std::thread::LocalKey;

use xxhash_rust::xxh3::xxh3_64;

use super::version::Version;
use crate::normalize::trail::Trail;

/// What comes in the place of a cut.
pub(super) enum Put {
    /// The cut text itself: the rule protects it from the rules after it.
    Same,
    /// Fixed text; empty to leave nothing.
    Text(&'static str),
    /// Fixed text and a part of the original.
    Part(&'static str, Range<usize>),
    /// What only the rule could compose.
    Composed(String),
}

/// A cut, and what comes in its place.
pub(super) struct Edit {
    pub(super) cut: Range<usize>,
    pub(super) put: Put,
}

impl Edit {
    pub(super) fn keep(cut: Range<usize>) -> Option<Edit> {
        Some(Edit { cut, put: Put::Same })
    }

    pub(super) fn drop(cut: Range<usize>) -> Option<Edit> {
        Some(Edit { cut, put: Put::Text("") })
    }

    pub(super) fn put(cut: Range<usize>, text: &'static str) -> Option<Edit> {
        Some(Edit { cut, put: Put::Text(text) })
    }
}

/// A text under rewriting.
pub(super) struct Rewrite<'t> {
    version: Version,
    text: &'t str,
    /// Everything before is written, or dropped.
    floor: usize,
    written: Option<String>,
}

impl<'t> Rewrite<'t> {
    pub(super) fn new(version: Version, text: &'t str) -> Rewrite<'t> {
        Rewrite { version, text, floor: 0, written: None }
    }

    /// Edits must not begin before this.
    pub(super) fn floor(&self) -> usize {
        self.floor
    }

    /// Carries out an edit and says where to read on. A value of the same kind as the one before it, with nothing but
    /// a separator between, melts into it: the length of a list is as accidental as its members.
    pub(super) fn apply(&mut self, edit: Edit, rule: &'static str, trail: &mut impl Trail) -> usize {
        let Range { start, end } = edit.cut;
        debug_assert!(self.floor <= start && start <= end);
        let from = &self.text[start..end];
        let put: Cow<'_, str> = match edit.put {
            Put::Same => {
                trail.applied(rule, from, from);
                return end;
            }
            Put::Text(text) => Cow::Borrowed(melted(self.version, text)),
            Put::Part("", part) => Cow::Borrowed(&self.text[part]),
            Put::Part(before, part) => Cow::Owned([before, &self.text[part]].concat()),
            Put::Composed(text) => Cow::Owned(text),
        };
        let pending = &self.text[self.floor..start];
        let separator = separator_of(self.version, pending, &put, self.written.as_deref());
        if separator.is_none() && put == from {
            return end;
        }
        let written = self.written.get_or_insert_with(|| String::with_capacity(self.text.len() + 16));
        match separator {
            Some(separator) => {
                trail.applied(rule, &self.text[start - separator..end], "");
                written.push_str(&pending[..pending.len() - separator]);
            }
            None => {
                trail.applied(rule, from, &put);
                written.push_str(pending);
                written.push_str(&put);
            }
        }
        self.floor = end;
        end
    }

    pub(super) fn finish(self) -> Cow<'t, str> {
        match self.written {
            None => Cow::Borrowed(self.text),
            Some(mut written) => {
                written.push_str(&self.text[self.floor..]);
                Cow::Owned(written)
            }
        }
    }
}

/// What stands for a value whose kind is an accident: a hash may happen to be all digits, an id of one release is a UUID
/// in the next.
pub(super) const ANY: &str = "<any>";

fn melted(version: Version, text: &'static str) -> &'static str {
    match text {
        "<num>" | "<hex>" | "<uuid>" | "<id>" | "<token>" if version >= Version::V2 => ANY,
        other => other,
    }
}

/// The length of the separator between a value and an equal one before it, when the two are one list.
fn separator_of(version: Version, pending: &str, put: &str, written: Option<&str>) -> Option<usize> {
    let placeholder = put == "?" || put.starts_with('<') && put.ends_with('>');
    if !placeholder {
        return None;
    }
    // A card number is written in groups with spaces; its mark is one value.
    let spaced = matches!(put, "<num>" | ANY) || version >= Version::V2 && matches!(put, "<time>" | "<duration>");
    let separators: &[&str] = if spaced { &[", ", ",", " "] } else { &[", ", ","] };
    let (separator, before) = separators.iter().find_map(|s| pending.strip_suffix(s).map(|before| (s, before)))?;
    let before = if before.is_empty() { written.unwrap_or("") } else { before };
    before.ends_with(put).then_some(separator.len())
}

/// How often a text is read again after a change. A cut can bring two halves of another rule's text together; three
/// rounds settle everything seen in practice, the bound keeps hostile input linear.
const ROUNDS: usize = 8;

/// Texts that a pass is known to leave alone, the latest ones of this thread. Occurrences of one error come out of
/// their first pass as the same text, and that the second finds nothing there need be seen once. Only whole texts are
/// compared, so nothing that was not seen is believed.
pub(super) struct Settled(RefCell<Vec<String>>);

impl Settled {
    const TEXTS: usize = 64;
    /// Longer ones are rare, and take their time anyway.
    const BYTES_MAX: usize = 512;

    pub(super) const fn new() -> Settled {
        Settled(RefCell::new(Vec::new()))
    }

    fn place(text: &str) -> usize {
        (xxh3_64(text.as_bytes()) as usize) % Settled::TEXTS
    }

    fn has(&self, text: &str) -> bool {
        self.0.borrow().get(Settled::place(text)).is_some_and(|known| known == text)
    }

    fn add(&self, text: &str) {
        if text.len() <= Settled::BYTES_MAX {
            let mut known = self.0.borrow_mut();
            known.resize_with(Settled::TEXTS, String::new);
            let place = &mut known[Settled::place(text)];
            place.clear();
            place.push_str(text);
        }
    }
}

/// Repeats a pass until it changes nothing, as far as that is not known of the text already.
pub(super) fn settle_knowing<'t>(
    version: Version,
    settled: &'static LocalKey<[Settled; Version::ALL.len()]>,
    text: &'t str,
    mut pass: impl FnMut(&str) -> Option<String>,
) -> Cow<'t, str> {
    settled.with(|settled| {
        let settled = &settled[version as usize];
        settle(text, |text| {
            if settled.has(text) {
                return None;
            }
            let changed = pass(text);
            if changed.is_none() {
                settled.add(text);
            }
            changed
        })
    })
}

/// Repeats a pass until it changes nothing.
pub(super) fn settle<'t>(text: &'t str, mut pass: impl FnMut(&str) -> Option<String>) -> Cow<'t, str> {
    let Some(mut changed) = pass(text) else { return Cow::Borrowed(text) };
    for _ in 1..ROUNDS {
        match pass(&changed) {
            Some(again) => changed = again,
            None => break,
        }
    }
    Cow::Owned(changed)
}

/// The text when the rewrite changed it.
pub(super) fn if_changed(rewrite: Rewrite<'_>) -> Option<String> {
    let before = rewrite.text;
    match rewrite.finish() {
        Cow::Owned(after) if after != before => Some(after),
        _ => None,
    }
}
