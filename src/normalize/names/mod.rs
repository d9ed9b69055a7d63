//! Class, function and file names as runtimes write them: what a compiler, a proxy or a deployment put there goes, what
//! a programmer wrote stays.
//!
//! Promises: every rule is a row with a marker, the fixed text it is recognised by; one table look-up a byte finds the
//! rows to ask. Digits that no row speaks of (`Step1Processor`, `convert2`) are never touched. Deliberately not here:
//! which frame is the throw location (`location`).

mod find;
mod jvm;
mod native;
mod script;
mod table;

use std::borrow::Cow;

use super::rewrite::{Edit, Rewrite, Settled, if_changed, settle, settle_knowing};
use super::rows::Rows;
use super::version::{Version, Versions};
use crate::normalize::trail::Trail;
#[cfg(test)]
pub(super) use table::RULES as TABLE;
use table::RULES;

/// One rule of this kind.
pub(super) struct Rule {
    /// What `explain` prints.
    pub(super) name: &'static str,
    /// The text it is recognised by.
    marker: &'static str,
    /// What to cut around the marker; `None` when it only looked like it.
    find: fn(&Site<'_>) -> Option<Edit>,
    /// What must follow a marker of one byte; longer ones speak for themselves.
    then: Then,
    /// Whether it also holds for names inside a message.
    anywhere: bool,
    /// The rule sets it is part of.
    pub(super) versions: Versions,
    /// Before and after.
    #[cfg_attr(not(test), expect(dead_code, reason = "a test runs it, people read it"))]
    pub(super) example: (&'static str, &'static str),
}

/// What may follow a marker of one byte.
#[derive(Clone, Copy)]
enum Then {
    Any,
    Digit,
    Hex,
}

impl Then {
    const fn may_be(self, byte: usize) -> bool {
        let byte = byte as u8;
        match self {
            Then::Any => true,
            Then::Digit => byte.is_ascii_digit(),
            Then::Hex => byte.is_ascii_hexdigit(),
        }
    }
}

impl Rule {
    /// A piece of text for tests.
    #[cfg(test)]
    pub(super) fn marker_for_tests(&self) -> &'static str {
        self.marker
    }

    const fn then(mut self, then: Then) -> Rule {
        self.then = then;
        self
    }

    const fn since(mut self, version: Version) -> Rule {
        self.versions = self.versions.since(version);
        self
    }

    const fn until(mut self, version: Version) -> Rule {
        self.versions = self.versions.until(version);
        self
    }
}

/// A place where a marker was found.
struct Site<'t> {
    text: &'t str,
    /// Cuts must not begin before.
    floor: usize,
    /// Where the marker begins.
    at: usize,
    /// Where it ends.
    end: usize,
}

const WIDTH: usize = RULES.len().div_ceil(64);

/// For each first byte of a marker, the rows it may be.
type First = [Rows<WIDTH>; 256];

/// By version.
static IN_PLACES: [First; Version::ALL.len()] = by_version(false);
static IN_MESSAGES: [First; Version::ALL.len()] = by_version(true);

const fn by_version(anywhere_only: bool) -> [First; Version::ALL.len()] {
    let mut all = [[Rows::NONE; 256]; Version::ALL.len()];
    let mut v = 0;
    while v < all.len() {
        all[v] = first_bytes(Version::ALL[v], anywhere_only);
        v += 1;
    }
    all
}

const fn first_bytes(version: Version, anywhere_only: bool) -> First {
    let mut rows = [Rows::NONE; 256];
    let mut i = 0;
    while i < RULES.len() {
        if (RULES[i].anywhere || !anywhere_only) && RULES[i].versions.has(version) {
            rows[RULES[i].marker.as_bytes()[0] as usize].add(i);
        }
        i += 1;
    }
    rows
}

/// For each second byte of a marker, the rows that it does not rule out.
static SECOND: [Rows<WIDTH>; 256] = {
    let mut rows = [Rows::NONE; 256];
    let mut i = 0;
    while i < RULES.len() {
        let marker = RULES[i].marker.as_bytes();
        let mut b = 0;
        while b < 256 {
            if if marker.len() == 1 { RULES[i].then.may_be(b) } else { marker[1] as usize == b } {
                rows[b].add(i);
            }
            b += 1;
        }
        i += 1;
    }
    rows
};

/// For each first byte, the second bytes with which a marker may begin there: one look says no to nearly every place.
type Pairs = [[u64; 4]; 256];

/// By version.
static PAIRS_IN_PLACES: [Pairs; Version::ALL.len()] = [pairs(&IN_PLACES[0]), pairs(&IN_PLACES[1])];
static PAIRS_IN_MESSAGES: [Pairs; Version::ALL.len()] = [pairs(&IN_MESSAGES[0]), pairs(&IN_MESSAGES[1])];

const fn pairs(firsts: &First) -> Pairs {
    let mut pairs = [[0; 4]; 256];
    let mut a = 0;
    while a < 256 {
        let mut b = 0;
        while b < 256 {
            if firsts[a].meets(&SECOND[b]) {
                pairs[a][b / 64] |= 1 << (b % 64);
            }
            b += 1;
        }
        a += 1;
    }
    pairs
}

thread_local! {
    /// By version.
    static SETTLED: [Settled; Version::ALL.len()] = const { [Settled::new(), Settled::new()] };
}

/// A throw location, without what varies.
pub(super) fn plain<'t>(version: Version, text: &'t str, trail: &mut impl Trail) -> Cow<'t, str> {
    let v = version as usize;
    settle_knowing(version, &SETTLED, text, |text| pass(version, text, &IN_PLACES[v], &PAIRS_IN_PLACES[v], trail))
}

/// The names inside a message, without what varies.
pub(super) fn plain_in_message<'t>(version: Version, text: &'t str, trail: &mut impl Trail) -> Cow<'t, str> {
    let v = version as usize;
    settle(text, |text| pass(version, text, &IN_MESSAGES[v], &PAIRS_IN_MESSAGES[v], trail))
}

fn pass(version: Version, text: &str, firsts: &First, pairs: &Pairs, trail: &mut impl Trail) -> Option<String> {
    let mut rewrite = Rewrite::new(version, text);
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let first_byte = bytes[at] as usize;
        let next = bytes.get(at + 1).copied().unwrap_or(0) as usize;
        if pairs[first_byte][next / 64] >> (next % 64) & 1 == 0 {
            at += 1;
            continue;
        }
        let rows = firsts[first_byte].and(&SECOND[next]);
        at = match first(text, rewrite.floor(), at, rows) {
            Some((rule, edit)) => rewrite.apply(edit, rule, trail).max(at + 1),
            None => at + 1,
        };
    }
    if_changed(rewrite)
}

fn first(text: &str, floor: usize, at: usize, rows: Rows<WIDTH>) -> Option<(&'static str, Edit)> {
    for row in rows {
        let rule = &RULES[row];
        if text.as_bytes()[at..].starts_with(rule.marker.as_bytes()) {
            let site = Site { text, floor, at, end: at + rule.marker.len() };
            if let Some(edit) = (rule.find)(&site) {
                return Some((rule.name, edit));
            }
        }
    }
    None
}
