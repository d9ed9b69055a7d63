//! Secrets told by what stands before them: a name, a URL's scheme, `Bearer`.
//!
//! Deliberately not here: which names ([`super::name`]) and where a value ends ([`super::value`]).

use std::ops::Range;

use super::name::Names;
use super::scan::{Ahead, Step, begins, run};
use super::{MARK_OPENING, Rule, holds_mark, mark_len, value};

/// How far the end of a URL's password is looked for beyond a `/`.
const PASSWORD_BYTES_MAX: usize = 128;

/// What stands before the colon of a mark.
const MARK_WORD: &[u8] = MARK_OPENING.as_bytes().split_at(MARK_OPENING.len() - 1).0;

/// Blanks that may stand between a name and its separator: some print aligned columns.
const BLANKS_MAX: usize = 16;

/// At `:` or `=`: a URL's password, or a value behind a telling name.
pub(super) fn at_separator(names: &Names, text: &[u8], floor: usize, at: usize, ahead: &mut Ahead) -> Step {
    let after = &text[at + 1..];
    if text[at] == b':' && after.starts_with(b"//") {
        enter_url(text, at + 3, ahead);
        return Step::On(at + 3);
    }
    if at + 1 == ahead.password.start && !ahead.password.is_empty() {
        return Step::Hit { start: at + 1, end: ahead.password.end, rule: Rule::Secret };
    }
    if at < ahead.marked {
        return Step::On(at + 1);
    }
    let from = match (text[at], after.first()) {
        // A path of code (`Token::parse`) and a comparison (`token == null`) name no value.
        (b':', Some(b':')) | (b'=', Some(b'=')) => return Step::On(at + 2),
        (b':', Some(b'=')) | (b'=', Some(b'>')) => at + 2,
        _ => at + 1,
    };
    let (end, quoted) = name_end(text, floor, at);
    let Some((name, start)) = names.ending_at(text, floor, end) else { return Step::On(from) };
    let prose = !quoted && text[at] == b':' && text.get(from) == Some(&b' ');
    if prose && names_an_error(text, floor, start) {
        return Step::On(from);
    }
    let Some(found) = value::extent(text, from, name.reach, prose) else { return Step::On(from) };
    if holds_mark(&text[found.clone()]) {
        ahead.marked = found.end;
        return Step::On(from);
    }
    match value::may_be_secret(text, &found, prose) {
        true => Step::Hit { start: found.start, end: found.end, rule: Rule::Secret },
        false => Step::On(from),
    }
}

/// Where the name before a separator ends: before blanks, a quote (escaped or not) and the `]` of `user[password]`.
fn name_end(text: &[u8], floor: usize, at: usize) -> (usize, bool) {
    let mut end = at;
    while end > floor && at - end < BLANKS_MAX && matches!(text[end - 1], b' ' | b'\t') {
        end -= 1;
    }
    let blank_end = end;
    if end > floor && text[end - 1] == b']' {
        end -= 1;
    }
    if end > floor && matches!(text[end - 1], b'"' | b'\'' | b'`') {
        end -= 1;
        while end > floor && text[end - 1] == b'\\' && blank_end - end < BLANKS_MAX {
            end -= 1;
        }
    }
    (end, end != blank_end)
}

/// `Unexpected token: x` is a parser speaking, `InvalidToken: x` and `invalid_token: x` are the names of errors.
fn names_an_error(text: &[u8], floor: usize, start: usize) -> bool {
    const PARSERS: [&str; 4] = ["unexpected", "expected", "mismatched", "extraneous"];
    const ERRORS: [&str; 9] =
        ["invalid", "missing", "expired", "bad", "illegal", "malformed", "unknown", "revoked", "unsupported"];
    let before = &text[floor..start];
    let ends_with = |words: &[&str], text: &[u8]| {
        words.iter().any(|word| {
            text.len() >= word.len() && text[text.len() - word.len()..].eq_ignore_ascii_case(word.as_bytes())
        })
    };
    match before {
        [rest @ .., b' '] => ends_with(&PARSERS, rest),
        [rest @ .., b'_' | b'-'] => ends_with(&ERRORS, rest),
        _ => ends_with(&ERRORS, before) || ends_with(&PARSERS, before),
    }
}

/// Behind `://`: where the password of `user:password@host` and the sign before the host stand. User and host stay,
/// they say which account and where; what is a secret in them is told like everywhere else.
fn enter_url(text: &[u8], from: usize, ahead: &mut Ahead) {
    let is_part = |b: u8| !matches!(b, b' ' | b'\t' | b'\n' | b'\r' | b'"' | b'\'' | b'<' | b'>' | b'`');
    let authority = from + run(text, from, |b| is_part(b) && !matches!(b, b'/' | b'?' | b'#'));
    // A mark's colon is none of the URL's.
    let is_colon = |at: &usize| text[*at] == b':' && !text[..*at].ends_with(MARK_WORD);
    let start = (from..authority).find(is_colon).map_or(authority, |colon| colon + 1);
    // What follows the colon without being a port is a password, which may hold an unencoded `/`.
    let is_port = text[start..authority].iter().all(u8::is_ascii_digit);
    let near = &text[..text.len().min(start + PASSWORD_BYTES_MAX)];
    let end = if is_port || memchr::memchr(b'@', &near[start..]).is_none() {
        authority
    } else {
        authority.max(start + run(near, start, is_part))
    };
    (ahead.account, ahead.password) = match memchr::memrchr(b'@', &text[from..end]).map(|sign| from + sign) {
        // With a mark in it, an earlier pass was here.
        Some(sign) if start < sign && !holds_mark(&text[from..sign]) && !value::says_nothing(&text[start..sign]) => {
            (sign..sign + 1, start..sign)
        }
        Some(sign) => (from..sign + 1, 0..0),
        None => (0..0, 0..0),
    };
}

/// At `>`: the value between `<password>` and the next closing tag.
pub(super) fn at_tag_end(names: &Names, text: &[u8], floor: usize, at: usize) -> Step {
    let Some((_, start)) = names.ending_at(text, floor, at) else { return Step::On(at + 1) };
    let prefix =
        text[floor..start].iter().rev().take_while(|b| b.is_ascii_alphanumeric() || b"_-.:".contains(b)).count();
    if !text[floor..start - prefix].ends_with(b"<") {
        return Step::On(at + 1);
    }
    let start = at + 1;
    let end = start + run(text, start, |b| b != b'<');
    let closes = text[end..].starts_with(b"</");
    match closes && !holds_mark(&text[start..end]) && !value::says_nothing(&text[start..end]) {
        true => Step::Hit { start, end, rule: Rule::Secret },
        false => Step::On(start),
    }
}

/// At `b`: `Bearer` with a token, `Basic` with credentials.
#[inline]
pub(super) fn at_scheme(text: &[u8], floor: usize, at: usize) -> Step {
    let found = match text.get(at + 1).map(u8::to_ascii_lowercase) {
        Some(b'e') => {
            credentials(text, floor, at, b"bearer", b"-._~+/=").filter(|found| is_token(&text[found.clone()]))
        }
        Some(b'a') => {
            credentials(text, floor, at, b"basic", b"+/=").filter(|found| is_user_and_password(&text[found.clone()]))
        }
        _ => None,
    };
    found.map_or(Step::On(at + 1), |found| Step::Hit { start: found.start, end: found.end, rule: Rule::Bearer })
}

/// What stands behind the scheme, of letters, digits and the further bytes of its alphabet.
fn credentials(text: &[u8], floor: usize, at: usize, scheme: &[u8], also: &[u8]) -> Option<Range<usize>> {
    let blank_at = at + scheme.len();
    if !text.get(at..blank_at)?.eq_ignore_ascii_case(scheme) || !begins(text, floor, at) {
        return None;
    }
    let start = blank_at + run(text, blank_at, |b| b == b' ');
    let mut end = start + run(text, start, |b| b.is_ascii_alphanumeric() || also.contains(&b));
    // An earlier pass read further than to its mark, and found no credentials.
    if mark_len(&text[end..]).is_some() {
        return None;
    }
    while end > start && text[end - 1] == b'.' {
        end -= 1;
    }
    (start > blank_at).then_some(start..end)
}

/// Tells a token from the word in "bearer authentication": a digit, or too long for a word.
fn is_token(text: &[u8]) -> bool {
    text.len() >= 20 || text.len() >= 6 && text.iter().any(u8::is_ascii_digit)
}

/// Tells Base64 of `user:password` from the word in "basic validation": decoded, it must hold a colon.
fn is_user_and_password(text: &[u8]) -> bool {
    let digits = &text[..run(text, 0, |b| b != b'=')];
    if digits.len() < 4 {
        return false;
    }
    let value = |b: u8| match b {
        b'A'..=b'Z' => Some(b - b'A'),
        b'a'..=b'z' => Some(b - b'a' + 26),
        b'0'..=b'9' => Some(b - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let (mut bits, mut held, mut colon) = (0u32, 0, false);
    for digit in digits {
        let Some(value) = value(*digit) else { return false };
        bits = bits << 6 | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            let byte = (bits >> held) as u8;
            if byte < 0x20 {
                return false;
            }
            colon |= byte == b':';
        }
    }
    colon
}
