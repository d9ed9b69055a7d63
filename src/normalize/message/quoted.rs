//! Quoted texts: names are kept, values go.
//!
//! Promises: linear, however many quotes never close. Deliberately not here: back quotes; what stands in them is code.

use super::Edit;
use super::context::{IDENTIFIER_WORDS, VALUE_WORDS, in_table, word_after, word_before};
use super::site::{CLASS, Class, Site};
use crate::normalize::random::is_drawn;
use crate::normalize::rewrite::Put;

/// A quoted text without white space that is longer than this is a value, digits or not.
const NAME_BYTES: usize = 40;

/// Where the quoted text that opens here ends. An apostrophe inside a word is none of ours.
pub(super) fn close(site: &Site<'_>) -> Option<usize> {
    let quote = site.byte(site.at);
    if CLASS[site.before(site.at) as usize] == Class::Word {
        return None;
    }
    let read = &site.quotes_read[usize::from(quote == b'"')];
    if site.at < read.get() {
        return None;
    }
    let found = memchr::memchr_iter(quote, &site.bytes()[site.at + 1..])
        .map(|offset| site.at + 1 + offset)
        .find(|at| CLASS[site.byte(at + 1) as usize] == Class::Other);
    read.set(found.unwrap_or(usize::MAX));
    found
}

/// `column 'order_2'`, `'cp949' codec`: a name of the schema or of the code.
pub(super) fn identifier(site: &Site<'_>) -> Option<Edit> {
    let close = close(site)?;
    site.quotes_read[usize::from(site.byte(site.at) == b'"')].set(site.at);
    let inside = &site.text[site.at + 1..close];
    let name = !inside.is_empty()
        && inside.len() <= 120
        && inside.bytes().all(|b| {
            b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-' | b'$' | b'[' | b']' | b':') || b >= 0x80
        });
    if !name {
        return None;
    }
    if is_qualified(inside) {
        return Edit::keep(site.at..close + 1);
    }
    let (word, between) = word_before(site, site.at);
    let behind = matches!(between, " " | ": " | "=" | "" | " = ") && in_table(word, IDENTIFIER_WORDS);
    let ahead = !in_table(word, VALUE_WORDS) && in_table(word_after(site, close + 1), IDENTIFIER_WORDS);
    (behind || ahead).then(|| Edit::keep(site.at..close + 1)).flatten()
}

/// The same, unless so many digits stand in a row that no name has them: `key 'n10000'`.
pub(super) fn short_identifier(site: &Site<'_>) -> Option<Edit> {
    let edit = identifier(site)?;
    let digits = |part: &[u8]| part.iter().all(u8::is_ascii_digit);
    let numbered = site.bytes()[edit.cut.clone()].windows(5).any(digits);
    let drawn = |part: &str| {
        let hex = part.len() >= 8 && part.bytes().all(|b| b.is_ascii_hexdigit());
        hex && part.bytes().any(|b| b.is_ascii_digit()) || is_drawn(part)
    };
    let inside = &site.text[edit.cut.clone()];
    let long = |part: &&str| part.len() >= 8;
    let varies = numbered || inside.split(|c: char| !c.is_ascii_alphanumeric()).filter(long).any(drawn);
    (!varies).then_some(edit)
}

/// `com.shop.Order`, `api.partner-a.com`: a class or a host, whatever word it stands behind.
fn is_qualified(text: &str) -> bool {
    let part = |part: &str| part.starts_with(|c: char| c.is_ascii_alphabetic()) && part.len() <= NAME_BYTES;
    text.split('.').count() >= 3 && text.split('.').all(part) && !super::url::drawn(text)
}

/// `'settle:2480061'`: a key that a program composed: its first part is a name.
pub(super) fn composed(site: &Site<'_>) -> Option<Edit> {
    let name = site.run_near(site.at + 1, |b| b.is_ascii_lowercase() || matches!(b, b'-' | b'_'));
    if site.byte(name) != b':' || name < site.at + 3 {
        return None;
    }
    let end = close(site).filter(|end| *end > name)?;
    let inside = &site.text[site.at + 1..end];
    if !inside.bytes().any(|b| b.is_ascii_digit()) || inside.contains([' ', '/', '<', '{']) {
        site.quotes_read[usize::from(site.byte(site.at) == b'"')].set(site.at);
        return None;
    }
    let text = format!("'{}:<str>'", &site.text[site.at + 1..name]);
    Some(Edit { cut: site.at..end + 1, put: Put::Composed(text) })
}

/// `'Kim-2041'`, `"9f86d081"`: a value. Prose, URLs and paths in quotes are read like any other text.
pub(super) fn value(site: &Site<'_>) -> Option<Edit> {
    let close = close(site)?;
    let inside = &site.text[site.at + 1..close];
    let (word, between) = word_before(site, site.at);
    let told = matches!(between, " " | ": " | "=" | " = ") && in_table(word, VALUE_WORDS);
    let bytes = inside.as_bytes();
    let prose = bytes.iter().filter(|b| **b == b' ').take(2).count() == 2;
    let address = inside.contains("://") || inside.starts_with(['/', '{', '[']) || inside.contains(":\\");
    let masked = inside.starts_with('<') && inside.ends_with('>') && !told;
    if inside.is_empty() || address || masked || prose && !told {
        return None;
    }
    let varies = bytes.iter().any(|b| b.is_ascii_digit() || *b == b'@') || inside.contains("[scrubbed:");
    let literal = || sql_literal(site);
    (told || varies || inside.len() > NAME_BYTES || literal()).then(|| Edit::put(site.at..close + 1, "<str>")).flatten()
}

/// Behind an operator or a list's comma, in single quotes: SQL. Statements in other texts look the same.
fn sql_literal(site: &Site<'_>) -> bool {
    if site.byte(site.at) != b'\'' || !site.has_sql() {
        return false;
    }
    let (word, between) = word_before(site, site.at);
    let compared = matches!(between, "=" | " = " | "= ") && !word.is_empty();
    compared
        || in_table(word, &["like", "values", "in", "and", "between"])
            && between.contains(['(', ' '])
            && word.bytes().all(|b| b.is_ascii_uppercase())
}
