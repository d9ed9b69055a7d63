//! The rule set as a whole: every row's example, idempotence, and what must be the same or not.

mod fuzz;
mod kinds;
mod pairs;

use proptest::prelude::*;

use super::*;
use crate::normalize::trail::{Recorded, Silent};

fn rules_on(run: impl Fn(&mut Recorded) -> String) -> (String, Vec<&'static str>) {
    let mut trail = Recorded::default();
    let after = run(&mut trail);
    let name = |rule| match rule {
        Cow::Borrowed(name) => name,
        Cow::Owned(other) => unreachable!("{other} is no built-in rule"),
    };
    (after, trail.changes.into_iter().map(|change| name(change.rule)).collect())
}

/// The placeholders of a version, for what stands in a row that holds in several.
fn as_written(version: Version, text: &str) -> String {
    if version == Version::V1 {
        return text.into();
    }
    ["<num>", "<hex>", "<uuid>", "<id>", "<token>"]
        .iter()
        .fold(text.to_owned(), |text, kind| text.replace(kind, "<any>"))
}

fn message(text: &str) -> String {
    message::masked(Version::PRESENT, text, &mut Silent).into_owned()
}

fn name(text: &str) -> String {
    names::plain(Version::PRESENT, text, &mut Silent).into_owned()
}

fn route(text: &str) -> String {
    url::path(Version::PRESENT, text, "", &mut Silent).into_owned()
}

#[test]
fn every_row_of_every_table_does_what_its_example_says() {
    for version in Version::ALL {
        for rule in names::TABLE.iter().filter(|rule| rule.versions.has(version)) {
            let (before, expected) = rule.example;
            let (after, rules) = rules_on(|trail| names::plain(version, before, trail).into_owned());
            let asked = rules.contains(&rule.name);
            assert_eq!((after.as_str(), asked), (expected, true), "{version:?} {} on {before}: {rules:?}", rule.name);
        }
        for rule in message::TABLE.iter().filter(|rule| rule.versions.has(version)) {
            let (before, expected) = (rule.example.0, as_written(version, rule.example.1));
            let (after, rules) = rules_on(|trail| message::masked(version, before, trail).into_owned());
            let asked = rules.contains(&rule.name) || before == "<num>";
            assert_eq!((after, asked), (expected.clone(), true), "{version:?} {} on {before}: {rules:?}", rule.name);
            let keeps = before == expected && rule.name != "placeholder";
            assert_eq!(rule.kind == message::Kind::Keep, keeps, "{}", rule.name);
        }
        for rule in url::RULES.iter().filter(|rule| rule.versions.has(version)) {
            let path = format!("/a/{}/b", rule.example);
            let (after, rules) = rules_on(|trail| url::path(version, &path, "", trail).into_owned());
            assert_eq!((after.as_str(), rules.as_slice()), ("/a/{id}/b", &[rule.name][..]));
        }
    }
    for (rule, before, expected) in plain::EXAMPLES {
        let (after, rules) = rules_on(|trail| plain::module(before, trail).into_owned());
        assert_eq!(after, *expected);
        assert_eq!(rules.contains(rule), before != expected, "{rule} on {before}: {rules:?}");
    }
}

#[test]
fn what_a_programmer_named_stays() {
    for kept in ["shop.Step1Processor.run", "shop.OrderServiceV2.convert2", "a.Foo$Inner.b", "engine::server::handle"] {
        assert_eq!(name(kept), kept);
    }
    for kept in ["/api/v1/orders", "/oauth2/token", "/b2b/s3/2fa/step1", "/api/1.1/orders", "/orders/latest", "/"] {
        assert_eq!(route(kept), kept);
    }
}

#[test]
fn what_discriminates_in_a_message_stays() {
    for kept in [
        "ORA-00001: unique constraint (SHOP.PK_ORDER) violated",
        "ERROR: deadlock (SQLSTATE 40P01)",
        "SQL state [57014]; error code [0]",
        "Error: 1205, Severity: high",
        "status=503 from gateway",
        "HTTP Error 404: gone",
        "[500 Internal Server Error] during [GET]",
        "process exited with code 139",
        "errno 13",
        "dial tcp redis-main:6379: connection refused",
        "cannot connect to http://pg-gateway:8080/payments",
        "S3, UTF-8, SHA-256, v2, oauth2, H264, TLS1.2, ISO-8859-1, HTTP/1.1, HTTP/2",
        "Unknown column 'order_2' in field list",
        "violates unique constraint \"shop_owner_id_idx2\"",
        "'cp949' codec can't decode",
        "[CPN-1003] 쿠폰을 사용할 수 없습니다",
        "ERR_COUPON_4203: coupon rejected",
        "오류코드: 4203 승인 거절",
        "user's cart doesn't exist",
        "E11000 duplicate key error collection: shop.users index: email_1 dup key",
    ] {
        assert_eq!(message(kept), kept);
    }
}

#[test]
fn what_varies_in_a_message_goes() {
    for (before, after) in [
        ("order 10482 of user 7 failed", "order <num> of user <num> failed"),
        ("3번째 주문, 1,204건, 금액: 1,929,664원", "<num>번째 주문, <num>건, 금액: <num>원"),
        ("dial tcp 10.31.175.29:50051: refused", "dial tcp <ip>:<num>: refused"),
        ("dial tcp 10.31.175.29:5432: refused", "dial tcp <ip>:5432: refused"),
        ("card 4111-1111-1111-1111 declined", "card <num> declined"),
        ("card [scrubbed:card] declined", "card <num> declined"),
        ("card 4111 1111 1111 1111 declined", "card <num> declined"),
        ("call 010-1234-5678 or [scrubbed:phone]", "call <num> or <num>"),
        ("call [scrubbed:email] 'kim20'", "call <email> <str>"),
        ("For input string: \"foo\"", "For input string: <str>"),
        ("could not load [a.Post#5]", "could not load [a.Post#<num>]"),
        ("a.Pay$$SpringCGLIB$$0@1a2b3c4d is closed", "a.Pay@<addr> is closed"),
        ("http-nio-8080-exec-63", "http-nio-<num>-exec-<num>"),
        ("bad [{\"a\":1},{\"b\":[2]}] end", "bad <json> end"),
        ("WHERE day = '2025-03-18' AND store_id = 4038", "WHERE day = <str> AND store_id = <num>"),
        ("in (1, 2, 3) and in (4)", "in (<num>) and in (<num>)"),
        ("read /mnt/vault/06/f7a3e3e66bb22dcc9378eab563709392: errno 5", "read /mnt/vault/{id}/{id}: errno 5"),
        ("  too \r\n many\tspaces ", "too many spaces"),
        ("took 2 s, 30 seconds, 14ms and 3초", "took <duration> and <duration>"),
    ] {
        assert_eq!(message(before), as_written(Version::PRESENT, after));
    }
}

#[test]
fn a_template_beats_the_text() {
    let mut event = Event::default();
    event.attributes.detail = "order 7 of kim failed".into();
    event.template = Some("order {} of {} failed".into());
    assert_eq!(normalize(&event).detail, "order {} of {} failed");
}

#[test]
fn a_generated_location_gives_way_to_the_frames() {
    let mut event = Event::default();
    event.attributes.location = "jdk.proxy3/jdk.proxy2.$Proxy107.save(Unknown Source)".into();
    assert_eq!(normalize(&event).location, "$Proxy.save");
    let frame = crate::event::Frame { module: "shop.Order".into(), function: "save".into(), ..Default::default() };
    event.exceptions = vec![crate::event::Exception { frames: vec![frame], ..Default::default() }];
    assert_eq!(normalize(&event).location, "shop.Order.save > save");
    event.attributes.location = "jdk.internal.reflect.GeneratedMethodAccessor7.invoke(Unknown Source)".into();
    assert_eq!(normalize(&event).location, "shop.Order.save");
}

/// Pieces that rules look for, so that random texts reach them.
/// Marks that rules look for, and that stand between words.
const MARKS: [&str; 24] = [
    "$", "$$", "'", "\"", "(", ")", "[", "]", "{", "}", "<", ">", "-", ":", "/", "//", "@", ".", ",", "_", "=", "#",
    " ", "?",
];

fn piece() -> impl Strategy<Value = String> {
    let names = names::TABLE.iter().map(|rule| rule.example.0.to_owned());
    let messages = message::TABLE.iter().map(|rule| rule.example.0.to_owned());
    let parts = ["가", "é", "1", "42", "2024", "0x", "a", "B7", "status", "lambda$", "$1", "[scrubbed:card]", "<num>"];
    let known: Vec<String> = names.chain(messages).chain(MARKS.into_iter().chain(parts).map(str::to_owned)).collect();
    prop_oneof![3 => proptest::sample::select(known), 1 => "\\PC{0,6}", 1 => "[a-z0-9'\"/:.@$-]{0,8}"]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn normalising_twice_changes_nothing(pieces in proptest::collection::vec(piece(), 0..8)) {
        let text = pieces.concat();
        for normal in [message, name, route] {
            let once = normal(&text);
            prop_assert_eq!(&normal(&once), &once, "of {:?}", text);
        }
    }

    #[test]
    fn explaining_decides_the_same(pieces in proptest::collection::vec(piece(), 0..5)) {
        let text = pieces.concat();
        let mut event = Event::default();
        event.attributes.url = text.as_str().into();
        event.attributes.module = text.as_str().into();
        event.attributes.location = text.as_str().into();
        event.attributes.detail = text.as_str().into();
        prop_assert_eq!(normalize_traced(&event).0, normalize(&event));
    }

    #[test]
    fn no_text_is_too_odd(text in any::<String>()) {
        for normal in [message, name, route] {
            normal(&text);
        }
    }
}
