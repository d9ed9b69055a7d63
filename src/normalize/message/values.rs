//! Identifiers, addresses, numbers, bodies: rules that mask by shape.
//!
//! Promises: every rule looks at a bounded stretch, or masks all that it looked at. Deliberately not here: times
//! (`times`), quotes (`quoted`), paths (`paths`).

use super::site::{Shape, Site, Word};
use super::times::number_end;
use super::{Edit, context};
use crate::normalize::{plain, url};

/// What masked values look like, so that a masked message is left alone.
pub(super) const PLACEHOLDERS: &[&str] = &[
    "<addr>",
    "<duration>",
    "<email>",
    "<hex>",
    "<id>",
    "<ip>",
    "<json>",
    "<num>",
    "<path>",
    "<size>",
    "<str>",
    "<time>",
    "<token>",
    "<uuid>",
];

/// What the scrubber's marks stand for: what an unscrubbed value of that shape becomes, so that a number that happens
/// to look like a card does not make two errors of one.
const MARKS: &[(&str, &str)] = &[
    ("[scrubbed:card]", "<num>"),
    ("[scrubbed:phone]", "<num>"),
    ("[scrubbed:resident]", "<num>"),
    ("[scrubbed:email]", "<email>"),
    ("[scrubbed:jwt]", "<token>"),
    ("[scrubbed:secret]", "<token>"),
];

/// `<num>`: left alone, but it melts into an equal one before it.
pub(super) fn placeholder(site: &Site<'_>) -> Option<Edit> {
    let known = PLACEHOLDERS.iter().find(|known| site.text[site.at..].starts_with(**known))?;
    Edit::put(site.at..site.at + known.len(), known)
}

/// `[scrubbed:card]`.
pub(super) fn scrubbed(site: &Site<'_>) -> Option<Edit> {
    let (mark, value) = MARKS.iter().find(|(mark, _)| site.text[site.at..].starts_with(mark))?;
    Edit::put(site.at..site.at + mark.len(), value)
}

/// `?`, `?, ?, ?`: bind variables; how many is accidental.
pub(super) fn bind_variable(site: &Site<'_>) -> Option<Edit> {
    let opened = matches!(site.before(site.at), b'(' | b',' | b' ' | b'=');
    let closed = matches!(site.byte(site.at + 1), b')' | b',' | b' ' | b']' | b';' | 0);
    (opened && closed).then(|| Edit::put(site.at..site.at + 1, "?")).flatten()
}

/// A JSON object, or an array of them; to the end of the text where it was cut.
pub(super) fn json(site: &Site<'_>) -> Option<Edit> {
    let bytes = site.bytes();
    let mut at = site.at;
    while matches!(site.byte(at), b'[' | b'{' | b' ' | b'\n' | b'\r' | b'\t') && at < site.at + 8 {
        at += 1;
    }
    let escaped = bytes[at..].starts_with(b"\\\"");
    let opened = escaped || site.byte(at) == b'"';
    if !opened || !bytes[site.at..at].contains(&b'{') {
        return None;
    }
    let (mut depth, mut quoted) = (0_u32, false);
    let mut i = site.at;
    while i < bytes.len() {
        match bytes[i] {
            b'\\' if !escaped => i += 1,
            b'"' => quoted = !quoted,
            b'{' | b'[' if !quoted => depth += 1,
            b'}' | b']' if !quoted => {
                depth -= 1;
                if depth == 0 {
                    return Edit::put(site.at..i + 1, "<json>");
                }
            }
            _ => {}
        }
        i += 1;
    }
    Edit::put(site.at..bytes.len(), "<json>")
}

/// `Foo@1a2b3c4d`, `[B@5e91993f`, `loader Foo @2a139a55`: an identity hash.
pub(super) fn identity_hash(site: &Site<'_>) -> Option<Edit> {
    let end = site.run(site.at + 1, |b| b.is_ascii_digit() || matches!(b, b'a'..=b'f'));
    let before = site.before(site.at);
    let named = before.is_ascii_alphanumeric() || matches!(before, b']' | b';' | b'$' | b'_');
    let digits = end - site.at - 1;
    let hash = named && (1..=16).contains(&digits) || before == b' ' && (5..=8).contains(&digits);
    let whole = site.ends(end) && site.byte(end) != b'.';
    (hash && whole).then(|| Edit::put(site.at + 1..end, "<addr>")).flatten()
}

/// `-7d9f8b6c54-x2x9k` behind a name: which pod it was.
pub(super) fn pod(site: &Site<'_>) -> Option<Edit> {
    let set = Word::read(site.bytes(), site.at + 1);
    if !(8..=10).contains(&set.len()) || site.byte(set.end) != b'-' || !site.before(site.at).is_ascii_alphanumeric() {
        return None;
    }
    let end = Word::read(site.bytes(), set.end + 1).end;
    let name = site.bytes()[..site.at].iter().rev().take_while(|b| b.is_ascii_alphanumeric()).count();
    let whole = plain::pod_suffix(&site.text[site.at - name..end]) == Some(name) && site.byte(end) != b'-';
    whole.then(|| Edit::drop(site.at..end)).flatten()
}

/// `0x00007f6418dc6f3d`.
pub(super) fn address(site: &Site<'_>) -> Option<Edit> {
    let digits = site.word_text().strip_prefix("0x").or_else(|| site.word_text().strip_prefix("0X"))?;
    let hex = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_hexdigit());
    hex.then(|| Edit::put(site.at..site.word.end, "<addr>")).flatten()
}

/// `kim.cs+pay@example.co.kr`.
pub(super) fn email(site: &Site<'_>) -> Option<Edit> {
    let sign = site.at_sign()?;
    let local = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'%' | b'+' | b'-');
    if sign - site.at > 64 || site.run(site.at, local) != sign {
        return None;
    }
    let end = site.run(sign + 1, |b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-'));
    let domain = site.text[sign + 1..end].trim_end_matches(['.', '-']);
    let (host, top) = domain.rsplit_once('.')?;
    let domain_shaped = !host.is_empty() && top.len() >= 2 && top.bytes().all(|b| b.is_ascii_alphabetic());
    domain_shaped.then(|| Edit::put(site.at..sign + 1 + domain.len(), "<email>")).flatten()
}

/// `123e4567-e89b-12d3-a456-426614174000`.
pub(super) fn uuid(site: &Site<'_>) -> Option<Edit> {
    if !site.word.hex || site.word.len() != 8 {
        return None;
    }
    let bytes = site.bytes().get(site.at..site.at + 36)?;
    let shaped = bytes.iter().enumerate().all(|(i, b)| match i {
        8 | 13 | 18 | 23 => *b == b'-',
        _ => b.is_ascii_hexdigit(),
    });
    (shaped && site.ends(site.at + 36)).then(|| Edit::put(site.at..site.at + 36, "<uuid>")).flatten()
}

/// `eyJhbGciOi….eyJzdWIi….SflKxw`.
pub(super) fn jwt(site: &Site<'_>) -> Option<Edit> {
    if site.byte(site.at) != b'e' || !site.word_text().starts_with("eyJ") {
        return None;
    }
    let end = site.run_near(site.at, |b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'));
    let token = site.text[site.at..end].trim_end_matches('.');
    (token.len() >= 20 && token.contains('.')).then(|| Edit::put(site.at..site.at + token.len(), "<token>")).flatten()
}

/// `9f86d081`, `da39a3ee5e6b4b0d3255bfef95601890afd80709`.
pub(super) fn hex(site: &Site<'_>) -> Option<Edit> {
    (site.word.hex && site.word.len() >= 7).then(|| Edit::put(site.at..site.word.end, "<hex>")).flatten()
}

/// ULIDs, nano ids, request ids, keys: drawn, not written.
pub(super) fn random_text(site: &Site<'_>) -> Option<Edit> {
    let end = site.run_near(site.at, |b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    let whole = &site.text[site.at..end];
    let base64 = site.run_near(end, |b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'+' | b'/' | b'='));
    if base64 - site.at >= 32 && url::drawn(&site.text[site.at..base64]) {
        return Edit::put(site.at..base64, "<id>");
    }
    let word = site.word_text();
    if url::drawn(word) {
        return Edit::put(site.at..site.word.end, "<id>");
    }
    // Joined parts are read as one only when they cannot be a name of several words.
    (whole.len() >= 20 && url::drawn(whole) && !whole.contains("--")).then(|| Edit::put(site.at..end, "<id>")).flatten()
}

/// `Request ID: RGMB8QCTB76H0PS1`, `traceId=4bf92f-x`: whatever stands behind a label that ends with `id`.
pub(super) fn labelled_id(site: &Site<'_>) -> Option<Edit> {
    let joint = if site.before(site.at) == b' ' { site.before(site.at - 1) } else { site.before(site.at) };
    if !matches!(joint, b':' | b'=') {
        return None;
    }
    let (label, between) = context::word_before(site, site.at);
    let labelled = matches!(between, ":" | "=" | ": " | " = " | " : ") && context::ends_like(label, &["id"]);
    if !labelled {
        return None;
    }
    let idle = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'+' | b'/' | b'=' | b'.');
    let end = site.run_near(site.at, idle);
    let text = site.text[site.at..end].trim_end_matches('.');
    let numbered = text.bytes().any(|b| b.is_ascii_digit());
    numbered.then(|| Edit::put(site.at..site.at + text.len(), "<id>")).flatten()
}

/// `user20418`, `ORD20240105001`: the number behind a name.
pub(super) fn numbered_name(site: &Site<'_>) -> Option<Edit> {
    let letters = site.run(site.at, |b| b.is_ascii_alphabetic());
    let counted = letters > site.at && site.digits(letters) == site.word.end;
    counted.then(|| Edit::put(letters..site.word.end, "<num>")).flatten()
}

/// What begins with a digit and is no number, such as `12a` or `1dca`: entered or drawn.
pub(super) fn digit_mix(site: &Site<'_>) -> Option<Edit> {
    let mixed = site.bytes()[site.at].is_ascii_digit() && site.word.len() >= 3;
    mixed.then(|| Edit::put(site.at..site.word.end, "<id>")).flatten()
}

/// `10.0.3.7`.
pub(super) fn ipv4(site: &Site<'_>) -> Option<Edit> {
    let mut end = site.at;
    for part in 0..4 {
        let last = site.digits(end);
        if last == end || last - end > 3 || site.number(end, last).is_none_or(|n| n > 255) {
            return None;
        }
        end = last;
        if part < 3 {
            if site.byte(end) != b'.' {
                return None;
            }
            end += 1;
        }
    }
    let longer = !site.ends(end) || site.byte(end) == b'.' && site.byte(end + 1).is_ascii_digit();
    (!longer && site.before(site.at) != b'.').then(|| Edit::put(site.at..end, "<ip>")).flatten()
}

/// `fe80::1ff:fe23:4567:890a`, `2001:db8:0:0:0:0:2:1`.
pub(super) fn ipv6(site: &Site<'_>) -> Option<Edit> {
    if !site.word.hex || site.word.len() > 4 {
        return None;
    }
    let end = site.run_near(site.at, |b| b.is_ascii_hexdigit() || b == b':');
    let text = &site.text[site.at..end];
    let groups = text.split(':').count();
    let sized = end - site.at <= 39 && text.split(':').all(|group| group.len() <= 4);
    let shaped = sized && !text.ends_with(':') && (groups == 8 || text.contains("::") && (3..8).contains(&groups));
    let numeric = text.bytes().any(|b| b.is_ascii_digit());
    (shaped && numeric && site.ends(end)).then(|| Edit::put(site.at..end, "<ip>")).flatten()
}

/// `1048576`, `-12.5`, `1,929,664`, `010-1234-5678`, `6.02e23`: whatever it counts or names.
pub(super) fn number(site: &Site<'_>) -> Option<Edit> {
    let mut end = number_end(site, site.at);
    // Phone, account and card numbers: groups joined by one `-`.
    while site.byte(end) == b'-' && site.digits(end + 1) > end + 1 && site.ends(site.digits(end + 1)) {
        end = site.digits(end + 1);
    }
    let sign = site.at > site.floor
        && site.before(site.at) == b'-'
        && matches!(site.before(site.at - 1), b' ' | b'=' | b':' | b'(' | b'[' | b',' | 0);
    Edit::put(site.at - usize::from(sign)..end, "<num>")
}

/// `1.2.3`: more dots than a number has; a version discriminates.
pub(super) fn dotted(site: &Site<'_>) -> Option<Edit> {
    let end = site.run_near(site.at, |b| b.is_ascii_digit() || b == b'.');
    let end = site.at + site.text[site.at..end].trim_end_matches('.').len();
    let version = site.text[site.at..end].split('.').count() >= 3 && !site.text[site.at..end].contains("..");
    let short = end - site.at <= 16;
    (version && short && context::word_after(site, end) != "ms").then(|| Edit::keep(site.at..end)).flatten()
}

/// The shapes a rule of this file may begin at, for the table.
pub(super) const DIGITS: &[Shape] = &[Shape::Digits];
pub(super) const MIXED: &[Shape] = &[Shape::Mixed];
pub(super) const LETTERS: &[Shape] = &[Shape::Letters];
pub(super) const WITH_DIGITS: &[Shape] = &[Shape::Digits, Shape::Mixed];
pub(super) const WITH_LETTERS: &[Shape] = &[Shape::Letters, Shape::Mixed];
