//! Slack's limits and syntax, under torture.

use expect_test::{Expect, expect};

use super::*;
use crate::alert::{Alert, Attempt};
use crate::config::Locale;
use crate::deliver::judge::judge_read;
use crate::deliver::parcel::Failure;
use crate::deliver::sample;
use crate::time::Time;

fn composed(alert: Alert) -> Value {
    sample::posted("slack", "url = \"https://x\"", Locale::Ko, alert)
}

fn check(alert: Alert, expected: Expect) {
    expected.assert_eq(&serde_json::to_string_pretty(&composed(alert)).unwrap());
}

/// Every text of the payload with its limit in UTF-16 units.
pub(crate) fn assert_within_limits(payload: &Value) {
    let units = |value: &Value| value["text"].as_str().expect("a text object has text").encode_utf16().count();
    let blocks = payload["blocks"].as_array().unwrap();
    assert!(blocks.len() <= 50);
    let mut sum = 0;
    let mut within = |value: &Value, limit: usize| {
        let n = units(value);
        assert!((1..=limit).contains(&n), "{n} of {limit}");
        sum += n;
    };
    for block in blocks {
        match block["type"].as_str().unwrap() {
            "header" => within(&block["text"], 150),
            "actions" => {}
            "context" => block["elements"].as_array().unwrap().iter().for_each(|element| within(element, 3_000)),
            _ if block["fields"].is_array() => {
                let fields = block["fields"].as_array().unwrap();
                assert!((1..=10).contains(&fields.len()));
                fields.iter().for_each(|field| within(field, 2_000));
            }
            _ => within(&block["text"], 3_000),
        }
    }
    within(payload, 4_000);
    assert!(sum <= 12_000, "{sum} in all");
}

#[test]
fn an_alert_in_blocks() {
    check(
        sample::alert(1),
        expect![[r#"
            {
              "blocks": [
                {
                  "text": {
                    "emoji": false,
                    "text": "🔥▫️▫️▫️▫️ 1/5 [운영] order-api · NullPointerException",
                    "type": "plain_text"
                  },
                  "type": "header"
                },
                {
                  "text": {
                    "text": "신규",
                    "type": "mrkdwn",
                    "verbatim": true
                  },
                  "type": "section"
                },
                {
                  "text": {
                    "text": "```\nCannot invoke \"Coupon.getRate()\" because \"coupon\" is null\n```",
                    "type": "mrkdwn",
                    "verbatim": true
                  },
                  "type": "section"
                },
                {
                  "fields": [
                    {
                      "text": "*예외 구분*\nRuntime",
                      "type": "mrkdwn",
                      "verbatim": true
                    },
                    {
                      "text": "*요청*\n`POST /orders/1234/pay`",
                      "type": "mrkdwn",
                      "verbatim": true
                    },
                    {
                      "text": "*예외 발생 위치*\n`com.acme.order.DiscountService.apply`",
                      "type": "mrkdwn",
                      "verbatim": true
                    },
                    {
                      "text": "*감싼 예외*\nPaymentException",
                      "type": "mrkdwn",
                      "verbatim": true
                    },
                    {
                      "text": "*발생*\n1건",
                      "type": "mrkdwn",
                      "verbatim": true
                    },
                    {
                      "text": "*마지막 발생*\n05:02:11 UTC",
                      "type": "mrkdwn",
                      "verbatim": true
                    },
                    {
                      "text": "*구간 종료*\n05:12:11",
                      "type": "mrkdwn",
                      "verbatim": true
                    },
                    {
                      "text": "*배포 버전*\nv1.42.0",
                      "type": "mrkdwn",
                      "verbatim": true
                    },
                    {
                      "text": "*서버*\norder-api-7c9f-x2x8k",
                      "type": "mrkdwn",
                      "verbatim": true
                    },
                    {
                      "text": "*추적 ID*\n`4bf92f3577b34da6`",
                      "type": "mrkdwn",
                      "verbatim": true
                    }
                  ],
                  "type": "section"
                },
                {
                  "text": {
                    "text": "```\ncom.acme.order.DiscountService.apply (DiscountService.kt:87)\ncom.acme.order.PayService.pay (PayService.kt:41)\n```",
                    "type": "mrkdwn",
                    "verbatim": true
                  },
                  "type": "section"
                },
                {
                  "elements": [
                    {
                      "text": "<https://bongsu.example/api/v1/issues/9f2c0000000000000000000000000001|상세 보기> · `9f2c0000000000000000000000000001`",
                      "type": "mrkdwn",
                      "verbatim": true
                    }
                  ],
                  "type": "context"
                }
              ],
              "text": "🔥▫️▫️▫️▫️ 1/5 [운영] order-api · NullPointerException · 신규"
            }"#]],
    );
}

#[test]
fn a_closing_in_blocks() {
    check(
        sample::closing(false),
        expect![[r#"
            {
              "blocks": [
                {
                  "text": {
                    "emoji": false,
                    "text": "▫️ [운영] order-api · payment failed · 진정됨",
                    "type": "plain_text"
                  },
                  "type": "header"
                },
                {
                  "text": {
                    "text": "제한 구간 종료 · 10분 동안 8,310건(알림 5건, 억제 8,305건) · 마지막 발생 05:09:40, 이후 0건",
                    "type": "mrkdwn",
                    "verbatim": true
                  },
                  "type": "section"
                },
                {
                  "fields": [
                    {
                      "text": "*발생*\n8,310건 · 누적 8,357건",
                      "type": "mrkdwn",
                      "verbatim": true
                    },
                    {
                      "text": "*알림*\n5건",
                      "type": "mrkdwn",
                      "verbatim": true
                    },
                    {
                      "text": "*억제*\n8,305건",
                      "type": "mrkdwn",
                      "verbatim": true
                    },
                    {
                      "text": "*분당 최대*\n1,204건",
                      "type": "mrkdwn",
                      "verbatim": true
                    },
                    {
                      "text": "*구간 시작*\n05:02:11",
                      "type": "mrkdwn",
                      "verbatim": true
                    },
                    {
                      "text": "*마지막 발생*\n05:09:40 UTC",
                      "type": "mrkdwn",
                      "verbatim": true
                    }
                  ],
                  "type": "section"
                },
                {
                  "elements": [
                    {
                      "text": "<https://bongsu.example/api/v1/issues/9f2c0000000000000000000000000001|상세 보기> · `9f2c0000000000000000000000000001`",
                      "type": "mrkdwn",
                      "verbatim": true
                    }
                  ],
                  "type": "context"
                }
              ],
              "text": "▫️ [운영] order-api · payment failed · 진정됨 · 제한 구간 종료 · 10분 동안 8,310건(알림 5건, 억제 8,305건) · 마지막 발생 05:09:40, 이후 0건"
            }"#]],
    );
}

#[test]
fn every_limit_holds_under_torture() {
    for text in sample::torture() {
        let payload = composed(sample::all(&text));
        assert_within_limits(&payload);
        let book = sample::BOOK.replace("LONG", &"&".repeat(300)).replace("MENTION", &"m".repeat(200));
        let channel = sample::with_book("slack", "url = \"https://x\"", Locale::Ko, &book);
        let payload = sample::posted_by(&channel, sample::all(&text));
        assert_within_limits(&payload);
    }
}

#[test]
fn links_stand_beside_the_page_and_an_owner_is_called() {
    let book = sample::BOOK.replace("LONG", "a").replace("MENTION", "<!subteam^S1>");
    let channel = sample::with_book("slack", "url = \"https://x\"", Locale::Ko, &book);
    let payload = sample::posted_by(&channel, sample::alert(1));
    let of = |kind: &str| -> Vec<String> {
        let blocks = payload["blocks"].as_array().unwrap().iter().filter(|block| block["type"] == kind);
        blocks
            .map(|block| {
                block["elements"][0]["text"].as_str().or(block["text"]["text"].as_str()).unwrap_or("").to_owned()
            })
            .collect()
    };
    assert!(of("section").contains(&"<!subteam^S1>".to_owned()));
    expect!["<https://bongsu.example/api/v1/issues/9f2c0000000000000000000000000001|상세 보기> · <https://bongsu.example/trace/4bf92f3577b34da6|추적> · <https://bongsu.example/logs?m=order-api&amp;e=prod&amp;s=order-api-7c9f-x2x8k&amp;v=v1.42.0&amp;l=com.acme.order.DiscountService.apply&amp;f=1795409831000&amp;t=1795410431000|Logs of [all] &lt;kinds&gt; | `x`> · <https://bongsu.example/a/9f2c0000000000000000000000000001|Long> · `9f2c0000000000000000000000000001`"].assert_eq(&of("context").join("\n"));
    assert!(!sample::posted_by(&channel, sample::alert(3)).to_string().contains("subteam"));
}

#[test]
fn a_cut_never_splits_an_escape_or_a_family() {
    assert_eq!(plain("a&b", 3), "a…");
    assert_eq!(plain("a&b", 7), "a&amp;b");
    assert_eq!(plain("ab👨‍👩‍👧‍👦", 8), "ab…");
    assert_eq!(plain("가나다라마", 4), "가나다…");
}

#[test]
fn text_from_outside_mentions_nobody() {
    let payload = composed(sample::all(
        "<!channel> <!here|x> <@U024BE7LH> <https://evil|ok> @Here @channel @everyone me@example.com",
    ))
    .to_string();
    for bad in ["<!", "<@", "<https://evil", "@Here", "@channel", "@everyone"] {
        assert!(!payload.contains(bad), "{bad}");
    }
    assert!(
        payload.contains("&lt;!channel&gt;")
            && payload.contains("@\u{200b}channel")
            && payload.contains("me@example.com")
    );
}

#[test]
fn a_code_block_cannot_be_left() {
    for text in ["```", "a```b", "`", "x`", "``` <!channel>", "````````"] {
        let block = code_block(text, 100);
        let inside = block.strip_prefix("```\n").and_then(|rest| rest.strip_suffix("\n```")).unwrap();
        assert!(!inside.contains("``"), "{block}");
    }
    let field = Field { label: "요청", value: "a`b".to_owned(), code: true };
    assert_eq!(labelled(&field), "*요청*\na`b");
}

#[test]
fn slacks_words_go_before_its_statuses() {
    let judge = |brought: &Result<Reply, Failure>| judge_read(brought, &[], sample::NOW, read);
    let judged = |status, body: &str| {
        let reply = Reply { status, retry_after: Some("30".to_owned()), body: body.as_bytes().to_vec() };
        match judge(&Ok(reply)) {
            Attempt::Failed { not_before: Some(at), .. } if at == Time(sample::NOW.ms() + 30_000) => "failed",
            Attempt::Failed { .. } => "failed without patience",
            other => other.name(),
        }
    };
    let table = [
        (200, "ok", "delivered"),
        (200, "", "delivered"),
        (200, r#"{"success":true}"#, "delivered"),
        (200, r#"{"ok":false,"error":"channel_is_archived"}"#, "refused"),
        (200, r#"{"ok":false,"error":"ratelimited"}"#, "failed"),
        (200, r#"{"ok":false,"error":"a_new_word"}"#, "failed"),
        (400, "invalid_payload", "refused"),
        (403, "action_prohibited", "refused"),
        (404, "no_service\n", "refused"),
        (410, "channel_is_archived", "refused"),
        (500, "no_team", "refused"),
        (429, "rate_limited", "failed"),
        (429, "", "failed"),
        (400, "rate_limited", "failed"),
        (500, "rollup_error", "failed"),
        (503, "<html>", "failed"),
        (404, "something else", "refused"),
        (302, "", "refused"),
    ];
    for (status, body, expected) in table {
        assert_eq!(judged(status, body), expected, "{status} {body}");
    }
    assert!(matches!(judge(&Err(Failure::Timeout)), Attempt::Unanswered { .. }));
}
