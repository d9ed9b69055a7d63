//! Secrets told by what stands before them: a name, a URL's scheme, `Bearer`.
//!
//! Deliberately not here: which names ([`super::name`]) and where a value ends ([`super::value`]).

use memchr::memmem;

use super::name::Names;
use super::scan::{Step, begins, run};
use super::{MARK_OPENING, Rule, mark_len, value};

/// How far a URL's user and password are looked for.
const AUTHORITY_BYTES_MAX: usize = 256;

/// Blanks that may stand between a name and its separator: some print aligned columns.
const BLANKS_MAX: usize = 16;

/// At `:` or `=`: a URL's password, or a value behind a telling name.
pub(super) fn at_separator(names: &Names, text: &[u8], floor: usize, at: usize) -> Step {
    let after = &text[at + 1..];
    if text[at] == b':' && after.starts_with(b"//") {
        return password_in_url(text, at + 3);
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
    match value::extent(text, from, name.reach, prose) {
        Some((start, end)) => Step::Hit { start, end, rule: Rule::Secret },
        None => Step::On(from),
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

/// Behind `://`: the password of `user:password@host`. User and host stay: they say which account and where.
fn password_in_url(text: &[u8], from: usize) -> Step {
    let near = &text[..text.len().min(from + AUTHORITY_BYTES_MAX)];
    if memchr::memchr(b'@', &near[from..]).is_none() {
        return Step::On(from);
    }
    // A mark is opaque, its colon is none of the URL's. What it stands for was looked at when it was put there.
    let near = &near[..memmem::find(&near[from..], MARK_OPENING.as_bytes()).map_or(near.len(), |mark| from + mark)];
    let is_part = |b: u8| !matches!(b, b' ' | b'\t' | b'\n' | b'\r' | b'"' | b'\'' | b'<' | b'>' | b'`');
    let authority = run(near, from, |b| is_part(b) && !matches!(b, b'/' | b'?' | b'#'));
    let colon = run(&text[..from + authority], from, |b| b != b':');
    let start = from + colon + 1;
    // What follows the colon without being a port is a password, which may hold an unencoded `/`.
    let is_port = colon == authority || text[start..from + authority].iter().all(u8::is_ascii_digit);
    let reach = if is_port { authority } else { run(near, from, is_part) };
    let Some(sign) = text[from..from + reach].iter().rposition(|b| *b == b'@').map(|sign| from + sign) else {
        return Step::On(from);
    };
    if start > sign || colon == authority {
        return Step::On(sign + 1);
    }
    match value::says_nothing(&text[start..sign]) {
        true => Step::On(sign + 1),
        false => Step::Hit { start, end: sign, rule: Rule::Secret },
    }
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
    match closes && mark_len(&text[start..end]).is_none() && !value::says_nothing(&text[start..end]) {
        true => Step::Hit { start, end, rule: Rule::Secret },
        false => Step::On(start),
    }
}

/// At `b`: `Bearer` with a token, `Basic` with credentials.
#[inline]
pub(super) fn at_scheme(text: &[u8], floor: usize, at: usize) -> Step {
    match text.get(at + 1).map(u8::to_ascii_lowercase) {
        Some(b'e') => credentials(text, floor, at, "bearer", is_token),
        Some(b'a') => credentials(text, floor, at, "basic", is_user_and_password),
        _ => None,
    }
    .unwrap_or(Step::On(at + 1))
}

fn credentials(text: &[u8], floor: usize, at: usize, scheme: &str, is_secret: fn(&[u8]) -> bool) -> Option<Step> {
    let named = text.get(at..at + scheme.len()).is_some_and(|word| word.eq_ignore_ascii_case(scheme.as_bytes()));
    if !named || !begins(text, floor, at) {
        return None;
    }
    let blank = run(text, at + scheme.len(), |b| b == b' ');
    let start = at + scheme.len() + blank;
    let mut end = start + run(text, start, |b| b.is_ascii_alphanumeric() || b"-._~+/=".contains(&b));
    while end > start && text[end - 1] == b'.' {
        end -= 1;
    }
    (blank > 0 && is_secret(&text[start..end])).then_some(Step::Hit { start, end, rule: Rule::Bearer })
}

/// Tells a token from the word in "bearer authentication": a digit, or too long for a word.
fn is_token(text: &[u8]) -> bool {
    text.len() >= 20 || text.len() >= 6 && text.iter().any(u8::is_ascii_digit)
}

/// Tells Base64 of `user:password` from the word in "basic validation": decoded, it must hold a colon.
fn is_user_and_password(text: &[u8]) -> bool {
    let digits = text.trim_ascii_end();
    let digits = &digits[..run(digits, 0, |b| b != b'=')];
    if digits.len() < 4 {
        return false;
    }
    let value = |b: u8| match b {
        b'A'..=b'Z' => Some(b - b'A'),
        b'a'..=b'z' => Some(b - b'a' + 26),
        b'0'..=b'9' => Some(b - b'0' + 52),
        b'+' | b'-' => Some(62),
        b'/' | b'_' => Some(63),
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
