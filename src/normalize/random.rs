//! What was drawn rather than written, told by its letters.
//!
//! Promises: no dictionary; which letters follow each other in English and in names made from it. Deliberately not here:
//! what to do with it.

/// For each letter those that commonly follow it, as bits: of ten thousand pairs at least one is so.
const FOLLOWERS: [u32; 26] = [
    0x3febd6e, 0x11e4b15, 0x19eddb5, 0x11e497b, 0x1ffffff, 0x11e7979, 0x01e79d1, 0x11e5119, 0x2aefc7f, 0x0044010,
    0x0042111, 0x17ce97b, 0x11cd91b, 0x17ced7d, 0x2feff7f, 0x11ecdb9, 0x0100000, 0x17efd7d, 0x35efdf5, 0x1ded9bd,
    0x08ef97f, 0x0004111, 0x0066191, 0x008a195, 0x00cf910, 0x0004111,
];

/// Of a text's pairs of letters, all that are looked at and those that no word has. A capital behind a small letter
/// begins a word.
fn pairs(text: &str) -> (usize, usize) {
    let (mut all, mut odd) = (0, 0);
    for pair in text.as_bytes().windows(2) {
        let [a, b] = [pair[0], pair[1]];
        if a.is_ascii_alphabetic() && b.is_ascii_alphabetic() && !(a.is_ascii_lowercase() && b.is_ascii_uppercase()) {
            let [a, b] = [a, b].map(|letter| letter.to_ascii_lowercase() - b'a');
            all += 1;
            odd += usize::from(FOLLOWERS[a as usize] >> b & 1 == 0);
        }
    }
    (all, odd)
}

/// Whether a quarter of the pairs of letters, and at least so many, are in no word.
pub(super) fn is_unlikely(text: &str, least: usize) -> bool {
    let (all, odd) = pairs(text);
    odd >= least && odd * 4 >= all
}

/// Whether a text was drawn: by how often capitals, small letters and digits alternate, by its letters, or by both.
pub(super) fn is_drawn(text: &str) -> bool {
    super::url::drawn(text) || {
        let digits = text.bytes().any(|b| b.is_ascii_digit());
        let (all, odd) = pairs(text);
        text.len() >= if digits { 12 } else { 16 } && odd >= 3 && odd * 4 >= all
            || text.len() >= 16 && odd >= 1 && (odd + digit_changes(text)) * 4 >= text.len()
            || text.len() >= 16 && is_jumbled(text)
    }
}

/// Whether capitals and small letters alternate as in no name of several words, together with pairs that no word has.
pub(super) fn is_jumbled(text: &str) -> bool {
    let (_, odd) = pairs(text);
    let changes =
        text.as_bytes().windows(2).filter(|pair| pair[0].is_ascii_uppercase() != pair[1].is_ascii_uppercase());
    (odd + changes.count()) * 7 >= text.len() * 4
}

/// Whether a word is like no name, however few its digits are: `name-with-digits` need not be asked.
pub(super) fn is_scrambled(word: &str) -> bool {
    if word.len() < 12 {
        return false;
    }
    let (all, odd) = pairs(word);
    let kinds = |of: fn(&u8) -> bool| word.as_bytes().iter().any(of);
    let (digits, capitals, small) =
        (kinds(u8::is_ascii_digit), kinds(u8::is_ascii_uppercase), kinds(u8::is_ascii_lowercase));
    let kind = |b: u8| (b.is_ascii_digit(), b.is_ascii_uppercase());
    let changes = word.as_bytes().windows(2).filter(|pair| kind(pair[0]) != kind(pair[1])).count();
    odd >= 3 && odd * if digits || word.len() >= 16 { 4 } else { 3 } >= all
        || digits && capitals && small && changes * 2 >= word.len()
        || word.len() >= 16 && is_jumbled(word)
        || digits && word.len() >= 16 && odd >= 1 && (odd + digit_changes(word)) * 4 >= word.len()
}

/// Whether a run of letters, digits, `-` and `_` is base64 for URLs rather than words that are joined.
pub(super) fn is_base64_url(text: &str) -> bool {
    let kinds = |of: fn(&u8) -> bool| text.as_bytes().iter().any(of);
    if text.len() < 18 || !kinds(u8::is_ascii_uppercase) || !kinds(u8::is_ascii_lowercase) {
        return false;
    }
    let (_, odd) = pairs(text);
    odd >= 1 && (odd + digit_changes(text)) * 5 >= text.len() || is_jumbled(text)
}

/// How often a digit stands next to a letter.
fn digit_changes(text: &str) -> usize {
    let joined = |pair: &&[u8]| {
        let digits = pair.iter().filter(|b| b.is_ascii_digit()).count();
        digits == 1 && pair.iter().all(u8::is_ascii_alphanumeric)
    };
    text.as_bytes().windows(2).filter(joined).count()
}
