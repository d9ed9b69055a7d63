//! One pass over one text: where a byte may belong to a secret, the rule for that byte looks around it.
//!
//! Promises: a text without a hit costs one table look-up a byte and no allocation. Every rule either consumes what it
//! read as a hit, or read no more than a constant, or moves the cursor behind it; so the whole is linear.
//!
//! Invariant: no rule looks back beyond the end of the last hit (`floor`). A second pass meets a mark's end exactly
//! where the first pass had that floor, so both see the same left side, and scrubbing twice is scrubbing once.

use std::ops::Range;

use super::{Rule, Rules, Scrubber, address, jwt, mark_len, number, secret, shape};

/// What a byte may be part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trigger {
    Nothing,
    /// `[`: a mark of an earlier pass.
    Mark,
    /// `:` and `=`: a named value, or a URL's user and password.
    Separator,
    /// `>`: the end of an XML tag.
    Tag,
    Digit,
    /// `@`, and `%` for `%40`.
    At,
    /// `J`: the third letter of every JWT, and a rare one.
    Jwt,
    /// `b`: Bearer, Basic.
    Scheme,
    /// A rare byte of a key of well-known shape.
    Shape,
}

/// Which bytes are worth a closer look under the rules in force.
#[derive(Debug)]
pub(super) struct Triggers([Trigger; 256]);

impl Triggers {
    pub(super) fn new(rules: Rules) -> Triggers {
        let mut table = [Trigger::Nothing; 256];
        let mut set = |bytes: &[u8], trigger| bytes.iter().for_each(|byte| table[usize::from(*byte)] = trigger);
        set(b"[", Trigger::Mark);
        if rules.has(Rule::Secret) {
            set(b":=", Trigger::Separator);
            set(b">", Trigger::Tag);
            set(shape::PIVOTS, Trigger::Shape);
        }
        if rules.has(Rule::Bearer) {
            set(b"bB", Trigger::Scheme);
        }
        if rules.has(Rule::Jwt) {
            set(b"J", Trigger::Jwt);
        }
        if [Rule::Card, Rule::Resident, Rule::Phone].into_iter().any(|rule| rules.has(rule)) {
            set(b"0123456789", Trigger::Digit);
        }
        if rules.has(Rule::Email) {
            set(b"@%", Trigger::At);
        }
        Triggers(table)
    }

    fn at(&self, byte: u8) -> Trigger {
        self.0[usize::from(byte)]
    }
}

/// What a rule found at a trigger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Replace `start..end`, go on at `end`.
    Hit { start: usize, end: usize, rule: Rule },
    /// Nothing to replace before this place; go on there.
    On(usize),
}

/// What an earlier look ahead settled about later places.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    /// The end of the last run of Base64url that turned out not to begin a JWT.
    pub(super) jwt_free: usize,
    /// The end of the last named value that an earlier pass left as it is, with a mark in it. What is named inside it
    /// was left by that pass too, and need not be read again.
    pub(super) marked: usize,
    /// The password of the URL that was entered last; empty when it has none.
    pub(super) password: Range<usize>,
    /// Where in that URL an `@` stands before the host, and so makes no e-mail address.
    pub(super) account: Range<usize>,
}

/// A text with marks in it.
#[derive(Debug)]
pub(super) struct Scrubbed {
    pub(super) text: String,
    pub(super) hits: u32,
}

/// The text with every hit replaced; `None` when there is none.
pub(super) fn scan(scrubber: &Scrubber, text: &str) -> Option<Scrubbed> {
    let bytes = text.as_bytes();
    let mut out: Option<Scrubbed> = None;
    let (mut at, mut floor, mut copied) = (0, 0, 0);
    let mut ahead = Ahead::default();
    while let Some(skipped) = bytes[at..].iter().position(|byte| scrubber.triggers.at(*byte) != Trigger::Nothing) {
        at += skipped;
        let step = match scrubber.triggers.at(bytes[at]) {
            Trigger::Nothing => Step::On(at + 1),
            Trigger::Mark => match mark_len(&bytes[at..]) {
                Some(len) => {
                    floor = at + len;
                    Step::On(floor)
                }
                None => Step::On(at + 1),
            },
            Trigger::Separator => secret::at_separator(&scrubber.names, bytes, floor, at, &mut ahead),
            Trigger::Tag => secret::at_tag_end(&scrubber.names, bytes, floor, at),
            Trigger::Digit => number::at_digit(scrubber.rules, bytes, floor, at),
            Trigger::At if ahead.account.contains(&at) => Step::On(at + address::sign_len(bytes, at).unwrap_or(1)),
            Trigger::At => address::at_sign(bytes, floor, at),
            Trigger::Jwt => jwt::at_third_letter(bytes, floor, at, &mut ahead),
            Trigger::Scheme => secret::at_scheme(bytes, floor, at),
            Trigger::Shape => shape::at_pivot(bytes, floor, at),
        };
        match step {
            Step::On(next) => at = next.max(at + 1),
            Step::Hit { start, end, rule } => {
                let out = out.get_or_insert_with(|| Scrubbed { text: String::with_capacity(text.len() + 32), hits: 0 });
                out.text.push_str(&text[copied..start]);
                out.text.push_str(rule.mark());
                out.hits += 1;
                (at, floor, copied) = (end, end, end);
            }
        }
    }
    if let Some(out) = &mut out {
        out.text.push_str(&text[copied..]);
    }
    out
}

/// The byte before, unless it belongs to the last hit.
pub(super) fn before(text: &[u8], floor: usize, at: usize) -> Option<u8> {
    (at > floor).then(|| text[at - 1])
}

/// Whether a word can begin here: no letter or digit of ASCII stands before, unless it is that of an escape (`\n`). Hangul
/// does not count, as Korean writes particles and values without a space.
pub(super) fn begins(text: &[u8], floor: usize, at: usize) -> bool {
    !before(text, floor, at).is_some_and(|b| b.is_ascii_alphanumeric()) || is_escaped(text, floor, at - 1)
}

/// Whether the letter here belongs to a line break or a tab that was escaped.
pub(super) fn is_escaped(text: &[u8], floor: usize, at: usize) -> bool {
    matches!(text.get(at), Some(b'n' | b'r' | b't')) && before(text, floor, at) == Some(b'\\')
}

/// Whether a word can end here: no letter or digit of ASCII follows.
pub(super) fn ends(text: &[u8], at: usize) -> bool {
    !text.get(at).is_some_and(u8::is_ascii_alphanumeric)
}

/// How many bytes from here satisfy the predicate.
pub(super) fn run(text: &[u8], at: usize, is_part: impl Fn(u8) -> bool) -> usize {
    text[at..].iter().position(|b| !is_part(*b)).unwrap_or(text.len() - at)
}
