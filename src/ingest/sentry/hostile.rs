//! Events and envelopes that no SDK should send: none of them costs the event, or more than linear time and memory.

use std::borrow::Cow;
use std::fmt::Write;

use expect_test::{Expect, expect};

use super::envelope::{Envelope, ITEMS_MAX, ItemKind, split};
use super::event::read;
use super::golden::{payload, pick, shown};
use crate::config::Limits;
use crate::event::Event;
use crate::ingest::bound::{Origin, bound};
use crate::outcome::RejectReason;

fn event(json: &str) -> Event<'_> {
    read(json.as_bytes(), pick).unwrap_or_else(|reject| panic!("{json}: {reject:?}"))
}

fn check(json: &str, wanted: Expect) {
    wanted.assert_eq(&shown(&event(json)));
}

/// The attribute of an event, or another of its texts.
fn get(json: &str, name: &str) -> String {
    let event = event(json);
    match name {
        "template" => event.template.unwrap_or_default().into_owned(),
        "trace" => event.trace_id.unwrap_or_default().into_owned(),
        "kinds" => event.exceptions.iter().map(|exception| &*exception.kind).collect::<Vec<_>>().join(" < "),
        _ => event.attributes.get(name).unwrap().clone().into_owned(),
    }
}

#[test]
fn every_field_of_every_type_leaves_an_event() {
    const FIELDS: [&str; 19] = [
        "exception",
        "logentry",
        "message",
        "level",
        "timestamp",
        "transaction",
        "environment",
        "release",
        "server_name",
        "logger",
        "culprit",
        "tags",
        "user",
        "request",
        "contexts",
        "extra",
        "fingerprint",
        "event_id",
        "breadcrumbs",
    ];
    const VALUES: [&str; 13] = [
        "null",
        "true",
        "0",
        "-1",
        "18446744073709551615",
        "1e308",
        "1e999",
        "\"\"",
        "\"text\"",
        "[]",
        "{}",
        "[null,1,\"a\",[\"b\"],{\"values\":[0,{}]}]",
        "{\"values\":{\"values\":[[]]},\"frames\":3,\"id\":[],\"trace\":0}",
    ];
    for field in FIELDS {
        for value in VALUES {
            let json = format!(r#"{{"{field}":{value},"exception":[{{"type":"E","value":"v"}}]}}"#);
            let read = event(&json);
            assert_eq!(read.root().map(|root| &*root.value), Some("v"), "{json}");
            for inner in ["values", "frames", "id", "url", "trace", "MDC", "app", "category", "params", "stacktrace"] {
                event(&format!(r#"{{"{field}":{{"{inner}":{value}}}}}"#));
            }
        }
    }
}

#[test]
fn odd_fields_are_repaired_or_noted() {
    check(
        r#"{"level":"critical","timestamp":"1795417206.889","environment":7,"release":{"a":1},"server_name":["x"],
            "tags":[["retry",2],["flag",true],"odd",["alone"],{"key":"k","value":"v"},["deep",{}]],
            "user":42,"request":"http://shop/orders/7?a=b","transaction":null,"contexts":[1],"fingerprint":"one",
            "exception":{"type":"IOException","module":"java.io","value":12,"stacktrace":[
                {"filename":"A.java","lineno":"17","in_app":1,"function":"run","module":"a.A"},null,
                {"filename":null,"abs_path":"/srv/b.py","lineno":-1,"in_app":"true","function":"go","module":"b"},"main"]}}"#,
        expect![[r#"
            category: Runtime
            module:
            environment: 7
            url: http://shop/orders/7?a=b
            method:
            location: b.go
            detail: 12
            level: fatal, at: Some(2026-11-23T07:00:06.889Z)
              java.io.IOException: 12 (3 frames, :None)
            user: 42
            tags: retry=2 flag=true k=v
            fingerprint: ["one"], notes: ["release: an object where a text belongs; left out", "server_name: a list where a text belongs; left out", "tags: a text where a pair belongs; left out", "tags: an object where a text belongs; left out", "contexts: a list where an object belongs; left out"]
        "#]],
    );
}

#[test]
fn the_last_of_duplicate_keys_wins() {
    let json = r#"{"message":"a","message":"b","exception":[{"type":"A"}],"exception":[{"type":"B","type":"C"}]}"#;
    assert_eq!(get(json, "kinds"), "C");
    assert_eq!(get(json, "detail"), "b");
}

#[test]
fn texts_are_borrowed_unless_they_hold_escapes() {
    let json = r#"{"message":"봉수 fire","release":"a\"b"}"#;
    let read = event(json);
    assert!(matches!(read.attributes.detail, Cow::Borrowed(_)));
    assert!(matches!(read.release, Some(Cow::Owned(_))));
}

#[test]
fn nesting_costs_nothing_where_it_is_not_read_nor_where_it_is_odd() {
    let deep = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
    for field in ["breadcrumbs", "message", "exception", "tags", "user", "timestamp", "fingerprint", "contexts"] {
        let json = format!(r#"{{"{field}":{deep},"logger":"here"}}"#);
        assert_eq!(get(&json, "location"), "here", "{field}");
    }
    let deep = format!("{}0{}", r#"{"values":"#.repeat(100_000), "}".repeat(100_000));
    assert_eq!(get(&format!(r#"{{"exception":{deep},"logger":"here"}}"#), "location"), "here");
}

#[test]
fn of_many_frames_and_exceptions_the_innermost_are_kept() {
    let frames: Vec<String> = (0..100_000).map(|n| format!(r#"{{"function":"f{n}","in_app":true}}"#)).collect();
    let json =
        format!(r#"{{"exception":{{"values":[{{"type":"E","stacktrace":{{"frames":[{}]}}}}]}}}}"#, frames.join(","));
    let read = event(&json);
    let root = read.root().unwrap();
    assert_eq!((root.frames.len(), &*root.frames[0].function), (256, "f99999"));
    assert_eq!(read.notes, ["stacktrace: 100000 were sent, the last 256 are kept"]);

    let values: Vec<String> = (0..1_000).map(|n| format!(r#"{{"type":"E{n}","value":"x"}}"#)).collect();
    let json = format!(r#"{{"exception":[{}],"tags":{{{}}}}}"#, values.join(","), tags(1_000));
    let read = event(&json);
    assert_eq!((read.exceptions.len(), &*read.root().unwrap().kind, read.tags.len()), (64, "E0", 256));
}

fn tags(n: usize) -> String {
    let mut tags = String::new();
    (0..n).for_each(|n| write!(tags, r#"{}"t{n}":{n}"#, if n > 0 { "," } else { "" }).unwrap());
    tags
}

#[test]
fn notes_are_bounded_and_quote_little() {
    let odd: Vec<String> = (0..100).map(|n| format!(r#""{}{n}":[]"#, "x".repeat(100))).collect();
    let json = format!(r#"{{"message":"m","tags":{{{}}}}}"#, odd.join(","));
    let notes = event(&json).notes;
    assert_eq!(notes.len(), 17);
    assert_eq!(notes[16], "and 84 more such notes");
    assert!(notes.iter().all(|note| note.len() < 100), "{notes:?}");
}

#[test]
fn what_is_not_quite_json_is_mended() {
    let cases: [(&[u8], &str); 4] = [
        (br#"{"message":"cut \ud83d"}"#, "cut \u{fffd}"),
        (b"{\"message\":\"caf\xe9\"}", "caf\u{fffd}"),
        (b"{\"message\":\"a\0b\nc\"}", "a b\nc"),
        (br#"{"extra":NaN,"message":"m"}"#, "m"),
    ];
    for (json, detail) in cases {
        let event = read(json, pick).unwrap();
        assert_eq!((&*event.attributes.detail, event.notes.len()), (detail, 1));
    }
}

#[test]
fn what_is_no_object_is_refused_with_the_place() {
    for json in ["", "[]", "42", "\"text\"", "null", "{\"message\":", "{} {}", "nonsense", "{\"a\" 1}"] {
        let reject = read(json.as_bytes(), pick).unwrap_err();
        assert_eq!(reject.reason, RejectReason::Invalid, "{json}");
        assert!(reject.detail.contains("not a whole JSON object"), "{json}: {}", reject.detail);
    }
}

#[test]
fn attributes_are_taken_in_order_of_trust() {
    let cases = [
        ("category", r#"{"tags":{"error.category":"Own"},"extra":{"category":"x"}}"#, "Own"),
        ("category", r#"{"contexts":{"MDC":{"category":"Own"}},"extra":{"category":"x"}}"#, "Own"),
        ("category", r#"{"extra":{"category":"Own"},"exception":[{"type":"AxiosError"}]}"#, "Own"),
        ("category", r#"{"exception":[{"type":"AxiosError"}]}"#, "Open API"),
        ("module", r#"{"tags":{"service-name":"s","app":"a"},"release":"r@1"}"#, "a"),
        ("module", r#"{"tags":{"module":" "},"contexts":{"app":{"app_name":"n"}},"release":"r@1"}"#, "n"),
        ("module", r#"{"release":"@scope/shop@1.2.3"}"#, "@scope/shop"),
        ("module", r#"{"release":"4f2a9c1","server_name":"pod-1"}"#, ""),
        ("environment", r#"{"environment":"staging","tags":{"env":"x"}}"#, "staging"),
        ("environment", r#"{"environment":"production","tags":{"env":"qa"}}"#, "qa"),
        ("environment", r#"{"environment":"production"}"#, "production"),
        ("environment", r#"{"tags":{"profile":"qa"}}"#, "qa"),
        ("url", r#"{"transaction":"GET /orders/:id","request":{"url":"http://h/orders/7"}}"#, "/orders/:id"),
        ("url", r#"{"transaction":"/orders/{id}","tags":{"url":"x"}}"#, "/orders/{id}"),
        ("url", r#"{"transaction":"views.order","request":{"url":"http://h/orders/7"}}"#, "http://h/orders/7"),
        ("url", r#"{"contexts":{"MDC":{"requestURI":"/a"}},"tags":{"url":"x"}}"#, "/a"),
        ("url", r#"{"tags":{"url":"/x"}}"#, "/x"),
        ("method", r#"{"request":{"method":"PUT"},"transaction":"GET /a"}"#, "PUT"),
        ("method", r#"{"transaction":"get /a"}"#, "GET"),
        ("method", r#"{"transaction":"nightly job"}"#, ""),
        ("method", r#"{"contexts":{"MDC":{"req.method":"GET"}}}"#, "GET"),
        ("location", r#"{"culprit":"a.b","logger":"c"}"#, "a.b"),
        (
            "detail",
            r#"{"message":{"message":"order {} failed","params":["7"],"formatted":"order 7 failed"}}"#,
            "order 7 failed",
        ),
        (
            "template",
            r#"{"message":{"message":"order {} failed","params":["7"],"formatted":"order 7 failed"}}"#,
            "order {} failed",
        ),
        ("template", r#"{"logentry":{"message":"%-5s: %(why)s","params":{"why":"x"}}}"#, "%-5s: %(why)s"),
        ("template", r#"{"logentry":{"message":"100% of 7 failed","params":[1]}}"#, ""),
        ("template", r#"{"message":"bad JSON {} in order 7"}"#, ""),
        ("template", r#"{"logentry":{"message":"order {}","params":[7]},"exception":[{"type":"E","value":"v"}]}"#, ""),
        ("template", r#"{"logentry":{"message":"order {}","params":[7]},"exception":[{"type":"NPE"}]}"#, "order {}"),
        ("detail", r#"{"logentry":{},"message":"from message"}"#, "from message"),
        ("trace", r#"{"contexts":{"MDC":{"traceId":"t"}}}"#, "t"),
    ];
    for (name, json, wanted) in cases {
        assert_eq!(get(json, name), wanted, "{name} of {json}");
    }
}

#[test]
fn classes_are_qualified_once() {
    let cases = [
        (r#"{"type":"E","module":"a.b"}"#, "a.b.E"),
        (r#"{"type":"FeignException$NotFound","module":"feign"}"#, "feign.FeignException$NotFound"),
        (r#"{"type":"System.E","module":"System.Core, Version=4.0"}"#, "System.E"),
        (r#"{"type":"E","module":"Core, Version=4.0"}"#, "E"),
        (r#"{"type":"ActiveRecord::NotFound","module":"ActiveRecord"}"#, "ActiveRecord::NotFound"),
        (r#"{"type":"*errors.errorString","module":"errors"}"#, "*errors.errorString"),
        (r#"{"module":"a.b"}"#, "a.b"),
    ];
    for (exception, wanted) in cases {
        assert_eq!(get(&format!(r#"{{"exception":[{exception}]}}"#), "kinds"), wanted);
    }
}

#[test]
fn the_chain_survives_whatever_the_ids_say() {
    let link = |kind: &str, id: &str, parent: &str, rest: &str| {
        format!(r#"{{"type":"{kind}","mechanism":{{"exception_id":{id},"parent_id":{parent}{rest}}}}}"#)
    };
    let suppressed = r#","type":"suppressed""#;
    let cases = [
        // Java: a suppressed exception with a cause of its own.
        (
            vec![
                link("Root", "3", "0", ""),
                link("SuppressedCause", "2", "1", ""),
                link("S", "1", "0", suppressed),
                link("Top", "0", "null", ""),
            ],
            "Top < Root",
        ),
        // Go's older SDKs: numbered from the root, parents deeper.
        (vec![link("Root", "0", "null", ""), link("Mid", "1", "0", ""), link("Top", "2", "1", "")], "Top < Mid < Root"),
        // Cycles, self-parents, the same id twice.
        (vec![link("A", "1", "1", ""), link("B", "0", "1", ""), link("Top", "0", "null", "")], "Top < B < A"),
        (vec![link("A", "0", "1", ""), link("B", "1", "0", ""), link("Top", "0", "null", "")], "Top < B < A"),
        (vec![link("A", "1", "0", ""), link("B", "1", "0", ""), link("Top", "0", "null", "")], "Top < A"),
        (vec![link("A", "0", "0", ""), link("B", "0", "0", ""), link("Top", "0", "null", "")], "Top < A < B"),
        (vec![link("A", "9223372036854775807", "0", ""), link("Top", "0", "null", "")], "Top < A"),
        // No ids at all, and suppressed all the same.
        (
            vec![
                r#"{"type":"Root"}"#.to_owned(),
                r#"{"type":"S","mechanism":"suppressed"}"#.to_owned(),
                r#"{"type":"Top"}"#.to_owned(),
            ],
            "Top < Root",
        ),
    ];
    for (values, wanted) in cases {
        let json = format!(r#"{{"exception":{{"values":[{}]}}}}"#, values.join(","));
        assert_eq!(get(&json, "kinds"), wanted, "{json}");
    }
}

#[test]
fn a_fingerprint_of_the_default_alone_is_none() {
    for (sent, wanted) in
        [(r#"["{{ default }}"]"#, 0), (r#"["{{default}}"]"#, 0), (r#"["{{ default }}","a"]"#, 2), ("[]", 0)]
    {
        assert_eq!(event(&format!(r#"{{"fingerprint":{sent}}}"#)).fingerprint.len(), wanted, "{sent}");
    }
}

#[test]
fn times_are_read_in_every_form() {
    let at = "2026-11-23T05:02:11.120Z";
    let cases = [
        (r#""2026-11-23T05:02:11.120Z""#, at),
        (r#""2026-11-23T14:02:11.120+09:00""#, at),
        (r#""2026-11-23T05:02:11.120""#, at),
        (r#""2026-11-23 05:02:11.120""#, at),
        ("1795410131.12", at),
        ("1795410131120", at),
        (r#""1795410131.12""#, at),
    ];
    for (sent, wanted) in cases {
        let time = event(&format!(r#"{{"timestamp":{sent}}}"#)).occurred_at;
        assert_eq!(time.map(|time| time.to_string()).as_deref(), Some(wanted), "{sent}");
    }
    for odd in ["0", "-5", "1e300", "\"yesterday\"", "\"NaN\"", "[]", "true"] {
        let json = format!(r#"{{"message":"m","timestamp":{odd}}}"#);
        let read = event(&json);
        assert_eq!((read.occurred_at, read.notes.len()), (None, 1), "{odd}");
    }
}

fn kinds(envelope: &Envelope<'_>) -> Vec<(String, String)> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let kind = |kind: &ItemKind<'_>| match kind {
        ItemKind::Event => "EVENT".to_owned(),
        ItemKind::Other(name) => name.clone().into_owned(),
    };
    envelope.items.iter().map(|item| (kind(&item.kind), text(item.payload))).collect()
}

#[test]
fn envelopes_are_split_as_the_protocol_says() {
    let cases: [(&str, &[(&str, &str)]); 13] = [
        ("{}", &[]),
        ("{}\n\n", &[]),
        ("{}\n{\"type\":\"event\"}\n{\"a\":1}", &[("EVENT", "{\"a\":1}")]),
        ("{}\r\n{\"type\":\"event\"}\r\n{}\r\n", &[("EVENT", "{}\r")]),
        ("{}\r\n{\"type\":\"event\",\"length\":2}\r\n{}\r\n{\"type\":\"x\"}\r\n", &[("EVENT", "{}"), ("x", "")]),
        (
            "{}\n{\"type\":\"attachment\",\"length\":10}\n\u{feff}Hello\r\n\n{\"type\":\"event\",\"length\":2}\n{}\n",
            &[("attachment", "\u{feff}Hello\r\n"), ("EVENT", "{}")],
        ),
        ("{}\n{\"type\":\"a\",\"length\":0}\n\n{\"type\":\"b\",\"length\":0}\n", &[("a", ""), ("b", "")]),
        (
            "{}\n{\"type\":\"replay_recording\",\"x\":[]}\nblob\n\n\n{\"type\":\"event\"}\n{}",
            &[("replay_recording", "blob"), ("EVENT", "{}")],
        ),
        // The length in characters instead of bytes.
        (
            "{}\n{\"type\":\"event\",\"length\":5}\n{\"봉\":1}\n{\"type\":\"x\"}\ny",
            &[("EVENT", "{\"봉\":1}"), ("x", "y")],
        ),
        // Truncated, or the length is wrong: the reader of the payload will tell.
        ("{}\n{\"type\":\"event\",\"length\":500}\n{\"a\":", &[("EVENT", "{\"a\":")]),
        ("{}\n{\"type\":\"event\",\"length\":-3}\n{}\n", &[("EVENT", "{}")]),
        ("{}\n{\"type\":\"event\",\"length\":\"2\"}\n{}\n", &[("EVENT", "{}")]),
        ("{}\n{}\npayload", &[("", "payload")]),
    ];
    for (body, wanted) in cases {
        let envelope = split(body.as_bytes()).unwrap_or_else(|reject| panic!("{body}: {reject:?}"));
        let items = kinds(&envelope);
        let items: Vec<(&str, &str)> = items.iter().map(|(kind, payload)| (&**kind, &**payload)).collect();
        assert_eq!((items.as_slice(), envelope.fault), (wanted, None), "{body}");
    }
}

#[test]
fn the_envelope_header_is_optional_in_all_but_its_line() {
    let body =
        br#"{"event_id":"ab","dsn":"http://k@h/1","sent_at":"2026-11-23T05:02:11Z","sdk":{"name":"x"},"trace":[1]}"#;
    let envelope = split(body).unwrap();
    assert_eq!((envelope.event_id.as_deref(), envelope.dsn.as_deref()), (Some("ab"), Some("http://k@h/1")));
    assert_eq!(envelope.sent_at.as_deref(), Some("2026-11-23T05:02:11Z"));
    for body in ["", "\n{}", "nonsense", "[]", "{\"event_id\":"] {
        assert_eq!(split(body.as_bytes()).unwrap_err().reason, RejectReason::Invalid, "{body}");
    }
}

#[test]
fn what_came_before_a_fault_is_kept() {
    let envelope = split(b"{}\n{\"type\":\"event\"}\n{}\nnot a header\n{\"type\":\"event\"}\n{}").unwrap();
    assert_eq!(kinds(&envelope), [("EVENT".to_owned(), "{}".to_owned())]);
    assert!(envelope.fault.unwrap().detail.contains("item 2"));
    assert_eq!(split(b"{}\nnot a header").unwrap_err().reason, RejectReason::Invalid);

    let many = format!("{{}}\n{}", "{\"type\":\"event\"}\n{}\n".repeat(ITEMS_MAX + 1));
    let envelope = split(many.as_bytes()).unwrap();
    assert_eq!(envelope.items.len(), ITEMS_MAX);
    assert_eq!(envelope.fault.unwrap().reason, RejectReason::TooLarge);
}

proptest::proptest! {
    /// Real payloads with bytes overwritten and cut off anywhere: whatever happens is an answer, and an accepted event
    /// comes out within its limits.
    #[test]
    fn damaged_payloads_get_an_answer(
        python in proptest::bool::ANY,
        damage in proptest::collection::vec((0usize..6_000, proptest::num::u8::ANY), 0..6),
        end in 0usize..8_000,
    ) {
        let mut body = if python { payload!("python-group").to_vec() } else { payload!("java-spring").to_vec() };
        for (at, byte) in damage {
            let at = at % body.len();
            body[at] = byte;
        }
        body.truncate(end.max(1));
        let limits = Limits { text_chars: 40, frames: 3, exceptions: 1, tags: 1, ..Limits::default() };
        for item in split(&body).map(|envelope| envelope.items).unwrap_or_default() {
            let Ok(mut event) = read(item.payload, pick) else { continue };
            bound(&mut event, Origin::of(item.payload), &limits);
            assert!(event.exceptions.len() <= 1 && event.tags.len() <= 1);
            assert!(event.exceptions.iter().all(|exception| exception.frames.len() <= 3));
            assert!(event.attributes.each().iter().all(|(_, value)| value.chars().count() <= 40));
            let is_bad = |c: char| c.is_control() && c != '\n' && c != '\t';
            assert!(event.attributes.each().iter().all(|(_, value)| !value.contains(is_bad)));
        }
    }
}
