//! What the user protects, hidden from the built-in rules and put back after them.
//!
//! Each span is one private-use character while the rules run: no rule knows it, and text around it is read as ever. In a
//! path the whole segment is hidden, since a rule takes a segment as a whole, behind a word of small letters: a segment of
//! another script may be a parameter.
//!
//! Promises: what is protected in a message stays, even where a rule replaced a longer text around it; then the message is
//! read piece by piece between the protected spans. Deliberately not here: the patterns.

use std::borrow::Cow;

use regex::Regex;

use super::own::{SEVEN, applied, text_of_detail};
use crate::event::{Attributes, Event};
use crate::normalize::Applied;

/// The first of the characters: plane 16, for private use, which nobody sends by accident.
const FIRST: u32 = 0x10_0000;
/// What a hidden segment of a path begins with: small letters alone, which no rule takes for a parameter.
const SEGMENT: &str = "zownprotectedz";
/// Spans of one event; further ones are not protected.
const SPANS_MAX: usize = 1_000;

/// What was hidden.
#[derive(Debug, Default)]
pub(super) struct Kept {
    spans: Vec<Span>,
}

#[derive(Debug)]
struct Span {
    attribute: usize,
    rule: String,
    text: String,
}

impl Kept {
    /// What was protected, for people.
    pub(super) fn told(&self) -> impl Iterator<Item = Applied> {
        self.spans.iter().map(|span| applied(SEVEN[span.attribute], span.rule.clone(), &span.text, &span.text))
    }

    /// A change as people read it: with the text that was hidden.
    pub(super) fn readable(&self, change: Applied) -> Applied {
        Applied { from: self.shown(&change.from), to: self.shown(&change.to), ..change }
    }

    fn shown(&self, text: &str) -> String {
        if self.spans.is_empty() {
            return text.to_owned();
        }
        let mut text = Cow::Borrowed(text);
        if text.contains(SEGMENT) {
            for (nth, span) in self.spans.iter().enumerate() {
                text = Cow::Owned(text.replace(&Kept::segment(nth), &span.text));
            }
        }
        let mut shown = String::with_capacity(text.len());
        for c in text.chars() {
            match self.span(c) {
                Some(span) => shown.push_str(&span.text),
                None => shown.push(c),
            }
        }
        shown
    }

    fn span(&self, c: char) -> Option<&Span> {
        u32::from(c).checked_sub(FIRST).and_then(|nth| self.spans.get(nth as usize))
    }

    /// A segment of a path in place of the one that is hidden.
    fn segment(nth: usize) -> String {
        let letter = |digit: char| char::from(b'a' + digit.to_digit(10).unwrap_or(0) as u8);
        format!("{SEGMENT}{}z", nth.to_string().chars().map(letter).collect::<String>())
    }

    fn character(nth: usize) -> char {
        char::from_u32(FIRST + nth as u32).unwrap_or('\u{fffd}')
    }
}

/// Hides what is protected.
pub(super) fn hide<'p>(event: &mut Event<'_>, protects: impl Iterator<Item = (usize, &'p str, &'p Regex)>) -> Kept {
    let mut kept = Kept::default();
    let mut protects = protects.peekable();
    if protects.peek().is_some() {
        // What looks like one of ours must not come out as somebody else's text.
        clean(&mut event.attributes.url);
        clean(&mut event.attributes.location);
        clean(text_of_detail(event));
    }
    for (attribute, rule, regex) in protects {
        let text = match SEVEN[attribute] {
            "url" => &mut event.attributes.url,
            "location" => &mut event.attributes.location,
            _ => text_of_detail(event),
        };
        if let Some(changed) = hide_in(text, attribute, rule, regex, &mut kept) {
            *text = Cow::Owned(changed);
        }
    }
    kept
}

fn clean(text: &mut Cow<'_, str>) {
    let ours = |c: char| u32::from(c) >= FIRST;
    if text.contains(ours) || text.contains(SEGMENT) {
        *text = Cow::Owned(text.replace(ours, "\u{fffd}").replace(SEGMENT, "\u{fffd}"));
    }
}

fn hide_in(text: &str, attribute: usize, rule: &str, regex: &Regex, kept: &mut Kept) -> Option<String> {
    let mut out = String::new();
    let mut floor = 0;
    for found in regex.find_iter(text) {
        let (mut start, mut end) = (found.start(), found.end());
        if SEVEN[attribute] == "url" {
            let ends = |c: char| matches!(c, '/' | ';' | '?' | '#');
            let segments = found.as_str().trim_matches('/');
            start += found.as_str().len() - found.as_str().trim_start_matches('/').len();
            end = start + segments.len();
            start = text[..start].rfind(ends).map_or(0, |at| at + 1);
            end += text[end..].find(ends).unwrap_or(text.len() - end);
        }
        let start = start.max(floor);
        if start >= end || kept.spans.len() == SPANS_MAX {
            continue;
        }
        out.push_str(&text[floor..start]);
        match SEVEN[attribute] {
            "url" => out.push_str(&Kept::segment(kept.spans.len())),
            _ => out.push(Kept::character(kept.spans.len())),
        }
        let hidden = kept.shown(&text[start..end]);
        kept.spans.push(Span { attribute, rule: rule.to_owned(), text: hidden });
        floor = end;
    }
    (floor > 0).then(|| out + &text[floor..])
}

/// Puts back what was hidden. `hidden`: the message as the rules had it; `piece`: a piece of a message as the built-in rules have it.
pub(super) fn put_back(
    kept: &Kept,
    normalized: &mut Attributes<'static>,
    hidden: &str,
    piece: impl Fn(&str) -> String,
) {
    if kept.spans.is_empty() {
        return;
    }
    let lost = |c: char| kept.span(c).is_some() && !normalized.detail.contains(c);
    let detail = match hidden.contains(lost) {
        false => kept.shown(&normalized.detail),
        true => by_pieces(kept, hidden, piece),
    };
    normalized.detail = Cow::Owned(detail);
    normalized.url = Cow::Owned(kept.shown(&normalized.url));
    normalized.location = Cow::Owned(kept.shown(&normalized.location));
}

fn by_pieces(kept: &Kept, hidden: &str, piece: impl Fn(&str) -> String) -> String {
    let mut out = String::new();
    let mut rest = hidden;
    while let Some(at) = rest.find(|c| kept.span(c).is_some()) {
        push_piece(&mut out, &rest[..at], &piece);
        let c = rest[at..].chars().next().unwrap_or('\u{fffd}');
        out.push_str(&kept.shown(c.encode_utf8(&mut [0; 4])));
        rest = &rest[at + c.len_utf8()..];
    }
    push_piece(&mut out, rest, &piece);
    out.trim().to_owned()
}

/// The rules trim what they are given; between two pieces a space counts.
fn push_piece(out: &mut String, text: &str, piece: &impl Fn(&str) -> String) {
    let normal = piece(text);
    let space = |found: bool| if found && !text.is_empty() { " " } else { "" };
    out.push_str(space(text.starts_with(char::is_whitespace)));
    out.push_str(&normal);
    if !normal.is_empty() {
        out.push_str(space(text.ends_with(char::is_whitespace)));
    }
}
