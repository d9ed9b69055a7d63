//! Times and durations.
//!
//! Promises: shapes only; whether a date exists is not asked. Deliberately not here: words such as `yesterday`.

use super::Edit;
use super::site::{Shape, Site, Word};

/// Units that may be written behind a number, and whether a space may stand between.
const UNITS: &[(&str, bool)] = &[
    ("ns", true),
    ("us", true),
    ("ms", true),
    ("msec", true),
    ("millis", true),
    ("milliseconds", true),
    ("millisecond", true),
    ("s", true),
    ("sec", true),
    ("secs", true),
    ("second", true),
    ("seconds", true),
    ("m", false),
    ("min", true),
    ("mins", true),
    ("minute", true),
    ("minutes", true),
    ("h", false),
    ("hr", true),
    ("hrs", true),
    ("hour", true),
    ("hours", true),
    ("d", false),
    ("day", true),
    ("days", true),
];

/// Units in other scripts; a particle may follow them.
const UNITS_ELSEWHERE: &[&str] = &["밀리초", "초", "분", "시간", "µs", "μs"];

/// Units of size.
const SIZES: &[&str] = &["b", "kb", "mb", "gb", "tb", "kib", "mib", "gib", "bytes", "byte"];

const MONTHS: [[u8; 3]; 12] =
    [*b"jan", *b"feb", *b"mar", *b"apr", *b"may", *b"jun", *b"jul", *b"aug", *b"sep", *b"oct", *b"nov", *b"dec"];
const DAYS: [[u8; 3]; 7] = [*b"mon", *b"tue", *b"wed", *b"thu", *b"fri", *b"sat", *b"sun"];

/// `2024-01-05`, `2024-01-05T18:39:45.123+09:00`, `2024/01/05 18:39`, `05/Jan/2024:18:39:45 +0000`.
pub(super) fn date(site: &Site<'_>) -> Option<Edit> {
    let year_first = site.word.len() == 4;
    let joint = site.byte(site.word.end);
    if !matches!(site.word.len(), 1 | 2 | 4) || !matches!(joint, b'-' | b'/' | b'.') || !fresh(site) {
        return None;
    }
    let middle = Word::read(site.bytes(), site.word.end + 1);
    if site.byte(middle.end) != joint || !(1..=3).contains(&middle.len()) {
        return None;
    }
    let named = middle.shape == Shape::Letters && is_in(&site.text[middle.start..middle.end], &MONTHS);
    let numbered = middle.shape == Shape::Digits && middle.len() <= 2;
    let last = site.digits(middle.end + 1);
    let size = last - middle.end - 1;
    let shaped = if year_first { (1..=2).contains(&size) && numbered } else { size == 4 && (named || numbered) };
    if !shaped || site.byte(last).is_ascii_alphabetic() && !matches!(site.byte(last), b'T' | b'Z' | b't') {
        return None;
    }
    Edit::put(site.at..clock_behind(site, last), "<time>")
}

/// Not behind a byte that would make it a part of something longer.
fn fresh(site: &Site<'_>) -> bool {
    !matches!(site.before(site.at), b'.' | b':' | b'/') || site.at < 2 || !site.bytes()[site.at - 2].is_ascii_digit()
}

/// The end of a clock time behind a date, when there is one.
fn clock_behind(site: &Site<'_>, date: usize) -> usize {
    let from = match site.byte(date) {
        b'T' | b't' | b' ' | b':' => date + 1,
        _ => return date,
    };
    clock_end(site, from).unwrap_or(date)
}

/// From hours to the zone: `18:39`, `18:39:45,123Z`, `18:39:45 +0900`.
fn clock_end(site: &Site<'_>, from: usize) -> Option<usize> {
    let hours = site.digits(from);
    let minutes = site.digits(hours + usize::from(site.byte(hours) == b':'));
    if !(1..=2).contains(&(hours - from)) || site.byte(hours) != b':' || minutes != hours + 3 {
        return None;
    }
    let mut end = minutes;
    if site.byte(end) == b':' && site.digits(end + 1) == end + 3 {
        end += 3;
        if matches!(site.byte(end), b'.' | b',') && site.digits(end + 1) > end + 1 {
            end = site.digits(end + 1);
        }
    }
    if matches!(site.byte(end), b'Z' | b'z') && site.ends(end + 1) {
        return Some(end + 1);
    }
    let sign = end + usize::from(site.byte(end) == b' ');
    if matches!(site.byte(sign), b'+' | b'-') {
        let zone = site.run(sign + 1, |b| b.is_ascii_digit() || b == b':');
        if matches!(zone - sign, 3 | 5 | 6) {
            end = zone;
        }
    }
    if site.byte(end) == b'[' {
        let name = site.run(end + 1, |b| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'_' | b'+' | b'-'));
        if site.byte(name) == b']' {
            end = name + 1;
        }
    }
    site.ends(end).then_some(end)
}

/// `18:39:45`, `18:39:45.123`. Two numbers alone may be anything.
pub(super) fn clock(site: &Site<'_>) -> Option<Edit> {
    let end = clock_end(site, site.at)?;
    let colons = site.bytes()[site.at..end].iter().filter(|b| **b == b':').count();
    (colons >= 2 && fresh(site) && site.byte(end) != b':').then(|| Edit::put(site.at..end, "<time>")).flatten()
}

/// `Mon Nov 23 06:54:05 UTC 2026`, `Tue, 15 Nov 1994 08:12:31 GMT`, `Nov 23 06:54:05`.
pub(super) fn named_day(site: &Site<'_>) -> Option<Edit> {
    let day = is_in(site.word_text(), &DAYS);
    if !day && !is_in(site.word_text(), &MONTHS) {
        return None;
    }
    let mut end = site.word.end;
    let mut numbers = 0;
    let mut months = usize::from(!day);
    let mut clocks = 0;
    for _ in 0..7 {
        let from = site.run(end, |b| b == b',');
        if site.byte(from) != b' ' {
            break;
        }
        let from = site.run(from, |b| b == b' ');
        let word = Word::read(site.bytes(), from);
        let text = &site.text[word.start..word.end];
        if let Some(clock) = clock_end(site, from) {
            clocks += 1;
            end = clock;
        } else if word.shape == Shape::Digits && matches!(word.len(), 1 | 2 | 4) && site.byte(word.end) != b'.' {
            numbers += 1;
            end = word.end;
        } else if is_in(text, &MONTHS) {
            months += 1;
            end = word.end;
        } else if clocks > 0
            && matches!(
                text,
                "AM" | "PM" | "UTC" | "GMT" | "KST" | "JST" | "PST" | "PDT" | "EST" | "EDT" | "CET" | "CEST"
            )
        {
            end = word.end;
        } else {
            break;
        }
    }
    (months > 0 && numbers > 0 && (clocks > 0 || numbers > 1)).then(|| Edit::put(site.at..end, "<time>")).flatten()
}

fn is_in<const N: usize>(word: &str, table: &[[u8; 3]; N]) -> bool {
    let Ok(word) = <[u8; 3]>::try_from(word.as_bytes()) else { return false };
    table.contains(&word.map(|letter| letter.to_ascii_lowercase()))
}

/// The end of a plain number with a fraction or groups of thousands.
pub(super) fn number_end(site: &Site<'_>, from: usize) -> usize {
    let mut end = site.digits(from);
    while site.byte(end) == b',' && site.digits(end + 1) == end + 4 {
        end += 4;
    }
    if site.byte(end) == b'.' && site.digits(end + 1) > end + 1 {
        end = site.digits(end + 1);
    }
    end
}

/// `30050ms`, `1.5 s`, `30 seconds`, `1m30s`, `3초`.
pub(super) fn duration(site: &Site<'_>) -> Option<Edit> {
    let mut end = unit(site, number_end(site, site.at), true)?;
    while site.byte(end).is_ascii_digit() {
        match unit(site, number_end(site, end), false) {
            Some(more) => end = more,
            None => break,
        }
    }
    site.ends(end).then(|| Edit::put(site.at..end, "<duration>")).flatten()
}

fn unit(site: &Site<'_>, number: usize, spaced: bool) -> Option<usize> {
    let space = usize::from(spaced && site.byte(number) == b' ');
    let from = number + space;
    if site.byte(from) >= 0x80 {
        let rest = &site.text[from..];
        return UNITS_ELSEWHERE.iter().find(|unit| rest.starts_with(**unit)).map(|unit| from + unit.len());
    }
    let end = site.run(from, |b| b.is_ascii_alphabetic());
    if end == from {
        return None;
    }
    let written = &site.text[from..end];
    let known = |(unit, apart): &(&str, bool)| unit.eq_ignore_ascii_case(written) && (space == 0 || *apart);
    UNITS.iter().any(known).then_some(end)
}

/// `PT30S`, `PT1M30.5S`.
pub(super) fn iso_duration(site: &Site<'_>) -> Option<Edit> {
    let rest = site.word_text().strip_prefix("PT")?;
    let shaped = rest.starts_with(|c: char| c.is_ascii_digit())
        && rest.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'H' | b'M' | b'S'));
    let mut end = site.word.end;
    if site.byte(end) == b'.' {
        let fraction = site.digits(end + 1);
        end = if site.byte(fraction) == b'S' { fraction + 1 } else { end };
    }
    shaped.then(|| Edit::put(site.at..end, "<duration>")).flatten()
}

/// `10MB`, `1048576 bytes`, `2.5 GiB`.
pub(super) fn size(site: &Site<'_>) -> Option<Edit> {
    let number = number_end(site, site.at);
    let from = number + usize::from(site.byte(number) == b' ');
    let unit = site.run(from, |b| b.is_ascii_alphabetic());
    let known = SIZES.iter().any(|size| size.eq_ignore_ascii_case(&site.text[from..unit]));
    (known && site.ends(unit) && (unit > from + 1 || from == number))
        .then(|| Edit::put(site.at..unit, "<size>"))
        .flatten()
}
