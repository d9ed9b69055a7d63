//! Messages: values go, words stay.
//!
//! Promises: one pass over byte classes, no regular expressions; a place is shown first to the rows that protect what
//! discriminates (codes, statuses, names with digits), then to the rows that mask. Text between digits, in any script,
//! stays. Deliberately not here: learning templates from traffic.

mod bodies;
mod codes;
mod context;
mod echoes;
mod korean;
mod labels;
mod paths;
mod quoted;
mod site;
mod table;
mod times;
mod values;

use std::borrow::Cow;

use super::rewrite::{Edit, Rewrite, Settled, if_changed, settle_knowing};
use super::rows::Rows;
use super::version::{Version, Versions};
use super::{names, plain, url};
use crate::normalize::trail::Trail;
use site::{CLASS, Class, Shape, Site, Word};
#[cfg(test)]
pub(super) use table::RULES as TABLE;
use table::RULES;

/// Whether a row protects or masks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It discriminates: shown as it is.
    Keep,
    /// It varies: a placeholder, or a shorter form, comes in its place.
    Mask,
}

/// Where a row is asked.
#[derive(Clone, Copy)]
enum On {
    /// At one of these bytes.
    Byte(&'static [u8]),
    /// At a word of one of these shapes, whatever follows.
    Word(&'static [Shape]),
    /// At a word of one of these shapes that is long.
    LongWord(&'static [Shape]),
    /// At a word of one of these shapes, when one of these bytes follows it.
    WordBefore(&'static [Shape], &'static [u8]),
}

/// One rule of this kind.
pub(super) struct Rule {
    /// What `explain` prints.
    pub(super) name: &'static str,
    /// Whether it protects or masks.
    #[cfg_attr(not(test), expect(dead_code, reason = "a test holds it to the example, people read it"))]
    pub(super) kind: Kind,
    on: On,
    find: fn(&Site<'_>) -> Option<Edit>,
    /// The rule sets it is part of.
    pub(super) versions: Versions,
    /// Before and after.
    #[cfg_attr(not(test), expect(dead_code, reason = "a test runs it, people read it"))]
    pub(super) example: (&'static str, &'static str),
}

impl Rule {
    const fn since(mut self, version: Version) -> Rule {
        self.versions = self.versions.since(version);
        self
    }

    const fn until(mut self, version: Version) -> Rule {
        self.versions = self.versions.until(version);
        self
    }
}

const WIDTH: usize = RULES.len().div_ceil(64);

/// The rows to ask at a byte that is not a word's, by version.
static AT_BYTE: [[Rows<WIDTH>; 256]; Version::ALL.len()] = {
    let mut all = [[Rows::NONE; 256]; Version::ALL.len()];
    let mut v = 0;
    while v < all.len() {
        let mut i = 0;
        while i < RULES.len() {
            if let On::Byte(bytes) = RULES[i].on
                && RULES[i].versions.has(Version::ALL[v])
            {
                let mut b = 0;
                while b < bytes.len() {
                    all[v][bytes[b] as usize].add(i);
                    b += 1;
                }
            }
            i += 1;
        }
        v += 1;
    }
    all
};

/// The rows to ask at a word of a shape, by version.
static AT_SHAPE: [[Rows<WIDTH>; Shape::COUNT]; Version::ALL.len()] = {
    let mut all = [[Rows::NONE; Shape::COUNT]; Version::ALL.len()];
    let mut v = 0;
    while v < all.len() {
        let mut i = 0;
        while i < RULES.len() {
            if let On::Word(shapes) | On::LongWord(shapes) | On::WordBefore(shapes, _) = RULES[i].on
                && RULES[i].versions.has(Version::ALL[v])
            {
                let mut s = 0;
                while s < shapes.len() {
                    all[v][shapes[s] as usize].add(i);
                    s += 1;
                }
            }
            i += 1;
        }
        v += 1;
    }
    all
};

/// From how many bytes on a word is long.
const LONG: usize = 8;

/// The rows that a word of less does not rule out.
static AT_SHORT: Rows<WIDTH> = {
    let mut rows = Rows::NONE;
    let mut i = 0;
    while i < RULES.len() {
        if !matches!(RULES[i].on, On::LongWord(_)) {
            rows.add(i);
        }
        i += 1;
    }
    rows
};

/// The rows that a following byte does not rule out.
static BEFORE_BYTE: [Rows<WIDTH>; 256] = {
    let mut rows = [Rows::NONE; 256];
    let mut i = 0;
    while i < RULES.len() {
        match RULES[i].on {
            On::Byte(_) => {}
            On::Word(_) | On::LongWord(_) => {
                let mut b = 0;
                while b < 256 {
                    rows[b].add(i);
                    b += 1;
                }
            }
            On::WordBefore(_, bytes) => {
                let mut b = 0;
                while b < bytes.len() {
                    rows[bytes[b] as usize].add(i);
                    b += 1;
                }
            }
        }
        i += 1;
    }
    rows
};

thread_local! {
    /// By version.
    static SETTLED: [Settled; Version::ALL.len()] = const { [Settled::new(), Settled::new()] };
}

/// A message without its values.
pub(super) fn masked<'t>(version: Version, text: &'t str, trail: &mut impl Trail) -> Cow<'t, str> {
    let spaced = plain::collapsed(text, trail);
    let masked = then(spaced, |text| settle_knowing(version, &SETTLED, text, |text| round(version, text, trail)));
    // What was cut may leave two spaces where there was one.
    let mut text = match masked {
        Cow::Owned(text) => text,
        borrowed => return borrowed,
    };
    for _ in 0..ROUNDS {
        let Cow::Owned(collapsed) = own_if_shorter(plain::collapsed(&text, trail), text.len()) else { break };
        text = collapsed;
        // Since the second rule set what has come together is read once more.
        if version < Version::V2 {
            break;
        }
        if let Cow::Owned(again) = settle_knowing(version, &SETTLED, &text, |text| round(version, text, trail)) {
            text = again;
        }
    }
    Cow::Owned(text)
}

/// How often a text is collapsed and read again, so that hostile input stays linear.
const ROUNDS: usize = 4;

/// A trimmed text is borrowed, too.
fn own_if_shorter(text: Cow<'_, str>, whole: usize) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(part) if part.len() < whole => Cow::Owned(part.to_owned()),
        other => other,
    }
}

/// The next step, borrowed from the text itself while nothing has changed.
fn then<'t>(text: Cow<'t, str>, mut step: impl FnMut(&str) -> Cow<'_, str>) -> Cow<'t, str> {
    let changed = match step(&text) {
        Cow::Owned(changed) => Some(changed),
        Cow::Borrowed(same) => (same.len() != text.len()).then(|| same.to_owned()),
    };
    changed.map_or(text, Cow::Owned)
}

/// Names first: what a proxy put behind a class would look like a value.
fn round(version: Version, text: &str, trail: &mut impl Trail) -> Option<String> {
    match names::plain_in_message(version, text, trail) {
        Cow::Borrowed(text) => pass(version, text, trail),
        Cow::Owned(named) => Some(pass(version, &named, trail).unwrap_or(named)),
    }
}

fn pass(version: Version, text: &str, trail: &mut impl Trail) -> Option<String> {
    let mut rewrite = Rewrite::new(version, text);
    let mut site = Site::new(version, text);
    let (at_byte, at_shape) = (&AT_BYTE[version as usize], &AT_SHAPE[version as usize]);
    let bytes = text.as_bytes();
    while site.at < bytes.len() {
        let byte = bytes[site.at];
        let rows = if CLASS[byte as usize] == Class::Word {
            site.word = Word::read(bytes, site.at);
            let next = bytes.get(site.word.end).copied().unwrap_or(0);
            let rows = at_shape[site.word.shape as usize].and(&BEFORE_BYTE[next as usize]);
            if site.word.len() < LONG { rows.and(&AT_SHORT) } else { rows }
        } else {
            site.word = Word::none(site.at);
            at_byte[byte as usize]
        };
        site.floor = rewrite.floor();
        let past = site.word.end.max(site.at + 1);
        site.at = match first(&site, rows) {
            Some((rule, edit)) => rewrite.apply(edit, rule, trail).max(site.at + 1),
            None => past,
        };
    }
    if_changed(rewrite)
}

fn first(site: &Site<'_>, rows: Rows<WIDTH>) -> Option<(&'static str, Edit)> {
    for row in rows {
        let rule = &RULES[row];
        if let Some(edit) = (rule.find)(site) {
            return Some((rule.name, edit));
        }
    }
    None
}
