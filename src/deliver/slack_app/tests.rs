//! Slack's limits under torture, with buttons; what an edit says; what Slack's answers mean.

use expect_test::{Expect, expect};

use super::*;
use crate::alert::{Alert, InsteadOf, Stage};
use crate::config::Locale;
use crate::deliver::slack::tests::assert_within_limits;
use crate::deliver::{Channel, sample};
use crate::issue::{Decided, State};

const KEYS: &str = "token = \"xoxb-1-secret\"\nchat = \"C0123456789\"\nsigning_secret = \"8f742231b10e8888\"";
const ROOT: &str = "C0123456789:1503435956.000247";

fn app(locale: Locale) -> Channel {
    sample::channel("slack-app", KEYS, locale)
}

fn body(parcel: Parcel) -> (String, Value) {
    let Parcel::Post { url, headers, body } = parcel else { panic!("it posts") };
    assert!(headers.iter().any(|(name, value)| name == "Authorization" && value.expose() == "Bearer xoxb-1-secret"));
    let body: Value = serde_json::from_slice(&body).unwrap();
    buttons_are_within_limits(&body);
    assert_within_limits(&body);
    (url.expose().to_owned(), body)
}

/// Slack's: 25 elements, ids of 255 characters that differ, texts of 75, values of 2,000.
fn buttons_are_within_limits(body: &Value) {
    for block in body["blocks"].as_array().unwrap().iter().filter(|block| block["type"] == "actions") {
        let elements = block["elements"].as_array().unwrap();
        assert!((1..=25).contains(&elements.len()));
        let mut ids = Vec::new();
        for element in elements {
            let length = |value: &Value| value.as_str().unwrap().encode_utf16().count();
            assert!((1..=75).contains(&length(&element["text"]["text"])));
            assert!((1..=2_000).contains(&length(&element["value"])));
            assert!((1..=255).contains(&length(&element["action_id"])));
            ids.push(element["action_id"].as_str().unwrap());
        }
        ids.dedup();
        assert_eq!(ids.len(), elements.len());
    }
}

fn progress(stage: Stage, state: State) -> Progress {
    Progress {
        granted: 3,
        occurrences: 47,
        occurrences_total: 94,
        last_seen: Time(sample::NOW.ms() + 201_000),
        stage,
        state,
        decided: Decided { at: Some(Time(sample::NOW.ms() + 240_000)), by: "kim".to_owned(), note: "Slack".to_owned() },
    }
}

fn posted(alert: Alert, progress: Progress) -> Posted {
    let delivery = Delivery { thread: Some(ROOT.to_owned()), ..sample::delivery(alert) };
    Posted { handle: ROOT.to_owned(), delivery, progress }
}

fn edited(locale: Locale, alert: Alert, progress: Progress) -> Value {
    let (url, body) = body(app(locale).edit(&posted(alert, progress)).unwrap());
    assert_eq!(url, "https://slack.com/api/chat.update");
    body
}

/// Title, status and buttons.
fn outline(body: &Value) -> String {
    let blocks = body["blocks"].as_array().unwrap();
    let status =
        blocks.iter().filter_map(|block| block["text"]["text"].as_str()).take(3).collect::<Vec<_>>().join("\n");
    let buttons = blocks.iter().flat_map(|block| block["elements"].as_array().into_iter().flatten());
    let buttons: Vec<_> = buttons.filter_map(|button| button["text"]["text"].as_str()).collect();
    format!("{status}\n[{}]", buttons.join("] ["))
}

#[test]
fn slack_takes_every_message_and_every_edit() {
    for locale in [Locale::En, Locale::Ko] {
        for alert in sample::every() {
            let (url, message) = body(app(locale).compose(&sample::delivery(alert.clone()), sample::NOW));
            assert_eq!(url, "https://slack.com/api/chat.postMessage");
            assert_eq!((&message["channel"], &message["thread_ts"]), (&"C0123456789".into(), &Value::Null));
            assert!(message["metadata"]["event_payload"]["key"].as_str().unwrap().starts_with("bongsu-"));
            for stage in [Stage::Open, Stage::Over, Stage::Replaced] {
                for state in
                    [State::Open, State::Acknowledged, State::Muted { until: None, more: Some(9) }, State::Resolved]
                {
                    for by in ["", "<!channel> *kim*", &"이".repeat(900)] {
                        let mut now = progress(stage, state.clone());
                        now.decided.by = by.to_owned();
                        let edit = edited(locale, alert.clone(), now);
                        assert_eq!(
                            (&edit["channel"], &edit["ts"]),
                            (&"C0123456789".into(), &"1503435956.000247".into())
                        );
                        assert!(!edit.to_string().contains("<!channel>"));
                    }
                }
            }
        }
    }
}

#[test]
fn an_alert_has_buttons_and_an_answer_to_it_has_none() {
    let (_, root) = body(app(Locale::Ko).compose(&sample::delivery(sample::alert(1)), sample::NOW));
    let buttons = root["blocks"].as_array().unwrap().last().unwrap();
    let check = |value: &Value, expected: Expect| expected.assert_eq(&serde_json::to_string_pretty(value).unwrap());
    check(
        buttons,
        expect![[r#"
        {
          "elements": [
            {
              "action_id": "bongsu.acknowledge",
              "text": {
                "emoji": false,
                "text": "확인",
                "type": "plain_text"
              },
              "type": "button",
              "value": "9f2c0000000000000000000000000001"
            },
            {
              "action_id": "bongsu.mute_hour",
              "text": {
                "emoji": false,
                "text": "1시간 알림 끄기",
                "type": "plain_text"
              },
              "type": "button",
              "value": "9f2c0000000000000000000000000001"
            },
            {
              "action_id": "bongsu.mute_hundred",
              "text": {
                "emoji": false,
                "text": "100건 더 발생할 때까지 끄기",
                "type": "plain_text"
              },
              "type": "button",
              "value": "9f2c0000000000000000000000000001"
            },
            {
              "action_id": "bongsu.resolve",
              "text": {
                "emoji": false,
                "text": "해결",
                "type": "plain_text"
              },
              "type": "button",
              "value": "9f2c0000000000000000000000000001"
            }
          ],
          "type": "actions"
        }"#]],
    );
    let answer = Delivery { thread: Some(ROOT.to_owned()), ..sample::delivery(sample::alert(3)) };
    let (_, answer) = body(app(Locale::En).compose(&answer, sample::NOW));
    assert_eq!(answer["thread_ts"], "1503435956.000247");
    assert!(!answer.to_string().contains("\"actions\""), "{answer}");
    let closing = sample::delivery(sample::closing(false));
    assert!(!body(app(Locale::En).compose(&closing, sample::NOW)).1.to_string().contains("\"actions\""));
    // The configuration names another channel meanwhile.
    let elsewhere = Delivery { thread: Some("C9999999999:1.2".to_owned()), ..sample::delivery(sample::alert(3)) };
    let (_, elsewhere) = body(app(Locale::En).compose(&elsewhere, sample::NOW));
    assert_eq!((&elsewhere["channel"], &elsewhere["thread_ts"]), (&"C0123456789".into(), &Value::Null));
}

#[test]
fn an_edit_says_how_far_it_has_come() {
    let check = |locale, progress, expected: Expect| {
        expected.assert_eq(&outline(&edited(locale, sample::alert(1), progress)));
    };
    check(
        Locale::En,
        progress(Stage::Open, State::Open),
        expect![[r#"
        🔥🔥🔥▫️▫️ 3/5 [prod] order-api · NullPointerException
        New
        ```
        Cannot invoke "Coupon.getRate()" because "coupon" is null
        ```
        [Acknowledge] [Mute 1 h] [Mute until 100 more] [Resolve]"#]],
    );
    check(
        Locale::En,
        progress(Stage::Open, State::Acknowledged),
        expect![[r#"
        🔥🔥🔥▫️▫️ 3/5 [prod] order-api · NullPointerException
        New
        Acknowledged by kim · 05:06:11
        [Mute 1 h] [Mute until 100 more] [Resolve]"#]],
    );
    let until = Some(Time(sample::NOW.ms() + 3_600_000));
    check(
        Locale::En,
        progress(Stage::Over, State::Muted { until, more: None }),
        expect![[r#"
        🔥🔥🔥▫️▫️ 3/5 [prod] order-api · NullPointerException
        New
        Muted until 06:02:11 by kim · 05:06:11
        [Resolve] [Reopen]"#]],
    );
    check(
        Locale::Ko,
        progress(Stage::Over, State::Muted { until: None, more: Some(100) }),
        expect![[r#"
        🔥🔥🔥▫️▫️ 3/5 [운영] order-api · NullPointerException
        신규
        kim 님이 100건 더 발생할 때까지 알림을 껐습니다 · 05:06:11
        [해결] [다시 열기]"#]],
    );
    check(
        Locale::Ko,
        progress(Stage::Over, State::Resolved),
        expect![[r#"
        🔥🔥🔥▫️▫️ 3/5 [운영] order-api · NullPointerException
        신규
        kim 님이 해결 처리했습니다 · 05:06:11
        [다시 열기]"#]],
    );
    check(
        Locale::En,
        progress(Stage::Over, State::Open),
        expect![[r#"
        🔥🔥🔥▫️▫️ 3/5 [prod] order-api · NullPointerException
        New
        Window over
        [Mute 1 h] [Mute until 100 more] [Resolve]"#]],
    );
    check(
        Locale::Ko,
        progress(Stage::Replaced, State::Acknowledged),
        expect![[r#"
        🔥🔥🔥▫️▫️ 3/5 [운영] order-api · NullPointerException
        신규
        제한 구간 종료
        []"#]],
    );
    // The figures of what was sent, and its reason, stay.
    let edit = edited(Locale::En, sample::alert(1), progress(Stage::Open, State::Open)).to_string();
    for part in ["*Occurrences*\\n47 · 94 in all", "*Last seen*\\n05:05:32 UTC", "DiscountService.kt:87", "3/5"] {
        assert!(edit.contains(part), "{part} in {edit}");
    }
}

fn judged(status: u16, answer: &str) -> (String, Option<String>, bool) {
    let reply = Ok(Reply { status, retry_after: Some("7".to_owned()), body: answer.as_bytes().to_vec() });
    let channel = app(Locale::En);
    let attempt = match channel.judge(&reply, sample::NOW) {
        Attempt::Delivered => "delivered".to_owned(),
        Attempt::Failed { not_before, .. } => format!("failed, in {:?}", not_before.unwrap().since(sample::NOW)),
        Attempt::Refused { error } | Attempt::Unanswered { error } => error,
    };
    (attempt, channel.handle(&sample::delivery(sample::alert(1)), &reply), channel.has_lost(&reply))
}

#[test]
fn answers_are_read_as_slack_means_them() {
    let good = r#"{"ok":true,"channel":"C0123456789","ts":"1503435956.000247","message":{"text":"x"}}"#;
    assert_eq!(judged(200, good), ("delivered".to_owned(), Some(ROOT.to_owned()), false));
    // The courier brings the beginning of what is longer.
    assert_eq!(judged(200, &good[..good.len() - 9]), ("delivered".to_owned(), Some(ROOT.to_owned()), false));
    let odd = r#"{"ok":true,"channel":"C01:23","ts":"x"}"#;
    assert_eq!(judged(200, odd), ("delivered".to_owned(), None, false));
    let again = "failed, in 7s";
    for (status, answer, expected, lost) in [
        (
            200,
            r#"{"ok":false,"error":"invalid_auth"}"#,
            "answered 200: {\"ok\":false,\"error\":\"invalid_auth\"}",
            false,
        ),
        (
            200,
            r#"{"ok":false,"error":"not_in_channel"}"#,
            "answered 200: {\"ok\":false,\"error\":\"not_in_channel\"}",
            false,
        ),
        (200, r#"{"ok":false,"error":"xoxb-1-secret"}"#, again, false),
        (200, r#"{"ok":false,"error":"ratelimited"}"#, again, false),
        (200, r#"{"ok":false,"error":"internal_error"}"#, again, false),
        (200, r#"{"ok":false,"error":"a_new_word"}"#, again, false),
        (200, r#"{"ok":false}"#, again, false),
        (200, r#"{"ok":false,"error":"message_not_found"}"#, again, true),
        (200, r#"{"ok":false,"error":"cannot_reply_to_message"}"#, again, true),
        (200, "<html>a proxy</html>", again, false),
        (200, "", again, false),
        (429, "", again, false),
        (429, r#"{"ok":false,"error":"ratelimited"}"#, again, false),
        (503, "upstream", again, false),
        (403, "a proxy", "answered 403: a proxy", false),
        (
            401,
            r#"{"ok":false,"error":"account_inactive"}"#,
            "answered 401: {\"ok\":false,\"error\":\"account_inactive\"}",
            false,
        ),
    ] {
        assert_eq!(judged(status, answer), (expected.to_owned(), None, lost), "{status} {answer}");
    }
}

#[test]
fn only_the_first_alert_of_a_window_makes_a_thread() {
    let reply = Ok(Reply {
        status: 200,
        body: br#"{"ok":true,"channel":"C0123456789","ts":"1.2"}"#.to_vec(),
        retry_after: None,
    });
    let handle = |delivery: Delivery| app(Locale::En).handle(&delivery, &reply);
    assert_eq!(handle(sample::delivery(sample::alert(3))).as_deref(), Some("C0123456789:1.2"));
    assert_eq!(handle(Delivery { thread: Some(ROOT.to_owned()), ..sample::delivery(sample::alert(3)) }), None);
    assert_eq!(handle(sample::delivery(sample::closing(true))), None);
    assert_eq!(app(Locale::En).handle(&sample::delivery(sample::alert(1)), &Err(Failure::Timeout)), None);
}

#[test]
fn its_keys_are_checked_and_shown_nowhere() {
    let why = |keys: &str| {
        let toml = format!("[[channel]]\nname = \"ops\"\ntype = \"slack-app\"\n{keys}");
        crate::deliver::Channels::new(&toml::from_str(&toml).unwrap()).unwrap_err()
    };
    for (keys, expected) in [
        ("token = \"x\"\nchat = \"C1\"", "`signing_secret` is missing"),
        ("token = \"x\"\nchat = \"C1\"\nsigning_secret = \" \"", "`signing_secret` is empty"),
        ("token = \"x\"\nchat = \" \"\nsigning_secret = \"y\"", "`chat` is empty"),
        ("token = \"x y\"\nchat = \"C1\"\nsigning_secret = \"y\"", "`token` has characters that it cannot have"),
        ("chat = \"C1\"\nsigning_secret = \"y\"", "`token` is missing"),
    ] {
        assert_eq!(why(keys), format!("channel \"ops\": {expected}"));
    }
    let channel = app(Locale::En);
    let parcel = channel.compose(&sample::delivery(sample::alert(1)), sample::NOW);
    assert!(!format!("{channel:?} {parcel:?}").contains("xoxb"));
    let quoted = Ok(Reply { status: 400, retry_after: None, body: b"xoxb-1-secret 8f742231b10e8888".to_vec() });
    assert!(!format!("{:?}", channel.judge(&quoted, sample::NOW)).contains("8f74"));
    assert!(!format!("{:?}", channel.judge(&quoted, sample::NOW)).contains("xoxb"));
}

/// A message whose answer was lost is looked for before it is sent again.
#[test]
fn what_came_before_is_found_by_its_key() {
    let delivery = sample::delivery(sample::alert(1));
    let channel = app(Locale::En);
    let Parcel::Post { url, body, .. } = channel.question(&delivery).unwrap() else { panic!("it posts") };
    assert_eq!(url.expose(), "https://slack.com/api/conversations.history");
    let form = std::str::from_utf8(&body).unwrap();
    assert_eq!(form, "oldest=1795410071.000000&limit=15&include_all_metadata=true&channel=C0123456789");
    let answer = Delivery { thread: Some(ROOT.to_owned()), ..delivery.clone() };
    let Parcel::Post { url, body, .. } = channel.question(&answer).unwrap() else { panic!("it posts") };
    assert_eq!(url.expose(), "https://slack.com/api/conversations.replies");
    assert!(std::str::from_utf8(&body).unwrap().ends_with("&channel=C0123456789&ts=1503435956.000247"));

    let (_, sent) = self::body(channel.compose(&delivery, sample::NOW));
    let listed = json!({ "ok": true, "messages": [
        { "ts": "1795410140.000001", "text": "hello" },
        { "ts": "1795410131.000002", "metadata": sent["metadata"], "blocks": sent["blocks"] },
    ]})
    .to_string();
    let found = |delivery: &Delivery, body: &str| {
        channel.found(delivery, &Ok(Reply { status: 200, retry_after: None, body: body.as_bytes().to_vec() }))
    };
    assert_eq!(found(&delivery, &listed), Some(Some("C0123456789:1795410131.000002".to_owned())));
    assert_eq!(found(&answer, &listed), Some(None));
    assert_eq!(found(&delivery, &listed[..listed.len() - 2]), Some(None), "the beginning of a long answer");
    assert_eq!(found(&sample::delivery(sample::alert(3)), &listed), None);
    assert_eq!(found(&delivery, r#"{"ok":false,"error":"missing_scope"}"#), None);
    assert_eq!(channel.found(&delivery, &Err(Failure::Timeout)), None);
}

/// What was said of the delivery itself stays in the message.
#[test]
fn an_edit_goes_on_saying_instead_of_whom_it_is_told() {
    let instead_of = InsteadOf { channel: "mail".into(), since: sample::NOW, error: "answered 550".into() };
    let mut posted = posted(sample::alert(1), progress(Stage::Open, State::Open));
    posted.delivery.instead_of = Some(instead_of);
    let (_, edit) = body(app(Locale::En).edit(&posted).unwrap());
    assert!(edit.to_string().contains("mail, which fails since"), "{edit}");
}

#[test]
fn what_tells_of_several_errors_begins_no_thread_and_answers_to_none() {
    let other = Alert { fingerprint: crate::issue::Fingerprint(7), ..sample::alert(1) };
    let several = Delivery { thread: Some(ROOT.to_owned()), folded: vec![other], ..sample::delivery(sample::alert(1)) };
    let (_, message) = body(app(Locale::En).compose(&several, sample::NOW));
    assert_eq!(message["thread_ts"], Value::Null);
    assert!(!message.to_string().contains("\"actions\""), "{message}");
    let reply = Ok(Reply {
        status: 200,
        retry_after: None,
        body: br#"{"ok":true,"channel":"C0123456789","ts":"1.2"}"#.to_vec(),
    });
    assert_eq!(app(Locale::En).handle(&several, &reply), None);
}
