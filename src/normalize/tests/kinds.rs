//! What every value of a kind must come to, and what must never be lost: by drawing many.
//!
//! Promises: seeded, so a failure comes again. Deliberately not here: single cases (`tests`, `pairs`).

use std::collections::HashMap;

use super::pairs::{Draw, drawn, normal};
use crate::event::Event;
use crate::normalize::{Version, normalize};

const DRAWS: usize = if cfg!(debug_assertions) { 5_000 } else { 100_000 };

/// Draws of each kind, and how many of 100,000 may come out otherwise than most do: texts without a fixed shape cannot
/// always be told from names.
const KINDS: &[(&str, usize)] = &[
    ("uuid", 0),
    ("hex8", 0),
    ("hex12", 0),
    ("hex16", 0),
    ("hex24", 0),
    ("hex32", 0),
    ("hex40", 0),
    ("hex64", 0),
    ("HEX32", 0),
    ("ulid", 0),
    ("num", 0),
    ("jwt", 0),
    ("email", 0),
    ("ip", 0),
    ("isots", 0),
    ("dur", 0),
    ("size", 0),
    ("float", 0),
    ("phone", 0),
    ("won", 0),
    ("mac", 0),
    ("b64_76", 20),
    ("b64_44", 20),
    ("b64_24", 100),
    ("b64u43", 100),
    ("HEXU16", 100),
    ("alnum24", 100),
    ("alnum16", 500),
    ("b64u22", 1_200),
    ("nanoid", 1_500),
    ("alnum14", 3_500),
];

/// A value of one kind becomes one text, whatever was drawn: else a storm of one error opens a new issue now and then.
#[test]
fn what_is_drawn_of_one_kind_becomes_one_text() {
    let mut draw = Draw(3);
    for (kind, may_differ) in KINDS {
        let mut forms: HashMap<String, (usize, String)> = HashMap::new();
        for _ in 0..DRAWS {
            let value = drawn(kind, &mut draw).unwrap();
            let text = normal(Version::PRESENT, "detail", &format!("cannot find {value} here"));
            forms.entry(text).or_insert((0, value)).0 += 1;
        }
        let mut forms: Vec<_> = forms.into_iter().collect();
        forms.sort_by_key(|(_, (count, _))| std::cmp::Reverse(*count));
        let differ = DRAWS - forms[0].1.0;
        forms.truncate(6);
        // A small sample may be unlucky by a few.
        let bound = may_differ * DRAWS / 100_000 + if *may_differ > 0 { DRAWS / 500 } else { 0 };
        assert!(differ <= bound, "{kind}: {differ} of {DRAWS} differ: {forms:?}");
    }
}

/// Messages around values that vary, and tokens that discriminate.
const FRAMES: &[&str] = &[
    "order {num} of user {uuid} failed: TOKEN",
    "TOKEN while saving {hex32} at {isots}",
    "[TOKEN] {num} of {num} after {dur}",
    "job {uuid} ended (TOKEN) on {ip}:{eport}",
    "TOKEN: {kname}님의 주문 {num}번, {won}원",
    "call to pay failed: TOKEN, request id: {alnum16}",
];

/// Tokens of which no two are the same error.
const TOKENS: &[&str] = &[
    "ORA-00001",
    "ORA-00060",
    "SQLSTATE 40P01",
    "SQLSTATE 23505",
    "status 502",
    "status 503",
    "errno 13",
    "errno 28",
    "exit code 137",
    "exit code 1",
    "PAY-1001",
    "PAY-1002",
    "ERR_COUPON_4203",
    "ERR_COUPON_4204",
    "TLSv1.2",
    "TLSv1.3",
    "HTTP/1.1",
    "HTTP/2",
    "UTF-8",
    "UTF-16",
    "SHA-1",
    "SHA-256",
    "S3",
    "EC2",
    "v1",
    "v2",
    "404 Not Found",
    "410 Gone",
    "column 'addr_1'",
    "column 'addr_2'",
    "table \"orders\"",
    "table \"users\"",
    "오류코드 4012",
    "오류코드 4013",
    "redis-main:6379",
    "redis-main:6380",
    "NoSuchKey",
    "AccessDenied",
    "step1",
    "step2",
    "0x80004005",
    "0x80070005",
];

#[test]
fn a_value_never_changes_the_fingerprint_and_a_token_always_does() {
    let mut draw = Draw(5);
    let mut identity = |frame: &str, token: &str| {
        let mut event = Event::default();
        event.attributes.detail = super::pairs::filled(&frame.replace("TOKEN", token), &mut draw).into();
        (normalize(&event).detail.into_owned(), event.attributes.detail.into_owned())
    };
    for frame in FRAMES {
        let mut known: HashMap<_, &str> = HashMap::new();
        for token in TOKENS {
            let (first, text) = identity(frame, token);
            for _ in 0..20 {
                let (again, other) = identity(frame, token);
                assert_eq!(first, again, "{text:?} and {other:?}");
            }
            let before = known.insert(first, token);
            assert_eq!(before, None, "{before:?} and {token} in {frame:?}");
        }
    }
}
