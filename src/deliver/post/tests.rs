//! Every channel that posts: what it sends, within the limits that its service documents, whatever an error says; and
//! what it reads in answers.

mod takes;

use expect_test::{Expect, expect};
use serde_json::Value;

use super::*;
use crate::alert::{Health, InsteadOf, Store};
use crate::config::Locale;
use crate::deliver::sample;
use takes::{
    apprise_takes, discord_takes, google_chat_takes, naver_works_takes, pagerduty_takes, sum_takes, teams_takes,
    telegram_takes, text_takes, texts,
};

/// A channel's type, its keys, and whether its service would take the payload.
struct Service {
    kind: &'static str,
    keys: &'static str,
    takes: fn(&Value) -> Result<(), String>,
}

const URL: &str = "url = \"https://hooks.example/secret-token\"";

const SERVICES: [Service; 11] = [
    Service { kind: "discord", keys: URL, takes: discord_takes },
    Service { kind: "teams", keys: URL, takes: teams_takes },
    Service { kind: "telegram", keys: "token = \"12345:secret-token\"\nchat = \"-100123\"", takes: telegram_takes },
    Service { kind: "mattermost", keys: URL, takes: |body| text_takes(&body["text"], 16_383) },
    Service { kind: "google-chat", keys: URL, takes: google_chat_takes },
    Service { kind: "pagerduty", keys: "routing_key = \"secret-token\"", takes: pagerduty_takes },
    Service { kind: "kakaowork", keys: URL, takes: |body| text_takes(&body["text"], 4_000) },
    Service { kind: "naver-works", keys: URL, takes: naver_works_takes },
    Service { kind: "dooray", keys: URL, takes: |body| sum_takes(body, 4_000) },
    Service { kind: "jandi", keys: URL, takes: |body| sum_takes(body, 4_000) },
    Service { kind: "apprise", keys: APPRISE, takes: apprise_takes },
];

const APPRISE: &str = "url = \"https://apprise.example\"\ntoken = \"secret-token\"\ntag = \"ops\"";

#[test]
fn every_service_takes_every_alert() {
    for Service { kind, keys, takes } in &SERVICES {
        for locale in [Locale::En, Locale::Ko] {
            for alert in sample::every() {
                let body = sample::posted(kind, keys, locale, alert);
                if let Err(why) = takes(&body) {
                    panic!("{kind}, {locale:?}: {why}\n{body:#}");
                }
                for text in texts(&body) {
                    assert!(!text.contains(['\0', '\u{1b}', '\u{202e}']), "{kind}: {text:?}");
                }
            }
        }
    }
}

/// Links and mentions as long as they can be, beside errors that torture.
#[test]
fn every_service_takes_links_and_mentions_besides() {
    let book = sample::BOOK.replace("LONG", &"x".repeat(900)).replace("MENTION", &"m".repeat(200));
    for Service { kind, keys, takes } in &SERVICES {
        for locale in [Locale::En, Locale::Ko] {
            let channel = sample::with_book(kind, keys, locale, &book);
            for alert in sample::every() {
                let first = alert.kind == Kind::Alert && alert.ordinal == 1;
                let mut body = sample::posted_by(&channel, alert);
                let all = texts(&body).join("\n");
                assert_eq!(all.matches(&"m".repeat(200)).count(), usize::from(first), "{kind}: {body:#}");
                if *kind == "discord" && first {
                    body["allowed_mentions"] = serde_json::json!({"parse": []});
                }
                if let Err(why) = takes(&body) {
                    panic!("{kind}, {locale:?}: {why}\n{body:#}");
                }
            }
        }
    }
}

/// The first alert of a window calls its owner, in the channel's own syntax and as it stands; later ones and closings
/// call nobody. Links are shown beside the issue's page.
#[test]
fn links_and_mentions_stand_in_every_channels_message() {
    let book = sample::BOOK.replace("LONG", "l").replace("MENTION", "<@&4> <!subteam^S1> *x*");
    for Service { kind, keys, .. } in &SERVICES {
        let channel = sample::with_book(kind, keys, Locale::En, &book);
        let said = |alert| texts(&sample::posted_by(&channel, alert));
        let first = said(sample::alert(1));
        let url = "https://bongsu.example/trace/4bf92f3577b34da6";
        assert!(first.iter().any(|text| text.contains(url)), "{kind}: {first:#?}");
        assert!(first.iter().any(|text| text.contains("Trace")), "{kind}: {first:#?}");
        assert!(first.iter().any(|text| text.contains("pay-team")), "{kind}: {first:#?}");
        assert!(first.iter().any(|text| text.contains("<@&4> <!subteam^S1> *x*")), "{kind}: {first:#?}");
        for later in [sample::alert(3), sample::closing(true)] {
            let later = said(later);
            let ours = ["https://bongsu.example/trace/4bf9", "https://bongsu.example/l/9f2c"];
            assert!(later.iter().any(|text| ours.iter().any(|url| text.contains(url))), "{kind}: {later:#?}");
            assert!(later.iter().any(|text| text.contains("pay-team")), "{kind}: {later:#?}");
            assert!(!later.iter().any(|text| text.contains("subteam")), "{kind}: {later:#?}");
        }
    }
}

/// A message of several errors calls the owners of those that begin in it, within what one mention may have.
#[test]
fn several_owners_are_called_together() {
    let owners = |a: &str, b: &str| {
        format!(
            "[[owner]]\nname = \"a\"\nmatch = {{ module = \"order-*\" }}\nmention = {{ ops = \"{a}\" }}\n\
             [[owner]]\nname = \"b\"\nmention = {{ ops = \"{b}\" }}\n"
        )
    };
    let of = |kind: &str, keys: &str, book: &str, other: Alert| {
        let channel = sample::with_book(kind, keys, Locale::En, book);
        channel.compose(&Delivery { folded: vec![other], ..sample::delivery(sample::alert(1)) }, sample::NOW)
    };
    let mut other = sample::alert(1);
    other.fingerprint = crate::issue::Fingerprint(2);
    other.attributes.module = "pay-api".into();
    other.event = None;
    let said = |parcel: &Parcel| match parcel {
        Parcel::Post { body, .. } => texts(&serde_json::from_slice(body).unwrap()).join("\n"),
        other => panic!("{other:?}"),
    };
    for Service { kind, keys, .. } in &SERVICES {
        let both = said(&of(kind, keys, &owners("<@1>", "<@2>"), other.clone()));
        assert!(both.contains("<@1>, <@2>"), "{kind}: {both}");
        let later = Alert { ordinal: 2, ..other.clone() };
        let one = said(&of(kind, keys, &owners("<@1>", "<@2>"), later));
        assert!(one.contains("<@1>") && !one.contains("<@2>"), "{kind}: {one}");
        let long = said(&of(kind, keys, &owners(&"m".repeat(120), &"n".repeat(120)), other.clone()));
        assert!(long.contains(&"m".repeat(120)) && !long.contains(&"n".repeat(120)), "{kind}: {long}");
    }
    let mail = "smtp = \"smtps://a:b@mail.example\"\nfrom = \"a@b.example\"\nto = [\"ops@b.example\"]";
    let Parcel::Mail { to, .. } = of("email", mail, &owners("kim <kim@b.example>", "lee@b.example"), other) else {
        panic!("a mail is sent");
    };
    assert_eq!(to, ["ops@b.example", "kim@b.example", "lee@b.example"]);
}

#[test]
fn discord_may_call_just_whom_the_mention_names() {
    let called = |mention: &str| {
        let book = sample::BOOK.replace("MENTION", mention);
        let body = sample::posted_by(&sample::with_book("discord", URL, Locale::En, &book), sample::all(sample::HARM));
        assert_eq!(body["content"], mention);
        body["allowed_mentions"].to_string()
    };
    assert_eq!(called("<@&4> <@123> <@!5> <@x>"), r#"{"parse":[],"roles":["4"],"users":["123","5"]}"#);
    assert_eq!(called("pay-team, please"), r#"{"parse":[],"roles":[],"users":[]}"#);
    assert_eq!(called("@here"), r#"{"parse":["everyone"],"roles":[],"users":[]}"#);
}

#[test]
fn text_from_outside_rings_nobody_and_makes_no_link() {
    for Service { kind, keys, .. } in &SERVICES {
        // A text run and an event of PagerDuty's are data: nothing in them is read.
        if ["teams", "pagerduty"].contains(kind) {
            continue;
        }
        let mut body = sample::posted(kind, keys, Locale::En, sample::all(sample::HARM));
        // The header of a card is plain text.
        if *kind == "google-chat" {
            body["cardsV2"][0]["card"]["header"].take();
        }
        for text in texts(&body) {
            for bad in ["@everyone", "@channel", "@here", "@all", "<@1", "<@&"] {
                assert!(!text.contains(bad), "{kind}: {bad} in {text}");
            }
            // Outside of fenced code, and where Markdown is read at all.
            let prose: String = text.split("```").step_by(2).collect();
            if !matches!(*kind, "kakaowork" | "naver-works" | "telegram" | "google-chat") {
                assert!(!prose.contains("](https://evil") && !prose.contains("[[ok]]"), "{kind}: {text}");
            }
        }
    }
}

/// However many backticks there are, a block is closed by ours.
/// Messengers make a link of an address in prose, but none in code.
#[test]
fn a_bare_address_in_an_error_is_no_link() {
    let services = SERVICES.iter().filter(|service| !matches!(service.kind, "teams" | "google-chat" | "pagerduty"));
    for Service { kind, keys, .. } in services {
        let body = sample::posted(kind, keys, Locale::En, sample::all("at https://evil.example/x"));
        let said = texts(&body).join("\n");
        let marks = if *kind == "telegram" { ["<code>", "<pre>", "</code>", "</pre>"] } else { ["`"; 4] };
        let said = marks.iter().fold(said, |said, mark| said.replace(mark, "\0"));
        // Between two marks there is code, and what fences it is followed by an empty text or a line's end.
        let prose: String = said.split('\0').step_by(2).collect();
        assert!(prose.contains(":\u{200b}//evil.example"), "{kind}: {body:#}");
        assert!(!prose.contains("://evil.example"), "{kind}: {body:#}");
    }
}

#[test]
fn a_block_of_code_cannot_be_left() {
    for kind in ["discord", "mattermost"] {
        for text in ["```", "a```b ```", "``````````"] {
            let body = sample::posted(kind, URL, Locale::En, sample::all(text));
            for text in texts(&body) {
                assert_eq!(text.matches("```").count() % 2, 0, "{kind}: {text}");
            }
        }
    }
}

#[test]
fn secrets_are_shown_nowhere() {
    for Service { kind, keys, .. } in &SERVICES {
        let channel = sample::channel(kind, keys, Locale::En);
        let parcel = channel.compose(&sample::delivery(sample::alert(1)), sample::NOW);
        assert!(!format!("{channel:?} {parcel:?}").contains("secret-token"), "{kind}");
        let body = b"no such thing: secret-token, POST /bot12345:secret-token/sendMessage".to_vec();
        let judged = channel.judge(&Ok(Reply { status: 404, retry_after: None, body }), sample::NOW);
        assert!(matches!(judged, Attempt::Refused { .. }), "{kind}: {judged:?}");
        assert!(!format!("{judged:?}").contains("secret-token"), "{kind}: {judged:?}");
    }
}

#[test]
fn answers_are_read_as_each_service_means_them() {
    let judged = |kind: &str, status, body: &str| {
        let service = SERVICES.iter().find(|service| service.kind == kind).unwrap();
        let reply = Reply { status, retry_after: None, body: body.as_bytes().to_vec() };
        match sample::channel(kind, service.keys, Locale::En).judge(&Ok(reply), sample::NOW) {
            Attempt::Failed { not_before, .. } => {
                not_before.map_or("failed".to_owned(), |at| format!("in {} ms", at.since(sample::NOW).as_millis()))
            }
            other => other.name().to_owned(),
        }
    };
    let table = [
        ("discord", 204, "", "delivered"),
        (
            "discord",
            429,
            r#"{"message":"You are being rate limited.","retry_after":1.337,"global":false}"#,
            "in 1337 ms",
        ),
        ("discord", 400, r#"{"embeds":["0"]}"#, "refused"),
        ("discord", 404, r#"{"message":"Unknown Webhook","code":10015}"#, "refused"),
        ("teams", 202, "", "delivered"),
        ("teams", 200, "1", "delivered"),
        ("teams", 200, "Webhook message delivery failed with error: returned HTTP error 429 with", "failed"),
        ("teams", 200, "Webhook message delivery failed with error: returned HTTP error 413 with", "refused"),
        ("teams", 429, "", "failed"),
        ("telegram", 200, r#"{"ok":true,"result":{}}"#, "delivered"),
        ("telegram", 429, r#"{"ok":false,"error_code":429,"parameters":{"retry_after":35}}"#, "in 35000 ms"),
        ("telegram", 400, r#"{"ok":false,"error_code":400,"description":"Bad Request: chat not found"}"#, "refused"),
        ("telegram", 403, r#"{"ok":false,"description":"Forbidden: bot was kicked"}"#, "refused"),
        ("telegram", 502, "", "failed"),
        ("mattermost", 200, "ok", "delivered"),
        ("mattermost", 400, "{}", "refused"),
        ("google-chat", 200, "{}", "delivered"),
        ("google-chat", 429, r#"{"error":{"status":"RESOURCE_EXHAUSTED"}}"#, "failed"),
        ("pagerduty", 202, r#"{"status":"success","dedup_key":"x"}"#, "delivered"),
        ("pagerduty", 400, r#"{"status":"invalid event"}"#, "refused"),
        ("pagerduty", 429, "", "failed"),
        ("kakaowork", 200, r#"{"success":true}"#, "delivered"),
        ("kakaowork", 200, r#"{"success":false,"error":{"code":"invalid_parameter"}}"#, "refused"),
        ("kakaowork", 200, r#"{"success":false,"error":{"code":"api_busy"}}"#, "failed"),
        ("naver-works", 200, r#"{"code":200,"description":"success"}"#, "delivered"),
        ("naver-works", 200, r#"{"code":400,"description":"too long"}"#, "refused"),
        ("naver-works", 200, r#"{"code":429}"#, "failed"),
        ("dooray", 200, r#"{"header":{"isSuccessful":true}}"#, "delivered"),
        ("dooray", 200, r#"{"header":{"isSuccessful":false,"resultCode":-1}}"#, "failed"),
        ("jandi", 200, "", "delivered"),
        ("jandi", 400, r#"{"code":40052}"#, "refused"),
        ("apprise", 200, r#"{"error":null}"#, "delivered"),
        ("apprise", 204, "", "refused"),
        ("apprise", 424, r#"{"error":"One or more notification could not be sent"}"#, "failed"),
        ("apprise", 400, r#"{"error":"Payload lacks minimum requirements"}"#, "refused"),
        ("apprise", 403, "", "refused"),
        ("apprise", 500, "", "failed"),
    ];
    for (kind, status, body, expected) in table {
        assert_eq!(judged(kind, status, body), expected, "{kind} {status} {body}");
    }
}

/// `docs/channels.md` speaks of every type, and what it shows can be used.
#[test]
fn the_documented_channels_are_good() {
    let page = include_str!("../../../docs/channels.md");
    let secrets = [
        ("{ env = \"SLACK_WEBHOOK\" }", "\"https://hooks.slack.com/services/x\""),
        ("{ env = \"SLACK_TOKEN\" }", "\"xoxb-x\""),
        ("{ env = \"SLACK_SECRET\" }", "\"x\""),
        ("{ env = \"TELEGRAM_TOKEN\" }", "\"12345:x\""),
        ("{ env = \"SMTP_URL\" }", "\"smtps://kim:x@mail.example.com\""),
    ];
    for block in page.split("```toml\n").skip(1) {
        let block = block.split("```").next().unwrap();
        let toml = secrets.iter().fold(block.to_owned(), |toml, (variable, value)| toml.replace(variable, value));
        let good = crate::config::from_toml(&toml).map(|config| crate::deliver::Channels::new(&config));
        assert!(matches!(good, Ok(Ok(_))), "{toml}");
    }
    for Service { kind, .. } in &SERVICES {
        assert!(page.contains(&format!("type = \"{kind}\"")), "{kind}");
    }
}

fn check(kind: &str, alert: Alert, expected: Expect) {
    let service = SERVICES.iter().find(|service| service.kind == kind).unwrap();
    let body = sample::posted(kind, service.keys, Locale::Ko, alert);
    // As JSON may write it, so that readers see what nobody sees in a message.
    expected.assert_eq(&serde_json::to_string_pretty(&body).unwrap().replace('\u{200b}', "\\u200b"));
}

#[test]
fn apprise_has_a_short_text() {
    check(
        "apprise",
        sample::alert(1),
        expect![[r#"
        {
          "body": "신규\nCannot invoke \"Coupon.getRate()\" because \"coupon\" is null\n예외 구분: Runtime\n요청: POST /orders/1234/pay\n예외 발생 위치: com.acme.order.DiscountService.apply\n감싼 예외: PaymentException\n발생: 1건\n마지막 발생: 05:02:11 UTC\n구간 종료: 05:12:11\n배포 버전: v1.42.0\n서버: order-api-7c9f-x2x8k\n추적 ID: 4bf92f3577b34da6\ncom.acme.order.DiscountService.apply (DiscountService.kt:87)\ncom.acme.order.PayService.pay (PayService.kt:41)\n상세 보기: https://bongsu.example/api/v1/issues/9f2c0000000000000000000000000001",
          "format": "text",
          "tag": "ops",
          "title": "🔥▫️▫️▫️▫️ 1/5 [\u200b운영]\u200b order-api · NullPointerException",
          "type": "failure"
        }"#]],
    );
    check(
        "apprise",
        sample::closing(false),
        expect![[r#"
        {
          "body": "제한 구간 종료 · 10분 동안 8,310건(알림 5건, 억제 8,305건) · 마지막 발생 05:09:40, 이후 0건\n발생: 8,310건 · 누적 8,357건\n알림: 5건\n억제: 8,305건\n분당 최대: 1,204건\n구간 시작: 05:02:11\n마지막 발생: 05:09:40 UTC\n상세 보기: https://bongsu.example/api/v1/issues/9f2c0000000000000000000000000001",
          "format": "text",
          "tag": "ops",
          "title": "▫️ [\u200b운영]\u200b order-api · payment failed · 진정됨",
          "type": "success"
        }"#]],
    );
    let services =
        "url = \"https://apprise.example/\"\nservices = [\"json://user:secret-token@a.example\", \"ntfy://b\"]";
    let body = sample::posted("apprise", services, Locale::En, sample::alert(1));
    assert_eq!(body["urls"], serde_json::json!(["json://user:secret-token@a.example", "ntfy://b"]));
    let channel = sample::channel("apprise", services, Locale::En);
    let parcel = channel.compose(&sample::delivery(sample::alert(1)), sample::NOW);
    assert!(matches!(&parcel, Parcel::Post { url, .. } if url.expose() == "https://apprise.example/notify"));
    assert!(!format!("{channel:?} {parcel:?}").contains("secret-token"));
}

#[test]
fn discord_has_an_embed() {
    check(
        "discord",
        sample::closing(false),
        expect![[r#"
        {
          "allowed_mentions": {
            "parse": []
          },
          "embeds": [
            {
              "color": 10003123,
              "description": "제한 구간 종료 · 10분 동안 8,310건\\(알림 5건, 억제 8,305건\\) · 마지막 발생 05:09:40, 이후 0건",
              "fields": [
                {
                  "inline": true,
                  "name": "발생",
                  "value": "8,310건 · 누적 8,357건"
                },
                {
                  "inline": true,
                  "name": "알림",
                  "value": "5건"
                },
                {
                  "inline": true,
                  "name": "억제",
                  "value": "8,305건"
                },
                {
                  "inline": true,
                  "name": "분당 최대",
                  "value": "1,204건"
                },
                {
                  "inline": true,
                  "name": "구간 시작",
                  "value": "05:02:11"
                },
                {
                  "inline": true,
                  "name": "마지막 발생",
                  "value": "05:09:40 UTC"
                }
              ],
              "footer": {
                "text": "9f2c0000000000000000000000000001"
              },
              "title": "▫️ \\[운영\\] order-api · payment failed · 진정됨",
              "url": "https://bongsu.example/api/v1/issues/9f2c0000000000000000000000000001"
            }
          ]
        }"#]],
    );
}

#[test]
fn teams_has_a_card() {
    check(
        "teams",
        sample::alert(3),
        expect![[r#"
        {
          "attachments": [
            {
              "content": {
                "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                "actions": [
                  {
                    "title": "상세 보기",
                    "type": "Action.OpenUrl",
                    "url": "https://bongsu.example/api/v1/issues/9f2c0000000000000000000000000001"
                  }
                ],
                "body": [
                  {
                    "inlines": [
                      {
                        "size": "Medium",
                        "text": "🔥🔥🔥▫️▫️ 3/5 [운영] order-api · NullPointerException",
                        "type": "TextRun",
                        "weight": "Bolder"
                      }
                    ],
                    "spacing": "None",
                    "type": "RichTextBlock"
                  },
                  {
                    "inlines": [
                      {
                        "text": "같은 에러 반복 발생 · 지금까지 47건",
                        "type": "TextRun"
                      }
                    ],
                    "spacing": "Small",
                    "type": "RichTextBlock"
                  },
                  {
                    "inlines": [
                      {
                        "fontType": "Monospace",
                        "text": "Cannot invoke \"Coupon.getRate()\" because \"coupon\" is null",
                        "type": "TextRun"
                      }
                    ],
                    "spacing": "Medium",
                    "type": "RichTextBlock"
                  },
                  {
                    "inlines": [
                      {
                        "text": "예외 발생 위치: ",
                        "type": "TextRun",
                        "weight": "Bolder"
                      },
                      {
                        "fontType": "Monospace",
                        "text": "com.acme.order.DiscountService.apply",
                        "type": "TextRun"
                      }
                    ],
                    "spacing": "Medium",
                    "type": "RichTextBlock"
                  },
                  {
                    "inlines": [
                      {
                        "text": "발생: ",
                        "type": "TextRun",
                        "weight": "Bolder"
                      },
                      {
                        "text": "47건",
                        "type": "TextRun"
                      }
                    ],
                    "spacing": "None",
                    "type": "RichTextBlock"
                  },
                  {
                    "inlines": [
                      {
                        "text": "마지막 발생: ",
                        "type": "TextRun",
                        "weight": "Bolder"
                      },
                      {
                        "text": "05:05:32 UTC",
                        "type": "TextRun"
                      }
                    ],
                    "spacing": "None",
                    "type": "RichTextBlock"
                  },
                  {
                    "inlines": [
                      {
                        "text": "서버: ",
                        "type": "TextRun",
                        "weight": "Bolder"
                      },
                      {
                        "text": "order-api-7c9f-x2x8k",
                        "type": "TextRun"
                      }
                    ],
                    "spacing": "None",
                    "type": "RichTextBlock"
                  },
                  {
                    "inlines": [
                      {
                        "text": "추적 ID: ",
                        "type": "TextRun",
                        "weight": "Bolder"
                      },
                      {
                        "fontType": "Monospace",
                        "text": "4bf92f3577b34da6",
                        "type": "TextRun"
                      }
                    ],
                    "spacing": "None",
                    "type": "RichTextBlock"
                  }
                ],
                "fallbackText": "🔥🔥🔥▫️▫️ 3/5 [운영] order-api · NullPointerException",
                "msteams": {
                  "width": "Full"
                },
                "type": "AdaptiveCard",
                "version": "1.4"
              },
              "contentType": "application/vnd.microsoft.card.adaptive",
              "contentUrl": null
            }
          ],
          "type": "message"
        }"#]],
    );
}

#[test]
fn telegram_has_html() {
    check(
        "telegram",
        sample::alert(1),
        expect![[r#"
        {
          "chat_id": "-100123",
          "link_preview_options": {
            "is_disabled": true
          },
          "parse_mode": "HTML",
          "text": "<b>🔥▫️▫️▫️▫️ 1/5 [운영] order-api · NullPointerException</b>\n신규\n<pre>Cannot invoke &quot;Coupon.getRate()&quot; because &quot;coupon&quot; is null</pre>\n<b>예외 구분</b>: Runtime\n<b>요청</b>: <code>POST /orders/1234/pay</code>\n<b>예외 발생 위치</b>: <code>com.acme.order.DiscountService.apply</code>\n<b>감싼 예외</b>: PaymentException\n<b>발생</b>: 1건\n<b>마지막 발생</b>: 05:02:11 UTC\n<b>구간 종료</b>: 05:12:11\n<b>배포 버전</b>: v1.42.0\n<b>서버</b>: order-api-7c9f-x2x8k\n<b>추적 ID</b>: <code>4bf92f3577b34da6</code>\n<pre>com.acme.order.DiscountService.apply (DiscountService.kt:87)\ncom.acme.order.PayService.pay (PayService.kt:41)</pre>\n<a href=\"https://bongsu.example/api/v1/issues/9f2c0000000000000000000000000001\">상세 보기</a>"
        }"#]],
    );
}

#[test]
fn mattermost_has_markdown() {
    check(
        "mattermost",
        sample::alert(1),
        expect![[r#"
        {
          "text": "**🔥▫️▫️▫️▫️ 1/5 \\[운영\\] order-api · NullPointerException**\n신규\n```\nCannot invoke \"Coupon.getRate()\" because \"coupon\" is null\n```\n**예외 구분**: Runtime\n**요청**: `POST /orders/1234/pay`\n**예외 발생 위치**: `com.acme.order.DiscountService.apply`\n**감싼 예외**: PaymentException\n**발생**: 1건\n**마지막 발생**: 05:02:11 UTC\n**구간 종료**: 05:12:11\n**배포 버전**: v1.42.0\n**서버**: order-api-7c9f-x2x8k\n**추적 ID**: `4bf92f3577b34da6`\n```\ncom.acme.order.DiscountService.apply (DiscountService.kt:87)\ncom.acme.order.PayService.pay (PayService.kt:41)\n```\n[상세 보기](https://bongsu.example/api/v1/issues/9f2c0000000000000000000000000001)"
        }"#]],
    );
}

#[test]
fn google_chat_has_a_card_in_a_thread() {
    check(
        "google-chat",
        sample::alert(3),
        expect![[r#"
        {
          "cardsV2": [
            {
              "card": {
                "header": {
                  "title": "🔥🔥🔥▫️▫️ 3/5 [운영] order-api · NullPointerException"
                },
                "sections": [
                  {
                    "widgets": [
                      {
                        "textParagraph": {
                          "text": "같은 에러 반복 발생 · 지금까지 47건"
                        }
                      },
                      {
                        "textParagraph": {
                          "text": "<code>Cannot invoke &quot;Coupon.getRate()&quot; because &quot;coupon&quot; is null</code>"
                        }
                      },
                      {
                        "decoratedText": {
                          "text": "com.acme.order.DiscountService.apply",
                          "topLabel": "예외 발생 위치",
                          "wrapText": true
                        }
                      },
                      {
                        "decoratedText": {
                          "text": "47건",
                          "topLabel": "발생",
                          "wrapText": true
                        }
                      },
                      {
                        "decoratedText": {
                          "text": "05:05:32 UTC",
                          "topLabel": "마지막 발생",
                          "wrapText": true
                        }
                      },
                      {
                        "decoratedText": {
                          "text": "order-api-7c9f-x2x8k",
                          "topLabel": "서버",
                          "wrapText": true
                        }
                      },
                      {
                        "decoratedText": {
                          "text": "4bf92f3577b34da6",
                          "topLabel": "추적 ID",
                          "wrapText": true
                        }
                      },
                      {
                        "buttonList": {
                          "buttons": [
                            {
                              "onClick": {
                                "openLink": {
                                  "url": "https://bongsu.example/api/v1/issues/9f2c0000000000000000000000000001"
                                }
                              },
                              "text": "상세 보기"
                            }
                          ]
                        }
                      }
                    ]
                  }
                ]
              },
              "cardId": "alert"
            }
          ],
          "thread": {
            "threadKey": "9f2c0000000000000000000000000001"
          }
        }"#]],
    );
    let url = google_chat::url(&Secret::new("https://chat.googleapis.com/v1/spaces/A/messages?key=k&token=t"));
    let expected = "https://chat.googleapis.com/v1/spaces/A/messages?key=k&token=t&messageReplyOption=REPLY_MESSAGE_FALLBACK_TO_NEW_THREAD";
    assert_eq!(url.expose(), expected);
}

#[test]
fn pagerduty_has_one_incident_for_a_window() {
    check(
        "pagerduty",
        sample::alert(3),
        expect![[r#"
        {
          "client": "bongsu",
          "client_url": "https://bongsu.example/api/v1/issues/9f2c0000000000000000000000000001",
          "dedup_key": "bongsu:9f2c0000000000000000000000000001:1795410131000",
          "event_action": "trigger",
          "links": [
            {
              "href": "https://bongsu.example/api/v1/issues/9f2c0000000000000000000000000001",
              "text": "상세 보기"
            }
          ],
          "payload": {
            "class": "Runtime",
            "component": "order-api",
            "custom_details": {
              "detail": "Cannot invoke \"Coupon.getRate()\" because \"coupon\" is null",
              "why": "같은 에러 반복 발생 · 지금까지 47건",
              "마지막 발생": "05:05:32 UTC",
              "발생": "47건",
              "서버": "order-api-7c9f-x2x8k",
              "예외 발생 위치": "com.acme.order.DiscountService.apply",
              "추적 ID": "4bf92f3577b34da6"
            },
            "group": "prod",
            "severity": "error",
            "source": "order-api-7c9f-x2x8k",
            "summary": "🔥🔥🔥▫️▫️ 3/5 [운영] order-api · NullPointerException · 같은 에러 반복 발생 · 지금까지 47건",
            "timestamp": "2026-11-23T05:05:32.000Z"
          },
          "routing_key": "secret-token"
        }"#]],
    );
    let keys = |alert| {
        let body = sample::posted("pagerduty", "routing_key = \"k\"", Locale::En, alert);
        (body["dedup_key"].clone(), body["event_action"].clone())
    };
    let (key, trigger) = keys(sample::alert(1));
    assert_eq!(trigger, "trigger");
    assert_eq!(keys(sample::closing(false)), (key.clone(), "resolve".into()));
    assert_eq!(keys(sample::closing(true)), (key, "trigger".into()));
}

#[test]
fn kakaowork_has_text() {
    check(
        "kakaowork",
        sample::alert(3),
        expect![[r#"
        {
          "text": "🔥🔥🔥▫️▫️ 3/5 [운영] order-api · NullPointerException\n같은 에러 반복 발생 · 지금까지 47건\nCannot invoke \"Coupon.getRate()\" because \"coupon\" is null\n예외 발생 위치: com.acme.order.DiscountService.apply\n발생: 47건\n마지막 발생: 05:05:32 UTC\n서버: order-api-7c9f-x2x8k\n추적 ID: 4bf92f3577b34da6\n상세 보기: https://bongsu.example/api/v1/issues/9f2c0000000000000000000000000001"
        }"#]],
    );
    let body = sample::posted("kakaowork", "token = \"app-key\"\nchat = \"77\"", Locale::En, sample::alert(1));
    assert_eq!(body["conversation_id"], "77");
}

#[test]
fn naver_works_has_a_title_a_text_and_a_button() {
    check(
        "naver-works",
        sample::alert(3),
        expect![[r#"
        {
          "body": {
            "text": "같은 에러 반복 발생 · 지금까지 47건\nCannot invoke \"Coupon.getRate()\" because \"coupon\" is null\n예외 발생 위치: com.acme.order.DiscountService.apply\n발생: 47건\n마지막 발생: 05:05:32 UTC\n서버: order-api-7c9f-x2x8k\n추적 ID: 4bf92f3577b34da6"
          },
          "button": {
            "label": "상세 보기",
            "url": "https://bongsu.example/api/v1/issues/9f2c0000000000000000000000000001"
          },
          "title": "🔥🔥🔥▫️▫️ 3/5 [운영] order-api · NullPointerException"
        }"#]],
    );
}

#[test]
fn dooray_has_an_attachment() {
    check(
        "dooray",
        sample::alert(3),
        expect![[r#"
        {
          "attachments": [
            {
              "color": "red",
              "text": "Cannot invoke \"Coupon.getRate()\" because \"coupon\" is null\n예외 발생 위치: com.acme.order.DiscountService.apply\n발생: 47건\n마지막 발생: 05:05:32 UTC\n서버: order-api-7c9f-x2x8k\n추적 ID: 4bf92f3577b34da6",
              "title": "🔥🔥🔥▫️▫️ 3/5 [\u200b운영]\u200b order-api · NullPointerException",
              "titleLink": "https://bongsu.example/api/v1/issues/9f2c0000000000000000000000000001"
            }
          ],
          "botName": "bongsu",
          "text": "같은 에러 반복 발생 · 지금까지 47건"
        }"#]],
    );
}

#[test]
fn jandi_has_sections() {
    check(
        "jandi",
        sample::alert(3),
        expect![[r##"
        {
          "body": "**🔥🔥🔥▫️▫️ 3/5 [\u200b운영]\u200b order-api · NullPointerException** [[상세 보기]](https://bongsu.example/api/v1/issues/9f2c0000000000000000000000000001)",
          "connectColor": "#D92D20",
          "connectInfo": [
            {
              "description": "Cannot invoke \"Coupon.getRate()\" because \"coupon\" is null\n예외 발생 위치: com.acme.order.DiscountService.apply\n발생: 47건\n마지막 발생: 05:05:32 UTC\n서버: order-api-7c9f-x2x8k\n추적 ID: 4bf92f3577b34da6",
              "title": "같은 에러 반복 발생 · 지금까지 47건"
            }
          ]
        }"##]],
    );
}

#[test]
fn what_may_have_arrived_is_sent_again_where_it_is_told_from_a_new_one_or_would_be_missed() {
    let closing = Kind::Closing { peak_per_minute: 9, ongoing: true };
    let health = Kind::Health(Health { store: Store::Archive, away: true });
    let alerts = [(Kind::Alert, 1), (Kind::Alert, 2), (Kind::Alert, 5), (closing, 5), (health, 2)];
    for Service { kind, keys, .. } in &SERVICES {
        let channel = sample::channel(kind, keys, Locale::En);
        let repeated = alerts
            .map(|(kind, ordinal)| channel.repeats(&sample::delivery(Alert { kind, ordinal, ..sample::alert(1) })));
        let later = *kind == "pagerduty";
        assert_eq!(repeated, [true, later, later, true, true], "{kind}");
    }
}

#[test]
fn every_service_is_told_instead_of_whom() {
    let instead_of = InsteadOf { channel: "당번".into(), since: sample::NOW, error: "answered 503: <b>".into() };
    let delivery = Delivery { instead_of: Some(instead_of), ..sample::delivery(sample::alert(1)) };
    for Service { kind, keys, takes } in &SERVICES {
        for (locale, said) in
            [(Locale::En, "당번, which fails since 05:02:11"), (Locale::Ko, "당번 채널이 05:02:11부터 실패")]
        {
            let Parcel::Post { body, .. } = sample::channel(kind, keys, locale).compose(&delivery, sample::NOW) else {
                panic!("{kind} posts");
            };
            let body: Value = serde_json::from_slice(&body).unwrap();
            takes(&body).unwrap();
            let texts = texts(&body).concat();
            assert!(texts.contains(said) && texts.contains("answered 503"), "{kind}: {texts}");
        }
    }
}
