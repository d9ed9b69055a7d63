//! JSON Web Tokens: Base64url parts with dots between them, the first of which begins with `eyJ` (`{"`).

use super::Rule;
use super::scan::{Ahead, Step, begins, run};

/// The shortest header there can be, `{"alg":""}`, in Base64url.
const HEADER_BYTES_MIN: usize = 12;

/// What a part other than a JSON one must have to be more than a file's extension or the next sentence's first word.
const OPAQUE_BYTES_MIN: usize = 16;

/// At `J`, the third letter of `eyJ`. What begins inside a header that begins no token begins none either, and is not
/// read again.
pub(super) fn at_third_letter(text: &[u8], floor: usize, at: usize, ahead: &mut Ahead) -> Step {
    let Some(start) = at.checked_sub(2).filter(|start| *start >= floor) else { return Step::On(at + 1) };
    if !text[start..].starts_with(b"eyJ") || !begins(text, floor, start) || at < ahead.jwt_free {
        return Step::On(at + 1);
    }
    let header = start + run(text, start, is_base64url);
    match token_end(text, start, header) {
        Some(end) => Step::Hit { start, end, rule: Rule::Jwt },
        None => {
            ahead.jwt_free = header;
            Step::On(at + 1)
        }
    }
}

fn token_end(text: &[u8], start: usize, header: usize) -> Option<usize> {
    if header - start < HEADER_BYTES_MIN {
        return None;
    }
    let second = part(text, header)?;
    let third = part(text, second);
    // Signed, or unsigned (nothing behind the last dot, which belongs to the token), or cut off before the signature.
    if text[header + 1..].starts_with(b"eyJ") {
        return Some(third.unwrap_or(second));
    }
    let third = third?;
    let encrypted = part(text, third).and_then(|fourth| part(text, fourth));
    let signed_opaque = || (second - header > OPAQUE_BYTES_MIN && third - second > OPAQUE_BYTES_MIN).then_some(third);
    encrypted.or_else(signed_opaque)
}

/// The end of the part behind the dot that stands here.
fn part(text: &[u8], dot: usize) -> Option<usize> {
    (text.get(dot) == Some(&b'.')).then(|| dot + 1 + run(text, dot + 1, is_base64url))
}

fn is_base64url(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}
