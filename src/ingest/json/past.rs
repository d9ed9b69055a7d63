//! Where the parts of a JSON text end.
//!
//! Promises: checks what it goes past, as strictly as `serde_json` does when it ignores a value; makes nothing; linear
//! time. Deliberately not here: what is wrong where something is.

use smallvec::SmallVec;

const ONES: u64 = u64::MAX / 255;

/// The first byte from here that a string cannot hold as it stands: a quote, a backslash, a control character.
#[inline]
pub(super) fn plain_end(bytes: &[u8], from: usize) -> usize {
    from + plain_len(bytes.get(from..).unwrap_or_default())
}

/// Not inlined, and its last bytes elsewhere: so the loop has the registers for itself, and a short string, which most
/// are, pays for no more than it needs.
#[inline(never)]
fn plain_len(bytes: &[u8]) -> usize {
    let mut rest = bytes;
    while let Some((eight, behind)) = rest.split_first_chunk() {
        // A byte's high bit is set where the subtraction borrows, and it borrows where the byte is looked for: the quote
        // with one bit turned is the first number behind the control characters. A borrow can set the bit of later
        // bytes too, but the first is what counts.
        let eight = u64::from_le_bytes(*eight);
        let quotes = (eight ^ (ONES * 0x02)).wrapping_sub(ONES * 0x21);
        let backslashes = (eight ^ (ONES * b'\\' as u64)).wrapping_sub(ONES);
        let found = (quotes | backslashes) & !eight & (ONES << 7);
        if found != 0 {
            return bytes.len() - rest.len() + found.trailing_zeros() as usize / 8;
        }
        rest = behind;
    }
    plain_len_of_last(bytes, rest.len())
}

#[cold]
#[inline(never)]
fn plain_len_of_last(bytes: &[u8], rest: usize) -> usize {
    let from = bytes.len() - rest;
    from + bytes[from..].iter().take_while(|byte| !matches!(byte, b'"' | b'\\' | 0..0x20)).count()
}

#[inline]
pub(super) fn past_blanks(bytes: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\n' | b'\t' | b'\r') = bytes.get(at) {
        at += 1;
    }
    at
}

/// Behind the string whose opening quote is here; none when it is none.
#[inline]
pub(super) fn past_string(bytes: &[u8], quote: usize) -> Option<usize> {
    let mut at = quote + 1;
    loop {
        at = plain_end(bytes, at);
        match bytes.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at = past_escape(bytes, at)?,
            _ => return None,
        }
    }
}

fn past_escape(bytes: &[u8], at: usize) -> Option<usize> {
    match bytes.get(at + 1)? {
        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(at + 2),
        b'u' => bytes.get(at + 2..at + 6)?.iter().all(u8::is_ascii_hexdigit).then_some(at + 6),
        _ => None,
    }
}

fn past_digits(bytes: &[u8], mut at: usize) -> usize {
    while bytes.get(at).is_some_and(u8::is_ascii_digit) {
        at += 1;
    }
    at
}

/// Behind the number that begins here. What follows it is not looked at.
pub(super) fn past_number(bytes: &[u8], start: usize) -> Option<usize> {
    let whole = start + usize::from(bytes.get(start) == Some(&b'-'));
    let mut at = past_digits(bytes, whole);
    if at == whole || (bytes[whole] == b'0' && at > whole + 1) {
        return None;
    }
    if bytes.get(at) == Some(&b'.') {
        let fraction = at + 1;
        at = past_digits(bytes, fraction);
        if at == fraction {
            return None;
        }
    }
    if let Some(b'e' | b'E') = bytes.get(at) {
        let exponent = at + 1 + usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
        at = past_digits(bytes, exponent);
        if at == exponent {
            return None;
        }
    }
    Some(at)
}

/// Behind the name that begins here, and its colon.
#[inline]
fn past_name(bytes: &[u8], at: usize) -> Option<usize> {
    if bytes.get(at) != Some(&b'"') {
        return None;
    }
    let colon = past_blanks(bytes, past_string(bytes, at)?);
    (bytes.get(colon) == Some(&b':')).then_some(colon + 1)
}

/// Behind the value that begins here. The brackets that are open lie on the heap, so that no depth is too deep.
pub(super) fn past_value(bytes: &[u8], mut at: usize) -> Option<usize> {
    let mut open: SmallVec<[u8; 64]> = SmallVec::new();
    loop {
        at = past_blanks(bytes, at);
        at = match bytes.get(at)? {
            b'"' => past_string(bytes, at)?,
            b'{' => match past_blanks(bytes, at + 1) {
                end if bytes.get(end) == Some(&b'}') => end + 1,
                name => {
                    open.push(b'}');
                    at = past_name(bytes, name)?;
                    continue;
                }
            },
            b'[' => match past_blanks(bytes, at + 1) {
                end if bytes.get(end) == Some(&b']') => end + 1,
                first => {
                    open.push(b']');
                    at = first;
                    continue;
                }
            },
            b'-' | b'0'..=b'9' => past_number(bytes, at)?,
            b't' if bytes[at..].starts_with(b"true") => at + 4,
            b'f' if bytes[at..].starts_with(b"false") => at + 5,
            b'n' if bytes[at..].starts_with(b"null") => at + 4,
            _ => return None,
        };
        loop {
            let Some(closing) = open.last() else { return Some(at) };
            at = past_blanks(bytes, at);
            match bytes.get(at)? {
                b',' if *closing == b']' => at += 1,
                b',' => at = past_name(bytes, past_blanks(bytes, at + 1))?,
                byte if byte == closing => {
                    open.pop();
                    at += 1;
                    continue;
                }
                _ => return None,
            }
            break;
        }
    }
}
