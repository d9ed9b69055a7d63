//! What is taken and what is left, row by row, and what holds for every text.

mod properties;
mod table;

use super::*;
use crate::event::{Attributes, Exception, Frame};

fn scrubber() -> Scrubber {
    Scrubber::new(&config::Scrub::default()).expect("the default is valid")
}

fn scrub(scrubber: &Scrubber, text: &str) -> String {
    let mut text = Cow::Borrowed(text);
    scrubber.scrub_text(&mut text);
    text.into_owned()
}

/// Runs rows of input and output; every output must also stay as it is.
fn check(rows: &[(&str, &str)]) {
    let scrubber = scrubber();
    for (input, output) in rows {
        assert_eq!(scrub(&scrubber, input), *output, "\n  for {input:?}");
        assert_eq!(scrub(&scrubber, output), *output, "\n  scrubbed again");
    }
}

fn only(rules: &[&str], keys: &[&str]) -> Result<Scrubber, String> {
    let own = |words: &[&str]| words.iter().map(|word| word.to_string()).collect();
    Scrubber::new(&config::Scrub { rules: own(rules), keys: own(keys) })
}

#[test]
fn every_text_of_a_client_is_read_and_no_name_of_code() {
    let text = || Cow::Borrowed("kim@x.com");
    let mut event = Event {
        attributes: Attributes {
            category: text(),
            module: text(),
            environment: text(),
            url: Cow::Borrowed("https://x.com/pay?token=abc&id=1"),
            method: text(),
            location: text(),
            detail: Cow::Borrowed("kim@x.com paid by 4111-1111-1111-1111"),
        },
        exceptions: vec![Exception {
            kind: text(),
            value: text(),
            frames: vec![Frame { module: text(), function: text(), file: text(), line: None, in_app: None }],
        }],
        template: Some(text()),
        stacktrace: Some(text()),
        trace_id: Some(text()),
        release: Some(text()),
        server: Some(text()),
        user: Some(text()),
        tags: vec![
            ("mail".into(), text()),
            ("db_password".into(), "hunter2".into()),
            ("api_key".into(), "null".into()),
        ],
        fingerprint: vec![text()],
        notes: vec![text()],
        scrubbed: 2,
        ..Event::default()
    };
    let scrubber = scrubber();
    scrubber.scrub(&mut event);
    let mark = "[scrubbed:email]";
    assert_eq!(event.scrubbed, 2 + 11);
    assert_eq!(event.attributes.url, "https://x.com/pay?token=[scrubbed:secret]&id=1");
    assert_eq!(event.attributes.detail, "[scrubbed:email] paid by [scrubbed:card]");
    assert_eq!(event.exceptions[0].value, mark);
    for text in [&event.template, &event.stacktrace, &event.user] {
        assert_eq!(text.as_deref(), Some(mark));
    }
    assert_eq!([&event.fingerprint[0], &event.notes[0]], [mark, mark]);
    let values: Vec<&str> = event.tags.iter().map(|(_, value)| value.as_ref()).collect();
    assert_eq!(values, [mark, "[scrubbed:secret]", "null"]);
    let frame = &event.exceptions[0].frames[0];
    let kept = [&event.attributes.category, &event.attributes.location, &event.exceptions[0].kind, &frame.file];
    assert!(kept.into_iter().chain(&event.release).chain(&event.server).all(|text| text == "kim@x.com"));

    let once = event.clone();
    scrubber.scrub(&mut event);
    assert_eq!(event, once);
}

#[test]
fn a_clean_text_is_not_copied() {
    let mut event = Event {
        attributes: Attributes { detail: Cow::Borrowed("order 17 failed: timeout=30s"), ..Attributes::default() },
        ..Event::default()
    };
    scrubber().scrub(&mut event);
    assert!(matches!(event.attributes.detail, Cow::Borrowed(_)));
    assert_eq!(event.scrubbed, 0);
}

#[test]
fn only_the_rules_in_force_work() {
    let text = "password=a Bearer 1234567 eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln 4111111111111111 900101-1234567 \
                010-1234-5678 a@b.com";
    assert_eq!(scrub(&only(&[], &[]).unwrap(), text), text);
    for rule in Rule::ALL {
        let scrubbed = scrub(&only(&[rule.name()], &[]).unwrap(), text);
        let marks: Vec<_> = Rule::ALL.into_iter().filter(|other| scrubbed.contains(other.mark())).collect();
        assert_eq!(marks, [rule], "{scrubbed}");
    }
}

#[test]
fn names_of_the_configuration_are_names_of_secrets() {
    let scrubber = only(&["secret"], &["회원ID", "Api-Pin", "badge.no", "x"]).unwrap();
    for (input, output) in [
        ("회원id: kim77", "회원id: [scrubbed:secret]"),
        ("userApiPin=12 badgeNo=7", "userApiPin=[scrubbed:secret] badgeNo=[scrubbed:secret]"),
        ("x=1, max=2", "x=[scrubbed:secret], max=2"),
    ] {
        assert_eq!(scrub(&scrubber, input), output);
    }
    let refused = only(&["secret"], &["a", "-_-"]).unwrap_err();
    expect_test::expect![[r#"scrub.keys: "-_-" holds no letter or digit that a name could be told by"#]]
        .assert_eq(&refused);
}

#[test]
fn an_unknown_rule_is_an_error_that_helps() {
    let check = |word, expected: expect_test::Expect| expected.assert_eq(&only(&[word], &[]).unwrap_err());
    check(
        "Secrets",
        expect_test::expect![[
            r#"scrub.rules: "Secrets" is not a rule; did you mean "secret"? (there are: secret, bearer, jwt, card, resident, phone, email)"#
        ]],
    );
    check(
        "zzz",
        expect_test::expect![[
            r#"scrub.rules: "zzz" is not a rule (there are: secret, bearer, jwt, card, resident, phone, email)"#
        ]],
    );
}
