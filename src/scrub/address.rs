//! E-mail addresses, and what only looks like one.
//!
//! An address needs a domain with a dot and a last label of letters. So `pkg@v1.2.3`, `user@host` and Java's
//! `Foo@1a2b3c4d` are none, and neither are `git@host:path` and Firefox's stack lines, `load@app.js:10:5`.

use super::Rule;
use super::scan::{Step, is_escaped, run};

/// The longest local part there can be is 64; more is read so that a longer one does not show its end.
const LOCAL_BYTES_MAX: usize = 256;

/// The longest domain there can be.
const DOMAIN_BYTES_MAX: usize = 255;

/// The length of the `@` or `%40` that stands here.
pub(super) fn sign_len(text: &[u8], at: usize) -> Option<usize> {
    match &text[at..] {
        [b'@', ..] => Some(1),
        [b'%', b'4', b'0', ..] => Some(3),
        _ => None,
    }
}

/// At `@`, or at the `%` of `%40`.
pub(super) fn at_sign(text: &[u8], floor: usize, at: usize) -> Step {
    let Some(width) = sign_len(text, at) else { return Step::On(at + 1) };
    let next = Step::On(at + width);
    let first = floor.max(at.saturating_sub(LOCAL_BYTES_MAX));
    let is_local = |at: usize| match text[at] {
        b'%' => !text[at..].starts_with(b"%40"),
        byte => byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'+' | b'-'),
    };
    let start = (first..at).rev().find(|at| !is_local(*at)).map_or(first, |before| before + 1);
    let mut local = &text[start + usize::from(start < at && is_escaped(text, floor, start))..at];
    while let [b'.' | b'-' | b'%' | b'+', rest @ ..] = local {
        local = rest;
    }
    if local.is_empty() || local.ends_with(b".") {
        return next;
    }
    match domain_end(text, at + width) {
        Some(end) if !is_code(local, &text[at + width..end], &text[end..]) => {
            Step::Hit { start: at - local.len(), end, rule: Rule::Email }
        }
        _ => next,
    }
}

/// The end of the longest domain that begins here.
fn domain_end(text: &[u8], start: usize) -> Option<usize> {
    let text = &text[..text.len().min(start + DOMAIN_BYTES_MAX)];
    let (mut at, mut end, mut labels, mut numbers) = (start, None, 0, 0);
    loop {
        let label = run(text, at, |b| b.is_ascii_alphanumeric() || b == b'-');
        let letters = run(&text[..at + label], at, |b| b.is_ascii_alphabetic());
        if label == 0 || text[at] == b'-' {
            return end;
        }
        // What follows the last label may be a word joined by a dash.
        let is_last = letters >= 2 && (letters == label || text[at + letters] == b'-');
        if labels > 0 && numbers < 2 && is_last {
            end = Some(at + letters);
        }
        numbers += usize::from(text[at..at + label].iter().all(u8::is_ascii_digit));
        labels += 1;
        at += label;
        if text.get(at) != Some(&b'.') {
            return end;
        }
        at += 1;
    }
}

/// Words of code in the shape of an address.
fn is_code(local: &[u8], domain: &[u8], after: &[u8]) -> bool {
    const SCRIPTS: [&[u8]; 7] = [b".js", b".mjs", b".ts", b".jsx", b".tsx", b".vue", b".html"];
    let has_line = matches!(after, [b':', digit, ..] if digit.is_ascii_digit());
    let is_script = SCRIPTS.iter().any(|extension| domain.ends_with(extension));
    // An object's identity and a method on it: `Foo@1a2b3c4d.wait`.
    let identity = run(domain, 0, |b| b.is_ascii_hexdigit());
    let is_object = (6..=8).contains(&identity)
        && domain[identity..].iter().filter(|b| **b == b'.').count() == 1
        && domain[identity] == b'.'
        && domain[..identity].iter().any(u8::is_ascii_digit)
        && local.iter().any(u8::is_ascii_uppercase);
    local == b"git" || is_script && has_line || is_object
}
