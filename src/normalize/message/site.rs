//! A place in a message, and the word that begins there.
//!
//! Promises: facts about bytes only. Deliberately not here: what they mean.

use std::cell::Cell;

use crate::normalize::Version;

/// What a byte is to the scanner.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// An ASCII letter or digit.
    Word,
    /// Anything else; `_` too, so that the parts of a snake-case name are looked at one by one.
    Other,
}

pub(super) static CLASS: [Class; 256] = {
    let mut class = [Class::Other; 256];
    let mut b = 0;
    while b < 128 {
        if (b as u8).is_ascii_alphanumeric() {
            class[b] = Class::Word;
        }
        b += 1;
    }
    class
};

/// What a word is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// Letters only.
    Letters,
    /// Digits only.
    Digits,
    /// Both.
    Mixed,
}

impl Shape {
    pub(super) const COUNT: usize = 3;
    pub(super) const ANY: &[Shape] = &[Shape::Letters, Shape::Digits, Shape::Mixed];
}

/// A run of ASCII letters and digits.
#[derive(Clone, Copy)]
pub(super) struct Word {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) shape: Shape,
    /// Whether all of it are hexadecimal digits.
    pub(super) hex: bool,
    /// Whether none of its letters is small.
    pub(super) upper: bool,
}

const DIGIT: u8 = 1;
const HEX: u8 = 2;
const OTHER: u8 = 4;
const LOWER: u8 = 8;

static KIND: [u8; 256] = {
    let mut kind = [0; 256];
    let mut b = 0;
    while b < 128 {
        let byte = b as u8;
        if byte.is_ascii_digit() {
            kind[b] = DIGIT;
        } else if byte.is_ascii_hexdigit() {
            kind[b] = HEX;
        } else if byte.is_ascii_alphabetic() {
            kind[b] = OTHER;
        }
        if byte.is_ascii_lowercase() {
            kind[b] |= LOWER;
        }
        b += 1;
    }
    kind
};

impl Word {
    pub(super) fn none(at: usize) -> Word {
        Word { start: at, end: at, shape: Shape::Letters, hex: false, upper: false }
    }

    pub(super) fn read(bytes: &[u8], start: usize) -> Word {
        let mut kinds = 0;
        let mut end = start;
        while let Some(kind) = bytes.get(end).map(|b| KIND[*b as usize]).filter(|kind| *kind != 0) {
            kinds |= kind;
            end += 1;
        }
        let shape = match (kinds & DIGIT != 0, kinds & (HEX | OTHER) != 0) {
            (true, false) => Shape::Digits,
            (true, true) => Shape::Mixed,
            _ => Shape::Letters,
        };
        Word { start, end, shape, hex: kinds & OTHER == 0, upper: kinds & LOWER == 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.end - self.start
    }
}

/// A place in a message.
pub(super) struct Site<'t> {
    pub(super) version: Version,
    pub(super) text: &'t str,
    /// Cuts must not begin before.
    pub(super) floor: usize,
    pub(super) at: usize,
    /// The word that begins at `at`; empty when none does.
    pub(super) word: Word,
    /// The next `@` at or behind a place, once looked for: a text without one is searched once.
    next_at_sign: Cell<Option<usize>>,
    /// Whether the text has a statement's words, once looked for.
    sql: Cell<Option<bool>>,
    /// No path before this place has anything to mask.
    pub(super) paths_read: Cell<usize>,
    /// For `'` and `"`: no closing quote is to be looked for before this place.
    pub(super) quotes_read: [Cell<usize>; 2],
}

impl<'t> Site<'t> {
    pub(super) fn new(version: Version, text: &'t str) -> Site<'t> {
        Site {
            version,
            text,
            floor: 0,
            at: 0,
            word: Word::none(0),
            next_at_sign: Cell::new(None),
            sql: Cell::new(None),
            paths_read: Cell::new(0),
            quotes_read: Default::default(),
        }
    }

    pub(super) fn bytes(&self) -> &'t [u8] {
        self.text.as_bytes()
    }

    /// The byte at a place; 0 behind the end.
    pub(super) fn byte(&self, at: usize) -> u8 {
        self.bytes().get(at).copied().unwrap_or(0)
    }

    /// The byte before a place; 0 at the beginning.
    pub(super) fn before(&self, at: usize) -> u8 {
        if at == 0 { 0 } else { self.bytes()[at - 1] }
    }

    pub(super) fn word_text(&self) -> &'t str {
        &self.text[self.word.start..self.word.end]
    }

    /// The end of the run of such bytes from there.
    pub(super) fn run(&self, from: usize, of: impl Fn(u8) -> bool) -> usize {
        from + self.bytes()[from..].iter().take_while(|b| of(**b)).count()
    }

    /// The same, no farther than any value is long: for rules that may still decline after looking.
    pub(super) fn run_near(&self, from: usize, of: impl Fn(u8) -> bool) -> usize {
        const REACH: usize = 512;
        from + self.bytes()[from..].iter().take(REACH).take_while(|b| of(**b)).count()
    }

    /// The end of the digits from there.
    pub(super) fn digits(&self, from: usize) -> usize {
        self.run(from, |b| b.is_ascii_digit())
    }

    /// The number between two places, when it has at most nine digits.
    pub(super) fn number(&self, from: usize, end: usize) -> Option<u32> {
        (from < end && end - from <= 9).then(|| self.text[from..end].parse().ok()).flatten()
    }

    /// Whether no letter or digit of a word stands there.
    pub(super) fn ends(&self, at: usize) -> bool {
        CLASS[self.byte(at) as usize] == Class::Other
    }

    /// Whether a statement's words are somewhere in the text.
    pub(super) fn has_sql(&self) -> bool {
        const WORDS: [&str; 8] = [" where ", " WHERE ", " values ", " VALUES ", " set ", " SET ", "VALUES(", "values("];
        let found = self.sql.get().unwrap_or_else(|| WORDS.iter().any(|word| self.text.contains(word)));
        self.sql.set(Some(found));
        found
    }

    /// The next `@` at or behind this place.
    pub(super) fn at_sign(&self) -> Option<usize> {
        let known = self.next_at_sign.get().filter(|known| *known >= self.at);
        let next = known.unwrap_or_else(|| {
            let found = memchr::memchr(b'@', &self.bytes()[self.at..]);
            found.map_or(usize::MAX, |offset| self.at + offset)
        });
        self.next_at_sign.set(Some(next));
        (next != usize::MAX).then_some(next)
    }
}
