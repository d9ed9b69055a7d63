//! The short attributes: category, module, environment, method.
//!
//! Promises: case and white space never make two errors of one; a service is the same on every pod. Deliberately not
//! here: synonyms (`prod` and `production`), which only the user can know.

use std::borrow::Cow;

use crate::normalize::trail::Trail;

/// Trimmed, white space collapsed, lower-case.
pub(super) fn word<'a>(text: &'a str, trail: &mut impl Trail) -> Cow<'a, str> {
    let collapsed = collapsed(text, trail);
    if !has(&collapsed, u8::is_ascii_uppercase, char::is_uppercase) {
        return collapsed;
    }
    let lower = collapsed.to_lowercase();
    trail.applied("lower-case", &collapsed, &lower);
    Cow::Owned(lower)
}

fn has(text: &str, ascii: fn(&u8) -> bool, any: fn(char) -> bool) -> bool {
    let (mut found, mut wide) = (false, false);
    for byte in text.as_bytes() {
        found |= ascii(byte);
        wide |= !byte.is_ascii();
    }
    found || wide && text.chars().any(any)
}

/// Trimmed, upper-case.
pub(super) fn method<'a>(text: &'a str, trail: &mut impl Trail) -> Cow<'a, str> {
    let collapsed = collapsed(text, trail);
    if !has(&collapsed, u8::is_ascii_lowercase, char::is_lowercase) {
        return collapsed;
    }
    let upper = collapsed.to_uppercase();
    trail.applied("upper-case", &collapsed, &upper);
    Cow::Owned(upper)
}

/// A word without the suffix that k8s gives each pod.
pub(super) fn module<'a>(text: &'a str, trail: &mut impl Trail) -> Cow<'a, str> {
    let mut name = word(text, trail);
    while let Some(at) = pod_suffix(&name) {
        trail.applied("pod-suffix", &name, &name[..at]);
        match &mut name {
            Cow::Borrowed(text) => *text = &text[..at],
            Cow::Owned(text) => text.truncate(at),
        }
    }
    name
}

/// Trimmed, each run of white space one space.
pub(super) fn collapsed<'a>(text: &'a str, trail: &mut impl Trail) -> Cow<'a, str> {
    let trimmed = text.trim();
    let after = if is_collapsed(trimmed) {
        Cow::Borrowed(trimmed)
    } else {
        let mut after = String::with_capacity(trimmed.len());
        for part in trimmed.split_whitespace() {
            if !after.is_empty() {
                after.push(' ');
            }
            after.push_str(part);
        }
        Cow::Owned(after)
    };
    if after != text {
        trail.applied("white-space", text, &after);
    }
    after
}

fn is_collapsed(text: &str) -> bool {
    is_surely_collapsed(text.as_bytes()) || {
        let odd = text.bytes().any(|byte| matches!(byte, 9..=13)) || text.contains("  ");
        !odd && !text.chars().any(|c| c.is_whitespace() && !c.is_ascii())
    }
}

/// Whether there are neither two spaces next to each other, nor control characters, nor characters beyond ASCII, among
/// which there are other spaces. Eight bytes at a time, as it is asked of every attribute of every event.
fn is_surely_collapsed(text: &[u8]) -> bool {
    const ONES: u64 = u64::MAX / 255;
    const HIGH: u64 = ONES << 7;
    let mut space_before = 0;
    let mut look = |eight: [u8; 8]| {
        let eight = u64::from_le_bytes(eight);
        let control = eight.wrapping_sub(ONES * 0x20) & !eight;
        // Without a carry into the next byte, as the neighbours of a space count.
        let other = eight ^ (ONES * b' ' as u64);
        let spaces = !(((other & !HIGH) + !HIGH) | other) & HIGH;
        let twice = spaces & (spaces << 8 | space_before);
        space_before = spaces >> 56;
        (control | eight) & HIGH | twice
    };
    let (eights, rest) = text.as_chunks();
    let mut last = [b'.'; 8];
    last[..rest.len()].copy_from_slice(rest);
    eights.iter().all(|eight| look(*eight) == 0) && look(last) == 0
}

/// Where a ReplicaSet pod's suffix begins: `-<8 to 10>-<5>` of the alphabet k8s makes names from (no vowels, and no
/// digits that look like letters, so that no word comes out by accident).
pub(super) fn pod_suffix(name: &str) -> Option<usize> {
    let drawn = |part: &str| part.bytes().all(|b| b"bcdfghjklmnpqrstvwxz2456789".contains(&b));
    let (rest, pod) = name.rsplit_once('-')?;
    let (service, replica_set) = rest.rsplit_once('-')?;
    let shaped = pod.len() == 5 && (8..=10).contains(&replica_set.len()) && !service.is_empty();
    (shaped && drawn(pod) && drawn(replica_set)).then_some(service.len())
}

/// A row of the table of this kind: rules here are steps, so the table is for the test and for people.
#[cfg(test)]
pub(super) const EXAMPLES: &[(&str, &str, &str)] = &[
    ("white-space", "  open \t api\r\n", "open api"),
    ("lower-case", "Open API", "open api"),
    ("pod-suffix", "order-api-7d9f8b6c54-x2x9k", "order-api"),
    ("pod-suffix", "step1-api-2", "step1-api-2"),
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_collapsed_is_told_as_by_collapsing(text in "[ -&a\t\u{a0}\u{2003}\u{7f}가]{0,40}") {
            let parts: Vec<&str> = text.split_whitespace().collect();
            let trimmed = text.trim();
            assert_eq!(is_collapsed(trimmed), parts.join(" ") == trimmed, "{text:?}");
        }
    }
}
