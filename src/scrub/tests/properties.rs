//! What holds for every text.

use proptest::prelude::*;

use super::{scrub, scrubber};
use crate::scrub::{MARK_OPENING, Rule};

/// Pieces that rules react to, so that random texts meet their edges.
const PIECES: &[&str] = &[
    "password",
    "token",
    "secret",
    "Cookie",
    "Authorization",
    "pin",
    "비밀번호",
    "=",
    ":",
    ": ",
    "=>",
    "://",
    "@",
    "%40",
    "\"",
    "'",
    "\\\"",
    "[",
    "]",
    "{",
    "}",
    "(",
    ")",
    "<",
    ">",
    "</",
    ",",
    ", ",
    ";",
    "&",
    "?",
    "/",
    "#",
    ".",
    "-",
    "_",
    "+",
    " ",
    "\n",
    "\\n",
    "eyJ",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln",
    "Bearer ",
    "Basic ",
    "dXNlcjpwYXNz",
    "4111111111111111",
    "4111 1111 1111 1111",
    "010-1234-5678",
    "01012345678",
    "+82 10",
    "900101-1234567",
    "1",
    "82",
    "010",
    "a@b.com",
    "com",
    "x",
    "AKIAIOSFODNN7EXAMPLE",
    "ghp_",
    "sk-",
    "-----BEGIN ",
    "PRIVATE KEY-----",
    "-----END ",
    "rejected value [",
    "null",
    "*",
    "가",
    "[scrubbed:secret]",
    "[scrubbed:email]",
    "[scrubbed:",
    "abc",
    "Some(",
    "b'",
    "•",
];

fn pieces() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(PIECES), 0..24).prop_map(|pieces| pieces.concat())
}

fn without_marks(text: &str) -> String {
    Rule::ALL.iter().fold(text.to_owned(), |text, rule| text.replace(rule.mark(), "\u{0}"))
}

/// Whether `rest` is `text` with the places of the NULs filled in.
fn is_filled(rest: &str, text: &str) -> bool {
    let mut parts = rest.split('\u{0}');
    let first = parts.next().unwrap_or_default();
    let Some(mut text) = text.strip_prefix(first) else { return false };
    let mut last = None;
    for part in parts {
        if let Some(part) = last.replace(part) {
            let Some(found) = text.find(part) else { return false };
            text = &text[found + part.len()..];
        }
    }
    last.map_or(text.is_empty(), |last| text.ends_with(last))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn scrubbing_twice_is_scrubbing_once(text in pieces()) {
        let scrubber = scrubber();
        let text = text.replace(MARK_OPENING, "");
        let once = scrub(&scrubber, &text);
        prop_assert_eq!(&scrub(&scrubber, &once), &once);
    }

    #[test]
    fn any_text_is_read_and_only_marks_are_put_in(text in "\\PC{0,200}") {
        let scrubber = scrubber();
        let once = scrub(&scrubber, &text);
        prop_assert_eq!(&scrub(&scrubber, &once), &once);
        prop_assert!(is_filled(&without_marks(&once), &text), "{}", once);
    }

    #[test]
    fn text_outside_marks_is_untouched(text in pieces()) {
        let text = text.replace(MARK_OPENING, "");
        let once = scrub(&scrubber(), &text);
        prop_assert!(is_filled(&without_marks(&once), &text), "{}", once);
    }

    #[test]
    fn what_is_planted_does_not_come_out(
        before in pieces(),
        planted in prop::sample::select(&[
            "4111-1111-1111-1111",
            "378282246310005",
            "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
            "hong.gildong@example.co.kr",
            "900202-2345678",
            "010-9876-5432",
            "xoxb-987654321-zyxwv",
        ][..]),
        after in pieces(),
    ) {
        let scrubbed = scrub(&scrubber(), &format!("{before} {planted} {after}"));
        prop_assert!(!scrubbed.contains(planted), "{}", scrubbed);
    }

    #[test]
    fn a_named_secret_does_not_come_out(
        before in "[a-zA-Z가-힣0-9 .,]{0,20}",
        name in prop::sample::select(&["password=", "\"db_password\": \"", "client_secret: ", "Cookie: ", "'token' => '"][..]),
        planted in "[A-Za-z0-9#$!%^*_-]{6,20}Zq7",
        after in "([ \n,&\"'].*)?",
    ) {
        let scrubbed = scrub(&scrubber(), &format!("{before} {name}{planted}{after}"));
        prop_assert!(!scrubbed.contains(&planted), "{}", scrubbed);
    }
}

/// Repeats of what a careless rule would read again and again. They end at all only if the time is linear: quadratic
/// work on them would take hours.
#[test]
fn long_repeats_are_read_in_linear_time() {
    let scrubber = scrubber();
    for piece in PIECES.iter().chain(&[
        "eyJ-",
        "eyJ.",
        "a@",
        "a.",
        "1-",
        "1 ",
        "pin=",
        "pin=[\n",
        "pin=\"\n",
        "://a:b/",
        "pin=a(",
        "pin=[scrubbed:pin] ",
        "<pin>",
    ]) {
        let text = piece.repeat((256 << 10) / piece.len()) + "[scrubbed:pin]" + Rule::Card.mark();
        let scrubbed = scrub(&scrubber, &text);
        assert!(scrubbed.len() < 8 * text.len(), "{piece:?}");
    }
}
