//! Values by shape, as the second rule set knows them: a value that was drawn becomes one placeholder, whatever digits and
//! letters the draw came to.
//!
//! Promises: as in `values`. Deliberately not here: what the first rule set knew already.

use super::site::{Shape, Site};
use super::times::number_end;
use super::{Edit, context};
use crate::normalize::random::{is_base64_url, is_drawn, is_jumbled, is_scrambled};

/// `9f86d081`, `00000001`, `deadbeef`: from eight digits on a hash or an id, even when it has no letter, or no digit.
pub(super) fn hex(site: &Site<'_>) -> Option<Edit> {
    let word = &site.word;
    let drawn = word.hex && word.len() >= 8 && !(word.shape == Shape::Digits && site.byte(word.end) == b'.');
    let one_case = || {
        let text = site.word_text();
        !(text.bytes().any(|b| b.is_ascii_lowercase()) && text.bytes().any(|b| b.is_ascii_uppercase()))
    };
    // Digits that a unit follows are told by it; so are those of a phone or a card.
    let plain =
        || word.shape == Shape::Digits && !matches!(word.len(), 16 | 20 | 24 | 32 | 40 | 48 | 56 | 64 | 96 | 128);
    (drawn && one_case() && !plain()).then(|| Edit::put(word.start..word.end, "<hex>")).flatten()
}

/// ULIDs, request ids, keys: drawn, not written.
pub(super) fn random_word(site: &Site<'_>) -> Option<Edit> {
    let drawn = site.word.len() >= 10 && is_drawn(site.word_text());
    drawn.then(|| Edit::put(site.at..site.word.end, "<id>")).flatten()
}

/// A word that no name is like, however few its digits are.
pub(super) fn scrambled(site: &Site<'_>) -> Option<Edit> {
    if site.word.len() < 12 || site.before(site.at) == b'.' {
        return None;
    }
    let word = site.word_text();
    let prefixed = || site.before(site.at) == b'_' && is_jumbled(word);
    let drawn = !word.starts_with("0x") && (is_scrambled(word) || prefixed());
    drawn.then(|| Edit::put(site.at..site.word.end, "<id>")).flatten()
}

/// `V1StGXR8_Z5jdHi6B-myT`: nano ids and tokens, from the joint they may begin with. A prefix that says what it is the id
/// of (`cus_NffrFeUfNV2Hib`) stays.
pub(super) fn base64_url(site: &Site<'_>) -> Option<Edit> {
    let run = |from| site.run_near(from, |b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    if site.before(site.at).is_ascii_alphanumeric()
        || matches!(site.before(site.at), b'-' | b'_') && site.at > site.floor
    {
        return None;
    }
    let end = run(site.at);
    let text = &site.text[site.at..end];
    let prefixed = text.split_once('_').is_some_and(|(prefix, rest)| {
        (2..=8).contains(&prefix.len()) && prefix.bytes().all(|b| b.is_ascii_lowercase()) && !rest.contains(['-', '_'])
    });
    let drawn = text.contains(['-', '_']) && !prefixed && is_base64_url(text);
    drawn.then(|| Edit::put(site.at..end, "<id>")).flatten()
}

/// `F5/2kQ…`, `bbBwo1wZMm/S/Md=`: base64 that begins like a word.
pub(super) fn base64_word(site: &Site<'_>) -> Option<Edit> {
    let end = site.run_near(site.at, |b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'='));
    let text = &site.text[site.at..end];
    let told = text.contains('+') || text.ends_with('=') || text.len() >= 60;
    (told && text.len() >= 20 && is_drawn(text) && site.ends(end)).then(|| Edit::put(site.at..end, "<id>")).flatten()
}

/// `/m8gQ…=`, `+tV1h…`: base64 that does not begin with a letter.
pub(super) fn base64(site: &Site<'_>) -> Option<Edit> {
    let fresh =
        !site.before(site.at).is_ascii_alphanumeric() && !matches!(site.before(site.at), b'/' | b'.' | b'>' | b'}');
    let end = site.run_near(site.at, |b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'='));
    let text = &site.text[site.at..end];
    let told = text.contains('+') || text.ends_with('=') || end - site.at >= 60;
    (fresh && told && text.len() >= 20 && is_drawn(text)).then(|| Edit::put(site.at..end, "<id>")).flatten()
}

/// `Request ID: RGMBQCTBHPS`, `traceId=4bf92f-x`: whatever stands behind a label that ends with `id`.
pub(super) fn labelled_id(site: &Site<'_>) -> Option<Edit> {
    let joint = if site.before(site.at) == b' ' { site.before(site.at - 1) } else { site.before(site.at) };
    if !matches!(joint, b':' | b'=') {
        return None;
    }
    let (label, between) = context::word_before(site, site.at);
    let labelled =
        matches!(between, ":" | "=" | ": " | " = " | " : ") && context::ends_like(label, &["id", "etag", "ref"]);
    if !labelled {
        return None;
    }
    let idle = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'+' | b'/' | b'=' | b'.');
    let end = site.run_near(site.at, idle);
    let text = site.text[site.at..end].trim_end_matches('.');
    let numbered = text.bytes().any(|b| b.is_ascii_digit());
    let whose = context::before(site, site.at - between.len(), 24);
    let made = || {
        text.len() >= 8
            && ["equest", "race", "orrelation", "ession", "ransaction"].iter().any(|word| whose.contains(word))
    };
    (numbered || is_drawn(text) || made()).then(|| Edit::put(site.at..site.at + text.len(), "<id>")).flatten()
}

/// `6.02e23`, `1.5E-10`, `2e308`.
pub(super) fn scientific(site: &Site<'_>) -> Option<Edit> {
    if !site.byte(site.at).is_ascii_digit() {
        return None;
    }
    let number = number_end(site, site.at);
    let sign = number + 1 + usize::from(matches!(site.byte(number + 1), b'-' | b'+'));
    let end = site.digits(sign.min(site.text.len()));
    let exponent = matches!(site.byte(number), b'e' | b'E') && (1..=3).contains(&(end.saturating_sub(sign)));
    (number > site.at && exponent && site.ends(end)).then(|| Edit::put(site.at..end, "<num>")).flatten()
}

/// `010-****-1234`, `110-***-456789`, `900101-1******`: groups of digits, some of them hidden.
pub(super) fn hidden_digits(site: &Site<'_>) -> Option<Edit> {
    let end = site.run_near(site.at, |b| b.is_ascii_digit() || matches!(b, b'-' | b'*'));
    let text = site.text[site.at..end].trim_end_matches('-');
    text.contains("**").then(|| Edit::put(site.at..site.at + text.len(), "<num>")).flatten()
}

/// `1.25초` and the like: an ISO duration with a fraction, `PT1M30.5S`.
pub(super) fn iso_duration(site: &Site<'_>) -> Option<Edit> {
    super::times::iso_duration(site).filter(|_| site.byte(site.at) == b'P')
}

/// `thread-7`, `Task-12`, `local3` in what a runtime prints: the number goes though it looks like a name's.
pub(super) fn runtime_number(site: &Site<'_>) -> Option<Edit> {
    let letters = site.run(site.at, |b| b.is_ascii_alphabetic());
    let local = &site.text[site.at..letters] == "local" && site.before(site.at) == b'<';
    let whole = site.digits(letters) == site.word.end && site.byte(site.word.end) == b'>';
    (local && whole).then(|| Edit::put(letters..site.word.end, "<num>")).flatten()
}

/// `JobImpl{Active}@1a2b3c4d`, `Foo(x)@1a2b`: an identity hash behind a state.
pub(super) fn hash_behind_state(site: &Site<'_>) -> Option<Edit> {
    let end = site.run(site.at + 1, |b| b.is_ascii_digit() || matches!(b, b'a'..=b'f'));
    let hash = matches!(site.before(site.at), b'}' | b')') && (1..=16).contains(&(end - site.at - 1));
    (hash && site.ends(end)).then(|| Edit::put(site.at + 1..end, "<addr>")).flatten()
}

/// `order-7#-62177`: an actor's number.
pub(super) fn signed_number(site: &Site<'_>) -> Option<Edit> {
    let end = site.digits(site.at + 2);
    let signed = site.byte(site.at + 1) == b'-' && end > site.at + 2 && site.ends(end);
    signed.then(|| Edit::put(site.at + 1..end, "<num>")).flatten()
}

/// `<0.521.0>`: an Erlang process.
pub(super) fn process(site: &Site<'_>) -> Option<Edit> {
    let end = site.run_near(site.at + 1, |b| b.is_ascii_digit() || b == b'.');
    let parts = site.text[site.at + 1..end].split('.').filter(|part| !part.is_empty()).count();
    (parts == 3 && site.byte(end) == b'>').then(|| Edit::put(site.at..end + 1, "<addr>")).flatten()
}

/// `thread 'main' (4711) panicked`: later runtimes say the thread's number, too.
pub(super) fn panicked(site: &Site<'_>) -> Option<Edit> {
    let end = site.digits(site.at + 1);
    let told = end > site.at + 1 && site.text[end..].starts_with(") panicked") && site.before(site.at) == b' ';
    told.then(|| Edit::drop(site.at..end + 2)).flatten()
}

/// `aa:bb:cc:00:11:22`: a device.
pub(super) fn mac(site: &Site<'_>) -> Option<Edit> {
    let end = site.run_near(site.at, |b| b.is_ascii_hexdigit() || matches!(b, b':' | b'-'));
    let text = &site.text[site.at..end];
    let joint = site.byte(site.word.end) as char;
    let shaped = text.len() == 17 && text.split(joint).count() == 6 && text.split(joint).all(|part| part.len() == 2);
    (shaped && site.ends(end)).then(|| Edit::put(site.at..end, "<id>")).flatten()
}
