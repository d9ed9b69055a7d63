//! Where a named value begins and ends: quoted, bracketed, a header's line, or a bare word.
//!
//! Logs write `password=…` in a dozen dialects (JSON, also escaped inside JSON, URL queries, Java and Python maps, Rust
//! and Kotlin debug output, Ruby hashes, HTTP headers, Spring's "rejected value [...]"). What ends a value in one of
//! them may be part of it in another; here a delimiter ends it only when what follows looks like the next thing.
//! Quotes and brackets around a value stay.
//!
//! Promises: linear. What it reads becomes part of the hit, or is no longer than a constant.

use super::name::Reach;
use super::scan::run;
use std::ops::Range;

use super::mark_len;

/// How far a closing quote or bracket is searched. Without one (the text was cut) all of this is taken.
const ENCLOSED_BYTES_MAX: usize = 8 << 10;

/// How far the closing bracket of `Some(…)` in a bare word is searched; without one the bracket is a letter like others.
const WRAPPED_BYTES_MAX: usize = 256;

/// How long a name may be that is looked for behind a comma, to tell `a=x,b=y` from a comma in a password.
const NEXT_NAME_BYTES_MAX: usize = 32;

/// Bare words behind `name: ` that are prose about the value, and values that say there is none. A password that is
/// one of these is not much of a secret.
const TELLING_WORDS: &[&str] = &[
    "null",
    "none",
    "nil",
    "undefined",
    "true",
    "false",
    "empty",
    "blank",
    "n/a",
    "must",
    "should",
    "is",
    "are",
    "was",
    "has",
    "not",
    "no",
    "cannot",
    "can't",
    "required",
    "missing",
    "invalid",
    "incorrect",
    "wrong",
    "expired",
    "mismatch",
    "too",
    "may",
    "does",
    "length",
    "failed",
    "rejected",
    "필수",
    "없음",
    "만료",
    "누락",
    "오류",
    "불일치",
];

/// The value behind a separator, without its quotes or brackets; `None` where a mark or nothing stands. `prose` says
/// that it stands behind a colon and a blank, without quotes around the name.
pub(super) fn extent(text: &[u8], from: usize, reach: Reach, prose: bool) -> Option<Range<usize>> {
    let start = from + run(text, from, |b| matches!(b, b' ' | b'\t'));
    if mark_len(&text[start..]).is_some() {
        return None;
    }
    enclosed(text, start).or_else(|| rejected_value(text, start)).or_else(|| match reach {
        Reach::WordUnlessProse if prose => None,
        Reach::Word | Reach::WordUnlessProse => Some(start..word_end(text, start)),
        Reach::Line => Some(start..line_end(text, start)),
        Reach::Authorization => Some(start..credentials_end(text, start)),
    })
}

/// Whether the value may be a secret: neither a word about it nor a parameter in its place.
pub(super) fn may_be_secret(text: &[u8], value: &Range<usize>, prose: bool) -> bool {
    let word = &text[value.clone()];
    let word = if prose { &word[..run(word, 0, |b| b != b' ')] } else { word };
    !says_nothing(word) && !is_placeholder(text, value.start, value.end)
}

/// Whether a value is absent, masked by the client already, or a word about the value.
pub(super) fn says_nothing(value: &[u8]) -> bool {
    let word = value.trim_ascii();
    let bullet = "•".as_bytes();
    let is_masked = word.iter().all(|b| *b == b'*' || bullet.contains(b));
    is_masked || TELLING_WORDS.iter().any(|telling| word.eq_ignore_ascii_case(telling.as_bytes()))
}

/// Whether a template's or statement's parameter stands where the value will be: `?`, `%s`, `{}`, `{0}`, `{token}`,
/// `${token}`, `:token`, `$1`.
fn is_placeholder(text: &[u8], start: usize, end: usize) -> bool {
    let is_name = |bytes: &[u8]| {
        bytes.len() <= NEXT_NAME_BYTES_MAX && bytes.iter().all(|b| b.is_ascii_alphabetic() || matches!(b, b'_' | b'.'))
    };
    let in_braces = start > 0 && text[start - 1] == b'{' && text.get(end) == Some(&b'}');
    match &text[start..end] {
        [b'?'] | [b'%', b'a'..=b'z'] | [b'$', b'0'..=b'9'] => true,
        [b':', name @ ..] | [b'$' | b'#', b'{', name @ ..] | [b'%', b'(', name @ .., b')', b's'] => is_name(name),
        [b'0'..=b'9'] => in_braces,
        name => in_braces && is_name(name),
    }
}

/// What stands between quotes (also escaped ones) or brackets.
fn enclosed(text: &[u8], start: usize) -> Option<Range<usize>> {
    let escapes = run(text, start, |b| b == b'\\');
    let open = start + escapes;
    match *text.get(open)? {
        quote @ (b'"' | b'\'' | b'`') => {
            let bound = bound(text, open + 1, ENCLOSED_BYTES_MAX);
            Some(open + 1..quote_end(&text[..bound], open + 1, quote, escapes).unwrap_or(bound))
        }
        bracket @ (b'[' | b'{' | b'(') if escapes == 0 => {
            let bound = bound(text, open + 1, ENCLOSED_BYTES_MAX);
            Some(open + 1..bracket_end(&text[..bound], open, bracket).unwrap_or(bound))
        }
        _ => None,
    }
}

/// Spring's words for what it did not take: `on field 'password': rejected value [hunter2]`.
fn rejected_value(text: &[u8], start: usize) -> Option<Range<usize>> {
    const WORDS: &[u8] = b"rejected value ";
    text[start..].starts_with(WORDS).then(|| enclosed(text, start + WORDS.len())).flatten()
}

/// So many bytes further on, or the text's end; never inside a character.
fn bound(text: &[u8], from: usize, bytes_max: usize) -> usize {
    let is_continuation = |b: &u8| b & 0xC0 == 0x80;
    let bound = text.len().min(from + bytes_max);
    bound + text[bound..].iter().take_while(|b| is_continuation(b)).count()
}

/// The closing quote: one that is not escaped more deeply than the opening one.
fn quote_end(text: &[u8], from: usize, quote: u8, escapes: usize) -> Option<usize> {
    let mut escaped = 0;
    for (at, byte) in text[from..].iter().enumerate() {
        match *byte {
            b'\\' => escaped += 1,
            byte if byte == quote && (escaped <= escapes && escapes > 0 || escaped % 2 == 0) => {
                return Some(from + at - escaped.min(escapes));
            }
            _ => escaped = 0,
        }
    }
    None
}

fn bracket_end(text: &[u8], open: usize, bracket: u8) -> Option<usize> {
    let closing = match bracket {
        b'[' => b']',
        b'{' => b'}',
        _ => b')',
    };
    let mut depth = 0usize;
    for (at, byte) in text[open..].iter().enumerate() {
        if *byte == bracket {
            depth += 1;
        } else if *byte == closing {
            depth -= 1;
            if depth == 0 {
                return Some(open + at);
            }
        }
    }
    None
}

/// The end of a bare word. Full stops that end a sentence stay outside.
fn word_end(text: &[u8], start: usize) -> usize {
    let mut at = start;
    let mut wrapped = false;
    while let Some(byte) = text.get(at) {
        match *byte {
            b' ' | b'\t' | b'\n' | b'\r' | b'&' | b'<' | b'>' => break,
            b'\\' if matches!(text.get(at + 1), Some(b'"' | b'\'' | b'\\')) => break,
            quote @ (b'"' | b'\'' | b'`') => {
                if !opens_literal(text, start, at) {
                    break;
                }
                at = quote_end(&text[..bound(text, at, WRAPPED_BYTES_MAX)], at + 1, quote, 0).unwrap_or(at);
            }
            // `Some("…")`, `SecretStr('…')`: what a debug print wraps a value in.
            b'(' if !wrapped => {
                wrapped = true;
                at = bracket_end(&text[..bound(text, at, WRAPPED_BYTES_MAX)], at, b'(').unwrap_or(at);
            }
            b'[' => at += mark_len(&text[at..]).map_or(0, |len| len - 1),
            b')' | b']' | b'}' if !text.get(at + 1).is_some_and(|b| is_word(*b)) => break,
            b',' | b';' | b'|' if next_begins(text, at + 1) => break,
            _ => {}
        }
        at += 1;
    }
    while at > start && matches!(text[at - 1], b'.' | b',' | b';' | b'!') {
        at -= 1;
    }
    at
}

/// `b'…'`, `u"…"`: a quote behind one letter opens a literal.
fn opens_literal(text: &[u8], start: usize, at: usize) -> bool {
    at == start + 1 && matches!(text[start], b'b' | b'B' | b'u' | b'U' | b'r' | b'@')
}

/// Whether the delimiter before is followed by the next thing: a blank, a quote, the end, or a further `name=`.
fn next_begins(text: &[u8], at: usize) -> bool {
    match text.get(at) {
        None | Some(b' ' | b'\t' | b'\n' | b'\r' | b'"' | b'\'' | b'`' | b'\\' | b'}' | b']' | b')') => true,
        Some(_) => {
            let bound = text.len().min(at + NEXT_NAME_BYTES_MAX);
            let name = run(&text[..bound], at, |b| is_word(b) || matches!(b, b'_' | b'-' | b'.'));
            !text[at].is_ascii_digit() && name > 0 && matches!(text.get(at + name), Some(b'=' | b':'))
        }
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte >= 0x80
}

/// The end of a header's line: also a line break that was escaped, and the quote that closes a JSON string around it.
fn line_end(text: &[u8], start: usize) -> usize {
    let mut opened = None;
    let ends = |at: usize| match text[at] {
        b'\n' | b'\r' => true,
        b'\\' => matches!(text.get(at + 1), Some(b'n' | b'r' | b'"')),
        quote @ (b'"' | b'\'') => {
            let closes_around = matches!(text.get(at + 1), None | Some(b',' | b'}' | b']' | b'\n' | b'\r'));
            if opened.is_none() && closes_around {
                return true;
            }
            opened = if opened == Some(quote) { None } else { opened.or(Some(quote)) };
            false
        }
        _ => false,
    };
    (start..text.len()).position(ends).map_or(text.len(), |len| start + len)
}

/// `Basic`, `Bearer` and their like have one token; `Digest` and others go on to the line's end.
fn credentials_end(text: &[u8], start: usize) -> usize {
    let scheme = run(text, start, |b| b.is_ascii_alphanumeric() || b == b'-');
    let blank = run(text, start + scheme, |b| b == b' ');
    if scheme == 0 || blank == 0 {
        return word_end(text, start);
    }
    let credentials = start + scheme + blank;
    const ONE_TOKEN: [&str; 6] = ["basic", "bearer", "token", "apikey", "negotiate", "key"];
    let named = &text[start..start + scheme];
    match ONE_TOKEN.iter().any(|one| named.eq_ignore_ascii_case(one.as_bytes())) {
        true => word_end(text, credentials).max(start + scheme),
        false => line_end(text, start),
    }
}
